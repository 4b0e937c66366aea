"""The same logistic regression for thousands of simulated trials at once, by maximum likelihood.

Newton's method with step halving, each trial on its own centred and scaled exposure; a trial
leaves the loop when it has converged.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, xlogy

from sim.errors import LimitError

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
TRIALS_AT_ONCE = 2048
ITERATIONS_AT_MOST = 60
HALVINGS_AT_MOST = 30
STEP_IS_ZERO = 1e-10
# Beyond these no unit of AUC is meant, and squares would leave the range of numbers.
EXPOSURE_AT_LEAST, EXPOSURE_AT_MOST = 1e-30, 1e30


@dataclass(frozen=True)
class ManyFits:
    """Fits of many trials, each field of shape (trials,).

    separated trials have an infinite slope, a NaN intercept and SE, and the supremum as
    log_likelihood, so that their likelihood-ratio statistic holds. Trials in which all or none
    have the event, or with one exposure value, are neither converged nor separated: slope NaN
    and a likelihood-ratio statistic of 0.
    """

    intercept: Floats
    slope: Floats
    se_slope: Floats
    log_likelihood: Floats
    null_log_likelihood: Floats
    converged: Flags
    separated: Flags

    @property
    def likelihood_ratio(self) -> Floats:
        """Twice the gain of log-likelihood over slope 0, of shape (trials,)."""
        return np.maximum(0.0, 2.0 * (self.log_likelihood - self.null_log_likelihood))


def fit_many(exposure: NDArray[np.floating], event: NDArray[np.generic]) -> ManyFits:
    """Fit every trial; exposure and event are of shape (trials, n), event 0 or 1.

    Raises LimitError where shapes differ, an exposure is not usable or an event is neither.
    """
    x, y = np.asarray(exposure, np.float64), np.asarray(event).astype(np.float64)
    if x.ndim != 2 or x.shape != y.shape:
        raise LimitError(f"exposure of shape {x.shape} and event of shape {y.shape} do not match")
    check_values(x, y)
    parts = [
        _fit_block(x[at : at + TRIALS_AT_ONCE], y[at : at + TRIALS_AT_ONCE])
        for at in range(0, max(len(x), 1), TRIALS_AT_ONCE)
    ]
    return ManyFits(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ManyFits.__dataclass_fields__
        )
    )


def check_values(exposure: Floats, event: Floats) -> None:
    """Raise LimitError for an exposure that is not usable, or an event that is neither 0 nor 1."""
    if not np.isfinite(exposure).all():
        raise LimitError("an exposure is missing or infinite")
    # Beyond these sizes squares of exposures leave the range of double precision.
    size = np.abs(exposure)
    if not ((size == 0.0) | ((size >= EXPOSURE_AT_LEAST) & (size <= EXPOSURE_AT_MOST))).all():
        raise LimitError(
            f"an exposure is neither 0 nor within {EXPOSURE_AT_LEAST:g} to {EXPOSURE_AT_MOST:g}"
        )
    if not ((event == 0.0) | (event == 1.0)).all():
        raise LimitError("an event is neither 0 nor 1")


def _fit_block(x: Floats, y: Floats) -> ManyFits:
    trials, patients = x.shape
    events = y.sum(axis=1)
    null = _binomial_log_likelihood(events, np.full(trials, float(patients)))
    fittable = (events > 0) & (events < patients) & (np.ptp(x, axis=1) > 0.0)
    slope_at_infinity, supremum = _separated_limits(x, y)
    separated = fittable & (slope_at_infinity != 0.0)
    intercept, se = np.full(trials, np.nan), np.full(trials, np.nan)
    slope = np.where(separated, slope_at_infinity, np.nan)
    log_likelihood = np.where(separated, supremum, null)
    converged = np.zeros(trials, bool)
    rows = np.flatnonzero(fittable & ~separated)
    if len(rows):
        centre, scale = x[rows].mean(axis=1), x[rows].std(axis=1)
        scaled = (x[rows] - centre[:, None]) / scale[:, None]
        a, b, variance, value, done = _newton(scaled, y[rows])
        slope[rows] = b / scale
        intercept[rows] = a - b * centre / scale
        se[rows] = np.sqrt(variance) / scale
        log_likelihood[rows], converged[rows] = value, done
    return ManyFits(intercept, slope, se, log_likelihood, null, converged, separated)


def _binomial_log_likelihood(events: Floats, patients: Floats) -> Floats:
    share = np.divide(events, patients, out=np.zeros_like(events), where=patients > 0.0)
    return np.asarray(xlogy(events, share) + xlogy(patients - events, 1.0 - share))


def _separated_limits(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return the sign of an infinite slope, times infinity, or 0, and the supremum reached."""
    low_with = np.where(y == 1.0, x, np.inf).min(axis=1)
    high_with = np.where(y == 1.0, x, -np.inf).max(axis=1)
    low_without = np.where(y == 0.0, x, np.inf).min(axis=1)
    high_without = np.where(y == 0.0, x, -np.inf).max(axis=1)
    rising, falling = low_with >= high_without, low_without >= high_with
    limit = np.where(rising, np.inf, np.where(falling, -np.inf, 0.0))
    # Only patients at the value where the two ranges touch stay undecided.
    touching = np.where(rising, high_without, high_with)[:, None]
    tied = x == touching
    both = tied & (low_with == high_without)[:, None] | tied & (low_without == high_with)[:, None]
    supremum = _binomial_log_likelihood((y * both).sum(axis=1), both.sum(axis=1).astype(np.float64))
    return limit, supremum


