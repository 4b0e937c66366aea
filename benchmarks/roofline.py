"""The generator's share: random words a patient needs, what they alone cost, what is reached.

Words are counted from simulated patients by the layout of docs/randomness.md: one Philox block
of a stream by cycle serves four cycles, an event's own block holds its four words. Words of
rules without an event, of rechecks and of duration laws are not counted, so that the bound is
rather too low than too high. Where the rest of the time goes is asked of the same scenarios with
events, and then exits too, made so rare that none happens though all are drawn.
"""

import math
import time
from typing import Any

import numpy as np
from numba import njit

from benchmarks import model_m_c
from benchmarks.contestants import has_compiler
from benchmarks.model_m import SCENARIO
from sim.codes import Ask
from sim.model.counts import VALUE_EVENTS
from sim.model.draws import philox_rounds
from sim.plan.plan import Plan, compile_plan
from sim.scenario.file import load_scenario
from sim.scenario.scenario import Scenario
from sim.tallies import Sums, count_arms

BLOCK = 4_096
NEVER = 1e-9
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


def _chances(plan: Plan) -> int:
    """Return how many rules draw about every event."""
    record = plan.record
    asked = int(record.asked_at[int(Ask.EVENT)])
    return sum(
        1
        for rule in range(int(record.n_rules))
        if (asked >> rule) & 1
        and (record.rule_n_choices[rule] > 0 or record.rule_threshold[rule] < 1 << 32)
    )


def needs(plan: Plan, sums: Sums) -> dict[str, float]:
    """Return cycles, events, draws and Philox blocks per patient, from a tally."""
    patients = int(sums["patients"])
    ended = sums["last_cycle"] / patients
    cycle = np.arange(len(ended))
    cycles, fours = float(cycle @ ended), float(np.ceil(cycle / 4.0) @ ended)
    kinds = int(plan.record.n_kinds)
    events = sum(int(n) for n in sums["total"][VALUE_EVENTS : VALUE_EVENTS + kinds]) / patients
    by_cycle = kinds + int(plan.record.n_exits)
    return {
        "cycles": cycles,
        "events": events,
        "draws": by_cycle * cycles + (3 + _chances(plan)) * events + 1,
        "blocks": by_cycle * fours + (1 + _chances(plan)) * events + 1,
    }


def without(scenario: Scenario, exits_too: bool) -> list[str]:
    """Return the overrides under which no event happens, and no exit either, but all is drawn."""
    texts = [
        f"adverse_event.{kind.name}.setting_multiplier={NEVER}" for kind in scenario.adverse_event
    ]
    if exits_too:
        texts += [f"exit.{exit.cause}.probability_per_cycle={NEVER}" for exit in scenario.exit]
    return texts


def _timed(plan: Plan, patients: int, rounds: int) -> tuple[float, Sums]:
    """Return the least CPU nanoseconds per patient on one thread, and the tally."""
    count_arms([plan], 0, BLOCK, threads=1)
    best = math.inf
    for _ in range(rounds):
        started = time.process_time()
        sums = count_arms([plan], 0, patients, threads=1)[0][0].sums
        best = min(best, time.process_time() - started)
    return best / patients * 1e9, sums


def measure(patients: int, rounds: int) -> dict[str, Any]:
    """Return the cost of a word, and for every scenario its needs, its time and its share."""
    word = min(numba_seconds_per_word() for _ in range(rounds)) * 1e9
    found: dict[str, Any] = {"numba_ns_per_word": word, "scenarios": []}
    by_hand = [seconds for _ in range(rounds) if (seconds := c_seconds_per_word()) is not None]
    if by_hand:
        found["c_ns_per_word"] = min(by_hand) * 1e9
        found["c_phases_ns"] = model_m_c.phases(patients)
    for name in (str(SCENARIO), *SCENARIOS):
        scenario = load_scenario(name).scenario
        parts = {"all": [], "no event": without(scenario, False)}
        parts["no event, no exit"] = without(scenario, True)
        for part, overrides in parts.items():
            plan = compile_plan(load_scenario(name, overrides).scenario, 1)
            ns, sums = _timed(plan, patients, rounds)
            row = {"scenario": scenario.name, "part": part, "kernel_ns": ns, **needs(plan, sums)}
            row["generator_ns"] = 4.0 * row["blocks"] * word
            row["share"] = row["generator_ns"] / ns
            found["scenarios"].append(row)
    return found
