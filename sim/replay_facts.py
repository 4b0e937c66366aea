"""What is known of one patient at one ask, and what a condition says of it, in plain Python.

The second witness of the rule language: written from MODEL.md section 7 and the grammar on
the scenario's own words, not on the compiled tables. It shares no code with `sim/model`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sim.scenario.condition import Predicate, predicates
from sim.scenario.policy import (
    Combination,
    Comparison,
    EventPredicate,
    HistoryPredicate,
    Rule,
    ValuePredicate,
)


@dataclass(frozen=True)
class Event:
    """One adverse event; `number` is its row among the patient's."""

    number: int
    kind: str
    ae_class: str
    cycle: int
    onset_day: int
    end_day: int
    grade: int
    related: bool
    caused_by_drug: bool
    known_day: int | None


@dataclass(frozen=True)
class Act:
    """Something done to the dose: missed, hold, delay, reduction or increase.

    `level` is the level before a change; `events` are the numbers of the events it was done for.
    """

    what: str
    cycle: int
    day: int
    rule: str
    related: bool
    level: int
    days: int = 0
    events: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Facts:
    """The knowledge of one ask: events that are known, acts, and where the patient stands.

    `new` are the events that the rule asked has not been asked about; `focus` is the one
    event that an event rule is asked about.
    """

    day: int
    asked_cycle: int
    running_cycle: int
    level: int
    level_mg: float
    cycle_starts: Mapping[int, int]
    level_of_cycle: Mapping[int, int]
    last_change_day: int
    events: tuple[Event, ...]
    acts: tuple[Act, ...]
    new: frozenset[int]
    focus: int | None = None


@dataclass(frozen=True)
class ClauseFound:
    """What one clause came to. `negated`: it stands under `none`, so it must not hold."""

    name: str
    predicate: Predicate
    holds: bool
    negated: bool
    events: tuple[Event, ...] = ()
    acts: tuple[Act, ...] = ()
    value: float | None = None

    @property
    def is_obstacle(self) -> bool:
        """Whether it speaks against the rule."""
        return self.holds == self.negated


@dataclass(frozen=True)
class Verdict:
    """What a condition came to, clause by clause in the order written.

    `events` and `acts` are what made it hold: what fails, holds because nothing is there, or
    stands under `none` made nothing hold. It is related if one of them is.
    """

    holds: bool
    clauses: tuple[ClauseFound, ...] = ()
    events: tuple[Event, ...] = ()
    acts: tuple[Act, ...] = ()

    @property
    def held(self) -> frozenset[str]:
        """Names of the clauses that hold."""
        return frozenset(clause.name for clause in self.clauses if clause.holds)

    @property
    def related(self) -> bool:
        """Whether an event or act that made it hold was called related."""
        made_by: tuple[Event | Act, ...] = (*self.events, *self.acts)
        return any(item.related for item in made_by)

    @property
    def causes(self) -> frozenset[int]:
        """Numbers of the events that made it hold, directly or through acts."""
        direct = frozenset(event.number for event in self.events)
        return direct.union(*(act.events for act in self.acts))


def clause_names(rule: Rule) -> tuple[list[str], list[str]]:
    """Names of the clauses of `when` and of `until`, as they stand in the log."""
    when = [leaf for _, leaf in predicates(rule.when, ())]
    until = [leaf for _, leaf in predicates(rule.until, ())]
    names = [
        leaf.clause or f"{rule.id}-{place}" for place, leaf in enumerate([*when, *until], start=1)
    ]
    return names[: len(when)], names[len(when) :]


def looks_at_holds(rule: Rule) -> bool:
    """Whether some clause counts holds; such a stop rule is asked as soon as a hold opens."""
    return any(
        isinstance(leaf, HistoryPredicate) and leaf.history == "hold"
        for _, leaf in predicates(rule.when, ())
    )


def allows(comparison: Comparison | ValuePredicate | None, value: float) -> bool:
    """Whether a number meets every bound that is given."""
    if comparison is None:
        return True
    return (
        (comparison.lt is None or value < comparison.lt)
        and (comparison.le is None or value <= comparison.le)
        and (comparison.gt is None or value > comparison.gt)
        and (comparison.ge is None or value >= comparison.ge)
        and (comparison.eq is None or value == comparison.eq)
    )


def judge(condition: Any, names: list[str], facts: Facts) -> Verdict:
    """Evaluate a condition; every clause is looked at, also where the result is clear before."""
    return _judge_part(condition, facts, iter(names), negated=False)


