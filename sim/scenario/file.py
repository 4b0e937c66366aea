"""A scenario from its file: read, inherit, override, check everything, report all at once."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sim.errors import Problem, ScenarioError
from sim.scenario.check import cross_checks
from sim.scenario.document import Document, read_document
from sim.scenario.fitted import fill_fitted
from sim.scenario.flaw import Case
from sim.scenario.inherit import inherit
from sim.scenario.merge import Merged
from sim.scenario.override import copy_for_override, override
from sim.scenario.scenario import Scenario
from sim.scenario.structure import sound_keys, structural_problems

__all__ = ["Document", "Loaded", "load_document", "load_scenario", "read_document"]

# Stands in for what is missing or faulty, so that the rest can still be checked.
_STAND_IN: dict[str, Any] = {
    "format": 1,
    "name": "stand-in",
    "title": "stand-in",
    "drug": "stand-in",
    "posology": {"levels_mg": (1.0,), "start_mg": 1.0, "reference_dose_mg": 1.0},
    "pharmacokinetics": {"cl_f_l_per_h": 1.0, "cl_f_sd_log": 0.0},
}


@dataclass(frozen=True)
class Loaded:
    """A scenario that may be run, its warnings, its bytes as given, and all files read."""

    scenario: Scenario
    warnings: list[Problem]
    text: bytes
    files: tuple[Path, ...]


def load_scenario(
    path_or_shipped_name: str | os.PathLike[str],
    overrides: Sequence[str] = (),
    *,
    strict: bool = False,
) -> Loaded:
    """Load a scenario file, or a shipped scenario by its name.

    Raises ScenarioError with every problem found, or FileError when the file cannot be read.
    `strict` makes numbers without a source (P01) errors.
    """
    return load_document(read_document(path_or_shipped_name), overrides, strict=strict)


def load_document(
    document: Document, overrides: Sequence[str] = (), *, strict: bool = False
) -> Loaded:
    """The same from a document already read, such as one typed into the app."""
    inheritance = inherit(document)
    problems = list(inheritance.problems)
    merged = copy_for_override(inheritance.merged)
    for text in overrides:
        problem = override(merged, text)
        problems += [problem] if problem else []
    fitting = fill_fitted(merged, document.path.parent)
    problems += fitting.problems
    files = (*inheritance.files, *fitting.files)
    structural = structural_problems(merged)
    other_format = any(problem.code in ("V02", "V03") for problem in problems)
    if other_format or not inheritance.is_whole:
        known = () if other_format else structural
        problems += [problem for problem in known if problem.code != "K03"]
        raise ScenarioError(_in_order(problems, inheritance.files))
    problems += structural
    sound, scenario, more = _validated(merged)
    problems += more
    if scenario is not None:
        problems += cross_checks(Case(scenario, merged, frozenset(sound)))
    problems = _in_order([_strict(p) if strict else p for p in problems], files)
    if scenario is None or any(problem.severity == "error" for problem in problems):
        raise ScenarioError(problems)
    return Loaded(scenario, problems, document.data, files)


def _validated(merged: Merged) -> tuple[set[str], Scenario | None, list[Problem]]:
    """The sound top-level keys, and a scenario of them with stand-ins for the others."""
    sound = sound_keys(merged)
    problems: list[Problem] = []
    for _ in range(2):
        table = {**_STAND_IN, **{k: _tuples(merged.table[k]) for k in merged.table if k in sound}}
        try:
            return sound, Scenario.model_validate(table), problems
        except ValidationError as error:
            # The walk above should have found it; say at least where it is.
            for found in error.errors():
                path = tuple(found["loc"])
                message = f"this cannot be used: {found['msg'].removeprefix('Value error, ')}"
                problems.append(merged.value_place(path).problem("Y01", message))
                sound -= {str(path[0])} if path else set()
    return sound, None, problems


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _strict(problem: Problem) -> Problem:
    return replace(problem, severity="error") if problem.code == "P01" else problem


def _in_order(problems: list[Problem], files: tuple[Path, ...]) -> list[Problem]:
    """Problems without repeats, by file in the order they were read, then by position."""
    names = [path.name for path in files]

    def rank(problem: Problem) -> tuple[int, int, int]:
        name = Path(problem.file).name
        order = names.index(name) if name in names else -1
        return order, problem.line or 0, problem.column or 0

    return sorted(dict.fromkeys(problems), key=rank)
