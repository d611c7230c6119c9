/* Values and gradients of a linear policy by Stein's equation, the optimum by Riccati's: see lqr_exact.h. */
#include "derivations/lqr_exact.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"

static double *zeros(int r, int c)
{
    return allocate((size_t)r * (size_t)c, sizeof(double), "a regulator's table");
}

/* ---- small matrices ---- */

static double norm(int n, const double *X) { return linalg_norm2(n, X); }       /* Frobenius, n entries */

static void add(int n, double a, const double *X, double *Y)                    /* Y += a X */
{
    for (int i = 0; i < n; i++) Y[i] += a * X[i];
}

/* Y [c x c] += a G^T X G, G [r x c] */
static void add_congruent(double a, int r, int c, const double *G, const double *X, double *Y)
{
    double *XG = zeros(r, c), *GXG = zeros(c, c);
    linalg_matmul(false, false, r, c, r, X, G, XG);
    linalg_matmul(true, false, c, c, r, G, XG, GXG);
    add(c * c, a, GXG, Y);
    free(XG);
    free(GXG);
}

static void transpose(int r, int c, const double *X, double *Xt)
{
    for (int i = 0; i < r; i++)
        for (int j = 0; j < c; j++) Xt[j * r + i] = X[i * c + j];
}

/* a^T X b */
static double bilinear(int r, int c, const double *a, const double *X, const double *b)
{
    double sum = 0;
    for (int i = 0; i < r; i++) sum += a[i] * linalg_dot(c, X + i * c, b);
    return sum;
}

static double trace_of_product(int n, const double *X, const double *Y)         /* tr(X Y), Y symmetric */
{
    return linalg_dot(n * n, X, Y);
}

/* ---- a gain ---- */

/* X = M + gamma G^T X G; its condition |sum_t gamma^t G^tT G^t|, infinite where the equation is singular */
static double solve_stein(int n, const linalg_schur *schur, const double *M, double *X)
{
    double *one = zeros(n, n), *sum = zeros(n, n);
    for (int i = 0; i < n; i++) one[i * n + i] = 1;
    bool ok = linalg_stein(schur, M, X) == LINALG_OK && linalg_stein(schur, one, sum) == LINALG_OK;
    double condition = ok ? norm(n * n, sum) : INFINITY;
    free(one);
    free(sum);
    return condition;
}

static double greatest_dimension(const lqr_exact *x) { return fmax(4, fmax(x->n, x->m)); }

/* f = sqrt(gamma) (|A| + |B| |K|), a bound of sqrt(gamma) |F| that also counts the rounding of F */
static double gain_norm(const lqr_exact *x)
{
    const lqr_system *L = x->L;
    return sqrt(L->gamma) * (norm(x->n * x->n, L->A) + norm(x->n * x->m, L->B) * norm(x->m * x->n, x->K));
}

static double stein_unit(const lqr_exact *x, double condition, double source, const double *solution)
{
    double f = gain_norm(x);
    return DBL_EPSILON * greatest_dimension(x) * condition * (source + (1 + f * f) * norm(x->n * x->n, solution));
}

/* P = Q + K^T R K + gamma F^T P F */
static void solve_P(lqr_exact *x, const linalg_schur *schur)
{
    const lqr_system *L = x->L;
    int n = x->n, m = x->m;
    double *M = zeros(n, n);
    add(n * n, 1, L->Q, M);
    add_congruent(1, m, n, x->K, L->R, M);
    double condition = solve_stein(n, schur, M, x->P), k = norm(m * n, x->K);
    x->unit_P = stein_unit(x, condition, norm(n * n, L->Q) + k * k * norm(m * m, L->R), x->P);
    free(M);
}

