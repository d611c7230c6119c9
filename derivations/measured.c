/* Training runs as experiments: see measured.h. */
#include "derivations/measured.h"

#include <float.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <stdlib.h>
#include <string.h>

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

int    measured_one(const setting *x)  { (void)x; return 1; }
int    measured_two(const setting *x)  { (void)x; return 2; }
double measured_unit(const setting *x) { (void)x; return 4 * DBL_EPSILON; }
