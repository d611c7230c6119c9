/* Tables of random MDPs and policies for the tests of cpi, trpo_mm and dual_gradient, and what these compute, in
 * plain loops of long double. What a policy is worth is the exact layer's word. */
#ifndef ASCENT_TESTS_IMPROVEMENT_BY_HAND_H
#define ASCENT_TESTS_IMPROVEMENT_BY_HAND_H

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>

#include <cmocka.h>

#include "autodiff/random.h"
#include "derivations/improvement.h"
#include "derivations/policy_file.h"

/* A policy on an MDP, solved, and its tables */
typedef struct { mdp *M; exact *pi; exact_table x; } hand_problem;

static inline hand_problem hand_of(mdp *M, double gamma, const double *logits)
{
    char error[256];
    hand_problem p = { .M = M, .pi = exact_new(M, gamma, logits, error, sizeof error) };
    if (!p.pi) fail_msg("%s", error);
    p.x = improvement_table(p.pi);
    return p;
}

/* garnet of 2 .. 11 states and 2 .. 5 actions, half of them from state 0; logits ~ N(0, scale^2) */
static inline hand_problem hand_garnet(uint64_t seed, double gamma, double scale)
{
    int nS = 2 + (int)(seed % 10), nA = 2 + (int)(seed / 10 % 4);
    mdp *M = mdp_garnet("garnet", nS, nA, 1 + (int)(seed % 2), seed);
    double z[11 * 5];
    for (int s = 0; s < nS && seed % 4 < 2; s++) M->mu0[s] = s == 0;
    policy_random(M, seed, 0, z);
    for (int i = 0; i < nS * nA; i++) z[i] *= scale;
    return hand_of(M, gamma, z);
}

static inline hand_problem hand_named(const char *name, double gamma)
{
    mdp *M = mdp_builtin(name);
    double *z = calloc((size_t)(M->nS * M->nA), sizeof *z);
    hand_problem p = hand_of(M, gamma, z);
    free(z);
    return p;
}

static inline void hand_free(hand_problem *p)
{
    improvement_table_free(&p->x);
    exact_free(p->pi);
    mdp_free(p->M);
}

/* From the solved policy to its successor, which takes its place */
static inline void hand_next(hand_problem *p, const double *pi1)
{
    char error[256];
    exact *next = improvement_exact(p->pi, pi1, error, sizeof error);
    if (!next) fail_msg("%s", error);
    improvement_table_free(&p->x);
    exact_free(p->pi);
    p->pi = next;
    p->x = improvement_table(next);
}

static inline double hand_J(const hand_problem *p, const double *pi1)
{
    char error[256];
    exact *next = improvement_exact(p->pi, pi1, error, sizeof error);
    if (!next) fail_msg("%s", error);
    double J = next->J;
    exact_free(next);
    return J;
}

static inline long double hand_kl(int n, const double *p, const double *q)      /* KL(p||q) */
{
    long double kl = 0;
    for (int a = 0; a < n; a++)
        if (p[a] > 0) kl += (long double)p[a] * logl((long double)p[a] / (long double)q[a]);
    return kl;
}

static inline long double hand_L(const exact_table *x, const double *pi1)
{
    long double L = x->J;
    for (int s = 0; s < x->nS; s++)
        for (int a = 0; a < x->nA; a++)
            L += (long double)x->rho[s] * (long double)pi1[s * x->nA + a] * (long double)x->A[s * x->nA + a];
    return L;
}

/* A table of one state: a bandit under discount, rho = 1/(1-gamma), A = r - E[r] */
typedef struct { double A[8], rho; } hand_bandit;
static inline exact_table hand_bandit_of(hand_bandit *b, int nA, const double *pi, const double *r, double gamma)
{
    double mean = 0;
    for (int a = 0; a < nA; a++) mean += pi[a] * r[a];
    for (int a = 0; a < nA; a++) b->A[a] = r[a] - mean;
    b->rho = 1 / (1 - gamma);
    return (exact_table){ .nS = 1, .nA = nA, .gamma = gamma, .J = mean / (1 - gamma), .R = 1, .pi = pi, .A = b->A,
                          .rho = &b->rho };
}

static inline void hand_near(double x, double y, double relative, const char *what)
{
    if (!(fabs(x - y) <= relative * fmax(fabs(x), fabs(y)))) fail_msg("%s: %.17g and %.17g", what, x, y);
}

/* What explain prints, [size]; to be read for numbers */
static inline void hand_explain(void (*explain)(FILE *, const void *, uint64_t), const void *config, char *text,
                                size_t size)
{
    memset(text, 0, size);
    FILE *out = fmemopen(text, size, "w");
    explain(out, config, 1);
    fclose(out);
    int line = 0;
    for (const char *c = text; *c; c++) {
        line = *c == '\n' ? 0 : line + 1;
        assert_true(line <= 120);
    }
}
static inline void hand_says(const char *text, const char *what, double x, double room)
{
    const char *at = strstr(text, what);
    if (!at) fail_msg("no \"%s\" in\n%s", what, text);
    double found = strtod(at + strlen(what), NULL);
    if (!(fabs(found - x) <= room)) fail_msg("%s %.17g, not %.17g", what, found, x);
}

#endif
