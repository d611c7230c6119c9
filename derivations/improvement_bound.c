/* How much a new policy gains at least, from the advantages and the states of the old one: 001's bound on the
 * objective (l.297-321), TRPO's Theorem 1 (002, images TRPO9-12), and what they are worth. 004 (l.228-230). */
#include "derivations/improvement_bound.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/coupling.h"
#include "derivations/derivation.h"
#include "derivations/distribution_shift.h"
#include "derivations/enumerate.h"
#include "derivations/kl_bounds.h"
#include "derivations/performance_difference.h"

static double gain_in(const exact *pi, const double *p, int s)              /* sum_a p(a) A_pi(s,a) */
{
    return linalg_dot(pi->nA, p, pi->A + s * pi->nA);
}

/* sum_a pi'(a|s) A_pi(s,a) = sum_a (pi' - pi)(a|s) A_pi(s,a) */
static double A_bar(const exact *pi, const exact *pi1, int s)
{
    double sum = 0;
    for (int i = s * pi->nA; i < (s + 1) * pi->nA; i++) sum += (pi1->pi[i] - pi->pi[i]) * pi->A[i];
    return sum;
}

improvement_bounds improvement_bounds_of(const exact *pi, const exact *pi1)
{
    policy_comparison c = compare_policies(pi, pi1);
    improvement_bounds b = { .J = pi->J, .J1 = pi1->J, .alpha = c.tv_max, .kl = c.kl_max };
    double horizon = pi->gamma / ((1 - pi->gamma) * (1 - pi->gamma));       /* sum_t t gamma^t */
    b.eps = linalg_max_abs(pi->nSA, pi->A);
    for (int s = 0; s < pi->nS; s++) {
        double A = A_bar(pi, pi1, s);
        b.dL += exact_rho(pi, s) * A;
        b.dJ += exact_rho(pi1, s) * A;                      /* PDI-6 */
        b.C = fmax(b.C, fabs(A));
    }
    b.L = b.J + b.dL;
    b.shift = 2 * b.alpha * horizon * b.C;
    b.linear = 2 * b.alpha * horizon * b.eps;
    b.tv = 4 * b.eps * horizon * b.alpha * b.alpha;
    b.trpo = 4 * b.eps * horizon * b.kl;
    return b;
}

/* ---- units, and where nothing can be said ---- */

static int one(const setting *x)       { (void)x; return 1; }
static int n_states(const setting *x)  { return x->pi->nS; }
static double unit_J(const setting *x) { return pair_unit(x->pi, x->pi1) * fmax(x->pi->k, x->pi1->k); }

static const char *no_bound(const setting *x)
{
    if (!(x->pi->gamma < 1)) return "gamma = 1: the bounds are infinite";
    return isfinite(improvement_bounds_of(x->pi, x->pi1).trpo) ? NULL : "the bounds overflow";
}

/* What rows of P that sum to 1 within 1e-9 only, and so distributions, may add to a sum over time of C */
static double room(const setting *x, double C)
{
    double k = fmax(x->pi->k, x->pi1->k);
    return 4 * enumerate_defect(x->pi->M) * k * k * C;
}

/* ---- sums over time, of what is known at each t < STEPS and bounded behind it ---- */

enum { STEPS = 64 };

/* sum_t gamma^t || p'(s_t) - p(s_t) ||_1; behind the last step the norm is 2 at most */
static double shift_over_time(const setting *x)
{
    const mdp *M = x->pi->M;
    double *p = shift_states(M, x->pi->pi, STEPS), *p1 = shift_states(M, x->pi1->pi, STEPS), gamma_t = 1, sum = 0;
    double eps = shift_eps(M, x->pi->pi, x->pi1->pi), gamma = x->pi->gamma;
    for (int t = 0; t < STEPS; t++, gamma_t *= gamma)
        sum += gamma_t * shift_L1(M->nS, p + t * M->nS, p1 + t * M->nS);
    free(p);
    free(p1);
    /* sum_{t >= T} gamma^t 2 (1 - (1-eps)^t) = 2 gamma^T [1/(1-gamma) - (1-eps)^T / (1 - gamma (1-eps))] */
    return sum + 2 * gamma_t * (1 / (1 - gamma) - pow(1 - eps, STEPS) / (1 - gamma + gamma * eps));
}

/* sum_t gamma^t 2 (1 - (1-eps)^t) = 2 gamma eps / ((1-gamma)(1 - gamma + gamma eps)) */
static double parted_over_time(double gamma, double eps)
{
    return 2 * gamma * eps / ((1 - gamma) * (1 - gamma + gamma * eps));
}

/* sum_t 2 eps t gamma^t by doubling T: S = sum_{t<T} gamma^t, W = sum_{t<T} t gamma^t, until W stands still */
static double linear_over_time(double gamma, double eps)
{
    double S = 1, W = 0, power = gamma;
    for (double T = 1; power > 0 && T < 1e18; T *= 2, power *= power) {
        double last = W;
        W += power * (W + T * S);
        S += power * S;
        if (W > 0 && W - last <= 0x1p-60 * W) break;
    }
    return 2 * eps * W;
}

