"""Published tables: the numbers of methods 1.2 and 1.3, boxes by brute force, bad input."""

import csv
import itertools
import json
import re
import shutil
import tomllib
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq, fsolve, minimize
from scipy.special import expit, logit
from scipy.stats import norm

from sim.cli.main import main
from sim.errors import LimitError
from sim.exposure_response.anomalies import anomalies
from sim.exposure_response.design import paper_design
from sim.exposure_response.published import (
    ExposureScale,
    PublishedTable,
    check_box,
    half_unit_of,
    published_tables,
    solve_published,
)
from sim.exposure_response.table import solve_table

# 3 doses of 1000 ug in 28 days, CL 1.86 L/h, F 0.58.
PER_MG = 3000.0 / (28.0 * 1.86 / 0.58)
# methods 1.1: var log CL/F = 0.1532, printed as SD 0.391.
SD_LOG = 0.1532**0.5
PRINTED = {
    "neutropenia": (0.10, 0.16),
    "thrombocytopenia": (0.23, 0.28),
    "rash": (0.08, 0.10),
    "fatigue": (0.19, 0.26),
    "diarrhea": (0.19, 0.24),
    "benefit": (0.37, 0.44),
}
# methods 1.2: alpha [box], 1000 beta [box], odds ratio per mg, P(0) % [box], P(5.5 mg) % [box].
SECTION_1_2 = {
    "neutropenia": (
        (-3.814, -4.152, -3.484),
        (16.13, 13.38, 18.93),
        1.71,
        (2.2, 1.5, 3.0),
        (29.9, 26.4, 33.8),
    ),
    "thrombocytopenia": (
        (-2.000, -2.188, -1.813),
        (7.90, 6.31, 9.49),
        1.30,
        (11.9, 10.1, 14.0),
        (36.6, 34.2, 39.1),
    ),
    "rash": (
        (-3.178, -3.621, -2.743),
        (7.34, 3.66, 11.06),
        1.28,
        (4.0, 2.6, 6.0),
        (13.8, 11.2, 17.0),
    ),
    "fatigue": (
        (-2.662, -2.871, -2.455),
        (12.09, 10.35, 13.85),
        1.50,
        (6.5, 5.4, 7.9),
        (39.2, 36.5, 41.9),
    ),
    "diarrhea": (
        (-2.342, -2.555, -2.130),
        (8.90, 7.11, 10.70),
        1.35,
        (8.8, 7.2, 10.6),
        (33.0, 30.5, 35.7),
    ),
    "benefit": (
        (-1.405, -1.552, -1.259),
        (8.71, 7.46, 9.96),
        1.34,
        (19.7, 17.5, 22.1),
        (54.9, 52.8, 56.9),
    ),
}
# methods 1.3: average over patients minus Table 2 at 3 and 4 mg, points, in the order of PRINTED.
GAPS = {
    ("typical", 0.391): [(3.1, 5.5), (1.6, 2.4), (0.8, 1.5), (2.7, 4.0), (1.8, 2.8), (1.9, 2.2)],
    ("typical", 0.575): [(6.9, 10.1), (3.7, 4.9), (2.1, 3.6), (5.7, 7.3), (4.0, 5.6), (3.8, 4.2)],
    ("mean", 0.391): [(1.6, 2.8), (0.5, 0.7), (0.3, 0.6), (1.1, 1.4), (0.6, 0.9), (0.3, 0.1)],
}
# methods 1.3: alpha and 1000 beta under reading A.
READING_A = {
    "neutropenia": (-3.836, 13.73),
    "thrombocytopenia": (-2.002, 7.11),
    "rash": (-3.144, 6.17),
    "fatigue": (-2.699, 10.93),
    "diarrhea": (-2.340, 7.89),
    "benefit": (-1.445, 8.32),
}


def table_of(name: str) -> PublishedTable:
    """Table 2 of the paper: whole percents at 3 and 4 mg."""
    low, high = PRINTED[name]
    return PublishedTable(name, {"3": low, "4": high}, 0.005)


def average(intercept: float, slope: float, auc: float, sd_log: float) -> float:
    """E[expit] over the log-normal exposure by adaptive quadrature."""
    value, _ = quad(
        lambda z: expit(intercept + slope * auc * np.exp(sd_log * z)) * norm.pdf(z), -12, 12
    )
    return float(value)


