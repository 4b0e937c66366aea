"""Benchmark model M in tuned NumPy: blocks, cached hazards, sparse events.

Blocks of patients that fit the cache; the probability of each kind at the present level kept
per patient and computed anew only where the level changes; one uniform per kind and cycle;
events found through flat indices; leavers compacted away. Nothing here imports `sim`.
"""

import numpy as np
from numpy.typing import NDArray

from benchmarks.model_m import Counts, run_alone

Floats = NDArray[np.float32]
CYCLES, DAYS, KINDS, START = 26, 28, 5, 2
LEVELS_MG = np.array([1.5, 2.3, 3.0, 4.0], np.float32)
NONHEMATOLOGIC = 2  # the kinds from this number on
PER_MG = 3000.0 / (DAYS * 3.1)
MEAN_PER_MG = PER_MG * np.exp(0.44**2 / 2.0)
P3 = np.array([0.10, 0.23, 0.08, 0.19, 0.19])
P4 = np.array([0.16, 0.28, 0.10, 0.26, 0.24])
LOGIT_3, LOGIT_4 = np.log(P3 / (1.0 - P3)), np.log(P4 / (1.0 - P4))
SLOPE = ((LOGIT_4 - LOGIT_3) / MEAN_PER_MG).astype(np.float32)[:, None]
INTERCEPT = (LOGIT_3 - 3.0 * (LOGIT_4 - LOGIT_3)).astype(np.float32)[:, None]
# Nothing, hold, 7 and 14 days late: the first below whose border a uniform is.
BORDERS = np.array([0.60, 0.725, 0.85], np.float32)
HOLD = 1
CONSEQUENCE = np.array([1, 2, 3, 0], np.uint8)
# By the consequences of the three days, 4 * (4 * first + second) + third: doses withheld,
# whether held, weeks of delay. Nothing happens while doses are held.
_DAYS = np.array(np.unravel_index(np.arange(64), (4, 4, 4)))
_HELD_ON = np.where((_DAYS == HOLD).any(axis=0), (_DAYS == HOLD).argmax(axis=0), 3)
_DELAYS = np.where((_DAYS >= 2) & (np.arange(3)[:, None] < _HELD_ON), _DAYS - 1, 0)
WITHHELD = np.where(_HELD_ON < 3, 2 - _HELD_ON, 0).astype(np.int8)
HELD = _HELD_ON < 3
WEEKS = _DELAYS.max(axis=0).astype(np.int8)
PROGRESSION = (1.0 - 0.97 ** ((DAYS + 7.0 * np.arange(3)) / DAYS)).astype(np.float32)
STOP = np.array([0.0, 0.1, 0.19, 0.19, 0.19, 0.19], np.float32)


def _probabilities(per_mg: Floats, mg: Floats) -> Floats:
    """Return P(event in a cycle) [kind, patient] for AUC per mg and the doses in mg."""
    odds = np.exp(INTERCEPT + SLOPE * (per_mg * mg))
    return -np.expm1(np.log1p(odds) * np.float32(-1.0 / 12.0))


