"""The oracle checks itself: closed forms, full enumeration of tiny trials, a day-by-day simulation,
published numbers.

The enumeration and the simulation share with the oracle only the `Model` that holds the parameters:
the weights, the hazards and the days are written a second time here, as MODEL.md tells them.
"""

from __future__ import annotations

import ast
import itertools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import roots_genlaguerre

from . import chain
from .chain import (
    Kind,
    Model,
    Outcomes,
    course_probability,
    population_average,
    solve,
    table2_kinds,
    variances,
)

TITRATION = Model()
FIXED_3 = Model(levels_mg=(3.0,), escalation_cycle=None)
FIXED_4 = Model(levels_mg=(4.0,), escalation_cycle=None)
ALL_RELATED = tuple(replace(kind, false_positive_rate=1.0) for kind in table2_kinds())
OTHER = Kind(
    "other",
    "non_hematologic",
    probability=0.20,
    drug_share=0.7,
    false_positive_rate=0.25,
    stop_probability=0.3,
)
FALLING = Kind("falling", "non_hematologic", alpha=-0.8, beta=-0.005, kappa=1.5)
AE_STOP = ("discontinued:adverse_event", 12)

LATE = Model(
    kinds=(*table2_kinds()[::2], replace(OTHER, kappa=2.0, sensitivity=0.8)),
    levels_mg=(2.3, 3.0, 4.0, 5.5),
    start_level=1,
    cycles=15,
    frailty_variance=0.8,
    weights="exponential",
    after_reference="halved",
    clock="reset",
    recurrence="never",
    stop_probability=0.25,
    other_exit=0.01,
)
EARLY = Model(
    kinds=(*table2_kinds()[1:4], FALLING),
    levels_mg=(0.0, 5.5),
    escalation_cycle=4,
    bar_window=3,
    cycles=14,
    sd_log_clf=0.575,
    weights="weibull",
    after_reference="zero",
    clock="increment",
    frailty_variance=0.3,
    other_exit=0.05,
)


# ---- the model told a second time


def weight(model: Model, cycle: int) -> Any:
    """w_c, one cycle at a time."""
    n, tail = model.reference_cycles, {"held": 1.0, "halved": 0.5, "zero": 0.0}
    if cycle > n:
        return tail[model.after_reference] * weight(model, n)
    if model.weights == "constant":
        return 1 / n
    if model.weights == "piecewise":
        return model.early_share / 4 if cycle <= 4 else (1 - model.early_share) / (n - 4)
    if model.weights == "weibull":
        return (cycle / n) ** model.weibull_shape - ((cycle - 1) / n) ** model.weibull_shape
    r = model.decay_rate
    return (np.exp(-r * (cycle - 1)) - np.exp(-r * cycle)) / (1 - np.exp(-r * n))


def spend(model: Model, kind: Kind, cycle: int, raised: Any, clf: Any, z: Any) -> tuple[Any, Any]:
    """(hazard, drug share of it) of one cycle for patients who are raised or not: MODEL.md section
    5 as layers.
    """

    alpha, beta = kind.alpha or 0.0, kind.beta or 0.0

    def course(dose: float) -> Any:
        if kind.probability is not None:
            p = kind.probability * np.ones_like(clf)
        else:
            p = 1 / (
                1
                + np.exp(
                    -alpha
                    - beta * len(model.dose_days) * 1000 * dose / (model.cycle_length_days * clf)
                )
            )
        theta = model.frailty_variance
        return kind.kappa * (((1 - p) ** -theta - 1) / theta if theta else -np.log(1 - p))

    def split(dose: float) -> tuple[Any, Any]:
        if kind.probability is not None:
            return (1 - kind.drug_share) * course(dose), kind.drug_share * course(dose) * (dose > 0)
        return (course(dose), 0 * clf) if beta <= 0 else (course(0.0), course(dose) - course(0.0))

    e, low = model.escalation_cycle, model.levels_mg[model.start_level]
    background, drug = (part * weight(model, cycle) for part in split(low))
    if e is not None and cycle >= e:
        high = model.levels_mg[model.start_level + 1]
        d0, (b1, d1) = split(low)[1], split(high)
        since, now = weight(model, cycle - e + 1), weight(model, cycle)
        after = {"increment": now * d0 + since * (d1 - d0), "start": now * d1, "reset": since * d1}[
            model.clock
        ]
        background, drug = np.where(raised, now * b1, background), np.where(raised, after, drug)
    return z * (background + drug), drug / np.maximum(background + drug, 1e-300)


