/* Convolutions, with the levels of their sums. */

/* PART times n_parts sums of products in 16 bits; a weight comes twice in its 32 bits. */
INLINE void sums16(part16 *sum, const int16_t *x, const int32_t *term, const int32_t *end,
                   const int n_parts)
{
    const int32_t n_terms = (int32_t)(end - term) / 2;
    UNROLLED for (int j = 0; j < n_parts; j++) sum[j] = (part16){0};
    for (int32_t i = 0; i < n_terms; i++) { /* offsets come first, then weights */
        const int16_t *at = x + term[i];
        const part16 w = (part16)((part32){0} + term[n_terms + i]);
        UNROLLED for (int j = 0; j < n_parts; j++) sum[j] += w * *(const loose16 *)(at + j * PART);
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
    levels32(p, l, two, a, b, n, lowest, LANES, levels);
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
#ifdef __AVX512VNNI__
        if (!two) {
            HALF sums[2];
            memcpy(sums, a, sizeof sums);
            settle_in_order(p, l + j / n_vectors, sums, n, lowest, to);
            continue;
        }
#endif
        int32_t levels[LANES];
        levels32(p, l + j / n_vectors, two, a, b, n, lowest, LANES, levels);
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
        } else if (n_outputs == 1 && left >= 4) {
            stretch8(p, o, w, c, t, two, 1, 4);
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
    int c = 0;
    for (; o->a[5] && c + 4 <= y->channels; c += 4) quads_rows(p, o, w, c, 0, 4);
    for (; o->a[5] && c + 2 <= y->channels; c += 2) quads_rows(p, o, w, c, 0, 2);
    for (; c < y->channels; c++) quads_rows(p, o, w, c, o->n_sources == 2, 1);
}

/* Four rows of 8 bits in one of 32, margins too. a: what is added, so that none is negative; the
 * stride whose turns the rows are, channel by channel: those of one turn come one after the other. */
static void pack(const plan *p, const op *o, char *w)
{
    const tensor *x = p->tensors + o->x[0], *y = p->tensors + o->y;
    static const int16_t nothing[MOST];
    const int length = (x->length + LANES - 1) / LANES * LANES;
    const int32_t none = o->a[0] * 0x01010101;
    const int stride = o->a[1], n_channels = x->channels / stride;
    for (int c = 0; c < y->channels; c++) {
        const int16_t *from[4];
        int32_t *to = AT(int32_t, w, y, c);
        for (int k = 0; k < 4; k++) {
            const int i = 4 * c + k, row = i % n_channels * stride + i / n_channels;
            from[k] = i < x->channels ? AT(int16_t, w, x, row) : nothing;
        }
        for (int t = 0; t < length; t++)
            to[t] = from[0][t] + (from[1][t] << 8) + (from[2][t] << 16)
                    + (int32_t)((uint32_t)from[3][t] << 24) + none;
        if (none) {
            for (int t = 1; t <= LANES; t++) to[-t] = none;
            for (int t = 0; t < LANES; t++) to[length + t] = none;
        }
    }
}

/* Rows two by two in one of 32 bits, taken apart by turns for strides. a: stride. */
static void twos(const plan *p, const op *o, char *w)
{
    const tensor *x = p->tensors + o->x[0], *y = p->tensors + o->y;
    static const int16_t nothing[MOST];
    const int stride = o->a[0];
    for (int c = 0; c < x->channels; c += 2) {
        const int16_t *a = AT(int16_t, w, x, c);
        const int16_t *b = c + 1 < x->channels ? AT(int16_t, w, x, c + 1) : nothing;
        int32_t *to = AT(int32_t, w, y, c / 2 * stride);
        int t = 0;
#ifdef HALF
        for (; stride <= 2 && t < x->length; t += PART) { /* behind the end are zeros */
            const HALF one = (HALF) * (const loose16 *)(a + t), other = (HALF) * (const loose16 *)(b + t);
            const HALF pairs[2] = {op_(unpacklo_epi16)(one, other), op_(unpackhi_epi16)(one, other)};
            if (stride == 1) {
                put_in_order(to + t, pairs);
                continue;
            }
            const FLOATS low = AS_FLOATS(pairs[0]), high = AS_FLOATS(pairs[1]);
            op_(storeu_ps)((float *)(void *)(to + t / 2), op_(shuffle_ps)(low, high, 0x88));
            op_(storeu_ps)((float *)(void *)(to + y->row + t / 2), op_(shuffle_ps)(low, high, 0xDD));
        }
#endif
        for (; t < x->length; t++)
            to[t % stride * (int64_t)y->row + t / stride] = (int32_t)((uint32_t)b[t] << 16 | (uint16_t)a[t]);
    }
}

/* So many outputs' sums of pairs, two vectors of each. */
#define AT_ONCE 4

#ifdef HALF
/* Variables, not an array: the compiler keeps these in registers. */
INLINE void pairs_tile(const int32_t *x, const int32_t *offset, const int32_t *weight, int n_terms,
                       HALF (*sums)[2])
{
    const HALF zero = op_(set1_epi32)(0);
    HALF a0 = zero, a1 = zero, b0 = zero, b1 = zero, c0 = zero, c1 = zero, d0 = zero, d1 = zero;
    for (int k = 0; k < n_terms; k++, weight += AT_ONCE) {
        const char *at = (const char *)(x + offset[k]);
        HALF one, other;
        memcpy(&one, at, sizeof one);
        memcpy(&other, at + sizeof one, sizeof other);
        const HALF wa = op_(set1_epi32)(weight[0]), wb = op_(set1_epi32)(weight[1]);
        a0 = PRODUCT_SUM(one, wa, a0);
        a1 = PRODUCT_SUM(other, wa, a1);
        b0 = PRODUCT_SUM(one, wb, b0);
        b1 = PRODUCT_SUM(other, wb, b1);
        const HALF wc = op_(set1_epi32)(weight[2]), wd = op_(set1_epi32)(weight[3]);
        c0 = PRODUCT_SUM(one, wc, c0);
        c1 = PRODUCT_SUM(other, wc, c1);
        d0 = PRODUCT_SUM(one, wd, d0);
        d1 = PRODUCT_SUM(other, wd, d1);
    }
    sums[0][0] = a0, sums[0][1] = a1, sums[1][0] = b0, sums[1][1] = b1;
    sums[2][0] = c0, sums[2][1] = c1, sums[3][0] = d0, sums[3][1] = d1;
}
#endif

/* a: where the places of the terms are, how many, the levels' number, thresholds a channel, lowest,
 * where the weights are: of each term AT_ONCE outputs', and so on for the next outputs. */
static void pairs(const plan *p, const op *o, char *w)
{
    const tensor *y = p->tensors + o->y;
    const int32_t *x = AT(int32_t, w, p->tensors + o->x[0], 0);
    const int32_t *offset = p->data + o->a[0], *weight = p->data + o->a[5];
    const level *l = (const level *)(p->data + o->a[2]);
    const int n_terms = o->a[1], n = o->a[3], lowest = o->a[4];
    for (int c = 0; c < y->channels; c += AT_ONCE, weight += AT_ONCE * n_terms) {
        const int left = y->channels - c < AT_ONCE ? y->channels - c : AT_ONCE;
#ifdef HALF
        HALF sums[AT_ONCE][2];
#endif
        for (int t = 0; t < y->length; t += PART) {
#ifdef HALF
            pairs_tile(x + t, offset, weight, n_terms, sums);
            for (int i = 0; i < left; i++)
                settle_in_order(p, l + c + i, sums[i], n, lowest, AT(int16_t, w, y, c + i) + t);
#else
            for (int i = 0; i < left; i++) {
                int32_t sum[PART] = {0}, levels[PART];
                for (int k = 0; k < n_terms; k++) {
                    const uint32_t both = (uint32_t)weight[AT_ONCE * k + i];
                    const int32_t one = (int16_t)both, other = (int16_t)(both >> 16);
                    for (int j = 0; j < PART; j++) {
                        const uint32_t v = (uint32_t)x[offset[k] + t + j];
                        sum[j] += one * (int16_t)v + other * (int16_t)(v >> 16);
                    }
                }
                levels32(p, l + c + i, 0, sum, sum, n, lowest, PART, levels);
                for (int j = 0; j < PART; j++) AT(int16_t, w, y, c + i)[t + j] = (int16_t)levels[j];
            }
#endif
        }
        const int rounded = (y->length + PART - 1) / PART * PART;
        for (int i = 0; i < left; i++)
            memset(AT(int16_t, w, y, c + i) + y->length, 0, 2 * (size_t)(rounded - y->length));
    }
}

/* One output's levels from its sums of 16 bits, n_parts vectors of them. */
INLINE void tile16(const plan *p, const level *l, const shifting *s, const int kind,
                   const int16_t *const *x, const int32_t *const *terms, int n, int lowest,
                   int16_t *y, const int n_parts)
{
    const int two = kind == BY_PAIR || (kind == BY_FLOATS && terms[2]);
    part16 one[8], other[8] = {{0}};
    sums16(one, x[0], terms[0], terms[1], n_parts);
    if (two) sums16(other, x[1], terms[2], terms[3], n_parts);
    UNROLLED for (int j = 0; j < n_parts; j++) {
        if (kind == BY_FLOATS)
            settle16(p, l, two, one[j], two ? other[j] : one[j], n, lowest, y + j * PART);
        else
            *(loose16 *)(y + j * PART) = shifted(s, kind, one[j], two ? other[j] : one[j]);
    }
}

/* A row of them; `rounded` is a multiple of LANES. */
INLINE void row16_by(const plan *p, const level *l, const int kind, const int16_t *const *x,
                     const int32_t *const *terms, int n, int lowest, int16_t *y, int rounded)
{
    const shifting s = shifting_of(l, kind, lowest, n);
    const int most = kind == BY_PAIR || kind == BY_FLOATS ? 4 : 8;
    int t = 0;
    for (; t + most * PART <= rounded; t += most * PART) {
        const int16_t *at[2] = {x[0] + t, x[1] + t};
        tile16(p, l, &s, kind, at, terms, n, lowest, y + t, most);
    }
    for (; t + 4 * PART <= rounded; t += 4 * PART) {
        const int16_t *at[2] = {x[0] + t, x[1] + t};
        tile16(p, l, &s, kind, at, terms, n, lowest, y + t, 4);
    }
    for (; t + 2 * PART <= rounded; t += 2 * PART) {
        const int16_t *at[2] = {x[0] + t, x[1] + t};
        tile16(p, l, &s, kind, at, terms, n, lowest, y + t, 2);
    }
    if (t < rounded) {
        const int16_t *at[2] = {x[0] + t, x[1] + t};
        tile16(p, l, &s, kind, at, terms, n, lowest, y + t, 1);
    }
}

/* The same of sums of 32 bits. */
INLINE void tile32(const plan *p, const level *l, const int16_t *const *x,
                   const int32_t *const *terms, int n, int lowest, int16_t *y, const int n_vectors)
{
    /* Offsets come first, then weights: half as many, in pairs. */
    const int n0 = 2 * (int)((terms[1] - terms[0]) / 3), two = terms[2] != 0;
    int32_t s0[8 * LANES], s1[8 * LANES];
    sums32(s0, x[0], terms[0], terms[0] + n0, n0, n_vectors);
    if (two) {
        const int n1 = 2 * (int)((terms[3] - terms[2]) / 3);
        sums32(s1, x[1], terms[2], terms[2] + n1, n1, n_vectors);
    }
    for (int j = 0; j < n_vectors; j++)
        settle32(p, l, two, s0 + j * LANES, (two ? s1 : s0) + j * LANES, n, lowest, y + j * LANES);
}

static void row32(const plan *p, const level *l, const int16_t *const *x,
                  const int32_t *const *terms, int n, int lowest, int16_t *y, int rounded)
{
    int t = 0;
    for (; MOST_VECTORS >= 4 && t + 4 * LANES <= rounded; t += 4 * LANES) {
        const int16_t *at[2] = {x[0] + t, x[1] + t};
        tile32(p, l, at, terms, n, lowest, y + t, 4);
    }
    for (; t < rounded; t += LANES) {
        const int16_t *at[2] = {x[0] + t, x[1] + t};
        tile32(p, l, at, terms, n, lowest, y + t, 1);
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
#elif defined(__AVX2__)
    const HALF by_turns = _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15,
                                           0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
    for (int t = 0; t < length; t += PART) {
        HALF a = _mm256_loadu_si256((const HALF *)(const void *)(from + 2 * t));
        HALF b = _mm256_loadu_si256((const HALF *)(const void *)(from + 2 * t + PART));
        a = _mm256_permute4x64_epi64(_mm256_shuffle_epi8(a, by_turns), 0xD8);
        b = _mm256_permute4x64_epi64(_mm256_shuffle_epi8(b, by_turns), 0xD8);
        *(loose16 *)(even + t) = (part16)_mm256_permute2x128_si256(a, b, 0x20);
        *(loose16 *)(odd + t) = (part16)_mm256_permute2x128_si256(a, b, 0x31);
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

/* The rows of one kind, as many as there are. */
INLINE void rows_by(const plan *p, const op *o, char *w, const int32_t *order, int count,
                    const int kind)
{
    const tensor *y = p->tensors + o->y;
    const level *levels = (const level *)(p->data + o->a[2]);
    const int32_t *first[2] = {p->data + o->a[0], p->data + o->a[1]}, *data = p->data;
    const int n = o->a[3], lowest = o->a[4], wide = o->a[5], by_turns = o->a[6];
    const int two = o->n_sources == 2, length = by_turns ? o->a[7] : y->length;
    const int rounded = (length + LANES - 1) / LANES * LANES;
    const int16_t *x[2] = {AT(int16_t, w, p->tensors + o->x[0], 0),
                           AT(int16_t, w, p->tensors + o->x[1], 0)};
    const size_t tail = 2 * (size_t)(rounded - length + (by_turns ? 2 * LANES : 0));
    int16_t row[MOST + 3 * LANES];
    for (int i = 0; i < count; i++) {
        const int c = order[i];
        const level *l = levels + c;
        int16_t *to = by_turns ? row : AT(int16_t, w, y, c);
        const int32_t *terms[4] = {data + first[0][c], data + first[0][c + 1],
                                   two ? data + first[1][c] : 0, two ? data + first[1][c + 1] : 0};
        if (kind == BY_CONSTANT)
            for (int t = 0; t < rounded; t++) to[t] = (int16_t)l->addend;
        else if (kind == BY_FLOATS && wide)
            row32(p, l, x, terms, n, lowest, to, rounded);
        else
            row16_by(p, l, kind, x, terms, n, lowest, to, rounded);
        if (tail) memset(to + length, 0, tail);
        if (by_turns)
            split(row, AT(int16_t, w, y, 2 * c), AT(int16_t, w, y, 2 * c + 1), y->length);
    }
}

/* a: where the sources' terms begin, the levels' number, thresholds a channel, lowest, wide;
 * whether the rows are written by turns, for strides of two; then also their length. Behind where
 * the first one's terms begin is the rows' order: what is alike comes one after the other. */
static void convolve(const plan *p, const op *o, char *w)
{
    const level *levels = (const level *)(p->data + o->a[2]);
    const int channels = p->tensors[o->y].channels >> o->a[6];
    const int32_t *order = p->data + o->a[0] + channels + 1;
    for (int i = 0, next = 0; i < channels; i = next) {
        const int kind = levels[order[i]].kind;
        while (next < channels && levels[order[next]].kind == kind) next++;
        switch (kind) {
        case BY_CONSTANT: rows_by(p, o, w, order + i, next - i, BY_CONSTANT); break;
        case BY_HALVES: rows_by(p, o, w, order + i, next - i, BY_HALVES); break;
        case BY_FINE: rows_by(p, o, w, order + i, next - i, BY_FINE); break;
        case BY_BOTH: rows_by(p, o, w, order + i, next - i, BY_BOTH); break;
        case BY_PAIR: rows_by(p, o, w, order + i, next - i, BY_PAIR); break;
        default: rows_by(p, o, w, order + i, next - i, BY_FLOATS); break;
        }
    }
}
