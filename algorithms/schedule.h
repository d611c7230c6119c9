/* The order in which workers that share parameters take their turns. It decides a run: every worker has an
 * environment and random streams of its own, so that nothing else can change a bit of the numbers. Written
 * down it is a text of these events:
 *
 *     a, b, c, ..     worker 0, 1, 2, .. copies the shared parameters: its turn begins
 *     A, B, C, ..     it applies its update: its turn ends
 *     newline         a row: everybody's steps are counted, logged, and perhaps saved
 *
 *     abABab..        B's update is made with parameters that are one update old: its version lag is 1 */
#ifndef ASCENT_SCHEDULE_H
#define ASCENT_SCHEDULE_H

#include "algorithms/run.h"

enum {
    SCHEDULE_THREADS,       /* a thread for each worker: the system decides; written down where they lock */
    SCHEDULE_SERIAL,        /* one thread: aAbBcC aAbBcC ..       lag 0 */
    SCHEDULE_STALE,         /* one thread: abc AaBbCc AaBbCc ..   lag N - 1, from the second round on */
    SCHEDULE_RANDOM,        /* one thread: abc, then someone drawn from the run's update_rng: Aa, Cc, Aa, .. */
    SCHEDULE_REPLAY         /* one thread, in the order that was written down */
};
extern const char *const schedules[];           /* their names, as choices of a config */

enum { SCHEDULE_MAX_WORKERS = 26 };

/* A run in a folder has it there, in a file `schedule`; a run in memory in run->schedule. */
typedef struct {
    int kind, workers;
    long events;            /* so far: survives */
    long next;              /* SERIAL, STALE: whose update it is: survives */
    char *text;             /* REPLAY: all; else the events that are not in the file yet */
    size_t n, room;
    char *path;             /* of the file; NULL in memory */
    int fd;
    bool written;           /* down */
} schedule;

schedule *schedule_new(int kind, int workers, bool written);
void      schedule_free(schedule *s);               /* NULL is fine */
/* After run_begin: opens and cuts the file, or reads what is to be replayed; exit 2 where there is nothing or
 * no such text */
void      schedule_begin(schedule *s, run *r);
/* Copies the file from folder to folder; exit 2 where there is none. to = NULL: only looks for it */
void      schedule_bring(const char *from, const char *to);
/* What comes now, if one thread decides; 0: REPLAY is at its end. has_copied [workers]: those whose turn has
 * begun */
char      schedule_next(schedule *s, const run *r, const bool *has_copied);
void      schedule_event(schedule *s, char event);  /* it has happened */
void      schedule_row(schedule *s);                /* newline; and to the file */
void      schedule_end(schedule *s, run *r);        /* in memory: run->schedule is what happened */

/* A3C-31   How old parameters were when they were used: lag[k] counts the updates that came k updates after
 * their copy, [most + 1], the last those of more. */
void schedule_lags(const char *text, int most, long *lag);

#endif
