"""Quiet stretches: days on which no rule can act are passed without asking.

A shortcut of `calendar.py` for runs without a log; every condition here says that the full
course of the days would leave the same state. Tests hold the two equal.

An event is mute when no rule that is asked once about it will act, by its own draws. A mute
event still counts, and still matters while it is active to rules that stand: hold, delay,
reduce.
"""

from sim.codes import Cause, Status
from sim.model.calendar import account_for_dose, forget_closed_events, start_cycle
from sim.model.elementary import lowest_bit
from sim.model.exits import assess_cycle
from sim.model.jit import inlined, njit
from sim.model.levels import end_treatment
from sim.model.policy import word_of_rule

ACTIVE = int(Status.ACTIVE)
RECOVERED = int(Status.RECOVERED)
COMPLETED = int(Cause.COMPLETED)
EVERY_RULE = -1


@njit
def is_mute(plan, state, event):
    """Say whether no rule that is asked once about an event will act, whatever else holds."""
    kind, grade = state.event_kind[event], state.event_grade[event]
    rules = plan.rules_of_event[kind, grade, state.event_related[event]]
    rules &= plan.rules_about_new & ~state.event_asked[event]
    if rules & ~plan.chance_rules:
        return False
    while rules != 0:
        rule = lowest_bit(rules)
        rules &= rules - 1
        if word_of_rule(plan, state, rule, event) < plan.chance_threshold[rule]:
            return False
    return True


@inlined
def mute_events(plan, state, first):
    """Count every rule as asked about those of the events from `first` on that are mute."""
    for event in range(first, state.n_events):
        if is_mute(plan, state, event):
            state.event_asked[event] = EVERY_RULE


@inlined
def _events_let_start(plan, state):
    """Say whether no open event can make a rule act on the planned day 1 of the next cycle."""
    about = plan.rules_about_new
    for event in range(state.first_open_event, state.n_events):
        if state.event_asked[event] & about != about:
            return False
        if plan.seen_at_onset and state.event_known_day[event] == 0:
            return False  # it begins before that day and is noticed on a day of its own
        if state.event_end[event] >= state.planned_day:
            kind, grade = state.event_kind[event], state.event_grade[event]
            if plan.standing_at_start[kind, grade, state.event_related[event]]:
                return False
    return True


@inlined
def start_is_quiet(plan, state):
    """Say whether planned day 1 of the next cycle can bring only an exit, its level and draws."""
    if state.hold_rule >= 0 or state.skip_rule >= 0 or state.delay_ordered_days > 0:
        return False
    if (plan.busy_starts >> min(state.cycle + 1, plan.max_cycles)) & 1:
        return False
    return _events_let_start(plan, state)


@inlined
def _learn_all(plan, state):
    """Every event has begun by now and is known; those that are over are closed."""
    for event in range(state.first_open_event, state.n_events):
        over = state.event_end[event] < state.day
        state.event_status[event] = RECOVERED if over else ACTIVE
        if state.event_known_day[event] == 0:
            state.event_known_day[event] = state.day
    forget_closed_events(plan, state)


@inlined
def pass_start(plan, state, book):
    """A quiet planned day 1: assess the ended cycle, then complete, or start the next cycle."""
    state.day = state.planned_day
    is_last = state.cycle >= plan.max_cycles
    if not is_last:
        state.asked_cycle = state.cycle + 1
        state.asked_from_day = state.planned_day
    if state.cycle >= 1:
        assess_cycle(plan, state)
        if state.ended:
            return
    _learn_all(plan, state)
    state.ask = 0
    if is_last or state.day > plan.max_days:
        end_treatment(state, COMPLETED, 0, -1, state.day - 1)
        return
    start_cycle(plan, state, book)


@inlined
def rest_of_cycle_is_quiet(plan, state, point):
    """Say whether the running cycle can bring nothing but its doses from a point on."""
    if state.hold_rule >= 0 or state.skip_rule >= 0 or state.resume_down > 0:
        return False
    if (plan.busy_insides >> state.cycle) & 1:
        return False
    about = plan.rules_about_new
    day = state.cycle_start[state.cycle] + plan.point_day[point] - 1
    last = state.cycle_start[state.cycle] + plan.point_day[plan.n_points - 1] - 1
    if plan.seen_at_onset:
        # An event is noticed, and stop rules are asked, on days between the points too.
        day = min(day, state.day + 1)
        last = state.planned_day
    for event in range(state.first_open_event, state.n_events):
        if state.event_asked[event] & about != about:
            return False
        if state.event_end[event] >= day and state.event_onset[event] <= last:
            kind, grade = state.event_kind[event], state.event_grade[event]
            if plan.standing_inside[kind, grade, state.event_related[event]]:
                return False
    return True


