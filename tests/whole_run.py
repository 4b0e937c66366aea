"""Whole runs as digests and as differences: what tests of engines and determinism share.

`python tests/whole_run.py < requests.json` answers a list of requests with a list of digests,
so that the same run can be made in another process, under another environment.
"""

import contextlib
import hashlib
import json
import locale
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scenario_maker import make

from sim.engines import run
from sim.histories import TABLES, Histories
from sim.model.layout import DISPOSITION_COLUMNS, DOSE_COLUMNS, EVENT_COLUMNS, LOG_COLUMNS
from sim.plan.plan import Plan, compile_plan
from sim.scenario.file import load_scenario
from sim.scenario.scenario import Scenario

GOLDEN = Path(__file__).parent / "golden"
COLUMNS = dict(
    zip(TABLES, (DOSE_COLUMNS, EVENT_COLUMNS, LOG_COLUMNS, DISPOSITION_COLUMNS), strict=True)
)
SHORT = 16
Digests = dict[str, str]


@dataclass(frozen=True)
class Request:
    """One run; `scenario` is "shipped:NAME", "made:SEED" or "golden:NAME"."""

    scenario: str
    patients: int
    first: int = 0
    seed: int = 1
    engine: str = "kernel"
    threads: int = 1
    block: int = 1_024

    def plan(self) -> Plan:
        """The plan of the request."""
        return compile_plan(scenario_called(self.scenario), seed=self.seed)


def scenario_called(name: str) -> Scenario:
    """A shipped, made or golden scenario."""
    kind, _, which = name.partition(":")
    if kind == "made":
        return make(int(which)).scenario
    return load_scenario(which if kind == "shipped" else GOLDEN / f"{which}.toml").scenario


def answer(request: Request) -> Digests:
    """Digests of the four tables, the latent values and every field of the outcomes.

    The outcomes are those of the run with histories; `summary` is the digest of all fields of
    the run without.
    """
    plan = request.plan()
    where = (request.first, request.patients, request.engine, request.threads, request.block)
    histories, outcomes = run.record(plan, *where)
    summary = np.concatenate(list(run.outcome_blocks(plan, *where)))
    return table_digests(histories) | outcome_digests(outcomes) | {"summary": whole(summary)}


def table_digests(histories: Histories) -> Digests:
    """A short digest of each table and of the latent values."""
    tables = {name: _digest(histories.table(name)) for name in TABLES}
    return tables | {"latents": _digest(histories.latents)}


def outcome_digests(outcomes: NDArray[Any]) -> Digests:
    """A short digest of each field; the bytes between fields are left out."""
    return {f"outcome/{field}": _digest(outcomes[field]) for field in outcomes.dtype.names or ()}


def whole(outcomes: NDArray[Any]) -> str:
    """One short digest of all fields."""
    joined = json.dumps(outcome_digests(outcomes), sort_keys=True)
    return hashlib.sha256(joined.encode()).hexdigest()[:SHORT]


def _digest(values: NDArray[Any]) -> str:
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    head = f"{little.dtype.str}{little.shape}".encode()
    return hashlib.sha256(head + little.tobytes()).hexdigest()[:SHORT]


def difference(left: Histories, right: Histories) -> str:
    """The first row of the first patient in which two histories differ; empty when equal."""
    tables = (*TABLES, "latents")
    if all(np.array_equal(_rows(left, t), _rows(right, t)) for t in tables):
        return ""
    for patient in left.disposition[:, 0].tolist():
        one, other = left.of_patient(patient), right.of_patient(patient)
        for table in tables:
            if text := _row_difference(table, _rows(one, table), _rows(other, table)):
                return f"patient {patient}: {text}"
    return "the tables hold different patients, or in another order"


def _rows(histories: Histories, table: str) -> NDArray[Any]:
    return histories.latents if table == "latents" else histories.table(table)


def _row_difference(table: str, left: NDArray[Any], right: NDArray[Any]) -> str:
    for row, (one, other) in enumerate(zip(left, right, strict=False)):
        if not np.array_equal(one, other):
            columns = f"\n  columns {', '.join(COLUMNS.get(table, ()))}"
            return f"{table} row {row}:{columns}\n  {one.tolist()}\n  {other.tolist()}"
    if len(left) != len(right):
        more, at = (left, len(right)) if len(left) > len(right) else (right, len(left))
        side = "left" if len(left) > len(right) else "right"
        return f"{table} has {len(left)} and {len(right)} rows; {side} adds {more[at].tolist()}"
    return ""


def outcome_difference(left: NDArray[Any], right: NDArray[Any]) -> str:
    """The first field of the first patient in which outcomes differ; empty when equal."""
    if len(left) != len(right):
        return f"{len(left)} and {len(right)} outcomes"
    fields = left.dtype.names or ()
    if all(left[field].tobytes() == right[field].tobytes() for field in fields):
        return ""
    for one, other in zip(left, right, strict=True):
        for field in fields:
            if one[field].tobytes() != other[field].tobytes():
                return f"patient {one['patient']}: {field} is {one[field]} and {other[field]}"
    return "different bytes, same values"


def main() -> None:
    """Answer the requests on standard input."""
    # A locale this machine lacks is still named in the environment.
    with contextlib.suppress(locale.Error):
        locale.setlocale(locale.LC_ALL, "")
    requests = [Request(**table) for table in json.load(sys.stdin)]
    json.dump([answer(request) for request in requests], sys.stdout)


def as_json(requests: list[Request]) -> str:
    """Requests as the command line takes them."""
    return json.dumps([asdict(request) for request in requests])


if __name__ == "__main__":
    main()
