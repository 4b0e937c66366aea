"""Walks through the axitinib scenario, worked on paper by somebody else, on both engines."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sim.engines import run
from sim.plan.plan import Plan, compile_plan
from sim.scenario.file import load_scenario

FILE = tomllib.loads((Path(__file__).parent / "by_hand" / "axitinib_walks.toml").read_text())
WALKS = FILE["walk"]
CYCLE_DAYS = 14
FAILS, SUCCEEDS = 1e-9, 1.0 - 1e-9
Walk = dict[str, Any]
Tables = dict[str, Any]


@cache
def plan_of(cycles: int, passing: tuple[str, ...]) -> Plan:
    """The scenario for so many cycles, without exits, its draws as a walk wants them."""
    scenario = load_scenario(FILE["scenario"]).scenario
    drawn = [rule for rule in scenario.rule if rule.probability is not None]
    assert set(passing) <= {rule.id for rule in drawn}
    overrides = [
        f"rule.{rule.id}.probability={SUCCEEDS if rule.id in passing else FAILS}" for rule in drawn
    ]
    overrides += [f"exit.{leaving.cause}.probability_per_cycle=0.0" for leaving in scenario.exit]
    overrides += [f"posology.max_cycles={cycles}", "outcomes.titration_success_cycles=[4]"]
    return compile_plan(load_scenario(FILE["scenario"], overrides).scenario)


def tables_of(walk: Walk, engine: str) -> Tables:
    """The four tables of the patient of a walk."""
    plan = plan_of(walk["cycles"], tuple(walk.get("passing", ())))
    script = [
        (event["cycle"], plan.names.kinds.index(event["kind"]), event["day"],
         event["duration_days"], event["grade"], int(event["related"]), int(event["related"]))
        for event in walk.get("event", ())
    ]  # fmt: skip
    return run.record(plan, 0, 1, engine=engine, script=script)[0].frames()


def doses_of(text: str) -> list[float]:
    """ "7x14 7x0" as fourteen doses."""
    doses: list[float] = []
    for part in text.split():
        count, _, dose = part.partition("x")
        doses += [float(dose)] * int(count)
    return doses


def by_cycle(doses: Any, column: str) -> list[list[float]]:
    """A column of the doses, cycle by cycle."""
    return [list(cycle[column]) for _, cycle in doses.groupby("cycle")]


def starts_of(doses: Any) -> list[int]:
    """Actual day 1 of every cycle started."""
    return list(doses[doses["dose"] == 1]["day"])


@pytest.mark.parametrize("engine", run.ENGINES)
@pytest.mark.parametrize("walk", WALKS, ids=[walk["name"] for walk in WALKS])
def test_walk(walk: Walk, engine: str) -> None:
    tables = tables_of(walk, engine)
    doses = tables["doses"]
    assert by_cycle(doses, "dose_mg") == [doses_of(text) for text in walk["doses_mg_by_cycle"]]
    assert [levels[0] for levels in by_cycle(doses, "level_mg")] == walk["level_mg_day1"]

    starts = starts_of(doses)
    days = [
        [cycle, day - starts[cycle - 1] + 1]
        for cycle, day, given in zip(doses["cycle"], doses["day"], doses["given"], strict=True)
        if not given
    ]
    assert days == walk["withheld_days"]
    late = [day - before - CYCLE_DAYS for before, day in zip(starts, starts[1:], strict=False)]
    delays = {str(cycle): days for cycle, days in enumerate(late, start=2) if days}
    assert delays == walk["delays_days"]

    decisions = tables["decisions"]
    won = decisions[decisions["won"] & decisions["action"].isin(["up", "down", "set", "hold"])]
    assert won[["cycle", "rule"]].to_numpy().tolist() == walk["fired"]
    assert_end(walk, tables, starts)


def assert_end(walk: Walk, tables: Tables, starts: list[int]) -> None:
    """Treatment ends as the walk says, or not at all."""
    (end,) = tables["disposition"].to_dict("records")
    assert end["last_cycle"] == len(walk["doses_mg_by_cycle"])
    if "stop" not in walk:
        assert end["cause"] == "completed"
        assert end["last_cycle"] == walk["cycles"]
        return
    stop = walk["stop"]
    assert end["cause"] == "adverse_event"
    assert (end["last_cycle"], end["route"]) == (stop["cycle"], stop["route"])
    assert end["day"] - starts[stop["cycle"] - 1] + 1 == stop["cycle_day"]
    if "rule" in stop:
        assert end["rule"] == stop["rule"]
