"""What single trials may show: the spread of every endpoint over replicate trials.

A prediction interval holds 95 % of trials of n patients; the Monte Carlo interval of the
summary shrinks with the patients simulated, this one does not.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.endpoints import Endpoint
from sim.tallies import Arm

PREDICTION_COLUMNS = (
    "scenario",
    "endpoint",
    "label",
    "cycle",
    "population",
    "patients",
    "trials",
    "mean",
    "pi_low",
    "pi_high",
)
LOW, HIGH = 0.025, 0.975


def trial_estimates(arm: Arm) -> NDArray[np.float64]:
    """Return the estimates of one trial's arm, in the order of the rows of the summary."""
    cycles = int(arm.plan.record.max_cycles)
    n = float(int(arm.sums["patients"]))
    counts = {
        name: arm.sums[name].astype(np.float64)
        for name in ("first", "last_cycle", "level", "escalated_on", "total")
    }
    # Whoever left in cycle c - 1 or earlier does not reach cycle c.
    left = np.cumsum(counts["last_cycle"][:cycles])
    reached = n - left
    parts = [_estimates(endpoint, counts, n, cycles, reached) for endpoint in arm.endpoints]
    return np.concatenate(parts)


def _estimates(
    endpoint: Endpoint,
    counts: dict[str, Any],
    n: float,
    cycles: int,
    reached: NDArray[np.float64],
) -> NDArray[np.float64]:
    rows = slice(1, cycles + 1)
    if endpoint.family == "value":
        below = n if endpoint.denominator < 0 else counts["total"][endpoint.denominator]
        return _ratio(counts["total"][endpoint.index : endpoint.index + 1], below) * endpoint.unit
    if endpoint.family == "first":
        return _ratio(np.cumsum(counts["first"][endpoint.index][rows]), n)
    if endpoint.family == "on_treatment":
        return _ratio(reached, n)
    if endpoint.family == "level":
        return _ratio(counts["level"][endpoint.index][rows], n)
    return _ratio(counts["escalated_on"][rows], reached)


def _ratio(amounts: Any, below: Any) -> NDArray[np.float64]:
    """Divide; where the denominator is 0 the estimate is missing."""
    below = np.broadcast_to(np.asarray(below, np.float64), np.shape(amounts))
    result = np.full(np.shape(amounts), np.nan)
    np.divide(amounts, below, out=result, where=below != 0.0)
    return result


def predict(
    summary: pd.DataFrame, trials: Sequence[NDArray[np.float64]], patients: int
) -> pd.DataFrame:
    """Return mean and 95 % prediction interval of every row of the summary.

    trials holds one array per trial, all arms one after another. Trials in which an estimate
    has no denominator are left out of its row; `trials` says how many remain.
    """
    values = np.stack(trials)
    known = ~np.isnan(values)
    frame = summary[["scenario", "endpoint", "label", "cycle", "population"]].copy()
    frame["patients"] = patients
    frame["trials"] = known.sum(axis=0)
    means, lows, highs = (np.full(values.shape[1], np.nan) for _ in range(3))
    for row in np.flatnonzero(known.any(axis=0)):
        column = values[known[:, row], row]
        means[row] = column.mean()
        lows[row], highs[row] = np.quantile(column, (LOW, HIGH))
    frame["mean"], frame["pi_low"], frame["pi_high"] = means, lows, highs
    return frame[list(PREDICTION_COLUMNS)]
