"""One program in a process of its own: `python -m benchmarks.child KEY PATIENTS`.

Prints its peak memory; the caller's clock gives the time from start to the first number.
"""

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.contestants import contestant
from benchmarks.model_m import SCENARIO


def measured(key: str, patients: int) -> dict[str, float]:
    """Run a program in a process of its own; return its peak MiB and wall seconds in all."""
    command = [sys.executable, "-m", "benchmarks.child", key, str(patients)]
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - started
    return {"peak_mib": json.loads(done.stdout.splitlines()[-1])["peak_mib"], "seconds": seconds}


def command_seconds(cold: bool) -> float:
    """Wall seconds of `titrasim run` on 1,000 patients of model M; cold: nothing compiled yet."""
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ, XDG_CACHE_HOME=folder) if cold else None
        words = ["run", str(SCENARIO), "--patients", "1000", "--out", f"{folder}/results"]
        command = [sys.executable, "-m", "sim", *words]
        started = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True, env=environment)
        return time.perf_counter() - started


def _peak_mib() -> float:
    """Peak resident memory of this process; what getrusage says may be its parent's."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024.0


def main() -> None:
    """Run the program named and print its peak memory."""
    key, patients = sys.argv[1], int(sys.argv[2])
    contestant(key).run(patients, 1)
    print(json.dumps({"peak_mib": _peak_mib()}))


if __name__ == "__main__":
    main()
