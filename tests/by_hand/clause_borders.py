"""Every predicate of the rule language on both sides of its border, worked on paper.

A probe is one condition asked once: at the start of a cycle, where it raises the dose if it
holds, or at a dose, where it skips the dose if it holds. Cycles begin on days 1, 29, 57, 85,
113, 141; doses and visits on days 1, 8, 15 of a cycle. An event of d days that begins on day x
is active on x .. x + d - 1. The dose is 2 mg unless a probe says otherwise.

Readings that no document fixes are marked ADOPTED.
"""

from dataclasses import dataclass, field

from by_hand.small import (
    ALWAYS,
    NEVER,
    Event,
    Table,
    ae,
    both,
    either,
    event,
    history,
    neither,
    rule,
    value,
)


@dataclass(frozen=True)
class Probe:
    """A condition, when it is asked, and whether it holds."""

    name: str
    asked: tuple[int, int]  # cycle, and day of the cycle of a dose; 0 for the start of the cycle
    when: Table
    script: tuple[Event, ...]
    holds: bool
    others: tuple[Table, ...] = ()
    posology: Table = field(default_factory=dict)
    policy: Table = field(default_factory=dict)


C3 = (3, 0)
C4 = (4, 0)
C5 = (5, 0)


def _grades() -> list[Probe]:
    """One event of each grade on days 33-35, asked on day 57."""
    borders = {
        "lt 3": (("lt", 3), {2: True, 3: False}),
        "le 3": (("le", 3), {3: True, 4: False}),
        "gt 2": (("gt", 2), {2: False, 3: True}),
        "ge 3": (("ge", 3), {2: False, 3: True}),
        "eq 3": (("eq", 3), {2: False, 3: True, 4: False}),
        "ge 2 lt 4": (("ge", 2, "lt", 4), {1: False, 2: True, 3: True, 4: False}),
        "gt 2 le 4": (("gt", 2, "le", 4), {2: False, 3: True, 4: True, 5: False}),
    }
    return [
        Probe(f"grade {name}: {grade}", C3, event(grade=bounds), (ae(2, 5, 3, grade),), holds)
        for name, (bounds, grades) in borders.items()
        for grade, holds in grades.items()
    ]


RASH = ae(2, 5, 3)
UNRELATED_RASH = ae(2, 5, 3, related=False)
FATIGUE = ae(2, 5, 3, kind="fatigue")
HAEM = ae(2, 5, 3, kind="haem")

WHICH = [
    Probe("class hematologic: haem", C3, event(ae_class="hematologic"), (HAEM,), True),
    Probe("class hematologic: rash", C3, event(ae_class="hematologic"), (RASH,), False),
    Probe("class non_hematologic: haem", C3, event(ae_class="non_hematologic"), (HAEM,), False),
    Probe("class non_hematologic: rash", C3, event(ae_class="non_hematologic"), (RASH,), True),
    Probe("term rash: rash", C3, event(term="rash"), (RASH,), True),
    Probe("term rash: fatigue of the same class", C3, event(term="rash"), (FATIGUE,), False),
    Probe("related true: related", C3, event(related=True), (RASH,), True),
    Probe("related true: unrelated", C3, event(related=True), (UNRELATED_RASH,), False),
    Probe("related false: related", C3, event(related=False), (RASH,), False),
    Probe("related false: unrelated", C3, event(related=False), (UNRELATED_RASH,), True),
    Probe("related not given: unrelated", C3, event(), (UNRELATED_RASH,), True),
    Probe("keys apply to one event", C3, event(term="rash", related=True),
          (UNRELATED_RASH, FATIGUE), False),
    # Called related is what counts, not the true cause (columns: cause, called).
    Probe("called related, not caused", C3, event(related=True), ((2, 0, 5, 3, 2, 0, 1),), True),
    Probe("caused, not called related", C3, event(related=True), ((2, 0, 5, 3, 2, 1, 0),), False),
]  # fmt: skip

