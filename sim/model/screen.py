"""The screen: a cheap upper bound of a cycle's hazard decides "no event" for most draws.

Clearance is binned by the top bits of its uniform; the bound of a bin is taken at its lower
edge, where exposure is highest. A word at or above the bound means no event whatever the
patient's course has been, because the bound covers every level, layer and clock that the
scenario allows. Draws below it are candidates, and only these are looked at exactly.
"""

import numpy as np

from sim.codes import Clock, When
from sim.model.draws import LOW_32, PATIENT_HIGH, philox_rounds
from sim.model.elementary import exp, normal_quantile
from sim.model.exposure import individual_cl_f
from sim.model.jit import njit
from sim.model.layout import SCREEN_BINS
from sim.model.risk import course_hazard_at, with_frailty

RESET = int(Clock.RESET)
START = int(Clock.START)
AT_CYCLE = int(When.CYCLE)
SMALLEST_UNIFORM = 1e-16
SLACK = 1.0 + 1e-9
TWO_32 = 4294967296.0


@njit
def _highest_clearance_uniform(bin_number):
    return max(bin_number / SCREEN_BINS, SMALLEST_UNIFORM)


@njit
def _bin_auc(plan, bin_number, level):
    """Return the highest AUC/day that a patient of a clearance bin can have at a level."""
    uniform = _highest_clearance_uniform(bin_number)
    if plan.n_individuals > 0:
        cl_f = individual_cl_f(plan, uniform)
    else:
        cl_f = plan.cl_f_typical * exp(plan.cl_f_sd_log * normal_quantile(uniform))
    bsa = plan.bsa_high if plan.per_m2 else 1.0
    return plan.auc_per_mg * plan.level_mg[level] * bsa / cl_f


@njit
def _first_rise(plan):
    """Return the first cycle in which the dose can rise; beyond the last if never."""
    for cycle in range(1, plan.max_cycles + 1):
        for rule in range(plan.n_rules):
            if plan.rule_raises[rule] and (plan.rule_cycles[rule] >> cycle) & 1:
                return cycle
    return plan.max_cycles + 1


@njit
def _may_rise(plan, cycle):
    """Say whether the dose can rise at the start of a cycle; a rise set before waits for it."""
    for rule in range(plan.n_rules):
        asked = plan.rule_cycles[rule]
        if plan.rule_at[rule] != AT_CYCLE:
            asked |= asked << 1
        if plan.rule_raises[rule] and (asked >> cycle) & 1:
            return True
    return False


@njit
def _fill_weights(plan):
    """A layer opened at an increase may have any age since the first cycle that allows one."""
    for cycle in range(1, plan.max_cycles + 1):
        weight = plan.weight[cycle]
        plan.screen_low_weight[cycle] = weight * SLACK
        for rise in range(1, cycle + 1):
            if _may_rise(plan, rise):
                weight = max(weight, plan.weight[cycle - rise + 1])
        if plan.clock == START:
            weight = plan.weight[cycle]
        plan.screen_rise_weight[cycle] = weight * SLACK


@njit
def _highest_course_hazard(plan, kind, bin_number, level):
    """Return the highest course hazard of a clearance bin at a level."""
    if not plan.has_slope[kind]:
        return plan.constant_hazard[kind]
    if plan.slope[kind] <= 0.0:
        return course_hazard_at(plan, kind, 0.0)
    auc = _bin_auc(plan, bin_number, level)
    return max(course_hazard_at(plan, kind, auc), plan.background_hazard[kind])


@njit
def _lowest_course_hazard(plan, kind, bin_number):
    """Return what of a bin's highest hazard no clock starts anew."""
    low = _highest_course_hazard(plan, kind, bin_number, 0)
    if plan.clock == RESET:
        if not plan.has_slope[kind]:
            low = low * (1.0 - plan.drug_share[kind])
        elif plan.slope[kind] > 0.0:
            low = plan.background_hazard[kind]
    return low


@njit
def _fill_kind(plan, kind, top_level):
    scale = plan.setting_multiplier[kind] * SLACK
    highest = with_frailty(plan, np.inf)
    for bin_number in range(SCREEN_BINS):
        low = _lowest_course_hazard(plan, kind, bin_number)
        start = _highest_course_hazard(plan, kind, bin_number, plan.start_level)
        top = _highest_course_hazard(plan, kind, bin_number, top_level)
        plan.screen_low[kind, bin_number] = scale * low
        # Where frailty cuts the hazard (risk.py) a difference may vanish that other patients of
        # the bin have; the top alone bounds it.
        plan.screen_start[kind, bin_number] = scale * (start - low if start < highest else start)
        plan.screen_rise[kind, bin_number] = scale * (top - low if top < highest else top)


