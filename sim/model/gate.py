"""The gate: may the planned cycle start, must it wait, or does treatment end."""

from sim.codes import Action, Ask, Cause, History, Route, Then
from sim.model.jit import inlined, njit
from sim.model.levels import end_treatment, remember
from sim.model.policy import consider, count_firing, is_asked, mark_asked, mark_winner, rules_to_ask

NO_ACTION = int(Action.NONE)
ASK_GATE = int(Ask.GATE)
DELAYED = int(History.DELAY)
ADVERSE_EVENT = int(Cause.ADVERSE_EVENT)
ROUTE_MAX_DELAY = int(Route.MAX_DELAY)
THEN_DOWN = int(Then.DOWN)
THEN_STOP = int(Then.STOP)


@njit
def _ask_gate_rule(plan, state, book, rule, waited):
    """Ask one gate rule; return whether it wants the cycle to wait."""
    action, _, row = consider(plan, state, book, rule, -1, ASK_GATE)
    related = state.match_related
    if (plan.rules_about_new >> rule) & 1:
        mark_asked(state, rule)
    if action == NO_ACTION:
        return False
    if not (state.gate_fired >> rule) & 1:
        state.gate_fired |= 1 << rule
        count_firing(plan, state, rule)
    if waited < plan.rule_max_days[rule]:
        state.delay_rule = rule
        state.delay_related |= related
        mark_winner(book, state, row)
        return True
    if plan.rule_then[rule] == THEN_STOP:
        end_treatment(state, ADVERSE_EVENT, ROUTE_MAX_DELAY, rule, state.day)
        mark_winner(book, state, row)
    elif plan.rule_then[rule] == THEN_DOWN and not (state.gate_gave_up >> rule) & 1:
        state.gate_gave_up |= 1 << rule
        state.due_down += plan.rule_then_down[rule]
        state.due_rule = rule
        state.due_related = related
        mark_winner(book, state, row)
    return False


@njit
def ask_gate(plan, state, book):
    """Ask whether the planned cycle may start today; return True if it must wait."""
    waited = state.day - state.planned_day
    wait = False
    if state.hold_rule >= 0:
        wait = True
        state.delay_rule = state.hold_rule
        state.delay_related |= state.hold_related
    if state.delay_ordered_days > waited:
        wait = True
        state.delay_rule = state.ordered_rule
        state.delay_related |= state.ordered_related
    rules = rules_to_ask(plan, state, book, ASK_GATE)
    for rule in range(plan.n_rules if rules else 0):
        if not (rules >> rule) & 1 or not is_asked(plan, state, rule):
            continue
        if _ask_gate_rule(plan, state, book, rule, waited):
            wait = True
        if state.ended:
            return False
    if wait and waited >= plan.max_delay_days:
        end_treatment(state, ADVERSE_EVENT, ROUTE_MAX_DELAY, state.delay_rule, state.day)
        return False
    return wait


@inlined
def record_delay(state, days):
    """Enter the delay of the cycle that starts today, if any, and forget how it came about."""
    if days > 0:
        remember(state, DELAYED, state.asked_cycle, state.delay_rule, state.delay_related, days)
    state.delay_rule = -1
    state.delay_related = 0
    state.delay_ordered_days = 0
    state.ordered_related = 0
    state.gate_fired = 0
    state.gate_gave_up = 0
