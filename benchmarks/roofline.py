"""The generator's share: random words a patient needs, what they alone cost, what is reached.

Words are counted from simulated patients by the layout of docs/randomness.md: one Philox block
of a stream by cycle serves four cycles, an event's own block holds its four words. Words of
rules without an event, of rechecks and of duration laws are not counted, so that the bound is
rather too low than too high.
"""

import time
from typing import Any

import numpy as np
from numba import njit

from benchmarks import model_m_c
from benchmarks.contestants import has_compiler
from sim.codes import Ask
from sim.engines.run import OutcomeRunner
from sim.model.draws import philox_rounds
from sim.plan.plan import Plan, compile_plan
from sim.scenario.file import load_scenario
from sim.tallies import Arm

BLOCK = 4_096
SCENARIOS = ("ixazomib-minimal", "ixazomib-maintenance")


@njit(error_model="numpy")
def _philox_blocks(patients, blocks, key, words):  # type: ignore[no-untyped-def]
    """Exclusive or of the words of so many blocks of patients, in columns of patients."""
    for start in range(0, patients, words.shape[0]):
        for block in range(blocks):
            for i in range(words.shape[0]):
                w0, w1, w2, w3 = philox_rounds(start + i, block, 12345, 0, key, 0)
                words[i] ^= w0 ^ w1 ^ w2 ^ w3


def numba_seconds_per_word(patients: int = 200_000, blocks: int = 8) -> float:
    """CPU seconds of one 32-bit word of Philox, compiled by numba from the model's own rounds."""
    words = np.zeros(BLOCK, np.int64)
    _philox_blocks(BLOCK, 1, 1, words)
    started = time.process_time()
    _philox_blocks(patients, blocks, 1, words)
    run = -(-patients // BLOCK) * BLOCK
    return (time.process_time() - started) / (run * blocks * 4)


def c_seconds_per_word(patients: int = 200_000, blocks: int = 8) -> float | None:
    """The same for the C program's generator; None without a compiler."""
    library = model_m_c.compiled() if has_compiler() else None
    if library is None:
        return None
    started = time.process_time()
    library.philox_alone(0, patients, blocks, 1)
    return (time.process_time() - started) / (patients * blocks * 4)


def needs(plan: Plan, outcomes: Any) -> dict[str, float]:
    """Return draws and Philox blocks per patient, from outcome records."""
    record = plan.record
    cycles = outcomes["last_cycle"].astype(np.float64)
    events = outcomes["events"].sum(axis=1).astype(np.float64)
    by_cycle = int(record.n_kinds) + int(record.n_exits)
    asked = int(record.asked_at[int(Ask.EVENT)])
    chance = sum(
        1
        for rule in range(int(record.n_rules))
        if (asked >> rule) & 1
        and (record.rule_n_choices[rule] > 0 or record.rule_threshold[rule] < 1 << 32)
    )
    draws = by_cycle * cycles + (3 + chance) * events + 1
    blocks = by_cycle * np.ceil(cycles / 4.0) + (1 + chance) * events + 1
    return {
        "cycles": float(cycles.mean()),
        "events": float(events.mean()),
        "draws": float(draws.mean()),
        "blocks": float(blocks.mean()),
    }


def phases(plan: Plan, patients: int) -> dict[str, float]:
    """Return nanoseconds per patient of the engine's courses and of the tally, on one thread."""
    runner, arm = OutcomeRunner(plan, "kernel"), Arm(plan)
    arm.tally(runner.run(0, BLOCK))
    courses = tally = 0.0
    count = -(-patients // BLOCK) * BLOCK
    for start in range(0, count, BLOCK):
        began = time.process_time()
        outcomes = runner.run(start, BLOCK)
        ran = time.process_time()
        arm.tally(outcomes)
        courses += ran - began
        tally += time.process_time() - ran
    return {"courses_ns": courses / count * 1e9, "tally_ns": tally / count * 1e9}


def measure(patients: int, rounds: int) -> dict[str, Any]:
    """Return the cost of a word, and for every scenario its needs, its phases and its share."""
    words = [numba_seconds_per_word() * 1e9 for _ in range(rounds)]
    found: dict[str, Any] = {"numba_ns_per_word": min(words), "scenarios": []}
    by_hand = [seconds for _ in range(rounds) if (seconds := c_seconds_per_word()) is not None]
    if by_hand:
        found["c_ns_per_word"] = min(by_hand) * 1e9
    for name in (str(model_m_c.SOURCE.with_name("model-m.toml")), *SCENARIOS):
        plan = compile_plan(load_scenario(name).scenario, 1)
        row: dict[str, Any] = {"scenario": plan.scenario.name}
        row |= needs(plan, OutcomeRunner(plan, "kernel").run(0, 20_000))
        row |= min((phases(plan, patients) for _ in range(rounds)), key=lambda p: sum(p.values()))
        row["generator_ns"] = 4.0 * row["blocks"] * found["numba_ns_per_word"]
        row["share"] = row["generator_ns"] / (row["courses_ns"] + row["tally_ns"])
        found["scenarios"].append(row)
    if by_hand:
        found["c_phases_ns"] = model_m_c.phases(patients)
    return found
