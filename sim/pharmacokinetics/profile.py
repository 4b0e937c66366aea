"""Concentrations and areas over a dose ledger, by superposition (the kinetics are linear)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sim.errors import LimitError
from sim.pharmacokinetics.disposition import (
    HOURS_PER_DAY,
    NG_PER_ML_IN_MG_PER_L,
    Floats,
    Kinetics,
    absorbed,
    absorbed_area,
    absorbed_slope,
    as_floats,
    disposition,
)

Part = Callable[[float, float, Floats], Floats]
# Points per stretch between doses on which a peak is looked for, dense after the dose.
SEARCH_POINTS = 96
BISECTIONS = 60
# Doses times hours worked on at once: bounds the memory.
CELLS_AT_ONCE = 500_000


@dataclass(frozen=True)
class Ledger:
    """Doses given to one patient: day (1 is the first day of treatment) and mg, shapes (n,).

    A dose is taken at the start of its day, at hour 24 * (day - 1); days may have fractions.
    Raises LimitError on unequal shapes, NaN, or negative doses.
    """

    day: Floats
    mg: Floats

    def __post_init__(self) -> None:
        object.__setattr__(self, "day", as_floats(self.day))
        object.__setattr__(self, "mg", as_floats(self.mg))
        if self.day.ndim != 1 or self.day.shape != self.mg.shape:
            raise LimitError(
                f"a dose ledger has {self.day.size} days and {self.mg.size} doses; one mg for each"
            )
        if not (np.isfinite(self.day).all() and np.isfinite(self.mg).all()):
            raise LimitError("a dose ledger holds numbers only")
        if (self.mg < 0.0).any():
            raise LimitError(f"a dose of {self.mg.min():g} mg; doses are not negative")

    @property
    def hours(self) -> Floats:
        """When the doses are taken [h after the start of day 1]."""
        return HOURS_PER_DAY * (self.day - 1.0)


@dataclass(frozen=True)
class Peaks:
    """Highest concentration of each stretch [ng/mL] and when [h after the start of day 1]."""

    cmax_ng_per_ml: Floats
    tmax_hours: Floats


def concentration(kinetics: Kinetics, ledger: Ledger, hours: ArrayLike) -> Floats:
    """Return the concentration [ng/mL] at hours after the start of day 1, in the shape of hours."""
    return _superposed(kinetics, ledger, hours, absorbed)


def cumulative_auc(kinetics: Kinetics, ledger: Ledger, hours: ArrayLike) -> Floats:
    """Return the AUC [ng*h/mL] from the start up to hours, in the shape of hours."""
    return _superposed(kinetics, ledger, hours, absorbed_area)


def concentration_slope(kinetics: Kinetics, ledger: Ledger, hours: ArrayLike) -> Floats:
    """Return the rate of change [ng/mL per h] just after hours, in the shape of hours."""
    return _superposed(kinetics, ledger, hours, absorbed_slope)


def auc_between(kinetics: Kinetics, ledger: Ledger, edges_hours: ArrayLike) -> Floats:
    """Return the AUC [ng*h/mL] between successive edges: n edges, n - 1 areas."""
    return np.diff(cumulative_auc(kinetics, ledger, edges_hours))


def _superposed(kinetics: Kinetics, ledger: Ledger, hours: ArrayLike, part: Part) -> Floats:
    """Add up what each dose contributes from its lag time on."""
    at = np.asarray(hours, dtype=np.float64)
    parts, ka = disposition(kinetics), kinetics.absorption_per_h
    per_mg = NG_PER_ML_IN_MG_PER_L * kinetics.bioavailability * ka / kinetics.central_volume_l
    starts, amounts = ledger.hours + kinetics.lag_h, per_mg * ledger.mg
    flat = at.ravel()
    total = np.zeros(flat.shape)
    size = max(1, CELLS_AT_ONCE // max(flat.size, 1))
    for first in range(0, starts.size, size):
        elapsed = flat - starts[first : first + size, None]
        begun = elapsed >= 0.0
        elapsed = np.where(begun, elapsed, 0.0)
        own = np.zeros(elapsed.shape)
        for rate, weight in zip(parts.rates_per_h.tolist(), parts.weights.tolist(), strict=True):
            own += weight * part(rate, ka, elapsed)
        total += (amounts[first : first + size, None] * own * begun).sum(axis=0)
    return total.reshape(at.shape)


def peaks_between(kinetics: Kinetics, ledger: Ledger, edges_hours: ArrayLike) -> Peaks:
    """Return Cmax and Tmax between successive edges (increasing), to full accuracy.

    Between doses the profile is smooth: its highest point of a grid is refined by bisection
    of the slope.
    """
    edges = as_floats(edges_hours)
    begins = ledger.hours + kinetics.lag_h
    inner = begins[(begins > edges[0]) & (begins < edges[-1])]
    borders = np.unique(np.concatenate([edges, inner]))
    at, height = _highest(kinetics, ledger, borders[:-1], borders[1:])
    cmax, tmax = np.empty(len(edges) - 1), np.empty(len(edges) - 1)
    for place, (start, end) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        own = np.flatnonzero((borders[:-1] >= start) & (borders[:-1] < end))
        best = own[np.argmax(height[own])]
        cmax[place], tmax[place] = height[best], at[best]
    return Peaks(cmax, tmax)


def _highest(
    kinetics: Kinetics, ledger: Ledger, start: Floats, end: Floats
) -> tuple[Floats, Floats]:
    """Return time and height of the highest point of each stretch; shapes of start and end."""
    steps = np.linspace(0.0, 1.0, SEARCH_POINTS) ** 3
    grid = start[:, None] + (end - start)[:, None] * steps
    # At the end of a stretch the next dose is taken already: it adds nothing yet.
    best = np.argmax(concentration(kinetics, ledger, grid), axis=1)
    rows = np.arange(len(start))
    low = grid[rows, np.maximum(best - 1, 0)]
    high = grid[rows, np.minimum(best + 1, SEARCH_POINTS - 1)]
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        rises = concentration_slope(kinetics, ledger, middle) > 0.0
        low, high = np.where(rises, middle, low), np.where(rises, high, middle)
    refined = 0.5 * (low + high)
    candidates = np.stack([grid[rows, best], refined], axis=1)
    heights = concentration(kinetics, ledger, candidates)
    choice = np.argmax(heights, axis=1)
    return candidates[rows, choice], heights[rows, choice]
