/* The surrogate under a bound on the mean KL, and its Lagrangian: 001 (l.363-400), through
 * algorithms/dual_gradient.c. Its other account is the dual function of one variable,
 *     g(lambda) = max_pi' Lagrangian = lambda (epsilon + sum_s d(s) log sum_a pi(a|s) exp(A(s,a) sum(rho) / lambda)),
 * convex, and least at the multiplier: it knows no policy pi'. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/dual_gradient.h"
#include "autodiff/ad.h"
#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"
#include "derivations/improvement.h"
#include "derivations/kl_over_states.h"
#include "derivations/policy_file.h"

enum { RADII = 3, OTHERS = 8, SWEEPS = 300 };
static const double radius[RADII] = { 1e-4, 0.01, 0.1 };
#define EPSILON 0.01
#define SETTLED 1e-10

static double visits_of(const exact *pi)
{
    double visits = 0;
    for (int s = 0; s < pi->nS; s++) visits += exact_rho(pi, s);
    return visits;
}

static const char *not_applicable(const setting *x)
{
    exact_table t = improvement_table(x->pi);
    double size = linalg_max_abs(x->pi->nSA, x->pi->A), most = surrogate_gain_most(&t);
    double unit = dual_gradient_unit(&t, EPSILON);
    improvement_table_free(&t);
    if (!(size < 1e280 / fmax(1, visits_of(x->pi)))) return "the multiplier might overflow";
    if (!(most > fmax(1e-9, 1e3 * x->pi->unit_V))) return "nothing to gain: the policy is optimal, or almost";
    if (!(unit > 1e-3 * size)) return "pi hardly ever takes a better action";
    return x->pi->nS > 2000 ? "too large for a search" : NULL;
}

/* Sums over states and actions of rho A, which all lines share */
static double unit_gain(const setting *x)
{
    double size = fmax(1, visits_of(x->pi)) * fmax(1, linalg_max_abs(x->pi->nSA, x->pi->A));
    return DBL_EPSILON * fmax(4, x->pi->nS) * size;
}

/* ---- the dual function ---- */

/* sum_s d(s) log E_pi[exp(h)], h = A sum(rho)/lambda, and in *kl its mean KL from pi,
 * E_pi'[h] - log E_pi[exp(h)] */
static double log_Z(const exact *pi, double lambda, double *kl)
{
    double N = visits_of(pi), sum = 0;
    *kl = 0;
    for (int s = 0; s < pi->nS; s++) {
        const double *q = pi->pi + s * pi->nA, *A = pi->A + s * pi->nA;
        double top = -INFINITY, Z = 0, Z_1 = 0, E = 0, w = exact_rho(pi, s) / N;
        for (int a = 0; a < pi->nA; a++) top = q[a] > 0 ? fmax(top, A[a]) : top;
        bool small = top * N / lambda < 1;                      /* then log1p of a sum of expm1 */
        double shift = small ? 0 : top;
        for (int a = 0; a < pi->nA; a++) {
            double h = (fmin(A[a], top) - shift) * N / lambda;          /* above top only where q = 0 */
            Z_1 += q[a] * expm1(h);
            Z += q[a] * exp(h);
            E += q[a] * exp(h) * A[a] * N / lambda;
        }
        double logs = small ? log1p(Z_1) : log(Z) + shift * N / lambda;
        if (w > 0) sum += w * logs, *kl += w * (E / Z - logs);
    }
    return sum;
}

static double dual_function(const exact *pi, double epsilon, double lambda)
{
    double kl, most = 0;
    if (lambda > 0) return lambda * (epsilon + log_Z(pi, lambda, &kl));
    for (int s = 0; s < pi->nS; s++) {                          /* its limit */
        double top = -INFINITY;
        for (int i = s * pi->nA; i < (s + 1) * pi->nA; i++) top = pi->pi[i] > 0 ? fmax(top, pi->A[i]) : top;
        most += exact_rho(pi, s) * top;
    }
    return most;
}

