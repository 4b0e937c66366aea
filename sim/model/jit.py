"""The project's one compiler switch.

numba's on-disk cache does not notice edits in called files, so the cache folder is named
by a digest of every source that can be compiled: an edit anywhere gives a new folder.
"""

import hashlib
import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import llvmlite.binding
import numba

COMPILED_FOLDERS = ("model", "engines")
KEPT_CACHES = 4

config: Any = numba.config
F = TypeVar("F", bound=Callable[..., Any])


def source_digest() -> str:
    """Return a digest of all sources that can be compiled, and of numba's version."""
    digest = hashlib.sha256(numba.__version__.encode())
    package = Path(__file__).resolve().parent.parent
    for folder in COMPILED_FOLDERS:
        for source in sorted((package / folder).glob("*.py")):
            digest.update(source.name.encode())
            digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """Return the folder of compiled code: per user, per state of the sources."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "titrasim" / source_digest()


def is_compiled_before() -> bool:
    """Say whether compiled code for these sources lies in the cache."""
    return any(CACHE.glob("**/*.nbi"))


def _forget_old_caches(current: Path) -> None:
    others = [folder for folder in current.parent.iterdir() if folder != current]
    others.sort(key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in others[KEPT_CACHES:]:
        shutil.rmtree(folder, ignore_errors=True)


def _usable(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _forget_old_caches(folder)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _use_widest_vectors() -> None:
    """Let loops over patients use the widest registers the machine has.

    The compiler's own preference for half of them costs the screen a third of its speed.
    Results cannot change: only whole-number and single operations are involved.
    """
    features = llvmlite.binding.get_host_cpu_features()
    flags = [("+" if present else "-") + name for name, present in sorted(features.items())]
    config.CPU_NAME = llvmlite.binding.get_host_cpu_name()
    config.CPU_FEATURES = ",".join([*flags, "-prefer-256-bit"])


CACHE = cache_folder()
CAN_CACHE = _usable(CACHE)
IS_COMPILED = not config.DISABLE_JIT
if platform.machine() in ("x86_64", "AMD64"):
    _use_widest_vectors()
if CAN_CACHE:
    config.CACHE_DIR = str(CACHE)


def njit(function: F) -> F:
    """Compile a scalar function; without checks that would stop vector code."""
    return numba.njit(cache=CAN_CACHE, error_model="numpy", nogil=True)(function)  # type: ignore[return-value]


def inlined(function: F) -> F:
    """Compile a small function into its callers: it costs no call, and loops over it become
    vector code. For what is small or called from one place; more only lengthens compilation."""
    return numba.njit(cache=CAN_CACHE, error_model="numpy", nogil=True, forceinline=True)(function)  # type: ignore[return-value]
