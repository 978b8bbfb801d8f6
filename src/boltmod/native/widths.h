/*
 * What every kernel begins with: its functions once for each width of vectors, under names of their
 * own. compiling.py compiles a kernel for each width with another WIDTH_NAME and joins them.
 */
#include <stdint.h>
#include <string.h>

#ifdef _WIN32
#define EXPORTED __declspec(dllexport)
#else
#define EXPORTED __attribute__((visibility("default")))
#endif
#ifndef WIDTH_NAME
#define WIDTH_NAME plain
#endif
#define JOINED(a, b) a##_##b
#define NAMED(a, b) JOINED(a, b)
#define FUNCTION(name) EXPORTED void NAMED(boltmod_##name, WIDTH_NAME)
#define INLINE static inline __attribute__((always_inline))
