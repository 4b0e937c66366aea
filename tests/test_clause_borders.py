"""Every predicate and action of the rule language on both sides of its border, on both engines."""

from functools import cache
from typing import Any

import pytest
from by_hand.action_borders import CASES
from by_hand.clause_borders import PROBES, Probe
from by_hand.small import ALWAYS, NEVER, Event, Table, ae, event, rule, small_scenario

from sim.engines import run
from sim.histories import TABLES
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


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.name for case in CASES])
def test_both_engines_write_the_same_rows(number: int) -> None:
    case, plan = CASES[number], case_plan(number)
    ours, theirs = (
        run.record(plan, 0, 1, engine=engine, script=case.script)[0] for engine in run.ENGINES
    )
    for name in TABLES:
        assert ours.table(name).tolist() == theirs.table(name).tolist()


# Rules with a draw: 400 patients, each with luck of its own, none with an adverse event.
PATIENTS = 400
HALF = 0.5
# Six standard errors of a share of one half: far less likely to fail than to find a mistake.
NEAR_HALF = pytest.approx(HALF, abs=6.0 * (HALF * HALF / PATIENTS) ** 0.5)


def decisions_of(*rules: Table, script: tuple[Event, ...] = (), engine: str = "kernel") -> Any:
    """The decisions of many patients who meet the same script."""
    plan = compile_plan(small_scenario(rules))
    histories, _ = run.record(plan, 0, PATIENTS, engine=engine, script=script)
    return histories.frames()["decisions"]


@pytest.mark.parametrize("engine", run.ENGINES)
def test_a_draw_is_made_at_every_ask_and_failing_does_not_count(engine: str) -> None:
    """The first success is the first of the list, however many asks failed before."""
    drawn = rule("drawn", "dose", ["skip", "stop"], day=[8], probability=HALF)
    rows = decisions_of(drawn, engine=engine)
    assert rows["holds"].all()
    first_asks = rows[rows["cycle"] == 1]
    assert len(first_asks) == PATIENTS
    assert first_asks["fired"].mean() == NEAR_HALF
    fired = rows[rows["fired"]]
    actions = fired.groupby("patient")["action"].agg(list)
    assert {tuple(done) for done in actions} == {("skip",), ("skip", "stop")}
    # Failed in cycle 1: drawn anew in cycle 2, as likely as ever, and then it is a skip.
    failed = set(first_asks[~first_asks["fired"]]["patient"])
    second = rows[(rows["cycle"] == 2) & rows["patient"].isin(failed)]
    assert second["fired"].mean() == pytest.approx(HALF, abs=6.0 * 0.5 / len(failed) ** 0.5)
    assert set(second[second["fired"]]["action"]) == {"skip"}


@pytest.mark.parametrize("engine", run.ENGINES)
def test_a_failed_draw_leaves_the_ask_to_lower_rules(engine: str) -> None:
    """A stop with probability one half, else the skip of the same ask."""
    drawn = rule("drawn", "dose", ["stop", "stop"], cycle=[1], day=[8], probability=HALF)
    lower = rule("lower", "dose", "skip", cycle=[1], day=[8])
    rows = decisions_of(drawn, lower, engine=engine)
    stopped = set(rows[(rows["rule"] == "drawn") & rows["won"]]["patient"])
    skipped = set(rows[(rows["rule"] == "lower") & rows["won"]]["patient"])
    assert stopped | skipped == set(range(PATIENTS))
    assert not stopped & skipped
    assert len(stopped) / PATIENTS == NEAR_HALF


@pytest.mark.parametrize("engine", run.ENGINES)
def test_an_event_rule_draws_once_per_event(engine: str) -> None:
    """One event of 60 days, one row; two events of a kind in two cycles draw for themselves."""
    drawn = rule("drawn", "event", "skip", event(state="new"), probability=HALF)
    once = decisions_of(drawn, script=(ae(1, 5, 60),), engine=engine)
    assert len(once) == PATIENTS
    assert once["fired"].mean() == NEAR_HALF
    twice = decisions_of(drawn, script=(ae(1, 5, 3), ae(2, 5, 3)), engine=engine)
    fired = twice.pivot(index="patient", columns="cycle", values="fired")
    assert fired[1].tolist() == once["fired"].tolist()
    assert (fired[1] & fired[2]).mean() == pytest.approx(HALF**2, abs=6.0 * 0.1875**0.5 / 20.0)


@pytest.mark.parametrize("engine", run.ENGINES)
def test_one_draw_decides_between_choices(engine: str) -> None:
    """Skip 0.3, one lower 0.5, nothing 0.2."""
    choices = ({"probability": 0.3, "do": "skip"}, {"probability": 0.5, "do": "-1"})
    chooser = rule("chooser", "dose", None, cycle=[1], day=[8], choices=choices)
    rows = decisions_of(chooser, engine=engine)
    shares = rows["action"].value_counts(normalize=True)
    for action, share in (("skip", 0.3), ("down", 0.5), ("none", 0.2)):
        assert shares[action] == pytest.approx(share, abs=6.0 * 0.25**0.5 / PATIENTS**0.5)
    assert list(rows["fired"]) == [action != "none" for action in rows["action"]]


@pytest.mark.parametrize("engine", run.ENGINES)
@pytest.mark.parametrize(
    ("start_mg", "others", "is_refused"),
    [
        (4.0, (), True),
        (3.0, (), False),
        (3.0, (rule("lock", "dose", "skip", cycle=[1], day=[8], locks={"up": "ever"}),), True),
    ],
    ids=["top", "below the top", "locked"],
)
def test_a_refused_increase_is_logged(
    start_mg: float, others: tuple[Table, ...], is_refused: bool, engine: str
) -> None:
    rules = (*others, rule("up", "cycle", "+1", cycle=[2]))
    plan = compile_plan(small_scenario(rules, posology={"start_mg": start_mg}))
    decisions = run.record(plan, 0, 1, engine=engine, script=())[0].frames()["decisions"]
    (row,) = decisions[decisions["rule"] == "up"].to_dict("records")
    assert (row["holds"], row["fired"], row["won"]) == (True, True, not is_refused)
    assert row["level_after_mg"] == start_mg + (0.0 if is_refused else 1.0)


@pytest.mark.parametrize("engine", run.ENGINES)
def test_every_rule_of_an_ask_is_logged_and_one_wins(engine: str) -> None:
    rules = (
        rule("lower", "dose", "-1", cycle=[1], day=[8]),
        rule("holder", "dose", "hold", cycle=[1], day=[8], until=ALWAYS),
        rule("never", "dose", "skip", NEVER, cycle=[1], day=[8]),
    )
    plan = compile_plan(small_scenario(rules))
    decisions = run.record(plan, 0, 1, engine=engine, script=())[0].frames()["decisions"]
    asked = decisions[decisions["ask"] == "dose"][["rule", "holds", "fired", "won"]]
    assert asked.to_numpy().tolist() == [
        ["lower", True, True, False],
        ["holder", True, True, True],
        ["never", False, False, False],
    ]
