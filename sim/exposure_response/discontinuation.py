"""From counts of discontinuations for adverse events to q and phi, without simulation.

q is the probability that a counted adverse event ends treatment, phi the share of the reference
course's hazard that falls in its early cycles. Two counts (31 of 275 stopped, 27 of them by the
end of cycle 4) fix both once a dose and the other exits are given (`reference/methods.md` 4.1 and
5.1). At a fixed dose the stay probability of a cycle takes two values per patient, early and
late, so the cumulative incidence is a short sum; it is integrated over log CL/F by Gauss-Hermite
and over the frailty by the trapezoidal rule.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import gammaincinv, gammaln

from sim.errors import LimitError

Array = NDArray[np.float64]

CLEARANCE_NODES = 31
FRAILTY_STEP = 0.45
FRAILTY_STEPS_AT_LEAST = 40
FRAILTY_MASS_BELOW = 1e-6
FRAILTY_MASS_ABOVE = 1e-14
SMALLEST = 1e-300
# Beyond it a hazard is certain event in any arithmetic, and its exponential would overflow.
LARGEST_EXPONENT = 300.0
BROYDEN_STEPS = 30
# The smallest difference that still separates two probabilities near 0.1 in double precision.
SOLVED_WITHIN = 1e-13
DIFFERENCE = 1e-7
NEARLY_SINGULAR = 1e-12

Q_AT_1 = "q at 1"
PHI_AT_1 = "phi at 1"
PHI_AT_0 = "phi at 0"


class Logistic(Protocol):
    """logit P = intercept + slope * AUC/day, P of at least one event in the reference course."""

    @property
    def intercept(self) -> float: ...
    @property
    def slope(self) -> float: ...


@dataclass(frozen=True)
class Exposures:
    """AUC/day [ng*h/mL per day] of quadrature nodes, and their weights (they sum to 1)."""

    auc_per_day: Array
    weights: Array


@dataclass(frozen=True)
class Shares:
    """What is to be met: stopped / patients, and early / stopped; both may come from a draw."""

    total: float
    early_share: float


@dataclass(frozen=True)
class Counts:
    """Patients who stopped for adverse events, of how many, and by the end of the early cycles."""

    stopped: int
    patients: int
    early: int

    @property
    def shares(self) -> Shares:
        """The shares that these counts are."""
        return Shares(self.stopped / self.patients, self.early / self.stopped)


@dataclass(frozen=True)
class Course:
    """The stay: other exit per cycle, assessed after the adverse events of the cycle.

    After the reference course the last weight is held.
    """

    other_exit_per_cycle: float
    horizon_cycles: int = 12
    early_cycles: int = 4
    reference_cycles: int = 12

    def __post_init__(self) -> None:
        if not 0 < self.early_cycles < min(self.horizon_cycles, self.reference_cycles):
            raise LimitError(
                f"{self.early_cycles} early cycles; they must be at least 1 and fewer than the "
                f"{min(self.horizon_cycles, self.reference_cycles)} cycles of the course"
            )
        if not 0.0 <= self.other_exit_per_cycle < 1.0:
            raise LimitError(
                f"other exit per cycle is {self.other_exit_per_cycle:g}; allowed: 0 to below 1"
            )


@dataclass(frozen=True)
class Hazards:
    """Hazard over the reference course by kind and node, each (kinds, nodes); weights (nodes,).

    `flat` is spread evenly over the course, `loaded` by phi.
    """

    flat: Array
    loaded: Array
    weights: Array


@dataclass(frozen=True)
class Solved:
    """q and phi, what they give, and what is missing; `boundary` names what could not be met."""

    q: float
    phi: float
    total: float
    early_share: float
    residual_total: float
    residual_early_share: float
    boundary: tuple[str, ...] = ()

    @property
    def is_met(self) -> bool:
        """Whether q and phi lie inside their limits and give both counts."""
        return not self.boundary


def other_exit_of_median_stay(median_cycles: float) -> float:
    """Return m = 1 - 0.5^(1/median), the exit per cycle that half have taken by the median."""
    return float(-np.expm1(np.log(0.5) / median_cycles))


def dose_exposures(
    doses_mg: Sequence[float],
    dose_weights: Sequence[float],
    auc_per_day_per_mg: float,
    sd_log: float,
    nodes: int = CLEARANCE_NODES,
) -> Exposures:
    """Return exposures of a mix of doses, integrated over log CL/F by Gauss-Hermite.

    auc_per_day_per_mg is the typical patient's, sd_log the SD of log CL/F (0: no variability).
    """
    points, masses = np.polynomial.hermite_e.hermegauss(nodes if sd_log > 0.0 else 1)
    spread = auc_per_day_per_mg * np.exp(sd_log * points)
    shares = np.asarray(dose_weights, np.float64)
    weights = np.outer(shares / shares.sum(), masses / masses.sum())
    return Exposures(np.outer(doses_mg, spread).ravel(), weights.ravel())


def frailty_nodes(variance: float) -> tuple[Array, Array]:
    """Return values and weights of a gamma frailty with mean 1.

    Trapezoidal rule in log Z, which converges exponentially where Gauss-Laguerre crawls (shape
    below 1, large hazards). All mass below the first node is put on it: nobody stops there.
    """
    shape = 1.0 / variance
    low = np.log(max(gammaincinv(shape, FRAILTY_MASS_BELOW), SMALLEST))
    high = np.log(gammaincinv(shape, 1.0 - FRAILTY_MASS_ABOVE))
    steps = max(FRAILTY_STEPS_AT_LEAST, int(np.ceil((high - low) / FRAILTY_STEP)))
    log_value, step = np.linspace(low, high, steps + 1, retstep=True)
    weights = step * np.exp(shape * log_value - np.exp(log_value) - gammaln(shape))
    weights[0] = 1.0 - weights[1:].sum()
    return variance * np.exp(log_value), weights


def hazards(
    models: Sequence[Logistic],
    exposures: Exposures,
    frailty_variance: float = 0.0,
    background_is_flat: bool = False,
) -> Hazards:
    """Return H = log(1 + exp(intercept + slope * AUC/day)) of every kind at every node.

    With frailty H becomes Z * ((1 - P)^-theta - 1) / theta, which keeps P on average. A flat
    background is H at exposure 0; where the slope is negative all of the hazard is background.
    """
    intercept = np.array([model.intercept for model in models])[:, None]
    slope = np.array([model.slope for model in models])[:, None]
    whole = np.logaddexp(0.0, intercept + slope * exposures.auc_per_day)
    zero = np.broadcast_to(np.logaddexp(0.0, intercept), whole.shape)
    weights = exposures.weights
    if frailty_variance > 0.0:
        whole, zero = (_with_frailty(h, frailty_variance) for h in (whole, zero))
        values, masses = frailty_nodes(frailty_variance)
        whole, zero = ((h[:, :, None] * values).reshape(len(models), -1) for h in (whole, zero))
        weights = np.outer(weights, masses).ravel()
    flat = np.minimum(zero, whole) if background_is_flat else np.zeros_like(whole)
    return Hazards(flat, whole - flat, weights)


def _with_frailty(hazard: Array, variance: float) -> Array:
    return np.asarray(np.expm1(np.minimum(variance * hazard, LARGEST_EXPONENT)) / variance)


def cycle_hazards(found: Hazards, phi: float, course: Course) -> tuple[Array, Array]:
    """Return the hazard of one early and of one late cycle, each (kinds, nodes)."""
    reference, early = course.reference_cycles, course.early_cycles
    even = found.flat / reference
    return (
        even + found.loaded * (phi / early),
        even + found.loaded * ((1.0 - phi) / (reference - early)),
    )


def stay_probability(hazard: Array, q: float) -> Array:
    """Return s = prod_k (1 - q p_k), the probability that no event of a cycle ends treatment."""
    return np.asarray(np.prod(1.0 + q * np.expm1(-hazard), axis=0))


def _first_stops(stay: Array, cycles: int, other_exit: float) -> tuple[Array, Array]:
    """Return the share stopped within some equal cycles, and the share left after them."""
    onward = stay * (1.0 - other_exit)
    reached = np.ones_like(stay)
    for _ in range(cycles - 1):
        reached = 1.0 + onward * reached
    return (1.0 - stay) * reached, onward**cycles


def stopped_shares(
    early: Array, late: Array, weights: Array, course: Course
) -> tuple[float, float]:
    """Return the cumulative incidence of stopping by the early cycles, and by the horizon.

    early and late are the probabilities (nodes,) of passing one such cycle without a stop.
    """
    other_exit = course.other_exit_per_cycle
    first, left = _first_stops(early, course.early_cycles, other_exit)
    then, _ = _first_stops(late, course.horizon_cycles - course.early_cycles, other_exit)
    by_early = float(weights @ first)
    return by_early, by_early + float(weights @ (left * then))


def incidence(
    found: Hazards, q: float | tuple[float, float], phi: float, course: Course
) -> tuple[float, float]:
    """Return the share stopped for adverse events by the early cycles, and by the horizon.

    q is one probability per event, or one for early and one for late cycles.
    """
    early, late = cycle_hazards(found, phi, course)
    q_early, q_late = q if isinstance(q, tuple) else (q, q)
    return stopped_shares(
        stay_probability(early, q_early), stay_probability(late, q_late), found.weights, course
    )


def solve_q_phi(
    models: Sequence[Logistic],
    exposures: Exposures,
    course: Course,
    shares: Shares,
    frailty_variance: float = 0.0,
    background_is_flat: bool = False,
) -> Solved:
    """Return the q and phi that give the shares; at the boundary, flagged, if none do."""
    found = hazards(models, exposures, frailty_variance, background_is_flat)
    return solve_hazards(found, course, shares)


def solve_hazards(found: Hazards, course: Course, shares: Shares) -> Solved:
    """The same from hazards: a quick way, and nested bisection where it does not arrive."""
    if not 0.0 < shares.total < 1.0 or not 0.0 <= shares.early_share <= 1.0:
        raise LimitError(
            f"the share who stopped is {shares.total:g} and the early part of it "
            f"{shares.early_share:g}; q and phi need a share between 0 and 1, and a part of it"
        )
    inside = _broyden(found, course, shares)
    q, phi, boundary = (*inside, ()) if inside else _bounded(found, course, shares)
    return _solved(found, course, shares, q, phi, boundary)


def solve_q(found: Hazards, course: Course, total: float, phi: float) -> tuple[float, bool]:
    """Return the q that gives the total at this phi, and whether it had to be cut to 1."""
    return root_or_end(lambda q: incidence(found, q, phi, course)[1] - total)


def _solved(
    found: Hazards, course: Course, shares: Shares, q: float, phi: float, boundary: tuple[str, ...]
) -> Solved:
    early, total = incidence(found, q, phi, course)
    share = early / total if total > 0.0 else 0.0
    gaps = total - shares.total, share - shares.early_share
    return Solved(q, phi, total, share, *gaps, boundary)


def _start(found: Hazards, course: Course, shares: Shares) -> tuple[float, float]:
    """Guess q and phi as if few stopped: stops in proportion to patient-cycles and events."""
    stay = np.array([1.0 - course.other_exit_per_cycle])
    reached = stay ** np.arange(course.horizon_cycles)
    early_cycles = reached[: course.early_cycles].sum()
    late_cycles = reached[course.early_cycles :].sum()
    early, late = course.early_cycles, course.reference_cycles - course.early_cycles
    odds = shares.early_share / max(1.0 - shares.early_share, DIFFERENCE)
    ratio = odds * late_cycles / early_cycles
    phi = min(max(early * ratio / (early * ratio + late), 0.02), 0.98)
    spent = phi * early_cycles / early + (1.0 - phi) * late_cycles / late
    # Kinds with an event, not hazard: with frailty the mean of the hazard is that of a few.
    kinds = float(-np.expm1(-found.flat - found.loaded).sum(axis=0) @ found.weights)
    return min(shares.total / max(kinds * spent, shares.total), 0.9), phi


def _broyden(found: Hazards, course: Course, shares: Shares) -> tuple[float, float] | None:
    """Solve both equations, or return None when the way leads out of the box.

    Newton's method with one Jacobian by differences, kept up to date by Broyden's rank-one rule.
    """
    target = np.array([shares.early_share * shares.total, shares.total])

    def gaps(at: Array) -> Array:
        return np.array(incidence(found, float(at[0]), float(at[1]), course)) - target

    at = np.array(_start(found, course, shares))
    gap = gaps(at)
    steps = DIFFERENCE * np.eye(2)
    jacobian = np.stack([(gaps(at + step) - gap) / DIFFERENCE for step in steps], axis=1)
    for _ in range(BROYDEN_STEPS):
        if np.abs(gap).max() < SOLVED_WITHIN:
            return float(at[0]), float(at[1])
        if abs(np.linalg.det(jacobian)) < NEARLY_SINGULAR:
            return None
        step = np.linalg.solve(jacobian, -gap)
        at = at + step
        if not (0.0 < at[0] < 1.0 and 0.0 < at[1] < 1.0):
            return None
        gap = gaps(at)
        jacobian = jacobian + np.outer(gap, step) / (step @ step)
    return None


def root_or_end(
    rising: Callable[[float], float], low: float = 0.0, high: float = 1.0
) -> tuple[float, bool]:
    """Return the root of a rising function; where it has none, the nearer end and True."""
    if rising(high) < 0.0:
        return high, True
    if rising(low) > 0.0:
        return low, True
    return float(brentq(rising, low, high, xtol=1e-15, rtol=1e-14)), False


def _bounded(
    found: Hazards, course: Course, shares: Shares
) -> tuple[float, float, tuple[str, ...]]:
    """Solve by bisection along the curve on which the early count holds.

    Along it phi falls and the late stops rise with q, so a solution, if there is one, is unique
    and lies between phi = 1 and phi = 0 (or q = 1). At an end the total is met if it can be; at
    q = 1 the early share is.
    """
    early = shares.early_share * shares.total

    def phi_of(q: float) -> float:
        return root_or_end(lambda phi: incidence(found, q, phi, course)[0] - early)[0]

    def gap(q: float) -> float:
        return incidence(found, q, phi_of(q), course)[1] - shares.total

    least, is_out_of_reach = root_or_end(lambda q: incidence(found, q, 1.0, course)[0] - early)
    most, _ = root_or_end(lambda q: incidence(found, q, 0.0, course)[0] - early)
    if gap(least) > -SOLVED_WITHIN:
        return solve_q(found, course, shares.total, 1.0)[0], 1.0, (PHI_AT_1,)
    if is_out_of_reach or (most == 1.0 and gap(most) < 0.0):
        return _at_certain_stop(found, course, shares)
    if gap(most) < SOLVED_WITHIN:
        q, is_cut = solve_q(found, course, shares.total, 0.0)
        return q, 0.0, (PHI_AT_0, Q_AT_1) if is_cut else (PHI_AT_0,)
    q = float(brentq(gap, least, most, xtol=1e-15, rtol=1e-14))
    return q, phi_of(q), ()


def _at_certain_stop(
    found: Hazards, course: Course, shares: Shares
) -> tuple[float, float, tuple[str, ...]]:
    """q = 1, with the phi that keeps the early share."""

    def gap(phi: float) -> float:
        early, total = incidence(found, 1.0, phi, course)
        return early / total - shares.early_share

    phi, is_cut = root_or_end(gap)
    if not is_cut:
        return 1.0, phi, (Q_AT_1,)
    return 1.0, phi, (Q_AT_1, PHI_AT_1 if phi == 1.0 else PHI_AT_0)
