"""Which change would have changed a decision.

Changes of an adverse event (called otherwise, another grade, another length, not there) are
tried by running the same patient again, same luck, with that event changed: what is said to
have changed the decision did change it. Changes of what was done to the dose (a shorter delay,
a dose given, no reduction) are tried on the facts the rule was asked with.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations

from sim.codes import Action, Ask
from sim.diary_words import Labels, act_words
from sim.engines import run
from sim.histories import Histories
from sim.model.layout import DISPOSITION_COLUMNS, LOG_COLUMNS
from sim.plan.plan import Plan
from sim.replay_facts import Act, ClauseFound, Event, clause_names, judge
from sim.replay_rows import Asked, Row, rows_of
from sim.scenario.policy import HistoryPredicate
from sim.sentences import count_of, kind_name, listing

HIGHEST_GRADE = 4
LONGER_AT_MOST = 112
EVENTS_LOOKED_AT = 16
PAIRS_LOOKED_AT = 60
PAIRS_SHOWN = 3


@dataclass(frozen=True)
class Change:
    """One fact otherwise. `text` follows "had"; `event` is what row `number` becomes, None: gone.

    number is -1 for a change of what was done to the dose. level is the dose level that an
    increase would have led to.
    """

    text: str
    number: int = -1
    event: Event | None = None
    level: int | None = None


@dataclass(frozen=True)
class WhatIf:
    """Changes that alone would have changed a decision; else pairs that would have together."""

    single: tuple[Change, ...] = ()
    pairs: tuple[tuple[Change, Change], ...] = ()


class Reruns:
    """The same patient with the same luck and with other adverse events."""

    def __init__(self, plan: Plan, patient: int, engine: str, labels: Labels) -> None:
        self.plan = plan
        self.patient = patient
        self.engine = engine
        self.labels = labels
        self._runs: dict[tuple[Event, ...], tuple[list[Row], Row]] = {}

    def script(self, events: tuple[Event, ...]) -> list[list[int]]:
        """Adverse events as script rows."""
        kinds = self.plan.names.kinds
        return [
            [
                event.cycle,
                kinds.index(event.kind),
                event.onset_day - self.labels.starts[event.cycle] + 1,
                event.end_day - event.onset_day + 1,
                event.grade,
                int(event.caused_by_drug),
                int(event.related),
            ]
            for event in events
        ]

    def histories(self, events: tuple[Event, ...]) -> Histories:
        """The patient's course with these events in place of the drawn ones."""
        script = self.script(events)
        return run.record(self.plan, self.patient, 1, self.engine, 1, script=script)[0]

    def course(self, events: tuple[Event, ...]) -> tuple[list[Row], Row]:
        """Rows of the decision log and the disposition of that course."""
        if events not in self._runs:
            histories = self.histories(events)
            decisions = rows_of(histories.decisions, LOG_COLUMNS)
            (end,) = rows_of(histories.disposition, DISPOSITION_COLUMNS)
            self._runs[events] = decisions, end
        return self._runs[events]

    def acting(self, asked: Asked, events: tuple[Event, ...]) -> Row | None:
        """The row in which the rule of a decision acts in the same cycle of that course."""
        same = ("rule", "cycle", "kind")
        for row in self.course(events)[0]:
            if not all(row[key] == asked.row[key] for key in same):
                continue
            is_same_ask = row["ask"] == asked.row["ask"] or asked.ask == Ask.STOP
            if is_same_ask and row["won"] and row["ask"] != Ask.UNTIL:
                return row
        return None

    def ends_alike(self, end: Row, events: tuple[Event, ...]) -> bool:
        """Whether that course too ends in the same cycle for the same cause, by whatever rule."""
        other = self.course(events)[1]
        return all(other[key] == end[key] for key in ("last_cycle", "cause"))


