/* The distribution shift: if pi' is close to pi, it goes where pi goes. 001 (l.189-288), 004 (l.349). The simple
 * case compares pi' with a deterministic policy, the general one with any; both keep account of the share of
 * trajectories on which the two have agreed so far. Where the document prints |.| stands the L1 norm. */
#include "derivations/distribution_shift.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/coupling.h"
#include "derivations/derivation.h"
#include "derivations/enumerate.h"
#include "derivations/random_pairs.h"

void shift_step(const mdp *M, const double *pi, const double *p, double *p1)
{
    memset(p1, 0, (size_t)M->nS * sizeof *p1);
    for (int i = 0; i < M->nS * M->nA; i++)
        for (int k = M->row[i]; k < M->row[i + 1]; k++) p1[M->next[k]] += p[i / M->nA] * pi[i] * M->P[k];
}

double *shift_states(const mdp *M, const double *pi, int T)
{
    double *p = allocate((size_t)(T + 1) * (size_t)M->nS, sizeof *p, "state distributions");
    memcpy(p, M->mu0, (size_t)M->nS * sizeof *p);
    for (int t = 0; t < T; t++) shift_step(M, pi, p + t * M->nS, p + (t + 1) * M->nS);
    return p;
}

double shift_L1(int n, const double *p, const double *q) { return 2 * total_variation(n, p, q); }

static double parted(double eps, double t)                  /* 1 - (1-eps)^t: has differed at least once */
{
    return t > 0 ? -expm1(t * log1p(-eps)) : 0;
}

/* DSB-1   || p'(s_t) - p(s_t) ||_1 <= 2 (1 - (1-eps)^t) */
double shift_bound(double eps, double t) { return 2 * parted(eps, t); }

double shift_ratio(const mdp *M, const double *pi, const double *pi1, double eps, int T)
{
    double *p = shift_states(M, pi, T), *p1 = shift_states(M, pi1, T), worst = 0;
    for (int t = 1; t <= T && eps > 0; t++)
        worst = linalg_greater(worst, shift_L1(M->nS, p + t * M->nS, p1 + t * M->nS) / shift_bound(eps, t));
    free(p);
    free(p1);
    return worst;
}

/* DSB-5   max_s 1/2 sum_a |pi'(a|s) - pi(a|s)| */
double shift_eps(const mdp *M, const double *pi, const double *pi1)
{
    double eps = 0;
    for (int s = 0; s < M->nS; s++)
        if (!mdp_absorbing(M, s)) eps = fmax(eps, total_variation(M->nA, pi + s * M->nA, pi1 + s * M->nA));
    return fmin(eps, 1);
}

/* ---- the two policies that a line compares ---- */

enum { T = 16 };
static const double SIMPLE_EPS = 0.1;

/* pi, pi' [nS x nA] and eps: those of the setting; or, in the simple case, pi deterministic, and pi' one that does
 * something else with probability eps at most. */
typedef struct { const mdp *M; double *pi, *pi1, eps; } two_policies;

static two_policies general(const setting *x)
{
    size_t n = (size_t)x->pi->nSA;
    two_policies c = { x->pi->M, allocate(2 * n, sizeof(double), "policies"), NULL, 0 };
    c.pi1 = c.pi + n;
    memcpy(c.pi, x->pi->pi, n * sizeof *c.pi);
    memcpy(c.pi1, x->pi1->pi, n * sizeof *c.pi1);
    c.eps = shift_eps(c.M, c.pi, c.pi1);
    return c;
}

/* pi takes the action that x->pi likes best; pi' too, but for a share eps, in every other state eps/2, of x->pi1 */
static two_policies simple(const setting *x)
{
    two_policies c = general(x);
    int nA = c.M->nA;
    for (int s = 0; s < c.M->nS; s++) {
        int best = 0;
        double mistakes = s % 2 ? SIMPLE_EPS / 2 : SIMPLE_EPS;
        for (int a = 1; a < nA; a++)
            if (c.pi[s * nA + a] > c.pi[s * nA + best]) best = a;
        for (int a = 0; a < nA; a++) {
            c.pi[s * nA + a] = a == best;
            c.pi1[s * nA + a] = (1 - mistakes) * (a == best) + mistakes * c.pi1[s * nA + a];
        }
    }
    c.eps = SIMPLE_EPS;
    return c;
}

