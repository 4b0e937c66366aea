"""Exact oracle for the minimal ixazomib model: a finite Markov chain, integrated over patients.

Written from the mathematics only; it imports nothing from the package under test and draws no
random number.

Given CL/F and the frailty Z, and given the sequence of dose levels, the adverse-event kinds of a
patient are independent, so the joint law of everything below is a product over kinds of two-state
chains

    f_k0 = P(no event of kind k so far),
    f_k1 = P(at least one event of kind k, none of which stopped treatment).

The level sequence depends on the events only through the bar, "some counted related non-hematologic
event in the window". Events that meet the bar are removed by a *filter* (each kind keeps only paths
without one), which is again a product over kinds. With three walks, each a sub-probability,

    plain   = start level throughout, no filter,
    barring = start level throughout, filtered,
    raised  = start level, then start level + 1 from cycle e on, filtered,

every output that adds over patients is plain(c) for c < e and raised(c) + [plain(c) - barring(c)]
for c >= e: those who were escalated, plus those who were barred. No joint state of 2^K flags is
needed and nothing is approximated.

Within a cycle of L days, the onset of each kind is uniform, so with p_k the probability of an event
in the cycle and q_k that an event stops treatment

    g_k(d) = f_k0 (1 - q_k p_k d/L) + f_k1 (1 - q_k p'_k d/L)

with p' = p (recurrence next_cycle) or 0 (never), is the probability that kind k has not stopped
treatment by the end of day d, and G(d) = prod_k g_k(d). A dose of day x > 1 is given with
probability G(x) (the stop acts on its day), that of day 1 with G(0). An event of kind k on day d
counts if no *other* kind stopped treatment before day d: prod_{j != k} g_j(d-1).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import lgamma, log
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Outcomes: TypeAlias = dict[tuple[str, int | None], float]


@dataclass(frozen=True)
class Model:
    """All parameters of the minimal model; the defaults are titration from 3 to 4 mg at cycle 5."""

    @dataclass(frozen=True)
    class Kind:
        """One adverse-event kind: (alpha, beta) of the logistic, or a typed course probability with
        a drug share.
        """

        name: str
        ae_class: Literal["hematologic", "non_hematologic"]
        alpha: float | None = None
        beta: float | None = None
        probability: float | None = None
        drug_share: float = 0.0
        kappa: float = 1.0
        stop_probability: float | None = None  # None: that of the model
        sensitivity: float = 1.0
        false_positive_rate: float = 0.5

        def __post_init__(self) -> None:
            logistic = self.alpha is not None and self.beta is not None
            if logistic == (self.probability is not None):
                raise ValueError(f"{self.name}: give either alpha and beta, or probability")

    kinds: tuple[Kind, ...] = field(default_factory=lambda: table2_kinds())
    levels_mg: tuple[float, ...] = (3.0, 4.0)
    start_level: int = 0
    escalation_cycle: int | None = 5  # None: a fixed-dose arm
    # cycles just before the escalation cycle in which a related non-hematologic event bars it
    bar_window: int = 2
    cycles: int = 12
    cycle_length_days: int = 28
    dose_days: tuple[int, ...] = (1, 8, 15)
    typical_clf: float = 1.86 / 0.58
    sd_log_clf: float = 0.391
    frailty_variance: float = 0.0
    weights: Literal["piecewise", "constant", "weibull", "exponential"] = "piecewise"
    early_share: float = 0.76  # phi: share of the reference hazard in the first `early_cycles`
    early_cycles: int = 4
    reference_cycles: int = 12
    weibull_shape: float = 0.5
    decay_rate: float = 0.5
    after_reference: Literal["held", "halved", "zero"] = "held"
    clock: Literal["increment", "start", "reset"] = "increment"
    recurrence: Literal["next_cycle", "never"] = "next_cycle"
    stop_probability: float = 0.115
    other_exit: float = 0.03
    exit_before_ae: bool = False  # the other exit acts on day 1, after the level decision
    reference_dose_mg: float = 4.0

    def __post_init__(self) -> None:
        if self.dose_days[0] != 1 or max(self.dose_days) > self.cycle_length_days:
            raise ValueError("the first dose day is 1 and all lie in the cycle")
        e = self.escalation_cycle
        if e is not None and (e < 2 or self.start_level + 1 >= len(self.levels_mg)):
            raise ValueError("an escalation needs a cycle >= 2 and a level above the start level")


Kind = Model.Kind


def auc_per_day(model: Model, dose_mg: float, clf: Array | float) -> Array:
    """Steady-state AUC/day, A = 1000 * doses per cycle * dose / (cycle length * CL/F)."""
    return np.asarray(
        1000.0 * len(model.dose_days) * dose_mg / (model.cycle_length_days * clf), dtype=np.float64
    )


def table2_kinds() -> tuple[Kind, ...]:
    """The paper's five kinds; (alpha, beta) solve expit(alpha + beta A) = Table 2 at 3 and 4 mg,
    typical patient.
    """
    a3, a4 = (3000.0 * dose / (28.0 * (1.86 / 0.58)) for dose in (3.0, 4.0))

    def solved(
        name: str, ae_class: Literal["hematologic", "non_hematologic"], p3: float, p4: float
    ) -> Kind:
        eta3, eta4 = (log(p / (1.0 - p)) for p in (p3, p4))
        beta = (eta4 - eta3) / (a4 - a3)
        return Kind(name, ae_class, alpha=eta3 - beta * a3, beta=beta)

    return (
        solved("neutropenia", "hematologic", 0.10, 0.16),
        solved("thrombocytopenia", "hematologic", 0.23, 0.28),
        solved("rash", "non_hematologic", 0.08, 0.10),
        solved("fatigue", "non_hematologic", 0.19, 0.26),
        solved("diarrhea", "non_hematologic", 0.19, 0.24),
    )


def cycle_weights(model: Model) -> Array:
    """w_c for c = 1..cycles (index c - 1): w_c = W(c) - W(c-1) up to T_ref (sum 1), then held,
    halved or zero.
    """
    n, t = model.reference_cycles, np.arange(model.reference_cycles + 1, dtype=np.float64)
    if model.weights == "piecewise":
        early, phi = model.early_cycles, model.early_share
        total = np.where(t <= early, phi * t / early, phi + (1.0 - phi) * (t - early) / (n - early))
    elif model.weights == "constant":
        total = t / n
    elif model.weights == "weibull":
        total = (t / n) ** model.weibull_shape
    else:
        total = np.expm1(-model.decay_rate * t) / np.expm1(-model.decay_rate * n)
    w = np.diff(total)
    tail = w[-1] * {"held": 1.0, "halved": 0.5, "zero": 0.0}[model.after_reference]
    return np.concatenate([w, np.full(max(model.cycles - n, 0), tail)])[: model.cycles]


def course_hazard(kind: Kind, auc: Array) -> Array:
    """H = -log(1-P) over the reference course at constant exposure: log(1 + exp(alpha + beta A)),
    or the typed one.
    """
    if kind.probability is not None:
        return np.full_like(auc, -np.log1p(-kind.probability))
    assert kind.alpha is not None and kind.beta is not None
    return np.logaddexp(0.0, kind.alpha + kind.beta * auc)


def frailty_hazard(hazard: Array, theta: float) -> Array:
    """L = ((1-P)^-theta - 1)/theta = (exp(theta H) - 1)/theta, so that E exp(-Z L) = 1 - P; L = H
    without frailty.

    theta H is cut at 500 (P = 1 to any precision) against overflow at the outermost clearance
    nodes.
    """
    return np.expm1(np.minimum(theta * hazard, 500.0)) / theta if theta > 0 else hazard


def hazard_parts(model: Model, kind: Kind, dose_mg: float, clf: Array) -> tuple[Array, Array]:
    """(background, drug) hazard of the whole reference course at a constant dose, times kappa,
    before Z.

    Logistic: H(0) and H(A) - H(0); all background if beta <= 0. Typed: (1 - share) H, and share H
    at any dose > 0.
    """
    theta = model.frailty_variance
    auc = auc_per_day(model, dose_mg, clf)
    full = kind.kappa * frailty_hazard(course_hazard(kind, auc), theta)
    if kind.probability is not None:
        return (1.0 - kind.drug_share) * full, (kind.drug_share if dose_mg > 0 else 0.0) * full
    assert kind.beta is not None
    if kind.beta <= 0:
        return full, np.zeros_like(full)
    background = kind.kappa * frailty_hazard(course_hazard(kind, np.zeros_like(auc)), theta)
    return background, full - background


def course_probability(model: Model, kind: Kind, dose_mg: float, clf: Array | None = None) -> Array:
    """P(at least one event over T_ref cycles at a constant dose, never stopping), on average over
    Z.

    1 - exp(-L), or 1 - (1 + theta L)^(-1/theta); for the typical patient unless CL/F is given.
    """
    at = np.array([model.typical_clf]) if clf is None else clf
    background, drug = hazard_parts(model, kind, dose_mg, at)
    total, theta = background + drug, model.frailty_variance
    return -np.expm1(-np.log1p(theta * total) / theta) if theta > 0 else -np.expm1(-total)


def population_average(model: Model, kind: Kind, dose_mg: float, nodes: int = 64) -> float:
    """`course_probability` averaged over CL/F."""
    clf, weight = clearance_nodes(model, nodes)
    return float(course_probability(model, kind, dose_mg, clf) @ weight)


def clearance_nodes(model: Model, nodes: int) -> tuple[Array, Array]:
    """Gauss-Hermite: E h(CL/F) = sum_i v_i h(typical * exp(sd * z_i)), z standard normal."""
    if model.sd_log_clf == 0:
        return np.array([model.typical_clf]), np.ones(1)
    z, v = np.polynomial.hermite_e.hermegauss(nodes)
    return model.typical_clf * np.exp(model.sd_log_clf * z), v / v.sum()


def frailty_nodes(theta: float, nodes: int) -> tuple[Array, Array]:
    """E h(Z) = sum_i v_i h(Z_i) for Z ~ gamma(shape a = 1/theta, scale theta).

    Trapezoidal rule in x with Z = theta exp(u), u = x - exp(-x): the density of u, exp(a u -
    e^u)/Gamma(a), then decays doubly exponentially at both ends. Generalised Gauss-Laguerre has the
    same aim, but its error at 64 nodes reaches 1e-4 (theta 1) and 4e-3 (theta 2) for exp(-30 Z), a
    hazard which the smallest clearance nodes do have.
    """
    if theta == 0:
        return np.ones(1), np.ones(1)
    a = 1.0 / theta
    x, step = np.linspace(
        -np.log(46.0 / a + 2.0), np.log(a + 40.0 + 9.0 * np.sqrt(a)), nodes, retstep=True
    )
    u = x - np.exp(-x)
    return theta * np.exp(u), float(step) * np.exp(a * u - np.exp(u) - lgamma(a)) * (
        1.0 + np.exp(-x)
    )


def _stop_probability(model: Model, kind: Kind) -> float:
    return model.stop_probability if kind.stop_probability is None else kind.stop_probability


class _Patients:
    """The quadrature points (CL/F times Z, flattened to N) and every kind's hazard of each cycle on
    them.
    """

    def __init__(self, model: Model, nodes: int) -> None:
        clf, clf_weight = clearance_nodes(model, nodes)
        z, z_weight = frailty_nodes(model.frailty_variance, nodes)
        self.model, self.w = model, cycle_weights(model)
        self.weight: Array = np.outer(clf_weight, z_weight).ravel()
        self.frailty: Array = np.tile(z, clf.size)
        # (background, drug), each (kinds, N), at the start level and above
        self.parts: list[tuple[Array, Array]] = []
        for dose in model.levels_mg[model.start_level : model.start_level + 2]:
            by_kind = [hazard_parts(model, kind, dose, clf) for kind in model.kinds]
            background, drug = (
                np.repeat(np.stack(part), z.size, axis=1) for part in zip(*by_kind, strict=True)
            )
            self.parts.append((background, drug))

    def mean(self, value: Array) -> float:
        return float(value @ self.weight)

    def hazard(self, cycle: int, raised: bool) -> tuple[Array, Array]:
        """(background, drug) hazard of a cycle, times Z. With D the drug hazard of the course, e
        the escalation:

        increment w_c D(A0) + w_(c-e+1) (D(A1) - D(A0)), start w_c D(A1), reset w_(c-e+1) D(A1);
        before e: w_c D(A0).
        """
        e, w = self.model.escalation_cycle, self.w
        w_c, d0 = w[cycle - 1], self.parts[0][1]
        if not raised or e is None or cycle < e:
            background, drug = self.parts[0][0] * w_c, d0 * w_c
        else:
            d1, w_new = self.parts[1][1], w[cycle - e]
            background = self.parts[1][0] * w_c
            if self.model.clock == "increment":
                drug = w_c * d0 + w_new * (d1 - d0)
            else:
                drug = (w_c if self.model.clock == "start" else w_new) * d1
        return background * self.frailty, drug * self.frailty


def _walk(patients: _Patients, raised: bool, filtered: bool) -> list[dict[str, float]]:
    """One of the three walks of the module docstring: for each cycle, the mass of all that adds up.

    on: day 1 reached; through: not stopped by an AE in the cycle; dose:i, the i-th dose given;
    first:k, count:k, related:k: first, all and related counted events of kind k in the cycle;
    any: the first counted event of any kind falls in the cycle; count2:k, related2:k: the gain of
    the square of the number so far, E[1 + 2 X before] at an event.
    """
    model, e = patients.model, patients.model.escalation_cycle
    kinds, days = model.kinds, model.cycle_length_days
    q = np.array([[_stop_probability(model, k)] for k in kinds])
    called = np.array([[[k.sensitivity], [k.false_positive_rate]] for k in kinds])
    can_bar = np.array([[float(k.ae_class == "non_hematologic")] for k in kinds])
    day = np.arange(days + 1.0)[:, None, None] / days
    none_yet = np.ones((len(kinds), patients.weight.size))  # f_k0
    had_one = np.zeros_like(none_yet)  # f_k1
    counted, counted_related = np.zeros_like(none_yet), np.zeros_like(none_yet)  # E[X; in f_k1]
    records = []
    for cycle in range(1, model.cycles + 1):
        reached = (1.0 - model.other_exit) ** (cycle - 1)  # no other exit so far, whatever else
        present = reached * (1.0 - model.other_exit) if model.exit_before_ae else reached
        background, drug = patients.hazard(cycle, raised)
        p = -np.expm1(-(background + drug))
        p_again = p if model.recurrence == "next_cycle" else np.zeros_like(p)
        first, every = none_yet * p, none_yet * p + had_one * p_again
        total = np.where(background + drug > 0, background + drug, 1.0)
        related = (called[:, 0] * drug + called[:, 1] * background) / total
        g = none_yet + had_one - q * every * day  # (days + 1, kinds, N)
        stay = g.prod(axis=1)  # G(d)
        record = {
            "on": reached * patients.mean(stay[0]),
            "through": present * patients.mean(stay[days]),
            "any": present * patients.mean(none_yet.prod(axis=0) * (1.0 - (1.0 - p).prod(axis=0))),
        }
        for number, dose_day in enumerate(model.dose_days):
            given = stay[0 if dose_day == 1 else dose_day]
            record[f"dose:{number}"] = present * patients.mean(given)
        again = every + 2.0 * counted * p_again
        again_related = related * (every + 2.0 * counted_related * p_again)
        for k, kind in enumerate(kinds):
            # mean over d of prod_{j != k} g_j(d-1)
            others = present * np.delete(g[:days], k, axis=1).prod(axis=1).mean(axis=0)
            record["first:" + kind.name] = patients.mean(first[k] * others)
            record["count:" + kind.name] = patients.mean(every[k] * others)
            record["related:" + kind.name] = patients.mean(every[k] * related[k] * others)
            record["count2:" + kind.name] = patients.mean(again[k] * others)
            record["related2:" + kind.name] = patients.mean(again_related[k] * others)
        records.append(record)
        in_window = filtered and e is not None and e - model.bar_window <= cycle < e
        kept_related = (1.0 - q) * related * (1.0 - can_bar if in_window else 1.0)
        kept = (1.0 - q) * (1.0 - related) + kept_related
        onward = 1.0 - p_again + p_again * kept
        counted = counted * onward + every * kept
        counted_related = counted_related * onward + every * kept_related
        none_yet, had_one = none_yet - first, had_one * onward + first * kept
    return records


def solve(model: Model, nodes: int = 64) -> Outcomes:
    """Every outcome, keyed (name, cycle) or (name, None); all patients unless named otherwise.

    on_treatment and dose_level are on day 1 of the cycle, escalated is by day 1, the cumulative
    ones by its end. rdi_loss per planned dose: reference - level if given at a lower level
    (not_escalated), all of the reference dose if not given because the patient had left
    (stopped); with rdi_planned the two add to 1.
    """
    return _solve(model, nodes)[0]


def variances(model: Model, nodes: int = 64) -> Outcomes:
    """n times the variance of the mean over n patients, for every key of `solve`.

    For a share of those asked, the delta-method value p (1 - p) / P(asked).
    """
    return _solve(model, nodes)[1]


def _solve(model: Model, nodes: int) -> tuple[Outcomes, Outcomes]:
    patients = _Patients(model, nodes)
    e = model.escalation_cycle if model.escalation_cycle is not None else model.cycles + 1
    plain = _walk(patients, raised=False, filtered=False)
    out: Outcomes = {}
    squares: Outcomes = {}
    asked = 1.0
    raised_walk = barring = plain
    if e <= model.cycles:
        barring = _walk(patients, raised=False, filtered=True)
        raised_walk = _walk(patients, raised=True, filtered=True)
        asked, passed = plain[e - 1]["on"], raised_walk[e - 1]["on"]
        out["escalated_if_on_treatment", e] = passed / asked
        out["barred:related-nonhematologic-ae", None] = 1.0 - passed / asked

    nothing = dict.fromkeys(plain[0], 0.0)
    sums: dict[str, float] = {}
    escalated = 0.0
    dose = _DoseSums(model, e)
    leaves = model.other_exit
    for c in range(1, model.cycles + 1):
        low, high = plain[c - 1], nothing
        if c >= e:
            low, high = {key: low[key] - barring[c - 1][key] for key in low}, raised_walk[c - 1]
        escalated = high["on"] if c == e else escalated
        both = {key: value + high[key] for key, value in low.items()}
        if model.exit_before_ae:
            both |= {"other": both["on"] * leaves}
            both |= {"ae": both["on"] - both["other"] - both["through"]}
        else:
            both |= {"other": both["through"] * leaves, "ae": both["on"] - both["through"]}
        for key, value in both.items():
            sums[key] = sums.get(key, 0.0) + value
        out["on_treatment", c] = both["on"]
        out["escalated", c] = escalated
        for level, level_mg in enumerate(model.levels_mg):
            branch = {0: low, 1: high}.get(level - model.start_level, nothing)
            out[f"dose_level:{level_mg:g}", c] = branch["on"]
        dose.add(c, low, high)
        out["discontinued:adverse_event", c] = sums["ae"]
        out["discontinued:other", c] = sums["other"]
        out["discontinued:any", c] = sums["ae"] + sums["other"]
        out["first_event:any", c] = sums["any"]
        for kind in model.kinds:
            out["first_event:" + kind.name, c] = sums["first:" + kind.name]
            for prefix, part in (("events", "count"), ("related_events", "related")):
                key = f"{prefix}_per_patient:{kind.name}"
                for cycle in (c, None):  # None: the whole horizon
                    out[key, cycle] = sums[f"{part}:{kind.name}"]
                    squares[key, cycle] = sums[f"{part}2:{kind.name}"]

    out["completed", None] = both["through"] * (1.0 if model.exit_before_ae else 1.0 - leaves)
    for name, (mean, square) in dose.results().items():
        out[name, None], squares[name, None] = mean, square
    conditional = ("escalated_if", "barred")
    spread = {}
    for (name, cycle), mean in out.items():
        square = squares.get((name, cycle), mean)
        below = asked if name.startswith(conditional) else 1.0
        spread[name, cycle] = max(square - mean**2, 0.0) / below
    return out, spread


class _DoseSums:
    """First and second moments of sums over doses given.

    A dose is given only if all before it were, so E S^2 = sum_t P(given at t) x_t (x_t + 2 S
    before), with S before known for each sequence of levels.
    """

    def __init__(self, model: Model, e: int) -> None:
        self.model, self.e = model, e
        start = model.levels_mg[model.start_level]
        above = model.levels_mg[min(model.start_level + 1, len(model.levels_mg) - 1)]
        reference = model.reference_dose_mg
        self.amounts = {
            "mg": (start, above),
            "doses": (1.0, 1.0),
            "not_escalated": (reference - start, reference - above),
        }
        self.mean = dict.fromkeys(self.amounts, 0.0)
        self.square = dict.fromkeys(self.amounts, 0.0)

    def add(self, cycle: int, low: dict[str, float], high: dict[str, float]) -> None:
        n = len(self.model.dose_days)
        for number in range(n):
            before = (cycle - 1) * n + number
            at_start = min(before, (self.e - 1) * n)
            for name, (x_low, x_high) in self.amounts.items():
                sum_high = at_start * x_low + (before - at_start) * x_high
                for branch, x, so_far in ((low, x_low, before * x_low), (high, x_high, sum_high)):
                    given = branch[f"dose:{number}"]
                    self.mean[name] += given * x
                    self.square[name] += given * x * (x + 2.0 * so_far)

    def results(self) -> dict[str, tuple[float, float]]:
        planned = len(self.model.dose_days) * self.model.cycles
        course = self.model.reference_dose_mg * planned
        doses = self.mean["doses"] / planned
        doses_square = self.square["doses"] / planned**2
        return {
            "cumulative_dose_mg": (self.mean["mg"], self.square["mg"]),
            "rdi_planned": (self.mean["mg"] / course, self.square["mg"] / course**2),
            "rdi_loss:stopped": (1.0 - doses, 1.0 - 2.0 * doses + doses_square),
            "rdi_loss:not_escalated": (
                self.mean["not_escalated"] / course,
                self.square["not_escalated"] / course**2,
            ),
        }