def what_if(reruns: Reruns, asked: Asked, events: list[Event], end: Row | None = None) -> WhatIf:
    """The changes that would have changed a decision; of an increase, those that would bar it.

    end: the disposition, when the decision was that treatment ends.
    """
    everything = tuple(events)
    eased = not (asked.won and asked.action in (Action.UP, Action.SET))

    def changed(changes: tuple[Change, ...]) -> bool:
        others = with_changes(everything, changes)
        if end is not None:
            return not reruns.ends_alike(end, others)
        return (reruns.acting(asked, others) is not None) != asked.won

    def with_level(changes: tuple[Change, ...]) -> tuple[Change, ...]:
        row = reruns.acting(asked, with_changes(everything, changes))
        level = row["level_after"] if row else None
        return tuple(replace(change, level=level) for change in changes)

    single: list[Change] = []
    tried: list[Change] = []
    for event in _looked_at(asked, events, eased):
        found = list(_found_of(event, asked, reruns, changed, eased))
        single += [with_level((change,))[0] for change in found]
        if not found and eased:
            tried += _parts_of_pairs(event, reruns)
    pairs = _pairs(tried, changed) if eased and not single else ()
    both = tuple((with_level(pair)[0], with_level(pair)[1]) for pair in pairs)
    acts = () if end is not None else _act_changes(asked, reruns)
    return WhatIf((*single, *acts), both)


def with_changes(events: tuple[Event, ...], changes: tuple[Change, ...]) -> tuple[Event, ...]:
    """Events with some of them changed or gone."""
    by_number = {change.number: change.event for change in changes}
    kept = (by_number.get(event.number, event) for event in events)
    return tuple(event for event in kept if event is not None)


def _looked_at(asked: Asked, events: list[Event], eased: bool) -> list[Event]:
    """Events that a change of could matter: those the rule rested on first, known ones only."""
    known = {event.number for event in asked.facts.events}
    rested_on = set(asked.verdict.causes)
    for clause in asked.verdict.clauses:
        if clause.is_obstacle:
            rested_on |= {event.number for event in clause.events}
            rested_on |= {number for act in clause.acts for number in act.events}
    if eased and asked.won:
        known &= rested_on
    ordered = sorted(known, key=lambda number: (number not in rested_on, -number))
    return [events[number] for number in ordered[:EVENTS_LOOKED_AT]]


def _found_of(
    event: Event,
    asked: Asked,
    reruns: Reruns,
    changed: Callable[[tuple[Change, ...]], bool],
    eased: bool,
) -> Iterator[Change]:
    """The changes of one event that change the decision alone."""
    labels = reruns.labels
    called = _called_otherwise(event, labels)
    found = event.related == eased and changed((called,))
    if found:
        yield called
    counting = _counting_grade(reruns.plan, event)
    grades = range(event.grade - 1, counting - 1, -1) if eased else range(event.grade + 1, 5)
    for grade in grades:
        graded = _of_grade(event, grade, labels)
        if grade <= HIGHEST_GRADE and changed((graded,)):
            yield graded
            found = True
            break
    length = _length_needed(event, changed, eased, labels)
    if length is not None:
        yield length
        found = True
    gone = _gone(event, labels)
    if eased and not found and changed((gone,)):
        yield gone


def _parts_of_pairs(event: Event, reruns: Reruns) -> list[Change]:
    """Changes that may do together with another what they do not do alone, smallest first."""
    labels = reruns.labels
    changes = [_called_otherwise(event, labels)] if event.related else []
    if event.grade > _counting_grade(reruns.plan, event):
        changes.append(_of_grade(event, event.grade - 1, labels))
    return [*changes, _gone(event, labels)]


def _pairs(
    tried: list[Change], changed: Callable[[tuple[Change, ...]], bool]
) -> Iterator[tuple[Change, Change]]:
    shown: set[frozenset[int]] = set()
    for one, other in list(combinations(tried, 2))[:PAIRS_LOOKED_AT]:
        numbers = frozenset((one.number, other.number))
        if len(numbers) == 2 and numbers not in shown and changed((one, other)):
            shown.add(numbers)
            yield one, other
        if len(shown) == PAIRS_SHOWN:
            return


def _name(event: Event, labels: Labels) -> str:
    return f"the {kind_name(event.kind)} of {labels.of(event.onset_day)}"


def _called_otherwise(event: Event, labels: Labels) -> Change:
    word = "unrelated" if event.related else "related"
    text = f"{_name(event, labels)} been called {word}"
    return Change(text, event.number, replace(event, related=not event.related))


def _of_grade(event: Event, grade: int, labels: Labels) -> Change:
    text = f"{_name(event, labels)} been of grade {grade} instead of {event.grade}"
    return Change(text, event.number, replace(event, grade=grade))


