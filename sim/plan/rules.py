"""Rules become integer tables: when asked, what must hold, what is done."""

from collections.abc import Iterable
from itertools import product
from typing import Any

from sim.codes import Action, Ask, Clause, EventState, Operation, Route, Then, When
from sim.errors import LimitError
from sim.model.draws import threshold
from sim.model.layout import GRADES, MAX_CYCLES, MAX_STEPS, UNLIMITED
from sim.plan.conditions import (
    ConditionCompiler,
    looks_at_holds,
    looks_at_new,
    needs_event,
    needs_new,
)
from sim.plan.streams import Streams
from sim.scenario.policy import Rule
from sim.scenario.scenario import Scenario

FOR_EVER = 1_000


def level_number(scenario: Scenario, dose_mg: float) -> int:
    """Return the place of a dose on the ladder, from 0."""
    for number, level in enumerate(scenario.posology.levels_mg):
        if abs(level - dose_mg) < 1e-9:
            return number
    raise LimitError(f"{dose_mg:g} is not a dose level of {scenario.name}")


def parse_action(scenario: Scenario, action: str | int) -> tuple[Action, int]:
    """Return the code and argument of an action as written."""
    if isinstance(action, int):
        return Action.DOWN, -action
    if action[0] == "+":
        return Action.UP, int(action[1:])
    if action[0] == "-":
        return Action.DOWN, int(action[1:])
    word, _, rest = action.partition(" ")
    if word == "set":
        return Action.SET, level_number(scenario, float(rest))
    if word == "delay":
        return Action.DELAY, int(rest) if rest else 0
    return Action[word.upper()], 0


def actions_of(scenario: Scenario, rule: Rule) -> list[tuple[Action, int]]:
    """Return the actions of a rule by firing, or by choice."""
    if rule.choices is not None:
        return [parse_action(scenario, choice.do) for choice in rule.choices]
    steps = rule.do if isinstance(rule.do, tuple) else (rule.do,)
    return [parse_action(scenario, step) for step in steps if step is not None]


def raises_dose(scenario: Scenario, rule: Rule) -> bool:
    """Say whether a rule can raise the dose."""
    return any(action in (Action.UP, Action.SET) for action, _ in actions_of(scenario, rule))


def cycles_asked(rule: Rule) -> int:
    """Return the cycles in which a rule is asked, as bits."""
    asked = set(range(1, MAX_CYCLES + 1))
    if rule.on is not None and rule.on.cycle is not None:
        asked &= set(rule.on.cycle)
    if rule.off is not None and rule.off.cycle is not None and rule.off.cycle_day is None:
        asked -= set(rule.off.cycle)
    if rule.every is not None:
        first, step = rule.every.from_cycle, rule.every.cycles
        asked &= set(range(first, MAX_CYCLES + 1, step))
    return bits_of(asked)


def bits_of(cycles: Iterable[int]) -> int:
    """Return cycles as the bits of a signed 64-bit integer."""
    bits = sum(1 << cycle for cycle in cycles)
    return bits - (1 << 64) if bits >= 1 << 63 else bits