/* KL falls in lambda: its root KL = epsilon by bisection of log lambda, and 0 where KL never reaches epsilon */
static double multiplier(const exact *pi, double epsilon)
{
    double scale = visits_of(pi) * linalg_max_abs(pi->nSA, pi->A), low = log(scale) - 30, high = log(scale) + 30, kl;
    log_Z(pi, exp(low), &kl);
    if (kl < epsilon) return 0;
    for (int k = 0; k < SWEEPS && high - low > 1e-15 * fabs(high); k++) {
        log_Z(pi, exp((low + high) / 2), &kl);
        if (kl > epsilon) low = (low + high) / 2;
        else              high = (low + high) / 2;
    }
    return exp((low + high) / 2);
}

/* ---- through the algorithm ---- */

/* pi1 [nS x nA]; lambda, or NaN where it did not settle */
static double by_algorithm(const exact_table *t, double epsilon, double *pi1)
{
    dual_gradient_config c = dual_gradient_defaults;
    c.delta_kl = epsilon;
    c.settled = SETTLED;
    improvement i = dual_gradient_improve(&c, t, pi1);
    return i.outcome == IMPROVED ? i.step : NAN;
}

static double mean_kl_by_hand(const exact *pi, const double *pi1)       /* KL(pi1||pi), over d */
{
    double *logp = kl_table(pi, pi1), kl = kl_mean(pi, logp, pi->logpi);
    free(logp);
    return kl;
}

static double A_bar_by_hand(const exact *pi, const double *pi1)
{
    double sum = 0;
    for (int i = 0; i < pi->nSA; i++) sum += exact_rho(pi, i / pi->nA) * pi1[i] * pi->A[i];
    return sum;
}

/* ---- KL-4: three radii ---- */

static int n_radii(const setting *x) { (void)x; return RADII; }

static double line_A_bar(const setting *x, double *out)
{
    exact_table t = improvement_table(x->pi);
    double *pi1 = allocate((size_t)x->pi->nSA, sizeof *pi1, "a policy");
    bool settled = true;
    for (int k = 0; k < RADII; k++) {
        settled &= !isnan(by_algorithm(&t, radius[k], pi1));
        out[k] = A_bar_by_hand(x->pi, pi1);
    }
    improvement_table_free(&t);
    free(pi1);
    return settled ? SETTLED * linalg_max_abs(RADII, out) : LEFT_OUT;
}

static double line_dual(const setting *x, double *out)
{
    for (int k = 0; k < RADII; k++) out[k] = dual_function(x->pi, radius[k], multiplier(x->pi, radius[k]));
    return 1e-11 * linalg_max_abs(RADII, out);
}

/* pi towards its softmax moved by noise, as far as the KL allows */
static void other_policy(const setting *x, uint32_t k, double epsilon, double *pi1)
{
    const exact *pi = x->pi;
    double *z = allocate((size_t)pi->nSA, sizeof *z, "logits"), low = 0, high = 1;
    policy_random(pi->M, x->seed, 100 + k, z);
    for (int i = 0; i < pi->nSA && k % 2; i++) z[i] += 2 * pi->A[i] / linalg_max_abs(pi->nSA, pi->A);
    for (int j = 0; j < 60; j++) {
        double t = j < 59 ? (low + high) / 2 : low;
        for (int s = 0, nA = pi->nA; s < pi->nS; s++) {
            double Z = 0, top = -INFINITY;
            for (int i = s * nA; i < (s + 1) * nA; i++) top = fmax(top, z[i]);
            for (int i = s * nA; i < (s + 1) * nA; i++) Z += pi1[i] = pi->pi[i] * exp(8 * t * (z[i] - top));
            for (int i = s * nA; i < (s + 1) * nA; i++) pi1[i] /= Z;
        }
        if (mean_kl_by_hand(pi, pi1) <= epsilon) low = t;
        else                                     high = t;
    }
    free(z);
}

static double line_others(const setting *x, double *out)
{
    double *pi1 = allocate((size_t)x->pi->nSA, sizeof *pi1, "a policy");
    for (int k = 0; k < RADII; k++) {
        out[k] = -INFINITY;
        for (uint32_t j = 0; j < OTHERS; j++) {
            other_policy(x, j, radius[k], pi1);
            out[k] = fmax(out[k], A_bar_by_hand(x->pi, pi1));
        }
    }
    free(pi1);
    return 0;
}

/* ---- KL-5: the saddle ---- */

static int n_others(const setting *x) { (void)x; return OTHERS; }

