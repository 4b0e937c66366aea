"""The shape of what is counted: one patient's outcome, and the sums over patients.

Sums are whole numbers, so that neither the order of patients nor their blocks can matter.
"""

import numpy as np

from sim.model.layout import CYCLE_SLOTS, GRADES, MAX_CLAUSES, MAX_KINDS, MAX_LEVELS, MAX_RULES

_integer = np.int64
_real = np.float64

OUTCOME = np.dtype(
    [
        ("patient", _integer),
        ("last_cycle", _integer),
        ("last_day", _integer),
        ("cause", _integer),
        ("route", _integer),
        ("escalated_cycle", _integer),  # 0 = never
        ("first_reduction_cycle", _integer),
        ("first_modification_cycle", _integer),
        ("level_of_cycle", np.int8, (CYCLE_SLOTS,)),  # -1 = off treatment
        ("first_event_cycle", np.int8, (MAX_KINDS, GRADES)),  # by grade at least; 0 = never
        ("first_any_cycle", _integer),
        ("events", np.int16, (MAX_KINDS,)),
        ("related_events", np.int16, (MAX_KINDS,)),
        ("interruptions", _integer),
        ("delays", _integer),
        ("delay_days", _integer),
        ("longest_delay", _integer),
        ("holds", _integer),
        ("reductions", _integer),
        ("rule_asks", np.int32, (MAX_RULES,)),
        ("rule_fires", np.int32, (MAX_RULES,)),
        ("clause_held", np.int32, (MAX_CLAUSES,)),
        ("toxicity_days", _integer, (2,)),  # grade 2 and 3 or higher
        ("given_ug", _integer),
        ("given_mg", _real),
        ("loss_not_escalated_ug", _integer),
        ("loss_reduced_ug", _integer),
        ("loss_held_ug", _integer),
        ("loss_delayed_ug", _integer),
        ("loss_stopped_ug", _integer),
        ("auc_per_day", _real),
        ("benefit", _real),
    ],
    align=True,
)

# What is counted across patients. Each patient is described by whole numbers only, so that
# sums are exact and neither order nor blocks can matter: cycles at which something first
# happened (0 = never), and values; fractions are in units of a power of two.
FIRSTS = (
    "escalated",
    "first_event:any",
    "first_modification",
    "first_reduction",
    "discontinued:any",
    "discontinued:adverse_event",
    "discontinued:progression",
    "discontinued:withdrawal",
    "discontinued:death",
    "discontinued:other",
)
FIRST_ROUTE = len(FIRSTS)  # + route code
FIRST_EVENT = FIRST_ROUTE + 7  # + kind * GRADES + grade
N_FIRSTS = FIRST_EVENT + MAX_KINDS * GRADES
VALUES = (
    "cycles",
    "days",
    "completed",
    "interruption",
    "interruption:count",
    "delay",
    "delay:count",
    "delay_days:count",
    "reduction",
    "reduction:count",
    "hold",
    "hold:count",
    "toxicity_days:g2",
    "toxicity_days:g3",
    "given_ug",
    "dose_ug",
    "rdi_on_treatment",
    "rdi_loss:not_escalated",
    "rdi_loss:reduced",
    "rdi_loss:held",
    "rdi_loss:delayed",
    "rdi_loss:stopped",
    "auc_per_day",
    "clinical_benefit",
)
MAX_NAMED_CYCLES = 4
VALUE_SUCCESS = len(VALUES)  # + place among the named cycles
VALUE_DELAY_OVER = VALUE_SUCCESS + MAX_NAMED_CYCLES
VALUE_EVENTS = VALUE_DELAY_OVER + MAX_NAMED_CYCLES
N_ALWAYS = VALUE_EVENTS  # values that every patient has; those after it are mostly 0
VALUE_RELATED = VALUE_EVENTS + MAX_KINDS
VALUE_ASKS = VALUE_RELATED + MAX_KINDS
VALUE_FIRED = VALUE_ASKS + MAX_RULES
VALUE_CLAUSE = VALUE_FIRED + MAX_RULES
N_VALUES = VALUE_CLAUSE + MAX_CLAUSES
RDI_UNIT = 65_536
AUC_UNIT = 1_024
BENEFIT_UNIT = 1_048_576

# Amounts of dose and exposure may be so large that a sum of their products needs more than
# 64 bits. They are split in a high and a low part of PART_BITS; the fields `square` and
# `product` sum low * low, which for all other values is all, and two more fields the mixed
# products and high * high. Denominators are never large.
FIRST_LARGE = VALUES.index("given_ug")
END_LARGE = VALUES.index("clinical_benefit") + 1
N_LARGE = END_LARGE - FIRST_LARGE
PART_BITS = 22
LOW_PART = (1 << PART_BITS) - 1
MAX_AMOUNT = 1 << (2 * PART_BITS)
MAX_TALLIED = 1 << 17  # patients of one tally: 2 * MAX_AMOUNT * MAX_TALLIED < 2^63

TALLY = np.dtype(
    [
        ("patients", _integer),
        ("first", _integer, (N_FIRSTS, CYCLE_SLOTS)),
        ("last_cycle", _integer, (CYCLE_SLOTS,)),
        ("escalated_on", _integer, (CYCLE_SLOTS,)),  # escalated by and on treatment in the cycle
        ("level", _integer, (MAX_LEVELS, CYCLE_SLOTS)),
        ("total", _integer, (N_VALUES,)),
        ("square", _integer, (N_VALUES,)),
        ("product", _integer, (N_VALUES,)),  # with the value's denominator
        ("large_square", _integer, (2, N_LARGE)),  # mixed and high parts
    ],
    align=True,
)
PAIR = np.dtype(
    [
        ("patients", _integer),
        ("first", _integer, (N_FIRSTS, CYCLE_SLOTS)),
        ("on_treatment", _integer, (CYCLE_SLOTS,)),
        ("escalated_on", _integer, (3, CYCLE_SLOTS)),  # both, own, the other's
        ("level", _integer, (MAX_LEVELS, CYCLE_SLOTS)),
        ("product", _integer, (N_VALUES, 4)),
        ("large_product", _integer, (2, N_LARGE)),  # mixed and high parts of the first of four
    ],
    align=True,
)

# One patient's description: what it amounts to by number, values before firsts; and which
# of those that are mostly 0 are not.
NOTE = np.dtype(
    [
        ("n_values", _integer),
        ("value", _integer, (N_VALUES,)),
        ("n_firsts", _integer),
        ("first", _integer, (N_FIRSTS,)),
        ("amount", _integer, (N_VALUES + N_FIRSTS,)),
    ],
    align=True,
)
