"""One scenario file as read: its bytes, its table, and where everything stands in it."""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.errors import FileError, Problem, ScenarioError
from sim.scenario.library import shipped_names, shipped_path
from sim.scenario.locate import Places
from sim.scenario.nearest import nearest
from sim.scenario.syntax import TextFaultError, bytes_to_text, parse

SIZE_AT_MOST = 1 << 20
KEYS_AT_MOST = 10_000
VALUES_AT_MOST = 50_000
DEPTH_AT_MOST = 16
_SHIPPED_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Document:
    """A TOML file: `name` is what messages call it, `data` the bytes as given."""

    name: str
    path: Path
    data: bytes
    text: str
    table: dict[str, Any]
    places: Places

    def source_line(self, line: int) -> str:
        """Text of a line, counted from 1."""
        lines = self.text.split("\n")
        return lines[line - 1] if 1 <= line <= len(lines) else ""


def read_document(path_or_name: str | os.PathLike[str]) -> Document:
    """Read a file, or a shipped scenario by its name.

    Raises FileError (F01-F03) when it cannot be read, ScenarioError (F04-F08, T01-T03) when
    it is no TOML text.
    """
    path, name = _find(os.fspath(path_or_name))
    return document_from_bytes(_read_bytes(path, name), name, path)


def document_from_bytes(data: bytes, name: str, path: Path) -> Document:
    """A document from its bytes; raises ScenarioError (F04-F08, T01-T03)."""
    try:
        text = bytes_to_text(data, Path(name).suffix)
        table, places = parse(text, DEPTH_AT_MOST)
        _check_extent(table, places)
    except TextFaultError as fault:
        raise ScenarioError([_text_problem(fault, name)]) from None
    return Document(name, path, data, text, table, places)


def display_name(path: Path) -> str:
    """Relative to the working folder where inside it, else the bare file name."""
    here = Path.cwd()
    absolute = Path(os.path.abspath(path))
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else path.name


def _find(given: str) -> tuple[Path, str]:
    path = Path(given)
    if not os.path.lexists(path) and _SHIPPED_NAME.fullmatch(given):
        shipped = shipped_path(given)
        if shipped is not None:
            return shipped, shipped.name
    return path, display_name(path)


def _read_bytes(path: Path, name: str) -> bytes:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise _file_error(name, "F02", "this is a folder; give a scenario file")
        if not stat.S_ISREG(status.st_mode):
            raise _file_error(name, "F02", "this is not a regular file; give a scenario file")
        if status.st_size > SIZE_AT_MOST:
            size = _size_text(status.st_size)
            message = f"the file has {size}; scenario files may have at most 1 MiB"
            raise ScenarioError([Problem(name, None, None, "F05", "error", message)])
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise _file_error(name, "F01", f"file not found{_similar_file(path)}") from None
    except PermissionError:
        raise _file_error(name, "F03", "no permission to read this file") from None
    except (OSError, ValueError):
        raise _file_error(name, "F03", "this file cannot be read") from None


def _similar_file(path: Path) -> str:
    folder = path.parent
    try:
        there = [entry.name for entry in folder.iterdir() if entry.suffix == ".toml"]
    except OSError:
        there = []
    close = nearest(path.name, there) or nearest(path.name + ".toml", there)
    if close is not None:
        return f" (in this folder: {close}; did you mean that?)"
    close = nearest(path.stem, shipped_names())
    if close is not None:
        return f' (a shipped scenario is called "{close}"; did you mean that?)'
    return ""


def _file_error(name: str, code: str, message: str) -> FileError:
    return FileError([Problem(name, None, None, code, "error", message)])


def _size_text(size: int) -> str:
    if size >= 1 << 30:
        return f"{size / (1 << 30):.1f} GiB"
    return f"{size / (1 << 20):.1f} MiB"


def _check_extent(table: dict[str, Any], places: Places) -> None:
    if len(places.keys) > KEYS_AT_MOST:
        count = f"{len(places.keys):,}".replace(",", " ")
        raise TextFaultError("F05", f"the file has {count} keys; at most 10 000 are allowed")
    if len(places.values) > VALUES_AT_MOST:
        count = f"{len(places.values):,}".replace(",", " ")
        raise TextFaultError("F05", f"the file has {count} values; at most 50 000 are allowed")
    if not table:
        raise TextFaultError("F04", 'the file is empty; "titrasim init" writes a starting example')
    deepest = max(places.values, key=len)
    if len(deepest) > DEPTH_AT_MOST:
        line, column = places.values[deepest]
        message = f"tables and lists are nested {len(deepest)} deep; at most 16 are allowed"
        raise TextFaultError("F05", message, line, column)


def _text_problem(fault: TextFaultError, name: str) -> Problem:
    return Problem(
        name, fault.line, fault.column, fault.code, "error", fault.message, fault.hint, fault.source
    )
