/* How close two policies are in a state, 001 (l.240), and the coupling lemma behind the general case of the
 * distribution shift: pi and pi' can be drawn together so that their actions agree with probability 1 - TV, and no
 * way of drawing them makes it more. 001 (l.246-248). */
#include "derivations/coupling.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"

double total_variation(int n, const double *p, const double *q)
{
    double sum = 0;
    for (int x = 0; x < n; x++) sum += fabs(p[x] - q[x]);
    return sum / 2;
}

double overlap(int n, const double *p, const double *q)
{
    double sum = 0;
    for (int x = 0; x < n; x++) sum += fmin(p[x], q[x]);
    return sum;
}

/* DSB-6   joint(x,y) = 1[x = y] min(p, q)(x) + (p - q)^+(x) (q - p)^+(y) / TV */
void coupling_maximal(int n, const double *p, const double *q, double *joint)
{
    double TV = total_variation(n, p, q);
    for (int x = 0; x < n; x++)
        for (int y = 0; y < n; y++) {
            double more_p = fmax(p[x] - q[x], 0), more_q = fmax(q[y] - p[y], 0);
            joint[x * n + y] = (x == y ? fmin(p[x], q[x]) : 0) + (TV > 0 ? more_p * (more_q / TV) : 0);
        }
}

/* f = g = 1[p > q]: f(x) - g(y) is 0 where x = y */
double coupling_dual(int n, const double *p, const double *q)
{
    double value = 0;
    for (int x = 0; x < n; x++) {
        double f = p[x] > q[x];
        for (int y = 0; y < n; y++)
            if (f - (p[y] > q[y]) > (x != y)) return NAN;
        value += f * p[x] - f * q[x];
    }
    return value;
}

/* ---- sums of nA probabilities in each state ---- */

static double unit(const setting *x)  { return DBL_EPSILON * fmax(4, x->pi->nA); }

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

/* ---- the lines: of each state Pr(a = a'), and the marginals [nA] and [nA] of the coupling ---- */

typedef void (*couple)(int n, const double *p, const double *q, double *joint);

static int n_marginals(const setting *x) { return x->pi->nS * (1 + 2 * x->pi->nA); }

static void of_state(const setting *x, int s, double agree, double *out)       /* agreement, and pi and pi' */
{
    int nA = x->pi->nA;
    out += s * (1 + 2 * nA);
    *out = agree;
    memcpy(out + 1, x->pi->pi + s * nA, (size_t)nA * sizeof *out);
    memcpy(out + 1 + nA, x->pi1->pi + s * nA, (size_t)nA * sizeof *out);
}

static double by_coupling(const setting *x, couple with, double *out)
{
    int nA = x->pi->nA;
    double *joint = allocate((size_t)nA * (size_t)nA, sizeof *joint, "a coupling");
    for (int s = 0; s < x->pi->nS; s++, out += 1 + 2 * nA) {
        with(nA, x->pi->pi + s * nA, x->pi1->pi + s * nA, joint);
        memset(out, 0, (size_t)(1 + 2 * nA) * sizeof *out);
        for (int i = 0; i < nA * nA; i++) {
            if (i / nA == i % nA) out[0] += joint[i];
            out[1 + i / nA] += joint[i];
            out[1 + nA + i % nA] += joint[i];
            if (joint[i] < 0) out[0] = NAN;                         /* no distribution at all */
        }
    }
    free(joint);
    return 0;
}

static void independent(int n, const double *p, const double *q, double *joint)
{
    for (int i = 0; i < n * n; i++) joint[i] = p[i / n] * q[i % n];
}

/* One uniform number through both distribution functions: the overlap of the two cells [P(x-1), P(x)] */
static void same_uniform(int n, const double *p, const double *q, double *joint)
{
    int x = 0, y = 0;
    double left_p = p[0], left_q = q[0];
    memset(joint, 0, (size_t)(n * n) * sizeof *joint);
    for (;;) {
        double both = fmin(left_p, left_q);
        joint[x * n + y] += both;
        left_p -= both, left_q -= both;
        if (left_p <= left_q && x < n - 1)      left_p = p[++x];
        else if (y < n - 1)                     left_q = q[++y];
        else if (x < n - 1)                     left_p = p[++x];
        else return;
    }
}

static double one_minus_TV(const setting *x, double *out)
{
    int nA = x->pi->nA;
    for (int s = 0; s < x->pi->nS; s++)
        of_state(x, s, 1 - total_variation(nA, x->pi->pi + s * nA, x->pi1->pi + s * nA), out);
    return 0;
}

static double one_minus_dual(const setting *x, double *out)
{
    int nA = x->pi->nA;
    for (int s = 0; s < x->pi->nS; s++)
        of_state(x, s, 1 - coupling_dual(nA, x->pi->pi + s * nA, x->pi1->pi + s * nA), out);
    return 0;
}

