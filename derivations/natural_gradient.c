/* The natural gradient: the steepest direction when steps are measured by the KL; in closed form for the tabular
 * softmax, where it is the advantage. 001 (l.418-490), 004 (l.229); Kakade 2002. */
#include "derivations/natural_gradient.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_integration.h>
#include <gsl/gsl_math.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_sf_log.h>

#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"
#include "derivations/fisher.h"
#include "derivations/policy_gradient_theorem.h"

fisher_spectrum *fisher_spectrum_new(int n, const double *F)
{
    fisher_spectrum *f = allocate(1, sizeof *f, "a spectrum");
    f->n = n;
    f->lambda = allocate((size_t)n, sizeof *f->lambda, "a spectrum");
    f->Ut = allocate((size_t)n * (size_t)n, sizeof *f->Ut, "eigenvectors");
    linalg_eigen_symmetric(n, F, f->lambda, f->Ut);
    double cutoff = 10 * n * DBL_EPSILON * linalg_max_abs(n, f->lambda);
    while (f->rank < n && f->lambda[n - 1 - f->rank] > cutoff) f->rank++;
    f->cond = f->rank ? f->lambda[n - 1] / f->lambda[n - f->rank] : 1;
    return f;
}

bool fisher_spectrum_doubtful(const fisher_spectrum *f)
{
    return f->rank > 0 && f->cond > 0.1 / (10 * f->n * DBL_EPSILON);
}

void fisher_spectrum_free(fisher_spectrum *f)
{
    if (!f) return;
    free(f->lambda);
    free(f->Ut);
    free(f);
}

/* sum over counted eigenvalues of u_i (u_i^T g) w_i, w_i = lambda_i^{-1} or 1 */
static void spectral(const fisher_spectrum *f, bool inverse, const double *g, double *x)
{
    double *sum = allocate((size_t)f->n, sizeof *sum, "a projection");
    for (int i = f->n - f->rank; i < f->n; i++) {
        const double *u = f->Ut + i * f->n;
        double c = linalg_dot(f->n, u, g) / (inverse ? f->lambda[i] : 1);
        for (int j = 0; j < f->n; j++) sum[j] += c * u[j];
    }
    memcpy(x, sum, (size_t)f->n * sizeof *x);
    free(sum);
}

void fisher_project(const fisher_spectrum *f, double *x) { spectral(f, false, x, x); }

void natural_gradient_lapack(const fisher_spectrum *f, const double *F, const double *g, double *x)
{
    linalg_cholesky *L = linalg_cholesky_new(f->n);
    bool regular = linalg_cholesky_factor(L, F) == LINALG_OK && L->rcond > 1e3 * f->n * DBL_EPSILON;
    if (regular) linalg_cholesky_solve(L, g, x);
    else         spectral(f, true, g, x);
    linalg_cholesky_free(L);
}

cg_result natural_gradient_cg(const exact *policy, const fisher_spectrum *f, const double *g, double *x)
{
    int n = policy->n;
    double *direction = allocate((size_t)n, sizeof *direction, "a gradient");
    double scale = fmax(linalg_max_abs(n, g), DBL_MIN);         /* the squares of g must not overflow */
    for (int i = 0; i < n; i++) direction[i] = g[i] / scale;
    fisher_project(f, direction);
    fisher_product *F = fisher_product_new(policy);
    cg_result result = cg(fisher_times, F, n, direction, 1e-12, 20 * n, x);
    fisher_product_free(F);
    free(direction);
    fisher_project(f, x);
    for (int i = 0; i < n; i++) x[i] *= scale;
    return result;
}

double fisher_norm(int n, const double *F, const double *x)
{
    double *y = allocate(2 * (size_t)n, sizeof *y, "a norm"), *Fy = y + n;
    double scale = fmax(linalg_max_abs(n, x), DBL_MIN);         /* the squares of x must not overflow */
    for (int i = 0; i < n; i++) y[i] = x[i] / scale;
    linalg_matvec(n, n, F, y, Fy);
    double yFy = linalg_dot(n, y, Fy);
    free(y);
    return scale * sqrt(yFy < 0 ? 0 : yFy);                     /* below 0 by rounding only; a NaN stays one */
}

