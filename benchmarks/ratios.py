"""The flagship and the minimal scenario, side by side in one run, as ratios.

A part of `./job bench`; alone: `python -m benchmarks.ratios`.

Rounds are interleaved, so that a busy machine slows all contestants alike; a ratio is taken
within a round and reported as median with its range. Wall time; the kernel uses every core
it may, the others one, as a user would run them. Every contestant's headline shares are
printed, so that a fast wrong answer would show.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from benchmarks import numpy_blocks, numpy_minimal
from sim.codes import Cause
from sim.engines.run import outcome_blocks, threads_available
from sim.plan.plan import Plan, compile_plan
from sim.scenario.file import load_scenario
from sim.tallies import count_arms

Shares = tuple[float, float]


@dataclass
class Contestant:
    """One program on one scenario: how many patients it runs, and its times per patient."""

    name: str
    patients: int
    run: Callable[[int], Shares]
    seconds: list[float] = field(default_factory=list)
    shares: Shares = (0.0, 0.0)

    def measure(self) -> None:
        """Run once and note the wall seconds per patient."""
        started = time.perf_counter()
        self.shares = self.run(self.patients)
        self.seconds.append((time.perf_counter() - started) / self.patients)


def _by_kernel(plan: Plan, threads: int) -> Callable[[int], Shares]:
    def run(patients: int) -> Shares:
        sums = count_arms([plan], 0, patients, threads=threads)[0][0].sums
        escalated = sum(int(count) for count in sums["first"][0])
        stopped = sum(int(count) for count in sums["first"][5])
        return escalated / patients, stopped / patients

    return run


def _by_events(plan: Plan) -> Callable[[int], Shares]:
    def run(patients: int) -> Shares:
        blocks = list(outcome_blocks(plan, 0, patients, engine="events"))
        outcomes = np.concatenate(blocks)
        escalated = float(np.mean(outcomes["escalated_cycle"] > 0))
        return escalated, float(np.mean(outcomes["cause"] == Cause.ADVERSE_EVENT))

    return run


def _by_numpy_blocks(patients: int) -> Shares:
    tally = numpy_blocks.simulate(patients, 1)
    return float(tally["escalated"].sum()) / patients, float(tally["stopped"].sum()) / patients


def _by_numpy_minimal(patients: int) -> Shares:
    rows = numpy_minimal.endpoints(numpy_minimal.simulate(patients, 1))
    last = numpy_minimal.CYCLES
    return rows["escalated", last][0], rows["discontinued:adverse_event", last][0]


def contestants_of(name: str, scale: float) -> list[Contestant]:
    """Return the programs that can run a scenario; the kernel on every core comes first."""
    plan = compile_plan(load_scenario(name).scenario, 1)
    cores = threads_available()
    many, few = int(400_000 * scale), int(400 * scale)
    entries = [
        Contestant(f"kernel, {cores} threads", many, _by_kernel(plan, cores)),
        Contestant("kernel, 1 thread", many // 2, _by_kernel(plan, 1)),
        Contestant("events (simpy)", few, _by_events(plan)),
    ]
    if name == "ixazomib-minimal":
        entries += [
            Contestant("NumPy, blocks", many // 2, _by_numpy_blocks),
            Contestant("NumPy, this scenario alone", many, _by_numpy_minimal),
        ]
    return entries


def _report(name: str, entries: list[Contestant]) -> list[dict[str, object]]:
    print(f"\n{name}")
    print(
        f"{'program':<26}{'ns/patient':>12}{'patients/s':>14}{'kernel is faster by':>28}   shares"
    )
    rows: list[dict[str, object]] = []
    for entry in entries:
        ratios = [own / first for own, first in zip(entry.seconds, entries[0].seconds, strict=True)]
        middle = statistics.median(entry.seconds)
        ratio = statistics.median(ratios)
        print(
            f"{entry.name:<26}{middle * 1e9:>12.0f}{1 / middle:>14,.0f}"
            f"{ratio:>14.1f} ({min(ratios):.1f}-{max(ratios):.1f})".ljust(82)
            + f"escalated {entry.shares[0]:.4f}, stopped {entry.shares[1]:.4f}"
        )
        rows.append(
            {
                "scenario": name,
                "program": entry.name,
                "ns_per_patient": middle * 1e9,
                "ratio": ratio,
                "ratio_low": min(ratios),
                "ratio_high": max(ratios),
            }
        )
    return rows


def measure(rounds: int, scale: float) -> list[dict[str, object]]:
    """Measure every program on both scenarios, interleaved; print and return the ratios."""
    rows: list[dict[str, object]] = []
    for name in ("ixazomib-maintenance", "ixazomib-minimal"):
        entries = contestants_of(name, scale)
        for entry in entries:
            entry.run(min(entry.patients, 2_000))
        for _ in range(rounds):
            for entry in entries:
                entry.measure()
        rows += _report(name, entries)
    return rows


def main() -> None:
    """Measure and print; write the rows as JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the patients")
    parser.add_argument("--json", help="also write the rows to this file")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, {threads_available()} cores, wall time")
    rows = measure(options.rounds, options.scale)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=2)


if __name__ == "__main__":
    main()
