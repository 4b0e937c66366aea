"""Relations that hold whatever the numbers are: what common sense demands of a titration.

Each changes one thing in a scenario and says what may change in the results and what may not.
The same patient meets the same luck everywhere, so most hold patient by patient.
"""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scenario_maker import make
from whole_run import outcome_difference

from sim.codes import Cause
from sim.engines.run import outcome_blocks
from sim.model.counts import OUTCOME, TALLY
from sim.plan.plan import Plan, compile_plan
from sim.scenario.document import document_from_bytes
from sim.scenario.file import load_document, load_scenario
from sim.scenario.scenario import Scenario
from sim.summary import summarize
from sim.tallies import Arm, Sums, count_arms

PATIENTS = 10_000
SEED = 99
FLAGSHIP = "ixazomib-maintenance"
MINIMAL = "ixazomib-minimal"
SLOPED = ("neutropenia", "thrombocytopenia", "rash", "fatigue", "diarrhea")
Outcomes = NDArray[Any]


def variant(name: str, *overrides: str, extends: str = "") -> Scenario:
    """A shipped scenario with overrides, or a file that extends one."""
    if not extends:
        return load_scenario(name, overrides).scenario
    text = f'format = 1\nextends = "{name}"\nname = "variant"\ntitle = "variant"\n{extends}\n'
    document = document_from_bytes(text.encode(), "variant.toml", Path("variant.toml"))
    return load_document(document, overrides).scenario


def outcomes(scenario: Scenario, patients: int = PATIENTS, first: int = 0) -> Outcomes:
    return np.concatenate(list(outcome_blocks(plan_of(scenario), first, patients)))


def plan_of(scenario: Scenario) -> Plan:
    return compile_plan(scenario, seed=SEED)


@cache
def of(name: str, *overrides: str) -> Outcomes:
    return outcomes(variant(name, *overrides))


def summary(scenario: Scenario, patients: int = PATIENTS) -> pd.DataFrame:
    table = summarize(count_arms([plan_of(scenario)], 0, patients)[0])
    return table.drop(columns=["scenario", "label"])


def same(left: Outcomes, right: Outcomes, *but: str) -> str:
    """The first difference in any field except some; empty when equal."""
    fields = [name for name in OUTCOME.names or () if name not in but]
    return outcome_difference(left[fields], right[fields])


def stops(outcome: Outcomes) -> int:
    return int((outcome["cause"] == Cause.ADVERSE_EVENT).sum())


def for_kinds(text: str, kinds: Sequence[str] = SLOPED) -> list[str]:
    return [f"adverse_event.{kind}.{text}" for kind in kinds]


# ---- exposure


def flat(name: str, *more: str) -> Scenario:
    """No kind depends on exposure: slope 0, with a risk that is easily seen."""
    texts = [
        text
        for kind in SLOPED
        for text in (
            f"adverse_event.{kind}.intercept=-1.2",
            f"adverse_event.{kind}.slope_per_auc_per_day=0.0",
        )
    ]
    return variant(name, *texts, *more)


@pytest.mark.parametrize("clock", ["increment", "start", "reset"])
def test_without_a_slope_arms_differ_in_dose_only(clock: str) -> None:
    """Escalated or not, 3 or 4 mg: the same events, stops and days, patient by patient."""
    names = ("minimal-fixed-3mg", "minimal-fixed-4mg", MINIMAL)
    arms = [outcomes(flat(name, f"exposure_response.clock={clock}")) for name in names]
    dose = (
        "level_of_cycle", "escalated_cycle", "given_ug", "given_mg", "loss_not_escalated_ug",
        "loss_stopped_ug", "auc_per_day", "benefit", "rule_asks", "rule_fires", "clause_held",
    )  # fmt: skip
    for arm in arms[1:]:
        assert not same(arms[0], arm, *dose)
    assert arms[1]["given_ug"].sum() > arms[2]["given_ug"].sum() > arms[0]["given_ug"].sum()
    assert stops(arms[0]) > 500


def test_with_a_slope_they_differ_in_more() -> None:
    assert same(of("minimal-fixed-3mg"), of("minimal-fixed-4mg"), "given_ug", "level_of_cycle")
    assert stops(of("minimal-fixed-3mg")) < stops(of("minimal-fixed-4mg"))


