"""From a published table of probabilities by dose to logistic coefficients.

Two doses are solved exactly, more by least squares on the logit. The reading says which
exposure a printed probability belongs to (`reference/methods.md` 1.3): T the typical
patient's, M the mean of the log-normal AUC, A the average of the probability over patients.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import root
from scipy.special import expit

from sim.errors import LimitError

AUC_NODES = 64
SOLVED_WITHIN = 1e-9


@dataclass(frozen=True)
class Coefficients:
    """logit P = intercept + slope * AUC/day, AUC/day in ng*h/mL per day."""

    intercept: float
    slope: float


def _logit(probability: float) -> float:
    return math.log(probability) - math.log1p(-probability)


def solve_table(
    probability_by_dose_mg: Mapping[str, float],
    auc_per_day_per_mg: float,
    sd_log: float,
    reading: str,
) -> Coefficients:
    """Return the coefficients under which the table holds.

    auc_per_day_per_mg is the typical patient's; sd_log the SD of log CL/F.
    """
    doses = np.array([float(dose) for dose in probability_by_dose_mg])
    logits = np.array([_logit(p) for p in probability_by_dose_mg.values()])
    auc = doses * auc_per_day_per_mg
    if reading == "mean":
        auc = auc * math.exp(sd_log**2 / 2.0)
    if len(doses) == 2:
        slope = (logits[1] - logits[0]) / (auc[1] - auc[0])
        intercept = logits[0] - slope * auc[0]
    else:
        slope, intercept = np.polyfit(auc, logits, 1)
    if reading == "population" and sd_log > 0.0:
        intercept, slope = _solve_population(
            auc, np.array(list(probability_by_dose_mg.values())), sd_log, (intercept, slope)
        )
    return Coefficients(float(intercept), float(slope))


def _solve_population(
    auc: np.ndarray, probabilities: np.ndarray, sd_log: float, start: tuple[float, float]
) -> tuple[float, float]:
    """Solve E[expit(alpha + beta A e^(sd Z))] = P at the two outer doses."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(AUC_NODES)
    weights = weights / weights.sum()
    spread = np.exp(sd_log * nodes)
    outer = [int(np.argmin(auc)), int(np.argmax(auc))]

    def gap(scaled: np.ndarray) -> np.ndarray:
        eta = scaled[0] + scaled[1] / 100.0 * auc[outer][:, None] * spread
        return np.asarray((weights * expit(eta)).sum(axis=1) - probabilities[outer])

    found = root(gap, np.array([start[0], start[1] * 100.0]), tol=1e-13).x
    if np.abs(gap(found)).max() > SOLVED_WITHIN:
        # A probability averaged over patients cannot rise faster than their exposures spread.
        low, high = probabilities[outer]
        raise LimitError(
            f"probabilities {low:g} and {high:g} are too far apart to be averages over patients "
            f"whose clearance varies with an SD of {sd_log:g} on the log scale"
        )
    return float(found[0]), float(found[1]) / 100.0
