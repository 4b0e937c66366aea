"""From bytes to a TOML table, with faults in our own words (F04-F08, T01-T03)."""

import json
import re
import tomllib
from typing import Any

from sim.errors import quoted
from sim.scenario.locate import STRING, Places, locate

_MAGIC = (
    (b"PAR1", "a Parquet results file"),
    (b"PK\x03\x04", "a ZIP archive or spreadsheet"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet or document"),
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"SQLite format 3", "a database"),
    (b"<", "a web page or XML file"),
)
_YAML = re.compile(r"^(---|%YAML|[ \t]*(- )?[\w-]+:([ \t]|$))", re.MULTILINE)
_BRACKETS = re.compile(
    r"(?P<dotted>(?:(?:[\w-]+|\"[^\"\n]*\"|'[^'\n]*')[ \t]*\.[ \t]*){16})"
    rf"|(?P<skip>{STRING}|#[^\n]*|[\w-]+)|(?P<open>[\[{{])|(?P<close>[\]}}])"
)
_WHERE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_DECIMAL_COMMA = re.compile(r"(?<![\w.,])([+-]?\d+),(\d+)\s*(?=$|[#},])")
_PERCENT = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*%")
_UNIT = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*([A-Za-z/][\w/²]*)")
_CURLY = "“”„‟‘’‚‛«»"
_NEXT_STATEMENT = re.compile(r"\n|$|[\w.-]+[ \t]*=|\[?\[[A-Za-z]")
_UNCLOSED = {
    "[": 'this list is never closed; a comma or "]" is missing',
    "{": 'a table in { } stands on one line and ends with "}"',
}
_KEY_BEFORE = re.compile(r"([\w.-]+)\s*=\s*$")