def codes(name: str, *, with_design: bool = True) -> set[str]:
    """The anomalies of one endpoint of Table 2, as codes."""
    scale = ExposureScale(PER_MG, 0.391)
    model = solve_published(table_of(name), scale, "typical", 5.5)
    design = paper_design() if with_design else None
    return {odd.code for odd in anomalies(name, {"T": model}, {}, scale, design, (0.8, 8.9))}


@pytest.mark.parametrize("name", PRINTED)
def test_the_table_of_methods_1_2(name: str) -> None:
    model = solve_published(table_of(name), ExposureScale(PER_MG, 0.391), "typical", 5.5)
    alpha, beta, odds_ratio, zero, beyond = SECTION_1_2[name]
    found = [
        (model.intercept, 1.0, alpha, 0.0005),
        (model.slope, 1000.0, beta, 0.005),
        (model.at_zero, 100.0, zero, 0.05),
        (model.beyond, 100.0, beyond, 0.05),
    ]
    for box, factor, expected, half_digit in found:
        got = [factor * value for value in (box.value, box.low, box.high)]
        assert got == pytest.approx(expected, abs=half_digit * 1.001)
    assert model.odds_ratio_per_mg.value == pytest.approx(odds_ratio, abs=0.005)


@pytest.mark.parametrize(("reading", "sd_log"), GAPS)
def test_the_jensen_gaps_of_methods_1_3(reading: str, sd_log: float) -> None:
    for name, expected in zip(PRINTED, GAPS[reading, sd_log], strict=True):
        model = solve_published(table_of(name), ExposureScale(PER_MG, sd_log), reading, 5.5)
        gaps = [100.0 * gap for gap in model.jensen_gap.values()]
        # All to the printed digit but one: fatigue at 3 mg under M is 1.05, printed 1.1.
        assert gaps == pytest.approx(expected, abs=0.0541), name
        for dose, printed, gap in zip((3.0, 4.0), PRINTED[name], gaps, strict=True):
            found = model.coefficients
            mean = average(found.intercept, found.slope, dose * PER_MG, sd_log)
            assert gap == pytest.approx(100.0 * (mean - printed), abs=1e-6)


@pytest.mark.parametrize("name", PRINTED)
def test_reading_a_of_methods_1_3(name: str) -> None:
    model = solve_published(table_of(name), ExposureScale(PER_MG, SD_LOG), "population", 5.5)
    alpha, beta = READING_A[name]
    assert model.coefficients.intercept == pytest.approx(alpha, abs=0.0005)
    assert 1000.0 * model.coefficients.slope == pytest.approx(beta, abs=0.005)
    for dose, printed in zip((3.0, 4.0), PRINTED[name], strict=True):
        found = model.coefficients
        mean = average(found.intercept, found.slope, dose * PER_MG, SD_LOG)
        assert mean == pytest.approx(printed, abs=1e-8)


def test_reading_m_divides_the_slope() -> None:
    """methods 1.3: alpha unchanged, beta / exp(sd^2 / 2)."""
    scale = ExposureScale(PER_MG, 0.391)
    typical = solve_published(table_of("rash"), scale, "typical", 5.5).coefficients
    mean = solve_published(table_of("rash"), scale, "mean", 5.5).coefficients
    assert mean.intercept == pytest.approx(typical.intercept, abs=1e-12)
    assert typical.slope / mean.slope == pytest.approx(1.0794, abs=5e-5)


def test_more_doses_by_least_squares_with_residuals_and_box() -> None:
    """Against numpy's least squares at every one of the 16 corners of the box."""
    doses = np.array([2.0, 3.0, 4.0, 5.0])
    printed = np.array([0.10, 0.15, 0.30, 0.41])
    (table,) = published_tables(["x=2:0.10,3:0.15,4:0.30,5:0.41"])
    assert table.half_unit == pytest.approx(0.005)
    model = solve_published(table, ExposureScale(PER_MG, 0.391), "typical", 7.0)
    slope, intercept = np.polyfit(doses * PER_MG, logit(printed), 1)
    assert (model.coefficients.intercept, model.coefficients.slope) == pytest.approx(
        (intercept, slope)
    )
    fitted = intercept + slope * doses * PER_MG
    assert list(model.residual_logit.values()) == pytest.approx(list(logit(printed) - fitted))
    assert list(model.residual_probability.values()) == pytest.approx(list(printed - expit(fitted)))
    corners = [
        np.polyfit(doses * PER_MG, logit(printed + 0.005 * np.array(signs)), 1)
        for signs in itertools.product((-1.0, 1.0), repeat=4)
    ]
    ranges = {
        "slope": [b for b, _ in corners],
        "intercept": [a for _, a in corners],
        "at_zero": [expit(a) for _, a in corners],
        "beyond": [expit(a + b * 7.0 * PER_MG) for b, a in corners],
    }
    for name, values in ranges.items():
        box = getattr(model, name)
        assert (box.low, box.high) == pytest.approx((min(values), max(values))), name


