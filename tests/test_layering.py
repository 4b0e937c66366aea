"""The import table of the house: nothing imports what stands to its right.

A new module goes into HOUSE at its place, a new package of others into OUTSIDE.
A package counts as one name; what its own files import from one another is free, but for
sim/model, whose order has a list of its own.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Each name may import the names to its left.
HOUSE = """
    errors codes version folder
    scenario exposure_response pharmacokinetics model plan histories engines concentrations
    calibration recalibration uncertainty phase_1
    outcomes endpoints tallies summary comparison exact prediction propagation cautions register
    study
    figures figures_exposure_response figures_pharmacokinetics figures_phase_1
    manifest results
    replay_facts sentences replay_rows replay_rules
    diary_words what_if diary_course diary_changes diary_waits diary_decisions diary_doses
    diary_end diary_prose
    readings explain_risk explanation
    cli __init__ __main__
"""
LEFT_TO_RIGHT = HOUSE.split()
# Names that are held to fewer than all to their left.
ONLY: dict[str, set[str]] = {
    "errors": set(),
    "codes": set(),
    "version": set(),
    "scenario": {"errors"},
    "exposure_response": {"errors", "scenario"},
    "pharmacokinetics": {"errors", "scenario"},
    "model": {"codes"},
    "plan": {"codes", "errors", "exposure_response", "model", "pharmacokinetics", "scenario"},
    "histories": {"codes", "model", "plan"},
    "engines": {"codes", "errors", "histories", "model", "plan"},
}
# A call made for convenience, inside a function: the module, what it imports, and why.
CONVENIENCE = {
    ("study", "results"): "Study.write saves a study; results holds how",
}
MODEL = """
    jit layout counts elementary draws exposure risk course conditions levels policy gate exits
    calendar quiet candidates outcome screen tally
