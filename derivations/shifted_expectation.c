/* What a shift of the states does: to the mean of any function of the state, 001 (l.284-288), and to the visits, 004
 * (l.349). */
#include "derivations/shifted_expectation.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"
#include "derivations/distribution_shift.h"
#include "derivations/enumerate.h"

double shift_over_time(const exact *pi, const exact *pi1)
{
    enum { STEPS = 64 };
    const mdp *M = pi->M;
    double *p = shift_states(M, pi->pi, STEPS), *p1 = shift_states(M, pi1->pi, STEPS), gamma_t = 1, sum = 0;
    double eps = shift_eps(M, pi->pi, pi1->pi), gamma = pi->gamma;
    for (int t = 0; t < STEPS; t++, gamma_t *= gamma)
        sum += gamma_t * shift_L1(M->nS, p + t * M->nS, p1 + t * M->nS);
    free(p);
    free(p1);
    /* sum_{t >= T} gamma^t 2 (1 - (1-eps)^t) = 2 gamma^T [1/(1-gamma) - (1-eps)^T / (1 - gamma (1-eps))] */
    return sum + 2 * gamma_t * (1 / (1 - gamma) - pow(1 - eps, STEPS) / (1 - gamma + gamma * eps));
}

/* With q = (1-eps)^T, S = sum_{t<T} gamma^t:   sum_{t<2T} = sum_{t<T} + gamma^T [ (1-q) S + q sum_{t<T} ] */
double parted_over_time(double gamma, double eps)
{
    double S = 1, sum = 0;
    for (double T = 1; T < 1e18; T *= 2) {
        double power = pow(gamma, T), parted = shift_bound(eps, T) / 2, last = sum;
        sum += power * (parted * S + (1 - parted) * sum);
        S += power * S;
        if (power == 0 || (sum > 0 && sum - last <= 0x1p-60 * sum)) break;
    }
    return sum;
}

enum { T = 16 };

/* Rows of P that sum to 1 only within 1e-9 lose or gain that much in each step. */
static double room(const setting *x) { return 2 * T * enumerate_defect(x->pi->M); }

/* ---- DSB-9: E_{p'(s_t)}[f(s_t)], t = 1 .. T, of five functions f ---- */

/* Random ones in [-1, 1]; -1 where pi' is found more often than pi, else 1; -10 there, else -1 */
enum { RANDOM_FS = 3, OPPOSED = RANDOM_FS, NEGATIVE, FS };

static int n_means(const setting *x) { (void)x; return T * FS; }

/* T steps of sums over what comes in, of entries that are at most 1; |f| <= 10, in p and in p' */
static double unit_means(const setting *x)
{
    return 20 * DBL_EPSILON * T * fmax(4, fmax(x->pi->nS, x->pi->nA));
}

typedef struct { const mdp *M; const double *pi1; double eps, *p, *p1, *f; } means;    /* p, p1 [T+1 x nS]; f [nS] */

static means means_new(const setting *x)
{
    means m = { x->pi->M, x->pi1->pi, shift_eps(x->pi->M, x->pi->pi, x->pi1->pi), NULL, NULL, NULL };
    m.p = shift_states(m.M, x->pi->pi, T);
    m.p1 = shift_states(m.M, m.pi1, T);
    m.f = allocate((size_t)m.M->nS, sizeof *m.f, "a function of the state");
    return m;
}

static void means_free(means *m)
{
    free(m->p);
    free(m->p1);
    free(m->f);
}

/* f, the i-th number's, and at which t */
static int function(const setting *x, means *m, int i)
{
    int which = i / T, t = i % T + 1, nS = m->M->nS;
    gsl_rng *rng = random_stream(x->seed, (uint32_t)i, RANDOM_TEST);
    for (int s = 0; s < nS; s++) {
        bool more = m->p1[t * nS + s] > m->p[t * nS + s];
        if (which < RANDOM_FS)     m->f[s] = 2 * gsl_rng_uniform(rng) - 1;
        else if (which == OPPOSED) m->f[s] = more ? -1 : 1;
        else                       m->f[s] = more ? -10 : -1;
    }
    gsl_rng_free(rng);
    return t;
}

static double mean_of(const means *m, const double *p, int t)
{
    return linalg_dot(m->M->nS, p + t * m->M->nS, m->f);
}

static void least_and_most(const means *m, double *least, double *most)
{
    *least = *most = m->f[0];
    for (int s = 1; s < m->M->nS; s++) *least = fmin(*least, m->f[s]), *most = fmax(*most, m->f[s]);
}

typedef double (*of_means)(const means *m, int t);

static double all_means(const setting *x, of_means value, double *out)
{
    means m = means_new(x);
    for (int i = 0; i < T * FS; i++) {
        int t = function(x, &m, i);
        out[i] = value(&m, t);
    }
    means_free(&m);
    return 20 * room(x);
}

