"""What every program on benchmark model M counts, and how far that is from the exact values.

The scenario is `model-m.toml`; the exact values come from `model_m_exact.py`.
"""

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.model_m_exact import CYCLES, KINDS, N_KINDS, solve

SCENARIO = Path(__file__).with_name("model-m.toml")
SHARES = ("escalated", "progression", "adverse_event", "completed")
MEANS = ("mg", "days", "cycles", "rdi")


@dataclass
class Counts:
    """Sums over patients; `first` counts first events by kind and cycle (from 0), [5, 26]."""

    patients: int = 0
    escalated: int = 0
    progression: int = 0
    adverse_event: int = 0
    completed: int = 0
    total: dict[str, float] = field(default_factory=lambda: dict.fromkeys(MEANS, 0.0))
    square: dict[str, float] = field(default_factory=lambda: dict.fromkeys(MEANS, 0.0))
    first: NDArray[np.int64] = field(default_factory=lambda: np.zeros((N_KINDS, CYCLES), np.int64))

    def add_value(self, name: str, values: NDArray[np.float64]) -> None:
        """Add one of the means' values of some patients."""
        self.total[name] += float(values.sum())
        self.square[name] += float(values @ values)

    def mean(self, name: str) -> tuple[float, float]:
        """Return a share's or a mean's estimate and its Monte Carlo standard error."""
        n = self.patients
        if name in SHARES:
            share = getattr(self, name) / n
            return share, math.sqrt(share * (1.0 - share) / n)
        mean = self.total[name] / n
        return mean, math.sqrt(max(self.square[name] / n - mean * mean, 0.0) / n)


def z_scores(counts: Counts) -> dict[str, float]:
    """Return the standard scores of all outcomes against the exact values.

    The standard error of a share is the exact one; of a mean the one seen among the patients.
    """
    n, exact = counts.patients, solve()
    scores = {}
    for name in SHARES:
        p = float(exact[name])
        scores[name] = (getattr(counts, name) / n - p) / math.sqrt(p * (1.0 - p) / n)
    for name in MEANS:
        mean, error = counts.mean(name)
        scores[name] = (mean - float(exact[name])) / error
    ever = counts.first.cumsum(axis=1) / n
    p = exact["first_event"]
    by_cycle = (ever - p) / np.sqrt(p * (1.0 - p) / n)
    for kind, name in enumerate(KINDS):
        for cycle in range(CYCLES):
            scores[f"first_event:{name}:{cycle + 1}"] = float(by_cycle[kind, cycle])
    return scores


def furthest(scores: dict[str, float]) -> tuple[str, float]:
    """Return the outcome that is furthest from its exact value, and its score."""
    name = max(scores, key=lambda outcome: abs(scores[outcome]))
    return name, scores[name]


def root_mean_square(scores: dict[str, float]) -> float:
    """Return the root mean square of the scores of shares, means and courses' first events.

    About 1 where all is right. Only the last cycle of first events is taken: the scores of
    one kind's cycles hang together.
    """
    names = [*SHARES, *MEANS, *(f"first_event:{kind}:{CYCLES}" for kind in KINDS)]
    return math.sqrt(sum(scores[name] ** 2 for name in names) / len(names))


def run_alone(
    simulate: Callable[[int, int], Counts],
    description: str | None,
    patients: int,
    warm_up: Callable[[int], object] | None = None,
) -> None:
    """Run one program from the command line; print nanoseconds per patient and the outcomes.

    warm_up takes the number of patients and is not timed.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--patients", type=int, default=patients)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if warm_up is not None:
        warm_up(options.patients)
    started = time.process_time()
    counts = simulate(options.patients, options.seed)
    print(f"{(time.process_time() - started) / options.patients * 1e9:.1f} ns per patient")
    for name in (*SHARES, "mg", "days", "rdi"):
        mean, error = counts.mean(name)
        print(f"{name} {mean:.5f} ± {error:.5f}")
