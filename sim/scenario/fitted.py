"""Fitted models: a file beside the scenario whose coefficients an adverse event takes.

`titrasim er fit` and `titrasim er table` write it; `fitted_model = "FILE.toml"` names it. The
coefficients, their covariance and their source enter the scenario as if written there.
"""

import math
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from sim.errors import Problem, quoted
from sim.scenario.library import library_folder
from sim.scenario.merge import Merged, Place
from sim.scenario.nearest import likeness, nearest
from sim.scenario.noun import Name, Noun, Number, Text

SURELY_MEANT = 0.75
WITHOUT_SOURCE = ("source", "name", "label", "class", "fitted_model")
FILLED = ("intercept", "slope_per_auc_per_day", "uncertainty", "exposure_range_auc_per_day")


class FittedModel(Noun):
    """One logistic model: log-odds of ever having the event, by AUC/day."""

    name: Name
    intercept: Number
    slope_per_auc_per_day: Number
    method: Text = ""
    patients: Annotated[int, Field(ge=1)] | None = None
    events: Annotated[int, Field(ge=0)] | None = None
    covariance: tuple[float, float, float] | None = Field(
        None, description="Of the intercept, of intercept and slope, of the slope."
    )
    exposure_unit: Literal["ng*h/mL per day"] = "ng*h/mL per day"
    exposure_range: tuple[float, float] | None = None
    population: Text = Field("", description="Whose data these are.")
    source: Text

    @model_validator(mode="after")
    def _has_a_covariance(self) -> "FittedModel":
        if self.covariance is not None:
            intercept, both, slope = self.covariance
            if intercept < 0.0 or slope < 0.0 or both * both > intercept * slope * (1.0 + 1e-9):
                raise ValueError(
                    "covariance: variances must not be negative, nor the covariance larger than "
                    "they allow"
                )
        return self

    @property
    def origin(self) -> str:
        """The source, with whose data it was."""
        return f"{self.source}; patients: {self.population or 'not stated'}"


class ModelFile(Noun):
    """What a model file holds."""

    format: Literal[1]
    model: Annotated[tuple[FittedModel, ...], Field(min_length=1, max_length=64)]


@dataclass(frozen=True)
class Fitting:
    """The problems of all fitted models, and the files read."""

    problems: list[Problem]
    files: tuple[Path, ...]


def fill_fitted(merged: Merged, folder: Path) -> Fitting:
    """Put the coefficients of every `fitted_model` into the table, in place."""
    problems: list[Problem] = []
    files: list[Path] = []
    for path, entry in _entries(merged):
        given = entry.get("fitted_model")
        if not isinstance(given, str):
            continue  # the check of the shape says so
        place = merged.value_place((*path, "fitted_model"))
        own = next((key for key in (*FILLED, "probability_by_dose_mg") if key in entry), None)
        if own is not None:
            message = f'give "fitted_model" or "{own}", not both'
            problems.append(merged.key_place((*path, own)).problem("K04", message))
            continue
        file_name, _, name = given.partition("#")
        file = _file(folder, file_name)
        if file is None:
            problems.append(_missing(place, folder, file_name))
            continue
        files.append(file)
        found = _model_of(file, place, name or str(entry.get("name", "clinical_benefit")))
        if isinstance(found, Problem):
            problems.append(found)
        else:
            _fill(merged, path, entry, found, place)
    return Fitting(problems, tuple(dict.fromkeys(files)))


