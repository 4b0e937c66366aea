"""What every told decision has: an entry, and what would have followed a change."""

from collections.abc import Iterator

from sim.codes import Action
from sim.diary_course import Course, Entry
from sim.replay_rows import Asked
from sim.sentences import kind_name, number, rule_probability
from sim.what_if import Change, what_if

WITHOUT = {
    Action.UP: "the dose would have stayed at {before}",
    Action.DOWN: "the dose would not have been reduced",
    Action.SET: "the dose would have stayed at {before}",
    Action.SKIP: "the dose would have been given",
    Action.HOLD: "no dose would have been withheld by this rule",
    Action.DELAY: "this rule would not have made cycle {cycle} wait",
    Action.STOP: "this rule would not have ended treatment then",
}


def decision_entry(asked: Asked, text: str, if_other: tuple[str, ...] = ()) -> Entry:
    """The entry of one row of the log; its place keeps the order of the log within a day."""
    names = tuple(clause.name for clause in asked.verdict.clauses if clause.holds)
    return Entry(
        asked.facts.day, "decision", text, asked.rule.id, names, if_other, place=2 * asked.place
    )


def other_outcomes(
    course: Course, asked: Asked, outcome: str, ends: bool = False
) -> tuple[str, ...]:
    """One sentence for each change, or for each pair, with what would have followed."""
    found = what_if(course.reruns, asked, course.events, course.end if ends else None)
    lines = [f"Had {change.text}, {_then(course, change, outcome)}." for change in found.single]
    lines += [
        f"Had {one.text} and {two.text}, {_then(course, one, outcome)}." for one, two in found.pairs
    ]
    return tuple(lines)


def _then(course: Course, change: Change, outcome: str) -> str:
    """What would have followed: the dose that would have been started where one is known."""
    if change.level is None:
        return outcome
    return f"{course.dose(change.level)} would have started"


def outcome_without(course: Course, asked: Asked) -> str:
    before = course.dose(asked.facts.level)
    return WITHOUT[asked.action].format(before=before, cycle=asked.row["cycle"])


def not_drawn(course: Course, asked: Asked) -> Iterator[Entry]:
    """A rule that held and was kept from acting by its draw."""
    probability = rule_probability(course.plan.scenario, asked.rule)
    if is_used_up(course, asked) or (probability is None and asked.rule.choices is None):
        return
    names = " ".join(clause.name for clause in asked.verdict.clauses if clause.holds)
    chance = "its draw" if probability is None else f"its draw (probability {number(probability)})"
    effect = "end treatment" if asked.rule.do == "stop" else "act"
    text = f"{asked.rule.id}{_about(course, asked)} [{names}]: {chance} did not {effect}."
    yield decision_entry(asked, text)


def _about(course: Course, asked: Asked) -> str:
    """The event that an event rule was asked about."""
    if asked.facts.focus is None:
        return ""
    event = course.events[asked.facts.focus]
    return f", asked about the {kind_name(event.kind)} of {course.labels.of(event.onset_day)}"


def is_used_up(course: Course, asked: Asked) -> bool:
    acted = sum(
        other.won and other.rule is asked.rule and other.place < asked.place
        for other in course.asks
    )
    return asked.rule.max_fires is not None and acted >= asked.rule.max_fires