/* Writes pi* [nSA] and returns lambda*; NaN where it did not settle */
static double saddle(const setting *x, double *pi1)
{
    exact_table t = improvement_table(x->pi);
    double lambda = by_algorithm(&t, EPSILON, pi1);
    improvement_table_free(&t);
    return lambda;
}

static double line_saddle(const setting *x, double *out)
{
    exact_table t = improvement_table(x->pi);
    double *pi1 = allocate((size_t)x->pi->nSA, sizeof *pi1, "a policy"), lambda = saddle(x, pi1);
    for (int k = 0; k < OTHERS; k++) out[k] = dual_gradient_lagrangian(&t, EPSILON, lambda, pi1);
    improvement_table_free(&t);
    free(pi1);
    return isnan(lambda) ? LEFT_OUT : 0;
}

static double line_slackness(const setting *x, double *out)
{
    double *pi1 = allocate((size_t)x->pi->nSA, sizeof *pi1, "a policy"), lambda = saddle(x, pi1);
    for (int k = 0; k < OTHERS; k++) out[k] = A_bar_by_hand(x->pi, pi1);
    free(pi1);
    return isnan(lambda) ? LEFT_OUT : 2 * SETTLED * EPSILON * lambda + 1e-13 * lambda;
}

/* Lagrangian + sum |d Lagrangian / dz| by autodiff, pi' = softmax z; logs of the least numbers for those of 0 */
static double line_stationary(const setting *x, double *out)
{
    const exact *pi = x->pi;
    double *pi1 = allocate(3 * (size_t)pi->nSA, sizeof *pi1, "a policy"), *weight = pi1 + pi->nSA;
    double *log_old = weight + pi->nSA;
    double lambda = saddle(x, pi1), N = visits_of(pi);
    ad_tape *t = ad_tape_new();
    for (int i = 0; i < pi->nSA; i++) weight[i] = exact_rho(pi, i / pi->nA);
    for (int i = 0; i < pi->nSA; i++) pi1[i] = fmax(log(pi1[i]), -745);
    for (int i = 0; i < pi->nSA; i++) log_old[i] = fmax(pi->logpi[i], -745);
    ad z = ad_input(t, pi1, pi->nS, pi->nA), rho = ad_input(t, weight, pi->nS, pi->nA);
    ad logp = ad_log_softmax(z), p = ad_exp(logp);
    ad A_bar = ad_sum(ad_mul(rho, ad_mul(p, ad_input(t, pi->A, pi->nS, pi->nA))));
    ad kl = ad_scale(1 / N, ad_sum(ad_mul(rho, ad_mul(p, ad_sub(logp, ad_input(t, log_old, pi->nS, pi->nA))))));
    ad L = ad_sub(A_bar, ad_scale(lambda, ad_sub(kl, ad_constant(t, EPSILON, 1, 1))));
    const double *g = ad_value(ad_grad(L, z));
    double sum = *ad_value(L);
    for (int i = 0; i < pi->nSA; i++) sum += fabs(g[i]);
    for (int k = 0; k < OTHERS; k++) out[k] = sum;
    ad_tape_free(t);
    free(pi1);
    return isnan(lambda) ? LEFT_OUT : 1e-8 * fabs(sum);
}

static double line_other_policies(const setting *x, double *out)
{
    double *pi1 = allocate((size_t)x->pi->nSA, sizeof *pi1, "a policy"), lambda = saddle(x, pi1);
    for (uint32_t k = 0; k < OTHERS; k++) {
        other_policy(x, k, EPSILON * (k + 1) / 4, pi1);         /* also those that violate the constraint */
        out[k] = A_bar_by_hand(x->pi, pi1) - lambda * (mean_kl_by_hand(x->pi, pi1) - EPSILON);
    }
    free(pi1);
    return isnan(lambda) ? LEFT_OUT : 0;
}

static double line_other_lambdas(const setting *x, double *out)
{
    double lambda = multiplier(x->pi, EPSILON);
    if (lambda == 0) lambda = 1e-3 * visits_of(x->pi) * linalg_max_abs(x->pi->nSA, x->pi->A);
    for (int k = 0; k < OTHERS; k++) out[k] = dual_function(x->pi, EPSILON, lambda * exp((k - 3.5) / 2));
    return 1e-11 * linalg_max_abs(OTHERS, out);
}

