"""Holds that end or last too long, and cycle starts that wait."""

from collections.abc import Iterator

from sim.codes import Route
from sim.diary_changes import decision_entry, not_drawn, other_outcomes, outcome_without
from sim.diary_course import Course, Entry
from sim.diary_words import because, clause_words, obstacles
from sim.replay_rows import Asked
from sim.sentences import count_of, listing, steps_words


def hold_test(course: Course, asked: Asked) -> Iterator[Entry]:
    if not asked.won:
        yield from _longest_hold(course, asked)
        return
    down = asked.row["argument"]
    dose = f"{steps_words(down)} lower" if down else "at the same level"
    reason = because(asked.verdict, course.labels)
    if not reason:
        names = listing((clause.name for clause in asked.verdict.clauses), "or")
        reason = f"nothing is left for {names} to find"
    text = f"{asked.rule.id}: the hold ends, as {reason}; dosing resumes {dose}."
    yield decision_entry(asked, text)


def _longest_hold(course: Course, asked: Asked) -> Iterator[Entry]:
    """The test of a hold on the day on which it is over its limit."""
    end = course.end
    if end["route"] != Route.MAX_HOLD or end["day"] != asked.facts.day:
        return
    left = "; ".join(clause_words(clause, course.labels) for clause in obstacles(asked.verdict))
    days = count_of(course.plan.scenario.policy.max_hold_days, "day")
    text = f"{asked.rule.id}: the hold has lasted {days} and treatment stops; still there: {left}."
    outcome = "treatment would not have ended here"
    yield decision_entry(asked, text, other_outcomes(course, asked, outcome, ends=True))


def waiting(course: Course, asked: Asked) -> Iterator[Entry]:
    """A cycle start that waits: told once for each rule and cycle, and when the wait is over."""
    if not asked.row["fired"]:
        if asked.verdict.holds:
            yield from not_drawn(course, asked)
        return
    cycle = asked.row["cycle"]
    reason = because(asked.verdict, course.labels)
    if not asked.won or not course.replay.waits_at(asked):
        yield _longest_wait(course, asked, reason)
        return
    earlier = [
        other
        for other in course.asks
        if other.rule is asked.rule and other.row["cycle"] == cycle and other.won
    ]
    if earlier[0] is not asked:
        return
    started = course.labels.starts.get(cycle)
    planned = course.replay.planned_start(cycle)
    until = (
        f"it starts {count_of(started - planned, 'day')} late, on day {started}"
        if started is not None
        else "it never starts"
    )
    text = f"{asked.rule.id}: cycle {cycle} waits, because of {reason}; {until}."
    yield decision_entry(asked, text, other_outcomes(course, asked, outcome_without(course, asked)))


def _longest_wait(course: Course, asked: Asked, reason: str) -> Entry:
    cycle, rule = asked.row["cycle"], asked.rule
    days = asked.facts.day - course.replay.planned_start(cycle)
    then = "treatment stops" if rule.then in (None, "stop") else f"cycle {cycle} may start"
    if isinstance(rule.then, int):
        then += f", {steps_words(-rule.then)} lower"
    text = (
        f"{rule.id}: after {count_of(days, 'day')} of waiting {then}, although there is {reason}."
    )
    if rule.then not in (None, "stop"):
        return decision_entry(asked, text)
    text = text.replace("although there is", "because of")
    outcome = "treatment would not have ended here"
    return decision_entry(asked, text, other_outcomes(course, asked, outcome, ends=True))
