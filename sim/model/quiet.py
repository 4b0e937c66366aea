"""Quiet stretches: what can bring nothing but its doses is passed without asking.

A shortcut of `calendar.py` for runs without a log; every condition here says that the full
course of the days would leave the same state. Tests hold the two equal.
"""

from sim.codes import Status
from sim.model.calendar import account_for_dose, forget_closed_events
from sim.model.course import nothing_is_drawn
from sim.model.jit import njit

ACTIVE = int(Status.ACTIVE)
RECOVERED = int(Status.RECOVERED)


@njit
def has_unknown_event(state):
    """Say whether some event drawn is not known yet."""
    for event in range(state.first_open_event, state.n_events):
        if state.event_known_day[event] == 0:
            return True
    return False


@njit
def settle_events(plan, state, day):
    """Bring events up to a day, before which nothing happens."""
    for event in range(state.first_open_event, state.n_events):
        if state.event_end[event] < day and state.event_status[event] == ACTIVE:
            state.event_status[event] = RECOVERED
    forget_closed_events(plan, state)


@njit
def events_are_idle(plan, state):
    """Say whether every open event is known and asked about, and matters to no rule any more."""
    about = plan.rules_about_new
    for event in range(state.first_open_event, state.n_events):
        if state.event_known_day[event] == 0 or state.event_asked[event] & about != about:
            return False
        kind, grade = state.event_kind[event], state.event_grade[event]
        if plan.standing_rules[kind, grade, state.event_related[event]] != 0:
            return False
    return True


@njit
def nothing_waits(plan, state):
    """Say whether no event matters to a rule, no dose is withheld, no change or delay is due."""
    return (
        state.hold_rule < 0
        and state.skip_rule < 0
        and state.resume_down == 0
        and state.due_down == 0
        and state.due_level < 0
        and state.delay_ordered_days == 0
        and events_are_idle(plan, state)
    )


@njit
def rest_of_cycle_is_quiet(plan, state):
    """Say whether the running cycle can bring nothing more but its doses."""
    return (
        state.hold_rule < 0
        and state.skip_rule < 0
        and state.resume_down == 0
        and not (plan.busy_insides >> state.cycle) & 1
        and events_are_idle(plan, state)
    )


@njit
def pass_rest_of_cycle(plan, state, point):
    """Give the doses planned from a point of the running cycle on."""
    while point < plan.n_points:
        if plan.point_dose[point] > 0:
            state.day = state.cycle_start[state.cycle] + plan.point_day[point] - 1
            account_for_dose(plan, state, 1)
        point += 1


@njit
def next_cycle_is_quiet(plan, state):
    """Say whether the next cycle can bring nothing but its doses, so that no rule need be asked.

    Holds when nothing waits, no event is drawn, no exit ends the cycle before it or is
    assessed ahead of it, and no rule could act without an event. Then `pass_quiet_cycle` is
    all that happens.
    """
    cycle = state.cycle + 1
    if cycle > plan.max_cycles or state.planned_day > plan.max_days:
        return False
    if (plan.busy_cycles >> cycle) & 1:
        return False
    if state.hold_rule >= 0 or has_unknown_event(state):
        return False
    if state.first_open_event < state.n_events:
        settle_events(plan, state, state.planned_day)
    if not nothing_waits(plan, state):
        return False
    if state.cycle >= 1 and (state.exit_cycles >> state.cycle) & 1:
        return False
    if plan.has_exit_ahead and (state.exit_cycles >> cycle) & 1:
        return False
    if state.planned_day - 1 - state.assessed_to_day not in (0, plan.cycle_days):
        return False
    return not (state.any_candidate >> cycle) & 1 or nothing_is_drawn(plan, state, cycle)


@njit
def pass_quiet_cycle(plan, state):
    """Give every dose of the next cycle, as the full course of the day would."""
    state.cycle += 1
    state.asked_cycle = state.cycle
    state.asked_from_day = state.planned_day
    state.day = state.planned_day
    state.assessed_to_day = state.planned_day - 1
    state.assessed_ahead_to_day = state.planned_day - 1 + plan.cycle_days
    state.cycle_start[state.cycle] = state.day
    state.level_of_cycle[state.cycle] = state.level
    state.planned_day = state.day + plan.cycle_days
    level_ug = plan.level_ug[state.level]
    highest_ug = plan.level_ug[state.highest_level]
    state.loss_not_escalated_ug += plan.n_doses * (plan.reference_ug - highest_ug)
    state.loss_reduced_ug += plan.n_doses * (highest_ug - level_ug)
    state.given_ug += plan.n_doses * level_ug
    if state.planned_day - 1 <= plan.benefit_days:
        state.given_benefit_ug += plan.n_doses * level_ug
    else:
        for point in range(plan.n_points):
            day = state.cycle_start[state.cycle] + plan.point_day[point] - 1
            if plan.point_dose[point] > 0 and day <= plan.benefit_days:
                state.given_benefit_ug += level_ug
    state.last_dose_day = state.cycle_start[state.cycle] + plan.last_dose_day - 1