def test_the_box_of_reading_a_by_brute_force() -> None:
    scale = ExposureScale(PER_MG, 0.391)
    model = solve_published(table_of("rash"), scale, "population", 5.5)
    nodes, weights = np.polynomial.hermite_e.hermegauss(99)
    weights = weights / weights.sum()
    exposure = np.array([[3.0], [4.0]]) * PER_MG * np.exp(0.391 * nodes)

    def solved(low: float, high: float) -> tuple[float, float]:
        def gap(x: np.ndarray) -> np.ndarray:
            return expit(x[0] + x[1] * exposure / 100.0) @ weights - np.array([low, high])

        a, b = fsolve(gap, [-3.1, 0.6], xtol=1e-13)
        return float(a), float(b) / 100.0

    corners = [
        solved(0.08 + 0.005 * s, 0.10 + 0.005 * t) for s, t in itertools.product((-1, 1), repeat=2)
    ]
    slopes = [b for _, b in corners]
    zeros = [expit(a) for a, _ in corners]
    far = [expit(a + b * 5.5 * PER_MG) for a, b in corners]
    for box, values in ((model.slope, slopes), (model.at_zero, zeros), (model.beyond, far)):
        assert (box.low, box.high) == pytest.approx((min(values), max(values)), rel=1e-6)


def test_intercept_and_slope_move_together() -> None:
    """The steepest corner has the lowest P at zero dose."""
    model = solve_published(table_of("rash"), ExposureScale(PER_MG, 0.391), "typical", 5.5)
    assert model.steepest.high is not None
    assert model.steepest.high.slope == model.slope.high
    assert model.steepest.high.intercept == model.intercept.low


@pytest.mark.parametrize(
    ("texts", "half"),
    [
        (["0.10", "0.16"], 0.005),
        (["0.1", "0.16"], 0.005),
        (["8%", "10%"], 0.005),
        (["8.5 %", "10%"], 0.0005),
        (["0.1", "0.2"], 0.05),
        (["8e-2", "1e-1"], 0.005),
        (["8.0e-2", "1.00e-1"], 0.0005),
        (["8e0%", "1e1%"], 0.005),
        (["8e-05"], 0.000005),
    ],
)
def test_half_a_unit_of_the_last_digit(texts: list[str], half: float) -> None:
    assert half_unit_of(texts) == pytest.approx(half)


def test_anomalies_of_the_paper() -> None:
    flat = {name for name in PRINTED if "flat_slope" in codes(name)}
    background = {name for name in PRINTED if "high_background" in codes(name)}
    weak = {name for name in PRINTED if "weak_design" in codes(name)}
    by_rounding = {name for name in PRINTED if "design_depends_on_rounding" in codes(name)}
    assert flat == {"rash"}
    assert background == {"thrombocytopenia", "rash", "diarrhea", "benefit"}
    assert weak == {"rash"}
    assert by_rounding == {"thrombocytopenia"}
    assert all("extrapolation" in codes(name) for name in PRINTED)
    assert "weak_design" not in codes("rash", with_design=False)


def test_a_falling_table_is_named() -> None:
    scale = ExposureScale(PER_MG, 0.391)
    table = PublishedTable("falling", {"3": 0.20, "4": 0.10}, 0.005)
    model = solve_published(table, scale, "typical", 4.0)
    found = {odd.code for odd in anomalies("falling", {"T": model}, {}, scale, paper_design())}
    assert "negative_slope" in found
    assert "extrapolation" not in found
    level = PublishedTable("level", {"3": 0.10, "4": 0.10}, 0.005)
    model = solve_published(level, scale, "typical", 5.5)
    found = {odd.code for odd in anomalies("level", {"T": model}, {}, scale)}
    assert {"zero_slope", "slope_of_no_sign"} <= found


