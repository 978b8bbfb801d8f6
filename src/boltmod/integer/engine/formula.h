/* Real numbers between integers: form.Formula's operations on rows of float64, in its order. */

enum { OF_FRAMES, OF_INTEGERS, TIMES, PLUS, OVER, SUM, DIFFERENCE, MULTIPLIED, QUOTIENT, ROOT, LEAST,
       MOST_OF, MEAN, JOINED_ROWS, MEAN_OF_PRODUCTS, ROUNDED };

typedef double reals __attribute__((vector_size(WIDE), aligned(8), may_alias));

/* The mean of a whole row: eight sums side by side, then those two by two. */
static double mean_of_row(const double *x, int n)
{
    reals sums[64 / WIDE];
    double each[8];
    int t = 0;
    for (int i = 0; i < 64 / WIDE; i++) sums[i] = (reals){0};
    for (; t + 8 <= n; t += 8)
        for (int i = 0; i < 64 / WIDE; i++) sums[i] += *(const reals *)(x + t + i * (WIDE / 8));
    memcpy(each, sums, sizeof each);
    for (int i = 0; t < n; t++, i++) each[i] += x[t];
    return (((each[0] + each[1]) + (each[2] + each[3])) +
            ((each[4] + each[5]) + (each[6] + each[7]))) / n;
}

/* The same of a·b, or of a·b and c·d with a sign. */
INLINE double mean_of_products(const double *a, const double *b, const double *c, const double *d,
                               const int sign, int n)
{
    reals sums[64 / WIDE];
    double each[8];
    int t = 0;
#define OF(type, i)                                                                         \
    (sign > 0 ? *(type *)(a + (i)) * *(type *)(b + (i)) + *(type *)(c + (i)) * *(type *)(d + (i)) \
     : sign < 0 ? *(type *)(a + (i)) * *(type *)(b + (i)) - *(type *)(c + (i)) * *(type *)(d + (i)) \
                : *(type *)(a + (i)) * *(type *)(b + (i)))
    for (int i = 0; i < 64 / WIDE; i++) sums[i] = (reals){0};
    for (; t + 8 <= n; t += 8)
        for (int i = 0; i < 64 / WIDE; i++) sums[i] += OF(const reals, t + i * (WIDE / 8));
    memcpy(each, sums, sizeof each);
    for (int i = 0; t < n; t++, i++) each[i] += OF(const double, t);
#undef OF
    return (((each[0] + each[1]) + (each[2] + each[3])) +
            ((each[4] + each[5]) + (each[6] + each[7]))) / n;
}

/* Windows that do not cover the row: their samples in order. */
static void means(const double *restrict x, double *restrict y, int length, int kernel, int stride)
{
    if (kernel == 2 && stride == 2) {
        for (int t = 0; t < length; t++) y[t] = (x[2 * t] + x[2 * t + 1]) / 2;
        return;
    }
    for (int t = 0; t < length; t++) {
        double sum = x[t * stride];
        for (int k = 1; k < kernel; k++) sum += x[t * stride + k];
        y[t] = sum / kernel;
    }
}

/* Two rows, or a row and one number, or two of one sample. */
INLINE void two_rows(const int word, const double *restrict a, const double *restrict b,
                     double *restrict y, int n, int a_step, int b_step)
{
#define APPLIED(p, q)                                                                      \
    (word == SUM ? (p) + (q) : word == DIFFERENCE ? (p) - (q) : word == QUOTIENT ? (p) / (q) \
                                                                                 : (p) * (q))
    if (a_step && b_step)
        for (int t = 0; t < n; t++) y[t] = APPLIED(a[t], b[t]);
    else if (a_step)
        for (int t = 0; t < n; t++) y[t] = APPLIED(a[t], *b);
    else
        for (int t = 0; t < n; t++) y[t] = APPLIED(*a, b[b_step * t]);
#undef APPLIED
}

