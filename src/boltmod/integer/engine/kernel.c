/*
 * boltmod's engine: walks an integer program's tables on the processor's vectors. Nothing here
 * knows a network; tables.py writes what this reads, record by record.
 *
 * A tensor is rows of int16, or of int32 where 16 bits do not hold its range, each between margins
 * of zeros, so that a convolution's taps are offsets and a shifted tensor is another pointer.
 * Tensors of one sample a channel have no rows: their channels follow one another.
 *
 * Every function is exact. Where a level is estimated, by 32-bit integers or by floats, the tables
 * say how far the estimate may be off, and what lies nearer to an edge is decided by thresholds.
 */
#include <stdint.h>
#include <string.h>

#ifdef __SSE4_1__
#include <immintrin.h>
#endif

#ifdef _WIN32
#define EXPORTED __declspec(dllexport)
#else
#define EXPORTED __attribute__((visibility("default")))
#endif
#ifndef WIDTH_NAME /* each width of vectors has its own; native/compiling.py joins them */
#define WIDTH_NAME plain
#endif
#define JOINED(a, b) a##_##b
#define NAMED(a, b) JOINED(a, b)
#define RUN NAMED(boltmod_run, WIDTH_NAME)

#define LANES 32
#define MOST 2048 /* samples of a row */
#define INLINE static inline __attribute__((always_inline))
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
#define N_PARTS (2 * LANES / WIDE)
typedef int16_t part16 __attribute__((vector_size(WIDE)));
typedef int16_t loose16 __attribute__((vector_size(WIDE), aligned(2))); /* anywhere in a row */
typedef int32_t part32 __attribute__((vector_size(WIDE)));
typedef int16_t half16 __attribute__((vector_size(WIDE / 2)));

/* LANES samples of a row, in the processor's vectors. */
typedef struct {
    part16 of[N_PARTS];
} v16;

/* Where a tensor lies: bytes to its first value, values from row to row, whether it has 32 bits. */
typedef struct {
    int64_t first;
    int32_t row, wide, channels, length;
} tensor;

/* How one channel's sum becomes a level; tables.py: Level. */
typedef struct {
    int32_t kind;           /* by floats, or exact by multiply and shift: fine alone, or both; by
                               halves is fine alone with a shift of 16 or more; or by counting all
                               thresholds, or by a table of all levels from that of `fine` on: both
                               are 32 bits of data from `thresholds` on */
    int32_t coarse, fine;   /* (coarse * 2^15 + fine) * x + addend >> shift */
    int32_t addend, shift;
    float scale[2], offset, slack; /* levels above the lowest by floats, and how far they may be off */
    int32_t coefficients, thresholds; /* where the exact ones begin */
} level;

enum { BY_FLOATS, BY_FINE, BY_BOTH, BY_HALVES, BY_COUNT, BY_TABLE };

enum { QUANTISE, CONVOLVE, DENSE, REQUANTISE, ADD, PRODUCT, TOTAL, MAXIMUM, INSTANT, CHOOSE, LEVEL,
       COPY, PHASES, PACK, QUADS };

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

static void put_row(const int32_t *from, char *w, const tensor *t, int c)
{
    if (t->wide) {
        memcpy(AT(int32_t, w, t, c), from, 4 * (size_t)t->length);
    } else {
        int16_t *y = AT(int16_t, w, t, c);
        for (int i = 0; i < t->length; i++) y[i] = (int16_t)from[i];
    }
}

/* Number of thresholds not above the sum, as the program says it; `k` is where to look first. */
static int32_t exactly(const plan *p, const level *l, int two, int n, int32_t k, int64_t x0,
                       int64_t x1)
{
    const int64_t *coefficients = p->exact + l->coefficients;
    const int64_t *threshold = p->exact + l->thresholds;
    const int64_t sum = coefficients[0] * x0 + (two ? coefficients[1] * x1 : 0);
    while (k < n && threshold[k] <= sum) k++;
    while (k > 0 && threshold[k - 1] > sum) k--;
    return k;
}

#ifdef __AVX512BW__
#define HALF __m512i
#define op_(name) _mm512_##name
#define FLOATS __m512
#define any_greater(a, b) (int)_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ)
#define size_of(a) _mm512_abs_ps(a)
#ifdef __AVX512VNNI__
#define PRODUCT_SUM(a, b, c) _mm512_dpwssd_epi32(c, a, b)
#endif
#define ODD_FROM(even, odd) _mm512_mask_blend_epi16(0xAAAAAAAAu, even, odd)
#elif defined(__AVX2__)
#define HALF __m256i
#define op_(name) _mm256_##name
#define FLOATS __m256
#define any_greater(a, b) _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ))
#define size_of(a) _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a)
#define ODD_FROM(even, odd) _mm256_blend_epi16(even, odd, 0xAA)
#elif defined(__SSE4_1__)
#define HALF __m128i
#define op_(name) _mm_##name
#define FLOATS __m128
#define any_greater(a, b) _mm_movemask_ps(_mm_cmpgt_ps(a, b))
#define size_of(a) _mm_andnot_ps(_mm_set1_ps(-0.0f), a)
#define ODD_FROM(even, odd) _mm_blend_epi16(even, odd, 0xAA)
#endif
#ifdef __FMA__ /* only where estimates are compared with their slack */
#define FUSED(a, b, c) op_(fmadd_ps)(a, b, c)
#elif defined(HALF)
#define FUSED(a, b, c) op_(add_ps)(op_(mul_ps)(a, b), c)
#endif
#ifndef PRODUCT_SUM
#define PRODUCT_SUM(a, b, c) op_(add_epi32)(op_(madd_epi16)(a, b), c)
#endif

