/* TRPO's Algorithm 1: policy iteration that guarantees non-decreasing returns, by minorisation-maximisation (002,
 * l.254-256, images TRPO12-13; Schulman et al. 2015, arXiv:1502.05477). M(pi') = L(pi') - C max_s KL(pi||pi') touches
 * eta at pi and is nowhere above it, so what raises M raises eta.
 *
 *     loop
 *         A = the advantages of pi, rho = its visits, both exact
 *         C = 4 epsilon gamma/(1-gamma)^2, epsilon = max_{s,a} |A(s,a)|       TRPO-4
 *         pi <- argmax_{pi'} L(pi') - C max_s KL(pi||pi')                     TRPO-5
 *
 * The argmax. At a common radius delta = max_s KL(pi||pi') the states fall apart: f_s(delta) = max E_{pi'}[A(s,.)]
 * over KL(pi||pi') <= delta. With multipliers lambda of KL <= delta and mu of sum_a pi'(a) = 1, setting d/dpi'(a)
 * to 0 gives
 *
 *     A(a) + lambda pi(a)/pi'(a) - mu = 0
 *     pi'(a) = lambda pi(a) / (mu - A(a)),     1/lambda = sum_a pi(a)/(mu - A(a))
 *
 * with mu > max A where pi acts; KL(pi||pi') = log sum_a pi(a)/(mu - A(a)) + sum_a pi(a) log(mu - A(a)) falls from
 * infinity to 0 in mu, so that one root in mu has KL = delta. An action that pi never takes costs no KL: mu never
 * falls below its A, and where that binds, it gets the probability that lambda leaves over. f_s is concave, f_s' =
 * lambda_s, and the best delta is the root of sum_s rho(s) lambda_s(delta) = C.
 *
 * Deviations from the source
 *   1. States that pi never visits move within the same delta: they have no part in M.
 *   2. C_scale < 1 takes larger steps, without the guarantee: the paper's own way out is a constraint (TRPO).
 *
 * Critical
 *   - KL(old||new). With KL(new||old) the argmax is pi exp(A/beta)/Z (dual_gradient.c), and no theorem is used.
 *   - C is of the old policy's advantages and new in each iteration.
 *   - Where pi is deterministic delta = 0 is the argmax for gamma >= 1/5: all of C delta is paid, but f_s' is finite.
 *   - Steps are tiny, delta of 1e-5 on E5: KL is summed without cancellation. */
#include "algorithms/trpo_mm.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_roots.h>
#include <gsl/gsl_sf_log.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"

const trpo_mm_config trpo_mm_defaults = { .C_scale = 1, .tolerance = 1e-10 };

#define FIELD(name) #name, .kind = CONFIG_REAL, .low = 0, .high = 1e300, .at = offsetof(trpo_mm_config, name)
const config_field trpo_mm_fields[] = {
    { FIELD(C_scale), .about = "times C; less than 1: larger steps, no guarantee" },
    { FIELD(tolerance), .about = "it ends at a gain of L of no more" },
    { .name = NULL },
};

/*[snip trpo-mm-C later]*/
/* TRPO-4   epsilon = max_{s,a} |A(s,a)| */
double trpo_mm_epsilon(const exact_table *x)
{
    /* BEGIN SOLUTION TRPO-4 */
    return linalg_max_abs(x->nS * x->nA, x->A);
    /* END SOLUTION */
}

/* TRPO-4   C = 4 epsilon gamma/(1-gamma)^2 */
double trpo_mm_C(double epsilon, double gamma)
{
    /* BEGIN SOLUTION TRPO-4 */
    return 4 * epsilon * gamma / ((1 - gamma) * (1 - gamma));
    /* END SOLUTION */
}
/*[/snip]*/

/* KL-2   sum_a pi log(pi/pi1) = sum_a pi (e - log(1+e)) + what pi1 gives to actions of pi(a) = 0,   e = pi1/pi - 1 */
double trpo_mm_kl(int nA, const double *pi, const double *pi1)
{
    double kl = 0;
    for (int a = 0; a < nA; a++) {
        double e = pi[a] > 0 ? (pi1[a] - pi[a]) / pi[a] : 0;
        if (!(pi[a] > 0))        kl += pi1[a];
        else if (!(pi1[a] > 0))  return INFINITY;
        else                     kl += pi[a] * (e > -0.5 ? -gsl_sf_log_1plusx_mx(e) : e - log(pi1[a] / pi[a]));
    }
    return kl;
}

