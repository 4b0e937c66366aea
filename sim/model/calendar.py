"""Cycles, visits, delays, and the order of things within a day (MODEL.md section 1).

Order on the planned day 1 of a cycle and on each recheck: recoveries; onsets; assessment of
the ended cycle (once); event rules; stop rules; until of an open hold; visit rules; gate.
On the actual day 1: level decision; exits assessed ahead; AE draws of the cycle; dose rules;
dose; onsets drawn for day 1. On other days: recoveries; onsets; event, stop, until and visit
rules where it is a visit; dose rules; dose.

Engines move `state.day` and the status of events; everything that happens on a day is here.
"""

from sim.codes import Ask, Cause, History, Status
from sim.model.course import draw_events
from sim.model.exits import assess_ahead, assess_cycle
from sim.model.exposure import draw_latents, fill_exposures
from sim.model.gate import ask_gate, record_delay
from sim.model.jit import inlined, njit
from sim.model.layout import ALL_CYCLES, MAX_CLAUSES, MAX_RULES
from sim.model.levels import end_treatment, remember, resume_dosing
from sim.model.policy import (
    ask_event_rules,
    ask_rules,
    decide_level,
    heed_hold,
    stop_if_held_too_long,
    test_until,
)

ASK_STOP = int(Ask.STOP)
ASK_VISIT = int(Ask.VISIT)
ASK_DOSE = int(Ask.DOSE)
COMPLETED = int(Cause.COMPLETED)
MISSED = int(History.MISSED)
PENDING = int(Status.PENDING)
ACTIVE = int(Status.ACTIVE)
RECOVERED = int(Status.RECOVERED)

START = 0
WAIT = 1
ENDED = 2


@njit
def draw_patient(plan, state, patient):
    """Give a patient a number and its latent values; every draw of the course is looked at."""
    state.patient = patient
    state.exit_cycles = ALL_CYCLES
    for number in range(plan.n_exits):
        state.exit_cycles_of[number] = ALL_CYCLES
    state.any_candidate = ALL_CYCLES
    draw_latents(plan, state)
    forget_hazards(plan, state)


@inlined
def forget_hazards(plan, state):
    """Fill the exposures of a patient whose latent values are known; no hazard is yet."""
    fill_exposures(plan, state)
    for kind in range(plan.n_kinds):
        state.course_hazard_known[kind] = 0


@njit
def put_before_first_dose(plan, state):
    """Put a patient before the first dose, with nothing in the ledgers."""
    for rule in range(MAX_RULES):
        state.rule_fires[rule] = 0
        state.rule_holds[rule] = 0
        state.rule_asks[rule] = 0
    for clause in range(MAX_CLAUSES):
        state.clause_held[clause] = 0
    state.day = 1
    state.cycle = 0
    state.asked_cycle = 1
    state.ask = 0
    state.asked_from_day = 1
    state.planned_day = 1
    state.level = plan.start_level
    state.highest_level = plan.start_level
    state.assessed_to_day = 0
    state.assessed_ahead_to_day = 0
    state.n_layers = 1
    state.layer_level[0] = plan.start_level
    state.layer_cycle[0] = 1
    state.last_increase_cycle = 1
    state.n_events = 0
    state.first_open_event = 0
    state.had_kind = 0
    state.n_history = 0
    state.hold_rule = -1
    state.skip_rule = -1
    state.resume_down = 0
    state.due_down = 0
    state.due_level = -1
    state.due_rule = -1
    state.delay_rule = -1
    state.delay_related = 0
    state.delay_ordered_days = 0
    state.ordered_rule = -1
    state.ordered_related = 0
    state.gate_fired = 0
    state.gate_gave_up = 0
    state.lock_to_cycle = 0
    state.level_before_reduction = -1
    state.n_reductions = 0
    state.last_change_day = 0
    state.escalated_cycle = 0
    state.given_ug = 0
    state.given_benefit_ug = 0
    state.last_dose_day = 0
    state.loss_not_escalated_ug = 0
    state.loss_reduced_ug = 0
    state.loss_held_ug = 0
    state.ended = 0
    state.cause = 0
    state.route = 0
    state.end_rule = -1
    state.last_day = 0


@njit
def begin(plan, state, patient):
    """Draw a patient and put it before the first dose."""
    draw_patient(plan, state, patient)
    put_before_first_dose(plan, state)


@inlined
def learn(plan, state, book):
    """Every adverse event that has begun becomes known today; forget those over and asked about.

    Without a log, rules that an event cannot matter to count as asked about it.
    """
    for event in range(state.first_open_event, state.n_events):
        if state.event_known_day[event] == 0 and state.event_status[event] != PENDING:
            state.event_known_day[event] = state.day
            if not book.recording:
                kind, grade = state.event_kind[event], state.event_grade[event]
                of_event = plan.rules_of_event[kind, grade, state.event_related[event]]
                state.event_asked[event] |= ~of_event
    forget_closed_events(plan, state)


@inlined
def forget_closed_events(plan, state):
    """Pass over events at the front of the ledger that are over, known and asked about."""
    about = plan.rules_about_new
    while state.first_open_event < state.n_events:
        event = state.first_open_event
        if state.event_status[event] != RECOVERED or state.event_known_day[event] == 0:
            break
        if state.event_asked[event] & about != about:
            break
        state.first_open_event = event + 1