/* Sums of 16 bits to levels by multiply, add, shift, clip. */
INLINE v16 shifted16(const level *l, v16 a, int lowest, int highest)
{
    v16 y;
#ifdef HALF
    HALF x[N_PARTS];
    memcpy(x, &a, sizeof a);
    const HALF fine = op_(set1_epi32)(l->fine & 0xFFFF), addend = op_(set1_epi32)(l->addend);
    const HALF zero = op_(set1_epi32)(0);
    const __m128i shift = _mm_cvtsi32_si128(l->shift);
    if (l->kind == BY_HALVES) { /* even samples' levels below, odd ones' above */
        const HALF above = op_(slli_epi32)(fine, 16);
        const __m128i less = _mm_cvtsi32_si128(l->shift - 16);
        for (int i = 0; i < N_PARTS; i++) {
            const HALF even = op_(sra_epi32)(PRODUCT_SUM(x[i], fine, addend), shift);
            const HALF odd = op_(sra_epi32)(PRODUCT_SUM(x[i], above, addend), less);
            x[i] = op_(max_epi16)(ODD_FROM(even, odd), op_(set1_epi16)((int16_t)lowest));
            x[i] = op_(min_epi16)(x[i], op_(set1_epi16)((int16_t)highest));
        }
        memcpy(&y, x, sizeof y);
        return y;
    }
    for (int i = 0; i < N_PARTS; i++) {
        const HALF low = op_(unpacklo_epi16)(x[i], zero), high = op_(unpackhi_epi16)(x[i], zero);
        HALF s = op_(add_epi32)(op_(madd_epi16)(low, fine), addend);
        HALF t = op_(add_epi32)(op_(madd_epi16)(high, fine), addend);
        if (l->kind == BY_BOTH) {
            const HALF coarse = op_(set1_epi32)(l->coarse & 0xFFFF);
            s = op_(add_epi32)(s, op_(slli_epi32)(op_(madd_epi16)(low, coarse), 15));
            t = op_(add_epi32)(t, op_(slli_epi32)(op_(madd_epi16)(high, coarse), 15));
        }
        x[i] = op_(packs_epi32)(op_(sra_epi32)(s, shift), op_(sra_epi32)(t, shift));
        x[i] = op_(max_epi16)(x[i], op_(set1_epi16)((int16_t)lowest));
        x[i] = op_(min_epi16)(x[i], op_(set1_epi16)((int16_t)highest));
    }
    memcpy(&y, x, sizeof y);
#else
    const int32_t factor = l->coarse * 32768 + l->fine;
    int16_t x[LANES];
    memcpy(x, &a, sizeof a);
    for (int i = 0; i < LANES; i++) {
        const int32_t v = (factor * x[i] + l->addend) >> l->shift;
        x[i] = (int16_t)(v < lowest ? lowest : v > highest ? highest : v);
    }
    memcpy(&y, x, sizeof y);
#endif
    return y;
}

/* A level above the lowest by floats, one too many, with what follows its point. */
INLINE float estimate(const level *l, int two, int32_t a, int32_t b, int n)
{
    const float top = (float)n + 1.5f;
    float v = (float)a * l->scale[0] + (l->offset + 1.0f);
    if (two) v += (float)b * l->scale[1];
    v = v < 0.5f ? 0.5f : v;
    return v > top ? top : v;
}

/* Decides by thresholds what estimates leave open. */
static __attribute__((noinline)) void decide(const plan *p, const level *l, int two,
                                             const int32_t *a, const int32_t *b, int n, int lowest,
                                             int count, int32_t *y)
{
    for (int i = 0; i < count; i++) {
        const float v = estimate(l, two, a[i], b[i], n), rest = v - (float)(int32_t)v;
        /* Twice the slack: vectors may have rounded otherwise. */
        if (rest < 2 * l->slack || rest > 1.0f - 2 * l->slack)
            y[i] = lowest + exactly(p, l, two, n, y[i] - lowest, a[i], b[i]);
    }
}

/* Sums of 32 bits to levels by floats, and by thresholds where these are not sure. */
INLINE void levels32(const plan *p, const level *l, int two, const int32_t *a, const int32_t *b,
                     int n, int lowest, int32_t *y)
{
    const float slack = l->slack, upper = 1.0f - l->slack;
    int near = 0;
    for (int i = 0; i < LANES; i++) {
        const float v = estimate(l, two, a[i], b[i], n);
        const int32_t k = (int32_t)v;
        const float rest = v - (float)k;
        near |= (rest < slack) | (rest > upper);
        y[i] = lowest + (k < 1 ? 0 : k > n ? n : k - 1);
    }
    if (__builtin_expect(near, 0)) decide(p, l, two, a, b, n, lowest, LANES, y);
}

