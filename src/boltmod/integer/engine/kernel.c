/*
 * boltmod's engine: walks an integer program's tables on the processor's vectors. Nothing here
 * knows a network; tables.py writes what this reads, record by record.
 *
 * A tensor is rows of int16, or of int32 where 16 bits do not hold its range, each between margins
 * of zeros, so that a convolution's taps are offsets and a shifted tensor is another pointer.
 * Tensors of one sample a channel have no rows: their channels follow one another.
 *
 * Every function is exact. Where a level is estimated, by 32-bit integers or by floats, the tables
 * say how far the estimate may be off, and what lies nearer to an edge is decided by thresholds.
 */
#include "vectors.h"

#include "levels.h"

#include "convolution.h"

#include "steps.h"

#include "formula.h"

static void take(const plan *p, const op *o, char *w, const float *iq)
{
    switch (o->kind) {
    case QUANTISE: quantise(p, o, w, iq); break;
    case CONVOLVE: convolve(p, o, w); break;
    case DENSE: dense(p, o, w); break;
    case REQUANTISE: requantise(p, o, w); break;
    case ADD: add(p, o, w); break;
    case PRODUCT: product(p, o, w); break;
    case TOTAL: total(p, o, w); break;
    case MAXIMUM: maximum(p, o, w); break;
    case INSTANT: instant(p, o, w); break;
    case CHOOSE: choose(p, o, w); break;
    case LEVEL: divide(p, o, w); break;
    case COPY: copy(p, o, w); break;
    case REAL: real(p, o, w, iq); break;
    case PAIRS: pairs(p, o, w); break;
    case TWOS: twos(p, o, w); break;
    case PRODUCTS: products(p, o, w); break;
    case PACK: pack(p, o, w); break;
    case QUADS: quads(p, o, w); break;
    default: phases(p, o, w); break;
    }
}

/* Scores of frames, (n_frames, 2, length) float32; the workspace begins as zeros. */
FUNCTION(run)(const plan *p, char *workspace, const float *iq, int64_t n_frames, int32_t *scores)
{
    const tensor *last = p->tensors + p->scores;
    const int64_t frame = 2 * (int64_t)p->tensors[p->input].length;
    for (int64_t n = 0; n < n_frames; n++) {
        for (int i = 0; i < p->n_ops; i++) take(p, p->ops + i, workspace, iq + n * frame);
        for (int c = 0; c < p->n_classes; c++)
            get_row(scores + n * p->n_classes + c, workspace, last, c);
    }
}