/* M0, and X = M0 + gamma F X F^T */
static void solve_X(lqr_exact *x, const linalg_schur *transposed)
{
    const lqr_system *L = x->L;
    int n = x->n, m = x->m;
    double *Bt = zeros(m, n), *noise = zeros(n, n), later = L->gamma < 1 ? L->gamma / (1 - L->gamma) : 0;
    transpose(n, m, L->B, Bt);
    add(n * n, 1, L->W, noise);
    add_congruent(1, m, n, Bt, x->S, noise);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            x->M0[i * n + j] = L->Sigma0[i * n + j] + L->mean[i] * L->mean[j] + later * noise[i * n + j];
    double condition = solve_stein(n, transposed, x->M0, x->X);
    x->unit_X = stein_unit(x, condition, norm(n * n, x->M0), x->X);
    free(Bt);
    free(noise);
}

void lqr_curvature(const lqr_exact *x, double *H)
{
    memcpy(H, x->L->R, (size_t)(x->m * x->m) * sizeof *H);
    add_congruent(x->L->gamma, x->n, x->m, x->L->B, x->P, H);
}

static void gamma_BtPA(const lqr_exact *x, double *out)                         /* [m x n] */
{
    int n = x->n, m = x->m;
    double *PA = zeros(n, n);
    linalg_matmul(false, false, n, n, n, x->P, x->L->A, PA);
    linalg_matmul(true, false, m, n, n, x->L->B, PA, out);
    for (int i = 0; i < m * n; i++) out[i] *= x->L->gamma;
    free(PA);
}

/*[snip lqr-gradient later]*/
/* J = E[V(x_0)], and dJ/dK = -2 E X, E = (R + gamma B^T P B) K - gamma B^T P A */
static void solve_gradient(lqr_exact *x)
{
    const lqr_system *L = x->L;
    int n = x->n, m = x->m;
    double *H = zeros(m, m), *BtPA = zeros(m, n), later = L->gamma < 1 ? 1 / (1 - L->gamma) : 0;
    lqr_curvature(x, H);
    gamma_BtPA(x, BtPA);
    linalg_matmul(false, false, m, n, m, H, x->K, x->E);
    add(m * n, -1, BtPA, x->E);
    linalg_matmul(false, false, m, n, n, x->E, x->X, x->gradient);
    for (int i = 0; i < m * n; i++) x->gradient[i] *= -2;
    x->v0 = later * (trace_of_product(m, x->S, H) + L->gamma * trace_of_product(n, x->P, L->W));
    x->J = -(trace_of_product(n, x->P, L->Sigma0) + bilinear(n, n, L->mean, x->P, L->mean) + x->v0);
    free(H);
    free(BtPA);
}
/*[/snip]*/

static void set_units(lqr_exact *x)
{
    const lqr_system *L = x->L;
    int n = x->n, m = x->m;
    double uN = DBL_EPSILON * greatest_dimension(x), g = L->gamma, b = norm(n * m, L->B), k = norm(m * n, x->K);
    double a = norm(n * n, L->A) + b * k, P = norm(n * n, x->P), X = norm(n * n, x->X), R = norm(m * m, L->R);
    double later = g < 1 ? 1 / (1 - g) : 0;
    x->unit_E = g * b * a * x->unit_P + uN * (R * k + g * b * a * P);
    x->unit_gradient = 2 * (x->unit_E * X + norm(m * n, x->E) * x->unit_X);
    double source = norm(n * n, x->M0), cost = norm(n * n, L->Q) + k * k * R;
    x->unit_J = fmax((x->unit_P + uN * P) * source, (x->unit_X + uN * X) * cost) +
                uN * later * R * norm(m * m, x->S);
}

static double *copy_of(int n, const double *X)
{
    double *copy = zeros(n, 1);
    memcpy(copy, X, (size_t)n * sizeof *copy);
    return copy;
}

static lqr_exact *refused(lqr_exact *x, char *error, size_t size, const char *why)
{
    snprintf(error, size, "%s: the spectral radius of sqrt(gamma) (A - B K) is %.17g", why, x->radius);
    lqr_exact_free(x);
    return NULL;
}

