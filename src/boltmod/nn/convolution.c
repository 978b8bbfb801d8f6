/*
 * A convolution, batch normalisation and an activation in two passes over memory, and their
 * gradients in two more: what is done with a row of samples is done while it is in the cache.
 *
 * Tensors are float, (frames, channels, time), contiguous. Lengths of rows are multiples of
 * MULTIPLE. A convolution's output is the sum of rows times weights, where a row is an input channel
 * shifted by a tap; strides are taken apart into phases first, so that rows are always contiguous.
 * The gradient of its input is such a sum of the output's gradient, the gradient of its weights are
 * products of rows. Weights that are zero are left out of sums where a quarter of them is, and
 * pruned ones have no gradient; what is left is added up in the same order, so that nothing changes
 * by a bit.
 */
#include "../native/widths.h"

/* Bytes of the processor's vectors; outputs, and vectors of each, that are summed at once: as many
 * as the registers hold. ALONE is for one output. */
#if defined(__AVX512F__)
#define WIDE 64
#define OUTPUTS 6
#define VECTORS 4
#define ALONE 8
#elif defined(__AVX2__)
#define WIDE 32
#define OUTPUTS 4
#define VECTORS 3
#define ALONE 8
#elif defined(__aarch64__)
#define WIDE 16
#define OUTPUTS 4
#define VECTORS 6
#define ALONE 8
#else
#define WIDE 16
#define OUTPUTS 4
#define VECTORS 3
#define ALONE 8
#endif
#define LANES ((int64_t)(WIDE / sizeof(float)))
#define MULTIPLE 16

typedef float vec __attribute__((vector_size(WIDE)));
typedef int32_t mask __attribute__((vector_size(WIDE)));
typedef float loose __attribute__((vector_size(WIDE), aligned(4), may_alias));

INLINE vec load(const float *p)
{
    return *(const loose *)p;
}

INLINE void store(float *p, vec v)
{
    *(loose *)p = v;
}

INLINE vec all(float x)
{
    return x - (vec){0}; /* x + 0 would not be x where x is -0, and be computed */
}

INLINE float sum_of(vec v)
{
    typedef float four __attribute__((vector_size(16)));
    four parts[sizeof v / sizeof(four)];
    memcpy(parts, &v, sizeof v);
    for (size_t n = sizeof v / sizeof(four) / 2; n; n /= 2)
        for (size_t i = 0; i < n; i++) parts[i] += parts[i + n];
    return (parts[0][0] + parts[0][2]) + (parts[0][1] + parts[0][3]);
}

/* Of a convolution; conv_norm_act.py has the same. */
typedef struct {
    int64_t frames, in_channels, out_channels, samples, taps, stride, padding, groups, outputs;
} geometry;

/* What follows the normalisation: y = round(clip(z * inverse, lowest, highest)) * step, inverse being
 * 1 / step, or, where step is 0, a ReLU. Gradients pass where z lies between floor and ceiling. */
typedef struct {
    float step, inverse, lowest, highest, floor, ceiling;
} activation;

/* ---- rows times weights ---- */

/* The weights of each output that count: row[first[i]] to row[first[i + 1] - 1] are its rows.
 * are_few says whether a quarter of them or more does not. */
typedef struct {
    int32_t *first, *row;
    int are_few;
} chosen;

/* Choose the weights that are not zero; all of them where there are no weights. */
static void choose(chosen *to, const float *weights, int64_t n_outputs, int64_t n_rows)
{
    int32_t n = 0;
    for (int64_t i = 0; i < n_outputs; i++) {
        to->first[i] = n;
        for (int64_t r = 0; r < n_rows; r++)
            if (!weights || weights[i * n_rows + r] != 0) to->row[n++] = (int32_t)r;
    }
    to->first[n_outputs] = n;
    to->are_few = 4 * (int64_t)n <= 3 * n_outputs * n_rows;
}

