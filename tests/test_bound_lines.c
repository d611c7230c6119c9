/* Lines that a derivation holds to an inequality only, or to being wrong: a factor of two in one of them, and it
 * would still be at most, at least or another number. Here each of their numbers by hand, in plain loops of long
 * double; the exact layer's are the policies, A, rho and J. A line is found by a piece of its LaTeX.
 *     test_bound_lines [pattern]       runs the tests whose names match */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "derivations/derivation.h"
#include "derivations/distribution_shift.h"
#include "derivations/random_pairs.h"

enum { MOST_SA = 9 * 5, PAIRS = 20, NUMBERS = 512 };

typedef long double real;

static void near(const char *id, int i, double found, real want, real room)
{
    if (!(fabsl((real)found - want) <= room))
        fail_msg("%s, number %d: %.17g, expected %.17g within %.2g", id, i, found, (double)want, (double)room);
}

/* The numbers of the one line of `id` whose LaTeX holds `piece` */
static void line(const char *id, const char *piece, const setting *x, double out[NUMBERS])
{
    const derivation *d = derivation_find(id);
    const derivation_line *found = NULL;
    assert_non_null(d);
    assert_true(d->n(x) <= NUMBERS);
    for (const derivation_line *l = d->line; l < d->line + DERIVATION_MAX_LINES && l->latex; l++)
        if (strstr(l->latex, piece)) {
            if (found) fail_msg("%s: two lines with %s", id, piece);
            found = l;
        }
    if (!found) fail_msg("%s: no line with %s", id, piece);
    assert_true(found->value(x, out) >= 0);
}

static setting *pair_at(uint32_t i, random_pair *r)
{
    *r = random_pair_new(11, i);
    return setting_new(r->pi, r->pi1, i);
}

static void pair_end(setting *x, random_pair *r)
{
    setting_free(x);
    random_pair_free(r);
}

/* ---- one state: distances ---- */

static real kl_in(const exact *p, const exact *q, int s)
{
    real kl = 0;
    for (int i = s * p->nA; i < (s + 1) * p->nA; i++) kl += expl(p->logpi[i]) * ((real)p->logpi[i] - q->logpi[i]);
    return kl;
}

static real tv_in(const exact *p, const exact *q, int s)
{
    real tv = 0;
    for (int i = s * p->nA; i < (s + 1) * p->nA; i++) tv += fabsl((real)p->pi[i] - q->pi[i]) / 2;
    return tv;
}

static void pinsker(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < PAIRS; i++) {
        random_pair r;
        setting *x = pair_at(i, &r);
        double a[NUMBERS], b[NUMBERS], c[NUMBERS];
        line("DSB-14", "tfrac12D_{KL}(\\pi_\\theta\\|", x, a);
        line("DSB-14", "tfrac12D_{KL}(\\pi_{\\theta'}", x, b);
        line("DSB-14", "sqrt{D_{KL}", x, c);
        for (int s = 0; s < r.pi->nS; s++) {
            near("DSB-14, old||new", s, a[s], sqrtl(kl_in(r.pi, r.pi1, s) / 2), 1e-9);
            near("DSB-14, new||old", s, b[s], sqrtl(kl_in(r.pi1, r.pi, s) / 2), 1e-9);
            near("DSB-14, TRPO's", s, c[s], sqrtl(kl_in(r.pi, r.pi1, s)), 1e-9);
        }
        pair_end(x, &r);
    }
}

/* Three states in a row, two actions that differ in nothing but what they are paid; the last one absorbing, where
 * the policies are furthest apart: it counts for no distance. */
static void kl_of_states(void **state)
{
    (void)state;
    char error[256];
    mdp_builder *build = mdp_begin("three", 3, 2, 0.5);
    mdp_start(build, 0, 1);
    for (int a = 0; a < 2; a++) {
        mdp_transition(build, 0, a, 1, 1, a);
        mdp_transition(build, 1, a, 2, 1, 1);
        mdp_transition(build, 2, a, 2, 1, 0);
    }
    mdp *M = mdp_finish(build);
    const double z[6] = { log(.5), log(.5), log(.5), log(.5), log(.95), log(.05) };
    const double z1[6] = { log(.6), log(.4), log(.9), log(.1), log(.05), log(.95) };
    exact *pi = exact_new(M, 0.5, z, error, sizeof error), *pi1 = exact_new(M, 0.5, z1, error, sizeof error);
    setting *x = setting_new(pi, pi1, 1);
    const real D0 = .6L * logl(1.2L) + .4L * logl(.8L), D1 = .9L * logl(1.8L) + .1L * logl(.2L);
    double out[NUMBERS];
    static const char *const right[] = { "D_s=\\sum_a\\pi_{\\theta'}(a|s)", "lse(z)", "e^{-d(a)}" };
    for (int i = 0; i < 3; i++) {
        line("KL-3", right[i], x, out);
        near("KL-3, the greatest", i, out[0], D1, 1e-14L);
        near("KL-3, the mean", i, out[1], (D0 + D1 / 2) / 1.5L, 1e-14L);       /* rho = 1, 1/2 */
    }
    line("KL-3", "[D_{KL}(\\pi_\\theta\\|", x, out);
    near("KL-3, the other direction", 0, out[0], -logl(4 * .9L * .1L) / 2, 1e-14L);
    line("KL-3", "\\text{one }\\lambda", x, out);
    near("KL-3, the mean for both", 0, out[0], (D0 + D1 / 2) / 1.5L, 1e-14L);
    setting_free(x);
    exact_free(pi);
    exact_free(pi1);
    mdp_free(M);
}

