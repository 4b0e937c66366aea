"""Concentrations and areas against a differential equation, published values and hand arithmetic;
individual parameters from files; dosing by body surface area.
"""

import math
import statistics
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, stats

from sim.concentrations import patient_profile
from sim.engines.run import outcome_blocks, record
from sim.errors import DataError, FileError, LimitError
from sim.pharmacokinetics import accumulation_shares, share_of_auc_by
from sim.pharmacokinetics.disposition import Kinetics, disposition
from sim.pharmacokinetics.individuals import (
    Individual,
    Individuals,
    clearance_law,
    read_individuals,
    scenario_lines,
)
from sim.pharmacokinetics.parameter_table import parameter_table
from sim.pharmacokinetics.profile import (
    Ledger,
    auc_between,
    concentration,
    cumulative_auc,
    peaks_between,
)
from sim.plan.plan import Plan, compile_plan
from sim.scenario.file import load_scenario

DATA = Path(__file__).parent / "data"
# Gupta, Clin Pharmacokinet 2017;56:1355: ka, CL, F, V2, Q3, V3, Q4, V4.
PUBLISHED = Kinetics(0.34, 1.86, 0.58, 13.7, 5.18, 309.0, 26.1, 205.0)
WEEKLY = np.array([28.0 * cycle + day for cycle in range(26) for day in (1, 8, 15)])
PATIENT_WITH_HOLDS_AND_REDUCTION = 137
PATIENT_WHO_ESCALATES = 258


def weekly(mg: float) -> Ledger:
    """26 cycles with every dose given."""
    return Ledger(WEEKLY, np.full(WEEKLY.size, mg))


def rate_matrix(k: Kinetics) -> np.ndarray:
    """Amounts of depot, central and two peripheral compartments, and central AUC; 1/h."""
    out = k.clearance_l_per_h + k.intercompartmental_2_l_per_h + k.intercompartmental_3_l_per_h
    volume = k.central_volume_l
    to_2, to_3 = k.intercompartmental_2_l_per_h, k.intercompartmental_3_l_per_h
    back_2, back_3 = to_2 / k.peripheral_2_volume_l, to_3 / k.peripheral_3_volume_l
    return np.array(
        [
            [-k.absorption_per_h, 0, 0, 0, 0],
            [k.absorption_per_h, -out / volume, back_2, back_3, 0],
            [0, to_2 / volume, -back_2, 0, 0],
            [0, to_3 / volume, 0, -back_3, 0],
            [0, 1000 / volume, 0, 0, 0],
        ]
    )


