"""Checks of when rules can act: never, too late, hidden behind others, against each other."""

import re
from collections.abc import Iterator, Sequence
from itertools import combinations

from sim.scenario.condition import action_kind, actions, comparisons, rule_predicates
from sim.scenario.flaw import Case, Flaw
from sim.scenario.locate import Path
from sim.scenario.policy import Comparison, EventPredicate, HistoryPredicate, Rule
from sim.scenario.posology import Posology
from sim.scenario.wording import number_text

_CYCLES = re.compile(r"cycles (\d+)-(\d+)")
_LAST = re.compile(r"last (\d+) (?:cycle|day)s?")
_SEVERITY = {"stop": 0, "hold": 1, "delay": 1, "skip": 1, "down": 2, "set": 2, "up": 3}


def check_reachable(case: Case) -> Iterator[Flaw]:
    """Rules that are never asked, or whose later actions never come (D04, R04)."""
    posology, policy = case.scenario.posology, case.scenario.policy
    for index, rule in enumerate(case.scenario.rule):
        at: Path = ("rule", index)
        yield from _cycles(rule, at, posology)
        yield from _cycle_days(rule, at, posology)
        yield from _firings(rule, at)
        if rule.max_days is not None and rule.max_days > policy.max_delay_days:
            message = f'rule "{rule.id}" waits up to {rule.max_days} days'
            message += f" but policy.max_delay_days ends it at {policy.max_delay_days}"
            yield Flaw((*at, "max_days"), "D04", message, severity="warning")
    yield from _target(case)


def check_windows(case: Case) -> Iterator[Flaw]:
    """Windows and comparisons that nothing can ever be in (D04)."""
    last = case.scenario.posology.max_cycles
    for index, rule in enumerate(case.scenario.rule):
        asked = [c for c in _asked_cycles(rule, last) if c <= last]
        for at, predicate in rule_predicates(rule, ("rule", index)):
            if isinstance(predicate, EventPredicate | HistoryPredicate):
                yield from _window(rule, predicate.window, (*at, "window"), asked, last)
            for place, comparison in comparisons(predicate, at):
                yield from _comparison(rule, comparison, place)


def check_contradictions(case: Case) -> Iterator[Flaw]:
    """Two rules asked alike on the same condition, with nothing to say which wins (D03)."""
    numbered = list(enumerate(case.scenario.rule))
    for (i, first), (j, second) in combinations(numbered, 2):
        if _question(first) != _question(second) or _may_pass(first) or _may_pass(second):
            continue
        names = f'rules "{first.id}" ({case.line(("rule", i))}) and "{second.id}"'
        names += f" ({case.line(('rule', j))})"
        at: Path = ("rule", j)
        if (first.do, first.choices) == (second.do, second.choices):
            message = f"{names} ask the same and do the same; one is enough"
            yield Flaw(at, "D03", message, severity="warning")
        elif case.scenario.policy.order == "file":
            message = f'{names} ask the same; the first always wins, "{second.id}" never'
            yield Flaw(at, "D03", message)
        elif _ranks(first) & _ranks(second):
            message = f"{names} ask the same and do different things of the same severity"
            yield Flaw(at, "D03", message, "change one condition")


def _cycles(rule: Rule, at: Path, posology: Posology) -> Iterator[Flaw]:
    last = posology.max_cycles
    lasts = f"but treatment lasts {last} cycles"
    given = rule.on.cycle if rule.on is not None else None
    if given:
        late = [cycle for cycle in given if cycle > last]
        if late and len(late) == len(given):
            message = f'rule "{rule.id}" acts at cycle {late[0]} {lasts}'
            yield Flaw((*at, "on", "cycle"), "D04", message)
        elif late:
            message = f'rule "{rule.id}" acts also at cycle {late[0]} {lasts}'
            yield Flaw((*at, "on", "cycle"), "D04", message, severity="warning")
    if rule.every is not None and rule.every.from_cycle > last:
        message = f'rule "{rule.id}" acts from cycle {rule.every.from_cycle} {lasts}'
        yield Flaw((*at, "every", "from"), "D04", message)
    elif not _asked_cycles(rule, 63):
        message = f'rule "{rule.id}" is never asked: "on", "off" and "every" leave no cycle'
        yield Flaw(at, "D04", message)


def _asked_cycles(rule: Rule, last: int) -> list[int]:
    """The cycles that `on`, `off` and `every` leave, up to a last one."""
    on, off, every = rule.on, rule.off, rule.every
    cycles = list(on.cycle) if on is not None and on.cycle is not None else list(range(1, last + 1))
    if off is not None and off.cycle is not None and off.cycle_day is None:
        cycles = [cycle for cycle in cycles if cycle not in off.cycle]
    if every is not None:
        start, step = every.from_cycle, every.cycles
        cycles = [c for c in cycles if c >= start and (c - start) % step == 0]
    return cycles


