"""Commands that read a scenario without running a study: check, explain, diary and their like."""

import json
import sys
from typing import Annotated

from cyclopts import Parameter

Overrides = Annotated[
    tuple[str, ...],
    Parameter(
        name="--set",
        help="Change one value: path=value, for example exposure_response.clock=reset. Repeatable.",
        negative="",
    ),
]
AsJson = Annotated[bool, Parameter(name="--json", help="Print for machines.", negative="")]


def scenarios(*, as_json: AsJson = False) -> None:
    """List the shipped scenarios; each can be named without a path."""
    from sim.scenario.library import shipped_scenarios

    found = shipped_scenarios()
    if as_json:
        print(json.dumps([{"name": one.name, "title": one.title} for one in found], indent=2))
        return
    width = max(len(one.name) for one in found)
    for one in found:
        print(f"{one.name:<{width}}  {one.title}")


def check(
    scenario: str,
    *,
    resolved: Annotated[
        bool, Parameter(help="Print the scenario with every default written out.", negative="")
    ] = False,
    strict: Annotated[bool, Parameter(help="A missing source is an error.", negative="")] = False,
    set_: Overrides = (),
    as_json: AsJson = False,
) -> int:
    """Check a scenario: all problems at once with line and key, or "ok". Nothing is run.

    Parameters
    ----------
    scenario
        A TOML file, or the name of a shipped scenario.
    """
    from sim.errors import ScenarioError, problem_list, problem_text
    from sim.scenario.file import load_scenario
    from sim.scenario.resolved import resolved_json

    try:
        loaded = load_scenario(scenario, set_, strict=strict)
    except ScenarioError as error:
        if as_json:
            print(json.dumps({"ok": False, "problems": problem_list(error.problems)}, indent=2))
            return error.exit_code
        raise
    if resolved:
        print(resolved_json(loaded.scenario), end="")
    elif as_json:
        print(json.dumps({"ok": True, "problems": problem_list(loaded.warnings)}, indent=2))
    else:
        if loaded.warnings:
            print(problem_text(loaded.warnings), file=sys.stderr)
        print("ok")
    return 0


def explain(scenario: str, *, set_: Overrides = ()) -> None:
    """Tell a scenario in plain sentences: posology, events, rules, readings, with sources.

    Parameters
    ----------
    scenario
        A TOML file, or the name of a shipped scenario.
    """
    from sim.explain import explain as sentences
    from sim.scenario.file import load_scenario

    print(sentences(load_scenario(scenario, set_).scenario))


def diary(
    scenario: str,
    *,
    patient: Annotated[int, Parameter(help="Number of the patient, from 0.")],
    seed: Annotated[int, Parameter(help="Seed of all draws.")] = 1,
    every_ask: Annotated[
        bool,
        Parameter(help="List every rule that was asked, also when nothing changed.", negative=""),
    ] = False,
    set_: Overrides = (),
    as_json: AsJson = False,
) -> None:
    """Tell one patient's course in prose: doses, events, every decision and what decided it.

    Example: titrasim diary ixazomib-maintenance --patient 17

    Parameters
    ----------
    scenario
        A TOML file, or the name of a shipped scenario.
    """
    from sim.diary import diary as prose
    from sim.diary import diary_entries
    from sim.plan.plan import compile_plan
    from sim.scenario.file import load_scenario

    plan = compile_plan(load_scenario(scenario, set_).scenario, seed)
    if as_json:
        print(json.dumps(diary_entries(plan, patient), indent=2, default=str))
    else:
        print(prose(plan, patient, every_ask=every_ask))


def calibrate(
    scenario: str,
    *,
    patients: Annotated[int, Parameter(help="Virtual patients per step.")] = 200_000,
    seed: Annotated[int, Parameter(help="Seed of all draws.")] = 1,
    set_: Overrides = (),
    as_json: AsJson = False,
) -> None:
    """Solve the common multiplier of the per-event discontinuation probabilities.

    The multiplier is found under which all routes to an AE discontinuation together give
    the published share in the calibration setting of [calibration].

    Parameters
    ----------
    scenario
        A TOML file with [calibration], or the name of a shipped scenario.
    """
    from dataclasses import asdict

    from sim.calibration import STEPS, report
    from sim.calibration import calibrate as solve
    from sim.cli.progress import progress_bar
    from sim.scenario.file import load_scenario

    loaded = load_scenario(scenario, set_).scenario
    with progress_bar(STEPS, "steps") as advance:
        solution = solve(loaded, patients, seed, advance)
    print(json.dumps(asdict(solution), indent=2) if as_json else report(loaded, solution))


def schema() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    from sim.scenario.json_schema import json_schema_text

    print(json_schema_text(), end="")


COMMANDS = (scenarios, check, explain, diary, calibrate, schema)