lqr_exact *lqr_exact_new(const lqr_system *L, const double *K, const double *S, char *error, size_t size)
{
    int n = L->n, m = L->m;
    require(!S || L->gamma < 1, "noise in the actions at gamma = %g", L->gamma);
    lqr_exact *x = allocate(1, sizeof *x, "a regulator's table");
    *x = (lqr_exact){ .L = L, .n = n, .m = m, .K = copy_of(m * n, K), .S = S ? copy_of(m * m, S) : zeros(m, m),
                      .F = copy_of(n * n, L->A), .P = zeros(n, n), .M0 = zeros(n, n), .X = zeros(n, n),
                      .E = zeros(m, n), .gradient = zeros(m, n) };
    double *G = zeros(n, n), *Gt = zeros(n, n);                 /* sqrt(gamma) F, F = A - B K */
    linalg_matmul(false, false, n, n, m, L->B, K, G);
    add(n * n, -1, G, x->F);
    for (int i = 0; i < n * n; i++) G[i] = sqrt(L->gamma) * x->F[i];
    transpose(n, n, G, Gt);
    if (!isfinite(linalg_max_abs(n * n, G))) numerical_failure("A - B K overflows");
    linalg_schur *schur = linalg_schur_new(n, G), *transposed = linalg_schur_new(n, Gt);
    x->radius = linalg_spectral_radius(schur);
    bool stable = x->radius < 1;
    if (stable) {
        solve_P(x, schur);
        solve_X(x, transposed);
    }
    linalg_schur_free(schur);
    linalg_schur_free(transposed);
    free(G);
    free(Gt);
    if (!stable) return refused(x, error, size, "expected a stable gain, below 1");
    if (!isfinite(linalg_max_abs(n * n, x->P)) || !isfinite(linalg_max_abs(n * n, x->X)))
        numerical_failure("P or sum_t gamma^t E[x_t x_t^T] overflows");
    if (isinf(x->unit_P) || isinf(x->unit_X))
        return refused(x, error, size, "the gain is too close to instability");
    solve_gradient(x);
    set_units(x);
    if (!isfinite(x->J) || !isfinite(linalg_max_abs(m * n, x->gradient))) numerical_failure("J or dJ/dK overflows");
    return x;
}

void lqr_exact_free(lqr_exact *x)
{
    if (!x) return;
    double *const owned[] = { x->K, x->S, x->F, x->P, x->M0, x->X, x->E, x->gradient };
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
    free(x);
}

/* ---- values ---- */

double lqr_V(const lqr_exact *x, const double *s)
{
    return -(bilinear(x->n, x->n, s, x->P, s) + x->v0);
}

static void next_mean(const lqr_exact *x, const double *s, const double *a, double *s1)     /* A s + B a */
{
    double Ba[LQR_MAX];
    linalg_matvec(x->n, x->n, x->L->A, s, s1);
    linalg_matvec(x->n, x->m, x->L->B, a, Ba);
    add(x->n, 1, Ba, s1);
}

double lqr_Q(const lqr_exact *x, const double *s, const double *a)
{
    const lqr_system *L = x->L;
    double s1[LQR_MAX], r = -(bilinear(x->n, x->n, s, L->Q, s) + bilinear(x->m, x->m, a, L->R, a));
    next_mean(x, s, a, s1);
    return r + L->gamma * (lqr_V(x, s1) - trace_of_product(x->n, x->P, L->W));
}

void lqr_grad_a_Q(const lqr_exact *x, const double *s, const double *a, double *g)  /* -2 R a - 2 gamma B^T P s1 */
{
    double s1[LQR_MAX], Ps1[LQR_MAX], Ra[LQR_MAX];
    next_mean(x, s, a, s1);
    linalg_matvec(x->n, x->n, x->P, s1, Ps1);
    linalg_matmul(true, false, x->m, 1, x->n, x->L->B, Ps1, g);
    linalg_matvec(x->m, x->m, x->L->R, a, Ra);
    for (int i = 0; i < x->m; i++) g[i] = -2 * (Ra[i] + x->L->gamma * g[i]);
}

