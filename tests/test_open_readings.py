"""Each open reading of the paper's sentence is a setting, and its other value changes a decision.

The readings are (a) to (i) of reference/policy-grammar.md section 4 and MODEL.md section 7. The
scenario is the truth table's, which takes the literal readings; every case is worked on paper:
cycles begin on days 1, 29, 57, 85, 113, 141, 169, 197 when none is late; doses and visits on days
1, 8, 15; 3 mg, from cycle 5 on 4 mg if nothing bars.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sim.engines import run
from sim.model.layout import EVENT_COLUMNS, SCRIPT_COLUMNS
from sim.plan.plan import compile_plan
from sim.scenario.file import load_scenario

TRUTH_TABLE = Path(__file__).parent / "by_hand" / "truth_table.toml"
HAEM, NONHAEM = 0, 1
Tables = dict[str, Any]

pytestmark = pytest.mark.parametrize("engine", run.ENGINES)


def script(*rows: tuple[int, int, int, int, int]) -> list[tuple[int, ...]]:
    """(cycle, kind, day of the cycle, days, grade) of related events."""
    return [(*row, 1, 1) for row in rows]


def walk(engine: str, overrides: Sequence[str], events: list[tuple[int, ...]]) -> Tables:
    """The tables of one patient of the truth table's scenario with other readings."""
    plan = compile_plan(load_scenario(TRUTH_TABLE, overrides).scenario)
    return run.record(plan, 0, 1, engine=engine, script=events)[0].frames()


def escalation(tables: Tables) -> list[tuple[int, str]]:
    """(cycle, "fires" or the clauses that bar) of every ask of the paper's rule."""
    asked = tables["decisions"][tables["decisions"]["rule"] == "escalate-c5"]
    rows = zip(asked["cycle"], asked["won"], asked["clauses"], strict=True)
    return [(cycle, "fires" if won else clauses) for cycle, won, clauses in rows]


def doses(tables: Tables) -> list[float]:
    """Every dose in mg, withheld = 0."""
    return list(tables["doses"]["dose_mg"])


def end(tables: Tables) -> tuple[str, int]:
    """Route and last day; the cause where there is no route."""
    (row,) = tables["disposition"].to_dict("records")
    return (row["cause"] if pd.isna(row["route"]) else row["route"]), row["day"]


UP_AT_5 = [3.0] * 12 + [4.0] * 12
NEVER_UP = [3.0] * 24


@pytest.mark.parametrize(
    ("window", "asked", "given"),
    [("cycles 3-4", "fires", UP_AT_5), ("cycles 3-5", "related-delay", NEVER_UP)],
)
def test_a_the_delay_of_cycle_5_itself(
    engine: str, window: str, asked: str, given: list[float]
) -> None:
    """Row 11: haem G3 on days 113-126; cycle 5 begins on day 127, 14 days late."""
    setting = f"rule.escalate-c5.when.none.related-delay.window={window}"
    tables = walk(engine, [setting], script((4, HAEM, 29, 14, 3)))
    assert escalation(tables) == [(5, asked)]
    assert doses(tables) == given


def test_b_cycle_5_only(engine: str) -> None:
    """Related non-haem G2 in cycle 4 bars at cycle 5, and that was the only ask."""
    tables = walk(engine, [], script((4, NONHAEM, 10, 3, 2)))
    assert escalation(tables) == [(5, "related-ae")]
    assert doses(tables) == NEVER_UP


def test_b_or_any_later_cycle_after_two_clean_ones(engine: str) -> None:
    """The same, asked from cycle 5 on about the last two cycles: 4 is out of sight at cycle 7."""
    clauses = ("related-ae", "related-missed", "related-delay")
    windows = [f"rule.escalate-c5.when.none.{clause}.window=last 2 cycles" for clause in clauses]
    later = ["rule.escalate-c5.on.cycle=[5, 6, 7, 8]", *windows]
    tables = walk(engine, later, script((4, NONHAEM, 10, 3, 2)))
    # At cycle 8 it holds again, but has had its one firing.
    assert escalation(tables)[:3] == [(5, "related-ae"), (6, "related-ae"), (7, "fires")]
    assert doses(tables) == [3.0] * 18 + [4.0] * 6


@pytest.mark.parametrize(
    ("history", "asked", "given"),
    [("missed", "fires", UP_AT_5), ("hold", "related-missed", NEVER_UP)],
)
def test_c_a_hold_without_a_missed_dose(
    engine: str, history: str, asked: str, given: list[float]
) -> None:
    """Haem G4 on days 89-91, seen on day 89, a visit without a dose: held until the visit of day
    92, where the dose is given. No dose is withheld; a hold there was."""
    settings = [
        "rule.haem-g4.at=visit",
        "posology.visit_days=[1, 5, 8, 15]",
        f"rule.escalate-c5.when.none.related-missed.history={history}",
    ]
    tables = walk(engine, settings, script((4, HAEM, 5, 3, 4)))
    holds = tables["decisions"][tables["decisions"]["won"] & (tables["decisions"]["day"] < 113)]
    assert holds[["day", "action"]].to_numpy().tolist() == [[89, "hold"], [92, "resume"]]
    assert escalation(tables) == [(5, asked)]
    assert doses(tables) == given


