"""One table out of several: a child scenario over its parent, with the origin of every value."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sim.errors import Problem, Severity, quoted
from sim.scenario.document import Document
from sim.scenario.locate import Path, Position
from sim.scenario.nearest import nearest

NAME_KEYS = {"rule": "id", "adverse_event": "name", "exit": "cause"}
# A child's table replaces these whole: half of one and half of another says neither.
REPLACED_WHOLE = frozenset({"when", "until", "probability_by_dose_mg", "grade_shares"})
# Giving one of these drops what the parent says in another way.
ALTERNATIVES = {
    "adverse_event": (
        ("probability_by_dose_mg",),
        ("intercept", "slope_per_auc_per_day"),
        ("fitted_model",),
        ("probability",),
    ),
    "clinical_benefit": (
        ("probability_by_dose_mg",),
        ("intercept", "slope_per_auc_per_day"),
        ("fitted_model",),
    ),
    "rule": (("do",), ("choices",)),
}


@dataclass(frozen=True)
class Place:
    """Where a value or key stands: `file` as messages name it, lines and columns from 1.

    `generation` is 0 in the file given, 1 in its parent, and so on.
    """

    file: str
    line: int | None = None
    column: int | None = None
    source_line: str | None = None
    generation: int = 0

    def problem(
        self, code: str, message: str, hint: str | None = None, severity: Severity = "error"
    ) -> Problem:
        """A problem at this place."""
        return Problem(
            self.file, self.line, self.column, code, severity, message, hint, self.source_line
        )


@dataclass
class Merged:
    """A table with the place of every value and key by path."""

    name: str
    table: dict[str, Any]
    values: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)

    def value_place(self, path: Path) -> Place:
        """Where the value stands, or its nearest enclosing table; the file when none."""
        return self._nearest_place(self.values, path)

    def key_place(self, path: Path) -> Place:
        """Where the key stands, or its nearest enclosing table; the file when none."""
        return self.keys.get(path) or self.value_place(path)

    def _nearest_place(self, places: dict[Path, Place], path: Path) -> Place:
        while path:
            if path in places:
                return places[path]
            path = path[:-1]
        return Place(self.name)


def merged_from(document: Document, generation: int = 0) -> Merged:
    """A document as it stands, before anything is merged into it."""

    def placed(positions: dict[Path, Position]) -> dict[Path, Place]:
        lines = document.text.split("\n")
        return {
            path: Place(document.name, line, column, lines[line - 1], generation)
            for path, (line, column) in positions.items()
            if path
        }

    places = document.places
    return Merged(document.name, document.table, placed(places.values), placed(places.keys))


def merge(parent: Merged, child: Merged) -> Merged:
    """The child's tables over the parent's; named entries are matched by their names."""
    out = Merged(child.name, {})
    out.table = _over(parent, child, parent.table, child.table, (), (), (), out)
    return out


def removal_problems(parent: Merged, child: Merged) -> Iterator[Problem]:
    """What is wrong with the child's `remove` table."""
    for kind, names in _remove_table(child).items():
        path: Path = ("remove", kind)
        if kind not in NAME_KEYS:
            close = nearest(kind, NAME_KEYS)
            hint = f'did you mean "{close}"?' if close else None
            allowed = ", ".join(f'"{k}"' for k in NAME_KEYS)
            message = f"remove has no key {quoted(kind)}; it takes {allowed}"
            yield child.key_place(path).problem("K01", message, hint)
        elif not _is_list_of_text(names):
            message = f"remove.{kind} must be a list of names in quotes"
            yield child.value_place(path).problem("Y01", message)
        else:
            there = [entry_name(kind, entry) for entry in _entries(parent.table, kind)]
            for index, name in enumerate(names):
                if name not in there:
                    yield _nothing_to_remove(child, path + (index,), kind, name, there)


def without_removed(parent: Merged, child: Merged) -> Merged:
    """The parent without the entries that the child's `remove` names."""
    out = Merged(parent.name, dict(parent.table), dict(parent.values), dict(parent.keys))
    for kind, names in _remove_table(child).items():
        if kind in NAME_KEYS and _is_list_of_text(names):
            entries = _entries(parent.table, kind)
            kept = [i for i, entry in enumerate(entries) if entry_name(kind, entry) not in names]
            out.table[kind] = [entries[i] for i in kept]
            _renumber(parent, out, (kind,), kept)
            _drop_laws(parent, out, [f"{kind}.{name}." for name in names])
    return out


def _drop_laws(parent: Merged, out: Merged, gone: list[str]) -> None:
    """Laws about removed entries go with them."""
    uncertainty = out.table.get("uncertainty")
    laws = uncertainty.get("parameter") if isinstance(uncertainty, dict) else None
    if not isinstance(uncertainty, dict) or not isinstance(laws, list):
        return
    kept = [
        place
        for place, law in enumerate(laws)
        if not (isinstance(law, dict) and str(law.get("path", "")).startswith(tuple(gone)))
    ]
    if len(kept) < len(laws):
        out.table["uncertainty"] = {**uncertainty, "parameter": [laws[i] for i in kept]}
        source = Merged(out.name, {}, dict(out.values), dict(out.keys))
        _renumber(source, out, ("uncertainty", "parameter"), kept)


