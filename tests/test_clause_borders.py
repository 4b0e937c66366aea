"""Every predicate and action of the rule language on both sides of its border, on both engines."""

from functools import cache
from typing import Any

import pytest
from by_hand.clause_borders import PROBES, Probe
from by_hand.small import rule, small_scenario

from sim.engines import run
from sim.plan.plan import Plan, compile_plan


@cache
def probe_plan(number: int) -> Plan:
    """The small scenario with a probe's other rules and its own, asked once."""
    probe = PROBES[number]
    cycle, day = probe.asked
    if day:
        own = rule("probe", "dose", "skip", probe.when, cycle=[cycle], day=[day])
    else:
        own = rule("probe", "cycle", "+1", probe.when, cycle=[cycle])
    return compile_plan(small_scenario((*probe.others, own), probe.policy, probe.posology))


@pytest.mark.parametrize("engine", run.ENGINES)
@pytest.mark.parametrize("number", range(len(PROBES)), ids=[probe.name for probe in PROBES])
def test_predicate(number: int, engine: str) -> None:
    probe = PROBES[number]
    histories, _ = run.record(probe_plan(number), 0, 1, engine=engine, script=probe.script)
    tables = histories.frames()
    decisions, doses = tables["decisions"], tables["doses"]
    asked = decisions[decisions["rule"] == "probe"]
    assert list(asked["holds"]) == [probe.holds]
    assert_consequence(probe, asked.iloc[0], doses)


def assert_consequence(probe: Probe, asked: Any, doses: Any) -> None:
    """What holds raises the dose of the cycle, or skips the dose, and nothing else does."""
    cycle, day = probe.asked
    dose = doses[(doses["cycle"] == cycle) & (doses["dose"] == {0: 1, 1: 1, 8: 2, 15: 3}[day])]
    if day:
        assert list(dose["given"]) == [not probe.holds]
    else:
        rises = probe.holds and asked["level_before_mg"] < 4.0
        assert list(dose["level_mg"]) == [asked["level_before_mg"] + rises]