class RuleCompiler:
    """Fills the rule tables of a plan."""

    def __init__(self, plan: Any, scenario: Scenario, streams: Streams) -> None:
        self.plan = plan
        self.scenario = scenario
        self.streams = streams
        self.kinds = {kind.name: number for number, kind in enumerate(scenario.adverse_event)}
        rules = {rule.id: number for number, rule in enumerate(scenario.rule)}
        self.conditions = ConditionCompiler(plan, self.kinds, rules)

    def fill(self) -> None:
        """Fill the tables of every rule."""
        self.plan.n_rules = len(self.scenario.rule)
        for number, rule in enumerate(self.scenario.rule):
            self._fill_occasion(number, rule)
            self._fill_condition(number, rule)
            self._fill_draw(number, rule)
            self._fill_actions(number, rule)
            self._fill_limits(number, rule)

    def _fill_occasion(self, number: int, rule: Rule) -> None:
        plan = self.plan
        actions = actions_of(self.scenario, rule)
        plan.rule_at[number] = When[rule.at.upper()]
        plan.rule_is_stop[number] = int(all(action == Action.STOP for action, _ in actions))
        plan.stop_rules |= int(plan.rule_is_stop[number]) << number
        plan.rule_is_gate[number] = int(
            rule.at == "cycle" and all(action == Action.DELAY for action, _ in actions)
        )
        plan.asked_at[self._ask_of(rule, number)] |= 1 << number
        plan.rule_raises[number] = int(raises_dose(self.scenario, rule))
        plan.rule_cycles[number] = cycles_asked(rule)
        for cycle in range(1, MAX_CYCLES + 1):
            if (int(plan.rule_cycles[number]) >> cycle) & 1:
                plan.asked_in_cycle[cycle] |= 1 << number
        plan.rule_days[number] = 1
        if rule.on is not None and rule.on.cycle_day is not None:
            plan.rule_days[number] = 0
            plan.rule_days[number][list(rule.on.cycle_day)] = 1
        if rule.off is not None and rule.off.cycle_day is not None:
            every_cycle = range(1, MAX_CYCLES + 1)
            plan.rule_off_cycles[number] = bits_of(rule.off.cycle or every_cycle)
            plan.rule_off_days[number][list(rule.off.cycle_day)] = 1
        if plan.rule_is_stop[number] and looks_at_holds(rule.when):
            plan.stops_about_holds |= 1 << number
        if rule.at == "event" or looks_at_new(rule.when):
            plan.rules_about_new |= 1 << number

    def _ask_of(self, rule: Rule, number: int) -> Ask:
        """Return the occasion of a rule; stop rules are asked at every ask."""
        if rule.at == "event":
            return Ask.EVENT
        if self.plan.rule_is_stop[number]:
            return Ask.STOP
        if self.plan.rule_is_gate[number]:
            return Ask.GATE
        return {"cycle": Ask.LEVEL, "visit": Ask.VISIT, "dose": Ask.DOSE}[rule.at]

    def _fill_condition(self, number: int, rule: Rule) -> None:
        plan = self.plan
        plan.rule_first_clause[number] = plan.n_clauses
        plan.rule_when[number] = self.conditions.compile(rule, rule.when)
        # A rule that raises the dose is asked, and its asks counted, with or without an event.
        can_hold = bool(plan.rule_raises[number]) or not needs_event(rule.when)
        if rule.at != "event" and can_hold:
            plan.rules_without_event |= 1 << number
            self._fill_busy(number, rule, self._ask_of(rule, number))
        self._fill_events(number, rule)
        if rule.until is not None:
            plan.rule_until[number] = self.conditions.compile(rule, rule.until)

    def _fill_busy(self, number: int, rule: Rule, ask: Ask) -> None:
        """Mark the cycles in which a rule may act without an event, by where it is asked."""
        plan = self.plan
        if rule.probability is not None or rule.probability_ratio is not None or rule.choices:
            plan.chance_cycles |= plan.rule_cycles[number]
        if ask == Ask.LEVEL:
            plan.busy_levels |= plan.rule_cycles[number]
        if ask in (Ask.STOP, Ask.VISIT, Ask.GATE):
            plan.busy_starts |= plan.rule_cycles[number]
        if ask in (Ask.STOP, Ask.VISIT, Ask.DOSE):
            plan.busy_insides |= plan.rule_cycles[number]

    def _fill_events(self, number: int, rule: Rule) -> None:
        """Mark the rule for every event that its active or new clauses could match.

        An event rule that may hold without the event it is asked about, or whose asks are
        counted because it raises the dose, is asked about every event.
        """
        plan = self.plan
        ask = self._ask_of(rule, number)
        if rule.at == "event" and (plan.rule_raises[number] or not needs_new(rule.when)):
            plan.rules_of_event[...] |= 1 << number
            return
        first, length = plan.rule_when[number]
        for place in range(first, first + length):
            clause = int(plan.operand[place])
            if (
                plan.operation[place] != Operation.CLAUSE
                or plan.clause_type[clause] != Clause.EVENT
            ):
                continue
            if plan.clause_state[clause] == EventState.EVER:
                continue
            is_standing = plan.clause_state[clause] == EventState.ACTIVE
            for kind, grade, related in product(self.kinds.values(), range(1, GRADES), (0, 1)):
                if self._could_match(clause, kind, grade, related):
                    plan.rules_of_event[kind, grade, related] |= 1 << number
                    if is_standing and ask in (Ask.STOP, Ask.VISIT, Ask.GATE, Ask.LEVEL):
                        plan.standing_at_start[kind, grade, related] = 1
                    if is_standing and ask in (Ask.STOP, Ask.VISIT, Ask.DOSE):
                        plan.standing_inside[kind, grade, related] = 1

    def _could_match(self, clause: int, kind: int, grade: int, related: int) -> bool:
        plan = self.plan
        low, high = plan.clause_grade[clause]
        return bool(
            plan.clause_kind[clause] in (-1, kind)
            and plan.clause_class[clause] in (-1, plan.kind_class[kind])
            and plan.clause_related[clause] in (-1, related)
            and low <= grade <= high
        )

    def _fill_draw(self, number: int, rule: Rule) -> None:
        plan = self.plan
        probability = rule.probability
        if rule.probability_ratio is not None:
            assert self.scenario.calibration is not None
            probability = min(1.0, rule.probability_ratio * self.scenario.calibration.multiplier)
        plan.rule_threshold[number] = threshold(1.0 if probability is None else probability)
        plan.rule_stream[number] = self.streams.number(f"rule/{rule.id}")
        for name, kind in self.kinds.items():
            plan.rule_kind_stream[number, kind] = self.streams.number(f"rule/{rule.id}/{name}")
        if rule.choices is not None:
            plan.rule_n_choices[number] = len(rule.choices)
            total = 0.0
            for place, choice in enumerate(rule.choices):
                total += choice.probability
                plan.choice_threshold[number, place] = threshold(min(total, 1.0))
            plan.chance_threshold[number] = plan.choice_threshold[number, len(rule.choices) - 1]
        else:
            plan.chance_threshold[number] = plan.rule_threshold[number]
        if rule.at == "event" and not plan.rule_raises[number]:
            plan.chance_rules |= 1 << number

    def _fill_actions(self, number: int, rule: Rule) -> None:
        plan = self.plan
        actions = actions_of(self.scenario, rule)
        if rule.choices is not None:
            for place, (action, argument) in enumerate(actions):
                plan.choice_action[number, place] = action
                plan.choice_argument[number, place] = argument
        if len(actions) > MAX_STEPS:
            raise LimitError(f'rule "{rule.id}": at most {MAX_STEPS} actions in a list')
        plan.rule_n_steps[number] = len(actions)
        for place, (action, argument) in enumerate(actions):
            plan.step_action[number, place] = action
            plan.step_argument[number, place] = argument
        resume = rule.resume if isinstance(rule.resume, tuple) else (rule.resume or "same",)
        if len(resume) > MAX_STEPS:
            raise LimitError(f'rule "{rule.id}": at most {MAX_STEPS} steps in resume')
        plan.rule_n_resume[number] = len(resume)
        for place, step in enumerate(resume):
            plan.resume_down[number, place] = -step if isinstance(step, int) else 0

    def _fill_limits(self, number: int, rule: Rule) -> None:
        plan = self.plan
        policy = self.scenario.policy
        plan.rule_max_days[number] = rule.max_days or policy.max_delay_days
        then = rule.then if rule.then is not None else "stop"
        plan.rule_then[number] = Then.DOWN if isinstance(then, int) else Then[then.upper()]
        plan.rule_then_down[number] = -then if isinstance(then, int) else 0
        plan.rule_max_fires[number] = rule.max_fires or UNLIMITED
        plan.rule_caps[number] = int(rule.cap is not None)
        route = rule.route or ("event" if rule.at == "event" else "grade")
        plan.rule_route[number] = Route[route.upper()]
        if rule.locks is not None:
            words = rule.locks.up.split()
            plan.rule_lock_cycles[number] = FOR_EVER if words[0] == "ever" else int(words[0])