def drop_alternatives(kind: str, entry: dict[str, Any], given: set[str]) -> None:
    """Take out of an entry what the given keys say in another way."""
    ways = ALTERNATIVES.get(kind, ())
    for way in ways:
        if given & set(way):
            for other in ways:
                if other is not way and not given & set(other):
                    for key in other:
                        _drop(entry, key)
    if kind != "rule" and any(given & set(way) for way in ways) and "uncertainty" not in given:
        entry.pop("uncertainty", None)  # it belongs to the coefficients that are replaced


def _drop(entry: dict[str, Any], key: str) -> None:
    """Take a key out of an entry, and what the entry says of its source."""
    entry.pop(key, None)
    source = entry.get("source")
    if isinstance(source, dict) and key in source:
        entry["source"] = {name: text for name, text in source.items() if name != key}


def entry_name(kind: str, entry: Any) -> str | None:
    """Name of an entry of a list of named tables, None if it has none."""
    name = entry.get(NAME_KEYS[kind]) if isinstance(entry, dict) else None
    return name if isinstance(name, str) else None


def _over(
    parent: Merged, child: Merged, below: Any, above: Any,
    at_parent: Path, at_child: Path, at: Path, out: Merged,
) -> Any:  # fmt: skip
    if isinstance(below, dict) and isinstance(above, dict) and not _replaced(at, below, above):
        table: dict[str, Any] = {}
        kind = str(at[0]) if len(at) == 2 or at == ("clinical_benefit",) else ""
        inherited = dict(below)
        drop_alternatives(kind, inherited, set(above))
        for key in [*inherited, *(k for k in above if k not in inherited)]:
            paths = (at_parent + (key,), at_child + (key,), at + (key,))
            if key in above and key in inherited:
                table[key] = _over(parent, child, inherited[key], above[key], *paths, out)
            elif key in above:
                table[key] = _copy(child, above[key], paths[1], paths[2], out)
            else:
                table[key] = _copy(parent, inherited[key], paths[0], paths[2], out)
        _take_place(child, at_child, at, out)
        return table
    if at and at[-1] in NAME_KEYS and len(at) == 1 and _all_named(str(at[0]), below, above):
        return _over_entries(parent, child, below, above, str(at[0]), out)
    return _copy(child, above, at_child, at, out)


def _over_entries(
    parent: Merged, child: Merged, below: list[Any], above: list[Any], kind: str, out: Merged
) -> list[Any]:
    _take_place(child, (kind,), (kind,), out)
    entries: list[Any] = []
    by_name = {entry_name(kind, entry): i for i, entry in enumerate(above)}
    for i, entry in enumerate(below):
        at: Path = (kind, len(entries))
        j = by_name.get(entry_name(kind, entry))
        if j is None:
            entries.append(_copy(parent, entry, (kind, i), at, out))
        else:
            entries.append(_over(parent, child, entry, above[j], (kind, i), (kind, j), at, out))
    inherited = {entry_name(kind, entry) for entry in below}
    for j, entry in enumerate(above):
        # A name given twice by the child stays twice, so that the check can say so.
        if entry_name(kind, entry) not in inherited or by_name[entry_name(kind, entry)] != j:
            entries.append(_copy(child, entry, (kind, j), (kind, len(entries)), out))
    return entries


def _copy(source: Merged, value: Any, at_source: Path, at: Path, out: Merged) -> Any:
    _take_place(source, at_source, at, out)
    if isinstance(value, dict):
        return {k: _copy(source, v, at_source + (k,), at + (k,), out) for k, v in value.items()}
    if isinstance(value, list):
        return [_copy(source, v, at_source + (i,), at + (i,), out) for i, v in enumerate(value)]
    return value


def _take_place(source: Merged, at_source: Path, at: Path, out: Merged) -> None:
    if at_source in source.values:
        out.values[at] = source.values[at_source]
    if at_source in source.keys:
        out.keys[at] = source.keys[at_source]


def _replaced(at: Path, below: dict[str, Any], above: dict[str, Any]) -> bool:
    law_changes = "law" in above and above["law"] != below.get("law")
    return law_changes or bool(at and at[-1] in REPLACED_WHOLE)


def _all_named(kind: str, *lists: Any) -> bool:
    return all(
        isinstance(entries, list) and all(entry_name(kind, e) is not None for e in entries)
        for entries in lists
    )


def _entries(table: dict[str, Any], kind: str) -> list[Any]:
    entries = table.get(kind)
    return entries if isinstance(entries, list) else []


def _remove_table(child: Merged) -> dict[str, Any]:
    table = child.table.get("remove")
    return table if isinstance(table, dict) else {}


def _is_list_of_text(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _renumber(parent: Merged, out: Merged, at: Path, kept: list[int]) -> None:
    """Give the places of a list's kept entries their new numbers."""
    new_index = {old: new for new, old in enumerate(kept)}
    depth = len(at)
    for places, target in ((parent.values, out.values), (parent.keys, out.keys)):
        below = [path for path in places if len(path) > depth and path[:depth] == at]
        for path in below:
            target.pop(path, None)
        for path in below:
            if path[depth] in new_index:
                new = new_index[int(path[depth])]
                target[(*at, new, *path[depth + 1 :])] = places[path]


def _nothing_to_remove(
    child: Merged, path: Path, kind: str, name: str, there: list[str | None]
) -> Problem:
    noun = kind.replace("_", " ")
    known = [n for n in there if n is not None]
    close = nearest(name, known)
    hint = f'did you mean "{close}"?' if close else None
    message = f"there is no {noun} {quoted(name)} to remove"
    return child.value_place(path).problem("R01", message, hint)
