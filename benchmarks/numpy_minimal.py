"""NumPy written for `ixazomib-minimal` alone: every property of that scenario is used.

Blocks of patients that fit the cache, hazards cached per patient, one uniform of 32 bits per
adverse-event kind and cycle, events handled sparsely through flat indices. It counts all that
the kernel's summary reports of this scenario and that is not 0 by construction, with Monte
Carlo standard errors. It is no simulator: another rule would be another program. It shows how
far a general kernel is from what one scenario alone would need. Nothing here imports `sim`.

Patients of a block are exchangeable, so how many leave in each cycle is one multinomial draw,
and patients stand in order of leaving: those still there are always the first ones, and
leavers are compacted away for nothing. The few stopped by an event (12 % over the course) are
drawn for to the end and their later events discarded; to gather the others into new arrays
costs as much as it saves.

A moment is cycle * 32 + day; day 30 means completion, day 31 an exit at the end of the cycle.
An event is a key of 32 bits that sorts by time within patients:
patient 16, cycle 4, day 5, kind 3, related 1, stops treatment 1 (two bits are spare).
"""

import argparse
import math
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Table = NDArray[np.float64]
Whole = NDArray[np.integer[Any]]
Tally = dict[str, NDArray[np.float64]]
Endpoints = dict[tuple[str, int | None], tuple[float, float]]

CYCLES = 12
ESCALATION = 5
STOPS_IN_200 = 23
EXIT = 0.03
DAYS = 28
COMPLETED, LEFT = 30, 31
EARLY, LATE = 0.19, 0.03
KIND_NAMES = ("neutropenia", "thrombocytopenia", "rash", "fatigue", "diarrhea")
KINDS = len(KIND_NAMES)
HEMATOLOGIC = 2  # the kinds below this number; only they reach grade 3
FALSE_POSITIVE = 0.5
P3 = np.array([0.10, 0.23, 0.08, 0.19, 0.19])
P4 = np.array([0.16, 0.28, 0.10, 0.26, 0.24])
CLEARANCE, CLEARANCE_SD = 1.86 / 0.58, 0.391
TYPICAL_AUC_PER_MG = 3000.0 / (DAYS * CLEARANCE)

RELATED, STOPS = np.uint32(2), np.uint32(1)
WORD = 2.0**32


def _logit(p: Table) -> Table:
    return np.log(p / (1.0 - p))


SLOPE = (_logit(P4) - _logit(P3)) / TYPICAL_AUC_PER_MG
INTERCEPT = _logit(P3) - SLOPE * 3.0 * TYPICAL_AUC_PER_MG
# Of a random word times the hazard: below this an event is called unrelated.
UNRELATED = (FALSE_POSITIVE * WORD * np.log1p(np.exp(INTERCEPT))).astype(np.float32)
BENEFIT_SLOPE = float(_logit(np.array(0.44)) - _logit(np.array(0.37))) / TYPICAL_AUC_PER_MG
BENEFIT_INTERCEPT = float(_logit(np.array(0.37))) - BENEFIT_SLOPE * 3.0 * TYPICAL_AUC_PER_MG

# Day and stopping of an event, as bits of its key, from one whole number below 200 * DAYS.
_DAY, _COIN = np.divmod(np.arange(DAYS * 200), 200)
MARKS = ((_DAY + 1) << 7 | (_COIN < STOPS_IN_200)).astype(np.uint32)

# Cycle from 0 and kind of an event, as bits of its key, by row of four cycles times kinds.
KIND_OF_ROW = np.tile(np.arange(KINDS), 4)
ROWS = (np.arange(4).repeat(KINDS) << 12 | KIND_OF_ROW << 4).astype(np.uint32)

# Shares of patients who complete, and who leave in cycles 12, 11 ... 1; and the moments.
_CYCLE = np.arange(CYCLES, 0, -1)
LEAVING = np.array([(1.0 - EXIT) ** CYCLES, *(EXIT * (1.0 - EXIT) ** (_CYCLE - 1.0))])
LEAVING_MOMENT = np.array([CYCLES * 32 + COMPLETED, *(_CYCLE * 32 + LEFT)], np.uint32)

