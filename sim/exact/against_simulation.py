"""Exact outcomes beside simulated ones: a check of the simulator, and of exact mode."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from sim.endpoints import Endpoint
from sim.engines.run import Progress
from sim.exact.summary import exact_outcomes
from sim.plan.plan import Plan
from sim.summary import Moments, moments_by_cycle
from sim.tallies import Arm, count_arms

COLUMNS = ("endpoint", "label", "cycle", "exact", "simulated", "mcse", "z")
FEW = 50.0  # expected events below which a count is scored by its own law, not the normal one
ROUNDING = 2e-5  # ratios are tallied in whole units of 2^-16 at the coarsest


def against_simulation(
    plan: Plan, patients: int, threads: int | None = None, progress: Progress | None = None
) -> pd.DataFrame:
    """Simulate a plan in reach and return exact and simulated values with their z-scores.

    z is (simulated - exact) / standard error, that of the exact share where the outcome is one; a
    rare count has the normal score of its place in its binomial or Poisson law. Rows that are
    the same for every patient have z 0, or an infinite one if they differ.
    """
    exact = exact_outcomes(plan).values()
    arms, _ = count_arms([plan], 0, patients, threads=threads, progress=progress)
    rows = list(_rows(arms[0], exact))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    frame["cycle"] = frame["cycle"].astype("Int64")
    return frame


def _rows(arm: Arm, exact: dict[tuple[str, int | None], float]) -> Iterator[tuple[object, ...]]:
    for endpoint in arm.endpoints:
        for cycle, moments in moments_by_cycle(arm, endpoint):
            if (endpoint.name, cycle) not in exact:
                continue
            value, simulated = exact[endpoint.name, cycle], moments.estimate(endpoint.unit)
            mcse = math.sqrt(moments.variance(endpoint.unit))
            z = z_score(endpoint, value, moments)
            yield endpoint.name, endpoint.label, cycle, value, simulated, mcse, z


def z_score(endpoint: Endpoint, exact: float, moments: Moments) -> float:
    """Return how many standard errors a simulated value lies from the exact one."""
    simulated = moments.estimate(endpoint.unit)
    if math.isnan(exact) or math.isnan(simulated):
        return 0.0 if math.isnan(exact) == math.isnan(simulated) else math.inf
    is_share = moments.x == moments.xx and moments.y == moments.yy and endpoint.is_proportion
    if is_share:
        return _score_of_share(exact, moments)
    expected = exact / endpoint.unit * moments.y
    if moments.x < FEW and expected < FEW:
        return _score(stats.poisson(max(expected, 0.0)), moments.x, expected)
    mcse = math.sqrt(moments.variance(endpoint.unit))
    if mcse > 0.0:
        return (simulated - exact) / mcse
    return 0.0 if abs(simulated - exact) < ROUNDING * max(1.0, abs(exact)) else math.inf


def _score_of_share(exact: float, moments: Moments) -> float:
    n, share = moments.y, min(max(exact, 0.0), 1.0)
    if n * min(share, 1.0 - share) < FEW:
        return _score(stats.binom(n, share), moments.x, n * share)
    return (moments.x / n - share) / math.sqrt(share * (1.0 - share) / n)


def _score(law: Any, count: int, expected: float) -> float:
    """Return the normal score of a count's place in its law, half of its own mass below it."""
    if law.std() < 1e-6:
        return 0.0 if abs(count - expected) < 0.5 else math.inf
    half = law.pmf(count) / 2.0
    below, above = law.cdf(count - 1) + half, law.sf(count) + half
    return float(stats.norm.ppf(below) if below < above else stats.norm.isf(above))


def largest_expected(rows: int) -> tuple[float, float]:
    """Return the median of the largest |z| of so many independent rows, and its 99 % limit."""
    median, limit = (1.0 - p ** (1.0 / max(rows, 1)) for p in (0.5, 0.99))
    return float(stats.norm.isf(median / 2.0)), float(stats.norm.isf(limit / 2.0))


def rows_that_vary(table: pd.DataFrame) -> int:
    """Return how many rows of the comparison are not the same for every patient."""
    return int(np.count_nonzero((table["mcse"] > 0.0) | (table["z"] != 0.0)))
