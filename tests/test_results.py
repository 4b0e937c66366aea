"""The results folder: what it holds, that it repeats byte for byte, and that it is whole."""

import csv
import errno
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

import sim
from sim.comparison import COMPARISON_COLUMNS
from sim.errors import SimError
from sim.folder import UNFINISHED, FolderError
from sim.manifest import root_hash
from sim.prediction import PREDICTION_COLUMNS
from sim.results import cell_text, csv_bytes
from sim.summary import SUMMARY_COLUMNS

ROOT = Path(__file__).resolve().parent.parent
ARMS = ("ixazomib-maintenance", "fixed-4mg")
FIGURES = (
    "benefit_and_stops",
    "differences",
    "discontinuation",
    "dose_intensity",
    "dose_levels",
    "first_events",
)


def start(*words: str, **keywords) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **keywords.pop("env", {})}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, "-m", "sim", *words]
    keywords = {"preexec_fn": _heed_interruptions, **keywords}
    return subprocess.Popen(command, env=environment, **pipes, **keywords)


def _heed_interruptions() -> None:
    # A test run in the background of a shell inherits that interruptions are ignored.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file that must repeat: all but run.json."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    names.pop("run.json")
    return names


@pytest.fixture(scope="module")
def study():
    return sim.compare(ARMS, patients=300, trials=3)


@pytest.fixture(scope="module")
def folder(study, tmp_path_factory):
    return study.write(tmp_path_factory.mktemp("results") / "here")


def test_the_folder_holds_what_is_promised(folder):
    names = set(contents(folder))
    assert names == {
        "manifest.json",
        "scenario.toml",
        "scenario.resolved.json",
        "scenarios/ixazomib-maintenance.toml",
        "scenarios/fixed-4mg.toml",
        "summary.csv",
        "comparison.csv",
        "prediction.csv",
        "limits.txt",
        "parameters.csv",
        "warnings.txt",
        *(f"figures/{name}.{kind}" for name in FIGURES for kind in ("svg", "png")),
    }
    given = (ROOT / "scenarios" / "ixazomib-maintenance.toml").read_bytes()
    assert (folder / "scenario.toml").read_bytes() == given
    resolved = json.loads((folder / "scenario.resolved.json").read_text())
    assert [one["name"] for one in resolved] == list(ARMS)


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("summary", SUMMARY_COLUMNS),
        ("comparison", COMPARISON_COLUMNS),
        ("prediction", PREDICTION_COLUMNS),
    ],
)
def test_tables_have_their_columns_and_numbers(study, folder, name, columns):
    table = getattr(study, name)
    assert tuple(table.columns) == columns
    read = pd.read_csv(folder / f"{name}.csv")
    assert tuple(read.columns) == columns
    assert len(read) == len(table)
    for column in ("estimate", "mean", "difference", "mcse", "ci_low", "pi_high"):
        if column in columns:
            given = table[column].astype(float)
            assert (read[column].isna() == given.isna()).all()
            off = (read[column] - given).abs() - 1e-9 * given.abs()
            assert (off.dropna() <= 0.0).all()


