"""A table of individual parameters as read: header and rows of text, from any of the usual tools.

Commas, semicolons (with decimal commas too), tabs, bars or blanks separate fields. NONMEM's
`TABLE NO.` lines, repeated headers and the spreadsheet's `sep=;` line are passed over.
"""

import csv
import io
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sim.errors import DataError, FileError, Problem, quoted

SIZE_AT_MOST = 64 << 20
_TABLE_LINE = re.compile(r"\s*TABLE\s+NO\.", re.IGNORECASE)
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[;,|\s]*', re.IGNORECASE)
# ETC(1,1) of NONMEM's .phi files and a quoted name hold commas that separate nothing.
_ENCLOSED = re.compile(r'"[^"]*"|\([^)]*\)|\[[^\]]*\]')


@dataclass(frozen=True)
class Row:
    """One line of the table: its number in the file, from 1, and its fields."""

    line: int
    fields: tuple[str, ...]


@dataclass(frozen=True)
class ParameterTable:
    """A parameter file as text; `name` is what messages call it."""

    name: str
    header_line: int
    header: tuple[str, ...]
    rows: tuple[Row, ...]


def read_parameter_table(path: Path) -> ParameterTable:
    """Read a file of individual parameters.

    Raises FileError (F01-F03) when it cannot be read, DataError when it is too large or no
    text (D30), has no rows (D30) or rows of another length than the header (D31).
    """
    name = _shown(path)
    return parameter_table(_text(path, name), name)


def parameter_table(text: str, name: str) -> ParameterTable:
    """Return the table in a text; raises DataError (D30, D31)."""
    lines = [
        (number, line)
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not _TABLE_LINE.match(line)
    ]
    if not lines:
        raise _refused(name, "D30", "the file is empty", "give a header line and one row a patient")
    stated = _SEPARATOR_LINE.fullmatch(lines[0][1].strip(" "))
    if stated and len(lines) > 1:
        lines = lines[1:]
    separator = stated[1] if stated else _separator(lines[0][1])
    split = [Row(number, _fields(name, number, line, separator)) for number, line in lines]
    header_line, header = split[0].line, split[0].fields
    rows = tuple(row for row in split[1:] if row.fields != header)
    header, rows = _without_row_names(header, rows)
    if not rows:
        raise _refused(name, "D30", "the file has a header line but no rows")
    problems = list(_ragged(name, header, rows))
    if problems:
        raise DataError(problems)
    return ParameterTable(name, header_line, header, rows)


def _separator(header: str) -> str:
    """Return what separates the fields of a header line; a blank stands for any white space."""
    outside = _ENCLOSED.sub("", header)
    return next((mark for mark in ";\t|," if mark in outside), " ")


def _fields(name: str, number: int, line: str, separator: str) -> tuple[str, ...]:
    """Return the fields of a line; raises DataError (D31) when one is longer than any value."""
    try:
        return tuple(_split(line, separator))
    except csv.Error:
        message = f"this line has a field of more than {csv.field_size_limit()} characters"
        hint = "look for a quotation mark that is not closed"
        raise DataError([Problem(name, number, None, "D31", "error", message, hint)]) from None


def _split(line: str, separator: str) -> list[str]:
    if separator == " ":
        return [field.strip('"') for field in line.split()]
    fields = next(csv.reader(io.StringIO(line), delimiter=separator), [])
    fields = [field.strip() for field in fields]
    if separator == ";":
        fields = [_with_decimal_point(field) for field in fields]
    return fields


def _with_decimal_point(field: str) -> str:
    """Return 1,86 as 1.86: where semicolons separate, a single comma is a decimal comma."""
    return field.replace(",", ".") if re.fullmatch(r"[-+]?\d*,\d+([eE][-+]?\d+)?", field) else field


def _without_row_names(
    header: tuple[str, ...], rows: tuple[Row, ...]
) -> tuple[tuple[str, ...], tuple[Row, ...]]:
    """R writes row names without a heading: drop them when every row has one field more."""
    if rows and all(len(row.fields) == len(header) + 1 for row in rows):
        return header, tuple(Row(row.line, row.fields[1:]) for row in rows)
    return header, rows


def _ragged(name: str, header: tuple[str, ...], rows: tuple[Row, ...]) -> Iterator[Problem]:
    for row in rows:
        if len(row.fields) != len(header):
            message = f"this row has {len(row.fields)} fields, the header {len(header)}"
            more = len(row.fields) > len(header)
            hint = "with decimal commas, separate fields by semicolons" if more else None
            yield Problem(name, row.line, None, "D31", "error", message, hint)


def _text(path: Path, name: str) -> str:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise _unreadable(name, "F02", "this is not a regular file; give a table of parameters")
        if status.st_size > SIZE_AT_MOST:
            size = f"{status.st_size / (1 << 20):.0f} MiB"
            raise _refused(name, "D30", f"the file has {size}; at most 64 MiB are read")
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise _unreadable(name, "F01", "file not found") from None
    except PermissionError:
        raise _unreadable(name, "F03", "no permission to read this file") from None
    except (OSError, ValueError):
        raise _unreadable(name, "F03", "this file cannot be read") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = ""
    if (data and not text) or "\0" in text:
        hint = "save it as a UTF-8 text file with separators; spreadsheets export CSV"
        raise _refused(name, "D30", "this is no UTF-8 text", hint)
    return text


def _shown(path: Path) -> str:
    absolute, here = Path(os.path.abspath(path)), Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else path.name


def _refused(name: str, code: str, message: str, hint: str | None = None) -> DataError:
    return DataError([Problem(name, None, None, code, "error", message, hint)])


def _unreadable(name: str, code: str, message: str) -> FileError:
    return FileError([Problem(name, None, None, code, "error", message)])


def printable(text: str) -> str:
    """Return text of a file for a terminal: unprintable characters escaped, cut at 60."""
    return quoted(text)[1:-1]


def quoted_names(names: Sequence[str]) -> str:
    """Return column names for a message: "CL", "V2"."""
    return ", ".join(quoted(name) for name in names)
