"""The shape of what engines hold: the plan, one patient's state, and the book it is written in.

All are records of fixed shape, so that a scenario of any size runs through the same
compiled code. Limits are stated here and checked when a scenario is compiled.
Cycles count from 1 and days from 1 (the first dose) everywhere; cycle c uses index c.
"""

import numpy as np

MAX_KINDS = 12
MAX_LEVELS = 12
MAX_CYCLES = 63
CYCLE_SLOTS = MAX_CYCLES + 1
MAX_CYCLE_DAYS = 126
MAX_DOSE_DAYS = 28
MAX_POINTS = 2 * MAX_DOSE_DAYS
MAX_RULES = 32
MAX_CLAUSES = 96
MAX_OPERATIONS = 192
MAX_EXITS = 6
MAX_INDIVIDUALS = 4_096
MAX_STEPS = 8
MAX_CHOICES = 4
GRADES = 6
CAUSES = 6
MAX_EVENTS = MAX_KINDS * MAX_CYCLES
MAX_HISTORY = 16_400
MAX_CANDIDATES = 1_032  # at least those of one patient
assert MAX_CANDIDATES >= MAX_EVENTS
UNLIMITED = 1_000_000
MAX_LOG = 65_536
SCREEN_BINS = 1024
ONSET_BINS = 256
ONSET_SHIFT = 32 - 8
ALL_CYCLES = -1  # every bit set
EXIT_DAYS = 256  # exits over fewer days are looked up, where hazards are constant
VARIABLE = 1 << 32  # the threshold of an exit whose hazard depends on more than the days

LOG_COLUMNS = (
    "patient",
    "cycle",
    "day",
    "ask",
    "rule",
    "kind",
    "holds",
    "fired",
    "won",
    "clauses",
    "action",
    "argument",
    "level_before",
    "level_after",
)
DOSE_COLUMNS = ("patient", "cycle", "dose", "day", "level", "given", "rule", "related")
EVENT_COLUMNS = (
    "patient",
    "cycle",
    "kind",
    "onset_day",
    "end_day",
    "grade",
    "caused_by_drug",
    "related",
    "known_day",
    "level",
)
DISPOSITION_COLUMNS = ("patient", "last_cycle", "day", "cause", "route", "rule", "level")
SCRIPT_COLUMNS = (
    "cycle",
    "kind",
    "day_of_cycle",
    "duration_days",
    "grade",
    "caused_by_drug",
    "related",
)

_integer = np.int64
_real = np.float64

