"""Reading scenario files: the shipped ones, inheritance, overrides, random damage."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.errors import FileError, ScenarioError, SimError, problem_text
from sim.scenario.document import Document, document_from_bytes, read_document
from sim.scenario.file import Loaded, load_document, load_scenario
from sim.scenario.json_schema import json_schema_text, schema_path
from sim.scenario.library import shipped_names, shipped_scenarios
from sim.scenario.risk import ConstantWeights, PiecewiseWeights
from sim.scenario.shape import all_paths

EXAMPLES = int(os.environ.get("TITRASIM_FUZZ_EXAMPLES", "150"))
MINIMAL = "ixazomib-minimal"
HEAD = f'format = 1\nname = "child"\nextends = "{MINIMAL}"\n'
SHIPPED_TEXTS = [read_document(name).text for name in shipped_names()]


def load_text(text: str, *overrides: str) -> Loaded:
    """Load a scenario from its text."""
    return load_document(document_from_bytes(text.encode(), "t.toml", Path("t.toml")), overrides)


def problems_of(text: str, *overrides: str) -> str:
    """The report of a text that cannot be loaded."""
    with pytest.raises(ScenarioError) as caught:
        load_text(text, *overrides)
    return problem_text(caught.value.problems)


@pytest.mark.parametrize("name", shipped_names())
def test_every_shipped_scenario_loads_without_a_warning(name: str) -> None:
    loaded = load_scenario(name)
    assert loaded.scenario.name == name
    assert loaded.warnings == []
    assert loaded.text == loaded.files[0].read_bytes()


def test_the_library_lists_names_and_titles() -> None:
    listed = {scenario.name: scenario.title for scenario in shipped_scenarios()}
    assert listed[MINIMAL].startswith("Ixazomib maintenance")
    assert all(listed.values())


def test_a_file_is_read_by_path_and_a_shipped_scenario_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(SHIPPED_TEXTS[0])
    assert read_document("mine.toml").name == "mine.toml"
    assert read_document(MINIMAL).name == f"{MINIMAL}.toml"


def test_byte_order_mark_and_windows_line_ends_are_accepted() -> None:
    text = read_document(MINIMAL).text
    data = b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()
    loaded = load_document(document_from_bytes(data, "t.toml", Path("t.toml")))
    assert loaded.scenario == load_scenario(MINIMAL).scenario
    assert loaded.text == data


def test_the_json_schema_on_disk_is_current() -> None:
    assert schema_path().read_text(encoding="utf-8") == json_schema_text()


def test_a_child_changes_what_it_names_and_keeps_the_rest() -> None:
    loaded = load_text(
        HEAD
        + '[posology]\nstart_mg = 4.0\nsource = "ASSUMED"\n'
        + '[[adverse_event]]\nname = "rash"\nsetting_multiplier = 0.5\nsource = "ASSUMED"\n'
        + '[[exit]]\ncause = "death"\nprobability_per_cycle = 0.001\nsource = "ASSUMED"\n'
    )
    parent = load_scenario(MINIMAL).scenario
    child = loaded.scenario
    assert child.posology.start_mg == 4.0
    assert child.posology.levels_mg == parent.posology.levels_mg
    assert [event.name for event in child.adverse_event] == [e.name for e in parent.adverse_event]
    assert child.adverse_event[2].setting_multiplier == 0.5
    assert child.adverse_event[2].counting_grade == parent.adverse_event[2].counting_grade
    assert [leaving.cause for leaving in child.exit] == ["other", "death"]
    assert child.rule == parent.rule
    assert [path.name for path in loaded.files] == ["t.toml", f"{MINIMAL}.toml"]


def test_a_child_removes_inherited_entries_by_name() -> None:
    removal = 'remove = { adverse_event = ["rash", "fatigue"], rule = ["escalate-at-5"] }\n'
    child = load_text(HEAD + removal).scenario
    names = [event.name for event in child.adverse_event]
    assert names == ["neutropenia", "thrombocytopenia", "diarrhea"]
    assert [rule.id for rule in child.rule] == ["stop-for-adverse-event"]


def test_positions_stay_right_after_entries_are_removed() -> None:
    text = HEAD + 'remove = { adverse_event = ["neutropenia"] }\n'
    assert "t.toml:6:1: error[K01]" in problems_of(text + "[posology]\nlevls = 1\n")
    report = problems_of(text + "[posology]\nlevels_mg = [3.0]\n")
    line = read_document(MINIMAL).text.split("\n").index('do = "+1"') + 1
    assert f"{MINIMAL}.toml:{line}:6: error[D04]" in report


def test_a_way_of_giving_a_probability_replaces_the_inherited_way() -> None:
    child = load_text(HEAD + '[[adverse_event]]\nname = "rash"\nprobability = 0.1\nsource = "x"\n')
    assert child.scenario.adverse_event[2].probability == 0.1
    assert child.scenario.adverse_event[2].probability_by_dose_mg is None


def test_a_change_of_law_drops_the_parameters_of_the_other_law() -> None:
    start = HEAD + '[exposure_response]\nsource = "x"\n'
    constant = load_text(start + 'weights = { law = "constant" }\n').scenario
    assert constant.exposure_response.weights == ConstantWeights(law="constant")
    share = load_text(start + "weights = { early_share = 0.5 }\n").scenario
    expected = PiecewiseWeights(law="piecewise", early_cycles=4, early_share=0.5)
    assert share.exposure_response.weights == expected


def test_a_condition_is_replaced_whole() -> None:
    rule = '[[rule]]\nid = "escalate-at-5"\nwhen = { history = "reduction", count.lt = 1 }\n'
    child = load_text(HEAD + rule + 'source = "x"\n').scenario
    assert child.rule[1].when.model_dump(exclude_defaults=True)["history"] == "reduction"


def test_grandparents_in_the_same_folder(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(HEAD + "[pharmacokinetics]\ncl_f_l_per_h = 3.0\n")
    (tmp_path / "b.toml").write_text(
        'format = 1\nname = "b"\nextends = "a.toml"\n[pharmacokinetics]\ncl_f_sd_log = 0.3\n'
    )
    loaded = load_scenario(tmp_path / "b.toml")
    assert loaded.scenario.pharmacokinetics.cl_f_l_per_h == 3.0
    assert loaded.scenario.pharmacokinetics.cl_f_sd_log == 0.3
    assert [path.name for path in loaded.files] == ["b.toml", "a.toml", f"{MINIMAL}.toml"]
    inherited = [warning for warning in loaded.warnings if warning.code == "P01"]
    assert [(warning.file, warning.line) for warning in inherited] == [("b.toml", 5), ("a.toml", 5)]


def test_a_child_needs_a_name_of_its_own() -> None:
    report = problems_of(f'format = 1\nextends = "{MINIMAL}"\n')
    assert 'needs its own "name"' in report


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("posology.start_mg=4", "posology.start_mg", 4),
        ("adverse_event.rash.setting_multiplier=0.5", "adverse_event.2.setting_multiplier", 0.5),
        ("rule.escalate-at-5.on.cycle=[6]", "rule.1.on.cycle", (6,)),
        ("rule.escalate-at-5.do=+1", "rule.1.do", "+1"),
        ("rule.escalate-at-5.do=-1", "rule.1.do", -1),
        ("policy.seen=visit", "policy.seen", "visit"),
        ('title = "A = B"', "title", "A = B"),
        ("outcomes.delay_lengths_days=[5]", "outcomes.delay_lengths_days", (5,)),
        (
            "rule.escalate-at-5.when.none.related-delay-over-7-days.days.gt=14",
            "rule.1.when.none.2.days.gt",
            14,
        ),
        (
            "adverse_event.rash.duration.1.law=to_end_of_cycle",
            "adverse_event.2.duration.0.law",
            "to_end_of_cycle",
        ),
        (
            "adverse_event.rash.probability_by_dose_mg.3.0=0.05",
            "adverse_event.2.probability_by_dose_mg.3.0",
            0.05,
        ),
        (
            'adverse_event.rash.probability_by_dose_mg."3.0"=0.05',
            "adverse_event.2.probability_by_dose_mg.3.0",
            0.05,
        ),
    ],
)  # fmt: skip
def test_overrides(override: str, path: str, value: Any) -> None:
    found: Any = load_scenario(MINIMAL, [override]).scenario
    steps = path.split(".") if not path.endswith("mg.3.0") else [*path[:-4].split("."), "3.0"]
    for step in steps:
        if isinstance(found, tuple):
            found = found[int(step)]
        else:
            found = found[step] if isinstance(found, dict) else getattr(found, step)
    assert found == value


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("posology.start=4", 'no setting "posology.start"'),
        ("posology.start=4", 'did you mean "posology.start_mg"?'),
        ("adverse_event.rush.label=x", 'did you mean "adverse_event.rash"?'),
        ("posology.start_mg.x=4", 'is a single value; there is no "x" in it'),
        ("posology", "write path=value"),
        ("extends=x", 'no setting "extends"'),
        ("rule.9.id=x", 'no setting "rule.9"'),
        ("posology.start_mg=four", "error[Y01]: posology.start_mg is text"),
        ("posology.start_mg=5", "error[D02]: start dose 5 mg is not a dose level (3 mg, 4 mg)"),
        ("title==1", 'error[Z02]: title may not start with "="'),
        ("calibration.cycles=12", '[calibration] needs "multiplier"'),
    ],
)
def test_overrides_that_cannot_be(override: str, words: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(MINIMAL, [override])
    report = problem_text(caught.value.problems)
    assert words in report
    assert "--set" in report


def test_an_override_changes_nothing_for_the_next_load() -> None:
    before = load_scenario(MINIMAL).scenario
    load_scenario(MINIMAL, ["posology.start_mg=4"])
    assert load_scenario(MINIMAL).scenario == before


def assert_only_known_errors(load: Any) -> None:
    """Loading works or gives problems in our words, never a traceback."""
    try:
        loaded = load()
    except (ScenarioError, FileError) as error:
        assert error.problems
        text = problem_text(error.problems)
        assert "this cannot be used" not in text  # the models refused what our walk let pass
        assert text.isprintable() or "\n" in text
    else:
        assert isinstance(loaded, Loaded)


FRAGMENTS = st.sampled_from([
    "=", "[", "]", "[[", "]]", "{", "}", ",", "\n", '"', "'", '"""', "#", ".", "0", "-1", "1e999",
    "nan", "true", "[rule]", "[[posology]]", "when = {}", "do = 3", "\x00", "\r", "“", "\ufeff",
    '"3.0" = 7', "law", "grade", "extends = 'x'", "remove = 3", "format = 2", "é", "9" * 30,
])  # fmt: skip


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.sampled_from(SHIPPED_TEXTS), st.data())
def test_damaged_text_never_gives_a_traceback(text: str, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        length = data.draw(st.sampled_from([0, 0, 1, 5, 40, 400]))
        text = text[:at] + data.draw(FRAGMENTS) + text[at + length :]
    assert_only_known_errors(lambda: load_text(text))


ODD_VALUES = st.recursive(
    st.sampled_from([
        0, 1, -1, 5, 64, 2.5, 37.0, 10**30, float("nan"), float("inf"), True, False, "", "x", "=x",
        "ever", "stop", "+1", "set 3", "set 9.9", "cycles 9-2", "last 0 days", "rash", "con",
    ]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["event", "history", "value", "law", "none", "ge", "id", "x", "3.0"]),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=4,
)  # fmt: skip


def _changed(table: Any, path: tuple[str | int, ...], value: Any) -> Any:
    if not path:
        return value
    copy: Any = dict(table) if isinstance(table, dict) else list(table)
    copy[path[0]] = _changed(table[path[0]], path[1:], value)
    return copy


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.sampled_from(shipped_names()), st.data())
def test_odd_values_never_give_a_traceback(name: str, data: st.DataObject) -> None:
    document = read_document(name)
    table = document.table
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from([path for path in all_paths(table) if path]))
        table = _changed(table, path, data.draw(ODD_VALUES))
    odd = Document(name, document.path, b"", document.text, table, document.places)
    assert_only_known_errors(lambda: load_document(odd))


