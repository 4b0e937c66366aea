"""Individual exposures and events from a CSV file, one row a patient.

Comma, semicolon or tab; decimal commas unless the comma is the delimiter; `.`, `NA` and an
empty cell are missing. Every fault is reported at once, by line, with a code for its class:

D31 empty, D32 not UTF-8 text, D33 column missing, D34 column named twice, D35 ragged line,
D36 text in a number, D37 infinite, not a number or of no usable size, D38 negative exposure,
D39 event neither 0 nor 1, D40 identifier twice or missing, D41 all events or none, D42 one
exposure value, D43 too few patients, D44 nothing left.
"""

import hashlib
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sim.errors import DataError, FileError, LimitError, Problem, quoted
from sim.exposure_response.delimited import read_delimited
from sim.exposure_response.logistic_many import EXPOSURE_AT_LEAST, EXPOSURE_AT_MOST
from sim.scenario.nearest import nearest

PATIENTS_AT_LEAST = 10
NAMED_AT_MOST = 12
NOT_STATED = "not stated"
MISSING = ("", ".", "na")
TRUE, FALSE = ("1", "1.0", "yes", "true"), ("0", "0.0", "no", "false")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?")
_DECIMAL_POINT = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?")
_NOT_ZERO = re.compile(r"[+0.]*[1-9]")
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)


@dataclass(frozen=True)
class Columns:
    """Names of the columns to read."""

    exposure: str
    events: tuple[str, ...]
    by: str | None = None
    identifier: str | None = None


