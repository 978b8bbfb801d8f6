/*
 * The engine's kernel without Python: a program's tables and frames from standard input, scores to
 * standard output. KERNEL names kernel.c, which boards.py compiles for another processor.
 */
#include KERNEL

#include <stdio.h>
#include <stdlib.h>

enum { TENSORS, OPS, DATA, EXACT, FRAMES, WORKSPACE, N_OPS, N_CLASSES, SCORES, INPUT, N_FRAMES, N };

/* So many bytes, from a cache line on, zeros where nothing is read. */
static void *taken(int64_t size, int is_read)
{
    const size_t whole = ((size_t)size + 127) / 64 * 64;
    void *at = aligned_alloc(64, whole);
    if (at == NULL) exit(2);
    memset(at, 0, whole);
    if (is_read && fread(at, 1, (size_t)size, stdin) != (size_t)size) exit(2);
    return at;
}

int main(void)
{
    int64_t size[N];
    if (fread(size, sizeof size, 1, stdin) != 1) return 2;
    void *part[FRAMES + 1];
    for (int i = 0; i <= FRAMES; i++) part[i] = taken(size[i], 1);
    const plan p = {part[TENSORS], part[OPS], part[DATA], part[EXACT], (int32_t)size[N_OPS],
                    (int32_t)size[N_CLASSES], (int32_t)size[SCORES], (int32_t)size[INPUT]};
    int32_t *scores = taken(4 * size[N_FRAMES] * size[N_CLASSES], 0);
    NAMED(boltmod_run, WIDTH_NAME)(&p, taken(size[WORKSPACE], 0), part[FRAMES], size[N_FRAMES], scores);
    fwrite(scores, 4 * (size_t)size[N_CLASSES], (size_t)size[N_FRAMES], stdout);
    return 0;
}