def solved(k: Kinetics, ledger: Ledger, hours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Concentration and AUC at increasing hours by DOP853, restarted at every dose and hour.

    Between its steps the method only interpolates, with less accuracy: so it stops everywhere.
    """
    matrix = rate_matrix(k)
    starts = ledger.hours + k.lag_h
    state, time = np.zeros(5), 0.0
    course = []
    for stop in np.unique(np.concatenate([hours, starts])):
        if stop > time:
            state = integrate.solve_ivp(
                lambda _t, y: matrix @ y, (time, stop), state, "DOP853", rtol=1e-12, atol=1e-15
            ).y[:, -1]
            time = float(stop)
        if stop in hours:
            course.append(state)
        state = state + np.eye(5)[0] * (ledger.mg[starts == stop].sum() * k.bioavailability)
    amounts = np.array(course).T
    return 1000.0 * amounts[1] / k.central_volume_l, amounts[4]


def spread_hours(ledger: Ledger, until: float) -> np.ndarray:
    """Hours soon after each dose, when all is in motion, and days later."""
    soon = np.array([0.0, 0.3, 1.1, 3.0, 11.0, 30.0, 80.0])
    hours = np.unique(np.concatenate([(ledger.hours[:, None] + soon).ravel(), [until]]))
    return hours[hours <= until]


def assert_solves(k: Kinetics, ledger: Ledger, hours: np.ndarray) -> None:
    """The closed form is the solution of the equation to 1e-8 relative."""
    expected, area = solved(k, ledger, hours)
    np.testing.assert_allclose(concentration(k, ledger, hours), expected, rtol=1e-8, atol=1e-13)
    np.testing.assert_allclose(cumulative_auc(k, ledger, hours), area, rtol=1e-8, atol=1e-13)


@pytest.fixture(scope="module")
def flagship() -> Plan:
    """The flagship, compiled with seed 1."""
    return compile_plan(load_scenario("ixazomib-maintenance").scenario, 1)


@pytest.mark.parametrize("patient", [PATIENT_WITH_HOLDS_AND_REDUCTION, PATIENT_WHO_ESCALATES])
def test_real_ledgers_solve_the_differential_equation(flagship: Plan, patient: int) -> None:
    histories, _ = record(flagship, patient, 1)
    doses = histories.frames()["doses"].query("cycle <= 8")
    assert not doses["given"].all()
    assert doses["level_mg"].nunique() > 1
    given = doses[doses["given"]]
    ledger = Ledger(given["day"].to_numpy(), given["level_mg"].to_numpy())
    assert_solves(PUBLISHED, ledger, spread_hours(ledger, ledger.hours[-1] + 700.0))


# A rate of the published model, worked out from its matrix and not by the code under test.
RATES = np.sort(-np.linalg.eigvals(rate_matrix(PUBLISHED)[1:4, 1:4]).real)


@pytest.mark.parametrize(
    "kinetics",
    [
        *(replace(PUBLISHED, absorption_per_h=float(rate)) for rate in RATES),
        *(replace(PUBLISHED, absorption_per_h=float(rate) * (1 + 1e-9)) for rate in RATES),
        replace(PUBLISHED, absorption_per_h=float(RATES[1]) * (1 - 1e-5)),
        # Two peripheral compartments with the same rate back, and twins.
        replace(PUBLISHED, peripheral_3_volume_l=309.0 * 26.1 / 5.18),
        replace(PUBLISHED, intercompartmental_3_l_per_h=5.18, peripheral_3_volume_l=309.0),
        # Hardly a second or third compartment, slow absorption, a lag, very unequal rates.
        replace(PUBLISHED, intercompartmental_2_l_per_h=1e-7),
        replace(PUBLISHED, absorption_per_h=0.001),
        replace(PUBLISHED, lag_h=0.22),
        replace(PUBLISHED, central_volume_l=0.5, peripheral_2_volume_l=5_000.0),
    ],
)
def test_degenerate_parameters_solve_it_too(kinetics: Kinetics) -> None:
    ledger = Ledger(np.array([1.0, 8.0, 8.5, 22.0]), np.array([4.0, 3.0, 0.0, 2.3]))
    assert_solves(kinetics, ledger, spread_hours(ledger, 800.0))


def test_parameters_of_every_kind_solve_it() -> None:
    """Three decades around the published values."""
    draws = np.random.default_rng(3).uniform(-1.5, 1.5, (12, 8))
    for row in draws:
        scaled = np.array(list(vars(PUBLISHED).values())[:8]) * 10.0**row
        ledger = Ledger(np.array([1.0, 4.0]), np.array([4.0, 3.0]))
        assert_solves(Kinetics(*scaled.tolist()), ledger, spread_hours(ledger, 200.0))


def test_the_first_moments_after_a_dose() -> None:
    """C = F D ka t / V (1 - (ka + k10 + k12 + k13) t / 2), AUC the same with t/2 and 1/3."""
    k, t = PUBLISHED, 1e-5
    start = 1000.0 * 0.58 * 4.0 * 0.34 / 13.7 * t
    loss = 0.34 + (1.86 + 5.18 + 26.1) / 13.7
    ledger = Ledger([1.0], [4.0])
    assert concentration(k, ledger, t) == pytest.approx(start * (1 - loss * t / 2), rel=1e-9)
    assert cumulative_auc(k, ledger, t) == pytest.approx(
        start * t / 2 * (1 - loss * t / 3), rel=1e-9
    )
    assert concentration(k, ledger, 0.0) == 0.0
    assert concentration(k, ledger, -1.0) == 0.0


def test_early_and_late_areas_meet_without_a_step() -> None:
    """Around the border between the series and the closed form the area grows as it should."""
    hours = np.linspace(0.02, 0.5, 2_001)
    for ka in (0.34, 2.5, float(RATES[2])):
        k = replace(PUBLISHED, absorption_per_h=ka)
        area = cumulative_auc(k, Ledger([1.0], [4.0]), hours)
        middle = 0.5 * (hours[1:] + hours[:-1])
        third = np.diff(area, 3)
        assert np.abs(np.diff(third) / third[:-1]).max() < 0.01, "a step would be far larger"
        slope = np.diff(area) / np.diff(hours)
        np.testing.assert_allclose(slope, concentration(k, Ledger([1.0], [4.0]), middle), rtol=1e-6)


def test_the_whole_area_is_dose_over_clearance() -> None:
    area = cumulative_auc(PUBLISHED, Ledger([1.0, 8.0], [4.0, 3.0]), 1e6)
    assert area == pytest.approx(7.0 * 0.58 / 1.86 * 1000.0, rel=1e-13)
    parts = disposition(PUBLISHED)
    assert parts.weights.sum() == pytest.approx(1.0, rel=1e-14)
    np.testing.assert_allclose(parts.rates_per_h, RATES, rtol=1e-12)


@pytest.mark.parametrize("volume", [13.7, 1e-2, 1e-6])
@pytest.mark.parametrize("exchange", [5.18, 1e-4, 1e5])
def test_slow_rates_are_not_drowned_by_fast_ones(volume: float, exchange: float) -> None:
    """In exact fractions the characteristic polynomial changes sign around each rate."""
    k = replace(PUBLISHED, central_volume_l=volume, intercompartmental_2_l_per_h=exchange)
    exact = {name: Fraction(value) for name, value in vars(k).items()}
    v, q2, q3 = (
        exact["central_volume_l"],
        *(exact[f"intercompartmental_{number}_l_per_h"] for number in (2, 3)),
    )
    k10, k12, k13 = exact["clearance_l_per_h"] / v, q2 / v, q3 / v
    k21, k31 = q2 / exact["peripheral_2_volume_l"], q3 / exact["peripheral_3_volume_l"]

    def polynomial(rate: Fraction) -> Fraction:
        first = (k10 + k12 + k13 - rate) * (k21 - rate) * (k31 - rate)
        return first - k12 * k21 * (k31 - rate) - k13 * k31 * (k21 - rate)

    parts = disposition(k)
    for rate in parts.rates_per_h.tolist():
        below, above = (polynomial(Fraction(rate * (1 + off))) for off in (-1e-13, 1e-13))
        assert below * above < 0
    assert (parts.weights >= 0.0).all()
    assert parts.weights.sum() == pytest.approx(1.0, rel=1e-14)
    # The mean time in the central compartment of a unit bolus is 1 / k10.
    mean_time = float((parts.weights / parts.rates_per_h).sum())
    assert mean_time == pytest.approx(float(1 / k10), rel=1e-11)
    # The next moment rests on the slowest rate: (1 + k12 / k21 + k13 / k31) / k10^2.
    second = float((parts.weights / parts.rates_per_h**2).sum())
    assert second == pytest.approx(float((1 + k12 / k21 + k13 / k31) / k10**2), rel=1e-10)


# Published and derived values: reference/clinical-inputs.md 2.2 to 2.4.


@pytest.mark.parametrize(
    ("mg", "cycles", "steady", "day_1", "day_15", "cmax_1", "cmax_15"),
    [
        (3.0, (80.0, 97.7, 99.9), 100.2, 446, 762, 13.5, 15.9),
        (4.0, (106.6, 130.2, 133.2), 133.6, 595, 1016, 18.0, 21.2),
    ],
)
def test_published_exposure(
    mg: float,
    cycles: tuple[float, float, float],
    steady: float,
    day_1: float,
    day_15: float,
    cmax_1: float,
    cmax_15: float,
) -> None:
    edges = 672.0 * np.arange(27)
    per_day = auc_between(PUBLISHED, weekly(mg), edges) / 28.0
    np.testing.assert_allclose(per_day[:3], cycles, atol=0.05)
    assert per_day[-1] == pytest.approx(steady, abs=0.05)
    assert per_day[-1] == pytest.approx(3000.0 * mg / (28.0 * 1.86 / 0.58), rel=1e-9)
    weeks = auc_between(PUBLISHED, weekly(mg), [0.0, 168.0, 336.0, 504.0])
    # The source cuts its decimals.
    assert weeks[0] == pytest.approx(day_1, abs=1.0)
    assert weeks[2] == pytest.approx(day_15, abs=1.0)
    assert weeks[2] / weeks[0] == pytest.approx(1.71, abs=0.005)
    peaks = peaks_between(PUBLISHED, weekly(mg), [0.0, 168.0, 336.0, 504.0])
    assert peaks.cmax_ng_per_ml[0] == pytest.approx(cmax_1, abs=0.05)
    assert peaks.cmax_ng_per_ml[2] == pytest.approx(cmax_15, abs=0.05)


def test_published_half_lives_and_peak_time() -> None:
    half_lives = np.log(2.0) / disposition(PUBLISHED).rates_per_h
    # 0.27 h, 17.8 h and 9.5 days (9.3-9.8) are printed; parameters are printed to 2-3 digits.
    assert half_lives[2] == pytest.approx(0.27, abs=0.01)
    assert half_lives[1] == pytest.approx(17.8, rel=0.06)
    assert 9.3 <= PUBLISHED.terminal_half_life_days <= 9.8
    assert PUBLISHED.terminal_half_life_days == pytest.approx(half_lives[0] / 24.0)
    tmax = peaks_between(PUBLISHED, Ledger([1.0], [4.0]), [0.0, 168.0]).tmax_hours[0]
    assert tmax == pytest.approx(1.06, abs=0.01)  # median 1 h without food (label)


def test_where_absorption_is_slowest_it_is_the_terminal_rate() -> None:
    slow = replace(PUBLISHED, absorption_per_h=0.001)
    assert slow.terminal_half_life_days == pytest.approx(math.log(2.0) / 0.001 / 24.0)


def test_peaks_are_the_highest_of_a_fine_grid() -> None:
    ledger = Ledger([1.0, 8.0, 15.0, 29.0], [3.0, 3.0, 3.0, 2.3])
    edges = np.array([0.0, 100.0, 168.0, 500.0, 672.0, 1_000.0])
    peaks = peaks_between(PUBLISHED, ledger, edges)
    for place, (start, end) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        fine = np.linspace(start, end, 200_001)
        height = concentration(PUBLISHED, ledger, fine)
        assert peaks.cmax_ng_per_ml[place] == pytest.approx(height.max(), rel=1e-7)
        assert peaks.cmax_ng_per_ml[place] >= height.max() * (1 - 1e-12)
        assert peaks.tmax_hours[place] == pytest.approx(fine[height.argmax()], abs=0.01)


def test_shares_of_later_cycles_solve_the_equation() -> None:
    scenario = load_scenario("ixazomib-maintenance").scenario
    pk = scenario.pharmacokinetics.three_compartments
    assert pk is not None
    _, area = solved(PUBLISHED, Ledger([1.0, 8.0, 15.0], [1.0] * 3), np.arange(0.0, 2_689.0, 672.0))
    shares = accumulation_shares(pk, scenario.posology, 4)
    np.testing.assert_allclose(shares, np.diff(area) / (3 * 580.0 / 1.86), rtol=1e-8)
    assert share_of_auc_by(pk, 0.0) == share_of_auc_by(pk, -5.0) == 0.0
    assert share_of_auc_by(pk, 1e7) == pytest.approx(1.0, rel=1e-13)


@pytest.mark.parametrize("days", [[1], [1, 15]])
def test_shares_of_all_cycles_add_to_one(days: list[int]) -> None:
    loaded = load_scenario("ixazomib-maintenance", [f"posology.dose_days={days}"])
    pk = loaded.scenario.pharmacokinetics.three_compartments
    assert pk is not None
    shares = accumulation_shares(pk, loaded.scenario.posology, 60)
    assert shares.sum() == pytest.approx(1.0, rel=1e-12)
    _, area = solved(PUBLISHED, Ledger(days, np.ones(len(days))), np.array([0.0, 672.0]))
    assert shares[0] == pytest.approx(area[1] / (len(days) * 580.0 / 1.86), rel=1e-8)


@pytest.mark.parametrize(
    ("day", "mg"),
    [([1.0, 8.0], [4.0]), ([1.0, math.nan], [4.0, 4.0]), ([1.0], [-4.0]), ([[1.0]], [[4.0]])],
)
def test_impossible_ledgers_are_refused(day: list[float], mg: list[float]) -> None:
    with pytest.raises(LimitError):
        Ledger(np.array(day), np.array(mg))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"absorption_per_h": 1e9, "central_volume_l": 1e9}, "CL/V2 is .* per h, ka 1e.09"),
        ({"peripheral_3_volume_l": 1e9, "central_volume_l": 1e-6}, "too far apart"),
        (
            dict.fromkeys(["absorption_per_h", "clearance_l_per_h"], 1e6)
            | {"intercompartmental_2_l_per_h": 1e7, "intercompartmental_3_l_per_h": 1e7},
            "half-life is .* at least 0.001 h",
        ),
    ],
)
def test_rates_of_no_patient_are_refused(
    flagship: Plan, changes: dict[str, float], message: str
) -> None:
    kinetics = replace(PUBLISHED, **changes)
    individual = Individual("x", kinetics.cl_f_l_per_h, kinetics)
    with pytest.raises(LimitError, match=message):
        patient_profile(flagship, 17, individual=individual)


def test_what_is_not_refused_has_numbers(flagship: Plan) -> None:
    """Ten decades around the published values; warnings of numpy fail the test."""
    generator = np.random.default_rng(5)
    published = np.array(list(vars(PUBLISHED).values())[:8])
    shown = 0
    for row in generator.uniform(-5.0, 5.0, (40, 8)):
        values = np.clip(published * 10.0**row, 1e-9, 1e9)
        kinetics = Kinetics(*values.tolist())
        individual = Individual("x", kinetics.cl_f_l_per_h, kinetics)
        try:
            with np.errstate(all="raise", under="ignore"):
                profile = patient_profile(flagship, 17, individual=individual)
        except LimitError:
            continue
        shown += 1
        assert np.isfinite(profile.concentrations.to_numpy(dtype=float)).all()
        assert np.isfinite(profile.cycles.select_dtypes("number").to_numpy(dtype=float)).all()
    assert shown >= 10


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_impossible_parameters_are_refused(value: float) -> None:
    with pytest.raises(LimitError, match="central_volume_l"):
        replace(PUBLISHED, central_volume_l=value)


# One simulated patient


def test_a_patient_with_every_dose_has_the_axis_of_the_model() -> None:
    """With accumulation, nothing withheld and nothing late both AUC/day are the same."""
    loaded = load_scenario("fixed-3mg", ["pharmacokinetics.exposure=accumulation"])
    plan = compile_plan(loaded.scenario, 1)
    profiles = [patient_profile(plan, patient) for patient in range(16)]
    smooth = [p for p in profiles if p.doses["given"].all() and (p.cycles["days"] == 28).all()]
    smooth = [p for p in smooth if (p.cycles["doses_given"] == 3).all() and len(p.cycles) > 5]
    assert len(smooth) >= 2
    for profile in smooth:
        np.testing.assert_allclose(
            profile.cycles["auc_per_day"], profile.cycles["risk_auc_per_day"], rtol=1e-9
        )
        nominal = 3000.0 * profile.cycles["level"] / (28.0 * profile.cl_f_l_per_h)
        np.testing.assert_allclose(profile.cycles["nominal_auc_per_day"], nominal, rtol=1e-12)


@pytest.mark.parametrize("carrier", ["bioavailability", "clearance"])
def test_either_carrier_gives_the_simulated_clearance(flagship: Plan, carrier: str) -> None:
    profile = patient_profile(flagship, PATIENT_WITH_HOLDS_AND_REDUCTION, carrier)  # type: ignore[arg-type]
    simulated = record(flagship, PATIENT_WITH_HOLDS_AND_REDUCTION, 1)[0].latents[0, 0]
    assert profile.cl_f_l_per_h == pytest.approx(simulated, rel=1e-14)
    other = "clearance_l_per_h" if carrier == "bioavailability" else "bioavailability"
    assert getattr(profile.kinetics, other) == getattr(PUBLISHED, other)
    whole = cumulative_auc(profile.kinetics, profile.ledger, 1e7)
    assert whole == pytest.approx(1000.0 * profile.ledger.mg.sum() / simulated, rel=1e-12)


def test_withheld_doses_are_in_the_ledger_and_not_in_the_profile(flagship: Plan) -> None:
    profile = patient_profile(flagship, PATIENT_WITH_HOLDS_AND_REDUCTION)
    withheld = profile.doses[~profile.doses["given"]]
    assert len(withheld) == 2
    assert (withheld["drug_mg"] == 0.0).all()
    assert (withheld["withheld_by_rule"] == "hold-for-related-grade-3").all()
    assert profile.ledger.mg.size == len(profile.doses) - 2
    third = profile.cycles.query("cycle == 3").iloc[0]
    assert third["doses_given"] == 1
    assert third["auc_per_day"] < 0.6 * third["nominal_auc_per_day"]
    # The rows of docs/pharmacokinetics.md.
    trough = profile.cycles["ctrough_ng_per_ml"].to_numpy()
    np.testing.assert_allclose(trough[:3], [1.560, 1.756, 0.504], atol=5e-4)
    starts = 24.0 * (profile.cycles["start_day"].to_numpy() - 1.0)
    solution, _ = solved(profile.kinetics, profile.ledger, starts[:4])
    np.testing.assert_allclose(trough[:3], solution[1:], rtol=1e-8)
    peak = profile.cycles["tmax_h_after_dose"].to_numpy()
    np.testing.assert_allclose(peak[:3], 1.06, atol=0.01)
    # A cycle ends where the next begins: 35 days where a delay of a week follows.
    starts = profile.cycles["start_day"].to_numpy()
    assert (np.diff(starts) == profile.cycles["days"].to_numpy()[:-1]).all()
    assert 35 in profile.cycles["days"].to_numpy()


def test_body_surface_area_sets_dose_and_v4_only() -> None:
    plan = compile_plan(load_scenario("bsa-dosing").scenario, 1)
    profile = patient_profile(plan, 3)
    assert profile.bsa_m2 is not None
    factor = (profile.bsa_m2 / 1.87) ** 2.06
    assert profile.kinetics.peripheral_3_volume_l == pytest.approx(205.0 * factor)
    assert profile.kinetics.clearance_l_per_h == 1.86
    assert profile.kinetics.peripheral_2_volume_l == 309.0
    assert profile.ledger.mg[0] == pytest.approx(2.03 * profile.bsa_m2)
    # -37 % at 1.5 m2, +46 % at 2.25 m2: clinical-inputs.md 2.2.
    assert PUBLISHED.at_bsa(1.5).peripheral_3_volume_l / 205.0 == pytest.approx(0.63, abs=0.01)
    assert PUBLISHED.at_bsa(2.25).peripheral_3_volume_l / 205.0 == pytest.approx(1.46, abs=0.01)


# Dosing by body surface area


def test_dosing_by_area_does_not_narrow_exposure() -> None:
    """CL/F does not depend on the area: its spread adds to that of AUC, it takes none away."""
    patients = 6_000
    auc, outcomes = {}, {}
    for name in ("flat-dosing", "bsa-dosing"):
        plan = compile_plan(load_scenario(name).scenario, 1)
        histories, _ = record(plan, 0, patients)
        cl_f, area = histories.latents[:, 0], histories.latents[:, 1]
        auc[name] = 3000.0 * 2.03 * area / (28.0 * cl_f)
        outcomes[name] = np.concatenate(list(outcome_blocks(plan, 0, patients)))["auc_per_day"]
    # Same patients, same clearance, same mean dose.
    middles = (np.arange(200_000) + 0.5) / 200_000
    law = np.clip(stats.norm.ppf(middles, 1.97, 0.24), 1.3, 2.8)
    expected = {
        "flat-dosing": 0.391,
        "bsa-dosing": math.sqrt(0.391**2 + np.var(np.log(law))),
    }
    assert expected["bsa-dosing"] == pytest.approx(0.4101, abs=5e-5)
    for name, values in auc.items():
        error = expected[name] / math.sqrt(2 * patients)
        assert np.std(np.log(values)) == pytest.approx(expected[name], abs=4 * error), name
    assert np.std(np.log(auc["bsa-dosing"])) > np.std(np.log(auc["flat-dosing"]))
    assert np.std(outcomes["bsa-dosing"]) > np.std(outcomes["flat-dosing"])
    difference = auc["bsa-dosing"] - auc["flat-dosing"]
    assert abs(difference.mean()) < 4 * difference.std() / math.sqrt(patients)


def test_clearance_knows_nothing_of_area() -> None:
    plan = compile_plan(load_scenario("bsa-dosing").scenario, 1)
    latents = record(plan, 0, 10_000)[0].latents
    correlation = np.corrcoef(np.log(latents[:, 0]), np.log(latents[:, 1]))[0, 1]
    assert abs(correlation) < 4.0 / math.sqrt(10_000)


def test_the_flat_arm_is_a_dose_in_mg() -> None:
    flat = compile_plan(load_scenario("flat-dosing").scenario, 1)
    overrides = ["posology.start_mg=3.9991", "posology.levels_mg=[2.30096, 3.00031, 3.9991]"]
    # The counts are those of 4 mg, no level here.
    overrides.append("uncertainty.calibration_counts=false")
    in_mg = compile_plan(
        load_scenario("fixed-4mg", [*overrides, "posology.target_mg=3.9991"]).scenario
    )
    per_m2, plain = (record(plan, 0, 200)[0] for plan in (flat, in_mg))
    np.testing.assert_array_equal(per_m2.latents[:, 0], plain.latents[:, 0])
    np.testing.assert_array_equal(per_m2.disposition, plain.disposition)


# Files of individual parameters


@pytest.fixture(scope="module")
def pharmacokinetics():
    """The flagship's table."""
    return load_scenario("ixazomib-maintenance").scenario.pharmacokinetics


@pytest.mark.parametrize(
    ("file", "ids"),
    [
        ("pk_nonmem.csv", ["1", "2", "3"]),
        ("pk_monolix.csv", ["101", "102"]),
        ("pk_nlmixr2.csv", ["A-1", "A-2"]),
    ],
)
def test_full_sets_by_the_names_of_every_tool(file: str, ids: list[str], pharmacokinetics) -> None:
    people = read_individuals(DATA / file, pharmacokinetics)
    assert [one.id for one in people.individuals] == ids
    assert people.individuals[0].kinetics == PUBLISHED
    second = people.individuals[1]
    assert second.kinetics == replace(
        PUBLISHED, clearance_l_per_h=2.9, bioavailability=0.725, peripheral_3_volume_l=150.0
    )
    assert second.cl_f_l_per_h == pytest.approx(4.0, rel=1e-15)


def test_apparent_sets_give_the_same_profile(pharmacokinetics) -> None:
    people = read_individuals(DATA / "pk_apparent.csv", pharmacokinetics)
    kinetics = people.individuals[0].kinetics
    assert kinetics is not None
    assert kinetics.bioavailability == 1.0
    hours = np.array([1.0, 50.0, 400.0])
    np.testing.assert_allclose(
        concentration(kinetics, weekly(4.0), hours),
        concentration(PUBLISHED, weekly(4.0), hours),
        rtol=1e-12,
    )


def test_clearance_alone_with_decimal_commas_and_its_law(pharmacokinetics) -> None:
    people = read_individuals(DATA / "pk_semicolon.csv", pharmacokinetics)
    assert people.of("P2").cl_f_l_per_h == 4.0
    assert people.of("P2").kinetics is None
    law = clearance_law(people)
    logs = [math.log(2.0), math.log(4.0), math.log(8.0)]
    assert law.n == 3
    assert law.typical_l_per_h == pytest.approx(4.0)
    assert law.sd_log == pytest.approx(statistics.stdev(logs))
    assert law.sd_log_se == pytest.approx(math.log(2.0) / 2.0)  # sd / sqrt(2 * 2)
    assert law.quantiles_l_per_h["50 %"] == 4.0
    assert law.quantiles_l_per_h["25 %"] == 3.0
    lines = scenario_lines(law, people.name)
    assert "cl_f_l_per_h = 4\n" in lines
    assert "cl_f_sd_log = 0.6931\n" in lines


def test_the_lines_for_a_scenario_are_taken_by_one(pharmacokinetics, tmp_path: Path) -> None:
    people = read_individuals(DATA / "pk_semicolon.csv", pharmacokinetics)
    head = 'format = 1\nname = "own"\nextends = "ixazomib-minimal"\n\n'
    path = tmp_path / "own.toml"
    path.write_text(head + scenario_lines(clearance_law(people), people.name), encoding="utf-8")
    loaded = load_scenario(path)
    assert loaded.scenario.pharmacokinetics.cl_f_l_per_h == 4.0
    assert loaded.scenario.pharmacokinetics.cl_f_sd_log == 0.6931
    assert loaded.warnings == []


def test_etas_deviate_from_the_typical_patient(pharmacokinetics) -> None:
    people = read_individuals(DATA / "pk_eta.csv", pharmacokinetics)
    typical = 1.86 / 0.58
    assert people.of("1").cl_f_l_per_h == pytest.approx(typical * math.exp(0.2 + 0.1))
    assert people.of("2").cl_f_l_per_h == pytest.approx(typical)
    assert any("typical CL/F of 3.207" in note for note in people.notes)


def people_of(text: str, pharmacokinetics, tmp_path: Path) -> Individuals:
    """Read individuals from a text."""
    path = tmp_path / "p.csv"
    path.write_text(text, encoding="utf-8")
    return read_individuals(path, pharmacokinetics)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ID CL_F\n1 3.0\n", 3.0),
        ("USUBJID,CLF\nx,3.0\n", 3.0),
        ("USUBJID,ID,CLF\nstudy-1,1,3.0\n", 3.0),
        ("id,Cl_SAEM,Cl_mean,Cl_sd\n1,3.0,9,9\n", 3.0),
        ("ID,CL,CL/F\n1,1.5,3.0\n", 3.0),
        ("ID,CL [L/h],BIO\n1,1.5,0.5\n", 3.0),
        ("id cl v ka\n1 3.0 10 1\n", 3.0),
        # R's write.table: no heading over the row names.
        ('"id" "cl"\n"1" 7 3.0\n', 3.0),
        ("ID,DV,CL\n1,NA,3.0\n1,5,3.00\n", 3.0),
        # Fortran's double precision, the line a spreadsheet adds, bars, NONMEM's .phi headings.
        ("ID CL\n1 3.0D+00\n", 3.0),
        ("sep=;\nID;CL\n1;3,0\n", 3.0),
        ("sep=,\nID,CL\n1,3.0\n", 3.0),
        ("ID|CL|V\n1|3.0|9\n", 3.0),
        ("SUBJECT_NO ID ETA_CL ETC(1,1) OBJ\n1 1 0.0 0.01 5\n", 1.86 / 0.58),
        ("ID,CL [L/h],F1 (-)\n1,1.5,0.5\n", 3.0),
        # Rounded, but one CL/F.
        ("ID,CL,F1,CL/F\n1,1.5,0.5,3.01\n", 3.0),
    ],
)
def test_clearance_by_many_names(text: str, expected: float, pharmacokinetics, tmp_path) -> None:
    people = people_of(text, pharmacokinetics, tmp_path)
    assert people.individuals[0].cl_f_l_per_h == pytest.approx(expected)
    assert len(people.individuals) == 1


