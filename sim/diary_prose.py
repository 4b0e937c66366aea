"""One patient's course told in prose: doses, adverse events, every decision that mattered, the
clause that decided it, and which change would have changed it.

Everything is read off the four tables; decisions are worked out again from them
(`sim/replay_rules.py`) and must come to what the log says.
"""

import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date
from typing import Any

from sim.codes import Ask
from sim.diary_course import Course, Entry, read_course
from sim.diary_decisions import decision_entries
from sim.diary_doses import cycle_doses
from sim.diary_end import end_lines, header_lines
from sim.diary_words import Labels
from sim.plan.plan import Plan
from sim.replay_facts import Event
from sim.sentences import count_of, kind_name

DAY_ONE = date(2024, 1, 1)
WIDTH = 92


def diary(
    plan: Plan,
    patient: int,
    engine: str = "kernel",
    *,
    day_one: date = DAY_ONE,
    every_ask: bool = False,
) -> str:
    """The course of one patient as prose, cycle by cycle; dates are nominal."""
    course = read_course(plan, patient, engine, day_one)
    lines = [*header_lines(course), ""]
    for block in _blocks(course):
        lines += [*block, ""]
    lines += end_lines(course)
    if every_ask:
        lines += ["", "Every rule asked:", *_asks(course)]
    return "\n".join(_wrapped(line) for line in lines) + "\n"


def diary_entries(
    plan: Plan,
    patient: int,
    engine: str = "kernel",
    *,
    day_one: date = DAY_ONE,
) -> list[dict[str, Any]]:
    """The same course as a list of entries in order of time, for machines."""
    course = read_course(plan, patient, engine, day_one)
    entries = _entries(course)
    first = Entry(1, "patient", " ".join(header_lines(course)))
    last = Entry(course.last_day, "end", " ".join(end_lines(course)))
    doses = [
        Entry(course.labels.starts[cycle], "doses", f"C{cycle}: {text}")
        for cycle, text in cycle_doses(course).items()
    ]
    everything = sorted([*doses, *entries], key=lambda entry: entry.day)
    return [_as_table(course.labels, entry) for entry in (first, *everything, last)]


def _as_table(labels: Labels, entry: Entry) -> dict[str, Any]:
    table = asdict(entry)
    order = ("day", "date", "cycle", "label", "kind", "text", "rule", "clauses", "what_if")
    table |= {
        "date": labels.date(entry.day),
        "cycle": labels.cycle(entry.day),
        "label": labels.of(entry.day),
        "clauses": list(entry.clauses),
        "what_if": list(entry.what_if),
    }
    return {key: table[key] for key in order}


def _entries(course: Course) -> list[Entry]:
    entries = [*_event_entries(course), *decision_entries(course)]
    return sorted(entries, key=lambda entry: (entry.day, entry.place))


def _event_entries(course: Course) -> Iterator[Entry]:
    for event in course.events:
        yield Entry(event.onset_day, "adverse_event", _event_text(course, event), place=-1)


def _event_text(course: Course, event: Event) -> str:
    labels = course.labels
    cause = "caused by the drug" if event.caused_by_drug else "not caused by the drug"
    called = "called related" if event.related else "called unrelated"
    days = count_of(event.end_day - event.onset_day + 1, "day")
    name = kind_name(event.kind)
    text = f"{name[0].upper()}{name[1:]} of grade {event.grade} begins: {cause}, {called}; "
    if event.known_day is None:
        text += "it never became known; "
    elif event.known_day == event.onset_day:
        text += "known the same day; "
    else:
        text += f"known at the visit of {labels.of(event.known_day)}; "
    end = event.end_day
    over = labels.of(end) if end <= course.last_day else f"day {end}, after the end of treatment"
    return f"{text}it lasts {days}, to {over}."


def _blocks(course: Course) -> Iterator[list[str]]:
    """Cycle by cycle; cycles with equal doses in which nothing happened are told as one."""
    entries = _entries(course)
    doses = cycle_doses(course)
    labels = course.labels
    quiet: list[int] = []
    for cycle in sorted(doses):
        own = [entry for entry in entries if labels.cycle(entry.day) == cycle]
        if not own and (not quiet or doses[quiet[-1]] == doses[cycle]):
            quiet.append(cycle)
            continue
        if quiet:
            yield [_quiet_line(course, quiet, doses[quiet[-1]])]
        quiet = [] if own else [cycle]
        if own:
            yield [_cycle_head(course, cycle, doses[cycle]), *_cycle_lines(course, own)]
    if quiet:
        yield [_quiet_line(course, quiet, doses[quiet[-1]])]


def _quiet_line(course: Course, cycles: list[int], doses: str) -> str:
    first = course.labels.starts[cycles[0]]
    name = f"C{cycles[0]}" if len(cycles) == 1 else f"C{cycles[0]}-C{cycles[-1]}"
    return f"{name} (from day {first}, {course.labels.date(first)}): {doses} Nothing else happened."


def _cycle_head(course: Course, cycle: int, doses: str) -> str:
    start = course.labels.starts[cycle]
    return f"C{cycle} (from day {start}, {course.labels.date(start)}): {doses}"


def _cycle_lines(course: Course, entries: list[Entry]) -> Iterator[str]:
    for entry in entries:
        yield f"  {course.labels.of(entry.day)}, {course.labels.date(entry.day)}: {entry.text}"
        for text in entry.what_if:
            yield f"    > {text}"


def _asks(course: Course) -> Iterator[str]:
    for asked in course.asks:
        held = ", ".join(clause.name for clause in asked.verdict.clauses if clause.holds)
        done = "acts" if asked.won else "fires" if asked.row["fired"] else "nothing"
        if asked.verdict.holds and not asked.row["fired"]:
            done = "holds, but its draw or its limit keeps it from firing"
        ask = "until" if asked.ask == Ask.UNTIL else asked.ask.name.lower()
        yield (
            f"  {course.labels.of(asked.facts.day)} {ask} {asked.rule.id}: {done}"
            f"{f'; clauses that hold: {held}' if held else ''}"
        )


def _wrapped(line: str) -> str:
    bare = line.lstrip(" ")
    indent = " " * (len(line) - len(bare))
    return textwrap.fill(
        bare,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