def _judge_part(condition: Any, facts: Facts, names: Iterator[str], negated: bool) -> Verdict:
    if not isinstance(condition, Combination):
        clause = _judge_clause(condition, next(names), facts, negated)
        made = clause.holds
        return Verdict(
            clause.holds, (clause,), clause.events if made else (), clause.acts if made else ()
        )
    every = [_judge_part(part, facts, names, negated) for part in condition.all or ()]
    some = [_judge_part(part, facts, names, negated) for part in condition.any or ()]
    none = [_judge_part(part, facts, names, True) for part in condition.none or ()]
    holds = (
        all(part.holds for part in every)
        and (not some or any(part.holds for part in some))
        and not any(part.holds for part in none)
    )
    made_by = [*every, *some] if holds else []
    return Verdict(
        holds,
        tuple(clause for part in (*every, *some, *none) for clause in part.clauses),
        tuple(event for part in made_by for event in part.events),
        tuple(act for part in made_by for act in part.acts),
    )


def _judge_clause(predicate: Predicate, name: str, facts: Facts, negated: bool) -> ClauseFound:
    if isinstance(predicate, EventPredicate):
        events = tuple(event for event in facts.events if _event_matches(predicate, event, facts))
        holds = allows(predicate.count, len(events))
        return ClauseFound(name, predicate, holds, negated, events=events)
    if isinstance(predicate, HistoryPredicate):
        acts = tuple(act for act in facts.acts if _act_matches(predicate, act, facts))
        holds = allows(predicate.count, len(acts))
        return ClauseFound(name, predicate, holds, negated, acts=acts)
    value = _value(predicate, facts)
    return ClauseFound(name, predicate, allows(predicate, value), negated, value=value)


def _value(predicate: ValuePredicate, facts: Facts) -> float:
    if predicate.value == "dose_mg":
        return facts.level_mg
    if predicate.value == "days_on_treatment":
        return float(facts.day)
    cycles = 0
    while facts.level_of_cycle.get(facts.running_cycle - cycles) == facts.level:
        cycles += 1
    return float(cycles)


def _event_matches(predicate: EventPredicate, event: Event, facts: Facts) -> bool:
    if predicate.term is not None and event.kind != predicate.term:
        return False
    if predicate.ae_class is not None and event.ae_class != predicate.ae_class:
        return False
    if not allows(predicate.grade, event.grade):
        return False
    if predicate.related is not None and event.related != predicate.related:
        return False
    if predicate.state == "active" and not event.onset_day <= facts.day <= event.end_day:
        return False
    if predicate.state == "new" and not _is_new(event, facts):
        return False
    return _event_in_window(predicate, event, facts)


def _is_new(event: Event, facts: Facts) -> bool:
    if facts.focus is not None:
        return event.number == facts.focus
    return event.number in facts.new


def _event_in_window(predicate: EventPredicate, event: Event, facts: Facts) -> bool:
    """In a window if it began in it or, unless only onsets count, was active on a day of it."""
    may_last_into = predicate.timing == "active"
    cycles = window_cycles(predicate.window, facts)
    if cycles is not None:
        first, last = cycles
        if first <= event.cycle <= last:
            return True
        if event.cycle > last or not may_last_into or first > facts.running_cycle:
            return False
        return event.end_day >= facts.cycle_starts[max(first, 1)]
    first_day = window_first_day(predicate.window, facts)
    return event.onset_day >= first_day or (may_last_into and event.end_day >= first_day)


def _act_matches(predicate: HistoryPredicate, act: Act, facts: Facts) -> bool:
    if predicate.history != act.what:
        return False
    if predicate.rule is not None and predicate.rule != act.rule:
        return False
    if predicate.related is not None and predicate.related != act.related:
        return False
    if not allows(predicate.days, act.days):
        return False
    if predicate.at_level == "lowest" and act.level != 0:
        return False
    cycles = window_cycles(predicate.window, facts)
    if cycles is not None:
        return cycles[0] <= act.cycle <= cycles[1]
    return act.day >= window_first_day(predicate.window, facts)


def window_cycles(window: str, facts: Facts) -> tuple[int, int] | None:
    """First and last cycle of a window told in cycles; None for one told in days.

    At the start of a cycle the last n cycles are those before it, and what already belongs
    to the cycle that is to start.
    """
    if window.startswith("cycles"):
        first, last = window.split()[1].split("-")
        return int(first), int(last)
    if "cycle" not in window:
        return None
    count = 1 if window == "cycle" else int(window.split()[1])
    if facts.asked_cycle > facts.running_cycle:
        return facts.asked_cycle - count, facts.asked_cycle
    return facts.running_cycle - count + 1, facts.asked_cycle


def window_first_day(window: str, facts: Facts) -> int:
    """First day of a window told in days."""
    if window == "ever":
        return 0
    if window == "since change":
        return facts.last_change_day
    return facts.day - int(window.split()[1]) + 1
