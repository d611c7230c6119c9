/* The penalised surrogate's maximiser: see kl_maximiser.h. */
#include "derivations/kl_maximiser.h"

#include <float.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_roots.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/ppo_penalty.h"
#include "autodiff/linalg.h"
#include "autodiff/require.h"

double penalty_unit(const exact *x) { return linalg_max_abs(x->nSA, x->A); }

void penalty_gaps(const exact *pi, int s, double *A)
{
    const double *row = pi->A + s * pi->nA, unit = penalty_unit(pi);
    double best = row[0];
    for (int a = 1; a < pi->nA; a++) best = fmax(best, row[a]);
    for (int a = 0; a < pi->nA; a++) A[a] = (row[a] - best) / unit;
}

/* ---- the maximiser in one state: old, A (gaps), pi [nA] ---- */

struct penalised { int nA; const double *old, *A; double beta; };

/* sum_a pi_old(a) beta / (m - A(a)) - 1, m = mu - max A */
static double excess(double m, void *context)
{
    const struct penalised *p = context;
    double sum = -1;
    for (int a = 0; a < p->nA; a++) sum += p->old[a] * p->beta / (m - p->A[a]);
    return sum;
}

/* PPO-20   pi(a) = pi_old(a) beta / (mu - A(a)), mu by a root in one dimension: at m = beta/2 pi_old(best) the best
 * action alone has probability 2, at 2 beta all have 1/2 together at most */
static void maximiser_old_new(const struct penalised *p, double *pi)
{
    double best = 0;
    for (int a = 0; a < p->nA; a++) if (p->A[a] == 0) best = p->old[a];
    gsl_root_fsolver *solver = gsl_root_fsolver_alloc(gsl_root_fsolver_brent);
    if (!solver) out_of_memory(0, "a root");
    gsl_function f = { excess, (void *)p };
    gsl_root_fsolver_set(solver, &f, p->beta * best / 2, 2 * p->beta);
    for (int k = 0, status = GSL_CONTINUE; k < 200 && status == GSL_CONTINUE; k++) {
        gsl_root_fsolver_iterate(solver);
        status = gsl_root_test_interval(gsl_root_fsolver_x_lower(solver), gsl_root_fsolver_x_upper(solver), 0,
                                        2 * DBL_EPSILON);
    }
    double m = gsl_root_fsolver_root(solver);
    for (int a = 0; a < p->nA; a++) pi[a] = p->old[a] * p->beta / (m - p->A[a]);
    gsl_root_fsolver_free(solver);
}

/* PPO-21   pi(a) = pi_old(a) exp(A(a)/beta) / Z */
static void maximiser_new_old(const struct penalised *p, double *pi)
{
    double Z = 0;
    for (int a = 0; a < p->nA; a++) Z += pi[a] = p->old[a] * exp(p->A[a] / p->beta);
    for (int a = 0; a < p->nA; a++) pi[a] /= Z;
}

/* What training maximises, in one state, as a function of pi(.|s): a step for each action, weighted nA pi_old(a) in
 * place of being drawn */
static ad objective(ad_tape *t, const struct penalised *p, enum direction direction, ad pi, double *weighted)
{
    for (int a = 0; a < p->nA; a++) weighted[a] = p->nA * p->old[a] * p->A[a];
    ad old = ad_input(t, p->old, p->nA, 1), log_ratio = ad_sub(ad_log(pi), ad_log(old));
    ad kl = direction == OLD_NEW ? ad_neg(ad_dot(old, log_ratio)) : ad_dot(pi, log_ratio);
    return ppo_L_KLPEN(ad_div(pi, old), ad_input(t, weighted, p->nA, 1), ad_spread(kl, p->nA, 1), p->beta);
}

/* One step dpi of Newton's method under sum_a pi(a) = 1: g + h dpi = nu, sum_a dpi(a) = 0; h < 0, the
 * diagonal second derivative. Returns max |dpi/pi|. */
static double newton_step(int nA, const double *g, const double *h, const double *pi, double *step)
{
    double above = 0, below = 0, size = 0;
    for (int a = 0; a < nA; a++) above += g[a] / h[a], below += 1 / h[a];
    for (int a = 0; a < nA; a++) step[a] = (above / below - g[a]) / h[a];
    for (int a = 0; a < nA; a++) size = fmax(size, fabs(step[a]) / pi[a]);
    return size;
}

/* argmax over pi(.|s), from pi_old: derivatives off the tape; shortened steps while one would change a
 * probability by more than a half */
static void maximiser_newton(const struct penalised *p, enum direction direction, double *pi)
{
    double *weighted = allocate(2 * (size_t)p->nA, sizeof *weighted, "a step of Newton"), *step = weighted + p->nA;
    ad_tape *t = ad_tape_new();
    memcpy(pi, p->old, (size_t)p->nA * sizeof *pi);
    ad x = ad_input(t, pi, p->nA, 1), g = ad_grad(objective(t, p, direction, x, weighted), x);
    ad out[2] = { g, ad_grad(ad_sum(g), x) };
    ad_plan again = ad_slice(1, &x, 2, out);
    double size = INFINITY, last;
    int k = 0;
    do {
        last = size;
        size = newton_step(p->nA, ad_value(out[0]), ad_value(out[1]), pi, step);
        for (int a = 0; a < p->nA; a++) pi[a] += step[a] * fmin(1, 0.5 / size);
        ad_run(&again);
    } while (++k < 500 && (size > 1e-6 || size < last));            /* to where rounding ends it */
    require(size <= 1e-6, "Newton's method ends at a step of %g", size);
    ad_tape_free(t);
    free(weighted);
}

void maximisers(const exact *x, double beta, enum direction direction, enum account account, double *pi)
{
    double *A = allocate((size_t)x->nA, sizeof *A, "advantages");
    memset(pi, 0, (size_t)x->nSA * sizeof *pi);
    for (int s = 0; s < x->nS; s++) {
        struct penalised p = { x->nA, x->pi + s * x->nA, A, beta };
        if (x->absorbing[s]) continue;
        penalty_gaps(x, s, A);
        if (account == NEWTON)         maximiser_newton(&p, direction, pi + s * x->nA);
        else if (direction == OLD_NEW) maximiser_old_new(&p, pi + s * x->nA);
        else                           maximiser_new_old(&p, pi + s * x->nA);
    }
    free(A);
}
