"""The C of a program's outside: header, entry points, quantisation of samples."""

from __future__ import annotations

import json

from boltmod.integer.c.arena import ARENAS
from boltmod.integer.c.emit import Emitter
from boltmod.integer.form import Quantise
from boltmod.integer.receive import SAMPLE_TYPES, squared_step

_TYPES = {1: "int8_t", 2: "int16_t", 4: "int32_t"}


def _in_comment(name: str) -> str:
    """A name as it may stand in a comment: it ends none, and begins none."""
    return name.replace("*/", "* /").replace("/*", "/ *")


def header(e: Emitter) -> str:
    """Return net.h."""
    parts = "\n".join(
        f"    {_TYPES[width]} {name}[{max(1, e.layout.sizes[width])}];"
        for width, name in sorted(ARENAS.items(), reverse=True)
    )
    entries = "\n".join(
        f"int32_t net_classify_{name}(net_workspace *w, const {kind.c_type} *iq, int32_t *scores);"
        for name, kind in SAMPLE_TYPES.items()
    )
    network = _in_comment(e.program.name)
    return f"""\
/* {network}: class of a frame of I/Q samples, in integers. Made by `boltmod compile`. */
#ifndef NET_H
#define NET_H

#include <stdint.h>

#define NET_CLASSES {len(e.program.classes)}
#define NET_SAMPLES {e.program.steps[0].shape[1]}

/* What a call writes to; it holds nothing from one call to the next. */
typedef struct {{
{parts}
}} net_workspace;

/* Name of each class. */
extern const char *const net_class_names[NET_CLASSES];

/*
 * The class of NET_SAMPLES samples, I and Q by turns, at any level; -1 of a frame that is constant
 * or holds what is no number. `scores` takes NET_CLASSES numbers, the class has the largest.
 */
{entries}

/* The same of floats that have been divided by their deviation already, as boltmod does. */
int32_t net_classify_scaled(net_workspace *w, const float *iq, int32_t *scores);

#endif
"""


def source(e: Emitter) -> str:
    """Return net.c."""
    first = e.program.steps[0]
    assert isinstance(first, Quantise)
    thresholds = e.table("net_thresholds", first.thresholds.tolist(), "float")
    # JSON's escapes are C's: a class may have a quotation mark in its name.
    names = ",\n    ".join(json.dumps(name, ensure_ascii=False) for name in e.program.classes)
    calls = "\n".join(f"    {step.name}(w);" for step in e.kept)
    last = e.program.steps[-1].name
    entries = "\n".join(_entry(e, first, name) for name in SAMPLE_TYPES)
    return f"""\
/* {_in_comment(e.program.name)}, made by `boltmod compile`. */
#include "net.h"

typedef struct {{
    int16_t channel;
    int16_t shift;
    int16_t weight;
}} net_term;

const char *const net_class_names[NET_CLASSES] = {{
    {names}
}};

{e.source}
/* All steps behind the first, and the class with the largest score. */
static int32_t run(net_workspace *w, int32_t *scores)
{{
    int32_t best = 0;
{calls}
    for (int32_t c = 0; c < NET_CLASSES; c++) {{
        scores[c] = ({e.at(last)})[c];
        best = scores[c] > scores[best] ? c : best;
    }}
    return best;
}}

/* Lowest plus the number of thresholds not above the sample; of what is no number, lowest. */
static int32_t level_of(float x)
{{
    int32_t low = 0;
    int32_t high = {len(first.thresholds)};
    while (low < high) {{
        const int32_t middle = (low + high) / 2;
        if (x >= {thresholds}[middle]) {{
            low = middle + 1;
        }} else {{
            high = middle;
        }}
    }}
    return low + ({first.lowest});
}}

int32_t net_classify_scaled(net_workspace *w, const float *iq, int32_t *scores)
{{
    {e.kind(first.name)} *y = {e.at(first.name)};
    for (int32_t t = 0; t < NET_SAMPLES; t++) {{
        y[t] = ({e.kind(first.name)})level_of(iq[2 * t]);
        y[NET_SAMPLES + t] = ({e.kind(first.name)})level_of(iq[2 * t + 1]);
    }}
    return run(w, scores);
}}

{_half_step(first)}
{entries}"""