@pytest.mark.parametrize(
    "header",
    [
        "ID,CL,F1,KA,V1,Q,V2,Q2,V3",
        "ID,CL,F1,KA,VC,Q1,VP1,Q2,VP2",
        "ID,CL,F1,KA,V,Q3,V3,Q4,V4",
        "ID,CL,F1,KA,V,Q2,V2,Q3,V3",
        "id,clearance_l_per_h,bioavailability,absorption_per_h,central_volume_l,"
        "intercompartmental_2_l_per_h,peripheral_2_volume_l,intercompartmental_3_l_per_h,"
        "peripheral_3_volume_l",
    ],
)
def test_numberings_of_compartments(header: str, pharmacokinetics, tmp_path: Path) -> None:
    text = f"{header}\n1,1.86,0.58,0.34,13.7,5.18,309,26.1,205\n"
    people = people_of(text, pharmacokinetics, tmp_path)
    assert people.individuals[0].kinetics == PUBLISHED


def test_half_a_set_is_said_and_not_used(pharmacokinetics, tmp_path: Path) -> None:
    people = people_of("ID,CL,F1,V2\n1,1.86,0.58,20\n", pharmacokinetics, tmp_path)
    assert people.individuals[0].kinetics is None
    assert any("V2 found, but not a full set" in note for note in people.notes)


