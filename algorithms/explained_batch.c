/* The first batch of a training run: see explained_batch.h. */
#include "algorithms/explained_batch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"

explained_batch explained_batch_of(const char *algorithm, uint64_t seed, int workers, int n_steps)
{
    require(workers <= EXPLAINED_WORKERS && n_steps <= EXPLAINED_STEPS, "%d x %d steps", workers, n_steps);
    explained_batch x = { .e = explained_env() };
    x.streams = run_new(algorithm, x.e, seed, 0);
    x.p = policy_of(x.e, 0, NULL, AD_LINEAR);
    x.f = critic_V(&x.p);
    size_t n = (size_t)x.p.n, nV = (size_t)network_n(&x.f);
    x.theta = allocate(3 * n + 3 * nV, sizeof *x.theta, "theta, phi");
    x.old = x.theta + n;
    x.g = x.old + n;
    x.phi = x.g + n;
    x.m = x.phi + nV;
    run_workers(x.streams, workers);
    x.pi = actor_new(&x.p, x.theta);
    x.b = rollout_new(x.e);
    x.t = ad_tape_new();

    policy_init(&x.p, x.streams->init_rng, x.theta);
    network_init_orthogonal(&x.f, sqrt(2), 1, x.streams->init_rng, x.phi);
    memcpy(x.old, x.theta, n * sizeof *x.old);
    run_act(x.streams, 0, workers, n_steps, x.pi, x.b);
    critic_bootstrap(x.t, &x.f, x.phi, x.b, x.V, x.V_end);
    return x;
}

void explained_batch_free(explained_batch *x)
{
    ad_tape_free(x->t);
    rollout_free(x->b);
    actor_free(x->pi);
    free(x->theta);
    run_free(x->streams);
    env_free(x->e);
}

void explained_batch_print(FILE *out, const char *title, const explained_batch *x, int workers, int n_steps,
                           const double *A, double gamma, double lambda, bool normalise)
{
    double logp[EXPLAINED_MOST];
    explained_logp(&x->p, x->theta, x->b, logp);
    fprintf(out, "%s, its first update on %s (states 0 .. 4, then the end; 3 actions), seed %llu;\n%d worker%s,"
            " %d step%s each, no hidden layers, gamma = %g, lambda = %g%s\n", title, x->e->id,
            (unsigned long long)x->streams->seed, workers, workers > 1 ? "s" : "", n_steps, n_steps > 1 ? "s" : "",
            gamma, lambda, normalise ? ", A_t normalised" : "");
    explained_segments(out, x->b, x->V, x->V_end, A, logp);
    fprintf(out, "\nPPO-17   A_t = delta_t + gamma lambda A_t+1, delta_t = r_t + gamma V(s_t+1) - V(s_t)%s\n",
            normalise ? "; then less their mean,\n         over (their standard deviation + 1e-8)" : "");
}

void explained_batch_fit(FILE *out, explained_batch *x, const double *R, double lr_V, long epochs, long M,
                         bool normalise)
{
    adam step_V = adam_of((size_t)network_n(&x->f), lr_V, x->m);
    double error = explained_V_error(x->t, &x->f, x->phi, x->b, R);
    critic_fit(x->t, &x->f, x->phi, &step_V, x->b->T, x->b->s, R, epochs, (int)M, x->streams->update_rng);
    fprintf(out, "\nphi: %ld steps of Adam on the mean of (V(s_t) - R_t)^2, R_t = A_t + V(s_t)%s,\n"
                 "     from %.5f to %.5f\n", step_V.t, normalise ? " as it was at first" : "", error,
            explained_V_error(x->t, &x->f, x->phi, x->b, R));
}
