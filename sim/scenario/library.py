"""The scenarios that come with the program."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class ShippedScenario:
    """A scenario of the library; `name` is what `extends` and the command line take."""

    name: str
    title: str
    path: Path


def library_folder() -> Path:
    """The folder of shipped scenarios: inside an installed package, else in the checkout."""
    inside = _PACKAGE / "shipped"
    return inside if inside.is_dir() else _PACKAGE.parent / "scenarios"


def shipped_names() -> list[str]:
    """Names of the shipped scenarios, sorted."""
    return sorted(path.stem for path in library_folder().glob("*.toml"))


def shipped_path(name: str) -> Path | None:
    """File of a shipped scenario, or None if there is none of that name."""
    return library_folder() / f"{name}.toml" if name in shipped_names() else None


def shipped_scenarios() -> list[ShippedScenario]:
    """Every shipped scenario with its own or its parent's title."""
    found = []
    for name in shipped_names():
        path = library_folder() / f"{name}.toml"
        found.append(ShippedScenario(name, _title(path), path))
    return found


def _title(path: Path) -> str:
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    if "title" not in table and shipped_path(str(table.get("extends"))) is not None:
        return _title(path.parent / f"{table['extends']}.toml")
    return str(table.get("title", ""))
