"""The documentation holds: snippets work, endpoints are explained, links lead somewhere."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sim.comparison import COMPARISON_COLUMNS
from sim.endpoints import endpoints_of
from sim.engines.run import record
from sim.plan.plan import Plan, compile_plan
from sim.prediction import PREDICTION_COLUMNS
from sim.register import register_table
from sim.scenario.file import load_scenario
from sim.scenario.library import shipped_names
from sim.scenario.reference import page, tables
from sim.scenario.shape import field_node, fields
from sim.summary import SUMMARY_COLUMNS

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md"))
FENCE = re.compile(r"^```(\w+)[ ]?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]\n]+\]\(([^)\s]+)\)")
MACHINE_PATH = re.compile(r"(?<![\w.])(/(work|tmp|home|root|Users|mnt|opt|var)/|[A-Z]:\\|~/)")
# What stands for many names in the glossary.
PLACEHOLDERS = {
    "ae": r"[A-Za-z][A-Za-z0-9_-]*",
    "rule": r"[A-Za-z][A-Za-z0-9_-]*",
    "clause": r"[A-Za-z][A-Za-z0-9_-]*",
    "mg": r"[0-9.]+",
    "cycle": "[0-9]+",
    "days": "[0-9]+",
    "grade": "[1-5]",
    "route": "event|grade|max_delay|max_hold|below_lowest|max_reductions",
    "cause": "progression|withdrawal|death|other",
    "loss": "not_escalated|reduced|held|delayed|stopped",
}


@dataclass(frozen=True)
class Snippet:
    """A fenced block of a page: its language, what follows it, its text."""

    page: str
    line: int
    language: str
    mark: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def all_snippets() -> Iterator[Snippet]:
    """Every fenced block of every page."""
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            yield Snippet(path.name, line, match[1], match[2], match[3])


SNIPPETS = list(all_snippets())
SCENARIOS = [s for s in SNIPPETS if (s.language, s.mark) == ("toml", "scenario")]
PYTHON = [s for s in SNIPPETS if (s.language, s.mark) == ("python", "")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with every complete scenario of the pages, by its name."""
    for snippet in SCENARIOS:
        name = re.search(r'^name = "(.+)"$', snippet.text, re.MULTILINE)
        assert name is not None, snippet
        (tmp_path / f"{name[1]}.toml").write_text(snippet.text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def glossary_section(title: str) -> str:
    """The text under a heading of the glossary, to the next heading of any level."""
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[1]


def named_in_first_column(section: str) -> list[str]:
    """Everything in backquotes in the first column of a table."""
    rows = [row.split("|")[1] for row in section.split("\n") if row.startswith("|")]
    return [name for cell in rows for name in re.findall(r"`([^`]+)`", cell)]


def pattern_of(name: str) -> str:
    """A regular expression for a name with placeholders such as <ae>."""
    parts = re.split(r"<(\w+)>", name)
    return "".join(
        f"(?:{PLACEHOLDERS[part]})" if place % 2 else re.escape(part)
        for place, part in enumerate(parts)
    )


@pytest.fixture(scope="module")
def flagship() -> Plan:
    """The flagship, compiled."""
    return compile_plan(load_scenario("ixazomib-maintenance").scenario)


def test_there_are_pages_and_snippets() -> None:
    assert {path.name for path in PAGES} >= {
        "model.md", "randomness.md", "glossary.md", "scenario.md", "add-something.md",
    }  # fmt: skip
    assert SCENARIOS
    assert PYTHON


@pytest.mark.parametrize("snippet", SCENARIOS, ids=str)
def test_complete_scenarios_load_without_a_warning(snippet: Snippet, folder: Path) -> None:
    path = folder / "snippet.toml"
    path.write_text(snippet.text, encoding="utf-8")
    assert load_scenario(path).warnings == []


@pytest.mark.parametrize("snippet", PYTHON, ids=str)
def test_python_snippets_run(snippet: Snippet, folder: Path) -> None:
    exec(compile(snippet.text, str(snippet), "exec"), {"__name__": "snippet"})


def test_the_worked_change_of_sources_works(folder: Path) -> None:
    """The diffs of the pages apply to a copy of the program, and the test beside them passes."""
    shutil.copytree(ROOT / "sim", folder / "sim", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "scenarios", folder / "scenarios")
    for snippet in SNIPPETS:
        if snippet.language == "diff":
            apply_diff(snippet, folder)
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(folder)}
    for snippet in SNIPPETS:
        if (snippet.language, snippet.mark) == ("python", "patched"):
            command = [sys.executable, "-c", snippet.text]
            done = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{snippet}\n{done.stderr[-2_000:]}"


