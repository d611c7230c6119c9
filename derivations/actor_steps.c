/* Steps of the on-line actor-critics: see actor_steps.h. */
#include "derivations/actor_steps.h"

#include <stdlib.h>
#include <string.h>

#include "algorithms/advantage_actor_critic.h"
#include "algorithms/q_actor_critic.h"
#include "algorithms/td_actor_critic.h"
#include "autodiff/require.h"

struct actor_steps {
    int nS, nA, n;
    policy pi;                              /* linear in (s, s'): [2 nS] */
    double *theta;                          /* [2nS x nA], and biases [nA]: theta in its first rows, else 0 */
    double *w, *v;                          /* the same for Q: its rows at s; V at s, V at s', and a bias */
    q_actor_critic_step *q;                 /* the one that is meant, */
    advantage_actor_critic_step *advantage; /* else NULL */
    td_actor_critic_step *td;
};

actor_steps *actor_steps_new(const policy_class *tabular, const double *theta, enum estimate_by by)
{
    require(tabular->kind == POLICY_TABULAR, "steps of an actor-critic for a policy that is no table");
    actor_steps *x = allocate(1, sizeof *x, "steps of an actor-critic");
    int d = 2 * tabular->nS, nA = tabular->nA;
    *x = (actor_steps){ .nS = tabular->nS, .nA = nA, .n = tabular->n };
    x->pi = (policy){ .nA = nA, .d = d, .k = 1, .f = { .layers = 1, .size = { d, nA }, .hidden = AD_LINEAR } };
    x->pi.n = network_n(&x->pi.f);
    x->theta = allocate((size_t)(2 * x->pi.n + d + 1), sizeof *x->theta, "an actor and its critics");
    x->w = x->theta + x->pi.n;
    x->v = x->w + x->pi.n;
    memcpy(x->theta, theta, (size_t)x->n * sizeof *theta);
    if (by == BY_Q_ACTOR_CRITIC)         x->q = q_actor_critic_step_new(&x->pi, x->theta, x->w);
    if (by == BY_ADVANTAGE_ACTOR_CRITIC) x->advantage = advantage_actor_critic_step_new(&x->pi, x->theta, x->w, x->v);
    if (by == BY_TD_ACTOR_CRITIC)        x->td = td_actor_critic_step_new(&x->pi, x->theta, x->v);
    return x;
}

void actor_steps_free(actor_steps *x)
{
    if (!x) return;
    if (x->q) q_actor_critic_step_free(x->q);
    if (x->advantage) advantage_actor_critic_step_free(x->advantage);
    if (x->td) td_actor_critic_step_free(x->td);
    free(x->theta);
    free(x);
}

/* The critics' tables of the times t and t + 1 */
static void tables(actor_steps *x, const value_table *c, int t)
{
    size_t nS = (size_t)x->nS, at = (size_t)t * nS;
    if (c->Q) memcpy(x->w, c->Q + at * (size_t)x->nA, nS * (size_t)x->nA * sizeof *x->w);
    memcpy(x->v, c->V + at, 2 * nS * sizeof *x->v);
}

static const double *step_of(actor_steps *x, double *s, double *s1, ad_plan *again, ad g_theta, int at,
                             int next)
{
    memset(s, 0, 2 * (size_t)x->nS * sizeof *s);
    memset(s1, 0, 2 * (size_t)x->nS * sizeof *s1);
    s[at] = s1[x->nS + next] = 1;
    ad_run(again);
    return ad_value(g_theta);
}

static const double *one_step(actor_steps *x, const traj *tau, int t, double gamma, double gamma_t)
{
    int s = tau->s[t], s1 = tau->s[t + 1];
    if (x->q) {
        q_actor_critic_step *u = x->q;
        u->a = tau->a[t], u->r = tau->r[t], u->gamma = gamma, u->gamma_t = gamma_t;
        return step_of(x, u->s, u->s1, &u->run, u->g_theta, s, s1);
    }
    if (x->advantage) {
        advantage_actor_critic_step *u = x->advantage;
        u->a = tau->a[t], u->r = tau->r[t], u->gamma = gamma, u->gamma_t = gamma_t;
        return step_of(x, u->s, u->s1, &u->run, u->g_theta, s, s1);
    }
    td_actor_critic_step *u = x->td;
    u->index = tau->a[t], u->r = tau->r[t], u->gamma = gamma, u->gamma_t = gamma_t;
    return step_of(x, u->s, u->s1, &u->run, u->g_theta, s, s1);
}

void actor_steps_sum(actor_steps *x, const weighing *c, const traj *tau, double *g)
{
    double gamma_t = 1;
    for (int t = 0; t < tau->T; t++, gamma_t *= c->gamma) {
        tables(x, c->critic, t);
        bool over = tau->terminated && t + 1 == tau->T;
        const double *step = one_step(x, tau, t, over ? 0 : c->gamma, gamma_t);
        for (int i = 0; i < x->n; i++) g[i] += step[i];
    }
}
