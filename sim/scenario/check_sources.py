"""Numbers without a source (P01)."""

from collections.abc import Iterator
from typing import Any

from sim.errors import quoted
from sim.scenario.flaw import Case, Flaw
from sim.scenario.locate import Path
from sim.scenario.merge import Merged
from sim.scenario.nearest import nearest
from sim.scenario.noun import SourcedNoun
from sim.scenario.override import FILE_NAME as OPTION
from sim.scenario.shape import all_paths, fields, node_at, path_text, table_name

WORDS_ONLY = frozenset({"source", "name", "label", "id", "why", "description"})
# What is reported is a choice, not a parameter.
NEEDS_NO_SOURCE = frozenset({"outcomes"})
# A posology is chosen, not estimated: a variant of it may keep the source of what it varies.
MAY_KEEP_SOURCE = frozenset({"posology"})


def check_sources(case: Case) -> Iterator[Flaw]:
    """Every table that holds numbers says where they come from, key by key if it likes."""
    table = case.merged.table
    for path in all_paths(table):
        if path and path[0] not in NEEDS_NO_SOURCE:
            here = node_at(path, table)
            if here is not None and here.model is not None and issubclass(here.model, SourcedNoun):
                yield from _table(case.merged, path, list(fields(here.model)))


def _table(merged: Merged, path: Path, known: list[str]) -> Iterator[Flaw]:
    written = _at(merged.table, path)
    if not isinstance(written, dict):
        return
    source = written.get("source")
    keys = [
        key
        for key, value in written.items()
        if key not in WORDS_ONLY and _holds_number(merged, path, key, value)
    ]
    if source is None:
        if keys:
            message = f"{_name(merged, path)} has no source; the report will list it as unsupported"
            yield Flaw(path, "P01", message, severity="warning")
        return
    if isinstance(source, dict):
        yield from _unknown_keys(merged, path, source, known)
        for key in keys:
            if key not in source:
                message = f"{path_text((*path, key), merged.table)} has no source"
                message += "; the report will list it as unsupported"
                yield Flaw((*path, key), "P01", message, severity="warning")
    yield from _inherited(merged, path, source, keys)


def _unknown_keys(
    merged: Merged, path: Path, source: dict[str, Any], known: list[str]
) -> Iterator[Flaw]:
    for key in source:
        if key not in known:
            close = nearest(key, known)
            hint = f"did you mean {quoted(close)}?" if close else None
            message = f"source names {quoted(key)}, which is no key of {_name(merged, path)}"
            yield Flaw((*path, "source", key), "K01", message, hint, at_key=True)


def _inherited(merged: Merged, path: Path, source: Any, keys: list[str]) -> Iterator[Flaw]:
    """A value changed by a child file must not keep the source of its parent's value."""
    for key in keys if path[0] not in MAY_KEEP_SOURCE else ():
        at: Path = (*path, "source", key) if isinstance(source, dict) else (*path, "source")
        if at not in merged.keys or (*path, key) not in merged.values:
            continue
        value, origin = merged.values[(*path, key)], merged.keys[at]
        if value.generation < origin.generation and value.file != OPTION:
            name = path_text((*path, key), merged.table)
            message = f"{name} is changed here but keeps the source given in {origin.file}"
            yield Flaw((*path, key), "P01", message, severity="warning")


def _holds_number(merged: Merged, path: Path, key: str, value: Any) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        return True
    here = node_at((*path, key), merged.table)
    if here is not None and here.model is not None and issubclass(here.model, SourcedNoun):
        return False  # it has a source of its own
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_is_or_holds_number(item) for item in items)


def _is_or_holds_number(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_is_or_holds_number(item) for item in value.values())
    if isinstance(value, list):
        return any(_is_or_holds_number(item) for item in value)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _name(merged: Merged, path: Path) -> str:
    return table_name(path, merged.table)


def _at(table: Any, path: Path) -> Any:
    for step in path:
        table = table[step]
    return table
