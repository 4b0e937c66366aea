"""Cumulative incidences, standard errors and intervals against established packages and replicates.

The package is statsmodels: its Aalen-Johansen estimator is run on the same histories. Standard
errors meet bootstraps and the spread of replicate trials; the long tier counts how often 95 %
intervals cover the exact value of the Markov chain.
"""

import math
from functools import cache

import numpy as np
import pandas as pd
import pytest
from exact.chain import solve
from exact.simulated import TITRATION, scenario_of
from numpy.typing import NDArray
from scipy import stats
from statsmodels.duration.survfunc import CumIncidenceRight, SurvfuncRight
from statsmodels.stats.proportion import proportion_confint

from sim.codes import Cause
from sim.comparison import compare_arms
from sim.engines.run import record
from sim.histories import Histories
from sim.model.layout import EVENT_COLUMNS
from sim.plan.plan import Plan, compile_plan
from sim.scenario.file import load_scenario
from sim.summary import summarize, wilson
from sim.tallies import count_arms

PATIENTS = 4_000
SEED = 77
CYCLES = 26
Table = pd.DataFrame


@cache
def flagship(*overrides: str) -> tuple[Plan, Histories, NDArray[np.void]]:
    """The flagship's histories and outcomes."""
    plan = compile_plan(load_scenario("ixazomib-maintenance", overrides).scenario, seed=SEED)
    return plan, *record(plan, 0, PATIENTS)


@cache
def summary_of(*overrides: str) -> Table:
    plan = flagship(*overrides)[0]
    return summarize(count_arms([plan], 0, PATIENTS)[0])


def reported(endpoint: str, *overrides: str) -> Table:
    """Rows of an endpoint by cycle."""
    table = summary_of(*overrides)
    return table[table["endpoint"] == endpoint].set_index("cycle")


