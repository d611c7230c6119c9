/* The plumbing of a training run: folder, log, checkpoint, signals. An algorithm's loop calls three functions of it:
 *
 *     run_begin(run, kept, shown);
 *     while (run_update(run, batch)) { ... }
 *     run_end(run);
 *
 * The folder holds config.json (what was asked), progress.csv (steps,episodes,return_mean and what `shown` names;
 * nothing that depends on the clock), timing.csv, and checkpoint: everything that survives an update. A run that is
 * resumed goes on bit for bit as if it had never stopped. */
#ifndef ASCENT_RUN_H
#define ASCENT_RUN_H

#include <stdint.h>

#include "algorithms/rollout.h"
#include "envs/env.h"

/* Everything of the algorithm's that survives an update; ends at name NULL. Saved, restored, and after each update
 * looked through for what is not finite. */
typedef struct { const char *name; double *x; size_t n; long *count; } kept;      /* x [n], or one count */
/* What progress.csv shows of each update, beside the first three columns; ends at name NULL. */
typedef struct { const char *name; const double *x; } shown;

typedef struct run run;
struct run {                        /* to be read by anyone, written by run.c only */
    const char *algorithm;
    env *env;
    uint64_t seed;
    long steps, episodes;           /* done */
    long steps_wanted;
    gsl_rng *env_rng, *policy_rng, *init_rng, *update_rng;      /* streams of the seed: saved too */
    double return_mean;             /* of the last RUN_WINDOW whole episodes, undiscounted; NaN before the first */
    struct run_folder *folder;      /* NULL: a run in memory only, as tests make it */
};
enum { RUN_WINDOW = 100 };

/* Reads the checkpoint if the run is resumed. The tables are borrowed until run_end. */
void run_begin(run *r, const kept *kept, const shown *shown);
/* Before each update: false when the run is at its end. batch is what the last update was made from, empty before the first: its
 * steps and returns are counted, a row is logged, a checkpoint written when it is time, a signal obeyed (saved, then exit
 * 128+n), and a number that is not finite stops the program (exit 4, naming algorithm, step and quantity). */
bool run_update(run *r, const rollout *batch);
void run_end(run *r);

#endif