def test_a_bent_table_is_named() -> None:
    scale = ExposureScale(PER_MG, 0.391)
    table = PublishedTable("bent", {"2": 0.10, "3": 0.40, "4": 0.20}, 0.005)
    model = solve_published(table, scale, "typical", 5.5)
    found = {odd.code for odd in anomalies("bent", {"T": model}, {}, scale)}
    assert "not_logistic" in found


def test_rounding_that_reaches_zero_is_refused() -> None:
    table = PublishedTable("rare", {"3": 0.01, "4": 0.02}, 0.01)
    with pytest.raises(LimitError, match=r"rare: 0\.01 at 3 mg"):
        check_box(table, 5.5)


def test_the_command_on_the_shipped_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["er", "table", "ixazomib-maintenance", "--design", "paper"]) == 0
    text = capsys.readouterr().out
    assert "7.34 [3.66, 11.06]" in text
    assert "rash: flat slope" in text
    assert "relapsed/refractory" in text
    assert "doi:10.1007/s10637-016-0346-7, Table 2" in text
    assert "other_nonhematologic: has no slope" in text


def test_json_and_csv_hold_the_same_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rash.csv"
    words = ["er", "table", "--probability", "rash=3:8%,4:10%", "--csv", str(file), "--json"]
    assert main(words) == 0
    content = json.loads(capsys.readouterr().out)
    numbers = content["endpoints"][0]["numbers"]
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [float(row["value"]) for row in rows] == [number["value"] for number in numbers]
    assert {number["reading"] for number in numbers} == {"T", "M", "A"}
    assert main(words) == 3
    assert "this file is there already" in capsys.readouterr().err
    assert main([*words, "--overwrite"]) == 0


