/* Running mean and variance: see normaliser.h. */
#include "envs/normaliser.h"

#include <math.h>
#include <stdlib.h>

#include "autodiff/require.h"

static const double TINY = 1e-8, MOST = 10;

normaliser *normaliser_new(int dim)
{
    require(dim > 0, "a normaliser of %d components", dim);
    normaliser *f = allocate(1, sizeof *f, "a normaliser");
    f->dim = dim;
    f->state = allocate(1 + 2 * (size_t)dim, sizeof *f->state, "a normaliser");
    return f;
}

void normaliser_free(normaliser *f)
{
    if (!f) return;
    free(f->state);
    free(f);
}

void normaliser_update(normaliser *f, int n, const double *x)
{
    if (f->frozen) return;
    double *count = f->state, *mean = f->state + 1, *S = mean + f->dim;
    for (int row = 0; row < n; row++, x += f->dim) {
        ++*count;
        for (int i = 0; i < f->dim; i++) {
            double off = x[i] - mean[i];
            mean[i] += off / *count;
            S[i] += off * (x[i] - mean[i]);
        }
    }
}

void normaliser_merge(normaliser *f, const normaliser *other)
{
    require(f->dim == other->dim, "normalisers of %d and %d components", f->dim, other->dim);
    double *mean = f->state + 1, *S = mean + f->dim;
    const double *other_mean = other->state + 1, *other_S = other_mean + f->dim;
    double n = f->state[0], m = other->state[0];
    if (f->frozen || m == 0) return;
    for (int i = 0; i < f->dim; i++) {
        double off = other_mean[i] - mean[i];
        mean[i] += off * (m / (n + m));
        S[i] += other_S[i] + off * off * (n * m / (n + m));
    }
    f->state[0] = n + m;
}

double normaliser_mean(const normaliser *f, int i) { return f->state[1 + i]; }

double normaliser_var(const normaliser *f, int i)
{
    return f->state[0] > 0 ? f->state[1 + f->dim + i] / f->state[0] : 1;
}

static double clip(double y) { return y < -MOST ? -MOST : y > MOST ? MOST : y; }       /* a NaN stays one */

void normaliser_apply(const normaliser *f, int n, const double *x, double *y)
{
    for (int i = 0; i < f->dim; i++) {
        double mean = normaliser_mean(f, i), scale = f->state[0] > 0 ? sqrt(normaliser_var(f, i) + TINY) : 1;
        for (int k = i; k < n * f->dim; k += f->dim) y[k] = clip((x[k] - mean) / scale);
    }
}
