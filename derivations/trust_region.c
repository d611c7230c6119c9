/* The trust region as a constrained optimisation: what TRPO's step is an approximation of. 001 (l.339-552),
 * 002 (l.259-276, images TRPO14-19, PPO2), 004 (l.390-484), 000 eq (14)-(16); Schulman et al. 2015. */
#include "derivations/trust_region.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_randist.h>

#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/fisher.h"
#include "derivations/performance_difference.h"

/* ---- the exact optimum ---- */

static double greatest_advantage(const exact *pi, int s)
{
    double top = -INFINITY;
    for (int i = s * pi->nA; i < (s + 1) * pi->nA; i++) top = fmax(top, pi->A[i]);
    return top;
}

/* max_p p^T A - eta KL(pi || p) in state s: stationary where A + eta pi/p = nu, so p = pi / r with r = (nu - A) / eta,
 * and nu > max A such that p sums to 1. In y = (nu - max A) / eta: Newton's method on 1 / sum_a pi/r = 1, whose left
 * side is concave and rises, so that no step from the left goes too far. p [nA]. Returns KL(pi || p). */
static double state_optimum(const exact *pi, int s, double eta, double *p)
{
    const double *A = pi->A + s * pi->nA, *pi_s = pi->pi + s * pi->nA;
    double top = greatest_advantage(pi, s), y = 0, kl = 0;
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

/* max_s (max_a A - min_a A) where w(s) > 0 */
static double greatest_spread(const exact *pi, const double *w, int first, int end)
{
    double spread = 0;
    for (int s = first; s < end; s++)
        for (int a = 0; a < pi->nA && w[s] > 0; a++)
            spread = fmax(spread, greatest_advantage(pi, s) - pi->A[s * pi->nA + a]);
    return spread;
}

static double mean_kl_at(const exact *pi, const double *w, int first, int end, double eta, double *p)
{
    double kl = 0;
    for (int s = first; s < end; s++)
        if (w[s] > 0) kl += w[s] * state_optimum(pi, s, eta, p + s * pi->nA);
    return kl;
}

/* The eta at which sum_s w(s) KL_s over first <= s < end is delta: the KL falls as eta grows. 0 where nothing can be
 * gained. p: rows of these states. */
static double eta_of(const exact *pi, const double *w, int first, int end, double delta, double *p)
{
    double low, high = greatest_spread(pi, w, first, end);
    if (high == 0) return 0;
    while (mean_kl_at(pi, w, first, end, high, p) > delta) high *= 2;
    for (low = high; mean_kl_at(pi, w, first, end, low, p) <= delta;) low /= 2;
    for (int k = 0; k < 60; k++) {
        double eta = (low + high) / 2;
        if (mean_kl_at(pi, w, first, end, eta, p) > delta) low = eta;
        else                                               high = eta;
    }
    mean_kl_at(pi, w, first, end, high, p);
    return high;
}

/* E_{s~d}[ sum_a p(a|s) A(s,a) ] */
static double gain_of(const exact *pi, const double *p)
{
    double gain = 0;
    for (int i = 0; i < pi->nSA; i++) gain += pi->d[i / pi->nA] * p[i] * pi->A[i];
    return gain;
}

/* TRPO-10   max_p E_{s~d}[sum_a p(a|s) A(s,a)]  subject to  E_{s~d}[KL(pi(.|s) || p(.|s))] <= delta */
region_optimum trust_region_mean(const exact *pi, double delta, double *p)
{
    memcpy(p, pi->pi, (size_t)pi->nSA * sizeof *p);
    double eta = eta_of(pi, pi->d, 0, pi->nS, delta, p);
    return (region_optimum){ gain_of(pi, p), eta };
}

/* TRPO-8   max_p L(p)  subject to  max_s KL(pi(.|s) || p(.|s)) <= delta: each state for itself */
region_optimum trust_region_max(const exact *pi, double delta, double *p)
{
    double eta = 0, *one = allocate((size_t)pi->nS, sizeof *one, "weights");
    memcpy(p, pi->pi, (size_t)pi->nSA * sizeof *p);
    for (int s = 0; s < pi->nS; s++) {
        one[s] = pi->d[s] > 0;
        eta += pi->d[s] * eta_of(pi, one, s, s + 1, delta, p);
    }
    free(one);
    return (region_optimum){ gain_of(pi, p), eta };
}

/* ---- its dual: for every eta > 0 and nu, U = eta delta + E_s[nu - eta - eta sum_a pi log((nu - A) / eta)] is at least
 * what any policy of the region gains. Minimised by looking, without a derivative. ---- */

typedef double (*function)(double x, void *context);

/* min f over [low, high] by golden sections; f falls, then rises */
static double least(function f, void *context, double low, double high)
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
    double top = greatest_advantage(pi, D->s), sum = 0;
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
        if (D->w[D->s] > 0) U += D->w[D->s] * least(dual_of_state, D, least_pi, 1);
    }
    return U;
}