def test_a_reading_without_solution_does_not_hide_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A probability averaged over patients cannot rise faster than their exposures spread."""
    words = ["er", "table", "--probability", "x=1:0.01,2:0.99", "--cl-f-sd-log", "0.9", "--json"]
    assert main(words) == 0
    (endpoint,) = json.loads(capsys.readouterr().out)["endpoints"]
    assert {number["reading"] for number in endpoint["numbers"]} == {"T", "M"}
    assert "no_model" in {odd["code"] for odd in endpoint["anomalies"]}
    assert main([*words, "--reading", "A"]) == 2
    assert "too far apart" in capsys.readouterr().err


def test_all_faults_of_the_options_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["er", "table"]
    for text in ("a=3:1,4:x", "1b=3:0.1,4:0.2", "c=3:0.1", "d=3:0.1,3.0:0.2", "e=3:0.1,4:0.2"):
        words += ["--probability", text]
    assert main([*words, "--probability", "e=3:0.1,4:0.2"]) == 2
    report = capsys.readouterr().err
    for found in (
        '"1" is not between 0 and 1',
        '"4:x" is not a dose and a probability',
        '"1b" is not a letter',
        "one dose is not enough",
        "3 mg is given twice",
        '"e" is given twice',
    ):
        assert found in report
    assert "Traceback" not in report


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "give a scenario, or --probability"),
        (["ixazomib-maintenance", "--probability", "a=3:0.1,4:0.2"], "and not both"),
        (["ixazomib-maintenance", "--cl-f", "0"], "0.001 to 100000 is allowed"),
        (["ixazomib-maintenance", "--cl-f", "1e-300"], "0.001 to 100000 is allowed"),
        (["ixazomib-maintenance", "--cl-f", "nan"], "0.001 to 100000 is allowed"),
        (["--probability", "a=1e-300:0.1,4:0.2"], "is not 0 or from 1e-06 to 10000 mg"),
        (["ixazomib-maintenance", "--beyond", "1e-300"], "0 or 1e-06 to 10000 mg is allowed"),
        (["ixazomib-maintenance", "--doses-per-cycle", "5"], "go with --probability"),
        (["ixazomib-maintenance", "--cycle-days", "21"], "go with --probability"),
        (["--probability", "a=3:0.1,4:0.2", "--set", "seed=1"], "--set changes a scenario"),
        (["ixazomib-maintenance", "--csv", "table.txt"], "its name must end in .csv"),
        (["ixazomib-maintenance", "--design", "1e300:4,2:4"], '--design: error[E20]: dose "1e300"'),
        (["ixazomib-maintenance", "--cl-f-sd-log", "-1"], "0 to 3 is allowed"),
        (["ixazomib-maintenance", "--beyond", "-2"], "a dose of -2 mg"),
        (["ixazomib-maintenance", "--half-unit", "0.2"], "reaches 0 or 1"),
        (["ixazomib-maintenance", "--model", "m.toml"], "--model needs --design"),
        (["ixazomib-maintenance", "--design", "1:x"], '--design: error[E20]: "1:x" is not a dose'),
        (["axitinib-titration", "--design", "paper"], "the paper's design is of ixazomib"),
    ],
)
def test_options_that_do_not_fit(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["er", "table", *options]) == 2
    assert said in capsys.readouterr().err


def averages_of(intercept: float, slope: float, doses: list[float], sd_log: float) -> np.ndarray:
    """E[expit] at doses in mg, by a fine sum over the normal law."""
    z = np.linspace(-9.0, 9.0, 20_001)
    weights = norm.pdf(z) / norm.pdf(z).sum()
    exposure = np.array(doses)[:, None] * PER_MG * np.exp(sd_log * z)
    return np.asarray(expit(intercept + slope * exposure) @ weights)


def test_two_doses_are_the_line_through_them() -> None:
    for low, high in PRINTED.values():
        auc = np.array([3.0, 4.0]) * PER_MG
        logits = [np.log(p) - np.log1p(-p) for p in (low, high)]
        slope = (logits[1] - logits[0]) / (auc[1] - auc[0])
        found = solve_table({"3": low, "4": high}, PER_MG, 0.391, "typical")
        assert found.slope == pytest.approx(slope, rel=4e-15)
        assert found.intercept == pytest.approx(logits[0] - slope * auc[0], rel=4e-15)


@pytest.mark.parametrize(
    ("intercept", "slope", "sd_log", "doses"),
    [
        (-8.0, 0.1, 0.9, (3.0, 4.0)),
        (-3.2, 0.01, 2.5, (3.0, 4.0)),
        (-40.0, 0.4, 0.391, (3.0, 3.5)),
        (2.0, -0.02, 0.9, (1.0, 5.0)),
        (-2.0, 0.01, 1.5, (0.0, 4.0)),
        (-300.0, 3.0, 0.391, (3.0, 3.2)),
    ],
)
def test_reading_a_finds_the_model_that_a_table_comes_from(
    intercept: float, slope: float, sd_log: float, doses: tuple[float, float]
) -> None:
    low, high = averages_of(intercept, slope, list(doses), sd_log)
    table = {repr(doses[0]): float(low), repr(doses[1]): float(high)}
    found = solve_table(table, PER_MG, sd_log, "population")
    assert (found.intercept, found.slope) == pytest.approx((intercept, slope), rel=1e-5)
    again = averages_of(found.intercept, found.slope, list(doses), sd_log)
    assert again == pytest.approx([low, high], abs=1e-9)


def test_reading_a_knows_its_limit() -> None:
    """The steepest line is a step: Phi^-1 of the two averages differ by log(4 / 3) / SD at most."""
    limit = norm.cdf(norm.ppf(0.606) + np.log(4.0 / 3.0) / 0.9)
    for part in (0.9, 0.999):
        high = 0.606 + part * (limit - 0.606)
        found = solve_table({"3": 0.606, "4": high}, PER_MG, 0.9, "population")
        again = averages_of(found.intercept, found.slope, [3.0, 4.0], 0.9)
        assert again == pytest.approx([0.606, high], abs=1e-7)
    with pytest.raises(LimitError, match="too far apart"):
        solve_table({"3": 0.606, "4": limit + 1e-6}, PER_MG, 0.9, "population")
    falling = norm.cdf(norm.ppf(0.606) - np.log(4.0 / 3.0) / 0.9)
    with pytest.raises(LimitError, match="too far apart"):
        solve_table({"3": 0.606, "4": falling - 1e-6}, PER_MG, 0.9, "population")


def test_reading_a_says_where_it_only_did_not_find_a_model() -> None:
    table = {"2": 0.10, "3": 0.15, "4": 0.30, "5": 0.41}
    with pytest.raises(LimitError, match=r"were found .* is not proven"):
        solve_table(table, PER_MG, 0.9, "population")


def test_reading_a_fits_more_doses_by_least_squares() -> None:
    """Against a simplex search over logits of sums over the normal law, and 8 corners."""
    doses = [2.0, 3.0, 5.0]
    printed = np.array([0.10, 0.20, 0.30])

    def fitted(p: np.ndarray, start: tuple[float, float]) -> tuple[float, float]:
        def squares(scaled: np.ndarray) -> float:
            averaged = averages_of(scaled[0], scaled[1] / 100.0, doses, 0.391)
            return float(((logit(p) - logit(averaged)) ** 2).sum())

        options = {"xatol": 1e-9, "fatol": 1e-14, "maxiter": 600}
        a, b = minimize(squares, start, method="Nelder-Mead", options=options).x
        return float(a), float(b) / 100.0

    table = PublishedTable("x", dict(zip(("2", "3", "5"), printed, strict=True)), 0.005)
    model = solve_published(table, ExposureScale(PER_MG, 0.391), "population", 7.0)
    start = (model.coefficients.intercept + 0.1, 100.0 * model.coefficients.slope * 0.9)
    intercept, slope = fitted(printed, start)
    found = model.coefficients
    assert (found.intercept, found.slope) == pytest.approx((intercept, slope), rel=1e-5)
    averaged = averages_of(intercept, slope, doses, 0.391)
    assert list(model.residual_probability.values()) == pytest.approx(printed - averaged, abs=1e-6)
    assert list(model.residual_logit.values()) == pytest.approx(
        logit(printed) - logit(averaged), abs=1e-5
    )
    assert min(abs(miss) for miss in model.residual_probability.values()) > 0.005
    corners = [
        fitted(printed + 0.005 * np.array(signs), (intercept, 100.0 * slope))
        for signs in itertools.product((-1.0, 1.0), repeat=3)
    ]
    zeros = [expit(a) for a, _ in corners]
    slopes = [b for _, b in corners]
    assert (model.slope.low, model.slope.high) == pytest.approx(
        (min(slopes), max(slopes)), rel=1e-4
    )
    assert (model.at_zero.low, model.at_zero.high) == pytest.approx(
        (min(zeros), max(zeros)), rel=1e-4
    )


def test_a_misfit_is_judged_under_every_reading(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["er", "table", "--probability", "x=2:0.10,3:0.15,4:0.30,5:0.41", "--json"]
    assert main(words) == 0
    (endpoint,) = json.loads(capsys.readouterr().out)["endpoints"]
    (odd,) = [one["words"] for one in endpoint["anomalies"] if one["code"] == "not_logistic"]
    assert "-1.7 points at 3 mg" in odd and "(readings T, M)" in odd
    assert "-2.4 points at 3 mg" in odd and "(reading A)" in odd
    # Exact solutions miss by their tolerance only, also where nothing is rounded.
    words = ["er", "table", "--probability", "x=3:0.08,4:0.10", "--half-unit", "0", "--json"]
    assert main(words) == 0
    (endpoint,) = json.loads(capsys.readouterr().out)["endpoints"]
    assert "not_logistic" not in {one["code"] for one in endpoint["anomalies"]}


@pytest.mark.parametrize("text", ["rash=5:0.99,6:0.01", "rash=100:0.9,105:0.2"])
def test_a_steeply_falling_table_is_told(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["er", "table", "--probability", text]) == 0
    shown = capsys.readouterr().out
    assert "the slope is negative" in shown
    assert "P at zero dose is high" not in shown


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("rash=1234.567:0.08,1234.568:0.1", "1234.567", "1234.568"),
        ("rash=3.0000001:0.08,3.0000002:0.1", "3.0000001", "3.0000002"),
    ],
)
def test_doses_close_together_stay_two(
    text: str, low: str, high: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert main(["er", "table", "--probability", text, "--design", "paper"]) == 0
    shown = capsys.readouterr().out
    assert f"8 % at {low} mg, 10 % at {high} mg" in shown
    assert f"the printed {low} to {high} mg" in " ".join(shown.split())
    (table,) = published_tables([text])
    assert list(table.probability_by_dose_mg) == [low, high]
    found = solve_table(table.probability_by_dose_mg, PER_MG, 0.391, "typical")
    slope = (logit(0.1) - logit(0.08)) / (PER_MG * (float(high) - float(low)))
    assert found.slope == pytest.approx(slope, rel=1e-5)


def test_one_dose_has_no_slope() -> None:
    with pytest.raises(LimitError, match="at least two different doses"):
        solve_table({"3": 0.1, "3.0": 0.2}, PER_MG, 0.391, "typical")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        close = {"1234.567": 0.1, "1234.568": 0.2, "1234.569": 0.3}
        found = solve_table(close, PER_MG, 0.391, "typical")
    slope = (logit(0.3) - logit(0.1)) / (0.002 * PER_MG)
    assert found.slope == pytest.approx(slope, rel=1e-5)


def z_of(intercept: float, slope: float) -> float:
    """Slope / SE under the paper's 44 patients, by sums over body surface area and CL/F."""
    b, z = np.linspace(-7.0, 7.0, 141), np.linspace(-8.0, 9.0, 341)
    weight = np.outer(norm.pdf(b), norm.pdf(z))
    spread = np.outer(1.97 + 0.24 * b, np.exp(0.391 * z))
    information = np.zeros((2, 2))
    levels = {0.48: 1, 0.80: 3, 1.20: 2, 1.68: 4, 2.23: 3, 2.97: 26, 3.95: 5}
    for level, patients in levels.items():
        auc = PER_MG * level * spread
        p = expit(intercept + slope * auc)
        w = patients * weight / weight.sum() * p * (1.0 - p)
        information += [[w.sum(), (w * auc).sum()], [(w * auc).sum(), (w * auc**2).sum()]]
    return float(slope / np.linalg.inv(information)[1, 1] ** 0.5)


