"""From model to data to model: refit the simulated source trials, compare with the truth.

The truth is the scenario's own logistic models, that is Table 2 of the paper; what comes back
is what one trial of 44 patients would have led an analyst to print.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import chi2

from sim.exposure_response.logistic_many import fit_many
from sim.phase_1.collection import Endpoint, Flags, Floats, Metric, Whole
from sim.phase_1.small_sample import Estimate, mean, share
from sim.phase_1.source_trial import EVALUABLE, SourceTrials

DOSES_MG = (3.0, 4.0)
SIGNIFICANCE = 0.05
LOW, HIGH = 0.025, 0.975


@dataclass(frozen=True)
class Refit:
    """One endpoint of every trial refitted by maximum likelihood, in columns (trials,).

    Coefficients are NaN where there is no fit: separation, all or none with the event, or a
    trial that ended without an MTD.
    likelihood_ratio is the statistic of slope 0, 0 where nothing was fitted; probability
    (trials, 2) is predicted for the typical patient at 3 and 4 mg.
    """

    endpoint: Endpoint
    patients: Whole
    events: Whole
    intercept: Floats
    slope: Floats
    se_slope: Floats
    likelihood_ratio: Floats
    separated: Flags
    fitted: Flags
    probability: Floats

    @property
    def significant(self) -> Flags:
        """The likelihood-ratio test of slope 0 at 5 %."""
        return np.asarray(self.likelihood_ratio >= chi2.isf(SIGNIFICANCE, 1))


@dataclass(frozen=True)
class Scatter:
    """How a refitted number scatters over trials around its truth; low and high hold 95 %."""

    truth: float
    mean: Estimate
    median: Estimate
    sd: Estimate
    low: Estimate
    high: Estimate


@dataclass(frozen=True)
class EndpointLoop:
    """What comes back of one endpoint: Table 2 at each dose, slope, significance, no fit.

    Slopes are ratios to the true one, NaN where that is 0; those of trials without a fit are
    left out, as are their probabilities. events are those of trials with all 44 patients.
    significant, separated and unfitted are shares of all trials.
    """

    name: str
    label: str
    events: Estimate
    probability: dict[str, Scatter]
    slope_ratio: Scatter
    slope_ratio_if_significant: Estimate
    significant: Estimate
    separated: Estimate
    unfitted: Estimate


@dataclass(frozen=True)
class LevelLoop:
    """What one dose level sees: toxicity in cycle 1, how often it is the MTD, patients."""

    level: float
    toxic: Estimate
    mtd: Estimate
    treated: Estimate
    evaluable: Estimate


@dataclass(frozen=True)
class Loop:
    """The closed loop over all trials; no_mtd is the share that found no tolerable level."""

    metric: Metric
    levels: tuple[LevelLoop, ...]
    no_mtd: Estimate
    endpoints: tuple[EndpointLoop, ...]


def refit(source: SourceTrials, metric: Metric) -> list[Refit]:
    """Refit every endpoint of every trial on the exposures of one metric.

    A trial without an MTD ends early with a few patients; nobody would fit them, nor is it here.
    """
    trials = source.settings.trials
    rows = np.flatnonzero(source.evaluable)
    size = np.bincount(source.trial[rows], minlength=trials)
    whole = np.flatnonzero(size == EVALUABLE)
    block = (np.cumsum(size) - size)[whole, None] + np.arange(EVALUABLE)
    typical = np.array([source.typical_auc_per_day(dose) for dose in DOSES_MG])
    found = []
    for place, endpoint in enumerate(source.endpoints):
        x = source.exposure(place, metric)[rows]
        y = source.patients.event_day[rows, place] > 0
        numbers = np.full((3, trials), np.nan)
        gain, separated = np.zeros(trials), np.zeros(trials, np.bool_)
        fits = fit_many(x[block], y[block])
        kept = np.stack([fits.intercept, fits.slope, fits.se_slope])
        numbers[:, whole] = np.where(fits.converged, kept, np.nan)
        gain[whole], separated[whole] = fits.likelihood_ratio, fits.separated
        eta = numbers[0, :, None] + numbers[1, :, None] * typical
        found.append(
            Refit(
                endpoint=endpoint,
                patients=size,
                events=np.bincount(source.trial[rows][y], minlength=trials),
                intercept=numbers[0],
                slope=numbers[1],
                se_slope=numbers[2],
                likelihood_ratio=gain,
                separated=separated,
                fitted=np.isfinite(numbers[1]),
                probability=np.asarray(expit(eta)),
            )
        )
    return found


def summarise(source: SourceTrials, refits: list[Refit], metric: Metric) -> Loop:
    """Return how far what came back lies from the truth, with Monte Carlo errors."""
    typical = [source.typical_auc_per_day(dose) for dose in DOSES_MG]
    endpoints = []
    for one in refits:
        model = one.endpoint
        # Where exposure truly does nothing there is no ratio to it.
        kept = one.fitted & (model.slope != 0.0)
        ratio = one.slope[kept] / (model.slope or 1.0)
        endpoints.append(
            EndpointLoop(
                name=model.name,
                label=model.label,
                events=mean(one.events[one.patients == EVALUABLE].astype(np.float64)),
                probability={
                    f"{dose:g}": scatter(
                        one.probability[one.fitted, place],
                        float(model.probability(typical[place])),
                    )
                    for place, dose in enumerate(DOSES_MG)
                },
                slope_ratio=scatter(ratio, 1.0),
                slope_ratio_if_significant=mean(ratio[one.significant[kept]]),
                significant=share(one.significant),
                separated=share(one.separated),
                unfitted=share(~one.fitted),
            )
        )
    return Loop(metric, _levels(source), share(source.mtd < 0), tuple(endpoints))


def _levels(source: SourceTrials) -> tuple[LevelLoop, ...]:
    places, trials = len(source.levels), source.settings.trials
    cell = source.trial * places + source.patients.level
    treated = np.bincount(cell, minlength=trials * places).reshape(trials, places)
    evaluable = np.bincount(cell[source.evaluable], minlength=trials * places)
    evaluable = evaluable.reshape(trials, places)
    return tuple(
        LevelLoop(
            level=level,
            toxic=Estimate(float(source.toxic_share[place]), float(source.toxic_se[place])),
            mtd=share(source.mtd == place),
            treated=mean(treated[:, place].astype(np.float64)),
            evaluable=mean(evaluable[:, place].astype(np.float64)),
        )
        for place, level in enumerate(source.levels)
    )


def scatter(values: Floats, truth: float) -> Scatter:
    """Return mean, median, SD and 95 % range over trials."""
    return Scatter(
        truth=truth,
        mean=mean(values),
        median=quantile_of(values, 0.5),
        sd=sd_of(values),
        low=quantile_of(values, LOW),
        high=quantile_of(values, HIGH),
    )


def sd_of(values: Floats) -> Estimate:
    """Return the SD; its error by the delta method, sqrt((m4 - s^4) / (4 n s^2))."""
    n = len(values)
    sd = float(values.std(ddof=1)) if n > 1 else float("nan")
    if n < 3 or sd == 0.0:
        return Estimate(sd, float("nan"))
    fourth = float(((values - values.mean()) ** 4).mean())
    return Estimate(sd, float(np.sqrt(max(fourth - sd**4, 0.0) / n) / (2.0 * sd)))


def quantile_of(values: Floats, probability: float) -> Estimate:
    """Return a quantile; its error is half the span of the ranks one SE away.

    The number of values below a quantile is binomial. NaN where a rank falls off the ends.
    """
    n = len(values)
    if n == 0:
        return Estimate(float("nan"), float("nan"))
    step = float(np.sqrt(probability * (1.0 - probability) / n))
    error = float("nan")
    if step < min(probability, 1.0 - probability):
        low, high = np.quantile(values, [probability - step, probability + step])
        error = 0.5 * float(high - low)
    return Estimate(float(np.quantile(values, probability)), error)


def trial_table(source: SourceTrials, refits: list[Refit]) -> pd.DataFrame:
    """Return one row per trial and endpoint: design found, events, fit, predictions."""
    levels = np.array([*source.levels, np.nan])  # the last for trials without an MTD
    parts = [
        pd.DataFrame(
            {
                "trial": np.arange(1, source.settings.trials + 1),
                "endpoint": one.endpoint.name,
                "mtd": levels[source.mtd],
                "patients": one.patients,
                "events": one.events,
                "intercept": one.intercept,
                "slope": one.slope,
                "se_slope": one.se_slope,
                "significant": one.significant,
                "separated": one.separated,
                **{f"p_{dose:g}mg": one.probability[:, k] for k, dose in enumerate(DOSES_MG)},
            }
        )
        for one in refits
    ]
    return pd.concat(parts).sort_values("trial", kind="stable", ignore_index=True)


def data_set(source: SourceTrials, trial: int) -> pd.DataFrame:
    """Return the evaluable patients of one trial, from 0, as an analyst would get them.

    bsa_m2 is there where doses are in mg/m2. auc_per_day is that of the assigned dose;
    auc_per_day_<endpoint> the paper's, to the first event of that endpoint, and <endpoint> is 1
    if it ever happened.
    """
    rows = np.flatnonzero(source.evaluable & (source.trial == trial))
    patients = source.patients.take(rows)
    unit = source.scenario.posology.unit.replace("/", "_per_")
    columns = {
        "id": np.arange(1, len(rows) + 1),
        f"dose_{unit}": np.array(source.levels)[patients.level],
        **({"bsa_m2": patients.bsa_m2} if unit == "mg_per_m2" else {}),
        "cl_f_l_per_h": patients.cl_f_l_per_h,
        "treatment_days": patients.stop_day,
        "auc_per_day": source.exposure(0, "nominal")[rows],
    }
    for place, endpoint in enumerate(source.endpoints):
        columns[endpoint.name] = (patients.event_day[:, place] > 0).astype(np.int64)
        columns[f"auc_per_day_{endpoint.name}"] = source.exposure(place, "first-event")[rows]
    return pd.DataFrame(columns)