/* out[at ...] = sum over an output's `n` rows of weights[row] * rows[row][at ...]. */
INLINE void few_tile(float *out, const float *weights, const int32_t *row, int64_t n,
    const float *const *rows, int64_t at, const int vectors)
{
    vec sums[8];
    for (int j = 0; j < vectors; j++) sums[j] = all(0);
    for (int64_t r = 0; r < n; r++) {
        const float *from = rows[row[r]] + at;
        const vec weight = all(weights[row[r]]);
        for (int j = 0; j < vectors; j++) sums[j] += weight * load(from + j * LANES);
    }
    for (int j = 0; j < vectors; j++) store(out + at + j * LANES, sums[j]);
}

/* One output after the other, each over its whole length: rows lie a power of two apart, and side
 * by side few of them find room in the cache. */
INLINE void mix_few(float *out, int64_t out_stride, int64_t n_outputs, const float *weights,
    int64_t weight_stride, const float *const *rows, int64_t length, const chosen *those)
{
    for (int64_t i = 0; i < n_outputs; i++) {
        const int32_t *row = those->row + those->first[i];
        const int64_t n = those->first[i + 1] - those->first[i];
        const float *w = weights + i * weight_stride;
        float *to = out + i * out_stride;
        int64_t at = 0;
        for (; at + 8 * LANES <= length; at += 8 * LANES) few_tile(to, w, row, n, rows, at, 8);
        for (; at + 2 * LANES <= length; at += 2 * LANES) few_tile(to, w, row, n, rows, at, 2);
        for (; at < length; at += LANES) few_tile(to, w, row, n, rows, at, 1);
    }
}

/* out[i][at ...] = sum over r of weights[i][r] * rows[r][at ...], `outputs` x `vectors` at once. */
INLINE void mix_tile(float *out, int64_t out_stride, const float *weights, int64_t weight_stride,
    const float *const *rows, int64_t n_rows, int64_t at, const int outputs, const int vectors)
{
    vec sums[12][8];
    for (int i = 0; i < outputs; i++)
        for (int j = 0; j < vectors; j++) sums[i][j] = all(0);
    for (int64_t r = 0; r < n_rows; r++) {
        const float *row = rows[r] + at;
        vec x[8];
        for (int j = 0; j < vectors; j++) x[j] = load(row + j * LANES);
        for (int i = 0; i < outputs; i++) {
            const vec weight = all(weights[i * weight_stride + r]);
            for (int j = 0; j < vectors; j++) sums[i][j] += weight * x[j];
        }
    }
    for (int i = 0; i < outputs; i++)
        for (int j = 0; j < vectors; j++) store(out + i * out_stride + at + j * LANES, sums[i][j]);
}

INLINE void mix_outputs(float *out, int64_t out_stride, const float *weights, int64_t weight_stride,
    const float *const *rows, int64_t n_rows, int64_t at, const int vectors, const int outputs,
    int64_t n_outputs)
{
    int64_t i = 0;
    for (; i + outputs <= n_outputs; i += outputs)
        mix_tile(out + i * out_stride, out_stride, weights + i * weight_stride, weight_stride, rows,
            n_rows, at, outputs, vectors);
    for (; i < n_outputs; i++)
        mix_tile(out + i * out_stride, out_stride, weights + i * weight_stride, weight_stride, rows,
            n_rows, at, 1, vectors);
}

