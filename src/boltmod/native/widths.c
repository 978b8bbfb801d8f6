/*
 * Which widths of vectors this library holds the kernel in, and whether the processor has them.
 * compiling.py compiles kernel.c once for each and lists them in HELD, the widest first.
 */
#include "widths.h"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>

/* Bits of CPUID's leaves 1 and 7, and of XCR0, which says what state the system saves. */
enum { SSE41 = 1 << 19, FMA = 1 << 12, OSXSAVE = 1 << 27 };
enum { AVX2 = 1 << 5, AVX512F = 1 << 16, AVX512DQ = 1 << 17, AVX512BW = 1 << 30 };
#define AVX512VL (1u << 31)
enum { AVX512VNNI = 1 << 11, SAVES_AVX = 0x06, SAVES_AVX512 = 0xE6 };

typedef struct {
    uint32_t one_c, seven_b, seven_c, saved;
} features;

static features processor(void)
{
    features has = {0, 0, 0, 0};
    uint32_t a, b, c, d;
    if (__get_cpuid(1, &a, &b, &c, &d)) has.one_c = c;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        has.seven_b = b;
        has.seven_c = c;
    }
    if (has.one_c & OSXSAVE) __asm__("xgetbv" : "=a"(has.saved), "=d"(d) : "c"(0));
    return has;
}

#define ALL(value, bits) (((value) & (bits)) == (bits))

static inline int has_sse4(void)
{
    return ALL(processor().one_c, SSE41);
}

static inline int has_avx2(void)
{
    const features p = processor();
    return ALL(p.saved, SAVES_AVX) && ALL(p.one_c, FMA) && ALL(p.seven_b, AVX2);
}

static inline int has_avx512(void)
{
    const features p = processor();
    return has_avx2() && ALL(p.saved, SAVES_AVX512)
        && ALL(p.seven_b, AVX512F | AVX512DQ | AVX512BW | AVX512VL);
}

static inline int has_avx512vnni(void)
{
    return has_avx512() && ALL(processor().seven_c, AVX512VNNI);
}
#endif

/* What every processor of the kind has: NEON on AArch64. */
static inline int has_plain(void)
{
    return 1;
}

static const struct {
    const char *name;
    int (*is_there)(void);
} held[] = {
#define WIDTH(name) {#name, has_##name},
    HELD
#undef WIDTH
};

/* Name of the n-th width that the processor has, the widest first; null behind the last. */
EXPORTED const char *boltmod_width(int32_t n)
{
    for (unsigned i = 0; i < sizeof held / sizeof *held; i++)
        if (held[i].is_there() && n-- == 0) return held[i].name;
    return 0;
}
