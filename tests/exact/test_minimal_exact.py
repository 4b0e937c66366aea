"""The simulator against the exact answers of `chain.py`: 500,000 patients a model, every |z| < 4.5.

Standard errors are exact too: the chain gives second moments. The whole set is
`python -m pytest -m slow tests/exact`, its table `python -m tests.exact.report`.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from sim.plan.plan import compile_plan
from sim.summary import moments_by_cycle

from .simulated import (
    CI_MODELS,
    LIMIT,
    TITRATION,
    Check,
    all_models,
    checks_of,
    compare,
    count,
    expected_values,
    independent_scores,
    overrides_of,
    scenario_of,
    simulated_values,
    worst,
    z_of,
)

FAMILIES = (
    "escalated",
    "escalated_if_on_treatment",
    "on_treatment",
    "discontinued:adverse_event",
    "discontinued:other",
    "discontinued:any",
    "dose_level:",
    "first_event:any",
    "first_event:rash",
    "events_per_patient:",
    "related_events_per_patient:",
    "rdi_planned",
    "rdi_loss:stopped",
    "rdi_loss:not_escalated",
    "cumulative_dose_mg",
    "completed",
    "barred:",
)


def told(check: Check) -> str:
    name, cycle = check.key
    where = name if cycle is None else f"{name} at cycle {cycle}"
    return (
        f"{check.model}: {where}: exact {check.exact:.6f}, simulated {check.simulated:.6f}, "
        f"z {check.z:+.2f}"
    )


def assert_agrees(name: str) -> None:
    checks = checks_of(name)
    assert len(checks) > 100
    assert abs(worst(checks).z) < LIMIT, told(worst(checks))


@pytest.mark.parametrize("name", CI_MODELS)
def test_simulation_meets_the_exact_answers(name: str) -> None:
    assert_agrees(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in all_models() if name not in CI_MODELS])
def test_simulation_meets_the_exact_answers_of_the_full_set(name: str) -> None:
    assert_agrees(name)


def test_every_family_of_outputs_is_compared() -> None:
    names = [check.key[0] for check in checks_of("titration")]
    for family in FAMILIES:
        assert any(name.startswith(family) for name in names), family


def test_a_wrong_model_is_noticed() -> None:
    """Power: small errors of a parameter must fail (methods.md 4.2 says how soon)."""
    expected = expected_values(TITRATION)
    for wrong in (
        replace(TITRATION, clock="start"),
        replace(TITRATION, sd_log_clf=0.43),
        replace(TITRATION, other_exit=0.031),
        replace(TITRATION, escalation_cycle=4),
        replace(TITRATION, recurrence="never"),
        replace(TITRATION, frailty_variance=0.1),
        replace(TITRATION, exit_before_ae=True),
    ):
        changed = [text for text in overrides_of(wrong) if text not in overrides_of(TITRATION)]
        assert changed
        arm = count(compile_plan(scenario_of(wrong), seed=11), 500_000)
        values = simulated_values(arm)
        scores = [
            z_of(exact, values[key], variance, 500_000, is_share=False)
            for key, (exact, variance) in expected.items()
            if key in values and variance > 1e-3
        ]
        assert max(abs(z) for z in scores) > LIMIT, changed


def test_reported_errors_are_the_exact_ones() -> None:
    """The standard errors of the summary table are those of the chain, within 3 %."""
    arm = count(compile_plan(scenario_of(TITRATION), seed=5), 200_000)
    expected = expected_values(TITRATION)
    compared = 0
    for endpoint in arm.endpoints:
        for cycle, moments in moments_by_cycle(arm, endpoint):
            key = (endpoint.name, cycle)
            mean, variance = expected.get(key, (0.0, 0.0))
            if 200_000 * variance < 2_000 * mean or mean == 0.0:
                continue
            reported = np.sqrt(moments.variance(endpoint.unit) * 200_000)
            assert reported == pytest.approx(np.sqrt(expected[key][1]), rel=0.03), key
            compared += 1
    assert compared > 100


def assert_standard_normal(scores: np.ndarray) -> None:
    """Limits of reliability.md S2: neither too far off nor too good."""
    n = len(scores)
    assert abs(scores.mean()) < 4.0 / np.sqrt(n)
    low, high = stats.chi2.ppf([1e-5, 1.0 - 1e-5], n)
    assert low < np.sum(scores**2) < high
    assert stats.kstest(scores, "norm").pvalue > 1e-4


def test_z_scores_look_normal() -> None:
    scores = independent_scores(seeds=40, patients=20_000)
    assert len(scores) >= 500
    assert_standard_normal(scores)
    with pytest.raises(AssertionError):
        assert_standard_normal(scores * 0.8)
    with pytest.raises(AssertionError):
        assert_standard_normal(scores + 0.2)


@pytest.mark.slow
def test_z_scores_look_normal_over_many_seeds() -> None:
    assert_standard_normal(independent_scores(seeds=300, patients=100_000, first_seed=10**6))


def test_seeds_are_independent_of_each_other() -> None:
    """Two seeds share no luck: the same output of consecutive seeds is uncorrelated."""
    scores = independent_scores(seeds=40, patients=5_000, first_seed=10**7).reshape(3, 40, -1)
    before, after = scores[:, :-1].ravel(), scores[:, 1:].ravel()
    assert abs(np.corrcoef(before, after)[0, 1]) < 4.5 / np.sqrt(before.size)


def test_few_patients_also_agree() -> None:
    """The rare-event scores are right at small numbers, where the normal ones are not."""
    scores = [worst(compare("small", TITRATION, seed, patients=300)).z for seed in range(20)]
    assert np.abs(scores).max() < LIMIT
