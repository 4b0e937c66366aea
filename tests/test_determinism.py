"""The same scenario, seed and version give the same bytes, wherever and however it is run.

Results may not change silently: tests/golden holds fixed scenarios with the digests of their
runs. After a change that is meant to move them, write them anew and say why in the change log:
`PYTHONPATH=. python tests/test_determinism.py --write`.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scenario_maker import make
from whole_run import (
    GOLDEN,
    Digests,
    Request,
    answer,
    as_json,
    outcome_difference,
    scenario_called,
    table_digests,
    whole,
)

from sim.engines import run
from sim.plan.plan import compile_plan, scenario_digest
from sim.scenario.scenario import Scenario

ROOT = Path(__file__).parent.parent
DIGESTS = GOLDEN / "digests.json"
GOLDEN_PATIENTS = 64
GOLDEN_SEEDS = (1, 20_240_229)
GOLDEN_NAMES = sorted(path.stem for path in GOLDEN.glob("*.toml"))
GOLDEN_SCENARIOS = ["shipped:ixazomib-minimal", *(f"golden:{name}" for name in GOLDEN_NAMES)]
WAYS = ((1, 1), (1, 97), (2, 7), (4, 97), (16, 64), (3, 4_096))
PATIENTS = 300
ENVIRONMENTS: dict[str, dict[str, str]] = {
    "a decimal comma": {"LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8"},
    "another time zone and hash seed": {"TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "7"},
    "optimised, one thread, another user": {
        "PYTHONOPTIMIZE": "1",
        "PYTHONHASHSEED": "0",
        "NUMBA_NUM_THREADS": "1",
        "USER": "someone-else",
        "LC_ALL": "C",
    },
}


def runs_alike(name: str, seed: int) -> None:
    """One run by every number of threads, size of block and engine, with and without rows."""
    plan = compile_plan(scenario_called(name), seed=seed)
    told, outcomes = run.record(plan, 0, PATIENTS, threads=1)
    expected, rows = whole(outcomes), table_digests(told)
    for threads, block in WAYS:
        blocks = list(run.outcome_blocks(plan, 0, PATIENTS, threads=threads, block=block))
        assert not outcome_difference(np.concatenate(blocks), outcomes)
    for threads, block in WAYS[1:4]:
        again, same = run.record(plan, 0, PATIENTS, threads=threads, block=block)
        assert (table_digests(again), whole(same)) == (rows, expected)
    slow = list(run.outcome_blocks(plan, 0, PATIENTS, engine="events", block=50))
    assert whole(np.concatenate(slow)) == expected
    again, same = run.record(plan, 0, PATIENTS, engine="events")
    assert (table_digests(again), whole(same)) == (rows, expected)


@pytest.mark.parametrize("name", GOLDEN_SCENARIOS)
def test_threads_blocks_and_engines_leave_no_trace(name: str) -> None:
    runs_alike(name, seed=77)


def test_the_same_call_twice_gives_the_same_bytes() -> None:
    request = Request(GOLDEN_SCENARIOS[-1], 100)
    assert answer(request) == answer(replace(request, threads=2, block=13))


@pytest.mark.parametrize("where", ENVIRONMENTS)
def test_the_environment_leaves_no_trace(where: str, tmp_path: Path) -> None:
    """Another process, locale, time zone, hash seed, umask and working folder."""
    requests = [Request(name, 30, threads=2, block=11) for name in GOLDEN_SCENARIOS[:4]]
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "whole_run.py")],
        input=as_json(requests),
        env=os.environ | {"PYTHONPATH": str(ROOT)} | ENVIRONMENTS[where],
        cwd=tmp_path,
        umask=0o077,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    assert json.loads(done.stdout) == [answer(request) for request in requests]


def test_a_name_and_a_title_change_no_draw() -> None:
    scenario = make(12).scenario
    renamed = Scenario.model_validate(
        scenario.model_copy(update={"name": "other", "title": "Other", "notes": ("x",)})
    )
    one, _ = run.record(compile_plan(scenario), 0, 50)
    other, _ = run.record(compile_plan(renamed), 0, 50)
    assert table_digests(one) == table_digests(other)
    assert scenario_digest(scenario) != scenario_digest(renamed)


# Golden digests


def golden(name: str) -> dict[str, Digests]:
    """Digests of a golden scenario under each seed."""
    return {str(seed): answer(Request(name, GOLDEN_PATIENTS, seed=seed)) for seed in GOLDEN_SEEDS}


def written() -> dict[str, Any]:
    """The digests as they were last written."""
    table: dict[str, Any] = json.loads(DIGESTS.read_text(encoding="utf-8"))
    return table


@pytest.mark.parametrize("name", GOLDEN_SCENARIOS)
def test_results_are_those_of_earlier_versions(name: str) -> None:
    moved = [
        f"seed {seed}: {what}"
        for seed, digests in golden(name).items()
        for what, digest in digests.items()
        if written()[name][seed].get(what) != digest
    ]
    assert not moved, f"{name}: {moved}; see the head of this file"


def test_golden_scenarios_reach_what_they_are_for() -> None:
    scenarios = [scenario_called(name) for name in GOLDEN_SCENARIOS]
    assert any(s.exposure_response.frailty_variance > 0 for s in scenarios)
    assert any(s.pharmacokinetics.exposure == "accumulation" for s in scenarios)
    assert any(s.posology.unit == "mg/m2" for s in scenarios)
    assert {s.exposure_response.clock for s in scenarios} == {"increment", "start", "reset"}
    assert {s.policy.seen for s in scenarios} == {"visit", "onset"}
    assert {s.exposure_response.reading for s in scenarios} == {"typical", "mean", "population"}
    assert set(written()) == set(GOLDEN_SCENARIOS)


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("PYTHONPATH=. python tests/test_determinism.py --write")
    table = {name: golden(name) for name in GOLDEN_SCENARIOS}
    DIGESTS.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
