"""Memory of a run without histories does not depend on the number of patients."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SLACK_MIB = 20.0
PROGRAM = """
import contextlib, io, resource, sys
from sim.cli.main import main
with contextlib.redirect_stdout(io.StringIO()):
    code = main(sys.argv[1:])
print(code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def peak_mib(folder: Path, patients: int) -> float:
    words = ["run", "ixazomib-maintenance", "--patients", str(patients)]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words, "--out", str(folder / str(patients))],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=1200,
    )
    code, peak = done.stdout.split()
    assert code == "0", done.stderr
    return float(peak)


def check_flat(folder: Path, patients: int) -> None:
    peak_mib(folder, 100)  # compiles, where nothing is compiled yet
    few, many = peak_mib(folder, 10_000), peak_mib(folder, patients)
    assert many <= 1.1 * few + SLACK_MIB


def test_memory_is_flat(tmp_path):
    check_flat(tmp_path, 2_000_000)


@pytest.mark.slow
def test_memory_is_flat_for_ten_million(tmp_path):
    check_flat(tmp_path, 10_000_000)
