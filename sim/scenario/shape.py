"""The shape of a scenario file, read off its models: which table stands at which path."""

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, Discriminator
from pydantic.fields import FieldInfo

from sim.scenario.locate import Path
from sim.scenario.policy import Combination, EventPredicate, HistoryPredicate, ValuePredicate
from sim.scenario.scenario import Scenario

Model = type[BaseModel]
CONDITION_KINDS: dict[str, Model] = {
    "event": EventPredicate,
    "history": HistoryPredicate,
    "value": ValuePredicate,
    "combination": Combination,
}


@dataclass(frozen=True)
class Node:
    """What the models expect at one place: its bare type, and its limits."""

    kind: Any
    limits: dict[str, Any]
    description: str = ""

    @property
    def model(self) -> Model | None:
        """The model when one table is expected here."""
        is_model = isinstance(self.kind, type) and issubclass(self.kind, BaseModel)
        return self.kind if is_model else None

    @property
    def item(self) -> "Node | None":
        """What each entry of a list must be, None when this is no list."""
        return node(get_args(self.kind)[0]) if get_origin(self.kind) is tuple else None

    @property
    def free_key_value(self) -> "Node | None":
        """What each value of a table with free keys must be, None when this is none."""
        return node(get_args(self.kind)[1]) if get_origin(self.kind) is dict else None

    @property
    def words(self) -> tuple[Any, ...]:
        """The allowed words, when only certain words are."""
        return get_args(self.kind) if get_origin(self.kind) is Literal else ()

    @property
    def members(self) -> "tuple[Node, ...]":
        """The alternatives of a union."""
        return tuple(node(part) for part in get_args(self.kind)) if _is_union(self.kind) else ()


def node(annotation: Any, description: str = "") -> Node:
    """The node of an annotation: Annotated and `| None` taken off, limits gathered."""
    limits: dict[str, Any] = {}
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *metadata = get_args(annotation)
            for item in metadata:
                limits.update(_limits(item))
        elif _is_union(annotation) and type(None) in get_args(annotation):
            rest = tuple(part for part in get_args(annotation) if part is not type(None))
            annotation = Union[rest]  # noqa: UP007 (built from a tuple)
        elif isinstance(annotation, str):
            annotation = _named(annotation)
        else:
            return Node(annotation, limits, description)


def fields(model: Model) -> dict[str, FieldInfo]:
    """The keys of a table as written in a file, with their fields."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def field_node(info: FieldInfo) -> Node:
    """The node of a field, with the limits given beside its type."""
    inner = node(info.annotation)
    limits = dict(inner.limits)
    for item in info.metadata:
        limits.update(_limits(item))
    if info.discriminator is not None:
        limits["discriminator"] = info.discriminator
    return Node(inner.kind, limits, info.description or "")


def node_at(path: Path, table: Any) -> Node | None:
    """What is expected at a path of a written table; None when nothing is."""
    here: Node | None = Node(Scenario, {})
    value = table
    for step in path:
        if here is None:
            return None
        here = _child(resolved(here, value), step)
        value = _value_of(value, step)
    return None if here is None else resolved(here, value)


def resolved(here: Node, value: Any) -> Node:
    """A node with a union decided by what the file says, where that decides it."""
    if not here.members:
        return here
    discriminator = here.limits.get("discriminator")
    if isinstance(discriminator, Discriminator):
        return Node(condition_model(value), {}, here.description)
    for member in here.members:
        if discriminator == "law" and _law_of(member) == _value_of(value, "law"):
            return Node(member.kind, member.limits, here.description)
        if discriminator is None and _fits(member, value):
            return Node(member.kind, {**here.limits, **member.limits}, here.description)
    return here


def condition_model(value: Any) -> Model:
    """The model of a condition by the key that names its kind."""
    if isinstance(value, dict):
        for key in ("event", "history", "value"):
            if key in value:
                return CONDITION_KINDS[key]
    return Combination


def tables_with_key(key: str) -> list[Path]:
    """Paths of the top-level tables (and the top level itself) that know a key."""
    found: list[Path] = [()] if key in fields(Scenario) else []
    for name, info in fields(Scenario).items():
        here = field_node(info)
        model = here.model or (here.item.model if here.item else None)
        if model is not None and key in fields(model):
            found.append((name,))
    return found


def table_name(path: Path, table: Any) -> str:
    """How messages name a table: [posology], [[rule]] "up", or the top level."""
    if not path:
        return "the top level"
    if path[0] in ("rule", "adverse_event", "exit") and len(path) == 2:
        name = _entry_label(_value_at(table, path))
        return f"[[{path[0]}]]" + (f' "{name}"' if name else f" no. {int(path[1]) + 1}")
    return f"[{path_text(path, table)}]" if len(path) == 1 else path_text(path, table)


def path_text(path: Path, table: Any) -> str:
    """A path in words: entries of lists by their names, else by their number from 1."""
    words = ""
    value = table
    for step in path:
        value = _value_of(value, step)
        if isinstance(step, int):
            name = _entry_label(value)
            words += f".{name}" if name else f"[{step + 1}]"
        else:
            words += f".{step}" if "." not in step else f'."{step}"'
    return words.lstrip(".")


def all_paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every path of a table."""
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from all_paths(item, path + (key,))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from all_paths(item, path + (index,))


def _child(here: Node, step: str | int) -> Node | None:
    if isinstance(step, int):
        return here.item
    if here.model is not None:
        info = fields(here.model).get(step)
        return None if info is None else field_node(info)
    return here.free_key_value


def _limits(item: Any) -> dict[str, Any]:
    if isinstance(item, FieldInfo):
        out: dict[str, Any] = {}
        for inner in item.metadata:
            out.update(_limits(inner))
        if item.discriminator is not None:
            out["discriminator"] = item.discriminator
        return out
    if isinstance(item, Discriminator):
        return {"discriminator": item}
    names = ("gt", "ge", "lt", "le", "min_length", "max_length", "pattern")
    return {n: getattr(item, n) for n in names if getattr(item, n, None) is not None}


def _named(annotation: str) -> Any:
    from sim.scenario import policy

    return getattr(policy, annotation)


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def _law_of(member: Node) -> Any:
    info = member.model.model_fields.get("law") if member.model else None
    return None if info is None else get_args(info.annotation)[0]


def _fits(member: Node, value: Any) -> bool:
    if isinstance(value, list | tuple):
        return member.item is not None
    if isinstance(value, dict):
        return member.free_key_value is not None
    return False


def _value_of(value: Any, step: str | int) -> Any:
    if isinstance(step, int):
        return value[step] if isinstance(value, list | tuple) and step < len(value) else None
    return value.get(step) if isinstance(value, dict) else None


def _value_at(table: Any, path: Path) -> Any:
    for step in path:
        table = _value_of(table, step)
    return table


def _entry_label(entry: Any) -> str | None:
    if isinstance(entry, dict):
        for key in ("id", "name", "cause", "clause"):
            if isinstance(entry.get(key), str):
                return str(entry[key])[:60]
    return None
