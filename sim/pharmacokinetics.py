"""The typical patient's oral three-compartment kinetics, as far as cycles need it."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm

from sim.scenario.posology import Posology, ThreeCompartments

HOURS_PER_DAY = 24.0


def _rates(pk: ThreeCompartments) -> NDArray[np.float64]:
    """Return the rate matrix [1/h] of depot, central and two peripheral amounts."""
    k10 = pk.clearance_l_per_h / pk.central_volume_l
    k12 = pk.intercompartmental_2_l_per_h / pk.central_volume_l
    k21 = pk.intercompartmental_2_l_per_h / pk.peripheral_2_volume_l
    k13 = pk.intercompartmental_3_l_per_h / pk.central_volume_l
    k31 = pk.intercompartmental_3_l_per_h / pk.peripheral_3_volume_l
    ka = pk.absorption_per_h
    return np.array(
        [
            [-ka, 0.0, 0.0, 0.0],
            [ka, -(k10 + k12 + k13), k21, k31],
            [0.0, k12, -k21, 0.0],
            [0.0, k13, 0.0, -k31],
        ]
    )


def share_of_auc_by(pk: ThreeCompartments, hours: float) -> float:
    """Return the share of a dose's AUC that falls within hours of it.

    The integral of exp(K s) over (0, t) is K^-1 (exp(K t) - I).
    """
    if hours <= 0.0:
        return 0.0
    rates = _rates(pk)
    dose = np.array([1.0, 0.0, 0.0, 0.0])
    area = np.linalg.solve(rates, expm(rates * hours) @ dose - dose)
    whole = np.linalg.solve(rates, -dose)
    return float(area[1] / whole[1])


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
