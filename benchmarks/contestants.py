"""The programs that run benchmark model M, as far as this machine has what they need.

A program's module is imported when it first runs, so that a process that runs one alone does
not carry the memory of the others.
"""

import importlib
import shutil
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from benchmarks.model_m import Counts

KERNEL = "kernel"


@dataclass(frozen=True)
class Contestant:
    """One program: its key, its name in tables, its module and what it is called with."""

    key: str
    label: str
    module: str
    options: dict[str, Any] = field(default_factory=dict)

    def run(self, patients: int, seed: int) -> Counts:
        """Simulate patients of model M."""
        module = importlib.import_module(f"benchmarks.{self.module}")
        return module.simulate(patients, seed, **self.options)


OWN = Contestant(KERNEL, "titrasim, kernel", "model_m_titrasim", {"threads": 1})
C = Contestant("c", "C by hand, vector code", "model_m_c", {"threads": 1})
ALWAYS = (
    Contestant("numpy", "NumPy, tuned", "model_m_numpy"),
    Contestant("simpy", "simpy, an environment for each patient", "model_m_simpy"),
    Contestant("simpy-together", "simpy, one environment", "model_m_simpy", {"together": True}),
    Contestant(
        "events", "titrasim, events engine (simpy)", "model_m_titrasim", {"engine": "events"}
    ),
)
OPTIONAL = (
    Contestant("starsim", "starsim", "model_m_starsim"),
    Contestant("jax", "JAX, scan over cycles", "model_m_jax"),
)
ON_TWO_THREADS = (
    Contestant("kernel-2", OWN.label, OWN.module, {"threads": 2}),
    Contestant("c-2", C.label, C.module, {"threads": 2}),
)


def has_compiler() -> bool:
    """Say whether the C program can be compiled here."""
    return shutil.which("gcc") is not None or shutil.which("clang") is not None


def contestants() -> tuple[list[Contestant], list[str]]:
    """Return the programs of this machine, the kernel first, and a notice for each missing one."""
    found, notices = [OWN], []
    if has_compiler():
        found.append(C)
    else:
        notices.append("C: no gcc or clang here")
    found += ALWAYS
    for entry in OPTIONAL:
        if find_spec(entry.key) is None:
            notices.append(f"{entry.key}: not installed (pip install {entry.key})")
        else:
            found.append(entry)
    notices.append("R and mrgsolve: no program of model M is written for them")
    return found, notices


def on_two_threads() -> list[Contestant]:
    """Return the programs that can run on two threads."""
    return [entry for entry in ON_TWO_THREADS if entry.key != "c-2" or has_compiler()]


def contestant(key: str) -> Contestant:
    """Return a program by its key; raise KeyError where this machine has none."""
    return {entry.key: entry for entry in [*contestants()[0], *on_two_threads()]}[key]
