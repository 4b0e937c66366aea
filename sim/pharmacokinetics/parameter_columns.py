"""Which column of a parameter file holds what, by the names NONMEM, Monolix and nlmixr2 give.

Upper and lower case are alike; blanks, points, slashes and hyphens count as underscores.
Units are L, L/h, 1/h and h; a unit in the heading that is another one is refused.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from sim.errors import DataError, Problem, quoted
from sim.pharmacokinetics.parameter_table import ParameterTable, printable, quoted_names
from sim.scenario.nearest import nearest

Layout = tuple[str, str, str, str, str]
# What a column may be called, first by what it holds.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "id": ("id", "subject", "subj", "subjid", "usubjid", "patient", "individual"),
    "cl": ("cl", "clearance", "clearance_l_per_h", "icl"),
    "clf": ("clf", "cl_f", "clof", "cl_over_f", "cl_f_l_per_h", "oral_cl", "iclf"),
    "f": ("f", "f1", "bio", "fbio", "fabs", "bioavailability"),
    "ka": ("ka", "absorption_per_h"),
    "lag": ("lag", "alag", "alag1", "tlag", "lag_h"),
    "v": ("v", "vc", "central_volume_l"),
    "v1": ("v1",),
    "v2": ("v2",),
    "v3": ("v3",),
    "v4": ("v4",),
    "vp": ("vp", "vp1"),
    "vp2": ("vp2",),
    "q": ("q", "qp", "qp1"),
    "q1": ("q1",),
    "q2": ("q2", "qp2"),
    "q3": ("q3",),
    "q4": ("q4",),
    "peripheral_2": ("peripheral_2_volume_l",),
    "peripheral_3": ("peripheral_3_volume_l",),
    "exchange_2": ("intercompartmental_2_l_per_h",),
    "exchange_3": ("intercompartmental_3_l_per_h",),
}
# Monolix writes several estimates of a parameter; the conditional mode is the one used first.
ESTIMATES = ("mode", "", "saem", "mean", "median", "ind")
# The typical patient's value: no individual's, whatever stands in the rows.
POPULATION_ESTIMATE = "pop"
IGNORED_ESTIMATES = ("sd", "se", "rse", "cv", "shrinkage")
# Central volume, then exchange and volume of either peripheral compartment.
LAYOUTS: dict[str, Layout] = {
    "NONMEM, V2 central": ("v2", "q3", "v3", "q4", "v4"),
    "V1 central": ("v1", "q2", "v2", "q3", "v3"),
    "nlmixr2, V or VC central": ("v", "q", "vp", "q2", "vp2"),
    "V or VC central, Q1 and Q2": ("v", "q1", "vp", "q2", "vp2"),
    "V or VC central, V2 and V3 peripheral": ("v", "q2", "v2", "q3", "v3"),
    "V or VC central, Q and Q2": ("v", "q", "v2", "q2", "v3"),
    "V1 central, Q and Q2": ("v1", "q", "v2", "q2", "v3"),
    "V or VC central, V3 and V4 peripheral": ("v", "q3", "v3", "q4", "v4"),
    "the scenario's own names": (
        "v", "exchange_2", "peripheral_2", "exchange_3", "peripheral_3",
    ),
}  # fmt: skip
UNITS = {
    "v": ("l", "liter", "litre", "liters", "litres"),
    "q": ("l/h", "l/hr", "l.h-1", "l*h-1", "liter/h", "litre/h"),
    "ka": ("1/h", "/h", "h-1", "h^-1", "1/hr"),
    "lag": ("h", "hr", "hour", "hours"),
    "f": ("a fraction", "fraction", "-", "1"),
}
_UNIT = re.compile(r"\s*[(\[]([^()\[\]]*[A-Za-z%][^()\[\]]*|\s*[-1]\s*)[)\]]\s*$")
_BASE = {name: base for base, names in SYNONYMS.items() for name in names}
_SUFFIXES = (*filter(None, ESTIMATES), POPULATION_ESTIMATE, *IGNORED_ESTIMATES)
_NAMELESS = re.compile(r"(eta|phi|etc|phc)(_?\d+)+")
_CLEARANCES = {"cl", "clf", "eta_cl", "eta_clf"}


@dataclass(frozen=True)
class Column:
    """A column that was recognised: its place, its name in the file, what it holds."""

    place: int
    name: str
    base: str
    estimate: str
    is_apparent: bool = False
    is_eta: bool = False


@dataclass(frozen=True)
class Columns:
    """The columns that are used, by what they hold, and how they were understood."""

    id: Column
    used: dict[str, Column]
    layout: Layout | None
    notes: tuple[str, ...] = field(default=())

    @property
    def all(self) -> list[Column]:
        """Every column whose values are read, in the order of the file."""
        return sorted(self.used.values(), key=lambda column: column.place)


def recognise(table: ParameterTable) -> Columns:
    """Return the columns of a parameter file.

    Raises DataError when the patient or every form of clearance is missing (D32), a quantity
    stands in two columns (D33) or in another unit (D34).
    """
    named = [column for place, name in enumerate(table.header) if (column := _column(place, name))]
    typical = [column.name for column in named if column.estimate == POPULATION_ESTIMATE]
    found = [column for column in named if column.estimate != POPULATION_ESTIMATE]
    chosen, problems = _chosen(table, found)
    problems += [*_missing(table, chosen, typical), *_wrong_units(table, chosen)]
    problems += [*_two_readings(table, chosen), *_half_apparent(table, chosen)]
    if problems:
        raise DataError(problems)
    patient = chosen.pop("id")
    layout, notes = _layout(chosen)
    used = {base: chosen[base] for base in _wanted(chosen, layout)}
    names = [f"{column.name} ({_meaning(base, layout)})" for base, column in used.items()]
    notes = [f"columns used: {', '.join(names)}", *notes, *_odd_estimates(used)]
    if typical:
        notes.append(f"{', '.join(typical)}: population values, not used")
    return Columns(patient, used, layout, tuple(notes))


def _word(name: str) -> str:
    """Return a heading without its unit, in small letters, other signs as underscores."""
    return _plain_word(_UNIT.sub("", name.strip().strip('"')))


def _plain_word(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _column(place: int, name: str) -> Column | None:
    """Return what a heading names, or None if it names nothing of use."""
    word = _word(name)
    is_eta = re.fullmatch(r"eta_?([a-z].*)", word)
    word = is_eta[1] if is_eta else word
    estimate = ""
    ending = re.fullmatch(rf"(.+)_({'|'.join(_SUFFIXES)})", word)
    if ending and word not in _BASE:
        word, estimate = ending[1], ending[2]
    is_apparent = False
    over_f = re.fullmatch(r"([vq]\w*)_f", word)
    if over_f and word not in _BASE:
        word, is_apparent = over_f[1], True
    if word not in _BASE or estimate in IGNORED_ESTIMATES:
        return None
    base = f"eta_{_BASE[word]}" if is_eta else _BASE[word]
    return Column(place, printable(name), base, estimate, is_apparent, bool(is_eta))


def _chosen(table: ParameterTable, found: list[Column]) -> tuple[dict[str, Column], list[Problem]]:
    """Return one column for each quantity, and a problem for each that stands in two (D33)."""
    chosen: dict[str, Column] = {}
    problems = []
    order = [*_preferred(found), *ESTIMATES]
    for base in dict.fromkeys(column.base for column in found):
        own = [column for column in found if column.base == base]
        best = min(order.index(column.estimate) for column in own)
        first = [column for column in own if order.index(column.estimate) == best]
        chosen[base] = first[0]
        if base == "id":
            # A trial's files name a patient more than once; the first name in the list counts.
            chosen[base] = min(own, key=lambda column: SYNONYMS["id"].index(_word(column.name)))
        elif len(first) > 1:
            names = quoted_names([column.name for column in first])
            message = f"the columns {names} hold the same quantity"
            problems.append(_problem(table, "D33", message, "keep one of them"))
    return chosen, problems


def _preferred(found: list[Column]) -> list[str]:
    """Return the one estimate to take everything from: the first with most of a full set.

    Estimates of different kinds do not belong to one individual: a mode of CL and a mean of F
    give no CL/F that the individual has.
    """

    def completeness(estimate: str) -> tuple[bool, bool, bool]:
        own = {column.base for column in found if column.estimate == estimate}
        has_set = any(set(names) <= own for names in LAYOUTS.values()) and "ka" in own
        has_value = bool({"cl", "clf"} & own)
        return has_value and has_set, has_value, bool(_CLEARANCES & own)

    ranked = sorted(ESTIMATES, key=completeness, reverse=True)
    return ranked[:1]


def _odd_estimates(used: dict[str, Column]) -> Iterator[str]:
    """Yield a note when the columns used are estimates of different kinds."""
    first = next(iter(used.values()))
    odd = [column.name for column in used.values() if column.estimate != first.estimate]
    if odd:
        yield f"estimates of different kinds are used together: {', '.join(odd)} with {first.name}"


def _missing(
    table: ParameterTable, chosen: dict[str, Column], typical: list[str]
) -> Iterator[Problem]:
    """Yield what is missing without which nothing can be done (D32)."""
    if "id" not in chosen:
        message = "no column names the patient; it is called ID, SUBJECT, USUBJID or PATIENT"
        yield _problem(table, "D32", message, _close(table, "id"))
    if not _CLEARANCES & set(chosen):
        message = "no column holds a clearance; it is called CL, CL/F, CLF, CL_mode, CL_SAEM"
        message += " or, as a deviation from the scenario's typical patient, ETA_CL"
        hint = _close(table, "cl", "clf")
        nameless = [name for name in table.header if _NAMELESS.fullmatch(_plain_word(name))]
        if typical:
            hint = f"{', '.join(typical)} holds the population's value, not each patient's"
        elif nameless:
            hint = f"{quoted(nameless[0])} says not of what: "
            hint += "give CL, or the eta of clearance as ETA_CL"
        yield _problem(table, "D32", message, hint)


def _close(table: ParameterTable, *bases: str) -> str:
    """Return which column may have been meant, or what the file has."""
    names = [name for base in bases for name in SYNONYMS[base]]
    for heading in table.header:
        if len(heading) > 1 and nearest(heading, names) is not None:
            return f"was {quoted(heading)} meant?"
    shown = quoted_names(table.header[:8])
    return f"the file has {shown}" + (" ..." if len(table.header) > 8 else "")


def _wrong_units(table: ParameterTable, chosen: dict[str, Column]) -> Iterator[Problem]:
    """Yield headings that state another unit than the one expected (D34)."""
    for base, column in chosen.items():
        stated = _UNIT.search(column.name)
        unit = stated[1].strip() if stated else "%" if "%" in column.name else None
        allowed = UNITS.get(_quantity(base))
        if unit is None or allowed is None or column.is_eta:
            continue
        if unit.lower().replace(" ", "") not in allowed:
            expected = allowed[0] if base == "f" else allowed[0].replace("l", "L")
            message = f"{quoted(column.name)} is in {unit}; it must be "
            yield _problem(table, "D34", f"{message}{'' if base == 'f' else 'in '}{expected}")


def _quantity(base: str) -> str:
    if base in ("cl", "clf") or base.startswith(("q", "exchange")):
        return "q"
    return "v" if base.startswith(("v", "peripheral")) else base


def _full_sets(chosen: dict[str, Column]) -> dict[str, Layout]:
    """Return every numbering of compartments for which the file has all five columns."""
    return {title: names for title, names in LAYOUTS.items() if set(names) <= set(chosen)}


def _two_readings(table: ParameterTable, chosen: dict[str, Column]) -> Iterator[Problem]:
    """Yield a problem when the compartments could be numbered in two ways (D33)."""
    titles = list(_full_sets(chosen))
    if len(titles) > 1:
        message = f"the compartments can be read in two ways: {titles[0]}; {titles[1]}"
        yield _problem(table, "D33", message, "keep the columns of one of them")


def _half_apparent(table: ParameterTable, chosen: dict[str, Column]) -> Iterator[Problem]:
    """Yield a problem when CL/F stands beside volumes that may or may not be over F (D33)."""
    full = next(iter(_full_sets(chosen).values()), None)
    if full is None or not {"ka", "clf"} <= set(chosen) or {"cl", "f"} & set(chosen):
        return
    plain = [chosen[base].name for base in full if not chosen[base].is_apparent]
    if plain:
        message = f"{quoted(chosen['clf'].name)} is over F, and without F it cannot be told whether"
        message += f" {quoted_names(plain)} are too"
        hint = "call apparent ones V2/F, Q3/F and so on, or add a column F"
        yield _problem(table, "D33", message, hint)


def _layout(
    chosen: dict[str, Column],
) -> tuple[Layout | None, list[str]]:
    """Return how the compartments are numbered, None without a full set, and what to know."""
    has_absorption = "ka" in chosen and bool({"cl", "clf"} & set(chosen))
    full = _full_sets(chosen)
    if full and has_absorption:
        title, layout = next(iter(full.items()))
        return layout, [f"compartments numbered as: {title}"]
    parts = [
        column.name
        for base, column in chosen.items()
        if not column.is_eta and (base == "ka" or base[0] in "vq")
    ]
    if not parts:
        return None, []
    note = (
        f"{', '.join(parts)} found, but not a full set of three compartments (for example KA, CL, "
        "V2, Q3, V3, Q4, V4, with F1): only CL/F is used, the rest is the typical patient's"
    )
    return None, [note]


def _wanted(chosen: dict[str, Column], layout: Layout | None) -> list[str]:
    """Return what is read: a full set, or what makes up CL/F.

    CL over F comes before CL/F; with all three CL/F is read to be compared.
    """
    pairs: tuple[tuple[str, ...], ...] = (
        ("cl", "f", "clf"),
        ("cl", "f"),
        *((("cl", "clf"), ("clf", "f")) if layout else ()),
        ("clf",),
        ("cl",),
        ("eta_clf",),
        ("eta_cl", "eta_f"),
        ("eta_cl",),
    )
    clearance = next(names for names in pairs if set(names) <= set(chosen))
    if layout is None:
        return [*clearance]
    return [*clearance, "ka", *(["lag"] if "lag" in chosen else []), *layout]


def _meaning(base: str, layout: tuple[str, ...] | None) -> str:
    words = {
        "cl": "clearance",
        "clf": "CL/F",
        "f": "bioavailability",
        "ka": "absorption",
        "lag": "lag time",
        "eta_cl": "eta of clearance",
        "eta_clf": "eta of CL/F",
        "eta_f": "eta of bioavailability",
    }
    if base in words or layout is None:
        return words.get(base, base)
    roles = ("central volume", "exchange 2", "peripheral 2", "exchange 3", "peripheral 3")
    return dict(zip(layout, roles, strict=True))[base]


def _problem(table: ParameterTable, code: str, message: str, hint: str | None = None) -> Problem:
    return Problem(table.name, table.header_line, None, code, "error", message, hint)
