"""The doses of each cycle in one sentence."""

from sim.diary_course import Course
from sim.replay_rows import Row
from sim.sentences import count_of, ranges


def cycle_doses(course: Course) -> dict[int, str]:
    """By cycle: what was given on which days, what was withheld and by which rule."""
    by_cycle: dict[int, list[Row]] = {}
    for row in course.replay.doses:
        by_cycle.setdefault(row["cycle"], []).append(row)
    for cycle in course.labels.starts:
        by_cycle.setdefault(cycle, [])
    return {cycle: _sentence(course, cycle, by_cycle[cycle]) for cycle in sorted(by_cycle)}


def _sentence(course: Course, cycle: int, rows: list[Row]) -> str:
    if cycle > course.end["last_cycle"]:
        return "treatment ends before its first dose."
    start = course.labels.starts[cycle]
    given: dict[int, list[int]] = {}
    withheld: dict[int, list[int]] = {}
    for row in rows:
        days, key = (given, row["level"]) if row["given"] else (withheld, row["rule"])
        days.setdefault(key, []).append(row["day"] - start + 1)
    parts = [
        f"{course.dose(level)} on day{'s' if len(days) > 1 else ''} {ranges(days)}"
        for level, days in given.items()
    ]
    parts += [
        f"withheld on day{'s' if len(days) > 1 else ''} {ranges(days)} by "
        f"{course.plan.names.rules[rule]}"
        for rule, days in withheld.items()
    ]
    late = [act.days for act in course.acts if act.what == "delay" and act.cycle == cycle]
    text = "; ".join(parts) if parts else "no dose"
    delay = f" (started {count_of(late[0], 'day')} late)" if late else ""
    return f"{text}{delay}."