static void let_go(two_policies c) { free(c.pi); }

/* What both do in s with probability 1 - eps, w [nA]: of min(pi, pi') as much as that */
static void agreed(const two_policies *c, int s, double *w)
{
    int nA = c->M->nA;
    const double *pi = c->pi + s * nA, *pi1 = c->pi1 + s * nA;
    double both = overlap(nA, pi, pi1);
    bool absorbing = mdp_absorbing(c->M, s);                /* where nothing depends on what is done */
    for (int a = 0; a < nA; a++)
        w[a] = absorbing ? (1 - c->eps) * pi[a] : both > 0 ? (1 - c->eps) / both * fmin(pi[a], pi1[a]) : 0;
}

/* The states of a trajectory, [T+1 x nS] each: of those that have agreed so far, ok, (1-eps)^t of all; and of
 * those that have not, under pi and under pi'. */
typedef struct { double *ok, *mistake, *mistake1; } parted_states;

static parted_states part(const two_policies *c)
{
    const mdp *M = c->M;
    size_t n = (size_t)(T + 1) * (size_t)M->nS, nS = (size_t)M->nS, nSA = nS * (size_t)M->nA;
    parted_states p = { allocate(3 * n, sizeof(double), "state distributions"), NULL, NULL };
    double *w = allocate(2 * nSA + nS, sizeof *w, "what is agreed"), *left = w + nSA, *from_ok = left + nSA;
    p.mistake = p.ok + n, p.mistake1 = p.mistake + n;
    memcpy(p.ok, M->mu0, nS * sizeof *p.ok);
    for (int s = 0; s < M->nS; s++) agreed(c, s, w + s * M->nA);
    for (int t = 0; t < T; t++) {
        double *ok = p.ok + (size_t)t * nS;
        shift_step(M, w, ok, ok + nS);
        for (int who = 0; who < 2; who++) {                 /* (ok, then apart) and (apart before) */
            const double *pi = who ? c->pi1 : c->pi;
            double *m = (who ? p.mistake1 : p.mistake) + (size_t)t * nS;
            for (size_t i = 0; i < nSA; i++) left[i] = pi[i] - w[i];
            shift_step(M, left, ok, from_ok);
            shift_step(M, pi, m, m + nS);
            for (size_t s = 0; s < nS; s++) m[nS + s] += from_ok[s];
        }
    }
    free(w);
    return p;
}

/* ---- units ---- */

static int n_norms(const setting *x)  { (void)x; return T; }
static int n_states(const setting *x) { return x->pi->nS; }
static int n_mixture(const setting *x) { return T * (x->pi->nS + 1); }

/* T steps of sums over what comes in: the distributions' entries are at most 1 */
static double unit(const setting *x) { return DBL_EPSILON * T * fmax(4, fmax(x->pi->nS, x->pi->nA)); }

/* Rows of P that sum to 1 only within 1e-9 lose or gain that much in each step. */
static double room(const setting *x) { return 2 * T * enumerate_defect(x->pi->M); }

/* ---- DSB-2: the simple case ---- */

/* p'(s_t), t = 1 .. T, and the L1 norm of p_mistake(s_t), 1 of a distribution; scale: 1 / (1 - (1-eps)^t) */
static void norms_behind(int nS, double eps, const double *mistakes, double *out)
{
    for (int t = 1; t <= T; t++) {
        out[T * nS + t - 1] = 0;
        for (int s = 0; s < nS; s++) out[T * nS + t - 1] += fabs(mistakes[t * nS + s]) / parted(eps, t);
    }
}

static double new_states(const setting *x, double *out)
{
    int nS = x->pi->nS;
    two_policies c = simple(x);
    double *p1 = shift_states(c.M, c.pi1, T);
    memcpy(out, p1 + nS, (size_t)(T * nS) * sizeof *out);
    for (int t = 0; t < T; t++) out[T * nS + t] = 1;
    free(p1);
    let_go(c);
    return 0;
}

/* DSB-2   p' = (1-eps)^t p + (1 - (1-eps)^t) p_mistake */
static double mixture(const setting *x, double *out)
{
    int nS = x->pi->nS;
    two_policies c = simple(x);
    double *p = shift_states(c.M, c.pi, T);
    parted_states parts = part(&c);
    for (int t = 1; t <= T; t++)
        for (int s = 0; s < nS; s++)
            out[(t - 1) * nS + s] = pow(1 - c.eps, t) * p[t * nS + s] + parts.mistake1[t * nS + s];
    norms_behind(nS, c.eps, parts.mistake1, out);
    free(parts.ok);
    free(p);
    let_go(c);
    return room(x);
}