#ifdef HALF
/* The same of sums of 16 bits; says whether some are not sure. */
INLINE v16 levels16(const level *l, int two, v16 a, v16 b, int n, int lowest, int *near)
{
    HALF x0[N_PARTS], x1[N_PARTS];
    v16 y;
    memcpy(x0, &a, sizeof a);
    memcpy(x1, &b, sizeof b);
    const FLOATS f0 = op_(set1_ps)(l->scale[0]), f1 = op_(set1_ps)(l->scale[1]);
    const FLOATS offset = op_(set1_ps)(l->offset + 1.0f), half = op_(set1_ps)(0.5f);
    const FLOATS top = op_(set1_ps)((float)n + 1.5f), edge = op_(set1_ps)(0.5f - l->slack);
    const HALF one = op_(set1_epi32)(1);
    for (int i = 0; i < N_PARTS; i++) {
        HALF k[2];
        for (int odd = 0; odd < 2; odd++) {
            const HALF p0 = op_(srai_epi32)(odd ? x0[i] : op_(slli_epi32)(x0[i], 16), 16);
            FLOATS v = FUSED(op_(cvtepi32_ps)(p0), f0, offset);
            if (two) {
                const HALF p1 = op_(srai_epi32)(odd ? x1[i] : op_(slli_epi32)(x1[i], 16), 16);
                v = FUSED(op_(cvtepi32_ps)(p1), f1, v);
            }
            v = op_(min_ps)(op_(max_ps)(v, half), top);
            k[odd] = op_(cvttps_epi32)(v);
            const FLOATS rest = op_(sub_ps)(v, op_(cvtepi32_ps)(k[odd]));
            *near |= any_greater(size_of(op_(sub_ps)(rest, half)), edge);
            k[odd] = op_(sub_epi32)(k[odd], one);
        }
        x0[i] = ODD_FROM(k[0], op_(slli_epi32)(k[1], 16));
        x0[i] = op_(max_epi16)(x0[i], op_(set1_epi16)(0));
        x0[i] = op_(min_epi16)(x0[i], op_(set1_epi16)((int16_t)n));
        x0[i] = op_(add_epi16)(x0[i], op_(set1_epi16)((int16_t)lowest));
    }
    memcpy(&y, x0, sizeof y);
    return y;
}
#endif

INLINE void widen(int32_t *y, v16 x)
{
    int16_t each[LANES];
    memcpy(each, &x, sizeof x);
    for (int i = 0; i < LANES; i++) y[i] = each[i];
}

INLINE void settle16(const plan *p, const level *l, int two, v16 a, v16 b, int n, int lowest,
                     int16_t *y)
{
    if (!two && l->kind != BY_FLOATS) {
        const v16 found = shifted16(l, a, lowest, lowest + n);
        memcpy(y, &found, sizeof found);
        return;
    }
    int32_t x0[LANES], x1[LANES], levels[LANES];
#ifdef HALF
    int near = 0;
    const v16 sure = levels16(l, two, a, b, n, lowest, &near);
    memcpy(y, &sure, sizeof sure);
    if (__builtin_expect(!near, 1)) return;
    widen(x0, a);
    widen(x1, b);
    widen(levels, sure);
    decide(p, l, two, x0, x1, n, lowest, LANES, levels);
#else
    widen(x0, a);
    widen(x1, b);
    levels32(p, l, two, x0, x1, n, lowest, levels);
#endif
    for (int i = 0; i < LANES; i++) y[i] = (int16_t)levels[i];
}

/* LANES times n_vectors sums of products in 16 bits; a weight comes twice in its 32 bits. */
INLINE void sums16(part16 *sum, const int16_t *x, const int32_t *offset, const int32_t *weight,
                   int n_terms, const int n_vectors)
{
    for (int j = 0; j < N_PARTS * n_vectors; j++) sum[j] = (part16){0};
    for (int i = 0; i < n_terms; i++) {
        const loose16 *at = (const loose16 *)(x + offset[i]);
        const part16 w = (part16)((part32){0} + weight[i]);
        for (int j = 0; j < N_PARTS * n_vectors; j++) sum[j] += w * at[j];
    }
}

/* The same in 32 bits, two terms at a time; a pair of weights shares 32 bits. Where the processor
 * pairs neighbours within parts of a vector, so do the sums: narrow32 puts them in order. */
INLINE void sums32(int32_t *sum, const int16_t *x, const int32_t *offset, const int32_t *weight,
                   int n_terms, const int n_vectors)
{
#ifdef HALF
    HALF total[2 * N_PARTS * n_vectors];
    for (int j = 0; j < 2 * N_PARTS * n_vectors; j++) total[j] = op_(set1_epi32)(0);
    for (int i = 0; i < n_terms; i += 2) {
        const char *a = (const char *)(x + offset[i]), *b = (const char *)(x + offset[i + 1]);
        const HALF w = op_(set1_epi32)(weight[i / 2]);
        for (int j = 0; j < N_PARTS * n_vectors; j++) {
            HALF one, other;
            memcpy(&one, a + j * (int)sizeof one, sizeof one);
            memcpy(&other, b + j * (int)sizeof other, sizeof other);
            total[2 * j] = PRODUCT_SUM(op_(unpacklo_epi16)(one, other), w, total[2 * j]);
            total[2 * j + 1] = PRODUCT_SUM(op_(unpackhi_epi16)(one, other), w, total[2 * j + 1]);
        }
    }
    memcpy(sum, total, sizeof total);
#else
    memset(sum, 0, sizeof *sum * LANES * (size_t)n_vectors);
    for (int i = 0; i < n_terms; i++) {
        const int16_t *at = x + offset[i];
        const int32_t w = (int16_t)(uint32_t)(i % 2 ? weight[i / 2] >> 16 : weight[i / 2]);
        for (int j = 0; j < LANES * n_vectors; j++) sum[j] += w * at[j];
    }
#endif
}

INLINE void narrow32(int16_t *y, const int32_t *levels)
{
#ifdef HALF
    HALF x[2 * N_PARTS];
    memcpy(x, levels, sizeof x);
    for (int i = 0; i < N_PARTS; i++) {
        const HALF packed = op_(packs_epi32)(x[2 * i], x[2 * i + 1]);
        memcpy((char *)y + i * (int)sizeof packed, &packed, sizeof packed);
    }
#else
    for (int i = 0; i < LANES; i++) y[i] = (int16_t)levels[i];
#endif
}

INLINE void settle32(const plan *p, const level *l, int two, const int32_t *a, const int32_t *b,
                     int n, int lowest, int16_t *y)
{
    int32_t levels[LANES];
    levels32(p, l, two, a, b, n, lowest, levels);
    narrow32(y, levels);
}

/* Sums of products of 8 bits, four to a lane, in the samples' order, of several outputs whose terms
 * lie at the same places. Terms: what to begin with, then offsets, then as many times four weights.
 * Where the processor has no such products, tables.py does not ask for them; the plain way says
 * what they are. */