/* ---- DSB-10: the objective on the states of pi' against that on the states of pi ---- */

static double objective(const setting *x, double *out)
{
    *out = x->pi1->J - x->pi->J;
    return 0;
}

/* sum_t gamma^t E_{p(s_t)}[ E_{a ~ pi}[ pi'/pi A ] ] = mu0^T sum_t (gamma P)^t f, P that of pi' or of pi */
static double over_time(const setting *x, const exact *of)
{
    double *f = allocate(2 * (size_t)of->nS, sizeof *f, "a sum over time"), *sum = f + of->nS;
    for (int s = 0; s < of->nS; s++) f[s] = A_bar(x->pi, x->pi1, s);
    exact_sum_over_time(of, false, f, sum);
    double E = linalg_dot(of->nS, of->M->mu0, sum);
    free(f);
    return E;
}

static double on_new_states(const setting *x, double *out)
{
    if (x->pi->nS > EXACT_MAX_TIME_SUM) return -1;
    *out = over_time(x, x->pi1);
    return 10 * unit_J(x);
}

static double minus_shift(const setting *x, double *out)
{
    improvement_bounds b = improvement_bounds_of(x->pi, x->pi1);
    *out = b.dL - shift_over_time(x) * b.C;
    return room(x, b.C);
}

static double minus_parted(const setting *x, double *out)
{
    improvement_bounds b = improvement_bounds_of(x->pi, x->pi1);
    *out = b.dL - parted_over_time(x->pi->gamma, b.alpha) * b.C;
    return room(x, b.C);
}

/* DSB-10   L - J - sum_t 2 eps t gamma^t C */
static double minus_linear(const setting *x, double *out)
{
    improvement_bounds b = improvement_bounds_of(x->pi, x->pi1);
    *out = b.dL - b.shift;
    return room(x, b.C);
}

/* ---- DSB-11: the sum of the penalties, and C ---- */

static int n_penalty(const setting *x) { (void)x; return 3; }
enum { EPISODE = 100 };

static double unit_penalty(const setting *x)
{
    improvement_bounds b = improvement_bounds_of(x->pi, x->pi1);
    double powers = b.shift / (1 - x->pi->gamma);           /* gamma^T is right to T u */
    return fmax(2 * x->pi->unit_V, 64 * DBL_EPSILON * fmax(powers, EPISODE * EPISODE * b.C));
}

/* DSB-11   the sum over all t with gamma^t; that over an episode of T = 100 steps without; and C */
static double penalty_summed(const setting *x, double *out)
{
    improvement_bounds b = improvement_bounds_of(x->pi, x->pi1);
    out[0] = linear_over_time(x->pi->gamma, b.alpha) * b.C;
    out[1] = 0;
    for (int t = 0; t < EPISODE; t++) out[1] += 2 * b.alpha * t * b.C;
    out[2] = b.C;
    return 0;
}

static double penalty_closed(const setting *x, double *out)
{
    improvement_bounds b = improvement_bounds_of(x->pi, x->pi1);
    out[0] = b.shift;
    out[1] = b.alpha * EPISODE * (EPISODE - 1) * b.C;
    out[2] = 0;                                             /* C by Q: the mean of Q under pi' less that under pi */
    for (int s = 0; s < x->pi->nS; s++) {
        double more = 0;
        for (int i = s * x->pi->nA; i < (s + 1) * x->pi->nA; i++)
            more += (x->pi1->pi[i] - x->pi->pi[i]) * x->pi->Q[i];
        out[2] = fmax(out[2], fabs(more));
    }
    return 0;
}

/* Every value lies between those of the least and of the greatest reward for ever: so |C| <= alpha R / (1-gamma)
 * with R their difference, at absorbing states 0 */
static double reward_range(const setting *x)
{
    double least = INFINITY, most = -INFINITY;
    for (int i = 0; i < x->pi->nSA; i++) {
        least = fmin(least, x->pi->r[i]);
        most = fmax(most, x->pi->r[i]);
    }
    return most - least;
}

static double penalty_by_rewards(const setting *x, double *out)
{
    improvement_bounds b = improvement_bounds_of(x->pi, x->pi1);
    double gamma = x->pi->gamma, C = b.alpha * reward_range(x) / (1 - gamma);
    out[0] = 2 * b.alpha * gamma / ((1 - gamma) * (1 - gamma)) * C;
    out[1] = b.alpha * EPISODE * (EPISODE - 1) * C;
    out[2] = C;
    return enumerate_defect(x->pi->M) * x->pi->k * linalg_max_abs(x->pi->nS, x->pi->V) * EPISODE * EPISODE
         + room(x, C);
}

/* ERR-33: what C may be, O(T r_max) or O(r_max/(1-gamma)), taken for the sum */
static double underbrace(const setting *x, double *out)
{
    improvement_bounds b = improvement_bounds_of(x->pi, x->pi1);
    double r = linalg_max_abs(x->pi->nSA, x->pi->r);
    out[0] = r / (1 - x->pi->gamma);
    out[1] = EPISODE * r;
    out[2] = b.C;
    return isfinite(out[0] + out[1]) ? 0 : -1;
}

