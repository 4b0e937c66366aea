"""Outcomes rebuilt from histories are the engine's, and a run without rows reports the same.

First histories written by hand with outcomes worked by hand, one patient after another; then
whole runs. The long tier: `python -m pytest -m slow tests/test_outcomes.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scenario_maker import make
from scipy.special import expit
from whole_run import outcome_difference

from sim.codes import Action, Ask, Cause, Route
from sim.engines.run import record
from sim.histories import Histories
from sim.model.counts import OUTCOME
from sim.model.layout import (
    DISPOSITION_COLUMNS,
    DOSE_COLUMNS,
    EVENT_COLUMNS,
    LOG_COLUMNS,
)
from sim.outcomes import outcomes_of
from sim.plan.plan import Plan, compile_plan
from sim.scenario.file import load_scenario
from sim.scenario.library import shipped_names
from sim.summary import summarize
from sim.tallies import Arm, count_arms

PATIENTS = 2_000
MADE = range(201, 261)
MADE_PATIENTS = 100

# The flagship with 3 cycles: levels 2.3, 3 and 4 mg are 0, 1 and 2; reference 4 mg, days 1, 8, 15.
SHORTER = ["posology.max_cycles=3", "rule.escalate-at-5.on.cycle=[2, 3]"]
SMALL = compile_plan(load_scenario("ixazomib-maintenance", SHORTER).scenario, seed=1)
REFERENCE_COURSE = 3 * 3 * 4_000
RULES = {name: number for number, name in enumerate(SMALL.names.rules)}
KINDS = {name: number for number, name in enumerate(SMALL.names.kinds)}
CL_F = 3.2


@dataclass
class Told:
    """One patient's rows, written by hand."""

    patient: int
    doses: list[tuple[int, ...]] = field(default_factory=list)
    events: list[tuple[int, ...]] = field(default_factory=list)
    log: list[tuple[int, ...]] = field(default_factory=list)
    end: tuple[int, ...] = ()

    def cycle(self, cycle: int, day: int, *levels: int, held_by: str = "") -> None:
        """Doses on days 1, 8 and 15 of a cycle; a negative level is that level withheld."""
        for number, (level, add) in enumerate(zip(levels, (0, 7, 14), strict=False), start=1):
            given = level >= 0
            rule = -1 if given else RULES[held_by]
            real = level if given else -level
            row = (cycle, number, day + add, real, int(given), rule, int(not given))
            self.doses.append((self.patient, *row))

    def event(
        self, cycle: int, kind: str, onset: int, end: int, grade: int, related: int, known: int
    ) -> None:
        """One adverse event; whether the drug caused it does not matter here."""
        row = (cycle, KINDS[kind], onset, end, grade, 0, related, known, 1)
        self.events.append((self.patient, *row))

    def decide(
        self,
        cycle: int,
        day: int,
        ask: Ask,
        rule: str,
        action: Action = Action.NONE,
        amount: int = 0,
        *,
        fired: int = 1,
        won: int = 1,
        clauses: int = 0,
        levels: tuple[int, int] = (1, 1),
    ) -> None:
        """One row of the decision log."""
        row = (cycle, day, ask, RULES[rule], -1, fired, fired, won, clauses, action, amount)
        self.log.append((self.patient, *row, *levels))

    def ends(
        self,
        last_cycle: int,
        day: int,
        cause: Cause,
        route: Route = Route.NONE,
        rule: str = "",
        level: int | None = None,
    ) -> None:
        """How treatment ended; at the level of the last dose unless another is given."""
        if level is None:
            level = self.doses[-1][4] if self.doses else 1
        self.end = (self.patient, last_cycle, day, cause, route, RULES.get(rule, -1), level)


def histories_of(*told: Told) -> Histories:
    def rows(table: str, columns: tuple[str, ...]) -> NDArray[np.int64]:
        everything = [row for one in told for row in getattr(one, table)]
        return np.array(everything, np.int64).reshape(-1, len(columns))

    return Histories(
        SMALL.names,
        doses=rows("doses", DOSE_COLUMNS),
        adverse_events=rows("events", EVENT_COLUMNS),
        decisions=rows("log", LOG_COLUMNS),
        disposition=np.array([one.end for one in told], np.int64).reshape(
            -1, len(DISPOSITION_COLUMNS)
        ),
        latents=np.array([[CL_F, 1.0, 1.0]] * len(told)),
    )


