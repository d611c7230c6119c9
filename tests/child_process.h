/* Runs what must end its process: how it ended and what it wrote on stderr. */
#ifndef ASCENT_TESTS_CHILD_PROCESS_H
#define ASCENT_TESTS_CHILD_PROCESS_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

struct ending { int status; char err[2048]; };      /* status: as waitpid gives it */

/* A child that ends early holds memory: no leak, and LeakSanitizer must not change its exit status. */
static bool in_child;
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void) { return in_child; }

/* Exit status 99: the body came back; 97: there was no child. */
static inline struct ending run_child(void (*body)(int), int which)
{
    struct ending end = { .status = 97 << 8 };
    int err[2];
    size_t n = 0;
    fflush(NULL);
    if (pipe(err) != 0) return end;
    pid_t child = fork();
    if (child == 0) {
        in_child = true;
        dup2(err[1], STDERR_FILENO);
        body(which);
        _exit(99);
    }
    close(err[1]);
    for (ssize_t k; n < sizeof end.err - 1 && (k = read(err[0], end.err + n, sizeof end.err - 1 - n)) > 0;)
        n += (size_t)k;
    close(err[0]);
    if (child > 0) waitpid(child, &end.status, 0);
    return end;
}

#endif