double fisher_distance(int n, const double *F, const double *x, const double *y)
{
    double *e = allocate((size_t)n, sizeof *e, "a distance"), norm = fisher_norm(n, F, x);
    for (int i = 0; i < n; i++) e[i] = x[i] - y[i];
    double distance = norm > 0 ? fisher_norm(n, F, e) / norm : NAN;
    free(e);
    return distance;
}

double fisher_distance_bound(double cond)
{
    return cond <= 1e6 ? 1e-10 : 1e3 * DBL_EPSILON * cond;
}

/* The least nonzero eigenvalue of a block is at least d(s) min_a pi(a|s), by interlacing; where that drowns
 * in the rounding of the largest, no rule that looks at F alone can find the rank. */
const char *fisher_rank_undecided(const exact *policy)
{
    if (policy->n > FISHER_MAX_N) return "more than 1500 parameters: no dense F";
    double least = INFINITY, greatest = 0;
    for (int i = 0; i < policy->nSA; i++) {
        double d = policy->d[i / policy->nA];
        if (d <= 0) continue;
        least = fmin(least, d * policy->pi[i]);
        greatest = fmax(greatest, d * policy->pi[i]);
    }
    bool drowns = least < 1e2 * policy->n * DBL_EPSILON * greatest;
    return drowns ? "the least d(s) pi(a|s) drowns in rounding" : NULL;
}

/* NULL, or what is wrong with a g no larger than its own rounding, nA u max rho max|Q| c */
static const char *no_gradient(const exact *policy, const double *g)
{
    double rho = 0, greatest = linalg_max_abs(policy->n, g);
    for (int s = 0; s < policy->nS; s++) rho = fmax(rho, exact_rho(policy, s));
    double rounding = policy->nA * DBL_EPSILON * rho * linalg_max_abs(policy->nSA, policy->Q) * policy->c;
    if (greatest <= DBL_MIN / DBL_EPSILON) return "the gradient is zero";
    return greatest <= 10 * rounding ? "the gradient is rounding only" : NULL;
}

const char *natural_gradient_none(const exact *policy, const fisher_spectrum *f, const double *g, double x_F)
{
    const char *undecided = fisher_rank_undecided(policy);
    if (undecided) return undecided;
    if (policy->J_z && fisher_spectrum_doubtful(f)) return "an eigenvalue of F is too near its rounding";
    if (no_gradient(policy, g)) return no_gradient(policy, g);
    return x_F > 0 ? NULL : "the gradient is zero";
}

/* ---- what holds of every direction ---- */

/* g and x = F^+ g, divided by max|g|, so that their products stay in range */
typedef struct { int n; double scale, *g, *x; } direction;

static direction direction_new(const setting *at)
{
    int n = at->pi->n;
    direction y = { n, linalg_max_abs(n, at->g), allocate(2 * (size_t)n, sizeof(double), "a direction"), NULL };
    y.x = y.g + n;
    for (int i = 0; i < n; i++) {
        y.g[i] = at->g[i] / y.scale;
        y.x[i] = at->x[i] / y.scale;
    }
    return y;
}

static void direction_free(direction *y) { free(y->g); }

/* v^T F v */
static double form(const setting *x, const double *v)
{
    double norm = fisher_norm(x->pi->n, x->F, v);
    return norm * norm;
}

/* ---- KL-10: the best step of a given KL; the gain g^T v divided by sqrt(2 eps) ---- */

/* g^T F^+ g = ||x||_F^2 is as exact as x is in the F-norm. */
static double unit_gain(const setting *x)
{
    return fmax(fisher_distance_bound(x->spectrum->cond) / 10 * x->x_F, DBL_MIN);
}

/* The greatest g^T v with v^T F v <= 1: stationary where g = mu F v, v = x / mu; mu by bisection. */
static double gain_by_multiplier(const setting *x, double *out)
{
    direction y = direction_new(x);
    double low = 0, high = 1, xFx = form(x, y.x);
    while (xFx / (high * high) > 1) high *= 2;                      /* v^T F v falls as mu grows */
    for (int i = 0; i < 200; i++) {
        double mu = (low + high) / 2;
        if (xFx / (mu * mu) > 1) low = mu;
        else                     high = mu;
    }
    *out = y.scale * linalg_dot(y.n, y.g, y.x) / high;
    direction_free(&y);
    return 0;
}

