"""Benchmark model M in this program: `model-m.toml` on either engine, as counts."""

from functools import lru_cache

import numpy as np

from benchmarks.model_m import SCENARIO, Counts
from benchmarks.model_m_exact import CYCLES, N_KINDS
from sim.model.counts import FIRST_EVENT, FIRSTS, RDI_UNIT, VALUES
from sim.model.layout import GRADES
from sim.plan.plan import Plan, compile_plan
from sim.scenario.file import load_scenario
from sim.tallies import count_arms

SUMS = {"mg": ("given_ug", 1000.0), "days": ("days", 1.0), "cycles": ("cycles", 1.0)}


@lru_cache(maxsize=4)
def plan_of(seed: int) -> Plan:
    """Compile the scenario; kept, so that rounds of a benchmark time the run alone."""
    return compile_plan(load_scenario(str(SCENARIO)).scenario, seed)


def simulate(
    patients: int, seed: int, engine: str = "kernel", threads: int | None = None
) -> Counts:
    """Simulate patients of benchmark model M and return what is counted."""
    return run(plan_of(seed), patients, engine, threads)


def run(plan: Plan, patients: int, engine: str = "kernel", threads: int | None = None) -> Counts:
    """The same for a plan that is compiled already."""
    sums = count_arms([plan], 0, patients, engine, threads)[0][0].sums
    first = sums["first"]
    counts = Counts(patients=patients)
    counts.escalated = int(first[FIRSTS.index("escalated")].sum())
    counts.progression = int(first[FIRSTS.index("discontinued:progression")].sum())
    counts.adverse_event = int(first[FIRSTS.index("discontinued:adverse_event")].sum())
    counts.completed = int(sums["total"][VALUES.index("completed")])
    for name, (value, unit) in {**SUMS, "rdi": ("rdi_on_treatment", RDI_UNIT)}.items():
        counts.total[name] = int(sums["total"][VALUES.index(value)]) / unit
        counts.square[name] = int(sums["square"][VALUES.index(value)]) / unit**2
    counts.first = np.array(
        [
            first[FIRST_EVENT + kind * GRADES + plan.record.counting_grade[kind], 1 : CYCLES + 1]
            for kind in range(N_KINDS)
        ]
    )
    return counts
