"""`titrasim er draws`: parameter draws of a scenario, and what they do to its outcomes."""

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from sim.cli.options import AsJson, Overrides, ScenarioName, Seed, flag, number

if TYPE_CHECKING:
    from sim.scenario.scenario import Scenario
    from sim.uncertainty import Draw

FILES = ("parameters.csv", "draws.csv", "outcomes.csv")
FEW_DRAWS = 100
HEADLINES = (
    "escalated",
    "discontinued:adverse_event",
    "first_event:any",
    "on_treatment",
    "rdi_planned",
    "auc_per_day",
    "clinical_benefit",
)
INDEPENDENT = (
    "Coefficients of different kinds are drawn independently: they come from the same 44 patients, "
    "but their covariance is not published."
)


def draws(
    scenario: ScenarioName,
    /,
    *,
    draws: Annotated[int, number("Parameter draws.")] = 1_000,
    seed: Seed = 1,
    patients: Annotated[
        int, number("Simulate this many patients in every draw too; 0 draws only.")
    ] = 0,
    out: Annotated[
        Path | None,
        Parameter(help="Folder for draws.csv, parameters.csv and, with --patients, outcomes.csv."),
    ] = None,
    overwrite: Annotated[
        bool, flag("Replace the tables of an earlier call in the folder.")
    ] = False,
    set_: Overrides = (),
    as_json: AsJson = False,
) -> None:
    """Draw what the scenario says is uncertain: coefficients, counts, clearance, exits.

    Every draw is a scenario of its own, with its calibration solved again when
    the counts are drawn. Draws that meet a limit are counted, never dropped.
    With --patients the spread of every outcome over the draws is shown, apart
    from Monte Carlo error; structural choices (the clock above all) are
    scenarios of their own and are not in it.

    A draw takes about a quarter of a second where the calibration is solved
    again, and a few milliseconds for every thousand patients.

    Try:  titrasim er draws ixazomib-maintenance --draws 200 --patients 5000
    """
    from sim.cli.progress import progress_bar
    from sim.scenario.file import load_scenario
    from sim.uncertainty import ParameterDraws, describe, table_of

    _check_numbers(draws, patients)
    if out is not None:
        from sim.folder import may_replace

        may_replace(out, FILES.__contains__, overwrite, "draws")
    loaded = load_scenario(scenario, set_).scenario
    made = ParameterDraws(loaded, seed)
    found = []
    with progress_bar(draws, "draws") as advance:
        for draw in made.draws(draws):
            found.append(draw)
            advance(1)
    tables: dict[str, Any] = {
        "parameters": describe(found, made.centers()),
        "draws": table_of(found),
    }
    if patients > 0:
        from sim.propagation import propagate

        with progress_bar(draws, "draws") as advance:
            tables["outcomes"] = propagate(found, seed, patients, advance)
    if out is not None:
        _write(out, tables)
    notes = _notes(loaded, found)
    if as_json:
        about = {"scenario": loaded.name, "seed": seed, "draws": draws, "patients": patients}
        shown = {name: _records(table) for name, table in tables.items() if name != "draws"}
        print(json.dumps({**about, **shown, "notes": notes}, indent=2))
        return
    print(_text(tables, draws, seed, patients, notes))
    if out is not None:
        print(f"\nTables: {out}")


def _check_numbers(draws: int, patients: int) -> None:
    from sim.errors import LimitError
    from sim.plan.plan import check_patients
    from sim.uncertainty import MAX_DRAWS

    if not 1 <= draws <= MAX_DRAWS:
        raise LimitError(f"draws is {draws}; it must be from 1 to {MAX_DRAWS}")
    if patients != 0:
        check_patients(0, patients)


def _write(out: Path, tables: dict[str, Any]) -> None:
    """Write the tables; the folder appears whole or not at all."""
    from sim.folder import whole_folder, write_bytes
    from sim.results import csv_bytes

    with whole_folder(out, out.exists()) as folder:
        for name, table in tables.items():
            write_bytes(folder / f"{name}.csv", csv_bytes(table))


def _records(table: Any) -> Any:
    return json.loads(table.to_json(orient="records", double_precision=15))


def _notes(scenario: "Scenario", found: "list[Draw]") -> list[str]:
    """What must be said with the draws: independence, counts not used, the scenario's limits."""
    from sim.cautions import MONTE_CARLO_ONLY, limits_of
    from sim.recalibration import early_share_follows

    notes = [INDEPENDENT]
    uncertainty, calibration = scenario.uncertainty, scenario.calibration
    is_drawn = uncertainty is not None and uncertainty.calibration_counts
    early = None if calibration is None else calibration.early_stopped_patients
    if is_drawn and early and calibration and not early_share_follows(scenario, calibration):
        notes.append(
            "The early count is drawn but nothing is solved from it: the weights are not the "
            "piecewise ones it tells of."
        )
    if len(found) < FEW_DRAWS:
        notes.append(f"{len(found)} draws are few for 95 % ranges; {FEW_DRAWS} or more are better.")
    return notes + [text for text in limits_of([scenario]) if text != MONTE_CARLO_ONLY]


def _text(tables: dict[str, Any], draws: int, seed: int, patients: int, notes: list[str]) -> str:
    lines = [f"{draws:,} parameter draws, seed {seed}", ""]
    header = ("parameter", "scenario", "mean", "SD", "2.5 %", "97.5 %", "at limit")
    lines.append(f"{header[0]:<52}" + "".join(f"{word:>12}" for word in header[1:]))
    for row in tables["parameters"].itertuples():
        values = (row.scenario, row.mean, row.sd, row.low, row.high)
        cells = "".join(f"{value:>12.5g}" if value == value else f"{'-':>12}" for value in values)
        lines.append(f"{row.parameter:<52}{cells}{row.at_limit:>12}")
    if "outcomes" in tables:
        lines += ["", *_outcome_lines(tables["outcomes"], patients)]
    lines += ["", "Limits, which hold for every number above:"]
    for note in notes:
        lines += textwrap.wrap(note, 96, initial_indent="- ", subsequent_indent="  ")
    return "\n".join(lines)


def _outcome_lines(outcomes: Any, patients: int) -> list[str]:
    from pandas import isna

    header = ("mean", "error", "parameter SD", "error", "2.5 %", "97.5 %")
    lines = [
        f"Outcomes over the draws, {patients:,} patients in each "
        "(the Monte Carlo variance is taken out of the SD and the range; -: too few draws or",
        "patients to tell it from Monte Carlo error):",
        f"{'endpoint':<52}" + "".join(f"{word:>14}" for word in header),
    ]
    last = outcomes["cycle"].max()
    shown = outcomes["cycle"].isna() | outcomes["cycle"].isin([12, last])
    for row in outcomes[shown & outcomes["endpoint"].isin(HEADLINES)].itertuples():
        name = row.endpoint if isna(row.cycle) else f"{row.endpoint} at cycle {row.cycle}"
        values = (
            row.mean, row.mean_se, row.parameter_sd, row.parameter_sd_se, row.low, row.high
        )  # fmt: skip
        cells = ("-" if isna(value) else f"{value:.4f}" for value in values)
        lines.append(f"{name:<52}" + "".join(f"{cell:>14}" for cell in cells))
    return lines
