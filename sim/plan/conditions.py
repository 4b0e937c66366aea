"""Conditions of rules become clauses (numbers) and operations (postfix order)."""

import math
import re
from typing import Any

import numpy as np

from sim.codes import (
    AdverseEventClass,
    Clause,
    EventState,
    History,
    Operation,
    Value,
    Window,
)
from sim.errors import LimitError
from sim.model.layout import MAX_CLAUSES, MAX_OPERATIONS, UNLIMITED
from sim.scenario.condition import predicates
from sim.scenario.policy import (
    Combination,
    Comparison,
    EventPredicate,
    HistoryPredicate,
    Rule,
    ValuePredicate,
)

MAX_BITS = 62


def whole_range(comparison: Comparison | None) -> tuple[int, int]:
    """Return the lowest and highest whole number that a comparison allows."""
    if comparison is None:
        return 0, UNLIMITED
    low, high = 0, UNLIMITED
    if comparison.ge is not None:
        low = max(low, math.ceil(comparison.ge))
    if comparison.gt is not None:
        low = max(low, math.floor(comparison.gt) + 1)
    if comparison.le is not None:
        high = min(high, math.floor(comparison.le))
    if comparison.lt is not None:
        high = min(high, math.ceil(comparison.lt) - 1)
    if comparison.eq is not None:
        low, high = max(low, math.ceil(comparison.eq)), min(high, math.floor(comparison.eq))
    return low, high


def window_code(window: str) -> tuple[Window, int, int]:
    """Return the code and range of a window as written."""
    numbers = [int(number) for number in re.findall(r"\d+", window)]
    if window == "ever":
        return Window.EVER, 0, 0
    if window == "since change":
        return Window.SINCE_CHANGE, 0, 0
    if window == "cycle":
        return Window.LAST_CYCLES, 1, 0
    if window.startswith("cycles"):
        return Window.CYCLES, numbers[0], numbers[1]
    if "cycle" in window:
        return Window.LAST_CYCLES, numbers[0], 0
    return Window.LAST_DAYS, numbers[0], 0


def needs_event(condition: Any) -> bool:
    """Say whether a condition can only hold while an event is active or new."""
    return _needs(condition, ("active", "new"))


def needs_new(condition: Any) -> bool:
    """Say whether a condition can only hold when a new event matches some clause of it."""
    return _needs(condition, ("new",))


def _needs(condition: Any, states: tuple[str, ...]) -> bool:
    if isinstance(condition, EventPredicate):
        return condition.state in states and whole_range(condition.count)[0] >= 1
    if not isinstance(condition, Combination):
        return False
    by_all = any(_needs(part, states) for part in condition.all or ())
    by_any = bool(condition.any) and all(_needs(part, states) for part in condition.any or ())
    return by_all or by_any


def looks_at_new(condition: Any) -> bool:
    """Say whether some clause of a condition looks at new events."""
    return any(
        isinstance(predicate, EventPredicate) and predicate.state == "new"
        for _, predicate in predicates(condition, ())
    )


def looks_at_holds(condition: Any) -> bool:
    """Say whether some clause of a condition looks at holds."""
    return any(
        isinstance(predicate, HistoryPredicate) and predicate.history == "hold"
        for _, predicate in predicates(condition, ())
    )


