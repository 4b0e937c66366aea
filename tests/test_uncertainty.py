"""Parameter draws: fixed stays fixed, bounded stays inside, the sample has the stated moments."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.errors import LimitError
from sim.scenario.file import load_scenario
from sim.scenario.scenario import Scenario
from sim.uncertainty import Draw, ParameterDraws, describe, table_of

DRAWS = 3_000
EXIT = "exit.progression.probability_per_cycle"
HEAD = """
format = 1
name = "trial"
title = "Two doses of a drug"
drug = "ixazomib"
[posology]
levels_mg = [3.0, 4.0]
start_mg = 3.0
reference_dose_mg = 4.0
max_cycles = 12
[pharmacokinetics]
cl_f_l_per_h = 3.2
cl_f_sd_log = 0.39
[[adverse_event]]
name = "rash"
class = "non_hematologic"
counting_grade = 2
intercept = -3.178
slope_per_auc_per_day = 0.00734
uncertainty = { center_auc_per_day = 230.0, sd_logit = 0.43, sd_slope = 0.00395 }
duration = [{ law = "fixed", days = 14 }]
[[exit]]
cause = "progression"
probability_per_cycle = 0.03
"""


def scenario_of(tmp_path: Path, more: str = "", head: str = HEAD) -> Scenario:
    """A small scenario with what is uncertain at its end."""
    file = tmp_path / "trial.toml"
    file.write_text(head + more)
    return load_scenario(file).scenario


def law(path: str, words: str) -> str:
    """One law as a file says it."""
    return f'[[uncertainty.parameter]]\npath = "{path}"\n{words}\n'


def drawn(scenario: Scenario, count: int = DRAWS, seed: int = 1) -> list[Draw]:
    """The draws of a scenario."""
    return list(ParameterDraws(scenario, seed).draws(count))


def column(draws: list[Draw], name: str) -> np.ndarray:
    """The values of one parameter."""
    return np.array([draw.values[name] for draw in draws])


def test_coefficients_have_the_covariance_that_the_uncorrelated_form_means(tmp_path: Path) -> None:
    draws = drawn(scenario_of(tmp_path))
    intercept = column(draws, "adverse_event.rash.intercept")
    slope = column(draws, "adverse_event.rash.slope_per_auc_per_day")
    # alpha = eta - x0 beta: var = se_eta^2 + x0^2 se_beta^2, cov = -x0 se_beta^2.
    v11, v12, v22 = 0.43**2 + (230 * 0.00395) ** 2, -230 * 0.00395**2, 0.00395**2
    root = math.sqrt(DRAWS)
    assert abs(intercept.mean() + 3.178) < 4.5 * math.sqrt(v11) / root
    assert abs(slope.mean() - 0.00734) < 4.5 * math.sqrt(v22) / root
    found = np.cov(intercept, slope)
    for value, expected, other in (
        (found[0, 0], v11, v11 * v11),
        (found[1, 1], v22, v22 * v22),
        (found[0, 1], v12, v11 * v22),
    ):
        assert abs(value - expected) < 4.5 * math.sqrt((expected**2 + other) / DRAWS)
    logit = intercept + 230.0 * slope
    assert abs(np.corrcoef(logit, slope)[0, 1]) < 4.5 / root


def test_slopes_below_zero_are_kept_and_counted(tmp_path: Path) -> None:
    draws = drawn(scenario_of(tmp_path))
    below = column(draws, "adverse_event.rash.slope_per_auc_per_day") < 0.0
    assert [bool(draw.at_limit) for draw in draws] == below.tolist()
    expected = 0.5 * math.erfc(0.00734 / 0.00395 / math.sqrt(2.0))
    assert abs(below.mean() - expected) < 4.5 * math.sqrt(expected / DRAWS)
    table = describe(draws, {})
    row = table[table.parameter == "adverse_event.rash.slope_per_auc_per_day"].iloc[0]
    assert row.at_limit == below.sum() > 0


@pytest.mark.parametrize(
    ("words", "mean", "sd"),
    [
        ('law = "uniform"\nlow = 0.015\nhigh = 0.06', 0.0375, 0.045 / math.sqrt(12.0)),
        ('law = "normal"\nsd = 0.004\nlow = 0.0\nhigh = 0.5', 0.03, 0.004),
        (
            'law = "log_normal"\nsd_log = 0.3\nlow = 0.0\nhigh = 0.9',
            0.03 * math.exp(0.045),
            0.03 * math.exp(0.045) * math.sqrt(math.expm1(0.09)),
        ),
        ('law = "beta"\nevents = 31\npatients = 275', 31.5 / 276, 0.019016),
    ],
)
def test_laws_have_their_moments(tmp_path: Path, words: str, mean: float, sd: float) -> None:
    values = column(drawn(scenario_of(tmp_path, law(EXIT, words))), EXIT)
    assert abs(values.mean() - mean) < 4.5 * sd / math.sqrt(DRAWS)
    assert abs(values.std() / sd - 1.0) < 4.5 * 1.2 / math.sqrt(2.0 * DRAWS)


def test_what_passes_a_limit_is_set_to_it_and_counted(tmp_path: Path) -> None:
    words = 'law = "normal"\nsd = 0.02\nlow = 0.01\nhigh = 0.05'
    draws = drawn(scenario_of(tmp_path, law(EXIT, words)))
    values = column(draws, EXIT)
    assert values.min() == 0.01
    assert values.max() == 0.05
    met = [EXIT in draw.at_limit for draw in draws]
    assert met == np.isin(values, (0.01, 0.05)).tolist()
    expected = math.erfc(1.0 / math.sqrt(2.0))
    assert abs(np.mean(met) - expected) < 4.5 * math.sqrt(expected / DRAWS)
    assert len(draws) == DRAWS


def test_the_drawn_scenario_has_the_drawn_values_and_nothing_else_changes(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path, law(EXIT, 'law = "uniform"\nlow = 0.015\nhigh = 0.06'))
    for draw in drawn(scenario, 20):
        event = draw.scenario.adverse_event[0]
        assert draw.scenario.exit[0].probability_per_cycle == draw.values[EXIT]
        assert event.intercept == draw.values["adverse_event.rash.intercept"]
        table = draw.scenario.model_dump()
        for entry, key in (
            (table["exit"][0], "probability_per_cycle"),
            (table["adverse_event"][0], "intercept"),
            (table["adverse_event"][0], "slope_per_auc_per_day"),
        ):
            entry[key] = None
        original = scenario.model_dump()
        original["exit"][0]["probability_per_cycle"] = None
        original["adverse_event"][0]["intercept"] = None
        original["adverse_event"][0]["slope_per_auc_per_day"] = None
        assert table == original


def test_a_draw_depends_on_its_number_and_seed_alone(tmp_path: Path) -> None:
    alone = scenario_of(tmp_path)
    more = scenario_of(tmp_path, law(EXIT, 'law = "uniform"\nlow = 0.015\nhigh = 0.06'))
    name = "adverse_event.rash.intercept"
    tenth = ParameterDraws(more).draw(10)
    assert tenth.values == drawn(more, 10)[9].values
    assert tenth.values[name] == ParameterDraws(alone).draw(10).values[name]
    assert tenth.values[name] != ParameterDraws(more, seed=2).draw(10).values[name]
    assert ParameterDraws(more).draw(11).values[name] != tenth.values[name]


def test_a_table_is_solved_before_its_coefficients_are_drawn() -> None:
    scenario = load_scenario("ixazomib-maintenance").scenario
    calm = scenario.model_copy(update={"uncertainty": None})
    draws = drawn(calm, 400)
    for name, low, high in (("neutropenia", 0.03, 0.29), ("fatigue", 0.08, 0.40)):
        # methods 1.4: 95 % interval of P at 3 mg for the typical patient, AUC/day 100.23.
        alpha = column(draws, f"adverse_event.{name}.intercept")
        beta = column(draws, f"adverse_event.{name}.slope_per_auc_per_day")
        p = 1.0 / (1.0 + np.exp(-(alpha + beta * 100.23)))
        assert np.quantile(p, 0.025) == pytest.approx(low, abs=0.02)
        assert np.quantile(p, 0.975) == pytest.approx(high, abs=0.05)


@settings(max_examples=40, deadline=None)
@given(
    low=st.floats(0.001, 0.02), width=st.floats(0.005, 0.5), sd=st.floats(0.001, 1.0),
    number=st.integers(1, 1_000_000), seed=st.integers(0, 2**64 - 1),
)  # fmt: skip
def test_bounded_stays_inside(
    tmp_path_factory: pytest.TempPathFactory, low: float, width: float, sd: float,
    number: int, seed: int,
) -> None:  # fmt: skip
    words = f'law = "normal"\nsd = {sd!r}\nlow = {low!r}\nhigh = {low + width!r}'
    scenario = scenario_of(tmp_path_factory.mktemp("law"), law(EXIT, words))
    value = ParameterDraws(scenario, seed).draw(number).values[EXIT]
    assert low <= value <= low + width


def test_kinds_and_counts_are_drawn_independently() -> None:
    scenario = load_scenario("ixazomib-maintenance").scenario
    assert scenario.uncertainty is not None
    calm = scenario.uncertainty.model_copy(update={"calibration_counts": False})
    draws = drawn(scenario.model_copy(update={"uncertainty": calm}), 2_000)
    names = [name for name in draws[0].values if name.endswith("slope_per_auc_per_day")]
    slopes = np.corrcoef([column(draws, name) for name in names])
    assert np.abs(slopes - np.eye(len(names))).max() < 4.5 / math.sqrt(2_000)
    counts = [draw.values for draw in ParameterDraws(scenario).draws(12)]
    stopped = np.array([values["calibration.stopped_share"] for values in counts])
    early = np.array([values["calibration.early_share"] for values in counts])
    # Of 31, not of 275: 0.87 on average, with an SD of 0.06.
    assert abs(early.mean() - 27.5 / 32) < 4.5 * 0.061 / math.sqrt(12)
    assert abs(np.corrcoef(stopped, early)[0, 1]) < 0.95


def test_with_another_typical_clearance_center_and_slope_keep_their_doses(tmp_path: Path) -> None:
    head = HEAD.replace(
        "intercept = -3.178\nslope_per_auc_per_day = 0.00734",
        'probability_by_dose_mg = { "3.0" = 0.08, "4.0" = 0.10 }',
    )
    words = 'law = "uniform"\nlow = 1.6\nhigh = 6.4'
    scenario = scenario_of(tmp_path, law("pharmacokinetics.cl_f_l_per_h", words), head)
    fixed = scenario_of(tmp_path, "", head)
    for number in range(1, 6):
        moved, still = (ParameterDraws(one).draw(number) for one in (scenario, fixed))
        ratio = moved.values["pharmacokinetics.cl_f_l_per_h"] / 3.2
        name = "adverse_event.rash.slope_per_auc_per_day"
        assert moved.values[name] / still.values[name] == pytest.approx(ratio)
        name = "adverse_event.rash.intercept"
        assert moved.values[name] == pytest.approx(still.values[name])


def test_a_law_of_a_table_moves_what_is_solved_from_it(tmp_path: Path) -> None:
    head = HEAD.replace(
        "intercept = -3.178\nslope_per_auc_per_day = 0.00734",
        'probability_by_dose_mg = { "3.0" = 0.08, "4.0" = 0.10 }',
    ).replace("uncertainty = {", "# {")
    path = "adverse_event.rash.probability_by_dose_mg.3.0"
    scenario = scenario_of(tmp_path, law(path, 'law = "uniform"\nlow = 0.05\nhigh = 0.09'), head)
    draw = ParameterDraws(scenario).draw(1)
    table = draw.scenario.adverse_event[0].probability_by_dose_mg
    assert table == {"3.0": draw.values[path], "4.0": 0.10}


def test_nothing_uncertain_is_refused_in_words(tmp_path: Path) -> None:
    head = HEAD.replace("uncertainty = {", "# {")
    with pytest.raises(LimitError, match="says of no parameter how uncertain it is"):
        ParameterDraws(scenario_of(tmp_path, head=head))


def test_the_table_has_a_row_per_draw(tmp_path: Path) -> None:
    draws = drawn(scenario_of(tmp_path), 7)
    table = table_of(draws)
    assert table["draw"].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert set(table.columns) == {"draw", "at_limit", *draws[0].values}