enum { DUAL_MAX = 256 };        /* pairs (s,a): minima within a minimum take time */

static double least_dual(const exact *pi, const double *w, int first, int end, double delta)
{
    dual D = { pi, w, first, end, first, delta, 0 };
    double spread = greatest_spread(pi, w, first, end);
    return spread > 0 ? least(dual_of_eta, &D, log(spread) - 70, log(spread) + 7) : 0;
}

/* ---- steps in theta ---- */

static void log_policy_at(const exact *pi, const double *v, double t, double *logp)
{
    double *theta = allocate((size_t)pi->n, sizeof *theta, "theta");
    for (int i = 0; i < pi->n; i++) theta[i] = pi->theta[i] + t * v[i];
    policy_logits_at(&pi->policy, theta, logp);
    for (int s = 0; s < pi->nS; s++) {
        double *z = logp + s * pi->nA, top = -INFINITY, sum = 0;
        for (int a = 0; a < pi->nA; a++) top = fmax(top, z[a]);
        for (int a = 0; a < pi->nA; a++) sum += exp(z[a] - top);
        for (int a = 0; a < pi->nA; a++) z[a] -= top + log(sum);
    }
    free(theta);
}

region_step step_along(const exact *pi, const double *v, double t)
{
    region_step step = { 0 };
    double *logp = allocate((size_t)pi->nSA, sizeof *logp, "a policy");
    log_policy_at(pi, v, t, logp);
    for (int s = 0; s < pi->nS; s++) {
        double kl = 0, reversed = 0, gain = 0;
        for (int i = s * pi->nA; i < (s + 1) * pi->nA && !pi->absorbing[s]; i++) {
            kl += pi->pi[i] * (pi->logpi[i] - logp[i]);
            reversed += exp(logp[i]) * (logp[i] - pi->logpi[i]);
            gain += exp(logp[i]) * pi->A[i];
        }
        step.kl += pi->d[s] * kl;
        step.kl_reversed += pi->d[s] * reversed;
        step.kl_max = fmax(step.kl_max, kl);
        step.gain += pi->d[s] * gain;
    }
    free(logp);
    return step;
}

double step_length(const exact *pi, const double *v, bool greatest, double delta)
{
    double low = 0, high = 0x1p-20;
    for (;; low = high, high *= 2) {
        region_step step = step_along(pi, v, high);
        if ((greatest ? step.kl_max : step.kl) > delta) break;
        if (high > 0x1p20) return INFINITY;
    }
    for (int k = 0; k < 60; k++) {
        double t = (low + high) / 2;
        region_step step = step_along(pi, v, t);
        if ((greatest ? step.kl_max : step.kl) > delta) high = t;
        else                                            low = t;
    }
    return low;
}

void natural_step(const setting *x, double delta, double *v)
{
    for (int i = 0; i < x->pi->n; i++) v[i] = sqrt(2 * delta) * (x->x[i] / x->x_F);    /* x_F^2 = g^T F^+ g */
}


/* ---- units and where the lines apply ---- */

static const double delta = 0.01;

static int one(const setting *x)     { (void)x; return 1; }
static int two(const setting *x)     { (void)x; return 2; }
static int n_theta(const setting *x) { return x->pi->n; }

static const char *no_direction(const setting *x)
{
    return natural_gradient_none(x->pi, x->spectrum, x->g, x->x_F);
}

/* Where pi(best|s) = 1 - tiny, all of the rest is worth less than delta, and the optimum takes it: p(a|s) underflows. */
static const char *no_optimum(const setting *x)
{
    if (no_direction(x)) return no_direction(x);
    double *p = allocate((size_t)x->pi->nSA, sizeof *p, "a policy"), least_p = 1;
    trust_region_max(x->pi, delta, p);
    for (int i = 0; i < x->pi->nSA; i++) least_p = fmin(least_p, p[i]);
    trust_region_mean(x->pi, delta, p);
    for (int i = 0; i < x->pi->nSA; i++) least_p = fmin(least_p, p[i]);
    free(p);
    return least_p < 1e-100 ? "the optimum never does some action" : NULL;
}

static bool too_many_pairs(const setting *x) { return x->pi->nSA > DUAL_MAX; }

/* u N max|A| / sqrt(2 delta): eta is that large, and the dual subtracts two sums of its size. */
static double unit_gain(const setting *x)
{
    double A_max = linalg_max_abs(x->pi->nSA, x->pi->A);
    return DBL_EPSILON * fmax(x->pi->nS, 4) * fmax(A_max, DBL_MIN) / sqrt(2 * delta);
}

static double *new_table(const exact *pi) { return allocate((size_t)pi->nSA, sizeof(double), "a policy"); }
static double *new_step(const setting *x) { return allocate((size_t)x->pi->n, sizeof(double), "a step"); }

/* ---- TRPO-10: the mean KL ---- */

static double optimum_mean(const setting *x, double *out)
{
    double *p = new_table(x->pi);
    *out = trust_region_mean(x->pi, delta, p).gain;
    free(p);
    return 0;
}

