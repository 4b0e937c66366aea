"""titrasim: how a drug is titrated in a trial, simulated.

The public names are `load_scenario`, `simulate`, `compare`, `exact_summary`, `diary`, `explain`
and `Study`. They are loaded when first used, so that importing this package costs nothing. No
module here may have one of these names: importing it would put the module in the name's place.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.diary_prose import diary
    from sim.exact.summary import exact_summary
    from sim.explanation import explain
    from sim.scenario.file import load_scenario
    from sim.study import Study, compare, simulate

__all__ = ["Study", "compare", "diary", "exact_summary", "explain", "load_scenario", "simulate"]

_HOMES = {
    "Study": "sim.study",
    "compare": "sim.study",
    "diary": "sim.diary_prose",
    "exact_summary": "sim.exact.summary",
    "explain": "sim.explanation",
    "load_scenario": "sim.scenario.file",
    "simulate": "sim.study",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
