"""Three compartments with first-order absorption as exponentials, without loss of accuracy.

The amounts of central and two peripheral compartments obey x' = -K x. Scaling each peripheral
amount by the square root of its exchange rates makes K a symmetric matrix S = V diag(r) V'; the
central amount after a unit bolus is then sum_i V[0, i]^2 exp(-r_i t). All weights are positive
and add to 1, also when rates coincide, so nothing cancels. The usual macro-constants (Gibaldi &
Perrier, Pharmacokinetics, 2nd ed. 1982; Dubois, Bertrand & Mentre, "Mathematical expressions of
the pharmacokinetic and pharmacodynamic models implemented in PFIM", 2011) are the same numbers.

Absorption folds each exponential with ka exp(-ka t); written as divided differences of the
exponential, the folding stays exact when ka equals a rate.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim.errors import LimitError
from sim.scenario.posology import ThreeCompartments

Floats = NDArray[np.float64]
Carrier = Literal["bioavailability", "clearance"]

HOURS_PER_DAY = 24.0
NG_PER_ML_IN_MG_PER_L = 1000.0
# Below this the closed form of an early area cancels; its series needs SERIES_TERMS terms.
SERIES_BELOW = 0.1
SERIES_TERMS = 12
# Beyond these the numbers are no patient's, and double precision does not carry them.
LARGEST_RATE_RATIO = 1e12
SHORTEST_HALF_LIFE_H = 0.001
# Gupta, Clin Pharmacokinet 2017;56:1355: V4 = 205 L * (BSA / 1.87 m2)^2.06, and nothing else.
IXAZOMIB_BSA_EXPONENT = 2.06
IXAZOMIB_BSA_REFERENCE_M2 = 1.87


@dataclass(frozen=True)
class Kinetics:
    """One individual's parameters; with bioavailability 1 all others are apparent (CL/F, V/F).

    Raises LimitError unless every parameter is positive and finite, and the lag not negative.
    """

    absorption_per_h: float
    clearance_l_per_h: float
    bioavailability: float
    central_volume_l: float
    intercompartmental_2_l_per_h: float
    peripheral_2_volume_l: float
    intercompartmental_3_l_per_h: float
    peripheral_3_volume_l: float
    lag_h: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            low = value >= 0.0 if name == "lag_h" else value > 0.0
            if not (low and math.isfinite(value)):
                raise LimitError(f"{name} is {value:g}; it must be a positive number")

    @property
    def cl_f_l_per_h(self) -> float:
        """Apparent clearance CL/F [L/h]."""
        return self.clearance_l_per_h / self.bioavailability

    @property
    def terminal_half_life_days(self) -> float:
        """Half-life of the slowest rate [days]; that is absorption where ka is the slowest."""
        slowest = min(float(disposition(self).rates_per_h[0]), self.absorption_per_h)
        return math.log(2.0) / slowest / HOURS_PER_DAY

    def with_cl_f(self, cl_f_l_per_h: float, carrier: Carrier = "bioavailability") -> "Kinetics":
        """Return the same individual with another CL/F, which F or clearance brings about.

        With the bioavailability the profile only scales; with the clearance it changes shape.
        """
        if carrier == "clearance":
            return replace(self, clearance_l_per_h=cl_f_l_per_h * self.bioavailability)
        return replace(self, bioavailability=self.clearance_l_per_h / cl_f_l_per_h)

    def at_bsa(self, bsa_m2: float) -> "Kinetics":
        """Return the ixazomib individual of this body surface area: it acts on V4 alone."""
        factor = (bsa_m2 / IXAZOMIB_BSA_REFERENCE_M2) ** IXAZOMIB_BSA_EXPONENT
        return replace(self, peripheral_3_volume_l=self.peripheral_3_volume_l * factor)


def typical(pk: ThreeCompartments) -> Kinetics:
    """Return the typical patient of a scenario."""
    return Kinetics(
        pk.absorption_per_h,
        pk.clearance_l_per_h,
        pk.bioavailability,
        pk.central_volume_l,
        pk.intercompartmental_2_l_per_h,
        pk.peripheral_2_volume_l,
        pk.intercompartmental_3_l_per_h,
        pk.peripheral_3_volume_l,
    )


def check_rates(kinetics: Kinetics) -> None:
    """Raise LimitError where rates are too far apart, or too fast, for a profile.

    The rates are ka, CL/V2, and the exchanges over the volumes they leave from.
    """
    central = kinetics.central_volume_l
    to_2, to_3 = kinetics.intercompartmental_2_l_per_h, kinetics.intercompartmental_3_l_per_h
    rates = {
        "ka": kinetics.absorption_per_h,
        "CL/V2": kinetics.clearance_l_per_h / central,
        "Q3/V2": to_2 / central,
        "Q3/V3": to_2 / kinetics.peripheral_2_volume_l,
        "Q4/V2": to_3 / central,
        "Q4/V4": to_3 / kinetics.peripheral_3_volume_l,
    }
    slow, fast = min(rates, key=rates.__getitem__), max(rates, key=rates.__getitem__)
    if not (rates[slow] > 0.0 and rates[fast] <= LARGEST_RATE_RATIO * rates[slow]):
        raise LimitError(
            f"rates are too far apart for a profile: {slow} is {rates[slow]:.3g} per h, {fast} "
            f"{rates[fast]:.3g}; at most a factor of {LARGEST_RATE_RATIO:g}. Check the units"
        )
    half_life = HOURS_PER_DAY * kinetics.terminal_half_life_days
    if half_life < SHORTEST_HALF_LIFE_H:
        raise LimitError(
            f"the terminal half-life is {half_life:.3g} h; a profile needs at least "
            f"{SHORTEST_HALF_LIFE_H:g} h. Check the units"
        )


@dataclass(frozen=True)
class Disposition:
    """Central amount after a unit bolus: sum of weights * exp(-rates_per_h * t); shapes (3,).

    Rates ascend; weights are not negative and add to 1.
    """

    rates_per_h: Floats
    weights: Floats


def disposition(kinetics: Kinetics) -> Disposition:
    """Return the three rates and weights of an individual."""
    k10 = kinetics.clearance_l_per_h / kinetics.central_volume_l
    k12 = kinetics.intercompartmental_2_l_per_h / kinetics.central_volume_l
    k21 = kinetics.intercompartmental_2_l_per_h / kinetics.peripheral_2_volume_l
    k13 = kinetics.intercompartmental_3_l_per_h / kinetics.central_volume_l
    k31 = kinetics.intercompartmental_3_l_per_h / kinetics.peripheral_3_volume_l
    to_2, to_3 = math.sqrt(k12 * k21), math.sqrt(k13 * k31)
    symmetric = np.array([[k10 + k12 + k13, -to_2, -to_3], [-to_2, k21, 0.0], [-to_3, 0.0, k31]])
    # The slow rates would be lost beside a fast one. The inverse has them largest, and its
    # entries are sums of positive terms: row 0 is (1, to_2 / k21, to_3 / k31) / k10.
    row = np.array([1.0, to_2 / k21, to_3 / k31])
    inverse = (np.outer(row, row) + np.diag([0.0, k10 / k21, k10 / k31])) / k10
    times, of_inverse = np.linalg.eigh(inverse)
    rates, vectors = np.linalg.eigh(symmetric)
    slow, fast = 1.0 / float(times[2]), float(rates[2])
    middle = (k10 / slow) * (k21 / fast) * k31  # the product of all three is k10 k21 k31
    # Rounding mixes the two slow modes by fast / (middle - slow) in the matrix, and by
    # fast middle / (slow (fast - middle)) in the inverse: take the smaller.
    if middle * (middle - slow) < slow * (fast - middle):
        vectors = of_inverse[:, ::-1]
    first, second = vectors[0, 0] ** 2, vectors[0, 1] ** 2
    weights = np.array([first, second, max(0.0, 1.0 - first - second)])
    return Disposition(np.array([slow, middle, fast]), weights)


def absorbed(rate: float, ka: float, hours: Floats) -> Floats:
    """Return (exp(-rate t) - exp(-ka t)) / (ka - rate), t exp(-ka t) where both are equal."""
    slow, apart = min(rate, ka), abs(rate - ka)
    return np.exp(-slow * hours) * hours * _mean_decay(apart * hours)


def absorbed_area(rate: float, ka: float, hours: Floats) -> Floats:
    """Return the integral of `absorbed` from 0 to hours; 1 / (rate ka) at infinity.

    1/(rate ka) - (the tail after t), or, where that would cancel, the series of the second
    divided difference: t^2 sum_n (-t)^n h_n(rate, ka) / (n + 2)!, h_n the complete
    homogeneous symmetric polynomial.
    """
    slow, fast = min(rate, ka), max(rate, ka)
    decay = np.exp(-slow * hours) * _mean_decay((fast - slow) * hours)
    closed = (-np.expm1(-slow * hours) - slow * hours * decay) / (slow * fast)
    near = np.where(fast * hours < SERIES_BELOW, hours, 0.0)
    series = np.zeros_like(near)
    for n in range(SERIES_TERMS, -1, -1):
        symmetric = sum(rate**i * ka ** (n - i) for i in range(n + 1))
        series += (-near) ** n * (symmetric / math.factorial(n + 2))
    return np.where(fast * hours < SERIES_BELOW, near**2 * series, closed)


def absorbed_slope(rate: float, ka: float, hours: Floats) -> Floats:
    """Return the time derivative of `absorbed`, for hours >= 0."""
    slow, fast = min(rate, ka), max(rate, ka)
    return np.exp(-fast * hours) - slow * absorbed(rate, ka, hours)


def _mean_decay(x: Floats) -> Floats:
    """Return (1 - exp(-x)) / x for x >= 0, which is 1 at 0."""
    safe = np.where(x > 0.0, x, 1.0)
    return np.where(x > 0.0, -np.expm1(-safe) / safe, 1.0)


def as_floats(values: ArrayLike) -> Floats:
    """Return values as an array of floats of one dimension at least."""
    return np.atleast_1d(np.asarray(values, dtype=np.float64))
