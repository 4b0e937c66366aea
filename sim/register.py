"""The parameter register: every number of a scenario with its unit, range, source and oddities.

Numbers solved from a published table stand beside it, with the range that its rounding allows
and the interval that their standard errors give.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
from pydantic import BaseModel

from sim.errors import LimitError
from sim.exposure_response.anomalies import anomalies
from sim.exposure_response.published import (
    READINGS,
    Boxed,
    ExposureScale,
    PublishedModel,
    PublishedTable,
    check_box,
    half_unit_of,
    solve_published,
)
from sim.plan.risk import auc_per_mg, coefficients_of
from sim.scenario.merge import NAME_KEYS
from sim.scenario.noun import ASSUMED, SourcedNoun
from sim.scenario.parameter import value_at
from sim.scenario.posology import Outcomes
from sim.scenario.reference import unit_of
from sim.scenario.risk import AdverseEvent, ClinicalBenefit
from sim.scenario.scenario import Scenario
from sim.scenario.uncertainty import BetaLaw, NormalLaw, ParameterLaw, UniformLaw
from sim.uncertainty import beta_quantile

NORMAL_95 = 1.959964
SLOPE_UNIT = "1/(ng·h/mL per day)"
ROUNDING = "rounding of the printed probabilities"
SAMPLING = "95 % by the standard errors"
BETA = "95 %, Beta law of the count"
NO_SOURCE = "no source given"
LISTED_AT_MOST = 64
REPORTED = "a choice of what is reported"
DEFAULT = f"{ASSUMED}, the program's default"
# Conditions and calendars are what a rule is, not what somebody measured.
NOT_PARAMETERS = ("source", "when", "until", "on", "off", "every")
# A whole percent is the least that a table prints; a TOML number keeps no closing zeros.
WHOLE_PERCENT = "0.00"


@dataclass(frozen=True)
class Entry:
    """One number: its path, value, unit, range and what kind of range, source, oddity."""

    parameter: str
    value: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    interval: str = ""
    source: str = ""
    note: str = ""


def register(scenario: Scenario) -> list[Entry]:
    """Return the register of a scenario, in the order of its file."""
    return [*_table(scenario, scenario, ""), *_laws(scenario), *_counts(scenario)]


def register_table(scenario: Scenario) -> pd.DataFrame:
    """Return the register as a table, one row per entry."""
    return pd.DataFrame([asdict(entry) for entry in register(scenario)])


def register_text(entries: list[Entry]) -> str:
    """Return the register as lines: parameter and value, then range, source and oddity below."""
    lines = []
    for entry in entries:
        lines.append(f"{entry.parameter:<58} {entry.value} {entry.unit}".rstrip())
        if entry.low is not None and entry.high is not None:
            lines.append(f"    {entry.low:.6g} to {entry.high:.6g}: {entry.interval}")
        lines += [f"    {text}" for text in (entry.source, entry.note) if text]
    return "\n".join(lines)


def _table(scenario: Scenario, table: BaseModel, path: str) -> Iterator[Entry]:
    for name, info in type(table).model_fields.items():
        value, at = getattr(table, name), f"{path}.{info.alias or name}".lstrip(".")
        if name in NOT_PARAMETERS or value is None:
            continue
        if isinstance(value, SourcedNoun):
            yield from _table(scenario, value, at)
        elif _is_list_of_tables(value):
            for place, entry in enumerate(value):
                yield from _table(scenario, entry, f"{at}.{_name_of(entry, place)}")
        elif isinstance(table, SourcedNoun):
            yield from _numbers(table, name, value, at)
    if isinstance(table, AdverseEvent | ClinicalBenefit):
        yield from _model(scenario, table, path)


def _laws(scenario: Scenario) -> Iterator[Entry]:
    """The laws of single numbers: what they may be, and who says so."""
    for law in scenario.uncertainty.parameter if scenario.uncertainty is not None else ():
        center = value_at(scenario, law.path)
        low, high = _range_of(law, center)
        source = law.source if isinstance(law.source, str) else NO_SOURCE
        unit = unit_of(law.path.split(".")[-1])
        interval = f"95 % of the parameter draws, {law.law.replace('_', '-')} law"
        yield Entry(law.path, f"{center:.12g}", unit, low, high, interval, source)


def _range_of(law: ParameterLaw, center: float) -> tuple[float, float]:
    if isinstance(law, UniformLaw):
        margin = 0.025 * (law.high - law.low)
        return law.low + margin, law.high - margin
    if isinstance(law, BetaLaw):
        return tuple(beta_quantile(law.events, law.patients, u) for u in (0.025, 0.975))  # type: ignore[return-value]
    if isinstance(law, NormalLaw):
        ends = [center - NORMAL_95 * law.sd, center + NORMAL_95 * law.sd]
    else:
        ends = [center * math.exp(sign * NORMAL_95 * law.sd_log) for sign in (-1.0, 1.0)]
    low = -math.inf if law.low is None else law.low
    high = math.inf if law.high is None else law.high
    return min(max(ends[0], low), high), min(max(ends[1], low), high)


def _counts(scenario: Scenario) -> Iterator[Entry]:
    """The shares that the counts of the calibration tell of."""
    calibration = scenario.calibration
    if calibration is None:
        return
    pairs = [("stopped_share", calibration.stopped_patients, calibration.patients)]
    if calibration.early_stopped_patients is not None:
        early, stopped = calibration.early_stopped_patients, calibration.stopped_patients
        pairs.append(("early_share", early, stopped))
    for name, events, patients in pairs:
        low, high = (beta_quantile(events, patients, u) for u in (0.025, 0.975))
        key = "stopped_patients" if name == "stopped_share" else "early_stopped_patients"
        text, source = f"{events / patients:.4g}", _source(calibration, key)
        yield Entry(
            f"calibration.{name}", text, "", low, high, "95 %, Beta law of the count", source
        )


def _is_list_of_tables(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and isinstance(value[0], SourcedNoun)


def _name_of(entry: BaseModel, place: int) -> str:
    names = (getattr(entry, key, None) for key in NAME_KEYS.values())
    return next((str(name) for name in names if name), str(place))


def _numbers(table: SourcedNoun, name: str, value: Any, at: str) -> Iterator[Entry]:
    written = _written(value)
    if written is None:
        return
    yield Entry(at, written, unit_of(name), source=_source(table, name))


def _written(value: Any) -> str | None:
    """Return a number, or numbers, as text; None for what is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return f"{value:.12g}"
    if isinstance(value, tuple) and len(value) > LISTED_AT_MOST:
        return f"{len(value)} values from {min(value):.12g} to {max(value):.12g}"
    if isinstance(value, tuple) and value and all(isinstance(v, int | float) for v in value):
        return ", ".join(f"{v:.12g}" for v in value)
    if isinstance(value, dict) and value and all(isinstance(v, float) for v in value.values()):
        return ", ".join(f"{key}: {v:.12g}" for key, v in value.items())
    if isinstance(value, BaseModel) and not isinstance(value, SourcedNoun):
        parts = [(k, _written(getattr(value, k))) for k in type(value).model_fields]
        return ", ".join(f"{k} {text}" for k, text in parts if text is not None) or None
    if isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        texts = [_written(part) for part in value]
        return "; ".join(text for text in texts if text is not None) or None
    return None


