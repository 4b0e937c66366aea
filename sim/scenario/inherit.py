"""`extends`: a scenario file over the one it changes, and that over its own parent."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.errors import FileError, Problem, ScenarioError, quoted
from sim.scenario.document import Document, read_document
from sim.scenario.library import library_folder, shipped_names
from sim.scenario.merge import Merged, merge, merged_from, removal_problems, without_removed
from sim.scenario.nearest import nearest
from sim.scenario.scenario import FORMAT
from sim.scenario.wording import value_in_words

GENERATIONS_AT_MOST = 8


@dataclass(frozen=True)
class Inheritance:
    """A scenario with all it inherits; `files` holds the given file first, then its parents.

    `is_whole` is false when a parent could not be read, so that keys may be missing for that.
    """

    merged: Merged
    problems: list[Problem]
    files: tuple[Path, ...]
    is_whole: bool = True


def inherit(document: Document) -> Inheritance:
    """Merge a document over everything it extends; problems are collected, never raised."""
    return _inherit(document, (document,))


def _inherit(document: Document, line_of_descent: tuple[Document, ...]) -> Inheritance:
    child = merged_from(document, len(line_of_descent) - 1)
    problems = format_problems(child)
    child.table = {**child.table, "format": FORMAT}  # read on as the present format
    given = child.table.get("extends")
    if "remove" in child.table:
        problems += _remove_problems(child)
    if not isinstance(given, str):
        return Inheritance(_without_remove(child), problems, (document.path,))
    if "name" not in child.table:
        message = 'a scenario that extends another needs its own "name"'
        problems.append(child.value_place(("extends",)).problem("K03", message))
    try:
        parent_document = _parent(child, document, line_of_descent, given)
    except (ScenarioError, FileError) as error:
        problems += error.problems
        return Inheritance(_without_remove(child), problems, (document.path,), is_whole=False)
    above = _inherit(parent_document, (*line_of_descent, parent_document))
    problems += removal_problems(above.merged, child)
    merged = merge(without_removed(above.merged, child), child)
    return Inheritance(
        _without_remove(merged),
        problems + above.problems,
        (document.path, *above.files),
        above.is_whole,
    )


def format_problems(merged: Merged) -> list[Problem]:
    """Whether the file says which version of the format it is written in (V01-V03)."""
    version = merged.table.get("format")
    place = merged.value_place(("format",))
    if "format" not in merged.table:
        return [place.problem("V01", f"add format = {FORMAT} as the first line")]
    if isinstance(version, bool) or not isinstance(version, int):
        code = "Y02" if isinstance(version, bool) else "Y01"
        message = f"format is {value_in_words(version)}; it must be the whole number {FORMAT}"
        return [place.problem(code, message)]
    if version > FORMAT:
        message = f"format {version} is newer than this program understands ({FORMAT})"
        return [place.problem("V02", message, "update the program")]
    if version < FORMAT:
        message = f"format {version} is no longer read; this program reads format {FORMAT}"
        return [place.problem("V03", message)]
    return []


def _parent(
    child: Merged, document: Document, line_of_descent: tuple[Document, ...], given: str
) -> Document:
    place = child.value_place(("extends",))
    if given != Path(given).name or "\\" in given or not 0 < len(given) < 256 or given in "..":
        message = "extends takes a shipped scenario or a file in the same folder, no other place"
        raise ScenarioError([place.problem("Z03", message)])
    path = _parent_path(document.path, given)
    if path is None:
        raise ScenarioError([_no_such_parent(child, document.path, given)])
    if path.resolve().parent not in (document.path.resolve().parent, library_folder().resolve()):
        message = f"{quoted(given)} leads out of the scenario's folder"
        raise ScenarioError([place.problem("Z03", message)])
    chain = [ancestor.path.resolve() for ancestor in line_of_descent]
    if path.resolve() in chain:
        circle = line_of_descent[chain.index(path.resolve()) :]
        names = " → ".join([d.name for d in circle] + [circle[0].name])
        message = f"{names}; a scenario cannot extend itself"
        raise ScenarioError([place.problem("R02", message)])
    if len(chain) >= GENERATIONS_AT_MOST:
        message = f"more than {GENERATIONS_AT_MOST} scenarios extend one another"
        raise ScenarioError([place.problem("R02", message)])
    return read_document(path)


def _parent_path(child: Path, given: str) -> Path | None:
    beside = child.parent / given
    if given.endswith(".toml"):
        return beside if beside.is_file() else None
    return library_folder() / f"{given}.toml" if given in shipped_names() else None


def _no_such_parent(child: Merged, path: Path, given: str) -> Problem:
    beside = [p.name for p in path.parent.glob("*.toml") if p != path]
    stem = nearest(f"{given}.toml", beside) if not given.endswith(".toml") else None
    close = nearest(given, shipped_names() + beside) or stem
    hint = f"did you mean {quoted(close)}?" if close else None
    what = "file in this folder" if given.endswith(".toml") else "shipped scenario"
    message = f"there is no {what} called {quoted(given)}"
    return child.value_place(("extends",)).problem("R01", message, hint)


def _remove_problems(child: Merged) -> list[Problem]:
    remove: Any = child.table["remove"]
    if not isinstance(remove, dict):
        message = f"remove is {value_in_words(remove)}; it must be a table of lists of names"
        return [child.value_place(("remove",)).problem("Y01", message)]
    if "extends" not in child.table:
        message = '"remove" takes entries out of an inherited scenario; "extends" is missing'
        return [child.key_place(("remove",)).problem("K03", message)]
    return []


def _without_remove(merged: Merged) -> Merged:
    table = {key: value for key, value in merged.table.items() if key != "remove"}
    return Merged(merged.name, table, merged.values, merged.keys)