ACTIVE = event(state="active")
STATES = [
    Probe("ever: over long ago", C3, event(state="ever"), (ae(1, 5, 3),), True),
    Probe("ever is the default", C3, event(), (ae(1, 5, 3),), True),
    Probe("ever: nothing", C3, event(), (), False),
    # Days 48-56: recovered first thing on day 57. Days 48-57: still there.
    Probe("active: ended the day before", C3, ACTIVE, (ae(2, 20, 9),), False),
    Probe("active: last day is today", C3, ACTIVE, (ae(2, 20, 10),), True),
    # Asked before the dose of day 36: onsets of that day come first.
    Probe("active at a dose: begins today", (2, 8), ACTIVE, (ae(2, 8, 1),), True),
    Probe("active at a dose: begins tomorrow", (2, 8), ACTIVE, (ae(2, 9, 5),), False),
    Probe("active at a dose: ended yesterday", (2, 8), ACTIVE, (ae(2, 1, 7),), False),
    Probe("active at a dose: ends today", (2, 8), ACTIVE, (ae(2, 1, 8),), True),
    # An onset drawn for day 1 comes after the level decision and the dose of that day.
    Probe("day-1 onset: not at the cycle start", C3, event(), (ae(3, 1, 5),), False),
    Probe("day-1 onset: not at the dose of day 1", (3, 1), event(), (ae(3, 1, 5),), False),
    Probe("day-1 onset: at the dose of day 8", (3, 8), event(), (ae(3, 1, 5),), True),
    # Onset on the planned day 1 of cycle 3 before it starts: known at that visit.
    Probe("onset on the planned day 1", C3, ACTIVE, (ae(2, 29, 1),), True),
    # Days 37-38 lie between the visits of days 36 and 43: known on 43, when it is over.
    Probe("known later: ever", (2, 15), event(), (ae(2, 9, 2),), True),
    Probe("known later: not active", (2, 15), ACTIVE, (ae(2, 9, 2),), False),
    Probe("not yet begun", (2, 8), event(), (ae(2, 9, 2),), False),
    # New is what this rule has not been asked about, however old.
    Probe("new: never asked about", C3, event(state="new"), (ae(1, 5, 3),), True),
    Probe("new: nothing", C3, event(state="new"), (), False),
]  # fmt: skip

TWO = (ae(1, 5, 3), ae(2, 5, 3))
COUNTS = [
    Probe("count default is at least one: one", C3, event(), (RASH,), True),
    Probe("count ge 2: two", C3, event(count=("ge", 2)), TWO, True),
    Probe("count ge 2: one", C3, event(count=("ge", 2)), (RASH,), False),
    Probe("count gt 2: two", C3, event(count=("gt", 2)), TWO, False),
    Probe("count gt 1: two", C3, event(count=("gt", 1)), TWO, True),
    Probe("count lt 2: two", C3, event(count=("lt", 2)), TWO, False),
    Probe("count lt 2: one", C3, event(count=("lt", 2)), (RASH,), True),
    Probe("count le 1: two", C3, event(count=("le", 1)), TWO, False),
    Probe("count eq 0: none", C3, event(count=("eq", 0)), (), True),
    Probe("count eq 0: one", C3, event(count=("eq", 0)), (RASH,), False),
    Probe("count eq 2: two", C3, event(count=("eq", 2)), TWO, True),
    Probe("count counts what matches", C3, event(term="rash", count=("ge", 2)),
          (RASH, FATIGUE), False),
]  # fmt: skip