static double dual_mean(const setting *x, double *out)
{
    if (too_many_pairs(x)) return -1;
    *out = least_dual(x->pi, x->pi->d, 0, x->pi->nS, delta);
    return 0;
}

/* KKT: A + eta pi/p = nu, the same for all a. Then sum_a p A = nu - eta; and nu = E_pi[A] + eta E_pi[pi/p]. */
static double by_kkt(const setting *x, double *out)
{
    const exact *pi = x->pi;
    double *p = new_table(pi), eta = trust_region_mean(pi, delta, p).eta;
    *out = -eta;
    for (int i = 0; i < pi->nSA; i++)
        *out += pi->d[i / pi->nA] * pi->pi[i] * (pi->A[i] + eta * (pi->pi[i] / p[i]));
    free(p);
    return 0;
}

static double gain_along(const setting *x, const double *v)     /* as far as the KL lets */
{
    return step_along(x->pi, v, step_length(x->pi, v, false, delta)).gain;
}

static double gain_natural(const setting *x, double *out)
{
    double *v = new_step(x);
    natural_step(x, delta, v);
    *out = gain_along(x, v);
    free(v);
    return 0;
}

static double gain_gradient(const setting *x, double *out)
{
    double *v = new_step(x), norm = linalg_norm2(x->pi->n, x->g);
    for (int i = 0; i < x->pi->n; i++) v[i] = x->g[i] / norm;
    *out = gain_along(x, v);
    free(v);
    return 0;
}

/* TRPO-10's linear model at the natural step: g^T v = sqrt(2 delta g^T F^+ g), g = fisher_scale grad J */
static double gain_predicted(const setting *x, double *out)
{
    *out = sqrt(2 * delta) * x->x_F * x->pi->fisher_scale;
    return 0;
}

/* ---- TRPO-8: the greatest KL ---- */

static double optimum_max(const setting *x, double *out)
{
    double *p = new_table(x->pi);
    *out = trust_region_max(x->pi, delta, p).gain;
    free(p);
    return 0;
}

static double dual_max(const setting *x, double *out)
{
    const exact *pi = x->pi;
    if (too_many_pairs(x)) return -1;
    *out = 0;
    for (int s = 0; s < pi->nS; s++) *out += least_dual(pi, pi->d, s, s + 1, pi->d[s] * delta);
    return 0;
}

/* The penalty that leads to the same region: C = what more KL is worth, sum_s d(s) eta_s. The greatest KL that
 * max_p L(p) - C max_s KL_s takes is delta. */
typedef struct { const exact *pi; double C, *p; } penalised;

static double minus_penalised(double log_kl, void *context)
{
    const penalised *P = context;
    return P->C * exp(log_kl) - trust_region_max(P->pi, exp(log_kl), P->p).gain;
}

static double optimum_penalised(const setting *x, double *out)
{
    double *p = new_table(x->pi);
    penalised P = { x->pi, trust_region_max(x->pi, delta, p).eta, p };
    if (!too_many_pairs(x)) *out = P.C * delta - least(minus_penalised, &P, log(delta) - 3, log(delta) + 3);
    free(p);
    return too_many_pairs(x) ? -1 : 0;
}

/* ---- TRPO-9: the mean of the KL over states ---- */

static const char *not_comparable(const setting *x)
{
    for (int s = 0; s < x->pi->nS; s++)
        if (x->pi->d[s] > 0) return x->pi->nSA == x->pi1->nSA ? NULL : "pi and pi' are not comparable";
    return "nowhere to be";
}

/* u sum d max(1, |log pi|) for each logarithm */
static double unit_kl(const setting *x)
{
    double log_max = fmax(linalg_max_abs(x->pi->nSA, x->pi->logpi), linalg_max_abs(x->pi->nSA, x->pi1->logpi));
    return DBL_EPSILON * fmax(x->pi->nS, 4) * fmax(1, log_max);
}

static double kl_of_state(const exact *p, const exact *q, int s)
{
    double kl = 0;
    for (int i = s * p->nA; i < (s + 1) * p->nA && !p->absorbing[s]; i++)
        if (p->pi[i] > 0) kl += p->pi[i] * (p->logpi[i] - q->logpi[i]);
    return kl;
}

/* TRPO-9   E_{s~rho}[ KL(pi(.|s) || pi'(.|s)) ], rho normalised */
static double kl_mean(const setting *x, double *out)
{
    *out = 0;
    for (int s = 0; s < x->pi->nS; s++) *out += x->pi->d[s] * kl_of_state(x->pi, x->pi1, s);
    return 0;
}

/* Over time: (1-gamma) sum_t gamma^t E_{s_t ~ pi}[KL_s_t] */
static double kl_over_time(const setting *x, double *out)
{
    const exact *pi = x->pi;
    if (pi->nS > EXACT_MAX_TIME_SUM) return -1;
    double *f = allocate(2 * (size_t)pi->nS, sizeof *f, "sums over time"), *sum = f + pi->nS;
    for (int s = 0; s < pi->nS; s++) f[s] = kl_of_state(pi, x->pi1, s);
    exact_sum_over_time(pi, false, f, sum);
    *out = pi->fisher_scale * linalg_dot(pi->nS, pi->M->mu0, sum);
    double room = 10 * pi->fisher_scale * pi->unit_rho * linalg_max_abs(pi->nS, f);
    free(f);
    return room;
}