def aalen_johansen(
    time: NDArray[np.int64], status: NDArray[np.int64], cause: int, cycles: int = CYCLES
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cumulative incidence of a cause at the end of cycles 1, 2, ..., and its standard error."""
    fit = CumIncidenceRight(time, status)
    place = np.searchsorted(fit.times, np.arange(1, cycles + 1), side="right") - 1
    value, error = fit.cinc[cause - 1], fit.cinc_se[cause - 1]
    return (
        np.where(place >= 0, value[np.maximum(place, 0)], 0.0),
        np.where(place >= 0, error[np.maximum(place, 0)], 0.0),
    )


def ends(histories: Histories) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(cycle, cause) of the end of treatment; completion is censoring after the last cycle."""
    cycle, cause = histories.disposition[:, 1], histories.disposition[:, 3]
    return np.where(cause == Cause.COMPLETED, cycle.max() + 1, cycle), cause


def first_events(
    histories: Histories, kind: str | None, grade: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(cycle, status) of the first event: 1 the event, 2 treatment ended before, 0 completed."""
    events = pd.DataFrame(histories.adverse_events, columns=list(EVENT_COLUMNS))
    chosen = events["grade"] >= grade
    if kind is not None:
        chosen &= events["kind"] == histories.names.kinds.index(kind)
    first = events[chosen].groupby("patient")["cycle"].min()
    time, cause = ends(histories)
    status = np.where(cause == Cause.COMPLETED, 0, 2)
    at = np.searchsorted(histories.disposition[:, 0], first.index.to_numpy())
    time, status = time.copy(), status.copy()
    time[at], status[at] = first.to_numpy(), 1
    return time, status


CAUSES = ("adverse_event", "progression", "withdrawal", "death")


@pytest.mark.parametrize("cause", CAUSES)
def test_discontinuation_is_aalen_johansen(cause: str) -> None:
    time, status = ends(flagship()[1])
    value, error = aalen_johansen(time, status, Cause[cause.upper()])
    rows = reported(f"discontinued:{cause}")
    assert value[-1] > 0
    assert rows["estimate"].to_numpy() == pytest.approx(value, abs=1e-12)
    assert rows["mcse"].to_numpy() == pytest.approx(error, rel=0.01, abs=1e-9)
    assert len(rows) == CYCLES


def test_discontinuation_by_route_is_aalen_johansen() -> None:
    """Routes compete with each other and with the other causes."""
    histories = flagship()[1]
    time, cause = ends(histories)
    route = histories.disposition[:, 4]
    status = np.where(cause == Cause.ADVERSE_EVENT, route, np.where(cause > 0, 7, 0))
    seen = 0
    for code, name in ((1, "event"), (2, "grade"), (3, "max_delay"), (5, "below_lowest")):
        value, _ = aalen_johansen(time, status, code)
        rows = reported(f"discontinued:adverse_event:{name}")
        assert rows["estimate"].to_numpy() == pytest.approx(value, abs=1e-12), name
        seen += value[-1] > 0
    assert seen >= 3


@pytest.mark.parametrize(
    ("kind", "grade"),
    [
        (None, 1),
        ("neutropenia", 3),
        ("neutropenia", 4),
        ("rash", 2),
        ("rash", 3),
        ("fatigue", 2),
        ("other_nonhematologic", 2),
    ],
)
def test_first_events_are_aalen_johansen(kind: str | None, grade: int) -> None:
    plan, histories, _ = flagship()
    value, error = aalen_johansen(*first_events(histories, kind, grade), cause=1)
    name = f"first_event:{kind or 'any'}"
    if kind is not None and grade > plan.record.counting_grade[plan.names.kinds.index(kind)]:
        name += f":g{grade}"
    rows = reported(name)
    assert value[-1] > 0.01
    assert rows["estimate"].to_numpy() == pytest.approx(value, abs=1e-12)
    assert rows["mcse"].to_numpy() == pytest.approx(error, rel=0.01, abs=1e-9)


def test_incidences_within_fewer_cycles_are_those_of_a_censored_course() -> None:
    """26 cycles censored after 12 by the package, and a scenario of 12 cycles: the same numbers.

    But for those whom a late start of cycle 13 stops: they belong to cycle 12, which in a course
    of 12 cycles nothing follows.
    """
    shorter = "posology.max_cycles=12"
    histories = flagship()[1]
    time, status = ends(histories)
    doses = histories.doses
    last_start = dict(doses[(doses[:, 1] == 12) & (doses[:, 2] == 1)][:, [0, 3]].tolist())
    waited = [
        row for row in histories.disposition
        if row[1] == 12 and row[3] == Cause.ADVERSE_EVENT and row[2] >= last_start[row[0]] + 28
    ]  # fmt: skip
    assert waited
    for cause in CAUSES:
        code = Cause[cause.upper()]
        cut = np.minimum(time, 13), np.where(time > 12, 0, status)
        value, error = aalen_johansen(*cut, code, cycles=12)
        short = reported(f"discontinued:{cause}", shorter)
        estimate = short["estimate"].to_numpy()
        assert estimate[:11] == pytest.approx(value[:11], abs=1e-12)
        assert short["mcse"].to_numpy() == pytest.approx(error, rel=0.01, abs=1e-9)
        more = len(waited) / PATIENTS if cause == "adverse_event" else 0.0
        assert -1e-12 <= value[11] - estimate[11] <= more + 1e-12
    event_time, event_status = first_events(flagship()[1], "fatigue", 2)
    cut = np.minimum(event_time, 13), np.where(event_time > 12, 0, event_status)
    value, _ = aalen_johansen(*cut, 1, cycles=12)
    rows = reported("first_event:fatigue", shorter)
    assert rows["estimate"].to_numpy() == pytest.approx(value, abs=1e-12)


def test_incidences_survive_independent_censoring_and_kaplan_meier_overstates() -> None:
    """Staggered follow-up leaves Aalen-Johansen unbiased; 1 - Kaplan-Meier is another number."""
    time, status = ends(flagship()[1])
    follow_up = np.random.default_rng(4).integers(3, 30, len(time))
    seen, known = np.minimum(time, follow_up), np.where(time <= follow_up, status, 0)
    value, error = aalen_johansen(seen, known, Cause.ADVERSE_EVENT, cycles=20)
    ours = reported("discontinued:adverse_event")["estimate"].to_numpy()[:20]
    assert np.all(np.abs(value - ours) < 4.5 * error + 1e-9)
    alone = SurvfuncRight(time, (status == Cause.ADVERSE_EVENT).astype(int))
    at_end = 1.0 - alone.surv_prob[alone.surv_times <= CYCLES][-1]
    assert at_end > ours[-1] + 0.01


def test_causes_and_those_on_treatment_add_up() -> None:
    """on_treatment(c + 1) + discontinued:any by c = 1, until completion."""
    anyhow = reported("discontinued:any")["estimate"].to_numpy()
    each = sum(reported(f"discontinued:{cause}")["estimate"].to_numpy() for cause in CAUSES)
    on = reported("on_treatment")["estimate"].to_numpy()
    assert each == pytest.approx(anyhow, abs=1e-12)
    assert on[1:] + anyhow[:-1] == pytest.approx(np.ones(CYCLES - 1), abs=1e-12)
    table = summary_of()
    completed = table[table["endpoint"] == "completed"]["estimate"].iloc[0]
    assert completed + anyhow[-1] == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(
    ("successes", "n"),
    [(0, 1), (1, 1), (0, 50), (50, 50), (1, 10), (31, 275), (27, 31), (5, 10**7)],
)
def test_wilson_intervals_are_those_of_statsmodels_and_scipy(successes: int, n: int) -> None:
    found = wilson(successes, n)
    assert found == pytest.approx(proportion_confint(successes, n, method="wilson"), abs=1e-12)
    other = stats.binomtest(successes, n).proportion_ci(0.95, method="wilson")
    assert found == pytest.approx((other.low, other.high), abs=1e-12)


def test_reported_intervals_of_shares_are_wilson() -> None:
    table = summary_of()
    row = row_of(table, "discontinued:adverse_event", 12)
    count = round(row["estimate"] * PATIENTS)
    low, high = proportion_confint(count, PATIENTS, method="wilson")
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high), abs=1e-12)
    share = count / PATIENTS
    assert row["mcse"] == pytest.approx(math.sqrt(share * (1 - share) / (PATIENTS - 1)), rel=1e-9)


# ---- standard errors


def ratios(outcomes: NDArray[np.void], plan: Plan) -> dict[str, tuple[NDArray[np.float64], ...]]:
    """(amount, denominator) of each patient for ratio endpoints and means, from outcome records."""
    rash = plan.names.kinds.index("rash")
    rule = plan.names.rules.index("escalate-at-5")
    first = int(plan.record.rule_first_clause[rule])
    ones = np.ones(len(outcomes))
    on = outcomes["last_cycle"] >= 6
    escalated = (outcomes["escalated_cycle"] > 0) & (outcomes["escalated_cycle"] <= 6)
    course = 4_000.0 * 3 * CYCLES
    return {
        "events_per_cycle:rash": (outcomes["events"][:, rash], outcomes["last_cycle"]),
        "toxicity_days:g2": (100.0 * outcomes["toxicity_days"][:, 0], outcomes["last_day"]),
        f"barred:{plan.names.clauses[first]}": (
            outcomes["clause_held"][:, first],
            outcomes["rule_asks"][:, rule],
        ),
        "escalated_if_on_treatment": (escalated & on, on),
        "rdi_planned": (outcomes["given_ug"] / course, ones),
        "rdi_loss:held": (outcomes["loss_held_ug"] / course, ones),
        "reduction:count": (outcomes["reductions"], ones),
        "auc_per_day": (outcomes["auc_per_day"], ones),
        "clinical_benefit": (outcomes["benefit"], ones),
    }


def row_of(table: Table, endpoint: str, cycle: int | None = None) -> pd.Series:
    rows = table[table["endpoint"] == endpoint]
    rows = rows[rows["cycle"] == cycle] if cycle is not None else rows
    assert len(rows) == 1, endpoint
    return rows.iloc[0]


def test_errors_of_ratios_are_those_of_a_bootstrap() -> None:
    """2,000 bootstrap samples of patients; the error of a bootstrap error is 1.6 %."""
    plan, _, outcomes = flagship()
    random = np.random.default_rng(12)
    weights = random.multinomial(PATIENTS, np.full(PATIENTS, 1 / PATIENTS), size=2_000)
    for endpoint, (amount, below) in ratios(outcomes, plan).items():
        row = row_of(summary_of(), endpoint, 6 if endpoint.startswith("escalated") else None)
        assert row["estimate"] == pytest.approx(amount.sum() / below.sum(), rel=1e-5), endpoint
        again = (weights @ amount) / (weights @ below)
        assert row["mcse"] == pytest.approx(again.std(ddof=1), rel=0.08), endpoint
        assert row["ci_high"] - row["ci_low"] == pytest.approx(2 * 1.96 * row["mcse"], rel=0.01)


TRIALS, TRIAL_SIZE = 200, 400
SPREAD = 4.5 / math.sqrt(2 * TRIALS)  # of a standard deviation over TRIALS replicates, relative
CHECKED = (
    ("discontinued:adverse_event", 26),
    ("escalated", 6),
    ("escalated_if_on_treatment", 6),
    ("first_event:fatigue", 12),
    ("events_per_cycle:fatigue", None),
    ("toxicity_days:g2", None),
    ("rdi_planned", None),
    ("rdi_on_treatment", None),
    ("cumulative_dose_mg", None),
    ("reduction", None),
)


def test_errors_are_the_spread_of_replicate_trials() -> None:
    plan = flagship()[0]
    tables = [
        summarize(count_arms([plan], 10**6 + TRIAL_SIZE * trial, TRIAL_SIZE, threads=1)[0])
        for trial in range(TRIALS)
    ]
    for endpoint, cycle in CHECKED:
        rows = [row_of(table, endpoint, cycle) for table in tables]
        estimates = np.array([row["estimate"] for row in rows])
        errors = np.array([row["mcse"] for row in rows])
        typical = math.sqrt(float(np.mean(errors**2)))
        assert estimates.std(ddof=1) == pytest.approx(typical, rel=SPREAD), endpoint


def test_errors_of_paired_differences_are_the_spread_of_replicates() -> None:
    """Replicates with their own seeds: the spread of differences between arms on equal luck."""
    scenarios = [load_scenario(name).scenario for name in ("fixed-3mg", "ixazomib-maintenance")]
    tables = []
    for seed in range(TRIALS):
        plans = [compile_plan(scenario, seed=5_000 + seed) for scenario in scenarios]
        _, pairs = count_arms(plans, 0, TRIAL_SIZE, threads=1)
        tables.append(compare_arms(pairs))
    for endpoint, cycle in CHECKED:
        if endpoint.startswith("escalated"):
            continue
        rows = [row_of(table, endpoint, cycle) for table in tables]
        differences = np.array([row["difference"] for row in rows])
        errors = np.array([row["mcse"] for row in rows])
        typical = math.sqrt(float(np.mean(errors**2)))
        assert differences.std(ddof=1) == pytest.approx(typical, rel=SPREAD), endpoint
        apart = np.array([row["estimate"] for row in rows]).std(ddof=1)
        assert differences.std(ddof=1) < 1.3 * apart, endpoint
        for row in rows[:3]:
            gap = row["estimate"] - row["reference_estimate"]
            assert row["difference"] == pytest.approx(gap, abs=1e-12)


def test_common_luck_makes_differences_sharper() -> None:
    plans = [
        compile_plan(load_scenario(name).scenario, seed=1)
        for name in ("fixed-3mg", "ixazomib-maintenance")
    ]
    table = compare_arms(count_arms(plans, 0, 20_000)[1])
    for endpoint, cycle in (("discontinued:adverse_event", 26), ("rdi_planned", None)):
        assert row_of(table, endpoint, cycle)["variance_ratio"] > 2.0


# ---- coverage of 95 % intervals

COVERED = (
    ("escalated", 5),
    ("escalated_if_on_treatment", 5),
    ("on_treatment", 6),
    ("discontinued:adverse_event", 12),
    ("discontinued:other", 12),
    ("first_event:any", 4),
    ("first_event:rash", 12),
    ("first_event:fatigue", 12),
    ("first_event:neutropenia", 12),
    ("completed", None),
    ("barred:related-nonhematologic-ae", None),
    ("rdi_planned", None),
    ("rdi_loss:stopped", None),
    ("cumulative_dose_mg", None),
)


def coverage(replicates: int, patients: int) -> dict[str, float]:
    """Share of trials whose interval holds the exact value."""
    exact = solve(TITRATION)
    truth = {key: exact[key] for key in COVERED}
    cycles = sum(exact["on_treatment", cycle] for cycle in range(1, 13))
    truth["events_per_cycle:fatigue", None] = exact["events_per_patient:fatigue", None] / cycles
    inside = dict.fromkeys(truth, 0)
    plan = compile_plan(scenario_of(TITRATION), seed=31)
    for trial in range(replicates):
        table = summarize(count_arms([plan], trial * patients, patients, threads=1)[0])
        keys = zip(table["endpoint"], table["cycle"].astype(object), strict=True)
        places = {
            (name, None if pd.isna(cycle) else cycle): i for i, (name, cycle) in enumerate(keys)
        }
        low, high = table["ci_low"].to_numpy(), table["ci_high"].to_numpy()
        for key, value in truth.items():
            place = places[key]
            inside[key] += low[place] <= value <= high[place]
    return {f"{name} {cycle or ''}".strip(): n / replicates for (name, cycle), n in inside.items()}


def limits(replicates: int) -> tuple[float, float]:
    """Exact binomial limits that a true 95 % leaves with probability 1e-4 (reliability.md S8)."""
    low, high = stats.binom.ppf([5e-5, 1 - 5e-5], replicates, 0.95) / replicates
    return float(low) - 0.005, float(high) + 0.005  # 400 patients: a count is a discrete thing


def test_intervals_cover() -> None:
    low, high = limits(200)
    for endpoint, share in coverage(200, 400).items():
        assert low <= share <= high, (endpoint, share)


@pytest.mark.slow
def test_intervals_cover_in_many_replicates() -> None:
    low, high = limits(2_000)
    assert (low, high) == pytest.approx((0.925, 0.973), abs=0.006)
    for endpoint, share in coverage(2_000, 400).items():
        print(f"{endpoint:<40} {share:.4f}")
        assert low <= share <= high, (endpoint, share)
