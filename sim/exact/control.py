"""Control variates: what is known exactly of one scenario sharpens the simulation of another.

Simulated on the same virtual patients, the control's estimate is off in a known way, and the
other's is off with it. With estimates Y and X, X's exact mean mu and b = Cov(Y, X) / Var(X),

    Y - b (X - mu)

has the same mean as Y, but for a bias of the order 1 / patients from estimating b, and the variance
(1 - r^2) Var(Y), r the correlation (Glasserman, Monte Carlo Methods in Financial Engineering, 4.1).
"""

import math
from collections.abc import Iterator

import pandas as pd

from sim.comparison import paired_moments
from sim.engines.run import Progress
from sim.exact.summary import exact_outcomes
from sim.plan.plan import Plan
from sim.tallies import PairOfArms, count_arms

COLUMNS = (
    "scenario",
    "control",
    "endpoint",
    "label",
    "cycle",
    "population",
    "simulated",
    "simulated_mcse",
    "control_simulated",
    "control_exact",
    "coefficient",
    "estimate",
    "mcse",
    "variance_ratio",
)


def controlled(
    plan: Plan,
    control: Plan,
    patients: int,
    threads: int | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Simulate a plan and an exactly known control on the same patients; correct the first.

    One row per endpoint and cycle that both have and that vary in both. variance_ratio is the
    variance without the control over that with it: how many times more patients it stands for.
    Raises LimitError if the control is out of reach of exact mode.
    """
    exact = exact_outcomes(control).values()
    _, pairs = count_arms([plan, control], 0, patients, threads=threads, progress=progress)
    frame = pd.DataFrame(_rows(pairs[0], exact), columns=list(COLUMNS))
    frame["cycle"] = frame["cycle"].astype("Int64")
    return frame


def _rows(
    pair: PairOfArms, exact: dict[tuple[str, int | None], float]
) -> Iterator[tuple[object, ...]]:
    for paired in paired_moments(pair):
        endpoint, match, cycle = paired.endpoint, paired.match, paired.cycle
        known = exact.get((endpoint.name, cycle), math.nan)
        own, shared = paired.other.variance(match.unit), paired.covariance
        spread = paired.own.variance(endpoint.unit)
        if math.isnan(known) or not (own > 0.0 and spread > 0.0):
            continue
        coefficient = shared / spread
        variance = max(own - coefficient * shared, 0.0)
        simulated, of_control = (
            paired.other.estimate(match.unit),
            paired.own.estimate(endpoint.unit),
        )
        yield (
            pair.reference.plan.scenario.name,
            pair.arm.plan.scenario.name,
            match.name,
            match.label,
            cycle,
            match.population,
            simulated,
            math.sqrt(own),
            of_control,
            known,
            coefficient,
            simulated - coefficient * (of_control - known),
            math.sqrt(variance),
            own / variance if variance > 0.0 else math.inf,
        )