def stop_chance(model: Model, kind: Kind) -> float:
    return model.stop_probability if kind.stop_probability is None else kind.stop_probability


def enumerate_trial(model: Model) -> Outcomes:
    """Every history of one patient with the typical CL/F, with its probability: no formula of the
    chain is used.
    """
    out: defaultdict[tuple[str, int | None], float] = defaultdict(float)
    kinds, days, e = model.kinds, model.cycle_length_days, model.escalation_cycle
    clf = np.array(model.typical_clf)

    def fates(
        kind: Kind, cycle: int, raised: bool, seen: bool
    ) -> list[tuple[float, int, bool, bool]]:
        """(probability, onset day or 0, would stop, called related) of one kind in one cycle."""
        hazard, share = spend(model, kind, cycle, raised, clf, 1.0)
        p = 0.0 if seen and model.recurrence == "never" else float(1 - np.exp(-hazard))
        q, rho = (
            stop_chance(model, kind),
            float(share * kind.sensitivity + (1 - share) * kind.false_positive_rate),
        )
        each = itertools.product(
            range(1, days + 1), ((q, True), (1 - q, False)), ((rho, True), (1 - rho, False))
        )
        return [(1 - p, 0, False, False)] + [
            (p / days * a * b, day, stop, rel) for day, (a, stop), (b, rel) in each
        ]

    def live(cycle: int, mass: float, raised: bool, barred: bool, seen: frozenset[str]) -> None:
        if cycle > model.cycles:
            out["completed", None] += mass
            return
        if cycle == e:
            raised = not barred
            out["asked", None] += mass
            out["barred", None] += mass * barred
        for c in range(cycle, model.cycles + 1):
            out["escalated", c] += mass * (raised and cycle == e)
        out["on_treatment", cycle] += mass
        stays = mass
        if model.exit_before_ae:
            for c in range(cycle, model.cycles + 1):
                out["discontinued:other", c] += mass * model.other_exit
            mass = mass * (1 - model.other_exit)
        level = model.levels_mg[model.start_level + raised]
        out[f"dose_level:{level:g}", cycle] += stays
        for combination in itertools.product(
            *(fates(k, cycle, raised, k.name in seen) for k in kinds)
        ):
            here = mass * float(np.prod([fate[0] for fate in combination]))
            if here == 0:
                continue
            stop_day = min((day for _, day, stop, _ in combination if stop), default=days + 1)
            counted = [
                (k, f) for k, f in zip(kinds, combination, strict=True) if 0 < f[1] <= stop_day
            ]
            names = frozenset(k.name for k, _ in counted)
            given = sum(day == 1 or day < stop_day for day in model.dose_days)
            out["cumulative_dose_mg", None] += here * given * level
            for k, fate in counted:
                out["events_per_patient:" + k.name, None] += here
                out["related_events_per_patient:" + k.name, None] += here * fate[3]
            for name in names - seen | ({"any"} if names and not seen else set()):
                for c in range(cycle, model.cycles + 1):
                    out["first_event:" + name, c] += here
            leaves = 0.0 if model.exit_before_ae else here * model.other_exit
            exits = [("adverse_event", here)] if stop_day <= days else [("other", leaves)]
            for (cause, part), c in itertools.product(exits, range(cycle, model.cycles + 1)):
                out["discontinued:" + cause, c] += part
            if stop_day > days:
                in_window = e is not None and e - model.bar_window <= cycle < e
                bars = in_window and any(
                    k.ae_class == "non_hematologic" and f[3] for k, f in counted
                )
                live(cycle + 1, here - leaves, raised, barred or bars, seen | names)

    live(1, 1.0, False, False, frozenset())
    if out["asked", None]:
        out["barred:related-nonhematologic-ae", None] = out["barred", None] / out["asked", None]
    return dict(out)


