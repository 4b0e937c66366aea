"""From data to a trial: fit, name the model in a scenario, check, explain, draw, simulate."""

from pathlib import Path

import pandas as pd
import pytest

from sim.cli.main import main

DATA = Path(__file__).parent / "data" / "simulated-phase-1.csv"
SCENARIO = """
format = 1
extends = "ixazomib-maintenance"
name = "from-data"
title = "The flagship with a model of other data"
[[adverse_event]]
name = "rash"
fitted_model = "fits.toml"
[uncertainty]
calibration_counts = false
"""


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_fit_reaches_the_results_with_its_uncertainty(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fit = ["er", "fit", str(DATA), "--exposure", "auc_per_day", "--event", "rash"]
    assert main([*fit, "--model", "fits.toml", "--population", "44 invented patients"]) == 0
    Path("from-data.toml").write_text(SCENARIO)
    assert main(["check", "from-data.toml"]) == 0
    capsys.readouterr()
    assert main(["explain", "from-data.toml"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Fitted (model file fits.toml)" in told
    assert "44 invented patients" in told
    assert main(["run", "from-data.toml", "--patients", "300", "--out", "results"]) == 0
    assert "44 invented patients" in Path("results/limits.txt").read_text()
    parameters = pd.read_csv("results/parameters.csv")
    rash = parameters[parameters.parameter == "adverse_event.rash.slope_per_auc_per_day"]
    assert rash.source.str.contains("simulated-phase-1.csv").any()
    assert (rash.interval == "95 % by the standard errors").any()
    draws = ["er", "draws", "from-data.toml", "--draws", "50", "--out", "draws"]
    assert main(draws) == 0
    slopes = pd.read_csv("draws/draws.csv")["adverse_event.rash.slope_per_auc_per_day"]
    # The standard error that statsmodels gives for these data: 0.005118.
    assert slopes.std() == pytest.approx(0.005118, rel=0.35)
