/* Model M: what happens to patients with a hit, cycle by cycle; a part of model_m.c. */

/* An exit's bound was raised for a cycle that starts late; it holds for that cycle alone. */
static void recheck_exits(Work *w, int found, uint64_t first, int group, uint64_t seed)
{
    for (int a = 0; a < found; a++) {
        uint32_t at = w->where[a], s = w->slot[at];
        if (w->bound[EXIT][at] == PROGRESSION[0]) continue;
        for (int j = w->state[s].late_cycle == GROUP * group + 1; j < GROUP; j++)
            if (word_of(first + s, EXIT_STREAM, (uint32_t)group, j, seed) >= PROGRESSION[0])
                w->hits[a] &= ~(32u << (6 * j));
        w->bound[EXIT][at] = PROGRESSION[0];
    }
}

static int list_hits(Work *w, int found, int j)
{
    int n = 0;
#if defined(__AVX512F__)
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (int a = 0; a < found; a += 16) {
        __m512i bits = _mm512_and_si512(_mm512_srl_epi32(_mm512_loadu_si512(w->hits + a), _mm_cvtsi32_si128(6 * j)), _mm512_set1_epi32(63));
        __mmask16 any = _mm512_test_epi32_mask(bits, bits);
        _mm512_storeu_si512(w->some + n, _mm512_maskz_compress_epi32(any, _mm512_add_epi32(lanes, _mm512_set1_epi32(a))));
        _mm512_storeu_si512(w->some_hits + n, _mm512_maskz_compress_epi32(any, bits));
        n += __builtin_popcount(any);
    }
#else
    for (int a = 0; a < found; a++) {
        w->some[n] = (uint32_t)a;
        w->some_hits[n] = w->hits[a] >> (6 * j) & 63;
        n += w->some_hits[n] != 0;
    }
#endif
    return n;
}

static inline void put_event(Work *w, int n, uint32_t a, uint32_t bits)
{
    w->event_of[n] = a;
    w->event_slot[n] = w->slot[w->where[a]];
    w->event_kind[n] = (uint32_t)__builtin_ctz(bits | 32);
    w->event_exit[n] = bits >> EXIT;
}

static inline void put_leaver(Work *w, uint32_t a, uint32_t s, int cycle, uint32_t cause, uint32_t leaves)
{
    w->leaver[w->leavers] = s;
    w->leaver_cycle[w->leavers] = (uint32_t)cycle;
    w->leaver_cause[w->leavers] = cause;
    w->leavers += (int)leaves;
    w->dead[w->where[a]] |= (uint8_t)leaves;
    w->hits[a] = leaves ? 0 : w->hits[a];
}

/* Sort the hits of a cycle: an exit alone, one event alone, several events. */
static int sort_hits(Work *w, int n, int cycle, int *manies, int *events)
{
    int single = 0, many = 0;
    for (int i = 0; i < n; i++) {
        uint32_t a = w->some[i], bits = w->some_hits[i], several = (bits & 31 & ((bits & 31) - 1)) != 0;
        put_event(w, single, a, bits);
        put_leaver(w, a, w->event_slot[single], cycle, 0, bits == 32);
        w->many[many] = a;
        w->many_hits[many] = bits;
        single += !several & (bits != 32);
        many += (int)several;
    }
    int last = single;
    for (int i = 0; i < many; i++)
        for (uint32_t bits = w->many_hits[i]; bits & 31; bits &= bits - 1) put_event(w, last++, w->many[i], bits);
    memset(w->event_slot + last, 0, 32);
    memset(w->event_kind + last, 0, 32);
    *manies = many;
    *events = last;
    return single;
}

static uint32_t stops_at_end(uint64_t patient, uint32_t rule, int cycle, uint32_t weeks, uint64_t seed)
{ /* asked on the planned day 1 of the next cycle; after the last, on day 29 of it */
    if (cycle < CYCLES) return word_of(patient, STOP_STREAM[rule], (uint32_t)cycle >> 2, cycle & 3, seed) < STOP;
    return word_of(patient, STOP_STREAM[rule], 6 + 32 * (28 + 7 * weeks), 1, seed) < STOP;
}

/* Draws of the events of cycle j of a group: the event's own word; day, consequence, the cycle's
   stop, and whether the exit of the next cycle would happen if it is 7 or 14 days late. */
static inline __attribute__((always_inline)) void draw_at(Work *w, int n, uint64_t first, uint32_t group, uint32_t j, uint64_t seed)
{
    const v8 kinds = wide(KIND_STREAM), courses = wide(COURSE_STREAM), choices = wide(CHOICE_STREAM), none = {0};
    const v8 high = none + 65536u * (first >> 32), now = high + group;
    for (int e = 0; e < n; e += 8) {
        v8 patient = wide(w->event_slot + e) + first, kind = wide(w->event_kind + e);
        v8 own[4] = {patient, now, __builtin_shuffle(kinds, kind), none};
        v8 course[4] = {patient, high + (4 * group + j), __builtin_shuffle(courses, kind), none};
        v8 choice[4] = {patient, now, __builtin_shuffle(choices, kind), none};
        v8 stop[4] = {patient, now + (j + 1) / 4, none + STOP_STREAM[0], none};
        v8 exit[4] = {patient, now, none + EXIT_STREAM, none};
        philox(own, seed);
        philox(course, seed);
        philox(choice, seed);
        philox(stop, seed);
        philox(exit, seed);
        narrow(w->word + e, own[j]);
        v8 day = 2 + is_below(course[0], ONSET[0]) + is_below(course[0], ONSET[1]), what = choice[j];
        v8 deed = is_below(what, CHOICE[2]) & (3 + is_below(what, CHOICE[0]) + is_below(what, CHOICE[1]));
        v8 code = day | deed << 2 | (is_below(stop[(j + 1) & 3], STOP) & 16);
        if (j < 3)
            code |= (is_below(exit[j + 1], PROGRESSION[1]) & 32) | (is_below(exit[j + 1], PROGRESSION[2]) & 64);
        narrow(w->code + e, code);
    }
}

