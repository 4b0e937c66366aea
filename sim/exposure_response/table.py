"""From a published table of probabilities by dose to logistic coefficients.

Two doses are solved exactly, more by least squares on the logit. The reading says which
exposure a printed probability belongs to (`reference/methods.md` 1.3): T the typical
patient's, M the mean of the log-normal AUC, A the average of the probability over patients.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, least_squares, root
from scipy.special import expit, ndtr, ndtri

from sim.errors import LimitError

Floats = NDArray[np.float64]
SOLVED_WITHIN = 1e-9
# Beyond 9 standard deviations lies less than 1e-18 of a normal law.
REACH_SD = 9.0
# The trapezoidal rule errs by about exp(-2 pi distance to the nearest pole / step).
EXPONENT = 40.0
INTERVALS_AT_LEAST = 64
# From here on P is averaged over the logistic law that it is, of which 4e-18 lies beyond 40.
STEEP_INTERCEPT, STEEP_SPREAD = 100.0, 30.0
LOGISTIC_REACH, LOGISTIC_STEP = 40.0, 0.25
# So steep a line, in logits over the whole exposure of a dose, is a step for every purpose.
STEEPEST = 1e9
# Least squares that come to such a line are on their way to a step at infinity.
STEEPEST_FIT = 1e3
# Doses within a millionth of each other.
CLOSE = 1e-6


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

    auc_per_day_per_mg is the typical patient's; sd_log the SD of log CL/F. Raises LimitError
    for fewer than two different doses, and under reading A where no coefficients hold or none
    were found; the message says which.
    """
    doses = np.array([float(dose) for dose in probability_by_dose_mg])
    if len(np.unique(doses)) < 2:
        raise LimitError("one dose is not enough; a slope needs at least two different doses")
    probabilities = np.array(list(probability_by_dose_mg.values()))
    logits = np.array([_logit(p) for p in probability_by_dose_mg.values()])
    auc = doses * auc_per_day_per_mg
    if reading == "mean":
        auc = auc * math.exp(sd_log**2 / 2.0)
    if len(doses) == 2:
        slope = (logits[1] - logits[0]) / (auc[1] - auc[0])
        intercept = logits[0] - slope * auc[0]
    elif np.ptp(auc) > CLOSE * auc.max():
        slope, intercept = np.polyfit(auc, logits, 1)
    else:
        # So close together that the columns of polyfit are one; about their mean they are not.
        away = auc - auc.mean()
        slope = away @ logits / (away @ away)
        intercept = logits.mean() - slope * auc.mean()
    line = Coefficients(float(intercept), float(slope))
    if reading != "population" or sd_log == 0.0:
        return line
    if len(doses) == 2:
        return _two_averages(auc, probabilities, sd_log, line)
    return _fitted_averages(auc, logits, sd_log, line)


@lru_cache(maxsize=32)
def _normal_grid(intervals: int) -> tuple[Floats, Floats]:
    """Return equidistant points of a standard normal law and their weights, sum 1."""
    points = np.linspace(-REACH_SD, REACH_SD, intervals + 1)
    weights = np.exp(-0.5 * points**2)
    return points, weights / weights.sum()


def pole_distance(model: Coefficients) -> float:
    """Return how far from the real axis of log AUC the nearest pole of P lies, in radians.

    The poles are intercept + slope * AUC = +-i pi, +-3 i pi, ...; steep lines have them near.
    """
    toward = -model.intercept if model.slope >= 0.0 else model.intercept
    return min(math.atan2(math.pi, toward), math.pi / 2.0)


def averages(model: Coefficients, auc: Floats, sd_log: float) -> tuple[Floats, Floats]:
    """Return E[P] and its derivatives by intercept and slope, at each typical AUC/day.

    P = expit(intercept + slope * AUC * exp(sd_log * Z)), Z standard normal. Shapes (n,) and
    (n, 2). By the trapezoidal rule, as fine as SD and steepness need.
    """
    if _is_steep(model, sd_log):
        return _steep_averages(model, auc, sd_log)
    intervals = INTERVALS_AT_LEAST
    if sd_log > 0.0:
        step = 2.0 * math.pi * pole_distance(model) / sd_log / EXPONENT
        while intervals * step < 2.0 * REACH_SD:
            intervals *= 2
    points, weights = _normal_grid(intervals)
    exposure = auc[:, None] * np.exp(sd_log * points)
    p = expit(model.intercept + model.slope * exposure)
    each = weights * p * (1.0 - p)
    by_intercept, by_slope = each.sum(axis=1), (each * exposure).sum(axis=1)
    return p @ weights, np.stack([by_intercept, by_slope], axis=1)