def test_clearance_without_bioavailability_is_said_to_be_apparent(
    pharmacokinetics, tmp_path: Path
) -> None:
    people = people_of("ID,CL\n1,1.86\n", pharmacokinetics, tmp_path)
    assert people.individuals[0].cl_f_l_per_h == 1.86
    assert any("CL is taken as apparent" in note for note in people.notes)
    assert any("check that units are L/h" in note for note in people.notes)


def test_all_problems_of_a_bad_file_come_at_once(pharmacokinetics) -> None:
    with pytest.raises(DataError) as caught:
        read_individuals(DATA / "pk_bad.csv", pharmacokinetics)
    found = [(problem.line, problem.code) for problem in caught.value.problems]
    expected = [(3, "D35"), (4, "D35"), (5, "D36"), (6, "D37"), (7, "D36"), (7, "D35")]
    assert found == expected
    text = str(caught.value)
    assert 'CL is "fast"; it must be a number' in text
    assert "CL is missing" in text
    assert "CL is -2; it must be more than 0" in text
    assert 'patient 1: CL is "1.90" here, "1.86" in line 2' in text
    assert caught.value.exit_code == 2


def test_missing_columns_name_the_nearest(pharmacokinetics) -> None:
    with pytest.raises(DataError) as caught:
        read_individuals(DATA / "pk_no_clearance.csv", pharmacokinetics)
    assert {problem.code for problem in caught.value.problems} == {"D32"}
    assert 'was "clearence" meant?' in str(caught.value)
    assert 'was "patient_no" meant?' in str(caught.value)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "D30"),
        ("\n  \n", "D30"),
        ("ID,CL\n", "D30"),
        ("TABLE NO. 1\nID CL\nID CL\n", "D30"),
        ("ID,CL\n1,2,3\n2,3\n", "D31"),
        ("CL\n3\n", "D32"),
        ("ID,ETA1\n1,0.2\n", "D32"),
        ("ID,CL,cl\n1,2,3\n", "D33"),
        ("ID,CL,F1,KA,V2,Q3,V3,Q4,V4,VC\n1,1,1,1,1,1,1,1,1,1\n", "D33"),
        ("ID,CL (mL/min)\n1,31\n", "D34"),
        ("ID,CL,F1 (%)\n1,1.86,60\n", "D34"),
        ("ID,CL,F%\n1,1.86,60\n", "D34"),
        ("ID,CL,F1\n1,1.86,60\n", "D36"),
        ("id,CL_pop\n1,3.0\n", "D32"),
        ("ID,CL/F,KA,V2,Q3,V3,Q4,V4\n1,3.2,0.34,13.7,5.18,309,26.1,205\n", "D33"),
        ("ID,CL/F,KA,V2/F,Q3/F,V3,Q4/F,V4/F\n1,3.2,0.34,13.7,5.18,309,26.1,205\n", "D33"),
        ("ID,CL\n1,1e-320\n", "D36"),
        ("ID,CL\n1,1e10\n", "D36"),
        ("ID,CL,F1\n1,1e-8,10\n1,1e-8,10\n2,1e9,1e-9\n", "D36"),
        ("ID,CL,CL/F,KA,V2,Q3,V3,Q4,V4\n1,100,1,1,1,1,1,1,1\n", "D36"),
        ("ID,CL,F1,CL/F\n1,1.5,0.5,3.1\n", "D36"),
        ("ID,CL,F1,CL/F,KA,V2,Q3,V3,Q4,V4\n1,1.5,0.5,3.1,1,1,1,1,1,1\n", "D36"),
        ("ID,eta.cl\n1,20\n", "D36"),
        ("ID,CL,F1,KA,V2,Q3,V3,Q4,V4,ALAG1\n1,1,1,1,1,1,1,1,1,1e6\n", "D36"),
        (f"ID,CL\n1,{'9' * 140_000}\n", "D31"),
        ("ID,CL\n,3\n", "D35"),
        ("ID,CL\n1,inf\n", "D36"),
        ("ID,CL,F1\n1,3,0\n", "D36"),
        ("ID,eta.cl\n1,50\n", "D36"),
        ("rep,id,Cl\n1,1,2.0\n2,1,2.5\n", "D37"),
    ],
)
def test_bad_files_have_one_clear_code(text: str, code: str, pharmacokinetics, tmp_path) -> None:
    with pytest.raises(DataError) as caught:
        people_of(text, pharmacokinetics, tmp_path)
    assert {problem.code for problem in caught.value.problems} == {code}


