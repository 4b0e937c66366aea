"""The scenario `ixazomib-minimal` as a tuned stand-alone NumPy program: the honest competitor of the kernel.

One process, one thread, only NumPy; nothing is imported from `sim`. Two layouts of the draws, both exact in law:

`cells`     one draw per adverse-event kind and cycle, as in the kernel: blocks of patients, thresholds cached per
            patient and level, 16-bit decisions completed on a tie, hits handled through flat indices.
`arrivals`  (default, the fastest) hazards add up, so the events of a patient come from one Poisson process over cells:
            kind, group of four cycles, and background / drug at 3 mg / extra at 4 mg. A table per bin of z bounds the
            rates; an arrival picks a slot of the table, hence its cell, and is accepted with the ratio of the cell's
            true rate to that of its slots (bounds settle 19 in 20 without an exponential). A kind and cycle hit
            several times has one event, one of the hits at random. A scenario pair shares no luck in this layout.

The cycle of leaving for other reasons is independent of all else, so patients are numbered in its order, with
multinomial counts per block: the law of the cohort is unchanged and leavers are compacted away for nothing.
Draws resolve 2^-22 or finer and dense arithmetic is float32: relative errors are below 1e-5.

    python benchmarks/numpy_minimal.py [--patients 1000000] [--seed 1] [--layout arrivals|cells] [--repeats 1]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Generator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Keys = Generator[Array, Array, None]  # yields the events of cycles 1-4, is sent who was raised, yields those of 5-12

KINDS = ("neutropenia", "thrombocytopenia", "rash", "fatigue", "diarrhea")
P3, P4 = np.array([0.10, 0.23, 0.08, 0.19, 0.19]), np.array([0.16, 0.28, 0.10, 0.26, 0.24])
CYCLES, SIGMA, LEAVE, STOP = 12, 0.391, 0.03, 0.115
EARLY, LATE = 0.19, 0.03  # share of the hazard of twelve cycles: in each of cycles 1-4, in each of 5-12
AUC3 = 1000 * 3 * 3 / (28 * 1.86 / 0.58)  # per day, at 3 mg and the typical CL/F
BETA = (np.log(P4 / (1 - P4)) - np.log(P3 / (1 - P3))) / (AUC3 / 3)
ALPHA = np.log(P3 / (1 - P3)) - BETA * AUC3
HAZARD0 = np.log1p(np.exp(ALPHA))  # H(0)
BINS_PER_Z, ZMAX, SLOTS, REJECTED = 16, 8, 1024, 40
# Cell 5 * part + kind: background and drug of cycles 1-4, of 5-8, of 9-12; extra of 5-8, of 9-12; 40 is no event.
PART_WEIGHT = np.array([4 * EARLY, 4 * EARLY, *[4 * LATE] * 4, 4 * EARLY, 4 * LATE, 0.0])
PART_GROUP, PART_DRUG = np.array([0, 0, 1, 1, 2, 2, 1, 2, 0]), np.array([0, 1, 0, 1, 0, 1, 1, 1, 0])

# An event is a key of 32 bits: patient 16, kind 3, cycle 4, onset 5 (both from 0), related 1, stops treatment 1, spare 2.
# Its marks come from one integer below 400 * days: the day in one or four cycles, a coin, 23 in 200.
_DAY, _REST = np.divmod(np.arange(112 * 400), 400)
MARKS = (_DAY // 28 << 9 | _DAY % 28 << 4 | (_REST & 1) << 3 | (_REST < 400 * STOP) << 2).astype(np.uint32)
RELATED, STOPS = 8, 4


def hazards(z: Array, kind: Array) -> tuple[Array, Array]:
    """H at 3 mg and its increase to 4 mg for patients of latent `z` and the kinds with these indices."""
    a, b = ALPHA.astype(z.dtype).take(kind), BETA.astype(z.dtype).take(kind)
    x = b * (np.exp(z.dtype.type(-SIGMA) * z) * z.dtype.type(AUC3))
    h3 = np.log1p(np.exp(a + x))
    return h3, np.log1p(np.exp(a + x * z.dtype.type(4 / 3))) - h3


def cell_rate(z: Array, cell: Array) -> Array:
    """Expected arrivals in the cells with these indices for patients of latent `z`."""
    part, kind = np.divmod(cell, 5)
    h3, step = hazards(z, kind)
    background = HAZARD0.take(kind)
    return PART_WEIGHT.take(part) * np.where(part >= 6, step, np.where(part & 1, h3 - background, background))


class Tables(NamedTuple):
    """By bin of z: P(count <= n) * 2^32, the slots' cells, draws accepted for sure, rates; by cell: bits of the key."""

    poisson: Array
    cells: Array
    sure: Array
    rate: Array
    bits: Array


