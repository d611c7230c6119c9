/* What bounds on J(pi') are worth: J is Lipschitz in the policy, but not in theta; and the step that TRPO's penalty
 * allows is tiny beside that of a trust region. 002 (l.261), 004 (l.228-230). */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/coupling.h"
#include "derivations/derivation.h"
#include "derivations/enumerate.h"
#include "derivations/improvement_bound.h"
#include "derivations/performance_difference.h"

/* ---- DSB-15: J is Lipschitz in the policy ---- */

static double J_apart(const setting *x, double *out)
{
    *out = fabs(x->pi1->J - x->pi->J);
    return 0;
}

static double J_by_differences(const setting *x, double *out)       /* sum_a pi A = 0: pi' - pi for pi' */
{
    double sum = 0;
    for (int i = 0; i < x->pi->nSA; i++)
        sum += exact_rho(x->pi1, i / x->pi->nA) * (x->pi1->pi[i] - x->pi->pi[i]) * x->pi->A[i];
    *out = fabs(sum);
    return 0;
}

static double J_by_norms(const setting *x, double *out)
{
    int nA = x->pi->nA;
    double eps = linalg_max_abs(x->pi->nSA, x->pi->A);
    *out = 0;
    for (int s = 0; s < x->pi->nS; s++)
        *out += exact_rho(x->pi1, s) * 2 * total_variation(nA, x->pi->pi + s * nA, x->pi1->pi + s * nA) * eps;
    return 0;
}

/* DSB-15   2 alpha max|A| / (1-gamma) */
static double J_lipschitz(const setting *x, double *out)
{
    improvement_bounds b = improvement_bounds_of(x->pi, x->pi1);
    *out = 2 * b.alpha / (1 - x->pi->gamma) * b.eps;
    return enumerate_defect(x->pi->M) * x->pi1->k * x->pi1->k * b.eps;
}

/* ---- pi(1) = sigma(k theta) in one state for ever, where action 1 pays 1; theta = 0 -> .05 ---- */

enum { SLOPES = 3 };
static const double slope[SLOPES] = { 1, 10, 100 }, STEP = 0.05;

static int n_slopes(const setting *x)       { (void)x; return 2 * SLOPES; }

/* u N k M with N = 4, k = M = 1/(1-gamma) = 10, as of any J; D_KL, a sum of two terms with |log pi| <= 5, has less */
static double unit_slopes(const setting *x) { (void)x; return DBL_EPSILON * 4 * 10 * 10; }

static improvement_bounds jump(double k)
{
    char error[256];
    mdp_builder *builder = mdp_begin("two actions", 1, 2, 0.9);
    mdp_start(builder, 0, 1);
    for (int a = 0; a < 2; a++) mdp_transition(builder, 0, a, 0, 1, a);
    mdp *M = mdp_finish(builder);
    const double z[2] = { 0, 0 }, z1[2] = { 0, k * STEP };
    exact *pi = exact_new(M, 0.9, z, error, sizeof error), *pi1 = exact_new(M, 0.9, z1, error, sizeof error);
    require(pi && pi1, "%s", error);
    improvement_bounds b = improvement_bounds_of(pi, pi1);
    exact_free(pi);
    exact_free(pi1);
    mdp_free(M);
    return b;
}

/* DSB-16   |J(theta + .05) - J(theta)|, and D_KL, for each k */
static double jumps(const setting *x, double *out)
{
    (void)x;
    for (int i = 0; i < SLOPES; i++) {
        improvement_bounds b = jump(slope[i]);
        out[i] = fabs(b.dJ);
        out[SLOPES + i] = b.kl;
    }
    return 0;
}

static double jumps_closed(const setting *x, double *out)       /* 10 (sigma(k d) - 1/2), log cosh(k d / 2) */
{
    (void)x;
    for (int i = 0; i < SLOPES; i++) {
        double d = slope[i] * STEP;
        out[i] = 10 * (1 / (1 + exp(-d)) - 0.5);
        out[SLOPES + i] = log(cosh(d / 2));
    }
    return 0;
}

