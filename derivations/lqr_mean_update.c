/* Learning Q off-policy, in the mean: q_w(s, a), a quadratic in (s, a), is moved to r + gamma q_w(s', a') at places
 * that have nothing to do with the policy, again and again. 002 (l.174-175). On a regulator Q is such a quadratic,
 * so that what the places were does not show. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_randist.h>

#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"
#include "derivations/regulators.h"

enum { D = 2 * REGULATOR_MAX, P_MAX = 1 + D * (D + 1) / 2 };    /* (s, a); weights of q */

static int weights_of(const lqr_system *L) { return 1 + (L->n + L->m) * (L->n + L->m + 1) / 2; }

/* phi(z) = 1, z_i z_j for i <= j: here of the moments E[z_i z_j] */
static void features(int d, const double *zz, double *phi)
{
    *phi++ = 1;
    for (int i = 0; i < d; i++)
        for (int j = i; j < d; j++) *phi++ = zz[i * d + j];
}

static void outer(int d, const double *z, double *zz)
{
    for (int i = 0; i < d * d; i++) zz[i] = z[i / d] * z[i % d];
}

/* Who acts next: a' = -K s' + xi, xi ~ N(0, S) */
typedef struct { double K[REGULATOR_MAX * REGULATOR_MAX], S[REGULATOR_MAX * REGULATOR_MAX]; } actor;

/* E[z' z'^T | s, a], z' = (s', a') = G s' + (0, xi), G = (1, -K) */
static void next_moments(const lqr_system *L, const double *z, const actor *next, double *zz)
{
    int n = L->n, m = L->m, d = n + m;
    double AB[REGULATOR_MAX * D], s1[REGULATOR_MAX], ss[REGULATOR_MAX * REGULATOR_MAX];
    double G[D * REGULATOR_MAX] = { 0 }, Gss[D * REGULATOR_MAX];
    for (int i = 0; i < n; i++) {
        memcpy(AB + i * d, L->A + i * n, (size_t)n * sizeof *AB);
        memcpy(AB + i * d + n, L->B + i * m, (size_t)m * sizeof *AB);
        G[i * n + i] = 1;
    }
    for (int i = 0; i < m * n; i++) G[n * n + i] = -next->K[i];
    linalg_matvec(n, d, AB, z, s1);
    outer(n, s1, ss);
    for (int i = 0; i < n * n; i++) ss[i] += L->W[i];
    linalg_matmul(false, false, d, n, n, G, ss, Gss);
    linalg_matmul(false, true, d, d, n, Gss, G, zz);
    for (int i = 0; i < m * m; i++) zz[(n + i / m) * d + n + i % m] += next->S[i];
}

static double reward(const lqr_system *L, const double *zz)
{
    int n = L->n, m = L->m, d = n + m;
    double r = 0;
    for (int i = 0; i < n * n; i++) r -= L->Q[i] * zz[i / n * d + i % n];
    for (int i = 0; i < m * m; i++) r -= L->R[i] * zz[(n + i / m) * d + n + i % m];
    return r;
}

/* Where the data come from: (s, a) ~ N(shift, scale^2 1), as many places as q has weights */
typedef struct { double shift, scale; uint32_t stream; } behaviour;

/*[snip off-policy-mean-update later]*/
/* DDPG-2   w <- the w' with q_w'(s, a) = E[r + gamma q_w(s', a')] at every place, until gamma^k is nothing.
 * Returns what the linear solve may be off. */
static double mean_update(const lqr_system *L, const actor *next, gsl_rng *rng, const behaviour *b, double *w)
{
    int d = L->n + L->m, p = weights_of(L), updates = (int)ceil(log(1e-18) / log(L->gamma));
    double *phi = allocate((size_t)(2 * p * p), sizeof *phi, "features"), *phi1 = phi + p * p;
    double r[P_MAX], y[P_MAX], z[D], zz[D * D], size = 0;
    for (int i = 0; i < p; i++) {
        for (int k = 0; k < d; k++) z[k] = b->shift + b->scale * gsl_ran_gaussian_ziggurat(rng, 1);
        outer(d, z, zz);
        features(d, zz, phi + i * p);
        r[i] = reward(L, zz);
        next_moments(L, z, next, zz);
        features(d, zz, phi1 + i * p);
    }
    linalg_lu *lu = linalg_lu_new(p);
    require(linalg_lu_factor(lu, phi) == LINALG_OK, "the places do not tell the weights: rcond %g", lu->rcond);
    memset(w, 0, (size_t)p * sizeof *w);
    for (int k = 0; k < updates; k++) {
        linalg_matvec(p, p, phi1, w, y);
        for (int i = 0; i < p; i++) y[i] = r[i] + L->gamma * y[i];
        linalg_lu_solve(lu, false, 1, y, w);
        size = fmax(size, linalg_max_abs(p, w));
    }
    double own = p * DBL_EPSILON / lu->rcond * size / (1 - L->gamma);
    linalg_lu_free(lu);
    free(phi);
    return own;
}
/*[/snip]*/