def expected(**values: Any) -> dict[str, Any]:
    """Worked outcomes; whatever is not named is 0, never or off treatment."""
    out = np.zeros((), OUTCOME)
    out["level_of_cycle"] = -1
    for name, value in values.items():
        if isinstance(value, dict):
            for place, amount in value.items():
                out[name][place] = amount
        else:
            out[name] = value
    out["benefit"] = values.get("benefit", benefit_at(out["given_mg"] * 1000 / (CL_F * 336)))
    return {name: out[name] for name in OUTCOME.names or ()}


def benefit_at(auc: float) -> float:
    return float(expit(SMALL.record.benefit_intercept + SMALL.record.benefit_slope * auc))


def clause(rule: str, place: int) -> int:
    return int(SMALL.record.rule_first_clause[RULES[rule]]) + place


def held_and_stopped() -> tuple[Told, dict[str, Any]]:
    """Rash of grade 3 holds a dose and costs a level; a late cycle 2; fatigue ends treatment."""
    one = Told(100)
    one.cycle(1, 1, 1, -1, 0, held_by="hold-for-related-grade-3")
    one.cycle(2, 36, 0, 0, 0)
    one.event(1, "rash", onset=5, end=12, grade=3, related=1, known=8)
    one.event(2, "fatigue", onset=40, end=60, grade=2, related=0, known=43)
    one.decide(1, 8, Ask.DOSE, "hold-for-related-grade-3", Action.HOLD)
    one.decide(1, 15, Ask.UNTIL, "hold-for-related-grade-3", Action.RESUME, 1)
    one.decide(1, 15, Ask.DOSE, "hold-for-related-grade-3", fired=0, won=0, levels=(0, 0))
    for day in (29, 36):  # asked twice for one cycle start, and the second time in vain
        one.decide(2, day, Ask.GATE, "delay-for-grade-2", Action.DELAY, won=int(day == 29))
    one.decide(2, 52, Ask.EVENT, "stop-for-grade-2", Action.STOP, levels=(0, 0))
    one.ends(2, 52, Cause.ADVERSE_EVENT, Route.EVENT, "stop-for-grade-2")
    given = 3_000 + 4 * 2_300
    worked = expected(
        patient=100, last_cycle=2, last_day=52, cause=Cause.ADVERSE_EVENT, route=Route.EVENT,
        first_reduction_cycle=1, first_modification_cycle=1, level_of_cycle={1: 1, 2: 0},
        first_event_cycle={
            **{(KINDS["rash"], grade): 1 for grade in (1, 2, 3)},
            **{(KINDS["fatigue"], grade): 2 for grade in (1, 2)},
        },
        first_any_cycle=1, events={KINDS["rash"]: 1, KINDS["fatigue"]: 1},
        related_events={KINDS["rash"]: 1}, interruptions=1, delays=1, delay_days=7,
        longest_delay=7, holds=1, reductions=1,
        rule_fires={
            RULES["hold-for-related-grade-3"]: 1,
            RULES["delay-for-grade-2"]: 1,
            RULES["stop-for-grade-2"]: 1,
        },
        toxicity_days={0: 8 + 13, 1: 8},  # days 5-12; 40-52, the stop day being the last
        given_ug=given, given_mg=12.2, loss_not_escalated_ug=6 * 1_000, loss_reduced_ug=4 * 700,
        loss_held_ug=3_000, loss_stopped_ug=3 * 4_000,  # cycle 3 was never planned
        auc_per_day=1_000 * 12.2 / (CL_F * 52),
    )  # fmt: skip
    return one, worked


