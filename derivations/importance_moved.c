/* The variance of a ratio of policies times A, for policies further and further from pi (IS-11):
 * pi_t = pi e^{tA} / Z, the logits moved along A; (s, a) of P = d pi_t, Q = d pi. 004 (l.374-390). */
#include <float.h>
#include <gsl/gsl_math.h>
#include <math.h>
#include <stdlib.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"
#include "derivations/importance.h"

static double greatest_A(const setting *x) { return linalg_max_abs(x->pi->nSA, x->pi->A); }

static const double ladder[] = { 0.25, 0.5, 1, 2 };
enum { STEPS = sizeof ladder / sizeof *ladder };
static int n_ladder(const setting *x) { (void)x; return STEPS; }

/* P, Q, f [nSA] in one block, to be freed: Q(s,a) = d(s) pi(a|s), P with pi_t, f = A / sqrt(E_Q[A^2]). A larger
 * than 2 is first made 2 for the step: no ratio is then above e^4t. NULL where E_Q[A^2] is 0. */
static double *moved(const setting *x, double t)
{
    const exact *pi = x->pi;
    size_t n = (size_t)pi->nSA;
    double *P = allocate(3 * n, sizeof *P, "distributions"), *Q = P + n, *f = Q + n, visits = 0, E = 0;
    double most = greatest_A(x);
    for (int s = 0; s < pi->nS; s++) visits += exact_rho(pi, s);
    for (int s = 0; s < pi->nS && most > 0 && visits > 0; s++) {
        double Z = 0, d = exact_rho(pi, s) / visits;
        for (int i = s * pi->nA; i < (s + 1) * pi->nA; i++) {
            f[i] = pi->A[i] / most;
            Q[i] = d * pi->pi[i];
            E += Q[i] * f[i] * f[i];
            Z += P[i] = pi->pi[i] * exp(t * f[i] * fmin(most, 2));
        }
        for (int i = s * pi->nA; i < (s + 1) * pi->nA; i++) P[i] *= d / Z;
    }
    for (size_t i = 0; i < n; i++) f[i] /= sqrt(E);
    if (E > 1e-100) return P;
    free(P);
    return NULL;
}

static const char *all_alike(const setting *x)
{
    double *P = moved(x, 0);
    free(P);
    return P && greatest_A(x) > 20 * x->pi->unit_V ? NULL : "where pi goes no action is better than another";
}

/* u N of the greatest second moment */
static double unit_ladder(const setting *x)
{
    size_t n = (size_t)x->pi->nSA;
    double most = 1;
    for (int k = 0; k < STEPS; k++) {
        double *P = moved(x, ladder[k]);
        most = fmax(most, importance_second_moment((int)n, P, P + n, P + 2 * n));
        free(P);
    }
    return 4 * DBL_EPSILON * fmax((double)n, 4) * most;
}

typedef double (*variance_of)(int n, const double *p, const double *q, const double *f);
static double along(const setting *x, variance_of h, double *out)
{
    size_t n = (size_t)x->pi->nSA;
    for (int k = 0; k < STEPS; k++) {
        double *P = moved(x, ladder[k]);
        out[k] = h((int)n, P, P + n, P + 2 * n);
        free(P);
    }
    return 0;
}

/* max f^2 (1 + chi^2(P||Q)) - (E_P f)^2 */
static double chi2_bound(int n, const double *p, const double *q, const double *f)
{
    double square = 0;
    for (int i = 0; i < n; i++) square += q[i] > 0 ? p[i] * (p[i] / q[i]) : 0;
    return gsl_pow_2(linalg_max_abs(n, f)) * square - gsl_pow_2(linalg_dot(n, p, f));
}

static double ladder_variance(const setting *x, double *out) { return along(x, importance_variance, out); }
static double ladder_moments(const setting *x, double *out)  { return along(x, importance_variance_by_moments, out); }
/* IS-11   Var[Z] = E_P[(P/Q) f^2] - E_P[f]^2 */
static double ladder_of_P(const setting *x, double *out)     { return along(x, importance_variance_under_p, out); }
static double ladder_bound(const setting *x, double *out)    { return along(x, chi2_bound, out); }

static void page_of_ladder(const setting *x, FILE *out)
{
    size_t n = (size_t)x->pi->nSA;
    fprintf(out, "logits + tA%s     chi^2    samples for the same error as at t = 0\n",
            greatest_A(x) > 2 ? " (A scaled to 2)" : "");
    for (int k = 0; k < STEPS; k++) {
        double *P = moved(x, ladder[k]);
        importance i = importance_discrete((int)n, P, P + n, P + 2 * n);
        fprintf(out, "t = %-6g %11.4g %27.4g times\n", ladder[k], i.var_w, i.var_wf);
        free(P);
    }
}

const derivation importance_moved[] = {
    { "IS-11", "the ratio estimator's variance: E_P[(P/Q) A^2] - E_P[A]^2, bounded by chi^2 only",
      "Var of ratio A, over that of A; (s,a) ~ d pi, logits + tA, t = 1/4, 1/2, 1, 2", n_ladder, unit_ladder,
      all_alike, NULL, {
        { "Var[Z],\\quad Z=\\frac{P(X)}{Q(X)}f(X)",
          "an expectation has none, as 004 (l.378) writes it: Z, one sample of it, has", ladder_variance },
        { "=E_{X\\sim Q}[(\\frac{P(X)}{Q(X)}f(X))^2]-E_{X\\sim Q}[\\frac{P(X)}{Q(X)}f(X)]^2",
          "Var Z = E Z^2 - (E Z)^2",
          ladder_moments },
        { "=E_{X\\sim P}[\\frac{P(X)}{Q(X)}f(X)^2]-E_{X\\sim P}[f(X)]^2", "IS-2, P = d pi~, Q = d pi, f = A",
          ladder_of_P },
        { "\\le\\max f^2\\,(1+\\chi^2(P\\|Q))-E_{X\\sim P}[f(X)]^2",
          "so it stays small where pi~ stays near pi", ladder_bound, AT_LEAST } },
      .page = page_of_ladder },
    { .id = NULL }
};