class ConditionCompiler:
    """Appends clauses and operations to a plan, rule by rule."""

    def __init__(self, plan: Any, kinds: dict[str, int], rules: dict[str, int]) -> None:
        self.plan = plan
        self.kinds = kinds
        self.rules = rules
        self.clause_ids: list[str] = []
        self.clause_rules: list[int] = []
        self.clause_bars: list[bool] = []

    def compile(self, rule: Rule, condition: Any) -> tuple[int, int]:
        """Compile one condition of a rule; return its first operation and their number."""
        first = int(self.plan.n_operations)
        self._emit(rule, condition, under_none=False)
        self._check_bits(rule, first)
        return first, int(self.plan.n_operations) - first

    def _check_bits(self, rule: Rule, first: int) -> None:
        """Raise LimitError if clauses or open answers would not fit the bits of one integer."""
        depth, deepest = 0, 0
        for place in range(first, int(self.plan.n_operations)):
            is_clause = self.plan.operation[place] == Operation.CLAUSE
            depth += 1 if is_clause else 1 - int(self.plan.operand[place])
            deepest = max(deepest, depth)
        clauses = self.clause_rules.count(self.rules[rule.id])
        if max(clauses, deepest) > MAX_BITS:
            raise LimitError(f'rule "{rule.id}" has more than {MAX_BITS} clauses; split it')

    def _emit(self, rule: Rule, condition: Any, under_none: bool) -> None:
        if not isinstance(condition, Combination):
            self.clause_bars.append(under_none)
            self._operate(Operation.CLAUSE, self._add_clause(rule, condition))
            return
        groups = 0
        for operation, parts in (
            (Operation.ALL, condition.all),
            (Operation.ANY, condition.any),
            (Operation.NONE, condition.none),
        ):
            if parts is None:
                continue
            for part in parts:
                self._emit(rule, part, under_none != (operation == Operation.NONE))
            self._operate(operation, len(parts))
            groups += 1
        self._operate(Operation.ALL, groups)

    def _operate(self, operation: Operation, operand: int) -> None:
        place = int(self.plan.n_operations)
        if place >= MAX_OPERATIONS:
            raise LimitError(f"the rules need more than {MAX_OPERATIONS} steps; simplify them")
        self.plan.operation[place] = operation
        self.plan.operand[place] = operand
        self.plan.n_operations = place + 1

    def _add_clause(self, rule: Rule, predicate: Any) -> int:
        plan = self.plan
        clause = int(plan.n_clauses)
        if clause >= MAX_CLAUSES:
            raise LimitError(f"the rules have more than {MAX_CLAUSES} clauses; simplify them")
        plan.n_clauses = clause + 1
        number = 1 + sum(1 for other in self.clause_rules if other == self.rules[rule.id])
        self.clause_ids.append(predicate.clause or f"{rule.id}-{number}")
        self.clause_rules.append(self.rules[rule.id])
        plan.clause_kind[clause] = -1
        plan.clause_class[clause] = -1
        plan.clause_related[clause] = -1
        plan.clause_rule[clause] = -1
        plan.clause_days[clause] = (0, UNLIMITED)
        plan.clause_grade[clause] = (0, UNLIMITED)
        if isinstance(predicate, EventPredicate):
            self._fill_event(clause, predicate)
        elif isinstance(predicate, HistoryPredicate):
            self._fill_history(clause, predicate)
        else:
            self._fill_value(clause, predicate)
        return clause

    def _fill_window(self, clause: int, window: str) -> None:
        code, first, last = window_code(window)
        self.plan.clause_window[clause] = code
        self.plan.clause_window_range[clause] = (first, last)

    def _fill_event(self, clause: int, predicate: EventPredicate) -> None:
        plan = self.plan
        plan.clause_type[clause] = Clause.EVENT
        if predicate.term is not None:
            plan.clause_kind[clause] = self.kinds[predicate.term]
        if predicate.ae_class is not None:
            plan.clause_class[clause] = AdverseEventClass[predicate.ae_class.upper()]
        if predicate.related is not None:
            plan.clause_related[clause] = int(predicate.related)
        plan.clause_state[clause] = EventState[predicate.state.upper()]
        plan.clause_onset_only[clause] = int(predicate.timing == "onset")
        plan.clause_grade[clause] = whole_range(predicate.grade)
        plan.clause_count[clause] = whole_range(predicate.count)
        self._fill_window(clause, predicate.window)

    def _fill_history(self, clause: int, predicate: HistoryPredicate) -> None:
        plan = self.plan
        plan.clause_type[clause] = Clause.HISTORY
        plan.clause_kind[clause] = History[predicate.history.upper()]
        if predicate.rule is not None:
            plan.clause_rule[clause] = self.rules[predicate.rule]
        if predicate.related is not None:
            plan.clause_related[clause] = int(predicate.related)
        plan.clause_days[clause] = whole_range(predicate.days)
        plan.clause_at_lowest[clause] = int(predicate.at_level == "lowest")
        plan.clause_count[clause] = whole_range(predicate.count)
        self._fill_window(clause, predicate.window)

    def _fill_value(self, clause: int, predicate: ValuePredicate) -> None:
        plan = self.plan
        plan.clause_type[clause] = Clause.VALUE
        plan.clause_kind[clause] = Value[predicate.value.upper()]
        low, high = -np.inf, np.inf
        if predicate.ge is not None:
            low = predicate.ge
        if predicate.gt is not None:
            low = math.nextafter(predicate.gt, math.inf)
        if predicate.le is not None:
            high = predicate.le
        if predicate.lt is not None:
            high = math.nextafter(predicate.lt, -math.inf)
        if predicate.eq is not None:
            low = high = predicate.eq
        plan.clause_value[clause] = (low, high)