/* ---- sums over time ---- */

/* Of a pair: L - J, C = max_s |sum_a pi' A|, alpha = max_s TV, eps = max |A| */
struct sizes { real dL, C, alpha, eps; };

static struct sizes sizes_of(const exact *pi, const exact *pi1)
{
    struct sizes z = { 0, 0, 0, 0 };
    for (int s = 0; s < pi->nS; s++) {
        real A = 0;
        for (int i = s * pi->nA; i < (s + 1) * pi->nA; i++) {
            A += ((real)pi1->pi[i] - pi->pi[i]) * pi->A[i];
            z.eps = fmaxl(z.eps, fabsl(pi->A[i]));
        }
        z.dL += exact_rho(pi, s) * A;
        z.C = fmaxl(z.C, fabsl(A));
        z.alpha = fmaxl(z.alpha, tv_in(pi, pi1, s));
    }
    return z;
}

/* p [nS] one step on */
static void step(const exact *of, real *p)
{
    const mdp *M = of->M;
    real next[9] = { 0 };
    for (int i = 0; i < of->nSA; i++)
        for (int k = M->row[i]; k < M->row[i + 1]; k++) next[M->next[k]] += p[i / of->nA] * of->pi[i] * M->P[k];
    memcpy(p, next, (size_t)of->nS * sizeof *p);
}

/* sum_{t >= from} gamma^t 2 (1 - (1-alpha)^t), or 2 alpha t gamma^t, until nothing is left of gamma^t */
static real sum_over(real gamma, real alpha, int from, bool linear)
{
    real sum = 0, gamma_t = 1, agreed = 1;
    for (int t = 0; gamma_t > 1e-30L; t++, gamma_t *= gamma, agreed *= 1 - alpha)
        if (t >= from) sum += gamma_t * 2 * (linear ? alpha * t : 1 - agreed);
    return sum;
}

/* sum_t gamma^t |p' - p|_1 for 64 steps, and behind them what coupled policies may part */
static real shifted(const exact *pi, const exact *pi1, real alpha)
{
    enum { STEPS = 64 };
    real p[9], p1[9], sum = 0, gamma_t = 1;
    for (int s = 0; s < pi->nS; s++) p[s] = p1[s] = pi->M->mu0[s];
    for (int t = 0; t < STEPS; t++, gamma_t *= pi->gamma) {
        for (int s = 0; s < pi->nS; s++) sum += gamma_t * fabsl(p1[s] - p[s]);
        step(pi, p);
        step(pi1, p1);
    }
    return sum + sum_over(pi->gamma, alpha, STEPS, false);
}

static void over_time(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < PAIRS; i++) {
        random_pair r;
        setting *x = pair_at(i, &r);
        struct sizes z = sizes_of(r.pi, r.pi1);
        real g = r.pi->gamma, J = r.pi->J, parted = sum_over(g, z.alpha, 0, false);
        real linear = sum_over(g, z.alpha, 0, true), shift = shifted(r.pi, r.pi1, z.alpha);
        real room = 1e-10L * (1 + fabsl(J) + linear * z.eps);
        const struct { const char *id, *piece; real want; } lines[] = {
            { "DSB-10", "-\\sum_t\\gamma^t\\|p", z.dL - shift * z.C },
            { "DSB-10", "-\\sum_t\\gamma^t2(1-", z.dL - parted * z.C },
            { "DSB-10", "-\\sum_t2\\epsilon t\\gamma", z.dL - linear * z.C },
            { "TRPO-3", "\\ge L-\\sum_t\\gamma^t\\|p", J + z.dL - shift * z.C },
            { "TRPO-3", "\\ge L-\\sum_t\\gamma^t2(1-", J + z.dL - parted * z.C },
            { "TRPO-3", "\\ge L-\\sum_t\\gamma^t4\\alpha", J + z.dL - parted * 2 * z.alpha * z.eps },
            { "TRPO-3", "\\ge L-\\frac{4\\epsilon", J + z.dL - linear * 2 * z.alpha * z.eps },
            { "PDI-12", "\\le\\sum_t\\gamma^t2(1-", parted },
            { "PDI-12", "\\le\\frac{2\\gamma\\epsilon}", linear } };
        for (size_t k = 0; k < sizeof lines / sizeof *lines; k++) {
            double out[NUMBERS];
            line(lines[k].id, lines[k].piece, x, out);
            near(lines[k].id, (int)k, out[0], lines[k].want, room);
        }
        pair_end(x, &r);
    }
}