/*[snip trpo-mm-bound later]*/
/* TRPO-8   max_s KL(pi(.|s)||pi1(.|s)) */
double trpo_mm_kl_max(const exact_table *x, const double *pi1)
{
    double most = 0;
    for (int s = 0; s < x->nS; s++) most = fmax(most, trpo_mm_kl(x->nA, x->pi + s * x->nA, pi1 + s * x->nA));
    return most;
}

/* TRPO-6   M(pi1) = L(pi1) - C max_s KL(pi||pi1) */
double trpo_mm_M(const exact_table *x, double C, const double *pi1)
{
    /* BEGIN SOLUTION TRPO-6 */
    double L = x->J + surrogate_gain(x, pi1);
    return C > 0 ? L - C * trpo_mm_kl_max(x, pi1) : L;
    /* END SOLUTION */
}
/*[/snip]*/

/* ---- roots ---- */

typedef double (*falling)(double u, void *context);             /* from > 0 to < 0 */

/* Brent's method, from a guess: first the bracket */
static double root(falling f, void *context, double guess, double least, double most)
{
    double low = guess, high = guess, step = 1;
    while (low > least && f(low, context) < 0) low = fmax(least, (high = low) - (step *= 2));
    for (step = 1; high < most && f(high, context) > 0; high = fmin(most, (low = high) + (step *= 2))) { }
    if (!(f(low, context) > 0)) return low;
    if (!(f(high, context) < 0)) return high;
    gsl_root_fsolver *brent = gsl_root_fsolver_alloc(gsl_root_fsolver_brent);
    if (!brent) out_of_memory(0, "a root");
    gsl_root_fsolver_set(brent, &(gsl_function){ f, context }, low, high);
    for (int i = 0; i < 200 && high - low > 1e-15 * fmax(1, fabs(low)); i++) {
        gsl_root_fsolver_iterate(brent);
        low = gsl_root_fsolver_x_lower(brent);
        high = gsl_root_fsolver_x_upper(brent);
    }
    double u = gsl_root_fsolver_root(brent);
    gsl_root_fsolver_free(brent);
    return u;
}

/* ---- one state ---- */

typedef struct {
    int nA;
    const double *pi, *A;
    double top;                 /* max A where pi acts */
    double gap, sd;             /* top - E[A], and A's standard deviation, under pi */
    int best;                   /* the lowest-numbered argmax over all actions */
    bool flat;                  /* where pi acts there is no more to gain than rounding */
    double delta;
} state;

static state state_of(int nA, const double *pi, const double *A)
{
    state x = { .nA = nA, .pi = pi, .A = A, .top = -INFINITY };
    double least = INFINITY;
    for (int a = 0; a < nA; a++) {
        if (A[a] > A[x.best]) x.best = a;
        if (pi[a] > 0) x.top = fmax(x.top, A[a]), least = fmin(least, A[a]);
    }
    for (int a = 0; a < nA; a++) x.gap += pi[a] > 0 ? pi[a] * (x.top - A[a]) : 0;
    for (int a = 0; a < nA; a++) {
        double off = (A[a] - x.top + x.gap) / (x.top - least);          /* at most 1: its square does not overflow */
        if (pi[a] > 0 && x.top > least) x.sd += pi[a] * off * off;
    }
    x.sd = (x.top - least) * sqrt(x.sd);
    x.flat = x.gap <= DBL_EPSILON * (x.top - least) || x.sd == 0;
    if (x.flat) x.gap = x.sd = 0;
    return x;
}

/* KL(pi||pi') at mu = top + distance:  log sum_a pi/(1-h) + sum_a pi log(1-h),  h = (A - E[A])/(mu - E[A]), summed
 * from terms of the order of h^2, since sum_a pi h = 0 */
static double kl_at(const state *x, double distance)
{
    double room = x->gap + distance, E = 0, logs = 0;
    for (int a = 0; a < x->nA; a++) {
        if (!(x->pi[a] > 0)) continue;
        double h = (x->A[a] - x->top + x->gap) / room, rest = (distance + (x->top - x->A[a])) / room;   /* 1 - h */
        E += x->pi[a] * h * h / rest;
        logs += x->pi[a] * (h < 0.5 ? gsl_sf_log_1plusx_mx(-h) : log(rest) + h);
    }
    return fmax(0, log1p(E) + logs);
}