def escalated_and_completed() -> tuple[Told, dict[str, Any]]:
    """4 mg from cycle 2; the second ask, a cycle later, found two clauses that bar."""
    one = Told(101)
    one.cycle(1, 1, 1, 1, 1)
    one.cycle(2, 29, 2, 2, 2)
    one.cycle(3, 57, 2, 2, 2)
    for onset, end in ((2, 9), (5, 20), (20, 21)):  # overlapping: days 2 to 21, each counted once
        one.event(1, "diarrhea", onset, end, grade=2, related=1, known=8)
    one.event(3, "neutropenia", onset=70, end=100, grade=4, related=1, known=71)
    one.decide(2, 29, Ask.LEVEL, "escalate-at-5", Action.UP, 1, levels=(1, 2))
    one.decide(3, 57, Ask.LEVEL, "escalate-at-5", fired=0, won=0, clauses=0b10001, levels=(2, 2))
    one.ends(3, 84, Cause.COMPLETED)
    worked = expected(
        patient=101, last_cycle=3, last_day=84, escalated_cycle=2,
        level_of_cycle={1: 1, 2: 2, 3: 2},
        first_event_cycle={
            **{(KINDS["diarrhea"], grade): 1 for grade in (1, 2)},
            **{(KINDS["neutropenia"], grade): 3 for grade in (1, 2, 3, 4)},
        },
        first_any_cycle=1, events={KINDS["diarrhea"]: 3, KINDS["neutropenia"]: 1},
        related_events={KINDS["diarrhea"]: 3, KINDS["neutropenia"]: 1},
        # escalate-at-5 may fire once, so the second row is no ask of it any more
        rule_asks={RULES["escalate-at-5"]: 1}, rule_fires={RULES["escalate-at-5"]: 1},
        toxicity_days={0: 20 + 15, 1: 15},  # 70 to 84, the last day
        given_ug=3 * 3_000 + 6 * 4_000, given_mg=33.0, loss_not_escalated_ug=3 * 1_000,
        auc_per_day=1_000 * 33.0 / (CL_F * 84),
    )  # fmt: skip
    return one, worked


def barred_and_short() -> tuple[Told, dict[str, Any]]:
    """Two clauses bar the increase; delays leave no room for cycle 3 before the last day."""
    one = Told(102)
    one.cycle(1, 1, 1, 1, 1)
    one.cycle(2, 43, 1, 1, 1)
    one.decide(2, 43, Ask.LEVEL, "escalate-at-5", fired=0, won=0, clauses=0b10001)
    one.decide(2, 43, Ask.LEVEL, "reduce-after-delay", fired=0, won=0)
    one.ends(2, 70, Cause.COMPLETED)
    worked = expected(
        patient=102, last_cycle=2, last_day=70, level_of_cycle={1: 1, 2: 1}, delays=1,
        delay_days=14, longest_delay=14, first_modification_cycle=2,
        rule_asks={RULES["escalate-at-5"]: 1},
        clause_held={clause("escalate-at-5", 0): 1, clause("escalate-at-5", 4): 1},
        given_ug=18_000, given_mg=18.0, loss_not_escalated_ug=6_000, loss_delayed_ug=12_000,
        auc_per_day=1_000 * 18.0 / (CL_F * 70),
    )  # fmt: skip
    return one, worked


def never_restarted() -> tuple[Told, dict[str, Any]]:
    """The gate keeps cycle 2 from starting for 28 days: a stop, and no delay of any cycle."""
    one = Told(103)
    one.cycle(1, 1, 1, 1, 1)
    one.event(1, "thrombocytopenia", onset=20, end=80, grade=3, related=0, known=29)
    for day in (29, 36, 43, 50, 57):
        one.decide(2, day, Ask.GATE, "delay-for-grade-3", Action.DELAY)
    one.ends(1, 57, Cause.ADVERSE_EVENT, Route.MAX_DELAY, "delay-for-grade-3")
    worked = expected(
        patient=103, last_cycle=1, last_day=57, cause=Cause.ADVERSE_EVENT, route=Route.MAX_DELAY,
        level_of_cycle={1: 1}, first_any_cycle=1, events={KINDS["thrombocytopenia"]: 1},
        first_event_cycle={(KINDS["thrombocytopenia"], grade): 1 for grade in (1, 2, 3)},
        rule_fires={RULES["delay-for-grade-3"]: 1}, toxicity_days={0: 38, 1: 38},  # 20 to 57
        given_ug=9_000, given_mg=9.0, loss_not_escalated_ug=3_000, loss_stopped_ug=24_000,
        auc_per_day=1_000 * 9.0 / (CL_F * 57),
    )  # fmt: skip
    return one, worked


