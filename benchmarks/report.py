"""The tables of docs/benchmark.md, from the results of the suite.

The page is written by hand; what stands between `<!-- begin NAME -->` and `<!-- end NAME -->` is
put there from `benchmarks/results.json`: by `./job bench --write-docs`, or without measuring anew
by `python -m benchmarks.report`.
"""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmark.md"
RESULTS = ROOT / "benchmarks" / "results.json"
Results = dict[str, Any]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _number(value: float) -> str:
    """Write a number with three digits or more, no more than it deserves."""
    if value >= 1000.0:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.0f}" if value >= 100.0 else f"{value:.1f}"


def _size(patients: int) -> str:
    return f"{patients:.0e}".replace("e+0", "e")


def _machine(results: Results) -> str:
    return _table(("machine", ""), [(name, value) for name, value in results["machine"].items()])


def _checks(results: Results) -> str:
    rows = [
        (
            row["label"],
            f"{row['patients']:,}",
            f"{row['root_mean_square_z']:.2f}",
            f"{row['furthest_z']:+.2f}",
        )
        for row in results["checks"]
    ]
    return _table(("program", "patients", "root mean square z", "furthest of 138"), rows)


def _growth(results: Results) -> str:
    sizes = sorted({row["patients"] for row in results["times"]})
    labels = list(dict.fromkeys(row["label"] for row in results["times"]))
    cells = {(row["label"], row["patients"]): row for row in results["times"]}
    rows = [[label, *(_cell(cells.get((label, size))) for size in sizes)] for label in labels]
    return _table(("ns of CPU per patient", *(_size(size) for size in sizes)), rows)


def _cell(row: dict[str, Any] | None) -> str:
    return "–" if row is None else _number(row["ns_per_patient"])


def _ratios(results: Results) -> str:
    """Every program at the largest size of at most a million that it ran at."""
    best: dict[str, dict[str, Any]] = {}
    for row in results["ratios"]:
        if row["patients"] <= 1_000_000:
            best[row["label"]] = row
    rows = [
        (
            label,
            _size(row["patients"]),
            f"{row['ratio']:.3g}",
            f"{row['ratio_low']:.3g} to {row['ratio_high']:.3g}",
        )
        for label, row in best.items()
    ]
    head = ("time of the program / time of the kernel", "patients", "median", "range")
    return _table(head, rows)


def _threads(results: Results) -> str:
    rows = [
        (
            row["label"],
            _size(row["patients"]),
            _number(row["one_ns"]),
            _number(row["two_ns"]),
            f"{row['two_cores']:.2f}",
            f"{row['faster']:.2f} ({row['faster_low']:.2f} to {row['faster_high']:.2f})",
        )
        for row in results["threads"]
    ]
    return _table(
        ("wall ns per patient", "patients", "1 thread", "2 threads", "cores got", "faster by"), rows
    )


def _memory(results: Results) -> str:
    sizes = sorted({int(key[4:]) for row in results["memory"] for key in row if key[:4] == "mib_"})
    rows = [
        [
            row["label"],
            f"{row['start_s']:.1f}",
            f"{row['start_mib']:.0f}",
            *(f"{row[f'mib_{n}']:.0f}" if f"mib_{n}" in row else "–" for n in sizes),
        ]
        for row in results["memory"]
    ]
    command = results["command"]
    text = f"`titrasim run` on 1,000 patients takes {command['warm_s']:.1f} s when code is compiled"
    text += f", {command['cold_s']:.0f} s when nothing is.\n\n" if "cold_s" in command else ".\n\n"
    peaks = [f"peak MiB at {_size(size)}" for size in sizes]
    head = ("program", "s to the first number", "peak MiB at 1e3", *peaks)
    return text + _table(head, rows)


def _roofline(results: Results) -> str:
    found = results["roofline"]
    by_hand = found.get("c_ns_per_word")
    rows = [
        (
            row["scenario"],
            row["part"],
            f"{row['cycles']:.1f}",
            f"{row['events']:.2f}",
            f"{row['draws']:.0f}",
            f"{4 * row['blocks']:.0f}",
            _number(row["generator_ns"]),
            _number(row["kernel_ns"]),
            f"{100 * row['share']:.0f} %",
        )
        for row in found["scenarios"]
    ]
    head = (
        "scenario", "what happens", "cycles", "events", "draws used", "words made",
        "generator alone, ns", "kernel, ns", "generator / kernel",
    )  # fmt: skip
    word = f"One word costs {found['numba_ns_per_word']:.2f} ns in numba"
    word += f" and {by_hand:.2f} ns in C.\n\n" if by_hand else ".\n\n"
    return word + _table(head, rows)


def _phases(results: Results) -> str:
    phases = results["roofline"].get("c_phases_ns", {})
    total = sum(phases.values())
    rows = [(name, f"{ns:.1f}", f"{100 * ns / total:.0f} %") for name, ns in phases.items()]
    return _table(("C by hand", "ns per patient", "share"), [*rows, ("all", f"{total:.1f}", "")])


def _scenarios(results: Results) -> str:
    rows = [
        (
            row["scenario"],
            row["program"],
            _number(row["ns_per_patient"]),
            f"{row['ratio']:.3g}",
            f"{row['ratio_low']:.3g} to {row['ratio_high']:.3g}",
        )
        for row in results["scenarios"]
    ]
    head = (
        "scenario",
        "program",
        "wall ns per patient",
        "time / the kernel's, all threads",
        "range",
    )
    return _table(head, rows)


PARTS: dict[str, Callable[[Results], str]] = {
    "machine": _machine,
    "checks": _checks,
    "growth": _growth,
    "ratios": _ratios,
    "threads": _threads,
    "memory": _memory,
    "roofline": _roofline,
    "phases": _phases,
    "scenarios": _scenarios,
}


def text_of(results: Results) -> str:
    """Return all tables as text."""
    return "\n\n".join(part(results) for part in PARTS.values())


def page_with(page: str, results: Results) -> str:
    """Return the page with its tables made anew; raise ValueError if a part has no place."""
    for name, part in PARTS.items():
        pattern = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        page, places = pattern.subn(lambda m, part=part: m[1] + part(results) + "\n" + m[2], page)
        if places != 1:
            raise ValueError(f'the page has {places} places for "{name}", not 1')
    return page


def write_page(results: Results) -> None:
    """Write the tables into the page."""
    PAGE.write_text(page_with(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")


if __name__ == "__main__":
    write_page(json.loads(RESULTS.read_text(encoding="utf-8")))
