"""The forward recursion: from the states at the start of a cycle to those of the next.

A state's mass is, at every node, the probability to be in it. Beside the row of all patients
run rows of those who have not yet had a certain event, from which first events follow.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sim.codes import Cause
from sim.errors import LimitError
from sim.exact.decision import Branch, Decisions, State
from sim.exact.nodes import STEPS, Nodes, Reals, nodes_of
from sim.exact.passage import Masses, Passage
from sim.exact.sums import ExpectedSums
from sim.model.counts import FIRSTS, VALUE_ASKS, VALUE_CLAUSE, VALUE_FIRED, VALUE_SUCCESS, VALUES
from sim.plan.plan import Plan

MAX_STATES = 20_000


class Recursion:
    """The recursion of one plan, which must be in reach (`reach.py`)."""

    def __init__(
        self, plan: Plan, level_rules: list[int], event_rules: list[int], nodes: Nodes
    ) -> None:
        self.name = plan.scenario.name
        self.plan: Any = plan.record
        starts = range(0, int(self.plan.max_days), int(self.plan.cycle_days))
        self.cycles = min(int(self.plan.max_cycles), len(starts))
        self.nodes = nodes
        self.sums = ExpectedSums(self.plan, self.nodes)
        self.decisions = Decisions(self.plan, level_rules, self.cycles)
        self.passage = Passage(
            self.plan, self.nodes, self.sums, self.decisions, event_rules, self.cycles
        )
        self.most_states = 0

    def run(self) -> ExpectedSums:
        """Run all cycles and return the expected sums."""
        masses: Masses = {self.decisions.first_state(): self.passage.everybody()}
        for cycle in range(1, self.cycles + 1):
            masses = self._decide(masses, cycle)
            self._check_size(len(masses), cycle)
            self._note_start(masses, cycle)
            masses = self.passage.run(masses, cycle)
        self.passage.finish()
        return self.sums

    def _check_size(self, states: int, cycle: int) -> None:
        self.most_states = max(self.most_states, states)
        if states > MAX_STATES:
            raise LimitError(
                f"{self.name}: the rules and clocks tell apart {states:,} states of a patient at "
                f"cycle {cycle}, exact mode takes {MAX_STATES:,}; fewer level changes, shorter "
                "look-backs or fewer cycles have fewer"
            )

    def _decide(self, masses: Masses, cycle: int) -> Masses:
        """Apply the level decision on day 1 of a cycle."""
        decided: Masses = {}
        for state, mass in masses.items():
            asked = self.decisions.asked(state, cycle)
            for one in asked:
                self.sums.total[VALUE_ASKS + one.rule] += self.sums.mean(mass[0])
                for clause in one.held:
                    self.sums.total[VALUE_CLAUSE + clause] += self.sums.mean(mass[0])
            for branch in self.decisions.branches(state, asked, cycle):
                share = branch.probability * mass
                self._note_branch(state, branch, share[0], cycle)
                if branch.route is None:
                    old = decided.get(branch.state)
                    decided[branch.state] = share if old is None else old + share
        return decided

    def _note_branch(self, before: State, branch: Branch, mass: Reals, cycle: int) -> None:
        sums = self.sums
        if branch.rule is not None and self.decisions.fires_of(before, branch.rule) == 0:
            sums.total[VALUE_FIRED + branch.rule] += sums.mean(mass)
        if branch.change > 0 and not before.course.escalated:
            sums.first[FIRSTS.index("escalated"), cycle] += sums.mean(mass)
        if branch.change < 0:
            sums.add_value("reduction:count", mass)
            if before.course.reductions == 0:
                sums.add_value("reduction", mass)
                for name in ("first_reduction", "first_modification"):
                    sums.first[FIRSTS.index(name), cycle] += sums.mean(mass)
        if branch.route is not None:
            sums.add_end(Cause.ADVERSE_EVENT, branch.route, cycle - 1, mass)
            self.passage.end_before(before, mass, cycle)

    def _note_start(self, masses: Masses, cycle: int) -> None:
        """Count who starts a cycle, and at which level."""
        plan, sums = self.plan, self.sums
        for state, mass in masses.items():
            course, there = state.course, sums.mean(mass[0])
            sums.on_treatment[cycle] += there
            sums.total[VALUES.index("cycles")] += there
            sums.level[course.level, cycle] += there
            if course.escalated:
                sums.escalated_on[cycle] += there
            at_target = course.level == plan.target_level and course.reductions == 0
            for place in range(int(plan.n_success_cycles)):
                if at_target and plan.success_cycle[place] == cycle:
                    sums.total[VALUE_SUCCESS + place] += there


def solve(
    plan: Plan, level_rules: list[int], event_rules: list[int], steps: Sequence[int] = STEPS
) -> Recursion:
    """Run the recursion of a plan in reach and return it, with its sums."""
    recursion = Recursion(plan, level_rules, event_rules, nodes_of(plan.record, steps))
    with np.errstate(under="ignore"):
        recursion.run()
    return recursion
