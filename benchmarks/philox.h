/* Philox4x32-10 (Salmon et al., SC 2011), eight counters at a time, and vectors of eight words.

A word stands in the lower half of a 64-bit lane, where a product of two words finds room; the
upper half may hold anything. Vectors are gcc's; multiplication is told to AVX-512 and AVX2.
*/
#include <stdint.h>
#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

typedef uint64_t v8 __attribute__((vector_size(64)));
typedef uint32_t h8 __attribute__((vector_size(32)));
typedef uint32_t h8u __attribute__((vector_size(32), aligned(4)));
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
