"""Integer codes with their labels: what engines hold and what tables show."""

from enum import IntEnum


class Ask(IntEnum):
    """The occasion on which a rule is asked."""

    EVENT = 0
    STOP = 1
    VISIT = 2
    GATE = 3
    LEVEL = 4
    DOSE = 5
    UNTIL = 6


class Action(IntEnum):
    """What a rule does; SET becomes UP or DOWN when the level is known."""

    NONE = 0
    UP = 1
    DOWN = 2
    SET = 3
    SKIP = 4
    DELAY = 5
    HOLD = 6
    STOP = 7
    RESUME = 8


class When(IntEnum):
    """The `at` of a rule."""

    EVENT = 0
    CYCLE = 1
    VISIT = 2
    DOSE = 3


class Cause(IntEnum):
    """Why treatment ended."""

    COMPLETED = 0
    ADVERSE_EVENT = 1
    PROGRESSION = 2
    WITHDRAWAL = 3
    DEATH = 4
    OTHER = 5


class Route(IntEnum):
    """How an adverse event ended treatment."""

    NONE = 0
    EVENT = 1
    GRADE = 2
    MAX_DELAY = 3
    MAX_HOLD = 4
    BELOW_LOWEST = 5
    MAX_REDUCTIONS = 6


class History(IntEnum):
    """What has been done to the dose."""

    MISSED = 0
    HOLD = 1
    DELAY = 2
    REDUCTION = 3
    INCREASE = 4


class Status(IntEnum):
    """Where an adverse event stands in time."""

    PENDING = 0
    ACTIVE = 1
    RECOVERED = 2


class EventState(IntEnum):
    """Which events a predicate looks at."""

    EVER = 0
    ACTIVE = 1
    NEW = 2


class Window(IntEnum):
    """Over what stretch a predicate looks back."""

    EVER = 0
    CYCLES = 1
    LAST_CYCLES = 2
    LAST_DAYS = 3
    SINCE_CHANGE = 4


class Clause(IntEnum):
    """What a clause looks at."""

    EVENT = 0
    HISTORY = 1
    VALUE = 2


class Value(IntEnum):
    """Numbers of a patient that a clause may compare."""

    DOSE_MG = 0
    CYCLES_AT_LEVEL = 1
    DAYS_ON_TREATMENT = 2


class Operation(IntEnum):
    """Steps of a compiled condition, a stack machine on single bits."""

    CLAUSE = 0
    ALL = 1
    ANY = 2
    NONE = 3


class Clock(IntEnum):
    """What a dose increase does to the clock of the drug hazard."""

    INCREMENT = 0
    START = 1
    RESET = 2


class Recurrence(IntEnum):
    """When a kind of adverse event may occur again."""

    AFTER_RECOVERY = 0
    NEXT_CYCLE = 1
    NEVER = 2


class DurationLaw(IntEnum):
    """How the length of an adverse event is drawn."""

    LOG_NORMAL = 0
    FIXED = 1
    TO_END_OF_CYCLE = 2


class AdverseEventClass(IntEnum):
    """Class of an adverse event."""

    HEMATOLOGIC = 0
    NON_HEMATOLOGIC = 1


class Then(IntEnum):
    """What happens when a gate rule's max_days are over."""

    PROCEED = 0
    DOWN = 1
    STOP = 2


def label(code: IntEnum) -> str:
    """Return the word shown in tables for a code."""
    return code.name.lower()
