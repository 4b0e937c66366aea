"""Made-up scenarios within reach of exact mode, rich in what exact mode has to get right.

`python tests/in_reach_maker.py SEED` prints one as TOML.
"""

import random
import sys
from functools import cache
from typing import Any

from scenario_maker import LADDER, Made, Table, load_table, to_toml

from sim.errors import LimitError, ScenarioError
from sim.exact.reach import reasons_out_of_reach
from sim.plan.plan import compile_plan

ATTEMPTS = 2_000
SOURCE = "ASSUMED: made at random"
KINDS = {"rash": "non_hematologic", "fatigue": "non_hematologic", "anemia": "hematologic"}
CAUSES = ("progression", "withdrawal", "death", "other")


@cache
def make_in_reach(seed: int) -> Made:
    """The first scenario of a seed that the checks accept and that is in reach."""
    for attempt in range(ATTEMPTS):
        table = _Maker(random.Random(f"exact/{seed}/{attempt}"), seed).scenario()
        try:
            scenario = load_table(table)
            plan = compile_plan(scenario)
        except (ScenarioError, LimitError):
            continue
        if not reasons_out_of_reach(plan):
            return Made(seed, table, to_toml(table), scenario)
    raise AssertionError(f"seed {seed}: {ATTEMPTS} drafts were all refused")


