"""Weights: how the hazard of the reference course spreads over its cycles (MODEL.md section 5)."""

import math

import numpy as np
from numpy.typing import NDArray

from sim.scenario.risk import (
    ConstantWeights,
    ExponentialWeights,
    ExposureResponse,
    PiecewiseWeights,
    WeibullWeights,
)


def _share_to(law: object, cycle: int, reference: int) -> float:
    """Return W(cycle), the share of the course's hazard spent by the end of a cycle."""
    if isinstance(law, ConstantWeights):
        return cycle / reference
    if isinstance(law, WeibullWeights):
        return float((cycle / reference) ** law.shape)
    if isinstance(law, ExponentialWeights):
        return math.expm1(-law.rate_per_cycle * cycle) / math.expm1(-law.rate_per_cycle * reference)
    assert isinstance(law, PiecewiseWeights)
    early = min(law.early_cycles, reference)
    if early == reference:
        return cycle / reference
    if cycle <= early:
        return law.early_share * cycle / early
    return law.early_share + (1.0 - law.early_share) * (cycle - early) / (reference - early)


def cycle_weights(model: ExposureResponse, cycles: int) -> NDArray[np.float64]:
    """Return w_c for c = 1..cycles at index c; they sum to 1 over the reference course.

    After it the last weight is held, halved or zero.
    """
    reference = model.reference_cycles
    shares = [_share_to(model.weights, cycle, reference) for cycle in range(reference + 1)]
    weights = np.zeros(cycles + 1)
    for cycle in range(1, cycles + 1):
        if cycle <= reference:
            weights[cycle] = shares[cycle] - shares[cycle - 1]
        else:
            factor = {"held": 1.0, "halved": 0.5, "zero": 0.0}[model.after_reference]
            weights[cycle] = factor * (shares[reference] - shares[reference - 1])
    return weights