def test_the_expected_z_of_rash_over_its_rounding_box() -> None:
    """docs/phase-1-uncertainty.md: 0.92 to 2.49, and 1.96 from a slope of 0.0078 on."""

    def line(low: float, high: float) -> tuple[float, float]:
        slope = (logit(high) - logit(low)) / PER_MG
        return float(logit(low) - 3.0 * PER_MG * slope), float(slope)

    flat, printed, steep = line(0.085, 0.095), line(0.08, 0.10), line(0.075, 0.105)
    assert [round(z_of(*one), 2) for one in (flat, printed, steep)] == [0.92, 1.86, 2.49]

    def above(part: float) -> float:
        way = [one + part * (other - one) for one, other in zip(printed, steep, strict=True)]
        return z_of(*way) - 1.959964

    slope = printed[1] + brentq(above, 0.0, 1.0) * (steep[1] - printed[1])
    assert round(1000.0 * slope, 1) == 7.8
    scale = ExposureScale(PER_MG, 0.391)
    model = solve_published(table_of("rash"), scale, "typical", 5.5)
    found = {
        odd.code: odd.words for odd in anomalies("rash", {"T": model}, {}, scale, paper_design())
    }
    assert "an expected z of 1.86 [0.92, 2.49] over the rounding box" in found["weak_design"]
    assert "only slopes from 7.8 (x 1000) on reach 1.96" in found["weak_design"]


