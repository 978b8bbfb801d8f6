"""The functions of C that every program shares, for the types that it needs them for."""

from __future__ import annotations

SHIFTED = """\
/* Floor of v / 2^s, whatever the machine does with negative numbers. */
static int32_t shifted(int32_t v, int32_t s)
{
    return v >= 0 ? v >> s : ~(~v >> s);
}
"""

_TERMS = """\
/* Adds weight times sample, for each weight of one output that is not zero. */
static void terms_{type}(int32_t *sum, int32_t length, const {type} *x, int32_t n_samples,
                         int32_t stride, const net_term *term, int32_t n_terms)
{{
    for (int32_t i = 0; i < n_terms; i++) {{
        const {type} *row = x + (int32_t)term[i].channel * n_samples;
        const int32_t weight = term[i].weight;
        const int32_t shift = term[i].shift;
        int32_t t = shift < 0 ? (stride - 1 - shift) / stride : 0;
        int32_t stop = shift >= n_samples ? 0 : (n_samples - 1 - shift) / stride + 1;
        if (stop > length) {{
            stop = length;
        }}
        for (; t < stop; t++) {{
            sum[t] += weight * row[t * stride + shift];
        }}
    }}
}}
"""

_SHIFT = """\
/* Multiply, add, shift, clip. */
static void shift_{n}_{type}({type} *y, const int32_t *x, int32_t length, const int32_t *factor,
                             int32_t addend, int32_t shift, int32_t low, int32_t high)
{{
    for (int32_t t = 0; t < length; t++) {{
        int32_t v = shifted({sum} + addend, shift);
        v = v < low ? low : v;
        y[t] = ({type})(v > high ? high : v);
    }}
}}
"""

_LEVEL = """\
/* Lowest plus the number of thresholds not above the sum. */
static void level_{n}_{type}({type} *y, const int32_t *x, int32_t length, const {wide} *factor,
                             const {wide} *threshold, int32_t n, int32_t lowest)
{{
    for (int32_t t = 0; t < length; t++) {{
        const {wide} sum = {sum};
        int32_t low = 0;
        int32_t high = n;
        while (low < high) {{
            const int32_t middle = (low + high) / 2;
            if (threshold[middle] <= sum) {{
                low = middle + 1;
            }} else {{
                high = middle;
            }}
        }}
        y[t] = ({type})(lowest + low);
    }}
}}
"""


def text(name: str) -> str:
    """Return a function by its name: `terms_T`, `shift_N_T` or `level_N_T`, of N sources."""
    word, _, rest = name.partition("_")
    if word == "terms":
        return _TERMS.format(type=rest)
    n, _, kind = rest.partition("_")
    if word == "shift":
        total = "factor[0] * x[t]" if n == "1" else "factor[0] * x[t] + factor[1] * x[length + t]"
        return _SHIFT.format(n=n, type=kind, sum=total)
    wide = "int32_t" if n == "1" else "int64_t"
    total = "factor[0] * x[t]" if n == "1" else "factor[0] * x[t] + factor[1] * x[length + t]"
    return _LEVEL.format(n=n, type=kind, sum=total, wide=wide)
