"""Study days as people say them, and what a decision rested on in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from sim.replay_facts import Act, ClauseFound, Event, Verdict
from sim.scenario.policy import ValuePredicate
from sim.sentences import count_of, kind_name, listing, number

MOST_SHOWN = 3


@dataclass(frozen=True)
class Labels:
    """Turns study days into cycle and day, and into nominal dates."""

    starts: Mapping[int, int]
    day_one: date

    def cycle(self, day: int) -> int:
        """The cycle running on a day; 1 before the first dose."""
        return max((cycle for cycle, start in self.starts.items() if start <= day), default=1)

    def of(self, day: int) -> str:
        """`C4D15`; days of waiting count on in the cycle before."""
        cycle = self.cycle(day)
        return f"C{cycle}D{day - self.starts.get(cycle, 1) + 1}"

    def date(self, day: int) -> str:
        """The nominal date, as 2024-03-17."""
        return (self.day_one + timedelta(days=day - 1)).isoformat()

    def long(self, day: int) -> str:
        """`C4D15 (day 99, 2024-04-08)`."""
        return f"{self.of(day)} (day {day}, {self.date(day)})"


def event_words(event: Event, labels: Labels) -> str:
    """An adverse event as a reason: kind, grade, onset and what it was called."""
    called = "related" if event.related else "unrelated"
    return (
        f"{kind_name(event.kind)} of grade {event.grade} (begun {labels.of(event.onset_day)}, "
        f"called {called})"
    )


def act_words(act: Act, labels: Labels) -> str:
    """What was done to the dose, as a noun phrase."""
    if act.what == "missed":
        return f"the dose of {labels.of(act.day)}"
    if act.what == "delay":
        return f"the delay of cycle {act.cycle}"
    return f"the {act.what} of {labels.of(act.day)}"


def _act_reason(act: Act, labels: Labels) -> str:
    related = "related" if act.related else "not related"
    if act.what == "missed":
        return f"the dose of {labels.of(act.day)} withheld by {act.rule} ({related})"
    if act.what == "delay":
        return f"cycle {act.cycle} started {count_of(act.days, 'day')} late ({related})"
    if act.what == "hold":
        return f"a hold from {labels.of(act.day)} by {act.rule} ({related})"
    return f"a dose {act.what} on {labels.of(act.day)} by {act.rule}"


def _act_reasons(acts: tuple[Act, ...], labels: Labels) -> list[str]:
    """Acts as reasons; doses withheld by one rule in one hold are told together."""
    groups: dict[object, list[Act]] = {}
    for act in acts:
        key = (act.rule, act.related, act.cycle) if act.what == "missed" else (act.what, act.day)
        groups.setdefault(key, []).append(act)
    reasons = []
    for group in groups.values():
        first, last = group[0], group[-1]
        if len(group) == 1:
            reasons.append(_act_reason(first, labels))
            continue
        related = "related" if first.related else "not related"
        reasons.append(
            f"{len(group)} doses from {labels.of(first.day)} to {labels.of(last.day)} withheld by "
            f"{first.rule} ({related})"
        )
    return reasons


def clause_words(clause: ClauseFound, labels: Labels) -> str:
    """What a clause found: the events, acts or value, then its id."""
    found = [event_words(event, labels) for event in clause.events]
    found += _act_reasons(clause.acts, labels)
    if isinstance(clause.predicate, ValuePredicate):
        units = {"dose_mg": "the dose was {} mg", "days_on_treatment": "it was day {}"}
        text = units.get(clause.predicate.value, "{} cycles had been at this dose")
        found = [text.format(number(clause.value or 0.0))]
    shown = found[:MOST_SHOWN]
    if len(found) > MOST_SHOWN:
        shown.append(f"{len(found) - MOST_SHOWN} more")
    return f"{listing(shown) if shown else 'nothing found'} [{clause.name}]"


def because(verdict: Verdict, labels: Labels) -> str:
    """What a condition that holds rests on: its clauses that hold and are not under `none`."""
    made_by = [clause for clause in verdict.clauses if clause.holds and not clause.negated]
    return "; ".join(clause_words(clause, labels) for clause in made_by)


def obstacles(verdict: Verdict) -> list[ClauseFound]:
    """The clauses that speak against a condition, in the order written."""
    return [clause for clause in verdict.clauses if clause.is_obstacle]
