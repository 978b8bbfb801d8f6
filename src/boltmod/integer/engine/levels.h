/* How sums become levels, exactly. */
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

/* One channel's multiply, add, shift, clip. */
typedef struct {
#ifdef HALF
    HALF fine, other, addend, lowest, highest;
    __m128i shift, less;
#else
    int32_t factor, other, addend, shift, lowest, highest;
#endif
} shifting;

INLINE shifting shifting_of(const level *l, const int kind, int lowest, int n)
{
#ifdef HALF
    /* Factors of pairs of 16 bits: one's upper half, or lower half, or a pair's second factor. */
    const HALF upper = op_(slli_epi32)(op_(set1_epi32)(l->fine), 16), fine = op_(srli_epi32)(upper, 16);
    const HALF coarse = op_(slli_epi32)(op_(set1_epi32)(l->coarse), 16);
    return (shifting){
        kind == BY_PAIR ? op_(add_epi32)(fine, coarse) : fine,
        kind == BY_HALVES ? upper : op_(srli_epi32)(coarse, 16),
        op_(set1_epi32)(l->addend),
        op_(set1_epi16)((int16_t)lowest),
        op_(set1_epi16)((int16_t)(lowest + n)),
        _mm_cvtsi32_si128(l->shift),
        _mm_cvtsi32_si128(l->shift - 16),
    };
#else
    const int32_t factor = kind == BY_PAIR ? l->fine : l->coarse * 32768 + l->fine;
    return (shifting){factor, l->coarse, l->addend, l->shift, lowest, lowest + n};
#endif
}

/* Sums of 16 bits to levels by it; `b` counts for a pair alone. */
INLINE part16 shifted(const shifting *s, const int kind, part16 a, part16 b)
{
#ifdef HALF
    const HALF x = (HALF)a;
    HALF y;
    if (kind == BY_HALVES) { /* even samples' levels below, odd ones' above */
        const HALF even = op_(sra_epi32)(PRODUCT_SUM(x, s->fine, s->addend), s->shift);
        const HALF odd = op_(sra_epi32)(PRODUCT_SUM(x, s->other, s->addend), s->less);
        y = ODD_FROM(even, odd);
    } else {
        const HALF beside = kind == BY_PAIR ? (HALF)b : op_(set1_epi32)(0);
        const HALF low = op_(unpacklo_epi16)(x, beside), high = op_(unpackhi_epi16)(x, beside);
        HALF one = PRODUCT_SUM(low, s->fine, s->addend);
        HALF other = PRODUCT_SUM(high, s->fine, s->addend);
        if (kind == BY_BOTH) {
            one = op_(add_epi32)(one, op_(slli_epi32)(op_(madd_epi16)(low, s->other), 15));
            other = op_(add_epi32)(other, op_(slli_epi32)(op_(madd_epi16)(high, s->other), 15));
        }
        y = op_(packs_epi32)(op_(sra_epi32)(one, s->shift), op_(sra_epi32)(other, s->shift));
    }
    return (part16)op_(min_epi16)(op_(max_epi16)(y, s->lowest), s->highest);
#else
    part16 y;
    for (int i = 0; i < PART; i++) {
        const int32_t sum = kind == BY_PAIR ? s->other * b[i] + s->addend : s->addend;
        const int32_t v = (s->factor * a[i] + sum) >> s->shift;
        y[i] = (int16_t)(v < s->lowest ? s->lowest : v > s->highest ? s->highest : v);
    }
    return y;
#endif
}

/* A row of sums to levels, for lengths that are multiples of LANES. */
INLINE void shifted_row_by(const level *l, const int kind, const int16_t *x, int16_t *y, int length,
                           int lowest, int n)
{
    const shifting s = shifting_of(l, kind, lowest, n);
    for (int t = 0; t < length; t += PART)
        *(loose16 *)(y + t) = shifted(&s, kind, *(const loose16 *)(x + t), (part16){0});
}

static void shifted_row(const level *l, const int16_t *x, int16_t *y, int length, int lowest, int n)
{
    switch (l->kind) {
    case BY_HALVES: shifted_row_by(l, BY_HALVES, x, y, length, lowest, n); break;
    case BY_BOTH: shifted_row_by(l, BY_BOTH, x, y, length, lowest, n); break;
    default: shifted_row_by(l, BY_FINE, x, y, length, lowest, n); break;
    }
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
                     int n, int lowest, const int count, int32_t *y)
{
    const float slack = l->slack, upper = 1.0f - l->slack;
    int near = 0;
    for (int i = 0; i < count; i++) {
        const float v = estimate(l, two, a[i], b[i], n);
        const int32_t k = (int32_t)v;
        const float rest = v - (float)k;
        near |= (rest < slack) | (rest > upper);
        y[i] = lowest + (k < 1 ? 0 : k > n ? n : k - 1);
    }
    if (__builtin_expect(near, 0)) decide(p, l, two, a, b, n, lowest, count, y);
}

