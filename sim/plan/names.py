"""Names of what a plan numbers: engines never see them, tables and texts do."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Names:
    """Kinds, levels, rules, clauses and exits, in the order the plan numbers them."""

    scenario: str
    kinds: tuple[str, ...]
    kind_labels: tuple[str, ...]
    levels: tuple[str, ...]
    rules: tuple[str, ...]
    clauses: tuple[str, ...]
    clause_rules: tuple[int, ...]
    clause_bars: tuple[bool, ...]  # under none: holding forbids the action
    unit: str
