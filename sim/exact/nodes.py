"""Quadrature over what differs between patients: CL/F, body surface area, frailty.

The trapezoidal rule in a variable in which the density vanishes at both ends converges
geometrically for these integrands. Every second node is a rule of its own, with twice the step:
the difference between the two shows the error of the coarser, far above that of the finer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import erfc, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
NORMAL_REACH = 7.5  # standard deviations; 6e-14 of the mass lies beyond
STEPS = (60, 24, 56)  # of clearance, body surface area and frailty, to begin with
FRAILTY_DROP = 36.0  # the log density at the ends lies this far below its highest value


@dataclass(frozen=True)
class Nodes:
    """Virtual patients with weights that stand for all.

    cl_f [L/h], bsa [m2] and frailty have shape (nodes,); weights (rules, nodes): first the rule
    in use, then for every integral the same with twice that integral's step. integrals says
    which: 0 clearance, 1 body surface area, 2 frailty.
    """

    cl_f: Reals
    bsa: Reals
    frailty: Reals
    weights: Reals
    integrals: tuple[int, ...]


@dataclass(frozen=True)
class Law:
    """One integral: values and weights of the rule in use, and weights of the coarser one."""

    values: Reals
    weights: Reals
    coarse: Reals | None = None


def nodes_of(plan: Any, steps: Sequence[int] = STEPS) -> Nodes:
    """Return the nodes of a plan's patients: all combinations of its laws' nodes.

    steps of clearance, body surface area and frailty; even numbers.
    """
    laws = (
        _clearance(plan, steps[0]),
        _body_surface(plan, steps[1]),
        _frailty(float(plan.frailty_variance), steps[2]),
    )
    cl_f, bsa, frailty = (
        grid.ravel() for grid in np.meshgrid(*(law.values for law in laws), indexing="ij")
    )
    weights, integrals = [_product([law.weights for law in laws])], []
    for place, law in enumerate(laws):
        if law.coarse is not None:
            own = [other.weights for other in laws]
            own[place] = law.coarse
            weights.append(_product(own))
            integrals.append(place)
    return Nodes(cl_f, bsa, frailty, np.stack(weights), tuple(integrals))


def _product(weights: list[Reals]) -> Reals:
    first, second, third = weights
    return np.einsum("i,j,k->ijk", first, second, third).ravel()


def _trapezoid(values: Reals, density: Reals) -> Law:
    """Return the rule of an odd number of equally spaced nodes, scaled to a mass of 1."""
    coarse = np.where(np.arange(len(density)) % 2 == 0, density, 0.0)
    return Law(values, density / density.sum(), coarse / coarse.sum())


def _clearance(plan: Any, steps: int) -> Law:
    if plan.n_individuals > 0:
        count = int(plan.n_individuals)
        return Law(np.array(plan.individual_cl_f[:count]), np.full(count, 1.0 / count))
    if plan.cl_f_sd_log == 0.0:
        return Law(np.array([float(plan.cl_f_typical)]), np.ones(1))
    z = np.linspace(-NORMAL_REACH, NORMAL_REACH, steps + 1)
    return _trapezoid(plan.cl_f_typical * np.exp(plan.cl_f_sd_log * z), np.exp(-z * z / 2.0))


def _body_surface(plan: Any, steps: int) -> Law:
    """A normal law cut to its limits, with what lies beyond collected at them.

    Between the limits the tanh-sinh rule, whose nodes crowd at both.
    """
    if not plan.per_m2:
        return Law(np.ones(1), np.ones(1))
    mean, sd, low, high = (
        float(v) for v in (plan.bsa_mean, plan.bsa_sd, plan.bsa_low, plan.bsa_high)
    )
    if sd == 0.0:
        return Law(np.array([min(max(mean, low), high)]), np.ones(1))
    x, fine = _double_exponential(steps, low, high)
    _, half = _double_exponential(steps // 2, low, high)
    density = np.exp(-(((x - mean) / sd) ** 2) / 2.0) / (sd * np.sqrt(2.0 * np.pi))
    ends = [_normal_below((low - mean) / sd), _normal_below((mean - high) / sd)]
    weights = fine * density
    coarse = np.zeros_like(weights)
    coarse[::2] = half * density[::2]
    return Law(
        np.concatenate([[low], x, [high]]),
        np.concatenate([[ends[0]], weights, [ends[1]]]),
        np.concatenate([[ends[0]], coarse, [ends[1]]]),
    )


def _double_exponential(steps: int, low: float, high: float) -> tuple[Reals, Reals]:
    """Return nodes and weights of the tanh-sinh rule (Takahasi and Mori, 1974) on an interval."""
    t = np.linspace(-3.2, 3.2, steps + 1)
    inner = np.pi / 2.0 * np.sinh(t)
    half = (high - low) / 2.0
    x = (low + high) / 2.0 + half * np.tanh(inner)
    slope = half * np.pi / 2.0 * np.cosh(t) / np.cosh(inner) ** 2
    return x, slope * (t[1] - t[0])


def _normal_below(x: float) -> float:
    return erfc(-x / sqrt(2.0)) / 2.0


def _frailty(variance: float, steps: int) -> Law:
    """Gamma law of mean 1: Z = exp(v), v = x - exp(-x).

    With a = 1 / variance the density of v is that of exp(a v - a exp(v)): it falls slowly to the
    left, and doubly exponentially once v is bent so.
    """
    if variance == 0.0:
        return Law(np.ones(1), np.ones(1))
    a = 1.0 / variance
    low, high = _reach_of_log_gamma(a)
    x = np.linspace(_unbent(low), _unbent(high), steps + 1)
    v = x - np.exp(-x)
    density = np.exp(a * (v - np.exp(v) + 1.0)) * (1.0 + np.exp(-x))
    return _trapezoid(np.exp(v), density)


def _reach_of_log_gamma(a: float) -> tuple[float, float]:
    """Return where a (exp(v) - 1 - v) reaches the drop, on either side of 0."""

    def excess(v: float) -> float:
        return float(a * (np.exp(v) - 1.0 - v) - FRAILTY_DROP)

    wide = FRAILTY_DROP / a + 2.0
    return _root(excess, -wide, 0.0), _root(excess, 0.0, float(np.log(wide + 1.0)) + 3.0)


def _unbent(v: float) -> float:
    """Return the x with x - exp(-x) = v."""
    return _root(lambda x: float(x - np.exp(-x) - v), -float(np.log(abs(v) + 2.0)), abs(v) + 2.0)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return the root between two points of different sign, by bisection."""
    rises = function(high) > 0.0
    for _ in range(100):
        middle = (low + high) / 2.0
        if (function(middle) > 0.0) == rises:
            high = middle
        else:
            low = middle
    return (low + high) / 2.0
