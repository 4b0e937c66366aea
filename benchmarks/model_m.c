/* Benchmark model M by hand, in vector C: how fast the same work can be on this machine.

The same restatement as model-m.toml, with the same addresses of random numbers
(docs/randomness.md), so that its counts equal the program's patient for patient. Patients stand
in columns; four cycles at a time, which one Philox block of each stream serves:
  1. scan: the six words of each patient and cycle against upper bounds, 8 patients a vector
  2. cycle by cycle, the few events in columns: onset, consequence, stop, exact threshold
  3. patients with one event in the cycle settled without a branch, the others one by one
  4. leavers are compacted away
Vectors are gcc's; where the compiler has AVX-512 or AVX2, three operations are told in them.
*/
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

enum { BLOCK = 8192, PAD = 32, KINDS = 5, CYCLES = 26, GROUP = 4, EXIT = 5, DEGREE = 8 };
enum { MOST_EVENTS = BLOCK * KINDS + PAD };
enum { FIRSTS = 8, COUNTS = FIRSTS + KINDS * CYCLES };
static const uint32_t KIND_STREAM[8] = {2783882719u, 3105920657u, 1683862604u, 2830576974u, 1067683542u};
static const uint32_t COURSE_STREAM[8] = {379435268u, 553582291u, 1978826065u, 2264638771u, 1889736311u};
static const uint32_t CHOICE_STREAM[8] = {1974381858u, 4163259042u, 223483692u, 4126479548u, 1817010143u};
static const uint32_t CL_F_STREAM = 4142280608u, EXIT_STREAM = 3928018562u;
static const uint32_t STOP_STREAM[2] = {3490912551u, 2832465761u};
static const uint32_t ONSET[2] = {1431655765u, 2863311531u};
static const uint32_t CHOICE[3] = {2576980378u, 3113851290u, 3650722202u};
static const uint32_t STOP = 429496730u;
static const uint32_t PROGRESSION[3] = {128849019u, 160452704u, 191816646u}; /* 28, 35, 42 days */
static const double LEVEL_MG[4] = {1.5, 2.3, 3.0, 4.0};
static const int32_t LEVEL_UG[4] = {1500, 2300, 3000, 4000};

typedef uint64_t v8 __attribute__((vector_size(64)));
typedef uint32_t h8 __attribute__((vector_size(32)));
typedef uint32_t h8u __attribute__((vector_size(32), aligned(4)));
typedef struct { double intercept[KINDS], slope[KINDS]; float bound[2][KINDS][DEGREE + 1]; } Risk;

/* `given_ug` is without the doses since cycle `since`; `events_of` counts kinds in 5 bits each */
typedef struct {
    uint32_t events_of;
    int32_t given_ug;
    uint8_t level, since, barred, weeks, late_cycle, late_weeks, spare[2];
} Patient;

typedef struct {
    uint32_t slot[BLOCK + PAD], bound[6][BLOCK + PAD]; /* those still on treatment, compacted */
    uint8_t dead[BLOCK + PAD];
    /* by slot */
    double auc_per_mg[BLOCK + PAD], z[BLOCK + PAD];
    Patient state[BLOCK];
    /* patients with a hit in this group: their place above, and 6 bits for each cycle */
    uint32_t where[BLOCK + PAD], hits[BLOCK + PAD];
    /* those with a hit in this cycle, and of them those with several events */
    uint32_t some[BLOCK + PAD], some_hits[BLOCK + PAD], many[BLOCK + PAD], many_hits[BLOCK + PAD];
    /* events of this cycle: first those of patients with one, then those of the others */
    uint32_t event_of[MOST_EVENTS], event_slot[MOST_EVENTS], event_kind[MOST_EVENTS], event_exit[MOST_EVENTS];
    uint32_t word[MOST_EVENTS], code[MOST_EVENTS];
    double limit[MOST_EVENTS];
    uint32_t leaver[BLOCK + PAD], leaver_cycle[BLOCK + PAD], leaver_cause[BLOCK + PAD];
    int leavers;
} Work;

static inline v8 wide(const uint32_t *p) { return __builtin_convertvector(*(const h8u *)p, v8); }
static inline void narrow(uint32_t *p, v8 x) { *(h8u *)p = __builtin_convertvector(x, h8); }

static inline v8 multiply(v8 a, uint64_t by)
{ /* products of the lower halves */
#if defined(__AVX512F__)
    return (v8)_mm512_mul_epu32((__m512i)a, _mm512_set1_epi64((long long)by));
#elif defined(__AVX2__)
    __m256i half[2], m = _mm256_set1_epi64x((long long)by);
    memcpy(half, &a, 64);
    half[0] = _mm256_mul_epu32(half[0], m);
    half[1] = _mm256_mul_epu32(half[1], m);
    memcpy(&a, half, 64);
    return a;
#else
    return (a & 0xffffffffu) * by;
#endif
}

