"""From dose and clearance to AUC/day (MODEL.md section 3)."""

from sim.model.draws import latent_normal, latent_uniform
from sim.model.elementary import exp, gamma_quantile
from sim.model.jit import njit


@njit
def draw_latents(plan, state):
    """Give the patient CL/F [L/h], body surface area [m2] and frailty from their addresses."""
    state.cl_f = plan.cl_f_typical
    if plan.cl_f_sd_log > 0.0:
        z = latent_normal(plan, state.patient, plan.cl_f_stream)
        state.cl_f = plan.cl_f_typical * exp(plan.cl_f_sd_log * z)
    state.bsa = 1.0
    if plan.per_m2:
        z = latent_normal(plan, state.patient, plan.bsa_stream)
        state.bsa = min(max(plan.bsa_mean + plan.bsa_sd * z, plan.bsa_low), plan.bsa_high)
    state.frailty = 1.0
    if plan.frailty_variance > 0.0:
        u = latent_uniform(plan, state.patient, plan.frailty_stream)
        shape = 1.0 / plan.frailty_variance
        state.frailty = plan.frailty_variance * gamma_quantile(u, shape, plan.frailty_log_gamma)


@njit
def fill_exposures(plan, state):
    """Fill the steady-state AUC/day [ng*h/mL per day] of every level.

    A = 1000 * doses per cycle * dose / (cycle length * CL/F); mg/(L/h) is 1000 ng*h/mL.
    """
    for level in range(plan.n_levels):
        state.level_auc[level] = plan.auc_per_mg * plan.level_mg[level] * state.bsa / state.cl_f


@njit
def auc_of_cycle(plan, state, cycle):
    """Return the AUC/day that the hazard of a cycle answers to, from the levels decided so far."""
    if plan.n_accumulation == 0:
        return state.level_auc[state.level_of_cycle[cycle]]
    auc = 0.0
    for back in range(min(plan.n_accumulation, cycle)):
        auc += plan.accumulation[back] * state.level_auc[state.level_of_cycle[cycle - back]]
    return auc