INLINE void sums8(int32_t *sum, const int32_t *x, const int32_t *data, const int32_t *first,
                  const int n_outputs, const int n_vectors)
{
    const int n_terms = (first[1] - first[0] - 1) / 2;
    const int32_t *offset = data + first[0] + 1;
#ifdef __AVX512VNNI__
    HALF total[16], part[16];
    UNROLLED for (int o = 0; o < n_outputs; o++)
        UNROLLED for (int j = 0; j < 2 * n_vectors; j++)
            total[2 * n_vectors * o + j] = _mm512_set1_epi32(data[first[o]]);
    for (int i = 0; i < n_terms; i++) {
        const int32_t *at = x + offset[i];
        UNROLLED for (int j = 0; j < 2 * n_vectors; j++) part[j] = _mm512_loadu_si512(at + 16 * j);
        UNROLLED for (int o = 0; o < n_outputs; o++) {
            const HALF w = _mm512_set1_epi32(data[first[o] + 1 + n_terms + i]);
            UNROLLED for (int j = 0; j < 2 * n_vectors; j++)
                total[2 * n_vectors * o + j] =
                    _mm512_dpbusd_epi32(total[2 * n_vectors * o + j], part[j], w);
        }
    }
    memcpy(sum, total, sizeof *total * 2 * (size_t)(n_vectors * n_outputs));
#else
    for (int o = 0; o < n_outputs; o++, sum += LANES * n_vectors) {
        for (int j = 0; j < LANES * n_vectors; j++) sum[j] = data[first[o]];
        for (int i = 0; i < n_terms; i++)
            for (int j = 0; j < LANES * n_vectors; j++) {
                const uint8_t *sample = (const uint8_t *)(x + offset[i] + j);
                const int8_t *w = (const int8_t *)(data + first[o] + 1 + n_terms + i);
                for (int k = 0; k < 4; k++) sum[j] += sample[k] * w[k];
            }
    }
#endif
}

/* As `stretch`, of samples in quads. */
INLINE void stretch8(const plan *p, const op *o, char *w, int c, int t, int two,
                     const int n_outputs, const int n_vectors)
{
    const tensor *y = p->tensors + o->y;
    const level *l = (const level *)(p->data + o->a[2]) + c;
    const int n = o->a[3], lowest = o->a[4];
    int32_t s[2][8 * LANES];
    for (int i = 0; i < 1 + two; i++)
        sums8(s[i], AT(int32_t, w, p->tensors + o->x[i], 0) + t, p->data, p->data + o->a[i] + c,
              n_outputs, n_vectors);
    for (int j = 0; j < n_outputs * n_vectors; j++) {
        const int32_t *a = s[0] + j * LANES, *b = s[two] + j * LANES;
        int16_t *to = AT(int16_t, w, y, c + j / n_vectors) + t + j % n_vectors * LANES;
        int32_t levels[LANES];
        levels32(p, l + j / n_vectors, two, a, b, n, lowest, levels);
        for (int i = 0; i < LANES; i++) to[i] = (int16_t)levels[i];
    }
}

/* So many outputs' rows from channel c on. */
INLINE void quads_rows(const plan *p, const op *o, char *w, int c, int two, const int n_outputs)
{
    const tensor *y = p->tensors + o->y;
    int t = 0;
    while (t < y->length) {
        const int left = (y->length - t + LANES - 1) / LANES;
        if (n_outputs == 1 && left >= 8) {
            stretch8(p, o, w, c, t, two, 1, 8);
            t += 8 * LANES;
        } else if (n_outputs <= 2 && left >= 4) {
            stretch8(p, o, w, c, t, two, n_outputs < 2 ? 1 : 2, 4);
            t += 4 * LANES;
        } else if (left >= 2) {
            stretch8(p, o, w, c, t, two, n_outputs, 2);
            t += 2 * LANES;
        } else {
            stretch8(p, o, w, c, t, two, n_outputs, 1);
            t += LANES;
        }
    }
    for (int i = c; t > y->length && i < c + n_outputs; i++)
        memset(AT(int16_t, w, y, i) + y->length, 0, 2 * (size_t)(t - y->length));
}

/* a: where the sources' terms begin, the levels' number, thresholds a channel, lowest, whether all
 * outputs' terms lie at the same places. */
static void quads(const plan *p, const op *o, char *w)
{
    const tensor *y = p->tensors + o->y;
    const int is_short = y->length <= 2 * LANES;
    int c = 0;
    for (; o->a[5] && is_short && c + 4 <= y->channels; c += 4) quads_rows(p, o, w, c, 0, 4);
    for (; o->a[5] && c + 2 <= y->channels; c += 2) quads_rows(p, o, w, c, 0, 2);
    for (; c < y->channels; c++) quads_rows(p, o, w, c, o->n_sources == 2, 1);
}

/* Four rows of 8 bits in one of 32, margins too. a: what is added, so that none is negative. */
static void pack(const plan *p, const op *o, char *w)
{
    const tensor *x = p->tensors + o->x[0], *y = p->tensors + o->y;
    static const int16_t nothing[MOST];
    const int length = (x->length + LANES - 1) / LANES * LANES;
    const int32_t none = o->a[0] * 0x01010101;
    for (int c = 0; c < y->channels; c++) {
        const int16_t *from[4];
        int32_t *to = AT(int32_t, w, y, c);
        for (int k = 0; k < 4; k++)
            from[k] = 4 * c + k < x->channels ? AT(int16_t, w, x, 4 * c + k) : nothing;
        for (int t = 0; t < length; t++)
            to[t] = from[0][t] + (from[1][t] << 8) + (from[2][t] << 16)
                    + (int32_t)((uint32_t)from[3][t] << 24) + none;
        if (none) {
            for (int t = 1; t <= LANES; t++) to[-t] = none;
            for (int t = 0; t < LANES; t++) to[length + t] = none;
        }
    }
}