/* Philox4x32-10; the upper halves of the words may hold anything. */
static inline __attribute__((always_inline)) void philox(v8 c[4], uint64_t seed)
{
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
#pragma GCC unroll 10
    for (int round = 0; round < 10; round++) {
        v8 p0 = multiply(c[0], 0xD2511F53u), p1 = multiply(c[2], 0xCD9E8D57u);
        c[0] = (p1 >> 32) ^ c[1] ^ (uint64_t)k0;
        c[2] = (p0 >> 32) ^ c[3] ^ (uint64_t)k1;
        c[1] = p1;
        c[3] = p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

static uint32_t word_of(uint64_t patient, uint32_t stream, uint32_t block, int place, uint64_t seed)
{
    uint32_t c[4] = {(uint32_t)patient, block + 65536u * (uint32_t)(patient >> 32), stream, 0};
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = 0xD2511F53ull * c[0], p1 = 0xCD9E8D57ull * c[2];
        c[0] = (uint32_t)(p1 >> 32) ^ c[1] ^ k0;
        c[2] = (uint32_t)(p0 >> 32) ^ c[3] ^ k1;
        c[1] = (uint32_t)p1;
        c[3] = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return c[place];
}

static inline v8 is_below(v8 word, uint64_t border) { return (v8)((word & 0xffffffffu) < border); }

static inline v8 hit_bits(v8 hits, v8 word, v8 bound, uint32_t bit)
{
#if defined(__AVX512F__)
    __mmask16 below = _mm512_cmplt_epu32_mask((__m512i)word, (__m512i)bound);
    return (v8)_mm512_mask_or_epi32((__m512i)hits, below, (__m512i)hits, _mm512_set1_epi32((int)bit));
#else
    return hits | ((v8)((word & 0xffffffffu) < bound) & bit);
#endif
}

/* Normal quantile, Wichura's AS 241 (PPND16), both pieces for everyone and then a choice. */
static const double A[8] = {2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4, 1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0};
static const double B[8] = {5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4, 5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0};
static const double C[8] = {7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0, 3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0};
static const double D[8] = {1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0};
static const double E[8] = {2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2, 2.96560571828504891230e-1, 1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0};
static const double F[8] = {2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4, 1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0};

static inline double quotient(const double *top, const double *low, double r)
{
    double t = top[0], l = low[0];
    for (int i = 1; i < 8; i++) {
        t = t * r + top[i];
        l = l * r + low[i];
    }
    return t / l;
}

static void fill_normals(Work *w, int n, uint64_t first, uint64_t seed)
{
    double q[BLOCK + PAD], far = 0.0;
    for (int i = 0; i < n; i += 8) {
        v8 c[4] = {wide(w->slot + i) + first, (v8){0} + 65536u * (first >> 32), (v8){0} + CL_F_STREAM, (v8){0}};
        philox(c, seed);
        v8 high = (c[0] & 0xffffffffu) << 20, low = (c[1] & 0xffffffffu) >> 12;
        for (int lane = 0; lane < 8; lane++)
            q[i + lane] = ((double)(int64_t)(high + low)[lane] + 0.5) * 2.220446049250313e-16 - 0.5;
    }
    for (int i = 0; i < n; i++) {
        double centre = q[i] * quotient(A, B, 0.180625 - q[i] * q[i]);
        double r = sqrt(-log(0.5 - fabs(q[i])));
        double tail = copysign(quotient(C, D, r - 1.6), q[i]);
        far = fmax(far, r);
        w->z[i] = fabs(q[i]) <= 0.425 ? centre : tail;
    }
    for (int i = 0; far > 5.0 && i < n; i++) {
        double r = sqrt(-log(0.5 - fabs(q[i])));
        if (r > 5.0) w->z[i] = copysign(quotient(E, F, r - 5.0), q[i]);
    }
    for (int i = 0; i < n; i++) w->auc_per_mg[i] = 3000.0 / (28.0 * 3.1) * exp(-0.44 * w->z[i]);
}

/* Upper bounds of the thresholds: a polynomial in z / 4, everything beyond |z| = 4. */
static void fill_bounds(uint32_t *bound, const float *x, const float *coefficient, int n)
{
    for (int i = 0; i < n; i++) {
        float p = coefficient[DEGREE];
        for (int d = DEGREE - 1; d >= 0; d--) p = p * x[i] + coefficient[d];
        p = fabsf(x[i]) <= 1.0f ? p : 1.0f;
        bound[i] = (uint32_t)fminf(p * 4294967296.0f, 4294967040.0f);
    }
}

static inline double exact_limit(double x) /* word < limit is an event; x is the logit */
{
    return (1.0 - exp(log(1.0 + exp(x)) * (-1.0 / 12.0))) * 4294967296.0 - 0.5;
}

static int scan(Work *w, int n, uint64_t first, uint32_t group, uint64_t seed)
{
    int found = 0;
    for (int i = 0; i < n; i += 8) {
        v8 patient = wide(w->slot + i) + first, hits = {0};
        v8 block = (v8){0} + (group + 65536u * (first >> 32));
#pragma GCC unroll 6
        for (int s = 0; s < 6; s++) {
            uint32_t stream = s == EXIT ? EXIT_STREAM : KIND_STREAM[s];
            v8 c[4] = {patient, block, (v8){0} + stream, (v8){0}}, bound = wide(w->bound[s] + i);
            philox(c, seed);
            for (int j = 0; j < GROUP; j++) hits = hit_bits(hits, c[j], bound, 1u << (6 * j + s));
        }
#if defined(__AVX512VL__)
        __mmask8 any = _mm512_test_epi64_mask((__m512i)hits, (__m512i)hits);
        __m256i place = _mm256_add_epi32(_mm256_set1_epi32(i), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
        _mm256_storeu_si256((__m256i *)(w->where + found), _mm256_maskz_compress_epi32(any, place));
        _mm256_storeu_si256((__m256i *)(w->hits + found), _mm256_maskz_compress_epi32(any, _mm512_cvtepi64_epi32((__m512i)hits)));
        found += __builtin_popcount(any);
#else
        for (int lane = 0; lane < 8; lane++) {
            w->where[found] = (uint32_t)(i + lane);
            w->hits[found] = (uint32_t)hits[lane];
            found += hits[lane] != 0;
        }
#endif
    }
    memset(w->hits + found, 0, 4 * PAD);
    return found;
}

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

static void count_leavers(Work *w, int64_t *counts, double *squares)
{
    int64_t by_cause[3] = {0}, total[4] = {0};
    double square[4] = {0};
    for (int i = 0; i < w->leavers; i++) {
        uint32_t slot = w->leaver[i], cause = w->leaver_cause[i];
        int64_t cycle = w->leaver_cycle[i], days = 28 * cycle + 7 * w->state[slot].weeks + (cause == 1);
        int64_t given = w->state[slot].given_ug + 3 * LEVEL_UG[w->state[slot].level] * (cycle - w->state[slot].since);
        int64_t rdi = (int64_t)((double)given / (9000.0 * ((double)days / 28.0)) * 65536.0 + 0.5);
        int64_t value[4] = {given, days, cycle, rdi};
        by_cause[cause]++;
        for (int v = 0; v < 4; v++) {
            total[v] += value[v];
            square[v] += (double)value[v] * (double)value[v];
        }
    }
    for (int cause = 0; cause < 3; cause++) counts[1 + cause] += by_cause[cause];
    for (int v = 0; v < 4; v++) {
        counts[4 + v] += total[v];
        squares[v] += square[v];
    }
    w->leavers = 0;
}

static int compact(Work *w, int n)
{
    int kept = 0;
    memset(w->dead + n, 1, PAD);
#if defined(__AVX512BW__) && defined(__AVX512VL__)
    for (int i = 0; i < n; i += 16) {
        __m128i dead = _mm_loadu_si128((const __m128i *)(w->dead + i));
        __mmask16 stays = _mm_testn_epi8_mask(dead, dead);
        for (int s = -1; s < 6; s++) {
            uint32_t *column = s < 0 ? w->slot : w->bound[s];
            _mm512_storeu_si512(column + kept, _mm512_maskz_compress_epi32(stays, _mm512_loadu_si512(column + i)));
        }
        kept += __builtin_popcount(stays);
    }
#else
    for (int i = 0; i < n; i++) {
        w->slot[kept] = w->slot[i];
        for (int s = 0; s < 6; s++) w->bound[s][kept] = w->bound[s][i];
        kept += !w->dead[i];
    }
#endif
    memset(w->dead, 0, n);
    for (int s = 0; s < 6; s++) memset(w->bound[s] + kept, 0, 4 * PAD);
    return kept;
}

static void escalate(Work *w, int n, const Risk *risk, int64_t *counts)
{
    float x[BLOCK + PAD];
    uint32_t high[BLOCK + PAD], rises[BLOCK + PAD];
    for (int i = 0; i < n; i++) {
        uint32_t s = w->slot[i], free = !w->state[s].barred;
        rises[i] = -free;
        counts[0] += free;
        x[i] = (float)(w->z[s] * 0.25);
        w->state[s].given_ug += free ? 3 * LEVEL_UG[2] * (4 - w->state[s].since) : 0;
        w->state[s].since = free ? 4 : w->state[s].since;
        w->state[s].level += (uint8_t)free;
    }
    for (int k = 0; k < KINDS; k++) {
        fill_bounds(high, x, risk->bound[1][k], n);
        for (int i = 0; i < n; i++) w->bound[k][i] = (high[i] & rises[i]) | (w->bound[k][i] & ~rises[i]);
    }
}

static void start(Work *w, int n, uint64_t first, uint64_t seed, const Risk *risk)
{
    float x[BLOCK + PAD];
    memset(w, 0, offsetof(Work, where));
    for (int i = 0; i < n + PAD; i++) w->slot[i] = (uint32_t)i;
    fill_normals(w, n, first, seed);
    for (int i = 0; i < n; i++) x[i] = (float)(w->z[i] * 0.25);
    for (int k = 0; k < KINDS; k++) fill_bounds(w->bound[k], x, risk->bound[0][k], n);
    for (int i = 0; i < n; i++) w->bound[EXIT][i] = PROGRESSION[0];
    for (int i = 0; i < n; i++) w->state[i].level = 2;
    w->leavers = 0;
}

enum { SETUP, SCAN, SORT, DRAW, SINGLES, MANIES, LEAVERS, COMPACT, PHASES };

static double lap(double *seconds, int phase, double since)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    double time = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    seconds[phase] += time - since;
    return time;
}

/* Simulate consecutive patients; blocks must not cross a multiple of 2^32.
   counts: escalated, progression, adverse event, completed, ug, days, cycles, rdi in 1/65536,
   then first events by kind and cycle. squares: of ug, days, cycles, rdi in 1/65536.
   seconds: CPU time by phase. */
void model_m(uint64_t first, int64_t patients, uint64_t seed, const Risk *risk, Work *w, int64_t *counts, double *squares, double *seconds)
{
    double aside[PHASES] = {0}, t = lap(aside, SETUP, 0.0);
    for (int64_t done = 0; done < patients; done += BLOCK) {
        int n = patients - done < BLOCK ? (int)(patients - done) : BLOCK;
        uint64_t at = first + (uint64_t)done;
        start(w, n, at, seed, risk);
        t = lap(seconds, SETUP, t);
        for (int group = 0; group * GROUP < CYCLES && n > 0; group++) {
            int found = scan(w, n, at, (uint32_t)group, seed);
            recheck_exits(w, found, at, group, seed);
            t = lap(seconds, SCAN, t);
            for (int cycle = GROUP * group + 1; cycle <= GROUP * group + GROUP && cycle <= CYCLES; cycle++) {
                int manies, events, singles = list_hits(w, found, (cycle - 1) & 3);
                singles = sort_hits(w, singles, cycle, &manies, &events);
                t = lap(seconds, SORT, t);
                draw_events(w, events, at, group, (cycle - 1) & 3, seed, risk);
                t = lap(seconds, DRAW, t);
                settle_singles(w, singles, cycle, counts);
                t = lap(seconds, SINGLES, t);
                settle_manies(w, manies, singles, at, cycle, seed, counts);
                t = lap(seconds, MANIES, t);
            }
            count_leavers(w, counts, squares);
            t = lap(seconds, LEAVERS, t);
            n = compact(w, n);
            if (group == 0) escalate(w, n, risk, counts);
            t = lap(seconds, COMPACT, t);
        }
        for (int i = 0; i < n; i++) {
            w->leaver[i] = w->slot[i];
            w->leaver_cycle[i] = CYCLES;
            w->leaver_cause[i] = 2;
        }
        w->leavers = n;
        count_leavers(w, counts, squares);
        t = lap(seconds, LEAVERS, t);
    }
}

int64_t work_bytes(void) { return sizeof(Work); }

/* The generator alone: so many Philox blocks of each patient; returns their exclusive or. */
uint64_t philox_alone(uint64_t first, int64_t patients, int64_t blocks, uint64_t seed)
{
    v8 all = {0}, lanes = {0, 1, 2, 3, 4, 5, 6, 7};
    for (int64_t i = 0; i < patients; i += 8)
        for (int64_t block = 0; block < blocks; block++) {
            v8 c[4] = {lanes + (first + (uint64_t)i), (v8){0} + (uint64_t)block, (v8){0} + CL_F_STREAM, (v8){0}};
            philox(c, seed);
            all ^= c[0] ^ c[1] ^ c[2] ^ c[3];
        }
    uint64_t word = 0;
    for (int lane = 0; lane < 8; lane++) word ^= all[lane] & 0xffffffffu;
    return word;
}
