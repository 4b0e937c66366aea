"""Files that `titrasim er table` and `er design` write: a CSV table, and models for a scenario."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from csv import DictWriter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.exposure_response.design import Design, SamplingLaw
    from sim.exposure_response.model_file import ModelEntry
    from sim.exposure_response.table import Coefficients

CSV_HEADER = (
    "endpoint",
    "reading",
    "quantity",
    "dose_mg",
    "value",
    "low",
    "high",
    "population",
)
SOURCE_AT_MOST = 2000
POPULATION_AT_MOST = 300


def check_csv(path: Path, overwrite: bool, inputs: Sequence[Path]) -> None:
    """Raise LimitError or FileError where the table must not or cannot go to this file."""
    from sim.errors import FileError, LimitError, Problem, quoted

    if path.suffix != ".csv":
        raise LimitError(f"--csv is {quoted(path.name)}; its name must end in .csv")
    if not path.parent.is_dir():
        message = f"there is no folder {quoted(str(path.parent))}"
        raise FileError([Problem(path.name, None, None, "F10", "error", message)])
    if not path.exists():
        return
    if path.is_dir():
        _refuse(path, "this is a folder", "choose another name")
    if any(one.exists() and path.samefile(one) for one in inputs):
        raise LimitError(f"--csv is {quoted(path.name)}, which is an input of this command")
    if not overwrite:
        hint = "choose another name, or replace it with --overwrite"
        _refuse(path, "this file is there already", hint)
    with path.open("rb") as file:
        first = file.readline(1_000)
    if first.rstrip(b"\r\n") != ",".join(CSV_HEADER).encode():
        message = "this file is there already and is not a table that titrasim er table wrote"
        _refuse(path, message, "choose another name; only such a table is replaced")


def _refuse(path: Path, message: str, hint: str) -> None:
    from sim.errors import FileError, Problem

    raise FileError([Problem(path.name, None, None, "F11", "error", message, hint)])


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]], population: str) -> None:
    """Write the rows under CSV_HEADER, whole or not at all; raises FileError."""
    from sim.errors import FileError, Problem

    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        with unfinished.open("w", encoding="utf-8", newline="") as file:
            writer = DictWriter(file, CSV_HEADER, lineterminator="\n")
            writer.writeheader()
            writer.writerows({**row, "population": population} for row in rows)
        os.replace(unfinished, path)
    except OSError as error:
        with suppress(OSError):
            unfinished.unlink()
        message = f"this file cannot be written: {(error.strerror or 'unknown').lower()}"
        raise FileError([Problem(path.name, None, None, "F10", "error", message)]) from error


def model_entry(
    name: str,
    model: "Coefficients",
    law: "SamplingLaw",
    design: "Design",
    population: str,
    source: str,
) -> "ModelEntry":
    """Return a model of a published table with what its design implies, which nobody observed."""
    from sim.exposure_response.model_file import EXPOSURE_UNIT, ModelEntry

    expected = (
        f"patients of the design; events expected ({law.expected_events:.1f}) and covariance "
        "expected from it, none observed; exposure_range holds 90 % of its patients. "
    )
    return ModelEntry(
        name=name,
        intercept=model.intercept,
        slope_per_auc_per_day=model.slope,
        method="table",
        patients=design.patients,
        events=round(law.expected_events),
        covariance=law.covariance_entries,
        exposure_unit=EXPOSURE_UNIT,
        exposure_range=design.exposure_range(),
        source=(expected + source)[:SOURCE_AT_MOST],
        population=population[:POPULATION_AT_MOST],
    )