def _windows() -> list[Probe]:
    """(window, asked, event, held if active on a day of it, held if it began in it)."""
    cases = [
        # Cycle 1 ends on day 28, cycle 2 begins on 29, cycle 3 ends on 84, cycle 4 begins on 85.
        ("cycles 2-3", C5, ae(1, 28, 1), False, False),  # day 28
        ("cycles 2-3", C5, ae(1, 28, 2), True, False),  # days 28-29
        ("cycles 2-3", C5, ae(2, 1, 1), True, True),  # day 29
        ("cycles 2-3", C5, ae(3, 28, 1), True, True),  # day 84
        ("cycles 2-3", C5, ae(3, 28, 40), True, True),  # day 84 on
        ("cycles 2-3", C5, ae(4, 1, 1), False, False),  # day 85
        ("cycles 2-3", C5, ae(1, 5, 150), True, False),  # from before to after
        ("ever", C5, ae(1, 1, 1), True, True),
        # At a cycle start the n cycles before it, and what already belongs to it.
        ("last 2 cycles", C5, ae(2, 28, 1), False, False),  # day 56, cycle 2
        ("last 2 cycles", C5, ae(2, 28, 2), True, False),  # days 56-57
        ("last 2 cycles", C5, ae(3, 1, 1), True, True),  # day 57
        ("last 1 cycle", C4, ae(2, 28, 1), False, False),
        ("last 1 cycle", C4, ae(3, 1, 1), True, True),
        ("cycle", C4, ae(2, 28, 1), False, False),  # ADOPTED: at a start, the cycle just ended
        ("cycle", C4, ae(3, 1, 1), True, True),
        # Within a cycle the running one is the last of the n.
        ("last 2 cycles", (4, 8), ae(2, 28, 1), False, False),
        ("last 2 cycles", (4, 8), ae(3, 1, 1), True, True),
        ("last 2 cycles", (4, 8), ae(2, 28, 2), True, False),
        ("cycle", (4, 8), ae(3, 28, 1), False, False),  # day 84
        ("cycle", (4, 8), ae(3, 28, 2), True, False),  # days 84-85
        ("cycle", (4, 8), ae(4, 1, 1), True, True),  # day 85, after its dose
        # ADOPTED: the last n days are today and the n - 1 before. Day 57: 48 to 57.
        ("last 10 days", C3, ae(2, 19, 1), False, False),  # day 47
        ("last 10 days", C3, ae(2, 20, 1), True, True),  # day 48
        ("last 10 days", C3, ae(2, 19, 2), True, False),  # days 47-48
        ("last 10 days", C3, ae(2, 29, 1), True, True),  # day 57
        ("last 1 day", (2, 8), ae(2, 7, 1), False, False),  # day 35; asked on day 36
        ("last 1 day", (2, 8), ae(2, 8, 1), True, True),  # day 36
    ]
    return [
        Probe(f"{window} asked {asked}: {script[0]}/{script[2]}+{script[3]}, {timing}", asked,
              event(window=window, timing=timing), (script,), holds)
        for window, asked, script, active, onset in cases
        for timing, holds in (("active", active), ("onset", onset))
    ]  # fmt: skip


# The dose goes up at the start of cycle 2, day 29. ADOPTED: that day belongs to the window.
UP_AT_2 = rule("riser", "cycle", "+1", cycle=[2])
SINCE = event(window="since change")
SINCE_ONSET = event(window="since change", timing="onset")
SINCE_CHANGE = [
    Probe("since change: ended on day 28", C4, SINCE, (ae(1, 10, 19),), False, (UP_AT_2,)),
    Probe("since change: ended on day 29", C4, SINCE, (ae(1, 10, 20),), True, (UP_AT_2,)),
    Probe("since change: that began before", C4, SINCE_ONSET, (ae(1, 10, 20),), False, (UP_AT_2,)),
    Probe("since change: began on day 30", C4, SINCE_ONSET, (ae(2, 2, 1),), True, (UP_AT_2,)),
    Probe("since change: never changed", C4, SINCE, (ae(1, 1, 1),), True),
    Probe("since change: refused is no change", C4, SINCE, (ae(1, 10, 2),), True, (UP_AT_2,),
          posology={"start_mg": 4.0}),
]  # fmt: skip