def read_model_file(file: Path) -> ModelFile:
    """Return a model file; raise ValueError with one line that says what is wrong with it."""
    try:
        table = tomllib.loads(file.read_text("utf-8-sig"))
    except UnicodeDecodeError:
        raise ValueError("this is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"this is not TOML: {error}") from None
    try:
        return ModelFile.model_validate(_tuples(table))
    except ValidationError as error:
        faults = [
            ": ".join(
                part
                for part in (
                    ".".join(str(step) for step in found["loc"]),
                    found["msg"].removeprefix("Value error, "),
                )
                if part
            )
            for found in error.errors()
        ]
        raise ValueError("; ".join(faults)) from None


def coefficient_uncertainty(covariance: tuple[float, float, float]) -> dict[str, Any]:
    """Return center and standard errors of the uncorrelated form of a covariance.

    x0 = -cov / var(slope); var(logit at x0) = var(intercept) - cov^2 / var(slope).
    """
    intercept, both, slope = covariance
    center = -both / slope if slope > 0.0 else 0.0
    variance = intercept + 2.0 * center * both + center * center * slope
    return {
        "center_auc_per_day": center,
        "sd_logit": math.sqrt(max(variance, 0.0)),
        "sd_slope": math.sqrt(slope),
    }


def _entries(merged: Merged) -> Iterator[tuple[tuple[str | int, ...], dict[str, Any]]]:
    events = merged.table.get("adverse_event")
    for index, entry in enumerate(events if isinstance(events, list) else ()):
        if isinstance(entry, dict) and "fitted_model" in entry:
            yield ("adverse_event", index), entry
    benefit = merged.table.get("clinical_benefit")
    if isinstance(benefit, dict) and "fitted_model" in benefit:
        yield ("clinical_benefit",), benefit


def _file(folder: Path, given: str) -> Path | None:
    if given != Path(given).name or "\\" in given or not 0 < len(given) < 256:
        return None
    for place in (folder, library_folder()):
        file = place / given
        if file.is_file() and file.resolve().parent == place.resolve():
            return file
    return None


def _missing(place: Place, folder: Path, given: str) -> Problem:
    if given != Path(given).name or "\\" in given:
        message = "fitted_model takes a file in the scenario's folder, no other place"
        return place.problem("Z03", message)
    close = nearest(given, [file.name for file in folder.glob("*.toml")])
    is_meant = close is not None and likeness(given, close) >= SURELY_MEANT
    hint = f"did you mean {quoted(str(close))}?" if is_meant else None
    message = f"there is no model file called {quoted(given)} in the scenario's folder"
    return place.problem("R01", message, hint)


def _model_of(file: Path, place: Place, name: str) -> FittedModel | Problem:
    try:
        models = read_model_file(file).model
    except (ValueError, OSError) as error:
        return place.problem("R01", f"{file.name} cannot be used as a model file: {error}")
    names = [model.name for model in models]
    if names.count(name) > 1:
        return place.problem("R03", f"{file.name} has {quoted(name)} more than once")
    if name not in names:
        close = nearest(name, names)
        hint = f"did you mean {quoted(f'{file.name}#{close}')}?" if close else None
        known = ", ".join(names[:8])
        message = f"{file.name} has no model {quoted(name)}; it has: {known}"
        return place.problem("R01", message, hint)
    return models[names.index(name)]


def _fill(
    merged: Merged,
    path: tuple[str | int, ...],
    entry: dict[str, Any],
    model: FittedModel,
    place: Place,
) -> None:
    filled: dict[str, Any] = {
        "intercept": model.intercept,
        "slope_per_auc_per_day": model.slope_per_auc_per_day,
    }
    if model.exposure_range is not None:
        filled["exposure_range_auc_per_day"] = list(model.exposure_range)
    if model.covariance is not None:
        filled["uncertainty"] = {
            **coefficient_uncertainty(model.covariance),
            "source": model.origin,
        }
    for key, value in filled.items():
        entry[key] = value
        merged.values[(*path, key)] = merged.keys[(*path, key)] = place
    _fill_source(merged, path, entry, model, place)


def _fill_source(
    merged: Merged,
    path: tuple[str | int, ...],
    entry: dict[str, Any],
    model: FittedModel,
    place: Place,
) -> None:
    """The coefficients have the model's source, the other numbers the one they had."""
    source = entry.get("source", {})
    if isinstance(source, str):
        others = [key for key in entry if key not in (*FILLED, *WITHOUT_SOURCE)]
        source = dict.fromkeys(others, source)
        for key in others:
            merged.keys[(*path, "source", key)] = merged.key_place((*path, "source"))
    if isinstance(source, dict):
        coefficients = ("intercept", "slope_per_auc_per_day", "exposure_range_auc_per_day")
        entry["source"] = {**source, **dict.fromkeys(coefficients, model.origin)}


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
