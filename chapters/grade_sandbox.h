/* Where foreign code is compiled and run. Two kinds, tried in this order, each used only after it was seen to work:
 *
 *   bubblewrap     processes, network and files of its own: the system's programs and libraries read-only, an empty
 *                  /tmp, nothing of this clone but its headers
 *   another user   for root, where bubblewrap does not work: a user that owns nothing and, to run, an empty root
 *                  directory; the network is not closed to it
 *
 * In both, code that runs cannot fork, nor write a file, and has limits of time and memory; it is killed with
 * all that it may have left. It is asked over one socket, where what is read has a fixed size; what it prints is
 * kept to show, at most FOREIGN_PRINTED bytes, and never believed. */
#ifndef ASCENT_GRADE_SANDBOX_H
#define ASCENT_GRADE_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { FOREIGN_PRINTED = 4000, SANDBOX_PATH = 500 };
#define FOREIGN_SOCKET 3                    /* descriptor of the code that runs */

typedef struct {
    char bwrap[SANDBOX_PATH];               /* path of bubblewrap, or "": another user */
    uid_t user;                             /* to become, 0: none */
    char home[SANDBOX_PATH];                /* BUILD/assignments: include/, runner, N/ */
    char work[SANDBOX_PATH];                /* a new folder: src/ to be filled, out/ */
    const char *about;                      /* which protection, in words */
} sandbox;

/* secret: a file that must not be readable from inside. false and one line in error[size] when neither kind works.
 * The folder is removed by sandbox_close. */
bool sandbox_open(sandbox *s, const char *home, const char *secret, char *error, size_t size);
void sandbox_close(const sandbox *s);

typedef struct {
    pid_t pid;
    int line, out;                          /* socket; what is printed. -1: closed */
    char printed[FOREIGN_PRINTED + 1];
    size_t length;                          /* bytes of it */
    double until;                           /* on the monotonic clock */
} foreign;

/* script for /bin/sh, in the folder of the sources. $SRC $OUT $HOME_ are src/, out/ and home as seen from inside; out/
 * alone can be written. */
void sandbox_compile(const sandbox *s, const char *script, double seconds, foreign *f);
/* Loads out/student.so, of which any function may be asked for at `seconds` of processor time, and some more wall time. */
void sandbox_run(const sandbox *s, double seconds, foreign *f);

enum foreign_answer { FOREIGN_ANSWERED, FOREIGN_ENDED, FOREIGN_TOO_LATE };
/* Sends nq bytes, then waits for na, or (na = 0) for the end. */
enum foreign_answer foreign_ask(foreign *f, const void *q, size_t nq, void *a, size_t na);
/* Kills what is left of it and says in how[size] how it ended. True: exit status 0, by itself. */
bool foreign_end(foreign *f, char *how, size_t size);

double monotonic_seconds(void);

#endif
