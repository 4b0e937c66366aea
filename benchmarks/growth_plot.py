"""The plot of docs/benchmark.md: nanoseconds of CPU per patient against patients, both log."""

import json
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.report import RESULTS, ROOT

FIGURE = ROOT / "docs" / "figures" / "benchmark.png"
COLOURS = {
    "kernel": "#0072b2", "c": "#000000", "numpy": "#009e73", "simpy": "#d55e00",
    "simpy-together": "#e69f00", "events": "#56b4e9", "starsim": "#cc79a7", "jax": "#7f7f7f",
}  # fmt: skip


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw the times of all programs and the cost of the random numbers alone."""
    figure = Figure(figsize=(8.0, 5.2), layout="constrained")
    axes = figure.subplots()
    by_program: dict[str, list[dict[str, Any]]] = {}
    for row in results["times"]:
        by_program.setdefault(row["program"], []).append(row)
    for program, rows in by_program.items():
        sizes = [row["patients"] for row in rows]
        middle = [row["ns_per_patient"] for row in rows]
        low = [row["ns_low"] for row in rows]
        high = [row["ns_high"] for row in rows]
        colour = COLOURS.get(program)
        axes.plot(sizes, middle, marker="o", ms=4, color=colour, label=rows[0]["label"])
        axes.fill_between(sizes, low, high, color=colour, alpha=0.15, lw=0)
    alone = next(
        row["generator_ns"]
        for row in results["roofline"]["scenarios"]
        if (row["scenario"], row["part"]) == ("model-m", "all")
    )
    axes.axhline(alone, ls=":", color="#444444", lw=1.2)
    axes.annotate(
        "random numbers alone", (1.0, alone), xycoords=("axes fraction", "data"),
        xytext=(-4, 4), textcoords="offset points", ha="right", fontsize=8, color="#444444",
    )  # fmt: skip
    axes.set(
        xscale="log", yscale="log", xlabel="patients", ylabel="CPU time per patient, ns",
        title="Benchmark model M, one core",
    )  # fmt: skip
    axes.grid(which="major", alpha=0.3)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    draw(json.loads(RESULTS.read_text(encoding="utf-8")), FIGURE)
