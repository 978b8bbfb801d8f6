/*
 * Frames brought to unit deviation, each while it lies in the processor's cache: what framing.py
 * does with numpy, to the bit. Sixteen partial sums, added by halves, whatever the width of vectors.
 */
#include "../native/widths.h"
#include <math.h>

#if defined(__AVX512F__)
#define WIDE 8
#elif defined(__AVX__)
#define WIDE 4
#else
#define WIDE 2
#endif
enum { LANES = 16, VECTORS = LANES / WIDE };
typedef double doubles __attribute__((vector_size(8 * WIDE)));
typedef float floats __attribute__((vector_size(4 * WIDE)));
#ifdef __clang__
#define UNROLLED _Pragma("clang loop unroll(full)")
#else
#define UNROLLED _Pragma("GCC unroll 16")
#endif

INLINE doubles read(const float *x)
{
    floats some;
    memcpy(&some, x, sizeof some);
    return __builtin_convertvector(some, doubles);
}

/* Sum of x - mean, or of its squares */
INLINE double sum(const float *x, int64_t length, double mean, int squared)
{
    const doubles middle = mean - (doubles){0};
    doubles parts[VECTORS];
    UNROLLED
    for (int k = 0; k < VECTORS; k++) parts[k] = (doubles){0};
    const int64_t whole = length - length % LANES;
    for (int64_t t = 0; t < whole; t += LANES) {
        UNROLLED
        for (int k = 0; k < VECTORS; k++) {
            const doubles some = read(x + t + k * WIDE) - middle;
            parts[k] += squared ? some * some : some;
        }
    }
    double lanes[LANES];
    memcpy(lanes, parts, sizeof lanes);
    for (int64_t t = whole; t < length; t++) {
        const double one = (double)x[t] - mean;
        lanes[t - whole] += squared ? one * one : one;
    }
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int j = 0; j < half; j++) lanes[j] += lanes[j + half];
    return lanes[0];
}

INLINE void divide(float *x, int64_t length, double divisor)
{
    int64_t t = 0;
    for (; t + WIDE <= length; t += WIDE) {
        const floats some = __builtin_convertvector(read(x + t) / divisor, floats);
        memcpy(x + t, &some, sizeof some);
    }
    for (; t < length; t++) x[t] = (float)((double)x[t] / divisor);
}

/*
 * Of n frames: planes (n, 2, length); where samples are given, (n, length, 2), they are written
 * there first. Which frames are constant, (n); those, and all where it is not wanted, stay as they are.
 */
FUNCTION(level)(const float *samples, float *planes, int64_t n, int64_t length, int32_t is_wanted,
                uint8_t *is_constant)
{
    for (int64_t frame = 0; frame < n; frame++, planes += 2 * length) {
        float *const i = planes, *const q = planes + length;
        if (samples) {
            for (int64_t t = 0; t < length; t++) {
                i[t] = samples[2 * t];
                q[t] = samples[2 * t + 1];
            }
            samples += 2 * length;
        }
        const double i_mean = sum(i, length, 0, 0) / (double)length;
        const double q_mean = sum(q, length, 0, 0) / (double)length;
        const double power = sum(i, length, i_mean, 1) + sum(q, length, q_mean, 1);
        const double deviation = sqrt(power / (double)length);
        is_constant[frame] = deviation == 0;
        if (is_wanted && !is_constant[frame]) {
            divide(i, length, deviation);
            divide(q, length, deviation);
        }
    }
}