/* a: where the sources' terms begin, the levels' number, thresholds a channel, lowest, wide. */
INLINE void stretch(const plan *p, const op *o, const level *l, const int16_t *const *x,
                    const int32_t *const *terms, int c, int two, int16_t *y, const int n_vectors)
{
    const int n = o->a[3], lowest = o->a[4];
    const int n0 = terms[0][c + 1] - terms[0][c], n1 = two ? terms[1][c + 1] - terms[1][c] : 0;
    const int32_t *t0 = p->data + terms[0][c], *t1 = two ? p->data + terms[1][c] : t0;
    /* Offsets come first, then weights: half as many, in pairs, where sums have 32 bits. */
    if (o->a[5]) {
        int32_t s0[8 * LANES], s1[4 * LANES];
        const int m0 = 2 * (n0 / 3), m1 = 2 * (n1 / 3);
        sums32(s0, x[0], t0, t0 + m0, m0, n_vectors);
        if (two) sums32(s1, x[1], t1, t1 + m1, m1, n_vectors);
        for (int j = 0; j < n_vectors; j++)
            settle32(p, l, two, s0 + j * LANES, (two ? s1 : s0) + j * LANES, n, lowest,
                     y + j * LANES);
    } else {
        v16 s0[8], s1[4];
        sums16((part16 *)s0, x[0], t0, t0 + n0 / 2, n0 / 2, n_vectors);
        if (two) sums16((part16 *)s1, x[1], t1, t1 + n1 / 2, n1 / 2, n_vectors);
        for (int j = 0; j < n_vectors; j++)
            settle16(p, l, two, s0[j], two ? s1[j] : s0[j], n, lowest, y + j * LANES);
    }
}

#ifdef __AVX512BW__
INLINE HALF every_second(void)
{
    int16_t even[LANES];
    HALF y;
    for (int i = 0; i < LANES; i++) even[i] = (int16_t)(2 * i);
    memcpy(&y, even, sizeof y);
    return y;
}
#endif

/* A row's samples by turns; behind its end are zeros, as many as make whole vectors, and stay. */
static void split(const int16_t *from, int16_t *even, int16_t *odd, int length)
{
#ifdef __AVX512BW__
    const HALF evens = every_second(), odds = _mm512_add_epi16(evens, _mm512_set1_epi16(1));
    for (int t = 0; t < length; t += LANES) {
        const HALF a = _mm512_loadu_si512(from + 2 * t);
        const HALF b = _mm512_loadu_si512(from + 2 * t + LANES);
        _mm512_storeu_si512(even + t, _mm512_permutex2var_epi16(a, evens, b));
        _mm512_storeu_si512(odd + t, _mm512_permutex2var_epi16(a, odds, b));
    }
#else
    for (int t = 0; t < length; t += WIDE / 4) {
        part32 pairs;
        memcpy(&pairs, from + 2 * t, sizeof pairs);
        const half16 first = __builtin_convertvector(pairs, half16);
        const half16 second = __builtin_convertvector(pairs >> 16, half16);
        memcpy(even + t, &first, sizeof first);
        memcpy(odd + t, &second, sizeof second);
    }
#endif
}

/* a[6]: whether the rows are written by turns, for strides of two; then a[7] is their length. */
INLINE void convolve_rows(const plan *p, const op *o, char *w, const int two)
{
    const tensor *y = p->tensors + o->y;
    const level *levels = (const level *)(p->data + o->a[2]);
    const int32_t *terms[2] = {p->data + o->a[0], p->data + o->a[1]};
    const int by_turns = o->a[6], length = by_turns ? o->a[7] : y->length;
    int16_t row[MOST + 3 * LANES];
    for (int c = 0; c < y->channels >> by_turns; c++) {
        int16_t *to = by_turns ? row : AT(int16_t, w, y, c);
        int t = 0;
        while (t < length) {
            const int left = (length - t + LANES - 1) / LANES * LANES;
            const int16_t *x[2] = {AT(int16_t, w, p->tensors + o->x[0], 0) + t,
                                   AT(int16_t, w, p->tensors + o->x[1], 0) + t};
            if (MOST_VECTORS >= 8 && !two && left >= 8 * LANES) {
                stretch(p, o, levels + c, x, terms, c, two, to + t, 8);
                t += 8 * LANES;
            } else if (MOST_VECTORS >= 4 && left >= 4 * LANES) {
                stretch(p, o, levels + c, x, terms, c, two, to + t, 4);
                t += 4 * LANES;
            } else if (left >= 2 * LANES) {
                stretch(p, o, levels + c, x, terms, c, two, to + t, 2);
                t += 2 * LANES;
            } else {
                stretch(p, o, levels + c, x, terms, c, two, to + t, 1);
                t += LANES;
            }
        }
        if (by_turns) {
            memset(row + length, 0, 2 * (size_t)(t - length + 2 * LANES));
            split(row, AT(int16_t, w, y, 2 * c), AT(int16_t, w, y, 2 * c + 1), y->length);
        } else if (t > length) {
            memset(to + length, 0, 2 * (size_t)(t - length));
        }
    }
}

static void convolve(const plan *p, const op *o, char *w)
{
    if (o->n_sources == 2) convolve_rows(p, o, w, 1); else convolve_rows(p, o, w, 0);
}

/* Lowest plus the number of thresholds not above each sample; of no number, lowest. */
static void search(const float *threshold, int lowest, int n, const float *x, int16_t *y)
{
    for (int t = 0; t < LANES; t++) {
        int first = 0, last = n;
        while (first < last) {
            const int middle = (first + last) / 2;
            if (x[t] >= threshold[middle]) first = middle + 1; else last = middle;
        }
        y[t] = (int16_t)(lowest + first);
    }
}

