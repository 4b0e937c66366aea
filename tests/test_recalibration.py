"""The calibration solved anew in parameter draws, and the spread of outcomes over draws."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sim.calibration import multiplier_for, stops_at
from sim.cli.main import main
from sim.engines.run import outcome_blocks
from sim.plan.plan import compile_plan
from sim.propagation import propagate
from sim.recalibration import EARLY_SHARE, MULTIPLIER, Drawn, recalibrated
from sim.scenario.file import load_scenario
from sim.scenario.scenario import Scenario
from sim.uncertainty import ParameterDraws


@pytest.fixture(scope="module")
def flagship() -> Scenario:
    """The flagship, whose calibration can be solved again."""
    return load_scenario("ixazomib-maintenance").scenario


def test_the_multiplier_gives_the_share_that_was_drawn(flagship: Scenario) -> None:
    for share in (0.08, 0.15):
        solved = recalibrated(flagship, Drawn(share, None), 1)
        multiplier = solved.values[MULTIPLIER]
        assert solved.scenario.calibration is not None
        assert solved.scenario.calibration.multiplier == multiplier
        # Other patients than those it was solved with: 100,000 against 20,000.
        found = stops_at(solved.scenario, multiplier, 100_000, seed=9).total
        error = math.sqrt(share * (1.0 - share) * (1.0 / 20_000 + 1.0 / 100_000))
        assert abs(found - share) < 4.5 * error


def test_more_stops_need_a_larger_multiplier_and_an_early_share_its_own(flagship: Scenario) -> None:
    few, many = (recalibrated(flagship, Drawn(s, 0.87), 1).values for s in (0.09, 0.13))
    assert few[MULTIPLIER] < many[MULTIPLIER]
    early, late = (recalibrated(flagship, Drawn(0.113, s), 1).values for s in (0.9, 0.7))
    assert early[EARLY_SHARE] > 0.76 > late[EARLY_SHARE]
    # methods 5.1: 27 of 31 at 4 mg and a median stay of 6 cycles is 0.76, whatever the kinds.
    central = recalibrated(flagship, Drawn(31 / 275, 27 / 31), 1).values
    assert central[EARLY_SHARE] == pytest.approx(0.76, abs=0.01)


def test_a_share_that_cannot_be_reached_is_said(flagship: Scenario) -> None:
    solved = recalibrated(flagship, Drawn(0.9, None), 1)
    assert solved.values[MULTIPLIER] == 1.0
    assert solved.at_limit == (MULTIPLIER,)
    assert multiplier_for(flagship, 0.001, 2_000, 1) == (1e-9, False)


def test_hazards_and_counts_are_not_counted_twice(flagship: Scenario) -> None:
    """With the multiplier solved anew, drawn coefficients do not move the share that stops."""
    coefficients = flagship.model_copy(update={"uncertainty": None})
    spread = []
    for number in range(1, 9):
        drawn = ParameterDraws(coefficients).draw(number).scenario
        solved = recalibrated(drawn, Drawn(31 / 275, None), 1)
        fixed = stops_at(drawn, 0.0716, 20_000, 1).total
        again = stops_at(solved.scenario, solved.values[MULTIPLIER], 20_000, 1).total
        spread.append((fixed, again))
    fixed, again = np.std(spread, axis=0)
    assert again < 1e-3 < fixed


def test_spread_over_draws_is_told_apart_from_monte_carlo_error(flagship: Scenario) -> None:
    """AUC/day at fixed dose: its mean over patients moves with the SD of log CL/F alone."""
    calm = load_scenario("fixed-4mg").scenario
    only_clearance = {
        "uncertainty": None,
        "adverse_event": tuple(
            event.model_copy(update={"uncertainty": None}) for event in calm.adverse_event
        ),
        "clinical_benefit": None,
    }
    calm = calm.model_copy(update=only_clearance)
    assert flagship.uncertainty is not None
    law = next(p for p in flagship.uncertainty.parameter if p.path.endswith("cl_f_sd_log"))
    with_law = flagship.uncertainty.model_copy(
        update={"parameter": (law,), "calibration_counts": False}
    )
    draws = list(ParameterDraws(calm.model_copy(update={"uncertainty": with_law})).draws(60))
    small, large = propagate(draws, 1, 500), propagate(draws, 1, 8_000)
    row = [t[t.endpoint == "auc_per_day"].iloc[0] for t in (small, large)]
    # With few patients the raw spread is mostly luck; what is reported is not.
    assert row[0].mcse > 3.0 * row[1].mcse
    assert row[0].parameter_sd < 2.5 * max(row[1].parameter_sd, 0.7)
    assert (small.draws == 60).all()
    assert (large.patients_per_draw == 8_000).all()


def test_draws_have_patients_of_their_own(flagship: Scenario) -> None:
    one, two = (compile_plan(flagship, 1, parameter_draw=number) for number in (1, 2))
    days = [next(outcome_blocks(plan, 0, 200))["last_day"] for plan in (one, two)]
    assert (days[0] != days[1]).any()


def test_command_writes_tables_that_open_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "draws"
    call = ["er", "draws", "ixazomib-maintenance", "--draws", "3", "--patients", "500"]
    assert main([*call, "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "their covariance is not published" in text
    assert "discontinued:adverse_event at cycle 26" in text
    assert len(pd.read_csv(out / "draws.csv")) == 3
    assert {"parameter", "mean", "sd", "at_limit"} <= set(pd.read_csv(out / "parameters.csv"))
    assert "parameter_sd" in pd.read_csv(out / "outcomes.csv").columns
    first = (out / "outcomes.csv").read_bytes()
    assert main([*call, "--out", str(out)]) == 3
    assert "already holds draws" in capsys.readouterr().err
    assert main([*call, "--out", str(out), "--overwrite", "--json"]) == 0
    assert (out / "outcomes.csv").read_bytes() == first
    assert set(json.loads(capsys.readouterr().out)) == {"parameters", "outcomes"}


def test_command_refuses_a_scenario_without_uncertainty(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["er", "draws", "ixazomib-minimal"]) == 2
    assert "says of no parameter how uncertain it is" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("--draws 0", 2, "draws is 0; it must be from 1 to"),
        ("--draws -3", 2, "draws is -3; it must be from 1 to"),
        ("--draws 2 --patients -5", 2, "patients is -5; at least 1 is needed"),
        ("--draws 2 --seed -1", 2, "seed is -1"),
        ("--draws 2 --out here.txt", 3, "this is not a folder; nothing was written"),
        (
            "--draws 2 --out full --overwrite",
            3,
            "the folder holds files of other origin (mine.csv)",
        ),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_drawn(
    words: str,
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("here.txt").write_text("mine")
    Path("full").mkdir()
    Path("full/mine.csv").write_text("mine")
    assert main(["er", "draws", "ixazomib-maintenance", *words.split()]) == code
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""
    assert Path("full/mine.csv").read_text() == "mine"
