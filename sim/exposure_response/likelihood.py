"""The log-likelihood of a logistic regression on one exposure, plain or penalised, and its top."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from sim.errors import LimitError

Floats: TypeAlias = NDArray[np.float64]
ITERATIONS_AT_MOST = 1000
STEP_AT_MOST = 5.0
STEP_IS_ZERO = 1e-11
GAIN_IS_ZERO = 1e-12


def design_of(exposure: Floats) -> Floats:
    """Return columns 1 and exposure, of shape (n, 2)."""
    return np.column_stack([np.ones(len(exposure)), exposure])


def information(design: Floats, coefficients: Floats) -> Floats:
    """Return the expected information (2, 2), that of the unpenalised likelihood."""
    p = expit(design @ coefficients)
    return np.asarray(design.T @ ((p * (1.0 - p))[:, None] * design))


def _value(design: Floats, y: Floats, coefficients: Floats, firth: bool) -> float:
    """Return the log-likelihood, penalised for Firth's method."""
    eta = design @ coefficients
    value = float(y @ eta - np.logaddexp(0.0, eta).sum())
    if not firth:
        return value
    total, _, spread = _weights(design, coefficients)[1:]
    determinant = total * spread
    return value + 0.5 * float(np.log(determinant)) if determinant > 0.0 else float("-inf")


def _weights(design: Floats, coefficients: Floats) -> tuple[Floats, float, float, float]:
    """Return p (1 - p), its sum, the weighted mean exposure and the spread about it.

    Sum times spread is the information's determinant, without the cancellation of a b - c^2.
    """
    p = expit(design @ coefficients)
    weight = p * (1.0 - p)
    total = float(weight.sum())
    middle = float(weight @ design[:, 1]) / total if total > 0.0 else 0.0
    return weight, total, middle, float(weight @ (design[:, 1] - middle) ** 2)


def maximise(
    design: Floats, y: Floats, start: Floats, free: tuple[int, ...], firth: bool
) -> tuple[Floats, float]:
    """Return the best coefficients (2,) and their (penalised) log-likelihood.

    Fisher scoring over the free coefficients; the others stay at start. Raises LimitError when
    it does not converge.

    A step must bring a quarter of the gain that its slope promises, else it is halved: Firth's
    penalty can curve more than the information says, and full steps then swing for ever.
    """
    columns = list(free)
    found, value = start.copy(), _value(design, y, start, firth)
    share = 1.0
    for _ in range(ITERATIONS_AT_MOST):
        p = expit(design @ found)
        weight, total, middle, spread = _weights(design, found)
        informed = design.T @ (weight[:, None] * design)
        residual = y - p
        if firth:
            leverage = weight * (1.0 / total + (design[:, 1] - middle) ** 2 / spread)
            residual = residual + leverage * (0.5 - p)
        score = design[:, columns].T @ residual
        step = np.zeros(2)
        step[columns] = np.linalg.solve(informed[np.ix_(columns, columns)], score)
        step *= min(1.0, STEP_AT_MOST / max(float(np.abs(step).max()), 1e-300))
        promised, noise = float(score @ step[columns]), GAIN_IS_ZERO * (1.0 + abs(value))
        # What is fixed is profiled for its height only, and the height is there already.
        is_there = promised <= noise if len(free) == 1 else False
        if is_there or np.abs(step).max() <= STEP_IS_ZERO * (1.0 + np.abs(found).max()):
            return found, value
        while (risen := _value(design, y, found + share * step, firth)) < (
            value + 0.25 * share * promised - noise
        ):
            share *= 0.5
        found, value = found + share * step, risen
        share = share if firth else min(1.0, 2.0 * share)
    raise LimitError("the logistic fit did not converge; look for extreme exposures")