def _log_likelihood(a: Floats, b: Floats, z: Floats, y: Floats) -> Floats:
    eta = a[:, None] + b[:, None] * z
    return np.asarray((y * eta - np.maximum(eta, 0.0) - np.log1p(np.exp(-np.abs(eta)))).sum(axis=1))


def _newton(z: Floats, y: Floats) -> tuple[Floats, Floats, Floats, Floats, Flags]:
    """Return intercept, slope, variance of the slope, log-likelihood and who converged."""
    share = y.mean(axis=1)
    a, b = np.log(share) - np.log1p(-share), np.zeros(len(y))
    value = _log_likelihood(a, b, z, y)
    variance, done = np.full(len(y), np.nan), np.zeros(len(y), bool)
    active = np.arange(len(y))
    for _ in range(ITERATIONS_AT_MOST):
        z_now, y_now, a_now, b_now = z[active], y[active], a[active], b[active]
        p = expit(a_now[:, None] + b_now[:, None] * z_now)
        w, residual = p * (1.0 - p), y_now - p
        s0, s1, s2 = w.sum(axis=1), (w * z_now).sum(axis=1), (w * z_now**2).sum(axis=1)
        determinant = s0 * s2 - s1**2
        u0, u1 = residual.sum(axis=1), (residual * z_now).sum(axis=1)
        step_a = (s2 * u0 - s1 * u1) / determinant
        step_b = (s0 * u1 - s1 * u0) / determinant
        variance[active] = s0 / determinant
        factor, risen = _halved(a_now, b_now, step_a, step_b, z_now, y_now, value[active])
        a[active] += factor * step_a
        b[active] += factor * step_b
        value[active] = risen
        size = np.maximum(np.abs(step_a), np.abs(step_b))
        small = size <= STEP_IS_ZERO * (1.0 + np.abs(a[active]) + np.abs(b[active]))
        done[active[small]] = True
        active = active[~small]
        if len(active) == 0:
            break
    return a, b, variance, value, done


def _halved(
    a: Floats, b: Floats, step_a: Floats, step_b: Floats, z: Floats, y: Floats, value: Floats
) -> tuple[Floats, Floats]:
    """Return the share of each Newton step that does not lower the likelihood, and its value."""
    factor = np.ones(len(a))
    risen = _log_likelihood(a + step_a, b + step_b, z, y)
    slack = 1e-11 * (1.0 + np.abs(value))
    for _ in range(HALVINGS_AT_MOST):
        worse = np.flatnonzero(~(risen >= value - slack))
        if len(worse) == 0:
            break
        factor[worse] *= 0.5
        part = factor[worse]
        risen[worse] = _log_likelihood(
            a[worse] + part * step_a[worse], b[worse] + part * step_b[worse], z[worse], y[worse]
        )
    return factor, risen
