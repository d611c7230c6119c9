/* Where foreign code is compiled and run. Two kinds, tried in this order, each used only if it is seen to work:
 *
 *   bubblewrap     processes, network and files of its own: the system's programs and libraries, read-only, and
 *                  nothing of this clone but its headers
 *   another user   for root where bubblewrap does not work: a user that owns nothing, to run in an empty root
 *                  directory. The network is not closed to it, and while it compiles it can read what anybody can;
 *                  what was included is looked at before it runs, but not what assembly embeds
 *
 * In both, code that runs cannot fork nor write to a file, has limits of time and memory, and is killed with all
 * that it may have left. It is asked over one socket, where what is read has a fixed size; what it prints is kept
 * to be shown, at most FOREIGN_PRINTED bytes, and never believed. */
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

/* secret: a file that must not be readable from inside. false and one line in error[size] when neither
 * kind works. Until sandbox_close, which removes the folder, SIGINT, SIGTERM and SIGHUP wait: nothing is
 * left behind. */
bool sandbox_open(sandbox *s, const char *home, const char *secret, char *error, size_t size);
void sandbox_close(const sandbox *s);
bool sandbox_interrupted(void);             /* one of these waits */

typedef struct {
    pid_t pid;
    int line, out;                          /* socket; what is printed. -1: closed */
    char printed[FOREIGN_PRINTED + 1];
    size_t length;                          /* bytes of it */
    double until;                           /* on the monotonic clock */
} foreign;

/* Runs a script of /bin/sh in the folder of the sources, to its end. $SRC, $OUT, $ASSIGNMENTS are src/,
 * out/ and home as seen from inside; out/ alone can be written. Then foreign_end. */
void sandbox_compile(const sandbox *s, const char *script, double seconds, foreign *f);
/* Loads out/student.so, to be asked within so many seconds. Then foreign_end. */
void sandbox_run(const sandbox *s, double seconds, foreign *f);

enum foreign_answer { FOREIGN_ANSWERED, FOREIGN_ENDED, FOREIGN_TOO_LATE };
/* Sends nq bytes, then waits for na, or (na = 0) for the end. */
enum foreign_answer foreign_ask(foreign *f, const void *q, size_t nq, void *a, size_t na);
/* Ends it: kills what is left of it, and says in how[size] how it ended. True: exit status 0, by itself. */
bool foreign_end(foreign *f, char *how, size_t size);

double monotonic_seconds(void);

#endif
