"""A checked scenario with every default written out, and its digest."""

import hashlib
import json
from typing import Any

from sim.scenario.scenario import Scenario


def resolved_table(scenario: Scenario) -> dict[str, Any]:
    """Return the scenario as plain values, keys as in the file."""
    return scenario.model_dump(mode="json", by_alias=True, exclude_none=True)


def resolved_json(scenario: Scenario) -> str:
    """Return the scenario with every default written out."""
    return json.dumps(resolved_table(scenario), indent=2, ensure_ascii=False) + "\n"


def scenario_digest(scenario: Scenario) -> str:
    """Return the SHA-256 of the resolved scenario in canonical form."""
    return hashlib.sha256(json.dumps(resolved_table(scenario), sort_keys=True).encode()).hexdigest()
