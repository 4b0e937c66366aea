"""Scenario -> Plan: names become numbers, streams are assigned, a digest is taken."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.errors import LimitError
from sim.model.draws import MAX_ASKS, MAX_PATIENTS
from sim.model.jit import IS_COMPILED
from sim.model.layout import MAX_DOSE_DAYS, MAX_HISTORY, PLAN, UNLIMITED
from sim.model.screen import fill_bounds
from sim.plan.names import Names
from sim.plan.risk import fill_adverse_events, fill_benefit, fill_exits, fill_exposure
from sim.plan.rules import RuleCompiler, level_number, raises_dose
from sim.plan.streams import Streams
from sim.scenario.scenario import Scenario

MAX_SEED = (1 << 64) - 1
FOLLOW_UP_DAYS = 30


@dataclass(frozen=True)
class Plan:
    """Flat numbers for engines, names for people, and what they came from.

    numbers is an array of one PLAN record; engines take the array.
    """

    numbers: Any
    names: Names
    scenario: Scenario
    seed: int
    streams: dict[int, str]

    @property
    def record(self) -> Any:
        """The one record, with its fields as attributes."""
        return self.numbers.view(np.recarray)[0]

    @property
    def digest(self) -> str:
        """SHA-256 of the resolved scenario."""
        return scenario_digest(self.scenario)


def resolved_json(scenario: Scenario) -> str:
    """Return the scenario with every default written out, keys as in the file."""
    table = scenario.model_dump(mode="json", by_alias=True, exclude_none=True)
    return json.dumps(table, indent=2, ensure_ascii=False) + "\n"


def scenario_digest(scenario: Scenario) -> str:
    """Return the SHA-256 of the resolved scenario in canonical form."""
    table = scenario.model_dump(mode="json", by_alias=True, exclude_none=True)
    return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()


def engine_array(records: np.ndarray) -> Any:
    """Return records as engines take them: with the compiler off, fields are attributes."""
    return records if IS_COMPILED else records.view(np.recarray)


def _fill_posology(plan: Any, scenario: Scenario) -> None:
    posology = scenario.posology
    plan.n_levels = len(posology.levels_mg)
    for number, level in enumerate(posology.levels_mg):
        plan.level_mg[number] = level
        plan.level_ug[number] = round(level * 1000.0)
    plan.start_level = level_number(scenario, posology.start_mg)
    rises = any(raises_dose(scenario, rule) for rule in scenario.rule)
    target = posology.target_mg
    if target is None:
        target = posology.levels_mg[-1] if rises else posology.start_mg
    plan.target_level = level_number(scenario, target)
    plan.reference_ug = round(posology.reference_dose_mg * 1000.0)
    plan.cycle_days = posology.cycle_length_days
    plan.max_cycles = posology.max_cycles
    plan.max_days = posology.max_days or UNLIMITED
    plan.n_doses = len(posology.dose_days)
    plan.last_dose_day = posology.dose_days[-1]
    _fill_points(plan, scenario)


def _fill_points(plan: Any, scenario: Scenario) -> None:
    """Fill the days of a cycle on which something is planned: a dose, a visit, or both."""
    posology = scenario.posology
    doses = {day: number for number, day in enumerate(posology.dose_days, start=1)}
    visits = set(posology.visit_days if posology.visit_days is not None else posology.dose_days)
    days = sorted(set(doses) | visits | {1})
    assert len(doses) <= MAX_DOSE_DAYS
    plan.n_points = len(days)
    for place, day in enumerate(days):
        plan.point_day[place] = day
        plan.point_dose[place] = doses.get(day, 0)
        plan.point_visit[place] = int(day in visits or day == 1)


def _fill_policy(plan: Any, scenario: Scenario) -> None:
    policy = scenario.policy
    plan.seen_at_onset = int(policy.seen == "onset")
    plan.order_by_file = int(policy.order == "file")
    plan.stay_at_lowest = int(policy.below_lowest == "stay")
    plan.recheck_days = policy.recheck_days
    plan.max_delay_days = policy.max_delay_days
    plan.max_hold_days = policy.max_hold_days
    plan.max_reductions = policy.max_reductions or UNLIMITED
    outcomes = scenario.outcomes
    plan.n_success_cycles = len(outcomes.titration_success_cycles)
    plan.success_cycle[: plan.n_success_cycles] = outcomes.titration_success_cycles
    plan.n_delay_lengths = len(outcomes.delay_lengths_days)
    plan.delay_length[: plan.n_delay_lengths] = outcomes.delay_lengths_days
    if outcomes.count_adverse_events == "to_30_days_after_last_dose":
        plan.follow_up_days = FOLLOW_UP_DAYS


def _check_asks(plan: Any, scenario: Scenario) -> None:
    """Asks are addressed by their day since the planned start; raise LimitError beyond that."""
    days = int(plan.cycle_days + plan.max_delay_days + plan.max_hold_days)
    if 2 * days + 1 > MAX_ASKS:
        raise LimitError(
            f"{scenario.name}: cycle length, longest delay and longest hold add to {days} days; "
            f"the most is {MAX_ASKS // 2}"
        )


def _asks_per_cycle(plan: Any) -> int:
    """Return the visits, doses and notices that one cycle can have at most."""
    waits = (plan.max_delay_days + plan.max_hold_days) // plan.recheck_days + 4 + plan.n_rules
    onsets = plan.n_kinds if plan.seen_at_onset else 0
    return int(plan.n_points + waits + onsets + 2)


def _longest_log(plan: Any) -> int:
    """Return the rows that one patient's decisions can need at most."""
    per_cycle = _asks_per_cycle(plan) * (2 * plan.n_rules + 1) + plan.n_kinds * plan.n_rules
    return int((plan.max_cycles + 1) * per_cycle + 64)


