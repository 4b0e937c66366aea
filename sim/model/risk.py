"""From exposure to this cycle's hazard, probability and grade (MODEL.md sections 5 and 6).

H(A) = log(1 + exp(alpha + beta A)) is the hazard of the reference course at constant
exposure; with frailty variance theta it becomes ((1 - P)^-theta - 1) / theta, which keeps
P on average over the frailty. Weights spread it over cycles; a clock says how an increase
starts anew. Floats end in `grade_of_word` and `exit_threshold`.
"""

from sim.codes import Clock
from sim.model.draws import threshold, uniform_of_word
from sim.model.elementary import exp, log, log1p, power, softplus
from sim.model.exposure import auc_of_cycle
from sim.model.jit import inlined, njit

INCREMENT = int(Clock.INCREMENT)
START = int(Clock.START)


@inlined
def with_frailty(plan, hazard):
    """Return ((1 - P)^-theta - 1) / theta for P = 1 - exp(-hazard); the hazard if theta is 0."""
    if plan.frailty_variance > 0.0:
        # Cut where the event is certain anyway: infinities would meet as not-a-number.
        raised = exp(min(plan.frailty_variance * hazard, 500.0))
        return (raised - 1.0) / plan.frailty_variance
    return hazard


@njit
def course_hazard_at(plan, kind, auc):
    """Return the hazard of one kind over the reference course at constant AUC/day > 0."""
    return with_frailty(plan, softplus(plan.intercept[kind] + plan.slope[kind] * auc))


@inlined
def course_hazard(plan, state, kind, level):
    """Return the course hazard at a level, computed once per patient."""
    if not (state.course_hazard_known[kind] >> level) & 1:
        state.course_hazard[kind, level] = course_hazard_at(plan, kind, state.level_auc[level])
        state.course_hazard_known[kind] |= 1 << level
    return state.course_hazard[kind, level]


@inlined
def _layer_hazard(plan, state, kind, layer, auc):
    """Return the course hazard up to the top of a layer of exposure.

    With accumulation the exposure of the cycle, not of the level, bounds every layer, and
    the top layer takes what is above it.
    """
    level = state.layer_level[layer]
    if plan.n_accumulation == 0:
        return course_hazard(plan, state, kind, level)
    if layer == state.n_layers - 1 or auc < state.level_auc[level]:
        return course_hazard_at(plan, kind, auc)
    return course_hazard(plan, state, kind, level)


@inlined
def _drug_hazard_with_slope(plan, state, kind, cycle, auc):
    background = plan.background_hazard[kind]
    if plan.clock == INCREMENT:
        drug = 0.0
        below = background
        for layer in range(state.n_layers):
            top = _layer_hazard(plan, state, kind, layer, auc)
            if top > below:
                drug += plan.weight[cycle - state.layer_cycle[layer] + 1] * (top - below)
                below = top
        return drug
    top = _layer_hazard(plan, state, kind, state.n_layers - 1, auc)
    started = 1 if plan.clock == START else state.last_increase_cycle
    return plan.weight[cycle - started + 1] * max(top - background, 0.0)


@inlined
def cycle_hazards(plan, state, kind, cycle):
    """Return (background, drug) hazard of one kind spent in a cycle, before frailty."""
    auc = auc_of_cycle(plan, state, cycle)
    scale = plan.setting_multiplier[kind]
    weight = plan.weight[cycle]
    share = plan.drug_share[kind]
    if not plan.has_slope[kind]:
        course = plan.constant_hazard[kind]
        drug_weight = weight
        if plan.clock != INCREMENT and plan.clock != START:
            drug_weight = plan.weight[cycle - state.last_increase_cycle + 1]
        drug = drug_weight * course * share if auc > 0.0 else 0.0
        return scale * weight * course * (1.0 - share), scale * drug
    if plan.slope[kind] <= 0.0:
        return scale * weight * course_hazard_at(plan, kind, auc), 0.0
    background = weight * plan.background_hazard[kind]
    drug = _drug_hazard_with_slope(plan, state, kind, cycle, auc)
    return scale * background, scale * drug


@inlined
def grade_of_word(plan, kind, word, hazard):
    """Return the CTCAE grade of the event that a word means at a hazard, 0 for none.

    Event if u < p with p = 1 - exp(-hazard), grade >= g if u < p * share of g.
    """
    probability = 1.0 - exp(-hazard)
    if word >= threshold(probability):
        return 0
    grade = plan.counting_grade[kind]
    while grade < 5 and word < threshold(probability * plan.grade_share[kind, grade + 1]):
        grade += 1
    return grade


@inlined
def drug_threshold(plan, state, kind, background, drug, cycle):
    """Return the threshold on a 32-bit word for "the drug caused this event"."""
    if plan.has_slope[kind] and plan.drug_share[kind] >= 0.0:
        return threshold(plan.drug_share[kind] if auc_of_cycle(plan, state, cycle) > 0.0 else 0.0)
    total = background + drug
    return threshold(drug / total) if total > 0.0 else 0


@inlined
def _spent(plan, number, from_day, to_day):
    """Return the share of an exit's hazard of a nominal cycle that (from_day, to_day] brings."""
    shape = plan.exit_shape[number]
    if shape == 1.0:
        return (to_day - from_day) / plan.cycle_days
    return power(to_day / plan.cycle_days, shape) - power(from_day / plan.cycle_days, shape)


@njit
def exit_hazard(plan, state, number, from_day, to_day):
    """Return the hazard of an exit over the calendar days (from_day, to_day], days elapsed."""
    hazard = plan.exit_hazard[number] * _spent(plan, number, from_day, to_day)
    if plan.exit_slope[number] != 0.0:
        auc = state.level_auc[state.level]
        hazard *= exp(plan.exit_slope[number] * (auc - plan.exit_reference_auc))
    return hazard


@njit
def exit_threshold(hazard):
    """Return the threshold on a 32-bit word for "an exit with this hazard happens"."""
    return threshold(1.0 - exp(-hazard))


@njit
def exit_time(plan, number, hazard, word, from_day, to_day):
    """Return the days elapsed at which an exit that happens by to_day does happen."""
    spent = -log1p(-uniform_of_word(word)) / hazard
    shape = plan.exit_shape[number]
    if shape == 1.0:
        return from_day + spent * (to_day - from_day)
    early = power(from_day / plan.cycle_days, shape)
    reached = early + spent * _spent(plan, number, from_day, to_day)
    return exp(log(reached) / shape) * plan.cycle_days
