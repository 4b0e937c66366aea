"""The four tables of what happened: doses, adverse events, decisions, disposition.

Everything reported is a function of them. Engines write whole numbers; labels are put on
here, and nowhere else. Cycles and days count from 1; day 1 is the first dose.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.codes import Action, Ask, Cause, Route, label
from sim.model.layout import DISPOSITION_COLUMNS, DOSE_COLUMNS, EVENT_COLUMNS, LOG_COLUMNS
from sim.plan.names import Names

TABLES = ("doses", "adverse_events", "decisions", "disposition")
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Histories:
    """Rows of consecutive patients, in order of patient and time.

    latents has one row per patient: CL/F [L/h], body surface area [m2, 1 if dosing is in mg]
    and frailty.
    """

    names: Names
    doses: Rows
    adverse_events: Rows
    decisions: Rows
    disposition: Rows
    latents: NDArray[np.float64]

    def table(self, name: str) -> Rows:
        """Return one of the four tables as numbers."""
        rows: Rows = getattr(self, name)
        return rows

    def of_patient(self, patient: int) -> "Histories":
        """Return the rows of one patient."""
        place = int(np.searchsorted(self.disposition[:, 0], patient))
        own = {name: self.table(name)[self.table(name)[:, 0] == patient] for name in TABLES}
        return Histories(self.names, latents=self.latents[place : place + 1], **own)

    def frames(self) -> dict[str, pd.DataFrame]:
        """Return the four tables with labels, ready for pandas, R, SAS or a spreadsheet."""
        return {
            "doses": dose_frame(self),
            "adverse_events": event_frame(self),
            "decisions": decision_frame(self),
            "disposition": disposition_frame(self),
        }


def join(parts: Iterable[Histories]) -> Histories:
    """Return the histories of consecutive parts as one."""
    parts = list(parts)
    tables = {name: np.concatenate([part.table(name) for part in parts]) for name in TABLES}
    latents = np.concatenate([part.latents for part in parts])
    return Histories(parts[0].names, latents=latents, **tables)


def _labelled(codes: Rows, labels: Iterable[str]) -> Any:
    """Return codes as categories; -1 is missing."""
    return pd.Categorical.from_codes(codes, categories=pd.Index(list(labels)))


def _labels(codes: Any) -> list[str]:
    return [label(code) for code in codes]


def dose_frame(histories: Histories) -> pd.DataFrame:
    """One row per planned dose of a started cycle, given or withheld."""
    frame = pd.DataFrame(histories.doses, columns=list(DOSE_COLUMNS))
    names = histories.names
    frame["level_mg"] = np.array([float(level) for level in names.levels])[frame["level"]]
    frame["given"] = frame["given"].astype(bool)
    frame["dose_mg"] = np.where(frame["given"], frame["level_mg"], 0.0)
    frame["withheld_by_rule"] = _labelled(histories.doses[:, 6], names.rules)
    frame["withheld_related"] = frame["related"].astype(bool)
    return frame.drop(columns=["rule", "related"])


def event_frame(histories: Histories) -> pd.DataFrame:
    """One row per counted adverse event; known_day is missing if it never became known."""
    frame = pd.DataFrame(histories.adverse_events, columns=list(EVENT_COLUMNS))
    frame["kind"] = _labelled(histories.adverse_events[:, 2], histories.names.kinds)
    for column in ("caused_by_drug", "related"):
        frame[column] = frame[column].astype(bool)
    known = frame["known_day"].astype("Int64")
    frame["known_day"] = known.mask(frame["known_day"] == 0)
    frame["level_mg"] = np.array([float(level) for level in histories.names.levels])[frame["level"]]
    return frame


def clause_text(names: Names, rule: int, bits: int) -> str:
    """Return the clauses of a rule that held, by name, joined by spaces."""
    own = [
        clause for clause, of in zip(names.clauses, names.clause_rules, strict=True) if of == rule
    ]
    return " ".join(clause for place, clause in enumerate(own) if (bits >> place) & 1)


def decision_frame(histories: Histories) -> pd.DataFrame:
    """One row per ask and rule: did its condition hold, did it fire, did it win, what it did."""
    rows, names = histories.decisions, histories.names
    frame = pd.DataFrame(rows, columns=list(LOG_COLUMNS))
    frame["ask"] = _labelled(rows[:, 3], _labels(Ask))
    frame["rule"] = _labelled(rows[:, 4], names.rules)
    frame["kind"] = _labelled(rows[:, 5], names.kinds)
    for column in ("holds", "fired", "won"):
        frame[column] = frame[column].astype(bool)
    pairs = rows[:, [4, 9]]
    texts = {(int(rule), int(bits)): "" for rule, bits in np.unique(pairs, axis=0)}
    for rule, bits in texts:
        texts[(rule, bits)] = clause_text(names, rule, bits)
    frame["clauses"] = [texts[(int(rule), int(bits))] for rule, bits in pairs]
    frame["action"] = _labelled(rows[:, 10], _labels(Action))
    levels = np.array([float(level) for level in names.levels])
    frame["level_before_mg"] = levels[rows[:, 12]]
    frame["level_after_mg"] = levels[rows[:, 13]]
    return frame


def disposition_frame(histories: Histories) -> pd.DataFrame:
    """One row per patient: how and when treatment ended, and the patient's latent values."""
    rows = histories.disposition
    frame = pd.DataFrame(rows, columns=list(DISPOSITION_COLUMNS))
    frame["cause"] = _labelled(rows[:, 3], _labels(Cause))
    route = rows[:, 4] - 1
    frame["route"] = _labelled(route, _labels(Route)[1:])
    frame["rule"] = _labelled(rows[:, 5], histories.names.rules)
    levels = np.array([float(level) for level in histories.names.levels])
    frame["level_mg"] = levels[rows[:, 6]]
    frame["cl_f_l_per_h"] = histories.latents[:, 0]
    frame["bsa_m2"] = histories.latents[:, 1]
    frame["frailty"] = histories.latents[:, 2]
    return frame
