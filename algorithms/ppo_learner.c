/* Memory, preparation and step of the PPO files: see ppo_learner.h. */
#include "algorithms/ppo_learner.h"

#include <math.h>
#include <stdlib.h>

#include "algorithms/critic.h"
#include "algorithms/gae.h"
#include "autodiff/require.h"

const char *const ppo_normalises[] = { "off", "minibatch", "batch", NULL };

ppo_learner ppo_learner_new(const policy *p, long NT, long M, double adam_eps)
{
    const network f = critic_V(p);
    size_t n = (size_t)p->n, nV = (size_t)network_n(&f);
    ppo_learner l = { .p = *p, .f = f, .theta = allocate(4 * (n + nV), sizeof *l.theta, "theta, phi") };
    l.phi = l.theta + n;
    l.g = l.phi + nV;
    l.m = l.g + n + nV;
    l.step = adam_of(n, 0, l.m);
    l.step_V = adam_of(nV, 0, l.m + 2 * n);
    l.step.eps = l.step_V.eps = adam_eps;
    l.D = samples_new(p, (int)NT);
    l.minibatch = samples_new(p, (int)M);
    l.order = allocate((size_t)NT, sizeof *l.order, "a permutation");
    l.V_end = allocate((size_t)NT, sizeof *l.V_end, "V");
    l.t = ad_tape_new();
    return l;
}

void ppo_learner_init(ppo_learner *l, gsl_rng *rng)
{
    policy_init(&l->p, rng, l->theta);
    network_init_orthogonal(&l->f, sqrt(2), 1, rng, l->phi);
}

void ppo_learner_free(ppo_learner *l)
{
    ad_tape_free(l->t);
    free(l->V_end);
    free(l->order);
    samples_free(l->minibatch);
    samples_free(l->D);
    free(l->theta);
}

void ppo_learner_check(long NT, long M, int normalise, long processes)
{
    long least = normalise == PPO_NORMALISE_BATCH ? NT : NT % M ? NT % M : M;
    if (M > NT) bad_input("--set: expected minibatch of at most workers * n_steps = %ld, found %ld", NT, M);
    if (normalise != PPO_NORMALISE_OFF && processes * least == 1)
        bad_input("--set: expected normalise=off where a minibatch is of one sample, as the last of"
                  " %ld in minibatches of %ld: it has no standard deviation", NT, M);
}

void ppo_prepare(ppo_learner *l, const rollout *b, double gamma, double lambda)
{
    samples *D = l->D;
    samples_old(D, l->t, &l->p, l->theta, b);
    critic_bootstrap(l->t, &l->f, l->phi, b, D->V_old, l->V_end);
    gae_batch(b, D->V_old, l->V_end, gamma, lambda, D->A, D->R);
}

void ppo_ascend(ppo_learner *l, double lr, double lr_V, double clip_norm, bool joint)
{
    int n = l->p.n, nV = network_n(&l->f);
    if (clip_norm > 0) {
        clip_global_norm(joint ? n + nV : n, l->g, clip_norm);
        if (!joint) clip_global_norm(nV, l->g + n, clip_norm);
    }
    l->step.lr = lr;
    l->step_V.lr = lr_V;
    adam_ascend(&l->step, l->theta, l->g);
    adam_ascend(&l->step_V, l->phi, l->g + n);
}
