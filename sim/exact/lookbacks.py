"""Look-backs: how often something happened within the window of a clause, counted as far as asked.

One count serves all clauses with the same filter and window. It is kept only while a rule that
asks about it may still be asked, and never beyond what the clauses tell apart.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sim.codes import Clause, EventState, History, Operation, Window
from sim.model.layout import MAX_CYCLES, UNLIMITED

Count = tuple[int, ...]  # one number, or one for each of the last cycles, the latest first
CHANGES = {History.INCREASE, History.REDUCTION}


@dataclass(frozen=True)
class Filter:
    """What is counted: events, or changes of the dose; -1 stands for any."""

    is_event: bool
    kind: int
    ae_class: int = -1
    lowest_grade: int = 0
    highest_grade: int = UNLIMITED
    related: int = -1
    rule: int = -1
    at_lowest: bool = False

    def matches_event(self, plan: Any, kind: int, grade: int, related: int) -> bool:
        """Say whether an adverse event of a kind, grade and attribution is counted."""
        return bool(
            self.is_event
            and self.kind in (-1, kind)
            and self.ae_class in (-1, plan.kind_class[kind])
            and self.lowest_grade <= grade <= self.highest_grade
            and self.related in (-1, related)
        )

    def matches_change(self, change: int, rule: int, level_before: int) -> bool:
        """Say whether a change of the dose by a rule is counted."""
        return (
            not self.is_event
            and self.kind == change
            and self.rule in (-1, rule)
            and not (self.at_lowest and level_before != 0)
        )


@dataclass(frozen=True)
class LookBack:
    """A count over a window; most is the highest number that matters."""

    filter: Filter
    window: int
    first: int
    last: int
    most: int
    asked_in: frozenset[tuple[int, int]]  # (rule, cycle)

    @property
    def empty(self) -> Count:
        """The count of nothing."""
        return (0,) * (self.first if self.window == Window.LAST_CYCLES else 1)

    def collects(self, cycle: int) -> bool:
        """Say whether what happens in a cycle is in the window, now or later."""
        return self.window != Window.CYCLES or self.first <= cycle <= self.last

    def added(self, count: Count, amount: int) -> Count:
        """Return the count with what happened in the latest cycle, which is over for it."""
        if self.window == Window.LAST_CYCLES:
            return (min(amount, self.most), *count[:-1])
        return (min(count[0] + amount, self.most),)

    def matters(self, cycle: int, may_fire: Any) -> bool:
        """Say whether some rule that may fire asks about it in this cycle or later."""
        return any(asked >= cycle and may_fire(rule) for rule, asked in self.asked_in)


def filter_of(plan: Any, clause: int) -> Filter:
    """Return what an event or history clause counts."""
    is_event = plan.clause_type[clause] == Clause.EVENT
    kind, related = int(plan.clause_kind[clause]), int(plan.clause_related[clause])
    if not is_event:
        rule, lowest = int(plan.clause_rule[clause]), bool(plan.clause_at_lowest[clause])
        return Filter(False, kind, related=related, rule=rule, at_lowest=lowest)
    low, high = (int(bound) for bound in plan.clause_grade[clause])
    return Filter(True, kind, int(plan.clause_class[clause]), low, high, related)


def never_counts(plan: Any, clause: int) -> bool:
    """Say whether nothing that can happen in reach is counted: holds, delays, active events."""
    if plan.clause_type[clause] == Clause.EVENT:
        return bool(plan.clause_state[clause] == EventState.ACTIVE)
    days_low, days_high = plan.clause_days[clause]
    return int(plan.clause_kind[clause]) not in CHANGES or not days_low <= 0 <= days_high


def _key(plan: Any, clause: int) -> tuple[Filter, int, int, int]:
    first, last = (int(value) for value in plan.clause_window_range[clause])
    return filter_of(plan, clause), int(plan.clause_window[clause]), first, last


class LookBacks:
    """The counts of a plan's level rules, and where each clause finds its own."""

    def __init__(self, plan: Any, level_rules: list[int], cycles: int) -> None:
        self.plan = plan
        self.all: list[LookBack] = []
        self.of_clause: dict[int, int] = {}
        places: dict[Any, int] = {}
        for rule in level_rules:
            asked = frozenset((rule, c) for c in range(1, cycles + 1) if is_asked(plan, rule, c))
            for clause in clauses_of(plan, rule):
                if plan.clause_type[clause] == Clause.VALUE or never_counts(plan, clause):
                    continue
                place = places.setdefault(_key(plan, clause), len(self.all))
                self._add(place, clause, asked)

    def _add(self, place: int, clause: int, asked: frozenset[tuple[int, int]]) -> None:
        low, high = (int(bound) for bound in self.plan.clause_count[clause])
        most = max(low, high + 1 if high < UNLIMITED else 0, 1)
        if place == len(self.all):
            own, window, first, last = _key(self.plan, clause)
            self.all.append(LookBack(own, window, first, last, most, asked))
        else:
            old = self.all[place]
            both = replace(old, most=max(old.most, most), asked_in=old.asked_in | asked)
            self.all[place] = both
        self.of_clause[clause] = place

    def empty(self) -> tuple[Count, ...]:
        """Return the counts before the first dose."""
        return tuple(one.empty for one in self.all)

    def of_event(self, cycle: int, kind: int, grade: int, related: int) -> tuple[int, ...]:
        """Return what an event of a cycle adds to every count that is asked about later."""
        return tuple(
            int(
                one.collects(cycle)
                and one.matters(cycle + 1, lambda rule: True)
                and one.filter.matches_event(self.plan, kind, grade, related)
            )
            for one in self.all
        )

    def after_cycle(self, counts: tuple[Count, ...], amounts: tuple[int, ...]) -> tuple[Count, ...]:
        """Return the counts when a cycle with its events is over."""
        return tuple(
            one.added(count, amount) if one.filter.is_event else count
            for one, count, amount in zip(self.all, counts, amounts, strict=True)
        )

    def after_decision(
        self, counts: tuple[Count, ...], cycle: int, change: tuple[int, int, int] | None
    ) -> tuple[Count, ...]:
        """Return the counts after the level decision of a cycle.

        change is (increase or reduction, rule, level before), or None.
        """
        result = []
        for one, count in zip(self.all, counts, strict=True):
            if change is not None and one.window == Window.SINCE_CHANGE:
                count = one.empty
            if not one.filter.is_event:
                hit = change is not None and one.filter.matches_change(*change)
                count = one.added(count, int(hit and one.collects(cycle)))
            result.append(count)
        return tuple(result)

    def forget(self, counts: tuple[Count, ...], cycle: int, may_fire: Any) -> tuple[Count, ...]:
        """Return the counts with those at zero that nothing asks about from a cycle on."""
        return tuple(
            count if one.matters(cycle, may_fire) else one.empty
            for one, count in zip(self.all, counts, strict=True)
        )