def _is_steep(model: Coefficients, sd_log: float) -> bool:
    toward = -model.intercept if model.slope >= 0.0 else model.intercept
    return model.slope != 0.0 and toward > max(STEEP_INTERCEPT, STEEP_SPREAD / max(sd_log, 1e-9))


def _steep_averages(model: Coefficients, auc: Floats, sd_log: float) -> tuple[Floats, Floats]:
    """Return what averages() does, for lines so steep that its nodes would be very many.

    E[expit(eta)] is the probability that a standard logistic L lies below eta, so that the
    average may run over L: for a rising line it is E[1 - Phi(z(L))], where z(L) is the Z at
    which eta is L.
    """
    logistic = np.arange(-LOGISTIC_REACH, LOGISTIC_REACH + LOGISTIC_STEP, LOGISTIC_STEP)
    weights = LOGISTIC_STEP * expit(logistic) * expit(-logistic)
    away = logistic - model.intercept
    p, by = np.empty(len(auc)), np.zeros((len(auc), 2))
    sign = math.copysign(1.0, model.slope)
    for place, exposure in enumerate(auc):
        if exposure == 0.0:
            p[place] = expit(model.intercept)
            by[place, 0] = p[place] * expit(-model.intercept)
            continue
        z = np.log(away / (model.slope * exposure)) / sd_log
        p[place] = weights @ ndtr(-sign * z)
        density = weights * np.exp(-0.5 * z**2) / math.sqrt(2.0 * math.pi) / sd_log
        by[place] = sign * (density / away).sum(), sign * density.sum() / model.slope
    return p, by


def _two_averages(
    auc: Floats, probabilities: Floats, sd_log: float, line: Coefficients
) -> Coefficients:
    """Solve E[expit(intercept + slope * A e^(sd Z))] = P at two doses.

    Along the lines that hold at the lower dose, E[P] at the upper one rises with the slope: its
    derivative is E[w] times the difference of the means of AUC weighted with w = P (1 - P), and
    the law of AUC of the upper dose over that of the lower rises with AUC. So there is at most
    one solution; and none beyond the two limits, in which P is a step in AUC.
    """
    order = np.argsort(auc)
    auc, probabilities = auc[order], probabilities[order]
    low, high = (float(p) for p in probabilities)
    if auc[0] > 0.0:
        apart = abs(float(ndtri(high) - ndtri(low)))
        possible = math.log(auc[1] / auc[0]) / sd_log
        if apart >= possible:
            ends = sorted(float(ndtr(ndtri(low) + sign * possible)) for sign in (-1.0, 1.0))
            raise LimitError(
                f"probabilities {low:g} and {high:g} are too far apart to be averages over "
                f"patients whose clearance varies with an SD of {sd_log:g} on the log scale: "
                f"beside {low:g}, only {ends[0]:.6g} to {ends[1]:.6g} can be"
            )
    scale = float(auc[1])

    def at_lower_dose(steepness: float) -> Coefficients:
        return _through(steepness / scale, float(auc[0]), low, sd_log)

    def miss(steepness: float) -> float:
        found, _ = averages(at_lower_dose(steepness), auc[1:], sd_log)
        return float(found[0]) - high

    try:
        bracket = _bracket(miss, line.slope * scale)
        model = at_lower_dose(float(brentq(miss, *bracket, xtol=1e-12, rtol=1e-14)))
        return _polished(model, auc, probabilities, sd_log)
    except LimitError as error:
        raise _not_found(probabilities, sd_log) from error


