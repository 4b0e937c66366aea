"""The public names of the package stay what they are, however often and in whatever order used."""

import subprocess
import sys
from pathlib import Path

import sim

PACKAGE = Path(sim.__file__).parent


def test_no_module_has_a_public_name() -> None:
    """Importing it would put the module in the place of the function."""
    modules = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert not modules & set(sim.__all__)


def test_every_public_name_stays_what_it_is() -> None:
    """In a fresh process: first use, then all modules imported, then second use."""
    text = """
import importlib, pkgutil, sim
first = {name: getattr(sim, name) for name in sim.__all__}
for module in pkgutil.walk_packages(sim.__path__, "sim."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
for name, found in first.items():
    assert callable(found), name
    assert getattr(sim, name) is found, name
assert set(sim.__all__) <= set(dir(sim))
"""
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
