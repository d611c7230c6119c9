/* The update sum_t G_t grad log pi(a_t|s_t) with discounted returns and without gamma^t, as codes have it: what it
 * follows is no gradient. 000 eq (5) and listing, 002 (l.94); ERR-3. */
#include "derivations/missing_gamma.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/estimate.h"
#include "derivations/policy_gradient_theorem.h"
#include "derivations/small_problem.h"

/* ---- over H steps ---- */

/* RF-15   sum_t sum_s Pr(s_t = s) sum_a grad pi(a|s) Q_t(s,a) */
static double eta_and_Q(const setting *x, double *g)
{
    finite_horizon *f = small_new(x);
    int nS = x->pi->nS, n = x->pi->n;
    double *P = small_visits(f), *one = allocate((size_t)n, sizeof *one, "a gradient");
    memset(g, 0, (size_t)n * sizeof *g);
    for (int t = 0; t < f->H; t++) {
        gradient_sum(x->pi, P + t * nS, f->x->Q + t * x->pi->nSA, one);
        for (int i = 0; i < n; i++) g[i] += one[i];
    }
    double room = finite_room(f, x->pi->c);
    free(P);
    free(one);
    finite_free(f);
    return room;
}

static double mean_update(const setting *x, double *g)
{
    finite_horizon *f = small_new(x);
    gradient_estimator_moments(f, "reinforce", g, NULL);
    finite_free(f);
    return 0;
}

static double gradient_undiscounted(const setting *x, double *g)
{
    char error[256];
    finite_horizon *f = small_new(x), *f1 = finite_new(f->M, 1, f->policy, f->theta, f->H, error, sizeof error);
    require(f1, "%s", error);
    finite_gradient(f1, g);
    finite_free(f1);
    finite_free(f);
    return 0;
}

/* ---- over all time, where episodes end ---- */

bool missing_gamma_field(const exact *x, double *g)
{
    char error[256];
    exact *undiscounted = exact_new_policy(x->M, 1, &x->policy, x->theta, error, sizeof error);
    if (!undiscounted) return false;
    double *eta = allocate((size_t)x->nS, sizeof *eta, "visits");
    for (int s = 0; s < x->nS; s++) eta[s] = exact_rho(undiscounted, s);
    gradient_sum(x, eta, x->Q, g);
    free(eta);
    exact_free(undiscounted);
    return true;
}

double missing_gamma_asymmetry(const exact *x, bool (*field)(const exact *, double *))
{
    const double h = 1e-5;
    char error[256];
    size_t n = (size_t)x->n;
    double *D = allocate(n * n, sizeof *D, "a Jacobian"), *theta = allocate(3 * n, sizeof *theta, "parameters");
    double odd = 0, all = 0;
    memcpy(theta, x->theta, n * sizeof *theta);
    for (size_t j = 0; j < n; j++) {
        for (int side = 0; side < 2; side++) {
            theta[j] = x->theta[j] + (side ? h : -h);
            exact *moved = exact_new_policy(x->M, x->gamma, &x->policy, theta, error, sizeof error);
            require(moved && field(moved, theta + (size_t)(1 + side) * n), "%s", error);
            exact_free(moved);
        }
        theta[j] = x->theta[j];
        for (size_t i = 0; i < n; i++) D[i * n + j] = (theta[2 * n + i] - theta[n + i]) / (2 * h);
    }
    for (size_t i = 0; i < n * n; i++) {
        odd += pow(D[i] - D[i % n * n + i / n], 2);
        all += D[i] * D[i];
    }
    free(D);
    free(theta);
    return sqrt(odd / all);
}

static bool discounted_gradient(const exact *x, double *g)
{
    gradient_theorem(x, g);
    return true;
}