/* DSB-11: C is at most alpha (r_max - r_min)/(1-gamma), and the sums with that for C */
static void by_rewards(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < PAIRS; i++) {
        random_pair r;
        setting *x = pair_at(i, &r);
        real least = INFINITY, most = -INFINITY, g = r.pi->gamma, alpha = sizes_of(r.pi, r.pi1).alpha, episode = 0;
        for (int k = 0; k < r.pi->nSA; k++) least = fminl(least, r.pi->r[k]), most = fmaxl(most, r.pi->r[k]);
        real C = alpha * (most - least) / (1 - g);
        for (int t = 0; t < 100; t++) episode += 2 * alpha * t * C;
        double out[NUMBERS];
        line("DSB-11", "r_{max}-r_{min}", x, out);
        real want[] = { sum_over(g, alpha, 0, true) * C, episode, C };
        for (int k = 0; k < 3; k++) near("DSB-11", k, out[k], want[k], 1e-11L * (1 + want[k]));
        pair_end(x, &r);
    }
}

/* A ratio that is 1 after one step, and 0 later: where all states lead to one */
static void first_step_counts(void **state)
{
    (void)state;
    mdp_builder *build = mdp_begin("fork", 4, 2, 0.5);
    mdp_start(build, 0, 1);
    for (int a = 0; a < 2; a++) {
        mdp_transition(build, 0, a, 1 + a, 1, 0);
        for (int s = 1; s < 4; s++) mdp_transition(build, s, a, 3, 1, s < 3);
    }
    mdp *M = mdp_finish(build);
    const double pi[8] = { 1, 0, 1, 0, 1, 0, 1, 0 }, pi1[8] = { 0.75, 0.25, 1, 0, 1, 0, 1, 0 };
    near("DSB-1", 0, shift_ratio(M, pi, pi1, 0.25, 5), 1, 1e-15L);
    mdp_free(M);
}

/* ---- where trajectories go ---- */

enum { T = 16 };

/* DSB-3, DSB-8, DSB-9 for t = 1 .. 16; of DSB-9's functions the fifth, -10 where pi' is found more often, else -1 */
static void states_in_time(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < PAIRS; i++) {
        random_pair r;
        setting *x = pair_at(i, &r);
        const int nS = r.pi->nS;
        real p[9], p1[9], alpha = sizes_of(r.pi, r.pi1).alpha, agreed = 1;
        double L1[NUMBERS], parted[NUMBERS], linear[NUMBERS], half[NUMBERS], whole[NUMBERS], in_t[NUMBERS];
        line("DSB-8", "\\|p_{\\theta'}(s_t)", x, L1);
        line("DSB-8", "\\le2(1-", x, parted);
        line("DSB-8", "\\le2\\epsilon t", x, linear);
        line("DSB-9", "\\ge E_{p_\\theta}[f]-\\tfrac12\\|", x, half);
        line("DSB-9", "E_{p_\\theta}[f]-\\|p_\\theta-p_{\\theta'}\\|_1\\max_s|", x, whole);
        line("DSB-9", "-2\\epsilon t", x, in_t);
        for (int s = 0; s < nS; s++) p[s] = p1[s] = r.M->mu0[s];
        for (int t = 1; t <= T; t++) {
            real norm = 0, mean = 0, least = INFINITY, most = -INFINITY;
            step(r.pi, p);
            step(r.pi1, p1);
            agreed *= 1 - alpha;
            for (int s = 0; s < nS; s++) norm += fabsl(p1[s] - p[s]);
            near("DSB-8, the norm", t, L1[t - 1], norm, 1e-13L);
            near("DSB-8, parted", t, parted[t - 1], 2 * (1 - agreed), 1e-13L);
            near("DSB-8, linear", t, linear[t - 1], 2 * alpha * t, 1e-13L * t);
            bool apart = true;                          /* not by rounding only */
            for (int s = 0; s < nS; s++) {
                real f = p1[s] > p[s] ? -10 : -1;
                mean += p[s] * f;
                least = fminl(least, f), most = fmaxl(most, f);
                apart &= fabsl(p1[s] - p[s]) > 1e-12L;
            }
            if (!apart) continue;
            int k = 4 * T + t - 1;
            near("DSB-9, half of the range", t, half[k], mean - norm / 2 * (most - least), 1e-12L);
            near("DSB-9, the greatest |f|", t, whole[k], mean + norm * least, 1e-12L);
            near("DSB-9, in t", t, in_t[k], mean + 2 * alpha * t * least, 1e-12L * t);
        }
        pair_end(x, &r);
    }
}

