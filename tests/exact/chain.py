"""Exact oracle for the minimal ixazomib titration model: a finite Markov chain, integrated over patients.

Written from the mathematics only; it imports nothing from the package under test and draws no random number.

Given CL/F and the frailty Z, and given the sequence of dose levels, the adverse-event kinds of a patient are
independent, so the joint law of everything below is a product over kinds of two-state chains

    f_k0 = P(no event of kind k so far),      f_k1 = P(at least one event of kind k, none of which stopped treatment).

The level sequence depends on the events only through the bar, "some counted related non-hematologic event in the
window". Events that meet the bar are removed by a *filter* (each kind keeps only paths without one), which is again a
product over kinds. With three walks, each a sub-probability,

    plain   = start level throughout, no filter,
    barring = start level throughout, filtered,
    raised  = start level, then start level + 1 from cycle e on, filtered,

every output that adds over patients is plain(c) for c < e and raised(c) + [plain(c) - barring(c)] for c >= e: those who
were escalated, plus those who were barred. No joint state of 2^K flags is needed and nothing is approximated.

Within a cycle of L days, the onset of each kind is uniform, so with p_k the probability of an event in the cycle and
q_k that an event stops treatment

    g_k(d) = f_k0 (1 - q_k p_k d/L) + f_k1 (1 - q_k p'_k d/L),      p' = p (recurrence next_cycle) or 0 (never)

is the probability that kind k has not stopped treatment by the end of day d, and G(d) = prod_k g_k(d). A dose of day
x > 1 is given with probability G(x) (the stop acts on its day), that of day 1 with G(0). An event of kind k on day d
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
        """One adverse-event kind: (alpha, beta) of the logistic, or a typed course probability with a drug share."""

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
    bar_window: int = 2  # cycles just before the escalation cycle in which a related non-hematologic event bars it
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
    return np.asarray(1000.0 * len(model.dose_days) * dose_mg / (model.cycle_length_days * clf), dtype=np.float64)


def table2_kinds() -> tuple[Kind, ...]:
    """The paper's five kinds; (alpha, beta) solve expit(alpha + beta A) = Table 2 at 3 and 4 mg, typical patient."""
    a3, a4 = (3000.0 * dose / (28.0 * (1.86 / 0.58)) for dose in (3.0, 4.0))

    def solved(name: str, ae_class: Literal["hematologic", "non_hematologic"], p3: float, p4: float) -> Kind:
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
    """w_c for c = 1..cycles (index c - 1): w_c = W(c) - W(c-1) up to T_ref (sum 1), then held, halved or zero."""
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
    """H = -log(1-P) over the reference course at constant exposure: log(1 + exp(alpha + beta A)), or the typed one."""
    if kind.probability is not None:
        return np.full_like(auc, -np.log1p(-kind.probability))
    assert kind.alpha is not None and kind.beta is not None
    return np.logaddexp(0.0, kind.alpha + kind.beta * auc)


def frailty_hazard(hazard: Array, theta: float) -> Array:
    """L = ((1-P)^-theta - 1)/theta = (exp(theta H) - 1)/theta, so that E exp(-Z L) = 1 - P; L = H without frailty.

    theta H is cut at 500 (P = 1 to any precision) against overflow at the outermost clearance nodes.
    """
    return np.expm1(np.minimum(theta * hazard, 500.0)) / theta if theta > 0 else hazard


