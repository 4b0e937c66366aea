"""The table on the terminal: headline endpoints of every arm, then differences and limits."""

import math
import textwrap
from collections.abc import Iterator

import pandas as pd

from sim.study import Study

LABEL_WIDTH = 50
CELL_WIDTH = 22
TEXT_WIDTH = 100
DIFFERENCES = (
    "on_treatment",
    "completed",
    "discontinued:adverse_event",
    "first_event:any",
    "interruption",
    "delay",
    "reduction",
    "rdi_planned",
    "rdi_on_treatment",
    "cumulative_dose_mg",
    "auc_per_day",
    "clinical_benefit",
)
NOT_PERCENT = ("cumulative_dose_mg", "auc_per_day", "cycles", "days", "toxicity_days")


def study_text(study: Study) -> str:
    """Return the readable account of a study."""
    arms = list(study.prepared.names)
    lines = [_heading(study), "", _row("", arms)]
    cells = _cells(study.summary, "estimate", signed=False)
    labels = _labels(study.summary)
    for key in _headlines(study):
        if any(not _is_nothing(cells.get((arm, *key), "")) for arm in arms):
            lines.append(_row(labels[key], [cells.get((arm, *key), "") for arm in arms]))
    if study.comparison is not None:
        lines += ["", f"difference from {arms[0]}, same virtual patients"]
        differences = _cells(study.comparison, "difference", signed=True)
        for key in _headlines(study):
            if key[0] in DIFFERENCES:
                values = [differences.get((arm, *key), "") for arm in arms[1:]]
                lines.append(_row(labels[key], ["", *values]))
    lines += ["", "± is the Monte Carlo standard error. What these numbers rest on:"]
    lines += [line for text in study.limits for line in _wrapped(text)]
    if study.warnings:
        lines += ["", "warnings:"]
        lines += [line for text in study.warnings for line in _wrapped(text)]
    return "\n".join(lines)


def _heading(study: Study) -> str:
    settings = study.prepared.settings
    trials = f" in each of {settings.trials} trials" if settings.trials > 1 else ""
    return (
        f"SIMULATED: {settings.patients:,} virtual patients per arm{trials}, seed {settings.seed}"
    )


def _row(label: str, cells: list[str]) -> str:
    text = textwrap.shorten(label, LABEL_WIDTH, placeholder="...")
    return f"{text:<{LABEL_WIDTH}}" + "".join(f"{cell:>{CELL_WIDTH}}" for cell in cells).rstrip()


def _is_nothing(cell: str) -> bool:
    """Say whether a cell is empty or certainly 0."""
    return cell in ("", "-") or cell.startswith("0.0 ± 0.00")


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, TEXT_WIDTH, initial_indent="- ", subsequent_indent="  ")


def _headlines(study: Study) -> Iterator[tuple[str, int | None]]:
    """Yield (endpoint, cycle) in the order of the table."""
    last = max(plan.scenario.posology.max_cycles for plan in study.prepared.plans)
    names = list(dict.fromkeys(study.summary["endpoint"]))
    middle = [cycle for cycle in (4, 12) if cycle < last] + [last]
    rises = _rise_cycle(study)
    yield "escalated", rises
    yield "escalated_if_on_treatment", rises
    for name in names:
        if name.startswith("barred:"):
            yield name, None
    for cycle in [cycle for cycle in (5, 12) if cycle < last] + [last]:
        yield "on_treatment", cycle
    yield "completed", None
    for cycle in middle:
        yield "discontinued:adverse_event", cycle
    for name in names:
        if name.startswith("discontinued:") and name not in (
            "discontinued:adverse_event",
            "discontinued:any",
        ):
            yield name, last
    for name in names:
        if name.startswith("first_event:") and ":g" not in name:
            yield name, min(12, last)
    for name in names:
        if name in ("interruption", "delay", "reduction") or name.startswith(
            ("delay_over:", "titration_success:", "rdi_", "toxicity_days:")
        ):
            yield name, None
    for name in ("cumulative_dose_mg", "auc_per_day", "clinical_benefit"):
        yield name, None


def _rise_cycle(study: Study) -> int:
    """Return the first cycle in which somebody has escalated; the last when nobody does."""
    rows = study.summary[
        (study.summary["endpoint"] == "escalated") & (study.summary["estimate"] > 0)
    ]
    if rows.empty:
        return max(plan.scenario.posology.max_cycles for plan in study.prepared.plans)
    return int(rows["cycle"].min())


def _labels(summary: pd.DataFrame) -> dict[tuple[str, int | None], str]:
    labels = {}
    for row in summary.itertuples(index=False):
        cycle = None if pd.isna(row.cycle) else int(row.cycle)  # type: ignore[arg-type]
        suffix = "" if cycle is None else f", cycle {cycle}"
        labels[str(row.endpoint), cycle] = f"{row.label}{suffix}"
    return labels


def _cells(
    frame: pd.DataFrame, column: str, signed: bool
) -> dict[tuple[str, str, int | None], str]:
    cells = {}
    for row in frame.itertuples(index=False):
        cycle = None if pd.isna(row.cycle) else int(row.cycle)  # type: ignore[arg-type]
        value, mcse = float(getattr(row, column)), float(row.mcse)  # type: ignore[arg-type]
        text = _number(str(row.endpoint), value, mcse, signed)
        cells[str(row.scenario), str(row.endpoint), cycle] = text
    return cells


def _number(endpoint: str, value: float, mcse: float, signed: bool) -> str:
    if math.isnan(value):
        return "-"
    sign = "+" if signed else ""
    if endpoint.startswith(NOT_PERCENT) or endpoint.endswith(":count"):
        return f"{value:{sign}.1f} ± {mcse:.2f}"
    unit = " pt" if signed else " %"
    return f"{100 * value:{sign}.1f} ± {100 * mcse:.2f}{unit}"
