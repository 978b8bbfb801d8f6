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

/* LANES samples to the nearest levels; whether one is so near to an edge that it may be another's. */
INLINE int quantise_some(const float *x, int16_t *y, float factor, float low, float high, float edge)
{
#ifdef HALF
    const FLOATS f = op_(set1_ps)(factor), least = op_(set1_ps)(low), most = op_(set1_ps)(high);
    FLOATS farthest = op_(set1_ps)(0.0f);
    for (int i = 0; i < N_PARTS; i++) {
        HALF level[2];
        for (int k = 0; k < 2; k++) {
            FLOATS v = op_(mul_ps)(op_(loadu_ps)(x + i * PART + k * PART / 2), f);
            v = op_(min_ps)(op_(max_ps)(v, least), most); /* of no number, the least */
            level[k] = op_(cvtps_epi32)(v);
            farthest = op_(max_ps)(farthest, size_of(BESIDE(v, level[k])));
        }
        *(loose16 *)(y + i * PART) = (part16)IN_ORDER(op_(packs_epi32)(level[0], level[1]));
    }
    return any_greater(farthest, op_(set1_ps)(edge)) != 0;
#else
    int near = 0;
    for (int i = 0; i < LANES; i++) {
        float v = x[i] * factor;
        v = v > low ? v : low; /* of no number, low */
        v = v < high ? v : high;
        const float level = __builtin_rintf(v), rest = __builtin_fabsf(v - level);
        near |= rest > edge;
        y[i] = (int16_t)level;
    }
    return near;
#endif
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
        for (int t = 0; t < y->length; t += LANES)
            if (__builtin_expect(quantise_some(x + t, to + t, factor, low, high, edge), 0))
                search(threshold, o->a[0], o->a[1] - o->a[0], x + t, to + t);
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


/* Of one sample a channel. */
static void requantise_channels(const plan *p, const op *o, char *w)
{
    const tensor *y = p->tensors + o->y;
    const level *l = (const level *)(p->data + o->a[0]);
    const int n = o->a[1], lowest = o->a[2], two = o->n_sources == 2, channels = y->channels;
    int32_t a[MOST], b[MOST];
    int16_t *to = AT(int16_t, w, y, 0);
    get_channels(a, w, p->tensors + o->x[0]);
    if (two) get_channels(b, w, p->tensors + o->x[1]);
    for (int c = 0; c < channels; c++, l++) {
        int32_t v;
        if (l->kind == BY_CONSTANT) {
            v = l->addend;
        } else if (l->kind == BY_EVEN) {
            v = (a[c] + (1 << l->shift >> 1) - 1 + (a[c] >> l->shift & 1)) >> l->shift;
            v = v < lowest ? lowest : v > lowest + n ? lowest + n : v;
        } else if (l->kind == BY_TABLE) {
            v = p->data[l->thresholds + a[c] - l->fine];
        } else if (l->kind == BY_COUNT) {
            v = lowest;
            for (int k = 0; k < n; k++) v += a[c] >= p->data[l->thresholds + k];
        } else if (l->kind == BY_FLOATS) {
            const int32_t other = two ? b[c] : 0;
            const int32_t k = (int32_t)estimate(l, two, a[c], other, n) - 1;
            v = lowest + exactly(p, l, two, n, k < 0 ? 0 : k > n ? n : k, a[c], other);
        } else {
            v = ((l->coarse * 32768 + l->fine) * a[c] + l->addend) >> l->shift;
            v = v < lowest ? lowest : v;
            v = v > lowest + n ? lowest + n : v;
        }
        to[c] = (int16_t)v;
    }
}

/* a: levels, thresholds a channel, lowest, whether rows. */
static void requantise(const plan *p, const op *o, char *w)
{
    const tensor *x = p->tensors + o->x[0], *x1 = p->tensors + o->x[1], *y = p->tensors + o->y;
    const level *levels = (const level *)(p->data + o->a[0]);
    const int n = o->a[1], lowest = o->a[2], two = o->n_sources == 2;
    int32_t a[MOST], b[MOST], to[MOST];
    if (y->length == 1 && !y->wide) {
        requantise_channels(p, o, w);
        return;
    }
    for (int c = 0; c < y->channels; c++) {
        const level *l = levels + c;
        const int by_product = l->kind != BY_FLOATS && l->kind < BY_COUNT;
        if (l->kind == BY_EVEN) {
            const int32_t before = (1 << l->shift >> 1) - 1, shift = l->shift;
#define NEAREST(v)                                            \
    do {                                                      \
        const int32_t k = ((v) + before + ((v) >> shift & 1)) >> shift; \
        const int32_t up = k < lowest ? lowest : k;           \
        level_row[t] = (int16_t)(up > lowest + n ? lowest + n : up); \
    } while (0)
            int16_t *restrict level_row = AT(int16_t, w, y, c);
            if (x->wide) {
                const int32_t *restrict from = AT(const int32_t, w, x, c);
                for (int t = 0; t < y->length; t++) NEAREST(from[t]);
            } else {
                const int16_t *restrict from = AT(const int16_t, w, x, c);
                for (int t = 0; t < y->length; t++) NEAREST(from[t]);
            }
#undef NEAREST
            continue;
        }
        if (l->kind == BY_CONSTANT) {
            for (int t = 0; t < y->length; t++) to[t] = l->addend;
            put_row(to, w, y, c);
            continue;
        }
#ifdef HALF
        if (l->kind == BY_FLOATS && !two && x->wide && !y->wide && y->length % PART == 0) {
            const int32_t *sums = AT(const int32_t, w, x, c);
            for (int t = 0; t < y->length; t += PART) {
                HALF some[2];
                memcpy(some, sums + t, sizeof some);
                settle_in_order(p, l, some, n, lowest, AT(int16_t, w, y, c) + t);
            }
            continue;
        }
#endif
        if (by_product && !x->wide && !y->wide && y->length % LANES == 0) {
            shifted_row(l, AT(int16_t, w, x, c), AT(int16_t, w, y, c), y->length, lowest, n);
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
                levels32(p, l, two, a + t, b + t, n, lowest, LANES, to + t);
        }
        put_row(to, w, y, c);
    }
}

/* One tensor's row of 16 bits, another's, and a third's, of 16 bits or 32. */
#define OF_ROWS(...)                                                              \
    do {                                                                          \
        for (int c = 0; c < y->channels; c++) {                                   \
            const int16_t *restrict a = AT(const int16_t, w, x0, c);              \
            const int16_t *restrict b = AT(const int16_t, w, x1, c);              \
            if (y->wide) {                                                        \
                int32_t *restrict to = AT(int32_t, w, y, c);                      \
                for (int t = 0; t < y->length; t++) to[t] = (__VA_ARGS__);        \
            } else {                                                              \
                int16_t *restrict to = AT(int16_t, w, y, c);                      \
                for (int t = 0; t < y->length; t++) to[t] = (int16_t)(__VA_ARGS__); \
            }                                                                     \
        }                                                                         \
    } while (0)

/* a: signs. */
static void add(const plan *p, const op *o, char *w)
{
    const tensor *x0 = p->tensors + o->x[0], *x1 = p->tensors + o->x[1], *y = p->tensors + o->y;
    if (!x0->wide && !x1->wide) {
        if (o->a[0] == 1 && o->a[1] == 1) OF_ROWS(a[t] + b[t]);
        else if (o->a[0] == 1) OF_ROWS(a[t] - b[t]);
        else OF_ROWS(o->a[0] * a[t] + o->a[1] * b[t]);
        return;
    }
    int32_t a[MOST], b[MOST];
    for (int c = 0; c < y->channels; c++) {
        get_row(a, w, x0, c);
        get_row(b, w, x1, c);
        for (int t = 0; t < y->length; t++) a[t] = o->a[0] * a[t] + o->a[1] * b[t];
        put_row(a, w, y, c);
    }
}

#ifdef HALF
/* All numbers of a vector. */
INLINE int32_t all_of(HALF sums)
{
#if WIDE == 64
    return _mm512_reduce_add_epi32(sums);
#else
    int32_t each[WIDE / 4], sum = 0;
    memcpy(each, &sums, sizeof each);
    for (int i = 0; i < WIDE / 4; i++) sum += each[i];
    return sum;
#endif
}
#endif

/* What a row's sums of two products come to. */
static int32_t sum_of_products(const int16_t *const *x, int one, int other, int n)
{
    int32_t sum[2] = {0};
    int t = 0;
#ifdef HALF
    HALF sums[2] = {op_(set1_epi32)(0), op_(set1_epi32)(0)};
    for (; t + PART <= n; t += PART)
        for (int i = 0; i < 2; i++)
            sums[i] = PRODUCT_SUM((HALF) * (const loose16 *)(x[2 * i] + t),
                                  (HALF) * (const loose16 *)(x[2 * i + 1] + t), sums[i]);
    for (int i = 0; i < 2; i++) sum[i] = all_of(sums[i]);
#endif
    for (; t < n; t++)
        for (int i = 0; i < 2; i++)
            sum[i] = (int32_t)((uint32_t)sum[i] + (uint32_t)(x[2 * i][t] * x[2 * i + 1][t]));
    return (int32_t)((uint32_t)one * (uint32_t)sum[0] + (uint32_t)other * (uint32_t)sum[1]);
}

/* Sums of two products; a row's whole sum if there is but one. a: the second one's factors, signs. */
static void products(const plan *p, const op *o, char *w)
{
    const tensor *y = p->tensors + o->y;
    const tensor *of[4] = {p->tensors + o->x[0], p->tensors + o->x[1], p->tensors + o->a[0],
                           p->tensors + o->a[1]};
    const int one = o->a[2], other = o->a[3];
    for (int c = 0; c < y->channels; c++) {
        const int16_t *x[4];
        for (int i = 0; i < 4; i++) x[i] = AT(int16_t, w, of[i], c);
        if (y->length == 1) {
            const int32_t sum = sum_of_products(x, one, other, of[0]->length);
            put_row(&sum, w, y, c);
            continue;
        }
        int t = 0;
#ifdef HALF
        const HALF zero = op_(set1_epi16)(0);
        for (; t + PART <= y->length; t += PART) {
            HALF v[4], sum[2];
            for (int i = 0; i < 4; i++) v[i] = (HALF) * (const loose16 *)(x[i] + t);
            if (one < 0) v[0] = op_(sub_epi16)(zero, v[0]);
            if (other < 0) v[2] = op_(sub_epi16)(zero, v[2]);
            sum[0] = op_(madd_epi16)(op_(unpacklo_epi16)(v[0], v[2]), op_(unpacklo_epi16)(v[1], v[3]));
            sum[1] = op_(madd_epi16)(op_(unpackhi_epi16)(v[0], v[2]), op_(unpackhi_epi16)(v[1], v[3]));
            if (y->wide) {
                put_in_order(AT(int32_t, w, y, c) + t, sum);
                continue;
            }
            *(loose16 *)(AT(int16_t, w, y, c) + t) = (part16)op_(packs_epi32)(sum[0], sum[1]);
        }
#endif
        for (; t < y->length; t++) {
            const int32_t sum = one * x[0][t] * x[1][t] + other * x[2][t] * x[3][t];
            if (y->wide) AT(int32_t, w, y, c)[t] = sum; else AT(int16_t, w, y, c)[t] = (int16_t)sum;
        }
    }
}

static void product(const plan *p, const op *o, char *w)
{
    const tensor *x0 = p->tensors + o->x[0], *x1 = p->tensors + o->x[1], *y = p->tensors + o->y;
    if (!x0->wide && !x1->wide) {
        OF_ROWS(a[t] * b[t]);
        return;
    }
    int32_t a[MOST], b[MOST];
    for (int c = 0; c < y->channels; c++) {
        get_row(a, w, x0, c);
        get_row(b, w, x1, c);
        for (int t = 0; t < y->length; t++) a[t] *= b[t];
        put_row(a, w, y, c);
    }
}

static int32_t sum_of(const int16_t *x, int n)
{
    int32_t sum = 0;
    int t = 0;
#ifdef HALF
    HALF sums = op_(set1_epi32)(0);
    for (; t + PART <= n; t += PART)
        sums = PRODUCT_SUM((HALF) * (const loose16 *)(x + t), op_(set1_epi16)(1), sums);
    sum = all_of(sums);
#endif
    for (; t < n; t++) sum += x[t];
    return sum;
}

/* Sums of eight samples each, one behind the other. */
static void sums_of_eight(const int16_t *x, int16_t *y, int n)
{
    int i = 0;
#ifdef HALF
    const HALF ones = op_(set1_epi16)(1);
    for (; i + WIDE / 16 <= n; i += WIDE / 16) { /* of two samples, of four, of eight */
        int32_t each[WIDE / 4];
        HALF sums = op_(madd_epi16)((HALF) * (const loose16 *)(x + 8 * i), ones);
        sums = op_(add_epi32)(sums, op_(srli_epi64)(sums, 32));
        sums = op_(add_epi32)(sums, op_(shuffle_epi32)(sums, 0x4E));
        memcpy(each, &sums, sizeof each);
        for (int k = 0; k < WIDE / 16; k++) y[i + k] = (int16_t)each[4 * k];
    }
#endif
    for (; i < n; i++) {
        int32_t sum = 0;
        for (int k = 0; k < 8; k++) sum += x[8 * i + k];
        y[i] = (int16_t)sum;
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
            to[0] = sum_of(AT(int16_t, w, x, c), kernel);
            put_row(to, w, y, c);
            continue;
        }
        if (kernel == 8 && stride == 8 && spacing == 1 && !x->wide && !y->wide) {
            sums_of_eight(AT(int16_t, w, x, c), AT(int16_t, w, y, c), y->length);
            continue;
        }
        if (stride == 1 && !x->wide && !y->wide && y->length % PART == 0) {
            const int16_t *from = AT(int16_t, w, x, c);
            int16_t *sums = AT(int16_t, w, y, c);
            for (int t = 0; t < y->length; t += PART) {
                part16 sum = *(const loose16 *)(from + t);
                for (int k = 1; k < kernel; k++) sum += *(const loose16 *)(from + t + k * spacing);
                *(loose16 *)(sums + t) = sum;
            }
            continue;
        }
        if (y->length == 1 && spacing == 1 && x->wide) {
            const int32_t *from = AT(int32_t, w, x, c);
            int32_t sum = 0;
            for (int k = 0; k < kernel; k++) sum += from[k];
            put_row(&sum, w, y, c);
            continue;
        }
        if (stride == 1 && x->wide && y->length <= 8) { /* the margins are as wide */
            int32_t sum[8] = {0};
            const int32_t *from = AT(int32_t, w, x, c);
            for (int k = 0; k < kernel; k++)
                for (int t = 0; t < 8; t++) sum[t] += from[k * spacing + t];
            put_row(sum, w, y, c);
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

INLINE part16 larger(part16 a, part16 b)
{
    const part16 is_more = a > b;
    return (a & is_more) | (b & ~is_more);
}

static void largest_of_twos(const int16_t *x, int16_t *y, int length)
{
    int t = 0;
#ifdef HALF
    for (; t + PART <= length; t += PART) {
        HALF most[2];
        for (int k = 0; k < 2; k++) {
            const HALF pairs = (HALF) * (const loose16 *)(x + 2 * t + k * PART);
            most[k] = op_(max_epi16)(pairs, op_(slli_epi32)(pairs, 16));
            most[k] = op_(srai_epi32)(most[k], 16);
        }
        *(loose16 *)(y + t) = (part16)IN_ORDER(op_(packs_epi32)(most[0], most[1]));
    }
#endif
    for (; t < length; t++) y[t] = x[2 * t] > x[2 * t + 1] ? x[2 * t] : x[2 * t + 1];
}

static int16_t largest_of(const int16_t *x, int n)
{
    int16_t most = x[0];
    int t = 0;
    if (n >= PART) {
        part16 found = *(const loose16 *)x;
        for (t = PART; t + PART <= n; t += PART) found = larger(found, *(const loose16 *)(x + t));
#ifdef HALF
        __m128i eight;
#if WIDE == 64
        const __m256i half = _mm256_max_epi16(_mm512_castsi512_si256((HALF)found),
                                              _mm512_extracti64x4_epi64((HALF)found, 1));
        eight = _mm_max_epi16(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
#elif WIDE == 32
        eight = _mm_max_epi16(_mm256_castsi256_si128((HALF)found),
                              _mm256_extracti128_si256((HALF)found, 1));
#else
        eight = (__m128i)found;
#endif
        const __m128i turned = _mm_xor_si128(eight, _mm_set1_epi16(0x7FFF)); /* largest is least */
        most = (int16_t)(_mm_cvtsi128_si32(_mm_minpos_epu16(turned)) ^ 0x7FFF);
#else
        for (int i = 0; i < PART; i++) most = found[i] > most ? found[i] : most;
#endif
    }
    for (; t < n; t++) most = x[t] > most ? x[t] : most;
    return most;
}

/* a: kernel, stride. */
static void maximum(const plan *p, const op *o, char *w)
{
    const tensor *x = p->tensors + o->x[0], *y = p->tensors + o->y;
    const int kernel = o->a[0], stride = o->a[1];
    int32_t a[MOST], to[MOST];
    for (int c = 0; c < y->channels; c++) {
        if (!x->wide && !y->wide && kernel == 2 && stride == 2) {
            largest_of_twos(AT(int16_t, w, x, c), AT(int16_t, w, y, c), y->length);
            continue;
        }
        if (!x->wide && !y->wide && y->length == 1) {
            *AT(int16_t, w, y, c) = largest_of(AT(int16_t, w, x, c), kernel);
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
        if (!x->wide && !y->wide) {
            const int16_t *restrict from = AT(const int16_t, w, x, c);
            int16_t *restrict sums = AT(int16_t, w, y, c);
            for (int t = 0; t < y->length; t++) sums[t] = 0;
            for (int j = 0; j < kernel; j++)
                if (at[j])
                    for (int t = 0; t < y->length; t++)
                        sums[t] = (int16_t)(sums[t] + from[t * kernel + j]);
            continue;
        }
        get_row(a, w, x, c);
        memset(to, 0, 4 * (size_t)y->length);
        for (int j = 0; j < kernel; j++)
            if (at[j])
                for (int t = 0; t < y->length; t++) to[t] += a[t * kernel + j];
        put_row(to, w, y, c);
    }
}

/* Levels of a row by a line through nought; whether one is so near to an edge that it may be another. */
INLINE int divided_row(const int32_t *restrict x, int32_t *restrict y, int n, float unit, int32_t most)
{
    const float top = (float)most + 0.5f, slack = (float)(most + 1) * 1e-6f;
    int near = 0;
    for (int t = 0; t < n; t++) {
        const int32_t sign = x[t] >> 31; /* all ones below zero; no branch to guess */
        float guess = (float)((x[t] ^ sign) - sign) * unit + 0.5f;
        guess = guess < top ? guess : top;
        int32_t z = (int32_t)guess;
        const float rest = guess - (float)z;
        near |= (rest < slack) | (rest > 1.0f - slack);
        z -= (z == most) & ~sign;
        y[t] = (z ^ sign) - sign;
    }
    return near;
}

/* The same exactly; no power at all if `square` is not positive. A guess is off by one at most. */
static void divided_exactly(const int32_t *x, int32_t *y, int n, float unit, int32_t most, int64_t square,
                            int shift)
{
    for (int t = 0; t < n; t++) {
        const int32_t size = x[t] < 0 ? -x[t] : x[t];
        int32_t k = most;
        if (square > 0) {
            const float guess = (float)size * unit + 0.5f, top = (float)most + 0.5f;
            const int64_t left = (int64_t)(size * size) << shift;
            k = (int32_t)(guess < top ? guess : top);
            const int32_t up = (2 * k + 1) * (2 * k + 1), down = (2 * k - 1) * (2 * k - 1);
            k += (k < most && left >= up * square) - (k > 0 && left < down * square);
        }
        y[t] = x[t] < 0 ? -k : k == most ? most - 1 : k;
    }
}

/* a: largest magnitude, largest level, shift, factor and addend among the exact. */
static void divide(const plan *p, const op *o, char *w)
{
    const tensor *x = p->tensors + o->x[0], *y = p->tensors + o->y;
    int32_t power, a[MOST], to[MOST];
    get_row(&power, w, p->tensors + o->x[1], 0);
    const int64_t square = p->exact[o->a[3]] * power + p->exact[o->a[3] + 1];
    const int32_t most = o->a[1] + 1;
    float unit = 0;
    if (square > 0) {
        const double root = __builtin_sqrt((double)((int64_t)1 << o->a[2]) / (double)square);
        unit = (float)(root < 4e6 ? root / 2 : 2e6);
    }
    for (int c = 0; c < y->channels; c++) {
        get_row(a, w, x, c);
        if (square <= 0 || divided_row(a, to, y->length, unit, most))
            divided_exactly(a, to, y->length, unit, most, square, o->a[2]);
        put_row(to, w, y, c);
    }
}

/* n samples of a row from the first on, in 16 bits or 32. */
static void copy_samples(const char *w, const tensor *x, int c, int first, char *to, int wide, int n)
{
    if (x->wide && wide) {
        memcpy(to, AT(const int32_t, w, x, c) + first, 4 * (size_t)n);
    } else if (x->wide) {
        const int32_t *restrict from = AT(const int32_t, w, x, c) + first;
        int16_t *restrict y = (int16_t *)(void *)to;
        for (int t = 0; t < n; t++) y[t] = (int16_t)from[t];
    } else if (wide) {
        const int16_t *restrict from = AT(const int16_t, w, x, c) + first;
        int32_t *restrict y = (int32_t *)(void *)to;
        for (int t = 0; t < n; t++) y[t] = from[t];
    } else {
        memcpy(to, AT(const int16_t, w, x, c) + first, 2 * (size_t)n);
    }
}

/* a: first channel of y, first sample of x; what lies beyond the ends of x is zero. */
static void copy(const plan *p, const op *o, char *w)
{
    const tensor *x = p->tensors + o->x[0], *y = p->tensors + o->y;
    int32_t a[MOST];
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
    const int first = o->a[1] < 0 ? -o->a[1] : 0, last = x->length - o->a[1];
    const int end = last < y->length ? last : y->length, width = y->wide ? 4 : 2;
    for (int c = 0; c < x->channels; c++) {
        char *to = (char *)(y->wide ? (void *)AT(int32_t, w, y, o->a[0] + c)
                                    : (void *)AT(int16_t, w, y, o->a[0] + c));
        if (first) memset(to, 0, (size_t)width * (size_t)first);
        copy_samples(w, x, c, first + o->a[1], to + width * first, y->wide, end - first);
        if (end < y->length) memset(to + width * end, 0, (size_t)width * (size_t)(y->length - end));
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

