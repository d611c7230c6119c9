/* All states and actions as a batch: see exact_batch.h. */
#include "derivations/exact_batch.h"

#include <stdlib.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/kl_over_states.h"

exact_batch exact_batch_new(const exact *x)
{
    exact_batch y = { rollout_shaped(x->nS, 1, true), allocate((size_t)x->nSA, sizeof *y.A, "advantages"),
                      allocate((size_t)x->nSA, sizeof *y.w, "weights") };
    double *one = allocate((size_t)x->nS, sizeof *one, "an observation");
    for (int s = 0; s < x->nS; s++) {
        one[s] = 1;
        for (int a = 0; a < x->nA; a++) {
            double w = x->absorbing[s] ? 0 : x->d[s] * x->pi[s * x->nA + a];
            if (!(w > 0)) continue;
            y.A[y.b->T] = x->A[s * x->nA + a];
            y.w[y.b->T] = w;
            rollout_add(y.b, one, &(double){ a }, 0);
        }
        one[s] = 0;
    }
    rollout_end(y.b, one, true, true, false);
    free(one);
    return y;
}

void exact_batch_free(exact_batch *y)
{
    rollout_free(y->b);
    free(y->A);
    free(y->w);
}

policy exact_batch_policy(const exact *x)
{
    policy p = { .nA = x->nA, .d = x->nS, .k = 1 };
    p.f = (network){ .layers = 1, .size = { x->nS, x->nA }, .hidden = AD_LINEAR };
    p.n = network_n(&p.f);
    return p;
}

full_batch full_batch_new(const exact *pi)
{
    full_batch B = { .b = agent_new(&pi->policy, pi->theta, 1) };
    B.A = allocate(2 * (size_t)pi->nSA, sizeof *B.A, "a batch");
    B.w = B.A + pi->nSA;
    B.scale = linalg_max_abs(pi->nSA, pi->A);
    double all = visited(pi);
    for (int i = 0; i < pi->nSA; i++) {
        int s = i / pi->nA, k = B.b->tau->T;
        if (pi->d[s] <= 0) continue;
        B.A[k] = pi->A[i] / B.scale;
        B.w[k] = pi->d[s] * pi->pi[i] / all;
        rollout_add(B.b->tau, agent_observation(B.b, s), &(double){ i % pi->nA }, 0);
    }
    return B;
}

void full_batch_free(full_batch *B)
{
    free(B->A);
    agent_free(B->b);
}
