"""Parameter uncertainty in the outcomes: every parameter draw is simulated and summarised.

Patients of different draws are independent (a draw's number is part of every address), so the
spread of estimates over draws is parameter uncertainty plus Monte Carlo error; the second is
known for each draw and taken out (O'Hagan, Stevenson and Madan, Stat Med 2007;26:980).
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

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
    """Return a row per endpoint and cycle: mean over draws, parameter SD, 95 % range, MC error.

    low and high are the 2.5 and 97.5 percentiles of the draws' estimates drawn towards their
    mean by the share of the spread that is Monte Carlo error. mcse is that of the mean.
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
    table = keys.copy()
    spread = [
        _spread(column, noise)
        for column, noise in zip(np.transpose(estimates), np.transpose(variances), strict=True)
    ]
    for place, name in enumerate(("mean", "parameter_sd", "low", "high", "mcse")):
        table[name] = [row[place] for row in spread]
    table["draws"] = len(draws)
    table["patients_per_draw"] = patients
    return table


def _spread(estimates: np.ndarray, noise: np.ndarray) -> tuple[float, float, float, float, float]:
    known = ~np.isnan(estimates)
    values, noise = estimates[known], noise[known]
    if len(values) < 2:
        return math.nan, math.nan, math.nan, math.nan, math.nan
    mean, total = float(values.mean()), float(values.var(ddof=1))
    luck = float(noise.mean())
    parameter = max(total - luck, 0.0)
    shrink = math.sqrt(parameter / total) if total > 0.0 else 0.0
    low, high = mean + shrink * (np.quantile(values, [0.025, 0.975]) - mean)
    return mean, math.sqrt(parameter), float(low), float(high), math.sqrt(luck / len(values))
