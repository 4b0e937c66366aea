"""How maximum likelihood behaves in a phase 1 trial as small as the source study.

Trials are simulated from a design and a true model, and refitted: power, bias, coverage,
and what estimates look like once they were reported for p < 0.05 (`reference/methods.md` 1.4).
Patient number trial * n + i addresses every draw, so trial t is the same among 10 and among
20,000, and two laws of clearance are compared on the same luck.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.errors import LimitError
from sim.exposure_response.design import Z_95, Design
from sim.exposure_response.logistic import fit_many
from sim.exposure_response.table import Coefficients
from sim.model.draws import (
    LOW_32,
    MAX_PATIENTS,
    PATIENT_HIGH,
    philox_rounds,
    uniform_of_words,
)
from sim.model.elementary import exp, expit, normal_quantile
from sim.model.jit import njit
from sim.plan.plan import MAX_SEED
from sim.plan.streams import Streams

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Progress = Callable[[int], None]
PATIENTS_AT_ONCE = 88_000
TRIALS_AT_MOST = 1_000_000
STREAM = "phase-1/small-sample"


@dataclass(frozen=True)
class Estimate:
    """A Monte Carlo estimate and its standard error; NaN where nothing was there to average.

    A share of 0 or 1 has a bound instead, the exact one-sided 95 % limit: its estimated standard
    error of 0 says nothing.
    """

    value: float
    mcse: float
    bound: float | None = None


@dataclass(frozen=True)
class SmallSample:
    """What `trials` refitted trials show of one true model.

    Ratios are estimated over true slope and leave out trials without a finite estimate;
    coverage is of the 95 % Wald interval; significant counts the trials behind
    mean_ratio_if_significant. power is that of the likelihood-ratio test at 5 %, in
    which separated trials count with the supremum of the likelihood. z is the true slope over
    its standard error by the information of each simulated design; designs_significant the
    share of designs in which it exceeds 1.96, of either sign.
    """

    trials: int
    power: Estimate
    mean_ratio: Estimate
    median_ratio: Estimate
    coverage: Estimate
    mean_ratio_if_significant: Estimate
    significant: int
    separated: Estimate
    negative_slope: Estimate
    all_or_none: Estimate
    not_converged: int
    median_z: Estimate
    designs_significant: Estimate


class Chance:
    """Addressed draws of a block of trials: trials first .. first + count - 1 of n patients."""

    def __init__(self, seed: int, patients: int, root: str = STREAM) -> None:
        check_seed(seed)
        self.patients = patients
        self._keys = (seed & LOW_32, seed >> 32)
        self._streams, self._root = Streams(), root

    def uniforms(self, name: str, first: int, count: int) -> Floats:
        """Return 53-bit uniforms of a stream, of shape (count, patients)."""
        found = np.empty(count * self.patients)
        stream = self._streams.number(f"{self._root}/{name}")
        _fill_uniforms(first * self.patients, stream, *self._keys, found)
        return found.reshape(count, self.patients)

    def normals(self, name: str, first: int, count: int) -> Floats:
        """Return standard normals of a stream, of shape (count, patients)."""
        found = self.uniforms(name, first, count)
        _quantiles(found.ravel())
        return found


@njit
def _fill_uniforms(first, stream, seed_low, seed_high, uniforms):  # type: ignore[no-untyped-def]
    for i in range(uniforms.shape[0]):
        patient = first + i
        w0, w1, _, _ = philox_rounds(
            patient & LOW_32, PATIENT_HIGH * (patient >> 32), stream, 0, seed_low, seed_high
        )
        uniforms[i] = uniform_of_words(w0, w1)


@njit
def _quantiles(values):  # type: ignore[no-untyped-def]
    for i in range(values.shape[0]):
        values[i] = normal_quantile(values[i])


@njit
def _fill_exposures(unit, sd_log, normals, auc):  # type: ignore[no-untyped-def]
    for i in range(auc.shape[0]):
        auc[i] = unit[i] * exp(sd_log * normals[i])


@njit
def _fill_probabilities(intercept, slope, auc, probabilities):  # type: ignore[no-untyped-def]
    for i in range(auc.shape[0]):
        probabilities[i] = expit(intercept + slope * auc[i])


def check_seed(seed: int) -> None:
    """Raise LimitError for a seed that addresses no draws."""
    if not 0 <= seed <= MAX_SEED:
        raise LimitError(f"seed is {seed}; it must be a whole number from 0 to {MAX_SEED}")


def check_trials(trials: int, patients: int) -> None:
    """Raise LimitError for a number of trials that cannot be simulated."""
    most = min(TRIALS_AT_MOST, MAX_PATIENTS // patients)
    if not 2 <= trials <= most:
        raise LimitError(f"trials is {trials}; 2 to {most} are allowed")


def trials_at_once(patients: int) -> int:
    """Return how many trials of so many patients are held in memory together."""
    return max(1, PATIENTS_AT_ONCE // patients)


def exposures(design: Design, chance: Chance, first: int, count: int) -> Floats:
    """Return AUC/day [ng*h/mL per day] of simulated patients, of shape (count, patients)."""
    unit = np.broadcast_to(design.auc_per_day_per_mg * design.doses, (count, design.patients))
    if design.bsa_mean_m2 is not None:
        normals = chance.normals("bsa", first, count)
        unit = unit * (design.bsa_mean_m2 + design.bsa_sd_m2 * normals)
    auc = np.empty((count, design.patients))
    clearance = chance.normals("cl_f", first, count)
    _fill_exposures(unit.ravel(), design.cl_f_sd_log, clearance.ravel(), auc.ravel())
    return auc


def probabilities(model: Coefficients, auc: Floats) -> Floats:
    """Return P of every simulated patient, of the shape of auc."""
    found = np.empty(auc.shape)
    _fill_probabilities(model.intercept, model.slope, auc.ravel(), found.ravel())
    return found


@dataclass(frozen=True)
class _Block:
    """One value per trial of a block."""

    slope: Floats
    se: Floats
    likelihood_ratio: Floats
    separated: Flags
    all_or_none: Flags
    not_converged: Flags
    z: Floats


def simulate_and_refit(
    design: Design,
    models: Mapping[str, Coefficients],
    trials: int,
    seed: int = 1,
    progress: Progress | None = None,
) -> dict[str, SmallSample]:
    """Simulate the trial so often, refit every endpoint, and sum up; progress counts fits.

    Endpoints of a trial share its patients' exposures; given these they are independent, and
    an endpoint's draws depend on its name alone.
    """
    check_trials(trials, design.patients)
    chance = Chance(seed, design.patients)
    blocks: dict[str, list[_Block]] = {name: [] for name in models}
    step = trials_at_once(design.patients)
    for first in range(0, trials, step):
        count = min(step, trials - first)
        auc = exposures(design, chance, first, count)
        for name, model in models.items():
            luck = chance.uniforms(f"event/{name}", first, count)
            blocks[name].append(_refitted(auc, luck, model))
            if progress is not None:
                progress(count)
    return {name: _summed_up(blocks[name], models[name].slope) for name in models}


def _refitted(auc: Floats, luck: Floats, model: Coefficients) -> _Block:
    p = probabilities(model, auc)
    event = luck < p
    fits = fit_many(auc, event)
    events = event.sum(axis=1)
    all_or_none = (events == 0) | (events == event.shape[1])
    weight = p * (1.0 - p)
    s0, s1, s2 = (np.sum(weight * auc**power, axis=1) for power in range(3))
    return _Block(
        slope=fits.slope,
        se=fits.se_slope,
        likelihood_ratio=2.0 * (fits.log_likelihood - fits.null_log_likelihood),
        separated=fits.separated,
        all_or_none=all_or_none,
        not_converged=~(fits.converged | fits.separated | all_or_none),
        # Rounding may leave a little less than 0 where all exposures are one.
        z=model.slope * np.sqrt(np.maximum(s0 * s2 - s1**2, 0.0) / s0),
    )


def _summed_up(blocks: list[_Block], true_slope: float) -> SmallSample:
    def column(name: str) -> NDArray[np.generic]:
        return np.concatenate([getattr(block, name) for block in blocks])

    slope, se = np.asarray(column("slope"), float), np.asarray(column("se"), float)
    significant = np.asarray(column("likelihood_ratio"), float) > Z_95**2
    separated = np.asarray(column("separated"), bool)
    not_converged = np.asarray(column("not_converged"), bool)
    finite = np.isfinite(slope) & np.isfinite(se) & ~not_converged
    # A true slope of 0 has no ratio; the estimates themselves are then summed up.
    ratio = slope / (true_slope if true_slope != 0.0 else 1.0)
    covered = np.abs(slope[finite] - true_slope) <= Z_95 * se[finite]
    z = np.asarray(column("z"), float)
    return SmallSample(
        trials=len(slope),
        power=share(significant),
        mean_ratio=mean(ratio[finite]),
        median_ratio=median(ratio[finite]),
        coverage=share(covered),
        mean_ratio_if_significant=mean(ratio[finite & significant]),
        significant=int((finite & significant).sum()),
        separated=share(separated),
        negative_slope=share(slope < 0.0),
        all_or_none=share(np.asarray(column("all_or_none"), bool)),
        not_converged=int(not_converged.sum()),
        median_z=median(z),
        designs_significant=share(np.abs(z) > Z_95),
    )


def share(happened: NDArray[np.bool_]) -> Estimate:
    """Return the share of trials in which something happened, with its binomial error.

    Where it happened in none of n trials, the bound is the share p with (1 - p)^n = 0.05; where
    it happened in all of them, that with p^n = 0.05 (Clopper and Pearson 1934, one-sided).
    """
    n = len(happened)
    if n == 0:
        return Estimate(float("nan"), float("nan"))
    p = float(happened.mean())
    if p == 0.0:
        return Estimate(p, 0.0, -math.expm1(math.log(0.05) / n))
    if p == 1.0:
        return Estimate(p, 0.0, math.exp(math.log(0.05) / n))
    return Estimate(p, (p * (1.0 - p) / n) ** 0.5)


def mean(values: Floats) -> Estimate:
    """Return the mean over trials; its error is NaN for fewer than two."""
    if len(values) == 0:
        return Estimate(float("nan"), float("nan"))
    spread = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
    return Estimate(float(values.mean()), spread / len(values) ** 0.5)


def median(values: Floats) -> Estimate:
    """Return the median over trials; its error is half the distance of the order statistics
    one standard deviation of the binomial count apart."""
    n = len(values)
    if n < 4:
        return Estimate(float(np.median(values)) if n else float("nan"), float("nan"))
    half = 0.5 / n**0.5
    low, middle, high = np.quantile(values, (0.5 - half, 0.5, 0.5 + half))
    return Estimate(float(middle), float(high - low) / 2.0)
