"""`titrasim er fit`: logistic exposure-response models from individual data."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from sim.cli.options import AsJson, flag, number

if TYPE_CHECKING:
    from sim.exposure_response.endpoint_fit import Doses, EndpointFit
    from sim.exposure_response.individual_data import IndividualData

TYPICAL_CL_F_L_PER_H = 1.86 / 0.58
TYPICAL_SOURCE = "CL 1.86 L/h, F 0.58, doi:10.1007/s40262-017-0526-4"
DOSES_PER_CYCLE, CYCLE_DAYS = 3, 28
WEEKLY_SOURCE = "doi:10.1007/s10637-016-0346-7"
DOSES_AT_MOST = 12
GIVEN = "given by option"
CL_F_LIMITS, COUNT_LIMITS, DAY_LIMITS = (1e-3, 1e4), (1, 1000), (1, 3650)
PER_MG_LIMITS, DOSE_AT_MOST_MG = (1e-6, 1e9), 1e6


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
    population: Annotated[
        str, Parameter(help="Whose data these are, in words; goes into all files.")
    ] = "not stated",
    overwrite: Annotated[bool, flag("Replace a model file, and a folder of this command.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fit the probability of ever having an event to exposure, one model an event.

    Prints coefficients with Wald and profile-likelihood intervals, the
    likelihood-ratio test, proportions observed below and above the median
    exposure and by quantile, and the probability at chosen doses. Separation,
    where maximum likelihood has no finite estimate, is found and explained.

    Try:  titrasim er fit data.csv --exposure auc_per_day --event rash
    Then: ... --event fatigue --doses-mg 3,4 --model fitted.toml --out fitted \\
          --population "relapsed/refractory myeloma, median 6 regimens"
    """
    from sim.cli.er_fit_models import ModelPlan, plan_models, refuse_targets, write_plan
    from sim.cli.er_fit_text import report_json, report_text
    from sim.cli.progress import progress_bar
    from sim.exposure_response.endpoint_fit import STEPS_AN_ENDPOINT, fit_endpoints, group_labels
    from sim.exposure_response.individual_data import Columns, read_individual_data
    from sim.exposure_response.model_names import model_names

    doses = _doses(doses_mg, cl_f_l_per_h, doses_per_cycle, cycle_days, auc_per_day_per_mg)
    _check_words(event, name, population)
    refuse_targets(data, model, out, overwrite)
    read = read_individual_data(data, Columns(exposure, event, by, id_), population)
    groups = group_labels(read)
    names = model_names(event, name, groups)
    with progress_bar(STEPS_AN_ENDPOINT * len(event) * len(groups), "steps") as advance:
        fits = fit_endpoints(read, method, quantiles, doses, advance)
    plan = plan_models(read, fits, names) if model is not None else ModelPlan((), ())
    if as_json:
        content = report_json(read, fits, method, doses)
        if model is not None:
            content["model_file"] = plan.table()
        print(json.dumps(content, indent=2))
    else:
        print(report_text(read, fits, method, doses), flush=True)
    where = sys.stderr if as_json else sys.stdout
    if out is not None:
        _write_folder(out, read, fits, doses, overwrite)
        print(f"\nTables and figures: {out}", file=where)
    if model is not None:
        print(write_plan(model, plan, overwrite), file=where)


def _check_words(event: tuple[str, ...], name: tuple[str, ...], population: str) -> None:
    from sim.errors import LimitError
    from sim.exposure_response.model_file import is_population

    faults = []
    if name and len(name) != len(event):
        faults.append(f"--name is given {len(name)} times and --event {len(event)} times")
    if not is_population(population):
        faults.append("--population takes 1 to 300 characters on one line, not beginning with =+-@")
    if faults:
        raise LimitError("; ".join(faults))


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
    for option, value, (low, high) in (
        ("--cl-f-l-per-h", cl_f_l_per_h, CL_F_LIMITS),
        ("--doses-per-cycle", doses_per_cycle, COUNT_LIMITS),
        ("--cycle-days", cycle_days, DAY_LIMITS),
        ("--auc-per-day-per-mg", per_mg, PER_MG_LIMITS),
    ):
        if value is not None and not low <= value <= high:
            fault = "must be above 0" if value <= 0 else f"must be within {low:g} to {high:g}"
            faults.append(f"{option} is {str(value)[:20]}; it {fault}")
    doses = _numbers(doses_mg or "")
    if doses_mg is not None and (doses is None or not 1 <= len(doses) <= DOSES_AT_MOST):
        faults.append(
            f'--doses-mg is "{doses_mg[:60]}"; it takes 1 to {DOSES_AT_MOST} different doses '
            f"of 0 to {DOSE_AT_MOST_MG:g} mg with commas between, such as 3,4"
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
    """Return different doses of 0 mg or more, or None."""
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        return None
    sound = all(0.0 <= one <= DOSE_AT_MOST_MG for one in found)
    return found if sound and len(set(found)) == len(found) else None


def _write_folder(
    out: Path,
    data: "IndividualData",
    fits: Sequence["EndpointFit"],
    doses: "Doses | None",
    overwrite: bool,
) -> None:
    from sim.cli.er_fit_tables import TABLES
    from sim.cli.progress import progress_bar
    from sim.figures_exposure_response import FIGURES, draw_all
    from sim.folder import whole_folder, write_bytes

    total = len(TABLES) + len(FIGURES)
    with whole_folder(out, replace=overwrite) as folder, progress_bar(total, "files") as advance:
        for name, table in TABLES.items():
            write_bytes(folder / name, table(data, fits, doses).encode())
            advance(1)
        for name, content in draw_all(data, fits, doses):
            write_bytes(folder / name, content)
            advance(1)


COMMANDS = (fit,)
