"""Rows of one patient's tables with words in place of numbers, and one asked rule."""

from dataclasses import dataclass
from typing import Any

from sim.codes import Action, Ask
from sim.histories import Histories
from sim.model.layout import DOSE_COLUMNS, EVENT_COLUMNS, LOG_COLUMNS
from sim.replay_facts import Event, Facts, Verdict, clause_names
from sim.scenario.policy import Rule
from sim.scenario.scenario import Scenario

Row = dict[str, int]


def rows_of(table: Any, columns: tuple[str, ...]) -> list[Row]:
    """Rows of a table as plain numbers by column."""
    return [dict(zip(columns, row, strict=True)) for row in table.tolist()]


def events_of(scenario: Scenario, histories: Histories) -> list[Event]:
    """One patient's adverse events with names in place of numbers."""
    events = []
    for number, row in enumerate(rows_of(histories.adverse_events, EVENT_COLUMNS)):
        kind = scenario.adverse_event[row["kind"]]
        events.append(
            Event(
                number,
                kind.name,
                kind.ae_class,
                row["cycle"],
                row["onset_day"],
                row["end_day"],
                row["grade"],
                bool(row["related"]),
                bool(row["caused_by_drug"]),
                row["known_day"] or None,
            )
        )
    return events


def cycle_starts_of(histories: Histories) -> dict[int, int]:
    """Actual day 1 of every cycle that the doses, or the asks of its day 1, show."""
    starts: dict[int, int] = {}
    for row in rows_of(histories.decisions, LOG_COLUMNS):
        if row["ask"] in (Ask.LEVEL, Ask.DOSE):
            starts.setdefault(row["cycle"], row["day"])
    for row in rows_of(histories.doses, DOSE_COLUMNS):
        if row["dose"] == 1:
            starts[row["cycle"]] = row["day"]
    return starts


@dataclass(frozen=True)
class Asked:
    """One row of the decision log with the rule, the facts and what its clauses came to.

    `place` is the row's number; `names` are the clauses of the condition that was asked.
    """

    place: int
    row: Row
    rule: Rule
    facts: Facts
    verdict: Verdict
    names: tuple[str, ...]

    @property
    def ask(self) -> Ask:
        """The occasion."""
        return Ask(self.row["ask"])

    @property
    def action(self) -> Action:
        """What the rule asked for."""
        return Action(self.row["action"])

    @property
    def won(self) -> bool:
        """Whether the rule's action was carried out."""
        return bool(self.row["won"])

    def bits(self) -> int:
        """The clauses that hold as the log writes them: bit i is the rule's clause i."""
        when, until = clause_names(self.rule)
        first = len(when) if self.ask == Ask.UNTIL else 0
        assert list(self.names) == (until if first else when)
        return sum(
            1 << (first + place)
            for place, clause in enumerate(self.verdict.clauses)
            if clause.holds
        )
