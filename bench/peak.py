"""What one core can do at most: products of integers a second, from registers, by width.

    python bench/peak.py
    python bench/peak.py boltnet MODEL.onnx

With models, what share of the widest's the engine reaches: products a frame (weights that are not
zero times samples) by frames a second.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import subprocess
import tempfile
import time
from pathlib import Path

from boltmod.integer import form
from boltmod.integer.build import build
from boltmod.integer.c.folder import keyed_frames
from boltmod.integer.engine.engine import Engine
from boltmod.model import onnx_file
from boltmod.native import compiling, library

_LOOPS = 20_000_000

_SOURCE = """
#include <stdint.h>
#if defined(__AVX512BW__)
#define WIDE 64
#elif defined(__AVX2__)
#define WIDE 32
#else
#define WIDE 16
#endif
#ifdef __AVX512VNNI__
#include <immintrin.h>
#endif
typedef int16_t v __attribute__((vector_size(WIDE)));
#define KEEP(x) __asm__ volatile("" : "+x"(x))

/* Twelve independent sums, more than any latency; variables, not an array: that lies in memory, and
 * writing it there takes longer than the products. */
#define TWELVE(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)

int products16(int64_t n, int16_t *to)
{
    v w = {3};
    KEEP(w);
#define SUM(j) v s##j = {0};
    TWELVE(SUM)
#undef SUM
    for (int64_t i = 0; i < n; i++) {
#define SUM(j) { v x = w; KEEP(x); s##j += x * w; KEEP(s##j); }
        TWELVE(SUM)
#undef SUM
    }
#define SUM(j) *to += s##j[0];
    TWELVE(SUM)
#undef SUM
    return 12 * WIDE / 2;
}

int products8(int64_t n, int16_t *to)
{
#ifdef __AVX512VNNI__
    const __m512i w = _mm512_set1_epi8(3);
#define SUM(j) __m512i s##j = _mm512_setzero_si512();
    TWELVE(SUM)
#undef SUM
    for (int64_t i = 0; i < n; i++) {
#define SUM(j) s##j = _mm512_dpbusd_epi32(s##j, w, w); KEEP(s##j);
        TWELVE(SUM)
#undef SUM
    }
#define SUM(j) *to += (int16_t)_mm512_cvtsi512_si32(s##j);
    TWELVE(SUM)
#undef SUM
    return 12 * WIDE;
#else
    (void)n, (void)to;
    return 0;
#endif
}
"""


def measured(folder: Path, width: str, flags: tuple[str, ...]) -> dict[str, float]:
    """Billions of products a second, of 16 and of 8 bits."""
    source, made = folder / "peak.c", folder / f"{width}.so"
    source.write_text(_SOURCE)
    command = ["cc", "-O2", "-shared", "-fPIC", *flags, "-o", str(made), str(source)]
    subprocess.run(command, check=True)
    found, kept = {}, ctypes.c_int16()
    for name in ("products16", "products8"):
        run = getattr(ctypes.CDLL(str(made)), name)
        times = []
        for _ in range(5):
            begun = time.process_time()
            a_loop = run(ctypes.c_int64(_LOOPS // 4), ctypes.byref(kept))
            times.append(time.process_time() - begun)
        found[name] = a_loop * _LOOPS / 4 / min(times) / 1e9
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path, nargs="*")
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    peaks = {}
    with tempfile.TemporaryDirectory(prefix="boltmod-") as name:
        for width in library.load(compiling.ENGINE).widths:
            flags = compiling.widths()[width]
            peaks[width] = measured(Path(name), width, flags)
            sixteen, eight = peaks[width].values()
            text = f", {eight:,.0f} of 8 bits" if eight else ""
            print(f"{width}: {sixteen:,.0f} billion products and sums a second of 16 bits{text}")
    frames = keyed_frames(512)
    best = peaks[library.load(compiling.ENGINE).chosen()]
    for path in args.models:
        program = build(onnx_file.load(path))
        engine = Engine(program)
        engine.scores(frames)
        seconds = []
        for _ in range(7):
            begun = time.process_time()
            engine.scores(frames)
            seconds.append((time.process_time() - begun) / len(frames))
        products = sum(
            s.n_terms * s.shape[1] for s in program.steps if isinstance(s, form.Convolve)
        )
        rate = products / sorted(seconds)[3] / 1e9
        bits = 8 if engine.by_quads else 16
        share = rate / best[f"products{bits}"]
        print(f"{program.name}: {products:,} products a frame, {rate:,.0f} billion a second, "
              f"{share:.0%} of the peak for {bits} bits")  # fmt: skip


if __name__ == "__main__":
    main()
