"""The command line: help, options, exit codes, what goes to which stream, start-up."""

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from sim.cli.main import main

COMMANDS = (
    "scenarios",
    "check",
    "explain",
    "run",
    "compare",
    "diary",
    "pk",
    "calibrate",
    "schema",
    "exact",
)
WORKBENCH = ("fit", "table", "design", "calibrate", "draws", "trial")
ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("numpy", "pandas", "numba", "matplotlib", "pyarrow", "scipy", "simpy")


def titrasim(*words: str, **keywords) -> subprocess.CompletedProcess:
    """Run the command in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **keywords.pop("env", {})}
    keywords = {"capture_output": True, "text": True, "timeout": 300, **keywords}
    return subprocess.run([sys.executable, "-m", "sim", *words], env=environment, **keywords)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_comes_of_a_command(command, capsys):
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"titrasim {command}" in text
    assert "Try:" in text or command == "scenarios"
    # No Python types, no parser leftovers.
    assert not re.search(r"\bNone\b|<class|\[default: \(\)\]|False", text)


@pytest.mark.parametrize("command", WORKBENCH)
def test_help_of_the_workbench(command, capsys):
    assert main(["er", command, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"titrasim er {command}" in text
    assert "Try:" in text
    assert not re.search(r"\bNone\b|<class|\[default: \(\)\]|False", text)
    assert main(["er", "--help"]) == 0
    assert f" {command} " in capsys.readouterr().out


def test_help_lists_every_command(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(command in text for command in COMMANDS)
    assert "titrasim compare ixazomib-maintenance fixed-3mg fixed-4mg" in text


def test_version(capsys):
    assert main(["--version"]) == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("runn x", 'Unknown command "runn". Did you mean "run"?'),
        ("run fixed-3mg --patinets 3", "Did you mean --patients?"),
        ("run fixed-3mg --patients 0", "patients is 0; at least 1 is needed"),
        ("run fixed-3mg --patients -5", "patients is -5; at least 1 is needed"),
        ("run fixed-3mg --patients abc", '--patients: "abc" is not a whole number'),
        ("run fixed-3mg --patients 1e6", '"1e6" is not a whole number; write 1000000'),
        ("run fixed-3mg --patients 2.5", '"2.5" is not a whole number'),
        ("run fixed-3mg --patients nan", '"nan" is not a whole number'),
        ("run fixed-3mg --patients 999999999999999", "the most is"),
        ("run fixed-3mg --trials 0", "trials is 0; it must be from 1 to"),
        ("run fixed-3mg --trials 10001", "trials is 10001; it must be from 1 to"),
        ("run fixed-3mg --seed -1", "seed is -1; it must be a whole number from 0"),
        ("run fixed-3mg --seed 18446744073709551616", "seed is 18446744073709551616"),
        ("run fixed-3mg --engine kernle", 'Did you mean "kernel"?'),
        ("run fixed-3mg --threads 0 --out x", "threads is 0; at least 1 is needed"),
        ("run fixed-3mg --out", "--out"),
        ("run", "SCENARIO"),
        ("run fixed-3mg fixed-4mg", "fixed-4mg"),
        ("compare", "no scenario was given"),
        ("compare fixed-3mg fixed-3mg", 'two scenarios are named "fixed-3mg"'),
        ("run fixed-3mg --set posology.max_cycle=3", "max_cycles"),
        ("diary fixed-3mg", "--patient"),
        ("diary fixed-3mg --patient -1", "patients are numbered from 0"),
        ("calibrate ixazomib-maintenance --patients 0", "patients is 0"),
    ],
)
def test_a_wrong_option_is_one_clear_message(words, message, capsys):
    assert main(words.split()) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert message in streams.err
    assert "Traceback" not in streams.err
    if "--set" not in words:
        assert streams.err.count("\n") == 1
        assert streams.err.startswith("titrasim: error: ")
    assert not Path("runs").exists()


def test_a_missing_scenario_names_the_nearest(capsys):
    assert main(["run", "fixed-3mgg"]) == 3
    assert 'a shipped scenario is called "fixed-3mg"' in capsys.readouterr().err


def test_check_says_ok_and_resolves(capsys):
    assert main(["check", "fixed-3mg"]) == 0
    assert capsys.readouterr().out == "ok\n"
    assert main(["check", "fixed-3mg", "--resolved"]) == 0
    resolved = json.loads(capsys.readouterr().out)
    assert resolved["posology"]["start_mg"] == 3.0
    assert main(["check", "fixed-3mg", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "problems": []}


def test_check_lists_problems_for_people_and_machines(capsys):
    Path("bad.toml").write_text('format = 1\nname = "bad"\n', encoding="utf-8")
    assert main(["check", "bad.toml"]) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert "bad.toml: error[K03]" in streams.err
    assert main(["check", "bad.toml", "--json"]) == 2
    table = json.loads(capsys.readouterr().out)
    assert table["ok"] is False
    assert {problem["code"] for problem in table["problems"]} == {"K03"}


def test_scenarios_for_people_and_machines(capsys):
    assert main(["scenarios"]) == 0
    assert "ixazomib-maintenance  " in capsys.readouterr().out
    assert main(["scenarios", "--json"]) == 0
    names = [one["name"] for one in json.loads(capsys.readouterr().out)]
    assert names == sorted(names)
    assert "ixazomib-minimal" in names


def test_schema_is_the_committed_one(capsys):
    assert main(["schema"]) == 0
    committed = (ROOT / "scenarios" / "titrasim.schema.json").read_text(encoding="utf-8")
    assert capsys.readouterr().out == committed


def test_run_prints_a_table_limits_and_where_results_are(capsys):
    assert main(["run", "ixazomib-maintenance", "--patients", "200"]) == 0
    streams = capsys.readouterr()
    for text in (
        "SIMULATED: 200 virtual patients per arm, seed 1",
        "escalated by cycle 5",
        "related-nonhematologic-ae",
        "stopped for adverse event by cycle 26",
        "relative dose intensity, planned course",
        "relapsed/refractory",
        "extrapolated",
        "Monte Carlo error only",
        "Results and figures: runs/ixazomib-maintenance-1-",
    ):
        assert text in streams.out
    assert max(map(len, streams.out.splitlines())) <= 100
    (folder,) = Path("runs").iterdir()
    assert (folder / "manifest.json").is_file()
    assert (folder / "figures" / "dose_levels.png").is_file()


def test_run_in_the_default_folder_can_be_repeated(capsys):
    for _ in range(2):
        assert main(["run", "ixazomib-minimal", "--patients", "50"]) == 0
    assert len(list(Path("runs").iterdir())) == 1
    assert main(["run", "ixazomib-minimal", "--patients", "51"]) == 0
    assert len(list(Path("runs").iterdir())) == 2


def test_compare_prints_differences_and_trials(capsys):
    words = "compare ixazomib-maintenance fixed-3mg --patients 100 --trials 3 --out here"
    assert main(words.split()) == 0
    text = capsys.readouterr().out
    assert "A  ixazomib-maintenance (reference): " in text
    assert "Differences from A, same virtual patients" in text
    assert "One trial of 100 patients per arm" in text
    assert "Results and figures: here" in text


def test_json_is_all_that_goes_to_standard_output():
    words = "compare ixazomib-minimal minimal-fixed-3mg --patients 60 --trials 2 --json --out j"
    done = titrasim(*words.split())
    assert done.returncode == 0, done.stderr
    table = json.loads(done.stdout)
    assert table["results"] == "j"
    assert table["scenarios"] == ["ixazomib-minimal", "minimal-fixed-3mg"]
    assert {"summary", "comparison", "prediction", "warnings", "limits"} <= set(table)
    row = table["summary"][0]
    assert row["scenario"] == "ixazomib-minimal"
    assert row["cycle"] == 1
    values = [row for row in table["summary"] if row["endpoint"] == "completed"]
    assert values[0]["cycle"] is None
    assert "%|" not in done.stderr  # no bar where there is no terminal


def test_dry_run_promises_and_writes_nothing(capsys):
    assert main(["run", "fixed-3mg", "--patients", "5000", "--histories", "--dry-run"]) == 0
    assert "Nothing was run." in capsys.readouterr().out
    assert main(["compare", "fixed-3mg", "fixed-4mg", "--dry-run", "--json"]) == 0
    expected = json.loads(capsys.readouterr().out)
    assert expected["patients"] == 20_000
    assert expected["seconds"] > 0.0
    assert list(Path.cwd().iterdir()) == []


def test_histories_beyond_the_disk_are_refused(capsys):
    words = "run fixed-3mg --patients 100000000000 --histories --out big"
    assert main(words.split()) == 2
    assert "error[X02]" in capsys.readouterr().err
    assert list(Path.cwd().iterdir()) == []


def test_engines_and_threads_print_the_same(capsys):
    texts = set()
    for more in ("--engine events", "--engine kernel --threads 1", "--threads 3"):
        words = f"run fixed-4mg --patients 150 --out here --overwrite {more}"
        assert main(words.split()) == 0
        texts.add(capsys.readouterr().out)
    assert len(texts) == 1


def test_set_changes_a_value(capsys):
    words = "run ixazomib-minimal --patients 50 --set posology.max_cycles=7 --out here"
    assert main(words.split()) == 0
    assert "on treatment at cycle 7" in capsys.readouterr().out
    manifest = json.loads(Path("here/manifest.json").read_text())
    assert manifest["settings"]["overrides"] == ["posology.max_cycles=7"]


def test_a_defect_names_its_log_and_shows_no_traceback(monkeypatch, capsys):
    import sim.scenario.library

    monkeypatch.setattr(sim.scenario.library, "shipped_scenarios", lambda: 1 / 0)
    assert main(["scenarios"]) == 70
    message = capsys.readouterr().err
    assert "Traceback" not in message
    log = Path(message.split()[-1])
    assert "ZeroDivisionError" in log.read_text(encoding="utf-8")
    log.unlink()


def test_output_that_cannot_be_written():
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with open("/dev/full", "w") as full:
        done = titrasim("scenarios", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "cannot be written" in done.stderr


def test_a_closed_pipe_is_no_error():
    code = f"{sys.executable} -m sim schema | head -c 10"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(code, shell=True, capture_output=True, text=True, env=environment)
    assert done.stderr == ""


@pytest.mark.parametrize(
    "words", ["--help", "run --help", "check fixed-3mg", "scenarios", "schema"]
)
def test_light_commands_import_nothing_heavy(words):
    code = (
        "import sys; from sim.cli.main import main; "
        f"code = main({words.split()!r}); "
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr); "
        "sys.exit(code)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0
    assert done.stderr.strip() == "[]"


def test_start_up_is_short():
    """Processor time, so that a busy machine does not matter; the compiled code is cached."""
    titrasim("run", "fixed-3mg", "--patients", "10", "--dry-run")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = titrasim("run", "fixed-3mg", "--patients", "10", "--dry-run")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 3.0
