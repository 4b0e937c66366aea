"""A folder that appears whole or not at all.

Files are written into a hidden sibling, each flushed to the disk, and the sibling is renamed
into place at the end. Whatever happens before that leaves nothing under the final name.
"""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sim.errors import SimError

UNFINISHED = ".unfinished-"
_REASONS = {
    errno.ENOSPC: ("the disk is full", "free some space or choose another folder with --out"),
    errno.EDQUOT: ("your disk quota is used up", "free some space or choose another --out"),
    errno.EFBIG: ("a file grew beyond the size allowed here", "choose another folder with --out"),
    errno.EACCES: ("no permission to write here", "choose another folder with --out"),
    errno.EPERM: ("no permission to write here", "choose another folder with --out"),
    errno.EROFS: ("this disk is read-only", "choose another folder with --out"),
    errno.ENOTDIR: ("a part of this path is a file", "choose another folder with --out"),
    errno.EEXIST: ("a part of this path is a file", "choose another folder with --out"),
    errno.ENAMETOOLONG: ("this path is too long", "choose a shorter one with --out"),
    errno.EMFILE: ("too many files are open", "close some programs and run again"),
}


class FolderError(SimError):
    """A results folder that cannot be written, or must not be touched."""

    exit_code = 3


def shown(path: Path) -> str:
    """A path as messages and tables show it: relative where it lies in the working folder."""
    absolute, here = Path(os.path.abspath(path)), Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(path)


def write_failure(path: Path, error: OSError) -> FolderError:
    """The one message for a failed write: where, why, what to do."""
    what, hint = _REASONS.get(
        error.errno or 0, ("writing failed", "choose another folder with --out")
    )
    detail = "" if error.errno in _REASONS else f" ({os.strerror(error.errno or errno.EIO)})"
    return FolderError(
        f"{shown(path)}: error[F10]: {what}{detail}; {hint}. Nothing unfinished was left there."
    )


def may_replace(target: Path, is_own: Callable[[str], bool], overwrite: bool, holds: str) -> bool:
    """Return whether a folder at the target is to be replaced; refuse what must be kept.

    is_own says of a file's name whether the command writes it, holds what it left before.
    """
    name = shown(target)
    if not target.is_symlink() and not target.exists():
        return False
    if not target.is_dir():
        raise FolderError(f"{name}: error[F02]: this is not a folder; nothing was written")
    there = sorted(path.name for path in target.iterdir())
    strangers = [one for one in there if not is_own(one)]
    if strangers:
        raise FolderError(
            f"{name}: error[Q02]: the folder holds files of other origin ({strangers[0]}); nothing "
            "was written. Choose another folder with --out"
        )
    if there and not overwrite:
        raise FolderError(
            f"{name}: error[Q02]: this folder already holds {holds}; nothing was written. Use "
            "--overwrite to replace it, or choose another folder with --out"
        )
    return bool(there)


@contextmanager
def whole_folder(target: Path, replace: bool = False) -> Iterator[Path]:
    """Yield a hidden folder to write into; on success it takes the target's name.

    Any exception, also an interruption, removes it. With replace, a folder that stands at
    the target makes way at the last moment.
    """
    target = Path(os.path.abspath(target))
    made: list[Path] = []
    unfinished: Path | None = None
    try:
        made = _make_parents(target.parent)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{target.name}{UNFINISHED}", dir=target.parent))
        unfinished.chmod(0o777 & ~_umask())
        yield unfinished
        _sync_folders(unfinished)
        _move(unfinished, target, replace)
    except BaseException as error:
        if unfinished is not None:
            shutil.rmtree(unfinished, ignore_errors=True)
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()
        if isinstance(error, OSError):
            raise write_failure(target, error) from error
        raise


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file and see it on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _make_parents(folder: Path) -> list[Path]:
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    made = []
    try:
        for path in reversed(missing):
            path.mkdir()
            made.append(path)
    except OSError:
        for path in reversed(made):
            path.rmdir()
        raise
    return made


def _sync(folder: Path) -> None:
    # A rename is only safe once the folder's own entries are on the disk.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _sync_folders(folder: Path) -> None:
    for inner in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        _sync(inner)


def _move(unfinished: Path, target: Path, replace: bool) -> None:
    old: Path | None = None
    if replace and target.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{target.name}.old-", dir=target.parent))
        os.rename(target, old)
    try:
        if target.is_dir() and not any(target.iterdir()):
            target.rmdir()  # renaming onto an empty folder works on some systems only
        os.rename(unfinished, target)
    except BaseException:
        if old is not None:
            os.rename(old, target)
        raise
    _sync(target.parent)
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)