static double gain_closed(const setting *x, double *out)            /* sqrt(g^T F^+ g), in F's eigenvectors */
{
    const fisher_spectrum *f = x->spectrum;
    direction y = direction_new(x);
    double sum = 0;
    for (int i = f->n - f->rank; i < f->n; i++) {
        double c = linalg_dot(f->n, f->Ut + i * f->n, y.g);
        sum += c * c / f->lambda[i];
    }
    *out = y.scale * sqrt(sum);
    direction_free(&y);
    return 0;
}

static double gain_of_gradient(const setting *x, double *out)       /* v = g / sqrt(g^T F g) */
{
    direction y = direction_new(x);
    double gFg = form(x, y.g);
    *out = gFg > 0 ? y.scale * linalg_dot(y.n, y.g, y.g) / sqrt(gFg) : 0;
    direction_free(&y);
    return 0;
}

/* How far, relative and in the F-norm, the rounding of g takes F^+ g from the advantage (NPG-9) in a table: it is
 * 2 nA u rho(s) max|Q| in each entry of state s, divided by the root of that block's least eigenvalue, at least
 * d(s) min_a pi(a|s). */
static double advantage_distance(const setting *x)
{
    const exact *pi = x->pi;
    double rounding = 2 * pi->nA * DBL_EPSILON * linalg_max_abs(pi->nSA, pi->Q), square = 0;
    for (int s = 0; s < pi->nS; s++) {
        double least = 1;
        for (int i = s * pi->nA; i < (s + 1) * pi->nA; i++) least = fmin(least, pi->pi[i]);
        if (pi->d[s] > 0) square += pi->nA * pi->rho[s] / (pi->fisher_scale * least);
    }
    return rounding / x->x_F * sqrt(square);
}

/* The true KL instead of its quadratic form. For the tabular softmax, g^T v - mu KL(theta || theta + v) is
 * stationary where pi'(a|s) = pi(a|s) (1 + A(s,a) / (c mu)), d = c rho, and concave in v. With y = A / (c mu),
 * whose mean under pi is 0: g^T v = sum_s rho sum_a pi A log(1 + y), KL = sum_s d sum_a pi (y - log(1 + y)). */
static double gain_at(const exact *pi, double greatest_y)
{
    double A_max = fmax(linalg_max_abs(pi->nSA, pi->A), DBL_MIN), gain = 0, kl = 0;
    for (int i = 0; i < pi->nSA; i++) {
        double A = pi->A[i] / A_max, y = greatest_y * A, log_y = gsl_sf_log_1plusx_mx(y);   /* log(1+y) - y */
        gain += exact_rho(pi, i / pi->nA) * pi->pi[i] * A * (log_y + y);
        kl -= pi->d[i / pi->nA] * pi->pi[i] * log_y;
    }
    return kl > 0 ? A_max * (gain / sqrt(2 * kl)) : 0;
}

/* KL-10   max grad J^T v subject to KL <= eps, per sqrt(2 eps), as eps -> 0: y -> 0, extrapolated */
static double gain_of_true_kl(const setting *x, double *out)
{
    enum { LEVELS = 8 };
    double D[LEVELS], y = 0.25, correction = 0;
    if (x->pi->J_z) return LEFT_OUT;
    for (int i = 0; i < LEVELS; i++, y /= 2) D[i] = gain_at(x->pi, y);
    for (int j = 1, weight = 2; j < LEVELS; j++, weight *= 2) {     /* an error in every power of y */
        correction = fabs(D[LEVELS - 1] - D[LEVELS - 2]) / (weight - 1);
        for (int i = LEVELS - 1; i >= j; i--) D[i] += (D[i] - D[i - 1]) / (weight - 1);
    }
    *out = D[LEVELS - 1];
    return correction + advantage_distance(x) * x->x_F;
}

static const double eps = 0.01;

/* ---- KL-11: the best step of a given length; the gain g^T v at ||v||^2 = eps ---- */

static const char *no_length(const setting *x)
{
    return x->g ? no_gradient(x->pi, x->g) : fisher_rank_undecided(x->pi);          /* too large */
}

static double unit_length(const setting *x)
{
    return fmax(DBL_EPSILON * fmax(x->pi->n, 4) * linalg_norm2(x->pi->n, x->g), DBL_MIN);
}

static double length_closed(const setting *x, double *out)
{
    *out = sqrt(eps) * linalg_norm2(x->pi->n, x->g);
    return 0;
}

