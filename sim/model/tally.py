"""Tallies: exact whole-number sums over patients, alone and in pairs.

`describe` turns an outcome record into cycles of first occurrence and values; the rest only
adds. Two arms are compared through sums of products, so that no patient need be kept.
"""

import math

from sim.codes import Cause
from sim.model.jit import njit
from sim.model.layout import (
    AUC_UNIT,
    BENEFIT_UNIT,
    FIRST_EVENT,
    FIRST_ROUTE,
    FIRSTS,
    GRADES,
    MAX_LEVELS,
    N_FIRSTS,
    N_VALUES,
    RDI_UNIT,
    VALUE_ASKS,
    VALUE_CLAUSE,
    VALUE_DELAY_OVER,
    VALUE_EVENTS,
    VALUE_FIRED,
    VALUE_RELATED,
    VALUE_SUCCESS,
    VALUES,
)

COMPLETED = int(Cause.COMPLETED)
ADVERSE_EVENT = int(Cause.ADVERSE_EVENT)
ESCALATED = FIRSTS.index("escalated")
FIRST_ANY = FIRSTS.index("first_event:any")
MODIFICATION = FIRSTS.index("first_modification")
FIRST_REDUCTION = FIRSTS.index("first_reduction")
STOPPED_ANY = FIRSTS.index("discontinued:any")
STOPPED_CAUSE = FIRSTS.index("discontinued:adverse_event") - ADVERSE_EVENT
V_CYCLES = VALUES.index("cycles")
V_DAYS = VALUES.index("days")
V_COMPLETED = VALUES.index("completed")
V_INTERRUPTION = VALUES.index("interruption")
V_DELAY = VALUES.index("delay")
V_DELAY_DAYS = VALUES.index("delay_days:count")
V_REDUCTION = VALUES.index("reduction")
V_HOLD = VALUES.index("hold")
V_TOXICITY = VALUES.index("toxicity_days:g2")
V_GIVEN = VALUES.index("given_ug")
V_DOSE = VALUES.index("dose_ug")
V_RDI = VALUES.index("rdi_on_treatment")
V_LOSS = VALUES.index("rdi_loss:not_escalated")
V_AUC = VALUES.index("auc_per_day")
V_BENEFIT = VALUES.index("clinical_benefit")
MATCH_LEVEL = N_VALUES
MATCH_FIRST = N_VALUES + MAX_LEVELS
N_MATCHES = N_VALUES + MAX_LEVELS + N_FIRSTS


@njit
def _describe_firsts(plan, out, firsts):
    for first in range(FIRST_EVENT + plan.n_kinds * GRADES):
        firsts[first] = 0
    firsts[ESCALATED] = out.escalated_cycle
    firsts[FIRST_ANY] = out.first_any_cycle
    firsts[MODIFICATION] = out.first_modification_cycle
    firsts[FIRST_REDUCTION] = out.first_reduction_cycle
    if out.cause != COMPLETED:
        # A patient who stops before the first cycle has started counts in cycle 1.
        cycle = max(out.last_cycle, 1)
        firsts[STOPPED_ANY] = cycle
        firsts[STOPPED_CAUSE + out.cause] = cycle
        firsts[FIRST_ROUTE + out.route] = cycle
    if out.first_any_cycle > 0:
        for kind in range(plan.n_kinds):
            for grade in range(1, GRADES):
                firsts[FIRST_EVENT + kind * GRADES + grade] = out.first_event_cycle[kind, grade]


@njit
def rdi_on_treatment(plan, out):
    """Return mg given / mg of the reference over the calendar days on treatment."""
    days = max(out.last_day, 1)
    reference = plan.reference_ug * plan.n_doses * (days / plan.cycle_days)
    return out.given_ug / reference


@njit
def _describe_dose(plan, out, values):
    values[V_CYCLES] = out.last_cycle
    values[V_DAYS] = out.last_day
    values[V_GIVEN] = out.given_ug
    values[V_DOSE] = math.floor(out.given_mg * 1000.0 + 0.5)
    values[V_RDI] = math.floor(rdi_on_treatment(plan, out) * RDI_UNIT + 0.5)
    values[V_LOSS] = out.loss_not_escalated_ug
    values[V_LOSS + 1] = out.loss_reduced_ug
    values[V_LOSS + 2] = out.loss_held_ug
    values[V_LOSS + 3] = out.loss_delayed_ug
    values[V_LOSS + 4] = out.loss_stopped_ug
    values[V_AUC] = math.floor(out.auc_per_day * AUC_UNIT + 0.5)
    values[V_BENEFIT] = math.floor(out.benefit * BENEFIT_UNIT + 0.5)


