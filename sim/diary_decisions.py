"""The decisions that mattered: the clause that decided each, and what would have changed it."""

from collections.abc import Iterator

from sim.codes import Action, Ask, Route
from sim.diary_course import Course, Entry
from sim.diary_words import because, clause_words, obstacles
from sim.replay_facts import ClauseFound
from sim.replay_rows import Asked
from sim.scenario.policy import ValuePredicate
from sim.sentences import (
    count_of,
    kind_name,
    listing,
    number,
    raises_dose,
    ranges,
    rule_probability,
    steps_words,
)
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


def decision_entries(course: Course) -> Iterator[Entry]:
    """Entries of decisions that changed something, barred an increase, or failed by a draw."""
    for asked in course.asks:
        if asked.ask == Ask.UNTIL:
            yield from _hold_end(course, asked)
        elif asked.ask == Ask.GATE:
            yield from _waiting(course, asked)
        elif asked.won:
            yield _carried_out(course, asked)
        elif asked.row["fired"]:
            yield from _fired_in_vain(course, asked)
        elif asked.verdict.holds:
            yield from _not_drawn(course, asked)
        elif raises_dose(asked.rule):
            yield from _refusal(course, asked)
    yield from _due_changes(course)


def _entry(course: Course, asked: Asked, text: str, if_other: tuple[str, ...] = ()) -> Entry:
    names = tuple(clause.name for clause in asked.verdict.clauses if clause.holds)
    return Entry(
        asked.facts.day, "decision", text, asked.rule.id, names, if_other, place=asked.place
    )


def _what_if(course: Course, asked: Asked, outcome: str, ends: bool = False) -> tuple[str, ...]:
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


def _outcome_without(course: Course, asked: Asked) -> str:
    before = course.dose(asked.facts.level)
    return WITHOUT[asked.action].format(before=before, cycle=asked.row["cycle"])


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
    outcome = "treatment would not have ended here" if ends else _outcome_without(course, asked)
    return _entry(course, asked, text, _what_if(course, asked, outcome, ends))


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
    return _entry(course, asked, text, _what_if(course, asked, _outcome_without(course, asked)))


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
    changes = _what_if(course, asked, "the dose would have been raised")
    none = "No single change that was tried, and no two together, would have changed it."
    yield _entry(course, asked, text, changes or (none,))


def _is_told(course: Course, asked: Asked, against: list[ClauseFound]) -> bool:
    """Not where the rule was not about this patient, and not what was just told."""
    if any(isinstance(clause.predicate, ValuePredicate) for clause in against):
        return False
    if any(not clause.negated for clause in against) or _is_used_up(course, asked):
        return False
    before = [
        other
        for other in course.asks
        if other.rule is asked.rule and other.row["cycle"] < asked.row["cycle"]
    ]
    return not before or _names(before[-1]) != _names(asked)


def _is_used_up(course: Course, asked: Asked) -> bool:
    acted = sum(
        other.won and other.rule is asked.rule and other.place < asked.place
        for other in course.asks
    )
    return asked.rule.max_fires is not None and acted >= asked.rule.max_fires


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
    elif raises_dose(asked.rule):
        text = f"{asked.rule.id}: the dose stays at {course.dose(asked.facts.level)}, "
        text += _why_refused(course, asked)
    else:
        return
    yield _entry(course, asked, text)


def _why_refused(course: Course, asked: Asked) -> str:
    if asked.facts.level == len(course.plan.names.levels) - 1:
        return "which is the highest level."
    if asked.facts.last_change_day == asked.facts.day:
        return "because it has changed today already."
    if asked.rule.cap is not None:
        return "because a rise would pass the level before the last reduction."
    return "because an earlier decision forbids a rise for now."


def _not_drawn(course: Course, asked: Asked) -> Iterator[Entry]:
    """A rule that held and was kept from acting by its draw."""
    probability = rule_probability(course.plan.scenario, asked.rule)
    if _is_used_up(course, asked) or (probability is None and asked.rule.choices is None):
        return
    names = " ".join(clause.name for clause in asked.verdict.clauses if clause.holds)
    chance = "its draw" if probability is None else f"its draw (probability {number(probability)})"
    effect = "end treatment" if asked.rule.do == "stop" else "act"
    text = f"{asked.rule.id}{_about(course, asked)} [{names}]: {chance} did not {effect}."
    yield _entry(course, asked, text)


def _about(course: Course, asked: Asked) -> str:
    """The event that an event rule was asked about."""
    if asked.facts.focus is None:
        return ""
    event = course.events[asked.facts.focus]
    return f", asked about the {kind_name(event.kind)} of {course.labels.of(event.onset_day)}"


def _hold_end(course: Course, asked: Asked) -> Iterator[Entry]:
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
    yield _entry(course, asked, text)


def _longest_hold(course: Course, asked: Asked) -> Iterator[Entry]:
    """The test of a hold on the day on which it is over its limit."""
    end = course.end
    if end["route"] != Route.MAX_HOLD or end["day"] != asked.facts.day:
        return
    left = "; ".join(clause_words(clause, course.labels) for clause in obstacles(asked.verdict))
    days = count_of(course.plan.scenario.policy.max_hold_days, "day")
    text = f"{asked.rule.id}: the hold has lasted {days} and treatment stops; still there: {left}."
    outcome = "treatment would not have ended here"
    yield _entry(course, asked, text, _what_if(course, asked, outcome, ends=True))


def _waiting(course: Course, asked: Asked) -> Iterator[Entry]:
    """A cycle start that waits: told once for each rule and cycle, and when the wait is over."""
    if not asked.row["fired"]:
        if asked.verdict.holds:
            yield from _not_drawn(course, asked)
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
    yield _entry(course, asked, text, _what_if(course, asked, _outcome_without(course, asked)))


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
        return _entry(course, asked, text)
    text = text.replace("although there is", "because of")
    outcome = "treatment would not have ended here"
    return _entry(course, asked, text, _what_if(course, asked, outcome, ends=True))


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
        yield Entry(act.day, "dose_change", text, act.rule, place=len(course.asks))


def _level_from(course: Course, day: int) -> int:
    later = [row["level"] for row in course.replay.doses if row["day"] >= day]
    if later:
        return later[0]
    return course.replay.level
