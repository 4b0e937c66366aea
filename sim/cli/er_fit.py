"""`titrasim er fit`: logistic exposure-response models from individual data."""

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from sim.cli.options import AsJson, flag, number

if TYPE_CHECKING:
    from sim.exposure_response.endpoint_fit import Doses, EndpointFit
    from sim.exposure_response.individual_data import IndividualData
    from sim.exposure_response.model_file import ModelEntry

TYPICAL_CL_F_L_PER_H = 1.86 / 0.58
TYPICAL_SOURCE = "CL 1.86 L/h, F 0.58, doi:10.1007/s40262-017-0526-4"
DOSES_PER_CYCLE, CYCLE_DAYS = 3, 28
WEEKLY_SOURCE = "doi:10.1007/s10637-016-0346-7"
DOSES_AT_MOST = 12
GIVEN = "given by option"


def fit(
    data: Annotated[Path, Parameter(help="CSV file, one line a patient.")],
    /,
    *,
    exposure: Annotated[str, Parameter(help="Column of AUC/day, in ng*h/mL per day.")],
    event: Annotated[
        tuple[str, ...],
        Parameter(help="Column of an event, 0 or 1. Repeatable.", negative=""),
    ],
    by: Annotated[
        str | None, Parameter(help="Column of groups: a model for each, apart from the others.")
    ] = None,
    id_: Annotated[
        str | None, Parameter(name="--id", help="Column that must be different on every line.")
    ] = None,
    method: Annotated[
        Literal["ml", "firth"],
        Parameter(help="Maximum likelihood, or Firth's penalised one, finite under separation."),
    ] = "ml",
    doses_mg: Annotated[
        str | None, Parameter(help="Doses to predict at, in mg, such as 3,4.", negative="")
    ] = None,
    cl_f_l_per_h: Annotated[
        float | None, Parameter(help="Typical CL/F for the doses. Default: 1.86 / 0.58, ixazomib.")
    ] = None,
    doses_per_cycle: Annotated[
        int | None, number("Doses a cycle, for the doses. Default: 3.")
    ] = None,
    cycle_days: Annotated[
        int | None, number("Days of a cycle, for the doses. Default: 28.")
    ] = None,
    auc_per_day_per_mg: Annotated[
        float | None, Parameter(help="AUC/day of 1 mg, instead of CL/F, doses and days.")
    ] = None,
    quantiles: Annotated[int, number("Exposure groups of the observed proportions.")] = 4,
    model: Annotated[
        Path | None, Parameter(help="Write the models to this TOML file, for a scenario to name.")
    ] = None,
    name: Annotated[
        tuple[str, ...],
        Parameter(
            help="Name of a model in that file, one an event. Default: the column.",
            negative="",
            show_default=False,
        ),
    ] = (),
    out: Annotated[
        Path | None,
        Parameter(help="Folder for coefficients, observed and predicted as CSV, and figures."),
    ] = None,
    overwrite: Annotated[bool, flag("Replace the model file and the folder.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fit the probability of ever having an event to exposure, one model an event.

    Prints coefficients with Wald and profile-likelihood intervals, the
    likelihood-ratio test, proportions observed below and above the median
    exposure and by quantile, and the probability at chosen doses. Separation,
    where maximum likelihood has no finite estimate, is found and explained.

    Try:  titrasim er fit data.csv --exposure auc_per_day --event rash
    Then: ... --event fatigue --doses-mg 3,4 --model fitted.toml --out fitted
    """
    from sim.cli.er_fit_text import report_json, report_text
    from sim.exposure_response.endpoint_fit import fit_endpoints
    from sim.exposure_response.individual_data import Columns, read_individual_data

    doses = _doses(doses_mg, cl_f_l_per_h, doses_per_cycle, cycle_days, auc_per_day_per_mg)
    _check_names(event, name)
    _refuse_standing(model, out, overwrite)
    read = read_individual_data(data, Columns(exposure, event, by, id_))
    fits = fit_endpoints(read, method, quantiles, doses)
    names = dict(zip(event, name or event, strict=True))
    models = _model_entries(read, fits, names) if model is not None else []
    if as_json:
        print(json.dumps(report_json(read, fits, method, doses), indent=2))
    else:
        print(report_text(read, fits, method, doses), flush=True)
    where = sys.stderr if as_json else sys.stdout
    if model is not None:
        from sim.exposure_response.model_file import write_models

        write_models(model, models, overwrite)
        print(f"\nModel file: {model}  (in a scenario: {_use(model, models)})", file=where)
    if out is not None:
        _write_folder(out, read, fits, doses, overwrite)
        print(f"\nTables and figures: {out}", file=where)


def _use(model: Path, models: Sequence["ModelEntry"]) -> str:
    return f'fitted_model = "{model.name}#{models[0].name}"'


def _check_names(event: tuple[str, ...], name: tuple[str, ...]) -> None:
    from sim.errors import LimitError

    if name and len(name) != len(event):
        raise LimitError(f"--name is given {len(name)} times and --event {len(event)} times")


def _doses(
    doses_mg: str | None,
    cl_f_l_per_h: float | None,
    doses_per_cycle: int | None,
    cycle_days: int | None,
    per_mg: float | None,
) -> "Doses | None":
    """Read the options about doses, all faults at once."""
    from sim.errors import LimitError
    from sim.exposure_response.endpoint_fit import Doses, auc_per_day_per_mg

    ways = (cl_f_l_per_h, doses_per_cycle, cycle_days)
    faults = []
    if doses_mg is None and any(one is not None for one in (*ways, per_mg)):
        faults.append("AUC/day of a dose is described, but --doses-mg is not given")
    if per_mg is not None and any(one is not None for one in ways):
        faults.append("--auc-per-day-per-mg already says what CL/F, doses and days would")
    for option, value in (
        ("--cl-f-l-per-h", cl_f_l_per_h),
        ("--doses-per-cycle", doses_per_cycle),
        ("--cycle-days", cycle_days),
        ("--auc-per-day-per-mg", per_mg),
    ):
        if value is not None and not (math.isfinite(value) and value > 0):
            faults.append(f"{option} is {value:g}; it must be above 0")
    doses = _numbers(doses_mg or "")
    if doses_mg is not None and (doses is None or not 1 <= len(doses) <= DOSES_AT_MOST):
        faults.append(
            f'--doses-mg is "{doses_mg[:60]}"; it takes 1 to {DOSES_AT_MOST} different doses '
            "of 0 mg or more with commas between, such as 3,4"
        )
    if faults:
        raise LimitError("; ".join(faults))
    if doses_mg is None or doses is None:
        return None
    if per_mg is not None:
        return Doses(doses, per_mg, GIVEN)
    clearance = TYPICAL_CL_F_L_PER_H if cl_f_l_per_h is None else cl_f_l_per_h
    count, days = doses_per_cycle or DOSES_PER_CYCLE, cycle_days or CYCLE_DAYS
    weekly = GIVEN if doses_per_cycle is not None or cycle_days is not None else WEEKLY_SOURCE
    source = (
        f"CL/F {clearance:.4g} L/h ({TYPICAL_SOURCE if cl_f_l_per_h is None else GIVEN}), "
        f"{count} doses in {days} days ({weekly})"
    )
    return Doses(doses, auc_per_day_per_mg(clearance, count, days), source)


def _numbers(text: str) -> tuple[float, ...] | None:
    """Return different finite numbers of 0 or more, or None."""
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        return None
    sound = all(math.isfinite(one) and one >= 0.0 for one in found)
    return found if sound and len(set(found)) == len(found) else None


def _refuse_standing(model: Path | None, out: Path | None, overwrite: bool) -> None:
    """Refuse what would be overwritten before anything is computed."""
    from sim.errors import FileError, Problem

    problems = []
    for path in (one for one in (model, out) if one is not None):
        stands = path.exists() and not (path.is_dir() and not any(path.iterdir()))
        message = hint = ""
        if stands and not overwrite:
            message = "this is there already"
            hint = "choose another name, or replace it with --overwrite"
        elif stands and path is out:
            strange = _strange(path)
            message = (
                f"this folder holds {strange}, which is not of this command" if strange else ""
            )
            hint = "choose another folder with --out"
        if message:
            problems.append(Problem(path.name, None, None, "F11", "error", message, hint))
    if problems:
        raise FileError(problems)


def _strange(folder: Path) -> str:
    from sim.cli.er_fit_text import TABLES
    from sim.figures_exposure_response import FIGURES

    if not folder.is_dir():
        return "no folder but a file"
    own = {*TABLES, *FIGURES}
    return next((one.name for one in sorted(folder.iterdir()) if one.name not in own), "")


def _model_entries(
    data: "IndividualData", fits: Sequence["EndpointFit"], names: dict[str, str]
) -> list["ModelEntry"]:
    """Return the models for the file; refuse where one has no estimate."""
    from sim.errors import LimitError
    from sim.exposure_response.model_file import EXPOSURE_UNIT, ModelEntry

    without = [f"{one.title} ({one.note})" for one in fits if one.estimate is None]
    if without:
        raise LimitError(f"no model can be written for {'; '.join(without)}")
    entries = []
    for one in fits:
        fit = one.estimate
        assert fit is not None
        v = fit.covariance
        group = f", {data.columns.by} {one.group}" if one.group else ""
        entries.append(
            ModelEntry(
                name=f"{names[one.endpoint]}_{one.group}" if one.group else names[one.endpoint],
                intercept=fit.intercept,
                slope_per_auc_per_day=fit.slope,
                method=fit.method,
                patients=fit.patients,
                events=fit.events,
                covariance=(float(v[0, 0]), float(v[0, 1]), float(v[1, 1])),
                exposure_unit=EXPOSURE_UNIT,
                exposure_range=(float(fit.exposure.min()), float(fit.exposure.max())),
                source=(
                    f"fitted by titrasim er fit to {data.file} (sha256 {data.sha256}), "
                    f"column {one.endpoint} by {data.columns.exposure}{group}"
                ),
            )
        )
    return entries


def _write_folder(
    out: Path,
    data: "IndividualData",
    fits: Sequence["EndpointFit"],
    doses: "Doses | None",
    overwrite: bool,
) -> None:
    from sim.cli.er_fit_text import TABLES
    from sim.figures_exposure_response import draw_all
    from sim.folder import whole_folder, write_bytes

    with whole_folder(out, replace=overwrite) as folder:
        for name, table in TABLES.items():
            write_bytes(folder / name, table(fits, doses).encode())
        for name, content in draw_all(data, fits, doses):
            write_bytes(folder / name, content)


COMMANDS = (fit,)
