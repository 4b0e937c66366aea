"""Paired differences between posologies over the same virtual patients.

The first scenario is the reference. The Monte Carlo variance of a difference is
Var(a) + Var(b) - 2 Cov(a, b); common random numbers make the covariance large.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from sim.endpoints import Endpoint
from sim.summary import Z_95, Moments, moments_by_cycle
from sim.tallies import PairOfArms

COMPARISON_COLUMNS = (
    "scenario",
    "reference",
    "endpoint",
    "label",
    "cycle",
    "population",
    "estimate",
    "reference_estimate",
    "difference",
    "mcse",
    "ci_low",
    "ci_high",
    "variance_ratio",
    "n",
)


def _cross_products(
    pair: PairOfArms, endpoint: Endpoint, cycle: int | None, own: Moments, other: Moments
) -> tuple[int, int, int, int]:
    """Return sums over patients of x x', x y', y x', y y'."""
    sums, n = pair.sums, own.n
    if endpoint.family == "value":
        row = [int(value) for value in sums["product"][endpoint.index]]
        if endpoint.denominator < 0:
            return row[0], own.x, other.x, n
        return row[0], row[1], row[2], row[3]
    assert cycle is not None
    if endpoint.family == "first":
        both = sum(int(count) for count in sums["first"][endpoint.index][1 : cycle + 1])
        return both, own.x, other.x, n
    if endpoint.family == "on_treatment":
        return int(sums["on_treatment"][cycle]), own.x, other.x, n
    if endpoint.family == "level":
        return int(sums["level"][endpoint.index][cycle]), own.x, other.x, n
    on = sums["escalated_on"]
    both, with_reached, reached_with = int(on[0][cycle]), int(on[1][cycle]), int(on[2][cycle])
    return both, with_reached, reached_with, int(sums["on_treatment"][cycle])


def covariance(
    own: Moments, other: Moments, cross: tuple[int, int, int, int], units: tuple[float, float]
) -> float:
    """Return the Monte Carlo covariance of two ratio estimates over the same patients.

    sum (x - r y)(x' - r' y') = xx' - r' xy' - r yx' + r r' yy', in exact whole numbers.
    """
    if not own.y or not other.y or own.n < 2:
        return math.nan
    xx, xy, yx, yy = cross
    scaled = (
        xx * own.y * other.y - other.x * xy * own.y - own.x * yx * other.y + own.x * other.x * yy
    )
    return (
        scaled / (own.y * other.y) * units[0] * units[1] / (own.y * other.y) * own.n / (own.n - 1)
    )


@dataclass(frozen=True)
class PairedMoments:
    """One endpoint and cycle of an arm, with the other arm's match, over the same patients."""

    endpoint: Endpoint
    match: Endpoint
    cycle: int | None
    own: Moments
    other: Moments
    covariance: float


def paired_moments(pair: PairOfArms) -> Iterator[PairedMoments]:
    """Yield the moments of every endpoint and cycle that both arms have."""
    theirs = {endpoint.name: endpoint for endpoint in pair.reference.endpoints}
    for endpoint in pair.arm.endpoints:
        match = theirs.get(endpoint.name)
        if match is None:
            continue
        others = dict(moments_by_cycle(pair.reference, match))
        for cycle, own in moments_by_cycle(pair.arm, endpoint):
            if cycle in others:
                cross = _cross_products(pair, endpoint, cycle, own, others[cycle])
                shared = covariance(own, others[cycle], cross, (endpoint.unit, match.unit))
                yield PairedMoments(endpoint, match, cycle, own, others[cycle], shared)


def comparison_rows(pair: PairOfArms) -> Iterator[tuple[object, ...]]:
    """Yield paired differences of every endpoint that both arms have."""
    for paired in paired_moments(pair):
        yield _row(pair, paired)


def _row(pair: PairOfArms, paired: PairedMoments) -> tuple[object, ...]:
    endpoint, match, own, other = paired.endpoint, paired.match, paired.own, paired.other
    estimate, reference = own.estimate(endpoint.unit), other.estimate(match.unit)
    apart = own.variance(endpoint.unit) + other.variance(match.unit)
    variance = max(apart - 2.0 * paired.covariance, 0.0)
    mcse = math.sqrt(variance) if not math.isnan(variance) else math.nan
    difference = estimate - reference
    return (
        pair.arm.plan.scenario.name,
        pair.reference.plan.scenario.name,
        endpoint.name,
        endpoint.label,
        paired.cycle,
        endpoint.population,
        estimate,
        reference,
        difference,
        mcse,
        difference - Z_95 * mcse,
        difference + Z_95 * mcse,
        apart / variance if variance > 1e-12 * apart else math.nan,
        own.n,
    )


def compare_arms(pairs: Sequence[PairOfArms]) -> pd.DataFrame:
    """Return the comparison table: paired differences against the first scenario.

    variance_ratio says how many times more patients independent arms would need.
    """
    rows = [row for pair in pairs for row in comparison_rows(pair)]
    frame = pd.DataFrame(rows, columns=list(COMPARISON_COLUMNS))
    frame["cycle"] = frame["cycle"].astype("Int64")
    return frame
