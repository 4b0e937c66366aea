"""Tallies: exact whole-number sums over patients, alone and in pairs.

`describe` turns an outcome record into cycles of first occurrence and values; the rest only
adds. Two arms are compared through sums of products, so that no patient need be kept.
"""

import math

from sim.codes import Cause
from sim.model.counts import (
    AUC_UNIT,
    BENEFIT_UNIT,
    FIRST_EVENT,
    FIRST_LARGE,
    FIRST_ROUTE,
    FIRSTS,
    LOW_PART,
    N_ALWAYS,
    N_FIRSTS,
    N_LARGE,
    N_VALUES,
    PART_BITS,
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
from sim.model.jit import inlined, njit
from sim.model.layout import GRADES, MAX_LEVELS

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
def _note(note, value, amount):
    """Note a value that is mostly 0."""
    if amount != 0:
        note.value[note.n_values] = value
        note.amount[value] = amount
        note.n_values += 1


@inlined
def _note_first(note, first, cycle):
    """Note the cycle in which something happened first; 0 for never is not noted."""
    if cycle != 0:
        note.first[note.n_firsts] = first
        note.amount[N_VALUES + first] = cycle
        note.n_firsts += 1


@inlined
def _forget(note):
    for place in range(note.n_values):
        note.amount[note.value[place]] = 0
    for place in range(note.n_firsts):
        note.amount[N_VALUES + note.first[place]] = 0
    note.n_values = 0
    note.n_firsts = 0


@inlined
def _note_ends(plan, out, note):
    _note_first(note, ESCALATED, out.escalated_cycle)
    _note_first(note, MODIFICATION, out.first_modification_cycle)
    _note_first(note, FIRST_REDUCTION, out.first_reduction_cycle)
    if out.cause != COMPLETED:
        # A patient who stops before the first cycle has started counts in cycle 1.
        cycle = max(out.last_cycle, 1)
        _note_first(note, STOPPED_ANY, cycle)
        _note_first(note, STOPPED_CAUSE + out.cause, cycle)
        _note_first(note, FIRST_ROUTE + out.route, cycle)


@inlined
def _note_events(plan, out, note):
    note.amount[V_TOXICITY] = out.toxicity_days[0]
    note.amount[V_TOXICITY + 1] = out.toxicity_days[1]
    if out.first_any_cycle == 0:
        return
    _note_first(note, FIRST_ANY, out.first_any_cycle)
    for kind in range(plan.n_kinds):
        if out.events[kind] == 0:
            continue
        _note(note, VALUE_EVENTS + kind, out.events[kind])
        _note(note, VALUE_RELATED + kind, out.related_events[kind])
        for grade in range(1, GRADES):
            first = FIRST_EVENT + kind * GRADES + grade
            _note_first(note, first, out.first_event_cycle[kind, grade])


@njit
def rdi_on_treatment(plan, out):
    """Return mg given / mg of the reference over the calendar days on treatment."""
    days = max(out.last_day, 1)
    reference = plan.reference_ug * plan.n_doses * (days / plan.cycle_days)
    return out.given_ug / reference


@inlined
def _note_dose(plan, out, note):
    note.amount[V_CYCLES] = out.last_cycle
    note.amount[V_DAYS] = out.last_day
    note.amount[V_GIVEN] = out.given_ug
    note.amount[V_DOSE] = math.floor(out.given_mg * 1000.0 + 0.5)
    note.amount[V_RDI] = math.floor(rdi_on_treatment(plan, out) * RDI_UNIT + 0.5)
    note.amount[V_LOSS] = out.loss_not_escalated_ug
    note.amount[V_LOSS + 1] = out.loss_reduced_ug
    note.amount[V_LOSS + 2] = out.loss_held_ug
    note.amount[V_LOSS + 3] = out.loss_delayed_ug
    note.amount[V_LOSS + 4] = out.loss_stopped_ug
    note.amount[V_AUC] = math.floor(out.auc_per_day * AUC_UNIT + 0.5)
    note.amount[V_BENEFIT] = math.floor(out.benefit * BENEFIT_UNIT + 0.5)
    note.amount[V_COMPLETED] = int(out.cause == COMPLETED)


@inlined
def _note_modifications(plan, out, note):
    note.amount[V_INTERRUPTION] = int(out.interruptions > 0)
    note.amount[V_INTERRUPTION + 1] = out.interruptions
    note.amount[V_DELAY] = int(out.delays > 0)
    note.amount[V_DELAY + 1] = out.delays
    note.amount[V_DELAY_DAYS] = out.delay_days
    note.amount[V_REDUCTION] = int(out.reductions > 0)
    note.amount[V_REDUCTION + 1] = out.reductions
    note.amount[V_HOLD] = int(out.holds > 0)
    note.amount[V_HOLD + 1] = out.holds
    for place in range(plan.n_delay_lengths):
        longer = int(out.longest_delay > plan.delay_length[place])
        note.amount[VALUE_DELAY_OVER + place] = longer


@inlined
def _note_success(plan, out, note):
    for place in range(plan.n_success_cycles):
        cycle = plan.success_cycle[place]
        reduced = (out.first_reduction_cycle > 0) & (out.first_reduction_cycle <= cycle)
        at_target = out.level_of_cycle[cycle] == plan.target_level
        note.amount[VALUE_SUCCESS + place] = int(at_target & (not reduced))


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


@njit
def describe(plan, out, note):
    """Note what there is to count about one patient: values, and cycles of first occurrence."""
    _forget(note)
    _note_dose(plan, out, note)
    _note_ends(plan, out, note)
    _note_events(plan, out, note)
    _note_modifications(plan, out, note)
    _note_success(plan, out, note)
    _note_rules(plan, out, note)


@inlined
def _add_values(note, denominators, divided, tally):
    for value in range(N_ALWAYS):
        amount = note.amount[value]
        low = amount & LOW_PART
        tally.total[value] += amount
        tally.square[value] += low * low
    for place in range(N_LARGE):
        amount = note.amount[FIRST_LARGE + place]
        high, low = amount >> PART_BITS, amount & LOW_PART
        tally.large_square[0, place] += 2 * high * low
        tally.large_square[1, place] += high * high
    for place in range(divided.shape[0]):
        value = divided[place]
        tally.product[value] += note.amount[value] * note.amount[denominators[value]]
    for place in range(note.n_values):
        value = note.value[place]
        amount = note.amount[value]
        tally.total[value] += amount
        tally.square[value] += amount * amount
        if denominators[value] >= 0:
            tally.product[value] += amount * note.amount[denominators[value]]


@inlined
def _add_cycles(out, tally):
    tally.last_cycle[out.last_cycle] += 1
    if out.escalated_cycle > 0:
        for cycle in range(out.escalated_cycle, out.last_cycle + 1):
            tally.escalated_on[cycle] += 1
    for cycle in range(1, out.last_cycle + 1):
        tally.level[out.level_of_cycle[cycle], cycle] += 1


@inlined
def add_patient(out, note, denominators, divided, tally):
    """Add a described patient to the tally of an arm."""
    tally.patients += 1
    _add_values(note, denominators, divided, tally)
    for place in range(note.n_firsts):
        first = note.first[place]
        tally.first[first, note.amount[N_VALUES + first]] += 1
    _add_cycles(out, tally)


@njit
def tally_outcomes(plans, outcomes, denominators, divided, tallies, notes):
    """Add a block of outcomes to a tally.

    denominators give for each value the value it is divided by, or -1; divided are those of
    the values that every patient has which are divided by another. A tally is exact for
    MAX_TALLIED patients at most.
    """
    for i in range(outcomes.shape[0]):
        describe(plans[0], outcomes[i], notes[0])
        add_patient(outcomes[i], notes[0], denominators, divided, tallies[0])


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
        level = int(out.level_of_cycle[cycle])
        if matches[MATCH_LEVEL + level] == other.level_of_cycle[cycle]:
            pair.level[level, cycle] += 1


@inlined
def _add_pair_value(note, value, other, matches, denominators, other_denominators, pair):
    match = matches[value]
    if match >= 0:
        amount, others = note.amount[value], other.amount[match]
        pair.product[value, 0] += (amount & LOW_PART) * (others & LOW_PART)
        if denominators[value] >= 0:
            pair.product[value, 1] += amount * other.amount[other_denominators[match]]


@inlined
def _add_pair_large(note, other, matches, pair):
    for place in range(N_LARGE):
        match = matches[FIRST_LARGE + place]
        if match >= 0:
            amount, others = note.amount[FIRST_LARGE + place], other.amount[match]
            high, low = amount >> PART_BITS, amount & LOW_PART
            others_high, others_low = others >> PART_BITS, others & LOW_PART
            pair.large_product[0, place] += high * others_low + low * others_high
            pair.large_product[1, place] += high * others_high


@inlined
def _add_pair_products(note, other, matches, denominators, other_denominators, pair):
    for value in range(N_ALWAYS):
        _add_pair_value(note, value, other, matches, denominators, other_denominators, pair)
    _add_pair_large(note, other, matches, pair)
    for place in range(note.n_values):
        value = note.value[place]
        _add_pair_value(note, value, other, matches, denominators, other_denominators, pair)
    for place in range(note.n_firsts):
        first = note.first[place]
        match = matches[N_VALUES + first]
        if match >= 0 and other.amount[match] > 0:
            amount = note.amount[N_VALUES + first]
            pair.first[first, max(amount, other.amount[match])] += 1


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
        pair.patients += 1
        describe(plan, out, own)
        describe(other_plans[0], other, theirs)
        _add_pair_cycles(out, other, matches, pair)
        _add_pair_products(own, theirs, matches, denominators, other_denominators, pair)
        _add_pair_denominators(plan, own, theirs, matches, denominators, other_denominators, pair)