class _Maker:
    """Draws one draft."""

    def __init__(self, source: random.Random, seed: int) -> None:
        self.source = source
        self.seed = seed
        self.clauses = 0

    def _one_in(self, many: int) -> bool:
        return self.source.randrange(many) == 0

    def _pick(self, options: Any) -> Any:
        return self.source.choice(list(options))

    def _between(self, low: float, high: float) -> float:
        return round(self.source.uniform(low, high), 3)

    def scenario(self) -> Table:
        """A whole scenario."""
        self.cycles = self._pick([3, 5, 8, 13])
        table: Table = {
            "format": 1,
            "name": f"in-reach-{self.seed}",
            "title": f"In reach, made at random from {self.seed}",
            "drug": "made",
            "posology": self._posology(),
            "pharmacokinetics": self._pharmacokinetics(),
        }
        if self.posology["unit"] == "mg/m2":
            spread = {"mean": 1.97, "sd": 0.24, "low": 1.6, "high": 2.4, "source": SOURCE}
            table["population"] = {"bsa_m2": spread, "source": SOURCE}
        table["exposure_response"] = self._exposure_response()
        names = self.source.sample(sorted(KINDS), self._pick([1, 2, 3]))
        table["adverse_event"] = self.kinds = [self._adverse_event(name) for name in names]
        if self._one_in(2):
            table["clinical_benefit"] = {
                "intercept": -1.0,
                "slope_per_auc_per_day": self._between(0.0, 0.02),
                "window_days": self._pick([30, 90, 336]),
                "source": SOURCE,
            }
        if exits := self._exits():
            table["exit"] = exits
        table["policy"] = self._policy()
        if rules := [self._rule(f"r{number}") for number in range(self._pick([1, 2, 3, 4]))]:
            table["rule"] = rules
        if self._one_in(4):
            table["outcomes"] = {"count_adverse_events": "to_30_days_after_last_dose"}
        return table

    def _posology(self) -> Table:
        levels = sorted(self.source.sample(LADDER, self._pick([2, 3, 4])))
        if self._one_in(8):
            levels[0] = 0.0
        length = self._pick([7, 14, 21, 28])
        days = range(1, length + 1)
        doses = sorted({1, *self.source.sample(days, self._pick([1, 2, 3]))})
        self.posology: Table = {
            "unit": "mg/m2" if self._one_in(8) else "mg",
            "levels_mg": levels,
            "start_mg": self._pick(levels[:-1]),
            "reference_dose_mg": levels[-1],
            "cycle_length_days": length,
            "dose_days": doses,
            "max_cycles": self.cycles,
            "source": SOURCE,
        }
        if self._one_in(3):
            self.posology["visit_days"] = sorted(self.source.sample(days, self._pick([1, 2, 3])))
        if self._one_in(5):
            self.posology["max_days"] = self._pick([length, 2 * length + 1, 3 * length - 1])
        return self.posology

    def _pharmacokinetics(self) -> Table:
        table: Table = {
            "cl_f_l_per_h": 3.2,
            "cl_f_sd_log": self._pick([0.0, 0.391, 0.391, 0.6]),
            "source": SOURCE,
        }
        if self._one_in(5):
            table["cl_f_individuals_l_per_h"] = [1.9, 2.6, 3.1, 3.3, 5.2]
        if self._one_in(4):
            table["exposure"] = "accumulation"
            table["three_compartments"] = {
                "absorption_per_h": 0.3,
                "clearance_l_per_h": 1.92,
                "bioavailability": 0.6,
                "central_volume_l": 20.0,
                "intercompartmental_2_l_per_h": 5.0,
                "peripheral_2_volume_l": 60.0,
                "intercompartmental_3_l_per_h": 2.0,
                "peripheral_3_volume_l": 400.0,
                "source": SOURCE,
            }
        return table

    def _exposure_response(self) -> Table:
        return {
            "reference_cycles": self._pick([2, 6, 12]),
            "weights": self._pick(
                [
                    {"law": "constant"},
                    {"law": "piecewise", "early_cycles": 2, "early_share": 0.7},
                    {"law": "weibull", "shape": 0.6},
                    {"law": "exponential", "rate_per_cycle": 0.4},
                ]
            ),
            "after_reference": self._pick(["held", "halved", "zero"]),
            "clock": self._pick(["increment", "start", "reset"]),
            "recurrence": self._pick(["next_cycle", "after_recovery", "never"]),
            "frailty_variance": self._pick([0.0, 0.0, 0.0, 0.7]),
            "source": SOURCE,
        }

    def _adverse_event(self, name: str) -> Table:
        counting = self._pick([2, 3])
        event: Table = {
            "name": name,
            "class": KINDS[name],
            "counting_grade": counting,
            "duration": [{"law": "to_end_of_cycle"}],
            "sensitivity": self._pick([1.0, 0.7]),
            "false_positive_rate": self._pick([0.0, 0.5, 1.0]),
            "setting_multiplier": self._pick([1.0, 1.0, 2.0]),
            "source": SOURCE,
        }
        if self._one_in(2):
            event["grade_shares"] = {str(counting + 1): 0.6, "5": 0.1}
        if self._one_in(4):
            event["recurrence"] = self._pick(["next_cycle", "never"])
        if self._one_in(4):
            event["duration"] = [{"law": "fixed", "days": self._pick([2, 20])}]
        event |= self._pick(
            [
                {"probability": self._between(0.1, 0.9), "drug_share": self._between(0.0, 1.0)},
                {"intercept": self._between(-3, 0), "slope_per_auc_per_day": 0.012},
                {"intercept": -1.0, "slope_per_auc_per_day": -0.004},
                {"intercept": -1.5, "slope_per_auc_per_day": 0.01, "background_probability": 0.1},
                {"intercept": -1.5, "slope_per_auc_per_day": 0.01, "drug_share": 0.5},
            ]
        )
        length = self.posology["cycle_length_days"]
        onset = [
            {"law": "uniform"},
            {"law": "triangular", "from_day": 2, "peak_day": 3.5, "to_day": 6},
            {"law": "discrete", "days": [1, 3, length], "probabilities": [0.5, 0.2, 0.3]},
        ]
        return event | {"onset": self._pick(onset)}

    def _exits(self) -> list[Table]:
        causes = self.source.sample(CAUSES, self._pick([0, 1, 2, 3]))
        return [
            {
                "cause": cause,
                "probability_per_cycle": self._between(0.0, 0.1),
                "shape": self._pick([1.0, 1.0, 0.5, 1.7]),
                "log_hazard_per_auc_per_day": self._pick([0.0, 0.0, 0.004]),
                "before_ae": self._one_in(3),
                "source": SOURCE,
            }
            for cause in causes
        ]

    def _policy(self) -> Table:
        table: Table = {
            "seen": self._pick(["visit", "onset"]),
            "order": self._pick(["severity", "severity", "file"]),
            "below_lowest": self._pick(["stop", "stay"]),
            "source": SOURCE,
        }
        if self._one_in(2):
            table["max_reductions"] = self._pick([1, 1, 2])
        return table

    # rules

    def _rule(self, name: str) -> Table:
        rule: Table = {"id": name, "source": SOURCE}
        return rule | (self._stop() if self._one_in(3) else self._level())

    def _stop(self) -> Table:
        new = self._filters() | {"event": "adverse_event", "state": "new"}
        if self._one_in(4):
            new["window"] = self._pick(["last 1 cycle", f"cycles 1-{self._pick([1, 2])}"])
        value = {"value": "dose_mg", "ge": self.posology["levels_mg"][1]}
        when = new
        if self._one_in(3):
            when = {"all": [new, self._pick([value, {"value": "cycles_at_level", "ge": 2}])]}
        table: Table = {"at": "event", "when": when, "do": "stop"}
        if self._one_in(3):
            table["choices"] = [{"probability": self._between(0.05, 0.5), "do": table.pop("do")}]
        else:
            table["probability"] = self._between(0.05, 0.5)
        if self._one_in(3):
            table["route"] = "grade"
        return table

    def _filters(self) -> Table:
        table: Table = {}
        if self._one_in(3):
            table["term"] = self._pick([kind["name"] for kind in self.kinds])
        elif self._one_in(3):
            table["class"] = "non_hematologic"
        if self._one_in(3):
            table["grade"] = self._pick([{"ge": 3}, {"eq": 2}, {"ge": 2}])
        if self._one_in(2):
            table["related"] = self._pick([True, True, False])
        return table

    def _level(self) -> Table:
        levels = self.posology["levels_mg"]
        actions = ["+1", "+1", "+1", -1, -1, f"set {float(self._pick(levels))}", "stop"]
        table: Table = {"at": "cycle", "when": self._condition(), "do": self._pick(actions[:6])}
        if self._one_in(3):
            table["on"] = {"cycle": sorted({self._pick(range(1, self.cycles + 1)) for _ in "ab"})}
        elif self._one_in(2):
            table["every"] = {"cycles": self._pick([1, 2]), "from": self._pick([1, 2, 3])}
        if self._one_in(2):
            table["max_fires"] = self._pick([1, 2])
        if self._one_in(4):
            table["do"] = ["+1", self._pick(["+1", -1])]
        elif self._one_in(4):
            shares = [self._between(0.05, 0.5) for _ in "ab"]
            table["choices"] = [{"probability": p, "do": self._pick(actions)} for p in shares]
            del table["do"]
        elif self._one_in(3):
            table["probability"] = self._between(0.2, 0.9)
        if self._one_in(5):
            table["locks"] = {"up": self._pick(["ever", "2 cycles"])}
        if self._one_in(5):
            table["cap"] = "before_reduction"
        return table

    def _condition(self) -> Any:
        groups = self._pick([["none"], ["none"], ["any"], ["all"], ["none", "all"]])
        return {group: [self._clause() for _ in range(self._pick([1, 2]))] for group in groups}

    def _clause(self) -> Table:
        self.clauses += 1
        window = self._pick(
            ["ever", "since change", "cycle", "last 1 cycle", "last 2 cycles", "cycles 1-2"]
        )
        event = self._filters() | {"event": "adverse_event", "window": window}
        if self._one_in(3):
            event["count"] = self._pick([{"ge": 2}, {"eq": 1}, {"le": 1}, {"eq": 0}])
        if self._one_in(2):
            event["timing"] = "onset"
        elif self._one_in(8):
            event["state"] = "active"
        history: Table = {
            "history": self._pick(["reduction", "increase", "missed", "delay"]),
            "window": window,
        }
        if self._one_in(3):
            history["count"] = self._pick([{"ge": 2}, {"eq": 0}])
        value = self._pick(
            [
                {"value": "cycles_at_level", "ge": self._pick([1, 2, 3])},
                {"value": "dose_mg", "lt": self.posology["levels_mg"][-1]},
                {"value": "days_on_treatment", "gt": self._pick([1, 20, 60])},
            ]
        )
        clause: Table = self._pick([event, event, event, history, value])
        return clause | {"clause": f"clause-{self.clauses}"}


if __name__ == "__main__":
    print(make_in_reach(int(sys.argv[1])).text)
