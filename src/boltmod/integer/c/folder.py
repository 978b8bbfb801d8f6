"""The folder that `boltmod compile` writes: sources, golden vectors, a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boltmod.errors import UnsupportedOperatorError
from boltmod.files import replacing, write_json, write_text
from boltmod.integer import form
from boltmod.integer.c.emit import Emitter
from boltmod.integer.c.entry import header, source
from boltmod.integer.document import to_document
from boltmod.integer.execute import execute, run_from
from boltmod.integer.form import Integers, Program, Quantise
from boltmod.integer.multiply import with_multiplications
from boltmod.integer.receive import receive
from boltmod.modulation import FRAME_LENGTH

_N_GOLDEN = 16
_N_IN_HEADER = 2

Frames = NDArray[np.float32]


def write(program: Program, folder: Path, frames: Frames | None = None) -> dict[str, Any]:
    """Write a program as C.

    Args:
        program: The network.
        folder: Where the files go; made where there is none.
        frames: Frames of the golden vectors, (n, 2, length); keyed signals in noise by default.

    Returns:
        The report, which is written too.

    Raises:
        UnsupportedOperatorError: Not all of it is integers.
    """
    program.integers_alone("C")
    n_samples = program.steps[0].shape[1]
    check_length(n_samples)
    folder.mkdir(parents=True, exist_ok=True)
    complete = with_multiplications(program)
    emitter = Emitter(complete)
    write_text(folder / "net.c", source(emitter))
    write_text(folder / "net.h", header(emitter))
    write_text(folder / "example.c", _EXAMPLE)
    write_text(folder / "Makefile", _MAKEFILE)
    golden = keyed_frames(_N_GOLDEN, length=n_samples) if frames is None else frames
    _write_golden(complete, folder, golden)
    report = describe(emitter)
    write_json(folder / "program.json", to_document(complete))
    write_json(folder / "report.json", report)
    return report


def check_length(n_samples: int) -> None:
    """Refuse frames whose deviation cannot be taken by shifting.

    Raises:
        UnsupportedOperatorError: Their length is no power of two, or more than 1024.
    """
    if n_samples & (n_samples - 1) or n_samples > FRAME_LENGTH:
        raise UnsupportedOperatorError(
            f"a compiled network must take frames of a power of two of samples up to "
            f"{FRAME_LENGTH}, not of {n_samples}: train it on such frames"
        )


def describe(emitter: Emitter) -> dict[str, Any]:
    """Return what a program costs on a small machine."""
    program = emitter.program
    requantised = [s for s in program.steps if isinstance(s, form.Requantise) and s.multiply]
    return {
        "model": program.name,
        "classes": len(program.classes),
        "constant_bytes": emitter.constant_bytes,
        "workspace_bytes": emitter.layout.n_bytes,
        "multiply_accumulates": sum(
            s.n_terms * s.shape[1] for s in program.steps if isinstance(s, form.Convolve)
        ),
        "products": sum(
            s.shape[0] * s.shape[1] for s in program.steps if isinstance(s, form.Product)
        ),
        "requantisations": sum(s.shape[0] * s.shape[1] for s in requantised),
        "channels_by_shift": sum(int(s.multiply.found.sum()) for s in requantised if s.multiply),
        "channels_by_thresholds": sum(
            int((~s.multiply.found).sum()) for s in requantised if s.multiply
        ),
    }


def keyed_frames(n_frames: int, seed: int = 18, length: int = FRAME_LENGTH) -> Frames:
    """Return frames of keyed signals in noise at unit deviation, to compare executions on."""
    rng = np.random.default_rng(seed)
    order = rng.choice([2, 4, 8], (n_frames, 1))
    symbols = np.exp(2j * np.pi * rng.integers(0, 8, (n_frames, -(-length // 8))) / order)
    iq = symbols.repeat(8, axis=1)[:, :length] * np.exp(2j * np.pi * rng.random((n_frames, 1)))
    noise = rng.normal(size=(n_frames, length, 2)) @ np.array([1, 1j])
    iq = iq + noise * 10 ** rng.uniform(-1.5, 0.3, (n_frames, 1))
    iq = iq / iq.std(1, keepdims=True)
    return np.stack([iq.real, iq.imag], 1).astype(np.float32)


def as_int16(frames: Frames) -> NDArray[np.int16]:
    """Return frames as a receiver of 16 bits has them, interleaved, (n, 2048)."""
    interleaved = frames.transpose(0, 2, 1).reshape(len(frames), -1)
    return np.clip(np.rint(interleaved * 4096), -32768, 32767).astype(np.int16)


def received_scores(program: Program, name: str, iq: NDArray[Any]) -> Integers:
    """Return the scores of interleaved samples, (n, 2048), as the C's entry points give them."""
    first = program.steps[0]
    assert isinstance(first, Quantise)
    levels = [receive(first, name, frame) for frame in iq]
    return run_from(program, np.array([each for each in levels if each is not None]))


