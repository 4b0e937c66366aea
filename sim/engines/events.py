"""The reference engine: discrete events in simpy, told in the order they happen.

One process is the treatment of a patient, one each adverse event. Whatever a dose, a draw or
a rule needs is done by the functions of `sim/model`; this file only waits and wakes.
Time is counted in steps of a day, so that the order within a day is explicit and never
depends on the order in which processes were made.
"""

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import simpy

from sim.codes import Status
from sim.engines.patient import copy_end, record_dose
from sim.model import calendar, outcome
from sim.model.jit import njit

STEPS = 8
RECOVERY, ONSET, VISIT, NOTICE, DOSE, LATE_ONSET, LATE_NOTICE = range(7)
Process = Generator[simpy.Event, Any, None]


@njit
def _begin(plans, states, patient):
    calendar.begin(plans[0], states[0], patient)


@njit
def _arrive(plans, states, books):
    return calendar.arrive_at_start(plans[0], states[0], books[0])


@njit
def _next_recheck(plans, states):
    return calendar.next_recheck(plans[0], states[0])


@njit
def _start_cycle(plans, states, books):
    calendar.start_cycle(plans[0], states[0], books[0])


@njit
def _visit(plans, states, books):
    calendar.visit(plans[0], states[0], books[0])


@njit
def _notice(plans, states, books):
    calendar.notice(plans[0], states[0], books[0])


@njit
def _dose(plans, states, books, is_visit, dose):
    given = calendar.give_dose(plans[0], states[0], books[0], is_visit)
    if given >= 0:
        record_dose(states[0], books[0], dose, given)


@njit
def _hold_limit_day(plans, states):
    return calendar.hold_limit_day(plans[0], states[0])


@njit
def _finish(plans, states, outcomes, place):
    outcome.drop_uncounted_events(plans[0], states[0])
    outcome.collect(plans[0], states[0], outcomes[place])
    outcome.collect_exposure(plans[0], states[0], outcomes[place])


@njit
def copy_rows(states, events, disposition, latents):
    """Write the adverse events and disposition of the patient just run."""
    copy_end(states[0], events, 0, disposition, latents, 0)


class Patient:
    """What the processes of one patient share: the plan, the state and the tables."""

    def __init__(self, plans: Any, states: Any, books: Any) -> None:
        self.plans, self.states, self.books = plans, states, books
        record = plans.view(np.recarray)[0]
        self.seen_at_onset = bool(record.seen_at_onset)
        count = int(record.n_points)
        self.points = list(
            zip(
                record.point_day[:count].tolist(),
                record.point_visit[:count].tolist(),
                record.point_dose[:count].tolist(),
                strict=True,
            )
        )
        fields: Callable[[str], Any] = states.view(np.ndarray).__getitem__
        self.day, self.planned_day = fields("day"), fields("planned_day")
        self.ended, self.hold_rule = fields("ended"), fields("hold_rule")
        self.n_events = fields("n_events")
        self.onset, self.end = fields("event_onset")[0], fields("event_end")[0]
        self.status, self.known_day = fields("event_status")[0], fields("event_known_day")[0]
        self.hold_opened: Any = None

    def is_over(self) -> bool:
        """Whether treatment has ended."""
        return bool(self.ended[0])


def _until(env: simpy.Environment, day: int, step: int) -> simpy.Timeout:
    """Return the wait until a step of a day."""
    return env.timeout(day * STEPS + step - env.now)


def adverse_event(env: simpy.Environment, patient: Patient, event: int) -> Process:
    """One adverse event: it begins, may be noticed at once, and is recovered from."""
    onset, end = int(patient.onset[event]), int(patient.end[event])
    is_late = onset * STEPS <= env.now
    yield _until(env, onset, LATE_ONSET if is_late else ONSET)
    patient.status[event] = Status.ACTIVE
    if patient.seen_at_onset:
        yield _until(env, onset, LATE_NOTICE if is_late else NOTICE)
        if patient.known_day[event] == 0 and not patient.is_over():
            patient.day[0] = onset
            was_held = patient.hold_rule[0] >= 0
            _notice(patient.plans, patient.states, patient.books)
            if patient.hold_rule[0] >= 0 and not was_held:
                patient.hold_opened.succeed()
    yield _until(env, end + 1, RECOVERY)
    patient.status[event] = Status.RECOVERED


def wait_until(env: simpy.Environment, patient: Patient, day: int) -> Process:
    """Wait until the visit step of a day; a hold that reaches its limit before is visited.

    A hold may open during the wait, at the notice of an adverse event.
    """
    while True:
        limit = int(_hold_limit_day(patient.plans, patient.states))
        stop = limit if env.now // STEPS < limit < day else day
        due = _until(env, stop, VISIT)
        yield due | patient.hold_opened
        if patient.is_over():
            return
        if patient.hold_opened.triggered:
            patient.hold_opened = env.event()
            if not due.processed:
                continue
        patient.day[0] = stop
        if stop == day:
            return
        _visit(patient.plans, patient.states, patient.books)
        if patient.is_over():
            return


def cycle_start(env: simpy.Environment, patient: Patient) -> Process:
    """Planned day 1 of the next cycle, rechecks while it must wait, and its actual day 1."""
    plans, states, books = patient.plans, patient.states, patient.books
    yield from wait_until(env, patient, int(patient.planned_day[0]))
    if patient.is_over():
        return
    while _arrive(plans, states, books) == calendar.WAIT:
        yield from wait_until(env, patient, int(_next_recheck(plans, states)))
        if patient.is_over():
            return
    if patient.is_over():
        return
    drawn = int(patient.n_events[0])
    _start_cycle(plans, states, books)
    for event in range(drawn, int(patient.n_events[0])):
        env.process(adverse_event(env, patient, event))


def planned_days(env: simpy.Environment, patient: Patient) -> Process:
    """The planned days of the running cycle: visits and doses."""
    plans, states, books = patient.plans, patient.states, patient.books
    start = env.now // STEPS
    for day_of_cycle, is_visit, dose in patient.points:
        day = start + day_of_cycle - 1
        if day_of_cycle > 1:
            yield from wait_until(env, patient, day)
            if patient.is_over():
                return
            if is_visit or day == _hold_limit_day(plans, states):
                _visit(plans, states, books)
        if dose and not patient.is_over():
            yield _until(env, day, DOSE)
            if not patient.is_over():
                _dose(plans, states, books, is_visit, dose)
        if patient.is_over():
            return


def treatment(env: simpy.Environment, patient: Patient) -> Process:
    """One patient from the first dose to the end of treatment."""
    while not patient.is_over():
        yield from cycle_start(env, patient)
        if not patient.is_over():
            yield from planned_days(env, patient)


def run_patient(patient: Patient, number: int, outcomes: Any, place: int) -> None:
    """Run one patient; rows go into the patient's book, the outcome into its place."""
    book = patient.books.view(np.ndarray)
    book["n_log"] = 0
    book["n_doses"] = 0
    _begin(patient.plans, patient.states, number)
    env = simpy.Environment(initial_time=STEPS)
    patient.hold_opened = env.event()
    env.run(until=env.process(treatment(env, patient)))
    _finish(patient.plans, patient.states, outcomes, place)