/* The same for `length` samples and any number of outputs, of whose weights `those` count. */
static void mix(float *out, int64_t out_stride, int64_t n_outputs, const float *weights,
    int64_t weight_stride, const float *const *rows, int64_t n_rows, int64_t length,
    const chosen *those)
{
    int64_t at = 0;
    if (those->are_few) {
        mix_few(out, out_stride, n_outputs, weights, weight_stride, rows, length, those);
        return;
    }
    if (n_outputs == 1)
        for (; at + ALONE * LANES <= length; at += ALONE * LANES)
            mix_tile(out, out_stride, weights, weight_stride, rows, n_rows, at, 1, ALONE);
    /* Two vectors at once where three would leave one behind. */
    for (; length - at == VECTORS * LANES || length - at > (VECTORS + 1) * LANES;
         at += VECTORS * LANES)
        mix_outputs(out, out_stride, weights, weight_stride, rows, n_rows, at, VECTORS, OUTPUTS,
            n_outputs);
    for (; at + 2 * LANES <= length; at += 2 * LANES)
        mix_outputs(out, out_stride, weights, weight_stride, rows, n_rows, at, 2,
            OUTPUTS * VECTORS / 2, n_outputs);
    for (; at < length; at += LANES)
        mix_outputs(out, out_stride, weights, weight_stride, rows, n_rows, at, 1, 8, n_outputs);
}

/* A few frames of rows: where the first one's gradients and inputs lie, and how far the next is. */
typedef struct {
    const float *gradient;
    int64_t stride, next_gradient; /* between outputs, between frames */
    const float *const *rows;
    int64_t n_rows, next_row; /* between frames */
    int64_t frames, length;
} few;

/* sums[i][r] += products of gradients[i] with rows[r], r the `n` of `which`, `outputs` x `n` at
 * once. */
INLINE void product_tile(double *sums, const few *of, int64_t i0, const int32_t *which,
    const int outputs, const int n)
{
    vec total[8][8];
    for (int i = 0; i < outputs; i++)
        for (int r = 0; r < n; r++) total[i][r] = all(0);
    for (int64_t f = 0; f < of->frames; f++) {
        const float *gradient = of->gradient + i0 * of->stride + f * of->next_gradient;
        const float *row[8];
        for (int r = 0; r < n; r++) row[r] = of->rows[which[r]] + f * of->next_row;
        for (int64_t at = 0; at < of->length; at += LANES) {
            vec g[8];
            for (int i = 0; i < outputs; i++) g[i] = load(gradient + i * of->stride + at);
            for (int r = 0; r < n; r++) {
                const vec x = load(row[r] + at);
                for (int i = 0; i < outputs; i++) total[i][r] += g[i] * x;
            }
        }
    }
    for (int i = 0; i < outputs; i++)
        for (int r = 0; r < n; r++) sums[(i0 + i) * of->n_rows + which[r]] += sum_of(total[i][r]);
}

/* The products that `those` name; the rest of the sums stays as it is. */
static void products(double *sums, int64_t n_outputs, const few *given, const chosen *those)
{
    const few of = *given;
    int64_t i = 0;
    const int32_t *all_rows = those->row + those->first[0];
    for (; those->first[n_outputs] - those->first[0] == n_outputs * of.n_rows && i + OUTPUTS <= n_outputs;
         i += OUTPUTS) {
        int64_t r = 0;
        for (; r + 3 <= of.n_rows; r += 3) product_tile(sums, &of, i, all_rows + r, OUTPUTS, 3);
        for (; r < of.n_rows; r++) product_tile(sums, &of, i, all_rows + r, OUTPUTS, 1);
    }
    for (; i < n_outputs; i++) {
        int32_t r = those->first[i];
        const int32_t end = those->first[i + 1];
        for (; r + 7 <= end; r += 7) product_tile(sums, &of, i, those->row + r, 1, 7);
        for (; r + 3 <= end; r += 3) product_tile(sums, &of, i, those->row + r, 1, 3);
        for (; r < end; r++) product_tile(sums, &of, i, those->row + r, 1, 1);
    }
}

/* ---- rows of a convolution ---- */

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* Floats between two phases of a channel: its rows reach `outputs` and the taps' shifts. */
static int64_t phase_length(const geometry *g)
{
    return (g->outputs + ceil_div(g->taps, g->stride) + 2 * MULTIPLE) / MULTIPLE * MULTIPLE;
}

