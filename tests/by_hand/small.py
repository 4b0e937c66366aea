"""One small scenario and short words for its rules and scripts, for cases worked on paper.

Levels 1, 2, 3, 4 mg, start 2; cycles of 28 days, doses and visits on days 1, 8, 15; 6 cycles,
which begin on days 1, 29, 57, 85, 113, 141 without delays; the last ends on day 168. Kinds are
rash and fatigue (non-hematologic) and haem (hematologic), never drawn, only scripted.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sim.scenario.scenario import Scenario

KINDS = ("rash", "fatigue", "haem")
Table = dict[str, Any]
Event = tuple[int, int, int, int, int, int, int]

POSOLOGY: Table = {
    "levels_mg": (1.0, 2.0, 3.0, 4.0),
    "start_mg": 2.0,
    "reference_dose_mg": 4.0,
    "dose_days": (1, 8, 15),
    "max_cycles": 6,
}


def small_scenario(
    rules: Sequence[Table], policy: Table | None = None, posology: Table | None = None
) -> Scenario:
    """The small scenario with these rules, and changes to its policy and posology."""
    kinds = [
        {
            "name": name,
            "class": "hematologic" if name == "haem" else "non_hematologic",
            "counting_grade": 1,
            "probability": 1e-9,
            "duration": ({"law": "fixed", "days": 1},),
        }
        for name in KINDS
    ]
    table = {
        "format": 1,
        "name": "small",
        "title": "Small, for cases worked on paper",
        "drug": "none",
        "posology": POSOLOGY | (posology or {}),
        "pharmacokinetics": {"cl_f_l_per_h": 3.2, "cl_f_sd_log": 0.0},
        "adverse_event": tuple(kinds),
        "policy": {"seen": "visit"} | (policy or {}),
        "rule": tuple(rules),
    }
    sourced = ("posology", "pharmacokinetics", "policy")
    table |= {key: {"source": None, **table[key]} for key in sourced}  # type: ignore[dict-item]
    table["adverse_event"] = tuple({"source": None, **kind} for kind in kinds)
    table["rule"] = tuple({"source": None, **rule} for rule in rules)
    return Scenario.model_validate(table)


def ae(
    cycle: int, day: int, days: int, grade: int = 2, kind: str = "rash", related: bool = True
) -> Event:
    """An adverse event that begins on a day of a cycle and is active on so many days.

    Day 29 of a cycle is the planned day 1 of the next, before that cycle starts.
    """
    return cycle, KINDS.index(kind), day, days, grade, int(related), int(related)


def event(**keys: Any) -> Table:
    """A predicate on adverse events; a grade or count is given as (word, number)."""
    table: Table = {"event": "adverse_event"}
    for key, value in keys.items():
        compared = key in ("grade", "count")
        table["class" if key == "ae_class" else key] = compared_to(value) if compared else value
    return table


def history(kind: str, **keys: Any) -> Table:
    """A predicate on what was done to the dose; days or count as (word, number)."""
    table: Table = {"history": kind}
    for key, value in keys.items():
        table[key] = compared_to(value) if key in ("days", "count") else value
    return table


def value(name: str, word: str, number: float) -> Table:
    """A predicate on a number of the patient."""
    return {"value": name, word: float(number)}


def compared_to(bounds: tuple[Any, ...] | Mapping[str, float]) -> Table:
    """("ge", 3) or ("ge", 2, "lt", 4) as a comparison."""
    if isinstance(bounds, Mapping):
        return dict(bounds)
    return {word: float(number) for word, number in zip(bounds[::2], bounds[1::2], strict=True)}


def both(*parts: Table) -> Table:
    """All of these."""
    return {"all": parts}


def either(*parts: Table) -> Table:
    """Any of these."""
    return {"any": parts}


def neither(*parts: Table) -> Table:
    """None of these."""
    return {"none": parts}


ALWAYS = value("days_on_treatment", "ge", 1)
NEVER = value("days_on_treatment", "ge", 9999)


def rule(name: str, at: str, do: Any, when: Table = ALWAYS, **keys: Any) -> Table:
    """One rule; cycle and day are the cycles and days of the cycle on which it is asked."""
    table: Table = {"id": name, "at": at, "when": when}
    if do is not None:
        table["do"] = tuple(do) if isinstance(do, list) else do
    on = {
        long: tuple(keys.pop(short))
        for short, long in (("cycle", "cycle"), ("day", "cycle_day"))
        if short in keys
    }
    return table | ({"on": on} if on else {}) | keys
