"""From dose and clearance to AUC/day (MODEL.md section 3).

Each law is a function of the draw behind it, so that the patients of a block, whose draws
stand in columns, and a patient run alone get the same value.
"""

from sim.model.draws import latent_normal, latent_uniform
from sim.model.elementary import exp, gamma_quantile, normal_quantile
from sim.model.jit import inlined, njit


@inlined
def cl_f_of(plan, normal):
    """Return the apparent clearance [L/h] of a patient with this standard normal."""
    return plan.cl_f_typical * exp(plan.cl_f_sd_log * normal)


@inlined
def individual_cl_f(plan, uniform):
    """Return the CL/F [L/h] of one of the listed individuals, the higher the uniform."""
    # The product may round up to the number of individuals.
    return plan.individual_cl_f[min(int(uniform * plan.n_individuals), plan.n_individuals - 1)]


@inlined
def bsa_of(plan, normal):
    """Return the body surface area [m2] of a patient with this standard normal."""
    return min(max(plan.bsa_mean + plan.bsa_sd * normal, plan.bsa_low), plan.bsa_high)


@njit
def frailty_of(plan, uniform):
    """Return the gamma frailty, of mean 1, of a patient with this uniform."""
    shape = 1.0 / plan.frailty_variance
    return plan.frailty_variance * gamma_quantile(uniform, shape, plan.frailty_log_gamma)


@njit
def draw_latents(plan, state):
    """Give the patient CL/F [L/h], body surface area [m2] and frailty from their addresses."""
    uniform = latent_uniform(plan, state.patient, plan.cl_f_stream)
    if plan.n_individuals > 0:
        state.cl_f = individual_cl_f(plan, uniform)
    else:
        state.cl_f = cl_f_of(plan, normal_quantile(uniform))
    state.bsa = 1.0
    if plan.per_m2:
        state.bsa = bsa_of(plan, latent_normal(plan, state.patient, plan.bsa_stream))
    state.frailty = 1.0
    if plan.frailty_variance > 0.0:
        uniform = latent_uniform(plan, state.patient, plan.frailty_stream)
        state.frailty = frailty_of(plan, uniform)


@inlined
def auc_at(plan, level, bsa, cl_f):
    """Return the steady-state AUC/day [ng*h/mL per day] at a level.

    A = 1000 * doses per cycle * dose / (cycle length * CL/F); mg/(L/h) is 1000 ng*h/mL.
    """
    return plan.auc_per_mg * plan.level_mg[level] * bsa / cl_f


@inlined
def fill_exposures(plan, state):
    """Fill the steady-state AUC/day [ng*h/mL per day] of every level."""
    for level in range(plan.n_levels):
        state.level_auc[level] = auc_at(plan, level, state.bsa, state.cl_f)


@inlined
def auc_of_cycle(plan, state, cycle):
    """Return the AUC/day that the hazard of a cycle answers to, from the levels decided so far."""
    if plan.n_accumulation == 0:
        return state.level_auc[state.level_of_cycle[cycle]]
    auc = 0.0
    for back in range(min(plan.n_accumulation, cycle)):
        auc += plan.accumulation[back] * state.level_auc[state.level_of_cycle[cycle - back]]
    return auc
