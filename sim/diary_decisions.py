"""The decisions that mattered: the clause that decided each, and what would have changed it."""

from collections.abc import Iterator

from sim.codes import Action, Ask, Route
from sim.diary_changes import (
    decision_entry,
    is_used_up,
    not_drawn,
    other_outcomes,
    outcome_without,
)
from sim.diary_course import Course, Entry
from sim.diary_waits import hold_test, waiting
from sim.diary_words import because, clause_words, obstacles
from sim.replay_facts import ClauseFound
from sim.replay_rows import Asked
from sim.scenario.policy import ValuePredicate
from sim.sentences import (
    number,
    raises_dose,
    ranges,
    rule_probability,
)


def decision_entries(course: Course) -> Iterator[Entry]:
    """Entries of decisions that changed something, barred an increase, or failed by a draw."""
    for asked in course.asks:
        if asked.ask == Ask.UNTIL:
            yield from hold_test(course, asked)
        elif asked.ask == Ask.GATE:
            yield from waiting(course, asked)
        elif asked.won:
            yield _carried_out(course, asked)
        elif asked.row["fired"]:
            yield from _fired_in_vain(course, asked)
        elif asked.verdict.holds:
            yield from not_drawn(course, asked)
        elif raises_dose(asked.rule):
            yield from _refusal(course, asked)
    yield from _due_changes(course)


def _drawn(course: Course, asked: Asked) -> str:
    """How a draw entered the decision."""
    if asked.rule.choices is not None:
        return " (chosen by a draw)"
    probability = rule_probability(course.plan.scenario, asked.rule)
    return "" if probability is None else f" (drawn, probability {number(probability)})"


def _carried_out(course: Course, asked: Asked) -> Entry:
    """A rule that acted."""
    if asked.action in (Action.UP, Action.SET) and asked.row["level_after"] > asked.facts.level:
        return _increase(course, asked)
    words = {
        Action.HOLD: "doses are withheld",
        Action.SKIP: "the next dose is left out",
        Action.STOP: "treatment stops",
        Action.DELAY: f"the next cycle is to start {asked.row['argument']} days later",
        Action.DOWN: _lower_words(course, asked),
        Action.SET: _lower_words(course, asked),
    }
    reason = because(asked.verdict, course.labels)
    text = f"{asked.rule.id}{_drawn(course, asked)}: {words[asked.action]}"
    text += f", because of {reason}." if reason else "."
    ends = _ended_by_step(course, asked)
    outcome = "treatment would not have ended here" if ends else outcome_without(course, asked)
    return decision_entry(asked, text, other_outcomes(course, asked, outcome, ends))


def _ended_by_step(course: Course, asked: Asked) -> bool:
    """Whether a step down went below the lowest level, or was one too many."""
    end = course.end
    return (
        end["route"] in (Route.BELOW_LOWEST, Route.MAX_REDUCTIONS)
        and end["day"] == asked.facts.day
        and end["rule"] == asked.row["rule"]
    )


def _lower_words(course: Course, asked: Asked) -> str:
    before, after = asked.facts.level, asked.row["level_after"]
    if asked.ask != Ask.LEVEL:
        return "the dose is to change at the next cycle start"
    if _ended_by_step(course, asked):
        return "the dose should go further down, which ends treatment"
    if before == after:
        return "the dose stays at the lowest level"
    return f"the dose changes from {course.dose(before)} to {course.dose(after)}"


def _increase(course: Course, asked: Asked) -> Entry:
    """A yes: nothing barred; the margins are the changes that would have."""
    before, after = course.dose(asked.facts.level), course.dose(asked.row["level_after"])
    clauses = [clause for clause in asked.verdict.clauses if clause.negated]
    met = because(asked.verdict, course.labels)
    text = f"{asked.rule.id}{_drawn(course, asked)}: the dose rises from {before} to {after}."
    if met:
        text += f" Met: {met}."
    if clauses:
        how_many = "its one barring clause" if len(clauses) == 1 else f"its {len(clauses)} clauses"
        text += (
            f" Nothing barred it: none of {how_many} held."
            if len(clauses) > 1
            else (f" Nothing barred it: {how_many} did not hold.")
        )
    return decision_entry(
        asked, text, other_outcomes(course, asked, outcome_without(course, asked))
    )


