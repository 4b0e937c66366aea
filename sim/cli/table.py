"""What the terminal shows of a study: headline endpoints by arm, differences, limits."""

import math
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from sim.cli.headlines import Headline, groups
from sim.study import Study

LABEL_WIDTH = 46
CELL_WIDTH = 16
INTERVAL_WIDTH = 24
TEXT_WIDTH = 96
NOT_PERCENT = ("cumulative_dose_mg", "auc_per_day", "cycles", "days", "toxicity_days")
Rows = dict[tuple[str, str, int | None], Any]


def study_text(study: Study) -> str:
    """Return the readable account of a study."""
    lines = [*_heading(study), *_estimates(study)]
    if study.comparison is not None:
        lines += ["", *_differences(study)]
    if study.prediction is not None:
        lines += ["", *_predictions(study)]
    lines += ["", "Limits, which hold for every number above:"]
    lines += [line for text in study.limits for line in _wrapped(text)]
    if study.warnings:
        lines += ["", "Warnings:"]
        lines += [line for text in study.warnings for line in _wrapped(text)]
    return "\n".join(lines)


def _letters(study: Study) -> dict[str, str]:
    """Scenario names may be long: columns are headed A, B, C ..., and named above the table."""
    names = study.prepared.names
    if len(names) > 26:
        return {name: str(number) for number, name in enumerate(names, start=1)}
    return {name: chr(ord("A") + number) for number, name in enumerate(names)}


def _heading(study: Study) -> Iterator[str]:
    settings = study.prepared.settings
    trials = f" in each of {settings.trials:,} trials" if settings.trials > 1 else ""
    yield (
        f"SIMULATED: {settings.patients:,} virtual patients per arm{trials}, seed {settings.seed}"
    )
    if len(study.prepared.names) == 1:
        title = f"{study.prepared.names[0]}: {study.prepared.plans[0].scenario.title}"
        yield from textwrap.wrap(title, TEXT_WIDTH)
        return
    yield "The same virtual patients in every arm:"
    letters = _letters(study)
    for number, plan in enumerate(study.prepared.plans):
        name = plan.scenario.name
        reference = " (reference)" if number == 0 else ""
        text = f"{name}{reference}: {plan.scenario.title}"
        yield f"  {letters[name]}  {textwrap.shorten(text, TEXT_WIDTH, placeholder='...')}"


def _by_key(frame: pd.DataFrame) -> Rows:
    """Rows by scenario, endpoint and cycle."""
    rows: Rows = {}
    for row in frame.itertuples(index=False):
        cycle = None if pd.isna(row.cycle) else int(row.cycle)  # type: ignore[arg-type]
        rows[str(row.scenario), str(row.endpoint), cycle] = row
    return rows


def _table(
    study: Study, rows: Rows, arms: Sequence[str], cell: Any, width: int, headlines_only: bool
) -> Iterator[str]:
    """Lines of a table with one column per arm, in groups; lines without any value are left out."""
    for title, headlines in groups(study):
        lines = []
        for headline in headlines:
            found = [rows.get((arm, headline.endpoint, headline.cycle)) for arm in arms]
            if headlines_only and not headline.main:
                continue
            if not any(row is not None and _is_known(row) for row in found):
                continue
            if headline.only_if_any and not any(row is not None and row.estimate for row in found):
                continue
            cells = ["-" if row is None else cell(row) for row in found]
            lines.append(_line(headline, cells, width))
        if lines:
            yield title
            yield from lines


def _is_known(row: Any) -> bool:
    value = row.mean if hasattr(row, "mean") else row.estimate
    return not math.isnan(value)


def _line(headline: Headline, cells: Sequence[str], width: int) -> str:
    label = headline.text
    if len(label) > LABEL_WIDTH - 3:
        label = label[: LABEL_WIDTH - 6].rstrip(" ,:") + "..."
    return f"  {label:<{LABEL_WIDTH - 2}}" + "".join(f"{cell:>{width}}" for cell in cells)


def _columns(study: Study, arms: Sequence[str], width: int, suffix: str = "") -> str:
    letters = _letters(study)
    heads = [letters[arm] + suffix if len(letters) > 1 else "" for arm in arms]
    return " " * LABEL_WIDTH + "".join(f"{head:>{width}}" for head in heads)


def _estimates(study: Study) -> Iterator[str]:
    arms = study.prepared.names
    yield ""
    yield _columns(study, arms, CELL_WIDTH).rstrip() or "Estimate ± Monte Carlo standard error"
    yield from _table(study, _by_key(study.summary), arms, _estimate_cell, CELL_WIDTH, False)
    if len(arms) > 1:
        yield "Estimate ± Monte Carlo standard error."


def _differences(study: Study) -> Iterator[str]:
    assert study.comparison is not None
    arms = study.prepared.names[1:]
    rows = _by_key(study.comparison)
    yield f"Differences from {_letters(study)[study.prepared.names[0]]}, same virtual patients,"
    yield "with 95 % Monte Carlo intervals; pt: percentage points"
    yield _columns(study, arms, INTERVAL_WIDTH)
    yield from _table(study, rows, arms, _difference_cell, INTERVAL_WIDTH, True)


def _predictions(study: Study) -> Iterator[str]:
    assert study.prediction is not None
    settings, arms = study.prepared.settings, study.prepared.names
    yield f"One trial of {settings.patients:,} patients per arm: mean, and the range that holds"
    yield f"95 % of {settings.trials:,} trials"
    yield _columns(study, arms, INTERVAL_WIDTH)
    rows = _by_key(study.prediction)
    yield from _table(study, rows, arms, _prediction_cell, INTERVAL_WIDTH, True)


def _scale(endpoint: str) -> tuple[float, int]:
    """Return the factor and the digits behind the point with which an endpoint is shown."""
    if endpoint.startswith("toxicity_days") or endpoint.endswith(":count"):
        return 1.0, 2
    return (1.0, 1) if endpoint.startswith(NOT_PERCENT) else (100.0, 1)


def _unit(endpoint: str, percent: str) -> str:
    return percent if _scale(endpoint)[0] == 100.0 else ""


def _estimate_cell(row: Any) -> str:
    if math.isnan(row.estimate):
        return "-"
    factor, digits = _scale(row.endpoint)
    estimate, mcse = factor * row.estimate, factor * row.mcse
    error = "" if math.isnan(mcse) else f" ± {mcse:.{digits + 1}f}"
    return f"{estimate:.{digits}f}{error}{_unit(row.endpoint, ' %')}"


def _difference_cell(row: Any) -> str:
    if math.isnan(row.difference):
        return "-"
    factor, digits = _scale(row.endpoint)
    middle, low, high = (
        f"{factor * value + 0.0:+.{digits}f}" for value in (row.difference, row.ci_low, row.ci_high)
    )
    return f"{middle} [{low}, {high}]{_unit(row.endpoint, ' pt')}"


def _prediction_cell(row: Any) -> str:
    if math.isnan(row.mean):
        return "-"
    factor, digits = _scale(row.endpoint)
    middle, low, high = (
        f"{factor * value:.{digits}f}" for value in (row.mean, row.pi_low, row.pi_high)
    )
    return f"{middle} [{low}, {high}]{_unit(row.endpoint, ' %')}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, TEXT_WIDTH, initial_indent="- ", subsequent_indent="  ")