def left_on_day_1() -> tuple[Told, dict[str, Any]]:
    """A reduction fell due, then an exit ahead of all else: cycle 2 has a level but no dose."""
    one = Told(104)
    one.cycle(1, 1, 1, 1, 1)
    one.decide(1, 15, Ask.DOSE, "reduce-after-delay", Action.DOWN, 1)
    one.ends(2, 29, Cause.DEATH, level=0)
    worked = expected(
        patient=104, last_cycle=2, last_day=29, cause=Cause.DEATH, level_of_cycle={1: 1, 2: 0},
        first_reduction_cycle=2, first_modification_cycle=2, reductions=1,
        rule_fires={RULES["reduce-after-delay"]: 1},
        given_ug=9_000, given_mg=9.0, loss_not_escalated_ug=3_000, loss_stopped_ug=24_000,
        auc_per_day=1_000 * 9.0 / (CL_F * 29),
    )  # fmt: skip
    return one, worked


def left_after_a_reduction_was_made() -> tuple[Told, dict[str, Any]]:
    """A reduction decided on day 1 of cycle 2 acts that day; cycle 3 ends before its dose."""
    one = Told(107)
    one.cycle(1, 1, 1, 1, 1)
    one.cycle(2, 29, 0, 0, 0)
    one.decide(2, 29, Ask.VISIT, "reduce-after-delay", Action.DOWN, 1)
    one.ends(3, 57, Cause.WITHDRAWAL)
    worked = expected(
        patient=107, last_cycle=3, last_day=57, cause=Cause.WITHDRAWAL,
        level_of_cycle={1: 1, 2: 0, 3: 0}, first_reduction_cycle=2, first_modification_cycle=2,
        reductions=1, rule_fires={RULES["reduce-after-delay"]: 1}, given_ug=9_000 + 6_900,
        given_mg=15.9, loss_not_escalated_ug=6_000, loss_reduced_ug=2_100,
        loss_stopped_ug=12_000, auc_per_day=1_000 * 15.9 / (CL_F * 57),
    )  # fmt: skip
    return one, worked


def left_before_anything() -> tuple[Told, dict[str, Any]]:
    """Stopped before the first dose: no cycle, the whole course lost."""
    one = Told(105)
    one.ends(0, 1, Cause.OTHER)
    return one, expected(
        patient=105, last_day=1, cause=Cause.OTHER, loss_stopped_ug=REFERENCE_COURSE
    )


def reduced_then_raised() -> tuple[Told, dict[str, Any]]:
    """Down in cycle 2, up again in cycle 3: losses are against the highest level so far."""
    one = Told(106)
    one.cycle(1, 1, 1, 1, 1)
    one.cycle(2, 29, 0, 0, 0)
    one.cycle(3, 58, 1, 1, 1)
    one.decide(2, 29, Ask.LEVEL, "reduce-after-delay", Action.DOWN, 1, levels=(1, 0))
    one.decide(3, 58, Ask.LEVEL, "escalate-at-5", Action.UP, 1, levels=(0, 1), clauses=0)
    one.ends(3, 85, Cause.COMPLETED)
    worked = expected(
        patient=106, last_cycle=3, last_day=85, level_of_cycle={1: 1, 2: 0, 3: 1},
        escalated_cycle=3, first_reduction_cycle=2, first_modification_cycle=2, reductions=1,
        delays=1, delay_days=1, longest_delay=1, rule_asks={RULES["escalate-at-5"]: 1},
        rule_fires={RULES["reduce-after-delay"]: 1, RULES["escalate-at-5"]: 1},
        given_ug=18_000 + 6_900, given_mg=24.9, loss_not_escalated_ug=9_000,
        loss_reduced_ug=2_100, auc_per_day=1_000 * 24.9 / (CL_F * 85),
    )  # fmt: skip
    return one, worked


WRITTEN = {
    story.__name__: story
    for story in (
        held_and_stopped,
        escalated_and_completed,
        barred_and_short,
        never_restarted,
        left_on_day_1,
        left_before_anything,
        reduced_then_raised,
        left_after_a_reduction_was_made,
    )
}


def assert_is(found: Any, worked: dict[str, Any]) -> None:
    for name, value in worked.items():
        if OUTCOME[name].kind == "f":
            assert float(found[name]) == pytest.approx(float(value), rel=1e-12), name
        else:
            assert np.array_equal(found[name], value), (name, found[name], value)


@pytest.mark.parametrize("name", WRITTEN)
def test_outcomes_worked_by_hand(name: str) -> None:
    told, worked = WRITTEN[name]()
    assert_is(outcomes_of(histories_of(told), SMALL)[0], worked)