static double mean_new(const means *m, int t) { return mean_of(m, m->p1, t); }

static double mean_split(const means *m, int t)
{
    double sum = mean_of(m, m->p, t);
    for (int s = 0, i = t * m->M->nS; s < m->M->nS; s++, i++) sum += (m->p1[i] - m->p[i]) * m->f[s];
    return sum;
}

static double mean_backward(const means *m, int t)              /* mu0^T P_pi'^t f */
{
    const mdp *M = m->M;
    double *f = allocate(2 * (size_t)M->nS, sizeof *f, "a function of the state"), *Pf = f + M->nS;
    memcpy(f, m->f, (size_t)M->nS * sizeof *f);
    for (; t > 0; t--) {
        memset(Pf, 0, (size_t)M->nS * sizeof *Pf);
        for (int i = 0; i < M->nS * M->nA; i++)
            for (int k = M->row[i]; k < M->row[i + 1]; k++) Pf[i / M->nA] += m->pi1[i] * M->P[k] * f[M->next[k]];
        memcpy(f, Pf, (size_t)M->nS * sizeof *f);
    }
    double mean = linalg_dot(M->nS, M->mu0, f);
    free(f);
    return mean;
}

static double norm_at(const means *m, int t)
{
    int nS = m->M->nS;
    return shift_L1(nS, m->p + t * nS, m->p1 + t * nS);
}

static double sharp(const means *m, int t)
{
    double least, most;
    least_and_most(m, &least, &most);
    return mean_of(m, m->p, t) - norm_at(m, t) / 2 * (most - least);
}

/* DSB-9   E_p[f] - || p - p' ||_1 max|f| */
static double by_norm(const means *m, int t)
{
    return mean_of(m, m->p, t) - norm_at(m, t) * linalg_max_abs(m->M->nS, m->f);
}

static double by_eps_t(const means *m, int t)
{
    return mean_of(m, m->p, t) - 2 * m->eps * t * linalg_max_abs(m->M->nS, m->f);
}

/* ERR-32: -|p' - p| max f, and not max |f|: where it says more than is true, what it says */
static double by_max_f(const means *m, int t)
{
    double least, most;
    least_and_most(m, &least, &most);
    return fmax(mean_new(m, t), mean_of(m, m->p, t) - norm_at(m, t) * most);
}

static double means_new_states(const setting *x, double *out) { return all_means(x, mean_new, out); }
static double means_split(const setting *x, double *out)      { return all_means(x, mean_split, out); }
static double means_backward(const setting *x, double *out)   { return all_means(x, mean_backward, out); }
static double means_sharp(const setting *x, double *out)      { return all_means(x, sharp, out); }
static double means_by_norm(const setting *x, double *out)    { return all_means(x, by_norm, out); }
static double means_by_eps_t(const setting *x, double *out)   { return all_means(x, by_eps_t, out); }
static double means_by_max_f(const setting *x, double *out)   { return all_means(x, by_max_f, out); }

/* ---- PDI-12: rho_pi' against rho_pi ---- */

static double unit_rho(const setting *x)   { return x->pi->nS * fmax(x->pi->unit_rho, x->pi1->unit_rho); }

static const char *gamma_1(const setting *x)
{
    return x->pi->gamma < 1 ? NULL : "gamma = 1: the bound is infinite";
}

static double rho_apart(const setting *x, double *out)
{
    *out = 0;
    for (int s = 0; s < x->pi->nS; s++) *out += fabs(exact_rho(x->pi1, s) - exact_rho(x->pi, s));
    return 0;
}

/* rho' - rho = sum_t (gamma P_pi'^T)^t gamma (P_pi' - P_pi)^T rho */
static double rho_by_one_step(const setting *x, double *out)
{
    const exact *pi = x->pi;
    const mdp *M = pi->M;
    if (pi->nS > EXACT_MAX_TIME_SUM) return LEFT_OUT;
    double *f = allocate(2 * (size_t)M->nS, sizeof *f, "a visitation"), *sum = f + M->nS;
    for (int i = 0; i < pi->nSA; i++)
        for (int k = M->row[i]; k < M->row[i + 1] && !pi->absorbing[i / M->nA]; k++)
            if (!pi->absorbing[M->next[k]])
                f[M->next[k]] += pi->gamma * exact_rho(pi, i / M->nA) * (x->pi1->pi[i] - pi->pi[i]) * M->P[k];
    exact_sum_over_time(x->pi1, true, f, sum);
    *out = 0;
    for (int s = 0; s < M->nS; s++) *out += fabs(sum[s]);
    free(f);
    return 10 * unit_rho(x);
}