/* 1/lambda = sum_a pi(a)/(mu - A(a)), and pi'(a) = lambda pi(a)/(mu - A(a)) */
static double tilt(const state *x, double distance, double *pi1)
{
    double sum = 0;
    for (int a = 0; a < x->nA; a++) {
        pi1[a] = x->pi[a] > 0 ? x->pi[a] / (distance + (x->top - x->A[a])) : 0;
        sum += pi1[a];
    }
    for (int a = 0; a < x->nA; a++) pi1[a] /= sum;
    return 1 / sum;
}

static const double FURTHEST = 600;         /* of a logarithm: exp(-600) is 0 for all that matters */
static const double NEAREST = 1e-20;

/* The least mu - top: all of gap is gained there but for NEAREST of it. KL = delta might ask for more, and for
 * probabilities below 1e-308. */
static double nearest(const state *x)
{
    double p = 0;
    for (int a = 0; a < x->nA; a++) p += x->A[a] == x->top ? x->pi[a] : 0;
    return fmax(DBL_MIN, NEAREST * x->gap * p);
}

/* No constraint, where pi takes the best action: the limit of tilt */
static double greedy(const state *x, double *pi1)
{
    double sum = 0;
    for (int a = 0; a < x->nA; a++) sum += pi1[a] = x->A[a] == x->top ? x->pi[a] : 0;
    for (int a = 0; a < x->nA; a++) pi1[a] /= sum;
    return 0;
}

static double kl_left(double log_distance, void *context)       /* falls in the distance */
{
    const state *x = context;
    double kl = kl_at(x, exp(log_distance));
    return kl < INFINITY ? (kl - x->delta) / (kl + x->delta) : 1;
}

/*[snip trpo-mm-state later]*/
/* TRPO-5   argmax_{pi1} sum_a pi1(a) A(a) over KL(pi||pi1) <= delta, for one state */
double trpo_mm_state(int nA, const double *pi, const double *A, double delta, double *pi1)
{
    /* BEGIN SOLUTION TRPO-5 */
    state x = state_of(nA, pi, A);
    double above = A[x.best] - x.top, lambda, free_kl;          /* of an action that pi never takes: its A - top */
    require(delta > 0, "a radius of %g", delta);
    x.delta = delta;
    memcpy(pi1, pi, (size_t)nA * sizeof *pi1);
    if (x.flat && above <= 0) return 0;                         /* nothing to gain */
    free_kl = above > 0 ? kl_at(&x, above) : INFINITY;
    if (delta > free_kl) {                                      /* mu = A of that action, which gets the rest */
        lambda = tilt(&x, above, pi1) * exp(free_kl - delta);
        for (int a = 0; a < nA; a++) pi1[a] *= exp(free_kl - delta);
        pi1[x.best] = -expm1(free_kl - delta);
        return lambda;
    }
    if (delta == INFINITY) return greedy(&x, pi1);
    double guess = fmax(x.sd / sqrt(2 * delta) - x.gap, 1e-3 * x.gap);
    return tilt(&x, exp(root(kl_left, &x, log(guess), log(nearest(&x)), log(x.sd) + FURTHEST)), pi1);
    /* END SOLUTION */
}
/*[/snip]*/

/* ---- all states ---- */

typedef struct { const exact_table *x; double C, *pi1; } maximum;

static double slope(double delta, const maximum *m)             /* sum_s rho(s) lambda_s(delta) */
{
    const exact_table *x = m->x;
    double sum = 0;
    for (int s = 0; s < x->nS; s++)
        if (x->rho[s] > 0)
            sum += x->rho[s] * trpo_mm_state(x->nA, x->pi + s * x->nA, x->A + s * x->nA, delta, m->pi1);
    return sum;
}

static double slope_left(double log_delta, void *context)       /* falls in delta: M is concave */
{
    const maximum *m = context;
    double sum = slope(exp(log_delta), m);
    return (sum - m->C) / (sum + m->C);
}