static double kl_max(const setting *x, double *out)
{
    *out = 0;
    for (int s = 0; s < x->pi->nS; s++) *out = fmax(*out, kl_of_state(x->pi, x->pi1, s));
    return 0;
}

static double kl_reversed(const setting *x, double *out)
{
    *out = 0;
    for (int s = 0; s < x->pi->nS; s++) *out += x->pi->d[s] * kl_of_state(x->pi1, x->pi, s);
    return 0;
}

/* ---- TRPO-12, PPO-19: the same problem with visits for probabilities, and as a mean over time ---- */

/* c = 1-gamma: unit_gain, and the rounding of rho for that of d */
static double unit_sum(const setting *x)
{
    const exact *pi = x->pi;
    double A_max = linalg_max_abs(pi->nSA, pi->A);
    return unit_gain(x) / pi->fisher_scale + pi->unit_rho * A_max + pi->unit_V;
}

/* The policy p as one of logits log p; NULL when that does not end */
static exact *solved(const exact *pi, const double *p)
{
    char error[256];
    double *z = new_table(pi);
    for (int i = 0; i < pi->nSA; i++) z[i] = log(p[i]);
    exact *x = exact_new(pi->M, pi->gamma, z, error, sizeof error);
    free(z);
    return x;
}

/* TRPO-12   max_p sum_s rho(s) sum_a p(a|s) A(s,a)  subject to  E_s[KL_s] <= delta */
static double sum_of_visits(const setting *x, double *out)
{
    const exact *pi = x->pi;
    double *p = new_table(pi);
    trust_region_mean(pi, delta, p);
    *out = 0;
    for (int i = 0; i < pi->nSA; i++) *out += exact_rho(pi, i / pi->nA) * p[i] * pi->A[i];
    free(p);
    return 0;
}

static double scaled_dual(const setting *x, double *out)
{
    if (dual_mean(x, out) < 0) return -1;
    *out /= x->pi->fisher_scale;
    return 0;
}

static double surrogate_less_J(const setting *x, double *out)
{
    double *p = new_table(x->pi);
    trust_region_mean(x->pi, delta, p);
    exact *pi1 = solved(x->pi, p);
    free(p);
    if (!pi1) return -1;
    *out = compare_policies(x->pi, pi1).surrogate - x->pi->J;
    exact_free(pi1);
    return 0;
}

/* 001's region, KL(p || pi) <= delta: there the best policy is pi exp(A/eta) / Z. p [nS x nA], beta = 1/eta */
static double reversed_at(const exact *pi, double beta, double *p)
{
    double kl = 0;
    for (int s = 0; s < pi->nS; s++) {
        double Z = 0, E = 0, top = greatest_advantage(pi, s);
        for (int i = s * pi->nA; i < (s + 1) * pi->nA; i++) Z += p[i] = pi->pi[i] * exp(beta * (pi->A[i] - top));
        for (int i = s * pi->nA; i < (s + 1) * pi->nA; i++) E += (p[i] /= Z) * beta * (pi->A[i] - top);
        kl += pi->d[s] * (E - log(Z));
    }
    return kl;
}

static double sum_in_reversed_region(const setting *x, double *out)
{
    const exact *pi = x->pi;
    double *p = new_table(pi), low = 0, high = 1 / greatest_spread(pi, pi->d, 0, pi->nS);
    for (int k = 0; k < 200 && reversed_at(pi, high, p) <= delta; k++) low = high, high *= 2;
    for (int k = 0; k < 60; k++) {
        double beta = (low + high) / 2;
        if (reversed_at(pi, beta, p) > delta) high = beta;
        else                                  low = beta;
    }
    *out = gain_of(pi, p) / pi->fisher_scale;
    free(p);
    return 0;
}

/* PPO-19   E_t[ pi'/pi A ] and E_t[KL] of the optimum: c mu0^T sum_t (gamma P)^t f, weights w for c rho where given */
static double means_over_time(const setting *x, const double *w, double *out)
{
    const exact *pi = x->pi;
    if (pi->nS > EXACT_MAX_TIME_SUM) return -1;
    double *p = new_table(pi), *f = allocate(2 * (size_t)pi->nS, sizeof *f, "sums over time"), *sum = f + pi->nS;
    double room = 0;
    trust_region_mean(pi, delta, p);
    for (int k = 0; k < 2; k++) {
        memset(f, 0, (size_t)pi->nS * sizeof *f);
        for (int i = 0; i < pi->nSA; i++) {
            double ratio = p[i] / pi->pi[i];
            if (!pi->absorbing[i / pi->nA]) f[i / pi->nA] += pi->pi[i] * (k == 0 ? ratio * pi->A[i] : -log(ratio));
        }
        exact_sum_over_time(pi, false, f, sum);
        out[k] = w ? linalg_dot(pi->nS, w, f) : pi->fisher_scale * linalg_dot(pi->nS, pi->M->mu0, sum);
        room = fmax(room, 10 * pi->fisher_scale * pi->unit_rho * linalg_max_abs(pi->nS, f));
    }
    free(f);
    free(p);
    return room;
}

