/* Acting in a linear-quadratic regulator: see lqr.h. */
#include "envs/lqr.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_randist.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"

const lqr lqr_scalar = { .A = 1, .B = 0.5, .Q = 1, .R = 0.1, .W = 0, .X0 = 1, .gamma = 0.9 };

/* ---- systems ---- */

static double *zeros(int r, int c) { return allocate((size_t)r * (size_t)c, sizeof(double), "a regulator"); }

lqr_system *lqr_system_new(int n, int m)
{
    require(1 <= n && n <= LQR_MAX && 1 <= m && m <= LQR_MAX, "lqr_system_new: %d states, %d actions", n, m);
    lqr_system *L = allocate(1, sizeof *L, "a regulator");
    *L = (lqr_system){ .n = n, .m = m, .A = zeros(n, n), .B = zeros(n, m), .Q = zeros(n, n), .R = zeros(m, m),
                       .W = zeros(n, n), .Sigma0 = zeros(n, n), .mean = zeros(n, 1) };
    return L;
}

void lqr_system_free(lqr_system *L)
{
    if (!L) return;
    double *const owned[] = { L->A, L->B, L->Q, L->R, L->W, L->Sigma0, L->mean };
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
    free(L);
}

lqr_system *lqr_system_of(const lqr *l)
{
    lqr_system *L = lqr_system_new(1, 1);
    *L->A = l->A, *L->B = l->B, *L->Q = l->Q, *L->R = l->R, *L->W = l->W, *L->Sigma0 = l->X0, L->gamma = l->gamma;
    return L;
}

bool lqr_root(int n, const double *S, double *F)
{
    double w[LQR_MAX], *Ut = zeros(n, n);
    linalg_eigen_symmetric(n, S, w, Ut);
    double least = -4 * n * DBL_EPSILON * linalg_max_abs(n, w);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) F[i * n + j] = Ut[j * n + i] * sqrt(fmax(w[j], 0));
    free(Ut);
    return w[0] >= least;
}

/* ---- the environment ---- */

struct regulator {
    lqr_system *L;
    double *root_W, *root_Sigma0;       /* [n x n] */
    bool noisy;
    double *low, *high;                 /* [max(n, m)] -inf, inf */
};

static void regulator_free(void *model)
{
    struct regulator *g = model;
    lqr_system_free(g->L);
    free(g->root_W);
    free(g->root_Sigma0);
    free(g->low);
    free(g->high);
    free(g);
}

static void observe(env *e) { memcpy(e->obs, e->state, (size_t)e->state_n * sizeof *e->obs); }

/* x += F z, z ~ N(0, 1) */
static void add_noise(env *e, const double *F, double *x)
{
    int n = e->state_n;
    double z[LQR_MAX];
    for (int i = 0; i < n; i++) z[i] = gsl_ran_gaussian_ziggurat(e->rng, 1);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) x[i] += F[i * n + j] * z[j];
}

static void reset(env *e)
{
    const struct regulator *g = e->model;
    memcpy(e->state, g->L->mean, (size_t)e->state_n * sizeof *e->state);
    add_noise(e, g->root_Sigma0, e->state);
    observe(e);
}

static double quadratic(int n, const double *S, const double *x)        /* x^T S x */
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) sum += S[i * n + j] * x[i] * x[j];
    return sum;
}

static bool step(env *e, const double *u, double *reward)
{
    const struct regulator *g = e->model;
    const lqr_system *L = g->L;
    const double *x = e->state;
    double x1[LQR_MAX] = { 0 };
    *reward = -(quadratic(L->n, L->Q, x) + quadratic(L->m, L->R, u));
    for (int i = 0; i < L->n; i++) {
        for (int j = 0; j < L->n; j++) x1[i] += L->A[i * L->n + j] * x[j];
        for (int j = 0; j < L->m; j++) x1[i] += L->B[i * L->m + j] * u[j];
    }
    if (g->noisy) add_noise(e, g->root_W, x1);
    memcpy(e->state, x1, (size_t)L->n * sizeof *x1);
    observe(e);
    return false;
}

env *lqr_system_env_new(const char *id, lqr_system *L)
{
    static const char *const state_name[] = { "x" };
    static const struct env_kind kind = { reset, step, observe, regulator_free, NULL },
                                 scalar = { reset, step, observe, regulator_free, state_name };
    int n = L->n, m = L->m;
    struct regulator *g = allocate(1, sizeof *g, "an environment");
    *g = (struct regulator){ .L = L, .root_W = zeros(n, n), .root_Sigma0 = zeros(n, n), .low = zeros(n + m, 1),
                             .high = zeros(n + m, 1), .noisy = linalg_max_abs(n * n, L->W) > 0 };
    bool covariances = lqr_root(n, L->W, g->root_W) && lqr_root(n, L->Sigma0, g->root_Sigma0);
    require(covariances, "%s: W or Sigma0 is not positive semidefinite", id);
    for (int i = 0; i < n + m; i++) g->low[i] = -INFINITY, g->high[i] = INFINITY;
    env *e = env_new(id, n == 1 ? &scalar : &kind, g, n, (env_space){ .dim = m, .low = g->low, .high = g->high },
                     (env_space){ .dim = n, .low = g->low, .high = g->high });
    e->gamma = L->gamma;
    return e;
}

env *lqr_env_open(const char *path, char *error, size_t size)
{
    lqr_system *L = lqr_system_read(path, error, size);
    return L ? lqr_system_env_new(path, L) : NULL;
}

env *lqr_env_new(const char *id, const lqr *L)
{
    require(L->Q >= 0 && L->R >= 0 && L->W >= 0 && L->X0 >= 0, "%s: Q %g, R %g, W %g, X0 %g", id, L->Q, L->R,
            L->W, L->X0);
    return lqr_system_env_new(id, lqr_system_of(L));
}

env *lqr_scalar_new(const char *id) { return lqr_env_new(id, &lqr_scalar); }