class TextFaultError(Exception):
    """What is wrong with a text, before anybody knows which file it is."""

    def __init__(
        self,
        code: str,
        message: str,
        line: int | None = None,
        column: int | None = None,
        hint: str | None = None,
        source: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.hint = code, message, hint
        self.line, self.column, self.source = line, column, source


def bytes_to_text(data: bytes, suffix: str) -> str:
    """The text without byte-order mark, with one-character line ends; raises TextFaultError."""
    if not data.strip():
        raise TextFaultError("F04", 'the file is empty; "titrasim init" writes a starting example')
    _check_kind(data, suffix)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        byte = f"byte 0x{data[error.start]:02X}"
        message = f"{byte} is not UTF-8; save the file as UTF-8"
        raise TextFaultError("F07", message, line, column) from None
    text = text.replace("\r\n", "\n")
    if "\r" in text and "\n" not in text:
        raise TextFaultError("F08", "lines end in a lone carriage return; save with LF line ends")
    return text


def parse(text: str, depth_at_most: int) -> tuple[dict[str, Any], Places]:
    """Table and positions of a TOML text; raises TextFaultError."""
    _check_depth(text, depth_at_most)
    places = locate(text)
    try:
        return tomllib.loads(text), places
    except tomllib.TOMLDecodeError as error:
        raise _fault(error, text, places) from None
    except ValueError:  # an integer of thousands of digits
        digits = re.search(r"\d{1000,}", text.replace("_", ""))
        length = len(digits.group()) if digits else 1000
        raise TextFaultError("N01", f"a number has {length} digits; that is too large") from None


def _check_kind(data: bytes, suffix: str) -> None:
    for magic, kind in _MAGIC:
        if data.lstrip().startswith(magic):
            rerun = '; to rerun it use "titrasim reproduce"' if magic == b"PAR1" else ""
            raise TextFaultError("F06", f"this is {kind}, not a scenario{rerun}")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or data[1:2] == b"\0":
        raise TextFaultError("F07", "this is UTF-16 text; save the file as UTF-8")
    if b"\0" in data:
        raise TextFaultError("F06", "this is a binary file, not a scenario")
    if suffix.lower() in (".yaml", ".yml"):
        raise TextFaultError("F06", "this is a YAML file; scenarios are TOML")
    if data.lstrip()[:1] in (b"{", b"["):
        try:
            json.loads(data)
        except (ValueError, RecursionError):
            return
        raise TextFaultError("F06", "this is a JSON file; scenarios are TOML")


def _check_depth(text: str, at_most: int) -> None:
    depth = 0
    for token in _BRACKETS.finditer(text):
        depth += (token["open"] is not None) - (token["close"] is not None)
        if depth > at_most or token["dotted"] is not None:
            line, column, _ = _at(text, token.start())
            message = f"tables and lists are nested more than {at_most} deep"
            raise TextFaultError("F05", message, line, column)


def _fault(error: tomllib.TOMLDecodeError, text: str, places: Places) -> TextFaultError:
    if "=" not in text and _YAML.search(text):
        return TextFaultError("F06", "this looks like YAML; scenarios are TOML")
    where = _WHERE.search(str(error))
    said = str(error)[: where.start()] if where else str(error)
    offset = _offset(text, int(where[1]), int(where[2])) if where and where[1] else len(text)
    code, message, offset = _explained(said, text, offset, places)
    line, column, source = _at(text, offset)
    return TextFaultError(code, message, line, column, source=source)


def _explained(said: str, text: str, offset: int, places: Places) -> tuple[str, str, int]:
    """Code, message and offset of a syntax fault; `said` is the parser's own phrase."""
    line_start = text.rfind("\n", 0, offset) + 1
    line_end = text.find("\n", offset) if "\n" in text[offset:] else len(text)
    here, line = text[offset:line_end], text[line_start:line_end]
    if said.startswith(("Cannot", "Duplicate")):
        return _repeated(text, offset, places)
    if here.startswith("\r"):
        return _stray_character("\r", offset)
    if comma := _DECIMAL_COMMA.search(line):
        found, better = f"{comma[1]},{comma[2]}", f"{comma[1]}.{comma[2]}"
        return "T02", f"{found} uses a decimal comma; write {better}", line_start + comma.start()
    if said.startswith("Expected ']"):
        return "T01", 'this table header needs its closing "]"', line_start
    opened = _open_brackets(text, offset)
    if opened and (said.startswith("Unclosed") or _NEXT_STATEMENT.match(here)):
        return "T01", _UNCLOSED[text[opened[-1]]], opened[-1]
    if said.startswith(("Found invalid", "Illegal")) and here and here[0] not in "\n\t":
        return _stray_character(here[0], offset)
    curly = next((c for c in here[:1] or line if c in _CURLY), None)
    if curly is not None and not said.startswith(("Unescaped", "Invalid hex")):
        at = text.index(curly, line_start)
        return "F08", f'curly quote {curly} used; TOML needs a straight quote "', at
    if said.startswith(("Illegal", "Unterminated", "Expected '\"", "Expected \"'")):
        opening = max(line.rfind('"'), line.rfind("'"), 0)
        return "T01", "the closing quote of this text is missing", line_start + opening
    if said.startswith(("Unescaped", "Invalid hex", "Escaped")):
        return "T01", "a backslash starts an escape; write \\\\ or use single quotes", offset
    return "T01", _statement_fault(said, here, text[line_start:offset]), offset


def _statement_fault(said: str, here: str, before: str) -> str:
    if said == "Invalid value":
        return _value_fault(here, before)
    if said.startswith("Expected newline"):
        return _rest_fault(here, before)
    if said.startswith("Expected '='"):
        if here.lstrip().startswith(":"):
            return 'a key and its value are joined by "=", not ":"'
        return 'a key is followed by "=" and a value'
    if said.startswith("Invalid date"):
        return f"{quoted(here)} is not a date that exists"
    if said.startswith("Invalid initial"):
        return "a key is made of letters, digits, - and _"
    return 'a line holds a key, "=" and a value, or a [table]'


def _value_fault(here: str, before: str) -> str:
    key = _KEY_BEFORE.search(before)
    word = re.match(r"[^#,\]}]*", here)
    value = word.group().strip() if word else ""
    if not value:
        return f'"{key[1]}" has no value' if key else "a value is missing here"
    if value.lower() in ("true", "false"):
        return f"write {value.lower()} in small letters"
    if value.lower() in ("none", "null", "nil", "na", "n/a"):
        return "there is no word for a missing value; leave the key out"
    if re.fullmatch(r"[+-]?\.\d+", value):
        return f"write {value.replace('.', '0.')}"
    return f"text needs quotes: write {key[1] + ' = ' if key else ''}{quoted(value)}"


def _rest_fault(here: str, before: str) -> str:
    start = re.search(r"[^\s=,\[{]*$", before.rstrip())
    written = (start.group() if start else "") + here
    if percent := _PERCENT.match(written):
        return f"{percent.group()} is not a number; write {float(percent[1]) / 100:g}"
    if re.match(r"[+-]?0\d", written):
        return "a number may not begin with 0"
    if re.match(r"[+-]?\d+\.(?!\d)", written):
        return "a point needs a digit after it, as in 4.0"
    if unit := _UNIT.match((before.rstrip().rpartition("=")[2] + " " + here).strip()):
        return f"a number carries no unit; write {unit[1]} (the key names the unit)"
    return f"one setting a line; {quoted(here.strip())} is left over"


def _repeated(text: str, offset: int, places: Places) -> tuple[str, str, int]:
    for repeat in places.repeats:
        name = ".".join(str(part) for part in repeat.path if isinstance(part, str))
        at = _offset(text, repeat.line, repeat.column)
        return "T03", f"{quoted(name)} was already set on line {repeat.first_line}", at
    return "T03", "this key or table was already set above", offset


def _open_brackets(text: str, offset: int) -> list[int]:
    opened = []
    for token in _BRACKETS.finditer(text, 0, offset):
        if token["open"] is not None:
            opened.append(token.start())
        elif token["close"] is not None and opened:
            opened.pop()
    return opened


def _stray_character(character: str, offset: int) -> tuple[str, str, int]:
    if character == "\r":
        return "F08", "a lone carriage return; save with LF or CRLF line ends", offset
    return "F07", f"stray control character 0x{ord(character):02X}; delete it", offset


def _offset(text: str, line: int, column: int) -> int:
    starts = [0] + [match.end() for match in re.finditer("\n", text)]
    return min(starts[line - 1] + column - 1, len(text)) if line <= len(starts) else len(text)


def _at(text: str, offset: int) -> tuple[int, int, str]:
    """Line, column and text of the line of an offset; the end of a text is its last line."""
    offset = min(offset, len(text.rstrip("\n")))
    start = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    source = text[start : end if end >= 0 else None]
    return text.count("\n", 0, offset) + 1, offset - start + 1, source