def hazard_parts(model: Model, kind: Kind, dose_mg: float, clf: Array) -> tuple[Array, Array]:
    """(background, drug) hazard of the whole reference course at a constant dose, times kappa, before Z.

    Logistic: H(0) and H(A) - H(0); all background if beta <= 0. Typed: (1 - share) H, and share H at any dose > 0.
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
    """P(at least one event over T_ref cycles at a constant dose, never stopping), on average over Z.

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

    Trapezoidal rule in x with Z = theta exp(u), u = x - exp(-x): the density of u, exp(a u - e^u)/Gamma(a), then decays
    doubly exponentially at both ends. Generalised Gauss-Laguerre has the same aim, but its error at 64 nodes reaches
    1e-4 (theta 1) and 4e-3 (theta 2) for exp(-30 Z), a hazard which the smallest clearance nodes do have.
    """
    if theta == 0:
        return np.ones(1), np.ones(1)
    a = 1.0 / theta
    x, step = np.linspace(-np.log(46.0 / a + 2.0), np.log(a + 40.0 + 9.0 * np.sqrt(a)), nodes, retstep=True)
    u = x - np.exp(-x)
    return theta * np.exp(u), float(step) * np.exp(a * u - np.exp(u) - lgamma(a)) * (1.0 + np.exp(-x))


class _Patients:
    """The quadrature points (CL/F times Z, flattened to N) and every kind's hazard of each cycle on them."""

    def __init__(self, model: Model, nodes: int) -> None:
        clf, clf_weight = clearance_nodes(model, nodes)
        z, z_weight = frailty_nodes(model.frailty_variance, nodes)
        self.model, self.w = model, cycle_weights(model)
        self.weight: Array = np.outer(clf_weight, z_weight).ravel()
        self.frailty: Array = np.tile(z, clf.size)
        self.parts: list[tuple[Array, Array]] = []  # (background, drug), each (kinds, N), at the start level and above
        for dose in model.levels_mg[model.start_level : model.start_level + 2]:
            by_kind = [hazard_parts(model, kind, dose, clf) for kind in model.kinds]
            background, drug = (np.repeat(np.stack(part), z.size, axis=1) for part in zip(*by_kind, strict=True))
            self.parts.append((background, drug))

    def mean(self, value: Array) -> float:
        return float(value @ self.weight)

    def hazard(self, cycle: int, raised: bool) -> tuple[Array, Array]:
        """(background, drug) hazard of a cycle, times Z. With D the drug hazard of the course, e the escalation:

        increment w_c D(A0) + w_(c-e+1) (D(A1) - D(A0)), start w_c D(A1), reset w_(c-e+1) D(A1); before e: w_c D(A0).
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
    """One of the three walks of the module docstring: for each cycle, the mass of everything that adds up.

    on: day 1 reached; through: not stopped by an AE in the cycle; doses: given in the cycle; first:k, count:k: first
    and all counted events of kind k in the cycle; any: the first counted event of any kind falls in the cycle.
    """
    model, e = patients.model, patients.model.escalation_cycle
    kinds, days = model.kinds, model.cycle_length_days
    q = np.array([[model.stop_probability if k.stop_probability is None else k.stop_probability] for k in kinds])
    called = np.array([[[k.sensitivity], [k.false_positive_rate]] for k in kinds])  # related, if drug or not
    can_bar = np.array([[float(k.ae_class == "non_hematologic")] for k in kinds])
    day = np.arange(days + 1.0)[:, None, None] / days
    none_yet = np.ones((len(kinds), patients.weight.size))  # f_k0
    had_one = np.zeros_like(none_yet)  # f_k1
    records = []
    for cycle in range(1, model.cycles + 1):
        present = (1.0 - model.other_exit) ** (cycle - 1)  # no other exit so far: independent of all else
        background, drug = patients.hazard(cycle, raised)
        p = -np.expm1(-(background + drug))
        p_again = p if model.recurrence == "next_cycle" else np.zeros_like(p)
        first, every = none_yet * p, none_yet * p + had_one * p_again
        g = none_yet + had_one - q * every * day  # (days + 1, kinds, N)
        stay = g.prod(axis=1)  # G(d)
        record = {
            "on": present * patients.mean(stay[0]),
            "through": present * patients.mean(stay[days]),
            "doses": present * sum(patients.mean(stay[0 if d == 1 else d]) for d in model.dose_days),
            "any": present * patients.mean(none_yet.prod(axis=0) * (1.0 - (1.0 - p).prod(axis=0))),
        }
        for k, kind in enumerate(kinds):
            others = np.delete(g[:days], k, axis=1).prod(axis=1).mean(axis=0)  # mean over d of prod_{j != k} g_j(d-1)
            record["first:" + kind.name] = present * patients.mean(first[k] * others)
            record["count:" + kind.name] = present * patients.mean(every[k] * others)
        records.append(record)
        kept = 1.0 - q
        if filtered and e is not None and e - model.bar_window <= cycle < e:
            total = np.where(background + drug > 0, background + drug, 1.0)
            related = (called[:, 0] * drug + called[:, 1] * background) / total
            kept = kept * (1.0 - can_bar * related)
        none_yet, had_one = none_yet - first, had_one * (1.0 - p_again + p_again * kept) + first * kept
    return records


def solve(model: Model, nodes: int = 64) -> Outcomes:
    """Every outcome of the model, keyed (name, cycle) or (name, None); population: all patients unless named otherwise.

    on_treatment and dose_level are on day 1 of the cycle, escalated is by day 1, the cumulative ones by its end.
    rdi_loss per planned dose: reference - level if given at a lower level (not_escalated), all of the reference dose if
    not given because the patient had left (stopped); with rdi_planned the two add to 1.
    """
    patients = _Patients(model, nodes)
    e = model.escalation_cycle if model.escalation_cycle is not None else model.cycles + 1
    plain = _walk(patients, raised=False, filtered=False)
    out: Outcomes = {}
    raised_walk = barring = plain
    if e <= model.cycles:
        barring = _walk(patients, raised=False, filtered=True)
        raised_walk = _walk(patients, raised=True, filtered=True)
        asked, passed = plain[e - 1]["on"], raised_walk[e - 1]["on"]
        out["escalated_if_on_treatment", e] = passed / asked
        out["barred:related-nonhematologic-ae", None] = 1.0 - passed / asked

    nothing = dict.fromkeys(plain[0], 0.0)
    sums: dict[str, float] = {}
    escalated = doses = given_mg = 0.0
    for c in range(1, model.cycles + 1):
        low, high = plain[c - 1], nothing
        if c >= e:
            low, high = {key: low[key] - barring[c - 1][key] for key in low}, raised_walk[c - 1]
        escalated = high["on"] if c == e else escalated
        both = {key: value + high[key] for key, value in low.items()}
        both |= {"other": both["through"] * model.other_exit, "ae": both["on"] - both["through"]}
        for key, value in both.items():
            sums[key] = sums.get(key, 0.0) + value
        doses += both["doses"]
        out["on_treatment", c] = both["on"]
        out["escalated", c] = escalated
        for level, dose in enumerate(model.levels_mg):
            branch = {0: low, 1: high}.get(level - model.start_level, nothing)
            out[f"dose_level:{dose:g}", c] = branch["on"]
            given_mg += dose * branch["doses"]
        out["discontinued:adverse_event", c] = sums["ae"]
        out["discontinued:other", c] = sums["other"]
        out["discontinued:any", c] = sums["ae"] + sums["other"]
        out["first_event:any", c] = sums["any"]
        for kind in model.kinds:
            out["first_event:" + kind.name, c] = sums["first:" + kind.name]
            events = "events_per_patient:" + kind.name
            out[events, c] = out[events, None] = sums["count:" + kind.name]  # None: the whole horizon

    planned = len(model.dose_days) * model.cycles
    out["completed", None] = both["through"] * (1.0 - model.other_exit)
    out["cumulative_dose_mg", None] = given_mg
    out["rdi_planned", None] = given_mg / (model.reference_dose_mg * planned)
    out["rdi_loss:stopped", None] = 1.0 - doses / planned
    out["rdi_loss:not_escalated", None] = doses / planned - out["rdi_planned", None]
    return out