static void greatest_of_states(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < PAIRS; i++) {
        random_pair r;
        setting *x = pair_at(i, &r);
        double eps[NUMBERS], agree[NUMBERS];
        real alpha = sizes_of(r.pi, r.pi1).alpha;
        line("DSB-5", "\\le\\epsilon", x, eps);
        line("DSB-7", "\\ge1-\\epsilon", x, agree);
        for (int s = 0; s < r.pi->nS; s++) {
            near("DSB-5", s, eps[s], alpha, 1e-14L);
            near("DSB-7", s, agree[s], 1 - alpha, 1e-14L);
        }
        pair_end(x, &r);
    }
}

/* DSB-6: other couplings agree less often, and are couplings: their marginals are pi and pi'. Two draws agree by
 * chance; one uniform number agrees where the cells [F(a-1), F(a)] of the two overlap. */
static void other_couplings(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < PAIRS; i++) {
        random_pair r;
        setting *x = pair_at(i, &r);
        double out[2][NUMBERS];
        const int nA = r.pi->nA;
        line("DSB-6", "\\sum_a\\pi_\\theta(a|s)\\,", x, out[0]);
        line("DSB-6", "F^{-1}", x, out[1]);
        for (int s = 0; s < r.pi->nS; s++) {
            const double *p = r.pi->pi + s * nA, *q = r.pi1->pi + s * nA;
            real agree[2] = { 0, 0 }, F = 0, F1 = 0;
            for (int a = 0; a < nA; F += p[a], F1 += q[a], a++) {
                agree[0] += (real)p[a] * q[a];
                agree[1] += fmaxl(0, fminl(F + p[a], F1 + q[a]) - fmaxl(F, F1));
            }
            for (int k = 0; k < 2; k++) {
                const double *of = out[k] + s * (1 + 2 * nA);
                near("DSB-6, agreement", s, of[0], agree[k], 1e-14L);
                for (int a = 0; a < nA; a++) {
                    near("DSB-6, of pi", s, of[1 + a], p[a], 1e-14L);
                    near("DSB-6, of pi'", s, of[1 + nA + a], q[a], 1e-14L);
                }
            }
        }
        pair_end(x, &r);
    }
}

/* Controls: half a step less than Bernoulli's; and samples of p itself, 1 where f = e^x and 0 where f = 1 */
static void controls(void **state)
{
    (void)state;
    const setting x = { .seed = 1 };
    double out[NUMBERS];
    line("DSB-4", "tfrac12", &x, out);
    for (int k = 0; k < 21 * 20; k++) {
        real eps = (k % 21) / 20.0L, t = k / 21 + 0.5L;
        near("DSB-4", k, out[k], powl(1 - eps, t) - 1 + eps * t, 1e-14L);
    }
    line("IS-3", "\\log E_p[f^2]/E_p[f]^2", &x, out);
    for (int k = 0; k < derivation_find("IS-3")->n(&x); k++) near("IS-3", k, out[k], k == 7 || k == 8, 1e-14L);
}

/* TRPO-9 and TRPO-32 in the mean over d, and the greatest */
static void kl_in_the_mean(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < PAIRS; i++) {
        random_pair r;
        setting *x = pair_at(i, &r);
        real most = 0, mean_new = 0, jensen = 0, all = 0;
        for (int s = 0; s < r.pi->nS; s++) {
            real old_new = kl_in(r.pi, r.pi1, s), new_old = kl_in(r.pi1, r.pi, s);
            most = fmaxl(most, old_new);
            all += r.pi->d[s];
            mean_new += r.pi->d[s] * new_old;
            jensen += r.pi->d[s] * expm1l(new_old);
        }
        const struct { const char *id, *piece; real want; } lines[] = {
            { "TRPO-9", "\\le\\max_s", most },
            { "TRPO-9", "E_{s\\sim d}[D_{KL}(\\pi'(", mean_new / all },
            { "TRPO-32", "E_s[e^{", jensen / all }, { "TRPO-32", "\\ge E_s[D_{KL}(", mean_new / all } };
        for (size_t k = 0; k < sizeof lines / sizeof *lines; k++) {
            double out[NUMBERS];
            const derivation *d = derivation_find(lines[k].id);
            if (d->not_applicable && d->not_applicable(x)) continue;
            line(lines[k].id, lines[k].piece, x, out);
            near(lines[k].id, (int)k, out[0], lines[k].want, 1e-12L * (1 + lines[k].want));
        }
        pair_end(x, &r);
    }
}