@inlined
def _known_day(plan, state, event, point):
    """Return the day on which an event becomes known from a point on; 0 if not in this cycle."""
    onset = state.event_onset[event]
    if plan.seen_at_onset:
        return onset
    for place in range(max(point, 1), plan.n_points):
        day = state.cycle_start[state.cycle] + plan.point_day[place] - 1
        if plan.point_visit[place] and onset <= day:
            return day
    return 0


@inlined
def _treatment_goes_on(plan, state):
    """Say whether no exit can happen at the end of the running cycle."""
    is_nominal = state.planned_day - 1 - state.assessed_to_day == plan.cycle_days
    return is_nominal and not (state.exit_cycles >> state.cycle) & 1


@inlined
def _close_events(plan, state, point):
    """Events become known; those over before the next cycle starts are closed beforehand."""
    goes_on = _treatment_goes_on(plan, state)
    for event in range(state.first_open_event, state.n_events):
        if state.event_known_day[event] == 0:
            day = _known_day(plan, state, event, point)
            if day == 0 and goes_on and state.event_end[event] < state.planned_day:
                day = state.planned_day
            state.event_known_day[event] = day
        if state.event_end[event] < state.planned_day:
            state.event_status[event] = RECOVERED
    forget_closed_events(plan, state)


@inlined
def pass_rest_of_cycle(plan, state, point):
    """Give the doses planned from a point of the running cycle on; events become known."""
    if state.first_open_event < state.n_events:
        _close_events(plan, state, point)
    if point == 0:
        account_for_cycles(plan, state, 1)
        return
    while point < plan.n_points:
        if plan.point_dose[point] > 0:
            state.day = state.cycle_start[state.cycle] + plan.point_day[point] - 1
            account_for_dose(plan, state, 1)
        point += 1


@inlined
def account_for_cycles(plan, state, cycles):
    """Add every dose of the running cycle and of the cycles before it, `cycles` in all."""
    doses = plan.n_doses * cycles
    level_ug = plan.level_ug[state.level]
    highest_ug = plan.level_ug[state.highest_level]
    start = state.cycle_start[state.cycle]
    state.loss_not_escalated_ug += doses * (plan.reference_ug - highest_ug)
    state.loss_reduced_ug += doses * (highest_ug - level_ug)
    state.given_ug += doses * level_ug
    state.day = start + plan.last_dose_day - 1
    state.last_dose_day = state.day
    if state.day <= plan.benefit_days:
        state.given_benefit_ug += doses * level_ug
        return
    for back in range(cycles):
        first = start - back * plan.cycle_days
        for point in range(plan.n_points):
            day = first + plan.point_day[point] - 1
            if plan.point_dose[point] > 0 and day <= plan.benefit_days:
                state.given_benefit_ug += level_ug


@inlined
def quiet_cycles_ahead(plan, state):
    """Return how many cycles from now on bring nothing but their doses, whatever is drawn.

    Only where no event is open and nothing waits; the screen has excluded events and exits.
    """
    if state.first_open_event < state.n_events or state.due_level >= 0:
        return 0
    if state.hold_rule >= 0 or state.skip_rule >= 0 or state.delay_ordered_days > 0:
        return 0
    if state.resume_down + state.due_down > 0:
        return 0
    if state.planned_day - 1 - state.assessed_to_day not in (0, plan.cycle_days):
        return 0
    busy = state.any_candidate | plan.busy_starts | plan.busy_levels | plan.busy_insides
    # An exit in cycle c is seen at the start of cycle c + 1, or of c if it is assessed ahead.
    busy |= state.exit_cycles << 1
    if plan.has_exit_ahead:
        busy |= state.exit_cycles
    first = state.cycle + 1
    if first > plan.max_cycles:
        return 0
    busy = (busy >> first) << first
    end = plan.max_cycles + 1
    if busy != 0:
        end = min(end, lowest_bit(busy))
    in_time = (plan.max_days - state.planned_day) // plan.cycle_days + 1
    return max(min(end - first, in_time), 0)


@inlined
def pass_cycles(plan, state, cycles):
    """Give every dose of the next cycles, as the full course of the days would."""
    for _ in range(cycles):
        state.cycle += 1
        state.cycle_start[state.cycle] = state.planned_day
        state.level_of_cycle[state.cycle] = state.level
        state.planned_day += plan.cycle_days
    state.asked_cycle = state.cycle
    state.asked_from_day = state.planned_day - plan.cycle_days
    state.assessed_to_day = state.asked_from_day - 1
    state.assessed_ahead_to_day = state.planned_day - 1
    account_for_cycles(plan, state, cycles)


@inlined
def first_own_cycle(plan, state, last):
    """Return the first cycle whose start may differ from the blank course, at most `last`."""
    own = state.any_candidate | state.exit_cycles << 1
    if plan.has_exit_ahead:
        own |= state.exit_cycles
    return min(lowest_bit(own), last) if own != 0 else last
