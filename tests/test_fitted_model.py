"""`fitted_model`: the coefficients of a model file enter the scenario as if written there."""

import math
from pathlib import Path

import pytest

from sim.cautions import limits_of
from sim.errors import ScenarioError
from sim.explanation import explain
from sim.scenario.file import load_scenario

SCENARIO = """
format = 1
extends = "ixazomib-minimal"
name = "fitted"
title = "With coefficients of a fit"
[[adverse_event]]
name = "rash"
fitted_model = "{name}"
"""
MODEL = """
format = 1
[[model]]
name = "rash"
intercept = -3.0
slope_per_auc_per_day = 0.008
method = "firth"
patients = 44
events = 7
covariance = [1.0088, -3.582e-3, 1.558e-5]
exposure_unit = "ng*h/mL per day"
exposure_range = [20.0, 400.0]
source = "fitted by titrasim er fit to phase1.csv"
[[model]]
name = "other"
intercept = -1.0
slope_per_auc_per_day = 0.002
source = "another fit"
"""


def written(folder: Path, name: str = "fits.toml", model: str = MODEL) -> Path:
    """A scenario that names a model file, and the file."""
    (folder / "fits.toml").write_text(model)
    (folder / "trial.toml").write_text(SCENARIO.format(name=name))
    return folder / "trial.toml"


def problems_of(file: Path) -> str:
    """The report of a scenario that cannot be loaded."""
    with pytest.raises(ScenarioError) as caught:
        load_scenario(file)
    return str(caught.value)


def test_coefficients_covariance_and_source_come_from_the_file(tmp_path: Path) -> None:
    loaded = load_scenario(written(tmp_path))
    rash = next(event for event in loaded.scenario.adverse_event if event.name == "rash")
    assert rash.probability_by_dose_mg is None
    assert (rash.intercept, rash.slope_per_auc_per_day) == (-3.0, 0.008)
    assert rash.uncertainty is not None
    x0, sd_logit, sd_slope = 3.582e-3 / 1.558e-5, 0.430, math.sqrt(1.558e-5)
    assert rash.uncertainty.center_auc_per_day == pytest.approx(x0)
    assert rash.uncertainty.sd_logit == pytest.approx(sd_logit, abs=0.001)  # methods 1.4
    assert rash.uncertainty.sd_slope == pytest.approx(sd_slope)
    assert isinstance(rash.source, dict)
    where = "fitted by titrasim er fit to phase1.csv; patients: not stated"
    assert rash.source["intercept"] == where
    assert "probability_by_dose_mg" not in rash.source
    assert rash.exposure_range_auc_per_day == (20.0, 400.0)
    assert not loaded.warnings
    assert tmp_path / "fits.toml" in loaded.files


def test_another_model_of_the_file_by_its_name(tmp_path: Path) -> None:
    scenario = load_scenario(written(tmp_path, "fits.toml#other")).scenario
    rash = next(event for event in scenario.adverse_event if event.name == "rash")
    assert (rash.intercept, rash.uncertainty) == (-1.0, None)


def test_explain_shows_where_the_model_is_from_and_its_intervals(tmp_path: Path) -> None:
    text = " ".join(explain(load_scenario(written(tmp_path)).scenario).split())
    assert "Fitted (model file fits.toml): log-odds -3.0000 + 0.00800" in text
    assert "Standard errors: 0.430 of the log-odds at 229.9 ng*h/mL per day" in text
    assert "fitted by titrasim er fit to phase1.csv" in text


@pytest.mark.parametrize(
    ("name", "model", "words"),
    [
        ("fit.toml", MODEL, 'there is no model file called "fit.toml"'),
        ("fit.toml", MODEL, 'did you mean "fits.toml"?'),
        ("fits.toml#rush", MODEL, 'fits.toml has no model "rush"; it has: rash, other'),
        ("fits.toml#rush", MODEL, 'did you mean "fits.toml#rash"?'),
        ("fits.toml", "format = 1\n[[model", "cannot be used as a model file: this is not TOML"),
        ("fits.toml", "format = 1\nmodel = []", "cannot be used as a model file: model"),
        ("fits.toml", MODEL.replace("0.008", '"steep"'), "slope_per_auc_per_day"),
        ("fits.toml", MODEL.replace('"other"', '"rash"'), 'has "rash" more than once'),
        ("fits.toml", MODEL.replace("[1.0088", "[-1.0088"), "variances must not be negative"),
        ("fits.toml", MODEL.replace("-3.582e-3", "-0.9"), "nor the covariance larger than"),
        ("/fits.toml", MODEL, "takes a file in the scenario's folder"),
    ],
)
def test_a_model_file_that_cannot_be_used(
    tmp_path: Path, name: str, model: str, words: str
) -> None:
    assert words in problems_of(written(tmp_path, name, model))


def test_a_byte_order_mark_does_not_matter(tmp_path: Path) -> None:
    assert not load_scenario(written(tmp_path, model="\ufeff" + MODEL.lstrip())).warnings


def test_a_positive_covariance_keeps_its_sign(tmp_path: Path) -> None:
    model = MODEL.replace("[1.0088, -3.582e-3, 1.558e-5]", "[1.0, 0.003, 1e-5]")
    scenario = load_scenario(written(tmp_path, model=model)).scenario
    rash = next(event for event in scenario.adverse_event if event.name == "rash")
    assert rash.uncertainty is not None
    center, sd_slope = rash.uncertainty.center_auc_per_day, rash.uncertainty.sd_slope
    assert -center * sd_slope**2 == pytest.approx(0.003)
    assert rash.uncertainty.sd_logit**2 + (center * sd_slope) ** 2 == pytest.approx(1.0)


def test_exposures_beyond_the_data_are_warned_about(tmp_path: Path) -> None:
    model = MODEL.replace("[20.0, 400.0]", "[110.0, 400.0]")
    (problem,) = load_scenario(written(tmp_path, model=model)).warnings
    assert problem.code == "D08"
    assert "exposure at 3 mg is outside the 110-400 ng*h/mL per day" in problem.message


def test_whose_data_is_said_with_every_result(tmp_path: Path) -> None:
    model = MODEL.replace("events = 7", 'events = 7\npopulation = "relapsed myeloma"', 1)
    loaded = load_scenario(written(tmp_path, model=model))
    (text,) = [text for text in limits_of([loaded.scenario]) if "fits.toml" in text]
    assert text.endswith("to phase1.csv; patients: relapsed myeloma.")


def test_explain_takes_a_model_whose_probability_rounds_to_one(tmp_path: Path) -> None:
    model = MODEL.replace("0.008", "9.0").replace("[20.0, 400.0]", "[0.0, 400.0]")
    assert "of the hazard is background" in explain(
        load_scenario(written(tmp_path, model=model)).scenario
    )


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    file = written(inside)
    (inside / "fits.toml").rename(tmp_path / "fits.toml")
    (inside / "fits.toml").symlink_to(tmp_path / "fits.toml")
    assert 'there is no model file called "fits.toml"' in problems_of(file)
