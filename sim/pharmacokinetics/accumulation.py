"""How much of a cycle's AUC falls into the cycles after it, for the typical patient."""

import numpy as np
from numpy.typing import NDArray

from sim.pharmacokinetics.disposition import HOURS_PER_DAY, absorbed_area, disposition, typical
from sim.scenario.posology import Posology, ThreeCompartments


def share_of_auc_by(pk: ThreeCompartments, hours: float) -> float:
    """Return the share of a dose's AUC that falls within hours of it."""
    if hours <= 0.0:
        return 0.0
    kinetics = typical(pk)
    parts = disposition(kinetics)
    ka, elapsed = kinetics.absorption_per_h, np.array([hours])
    area = sum(
        weight * ka * float(absorbed_area(rate, ka, elapsed)[0])
        for rate, weight in zip(parts.rates_per_h.tolist(), parts.weights.tolist(), strict=True)
    )
    # The whole area of a unit amount in the central compartment is 1 / k10.
    return float(area * kinetics.clearance_l_per_h / kinetics.central_volume_l)


def accumulation_shares(
    pk: ThreeCompartments, posology: Posology, cycles: int
) -> NDArray[np.float64]:
    """Return f_j: the share of a cycle's AUC that falls j cycles later, j = 0..cycles-1."""
    length = posology.cycle_length_days
    shares = np.zeros(cycles)
    for day in posology.dose_days:
        edges = [
            share_of_auc_by(pk, HOURS_PER_DAY * (length * j - (day - 1))) for j in range(cycles + 1)
        ]
        shares += np.diff(edges) / len(posology.dose_days)
    return shares
