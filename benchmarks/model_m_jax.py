"""Benchmark model M in JAX: all patients of a block as arrays, the cycles as one `lax.scan`.

Everything is computed for every patient, on treatment or not, as the compiler wants it. The key
of a cycle is folded from the block's key, so a draw has an address, if not one of its own
meaning. Optional: needs `pip install jax`. Nothing here imports `sim`.
"""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.model_m import MEANS, Counts, run_alone

CYCLES, KINDS = 26, 5
BLOCK = 65_536
LEVELS_MG = np.array([1.5, 2.3, 3.0, 4.0], np.float32)
PER_MG = 3000.0 / (28.0 * 3.1)
P3 = np.array([0.10, 0.23, 0.08, 0.19, 0.19])
P4 = np.array([0.16, 0.28, 0.10, 0.26, 0.24])
LOGIT_3, LOGIT_4 = np.log(P3 / (1.0 - P3)), np.log(P4 / (1.0 - P4))
SLOPE = ((LOGIT_4 - LOGIT_3) / (PER_MG * np.exp(0.44**2 / 2.0))).astype(np.float32)[:, None]
INTERCEPT = (LOGIT_3 - 3.0 * (LOGIT_4 - LOGIT_3)).astype(np.float32)[:, None]
PROGRESSION = (1.0 - 0.97 ** ((28.0 + 7.0 * np.arange(3)) / 28.0)).astype(np.float32)
STOP = np.array([0.0, 0.1, 0.19, 0.19, 0.19, 0.19], np.float32)


def _aftermath(hit: Any, u: Any) -> tuple[Any, Any, Any]:
    """Return (doses withheld, held, weeks of delay): one uniform an event gives day and deed."""
    day = jnp.floor(3.0 * u)
    v = 3.0 * u - day
    deed = jnp.where(v < 0.60, 1, jnp.where(v < 0.725, 2, jnp.where(v < 0.85, 3, 0)))
    withheld, held, weeks = jnp.zeros_like(deed[0]), jnp.zeros(deed[0].shape, bool), 0
    for today in range(3):
        act = jnp.zeros_like(deed[0])
        for kind in reversed(range(KINDS)):
            acts = hit[kind] & (day[kind] == today) & (deed[kind] > 0)
            act = jnp.where(acts, deed[kind], act)
        act = jnp.where(held, 0, act)
        weeks = jnp.maximum(weeks, jnp.where(act > 1, act - 1, 0))
        withheld = jnp.where(act == 1, 2 - today, withheld)
        held = held | (act == 1)
    return withheld, held, weeks


def _cycle(state: dict[str, Any], cycle: Any) -> tuple[dict[str, Any], Any]:
    n = state["level"].shape[0]
    uniforms = jax.random.uniform(jax.random.fold_in(state["key"], cycle), (2 * KINDS + 2, n))
    level, on, weeks_late = state["level"], state["on"], state["late"]
    mg = jnp.asarray(LEVELS_MG)[level]
    odds = jnp.exp(INTERCEPT + SLOPE * (state["per_mg"] * mg))
    p = -jnp.expm1(-jnp.log1p(odds) / 12.0)
    hit = (uniforms[:KINDS] < p) & on
    first = (hit & (state["events"] == 0)).sum(axis=1)
    even = (hit & (state["events"] % 2 == 1)).any(axis=0)
    events = state["events"] + hit
    withheld, held, delay = _aftermath(hit, uniforms[KINDS : 2 * KINDS])
    given = state["mg"] + jnp.where(on, mg * (3 - withheld), 0.0)
    leaves = on & (uniforms[-1] < jnp.asarray(PROGRESSION)[weeks_late])
    stops = on & ~leaves & (uniforms[-2] < jnp.asarray(STOP)[hit.sum(axis=0)])
    stays = on & ~leaves & ~stops & (cycle < CYCLES)
    ends = on & ~stays
    days = 28 * cycle + 7 * state["weeks"] + stops
    seen = hit[2:].any(axis=0) | held | (delay == 2)
    barred = state["barred"] | even | (seen & ((cycle == 3) | (cycle == 4)))
    rises = stays & ~barred & (cycle == 4)
    out = {
        "first": first,
        "progression": leaves.sum(),
        "adverse_event": stops.sum(),
        "completed": (ends & ~leaves & ~stops).sum(),
        "escalated": rises.sum(),
    }
    new = {
        "key": state["key"],
        "per_mg": state["per_mg"],
        "level": jnp.maximum(level - even, 0) + rises,
        "on": stays,
        "late": jnp.where(stays, delay, 0),
        "events": events,
        "mg": given,
        "weeks": state["weeks"] + jnp.where(stays, delay, 0),
        "barred": barred,
        "days": jnp.where(ends, days, state["days"]),
        "cycles": jnp.where(ends, cycle, state["cycles"]),
    }
    return new, out


@cache
def _compiled(n: int) -> Any:
    def run(key: Any) -> tuple[Any, Any]:
        normals = jax.random.normal(jax.random.fold_in(key, 0), (n,))
        zeros = jnp.zeros(n, jnp.int32)
        state = {
            "key": key,
            "per_mg": PER_MG * jnp.exp(-0.44 * normals),
            "level": zeros + 2,
            "on": jnp.ones(n, bool),
            "late": zeros,
            "events": jnp.zeros((KINDS, n), jnp.int32),
            "mg": jnp.zeros(n),
            "weeks": zeros,
            "barred": jnp.zeros(n, bool),
            "days": zeros,
            "cycles": zeros,
        }
        state, out = jax.lax.scan(_cycle, state, jnp.arange(1, CYCLES + 1))
        days = state["days"]
        values = {"mg": state["mg"], "days": days, "cycles": state["cycles"]}
        values["rdi"] = state["mg"] / days * (28.0 / 9.0)
        return values, out

    return jax.jit(run)


def simulate(patients: int, seed: int) -> Counts:
    """Simulate patients of benchmark model M and return what is counted."""
    counts = Counts(patients=patients)
    key = jax.random.key(seed)
    for number, start in enumerate(range(0, patients, BLOCK)):
        n = min(BLOCK, patients - start)
        values, out = _compiled(n)(jax.random.fold_in(key, number))
        for name in MEANS:
            counts.add_value(name, np.asarray(values[name], np.float64))
        for name in ("escalated", "progression", "adverse_event", "completed"):
            setattr(counts, name, getattr(counts, name) + int(out[name].sum()))
        counts.first += np.asarray(out["first"], np.int64).T
    return counts


if __name__ == "__main__":
    run_alone(simulate, __doc__, 1_048_576, lambda patients: simulate(patients, 0))