def test_a_field_without_end_names_its_line(pharmacokinetics, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"p\.csv:3: error\[D31\]") as caught:
        people_of(f"ID,CL\n1,3\n2,{'9' * 140_000}\n", pharmacokinetics, tmp_path)
    assert len(str(caught.value)) < 300


def test_population_values_are_no_individuals(pharmacokinetics, tmp_path: Path) -> None:
    text = "id,Cl_pop,eta_Cl_mode\n1,1.86,0.5\n2,1.86,-0.5\n"
    people = people_of(text, pharmacokinetics, tmp_path)
    typical = 1.86 / 0.58
    assert people.cl_f_l_per_h == pytest.approx([typical * math.exp(x) for x in (0.5, -0.5)])
    assert "Cl_pop: population values, not used" in people.notes
    with pytest.raises(DataError, match="Cl_pop holds the population's value"):
        people_of("id,Cl_pop\n1,3.0\n", pharmacokinetics, tmp_path)


def test_individuals_who_are_all_alike_are_said_to_be(pharmacokinetics, tmp_path: Path) -> None:
    people = people_of("ID,CLF\n1,3\n2,3\n", pharmacokinetics, tmp_path)
    assert any("all 2 individuals have the same CL/F of 3 L/h" in note for note in people.notes)
    for text in ("ID,CLF\n1,3\n2,3.1\n", "ID,CLF\n1,3\n"):
        people = people_of(text, pharmacokinetics, tmp_path)
        assert not any("have the same" in note for note in people.notes)