def apply_diff(snippet: Snippet, folder: Path) -> None:
    """Apply a diff whose hunks are found by their context, which must occur once."""
    target = Path()
    for part in re.split(r"^(?=--- |@@)", snippet.text, flags=re.MULTILINE):
        if part.startswith("--- "):
            target = folder / part.split("\n")[1].removeprefix("+++ b/")
        elif part.startswith("@@"):
            lines = part.split("\n")[1:-1]
            before = "".join(f"{line[1:]}\n" for line in lines if line[0] != "+")
            after = "".join(f"{line[1:]}\n" for line in lines if line[0] != "-")
            text = target.read_text(encoding="utf-8")
            assert text.count(before) == 1, f"{snippet}: {target.name} has no unique\n{before}"
            target.write_text(text.replace(before, after), encoding="utf-8")


def test_every_endpoint_is_in_the_glossary() -> None:
    patterns = [pattern_of(name) for name in named_in_first_column(glossary_section("Endpoints"))]
    for scenario in shipped_names():
        for endpoint in endpoints_of(compile_plan(load_scenario(scenario).scenario)):
            assert any(re.fullmatch(pattern, endpoint.name) for pattern in patterns), endpoint.name


def test_every_endpoint_of_the_glossary_exists(flagship: Plan) -> None:
    names = [endpoint.name for endpoint in endpoints_of(flagship)]
    for given in named_in_first_column(glossary_section("Endpoints")):
        assert any(re.fullmatch(pattern_of(given), name) for name in names), given


def test_every_column_is_in_the_glossary(flagship: Plan) -> None:
    histories, _ = record(flagship, 0, 3, engine="events")
    columns = {title: list(frame.columns) for title, frame in histories.frames().items()}
    columns["summary.csv"] = list(SUMMARY_COLUMNS)
    columns["comparison.csv"] = list(COMPARISON_COLUMNS)
    columns["prediction.csv"] = list(PREDICTION_COLUMNS)
    columns["parameters.csv"] = ["scenario", *register_table(flagship.scenario).columns]
    for title, names in columns.items():
        assert sorted(named_in_first_column(glossary_section(title))) == sorted(names), title


def test_the_page_of_scenario_keys_is_current() -> None:
    committed = (ROOT / "docs" / "scenario.md").read_text(encoding="utf-8")
    assert committed == page(), "run: python -m sim.scenario.reference > docs/scenario.md"


def test_every_scenario_key_has_a_meaning() -> None:
    text = page()
    assert not re.search(r"\|\s*\|$", text, re.MULTILINE)
    for model in tables():
        for key, info in fields(model).items():
            assert key in ("source", "law") or f"| `{key}` |" in text
            assert field_node(info) is not None


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_and_paths(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    prose = FENCE.sub("", text)
    for link in LINK.findall(prose):
        if link.startswith("https://"):
            continue
        file, _, anchor = link.partition("#")
        target = path if not file else (path.parent / file)
        assert target.exists(), f"{path.name}: {link}"
        if anchor:
            assert anchor in anchors_of(target), f"{path.name}: {link}"
    assert not MACHINE_PATH.search(text), MACHINE_PATH.search(text)


def anchors_of(path: Path) -> set[str]:
    """The anchors that a code host gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_sources_named_in_the_pages_exist() -> None:
    for path in PAGES:
        for name in re.findall(r"`((?:sim|tests|scenarios)/[\w/.-]+)`", path.read_text()):
            assert (ROOT / name).exists(), f"{path.name}: {name}"