static void page_of_penalty(const setting *x, FILE *out)
{
    static const double gammas[] = { 0.9, 0.99, 0.999 };
    improvement_bounds b = improvement_bounds_of(x->pi, x->pi1);
    fprintf(out, "ERR-33: sum_t 2 eps t gamma^t over 1/(1-gamma), which an O(r_max/(1-gamma)) would keep bounded\n"
            "(eps = %.3g):\n", b.alpha);
    for (int i = 0; i < 3; i++)
        fprintf(out, "  gamma = %-5g  %.4g\n", gammas[i], linear_over_time(gammas[i], b.alpha) * (1 - gammas[i]));
}

/* ---- DSB-12: the best policy within eps, in each state ---- */

static const double STEP_EPS = 0.1;

/* DSB-12   what is taken from the worst actions goes to the best one */
double improvement_step(int n, const double *pi, const double *A, double eps, double *p)
{
    int best = 0;
    double left = eps, value = 0;
    for (int a = 1; a < n; a++)
        if (A[a] > A[best]) best = a;
    memcpy(p, pi, (size_t)n * sizeof *p);
    while (left > 0) {
        int worst = best;
        for (int a = 0; a < n; a++)
            if (p[a] > 0 && A[a] < A[worst]) worst = a;
        if (worst == best) break;
        double moved = fmin(left, p[worst]);
        p[worst] = left < p[worst] ? p[worst] - left : 0;
        p[best] += moved;
        left -= moved;
    }
    for (int a = 0; a < n; a++) value += p[a] * A[a];
    return value;
}

/* min_{l >= 0} l eps + sum_a pi(a) max(A(a), max A - l): convex and piecewise linear, least at a corner */
double improvement_step_dual(int n, const double *pi, const double *A, double eps)
{
    double most = A[0], least = INFINITY;
    for (int a = 1; a < n; a++) most = fmax(most, A[a]);
    for (int corner = 0; corner < n; corner++) {
        double l = most - A[corner], value = l * eps;
        for (int a = 0; a < n; a++) value += pi[a] * fmax(A[a], most - l);
        least = fmin(least, value);
    }
    return least;
}

static double unit_step(const setting *x)
{
    double A = fmax(1, linalg_max_abs(x->pi->nSA, x->pi->A));
    return fmax(2 * x->pi->unit_V, 4 * DBL_EPSILON * fmax(4, x->pi->nA) * A);
}

static double best_step(const setting *x, double *out)
{
    int nA = x->pi->nA;
    double *p = allocate((size_t)nA, sizeof *p, "a policy in one state");
    for (int s = 0; s < x->pi->nS; s++)
        out[s] = improvement_step(nA, x->pi->pi + s * nA, x->pi->A + s * nA, STEP_EPS, p);
    free(p);
    return 0;
}

static double best_step_dual(const setting *x, double *out)
{
    int nA = x->pi->nA;
    for (int s = 0; s < x->pi->nS; s++)
        out[s] = improvement_step_dual(nA, x->pi->pi + s * nA, x->pi->A + s * nA, STEP_EPS);
    return 0;
}

/* (1 - eps) pi + eps greedy: it is allowed, and wastes what it takes from good actions */
static double mixed_step(const setting *x, double *out)
{
    for (int s = 0; s < x->pi->nS; s++) {
        double most = -INFINITY, mean = gain_in(x->pi, x->pi->pi + s * x->pi->nA, s);
        for (int i = s * x->pi->nA; i < (s + 1) * x->pi->nA; i++) most = fmax(most, x->pi->A[i]);
        out[s] = (1 - STEP_EPS) * mean + STEP_EPS * most;
    }
    return 0;
}

/* pi + t (q - pi), q random, t the largest with D_TV <= eps: the best of 100 */
static double random_steps(const setting *x, double *out)
{
    int nA = x->pi->nA;
    double *q = allocate((size_t)nA, sizeof *q, "a policy in one state");
    gsl_rng *rng = random_stream(x->seed, 0, RANDOM_TEST);
    for (int s = 0; s < x->pi->nS; s++) {
        const double *pi = x->pi->pi + s * nA;
        out[s] = -INFINITY;
        for (int k = 0; k < 100; k++) {
            double sum = 0;
            for (int a = 0; a < nA; a++) sum += q[a] = -log(gsl_rng_uniform_pos(rng));
            for (int a = 0; a < nA; a++) q[a] /= sum;
            double far = total_variation(nA, pi, q), t = far > STEP_EPS ? STEP_EPS / far : 1;
            for (int a = 0; a < nA; a++) q[a] = pi[a] + t * (q[a] - pi[a]);
            out[s] = fmax(out[s], gain_in(x->pi, q, s));
        }
    }
    gsl_rng_free(rng);
    free(q);
    return 0;
}

static double greedy_step(const setting *x, double *out)
{
    for (int s = 0; s < x->pi->nS; s++) {
        out[s] = x->pi->A[s * x->pi->nA];
        for (int a = 1; a < x->pi->nA; a++) out[s] = fmax(out[s], x->pi->A[s * x->pi->nA + a]);
    }
    return 0;
}