/* ( p' - (1-eps)^t p ) / (1 - (1-eps)^t) must be a distribution. */
static double implied(const setting *x, double *out)
{
    int nS = x->pi->nS;
    two_policies c = simple(x);
    double *p = shift_states(c.M, c.pi, T), *p1 = shift_states(c.M, c.pi1, T);
    memcpy(out, p1 + nS, (size_t)(T * nS) * sizeof *out);
    for (int t = 1; t <= T; t++)
        for (int s = 0; s < nS; s++) p1[t * nS + s] -= pow(1 - c.eps, t) * p[t * nS + s];
    norms_behind(nS, c.eps, p1, out);
    free(p);
    free(p1);
    let_go(c);
    return room(x) + 10 * unit(x) / SIMPLE_EPS;             /* a difference, divided by eps */
}

/* ---- DSB-3, DSB-8: || p'(s_t) - p(s_t) ||_1 for t = 1 .. T ---- */

typedef two_policies (*chosen)(const setting *x);

static double L1(const setting *x, chosen these, double *out)
{
    int nS = x->pi->nS;
    two_policies c = these(x);
    double *p = shift_states(c.M, c.pi, T), *p1 = shift_states(c.M, c.pi1, T);
    for (int t = 1; t <= T; t++) out[t - 1] = shift_L1(nS, p + t * nS, p1 + t * nS);
    free(p);
    free(p1);
    let_go(c);
    return 0;
}

/* DSB-3, DSB-8   the mistakes under pi' against p(s_t) times their share; or, in general, those under pi */
static double L1_of_mistakes(const setting *x, chosen these, bool against_p, double *out)
{
    int nS = x->pi->nS;
    two_policies c = these(x);
    double *p = shift_states(c.M, c.pi, T);
    parted_states parts = part(&c);
    for (int i = 0; i < (T + 1) * nS; i++)
        if (against_p) parts.mistake[i] = parted(c.eps, i / nS) * p[i];
    for (int t = 1; t <= T; t++) out[t - 1] = shift_L1(nS, parts.mistake1 + t * nS, parts.mistake + t * nS);
    free(parts.ok);
    free(p);
    let_go(c);
    return room(x);
}

static double bounds(const setting *x, chosen these, bool linear, double *out)
{
    two_policies c = these(x);
    for (int t = 1; t <= T; t++) out[t - 1] = linear ? 2 * c.eps * t : shift_bound(c.eps, t);
    let_go(c);
    return room(x);
}

static double simple_L1(const setting *x, double *out)     { return L1(x, simple, out); }
static double simple_mistakes(const setting *x, double *out) { return L1_of_mistakes(x, simple, true, out); }
static double simple_bound(const setting *x, double *out)  { return bounds(x, simple, false, out); }
static double simple_linear(const setting *x, double *out) { return bounds(x, simple, true, out); }
static double general_L1(const setting *x, double *out)    { return L1(x, general, out); }
static double general_mistakes(const setting *x, double *out) { return L1_of_mistakes(x, general, false, out); }
static double likewise(const setting *x, double *out)      { return L1_of_mistakes(x, general, true, out); }
static double general_bound(const setting *x, double *out) { return bounds(x, general, false, out); }
static double general_linear(const setting *x, double *out) { return bounds(x, general, true, out); }

/* ERR-31: one state in which action a leads to state a, pi = (.5, .5), pi' = (.6, .4): the p_mistake that
 * p' = (1-eps)^t p + (1 - (1-eps)^t) p_mistake would need at t = 1 */