@lru_cache(maxsize=1)
def tables() -> Tables:
    """Build the tables of the layout `arrivals`."""
    edges = np.arange(-ZMAX * BINS_PER_Z, ZMAX * BINS_PER_Z + 1) / BINS_PER_Z
    at_edge = cell_rate(edges[:, None], np.arange(REJECTED)[None])  # never rises with z
    high, low = at_edge[:-1] * (1 + 1e-6), at_edge[1:] * (1 - 1e-6)
    unit = high.sum(1, keepdims=True) / (SLOTS - REJECTED)  # rate of one slot
    slots = np.ceil(high / unit).astype(int)
    slots = np.hstack([slots, SLOTS - slots.sum(1, keepdims=True)])
    cell = np.concatenate([np.repeat(np.arange(REJECTED + 1), row) for row in slots]).astype(np.uint8)
    rate, sure = np.full((len(unit), 64), np.inf), np.zeros((len(unit), 64), np.uint32)
    rate[:, :REJECTED] = slots[:, :REJECTED] * unit
    sure[:, :REJECTED] = low / rate[:, :REJECTED] * 2**22
    mean = unit[:, 0] * SLOTS
    term = np.exp(-mean) * np.cumprod(np.vstack([np.ones_like(mean), mean / np.arange(1, 500)[:, None]]), axis=0)
    poisson = np.minimum(term.cumsum(0) * 2**32, 2**32 - 1).astype(np.uint32)
    part, kind = np.divmod(np.arange(REJECTED + 1), 5)
    bits = (kind << 13 | PART_GROUP[part] << 11 | PART_DRUG[part] << 3).astype(np.uint32)
    return Tables(poisson, cell, sure.ravel(), rate.ravel(), bits)


def words(rng: np.random.Generator, n: int) -> Array:
    """`n` (rounded up to even) random words of 32 bits."""
    return rng.bit_generator.random_raw((n + 1) // 2).view(np.uint32)


def scale(word: Array, n: int) -> Array:
    """Random integers below `n`, as indices, from words of 32 bits."""
    return (np.multiply(word, n, dtype=np.uint64) >> np.uint64(32)).view(np.int64)


def normals(rng: np.random.Generator, n: int) -> Array:
    """Standard normals by Box and Muller; vectorised, three times faster than the generator's own."""
    half = (n + 1) // 2
    u = words(rng, 2 * half).astype(np.float32)
    radius = np.sqrt(np.log(u[:half] * np.float32(2**-32) + np.float32(2**-33)) * np.float32(-2))
    angle = u[half:] * np.float32(2 * np.pi * 2**-32)
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:n]


def differs(sorted_: Array) -> Array:
    """Whether each element differs from the one before it (the first does)."""
    out = np.ones(len(sorted_), bool)
    np.not_equal(sorted_[1:], sorted_[:-1], out=out[1:])
    return out


def one_per_cell(keys: Array, rng: np.random.Generator) -> Array:
    """Sort arrivals; keep one of each patient, kind and cycle at random (the order among them depends on marks)."""
    keys.sort()
    new = differs(keys >> 9)
    again = np.flatnonzero(~new)
    run = np.flatnonzero(np.diff(again, prepend=-9) > 1)  # runs of repeats; the run's first arrival is one before
    start, length = again[run] - 1, np.diff(run, append=len(again)) + 1
    keys[start] = keys[start + (rng.random(len(run)) * length).astype(np.intp)]
    return keys.take(np.flatnonzero(new))


def arrivals(rng: np.random.Generator, size: int, first: Array) -> Keys:
    """Events of a block by thinning one Poisson process per patient."""
    tab = tables()
    z = normals(rng, size)
    where = (z * np.float32(BINS_PER_Z) + np.float32(ZMAX * BINS_PER_Z)).astype(np.intp)
    u = words(rng, size)[:size]
    who = np.flatnonzero(u >= tab.poisson[0].take(where))
    u, where, n = u.take(who), where.take(who), 1
    found = [(who, where)]
    while len(who):  # patients with at least n arrivals
        if n < 4:
            more = np.flatnonzero(u >= tab.poisson[n].take(where))
            found.append((who.take(more), where.take(more)))
            n += 1
        else:  # few are left: sixteen counts at once
            count = (u >= tab.poisson[n : n + 16].take(where, axis=1)).sum(0)
            found.append((np.repeat(who, count), np.repeat(where, count)))
            more = np.flatnonzero(count == 16)
            n += 16
        who, where, u = who.take(more), where.take(more), u.take(more)
    who, where = (np.concatenate(part) for part in zip(*found, strict=True))
    word = words(rng, 2 * len(who))
    accept = word[: len(who)]
    cell = tab.cells.take(where * SLOTS + (accept >> 22))
    accept &= np.uint32(2**22 - 1)
    place = where * 64 + cell
    unsure = np.flatnonzero(accept >= tab.sure.take(place))
    rate = cell_rate(z.take(who.take(unsure)), cell.take(unsure))
    cell[unsure[accept.take(unsure) >= rate / tab.rate.take(place.take(unsure)) * 2**22]] = REJECTED
    keys = who.astype(np.uint32) << np.uint32(16) | tab.bits.take(cell)
    keys |= MARKS.take(scale(word[len(who) :], 112 * 400))
    raised = yield one_per_cell(keys.take(np.flatnonzero(cell < 10)), rng)
    extra = np.flatnonzero(cell - np.uint8(30) < 10)
    extra = extra.take(np.flatnonzero(raised.take(who.take(extra))))
    late = np.flatnonzero(cell - np.uint8(10) < 20)
    yield one_per_cell(keys.take(np.concatenate([late, extra])), rng)


