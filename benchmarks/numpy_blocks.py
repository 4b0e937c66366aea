"""Tuned NumPy in the usual style, on the scenario `ixazomib-minimal`.

Blocks of patients that fit the cache, hazards cached per patient and level, one uniform per
adverse-event kind and cycle, events handled sparsely through flat indices, leavers compacted
away. The yardstick of the project's speed goal. It counts fewer outcomes than the kernel;
`numpy_minimal.py` counts as many, and is tuned far harder. Nothing here imports `sim`.
"""

import argparse
import time

import numpy as np
from numpy.typing import NDArray

Tally = dict[str, NDArray[np.float64]]
CYCLES = 12
ESCALATION = 5
STOP = 0.115
EXIT = 0.03
DAYS = 28
P3 = np.array([0.10, 0.23, 0.08, 0.19, 0.19])
P4 = np.array([0.16, 0.28, 0.10, 0.26, 0.24])
IS_NONHEMATOLOGIC = np.array([False, False, True, True, True])
KINDS = len(P3)
TYPICAL_AUC_PER_MG = 3000.0 / (DAYS * 1.86 / 0.58)
WEIGHTS = np.array([0.0, *[0.19] * 4, *[0.03] * 8])


def _logit(p: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log(p / (1.0 - p))


SLOPE = (_logit(P4) - _logit(P3)) / TYPICAL_AUC_PER_MG
INTERCEPT = _logit(P3) - SLOPE * 3.0 * TYPICAL_AUC_PER_MG
BACKGROUND = np.log1p(np.exp(INTERCEPT))


def _course_hazard(dose_mg: float, relative: NDArray[np.float64]) -> NDArray[np.float64]:
    """Course hazards [kind, patient] at a dose; relative is typical over own clearance."""
    auc = dose_mg * TYPICAL_AUC_PER_MG * relative
    return np.log1p(np.exp(INTERCEPT[:, None] + SLOPE[:, None] * auc))


def _block(rng: np.random.Generator, n: int, tally: Tally) -> None:
    relative = np.exp(-0.391 * rng.standard_normal(n))
    low = _course_hazard(3.0, relative)
    rise = _course_hazard(4.0, relative) - low
    p_early, p_late = 1.0 - np.exp(-0.19 * low), 1.0 - np.exp(-0.03 * low)
    escalated = np.zeros(n, bool)
    barred = np.zeros(n, bool)
    first = np.zeros((KINDS, n), bool)
    any_first = np.zeros(n, bool)
    p_up: NDArray[np.float64] | None = None
    for cycle in range(1, CYCLES + 1):
        n = len(relative)
        if n == 0:
            return
        if cycle == ESCALATION:
            escalated = ~barred
            tally["barred"][0] += np.count_nonzero(barred)
            tally["escalated"][0] += np.count_nonzero(escalated)
            up = np.where(escalated, rise, 0.0)
            p_early = 1.0 - np.exp(-(0.03 * low + 0.19 * up))
            p_up = 1.0 - np.exp(-0.03 * (low + up))
        if cycle == ESCALATION + 4:
            assert p_up is not None
            p_early = p_up
        p = p_early if cycle <= 4 or cycle >= ESCALATION else p_late
        tally["on_treatment"][cycle] += n
        high = np.count_nonzero(escalated)
        tally["level_4mg"][cycle] += high
        hit = np.flatnonzero(rng.random((KINDS, n)) < p)
        kind, who = np.divmod(hit, n)
        day = rng.integers(1, DAYS + 1, len(hit))
        stops = rng.random(len(hit)) < STOP
        stop_day = np.full(n, DAYS + 1)
        np.minimum.at(stop_day, who[stops], day[stops])
        counted = day <= stop_day[who]
        kind, who = kind[counted], who[counted]
        tally["events"] += np.bincount(kind, minlength=KINDS)
        new = ~first[kind, who]
        tally["first"][:, cycle] += np.bincount(kind[new], minlength=KINDS)
        first[kind, who] = True
        fresh = np.unique(who[~any_first[who]])
        tally["first_any"][cycle] += len(fresh)
        any_first[fresh] = True
        if cycle in (3, 4):
            related = rng.random(len(who)) < 1.0 - 0.5 * BACKGROUND[kind] / low[kind, who]
            barred[who[related & IS_NONHEMATOLOGIC[kind]]] = True
        given = 1 + (stop_day > 8) + (stop_day > 15)
        tally["mg"][0] += given.sum() * 3.0 + given[escalated].sum()
        stopped = stop_day <= DAYS
        leaves = ~stopped & (rng.random(n) < EXIT)
        tally["stopped"][cycle] += np.count_nonzero(stopped)
        tally["left"][cycle] += np.count_nonzero(leaves)
        stays = np.flatnonzero(~(stopped | leaves))
        if len(stays) < n:
            relative, escalated, barred = relative[stays], escalated[stays], barred[stays]
            low, rise, any_first = low[:, stays], rise[:, stays], any_first[stays]
            first, p_early, p_late = first[:, stays], p_early[:, stays], p_late[:, stays]
            if p_up is not None:
                p_up = p_up[:, stays]
    tally["completed"][0] += len(relative)


def simulate(patients: int, seed: int, block: int = 16_384) -> Tally:
    """Simulate patients and return the tallies by cycle."""
    rng = np.random.Generator(np.random.SFC64(seed))
    tally = {
        name: np.zeros(CYCLES + 1)
        for name in ("on_treatment", "level_4mg", "first_any", "stopped", "left")
    }
    tally |= {name: np.zeros(1) for name in ("barred", "escalated", "mg", "completed")}
    tally |= {"events": np.zeros(KINDS), "first": np.zeros((KINDS, CYCLES + 1))}
    for start in range(0, patients, block):
        _block(rng, min(block, patients - start), tally)
    return tally


def main() -> None:
    """Print nanoseconds per patient and the headline shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    started = time.process_time()
    tally = simulate(options.patients, options.seed)
    print(f"{(time.process_time() - started) / options.patients * 1e9:.0f} ns per patient")
    for name in ("escalated", "stopped", "left", "completed", "first_any", "mg"):
        print(f"{name} {tally[name].sum() / options.patients:.5f}")


if __name__ == "__main__":
    main()