static void page_of_general(const setting *x, FILE *out)
{
    const double p[2] = { 0.5, 0.5 }, p1[2] = { 0.6, 0.4 };
    double eps = total_variation(2, p, p1);
    (void)x;
    fprintf(out, "ERR-31: of one step to state a by action a with pi = (.5, .5), pi' = (.6, .4), eps = %.2g,\n"
            "\"likewise\" would need p_mistake = (p' - (1-eps) p) / eps = (%.2g, %.2g): no distribution. What is\n"
            "left of pi' when the two agree is (%.2g, %.2g), and of pi (%.2g, %.2g).\n", eps,
            (p1[0] - (1 - eps) * p[0]) / eps, (p1[1] - (1 - eps) * p[1]) / eps,
            (p1[0] - fmin(p[0], p1[0])) / eps, (p1[1] - fmin(p[1], p1[1])) / eps,
            (p[0] - fmin(p[0], p1[0])) / eps, (p[1] - fmin(p[1], p1[1])) / eps);
}

/* ---- Bernoulli's inequality ---- */

enum { GRID = 21, GRID_T = 20 };

static int n_grid(const setting *x)        { (void)x; return GRID * GRID_T; }
static double unit_grid(const setting *x)  { (void)x; return DBL_EPSILON * GRID_T; }

/* DSB-4   (1-eps)^t - (1 - eps t) */
static double excess_at(double later, double *out)
{
    for (int i = 0; i < GRID * GRID_T; i++) {
        double eps = (double)(i % GRID) / (GRID - 1), t = i / GRID + 1 + later;
        out[i] = pow(1 - eps, t) - (1 - eps * t);
    }
    return 0;
}

static double excess(const setting *x, double *out)  { (void)x; return excess_at(0, out); }
static double between(const setting *x, double *out) { (void)x; return excess_at(-0.5, out); }

/* (1-eps)^t - (1 - eps t) = eps^2 sum_{j=1}^{t-1} (t - j) (1-eps)^{j-1} */
static double excess_sum(const setting *x, double *out)
{
    (void)x;
    for (int i = 0; i < GRID * GRID_T; i++) {
        double eps = (double)(i % GRID) / (GRID - 1), power = 1;
        int t = i / GRID + 1;
        out[i] = 0;
        for (int j = 1; j < t; j++, power *= 1 - eps) out[i] += eps * eps * (t - j) * power;
    }
    return 0;
}

static double nothing(const setting *x, double *out)
{
    memset(out, 0, (size_t)n_grid(x) * sizeof *out);
    return 0;
}

static void page_of_grid(const setting *x, FILE *out)
{
    (void)x;
    fprintf(out, "t must be a whole number: at eps = .5, t = .5, (1-eps)^t = %.4f < 1 - eps t = %.4f.\n",
        sqrt(0.5),
            1 - 0.25);
}

/* ---- DSB-5: how close two policies are in a state ---- */

static double half_L1(const setting *x, double *out)
{
    int nA = x->pi->nA;
    for (int s = 0; s < x->pi->nS; s++)
        out[s] = total_variation(nA, x->pi->pi + s * nA, x->pi1->pi + s * nA);
    return 0;
}

static double best_event(const setting *x, double *out)         /* max_B |pi'(B) - pi(B)|, B a set of actions */
{
    for (int s = 0; s < x->pi->nS; s++) {
        double more = 0, less = 0;
        for (int i = s * x->pi->nA; i < (s + 1) * x->pi->nA; i++) {
            more += fmax(x->pi1->pi[i] - x->pi->pi[i], 0);
            less += fmax(x->pi->pi[i] - x->pi1->pi[i], 0);
        }
        out[s] = fmax(more, less);
    }
    return 0;
}

static double greatest_eps(const setting *x, double *out)
{
    double eps = 0;
    half_L1(x, out);
    for (int s = 0; s < x->pi->nS; s++) eps = fmax(eps, out[s]);
    for (int s = 0; s < x->pi->nS; s++) out[s] = eps;
    return 0;
}

static double single_action(const setting *x, double *out)      /* as typed: max_a |pi'(a|s) - pi(a|s)| */
{
    for (int s = 0; s < x->pi->nS; s++) {
        out[s] = 0;
        for (int i = s * x->pi->nA; i < (s + 1) * x->pi->nA; i++)
            out[s] = fmax(out[s], fabs(x->pi1->pi[i] - x->pi->pi[i]));
    }
    return 0;
}

/* ---- DSB-9: E_{p'(s_t)}[f(s_t)] for t = 1 .. T and FS functions f: random ones, but for the last, which is -10
 * where pi' is found more often than pi and -1 elsewhere ---- */

enum { FS = 4 };

static int n_means(const setting *x) { (void)x; return T * FS; }

