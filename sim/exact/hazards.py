"""Hazards of a cycle at every node, by dose course (MODEL.md section 5)."""

from typing import Any

import numpy as np

from sim.codes import Clock
from sim.exact.course import Course
from sim.exact.nodes import Nodes, Reals
from sim.model.draws import TWO_32

LARGEST_EXPONENT = 500.0  # the event is certain long before; infinities would give no number


class Hazards:
    """Background and drug hazard of every kind, (kinds, nodes), for a course and a cycle."""

    def __init__(self, plan: Any, nodes: Nodes) -> None:
        self.plan = plan
        self.nodes = nodes
        self.kinds = int(plan.n_kinds)
        mg = np.array(plan.level_mg[: int(plan.n_levels)])
        self.level_auc: Reals = plan.auc_per_mg * np.outer(mg, nodes.bsa / nodes.cl_f)
        self._of_level = [
            [self._course_hazard(kind, auc) for auc in self.level_auc] for kind in range(self.kinds)
        ]
        self._known: dict[Any, tuple[Reals, Reals]] = {}

    def auc(self, course: Course, cycle: int) -> Reals:
        """Return the AUC/day [ng*h/mL per day] that a cycle's hazard answers to."""
        shares = int(self.plan.n_accumulation)
        if shares == 0:
            return self.level_auc[course.level]
        path = (*course.path, course.level)
        auc = np.zeros_like(self.nodes.cl_f)
        for back in range(min(shares, cycle)):
            auc = auc + self.plan.accumulation[back] * self.level_auc[path[cycle - back - 1]]
        return auc

    def of(self, course: Course, cycle: int) -> tuple[Reals, Reals]:
        """Return (background, drug) hazards, each (kinds, nodes), frailty included."""
        key = (course.level, course.layers, course.last_increase, course.path, cycle)
        if key not in self._known:
            auc = self.auc(course, cycle)
            parts = [self._of_kind(kind, course, cycle, auc) for kind in range(self.kinds)]
            shape = (self.kinds, len(auc))
            background = np.reshape([part[0] for part in parts], shape) * self.nodes.frailty
            drug = np.reshape([part[1] for part in parts], shape) * self.nodes.frailty
            self._known[key] = background, drug
        return self._known[key]

    def called_related(self, course: Course, cycle: int) -> Reals:
        """Return P(called related), (kinds, nodes), of an event that begins in a cycle."""
        plan, auc = self.plan, self.auc(course, cycle)
        background, drug = self.of(course, cycle)
        total = background + drug
        caused = np.divide(drug, total, out=np.zeros_like(total), where=total > 0.0)
        for kind in range(self.kinds):
            if plan.has_slope[kind] and plan.drug_share[kind] >= 0.0:
                caused[kind] = np.where(auc > 0.0, plan.drug_share[kind], 0.0)
        # The plan holds these as thresholds on 32-bit words.
        sensitivity = np.array(plan.sensitivity[: self.kinds, None]) / TWO_32
        false_positive = np.array(plan.false_positive[: self.kinds, None]) / TWO_32
        related: Reals = sensitivity * caused + false_positive * (1.0 - caused)
        return related

    def _course_hazard(self, kind: int, auc: Reals) -> Reals:
        """Return the hazard of the reference course at a constant AUC/day."""
        plan = self.plan
        hazard = np.logaddexp(0.0, plan.intercept[kind] + plan.slope[kind] * auc)
        theta = float(plan.frailty_variance)
        if theta == 0.0:
            return hazard
        raised: Reals = np.expm1(np.minimum(theta * hazard, LARGEST_EXPONENT)) / theta
        return raised

    def _of_kind(self, kind: int, course: Course, cycle: int, auc: Reals) -> tuple[Reals, Reals]:
        plan, none = self.plan, np.zeros_like(auc)
        scale, weight = float(plan.setting_multiplier[kind]), float(plan.weight[cycle])
        if not plan.has_slope[kind]:
            whole, share = scale * float(plan.constant_hazard[kind]), float(plan.drug_share[kind])
            started = course.last_increase if plan.clock == Clock.RESET else 1
            drug = share * whole * float(plan.weight[cycle - started + 1])
            return none + weight * whole * (1.0 - share), np.where(auc > 0.0, drug, 0.0)
        if plan.slope[kind] <= 0.0:
            return scale * weight * self._course_hazard(kind, auc), none
        background = scale * weight * float(plan.background_hazard[kind])
        return none + background, scale * self._drug(kind, course, cycle, auc)

    def _drug(self, kind: int, course: Course, cycle: int, auc: Reals) -> Reals:
        plan, weight = self.plan, self.plan.weight
        background = float(plan.background_hazard[kind])
        if plan.clock != Clock.INCREMENT:
            started = 1 if plan.clock == Clock.START else course.last_increase
            top = self._to_top(kind, course.level, True, auc)
            return np.asarray(weight[cycle - started + 1] * np.maximum(top - background, 0.0))
        drug, below = np.zeros_like(auc), np.full_like(auc, background)
        for place, (level, started) in enumerate(course.layers):
            top = self._to_top(kind, level, place == len(course.layers) - 1, auc)
            drug = drug + weight[cycle - started + 1] * np.maximum(top - below, 0.0)
            below = np.maximum(below, top)
        return drug

    def _to_top(self, kind: int, level: int, is_highest: bool, auc: Reals) -> Reals:
        """Return the course hazard up to the top of a layer.

        With accumulation the exposure of the cycle bounds every layer, and the highest layer
        takes what is above it.
        """
        if self.plan.n_accumulation == 0:
            return self._of_level[kind][level]
        own = auc if is_highest else np.minimum(auc, self.level_auc[level])
        return self._course_hazard(kind, own)
