/* How the program ends when it cannot go on. Four kinds, never mixed:
 *
 *   bug            require(cond, "what was expected", values)   file:line on stderr, abort()
 *   bad input      bad_input("file:line:column: expected ..., found ...")            exit 2
 *                  (a file that cannot be opened or read among it)
 *   I/O            io_failure("..."): what was written got lost                      exit 3
 *   numbers        numerical_failure("...")                                          exit 4
 *   memory         out_of_memory(bytes, "what for")                                  exit 5
 *
 * Each prints one line on stderr and leaves stdout alone. An outcome that a caller reacts to (a
 * singular matrix, a line search that failed) is none of these: it is an enum, checked at the call. */
#ifndef ASCENT_REQUIRE_H
#define ASCENT_REQUIRE_H

#include <stddef.h>
#include <stdio.h>

enum { EXIT_HELD = 0, EXIT_CHECK_FAILED = 1, EXIT_BAD_INPUT = 2, EXIT_IO = 3,
       EXIT_NUMERICAL = 4, EXIT_MEMORY = 5 };

/* Never compiled out: an algorithm file needs no clean-up ladder for what cannot happen. */
#define require(cond, ...) ((cond) ? (void)0 : require_failed(__FILE__, __LINE__, #cond, __VA_ARGS__))

#if defined(__GNUC__)
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define PRINTF_LIKE(fmt, args)
#endif

_Noreturn void require_failed(const char *file, int line, const char *cond, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
_Noreturn void bad_input(const char *fmt, ...) PRINTF_LIKE(1, 2);
_Noreturn void io_failure(const char *fmt, ...) PRINTF_LIKE(1, 2);
_Noreturn void numerical_failure(const char *fmt, ...) PRINTF_LIKE(1, 2);
_Noreturn void out_of_memory(size_t bytes, const char *what);       /* bytes 0: not known, a library asked */

/* From now on numerical_failure first says `WHO, after STEPS steps: `, in this thread. Borrowed; NULL ends it. */
void numerical_failure_says(const char *who, const long *steps);

/* n objects of the given size, zeroed; out_of_memory(.., what) when there is no room or n * size
 * overflows. Freed by free(). n = 0 gives a pointer that free() accepts. */
void *allocate(size_t n, size_t size, const char *what);
/* The same for an array that grows: p (may be NULL) is moved to n objects; new ones are not zeroed. */
void *reallocate(void *p, size_t n, size_t size, const char *what);

/* A file in memory: what is printed to it is *text, of *n bytes and a 0, after print_done; out_of_memory there. */
FILE *print_to_memory(char **text, size_t *n);
void  print_done(FILE *out, char *const *text);

/* Replaces GSL's handler, which calls abort(): a GSL error becomes exit 4, or 5 for GSL_ENOMEM. */
void require_install_gsl_handler(void);

/* Opens /dev/null for each of descriptors 0 to 2 that is closed, so that no file of ours gets its number and
 * with it what is printed. Writing to a stdout that was closed still fails. */
void hold_standard_streams(void);

/* Flushes stdout and ends with `status`, or with 3 if anything written there was lost: a full disk
 * makes printf succeed and only the flush fail. */
_Noreturn void finish(int status);

#endif
