/* The processor's vectors, and the tables as tables.py writes them. */
#include "../../native/widths.h"

#ifdef __SSE4_1__
#include <immintrin.h>
#endif

#define LANES 32
#define MOST 2048 /* samples of a row */
#ifdef __clang__
#define UNROLLED _Pragma("clang loop unroll(full)")
#else
#define UNROLLED _Pragma("GCC unroll 16")
#endif

/* Bytes of the processor's vectors, and rows' vectors summed at once: as many as the registers
 * hold beside a weight. */
#if defined(__AVX512BW__)
#define WIDE 64
#define MOST_VECTORS 8
#elif defined(__AVX2__)
#define WIDE 32
#define MOST_VECTORS 4
#elif defined(__SSE4_1__)
#define WIDE 16
#define MOST_VECTORS 2
#else
#define WIDE 16
#define MOST_VECTORS 4
#endif
#define PART (WIDE / 2) /* samples of 16 bits in a vector */
#define N_PARTS (LANES / PART)
typedef int16_t part16 __attribute__((vector_size(WIDE)));
typedef int16_t loose16 __attribute__((vector_size(WIDE), aligned(2), may_alias));
/* anywhere in a row */
typedef int32_t part32 __attribute__((vector_size(WIDE)));
typedef int16_t half16 __attribute__((vector_size(WIDE / 2)));

/* Where a tensor lies: bytes to its first value, values from row to row, whether it has 32 bits. */
typedef struct {
    int64_t first;
    int32_t row, wide, channels, length;
} tensor;

/* How one channel's sum becomes a level; tables.py: Level. */
typedef struct {
    int32_t kind;           /* by floats, or exact by multiply and shift: fine alone, or both; by
                               halves is fine alone with a shift of 16 or more; a pair is of two
                               sums, coarse the factor of the second; constant is the addend alone;
                               even is a shift that rounds to the nearest, ties to even;
                               or by counting all thresholds, or by a table of all levels from that
                               of `fine` on: both are 32 bits of data from `thresholds` on */
    int32_t coarse, fine;   /* (coarse * 2^15 + fine) * x + addend >> shift */
    int32_t addend, shift;
    float scale[2], offset, slack; /* levels above the lowest by floats, and how far they may be off */
    int32_t coefficients, thresholds; /* where the exact ones begin */
} level;

enum { BY_FLOATS, BY_FINE, BY_BOTH, BY_HALVES, BY_COUNT, BY_TABLE, BY_PAIR, BY_CONSTANT, BY_EVEN };

enum { QUANTISE, CONVOLVE, DENSE, REQUANTISE, ADD, PRODUCT, TOTAL, MAXIMUM, INSTANT, CHOOSE, LEVEL,
       COPY, PHASES, PACK, QUADS, PRODUCTS, REAL,
       TWOS, PAIRS };

typedef struct {
    int32_t kind, n_sources, y, x[2], a[8];
} op;

typedef struct {
    const tensor *tensors;
    const op *ops;
    const int32_t *data;
    const int64_t *exact;
    int32_t n_ops, n_classes, scores, input;
} plan;

#define AT(type, p, t, c) ((type *)((p) + (t)->first) + (int64_t)(c) * (t)->row)

static void get_row(int32_t *to, const char *w, const tensor *t, int c)
{
    if (t->wide) {
        memcpy(to, AT(const int32_t, w, t, c), 4 * (size_t)t->length);
    } else {
        const int16_t *x = AT(const int16_t, w, t, c);
        for (int i = 0; i < t->length; i++) to[i] = x[i];
    }
}

/* Of a tensor of one sample a channel. */
static void get_channels(int32_t *to, const char *w, const tensor *t)
{
    tensor row = *t;
    row.length = t->channels;
    get_row(to, w, &row, 0);
}

static void put_row(const int32_t *from, char *w, const tensor *t, int c)
{
    if (t->wide) {
        memcpy(AT(int32_t, w, t, c), from, 4 * (size_t)t->length);
    } else {
        int16_t *y = AT(int16_t, w, t, c);
        for (int i = 0; i < t->length; i++) y[i] = (int16_t)from[i];
    }
}

#ifdef __AVX512BW__
#define HALF __m512i
#define op_(name) _mm512_##name
#define AS_FLOATS(a) _mm512_castsi512_ps(a)
#define FLOATS __m512
#define any_greater(a, b) (int)_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ)
#define size_of(a) _mm512_abs_ps(a)
#ifdef __AVX512VNNI__
#define PRODUCT_SUM(a, b, c) _mm512_dpwssd_epi32(c, a, b)
#endif
#define ODD_FROM(even, odd) _mm512_mask_blend_epi16(0xAAAAAAAAu, even, odd)
#define IN_ORDER(a) _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), a)
#elif defined(__AVX2__)
#define HALF __m256i
#define op_(name) _mm256_##name
#define AS_FLOATS(a) _mm256_castsi256_ps(a)
#define FLOATS __m256
#define any_greater(a, b) _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ))
#define size_of(a) _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a)
#define ODD_FROM(even, odd) _mm256_blend_epi16(even, odd, 0xAA)
#define IN_ORDER(a) _mm256_permute4x64_epi64(a, 0xD8) /* what was packed in parts of 16 bytes */
#elif defined(__SSE4_1__)
#define HALF __m128i
#define op_(name) _mm_##name
#define AS_FLOATS(a) _mm_castsi128_ps(a)
#define FLOATS __m128
#define any_greater(a, b) _mm_movemask_ps(_mm_cmpgt_ps(a, b))
#define size_of(a) _mm_andnot_ps(_mm_set1_ps(-0.0f), a)
#define ODD_FROM(even, odd) _mm_blend_epi16(even, odd, 0xAA)
#define IN_ORDER(a) (a)
#endif
/* How far numbers lie beside the whole ones nearest to them. */
#ifdef __AVX512DQ__
#define BESIDE(v, nearest) ((void)(nearest), _mm512_reduce_ps(v, 0))
#elif defined(HALF)
#define BESIDE(v, nearest) op_(sub_ps)(v, op_(cvtepi32_ps)(nearest))
#endif
#ifdef __FMA__ /* only where estimates are compared with their slack */
#define FUSED(a, b, c) op_(fmadd_ps)(a, b, c)
#elif defined(HALF)
#define FUSED(a, b, c) op_(add_ps)(op_(mul_ps)(a, b), c)
#endif
#ifndef PRODUCT_SUM
#define PRODUCT_SUM(a, b, c) op_(add_epi32)(op_(madd_epi16)(a, b), c)
#endif

#ifdef HALF
/* Sums of pairs that came of the lower and the upper halves of parts, as samples follow. */
INLINE void put_in_order(int32_t *y, const HALF *pairs)
{
#if WIDE == 64
    const HALF low = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    const HALF high = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    _mm512_storeu_si512(y, _mm512_permutex2var_epi64(pairs[0], low, pairs[1]));
    _mm512_storeu_si512(y + 16, _mm512_permutex2var_epi64(pairs[0], high, pairs[1]));
#elif WIDE == 32
    const HALF low = _mm256_permute2x128_si256(pairs[0], pairs[1], 0x20);
    const HALF high = _mm256_permute2x128_si256(pairs[0], pairs[1], 0x31);
    memcpy(y, &low, sizeof low);
    memcpy(y + 8, &high, sizeof high);
#else
    memcpy(y, pairs, 2 * sizeof *pairs);
#endif
}
#endif
