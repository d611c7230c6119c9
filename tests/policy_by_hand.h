/* Policies, networks and optimisers in plain loops of complex long double, for tests of the training code: they share
 * nothing with it but the layout of theta, which network.h and policy.h state. Derivatives are complex steps,
 * Im f(theta + ih) / h, which lose no digits. */
#ifndef ASCENT_TESTS_POLICY_BY_HAND_H
#define ASCENT_TESTS_POLICY_BY_HAND_H

#include <complex.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/policy.h"
#include "algorithms/rollout.h"

typedef long double complex number;
enum { HAND_WIDEST = 64 };

/* out [size of the last layer] */
static void hand_network_of(const network *f, const number *theta, const number *x, number *out)
{
    number h[HAND_WIDEST], y[HAND_WIDEST];
    const number *W = theta;
    for (int i = 0; i < f->size[0]; i++) h[i] = x[i];
    for (int l = 1; l <= f->layers; l++) {
        int k = f->size[l - 1], n = f->size[l];
        const number *b = W + k * n;
        for (int j = 0; j < n; j++) {
            y[j] = b[j];
            for (int i = 0; i < k; i++) y[j] += h[i] * W[i * n + j];
            if (l < f->layers && f->hidden == AD_TANH) y[j] = ctanhl(y[j]);
            if (l < f->layers && f->hidden == AD_RELU && creall(y[j]) <= 0) y[j] = 0;
        }
        memcpy(h, y, (size_t)n * sizeof *h);
        W = b + n;
    }
    memcpy(out, h, (size_t)f->size[f->layers] * sizeof *out);
}

static inline void hand_network(const network *f, const number *theta, const double *x, number *out)
{
    number h[HAND_WIDEST] = { 0 };
    for (int i = 0; i < f->size[0]; i++) h[i] = x[i];
    hand_network_of(f, theta, h, out);
}

static number hand_logp(const policy *p, const number *theta, const double *s, const double *a)
{
    number f[HAND_WIDEST], sum = 0;
    hand_network(&p->f, theta, s, f);
    if (p->nA) {
        for (int b = 0; b < p->nA; b++) sum += cexpl(f[b]);
        return f[(int)a[0]] - clogl(sum);
    }
    for (int j = 0; j < p->k; j++) {
        number log_sd = theta[p->n - p->k + j], z = (a[j] - f[j]) / cexpl(log_sd);
        sum -= z * z / 2 + log_sd + logl(2 * acosl(-1)) / 2;
    }
    return sum;
}

/* g [n]: the gradient of f at theta [n] */
typedef number (*hand_function)(const void *context, const number *theta);
static inline void hand_gradient(int n, const long double *theta, hand_function f, const void *context,
                                 long double *g)
{
    const long double h = 1e-1000L;
    number *moved = malloc((size_t)n * sizeof *moved);
    for (int i = 0; i < n; i++) moved[i] = theta[i];
    for (int i = 0; i < n; i++) {
        moved[i] = theta[i] + h * I;
        g[i] = cimagl(f(context, moved)) / h;
        moved[i] = theta[i];
    }
    free(moved);
}

/* sum_t w_t log pi(a_t|s_t) */
struct hand_objective { const policy *p; const rollout *b; const long double *w; };
static inline number hand_objective(const void *context, const number *theta)
{
    const struct hand_objective *c = context;
    number sum = 0;
    for (int t = 0; t < c->b->T; t++)
        sum += c->w[t] * hand_logp(c->p, theta, c->b->s + t * c->b->d, c->b->a + t * c->b->k);
    return sum;
}

/* G_t = sum_{k >= t} gamma^{k-t} r_k, term by term */
static inline long double hand_G(int T, const double *r, double gamma, int t)
{
    long double G = 0;
    for (int k = t; k < T; k++) G += powl(gamma, k - t) * r[k];
    return G;
}

/* Kingma and Ba's Algorithm 1 */
struct hand_adam { long double m[4096], v[4096]; int t; };
static inline void hand_adam_ascend(struct hand_adam *o, int n, double lr, long double *theta, const long double *g)
{
    o->t++;
    for (int i = 0; i < n; i++) {
        o->m[i] = (long double)0.9 * o->m[i] + (1 - (long double)0.9) * g[i];
        o->v[i] = (long double)0.999 * o->v[i] + (1 - (long double)0.999) * g[i] * g[i];
        long double m = o->m[i] / (1 - powl(0.9, o->t)), v = o->v[i] / (1 - powl(0.999, o->t));
        theta[i] += lr * m / (sqrtl(v) + 1e-8);
    }
}

#endif
