/* The best policy of a trust region, and the dual that says that none is better: see trust_region.h. */
#include "derivations/trust_region.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"
#include "derivations/kl_over_states.h"

/* ---- the exact optimum ---- */

double region_best(const exact *pi, int s)
{
    double top = -INFINITY;
    for (int i = s * pi->nA; i < (s + 1) * pi->nA; i++) top = fmax(top, pi->A[i]);
    return top;
}

/* max_p p^T A - eta KL(pi || p) in state s: stationary where A + eta pi/p = nu, so p = pi / r with r = (nu -
 * A) / eta, and nu > max A such that p sums to 1. In y = (nu - max A) / eta: Newton's method on 1 / sum_a
 * pi/r = 1, whose left side is concave and rises, so that no step from the left goes too far. p [nA]. Returns
 * KL(pi || p). */
static double state_optimum(const exact *pi, int s, double eta, double *p)
{
    const double *A = pi->A + s * pi->nA, *pi_s = pi->pi + s * pi->nA;
    double top = region_best(pi, s), y = 0, kl = 0;
    for (int a = 0; a < pi->nA; a++)
        if (A[a] == top) y += pi_s[a];
    for (int k = 0; k < 100; k++) {
        double sum = 0, slope = 0;
        for (int a = 0; a < pi->nA; a++) {
            double r = y + (top - A[a]) / eta;
            sum += pi_s[a] / r;
            slope += pi_s[a] / (r * r);
        }
        double step = (sum - 1) * sum / slope;
        if (!(y + step > y)) break;
        y += step;
    }
    for (int a = 0; a < pi->nA; a++) {
        double r = y + (top - A[a]) / eta;
        p[a] = pi_s[a] / r;
        kl += pi_s[a] * log(r);
    }
    return kl;
}

double region_spread(const exact *pi, const double *w, int first, int end)
{
    double spread = 0;
    for (int s = first; s < end; s++)
        for (int a = 0; a < pi->nA && w[s] > 0; a++)
            spread = fmax(spread, region_best(pi, s) - pi->A[s * pi->nA + a]);
    return spread;
}

static double mean_kl_at(const exact *pi, const double *w, int first, int end, double eta, double *p)
{
    double kl = 0;
    for (int s = first; s < end; s++)
        if (w[s] > 0) kl += w[s] * state_optimum(pi, s, eta, p + s * pi->nA);
    return kl;
}

/* The eta at which sum_s w(s) KL_s over first <= s < end is delta: the KL falls as eta grows. 0 where nothing
 * can be gained; where the KL of no eta > 0 is delta, the least of them. p: rows of these states. */
static double eta_of(const exact *pi, const double *w, int first, int end, double delta, double *p)
{
    double low, high = region_spread(pi, w, first, end);
    if (high == 0) return 0;
    while (mean_kl_at(pi, w, first, end, high, p) > delta) high *= 2;
    for (low = high; mean_kl_at(pi, w, first, end, low, p) <= delta; low /= 2) high = low;
    for (int k = 0; k < 60; k++) {
        double eta = (low + high) / 2;
        if (mean_kl_at(pi, w, first, end, eta, p) <= delta) high = eta;
        else                                                low = eta;
    }
    mean_kl_at(pi, w, first, end, high, p);
    return high;
}

double region_gain(const exact *pi, const double *p)
{
    double gain = 0, all = visited(pi);
    for (int i = 0; i < pi->nSA; i++) gain += pi->d[i / pi->nA] / all * p[i] * pi->A[i];
    return gain;
}

double *region_weights(const exact *pi)
{
    double *w = allocate((size_t)pi->nS, sizeof *w, "weights"), all = visited(pi);
    for (int s = 0; s < pi->nS; s++) w[s] = pi->d[s] / all;
    return w;
}

/* TRPO-10   max_p E_s[sum_a p(a|s) A(s,a)]  subject to  E_s[KL(pi(.|s) || p(.|s))] <= delta */
region_optimum trust_region_mean(const exact *pi, double delta, double *p)
{
    double *w = region_weights(pi);
    memcpy(p, pi->pi, (size_t)pi->nSA * sizeof *p);
    double eta = eta_of(pi, w, 0, pi->nS, delta, p);
    free(w);
    return (region_optimum){ region_gain(pi, p), eta };
}

/* TRPO-8   max_p L(p)  subject to  max_s KL(pi(.|s) || p(.|s)) <= delta: each state for itself */
region_optimum trust_region_max(const exact *pi, double delta, double *p)
{
    double eta = 0, *one = allocate((size_t)pi->nS, sizeof *one, "weights");
    memcpy(p, pi->pi, (size_t)pi->nSA * sizeof *p);
    for (int s = 0; s < pi->nS; s++) {
        one[s] = pi->d[s] > 0;
        eta += pi->d[s] / visited(pi) * eta_of(pi, one, s, s + 1, delta, p);
    }
    free(one);
    return (region_optimum){ region_gain(pi, p), eta };
}

/* ---- its dual: for every eta > 0 and nu, U = eta delta + E_s[nu - eta - eta sum_a pi log((nu - A) / eta)]
 * is at least what any policy of the region gains. Minimised by looking, without a derivative. ---- */

double region_least(region_function f, void *context, double low, double high)
{
    const double golden = (sqrt(5) - 1) / 2;
    double x = high - golden * (high - low), y = low + golden * (high - low);
    double fx = f(x, context), fy = f(y, context);
    for (int k = 0; k < 64; k++)
        if (fx < fy) {
            high = y, y = x, fy = fx;
            x = high - golden * (high - low), fx = f(x, context);
        } else {
            low = x, x = y, fx = fy;
            y = low + golden * (high - low), fy = f(y, context);
        }
    return fmin(fx, fy);
}

typedef struct { const exact *pi; const double *w; int first, end, s; double delta, eta; } dual;

static double dual_of_state(double y, void *context)            /* nu = max A + eta y */
{
    const dual *D = context;
    const exact *pi = D->pi;
    double top = region_best(pi, D->s), sum = 0;
    for (int i = D->s * pi->nA; i < (D->s + 1) * pi->nA; i++)
        sum += pi->pi[i] * log(y + (top - pi->A[i]) / D->eta);
    return top + D->eta * (y - 1 - sum);
}

static double dual_of_eta(double log_eta, void *context)
{
    dual *D = context;
    D->eta = exp(log_eta);
    double U = D->eta * D->delta;
    for (D->s = D->first; D->s < D->end; D->s++) {
        double least_pi = 1;                                    /* 1 / sum pi/r = 1: y is at least the best's pi */
        for (int i = D->s * D->pi->nA; i < (D->s + 1) * D->pi->nA; i++) least_pi = fmin(least_pi, D->pi->pi[i]);
        if (D->w[D->s] > 0) U += D->w[D->s] * region_least(dual_of_state, D, least_pi, 1);
    }
    return U;
}

double region_dual(const exact *pi, const double *w, int first, int end, double delta)
{
    dual D = { pi, w, first, end, first, delta, 0 };
    double spread = region_spread(pi, w, first, end), most = 0;
    for (int s = first; s < end; s++) most += w[s] * region_best(pi, s);
    return spread > 0 ? region_least(dual_of_eta, &D, log(spread) - 70, log(spread) + 7) : most;
}
