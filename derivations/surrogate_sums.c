/* Sums of advantages over states and actions: see surrogate_sums.h. */
#include "derivations/surrogate_sums.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/performance_difference.h"

double surrogate_unit(const setting *x) { return pair_unit(x->pi, x->pi1) * fmax(x->pi->k, x->pi1->k); }

const char *surrogate_no_ratio(const setting *x)
{
    for (int i = 0; i < x->pi->nSA; i++)
        if (!(x->pi1->pi[i] <= 1e100 * x->pi->pi[i])) return "pi never does what pi' does: there is no ratio";
    return NULL;
}

const char *surrogate_not_comparable(const setting *x)
{
    bool same = x->pi->n == x->pi1->n && x->pi->policy.kind == x->pi1->policy.kind;
    return same ? surrogate_no_ratio(x) : "pi and pi' have no difference: their parameters are not the same";
}

double state_gain(const exact *pi, const double *pi_new, int s)
{
    return linalg_dot(pi->nA, pi_new + s * pi->nA, pi->A + s * pi->nA);
}

double reweighted(const exact *pi, const double *pi_new, const double *beta, int s)
{
    double E = 0;
    for (int i = s * pi->nA; i < (s + 1) * pi->nA; i++)
        if (beta[i] > 0) E += beta[i] * (pi_new[i] / beta[i]) * pi->A[i];
    return E;
}

double visited_gain(const exact *pi, const double *pi_new)
{
    double sum = 0;
    for (int s = 0; s < pi->nS; s++) sum += exact_rho(pi, s) * state_gain(pi, pi_new, s);
    return sum;
}

double gain_over_time(const exact *pi, const double *pi_new, double *out)
{
    if (pi->nS > EXACT_MAX_TIME_SUM) return LEFT_OUT;
    double *f = allocate((size_t)pi->nS, sizeof *f, "a mean advantage");
    for (int s = 0; s < pi->nS; s++) f[s] = pi->absorbing[s] ? 0 : reweighted(pi, pi_new, pi->pi, s);
    *out = mean_over_time(pi, f);
    free(f);
    return 0;
}

ad gain_node(ad_tape *t, const exact *pi, ad theta)
{
    double *w = allocate((size_t)pi->nSA, sizeof *w, "weights");
    for (int i = 0; i < pi->nSA; i++) w[i] = exact_rho(pi, i / pi->nA) * pi->A[i];
    ad prob = ad_exp(ad_log_softmax(policy_logits(t, &pi->policy, theta)));             /* [nS x nA] */
    ad sum = ad_dot(ad_copy(t, w, pi->nS, pi->nA), prob);
    free(w);
    return sum;
}

double gain_at(const exact *pi, const double *theta)
{
    ad_tape *t = ad_tape_new();
    double value = ad_scalar(gain_node(t, pi, ad_input(t, theta, pi->n, 1)));
    ad_tape_free(t);
    return value;
}

void gain_gradient(const exact *pi, const double *theta, double *g)
{
    ad_tape *t = ad_tape_new();
    ad x = ad_input(t, theta, pi->n, 1);
    memcpy(g, ad_value(ad_grad(gain_node(t, pi, x), x)), (size_t)pi->n * sizeof *g);
    ad_tape_free(t);
}

void score_form(const exact *pi, const exact *pi_new, double *g)
{
    double *w = allocate((size_t)pi->nSA, sizeof *w, "a gradient in the logits");
    for (int s = 0; s < pi->nS; s++)
        for (int a = 0; a < pi->nA; a++)
            for (int b = 0; b < pi->nA; b++) {
                int i = s * pi->nA + a;
                double ratio = pi->pi[i] > 0 ? pi_new->pi[i] / pi->pi[i] : 0;
                double score = (a == b) - pi_new->pi[s * pi->nA + b];           /* d log pi~(a|s) / d z[s,b] */
                w[s * pi->nA + b] += exact_rho(pi, s) * pi->pi[i] * ratio * score * pi->A[i];
            }
    exact_chain(pi_new, w, g);
    free(w);
}

double *distribution(const exact *pi)
{
    if (pi->nS > EXACT_MAX_TIME_SUM) return NULL;
    double *d = allocate(2 * (size_t)pi->nS, sizeof *d, "a distribution"), *mu0 = d + pi->nS;
    for (int s = 0; s < pi->nS; s++) mu0[s] = pi->absorbing[s] ? 0 : pi->M->mu0[s];
    exact_sum_over_time(pi, true, mu0, d);
    for (int s = 0; s < pi->nS; s++) d[s] *= 1 - pi->gamma;
    return d;
}

void drawn(int n, const double *p, double *part)
{
    double sum = 0, before = 0;
    for (int i = 0; i < n; i++) {
        sum += p[i];
        double until = floor(DRAWS * sum + 0.5);
        part[i] = (until - before) / DRAWS;
        before = until;
    }
}