void lqr_mu(const lqr_exact *x, const double *s, double *a)
{
    linalg_matvec(x->m, x->n, x->K, s, a);
    for (int i = 0; i < x->m; i++) a[i] = -a[i];
}

double lqr_unit_Q(const lqr_exact *x, const double *s, const double *a)
{
    const lqr_system *L = x->L;
    int n = x->n, m = x->m;
    double uN = DBL_EPSILON * greatest_dimension(x), g = L->gamma, P = norm(n * n, x->P);
    double noise = norm(n * n, L->W) + pow(norm(n * m, L->B), 2) * norm(m * m, x->S);
    double ns = norm(n, s), na = norm(m, a), s1 = norm(n * n, L->A) * ns + norm(n * m, L->B) * na;
    double reward = norm(n * n, L->Q) * ns * ns + norm(m * m, L->R) * na * na;
    return uN * (reward + g * s1 * s1 * P + x->v0) + (g * s1 * s1 + ns * ns) * x->unit_P +
           (g < 1 ? g / (1 - g) : 0) * noise * x->unit_P;
}

/* ---- the best gain ---- */

/* K1 = H^{-1} gamma B^T P A; false where H is singular to working precision */
static bool greedy(const lqr_exact *x, double *K1)
{
    int n = x->n, m = x->m;
    double *H = zeros(m, m), *BtPA = zeros(m, n);
    lqr_curvature(x, H);
    gamma_BtPA(x, BtPA);
    linalg_lu *lu = linalg_lu_new(m);
    bool ok = linalg_max_abs(m * m, H) < INFINITY && linalg_lu_factor(lu, H) == LINALG_OK;
    if (ok) linalg_lu_solve(lu, false, n, BtPA, K1);
    linalg_lu_free(lu);
    free(H);
    free(BtPA);
    return ok;
}

void lqr_greedy_gain(const lqr_exact *x, double *K1)
{
    if (!greedy(x, K1)) numerical_failure("R + gamma B^T P B is singular");
}

/* G [n x n] = gamma B R^{-1} B^T */
static void control_matrix(const lqr_system *L, double *G)
{
    int n = L->n, m = L->m;
    double *Bt = zeros(m, n), *RBt = zeros(m, n);
    linalg_lu *lu = linalg_lu_new(m);
    if (linalg_lu_factor(lu, L->R) == LINALG_SINGULAR)
        numerical_failure("R is singular: reciprocal condition %g", lu->rcond);
    transpose(n, m, L->B, Bt);
    linalg_lu_solve(lu, false, n, Bt, RBt);
    linalg_matmul(false, false, n, n, m, L->B, RBt, G);
    for (int i = 0; i < n * n; i++) G[i] *= L->gamma;
    linalg_lu_free(lu);
    free(Bt);
    free(RBt);
}

/*[snip riccati-doubling later]*/
/* H <- H + A^T H (I + G H)^{-1} A,  G <- G + A (I + G H)^{-1} G A^T,  A <- A (I + G H)^{-1} A: after k times H is
 * the value of 2^k steps, P the limit. Chu, Fan, Lin, Wang (2004). false when it has none. */
