"""Short made-up courses with few kinds and rules, many of them: for the short cuts of the kernel.

Where `scenario_maker.py` makes rich scenarios, this makes lean ones, in which a short event, a
visit day and one rule meet at all sorts of days.
"""

import random
from typing import Any

from scenario_maker import Table

SOURCE = {"source": "ASSUMED"}
STATES = ["new", "new", "active", "active", "active", "ever"]
WINDOWS = ["cycle", "last 1 cycle", "last 2 cycles", "last 3 days", "last 40 days", "since change"]
COUNTS = [{"ge": 2}, {"lt": 2}, {"eq": 1}, {"eq": 0}]
DAYS_OF_ONSET = [1, 2, 8, 10, 14, 16, 19, 20, 21]
STEEP = {"probability_by_dose_mg": {"1.0": 0.02, "10.0": 0.9}}


class ShortCourse:
    """Makes one scenario from a seed."""

    def __init__(self, seed: int) -> None:
        self.source = random.Random(seed)

    def _pick(self, choices: list[Any]) -> Any:
        return self.source.choice(choices)

    def _one_in(self, many: int) -> bool:
        return self.source.randrange(many) == 0

    def _event(self) -> Table:
        event: Table = {"event": "adverse_event", "state": self._pick(STATES)}
        if self._one_in(3):
            event["count"] = self._pick(COUNTS)
        if self._one_in(3):
            event["window"] = self._pick(WINDOWS)
        if self._one_in(3):
            event["related"] = self._pick([True, False])
        if self._one_in(3):
            event["grade"] = self._pick([{"ge": 3}, {"eq": 2}])
        return event

    def _predicate(self) -> Table:
        history = self._pick(["missed", "hold", "delay", "reduction", "increase"])
        return self._pick(
            [
                self._event(),
                {"history": history, "window": self._pick(["ever", "last 30 days", "cycle"])},
                {"value": "days_on_treatment", "ge": self._pick([2, 29, 57, 80])},
                {"value": "cycles_at_level", "ge": self._pick([1, 2, 3])},
            ]
        )

    def _condition(self) -> Table:
        return self._pick(
            [
                self._event(),
                {"all": [self._event(), self._predicate()]},
                {"any": [self._event(), self._predicate()]},
                {"none": [self._predicate()]},
            ]
        )

    def _rule(self, name: str) -> Table:
        at = self._pick(["cycle", "visit", "dose", "event", "event"])
        actions: list[Any] = ["hold", "skip", "stop", "stop", -1, "set 1.0", "set 10.0"]
        actions += ["delay 7", "delay 3"] if at == "event" else []
        actions += ["+1", "delay"] if at == "cycle" else []
        rule: Table = {"id": name, "at": at, "do": self._pick(actions), "when": self._condition()}
        if rule["do"] == "hold":
            rule["until"] = {"none": [{"event": "adverse_event", "state": "active"}]}
            rule["resume"] = self._pick(["same", -1])
        if rule["do"] == "delay":
            rule |= {"max_days": self._pick([3, 7, 14]), "then": self._pick(["proceed", "stop"])}
        if self._one_in(2):
            rule["probability"] = self._pick([0.1, 0.5, 0.9])
        if self._one_in(4):
            rule["max_fires"] = self._pick([1, 2])
        if self._one_in(3):
            days = [{"cycle": [2, 4]}, {"cycle_day": [1, 8, 15, 20]}]
            rule["on"] = self._pick([*days, {"cycle": [3], "cycle_day": [8, 20]}])
        return rule | SOURCE

    def _adverse_event(self) -> Table:
        day = self._pick(DAYS_OF_ONSET)
        on_one_day = {"law": "discrete", "days": [day], "probabilities": [1.0]}
        lengths = [{"law": "fixed", "days": days} for days in (1, 2, 5, 10, 14, 30)]
        return {
            "name": "rash",
            "class": "non_hematologic",
            "counting_grade": 2,
            "probability": self._pick([0.05, 0.3, 0.8]),
            "duration": [self._pick([*lengths, {"law": "to_end_of_cycle"}])],
            "recurrence": self._pick(["never", "after_recovery", "next_cycle"]),
            "onset": self._pick([{"law": "uniform"}, on_one_day]),
            "grade_shares": {"3": 0.4},
        } | SOURCE

    def _second_kind(self) -> Table:
        pain = {"name": "pain", "class": "hematologic", "counting_grade": self._pick([1, 2])}
        pain["duration"] = [{"law": "fixed", "days": self._pick([1, 3, 20])}]
        return pain | self._pick([STEEP, {"probability": 0.5}]) | SOURCE

    def _posology(self) -> Table:
        length = self._pick([21, 21, 28])
        posology: Table = {
            "levels_mg": [1.0, 10.0],
            "start_mg": self._pick([1.0, 10.0]),
            "reference_dose_mg": 10.0,
            "cycle_length_days": length,
            "dose_days": self._pick([[1], [1, 8, 15], [1, 8], [8, 15], [1, 21]]),
            "max_cycles": self._pick([2, 4, 5, 8]),
        }
        if self._one_in(2):
            posology["visit_days"] = self._pick([[1], [8], [15, 20], [1, 8, 15], [1, 21], []])
        if self._one_in(3):
            posology["max_days"] = length * self._pick([1, 2, 3]) + self._pick([-1, 0, 1])
        return posology | SOURCE

    def _exits(self) -> list[Table]:
        kinds = [{}, {"before_ae": True}, {"shape": 1.7}, {"log_hazard_per_auc_per_day": 0.003}]
        leaves = {"cause": "progression", "probability_per_cycle": 0.1} | self._pick(kinds)
        dies = {"cause": "death", "probability_per_cycle": 0.05}
        return [leaves | SOURCE, *([dies | SOURCE] if self._one_in(2) else [])]

    def table(self) -> Table:
        """The scenario as a table, as a file would hold it."""
        table: Table = {
            "format": 1,
            "name": "short",
            "title": "A short course",
            "drug": "made",
            "posology": self._posology(),
            "pharmacokinetics": {"cl_f_l_per_h": 3.2, "cl_f_sd_log": 0.391} | SOURCE,
            "exposure_response": {"clock": self._pick(["increment", "start", "reset"])} | SOURCE,
            "adverse_event": [self._adverse_event()],
            "policy": {
                "seen": self._pick(["onset", "onset", "visit"]),
                "max_hold_days": self._pick([1, 3, 7, 14, 28]),
                "max_delay_days": self._pick([7, 14, 28]),
                "recheck_days": self._pick([1, 3, 7]),
                "below_lowest": self._pick(["stop", "stay"]),
                "order": self._pick(["severity", "file"]),
            }
            | SOURCE,
            "rule": [self._rule(f"r{number}") for number in range(self._pick([1, 2, 2, 3]))],
        }
        if self._one_in(2):
            table["adverse_event"].append(self._second_kind())
        if self._one_in(2):
            table["exit"] = self._exits()
        return table