# missed: the dose of day 8 of cycle 2 (day 36) is skipped.
SKIPPER = rule("skipper", "dose", "skip", cycle=[2], day=[8])
SKIPPER_TWICE = rule("skipper", "dose", "skip", cycle=[2], day=[8, 15])
SKIPPER_D15 = rule("skipper", "dose", "skip", cycle=[2], day=[15])
SKIPPER_C1 = rule("skipper", "dose", "skip", cycle=[1], day=[15])
SKIPPER_AE = rule("skipper", "dose", "skip", event(state="active"), cycle=[2], day=[8])
OTHER = rule("other", "dose", "skip", NEVER)
AT_36 = ae(2, 8, 1)
AT_36_UNRELATED = ae(2, 8, 1, related=False)
MISSED = [
    Probe("missed: one", C3, history("missed"), (), True, (SKIPPER,)),
    Probe("missed: none", C3, history("missed"), (), False),
    Probe("missed: before it is", (2, 8), history("missed"), (), False,
          (rule("skipper", "dose", "skip", cycle=[2], day=[15]),)),
    Probe("missed: by this rule", C3, history("missed", rule="skipper"), (), True,
          (SKIPPER, OTHER)),
    Probe("missed: by another rule", C3, history("missed", rule="other"), (), False,
          (SKIPPER, OTHER)),
    Probe("missed: in its cycle", C4, history("missed", window="cycles 2-2"), (), True,
          (SKIPPER,)),
    Probe("missed: in the cycle after", C4, history("missed", window="cycles 3-3"), (), False,
          (SKIPPER,)),
    Probe("missed: in the cycle before", C4, history("missed", window="cycles 1-1"), (), False,
          (SKIPPER,)),
    Probe("missed: last 1 cycle, in it", C3, history("missed", window="last 1 cycle"), (), True,
          (SKIPPER,)),
    Probe("missed: last 1 cycle, before it", C3, history("missed", window="last 1 cycle"), (),
          False, (SKIPPER_C1,)),
    # Missed on day 43; day 57 looks back to 43 with 15 days, to 44 with 14.
    Probe("missed: last 15 days", C3, history("missed", window="last 15 days"), (), True,
          (SKIPPER_D15,)),
    Probe("missed: last 14 days", C3, history("missed", window="last 14 days"), (), False,
          (SKIPPER_D15,)),
    # The change is on day 29: day 15 is before it, day 36 after.
    Probe("missed: since change, before it", C3, history("missed", window="since change"), (),
          False, (UP_AT_2, SKIPPER_C1)),
    Probe("missed: since change, after it", C3, history("missed", window="since change"), (),
          True, (UP_AT_2, SKIPPER)),
    Probe("missed: count ge 2, two", C3, history("missed", count=("ge", 2)), (), True,
          (SKIPPER_TWICE,)),
    Probe("missed: count ge 2, one", C3, history("missed", count=("ge", 2)), (), False,
          (SKIPPER,)),
    Probe("missed: count eq 0", C3, history("missed", count=("eq", 0)), (), True),
    Probe("missed: related, related", C3, history("missed", related=True), (AT_36,), True,
          (SKIPPER_AE,)),
    Probe("missed: related, unrelated", C3, history("missed", related=True), (AT_36_UNRELATED,),
          False, (SKIPPER_AE,)),
    Probe("missed: unrelated, related", C3, history("missed", related=False), (AT_36,), False,
          (SKIPPER_AE,)),
    Probe("missed: unrelated, unrelated", C3, history("missed", related=False),
          (AT_36_UNRELATED,), True, (SKIPPER_AE,)),
    Probe("missed: no event at all is unrelated", C3, history("missed", related=False), (), True,
          (SKIPPER,)),
    Probe("missed: at the lowest", C3, history("missed", at_level="lowest"), (), True,
          (SKIPPER,), posology={"start_mg": 1.0}),
    Probe("missed: above the lowest", C3, history("missed", at_level="lowest"), (), False,
          (SKIPPER,)),
]  # fmt: skip