def _lasting(event: Event, days: int, labels: Labels, eased: bool) -> Change:
    before = event.end_day - event.onset_day + 1
    text = (
        f"{_name(event, labels)} lasted {count_of(days, 'day')} or {'less' if eased else 'more'} "
        f"instead of {before}"
    )
    return Change(text, event.number, replace(event, end_day=event.onset_day + days - 1))


def _gone(event: Event, labels: Labels) -> Change:
    return Change(f"{_name(event, labels)} not occurred", event.number)


def _counting_grade(plan: Plan, event: Event) -> int:
    return plan.scenario.adverse_event[plan.names.kinds.index(event.kind)].counting_grade


def _length_needed(
    event: Event, changed: Callable[[tuple[Change, ...]], bool], eased: bool, labels: Labels
) -> Change | None:
    """The length nearest to the true one that changes the decision, by halving the interval."""
    true = event.end_day - event.onset_day + 1
    far = 1 if eased else true + LONGER_AT_MOST
    if far == true or not changed((_lasting(event, far, labels, eased),)):
        return None
    near = true
    while abs(far - near) > 1:
        middle = (far + near) // 2
        if changed((_lasting(event, middle, labels, eased),)):
            far = middle
        else:
            near = middle
    return _lasting(event, far, labels, eased)


def _act_changes(asked: Asked, reruns: Reruns) -> Iterator[Change]:
    """Changes of what was done to the dose, tried on the facts of the ask."""
    if asked.won and asked.action in (Action.UP, Action.SET):
        yield from _delay_margins(asked)
        return
    for clause in asked.verdict.clauses:
        if clause.is_obstacle and clause.negated and clause.acts:
            kept = tuple(act for act in asked.facts.acts if act not in clause.acts)
            level = _raised_level(asked, clause.acts, len(reruns.plan.names.levels))
            if level is not None and _holds_with(asked, kept):
                yield Change(_without(clause, reruns.labels), level=level)


def _raised_level(asked: Asked, without: tuple[Act, ...], n_levels: int) -> int | None:
    """The level that the rule would have raised the dose to, had these acts not been."""
    do = asked.rule.do
    if not isinstance(do, str) or not do.startswith("+"):
        return None
    before = [act.level for act in without if act.what == "reduction"]
    level = max([asked.facts.level, *before]) + int(do[1:])
    return level if level < n_levels else None


def _without(clause: ClauseFound, labels: Labels) -> str:
    """The change that takes the acts of a clause away, in words."""
    acts = clause.acts
    first = act_words(acts[0], labels)
    longest = _longest_allowed(clause)
    if longest is not None:
        text = f"{first} been {count_of(longest, 'day')} or less"
        return f"{text} instead of {acts[0].days}"
    if len(acts) == 1:
        return f"{first} been given" if acts[0].what == "missed" else f"{first} not happened"
    if acts[0].what == "missed":
        return f"the doses of {listing(labels.of(act.day) for act in acts)} been given"
    nouns = {"hold": "holds", "delay": "delays"}
    return f"none of the {len(acts)} {nouns.get(acts[0].what, 'dose changes')} happened"


def _longest_allowed(clause: ClauseFound) -> int | None:
    predicate = clause.predicate
    if not isinstance(predicate, HistoryPredicate) or predicate.days is None:
        return None
    if len(clause.acts) > 1:
        return None
    if predicate.days.gt is not None:
        return int(predicate.days.gt)
    return int(predicate.days.ge) - 1 if predicate.days.ge is not None else None


def _holds_with(asked: Asked, acts: tuple[Act, ...]) -> bool:
    names = clause_names(asked.rule)[0]
    return judge(asked.rule.when, names, replace(asked.facts, acts=acts)).holds


def _delay_margins(asked: Asked) -> Iterator[Change]:
    """By how much a delay that did not bar was too short to."""
    for act in asked.facts.acts:
        if act.what != "delay":
            continue
        others = tuple(other for other in asked.facts.acts if other is not act)
        for days in range(act.days + 1, act.days + LONGER_AT_MOST):
            if not _holds_with(asked, (*others, replace(act, days=days))):
                yield Change(
                    f"the delay of cycle {act.cycle} been {days} days or more instead of {act.days}"
                )
                break