/* Frames whose rows are multiplied at once, so that short ones are worth a tile's sums. */
static int64_t frames_at_once(const geometry *g)
{
    const int64_t many = (g->groups == 1 ? 1024 : 256) / g->outputs;
    return many < 1 ? 1 : many > 16 ? 16 : many;
}

static int is_plain(const geometry *g)
{
    return g->taps == 1 && g->stride == 1 && g->padding == 0;
}

/* Sample stride * j + phase - padding of `row` for every j, zeros outside. */
static void take_phase(float *to, const float *row, const geometry *g, int64_t phase)
{
    const int64_t length = phase_length(g), s = g->stride;
    const int64_t first = phase - g->padding; /* the sample of j = 0 */
    int64_t begin = first < 0 ? ceil_div(-first, s) : 0;
    int64_t end = first < g->samples ? (g->samples - 1 - first) / s + 1 : 0;
    if (end > length) end = length;
    if (begin > end) begin = end;
    memset(to, 0, (size_t)begin * sizeof *to);
    memset(to + end, 0, (size_t)(length - end) * sizeof *to);
    const float *from = row + first;
    if (s == 1)
        memcpy(to + begin, from + begin, (size_t)(end - begin) * sizeof *to);
    else if (s == 2)
        for (int64_t j = begin; j < end; j++) to[j] = from[2 * j];
    else
        for (int64_t j = begin; j < end; j++) to[j] = from[s * j];
}

/* Point `rows` at the shifted channels of one group of a frame; scratch holds them if they move. */
static void input_rows(const float **rows, float *scratch, const float *x, const geometry *g)
{
    const int64_t channels = g->in_channels / g->groups, length = phase_length(g);
    const int64_t phases = g->stride < g->taps ? g->stride : g->taps;
    for (int64_t c = 0; c < channels; c++) {
        const float *row = x + c * g->samples;
        if (is_plain(g)) {
            rows[c] = row;
            continue;
        }
        float *own = scratch + c * phases * length;
        for (int64_t phase = 0; phase < phases; phase++)
            take_phase(own + phase * length, row, g, phase);
        for (int64_t k = 0; k < g->taps; k++)
            rows[c * g->taps + k] = own + k % g->stride * length + k / g->stride;
    }
}

/* ---- passes ---- */

/* Mean of a row, and its squared distances from it: four sums at once, for one would wait for each
 * addition. */
static float mean_of(const float *row, int64_t length, float *squares)
{
    vec sums[4] = {all(0), all(0), all(0), all(0)}, away[4] = {all(0), all(0), all(0), all(0)};
    int64_t t = 0;
    for (; t + 4 * LANES <= length; t += 4 * LANES)
        for (int j = 0; j < 4; j++) sums[j] += load(row + t + j * LANES);
    for (; t < length; t += LANES) sums[0] += load(row + t);
    const float middle = sum_of((sums[0] + sums[1]) + (sums[2] + sums[3])) / (float)length;
    const vec centre = all(middle);
    for (t = 0; t + 4 * LANES <= length; t += 4 * LANES)
        for (int j = 0; j < 4; j++) {
            const vec apart = load(row + t + j * LANES) - centre;
            away[j] += apart * apart;
        }
    for (; t < length; t += LANES) {
        const vec apart = load(row + t) - centre;
        away[0] += apart * apart;
    }
    *squares = sum_of((away[0] + away[1]) + (away[2] + away[3]));
    return middle;
}

