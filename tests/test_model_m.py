"""Benchmark model M: the exact recursion against published values, every program against it.

Small numbers of patients and no clock: what the programs count, not how fast.
"""

import importlib
import platform
from collections.abc import Callable

import numpy as np
import pytest

from benchmarks import model_m_c, model_m_numpy, model_m_simpy, model_m_titrasim
from benchmarks.model_m import Counts, furthest, root_mean_square, z_scores
from benchmarks.model_m_exact import ORIGINAL, solve

PATIENTS = 100_000
FEW = 4_000
LIMIT = 4.5
# M as it was first written down, from another recursion; mean RDI from 2e8 simulated patients.
PUBLISHED = {
    "escalated": (0.75634, 5e-6),
    "progression": (0.49656, 5e-6),
    "adverse_event": (0.14599, 5e-6),
    "completed": (0.35745, 5e-6),
    "mg": (174.709, 5e-4),
    "days": (466.79, 5e-3),
    "cycles": (16.5521, 5e-5),
    "rdi": (1.12791, 3e-5),
}
PUBLISHED_EVER = [0.1953, 0.3282, 0.1247, 0.3003, 0.2834]
PROGRAMS: dict[str, Callable[[int, int], Counts]] = {
    "kernel": model_m_titrasim.simulate,
    "NumPy": model_m_numpy.simulate,
    "C": model_m_c.simulate,
}
needs_compiler = pytest.mark.skipif(model_m_c.compiler() is None, reason="no C compiler here")


def _agrees(counts: Counts, patients: int) -> None:
    assert counts.patients == patients
    assert counts.progression + counts.adverse_event + counts.completed == patients
    scores = z_scores(counts)
    assert abs(furthest(scores)[1]) < LIMIT, furthest(scores)
    assert 0.2 < root_mean_square(scores) < 2.2


def test_the_recursion_gives_the_published_values_of_the_original() -> None:
    exact = solve(ORIGINAL, nodes=12, most_weeks=10)
    for name, (value, half_a_digit) in PUBLISHED.items():
        assert abs(float(exact[name]) - value) <= half_a_digit * 1.5, name
    assert np.allclose(exact["first_event"][:, -1], PUBLISHED_EVER, rtol=0, atol=6e-5)


def test_the_restatement_stays_near_the_original() -> None:
    restated, original = solve(), solve(ORIGINAL, nodes=12, most_weeks=10)
    for name in PUBLISHED:
        assert abs(restated[name] / original[name] - 1.0) < 0.006, name


def test_everyone_leaves_once() -> None:
    exact = solve()
    left = sum(float(exact[name]) for name in ("progression", "adverse_event", "completed"))
    assert abs(left - 1.0) < 1e-7


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[needs_compiler] * (name == "C")) for name in PROGRAMS]
)
def test_a_program_agrees_with_the_exact_values(name: str) -> None:
    _agrees(PROGRAMS[name](PATIENTS, 1), PATIENTS)


@pytest.mark.parametrize("together", [False, True])
def test_simpy_agrees_with_the_exact_values(together: bool) -> None:
    _agrees(model_m_simpy.simulate(FEW, 1, together), FEW)


def test_the_events_engine_counts_what_the_kernel_counts() -> None:
    told = model_m_titrasim.simulate(500, 1, engine="events")
    ours = model_m_titrasim.simulate(500, 1)
    assert np.array_equal(told.first, ours.first)
    assert (told.total, told.square) == (ours.total, ours.square)


@pytest.mark.parametrize("package", ["jax", "starsim"])
def test_an_optional_program_agrees_with_the_exact_values(package: str) -> None:
    pytest.importorskip(package)
    module = importlib.import_module(f"benchmarks.model_m_{package}")
    _agrees(module.simulate(PATIENTS, 1), PATIENTS)


@needs_compiler
@pytest.mark.parametrize("threads", [1, 3])
def test_c_counts_what_the_kernel_counts(threads: int) -> None:
    """The same addresses, so the same patients, in blocks of its own and for any seed."""
    patients, seed = 30_011, 2**40 + 7
    by_hand = model_m_c.simulate(patients, seed, threads)
    ours = model_m_titrasim.simulate(patients, seed)
    for name in ("escalated", "progression", "adverse_event", "completed"):
        assert getattr(by_hand, name) == getattr(ours, name), name
    for name, total in ours.total.items():
        assert by_hand.total[name] == pytest.approx(total, rel=1e-12), name
        assert by_hand.square[name] == pytest.approx(ours.square[name], rel=1e-9), name
    assert np.array_equal(by_hand.first, ours.first)


@needs_compiler
def test_loading_the_library_changes_no_arithmetic() -> None:
    """Linked with -ffast-math it would flush the smallest numbers of the process to 0."""
    assert model_m_c.compiled() is not None
    assert np.float64(5e-324) * np.float64(1.0) > 0.0


@needs_compiler
def test_c_without_wide_vectors_counts_the_same() -> None:
    narrow = model_m_c.compiled(("-O2", "-march=x86-64", "-fPIC"))
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("flags of another processor")
    wide = model_m_c.compiled()
    assert narrow is not None and wide is not None
    ours, others = (model_m_c.run(library, 0, 20_000, 3) for library in (wide, narrow))
    assert np.array_equal(ours[0], others[0])
    assert np.allclose(ours[1], others[1], rtol=1e-9, atol=0)


def test_the_scores_would_notice_a_wrong_model() -> None:
    """Counts of the original M at a size at which the readings differ visibly."""
    n, original = 10_000_000, solve(ORIGINAL, nodes=12, most_weeks=10)
    counts = Counts(patients=n)
    for name in ("escalated", "progression", "adverse_event", "completed"):
        setattr(counts, name, round(float(original[name]) * n))
    for name in ("mg", "days", "cycles", "rdi"):
        mean = float(original[name])
        counts.total[name], counts.square[name] = mean * n, mean * mean * 1.3 * n
    counts.first = np.diff(np.round(original["first_event"] * n), axis=1, prepend=0.0)
    assert abs(furthest(z_scores(counts))[1]) > LIMIT
