/* The natural gradient by conjugate gradients, and why they must stop when F is singular: `ascent derive NPG-7`
 * prints the page that stands below the derivation. 001 (l.550); Hestenes and Stiefel 1952.
 * The stop rule and the projection are in algorithms/cg.c and natural_gradient_cg; here plain conjugate gradients
 * run on without them. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"
#include "derivations/fisher.h"

/* ---- how far from F^+ g ---- */

/* Relative to x = F^+ g: ||y - x||_F / ||x||_F, ||y - x|| / ||x||, and y's part in the null space over ||x|| */
typedef struct { double F, two, null; } error;

static error error_of(const setting *at, const double *y)
{
    int n = at->pi->n;
    double *e = allocate(2 * (size_t)n, sizeof *e, "an error"), *in_range = e + n;
    double norm = linalg_norm2(n, at->x);
    memcpy(in_range, y, (size_t)n * sizeof *y);
    fisher_project(at->spectrum, in_range);
    for (int i = 0; i < n; i++) {
        e[i] = y[i] - at->x[i];
        in_range[i] = y[i] - in_range[i];
    }
    error of = { fisher_norm(n, at->F, e) / at->x_F, linalg_norm2(n, e) / norm,
                 linalg_norm2(n, in_range) / norm };
    free(e);
    return of;
}

/* ---- 1. the spectrum ---- */

/* Eigenvalues nearer than 1e-6 of each other count as one: from i on, how many; in ascending order. */
static int multiplicity(const fisher_spectrum *f, int i)
{
    int k = 1;
    while (i + k < f->n && f->lambda[i + k] <= f->lambda[i] * (1 + 1e-6)) k++;
    return k;
}

static int distinct(const fisher_spectrum *f)
{
    int count = 0;
    for (int i = f->n - f->rank; i < f->n; i += multiplicity(f, i)) count++;
    return count;
}

static void bar(FILE *out, int length)
{
    for (int i = 0; i < length && i < 60; i++) putc('#', out);
    fputs(length > 60 ? "..\n" : "\n", out);
}

static void print_spectrum(const fisher_spectrum *f, FILE *out)
{
    int groups = distinct(f);
    fprintf(out, "1. The spectrum of F: %d parameters, rank %d, %d different nonzero eigenvalues,\n"
            "   condition %.3g on its range. Exact arithmetic would need %d steps.\n\n",
            f->n, f->rank, groups, f->cond, groups);
    fprintf(out, "   %12s %6s\n   %12s %6d  ", "eigenvalue", "times", "0", f->n - f->rank);
    bar(out, f->n - f->rank);
    if (groups <= 12) {
        for (int i = f->n - f->rank, k; i < f->n; i += k) {
            k = multiplicity(f, i);
            fprintf(out, "   %12.4g %6d  ", f->lambda[i], k);
            bar(out, k);
        }
    } else {                                                        /* as a histogram, two bins a decade */
        int low = (int)floor(2 * log10(f->lambda[f->n - f->rank]));
        int high = (int)floor(2 * log10(f->lambda[f->n - 1]));
        for (int bin = low; bin <= high; bin++) {
            int k = 0;
            for (int i = f->n - f->rank; i < f->n; i++) k += (int)floor(2 * log10(f->lambda[i])) == bin;
            fprintf(out, "   from %7.1e %6d  ", pow(10, bin / 2.0), k);
            bar(out, k);
        }
    }
}

/* ---- 2. direct solvers ---- */

static void print_solver(FILE *out, const char *name, double rcond, const setting *at, const double *x)
{
    error e = error_of(at, x);
    fprintf(out, "   %-38s %9.1e %11.1e %11.1e %11.1e\n", name, rcond, e.F, e.two, e.null);
}

/* Cholesky and LU of one account of F */
static void print_factors(const setting *at, const char *account, const double *F, double *x, FILE *out)
{
    char name[80];
    linalg_cholesky *L = linalg_cholesky_new(at->pi->n);
    linalg_cholesky_factor(L, F);
    snprintf(name, sizeof name, "Cholesky, dpotrf, F from %s", account);
    if (L->rcond > 0) {
        linalg_cholesky_solve(L, at->g, x);
        print_solver(out, name, L->rcond, at, x);
    } else fprintf(out, "   %-38s refused: a pivot is not positive\n", name);
    linalg_cholesky_free(L);
    linalg_lu *LU = linalg_lu_new(at->pi->n);
    linalg_lu_factor(LU, F);
    snprintf(name, sizeof name, "LU, dgesv, F from %s", account);
    if (LU->rcond > 0) {
        linalg_lu_solve(LU, false, 1, at->g, x);
        print_solver(out, name, LU->rcond, at, x);
    } else fprintf(out, "   %-38s refused: a pivot is 0\n", name);
    linalg_lu_free(LU);
}