# What the last moment and escalation say of a patient: tables [escalated, last cycle, last day].
ESCALATED, LAST_CYCLE, LAST_DAY = np.indices((2, 16, 32)).astype(float)
EVERYONE = np.ones((2, 16, 32))
DAYS_ON = DAYS * np.maximum(LAST_CYCLE - 1.0, 0.0) + np.clip(LAST_DAY, 1, DAYS)
DOSES = 3.0 * (LAST_CYCLE - 1.0) + 1.0 + (LAST_DAY > 8) + (LAST_DAY > 15)
HIGH_DOSES = ESCALATED * np.maximum(DOSES - 3.0 * (ESCALATION - 1), 0.0)
GIVEN_MG = 3.0 * DOSES + HIGH_DOSES
COURSE_MG = 4.0 * 3.0 * CYCLES
TYPICAL_AUC = 1000.0 / CLEARANCE * GIVEN_MG / DAYS_ON
BENEFIT_SCORE = BENEFIT_SLOPE * 1000.0 / CLEARANCE * GIVEN_MG / (DAYS * CYCLES)
HEADLINES = "escalated discontinued:adverse_event completed first_event:any cumulative_dose_mg"


def _course_hazard(dose_mg: float, relative: Floats) -> Floats:
    """Course hazards [kind, patient] at a dose; relative is typical over own clearance."""
    slope = (SLOPE * dose_mg * TYPICAL_AUC_PER_MG).astype(np.float32)[:, None]
    score = slope * relative
    score += INTERCEPT.astype(np.float32)[:, None]
    np.exp(score, out=score)
    return np.log1p(score, out=score)


