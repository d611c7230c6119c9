/* The plumbing of a training run: folder, log, checkpoint, signals. An algorithm's loop calls three functions
 * of it:
 *
 *     run_begin(run, kept, shown);
 *     while (run_update(run, batch)) { ... }
 *     run_end(run);
 *
 * The folder holds config.json (what was asked), progress.csv (steps,episodes,return_mean and what `shown` names;
 * nothing that depends on the clock), timing.csv, and checkpoint: everything that survives an update. A run
 * that is resumed goes on bit for bit as if it had never stopped, and a longer one begins as a shorter one
 * does: nothing that is kept or logged depends on steps_wanted. */
#ifndef ASCENT_RUN_H
#define ASCENT_RUN_H

#include <stdint.h>

#include "algorithms/rollout.h"
#include "envs/env.h"

/* Everything of the algorithm's that survives an update; ends at name NULL. Saved, restored, and after each update
 * looked through for what is not finite. */
typedef struct {
    const char *name;
    double *x; size_t n;                /* x [n], */
    long *count;                        /* or one count, */
    gsl_rng *rng;                       /* or a random stream, */
    env *env;                           /* or with it an environment of the algorithm's own that draws from it */
    bool seen;                          /* not looked through: a replay of batches, which were */
} kept;
/* What progress.csv shows of each update, beside the first three columns; ends at name NULL. NaN: an empty
 * cell. */
typedef struct { const char *name; const double *x; } shown;

enum { RUN_WINDOW = 100 };

/* Who acts: an environment with random streams of its own, so that nobody's numbers depend on when the others act. */
typedef struct {
    env *env;
    gsl_rng *env_rng, *policy_rng;      /* random_stream(seed, its number, RANDOM_ENV or RANDOM_POLICY) */
    double episode_return;              /* so far, of the episode under way */
} run_worker;

typedef struct run run;
struct run {                            /* to be read by anyone, written by run.c only */
    const char *algorithm;
    env *env;                           /* of worker 0 */
    uint64_t seed;
    long steps, episodes;               /* done */
    long steps_wanted;
    gsl_rng *env_rng, *policy_rng;      /* of worker 0 */
    gsl_rng *init_rng, *update_rng;     /* streams of the seed: saved, too, as the workers are */
    int workers;                        /* 1, or what run_workers said */
    run_worker *worker;                 /* [workers] */
    double return_mean;                 /* of the last RUN_WINDOW whole episodes, undiscounted; NaN before one */
    double until;                       /* the run ends, too, when return_mean of a whole window reaches it */
    double returns[RUN_WINDOW];         /* episode i's at i % RUN_WINDOW */
    double largest_reward;              /* |r_t|, since the program began */
    const kept *kept;
    const shown *shown;                 /* or NULL */
    struct run_folder *folder;          /* NULL: a run in memory only, as tests make it */
    double *theta;                      /* of a run in memory, at its end: a copy of what is kept first */
    char *schedule;                     /* of a run in memory: the order of its workers' turns (schedule.h) */
};

run *run_new(const char *algorithm, env *e, uint64_t seed, long steps_wanted);      /* in memory; e is borrowed */
void run_free(run *r);                                                              /* NULL is fine */

/* More than one worker: before run_begin. A segment of a batch says whose it is (rollout.h). */
void run_workers(run *r, int workers);
/* b <- the parts of a batch, n steps each, of so many workers from `first` on, one behind the other */
void run_act(run *r, int first, int workers, int n, actor *pi, rollout *b);
/* Reads the checkpoint if the run is resumed, else writes the first one. The tables are borrowed until run_end. */
void run_begin(run *r, const kept *k, const shown *s);        /* s may be NULL */
/* Before each update: false when the run is at its end. batch is what the last update was made from, empty
 * before the first: its steps and returns are counted, a row is logged, a checkpoint written when it is time, a
 * signal obeyed (saved, then exit 128+n), and a number that is not finite stops the program (exit 4, naming
 * algorithm, step and quantity). */
bool run_update(run *r, const rollout *batch);
/* The last row and checkpoint; what was borrowed is let go. */
void run_end(run *r);

#endif
