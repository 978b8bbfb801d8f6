/*
 * A Cortex-M that classifies frames: start-up, no operating system, files by semihosting.
 *
 * Frames come from frames.bin, scores go to scores.bin; then, as a line, the instructions of one
 * frame (SysTick, under -icount shift=0, where one takes a nanosecond) and the deepest stack.
 * CLASSIFY and SAMPLE name the entry point and its type.
 */
#include "net.h"

#include <stddef.h>

extern uint32_t data_begin, data_end, data_stored, bss_begin, bss_end, stack_end;

int main(void);

#define SYSTICK ((volatile uint32_t *)0xE000E010)
#define TICK_NS 40u /* an MPS2 board's 25 MHz */
#define PAINT 0xA5A5A5A5u

enum { OPEN = 0x01, WRITE0 = 0x04, WRITE = 0x05, READ = 0x06, EXIT = 0x18 };

static net_workspace workspace;
static SAMPLE frame[2 * NET_SAMPLES];

static int32_t host(int32_t operation, const void *argument)
{
    register int32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static int32_t opened(const char *name, uintptr_t mode, uintptr_t length)
{
    const uintptr_t how[3] = {(uintptr_t)name, mode, length};
    return host(OPEN, how);
}

/* Bytes that were not read or written. */
static int32_t moved(int32_t operation, int32_t file, void *buffer, uintptr_t size)
{
    const uintptr_t how[3] = {(uintptr_t)file, (uintptr_t)buffer, size};
    return host(operation, how);
}

static void say(const char *name, uint32_t value)
{
    char text[12] = {0};
    int n = 10;
    do {
        text[n--] = (char)('0' + value % 10u);
        value /= 10u;
    } while (value != 0);
    host(WRITE0, name);
    host(WRITE0, text + n + 1);
    host(WRITE0, "\n");
}

int main(void)
{
    const int32_t from = opened("frames.bin", 1, 10), to = opened("scores.bin", 5, 10);
    uint32_t most = 0;
    SYSTICK[1] = 0xFFFFFF;
    SYSTICK[2] = 0;
    SYSTICK[0] = 5;
    while (moved(READ, from, frame, sizeof frame) == 0) {
        int32_t scores[NET_CLASSES];
        const uint32_t begun = SYSTICK[2];
        (void)CLASSIFY(&workspace, frame, scores);
        const uint32_t ticks = (begun - SYSTICK[2]) & 0xFFFFFF;
        most = ticks > most ? ticks : most;
        moved(WRITE, to, scores, sizeof scores);
    }
    const uint32_t *deepest = &bss_end;
    while (*deepest == PAINT) deepest++;
    say("instructions ", most * TICK_NS);
    say("stack ", (uint32_t)((uintptr_t)&stack_end - (uintptr_t)deepest));
    return 0;
}

__attribute__((noreturn, used)) void reset(void);

void reset(void)
{
    uint32_t *here;
    __asm__ volatile("mov %0, sp" : "=r"(here));
    const uint32_t *stored = &data_stored;
    for (uint32_t *to = &data_begin; to < &data_end; to++) *to = *stored++;
    for (volatile uint32_t *to = &bss_begin; to < &bss_end; to++) *to = 0;
    for (volatile uint32_t *to = &bss_end; to < here - 16; to++) *to = PAINT;
#ifdef __ARM_FP
    *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20; /* the floating-point unit, on */
    __asm__ volatile("dsb; isb");
#endif
    main();
    host(EXIT, (const void *)0x20026); /* ended as it should */
    for (;;) {
    }
}

__attribute__((noreturn)) static void fault(void)
{
    host(WRITE0, "fault\n");
    host(EXIT, (const void *)0x20023);
    for (;;) {
    }
}

/* The stack's end, then where to go at reset and at what should not happen. */
typedef union {
    uint32_t *stack;
    void (*go)(void);
} vector;

__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    {.stack = &stack_end}, {.go = reset}, {.go = fault}, {.go = fault},
    {.go = fault}, {.go = fault}, {.go = fault},
};
