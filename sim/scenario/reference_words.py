"""What the page of scenario keys says in words, where the models leave it to the name of a key."""

from sim.scenario.merge import ALTERNATIVES, NAME_KEYS, REPLACED_WHOLE

HEAD = """\
# The scenario file

Made from the models by `python -m sim.scenario.reference > docs/scenario.md`; do not edit.

A scenario is one [TOML](https://toml.io) file. Units stand in the key names and in the column
"Unit"; probabilities and shares are fractions, never percent. A key that is not on this page is
an error. "required" means: here or in the scenario that this one extends; "–" means that the key
may be left out. A table marked *sourced* also takes `source`: one text for all its numbers, or a
table with one text per key; write where the number comes from, or the word ASSUMED.

Types with a name of their own:

- **name**: letters, digits, `-` and `_`, a letter first, 64 at most.
- **action**: `"+N"` or `"-N"` levels (`-N` also without quotes), `"set D"` to the level of D mg,
  `"skip"` this dose, `"hold"` doses, `"delay"` the cycle start (at an event `"delay N"`: by N
  days), `"stop"`.
- **window**: `"ever"`, `"cycle"`, `"cycles A-B"`, `"last N cycles"`, `"last N days"` or
  `"since change"` (of the level).
- **condition**: a table with `event`, `history` or `value`, or with `all`, `any`, `none`.
- **comparison**: a table with `lt`, `le`, `gt`, `ge`, `eq`, written `grade.ge = 3`.

What the keys do is in [model.md](model.md), the words are in [glossary.md](glossary.md), and
`scenarios/titrasim.schema.json` lets an editor complete and check the file as it is typed.
"""
NAMED = ", ".join(f"`[[{kind}]]` by `{key}`" for kind, key in NAME_KEYS.items())
WHOLE = ", ".join(f"`{key}`" for key in sorted(REPLACED_WHOLE))
WAYS = "; ".join(
    f"`[[{kind}]]`: " + " or ".join(" with ".join(f"`{key}`" for key in way) for way in ways)
    for kind, ways in ALTERNATIVES.items()
)
TAIL = f"""
## Small variants: `extends` and `remove`

`extends = "ixazomib-maintenance"` starts from a shipped scenario, `extends = "other.toml"` from
a file in the same folder; up to 8 generations. The new file needs `format` and its own `name`,
and says only what is different:

- A table is merged key by key; a list is replaced.
- Entries of named lists are matched ({NAMED}) and merged; a new name is added at the end.
- {WHOLE} are replaced whole, and so is a table whose `law` changes.
- What the parent says in another way is dropped ({WAYS}).
- `remove = {{ rule = ["escalate-at-5"] }}` leaves out inherited entries by name.

```toml scenario
format = 1
extends = "ixazomib-maintenance"
name = "start-low"
title = "The flagship from 2.3 mg"

[posology]
start_mg = 2.3
source = {{ start_mg = "ASSUMED" }}
```

## Single values: `--set path=value`

`--set` may be given several times; it acts after `extends`. Steps of the path are joined by
points; an entry of a list is named by its `id`, `name`, `cause` or `clause`, or by its number
from 1. The value is TOML; quotes around a word may be left out. Where the scenario is checked,
an impossible path or value is reported like one in the file, with the nearest right name.

```sh
--set posology.start_mg=4
--set exit.progression.probability_per_cycle=0.02
--set adverse_event.rash.probability_by_dose_mg.4.0=0.12
--set rule.delay-for-grade-2.max_days=14
--set exposure_response.clock=reset
```
"""
# Keys whose meaning the models leave to the name; the model's own description comes first.
MEANINGS = {
    "drug": "Name of the drug.", "label": "Display text.",
    "name": "Name in rules, endpoints and random streams.",
    "three_compartments": "Needed for `exposure = \"accumulation\"`.",
    "class": "What `class` of a rule's condition refers to.",
    "mean": "Mean.", "sd": "Standard deviation.",
    "low": "Values below are set to it.", "high": "Values above are set to it.",
    "early_cycles": "The first so many cycles count as early.",
    "early_share": "Share of the course's hazard spent in them.",
    "shape": "Exponent; below 1 the hazard falls over time.",
    "rate_per_cycle": "Rate of decay.",
    "from_day": "First possible day.", "peak_day": "Most probable day, may lie between two.",
    "to_day": "Last possible day.",
    "probabilities": "One for each of `days`; they add to 1.",
    "median_days": "Median.", "sd_log": "Standard deviation of the log; 0 for none.",
    "probability_by_dose_mg": "Published probabilities by dose.",
    "cause": "Why the patient leaves; one exit per cause.",
    "event": "Marks a condition on adverse events.",
    "history": "Marks a condition on what has been done to the dose.",
    "value": "Marks a condition on a number: the level, consecutive cycles at it, or the day.",
    "grade": "CTCAE grade.", "related": "Called related (true) or not (false); default either.",
    "state": "Ever; active now; or not yet seen by this rule.",
    "window": "Over what stretch, see [model.md](model.md#policy).",
    "at_level": "Only what happened at the lowest level.",
    "lt": "Less than.", "le": "At most.", "gt": "More than.", "ge": "At least.", "eq": "Equal.",
    "all": "Every condition holds.", "any": "At least one holds.", "none": "None holds.",
    "id": "Name in the log, the endpoints and the random streams.",
    "at": "The occasion on which it is asked.", "when": "What must hold.",
    "every": "Asked only every so many cycles.", "from": "The first of these cycles.",
    "choices": "Outcomes of one draw, instead of `do`; what is left over does nothing.",
    "do": "What is done.", "up": "No increase in this and so many further cycles, or ever again.",
    "max_fires": "How often it may act at most.", "locks": "What its firing forbids.",
    "cycle": "Cycles.", "cycle_day": "Days of the cycle.",
    "below_lowest": "A step below the lowest level stops treatment, or stays there.",
    "recheck_days": "How often a waiting cycle start is asked again.",
    "max_delay_days": "A cycle start that has waited so long stops treatment.",
    "max_hold_days": "A hold that has lasted so long stops treatment.",
    "max_reductions": "One reduction more stops treatment; default no limit.",
    "multiplier": "Solved by `titrasim calibrate`; times `probability_ratio` of a rule.",
    "stopped_patients": "Published: patients who stopped for an adverse event.",
    "patients": "Published: of so many.", "dose_mg": "Fixed dose of the setting.",
    "other_exit_per_cycle": "The one other exit of the setting, a probability.",
    "early_stopped_patients": "Published: of those who stopped, by the end of early_cycles.",
    "absorption_per_h": "Absorption rate.", "clearance_l_per_h": "Clearance.",
    "bioavailability": "Bioavailability.", "central_volume_l": "Central volume.",
    "intercompartmental_2_l_per_h": "Clearance to and from the second compartment.",
    "peripheral_2_volume_l": "Volume of the second compartment.",
    "intercompartmental_3_l_per_h": "Clearance to and from the third compartment.",
    "peripheral_3_volume_l": "Volume of the third compartment.",
}  # fmt: skip
# By table where one key means different things, or the description leaves the default out.
BY_TABLE = {
    ("Rule", "max_days"): "Longest wait for this rule; default `policy.max_delay_days`.",
    ("Rule", "then"): "When max_days are over: `stop` (default), `proceed`, or -N levels.",
    ("Rule", "max_fires"): "How often it may act at most; default no limit.",
    ("Population", "age_years"): "Age, for reporting; not drawn yet.",
    ("Population", "female_share"): "Share of women, for reporting; not drawn yet.",
    ("Every", "cycles"): "Every so many cycles.",
    ("Calibration", "cycles"): "Length of the setting's course.",
    ("DiscreteOnset", "days"): "Days of the cycle.",
    ("FixedDuration", "days"): "Length.",
    ("Choice", "probability"): "Of this outcome.",
}
UNITS = {
    "_by_dose_mg": "doses in mg", "_dose_days": "day of the cycle",
    "_visit_days": "day of the cycle",
    "_center_auc_per_day": "ng·h/mL per day", "_auc_per_day": "1/(ng·h/mL per day)",
    "_l_per_h": "L/h", "_per_h": "1/h", "_volume_l": "L", "_mg": "mg", "_days": "days",
    "_day": "day of the cycle", "_m2": "m²", "_years": "years", "_rate_per_cycle": "1/cycle",
    "_per_cycle": "per cycle", "_cycles": "cycles", "_cycle": "cycle", "_from": "cycle",
}  # fmt: skip
