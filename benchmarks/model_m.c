/* Benchmark model M by hand, in vector C: how fast the same work can be on this machine.

The same restatement as model-m.toml, with the same addresses of random numbers
(docs/randomness.md), so that its counts equal the program's patient for patient. Patients stand
in columns; four cycles at a time, which one Philox block of each stream serves:
  1. scan: the six words of each patient and cycle against upper bounds, 8 patients a vector
  2. cycle by cycle, the few events in columns: onset, consequence, stop, exact threshold
  3. patients with one event in the cycle settled without a branch, the others one by one
  4. leavers are compacted away
Steps 2 and 3 are in model_m_events.h. Where the compiler has AVX-512, comparing and compacting
are told in it.
*/
#include <math.h>
#include <stddef.h>
#include <time.h>
#include "normal_quantile.h"
#include "philox.h"

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

static inline v8 hit_bits(v8 hits, v8 word, v8 bound, uint32_t bit)
{
#if defined(__AVX512F__)
    __mmask16 below = _mm512_cmplt_epu32_mask((__m512i)word, (__m512i)bound);
    return (v8)_mm512_mask_or_epi32((__m512i)hits, below, (__m512i)hits, _mm512_set1_epi32((int)bit));
#else
    return hits | ((v8)((word & 0xffffffffu) < bound) & bit);
#endif
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

#include "model_m_events.h"

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