/* pi with the best step of length eps in every state, and where gamma < 1 what it is worth */
static void page_of_best_steps(const setting *x, FILE *out)
{
    static const double lengths[] = { 0.3, 0.1, 0.03, 0.01, 0.003 };
    const exact *pi = x->pi;
    char error[256];
    double *p = allocate((size_t)pi->nSA, sizeof *p, "a policy");
    if (!(pi->gamma < 1)) fprintf(out, "gamma = 1: no bound on what these steps gain is finite\n");
    else fprintf(out, "That step in every state: its gain in the surrogate, in J, and what TRPO-3 promises of it\n"
                 "     eps          L - J         J' - J   L - J - TRPO-3\n");
    for (int k = 0; k < 5 && pi->gamma < 1; k++) {
        for (int s = 0; s < pi->nS; s++)
            improvement_step(pi->nA, pi->pi + s * pi->nA, pi->A + s * pi->nA, lengths[k], p + s * pi->nA);
        for (int i = 0; i < pi->nSA; i++) p[i] = p[i] > 0 ? log(p[i]) : -1e4;       /* exp(-1e4) is 0 */
        exact *pi1 = exact_new(pi->M, pi->gamma, p, error, sizeof error);
        require(pi1, "%s", error);
        improvement_bounds b = improvement_bounds_of(pi, pi1);
        fprintf(out, "  %6g %14.6g %14.6g %16.6g\n", lengths[k], b.dL, b.dJ, b.dL - b.tv);
        exact_free(pi1);
    }
    free(p);
}

/* ---- DSB-13: along theta + t A, A the natural gradient of a table ---- */

enum { LENGTHS = 4 };
static const double length[LENGTHS] = { 0.1, 0.03, 0.01, 0.001 };

static int n_lengths(const setting *x) { (void)x; return LENGTHS; }

static exact *stepped(const exact *pi, double t)
{
    char error[256];
    double *z = allocate((size_t)pi->nSA, sizeof *z, "logits");
    for (int i = 0; i < pi->nSA; i++) z[i] = pi->logits[i] + t * pi->A[i];
    exact *pi1 = exact_new(pi->M, pi->gamma, z, error, sizeof error);
    require(pi1, "%s", error);                              /* gamma < 1 */
    free(z);
    return pi1;
}

static improvement_bounds bounds_at(const exact *pi, double t)
{
    exact *pi1 = stepped(pi, t);
    improvement_bounds b = improvement_bounds_of(pi, pi1);
    exact_free(pi1);
    return b;
}

/* One unit of the gain L - J of the shortest step, relative: A's times |pi' - pi|, and pi' - pi's times |A| */
static double unit_length(const setting *x)
{
    const exact *pi = x->pi;
    improvement_bounds b = bounds_at(pi, length[LENGTHS - 1]);
    return pi->k * (4 * pi->unit_V * b.alpha + DBL_EPSILON * fmax(4, pi->nS) * b.eps) / fmax(b.dL, DBL_MIN);
}

static const char *no_gain(const setting *x)
{
    if (!(x->pi->gamma < 1)) return no_bound(x);
    if (linalg_max_abs(x->pi->nSA, x->pi->A) > 1e2) return "advantages beyond 100: theta + t A is far off";
    double unit = unit_length(x);                           /* 0: nothing is to be gained at all */
    return unit > 0 && unit < 1e-3 ? NULL : "no action is better than another where pi goes";
}

static double gained(const setting *x, double *out)
{
    for (int i = 0; i < LENGTHS; i++) {
        improvement_bounds b = bounds_at(x->pi, length[i]);
        out[i] = b.dJ / b.dL;
    }
    return 0;
}

/* DSB-13   the gain less its penalty, by the gain: above 0, a step is guaranteed to improve J */
static double gained_less_quadratic(const setting *x, double *out)
{
    for (int i = 0; i < LENGTHS; i++) {
        improvement_bounds b = bounds_at(x->pi, length[i]);
        out[i] = 1 - b.tv / b.dL;
    }
    return 0;
}

static double gained_less_shift(const setting *x, double *out)
{
    for (int i = 0; i < LENGTHS; i++) {
        improvement_bounds b = bounds_at(x->pi, length[i]);
        out[i] = 1 - b.shift / b.dL;
    }
    return 0;
}

static double gained_less_linear(const setting *x, double *out)
{
    for (int i = 0; i < LENGTHS; i++) {
        improvement_bounds b = bounds_at(x->pi, length[i]);
        out[i] = 1 - b.linear / b.dL;
    }
    return 0;
}

static void page_of_lengths(const setting *x, FILE *out)
{
    fprintf(out, "The gain L - J over each penalty, at theta + t A: it must exceed 1 for a step to be sure.\n"
            "       t   linear, C = max|A|   DSB-10, C = max_s |sum_a pi' A|   TRPO-3, quadratic\n");
    for (int i = 0; i < LENGTHS; i++) {
        improvement_bounds b = bounds_at(x->pi, length[i]);
        double gain = b.dL;
        fprintf(out, "  %6g   %18.4f   %29.3g   %17.3g\n", length[i], gain / b.linear, gain / b.shift,
            gain / b.tv);
    }
}

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
static double unit_slopes(const setting *x) { (void)x; return 1e3 * DBL_EPSILON; }

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

