"""What AUC/day "to the first event" does to an exposure-response fit.

The paper divides the doses taken by the days to the first event. A dose falls on day 1 of a
week, so whoever has an early event has taken more doses per day than the schedule gives: two
by day 10 are 0.20 a day against 3 in 28. Events thus look as if they came with higher exposure,
also where exposure does nothing (`reference/methods.md` 1.5 item 3). Trials are simulated and
refitted on both metrics, on the same events.

Stay and timing are not published: the settings say what is ASSUMED. Every dose is taken as
planned; an event on a dosing day comes after that day's dose.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.errors import LimitError
from sim.exposure_response.design import Z_95, Design
from sim.exposure_response.logistic import ManyFits, fit_many
from sim.exposure_response.table import Coefficients
from sim.phase_1.small_sample import (
    Chance,
    Estimate,
    Flags,
    Floats,
    Progress,
    check_trials,
    exposures,
    mean,
    median,
    probabilities,
    share,
    trials_at_once,
)

STREAM = "phase-1/first-event"


@dataclass(frozen=True)
class Timing:
    """When events come and patients leave: early_share of the events in the first early_cycles.

    Of the cycles patients would stay; exit_per_cycle is the chance to leave after each.
    """

    name: str
    early_share: float
    early_cycles: int
    exit_per_cycle: float
    cycles: int = 12

    def cycle_shares(self) -> Floats:
        """Return the share of events in each cycle of a full course."""
        late = self.cycles - self.early_cycles
        shares = np.full(self.cycles, (1.0 - self.early_share) / late)
        shares[: self.early_cycles] = self.early_share / self.early_cycles
        return shares


# 0.056 leaves half of the patients after 12 cycles, 0.109 after 6 (methods 2.4).
CONSTANT = Timing("constant over 12 cycles", 1.0 / 3.0, 4, 0.056)
CONSTANT_SHORT = Timing("constant, median stay 6 cycles", 1.0 / 3.0, 4, 0.109)
EARLY = Timing("80 % in cycles 1-4", 0.80, 4, 0.056)
EARLY_SHORT = Timing("80 % in cycles 1-4, median stay 6", 0.80, 4, 0.109)
EARLIEST = Timing("80 % in cycles 1-2", 0.80, 2, 0.056)
NULL_TIMINGS = (CONSTANT, CONSTANT_SHORT, EARLY, EARLY_SHORT, EARLIEST)


@dataclass(frozen=True)
class MetricBias:
    """What the metric did to one endpoint under one timing.

    ratio_* are metric over nominal AUC/day in patients with and without the event. rejected_*
    are shares of trials whose likelihood-ratio test gives p < 0.05. slope_* are mean and median
    fitted slopes, per ng*h/mL per day; probability_* the medians of the fitted P at
    the dose asked for, of the typical patient. Trials without a finite fit on both are left out
    of slopes and probabilities.
    """

    endpoint: str
    timing: Timing
    true_slope: float
    trials: int
    events: Estimate
    ratio_with_event: Estimate
    ratio_without: Estimate
    rejected_by_metric: Estimate
    rejected_by_nominal: Estimate
    rejected_upwards: Estimate
    slope_by_metric: Estimate
    slope_by_nominal: Estimate
    median_slope_by_metric: Estimate
    median_slope_by_nominal: Estimate
    probability_by_metric: Estimate
    probability_by_nominal: Estimate


@dataclass(frozen=True)
class Course:
    """Simulated courses, each array of shape (trials, patients).

    nominal is AUC/day as planned, ratio what the metric multiplies it by.
    """

    nominal: Floats
    ratio: Floats
    event: Flags

    @property
    def metric(self) -> Floats:
        """AUC/day to the first event, or to the last day on study."""
        return self.nominal * self.ratio


def doses_by_day(design: Design, cycles: int) -> NDArray[np.int64]:
    """Return the doses taken by the end of each day from day 1 on, at index day - 1."""
    days = np.arange(cycles * design.cycle_days)
    on_day = np.isin(days % design.cycle_days + 1, design.dose_days)
    return np.cumsum(on_day)


def simulate_courses(
    design: Design, model: Coefficients, timing: Timing, chance: Chance, first: int, count: int
) -> Course:
    """Simulate `count` trials from `first` on: who has the event and when, how long others stay.

    The model gives the chance of the event in a full course; an event that would come after
    the patient has left is not seen.
    """
    auc = exposures(design, chance, first, count)
    happens = chance.uniforms("event", first, count) < probabilities(model, auc)
    cycle = _places(chance.uniforms("cycle", first, count), timing.cycle_shares())
    day = np.floor(chance.uniforms("day", first, count) * design.cycle_days).astype(np.int64)
    staying = (1.0 - timing.exit_per_cycle) ** np.arange(timing.cycles)
    leaves = np.append(staying[:-1] * timing.exit_per_cycle, staying[-1])
    stay = 1 + _places(chance.uniforms("exit", first, count), leaves)
    event = happens & (cycle < stay)
    last_day = np.where(event, cycle * design.cycle_days + day + 1, stay * design.cycle_days)
    planned = len(design.dose_days) / design.cycle_days
    taken = doses_by_day(design, timing.cycles)[last_day - 1]
    return Course(auc, taken / last_day / planned, event)


def _places(uniforms: Floats, shares: Floats) -> NDArray[np.int64]:
    """Return which share of 0..n-1 each uniform falls into."""
    return np.searchsorted(np.cumsum(shares)[:-1], uniforms, "right")


def metric_bias(
    design: Design,
    models: Mapping[str, Coefficients],
    timing: Timing,
    trials: int,
    seed: int = 1,
    dose_mg: float = 3.0,
    progress: Progress | None = None,
) -> list[MetricBias]:
    """Simulate and refit on both metrics; progress counts trials. Raises LimitError.

    A model of slope 0 is a true null: what its metric column rejects is spurious.
    """
    check_trials(trials, design.patients)
    if not 0 < timing.early_cycles < timing.cycles or design.patients < 4:
        raise LimitError("early cycles must end before the course, and a trial needs 4 patients")
    found = []
    step = trials_at_once(design.patients)
    for name, model in models.items():
        # The stream holds the name: an endpoint's luck does not depend on its neighbours.
        chance = Chance(seed, design.patients, f"{STREAM}/{name}")
        parts = []
        for first in range(0, trials, step):
            count = min(step, trials - first)
            parts.append(_refitted(simulate_courses(design, model, timing, chance, first, count)))
            if progress is not None:
                progress(count)
        at = dose_mg * design.auc_per_day_per_mg
        found.append(_summed_up(name, model.slope, timing, parts, at))
    return found


@dataclass(frozen=True)
class _Refitted:
    by_metric: ManyFits
    by_nominal: ManyFits
    ratio_with_event: Floats
    ratio_without: Floats
    events: Floats


def _refitted(course: Course) -> _Refitted:
    ratio = course.ratio
    events = course.event.sum(axis=1)
    without = course.event.shape[1] - events
    with_sum = np.where(course.event, ratio, 0.0).sum(axis=1)
    without_sum = np.where(course.event, 0.0, ratio).sum(axis=1)
    return _Refitted(
        fit_many(course.metric, course.event),
        fit_many(course.nominal, course.event),
        with_sum[events > 0] / events[events > 0],
        without_sum[without > 0] / without[without > 0],
        events.astype(np.float64),
    )


def _summed_up(
    name: str, true_slope: float, timing: Timing, parts: list[_Refitted], at: float
) -> MetricBias:
    def fits(which: str, field: str) -> Floats:
        return np.concatenate([getattr(getattr(part, which), field) for part in parts])

    def of(field: str) -> Floats:
        return np.concatenate([getattr(part, field) for part in parts])

    slope = {which: fits(which, "slope") for which in ("by_metric", "by_nominal")}
    finite = fits("by_metric", "converged").astype(bool) & fits("by_nominal", "converged").astype(
        bool
    )
    gain = {which: fits(which, "likelihood_ratio") for which in slope}
    significant = {which: gain[which] > Z_95**2 for which in slope}
    predicted = {}
    for which, slopes in slope.items():
        eta = fits(which, "intercept")[finite] + slopes[finite] * at
        predicted[which] = median(1.0 / (1.0 + np.exp(-np.clip(eta, -700.0, 700.0))))
    rising = slope["by_metric"][significant["by_metric"]] > 0.0
    return MetricBias(
        endpoint=name,
        timing=timing,
        true_slope=true_slope,
        trials=len(finite),
        events=mean(of("events")),
        ratio_with_event=mean(of("ratio_with_event")),
        ratio_without=mean(of("ratio_without")),
        rejected_by_metric=share(significant["by_metric"]),
        rejected_by_nominal=share(significant["by_nominal"]),
        rejected_upwards=share(rising),
        slope_by_metric=mean(slope["by_metric"][finite]),
        slope_by_nominal=mean(slope["by_nominal"][finite]),
        median_slope_by_metric=median(slope["by_metric"][finite]),
        median_slope_by_nominal=median(slope["by_nominal"][finite]),
        probability_by_metric=predicted["by_metric"],
        probability_by_nominal=predicted["by_nominal"],
    )
