"""Event rules: the probability that an event, once known, stops treatment, and by which rule."""

from typing import Any

import numpy as np

from sim.codes import Clause, Value, Window
from sim.exact.course import Course
from sim.exact.decision import value_of
from sim.exact.lookbacks import clauses_of, condition_holds, filter_of
from sim.exact.nodes import Reals
from sim.model.draws import TWO_32
from sim.model.layout import GRADES


class Stops:
    """P(the first of the rules to act is this one), by kind, grade, attribution and rule."""

    def __init__(self, plan: Any, event_rules: list[int]) -> None:
        self.plan = plan
        self.rules = event_rules
        self._known: dict[Any, Reals] = {}

    def of(self, course: Course, cycle: int) -> Reals:
        """Return probabilities (kinds, grades, unrelated or related, rules) for events of a cycle.

        Of several rules that act on one day the first in the file stops treatment.
        """
        truths = {
            clause: self._holds_whatever_event(course, clause, cycle)
            for rule in self.rules
            for clause in clauses_of(self.plan, rule)
        }
        key = tuple(truths.values())
        if key not in self._known:
            kinds = int(self.plan.n_kinds)
            chances = np.zeros((kinds, GRADES, 2, len(self.rules)))
            for kind, grade, related in np.ndindex(kinds, GRADES, 2):
                remaining = 1.0
                for place, rule in enumerate(self.rules):
                    if self._acts_on(rule, truths, kind, grade, related):
                        acts = remaining * self._probability(rule)
                        chances[kind, grade, related, place] = acts
                        remaining -= acts
            self._known[key] = chances
        return self._known[key]

    def _holds_whatever_event(self, course: Course, clause: int, cycle: int) -> bool:
        """The part of a clause that is the same for all events of a cycle."""
        plan = self.plan
        if plan.clause_type[clause] == Clause.VALUE:
            low, high = plan.clause_value[clause]
            # The cycle that runs counts as one at its level.
            at_level = plan.clause_kind[clause] == Value.CYCLES_AT_LEVEL
            value = value_of(plan, course, clause, cycle) + float(at_level)
            return bool(low <= value <= high)
        if plan.clause_type[clause] == Clause.EVENT and plan.clause_window[clause] == Window.CYCLES:
            first, last = plan.clause_window_range[clause]
            return bool(first <= cycle <= last)
        return True

    def _acts_on(
        self, rule: int, truths: dict[int, bool], kind: int, grade: int, related: int
    ) -> bool:
        return condition_holds(
            self.plan, rule, lambda clause: self._holds(clause, truths, kind, grade, related)
        )

    def _holds(
        self, clause: int, truths: dict[int, bool], kind: int, grade: int, related: int
    ) -> bool:
        plan = self.plan
        if plan.clause_type[clause] == Clause.VALUE:
            return truths[clause]
        count = 0
        if plan.clause_type[clause] == Clause.EVENT:
            matches = filter_of(plan, clause).matches_event(plan, kind, grade, related)
            count = int(truths[clause] and matches)
        low, high = plan.clause_count[clause]
        return bool(low <= count <= high)

    def _probability(self, rule: int) -> float:
        plan = self.plan
        choices = int(plan.rule_n_choices[rule])
        if choices > 0:
            return float(plan.choice_threshold[rule, choices - 1]) / TWO_32
        return float(plan.rule_threshold[rule]) / TWO_32
