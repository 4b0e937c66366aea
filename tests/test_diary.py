"""The diary: the clauses worked out again from the tables, what it tells, and what would have been.

The re-evaluation is the second witness of the rule language: plain Python on the scenario's
words (`sim/replay_facts.py`) against the bits that the compiled engines logged.
"""

import json
from datetime import date
from functools import cache
from typing import Any

import numpy as np
import pytest
from scenario_maker import make

from sim.codes import Action, Ask, Route
from sim.diary_course import Course, read_course
from sim.diary_prose import diary, diary_entries
from sim.engines import run
from sim.histories import Histories
from sim.plan.plan import Plan, compile_plan
from sim.replay_facts import Event
from sim.replay_rows import Asked
from sim.replay_rules import Replay
from sim.scenario.file import load_scenario
from sim.scenario.library import shipped_names
from sim.what_if import what_if, with_changes

PATIENTS = 300
MADE, MADE_PATIENTS = range(1, 61), 12
DAY_ONE = date(2024, 1, 1)
RULE = "escalate-at-5"


def plan_of(name: str) -> Plan:
    """The plan of a shipped scenario."""
    return compile_plan(load_scenario(name).scenario)


def assert_agrees_with_log(plan: Plan, patients: int) -> int:
    """Clauses, results and what was done to the dose, from the tables and as logged; asks told."""
    histories, outcomes = run.record(plan, 0, patients)
    asks = 0
    for patient in range(patients):
        own = histories.of_patient(patient)
        replay = Replay(plan.scenario, own)
        for asked in replay.asked():
            asks += 1
            agrees = asked.bits() == asked.row["clauses"]
            agrees = agrees and asked.verdict.holds == bool(asked.row["holds"])
            assert agrees, f"patient {patient}: {asked.row} {asked.verdict.clauses}"
        assert_acts_agree(replay, outcomes[patient])
        assert_attribution_agrees(replay, own)
    return asks


def assert_acts_agree(replay: Replay, outcome: Any) -> None:
    """Holds, delays and reductions read off the tables, and as the engine counted them."""
    done = [act.what for act in replay.acts]
    assert done.count("missed") == outcome["interruptions"]
    assert done.count("hold") == outcome["holds"]
    # Treatment may end on a day 1 before anything is asked: what that day began left no row.
    ends = (Route.BELOW_LOWEST, Route.MAX_REDUCTIONS)
    if replay.running < outcome["last_cycle"] or outcome["route"] in ends:
        return
    assert done.count("delay") == outcome["delays"]
    assert done.count("reduction") == outcome["reductions"]
    assert sum(act.days for act in replay.acts if act.what == "delay") == outcome["delay_days"]


def assert_attribution_agrees(replay: Replay, histories: Histories) -> None:
    """A withheld dose is related as the hold or skip that withheld it was worked out to be."""
    for act in replay.acts:
        if act.what != "missed":
            continue
        by = next(
            other
            for other in reversed(replay.acts)
            if other.what in ("hold", "skip") and other.day <= act.day and other.rule == act.rule
        )
        assert by.related == act.related, f"{histories.disposition[0, 0]}: {act} {by}"


@pytest.mark.parametrize("name", shipped_names())
def test_tables_give_the_logged_clauses(name: str) -> None:
    assert assert_agrees_with_log(plan_of(name), PATIENTS) > PATIENTS / 2


def test_tables_give_the_logged_clauses_of_made_scenarios() -> None:
    asks = sum(assert_agrees_with_log(make(seed).plan(seed), MADE_PATIENTS) for seed in MADE)
    assert asks > 15_000


@pytest.fixture(scope="module")
def flagship() -> Plan:
    return plan_of("ixazomib-maintenance")


def escalation(course: Course) -> Asked | None:
    """The ask of the escalation rule, if the patient reached it."""
    return next((asked for asked in course.asks if asked.rule.id == RULE), None)


@cache
def asked_patients(patients: int) -> list[tuple[Course, Asked]]:
    """Courses of the flagship's patients whom the escalation rule was asked about."""
    plan = plan_of("ixazomib-maintenance")
    courses = (read_course(plan, patient, "kernel", DAY_ONE) for patient in range(patients))
    return [(course, asked) for course in courses if (asked := escalation(course)) is not None]