/* TRPO-2   L -+ 2 epsilon alpha sum_t gamma^t (1 - (1-alpha)^t), and CPI's bound, for mixtures with the greedy policy
 * at alpha = 1/n, .., 1 */
static void mixtures(void **state)
{
    (void)state;
    const derivation *d = derivation_find("TRPO-2");
    for (uint32_t i = 0; i < PAIRS; i++) {
        random_pair r;
        setting *x = pair_at(i, &r);
        double below[NUMBERS], above[NUMBERS], cpi[NUMBERS];
        real gain = 0, epsilon = 0, g = r.pi->gamma;
        const int n = d->n(x);
        if (!d->not_applicable(x)) {
            line("TRPO-2", "-2\\epsilon\\alpha\\sum", x, below);
            line("TRPO-2", "+2\\epsilon\\alpha\\sum", x, above);
            line("TRPO-2", "-\\frac{2\\epsilon\\gamma}", x, cpi);
            for (int s = 0; s < r.pi->nS; s++) {
                real best = 0;
                for (int a = 0; a < r.pi->nA; a++) best = fmaxl(best, r.pi->A[s * r.pi->nA + a]);
                gain += exact_rho(r.pi, s) * best;
                epsilon = fmaxl(epsilon, best);
            }
            for (int k = 0; k < n; k++) {
                real alpha = ldexpl(1, k + 1 - n), L = r.pi->J + alpha * gain, linear = sum_over(g, alpha, 0, true);
                real penalty = epsilon * alpha * sum_over(g, alpha, 0, false), room = 1e-10L * (1 + linear * epsilon);
                near("TRPO-2, below", k, below[k], L - penalty, room);
                near("TRPO-2, above", k, above[k], L + penalty, room);
                near("TRPO-2, CPI's", k, cpi[k], L - epsilon * alpha * linear, room);
            }
        }
        pair_end(x, &r);
    }
}

/* ---- DSB-12: steps of total variation .1 ---- */

static void steps_in_a_state(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < PAIRS; i++) {
        random_pair r;
        setting *x = pair_at(i, &r);
        double out[NUMBERS];
        line("DSB-12", "1_{a=\\arg\\max A}", x, out);
        for (int s = 0; s < r.pi->nS; s++) {
            const double *pi = r.pi->pi + s * r.pi->nA, *A = r.pi->A + s * r.pi->nA;
            int best = 0;
            real value = 0;
            for (int a = 1; a < r.pi->nA; a++) best = A[a] > A[best] ? a : best;
            for (int a = 0; a < r.pi->nA; a++) value += (0.9L * pi[a] + 0.1L * (a == best)) * A[a];
            near("DSB-12, mixed", s, out[s], value, 1e-12L * (1 + fabsl(value)));
        }
        pair_end(x, &r);
    }
    /* Two actions, each half of the time: of 100 random p some are .1 from pi on the right side, and there is no
     * other such p. */
    char error[256];
    double zero[20] = { 0 }, out[NUMBERS];
    mdp *M = mdp_garnet("two actions", 10, 2, 3, 1);
    exact *pi = exact_new(M, 0.9, zero, error, sizeof error);
    setting *x = setting_new(pi, pi, 1);
    line("DSB-12", "\\ge\\sum_ap(a)A(s,a)", x, out);
    for (int s = 0; s < 10; s++)
        near("DSB-12, random", s, out[s], 0.1L * fabsl((real)pi->A[2 * s] - pi->A[2 * s + 1]), 1e-13L);
    setting_free(x);
    exact_free(pi);
    mdp_free(M);
}

/* ---- importance sampling ---- */

