"""Table 2 of the paper, recovered through the simulator at fixed dose: all twelve numbers.

The typical patient (no spread of CL/F, no stops, no exits) has them within rounding. A whole
population does not: the logistic is convex where P is small, so patients with a high exposure
gain more than those with a low one lose (Jensen). The population average is shown beside it.
`python -m pytest -s tests/exact/test_table2.py` prints the table.
"""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.special import expit

from sim.engines.run import record
from sim.plan.plan import Plan, compile_plan
from sim.scenario.file import load_scenario

from .chain import Kind, Model, auc_per_day, course_probability, population_average
from .simulated import CLOCKS, FIXED_3, FIXED_4, WEIGHTS, count, overrides_of, simulated_values

TABLE_2 = {
    "neutropenia": (10, 16),
    "thrombocytopenia": (23, 28),
    "rash": (8, 10),
    "fatigue": (19, 26),
    "diarrhea": (19, 24),
    "benefit": (37, 44),
}
# methods.md 1.3, SD of log CL/F 0.391: population average minus Table 2, percentage points.
JENSEN = {
    "neutropenia": (3.1, 5.5),
    "thrombocytopenia": (1.6, 2.4),
    "rash": (0.8, 1.5),
    "fatigue": (2.7, 4.0),
    "diarrhea": (1.8, 2.8),
    "benefit": (1.9, 2.2),
}
DOSES = (3.0, 4.0)
WHOLE_COURSE = {"stop_probability": 0.0, "other_exit": 0.0}
ROUNDING = 0.5
PATIENTS = 400_000
SD = 0.391
MEAN_FACTOR = math.exp(SD**2 / 2)


def course(dose: float, **changes: object) -> Model:
    """A fixed dose for 12 cycles that nobody leaves."""
    base = FIXED_3 if dose == 3.0 else FIXED_4
    return replace(base, **WHOLE_COURSE, **changes)  # type: ignore[arg-type]


def plan_of(dose: float, model: Model, *more: str) -> Plan:
    name = f"minimal-fixed-{dose:g}mg"
    return compile_plan(load_scenario(name, [*overrides_of(model), *more]).scenario, seed=2016)


@cache
def percentages(
    dose: float, model: Model, more: tuple[str, ...] = (), patients: int = PATIENTS
) -> dict[str, float]:
    """Simulated P(at least one event in 12 cycles) of each kind, and of benefit, in per cent."""
    told = simulated_values(count(plan_of(dose, model, *more), patients))
    assert told["completed", None] == 1.0
    found = {kind.name: 100.0 * told["first_event:" + kind.name, 12] for kind in model.kinds}
    return found | {"benefit": 100.0 * told["clinical_benefit", None]}


def benefit_kind() -> Kind:
    """Benefit as if it were an event: the same logistic form."""
    eta_3, eta_4 = (math.log(p / (1 - p)) for p in (0.37, 0.44))
    a_3, a_4 = (float(auc_per_day(FIXED_3, dose, FIXED_3.typical_clf)) for dose in DOSES)
    beta = (eta_4 - eta_3) / (a_4 - a_3)
    return Kind("benefit", "non_hematologic", alpha=eta_3 - beta * a_3, beta=beta)


def outcome_kinds() -> dict[str, Kind]:
    return {kind.name: kind for kind in (*FIXED_3.kinds, benefit_kind())}


def assert_is_table_2(found: dict[str, float], column: int) -> None:
    assert found.keys() == TABLE_2.keys()
    for name, row in TABLE_2.items():
        assert abs(found[name] - row[column]) < ROUNDING, (name, found[name])


TYPICAL = [
    pytest.param(law, clock, id=f"{name}, {clock}")
    for name, law in {"piecewise": {}, **WEIGHTS}.items()
    for clock in CLOCKS
]


@pytest.mark.parametrize(("law", "clock"), TYPICAL)
def test_typical_patient_has_table_2(law: dict[str, object], clock: str) -> None:
    for column, dose in enumerate(DOSES):
        model = course(dose, sd_log_clf=0.0, clock=clock, **law)
        assert_is_table_2(percentages(dose, model), column)


@pytest.mark.parametrize("theta", [0.5, 2.0])
def test_frailty_keeps_table_2(theta: float) -> None:
    """On average over the frailty; 100,000 patients: 0.5 points are 3.5 errors or more."""
    for column, dose in enumerate(DOSES):
        model = course(dose, sd_log_clf=0.0, frailty_variance=theta)
        assert_is_table_2(percentages(dose, model, patients=100_000), column)


def test_frailty_makes_events_of_a_patient_go_together() -> None:
    """The marginals stay, P(no event at all) rises to (1 + theta sum L)^(-1/theta)."""
    theta = 2.0
    model = course(3.0, sd_log_clf=0.0, frailty_variance=theta)
    told = simulated_values(count(plan_of(3.0, model), 100_000))
    load = sum(((1 - p / 100) ** -theta - 1) / theta for p, _ in list(TABLE_2.values())[:5])
    none = (1 + theta * load) ** (-1 / theta)
    assert abs(told["first_event:any", 12] - (1 - none)) < 4.5 * math.sqrt(none / 100_000)
    apart = 1 - math.prod(1 - p / 100 for p, _ in list(TABLE_2.values())[:5])
    assert told["first_event:any", 12] < apart - 0.1


