"""Commands that read a scenario without running a study: check, explain, diary and their like."""

import json
import sys
from typing import Annotated

from sim.cli.options import AsJson, Overrides, ScenarioName, Seed, flag, number


def scenarios(*, as_json: AsJson = False) -> None:
    """List the shipped scenarios; each can be named without a path.

    Prints a name and a title per line. To read one:  titrasim explain ixazomib-maintenance
    """
    from sim.scenario.library import shipped_scenarios

    found = shipped_scenarios()
    if as_json:
        print(json.dumps([{"name": one.name, "title": one.title} for one in found], indent=2))
        return
    width = max(len(one.name) for one in found)
    for one in found:
        print(f"{one.name:<{width}}  {one.title}")


def check(
    scenario: ScenarioName,
    /,
    *,
    resolved: Annotated[bool, flag("Print the scenario with every default written out.")] = False,
    strict: Annotated[bool, flag("Take a number without a source for an error.")] = False,
    set_: Overrides = (),
    as_json: AsJson = False,
) -> int:
    """Check a scenario: all problems at once, with line and key, or "ok". Nothing is run.

    Try:  titrasim check my-trial.toml --strict
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
    if as_json and not resolved:
        print(json.dumps({"ok": True, "problems": problem_list(loaded.warnings)}, indent=2))
        return 0
    if loaded.warnings:
        print(problem_text(loaded.warnings), file=sys.stderr)
    print(resolved_json(loaded.scenario), end="") if resolved else print("ok")
    return 0


def explain(
    scenario: ScenarioName,
    /,
    *,
    register: Annotated[
        bool, flag("Print every parameter with unit, range, source and oddities instead.")
    ] = False,
    set_: Overrides = (),
    as_json: AsJson = False,
) -> None:
    """Tell a scenario in plain sentences: posology, events, rules, readings, with sources.

    With --register the parameters as a table, which results folders hold as
    parameters.csv: what is solved from a published table stands beside it with
    the range its rounding allows, and with the interval of its standard errors.

    Try:  titrasim explain ixazomib-maintenance
    """
    from sim.scenario.file import load_scenario

    loaded = load_scenario(scenario, set_).scenario
    if register or as_json:
        from dataclasses import asdict

        from sim.register import register as entries_of
        from sim.register import register_text

        entries = entries_of(loaded)
        rows = [asdict(entry) for entry in entries]
        print(json.dumps(rows, indent=2) if as_json else register_text(entries))
        return
    from sim.explanation import explain as sentences

    print(sentences(loaded))


def diary(
    scenario: ScenarioName,
    /,
    *,
    patient: Annotated[int, number("Number of the patient, from 0.")],
    seed: Seed = 1,
    every_ask: Annotated[bool, flag("Also list rules that were asked and did nothing.")] = False,
    set_: Overrides = (),
    as_json: AsJson = False,
) -> None:
    """Tell one patient's course in prose: doses, events, every decision and what decided it.

    It is the patient that run and compare simulate under this number and seed.

    Try:  titrasim diary ixazomib-maintenance --patient 17
    """
    from sim.errors import LimitError

    if patient < 0:
        raise LimitError(f"patient is {patient}; patients are numbered from 0")
    from sim.diary_prose import diary as prose
    from sim.diary_prose import diary_entries
    from sim.plan.plan import check_patients, compile_plan
    from sim.scenario.file import load_scenario

    check_patients(patient, 1)
    plan = compile_plan(load_scenario(scenario, set_).scenario, seed)
    if as_json:
        print(json.dumps(diary_entries(plan, patient), indent=2, default=str))
    else:
        print(prose(plan, patient, every_ask=every_ask))


def calibrate(
    scenario: ScenarioName,
    /,
    *,
    patients: Annotated[int, number("Virtual patients per step.")] = 200_000,
    seed: Seed = 1,
    set_: Overrides = (),
    as_json: AsJson = False,
) -> None:
    """Solve the common multiplier of the per-event discontinuation probabilities.

    Finds the multiplier under which all routes to an adverse-event
    discontinuation together give the published share, in the setting that
    [calibration] of the scenario states. Prints it with its error and the
    stops by route; the scenario is not changed.

    Try:  titrasim calibrate ixazomib-maintenance
    """
    from dataclasses import asdict

    from sim.calibration import STEPS, report
    from sim.calibration import calibrate as solve
    from sim.cli.progress import progress_bar
    from sim.plan.plan import check_patients
    from sim.scenario.file import load_scenario

    check_patients(0, patients)
    loaded = load_scenario(scenario, set_).scenario
    with progress_bar(STEPS, "steps") as advance:
        solution = solve(loaded, patients, seed, advance)
    print(json.dumps(asdict(solution), indent=2) if as_json else report(loaded, solution))


def schema() -> None:
    """Print the JSON Schema of scenario files, for editors.

    Try:  titrasim schema > titrasim.schema.json
    """
    from sim.scenario.json_schema import json_schema_text

    print(json_schema_text(), end="")


COMMANDS = (scenarios, check, explain, diary, calibrate, schema)
