"""The same model to the oracle and to the simulator: what is compared, and how.

A `chain.Model` is turned into a shipped scenario with overrides; the numbers that the simulator
reports (the summary table, and event counts from the tallies behind it) meet the oracle's.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import numpy as np
from scipy import stats

from sim.endpoints import Endpoint
from sim.model.counts import VALUE_EVENTS, VALUE_RELATED
from sim.plan.plan import Plan, compile_plan
from sim.scenario.file import load_scenario
from sim.scenario.scenario import Scenario
from sim.summary import moments_by_cycle
from sim.tallies import Arm, count_arms

from . import chain
from .chain import Kind, Model, table2_kinds

PATIENTS = 500_000
LIMIT = 4.5
FEW = 50.0
NEVER = 1e-12
Clock = Literal["increment", "start", "reset"]
CLOCKS: tuple[Clock, ...] = ("increment", "start", "reset")
TITRATION = Model()
FIXED_3 = Model(levels_mg=(3.0,), escalation_cycle=None)
FIXED_4 = Model(levels_mg=(4.0,), escalation_cycle=None)
Key = tuple[str, int | None]


@dataclass(frozen=True)
class Check:
    """One output of one model: exact, simulated, standard error of the latter, z."""

    model: str
    key: Key
    exact: float
    simulated: float
    error: float
    z: float


def overrides_of(model: Model) -> list[str]:
    """Say what the model changes in its shipped scenario; every parameter is written out."""
    shape = {
        "piecewise": f", early_cycles = {model.early_cycles}, early_share = {model.early_share}",
        "constant": "",
        "weibull": f", shape = {model.weibull_shape}",
        "exponential": f", rate_per_cycle = {model.decay_rate}",
    }[model.weights]
    risk = {
        "weights": f'{{ law = "{model.weights}"{shape} }}',
        "reference_cycles": model.reference_cycles,
        "after_reference": model.after_reference,
        "clock": model.clock,
        "recurrence": model.recurrence,
        "frailty_variance": model.frailty_variance,
    }
    texts = [f"exposure_response.{key}={value}" for key, value in risk.items()]
    texts += [
        f"pharmacokinetics.cl_f_sd_log={model.sd_log_clf}",
        f"posology.max_cycles={model.cycles}",
        f"posology.reference_dose_mg={model.reference_dose_mg}",
        f"posology.dose_days={list(model.dose_days)}",
        f"exit.other.probability_per_cycle={model.other_exit}",
        f"exit.other.before_ae={str(model.exit_before_ae).lower()}",
        f"rule.stop-for-adverse-event.probability={model.stop_probability or NEVER}",
    ]
    for kind in model.kinds:
        texts += _overrides_of_kind(kind)
    if (e := model.escalation_cycle) is not None:
        texts.append(f"rule.escalate-at-5.on.cycle=[{e}]")
        clause = "rule.escalate-at-5.when.none.related-nonhematologic-ae"
        texts.append(f"{clause}.window=cycles {e - model.bar_window}-{e - 1}")
    return texts


def _overrides_of_kind(kind: Kind) -> Iterator[str]:
    at = f"adverse_event.{kind.name}"
    yield f"{at}.sensitivity={kind.sensitivity}"
    yield f"{at}.false_positive_rate={kind.false_positive_rate}"
    yield f"{at}.setting_multiplier={kind.kappa}"
    if kind.probability is not None:
        yield f"{at}.probability={kind.probability}"
        yield f"{at}.drug_share={kind.drug_share}"


def scenario_of(model: Model) -> Scenario:
    """The shipped scenario that this model is, with its overrides."""
    if model.escalation_cycle is None:
        name = f"minimal-fixed-{model.levels_mg[model.start_level]:g}mg"
    else:
        name = "ixazomib-minimal"
    scenario = load_scenario(name, overrides_of(model)).scenario
    shipped = {event.name for event in scenario.adverse_event}
    assert shipped == {kind.name for kind in model.kinds}
    return scenario


def count(plan: Plan, patients: int, first: int = 0) -> Arm:
    """Simulate patients; only sums are kept."""
    return count_arms([plan], first, patients)[0][0]


def simulated_values(arm: Arm) -> dict[Key, float]:
    """Every number of the summary table, by endpoint and cycle, and events per patient."""
    values: dict[Key, float] = {}
    endpoint: Endpoint
    for endpoint in arm.endpoints:
        for cycle, moments in moments_by_cycle(arm, endpoint):
            values[endpoint.name, cycle] = moments.estimate(endpoint.unit)
    n = int(arm.sums["patients"])
    for number, kind in enumerate(arm.plan.names.kinds):
        for prefix, first in (("events", VALUE_EVENTS), ("related_events", VALUE_RELATED)):
            total = int(arm.sums["total"][first + number])
            values[f"{prefix}_per_patient:{kind}", None] = total / n
    return values


def expected_values(model: Model) -> dict[Key, tuple[float, float]]:
    """(mean, n times variance of the mean) of every output that both sides have."""
    spread = chain.variances(model)
    return {
        key: (mean, spread[key])
        for key, mean in chain.solve(model).items()
        if "events_per_patient" not in key[0] or key[1] is None
    }


def z_of(exact: float, simulated: float, variance: float, n: int, is_share: bool) -> float:
    """z with the exact standard error; for a rare share, the normal score of its binomial tail."""
    if is_share and n * min(exact, 1.0 - exact) < FEW:
        return _binomial_score(round(simulated * n), n, exact)
    if variance <= 1e-12:
        return 0.0 if abs(simulated - exact) < 1e-9 else math.inf
    return (simulated - exact) / math.sqrt(variance / n)


def _binomial_score(successes: int, n: int, p: float) -> float:
    if p < 1e-9 or p > 1.0 - 1e-9:
        return 0.0 if abs(successes - n * p) < 0.5 else math.inf
    law = stats.binom(n, p)
    half = law.pmf(successes) / 2.0
    below, above = law.cdf(successes - 1) + half, law.sf(successes) + half
    return float(stats.norm.ppf(below) if below < above else stats.norm.isf(above))


IS_SHARE = ("escalated", "on_treatment", "dose_level", "discontinued", "first_event", "completed")


def compare(name: str, model: Model, seed: int, patients: int = PATIENTS) -> list[Check]:
    """Simulate a model and set every output beside the exact one."""
    arm = count(compile_plan(scenario_of(model), seed), patients)
    told = simulated_values(arm)
    checks = []
    for key, (exact, variance) in expected_values(model).items():
        conditional = key[0].startswith(("escalated_if", "barred"))
        is_share = key[0].startswith(IS_SHARE) and not conditional
        z = z_of(exact, told[key], variance, patients, is_share)
        checks.append(Check(name, key, exact, told[key], math.sqrt(variance / patients), z))
    return checks


# ---- the models


def _kinds(**changes: Any) -> tuple[Kind, ...]:
    return tuple(replace(kind, **changes) for kind in table2_kinds())


def _change_kind(name: str, **changes: Any) -> tuple[Kind, ...]:
    return tuple(replace(k, **changes) if k.name == name else k for k in table2_kinds())


def _with_doses(doses: int, kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
    """The same table read at another number of doses per cycle: the slope per AUC/day shrinks."""
    return tuple(replace(k, beta=(k.beta or 0.0) * 3 / doses) for k in kinds)


TYPED = _change_kind("rash", alpha=None, beta=None, probability=0.3, drug_share=0.7)
WEIGHTS: Mapping[str, dict[str, Any]] = {
    "constant": {"weights": "constant"},
    "weibull": {"weights": "weibull", "weibull_shape": 0.5},
    "exponential": {"weights": "exponential", "decay_rate": 0.5},
    "late weibull": {"weights": "weibull", "weibull_shape": 1.8},
    "early share": {"early_cycles": 3, "early_share": 0.6},
}
MIXED: Mapping[str, Model] = {
    "mixed 1": Model(
        cycles=26, weights="exponential", decay_rate=0.2, after_reference="halved", clock="reset",
        frailty_variance=0.5, recurrence="never", other_exit=0.01, sd_log_clf=0.575,
        kinds=_kinds(sensitivity=0.5, false_positive_rate=0.0, kappa=1.5),
    ),
    "mixed 2": Model(
        cycles=18, weights="weibull", weibull_shape=0.4, after_reference="zero", clock="start",
        frailty_variance=2.0, exit_before_ae=True, other_exit=0.06, stop_probability=0.3,
        kinds=_kinds(sensitivity=0.5, false_positive_rate=1.0),
    ),
    "mixed 3": Model(
        cycles=15, reference_cycles=8, weights="constant", clock="increment", sd_log_clf=0.0,
        recurrence="never", other_exit=0.002, stop_probability=0.02, kinds=_kinds(kappa=2.5),
        reference_dose_mg=3.0,
    ),
    "mixed 4": Model(
        cycles=20, dose_days=(1, 2, 15, 28), reference_cycles=6, weights="exponential",
        early_cycles=2, after_reference="held", clock="reset", stop_probability=0.5,
        kinds=_with_doses(4, _kinds(kappa=0.6, sensitivity=0.0, false_positive_rate=0.5)),
    ),
    "mixed 5": Model(
        kinds=TYPED, clock="reset", cycles=14, after_reference="halved", exit_before_ae=True,
    ),
}  # fmt: skip


def all_models() -> dict[str, Model]:
    """Every model of the full set, by name."""
    models: dict[str, Model] = {"titration": TITRATION, "fixed 3": FIXED_3, "fixed 4": FIXED_4}
    for clock in CLOCKS:
        for law, change in WEIGHTS.items():
            models[f"{law}, {clock}"] = replace(TITRATION, clock=clock, **change)
        for after in ("held", "halved", "zero"):
            longer = replace(TITRATION, clock=clock, cycles=26)
            models[f"26 cycles {after}, {clock}"] = replace(longer, after_reference=after)
        for theta in (0.5, 2.0):
            frail = replace(TITRATION, clock=clock, frailty_variance=theta)
            models[f"frailty {theta:g}, {clock}"] = frail
        models[f"never, {clock}"] = replace(TITRATION, clock=clock, recurrence="never")
        if clock != "increment":
            models[clock] = replace(TITRATION, clock=clock)
        models[f"typed, {clock}"] = replace(TITRATION, clock=clock, kinds=TYPED)
    for sensitivity in (0.0, 0.5, 1.0):
        for rate in (0.0, 0.5, 1.0):
            kinds = _kinds(sensitivity=sensitivity, false_positive_rate=rate)
            models[f"attribution {sensitivity:g}/{rate:g}"] = replace(TITRATION, kinds=kinds)
    for base, name in ((FIXED_3, "fixed 3"), (FIXED_4, "fixed 4")):
        for law, change in WEIGHTS.items():
            models[f"{name}, {law}"] = replace(base, **change)
        models[f"{name}, frailty 2, 26"] = replace(base, frailty_variance=2.0, cycles=26)
        models[f"{name}, never"] = replace(base, recurrence="never")
    models["sd 0.575"] = replace(TITRATION, sd_log_clf=0.575)
    models["sd 0"] = replace(TITRATION, sd_log_clf=0.0)
    for kappa in (0.0, 0.5, 3.0):
        models[f"setting {kappa:g}"] = replace(TITRATION, kinds=_kinds(kappa=kappa))
    models["setting of one kind"] = replace(TITRATION, kinds=_change_kind("fatigue", kappa=4.0))
    for exit_probability in (0.03, 0.2):
        early = replace(TITRATION, exit_before_ae=True, other_exit=exit_probability)
        models[f"exit {exit_probability:g} before AE"] = early
    models["exit 0.2"] = replace(TITRATION, other_exit=0.2)
    models["no exit"] = replace(TITRATION, other_exit=0.0)
    models["no stop"] = replace(TITRATION, stop_probability=0.0)
    models["always stop"] = replace(TITRATION, stop_probability=0.999_999_999_999)
    models["escalation at 3"] = replace(TITRATION, escalation_cycle=3)
    models["escalation at 9, window 4"] = replace(TITRATION, escalation_cycle=9, bar_window=4)
    return models | dict(MIXED)


CI_MODELS = ("titration", "fixed 4", "26 cycles halved, reset", "frailty 2, start", "mixed 5")


@cache
def checks_of(name: str) -> tuple[Check, ...]:
    """The checks of a named model; its seed depends on the name alone."""
    models = all_models()
    seed = 2016_0338_0000 + sum(ord(letter) * 131**i for i, letter in enumerate(name)) % 10**9
    return tuple(compare(name, models[name], seed))


def worst(checks: Sequence[Check]) -> Check:
    """The check that is furthest off."""
    return max(checks, key=lambda check: abs(check.z))


# ---- z-scores of independent seeds

WEAKLY_DEPENDENT: tuple[Key, ...] = (
    ("first_event:neutropenia", 12),
    ("first_event:thrombocytopenia", 12),
    ("first_event:rash", 12),
    ("first_event:fatigue", 12),
    ("first_event:diarrhea", 12),
    ("discontinued:other", 12),
)
Z_MODELS = {
    "titration": TITRATION,
    "start, constant": replace(TITRATION, clock="start", weights="constant"),
    "never, reset": replace(TITRATION, clock="reset", recurrence="never", stop_probability=0.02),
}


def independent_scores(seeds: int, patients: int, first_seed: int = 1) -> np.ndarray:
    """z-scores of weakly dependent outputs over independent seeds and models."""
    scores = []
    for number, model in enumerate(Z_MODELS.values()):
        expected = expected_values(model)
        scenario = scenario_of(model)
        for seed in range(seeds):
            arm = count(compile_plan(scenario, first_seed + 7919 * number + seed), patients)
            told = simulated_values(arm)
            for key in WEAKLY_DEPENDENT:
                exact, variance = expected[key]
                scores.append(z_of(exact, told[key], variance, patients, is_share=True))
    return np.array(scores)
