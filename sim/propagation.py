"""Parameter uncertainty in the outcomes: every parameter draw is simulated and summarised.

Patients of different draws are independent (a draw's number is part of every address), so the
spread of estimates over draws is parameter uncertainty plus Monte Carlo error; the second is
known for each draw and taken out (O'Hagan, Stevenson and Madan, Stat Med 2007;26:980).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.plan.plan import compile_plan
from sim.summary import summarize
from sim.tallies import count_arms
from sim.uncertainty import Draw

KEYS = ["endpoint", "label", "cycle"]


def propagate(
    draws: Sequence[Draw],
    seed: int,
    patients: int,
    progress: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """Return a row per endpoint and cycle: mean over draws, parameter SD and 95 % range.

    The range is that of the draws' estimates drawn towards their mean by the share of the spread
    that is Monte Carlo error. mean_se and parameter_sd_se are the errors that a finite number of
    draws and patients leaves. Where the spread is no larger than Monte Carlo error is_resolved is
    false and there is no SD and no range: more patients or draws are needed. n_draws counts the
    draws in which there was anything to divide by.
    """
    estimates, variances, keys = [], [], pd.DataFrame()
    for draw in draws:
        plan = compile_plan(draw.scenario, seed, parameter_draw=draw.number)
        arms, _ = count_arms([plan], 0, patients)
        summary = summarize(arms)
        keys = summary[KEYS]
        estimates.append(summary["estimate"].to_numpy(float))
        variances.append(summary["mcse"].to_numpy(float) ** 2)
        if progress is not None:
            progress(1)
    spreads = [
        spread_of(column, noise)
        for column, noise in zip(np.transpose(estimates), np.transpose(variances), strict=True)
    ]
    table = pd.concat([keys, pd.DataFrame([asdict(one) for one in spreads])], axis=1)
    table["patients_per_draw"] = patients
    return table


@dataclass(frozen=True)
class Spread:
    """What the estimates of many draws say of one outcome."""

    mean: float
    mean_se: float
    parameter_sd: float
    parameter_sd_se: float
    low: float
    high: float
    is_resolved: bool
    n_draws: int


def spread_of(estimates: NDArray[np.float64], noise: NDArray[np.float64]) -> Spread:
    """Return the spread of estimates (draws,) whose Monte Carlo variances are known (draws,).

    parameter_sd_se is that of a variance of normal draws, by the delta method.
    """
    known = ~np.isnan(estimates)
    values, noise = estimates[known], noise[known]
    n = len(values)
    if n == 0:
        return _unresolved(math.nan, math.nan, 0)
    mean = float(values.mean())
    if n == 1:
        return _unresolved(mean, math.nan, 1)
    total = float(values.var(ddof=1))
    mean_se = math.sqrt(total / n)
    if total == 0.0:
        return Spread(mean, mean_se, 0.0, 0.0, mean, mean, True, n)
    parameter = total - float(noise.mean())
    if parameter <= 0.0:
        return _unresolved(mean, mean_se, n)
    sd = math.sqrt(parameter)
    low, high = mean + math.sqrt(parameter / total) * (np.quantile(values, [0.025, 0.975]) - mean)
    sd_se = total / (sd * math.sqrt(2.0 * (n - 1)))
    return Spread(mean, mean_se, sd, sd_se, float(low), float(high), True, n)


def _unresolved(mean: float, mean_se: float, n: int) -> Spread:
    return Spread(mean, mean_se, math.nan, math.nan, math.nan, math.nan, False, n)