static void print_direct(const setting *at, FILE *out)
{
    size_t n = (size_t)at->pi->n;
    double *F = allocate(n * n + n, sizeof *F, "a Fisher matrix"), *x = F + n * n;
    char name[80];
    fprintf(out, "\n2. F x = g directly (ERR-55: F^{-1} as the documents write it)\n\n"
            "   %-38s %9s %11s %11s %11s\n", "", "1/cond", "F-norm", "2-norm", "null space");
    print_factors(at, "the scores", at->F, x, out);
    fisher_kl(at->pi, F);
    print_factors(at, "the KL", F, x, out);
    fisher_jacobian(at->pi, F);
    print_factors(at, "J_z^T M J_z", F, x, out);
    natural_gradient_lapack(at->spectrum, at->F, at->g, x);
    print_solver(out, "LAPACK under the rank rule", 1 / at->spectrum->cond, at, x);
    cg_result result = natural_gradient_cg(at->pi, at->spectrum, at->g, x);
    snprintf(name, sizeof name, "CG, %d steps, %s; projected", result.iterations, cg_outcome_name(result.outcome));
    print_solver(out, name, 1 / at->spectrum->cond, at, x);
    fputs("   Distances are to x = F^+ g, relative; the last column is the part of x in the null space of\n"
          "   F, which neither F nor the KL to second order can see. Whether a factorisation of a singular F\n"
          "   is refused hangs on its last digits; one that went through proves nothing, 1/cond tells.\n", out);
    free(F);
}

/* ---- 3. the history, and what comes after the end ---- */

/* Conjugate gradients as on the page: no residual recomputed, no end */
typedef struct { int n, iterations; fisher_product *F; double *x, *r, *p, *Fp, rr; } plain_cg;

static plain_cg plain_cg_new(const setting *at)
{
    size_t n = (size_t)at->pi->n;
    plain_cg c = { .n = at->pi->n, .F = fisher_product_new(at->pi) };
    c.x = allocate(4 * n, sizeof *c.x, "conjugate gradients");
    c.r = c.x + n;
    c.p = c.x + 2 * n;
    c.Fp = c.x + 3 * n;
    double scale = linalg_max_abs(c.n, at->g);                      /* the squares of g must not overflow */
    for (int i = 0; i < c.n; i++) c.r[i] = c.p[i] = at->g[i] / scale;
    c.rr = linalg_dot(c.n, c.r, c.r);
    return c;
}

static void plain_cg_free(plain_cg *c)
{
    fisher_product_free(c->F);
    free(c->x);
}

/* NPG-7   alpha = r^T r / p^T F p,  x += alpha p,  r -= alpha F p,  p = r + (r1^T r1 / r^T r) p
 * false, and nothing moved, where p^T F p is not positive */
static bool plain_cg_step(plain_cg *c)
{
    fisher_times(c->F, c->n, c->p, c->Fp);
    double pFp = linalg_dot(c->n, c->p, c->Fp), alpha = c->rr / pFp;
    if (!(pFp > 0)) return false;                   /* so too where r = 0, and with it p */
    for (int i = 0; i < c->n; i++) c->x[i] += alpha * c->p[i];
    for (int i = 0; i < c->n; i++) c->r[i] -= alpha * c->Fp[i];
    double rr1 = linalg_dot(c->n, c->r, c->r), beta = rr1 / c->rr;
    for (int i = 0; i < c->n; i++) c->p[i] = c->r[i] + beta * c->p[i];
    c->rr = rr1;
    c->iterations++;
    return true;
}

