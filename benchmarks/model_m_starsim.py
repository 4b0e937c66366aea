"""Benchmark model M as a starsim module: agents in arrays, one step a cycle.

starsim is the fastest neighbouring simulator that can express M (common random numbers by
agent, as here). Agents that have left treatment stay in the simulation but are not stepped.
Optional: needs `pip install starsim`. Nothing here imports `sim`.
"""

import numpy as np
import starsim as ss

from benchmarks.model_m import Counts, run_alone

CYCLES, KINDS = 26, 5
LEVELS_MG = np.array([1.5, 2.3, 3.0, 4.0])
PER_MG = 3000.0 / (28.0 * 3.1)
P3 = np.array([0.10, 0.23, 0.08, 0.19, 0.19])
P4 = np.array([0.16, 0.28, 0.10, 0.26, 0.24])
LOGIT_3, LOGIT_4 = np.log(P3 / (1.0 - P3)), np.log(P4 / (1.0 - P4))
SLOPE = (LOGIT_4 - LOGIT_3) / (PER_MG * np.exp(0.44**2 / 2.0))
INTERCEPT = LOGIT_3 - 3.0 * (LOGIT_4 - LOGIT_3)
PROGRESSION = 1.0 - 0.97 ** ((28.0 + 7.0 * np.arange(3)) / 28.0)
STOP = np.array([0.0, 0.1, 0.19, 0.19, 0.19, 0.19])


class ModelM(ss.Module):
    """The course of M; probabilities are kept per agent and computed anew at a change of level."""

    def __init__(self, counts: Counts) -> None:
        super().__init__(name="model_m")
        self.counts = counts
        self.define_states(
            ss.BoolState("on", default=True),
            ss.BoolState("barred"),
            ss.FloatArr("per_mg"),
            ss.IntArr("level", default=2),
            ss.IntArr("late", default=0),
            ss.IntArr("weeks", default=0),
            ss.FloatArr("mg", default=0.0),
            *[ss.FloatArr(f"p{kind}") for kind in range(KINDS)],
            *[ss.IntArr(f"events{kind}", default=0) for kind in range(KINDS)],
        )
        self.clearance = ss.normal(loc=0.0, scale=1.0)
        self.happens = [ss.random(name=f"happens{kind}") for kind in range(KINDS)]
        self.deed = [ss.random(name=f"deed{kind}") for kind in range(KINDS)]
        self.leaves, self.stops = ss.random(name="leaves"), ss.random(name="stops")

    def init_post(self) -> None:
        """Draw clearances and compute the probabilities of the starting level."""
        super().init_post()
        uids = self.on.uids
        self.per_mg[uids] = PER_MG * np.exp(-0.44 * self.clearance.rvs(uids))
        self.change_level(uids, 0)

    def change_level(self, uids: ss.uids, step: int) -> None:
        """Move agents by a level and compute their probabilities."""
        self.level[uids] = np.maximum(self.level[uids] + step, 0)
        auc = self.per_mg[uids] * LEVELS_MG[self.level[uids]]
        for kind in range(KINDS):
            odds = np.exp(INTERCEPT[kind] + SLOPE[kind] * auc)
            self[f"p{kind}"][uids] = -np.expm1(np.log1p(odds) / -12.0)

    def step(self) -> None:
        """Run one cycle of everyone on treatment."""
        cycle = int(self.ti) + 1
        uids = self.on.uids
        if cycle > CYCLES or len(uids) == 0:
            return
        n = len(uids)
        number, even, seen = np.zeros(n, int), np.zeros(n, bool), np.zeros(n, bool)
        act = np.zeros((3, n), np.int64)
        for kind in range(KINDS):
            at = np.flatnonzero(self.happens[kind].rvs(uids) < self[f"p{kind}"][uids])
            hurt = uids[at]
            before = self[f"events{kind}"][hurt]
            self.counts.first[kind, cycle - 1] += np.count_nonzero(before == 0)
            even[at[before % 2 == 1]] = True
            self[f"events{kind}"][hurt] = before + 1
            number[at] += 1
            seen[at] |= kind > 1
            u = 3.0 * self.deed[kind].rvs(hurt) if len(hurt) else np.zeros(0)
            day = u.astype(np.int64)
            deed = np.searchsorted([0.60, 0.725, 0.85], u - day, side="right")
            deed = np.array([1, 2, 3, 0])[deed]
            free = act[day, at] == 0
            act[day[free], at[free]] = deed[free]
        held, withheld, delay = np.zeros(n, bool), np.zeros(n, int), np.zeros(n, int)
        for day in range(3):
            today = np.where(held, 0, act[day])
            delay = np.maximum(delay, np.where(today > 1, today - 1, 0))
            withheld[today == 1] = 2 - day
            held |= today == 1
        self.mg[uids] = self.mg[uids] + LEVELS_MG[self.level[uids]] * (3 - withheld)

        leaves = self.leaves.rvs(uids) < PROGRESSION[self.late[uids]]
        hurt = number > 0
        stops = np.zeros(n, bool)
        stops[hurt] = self.stops.rvs(uids[hurt]) < STOP[number[hurt]] if hurt.any() else False
        stops &= ~leaves
        ends = leaves | stops if cycle < CYCLES else np.ones(n, bool)
        self.counts.progression += int(np.count_nonzero(leaves))
        self.counts.adverse_event += int(np.count_nonzero(stops))
        self.counts.completed += int(np.count_nonzero(ends & ~leaves & ~stops))
        days = 28.0 * cycle + 7.0 * self.weeks[uids[ends]] + stops[ends]
        mg = np.asarray(self.mg[uids[ends]])
        self.counts.add_value("mg", mg)
        self.counts.add_value("days", days)
        self.counts.add_value("cycles", np.full(len(days), float(cycle)))
        self.counts.add_value("rdi", mg / days * (28.0 / 9.0))
        self.on[uids[ends]] = False

        stays = ~ends
        self.late[uids] = delay
        self.weeks[uids[stays]] = self.weeks[uids[stays]] + delay[stays]
        bars = even | ((seen | held | (delay == 2)) & (cycle in (3, 4)))
        self.barred[uids[bars]] = True
        self.change_level(uids[stays & even], -1)
        if cycle == 4:
            rise = uids[stays & ~np.asarray(self.barred[uids])]
            self.counts.escalated += len(rise)
            self.change_level(rise, 1)


def simulate(patients: int, seed: int) -> Counts:
    """Simulate patients of benchmark model M and return what is counted."""
    counts = Counts(patients=patients)
    module = ModelM(counts)
    sim = ss.Sim(
        n_agents=patients,
        modules=module,
        start=0,
        dur=CYCLES - 1,
        dt=1,
        rand_seed=seed,
        verbose=0,
        copy_inputs=False,
    )
    sim.run()
    return counts


if __name__ == "__main__":
    run_alone(simulate, __doc__, 1_000_000)
