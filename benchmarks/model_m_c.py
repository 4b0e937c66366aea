"""Benchmark model M in hand-written vector C: compile `model_m.c` and call it.

Without a compiler `compiled()` returns None; the suite then says so and goes on.
"""

import ctypes
import hashlib
import math
import os
import shutil
import subprocess
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from benchmarks.model_m import Counts, run_alone
from benchmarks.model_m_exact import CYCLES, DAYS, N_KINDS, P_3MG, P_4MG, cycle_probabilities

SOURCE = Path(__file__).with_name("model_m.c")
HEADERS = tuple(
    SOURCE.with_name(name) for name in ("normal_quantile.h", "philox.h", "model_m_events.h")
)
FLAGS = ("-O3", "-march=native", "-ffast-math", "-fPIC")
DEGREE = 8
FIRSTS = 8
LEVELS_BOUNDED = (2, 3)
Z_RANGE = 4.0
RDI_UNIT = 65_536
Sums = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]
_SPACE = threading.local()
PHASES = (
    "set-up: clearance, bounds",
    "scan: words of all cycles",
    "sort the hits",
    "draws and thresholds of events",
    "patients with one event",
    "patients with several",
    "leavers",
    "compact, escalate",
)


def compiler() -> str | None:
    """Return the C compiler of this machine, if it has one."""
    return next((found for name in ("gcc", "clang") if (found := shutil.which(name))), None)


@cache
def compiled(flags: tuple[str, ...] = FLAGS) -> ctypes.CDLL | None:
    """Compile and load the library; None without a compiler."""
    program = compiler()
    if program is None:
        return None
    text = b"".join(source.read_bytes() for source in (SOURCE, *HEADERS))
    digest = hashlib.sha256(text + " ".join(flags).encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"titrasim-benchmarks-{os.getuid()}"
    folder.mkdir(exist_ok=True, mode=0o700)
    library = folder / f"model_m-{digest}.so"
    if not library.exists():
        made = library.with_suffix(f".{os.getpid()}")
        parts = library.with_suffix(f".{os.getpid()}.o")
        subprocess.run([program, *flags, "-c", "-o", str(parts), str(SOURCE)], check=True)
        # Linked apart from -ffast-math: with it, loading the library would make the whole
        # process take numbers below 1e-308 for 0.
        subprocess.run([program, "-shared", "-o", str(made), str(parts), "-lm"], check=True)
        parts.unlink()
        made.replace(library)
    loaded = ctypes.CDLL(str(library))
    whole, pointer = ctypes.c_int64, ctypes.c_void_p
    loaded.model_m.argtypes = [ctypes.c_uint64, whole, ctypes.c_uint64] + [pointer] * 5
    loaded.model_m.restype = None
    loaded.work_bytes.restype = whole
    loaded.philox_alone.argtypes = [ctypes.c_uint64, whole, whole, ctypes.c_uint64]
    loaded.philox_alone.restype = ctypes.c_uint64
    return loaded


def _bound(p: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the coefficients of the lowest polynomial in x above p, on average over patients.

    A linear programme on every 125th point of a fine grid; then raised to lie above p on all
    of them by more than float32 can lose.
    """
    few = slice(None, None, 125)
    powers = np.polynomial.chebyshev.chebvander(x[few], DEGREE)
    patients = np.exp(-((Z_RANGE * x[few]) ** 2) / 2.0)
    found = optimize.linprog(patients @ powers, A_ub=-powers, b_ub=-p[few], bounds=(None, None))
    fit = np.polynomial.Chebyshev(found.x)
    bound = fit.convert(kind=np.polynomial.Polynomial).coef
    bound[0] += max((p - fit(x)).max(), 0.0) + 2e-6
    return bound


@cache
def _risk() -> NDArray[np.uint8]:
    """Return the Risk record: coefficients, and what lies above every kind's probability."""
    per_mg = 3000.0 / (DAYS * 3.1)
    mean_per_mg = per_mg * math.exp(0.44**2 / 2.0)
    logit_3, logit_4 = (np.log(p / (1.0 - p)) for p in (P_3MG, P_4MG))
    slope = (logit_4 - logit_3) / mean_per_mg
    x = np.linspace(-1.0, 1.0, 100_001)
    p = cycle_probabilities(Z_RANGE * x)
    bound = np.array(
        [[_bound(p[kind, level], x) for kind in range(N_KINDS)] for level in LEVELS_BOUNDED]
    )
    parts = (logit_3 - 3.0 * mean_per_mg * slope, slope, bound.astype(np.float32))
    return np.frombuffer(b"".join(part.tobytes() for part in parts), np.uint8)


def run(library: ctypes.CDLL, first: int, patients: int, seed: int) -> Sums:
    """Return counts, sums of squares and seconds by phase as `model_m` in the C file lays out."""
    if not hasattr(_SPACE, "work"):
        _SPACE.work = np.empty(library.work_bytes() + 64, np.uint8)
    counts = np.zeros(FIRSTS + N_KINDS * CYCLES, np.int64)
    squares = np.zeros(4)
    # Vectors want their record on a multiple of 64 bytes.
    address = (_SPACE.work.ctypes.data + 63) // 64 * 64
    risk = _risk().ctypes.data
    seconds = np.zeros(len(PHASES))
    sums = (counts.ctypes.data, squares.ctypes.data, seconds.ctypes.data)
    library.model_m(first, patients, seed, risk, address, *sums)
    return counts, squares, seconds


def phases(patients: int) -> dict[str, float]:
    """Return nanoseconds of CPU per patient by phase, on one thread."""
    library = _library()
    run(library, 0, 10_000, 1)
    seconds = run(library, 0, patients, 1)[2]
    return {name: time * 1e9 / patients for name, time in zip(PHASES, seconds, strict=True)}


def _library() -> ctypes.CDLL:
    library = compiled()
    if library is None:
        raise RuntimeError("no C compiler on this machine")
    return library


def simulate(patients: int, seed: int, threads: int = 1, first: int = 0) -> Counts:
    """Simulate patients of benchmark model M and return what is counted."""
    library = _library()
    if threads == 1:
        return _counts(patients, [run(library, first, patients, seed)])
    borders = [first + patients * part // threads // 64 * 64 for part in range(threads)]
    borders.append(first + patients)
    with ThreadPoolExecutor(threads) as pool:
        parts = pool.map(
            lambda pair: run(library, pair[0], pair[1] - pair[0], seed),
            zip(borders, borders[1:], strict=False),
        )
        return _counts(patients, list(parts))


def _counts(patients: int, sums: list[Sums]) -> Counts:
    whole, squares = sum(part[0] for part in sums), sum(part[1] for part in sums)
    counts = Counts(patients, *(int(count) for count in whole[:4]))
    units = {"mg": 1000.0, "days": 1.0, "cycles": 1.0, "rdi": float(RDI_UNIT)}
    for place, (name, unit) in enumerate(units.items()):
        counts.total[name] = float(whole[4 + place]) / unit
        counts.square[name] = float(squares[place]) / unit**2
    counts.first = whole[FIRSTS:].reshape(N_KINDS, CYCLES)
    return counts


if __name__ == "__main__":
    run_alone(simulate, __doc__, 10_000_000, lambda patients: simulate(10_000, 1))