/* The same of sums of 16 bits. */
INLINE void settle16(const plan *p, const level *l, int two, part16 a, part16 b, int n, int lowest,
                     int16_t *y)
{
    int32_t x0[PART], x1[PART], levels[PART];
#ifdef HALF
    const FLOATS f0 = op_(set1_ps)(l->scale[0]), f1 = op_(set1_ps)(l->scale[1]);
    const FLOATS offset = op_(set1_ps)(l->offset - 0.5f), none = op_(set1_ps)(0.0f);
    const FLOATS top = op_(set1_ps)((float)n), edge = op_(set1_ps)(0.5f - l->slack);
    HALF k[2];
    FLOATS farthest = op_(set1_ps)(0.0f);
    for (int odd = 0; odd < 2; odd++) {
        const HALF p0 = op_(srai_epi32)(odd ? (HALF)a : op_(slli_epi32)((HALF)a, 16), 16);
        FLOATS v = FUSED(op_(cvtepi32_ps)(p0), f0, offset);
        if (two) {
            const HALF p1 = op_(srai_epi32)(odd ? (HALF)b : op_(slli_epi32)((HALF)b, 16), 16);
            v = FUSED(op_(cvtepi32_ps)(p1), f1, v);
        }
        v = op_(min_ps)(op_(max_ps)(v, none), top);
        k[odd] = op_(cvtps_epi32)(v);
        farthest = op_(max_ps)(farthest, size_of(BESIDE(v, k[odd])));
    }
    const HALF found = ODD_FROM(k[0], op_(slli_epi32)(k[1], 16));
    const part16 sure = (part16)op_(add_epi16)(found, op_(set1_epi16)((int16_t)lowest));
    *(loose16 *)y = sure;
    if (__builtin_expect(!any_greater(farthest, edge), 1)) return;
    for (int i = 0; i < PART; i++) x0[i] = a[i], x1[i] = b[i], levels[i] = sure[i];
    decide(p, l, two, x0, x1, n, lowest, PART, levels);
#else
    for (int i = 0; i < PART; i++) x0[i] = a[i], x1[i] = b[i];
    levels32(p, l, two, x0, x1, n, lowest, PART, levels);
#endif
    for (int i = 0; i < PART; i++) y[i] = (int16_t)levels[i];
}

#ifdef HALF
/* The same of two vectors of sums of 32 bits that follow one another. */
INLINE void settle_in_order(const plan *p, const level *l, const HALF *sums, int n, int lowest,
                            int16_t *y)
{
    /* The nearest whole number below the lowest edge by a half is the level. */
    const FLOATS factor = op_(set1_ps)(l->scale[0]), offset = op_(set1_ps)(l->offset - 0.5f);
    const FLOATS none = op_(set1_ps)(0.0f), top = op_(set1_ps)((float)n);
    const FLOATS edge = op_(set1_ps)(0.5f - l->slack);
    FLOATS farthest = op_(set1_ps)(0.0f);
    HALF k[2];
    for (int i = 0; i < 2; i++) {
        FLOATS v = FUSED(op_(cvtepi32_ps)(sums[i]), factor, offset);
        v = op_(min_ps)(op_(max_ps)(v, none), top);
        k[i] = op_(cvtps_epi32)(v);
        farthest = op_(max_ps)(farthest, size_of(BESIDE(v, k[i])));
    }
    const HALF found = IN_ORDER(op_(packs_epi32)(k[0], k[1]));
    const part16 sure = (part16)op_(add_epi16)(found, op_(set1_epi16)((int16_t)lowest));
    *(loose16 *)y = sure;
    if (__builtin_expect(!any_greater(farthest, edge), 1)) return;
    int32_t a[PART], levels[PART];
    memcpy(a, sums, sizeof a);
    for (int i = 0; i < PART; i++) levels[i] = sure[i];
    decide(p, l, 0, a, a, n, lowest, PART, levels);
    for (int i = 0; i < PART; i++) y[i] = (int16_t)levels[i];
}
#endif
