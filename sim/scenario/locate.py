"""Where in a TOML text each key and value stands.

The standard parser keeps no positions. This one keeps nothing else: it follows the same
grammar, understands keys, and skips over values. It never raises on text that `tomllib`
accepts; on other text it stops at the first thing it cannot follow and returns what it saw.
"""

import re
import tomllib
from bisect import bisect_right
from contextlib import suppress
from dataclasses import dataclass, field

Path = tuple[str | int, ...]
Position = tuple[int, int]

_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
STRING = (
    r'"""(?:[^"\\]|\\[\s\S]|"{1,2}(?!"))*"{3,5}'
    r"|'''[\s\S]*?'''(?:''?)?"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
)
_STRING = re.compile(STRING)
_PLAIN_VALUE = re.compile(r"[^,\]}#\n]+")


@dataclass(frozen=True)
class Repeat:
    """A key or table given a second time."""

    path: Path
    first_line: int
    line: int
    column: int


@dataclass
class Places:
    """Positions, counted from 1, of every node of a document by its path."""

    values: dict[Path, Position] = field(default_factory=lambda: {(): (1, 1)})
    keys: dict[Path, Position] = field(default_factory=dict)
    repeats: list[Repeat] = field(default_factory=list)


def locate(text: str) -> Places:
    """Positions of all keys and values of a TOML text without byte-order mark."""
    scan = _Scan(text.replace("\r\n", "\n"))
    # The parser proper reports the fault; what was seen so far is still true.
    with suppress(_UnreadableError, RecursionError):
        scan.document()
    return scan.places


class _UnreadableError(Exception):
    pass


class _Scan:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.places = Places()
        self._starts = [0] + [m.end() for m in re.finditer("\n", text)]
        self._lengths: dict[Path, int] = {}  # tables seen so far in each [[array]]
        self._set: set[Path] = set()  # paths given explicitly, to notice repeats

    def document(self) -> None:
        table: Path = ()
        while not self._ended():
            if self.text.startswith("[[", self.at):
                table = self._array_header()
            elif self.text.startswith("[", self.at):
                table = self._table_header()
            else:
                self._key_and_value(table)
                self._end_of_statement()

    def _ended(self) -> bool:
        self._skip(_BLANK)
        return self.at >= len(self.text)

    def _end_of_statement(self) -> None:
        self._skip(_SPACE)
        if self.at < len(self.text) and self.text[self.at] not in "#\n":
            raise _UnreadableError

    def _array_header(self) -> Path:
        start = self._position(self.at)
        self.at += 2
        parts = self._key_parts()
        self._expect("]]")
        path = self._inside_last((), parts[:-1], start) + (parts[-1][0],)
        self.places.values.setdefault(path, start)
        self.places.keys.setdefault(path, start)
        index = self._lengths.get(path, 0)
        self._lengths[path] = index + 1
        self.places.values[path + (index,)] = start
        return path + (index,)

    def _table_header(self) -> Path:
        start = self._position(self.at)
        self.at += 1
        parts = self._key_parts()
        self._expect("]")
        path = self._inside_last((), parts[:-1], start) + (parts[-1][0],)
        self._note_repeat(path, start)
        self.places.values[path] = start
        self.places.keys[path] = start
        return path

    def _inside_last(self, path: Path, parts: list[tuple[str, Position]], at: Position) -> Path:
        for name, _ in parts:
            path = path + (name,)
            self.places.values.setdefault(path, at)
            self.places.keys.setdefault(path, at)
            if path in self._lengths:
                path = path + (self._lengths[path] - 1,)
        return path

    def _key_and_value(self, table: Path) -> None:
        path = table
        for name, position in self._key_parts():
            path = path + (name,)
            self.places.keys.setdefault(path, position)
            self.places.values.setdefault(path, position)
        self._note_repeat(path, position)
        self._expect("=")
        self._skip(_SPACE)
        self._value(path)

    def _key_parts(self) -> list[tuple[str, Position]]:
        parts = []
        while True:
            self._skip(_SPACE)
            position = self._position(self.at)
            parts.append((self._key_part(), position))
            self._skip(_SPACE)
            if not self.text.startswith(".", self.at):
                return parts
            self.at += 1

    def _key_part(self) -> str:
        bare = _BARE_KEY.match(self.text, self.at)
        token = bare or _STRING.match(self.text, self.at)
        if token is None or token.group().startswith(('"""', "'''")):
            raise _UnreadableError
        self.at = token.end()
        return token.group() if bare else _unquoted(token.group())

    def _value(self, path: Path) -> None:
        self.places.values[path] = self._position(self.at)
        if self.text.startswith("[", self.at):
            self._array(path)
        elif self.text.startswith("{", self.at):
            self._inline_table(path)
        else:
            token = _STRING.match(self.text, self.at) or _PLAIN_VALUE.match(self.text, self.at)
            if token is None:
                raise _UnreadableError
            self.at = token.end()

    def _array(self, path: Path) -> None:
        self.at += 1
        index = 0
        while True:
            self._skip(_BLANK)
            if self.text.startswith("]", self.at):
                break
            self._value(path + (index,))
            index += 1
            self._skip(_BLANK)
            if self.text.startswith("]", self.at):
                break
            self._expect(",")
        self.at += 1

    def _inline_table(self, path: Path) -> None:
        self.at += 1
        self._skip(_SPACE)
        while not self.text.startswith("}", self.at):
            self._key_and_value(path)
            self._skip(_SPACE)
            if self.text.startswith("}", self.at):
                break
            self._expect(",")
        self.at += 1

    def _note_repeat(self, path: Path, position: Position) -> None:
        if path in self._set:
            first = self.places.keys[path][0]
            self.places.repeats.append(Repeat(path, first, *position))
        self._set.add(path)

    def _expect(self, mark: str) -> None:
        self._skip(_SPACE)
        if not self.text.startswith(mark, self.at):
            raise _UnreadableError
        self.at += len(mark)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        if match is not None:
            self.at = match.end()

    def _position(self, offset: int) -> Position:
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


def _unquoted(token: str) -> str:
    if token.startswith("'"):
        return token[1:-1]
    try:
        return str(tomllib.loads(f"key = {token}")["key"])
    except tomllib.TOMLDecodeError:
        raise _UnreadableError from None