@pytest.mark.parametrize("name", [MINIMAL, FLAGSHIP, "start-4mg"])
def test_doses_and_clearance_twice_as_large_change_only_the_milligrams(name: str) -> None:
    """AUC/day is dose / (CL/F): twice both is the same exposure (a power of two is exact)."""
    base = variant(name)
    table = base.posology
    twice = [2 * level for level in table.levels_mg]
    larger = base.model_copy(
        update={
            "posology": table.model_copy(
                update={
                    "levels_mg": tuple(twice),
                    "start_mg": 2 * table.start_mg,
                    "target_mg": 2 * table.target_mg if table.target_mg else None,
                    "reference_dose_mg": 2 * table.reference_dose_mg,
                }
            ),
            "pharmacokinetics": base.pharmacokinetics.model_copy(
                update={"cl_f_l_per_h": 2 * base.pharmacokinetics.cl_f_l_per_h}
            ),
            "adverse_event": tuple(
                kind.model_copy(update={"probability_by_dose_mg": _twice(kind)})
                for kind in base.adverse_event
            ),
            "clinical_benefit": base.clinical_benefit.model_copy(
                update={"probability_by_dose_mg": _twice(base.clinical_benefit)}
            )
            if base.clinical_benefit
            else None,
        }
    )
    left, right = outcomes(base), outcomes(larger)
    doses = [name for name in OUTCOME.names or () if name.startswith(("given", "loss"))]
    assert not same(left, right, *doses)
    for field in doses:
        assert np.array_equal(2 * left[field], right[field]), field


def _twice(told: Any) -> dict[str, float] | None:
    by_dose = told.probability_by_dose_mg
    return {str(2 * float(dose)): p for dose, p in by_dose.items()} if by_dose else None


@pytest.mark.parametrize("name", [MINIMAL, FLAGSHIP])
def test_a_blinded_placebo_has_the_hazards_of_no_drug(name: str) -> None:
    """exposure_multiplier 0: every kind has its background, at any capsule label, and no event is
    the drug's: nobody who is not falsely accused is called related."""
    placebo = variant(name, "pharmacokinetics.exposure_multiplier=0")
    rates = for_kinds("false_positive_rate=0")
    honest = variant(name, "pharmacokinetics.exposure_multiplier=0", *rates)
    found = outcomes(honest)
    kinds = [plan_of(honest).names.kinds.index(kind) for kind in SLOPED]
    assert found["related_events"][:, kinds].sum() == 0 < found["events"][:, kinds].sum()
    assert np.all(outcomes(placebo)["auc_per_day"] == 0)
    assert outcomes(placebo)["given_ug"].sum() > 0
    at_zero = [f"exposure_response.clock={clock}" for clock in ("increment", "start", "reset")]
    arms = [
        outcomes(variant(name, "pharmacokinetics.exposure_multiplier=0", clock))
        for clock in at_zero
    ]
    assert not same(arms[0], arms[1])
    assert not same(arms[0], arms[2])


def test_a_placebo_is_the_arm_without_drug() -> None:
    """Fixed dose of placebo capsules, and dose 0: the same events day by day."""
    capsules = variant("fixed-3mg", "pharmacokinetics.exposure_multiplier=0")
    nothing = variant("no-drug")
    left, right = outcomes(capsules), outcomes(nothing)
    events = ("events", "related_events", "first_event_cycle", "first_any_cycle")
    early = left["last_cycle"] == right["last_cycle"]
    assert early.mean() > 0.95
    kinds = [kind.name for kind in capsules.adverse_event]
    assert kinds == [kind.name for kind in nothing.adverse_event]
    for field in events:
        assert np.array_equal(left[field][early], right[field][early]), field


def test_no_kind_has_more_events_under_placebo() -> None:
    drug, placebo = of("minimal-fixed-4mg"), of(
        "minimal-fixed-4mg", "pharmacokinetics.exposure_multiplier=0"
    )  # fmt: skip
    assert np.all(placebo["events"].sum(axis=0)[:5] < drug["events"].sum(axis=0)[:5])


# ---- more of something


@pytest.mark.parametrize("name", ["minimal-fixed-3mg", "minimal-fixed-4mg"])
def test_more_toxicity_never_saves_a_patient(name: str) -> None:
    """With equal luck a higher hazard keeps every event of those still on treatment: nobody stops
    later, has a first event later, or gets more drug."""
    mild = of(name)
    for factor in (1.5, 4.0):
        harsh = of(name, *for_kinds(f"setting_multiplier={factor}"))
        assert np.all(harsh["last_day"] <= mild["last_day"])
        assert np.all(harsh["given_ug"] <= mild["given_ug"])
        assert stops(harsh) > stops(mild)
        first, before = harsh["first_any_cycle"], mild["first_any_cycle"]
        had = before > 0
        assert np.all((first[had] > 0) & (first[had] <= before[had]))
        mild = harsh


