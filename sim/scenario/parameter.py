"""A single number of a scenario by its path, as after `--set`: read it, or change it in a copy."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from sim.scenario.merge import NAME_KEYS
from sim.scenario.nearest import nearest
from sim.scenario.scenario import Scenario


class NoSuchParameterError(ValueError):
    """A path that leads to no number; with the nearest that does, if there is one."""

    def __init__(self, message: str, wanted: str = "", known: Iterable[str] = ()) -> None:
        super().__init__(message)
        close = nearest(wanted, list(known)) if wanted else None
        self.hint = f'did you mean "{close}"?' if close is not None else None


def value_at(scenario: Scenario, path: str) -> float:
    """Return the number at a path; raise NoSuchParameterError if there is none.

    Whole numbers are refused: laws are about numbers that may take any value.
    """
    here: Any = scenario
    parts = path.split(".")
    while parts:
        here, parts = _step(here, parts)
    if isinstance(here, int) and not isinstance(here, bool):
        raise NoSuchParameterError("it is a whole number; a law is about one that need not be")
    if not isinstance(here, float):
        raise NoSuchParameterError(f'"{path}" is no number of the scenario')
    return here


def place_of(scenario: Scenario, path: str) -> tuple[str | int, ...]:
    """Return where a path leads, the same for an entry's name and its number."""
    here: Any = scenario
    parts, place = path.split("."), ()  # type: tuple[list[str], tuple[str | int, ...]]
    while parts:
        step = _index(here, parts[0]) if isinstance(here, tuple) else parts[0]
        place = (*place, step)
        here, parts = _step(here, parts)
    return place


def with_value(scenario: Scenario, path: str, value: float) -> Scenario:
    """Return a copy with another number at a path; nothing is checked again."""
    changed = _with(scenario, path.split("."), value)
    assert isinstance(changed, Scenario)
    return changed


def _step(here: Any, parts: list[str]) -> tuple[Any, list[str]]:
    part, rest = parts[0], parts[1:]
    if isinstance(here, BaseModel):
        field = _field(here, part)
        return getattr(here, field), rest
    if isinstance(here, tuple):
        return here[_index(here, part)], rest
    if isinstance(here, dict) and ".".join(parts) in here:
        return here[".".join(parts)], []
    known = here if isinstance(here, dict) else ()
    raise NoSuchParameterError(f'there is no "{part}"', part, known)


def _with(here: Any, parts: list[str], value: float) -> Any:
    if not parts:
        return value
    part, rest = parts[0], parts[1:]
    if isinstance(here, BaseModel):
        field = _field(here, part)
        return here.model_copy(update={field: _with(getattr(here, field), rest, value)})
    if isinstance(here, tuple):
        index = _index(here, part)
        return (*here[:index], _with(here[index], rest, value), *here[index + 1 :])
    return {**here, ".".join(parts): value}


def _field(here: BaseModel, part: str) -> str:
    for name, info in type(here).model_fields.items():
        if part in (name, info.alias):
            return name
    raise NoSuchParameterError(f'there is no "{part}"', part, type(here).model_fields)


def _index(entries: tuple[Any, ...], part: str) -> int:
    for index, entry in enumerate(entries):
        if any(getattr(entry, key, None) == part for key in NAME_KEYS.values()):
            return index
    if part.isdecimal() and 1 <= int(part) <= len(entries):
        return int(part) - 1
    names = [str(getattr(e, key)) for e in entries for key in NAME_KEYS.values() if hasattr(e, key)]
    raise NoSuchParameterError(f'there is no entry "{part}"', part, names)
