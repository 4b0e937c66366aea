"""Every predicate and action of the rule language on both sides of its border, on both engines."""

from functools import cache
from typing import Any

import pytest
from by_hand.action_borders import CASES
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


def dose_text(tables: dict[str, Any]) -> str:
    """Doses as the cases write them: a word per cycle started, a sign per dose."""
    doses = tables["doses"]
    last = int(tables["disposition"]["last_cycle"].iloc[0])
    words = []
    for cycle in range(1, last + 1):
        own = doses[doses["cycle"] == cycle]
        words.append("".join(f"{mg:g}" if mg else "-" for mg in own["dose_mg"]))
    return " ".join(words)


def end_text(tables: dict[str, Any]) -> str:
    """The end as the cases write it."""
    (end,) = tables["disposition"].to_dict("records")
    if end["cause"] == "completed":
        return "completed"
    assert end["cause"] == "adverse_event"
    return f"{end['route']} {end['day']} {end['rule']}"


def late_starts(tables: dict[str, Any]) -> dict[int, int]:
    """Cycles that began late, with the days."""
    first = tables["doses"][tables["doses"]["dose"] == 1]
    starts = list(first["day"])
    late = [day - before - 28 for before, day in zip(starts, starts[1:], strict=False)]
    return {cycle: days for cycle, days in enumerate(late, start=2) if days}


@cache
def case_plan(number: int) -> Plan:
    """The small scenario with the rules of a case."""
    case = CASES[number]
    return compile_plan(small_scenario(case.rules, case.policy, case.posology))


@pytest.mark.parametrize("engine", run.ENGINES)
@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.name for case in CASES])
def test_course(number: int, engine: str) -> None:
    case = CASES[number]
    histories, _ = run.record(case_plan(number), 0, 1, engine=engine, script=case.script)
    tables = histories.frames()
    found = (dose_text(tables), end_text(tables), late_starts(tables))
    assert found == (case.doses, case.end, case.delays), case.why
    if case.end == "completed":
        assert tables["disposition"]["day"].iloc[0] == 6 * 28 + sum(case.delays.values())