def _through(slope: float, auc: float, probability: float, sd_log: float) -> Coefficients:
    """Return the line of this slope whose average at one exposure is the probability."""
    logit = _logit(probability)

    def miss(intercept: float) -> float:
        found, _ = averages(Coefficients(intercept, slope), np.array([auc]), sd_log)
        return float(found[0]) - probability

    if slope * auc == 0.0:
        return Coefficients(logit, slope)
    # Steep lines have their solution near the middle; the far ends cost very many nodes.
    middle, half = logit - slope * auc, 1.0 + abs(slope * auc) * sd_log
    while miss(middle - half) > 0.0 or miss(middle + half) < 0.0:
        half *= 2.0
    return Coefficients(
        float(brentq(miss, middle - half, middle + half, xtol=1e-13, rtol=1e-14)), slope
    )


def _bracket(miss: Callable[[float], float], start: float) -> tuple[float, float]:
    """Return two arguments between which a rising function passes 0."""
    low = high = start
    step = 0.1 * abs(start) + 0.01
    while miss(low) > 0.0:
        low, step = low - step, 2.0 * step
        if abs(low) > STEEPEST:
            raise LimitError("steeper than searched")
    step = 0.1 * abs(start) + 0.01
    while miss(high) < 0.0:
        high, step = high + step, 2.0 * step
        if abs(high) > STEEPEST:
            raise LimitError("steeper than searched")
    return low, high


def _polished(
    model: Coefficients, auc: Floats, probabilities: Floats, sd_log: float
) -> Coefficients:
    """Refine a solution at two doses by Newton steps, and check it; raises LimitError."""
    for _ in range(3):
        found, by = averages(model, auc, sd_log)
        determinant = by[0, 0] * by[1, 1] - by[0, 1] * by[1, 0]
        if not determinant > 0.0:
            break
        miss = probabilities - found
        model = Coefficients(
            model.intercept + float(miss[0] * by[1, 1] - miss[1] * by[0, 1]) / float(determinant),
            model.slope + float(miss[1] * by[0, 0] - miss[0] * by[1, 0]) / float(determinant),
        )
    found, _ = averages(model, auc, sd_log)
    if not float(np.abs(found - probabilities).max()) <= SOLVED_WITHIN:
        raise LimitError("no solution within the tolerance")
    return model


def _fitted_averages(
    auc: Floats, logits: Floats, sd_log: float, line: Coefficients
) -> Coefficients:
    """Minimise the sum of squares of logit(printed) - logit(E[P]) over more than two doses."""
    scale = float(auc.max())
    cache: dict[tuple[float, float], tuple[Floats, Floats]] = {}

    def at(scaled: Floats) -> tuple[Floats, Floats]:
        key = (float(scaled[0]), float(scaled[1]))
        if key not in cache:
            cache[key] = averages(Coefficients(key[0], key[1] / scale), auc, sd_log)
        return cache[key]

    def residuals(scaled: Floats) -> Floats:
        p, _ = at(scaled)
        return np.asarray(np.log(p) - np.log1p(-p) - logits)

    def jacobian(scaled: Floats) -> Floats:
        p, by = at(scaled)
        return np.asarray(by / (p * (1.0 - p))[:, None] * np.array([1.0, 1.0 / scale]))

    def gradient(scaled: Floats) -> Floats:
        return np.asarray(jacobian(scaled).T @ residuals(scaled))

    start = np.array([line.intercept, line.slope * scale])
    printed = expit(logits)
    try:
        with np.errstate(all="raise", under="ignore"):
            found = least_squares(
                residuals, start, jacobian, xtol=1e-15, ftol=1e-15, gtol=1e-13, max_nfev=500
            )
            best = np.asarray(found.x)
            # The sum of squares is flat about its minimum; where its gradient is 0 is sharper.
            refined = root(gradient, best, tol=1e-14).x
            if np.abs(gradient(refined)).max() < np.abs(gradient(best)).max():
                best = refined
            steepness = float(np.abs(gradient(best)).max())
    except (LimitError, FloatingPointError) as error:
        raise _not_found(printed, sd_log) from error
    if abs(best[1]) > STEEPEST_FIT or not steepness <= SOLVED_WITHIN:
        raise _not_found(printed, sd_log)
    return Coefficients(float(best[0]), float(best[1]) / scale)


def _not_found(probabilities: Floats, sd_log: float) -> LimitError:
    listed = ", ".join(f"{p:g}" for p in probabilities)
    return LimitError(
        f"no coefficients were found whose averages over patients are {listed}, with an SD of "
        f"{sd_log:g} of log clearance; that there are none is not proven"
    )