static double over_time(const setting *x, double *out) { return means_over_time(x, NULL, out); }

/* What a batch's mean over t estimates: how often pi is in s in the long run, whatever gamma */
static double over_batch(const setting *x, double *out)
{
    double *w = allocate((size_t)x->pi->nS, sizeof *w, "weights"), room = -1;
    if (fisher_stationary_weights(x->pi, w)) room = means_over_time(x, w, out);
    free(w);
    return room;
}

static double dual_and_delta(const setting *x, double *out)
{
    out[1] = delta;
    return dual_mean(x, out);
}

static double optimum_and_kl(const setting *x, double *out)
{
    const exact *pi = x->pi;
    double *p = new_table(pi);
    out[0] = trust_region_mean(pi, delta, p).gain;
    out[1] = 0;
    for (int i = 0; i < pi->nSA; i++) out[1] += pi->d[i / pi->nA] * pi->pi[i] * log(pi->pi[i] / p[i]);
    free(p);
    return 0;
}

static double unit_gain_and_kl(const setting *x) { return unit_gain(x) + unit_kl(x); }

/* ---- TRPO-13: any q that covers pi', and Q for A ---- */

static const char *not_covered(const setting *x)
{
    if (x->pi->nSA != x->pi1->nSA) return "pi and pi' are not comparable";
    for (int i = 0; i < x->pi->nSA; i++)
        if (!(x->pi->pi[i] > 1e-200)) return "pi never does some action";
    return NULL;
}

static int n_value_and_gradient(const setting *x) { return 1 + x->pi1->n; }

/* u N k^2 M c, as of a gradient at theta' */
static double unit_objective(const setting *x)
{
    return x->pi->unit_gradient / x->pi->c * fmax(x->pi1->c, x->pi->c);
}

/* grad_theta' of sum_s rho(s) sum_a w(s,a) pi'(a|s): exact's chain rule through d pi(a)/d z_b = pi(a) (1_ab - pi(b)) */
static void gradient_of(const exact *pi1, const double *w, double *g)
{
    double *h = new_table(pi1);
    for (int s = 0; s < pi1->nS; s++) {
        double E = 0;
        for (int i = s * pi1->nA; i < (s + 1) * pi1->nA; i++) E += pi1->pi[i] * w[i];
        for (int i = s * pi1->nA; i < (s + 1) * pi1->nA; i++) h[i] = pi1->pi[i] * (w[i] - E);
    }
    exact_chain(pi1, h, g);
    free(h);
}

/* out: L, and its gradient at theta'; by autodiff. sum_s rho(s) sum_a pi'(a|s) A(s,a) + sum_s rho(s) V(s) */
static double with_A(const setting *x, double *out)
{
    const exact *pi = x->pi, *pi1 = x->pi1;
    double *rho_A = new_table(pi), constant = 0;
    for (int i = 0; i < pi->nSA; i++) rho_A[i] = exact_rho(pi, i / pi->nA) * pi->A[i];
    for (int s = 0; s < pi->nS; s++) constant += exact_rho(pi, s) * pi->V[s];
    ad_tape *t = ad_tape_new();
    ad theta = ad_input(t, pi1->theta, pi1->n, 1);
    ad pi_theta = ad_exp(ad_log_softmax(policy_logits(t, &pi1->policy, theta)));        /* [nS x nA] */
    ad L = ad_dot(ad_input(t, rho_A, pi->nS, pi->nA), pi_theta);
    out[0] = ad_scalar(L) + constant;
    memcpy(out + 1, ad_value(ad_grad(L, theta)), (size_t)pi1->n * sizeof *out);
    ad_tape_free(t);
    free(rho_A);
    return 0;
}

/* TRPO-13   scale E_{s~d, a~q}[ pi'(a|s) / q(a|s) Q(s,a) ] */
static double with_Q(const setting *x, bool uniform, double scale, double *out)
{
    const exact *pi = x->pi, *pi1 = x->pi1;
    double *w = new_table(pi);
    out[0] = 0;
    for (int i = 0; i < pi->nSA; i++) {
        double q = uniform ? 1.0 / pi->nA : pi->pi[i], d = pi->d[i / pi->nA];
        w[i] = scale * d * q * (1 / q) * pi->Q[i];
        out[0] += scale * d * q * (pi1->pi[i] / q) * pi->Q[i];
    }
    gradient_of(pi1, w, out + 1);
    free(w);
    return 0;
}