/* KL-11   theta' = theta + sqrt(eps / ||grad J||^2) grad J */
static double length_step(const setting *x, double *out)
{
    double norm = linalg_norm2(x->pi->n, x->g), alpha = sqrt(eps) / norm, gain = 0;
    for (int i = 0; i < x->pi->n; i++) gain += x->g[i] / norm * (alpha * x->g[i]);
    *out = norm * gain;
    return 0;
}

/* max g^T v with ||v||^2 <= eps: stationary where g = 2 mu v; mu by bisection */
static double length_by_multiplier(const setting *x, double *out)
{
    double norm = linalg_norm2(x->pi->n, x->g), low = 0, high = 1;  /* of g / norm, whose length is 1 */
    while (1 / (4 * high * high) > eps) high *= 2;
    for (int i = 0; i < 200; i++) {
        double mu = (low + high) / 2;
        if (1 / (4 * mu * mu) > eps) low = mu;
        else                         high = mu;
    }
    *out = norm / (2 * high);
    return 0;
}

/* The best of 100 other steps of that length, the optimum turned by random angles */
static double length_of_others(const setting *x, double *out)
{
    int n = x->pi->n;
    double norm = linalg_norm2(n, x->g), best = -INFINITY, *v = allocate((size_t)n, sizeof *v, "a step");
    gsl_rng *rng = random_stream(x->seed, 0, RANDOM_TEST);
    for (int k = 0; k < 100; k++) {
        double gain = 0;
        for (int i = 0; i < n; i++) v[i] = x->g[i] / norm + gsl_ran_gaussian(rng, 1) / (k + 1) / sqrt(n);
        double length = linalg_norm2(n, v);
        for (int i = 0; i < n; i++) gain += x->g[i] / norm * (sqrt(eps) / length * v[i]);
        best = fmax(best, gain);
    }
    gsl_rng_free(rng);
    free(v);
    *out = norm * best;
    return 0;
}

/* ---- KL-12: a Gaussian's mean moved by 0.1, sigma = 1, 0.1, 0.01 ---- */

static const double sigmas[] = { 1, 0.1, 0.01 }, moved = 0.1;

static int    n_sigmas(const setting *x)  { (void)x; return 3; }
static double unit_sigmas(const setting *x) { (void)x; return 4 * DBL_EPSILON * 50; }       /* the largest is 50 */

/* KL-12   KL(N(0, sigma^2) || N(m, sigma^2)) = m^2 / (2 sigma^2) */
static double gaussian_closed(const setting *x, double *out)
{
    (void)x;
    for (int i = 0; i < 3; i++) out[i] = moved * moved / (2 * sigmas[i] * sigmas[i]);
    return 0;
}

static double kl_integrand(double z, void *sigma_)              /* p (log p - log q), z in units of sigma */
{
    double m = moved / *(const double *)sigma_;
    return exp(-z * z / 2) / sqrt(2 * M_PI) * ((z - m) * (z - m) - z * z) / 2;
}

static double gaussian_quadrature(const setting *x, double *out)
{
    (void)x;
    double worst = 0, error;
    gsl_integration_workspace *w = gsl_integration_workspace_alloc(200);
    if (!w) out_of_memory(200, "a quadrature");
    for (int i = 0; i < 3; i++) {
        double sigma = sigmas[i];
        gsl_function f = { kl_integrand, &sigma };
        gsl_integration_qagi(&f, 1e-12, 1e-12, 200, w, &out[i], &error);
        worst = fmax(worst, error);
    }
    gsl_integration_workspace_free(w);
    return worst;
}

static double gaussian_fisher(const setting *x, double *out)    /* F = 1 / sigma^2 */
{
    (void)x;
    for (int i = 0; i < 3; i++) out[i] = moved * (1 / (sigmas[i] * sigmas[i])) * moved / 2;
    return 0;
}

static double gaussian_length(const setting *x, double *out)
{
    (void)x;
    for (int i = 0; i < 3; i++) out[i] = moved * moved / 2;
    return 0;
}

/* ---- NPG-9: distances are relative, in the F-norm ---- */

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

static const char *no_closed_form(const setting *x)
{
    return x->pi->J_z ? "the policy is not tabular" : no_natural_gradient(x);
}

/* NPG-9   F^+ g = (A(s,a) - mean_b A(s,b)) / fisher_scale where s is visited, else 0. The weights of F and
 * of g cancel, d(s) = fisher_scale rho(s), so only the ratio of their scales is left. */