def cells(rng: np.random.Generator, size: int, first: Array) -> Keys:
    """Events of a block by one draw per kind and cycle; `first` is the first patient still there, by cycle."""

    def draw(weight: float, hazard: Array, cycles: range) -> Array:
        """Events in cycles of equal hazard."""
        scaled = np.expm1(np.float32(-weight) * hazard) * np.float32(-65536)
        limit = scaled.astype(np.uint16)
        found = []
        for c in cycles:
            n = size - first[c]
            u = words(rng, (5 * n + 1) // 2).view(np.uint16)[: 5 * n].reshape(5, n)
            hit = np.flatnonzero(u <= limit[:, first[c] :])
            kind = hit // max(n, 1)
            at = hit + kind * first[c] + first[c]  # flat index in (5, size)
            tie = np.flatnonzero(u.ravel().take(hit) == limit.ravel().take(at))
            lost = tie[rng.random(len(tie)) >= scaled.ravel().take(at.take(tie)) % 1]
            if len(lost):
                at, kind = np.delete(at, lost), np.delete(kind, lost)
            found.append((at, kind, (at - kind * size) << 16 | kind << 13 | c << 9))
        at, kind, key = (np.concatenate(part) for part in zip(*found, strict=True))
        word = words(rng, 2 * len(at))
        drug = word[: len(at)] * np.float32(2**-32) * hazard.ravel().take(at) >= HAZARD0.take(kind)
        return key.astype(np.uint32) | MARKS.take(scale(word[len(at) :][: len(at)], 28 * 400)) | np.uint32(8) * drug

    h3, step = hazards(normals(rng, size)[None], np.arange(5)[:, None])
    raised = yield np.sort(draw(EARLY, h3, range(4)))
    step *= raised
    middle, last = h3 + np.float32(EARLY / LATE) * step, h3 + step
    yield np.sort(np.concatenate([draw(LATE, middle, range(4, 8)), draw(LATE, last, range(8, CYCLES))]))


LAYOUTS: dict[str, Callable[[np.random.Generator, int, Array], Keys]] = {"arrivals": arrivals, "cells": cells}


def block(rng: np.random.Generator, size: int, layout: str, tally: dict[str, Array]) -> None:
    """Simulate `size` patients (at most 65536) and add them to the tallies."""
    left = rng.multinomial(size, [LEAVE * (1 - LEAVE) ** c for c in range(CYCLES)] + [(1 - LEAVE) ** CYCLES])
    first = left.cumsum() - left
    # The last time on treatment, cycle * 32 + onset as in the keys; onset 31 is the end of the cycle, cycle 12 never.
    last = np.repeat(np.arange(31, 32 * CYCLES + 32, 32, dtype=np.uint32), left)
    source = LAYOUTS[layout](rng, size, first)
    seen, earliest = np.zeros(size * 8, bool), np.full(size, CYCLES, np.uint8)

    def happened(keys: Array) -> Array:
        """Apply the stops, discard what comes after, count; return the events that happened."""
        time_ = keys >> 4 & 511
        who = keys >> 16
        stopping = np.flatnonzero(keys & STOPS)
        np.minimum.at(last, who.take(stopping), time_.take(stopping))
        keys = keys.take(np.flatnonzero(time_ <= last.take(who)))
        np.minimum.at(earliest, keys >> 16, (keys >> 9 & 15).astype(np.uint8))
        pair = keys >> 13
        again = np.flatnonzero(~differs(pair) | seen.take(pair))
        seen[pair] = True
        kind_cycle = keys >> 9 & 127
        count = np.bincount(kind_cycle, minlength=128)
        tally["events"] += count
        tally["first"] += count - np.bincount(kind_cycle.take(again), minlength=128)
        return keys

    early = happened(next(source))
    raised = np.zeros(size, bool)
    raised[first[4] :] = True
    raised[np.flatnonzero(last & 31 != 31)] = False
    tally["asked"] += np.count_nonzero(raised)
    bars = np.flatnonzero((early & RELATED != 0) & (early >> 13 & 7 >= 2) & (early >> 9 & 15 >= 2))
    raised[early.take(bars) >> 16] = False
    tally["escalated"] += np.count_nonzero(raised)
    happened(source.send(raised))
    tally["first_any"] += np.bincount(earliest, minlength=CYCLES + 1)
    tally["last"] += np.bincount(last + np.uint32(512) * raised, minlength=1024)


def simulate(patients: int, seed: int, layout: str = "arrivals", size: int = 32768) -> dict[str, Any]:
    """Simulate and return the tallies as counts of patients, by cycle where they are arrays of 12 (kinds are rows)."""
    np.empty(2**24, np.uint64)  # freeing it teaches malloc to keep our arrays instead of returning their pages
    rng = np.random.Generator(np.random.SFC64(seed))
    shapes = {"events": 128, "first": 128, "first_any": CYCLES + 1, "last": 1024, "asked": 1, "escalated": 1}
    tally = {key: np.zeros(n, np.int64) for key, n in shapes.items()}
    for start in range(0, patients, size):
        block(rng, min(size, patients - start), layout, tally)
    by_last = tally["last"].reshape(2, 16, 32)  # never raised or raised; cycle; day of the stop, or 31
    stops, exits = by_last[:, :CYCLES, :28], by_last[:, : CYCLES + 1, 31]
    ends = exits[:, :CYCLES] + stops.sum(2)
    ends[:, -1] += exits[:, CYCLES]
    present = ends[:, ::-1].cumsum(1)[:, ::-1]
    raised = present[1] * (np.arange(CYCLES) >= 4)
    dose = np.array([[3.0] * CYCLES, [3.0] * 4 + [4.0] * (CYCLES - 4)])
    before = np.hstack([np.zeros((2, 1)), 3 * dose.cumsum(1)])  # mg given before each cycle
    doses = 1 + (np.arange(28) > 7) + (np.arange(28) > 14)  # in the cycle, by the day of the stop from 0
    stop_mg = before[:, :CYCLES, None] + dose[:, :, None] * doses
    exit_mg = np.hstack([before[:, 1:], before[:, -1:]])
    return {
        "escalated": int(tally["escalated"][0]),
        "asked": int(tally["asked"][0]),
        "barred": int(tally["asked"][0] - tally["escalated"][0]),
        "on_treatment": present.sum(0),
        "at_3_mg": present.sum(0) - raised,
        "at_4_mg": raised,
        "discontinued_ae": stops.sum((0, 2)).cumsum(),
        "discontinued_other": exits[:, :CYCLES].sum(0).cumsum(),
        "completed": int(exits[:, CYCLES].sum()),
        "first_event": tally["first"].reshape(8, 16)[:5, :CYCLES].cumsum(1),
        "first_event_any": tally["first_any"][:CYCLES].cumsum(),
        "events": tally["events"].reshape(8, 16)[:5].sum(1),
        "mg_sum": float((stop_mg * stops).sum() + (exit_mg * exits).sum()),
        "mg_sum_of_squares": float((stop_mg**2 * stops).sum() + (exit_mg**2 * exits).sum()),
    }


def main() -> None:
    """Run; print the time per patient and the headline shares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--layout", choices=LAYOUTS, default="arrivals")
    parser.add_argument("--size", type=int, default=32768, help="patients in a block, at most 65536")
    parser.add_argument("--repeats", type=int, default=1, help="the median time is printed")
    args = parser.parse_args()
    simulate(1000, 0, args.layout)  # tables
    times = []
    for _ in range(args.repeats):
        cpu, wall = time.process_time_ns(), time.perf_counter_ns()
        out = simulate(args.patients, args.seed, args.layout, args.size)
        times.append((time.process_time_ns() - cpu, time.perf_counter_ns() - wall))
    cpu_ns, wall_ns = np.median(times, axis=0) / args.patients
    print(f"{args.layout}: {cpu_ns:.1f} ns CPU, {wall_ns:.1f} ns wall per patient")
    shares = {name: out[name] for name in ("escalated", "completed")}
    shares |= {f"{name} by cycle 12": out[name][-1] for name in ("discontinued_ae", "discontinued_other")}
    shares |= {f"ever {kind}": row[-1] for kind, row in zip(KINDS, out["first_event"], strict=True)}
    for name, count in (shares | {"ever any": out["first_event_any"][-1]}).items():
        print(f"{name} {count / args.patients:.5f}")
    print(f"barred of asked {out['barred'] / max(out['asked'], 1):.5f}, {out['mg_sum'] / args.patients:.3f} mg per patient")


if __name__ == "__main__":
    main()
