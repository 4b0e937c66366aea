"""Candidates: the draws of a block of patients that may mean an adverse event, in columns.

What such a draw needs is the same whatever the course has been: the words of its addresses,
and the course hazards of its kind at the patient's levels. A loop over a column becomes
vector code, and no course waits for a random number or a logarithm. Each value is the one
that `course.py` and `risk.py` compute for a patient alone; tests hold them equal.
"""

import numpy as np

from sim.model.draws import (
    LOW_32,
    PATIENT_HIGH,
    philox_rounds,
    uniform_of_word,
    uniform_of_words,
    words_at,
)
from sim.model.elementary import (
    CENTRAL,
    central_normal_quantile,
    fill_softplus,
    lowest_bit,
    normal_quantile,
)
from sim.model.exposure import auc_at, bsa_of, cl_f_of, frailty_of, individual_cl_f
from sim.model.jit import njit
from sim.model.layout import MAX_CANDIDATES
from sim.model.risk import with_frailty


@njit
def _fill_normals(plan, stream, first, uniforms, normals):
    """Fill the uniform and the standard normal behind a latent value of consecutive patients."""
    start, high = first & LOW_32, PATIENT_HIGH * (first >> 32)
    k0, k1, draw = plan.seed_low, plan.seed_high, plan.parameter_draw
    for i in range(normals.shape[0]):
        w0, w1, _, _ = philox_rounds(start + i, high, stream, draw, k0, k1)
        uniforms[i] = uniform_of_words(w0, w1)
    for i in range(normals.shape[0]):
        normals[i] = central_normal_quantile(uniforms[i] - 0.5)
    for i in range(normals.shape[0]):
        if abs(uniforms[i] - 0.5) > CENTRAL:
            normals[i] = normal_quantile(uniforms[i])


@njit
def fill_latents(plan, first, uniforms, cl_f, bsa, frailty):
    """Fill CL/F [L/h], BSA [m2] and frailty of consecutive patients, and the uniforms of CL/F."""
    normals = np.empty(cl_f.shape[0], np.float64)
    bsa[:] = 1.0
    frailty[:] = 1.0
    if plan.per_m2:
        _fill_normals(plan, plan.bsa_stream, first, uniforms, normals)
        for i in range(cl_f.shape[0]):
            bsa[i] = bsa_of(plan, normals[i])
    if plan.frailty_variance > 0.0:
        for i in range(cl_f.shape[0]):
            w0, w1, _, _ = words_at(plan, first + i, plan.frailty_stream, 0)
            frailty[i] = frailty_of(plan, uniform_of_words(w0, w1))
    _fill_normals(plan, plan.cl_f_stream, first, uniforms, normals)
    if plan.n_individuals > 0:
        for i in range(cl_f.shape[0]):
            cl_f[i] = individual_cl_f(plan, uniforms[i])
        return
    for i in range(cl_f.shape[0]):
        cl_f[i] = cl_f_of(plan, normals[i])


@njit
def list_candidates(plan, book, masks, who, ends, first):
    """List the candidates of a block's patients from `first` on, as far as the columns hold.

    In order of patient, cycle and kind. masks [kind, patient] hold cycles as bits; who takes
    the patient's place in the block, ends the number of candidates listed up to each patient.
    Return (first patient not listed, number of candidates).
    """
    n = 0
    for i in range(first, masks.shape[1]):
        cycles = 0
        for kind in range(plan.n_kinds):
            cycles |= masks[kind, i]
        while cycles != 0:
            cycle = lowest_bit(cycles)
            cycles &= cycles - 1
            if n + plan.n_kinds > MAX_CANDIDATES:
                return i, ends[i - 1]
            for kind in range(plan.n_kinds):
                who[n] = i
                book.candidate_kind[n] = kind
                book.candidate_cycle[n] = cycle
                n += (masks[kind, i] >> cycle) & 1
        ends[i] = n
    return masks.shape[1], n


@njit
def _fill_words(plan, book, first, who, n):
    """Fill the word that decides each candidate, and the four of the event it may be."""
    start, high = first & LOW_32, PATIENT_HIGH * (first >> 32)
    k0, k1, draw = plan.seed_low, plan.seed_high, plan.parameter_draw
    cycle, stream = book.candidate_cycle, book.candidate_stream
    for j in range(n):
        stream[j] = plan.kind_stream[book.candidate_kind[j]]
    for j in range(n):
        block = ((cycle[j] - 1) >> 2) + high
        w0, w1, w2, w3 = philox_rounds(start + who[j], block, stream[j], draw, k0, k1)
        place = (cycle[j] - 1) & 3
        early = w0 if place == 0 else w1
        late = w2 if place == 2 else w3
        book.candidate_word[j] = early if place < 2 else late
    for j in range(n):
        stream[j] = plan.course_stream[book.candidate_kind[j]]
    for j in range(n):
        block = cycle[j] - 1 + high
        w0, w1, w2, w3 = philox_rounds(start + who[j], block, stream[j], draw, k0, k1)
        book.onset_word[j] = w0
        book.cause_word[j] = w1
        book.called_word[j] = w2
        book.duration_word[j] = w3


@njit
def _fill_duration_normals(book, n):
    normal = book.duration_normal
    for j in range(n):
        normal[j] = central_normal_quantile(uniform_of_word(book.duration_word[j]) - 0.5)
    for j in range(n):
        uniform = uniform_of_word(book.duration_word[j])
        if abs(uniform - 0.5) > CENTRAL:
            normal[j] = normal_quantile(uniform)


@njit
def _fill_hazards(plan, book, who, cl_f, bsa, n):
    """Fill the course hazard of each candidate's kind at every level of the ladder."""
    eta = np.empty(n, np.float64)
    odds = np.empty(n, np.float64)
    near = np.empty(n, np.float64)
    intercept, slope = np.empty(n, np.float64), np.empty(n, np.float64)
    for j in range(n):
        intercept[j] = plan.intercept[book.candidate_kind[j]]
        slope[j] = plan.slope[book.candidate_kind[j]]
    for level in range(plan.n_levels):
        for j in range(n):
            auc = auc_at(plan, level, bsa[who[j]], cl_f[who[j]])
            eta[j] = intercept[j] + slope[j] * auc
        fill_softplus(eta, odds, near, book.candidate_hazard[level, :n])
        if plan.frailty_variance > 0.0:
            for j in range(n):
                hazard = with_frailty(plan, book.candidate_hazard[level, j])
                book.candidate_hazard[level, j] = hazard


@njit
def fill_candidates(plan, book, first, who, cl_f, bsa, n):
    """Fill the words, duration normals and course hazards of the candidates listed."""
    _fill_words(plan, book, first, who, n)
    _fill_duration_normals(book, n)
    _fill_hazards(plan, book, who, cl_f, bsa, n)