def barred_by(*clauses: str) -> Course:
    """The first patient barred by exactly these clauses."""
    for course, asked in asked_patients(400):
        if asked.verdict.held == set(clauses):
            return course
    raise AssertionError(f"no patient is barred by {clauses}")


def flat(text: str) -> str:
    """Text without line breaks."""
    return " ".join(text.split())


def test_an_unchanged_script_repeats_the_course(flagship: Plan) -> None:
    for patient in range(60):
        course = read_course(flagship, patient, "kernel", DAY_ONE)
        again = course.reruns.histories(tuple(course.events))
        assert np.array_equal(again.decisions, course.histories.decisions)
        assert np.array_equal(again.doses, course.histories.doses)


@pytest.mark.parametrize("name", ["ixazomib-maintenance", "ixazomib-minimal", "escalate-at-3"])
def test_told_changes_change_the_escalation(name: str) -> None:
    """Every change of an event that is told, run by the other engine, changes what it says."""
    plan = plan_of(name)
    rule = next(rule.id for rule in plan.scenario.rule if rule.id.startswith("escalate"))
    tried = 0
    for patient in range(120):
        course = read_course(plan, patient, "kernel", DAY_ONE)
        asked = next((asked for asked in course.asks if asked.rule.id == rule), None)
        if asked is None:
            continue
        found = what_if(course.reruns, asked, course.events)
        groups = [(change,) for change in found.single if change.number >= 0] + list(found.pairs)
        for changes in groups:
            script = course.reruns.script(with_changes(tuple(course.events), changes))
            _, outcomes = run.record(plan, patient, 1, engine="events", script=script)
            escalated = int(outcomes[0]["escalated_cycle"]) == asked.row["cycle"]
            assert escalated != asked.won, f"{patient}: {changes}"
            tried += 1
    assert tried > 10


def test_length_told_is_the_border() -> None:
    """A length told is the nearest that does it: a day nearer to the true one does not."""
    checked = 0
    for course, asked in asked_patients(400)[:100]:
        for change in what_if(course.reruns, asked, course.events).single:
            event = change.event
            if event is None or event.end_day == course.events[event.number].end_day:
                continue
            true_end = course.events[event.number].end_day
            nearer = event.end_day + (1 if true_end > event.end_day else -1)
            events = [_until(other, event.number, nearer) for other in course.events]
            row = course.reruns.acting(asked, tuple(events))
            assert (row is not None) == asked.won
            checked += 1
    assert checked > 5


def _until(event: Event, number: int, end_day: int) -> Event:
    return Event(**{**vars(event), "end_day": end_day}) if event.number == number else event


def test_one_related_event_bars_and_its_attribution_frees(flagship: Plan) -> None:
    """The plainest no: one event in the window, and the dose rises once it is called unrelated."""
    course = barred_by("related-nonhematologic-ae")
    (clause,) = [c for c in escalation(course).verdict.clauses if c.holds]  # type: ignore[union-attr]
    event = clause.events[0]
    text = flat(diary(flagship, course.patient))
    label = course.labels.of(event.onset_day)
    assert f"{RULE}: the dose stays at 3 mg, barred by" in text
    assert "[related-nonhematologic-ae]" in text
    assert f"of grade {event.grade} (begun {label}, called related)" in text
    if len(clause.events) == 1:
        assert f"of {label} been called unrelated, 4 mg would have started." in text
        kind = flagship.names.kinds.index(event.kind)
        rows = course.reruns.script(tuple(course.events))
        script = [
            [*row[:6], 0] if row[1] == kind and row[0] == event.cycle else row for row in rows
        ]
        histories, _ = run.record(flagship, course.patient, 1, script=script)
        first = histories.doses[histories.doses[:, 1] == 5][0]
        assert flagship.names.levels[first[4]] == "4"