/* ERR-52: an interval of theta, at the slope of k = 1 */
static double jumps_in_theta(const setting *x, double *out)
{
    jumps(x, out);
    for (int i = 1; i < SLOPES; i++) out[i] = out[0], out[SLOPES + i] = out[SLOPES];
    return 0;
}

/* ---- TRPO-1: D_TV^max ---- */

static double unit_TV(const setting *x) { return DBL_EPSILON * fmax(4, x->pi->nA); }

/* TRPO-1   max_s D_TV(pi(.|s), pi'(.|s)) */
static double TV_max(const setting *x, double *out)
{
    *out = compare_policies(x->pi, x->pi1).tv_max;
    return 0;
}

typedef double (*of_row)(int n, const double *p, const double *q);

static double positive_part(int n, const double *p, const double *q)
{
    double sum = 0;
    for (int a = 0; a < n; a++) sum += fmax(p[a] - q[a], 0);
    return sum;
}

static double greatest(const setting *x, of_row value, double sign, double *out)
{
    int nA = x->pi->nA;
    *out = 0;
    for (int s = 0; s < x->pi->nS; s++) {
        double v = value(nA, x->pi->pi + s * nA, x->pi1->pi + s * nA);
        if (!x->pi->absorbing[s]) *out = fmax(*out, sign > 0 ? v : 1 - v);
    }
    return 0;
}

static double TV_by_events(const setting *x, double *out)  { return greatest(x, positive_part, 1, out); }
static double TV_by_overlap(const setting *x, double *out) { return greatest(x, overlap, -1, out); }
static double TV_by_sums(const setting *x, double *out)    { return greatest(x, total_variation, 1, out); }

/* ---- TRPO-3, TRPO-4: Theorem 1, line by line ---- */

static double J_new(const setting *x, double *out)
{
    *out = x->pi1->J;
    return 0;
}

/* L + sum_s (rho' - rho)(s) sum_a pi'(a|s) A(s,a) */
static double J_by_visits(const setting *x, double *out)
{
    *out = improvement_bounds_of(x->pi, x->pi1).L;
    for (int s = 0; s < x->pi->nS; s++)
        *out += (exact_rho(x->pi1, s) - exact_rho(x->pi, s)) * A_bar(x->pi, x->pi1, s);
    return 0;
}

static double J_minus_shift(const setting *x, double *out)
{
    double room_of = minus_shift(x, out);
    *out += x->pi->J;
    return room_of;
}

static double J_minus_parted(const setting *x, double *out)
{
    double room_of = minus_parted(x, out);
    *out += x->pi->J;
    return room_of;
}

/* |sum_a pi' A| = |sum_a (pi' - pi) A| <= 2 alpha eps */
static double J_minus_two_alpha(const setting *x, double *out)
{
    improvement_bounds b = improvement_bounds_of(x->pi, x->pi1);
    *out = b.L - parted_over_time(x->pi->gamma, b.alpha) * 2 * b.alpha * b.eps;
    return room(x, b.eps);
}

/* TRPO-3   L - 4 eps gamma alpha^2 / (1-gamma)^2 */
static double J_minus_tv(const setting *x, double *out)
{
    improvement_bounds b = improvement_bounds_of(x->pi, x->pi1);
    *out = b.L - b.tv;
    return room(x, b.eps);
}

static double J_minus_pinsker(const setting *x, double *out)        /* alpha^2 <= kl / 2 */
{
    improvement_bounds b = improvement_bounds_of(x->pi, x->pi1);
    *out = b.L - b.trpo / 2;
    return room(x, b.eps);
}

/* TRPO-4   L - 4 eps gamma max KL / (1-gamma)^2 */
static double J_minus_trpo(const setting *x, double *out)
{
    improvement_bounds b = improvement_bounds_of(x->pi, x->pi1);
    *out = b.L - b.trpo;
    return room(x, b.eps);
}

/* On ok-bad pi is always right, pi' wrong with probability e: |J(pi') - L| = e^2 2 gamma /
 * ((1-gamma)(1 - gamma + gamma e)), so that the ratio to TRPO-3's penalty is (1-gamma) / (2 (1 - gamma + gamma e)) */