/* ERR-50: the mean over p = pi' of A/max|A|, without the action that adds most to it */
static void not_covered(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < PAIRS; i++) {
        random_pair r;
        setting *x = pair_at(i, &r);
        double out[NUMBERS];
        real most = sizes_of(r.pi, r.pi1).eps;
        line("IS-1", "q(x)=0<p(x)", x, out);
        for (int s = 0; s < r.pi->nS; s++) {
            const double *p = r.pi1->pi + s * r.pi->nA, *A = r.pi->A + s * r.pi->nA;
            real sum = 0, largest = 0;
            for (int a = 0; a < r.pi->nA; a++) {
                sum += p[a] * (A[a] / most);
                if (fabsl(p[a] * A[a]) > fabsl(largest)) largest = (real)p[a] * A[a];
            }
            near("IS-1, ERR-50", s, out[s], sum - largest / most, 1e-13L);
        }
        pair_end(x, &r);
    }
}

/* IS-11   P(s,a) = d(s) pi(a|s) e^{t A(s,a)/max|A| min(max|A|, 2)} / Z(s), Q = d pi, f = A over its root mean
 * square */
static void moved_policies(void **state)
{
    (void)state;
    static const real t[] = { 0.25L, 0.5L, 1, 2 };
    for (uint32_t i = 0; i < PAIRS; i++) {
        random_pair r;
        setting *x = pair_at(i, &r);
        const exact *pi = r.pi;
        real most = sizes_of(pi, r.pi1).eps, visits = 0, square = 0;
        double variance[NUMBERS], bound[NUMBERS];
        line("IS-11", "Var[Z]", x, variance);
        line("IS-11", "\\chi^2", x, bound);
        for (int s = 0; s < pi->nS; s++) visits += exact_rho(pi, s);
        for (int k = 0; k < pi->nSA; k++)
            square += exact_rho(pi, k / pi->nA) / visits * pi->pi[k] * (pi->A[k] / most) * (pi->A[k] / most);
        for (int k = 0; k < 4; k++) {
            real E = 0, E2 = 0, chi2 = 0;
            for (int s = 0; s < pi->nS; s++) {
                real Z = 0, d = exact_rho(pi, s) / visits;
                const double *p = pi->pi + s * pi->nA, *A = pi->A + s * pi->nA;
                for (int a = 0; a < pi->nA; a++) Z += p[a] * expl(t[k] * A[a] / most * fminl(most, 2));
                for (int a = 0; a < pi->nA; a++) {
                    real w = expl(t[k] * A[a] / most * fminl(most, 2)) / Z, f = A[a] / most / sqrtl(square);
                    E += d * p[a] * w * f;
                    E2 += d * p[a] * w * f * w * f;
                    chi2 += d * p[a] * w * w;
                }
            }
            near("IS-11, the variance", k, variance[k], E2 - E * E, 1e-12L * (1 + E2));
            near("IS-11, the bound", k, bound[k], chi2 / square - E * E, 1e-12L * (1 + chi2 / square));
        }
        pair_end(x, &r);
    }
}

/* ---- penalties and constraints ---- */

/* PPO-20's maximiser at beta, A in units of the greatest: sum_a pi beta/(mu - A) = 1 by bisection;
 * its KL, weighted by d */
static real kl_at(const exact *pi, real beta, real unit)
{
    real sum = 0;
    for (int s = 0; s < pi->nS; s++) {
        const double *p = pi->pi + s * pi->nA, *A = pi->A + s * pi->nA;
        real best = -INFINITY, low = 0, high = 2 * beta, kl = 0;
        if (pi->absorbing[s]) continue;
        for (int a = 0; a < pi->nA; a++) best = fmaxl(best, A[a] / unit);
        for (int k = 0; k < 120; k++) {
            real m = (low + high) / 2, mass = 0;
            for (int a = 0; a < pi->nA; a++) mass += p[a] * beta / (m + best - A[a] / unit);
            if (mass > 1) low = m;
            else          high = m;
        }
        for (int a = 0; a < pi->nA; a++) kl += p[a] * logl((high + best - A[a] / unit) / beta);
        sum += pi->d[s] * kl;
    }
    return sum;
}

static void penalties(void **state)
{
    (void)state;
    int compared = 0;
    for (uint32_t i = 0; i < PAIRS; i++) {
        random_pair r;
        setting *x = pair_at(i, &r);
        const exact *pi = r.pi;
        real unit = sizes_of(pi, r.pi1).eps, gain = 0;
        double kl[NUMBERS], twice[NUMBERS], bound[NUMBERS];
        if (!derivation_find("PPO-25")->not_applicable(x)) {
            line("PPO-25", "KL(\\beta)=", x, kl);
            line("PPO-25", "KL(2\\beta)", x, twice);
            line("PPO-25", "\\frac1\\beta", x, bound);
            for (int s = 0; s < pi->nS; s++) {
                real best = -INFINITY;
                for (int a = 0; a < pi->nA; a++) best = fmaxl(best, pi->A[s * pi->nA + a] / unit);
                if (!pi->absorbing[s]) gain += pi->d[s] * best;
            }
            for (int k = 0; k < 13; k++) {
                real beta = ldexpl(1, k - 6);
                near("PPO-25", k, kl[k], kl_at(pi, beta, unit), 1e-13L);
                near("PPO-25, twice beta", k, twice[k], kl_at(pi, 2 * beta, unit), 1e-13L);
                near("PPO-25, the bound", k, bound[k], gain / beta, 1e-12L * gain / beta);
            }
            compared++;
        }
        pair_end(x, &r);
    }
    assert_true(compared >= PAIRS / 2);
}

