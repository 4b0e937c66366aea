"""Exits: reasons to leave treatment that the rules do not decide.

Progression, withdrawal, death, other."""

from sim.model.draws import word_of_cycle
from sim.model.jit import inlined, njit
from sim.model.levels import end_treatment
from sim.model.risk import exit_happens, exit_hazard, exit_time


@njit
def assess_exits(plan, state, cycle, ahead, from_day, to_day):
    """Let the earliest exit that happens in (from_day, to_day] win; return its number or -1."""
    winner = -1
    earliest = 0.0
    for number in range(plan.n_exits):
        if plan.exit_before_ae[number] != ahead or plan.exit_hazard[number] <= 0.0:
            continue
        hazard = exit_hazard(plan, state, number, from_day, to_day)
        word = word_of_cycle(plan, state.patient, plan.exit_stream[number], cycle, 0)
        if exit_happens(hazard, word):
            time = exit_time(plan, number, hazard, word, from_day, to_day)
            if winner < 0 or time < earliest:
                winner = number
                earliest = time
    return winner


@inlined
def is_screened_out(plan, state, days):
    """Say whether the screen has shown that no exit can happen in a cycle of nominal length."""
    return days == plan.cycle_days and not (state.exit_cycles >> state.cycle) & 1


@inlined
def assess_cycle(plan, state):
    """Assess the ended cycle on the planned day 1 of the next, over the days since the last."""
    to_day = state.planned_day - 1
    from_day = state.assessed_to_day
    state.assessed_to_day = to_day
    if is_screened_out(plan, state, to_day - from_day):
        return
    number = assess_exits(plan, state, state.cycle, 0, from_day, to_day)
    if number >= 0:
        end_treatment(state, plan.exit_cause[number], 0, -1, to_day)


@inlined
def assess_ahead(plan, state):
    """Exits marked `before_ae`, on the actual day 1, over the days of the cycle that starts."""
    to_day = state.day - 1 + plan.cycle_days
    from_day = state.assessed_ahead_to_day
    state.assessed_ahead_to_day = to_day
    if is_screened_out(plan, state, to_day - from_day):
        return
    number = assess_exits(plan, state, state.cycle, 1, from_day, to_day)
    if number >= 0:
        end_treatment(state, plan.exit_cause[number], 0, -1, state.day)