# hold: opened at the dose of day 8 by a grade 3, closed at the first visit without one.
SEVERE = event(grade=("ge", 3), state="active")
HOLDER = rule("holder", "dose", "hold", SEVERE, until=neither(SEVERE))
OVER_D8 = ae(1, 8, 3, 3)  # days 8-10: the dose of day 8
OVER_D8_D15 = ae(1, 8, 10, 3)  # days 8-17: the doses of days 8 and 15
AGAIN_C2 = ae(2, 8, 3, 3)
HOLDS = [
    Probe("hold: one", C3, history("hold"), (OVER_D8,), True, (HOLDER,)),
    Probe("hold: none", C3, history("hold"), (ae(1, 8, 3, 2),), False, (HOLDER,)),
    Probe("hold: one of two doses is one hold", C3, history("hold", count=("ge", 2)),
          (OVER_D8_D15,), False, (HOLDER,)),
    Probe("hold: one of two doses is two missed", C3, history("missed", count=("ge", 2)),
          (OVER_D8_D15,), True, (HOLDER,)),
    Probe("hold: two", C3, history("hold", count=("ge", 2)), (OVER_D8, AGAIN_C2), True, (HOLDER,)),
    Probe("hold: skip is none", C3, history("hold"), (), False, (SKIPPER,)),
    Probe("hold: at the lowest", C3, history("hold", at_level="lowest"), (OVER_D8,), True,
          (HOLDER,), posology={"start_mg": 1.0}),
    Probe("hold: above the lowest", C3, history("hold", at_level="lowest"), (OVER_D8,), False,
          (HOLDER,)),
    Probe("hold: in its cycle", C4, history("hold", window="cycles 1-1"), (OVER_D8,), True,
          (HOLDER,)),
    Probe("hold: not in the cycle where it only goes on", C4, history("hold", window="cycles 2-2"),
          (ae(1, 15, 20, 3),), False, (HOLDER,)),
    Probe("hold: related", C3, history("hold", related=True), (OVER_D8,), True, (HOLDER,)),
    Probe("hold: unrelated", C3, history("hold", related=True), (ae(1, 8, 3, 3, related=False),),
          False, (HOLDER,)),
    Probe("hold: by another rule", C3, history("hold", rule="other"), (OVER_D8,), False,
          (HOLDER, OTHER)),
]  # fmt: skip

