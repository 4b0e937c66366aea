"""What exact mode can reach: every reason why a scenario is beyond it, by name.

In reach is a scenario whose cycles have the same days for everybody (no holds, skipped doses or
delays), whose events are over with their cycle as far as any rule asks, and whose rules change
the dose at cycle starts only.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from sim.codes import Action, Clause, EventState, History, Recurrence, Value, When, Window, label
from sim.errors import LimitError
from sim.exact.lookbacks import CHANGES, clauses_of, filter_of
from sim.exact.passage import grades_of, outlast_their_cycle
from sim.model.layout import CYCLE_SLOTS, GRADES
from sim.plan.plan import Plan

LEVEL_ACTIONS = {Action.NONE, Action.UP, Action.DOWN, Action.SET, Action.STOP}
AT = {When.VISIT: "visit", When.DOSE: "dose", When.CYCLE: "cycle", When.EVENT: "event"}


def level_rules(plan: Plan) -> list[int]:
    """Return the rules that are asked at level decisions."""
    rules = range(int(plan.record.n_rules))
    return [rule for rule in rules if plan.record.rule_at[rule] == When.CYCLE]


def event_rules(plan: Plan) -> list[int]:
    """Return the rules that are asked about new events."""
    rules = range(int(plan.record.n_rules))
    return [rule for rule in rules if plan.record.rule_at[rule] == When.EVENT]


def check_reach(plan: Plan) -> None:
    """Raise LimitError with every reason why a plan is out of reach."""
    reasons = reasons_out_of_reach(plan)
    if reasons:
        lines = "".join(f"\n- {reason}" for reason in reasons)
        raise LimitError(
            f"{plan.scenario.name} is out of reach of exact mode, for {_number(len(reasons))}:"
            f"{lines}\ntitrasim run simulates it."
        )


def reasons_out_of_reach(plan: Plan) -> list[str]:
    """Return every reason why a plan is out of reach; none for one that is in reach."""
    found = [*_about_events(plan)]
    for rule in range(int(plan.record.n_rules)):
        found += _about_rule(plan, rule)
    return list(dict.fromkeys(found))


def _number(reasons: int) -> str:
    return "this reason" if reasons == 1 else f"these {reasons} reasons"


def _about_events(plan: Plan) -> Iterator[str]:
    """Kinds that go on beyond their cycle must not wait for recovery to be at risk again."""
    record = plan.record
    wait = [
        name
        for kind, name in enumerate(plan.names.kinds)
        if record.recurrence[kind] == Recurrence.AFTER_RECOVERY
        and outlast_their_cycle(record, kind)
    ]
    if wait:
        yield (
            f"{_and(wait)} may go on beyond the cycle, and cannot occur again before recovery: in "
            "reach with duration to_end_of_cycle, or recurrence next_cycle or never"
        )


def _about_rule(plan: Plan, rule: int) -> Iterator[str]:
    record, name = plan.record, f'rule "{plan.names.rules[rule]}"'
    at, actions = When(int(record.rule_at[rule])), _actions(record, rule)
    if at == When.EVENT:
        beyond = sorted(_words(actions - {Action.NONE, Action.STOP}))
        if beyond:
            yield f"{name} may {_or(beyond)} at an event: in reach is to stop"
        if not _always_asked(record, rule):
            yield f"{name} is asked about events in some cycles or on some days only"
    elif at == When.CYCLE and record.rule_is_stop[rule]:
        yield f"{name} may stop treatment at every visit: in reach are stops at an event"
    elif at == When.CYCLE:
        beyond = sorted(_words(actions - LEVEL_ACTIONS))
        if beyond:
            yield f"{name} may {_or(beyond)} at a cycle start: in reach is to change the dose"
    else:
        yield f"{name} is asked at a {AT[at]} and may {_or(sorted(_words(actions)))}"
        return
    if at == When.CYCLE and record.rule_is_stop[rule]:
        return
    for clause in clauses_of(record, rule):
        yield from _about_clause(plan, rule, clause)


def _actions(record: Any, rule: int) -> set[Action]:
    choices = int(record.rule_n_choices[rule])
    if choices > 0:
        return {Action(int(a)) for a in record.choice_action[rule, :choices]}
    return {Action(int(a)) for a in record.step_action[rule, : int(record.rule_n_steps[rule])]}


def _words(actions: set[Action]) -> set[str]:
    words = {
        Action.UP: "raise the dose",
        Action.DOWN: "lower the dose",
        Action.SET: "set the dose",
        Action.SKIP: "skip a dose",
        Action.DELAY: "delay a cycle",
        Action.HOLD: "hold treatment",
        Action.STOP: "stop treatment",
    }
    return {words[action] for action in actions if action in words}


def _or(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _always_asked(record: Any, rule: int) -> bool:
    cycles = all((int(record.rule_cycles[rule]) >> c) & 1 for c in range(1, CYCLE_SLOTS))
    days = np.all(record.rule_days[rule] != 0)
    return bool(cycles and days and int(record.rule_off_cycles[rule]) == 0)


def _about_clause(plan: Plan, rule: int, clause: int) -> Iterator[str]:
    record = plan.record
    where = f'rule "{plan.names.rules[rule]}", clause "{plan.names.clauses[clause]}"'
    what = Clause(int(record.clause_type[clause]))
    at_event = record.rule_at[rule] == When.EVENT
    if what == Clause.VALUE:
        if at_event and record.clause_kind[clause] == Value.DAYS_ON_TREATMENT:
            yield f"{where} looks at days on treatment at an event"
        return
    if what == Clause.HISTORY:
        yield from _about_history(plan, clause, where, at_event)
        return
    state = EventState(int(record.clause_state[clause]))
    if at_event:
        if state != EventState.NEW:
            yield f"{where} looks at {_state(state)} events when one becomes known: in reach is new"
        elif record.clause_window[clause] == Window.LAST_DAYS and not record.seen_at_onset:
            yield f"{where} looks back over days"
        return
    if state == EventState.NEW:
        yield f"{where} looks at new events at a cycle start: in reach is ever"
        return
    if record.clause_window[clause] == Window.LAST_DAYS:
        yield f"{where} looks back over days: in reach are windows of cycles, ever, since change"
        return
    yield from _about_lasting(plan, clause, where, state)


def _state(state: EventState) -> str:
    return {EventState.EVER: "past", EventState.ACTIVE: "active", EventState.NEW: "new"}[state]


def _about_history(plan: Plan, clause: int, where: str, at_event: bool) -> Iterator[str]:
    record = plan.record
    what = History(int(record.clause_kind[clause]))
    if what not in CHANGES:
        return  # holds, withheld doses and delays do not happen in reach
    if at_event:
        yield f"{where} looks at past changes of the dose when an event becomes known"
    if record.clause_window[clause] == Window.LAST_DAYS:
        yield f"{where} looks back over days: in reach are windows of cycles, ever, since change"
    if record.clause_related[clause] >= 0:
        yield f"{where} looks at {label(what)}s called related or not"


def _about_lasting(plan: Plan, clause: int, where: str, state: EventState) -> Iterator[str]:
    """Whether an event goes on beyond its cycle must not matter to a clause."""
    record = plan.record
    by_cycle = record.clause_window[clause] != Window.EVER and not record.clause_onset_only[clause]
    if state != EventState.ACTIVE and not by_cycle:
        return
    grades, own = grades_of(record), filter_of(record, clause)
    matched = [
        name
        for kind, name in enumerate(plan.names.kinds)
        if outlast_their_cycle(record, kind)
        and any(
            own.matches_event(record, kind, grade, related)
            for grade in range(GRADES)
            for related in (0, 1)
            if grades[kind, grade] > 0.0
        )
    ]
    if matched:
        yield (
            f"{where} looks at active events, and {_and(matched)} may go on beyond the "
            "cycle: in reach with duration to_end_of_cycle, or timing onset"
        )
