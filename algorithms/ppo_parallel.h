/* PPO by worker processes that average their gradients: see ppo_parallel.c. */
#ifndef ASCENT_PPO_PARALLEL_H
#define ASCENT_PPO_PARALLEL_H

#include "algorithms/ppo_clip.h"
#include "algorithms/processes.h"

typedef struct {
    long processes;         /* K */
    ppo_clip_config ppo;    /* of each: N actors, T steps of each, minibatches of M <= N T */
} ppo_parallel_config;
extern const ppo_parallel_config ppo_parallel_defaults;
extern const config_field ppo_parallel_fields[];

/* Each is called by all processes, with as many samples in each. */

/* A [T]: mean 0 and standard deviation 1 over all processes; K T >= 2 */
void ppo_parallel_normalise(processes *all, int T, double *A);
/* PPO-29   g [p->n + n of V]: the gradient of J for the samples of all, b in each; changes b->A where c
 * normalises minibatches */
void ppo_parallel_gradient(processes *all, ad_tape *t, const ppo_clip_config *c, const policy *p,
                           const network *f, const double *theta, const double *phi, samples *b, double *g);
/* As one process would see all batches: each number is a mean over samples, so the mean of their means */
ppo_measured ppo_parallel_measure(processes *all, ad_tape *t, const ppo_clip_config *c, const policy *p,
                                  const double *theta, const samples *b);

policy ppo_parallel_policy(const env *e, const void *config);
void   ppo_parallel(run *r, const void *config);
void   ppo_parallel_check(const void *config);      /* exit 2: ppo_clip_check; processes_check */
void   ppo_parallel_explain(FILE *out, const void *config, uint64_t seed);     /* ppo_parallel_explain.c */

#endif
