"""The calibration solved again for other counts: what every parameter draw needs.

Without it the uncertainty of the hazards would be counted on top of that of the counts, which
identify only the product of hazard and discontinuation probability (methods 5.1).
"""

from dataclasses import dataclass

import numpy as np

from sim.calibration import multiplier_for
from sim.exposure_response.discontinuation import (
    Course,
    Exposures,
    Hazards,
    Shares,
    dose_exposures,
    hazards,
    solve_hazards,
)
from sim.exposure_response.table import Coefficients
from sim.plan.risk import auc_per_mg, coefficients_of
from sim.scenario.parameter import with_value
from sim.scenario.policy import Calibration
from sim.scenario.risk import AdverseEvent, PiecewiseWeights
from sim.scenario.scenario import Scenario

# The solved multiplier has a Monte Carlo error of about 3 %, next to 17 % from the counts; every
# draw has patients of its own, so that it averages out over draws.
PATIENTS = 20_000
MULTIPLIER = "calibration.multiplier"
EARLY_SHARE = "exposure_response.weights.early_share"
CLOSEST_TO_0_OR_1 = 1e-6


@dataclass(frozen=True)
class Drawn:
    """The share that stopped for AEs, and of these the share by the end of the early cycles."""

    stopped_share: float
    early_share: float | None


@dataclass(frozen=True)
class Recalibrated:
    """The scenario with what was solved, the solved values by path, the limits met."""

    scenario: Scenario
    values: dict[str, float]
    at_limit: tuple[str, ...]


def recalibrated(
    scenario: Scenario, counts: Drawn, seed: int, parameter_draw: int = 0
) -> Recalibrated:
    """Return the scenario with multiplier and early share of the hazard solved for the counts.

    The early share is solved by the exact recursion as if one probability per event were the
    only route, the multiplier by simulation of all routes. Raises LimitError if the scenario
    has no calibration.
    """
    values: dict[str, float] = {}
    limits: list[str] = []
    calibration = scenario.calibration
    assert calibration is not None
    if counts.early_share is not None and early_share_follows(scenario, calibration):
        found = _hazards(scenario, calibration)
        course = _course(scenario, calibration)
        solved = solve_hazards(found, course, Shares(counts.stopped_share, counts.early_share))
        limits += [f"{EARLY_SHARE}: {word}" for word in solved.boundary]
        values[EARLY_SHARE] = min(max(solved.phi, CLOSEST_TO_0_OR_1), 1.0 - CLOSEST_TO_0_OR_1)
        scenario = with_value(scenario, EARLY_SHARE, values[EARLY_SHARE])
    multiplier, is_met = multiplier_for(
        scenario, counts.stopped_share, PATIENTS, seed, parameter_draw
    )
    if not is_met:
        limits.append(MULTIPLIER)
    values[MULTIPLIER] = multiplier
    return Recalibrated(with_value(scenario, MULTIPLIER, multiplier), values, tuple(limits))


def early_share_follows(scenario: Scenario, calibration: Calibration) -> bool:
    """Say whether the weights are the piecewise ones that the early count tells of."""
    weights = scenario.exposure_response.weights
    return isinstance(weights, PiecewiseWeights) and (
        weights.early_cycles == calibration.early_cycles
        and calibration.early_cycles < scenario.exposure_response.reference_cycles
    )


def _course(scenario: Scenario, calibration: Calibration) -> Course:
    return Course(
        calibration.other_exit_per_cycle,
        calibration.cycles,
        calibration.early_cycles,
        scenario.exposure_response.reference_cycles,
    )


def _hazards(scenario: Scenario, calibration: Calibration) -> Hazards:
    """Return the course hazards of all kinds at the calibration's dose, in the patients counted.

    The multipliers of the setting are for others, and are left out.
    """
    models = [_model(scenario, event) for event in scenario.adverse_event]
    exposures = reference_exposures(scenario, calibration.dose_mg)
    return hazards(models, exposures, scenario.exposure_response.frailty_variance)


def reference_exposures(scenario: Scenario, dose_mg: float) -> Exposures:
    """Return AUC/day at a dose over the patients: by the log-normal law, or of those listed."""
    pk = scenario.pharmacokinetics
    per_mg = auc_per_mg(scenario) * pk.exposure_multiplier
    if pk.cl_f_individuals_l_per_h is not None:
        auc = per_mg * dose_mg / np.asarray(pk.cl_f_individuals_l_per_h)
        return Exposures(auc, np.full(len(auc), 1.0 / len(auc)))
    return dose_exposures([dose_mg], [1.0], per_mg / pk.cl_f_l_per_h, pk.cl_f_sd_log)


def _model(scenario: Scenario, event: AdverseEvent) -> Coefficients:
    if event.probability is None:
        return coefficients_of(scenario, event)
    return Coefficients(float(np.log(event.probability / (1.0 - event.probability))), 0.0)