def _refusal(course: Course, asked: Asked) -> Iterator[Entry]:
    """A no of a rule that would have raised the dose; equal ones in a row are told once."""
    against = obstacles(asked.verdict)
    if not _is_told(course, asked, against):
        return
    again = _asked_again(course, asked, against)
    barred = "; ".join(clause_words(clause, course.labels) for clause in against)
    level = course.dose(asked.facts.level)
    text = f"{asked.rule.id}: the dose stays at {level}, barred by {barred}."
    if again:
        cycles = f"cycle{'s' if len(again) > 1 else ''} {ranges(again)}"
        text += f" Asked again at the start of {cycles}: barred by the same clauses."
    elif len(against) > 1:
        text += f" Each of these {len(against)} clauses alone would have barred it."
    changes = other_outcomes(course, asked, "the dose would have been raised")
    none = "No single change that was tried, and no two together, would have changed it."
    yield decision_entry(asked, text, changes or (none,))


def _is_told(course: Course, asked: Asked, against: list[ClauseFound]) -> bool:
    """Not where the rule was not about this patient, and not what was just told."""
    if any(isinstance(clause.predicate, ValuePredicate) for clause in against):
        return False
    if any(not clause.negated for clause in against) or is_used_up(course, asked):
        return False
    before = [
        other
        for other in course.asks
        if other.rule is asked.rule and other.row["cycle"] < asked.row["cycle"]
    ]
    return not before or _names(before[-1]) != _names(asked)


def _names(asked: Asked) -> tuple[str, ...]:
    return tuple(clause.name for clause in obstacles(asked.verdict))


def _asked_again(course: Course, asked: Asked, against: list[ClauseFound]) -> list[int]:
    """Later cycles in a row in which the same clauses barred."""
    cycles: list[int] = []
    names = tuple(clause.name for clause in against)
    for other in course.asks:
        if other.rule is asked.rule and other.place > asked.place:
            if _names(other) != names:
                break
            cycles.append(other.row["cycle"])
    return cycles


def _fired_in_vain(course: Course, asked: Asked) -> Iterator[Entry]:
    """Another rule acted instead, or an increase was refused."""
    winner = next(
        (
            other
            for other in course.asks
            if other.won and other.ask == asked.ask and other.facts.day == asked.facts.day
        ),
        None,
    )
    if winner is not None and winner.rule is not asked.rule:
        text = f"{asked.rule.id} would have acted too; {winner.rule.id} went first."
    elif raises_dose(asked.rule) and not _just_told(course, asked):
        text = f"{asked.rule.id}: the dose stays at {course.dose(asked.facts.level)}, "
        text += _why_refused(course, asked)
    else:
        return
    yield decision_entry(asked, text)


def _just_told(course: Course, asked: Asked) -> bool:
    """Whether the ask before of the same rule at the same dose came to the same."""
    before = [
        other for other in course.asks if other.rule is asked.rule and other.place < asked.place
    ]
    if not before:
        return False
    last = before[-1]
    same = bool(last.row["fired"]) and not last.won and last.facts.level == asked.facts.level
    return same and _why_refused(course, last) == _why_refused(course, asked)


def _why_refused(course: Course, asked: Asked) -> str:
    if asked.facts.level == len(course.plan.names.levels) - 1:
        return "which is the highest level."
    if asked.facts.last_change_day == asked.facts.day:
        return "because it has changed today already."
    if asked.rule.cap is not None:
        return "because a rise would pass the level before the last reduction."
    return "because an earlier decision forbids a rise for now."


def _due_changes(course: Course) -> Iterator[Entry]:
    """Changes ordered earlier and made now; those of a level decision are told with it."""
    at_once = {
        (asked.facts.day, asked.rule.id)
        for asked in course.asks
        if asked.won and asked.ask == Ask.LEVEL
    }
    for act in course.acts:
        if act.what not in ("reduction", "increase") or (act.day, act.rule) in at_once:
            continue
        word = "reduced" if act.what == "reduction" else "raised"
        after = _level_from(course, act.day)
        text = f"The dose is {word} from {course.dose(act.level)} to {course.dose(after)}, as "
        text += f"{act.rule} ordered."
        yield Entry(act.day, "dose_change", text, act.rule, place=_before_asks(course, act.day))


def _before_asks(course: Course, day: int) -> int:
    """The place before the level decision or dose rules of a day, after its visit."""
    later = [
        2 * asked.place - 1
        for asked in course.asks
        if asked.facts.day == day and asked.ask in (Ask.LEVEL, Ask.DOSE)
    ]
    return min(later, default=2 * len(course.asks))


def _level_from(course: Course, day: int) -> int:
    later = [row["level"] for row in course.replay.doses if row["day"] >= day]
    if later:
        return later[0]
    return course.replay.level
