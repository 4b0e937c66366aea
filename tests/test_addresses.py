"""Every draw has an address of its own, and nothing but its address decides it.

Adding a kind, a rule, an exit, patients or an arm leaves all other draws alone; a higher
exposure keeps every event as long as histories agree.
"""

import copy
import json
import os
import random
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scenario_maker import Table, load_table, make
from whole_run import Request, as_json, difference

from sim.engines import run
from sim.errors import LimitError
from sim.histories import TABLES, Histories
from sim.model import draws
from sim.model.layout import EVENT_COLUMNS, MAX_CYCLES
from sim.plan.plan import Plan, compile_plan
from sim.plan.streams import Streams
from sim.scenario.document import read_document

LOW_32 = 0xFFFFFFFF
PATIENTS = 60
TRACED = 10
# The busiest of the first made scenarios, by rules times kinds, and the smallest shipped one.
CANDIDATES = range(1, 101)
BUSIEST = 8
KIND = EVENT_COLUMNS.index("kind")
# Two names whose streams have one CRC-32.
COLLIDING = ("variseza", "lolohebi")


def busiest() -> list[int]:
    """Seeds of the made scenarios with the most rules and kinds."""

    def size(seed: int) -> int:
        table = make(seed).table
        return len(table.get("rule", ())) * len(table["adverse_event"])

    return sorted(CANDIDATES, key=size, reverse=True)[:BUSIEST]


def traced(requests: list[Request]) -> list[dict[str, Any]]:
    """What the requests ask for, from a process with the compiler off."""
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "tests/traced_draws.py"],
        input=as_json(requests),
        env=os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": "."},
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def test_no_two_draws_share_an_address() -> None:
    requests = [
        Request("shipped:ixazomib-minimal", 2 * TRACED),
        Request("shipped:ixazomib-minimal", TRACED, engine="events"),
    ]
    for place, seed in enumerate(busiest()):
        engine = ("kernel", "events")[place % 2]
        requests.append(Request(f"made:{seed}", TRACED, seed=place, engine=engine))
    asked, kinds = 0, set()
    for request, answer in zip(requests, traced(requests), strict=True):
        assert answer["repeats"] == {}, request
        assert answer["unknown_streams"] == [], request
        assert answer["keys"] in ([], [[0, request.seed, 0]]), request
        assert answer["highest_block"] < draws.PATIENT_HIGH
        asked += answer["asked"]
        kinds |= {name.split("/")[0] + "/" + str(name.count("/")) for name in answer["streams"]}
    assert asked > 5_000
    assert kinds == {"population/1", "ae/1", "ae/2", "exit/1", "rule/1", "rule/2"}


def test_a_change_of_seed_or_patient_changes_only_that_part_of_an_address() -> None:
    name, far = "made:21", (3 << 32) + 1
    seeds = [Request(name, 1, seed=5), Request(name, 1, seed=5 + (7 << 32))]
    one, other, away = traced([*seeds, Request(name, 1, first=far, seed=5)])
    latent = [a for a in one["addresses"] if a[2] == zlib.crc32(b"population/cl_f")]
    assert latent
    for address in latent:
        patient, block, stream, draw, low, _, place = address
        assert [patient, block, stream, draw, low, 7, place] in other["addresses"]
        moved = [far & LOW_32, block + 3 * draws.PATIENT_HIGH, stream, draw, low, 0, place]
        assert moved in away["addresses"]


def test_words_stand_where_the_layout_says() -> None:
    """Patient, block, stream, parameter draw and seed each fill their own part."""
    source = random.Random(8)
    scenario = make(3).scenario
    for _ in range(50):
        seed, draw = source.getrandbits(64), source.getrandbits(20)
        patient, stream = source.getrandbits(48), source.getrandbits(32)
        cycle, ask = source.randint(1, MAX_CYCLES), source.randint(0, draws.MAX_ASKS)
        plan = compile_plan(scenario, seed=seed, parameter_draw=draw).numbers[0]
        block = (cycle - 1) // 4 + draws.ASK_BLOCKS * ask
        assert block < draws.PATIENT_HIGH
        words = draws.philox(
            patient & LOW_32,
            block + draws.PATIENT_HIGH * (patient >> 32),
            stream,
            draw,
            seed & LOW_32,
            seed >> 32,
        )
        assert draws.words_at(plan, patient, stream, block) == words
        assert draws.word_of_cycle(plan, patient, stream, cycle, ask) == words[(cycle - 1) % 4]


