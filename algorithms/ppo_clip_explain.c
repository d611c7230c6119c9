/* What `ascent explain ppo_clip` prints: one update of ppo_clip.c, with its numbers, the first of a
 * training run from that seed. */
#include "algorithms/ppo_clip.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/explained.h"
#include "algorithms/gae.h"
#include "autodiff/require.h"

enum { EXPLAINED_WORKERS = 2, EXPLAINED_STEPS = 4 };

/* The ratio and the two products of each sample, and their mean */
static void explain_surrogate(FILE *out, const ppo_clip_config *c, ppo_learner *l)
{
    static const char *const line[] = { "PPO-2    min of both", "PPO-4    min of ratio_t A_t and g(eps, A_t)",
                                        "PPO-1    ratio_t A_t, not clipped" };
    const samples *D = l->D;
    ad_mark start = ad_here(l->t);
    ad pi = policy_parameters(&l->p, ad_input(l->t, l->theta, l->p.n, 1), ad_input(l->t, D->s, D->T, D->d));
    ad logp = policy_logp_of(l->t, &l->p, pi, D->a, D->index);
    const double *ratio = ad_value(ppo_ratio(logp, ad_input(l->t, D->logp_old, D->T, 1)));
    fprintf(out, "  ratio_t = pi/pi_old %9s %12s %18s\n", "A_t", "ratio_t A_t", "clip(ratio_t) A_t");
    for (int k = 0; k < D->T; k++)
        fprintf(out, "%21.5f %9.5f %12.5f %18.5f\n", ratio[k], D->A[k], ratio[k] * D->A[k],
                fmin(fmax(ratio[k], 1 - c->eps), 1 + c->eps) * D->A[k]);
    ad_reset(l->t, start);
    fprintf(out, "%s; L, its mean: %.5f, eps = %g\n", line[c->objective],
            ppo_measure(l->t, c, &l->p, l->theta, D).L, c->eps);
}

static void explain_kl(FILE *out, const ppo_clip_config *c, ppo_learner *l, long done)
{
    ppo_measured m = ppo_measure(l->t, c, &l->p, l->theta, l->D);
    fprintf(out, "PPO-11   KL(pi_old||pi), mean over the batch: exact %.3g; from its actions k1 %.3g,"
            " k2 %.3g, k3 %.3g\n", m.kl_exact, m.kl_k1, m.kl_k2, m.kl_k3);
    if (c->target_kl > 0)
        fprintf(out, "         %ld of %ld epochs, the limit 1.5 target_kl = %g looked at after each\n", done,
                c->epochs, 1.5 * c->target_kl);
}

/* The update, printed on the way; theta and phi as they were before [n + nV] */
static void explain_update(FILE *out, const ppo_clip_config *c, run *streams, ppo_learner *l, double *before)
{
    actor *pi = actor_new(&l->p, l->theta);
    rollout *b = rollout_new(streams->env);
    run_act(streams, 0, (int)c->workers, (int)c->n_steps, pi, b);
    ppo_prepare(l, b, c->gamma, c->lambda);
    if (c->normalise == PPO_NORMALISE_BATCH) advantages_normalise(l->D->T, l->D->A);
    explained_samples(out, b, l->D, l->V_end, ppo_normalises[c->normalise]);
    memcpy(before, l->theta, (size_t)(l->p.n + network_n(&l->f)) * sizeof *before);
    long done = ppo_clip_epochs(c, l, streams->update_rng);
    fprintf(out, "PPO-15   J = L - c1 L_VF + c2 S, c1 = %g, c2 = %g\n"
            "PPO-12   %ld steps of Adam along its gradient, alpha = %g, of V %g; after them, with A_t as"
            " above\n\n", c->c1, c->c2,
            l->step.t, c->lr, c->lr_V);
    explain_surrogate(out, c, l);
    explain_kl(out, c, l, done);
    rollout_free(b);
    actor_free(pi);
}

void ppo_clip_explain(FILE *out, const void *config, uint64_t seed)
{
    ppo_clip_config c = *(const ppo_clip_config *)config;
    env *e = explained_env();
    c.hidden.layers = 0;
    c.workers = c.workers < EXPLAINED_WORKERS ? c.workers : EXPLAINED_WORKERS;
    c.n_steps = c.n_steps < EXPLAINED_STEPS ? c.n_steps : EXPLAINED_STEPS;
    c.minibatch = c.minibatch < c.workers * c.n_steps ? c.minibatch : c.workers * c.n_steps;
    ppo_clip_check(&c);
    const policy p = ppo_clip_policy(e, &c);
    run *streams = run_new("ppo_clip", e, seed, 0);
    run_workers(streams, (int)c.workers);
    ppo_learner l = ppo_learner_new(&p, c.workers * c.n_steps, c.minibatch, c.adam_eps);
    double *before = allocate((size_t)(p.n + network_n(&l.f)), sizeof *before, "theta, phi");

    ppo_learner_init(&l, streams->init_rng);
    fprintf(out, "PPO, its first update on %s (states 0 .. 4, then the end; 3 actions), seed %llu;\n"
            "N = %ld, T = %ld, K = %ld, M = %ld, no hidden layers, gamma = %g, lambda = %g\n", e->id,
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