typedef struct { two_policies c; double *p, *p1, *f; } means;      /* p, p1 [T+1 x nS]; f [nS] */

static means means_new(const setting *x)
{
    means m = { general(x), NULL, NULL, NULL };
    m.p = shift_states(m.c.M, m.c.pi, T);
    m.p1 = shift_states(m.c.M, m.c.pi1, T);
    m.f = allocate((size_t)m.c.M->nS, sizeof *m.f, "a function of the state");
    return m;
}

static void means_free(means *m)
{
    free(m->p);
    free(m->p1);
    free(m->f);
    let_go(m->c);
}

/* f, the i-th number's, and at which t */
static int function(const setting *x, means *m, int i)
{
    int t = i / FS + 1, nS = m->c.M->nS;
    gsl_rng *rng = random_stream(x->seed, (uint32_t)i, RANDOM_TEST);
    for (int s = 0; s < nS; s++)
        m->f[s] = i % FS < FS - 1 ? 2 * gsl_rng_uniform(rng) - 1 : m->p1[t * nS + s] > m->p[t * nS + s] ? -10 : -1;
    gsl_rng_free(rng);
    return t;
}

static double mean_of(const means *m, const double *p, int t)
{
    return linalg_dot(m->c.M->nS, p + t * m->c.M->nS, m->f);
}

static void least_and_most(const means *m, double *least, double *most)
{
    *least = *most = m->f[0];
    for (int s = 1; s < m->c.M->nS; s++) *least = fmin(*least, m->f[s]), *most = fmax(*most, m->f[s]);
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
    for (int s = 0, i = t * m->c.M->nS; s < m->c.M->nS; s++, i++) sum += (m->p1[i] - m->p[i]) * m->f[s];
    return sum;
}

static double mean_backward(const means *m, int t)              /* mu0^T P_pi'^t f */
{
    const mdp *M = m->c.M;
    double *f = allocate(2 * (size_t)M->nS, sizeof *f, "a function of the state"), *Pf = f + M->nS;
    memcpy(f, m->f, (size_t)M->nS * sizeof *f);
    for (; t > 0; t--) {
        memset(Pf, 0, (size_t)M->nS * sizeof *Pf);
        for (int i = 0; i < M->nS * M->nA; i++)
            for (int k = M->row[i]; k < M->row[i + 1]; k++) Pf[i / M->nA] += m->c.pi1[i] * M->P[k] * f[M->next[k]];
        memcpy(f, Pf, (size_t)M->nS * sizeof *f);
    }
    double mean = linalg_dot(M->nS, M->mu0, f);
    free(f);
    return mean;
}

static double norm_at(const means *m, int t)
{
    int nS = m->c.M->nS;
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
    return mean_of(m, m->p, t) - norm_at(m, t) * linalg_max_abs(m->c.M->nS, m->f);
}

static double by_eps_t(const means *m, int t)
{
    return mean_of(m, m->p, t) - 2 * m->c.eps * t * linalg_max_abs(m->c.M->nS, m->f);
}

/* ERR-32: -|p' - p| max f, and not max |f|: where it says more than is true, what it says */
static double by_max_f(const means *m, int t)
{
    double least, most;
    least_and_most(m, &least, &most);
    return fmax(mean_new(m, t), mean_of(m, m->p, t) - norm_at(m, t) * most);
}

/* Equal to the sharp bound for the last f; for the others by P_pi' applied to f instead of p */
static double attained(const setting *x, double *out)
{
    means m = means_new(x);
    for (int i = 0; i < T * FS; i++) {
        int t = function(x, &m, i);
        out[i] = i % FS == FS - 1 ? sharp(&m, t) : mean_backward(&m, t);
    }
    means_free(&m);
    return 20 * room(x);
}

static double means_1(const setting *x, double *out) { return all_means(x, mean_new, out); }
static double means_2(const setting *x, double *out) { return all_means(x, mean_split, out); }
static double means_4(const setting *x, double *out) { return all_means(x, sharp, out); }
static double means_5(const setting *x, double *out) { return all_means(x, by_norm, out); }
static double means_6(const setting *x, double *out) { return all_means(x, by_eps_t, out); }
static double means_7(const setting *x, double *out) { return all_means(x, by_max_f, out); }
static double unit_means(const setting *x) { return 20 * unit(x); }        /* |f| <= 10 */

/* ---- PDI-12: rho_pi' against rho_pi ---- */

