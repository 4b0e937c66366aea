"""The log-likelihood of a logistic regression on one exposure, plain or penalised, and its tops.

Many pairs of coefficients are valued and improved at once: Firth's penalised surface can have
several tops, and only several starts find the highest.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
INTERCEPT, SLOPE = 0, 1
BOTH = (INTERCEPT, SLOPE)
ITERATIONS_AT_MOST = 300
HALVINGS_AT_MOST = 60
STEP_AT_MOST = 1e4
GAIN_IS_ZERO = 1e-12
SHARE_OF_PROMISE = 0.1


@dataclass(frozen=True)
class Tops:
    """Where ascents ended: coefficients (k, 2), heights (k,) and which are true tops."""

    coefficients: Floats
    height: Floats
    reached: Flags

    def highest(self) -> tuple[Floats, float] | None:
        """Return the best coefficients (2,) and their height; None where no ascent ended."""
        if not self.reached.any():
            return None
        best = int(np.argmax(np.where(self.reached, self.height, -np.inf)))
        return self.coefficients[best], float(self.height[best])


@dataclass(frozen=True)
class _Weights:
    """p (1 - p) over its largest value of each row, about the weighted mean exposure.

    log_peak (k,), weight and exposure about the mean (k, n), mean, total and spread (k,). The
    determinant of the information is exp(2 log_peak) total spread, without cancellation and
    without underflow.
    """

    log_peak: Floats
    weight: Floats
    about: Floats
    mean: Floats
    total: Floats
    spread: Floats


@dataclass(frozen=True)
class _Slopes:
    """Gradient (k, 2), Hessian and expected information (k, 3: aa, ab, bb), mean exposure (k,).

    All with respect to the intercept at the weighted mean exposure and the slope.
    """

    gradient: Floats
    hessian: Floats
    information: Floats
    mean: Floats


@dataclass(frozen=True)
class Surface:
    """Log-likelihood over (intercept, slope), penalised by log(det I) / 2 for Firth's method.

    exposure (n,), best of order one; event (n,) of 0 and 1.
    """

    exposure: Floats
    event: Floats
    firth: bool

    def height(self, coefficients: Floats) -> Floats:
        """Return the (penalised) log-likelihood of every row of coefficients (k, 2)."""
        eta = coefficients[:, :1] + coefficients[:, 1:] * self.exposure
        margin = np.where(self.event == 1.0, eta, -eta)
        value = (np.minimum(margin, 0.0) - np.log1p(np.exp(-np.abs(eta)))).sum(axis=1)
        if self.firth:
            found = self._weights(eta)
            with np.errstate(divide="ignore"):
                value += found.log_peak + 0.5 * (np.log(found.total) + np.log(found.spread))
        return np.asarray(value)

    def variances(self, coefficients: Floats) -> tuple[float, float, float]:
        """Return what the inverse expected information of the unpenalised likelihood holds.

        That is the variance of the logit at the weighted mean exposure, this mean, and the
        variance of the slope; logit there and slope are uncorrelated. coefficients (2,).
        """
        found = self._weights(coefficients[0] + coefficients[1] * self.exposure[None, :])
        unit = float(np.exp(-found.log_peak[0]))
        return unit / float(found.total[0]), float(found.mean[0]), unit / float(found.spread[0])

    def climb(self, starts: Floats, free: tuple[int, ...] = BOTH) -> Tops:
        """Improve every row of starts (k, 2) over the free coefficients; the others stay.

        Newton's method; expected instead of observed information where the surface is not
        concave. A step must bring a tenth of the gain that its slope promises, else it is
        halved.
        """
        found = np.array(starts, np.float64)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            value = self.height(found)
            reached = np.zeros(len(found), bool)
            active = np.flatnonzero(np.isfinite(value))
            for _ in range(ITERATIONS_AT_MOST):
                if len(active) == 0:
                    break
                active = self._advance(found, value, reached, active, free)
        return Tops(found, value, reached)

    def _advance(
        self,
        found: Floats,
        value: Floats,
        reached: Flags,
        active: NDArray[np.intp],
        free: tuple[int, ...],
    ) -> NDArray[np.intp]:
        """Take one step of the active rows, in place; return those that go on."""
        step, promised, is_concave = _steps(self._slopes(found[active]), free)
        noise = GAIN_IS_ZERO * (1.0 + np.abs(value[active]))
        longest = STEP_AT_MOST * (1.0 + np.abs(found[active]).max(axis=1))
        short_of = np.minimum(1.0, longest / np.maximum(np.abs(step).max(axis=1), 1e-300))
        step, promised = step * short_of[:, None], promised * short_of
        ready = np.isfinite(step).all(axis=1) & np.isfinite(promised)
        at_top = ready & (promised <= noise)
        factor, target = np.ones(len(active)), np.where(at_top, 0.0, SHARE_OF_PROMISE)
        new = self.height(found[active] + step)
        for _ in range(HALVINGS_AT_MOST):
            enough = new >= value[active] + target * factor * promised - noise
            short = np.flatnonzero(ready & ~at_top & ~enough)
            if len(short) == 0:
                break
            factor[short] *= 0.5
            new[short] = self.height(found[active[short]] + factor[short, None] * step[short])
        moved = ready & (new >= value[active] + target * factor * promised - noise)
        rows = active[moved]
        found[rows] += factor[moved, None] * step[moved]
        value[rows] = new[moved]
        reached[active[at_top]] = is_concave[at_top]
        return active[moved & ~at_top]

    def _weights(self, eta: Floats) -> _Weights:
        size = np.abs(eta)
        log_weight = -size - 2.0 * np.log1p(np.exp(-size))
        log_peak = log_weight.max(axis=1)
        weight = np.exp(log_weight - log_peak[:, None])
        # About the heaviest patient first: one that outweighs all leaves no rounding error.
        origin = self.exposure[np.argmax(log_weight, axis=1)]
        about = self.exposure - origin[:, None]
        total = weight.sum(axis=1)
        shift = (weight * about).sum(axis=1) / total
        about = about - shift[:, None]
        spread = (weight * about**2).sum(axis=1)
        return _Weights(log_peak, weight, about, origin + shift, total, spread)

    def _slopes(self, coefficients: Floats) -> _Slopes:
        eta = coefficients[:, :1] + coefficients[:, 1:] * self.exposure
        found = self._weights(eta)
        z, unit = found.about, np.exp(found.log_peak)
        residual = self.event - expit(eta)
        gradient = np.column_stack([residual.sum(axis=1), (residual * z).sum(axis=1)])
        zero = np.zeros(len(eta))
        information = np.column_stack([unit * found.total, zero, unit * found.spread])
        hessian = -information
        if self.firth:
            penalty, curvature = _penalty_slopes(found, eta)
            gradient, hessian = gradient + penalty, hessian + curvature
        return _Slopes(gradient, hessian, information, found.mean)


def _penalty_slopes(found: _Weights, eta: Floats) -> tuple[Floats, Floats]:
    """Return first (k, 2) and second (k, 3) derivatives of log(det I) / 2.

    det I = s0 s2 - s1^2 with s the weighted power sums of exposure; about the weighted mean s1
    is 0. The weight w = p (1 - p) has derivatives w (1 - 2 p) and w (1 - 6 w) by the logit.
    """
    z = found.about
    first = found.weight * -np.tanh(0.5 * eta)
    full = found.weight * np.exp(found.log_peak)[:, None]
    second = found.weight * (1.0 - 6.0 * full)
    t0, t1, t2, t3 = ((first * z**power).sum(axis=1) for power in range(4))
    u0, u1, u2, u3, u4 = ((second * z**power).sum(axis=1) for power in range(5))
    s0, s2 = found.total, found.spread
    determinant = s0 * s2
    by_a = (t0 * s2 + s0 * t2) / determinant
    by_b = (t1 * s2 + s0 * t3) / determinant
    by_aa = (u0 * s2 + 2.0 * t0 * t2 + s0 * u2 - 2.0 * t1 * t1) / determinant
    by_ab = (u1 * s2 + t0 * t3 - t1 * t2 + s0 * u3) / determinant
    by_bb = (u2 * s2 + 2.0 * t1 * t3 + s0 * u4 - 2.0 * t2 * t2) / determinant
    gradient = 0.5 * np.column_stack([by_a, by_b])
    curvature = [by_aa - by_a * by_a, by_ab - by_a * by_b, by_bb - by_b * by_b]
    return gradient, 0.5 * np.column_stack(curvature)


def _steps(slopes: _Slopes, free: tuple[int, ...]) -> tuple[Floats, Floats, Flags]:
    """Return steps (k, 2), the gain each promises (k,), and where the surface is concave."""
    (u0, u1), mean = slopes.gradient.T, slopes.mean
    aa, ab, bb = -slopes.hessian.T
    i_aa, _, i_bb = slopes.information.T
    zero = np.zeros(len(mean))
    if free == BOTH:
        determinant = aa * bb - ab * ab
        is_concave = (aa > 0.0) & (determinant > 0.0)
        step_b = np.where(is_concave, (aa * u1 - ab * u0) / determinant, u1 / i_bb)
        at_mean = np.where(is_concave, (bb * u0 - ab * u1) / determinant, u0 / i_aa)
        step = np.column_stack([at_mean - mean * step_b, step_b])
        return step, u0 * at_mean + u1 * step_b, is_concave
    if free == (INTERCEPT,):
        score, observed, expected = u0, aa, i_aa
    else:
        score = mean * u0 + u1
        observed = mean * mean * aa + 2.0 * mean * ab + bb
        expected = mean * mean * i_aa + i_bb
    is_concave = observed > 0.0
    along = score / np.where(is_concave, observed, expected)
    step = np.column_stack([along, zero] if free == (INTERCEPT,) else [zero, along])
    return step, score * along, is_concave