@njit
def _describe_course(plan, out, values):
    values[V_COMPLETED] = int(out.cause == COMPLETED)
    values[V_INTERRUPTION] = int(out.interruptions > 0)
    values[V_INTERRUPTION + 1] = out.interruptions
    values[V_DELAY] = int(out.delays > 0)
    values[V_DELAY + 1] = out.delays
    values[V_DELAY_DAYS] = out.delay_days
    values[V_REDUCTION] = int(out.reductions > 0)
    values[V_REDUCTION + 1] = out.reductions
    values[V_HOLD] = int(out.holds > 0)
    values[V_HOLD + 1] = out.holds
    values[V_TOXICITY] = out.toxicity_days[0]
    values[V_TOXICITY + 1] = out.toxicity_days[1]
    for place in range(plan.n_success_cycles):
        cycle = plan.success_cycle[place]
        reduced = 0 < out.first_reduction_cycle <= cycle
        at_target = out.level_of_cycle[cycle] == plan.target_level
        values[VALUE_SUCCESS + place] = int(at_target and not reduced)
    for place in range(plan.n_delay_lengths):
        values[VALUE_DELAY_OVER + place] = int(out.longest_delay > plan.delay_length[place])


@njit
def describe(plan, out, firsts, values):
    """Describe one patient: firsts[N_FIRSTS] and values[N_VALUES]."""
    _describe_firsts(plan, out, firsts)
    _describe_dose(plan, out, values)
    _describe_course(plan, out, values)
    for kind in range(plan.n_kinds):
        values[VALUE_EVENTS + kind] = out.events[kind]
        values[VALUE_RELATED + kind] = out.related_events[kind]
    for rule in range(plan.n_rules):
        values[VALUE_ASKS + rule] = out.rule_asks[rule]
        values[VALUE_FIRED + rule] = int(out.rule_fires[rule] > 0)
    for clause in range(plan.n_clauses):
        values[VALUE_CLAUSE + clause] = out.clause_held[clause]


@njit
def add_patient(plan, out, firsts, values, denominators, tally):
    """Add a described patient to the tally of an arm."""
    tally.patients += 1
    for first in range(FIRST_EVENT + plan.n_kinds * GRADES):
        cycle = firsts[first]
        if cycle > 0:
            tally.first[first, cycle] += 1
    tally.last_cycle[out.last_cycle] += 1
    if out.escalated_cycle > 0:
        for cycle in range(out.escalated_cycle, out.last_cycle + 1):
            tally.escalated_on[cycle] += 1
    for cycle in range(1, out.last_cycle + 1):
        tally.level[out.level_of_cycle[cycle], cycle] += 1
    for value in range(VALUE_CLAUSE + plan.n_clauses):
        amount = values[value]
        if amount == 0:
            continue
        tally.total[value] += amount
        tally.square[value] += amount * amount
        if denominators[value] >= 0:
            tally.product[value] += amount * values[denominators[value]]


@njit
def tally_outcomes(plans, outcomes, denominators, tallies, firsts, values):
    """Add a block of outcomes to a tally."""
    for i in range(outcomes.shape[0]):
        describe(plans[0], outcomes[i], firsts, values)
        add_patient(plans[0], outcomes[i], firsts, values, denominators, tallies[0])


@njit
def _add_pair_cycles(plan, out, other, firsts, others, matches, pair):
    for first in range(FIRST_EVENT + plan.n_kinds * GRADES):
        match = matches[MATCH_FIRST + first]
        if match >= 0 and firsts[first] > 0 and others[match] > 0:
            pair.first[first, max(firsts[first], others[match])] += 1
    both = min(out.last_cycle, other.last_cycle)
    for cycle in range(1, both + 1):
        pair.on_treatment[cycle] += 1
        own = 0 < out.escalated_cycle <= cycle
        others_own = 0 < other.escalated_cycle <= cycle
        pair.escalated_on[0, cycle] += int(own and others_own)
        pair.escalated_on[1, cycle] += int(own)
        pair.escalated_on[2, cycle] += int(others_own)


@njit
def tally_pairs(
    plans, other_plans, outcomes, others, matches, denominators, other_denominators, pairs, rows
):
    """Add sums of products of two arms' outcomes of the same patients.

    matches gives, for each value, level and first of the one arm, its number in the other or
    -1; rows is scratch.
    """
    plan, pair = plans[0], pairs[0]
    for i in range(outcomes.shape[0]):
        out, other = outcomes[i], others[i]
        describe(plan, out, rows[0], rows[1])
        describe(other_plans[0], other, rows[2], rows[3])
        _add_pair_cycles(plan, out, other, rows[0], rows[2], matches, pair)
        for cycle in range(1, min(out.last_cycle, other.last_cycle) + 1):
            level = out.level_of_cycle[cycle]
            if matches[MATCH_LEVEL + level] == other.level_of_cycle[cycle]:
                pair.level[level, cycle] += 1
        for value in range(VALUE_CLAUSE + plan.n_clauses):
            match = matches[value]
            if match < 0:
                continue
            a, b = rows[1, value], rows[3, match]
            pair.product[value, 0] += a * b
            if denominators[value] >= 0:
                below, other_below = rows[1, denominators[value]], rows[3, other_denominators[match]]
                pair.product[value, 1] += a * other_below
                pair.product[value, 2] += below * b
                pair.product[value, 3] += below * other_below


assert N_FIRSTS <= N_VALUES
