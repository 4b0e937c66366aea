"""Benchmark model M as a plain simpy program: one process per patient, told as it happens.

The form of simpy programs that is fastest here: every patient has an environment of its own.
With `together` all patients share one, whose queue grows with them. Nothing imports `sim`.
"""

import math
import random
from collections.abc import Generator
from typing import Any

import simpy

from benchmarks.model_m import MEANS, Counts, run_alone

CYCLES = 26
LEVELS_MG = (1.5, 2.3, 3.0, 4.0)
P3 = (0.10, 0.23, 0.08, 0.19, 0.19)
P4 = (0.16, 0.28, 0.10, 0.26, 0.24)
KINDS = range(5)
NONHEMATOLOGIC = 2  # the kinds from this number on
PER_MG = 3000.0 / (28.0 * 3.1)
MEAN_PER_MG = PER_MG * math.exp(0.44**2 / 2.0)
STOP = (0.0, 0.1, 0.19, 0.19, 0.19, 0.19)


def _logit(p: float) -> float:
    return math.log(p / (1.0 - p))


SLOPE = [(_logit(p4) - _logit(p3)) / MEAN_PER_MG for p3, p4 in zip(P3, P4, strict=True)]
INTERCEPT = [_logit(p3) - 3.0 * MEAN_PER_MG * b for p3, b in zip(P3, SLOPE, strict=True)]


class Patient:
    """One patient: what is remembered, and the course as a process."""

    def __init__(self, env: simpy.Environment, rng: random.Random, counts: Counts) -> None:
        self.env, self.rng, self.counts = env, rng, counts
        self.auc_per_mg = PER_MG * math.exp(-0.44 * rng.gauss(0.0, 1.0))
        self.hazards: dict[int, list[float]] = {}
        self.level, self.mg, self.late_days = 2, 0.0, 0
        self.events = [0] * len(KINDS)
        self.barred = False
        env.process(self.course())

    def probabilities(self) -> list[float]:
        """Return P(event in a cycle) by kind at the present level, computed once per level."""
        if self.level not in self.hazards:
            auc = self.auc_per_mg * LEVELS_MG[self.level]
            self.hazards[self.level] = [
                1.0 - (1.0 + math.exp(INTERCEPT[kind] + SLOPE[kind] * auc)) ** (-1.0 / 12.0)
                for kind in KINDS
            ]
        return self.hazards[self.level]

    def course(self) -> Generator[Any, Any, None]:
        """Run cycle after cycle to the end of treatment."""
        env, draw = self.env, self.rng.random
        for cycle in range(1, CYCLES + 1):
            drawn = [kind for kind, p in enumerate(self.probabilities()) if draw() < p]
            by_day: list[list[int]] = [[], [], []]
            for kind in drawn:
                by_day[int(3.0 * draw())].append(kind)
            held, delay, reduced = False, 0, False
            for today in by_day:
                if not held:
                    self.mg += LEVELS_MG[self.level]
                acted = held
                for kind in today:
                    self.events[kind] += 1
                    if self.events[kind] == 1:
                        self.counts.first[kind, cycle - 1] += 1
                    reduced = reduced or self.events[kind] % 2 == 0
                    u = draw()
                    if not acted and u < 0.85:
                        acted = True
                        held = u < 0.60
                        if not held:
                            delay = max(delay, 7 if u < 0.725 else 14)
                yield env.timeout(7)
            yield env.timeout(7)
            if draw() < 1.0 - 0.97 ** ((28 + self.late_days) / 28.0):
                self.counts.progression += 1
                return self.leave(cycle, int(env.now))
            if drawn and draw() < STOP[len(drawn)]:
                self.counts.adverse_event += 1
                return self.leave(cycle, int(env.now) + 1)
            if cycle == CYCLES:
                self.counts.completed += 1
                return self.leave(cycle, int(env.now))
            self.late_days = delay
            if delay:
                yield env.timeout(delay)
            if reduced:
                self.level = max(self.level - 1, 0)
                self.barred = True
            if cycle in (3, 4):
                seen = any(kind >= NONHEMATOLOGIC for kind in drawn)
                self.barred = self.barred or seen or held or delay == 14
            if cycle == 4 and not self.barred:
                self.level += 1
                self.counts.escalated += 1

    def leave(self, cycle: int, days: int) -> None:
        """Count what is known at the end of treatment."""
        values = (self.mg, float(days), float(cycle), self.mg / days * 28.0 / 9.0)
        for name, value in zip(MEANS, values, strict=True):
            self.counts.total[name] += value
            self.counts.square[name] += value * value


def simulate(patients: int, seed: int, together: bool = False) -> Counts:
    """Simulate patients of benchmark model M and return what is counted."""
    rng = random.Random(seed)
    counts = Counts(patients=patients)
    if together:
        env = simpy.Environment()
        for _ in range(patients):
            Patient(env, rng, counts)
        env.run()
        return counts
    for _ in range(patients):
        env = simpy.Environment()
        Patient(env, rng, counts)
        env.run()
    return counts


if __name__ == "__main__":
    run_alone(simulate, __doc__, 20_000)
