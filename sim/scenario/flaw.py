"""What the cross-checks look at and what they find."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sim.errors import Severity
from sim.scenario.locate import Path
from sim.scenario.merge import Merged
from sim.scenario.scenario import Scenario
from sim.scenario.wording import number_text


@dataclass(frozen=True)
class Flaw:
    """A fault at a path of the scenario; `at_key` points to the key in place of its value."""

    path: Path
    code: str
    message: str
    hint: str | None = None
    severity: Severity = "error"
    at_key: bool = False


@dataclass(frozen=True)
class Case:
    """A scenario with its origin; `sound` are the top-level keys that hold what was given."""

    scenario: Scenario
    merged: Merged
    sound: frozenset[str]

    def is_given(self, path: Path) -> bool:
        """Whether a file or option says this, rather than a default."""
        return path in self.merged.keys

    def line(self, path: Path) -> str:
        """A reference such as "line 31" for messages; the file too when it is another one."""
        place = self.merged.value_place(path)
        where = "" if place.file == self.merged.name else f"{place.file} "
        return f"{where}line {place.line}" if place.line else place.file


Check = Callable[[Case], Iterator[Flaw]]


def doses_text(case: Case) -> str:
    """The ladder in words: "3 mg, 4 mg"."""
    posology = case.scenario.posology
    return ", ".join(dose_text(case, level) for level in posology.levels_mg)


def dose_text(case: Case, dose: float) -> str:
    """A dose with its unit."""
    return f"{number_text(dose)} {case.scenario.posology.unit}"