void missing_gamma_aliased(double p, double *with, double *without, double *undiscounted)
{
    static const char *const name[] = { "reinforce-gamma-t", "reinforce", "reinforce" };
    const double X[4] = { 1, 1, 1, 1 }, theta[2] = { log(p), log(1 - p) }, gamma[] = { 0.5, 0.5, 1 };
    double *out[] = { with, without, undiscounted }, g[2];
    for (int i = 0; i < 3; i++) {
        own_problem chain = own_problem_new(mdp_builtin("aliased-chain"), gamma[i], 1, X, theta, 2);
        gradient_estimator_moments(chain.f, name[i], g, NULL);
        *out[i] = g[0] / (p * (1 - p));                         /* dJ/dtheta_0 = p (1 - p) dJ/dp */
        own_problem_free(&chain);
    }
}

/* ---- the page: E5x over all time, and the aliased chain ---- */

enum { N_E5 = 15 };

static void compare(FILE *out, const char *name, const double *g, const double *gradient)
{
    double off = 0, dot = linalg_dot(N_E5, g, gradient);
    double norm = linalg_dot(N_E5, gradient, gradient), norm_g = linalg_dot(N_E5, g, g);
    for (int i = 0; i < N_E5; i++) off += pow(g[i] - gradient[i], 2);
    fprintf(out, "  from %s: relative difference %.3f, cosine %.4f\n", name, sqrt(off / norm),
            dot / sqrt(norm * norm_g));
}

static void page(const setting *x, FILE *out)
{
    char error[256];
    double theta[18] = { 0 }, field[18], gradient[18], with, without, undiscounted;
    small_page(x, out);
    mdp *M = mdp_builtin("E5x");
    for (int i = 0; i < N_E5; i++) theta[i] = cos(i / 3 + 2 * (i % 3));
    exact *discounted = exact_new(M, M->gamma, theta, error, sizeof error);
    exact *one = exact_new(M, 1, theta, error, sizeof error);
    require(discounted && one, "%s", error);
    missing_gamma_field(discounted, field);
    fprintf(out, "\nOn E5x over all time, theta(s,a) = cos(s+2a), the update without gamma^t is off\n");
    gradient_theorem(discounted, gradient);
    compare(out, "grad J_gamma", field, gradient);
    gradient_theorem(one, gradient);
    compare(out, "grad J_1", field, gradient);
    fprintf(out, "and its derivative D is not symmetric, so it is the gradient of no function: |D - D^T| / |D| ="
            " %.3f\n(%.0e for grad J_gamma, by the same differences).\n",
            missing_gamma_asymmetry(discounted, missing_gamma_field),
            missing_gamma_asymmetry(discounted, discounted_gradient));
    missing_gamma_aliased(0.5, &with, &without, &undiscounted);
    fprintf(out, "\nOn the aliased chain (gamma .5), whose choices share one p, the mean update in p is\n"
            "  %+.2f with gamma^t: dJ_gamma/dp;   %+.2f undiscounted: dJ_1/dp;   %+.2f without gamma^t:\n"
            "the worst policy of both objectives is where it leads.\n", with, undiscounted, without);
    exact_free(discounted);
    exact_free(one);
    mdp_free(M);
}

const derivation missing_gamma[] = {
    { "RF-15", "without gamma^t: E[sum_t G_t grad log pi] = sum_s eta(s) sum_a grad pi Q_gamma, no gradient",
      "E[g_i] over " FINITE_SMALL, small_n, small_unit, small_not_applicable, NULL, {
        { "\\sum_s\\eta_\\pi(s)\\sum_a\\nabla_\\theta\\pi_\\theta(a|s)\\,Q_\\gamma^\\pi(s,a),\\quad"
          "\\eta_\\pi(s)=\\sum_tP(s_t=s)",
          "visits undiscounted, forward in time, and Q discounted, both exact at each time", eta_and_Q },
        { "=E[\\sum_tG_t\\nabla_\\theta\\log\\pi_\\theta(a_t|s_t)]",
          "over all trajectories, through algorithms/reinforce.c", mean_update },
        { "=\\nabla_\\theta J_\\gamma", "002 l.94, 000 eq 5: taken for the gradient of the discounted objective",
          small_gradient, DIFFERS, "ERR-3" },
        { "=\\nabla_\\theta J_1", "002 l.79, 000 listing: or for that of the undiscounted one",
          gradient_undiscounted, DIFFERS, "ERR-3" } },
      .page = page },
    { .id = NULL }
};
