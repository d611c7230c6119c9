/* What the explanations of NPG and TRPO share: the first batch of a training run from that seed, and V's part
 * of the update. As in explained.h: E5x, no hidden layers. */
#ifndef ASCENT_EXPLAINED_BATCH_H
#define ASCENT_EXPLAINED_BATCH_H

#include "algorithms/critic.h"
#include "algorithms/explained.h"
#include "algorithms/run.h"

/* What fits on a screen */
enum { EXPLAINED_WORKERS = 2, EXPLAINED_STEPS = 4, EXPLAINED_MOST = EXPLAINED_WORKERS * EXPLAINED_STEPS };

typedef struct {
    env *e;
    run *streams;
    policy p;
    network f;
    double *theta, *old, *g;        /* [p.n]; old: theta before the update; g: room for its gradient */
    double *phi, *m;                /* [nV], [2 nV] V's parameters, and memory for Adam's moments */
    actor *pi;
    rollout *b;                     /* of at most EXPLAINED_MOST steps */
    double V[EXPLAINED_MOST], V_end[EXPLAINED_MOST];
    ad_tape *t;
} explained_batch;
explained_batch explained_batch_of(const char *algorithm, uint64_t seed, int workers, int n_steps);
void explained_batch_free(explained_batch *x);

/* The heading, the batch with A_t [b->T], and PPO-17 */
void explained_batch_print(FILE *out, const char *title, const explained_batch *x, int workers, int n_steps,
                           const double *A, double gamma, double lambda, bool normalise);
/* phi: critic_fit to R_t [b->T], as in training, and what that did to the error */
void explained_batch_fit(FILE *out, explained_batch *x, const double *R, double lr_V, long epochs, long M,
                         bool normalise);

#endif