def _source(table: SourcedNoun, name: str) -> str:
    source = table.source
    if isinstance(source, str):
        return source
    if source is not None and name in source:
        return source[name]
    if isinstance(table, Outcomes):
        return REPORTED
    return NO_SOURCE if name in table.model_fields_set else DEFAULT


def _model(scenario: Scenario, model: AdverseEvent | ClinicalBenefit, path: str) -> Iterator[Entry]:
    """The coefficients of a kind: solved, with both intervals, and what is odd about them."""
    if isinstance(model, AdverseEvent) and model.probability is not None:
        return
    solved = coefficients_of(scenario, model)
    published = None
    if model.probability_by_dose_mg is not None:
        published = published_model(scenario, path.split(".")[-1], model.probability_by_dose_mg)
    for name, value, unit in (
        ("intercept", solved.intercept, "log-odds"),
        ("slope_per_auc_per_day", solved.slope, SLOPE_UNIT),
    ):
        text = f"{value:.6g}"
        if published is not None:
            box = published.intercept if name == "intercept" else published.slope
            source = "solved from the printed probabilities"
            yield Entry(f"{path}.{name}", text, unit, *_ends(box), ROUNDING, source)
        if model.uncertainty is not None:
            yield _sampling(model, f"{path}.{name}", name, value, unit)
    if published is not None:
        zero = published.at_zero
        text = f"{zero.value:.4g}"
        note = "an extrapolation below the studied doses; the share that counts as background"
        yield Entry(f"{path}.probability_at_zero_dose", text, "", *_ends(zero), ROUNDING, "", note)
    for note in oddities(scenario, path.split(".")[-1], model, published):
        yield Entry(path, "", note=note)


