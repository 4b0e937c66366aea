"""Checks of rules: keys that go together, draws, actions, and names they refer to."""

import math
from collections.abc import Iterable, Iterator

from sim.errors import quoted
from sim.scenario.condition import action_kind, actions, predicates, rule_predicates
from sim.scenario.flaw import Case, Flaw, doses_text
from sim.scenario.locate import Path
from sim.scenario.nearest import nearest
from sim.scenario.policy import EventPredicate, HistoryPredicate, Rule, ValuePredicate
from sim.scenario.wording import number_text

SUM_TOLERANCE = 1e-9


def check_rule_keys(case: Case) -> Iterator[Flaw]:
    """Keys of a rule that need one another or exclude one another (K03, K04)."""
    for index, rule in enumerate(case.scenario.rule):
        at: Path = ("rule", index)
        kinds = {action_kind(action) for _, action in actions(rule, at)}
        if not kinds:
            yield Flaw(at, "K03", f'rule "{rule.id}" does nothing: give "do" or "choices"')
            continue
        if rule.do is not None and rule.choices is not None:
            message = f'give "do" or "choices" for rule "{rule.id}", not both'
            yield Flaw((*at, "choices"), "K04", message, at_key=True)
        yield from _only_with(rule, at, kinds)
        yield from _asked_at(rule, at)
        if "hold" in kinds and rule.until is None:
            message = f'rule "{rule.id}" holds the dose but not "until" when'
            yield Flaw(at, "K03", message)
        yield from _new_events(rule, at)


def check_draws(case: Case) -> Iterator[Flaw]:
    """Draws of rules: given in one way, adding to at most 1, calibrated (K04, N04, K03)."""
    calibration = case.scenario.calibration
    uses_ratio = False
    for index, rule in enumerate(case.scenario.rule):
        at: Path = ("rule", index)
        given = [k for k in ("probability", "probability_ratio", "choices") if getattr(rule, k)]
        if len(given) > 1:
            message = f'give "{given[0]}" or "{given[1]}" for rule "{rule.id}", not both'
            yield Flaw((*at, given[1]), "K04", message, at_key=True)
        total = math.fsum(choice.probability for choice in rule.choices or ())
        if total > 1 + SUM_TOLERANCE:
            message = f"probabilities of choices add to {total:.10g}; they may add to at most 1"
            yield Flaw((*at, "choices"), "N04", message)
        if rule.probability_ratio is not None:
            uses_ratio = True
            yield from _ratio(case, rule, (*at, "probability_ratio"))
    if calibration is not None and not uses_ratio:
        message = "calibration is never used: no rule has a probability_ratio"
        yield Flaw(("calibration",), "R04", message, severity="warning")


def check_actions(case: Case) -> Iterator[Flaw]:
    """Doses that rules set or compare with are dose levels; steps fit the ladder (R01, D04)."""
    levels = case.scenario.posology.levels_mg
    for index, rule in enumerate(case.scenario.rule):
        for at, action in actions(rule, ("rule", index)):
            kind = action_kind(action)
            if kind == "set" and float(str(action).split()[1]) not in levels:
                message = f'rule "{rule.id}" goes to {quoted(str(action)[4:])}, which is not a'
                message += f" dose level (levels: {doses_text(case)})"
                yield Flaw(at, "R01", message)
            elif kind in ("up", "down") and abs(int(action)) >= len(levels):
                message = f'rule "{rule.id}" goes {kind} by {abs(int(action))}'
                message += f" on a ladder of {len(levels)} ({doses_text(case)})"
                # One step down from a single level is a stop, or a stay, by policy.
                if kind == "up" or abs(int(action)) > len(levels):
                    yield Flaw(at, "D04", message)
        for at, predicate in rule_predicates(rule, ("rule", index)):
            dose = predicate.eq if isinstance(predicate, ValuePredicate) else None
            is_dose = isinstance(predicate, ValuePredicate) and predicate.value == "dose_mg"
            if is_dose and dose is not None and dose not in levels:
                message = f"{number_text(dose)} is not a dose level (levels: {doses_text(case)})"
                yield Flaw((*at, "eq"), "R01", message)


def check_references(case: Case) -> Iterator[Flaw]:
    """Adverse events and rules named in conditions exist (R01)."""
    events = [event.name for event in case.scenario.adverse_event]
    classes = {event.ae_class for event in case.scenario.adverse_event}
    rules = [rule.id for rule in case.scenario.rule]
    for index, rule in enumerate(case.scenario.rule):
        for at, predicate in rule_predicates(rule, ("rule", index)):
            if isinstance(predicate, EventPredicate):
                if predicate.term is not None and predicate.term not in events:
                    yield _undefined((*at, "term"), rule, "adverse event", predicate.term, events)
                kind = predicate.ae_class
                if kind is not None and kind not in classes:
                    message = f'rule "{rule.id}" looks at {kind} events; none is defined'
                    yield Flaw((*at, "class"), "D04", message, severity="warning")
            elif isinstance(predicate, HistoryPredicate) and predicate.rule not in (None, *rules):
                yield _undefined((*at, "rule"), rule, "rule", str(predicate.rule), rules)