static double by_advantage(const setting *x, double *out)
{
    const exact *pi = x->pi;
    for (int s = 0; s < pi->nS; s++) {
        const double *A = pi->A + s * pi->nA;
        double mean = 0;
        for (int a = 0; a < pi->nA; a++) mean += A[a] / pi->nA;
        for (int a = 0; a < pi->nA; a++)
            out[s * pi->nA + a] = pi->d[s] > 0 ? (A[a] - mean) / pi->fisher_scale : 0;
    }
    return advantage_distance(x);
}

const derivation natural_gradient[] = {
    { "KL-10", "the best step of a given KL has gain sqrt(2 eps g^T F^+ g)", "gain / sqrt(2 eps)",
      count_one, unit_gain, no_natural_gradient, NULL, {
        { "\\max_v g^Tv\\ \\text{s.t.}\\ \\tfrac12v^TFv\\le\\epsilon",
          "the KL by NPG-1; g = mu F v, mu by bisection",
          gain_by_multiplier },
        { "=\\sqrt{g^TF^+g}", "NPG-4: v along F^+ g, as long as the region lets it; in F's eigenvectors",
          gain_closed },
        { "=\\lim_{\\epsilon\\to0}\\max_v g^Tv/\\sqrt{2\\epsilon}\\ \\text{s.t.}\\ "
          "\\bar D_{KL}(\\theta,\\theta+v)\\le\\epsilon",
          "the true KL: pi' = pi (1 + A/(c mu)) for the tabular softmax; extrapolated to mu -> infinity",
          gain_of_true_kl },
        { "\\ge g^Tg/\\sqrt{g^TFg}",
          "the gradient itself, made as long as the same KL allows", gain_of_gradient,
          AT_MOST } } },
    { "KL-11", "the best step of a given length is along the gradient, with gain sqrt(eps) |grad J|",
      "gain at eps = 0.01",
      count_one, unit_length, no_length, NULL, {
        { "\\max_v\\nabla J^Tv\\ \\text{s.t.}\\ \\|v\\|^2\\le\\epsilon", "grad J = 2 mu v, mu by bisection",
          length_by_multiplier },
        { "=\\nabla J^Tv,\\quad v=\\sqrt{\\frac\\epsilon{\\|\\nabla J\\|^2}}\\nabla J",
          "gradient ascent is the answer",
          length_step },
        { "=\\sqrt\\epsilon\\,\\|\\nabla J\\|",
          "Cauchy-Schwarz, with equality for v along grad J", length_closed },
        { "\\ge\\nabla J^Tv'",
          "the best of 100 other steps of that length", length_of_others, AT_MOST } } },
    { "KL-12", "a small step in theta can change the policy a lot", "KL for sigma = 1, 0.1, 0.01",
      n_sigmas, unit_sigmas, NULL, NULL, {
        { "D_{KL}(N(0,\\sigma^2)\\|N(m,\\sigma^2))=\\frac{m^2}{2\\sigma^2}",
          "the same step m = 0.1 for every sigma",
          gaussian_closed },
        { "=\\int p\\,(\\log p-\\log q)", "the definition, by quadrature", gaussian_quadrature },
        { "=\\tfrac12\\,m\\,F\\,m,\\quad F=1/\\sigma^2",
          "NPG-1, exact for a mean: the Fisher matrix sees it",
          gaussian_fisher },
        { "\\tfrac12\\,m^2", "the length of the step does not", gaussian_length, DIFFERS } },
      "a Gaussian policy whose mean moves by 0.1" },
    { "NPG-9", "tabular softmax: F^+ grad J = A/(1-gamma) up to a constant per state", "x[s,a]",
      count_theta, unit_distance, no_closed_form, distance, {
        { "x=F^+\\nabla_\\theta J", "LAPACK: eigendecomposition of F from the scores", by_lapack },
        { "=\\frac1c(A^\\pi(s,a)-\\tfrac1{|A|}\\sum_bA^\\pi(s,b)),\\quad d(s)=c\\,\\rho_\\pi(s)",
          "solve rho pi A = d (diag pi - pi pi^T) x state by state, the shortest x has mean 0;"
          " c = 1-gamma, or 1/sum rho at gamma = 1", by_advantage } } },
    { .id = NULL }
};