static void draw_events(Work *w, int n, uint64_t first, int group, int j, uint64_t seed, const Risk *risk)
{
    if (j == 0) draw_at(w, n, first, (uint32_t)group, 0, seed);
    if (j == 1) draw_at(w, n, first, (uint32_t)group, 1, seed);
    if (j == 2) draw_at(w, n, first, (uint32_t)group, 2, seed);
    if (j == 3) draw_at(w, n, first, (uint32_t)group, 3, seed);
    for (int e = 0; e < n && GROUP * group + 1 + j == CYCLES; e++) {
        uint32_t s = w->event_slot[e], late = w->state[s].late_cycle == CYCLES ? w->state[s].late_weeks : 0;
        w->code[e] = (w->code[e] & ~16u) | stops_at_end(first + s, 0, CYCLES, late, seed) << 4;
    }
    for (int e = 0; e < n; e++) {
        uint32_t s = w->event_slot[e], kind = w->event_kind[e];
        w->limit[e] = risk->intercept[kind] + risk->slope[kind] * w->auc_per_mg[s] * LEVEL_MG[w->state[s].level];
    }
    for (int e = 0; e < n; e++) w->limit[e] = exact_limit(w->limit[e]);
}

/* What a cycle's events lead to: `events` of them happened, `code` is one of theirs. */
static inline __attribute__((always_inline)) void settle(
    Work *w, uint32_t a, uint32_t s, int cycle, uint32_t events, uint32_t code, uint32_t exit, uint32_t stop,
    uint32_t withheld, uint32_t bars, uint32_t delay, uint32_t even)
{
    uint32_t at = w->where[a], level = w->state[s].level, since = w->state[s].since, j = (uint32_t)(cycle - 1) & 3;
    uint32_t on = (events > 0) & !exit & !stop & (cycle < CYCLES), down = on & even & (level > 0);
    w->state[s].given_ug += (int32_t)((down ? 3 * ((uint32_t)cycle - since) : 0) - withheld) * LEVEL_UG[level];
    w->state[s].since = (uint8_t)(down ? (uint32_t)cycle : since);
    w->state[s].level = (uint8_t)(level - down);
    delay = on ? delay : 0;
    w->state[s].barred |= (uint8_t)(on & (even | (((uint32_t)cycle - 3 < 2) & (bars | (delay == 2)))));
    w->state[s].weeks += (uint8_t)delay;
    w->state[s].late_cycle = (uint8_t)(delay ? cycle + 1 : w->state[s].late_cycle);
    w->state[s].late_weeks = (uint8_t)(delay ? delay : w->state[s].late_weeks);
    w->hits[a] |= (code >> (4 + delay) & (delay > 0)) << ((6 * j + 11) & 31);
    w->bound[EXIT][at] = j == 3 && delay ? PROGRESSION[delay] : w->bound[EXIT][at];
    put_leaver(w, a, s, cycle, !exit, exit | stop);
}

static void settle_singles(Work *w, int n, int cycle, int64_t *counts)
{
    for (int e = 0; e < n; e++) {
        uint32_t s = w->event_slot[e], kind = w->event_kind[e], code = w->code[e];
        uint32_t is = (double)w->word[e] < w->limit[e], before = w->state[s].events_of >> (5 * kind) & 31;
        uint32_t act = is ? code >> 2 & 3 : 0, held = act == 1, delay = act > 1 ? act - 1 : 0;
        counts[FIRSTS + CYCLES * kind + cycle - 1] += is & (before == 0);
        w->state[s].events_of += is << (5 * kind);
        settle(w, w->event_of[e], s, cycle, is, code, w->event_exit[e], is & code >> 4, held ? 2 - (code & 3) : 0,
               is & ((kind > 1) | held), delay, is & before);
    }
}

static void settle_manies(Work *w, int n, int e, uint64_t first, int cycle, uint64_t seed, int64_t *counts)
{
    for (int i = 0; i < n; i++) {
        uint32_t a = w->many[i], s = w->slot[w->where[a]], bits = w->many_hits[i];
        uint32_t act[3] = {0, 0, 0}, events = 0, even = 0, bars = 0, stop = 0, code = w->code[e];
        for (int end = e + __builtin_popcount(bits & 31); e < end; e++) {
            uint32_t kind = w->event_kind[e], own = w->code[e], day = own & 3, before = w->state[s].events_of >> (5 * kind) & 31;
            if (!((double)w->word[e] < w->limit[e])) continue;
            counts[FIRSTS + CYCLES * kind + cycle - 1] += before == 0;
            w->state[s].events_of += 1u << (5 * kind);
            even |= before & 1;
            bars |= kind > 1;
            stop |= own >> 4 & 1;
            events++;
            act[day] = act[day] ? act[day] : own >> 2 & 3;
        }
        uint32_t withheld = 0, held = 0, delay = 0, late = w->state[s].late_cycle == cycle ? w->state[s].late_weeks : 0;
        for (uint32_t day = 0; day < 3 && !held; day++) {
            held = act[day] == 1;
            withheld = held ? 2 - day : 0;
            delay = act[day] > 1 && act[day] - 1 > delay ? act[day] - 1 : delay;
        }
        if (events > 1 && !stop) stop = stops_at_end(first + s, 1, cycle, late, seed);
        settle(w, a, s, cycle, events, code, bits >> EXIT, stop, withheld, bars | held, delay, even);
    }
}