def test_more_toxicity_means_fewer_escalations() -> None:
    counts = [
        int((of(MINIMAL, *for_kinds(f"setting_multiplier={factor}"))["escalated_cycle"] > 0).sum())
        for factor in (0.0, 0.5, 1.0, 2.0, 4.0)
    ]
    assert counts == sorted(counts, reverse=True)
    assert len(set(counts)) == len(counts)


def test_more_exits_never_keep_a_patient() -> None:
    few, many = of(MINIMAL), of(MINIMAL, "exit.other.probability_per_cycle=0.1")
    assert np.all(many["last_day"] <= few["last_day"])
    assert many["last_day"].sum() < 0.9 * few["last_day"].sum()


def test_a_better_attribution_never_bars_more() -> None:
    """Fewer false accusations: whoever was escalated still is."""
    before = of(MINIMAL, *for_kinds("false_positive_rate=1.0"))["escalated_cycle"]
    for rate in (0.5, 0.25, 0.0):
        now = of(MINIMAL, *for_kinds(f"false_positive_rate={rate}"))["escalated_cycle"]
        assert np.all(now[before > 0] == 5)
        assert (now > 0).sum() > (before > 0).sum()
        before = now


def test_clocks_agree_until_the_first_increase() -> None:
    """And at a fixed dose for ever; then `start` has fewest events and `reset` most."""
    clocks = ("start", "increment", "reset")
    arms = [of(MINIMAL, f"exposure_response.clock={clock}") for clock in clocks]
    fixed = [of("minimal-fixed-4mg", f"exposure_response.clock={clock}") for clock in clocks]
    for arm in fixed[1:]:
        assert not same(fixed[0], arm)
    early = arms[0]["escalated_cycle"] == 0
    for arm in arms[1:]:
        assert np.array_equal(arm["escalated_cycle"], arms[0]["escalated_cycle"])
        assert not same(arms[0][early], arm[early])
        assert np.all(arm["last_day"] <= arms[0]["last_day"])
    assert stops(arms[0]) < stops(arms[1]) < stops(arms[2])


# ---- what may not matter


def test_unused_levels_above_change_nothing() -> None:
    """More rungs on the ladder that no rule reaches."""
    longer = variant(MINIMAL, "posology.levels_mg=[3.0, 4.0, 5.5, 8.0]", "posology.target_mg=4.0")
    assert not same(of(MINIMAL), outcomes(longer))
    left, right = summary(variant(MINIMAL)), summary(longer)
    right = right[~right["endpoint"].isin(["dose_level:5.5", "dose_level:8"])]
    pd.testing.assert_frame_equal(left, right.reset_index(drop=True))


def test_unused_levels_below_change_only_their_numbers() -> None:
    lower = outcomes(variant(MINIMAL, "posology.levels_mg=[0.5, 2.3, 3.0, 4.0]"))
    shifted = lower["level_of_cycle"]
    lower["level_of_cycle"] = np.where(shifted >= 0, shifted - 2, shifted)
    assert not same(of(MINIMAL), lower)


def test_a_label_is_only_a_label() -> None:
    """Another display text: the same numbers; another name: other luck for that kind alone."""
    relabelled = variant(FLAGSHIP, "adverse_event.rash.label=Skin eruption, grade 2 or higher")
    assert not same(of(FLAGSHIP), outcomes(relabelled))
    pd.testing.assert_frame_equal(summary(variant(FLAGSHIP)), summary(relabelled))


def test_the_order_of_kinds_does_not_matter() -> None:
    """The same kinds in another order: permuted results, patient by patient."""
    base = variant(MINIMAL)
    turned = base.model_copy(update={"adverse_event": tuple(reversed(base.adverse_event))})
    left, right = outcomes(base), outcomes(turned)
    per_kind = ("events", "related_events", "first_event_cycle")
    assert not same(left, right, *per_kind)
    for field in per_kind:
        assert np.array_equal(left[field][:, :5], right[field][:, 4::-1]), field


def test_a_rule_that_never_holds_changes_nothing_but_its_own_counts() -> None:
    idle = '[[rule]]\nid = "idle"\nat = "visit"\ndo = "stop"\nsource = "ASSUMED"\n'
    idle += 'when = { value = "days_on_treatment", gt = 9000 }\n'
    added = outcomes(variant(FLAGSHIP, extends=idle))
    assert not same(of(FLAGSHIP), added, "rule_asks", "rule_fires", "clause_held")