# delay: a gate waits for fatigue; a rule about new rash orders so many days.
TIRED = event(term="fatigue", state="active")
GATE = rule("gate", "cycle", "delay", TIRED)
NEW_RASH = event(term="rash", state="new")
ORDER_7 = rule("order", "event", "delay 7", NEW_RASH)
ORDER_8 = rule("order", "event", "delay 8", NEW_RASH)
EARLY_RASH = ae(1, 5, 2)  # known on day 8, so it delays cycle 2
LATE_C3 = ae(2, 20, 16, kind="fatigue")  # days 48-63: cycle 3 begins on 64 instead of 57
DELAYS = [
    Probe("delay: one", C3, history("delay"), (EARLY_RASH,), True, (ORDER_7,)),
    Probe("delay: none", C3, history("delay"), (), False, (ORDER_7,)),
    Probe("delay: 7 is not gt 7", C3, history("delay", days=("gt", 7)), (EARLY_RASH,), False,
          (ORDER_7,)),
    Probe("delay: 8 is gt 7", C3, history("delay", days=("gt", 7)), (EARLY_RASH,), True,
          (ORDER_8,)),
    Probe("delay: 7 is not ge 8", C3, history("delay", days=("ge", 8)), (EARLY_RASH,), False,
          (ORDER_7,)),
    Probe("delay: 8 is ge 8", C3, history("delay", days=("ge", 8)), (EARLY_RASH,), True,
          (ORDER_8,)),
    Probe("delay: 7 is le 7", C3, history("delay", days=("le", 7)), (EARLY_RASH,), True,
          (ORDER_7,)),
    Probe("delay: 8 is not le 7", C3, history("delay", days=("le", 7)), (EARLY_RASH,), False,
          (ORDER_8,)),
    Probe("delay: 7 is lt 8", C3, history("delay", days=("lt", 8)), (EARLY_RASH,), True,
          (ORDER_7,)),
    Probe("delay: 8 is not lt 8", C3, history("delay", days=("lt", 8)), (EARLY_RASH,), False,
          (ORDER_8,)),
    Probe("delay: 8 is eq 8", C3, history("delay", days=("eq", 8)), (EARLY_RASH,), True,
          (ORDER_8,)),
    Probe("delay: by the gate", C4, history("delay", rule="gate"), (LATE_C3,), True,
          (GATE, ORDER_7)),
    Probe("delay: by another rule", C4, history("delay", rule="order"), (LATE_C3,), False,
          (GATE, ORDER_7)),
    # It belongs to the cycle that starts late, and is there at that start already.
    Probe("delay: in the late cycle", C4, history("delay", window="cycles 3-3"), (LATE_C3,), True,
          (GATE,)),
    Probe("delay: not in the cycle before", C4, history("delay", window="cycles 2-2"),
          (LATE_C3,), False, (GATE,)),
    Probe("delay: of this very start", C3, history("delay", window="cycles 3-3"), (LATE_C3,),
          True, (GATE,)),
    Probe("delay: of this start, last 1 cycle", C3, history("delay", window="last 1 cycle"),
          (LATE_C3,), True, (GATE,)),
    Probe("delay: related", C4, history("delay", related=True), (LATE_C3,), True, (GATE,)),
    Probe("delay: unrelated", C4, history("delay", related=True),
          (ae(2, 20, 16, kind="fatigue", related=False),), False, (GATE,)),
    # Asked on days 29 and 36. Rash on days 20-34, fatigue on days 30-40: other events each time.
    Probe("delay: related at the second ask only", C3, history("delay", related=True),
          (ae(1, 20, 15, related=False), ae(1, 30, 11, kind="fatigue")), True,
          (rule("gate", "cycle", "delay", event(state="active")),)),
    Probe("delay: related at the first ask only", C3, history("delay", related=True),
          (ae(1, 20, 15), ae(1, 30, 11, kind="fatigue", related=False)), True,
          (rule("gate", "cycle", "delay", event(state="active")),)),
    Probe("delay: unrelated at both asks", C3, history("delay", related=True),
          (ae(1, 20, 15, related=False), ae(1, 30, 11, kind="fatigue", related=False)), False,
          (rule("gate", "cycle", "delay", event(state="active")),)),
    # A hold that is open on the planned day 1 lends its attribution.
    Probe("delay: by an open hold, related", C3, history("delay", related=True),
          (ae(1, 15, 20, 3),), True, (HOLDER,)),
    Probe("delay: by an open hold, unrelated", C3, history("delay", related=True),
          (ae(1, 15, 20, 3, related=False),), False, (HOLDER,)),
    Probe("delay: ordered for a related event", C3, history("delay", related=True), (EARLY_RASH,),
          True, (ORDER_7,)),
    Probe("delay: ordered for an unrelated event", C3, history("delay", related=True),
          (ae(1, 5, 2, related=False),), False, (ORDER_7,)),
]  # fmt: skip