def _cycle_days(rule: Rule, at: Path, posology: Posology) -> Iterator[Flaw]:
    for key in ("on", "off"):
        when = getattr(rule, key)
        for index, day in enumerate((when.cycle_day if when is not None else None) or ()):
            if day > posology.cycle_length_days:
                length = posology.cycle_length_days
                message = f"day {day} is after the end of the {length}-day cycle"
                yield Flaw((*at, key, "cycle_day", index), "N02", message)
    days = rule.on.cycle_day if rule.on is not None else None
    asked = _asked_days(rule, posology)
    if days and asked and not set(days) & set(asked):
        named = ", ".join(str(day) for day in asked)
        message = f'rule "{rule.id}" is never asked: at = "{rule.at}" asks on day {named}'
        yield Flaw((*at, "on", "cycle_day"), "D04", message)


def _asked_days(rule: Rule, posology: Posology) -> Sequence[int]:
    if rule.at == "cycle":
        return (1,)
    if rule.at == "dose":
        return posology.dose_days
    # Rechecks are visits on any day, and events come on any day.
    return ()


def _firings(rule: Rule, at: Path) -> Iterator[Flaw]:
    if rule.max_fires is None:
        return
    for key in ("do", "resume"):
        steps = getattr(rule, key)
        if isinstance(steps, tuple) and len(steps) > rule.max_fires:
            message = f'rule "{rule.id}" fires at most {rule.max_fires} times'
            message += f" but {key} has {len(steps)} entries"
            yield Flaw((*at, key), "R04", message, severity="warning")


def _target(case: Case) -> Iterator[Flaw]:
    posology, rules = case.scenario.posology, case.scenario.rule
    raises = any(
        action_kind(action) in ("up", "set")
        for index, rule in enumerate(rules)
        for _, action in actions(rule, ("rule", index))
    )
    target = posology.target_mg
    if target is not None and target > posology.start_mg and not raises:
        message = f"target_mg is {number_text(target)} but no rule raises the dose"
        yield Flaw(("posology", "target_mg"), "D04", message, severity="warning")


def _window(rule: Rule, window: str, at: Path, asked: list[int], last: int) -> Iterator[Flaw]:
    span = _CYCLES.fullmatch(window)
    if span is None:
        count = _LAST.fullmatch(window)
        if count is not None and int(count[1]) == 0:
            yield Flaw(at, "N02", f'window "{window}" is empty; the least is 1')
        return
    first, end = int(span[1]), int(span[2])
    if first == 0:
        yield Flaw(at, "N02", f'window "{window}" starts at cycle 0; cycles count from 1')
    elif first > end:
        yield Flaw(at, "D04", f'window "{window}" runs backwards', f'write "cycles {end}-{first}"')
    elif first > last:
        message = f'window "{window}" lies after the end: treatment lasts {last} cycles'
        yield Flaw(at, "D04", message)
    elif asked and first > max(asked):
        message = f'window "{window}" lies after cycle {max(asked)}, the last at which'
        yield Flaw(at, "D04", f'{message} rule "{rule.id}" is asked')
    elif asked and end > max(asked):
        message = f'window "{window}" ends after cycle {max(asked)}, the last at which'
        yield Flaw(at, "D04", f'{message} rule "{rule.id}" is asked', severity="warning")


def _comparison(rule: Rule, bounds: Comparison, at: Path) -> Iterator[Flaw]:
    lows = [bound for bound in (bounds.ge, bounds.gt) if bound is not None]
    highs = [bound for bound in (bounds.le, bounds.lt) if bound is not None]
    eq = [] if bounds.eq is None else [bounds.eq]
    impossible = max([*lows, *eq], default=0.0) > min([*highs, *eq], default=float("inf"))
    touching = bool(lows and highs) and max(lows) == min(highs)
    if impossible or (touching and (bounds.gt == max(lows) or bounds.lt == min(highs))):
        yield Flaw(at, "D04", f'no number fits this comparison of rule "{rule.id}"')
    elif at[-1] == "grade" and not any(_fits(bounds, grade) for grade in range(1, 6)):
        message = f'no grade fits this comparison of rule "{rule.id}"; grades are 1 to 5'
        yield Flaw(at, "D04", message)


def _question(rule: Rule) -> tuple[object, ...]:
    """When a rule is asked and what must hold; clause ids only name, they do not ask."""
    when = re.sub(r"'clause': (?:'[^']*'|None)", "", str(rule.when.model_dump()))
    return rule.at, rule.on, rule.off, rule.every, when


def _may_pass(rule: Rule) -> bool:
    """Whether a rule may hold and yet not fire, leaving room for another."""
    drawn = rule.probability is not None or rule.probability_ratio is not None
    return drawn or rule.max_fires is not None or rule.choices is not None


def _ranks(rule: Rule) -> set[int]:
    return {_SEVERITY[action_kind(action)] for _, action in actions(rule, ())}


def _fits(bounds: Comparison, grade: int) -> bool:
    return (
        (bounds.lt is None or grade < bounds.lt)
        and (bounds.le is None or grade <= bounds.le)
        and (bounds.gt is None or grade > bounds.gt)
        and (bounds.ge is None or grade >= bounds.ge)
        and (bounds.eq is None or grade == bounds.eq)
    )