@settings(max_examples=EXAMPLES // 3, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_give_problems(data: bytes) -> None:
    with pytest.raises(SimError):
        load_document(document_from_bytes(data, "t.toml", Path("t.toml")))


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.text(max_size=12), st.text(max_size=8))
def test_any_override_gives_problems_or_loads(path: str, value: str) -> None:
    assert_only_known_errors(lambda: load_scenario(MINIMAL, [f"{path}={value}"]))


@pytest.mark.parametrize("given", ["", ".", "..", "a\0.toml", "a" * 300 + ".toml", "x/y", "x\\y"])
def test_odd_parents_are_refused_in_our_words(given: str) -> None:
    written = given.replace("\\", "\\\\").replace("\0", "\\u0000")
    report = problems_of(f'format = 1\nname = "a"\nextends = "{written}"\n')
    assert "error[Z03]" in report or "error[R01]" in report


@pytest.mark.parametrize(
    "text",
    [
        "a = [" + "1," * 200_000 + "]",
        "[[rule]]\n" * 60_000,
        "a = " + "x" * 1_000_000,
        "\n[" * 9_000,
    ],
)
def test_large_nonsense_is_refused_quickly(text: str) -> None:
    started = time.monotonic()
    assert "error[" in problems_of(text)
    assert time.monotonic() - started < 20
