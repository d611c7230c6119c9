/* What `ascent explain ppo_penalty` prints: one update of ppo_penalty.c, with its numbers, the first of a
 * training run from that seed. */
#include "algorithms/ppo_penalty.h"

#include <stdlib.h>
#include <string.h>

#include "algorithms/explained.h"
#include "algorithms/gae.h"
#include "algorithms/ppo_clip.h"
#include "autodiff/require.h"

enum { EXPLAINED_WORKERS = 2, EXPLAINED_STEPS = 4 };

/* The ratio, the gain and the price of each sample, and their mean */
static void explain_surrogate(FILE *out, const ppo_penalty_config *c, double beta, ppo_learner *l)
{
    const samples *D = l->D;
    ad_mark start = ad_here(l->t);
    ad pi = policy_parameters(&l->p, ad_input(l->t, l->theta, l->p.n, 1), ad_input(l->t, D->s, D->T, D->d));
    ad logp = policy_logp_of(l->t, &l->p, pi, D->a, D->index);
    const double *ratio = ad_value(ppo_ratio(logp, ad_input(l->t, D->logp_old, D->T, 1)));
    const double *kl = ad_value(ppo_penalised_kl(c, &l->p, ad_input(l->t, D->pi_old, D->T, D->m), pi));
    fprintf(out, "  ratio_t = pi/pi_old %9s %12s %10s %14s\n", "A_t", "ratio_t A_t", "KL", "beta KL");
    for (int k = 0; k < D->T; k++)
        fprintf(out, "%21.5f %9.5f %12.5f %10.6f %14.6f\n", ratio[k], D->A[k], ratio[k] * D->A[k], kl[k],
                beta * kl[k]);
    ad_reset(l->t, start);
    fprintf(out, "PPO-20   ratio_t A_t - beta KL(%s); L, its mean: %.5f, beta = %g\n",
            c->direction == PPO_OLD_NEW ? "pi_old||pi" : "pi||pi_old",
            ppo_penalty_measure(l->t, c, beta, &l->p, l->theta, D).L, beta);
}

static void explain_beta(FILE *out, const ppo_penalty_config *c, double beta, ppo_learner *l)
{
    ppo_penalty_measured m = ppo_penalty_measure(l->t, c, beta, &l->p, l->theta, l->D);
    fprintf(out, "         d = KL(pi_old||pi), mean over the batch: exact %.3g; from its actions k1 %.3g,"
            " k2 %.3g, k3 %.3g\n", m.kl_exact, m.kl_k1, m.kl_k2, m.kl_k3);
    if (c->adapt == PPO_ADAPT_TARGET)
        fprintf(out, "PPO-22   beta <- %g: delta/1.5 = %.3g, 1.5 delta = %.3g\n",
                ppo_beta_next(c, beta, m.kl_exact), c->delta_kl / 1.5, c->delta_kl * 1.5);
    if (c->adapt == PPO_ADAPT_BOUNDS)
        fprintf(out, "PPO-23   beta <- %g: KL_min = %g, KL_max = %g, factor %g\n",
                ppo_beta_next(c, beta, m.kl_exact), c->KL_min, c->KL_max, c->factor);
}

/* The update, printed on the way; theta and phi as they were before [n + nV] */
static void explain_update(FILE *out, const ppo_penalty_config *c, run *streams, ppo_learner *l,
                           double *before)
{
    actor *pi = actor_new(&l->p, l->theta);
    rollout *b = rollout_new(streams->env);
    run_act(streams, 0, (int)c->workers, (int)c->n_steps, pi, b);
    ppo_prepare(l, b, c->gamma, c->lambda);
    if (c->normalise == PPO_NORMALISE_BATCH) advantages_normalise(l->D->T, l->D->A);
    explained_samples(out, b, l->D, l->V_end, ppo_normalises[c->normalise]);
    memcpy(before, l->theta, (size_t)(l->p.n + network_n(&l->f)) * sizeof *before);
    ppo_penalty_epochs(c, c->beta, l, streams->update_rng);
    fprintf(out, "PPO-15   J = L - c1 L_VF + c2 S, c1 = %g, c2 = %g\n"
            "PPO-12   %ld steps of Adam along its gradient, alpha = %g, of V %g; after them, with A_t as"
            " above\n\n", c->c1, c->c2,
            l->step.t, c->lr, c->lr_V);
    explain_surrogate(out, c, c->beta, l);
    explain_beta(out, c, c->beta, l);
    rollout_free(b);
    actor_free(pi);
}

void ppo_penalty_explain(FILE *out, const void *config, uint64_t seed)
{
    ppo_penalty_config c = *(const ppo_penalty_config *)config;
    env *e = explained_env();
    c.hidden.layers = 0;
    c.workers = c.workers < EXPLAINED_WORKERS ? c.workers : EXPLAINED_WORKERS;
    c.n_steps = c.n_steps < EXPLAINED_STEPS ? c.n_steps : EXPLAINED_STEPS;
    c.minibatch = c.minibatch < c.workers * c.n_steps ? c.minibatch : c.workers * c.n_steps;
    ppo_penalty_check(&c);
    const policy p = ppo_penalty_policy(e, &c);
    run *streams = run_new("ppo_penalty", e, seed, 0);
    run_workers(streams, (int)c.workers);
    ppo_learner l = ppo_learner_new(&p, c.workers * c.n_steps, c.minibatch, c.adam_eps);
    double *before = allocate((size_t)(p.n + network_n(&l.f)), sizeof *before, "theta, phi");

    ppo_learner_init(&l, streams->init_rng);
    fprintf(out, "PPO with a penalty on the KL, its first update on %s (states 0 .. 4, then the end; 3 actions),"
            " seed %llu;\nN = %ld, T = %ld, K = %ld, M = %ld, no hidden layers, gamma = %g, lambda = %g\n", e->id,
            (unsigned long long)seed, c.workers, c.n_steps, c.epochs, c.minibatch, c.gamma, c.lambda);
    explain_update(out, &c, streams, &l, before);
    fprintf(out, "         the last g, theta and phi:\n\n");
    explained_theta(out, &p, l.g, before, l.theta);
    putc('\n', out);
    explained_V(out, "phi", network_n(&l.f), l.g + p.n, before + p.n, l.phi);

    free(before);
    ppo_learner_free(&l);
    run_free(streams);
    env_free(e);
}