/*[snip trpo-mm-delta later]*/
/* TRPO-5   argmax_delta sum_s rho(s) f_s(delta) - C delta:   sum_s rho(s) lambda_s(delta) = C */
double trpo_mm_delta(const exact_table *x, double C)
{
    /* BEGIN SOLUTION TRPO-5 */
    if (C == 0) return INFINITY;
    maximum m = { x, C, allocate((size_t)x->nA, sizeof *m.pi1, "a policy") };
    double sd = 0, delta = 0;                       /* near delta = 0: lambda_s = sd of A(s,.) / sqrt(2 delta) */
    for (int s = 0; s < x->nS; s++) sd += x->rho[s] * state_of(x->nA, x->pi + s * x->nA, x->A + s * x->nA).sd;
    double small = sd > 0 ? 2 * log(sd / C) - log(2) : -FURTHEST;
    if (sd > 0 || slope(exp(small), &m) > C)
        delta = exp(root(slope_left, &m, fmax(-FURTHEST, fmin(small, 3)), -FURTHEST, FURTHEST));
    free(m.pi1);
    return delta;
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip trpo-mm-improve later]*/
improvement trpo_mm_improve(const void *config, const exact_table *x, double *pi_new)
{
    const trpo_mm_config *c = config;
    require(x->gamma < 1, "a penalty of gamma/(1-gamma)^2 at gamma = %g", x->gamma);
    double C = c->C_scale * trpo_mm_C(trpo_mm_epsilon(x), x->gamma);
    if (!(surrogate_gain_most(x) > fmax(c->tolerance, x->rounding)))
        return improvement_none(x, IMPROVEMENT_OPTIMAL, pi_new);
    double delta = trpo_mm_delta(x, C);
    if (delta == 0) return improvement_none(x, IMPROVEMENT_STALLED, pi_new);
    for (int s = 0, nA = x->nA; s < x->nS; s++)
        trpo_mm_state(nA, x->pi + s * nA, x->A + s * nA, delta, pi_new + s * nA);
    return (improvement){ IMPROVED, .L = x->J + surrogate_gain(x, pi_new), .step = delta,
                          .bound = c->C_scale < 1 ? NAN : trpo_mm_M(x, C, pi_new) };
}
/*[/snip]*/

void trpo_mm_explain(FILE *out, const void *config, uint64_t seed)
{
    (void)seed;
    const trpo_mm_config *c = config;
    const exact_table *x = &improvement_example;
    double pi_new[6], lambda[2], epsilon = trpo_mm_epsilon(x), C = c->C_scale * trpo_mm_C(epsilon, x->gamma);
    improvement i = trpo_mm_improve(c, x, pi_new);
    for (int s = 0, nA = x->nA; s < x->nS && i.outcome == IMPROVED; s++)
        lambda[s] = trpo_mm_state(nA, x->pi + s * nA, x->A + s * nA, i.step, pi_new + s * nA);
    fprintf(out, "TRPO's Algorithm 1, an update of two states and three actions; gamma = %g, eta(pi) = %g; nothing is"
            " drawn\n\n", x->gamma, x->J);
    improvement_print(out, x, pi_new, "lambda", i.outcome == IMPROVED ? lambda : NULL);
    fprintf(out, "\nTRPO-4   epsilon = max_{s,a} |A(s,a)| = %g, C = 4 epsilon gamma/(1-gamma)^2 = %g", epsilon, C);
    fprintf(out, c->C_scale == 1 ? "\n" : ", C_scale = %g in it: nothing is guaranteed\n", c->C_scale);
    fprintf(out, "         max gain of L = sum_s rho(s) max_a A(s,a) = %.5f, tolerance %g: %s\n",
            surrogate_gain_most(x), c->tolerance, improvement_outcome_name(i.outcome));
    if (i.outcome != IMPROVED) return;
    fprintf(out, "TRPO-5   pi_new(a|s) = lambda pi(a|s) / (mu - A(s,a)), lambda and mu of each state such that\n"
                 "         sum_a pi_new(a|s) = 1 and KL(pi||pi_new) = delta\n"
                 "TRPO-5   sum_s rho(s) lambda(s) = C at delta = %.7g\n"
                 "TRPO-8   max_s KL(pi||pi_new) = %.7g\n"
                 "PDI-9    L(pi_new) = eta + sum_s rho(s) sum_a pi_new(a|s) A(s,a) = %.7f\n"
                 "TRPO-6   %sM(pi_new) = L(pi_new) - C max_s KL = %.7f > M(pi) = eta(pi)\n", i.step,
            trpo_mm_kl_max(x, pi_new), i.L, c->C_scale < 1 ? "" : "eta(pi_new) >= ", trpo_mm_M(x, C, pi_new));
}
