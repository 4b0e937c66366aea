"""Expected sums per patient, by the numbers under which the simulator tallies them.

Every entry has a last axis over the quadrature rules of `nodes.py`, the one in use first.
"""

from typing import Any

import numpy as np

from sim.codes import Cause
from sim.exact.nodes import Nodes, Reals
from sim.model.counts import (
    AUC_UNIT,
    BENEFIT_UNIT,
    FIRST_ROUTE,
    FIRSTS,
    N_FIRSTS,
    N_VALUES,
    RDI_UNIT,
    VALUES,
)
from sim.model.layout import CYCLE_SLOTS, MAX_LEVELS

STOPPED_CAUSE = FIRSTS.index("discontinued:adverse_event") - int(Cause.ADVERSE_EVENT)


class ExpectedSums:
    """Means over patients: firsts by cycle, patients on treatment and levels by cycle, values."""

    def __init__(self, plan: Any, nodes: Nodes) -> None:
        self.plan = plan
        self.nodes = nodes
        rules = len(nodes.weights)
        self.first = np.zeros((N_FIRSTS, CYCLE_SLOTS, rules))
        self.on_treatment = np.zeros((CYCLE_SLOTS, rules))
        self.escalated_on = np.zeros((CYCLE_SLOTS, rules))
        self.level = np.zeros((MAX_LEVELS, CYCLE_SLOTS, rules))
        self.total = np.zeros((N_VALUES, rules))

    def mean(self, mass: Reals) -> Reals:
        """Return the mean over patients of a value per node, (nodes,), by every rule."""
        return np.asarray(self.nodes.weights @ mass)

    def add_value(self, name: str, mass: Reals, factor: float = 1.0) -> None:
        """Add to a value a mass per node, (nodes,)."""
        self.total[VALUES.index(name)] += factor * self.mean(mass)

    def add_end(self, cause: Cause, route: int, cycle: int, mass: Reals) -> None:
        """Count patients, (nodes,), whose last cycle started is `cycle`."""
        if cause == Cause.COMPLETED:
            self.add_value("completed", mass)
            return
        cycle, leaving = max(cycle, 1), self.mean(mass)
        self.first[FIRSTS.index("discontinued:any"), cycle] += leaving
        self.first[STOPPED_CAUSE + int(cause), cycle] += leaving
        self.first[FIRST_ROUTE + route, cycle] += leaving

    def add_course(self, mass: Reals, given_ug: Reals, last_day: int) -> None:
        """Add what depends on dose and days together: mass (states, nodes), given_ug (states,)."""
        plan, nodes, days = self.plan, self.nodes, max(last_day, 1)
        reference_ug = plan.reference_ug * plan.n_doses * (days / plan.cycle_days)
        dose = given_ug @ mass
        self.add_value("days", mass.sum(axis=0), last_day)
        self.add_value("rdi_on_treatment", dose, RDI_UNIT / reference_ug)
        self.add_value("auc_per_day", self._auc_per_ug(days) * dose, AUC_UNIT)
        self.add_value("given_ug", dose)
        self.add_value("dose_ug", dose * nodes.bsa)

    def add_benefit(self, mass: Reals, benefit_ug: Reals) -> None:
        """Add the probability of clinical benefit: mass (states, nodes), benefit_ug (states,)."""
        plan = self.plan
        if plan.has_benefit:
            auc = np.outer(benefit_ug, self._auc_per_ug(int(plan.benefit_days)))
            logit = plan.benefit_intercept + plan.benefit_slope * auc
            benefit = np.exp(-np.logaddexp(0.0, -logit))
            self.add_value("clinical_benefit", (mass * benefit).sum(axis=0), BENEFIT_UNIT)

    def _auc_per_ug(self, days: int) -> Reals:
        """Return AUC/day over some days [ng*h/mL per day] per ug given at level doses."""
        plan, nodes = self.plan, self.nodes
        per_mg = plan.auc_per_mg * plan.cycle_days / plan.n_doses
        return np.asarray(per_mg * 1e-3 * nodes.bsa / (nodes.cl_f * days))
