/* The formulas of optimiser.h, one loop each. */
#include "autodiff/optimiser.h"

#include <math.h>
#include <stdatomic.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"

void sgd_ascend(int n, double lr, double *restrict theta, const double *restrict g)
{
    for (int i = 0; i < n; i++) theta[i] += lr * g[i];
}

static double one_minus_power(double beta, long t)          /* 1 - beta^t, without cancellation */
{
    return -expm1((double)t * log(beta));
}

adam adam_of(size_t n, double lr, double *m)
{
    return (adam){ (int)n, .lr = lr, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .m = m, .v = m + n };
}

void adam_ascend(adam *o, double *restrict theta, const double *restrict g)
{
    o->t++;
    const double lr = o->lr, beta1 = o->beta1, beta2 = o->beta2, eps = o->eps;
    const double m_scale = 1 / one_minus_power(beta1, o->t), v_scale = 1 / one_minus_power(beta2, o->t);
    double *restrict m = o->m, *restrict v = o->v;
    for (int i = 0, n = o->n; i < n; i++) {
        m[i] = beta1 * m[i] + (1 - beta1) * g[i];
        v[i] = beta2 * v[i] + (1 - beta2) * (g[i] * g[i]);
        theta[i] += lr * (m_scale * m[i]) / (sqrt(v_scale * v[i]) + eps);
    }
}

void rmsprop_ascend(const rmsprop *o, double *restrict theta, const double *restrict g)
{
    const double lr = o->lr, alpha = o->alpha, eps = o->eps;
    double *restrict v = o->v;
    for (int i = 0, n = o->n; i < n; i++) {
        v[i] = alpha * v[i] + (1 - alpha) * (g[i] * g[i]);
        theta[i] += lr * g[i] / sqrt(v[i] + eps);
    }
}

void rmsprop_outside_ascend(const rmsprop *o, double *restrict theta, const double *restrict g)
{
    const double lr = o->lr, alpha = o->alpha, eps = o->eps;
    double *restrict v = o->v;
    for (int i = 0, n = o->n; i < n; i++) {
        v[i] = alpha * v[i] + (1 - alpha) * (g[i] * g[i]);
        theta[i] += lr * g[i] / (sqrt(v[i]) + eps);
    }
}

static void load(int n, _Atomic double *from, double *to)
{
    for (int i = 0; i < n; i++) to[i] = atomic_load_explicit(&from[i], memory_order_relaxed);
}

static void store(int n, const double *from, _Atomic double *to)
{
    for (int i = 0; i < n; i++) atomic_store_explicit(&to[i], from[i], memory_order_relaxed);
}

/* In short pieces: read, step, write, so that little of what others write meanwhile is lost */
void rmsprop_shared_ascend(const rmsprop_shared *o, _Atomic double *theta, const double *g)
{
    enum { PIECE = 64 };
    double theta_own[PIECE], v_own[PIECE];
    for (int i = 0; i < o->n; i += PIECE) {
        int n = o->n - i < PIECE ? o->n - i : PIECE;
        const rmsprop piece = { n, o->lr, o->alpha, o->eps, v_own };
        load(n, theta + i, theta_own);
        load(n, o->v + i, v_own);
        rmsprop_ascend(&piece, theta_own, g + i);
        store(n, v_own, o->v + i);
        store(n, theta_own, theta + i);
    }
}

void sgd_shared_ascend(int n, double lr, _Atomic double *theta, const double *g)
{
    for (int i = 0; i < n; i++) {
        double x;
        load(1, theta + i, &x);
        sgd_ascend(1, lr, &x, g + i);
        store(1, &x, theta + i);
    }
}

double clip_global_norm(int n, double *g, double max_norm)
{
    require(max_norm > 0, "clip_global_norm: max_norm = %g, expected > 0", max_norm);
    double norm = sqrt(linalg_dot(n, g, g));
    if (!(norm > 1e-140 && norm < 1e140)) norm = linalg_norm2(n, g);        /* squares out of range */
    if (!isfinite(norm)) numerical_failure("clip_global_norm: the norm of the gradient is %g", norm);
    for (int i = 0; i < n && norm > max_norm; i++)
        g[i] = g[i] / norm * max_norm;                          /* max_norm / norm may be denormal */
    return norm;
}