/* LANES are no multiple here: rows of any length. a: the word, where its numbers are (one for each
 * channel of y), and of a mean kernel and stride, of one of products their other factors and the sign,
 * of joined rows the first channel, of what is rounded the lowest and the highest level. */
static void real(const plan *p, const op *o, char *w, const float *iq)
{
    const tensor *x = p->tensors + o->x[0], *x1 = p->tensors + o->x[1], *y = p->tensors + o->y;
    const double *numbers = (const double *)(p->data + o->a[1]);
    const int n = o->a[0] == JOINED_ROWS ? x->length : y->length;
    const int channels = o->a[0] == JOINED_ROWS ? x->channels : y->channels;
    const int a_step = x->length > 1 || n == 1, b_step = x1->length > 1 || n == 1;
    for (int c = 0; c < channels; c++) {
        const double *restrict a = AT(double, w, x, x->channels == 1 ? 0 : c);
        const double *restrict b = AT(double, w, x1, x1->channels == 1 ? 0 : c);
        double *restrict to = AT(double, w, y, c);
        const double number = numbers[c];
        switch (o->a[0]) {
        case OF_FRAMES:
            for (int t = 0; t < n; t++) to[t] = iq[(int64_t)c * n + t];
            break;
        case OF_INTEGERS:
            if (x->wide)
                for (int t = 0; t < n; t++) to[t] = AT(int32_t, w, x, c)[t];
            else
                for (int t = 0; t < n; t++) to[t] = AT(int16_t, w, x, c)[t];
            break;
        case TIMES:
            for (int t = 0; t < n; t++) to[t] = a[t] * number;
            break;
        case PLUS:
            for (int t = 0; t < n; t++) to[t] = a[t] + number;
            break;
        case OVER:
            for (int t = 0; t < n; t++) to[t] = a[t] / number;
            break;
        case SUM: two_rows(SUM, a, b, to, n, a_step, b_step); break;
        case DIFFERENCE: two_rows(DIFFERENCE, a, b, to, n, a_step, b_step); break;
        case MULTIPLIED: two_rows(MULTIPLIED, a, b, to, n, a_step, b_step); break;
        case QUOTIENT: two_rows(QUOTIENT, a, b, to, n, a_step, b_step); break;
        case ROOT:
            for (int t = 0; t < n; t++) to[t] = __builtin_sqrt(a[t]);
            break;
        case LEAST:
            for (int t = 0; t < n; t++) to[t] = a[t] > number ? a[t] : number;
            break;
        case MOST_OF:
            for (int t = 0; t < n; t++) to[t] = a[t] < number ? a[t] : number;
            break;
        case MEAN:
            if (o->a[2] == x->length) *to = mean_of_row(a, x->length);
            else means(a, to, n, o->a[2], o->a[3]);
            break;
        case MEAN_OF_PRODUCTS: {
            const tensor *x2 = p->tensors + o->a[2], *x3 = p->tensors + o->a[3];
            const double *d = AT(double, w, x2, x2->channels == 1 ? 0 : c);
            const double *e = AT(double, w, x3, x3->channels == 1 ? 0 : c);
            *to = o->a[4] > 0   ? mean_of_products(a, b, d, e, 1, x->length)
                  : o->a[4] < 0 ? mean_of_products(a, b, d, e, -1, x->length)
                                : mean_of_products(a, b, d, e, 0, x->length);
            break;
        }
        case JOINED_ROWS: memcpy(AT(double, w, y, o->a[2] + c), a, 8 * (size_t)n); break;
        default: {
            const double low = o->a[2], high = o->a[3];
            int16_t *restrict levels = AT(int16_t, w, y, c);
            for (int t = 0; t < n; t++) {
                double v = a[t] / number;
                v = v > low ? v : low; /* of no number, low */
                v = v < high ? v : high;
                levels[t] = (int16_t)(int32_t)__builtin_rint(v);
            }
        }
        }
    }
}