@pytest.mark.parametrize(
    ("timing", "asked", "given"),
    [("onset", "fires", UP_AT_5), ("active", "related-ae", NEVER_UP)],
)
def test_d_an_event_open_since_cycle_2(
    engine: str, timing: str, asked: str, given: list[float]
) -> None:
    """Related non-haem G2 on days 54-63, into cycle 3, which a G2 does not delay here."""
    settings = [
        "rule.cycle-start-gate.when.any.nonhaem-active.grade.ge=3",
        f"rule.escalate-c5.when.none.related-ae.timing={timing}",
    ]
    tables = walk(engine, settings, script((2, NONHAEM, 26, 10, 2)))
    assert escalation(tables) == [(5, asked)]
    assert doses(tables) == given


@pytest.mark.parametrize("timing", ["onset", "active"])
def test_d_makes_no_difference_when_it_ends_before_the_window(engine: str, timing: str) -> None:
    """The same event to day 56, the last of cycle 2."""
    settings = [
        "rule.cycle-start-gate.when.any.nonhaem-active.grade.ge=3",
        f"rule.escalate-c5.when.none.related-ae.timing={timing}",
    ]
    tables = walk(engine, settings, script((2, NONHAEM, 26, 3, 2)))
    assert escalation(tables) == [(5, "fires")]


def test_e_is_fixed_by_construction(engine: str) -> None:
    """(e) asks whether the grade at onset or the worst one counts. An event here has one grade,
    drawn at onset and kept; there is no course of grades, so no setting and no other value."""
    assert [name for name in EVENT_COLUMNS if "grade" in name] == ["grade"]
    assert [name for name in SCRIPT_COLUMNS if "grade" in name] == ["grade"]
    tables = walk(engine, [], script((3, NONHAEM, 4, 30, 2)))
    assert list(tables["adverse_events"]["grade"]) == [2]


def barred_by_attribution(engine: str, settings: Sequence[str]) -> set[int]:
    """Patients whom a called-related event bars; grade 2 events of one day, drawn, not scripted."""
    kind = [
        "probability=0.9", "grade_shares.3=1e-9", "grade_shares.4=1e-10", "duration.1.days=1",
        "recurrence=next_cycle", *settings,
    ]  # fmt: skip
    loaded = load_scenario(TRUTH_TABLE, [f"adverse_event.nonhaem.{text}" for text in kind])
    histories, _ = run.record(compile_plan(loaded.scenario), 0, 200, engine=engine)
    decisions = histories.frames()["decisions"]
    asked = decisions[decisions["rule"] == "escalate-c5"]
    assert len(asked) == 200
    barred = asked[asked["clauses"] == "related-ae"]
    assert set(asked[asked["won"]]["patient"]) == set(asked["patient"]) - set(barred["patient"])
    return set(barred["patient"])


def test_f_how_often_an_unrelated_event_is_called_related(engine: str) -> None:
    """No event is the drug's. Never called related: it bars nobody; the default, one half, bars
    some of those whom "always" bars."""
    never, default, always = (
        barred_by_attribution(engine, ["drug_share=0.0", *rate])
        for rate in (["false_positive_rate=0.0"], [], ["false_positive_rate=1.0"])
    )
    assert not never
    assert default < always
    assert default


def test_f_how_often_a_related_event_is_called_so(engine: str) -> None:
    """Every event is the drug's. The default calls all of them related."""
    default = barred_by_attribution(engine, ["drug_share=1.0"])
    half = barred_by_attribution(engine, ["drug_share=1.0", "sensitivity=0.5"])
    never = barred_by_attribution(engine, ["drug_share=1.0", "sensitivity=0.0"])
    unrelated = barred_by_attribution(engine, ["drug_share=0.0", "false_positive_rate=1.0"])
    assert default == unrelated
    assert never < half < default
    assert not never


@pytest.mark.parametrize(
    ("seen", "stop_day", "given"), [("visit", 57, [3.0] * 6), ("onset", 33, [3.0] * 4)]
)
def test_g_known_at_the_visit_or_at_onset(
    engine: str, seen: str, stop_day: int, given: list[float]
) -> None:
    """Row 13, related non-haem G4 on day 33, visits at cycle starts only: the doses of days 36
    and 43 come before it is known at the visit of day 57."""
    settings = [f"policy.seen={seen}", "posology.visit_days=[1]"]
    tables = walk(engine, settings, script((2, NONHAEM, 5, 60, 4)))
    assert end(tables) == ("grade", stop_day)
    assert doses(tables) == given