static double q_is_old(const setting *x, double *out)     { return with_Q(x, false, 1 / x->pi->fisher_scale, out); }
static double q_is_uniform(const setting *x, double *out) { return with_Q(x, true, 1 / x->pi->fisher_scale, out); }

/* Samples of pi, a ~ pi, and the mean over actions without dividing by q */
static double no_ratio(const setting *x, double *out)
{
    const exact *pi = x->pi, *pi1 = x->pi1;
    double *w = new_table(pi);
    out[0] = 0;
    for (int i = 0; i < pi->nSA; i++) {
        w[i] = exact_rho(pi, i / pi->nA) * pi->pi[i] * pi->Q[i];
        out[0] += w[i] * pi1->pi[i];
    }
    gradient_of(pi1, w, out + 1);
    free(w);
    return 0;
}

/* ---- TRPO-23: the quadratic problem, max g^T v subject to v^T F v / 2 <= delta ---- */

static double unit_distance(const setting *x) { return fisher_distance_bound(x->spectrum->cond) / 10; }

static double distance(const setting *x, int n, const double *a, const double *b)
{
    return fisher_distance(n, x->F, a, b);
}

static double closed_step(const setting *x, double *out)
{
    natural_step(x, delta, out);
    return 0;
}

/* KKT: g = mu F v and v^T F v = 2 delta. In F's eigenvectors v_i = g_i / (mu lambda_i), of g / |g|; mu by bisection */
static double step_by_kkt(const setting *x, double *out)
{
    const fisher_spectrum *f = x->spectrum;
    double norm = linalg_norm2(f->n, x->g), low = 0, high = 1, gFg = 0;
    memset(out, 0, (size_t)f->n * sizeof *out);
    for (int i = f->n - f->rank; i < f->n; i++) {
        const double *u = f->Ut + i * f->n;
        double c = linalg_dot(f->n, u, x->g) / norm;
        gFg += c * c / f->lambda[i];
        for (int j = 0; j < f->n; j++) out[j] += c / f->lambda[i] * u[j];
    }
    while (gFg / (high * high) > 2 * delta) high *= 2;
    for (int k = 0; k < 200; k++) {
        double mu = (low + high) / 2;
        if (gFg / (mu * mu) > 2 * delta) low = mu;
        else                             high = mu;
    }
    for (int j = 0; j < f->n; j++) out[j] /= high;
    return 0;
}

/* TRPO-24's form, x by conjugate gradients and H the Hessian of the mean KL, by autodiff */
static double step_by_cg(const setting *x, double *out)
{
    int n = x->pi->n;
    if (n > FISHER_MAX_N / 10) return -1;
    double *H = allocate((size_t)n * (size_t)n, sizeof *H, "a Hessian");
    cg_result result = natural_gradient_cg(x->pi, x->spectrum, x->g, out);
    fisher_kl(x->pi, H);
    double x_H = fisher_norm(n, H, out);
    for (int i = 0; i < n; i++) out[i] *= sqrt(2 * delta) / x_H;
    free(H);
    return result.outcome == CG_CONVERGED ? 0 : -1;
}

static double step_printed(const setting *x, double *out)           /* alpha = sqrt(2 delta / g^T F g) */
{
    double g_F = fisher_norm(x->pi->n, x->F, x->g);
    for (int i = 0; i < x->pi->n; i++) out[i] = sqrt(2 * delta) * (x->x[i] / g_F);
    return g_F > 0 ? 0 : -1;
}

/* ---- the same step in other coordinates: theta = M phi, or, M NULL, theta = sinh(phi) ---- */

enum { REPARAMETRISED_MAX = 128 };      /* numbers in theta: a reverse sweep for each pair (s,a), through M */

/* [n x n] 1 + a random matrix of norm about 1/2 */
static double *coordinates_new(const setting *x)
{
    int n = x->pi->n;
    double *M = allocate((size_t)n * (size_t)n, sizeof *M, "a change of coordinates");
    gsl_rng *rng = random_stream(x->seed, 0, RANDOM_TEST);
    for (int i = 0; i < n * n; i++) M[i] = (i % (n + 1) == 0) + gsl_ran_gaussian(rng, 0.25 / sqrt(n));
    gsl_rng_free(rng);
    return M;
}

static void phi_of(const double *M, int n, const double *theta, double *phi)
{
    if (!M) {
        for (int i = 0; i < n; i++) phi[i] = asinh(theta[i]);
        return;
    }
    linalg_lu *f = linalg_lu_new(n);
    require(linalg_lu_factor(f, M) == LINALG_OK, "coordinates of no rank");
    linalg_lu_solve(f, false, 1, theta, phi);
    linalg_lu_free(f);
}

static void theta_of(const double *M, int n, const double *phi, double *theta)
{
    if (M) linalg_matvec(n, n, M, phi, theta);
    for (int i = 0; i < n && !M; i++) theta[i] = sinh(phi[i]);
}

static ad theta_node(ad_tape *t, const double *M, ad phi)
{
    int n = ad_nrows(phi);
    return M ? ad_matmul(ad_input(t, M, n, n), phi) : ad_scale(0.5, ad_sub(ad_exp(phi), ad_exp(ad_neg(phi))));
}