static double maximal(const setting *x, double *out)      { return by_coupling(x, coupling_maximal, out); }
static double independently(const setting *x, double *out) { return by_coupling(x, independent, out); }
static double by_one_uniform(const setting *x, double *out) { return by_coupling(x, same_uniform, out); }

/* DSB-7   of all this the agreement: Pr(a = a') = 1 - TV */
static double agreement(const setting *x, double *out)
{
    int wide = 1 + 2 * x->pi->nA;
    double *all = allocate((size_t)n_marginals(x), sizeof *all, "couplings");
    by_coupling(x, coupling_maximal, all);
    for (int s = 0; s < x->pi->nS; s++) out[s] = all[s * wide];
    free(all);
    return 0;
}

static double agreement_by_overlap(const setting *x, double *out)
{
    int nA = x->pi->nA;
    for (int s = 0; s < x->pi->nS; s++) out[s] = overlap(nA, x->pi->pi + s * nA, x->pi1->pi + s * nA);
    return 0;
}

static double everywhere(const setting *x, double *out)         /* 1 - eps, eps = max_s TV */
{
    double eps = 0;
    agreement_by_overlap(x, out);
    for (int s = 0; s < x->pi->nS; s++) eps = linalg_greater(eps, 1 - out[s]);
    for (int s = 0; s < x->pi->nS; s++) out[s] = 1 - eps;
    return 0;
}

static double with_probability_eps(const setting *x, double *out)
{
    int nA = x->pi->nA;
    for (int s = 0; s < x->pi->nS; s++)
        out[s] = total_variation(nA, x->pi->pi + s * nA, x->pi1->pi + s * nA);
    return 0;
}

const derivation coupling[] = {
    { "DSB-5", "close: D_TV(pi'(.|s), pi(.|s)) <= eps in each state", "D_TV in each state",
      count_states, unit, NULL, NULL, {
        { "\\tfrac12\\sum_a|\\pi_{\\theta'}(a|s)-\\pi_\\theta(a|s)|", "the definition", half_L1 },
        { "=\\max_B|\\pi_{\\theta'}(B|s)-\\pi_\\theta(B|s)|", "over sets B of actions: those that gain",
            best_event },
        { "\\le\\epsilon", "eps their greatest", greatest_eps, AT_LEAST },
        { "\\max_a|\\pi_{\\theta'}(a|s)-\\pi_\\theta(a|s)|",
          "001 l.240 as typed, action by action: the same for two or three actions, and too small for more",
          single_action, DIFFERS, "ERR-6" } } },
    { "DSB-6", "the coupling lemma: actions drawn together agree with probability 1 - TV, and no more",
      "Pr(a = a') in each state, and the marginals", n_marginals, unit, NULL, NULL, {
        { "1-\\epsilon,\\quad\\epsilon=\\tfrac12\\sum_a|\\pi_\\theta(a|s)-\\pi_{\\theta'}(a|s)|",
          "what there is to be agreed; the marginals are pi and pi'", one_minus_TV },
        { "=\\sum_ap(a,a),\\quad p(a,a')=1_{a=a'}\\min(\\pi_\\theta,\\pi_{\\theta'})(a)"
          "+(\\pi_\\theta-\\pi_{\\theta'})^+(a)\\,(\\pi_{\\theta'}-\\pi_\\theta)^+(a')/\\epsilon",
          "the coupling built; what is left over is drawn independently, and its sums over a' and a are the "
          "marginals",
          maximal },
        { "=1-\\max_{f,g}\\{\\sum_af(a)\\pi_\\theta(a)-\\sum_{a'}g(a')\\pi_{\\theta'}(a'):"
          "f(a)-g(a')\\le1_{a\\ne a'}\\}",
          "no coupling agrees more often: the dual of the linear program min Pr(a != a'), at f = g = 1[pi > pi']",
          one_minus_dual },
        { "\\ge\\sum_a\\pi_\\theta(a|s)\\,\\pi_{\\theta'}(a|s)", "another coupling: drawn independently",
          independently, AT_MOST },
        { "\\ge P(F^{-1}_\\theta(u)=F^{-1}_{\\theta'}(u)),\\quad u\\sim U(0,1)",
          "another: one random number through both distribution functions", by_one_uniform, AT_MOST } } },
    { "DSB-7", "pi and pi' agree with probability 1 - TV in each state, so differ with at most eps",
      "Pr(a = a') in each state", count_states, unit, NULL, NULL, {
        { "P(a=a')", "of the coupling of DSB-6", agreement },
        { "=\\sum_a\\min(\\pi_\\theta(a|s),\\pi_{\\theta'}(a|s))", "1 - TV: |x - y| = x + y - 2 min(x,y)",
          agreement_by_overlap },
        { "\\ge1-\\epsilon,\\quad\\epsilon=\\max_sD_{TV}", "in whatever state", everywhere, AT_MOST },
        { "=\\epsilon", "001 l.247: \"agrees with probability epsilon\"; l.246 and l.248 beside it have it right",
          with_probability_eps, DIFFERS, "ERR-8" } } },
    { .id = NULL }
};
