"""Tallies: exact whole-number sums over patients, alone and in pairs.

`describe` turns an outcome record into cycles of first occurrence and values; the rest only
adds. Two arms are compared through sums of products, so that no patient need be kept.
"""

import math

from sim.codes import Cause
from sim.model.jit import inlined, njit
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
MATCH_LEVEL = N_VALUES + N_FIRSTS
N_MATCHES = MATCH_LEVEL + MAX_LEVELS


@inlined
def _note(note, index, amount):
    """Note an amount; amounts of 0 are not noted."""
    if amount != 0:
        note.index[note.n] = index
        note.amount[index] = amount
        note.n += 1


@inlined
def _note_firsts(plan, out, note):
    _note(note, N_VALUES + ESCALATED, out.escalated_cycle)
    _note(note, N_VALUES + MODIFICATION, out.first_modification_cycle)
    _note(note, N_VALUES + FIRST_REDUCTION, out.first_reduction_cycle)
    if out.cause != COMPLETED:
        # A patient who stops before the first cycle has started counts in cycle 1.
        cycle = max(out.last_cycle, 1)
        _note(note, N_VALUES + STOPPED_ANY, cycle)
        _note(note, N_VALUES + STOPPED_CAUSE + out.cause, cycle)
        _note(note, N_VALUES + FIRST_ROUTE + out.route, cycle)


@inlined
def _note_events(plan, out, note):
    if out.first_any_cycle == 0:
        return
    _note(note, N_VALUES + FIRST_ANY, out.first_any_cycle)
    _note(note, V_TOXICITY, out.toxicity_days[0])
    _note(note, V_TOXICITY + 1, out.toxicity_days[1])
    for kind in range(plan.n_kinds):
        if out.events[kind] == 0:
            continue
        _note(note, VALUE_EVENTS + kind, out.events[kind])
        _note(note, VALUE_RELATED + kind, out.related_events[kind])
        for grade in range(1, GRADES):
            first = FIRST_EVENT + kind * GRADES + grade
            _note(note, N_VALUES + first, out.first_event_cycle[kind, grade])


@inlined
def rdi_on_treatment(plan, out):
    """Return mg given / mg of the reference over the calendar days on treatment."""
    days = max(out.last_day, 1)
    reference = plan.reference_ug * plan.n_doses * (days / plan.cycle_days)
    return out.given_ug / reference


@inlined
def _note_dose(plan, out, note):
    _note(note, V_CYCLES, out.last_cycle)
    _note(note, V_DAYS, out.last_day)
    _note(note, V_GIVEN, out.given_ug)
    _note(note, V_DOSE, math.floor(out.given_mg * 1000.0 + 0.5))
    _note(note, V_RDI, math.floor(rdi_on_treatment(plan, out) * RDI_UNIT + 0.5))
    _note(note, V_LOSS, out.loss_not_escalated_ug)
    _note(note, V_LOSS + 1, out.loss_reduced_ug)
    _note(note, V_LOSS + 2, out.loss_held_ug)
    _note(note, V_LOSS + 3, out.loss_delayed_ug)
    _note(note, V_LOSS + 4, out.loss_stopped_ug)
    _note(note, V_AUC, math.floor(out.auc_per_day * AUC_UNIT + 0.5))
    _note(note, V_BENEFIT, math.floor(out.benefit * BENEFIT_UNIT + 0.5))
    _note(note, V_COMPLETED, int(out.cause == COMPLETED))


@inlined
def _note_modifications(plan, out, note):
    if out.first_modification_cycle == 0 and out.holds == 0:
        return
    _note(note, V_INTERRUPTION, int(out.interruptions > 0))
    _note(note, V_INTERRUPTION + 1, out.interruptions)
    _note(note, V_DELAY, int(out.delays > 0))
    _note(note, V_DELAY + 1, out.delays)
    _note(note, V_DELAY_DAYS, out.delay_days)
    _note(note, V_REDUCTION, int(out.reductions > 0))
    _note(note, V_REDUCTION + 1, out.reductions)
    _note(note, V_HOLD, int(out.holds > 0))
    _note(note, V_HOLD + 1, out.holds)
    for place in range(plan.n_delay_lengths):
        _note(note, VALUE_DELAY_OVER + place, int(out.longest_delay > plan.delay_length[place]))


@inlined
def _note_success(plan, out, note):
    for place in range(plan.n_success_cycles):
        cycle = plan.success_cycle[place]
        reduced = 0 < out.first_reduction_cycle <= cycle
        at_target = out.level_of_cycle[cycle] == plan.target_level
        _note(note, VALUE_SUCCESS + place, int(at_target and not reduced))