static void page_of_tightness(const setting *x, FILE *out)
{
    static const double es[] = { 0.1, 0.01, 0.001 };
    char error[256];
    mdp *M = mdp_builtin("ok-bad");
    (void)x;
    fprintf(out, "|J(pi') - L| over the penalty where it is largest: ok-bad, gamma .9, pi right, pi' wrong with"
            " probability e\n");
    for (int k = 0; k < 3; k++) {
        const double e = es[k], z[4] = { 0, -1e4, 0, -1e4 }, z1[4] = { log1p(-e), log(e), log1p(-e), log(e) };
        exact *pi = exact_new(M, 0.9, z, error, sizeof error), *pi1 = exact_new(M, 0.9, z1, error, sizeof error);
        require(pi && pi1, "%s", error);
        improvement_bounds b = improvement_bounds_of(pi, pi1);
        fprintf(out, "  e = %-6g TRPO-3 %.4f   TRPO-4 %.4f   DSB-10 %.4f\n", e, fabs(b.dJ - b.dL) / b.tv,
                fabs(b.dJ - b.dL) / b.trpo, fabs(b.dJ - b.dL) / b.shift);
        exact_free(pi);
        exact_free(pi1);
    }
    fprintf(out, "TRPO-3: (1-gamma) / (2 (1 - gamma + gamma e)), up to 1/2. On random MDPs it is far less:\n"
            "`ascent bounds --mdps 3000`.\n");
    mdp_free(M);
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
    exact *pi1 = stepped(pi, t);
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
        improvement_bounds A = bounds_at(pi, exp(a)), B = bounds_at(pi, exp(b));
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
static double unit_steps(const setting *x) { (void)x; return 1e-8; }       /* golden section: sqrt(u) */

/* TRPO-7   the step that a penalty allows, against that of delta */
static double steps_with(double C, double *out)
{
    static const double gammas[] = { 0.9, 0.99 };
    for (int i = 0; i < 2; i++) {
        exact *pi = E5_at(gammas[i]);
        improvement_bounds p = bounds_at(pi, penalised_step(pi, C)), c = bounds_at(pi, constrained_step(pi));
        out[i] = log10(p.kl / DELTA);
        out[2 + i] = log10(p.dJ / c.dJ);
        E5_free(pi);
    }
    return 0;
}

static double practice(const setting *x, double *out)       /* a hundredth of delta, a tenth of its gain */
{
    (void)x;
    out[0] = out[1] = -2;
    out[2] = out[3] = -1;
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
        improvement_bounds p = bounds_at(pi, t), c = bounds_at(pi, t1);
        fprintf(out, "gamma = %-4g C = %.0f: the step of the penalty, t = %.3g, has max KL %.2g and gains %.3f;\n"
                "  with mean KL = .01 t = %.3g, %.0f times as long, gains %.3f\n", gammas[i], p.trpo / p.kl, t, p.kl,
                p.dJ, t1, t1 / t, c.dJ);
        E5_free(pi);
    }
}

