"""The page of every key of a scenario file, made from the models.

`python -m sim.scenario.reference > docs/scenario.md` writes it anew.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sim.scenario.noun import SourcedNoun
from sim.scenario.policy import Combination, Comparison
from sim.scenario.reference_words import BY_TABLE, HEAD, MEANINGS, TAIL, UNITS
from sim.scenario.scenario import Scenario
from sim.scenario.shape import CONDITION_KINDS, Model, Node, field_node, fields

PATTERNS = {
    "skip|hold": "action",
    "since change": "window",
    "cycles?)": '`"ever"` or `"N cycles"`',
    "[A-Za-z][A-Za-z0-9_-]*": "name",
}


def unit_of(key: str) -> str:
    """Return the unit that a key's name states; empty when it has none."""
    return next((unit for end, unit in UNITS.items() if f"_{key}".endswith(end)), "")


def type_of(here: Node) -> str:
    """Return in words what may be written at a place of a file."""
    if here.words:
        return ", ".join(f"`{_toml(word)}`" for word in here.words)
    if here.members:
        if all(member.model is not None for member in here.members):
            by_law = isinstance(here.limits.get("discriminator"), str)
            return "table, by `law`" if by_law else "condition"
        types = [type_of(member) for member in here.members]
        if "action" in types:  # a number is one of the ways to write it
            types = [text for text in types if not text.startswith("whole number")]
        return " or ".join(types)
    if here.item is not None:
        return f"list of: {type_of(here.item)}"
    if here.free_key_value is not None:
        return f"table of: {type_of(here.free_key_value)}"
    if here.model is not None:
        return "comparison" if here.model is Comparison else "table"
    for pattern, name in PATTERNS.items():
        if pattern in str(here.limits.get("pattern", "")):
            return name
    words = {int: "whole number", float: "number", bool: "true or false", str: "text"}
    return words[here.kind] + _limits_of(here.limits)


def _limits_of(limits: dict[str, Any]) -> str:
    signs = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
    shown = [f"{sign} {limits[key]:g}" for key, sign in signs if abs(limits.get(key, 1e9)) < 1e9]
    return f" {', '.join(shown)}" if shown else ""


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)


def _default_of(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    if info.default in (None, "", (), {}):
        return "–"
    if isinstance(info.default, SourcedNoun):
        return "its defaults"
    if isinstance(info.default, BaseModel):
        return f"`{_toml(info.default.model_dump(exclude_none=True))}`"
    return f"`{_toml(info.default)}`"


def _row(model: Model, key: str, info: FieldInfo) -> str:
    here = field_node(info)
    meaning = BY_TABLE.get((model.__name__, key)) or here.description or MEANINGS.get(key, "")
    if not meaning and any(_models(here)):
        meaning = f"See [{key}](#{key})."
    cells = (f"`{key}`", type_of(here), unit_of(key), _default_of(info), meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def tables() -> dict[Model, list[str]]:
    """Return every table of a scenario file with the paths where it may stand, in file order."""
    found: dict[Model, list[str]] = {Scenario: [""]}
    _visit(Scenario, "", found)
    return found


def _visit(model: Model, path: str, found: dict[Model, list[str]]) -> None:
    for key, info in fields(model).items():
        if model is not Combination:
            for below in _models(field_node(info)):
                at = f"{path}.{key}".lstrip(".")
                is_new = below not in found
                found.setdefault(below, []).append(at)
                if is_new:
                    _visit(below, at, found)


def _models(here: Node) -> Iterator[Model]:
    if here.model is not None:
        yield here.model
    elif here.item is not None:
        yield from _models(here.item)
    for member in here.members:
        yield from _models(member)


def _heading(model: Model, paths: list[str]) -> str:
    if all("." not in path for path in paths):
        return f"## {paths[0] or 'The top level'}"
    title = "### " + ", ".join(f"`{path}`" for path in dict.fromkeys(paths))
    if "law" in fields(model):
        return f"{title} with `law = {type_of(field_node(fields(model)['law']))[1:]}"
    if model is Combination:
        return f"{title} with `all`, `any`, `none`"
    return title + next((f" with `{k}`" for k, m in CONDITION_KINDS.items() if m is model), "")


def _section(model: Model, paths: list[str]) -> str:
    keys = {key: info for key, info in fields(model).items() if key not in ("source", "law")}
    rows = "".join(f"{_row(model, key, info)}\n" for key, info in keys.items())
    sourced = " *Sourced.*" if issubclass(model, SourcedNoun) else ""
    text = re.sub(r" \(MODEL[^)]*\)", "", (model.__doc__ or "").split("\n")[0])
    head = "\n| Key | Type | Unit | Default | Meaning |\n|---|---|---|---|---|\n" if rows else ""
    return f"\n{_heading(model, paths)}\n\n{text}{sourced}\n{head}{rows}"


def page() -> str:
    """Return the page as it is committed."""
    return HEAD + "".join(_section(model, paths) for model, paths in tables().items()) + TAIL


if __name__ == "__main__":
    print(page(), end="")
