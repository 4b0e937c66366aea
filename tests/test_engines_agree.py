"""The two engines tell the same story, row for row; a run without rows ends the same.

Blocks, threads and the company of other patients change nothing. The long tier:
`python -m pytest -m slow tests/test_engines_agree.py`.
"""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from scenario_maker import Table, load_table, make, to_toml
from short_course_maker import ShortCourse
from whole_run import Request, answer, as_json, difference, outcome_difference

from sim.engines import kernel, run
from sim.errors import LimitError, ScenarioError
from sim.model.jit import IS_COMPILED
from sim.plan.plan import Plan, compile_plan, resolved_json
from sim.scenario.file import load_scenario
from sim.scenario.library import shipped_names

PATIENTS = 40
SCREENED = 400
BLOCKS_AND_THREADS = ((1, 2), (7, 4), (97, 1), (97, 2), (SCREENED, 1))
MADE = range(1, 201)
SLOW_MADE = range(1_001, 3_001)
SLOW_PATIENTS, SLOW_SCREENED = 200, 4_000
UNCOMPILED = [("shipped:ixazomib-minimal", 6), *((f"made:{seed}", 4) for seed in (3, 8, 21, 40))]


def plan_of_shipped(name: str) -> Plan:
    """The plan of a shipped scenario."""
    return compile_plan(load_scenario(name).scenario)


def assert_engines_agree(plan: Plan, text: str, patients: int, screened: int) -> None:
    """Every table, latent value and outcome, by every way of running the same patients."""
    told, told_outcomes = run.record(plan, 0, patients, engine="events")
    flat, flat_outcomes = run.record(plan, 0, screened, threads=1)
    first = flat.of_patient(0)
    rows = np.unique(flat.decisions[:, 0], return_counts=True)[1]
    assert rows.max(initial=0) <= plan.record.longest_log, text
    part, part_outcomes = run.record(plan, 0, patients, threads=2, block=7)
    assert not (found := difference(told, part)), f"events and kernel: {found}\n{text}"
    found = outcome_difference(told_outcomes, part_outcomes)
    assert not found, f"outcomes of events and kernel: {found}\n{text}"
    found = outcome_difference(part_outcomes, flat_outcomes[:patients])
    assert not found, f"outcomes of blocks of 7 and of one block: {found}\n{text}"
    assert not (found := difference(part.of_patient(0), first)), f"blocks: {found}\n{text}"
    for block, threads in BLOCKS_AND_THREADS:
        if block == 1 and screened > SCREENED:
            continue
        parts = run.outcome_blocks(plan, 0, screened, threads=threads, block=block)
        found = outcome_difference(flat_outcomes, np.concatenate(list(parts)))
        where = f"with rows and without (block {block}, {threads} threads)"
        assert not found, f"outcomes {where}: {found}\n{text}"
    for patient in (1, patients - 1):
        alone, outcome = run.record(plan, patient, 1)
        assert not (found := difference(alone, told.of_patient(patient))), f"alone: {found}\n{text}"
        assert not outcome_difference(outcome, told_outcomes[patient : patient + 1])
    if IS_COMPILED:
        for function in (kernel.run_block, kernel.run_recorded):
            assert len(getattr(function, "signatures", ())) == 1


@pytest.mark.parametrize("name", shipped_names())
def test_engines_agree_on_shipped_scenarios(name: str) -> None:
    plan = plan_of_shipped(name)
    assert_engines_agree(plan, resolved_json(plan.scenario), PATIENTS, SCREENED)


@pytest.mark.parametrize("seed", MADE)
def test_engines_agree_on_made_scenarios(seed: int) -> None:
    made = make(seed)
    assert_engines_agree(made.plan(seed), made.text, PATIENTS, SCREENED)


