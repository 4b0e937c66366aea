"""Exits: P(this one comes first) in a cycle, by moment of assessment (MODEL.md section 8)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.exact.nodes import Reals

POINTS = 48


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
        self._nodes, self._weights = np.polynomial.legendre.leggauss(POINTS)

    def of(self, level: int, cycle: int, ahead: bool) -> Leaving:
        """Return who leaves in a cycle of nominal length at a level."""
        plan = self.plan
        asked = [
            number
            for number in range(int(plan.n_exits))
            if plan.exit_before_ae[number] == ahead and plan.exit_hazard[number] > 0.0
        ]
        none = np.zeros(self.level_auc.shape[1])
        if not asked:
            return Leaving(none + 1.0, ())
        spent = {number: self._hazard(number, level) for number in asked}
        whole = {n: spent[n] * self._share(n, cycle, np.ones(1))[0] for n in asked}
        stay = np.exp(-sum(whole.values(), none))
        leaves = [(int(plan.exit_cause[n]), self._first(n, spent, whole, cycle)) for n in asked]
        return Leaving(stay, tuple(leaves))

    def _hazard(self, number: int, level: int) -> Reals:
        """Return the hazard of the first nominal cycle at a level's exposure."""
        plan = self.plan
        auc = self.level_auc[level]
        relative = np.exp(plan.exit_slope[number] * (auc - plan.exit_reference_auc))
        return np.asarray(plan.exit_hazard[number] * relative)

    def _share(self, number: int, cycle: int, part: Reals) -> Reals:
        """Return the hazard spent by a part of a cycle, over that of the first cycle."""
        shape = float(self.plan.exit_shape[number])
        before = float(cycle - 1)
        return np.asarray((before + part) ** shape - before**shape)

    def _first(
        self, number: int, spent: dict[int, Reals], whole: dict[int, Reals], cycle: int
    ) -> Reals:
        """Return the probability that this exit comes, and before the others.

        With equal shapes its share of the hazard; else the integral of its hazard times the
        survival of all, over u with part = u**q, in which the hazard is smooth at day 0.
        """
        plan, none = self.plan, np.zeros_like(whole[number])
        total = sum(whole.values(), none)
        if len({float(plan.exit_shape[n]) for n in spent}) == 1:
            shares = np.divide(whole[number], total, out=none.copy(), where=total > 0.0)
            return np.asarray(-np.expm1(-total) * shares)
        shape = float(plan.exit_shape[number])
        smallest = min(float(plan.exit_shape[n]) for n in spent)
        power = max(1.0, 4.0 / smallest)
        u, weights = (self._nodes + 1.0) / 2.0, self._weights / 2.0
        part = u**power
        rate = shape * (cycle - 1 + part) ** (shape - 1.0) * power * u ** (power - 1.0)
        survival = np.exp(-sum(np.outer(self._share(n, cycle, part), spent[n]) for n in spent))
        return np.asarray((weights * rate) @ survival * spent[number])
