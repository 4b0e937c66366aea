"""The manifest: what a results folder was made from, and the digest of every file in it."""

import hashlib
import json
import platform
import subprocess
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sim.folder import FolderError, shown
from sim.plan.plan import scenario_digest
from sim.study import Prepared
from sim.version import program_version

MANIFEST = "manifest.json"
RUN_RECORD = "run.json"
FORMAT = "titrasim results 1"
STREAM_VERSION = 1
LIBRARIES = ("numpy", "numba", "llvmlite", "pandas", "pyarrow", "matplotlib", "pydantic", "simpy")
NO_EFFECT = ("engine", "threads", "block size", "progress")


def identity(prepared: Prepared) -> dict[str, Any]:
    """Return what decides the numbers: two runs with this in common give equal data files."""
    settings = prepared.settings
    return {
        "stream_version": STREAM_VERSION,
        "seed": settings.seed,
        "scenarios": [
            {
                "name": one.scenario.name,
                "digest": scenario_digest(one.scenario),
                "file_sha256": hashlib.sha256(one.text).hexdigest(),
            }
            for one in prepared.loaded
        ],
        "settings": {
            "patients": settings.patients,
            "trials": settings.trials,
            "histories": settings.histories,
            "overrides": list(settings.overrides),
        },
    }


def manifest(prepared: Prepared, folder: Path) -> dict[str, Any]:
    """Return the manifest of the files that now lie in the folder."""
    files = {
        name: {"bytes": (folder / name).stat().st_size, "sha256": file_digest(folder / name)}
        for name in file_names(folder)
    }
    return {
        "format": FORMAT,
        "program": {"name": "titrasim", "version": program_version(), **_source()},
        **identity(prepared),
        "engine": prepared.settings.engine,
        "does_not_affect_results": list(NO_EFFECT),
        "libraries": {"python": platform.python_version(), **_libraries()},
        "files": files,
        "root_hash": root_hash(files),
    }


def as_json(table: Mapping[str, Any]) -> bytes:
    """Return a table as it is written to the results folder."""
    return (json.dumps(table, indent=2, ensure_ascii=False) + "\n").encode()


def root_hash(files: Mapping[str, Mapping[str, Any]]) -> str:
    """Return one digest of all files, their names and contents."""
    lines = "".join(f"{files[name]['sha256']}  {name}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_names(folder: Path) -> list[str]:
    """Return the data files of a results folder, sorted, with forward slashes."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    names = sorted(path.relative_to(folder).as_posix() for path in paths)
    return [name for name in names if name not in (MANIFEST, RUN_RECORD)]


def check_target(target: Path, prepared: Prepared, overwrite: bool) -> bool:
    """Return whether a folder at the target is to be replaced; refuse what must be kept."""
    if not target.is_symlink() and not target.exists():
        return False
    name = shown(target)
    if not target.is_dir():
        raise FolderError(f"{name}: error[F02]: this is not a folder; nothing was written")
    there = list(target.iterdir())
    if not there:
        return False
    old = _read_manifest(target)
    if old is None:
        raise FolderError(
            f"{name}: error[Q02]: the folder is not empty and holds no titrasim results; nothing "
            "was written. Choose another folder with --out"
        )
    difference = _first_difference(old, identity(prepared))
    if difference:
        raise FolderError(
            f"{name}: error[Q01]: this folder holds another run ({difference}); nothing was "
            "written. Choose another folder with --out, or delete this one"
        )
    strangers = _strangers(target, old)
    if strangers:
        raise FolderError(
            f"{name}: error[Q02]: the folder holds files of other origin ({strangers[0]}); nothing "
            "was written. Choose another folder with --out"
        )
    if not overwrite:
        raise FolderError(
            f"{name}: error[Q02]: this folder already holds this run; nothing was written. Use "
            "--overwrite to replace it, or choose another folder with --out"
        )
    return True


def _strangers(folder: Path, old: Mapping[str, Any]) -> list[str]:
    return [name for name in file_names(folder) if name not in old.get("files", {})]


def _read_manifest(folder: Path) -> dict[str, Any] | None:
    try:
        table = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return table if isinstance(table, dict) and table.get("format") == FORMAT else None


def _first_difference(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> str:
    """Say which item differs first, old and new; empty when none does."""
    for key, value in new.items():
        before, where = old.get(key), f"{path}{key}"
        if isinstance(value, dict) and isinstance(before, dict):
            inner = _first_difference(before, value, f"{where}.")
            if inner:
                return inner
        elif key == "scenarios" and before != value:
            return _scenario_difference(before, value)
        elif before != value:
            return f"{where} was {before}, is now {value}"
    return ""


def _scenario_difference(before: Any, value: Iterable[Mapping[str, str]]) -> str:
    was = [one.get("name") for one in before] if isinstance(before, list) else []
    now = [one["name"] for one in value]
    if was != now:
        return f"scenarios were {', '.join(map(str, was))}, are now {', '.join(now)}"
    return "a scenario of the same name has changed since"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _libraries() -> dict[str, str]:
    return {name: found for name in LIBRARIES if (found := _version(name)) is not None}


def _source() -> dict[str, Any]:
    """Return the revision of the checkout this program runs from, if it runs from one."""
    checkout = Path(__file__).resolve().parent.parent
    if not (checkout / ".git").exists():
        return {"source_revision": None, "dirty": None}
    revision = _git(checkout, "rev-parse", "HEAD")
    changes = _git(checkout, "status", "--porcelain", "--untracked-files=no")
    return {
        "source_revision": revision or None,
        "dirty": None if changes is None else bool(changes),
    }


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