/* Convolve, and find each output channel's mean and sum of squared distances from it. */
FUNCTION(convolve)(const geometry *g, const float *x, const float *weights, float *y, double *mean,
    double *squares, float *scratch, const float **rows, int32_t *indices)
{
    const int64_t ins = g->in_channels / g->groups, outs = g->out_channels / g->groups;
    const int64_t n_rows = ins * g->taps, length = g->outputs;
    chosen whole = {indices, indices + g->out_channels + 1, 0};
    choose(&whole, weights, g->out_channels, n_rows);
    memset(mean, 0, (size_t)g->out_channels * sizeof *mean);
    memset(squares, 0, (size_t)g->out_channels * sizeof *squares);
    for (int64_t f = 0; f < g->frames; f++)
        for (int64_t group = 0; group < g->groups; group++) {
            const float *in = x + (f * g->in_channels + group * ins) * g->samples;
            float *out = y + (f * g->out_channels + group * outs) * length;
            input_rows(rows, scratch, in, g);
            const chosen those = {whole.first + group * outs, whole.row, whole.are_few};
            mix(out, length, outs, weights + group * outs * n_rows, n_rows, rows, n_rows, length,
                &those);
            for (int64_t c = 0; c < outs; c++) {
                const float *row = out + c * length;
                float squared;
                const float middle = mean_of(row, length, &squared);
                /* Chan, Golub, LeVeque 1979: means and squares of parts joined. */
                const int64_t of = group * outs + c;
                const double apart = middle - mean[of];
                mean[of] += apart / (double)(f + 1);
                squares[of] += squared
                    + apart * apart * (double)length * (double)f / (double)(f + 1);
            }
        }
}

INLINE vec select_(mask where, vec a, vec b)
{
    return (vec)(((mask)a & where) | ((mask)b & ~where));
}

INLINE vec rounded(vec v)
{
    /* To the nearest whole number, ties to the even one, as torch rounds: |v| < 2^22. */
    const vec magic = all(12582912.0f);
    return (v + magic) - magic;
}

INLINE vec act_of(vec z, const activation *act)
{
    if (act->step == 0) return select_(z > 0, z, all(0));
    vec level = z * act->inverse;
    level = select_(level > act->lowest, level, all(act->lowest));
    level = select_(level < act->highest, level, all(act->highest));
    return rounded(level) * act->step;
}

/* out = activation(gain * y + shift) + beside, a channel's gain and shift its own; nothing is beside
 * where it is null. */
FUNCTION(activate)(int64_t frames, int64_t channels, int64_t length, const float *y,
    const float *gain, const float *shift, const activation *act, const float *beside, float *out)
{
    const activation own = *act;
    for (int64_t f = 0; f < frames; f++)
        for (int64_t c = 0; c < channels; c++) {
            const int64_t row = (f * channels + c) * length;
            const vec by = all(gain[c]), plus = all(shift[c]);
            for (int64_t t = 0; t < length; t += LANES) {
                const vec acted = act_of(load(y + row + t) * by + plus, &own);
                store(out + row + t, beside ? acted + load(beside + row + t) : acted);
            }
        }
}

INLINE vec passed(vec z, vec gradient, const activation *act)
{
    return (vec)((mask)gradient & (z > act->floor) & (z < act->ceiling));
}

/* Sums over a channel of the gradient behind the activation, and of that times y - mean; and the
 * gradient of the activation's step. */
FUNCTION(gradient_sums)(int64_t frames, int64_t channels, int64_t length, const float *y,
    const float *gradient, const float *gain, const float *shift, const float *mean,
    const activation *act, double *sums, double *products_with_y, double *of_step)
{
    const activation own = *act;
    memset(sums, 0, (size_t)channels * sizeof *sums);
    memset(products_with_y, 0, (size_t)channels * sizeof *products_with_y);
    double steps = 0;
    for (int64_t f = 0; f < frames; f++)
        for (int64_t c = 0; c < channels; c++) {
            const int64_t row = (f * channels + c) * length;
            const vec by = all(gain[c]), plus = all(shift[c]), middle = all(mean[c]);
            /* Two of each at once, for one would wait for each addition. */
            vec sum[2] = {all(0), all(0)}, product[2] = {all(0), all(0)}, step[2] = {all(0), all(0)};
            for (int64_t t = 0; t < length; t += LANES) {
                const int j = t / LANES % 2;
                const vec value = load(y + row + t), z = value * by + plus;
                const vec whole = load(gradient + row + t), g = passed(z, whole, &own);
                sum[j] += g;
                product[j] += g * (value - middle);
                if (own.step != 0) step[j] += whole * act_of(z, &own) - g * z;
            }
            sums[c] += sum_of(sum[0] + sum[1]);
            products_with_y[c] += sum_of(product[0] + product[1]);
            if (own.step != 0) steps += sum_of(step[0] + step[1]) / own.step;
        }
    *of_step = steps;
}

