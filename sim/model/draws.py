"""Random numbers with an address: Philox4x32-10, stateless.

Key = seed; counter = (patient, block and patient's high word, stream, parameter draw).
A stream is the CRC-32 of a name such as `ae/rash`; nothing depends on the place of
anything in a list, on the order of calls, or on what other draws were made.

Two layouts share a stream's blocks:
- by cycle: the draw of cycle c is word (c-1) mod 4 of block (c-1) div 4, plus ASK_BLOCKS
  blocks for every earlier ask of that cycle;
- by course: block c-1 holds the four words of one event (onset, cause, called, duration).

Integers are 64-bit and masked, so that CPython, numba and a GPU do the same arithmetic:
a product of two 32-bit numbers may wrap to a negative number, whose bits are still right.
"""

from sim.model.elementary import normal_quantile
from sim.model.jit import inlined, njit

LOW_32 = 0xFFFFFFFF
MULTIPLIER_0 = 0xD2511F53
MULTIPLIER_1 = 0xCD9E8D57
WEYL_0 = 0x9E3779B9
WEYL_1 = 0xBB67AE85
TWO_32 = 4294967296.0
ASK_BLOCKS = 16
PATIENT_HIGH = 65_536
MAX_PATIENTS = 1 << 48
MAX_ASKS = 4_095


@inlined
def _round(c0, c1, c2, c3, k0, k1):
    product_0 = MULTIPLIER_0 * c0
    product_1 = MULTIPLIER_1 * c2
    return (
        ((product_1 >> 32) & LOW_32) ^ c1 ^ k0,
        product_1 & LOW_32,
        ((product_0 >> 32) & LOW_32) ^ c3 ^ k1,
        product_0 & LOW_32,
    )


@inlined
def philox_rounds(c0, c1, c2, c3, k0, k1):
    """Philox4x32-10 written out, so that a loop over patients becomes vector code."""
    # int: with the compiler off, NumPy's whole numbers would warn where a product wraps.
    k0, k1 = int(k0) & LOW_32, int(k1) & LOW_32
    c0, c1, c2, c3 = int(c0) & LOW_32, int(c1) & LOW_32, int(c2) & LOW_32, int(c3) & LOW_32
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + WEYL_0) & LOW_32, (k1 + WEYL_1) & LOW_32
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + WEYL_0) & LOW_32, (k1 + WEYL_1) & LOW_32
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + WEYL_0) & LOW_32, (k1 + WEYL_1) & LOW_32
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + WEYL_0) & LOW_32, (k1 + WEYL_1) & LOW_32
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + WEYL_0) & LOW_32, (k1 + WEYL_1) & LOW_32
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + WEYL_0) & LOW_32, (k1 + WEYL_1) & LOW_32
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + WEYL_0) & LOW_32, (k1 + WEYL_1) & LOW_32
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + WEYL_0) & LOW_32, (k1 + WEYL_1) & LOW_32
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + WEYL_0) & LOW_32, (k1 + WEYL_1) & LOW_32
    return _round(c0, c1, c2, c3, k0, k1)


@njit
def philox(c0: int, c1: int, c2: int, c3: int, k0: int, k1: int) -> tuple[int, int, int, int]:
    """Return the four 32-bit words of Philox4x32-10 (Salmon et al., SC11, 2011)."""
    return philox_rounds(c0, c1, c2, c3, k0, k1)


@inlined
def words_at(plan, patient, stream, block):
    """Return the four words of one block of a stream of one patient."""
    return philox(
        patient & LOW_32,
        block + PATIENT_HIGH * (patient >> 32),
        stream,
        plan.parameter_draw,
        plan.seed_low,
        plan.seed_high,
    )


@inlined
def word_of_cycle(plan, patient, stream, cycle, ask):
    """Return the 32-bit word of a stream in a cycle (from 1), for its ask number (from 0)."""
    w0, w1, w2, w3 = words_at(plan, patient, stream, ((cycle - 1) >> 2) + ASK_BLOCKS * ask)
    place = (cycle - 1) & 3
    if place == 0:
        return w0
    if place == 1:
        return w1
    if place == 2:
        return w2
    return w3


@inlined
def threshold(probability: float) -> int:
    """Return the integer T for which word < T exactly when (word + 1/2) / 2^32 < probability."""
    if probability <= 0.0:
        return 0
    if probability >= 1.0:
        return 1 << 32
    scaled = probability * TWO_32 - 0.5
    whole = int(scaled)
    if scaled > whole:
        whole += 1
    return whole


@inlined
def uniform_of_word(word: int) -> float:
    """Return the uniform of one word; never 0 or 1."""
    return (word + 0.5) / TWO_32


@inlined
def uniform_of_words(high: int, low: int) -> float:
    """Return a 53-bit uniform of two words; never 0 or 1."""
    return ((high << 20) + (low >> 12) + 0.5) * 2.220446049250313e-16


@njit
def latent_uniform(plan, patient, stream):
    """Return the uniform behind a latent value of a patient."""
    w0, w1, _, _ = words_at(plan, patient, stream, 0)
    return uniform_of_words(w0, w1)


@njit
def latent_normal(plan, patient, stream):
    """Return the standard normal behind a latent value of a patient."""
    return normal_quantile(latent_uniform(plan, patient, stream))