/* 2 alpha max|A| / (1-gamma), -log(1 - 4 alpha^2)/2 */
static double jumps_by_alpha(const setting *x, double *out)
{
    (void)x;
    for (int i = 0; i < SLOPES; i++) {
        improvement_bounds b = jump(slope[i]);
        out[i] = 20 * b.alpha * b.eps;
        out[SLOPES + i] = -log1p(-4 * b.alpha * b.alpha) / 2;
    }
    return 0;
}

/* An interval of theta, at the slope of k = 1 (ERR-52: no interval of confidence, nothing here is estimated) */
static double jumps_in_theta(const setting *x, double *out)
{
    jumps(x, out);
    for (int i = 1; i < SLOPES; i++) out[i] = out[0], out[SLOPES + i] = out[SLOPES];
    return 0;
}

/* ---- TRPO-7: the step that the penalty allows, against delta = .01, on E5 along theta + t A ---- */

static const double DELTA = 0.01;

static exact *E5_at(double gamma)
{
    char error[256];
    double theta[15];
    for (int i = 0; i < 15; i++) theta[i] = cos(i / 3 + 2 * (i % 3));
    mdp *M = mdp_builtin("E5");
    exact *pi = exact_new(M, gamma, theta, error, sizeof error);
    require(pi, "%s", error);
    return pi;                                              /* its M is freed with it: E5_free */
}

static void E5_free(exact *pi)
{
    mdp *M = (mdp *)pi->M;
    exact_free(pi);
    mdp_free(M);
}

static double mean_kl(const exact *pi, double t)
{
    exact *pi1 = improvement_step_along(pi, NULL, t);
    double D = compare_policies(pi, pi1).kl_mean;
    exact_free(pi1);
    return D;
}

/* argmax_t L(t) - C kl(t), C that of TRPO-4 when 0, by golden section */
static double penalised_step(const exact *pi, double C)
{
    double low = log(1e-8), high = log(2), golden = (sqrt(5) - 1) / 2;
    for (int i = 0; i < 80; i++) {
        double a = high - golden * (high - low), b = low + golden * (high - low);
        improvement_bounds A = improvement_bounds_along(pi, NULL, exp(a));
        improvement_bounds B = improvement_bounds_along(pi, NULL, exp(b));
        bool further = C > 0 ? A.L - C * A.kl < B.L - C * B.kl : A.L - A.trpo < B.L - B.trpo;
        if (further) low = a;
        else         high = b;
    }
    return exp((low + high) / 2);
}

static double constrained_step(const exact *pi)             /* mean KL = delta */
{
    double low = 0, high = 2;
    for (int i = 0; i < 60; i++) {
        double t = (low + high) / 2;
        if (mean_kl(pi, t) < DELTA) low = t;
        else                        high = t;
    }
    return low;
}

/* For gamma = .9 and .99: log10 of the largest D_KL of the step, and of what it gains over that of delta = .01 */
enum { N_STEPS = 4 };
static int n_steps(const setting *x)       { (void)x; return N_STEPS; }

/* A maximum is flat: golden section has t to a relative sqrt(u), and D_KL goes as t^2, log10 t^2 = 2 ln t / ln 10 */
static double unit_steps(const setting *x) { (void)x; return sqrt(DBL_EPSILON); }

/* TRPO-7   the step that a penalty allows, against that of delta */
static double steps_with(double C, double *out)
{
    static const double gammas[] = { 0.9, 0.99 };
    for (int i = 0; i < 2; i++) {
        exact *pi = E5_at(gammas[i]);
        improvement_bounds p = improvement_bounds_along(pi, NULL, penalised_step(pi, C));
        improvement_bounds c = improvement_bounds_along(pi, NULL, constrained_step(pi));
        out[i] = log10(p.kl / DELTA);
        out[2 + i] = log10(p.dJ / c.dJ);
        E5_free(pi);
    }
    return 0;
}

static double with_theory(const setting *x, double *out)    { (void)x; return steps_with(0, out); }

static double with_C_1(const setting *x, double *out)       { (void)x; return steps_with(1, out); }