def test_one_estimate_for_the_whole_set(pharmacokinetics, tmp_path: Path) -> None:
    """A mode of CL does not go with a mean of F where the means are complete."""
    text = "id,Cl_mode,Cl_SAEM,F_SAEM,ka_SAEM,V1_SAEM,Q2_SAEM,V2_SAEM,Q3_SAEM,V3_SAEM\n"
    text += "1,9,1.86,0.58,0.34,13.7,5.18,309,26.1,205\n"
    people = people_of(text, pharmacokinetics, tmp_path)
    assert people.individuals[0].kinetics == PUBLISHED
    assert not any("different kinds" in note for note in people.notes)
    people = people_of("id,Cl_mode,F_mean\n1,1.86,0.58\n", pharmacokinetics, tmp_path)
    note = "estimates of different kinds are used together: F_mean with Cl_mode"
    assert note in people.notes


def test_clearance_over_f_comes_before_the_column_of_it(pharmacokinetics, tmp_path: Path) -> None:
    """With a full set and without one, CL over F1 and CL/F of 3.02 give 1.5 / 0.5."""
    for head, tail in (("", ""), (",KA,V2,Q3,V3,Q4,V4", ",1,1,1,1,1,1")):
        text = f"ID,CL/F,CL,F1{head}\n1,3.02,1.5,0.5{tail}\n"
        people = people_of(text, pharmacokinetics, tmp_path)
        assert people.individuals[0].cl_f_l_per_h == 3.0
        assert (people.individuals[0].kinetics is not None) == bool(head)
    with pytest.raises(DataError, match="CL/F is 4, but CL over F1 is 3; they must agree"):
        people_of("ID,CL/F,CL,F1\n1,4,1.5,0.5\n", pharmacokinetics, tmp_path)


