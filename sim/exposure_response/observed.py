"""Observed proportions by exposure, as the paper's Fig. 1: about the median and by quantile."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from sim.errors import LimitError

INTERVAL = "Clopper-Pearson"
GROUPS_AT_MOST = 20


@dataclass(frozen=True)
class Proportion:
    """Patients of an exposure group, those with the event, and the exact interval."""

    label: str
    exposure_low: float
    exposure_median: float
    exposure_high: float
    patients: int
    events: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Events over patients."""
        return self.events / self.patients


def clopper_pearson(events: int, patients: int, level: float = 0.95) -> tuple[float, float]:
    """Return the exact binomial interval (Clopper and Pearson, Biometrika 1934;26:404)."""
    tail = 0.5 * (1.0 - level)
    low = beta.ppf(tail, events, patients - events + 1) if events > 0 else 0.0
    high = beta.isf(tail, events + 1, patients - events) if events < patients else 1.0
    return float(low), float(high)


def by_median(
    exposure: NDArray[np.float64], event: NDArray[np.float64], level: float = 0.95
) -> tuple[Proportion, ...]:
    """Return the proportions at or below and above the median of exposure, both (n,)."""
    low, high = "at or below the median", "above the median"
    return _proportions(exposure, event, (low, high), level)


def by_quantile(
    exposure: NDArray[np.float64],
    event: NDArray[np.float64],
    groups: int = 4,
    level: float = 0.95,
) -> tuple[Proportion, ...]:
    """Return the proportions by quantile group of exposure, lowest first.

    A patient at a limit belongs to the lower group; limits are those of R's quantile type 7.
    Ties can empty a group, which is then left out. Raises LimitError for too few or too many.
    """
    if not 2 <= groups <= GROUPS_AT_MOST:
        raise LimitError(f"quantile groups: {groups} is not within 2 to {GROUPS_AT_MOST}")
    return _proportions(exposure, event, tuple(f"Q{i + 1}" for i in range(groups)), level)


def _proportions(
    exposure: NDArray[np.float64],
    event: NDArray[np.float64],
    labels: tuple[str, ...],
    level: float,
) -> tuple[Proportion, ...]:
    limits = np.quantile(exposure, np.arange(1, len(labels)) / len(labels))
    group = np.searchsorted(limits, exposure, side="left")
    found = []
    for number, label in enumerate(labels):
        x, y = exposure[group == number], event[group == number]
        if len(x) == 0:
            continue
        events = int(y.sum())
        low, high = clopper_pearson(events, len(y), level)
        middle = float(np.median(x))
        found.append(
            Proportion(label, float(x.min()), middle, float(x.max()), len(y), events, low, high)
        )
    return tuple(found)