@inlined
def _note_rules(plan, out, note):
    for rule in range(plan.n_rules):
        _note(note, VALUE_FIRED + rule, int(out.rule_fires[rule] > 0))
        if out.rule_asks[rule] > 0:
            _note(note, VALUE_ASKS + rule, out.rule_asks[rule])
            last = plan.n_clauses
            if rule + 1 < plan.n_rules:
                last = plan.rule_first_clause[rule + 1]
            for clause in range(plan.rule_first_clause[rule], last):
                _note(note, VALUE_CLAUSE + clause, out.clause_held[clause])


@inlined
def describe(plan, out, note):
    """Note what there is to count about one patient: values, and firsts from N_VALUES on."""
    for place in range(note.n):
        note.amount[note.index[place]] = 0
    note.n = 0
    _note_dose(plan, out, note)
    _note_firsts(plan, out, note)
    _note_events(plan, out, note)
    _note_modifications(plan, out, note)
    _note_success(plan, out, note)
    _note_rules(plan, out, note)


@inlined
def add_patient(plan, out, note, denominators, tally):
    """Add a described patient to the tally of an arm."""
    tally.patients += 1
    tally.last_cycle[out.last_cycle] += 1
    for place in range(note.n):
        index = note.index[place]
        amount = note.amount[index]
        if index >= N_VALUES:
            tally.first[index - N_VALUES, amount] += 1
            continue
        tally.total[index] += amount
        tally.square[index] += amount * amount
        if denominators[index] >= 0:
            tally.product[index] += amount * note.amount[denominators[index]]
    if out.escalated_cycle > 0:
        for cycle in range(out.escalated_cycle, out.last_cycle + 1):
            tally.escalated_on[cycle] += 1
    for cycle in range(1, out.last_cycle + 1):
        tally.level[out.level_of_cycle[cycle], cycle] += 1


@njit
def tally_outcomes(plans, outcomes, denominators, tallies, notes):
    """Add a block of outcomes to a tally."""
    for i in range(outcomes.shape[0]):
        describe(plans[0], outcomes[i], notes[0])
        add_patient(plans[0], outcomes[i], notes[0], denominators, tallies[0])


@inlined
def _add_pair_cycles(out, other, matches, pair):
    both = min(out.last_cycle, other.last_cycle)
    for cycle in range(1, both + 1):
        pair.on_treatment[cycle] += 1
        own = 0 < out.escalated_cycle <= cycle
        others_own = 0 < other.escalated_cycle <= cycle
        pair.escalated_on[0, cycle] += int(own and others_own)
        pair.escalated_on[1, cycle] += int(own)
        pair.escalated_on[2, cycle] += int(others_own)
        level = out.level_of_cycle[cycle]
        if matches[MATCH_LEVEL + level] == other.level_of_cycle[cycle]:
            pair.level[level, cycle] += 1


@inlined
def _add_pair_products(note, other, matches, denominators, other_denominators, pair):
    for place in range(note.n):
        index = note.index[place]
        match = matches[index]
        if match < 0:
            continue
        amount, others = note.amount[index], other.amount[match]
        if index >= N_VALUES:
            if others > 0:
                pair.first[index - N_VALUES, max(amount, others)] += 1
            continue
        pair.product[index, 0] += amount * others
        if denominators[index] >= 0:
            pair.product[index, 1] += amount * other.amount[other_denominators[match]]


@inlined
def _add_pair_denominators(plan, note, other, matches, denominators, other_denominators, pair):
    """Denominators count also where the amount of the one arm is 0."""
    for index in range(VALUE_CLAUSE + plan.n_clauses):
        match = matches[index]
        if match < 0 or denominators[index] < 0:
            continue
        below, other_below = (
            note.amount[denominators[index]],
            other.amount[other_denominators[match]],
        )
        pair.product[index, 2] += below * other.amount[match]
        pair.product[index, 3] += below * other_below


@njit
def tally_pairs(
    plans, other_plans, outcomes, others, matches, denominators, other_denominators, pairs, notes
):
    """Add sums of products of two arms' outcomes of the same patients.

    matches gives for each value, first (from N_VALUES on) and level (from MATCH_LEVEL on) of
    the one arm its number in the other, or -1; notes are two of scratch.
    """
    plan, pair = plans[0], pairs[0]
    own, theirs = notes[0], notes[1]
    for i in range(outcomes.shape[0]):
        out, other = outcomes[i], others[i]
        describe(plan, out, own)
        describe(other_plans[0], other, theirs)
        _add_pair_cycles(out, other, matches, pair)
        _add_pair_products(own, theirs, matches, denominators, other_denominators, pair)
        _add_pair_denominators(plan, own, theirs, matches, denominators, other_denominators, pair)