static void page_of_steps(const setting *x, FILE *out)
{
    static const double gammas[] = { 0.9, 0.99 };
    (void)x;
    for (int i = 0; i < 2; i++) {
        exact *pi = E5_at(gammas[i]);
        double t = penalised_step(pi, 0), t1 = constrained_step(pi);
        improvement_bounds p = improvement_bounds_along(pi, NULL, t), c = improvement_bounds_along(pi, NULL, t1);
        fprintf(out, "gamma = %-4g C = %.0f: the step of the penalty, t = %.3g, has max KL %.2g and gains %.3f;\n"
                "  with mean KL = .01 t = %.3g, %.0f times as long, gains %.3f\n", gammas[i],
                p.trpo / p.kl, t, p.kl,
                p.dJ, t1, t1 / t, c.dJ);
        E5_free(pi);
    }
}

const derivation bounds_in_practice[] = {
    { "DSB-15", "|J(pi') - J(pi)| <= 2 alpha max|A_pi| / (1-gamma): J is Lipschitz in the policy",
      "|J(pi') - J(pi)|", count_one, improvement_unit_J,
      improvement_no_bound, NULL, {
        { "|\\eta(\\tilde\\pi)-\\eta(\\pi)|", "two linear solves", J_apart },
        { "=|\\sum_s\\rho_{\\tilde\\pi}(s)\\sum_a(\\tilde\\pi(a|s)-\\pi(a|s))A_\\pi(s,a)|",
          "PDI-6, and sum_a pi(a|s) A_pi(s,a) = 0", J_by_differences },
        { "\\le\\sum_s\\rho_{\\tilde\\pi}(s)\\,2D_{TV}(\\tilde\\pi(\\cdot|s),\\pi(\\cdot|s))\\max|A_\\pi|",
          "the norm of pi' - pi in each state", J_by_norms, AT_LEAST_ABOVE },
        { "\\le\\frac{2\\alpha}{1-\\gamma}\\max|A_\\pi|,\\quad\\alpha=\\max_sD_{TV}", "rho sums to 1/(1-gamma)",
          J_lipschitz, AT_LEAST_ABOVE } } },
    { "DSB-16", "a small step in theta may be a large one in the policy: sigma(k theta), from theta = 0 to .05",
      "|J(.05) - J(0)| for k = 1, 10, 100; then D_KL", n_slopes, unit_slopes, NULL, NULL, {
        { "|J(\\theta+.05)-J(\\theta)|,\\quad D_{KL}", "by linear solves", jumps },
        { "=\\frac{\\sigma(.05k)-\\sigma(0)}{1-\\gamma},\\quad\\log\\frac{e^{.025k}+e^{-.025k}}{2}",
            "in closed form", jumps_closed },
        { "=\\frac{2\\alpha}{1-\\gamma}\\max|A|,\\quad-\\tfrac12\\log(1-4\\alpha^2),\\quad\\alpha=D_{TV}",
          "functions of how far the policy goes, whatever k: DSB-15, attained", jumps_by_alpha },
        { "|J(\\theta+.05)-J(\\theta)|_{k=1}",
          "the control: a region of theta that fits k = 1. 004 l.228 says so, and calls what is a trust region a"
          " confidence interval (ERR-52)", jumps_in_theta, DIFFERS } },
      "one state, two actions, the second pays 1; gamma .9; pi(1) = sigma(k theta)" },
    { "TRPO-7", "the C of theory is too large: its step is tiny beside that of a trust region of delta = .01",
      "gamma = .9, .99: log10 of the step's max KL over delta; of its gain over that of delta", n_steps,
      unit_steps, NULL,
      NULL, {
        { "-2,\\quad-1", "a hundredth of delta; a tenth of the gain", .is = { -2, -2, -1, -1 } },
        { "\\ge\\log_{10}\\frac{D_{KL}^{max}}{\\delta},\\quad\\log_{10}\\frac{\\eta_C-\\eta}{\\eta_\\delta-\\eta}",
          "the step that maximises L - C D_KL^max along theta + t A, the other with mean KL = delta", with_theory,
          AT_MOST },
        { "\\le\\log_{10}\\frac{D_{KL}^{max}}{\\delta},\\quad\\log_{10}\\frac{\\eta_1-\\eta}{\\eta_\\delta-\\eta}",
          "the control: C = 1", with_C_1, AT_LEAST } },
      "E5, theta(s,a) = cos(s+2a), gamma .9 and .99", page_of_steps },
    { .id = NULL }
};