/* KL-5   lambda (epsilon + sum_s d(s) log E_pi[e^{A/beta}]), beta = lambda / sum rho; *kl: the maximiser's mean KL */
static real dual(const exact *pi, real epsilon, real lambda, real *kl)
{
    real visits = 0, sum = 0;
    *kl = 0;
    for (int s = 0; s < pi->nS; s++) visits += exact_rho(pi, s);
    for (int s = 0; s < pi->nS; s++) {
        real Z = 0, E = 0, beta = lambda / visits, d = exact_rho(pi, s) / visits, top = -INFINITY;
        for (int i = s * pi->nA; i < (s + 1) * pi->nA; i++) top = fmaxl(top, pi->A[i] / beta);
        for (int i = s * pi->nA; i < (s + 1) * pi->nA; i++) {
            real w = pi->pi[i] * expl(pi->A[i] / beta - top);
            Z += w, E += w * (pi->A[i] / beta);
        }
        sum += d * (logl(Z) + top);
        *kl += d * (E / Z - logl(Z) - top);
    }
    return lambda * (epsilon + sum);
}

/* TRPO-12, ERR-34: the most that visits gain within a mean KL(new||old) of .01: pi e^{A/beta}/Z, beta by bisection */
static void reversed_region(void **state)
{
    (void)state;
    const derivation *d = derivation_find("TRPO-12");
    int compared = 0;
    for (uint32_t i = 0; i < PAIRS; i++) {
        random_pair r;
        setting *x = pair_at(i, &r);
        const exact *pi = r.pi;
        double out[NUMBERS];
        real low = -10, high = 60, kl, visits = 0, gain = 0;
        dual(pi, 0, expl(low), &kl);
        if (!d->not_applicable(x) && kl > 0.01L) {
            for (int k = 0; k < 200; k++) {
                real middle = (low + high) / 2;
                dual(pi, 0, expl(middle), &kl);
                if (kl > 0.01L) low = middle;
                else            high = middle;
            }
            for (int s = 0; s < pi->nS; s++) visits += exact_rho(pi, s);
            for (int s = 0; s < pi->nS; s++) {
                real Z = 0, E = 0;
                for (int k = s * pi->nA; k < (s + 1) * pi->nA; k++) {
                    real w = pi->pi[k] * expl(pi->A[k] * visits / expl(low));
                    Z += w, E += w * pi->A[k];
                }
                gain += exact_rho(pi, s) * E / Z;
            }
            line("TRPO-12", "D_{KL}(\\pi'(\\cdot|s)\\|\\pi(", x, out);
            near("TRPO-12, ERR-34", (int)i, out[0], gain, 1e-9L * gain);
            compared++;
        }
        pair_end(x, &r);
    }
    assert_true(compared >= PAIRS / 2);
}

/* TRPO-10   pi e^{t v}/Z along v = A or d pi A, as far as the mean KL(old||new) is .01: what it gains; and what the
 * linear model promises of the first, sqrt(2 delta E[A^2]) */
static real gain_along(const exact *pi, bool natural)
{
    real t[2] = { 0, 0x1p-20L }, gain = 0, all = 0;
    for (int s = 0; s < pi->nS; s++) all += pi->d[s];
    for (int k = 0, found = 0; k < 200; k++) {
        real at = found ? (t[0] + t[1]) / 2 : t[1], kl = 0;
        gain = 0;
        for (int s = 0; s < pi->nS; s++) {
            const double *p = pi->pi + s * pi->nA, *A = pi->A + s * pi->nA;
            real Z = 0, E = 0, mean = 0;
            for (int a = 0; a < pi->nA; a++) {
                real z = at * (natural ? A[a] : pi->d[s] * p[a] * A[a]), w = p[a] * expl(z);
                Z += w, E += w * A[a], mean += p[a] * z;
            }
            kl += pi->d[s] / all * (logl(Z) - mean);
            gain += pi->d[s] / all * E / Z;
        }
        if (kl > 0.01L)  found = 1, t[1] = at;
        else if (!found) t[0] = at, t[1] = 2 * at;
        else             t[0] = at;
    }
    return gain;
}

