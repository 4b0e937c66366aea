"""Exits: reasons to leave treatment that the rules do not decide.

Progression, withdrawal, death, other."""

from sim.model.draws import word_of_cycle
from sim.model.elementary import lowest_bit
from sim.model.jit import inlined, njit
from sim.model.layout import EXIT_DAYS
from sim.model.levels import end_treatment
from sim.model.risk import exit_hazard, exit_threshold, exit_time


@inlined
def is_screened_out(plan, state, from_day, to_day):
    """Say whether the screen, made for cycles of nominal length, has excluded every exit."""
    is_nominal = to_day - from_day == plan.cycle_days
    return is_nominal and not (state.exit_cycles >> state.cycle) & 1


@inlined
def _is_asked(plan, number, ahead):
    return plan.exit_before_ae[number] == ahead and plan.exit_hazard[number] > 0.0


@inlined
def _happens(plan, state, number, limit):
    """Draw an exit in the cycle that runs; return 1 if it happens, else 0, and keep the word."""
    word = word_of_cycle(plan, state.patient, plan.exit_stream[number], state.cycle, 0)
    state.exit_word[number] = word
    return int(word < limit)


@njit
def _happening_by_table(plan, state, ahead, days):
    """Return the exits, as bits, that happen within some days, all with constant hazards."""
    happening = 0
    screened = state.cycle if days == plan.cycle_days else 0
    for number in range(plan.n_exits):
        if not _is_asked(plan, number, ahead):
            continue
        if screened > 0 and not (state.exit_cycles_of[number] >> screened) & 1:
            continue
        happening |= _happens(plan, state, number, plan.exit_threshold[number, days]) << number
    return happening


@njit
def _happening(plan, state, ahead, from_day, to_day):
    """Return the exits, as bits, that happen in a period.

    Apart from constant hazards, because a compiler moves logarithms out of the loop, to where
    they would be computed for every patient.
    """
    happening = 0
    for number in range(plan.n_exits):
        if _is_asked(plan, number, ahead):
            limit = exit_threshold(exit_hazard(plan, state, number, from_day, to_day))
            happening |= _happens(plan, state, number, limit) << number
    return happening


@njit
def _earliest(plan, state, exits, from_day, to_day):
    """Return which of the exits that happen in a period, given as bits, does so first."""
    winner, soonest = -1, 0.0
    for number in range(plan.n_exits):
        if (exits >> number) & 1:
            hazard = exit_hazard(plan, state, number, from_day, to_day)
            time = exit_time(plan, number, hazard, state.exit_word[number], from_day, to_day)
            if winner < 0 or time < soonest:
                winner, soonest = number, time
    return winner


@njit
def assess_exits(plan, state, ahead, from_day, to_day):
    """Let the earliest exit that happens in (from_day, to_day] win; return its number or -1."""
    days = to_day - from_day
    if days < EXIT_DAYS and not plan.has_variable_exit:
        happening = _happening_by_table(plan, state, ahead, days)
    else:
        happening = _happening(plan, state, ahead, from_day, to_day)
    if happening == 0:
        return -1
    if happening & (happening - 1) == 0:
        return lowest_bit(happening)
    return _earliest(plan, state, happening, from_day, to_day)


@inlined
def assess_cycle(plan, state):
    """Assess the ended cycle on the planned day 1 of the next, over the days since the last."""
    to_day = state.planned_day - 1
    from_day = state.assessed_to_day
    state.assessed_to_day = to_day
    if is_screened_out(plan, state, from_day, to_day):
        return
    number = assess_exits(plan, state, 0, from_day, to_day)
    if number >= 0:
        end_treatment(state, plan.exit_cause[number], 0, -1, to_day)


@inlined
def assess_ahead(plan, state):
    """Exits marked `before_ae`, on the actual day 1, over the days of the cycle that starts."""
    to_day = state.day - 1 + plan.cycle_days
    from_day = state.assessed_ahead_to_day
    state.assessed_ahead_to_day = to_day
    if is_screened_out(plan, state, from_day, to_day):
        return
    number = assess_exits(plan, state, 1, from_day, to_day)
    if number >= 0:
        end_treatment(state, plan.exit_cause[number], 0, -1, state.day)
