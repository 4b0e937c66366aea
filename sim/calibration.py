"""Calibration: the common multiplier of the per-event discontinuation probabilities.

In the calibration setting (fixed dose, one other exit, a course of some cycles) all routes to
an AE discontinuation together must give the published share, 31 of 275. The multiplier is
solved by bisection of the simulated share with the same luck at every step, so that the
share rises with it. Routes that stop patients whatever the multiplier are refused by name
when they alone give more than half of the target.
"""

import math
from dataclasses import dataclass

import numpy as np

from sim.codes import Cause, Route, label
from sim.engines.run import Progress, outcome_blocks
from sim.errors import LimitError
from sim.plan.plan import compile_plan
from sim.plan.rules import raises_dose
from sim.scenario.policy import Calibration
from sim.scenario.risk import Exit
from sim.scenario.scenario import Scenario

STEPS = 24
NEARLY_ZERO = 1e-9


@dataclass(frozen=True)
class Stops:
    """AE discontinuations in the calibration setting, as shares of the patients."""

    patients: int
    total: float
    early: float
    by_route: dict[str, float]

    @property
    def mcse(self) -> float:
        """Monte Carlo standard error of the total."""
        return math.sqrt(self.total * (1.0 - self.total) / self.patients)


@dataclass(frozen=True)
class Solution:
    """The multiplier, its Monte Carlo error, and what it gives."""

    multiplier: float
    mcse: float
    target: float
    target_early: float | None
    stops: Stops
    without_events: Stops
    slope: float


def calibration_setting(scenario: Scenario, multiplier: float) -> Scenario:
    """Return the scenario at the fixed dose, with one other exit, for the stated cycles.

    Without the multipliers of the setting: the patients counted are not those they are for.
    """
    calibration = _calibration_of(scenario)
    if calibration.dose_mg not in scenario.posology.levels_mg:
        levels = ", ".join(f"{level:g}" for level in scenario.posology.levels_mg)
        raise LimitError(
            f"{scenario.name}: calibration.dose_mg is {calibration.dose_mg:g}, which is no dose "
            f"level ({levels}); calibrate a scenario that has it, or set "
            "uncertainty.calibration_counts = false for draws without"
        )
    return scenario.model_copy(
        update={
            "posology": scenario.posology.model_copy(
                update={
                    "start_mg": calibration.dose_mg,
                    "target_mg": calibration.dose_mg,
                    "max_cycles": calibration.cycles,
                }
            ),
            "exit": (
                Exit(
                    cause="other",
                    probability_per_cycle=calibration.other_exit_per_cycle,
                    source=None,
                ),
            ),
            "adverse_event": tuple(
                event.model_copy(update={"setting_multiplier": 1.0})
                for event in scenario.adverse_event
            ),
            "rule": tuple(rule for rule in scenario.rule if not raises_dose(scenario, rule)),
            "calibration": calibration.model_copy(update={"multiplier": multiplier}),
            "outcomes": scenario.outcomes.model_copy(update={"titration_success_cycles": ()}),
        }
    )


def _calibration_of(scenario: Scenario) -> Calibration:
    if scenario.calibration is None:
        raise LimitError(f"{scenario.name} has no [calibration]; nothing to solve")
    return scenario.calibration


def stops_at(
    scenario: Scenario, multiplier: float, patients: int, seed: int, parameter_draw: int = 0
) -> Stops:
    """Simulate the calibration setting and return the AE discontinuations by route."""
    calibration = _calibration_of(scenario)
    plan = compile_plan(calibration_setting(scenario, multiplier), seed, parameter_draw)
    total, early = 0, 0
    routes = np.zeros(len(Route), np.int64)
    for outcomes in outcome_blocks(plan, 0, patients):
        stopped = outcomes["cause"] == Cause.ADVERSE_EVENT
        total += int(stopped.sum())
        early += int((stopped & (outcomes["last_cycle"] <= calibration.early_cycles)).sum())
        routes += np.bincount(outcomes["route"][stopped], minlength=len(Route))
    by_route = {label(route): float(routes[route]) / patients for route in list(Route)[1:]}
    return Stops(patients, total / patients, early / max(total, 1), by_route)


def _refuse_if_routes_suffice(scenario: Scenario, stops: Stops, target: float) -> None:
    if stops.total <= target / 2.0:
        return
    named = ", ".join(
        f"{route} {share:.3f}" for route, share in stops.by_route.items() if share > 0.0
    )
    raise LimitError(
        f"{scenario.name}: routes that do not depend on the multiplier already stop "
        f"{stops.total:.3f} of the patients ({named}); that is more than half of the target "
        f"{target:.3f}. Make holds, delays or reductions milder before calibrating"
    )


