"""Across patients: estimates with Monte Carlo standard errors and intervals.

Every endpoint is sum of amounts / sum of denominators. Its Monte Carlo standard error is
that of a ratio of means (delta method); proportions of patients have Wilson intervals.
Cumulative incidences are counted with competing causes, which without censoring is the
Aalen-Johansen estimate; 1 - Kaplan-Meier is never computed.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.endpoints import Endpoint
from sim.tallies import Arm

Z_95 = 1.959963984540054
SUMMARY_COLUMNS = (
    "scenario",
    "endpoint",
    "label",
    "cycle",
    "population",
    "estimate",
    "mcse",
    "ci_low",
    "ci_high",
    "n",
)


@dataclass(frozen=True)
class Moments:
    """Exact sums of one endpoint at one cycle: amounts x, denominators y, over n patients."""

    n: int
    x: int
    y: int
    xx: int
    xy: int
    yy: int

    def estimate(self, unit: float) -> float:
        """Return unit * sum x / sum y; NaN when the denominator is 0."""
        return unit * (self.x / self.y) if self.y else math.nan

    def variance(self, unit: float) -> float:
        """Return the Monte Carlo variance of the estimate.

        With r = x/y: sum (x_i - r y_i)^2 = xx - 2 r xy + r^2 yy, in exact whole numbers.
        """
        if not self.y or self.n < 2:
            return math.nan
        scaled = self.xx * self.y**2 - 2 * self.x * self.xy * self.y + self.x**2 * self.yy
        spread = scaled / self.y**2
        return max(spread, 0.0) * unit**2 / self.y**2 * (self.n / (self.n - 1))


def _cumulative(counts: NDArray[np.object_], cycles: int) -> list[int]:
    total, result = 0, [0]
    for cycle in range(1, cycles + 1):
        total += int(counts[cycle])
        result.append(total)
    return result


def _of_patients(n: int, x: int) -> Moments:
    """Moments of a proportion of all patients."""
    return Moments(n, x, n, x, x, n)


def moments_by_cycle(arm: Arm, endpoint: Endpoint) -> list[tuple[int | None, Moments]]:
    """Return the moments of an endpoint, by cycle where it has cycles."""
    n = int(arm.sums["patients"])
    cycles = int(arm.plan.record.max_cycles)
    if endpoint.family == "value":
        return [(None, _value_moments(arm, endpoint, n))]
    rows = range(1, cycles + 1)
    if endpoint.family == "first":
        counts = _cumulative(arm.sums["first"][endpoint.index], cycles)
        return [(cycle, _of_patients(n, counts[cycle])) for cycle in rows]
    left = _cumulative(arm.sums["last_cycle"], cycles)
    never = int(arm.sums["last_cycle"][0])
    reached = {cycle: n - never - left[cycle - 1] for cycle in rows}
    if endpoint.family == "on_treatment":
        return [(cycle, _of_patients(n, reached[cycle])) for cycle in rows]
    if endpoint.family == "level":
        level = arm.sums["level"][endpoint.index]
        return [(cycle, _of_patients(n, int(level[cycle]))) for cycle in rows]
    on = arm.sums["escalated_on"]
    return [
        (cycle, Moments(n, x := int(on[cycle]), reached[cycle], x, x, reached[cycle]))
        for cycle in rows
    ]


def _value_moments(arm: Arm, endpoint: Endpoint, n: int) -> Moments:
    sums = arm.sums
    x, xx = int(sums["total"][endpoint.index]), int(sums["square"][endpoint.index])
    below = endpoint.denominator
    if below < 0:
        return Moments(n, x, n, xx, x, n)
    return Moments(
        n,
        x,
        int(sums["total"][below]),
        xx,
        int(sums["product"][endpoint.index]),
        int(sums["square"][below]),
    )


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of a proportion."""
    share = successes / n
    square = Z_95**2
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = Z_95 * math.sqrt(share * (1 - share) / n + square / (4 * n * n)) / (1 + square / n)
    low = 0.0 if successes == 0 else max(middle - half, 0.0)
    high = 1.0 if successes == n else min(middle + half, 1.0)
    return low, high


def interval(endpoint: Endpoint, moments: Moments) -> tuple[float, float, float, float]:
    """Return (estimate, Monte Carlo standard error, low, high) of the 95 % interval."""
    estimate = moments.estimate(endpoint.unit)
    mcse = math.sqrt(moments.variance(endpoint.unit))
    whole = endpoint.is_proportion and moments.x == moments.xx and moments.y == moments.yy
    if whole and moments.y:
        return estimate, mcse, *wilson(moments.x, moments.y)
    return estimate, mcse, estimate - Z_95 * mcse, estimate + Z_95 * mcse


def summary_rows(arm: Arm) -> Iterator[tuple[object, ...]]:
    """Yield the rows of the summary table of one arm."""
    name = arm.plan.scenario.name
    for endpoint in arm.endpoints:
        for cycle, moments in moments_by_cycle(arm, endpoint):
            yield (
                name,
                endpoint.name,
                endpoint.label,
                cycle,
                endpoint.population,
                *interval(endpoint, moments),
                moments.y,
            )


def summarize(arms: Sequence[Arm]) -> pd.DataFrame:
    """Return the summary table: one row per scenario, endpoint and cycle.

    n is the denominator: patients, or what the population says.
    """
    rows = [row for arm in arms for row in summary_rows(arm)]
    frame = pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))
    frame["cycle"] = frame["cycle"].astype("Int64")
    return frame
