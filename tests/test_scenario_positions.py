"""The locator finds every key and value that the standard TOML parser finds."""

import os
import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.scenario.document import read_document
from sim.scenario.library import shipped_names
from sim.scenario.locate import locate
from sim.scenario.shape import all_paths

EXAMPLES = int(os.environ.get("TITRASIM_FUZZ_EXAMPLES", "150"))


def assert_located(text: str) -> None:
    """The locator and the standard parser agree on what is there."""
    expected = set(all_paths(tomllib.loads(text)))
    places = locate(text)
    assert set(places.values) == expected
    assert places.repeats == []


KEYS = st.sampled_from(["a", "b", "c-d", '"e.f"', "'g h'", '"\\u00e9"', "1"])
SCALARS = st.sampled_from([
    "1", "-2.5", "1e6", "true", "inf", "nan", "0xff", "1_000", '"x"', "'#]}'", '"a\\"]#"', '""',
    '"""one"""', '"""\ntwo "quoted" lines\\\n  on"""', "'''it''s'''", '"""""a"""""', "''''x''''",
    "1979-05-27", "1979-05-27 07:32:00Z", "07:32:00",
])  # fmt: skip
DOTTED = st.lists(KEYS, min_size=1, max_size=3).map(" . ".join)
COMMENT = st.sampled_from(["", " # a = [", " #"])


def _array(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    gap = st.sampled_from(["", " ", "\n", " # ] ,\n"])
    items = st.lists(values, max_size=3)
    return st.builds(lambda i, g, t: f"[{g}" + f"{g},{g}".join(i) + t + f"{g}]", items, gap, gap)


def _inline(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.lists(st.tuples(DOTTED, values), max_size=3)
    return pairs.map(lambda p: "{ " + ", ".join(f"{k} = {v}" for k, v in p) + " }")


VALUES = st.recursive(SCALARS, lambda v: st.one_of(_array(v), _inline(v)), max_leaves=6)
STATEMENTS = st.one_of(
    st.builds(lambda k, v, c: f"{k} = {v}{c}", DOTTED, VALUES, COMMENT),
    st.builds(lambda k, c: f"[{k}]{c}", DOTTED, COMMENT),
    st.builds(lambda k, c: f"[[ {k} ]]{c}", DOTTED, COMMENT),
)


@settings(max_examples=EXAMPLES * 4, deadline=None)
@given(st.lists(STATEMENTS, max_size=6), st.sampled_from(["\n", "\r\n", "\n\n  "]))
def test_positions_for_every_text_the_standard_parser_accepts(lines: list[str], end: str) -> None:
    text = end.join(lines)
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        locate(text)  # must not raise either
        return
    assert_located(text)


@pytest.mark.parametrize("name", shipped_names())
def test_positions_in_shipped_files_point_at_the_values(name: str) -> None:
    document = read_document(name)
    assert_located(document.text)
    lines = document.text.split("\n")
    for path in all_paths(document.table):
        value: Any = document.table
        for step in path:
            value = value[step]
        if isinstance(value, str):
            line, column = document.places.values[path]
            assert lines[line - 1][column - 1 :].startswith(f'"{value[:20]}')


def test_a_repeated_key_is_noticed_with_its_first_line() -> None:
    (repeat,) = locate("[a]\nb = 1\nc = 2\nb = 3\n").repeats
    assert (repeat.path, repeat.first_line, repeat.line, repeat.column) == (("a", "b"), 2, 4, 1)
