/* Lets a fuzzer go on where a reader would end the program. The sources of a reader are included after this
 * file: in them bad_input comes back to REFUSED, and what they had allocated or opened until then is given
 * back. */
#ifndef ASCENT_FUZZ_REFUSING_H
#define ASCENT_FUZZ_REFUSING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "autodiff/require.h"

static jmp_buf back;
static char refusal[4096];
enum { HELD_MAX = 1 << 18 };
static void *held[HELD_MAX];
static int helds;

static inline void *hold(size_t n, size_t size, const char *what)
{
    require(helds < HELD_MAX, "%d blocks", helds);
    return held[helds++] = allocate(n, size, what);
}
static inline void *hold_bytes(size_t n) { return hold(n, 1, "a block"); }

static inline void let_go(void *p)
{
    for (int i = helds - 1; p && i >= 0; i--)
        if (held[i] == p) {
            held[i] = held[--helds];
            break;
        }
    free(p);
}

static inline _Noreturn void refuse(const char *fmt, ...) PRINTF_LIKE(1, 2);
static inline _Noreturn void refuse(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(refusal, sizeof refusal, fmt, args);
    va_end(args);
    longjmp(back, 1);
}

/* After a refusal: nothing stays; descriptors from `first` on are closed. */
static inline void clean(int first)
{
    while (helds > 0) free(held[--helds]);
    for (int fd = first; fd < first + 4; fd++) close(fd);
}

/* The bytes as a file: its name in path[32] */
int memfd_create(const char *name, unsigned flags);
static inline int as_file(const void *p, size_t n, char *path)
{
    static int fd = -1;
    if (fd < 0) fd = memfd_create("fuzz", 0);
    require(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, p, n, 0) == (ssize_t)n, "no file of %zu bytes", n);
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

#define bad_input refuse
#define allocate  hold
#define free      let_go

#endif
