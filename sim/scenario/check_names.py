"""Names that are given twice, or differ only by case (R03)."""

from collections.abc import Iterable, Iterator

from sim.scenario.condition import rule_predicates
from sim.scenario.flaw import Case, Flaw
from sim.scenario.locate import Path


def check_names(case: Case) -> Iterator[Flaw]:
    """Adverse events, exits, rules and clauses each have names of their own."""
    scenario = case.scenario
    events = [(("adverse_event", i, "name"), e.name) for i, e in enumerate(scenario.adverse_event)]
    exits = [(("exit", i, "cause"), e.cause) for i, e in enumerate(scenario.exit)]
    rules = [(("rule", i, "id"), r.id) for i, r in enumerate(scenario.rule)]
    clauses: list[tuple[Path, str]] = [
        ((*at, "clause"), predicate.clause)
        for i, rule in enumerate(scenario.rule)
        for at, predicate in rule_predicates(rule, ("rule", i))
        if predicate.clause is not None
    ]
    yield from _repeats(case, "adverse event", events)
    yield from _repeats(case, "exit", exits)
    yield from _repeats(case, "rule", rules)
    yield from _repeats(case, "clause", clauses)


def _repeats(case: Case, noun: str, names: Iterable[tuple[Path, str]]) -> Iterator[Flaw]:
    first: dict[str, tuple[Path, str]] = {}
    for at, name in names:
        if name.lower() not in first:
            first[name.lower()] = (at, name)
            continue
        earlier_at, earlier = first[name.lower()]
        where = case.line(earlier_at)
        if earlier == name:
            yield Flaw(at, "R03", f'{noun} "{name}" was already given ({where})')
        else:
            message = f'{noun} "{name}" differs from "{earlier}" ({where}) only by case'
            yield Flaw(at, "R03", message)
