"""Exits: P(this one comes first) in a cycle, by moment of assessment (MODEL.md section 8)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.exact.nodes import Reals

POINTS = 10  # on every panel
PANELS = 30  # each reaches from a quarter of the next one's end: the first is below 1e-17 cycles
LARGEST_EXPONENT = 60.0  # of a hazard ratio: such patients leave at once


@dataclass(frozen=True)
class Leaving:
    """P(stay), (nodes,), and for each exit its cause and P(it ends treatment), (nodes,)."""

    stay: Reals
    by_cause: tuple[tuple[int, Reals], ...]


class Exits:
    """The exits of a plan, assessed on day 1 (ahead) or at the end of a cycle."""

    def __init__(self, plan: Any, level_auc: Reals) -> None:
        self.plan = plan
        self.level_auc = level_auc
        x, weights = np.polynomial.legendre.leggauss(POINTS)
        ends = 0.25 ** np.arange(PANELS)[:, None]
        self._parts = (ends * (0.625 + 0.375 * x)).ravel()
        self._weights = (ends * 0.375 * weights).ravel()
        self._known: dict[tuple[int, int, bool], Leaving] = {}

    def of(self, level: int, cycle: int, ahead: bool) -> Leaving:
        """Return who leaves in a cycle of nominal length at a level."""
        key = (level, cycle, ahead)
        if key not in self._known:
            self._known[key] = self._leaving(level, cycle, ahead)
        return self._known[key]

    def _leaving(self, level: int, cycle: int, ahead: bool) -> Leaving:
        plan, none = self.plan, np.zeros(self.level_auc.shape[1])
        asked = [
            number
            for number in range(int(plan.n_exits))
            if plan.exit_before_ae[number] == ahead and plan.exit_hazard[number] > 0.0
        ]
        first = {number: self._first_hazard(number, level) for number in asked}
        spent = {n: first[n] * self._share(n, cycle, np.ones(1))[0] for n in asked}
        total = sum(spent.values(), none)
        leaves = {n: -np.expm1(-total) * _quotient(spent[n], total) for n in asked}
        if len({float(plan.exit_shape[number]) for number in asked}) > 1:
            leaves = self._race(first, total, leaves, cycle)
        causes = tuple((int(plan.exit_cause[number]), leaves[number]) for number in asked)
        return Leaving(np.exp(-total), causes)

    def _first_hazard(self, number: int, level: int) -> Reals:
        """Return the hazard of the first nominal cycle at a level's exposure."""
        plan, auc = self.plan, self.level_auc[level]
        exponent = plan.exit_slope[number] * (auc - plan.exit_reference_auc)
        return np.asarray(plan.exit_hazard[number] * np.exp(np.minimum(exponent, LARGEST_EXPONENT)))

    def _share(self, number: int, cycle: int, part: Reals) -> Reals:
        """Return the hazard spent by a part of a cycle, over that of the first cycle."""
        shape, before = float(self.plan.exit_shape[number]), float(cycle - 1)
        return np.asarray((before + part) ** shape - before**shape)

    def _race(
        self, first: dict[int, Reals], total: Reals, equal: dict[int, Reals], cycle: int
    ) -> dict[int, Reals]:
        """Return P(this exit comes, and before the others) for exits of different shapes.

        The integral of its hazard times the survival of all, over panels that halve twice and
        again towards day 0, where a hazard may be infinite or very large. Scaled to the known
        sum; `equal` stands in where everybody leaves before the first panel.
        """
        survival = np.exp(
            -sum(np.outer(self._share(n, cycle, self._parts), first[n]) for n in first)
        )
        raced = {}
        for number, hazard in first.items():
            shape = float(self.plan.exit_shape[number])
            rate = self._weights * shape * (cycle - 1 + self._parts) ** (shape - 1.0)
            raced[number] = (rate @ survival) * hazard
        sums = sum(raced.values(), np.zeros_like(total))
        leaving = -np.expm1(-total)
        return {
            number: np.where(sums > 0.0, leaving * _quotient(raced[number], sums), equal[number])
            for number in first
        }


def _quotient(above: Reals, below: Reals) -> Reals:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0.0)