def _words(rng: np.random.Generator, n: int) -> Whole:
    """n random words of 32 bits."""
    return np.asarray(rng.bit_generator.random_raw((n + 1) // 2)).view(np.uint32)[:n]


def _dot(a: Table, b: Table) -> float:
    """Dot product on this thread; that of the linear-algebra library may start others."""
    return float(np.einsum("i,i->", a, b))


def _normals(rng: np.random.Generator, n: int) -> Floats:
    """n standard normals by Box and Muller, in vectors faster than the generator's own."""
    half = (n + 1) // 2
    words = _words(rng, 2 * half).astype(np.float32)
    radius = np.sqrt(-2.0 * np.log(words[:half] / np.float32(WORD) + np.float32(0.5 / WORD)))
    angle = words[half:] * np.float32(2.0 * math.pi / WORD)
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:n]


def _differs(values: Whole) -> Whole:
    """Places where a value differs from the one before it; the first does."""
    differs = np.ones(len(values), bool)
    np.not_equal(values[1:], values[:-1], out=differs[1:])
    return np.flatnonzero(differs)


def _few_true(flags: NDArray[np.bool_]) -> Whole:
    """Places of the few that are true: eight at a time, then within the eights."""
    eights = flags.view(np.uint64)
    some = np.flatnonzero(eights != 0)
    one = np.flatnonzero(eights.take(some).view(bool))
    return (some << 3).take(one >> 3) + (one & 7)


def _draw(
    rng: np.random.Generator, hazard: Floats, weight: float, first: int, staying: Whole
) -> Whole:
    """Events of the four cycles from the first on; weight * hazard is the hazard of a cycle."""
    size = hazard.shape[1]
    limits = hazard * np.float32(-weight)
    np.expm1(limits, out=limits)
    below = (limits * np.float32(-WORD)).astype(np.uint32)
    happens = np.zeros((4, KINDS, size + -size % 8), bool)
    for place in range(4):
        n = int(staying[first + place])
        words = _words(rng, KINDS * n).reshape(KINDS, n)
        np.less(words, below[:, :n], out=happens[place, :, :n])
    hit = _few_true(happens.ravel())
    row = hit // happens.shape[2]
    who = hit - row * happens.shape[2]
    keys = ROWS.take(row) + np.uint32(first << 12)
    keys |= (who << 16).astype(np.uint32)
    kind = KIND_OF_ROW.take(row)
    words = _words(rng, 2 * len(hit))
    called = words[: len(hit)].astype(np.float32) * hazard.ravel().take(kind * size + who)
    keys |= RELATED * (called >= UNRELATED.take(kind))
    mark = np.multiply(words[len(hit) :], 200 * DAYS, dtype=np.uint64) >> 32
    keys |= MARKS.take(mark.view(np.int64))
    return keys


def _apply_stops(keys: Whole, last: Whole) -> Whole:
    """Let events stop treatment; return those that happened, up to the stop day inclusive."""
    moment = keys >> 7 & 511
    stops = np.flatnonzero((keys & STOPS) != 0)
    np.minimum.at(last, keys.take(stops) >> 16, moment.take(stops))
    return keys.take(np.flatnonzero(moment <= last.take(keys >> 16)))


def _barred(keys: Whole) -> Whole:
    """Patients with a related non-hematologic event in cycles 3 and 4."""
    bars = (keys & RELATED).astype(bool) & ((keys >> 4 & 7) >= HEMATOLOGIC)
    bars &= (keys >> 12 & 15) >= ESCALATION - 2
    return keys.take(np.flatnonzero(bars)) >> 16


def _toxicity(keys: Whole, last: Whole, days: Table) -> Table:
    """Sum, square and product with the days on treatment of the days with an event.

    Events last to the end of the cycle, so only the first of a patient's cycle matters.
    """
    keys = keys.take(_differs(keys >> 12))
    who, onset = keys >> 16, keys >> 7 & 511
    end = np.minimum((onset | 31) - 3, last.take(who))  # 31 - 3 = 28, the cycle's last day
    toxic = np.bincount(who, weights=end - onset + 1, minlength=len(last)).astype(float, copy=False)
    return np.array([toxic.sum(), _dot(toxic, toxic), _dot(toxic, days)])


def _count_kinds(keys: Whole, last: Whole, tally: Tally) -> None:
    """Count events by kind: all and first ones, those called related, and squares."""
    reached = last.take(keys >> 16) >> 5
    coded = (keys & RELATED) << 6 | (keys & 7 << 4) | reached
    tally["events"] += np.bincount(coded, minlength=256).reshape(2, 8, 16)
    pair, cycle = keys >> 16 << 3 | (keys >> 4 & 7), (keys >> 12).astype(np.uint8) & 15
    # Cycles ascend within a patient: written backwards, the first one remains.
    first = np.empty(8 * len(last), np.uint8)
    first[pair[::-1]] = cycle[::-1]
    repeats = first.take(pair) != cycle
    new = keys.take(np.flatnonzero(~repeats))
    by_cycle = np.bincount((new & 7 << 4) | (new >> 12 & 15), minlength=16 * KINDS)
    tally["first"][1:] += by_cycle.reshape(KINDS, 16)
    first[pair.take(np.flatnonzero(repeats))] = 255
    several = np.flatnonzero(first.take(pair) == 255)
    _count_squares(pair.take(several), keys.take(several) >> 1 & 1, tally)


def _count_squares(pair: Whole, related: Whole, tally: Tally) -> None:
    """Add n * n - n of the n events, and related events, of a patient and kind with several."""
    order = np.sort(pair << 1 | related)
    start = _differs(order >> 1)
    kind = order.take(start) >> 1 & 7
    numbers = np.diff(start, append=len(order)), np.add.reduceat(order & 1, start, dtype=np.int64)
    tally["squares"] += [np.bincount(kind, weights=n * (n - 1), minlength=8) for n in numbers]


def _count_events(keys: Whole, last: Whole, days: Table, tally: Tally) -> None:
    """Count all events of a block; days are those on treatment by patient."""
    keys.sort()
    tally["toxicity"][0] += _toxicity(keys, last, days)
    grade_3 = keys.take(np.flatnonzero((keys >> 4 & 7) < HEMATOLOGIC))
    tally["toxicity"][1] += _toxicity(grade_3, last, days)
    first = keys.take(_differs(keys >> 16))
    tally["first"][0] += np.bincount(first >> 12 & 15, minlength=16)
    _count_kinds(keys, last, tally)


def _count_exposure(code: Whole, relative: Floats, tally: Tally) -> None:
    """Count AUC/day and benefit; code is the place in the tables of the last moment."""
    auc = TYPICAL_AUC.ravel().take(code) * relative
    tally["auc_per_day"] += auc.sum(), _dot(auc, auc)
    score = BENEFIT_SCORE.ravel().take(code) * relative
    benefit = 1.0 / (1.0 + np.exp(-BENEFIT_INTERCEPT - score))
    tally["clinical_benefit"] += benefit.sum(), _dot(benefit, benefit)


def _block(rng: np.random.Generator, size: int, tally: Tally) -> None:
    """Simulate a block: cycles 1 to 4, who escalates, cycles 5 to 12; then count all at once."""
    leaving = rng.multinomial(size, LEAVING)
    staying = np.array([size, *leaving.cumsum()[::-1]])
    last = np.repeat(LEAVING_MOMENT, leaving)
    relative = np.exp(np.float32(-CLEARANCE_SD) * _normals(rng, size))
    low = _course_hazard(3.0, relative)
    early = _apply_stops(_draw(rng, low, EARLY, 1, staying), last)
    escalated = last > (ESCALATION - 1) * 32 + LEFT
    escalated[_barred(early)] = False

    n = int(staying[ESCALATION])
    rise = _course_hazard(4.0, relative[:n])
    rise -= low[:, :n]
    rise *= escalated[:n]
    hazard = low[:, :n] + np.float32(EARLY / LATE) * rise
    middle = _draw(rng, hazard, LATE, 5, staying)
    hazard = np.add(low[:, :n], rise, out=hazard)
    late = _draw(rng, hazard, LATE, 9, staying)
    late = _apply_stops(np.concatenate([middle, late]), last)

    code = last | escalated.astype(np.uint32) << 9
    tally["ended"] += np.bincount(code, minlength=1024).reshape(2, 16, 32)
    _count_events(np.concatenate([early, late]), last, DAYS_ON.ravel().take(code), tally)
    _count_exposure(code, relative, tally)


def simulate(patients: int, seed: int, block: int = 32_768) -> Tally:
    """Simulate patients in blocks of at most 65536, which keys can number; return the tallies."""
    if block > 1 << 16:
        raise ValueError(f"block is {block}, at most 65536")
    # Freeing it teaches malloc to keep our arrays instead of returning their pages.
    np.empty(30 * 2**20, np.uint8)
    rng = np.random.Generator(np.random.SFC64(seed))
    shapes: dict[str, tuple[int, ...]] = {
        "ended": (2, 16, 32),  # patients by escalated, last cycle, last day
        "events": (2, 8, 16),  # by whether related, kind and last cycle of the patient
        "first": (1 + KINDS, 16),  # patients by cycle of their first event, any and by kind
        "squares": (2, 8),  # of all and of related events by kind: n * n - n over patients
        "toxicity": (2, 3),  # grade 2 and 3: sum, square, product with the days on treatment
        "auc_per_day": (2,),  # sum and square
        "clinical_benefit": (2,),
    }
    tally = {name: np.zeros(shape) for name, shape in shapes.items()}
    for start in range(0, patients, block):
        _block(rng, min(block, patients - start), tally)
    tally["escalated"] = tally["ended"][1].sum(keepdims=True)
    tally["stopped"] = tally["ended"][:, :, 1 : DAYS + 1].sum(axis=(0, 2))
    return tally


def _ratio(n: float, x: float, y: float, xx: float, xy: float, yy: float) -> tuple[float, float]:
    """Ratio of sums x / y over n patients and its standard error by the delta method."""
    r = x / y
    spread = max(xx - 2.0 * r * xy + r * r * yy, 0.0)
    return float(r), math.sqrt(spread * n / (n - 1.0)) / float(y)


def _of_ended(ended: Table, x: Table, y: Table = EVERYONE) -> tuple[float, float]:
    """The ratio of two values that follow from the last moment and escalation."""
    sums = ((ended * product).sum() for product in (x, y, x * x, x * y, y * y))
    return _ratio(float(ended.sum()), *sums)


def _by_last_moment(ended: Table) -> Endpoints:
    """Endpoints without cycles that follow from the last moment and escalation."""
    completed = LAST_DAY == COMPLETED
    not_escalated = (DOSES - HIGH_DOSES) / COURSE_MG
    asked = 1.0 * (LAST_CYCLE >= ESCALATION)
    values: dict[str, Table] = {
        "titration_success:8": ESCALATED * (LAST_CYCLE >= 8),
        "titration_success:12": ESCALATED * (LAST_CYCLE >= 12),
        "completed": 1.0 * completed,
        "rule_fired:stop-for-adverse-event": 1.0 * (LAST_DAY <= DAYS),
        "rule_fired:escalate-at-5": ESCALATED,
        "rdi_planned": GIVEN_MG / COURSE_MG,
        "rdi_on_treatment": GIVEN_MG / (COURSE_MG * DAYS_ON / (DAYS * CYCLES)),
        "rdi_loss:not_escalated": not_escalated,
        "rdi_loss:stopped": ~completed * (1.0 - GIVEN_MG / COURSE_MG - not_escalated),
        "cumulative_dose_mg": GIVEN_MG,
        "cycles": LAST_CYCLE,
        "days": DAYS_ON,
    }
    rows: Endpoints = {(name, None): _of_ended(ended, value) for name, value in values.items()}
    barred = asked * (1.0 - ESCALATED)
    rows["barred:related-nonhematologic-ae", None] = _of_ended(ended, barred, asked)
    return rows


def _by_cycle(ended: Table, cycle: int) -> Endpoints:
    """Shares of patients up to a cycle or on its day 1, from the last moment and escalation."""
    reached, by_then = 1.0 * (cycle <= LAST_CYCLE), cycle >= LAST_CYCLE
    escalated = ESCALATED * (cycle >= ESCALATION)
    stopped, left = by_then & (LAST_DAY <= DAYS), by_then & (LAST_DAY == LEFT)
    values: dict[str, Table] = {
        "escalated": escalated,
        "on_treatment": reached,
        "discontinued:adverse_event": 1.0 * stopped,
        "discontinued:adverse_event:event": 1.0 * stopped,
        "discontinued:other": 1.0 * left,
        "discontinued:any": 1.0 * (stopped | left),
        "dose_level:3": reached * (1.0 - escalated),
        "dose_level:4": reached * escalated,
    }
    rows: Endpoints = {(name, cycle): _of_ended(ended, value) for name, value in values.items()}
    rows["escalated_if_on_treatment", cycle] = _of_ended(ended, reached * escalated, reached)
    return rows


def _of_events(tally: Tally) -> Endpoints:
    """First events by cycle, events per cycle, and days with an event."""
    ended, n = tally["ended"], float(tally["ended"].sum())
    rows: Endpoints = {}
    for name, first in zip(("any", *KIND_NAMES), tally["first"], strict=False):
        for cycle, x in enumerate(first.cumsum()[1 : CYCLES + 1], 1):
            rows[f"first_event:{name}", cycle] = _ratio(n, x, n, x, x, n)
    cycles, cycles_2 = (ended * LAST_CYCLE).sum(), (ended * LAST_CYCLE**2).sum()
    for kind, name in enumerate(KIND_NAMES):
        for which, suffix in enumerate(("", ":related")):
            count = tally["events"][which:, kind].sum(axis=0)
            x, xy = count.sum(), (count * np.arange(16)).sum()
            xx = x + tally["squares"][which, kind]
            rows[f"events_per_cycle:{name}{suffix}", None] = _ratio(n, x, cycles, xx, xy, cycles_2)
    days, days_2 = (ended * DAYS_ON).sum(), (ended * DAYS_ON**2).sum()
    for name, (x, xx, xy) in zip(("g2", "g3"), tally["toxicity"], strict=True):
        share, error = _ratio(n, x, days, xx, xy, days_2)
        rows[f"toxicity_days:{name}", None] = 100.0 * share, 100.0 * error
    return rows


def endpoints(tally: Tally) -> Endpoints:
    """Estimate and Monte Carlo standard error by name of the endpoint and cycle."""
    ended, n = tally["ended"], float(tally["ended"].sum())
    rows = _by_last_moment(ended) | _of_events(tally)
    for cycle in range(1, CYCLES + 1):
        rows |= _by_cycle(ended, cycle)
    for name in ("auc_per_day", "clinical_benefit"):
        x, xx = tally[name]
        rows[name, None] = _ratio(n, x, n, xx, x, n)
    return rows


def main() -> None:
    """Print nanoseconds per patient and the headline shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    started = time.process_time()
    tally = simulate(options.patients, options.seed)
    print(f"{(time.process_time() - started) / options.patients * 1e9:.0f} ns per patient")
    for (name, cycle), (estimate, error) in endpoints(tally).items():
        if name in HEADLINES.split() and cycle in (None, CYCLES):
            print(f"{name} {estimate:.5f} ± {error:.5f}")


if __name__ == "__main__":
    main()
