"""What is wrong with one value, in plain words: what was found, what is allowed, one hint."""

import datetime
import math
import re
from dataclasses import dataclass
from typing import Any

from pydantic import Discriminator

from sim.errors import quoted
from sim.scenario.locate import Path
from sim.scenario.noun import Name, Text
from sim.scenario.policy import ACTION_PATTERN, WINDOW_PATTERN
from sim.scenario.shape import Node, node

NAME_PATTERN = node(Name).limits["pattern"]
TEXT_PATTERN = node(Text).limits["pattern"]
EXACT_COUNT_AT_MOST = 4_294_967_295
FAR = 1e9  # limits as far as this only keep numbers computable
ACTIONS = 'skip, hold, delay, "delay 7", stop, "+1", -1, "set 3.0"'
WINDOWS = 'ever, cycle, "since change", "cycles 3-4", "last 2 cycles", "last 14 days"'
RESERVED_NAMES = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))]
)
_WRITTEN_NUMBER = re.compile(r"[+-]?[\d_]+(?:\.[\d_]+)?(?:[eE][+-]?\d+)?")
# Control characters, and the marks that reverse the direction of text on a screen.
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_WITH_UNIT = re.compile(r"[+-]?\d+(?:\.\d+)?\s*[A-Za-z%/].*")
_UNION_WORDS = {
    "do": f"an action ({ACTIONS}) or a list of actions",
    "resume": '"same", a step down such as -1, or a list of these',
    "then": '"proceed", "stop" or a step down such as -1',
    "source": "one text, or a table with one text for each key",
}


@dataclass(frozen=True)
class Finding:
    """A fault of a value, before it is known where it stands."""

    code: str
    message: str
    hint: str | None = None