class _Block:
    """Patients side by side, those still on treatment."""

    def __init__(self, rng: np.random.Generator, n: int) -> None:
        self.rng = rng
        normals = rng.standard_normal(n, np.float32)
        self.per_mg = np.float32(PER_MG) * np.exp(np.float32(-0.44) * normals)
        self.level = np.full(n, START, np.int8)
        self.p = _probabilities(self.per_mg, LEVELS_MG[self.level])
        self.progression = np.full(n, PROGRESSION[0], np.float32)
        self.events = np.zeros((KINDS, n), np.int8)
        self.mg = np.zeros(n, np.float32)
        self.weeks = np.zeros(n, np.int16)
        self.barred = np.zeros(n, bool)
        self.late = np.zeros(0, np.int64)

    def change_level(self, who: NDArray[np.int64], step: int) -> None:
        """Move some patients up or down by one level; their probabilities follow."""
        level = np.maximum(self.level[who] + step, 0).astype(np.int8)
        self.level[who] = level
        self.p[:, who] = _probabilities(self.per_mg[who], LEVELS_MG[level])

    def run_cycle(self, cycle: int, counts: Counts) -> None:
        """Draw one cycle; count who leaves and keep the others."""
        n, rng = len(self.level), self.rng
        hit = np.flatnonzero(rng.random((KINDS, n), np.float32) < self.p)
        kind, who = np.divmod(hit, n)
        before = self.events[kind, who]
        counts.first[:, cycle - 1] += np.bincount(kind[before == 0], minlength=KINDS)
        self.events[kind, who] = before + 1
        day = rng.integers(0, 3, len(hit), np.uint8)
        what = CONSEQUENCE[np.searchsorted(BORDERS, rng.random(len(hit), np.float32), "right")]
        acts = np.flatnonzero(what)[::-1]  # of one day the first kind that acts stands last
        by_day = np.zeros((3, n), np.uint8)
        by_day[day[acts], who[acts]] = what[acts]
        number = np.bincount(who, minlength=n)
        hurt = np.flatnonzero(number)
        first, second, third = by_day[:, hurt]
        code = first * 16 + second * 4 + third
        self.mg += 3.0 * LEVELS_MG[self.level]
        self.mg[hurt] -= WITHHELD[code] * LEVELS_MG[self.level[hurt]]

        leaves = rng.random(n, np.float32) < self.progression
        self.progression[self.late] = PROGRESSION[0]
        stops = (rng.random(len(hurt), np.float32) < STOP[number[hurt]]) & ~leaves[hurt]
        counts.progression += int(np.count_nonzero(leaves))
        counts.adverse_event += int(np.count_nonzero(stops))
        stopped = np.zeros(n, bool)
        stopped[hurt[stops]] = True
        gone = leaves | stopped
        if cycle == CYCLES:
            counts.completed += int(n - np.count_nonzero(gone))
            self._count(cycle, np.ones(n, bool), stopped, counts)
            return
        self._count(cycle, gone, stopped, counts)

        reduced = np.zeros(n, bool)
        reduced[who[before & 1 == 1]] = True
        weeks = WEEKS[code]
        self.late = hurt[weeks > 0]
        self.weeks[self.late] += weeks[weeks > 0]
        self.progression[self.late] = PROGRESSION[weeks[weeks > 0]]
        if cycle < 5:
            self.barred |= reduced
        if cycle in (3, 4):
            self.barred[who[kind >= NONHEMATOLOGIC]] = True
            self.barred[hurt[HELD[code] | (weeks == 2)]] = True
        self.change_level(np.flatnonzero(reduced & ~gone), -1)
        self._keep(~gone)
        if cycle == 4:
            free = np.flatnonzero(~self.barred)
            counts.escalated += len(free)
            self.change_level(free, 1)

    def _count(
        self, cycle: int, gone: NDArray[np.bool_], stopped: NDArray[np.bool_], counts: Counts
    ) -> None:
        mg = self.mg[gone].astype(np.float64)
        days = DAYS * cycle + 7.0 * self.weeks[gone] + stopped[gone]
        counts.add_value("mg", mg)
        counts.add_value("days", days)
        counts.add_value("rdi", mg / days * (DAYS / 9.0))
        counts.total["cycles"] += cycle * len(days)
        counts.square["cycles"] += cycle * cycle * len(days)

    def _keep(self, stays: NDArray[np.bool_]) -> None:
        kept = np.flatnonzero(stays)
        place = np.cumsum(stays) - 1
        self.late = place[self.late[stays[self.late]]]
        self.per_mg, self.level, self.mg = self.per_mg[kept], self.level[kept], self.mg[kept]
        self.progression, self.weeks = self.progression[kept], self.weeks[kept]
        self.barred = self.barred[kept]
        self.p, self.events = self.p.take(kept, axis=1), self.events.take(kept, axis=1)


def simulate(patients: int, seed: int, block: int = 16_384) -> Counts:
    """Simulate patients of benchmark model M and return what is counted."""
    rng = np.random.Generator(np.random.SFC64(seed))
    counts = Counts(patients=patients)
    for start in range(0, patients, block):
        column = _Block(rng, min(block, patients - start))
        for cycle in range(1, CYCLES + 1):
            column.run_cycle(cycle, counts)
    return counts


if __name__ == "__main__":
    run_alone(simulate, __doc__, 1_000_000)
