"""Exact mode against the independent oracle, against the simulator, and where it ends.

The oracle is the chain of tests/exact, written from the mathematics alone. Where its model ends,
made scenarios are simulated, and every row is compared with its Monte Carlo standard error.
"""

import numpy as np
import pytest
from exact.chain import solve
from exact.simulated import all_models, scenario_of
from in_reach_maker import make_in_reach

import sim
from sim.errors import LimitError
from sim.exact.against_simulation import against_simulation
from sim.exact.lookbacks import LookBack
from sim.exact.nodes import nodes_of
from sim.exact.summary import ExactOutcomes, exact_outcomes
from sim.plan.plan import Plan, compile_plan
from sim.scenario.file import load_scenario

SLOW = {"mixed 1"}
CI_MODELS = (
    "titration",
    "fixed 3",
    "fixed 4",
    "26 cycles halved, reset",
    "weibull, increment",
    "frailty 2, start",
    "never, increment",
    "attribution 0.5/0",
    "exit 0.2 before AE",
    "escalation at 9, window 4",
    "mixed 2",
    "mixed 4",
    "mixed 5",
)


def plan_of(name: str, *overrides: str) -> Plan:
    return compile_plan(load_scenario(name, overrides).scenario)


def outcomes_of(name: str, *overrides: str) -> ExactOutcomes:
    return exact_outcomes(plan_of(name, *overrides))


# ---- the oracle


def assert_meets_the_chain(name: str) -> None:
    """Every number of the chain that the summary table has, to 1e-8."""
    model = all_models()[name]
    told = exact_outcomes(compile_plan(scenario_of(model))).values()
    compared = 0
    for key, exact in solve(model).items():
        if key in told:
            assert told[key] == pytest.approx(exact, rel=1e-8, abs=1e-8), (name, key)
            compared += 1
    assert compared > 100


@pytest.mark.parametrize("name", CI_MODELS)
def test_meets_the_chain(name: str) -> None:
    assert_meets_the_chain(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in all_models() if name not in CI_MODELS])
def test_meets_the_chain_on_the_full_set(name: str) -> None:
    assert_meets_the_chain(name)


def test_events_per_patient_meet_the_chain() -> None:
    """The chain counts events per patient, the table per cycle on treatment."""
    told = outcomes_of("ixazomib-minimal").values()
    expected = solve(all_models()["titration"])
    for kind in ("neutropenia", "rash", "diarrhea"):
        for chained, suffix in (("events", ""), ("related_events", ":related")):
            per_patient = told[f"events_per_cycle:{kind}{suffix}", None] * told["cycles", None]
            exact = expected[f"{chained}_per_patient:{kind}", None]
            assert per_patient == pytest.approx(exact, rel=1e-8)


def test_a_wrong_model_is_noticed() -> None:
    expected = solve(all_models()["titration"])["discontinued:adverse_event", 12]
    for change in (
        "exposure_response.clock=start",
        "exposure_response.frailty_variance=0.001",
        "policy.seen=visit",
        "exit.other.probability_per_cycle=0.0301",
        "rule.escalate-at-5.on.cycle=[4]",
    ):
        told = outcomes_of("ixazomib-minimal", change).values()
        assert abs(told["discontinued:adverse_event", 12] - expected) > 1e-6, change


# ---- quadrature


@pytest.mark.parametrize("variance", [0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0])
def test_frailty_nodes_have_the_laplace_transform_of_the_gamma_law(variance: float) -> None:
    """E exp(-t Z) = (1 + theta t)^(-1/theta)."""
    nodes = nodes_of(
        plan_of(
            "ixazomib-minimal",
            f"exposure_response.frailty_variance={variance}",
            "pharmacokinetics.cl_f_sd_log=0",
        ).record
    )
    for t in (0.001, 0.1, 1.0, 10.0, 60.0):
        exact = (1.0 + variance * t) ** (-1.0 / variance)
        found = nodes.weights @ np.exp(-t * nodes.frailty)
        assert found[0] == pytest.approx(exact, abs=1e-9)
    assert nodes.weights[0] @ nodes.frailty == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("sd", [0.1, 0.391, 0.575, 1.0])
def test_clearance_nodes_have_the_moments_of_the_log_normal_law(sd: float) -> None:
    plan = plan_of("ixazomib-minimal", f"pharmacokinetics.cl_f_sd_log={sd}").record
    nodes = nodes_of(plan)
    for power in (-2, -1, 1, 2):
        exact = float(plan.cl_f_typical) ** power * np.exp((power * sd) ** 2 / 2.0)
        assert nodes.weights[0] @ nodes.cl_f**power == pytest.approx(exact, rel=1e-8)


