"""Every file in tests/invalid gives exactly the report beside it.

`python tests/test_bad_input.py --write` writes the reports anew; read the difference by eye
before keeping it. Files named W_... only give warnings.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sim.errors import ScenarioError, SimError, problem_list, problem_text
from sim.scenario.document import read_document
from sim.scenario.file import load_scenario

FOLDER = Path(__file__).parent / "invalid"
FILES = sorted(FOLDER.glob("*.toml"))
PYTHON_WORDS = (
    "Error:",
    "None",
    "dict",
    "tuple",
    "str ",
    "Traceback",
    "pydantic",
    "validat",
    "Input",
)


def report(path: Path) -> str:
    """The problems of a file as a person reads them."""
    try:
        return problem_text(load_scenario(path).warnings) + "\n"
    except SimError as error:
        return problem_text(error.problems) + "\n"


@pytest.fixture(autouse=True)
def _in_corpus_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_report_is_exactly_the_expected_one(path: Path) -> None:
    assert report(Path(path.name)) == path.with_suffix(".expected").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_report_names_the_planted_mistake_in_plain_words(path: Path) -> None:
    text = report(Path(path.name))
    code = path.stem.removeprefix("W_")[:3]
    severity = "warning" if path.stem.startswith("W_") else "error"
    assert f"{severity}[{code}]" in text or path.stem.startswith("many")
    messages = "\n".join(line for line in text.splitlines() if "|" not in line)
    assert not [word for word in PYTHON_WORDS if word in messages]


def test_no_report_is_left_over() -> None:
    assert {path.stem for path in FOLDER.glob("*.expected")} == {path.stem for path in FILES}


@pytest.mark.parametrize("severity", ["W", "error"])
def test_warnings_load_and_errors_do_not(severity: str) -> None:
    for path in FILES:
        if path.stem.startswith("W_") == (severity == "W"):
            if severity == "W":
                assert load_scenario(path).warnings
            else:
                with pytest.raises(ScenarioError) as caught:
                    load_scenario(path)
                assert caught.value.exit_code == 2


def test_strict_makes_a_missing_source_an_error() -> None:
    with pytest.raises(ScenarioError, match=r"error\[P01\]"):
        load_scenario("W_P01_no_source.toml", strict=True)


def test_all_seven_planted_mistakes_are_found_at_once() -> None:
    with pytest.raises(ScenarioError) as caught:
        load_scenario("many_seven_mistakes.toml")
    codes = sorted(problem.code for problem in caught.value.problems)
    assert codes == ["K01", "N01", "N03", "P01", "Y01", "Y03", "Z04"]


def test_machines_get_the_same_list() -> None:
    with pytest.raises(ScenarioError) as caught:
        load_scenario("N03_percent_in_exit.toml")
    (entry,) = problem_list(caught.value.problems)
    assert entry["line"] == 28
    assert entry["column"] == 25
    assert entry["code"] == "N03"
    assert entry["hint"] == "did you mean 0.03?"


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        ("N03_percent_in_exti.toml", "F01", "did you mean that?"),
        ("ixazomib-minmal", "F01", '"ixazomib-minimal"'),
        ("nothing-like-it.toml", "F01", "file not found"),
        (".", "F02", "folder"),
        ("N01_nan.toml/inside", "F01", "file not found"),
        ("a\0b", "F03", "cannot be read"),
    ],
)
def test_files_that_cannot_be_read(given: str, code: str, words: str) -> None:
    with pytest.raises(SimError) as caught:
        load_scenario(given)
    assert caught.value.exit_code == 3
    assert caught.value.problems[0].code == code
    assert words in str(caught.value)


def test_no_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "refused")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(SimError, match=r"error\[F03\]: no permission") as caught:
        read_document("N01_nan.toml")
    assert caught.value.exit_code == 3


def test_a_pipe_is_refused_without_reading_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(SimError, match=r"error\[F02\]"):
        load_scenario(tmp_path / "pipe.toml")


def test_a_file_above_one_mebibyte_is_not_read(tmp_path: Path) -> None:
    big = tmp_path / "big.toml"
    with big.open("wb") as file:
        file.truncate(3 << 30)
    with pytest.raises(ScenarioError, match=r"error\[F05\]: the file has 3\.0 GiB"):
        load_scenario(big)


def test_yaml_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "trial.yaml").write_text("format = 1\n")
    with pytest.raises(ScenarioError, match=r"error\[F06\]: this is a YAML file"):
        load_scenario(tmp_path / "trial.yaml")


def test_messages_never_name_a_folder_outside(tmp_path: Path) -> None:
    (tmp_path / "trial.toml").write_text("format = 2\n")
    with pytest.raises(ScenarioError) as caught:
        load_scenario(tmp_path / "trial.toml")
    assert str(tmp_path) not in str(caught.value)


def test_a_link_out_of_the_folder_is_not_followed_by_extends(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.toml").write_text("format = 1\n")
    (inside / "base.toml").symlink_to(tmp_path / "secret.toml")
    (inside / "trial.toml").write_text('format = 1\nname = "a"\nextends = "base.toml"\n')
    with pytest.raises(ScenarioError, match=r"error\[Z03\]"):
        load_scenario(inside / "trial.toml")


def test_command_line_exit_code() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sim", "check", "N03_percent_in_exit.toml"],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(FOLDER.parent.parent), "PATH": ""},
    )
    assert done.returncode == 2
    assert "error[N03]" in done.stdout + done.stderr


def write_reports() -> None:
    """Write every report anew."""
    os.chdir(FOLDER)
    for path in FILES:
        path.with_suffix(".expected").write_text(report(Path(path.name)), encoding="utf-8")


if __name__ == "__main__" and "--write" in sys.argv:
    write_reports()
