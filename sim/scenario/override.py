"""`--set path=value`: single values changed on the command line."""

import copy
import re
import tomllib
from typing import Any

from sim.errors import Problem, quoted
from sim.scenario.locate import Path
from sim.scenario.merge import Merged, Place, drop_alternatives
from sim.scenario.nearest import nearest
from sim.scenario.noun import SourcedNoun
from sim.scenario.scenario import Scenario
from sim.scenario.shape import Node, all_paths, field_node, fields, path_text, resolved

FILE_NAME = "--set"
SET_HERE = "given by --set"
_PART = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_OVERRIDE = re.compile(rf"\s*({_PART}(?:\.{_PART})*)\s*=(.*)", re.DOTALL)
_LABELS = ("id", "name", "cause", "clause")
_FIXED = ("format", "extends")


def override(merged: Merged, text: str) -> Problem | None:
    """Change one value in place, as `path=value` says; the problem when that cannot be (C01)."""
    place = Place(FILE_NAME, source_line=f"--set {text}")
    match = _OVERRIDE.fullmatch(text)
    if match is None:
        example = "write path=value, for example --set posology.start_mg=4"
        return place.problem("C01", example)
    parts = [part.strip("\"'") for part in re.findall(_PART, match[1])]
    try:
        _Setting(merged, place).set(parts, match[2].strip())
    except _SettingError as error:
        return place.problem("C01", error.message, error.hint)
    return None


def copy_for_override(merged: Merged) -> Merged:
    """A copy that may be changed."""
    return Merged(merged.name, copy.deepcopy(merged.table), dict(merged.values), dict(merged.keys))


class _SettingError(Exception):
    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


class _Setting:
    def __init__(self, merged: Merged, place: Place) -> None:
        self.merged = merged
        self.place = place

    def set(self, parts: list[str], written: str) -> None:
        here, holder, path = Node(Scenario, {}), self.merged.table, ()  # type: Node, Any, Path
        owner: tuple[dict[str, Any], str, Path] | None = None
        while True:
            table = resolved(here, holder)
            step, here, parts = self._step(table, holder, path, parts)
            if table.model is not None and issubclass(table.model, SourcedNoun):
                owner = holder, str(step), path
            path = path + (step,)
            if not parts:
                break
            holder = self._below(here, holder, step, path)
        value = _parsed(written, here)
        if isinstance(holder, list):
            holder[int(step)] = value
        else:
            holder[step] = value
        if owner is not None:
            self._own(*owner)
        self._place(path, value)

    def _own(self, table: dict[str, Any], key: str, path: Path) -> None:
        """A number that is set has a source of its own, and replaces what says it otherwise."""
        given = {key}
        uncertainty = self.merged.values.get((*path, "uncertainty"))
        if uncertainty is not None and uncertainty.file == FILE_NAME:
            given.add("uncertainty")
        drop_alternatives(str(path[0]), table, given)
        if key == "source":
            return
        source = table.get("source")
        if isinstance(source, str):
            source = {name: source for name in table if name not in ("source", key)}
        if source is None or isinstance(source, dict):
            table["source"] = {**(source or {}), key: SET_HERE}

    def _step(
        self, here: Node, holder: Any, path: Path, parts: list[str]
    ) -> tuple[str | int, Node, list[str]]:
        """The next step of the path, what is expected there, and the parts left over."""
        part, rest = parts[0], parts[1:]
        name = path_text(path, self.merged.table)
        if here.model is not None:
            known = fields(here.model)
            if part not in known or (not path and part in _FIXED):
                raise self._unknown(path, part, [k for k in known if path or k not in _FIXED])
            return part, field_node(known[part]), rest
        if here.item is not None and isinstance(holder, list):
            index = _entry(holder, part)
            if index is None:
                labels = [label for label in map(_label, holder) if label is not None]
                raise self._unknown(path, part, labels)
            return index, here.item, rest
        if here.free_key_value is not None:
            return ".".join(parts), here.free_key_value, []
        raise _SettingError(f"{name} is a single value; there is no {quoted(part)} in it")

    def _below(self, here: Node, holder: Any, step: str | int, path: Path) -> Any:
        if isinstance(holder, dict) and step not in holder:
            if here.item is not None:
                name = path_text(path, self.merged.table)
                raise _SettingError(f"{name} has no entries yet; set the whole list")
            holder[step] = {}
            self.merged.values[path] = self.merged.keys[path] = self.place
        value = holder[step]
        if not isinstance(value, dict | list):
            if here.model is None and not here.members and here.free_key_value is None:
                return value  # the next step says that this is a single value
            name = path_text(path, self.merged.table)
            raise _SettingError(f"{name} is no table in the file; mend that first")
        return value

    def _unknown(self, path: Path, part: str, known: list[str]) -> _SettingError:
        prefix = path_text(path, self.merged.table)
        full = f"{prefix}.{part}" if prefix else part
        close = nearest(part, known)
        if close is not None:
            better = f"{prefix}.{close}" if prefix else close
            return _SettingError(f"no setting {quoted(full)}", f"did you mean {quoted(better)}?")
        return _SettingError(f"no setting {quoted(full)}", _short_list(prefix, known))

    def _place(self, path: Path, value: Any) -> None:
        for places in (self.merged.values, self.merged.keys):
            for old in [p for p in places if p[: len(path)] == path]:
                del places[old]
        for below in all_paths(value, path):
            self.merged.values[below] = self.place
            self.merged.keys[below] = self.place


def _short_list(prefix: str, known: list[str]) -> str | None:
    if not known:
        return None
    shown = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
    return f"{prefix or 'the scenario'} has {shown}"


def _entry(holder: list[Any], part: str) -> int | None:
    for index, entry in enumerate(holder):
        if _label(entry) == part:
            return index
    number = int(part) if part.isdecimal() else 0
    return number - 1 if 1 <= number <= len(holder) else None


def _label(entry: Any) -> str | None:
    if isinstance(entry, dict):
        for key in _LABELS:
            if isinstance(entry.get(key), str):
                return str(entry[key])
    return None


def _parsed(written: str, here: Node) -> Any:
    """A TOML value; what is none is text, so that quotes may be left out."""
    if here.members and re.fullmatch(r"\+\d", written):
        return written  # "+1" is an action before it is a number
    try:
        table = tomllib.loads(f"value = {written}")
    except (ValueError, RecursionError):
        return written
    return table["value"] if len(table) == 1 else written
