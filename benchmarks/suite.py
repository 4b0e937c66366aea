"""The whole benchmark: `./job bench`, or `./job bench --quick` to see that it runs.

Every program of model M is first held to the exact values, then all are timed in interleaved
rounds at growing numbers of patients, each only as far as a round stays within the limit; then
two threads, memory and start in processes of their own, the other scenarios, and the random
numbers' share. Times are CPU seconds of all threads, wall seconds where it says so.
"""

import argparse
import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import growth_plot, machine, ratios, report, roofline
from benchmarks.child import command_seconds, measured
from benchmarks.contestants import KERNEL, Contestant, contestants, on_two_threads
from benchmarks.measure import Job, Series, interleave, ratio
from benchmarks.model_m import furthest, root_mean_square, z_scores

TOO_FAR = 5.0
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Extent:
    """How far a run goes: sizes, seconds of one run, rounds, and sizes of the single parts."""

    sizes: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
    limit_s: float = 40.0
    rounds: int = 7
    checked: int = 200_000
    checked_s: float = 5.0
    threads: int = 1_000_000
    memory: tuple[int, ...] = (100_000, 10_000_000)
    memory_s: float = 60.0
    roofline: int = 400_000
    scale: float = 1.0
    cold: bool = True


QUICK = Extent(
    (1_000, 10_000), 2.0, 2, 20_000, 1.0, 20_000, (10_000, 50_000), 2.0, 20_000, 0.02, False
)


def _speed(entry: Contestant) -> float:
    """CPU seconds per patient of a small run, the second one."""
    entry.run(1_000, 1)
    started = time.process_time()
    entry.run(1_000, 1)
    return (time.process_time() - started) / 1_000


def check(entries: list[Contestant], speeds: dict[str, float], extent: Extent) -> Rows:
    """Hold every program to the exact values; raise RuntimeError if one is off."""
    rows: Rows = []
    for entry in entries:
        patients = int(min(extent.checked, max(extent.checked_s / speeds[entry.key], 1_000)))
        scores = z_scores(entry.run(patients, 20_161_122))
        name, score = furthest(scores)
        if abs(score) > TOO_FAR:
            raise RuntimeError(f"{entry.label} is wrong: {name} is {score:.1f} errors off")
        rows.append(
            {
                "program": entry.key,
                "label": entry.label,
                "patients": patients,
                "root_mean_square_z": root_mean_square(scores),
                "furthest": name,
                "furthest_z": score,
            }
        )
        print(f"  {entry.label:<42}{patients:>9,} patients, furthest z {score:+.2f} ({name})")
    return rows


def _rounds(seconds: float, extent: Extent) -> int:
    if seconds < 2.0:
        return extent.rounds
    return min(extent.rounds, 5 if seconds < 8.0 else 3)


def grow(entries: list[Contestant], speeds: dict[str, float], extent: Extent) -> tuple[Rows, Rows]:
    """Time all programs at growing sizes; return times, and ratios to the kernel."""
    times: Rows = []
    against: Rows = []
    for size in extent.sizes:
        jobs = [
            Job(entry.key, entry.label, size, _call(entry, size), _rounds(seconds, extent))
            for entry in entries
            if (seconds := speeds[entry.key] * size) <= extent.limit_s
        ]
        for job in jobs:
            if job.key in ("jax", "starsim"):
                job.run()  # compiles for this size
        series = interleave(jobs)
        for one in series.values():
            times.append(one.as_row())
            speeds[one.key] = one.nanoseconds * 1e-9
            print(f"  {size:>11,} {one.label:<42}{one.nanoseconds:>12,.1f} ns per patient")
        if KERNEL in series:
            against += _ratios(series, KERNEL)
    return times, against


def _call(entry: Contestant, patients: int) -> Any:
    return lambda: entry.run(patients, 1)


def _ratios(series: dict[str, Series], to: str) -> Rows:
    rows = []
    for one in series.values():
        middle, low, high = ratio(one, series[to])
        rows.append(
            {
                "program": one.key,
                "label": one.label,
                "patients": one.patients,
                "ratio": middle,
                "ratio_low": low,
                "ratio_high": high,
            }
        )
    return rows


