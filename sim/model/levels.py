"""The level of a patient: the only functions by which a dose changes, and the history they write.

An increase opens a layer of exposure; a reduction cuts layers; below the lowest level or
beyond the most reductions treatment ends.
"""

from sim.codes import Cause, History, Route
from sim.model.jit import inlined, njit

REDUCTION = int(History.REDUCTION)
INCREASE = int(History.INCREASE)
ADVERSE_EVENT = int(Cause.ADVERSE_EVENT)
ROUTE_BELOW_LOWEST = int(Route.BELOW_LOWEST)
ROUTE_MAX_REDUCTIONS = int(Route.MAX_REDUCTIONS)


@inlined
def end_treatment(state, cause, route, rule, last_day):
    """End treatment; the first reason stays."""
    if not state.ended:
        state.ended = 1
        state.cause = cause
        state.route = route
        state.end_rule = rule
        state.last_day = last_day


@inlined
def remember(state, kind, cycle, rule, related, days):
    """Enter what has been done to the dose into the patient's history."""
    entry = state.n_history
    state.history_kind[entry] = kind
    state.history_cycle[entry] = cycle
    state.history_day[entry] = state.day
    state.history_rule[entry] = rule
    state.history_related[entry] = related
    state.history_days[entry] = days
    state.history_level[entry] = state.level
    state.n_history = entry + 1


@inlined
def _change_layers(state, level):
    """An increase opens a layer; a reduction cuts those above it and keeps the others' starts."""
    if level > state.level:
        state.layer_level[state.n_layers] = level
        state.layer_cycle[state.n_layers] = state.asked_cycle
        state.n_layers += 1
        state.last_increase_cycle = state.asked_cycle
        return
    while state.n_layers > 1 and state.layer_level[state.n_layers - 2] >= level:
        state.n_layers -= 1
    state.layer_level[state.n_layers - 1] = min(state.layer_level[state.n_layers - 1], level)


@njit
def change_level(plan, state, level, rule, related):
    """Move to another level; below the lowest, stop or stay. The only function that does."""
    if level < 0:
        if not plan.stay_at_lowest:
            end_treatment(state, ADVERSE_EVENT, ROUTE_BELOW_LOWEST, rule, state.day)
            return
        level = 0
    if level == state.level:
        return
    if level < state.level and state.n_reductions >= plan.max_reductions:
        end_treatment(state, ADVERSE_EVENT, ROUTE_MAX_REDUCTIONS, rule, state.day)
        return
    remember(
        state, REDUCTION if level < state.level else INCREASE, state.asked_cycle, rule, related, 0
    )
    _change_layers(state, level)
    if level < state.level:
        state.n_reductions += 1
        state.level_before_reduction = state.level
    elif state.escalated_cycle == 0:
        state.escalated_cycle = state.asked_cycle
    state.level = level
    state.highest_level = max(state.highest_level, level)
    state.last_change_day = state.day


@inlined
def may_rise(plan, state, rule, level):
    """Say whether an increase to a level is allowed by the ladder, locks and the rule's cap."""
    if level >= plan.n_levels or state.asked_cycle <= state.lock_to_cycle:
        return False
    if plan.rule_caps[rule] and state.n_reductions > 0:
        return level <= state.level_before_reduction
    return True


@inlined
def make_due_changes(plan, state):
    """Carry out reductions that fell due: of closed holds and of earlier rules, as one change."""
    if state.resume_down + state.due_down > 0:
        rule = state.resume_rule if state.resume_down > 0 else state.due_rule
        related = state.resume_related if state.resume_down > 0 else state.due_related
        change_level(plan, state, state.level - state.resume_down - state.due_down, rule, related)
    elif state.due_level >= 0 and (
        state.due_level <= state.level or may_rise(plan, state, state.due_rule, state.due_level)
    ):
        change_level(plan, state, state.due_level, state.due_rule, state.due_related)
    state.resume_down = 0
    state.due_down = 0
    state.due_level = -1


@inlined
def resume_dosing(plan, state):
    """Carry out the step of a closed hold at the next dose, mid-cycle."""
    if state.resume_down > 0:
        level = state.level - state.resume_down
        state.resume_down = 0
        change_level(plan, state, level, state.resume_rule, state.resume_related)