DOWN_AT_2 = rule("lower", "cycle", "-1", cycle=[2])
DOWN_FROM_1 = rule("lower", "dose", "-1", cycle=[1], day=[8])
RESUMER = HOLDER | {"resume": -1}
CHANGES = [
    Probe("reduction: one", C3, history("reduction"), (), True, (DOWN_AT_2,)),
    Probe("reduction: none", C3, history("reduction"), (), False),
    Probe("reduction: an increase is none", C3, history("reduction"), (), False, (UP_AT_2,)),
    Probe("reduction: by this rule", C3, history("reduction", rule="lower"), (), True,
          (DOWN_AT_2, OTHER)),
    Probe("reduction: by another rule", C3, history("reduction", rule="other"), (), False,
          (DOWN_AT_2, OTHER)),
    Probe("reduction: in its cycle", C4, history("reduction", window="cycles 2-2"), (), True,
          (DOWN_AT_2,)),
    Probe("reduction: after its cycle", C4, history("reduction", window="cycles 3-3"), (), False,
          (DOWN_AT_2,)),
    # Asked for in cycle 1, carried out at the start of cycle 2: realised then.
    Probe("reduction: belongs where it is carried out", C4,
          history("reduction", window="cycles 2-2"), (), True, (DOWN_FROM_1,)),
    Probe("reduction: not where it is asked for", C4, history("reduction", window="cycles 1-1"),
          (), False, (DOWN_FROM_1,)),
    # A resume step acts at the next dose, day 15 of cycle 1.
    Probe("reduction: mid-cycle", C4, history("reduction", window="cycles 1-1"), (OVER_D8,), True,
          (RESUMER,)),
    Probe("reduction: two levels at once are one", C4, history("reduction", count=("ge", 2)), (),
          False, (rule("lower", "cycle", "-2", cycle=[2]),), posology={"start_mg": 3.0}),
    Probe("reduction: two", C4, history("reduction", count=("ge", 2)), (), True,
          (rule("lower", "cycle", "-1", cycle=[2, 3]),), posology={"start_mg": 3.0}),
    Probe("reduction: none where the dose stays", C3, history("reduction"), (), False,
          (DOWN_AT_2,), posology={"start_mg": 1.0}, policy={"below_lowest": "stay"}),
    Probe("reduction: set lower is one", C3, history("reduction"), (), True,
          (rule("lower", "cycle", "set 1.0", cycle=[2]),)),
    Probe("reduction: related", C3, history("reduction", related=True), (ae(1, 20, 15),), True,
          (rule("lower", "cycle", "-1", event(state="active"), cycle=[2]),)),
    Probe("reduction: unrelated", C3, history("reduction", related=True),
          (ae(1, 20, 15, related=False),), False,
          (rule("lower", "cycle", "-1", event(state="active"), cycle=[2]),)),
    Probe("reduction: of a hold, related", C3, history("reduction", related=True), (OVER_D8,),
          True, (RESUMER,)),
    Probe("reduction: of a hold, unrelated", C3, history("reduction", related=True),
          (ae(1, 8, 3, 3, related=False),), False, (RESUMER,)),
    Probe("increase: one", C3, history("increase"), (), True, (UP_AT_2,)),
    Probe("increase: none", C3, history("increase"), (), False),
    Probe("increase: a reduction is none", C3, history("increase"), (), False, (DOWN_AT_2,)),
    Probe("increase: refused is none", C3, history("increase"), (), False, (UP_AT_2,),
          posology={"start_mg": 4.0}),
    Probe("increase: in its cycle", C4, history("increase", window="cycles 2-2"), (), True,
          (UP_AT_2,)),
    Probe("increase: after its cycle", C4, history("increase", window="cycles 3-3"), (), False,
          (UP_AT_2,)),
]  # fmt: skip

# The dose at the start of cycle 4 is 2 mg, given in three cycles so far; the day is 85.
VALUES = [
    Probe(f"{name} {word} {number}", C4, value(name, word, number), (), holds)
    for name, now, step in (
        ("dose_mg", 2, 1),
        ("cycles_at_level", 3, 1),
        ("days_on_treatment", 85, 1),  # ADOPTED: the study day
    )
    for word, number, holds in (
        ("ge", now, True),
        ("ge", now + step, False),
        ("gt", now, False),
        ("gt", now - step, True),
        ("le", now, True),
        ("le", now - step, False),
        ("lt", now, False),
        ("lt", now + step, True),
        ("eq", now, True),
        ("eq", now + step, False),
    )
] + [
    # Up at the start of cycle 2: cycles 2 and 3 are at 3 mg when cycle 4 is decided.
    Probe("cycles_at_level after a change: 2", C4, value("cycles_at_level", "ge", 2), (), True,
          (UP_AT_2,)),
    Probe("cycles_at_level after a change: 3", C4, value("cycles_at_level", "ge", 3), (), False,
          (UP_AT_2,)),
    Probe("cycles_at_level within a cycle: 2", (2, 8), value("cycles_at_level", "eq", 2), (),
          True),
    Probe("dose_mg after a change", C4, value("dose_mg", "eq", 3), (), True, (UP_AT_2,)),
    Probe("dose_mg is the level, withheld or not", (2, 15), value("dose_mg", "eq", 2), (), True,
          (SKIPPER,)),
]  # fmt: skip