@pytest.mark.parametrize(
    "text", ["rash=3:0.08,3.001:0.10", "x=3:0.08,3.02:0.10", "x=3:0.1,3.3:0.5"]
)
def test_the_range_of_the_expected_z_holds_the_value(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the line is steep, z falls with the slope."""
    assert main(["er", "table", "--probability", text, "--design", "paper", "--reading", "T"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    found = re.search(r"expected z of ([0-9.]+) \[([0-9.]+), ([0-9.]+)\]", shown)
    assert found is not None
    value, low, high = (float(number) for number in found.groups())
    assert low <= value <= high and low < high
    (table,) = published_tables([text])
    solved = solve_table(table.probability_by_dose_mg, PER_MG, 0.391, "typical")
    if abs(solved.intercept) < 100.0:
        assert value == pytest.approx(z_of(solved.intercept, solved.slope), abs=0.006)


def test_a_design_without_information_is_an_anomaly(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["er", "table", "--probability", "x=2:0.5,3:0.6", "--design", "1e6:4,1e5:4", "--json"]
    assert main(words) == 0
    (endpoint,) = json.loads(capsys.readouterr().out)["endpoints"]
    assert "no_information" in {odd["code"] for odd in endpoint["anomalies"]}


def test_columns_stay_apart_and_numbers_short(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["er", "table", "--probability", "rash=3:0.08,3.001:0.10"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (intercept,) = [line for line in lines if line.startswith("  intercept")]
    assert re.search(r"-369\.021\] {2,}-737\.810 \[-1110\.839, -369\.021\] {2,}-$", intercept)
    (ratio,) = [line for line in lines if line.startswith("  odds ratio")]
    assert "2.853e+106 [1.195e+53, 2.797e+160]" in ratio
    (head,) = [line for line in lines if "T typical patient" in line]
    assert head.index("T typical patient") == ratio.index("2.853e+106")
    assert head.index("M mean exposure") == ratio.index("4.179e+98")
    assert max(map(len, lines)) < 160


def test_csv_replaces_nothing_but_its_own_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["er", "table", "--probability", "rash=3:8%,4:10%", "--overwrite"]
    data = tmp_path / "data.csv"
    data.write_text("id,auc,event\n1,100,0\n", "utf-8")
    assert main([*words, "--csv", str(data)]) == 3
    assert "is not a table that titrasim er table wrote" in capsys.readouterr().err
    assert data.read_text("utf-8") == "id,auc,event\n1,100,0\n"
    notes = tmp_path / "notes.txt"
    notes.write_text("mine", "utf-8")
    assert main([*words, "--csv", str(notes)]) == 2
    assert main([*words, "--csv", str(tmp_path / "missing" / "a.csv")]) == 3
    assert main([*words, "--model", str(notes), "--design", "paper"]) == 3
    assert notes.read_text("utf-8") == "mine"
    source = Path(__file__).parent.parent / "scenarios" / "ixazomib-maintenance.toml"
    scenario = tmp_path / "mine.toml"
    shutil.copy(source, scenario)
    before = scenario.read_bytes()
    words = ["er", "table", str(scenario), "--design", "paper", "--overwrite"]
    assert main([*words, "--model", str(scenario)]) == 3
    assert scenario.read_bytes() == before
    link = tmp_path / "link.csv"
    link.symlink_to(scenario)
    assert main([*words, "--csv", str(link)]) == 2
    assert "which is an input of this command" in capsys.readouterr().err
    assert scenario.read_bytes() == before


def test_the_population_travels_with_the_numbers(tmp_path: Path) -> None:
    file, models = tmp_path / "a.csv", tmp_path / "a.toml"
    words = ["er", "table", "ixazomib-maintenance", "--design", "paper"]
    assert main([*words, "--csv", str(file), "--model", str(models)]) == 0
    with file.open(encoding="utf-8", newline="") as lines:
        populations = {row["population"] for row in csv.DictReader(lines)}
    (said,) = populations
    assert "44 relapsed/refractory patients" in said
    written = tomllib.loads(models.read_text("utf-8"))["model"]
    assert {model["population"] for model in written} == populations
    words = ["er", "table", "--probability", "rash=3:8%,4:10%", "--design", "paper"]
    assert main([*words, "--csv", str(file), "--model", str(models), "--overwrite"]) == 0
    with file.open(encoding="utf-8", newline="") as lines:
        assert {row["population"] for row in csv.DictReader(lines)} == {"not stated"}
    (model,) = tomllib.loads(models.read_text("utf-8"))["model"]
    assert model["population"] == "not stated"
    # 44 patients of seven levels; 5 and 95 % of the mixture of their log-normal exposures.
    levels = {0.48: 1, 0.80: 3, 1.20: 2, 1.68: 4, 2.23: 3, 2.97: 26, 3.95: 5}

    def below(auc: float, share: float) -> float:
        parts = [
            n * norm.cdf(np.log(auc / (PER_MG * 1.97 * level)) / 0.391)
            for level, n in levels.items()
        ]
        return float(sum(parts) / 44.0 - share)

    ends = [brentq(below, 1.0, 2_000.0, args=(share,)) for share in (0.05, 0.95)]
    assert model["exposure_range"] == pytest.approx(ends, rel=1e-6)
    assert "events expected (7.2) and covariance expected" in model["source"]
    assert "exposure_range holds 90 %" in model["source"]
