"""What can go wrong for a user: every error carries its problems and an exit code.

The text of a problem is part of the program: file, line and column first, one stable code,
what was found, what is allowed, at most one hint.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar, Literal

Severity = Literal["error", "warning"]

SHOWN_AT_MOST = 20
SOURCE_LINE_WIDTH = 100
QUOTE_AT_MOST = 60
_TOKEN = re.compile(r"\"[^\"\n]*\"?|'[^'\n]*'?|[\[{]|[^\s,\]}#=]+")


@dataclass(frozen=True)
class Problem:
    """One thing to mend or to know; `line` and `column` count from 1."""

    file: str
    line: int | None
    column: int | None
    code: str
    severity: Severity
    message: str
    hint: str | None = None
    source_line: str | None = None


class SimError(Exception):
    """Any trouble this program names itself; never raised bare."""

    exit_code: ClassVar[int] = 70

    def __init__(self, message: str = "", problems: Iterable[Problem] = ()) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__(message or problem_text(self.problems))


class ScenarioError(SimError):
    """A scenario or an option that cannot be run as it stands."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem]) -> None:
        super().__init__("", problems)


class DataError(SimError):
    """A data file that cannot be used as it stands."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem]) -> None:
        super().__init__("", problems)


class LimitError(SimError):
    """A request beyond a stated limit of this program, or options that do not fit together."""

    exit_code = 2


class FileError(SimError):
    """A file that is missing, unreadable or cannot be written."""

    exit_code = 3

    def __init__(self, problems: Iterable[Problem]) -> None:
        super().__init__("", problems)


def quoted(value: str) -> str:
    """User text in straight quotes: unprintable characters escaped, cut at 60 characters."""
    return f'"{_printable(value[: QUOTE_AT_MOST + 1], QUOTE_AT_MOST)}"'


def problem_text(problems: Sequence[Problem]) -> str:
    """The problems as a person reads them, at most 20, with a closing count line."""
    if not problems:
        return ""
    shown = _most_important(problems)
    lines = [line for problem in shown for line in _problem_lines(problem)]
    if len(shown) < len(problems):
        lines.append(f"and {len(problems) - len(shown)} more")
    lines.append(_closing_line(problems))
    return "\n".join(lines)


def problem_list(problems: Iterable[Problem]) -> list[dict[str, str | int | None]]:
    """The same problems for machines: plain values, ready for JSON."""
    return [asdict(problem) for problem in problems]


def _most_important(problems: Sequence[Problem]) -> list[Problem]:
    # A late error must not hide behind twenty early warnings.
    ranked = sorted(range(len(problems)), key=lambda i: (problems[i].severity != "error", i))
    return [problems[i] for i in sorted(ranked[:SHOWN_AT_MOST])]


def _problem_lines(problem: Problem) -> list[str]:
    where = ":".join(str(p) for p in (problem.file, problem.line, problem.column) if p is not None)
    hint = f" {problem.hint}" if problem.hint else ""
    head = f"{where}: {problem.severity}[{problem.code}]: {problem.message}"
    if problem.source_line is None:
        return [head + (f";{hint}" if hint else "")]
    text, start, width = _window(problem.source_line, problem.column)
    number = "" if problem.line is None else f"{problem.line:>5} "
    margin = " " * len(number)
    lines = [head, f"{number}| {text}"]
    if problem.column is not None:
        lines.append(f"{margin}| {' ' * start}{'^' * width}{hint}")
    elif hint:
        lines.append(f"{margin}|{hint}")
    return lines


def _window(source_line: str, column: int | None) -> tuple[str, int, int]:
    """The part of a line to show, where the caret goes in it, and how wide the caret is."""
    start = 0 if column is None else min(column - 1, len(source_line))
    token = _TOKEN.match(source_line, start)
    width = len(token.group()) if token and _is_plain(token.group()[0]) else 1
    left = max(0, start - SOURCE_LINE_WIDTH // 2) if len(source_line) > SOURCE_LINE_WIDTH else 0
    part = source_line[left : left + SOURCE_LINE_WIDTH]
    before = "... " if left else ""
    after = " ..." if left + SOURCE_LINE_WIDTH < len(source_line) else ""
    text = before + "".join(c if _is_plain(c) else "?" for c in part) + after
    caret = start - left + len(before)
    return text, caret, max(1, min(width, len(text) - caret))


def _closing_line(problems: Sequence[Problem]) -> str:
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    numbers = ((errors, "error"), (warnings, "warning"))
    counts = [_count(number, noun) for number, noun in numbers if number]
    files = " and ".join(dict.fromkeys(problem.file for problem in problems))
    return f"{', '.join(counts)} in {files}." + (" Nothing was run." if errors else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _printable(text: str, at_most: int) -> str:
    cut = text if len(text) <= at_most else text[: at_most - 3] + "..."
    return "".join(c if _is_plain(c) else f"\\u{ord(c):04x}" for c in cut)


def _is_plain(character: str) -> bool:
    # Cc and Cf hold control characters and the marks that reverse the direction of text.
    return character == " " or unicodedata.category(character)[0] not in "CZ"