/* ---- KL-6: a constraint that binds, and one that does not ---- */

/* More than any policy's KL, E_s[max_a -log pi(a|s)] over what pi does: nothing ever binds */
static double wide(const setting *x)
{
    const exact *pi = x->pi;
    double most = 1;
    for (int s = 0; s < pi->nS; s++) {
        double least = 1;
        for (int i = s * pi->nA; i < (s + 1) * pi->nA; i++) least = pi->pi[i] > 0 ? fmin(least, pi->pi[i]) : least;
        most -= pi->d[s] / visited(pi) * log(least);
    }
    return most;
}

static double line_multiplier(const setting *x, double *out)
{
    out[0] = multiplier(x->pi, EPSILON);
    out[1] = multiplier(x->pi, wide(x));
    return 1e-8 * out[0];
}

static double line_lambda(const setting *x, double *out)
{
    exact_table t = improvement_table(x->pi);
    double *pi1 = allocate((size_t)x->pi->nSA, sizeof *pi1, "a policy");
    out[0] = by_algorithm(&t, EPSILON, pi1);
    out[1] = by_algorithm(&t, wide(x), pi1);
    improvement_table_free(&t);
    free(pi1);
    return isnan(out[0]) || isnan(out[1]) ? LEFT_OUT : 2e-7 * out[0];
}

/* KL-6 as 001 has it: few steps of ascent in theta', one of lambda, from theta' = theta and lambda = 0, where
 * nothing binds; by dual_gradient.c's steps, lambda's with its max(0, .) or without. Returns the greatest
 * lambda after the first of TURNS. */
enum { TURNS = 10, ASCENTS = 5 };
static double greatest_lambda(const setting *x, bool projected)
{
    exact_table t = improvement_table(x->pi);
    size_t n = (size_t)x->pi->nSA;
    double *pi1 = allocate(2 * n, sizeof *pi1, "a policy"), *z = pi1 + n, epsilon = wide(x);
    double unit = dual_gradient_unit(&t, epsilon), lambda = 0, most = -INFINITY;
    double alpha = dual_gradient_defaults.alpha * unit / (2 * epsilon);
    memcpy(pi1, x->pi->pi, n * sizeof *pi1);
    memcpy(z, x->pi->logpi, n * sizeof *z);
    for (int k = 0; k < TURNS; k++) {
        for (int i = 0; i < ASCENTS; i++) dual_gradient_ascend(&t, lambda, dual_gradient_defaults.lr / unit, z, pi1);
        double kl = mean_kl_by_hand(x->pi, pi1);
        lambda = projected ? dual_gradient_lambda(lambda, alpha, kl, epsilon) : lambda + alpha * (kl - epsilon);
        most = fmax(most, lambda);
    }
    improvement_table_free(&t);
    free(pi1);
    return most;
}

/* Where it binds dual_gradient.c, until it settles; where it does not, few steps of it */
static double iterated(const setting *x, bool projected, double *out)
{
    exact_table t = improvement_table(x->pi);
    double *pi1 = allocate((size_t)x->pi->nSA, sizeof *pi1, "a policy");
    out[0] = by_algorithm(&t, EPSILON, pi1);
    out[1] = greatest_lambda(x, projected);
    improvement_table_free(&t);
    free(pi1);
    return isnan(out[0]) ? LEFT_OUT : 2e-7 * out[0];
}

static double line_projected(const setting *x, double *out)   { return iterated(x, true, out); }
static double line_unprojected(const setting *x, double *out) { return iterated(x, false, out); }

static double unit_lambda(const setting *x)
{
    return DBL_EPSILON * fmax(4, x->pi->nS) * fmax(multiplier(x->pi, EPSILON), DBL_MIN / DBL_EPSILON);
}

