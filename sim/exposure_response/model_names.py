"""Names of models in a model file, from columns and group labels of any spelling."""

import re
import unicodedata
from collections.abc import Sequence

from sim.errors import LimitError, quoted

NAME_AT_MOST = 64
_SPELLED = (("<=", "le"), (">=", "ge"), ("≤", "le"), ("≥", "ge"), ("<", "lt"), (">", "gt"))
_VALID = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def model_names(
    columns: Sequence[str], given: Sequence[str], groups: Sequence[str]
) -> dict[tuple[str, str], str]:
    """Return the name of the model of every (column, group); a group "" adds nothing.

    given are names in the columns' order, or none. Signs of a label become letters (<65 becomes
    lt65), other letters than A to Z their nearest, all else an underscore; names that would be
    the same get a number. Raises LimitError for a given name that is none, or is given twice.
    """
    faults = [
        f"--name {quoted(name)} is not a letter followed by letters, digits, _ or -"
        for name in given
        if not (_VALID.fullmatch(name) and len(name) <= NAME_AT_MOST)
    ]
    faults += [f"--name {quoted(n)} is given twice" for n in sorted(set(given)) if _twice(n, given)]
    if faults:
        raise LimitError("; ".join(faults))
    found: dict[tuple[str, str], str] = {}
    for number, column in enumerate(columns):
        start = given[number] if given else _spelled(column)
        for group in groups:
            name = f"{start}_{_spelled(group)}" if group else start
            if not name[0].isalpha():
                name = f"event_{name}"
            found[column, group] = _different(name[:NAME_AT_MOST], set(found.values()))
    return found


def _twice(name: str, names: Sequence[str]) -> bool:
    return list(names).count(name) > 1


def _spelled(text: str) -> str:
    """Return the text in the letters, digits, - and _ that a name may have."""
    for sign, word in _SPELLED:
        text = text.replace(sign, word)
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9-]+", "_", plain).strip("_") or "_"


def _different(name: str, taken: set[str]) -> str:
    number, found = 1, name
    while found in taken:
        number += 1
        ending = f"-{number}"
        found = name[: NAME_AT_MOST - len(ending)] + ending
    return found