/* a: lowest, highest, factor and slack as the bits of floats, thresholds. */
static void quantise(const plan *p, const op *o, char *w, const float *iq)
{
    const tensor *y = p->tensors + o->y;
    const float low = (float)o->a[0], high = (float)o->a[1];
    const float *threshold = (const float *)(p->data + o->a[4]);
    float factor, slack;
    memcpy(&factor, o->a + 2, 4);
    memcpy(&slack, o->a + 3, 4);
    const float edge = 0.5f - slack;
    for (int c = 0; c < 2; c++) {
        int16_t *to = AT(int16_t, w, y, c);
        const float *x = iq + (int64_t)c * y->length;
        for (int t = 0; t < y->length; t += LANES) {
            int near = 0;
            for (int i = t; i < t + LANES; i++) {
                float v = x[i] * factor;
                v = v > low ? v : low; /* of no number, low */
                v = v < high ? v : high;
                const float level = __builtin_rintf(v), rest = __builtin_fabsf(v - level);
                near |= rest > edge;
                to[i] = (int16_t)level;
            }
            if (__builtin_expect(near, 0)) search(threshold, o->a[0], o->a[1] - o->a[0], x + t, to + t);
        }
    }
}

/* a: weights by output and input, bias, inputs rounded up; channels one after the other. */
static void dense(const plan *p, const op *o, char *w)
{
    const tensor *x = p->tensors + o->x[0], *y = p->tensors + o->y;
    const int16_t *in = AT(int16_t, w, x, 0);
    int32_t *out = AT(int32_t, w, y, 0);
    const int16_t *weight = (const int16_t *)(p->data + o->a[0]);
    for (int c = 0; c < y->channels; c++, weight += o->a[2]) {
        int32_t sum = p->data[o->a[1] + c];
        for (int i = 0; i < o->a[2]; i++) sum += (int32_t)weight[i] * in[i];
        out[c] = sum;
    }
}


/* a: levels, thresholds a channel, lowest, whether rows. */
static void requantise(const plan *p, const op *o, char *w)
{
    const tensor *x = p->tensors + o->x[0], *x1 = p->tensors + o->x[1], *y = p->tensors + o->y;
    const level *levels = (const level *)(p->data + o->a[0]);
    const int n = o->a[1], lowest = o->a[2], two = o->n_sources == 2;
    int32_t a[MOST], b[MOST], to[MOST];
    for (int c = 0; c < y->channels; c++) {
        const level *l = levels + c;
        const int by_product = l->kind != BY_FLOATS && l->kind < BY_COUNT;
        if (by_product && y->length == 1 && !y->wide) {
            const int32_t v = ((l->coarse * 32768 + l->fine) *
                               (x->wide ? *AT(int32_t, w, x, c) : *AT(int16_t, w, x, c)) +
                               l->addend) >> l->shift;
            *AT(int16_t, w, y, c) = (int16_t)(v < lowest ? lowest : v > lowest + n ? lowest + n : v);
            continue;
        }
        if (by_product && !x->wide && !y->wide && y->length % LANES == 0) {
            const int16_t *from = AT(int16_t, w, x, c);
            int16_t *level_row = AT(int16_t, w, y, c);
            for (int t = 0; t < y->length; t += LANES) {
                v16 sums;
                memcpy(&sums, from + t, sizeof sums);
                sums = shifted16(l, sums, lowest, lowest + n);
                memcpy(level_row + t, &sums, sizeof sums);
            }
            continue;
        }
        get_row(a, w, x, c);
        if (l->kind == BY_COUNT) {
            for (int t = y->length; t % LANES; t++) a[t] = 0;
            for (int t = 0; t < y->length; t += LANES) {
                int32_t count[LANES];
                for (int i = 0; i < LANES; i++) count[i] = lowest;
                for (int k = 0; k < n; k++) {
                    const int32_t threshold = p->data[l->thresholds + k];
                    for (int i = 0; i < LANES; i++) count[i] += a[t + i] >= threshold;
                }
                memcpy(to + t, count, sizeof count);
            }
            put_row(to, w, y, c);
            continue;
        }
        if (l->kind == BY_TABLE) {
            const int32_t *table = p->data + l->thresholds - l->fine;
            for (int t = 0; t < y->length; t++) to[t] = table[a[t]];
            put_row(to, w, y, c);
            continue;
        }
        if (by_product) {
            const int32_t factor = l->coarse * 32768 + l->fine;
            for (int t = 0; t < y->length; t++) {
                const int32_t v = (factor * a[t] + l->addend) >> l->shift;
                to[t] = v < lowest ? lowest : v > lowest + n ? lowest + n : v;
            }
            put_row(to, w, y, c);
            continue;
        }
        get_row(b, w, two ? x1 : x, c);
        for (int t = y->length; t % LANES; t++) a[t] = b[t] = 0;
        if (y->length == 1) {
            const int32_t guess = (int32_t)estimate(l, two, a[0], b[0], n) - 1;
            to[0] = lowest + exactly(p, l, two, n, guess < 0 ? 0 : guess > n ? n : guess, a[0], b[0]);
        } else {
            for (int t = 0; t < y->length; t += LANES)
                levels32(p, l, two, a + t, b + t, n, lowest, to + t);
        }
        put_row(to, w, y, c);
    }
}

