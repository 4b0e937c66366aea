"""Random scenarios that are valid and reach every corner of the schema; a seed is a scenario.

`python tests/scenario_maker.py SEED` prints one as TOML. Event rates are high in most, so that
holds, delays, stops and escalations all happen; some are quiet, so that the screen has work.
"""

import json
import math
import random
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sim.errors import LimitError, ScenarioError
from sim.model.layout import MAX_LOG
from sim.plan.plan import Plan, compile_plan
from sim.scenario.document import document_from_bytes
from sim.scenario.file import load_document
from sim.scenario.scenario import Scenario

Table = dict[str, Any]
ATTEMPTS = 400
LADDER = (0.5, 1.0, 1.5, 2.0, 2.3, 3.0, 4.0, 5.5, 7.0, 10.0, 12.5, 20.0)
KIND_NAMES = ("rash", "fatigue", "diarrhea", "neutropenia", "nausea", "anemia", "edema", "pain")
CLASSES = ("hematologic", "non_hematologic")
CAUSES = ("progression", "withdrawal", "death", "other")
COURSE_PROBABILITY = {"quiet": (0.002, 0.05), "usual": (0.05, 0.4), "busy": (0.5, 0.97)}
SOURCE = "ASSUMED: made at random"
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Made:
    """A made scenario: as written, and as read."""

    seed: int
    table: Table
    text: str
    scenario: Scenario

    def plan(self, seed: int = 1) -> Plan:
        """The plan of the scenario under a seed of the simulation."""
        return compile_plan(self.scenario, seed=seed)


@cache
def make(seed: int) -> Made:
    """The first scenario of a seed that the checks accept and that can be recorded."""
    for attempt in range(ATTEMPTS):
        table = _Maker(random.Random(f"{seed}/{attempt}"), seed).scenario()
        try:
            scenario = load_table(table)
            plan = compile_plan(scenario)
        except (ScenarioError, LimitError):
            continue
        if plan.record.longest_log <= MAX_LOG:
            return Made(seed, table, to_toml(table), scenario)
    raise AssertionError(f"seed {seed}: {ATTEMPTS} drafts were all refused")


def load_table(table: Table) -> Scenario:
    """The scenario of a table, read and checked as a file would be."""
    data = to_toml(table).encode()
    return load_document(document_from_bytes(data, "made.toml", Path("made.toml"))).scenario


def to_toml(table: Table) -> str:
    """A scenario's table as TOML: one header for every table and entry, the rest in line."""
    lines = [f"{_key(k)} = {_value(v)}" for k, v in table.items() if not _has_header(v)]
    for key, value in table.items():
        if _has_header(value):
            header = f"[{_key(key)}]" if isinstance(value, dict) else f"[[{_key(key)}]]"
            for entry in [value] if isinstance(value, dict) else value:
                lines += ["", header]
                lines += [f"{_key(k)} = {_value(v)}" for k, v in entry.items()]
    return "\n".join(lines) + "\n"


def _has_header(value: Any) -> bool:
    is_list = isinstance(value, list) and bool(value) and isinstance(value[0], dict)
    return isinstance(value, dict) or is_list


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else json.dumps(key)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return json.dumps(value) if isinstance(value, bool | str) else repr(value)


