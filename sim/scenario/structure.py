"""Every value against the shape of the file: unknown and missing keys, types, ranges, words.

It reads keys, types and limits off the models, so nothing is said twice; the models validate
again afterwards. All faults of a table are found in one go.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import Discriminator

from sim.errors import Problem, quoted
from sim.scenario.locate import Path
from sim.scenario.merge import Merged
from sim.scenario.nearest import likeness, nearest
from sim.scenario.policy import Combination, Comparison, ValuePredicate
from sim.scenario.scenario import Scenario
from sim.scenario.shape import (
    CONDITION_KINDS,
    Model,
    Node,
    field_node,
    fields,
    node,
    path_text,
    resolved,
    table_name,
    tables_with_key,
)
from sim.scenario.wording import (
    Finding,
    kind_in_words,
    number_finding,
    text_finding,
    type_finding,
    union_finding,
    value_in_words,
)

SURELY_MEANT = 0.75
SHORT_LIST = 8
CONDITION_WORDS = ("event", "history", "value", "all", "any", "none")
BOUNDS = ("lt", "le", "gt", "ge", "eq")
NEEDS_ONE_OF: dict[Model, tuple[str, ...]] = {
    Comparison: BOUNDS,
    ValuePredicate: BOUNDS,
    Combination: CONDITION_WORDS,
}


def structural_problems(merged: Merged) -> list[Problem]:
    """Everything in the table that is not of the shape, type or range it must have."""
    return list(_Walk(merged).table(Node(Scenario, {}), merged.table, ()))


def sound_keys(merged: Merged) -> set[str]:
    """Top-level keys that are well formed as given, or may be and are left out."""
    walk, table = _Walk(merged), merged.table
    return {
        key
        for key, info in fields(Scenario).items()
        if (key not in table and not info.is_required())
        or (key in table and not any(walk.value(field_node(info), table[key], (key,))))
    }


class _Walk:
    def __init__(self, merged: Merged) -> None:
        self.merged = merged

    def value(self, here: Node, value: Any, path: Path) -> Iterator[Problem]:
        if here.limits.get("discriminator") is not None:
            yield from self._alternative(here, value, path)
        elif here.model is not None:
            yield from self.table(here, value, path)
        elif here.item is not None:
            yield from self._list(here, value, path)
        elif here.free_key_value is not None:
            yield from self._free_keys(here, value, path)
        elif here.members:
            yield from self._union(here, value, path)
        else:
            yield from self._scalar(here, value, path)

    def table(self, here: Node, value: Any, path: Path) -> Iterator[Problem]:
        if not isinstance(value, dict) or here.model is None:
            yield self._found(type_finding(here, value, self._name(path)), path)
            return
        known = fields(here.model)
        for key, item in value.items():
            if key in known:
                yield from self.value(field_node(known[key]), item, path + (key,))
            else:
                yield self._unknown_key(here.model, key, path)
        lacking = [k for k, info in known.items() if info.is_required() and k not in value]
        unknown = [key for key in value if key not in known] if lacking else []
        meant = {nearest(key, known) for key in unknown}
        choices = NEEDS_ONE_OF.get(here.model, ())
        if choices and set(value) <= set(known) and not set(value) & set(choices):
            message = f"{self._name(path)} needs one of {', '.join(choices)}"
            yield self.merged.value_place(path).problem("K03", message)
        # A misspelt key is one mistake, not an unknown and a missing key.
        for key in (k for k in lacking if k not in meant):
            yield self._missing_key(field_node(known[key]), key, path)

    def _alternative(self, here: Node, value: Any, path: Path) -> Iterator[Problem]:
        chosen = resolved(here, value)
        if not isinstance(value, dict):
            yield self._found(type_finding(here, value, self._name(path)), path)
        elif chosen.model is not None:
            yield from self.table(chosen, value, path)
        else:
            laws = tuple(str(_law(member)) for member in here.members)
            if "law" in value:
                finding = _word_finding(laws, value["law"], self._name(path + ("law",)))
                yield self._found(finding, path + ("law",))
            else:
                allowed = ", ".join(quoted(law) for law in laws)
                message = f'{self._name(path)} needs "law" (one of {allowed})'
                yield self.merged.value_place(path).problem("K03", message)

    def _list(self, here: Node, value: Any, path: Path) -> Iterator[Problem]:
        if not isinstance(value, list):
            yield self._found(type_finding(here, value, self._name(path)), path)
            return
        least, most = here.limits.get("min_length", 0), here.limits.get("max_length")
        if len(value) < least:
            message = f"{self._name(path)} is empty; give at least {_one(here.item)}"
            yield self._found(Finding("Y05", message), path)
        elif most is not None and len(value) > most:
            message = f"{self._name(path)} has {len(value)} entries; the most is {most}"
            yield self._found(Finding("Y04", message), path)
        for index, item in enumerate(value):
            if here.item is not None:
                yield from self.value(here.item, item, path + (index,))

    def _free_keys(self, here: Node, value: Any, path: Path) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield self._found(type_finding(here, value, self._name(path)), path)
            return
        least, most = here.limits.get("min_length", 0), here.limits.get("max_length")
        if len(value) < least or (most is not None and len(value) > most):
            most_words = "" if most is None else f" and at most {most}"
            count = "1 entry" if len(value) == 1 else f"{len(value)} entries"
            message = f"{self._name(path)} has {count}; give at least {least}"
            yield self._found(Finding("Y04", message + most_words), path)
        for key, item in value.items():
            if here.free_key_value is not None:
                yield from self.value(here.free_key_value, item, path + (key,))

    def _union(self, here: Node, value: Any, path: Path) -> Iterator[Problem]:
        chosen = resolved(here, value)
        name = self._name(path)
        if not chosen.members:
            yield from self.value(chosen, value, path)
            return
        scalars = list(_scalars(chosen))
        if not isinstance(value, dict | list):
            if any(scalar_finding(member, value, name) is None for member in scalars):
                return
            texts = [member for member in scalars if member.kind is str]
            if isinstance(value, str) and texts:
                yield from self._scalar(texts[0], value, path)
                return
        yield self._found(union_finding(chosen, value, path, name), path)

    def _scalar(self, here: Node, value: Any, path: Path) -> Iterator[Problem]:
        finding = scalar_finding(here, value, self._name(path), self._written(path))
        if finding is not None:
            yield self._found(finding, path)

    def _unknown_key(self, model: Model, key: str, path: Path) -> Problem:
        place = self.merged.key_place(path + (key,))
        table = f"in {table_name(path, self.merged.table)}" if path else "at the top level"
        is_condition = model in CONDITION_KINDS.values()
        known = list(CONDITION_WORDS if model is Combination else fields(model))
        if is_condition and key in CONDITION_WORDS:
            first = next(k for k in CONDITION_WORDS if k in known)
            message = f"give {quoted(first)} or {quoted(key)} {table}, not both"
            return place.problem("K04", message, "join conditions with all = [{...}, {...}]")
        close = nearest(key, known)
        homes = self._other_homes(key, path)
        if homes and not (close and likeness(key, close) >= SURELY_MEANT):
            message = f"{quoted(key)} belongs {' or '.join(homes)}, not {table}"
            return place.problem("K02", message)
        hint = f"did you mean {quoted(close)}?" if close else None
        if hint is None and len(known) <= SHORT_LIST:
            hint = "it may have " + ", ".join(sorted(known, key="source".__eq__))
        return place.problem("K01", f"unknown key {quoted(key)} {table}", hint)

    def _other_homes(self, key: str, path: Path) -> list[str]:
        homes = tables_with_key(key)
        if len(path) > 2 and path[:1] in homes:
            return [_home(path[:1])]
        others = [home for home in homes if home != path[:1]]
        return [_home(home) for home in others] if len(others) <= 2 else []

    def _missing_key(self, here: Node, key: str, path: Path) -> Problem:
        place = self.merged.value_place(path)
        table = table_name(path, self.merged.table) if path else "the scenario"
        message = f"{table} needs {quoted(key)} ({kind_in_words(here)})"
        if not path and here.model is not None:
            message = f"the scenario needs a table [{key}]"
        return place.problem("K03", message)

    def _found(self, finding: Finding, path: Path) -> Problem:
        place = self.merged.value_place(path)
        return place.problem(finding.code, finding.message, finding.hint)

    def _name(self, path: Path) -> str:
        return path_text(path, self.merged.table) or "the scenario"

    def _written(self, path: Path) -> str:
        place = self.merged.value_place(path)
        line, column = place.source_line, place.column
        return "" if line is None or column is None else line[column - 1 :]


def scalar_finding(here: Node, value: Any, name: str, written: str = "") -> Finding | None:
    """What is wrong with a single value, None when nothing is; `written` is its own text."""
    if here.words:
        fits = any(type(value) is type(word) and value == word for word in here.words)
        return None if fits else _word_finding(here.words, value, name)
    if here.kind in (float, int) and isinstance(value, float | int) and type(value) is not bool:
        return number_finding(here, value, name, written)
    if here.kind is str and isinstance(value, str):
        return text_finding(here, value, name)
    if here.kind is bool and isinstance(value, bool):
        return None
    return type_finding(here, value, name)


def _word_finding(words: tuple[Any, ...], value: Any, name: str) -> Finding:
    allowed = ", ".join(value_in_words(word) for word in words)
    must = f"it must be {allowed}" if len(words) == 1 else f"it must be one of {allowed}"
    close = nearest(value, [str(w) for w in words]) if isinstance(value, str) else None
    hint = f"did you mean {quoted(close)}?" if close and len(words) > 1 else None
    return Finding("Y06", f"{name} is {value_in_words(value)}; {must}", hint)


def _scalars(here: Node) -> Iterator[Node]:
    for member in here.members:
        if member.members:
            yield from _scalars(member)
        elif member.item is None and member.free_key_value is None:
            yield member


def _law(member: Node) -> Any:
    info = fields(member.model)["law"] if member.model else None
    return "" if info is None else node(info.annotation).words[0]


def _home(path: Path) -> str:
    if not path:
        return "at the top level"
    double = path[0] in ("rule", "adverse_event", "exit")
    return f"in [[{path[0]}]]" if double else f"in [{path[0]}]"


def _one(item: Node | None) -> str:
    if (
        item is None
        or item.model is not None
        or isinstance(item.limits.get("discriminator"), str | Discriminator)
    ):
        return "one entry"
    return {float: "one number", int: "one whole number"}.get(item.kind, "one entry")
