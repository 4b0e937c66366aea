"""The command `titrasim`: commands, and what becomes of errors.

Nothing heavy is imported here, so that help and checks start at once.
"""

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from sim.cli import reading, running
from sim.errors import SimError

HELP = """Simulate how a drug is titrated in a trial.

A scenario is a TOML file, or the name of a shipped one (see `titrasim scenarios`).
Start with: titrasim compare ixazomib-maintenance fixed-3mg fixed-4mg
"""
EXIT_OPTION = 2
EXIT_DEFECT = 70
EXIT_INTERRUPTED = 130

app = App(name="titrasim", help=HELP, help_format="markdown", version_flags=["--version"])
for command in (*reading.COMMANDS, *running.COMMANDS):
    app.command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code. Never lets a traceback out."""
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
        return int(code or 0)
    except CycloptsError as error:
        print(f"titrasim: error: {_one_line(error)}", file=sys.stderr)
        return EXIT_OPTION
    except SimError as error:
        print(str(error), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(
            "\ninterrupted: nothing unfinished was kept; run the same command again",
            file=sys.stderr,
        )
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:
        return _report_defect()


def _one_line(error: CycloptsError) -> str:
    return " ".join(str(error).replace("\n", " ").split())


def _report_defect() -> int:
    """Put the traceback into a file and name it: a defect of this program, not of its user."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="titrasim-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        traceback.print_exc(file=log)
    print(
        f"titrasim: this is a defect of the program; please report it with {log.name}",
        file=sys.stderr,
    )
    return EXIT_DEFECT


if __name__ == "__main__":
    sys.exit(main())
