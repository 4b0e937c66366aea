"""Sums of squares and products stay exact for very large doses and very many patients.

Doses 400,000 times those of the shipped scenario give squares of more than 64 bits; the sums
are compared with those over the patients' own outcomes in whole numbers of any length.
"""

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.comparison import compare_arms
from sim.engines.run import outcome_blocks
from sim.errors import LimitError
from sim.model.counts import AUC_UNIT, FIRST_LARGE, MAX_AMOUNT, MAX_TALLIED, OUTCOME, TALLY, VALUES
from sim.plan.plan import Plan, compile_plan, engine_array
from sim.scenario.file import load_scenario
from sim.summary import summarize
from sim.tallies import Arm, PairOfArms, Sums, count_arms

ROOT = Path(__file__).parent.parent
MINIMAL = ROOT / "scenarios" / "ixazomib-minimal.toml"
PATIENTS = 6_000
TIMES = 400_000


def large_plan(folder: Path, start: int, times: int = TIMES) -> Plan:
    """The minimal scenario with every dose `times` as large, its clearance as it was."""
    text = MINIMAL.read_text(encoding="utf-8")
    for dose in ("3.0", "4.0"):
        text = text.replace(f'"{dose}"', f'"{int(float(dose)) * times}.0"')
    text = text.replace("levels_mg = [3.0, 4.0]", f"levels_mg = [{3 * times}.0, {4 * times}.0]")
    text = text.replace("start_mg = 3.0", f"start_mg = {start * times}.0")
    text = text.replace("reference_dose_mg = 4.0", f"reference_dose_mg = {4 * times}.0")
    file = folder / f"from-{start}.toml"
    file.write_text(text.replace('"ixazomib-minimal"', f'"from-{start}"'), encoding="utf-8")
    return compile_plan(load_scenario(file).scenario)


def amounts(plan: Plan, patients: int) -> dict[str, list[int]]:
    """Doses and exposure of every patient as whole numbers of any length."""
    outcomes = np.concatenate(list(outcome_blocks(plan, 0, patients)))
    whole = {
        name: [int(one) for one in outcomes[name.replace("rdi_loss:", "loss_") + suffix]]
        for name, suffix in (
            ("given_ug", ""),
            ("rdi_loss:not_escalated", "_ug"),
            ("rdi_loss:stopped", "_ug"),
        )
    }
    whole["dose_ug"] = [math.floor(float(mg) * 1000.0 + 0.5) for mg in outcomes["given_mg"]]
    auc = outcomes["auc_per_day"]
    whole["auc_per_day"] = [math.floor(float(one) * AUC_UNIT + 0.5) for one in auc]
    return whole


def check_two_arms(folder: Path, patients: int) -> None:
    """Squares of both arms and products between them, against whole numbers of any length."""
    plans = [large_plan(folder, start) for start in (3, 4)]
    arms, pairs = count_arms(plans, 0, patients, threads=1, block=2_500)
    told = [amounts(plan, patients) for plan in plans]
    for arm, own in zip(arms, told, strict=True):
        for name, values in own.items():
            place = VALUES.index(name)
            assert arm.sums["total"][place] == sum(values), name
            assert arm.sums["square"][place] == sum(value * value for value in values), name
    for name in told[0]:
        both = sum(one * other for one, other in zip(told[1][name], told[0][name], strict=True))
        assert pairs[0].sums["product"][VALUES.index(name), 0] == both, name
    assert max(told[0]["given_ug"]) ** 2 > 1 << 64


def test_squares_and_products_of_large_doses(tmp_path: Path) -> None:
    check_two_arms(tmp_path, PATIENTS)


def test_with_the_compiler_off(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path; from test_large_sums import check_two_arms;"
        f"check_two_arms(Path({str(tmp_path)!r}), 60)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", program],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3_000:]