static void page(const setting *x, FILE *out)
{
    fprintf(out, "%10s %14s %14s %14s %16s\n", "epsilon", "lambda", "KL-mean", "A_bar", "least g(lambda)");
    exact_table t = improvement_table(x->pi);
    double *pi1 = allocate((size_t)x->pi->nSA, sizeof *pi1, "a policy");
    for (int k = 0; k < RADII; k++) {
        double lambda = by_algorithm(&t, radius[k], pi1), least = multiplier(x->pi, radius[k]);
        if (isnan(lambda)) continue;
        fprintf(out, "%10g %14.8g %14.8g %14.8g ", radius[k], lambda, mean_kl_by_hand(x->pi, pi1),
                A_bar_by_hand(x->pi, pi1));
        if (least > 0) fprintf(out, "%16.8g\n", dual_function(x->pi, radius[k], least));
        else           fprintf(out, "%16s\n", "at lambda = 0");
    }
    fprintf(out, "KL(new||old), the mean over the states where pi goes. As an iteration:"
            " `ascent improve dual_gradient %s`\n", x->pi->M->name);
    improvement_table_free(&t);
    free(pi1);
}

const derivation kl_constraint[] = {
    { "KL-4", "the surrogate's maximum under a bound on the mean KL", "A_bar(theta'), epsilon = 1e-4, .01, .1",
      n_radii, unit_gain, not_applicable, NULL, {
        { "\\max_{\\theta'}\\bar A(\\theta')\\ \\text{s.t.}\\ "
          "\\bar D_{KL}(\\pi_{\\theta'}\\|\\pi_\\theta)\\le\\epsilon",
          "algorithms/dual_gradient.c; 001 has no mean over states (ERR-35)", line_A_bar },
        { "=\\min_{\\lambda\\ge0}\\lambda(\\epsilon+\\sum_sd(s)\\log\\sum_a\\pi(a|s)e^{A(s,a)\\sum\\rho/\\lambda})",
          "the least value of the dual function, by a search in lambda alone", line_dual },
        { "\\ge\\bar A(\\theta''),\\quad\\bar D_{KL}(\\pi_{\\theta''}\\|\\pi_\\theta)=\\epsilon",
          "the best of eight other policies as far away", line_others, AT_MOST } }, .page = page },
    { "KL-5", "the Lagrangian has a saddle where the constrained maximum is",
      "L(theta*,lambda*), for eight others each", n_others, unit_gain, not_applicable, NULL, {
        { "\\mathcal L(\\theta^*,\\lambda^*)=\\bar A(\\theta^*)-\\lambda^*(\\bar D_{KL}-\\epsilon)",
          "algorithms/dual_gradient.c, epsilon = .01", line_saddle },
        { "=\\bar A(\\theta^*)", "complementary slackness: lambda = 0 or KL = epsilon", line_slackness },
        { "=\\mathcal L(\\theta^*,\\lambda^*)+\\|\\nabla_\\theta\\mathcal L(\\theta^*,\\lambda^*)\\|_1",
          "stationary: the gradient by autodiff is 0 to 1e-8 of it", line_stationary },
        { "\\ge\\mathcal L(\\theta'',\\lambda^*)", "no other policy has more, however far away",
          line_other_policies,
          AT_MOST },
        { "\\le\\max_{\\theta'}\\mathcal L(\\theta',\\lambda)", "no other lambda >= 0 has a lower maximum",
          line_other_lambdas, AT_LEAST } } },
    { "KL-6", "dual gradient descent finds the multiplier; without max(0, .) lambda turns negative",
      "lambda where the constraint binds, and where it does not", count_two, unit_lambda, not_applicable, NULL, {
        { "\\lambda^*:\\ \\bar D_{KL}(\\lambda^*)=\\epsilon\\ \\text{or}\\ \\lambda^*=0", "a root in lambda alone",
          line_multiplier },
        { "\\lambda\\leftarrow\\max(0,\\lambda+\\alpha(\\bar D_{KL}-\\epsilon))",
          "algorithms/dual_gradient.c, until it settles", line_lambda },
        { "\\max_{k\\le10}\\lambda_k,\\quad\\lambda_{k+1}=\\max(0,\\lambda_k+\\alpha(\\bar D_{KL}-\\epsilon))",
          "where nothing binds, with few steps of ascent for each of lambda, from 0: it stays there",
          line_projected },
        { "\\max_{k\\le10}\\lambda_k,\\quad\\lambda_{k+1}=\\lambda_k+\\alpha(\\bar D_{KL}-\\epsilon)",
          "001 (l.396), the same steps: below 0 from the first on, where the Lagrangian rewards distance from pi",
          line_unprojected, DIFFERS, "ERR-36" } } },
    { .id = NULL }
};