/* a: signs. */
static void add(const plan *p, const op *o, char *w)
{
    const tensor *y = p->tensors + o->y;
    int32_t a[MOST], b[MOST];
    const int narrow = !p->tensors[o->x[0]].wide && !p->tensors[o->x[1]].wide && !y->wide;
    for (int c = 0; c < y->channels; c++) {
        if (narrow && o->a[0] == 1 && o->a[1] == 1) {
            const int16_t *one = AT(int16_t, w, p->tensors + o->x[0], c);
            const int16_t *other = AT(int16_t, w, p->tensors + o->x[1], c);
            int16_t *to = AT(int16_t, w, y, c);
            for (int t = 0; t < y->length; t++) to[t] = (int16_t)(one[t] + other[t]);
            continue;
        }
        get_row(a, w, p->tensors + o->x[0], c);
        get_row(b, w, p->tensors + o->x[1], c);
        for (int t = 0; t < y->length; t++) a[t] = o->a[0] * a[t] + o->a[1] * b[t];
        put_row(a, w, y, c);
    }
}

static void product(const plan *p, const op *o, char *w)
{
    const tensor *y = p->tensors + o->y;
    int32_t a[MOST], b[MOST];
    for (int c = 0; c < y->channels; c++) {
        get_row(a, w, p->tensors + o->x[0], c);
        get_row(b, w, p->tensors + o->x[1], c);
        for (int t = 0; t < y->length; t++) a[t] *= b[t];
        put_row(a, w, y, c);
    }
}

/* a: kernel, stride, spacing. */
static void total(const plan *p, const op *o, char *w)
{
    const tensor *x = p->tensors + o->x[0], *y = p->tensors + o->y;
    const int kernel = o->a[0], stride = o->a[1], spacing = o->a[2];
    int32_t a[MOST], to[MOST];
    for (int c = 0; c < y->channels; c++) {
        if (y->length == 1 && spacing == 1 && !x->wide) {
            const int16_t *from = AT(int16_t, w, x, c);
            to[0] = 0;
            for (int k = 0; k < kernel; k++) to[0] += from[k];
            put_row(to, w, y, c);
            continue;
        }
        get_row(a, w, x, c);
        memset(to, 0, 4 * (size_t)y->length);
        if (y->length == 1) {
            for (int k = 0; k < kernel; k++) to[0] += a[k * spacing];
        } else if (stride == 1) {
            for (int k = 0; k < kernel; k++)
                for (int t = 0; t < y->length; t++) to[t] += a[t + k * spacing];
        } else {
            for (int k = 0; k < kernel; k++)
                for (int t = 0; t < y->length; t++) to[t] += a[t * stride + k * spacing];
        }
        put_row(to, w, y, c);
    }
}

/* a: kernel, stride. */
static void maximum(const plan *p, const op *o, char *w)
{
    const tensor *x = p->tensors + o->x[0], *y = p->tensors + o->y;
    const int kernel = o->a[0], stride = o->a[1];
    int32_t a[MOST], to[MOST];
    for (int c = 0; c < y->channels; c++) {
        if (!x->wide && !y->wide && kernel == 2 && stride == 2) {
            const int16_t *from = AT(int16_t, w, x, c);
            int16_t *most = AT(int16_t, w, y, c);
            for (int t = 0; t < y->length; t++)
                most[t] = from[2 * t] > from[2 * t + 1] ? from[2 * t] : from[2 * t + 1];
            continue;
        }
        if (!x->wide && !y->wide && y->length == 1) {
            const int16_t *from = AT(int16_t, w, x, c);
            int16_t most = from[0], each[WIDE / 2];
            int t = 0;
            if (kernel >= WIDE / 2) {
                part16 largest;
                memcpy(&largest, from, sizeof largest);
                for (t = WIDE / 2; t + WIDE / 2 <= kernel; t += WIDE / 2) {
                    part16 part;
                    memcpy(&part, from + t, sizeof part);
                    const part16 more = part > largest;
                    largest = (part & more) | (largest & ~more);
                }
                memcpy(each, &largest, sizeof each);
                for (int i = 0; i < WIDE / 2; i++) most = each[i] > most ? each[i] : most;
            }
            for (; t < kernel; t++) most = from[t] > most ? from[t] : most;
            *AT(int16_t, w, y, c) = most;
            continue;
        }
        get_row(a, w, x, c);
        for (int t = 0; t < y->length; t++) {
            int32_t most = a[t * stride];
            for (int k = 1; k < kernel; k++)
                most = a[t * stride + k] > most ? a[t * stride + k] : most;
            to[t] = most;
        }
        put_row(to, w, y, c);
    }
}

/* a: limits. */
static void instant(const plan *p, const op *o, char *w)
{
    const tensor *y = p->tensors + o->y;
    const int n = y->length;
    int32_t a[MOST], to[MOST];
    get_row(a, w, p->tensors + o->x[0], 0);
    for (int j = 0; j < n; j++) {
        int largest = 1;
        for (int i = 0; i < n; i++) largest &= a[i] - a[j] <= p->data[o->a[0] + i - j + n - 1];
        to[j] = largest;
    }
    put_row(to, w, y, 0);
}

/* a: kernel. */
static void choose(const plan *p, const op *o, char *w)
{
    const tensor *x = p->tensors + o->x[0], *y = p->tensors + o->y;
    const int kernel = o->a[0];
    int32_t at[MOST], to[MOST], a[MOST];
    get_row(at, w, p->tensors + o->x[1], 0);
    for (int c = 0; c < y->channels; c++) {
        get_row(a, w, x, c);
        memset(to, 0, 4 * (size_t)y->length);
        for (int j = 0; j < kernel; j++)
            if (at[j])
                for (int t = 0; t < y->length; t++) to[t] += a[t * kernel + j];
        put_row(to, w, y, c);
    }
}