T, F = ALWAYS, NEVER
NESTING = [
    Probe(name, (2, 0), when, (), holds)
    for name, when, holds in (
        ("all: both", both(T, T), True),
        ("all: one fails", both(T, F), False),
        ("any: one", either(F, T), True),
        ("any: no one", either(F, F), False),
        ("none: no one", neither(F, F), True),
        ("none: one", neither(F, T), False),
        ("all and none: so", both(T) | neither(F), True),
        ("all and none: all fails", both(F) | neither(F), False),
        ("all and none: none fails", both(T) | neither(T), False),
        ("all, any and none", both(T) | either(F, T) | neither(F), True),
        ("all, any and none: any fails", both(T) | either(F, F) | neither(F), False),
        ("none of all: so", neither(both(T, F)), True),
        ("none of all: not", neither(both(T, T)), False),
        ("any of all and none: so", either(both(T, F), neither(F)), True),
        ("any of all and none: not", either(both(T, F), neither(T)), False),
        ("all of any and any: so", both(either(F, T), either(T, F)), True),
        ("all of any and any: not", both(either(F, T), either(F, F)), False),
        ("none of none: so", neither(neither(T)), True),
        ("none of none: not", neither(neither(F)), False),
    )
]

# An interruption is related if an event that opened the hold, or caused the skip, was.
RASH_OR_TIRED = either(
    event(term="rash", state="active"), event(term="fatigue", state="active", count=("ge", 2))
)
UNRELATED_AT_36 = ae(2, 8, 1, related=False)
TIRED_AT_36 = ae(2, 8, 1, kind="fatigue")
ATTRIBUTION = [
    Probe("one of two events related", C3, history("missed", related=True),
          (UNRELATED_AT_36, TIRED_AT_36), True, (SKIPPER_AE,)),
    Probe("the related one does not match", C3, history("missed", related=True),
          (UNRELATED_AT_36, TIRED_AT_36), False,
          (rule("skipper", "dose", "skip", event(term="rash", state="active"), cycle=[2],
                day=[8]),)),
    # Two fatigues are asked for and there is one: that clause does not hold, rash alone skips.
    Probe("the clause of the related one fails by its count", C3,
          history("missed", related=True), (UNRELATED_AT_36, TIRED_AT_36), False,
          (rule("skipper", "dose", "skip", RASH_OR_TIRED, cycle=[2], day=[8]),)),
    Probe("the group of the related one fails", C3, history("missed", related=True),
          (UNRELATED_AT_36, TIRED_AT_36), False,
          (rule("skipper", "dose", "skip",
                either(event(term="rash", state="active"),
                       both(event(term="fatigue", state="active"), NEVER)),
                cycle=[2], day=[8]),)),
    Probe("a related event that none excludes does not count", C3,
          history("missed", related=True), (UNRELATED_AT_36, TIRED_AT_36), False,
          (rule("skipper", "dose", "skip",
                both(event(term="rash", state="active"))
                | neither(event(term="fatigue", grade=("ge", 3))),
                cycle=[2], day=[8]),)),
    # The hold is opened by unrelated rash on day 8; related fatigue of grade 3 begins on day 10
    # and keeps it open, but did not open it.
    Probe("a later related event does not open the hold", C3, history("missed", related=True),
          (ae(1, 8, 3, 3, related=False), ae(1, 10, 10, 3, kind="fatigue")), False, (HOLDER,)),
    Probe("a skipped dose because of an earlier missed one inherits", C4,
          history("missed", related=True, window="cycles 3-3"), (AT_36,), True,
          (SKIPPER_AE,
           rule("again", "dose", "skip", history("missed", window="cycles 2-2"), cycle=[3],
                day=[8]))),
    # Two new events on one visit, the unrelated one drawn first: both opened the hold.
    Probe("an event rule and two events at once", C3, history("missed", related=True),
          (ae(1, 5, 9, 3, related=False), ae(1, 6, 9, 3, kind="fatigue")), True,
          (rule("holder", "event", "hold", event(grade=("ge", 3), state="new"),
                until=neither(SEVERE)),)),
]  # fmt: skip

PROBES: tuple[Probe, ...] = (
    *_grades(), *WHICH, *STATES, *COUNTS, *_windows(), *SINCE_CHANGE, *MISSED, *HOLDS, *DELAYS,
    *CHANGES, *VALUES, *NESTING, *ATTRIBUTION,
)  # fmt: skip