def small(kind: Table, rule: Table, **tables: Table) -> Table:
    """A scenario of one kind of adverse event and one rule; tables add to its other tables."""
    source = {"source": "ASSUMED"}
    posology = {"levels_mg": [1.0, 10.0], "start_mg": 1.0, "reference_dose_mg": 10.0}
    posology |= {"max_cycles": 8}
    basis = {"name": "rash", "class": "non_hematologic", "counting_grade": 2}
    return {
        "format": 1,
        "name": "small",
        "title": "A course on which a short cut once went wrong",
        "drug": "made",
        "posology": posology | tables.get("posology", {}) | source,
        "pharmacokinetics": {"cl_f_l_per_h": 3.2, "cl_f_sd_log": 0.391} | source,
        "exposure_response": tables.get("exposure_response", {}) | source,
        "adverse_event": [basis | kind | source],
        "policy": tables.get("policy", {}) | source,
        "rule": [{"id": "r"} | rule | source],
    }


NEW = {"event": "adverse_event", "state": "new"}
ACTIVE = {"event": "adverse_event", "state": "active"}
NONE_ACTIVE = {"none": [ACTIVE]}
TWO_DAYS = {"probability": 0.5, "duration": [{"law": "fixed", "days": 2}]}
TEN_DAYS = {"probability": 0.5, "duration": [{"law": "fixed", "days": 10}]}
STEEP = {"probability_by_dose_mg": {"1.0": 0.02, "10.0": 0.9}}
WITHIN_CYCLE_3 = {"cycle": [3], "cycle_day": [8]}
SHORT_CUTS = {
    # The screen must know that a rise set within cycle 3 comes at the start of cycle 4.
    "a rise set within a cycle": small(
        STEEP | {"duration": [{"law": "fixed", "days": 2}]},
        {"at": "visit", "on": WITHIN_CYCLE_3, "do": "set 10.0",
         "when": {"value": "days_on_treatment", "gt": 1}},
        exposure_response={
            "weights": {"law": "piecewise", "early_cycles": 1, "early_share": 0.9}
        },
    ),
    # A quiet cycle must not swallow a skip ordered after the last dose of the cycle before.
    "a skip ordered after the last dose": small(
        TWO_DAYS | {"onset": {"law": "discrete", "days": [20], "probabilities": [1.0]}},
        {"at": "event", "do": "skip", "when": NEW},
        posology={"visit_days": [1, 8, 15, 22, 25]},
    ),
    # The reference engine must wake for the limit of a hold that opens between planned days.
    "a hold of one day opened between visits": small(
        TEN_DAYS,
        {"at": "event", "do": "hold", "when": NEW, "until": NONE_ACTIVE},
        policy={"seen": "onset", "max_hold_days": 1},
    ),
    # Events may not be brought up to the next cycle while a hold can still end treatment.
    "a hold limit after the last visit": small(
        TEN_DAYS | {"onset": {"law": "discrete", "days": [14], "probabilities": [1.0]}},
        {"at": "event", "do": "hold", "when": NEW, "until": NONE_ACTIVE},
        policy={"max_hold_days": 3},
    ),
    # Rules that raise the dose count their asks, also where no event could make them hold.
    "a rise that needs an active event": small(
        TEN_DAYS,
        {"at": "cycle", "do": "+1", "when": {"event": "adverse_event", "state": "active"}},
    ),
    "an event rule that holds without its event": small(
        TWO_DAYS,
        {"at": "event", "do": "hold", "until": NONE_ACTIVE,
         "when": {"event": "adverse_event", "grade": {"ge": 4}, "count": {"eq": 0}}},
    ),
    # Known at onset, an event may begin and end between two planned days; stop rules see it.
    "a stop for an event after the last planned day": small(
        TWO_DAYS | {"onset": {"law": "discrete", "days": [20], "probabilities": [1.0]}},
        {"at": "visit", "do": "stop", "when": ACTIVE},
        policy={"seen": "onset"},
    ),
    "a stop for an event between two planned days": small(
        TWO_DAYS | {"onset": {"law": "discrete", "days": [10], "probabilities": [1.0]}},
        {"at": "visit", "do": "stop", "when": ACTIVE},
        policy={"seen": "onset"},
    ),
    "a stop on the day an event is noticed": small(
        TWO_DAYS | {"onset": {"law": "discrete", "days": [20], "probabilities": [1.0]}},
        {"at": "visit", "do": "stop", "on": {"cycle": [3], "cycle_day": [20]},
         "when": {"value": "days_on_treatment", "ge": 2}},
        posology={"dose_days": [1]},
        policy={"seen": "onset"},
    ),
    # Where the event is certain, bounds of the screen met as infinity minus infinity.
    "hazards beyond all bounds": small(
        {"intercept": -600.0, "slope_per_auc_per_day": 1.5,
         "duration": [{"law": "fixed", "days": 2}]},
        {"at": "cycle", "do": "+1", "when": {"value": "cycles_at_level", "ge": 2}},
        exposure_response={"frailty_variance": 0.5},
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", SHORT_CUTS)
def test_short_cuts_that_once_went_wrong(what: str) -> None:
    table = SHORT_CUTS[what]
    plan = compile_plan(load_table(table))
    assert_engines_agree(plan, to_toml(table), PATIENTS, SCREENED)
    histories, outcomes = run.record(plan, 0, PATIENTS)
    assert histories.decisions[:, 7].any() or what == "a rise that needs an active event"
    assert len(histories.adverse_events) > PATIENTS / 4
    assert outcomes["rule_asks"][:, 0].any() or outcomes["rule_fires"][:, 0].any()


def test_the_ledger_has_room_for_a_hold_a_day_and_more_are_refused() -> None:
    """A hold that ends at every visit and opens at every dose, for 63 cycles of daily doses."""
    always = {"value": "days_on_treatment", "ge": 1}
    rule = {"at": "dose", "do": "hold", "when": always, "until": always}
    daily = {"dose_days": list(range(1, 29)), "max_cycles": 63}
    table = small(TWO_DAYS, rule, posology=daily)
    plan = compile_plan(load_table(table))
    assert_engines_agree(plan, to_toml(table), 3, 10)
    assert run.record(plan, 0, 1)[1]["holds"][0] == 28 * 63
    often = {"recheck_days": 1, "max_delay_days": 400}
    with pytest.raises(LimitError, match="holds"):
        compile_plan(load_table(small(TWO_DAYS, rule, posology=daily, policy=often)))


def test_more_clauses_than_one_number_has_bits_for_are_refused() -> None:
    parts = [{"value": "days_on_treatment", "gt": 10 * n} for n in range(1, 64)]
    nested = {"any": [*parts[:40], {"all": [*parts[40:62]]}]}
    rule = {"at": "cycle", "do": "+1", "when": nested}
    plan = compile_plan(load_table(small(TWO_DAYS, rule)))
    assert_engines_agree(plan, "62 clauses", 3, 10)
    with pytest.raises(LimitError, match="62 clauses"):
        compile_plan(load_table(small(TWO_DAYS, rule | {"when": {"any": parts}})))


def test_the_screen_holds_where_frailty_cuts_the_hazard() -> None:
    """The clearest patients reach the cut at every level, and no weight is left for the lowest."""
    table = small(
        {"intercept": -3.0, "slope_per_auc_per_day": 0.05,
         "duration": [{"law": "fixed", "days": 2}]},
        {"at": "cycle", "do": "+1", "on": {"cycle": [5]},
         "when": {"value": "days_on_treatment", "ge": 1}},
        exposure_response={"frailty_variance": 1.0, "reference_cycles": 4,
                           "weights": {"law": "constant"}, "after_reference": "zero"},
    )  # fmt: skip
    table["pharmacokinetics"]["cl_f_sd_log"] = 0.8
    plan = compile_plan(load_table(table))
    walked = run.record(plan, 0, 10_000)[1]
    screened = np.concatenate(list(run.outcome_blocks(plan, 0, 10_000)))
    assert not outcome_difference(walked, screened)


def test_asks_are_counted_beyond_15_bits() -> None:
    """Asked on every day of waits of 1,800 days, a rule's asks still add up."""
    always = {"value": "days_on_treatment", "ge": 1}
    gate = {"id": "gate", "at": "cycle", "do": "delay", "max_days": 1_800, "then": "proceed"}
    table = small(TWO_DAYS, {"at": "visit", "do": "set 1.0", "when": always})
    table["rule"].append(gate | {"when": always, "source": "ASSUMED"})
    table["posology"]["max_cycles"] = 63
    table["policy"] |= {"recheck_days": 1, "max_delay_days": 1_900}
    plan = compile_plan(load_table(table))
    outcomes = np.concatenate(list(run.outcome_blocks(plan, 0, 3)))
    assert (outcomes["rule_fires"][:, 0] > 63 * 1_000).all()


def assert_short_courses_agree(seeds: range, patients: int) -> None:
    """What is not walked ends as what is walked, on many lean scenarios."""
    for seed in seeds:
        table = ShortCourse(seed).table()
        try:
            plan = compile_plan(load_table(table), seed=seed)
        except (ScenarioError, LimitError):
            continue
        walked = run.record(plan, 0, patients, threads=1)[1]
        passed = np.concatenate(list(run.outcome_blocks(plan, 0, patients, threads=1)))
        found = outcome_difference(walked, passed)
        assert not found, f"seed {seed}: {found}\n{to_toml(table)}"


def test_short_cuts_agree_on_short_courses() -> None:
    assert_short_courses_agree(range(400), 100)


@pytest.mark.slow
def test_short_cuts_agree_on_many_short_courses() -> None:
    assert_short_courses_agree(range(1_000, 11_000), 200)


@pytest.mark.slow
def test_engines_agree_on_many_made_scenarios() -> None:
    for name in shipped_names():
        plan = plan_of_shipped(name)
        text = resolved_json(plan.scenario)
        assert_engines_agree(plan, text, 2 * SLOW_PATIENTS, SLOW_SCREENED)
    for seed in SLOW_MADE:
        made = make(seed)
        assert_engines_agree(made.plan(seed), made.text, SLOW_PATIENTS, SLOW_SCREENED)


def test_far_patients_are_run_alike() -> None:
    plan = make(3).plan()
    for first in ((1 << 32) - 3, (5 << 32) + 7):
        told, outcomes = run.record(plan, first, 6, engine="events")
        flat, _ = run.record(plan, first, 6, block=4)
        assert not difference(told, flat)
        parts = list(run.outcome_blocks(plan, first, 6))
        assert not outcome_difference(outcomes, np.concatenate(parts))
        assert told.disposition[:, 0].tolist() == list(range(first, first + 6))


def test_made_scenarios_reach_all_machinery() -> None:
    """The comparison means something only if rules fire, holds open and patients leave."""
    asks, actions, routes, causes = set(), set(), set(), set()
    for seed in range(1, 61):
        histories, _ = run.record(make(seed).plan(seed), 0, PATIENTS)
        won = histories.decisions[histories.decisions[:, 8] == 1]
        asks |= set(won[:, 3].tolist())
        actions |= set(won[:, 10].tolist())
        routes |= set(histories.disposition[:, 4].tolist())
        causes |= set(histories.disposition[:, 3].tolist())
    assert asks == set(range(7))
    assert actions == set(range(1, 9))
    assert routes == set(range(7))
    assert causes == set(range(6))


def test_a_seed_makes_the_same_scenario_every_time() -> None:
    make.cache_clear()
    first = make(5)
    make.cache_clear()
    assert make(5) == first
    assert to_toml(first.table) == first.text


def test_compiled_and_interpreted_runs_are_the_same() -> None:
    requests = [
        Request(name, patients, engine=engine)
        for name, patients in UNCOMPILED
        for engine in ("kernel", "events")
    ]
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    interpreted = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "tests/whole_run.py"],
        input=as_json(requests),
        env=environment | {"PYTHONPATH": "."},
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert interpreted.returncode == 0, interpreted.stderr[-3_000:]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compiled = [answer(request) for request in requests]
    assert json.loads(interpreted.stdout) == compiled