@njit
def visit(plan, state, book):
    """What every visit has: learn, event rules, stop rules, the open hold, visit rules."""
    state.ask = 2 * (state.day - state.asked_from_day)
    learn(plan, state, book)
    if state.first_open_event < state.n_events:
        ask_event_rules(plan, state, book)
    if not state.ended:
        ask_rules(plan, state, book, ASK_STOP)
    if not state.ended and state.hold_rule >= 0:
        test_until(plan, state, book)
        stop_if_held_too_long(plan, state)
    if not state.ended and state.hold_rule < 0:
        ask_rules(plan, state, book, ASK_VISIT)
        heed_hold(plan, state, book)


@njit
def notice(plan, state, book):
    """An event is known at its onset, outside a visit: event rules and stop rules only."""
    state.ask = 2 * (state.day - state.asked_from_day) + 1
    learn(plan, state, book)
    ask_event_rules(plan, state, book)
    if not state.ended:
        ask_rules(plan, state, book, ASK_STOP)


@njit
def arrive_at_start(plan, state, book):
    """Planned day 1 of the next cycle, or a recheck; return START, WAIT or ENDED.

    The last cycle is assessed, and its late events are asked about, like every other.
    """
    is_last = state.cycle >= plan.max_cycles
    if state.day == state.planned_day:
        if not is_last:
            state.asked_cycle = state.cycle + 1
            state.asked_from_day = state.planned_day
        if state.cycle >= 1:
            assess_cycle(plan, state)
            if state.ended:
                return ENDED
    visit(plan, state, book)
    if state.ended:
        return ENDED
    if is_last:
        end_treatment(state, COMPLETED, 0, -1, state.planned_day - 1)
        return ENDED
    if state.day > plan.max_days:
        end_treatment(state, COMPLETED, 0, -1, state.day - 1)
        return ENDED
    wait = ask_gate(plan, state, book)
    if state.ended:
        return ENDED
    return WAIT if wait else START


@njit
def start_cycle(plan, state, book):
    """Actual day 1: level decision, exits assessed ahead, AE draws of the new cycle."""
    record_delay(state, state.day - state.planned_day)
    decide_level(plan, state, book)
    heed_hold(plan, state, book)
    if state.ended:
        return
    state.cycle = state.asked_cycle
    state.cycle_start[state.cycle] = state.day
    state.level_of_cycle[state.cycle] = state.level
    state.planned_day = state.day + plan.cycle_days
    assess_ahead(plan, state)
    if not state.ended:
        draw_events(plan, state, book)


@inlined
def account_for_dose(plan, state, given):
    """Add a planned dose, given or withheld, to the sums; losses are against the reference dose.

    What the reference exceeds the highest level so far by is not escalated, what that
    exceeds the present level by is reduced, what is withheld is held.
    """
    level_ug = plan.level_ug[state.level]
    highest_ug = plan.level_ug[state.highest_level]
    state.loss_not_escalated_ug += plan.reference_ug - highest_ug
    state.loss_reduced_ug += highest_ug - level_ug
    if given:
        state.given_ug += level_ug
        if state.day <= plan.benefit_days:
            state.given_benefit_ug += level_ug
        state.last_dose_day = state.day
    else:
        state.loss_held_ug += level_ug


@njit
def give_dose(plan, state, book, is_visit):
    """Dose rules where it is a visit, then the dose; return 1 given, 0 withheld, -1 ended."""
    if state.hold_rule < 0:
        resume_dosing(plan, state)
        if state.ended:
            return -1
        if is_visit:
            state.ask = 2 * (state.day - state.asked_from_day)
            ask_rules(plan, state, book, ASK_DOSE)
            heed_hold(plan, state, book)
            if state.ended:
                return -1
    given = int(state.hold_rule < 0 and state.skip_rule < 0)
    account_for_dose(plan, state, given)
    if not given:
        held = state.hold_rule >= 0
        rule = state.hold_rule if held else state.skip_rule
        related = state.hold_related if held else state.skip_related
        remember(state, MISSED, state.cycle, rule, related, 0)
    state.skip_rule = -1
    return given


@njit
def next_recheck(plan, state):
    """Return the next day on which a waiting cycle start is asked about.

    Every recheck_days from the planned day, and on the days when a limit is reached.
    """
    waited = state.day - state.planned_day
    day = state.planned_day + (waited // plan.recheck_days + 1) * plan.recheck_days
    limit = state.planned_day + plan.max_delay_days
    if state.day < limit < day:
        day = limit
    limit = state.planned_day + state.delay_ordered_days
    if state.day < limit < day:
        day = limit
    for rule in range(plan.n_rules):
        if (state.gate_fired >> rule) & 1:
            limit = state.planned_day + plan.rule_max_days[rule]
            if state.day < limit < day:
                day = limit
    if state.hold_rule >= 0:
        limit = state.hold_day + plan.max_hold_days
        if state.day < limit < day:
            day = limit
    return day


@inlined
def hold_limit_day(plan, state):
    """Return the day on which the open hold reaches its limit; 0 when no hold is open."""
    if state.hold_rule < 0:
        return 0
    return state.hold_day + plan.max_hold_days
