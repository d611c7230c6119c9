/* A trained policy acting: what `eval` and `watch` share. */
#ifndef ASCENT_TRAINED_H
#define ASCENT_TRAINED_H

#include "algorithms/experiment.h"

enum { TRAINED_ACTION = 64 };       /* numbers of an action at most */

typedef struct {
    experiment *x;
    env *e;
    policy p;
    double *theta;          /* [p.n] of the checkpoint */
    actor *pi;
    bool greedy;            /* the most likely action, instead of a drawn one */
    gsl_rng *policy_rng;
    double a[TRAINED_ACTION];       /* [e->action.dim] of the last step */
} trained;

trained *trained_read(const char *folder, bool greedy);         /* exit 2 when the folder is no run's */
void     trained_free(trained *w);                              /* NULL is fine */

/* The folders of one run or of several seeds: `folder` itself, or what train --seeds has put into it, by seed. n >= 1
 * names, each and all to be freed. */
char   **trained_folders(const char *folder, int *n);

/* Begins episode number i of a seed: two policies meet the same first states. Free the stream after the
 * episode. */
gsl_rng *trained_reset(trained *w, uint64_t seed, int i);
double   trained_step(trained *w);                              /* the reward */

#endif
