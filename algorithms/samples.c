/* Samples for minibatches: see samples.h. */
#include "algorithms/samples.h"

#include <gsl/gsl_randist.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"

samples *samples_new(const policy *p, int room)
{
    samples *b = allocate(1, sizeof *b, "samples");
    *b = (samples){ .d = p->d, .k = p->k, .m = p->nA ? p->nA : 2 * p->k, .room = room };
    size_t T = (size_t)room, row = (size_t)(b->d + b->k + b->m + 4);
    b->s = allocate(T * row, sizeof *b->s, "samples");
    b->a = b->s + T * (size_t)b->d;
    b->pi_old = b->a + T * (size_t)b->k;
    b->logp_old = b->pi_old + T * (size_t)b->m;
    b->V_old = b->logp_old + T;
    b->A = b->V_old + T;
    b->R = b->A + T;
    if (p->nA) b->index = allocate(T, sizeof *b->index, "samples");
    return b;
}

void samples_free(samples *b)
{
    if (!b) return;
    free(b->s);
    free(b->index);
    free(b);
}

void samples_old(samples *b, ad_tape *t, const policy *p, const double *theta, const rollout *from)
{
    require(from->T <= b->room, "%d samples in room for %d", from->T, b->room);
    size_t T = (size_t)from->T;
    b->T = from->T;
    memcpy(b->s, from->s, T * (size_t)b->d * sizeof *b->s);
    memcpy(b->a, from->a, T * (size_t)b->k * sizeof *b->a);
    if (b->index) memcpy(b->index, from->index, T * sizeof *b->index);
    ad_mark start = ad_here(t);
    ad z = policy_parameters(p, ad_input(t, theta, p->n, 1), ad_input(t, b->s, b->T, b->d));       /* [T x m] */
    memcpy(b->pi_old, ad_value(z), T * (size_t)b->m * sizeof *b->pi_old);
    memcpy(b->logp_old, ad_value(policy_logp_of(t, p, z, b->a, b->index)), T * sizeof *b->logp_old);
    ad_reset(t, start);
}

static void row(double *to, const double *from, int n, int i, int j)           /* row i of `to` = row j of `from` */
{
    memcpy(to + (size_t)i * (size_t)n, from + (size_t)j * (size_t)n, (size_t)n * sizeof *to);
}

void samples_gather(samples *b, const samples *from, const int *which, int M)
{
    require(M <= b->room, "%d samples in room for %d", M, b->room);
    b->T = M;
    for (int i = 0; i < M; i++) {
        int j = which[i];
        row(b->s, from->s, b->d, i, j);
        row(b->a, from->a, b->k, i, j);
        row(b->pi_old, from->pi_old, b->m, i, j);
        if (b->index) b->index[i] = from->index[j];
        b->logp_old[i] = from->logp_old[j];
        b->V_old[i] = from->V_old[j];
        b->A[i] = from->A[j];
        b->R[i] = from->R[j];
    }
}

void samples_shuffle(gsl_rng *rng, int T, int *order)
{
    for (int i = 0; i < T; i++) order[i] = i;
    gsl_ran_shuffle(rng, order, (size_t)T, sizeof *order);
}