def value_in_words(value: Any) -> str:
    """A value as messages show it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, float):
        return _float_in_words(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**18 else f"a number of {len(str(value))} digits"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    return str(value) if isinstance(value, datetime.date | datetime.time) else "a value"


def kind_in_words(here: Node, value: object = None) -> str:
    """What must stand at a place; the limits that no sane value meets only if this one does."""
    if here.limits.get("discriminator") is not None or here.model or here.free_key_value:
        return "a table"
    if here.item is not None:
        return f"a list of {_plural(here.item)}"
    if here.words:
        words = ", ".join(value_in_words(word) for word in here.words)
        return words if len(here.words) == 1 else f"one of {words}"
    if here.kind is float:
        return f"a number{_range_in_words(here, value)}"
    if here.kind is int:
        return f"a whole number{_range_in_words(here, value)}"
    if here.kind is bool:
        return "true or false"
    if here.limits.get("pattern") == NAME_PATTERN:
        return "a name in quotes"
    return "text in quotes" if here.kind is str else "an action" if here.members else "a value"


def type_finding(here: Node, value: Any, name: str) -> Finding:
    """A value of the wrong kind."""
    found, must = value_in_words(value), kind_in_words(here)
    if isinstance(here.limits.get("discriminator"), Discriminator) and isinstance(value, str):
        example = '{ event = "adverse_event", grade.ge = 2 }'
        return Finding("Z04", f"{name} is text {found}; a condition is a table such as {example}")
    shown = f"text {found}" if isinstance(value, str) else found
    if here.item is not None and isinstance(value, dict) and _holds_tables(here.item):
        return Finding("Y04", f"{name} is a single table; write [[{name}]] in double brackets")
    if here.model is not None and isinstance(value, list) and "." not in name:
        return Finding("Y04", f"{name} is a list of tables; write [{name}] in single brackets")
    if here.item is not None:
        hint = None if isinstance(value, dict | list) else f"write [{value_in_words(value)}]"
        return Finding("Y04", f"{name} is {shown}; it must be {must}", hint)
    if isinstance(value, bool):
        return Finding("Y02", f"{name} is {found}; it must be {must}")
    hint = None
    bare = _is_number if here.kind in (int, float) else _is_truth if here.kind is bool else None
    if isinstance(value, str) and bare is not None and bare(value):
        hint = "remove the quotes"
    elif isinstance(value, str) and here.kind in (int, float) and _WITH_UNIT.fullmatch(value):
        hint = "write the number alone; the key names the unit"
    elif here.kind is str and isinstance(value, int | float):
        hint = "put it in quotes"
    return Finding("Y01", f"{name} is {shown}; it must be {must}", hint)


def number_finding(here: Node, value: float, name: str, written: str = "") -> Finding | None:
    """A number that is not finite, not whole, or out of range; None when it fits."""
    if isinstance(value, float) and math.isnan(value):
        return Finding("N01", f"{name} is nan; a number is needed")
    if _is_too_large(value):
        digits = _WRITTEN_NUMBER.match(written)
        shown = f"({digits.group()[:30]})" if digits else "(infinite)"
        return Finding("N01", f"{name} is too large for this program {shown}")
    if here.kind is int and isinstance(value, float):
        hint = f"write {value:.0f}" if value.is_integer() else None
        return Finding("Y03", f"{name} is {value!r}; it must be a whole number", hint)
    if here.kind is int and value > EXACT_COUNT_AT_MOST:
        most = here.limits.get("le", EXACT_COUNT_AT_MOST)
        return Finding("N06", f"{name} is {value_in_words(value)}; the most is {most}")
    if _within(here, value):
        return None
    found = value_in_words(value)
    if _is_probability(here):
        limits = _probability_in_words(here)
        if 1 < value <= 100:
            hint = f"did you mean {value / 100:g}?"
            return Finding("N03", f"{name} is {found}; {limits}", hint)
        return Finding("N02", f"{name} is {found}; {limits}")
    return Finding("N02", f"{name} is {found}; it must be {kind_in_words(here, value)}")


def text_finding(here: Node, value: str, name: str) -> Finding | None:
    """Text that is too long or not of the pattern it must have; None when it fits."""
    pattern, most = here.limits.get("pattern"), here.limits.get("max_length")
    if pattern == NAME_PATTERN:
        return _name_finding(value, name, most)
    hidden = _HIDDEN.search(value)
    if hidden is not None:
        return Finding("Z01", f"{name} holds the unseen character {quoted(hidden[0])}; delete it")
    if most is not None and len(value) > most:
        return Finding("Y04", f"{name} has {len(value)} characters; the most is {most}")
    if pattern is None or re.search(str(pattern), value):
        return None
    if pattern == TEXT_PATTERN:
        return Finding("Z02", f"{name} may not start with {quoted(value[:1])}")
    if pattern == WINDOW_PATTERN:
        return Finding("Z04", f"{name} is {quoted(value)}, which is no window; windows: {WINDOWS}")
    if pattern == ACTION_PATTERN:
        return Finding("Z04", f"{name} is {quoted(value)}, which is no action; actions: {ACTIONS}")
    return Finding("Z04", f'{name} is {quoted(value)}; it must be "ever" or such as "2 cycles"')


def union_finding(here: Node, value: Any, path: Path, name: str) -> Finding:
    """A value that is none of several kinds it may have."""
    key = next((step for step in reversed(path) if isinstance(step, str)), "")
    must = _UNION_WORDS.get(key, kind_in_words(here))
    code = "Y02" if isinstance(value, bool) else "Y01"
    if key in ("do", "resume", "then") and isinstance(value, str | int) and code == "Y01":
        code = "Z04"
    hint = None
    if key == "do" and isinstance(value, int) and not isinstance(value, bool) and value > 0:
        hint = f'a step up is written "+{value}"'
    return Finding(code, f"{name} is {value_in_words(value)}; it must be {must}", hint)


def number_text(value: float) -> str:
    """A number as people write it: no trailing zeros."""
    return _float_in_words(float(value))


def _name_finding(value: str, name: str, most: int | None) -> Finding | None:
    allowed = "use letters, digits, _ and -, a letter first"
    if most is not None and len(value) > most:
        return Finding("Z01", f"{name} has {len(value)} characters; the most is {most}")
    if not value:
        return Finding("Z01", f"{name} is empty; {allowed}")
    if value.lower() in RESERVED_NAMES:
        return Finding("Z01", f"{name} is {quoted(value)}, a name some systems keep for devices")
    bad = next((c for c in value if not re.fullmatch(r"[A-Za-z0-9_-]", c)), None)
    if bad is not None:
        return Finding("Z01", f"{name} contains {quoted(bad)}; {allowed}")
    if not value[0].isalpha():
        return Finding("Z01", f"{name} starts with {quoted(value[0])}; {allowed}")
    return None


def _float_in_words(value: float) -> str:
    if math.isnan(value):
        return "nan"
    return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else repr(value)


def _is_too_large(value: float) -> bool:
    if isinstance(value, int):
        return abs(value) > 10**300
    return math.isinf(value)


def _within(here: Node, value: float) -> bool:
    low, above = here.limits.get("ge"), here.limits.get("gt")
    high, below = here.limits.get("le"), here.limits.get("lt")
    return (
        (low is None or value >= low)
        and (above is None or value > above)
        and (high is None or value <= high)
        and (below is None or value < below)
    )


def _is_probability(here: Node) -> bool:
    low = here.limits.get("ge", here.limits.get("gt"))
    return here.kind is float and low == 0 and here.limits.get("le", here.limits.get("lt")) == 1


def _probability_in_words(here: Node) -> str:
    if "gt" in here.limits and "lt" in here.limits:
        return "a probability must lie between 0 and 1, and be neither"
    if "lt" in here.limits:
        return "a probability must be 0 or more and less than 1"
    if "gt" in here.limits:
        return "a probability must be more than 0 and at most 1"
    return "a probability must lie in 0..1"


def _range_in_words(here: Node, value: object) -> str:
    low, above = here.limits.get("ge"), here.limits.get("gt")
    high, below = here.limits.get("le"), here.limits.get("lt")
    if high is not None and high >= FAR and not (isinstance(value, int | float) and value > high):
        high = None
    if low is not None and high is not None and low > -FAR:
        return f" from {number_text(low)} to {number_text(high)}"
    words = []
    if low is not None and (low > -FAR or (isinstance(value, int | float) and value < low)):
        words.append(f"{number_text(low)} or more")
    if above is not None:
        words.append(f"more than {number_text(above)}")
    if high is not None:
        words.append(f"at most {number_text(high)}")
    if below is not None:
        words.append(f"less than {number_text(below)}")
    return ", " + " and ".join(words) if words else ""


def _plural(item: Node) -> str:
    if _holds_tables(item):
        return "tables"
    return {float: "numbers", int: "whole numbers", str: "texts in quotes"}.get(item.kind, "values")


def _holds_tables(item: Node) -> bool:
    return item.model is not None or item.limits.get("discriminator") is not None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_truth(text: str) -> bool:
    return text.lower() in ("true", "false")