/* ||g - F x|| / ||g||, computed anew */
static double true_residual(const plain_cg *c, const setting *at)
{
    double *r = allocate((size_t)c->n, sizeof *r, "a residual"), scale = linalg_max_abs(c->n, at->g);
    fisher_times(c->F, c->n, c->x, r);
    for (int i = 0; i < c->n; i++) r[i] = at->g[i] / scale - r[i];
    double residual = linalg_norm2(c->n, r) * scale / linalg_norm2(c->n, at->g);
    free(r);
    return residual;
}

static error print_step(const plain_cg *c, const setting *at, FILE *out)
{
    double scale = linalg_max_abs(c->n, at->g), *x = allocate((size_t)c->n, sizeof *x, "a solution");
    for (int i = 0; i < c->n; i++) x[i] = c->x[i] * scale;
    error e = error_of(at, x);
    double sqrt_k = sqrt(at->spectrum->cond), bound = 2 * pow((sqrt_k - 1) / (sqrt_k + 1), c->iterations);
    double recursive = sqrt(c->rr) * scale / linalg_norm2(c->n, at->g);
    fprintf(out, "   %6d %12.1e %11.1e %11.1e", c->iterations, recursive, true_residual(c, at), e.F);
    if (bound > 1e-16) fprintf(out, " %11.1e", bound);
    else               fprintf(out, " %11s", "");
    fprintf(out, " %11.1e %11.1e\n", e.two, e.null);
    free(x);
    return e;
}

/* The first steps, those about the end and every power of 2 */
static bool shown(int k, int end) { return k <= 8 || (k >= end - 1 && k <= end + 8) || (k & (k - 1)) == 0; }

static void print_history(const setting *at, FILE *out)
{
    double *x = allocate((size_t)at->pi->n, sizeof *x, "a solution");
    cg_result result = natural_gradient_cg(at->pi, at->spectrum, at->g, x);
    free(x);
    plain_cg c = plain_cg_new(at);
    error e = { 0, 0, 0 };
    fprintf(out, "\n3. Step by step, plain CG: r as the recursion has it and as g - F x, over |g|; errors as in"
            " 2.\n\n   %6s %12s %11s %11s %11s %11s %11s\n", "step", "r recursive", "g - F x", "F-norm",
            "its bound", "2-norm", "null space");
    while (c.iterations < 20 * c.n && plain_cg_step(&c)) {
        if (shown(c.iterations, result.iterations)) e = print_step(&c, at, out);
        if (c.iterations == result.iterations)
            fprintf(out, "   ------ here algorithms/cg.c %s; run on, without stop rule and projection:\n",
                    result.outcome == CG_CONVERGED ? "has converged" : "gives up");
    }
    if (!shown(c.iterations, result.iterations)) e = print_step(&c, at, out);
    fprintf(out, "   %s after %d steps. The bound is 2 ((sqrt k - 1) / (sqrt k + 1))^i, k = %.3g.\n",
            c.iterations < 20 * c.n ? "p^T F p <= 0" : "Broken off", c.iterations, at->spectrum->cond);
    if (at->spectrum->rank == c.n) fputs("   F is regular: there is no null space to drift into.\n", out);
    else fprintf(out, "   At the end the 2-norm error is %.1e, and %.1e of it lies in the null space; the F-norm,\n"
                 "   and with it the residual, hardly see it. Once r is rounding only, p turns into the null space:\n"
                 "   p^T F p sinks, alpha = r^T r / p^T F p grows, and no later step takes out again what x got.\n",
                 e.two, e.null);
    plain_cg_free(&c);
}

/* ---- 4. damping ---- */

typedef struct { fisher_product *F; double lambda; } damped_product;

static void damped_times(void *D_, int n, const double *v, double *Dv)
{
    damped_product *D = D_;
    fisher_times(D->F, n, v, Dv);
    for (int i = 0; i < n; i++) Dv[i] += D->lambda * v[i];
}

/* sqrt(sum_i (lambda/(lambda + lambda_i))^2 (u_i^T x)^2) / ||x||: what damping does to each eigenvector's share */
static double damping_law(const setting *at, double lambda)
{
    const fisher_spectrum *f = at->spectrum;
    double norm = linalg_norm2(f->n, at->x), square = 0;
    for (int i = f->n - f->rank; i < f->n; i++) {
        double share = linalg_dot(f->n, f->Ut + i * f->n, at->x) / norm * (lambda / (lambda + f->lambda[i]));
        square += share * share;
    }
    return sqrt(square);
}