/* The weights of Q itself, from its values at 0, at unit vectors, and at sums of two */
static void weights_of_Q(const lqr_exact *x, double *w)
{
    int n = x->n, d = n + x->m;
    double z[D] = { 0 }, square[D], none = lqr_Q(x, z, z + n);
    for (int i = 0; i < d; i++) {
        z[i] = 1;
        square[i] = lqr_Q(x, z, z + n) - none;
        z[i] = 0;
    }
    *w++ = none;
    for (int i = 0; i < d; i++)
        for (int j = i; j < d; j++) {
            z[i] = z[j] = 1;
            *w++ = i == j ? square[i] : lqr_Q(x, z, z + n) - none - square[i] - square[j];
            z[i] = z[j] = 0;
        }
}

/* A line: each regulator under its gain, first without noise, then with N(0, 1/4) in the actions. b NULL: Q itself;
 * stored: a' as an old policy took it, in the noisy half, not as the present one would. */
static double line(const setting *y, const behaviour *b, bool stored, double *out)
{
    double own = 0;
    gsl_rng *rng = random_stream(y->seed, b ? b->stream : 0, RANDOM_POLICY);
    for (int i = 0; i < 2 * REGULATORS; i++) {
        bool noisy = i >= REGULATORS;
        lqr_system *L = regulator_system(i % REGULATORS);
        actor next = { .S = { 0 } };
        for (int k = 0; noisy && k < L->m; k++) next.S[k * (L->m + 1)] = 0.25;
        lqr_exact *x = regulator_exact(i % REGULATORS, L, noisy ? next.S : NULL);
        for (int k = 0; k < L->m * L->n; k++) next.K[k] = noisy && stored ? x->K[k] / 2 : x->K[k];
        if (b) own = fmax(own, mean_update(L, &next, rng, b, out));
        else   weights_of_Q(x, out);
        out += weights_of(L);
        lqr_exact_free(x);
        lqr_system_free(L);
    }
    gsl_rng_free(rng);
    return own;
}

static const behaviour AROUND = { 0, 1, 2 }, ELSEWHERE = { 2, 3, 3 };

static double exactly(const setting *y, double *out)      { return line(y, NULL, false, out); }
static double around(const setting *y, double *out)       { return line(y, &AROUND, false, out); }
static double elsewhere(const setting *y, double *out)    { return line(y, &ELSEWHERE, false, out); }
static double stored_action(const setting *y, double *out) { return line(y, &AROUND, true, out); }

static int n_weights(const setting *y)
{
    int n = 0;
    (void)y;
    for (int i = 0; i < REGULATORS; i++) {
        lqr_system *L = regulator_system(i);
        n += 2 * weights_of(L);
        lqr_system_free(L);
    }
    return n;
}

/* of Q at the unit vectors */
static double unit(const setting *y)
{
    double unit = 0, one[D] = { 1, 1, 1, 1, 1, 1 };
    (void)y;
    for (int i = 0; i < REGULATORS; i++) {
        lqr_system *L = regulator_system(i);
        double S[REGULATOR_MAX * REGULATOR_MAX] = { 0 };
        for (int k = 0; k < L->m; k++) S[k * (L->m + 1)] = 0.25;
        lqr_exact *x = regulator_exact(i, L, S);
        unit = fmax(unit, lqr_unit_Q(x, one, one));
        lqr_exact_free(x);
        lqr_system_free(L);
    }
    return unit;
}

const derivation lqr_mean_updates[] = {
    { "DDPG-2", "Q of a policy is learned from anybody's data, if a' is the policy's own", "54 weights of q(s, a)",
      n_weights, unit, NULL, NULL, {
        { "Q^\\pi(s,a)=(1,z_iz_j)\\cdot w,\\;z=(s,a)",
          "by Stein's equation; three deterministic policies, then three with noise", exactly },
        { "=\\lim\\,w\\leftarrow E[r+\\gamma q_w(s',a')],\\;a'\\sim\\pi",
          "from places N(0, 1): no one has to act like pi", around },
        { "=\\lim\\,w\\leftarrow E[r+\\gamma q_w(s',a')],\\;a'\\sim\\pi", "from places N(2, 9)", elsewhere },
        { "\\text{off-policy only where }\\pi\\text{ is deterministic}",
          "002 (l.175): else the a' of the time is needed; with that of an old policy it learns the old one's Q",
          stored_action, .relation = DIFFERS, .erratum = "ERR-66" } },
      .own_problem = THREE_REGULATORS },
    { NULL }
};
