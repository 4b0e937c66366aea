"""The exposure-response workbench: `titrasim er`, from data or a table to models."""

from collections.abc import Callable
from typing import Any

from cyclopts import App

HELP = """Exposure-response models: from data, from a published table, or from a design.

Start with:  titrasim er table ixazomib-maintenance
"""

er = App(name="er", help=HELP, help_format="plaintext")
COMMANDS: tuple[Callable[..., Any], ...] = ()
for command in COMMANDS:
    er.command(command)
