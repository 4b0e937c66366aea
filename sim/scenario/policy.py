"""The rules: what is looked at, when, and what is done.

Rules are data; one interpreter reads them.
"""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from sim.scenario.noun import (
    Cycle,
    Days,
    Name,
    NotNegative,
    Noun,
    OpenProbability,
    Positive,
    SourcedNoun,
    Text,
)
from sim.scenario.risk import AdverseEventClass

WINDOW_PATTERN = (
    r"^(ever|cycle|since change|cycles \d{1,2}-\d{1,2}|last \d{1,2} cycles?|last \d{1,4} days?)$"
)
ACTION_PATTERN = r"^(skip|hold|delay|delay \d{1,3}|stop|[+-][1-9]|set \d+(\.\d+)?)$"
Window = Annotated[str, Field(pattern=WINDOW_PATTERN)]
Action = Annotated[str, Field(pattern=ACTION_PATTERN)] | Annotated[int, Field(ge=-9, le=-1)]
ResumeStep = Literal["same"] | Annotated[int, Field(ge=-9, le=-1)]


class Comparison(Noun):
    """One or more of lt, le, gt, ge, eq; all given must hold."""

    lt: float | None = None
    le: float | None = None
    gt: float | None = None
    ge: float | None = None
    eq: float | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "Comparison":
        if all(bound is None for bound in (self.lt, self.le, self.gt, self.ge, self.eq)):
            raise ValueError("give at least one of lt, le, gt, ge, eq")
        return self


class EventPredicate(Noun):
    """Adverse events that are known and match every key given."""

    clause: Name | None = Field(None, description="Id of this clause in the log and endpoints.")
    event: Literal["adverse_event"]
    term: Name | None = Field(None, description="Name of one kind of adverse event.")
    ae_class: AdverseEventClass | None = Field(None, alias="class")
    grade: Comparison | None = None
    related: bool | None = Field(None, description="Called related (true) or not (false).")
    state: Literal["ever", "active", "new"] = "ever"
    count: Comparison = Field(Comparison(ge=1), description="How many; default at least one.")
    window: Window = "ever"
    timing: Literal["active", "onset"] = Field(
        "active", description="In a window if active on any day of it, or only if it began in it."
    )


class HistoryPredicate(Noun):
    """What has been done to the dose so far."""

    clause: Name | None = Field(None, description="Id of this clause in the log and endpoints.")
    history: Literal["missed", "hold", "delay", "reduction", "increase"]
    rule: Name | None = Field(None, description="Only what this rule did.")
    related: bool | None = None
    days: Comparison | None = Field(None, description="Length in days, for delay.")
    at_level: Literal["lowest"] | None = None
    count: Comparison = Field(Comparison(ge=1), description="How many; default at least one.")
    window: Window = "ever"


class ValuePredicate(Noun):
    """A number the patient carries."""

    clause: Name | None = Field(None, description="Id of this clause in the log and endpoints.")
    value: Literal["dose_mg", "cycles_at_level", "days_on_treatment"]
    lt: float | None = None
    le: float | None = None
    gt: float | None = None
    ge: float | None = None
    eq: float | None = None


class Combination(Noun):
    """all, any and none, together when several are given."""

    all: Annotated[tuple["Condition", ...], Field(min_length=1)] | None = None
    any: Annotated[tuple["Condition", ...], Field(min_length=1)] | None = None
    none: Annotated[tuple["Condition", ...], Field(min_length=1)] | None = None


def _kind_of(table: Any) -> str:
    for key in ("event", "history", "value"):
        if (isinstance(table, dict) and key in table) or hasattr(table, key):
            return key
    return "combination"


Condition = Annotated[
    Annotated[EventPredicate, Tag("event")]
    | Annotated[HistoryPredicate, Tag("history")]
    | Annotated[ValuePredicate, Tag("value")]
    | Annotated[Combination, Tag("combination")],
    Discriminator(_kind_of),
]


class When(Noun):
    """Cycles and days of the cycle."""

    cycle: tuple[Cycle, ...] | None = None
    cycle_day: tuple[Annotated[int, Field(ge=1, le=126)], ...] | None = None


class Every(Noun):
    """Every so many cycles, from a cycle on."""

    cycles: Cycle = 1
    from_cycle: Cycle = Field(1, alias="from")


class Choice(Noun):
    """One outcome of the draw of a rule with choices."""

    probability: OpenProbability
    do: Action


class Locks(Noun):
    """What a firing forbids from then on."""

    up: Annotated[str, Field(pattern=r"^(ever|\d{1,2} cycles?)$")]


class Rule(SourcedNoun):
    """One rule: when it is asked, what must hold, what is done."""

    id: Name
    why: Text = Field("", description="The rule in plain words.")
    at: Literal["cycle", "dose", "visit", "event"]
    on: When | None = Field(None, description="Asked only then.")
    off: When | None = Field(None, description="Not asked then.")
    every: Every | None = None
    when: Condition
    do: Action | tuple[Action, ...] | None = Field(
        None, description="The action; a list gives the 1st, 2nd, ... firing, the last repeats."
    )
    choices: Annotated[tuple[Choice, ...], Field(min_length=1, max_length=4)] | None = None
    probability: OpenProbability | None = Field(
        None, description="Drawn once after `when` holds; failing means not fired."
    )
    probability_ratio: Positive | None = Field(
        None, description="Probability as a multiple of calibration.multiplier."
    )
    until: Condition | None = Field(None, description="When a hold ends.")
    resume: ResumeStep | tuple[ResumeStep, ...] | None = Field(
        None, description="Dose after the 1st, 2nd, ... hold of this rule; default the same."
    )
    max_days: Days | None = Field(None, description="Longest delay by this gate rule.")
    then: Literal["proceed", "stop"] | Annotated[int, Field(ge=-9, le=-1)] | None = Field(
        None, description="What happens when max_days are over."
    )
    max_fires: Annotated[int, Field(ge=1, le=1_000)] | None = None
    locks: Locks | None = None
    cap: Literal["before_reduction"] | None = Field(
        None, description="An increase never passes the level held before the last reduction."
    )
    route: Literal["event", "grade"] | None = Field(
        None, description="Route of a stop; default event for event rules, else grade."
    )


class Policy(SourcedNoun):
    """Limits and readings that hold for all rules."""

    order: Literal["severity", "file"] = Field(
        "severity", description="stop > hold = delay = skip > down > up, or first in the file."
    )
    seen: Literal["visit", "onset"] = Field(
        "visit", description="An AE is known at the first visit on or after onset, or at onset."
    )
    below_lowest: Literal["stop", "stay"] = "stop"
    recheck_days: Annotated[int, Field(ge=1, le=126)] = 7
    max_delay_days: Days = 28
    max_hold_days: Days = 28
    max_reductions: Annotated[int, Field(ge=1, le=63)] | None = None


class Calibration(SourcedNoun):
    """The common multiplier of the per-event discontinuation probabilities, and its target."""

    multiplier: Annotated[float, Field(gt=0.0, le=1.0)]
    stopped_patients: Annotated[int, Field(ge=1)]
    patients: Annotated[int, Field(ge=2)]
    dose_mg: NotNegative
    other_exit_per_cycle: Annotated[float, Field(ge=0.0, lt=1.0)]
    cycles: Cycle
    early_cycles: Cycle = 4
    early_stopped_patients: Annotated[int, Field(ge=1)] | None = None


Combination.model_rebuild()