def test_the_limits_leave_every_part_its_own_bits() -> None:
    assert (MAX_CYCLES - 1) // 4 < draws.ASK_BLOCKS
    assert draws.ASK_BLOCKS * (draws.MAX_ASKS + 1) <= draws.PATIENT_HIGH
    assert (draws.MAX_PATIENTS >> 32) * draws.PATIENT_HIGH <= 1 << 32
    plan = make(3).plan()
    last, _ = run.record(plan, draws.MAX_PATIENTS - 2, 2)
    assert last.disposition[:, 0].tolist() == [draws.MAX_PATIENTS - 2, draws.MAX_PATIENTS - 1]
    with pytest.raises(LimitError):
        run.record(plan, draws.MAX_PATIENTS - 2, 3)


def test_seeds_of_any_size_are_told_apart() -> None:
    scenario = make(3).scenario
    seeds = (0, 1, 2, 1 << 31, 1 << 32, (1 << 32) + 1, 1 << 63, (1 << 64) - 1)
    told = [run.record(compile_plan(scenario, seed=seed), 0, 20)[0] for seed in seeds]
    latents = {histories.adverse_events.tobytes() for histories in told}
    assert len(latents) == len(seeds)
    for seed in (-1, 1 << 64):
        with pytest.raises(LimitError):
            compile_plan(scenario, seed=seed)


# Adding something


def plan_of(table: Table) -> Plan:
    """The plan of a table, under a seed unlike the others."""
    return compile_plan(load_table(table), seed=33)


def told(table: Table, patients: int = PATIENTS) -> Histories:
    """Histories of a table's patients."""
    return run.record(plan_of(table), 0, patients)[0]


def without_rules(seed: int) -> Table:
    """A made scenario with neither rules nor what only rules need."""
    table = copy.deepcopy(make(seed).table)
    for key in ("rule", "calibration"):
        table.pop(key, None)
    return table


def kind_called(name: str) -> Table:
    """An adverse event that happens to most patients."""
    return {
        "name": name,
        "class": "non_hematologic",
        "counting_grade": 1,
        "probability": 0.8,
        "drug_share": 0.5,
        "duration": [{"law": "fixed", "days": 9}],
        "source": "ASSUMED",
    }


RULE_THAT_NEVER_HOLDS = {
    "id": "never",
    "at": "cycle",
    "do": "stop",
    "probability": 0.5,
    "when": {"value": "days_on_treatment", "gt": 100_000},
    "source": "ASSUMED",
}


def as_numbered_before(rows: NDArray[np.int64], column: int, added: int) -> NDArray[np.int64]:
    """Rows with the numbers in a column as they were before one was added."""
    rows = rows.copy()
    rows[:, column] -= rows[:, column] > added
    return rows


@pytest.mark.parametrize("seed", [3, 8, 12, 29, 44])
@pytest.mark.parametrize("place", [0, 1])
def test_an_added_kind_leaves_all_others_alone(seed: int, place: int) -> None:
    table = without_rules(seed)
    before = told(table)
    table["adverse_event"].insert(place, kind_called("added"))
    after = told(table)
    kinds = after.adverse_events[:, KIND]
    assert (kinds == place).sum() > 5
    others = as_numbered_before(after.adverse_events[kinds != place], KIND, place)
    assert np.array_equal(others, before.adverse_events)
    for name in ("doses", "disposition", "latents"):
        assert np.array_equal(getattr(after, name), getattr(before, name))


@pytest.mark.parametrize("seed", [3, 8, 12, 29, 44])
def test_an_added_rule_that_never_holds_leaves_everything_alone(seed: int) -> None:
    table = copy.deepcopy(make(seed).table)
    before = told(table)
    table["rule"] = [copy.deepcopy(RULE_THAT_NEVER_HOLDS), *table.get("rule", ())]
    after = told(table)
    assert (after.decisions[:, 4] == 0).sum() > 0
    log = as_numbered_before(after.decisions[after.decisions[:, 4] != 0], 4, 0)
    assert np.array_equal(log, before.decisions)
    assert np.array_equal(after.adverse_events, before.adverse_events)
    assert np.array_equal(as_numbered_before(after.doses, 6, 0), before.doses)
    assert np.array_equal(as_numbered_before(after.disposition, 5, 0), before.disposition)


def test_an_added_rule_of_chance_changes_only_patients_it_acts_on() -> None:
    table = copy.deepcopy(make(8).table)
    before = told(table)
    added = copy.deepcopy(RULE_THAT_NEVER_HOLDS)
    added |= {"probability": 0.05, "when": {"value": "days_on_treatment", "ge": 1}}
    table["rule"] = [*table.get("rule", ()), added]
    after = told(table)
    number = len(table["rule"]) - 1
    acted = set(
        after.decisions[(after.decisions[:, 4] == number) & (after.decisions[:, 7] == 1), 0]
    )
    assert 0 < len(acted) < PATIENTS
    for patient in set(range(PATIENTS)) - acted:
        one, other = after.of_patient(patient), before.of_patient(patient)
        assert np.array_equal(one.doses, other.doses)
        assert np.array_equal(one.adverse_events, other.adverse_events)
        assert np.array_equal(one.disposition, other.disposition)