@dataclass(frozen=True)
class IndividualData:
    """What the file holds of patients whose exposure is known, in the file's order.

    exposure (n,); events maps a column to (n,) of 0, 1 or NaN for missing; groups has n labels,
    all empty without a grouping column. population says in words who the patients are.
    """

    file: str
    sha256: str
    columns: Columns
    rows: int
    exposure: NDArray[np.float64]
    events: Mapping[str, NDArray[np.float64]]
    groups: tuple[str, ...]
    without_exposure: int
    without_group: int
    population: str = NOT_STATED

    def of(self, column: str, group: str = "") -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return exposure and event (m,) of the patients of a group whose event is known."""
        event = self.events[column]
        kept = ~np.isnan(event) & np.array([one == group for one in self.groups], bool)
        return self.exposure[kept], event[kept]


@dataclass(frozen=True)
class _Row:
    line: int
    cells: dict[str, str]


def read_individual_data(
    path: str | os.PathLike[str], columns: Columns, population: str = NOT_STATED
) -> IndividualData:
    """Read the columns of a CSV file.

    Raises FileError where it cannot be read, DataError with every fault of its content, and
    LimitError where one column is asked for twice.
    """
    _refuse_same_column(columns)
    name = Path(path).name or str(path)
    data = _bytes(Path(path), name)
    rows, delimiter, problems = _rows(_text(data, name), name, columns)
    if rows is None:
        raise DataError(problems)
    decimals = _decimals([row.cells[columns.exposure] for row in rows], delimiter)
    cells = _Cells(name, problems, decimals)
    exposure = [cells.exposure(row, columns.exposure) for row in rows]
    events = {
        column: np.array([cells.event(row, column) for row in rows], np.float64)
        for column in columns.events
    }
    groups = [_or_missing(row.cells[columns.by]) if columns.by else "" for row in rows]
    if columns.identifier is not None:
        problems += _identifier_problems(rows, columns.identifier, name)
    if problems:
        raise DataError(sorted(problems, key=lambda problem: problem.line or 0))
    kept = np.array([not math.isnan(x) for x in exposure]) & np.array(
        [g is not None for g in groups]
    )
    found = IndividualData(
        file=name,
        sha256=hashlib.sha256(data).hexdigest(),
        columns=columns,
        rows=len(rows),
        exposure=np.array(exposure, np.float64)[kept],
        events={column: values[kept] for column, values in events.items()},
        groups=tuple(group or "" for group, keep in zip(groups, kept, strict=True) if keep),
        without_exposure=sum(math.isnan(x) for x in exposure),
        without_group=sum(group is None for group in groups),
        population=population,
    )
    if whole := list(_content_problems(found)):
        raise DataError(whole)
    return found


def _refuse_same_column(columns: Columns) -> None:
    asked = _asked(columns)
    twice = sorted({one for one in asked if asked.count(one) > 1})
    if twice:
        raise LimitError(f"column {quoted(twice[0])} is named by two options")


def _problem(name: str, line: int | None, code: str, message: str, hint: str = "") -> Problem:
    return Problem(name, line, None, code, "error", message, hint or None)


def _bytes(path: Path, name: str) -> bytes:
    try:
        if path.is_dir():
            raise FileError([_problem(name, None, "F02", "this is a folder; give a CSV file")])
        return path.read_bytes()
    except FileNotFoundError:
        there = [entry.name for entry in path.parent.glob("*.*")] if path.parent.is_dir() else []
        close = nearest(path.name, sorted(there))
        hint = f"did you mean {quoted(close)}?" if close else ""
        raise FileError([_problem(name, None, "F01", "file not found", hint)]) from None
    except (OSError, ValueError):
        raise FileError([_problem(name, None, "F03", "this file cannot be read")]) from None


def _text(data: bytes, name: str) -> str:
    if not data.strip():
        message = "the file is empty; a header line and one line a patient are needed"
        raise DataError([_problem(name, None, "D31", message)])
    advice = "save the table as CSV, UTF-8"
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise DataError([_problem(name, None, "D32", "this is a spreadsheet, not text", advice)])
    if b"\0" in data:
        message = "this is UTF-16 text or a binary file"
        raise DataError([_problem(name, None, "D32", message, advice)])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        message = f"byte 0x{data[error.start]:02X} is not UTF-8"
        raise DataError([_problem(name, line, "D32", message, advice)]) from None


def _asked(columns: Columns) -> list[str]:
    asked = [columns.exposure, *columns.events, columns.by, columns.identifier]
    return [one for one in asked if one is not None]


def _rows(text: str, name: str, columns: Columns) -> tuple[list[_Row] | None, str, list[Problem]]:
    """Return the rows with a cell for every column asked for, None without those columns.

    With them come the delimiter and all problems.
    """
    found = read_delimited(text, _asked(columns))
    lines, delimiter = found.lines, found.delimiter
    problems: list[Problem] = []
    if found.fault_line is not None:
        message = "a quotation mark is not closed or stands inside a cell"
        problems.append(_problem(name, found.fault_line, "D35", message))
        if not lines:
            return None, delimiter, problems
    at, header = lines[0]
    problems += _header_problems(header, at, name, columns)
    if any(problem.code in ("D33", "D34") for problem in problems):
        return None, delimiter, problems
    if len(lines) == 1 and not problems:
        message = "there is a header and no patient"
        return None, delimiter, [_problem(name, at, "D31", message)]
    rows = []
    for line, record in lines[1:]:
        if len(record) == len(header):
            rows.append(_Row(line, dict(zip(header, record, strict=True))))
            continue
        cells = f"{len(record)} cell{'' if len(record) == 1 else 's'}"
        is_comma = delimiter == "," and len(record) > len(header)
        hint = (
            "numbers take a decimal point, texts with a comma quotation marks" if is_comma else ""
        )
        message = f"this line has {cells}, the header {len(header)}"
        problems.append(_problem(name, line, "D35", message, hint))
    return rows, delimiter, problems


def _decimals(cells: Sequence[str], delimiter: str) -> str:
    """Return which decimals a column has: "point", "comma", or "mixed" where nobody can tell."""
    if delimiter == "," or not any(_DECIMAL_COMMA.fullmatch(cell) for cell in cells):
        return "point"
    return "mixed" if any(_DECIMAL_POINT.fullmatch(cell) for cell in cells) else "comma"


def _header_problems(header: list[str], at: int, name: str, columns: Columns) -> Iterator[Problem]:
    for column in _asked(columns):
        if header.count(column) > 1:
            message = f"{header.count(column)} columns are called {quoted(column)}"
            yield _problem(name, at, "D34", message)
        if column not in header:
            close = nearest(column, header)
            hint = f"did you mean {quoted(close)}?" if close else ""
            there = ", ".join(quoted(one) for one in header[:NAMED_AT_MOST])
            more = ", ..." if len(header) > NAMED_AT_MOST else ""
            message = f"there is no column {quoted(column)}; there are {there}{more}"
            yield _problem(name, at, "D33", message, hint)


def _or_missing(cell: str) -> str | None:
    return None if cell.lower() in MISSING else cell


class _Cells:
    """Reads cells and collects what is wrong with them; a faulty cell gives NaN."""

    def __init__(self, name: str, problems: list[Problem], decimals: str) -> None:
        self.name, self.problems, self.decimals = name, problems, decimals

    def exposure(self, row: _Row, column: str) -> float:
        cell = row.cells[column]
        if _or_missing(cell) is None:
            return math.nan
        if _NOT_FINITE.fullmatch(cell):
            message = f"{column} is {quoted(cell)}; an exposure is a finite number"
            return self._fault(row, "D37", message, 'a missing one is written "." or "NA"')
        has_comma = _DECIMAL_COMMA.fullmatch(cell) is not None
        number = cell.replace(",", ".") if has_comma else cell
        if not _NUMBER.fullmatch(number) or (has_comma and self.decimals == "point"):
            hint = f"write {number}" if has_comma else ""
            return self._fault(row, "D36", f"{column} is {quoted(cell)}, not a number", hint)
        if has_comma and self.decimals == "mixed":
            message = f"{column} is {quoted(cell)}, while other lines have a decimal point"
            return self._fault(row, "D36", message, "use one of the two throughout")
        value = float(number)
        if not math.isfinite(value):
            return self._fault(row, "D37", f"{column} is {quoted(cell)}, which is too large")
        if value < 0.0:
            return self._fault(row, "D38", f"{column} is {cell}; an exposure is 0 or more")
        is_zero = value == 0.0 and not _NOT_ZERO.match(number)
        if not is_zero and not EXPOSURE_AT_LEAST <= value <= EXPOSURE_AT_MOST:
            allowed = f"0, or {EXPOSURE_AT_LEAST:g} to {EXPOSURE_AT_MOST:g}"
            return self._fault(row, "D37", f"{column} is {cell}; an exposure is {allowed}")
        return value

    def event(self, row: _Row, column: str) -> float:
        cell = row.cells[column]
        if _or_missing(cell) is None:
            return math.nan
        word = cell.lower().replace(",", ".") if self.decimals == "comma" else cell.lower()
        if word in TRUE:
            return 1.0
        if word in FALSE:
            return 0.0
        message = f"{column} is {quoted(cell)}; an event is 0 or 1, no or yes, false or true"
        return self._fault(row, "D39", message)

    def _fault(self, row: _Row, code: str, message: str, hint: str = "") -> float:
        self.problems.append(_problem(self.name, row.line, code, message, hint))
        return math.nan


def _identifier_problems(rows: Sequence[_Row], column: str, name: str) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for row in rows:
        cell = row.cells[column]
        if _or_missing(cell) is None:
            yield _problem(name, row.line, "D40", f"{column} is missing")
        elif cell in first:
            message = f"{column} {quoted(cell)} was already on line {first[cell]}"
            yield _problem(name, row.line, "D40", message, "one line a patient")
        else:
            first[cell] = row.line


def _content_problems(data: IndividualData) -> Iterator[Problem]:
    """What no single line shows: too little, all events or none, one exposure."""
    exposure = data.columns.exposure
    for column in data.columns.events:
        known = ~np.isnan(data.events[column])
        event, x = data.events[column][known], data.exposure[known]
        where = f"{column} by {exposure}"
        if len(event) == 0:
            message = f"{where}: no patient has both values; all {data.rows} rows are left out"
            yield _problem(data.file, None, "D44", message)
            continue
        if len(event) < PATIENTS_AT_LEAST:
            message = f"{where}: {len(event)} patients; a fit needs {PATIENTS_AT_LEAST} or more"
            yield _problem(data.file, None, "D43", message)
        if event.sum() in (0, len(event)):
            share = "none" if event.sum() == 0 else "all"
            message = f"{where}: {share} of {len(event)} patients had the event"
            yield _problem(data.file, None, "D41", message, "no model can be fitted to that")
        if x.min() == x.max():
            message = f"{where}: every exposure is {x[0]:g}; a slope needs at least two values"
            yield _problem(data.file, None, "D42", message)
