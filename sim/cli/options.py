"""Options that several commands share, and how their values are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from sim.study import Settings


def whole_number(_type: Any, tokens: Sequence[Any]) -> int:
    """Read a whole number; say what was found when it is none."""
    text = tokens[0].value
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f'"{text[:60]}" is not a whole number') from None
    if number.is_integer() and abs(number) < 1e15:
        raise ValueError(f'"{text}" is not a whole number; write {int(number)}')
    raise ValueError(f'"{text[:60]}" is not a whole number')


def number(text: str) -> Parameter:
    """Return the declaration of an option that takes a whole number."""
    return Parameter(help=text, converter=whole_number)


def flag(text: str, name: str | None = None) -> Parameter:
    """Return the declaration of an option that is given or not."""
    return Parameter(name=name, help=text, negative="", show_default=False)


ScenarioName = Annotated[
    str, Parameter(help="A TOML file, or the name of a shipped scenario (titrasim scenarios).")
]
Overrides = Annotated[
    tuple[str, ...],
    Parameter(
        name="--set",
        help="Change one value: path=value, for example exposure_response.clock=reset. Repeatable.",
        negative="",
        show_default=False,
    ),
]
AsJson = Annotated[bool, flag("Print JSON for programs, and nothing else.", "--json")]
Seed = Annotated[int, number("Seed of all draws: the same seed gives the same results.")]


@Parameter(name="*")
@dataclass(frozen=True)
class RunOptions:
    """What `run` and `compare` share."""

    patients: Annotated[int, number("Virtual patients per arm and trial.")] = 10_000
    trials: Annotated[
        int, number("Replicate trials; above 1, intervals for a single trial are added.")
    ] = 1
    seed: Seed = 1
    engine: Annotated[
        Literal["kernel", "events"],
        Parameter(help="kernel is fast, events is the simpy reference; results are equal."),
    ] = "kernel"
    histories: Annotated[
        bool, flag("Also write doses, adverse events, decisions and disposition as Parquet.")
    ] = False
    set_: Overrides = ()
    out: Annotated[
        Path | None, Parameter(help="Results folder. Default: runs/SCENARIO-SEED-DIGEST.")
    ] = None
    overwrite: Annotated[
        bool, flag("Replace the results folder of an earlier run with the same settings.")
    ] = False
    threads: Annotated[
        int | None, number("Threads; all processors by default. Never changes a result.")
    ] = None
    dry_run: Annotated[bool, flag("Say expected time, memory and disk; run nothing.")] = False
    as_json: AsJson = False

    def settings(self) -> "Settings":
        """Return what decides the numbers of a study."""
        from sim.study import Settings

        return Settings(
            self.patients, self.trials, self.seed, self.engine, self.histories, self.set_
        )
