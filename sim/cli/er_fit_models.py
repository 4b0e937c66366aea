"""Where `titrasim er fit` may write, and the models it writes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.errors import FileError, LimitError, Problem

if TYPE_CHECKING:
    from sim.exposure_response.endpoint_fit import EndpointFit
    from sim.exposure_response.individual_data import IndividualData
    from sim.exposure_response.logistic import LogisticFit
    from sim.exposure_response.model_file import ModelEntry


@dataclass(frozen=True)
class ModelPlan:
    """The models to write, each with the title of its fit, and titles and reasons of others."""

    written: tuple[tuple[str, "ModelEntry"], ...]
    skipped: tuple[tuple[str, str], ...]

    def table(self) -> dict[str, Any]:
        """Return the plan as plain values."""
        return {
            "written": [{"name": entry.name, "title": title} for title, entry in self.written],
            "skipped": [{"title": title, "reason": reason} for title, reason in self.skipped],
        }


def refuse_targets(data: Path, model: Path | None, out: Path | None, overwrite: bool) -> None:
    """Raise FileError, before anything is computed, for what must not be written or replaced."""
    from sim.exposure_response.model_file import check_target

    problems: list[Problem] = []
    if model is not None:
        try:
            check_target(model, overwrite, data)
        except FileError as error:
            problems += error.problems
    if out is not None:
        message, hint = _folder_fault(out, data, model, overwrite)
        if message:
            problems.append(Problem(out.name or "--out", None, None, "F11", "error", message, hint))
    if problems:
        raise FileError(problems)


def _folder_fault(out: Path, data: Path, model: Path | None, overwrite: bool) -> tuple[str, str]:
    hint = "choose another folder with --out"
    if not out.name:
        return "an empty name, or the folder you are in; give the name of a new folder", hint
    whole = out.resolve()
    for path, what in ((data, "the data file"), (model, "the model file")):
        if path is not None and path.resolve().is_relative_to(whole):
            return f"{what} would lie in this folder, which is replaced as a whole", hint
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return "", hint
    if not overwrite:
        return "this is there already", "choose another name, or replace it with --overwrite"
    strange = _strange(out)
    return (f"this folder holds {strange}, which is not of this command" if strange else ""), hint


def _strange(folder: Path) -> str:
    from sim.cli.er_fit_tables import TABLES
    from sim.figures_exposure_response import FIGURES

    if not folder.is_dir():
        return "no folder but a file"
    own = {*TABLES, *FIGURES}
    return next((one.name for one in sorted(folder.iterdir()) if one.name not in own), "")


def plan_models(
    data: "IndividualData",
    fits: Sequence["EndpointFit"],
    names: Mapping[tuple[str, str], str],
) -> ModelPlan:
    """Return the models that a file can hold, and why the others cannot be written."""
    from sim.exposure_response.model_file import model_faults

    written, skipped = [], []
    for one in fits:
        fit = one.estimate
        if fit is None:
            skipped.append((one.title, one.note))
            continue
        entry = _entry(data, one, fit, names[one.endpoint, one.group])
        if faults := model_faults(entry):
            skipped.append((one.title, "; ".join(faults)))
        else:
            written.append((one.title, entry))
    return ModelPlan(tuple(written), tuple(skipped))


def write_plan(path: Path, plan: ModelPlan, overwrite: bool) -> str:
    """Write the models and return what to tell; raise LimitError where there is none."""
    from sim.exposure_response.model_file import write_models

    if not plan.written:
        reasons = "; ".join(f"{title} ({reason})" for title, reason in plan.skipped)
        raise LimitError(f"no model can be written for {reasons}")
    write_models(path, [entry for _, entry in plan.written], overwrite)
    first = plan.written[0][1].name
    lines = [f'\nModel file: {path}  (in a scenario: fitted_model = "{path.name}#{first}")']
    lines += [f"  {entry.name}: {title}" for title, entry in plan.written if entry.name != title]
    lines += [f"  not written: {title} ({reason})" for title, reason in plan.skipped]
    return "\n".join(lines)


def _entry(
    data: "IndividualData", one: "EndpointFit", fit: "LogisticFit", name: str
) -> "ModelEntry":
    from sim.exposure_response.model_file import EXPOSURE_UNIT, ModelEntry

    v = fit.prediction_covariance
    group = f", {data.columns.by} {one.group}" if one.group else ""
    source = (
        f"fitted by titrasim er fit to {data.file} (sha256 {data.sha256}), "
        f"column {one.endpoint} by {data.columns.exposure}{group}"
    )
    if fit.flic_intercept is not None:
        source += (
            "; Firth's slope, intercept re-estimated so that predicted events equal observed "
            f"(FLIC, doi:10.1002/sim.7273; Firth's intercept {fit.intercept:.6g}), covariance the "
            "inverse information at these coefficients"
        )
    return ModelEntry(
        name=name,
        intercept=fit.prediction_intercept,
        slope_per_auc_per_day=fit.slope,
        method=fit.method,
        patients=fit.patients,
        events=fit.events,
        covariance=(float(v[0, 0]), float(v[0, 1]), float(v[1, 1])),
        exposure_unit=EXPOSURE_UNIT,
        exposure_range=(float(fit.exposure.min()), float(fit.exposure.max())),
        source=" ".join(source.split())[:1600],
        population=data.population,
    )