class _Maker:
    """Draws one draft; most drafts are valid, the rest are drawn again."""

    def __init__(self, source: random.Random, seed: int) -> None:
        self.source = source
        self.seed = seed
        self.clauses = 0

    def scenario(self) -> Table:
        """A whole scenario."""
        table: Table = {
            "format": 1,
            "name": f"made-{self.seed}",
            "title": f"Made at random from {self.seed}",
            "drug": "made",
            "posology": self._posology(),
        }
        table["pharmacokinetics"] = self._pharmacokinetics()
        if self.posology["unit"] == "mg/m2" or self._chance(0.1):
            spread = {"mean": 1.97, "sd": 0.24, "low": 1.4, "high": 2.6, "source": SOURCE}
            table["population"] = {"bsa_m2": spread, "source": SOURCE}
        table["exposure_response"] = self._exposure_response()
        names = self.source.sample(KIND_NAMES, self._pick([1, 2, 3, 4, 5, 6, 7, 8]))
        self.kinds = [self._adverse_event(name) for name in names]
        table["adverse_event"] = self.kinds
        if self._chance(0.4):
            table["clinical_benefit"] = self._benefit()
        if exits := self._exits():
            table["exit"] = exits
        table["policy"] = self._policy()
        if self._chance(0.2):
            table["calibration"] = self._calibration()
        self.has_calibration = "calibration" in table
        self.rules: list[Table] = []
        for number in range(self._pick([0, 1, 2, 3, 4, 5, 6, 7, 8, 10])):
            self.rules.append(self._rule(f"r{number}"))
        if self.rules:
            table["rule"] = self.rules
        if self._chance(0.4):
            table["outcomes"] = {"count_adverse_events": "to_30_days_after_last_dose"}
        return table

    # draws

    def _chance(self, probability: float) -> bool:
        return self.source.random() < probability

    def _pick(self, options: Any) -> Any:
        return self.source.choice(list(options))

    def _between(self, low: float, high: float, digits: int = 3) -> float:
        return round(self.source.uniform(low, high), digits)

    def _some(self, options: Any, at_least: int, at_most: int) -> list[Any]:
        pool = list(options)
        count = self.source.randint(min(at_least, len(pool)), min(at_most, len(pool)))
        return sorted(self.source.sample(pool, count))

    def _probability(self) -> float:
        low, high = COURSE_PROBABILITY[self.rate if self._chance(0.7) else "usual"]
        return self._between(low, high, 4)

    # tables

    def _posology(self) -> Table:
        self.rate = self._pick(["quiet", "usual", "busy", "busy"])
        length = self._pick([7, 14, 21, 28, 28, 42, self.source.randint(7, 42)])
        days = [1, *self._some(range(2, length + 1), 0, 4)]
        if self._chance(0.1):
            days = list(range(1, min(length, 14) + 1))
        levels = self._some(LADDER, *self._pick([(1, 1), (2, 2), (3, 3), (2, 6)]))
        if self._chance(0.08):
            levels = [0.0, *levels]
        self.posology: Table = {
            "unit": self._pick(["mg", "mg", "mg", "mg/m2"]),
            "levels_mg": levels,
            "start_mg": self._pick([levels[0], levels[-1], *levels]),
            "reference_dose_mg": self._pick([level for level in levels if level > 0.0]),
            "cycle_length_days": length,
            "dose_days": days,
            "max_cycles": self._pick([1, 2, 3, 5, 6, 8, 8, 10, 12, 12, 15, 26, 63]),
            "source": SOURCE,
        }
        if self._chance(0.6):
            self.posology["visit_days"] = self._some(range(1, length + 1), 0, 6)
        if self._chance(0.3):
            whole = length * self.posology["max_cycles"]
            self.posology["max_days"] = self.source.randint(1, whole + 40)
        if self._chance(0.3):
            self.posology["target_mg"] = self._pick(levels)
        return self.posology

    def _pharmacokinetics(self) -> Table:
        self.cl_f = self._pick([0.8, 3.2, 10.0])
        table: Table = {
            "cl_f_l_per_h": self.cl_f,
            "cl_f_sd_log": self._pick([0.0, 0.2, 0.391, 0.8]),
            "exposure_multiplier": self._pick([1.0, 1.0, 1.0, 1.0, 0.5, 0.0]),
            "source": SOURCE,
        }
        if self._chance(0.25):
            table["exposure"] = "accumulation"
            table["three_compartments"] = {
                "absorption_per_h": self._between(0.2, 2.0),
                "clearance_l_per_h": round(self.cl_f * 0.6, 6),
                "bioavailability": 0.6,
                "central_volume_l": self._between(5.0, 40.0),
                "intercompartmental_2_l_per_h": self._between(1.0, 10.0),
                "peripheral_2_volume_l": self._between(20.0, 100.0),
                "intercompartmental_3_l_per_h": self._between(1.0, 10.0),
                "peripheral_3_volume_l": self._between(50.0, 400.0),
                "source": SOURCE,
            }
        return table

    def _exposure_response(self) -> Table:
        reference = self._pick([2, 4, 6, 8, 12, 12])
        weights = self._pick(
            [
                {"law": "piecewise", "early_cycles": self.source.randint(1, reference - 1),
                 "early_share": self._between(0.1, 0.95)},
                {"law": "constant"},
                {"law": "weibull", "shape": self._pick([0.3, 0.7, 1.0, 2.5])},
                {"law": "exponential", "rate_per_cycle": self._between(0.05, 1.5)},
            ]
        )  # fmt: skip
        table = {
            "reference_cycles": reference,
            "weights": weights,
            "after_reference": self._pick(["held", "halved", "zero"]),
            "clock": self._pick(["increment", "start", "reset"]),
            "recurrence": self._pick(["after_recovery", "next_cycle", "never"]),
            "reading": self._pick(["typical", "mean", "population"]),
            "source": SOURCE,
        }
        if self._chance(0.06):
            table["frailty_variance"] = self._between(0.05, 1.5)
        return table

    def _by_dose(self) -> Table:
        doses = self._some(LADDER, 2, 3)
        values = sorted(self._probability() for _ in doses)
        if self._chance(0.15):
            values.reverse()
        return {str(dose): value for dose, value in zip(doses, values, strict=True)}

    def _risk(self) -> Table:
        """One of the ways of saying how probable an adverse event is."""
        way = self._pick(["table", "table", "linear", "constant", "background"])
        if way == "constant":
            table: Table = {"probability": self._probability()}
            if self._chance(0.8):
                table["drug_share"] = self._pick([0.0, 0.4, 0.7, 1.0])
            return table
        table = {}
        if way == "linear" or self._chance(0.3):
            base = self._probability() / 2
            top = self.posology["levels_mg"][-1]
            exposure = 1000.0 * len(self.posology["dose_days"]) * top
            exposure /= self.posology["cycle_length_days"] * self.cl_f
            table["intercept"] = round(math.log(base / (1.0 - base)), 4)
            table["slope_per_auc_per_day"] = self._between(-0.5, 3.0) / exposure
        else:
            table["probability_by_dose_mg"] = self._by_dose()
        if way == "background":
            table["background_probability"] = self._pick([0.0, 0.001, self._between(0.0, 0.3)])
        elif self._chance(0.2):
            table["drug_share"] = self._pick([0.0, 0.5, 1.0])
        return table

    def _adverse_event(self, name: str) -> Table:
        counting = self._pick([1, 2, 2, 3, 3, 4, 5])
        table: Table = {"name": name, "class": self._pick(CLASSES), "counting_grade": counting}
        table |= self._risk()
        table["setting_multiplier"] = self._pick([1.0, 1.0, 1.0, 0.5, 3.0, 0.0])
        if self._chance(0.3):
            table["recurrence"] = self._pick(["after_recovery", "next_cycle", "never"])
        shares: Table = {}
        share = 1.0
        for grade in range(counting + 1, 6):
            share = round(share * self._pick([0.2, 0.5, 0.8, 1.0]), 4)
            if self._chance(0.3):
                break
            shares[str(grade)] = share
        if shares:
            table["grade_shares"] = shares
        table["onset"] = self._onset()
        table["duration"] = self._durations(counting)
        table["sensitivity"] = self._pick([1.0, 1.0, 0.9, 0.0])
        table["false_positive_rate"] = self._pick([0.5, 0.25, 0.0, 1.0])
        table["source"] = SOURCE
        return table

    def _onset(self) -> Table:
        length = self.posology["cycle_length_days"]
        law = self._pick(["uniform", "triangular", "discrete"])
        if law == "triangular":
            first, last = self._some(range(1, length + 1), 2, 2)
            peak = self._between(first, last, 1)
            return {"law": law, "from_day": first, "peak_day": peak, "to_day": last}
        if law == "discrete":
            days = self._some([1, length, *range(2, length)], 1, 4)
            sixteenths = [1] * len(days)
            for _ in range(16 - len(days)):
                sixteenths[self.source.randrange(len(days))] += 1
            return {"law": law, "days": days, "probabilities": [n / 16 for n in sixteenths]}
        return {"law": law}

    def _durations(self, counting: int) -> list[Table]:
        laws: list[Table] = []
        for grade in [None, *self._some(range(counting + 1, 6), 0, 2)]:
            law: Table = {"law": self._pick(["log_normal", "fixed", "to_end_of_cycle"])}
            if grade is not None:
                law["grade"] = grade
            elif self._chance(0.2):
                law["grade"] = counting
            if law["law"] == "log_normal":
                law["median_days"] = self._pick([0.5, 3.0, 7.0, 14.0, 28.0, 90.0])
                law["sd_log"] = self._pick([0.0, 0.6, 1.5])
            elif law["law"] == "fixed":
                law["days"] = self._pick([1, 2, 5, 8, 21, 60, 200])
            laws.append(law)
        return laws

    def _benefit(self) -> Table:
        length = self.posology["cycle_length_days"] * self.posology["max_cycles"]
        window = self.source.randint(1, max(2, length + 30))
        return {"probability_by_dose_mg": self._by_dose(), "window_days": window, "source": SOURCE}

    def _exits(self) -> list[Table]:
        exits = []
        for cause in self._some(CAUSES, 0, 3):
            leaving: Table = {
                "cause": cause,
                "probability_per_cycle": self._pick([0.0, 0.01, 0.03, 0.1, 0.25]),
                "source": SOURCE,
            }
            if self._chance(0.4):
                leaving["shape"] = self._pick([0.6, 1.0, 1.7])
            if self._chance(0.3):
                leaving["log_hazard_per_auc_per_day"] = self._pick([-0.004, 0.001, 0.006])
            if self._chance(0.4):
                leaving["before_ae"] = True
            exits.append(leaving)
        return exits

    def _policy(self) -> Table:
        table: Table = {
            "order": self._pick(["severity", "severity", "file"]),
            "seen": self._pick(["visit", "onset"]),
            "below_lowest": self._pick(["stop", "stay", "stay"]),
            "recheck_days": self._pick([1, 3, 5, 7, 7, 10]),
            "max_delay_days": self._pick([5, 14, 17, 28, 60]),
            "max_hold_days": self._pick([1, 2, 3, 9, 20, 28, 60]),
            "source": SOURCE,
        }
        if self._chance(0.4):
            table["max_reductions"] = self._pick([1, 1, 2, 4])
        return table

    def _calibration(self) -> Table:
        return {
            "multiplier": 0.1, "stopped_patients": 31, "patients": 275,
            "dose_mg": self.posology["start_mg"], "other_exit_per_cycle": 0.1,
            "cycles": 12, "source": SOURCE,
        }  # fmt: skip

    # rules

    def _rule(self, name: str) -> Table:
        at = self._pick(["cycle", "cycle", "cycle", "dose", "visit", "event", "event"])
        rule: Table = {"id": name, "at": at} | self._when_asked(at)
        if at == "cycle" and self._chance(0.35):
            actions: list[Any] = ["delay"]
            rule["do"] = "delay"
        elif self._chance(0.2):
            actions = [self._action(at) for _ in range(self.source.randint(1, 3))]
            chances = [self._pick([0.05, 0.2, 0.3]) for _ in actions]
            pairs = zip(actions, chances, strict=True)
            rule["choices"] = [{"probability": p, "do": action} for action, p in pairs]
        elif self._chance(0.25):
            actions = [self._action(at) for _ in range(self.source.randint(2, 4))]
            rule["do"] = actions
        else:
            actions = [self._action(at)]
            rule["do"] = actions[0]
        rule["when"] = self._condition(rule, at)
        words = {self._word(action) for action in actions}
        if "choices" not in rule and self._chance(0.35):
            if self.has_calibration and self._chance(0.6):
                rule["probability_ratio"] = self._pick([0.5, 1.0, 4.0])
            else:
                rule["probability"] = self._pick([0.02, 0.1, 0.4, 0.9])
        rule |= self._beside(words, at, rule)
        rule["source"] = SOURCE
        return rule

    def _word(self, action: Any) -> str:
        if isinstance(action, int):
            return "down"
        return {"+": "up", "-": "down"}.get(action[0], str(action).split()[0])

    def _beside(self, words: set[str], at: str, rule: Table) -> Table:
        """Keys that go with the rule's actions."""
        table: Table = {}
        if "hold" in words:
            table["until"] = self._until()
            if self._chance(0.7):
                table["resume"] = self._pick(["same", -1, ["same", -1], [-1, "same", -2]])
        if "delay" in words and at == "cycle":
            if self._chance(0.6):
                table["max_days"] = self._pick([3, 7, 14, 20])
            if self._chance(0.7):
                table["then"] = self._pick(["proceed", "stop", -1, -2])
        if "stop" in words and self._chance(0.3):
            table["route"] = self._pick(["event", "grade"])
        if words & {"up", "set"} and self._chance(0.3):
            table["cap"] = "before_reduction"
        if self._chance(0.35):
            table["max_fires"] = self._pick([1, 2, 5])
        if self._chance(0.15):
            table["locks"] = {"up": self._pick(["ever", "1 cycle", "3 cycles"])}
        return table

    def _action(self, at: str) -> Any:
        levels = self.posology["levels_mg"]
        down: list[Any] = [-1, "-1"] + ([-2] if len(levels) > 2 else [])
        options = [self._pick(down), self._pick(down), f"set {self._pick(levels)}", "hold", "skip"]
        if self._chance(0.5):
            options.append("stop")
        if at in ("cycle", "event"):
            options += ["delay 7", f"delay {self.source.randint(1, 20)}"]
        if at == "cycle" and len(levels) > 1:
            options += ["+1"] * 4 + (["+2"] if len(levels) > 2 else [])
        return self._pick(options)

    def _when_asked(self, at: str) -> Table:
        """`on`, `off` and `every`."""
        table: Table = {}
        last = self.posology["max_cycles"]
        length = self.posology["cycle_length_days"]
        way = self._pick(["always", "always", "always", "on", "off", "every", "days", "not days"])
        if way == "on":
            table["on"] = {"cycle": self._some(range(1, last + 1), 1, 4)}
        elif way == "off":
            table["off"] = {"cycle": self._some(range(1, last + 1), 1, 3)}
        elif way == "every":
            first = self.source.randint(1, last)
            table["every"] = {"cycles": self.source.randint(1, 3), "from": first}
        elif way == "days":
            days = self._some(range(1, length + 1), 3, 12)
            table["on"] = {"cycle_day": sorted({*days, *(self.posology["dose_days"][:1])})}
        elif way == "not days" and at != "cycle":
            table["off"] = {"cycle_day": self._some(range(1, length + 1), 1, 8)}
        return table

    def _asked_last(self, rule: Table) -> int:
        return int(max(rule.get("on", {}).get("cycle") or [self.posology["max_cycles"]]))

    def _condition(self, rule: Table, at: str) -> Table:
        last = self._asked_last(rule)
        if at == "event" and self._chance(0.9):
            new = self._event(last, state="new", window="ever")
            new.pop("count", None)
            if self._chance(0.7):
                return new
            return {"all": [new, self._predicate(last)]}
        if self._chance(0.35):
            return self._event(last, state=self._pick(["active", "active", "new"]))
        return self._combination(last, 0)

    def _until(self) -> Table:
        last = self.posology["max_cycles"]
        if self._chance(0.7):
            event = self._event(last, state="active", window="ever")
            event.pop("count", None)
            return {"none": [event]}
        return self._combination(last, 1, is_until=True)

    def _combination(self, last: int, depth: int, is_until: bool = False) -> Table:
        table: Table = {}
        for key in self._some(["all", "any", "none"], 1, 2):
            parts = []
            for _ in range(self.source.randint(1, 3)):
                if depth < 2 and self._chance(0.2):
                    parts.append(self._combination(last, depth + 1, is_until))
                else:
                    parts.append(self._predicate(last, is_until))
            table[key] = parts
        return table

    def _predicate(self, last: int, is_until: bool = False) -> Table:
        kind = self._pick(["event", "event", "history", "value"])
        if kind == "history":
            return self._history(last)
        if kind == "value":
            return self._number()
        states = ["ever", "active"] if is_until else ["ever", "active", "active", "new"]
        return self._event(last, state=self._pick(states))

    def _clause(self) -> Table:
        self.clauses += 1
        return {"clause": f"c{self.clauses}"} if self._chance(0.3) else {}

    def _window(self, last: int) -> str:
        first = self.source.randint(1, last)
        return str(
            self._pick(
                [
                    "ever",
                    "cycle",
                    "since change",
                    f"cycles {first}-{self.source.randint(first, last)}",
                    "last 1 cycle",
                    f"last {self.source.randint(2, 4)} cycles",
                    f"last {self.source.randint(1, 60)} days",
                ]
            )
        )

    def _event(self, last: int, state: str, window: str | None = None) -> Table:
        table: Table = self._clause() | {"event": "adverse_event", "state": state}
        if self._chance(0.25):
            table["term"] = self._pick([kind["name"] for kind in self.kinds])
        if self._chance(0.25):
            table["class"] = self._pick([kind["class"] for kind in self.kinds])
        if self._chance(0.4):
            grade = self.source.randint(1, 4)
            table["grade"] = self._pick([{"ge": grade}, {"eq": grade}, {"gt": 1, "le": grade + 1}])
        if self._chance(0.3):
            table["related"] = self._chance(0.8)
        if self._chance(0.15):
            table["count"] = self._pick([{"ge": 2}, {"lt": 2}, {"eq": 0}])
        if self._chance(0.5):
            table["window"] = window or self._window(last)
        if self._chance(0.3):
            table["timing"] = "onset"
        return table

    def _history(self, last: int) -> Table:
        what = self._pick(["missed", "hold", "delay", "reduction", "increase"])
        table: Table = self._clause() | {"history": what, "window": self._window(last)}
        if self._chance(0.3) and self.rules:
            table["rule"] = self._pick([rule["id"] for rule in self.rules])
        if self._chance(0.3):
            table["related"] = self._chance(0.7)
        if what == "delay" and self._chance(0.5):
            table["days"] = self._pick([{"gt": 7}, {"le": 7}, {"ge": 1, "lt": 14}])
        if self._chance(0.15):
            table["at_level"] = "lowest"
        if self._chance(0.2):
            table["count"] = self._pick([{"ge": 2}, {"lt": 3}, {"eq": 0}])
        return table

    def _number(self) -> Table:
        what = self._pick(["dose_mg", "cycles_at_level", "days_on_treatment"])
        dose = self._pick(self.posology["levels_mg"])
        bound = {
            "dose_mg": {"eq": dose} if self._chance(0.5) else {"le": dose},
            "cycles_at_level": {"ge": self.source.randint(1, 4)},
            "days_on_treatment": {"gt": self.source.randint(1, 200)},
        }[what]
        return self._clause() | {"value": what} | bound


if __name__ == "__main__":
    sys.stdout.write(make(int(sys.argv[1])).text)