/* F [n x n] and g [n] in phi, from the scores and the policy gradient theorem, by a reverse sweep each */
static void fisher_and_gradient_in(const exact *pi, const double *M, const double *phi, double *F, double *g)
{
    size_t n = (size_t)pi->n, nSA = (size_t)pi->nSA;
    double *scores = allocate(2 * nSA * n, sizeof *scores, "scores"), *weighted = scores + nSA * n;
    ad_tape *t = ad_tape_new();
    ad x = ad_input(t, phi, pi->n, 1);
    ad logpi = ad_log_softmax(policy_logits(t, &pi->policy, theta_node(t, M, x)));
    memset(g, 0, n * sizeof *g);
    for (size_t i = 0; i < nSA; i++) {
        ad_mark start = ad_here(t);
        memcpy(scores + i * n, ad_value(ad_grad(ad_view(logpi, (int)i, 1, 1), x)), n * sizeof *scores);
        ad_reset(t, start);
        double p = pi->pi[i] * pi->d[(int)i / pi->nA], rho_A = pi->pi[i] * exact_rho(pi, (int)i / pi->nA) * pi->A[i];
        for (size_t j = 0; j < n; j++) {
            weighted[i * n + j] = p * scores[i * n + j];
            g[j] += rho_A * scores[i * n + j];
        }
    }
    linalg_matmul(true, false, pi->n, pi->n, pi->nSA, scores, weighted, F);
    ad_tape_free(t);
    free(scores);
}

/* The natural step in phi, w [n]. Its distance bound; -1 where F's rank there is not what it is in theta */
static double natural_step_in(const setting *x, const double *M, const double *phi, double *w)
{
    int n = x->pi->n;
    double *F = allocate((size_t)n * (size_t)n + (size_t)n, sizeof *F, "F in phi"), *g = F + n * n, room = -1;
    fisher_and_gradient_in(x->pi, M, phi, F, g);
    fisher_spectrum *f = fisher_spectrum_new(n, F);
    natural_gradient_lapack(f, F, g, w);
    double w_F = fisher_norm(n, F, w);
    for (int i = 0; i < n; i++) w[i] *= sqrt(2 * delta) / w_F;
    if (f->rank == x->spectrum->rank && !fisher_spectrum_doubtful(f)) room = fisher_distance_bound(f->cond);
    fisher_spectrum_free(f);
    free(F);
    return room;
}

/* theta = M phi: v = M w */
static double step_in_linear(const setting *x, double *out)
{
    int n = x->pi->n;
    if (n > REPARAMETRISED_MAX) return -1;
    double *M = coordinates_new(x), *phi = allocate(2 * (size_t)n, sizeof *phi, "phi"), *w = phi + n;
    phi_of(M, n, x->pi->theta, phi);
    double room = natural_step_in(x, M, phi, w);
    linalg_matvec(n, n, M, w, out);
    free(phi);
    free(M);
    return room;
}

/* theta = sinh(phi): (sinh(phi + t w) - theta) / t, at t, t/2, ...: 0, or extrapolated to t -> 0 from its values */
static double step_in_sinh(const setting *x, bool limit, double *out)
{
    enum { LEVELS = 7 };
    int n = x->pi->n;
    if (n > REPARAMETRISED_MAX) return -1;
    double *phi = allocate(2 * (size_t)n, sizeof *phi, "phi"), *w = phi + n, error = 0;
    phi_of(NULL, n, x->pi->theta, phi);
    double room = natural_step_in(x, NULL, phi, w);
    for (int i = 0; i < n; i++) {
        double D[LEVELS], t = 1 / fmax(1, 4 * linalg_max_abs(n, w));
        if (!limit) {
            out[i] = sinh(phi[i] + w[i]) - x->pi->theta[i];
            continue;
        }
        for (int k = 0; k < LEVELS; k++, t /= 2)
            D[k] = (sinh(phi[i] + t * w[i]) - sinh(phi[i] - t * w[i])) / (2 * t);   /* an error in even powers of t */
        for (int j = 1, weight = 4; j < LEVELS; j++, weight *= 4)
            for (int k = LEVELS - 1; k >= j; k--) D[k] += (D[k] - D[k - 1]) / (weight - 1);
        out[i] = D[LEVELS - 1];
        error = fmax(error, fabs(D[LEVELS - 1] - D[LEVELS - 2]));
    }
    free(phi);
    return room < 0 ? room : room + error;
}

static double step_in_sinh_at_0(const setting *x, double *out)   { return step_in_sinh(x, true, out); }
static double step_in_sinh_finite(const setting *x, double *out) { return step_in_sinh(x, false, out); }

