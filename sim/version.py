"""The version of this program."""

from importlib.metadata import PackageNotFoundError, version

UNINSTALLED = "0.1.0"


def program_version() -> str:
    """Return the installed version, or that of the sources when run from a bare checkout."""
    try:
        return version("titrasim")
    except PackageNotFoundError:
        return UNINSTALLED