def simulate(model: Model, n: int, seed: int) -> dict[tuple[str, int | None], tuple[float, float]]:
    """Day-by-day simulation of n patients: (mean, standard deviation over patients) of every
    outcome.
    """
    rng = np.random.default_rng(seed)
    kinds, e, theta = model.kinds, model.escalation_cycle, model.frailty_variance
    clf = model.typical_clf * np.exp(model.sd_log_clf * rng.standard_normal(n))
    z = rng.gamma(1 / theta, theta, n) if theta else np.ones(n)
    on, raised, barred = np.ones(n, bool), np.zeros(n, bool), np.zeros(n, bool)
    ae_stop, other = np.zeros(n, bool), np.zeros(n, bool)
    events, related_events = np.zeros((len(kinds), n)), np.zeros((len(kinds), n))
    doses, mg = np.zeros(n), np.zeros(n)
    result: dict[tuple[str, int | None], tuple[float, float]] = {}

    def note(name: str, cycle: int | None, value: Any) -> None:
        result[name, cycle] = float(value.mean()), float(value.std())

    for cycle in range(1, model.cycles + 1):
        if cycle == e:
            raised = on & ~barred
            note("escalated_if_on_treatment", e, ~barred[on])
            note("barred:related-nonhematologic-ae", None, barred[on])
        note("on_treatment", cycle, on)
        note("escalated", cycle, raised)
        dose = np.where(
            raised,
            model.levels_mg[min(model.start_level + 1, len(model.levels_mg) - 1)],
            model.levels_mg[model.start_level],
        )
        for level in model.levels_mg:
            note(f"dose_level:{level:g}", cycle, on & (dose == level))
        if model.exit_before_ae:
            leaves = on & (rng.random(n) < model.other_exit)
            other |= leaves
            on = on & ~leaves
        onset = np.zeros((len(kinds), n), int)
        related, stops = np.zeros((len(kinds), n), bool), np.zeros((len(kinds), n), bool)
        for k, kind in enumerate(kinds):
            hazard, share = spend(model, kind, cycle, raised, clf, z)
            at_risk = on & ((events[k] == 0) if model.recurrence == "never" else True)
            happens = at_risk & (rng.random(n) < 1 - np.exp(-hazard))
            onset[k] = np.where(happens, rng.integers(1, model.cycle_length_days + 1, n), 0)
            drug = rng.random(n) < share
            related[k] = rng.random(n) < np.where(drug, kind.sensitivity, kind.false_positive_rate)
            stops[k] = rng.random(n) < stop_chance(model, kind)
        for day in range(1, model.cycle_length_days + 1):
            if day == 1:
                doses[on], mg[on] = doses[on] + 1, mg[on] + dose[on]
            today = (onset == day) & on
            stopping = np.zeros(n, bool)
            if today.any():
                events += today
                related_events += today & related
                for k, kind in enumerate(kinds):
                    stopping |= today[k] & stops[k]
                    if (
                        kind.ae_class == "non_hematologic"
                        and e is not None
                        and e - model.bar_window <= cycle < e
                    ):
                        barred |= today[k] & related[k]
            ae_stop |= stopping
            on = on & ~stopping
            if day > 1 and day in model.dose_days:
                doses[on], mg[on] = doses[on] + 1, mg[on] + dose[on]
        leaves = on & (rng.random(n) < model.other_exit) & (not model.exit_before_ae)
        other |= leaves
        on = on & ~leaves
        note("discontinued:adverse_event", cycle, ae_stop)
        note("discontinued:other", cycle, other)
        note("discontinued:any", cycle, ae_stop | other)
        note("first_event:any", cycle, events.any(axis=0))
        for k, kind in enumerate(kinds):
            note("first_event:" + kind.name, cycle, events[k] > 0)
            for c in (cycle, None):
                note("events_per_patient:" + kind.name, c, events[k])
                note("related_events_per_patient:" + kind.name, c, related_events[k])
    planned = model.cycles * len(model.dose_days)
    note("completed", None, on)
    note("cumulative_dose_mg", None, mg)
    note("rdi_planned", None, mg / model.reference_dose_mg / planned)
    note("rdi_loss:stopped", None, (planned - doses) / planned)
    note(
        "rdi_loss:not_escalated",
        None,
        (doses * model.reference_dose_mg - mg) / model.reference_dose_mg / planned,
    )
    return result