@pytest.mark.parametrize(("seen", "stop_day"), [("visit", 36), ("onset", 33)])
def test_g_with_the_visits_of_the_table(engine: str, seen: str, stop_day: int) -> None:
    tables = walk(engine, [f"policy.seen={seen}"], script((2, NONHAEM, 5, 60, 4)))
    assert end(tables) == ("grade", stop_day)
    assert doses(tables) == [3.0] * 4


@pytest.mark.parametrize(
    ("limit", "ended", "asked"),
    [
        (21, ("max_delay", 78), []),
        (28, ("max_delay", 85), []),
        (35, ("completed", 259), [(5, "related-delay")]),
    ],
)
def test_h_the_longest_delay(
    engine: str, limit: int, ended: tuple[str, int], asked: list[tuple[int, str]]
) -> None:
    """Haem G3 on days 50-91. Cycle 3, planned on day 57, is asked about every 7 days: over on
    day 92, 35 days late, which is its limit in the last setting; a delay of cycle 3 then bars."""
    tables = walk(engine, [f"policy.max_delay_days={limit}"], script((2, HAEM, 22, 42, 3)))
    assert end(tables) == ended
    assert escalation(tables) == asked


@pytest.mark.parametrize(
    ("resume", "given", "asked"),
    [
        ('["same", -1, "same", -1]', [3.0, 0.0, 3.0, *[3.0] * 9, *[4.0] * 12], "fires"),
        ("-1", [3.0, 0.0, *[2.3] * 22], "any-reduction"),
    ],
)
def test_i_a_hematologic_hold_resumes_at_the_same_dose_or_lower(
    engine: str, resume: str, given: list[float], asked: str
) -> None:
    """Row 7: haem G4 on days 6-12, over the dose of day 8."""
    tables = walk(engine, [f"rule.haem-g4.resume={resume}"], script((1, HAEM, 6, 7, 4)))
    assert doses(tables) == given
    assert escalation(tables) == [(5, asked)]


@pytest.mark.parametrize(
    ("resume", "given", "asked"),
    [
        ("[-1]", [3.0, 0.0, *[2.3] * 22], "any-reduction"),
        ("same", [3.0, 0.0, 3.0, *[3.0] * 9, *[4.0] * 12], "fires"),
    ],
)
def test_i_a_non_hematologic_hold_resumes_lower_or_at_the_same_dose(
    engine: str, resume: str, given: list[float], asked: str
) -> None:
    """Row 8: related non-haem G3 on days 6-12, over the dose of day 8."""
    tables = walk(engine, [f"rule.nonhaem-g3.resume={resume}"], script((1, NONHAEM, 6, 7, 3)))
    assert doses(tables) == given
    assert escalation(tables) == [(5, asked)]


# The flagship takes the readings of MODEL.md section 7, `ixazomib-literal` the literal ones.


def clauses_at_5(engine: str, scenario: str, events: list[tuple[int, ...]]) -> dict[int, set[str]]:
    """Clauses that held at cycle 5, by patient asked; other draws are the patient's own."""
    plan = compile_plan(load_scenario(scenario).scenario)
    tables = run.record(plan, 0, 40, engine=engine, script=events)[0].frames()
    asked = tables["decisions"][tables["decisions"]["rule"] == "escalate-at-5"]
    return {
        patient: set(clauses.split())
        for patient, clauses in zip(asked["patient"], asked["clauses"], strict=True)
    }


@pytest.mark.parametrize(
    ("kind", "event", "clause"),
    [
        # (a) haem G3 on days 113-126: cycle 5 is 14 days late.
        ("neutropenia", (4, 29, 14, 3), "related-delay-over-7-days"),
        # (d) rash of G2 on days 54-73: cycle 3 is 7 days late, begins on day 64 and has it still.
        ("rash", (2, 26, 20, 2), "related-nonhematologic-ae"),
        # The guard: rash of G2 from day 54 until cycle 5 begins and longer.
        ("rash", (2, 26, 120, 2), "guard-active-ae"),
    ],
    ids=["a", "d", "guard"],
)
def test_the_named_scenarios_differ(
    engine: str, kind: str, event: tuple[int, int, int, int], clause: str
) -> None:
    kinds = [one.name for one in load_scenario("ixazomib-maintenance").scenario.adverse_event]
    cycle, day, days, grade = event
    events = script((cycle, kinds.index(kind), day, days, grade))
    ours = clauses_at_5(engine, "ixazomib-maintenance", events)
    literal = clauses_at_5(engine, "ixazomib-literal", events)
    assert len(ours) >= 20
    assert ours.keys() == literal.keys()
    assert all(clause in held for held in ours.values())
    assert not any(clause in held for held in literal.values())
    assert any(not held for held in literal.values())