const derivation improvement_bound[] = {
    { "DSB-10", "sum_t E_p'[E_pi[pi'/pi gamma^t A]] >= the same on p(s_t) less sum_t 2 eps t gamma^t C",
      "J(pi') - J(pi)", one, unit_J, no_bound, NULL, {
        { "J(\\theta')-J(\\theta)", "two policies, two linear solves", objective },
        { "=\\sum_tE_{s_t\\sim p_{\\theta'}}[E_{a_t\\sim\\pi_\\theta}[\\frac{\\pi_{\\theta'}(a_t|s_t)}"
          "{\\pi_\\theta(a_t|s_t)}\\gamma^tA^{\\pi_\\theta}(s_t,a_t)]]", "PDI-1, on the states of pi'",
          on_new_states },
        { "\\ge\\sum_tE_{s_t\\sim p_\\theta}[\\dots]-\\sum_t\\gamma^t\\|p_{\\theta'}(s_t)-p_\\theta(s_t)\\|_1C,"
          "\\quad C=\\max_s|\\sum_a\\pi_{\\theta'}(a|s)A^{\\pi_\\theta}(s,a)|",
          "DSB-9 for f(s) the inner mean; 64 steps forward in time, and DSB-8 for what is behind them",
          minus_shift,
          AT_MOST },
        { "\\ge\\sum_tE_{s_t\\sim p_\\theta}[\\dots]-\\sum_t\\gamma^t2(1-(1-\\epsilon)^t)C", "DSB-8", minus_parted,
          AT_MOST },
        { "\\ge\\sum_tE_{s_t\\sim p_\\theta}[\\dots]-\\sum_t2\\epsilon t\\gamma^tC",
          "DSB-4; 001 l.299 prints no gamma^t, and the sum over all t would be infinite", minus_linear,
          AT_MOST } } },
    { "DSB-11", "sum_t 2 eps t gamma^t C = 2 eps gamma C / (1-gamma)^2: one 1/(1-gamma) is C's, two are the sum's",
      "the sum over all t; over T = 100 steps without gamma^t; C", n_penalty, unit_penalty, no_bound, NULL, {
        { "\\sum_t2\\epsilon t\\gamma^tC,\\quad\\sum_{t<T}2\\epsilon tC,\\quad "
          "C=\\max_s|\\sum_a\\pi_{\\theta'}(a|s)A^{\\pi_\\theta}(s,a)|", "summed: the first by doubling",
          penalty_summed },
        { "=\\frac{2\\epsilon\\gamma C}{(1-\\gamma)^2},\\quad\\epsilon T(T-1)C,\\quad"
          "\\max_s|\\sum_a(\\pi_{\\theta'}-\\pi_\\theta)(a|s)Q^{\\pi_\\theta}(s,a)|", "in closed form",
          penalty_closed },
        { "\\le\\dots,\\quad C\\le\\epsilon\\frac{r_{max}-r_{min}}{1-\\gamma}",
          "no two values are further apart than those of the best and the worst reward for ever",
          penalty_by_rewards,
          AT_LEAST },
        { "O(\\frac{r_{max}}{1-\\gamma}),\\quad O(Tr_{max})",
          "001 l.299 has this below the whole sum: it is what C may be", underbrace, DIFFERS, "ERR-33" } },
      .page = page_of_penalty },
    { "DSB-12", "argmax of the surrogate s.t. D_TV <= eps = .1: the worst actions' share to the best",
      "the best sum_a p(a) A(s,a) in each state", n_states, unit_step, NULL, NULL, {
        { "\\max_p\\sum_ap(a)A(s,a)\\;s.t.\\;D_{TV}(p,\\pi_\\theta(\\cdot|s))\\le\\epsilon",
          "a linear program: eps taken from the worst actions, given to the best", best_step },
        { "=\\min_{\\lambda\\ge0}\\{\\lambda\\epsilon+\\sum_a\\pi_\\theta(a|s)"
          "\\max(A(s,a),\\max_bA(s,b)-\\lambda)\\}",
          "its dual, at the corners: no p does better", best_step_dual },
        { "\\ge\\sum_a((1-\\epsilon)\\pi_\\theta+\\epsilon\\,1_{a=\\arg\\max A})A(s,a)",
          "a mixture with the greedy policy is allowed, and takes from good actions as from bad", mixed_step,
          AT_MOST },
        { "\\ge\\sum_ap(a)A(s,a)", "the best of 100 random p that are allowed", random_steps, AT_MOST },
        { "\\le\\max_aA(s,a)", "without a constraint", greedy_step, AT_LEAST } },
      .page = page_of_best_steps },
    { "DSB-13", "small enough a step improves J: by the quadratic penalty; 001's linear one promises nothing",
      "(J(theta + t A) - J) / (L - J), t = .1, .03, .01, .001", n_lengths, unit_length, no_gain, NULL, {
        { "\\frac{J(\\theta_t)-J(\\theta)}{L(\\theta_t)-J(\\theta)},\\quad\\theta_t=\\theta+tA^{\\pi_\\theta}",
          "what is gained, by what the surrogate promises", gained },
        { "\\ge1-\\frac{4\\alpha^2\\gamma\\max|A|}{(1-\\gamma)^2(L-J)}",
          "TRPO-3: the penalty falls as t^2, the gain as t, so this is above 0 for t small enough",
          gained_less_quadratic, AT_MOST },
        { "\\ge1-\\frac{2\\alpha\\gamma C}{(1-\\gamma)^2(L-J)},\\quad "
          "C=\\max_s|\\sum_a\\pi_{\\theta'}(a|s)A(s,a)|",
          "DSB-10: quadratic as well, since C is 0 at t = 0", gained_less_shift, AT_MOST },
        { "1-\\frac{2\\alpha\\gamma C}{(1-\\gamma)^2(L-J)},\\quad C=\\max_{s,a}|A(s,a)|",
          "001 l.299, l.321, l.375 with a constant C: penalty and gain both fall as t, and nothing is guaranteed",
          gained_less_linear, DIFFERS, "ERR-33" } }, .page = page_of_lengths },
    { "DSB-15", "|J(pi') - J(pi)| <= 2 alpha max|A_pi| / (1-gamma): J is Lipschitz in the policy",
      "|J(pi') - J(pi)|", one, unit_J, no_bound, NULL, {
        { "|\\eta(\\tilde\\pi)-\\eta(\\pi)|", "two linear solves", J_apart },
        { "=|\\sum_s\\rho_{\\tilde\\pi}(s)\\sum_a(\\tilde\\pi(a|s)-\\pi(a|s))A_\\pi(s,a)|",
          "PDI-6, and sum_a pi(a|s) A_pi(s,a) = 0", J_by_differences },
        { "\\le\\sum_s\\rho_{\\tilde\\pi}(s)\\,2D_{TV}(\\tilde\\pi(\\cdot|s),\\pi(\\cdot|s))\\max|A_\\pi|",
          "the norm of pi' - pi in each state", J_by_norms, AT_LEAST },
        { "\\le\\frac{2\\alpha}{1-\\gamma}\\max|A_\\pi|,\\quad\\alpha=\\max_sD_{TV}", "rho sums to 1/(1-gamma)",
          J_lipschitz, AT_LEAST } } },
    { "DSB-16", "a small step in theta may be a large one in the policy: sigma(k theta), from theta = 0 to .05",
      "|J(.05) - J(0)| for k = 1, 10, 100; then D_KL", n_slopes, unit_slopes, NULL, NULL, {
        { "|J(\\theta+.05)-J(\\theta)|,\\quad D_{KL}", "by linear solves", jumps },
        { "=\\frac{\\sigma(.05k)-\\sigma(0)}{1-\\gamma},\\quad\\log\\frac{e^{.025k}+e^{-.025k}}{2}",
            "in closed form", jumps_closed },
        { "=\\frac{2\\alpha}{1-\\gamma}\\max|A|,\\quad-\\tfrac12\\log(1-4\\alpha^2),\\quad\\alpha=D_{TV}",
          "functions of how far the policy goes, whatever k: DSB-15, attained", jumps_by_alpha },
        { "|J(\\theta+.05)-J(\\theta)|_{k=1}",
          "004 l.228-229: an interval for the parameters (it says \"confidence interval\") that fits k = 1",
          jumps_in_theta, DIFFERS, "ERR-52" } },
      "one state, two actions, the second pays 1; gamma .9; pi(1) = sigma(k theta)" },
    { "TRPO-1", "D_TV^max = max_s 1/2 sum_a |pi(a|s) - pi'(a|s)|", "D_TV^max", one, unit_TV, NULL, NULL, {
        { "\\max_s\\tfrac12\\sum_a|\\pi(a|s)-\\tilde\\pi(a|s)|", "as `ascent solve --against` prints it: tv_max",
          TV_max },
        { "=\\max_s\\sum_a(\\pi(a|s)-\\tilde\\pi(a|s))^+", "what one loses is what another gains", TV_by_events },
        { "=\\max_s\\{1-\\sum_a\\min(\\pi(a|s),\\tilde\\pi(a|s))\\}", "how often they must differ: DSB-6",
          TV_by_overlap },
        { "=\\max_sD_{TV}(\\pi(\\cdot|s)\\|\\tilde\\pi(\\cdot|s))", "state by state, as in derivations/coupling.c",
          TV_by_sums } } },
    { "TRPO-3", "J(pi') >= L_pi(pi') - 4 eps gamma alpha^2 / (1-gamma)^2, alpha = D_TV^max, eps = max|A_pi|",
      "J(pi')", one, unit_J, no_bound, NULL, {
        { "\\eta(\\pi_{new})", "a linear solve", J_new },
        { "=L_{\\pi_{old}}(\\pi_{new})+\\sum_s(\\rho_{new}(s)-\\rho_{old}(s))\\bar A(s),\\quad"
          "\\bar A(s)=\\sum_a\\pi_{new}(a|s)A_{\\pi_{old}}(s,a)", "PDI-6 against the surrogate", J_by_visits },
        { "\\ge L-\\sum_t\\gamma^t\\|p_{new}(s_t)-p_{old}(s_t)\\|_1\\max_s|\\bar A(s)|",
          "64 steps forward in time, and DSB-8 for what is behind them", J_minus_shift, AT_MOST },
        { "\\ge L-\\sum_t\\gamma^t2(1-(1-\\alpha)^t)\\max_s|\\bar A(s)|",
          "DSB-8: drawn together, they have parted by t with probability 1 - (1-alpha)^t at most", J_minus_parted,
          AT_MOST },
        { "\\ge L-\\sum_t\\gamma^t4\\alpha(1-(1-\\alpha)^t)\\epsilon=L-\\frac{4\\alpha^2\\gamma\\epsilon}"
          "{(1-\\gamma)(1-\\gamma(1-\\alpha))}",
          "sum_a pi A = 0, so |sum_a (pi' - pi) A| <= 2 alpha max|A|", J_minus_two_alpha, AT_MOST },
        { "\\ge L-\\frac{4\\epsilon\\gamma}{(1-\\gamma)^2}\\alpha^2", "1 - gamma (1-alpha) >= 1 - gamma",
          J_minus_tv, AT_MOST } }, .page = page_of_tightness },
    { "TRPO-4", "J(pi') >= L_pi(pi') - C D_KL^max(pi, pi'), C = 4 eps gamma / (1-gamma)^2", "J(pi')", one, unit_J,
      no_bound, NULL, {
        { "\\eta(\\tilde\\pi)", "a linear solve", J_new },
        { "\\ge L_\\pi(\\tilde\\pi)-\\frac{4\\epsilon\\gamma}{(1-\\gamma)^2}\\alpha^2", "TRPO-3", J_minus_tv,
          AT_MOST },
        { "\\ge L_\\pi(\\tilde\\pi)-\\tfrac12C\\,D_{KL}^{max}(\\pi,\\tilde\\pi)",
          "Pinsker, DSB-14: alpha^2 <= KL/2",
          J_minus_pinsker, AT_MOST },
        { "\\ge L_\\pi(\\tilde\\pi)-C\\,D_{KL}^{max}(\\pi,\\tilde\\pi)", "TRPO takes alpha^2 <= KL", J_minus_trpo,
          AT_MOST } } },
    { "TRPO-7", "the C of theory is too large: its step is tiny beside that of a trust region of delta = .01",
      "gamma = .9, .99: log10 of the step's max KL over delta; of its gain over that of delta", n_steps,
      unit_steps, NULL,
      NULL, {
        { "-2,\\quad-1", "a hundredth of delta; a tenth of the gain", practice },
        { "\\ge\\log_{10}\\frac{D_{KL}^{max}}{\\delta},\\quad\\log_{10}\\frac{\\eta_C-\\eta}{\\eta_\\delta-\\eta}",
          "the step that maximises L - C D_KL^max along theta + t A, the other with mean KL = delta", with_theory,
          AT_MOST },
        { "\\le\\log_{10}\\frac{D_{KL}^{max}}{\\delta},\\quad\\log_{10}\\frac{\\eta_1-\\eta}{\\eta_\\delta-\\eta}",
          "the control: C = 1", with_C_1, AT_LEAST } },
      "E5, theta(s,a) = cos(s+2a), gamma .9 and .99", page_of_steps },
    { .id = NULL }
};
