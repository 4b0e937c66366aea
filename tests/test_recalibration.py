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
from sim.propagation import propagate, spread_of
from sim.recalibration import EARLY_SHARE, MULTIPLIER, Drawn, recalibrated
from sim.scenario.file import load_scenario
from sim.scenario.library import shipped_names
from sim.scenario.parameter import with_value
from sim.scenario.scenario import Scenario
from sim.uncertainty import Draw, ParameterDraws


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
    # Ratios of 4 become certain at a quarter; the checker refuses more.
    assert solved.values[MULTIPLIER] == 0.25
    assert solved.at_limit == (MULTIPLIER,)
    assert multiplier_for(flagship, 0.001, 2_000, 1, 0) == (1e-9, False)


def test_hazards_and_counts_are_not_counted_twice(flagship: Scenario) -> None:
    """With the multiplier solved anew, drawn coefficients do not move the share that stops."""
    coefficients = flagship.model_copy(update={"uncertainty": None})
    spread = []
    for number in range(1, 9):
        drawn = ParameterDraws(coefficients).draw(number).scenario
        solved = recalibrated(drawn, Drawn(31 / 275, None), 1, number)
        # Other patients than those it was solved with.
        fixed = stops_at(drawn, 0.0716, 40_000, 77).total
        again = stops_at(solved.scenario, solved.values[MULTIPLIER], 40_000, 77).total
        spread.append((fixed, again))
    fixed, again = np.std(spread, axis=0, ddof=1)
    # What is left is the error of 20,000 patients: 0.0022.
    assert again < 0.0022 * 1.8 < fixed


def test_the_setting_multiplier_is_for_others_than_the_counted(flagship: Scenario) -> None:
    halved = flagship.model_copy(
        update={
            "adverse_event": tuple(
                event.model_copy(update={"setting_multiplier": 0.5})
                for event in flagship.adverse_event
            )
        }
    )
    counts = Drawn(31 / 275, 27 / 31)
    assert recalibrated(halved, counts, 1).values == recalibrated(flagship, counts, 1).values


def test_early_share_follows_frailty_exposure_and_the_early_cycles(flagship: Scenario) -> None:
    counts = Drawn(31 / 275, 27 / 31)

    def early(path: str, value: float) -> float:
        return recalibrated(with_value(flagship, path, value), counts, 1).values[EARLY_SHARE]

    own = recalibrated(flagship, counts, 1).values[EARLY_SHARE]
    # methods 5.4: with frailty theta 2 phi falls by about 0.015.
    assert early("exposure_response.frailty_variance", 2.0) == pytest.approx(own - 0.015, abs=0.01)
    assert early("pharmacokinetics.exposure_multiplier", 0.2) != own
    weights = flagship.exposure_response.weights.model_copy(update={"early_cycles": 3})
    other = flagship.exposure_response.model_copy(update={"weights": weights})
    moved = flagship.model_copy(update={"exposure_response": other})
    assert EARLY_SHARE not in recalibrated(moved, counts, 1).values


def test_spread_of_synthetic_draws_is_told_apart_from_their_noise() -> None:
    generator = np.random.default_rng(4)
    n, own, noise = 4_000, 0.05, 0.08
    estimates = generator.normal(0.3, own, n) + generator.normal(0.0, noise, n)
    found = spread_of(estimates, np.full(n, noise**2))
    assert abs(found.mean - 0.3) < 4.5 * found.mean_se
    assert found.mean_se == pytest.approx(math.hypot(own, noise) / math.sqrt(n), rel=0.05)
    assert abs(found.parameter_sd - own) < 4.5 * found.parameter_sd_se
    assert found.parameter_sd_se < 0.05 * own
    assert (found.high - found.low) / 2.0 == pytest.approx(1.96 * own, rel=0.08)
    assert found.is_resolved


def test_the_error_of_the_spread_is_that_seen_over_repetitions() -> None:
    generator = np.random.default_rng(5)
    own, noise, n = 0.05, 0.03, 200
    found = [
        spread_of(generator.normal(0.3, math.hypot(own, noise), n), np.full(n, noise**2))
        for _ in range(400)
    ]
    seen = np.std([one.parameter_sd for one in found])
    assert np.mean([one.parameter_sd_se for one in found]) == pytest.approx(seen, rel=0.15)


def test_spread_below_the_noise_has_no_range() -> None:
    values = np.array([0.30, 0.31, 0.29])
    found = spread_of(values, np.full(3, 0.01))
    assert not found.is_resolved
    assert math.isnan(found.parameter_sd)
    assert math.isnan(found.low)
    assert spread_of(np.array([0.2, 0.2]), np.zeros(2)).parameter_sd == 0.0
    assert spread_of(np.array([np.nan, 0.2]), np.zeros(2)).n_draws == 1
    assert math.isnan(spread_of(np.array([np.nan]), np.zeros(1)).mean)


def test_patients_of_different_draws_are_different(flagship: Scenario) -> None:
    """The same scenario in every draw: estimates scatter by Monte Carlo error alone."""
    plain = [Draw(number, flagship, {}, ()) for number in range(1, 9)]
    table = propagate(plain, 1, 400)
    row = table[table.endpoint == "auc_per_day"].iloc[0]
    assert row.mean_se > 0.0


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
    answer = json.loads(capsys.readouterr().out)
    assert set(answer) == {
        "scenario", "seed", "draws", "patients", "parameters", "outcomes", "notes",
    }  # fmt: skip
    assert any("relapsed/refractory" in note for note in answer["notes"])


@pytest.mark.parametrize("name", shipped_names())
def test_every_shipped_scenario_with_uncertainty_can_be_drawn(name: str) -> None:
    scenario = load_scenario(name).scenario
    if scenario.uncertainty is None:
        return
    for draw in ParameterDraws(scenario).draws(2):
        compile_plan(draw.scenario)


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
