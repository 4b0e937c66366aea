"""The generator is the published one, its words become fair thresholds, uniforms and quantiles."""

import math
import random
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray
from scenario_maker import make
from scipy import special, stats

from sim.model import draws, elementary

LOW_32 = 0xFFFFFFFF
TWO_32 = 1 << 32
# Random123, file kat_vectors: counter, key, answer of philox4x32 with 10 rounds.
KNOWN_ANSWERS = (
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((LOW_32,) * 4, (LOW_32,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
)
PATIENTS, CYCLES, STREAMS = 2_000, 24, 4
ONE_IN_A_MILLION = 1e-6


def philox_by_the_paper(counter: tuple[int, ...], key: tuple[int, ...]) -> tuple[int, ...]:
    """Philox4x32-10 a second time, from Salmon et al. (2011), with unbounded integers."""
    (a, b, c, d), (k0, k1) = counter, key
    for _ in range(10):
        high_0, low_0 = divmod(0xD2511F53 * a, TWO_32)
        high_1, low_1 = divmod(0xCD9E8D57 * c, TWO_32)
        a, b, c, d = high_1 ^ b ^ k0, low_1, high_0 ^ d ^ k1, low_0
        k0, k1 = (k0 + 0x9E3779B9) % TWO_32, (k1 + 0xBB67AE85) % TWO_32
    return a, b, c, d


@pytest.fixture(scope="module")
def words() -> NDArray[np.int64]:
    """Words by stream, patient and cycle: neighbours in all three."""
    plan = make(1).plan(seed=20)
    record = plan.record
    streams = [int(record.cl_f_stream), int(record.kind_stream[0]), 1, 2][:STREAMS]
    return np.array(
        [
            [
                draws.words_at(plan.numbers[0], patient, stream, block)
                for patient in range(PATIENTS)
                for block in range(CYCLES // 4)
            ]
            for stream in streams
        ],
        dtype=np.int64,
    ).reshape(STREAMS, PATIENTS, CYCLES)


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_published_answers(
    counter: tuple[int, ...], key: tuple[int, ...], answer: tuple[int, ...]
) -> None:
    assert draws.philox(*counter, *key) == answer
    assert philox_by_the_paper(counter, key) == answer


def test_random_inputs_agree_with_the_paper() -> None:
    source = random.Random(4)
    for _ in range(20_000):
        numbers = [source.getrandbits(32) for _ in range(6)]
        expected = philox_by_the_paper(tuple(numbers[:4]), tuple(numbers[4:]))
        assert draws.philox(*numbers) == expected


def test_threshold_is_the_law_of_a_word() -> None:
    """word < T exactly when (word + 1/2) / 2^32 < p, in exact arithmetic."""
    source = random.Random(5)
    tiny = [2.0**-33, 1.1 * 2.0**-33, 2.0**-32, 1e-12, 5e-324, 1.5 * 2.0**-32]
    even = [0.5, 0.25, 1 / 3, 1.0 - 2.0**-53, 1.0 - 2.0**-33, 1.0 - 2.0**-32]
    drawn = [source.random() for _ in range(3_000)]
    small = [10 ** source.uniform(-11, -1) for _ in range(3_000)]
    on_the_edge = [(source.getrandbits(32) + 0.5) / TWO_32 for _ in range(3_000)]
    for p in (*tiny, *even, *drawn, *small, *on_the_edge):
        limit = draws.threshold(p)
        for word in {max(limit - 1, 0), min(limit, LOW_32), 0, LOW_32}:
            assert (word < limit) == (Fraction(2 * word + 1, 2 * TWO_32) < Fraction(p)), p
    assert draws.threshold(0.0) == draws.threshold(-0.1) == 0
    assert draws.threshold(1.0) == draws.threshold(1.5) == TWO_32
    assert draws.threshold(2.0**-33) == 0
    assert draws.threshold(2.0**-33 * 1.0001) == 1


def test_uniforms_are_never_0_or_1() -> None:
    assert 0.0 < draws.uniform_of_word(0) < draws.uniform_of_word(1)
    assert draws.uniform_of_word(LOW_32 - 1) < draws.uniform_of_word(LOW_32) < 1.0
    assert 0.0 < draws.uniform_of_words(0, 0) < draws.uniform_of_words(0, 1 << 12)
    almost = draws.uniform_of_words(LOW_32, LOW_32 - (1 << 12))
    assert almost < draws.uniform_of_words(LOW_32, LOW_32) < 1.0
    for u in (draws.uniform_of_words(0, 0), draws.uniform_of_words(LOW_32, LOW_32)):
        assert math.isfinite(elementary.normal_quantile(u))


def test_words_are_uniform(words: NDArray[np.int64]) -> None:
    uniforms = (words + 0.5) / TWO_32
    assert stats.kstest(uniforms.ravel(), "uniform").pvalue > ONE_IN_A_MILLION
    for byte in range(4):
        counts = np.bincount(((words >> (8 * byte)) & 0xFF).ravel(), minlength=256)
        assert stats.chisquare(counts).pvalue > ONE_IN_A_MILLION
    for axis in range(3):
        for part in np.moveaxis(uniforms, axis, 0)[:50]:
            assert stats.kstest(part.ravel(), "uniform").pvalue > ONE_IN_A_MILLION


@pytest.mark.parametrize("axis", [0, 1, 2], ids=["streams", "patients", "cycles"])
def test_neighbours_are_independent(words: NDArray[np.int64], axis: int) -> None:
    """Pairs of neighbours fill a square evenly; their bits differ as often as not."""
    ordered = np.moveaxis(words, axis, 0)
    left, right = ordered[:-1].ravel(), ordered[1:].ravel()
    cells = np.bincount((left >> 28) * 16 + (right >> 28), minlength=256)
    assert stats.chisquare(cells).pvalue > ONE_IN_A_MILLION
    correlation = np.corrcoef(left, right)[0, 1]
    assert abs(correlation) < 5.0 / math.sqrt(len(left))
    flipped = int(np.bitwise_count(left ^ right).sum())
    bits = 32 * len(left)
    assert abs(flipped - bits / 2) < 5.0 * math.sqrt(bits) / 2


def test_all_words_of_a_run_differ(words: NDArray[np.int64]) -> None:
    """As many repeats as chance gives: about n^2 / 2^33."""
    n = words.size
    repeats = n - len(np.unique(words))
    expected = n * n / 2 / TWO_32
    assert abs(repeats - expected) < 6.0 * math.sqrt(expected) + 1.0


def test_normal_quantile() -> None:
    tails = np.concatenate([np.logspace(-15, -0.31, 5_000), 1.0 - np.logspace(-16, -0.31, 5_000)])
    middle = np.linspace(0.01, 0.99, 5_001)
    for u in (*tails.tolist(), *middle.tolist()):
        exact = float(special.ndtri(u))
        assert elementary.normal_quantile(u) == pytest.approx(exact, rel=1e-13, abs=1e-15), u
    assert elementary.normal_quantile(0.5) == 0.0


def test_latent_normals_are_normal() -> None:
    plan = make(1).plan(seed=21)
    stream = int(plan.record.cl_f_stream)
    latent = [draws.latent_normal(plan.numbers[0], patient, stream) for patient in range(20_000)]
    assert stats.kstest(latent, "norm").pvalue > ONE_IN_A_MILLION


def test_exp_and_log_are_right_to_the_last_bits() -> None:
    source = random.Random(6)
    for _ in range(20_000):
        x = source.uniform(-700.0, 700.0)
        assert elementary.exp(x) == pytest.approx(math.exp(x), rel=2.3e-16)
        y = math.exp(x)
        assert elementary.log(y) == pytest.approx(math.log(y), rel=4.5e-16)
        z = source.uniform(-3.0, 3.0)
        assert elementary.exp(z) == pytest.approx(math.exp(z), rel=2.3e-16)
        assert elementary.log(abs(z)) == pytest.approx(math.log(abs(z)), rel=4.5e-16)
        small = 10 ** source.uniform(-18, -1) * source.choice([1, -1])
        assert elementary.log1p(small) == pytest.approx(math.log1p(small), rel=4.5e-16)
    assert elementary.exp(0.0) == 1.0
    assert elementary.log(1.0) == 0.0
    assert elementary.exp(-1_000.0) == 0.0
    assert elementary.exp(1_000.0) == math.inf


def test_logistic_functions_keep_their_tails() -> None:
    for eta in (-700.0, -40.0, -20.0, -1.0, 0.0, 0.3, 1.0, 20.0, 40.0, 800.0):
        expected = max(eta, 0.0) + math.log1p(math.exp(-abs(eta)))
        assert elementary.softplus(eta) == pytest.approx(expected, rel=1e-15)
        assert elementary.expit(eta) == pytest.approx(float(special.expit(eta)), rel=1e-15)


@pytest.mark.parametrize("shape", [0.1, 0.4, 1.0, 2.5, 20.0])
def test_gamma_quantile(shape: float) -> None:
    log_gamma = math.lgamma(shape)
    for u in (1e-12, 1e-6, 0.001, 0.05, 0.3, 0.5, 0.8, 0.99, 1 - 1e-6, 1 - 1e-12):
        exact = float(special.gammaincinv(shape, u))
        # Near 1 the distribution itself is known only to the last bit of 1.
        tolerance = 1e-11 if u < 0.999 else 1e-4
        found = elementary.gamma_quantile(u, shape, log_gamma)
        assert found == pytest.approx(exact, rel=tolerance), u
        back = elementary.gamma_distribution(found, shape, log_gamma)
        assert back == pytest.approx(u, rel=1e-10)
