"""Walking through the conditions of a rule."""

from collections.abc import Iterator
from typing import Any

from sim.scenario.locate import Path
from sim.scenario.policy import (
    Combination,
    Comparison,
    EventPredicate,
    HistoryPredicate,
    Rule,
    ValuePredicate,
)

Predicate = EventPredicate | HistoryPredicate | ValuePredicate


def predicates(condition: Any, at: Path) -> Iterator[tuple[Path, Predicate]]:
    """Every predicate of a condition with its path."""
    if isinstance(condition, Combination):
        for key in ("all", "any", "none"):
            for index, part in enumerate(getattr(condition, key) or ()):
                yield from predicates(part, (*at, key, index))
    elif isinstance(condition, Predicate):
        yield at, condition


def rule_predicates(rule: Rule, at: Path) -> Iterator[tuple[Path, Predicate]]:
    """Every predicate of a rule: of `when`, then of `until`."""
    yield from predicates(rule.when, (*at, "when"))
    if rule.until is not None:
        yield from predicates(rule.until, (*at, "until"))


def comparisons(predicate: Predicate, at: Path) -> Iterator[tuple[Path, Comparison]]:
    """Every comparison of a predicate with its path."""
    if isinstance(predicate, ValuePredicate):
        bounds = {k: getattr(predicate, k) for k in ("lt", "le", "gt", "ge", "eq")}
        if any(bound is not None for bound in bounds.values()):
            yield at, Comparison(**bounds)
        return
    for key in ("grade", "days", "count"):
        comparison = getattr(predicate, key, None)
        if comparison is not None:
            yield (*at, key), comparison


def actions(rule: Rule, at: Path) -> Iterator[tuple[Path, str | int]]:
    """Every action of a rule with its path."""
    if isinstance(rule.do, tuple):
        yield from (((*at, "do", index), action) for index, action in enumerate(rule.do))
    elif rule.do is not None:
        yield (*at, "do"), rule.do
    for index, choice in enumerate(rule.choices or ()):
        yield (*at, "choices", index, "do"), choice.do


def action_kind(action: str | int) -> str:
    """skip, hold, delay, stop, set, up or down."""
    if isinstance(action, int):
        return "down"
    if action[0] in "+-":
        return "up" if action[0] == "+" else "down"
    return action.split()[0]