def _write_golden(program: Program, folder: Path, frames: Frames) -> None:
    interleaved = np.ascontiguousarray(frames.transpose(0, 2, 1))
    samples = as_int16(frames)
    by_float, by_integer = execute(program, frames), received_scores(program, "s16", samples)
    for name, values in (
        ("frames.f32", interleaved.astype("<f4")),
        ("scores.i32", by_float.astype("<i4")),
        ("frames.s16", samples.astype("<i2")),
        ("scores_s16.i32", by_integer.astype("<i4")),
    ):
        with replacing(folder / f"golden_{name}") as temporary:
            temporary.write_bytes(values.tobytes())
    write_text(folder / "golden.h", _golden_header(samples, by_integer))


def _golden_header(samples: NDArray[np.int16], scores: Integers) -> str:
    n = min(_N_IN_HEADER, len(samples))

    def table(values: NDArray[Any]) -> str:
        lines = [", ".join(map(str, values[i : i + 16])) for i in range(0, len(values), 16)]
        return ",\n    ".join(lines)

    return f"""\
/* Frames and the scores that they must have. Made by `boltmod compile`. */
#ifndef GOLDEN_H
#define GOLDEN_H

#include <stdint.h>

#define GOLDEN_FRAMES {n}

static const int16_t golden_iq[{n * samples.shape[1]}] = {{
    {table(samples[:n].ravel())}
}};

static const int32_t golden_scores[{n * scores.shape[1]}] = {{
    {table(scores[:n].ravel())}
}};

#endif
"""


_EXAMPLE = """\
/*
 * Without arguments: classifies the frames of golden.h and compares the scores.
 * With a kind (f32, s16, s8, u8, scaled): frames from standard input, scores to standard output.
 */
#include "golden.h"
#include "net.h"

#include <stdio.h>
#include <string.h>

static net_workspace workspace;

static int check(void)
{
    int wrong = 0;
    for (int n = 0; n < GOLDEN_FRAMES; n++) {
        int32_t scores[NET_CLASSES];
        const int32_t best = net_classify_s16(&workspace, golden_iq + n * 2 * NET_SAMPLES, scores);
        const int32_t *wanted = golden_scores + n * NET_CLASSES;
        printf("frame %d: %s\\n", n, best < 0 ? "nothing" : net_class_names[best]);
        wrong += memcmp(scores, wanted, sizeof scores) != 0;
    }
    puts(wrong ? "scores differ" : "all scores as they must be");
    return wrong;
}

static int32_t classify(const char *kind, const void *frame, int32_t *scores)
{
    if (strcmp(kind, "f32") == 0) {
        return net_classify_f32(&workspace, (const float *)frame, scores);
    }
    if (strcmp(kind, "s16") == 0) {
        return net_classify_s16(&workspace, (const int16_t *)frame, scores);
    }
    if (strcmp(kind, "s8") == 0) {
        return net_classify_s8(&workspace, (const int8_t *)frame, scores);
    }
    if (strcmp(kind, "u8") == 0) {
        return net_classify_u8(&workspace, (const uint8_t *)frame, scores);
    }
    return net_classify_scaled(&workspace, (const float *)frame, scores);
}

int main(int argc, char **argv)
{
    static union {
        float f32[2 * NET_SAMPLES];
        int16_t s16[2 * NET_SAMPLES];
        int8_t s8[2 * NET_SAMPLES];
    } frame;
    int32_t scores[NET_CLASSES];
    size_t size = sizeof frame.f32;
    if (argc < 2) {
        return check();
    }
    if (strcmp(argv[1], "s16") == 0) {
        size = sizeof frame.s16;
    } else if (strcmp(argv[1], "s8") == 0 || strcmp(argv[1], "u8") == 0) {
        size = sizeof frame.s8;
    }
    while (fread(&frame, size, 1, stdin) == 1) {
        memset(scores, 0, sizeof scores);
        (void)classify(argv[1], &frame, scores);
        fwrite(scores, sizeof scores, 1, stdout);
    }
    return 0;
}
"""

_MAKEFILE = """\
# make check    builds the example and compares its scores with golden.h and the raw files
# make size     bytes of code, constants and workspace
CC      ?= cc
CFLAGS  ?= -O2
CFLAGS  += -std=c99 -Wall -Wextra -Wconversion -pedantic -ffp-contract=off

example: example.o net.o
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

example.o net.o: net.h
example.o: golden.h

check: example
	./example
	./example scaled < golden_frames.f32 | cmp - golden_scores.i32
	./example s16 < golden_frames.s16 | cmp - golden_scores_s16.i32

size: net.o
	size $^

clean:
	rm -f example *.o

.PHONY: check size clean
"""
