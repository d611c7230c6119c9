/* Memory and first parameters of DQN, DDPG and TD3: see replay_learner.h. */
#include "algorithms/replay_learner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"

replay_learner replay_learner_new(const env *e, const policy *p, const network *Q, int critics,
                                  double lr, double lr_Q, long capacity, long batch)
{
    replay_learner l = { .p = *p, .Q = *Q, .L = NAN, .J = NAN, .epsilon = NAN };
    size_t n = l.n = p->values ? 0 : (size_t)p->n, nQ = l.nQ = (size_t)(critics * critic_n(p, Q));
    size_t d = (size_t)p->d, k = (size_t)p->k;
    l.theta = allocate(5 * (n + nQ) + d + 2 * k, sizeof *l.theta, "theta, phi");
    l.phi = l.theta + n, l.theta_targ = l.phi + nQ, l.phi_targ = l.theta_targ + n;
    l.m = l.phi_targ + nQ;
    l.g = l.m + 2 * (n + nQ);
    l.s = l.g + n + nQ, l.a = l.s + d, l.eps = l.a + k;
    l.eps1 = allocate((size_t)batch * k, sizeof *l.eps1, "noise");
    l.step = adam_of(n, lr, l.m);
    l.step_Q = adam_of(nQ, lr_Q, l.m + 2 * n);
    l.D = replay_new(e, capacity);
    l.B = minibatch_new(e, (int)batch);
    l.pi = actor_new(p, l.theta);                           /* DQN: n = 0, theta = phi */
    l.t = ad_tape_new();
    return l;
}

void replay_learner_init(replay_learner *l, gsl_rng *rng)
{
    if (l->n) policy_init(&l->p, rng, l->theta);
    for (size_t i = 0; i < l->nQ; i += (size_t)critic_n(&l->p, &l->Q)) critic_init(&l->p, &l->Q, rng, l->phi + i);
    memcpy(l->theta_targ, l->theta, (l->n + l->nQ) * sizeof *l->theta);
}

void replay_learner_free(replay_learner *l)
{
    ad_tape_free(l->t);
    actor_free(l->pi);
    minibatch_free(l->B);
    replay_free(l->D);
    free(l->eps1);
    free(l->theta);
}
