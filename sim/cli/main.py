"""The command `titrasim`: its commands, and what becomes of errors.

Nothing heavy is imported here, so that help and checks start at once.
"""

import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

from cyclopts import App, CycloptsError

from sim.cli import reading, running
from sim.cli.er import er
from sim.cli.exact import exact
from sim.cli.pk import pk
from sim.errors import SimError
from sim.version import program_version

HELP = """Simulate how a drug is titrated in a trial.

A scenario is a TOML file, or the name of a shipped one (titrasim scenarios).

Start with:  titrasim compare ixazomib-maintenance fixed-3mg fixed-4mg

Exit codes: 0 done, 2 bad scenario or option, 3 file or disk, 130 interrupted.
"""
EXIT_OPTION = 2
EXIT_FILE = 3
EXIT_DEFECT = 70
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143

app = App(
    name="titrasim",
    help=HELP,
    help_format="plaintext",
    version=program_version,
    version_flags=["--version"],
    suppress_keyboard_interrupt=False,
)
for command in (*reading.COMMANDS, *running.COMMANDS):
    app.command(command)
app.command(exact)
app.command(er)
app.command(pk)


class TerminatedError(BaseException):
    """The system asked this process to end; like an interruption, it must pass every handler."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code. Never lets a traceback out."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminate)
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
        return int(code or 0)
    except CycloptsError as error:
        _say(f"titrasim: error: {_option_message(error)}")
        return EXIT_OPTION
    except SimError as error:
        _say(str(error) if "error[" in str(error) else f"titrasim: error: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        _say("titrasim: interrupted; nothing unfinished was kept")
        return EXIT_INTERRUPTED
    except TerminatedError:
        _say("titrasim: terminated; nothing unfinished was kept")
        return EXIT_TERMINATED
    except BrokenPipeError:
        _drop_output()
        return 0
    except OSError as error:
        _drop_output()
        where = f"{error.filename}: " if error.filename else "output cannot be written: "
        _say(f"titrasim: error: {where}{error.strerror or error}")
        return EXIT_FILE
    except Exception:
        return _report_defect()


def _terminate(_number: int, _frame: Any) -> NoReturn:
    raise TerminatedError


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _drop_output() -> None:
    """Let what is still buffered for standard output go nowhere when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _option_message(error: CycloptsError) -> str:
    """Return the parser's message on one line, with where to read on."""
    text = " ".join(str(error).split())
    text = text.split(" Available commands:")[0]
    chain = " ".join(["titrasim", *(error.command_chain or ()), "--help"])
    return f"{text} See: {chain}" if text.endswith("?") else f"{text.rstrip('.')}. See: {chain}"


def _report_defect() -> int:
    """Put the traceback into a file and name it: a defect of this program, not of its user."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="titrasim-", suffix=".log", delete=False, encoding="utf-8"
        ) as log:
            traceback.print_exc(file=log)
        where = f"please report it with {log.name}"
    except OSError:
        where = "no log could be written"
    _say(f"titrasim: this is a defect of the program; {where}")
    return EXIT_DEFECT


if __name__ == "__main__":
    sys.exit(main())