def _check_history(plan: Any, scenario: Scenario) -> None:
    """Raise LimitError if what is done to one patient's dose might not fit its ledger.

    An ask opens two holds at most, one that ends at once and one that stays.
    """
    holds = 2 * _asks_per_cycle(plan) if any(rule.until for rule in scenario.rule) else 0
    longest = int((plan.max_cycles + 1) * (holds + 2 * plan.n_doses + 4))
    if longest > MAX_HISTORY:
        raise LimitError(
            f"{scenario.name}: one patient's holds, missed doses and changes may need {longest} "
            f"entries, the most is {MAX_HISTORY}; use fewer visit days or cycles or longer "
            "rechecks"
        )


def compile_plan(scenario: Scenario, seed: int = 1, parameter_draw: int = 0) -> Plan:
    """Compile a checked scenario; raise LimitError if it or the seed is beyond a stated limit."""
    if not 0 <= seed <= MAX_SEED:
        raise LimitError(f"seed is {seed}; it must be a whole number from 0 to {MAX_SEED}")
    numbers = np.zeros(1, PLAN)
    plan: Any = numbers.view(np.recarray)[0]
    plan.seed_low = seed & 0xFFFFFFFF
    plan.seed_high = seed >> 32
    plan.parameter_draw = parameter_draw
    streams = Streams()
    _fill_posology(plan, scenario)
    _fill_policy(plan, scenario)
    _check_asks(plan, scenario)
    fill_exposure(plan, scenario, streams)
    fill_adverse_events(plan, scenario, streams)
    fill_benefit(plan, scenario)
    fill_exits(plan, scenario, streams)
    rules = RuleCompiler(plan, scenario, streams)
    rules.fill()
    plan.longest_log = _longest_log(plan)
    _check_history(plan, scenario)
    array = engine_array(numbers)
    fill_bounds(array)
    events = scenario.adverse_event
    names = Names(
        scenario=scenario.name,
        kinds=tuple(event.name for event in events),
        kind_labels=tuple(event.label or event.name.replace("_", " ") for event in events),
        levels=tuple(f"{level:g}" for level in scenario.posology.levels_mg),
        rules=tuple(rule.id for rule in scenario.rule),
        clauses=tuple(rules.conditions.clause_ids),
        clause_rules=tuple(rules.conditions.clause_rules),
        clause_bars=tuple(rules.conditions.clause_bars),
        unit=scenario.posology.unit,
    )
    return Plan(array, names, scenario, seed, streams.names())


def check_patients(first: int, patients: int) -> None:
    """Raise SimError when patient numbers would leave their range."""
    if patients < 1:
        raise LimitError(f"patients is {patients}; at least 1 is needed")
    if first + patients > MAX_PATIENTS:
        raise LimitError(f"{first + patients} patients; the most is {MAX_PATIENTS}")