def _ends(box: Boxed) -> tuple[float | None, float | None]:
    return tuple(None if math.isnan(end) else end for end in (box.low, box.high))  # type: ignore[return-value]


def _sampling(
    model: AdverseEvent | ClinicalBenefit, at: str, name: str, value: float, unit: str
) -> Entry:
    uncertainty = model.uncertainty
    assert uncertainty is not None
    sd = uncertainty.sd_slope
    if name == "intercept":
        sd = math.hypot(uncertainty.sd_logit, uncertainty.center_auc_per_day * sd)
    ends = value - NORMAL_95 * sd, value + NORMAL_95 * sd
    source = uncertainty.source
    text = source if isinstance(source, str) else "; ".join((source or {}).values()) or NO_SOURCE
    return Entry(at, f"{value:.6g}", unit, *ends, SAMPLING, text)


def published_model(
    scenario: Scenario, name: str, probability_by_dose_mg: dict[str, float]
) -> PublishedModel | None:
    """Return a printed table solved under the scenario's reading, None where it has no box."""
    half_unit = half_unit_of(
        [WHOLE_PERCENT, *(f"{value:.12g}" for value in probability_by_dose_mg.values())]
    )
    table = PublishedTable(name, probability_by_dose_mg, half_unit)
    scale = _scale(scenario)
    highest = max(scenario.posology.levels_mg)
    try:
        check_box(table, highest)
        return solve_published(table, scale, scenario.exposure_response.reading, highest)
    except LimitError:
        return None


def _scale(scenario: Scenario) -> ExposureScale:
    pk = scenario.pharmacokinetics
    return ExposureScale(auc_per_mg(scenario) / pk.cl_f_l_per_h, pk.cl_f_sd_log)


def oddities(
    scenario: Scenario,
    name: str,
    model: AdverseEvent | ClinicalBenefit,
    published: PublishedModel | None,
) -> Iterator[str]:
    """Say what is odd about the coefficients of a kind, one sentence each."""
    if published is not None:
        letter = next(k for k, v in READINGS.items() if v == published.reading)
        studied = scenario.exposure_response.table_source_range_mg
        found = anomalies(name, {letter: published}, {}, _scale(scenario), None, studied)
        yield from (anomaly.words for anomaly in found)
    if model.uncertainty is not None and model.uncertainty.sd_slope > 0.0:
        z = coefficients_of(scenario, model).slope / model.uncertainty.sd_slope
        if abs(z) < NORMAL_95:
            yield (
                f"slope over its standard error is {z:.2f}, below 1.96: the data behind it could "
                "hardly show that it is not 0"
            )