static int one(const setting *x)           { (void)x; return 1; }
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
    if (pi->nS > EXACT_MAX_TIME_SUM) return -1;
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

/* PDI-12   || rho' - rho ||_1 <= sum_t gamma^t 2 (1 - (1-eps)^t) */
static double rho_by_shift(const setting *x, double *out)
{
    double gamma = x->pi->gamma, eps = shift_eps(x->pi->M, x->pi->pi, x->pi1->pi);
    *out = 2 * gamma * eps / ((1 - gamma) * (1 - gamma + gamma * eps));
    return room(x) * x->pi->k;
}

static double rho_linear(const setting *x, double *out)
{
    double gamma = x->pi->gamma, eps = shift_eps(x->pi->M, x->pi->pi, x->pi1->pi);
    *out = 2 * gamma * eps / ((1 - gamma) * (1 - gamma));
    return room(x) * x->pi->k;
}

/* ---- DSB-1: on random MDPs, and where it is attained ---- */

enum { MDPS = 300 };

static int two(const setting *x)            { (void)x; return 2; }
static double unit_ratio(const setting *x)  { (void)x; return DBL_EPSILON * 64; }

static double whole_bound(const setting *x, double *out)
{
    (void)x;
    out[0] = out[1] = 1;
    return 0;
}

static double on_random_pairs(const setting *x, double *out)
{
    out[0] = out[1] = 0;
    for (uint32_t i = 0; i < MDPS; i++) {
        random_pair r = random_pair_new(x->seed, i);
        double eps = shift_eps(r.M, r.pi->pi, r.pi1->pi);
        double *worst = &out[eps > 0.1];
        *worst = fmax(*worst, shift_ratio(r.M, r.pi->pi, r.pi1->pi, eps, RANDOM_PAIR_STEPS));
        random_pair_free(&r);
    }
    return 0;
}

static double on_ok_bad(const setting *x, double *out)
{
    (void)x;
    mdp *M = mdp_builtin("ok-bad");
    for (int i = 0; i < 2; i++) {
        double eps = i == 0 ? 0.1 : 0.5, pi[4] = { 1, 0, 1, 0 }, pi1[4] = { 1 - eps, eps, 1, 0 };
        out[i] = shift_ratio(M, pi, pi1, eps, RANDOM_PAIR_STEPS);
    }
    mdp_free(M);
    return 0;
}

/* ERR-6: four actions to four states, pi = 1/4 each, pi' = (.35, .35, .15, .15): no |pi' - pi| exceeds .1 */
static double per_action(const setting *x, double *out)
{
    const double pi[4] = { 0.25, 0.25, 0.25, 0.25 }, pi1[4] = { 0.35, 0.35, 0.15, 0.15 };
    (void)x;
    out[0] = out[1] = shift_L1(4, pi, pi1) / (2 * 0.1 * 1);
    return 0;
}

static void page_of_pairs(const setting *x, FILE *out)
{
    double ratio[2];
    on_random_pairs(x, ratio);
    fprintf(out, "|| p'(s_t) - p(s_t) ||_1 over 2 (1 - (1-eps)^t), t = 1 .. %d, on %d random MDPs: at most %.3f\n"
            "where eps <= .1, %.3f elsewhere. `ascent bounds --mdps 3000 --plot FILE.svg` draws more of them.\n",
            RANDOM_PAIR_STEPS, MDPS, ratio[0], ratio[1]);
}