/* a: largest magnitude, largest level, shift, factor and addend among the exact. */
static void divide(const plan *p, const op *o, char *w)
{
    const tensor *x = p->tensors + o->x[0], *y = p->tensors + o->y;
    int32_t power, of[MOST], a[MOST];
    get_row(&power, w, p->tensors + o->x[1], 0);
    const int64_t square = p->exact[o->a[3]] * power + p->exact[o->a[3] + 1];
    const int32_t most = o->a[1] + 1;
    if (square <= 0) { /* no power at all */
        for (int32_t size = 0; size <= o->a[0]; size++) of[size] = most;
    } else {
        const double root = __builtin_sqrt((double)((int64_t)1 << o->a[2]) / (double)square);
        const float unit = (float)(root < 4e6 ? root / 2 : 2e6);
        const float top = (float)most + 0.5f, slack = (float)(most + 1) * 1e-6f;
        int near = 0;
        for (int32_t size = 0; size <= o->a[0]; size++) {
            float guess = (float)size * unit + 0.5f;
            guess = guess < top ? guess : top;
            of[size] = (int32_t)guess;
            const float rest = guess - (float)of[size];
            near |= (rest < slack) | (rest > 1.0f - slack);
        }
        for (int32_t size = 0; near && size <= o->a[0]; size++) {
            /* A guess is off by one at most, and only at an edge. */
            const int64_t left = (int64_t)(size * size) << o->a[2];
            const int32_t k = of[size];
            const int32_t up = (2 * k + 1) * (2 * k + 1), down = (2 * k - 1) * (2 * k - 1);
            of[size] += (k < most && left >= up * square) - (k > 0 && left < down * square);
        }
    }
    for (int c = 0; c < y->channels; c++) {
        get_row(a, w, x, c);
        for (int t = 0; t < y->length; t++) {
            const int32_t sign = a[t] >> 31; /* all ones below zero; no branch to guess */
            int32_t z = of[(a[t] ^ sign) - sign];
            z -= (z > o->a[1]) & ~sign;
            a[t] = (z ^ sign) - sign;
        }
        put_row(a, w, y, c);
    }
}

/* a: first channel of y, first sample of x; what lies beyond the ends of x is zero. */
static void copy(const plan *p, const op *o, char *w)
{
    const tensor *x = p->tensors + o->x[0], *y = p->tensors + o->y;
    int32_t a[MOST], to[MOST];
    if (x->length == 1 && y->length == 1) { /* channels follow one another: one row */
        tensor from = *x, row = *y;
        from.length = row.length = x->channels;
        row.first += (int64_t)o->a[0] * (y->wide ? 4 : 2);
        get_row(a, w, &from, 0);
        put_row(a, w, &row, 0);
        return;
    }
    if (x->length != y->length && x->channels != y->channels) { /* another shape */
        for (int c = 0, i = 0; c < x->channels; c++) {
            tensor row = *y;
            get_row(a, w, x, c);
            for (int t = 0; t < x->length; t++, i++) {
                row.length = 1;
                row.first = y->first + (int64_t)(y->wide ? 4 : 2)
                            * ((int64_t)(i / y->length) * y->row + i % y->length);
                put_row(a + t, w, &row, 0);
            }
        }
        return;
    }
    for (int c = 0; c < x->channels; c++) {
        get_row(a, w, x, c);
        if (o->a[1] == 0 && x->length == y->length) {
            put_row(a, w, y, o->a[0] + c);
            continue;
        }
        for (int t = 0; t < y->length; t++) {
            const int from = t + o->a[1];
            to[t] = from >= 0 && from < x->length ? a[from] : 0;
        }
        put_row(to, w, y, o->a[0] + c);
    }
}

/* Every stride-th sample: row c * stride + r of y holds x's samples r, r + stride, … a: stride. */
static void phases(const plan *p, const op *o, char *w)
{
    const tensor *x = p->tensors + o->x[0], *y = p->tensors + o->y;
    const int stride = o->a[0];
    for (int c = 0; c < x->channels; c++) {
        const int16_t *from = AT(int16_t, w, x, c);
        if (stride == 2) {
            split(from, AT(int16_t, w, y, 2 * c), AT(int16_t, w, y, 2 * c + 1), y->length);
            continue;
        }
        for (int r = 0; r < stride; r++) {
            int16_t *to = AT(int16_t, w, y, c * stride + r);
            for (int t = 0; t * stride + r < x->length; t++) to[t] = from[t * stride + r];
        }
    }
}

static void take(const plan *p, const op *o, char *w, const float *iq)
{
    switch (o->kind) {
    case QUANTISE: quantise(p, o, w, iq); break;
    case CONVOLVE: convolve(p, o, w); break;
    case DENSE: dense(p, o, w); break;
    case REQUANTISE: requantise(p, o, w); break;
    case ADD: add(p, o, w); break;
    case PRODUCT: product(p, o, w); break;
    case TOTAL: total(p, o, w); break;
    case MAXIMUM: maximum(p, o, w); break;
    case INSTANT: instant(p, o, w); break;
    case CHOOSE: choose(p, o, w); break;
    case LEVEL: divide(p, o, w); break;
    case COPY: copy(p, o, w); break;
    case PACK: pack(p, o, w); break;
    case QUADS: quads(p, o, w); break;
    default: phases(p, o, w); break;
    }
}

/* Scores of frames, (n_frames, 2, length) float32; the workspace begins as zeros. */
EXPORTED void RUN(const plan *p, char *workspace, const float *iq, int64_t n_frames, int32_t *scores)
{
    const tensor *last = p->tensors + p->scores;
    const int64_t frame = 2 * (int64_t)p->tensors[p->input].length;
    for (int64_t n = 0; n < n_frames; n++) {
        for (int i = 0; i < p->n_ops; i++) take(p, p->ops + i, workspace, iq + n * frame);
        for (int c = 0; c < p->n_classes; c++)
            get_row(scores + n * p->n_classes + c, workspace, last, c);
    }
}