static bool double_horizon(int n, double *A, double *G, double *H, double *change)
{
    double *I_GH = zeros(n, n), *WA = zeros(n, n), *WG = zeros(n, n), *AWA = zeros(n, n), *At = zeros(n, n);
    double *AWG = zeros(n, n);
    linalg_lu *lu = linalg_lu_new(n);
    linalg_matmul(false, false, n, n, n, G, H, I_GH);
    for (int i = 0; i < n; i++) I_GH[i * n + i] += 1;
    double greatest = fmax(linalg_max_abs(n * n, A), fmax(linalg_max_abs(n * n, G), linalg_max_abs(n * n, I_GH)));
    bool ok = greatest < 1e150 && linalg_lu_factor(lu, I_GH) == LINALG_OK;
    if (ok) {
        linalg_lu_solve(lu, false, n, A, WA);
        linalg_lu_solve(lu, false, n, G, WG);
        transpose(n, n, A, At);
        linalg_matmul(false, false, n, n, n, H, WA, I_GH);
        linalg_matmul(false, false, n, n, n, At, I_GH, AWA);                    /* A^T H (I + G H)^{-1} A */
        *change = norm(n * n, AWA);
        ok = *change < 1e150;                                                   /* and no NaN */
        add(n * n, 1, AWA, H);
        linalg_matmul(false, false, n, n, n, A, WG, AWG);
        linalg_matmul_add(false, false, n, n, n, AWG, At, G);
        linalg_matmul(false, false, n, n, n, A, WA, AWA);
        memcpy(A, AWA, (size_t)(n * n) * sizeof *A);
    }
    double *const owned[] = { I_GH, WA, WG, AWA, At, AWG };
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
    linalg_lu_free(lu);
    return ok;
}
/*[/snip]*/

/* P [n x n] by doubling, nearly; false when it grows without end */
static bool riccati(const lqr_system *L, double *P)
{
    enum { DOUBLINGS = 60 };
    int n = L->n;
    double *A = zeros(n, n), *G = zeros(n, n), change = INFINITY;
    add(n * n, sqrt(L->gamma), L->A, A);
    control_matrix(L, G);
    memcpy(P, L->Q, (size_t)(n * n) * sizeof *P);
    bool ok = true;
    for (int k = 0; ok && k < DOUBLINGS && change > DBL_EPSILON * norm(n * n, P); k++)
        ok = double_horizon(n, A, G, P, &change);
    ok = ok && change <= DBL_EPSILON * norm(n * n, P);
    free(A);
    free(G);
    return ok;
}

lqr_exact *lqr_optimum(const lqr_system *L, char *error, size_t size)
{
    enum { POLISH = 2 };                                /* Newton's steps: each squares the error of doubling */
    int n = L->n, m = L->m;
    char why[256] = "";
    double *K = zeros(m, n);
    lqr_exact guess = { .L = L, .n = n, .m = m, .P = zeros(n, n) }, *x = NULL;
    bool ends = riccati(L, guess.P), regular = ends && greedy(&guess, K);
    if (regular) x = lqr_exact_new(L, K, NULL, why, sizeof why);
    for (int i = 0; x && (regular = greedy(x, K)) && i < POLISH; i++) {
        lqr_exact_free(x);
        x = lqr_exact_new(L, K, NULL, why, sizeof why);
    }
    if (!ends)         snprintf(error, size, "no gain is stable, or doubles do not show it: a small margin, a small"
                                             " R, or growth that costs nothing");
    else if (!regular) snprintf(error, size, "R + gamma B^T P B is singular to working precision");
    else if (!x)       snprintf(error, size, "the cheapest gain lets grow what costs nothing: %s", why);
    if (x && !regular) lqr_exact_free(x), x = NULL;
    free(guess.P);
    free(K);
    return x;
}

double lqr_riccati_residual(const lqr_exact *x)
{
    int n = x->n, m = x->m;
    double *K1 = zeros(m, n), *BtPA = zeros(m, n), *residual = copy_of(n * n, x->P);
    lqr_greedy_gain(x, K1);
    gamma_BtPA(x, BtPA);
    add(n * n, -1, x->L->Q, residual);
    add_congruent(-x->L->gamma, n, n, x->L->A, x->P, residual);
    double *AtPBK = zeros(n, n);
    linalg_matmul(true, false, n, n, m, BtPA, K1, AtPBK);
    add(n * n, 1, AtPBK, residual);
    double r = norm(n * n, residual);
    free(K1);
    free(BtPA);
    free(residual);
    free(AtPBK);
    return r;
}