@pytest.mark.parametrize("head", ["ID,CL,F1,KA,V2/F", "ID,CL/F,F1,KA,V2/F"])
def test_apparent_volumes_with_a_bioavailability(
    head: str, pharmacokinetics, tmp_path: Path
) -> None:
    """V/F times F is V, whichever clearance stands beside it."""
    clearance = 1.86 if "CL," in head else 1.86 / 0.58
    apparent = [str(value / 0.58) for value in (13.7, 5.18, 309.0, 26.1)]
    text = f"{head},Q3/F,V3/F,Q4/F,V4\n1,{clearance!r},0.58,0.34,{','.join(apparent)},205\n"
    kinetics = people_of(text, pharmacokinetics, tmp_path).individuals[0].kinetics
    assert kinetics is not None
    found = list(vars(kinetics).values())
    assert found == pytest.approx(list(vars(PUBLISHED).values()), rel=1e-14)


def test_nameless_etas_are_told_what_to_be_called(pharmacokinetics, tmp_path: Path) -> None:
    text = "SUBJECT_NO ID ETA(1) ETC(1,1) OBJ\n1 1 0.1 0.01 5\n"
    with pytest.raises(DataError, match=r'D32.*"ETA\(1\)" says not of what: .* as ETA_CL'):
        people_of(text, pharmacokinetics, tmp_path)


