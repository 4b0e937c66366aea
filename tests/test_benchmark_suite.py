"""The benchmark suite runs to its end and its page has a place for every table; no clock here."""

import json
from pathlib import Path

import pytest

from benchmarks import growth_plot, report, suite
from benchmarks.measure import Job, Series, interleave, ratio

TINY = suite.Extent(
    sizes=(200,), limit_s=1.0, rounds=1, checked=2_000, checked_s=0.3, threads=1_000,
    memory=(2_000,), memory_s=0.1, roofline=4_096, scale=0.005, cold=False,
)  # fmt: skip


def test_the_suite_runs_and_its_results_fill_the_page(tmp_path: Path) -> None:
    results = json.loads(json.dumps(suite.run(TINY)))
    page = report.page_with(report.PAGE.read_text(encoding="utf-8"), results)
    assert page.count("titrasim, kernel") >= 5
    assert {row["program"] for row in results["times"]} >= {"kernel", "numpy", "simpy", "events"}
    assert all(row["peak_mib"] > 10.0 for row in results["memory"] if "peak_mib" in row)
    growth_plot.draw(results, tmp_path / "growth.png")
    assert (tmp_path / "growth.png").stat().st_size > 10_000


def test_a_page_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match='0 places for "machine"'):
        report.page_with("# Benchmark\n", {"machine": {}})


def test_rounds_are_interleaved_and_ratios_are_within_a_round() -> None:
    order: list[str] = []
    ticks = iter(range(100))
    jobs = [
        Job("a", "A", 10, lambda: order.append("a"), 3),
        Job("b", "B", 20, lambda: order.append("b"), 2),
    ]
    series = interleave(jobs, clock=lambda: float(next(ticks)))
    assert order == ["a", "b", "b", "a", "a"]
    assert len(series["a"].seconds) == 3
    own, other = Series("a", "A", 10, [10.0, 30.0, 9.0]), Series("b", "B", 20, [10.0, 15.0])
    assert ratio(own, other) == (3.0, 2.0, 4.0)
    assert own.nanoseconds == 1e9
