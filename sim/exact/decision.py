"""The level decision on day 1 of a cycle: what a state turns into, with which probability.

Written from MODEL.md section 7, apart from the interpreter of the simulator: a rule's
probability branches here instead of being drawn.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

from sim.codes import Action, Clause, History, Route, Value
from sim.exact.course import Course, CourseMemory, first_course, memory_of, moved
from sim.exact.lookbacks import Count, LookBacks, clauses_of, condition_holds, is_asked
from sim.model.draws import TWO_32
from sim.model.layout import UNLIMITED

SEVERITY = {Action.STOP: 4, Action.DOWN: 2, Action.UP: 1}


class State(NamedTuple):
    """All that the future of a patient depends on, beside clearance, body size and frailty.

    fires: how often each level rule acted, as far as it matters; had: bit k, kind k has occurred
    and cannot again.
    """

    course: Course
    counts: tuple[Count, ...]
    fires: tuple[int, ...]
    had: int


@dataclass(frozen=True)
class Branch:
    """One outcome of a decision: its probability, the state after it, and what happened.

    rule acted, if any; change is +1, -1 or 0; with a route treatment ended that day.
    """

    probability: float
    state: State
    rule: int | None = None
    change: int = 0
    route: int | None = None


@dataclass(frozen=True)
class Asked:
    """A rule that was asked and might have fired, and the clauses that held."""

    rule: int
    held: tuple[int, ...]
    holds: bool


class Decisions:
    """The level rules of a plan."""

    def __init__(self, plan: Any, level_rules: list[int], cycles: int) -> None:
        self.plan = plan
        self.rules = level_rules
        self.cycles = cycles
        self.memory: CourseMemory = memory_of(plan)
        self.looks = LookBacks(plan, level_rules, cycles)
        self._place = {rule: place for place, rule in enumerate(level_rules)}
        self._most_fires = [self._fires_that_matter(rule) for rule in level_rules]
        self._last_asked = [
            max((c for c in range(1, cycles + 1) if is_asked(plan, rule, c)), default=0)
            for rule in level_rules
        ]

    def first_state(self) -> State:
        """Return the state of everybody before the first dose."""
        fires = (0,) * len(self.rules)
        return State(first_course(self.plan, self.memory), self.looks.empty(), fires, 0)

    def _fires_that_matter(self, rule: int) -> int:
        limit = int(self.plan.rule_max_fires[rule])
        return max(limit if limit < UNLIMITED else 0, int(self.plan.rule_n_steps[rule]) - 1, 1)

    def may_fire(self, state: State, rule: int) -> bool:
        """Say whether a rule has not yet acted max_fires times."""
        return state.fires[self._place[rule]] < int(self.plan.rule_max_fires[rule])

    def fires_of(self, state: State, rule: int) -> int:
        """Return how often a rule has acted, as far as it matters."""
        return state.fires[self._place[rule]]

    def asked(self, state: State, cycle: int) -> list[Asked]:
        """Return the rules asked on day 1 of a cycle that may still fire."""
        return [
            self._ask(state, rule, cycle)
            for rule in self.rules
            if is_asked(self.plan, rule, cycle) and self.may_fire(state, rule)
        ]

    def _ask(self, state: State, rule: int, cycle: int) -> Asked:
        truth = {c: self._holds(state, c, cycle) for c in clauses_of(self.plan, rule)}
        held = tuple(clause for clause, holds in truth.items() if holds)
        return Asked(rule, held, condition_holds(self.plan, rule, truth.__getitem__))

    def _holds(self, state: State, clause: int, cycle: int) -> bool:
        plan = self.plan
        if plan.clause_type[clause] == Clause.VALUE:
            low, high = plan.clause_value[clause]
            return bool(low <= value_of(plan, state.course, clause, cycle) <= high)
        place = self.looks.of_clause.get(clause)
        count = 0 if place is None else sum(state.counts[place])
        low, high = plan.clause_count[clause]
        return bool(low <= count <= high)

    def branches(self, state: State, asked: list[Asked], cycle: int) -> Iterator[Branch]:
        """Yield what the decision of a cycle may lead to; probabilities add to 1."""
        chances = [self._chances(state, one.rule) for one in asked if one.holds]
        for outcome in product(*chances):
            probability = 1.0
            best, severity = None, 0
            for chance, rule, action, argument in outcome:
                probability *= chance
                own = self._severity(state, action, argument)
                if own > severity:
                    best, severity = (rule, action, argument), own
            if probability > 0.0:
                yield self._acted(state, probability, best, cycle)

    def _chances(self, state: State, rule: int) -> list[tuple[float, int, int, int]]:
        """Return (probability, rule, action, argument) of every outcome of a rule's draw."""
        plan, found, below = self.plan, [], 0.0
        for place in range(int(plan.rule_n_choices[rule])):
            upto = float(plan.choice_threshold[rule, place]) / TWO_32
            action = int(plan.choice_action[rule, place])
            found.append((upto - below, rule, action, int(plan.choice_argument[rule, place])))
            below = upto
        if not found:
            below = float(plan.rule_threshold[rule]) / TWO_32
            step = min(state.fires[self._place[rule]], int(plan.rule_n_steps[rule]) - 1)
            action = int(plan.step_action[rule, step])
            found.append((below, rule, action, int(plan.step_argument[rule, step])))
        return [*found, (1.0 - below, rule, int(Action.NONE), 0)]

    def _severity(self, state: State, action: int, argument: int) -> int:
        if action == Action.NONE:
            return 0
        if self.plan.order_by_file:
            return 1
        if action == Action.SET:
            action = Action.UP if argument > state.course.level else Action.DOWN
        return SEVERITY[Action(action)]

    def _acted(
        self, state: State, probability: float, best: tuple[int, int, int] | None, cycle: int
    ) -> Branch:
        """Return what the winner of a decision does."""
        if best is None:
            return Branch(probability, self._settled(state, cycle, None))
        rule, action, argument = best
        level = state.course.level
        if action == Action.STOP:
            return Branch(probability, state, rule, 0, int(self.plan.rule_route[rule]))
        step = argument if action == Action.UP else -argument
        target = argument if action == Action.SET else level + step
        if target > level and not self._may_rise(state.course, rule, target, cycle):
            return Branch(probability, self._settled(state, cycle, None))
        return self._changed(state, probability, rule, target, cycle)

    def _changed(
        self, state: State, probability: float, rule: int, target: int, cycle: int
    ) -> Branch:
        plan, course = self.plan, state.course
        if target < 0:
            if not plan.stay_at_lowest:
                return Branch(probability, state, rule, 0, int(Route.BELOW_LOWEST))
            target = 0
        state = self._counted(state, rule, cycle)
        if target == course.level:
            return Branch(probability, self._settled(state, cycle, None), rule)
        is_up = target > course.level
        if not is_up and course.reductions >= int(plan.max_reductions):
            return Branch(probability, state, rule, 0, int(Route.MAX_REDUCTIONS))
        what = int(History.INCREASE if is_up else History.REDUCTION)
        state = state._replace(course=moved(state.course, self.memory, target, cycle))
        state = self._settled(state, cycle, (what, rule, course.level))
        return Branch(probability, state, rule, 1 if is_up else -1)

    def _may_rise(self, course: Course, rule: int, level: int, cycle: int) -> bool:
        """The ladder, locks and the rule's cap."""
        if level >= int(self.plan.n_levels) or cycle <= course.locked_to:
            return False
        if self.plan.rule_caps[rule] and course.reductions > 0:
            return level <= course.before_reduction
        return True

    def _counted(self, state: State, rule: int, cycle: int) -> State:
        """Count a firing; it may forbid increases from now on."""
        place, lock = self._place[rule], int(self.plan.rule_lock_cycles[rule])
        fires = list(state.fires)
        fires[place] = min(fires[place] + 1, self._most_fires[place])
        locked = max(state.course.locked_to, min(cycle + lock, self.cycles) if lock else 0)
        return state._replace(fires=tuple(fires), course=state.course._replace(locked_to=locked))

    def _settled(self, state: State, cycle: int, change: tuple[int, int, int] | None) -> State:
        """Enter the change into the look-backs, then forget what cannot matter any more."""
        fires = tuple(
            count if self._last_asked[place] > cycle else 0
            for place, count in enumerate(state.fires)
        )
        counts = self.looks.after_decision(state.counts, cycle, change)
        locked = state.course.locked_to if state.course.locked_to > cycle else 0
        state = state._replace(course=state.course._replace(locked_to=locked), counts=counts)
        counts = self.looks.forget(counts, cycle + 1, lambda rule: self.may_fire(state, rule))
        return state._replace(counts=counts, fires=fires)


def value_of(plan: Any, course: Course, clause: int, cycle: int) -> float:
    """Return the number a value clause compares, on day 1 of a cycle."""
    what = plan.clause_kind[clause]
    if what == Value.DOSE_MG:
        return float(plan.level_mg[course.level])
    if what == Value.CYCLES_AT_LEVEL:
        return float(course.cycles_at_level)
    return float((cycle - 1) * int(plan.cycle_days) + 1)