def on_threads(entries: list[Contestant], extent: Extent) -> Rows:
    """Wall times on one and on two threads, and how many times faster two are."""
    rows: Rows = []
    ones = {entry.key: entry for entry in entries}
    both = [(ones[two.key.removesuffix("-2")], two) for two in on_two_threads()]
    for size in (extent.threads // 10, extent.threads):
        jobs = [
            Job(entry.key, entry.label, size, _call(entry, size), extent.rounds)
            for pair in both
            for entry in pair
        ]
        series = interleave(jobs, time.perf_counter)
        for one, two in both:
            middle, low, high = ratio(series[one.key], series[two.key])
            rows.append(
                {
                    "program": one.key,
                    "label": one.label,
                    "patients": size,
                    "one_ns": series[one.key].nanoseconds,
                    "two_ns": series[two.key].nanoseconds,
                    "two_cores": statistics.median(series[two.key].cores),
                    "faster": middle,
                    "faster_low": low,
                    "faster_high": high,
                }
            )
    return rows


def memory_and_start(entries: list[Contestant], speeds: dict[str, float], extent: Extent) -> Rows:
    """Peak memory by patients and wall seconds to the first number, each in its own process."""
    rows: Rows = []
    for entry in entries:
        starts = [measured(entry.key, 1_000) for _ in range(min(extent.rounds, 3))]
        row: dict[str, Any] = {
            "program": entry.key,
            "label": entry.label,
            "start_s": min(start["seconds"] for start in starts),
            "start_mib": starts[0]["peak_mib"],
        }
        for size in extent.memory:
            if speeds[entry.key] * size <= extent.memory_s:
                row[f"mib_{size}"] = measured(entry.key, size)["peak_mib"]
        rows.append(row)
    return rows


def run(extent: Extent) -> dict[str, Any]:
    """Run everything and return the results."""
    entries, notices = contestants()
    for notice in notices:
        print(f"left out: {notice}")
    speeds = {entry.key: _speed(entry) for entry in entries}
    print("\nagainst the exact values")
    checks = check(entries, speeds, extent)
    print("\ntimes, interleaved")
    times, against = grow(entries, speeds, extent)
    print("\none thread and two, wall time")
    threads = on_threads(entries, extent)
    for row in threads:
        gain = f"{row['faster']:.2f} times faster on {row['two_cores']:.2f} cores"
        print(f"  {row['patients']:>11,} {row['label']:<42}{gain}")
    print("\nmemory and start, in processes of their own")
    memory = memory_and_start(entries, speeds, extent)
    command = {"warm_s": min(command_seconds(cold=False) for _ in range(min(extent.rounds, 3)))}
    if extent.cold:
        command["cold_s"] = command_seconds(cold=True)
    print("\nthe random numbers' share")
    shares = roofline.measure(extent.roofline, min(extent.rounds, 3))
    return {
        "machine": machine.describe(),
        "left_out": notices,
        "checks": checks,
        "times": times,
        "ratios": against,
        "threads": threads,
        "memory": memory,
        "command": command,
        "roofline": shares,
        "scenarios": ratios.measure(extent.rounds, extent.scale),
    }


def main() -> None:
    """Run the suite and write its results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small sizes: does it all run?")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    parser.add_argument(
        "--write-docs",
        action="store_true",
        help="write the tables of docs/benchmark.md, its figure and benchmarks/results.json",
    )
    options = parser.parse_args()
    results = run(QUICK if options.quick else Extent())
    text = json.dumps(results, indent=1) + "\n"
    print("\n" + report.text_of(results))
    if options.json:
        options.json.write_text(text, encoding="utf-8")
    if options.write_docs:
        report.RESULTS.write_text(text, encoding="utf-8")
        report.write_page(results)
        growth_plot.draw(results, growth_plot.FIGURE)


if __name__ == "__main__":
    main()