@njit
def fill_bounds(plans):
    """Fill the bounds of a plan."""
    plan = plans[0]
    _fill_weights(plan)
    plan.first_rise = _first_rise(plan)
    top_level = plan.n_levels - 1
    if plan.first_rise > plan.max_cycles:
        top_level = plan.start_level
    for kind in range(plan.n_kinds):
        _fill_kind(plan, kind, top_level)


@njit
def _screen_kind(plan, kind, first, bins, frailty, columns, masks):
    """Mark the candidate cycles of one kind for a block of consecutive patients."""
    n = bins.shape[0]
    stream = plan.kind_stream[kind]
    k0, k1, draw = plan.seed_low, plan.seed_high, plan.parameter_draw
    high = PATIENT_HIGH * (first >> 32)
    start = first & LOW_32
    mask = masks[kind]
    low = columns[0]
    for i in range(n):
        scale = frailty[i] * SLACK * TWO_32
        low[i] = plan.screen_low[kind, bins[i]] * scale
        columns[1, i] = plan.screen_start[kind, bins[i]] * scale
        columns[2, i] = plan.screen_rise[kind, bins[i]] * scale
        mask[i] = 0
    for block in range((plan.max_cycles + 3) // 4):
        cycle = 4 * block + 1
        # Before the first cycle that may raise the dose nobody is above the starting level.
        weight, rise = plan.screen_rise_weight, columns[2]
        if cycle + 3 < plan.first_rise:
            weight, rise = plan.screen_low_weight, columns[1]
        l0, r0 = plan.screen_low_weight[cycle], weight[cycle]
        l1, r1 = plan.screen_low_weight[cycle + 1], weight[cycle + 1]
        l2, r2 = plan.screen_low_weight[cycle + 2], weight[cycle + 2]
        l3, r3 = plan.screen_low_weight[cycle + 3], weight[cycle + 3]
        for i in range(n):
            w0, w1, w2, w3 = philox_rounds(start + i, block + high, stream, draw, k0, k1)
            hits = (
                np.int64(w0 < l0 * low[i] + r0 * rise[i])
                | np.int64(w1 < l1 * low[i] + r1 * rise[i]) << 1
                | np.int64(w2 < l2 * low[i] + r2 * rise[i]) << 2
                | np.int64(w3 < l3 * low[i] + r3 * rise[i]) << 3
            )
            mask[i] |= hits << cycle


@njit
def _screen_exit(plan, number, first, mask):
    """Mark the cycles in which an exit may happen for a block of consecutive patients."""
    k0, k1, draw = plan.seed_low, plan.seed_high, plan.parameter_draw
    high = PATIENT_HIGH * (first >> 32)
    start = first & LOW_32
    stream = plan.exit_stream[number]
    limit = plan.exit_threshold[number, plan.cycle_days]
    mask[:] = 0
    for block in range((plan.max_cycles + 3) // 4):
        for i in range(mask.shape[0]):
            w0, w1, w2, w3 = philox_rounds(start + i, block + high, stream, draw, k0, k1)
            hits = (
                np.int64(w0 < limit)
                | np.int64(w1 < limit) << 1
                | np.int64(w2 < limit) << 2
                | np.int64(w3 < limit) << 3
            )
            mask[i] |= hits << (4 * block + 1)


@njit
def _drop_beyond_exit(plan, masks, exits, kept):
    """Drop every mark beyond the first cycle whose exit draw ends treatment.

    Such a draw ends treatment also where a delay makes the cycle longer: the hazard of more
    days is higher. Only where hazards vary with more than the days it need not.
    """
    n = kept.shape[0]
    for i in range(n):
        kept[i] = 0
    for number in range(plan.n_exits):
        for i in range(n):
            kept[i] |= exits[number, i]
    for i in range(n):
        # All bits up to the lowest that is set, and all where none is.
        kept[i] ^= kept[i] - 1
    for number in range(plan.n_exits):
        for i in range(n):
            exits[number, i] &= kept[i]
    for kind in range(plan.n_kinds):
        for i in range(n):
            masks[kind, i] &= kept[i]


@njit
def screen_block(plan, first, uniforms, frailty, masks, exits):
    """Mark the candidate cycles of a block of consecutive patients, as bits.

    uniforms are those of CL/F. A block must not cross a multiple of 2^32 patients; the caller
    sees to it.
    """
    n = uniforms.shape[0]
    bins = np.empty(n, np.int64)
    columns = np.empty((3, n), np.float64)
    for i in range(n):
        bins[i] = int(uniforms[i] * SCREEN_BINS)
    for kind in range(plan.n_kinds):
        _screen_kind(plan, kind, first, bins, frailty, columns, masks)
    for number in range(plan.n_exits):
        _screen_exit(plan, number, first, exits[number])
    if not plan.has_variable_exit:
        _drop_beyond_exit(plan, masks, exits, bins)
