/* Training runs as experiments: see measured.h. */
#include "derivations/measured.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/random.h"
#include "autodiff/require.h"

env *measured_env(const char *id)
{
    char error[256];
    env *e = env_make(id, ENV_OWN_LIMIT, error, sizeof error);
    require(e, "%s", error);
    return e;
}

run *measured_run(env *e, void (*train)(run *, const void *), const void *config, uint64_t seed, long steps,
                    double until)
{
    run *r = run_new("derive", e, seed, steps);
    r->until = until;
    train(r, config);
    return r;
}

void measured_free(run *r)
{
    env *e = r->env;
    run_free(r);
    env_free(e);
}

void measured_logits(const mdp *M, const double *theta, double *z)
{
    int nSA = M->nS * M->nA;
    for (int i = 0; i < nSA; i++) z[i] = theta[i] + theta[nSA + i % M->nA];
}

exact *measured_exact(const mdp *M, const double *theta)
{
    char error[256];
    double *z = allocate((size_t)(M->nS * M->nA), sizeof *z, "logits");
    measured_logits(M, theta, z);
    exact *x = exact_new(M, M->gamma, z, error, sizeof error);
    require(x, "%s", error);
    free(z);
    return x;
}

double measured_J(const mdp *M, const double *theta)
{
    exact *x = measured_exact(M, theta);
    double J = x->J;
    exact_free(x);
    return J;
}

double measured_J_optimal(const mdp *M)
{
    char error[256];
    double *V = allocate((size_t)M->nS, sizeof *V, "values"), unit, J = 0;
    int *best = allocate((size_t)M->nS, sizeof *best, "actions");
    require(exact_optimal(M, M->gamma, V, best, &unit, error, sizeof error), "%s", error);
    for (int s = 0; s < M->nS; s++) J += M->mu0[s] * V[s];
    free(best);
    free(V);
    return J;
}

double measured_median(int n, const double *x)
{
    double *sorted = allocate((size_t)n, sizeof *sorted, "numbers to sort"), median;
    memcpy(sorted, x, (size_t)n * sizeof *x);
    gsl_sort(sorted, 1, (size_t)n);
    median = gsl_stats_median_from_sorted_data(sorted, 1, (size_t)n);
    free(sorted);
    return median;
}

interval measured_interval(int n, const double *x)
{
    require(n >= 6, "%d runs have no interval", n);
    int k = 1;
    while (2 * gsl_cdf_binomial_P((unsigned)k, 0.5, (unsigned)n) < 0.05) k++;
    double *sorted = allocate((size_t)n, sizeof *sorted, "numbers to sort");
    memcpy(sorted, x, (size_t)n * sizeof *x);
    gsl_sort(sorted, 1, (size_t)n);
    interval i = { sorted[k - 1], measured_median(n, x), sorted[n - k] };
    free(sorted);
    return i;
}

interval measured_bootstrap(int groups, int n, const double *x, statistic f, uint64_t seed)
{
    enum { SAMPLES = 1000, TAIL = SAMPLES / 40 };
    double *drawn = allocate((size_t)(groups * n), sizeof *drawn, "runs drawn anew"), value[SAMPLES];
    gsl_rng *rng = random_stream(seed, 0, RANDOM_TEST);
    for (int k = 0; k < SAMPLES; k++) {
        for (int i = 0; i < groups * n; i++) drawn[i] = x[i / n * n + (int)gsl_rng_uniform_int(rng, (unsigned)n)];
        value[k] = f(n, drawn);
    }
    gsl_sort(value, 1, SAMPLES);
    interval i = { value[TAIL - 1], f(n, x), value[SAMPLES - TAIL] };
    gsl_rng_free(rng);
    free(drawn);
    return i;
}