# ---- the tests


def worst(a: Outcomes, b: Outcomes) -> float:
    return max(abs(a[key] - b[key]) for key in a if key[0] != "cumulative_dose_mg")


def test_imports_nothing_of_the_package() -> None:
    tree = ast.parse(Path(chain.__file__).read_text(encoding="utf-8"))
    froms = {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    plain = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    assert froms | plain == {"__future__", "dataclasses", "math", "typing", "numpy", "numpy.typing"}


SPREAD = [
    TITRATION,
    FIXED_4,
    LATE,
    replace(TITRATION, clock="reset", frailty_variance=2.0),
    replace(TITRATION, clock="start", frailty_variance=0.5, recurrence="never", cycles=26),
]


@pytest.mark.parametrize(
    "model", SPREAD, ids=["default", "fixed", "late", "frailty 2", "26 cycles"]
)
def test_quadrature_has_converged(model: Model) -> None:
    """64 and 96 nodes agree to 1e-9; so does another rule over log CL/F, the trapezoidal one."""
    exact, finer = solve(model), solve(model, 96)
    assert exact.keys() == finer.keys()
    assert worst(exact, finer) < 1e-9
    z, step = np.linspace(-8.5, 8.5, 96, retstep=True)
    rule = (
        model.typical_clf * np.exp(model.sd_log_clf * z),
        step * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chain, "clearance_nodes", lambda *_: rule)
        assert worst(exact, solve(model, 96)) < 1e-9


def test_quadrature_at_the_wider_published_sd() -> None:
    """SD 0.575: poles of log(1 + exp) come nearer the real axis, and 64 Hermite nodes give 1e-8
    instead of 1e-9.
    """
    wide = replace(TITRATION, sd_log_clf=0.575)
    assert worst(solve(wide), solve(wide, 128)) < 1e-8


def test_frailty_rule() -> None:
    """E exp(-Z l) = (1 + theta l)^(-1/theta); for a mild frailty also as generalised Gauss-Laguerre
    has it.
    """
    for theta, load in itertools.product((0.05, 0.1, 0.5, 1.0, 2.0), (0.0, 0.01, 1.0, 30.0)):
        z, v = chain.frailty_nodes(theta, 64)
        assert v @ np.exp(-z * load) == pytest.approx((1 + theta * load) ** (-1 / theta), abs=1e-12)
        assert (v @ z, v @ (z - 1) ** 2) == pytest.approx((1.0, theta), abs=1e-12)
    x, w = roots_genlaguerre(64, 1 / 0.3 - 1)
    with pytest.MonkeyPatch.context() as patch:
        exact = solve(replace(TITRATION, frailty_variance=0.3))
        patch.setattr(chain, "frailty_nodes", lambda *_: (0.3 * x, w / w.sum()))
        assert worst(exact, solve(replace(TITRATION, frailty_variance=0.3))) < 1e-9


@pytest.mark.parametrize("law", ["piecewise", "constant", "weibull", "exponential"])
@pytest.mark.parametrize("theta", [0.0, 0.7])
@pytest.mark.parametrize("recurrence", ["next_cycle", "never"])
def test_constant_dose_compounds_to_the_published_probability(
    law: Any, theta: float, recurrence: Any
) -> None:
    """Whatever the weights: P over 12 cycles with nobody leaving is E P(A), and 3 mg has Table 2
    for the typical patient.
    """
    model = replace(
        FIXED_3,
        weights=law,
        frailty_variance=theta,
        recurrence=recurrence,
        stop_probability=0.0,
        other_exit=0.0,
    )
    model = replace(model, kinds=(*model.kinds, FALLING, OTHER), cycles=13)
    kinds = [replace(k, stop_probability=None) for k in model.kinds]
    out = solve(replace(model, kinds=tuple(kinds)))
    typical = solve(replace(model, kinds=tuple(kinds), sd_log_clf=0.0))
    for kind, table in zip(kinds, (0.10, 0.23, 0.08, 0.19, 0.19), strict=False):
        assert typical["first_event:" + kind.name, 12] == pytest.approx(table, abs=1e-12)
    for kind in kinds:
        assert out["first_event:" + kind.name, 12] == pytest.approx(
            population_average(model, kind, 3.0), abs=1e-11
        )
        assert float(course_probability(model, kind, 3.0)[0]) == pytest.approx(
            typical["first_event:" + kind.name, 12]
        )
    assert float(chain.cycle_weights(model)[:12].sum()) == pytest.approx(1.0, abs=1e-14)
    assert chain.cycle_weights(model) == pytest.approx(
        [weight(model, c) for c in range(1, 14)], abs=1e-15
    )
    # no event of any kind, typical patient: prod (1 - P), or (1 + theta sum L)^(-1/theta) with a
    # shared frailty
    at_typical = [
        chain.hazard_parts(model, kind, 3.0, np.array([model.typical_clf])) for kind in kinds
    ]
    load = float(np.sum(at_typical))
    none = (1 + theta * load) ** (-1 / theta) if theta else np.exp(-load)
    assert typical["first_event:any", 12] == pytest.approx(1 - none, abs=1e-12)


def test_closed_forms_of_methods_4_1() -> None:
    """Fixed CL/F: the products for escalation, discontinuation and the first event of a kind that
    does not stop.
    """
    q, m, e = 0.115, 0.03, 5
    kinds = (*table2_kinds()[:4], replace(table2_kinds()[4], stop_probability=0.0))
    out = solve(replace(TITRATION, kinds=kinds, sd_log_clf=0.0, clock="reset"))
    clf = np.array(TITRATION.typical_clf)
    p, rho = np.zeros((5, 4)), np.zeros((5, 4))
    for k, kind in enumerate(kinds):
        for c in range(1, e):
            hazard, share = spend(TITRATION, kind, c, False, clf, 1.0)
            p[k, c - 1] = 1 - np.exp(-hazard)
            rho[k, c - 1] = (
                (share + 0.5 * (1 - share)) * (kind.ae_class == "non_hematologic") * (c >= 3)
            )
    stop = np.array([[q], [q], [q], [q], [0.0]])
    escalated = (1 - m) ** 4 * np.prod(1 - p * (1 - (1 - stop) * (1 - rho)))
    on = np.cumprod([1.0, *((1 - m) * np.prod(1 - stop * p, axis=0))])
    ae = np.cumsum(on[:4] * (1 - np.prod(1 - stop * p, axis=0)))
    assert out["escalated", 5] == pytest.approx(escalated, abs=1e-14)
    assert out["escalated", 12] == out["escalated", 5] and out["escalated", 4] == 0
    assert [out["on_treatment", c] for c in range(1, 6)] == pytest.approx(list(on), abs=1e-14)
    assert [out[AE_STOP[0], c] for c in range(1, 5)] == pytest.approx(list(ae), abs=1e-14)
    lone = solve(
        replace(TITRATION, kinds=kinds[4:], sd_log_clf=0.0)
    )  # alone and never stopping: p x those present
    first = np.cumsum(np.cumprod([1.0, *(1 - p[4, :3])]) * p[4] * (1 - m) ** np.arange(4))
    assert [lone["first_event:diarrhea", c] for c in range(1, 5)] == pytest.approx(
        list(first), abs=1e-14
    )


@pytest.mark.parametrize(
    "model", [TITRATION, FIXED_3, LATE, EARLY], ids=["default", "fixed", "late", "early"]
)
def test_accounts_balance(model: Model) -> None:
    out = solve(model)
    for c in range(1, model.cycles + 1):
        assert sum(out[f"dose_level:{mg:g}", c] for mg in model.levels_mg) == pytest.approx(
            out["on_treatment", c], abs=1e-12
        )
        left = out.get(("on_treatment", c + 1), out["completed", None])
        assert left + out["discontinued:any", c] == pytest.approx(1.0, abs=1e-12)
        each = [out["first_event:" + kind.name, c] for kind in model.kinds]
        assert max(each) <= out["first_event:any", c] <= sum(each)
    parts = ("rdi_planned", "rdi_loss:stopped", "rdi_loss:not_escalated")
    assert sum(out[part, None] for part in parts) == pytest.approx(1.0, abs=1e-12)
    if model.recurrence == "never":
        for kind in model.kinds:
            first = out["first_event:" + kind.name, model.cycles]
            assert out["events_per_patient:" + kind.name, None] == pytest.approx(first, abs=1e-12)


def test_clock_of_a_typed_kind() -> None:
    """No slope: `increment` and `start` see no change at the escalation, `reset` restarts the drug
    part alone.
    """
    flat = replace(TITRATION, kinds=(OTHER,), other_exit=0.0, stop_probability=0.0)
    flat = replace(
        flat,
        kinds=(replace(OTHER, stop_probability=0.0, sensitivity=0.0, false_positive_rate=0.0),),
    )
    by_clock = {
        clock: solve(replace(flat, clock=clock)) for clock in ("increment", "start", "reset")
    }
    key, hazard = ("first_event:other", 12), -np.log(0.8)
    assert by_clock["increment"]["escalated", 5] == 1.0
    assert by_clock["increment"][key] == pytest.approx(0.20) == by_clock["start"][key]
    spent = hazard * (0.3 + 0.7 * (0.76 + weight(flat, 1) * 4 + weight(flat, 5) * 4))
    assert by_clock["reset"][key] == pytest.approx(1 - np.exp(-spent), abs=1e-14)


def small_trials() -> Iterator[Any]:
    """Tiny trials with large hazards, so that every convention about days, flags and clocks weighs
    in.
    """
    fatigue, neutropenia = (
        replace(table2_kinds()[3], kappa=8.0),
        replace(table2_kinds()[0], kappa=6.0),
    )
    base = replace(TITRATION, sd_log_clf=0.0, other_exit=0.1, stop_probability=0.4)
    two = replace(
        base, cycles=2, escalation_cycle=2, bar_window=1, cycle_length_days=4, dose_days=(1, 2, 4)
    )
    yield (
        "one cycle",
        replace(
            base, cycles=1, cycle_length_days=9, dose_days=(1, 3, 9), kinds=(fatigue, neutropenia)
        ),
    )
    yield "two cycles", replace(two, kinds=(fatigue, neutropenia))
    yield "exit before AE", replace(two, kinds=(fatigue, neutropenia), exit_before_ae=True)
    yield (
        "typed",
        replace(two, kinds=(replace(OTHER, kappa=5.0, sensitivity=0.7), fatigue), clock="reset"),
    )
    yield (
        "falling",
        replace(
            two,
            kinds=(FALLING, replace(OTHER, kappa=9.0)),
            levels_mg=(0.0, 4.0),
            recurrence="never",
        ),
    )
    three = replace(
        base,
        cycles=3,
        escalation_cycle=3,
        cycle_length_days=2,
        dose_days=(1, 2),
        kinds=(fatigue, OTHER),
    )
    yield "three cycles", three
    yield (
        "three, never",
        replace(three, recurrence="never", bar_window=1, clock="start", weights="constant"),
    )
    yield (
        "after it",
        replace(
            three,
            kinds=(fatigue, neutropenia),
            escalation_cycle=2,
            clock="reset",
            reference_cycles=2,
            early_cycles=1,
            weights="weibull",
            after_reference="halved",
        ),
    )


@pytest.mark.parametrize("model", [pytest.param(model, id=name) for name, model in small_trials()])
def test_enumeration_of_every_history(model: Model) -> None:
    exact, told = solve(model), enumerate_trial(model)
    for key, value in exact.items():
        derived = key[0].startswith(("rdi", "escalated_if")) or key[0] == "discontinued:any"
        if not derived and not ("events_per_patient" in key[0] and key[1] is not None):
            assert value == pytest.approx(told.get(key, 0.0), abs=1e-12), key


@pytest.mark.parametrize(
    "model",
    [TITRATION, LATE, EARLY, replace(TITRATION, exit_before_ae=True, other_exit=0.1)],
    ids=["default", "late", "early", "exit before AE"],
)
def test_against_a_day_by_day_simulation(model: Model) -> None:
    """200 000 patients; every outcome within 4.5 standard errors (those with at least 30 patients
    on either side).
    """
    n = 200_000
    exact, simulated = solve(model), simulate(model, n, seed=20160338)
    spread = variances(model)
    assert exact.keys() == simulated.keys() == spread.keys()
    compared = 0
    for key, value in exact.items():
        mean, sd = simulated[key]
        is_share = not key[0].startswith(("events", "related_events", "rdi", "cumulative"))
        if is_share and min(value, 1 - value) * n < 30:
            assert abs(mean - value) * n < 60, key
            continue
        asked = (
            exact["on_treatment", model.escalation_cycle]
            if key[0].startswith(("barred", "escalated_if"))
            else 1.0
        )
        assert abs(mean - value) < 4.5 * sd / np.sqrt(n * asked), (key, value, mean)
        assert spread[key] * asked == pytest.approx(sd**2, rel=0.06), key
        compared += 1
    assert compared > 100


def test_published_table_of_population_averages() -> None:
    """methods.md 1.3: the Jensen gap in percentage points at 3 and 4 mg, both clearance laws."""
    gaps = {0.391: [(3.1, 5.5), (1.6, 2.4), (0.8, 1.5), (2.7, 4.0), (1.8, 2.8)],
            0.575: [(6.9, 10.1), (3.7, 4.9), (2.1, 3.6), (5.7, 7.3), (4.0, 5.6)]}  # fmt: skip
    for sd, rows in gaps.items():
        model = replace(TITRATION, sd_log_clf=sd)
        for kind, row in zip(model.kinds, rows, strict=True):
            gap = [
                100
                * (
                    population_average(model, kind, mg)
                    - float(course_probability(model, kind, mg)[0])
                )
                for mg in (3.0, 4.0)
            ]
            assert gap == pytest.approx(row, abs=0.06), kind.name


def test_numbers_of_the_methods_note() -> None:
    """Computed for methods.md by another hand: calibration (5.1), readings (1.3), window (2.6),
    frailty (5.4), clocks (2.1).
    """
    calibration = solve(replace(FIXED_4, other_exit=0.109))
    assert calibration[AE_STOP] == pytest.approx(0.113, abs=5e-4)
    assert calibration[AE_STOP[0], 4] / calibration[AE_STOP] == pytest.approx(27 / 31, abs=5e-3)

    related = replace(TITRATION, kinds=ALL_RELATED, clock="start")
    reading_m = tuple(
        replace(k, beta=float(k.beta or 0) / np.exp(0.391**2 / 2)) for k in ALL_RELATED
    )
    for model, stopped, escalated in (
        (related, 0.105, 0.672),
        (replace(related, kinds=reading_m), 0.098, 0.685),
        (replace(related, sd_log_clf=0.575), 0.124, 0.648),
    ):
        out = solve(model)
        assert (out[AE_STOP], out["escalated", 5]) == pytest.approx((stopped, escalated), abs=6e-4)
    assert solve(related)["escalated_if_on_treatment", 5] == pytest.approx(0.83, abs=5e-3)
    assert solve(replace(related, bar_window=4))["escalated_if_on_treatment", 5] == pytest.approx(
        0.69, abs=6e-3
    )

    frail = replace(related, frailty_variance=2.0, stop_probability=0.094, early_share=0.745)
    fixed = solve(replace(frail, levels_mg=(4.0,), escalation_cycle=None))[AE_STOP]
    central = [
        100 * (solve(replace(frail, clock=c))[AE_STOP] - fixed)
        for c in ("start", "increment", "reset")
    ]
    assert central == pytest.approx([-3.7, -2.3, -0.9], abs=0.06)

    rising = replace(
        TITRATION,
        weights="constant",
        clock="start",
        sd_log_clf=0.0,
        stop_probability=0.0,
        other_exit=0.0,
    )
    for kind, expected in zip(table2_kinds()[:4], (14.05, 26.37, None, 23.74), strict=True):
        if expected is not None:
            never_related = (replace(kind, sensitivity=0.0, false_positive_rate=0.0),)
            out = solve(replace(rising, kinds=never_related))
            assert 100 * out["first_event:" + kind.name, 12] == pytest.approx(expected, abs=0.006)