static void print_damping(const setting *at, FILE *out)
{
    const int n = at->pi->n;
    const fisher_spectrum *f = at->spectrum;
    double *work = allocate((size_t)n * (size_t)n + 2 * (size_t)n, sizeof *work, "a damped matrix");
    double *x = work + n * n, *g = x + n, scale = linalg_max_abs(n, at->g), least = f->lambda[n - f->rank];
    fprintf(out, "\n4. Damping, (F + lambda I) x = g: how far from F^+ g\n\n   %8s %11s %11s %15s %11s %9s\n",
            "lambda", "2-norm", "predicted", "lambda/(lambda", "null space", "CG steps");
    fprintf(out, "   %8s %11s %11s %15s\n", "", "", "", "+ least eig.)");
    linalg_cholesky *L = linalg_cholesky_new(n);
    damped_product D = { fisher_product_new(at->pi), 1e-1 };
    for (int i = 0; i < n; i++) g[i] = at->g[i] / scale;
    for (; D.lambda > 1e-15; D.lambda /= D.lambda > 2e-6 ? 10 : 100) {
        memcpy(work, at->F, (size_t)n * (size_t)n * sizeof *work);
        for (int i = 0; i < n; i++) work[i * n + i] += D.lambda;
        cg_result result = cg(damped_times, &D, n, g, 1e-10, 20 * n, x);
        fprintf(out, "   %8.0e", D.lambda);
        linalg_cholesky_factor(L, work);
        if (L->rcond > 0) {
            linalg_cholesky_solve(L, at->g, x);
            error e = error_of(at, x);
            fprintf(out, " %11.2e %11.2e %15.2e %11.1e", e.two, damping_law(at, D.lambda),
                    D.lambda / (D.lambda + least), e.null);
        } else fprintf(out, " %51s", "not positive definite");
        fprintf(out, " %9d\n", result.iterations);
    }
    fisher_product_free(D.F);
    linalg_cholesky_free(L);
    fputs("   Each eigenvector's share of the step shrinks by lambda_i / (lambda_i + lambda); predicted is the\n"
          "   length of what is lost. Too little damping lets in the rounding of g, its part in the null space\n"
          "   over lambda. CG to 1e-10: damping bounds the condition by lambda_max / lambda, and so the steps.\n",
          out);
    free(work);
}

/* ---- 5. cost ---- */

/* Multiplications in F v as J_z^T (M (J_z v)), for all states: three for each logit, and of each layer's k x n
 * weights forwards W v_h and v_W h, backwards W^T u and u h^T; inputs have no derivative. */
static double product_cost(const policy_class *p)
{
    double cost = 3.0 * p->nS * p->nA;
    if (p->kind == POLICY_LINEAR) cost += 2.0 * p->nS * p->d * p->nA;
    for (int l = 1; l <= p->net.layers && p->kind == POLICY_MLP; l++)
        cost += (l == 1 ? 2.0 : 4.0) * p->nS * p->net.size[l - 1] * p->net.size[l];
    return cost;
}

static void print_cost_row(const char *name, const setting *at, FILE *out)
{
    const exact *pi = at->pi;
    double *x = allocate((size_t)pi->n, sizeof *x, "a solution"), n = pi->n;
    fprintf(out, "   %-20s %5d %5d %8d %8.1e", name, pi->n, at->spectrum->rank, distinct(at->spectrum),
            at->spectrum->cond);
    if (!no_natural_gradient(at)) {
        cg_result result = natural_gradient_cg(pi, at->spectrum, at->g, x);
        double product = product_cost(&pi->policy), steps = result.iterations;
        fprintf(out, " %6d %9.1e %9.2g %9.2g %8.0f\n", result.iterations, fisher_distance(pi->n, at->F, at->x, x),
                steps * product, n * n * n / 6, sqrt(6 * steps * product / n));
    } else fprintf(out, " %s\n", no_natural_gradient(at));
    free(x);
}

/* A random policy of the class, which is taken over; no row where its F is too large or it does not end */
static void print_class(const setting *at, const char *name, policy_class *class, FILE *out)
{
    char message[256];
    double *theta = allocate((size_t)class->n, sizeof *theta, "parameters");
    policy_theta_random(class, at->seed, 0, theta);
    exact *pi = class->n > FISHER_MAX_N ? NULL
              : exact_new_policy(at->pi->M, at->pi->gamma, class, theta, message, sizeof message);
    if (pi) {
        setting *y = setting_new(pi, pi, at->seed);
        print_cost_row(name, y, out);
        setting_free(y);
    }
    exact_free(pi);
    free(theta);
    policy_free(class);
}

