"""One patient's rows, read and worked out again: what the diary tells from."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from sim.diary_words import Labels
from sim.engines import run
from sim.histories import Histories
from sim.model.layout import DISPOSITION_COLUMNS
from sim.plan.plan import Plan
from sim.replay_facts import Act, Event
from sim.replay_rows import Asked, Row, rows_of
from sim.replay_rules import Replay
from sim.what_if import Reruns


@dataclass(frozen=True)
class Entry:
    """One thing that happened. `place` orders the entries of a day; events come first."""

    day: int
    kind: str
    text: str
    rule: str | None = None
    clauses: tuple[str, ...] = ()
    what_if: tuple[str, ...] = ()
    place: int = 0


@dataclass(frozen=True)
class Course:
    """A patient's four tables as words, every ask judged anew, and the means to run again."""

    plan: Plan
    patient: int
    replay: Replay
    asks: tuple[Asked, ...]
    labels: Labels
    end: Row
    histories: Histories
    outcome: Any
    reruns: Reruns

    @property
    def events(self) -> list[Event]:
        """Adverse events, in the order of the table."""
        return self.replay.events

    @property
    def acts(self) -> list[Act]:
        """What was done to the dose."""
        return self.replay.acts

    @property
    def last_day(self) -> int:
        """Last day of treatment."""
        return self.end["day"]

    def dose(self, level: int) -> str:
        """A level as people say it."""
        return f"{self.plan.names.levels[level]} {self.plan.names.unit}"


def read_course(plan: Plan, patient: int, engine: str, day_one: date) -> Course:
    """Run one patient and work out the decisions again; they must agree with the log."""
    histories, outcomes = run.record(plan, patient, 1, engine=engine, threads=1)
    replay = Replay(plan.scenario, histories)
    asks = tuple(replay.asked())
    for asked in asks:
        agreed = asked.bits() == asked.row["clauses"]
        assert agreed and asked.verdict.holds == bool(asked.row["holds"]), (
            f"{asked.rule.id} on day {asked.facts.day}: the tables say otherwise than the log"
        )
    labels = Labels(replay.starts, day_one)
    (end,) = rows_of(histories.disposition, DISPOSITION_COLUMNS)
    reruns = Reruns(plan, patient, engine, labels)
    return Course(plan, patient, replay, asks, labels, end, histories, outcomes[0], reruns)
