"""The name a person probably meant."""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher

LIKENESS_AT_LEAST = 0.6
PART_OF_NAME = 0.7


def nearest(word: str, names: Iterable[str]) -> str | None:
    """The most similar of the names, or None when none is similar; ties go to the first."""
    best = max(names, key=lambda name: likeness(word, name), default=None)
    return best if best is not None and likeness(word, best) >= LIKENESS_AT_LEAST else None


def likeness(word: str, name: str) -> float:
    """Similarity of two words from 0 to 1, upper and lower case alike."""
    word, name = word.lower()[:100], name.lower()[:100]
    matcher = SequenceMatcher(None, word, name)
    # A cheap upper bound first: a file may hold thousands of unknown keys.
    alike = matcher.ratio() if matcher.quick_ratio() >= LIKENESS_AT_LEAST else 0.0
    # "grade" for "counting_grade": letters alone find them too unlike.
    return max(alike, PART_OF_NAME) if word in re.split("[_-]", name) else alike