def _half_step(first: Quantise) -> str:
    """The function behind `receive._half_step`."""
    mantissa, exponent = squared_step(first)
    n_samples = first.shape[1]
    length_bits = n_samples.bit_length() - 1
    return f"""\
/* Half a quantiser's step times the frame's deviation, from the sum of its squares and its sums. */
static uint32_t half_step(uint64_t squares, int64_t i, int64_t q, int32_t fraction_bits)
{{
    uint64_t spread = squares * {n_samples}u - (uint64_t)(i * i) - (uint64_t)(q * q);
    int32_t moved = fraction_bits - {exponent // 2 + length_bits + 1};
    uint64_t root = 0;
    if (spread == 0) {{
        return 0;
    }}
    while (spread >> 32 != 0) {{
        spread >>= 2;
        moved++;
    }}
    while (spread >> 30 == 0) {{
        spread <<= 2;
        moved--;
    }}
    spread *= UINT64_C({mantissa});
    for (uint64_t bit = UINT64_C(1) << 62; bit != 0; bit >>= 2) {{
        if (spread >= root + bit) {{
            spread -= root + bit;
            root = (root >> 1) + bit;
        }} else {{
            root >>= 1;
        }}
    }}
    root = moved >= 0 ? root << moved : moved > -32 ? root >> -moved : 0;
    return root == 0 ? 1u : (uint32_t)root;
}}

/* Level of a sample in halves of steps. */
static int32_t level_in(int32_t x, uint32_t unit, int32_t fraction_bits)
{{
    const uint32_t size = (uint32_t)(x < 0 ? -x : x) << fraction_bits;
    const int32_t level = (int32_t)((size / unit + 1u) >> 1);
    if (x < 0) {{
        return level > {-first.lowest} ? {first.lowest} : -level;
    }}
    return level > {first.lowest + len(first.thresholds)} ? \
{first.lowest + len(first.thresholds)} : level;
}}
"""


def _entry(e: Emitter, first: Quantise, name: str) -> str:
    kind, y = SAMPLE_TYPES[name], e.kind(first.name)
    sample = "(int32_t)(iq[{0}] * gain)" if name == "f32" else "(int32_t)iq[{0}]"
    if kind.factor != 1:
        sample = f"{kind.factor} * {sample} - {-kind.addend}"
    gain = _PEAK_SEARCH if name == "f32" else ""
    bits = kind.fraction_bits
    return f"""\
int32_t net_classify_{name}(net_workspace *w, const {kind.c_type} *iq, int32_t *scores)
{{
    {y} *y = {e.at(first.name)};
    uint64_t squares = 0;
    int64_t sum_i = 0;
    int64_t sum_q = 0;
    uint32_t unit;
{gain}    for (int32_t t = 0; t < NET_SAMPLES; t++) {{
        const int32_t i = {sample.format("2 * t")};
        const int32_t q = {sample.format("2 * t + 1")};
        squares += (uint64_t)((int64_t)i * i) + (uint64_t)((int64_t)q * q);
        sum_i += i;
        sum_q += q;
    }}
    unit = half_step(squares, sum_i, sum_q, {bits});
    if (unit == 0) {{
        return -1;
    }}
    for (int32_t t = 0; t < NET_SAMPLES; t++) {{
        const int32_t i = {sample.format("2 * t")};
        const int32_t q = {sample.format("2 * t + 1")};
        y[t] = ({y})level_in(i, unit, {bits});
        y[NET_SAMPLES + t] = ({y})level_in(q, unit, {bits});
    }}
    return run(w, scores);
}}
"""


_PEAK_SEARCH = """\
    float peak = 0.0f;
    float gain;
    for (int32_t n = 0; n < 2 * NET_SAMPLES; n++) {
        const float size = iq[n] < 0.0f ? -iq[n] : iq[n];
        if (!(size <= 3.0e38f)) {
            return -1;
        }
        peak = size > peak ? size : peak;
    }
    if (!(peak > 1.0e-30f)) {
        return -1;
    }
    gain = 32767.0f / peak;
"""
