/* Policy evaluation against LAPACK's dgesv on the finished matrix, and policy iteration. */
#include <lapacke.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"
#include "derivations/exact.h"
#include "tests/bench/bench.h"

typedef struct {
    mdp *M;
    int n;
    double *logits, *V;         /* [n x nA], [n] */
    double *B, *A, *x;          /* I - gamma P_pi [n x n], room for its factors, r_pi then V */
    double *b;
    lapack_int *pivot;
    int *policy;
} job;

static void evaluate(void *p)
{
    job *j = p;
    char error[256];
    if (!exact_V(j->M, j->M->gamma, j->logits, j->V, error, sizeof error)) bad_input("%s", error);
}

static void dgesv(void *p)                              /* on a copy, as it overwrites the matrix */
{
    job *j = p;
    memcpy(j->A, j->B, (size_t)j->n * (size_t)j->n * sizeof *j->A);
    memcpy(j->x, j->b, (size_t)j->n * sizeof *j->x);
    lapack_int info = LAPACKE_dgesv(LAPACK_COL_MAJOR, j->n, 1, j->A, j->n, j->pivot, j->x, j->n);
    require(info == 0, "dgesv: %d", (int)info);
}

static void optimise(void *p)
{
    job *j = p;
    char error[256];
    double unit;
    if (!exact_optimal(j->M, j->M->gamma, j->V, j->policy, &unit, error, sizeof error)) bad_input("%s", error);
}

static job *job_new(int n)
{
    char name[64], error[256];
    snprintf(name, sizeof name, "garnet:%d,4,10,1", n);
    job *j = allocate(1, sizeof *j, "a job");
    j->n = n;
    j->M = mdp_open(name, error, sizeof error);
    if (!j->M) bad_input("%s", error);
    size_t size = (size_t)n;
    j->logits = bench_numbers(size * (size_t)j->M->nA, 1);
    j->V = bench_numbers(size, 1);
    j->B = bench_numbers(size * size, 0);
    j->A = bench_numbers(size * size, 0);
    j->x = bench_numbers(size, 0);
    j->b = bench_numbers(size, 0);
    j->pivot = allocate(size, sizeof *j->pivot, "pivots");
    j->policy = allocate(size, sizeof *j->policy, "a policy");
    exact *x = exact_new(j->M, j->M->gamma, j->logits, error, sizeof error);
    if (!x) bad_input("%s", error);
    for (int s = 0; s < n; s++) {
        j->b[s] = x->r_pi[s];
        for (int s1 = 0; s1 < n; s1++) j->B[s1 * n + s] = (s == s1) - x->gamma * x->P_pi[s * n + s1];
    }
    exact_free(x);
    return j;
}

static void job_free(job *j)
{
    mdp_free(j->M);
    free(j->logits), free(j->V), free(j->B), free(j->A), free(j->x), free(j->b), free(j->pivot), free(j->policy);
    free(j);
}

void bench_exact(void)
{
    static const bench_contestant contestants[] = { { "V", evaluate }, { "dgesv", dgesv } };
    for (int n = 100; n <= 1000; n *= 10) {
        char name[64];
        snprintf(name, sizeof name, "policy evaluation, %d states", n);
        job *j = job_new(n);
        bench_row(name, "<= 1.1 dgesv", j, 2, contestants);
        if (n == 100)
            bench_row("policy iteration, 100 states, 4 actions", "<= 600", j, 1,
                      &(bench_contestant){ "optimal", optimise });
        job_free(j);
    }
}