def test_patients_do_not_mix() -> None:
    """All hand-written patients together: each keeps his own outcome."""
    stories = [story() for story in WRITTEN.values()]
    found = outcomes_of(histories_of(*(told for told, _ in stories)), SMALL)
    for outcome, (_, worked) in zip(found, stories, strict=True):
        assert_is(outcome, worked)


def test_by_hand_every_field_is_told() -> None:
    """No outcome field is 0 in all hand-written patients, and dose accounts add up."""
    stories = [worked for _, worked in (story() for story in WRITTEN.values())]
    for name in OUTCOME.names or ():
        assert any(np.any(np.asarray(worked[name]) > 0) for worked in stories), name
    for worked in stories:
        parts = [worked[name] for name in OUTCOME.names or () if name.startswith("loss_")]
        assert int(worked["given_ug"]) + sum(int(part) for part in parts) == REFERENCE_COURSE


# ---- whole runs


def assert_same(plan: Plan, patients: int, first: int = 0) -> Histories:
    """Outcomes by engine and by histories are equal to the last bit."""
    histories, outcomes = record(plan, first, patients)
    found = outcome_difference(outcomes, outcomes_of(histories, plan))
    assert not found, f"{plan.scenario.name}: by engine and from histories: {found}"
    return histories


def assert_summaries_same(plan: Plan, histories: Histories) -> None:
    """The summary of a streaming run is that of its histories, number for number."""
    arm = Arm(plan)
    arm.count(outcomes_of(histories, plan))
    first = int(histories.disposition[0, 0])
    streamed = count_arms([plan], first, len(histories.disposition))[0]
    pd.testing.assert_frame_equal(summarize([arm]), summarize(streamed), check_exact=True)


@pytest.mark.parametrize("name", shipped_names())
def test_histories_give_the_outcomes_of_shipped_scenarios(name: str) -> None:
    plan = compile_plan(load_scenario(name).scenario, seed=7)
    assert_summaries_same(plan, assert_same(plan, PATIENTS))


@pytest.mark.parametrize("seed", MADE)
def test_histories_give_the_outcomes_of_made_scenarios(seed: int) -> None:
    plan = make(seed).plan(seed)
    assert_summaries_same(plan, assert_same(plan, MADE_PATIENTS))


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_histories_give_the_outcomes_of_many_made_scenarios(block: int) -> None:
    for seed in range(10_000 + 300 * block, 10_000 + 300 * (block + 1)):
        plan = make(seed).plan(seed)
        assert_summaries_same(plan, assert_same(plan, 200))


def test_histories_of_the_events_engine_give_the_same() -> None:
    plan = compile_plan(load_scenario("ixazomib-maintenance").scenario, seed=3)
    histories, outcomes = record(plan, 0, 300, engine="events")
    assert not outcome_difference(outcomes, outcomes_of(histories, plan))


def corruptions(histories: Histories) -> Iterator[tuple[str, Histories]]:
    """Histories with one cell changed: each must change some outcome."""
    for table, column, change in (
        ("doses", "given", lambda value: 1 - value),
        ("doses", "level", lambda value: (value + 1) % 3),
        ("adverse_events", "grade", lambda value: value + 1),
        ("adverse_events", "related", lambda value: 1 - value),
        ("adverse_events", "kind", lambda value: (value + 1) % len(KINDS)),
        ("disposition", "day", lambda value: value + 1),
        ("disposition", "cause", lambda value: (value + 1) % 6),
        ("disposition", "last_cycle", lambda value: value + 1),
    ):
        columns = {
            "doses": DOSE_COLUMNS,
            "adverse_events": EVENT_COLUMNS,
            "disposition": DISPOSITION_COLUMNS,
        }[table]
        rows = histories.table(table).copy()
        rows[0, columns.index(column)] = change(rows[0, columns.index(column)])
        yield f"{table}.{column}", Histories(**{**vars(histories), table: rows})


def test_a_changed_history_changes_the_outcome() -> None:
    plan = compile_plan(load_scenario("ixazomib-maintenance").scenario, seed=3)
    histories, outcomes = record(plan, 0, 50)
    for what, changed in corruptions(histories):
        assert outcome_difference(outcomes, outcomes_of(changed, plan)), what
