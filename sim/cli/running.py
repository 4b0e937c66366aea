"""Commands that run a study: run and compare."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from sim.cli.options import RunOptions, ScenarioName
from sim.cli.progress import progress_bar

if TYPE_CHECKING:
    import pandas as pd

    from sim.study import Prepared, Study

DEFAULTS = RunOptions()
Scenarios = Annotated[
    str, Parameter(help="TOML files or names of shipped scenarios; the first is the reference.")
]


def run(scenario: ScenarioName, /, *, options: RunOptions = DEFAULTS) -> None:
    """Simulate one scenario: how many escalate, who stops and why, what dose they get.

    Prints a table and the limits of the model, and leaves a results folder
    with summary.csv, figures, the scenario and a manifest. The same seed gives
    the same bytes.

    Try:  titrasim run ixazomib-maintenance --patients 100000
    Or:   titrasim run ixazomib-maintenance --set exposure_response.clock=reset
    """
    _study([scenario], options)


def compare(*scenarios: Scenarios, options: RunOptions = DEFAULTS) -> None:
    """Simulate several scenarios on the same virtual patients; the first is the reference.

    Prints and leaves what run does, and paired differences from the first
    scenario with their Monte Carlo error (comparison.csv).

    Try:  titrasim compare ixazomib-maintenance fixed-3mg fixed-4mg
    """
    _study(list(scenarios), options)


def notice_compiling() -> None:
    """Say that compiling will take a while, when it will."""
    from sim.model.jit import IS_COMPILED, is_compiled_before

    if IS_COMPILED and not is_compiled_before():
        print("compiling for the first time; this takes about a minute, once", file=sys.stderr)


def _study(names: list[str], options: RunOptions) -> None:
    """Prepare, run, print and write one study."""
    from sim.results import results_folder
    from sim.study import prepare
    from sim.study import run as simulate

    settings = options.settings()
    prepared = prepare(names, settings)
    target = options.out or default_folder(prepared)
    notice_compiling()
    if options.dry_run or settings.histories:
        from sim.cli.estimate import expectation, refuse_if_too_big

        expected = expectation(prepared, target)
        if options.dry_run:
            print(json.dumps(expected.table(), indent=2) if options.as_json else expected.text())
            return
        refuse_if_too_big(expected)
    # The default folder's name is made from the settings: what stands there is this very run.
    overwrite = options.overwrite or options.out is None
    total = settings.patients_per_arm * len(prepared.plans)
    with results_folder(prepared, target, overwrite) as results:
        sink = results.add_histories if settings.histories else None
        with progress_bar(total, "patients") as advance:
            study = simulate(prepared, sink, options.threads, advance)
        if not options.as_json:
            # Before writing: a full disk must not cost the user what was computed.
            _print_table(study)
        results.finish(study, figures=True, threads=options.threads)
    _print_end(study, target, options.as_json)


def default_folder(prepared: "Prepared") -> Path:
    """Return runs/SCENARIO-SEED-DIGEST; the digest covers scenarios and settings."""
    import hashlib

    from sim.manifest import identity

    text = json.dumps(identity(prepared), sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    compared = "-compared" if len(prepared.names) > 1 else ""
    return Path("runs") / f"{prepared.names[0]}{compared}-{prepared.settings.seed}-{digest}"


def _print_table(study: "Study") -> None:
    from sim.cli.table import study_text

    print(study_text(study), flush=True)


def _print_end(study: "Study", target: Path, as_json: bool) -> None:
    from sim.folder import shown

    if not as_json:
        print(f"\nResults and figures: {shown(target)}")
        return
    tables = {
        "summary": study.summary,
        "comparison": study.comparison,
        "prediction": study.prediction,
    }
    content = {
        "results": shown(target),
        "scenarios": list(study.prepared.names),
        **{name: _records(table) for name, table in tables.items() if table is not None},
        "warnings": list(study.warnings),
        "limits": list(study.limits),
    }
    print(json.dumps(content, indent=1))


def _records(table: "pd.DataFrame") -> list[dict[str, object]]:
    """Return the rows of a table as plain values, missing ones as null."""
    rows: list[dict[str, object]] = json.loads(table.to_json(orient="records", double_precision=15))
    return rows


COMMANDS = (run, compare)
