/* The ends of a program that cannot go on: see require.h. */
#include "autodiff/require.h"

#include <errno.h>
#include <fcntl.h>
#include <gsl/gsl_errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One line on stderr, whatever bytes a file name in it has.
 * Another thread that fails, too, waits there for the end. */
static void say(const char *prefix, const char *fmt, va_list args)
{
    char line[4096];
    flockfile(stderr);
    vsnprintf(line, sizeof line, fmt, args);
    for (char *c = line; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f) *c = '?';
    fprintf(stderr, "%s%s\n", prefix, line);
}

/* Not by exit(): there OpenBLAS waits for its threads, and these, where no memory was left for them, for ever. */
static _Noreturn void end(int status)
{
    fflush(NULL);
    _exit(status);
}

#define SAY_AND_EXIT(prefix, status)  \
    do {                              \
        va_list args;                 \
        va_start(args, fmt);          \
        say(prefix, fmt, args);       \
        va_end(args);                 \
        end(status);                  \
    } while (0)

void bad_input(const char *fmt, ...)  { SAY_AND_EXIT("", EXIT_BAD_INPUT); }
void io_failure(const char *fmt, ...) { SAY_AND_EXIT("ascent: ", EXIT_IO); }

/* What is going on, for the message: the one thing here that is not an argument, as a failing operator or GSL's
 * handler has nobody to ask. */
static _Thread_local const char *who;
static _Thread_local const long *after;

void numerical_failure_says(const char *name, const long *steps)
{
    who = name;
    after = steps;
}

void numerical_failure(const char *fmt, ...)
{
    char prefix[256] = "ascent: numerical failure: ";
    size_t n = strlen(prefix);
    if (who) snprintf(prefix + n, sizeof prefix - n, "%s, after %ld steps: ", who, *after);
    SAY_AND_EXIT(prefix, EXIT_NUMERICAL);
}

void require_failed(const char *file, int line, const char *cond, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, fmt, args);
    fprintf(stderr, " (required: %s)\n", cond);
    va_end(args);
    abort();
}

void out_of_memory(size_t bytes, const char *what)
{
    flockfile(stderr);
    if (bytes) fprintf(stderr, "ascent: out of memory: %zu bytes for %s\n", bytes, what);
    else       fprintf(stderr, "ascent: out of memory: %s\n", what);
    end(EXIT_MEMORY);
}

void *allocate(size_t n, size_t size, const char *what)
{
    void *p = calloc(n ? n : 1, size);      /* calloc refuses a product that overflows */
    if (!p) out_of_memory(size && n > SIZE_MAX / size ? SIZE_MAX : n * size, what);
    return p;
}

void *reallocate(void *p, size_t n, size_t size, const char *what)
{
    void *moved = size && n > SIZE_MAX / size ? NULL : realloc(p, n && size ? n * size : 1);
    if (!moved) out_of_memory(size && n > SIZE_MAX / size ? SIZE_MAX : n * size, what);
    return moved;
}

FILE *print_to_memory(char **text, size_t *n)
{
    *text = NULL;
    FILE *out = open_memstream(text, n);
    if (!out) out_of_memory(0, "a text");
    return out;
}

void print_done(FILE *out, char *const *text)
{
    bool lost = ferror(out);
    if (fclose(out) != 0 || lost || !*text) out_of_memory(0, "a text");
}

static void on_gsl_error(const char *reason, const char *file, int line, int code)
{
    if (code == GSL_ENOMEM) {
        flockfile(stderr);
        fprintf(stderr, "ascent: out of memory: GSL (%s:%d: %s)\n", file, line, reason);
        end(EXIT_MEMORY);
    }
    numerical_failure("GSL: %s (%s:%d: %s)", reason, file, line, gsl_strerror(code));
}

void require_install_gsl_handler(void)
{
    gsl_set_error_handler(on_gsl_error);
}

void hold_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)          /* open takes the least that is free */
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY) != fd)
            end(EXIT_IO);
}

void finish(int status)
{
    int lost = ferror(stdout);
    if (fflush(stdout) != 0 || lost) io_failure("stdout: %s", errno ? strerror(errno) : "write failed");
    end(status);
}
