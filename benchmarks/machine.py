"""What the figures were measured on: no names of hosts, users or folders."""

import os
import platform
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.model_m_c import compiler
from sim.engines.run import threads_available
from sim.model.jit import source_digest

PACKAGES = ("numpy", "numba", "simpy", "jax", "starsim")


def _processor() -> tuple[str, str]:
    """Return the processor's name and the widest vectors it says it has."""
    name, flags = platform.machine(), ""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
            if key.strip() == "flags":
                flags = value
    except OSError:
        pass
    words = flags.split()
    return name, next((word for word in ("avx512f", "avx2", "sse4_2") if word in words), "unknown")


def _compiler() -> str:
    program = compiler()
    if program is None:
        return "none"
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def describe() -> dict[str, str]:
    """Return the machine, the versions and the state of the sources."""
    processor, vectors = _processor()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "measured": time.strftime("%Y-%m-%d", time.gmtime()),
        "processor": processor,
        "vectors": vectors,
        "cores": str(threads_available()),
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{package: _version(package) for package in PACKAGES},
        "compiler": _compiler(),
        "kernel sources": source_digest(),
    }
