"""Where to look for the tops of a logistic likelihood.

Firth's penalised likelihood can have several tops: where exposures spread over very different
scales, and, at a steep slope, between any two neighbouring exposures. Tops are therefore sought
from slopes of every scale, and a profile point from steps at many exposures.
"""

from dataclasses import replace

import numpy as np

from sim.errors import LimitError
from sim.exposure_response.likelihood import Floats, Surface

CELLS_AT_MOST = 400_000
SLOPES_A_SIGN, POSITIONS_AT_MOST = 24, 60
SAME_TOP = 1e-3
BOUND_STEPS_AT_MOST = 80


def find_tops(surface: Surface, null: Floats) -> list[tuple[Floats, float]]:
    """Return the tops of a surface, coefficients (2,) and height, the highest first.

    Ascents start at slope 0 (null), at the maximum-likelihood estimate where there is one, and
    at slopes of both signs from a tenth of a logit over all exposures to dozens over the middle
    half. Raises LimitError where none ends at a top.
    """
    starts = [null[None, :]]
    if surface.firth:
        likely = replace(surface, firth=False).climb(null[None, :]).highest()
        starts += [likely[0][None, :]] if likely is not None else []
        starts += [steps_at_positions(surface, slope, 2) for slope in _slopes(surface)]
    tops = surface.climb(np.vstack(starts))
    found: list[tuple[Floats, float]] = []
    for row in np.argsort(-tops.height, kind="stable"):
        one = tops.coefficients[row]
        if tops.reached[row] and not any(_is_same(surface, one, other) for other, _ in found):
            found.append((one, float(tops.height[row])))
    if not found:
        raise LimitError("the logistic fit did not converge; look for extreme exposures")
    return found


def _is_same(surface: Surface, one: Floats, other: Floats) -> bool:
    """Tell whether two tops differ by less than a thousandth of their standard errors."""
    at_mean, mean, slope = surface.variances(other)
    apart = one - other
    along = apart[0] + apart[1] * mean
    return bool(along * along / at_mean + apart[1] ** 2 / slope < SAME_TOP**2)


def _slopes(surface: Surface) -> Floats:
    """Return slopes of both signs, evenly on a logarithmic scale."""
    x = surface.exposure
    middle = float(np.subtract(*np.quantile(x, [0.75, 0.25]))) / 1.35
    widest = float(np.ptp(x))
    steepest = 40.0 / (middle if middle > 0.0 else widest)
    count = int(np.clip(CELLS_AT_MOST // (2 * len(x)), 2, SLOPES_A_SIGN))
    up = np.geomspace(0.1 / widest, max(steepest, 10.0 / widest), count)
    return np.concatenate([-up[::-1], up])


def _positions(surface: Surface) -> tuple[Floats, Floats]:
    """Return exposures, thinned but not at the ends, and the middles between them, rising."""
    x = np.unique(surface.exposure)
    most = int(np.clip(CELLS_AT_MOST // (4 * len(surface.exposure)), 2, POSITIONS_AT_MOST))
    if len(x) > most:
        ends = most // 4
        inner = np.linspace(ends, len(x) - 1 - ends, most - 2 * ends).round().astype(int)
        outer = np.arange(ends)
        x = x[np.unique(np.concatenate([outer, inner, len(x) - 1 - outer]))]
    return x, 0.5 * (x[1:] + x[:-1])


def _logits_and_positions(surface: Surface) -> tuple[Floats, Floats]:
    """Return logits and the exposures to have them at.

    They are -1, 0 and 1 at exposures, where the penalty makes tops, and 0 at middles.
    """
    x, middles = _positions(surface)
    logits = np.concatenate([np.repeat([-1.0, 0.0, 1.0], len(x)), np.zeros(len(middles))])
    return logits, np.concatenate([x, x, x, middles])


def steps_at_positions(surface: Surface, slope: float, count: int) -> Floats:
    """Return the best few coefficients (k, 2) of a slope whose logit is 0 near an exposure."""
    share = float(surface.event.mean())
    level = float(np.log(share) - np.log1p(-share))
    logits, at = _logits_and_positions(surface)
    intercepts = np.append(logits - slope * at, level - slope * surface.exposure.mean())
    return _best(
        surface, np.column_stack([np.sort(intercepts), np.full(len(at) + 1, slope)]), count
    )


def slopes_through(surface: Surface, intercept: float, count: int) -> Floats:
    """Return the best few coefficients (k, 2) of an intercept: steps at exposures and others."""
    logits, at = _logits_and_positions(surface)
    there = at != 0.0
    steps = (logits[there] - intercept) / at[there]
    slopes = np.unique(np.concatenate([steps, _slopes(surface), [0.0]]))
    return _best(surface, np.column_stack([np.full(len(slopes), intercept), slopes]), count)


def _best(surface: Surface, candidates: Floats, count: int) -> Floats:
    """Return the highest of the candidates (k, 2) that are higher than their neighbours."""
    height = surface.height(candidates)
    padded = np.concatenate([[-np.inf], height, [-np.inf]])
    hills = np.flatnonzero((height >= padded[:-2]) & (height >= padded[2:]))
    return candidates[hills[np.argsort(-height[hills], kind="stable")[:count]]]