const derivation distribution_shift[] = {
    { "DSB-1", "pi' close to pi: its states are close, || p'(s_t) - p(s_t) ||_1 <= 2 (1 - (1-eps)^t)",
      "|| p' - p ||_1 over the bound, the greatest of all t: eps <= .1, and above", two, unit_ratio, NULL, NULL, {
        { "1", "the bound 2 (1 - (1-eps)^t), eps the greatest D_TV(pi'(.|s), pi(.|s))", whole_bound },
        { "\\ge\\frac{\\|p_{\\theta'}(s_t)-p_\\theta(s_t)\\|_1}{2(1-(1-\\epsilon)^t)}",
          "300 random MDPs with two policies each, near and far", on_random_pairs, AT_MOST },
        { "=\\frac{\\|p_{\\theta'}(s_t)-p_\\theta(s_t)\\|_1}{2(1-(1-\\epsilon)^t)}",
          "attained: an ok state that a mistake, of probability .1 or .5, leaves for a bad one for ever",
          on_ok_bad },
        { "\\ge\\frac{\\|p_{\\theta'}(s_1)-p_\\theta(s_1)\\|_1}{2\\epsilon},\\quad"
          "\\epsilon=\\max_a|\\pi_{\\theta'}(a|s)-\\pi_\\theta(a|s)|",
          "001 l.240, l.256 as typed, for each action: four actions to four states, pi = .25 each,"
          " pi' = (.35, .35, .15, .15)", per_action, DIFFERS, "ERR-6" } },
      "300 random MDPs, ok-bad, and four actions to four states", page_of_pairs },
    { "DSB-2", "pi deterministic, pi' wrong with probability eps: p' = (1-eps)^t p + (1-(1-eps)^t) p_mistake",
      "p'(s_t) for t = 1 .. 16; then || p_mistake(s_t) ||_1, 1 of a distribution", n_mixture, unit, NULL, NULL, {
        { "p_{\\theta'}(s_t),\\quad1",
          "forward in time; pi: the likeliest action of the policy named above, pi': with eps = .1 something else",
          new_states },
        { "=(1-\\epsilon)^tp_\\theta(s_t)+(1-(1-\\epsilon)^t)p_{mistake}(s_t),\\quad\\sum_s|p_{mistake}(s_t)|",
          "forward in time, those that have made no mistake apart from those that have", mixture },
        { "=p_{\\theta'}(s_t),\\quad\\sum_s\\frac{|p_{\\theta'}(s_t)-(1-\\epsilon)^tp_\\theta(s_t)|}"
          "{1-(1-\\epsilon)^t}", "what the identity implies p_mistake to be: none of it is negative",
          implied } } },
    { "DSB-3", "simple case: || p' - p ||_1 = (1-(1-eps)^t) || p_mistake - p ||_1 <= 2 (1-(1-eps)^t) <= 2 eps t",
      "|| p'(s_t) - p(s_t) ||_1, t = 1 .. 16", n_norms, unit, NULL, NULL, {
        { "\\|p_{\\theta'}(s_t)-p_\\theta(s_t)\\|_1", "both forward in time; the policies of DSB-2", simple_L1 },
        { "=(1-(1-\\epsilon)^t)\\|p_{mistake}(s_t)-p_\\theta(s_t)\\|_1", "DSB-2", simple_mistakes },
        { "\\le2(1-(1-\\epsilon)^t)", "two distributions are at most 2 apart", simple_bound, AT_LEAST },
        { "\\le2\\epsilon t", "DSB-4", simple_linear, AT_LEAST } } },
    { "DSB-4", "(1-eps)^t >= 1 - eps t for eps in [0,1] and t = 1, 2, ..", "(1-eps)^t - (1 - eps t), t <= 20",
      n_grid, unit_grid, NULL, NULL, {
        { "(1-\\epsilon)^t-(1-\\epsilon t)", "on a grid of 21 eps and 20 t", excess },
        { "=\\epsilon^2\\sum_{j=1}^{t-1}(t-j)(1-\\epsilon)^{j-1}", "by induction: no term is negative",
            excess_sum },
        { "\\ge0", "Bernoulli", nothing, AT_MOST },
        { "t-\\tfrac12", "the control: half a step less, negative from t = 1/2 on", between, DIFFERS } },
      "eps = 0, .05, .. 1 and t = 1 .. 20", page_of_grid },
    { "DSB-5", "close: D_TV(pi'(.|s), pi(.|s)) <= eps in each state", "D_TV in each state", n_states, unit, NULL,
      NULL, {
        { "\\tfrac12\\sum_a|\\pi_{\\theta'}(a|s)-\\pi_\\theta(a|s)|", "the definition", half_L1 },
        { "=\\max_B|\\pi_{\\theta'}(B|s)-\\pi_\\theta(B|s)|", "over sets B of actions: those that gain",
            best_event },
        { "\\le\\epsilon", "eps their greatest", greatest_eps, AT_LEAST },
        { "\\max_a|\\pi_{\\theta'}(a|s)-\\pi_\\theta(a|s)|",
          "001 l.240 as typed, action by action: the same for two or three actions, and too small for more",
          single_action, DIFFERS, "ERR-6" } } },
    { "DSB-8", "general case: p' - p = (1-(1-eps)^t) (p'_mis - p_mis), so || p' - p ||_1 <= 2 eps t all the same",
      "|| p'(s_t) - p(s_t) ||_1, t = 1 .. 16", n_norms, unit, NULL, NULL, {
        { "\\|p_{\\theta'}(s_t)-p_\\theta(s_t)\\|_1", "both forward in time", general_L1 },
        { "=(1-(1-\\epsilon)^t)\\|p'_{mis}(s_t)-p_{mis}(s_t)\\|_1",
          "drawn together as in DSB-6: of the trajectories that have parted, those of pi' and those of pi",
          general_mistakes },
        { "\\le2(1-(1-\\epsilon)^t)", "two distributions are at most 2 apart", general_bound, AT_LEAST },
        { "\\le2\\epsilon t", "DSB-4", general_linear, AT_LEAST },
        { "=(1-(1-\\epsilon)^t)\\|p_{mistake}(s_t)-p_\\theta(s_t)\\|_1",
          "001 l.256, \"likewise\": while they agree the actions follow min(pi, pi'), not pi, so p does not split "
          "off",
          likewise, DIFFERS, "ERR-31" } }, .page = page_of_general },
    { "DSB-9", "E_p'[f] >= E_p[f] - || p - p' ||_1 max|f| >= E_p[f] - 2 eps t max|f|",
      "E_{p'}[f(s_t)], t = 1 .. 16, of three random f and one against it", n_means, unit_means, NULL, NULL, {
        { "\\sum_sp_{\\theta'}(s_t)f(s_t)", "f in [-1,1], random; every fourth -10 where p' > p, else -1",
          means_1 },
        { "=\\sum_sp_\\theta(s_t)f(s_t)+\\sum_s(p_{\\theta'}(s_t)-p_\\theta(s_t))f(s_t)", "p added and taken away",
          means_2 },
        { "=E_{p_\\theta}[f]-\\tfrac12\\|p_\\theta-p_{\\theta'}\\|_1(\\max f-\\min f)",
          "for every fourth f: the next line is attained. The others: (P_pi')^t f in the mean over s_0",
          attained },
        { "\\ge E_{p_\\theta}[f]-\\tfrac12\\|p_\\theta-p_{\\theta'}\\|_1(\\max f-\\min f)",
          "p' - p sums to 0: half of it gains at most max f, half loses at least min f", means_4, AT_MOST },
        { "\\ge E_{p_\\theta}[f]-\\|p_\\theta-p_{\\theta'}\\|_1\\max_s|f(s)|", "max f - min f <= 2 max|f|",
          means_5,
          AT_MOST },
        { "\\ge E_{p_\\theta}[f]-2\\epsilon t\\max_s|f(s)|", "DSB-8", means_6, AT_MOST },
        { "\\ge E_{p_\\theta}[f]-\\|p_\\theta-p_{\\theta'}\\|_1\\max_sf(s)",
          "001 l.287: max f adds where f < 0. The greater of it and of line 1, which it must not exceed", means_7,
          DIFFERS, "ERR-32" } } },
    { "PDI-12", "rho_pi' is near rho_pi when the policies are close: as near as gamma and eps say",
      "|| rho_pi' - rho_pi ||_1", one, unit_rho, gamma_1, NULL, {
        { "\\|\\rho_{\\pi_{\\tilde\\theta}}-\\rho_{\\pi_\\theta}\\|_1", "two linear solves", rho_apart },
        { "=\\|\\sum_t(\\gamma P_{\\tilde\\theta}^T)^t\\,\\gamma(P_{\\tilde\\theta}-P_\\theta)^T\\rho_{\\pi_\\theta}"
          "\\|_1", "they part by one step each time, and go on with pi'", rho_by_one_step },
        { "\\le\\sum_t\\gamma^t2(1-(1-\\epsilon)^t)="
          "\\frac{2\\gamma\\epsilon}{(1-\\gamma)(1-\\gamma+\\gamma\\epsilon)}",
          "DSB-8, summed over time", rho_by_shift, AT_LEAST },
        { "\\le\\frac{2\\gamma\\epsilon}{(1-\\gamma)^2}", "2 eps t for 2 (1-(1-eps)^t)", rho_linear,
          AT_LEAST } } },
    { .id = NULL }
};