def test_a_long_delay_bars_and_a_shorter_one_frees(flagship: Plan) -> None:
    course = barred_by("related-delay-over-7-days")
    (delay,) = [a for a in course.acts if a.what == "delay" and 3 <= a.cycle <= 5 and a.days > 7]
    text = flat(diary(flagship, course.patient))
    told = f"cycle {delay.cycle} started {delay.days} days late (related)"
    assert f"barred by {told} [related-delay-over-7-days]" in text
    change = f"Had the delay of cycle {delay.cycle} been 7 days or less instead of {delay.days}"
    assert f"{change}, 4 mg would have started." in text


def test_a_reduction_bars_and_the_dose_freed_is_the_one_before(flagship: Plan) -> None:
    course = barred_by("any-reduction")
    text = flat(diary(flagship, course.patient))
    assert "[any-reduction]" in text
    assert "not happened, 4 mg would have started." in text


def test_withheld_doses_bar(flagship: Plan) -> None:
    course = barred_by("related-interruption")
    missed = next(act for act in course.acts if act.what == "missed" and act.cycle in (3, 4))
    text = flat(diary(flagship, course.patient))
    assert f"withheld by {missed.rule} (related)" in text
    assert "been given, 4 mg would have started." in text


def test_a_yes_tells_its_margins(flagship: Plan) -> None:
    """A delay of seven days did not bar; eight would have."""
    for course, asked in asked_patients(400):
        delays = [a for a in course.acts if a.what == "delay" and 3 <= a.cycle <= 5 and a.related]
        if asked.won and delays and delays[0].days == 7:
            text = flat(diary(flagship, course.patient))
            told = f"Had the delay of cycle {delays[0].cycle} been 8 days or more instead of 7"
            assert "Nothing barred it: none of its 5 clauses held." in text
            assert f"{told}, the dose would have stayed at 3 mg." in text
            return
    raise AssertionError("nobody escalates after a delay of 7 days")


def test_diary_tells_everything_that_happened(flagship: Plan) -> None:
    """Every event, every act of a rule, the end and the totals, for patients of every kind."""
    for patient in range(60):
        course = read_course(flagship, patient, "kernel", DAY_ONE)
        text = flat(diary(flagship, patient))
        for event in course.events:
            assert (
                f"{course.labels.of(event.onset_day)}, {course.labels.date(event.onset_day)}"
                in text
            )
            assert f"of grade {event.grade} begins" in text
        for asked in course.asks:
            if asked.won and asked.ask not in (Ask.UNTIL,) and asked.action != Action.NONE:
                assert asked.rule.id in text
        given = int(course.histories.doses[:, 5].sum())
        assert f"{given} dose{'' if given == 1 else 's'} given" in text
        assert f"(day {course.last_day}, {course.labels.date(course.last_day)})" in text
        assert f"Rules were asked {sum(a.ask != Ask.UNTIL for a in course.asks)} time" in text


def test_both_engines_tell_the_same(flagship: Plan) -> None:
    for patient in (2, 3, 7, 58):
        assert diary(flagship, patient, "kernel") == diary(flagship, patient, "events")


def test_every_ask_lists_every_row(flagship: Plan) -> None:
    course = read_course(flagship, 7, "kernel", DAY_ONE)
    text = diary(flagship, 7, every_ask=True)
    listed = text.split("Every rule asked:\n")[1]
    assert sum(line.startswith("  C") for line in listed.splitlines()) == len(course.asks)


def test_dates_are_nominal_and_may_start_elsewhere(flagship: Plan) -> None:
    text = diary(flagship, 7, day_one=date(2030, 5, 6))
    assert "Dates are nominal, with day 1 on 2030-05-06" in flat(text)
    assert "2024-" not in text


@pytest.mark.parametrize("name", ["ixazomib-maintenance", "axitinib-titration", "start-4mg"])
def test_entries_are_for_machines(name: str) -> None:
    plan = plan_of(name)
    for patient in range(12):
        entries = diary_entries(plan, patient)
        assert json.loads(json.dumps(entries)) == entries
        days = [entry["day"] for entry in entries[:-1]]
        assert days == sorted(days)
        kinds = {entry["kind"] for entry in entries}
        assert kinds <= {"patient", "doses", "adverse_event", "decision", "dose_change", "end"}
        rules = {rule.id for rule in plan.scenario.rule}
        assert {entry["rule"] for entry in entries} <= {None, *rules}
