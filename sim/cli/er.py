"""The exposure-response workbench: `titrasim er`, from data or a table to models."""

from collections.abc import Callable
from typing import Any

from cyclopts import App

from sim.cli.er_calibrate import calibrate
from sim.cli.er_design import design
from sim.cli.er_draws import draws
from sim.cli.er_fit import fit
from sim.cli.er_table import table
from sim.cli.er_trial import trial

HELP = """Exposure-response models: from data, from a published table, or from a design.

Start with:  titrasim er table ixazomib-maintenance
"""

er = App(name="er", help=HELP, help_format="plaintext")
COMMANDS: tuple[Callable[..., Any], ...] = (calibrate, draws, design, fit, table, trial)
for command in COMMANDS:
    er.command(command)
