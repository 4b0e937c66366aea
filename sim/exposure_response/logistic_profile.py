"""Intervals from the (penalised) profile likelihood of a logistic regression.

A profile point is the greatest height over the other coefficient, from several starts. Where
the profile crosses its limit more than once, the interval ends at the outermost crossings.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.optimize import brentq

from sim.errors import LimitError
from sim.exposure_response.likelihood import INTERCEPT, SLOPE, Floats, Surface
from sim.exposure_response.logistic_search import slopes_through, steps_at_positions

STARTS_A_POINT = 4
BOUND_STEPS_AT_MOST = 80


@dataclass(frozen=True)
class Interval:
    """Bounds of a confidence interval; infinite where the data set no bound."""

    low: float
    high: float


@dataclass(frozen=True)
class Top:
    """Coefficients at which the (penalised) log-likelihood is higher than all about it."""

    intercept: float
    slope: float
    log_likelihood: float


@dataclass(frozen=True)
class Profiled:
    """Exposure and event (n,), and the tops, the highest first; its slope may be infinite."""

    exposure: Floats = field(repr=False)
    event: Floats = field(repr=False)
    firth: bool
    tops: tuple[Top, ...]


def profile_interval(data: Profiled, which: int, allowed: float) -> Interval:
    """Return where twice the loss of profile log-likelihood is allowed, a chi-square quantile.

    Raises LimitError where a profile point cannot be found.
    """
    best = data.tops[0]
    is_finite = bool(np.isfinite(best.slope))
    if which == INTERCEPT and not is_finite:
        return Interval(float("nan"), float("nan"))
    scale = float(data.exposure.std())
    # The intercept is a coefficient of its own only on an exposure that is not centred.
    centre = float(data.exposure.mean()) if which == SLOPE else 0.0
    surface = Surface((data.exposure - centre) / scale, data.event, data.firth)
    # The penalty of the given exposure differs from the scaled one's by log(scale).
    shift = float(np.log(scale)) if data.firth else 0.0
    unit = 1.0 if which == INTERCEPT else scale

    def excess(value: float, near: float | None = None) -> float:
        loss = best.log_likelihood - _height(surface, which, value, near) - shift
        return 2.0 * loss - allowed

    if not is_finite:
        sign = 1.0 if best.slope > 0.0 else -1.0
        bound = sign * _bound_below_infinity(lambda slope: excess(sign * slope)) / unit
        ends = sorted([bound, best.slope])
        return Interval(ends[0], ends[1])
    # Any stretch of values within the limit holds a top, so the outermost top leads out.
    near = [t for t in data.tops if 2.0 * (best.log_likelihood - t.log_likelihood) < allowed]
    scaled = [np.array([t.intercept + t.slope * centre, t.slope * scale]) for t in near]
    low, high = (_outward(surface, scaled, which, sign, excess) / unit for sign in (-1.0, 1.0))
    return Interval(low, high)


def _outward(
    surface: Surface,
    tops: list[Floats],
    which: int,
    sign: float,
    excess: Callable[[float, float | None], float],
) -> float:
    """Return the crossing outward from the outermost top, guessing along its lean."""
    top = max(tops, key=lambda one: sign * float(one[which]))
    at_mean, mean, slope = surface.variances(top)
    variance = slope if which == SLOPE else at_mean + mean * mean * slope
    lean = -mean * slope / variance
    value, other = float(top[which]), float(top[1 - which])
    step = sign * float(np.sqrt(variance))
    return _crossing(lambda at: excess(at, other + lean * (at - value)), value, step)


def _bound_below_infinity(excess: Callable[[float], float]) -> float:
    """Return the slope at which a profile that rises for ever comes within the limit."""
    if excess(0.0) < 0.0:
        return _crossing(excess, 0.0, -1.0)
    return -_crossing(lambda slope: -excess(-slope), 0.0, -1.0)


def _height(surface: Surface, which: int, value: float, near: float | None) -> float:
    """Return the greatest height with one coefficient held at value.

    near is a guess at the other. Raises LimitError where no ascent ends.
    """
    other = 1 - which
    if which == SLOPE:
        starts = steps_at_positions(surface, value, STARTS_A_POINT)
    else:
        starts = slopes_through(surface, value, STARTS_A_POINT)
    if near is not None and np.isfinite(near):
        guess = np.array([[value, near] if which == INTERCEPT else [near, value]])
        if surface.firth:
            likely = replace(surface, firth=False).climb(guess, (other,))
            guess = np.vstack([guess, likely.coefficients[likely.reached]])
        starts = np.vstack([guess, starts])
    best = surface.climb(starts, (other,)).highest()
    if best is None:
        raise LimitError(
            f"the likelihood at one {('intercept', 'slope')[which]} could not be maximised; "
            "look for extreme exposures"
        )
    return best[1]


def _crossing(excess: Callable[[float], float], inside: float, step: float) -> float:
    """Return where excess turns from below 0 to above, outward from inside as step points.

    Infinite where it does not within 80 steps, each half as long again as the one before.
    """
    for _ in range(BOUND_STEPS_AT_MOST):
        outside = inside + step
        if excess(outside) >= 0.0:
            return float(brentq(excess, inside, outside, xtol=1e-11, rtol=1e-13))
        inside, step = outside, 1.5 * step
    return float("inf") if step > 0.0 else float("-inf")