/* The gradient of one group of a frame's input channels. Zeros lie around each row of dy. */
static void input_gradient(const geometry *g, float *of_x, const float *dy, int64_t padded,
    const float *turned, const float **back, float *phase_out, const chosen *whole)
{
    const int64_t ins = g->in_channels / g->groups, outs = g->out_channels / g->groups;
    const int64_t s = g->stride, phases = s < g->taps ? s : g->taps;
    for (int64_t phase = 0; phase < phases; phase++) {
        const int64_t taps = ceil_div(g->taps - phase, s);
        /* Sample s * j + phase - padding, from the first j that is one, `n` of them. */
        const int64_t first = ceil_div(g->padding - phase > 0 ? g->padding - phase : 0, s);
        const int64_t sample = s * first + phase - g->padding;
        const int64_t n = ceil_div(g->samples - sample, s);
        const chosen those = {whole->first + phase * ins, whole->row, whole->are_few};
        for (int64_t o = 0; o < outs; o++)
            for (int64_t q = 0; q < taps; q++) back[o * taps + q] = dy + o * padded + first - q;
        if (s == 1) {
            mix(of_x, g->samples, ins, turned, outs * taps, back, outs * taps, n, &those);
            return;
        }
        const int64_t length = ceil_div(n, MULTIPLE) * MULTIPLE;
        mix(phase_out, length, ins, turned, outs * taps, back, outs * taps, length, &those);
        for (int64_t i = 0; i < ins; i++) {
            const float *from = phase_out + i * length;
            float *to = of_x + i * g->samples + sample;
            if (s == 2)
                for (int64_t j = 0; j < n; j++) to[2 * j] = from[j];
            else
                for (int64_t j = 0; j < n; j++) to[s * j] = from[j];
        }
        turned += ins * outs * taps;
    }
}

/* Write the weights of each group by phase, input channel, output channel, tap of the phase, and
 * choose those that are not zero. */
static void turn(chosen *used, float *turned, const float *weights, const geometry *g)
{
    const int64_t ins = g->in_channels / g->groups, outs = g->out_channels / g->groups;
    const int64_t s = g->stride, phases = s < g->taps ? s : g->taps;
    int32_t n = 0, *first = used->first;
    for (int64_t group = 0; group < g->groups; group++)
        for (int64_t phase = 0; phase < phases; phase++)
            for (int64_t i = 0; i < ins; i++) {
                *first++ = n;
                int32_t row = 0;
                for (int64_t o = group * outs; o < (group + 1) * outs; o++)
                    for (int64_t k = phase; k < g->taps; k += s, row++) {
                        const float weight = weights[(o * ins + i) * g->taps + k];
                        *turned++ = weight;
                        if (weight != 0) used->row[n++] = row;
                    }
            }
    *first = n;
    used->are_few = 4 * (int64_t)n <= 3 * g->out_channels * ins * g->taps;
}

/* Gradients of the input (if of_x is not null; beside, if it is not, is added) and of the weights that `kept` says 1 of (all if it
 * is null; those of the others are 0). That of the convolution's output is
 * gain * g + slope * y + level, g the gradient behind the activation. */