def calibrate(
    scenario: Scenario, patients: int = 200_000, seed: int = 1, progress: Progress | None = None
) -> Solution:
    """Solve the multiplier; raise LimitError if the target cannot be reached."""
    calibration = _calibration_of(scenario)
    target = calibration.stopped_patients / calibration.patients
    without = stops_at(scenario, NEARLY_ZERO, patients, seed)
    _refuse_if_routes_suffice(scenario, without, target)
    low, high = 0.0, 1.0
    if stops_at(scenario, high, patients, seed).total < target:
        raise LimitError(
            f"{scenario.name}: even a multiplier of 1 stops fewer than {target:.3f} of the patients"
        )
    for _ in range(STEPS):
        middle = 0.5 * (low + high)
        if stops_at(scenario, middle, patients, seed).total < target:
            low = middle
        else:
            high = middle
        if progress is not None:
            progress(1)
    multiplier = 0.5 * (low + high)
    stops = stops_at(scenario, multiplier, patients, seed)
    above = stops_at(scenario, multiplier * 1.05, patients, seed)
    slope = (above.total - stops.total) / (0.05 * multiplier)
    early = calibration.early_stopped_patients
    return Solution(
        multiplier,
        stops.mcse / slope,
        target,
        early / calibration.stopped_patients if early is not None else None,
        stops,
        without,
        slope,
    )


def highest_multiplier(scenario: Scenario) -> float:
    """Return the multiplier at which the largest ratio of a rule becomes a certainty."""
    ratios = [rule.probability_ratio for rule in scenario.rule if rule.probability_ratio]
    return min(1.0, 1.0 / max(ratios, default=1.0))


def multiplier_for(
    scenario: Scenario, target: float, patients: int, seed: int, parameter_draw: int
) -> tuple[float, bool]:
    """Return the multiplier that stops a share of the patients, and whether it can.

    Where not even 0, or the highest that keeps the ratios of the rules, reaches the share, that
    end is returned. By the secant method kept within a bracket, with the same luck at every step,
    to within half a patient or so; a parameter draw has patients of its own.
    """

    def gap(multiplier: float) -> float:
        return stops_at(scenario, multiplier, patients, seed, parameter_draw).total - target

    low, high = NEARLY_ZERO, highest_multiplier(scenario)
    gap_low, gap_high = gap(low), gap(high)
    if gap_low >= 0.0 or gap_high <= 0.0:
        return (low if gap_low >= 0.0 else high), False
    middle = min(_calibration_of(scenario).multiplier, 0.5 * (low + high))
    for _ in range(STEPS):
        gap_middle = gap(middle)
        if abs(gap_middle) * patients < 1.0 or high - low < 1e-6:
            return middle, True
        if gap_middle < 0.0:
            low, gap_low = middle, gap_middle
        else:
            high, gap_high = middle, gap_middle
        step = low - gap_low * (high - low) / (gap_high - gap_low)
        # The curve bends: a secant that hugs one end is pushed off it.
        margin = 0.02 * (high - low)
        middle = min(max(step, low + margin), high - margin)
    return middle, True


def report(scenario: Scenario, solution: Solution) -> str:
    """Return the solution in words and numbers."""
    calibration = _calibration_of(scenario)
    stops = solution.stops
    lines = [
        f"{scenario.name}: multiplier {solution.multiplier:.5f} "
        f"(Monte Carlo standard error {solution.mcse:.5f}; the file has "
        f"{calibration.multiplier:g})",
        f"setting: {calibration.dose_mg:g} mg fixed, other exit "
        f"{calibration.other_exit_per_cycle:g} per cycle, {calibration.cycles} cycles, "
        f"{stops.patients} patients",
        f"AE discontinuation {stops.total:.4f} (target {calibration.stopped_patients} of "
        f"{calibration.patients} = {solution.target:.4f}); "
        f"{solution.without_events.total:.4f} with the multiplier at 0",
    ]
    for route, share in stops.by_route.items():
        lines.append(f"  route {route:<15} {share:.4f}  ({share / stops.total:.0%} of all)")
    if solution.target_early is not None:
        lines.append(
            f"by the end of cycle {calibration.early_cycles}: {stops.early:.3f} of them "
            f"(published {calibration.early_stopped_patients} of {calibration.stopped_patients} = "
            f"{solution.target_early:.3f})"
        )
    return "\n".join(lines)