static void print_cost(const setting *at, FILE *out)
{
    const mdp *M = at->pi->M;
    char name[32];
    fprintf(out, "\n5. Other policies, and what a solution costs, in multiplications\n\n"
            "   %-20s %5s %5s %8s %8s %6s %9s %9s %9s %8s\n", "policy", "n", "rank", "distinct", "cond", "steps",
            "F-norm", "CG", "n^3/6", "n equal");
    print_cost_row("this one", at, out);
    for (int d = 2; d <= 32 && d <= M->nS; d *= 2) {
        snprintf(name, sizeof name, "linear, %d features", d);
        print_class(at, name, policy_linear_random(M, d, at->seed), out);
    }
    for (int hidden = 2; hidden <= 8; hidden *= 2) {
        snprintf(name, sizeof name, "network, %d units", hidden);
        print_class(at, name, policy_mlp(M, 0, NULL, 1, &hidden), out);
    }
    fputs("   CG: steps to 1e-12 times one product F v; n^3/6: one Cholesky factorisation, the least a dense\n"
          "   solver pays, once F is formed. n equal: where both cost the same, with as many steps and products\n"
          "   in proportion to n. The same weights added for every action leave pi as it is: F has rank at\n"
          "   most n - d.\n", out);
}

static void page(const setting *at, FILE *out)
{
    print_spectrum(at->spectrum, out);
    print_direct(at, out);
    print_history(at, out);
    print_damping(at, out);
    print_cost(at, out);
}

/* ---- the derivation: distances are relative, in the F-norm ---- */

static double unit_distance(const setting *x) { return fisher_distance_bound(x->spectrum->cond) / 10; }

static double distance(const setting *x, int n, const double *a, const double *b)
{
    return fisher_distance(n, x->F, a, b);
}

static double by_lapack(const setting *x, double *out)
{
    memcpy(out, x->x, (size_t)x->pi->n * sizeof *out);          /* natural_gradient_lapack(F, g) */
    return 0;
}

/* The rounding dF of the products, relative to F's least eigenvalue: at most 4 nA u d(s) ||J_s||^2 from each state.
 * In a table each block has its own eigenvalues, at least d(s) min_a pi(a|s). */
static double product_rounding(const setting *x)
{
    const exact *pi = x->pi;
    double least_pi = 1, sum = 0;
    for (int i = 0; i < pi->nSA; i++) {
        double d = pi->d[i / pi->nA];
        if (d > 0) least_pi = fmin(least_pi, pi->pi[i]);
        for (int j = 0; j < pi->n && pi->J_z; j++) {
            double J_ij = pi->J_z[(size_t)i * (size_t)pi->n + (size_t)j];
            sum += d * J_ij * J_ij;
        }
    }
    double least = x->spectrum->lambda[pi->n - x->spectrum->rank];
    return 4 * pi->nA * DBL_EPSILON * (pi->J_z ? sum / least : 1 / least_pi);
}

/* ||x - x_cg||_F = ||F^{+1/2} r|| <= ||r|| / sqrt(least eigenvalue): where CG has given up, the residual says
 * how little its answer is worth. */
static double by_cg(const setting *x, double *out)
{
    const fisher_spectrum *f = x->spectrum;
    cg_result result = natural_gradient_cg(x->pi, f, x->g, out);
    double residual = result.residual * linalg_norm2(x->pi->n, x->g);
    return residual / sqrt(f->lambda[f->n - f->rank]) / x->x_F + product_rounding(x);
}

const derivation conjugate_gradient[] = {
    { "NPG-7", "F x = g by conjugate gradients = by LAPACK, in the F-norm", "x[i]",
      count_theta, unit_distance, no_natural_gradient, distance, {
        { "x=F^+g", "LAPACK: eigendecomposition of F from the scores, rank rule 10 n u max|lambda|",
          by_lapack },
        { "Fx=g", "conjugate gradients on Fisher-vector products; F is never formed", by_cg } },
      .page = page },
    { .id = NULL }
};