def clauses_of(plan: Any, rule: int) -> range:
    """Return the numbers of a rule's clauses."""
    first = int(plan.rule_first_clause[rule])
    last = int(plan.n_clauses)
    if rule + 1 < plan.n_rules:
        last = int(plan.rule_first_clause[rule + 1])
    return range(first, last)


def is_asked(plan: Any, rule: int, cycle: int) -> bool:
    """Say whether a level rule is asked on day 1 of a cycle."""
    if cycle > MAX_CYCLES or not (int(plan.rule_cycles[rule]) >> cycle) & 1:
        return False
    is_off = (int(plan.rule_off_cycles[rule]) >> cycle) & 1 and plan.rule_off_days[rule, 1]
    return not is_off and plan.rule_days[rule, 1] != 0


def condition_holds(plan: Any, rule: int, holds: Callable[[int], bool]) -> bool:
    """Evaluate a rule's compiled condition, given whether each of its clauses holds."""
    stack = list[bool]()
    first, length = (int(number) for number in plan.rule_when[rule])
    for place in range(first, first + length):
        operation, operand = int(plan.operation[place]), int(plan.operand[place])
        if operation == Operation.CLAUSE:
            stack.append(holds(operand))
            continue
        parts = stack[-operand:]
        del stack[-operand:]
        results = {Operation.ALL: all(parts), Operation.ANY: any(parts)}
        stack.append(results.get(Operation(operation), not any(parts)))
    return stack[-1]
