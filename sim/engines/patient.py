"""One patient's course as a flat function: the same story as `events.py`, without a calendar.

Only chronology is here: which day comes next, and where every adverse event stands on it.
"""

from sim.codes import Status
from sim.model.calendar import (
    WAIT,
    arrive_at_start,
    give_dose,
    hold_limit_day,
    next_recheck,
    notice,
    start_cycle,
    visit,
)
from sim.model.jit import inlined, njit
from sim.model.layout import UNLIMITED
from sim.model.quiet import (
    mute_events,
    pass_cycles,
    pass_rest_of_cycle,
    pass_start,
    quiet_cycles_ahead,
    rest_of_cycle_is_quiet,
    start_is_quiet,
)

PENDING = int(Status.PENDING)
ACTIVE = int(Status.ACTIVE)
RECOVERED = int(Status.RECOVERED)


@inlined
def move_to(state, day):
    """Move to a day: recoveries, then onsets."""
    state.day = day
    for event in range(state.first_open_event, state.n_events):
        if state.event_end[event] < day:
            state.event_status[event] = RECOVERED
        elif state.event_onset[event] <= day:
            state.event_status[event] = ACTIVE


@inlined
def has_unnoticed(state):
    """Say whether an event has begun that is not known yet."""
    for event in range(state.first_open_event, state.n_events):
        if state.event_known_day[event] == 0 and state.event_status[event] != PENDING:
            return True
    return False


@inlined
def next_onset_day(state):
    """Return the day of the next onset still to come."""
    day = UNLIMITED
    for event in range(state.first_open_event, state.n_events):
        if state.event_status[event] == PENDING and state.event_onset[event] > state.day:
            day = min(day, state.event_onset[event])
    return day


@njit
def pass_days_before(plan, state, book, day):
    """Pass what happens before a planned day: onsets known at once, the limit of a hold."""
    if not plan.seen_at_onset and state.hold_rule < 0:
        return
    while not state.ended:
        limit = hold_limit_day(plan, state)
        onset = next_onset_day(state) if plan.seen_at_onset else UNLIMITED
        if state.day < limit < day and limit <= onset:
            move_to(state, limit)
            visit(plan, state, book)
        elif onset < day:
            move_to(state, onset)
            notice(plan, state, book)
        else:
            return


@inlined
def record_dose(state, book, dose, given):
    """Write one row of the dose table, when doses are recorded."""
    if not book.recording:
        return
    row = book.n_doses
    book.doses[row, 0] = state.patient
    book.doses[row, 1] = state.cycle
    book.doses[row, 2] = dose
    book.doses[row, 3] = state.day
    book.doses[row, 4] = state.level
    book.doses[row, 5] = given
    book.doses[row, 6] = -1 if given else state.history_rule[state.n_history - 1]
    book.doses[row, 7] = 0 if given else state.history_related[state.n_history - 1]
    book.n_doses = row + 1


@njit
def run_day(plan, state, book, point):
    """One planned day of the running cycle: the visit, the dose, onsets drawn for day 1."""
    is_visit = plan.point_visit[point]
    if point > 0:
        move_to(state, state.cycle_start[state.cycle] + plan.point_day[point] - 1)
        if is_visit or state.day == hold_limit_day(plan, state):
            visit(plan, state, book)
        elif plan.seen_at_onset and has_unnoticed(state):
            notice(plan, state, book)
        if state.ended:
            return
    if plan.point_dose[point] > 0:
        given = give_dose(plan, state, book, is_visit)
        if state.ended:
            return
        record_dose(state, book, plan.point_dose[point], given)
    if point == 0:
        move_to(state, state.day)
        if plan.seen_at_onset and has_unnoticed(state):
            notice(plan, state, book)


@njit
def wait_for_start(plan, state, book):
    """Planned day 1 of the next cycle and its rechecks, until it starts or treatment ends."""
    pass_days_before(plan, state, book, state.planned_day)
    if state.ended:
        return
    move_to(state, state.planned_day)
    while arrive_at_start(plan, state, book) == WAIT:
        day = next_recheck(plan, state)
        pass_days_before(plan, state, book, day)
        if state.ended:
            return
        move_to(state, day)


@njit
def run_days(plan, state, book):
    """Run the planned days of the cycle that has started, up to where its rest is quiet."""
    point = 0
    while not state.ended and point < plan.n_points:
        if not book.recording and rest_of_cycle_is_quiet(plan, state, point):
            pass_rest_of_cycle(plan, state, point)
            return
        day = state.cycle_start[state.cycle] + plan.point_day[point] - 1
        pass_days_before(plan, state, book, day)
        if not state.ended:
            run_day(plan, state, book, point)
        point += 1


@inlined
def run_cycle(plan, state, book):
    """Run the next cycle: its start, its draws, its days."""
    drawn = state.n_events
    if not book.recording and start_is_quiet(plan, state):
        pass_start(plan, state, book)
    else:
        wait_for_start(plan, state, book)
        if not state.ended:
            start_cycle(plan, state, book)
    if state.ended:
        return
    if not book.recording:
        mute_events(plan, state, drawn)
        if rest_of_cycle_is_quiet(plan, state, 0):
            pass_rest_of_cycle(plan, state, 0)
            return
    run_days(plan, state, book)


@njit
def run_course(plan, state, book):
    """Run a patient put before the first dose to the end of treatment.

    The book takes rows when it records; its script, if any, takes the place of AE draws.
    """
    while not state.ended:
        if not book.recording:
            quiet = quiet_cycles_ahead(plan, state)
            if quiet > 0:
                pass_cycles(plan, state, quiet)
        run_cycle(plan, state, book)


@inlined
def _copy_events(state, events, row):
    for event in range(state.n_events):
        events[row, 0] = state.patient
        events[row, 1] = state.event_cycle[event]
        events[row, 2] = state.event_kind[event]
        events[row, 3] = state.event_onset[event]
        events[row, 4] = state.event_end[event]
        events[row, 5] = state.event_grade[event]
        events[row, 6] = state.event_drug[event]
        events[row, 7] = state.event_related[event]
        events[row, 8] = state.event_known_day[event]
        events[row, 9] = state.event_level[event]
        row += 1
    return row


@njit
def copy_end(state, events, row, disposition, latents, place):
    """Write a finished patient's adverse events and disposition; return the next event row."""
    disposition[place, 0] = state.patient
    disposition[place, 1] = state.cycle
    disposition[place, 2] = state.last_day
    disposition[place, 3] = state.cause
    disposition[place, 4] = state.route
    disposition[place, 5] = state.end_rule
    disposition[place, 6] = state.level
    latents[place, 0] = state.cl_f
    latents[place, 1] = state.bsa
    latents[place, 2] = state.frailty
    return _copy_events(state, events, row)