PLAN = np.dtype(
    [
        # random numbers
        ("seed_low", _integer),
        ("seed_high", _integer),
        ("parameter_draw", _integer),
        ("cl_f_stream", _integer),
        ("frailty_stream", _integer),
        ("bsa_stream", _integer),
        # posology and calendar
        ("n_levels", _integer),
        ("level_mg", _real, (MAX_LEVELS,)),
        ("level_ug", _integer, (MAX_LEVELS,)),
        ("start_level", _integer),
        ("target_level", _integer),
        ("reference_ug", _integer),
        ("cycle_days", _integer),
        ("max_cycles", _integer),
        ("max_days", _integer),
        ("n_doses", _integer),
        ("last_dose_day", _integer),  # of the cycle
        ("n_points", _integer),  # days of the cycle with a dose or a visit, ascending
        ("point_day", _integer, (MAX_POINTS,)),
        ("point_dose", _integer, (MAX_POINTS,)),  # ordinal of the dose, 0 for none
        ("point_visit", _integer, (MAX_POINTS,)),
        # exposure
        ("cl_f_typical", _real),
        ("cl_f_sd_log", _real),
        ("n_individuals", _integer),  # 0 = the log-normal law
        ("individual_cl_f", _real, (MAX_INDIVIDUALS,)),  # ascending
        ("auc_per_mg", _real),  # A = auc_per_mg * mg / (CL/F), ng*h/mL per day
        ("per_m2", _integer),
        ("bsa_mean", _real),
        ("bsa_sd", _real),
        ("bsa_low", _real),
        ("bsa_high", _real),
        ("n_accumulation", _integer),  # 0 = steady state
        ("accumulation", _real, (CYCLE_SLOTS,)),
        # risk
        ("clock", _integer),
        ("weight", _real, (CYCLE_SLOTS,)),
        ("frailty_variance", _real),
        ("frailty_log_gamma", _real),
        ("n_kinds", _integer),
        ("kind_stream", _integer, (MAX_KINDS,)),
        ("course_stream", _integer, (MAX_KINDS,)),
        ("kind_class", _integer, (MAX_KINDS,)),
        ("counting_grade", _integer, (MAX_KINDS,)),
        ("has_slope", _integer, (MAX_KINDS,)),
        ("intercept", _real, (MAX_KINDS,)),
        ("slope", _real, (MAX_KINDS,)),
        ("constant_hazard", _real, (MAX_KINDS,)),  # course hazard without a slope
        ("background_hazard", _real, (MAX_KINDS,)),  # course hazard at zero exposure
        ("drug_share", _real, (MAX_KINDS,)),  # below 0: the hazard's own share
        ("setting_multiplier", _real, (MAX_KINDS,)),
        ("recurrence", _integer, (MAX_KINDS,)),
        ("grade_share", _real, (MAX_KINDS, GRADES)),
        ("sensitivity", _integer, (MAX_KINDS,)),  # thresholds on 32-bit words
        ("false_positive", _integer, (MAX_KINDS,)),
        ("onset", _integer, (MAX_KINDS, MAX_CYCLE_DAYS + 1)),  # thresholds of P(day <= d)
        ("onset_from", _integer, (MAX_KINDS, ONSET_BINS)),  # first day by the word's highest bits
        ("duration_law", _integer, (MAX_KINDS, GRADES)),
        ("duration_median", _real, (MAX_KINDS, GRADES)),
        ("duration_sd", _real, (MAX_KINDS, GRADES)),
        # clinical benefit
        ("has_benefit", _integer),
        ("benefit_intercept", _real),
        ("benefit_slope", _real),
        ("benefit_days", _integer),
        # outcomes
        ("n_success_cycles", _integer),
        ("success_cycle", _integer, (4,)),
        ("n_delay_lengths", _integer),
        ("delay_length", _integer, (4,)),
        # exits
        ("n_exits", _integer),
        ("exit_stream", _integer, (MAX_EXITS,)),
        ("exit_cause", _integer, (MAX_EXITS,)),
        ("exit_hazard", _real, (MAX_EXITS,)),  # of the first nominal cycle
        ("exit_shape", _real, (MAX_EXITS,)),
        ("exit_slope", _real, (MAX_EXITS,)),
        ("exit_reference_auc", _real),
        ("exit_before_ae", _integer, (MAX_EXITS,)),
        # limits and readings of the policy
        ("seen_at_onset", _integer),
        ("order_by_file", _integer),
        ("stay_at_lowest", _integer),
        ("recheck_days", _integer),
        ("max_delay_days", _integer),
        ("max_hold_days", _integer),
        ("max_reductions", _integer),
        ("follow_up_days", _integer),  # AEs count this long after the last dose; 0 = to the stop
        # rules
        ("n_rules", _integer),
        ("rules_about_new", _integer),  # bit r: rule r must be asked once about every event
        ("asked_at", _integer, (7,)),  # by occasion: bit r, rule r is asked there
        ("asked_in_cycle", _integer, (CYCLE_SLOTS + 1,)),  # bit r: rule r is asked in cycle c
        ("rules_of_event", _integer, (MAX_KINDS, GRADES, 2)),  # rules such an event can matter to
        # bit r: event rule r acts only if its draw is below its chance threshold
        ("chance_rules", _integer),
        ("chance_threshold", _integer, (MAX_RULES,)),
        # Whether some rule may act because such an event is active: at the start of a cycle
        # (its level decision included), or on a day within it.
        ("standing_at_start", _integer, (MAX_KINDS, GRADES, 2)),
        ("standing_inside", _integer, (MAX_KINDS, GRADES, 2)),
        ("has_exit_ahead", _integer),
        ("rules_without_event", _integer),  # bit r: rule r can hold without a live or new event
        ("rule_at", _integer, (MAX_RULES,)),
        ("stop_rules", _integer),  # bit r: rule r does nothing but stop
        ("stops_about_holds", _integer),  # bit r: stop rule r looks at holds
        ("rule_is_stop", _integer, (MAX_RULES,)),  # nothing but stop: asked at every ask
        ("rule_is_gate", _integer, (MAX_RULES,)),
        ("rule_raises", _integer, (MAX_RULES,)),
        ("rule_cycles", _integer, (MAX_RULES,)),  # bit c: asked in cycle c
        ("rule_days", _integer, (MAX_RULES, MAX_CYCLE_DAYS + 1)),
        ("rule_off_cycles", _integer, (MAX_RULES,)),  # bit c: off days hold in cycle c only
        ("rule_off_days", _integer, (MAX_RULES, MAX_CYCLE_DAYS + 1)),
        ("rule_stream", _integer, (MAX_RULES,)),
        ("rule_kind_stream", _integer, (MAX_RULES, MAX_KINDS)),
        ("rule_when", _integer, (MAX_RULES, 2)),  # first operation and number of operations
        ("rule_until", _integer, (MAX_RULES, 2)),
        ("rule_first_clause", _integer, (MAX_RULES,)),
        ("rule_threshold", _integer, (MAX_RULES,)),
        ("rule_n_choices", _integer, (MAX_RULES,)),
        ("choice_threshold", _integer, (MAX_RULES, MAX_CHOICES)),
        ("choice_action", _integer, (MAX_RULES, MAX_CHOICES)),
        ("choice_argument", _integer, (MAX_RULES, MAX_CHOICES)),
        ("rule_n_steps", _integer, (MAX_RULES,)),
        ("step_action", _integer, (MAX_RULES, MAX_STEPS)),
        ("step_argument", _integer, (MAX_RULES, MAX_STEPS)),
        ("rule_n_resume", _integer, (MAX_RULES,)),
        ("resume_down", _integer, (MAX_RULES, MAX_STEPS)),
        ("rule_max_days", _integer, (MAX_RULES,)),
        ("rule_then", _integer, (MAX_RULES,)),
        ("rule_then_down", _integer, (MAX_RULES,)),
        ("rule_max_fires", _integer, (MAX_RULES,)),
        ("rule_lock_cycles", _integer, (MAX_RULES,)),
        ("rule_caps", _integer, (MAX_RULES,)),
        ("rule_route", _integer, (MAX_RULES,)),
        ("longest_log", _integer),  # rows that one patient's decisions can need
        # clauses and compiled conditions
        ("n_clauses", _integer),
        ("clause_type", _integer, (MAX_CLAUSES,)),
        ("clause_kind", _integer, (MAX_CLAUSES,)),  # kind, history or value; -1 any kind
        ("clause_class", _integer, (MAX_CLAUSES,)),
        ("clause_related", _integer, (MAX_CLAUSES,)),
        ("clause_state", _integer, (MAX_CLAUSES,)),
        ("clause_onset_only", _integer, (MAX_CLAUSES,)),
        ("clause_grade", _integer, (MAX_CLAUSES, 2)),  # lowest and highest that match
        ("clause_count", _integer, (MAX_CLAUSES, 2)),
        ("clause_days", _integer, (MAX_CLAUSES, 2)),
        ("clause_window", _integer, (MAX_CLAUSES,)),
        ("clause_window_range", _integer, (MAX_CLAUSES, 2)),
        ("clause_rule", _integer, (MAX_CLAUSES,)),
        ("clause_at_lowest", _integer, (MAX_CLAUSES,)),
        ("clause_value", _real, (MAX_CLAUSES, 2)),
        ("n_operations", _integer),
        ("operation", _integer, (MAX_OPERATIONS,)),
        ("operand", _integer, (MAX_OPERATIONS,)),
        # screening: upper bounds of a cycle's hazard, see model/screen.py
        ("screen_low", _real, (MAX_KINDS, SCREEN_BINS)),
        ("screen_start", _real, (MAX_KINDS, SCREEN_BINS)),
        ("screen_rise", _real, (MAX_KINDS, SCREEN_BINS)),
        ("screen_low_weight", _real, (CYCLE_SLOTS + 4,)),
        ("screen_rise_weight", _real, (CYCLE_SLOTS + 4,)),
        ("first_rise", _integer),  # the first cycle in which the dose can rise
        ("exit_threshold", _integer, (MAX_EXITS, EXIT_DAYS)),  # by days; VARIABLE if by more
        ("has_variable_exit", _integer),
        # bit c: without an event some rule may act
        ("busy_starts", _integer),  # on the planned day 1 of cycle c or on a recheck
        ("busy_levels", _integer),  # at the level decision of cycle c
        ("busy_insides", _integer),  # on a day within cycle c
        ("chance_cycles", _integer),  # in cycle c, by a draw of its own
    ],
    align=True,
)