def check_unused_events(case: Case) -> Iterator[Flaw]:
    """Adverse events that no rule can see (R04); nothing when none looks or a name is wrong."""
    looks = [
        predicate
        for index, rule in enumerate(case.scenario.rule)
        for _, predicate in rule_predicates(rule, ("rule", index))
        if isinstance(predicate, EventPredicate)
    ]
    names = {event.name for event in case.scenario.adverse_event}
    terms = {look.term for look in looks if look.term is not None}
    for index, event in enumerate(case.scenario.adverse_event):
        seen = any(
            look.term in (None, event.name) and look.ae_class in (None, event.ae_class)
            for look in looks
        )
        if looks and names.issuperset(terms) and not seen:
            message = f"{event.name} is simulated but no rule looks at it"
            yield Flaw(("adverse_event", index, "name"), "R04", message, severity="warning")


def _only_with(rule: Rule, at: Path, kinds: set[str]) -> Iterator[Flaw]:
    """Keys that mean something only beside certain actions."""
    needed: dict[str, tuple[str, ...]] = {
        "until": ("hold",),
        "resume": ("hold",),
        "max_days": ("delay",),
        "then": ("delay",),
        "route": ("stop",),
        "cap": ("up", "set"),
    }
    words = {"up": '"+1"', "set": '"set 3.0"'}
    for key, with_actions in needed.items():
        if getattr(rule, key) is not None and not kinds & set(with_actions):
            actions_in_words = " or ".join(words.get(a, f'"{a}"') for a in with_actions)
            message = f'"{key}" goes only with do = {actions_in_words}'
            yield Flaw((*at, key), "K04", f'{message} (rule "{rule.id}")', at_key=True)
        elif key in ("max_days", "then") and getattr(rule, key) is not None and rule.at != "cycle":
            message = f'"{key}" goes only with at = "cycle", where a cycle start can wait'
            yield Flaw((*at, key), "K04", f'{message} (rule "{rule.id}")', at_key=True)


def _asked_at(rule: Rule, at: Path) -> Iterator[Flaw]:
    """Actions that are possible only when the rule is asked at certain times."""
    is_gate = all(action_kind(action) == "delay" for _, action in actions(rule, at))
    for place, action in actions(rule, at):
        kind = action_kind(action)
        if kind == "up" and rule.at != "cycle":
            message = f'the dose goes up only at a cycle start: rule "{rule.id}" is asked'
            yield Flaw(place, "K04", f'{message} at = "{rule.at}"')
        if kind == "delay" and rule.at not in ("cycle", "event"):
            message = 'a cycle start is delayed only by a rule with at = "cycle" or "event"'
            yield Flaw(place, "K04", f'{message}: rule "{rule.id}" has at = "{rule.at}"')
        if action == "delay" and rule.at == "event":
            message = f'rule "{rule.id}" orders a delay at an event but does not say how long'
            yield Flaw(place, "K04", message, hint='write the days, for example "delay 7"')
        if is_gate and action != "delay" and rule.at == "cycle":
            message = f'rule "{rule.id}" lets a cycle start wait while its condition holds'
            hint = f'write do = "delay", with max_days = {str(action).split()[1]} as its limit'
            message += ": the number of days is not used"
            yield Flaw(place, "N07", message, hint=hint, severity="warning")


def _new_events(rule: Rule, at: Path) -> Iterator[Flaw]:
    """`new` means not yet asked about, which only `when` can tell."""
    for place, predicate in predicates(rule.until, (*at, "until")):
        if isinstance(predicate, EventPredicate) and predicate.state == "new":
            message = 'state = "new" has no meaning in "until"; use "active"'
            yield Flaw((*place, "state"), "K04", message)
    looks_at_new = any(
        isinstance(predicate, EventPredicate) and predicate.state == "new"
        for _, predicate in predicates(rule.when, at)
    )
    if rule.at == "event" and not looks_at_new:
        message = f'rule "{rule.id}" is asked at each event but does not look at state = "new"'
        yield Flaw((*at, "when"), "N07", message, severity="warning")


def _ratio(case: Case, rule: Rule, at: Path) -> Iterator[Flaw]:
    calibration, ratio = case.scenario.calibration, rule.probability_ratio
    if calibration is None:
        message = f'rule "{rule.id}" has a probability_ratio but there is no [calibration]'
        yield Flaw(at, "K03", message, at_key=True)
    elif ratio is not None and ratio * calibration.multiplier > 1:
        message = f"{ratio:g} times calibration.multiplier ({calibration.multiplier:g}) is"
        yield Flaw(at, "N02", f"{message} {ratio * calibration.multiplier:g}, above 1")


def _undefined(at: Path, rule: Rule, noun: str, name: str, known: Iterable[str]) -> Flaw:
    close = nearest(name, known)
    hint = f"did you mean {quoted(close)}?" if close else None
    message = f'rule "{rule.id}" looks at {noun} {quoted(name)}, which is not defined'
    return Flaw(at, "R01", message, hint)