"""
MODEL_LEFT_TO_RIGHT = MODEL.split()
# Engines know the calendar, the outcome and the columns: they draw, risk and decide nothing.
ENGINES_KNOW_OF_MODEL = {
    "calendar",
    "candidates",
    "counts",
    "jit",
    "layout",
    "outcome",
    "quiet",
    "screen",
}
NUMBERS = (
    "exposure_response pharmacokinetics model plan histories engines concentrations calibration "
    "recalibration uncertainty phase_1 outcomes endpoints tallies summary comparison exact "
    "prediction propagation study"
)
FIGURES = "figures figures_exposure_response figures_pharmacokinetics figures_phase_1"
OUTSIDE: dict[str, str] = {
    "numpy": f"{NUMBERS} {FIGURES}",
    "scipy": "exposure_response pharmacokinetics uncertainty phase_1 summary comparison exact "
    "prediction",
    "pandas": "histories concentrations uncertainty phase_1 summary comparison exact prediction "
    "propagation cautions register study figures figures_exposure_response "
    "figures_pharmacokinetics figures_phase_1 results cli",
    "pydantic": "scenario register",
    "numba": "model/jit",
    "llvmlite": "model/jit",
    "simpy": "engines/events",
    "matplotlib": FIGURES,
    "pyarrow": "results",
    "cyclopts": "cli",
    "tqdm": "cli",
}
# What results are made of: the same for the same scenario and seed, on any day and machine.
RESULT_PATH = NUMBERS.split()
NO_CHANCE_OR_CLOCK = {"random", "secrets", "time", "datetime", "uuid", "locale"}
MATH_OF_THE_MODEL = {"floor", "inf", "sqrt"}
# Vectorised and scalar libraries differ in the last bit; see ARCHITECTURE.md, rule 10.
NOT_OF_NUMPY = {"exp", "log", "log1p", "expm1", "power", "random", "log2", "log10", "exp2"}


@dataclass(frozen=True)
class Import:
    """One import: `what` is the full name, `late` if made inside a function."""

    what: str
    late: bool


@dataclass(frozen=True)
class Source:
    """One file: `name` is its place among the layers, `path` without sim/ and .py."""

    name: str
    path: str
    tree: ast.Module

    def imports(self) -> list[Import]:
        """Everything imported, from x import y as x.y."""
        functions = [n for n in ast.walk(self.tree) if isinstance(n, ast.FunctionDef)]
        inside = {id(node) for function in functions for node in ast.walk(function)}
        return [
            Import(what, id(node) in inside)
            for node in ast.walk(self.tree)
            for what in _imported(node)
        ]

    def house_imports(self) -> Iterator[tuple[list[str], bool]]:
        """Imports of this package, split at the points, without the leading sim."""
        for found in self.imports():
            parts = found.what.split(".")
            if parts[0] == "sim":
                yield parts[1:], found.late

    def attributes_of(self, *modules: str) -> set[str]:
        """Names used as module.name."""
        return {
            node.attr
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in modules
        }


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports say where from: no leading points"
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


@cache
def sources() -> list[Source]:
    """Every file of the package."""
    found = []
    for file in sorted((ROOT / "sim").rglob("*.py")):
        inside = file.relative_to(ROOT / "sim").with_suffix("")
        tree = ast.parse(file.read_text(encoding="utf-8"))
        found.append(Source(inside.parts[0], "/".join(inside.parts), tree))
    return found


def of(*names: str) -> list[Source]:
    """The files of some layers."""
    return [source for source in sources() if source.name in names]


def test_every_module_has_a_place() -> None:
    there = {source.name for source in sources()}
    assert there - set(LEFT_TO_RIGHT) == set(), "put new modules into HOUSE"
    assert set(LEFT_TO_RIGHT) - there == set(), "take gone modules out of HOUSE"
    assert len(LEFT_TO_RIGHT) == len(set(LEFT_TO_RIGHT))


def test_nothing_imports_to_its_right() -> None:
    wrong = []
    for source in sources():
        left = set(LEFT_TO_RIGHT[: LEFT_TO_RIGHT.index(source.name)])
        allowed = ONLY.get(source.name, left) | {source.name}
        assert ONLY.get(source.name, set()) <= left
        for parts, late in source.house_imports():
            if late and (source.name, parts[0]) in CONVENIENCE:
                continue
            if parts[0] not in allowed:
                wrong.append(f"{source.path} imports sim.{'.'.join(parts)}")
    assert not wrong, "\n".join(wrong)


def test_nobody_imports_the_command_line() -> None:
    for source in sources():
        if source.name not in ("cli", "__main__"):
            assert all(parts[0] != "cli" for parts, _ in source.house_imports()), source.path


def test_the_model_has_one_order() -> None:
    files = {source.path.split("/")[1] for source in of("model")} - {"__init__"}
    assert files == set(MODEL_LEFT_TO_RIGHT)
    for source in of("model"):
        own = source.path.split("/")[1]
        if own == "__init__":
            continue
        left = MODEL_LEFT_TO_RIGHT[: MODEL_LEFT_TO_RIGHT.index(own)]
        for parts, _ in source.house_imports():
            assert parts[0] == "codes" or parts[1] in left, f"{source.path}: {parts}"


def test_engines_only_tell_and_record() -> None:
    """They compute no risk, draw no number, choose no dose, and hold no number of theirs."""
    for source in of("engines"):
        for parts, _ in source.house_imports():
            if parts[0] == "model":
                assert parts[1] in ENGINES_KNOW_OF_MODEL, f"{source.path}: {parts}"
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Constant):
                assert not isinstance(node.value, float), f"{source.path}: {node.value}"
        used = {n.id for n in ast.walk(source.tree) if isinstance(n, ast.Name)}
        assert not used & {"exp", "log1p", "softplus", "threshold", "uniform", "random"}
        assert not source.attributes_of("np", "numpy", "math") & NOT_OF_NUMPY, source.path


@pytest.mark.parametrize("source", sources(), ids=lambda source: source.path)
def test_packages_of_others_are_used_where_the_table_says(source: Source) -> None:
    for found in source.imports():
        package = found.what.split(".")[0]
        if package == "sim" or package in sys.stdlib_module_names:
            continue
        places = OUTSIDE.get(package, "").split()
        where = f"{source.path} imports {found.what}: see OUTSIDE"
        assert source.name in places or source.path in places, where


def test_every_package_of_others_is_a_declared_dependency() -> None:
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    # llvmlite comes with numba.
    for package in set(OUTSIDE) - {"llvmlite"}:
        assert f'"{package}>=' in declared, package


def test_the_model_computes_alike_everywhere() -> None:
    for source in of("model"):
        if source.path == "model/jit":
            continue
        outside = {f.what.split(".")[0] for f in source.imports()} - {"sim"}
        assert outside <= {"math", "numpy"}, f"{source.path}: {outside}"
        assert source.attributes_of("math") <= MATH_OF_THE_MODEL, source.path
        assert not source.attributes_of("np", "numpy") & NOT_OF_NUMPY, source.path
        powers = [n for n in ast.walk(source.tree) if isinstance(n, ast.Pow)]
        assert not powers, f"{source.path}: use power of elementary"


def test_results_know_neither_chance_nor_clock() -> None:
    for source in of(*RESULT_PATH):
        for found in source.imports():
            assert found.what.split(".")[0] not in NO_CHANCE_OR_CLOCK, f"{source.path}: {found}"


def test_words_that_stand_nowhere() -> None:
    chance_or_speed = ("numpy.random", "np.random", "fastmath", "time.time(")
    code_from_data = ("eval(", "exec(", "pickle", "yaml.load", "marshal", "shell=True")
    forbidden = chance_or_speed + code_from_data
    for source in sources():
        text = (ROOT / "sim" / f"{source.path}.py").read_text(encoding="utf-8")
        for word in forbidden:
            assert word not in text, f"{source.path}: {word}"


def test_the_table_would_notice() -> None:
    """A source made for the purpose, with one import of each forbidden kind."""
    text = "import numba\nfrom sim.cli.main import main\ndef f():\n    from sim import study\n"
    source = Source("endpoints", "endpoints", ast.parse(text))
    imported = [(parts[0], late) for parts, late in source.house_imports()]
    assert imported == [("cli", False), ("study", True)]
    with pytest.raises(AssertionError, match="imports numba"):
        test_packages_of_others_are_used_where_the_table_says(source)