STATE = np.dtype(
    [
        ("patient", _integer),
        ("any_candidate", _integer),  # bit c: some kind's draw of cycle c is looked at
        ("exit_cycles", _integer),  # bit c: some exit of cycle c is looked at
        ("exit_cycles_of", _integer, (MAX_EXITS,)),  # bit c: the draw of cycle c is looked at
        ("cl_f", _real),
        ("bsa", _real),
        ("frailty", _real),
        ("level_auc", _real, (MAX_LEVELS,)),
        ("course_hazard", _real, (MAX_KINDS, MAX_LEVELS)),
        ("course_hazard_known", _integer, (MAX_KINDS,)),
        # the course so far: where the patient stands
        ("day", _integer),
        ("cycle", _integer),  # the cycle running, 0 before the first dose
        ("asked_cycle", _integer),  # the cycle that rules are asked for
        ("asked_from_day", _integer),  # planned day 1 of the asked cycle
        ("ask", _integer),  # number of the ask within the asked cycle, from its day
        ("planned_day", _integer),  # planned day 1 of the next cycle
        ("level", _integer),
        ("cycle_start", np.int32, (CYCLE_SLOTS,)),
        ("level_of_cycle", np.int8, (CYCLE_SLOTS,)),
        ("assessed_to_day", _integer),
        ("assessed_ahead_to_day", _integer),
        # layers of exposure, for the clocks
        ("n_layers", _integer),
        ("layer_level", np.int8, (CYCLE_SLOTS,)),
        ("layer_cycle", np.int8, (CYCLE_SLOTS,)),
        ("last_increase_cycle", _integer),
        # the ledgers below, as far as they are filled
        ("n_events", _integer),
        ("first_open_event", _integer),  # all before it are recovered and fully asked about
        ("had_kind", _integer),  # bit k: kind k has occurred
        # what has been done to the dose
        ("n_history", _integer),
        ("hold_rule", _integer),  # -1: no hold open
        ("hold_day", _integer),
        ("hold_related", _integer),
        ("skip_rule", _integer),  # -1: nothing skipped today
        ("skip_related", _integer),
        ("resume_down", _integer),
        ("resume_rule", _integer),
        ("resume_related", _integer),
        ("due_down", _integer),
        ("due_level", _integer),  # -1: none
        ("due_rule", _integer),
        ("due_related", _integer),
        ("delay_ordered_days", _integer),
        ("delay_rule", _integer),
        ("delay_related", _integer),
        ("ordered_rule", _integer),
        ("ordered_related", _integer),
        ("gate_fired", _integer),
        ("gate_gave_up", _integer),  # bit r: the `then` of gate rule r is done with
        ("rule_fires", np.int32, (MAX_RULES,)),
        ("rule_holds", np.int32, (MAX_RULES,)),
        ("rule_asks", np.int32, (MAX_RULES,)),
        ("clause_held", np.int32, (MAX_CLAUSES,)),
        ("lock_to_cycle", _integer),
        ("level_before_reduction", _integer),
        ("n_reductions", _integer),
        ("last_change_day", _integer),
        ("escalated_cycle", _integer),
        ("highest_level", _integer),
        # doses
        ("given_ug", _integer),
        ("given_benefit_ug", _integer),
        ("last_dose_day", _integer),
        ("loss_not_escalated_ug", _integer),
        ("loss_reduced_ug", _integer),
        ("loss_held_ug", _integer),
        # the end
        ("ended", _integer),
        ("cause", _integer),
        ("route", _integer),
        ("end_rule", _integer),
        ("last_day", _integer),
        # scratch of one ask, or of one assessment of exits
        ("match_related", _integer),
        ("match_clauses", _integer),
        ("exit_word", _integer, (MAX_EXITS,)),
        # adverse events, in the order drawn
        ("event_kind", np.int32, (MAX_EVENTS,)),
        ("event_cycle", np.int32, (MAX_EVENTS,)),
        ("event_onset", np.int32, (MAX_EVENTS,)),
        ("event_end", np.int32, (MAX_EVENTS,)),
        ("event_grade", np.int32, (MAX_EVENTS,)),
        ("event_drug", np.int32, (MAX_EVENTS,)),
        ("event_related", np.int32, (MAX_EVENTS,)),
        ("event_level", np.int32, (MAX_EVENTS,)),
        ("event_status", np.int32, (MAX_EVENTS,)),
        ("event_known_day", np.int32, (MAX_EVENTS,)),
        ("event_asked", _integer, (MAX_EVENTS,)),  # bit r: rule r has been asked about it
        # what has been done to the dose, in order
        ("history_kind", np.int32, (MAX_HISTORY,)),
        ("history_cycle", np.int32, (MAX_HISTORY,)),
        ("history_day", np.int32, (MAX_HISTORY,)),
        ("history_rule", np.int32, (MAX_HISTORY,)),
        ("history_related", np.int32, (MAX_HISTORY,)),
        ("history_days", np.int32, (MAX_HISTORY,)),
        ("history_level", np.int32, (MAX_HISTORY,)),
    ],
    align=True,
)