def test_population_average_lies_above_table_2() -> None:
    """The gap is Jensen's: the exact average over CL/F, and the size printed in methods.md."""
    print("\n            typical patient       population average    exact average")
    for column, dose in enumerate(DOSES):
        typical = percentages(dose, course(dose, sd_log_clf=0.0))
        average = percentages(dose, course(dose))
        for name, kind in outcome_kinds().items():
            exact = 100.0 * population_average(course(dose), kind, dose)
            print(
                f"{dose:g} mg {name:<17} {typical[name]:6.2f} ({TABLE_2[name][column]})"
                f"      {average[name]:6.2f}               {exact:6.2f}"
            )
            p = exact / 100.0
            assert abs(average[name] - exact) < 450.0 * math.sqrt(p * (1 - p) / PATIENTS), name
            at_typical = 100.0 * float(course_probability(course(dose), kind, dose)[0])
            assert at_typical == pytest.approx(TABLE_2[name][column], abs=1e-9)
            gap = average[name] - TABLE_2[name][column]
            assert gap == pytest.approx(JENSEN[name][column], abs=0.06 + 0.33), name
            assert exact - at_typical == pytest.approx(JENSEN[name][column], abs=0.06), name
            assert gap > ROUNDING, "a population alone does not give Table 2"


def test_the_gap_is_that_of_averaging_over_the_patients_own_exposure() -> None:
    """P at each simulated patient's own AUC, averaged: above P at the typical AUC, and above P at
    the mean AUC, which itself is above the typical one."""
    model = course(4.0)
    histories, _ = record(plan_of(4.0, model), 0, 20_000)
    auc = auc_per_day(model, 4.0, histories.latents[:, 0])
    for name, kind in outcome_kinds().items():
        assert kind.alpha is not None and kind.beta is not None
        own = expit(kind.alpha + kind.beta * auc)
        exact = population_average(model, kind, 4.0)
        assert abs(own.mean() - exact) < 4.5 * own.std() / math.sqrt(len(own)), name
        at_mean = expit(kind.alpha + kind.beta * auc.mean())
        if name != "benefit":  # P below 0.3: convex; benefit at 0.44 is nearly linear
            assert own.mean() > at_mean + 0.001 > TABLE_2[name][1] / 100.0
    assert np.median(auc) == pytest.approx(133.64, rel=0.01)
    assert auc.mean() == pytest.approx(133.64 * MEAN_FACTOR, rel=0.015)


def test_reading_m_holds_for_the_patient_with_the_mean_auc() -> None:
    """Reading M: the table belongs to the mean AUC, 1.080 times the typical one."""
    for column, dose in enumerate(DOSES):
        plan = plan_of(dose, course(dose), "exposure_response.reading=mean")
        slopes = []
        for number, kind in enumerate(FIXED_3.kinds):
            alpha, beta = float(plan.record.intercept[number]), float(plan.record.slope[number])
            assert (alpha, beta) == pytest.approx((kind.alpha, (kind.beta or 0) / MEAN_FACTOR))
            at = f"adverse_event.{kind.name}"
            slopes += [f"{at}.intercept={alpha!r}", f"{at}.slope_per_auc_per_day={beta!r}"]
        at_mean = f"pharmacokinetics.cl_f_l_per_h={FIXED_3.typical_clf / MEAN_FACTOR!r}"
        alone = course(dose, sd_log_clf=0.0)
        found = percentages(dose, alone, (*slopes, at_mean))
        for name in [kind.name for kind in FIXED_3.kinds]:
            assert abs(found[name] - TABLE_2[name][column]) < ROUNDING, name
        average = percentages(dose, course(dose), ("exposure_response.reading=mean",))
        for name, kind in outcome_kinds().items():
            changed = replace(kind, beta=(kind.beta or 0) / MEAN_FACTOR)
            p = population_average(course(dose), changed, dose)
            error = 450.0 * math.sqrt(p * (1 - p) / PATIENTS)
            assert abs(average[name] - 100.0 * p) < error, name


def test_reading_a_makes_the_population_average_the_table() -> None:
    """Reading A: the printed numbers are averages over patients, so the typical one is below."""
    reading = ("exposure_response.reading=population",)
    for column, dose in enumerate(DOSES):
        assert_is_table_2(percentages(dose, course(dose), reading), column)
        plan = plan_of(dose, course(dose), *reading)
        auc = float(auc_per_day(FIXED_3, dose, FIXED_3.typical_clf))
        for number, kind in enumerate(FIXED_3.kinds):
            alpha, beta = float(plan.record.intercept[number]), float(plan.record.slope[number])
            exact = population_average(
                course(dose), replace(kind, alpha=alpha, beta=beta), dose, nodes=128
            )
            assert 100.0 * exact == pytest.approx(TABLE_2[kind.name][column], abs=1e-6)
            assert 100.0 * expit(alpha + beta * auc) < TABLE_2[kind.name][column] - 0.2


def test_the_study_probability_in_every_cycle_is_not_what_happens() -> None:
    """The classic error would turn 19 % into 92 %."""
    found = percentages(3.0, course(3.0, sd_log_clf=0.0))
    assert found["fatigue"] < 20.0 < 100.0 * (1 - 0.81**12)