def test_the_coarser_rule_shows_the_error() -> None:
    """Its difference is above the true error, and both are small."""
    steep = [f"adverse_event.rash.{key}" for key in ("intercept=-6", "slope_per_auc_per_day=0.06")]
    found = outcomes_of("minimal-fixed-4mg", *steep, "pharmacokinetics.cl_f_sd_log=0.6")
    assert 0.0 < found.error < 1e-3


# ---- the simulator


LIMIT = 4.5
SEEDS = 60


def assert_meets_the_simulator(seed: int, patients: int) -> None:
    """No row is further off than chance takes the largest of the rows of all seeds together."""
    made = make_in_reach(seed)
    table = against_simulation(made.plan(seed=seed + 1), patients)
    assert len(table) > 80
    worst = table.loc[table["z"].abs().idxmax()]
    assert abs(worst["z"]) < LIMIT, f"seed {seed}: {worst.to_dict()}"


@pytest.mark.parametrize("seed", range(SEEDS))
def test_made_scenarios_meet_the_simulator(seed: int) -> None:
    assert_meets_the_simulator(seed, patients=20_000)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEEDS, 300))
def test_many_made_scenarios_meet_the_simulator(seed: int) -> None:
    assert_meets_the_simulator(seed, patients=200_000)


def test_made_scenarios_reach_every_corner() -> None:
    """What the maker can make is made, so that the comparison above compares it."""
    plans = [make_in_reach(seed).plan() for seed in range(SEEDS)]
    records = [plan.record for plan in plans]
    assert {int(r.clock) for r in records} == {0, 1, 2}
    assert {int(r.seen_at_onset) for r in records} == {0, 1}
    assert {int(k) for r in records for k in r.recurrence[: r.n_kinds]} == {0, 1, 2}
    for name in ("n_accumulation", "n_individuals", "per_m2", "frailty_variance", "follow_up_days"):
        assert any(r[name] > 0 for r in records), name
    for name in ("rule_caps", "rule_lock_cycles", "rule_n_choices", "has_variable_exit"):
        assert any(np.any(r[name] > 0) for r in records), name
    told = [exact_outcomes(plan).values() for plan in plans]
    for endpoint in (
        "reduction:count",
        "discontinued:adverse_event:below_lowest",
        "discontinued:adverse_event:max_reductions",
        "discontinued:adverse_event:grade",
        "rdi_loss:delayed",
        "toxicity_days:g3",
    ):
        assert any(
            value > 0.0 for one in told for (name, _), value in one.items() if name == endpoint
        ), endpoint


def test_a_defect_of_the_recursion_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One look-back that forgets too early fails the comparison."""
    monkeypatch.setattr(LookBack, "matters", lambda *_: False)
    with pytest.raises(AssertionError, match="seed"):
        for seed in range(10):
            assert_meets_the_simulator(seed, patients=20_000)


# ---- from Python


def test_summary_has_the_rows_of_a_simulated_one() -> None:
    """The same columns and rows in the same order, with error 0 and no number of patients."""
    exact = sim.exact_summary("ixazomib-minimal", ["exposure_response.clock=reset"])
    overrides = ["exposure_response.clock=reset"]
    simulated = sim.simulate("ixazomib-minimal", 1_000, overrides=overrides).summary
    assert list(exact.columns) == list(simulated.columns)
    keys = ["scenario", "endpoint", "label", "cycle", "population"]
    assert exact[keys].equals(simulated[keys])
    assert (exact["mcse"] == 0.0).all() and exact["n"].isna().all()
    loaded = load_scenario("ixazomib-minimal", overrides)
    assert sim.exact_summary(loaded).equals(exact)
    assert sim.exact_summary(loaded.scenario).equals(exact)
    with pytest.raises(LimitError, match="overrides need"):
        sim.exact_summary(loaded, overrides)


def test_endpoints_that_need_durations_are_left_out() -> None:
    lasting = "adverse_event.rash.duration=[{ law = 'fixed', days = 40 }]"
    found = outcomes_of("minimal-fixed-3mg", lasting)
    assert set(found.left_out) == {"toxicity_days:g2", "toxicity_days:g3"}
    told, whole = found.values(), outcomes_of("minimal-fixed-3mg").values()
    assert set(whole) - set(told) == {(name, None) for name in found.left_out}
    assert told == {key: whole[key] for key in told}


# ---- the reach


def test_out_of_reach_says_every_reason() -> None:
    with pytest.raises(LimitError) as error:
        outcomes_of("ixazomib-maintenance")
    text = str(error.value)
    assert error.value.exit_code == 2
    assert text.startswith("ixazomib-maintenance is out of reach of exact mode, for these ")
    for rule in ("delay-for-grade-2", "escalate-at-5"):
        assert f'rule "{rule}"' in text
    assert "fatigue, diarrhea and other_nonhematologic may go on beyond the cycle, and" in text
