"""One patient's outcome: what all endpoints are counted from, read off the finished course.

The same record is rebuilt from the four history tables in `sim/endpoints.py`; tests hold
the two equal, so that a run without histories reports what its histories would.
"""

import numpy as np

from sim.codes import History
from sim.model.elementary import expit
from sim.model.jit import inlined, njit
from sim.model.layout import CYCLE_SLOTS, MAX_CLAUSES, MAX_RULES

MISSED = int(History.MISSED)
HELD = int(History.HOLD)
DELAYED = int(History.DELAY)
REDUCTION = int(History.REDUCTION)
COMPLETED = 0


@njit
def drop_uncounted_events(plan, state):
    """Forget events that begin after the stop day, or after 30 days from the last dose."""
    if not state.ended:
        return
    last = state.last_day
    if plan.follow_up_days > 0:
        last = max(last, state.last_dose_day + plan.follow_up_days)
    kept = state.n_events
    for event in range(state.n_events):
        if state.event_onset[event] > last:
            kept = event
            break
    for event in range(kept, state.n_events):
        if state.event_onset[event] > last:
            continue
        state.event_kind[kept] = state.event_kind[event]
        state.event_cycle[kept] = state.event_cycle[event]
        state.event_onset[kept] = state.event_onset[event]
        state.event_end[kept] = state.event_end[event]
        state.event_grade[kept] = state.event_grade[event]
        state.event_drug[kept] = state.event_drug[event]
        state.event_related[kept] = state.event_related[event]
        state.event_level[kept] = state.event_level[event]
        state.event_known_day[kept] = state.event_known_day[event]
        kept += 1
    state.n_events = kept


@inlined
def toxicity_days(state, grade):
    """Return the days on treatment with an active event of this grade or higher.

    Events are visited by their next uncovered day, so that a day counts once.
    """
    if state.n_events == 1:
        days = min(state.event_end[0], state.last_day) - state.event_onset[0] + 1
        return max(days, 0) if state.event_grade[0] >= grade else 0
    covered = 0
    total = 0
    while True:
        best = -1
        best_from = 0
        for event in range(state.n_events):
            if state.event_grade[event] < grade or state.event_end[event] <= covered:
                continue
            start = max(state.event_onset[event], covered + 1)
            if start > state.last_day:
                continue
            if best < 0 or start < best_from:
                best = event
                best_from = start
        if best < 0:
            return total
        end = min(state.event_end[best], state.last_day)
        total += end - best_from + 1
        covered = end


@inlined
def _collect_events(plan, state, out):
    for event in range(state.n_events):
        kind = state.event_kind[event]
        cycle = state.event_cycle[event]
        out.events[kind] += 1
        out.related_events[kind] += state.event_related[event]
        if out.first_any_cycle == 0 or cycle < out.first_any_cycle:
            out.first_any_cycle = cycle
        for grade in range(1, state.event_grade[event] + 1):
            if out.first_event_cycle[kind, grade] == 0:
                out.first_event_cycle[kind, grade] = cycle
    if state.n_events > 0:
        out.toxicity_days[0] = toxicity_days(state, 2)
        out.toxicity_days[1] = toxicity_days(state, 3)


@inlined
def _collect_history(state, out):
    for entry in range(state.n_history):
        kind = state.history_kind[entry]
        cycle = state.history_cycle[entry]
        if kind == MISSED:
            out.interruptions += 1
        elif kind == HELD:
            out.holds += 1
        elif kind == DELAYED:
            out.delays += 1
            out.delay_days += state.history_days[entry]
            out.longest_delay = max(out.longest_delay, state.history_days[entry])
        elif kind == REDUCTION:
            out.reductions += 1
            if out.first_reduction_cycle == 0:
                out.first_reduction_cycle = cycle
        if kind in (MISSED, DELAYED, REDUCTION) and out.first_modification_cycle == 0:
            out.first_modification_cycle = cycle