def _word_of(field: str) -> int:
    assert STATE.fields is not None
    return int(STATE.fields[field][1]) // 8


# The 8-byte words of STATE, from and to, that hold the course without its ledgers.
FIRST_COURSE_WORD, COURSE_WORDS_END = _word_of("day"), _word_of("event_kind")

# What a patient's course is written into when it is recorded, and the script or the list of
# candidates that may take the place of its AE draws. A record, because numba counts
# references to arrays at every call but not to records.
BOOK = np.dtype(
    [
        ("recording", _integer),
        ("n_log", _integer),
        ("n_doses", _integer),
        ("n_script", _integer),
        ("log", _integer, (MAX_LOG, len(LOG_COLUMNS))),
        ("doses", _integer, (MAX_CYCLES * MAX_DOSE_DAYS, len(DOSE_COLUMNS))),
        ("script", _integer, (MAX_EVENTS, len(SCRIPT_COLUMNS))),
        # candidates of several patients, see candidates.py, and those of the one who runs
        ("draws_are_listed", _integer),
        ("next_candidate", _integer),
        ("candidates_end", _integer),
        ("candidate_cycle", _integer, (MAX_CANDIDATES,)),
        ("candidate_kind", _integer, (MAX_CANDIDATES,)),
        ("candidate_stream", _integer, (MAX_CANDIDATES,)),
        ("candidate_word", _integer, (MAX_CANDIDATES,)),
        ("onset_word", _integer, (MAX_CANDIDATES,)),
        ("cause_word", _integer, (MAX_CANDIDATES,)),
        ("called_word", _integer, (MAX_CANDIDATES,)),
        ("duration_word", _integer, (MAX_CANDIDATES,)),
        ("duration_normal", _real, (MAX_CANDIDATES,)),
        ("candidate_hazard", _real, (MAX_LEVELS, MAX_CANDIDATES)),
    ],
    align=True,
)