@pytest.mark.parametrize("before_ae", [False, True])
def test_an_added_exit_only_ends_courses_earlier(before_ae: bool) -> None:
    table = without_rules(29)
    table["exit"] = [leaving for leaving in table.get("exit", ()) if leaving["cause"] != "other"]
    before = told(table)
    added = {"cause": "other", "probability_per_cycle": 0.1, "before_ae": before_ae}
    table["exit"].insert(0, added | {"source": "ASSUMED"})
    after = told(table)
    left = 0
    for patient in range(PATIENTS):
        one, other = after.of_patient(patient), before.of_patient(patient)
        if one.disposition[0, 3] != 5:
            assert not difference(one, other)
            continue
        left += 1
        assert one.disposition[0, 2] <= other.disposition[0, 2]
        assert np.array_equal(one.doses, other.doses[: len(one.doses)])
    assert left > 5


@pytest.mark.parametrize("seed", [3, 8, 29])
def test_added_patients_leave_the_first_ones_alone(seed: int) -> None:
    table = make(seed).table
    few, many = told(table, 30), told(table, 90)
    for name in TABLES:
        rows = many.table(name)
        assert np.array_equal(rows[rows[:, 0] < 30], few.table(name))
    assert np.array_equal(many.latents[:30], few.latents)


def test_another_arm_leaves_this_one_alone() -> None:
    """Arms are plans of their own: running, naming or ordering them changes no draw."""
    table = copy.deepcopy(make(8).table)
    before = told(table)
    told(make(21).table)
    renamed = {"name": "another-arm", "title": "The same under another name"}
    assert not difference(told(table | renamed), before)


def test_two_names_with_one_stream_are_refused() -> None:
    one, other = (zlib.crc32(f"ae/{name}".encode()) for name in COLLIDING)
    assert one == other
    streams = Streams()
    assert streams.number(f"ae/{COLLIDING[0]}") == streams.number(f"ae/{COLLIDING[0]}")
    with pytest.raises(LimitError, match=COLLIDING[1]):
        streams.number(f"ae/{COLLIDING[1]}")
    table = without_rules(3)
    table["adverse_event"] = [kind_called(name) for name in COLLIDING]
    with pytest.raises(LimitError, match="same number"):
        plan_of(table)


# Monotone in exposure


def minimal(dose: float) -> Table:
    """The smallest shipped scenario as written, from another start."""
    table = copy.deepcopy(read_document("ixazomib-minimal").table)
    table["posology"]["start_mg"] = dose
    return table


def without_stops(dose: float, **response: Any) -> Table:
    """The same with neither rules nor exits: one fixed dose for the whole course."""
    table = minimal(dose)
    table["exposure_response"] |= response
    return {key: value for key, value in table.items() if key not in ("rule", "exit")}


@pytest.mark.parametrize("clock", ["increment", "start", "reset"])
@pytest.mark.parametrize("frailty", [0.0, 0.5])
def test_a_higher_dose_keeps_every_event(clock: str, frailty: float) -> None:
    chosen = {"clock": clock, "frailty_variance": frailty, "recurrence": "next_cycle"}
    low, high = (told(without_stops(dose, **chosen), 400).adverse_events for dose in (3.0, 4.0))
    # Patient, cycle, kind, onset and end: all but what the dose may change.
    fewer, more = ({tuple(row[:5]) for row in rows.tolist()} for rows in (low, high))
    assert fewer < more
    grades = {tuple(row[:5]): row[5] for row in high.tolist()}
    assert all(grades[tuple(row[:5])] >= row[5] for row in low.tolist())


def test_the_first_event_never_comes_later_at_a_higher_dose() -> None:
    """With the rules on: until the first event histories agree but for the dose."""
    first = []
    for dose in (3.0, 4.0):
        table = minimal(dose)
        # Without the rise: at 4 mg there is none, and 3 mg must not overtake it.
        table["rule"] = [rule for rule in table["rule"] if rule["id"] != "escalate-at-5"]
        plan = plan_of(table)
        blocks = run.outcome_blocks(plan, 0, 4_000)
        cycles = np.concatenate([block["first_any_cycle"] for block in blocks])
        first.append(np.where(cycles == 0, MAX_CYCLES + 1, cycles))
    assert (first[1] <= first[0]).all()
    assert (first[1] < first[0]).sum() > 100
