/* `ascent explain trpo_vine`: the first update of a training run from that seed, with its numbers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/critic.h"
#include "algorithms/explained.h"
#include "algorithms/trpo_vine.h"
#include "autodiff/require.h"

enum { STEPS = 6, STATES = 3 };

/* logp [N x nA] of all actions at each s_n */
static void explain_rollouts(FILE *out, const vine *v, int nA, const rollout *b, int trunk, const double *V_end,
                             const double *logp)
{
    fprintf(out, "\n  n  s_n  a_nk  pi(a|s) %10s %9s %10s  the rollout's states\n", "steps", "V_end", "Q_nk");
    for (int i = 0; i < v->N * v->K; i++) {
        const segment *g = &b->segment[trunk + i];
        fprintf(out, "%3d %4d %5d %8.5f %10d %9.5f %10.5f ", i / v->K + 1, explained_state(b, g->first), v->index[i],
                exp(logp[i / v->K * nA + v->index[i]]), g->T, V_end[trunk + i], v->Q[i]);
        for (int t = g->first; t < g->first + g->T; t++) fprintf(out, " %d", explained_state(b, t));
        fprintf(out, "%s\n", g->terminated ? ", the end" : ", cut");
    }
}

static void explain_step(FILE *out, const trpo_vine_config *c, bool all, const trpo_step *step)
{
    const char *kl = c->trpo.constraint == TRPO_MAX ? "max KL" : "KL";
    fprintf(out, "TRPO-15  Q_nk = sum_l gamma^l r_l + gamma^H V_end, H <= %ld steps%s\n%s\n", c->length,
            c->common ? "; the same random numbers for each a_nk" : "",
            all ? "         L = mean_n sum_k pi_theta'(a_k|s_n) Q_nk; g, its gradient at theta, stands below"
                : "TRPO-16  L = mean_n sum_k ratio_nk Q_nk / sum_k ratio_nk, ratio_nk = pi_theta'/pi_theta; g, its"
                  " gradient\n         at theta, stands below");
    fprintf(out, "TRPO-23  beta = sqrt(2 delta / x^T F x) = %.5f, delta = %g, F x = g to %.1e |g| in %g iterations\n",
            step->beta, c->trpo.delta, step->residual, step->cg_iterations);
    if (step->outcome == TRPO_ACCEPTED)
        fprintf(out, "TRPO-24  j = %g: %s = %.6f <= delta, L(theta') - L(theta) = %.6f > 0\n\n", step->j, kl,
                step->kl, step->L);
    else fprintf(out, "TRPO-24  no step: theta stays\n\n");
}

/* The update of theta, with its gradient g, and what stands before it */
static void explain_update(FILE *out, const trpo_vine_config *c, const policy *p, double *theta, const vine *v,
                           const rollout *b, const rollout *trunk, const double *V_end, ad_tape *t)
{
    size_t n = (size_t)p->n;
    double *old = allocate(2 * n, sizeof *old, "theta"), *g = old + n;
    memcpy(old, theta, n * sizeof *old);
    fprintf(out, "\ntrunk:");
    for (int k = 0; k < trunk->T; k++) fprintf(out, " %d", explained_state(trunk, k));
    ad_mark start = ad_here(t);
    trpo_problem at = vine_problem_of(t, &c->trpo, p, theta, v);
    ad logp = ad_log_softmax(policy_parameters(p, at.theta, ad_input(t, v->s, v->N, v->d)));    /* [N x nA] */
    explain_rollouts(out, v, p->nA, b, trunk->segments, V_end, ad_value(logp));
    memcpy(g, ad_value(ad_grad(at.L, at.theta)), n * sizeof *g);
    ad_reset(t, start);
    trpo_step step = trpo_vine_update(t, &c->trpo, p, theta, v);
    explain_step(out, c, v->all, &step);
    explained_theta(out, p, g, old, theta);
    free(old);
}

void trpo_vine_explain(FILE *out, const void *config, uint64_t seed)
{
    trpo_vine_config c = *(const trpo_vine_config *)config;
    env *e = explained_env();
    c.trpo.hidden.layers = 0;
    c.trpo.workers = 1;
    c.trpo.n_steps = STEPS;
    c.states = c.states < STATES ? c.states : STATES;
    const policy p = trpo_vine_policy(e, &c);
    const network f = critic_V(&p);
    run *streams = run_new("trpo_vine", e, seed, 0);
    vine v = vine_new(&p, &c);
    size_t n = (size_t)p.n, nV = (size_t)network_n(&f), segments = (size_t)(STEPS + v.N * v.K);
    double *theta = allocate(n + nV + segments, sizeof *theta, "theta, phi"), *phi = theta + n, *V_end = phi + nV;
    run_workers(streams, 2);
    actor *pi = actor_new(&p, theta);
    rollout *b = rollout_new(e);
    vine_places x = vine_places_new(e, &c);
    ad_tape *t = ad_tape_new();

    policy_init(&p, streams->init_rng, theta);
    network_init_orthogonal(&f, sqrt(2), 1, streams->init_rng, phi);
    rollout trunk = vine_act(&c, streams, pi, &x, &v, b);
    vine_values(t, &f, phi, c.trpo.gamma, &v, b, trunk.segments, V_end);
    fprintf(out, "TRPO with a vine, its first update on %s (states 0 .. 4, then the end; 3 actions), seed %llu;\na"
            " trunk of %ld steps, N = %d rollout states of it, K = %d actions each, no hidden layers, gamma = %g\n",
            e->id, (unsigned long long)seed, c.trpo.n_steps, v.N, v.K, c.trpo.gamma);
    explain_update(out, &c, &p, theta, &v, b, &trunk, V_end, t);

    ad_tape_free(t);
    vine_places_free(&x);
    rollout_free(b);
    actor_free(pi);
    free(theta);
    vine_free(&v);
    run_free(streams);
    env_free(e);
}