def test_only_numbers_as_nonmem_writes_them_are_folded(pharmacokinetics, tmp_path: Path) -> None:
    text = "ID,CLF\n1E05,3\n1.0000E+05,4\n-1.2000E+01,5\n1.50,6\n1.5000E+00,7\n"
    people = people_of(text, pharmacokinetics, tmp_path)
    ids = [one.id for one in people.individuals]
    assert ids == ["1E05", "100000", "-12", "1.50", "1.5000E+00"]


def test_control_characters_do_not_reach_the_terminal(pharmacokinetics, tmp_path: Path) -> None:
    people = people_of("ID,CLF\x1b[31m (L/h),CL\na\x1b[31m,3,3\n", pharmacokinetics, tmp_path)
    assert "\x1b" not in "".join(people.notes)
    with pytest.raises(LimitError) as unknown:
        people.of("nobody at all")
    with pytest.raises(DataError) as changed:
        people_of("ID,CL\na\x1b[31m,3\na\x1b[31m,4\n", pharmacokinetics, tmp_path)
    for caught in (unknown, changed):
        assert "\x1b" not in str(caught.value)
        assert "a\\u001b[31m" in str(caught.value)


def test_unreadable_files(pharmacokinetics, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="F01"):
        read_individuals(tmp_path / "none.csv", pharmacokinetics)
    with pytest.raises(FileError, match="F02"):
        read_individuals(tmp_path, pharmacokinetics)
    (tmp_path / "book.csv").write_bytes(b"PK\x03\x04\xff\xfe\x00\x00")
    with pytest.raises(DataError, match="D30"):
        read_individuals(tmp_path / "book.csv", pharmacokinetics)


def test_an_unknown_individual_names_the_nearest(pharmacokinetics) -> None:
    people = read_individuals(DATA / "pk_nlmixr2.csv", pharmacokinetics)
    with pytest.raises(LimitError, match='did you mean "A-1"'):
        people.of("A1")
    assert read_individuals(DATA / "pk_nonmem.csv", pharmacokinetics).of("2").id == "2"


def test_a_million_cells_are_no_trouble() -> None:
    text = "ID,CL\n" + "".join(f"{n},3.0\n" for n in range(50_000))
    assert len(parameter_table(text, "big.csv").rows) == 50_000
