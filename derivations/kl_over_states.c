/* Mean and greatest KL over the decision states: see kl_over_states.h. */
#include "derivations/kl_over_states.h"

#include <math.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/kl_bounds.h"

double visited(const exact *pi)
{
    double sum = 0;
    for (int s = 0; s < pi->nS; s++) sum += pi->d[s];
    return sum;
}

double kl_of_state(const exact *pi, int s, const double *logp, const double *logq)
{
    return pi->absorbing[s] ? 0 : kl_divergence(pi->nA, logp + s * pi->nA, logq + s * pi->nA);
}

double kl_mean(const exact *pi, const double *logp, const double *logq)
{
    double sum = 0;
    for (int s = 0; s < pi->nS; s++)
        if (pi->d[s] > 0) sum += pi->d[s] * kl_of_state(pi, s, logp, logq);
    return sum / visited(pi);
}

double kl_max(const exact *pi, const double *logp, const double *logq)
{
    double most = 0;
    for (int s = 0; s < pi->nS; s++) most = linalg_greater(most, kl_of_state(pi, s, logp, logq));
    return most;
}

double *kl_table(const exact *pi, const double *p)
{
    double *logp = allocate((size_t)pi->nSA, sizeof *logp, "log-probabilities");
    for (int i = 0; i < pi->nSA; i++) logp[i] = log(p[i]);
    return logp;
}