static double eps_of(const setting *x) { return shift_eps(x->pi->M, x->pi->pi, x->pi1->pi); }

/* Sums of 60 doublings, off by 4 u each; and what rows of P that sum to 1 within 1e-9 only add over time */
static double room_of_rho(const setting *x, double sum)
{
    return room(x) * x->pi->k + 240 * DBL_EPSILON * sum;
}

/* PDI-12   || rho' - rho ||_1 <= sum_t gamma^t 2 (1 - (1-eps)^t) */
static double rho_by_shift(const setting *x, double *out)
{
    *out = 2 * parted_over_time(x->pi->gamma, eps_of(x));
    return room_of_rho(x, *out);
}

static double rho_closed(const setting *x, double *out)
{
    double gamma = x->pi->gamma, eps = eps_of(x);
    *out = 2 * gamma * eps / ((1 - gamma) * (1 - gamma + gamma * eps));
    return room_of_rho(x, *out);
}

static double rho_linear(const setting *x, double *out)
{
    double gamma = x->pi->gamma;
    *out = 2 * gamma * eps_of(x) / ((1 - gamma) * (1 - gamma));
    return room_of_rho(x, *out);
}

const derivation shifted_expectation[] = {
    { "DSB-9", "E_p'[f] >= E_p[f] - || p - p' ||_1 max|f| >= E_p[f] - 2 eps t max|f|",
      "E_{p'}[f(s_t)], t = 1 .. 16, of three random f and two against it", n_means, unit_means, NULL, NULL, {
        { "\\sum_sp_{\\theta'}(s_t)f(s_t)",
          "f in [-1,1], random; then -1 where p' > p, else 1; then -10 where p' > p, else -1", means_new_states },
        { "=\\sum_sp_\\theta(s_t)f(s_t)+\\sum_s(p_{\\theta'}(s_t)-p_\\theta(s_t))f(s_t)", "p added and taken away",
          means_split },
        { "=\\sum_sp(s_0)((P_{\\theta'})^tf)(s)", "f taken back to s_0 instead of p' forward", means_backward },
        { "\\ge E_{p_\\theta}[f]-\\tfrac12\\|p_\\theta-p_{\\theta'}\\|_1(\\max f-\\min f)",
          "p' - p sums to 0: half of it gains at most max f, half loses at least min f",
          means_sharp, AT_MOST_ABOVE },
        { "\\ge E_{p_\\theta}[f]-\\|p_\\theta-p_{\\theta'}\\|_1\\max_s|f(s)|", "max f - min f <= 2 max|f|",
          means_by_norm, AT_MOST_ABOVE },
        { "\\ge E_{p_\\theta}[f]-2\\epsilon t\\max_s|f(s)|", "DSB-8", means_by_eps_t, AT_MOST_ABOVE },
        { "E_{p_{\\theta'}}[f]=E_{p_\\theta}[f]-\\tfrac12\\|p_\\theta-p_{\\theta'}\\|_1(\\max f-\\min f)",
          "attained by an f that is least wherever p' > p, and greatest elsewhere", means_sharp,
          .from = T * OPPOSED },
        { "\\ge E_{p_\\theta}[f]-\\|p_\\theta-p_{\\theta'}\\|_1\\max_sf(s)",
          "001 l.287: max f adds where f < 0. The greater of it and of line 1, which it must not exceed",
          means_by_max_f, DIFFERS, "ERR-32" } } },
    { "PDI-12", "rho_pi' is near rho_pi when the policies are close: as near as gamma and eps say",
      "|| rho_pi' - rho_pi ||_1", count_one, unit_rho, gamma_1, NULL, {
        { "\\|\\rho_{\\pi_{\\tilde\\theta}}-\\rho_{\\pi_\\theta}\\|_1", "two linear solves", rho_apart },
        { "=\\|\\sum_t(\\gamma P_{\\tilde\\theta}^T)^t\\,\\gamma(P_{\\tilde\\theta}-P_\\theta)^T\\rho_{\\pi_\\theta}"
          "\\|_1", "they part by one step each time, and go on with pi'", rho_by_one_step },
        { "\\le\\sum_t\\gamma^t2(1-(1-\\epsilon)^t)", "DSB-8, summed over time", rho_by_shift, AT_LEAST_ABOVE },
        { "=\\frac{2\\gamma\\epsilon}{(1-\\gamma)(1-\\gamma+\\gamma\\epsilon)}",
          "two geometric series; the line above has added them up", rho_closed, EQUAL_ABOVE },
        { "\\le\\frac{2\\gamma\\epsilon}{(1-\\gamma)^2}", "2 eps t for 2 (1-(1-eps)^t)", rho_linear,
          AT_LEAST_ABOVE } } },
    { .id = NULL }
};