@inlined
def _collect_dose(plan, state, out):
    out.given_ug = state.given_ug
    out.given_mg = state.given_ug * 1e-3 * state.bsa
    out.loss_not_escalated_ug = state.loss_not_escalated_ug
    out.loss_reduced_ug = state.loss_reduced_ug
    out.loss_held_ug = state.loss_held_ug
    course_ug = plan.reference_ug * plan.n_doses * plan.max_cycles
    rest = course_ug - state.given_ug - state.loss_not_escalated_ug
    rest -= state.loss_reduced_ug + state.loss_held_ug
    out.loss_delayed_ug = rest if state.cause == COMPLETED else 0
    out.loss_stopped_ug = 0 if state.cause == COMPLETED else rest


@inlined
def benefit_auc(plan, given_mg, cl_f, days):
    """Return AUC/day [ng*h/mL per day] of a total dose over days; a placebo gives 0."""
    per_mg = plan.auc_per_mg * plan.cycle_days / plan.n_doses
    return per_mg * given_mg / (cl_f * days)


@inlined
def auc_on_treatment(plan, given_mg, cl_f, last_day):
    """Return AUC/day over the days on treatment, at least one."""
    return benefit_auc(plan, given_mg, cl_f, max(last_day, 1))


@inlined
def benefit_probability(plan, given_mg, cl_f):
    """Return the probability of clinical benefit of a dose given within the window."""
    auc = benefit_auc(plan, given_mg, cl_f, plan.benefit_days)
    return expit(plan.benefit_intercept + plan.benefit_slope * auc)


@njit
def collect_exposure(plan, state, out):
    """Fill AUC/day and the probability of clinical benefit of one patient."""
    out.auc_per_day = auc_on_treatment(plan, out.given_mg, state.cl_f, state.last_day)
    out.benefit = 0.0
    if plan.has_benefit:
        given_mg = state.given_benefit_ug * 1e-3 * state.bsa
        out.benefit = benefit_probability(plan, given_mg, state.cl_f)


@njit
def collect_exposures(plan, outcomes, cl_f, bsa, given_benefit_ug):
    """Fill AUC/day and the probability of clinical benefit of a block, in columns."""
    n = outcomes.shape[0]
    auc, benefit = np.empty(n, np.float64), np.zeros(n, np.float64)
    given_mg, last_day = np.empty(n, np.float64), np.empty(n, np.int64)
    for i in range(n):
        given_mg[i] = outcomes[i].given_mg
        last_day[i] = outcomes[i].last_day
    for i in range(n):
        auc[i] = auc_on_treatment(plan, given_mg[i], cl_f[i], last_day[i])
    if plan.has_benefit:
        for i in range(n):
            benefit[i] = benefit_probability(plan, given_benefit_ug[i] * 1e-3 * bsa[i], cl_f[i])
    for i in range(n):
        outcomes[i].auc_per_day = auc[i]
        outcomes[i].benefit = benefit[i]


@njit
def collect(plan, state, out):
    """Fill the outcome record, all zero so far, of a patient whose course has ended.

    What depends on exposure is left to `collect_exposure` or, in columns, `collect_exposures`.
    """
    out.patient = state.patient
    out.last_cycle = state.cycle
    out.last_day = state.last_day
    out.cause = state.cause
    out.route = state.route
    out.escalated_cycle = state.escalated_cycle
    for cycle in range(CYCLE_SLOTS):
        # -1 where the cycle was not started; without a choice, so that it becomes vector code.
        started = np.int64(cycle >= 1) & np.int64(cycle <= state.cycle)
        out.level_of_cycle[cycle] = (state.level_of_cycle[cycle] + 1) * started - 1
    # All of them, in use or not: copies of a fixed length become a few wide moves.
    for rule in range(MAX_RULES):
        out.rule_asks[rule] = state.rule_asks[rule]
        out.rule_fires[rule] = state.rule_fires[rule]
    for clause in range(MAX_CLAUSES):
        out.clause_held[clause] = state.clause_held[clause]
    _collect_events(plan, state, out)
    _collect_history(state, out)
    _collect_dose(plan, state, out)