FUNCTION(convolve_back)(const geometry *g, const float *x, const float *weights, const float *y,
    const float *gradient, const float *gain, const float *shift, const float *slope,
    const float *level, const activation *act, const float *kept, const float *beside, float *of_x,
    double *of_weights, float *scratch, const float **rows, int32_t *indices)
{
    const activation own = *act;
    const int64_t ins = g->in_channels / g->groups, outs = g->out_channels / g->groups;
    const int64_t n_rows = ins * g->taps, length = g->outputs, s = g->stride;
    const int64_t reach = ceil_div(g->taps, s), phases = s < g->taps ? s : g->taps;
    const int64_t before = (reach + MULTIPLE) / MULTIPLE * MULTIPLE;
    /* Zeros before and behind what is there, for taps and phases that reach over the ends. */
    const int64_t padded = before + (g->samples / s > length ? g->samples / s : length)
        + g->padding / s + 2 * before + 2 * MULTIPLE;
    const int64_t at_once = frames_at_once(g), row_room = ins * phases * phase_length(g);
    const int64_t group_size = outs * n_rows;
    float *own_rows = scratch, *turned = own_rows + at_once * row_room;
    float *dy = turned + g->groups * group_size, *phase_out = dy + at_once * outs * padded;
    const float **back = rows + n_rows;
    chosen wanted = {indices, indices + g->out_channels + 1, 0};
    chosen used = {wanted.row + g->groups * group_size, 0, 0};
    used.row = used.first + g->groups * phases * ins + 1;
    choose(&wanted, kept, g->out_channels, n_rows);
    turn(&used, turned, weights, g);
    memset(of_weights, 0, (size_t)(g->groups * group_size) * sizeof *of_weights);
    memset(dy, 0, (size_t)(at_once * outs * padded) * sizeof *dy);
    if (of_x && phases < s)
        memset(of_x, 0, (size_t)(g->frames * g->in_channels * g->samples) * sizeof *of_x);
    for (int64_t begin = 0; begin < g->frames; begin += at_once)
        for (int64_t group = 0; group < g->groups; group++) {
            const int64_t end = begin + at_once < g->frames ? begin + at_once : g->frames;
            /* The last frame of them first: the rows' pointers are the first one's in the end. */
            for (int64_t f = end - 1; f >= begin; f--) {
                const int64_t at = (f * g->out_channels + group * outs) * length;
                float *to_dy = dy + (f - begin) * outs * padded + before;
                for (int64_t o = 0; o < outs; o++) {
                    const int64_t c = group * outs + o;
                    const vec by = all(gain[c]), plus = all(shift[c]);
                    const vec tilt = all(slope[c]), base = all(level[c]);
                    for (int64_t t = 0; t < length; t += LANES) {
                        const vec value = load(y + at + o * length + t);
                        const vec whole = load(gradient + at + o * length + t);
                        const vec passing = passed(value * by + plus, whole, &own);
                        store(to_dy + o * padded + t, by * passing + tilt * value + base);
                    }
                }
                const float *in = x + (f * g->in_channels + group * ins) * g->samples;
                input_rows(rows, own_rows + (f - begin) * row_room, in, g);
            }
            const few these = {dy + before, padded, outs * padded, rows, n_rows,
                is_plain(g) ? g->in_channels * g->samples : row_room, end - begin, length};
            const chosen those = {wanted.first + group * outs, wanted.row, wanted.are_few};
            products(of_weights + group * group_size, outs, &these, &those);
            const chosen own_used = {used.first + group * phases * ins, used.row, used.are_few};
            for (int64_t f = begin; of_x && f < end; f++) {
                const int64_t at = (f * g->in_channels + group * ins) * g->samples;
                input_gradient(g, of_x + at, dy + (f - begin) * outs * padded + before, padded,
                    turned + group * group_size, back, phase_out, &own_used);
                for (int64_t t = 0; beside && t < ins * g->samples; t += LANES)
                    store(of_x + at + t, load(of_x + at + t) + load(beside + at + t));
            }
        }
}