def test_a_kind_that_never_occurs_changes_nothing_else() -> None:
    kind = '[[adverse_event]]\nname = "hiccups"\nclass = "non_hematologic"\ncounting_grade = 2\n'
    kind += "probability = 0.5\nsetting_multiplier = 0.0\n"
    kind += 'duration = [{ law = "fixed", days = 3 }]\n'
    added = outcomes(variant(FLAGSHIP, extends=kind + 'source = "ASSUMED"\n'))
    assert not same(of(FLAGSHIP), added)


@pytest.mark.parametrize("seed", [3, 11, 27, 44, 61])
def test_a_kind_that_never_occurs_changes_nothing_else_in_made_scenarios(seed: int) -> None:
    made = make(seed).scenario
    assert len(made.adverse_event) < 12
    silent = made.adverse_event[0].model_copy(
        update={"name": "hiccups", "label": "", "setting_multiplier": 0.0, "drug_share": None}
    )
    more = made.model_copy(update={"adverse_event": (*made.adverse_event, silent)})
    assert not same(outcomes(made, 2_000), outcomes(more, 2_000))


# ---- patients


def of_sums(sums: Sums) -> dict[str, Any]:
    return {name: sums[name] for name in ("patients", "first", "last_cycle", "level", "total")}


@pytest.mark.parametrize("name", [MINIMAL, FLAGSHIP, "axitinib-titration"])
def test_pooled_trials_are_the_sum_of_their_parts(name: str) -> None:
    plan = plan_of(variant(name))
    whole = count_arms([plan], 0, 3_000)[0][0]
    parts = Sums(TALLY)
    for first, patients in ((0, 1), (1, 999), (1_000, 1_500), (2_500, 500)):
        parts.add_sums(count_arms([plan], first, patients)[0][0].sums)
    for field, value in of_sums(whole.sums).items():
        assert np.array_equal(parts[field], value), field
    for field in ("escalated_on", "square", "product"):
        assert np.array_equal(parts[field], whole.sums[field]), field
    pooled = Arm(plan)
    pooled.sums.add_sums(parts)
    pd.testing.assert_frame_equal(summarize([whole]), summarize([pooled]), check_exact=True)


def test_the_first_patients_of_more_are_the_patients_of_fewer() -> None:
    few, many = outcomes(variant(FLAGSHIP), 1_000), outcomes(variant(FLAGSHIP), 2_000)
    assert not same(few, many[:1_000])
    assert np.any(few["last_day"] != many["last_day"][1_000:])
    later = outcomes(variant(FLAGSHIP), 1_000, first=1_000)
    assert not same(later, many[1_000:])


def test_another_seed_is_other_luck_with_the_same_law() -> None:
    scenario = variant(MINIMAL)
    left = count_arms([compile_plan(scenario, seed=1)], 0, 50_000)[0]
    right = count_arms([compile_plan(scenario, seed=2)], 0, 50_000)[0]
    a, b = summarize(left), summarize(right)
    z = (a["estimate"] - b["estimate"]) / np.sqrt(a["mcse"] ** 2 + b["mcse"] ** 2)
    z = z[np.isfinite(z) & (a["estimate"] * 50_000 > 50)]
    assert len(z) > 100
    assert 0.3 < z.std() < 2.0
    assert z.abs().max() < 4.5


def test_a_shorter_course_is_the_beginning_of_a_longer_one() -> None:
    """Nobody knows how long the study will last."""
    short, long = of(MINIMAL, "posology.max_cycles=8"), of(MINIMAL)
    assert np.array_equal(short["level_of_cycle"][:, :9], long["level_of_cycle"][:, :9])
    left = long["last_cycle"] <= 7
    assert not same(short[left], long[left], "loss_stopped_ug", "benefit")
    assert np.array_equal(short["cause"] == 0, (long["last_cycle"] > 8) | _ended_at(long, 8))


def _ended_at(outcome: Outcomes, cycle: int) -> NDArray[np.bool_]:
    """Whoever completes ends on the last day; in the longer course nobody completes there."""
    return (outcome["last_cycle"] == cycle) & (outcome["cause"] == Cause.COMPLETED)


RELABEL: tuple[Callable[[Scenario], Scenario], ...] = (
    lambda scenario: scenario.model_copy(update={"name": "another-name"}),
    lambda scenario: scenario.model_copy(update={"title": "Another title"}),
    lambda scenario: scenario.model_copy(update={"drug": "another"}),
    lambda scenario: scenario.model_copy(update={"notes": ("A note.",)}),
)


@pytest.mark.parametrize("number", range(len(RELABEL)))
def test_words_about_a_scenario_change_no_number(number: int) -> None:
    assert not same(of(FLAGSHIP), outcomes(RELABEL[number](variant(FLAGSHIP))))
