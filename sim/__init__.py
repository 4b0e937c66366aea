"""titrasim: how a drug is titrated in a trial, simulated.

The public names are `load_scenario`, `simulate`, `compare`, `diary`, `explain` and `Study`.
They are loaded when first used, so that importing this package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.diary import diary
    from sim.explain import explain
    from sim.scenario.file import load_scenario
    from sim.study import Study, compare, simulate

__all__ = ["Study", "compare", "diary", "explain", "load_scenario", "simulate"]

_HOMES = {
    "Study": "sim.study",
    "compare": "sim.study",
    "diary": "sim.diary",
    "explain": "sim.explain",
    "load_scenario": "sim.scenario.file",
    "simulate": "sim.study",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
