"""The page of the paper's figures shows what its commands draw, byte for byte."""

from pathlib import Path

import pytest

from sim.cli.main import main

FIGURES = Path(__file__).parent.parent / "docs" / "figures"
EVENTS = ("neutropenia", "thrombocytopenia", "rash", "fatigue", "diarrhea", "clinical_benefit")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_model_curves() -> None:
    assert main(["er", "design", "--trials", "0", "--figure", "model_curves.png"]) == 0
    drawn = Path("model_curves.png").read_bytes()
    assert drawn == (FIGURES / "model_curves.png").read_bytes()


def test_observed_proportions_of_the_simulated_trial() -> None:
    trial = ["er", "trial", "--design", "fixed", "--metric", "nominal", "--trials", "20"]
    assert main([*trial, "--out", "loop"]) == 0
    Path("loop/trial-1.csv").rename("simulated-trial.csv")
    events = [word for event in EVENTS for word in ("--event", event)]
    fit = ["er", "fit", "simulated-trial.csv", "--exposure", "auc_per_day", "--doses-mg", "3,4"]
    assert main([*fit, *events, "--out", "fit"]) == 0
    drawn = Path("fit/observed_proportions.png").read_bytes()
    assert drawn == (FIGURES / "observed_proportions.png").read_bytes()
