"""What the terminal shows of exact outcomes, of simulated ones beside them, and of controls."""

import textwrap
from collections.abc import Iterator
from typing import Any

import pandas as pd

from sim.exact.summary import ExactOutcomes

NAME_WIDTH = 54
CELL_WIDTH = 13
TEXT_WIDTH = 96
REFERENCE_CYCLE = 12  # of the paper; the headlines of a run show it too
FAR = 3.0
FAR_SHARE = 0.0027  # of a standard normal law beyond 3 on either side


def exact_text(
    found: ExactOutcomes,
    tables: dict[str, Any],
    simulated: int,
    patients: int,
    seed: int,
    limits: list[str],
) -> str:
    """Return the readable account; simulated and patients are those of the two simulations."""
    lines = [*_heading(found)]
    if "against_simulation" in tables:
        lines += ["", *_against(tables["against_simulation"], simulated, seed)]
    else:
        lines += ["", *_outcomes(found.summary)]
    if "controlled" in tables:
        lines += ["", *_controlled(tables["controlled"], patients, seed)]
    lines += ["", "Limits, which hold for every number above:"]
    lines += [line for text in limits for line in _item(text)]
    return "\n".join(lines)


def _item(text: str) -> list[str]:
    return textwrap.wrap(text, TEXT_WIDTH, initial_indent="- ", subsequent_indent="  ")


def _heading(found: ExactOutcomes) -> Iterator[str]:
    scenario = found.plan.scenario
    yield from textwrap.wrap(f"EXACT: {scenario.name}: {scenario.title}", TEXT_WIDTH)
    states = "1 state" if found.most_states == 1 else f"{found.most_states:,} states"
    yield (
        f"No patient is simulated: {states} of a patient at most in a cycle. With every second node"
    )
    yield f"of an integral left out, no value changes by more than {found.error:.1g}."
    for name, reason in found.left_out.items():
        yield f"Left out: {name}: {reason}."


def _cells(*cells: str) -> str:
    return "".join(f"{cell:>{CELL_WIDTH}}" for cell in cells)


def _number(value: float) -> str:
    if pd.isna(value):
        return "-"
    return f"{value:.6f}" if abs(value) < 10.0 else f"{value:.4f}"


def _named(row: Any) -> str:
    name = row.endpoint if pd.isna(row.cycle) else f"{row.endpoint} at cycle {row.cycle}"
    return f"{name:<{NAME_WIDTH}}"


def _shown(table: pd.DataFrame, column: str) -> Iterator[Any]:
    """Yield rows without cycle, at cycle 12 and at the last, where there is something to tell."""
    cycles = table["cycle"]
    named = cycles.isna() | cycles.isin([REFERENCE_CYCLE, cycles.max()])
    yield from table[named & table[column].notna() & (table[column] != 0.0)].itertuples()


def _outcomes(summary: pd.DataFrame) -> Iterator[str]:
    yield f"{'endpoint':<{NAME_WIDTH}}" + _cells("exact")
    for row in _shown(summary, "estimate"):
        yield _named(row) + _cells(_number(row.estimate))


def _against(table: pd.DataFrame, patients: int, seed: int) -> Iterator[str]:
    from sim.exact.against_simulation import largest_expected, rows_that_vary

    yield f"Beside {patients:,} simulated patients, seed {seed}:"
    yield f"{'endpoint':<{NAME_WIDTH}}" + _cells("exact", "simulated", "error", "z")
    for row in _shown(table, "exact"):
        yield _named(row) + _cells(
            _number(row.exact), _number(row.simulated), f"{row.mcse:.2g}", f"{row.z:+.2f}"
        )
    yield ""
    varying = rows_that_vary(table)
    far = int((table["z"].abs() > FAR).sum())
    usual, limit = largest_expected(varying)
    worst = table.iloc[int(table["z"].abs().to_numpy().argmax())]
    yield f"{varying} of {len(table)} rows vary between patients; {far} have |z| above {FAR:g}."
    yield f"The largest |z| is {abs(worst['z']):.2f}: {_named(worst).strip()}."
    yield (
        f"Of {varying} independent rows {FAR_SHARE * varying:.1f} would, and the largest be "
        f"{usual:.1f} in half of all runs, above {limit:.1f}"
    )
    yield "in 1 of 100. The rows are not independent: one event moves many, so that far ones come"
    yield "in groups. Another seed tells luck from a defect: luck does not stay."


def _controlled(table: pd.DataFrame, patients: int, seed: int) -> Iterator[str]:
    if table.empty:
        yield "Control variate: the two scenarios share no outcome that varies in both."
        return
    first = table.iloc[0]
    yield (
        f"{first['scenario']}, {patients:,} simulated patients, seed {seed}, with "
        f"{first['control']} as control variate:"
    )
    yield "(the variance ratio says how many times more patients the control stands for)"
    yield f"{'endpoint':<{NAME_WIDTH}}" + _cells(
        "simulated", "error", "controlled", "error", "var. ratio"
    )
    for row in _shown(table, "simulated"):
        yield _named(row) + _cells(
            _number(row.simulated),
            f"{row.simulated_mcse:.2g}",
            _number(row.estimate),
            f"{row.mcse:.2g}",
            f"{row.variance_ratio:.2f}",
        )
    ratios = table["variance_ratio"]
    yield ""
    yield (
        f"Over all {len(table)} rows the variance ratio is {ratios.median():.2f} in the middle, "
        f"from {ratios.min():.2f} to {ratios.max():.2f}."
    )