static void steps_in_the_region(void **state)
{
    (void)state;
    const derivation *d = derivation_find("TRPO-10");
    int compared = 0;
    for (uint32_t i = 0; i < PAIRS; i++) {
        random_pair r;
        setting *x = pair_at(i, &r);
        double natural[NUMBERS], gradient[NUMBERS], linear[NUMBERS];
        real square = 0, all = 0;
        if (!d->not_applicable(x)) {
            line("TRPO-10", "tF^+g", x, natural);
            line("TRPO-10", "+tg", x, gradient);
            line("TRPO-10", "g^Tv=", x, linear);
            for (int s = 0; s < r.pi->nS; s++) all += r.pi->d[s];
            for (int k = 0; k < r.pi->nSA; k++)
                square += r.pi->d[k / r.pi->nA] / all * r.pi->pi[k] * r.pi->A[k] * r.pi->A[k];
            near("TRPO-10, linear", (int)i, linear[0], sqrtl(0.02L * square), 1e-8L * sqrtl(square));
            near("TRPO-10, natural", (int)i, natural[0], gain_along(r.pi, true), 1e-8L * sqrtl(square));
            near("TRPO-10, gradient", (int)i, gradient[0], gain_along(r.pi, false), 1e-8L * sqrtl(square));
            compared++;
        }
        pair_end(x, &r);
    }
    assert_true(compared >= PAIRS / 2);
}

static void other_multipliers(void **state)
{
    (void)state;
    int bind = 0;
    for (uint32_t i = 0; i < PAIRS; i++) {
        random_pair r;
        setting *x = pair_at(i, &r);
        const exact *pi = r.pi;
        double out[NUMBERS];
        real low = -60, high = 60, kl;
        dual(pi, 0.01L, expl(low / 6), &kl);
        if (!derivation_find("KL-5")->not_applicable(x) && kl > 0.01L) {
            low /= 6;
            for (int k = 0; k < 200; k++) {
                real middle = (low + high) / 2;
                dual(pi, 0.01L, expl(middle), &kl);
                if (kl > 0.01L) low = middle;
                else            high = middle;
            }
            line("KL-5", "\\le\\max_{\\theta'}", x, out);
            for (int k = 0; k < 8; k++) {
                real want = dual(pi, 0.01L, expl(low + (k - 3.5L) / 2), &kl);
                near("KL-5, other lambdas", k, out[k], want, 1e-8L * want);
            }
            bind++;
        }
        pair_end(x, &r);
    }
    assert_true(bind >= PAIRS / 2);
}

/* ---- PPO-5, PPO-6: the most that a sample can gain, and the steepest slope ---- */

static void clipped_samples(void **state)
{
    (void)state;
    static const double A[2][3] = { { 0.3, 1, 5 }, { -0.3, -1, -5 } };
    static const char *const ids[] = { "PPO-5", "PPO-6" };
    for (int k = 0; k < 2; k++) {
        const derivation *d = derivation_find(ids[k]);
        double out[NUMBERS];
        int found = 0;
        for (const derivation_line *l = d->line; l->latex; l++) {
            if (l->relation != AT_LEAST) continue;
            assert_true(l->value(&(setting){ .seed = 1 }, out) >= 0);
            for (int i = 0; i < 30; i++) {
                real most = A[k][i / 10];
                near(ids[k], 2 * i, out[2 * i], (k ? 0.8L : 1.2L) * most, 1e-14L);
                near(ids[k], 2 * i + 1, out[2 * i + 1], fabsl(most), 1e-14L);
            }
            found++;
        }
        assert_int_equal(found, 1);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pinsker), cmocka_unit_test(kl_of_states), cmocka_unit_test(over_time),
        cmocka_unit_test(by_rewards), cmocka_unit_test(first_step_counts), cmocka_unit_test(states_in_time),
        cmocka_unit_test(greatest_of_states), cmocka_unit_test(kl_in_the_mean), cmocka_unit_test(mixtures),
        cmocka_unit_test(reversed_region), cmocka_unit_test(other_couplings), cmocka_unit_test(controls),
        cmocka_unit_test(steps_in_the_region), cmocka_unit_test(steps_in_a_state),
        cmocka_unit_test(not_covered), cmocka_unit_test(moved_policies), cmocka_unit_test(penalties),
        cmocka_unit_test(other_multipliers), cmocka_unit_test(clipped_samples) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
