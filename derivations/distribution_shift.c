/* The distribution shift: if pi' is close to pi, it goes where pi goes. 001 (l.189-256). The simple
 * case compares pi' with a deterministic policy, the general one with any; both keep account of the share of
 * trajectories on which the two have agreed so far. Where the document prints |.| stands the L1 norm. */
#include "derivations/distribution_shift.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
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
            sqrt(0.5), 1 - 0.25);
}

/* ---- DSB-1: on random MDPs, and where it is attained ---- */

enum { MDPS = 300 };

/* p' - p of ok-bad by N u a step (N = 4), over the bound, which is least where eps is .1: most of it at the last t */
static double unit_ratio(const setting *x)
{
    (void)x;
    return DBL_EPSILON * 4 * RANDOM_PAIR_STEPS / shift_bound(0.1, RANDOM_PAIR_STEPS);
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
      "|| p' - p ||_1 over the bound, the greatest of all t: eps <= .1, and above",
      count_two, unit_ratio, NULL, NULL, {
        { "1", "the bound 2 (1 - (1-eps)^t), eps the greatest D_TV(pi'(.|s), pi(.|s))", .is = { 1, 1 } },
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
        { "\\le2(1-(1-\\epsilon)^t)", "two distributions are at most 2 apart", simple_bound, AT_LEAST_ABOVE },
        { "\\le2\\epsilon t", "DSB-4", simple_linear, AT_LEAST_ABOVE } } },
    { "DSB-4", "(1-eps)^t >= 1 - eps t for eps in [0,1] and t = 1, 2, ..", "(1-eps)^t - (1 - eps t), t <= 20",
      n_grid, unit_grid, NULL, NULL, {
        { "(1-\\epsilon)^t-(1-\\epsilon t)", "on a grid of 21 eps and 20 t", excess },
        { "=\\epsilon^2\\sum_{j=1}^{t-1}(t-j)(1-\\epsilon)^{j-1}", "by induction: no term is negative",
            excess_sum },
        { "\\ge0", "Bernoulli", nothing, AT_MOST },
        { "t-\\tfrac12", "the control: half a step less, negative from t = 1/2 on", between, DIFFERS } },
      "eps = 0, .05, .. 1 and t = 1 .. 20", page_of_grid },
    { "DSB-8", "general case: p' - p = (1-(1-eps)^t) (p'_mis - p_mis), so || p' - p ||_1 <= 2 eps t all the same",
      "|| p'(s_t) - p(s_t) ||_1, t = 1 .. 16", n_norms, unit, NULL, NULL, {
        { "\\|p_{\\theta'}(s_t)-p_\\theta(s_t)\\|_1", "both forward in time", general_L1 },
        { "=(1-(1-\\epsilon)^t)\\|p'_{mis}(s_t)-p_{mis}(s_t)\\|_1",
          "drawn together as in DSB-6: of the trajectories that have parted, those of pi' and those of pi",
          general_mistakes },
        { "\\le2(1-(1-\\epsilon)^t)", "two distributions are at most 2 apart", general_bound, AT_LEAST_ABOVE },
        { "\\le2\\epsilon t", "DSB-4", general_linear, AT_LEAST_ABOVE },
        { "=(1-(1-\\epsilon)^t)\\|p_{mistake}(s_t)-p_\\theta(s_t)\\|_1",
          "001 l.256, \"likewise\": while they agree the actions follow min(pi, pi'), not pi, so p does not split "
          "off",
          likewise, DIFFERS, "ERR-31" } }, .page = page_of_general },
    { .id = NULL }
};