def test_cycle_is_empty_where_it_does_not_apply(folder):
    with (folder / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    by_name = {row["endpoint"]: row["cycle"] for row in rows}
    assert by_name["completed"] == ""
    assert by_name["escalated"] == "26"


def test_cells_are_stable_text():
    assert cell_text(0.1 + 0.2) == "0.3"
    assert cell_text(-0.0) == "0"
    assert cell_text(float("nan")) == ""
    assert cell_text(pd.NA) == ""
    assert cell_text(1 / 3) == "0.3333333333"
    assert cell_text(7) == "7"
    frame = pd.DataFrame({"a": ["x, y"], "b": [1e-7]})
    assert csv_bytes(frame) == b'a,b\n"x, y",1e-07\n'


def test_the_manifest_holds_for_every_file(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    files = {name: data for name, data in contents(folder).items() if name != "manifest.json"}
    assert set(manifest["files"]) == set(files)
    for name, data in files.items():
        assert manifest["files"][name] == {
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
    assert manifest["root_hash"] == root_hash(manifest["files"])
    assert manifest["stream_version"] == 1
    assert manifest["seed"] == 1
    assert manifest["settings"]["patients"] == 300
    assert [one["name"] for one in manifest["scenarios"]] == list(ARMS)
    assert {"version", "source_revision", "dirty"} <= set(manifest["program"])
    assert {"python", "numpy", "numba"} <= set(manifest["libraries"])
    text = (folder / "manifest.json").read_text()
    assert str(folder.parent) not in text
    assert f'"{os.uname().nodename}"' not in text


def test_two_runs_give_equal_bytes(tmp_path):
    """Threads, time zone, locale, working folder and hash seed change nothing."""
    words = ("compare", *ARMS, "--patients", "1500", "--histories", "--out")
    first_home, second_home = tmp_path / "a", tmp_path / "b"
    first_home.mkdir()
    second_home.mkdir()
    settings = (
        (first_home, "1", {"TZ": "UTC", "LC_ALL": "C", "PYTHONHASHSEED": "1"}),
        (second_home, "3", {"TZ": "Asia/Tokyo", "LC_ALL": "de_DE.UTF-8", "PYTHONHASHSEED": "2"}),
    )
    found = []
    for home, threads, environment in settings:
        run = start(*words, str(home / "out"), "--threads", threads, cwd=home, env=environment)
        _, problems = run.communicate(timeout=300)
        assert run.returncode == 0, problems
        found.append(contents(home / "out"))
    assert set(found[0]) == set(found[1])
    assert [name for name in found[0] if found[0][name] != found[1][name]] == []


def test_histories_are_streamed_and_equal_those_in_memory(tmp_path):
    """More patients than a block, so that the files grow in several steps."""
    held = sim.simulate("fixed-4mg", patients=1500, histories=True)
    run = start(
        "run", "fixed-4mg", "--patients", "1500", "--histories", "--out", str(tmp_path / "x")
    )
    run.communicate(timeout=300)
    assert run.returncode == 0
    for name, frame in held.histories["fixed-4mg"].items():
        read = pd.read_parquet(tmp_path / "x" / "histories" / f"{name}.parquet")
        assert list(read.columns) == list(frame.columns)
        for column in frame:
            missing = frame[column].isna()
            assert (read[column].isna() == missing).all(), (name, column)
            assert (read[column][~missing] == frame[column][~missing]).all(), (name, column)
    without = sim.simulate("fixed-4mg", patients=1500)
    pd.testing.assert_frame_equal(held.summary, without.summary)


def test_a_trial_is_a_run_of_its_patients():
    """The summary pools the trials; the prediction is over their estimates."""
    pooled = sim.simulate("ixazomib-minimal", patients=200, trials=4)
    whole = sim.simulate("ixazomib-minimal", patients=800)
    pd.testing.assert_frame_equal(pooled.summary, whole.summary)
    one = sim.simulate("ixazomib-minimal", patients=200).summary
    row = pooled.prediction
    assert (row["trials"].max(), row["patients"].unique().tolist()) == (4, [200])
    shares = row["endpoint"] == "completed"
    mean = float(row[shares]["mean"].iloc[0])
    assert mean == pytest.approx(float(whole.summary[shares]["estimate"].iloc[0]))
    low, high = (float(row[shares][name].iloc[0]) for name in ("pi_low", "pi_high"))
    assert low <= mean <= high
    assert len(one) == len(row)


def no_trace(parent: Path, *allowed: str) -> bool:
    return sorted(path.name for path in parent.iterdir()) == sorted(allowed)


def test_an_existing_run_is_replaced_only_when_told(tmp_path):
    small = sim.simulate("ixazomib-minimal", patients=40)
    target = tmp_path / "out"
    small.write(target, figures=False)
    before = contents(target)
    with pytest.raises(FolderError, match=r"error\[Q02\].*--overwrite"):
        small.write(target, figures=False)
    small.write(target, figures=False, overwrite=True)
    assert contents(target) == before
    other = sim.simulate("ixazomib-minimal", patients=41)
    for overwrite in (False, True):
        with pytest.raises(FolderError, match=r"error\[Q01\].*patients was 40, is now 41"):
            other.write(target, figures=False, overwrite=overwrite)
    assert contents(target) == before
    assert no_trace(tmp_path, "out")


def test_what_is_not_ours_is_left_alone(tmp_path):
    small = sim.simulate("ixazomib-minimal", patients=40)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("keep")
    with pytest.raises(FolderError, match=r"error\[Q02\]") as caught:
        small.write(tmp_path / "notes", overwrite=True)
    assert caught.value.exit_code == 3
    small.write(tmp_path / "out", figures=False)
    (tmp_path / "out" / "mine.txt").write_text("keep")
    with pytest.raises(FolderError, match=r"other origin \(mine.txt\)"):
        small.write(tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "mine.txt").read_text() == "keep"
    (tmp_path / "empty").mkdir()
    small.write(tmp_path / "empty", figures=False)
    assert (tmp_path / "empty" / "manifest.json").is_file()


def test_a_file_in_place_of_a_folder(tmp_path):
    small = sim.simulate("ixazomib-minimal", patients=40)
    (tmp_path / "file").write_text("keep")
    for target in (tmp_path / "file", tmp_path / "file" / "out", tmp_path / "file" / "a" / "b"):
        with pytest.raises(FolderError) as caught:
            small.write(target)
        assert caught.value.exit_code == 3
        assert str(caught.value).startswith(str(target))
    assert (tmp_path / "file").read_text() == "keep"
    assert no_trace(tmp_path, "file")


@pytest.mark.parametrize("operation", ["fsync", "rename"])
@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS])
def test_any_failing_write_leaves_nothing_that_looks_finished(
    tmp_path, monkeypatch, operation, reason
):
    small = sim.simulate("ixazomib-minimal", patients=40, histories=True)
    real = getattr(os, operation)
    for failing in range(1, 100):
        left = failing

        def fail(*words, **keywords):
            nonlocal left
            left -= 1
            if left == 0:
                raise OSError(reason, os.strerror(reason))
            return real(*words, **keywords)

        monkeypatch.setattr(os, operation, fail)
        try:
            small.write(tmp_path / "new" / "out", figures=False)
        except SimError as error:
            assert error.exit_code == 3
            assert "error[F10]" in str(error)
            assert not (tmp_path / "new").exists()
            continue
        finally:
            monkeypatch.undo()
        break
    assert failing > 1
    assert (tmp_path / "new" / "out" / "manifest.json").is_file()


def test_a_failed_replacement_keeps_the_old_run(tmp_path, monkeypatch):
    small = sim.simulate("ixazomib-minimal", patients=40)
    small.write(tmp_path / "out", figures=False)
    before = contents(tmp_path / "out")
    real, calls = os.rename, []

    def fail(*words):
        calls.append(words)
        if len(calls) == 2:  # the first makes way, the second moves in
            raise OSError(errno.ENOSPC, "full")
        return real(*words)

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(FolderError):
        small.write(tmp_path / "out", figures=False, overwrite=True)
    monkeypatch.undo()
    assert contents(tmp_path / "out") == before
    assert no_trace(tmp_path, "out")


@pytest.mark.parametrize("histories", [False, True])
def test_a_full_disk_is_one_message(tmp_path, histories):
    """A limit on the size of files stands in for a full disk; it also holds for root."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    words = ["run", "fixed-4mg", "--patients", "1500", *(["--histories"] if histories else [])]
    # First without the limit, so that no compiled code need be cached under it.
    start(*words, "--dry-run").communicate(timeout=300)
    run = start(*words, "--out", str(tmp_path / "out"), preexec_fn=limit)
    _, message = run.communicate(timeout=300)
    assert run.returncode == 3, message
    assert message.count("\n") == 1
    assert "error[F10]" in message
    assert "--out" in message
    assert no_trace(tmp_path)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"]
)
def test_an_interruption_leaves_nothing_that_looks_finished(tmp_path, number, code):
    words = ("--engine", "events", "--patients", "2000000", "--histories")
    run = start("run", "fixed-4mg", *words, "--out", str(tmp_path / "out"))
    for _ in range(600):
        if any(UNFINISHED in path.name for path in tmp_path.iterdir()):
            break
        time.sleep(0.1)
    time.sleep(0.5)
    run.send_signal(number)
    _, message = run.communicate(timeout=60)
    assert run.returncode == code, message
    assert message.count("\n") == 1
    assert "nothing unfinished was kept" in message
    assert no_trace(tmp_path)