def test_estimates_do_not_depend_on_the_unit_of_the_dose(tmp_path: Path) -> None:
    """Errors and differences of large doses are those of small ones, times the factor."""
    tables = []
    for times in (1, TIMES):
        folder = tmp_path / str(times)
        folder.mkdir()
        plans = [large_plan(folder, start, times) for start in (3, 4)]
        arms, pairs = count_arms(plans, 0, 2_000)
        tables.append((summarize(arms), compare_arms(pairs)))
    for small, large in zip(*tables, strict=True):
        for name in ("cumulative_dose_mg", "rdi_loss:stopped", "auc_per_day"):
            factor = 1 if name.startswith("rdi") else TIMES
            one, other = (table[table["endpoint"] == name] for table in (small, large))
            assert list(other["mcse"]) == pytest.approx([e * factor for e in one["mcse"]], rel=2e-3)
            assert (one["mcse"] > 0).any()


def largest_block(patients: int) -> Any:
    """Outcomes of patients who all have the largest amounts that sums are exact for."""
    outcomes = np.zeros(patients, OUTCOME)
    outcomes["given_ug"] = MAX_AMOUNT
    outcomes["loss_not_escalated_ug"] = -MAX_AMOUNT
    outcomes["loss_stopped_ug"] = MAX_AMOUNT - 1
    outcomes["given_mg"] = MAX_AMOUNT / 1000.0
    outcomes["auc_per_day"] = MAX_AMOUNT / AUC_UNIT
    outcomes["last_day"] = 28_000
    return outcomes


def test_the_largest_amounts_of_the_most_patients_at_once() -> None:
    arm = Arm(compile_plan(load_scenario("ixazomib-minimal").scenario))
    pair = PairOfArms(arm, arm)
    block = largest_block(2_048)
    own, both = arm.tally(engine_array(block)), pair.tally(block, block)
    times = MAX_TALLIED // 2_048
    for _ in range(times + 3):
        arm.sums.add(own)
        pair.sums.add(both)
    n = 2_048 * (times + 3)
    assert arm.sums["patients"] == n
    for name, amount in (
        ("given_ug", MAX_AMOUNT),
        ("dose_ug", MAX_AMOUNT),
        ("auc_per_day", MAX_AMOUNT),
        ("rdi_loss:not_escalated", -MAX_AMOUNT),
        ("rdi_loss:stopped", MAX_AMOUNT - 1),
    ):
        place = VALUES.index(name)
        assert place >= FIRST_LARGE
        assert arm.sums["total"][place] == n * amount
        assert arm.sums["square"][place] == n * amount**2, name
        assert pair.sums["product"][place, 0] == n * amount**2, name


def test_a_trillion_patients_add_up_exactly() -> None:
    arm = Arm(compile_plan(load_scenario("ixazomib-minimal").scenario))
    arm.sums.add(arm.tally(engine_array(largest_block(1_000))))
    for _ in range(30):
        arm.sums.add_sums(arm.sums)
    n = 1_000 << 30
    assert n > 10**12
    given = VALUES.index("given_ug")
    assert arm.sums["square"][given] == n * MAX_AMOUNT**2
    assert arm.sums["patients"] == n
    table = summarize([arm]).set_index("endpoint")
    assert table.loc["cumulative_dose_mg", "estimate"] == MAX_AMOUNT / 1000.0
    assert table.loc["cumulative_dose_mg", "mcse"] == 0.0


def test_a_record_of_too_many_patients_is_refused() -> None:
    record = np.zeros(1, TALLY)
    record["patients"] = MAX_TALLIED + 1
    with pytest.raises(ValueError, match=str(MAX_TALLIED)):
        Sums(TALLY).add(record)


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        ("pharmacokinetics.cl_f_sd_log", "3.0", "AUC/day"),
        ("pharmacokinetics.cl_f_l_per_h", "1e-300", "AUC/day"),
        ("posology.reference_dose_mg", "1e-9", "relative dose intensity"),
        ("posology.reference_dose_mg", "1e9", "the dose"),
    ],
)
def test_amounts_beyond_exact_sums_are_refused(path: str, value: str, found: str) -> None:
    plan = compile_plan(load_scenario("ixazomib-minimal", [f"{path}={value}"]).scenario)
    with pytest.raises(LimitError, match=found):
        Arm(plan)