/* The gradient in phi, M^T g, as long as its quadratic KL lets, in theta: M M^T g */
static double gradient_step_in(const setting *x, bool other, double *out)
{
    int n = x->pi->n;
    double *h = allocate((size_t)n, sizeof *h, "a gradient"), norm = linalg_norm2(n, x->g);
    for (int i = 0; i < n; i++) out[i] = x->g[i] / norm;
    if (other) {
        double *M = coordinates_new(x);
        linalg_matmul(true, false, n, 1, n, M, out, h);
        linalg_matvec(n, n, M, h, out);
        free(M);
    }
    double F_norm = fisher_norm(n, x->F, out);
    for (int i = 0; i < n; i++) out[i] *= sqrt(2 * delta) / F_norm;
    free(h);
    return F_norm > 0 ? 0 : -1;
}

static double gradient_step(const setting *x, double *out) { return gradient_step_in(x, false, out); }

/* sqrt(2) times the sine of half the angle: 0 for one step and itself */
static double cosine_F(const setting *x, const double *a, const double *b)
{
    int n = x->pi->n;
    double *Fb = allocate((size_t)n, sizeof *Fb, "F b");
    linalg_matvec(n, n, x->F, b, Fb);
    double cosine = linalg_dot(n, a, Fb) / (fisher_norm(n, x->F, a) * fisher_norm(n, x->F, b));
    free(Fb);
    return cosine;
}

static void print_step(const setting *x, const char *name, const double *v, double t, const double *again, FILE *out)
{
    region_step step = step_along(x->pi, v, t);
    double F_norm = t * fisher_norm(x->pi->n, x->F, v);
    fprintf(out, "%-30s %8.4f %12.3g %12.3g %12.3g", name, t * linalg_norm2(x->pi->n, v), F_norm * F_norm / 2, step.kl,
            step.gain);
    if (again) fprintf(out, " %10.6f", cosine_F(x, v, again));
    fputc('\n', out);
}

/* The step in parameter space against the natural step */
static void page_of_steps(const setting *x, FILE *out)
{
    size_t n = (size_t)x->pi->n;
    double *v = allocate(2 * n, sizeof *v, "steps"), *again = v + n;
    bool small = x->pi->n <= REPARAMETRISED_MAX;
    fprintf(out, "delta = %g; cos: between a step and the one made in phi, theta = M phi, in the F-norm\n%-30s %8s %12s"
            " %12s %12s %10s\n", delta, "", "|v|", "v^T F v / 2", "KL", "gain", small ? "cos" : "");
    natural_step(x, delta, v);
    double length = linalg_norm2(x->pi->n, v);
    print_step(x, "natural step", v, 1, small && step_in_linear(x, again) >= 0 ? again : NULL, out);
    if (gradient_step(x, v) >= 0) {
        if (small) gradient_step_in(x, true, again);
        print_step(x, "gradient, as much KL", v, 1, small ? again : NULL, out);
        print_step(x, "gradient, as long", v, length / linalg_norm2(x->pi->n, v), NULL, out);
        print_step(x, "gradient, |v|^2 = delta", v, sqrt(delta) / linalg_norm2(x->pi->n, v), NULL, out);
    }
    free(v);
}

/* ---- TRPO-31: how far the two constraints let the natural step go, in natural steps ---- */

static double unit_length(const setting *x) { return unit_kl(x) / delta; }

static double length_along(const setting *x, bool greatest, double *out)
{
    double *v = new_step(x);
    natural_step(x, delta, v);
    *out = step_length(x->pi, v, greatest, delta);
    free(v);
    return isinf(*out) ? -1 : 0;
}

static double length_mean(const setting *x, double *out) { return length_along(x, false, out); }
static double length_max(const setting *x, double *out)  { return length_along(x, true, out); }

/* The same by secants on the KL as a node of autodiff, whose square root is nearly linear in t */
static double length_by_node(const setting *x, double *out)
{
    int n = x->pi->n;
    double *v = new_step(x), *theta = new_step(x), t = 1, t_last = 0, root_last = 0;
    natural_step(x, delta, v);
    for (int k = 0; k < 60; k++) {
        ad_tape *tape = ad_tape_new();
        for (int i = 0; i < n; i++) theta[i] = x->pi->theta[i] + t * v[i];
        double root = sqrt(fmax(0, ad_scalar(fisher_mean_kl(tape, x->pi, ad_input(tape, theta, n, 1)))));
        ad_tape_free(tape);
        double next = t + (sqrt(delta) - root) * (t - t_last) / (root - root_last);
        if (root == root_last || fabs(next - t) <= 1e-15 * t) break;
        t_last = t, root_last = root, t = next;
    }
    *out = t;
    free(theta);
    free(v);
    return 0;
}

/* max KL <= mean KL / min d: a region of the mean that lies within that of the maximum */
static double length_within_max(const setting *x, double *out)
{
    double least_d = 1, *v = new_step(x);
    for (int s = 0; s < x->pi->nS; s++)
        if (!x->pi->absorbing[s]) least_d = fmin(least_d, x->pi->d[s]);
    natural_step(x, delta, v);
    *out = least_d > 0 ? step_length(x->pi, v, false, least_d * delta) : 0;
    free(v);
    return 0;
}
