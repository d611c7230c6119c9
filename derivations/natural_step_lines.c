/* The natural step, v = sqrt(2 delta / g^T F^+ g) F^+ g, as the answer to a constrained problem: the same
 * step in whatever coordinates, and how far along it the true KL lets one go. 001 (l.464-552), 004 (l.410,
 * 461-470); Kakade 2002. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_randist.h>

#include "algorithms/npg.h"
#include "algorithms/trpo.h"
#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/fisher.h"
#include "derivations/natural_step.h"
#include "derivations/trust_region.h"

static const double delta = 0.01;

static double *new_table(const exact *pi) { return allocate((size_t)pi->nSA, sizeof(double), "a policy"); }
static double *new_step(const setting *x) { return allocate((size_t)x->pi->n, sizeof(double), "a step"); }

/* ---- NPG-4: the step whose quadratic KL is delta ---- */

static double unit_quadratic(const setting *x) { return fisher_distance_bound(x->spectrum->cond) / 10 * delta; }

static double radius(const setting *x, double *out)
{
    (void)x;
    *out = delta;
    return 0;
}

static double half_square(const setting *x, const double *v)           /* v^T F v / 2 */
{
    double norm = fisher_norm(x->pi->n, x->F, v);
    return norm * norm / 2;
}

/* NPG-4   theta' = theta + sqrt(2 delta / g^T F^+ g) F^+ g, g and F^+ g [n] each divided by max|g| */
static double quadratic_kl(const setting *x, double *out)
{
    int n = x->pi->n;
    double *v = new_step(x), scale = linalg_max_abs(n, x->g), gx = 0;
    for (int i = 0; i < n; i++) gx += x->g[i] / scale * (x->x[i] / scale);
    for (int i = 0; i < n; i++) v[i] = sqrt(2 * delta / gx) * (x->x[i] / scale);
    *out = half_square(x, v);
    free(v);
    return 0;
}

/* As it is trained: x, and its length */
static double quadratic_kl_trained(const setting *x, double *out)
{
    int n = x->pi->n;
    double *v = allocate(2 * (size_t)n, sizeof *v, "a step"), *g = v + n, scale = linalg_max_abs(n, x->g);
    for (int i = 0; i < n; i++) g[i] = x->g[i] / scale;
    npg_solve(n, x->F, g, v);
    double beta = npg_beta(delta, n, g, v);
    for (int i = 0; i < n; i++) v[i] *= beta;
    *out = half_square(x, v);
    free(v);
    return 0;
}

/* ---- TRPO-23: the quadratic problem, max g^T v subject to v^T F v / 2 <= delta ---- */

static double unit_distance(const setting *x) { return fisher_distance_bound(x->spectrum->cond) / 10; }

static double distance(const setting *x, int n, const double *a, const double *b)
{
    return fisher_distance(n, x->F, a, b);
}

static double closed_step(const setting *x, double *out)
{
    natural_step_of_norm(x, delta, out);
    return 0;
}

/* KKT: g = mu F v and v^T F v = 2 delta. In F's eigenvectors v_i = g_i / (mu lambda_i), of g / |g|; mu by
 * bisection */
static double step_by_kkt(const setting *x, double *out)
{
    const fisher_spectrum *f = x->spectrum;
    double norm = linalg_norm2(f->n, x->g), low = 0, high = 1, gFg = 0;
    memset(out, 0, (size_t)f->n * sizeof *out);
    for (int i = f->n - f->rank; i < f->n; i++) {
        const double *u = f->Ut + i * f->n;
        double c = linalg_dot(f->n, u, x->g) / norm;
        gFg += c * c / f->lambda[i];
        for (int j = 0; j < f->n; j++) out[j] += c / f->lambda[i] * u[j];
    }
    while (gFg / (high * high) > 2 * delta) high *= 2;
    for (int k = 0; k < 200; k++) {
        double mu = (low + high) / 2;
        if (gFg / (mu * mu) > 2 * delta) low = mu;
        else                             high = mu;
    }
    for (int j = 0; j < f->n; j++) out[j] /= high;
    return 0;
}

/* TRPO-24's form, x by conjugate gradients and H the Hessian of the mean KL, by autodiff */
static double step_by_cg(const setting *x, double *out)
{
    int n = x->pi->n;
    if (n > FISHER_MAX_N / 10) return LEFT_OUT;
    double *H = allocate(((size_t)n + 1) * (size_t)n, sizeof *H, "a Hessian"), *Hx = H + n * n;
    cg_result result = natural_gradient_cg(x->pi, x->spectrum, x->g, out);
    fisher_kl(x->pi, H);
    double scale = linalg_max_abs(n, out);                      /* the squares of x must not overflow */
    for (int i = 0; i < n; i++) out[i] /= scale;
    linalg_matvec(n, n, H, out, Hx);
    double beta = trpo_beta(delta, n, out, Hx);
    for (int i = 0; i < n; i++) out[i] *= beta;
    free(H);
    /* of x^T H x, H right to 10 u N max d c^2 */
    const fisher_spectrum *F = x->spectrum;
    double off = 10 * DBL_EPSILON * fmax(x->pi->nS, 4) * linalg_max_abs(x->pi->nS, x->pi->d) * x->pi->c * x->pi->c;
    return result.outcome == CG_CONVERGED ? off / F->lambda[F->n - F->rank] : LEFT_OUT;
}

static double step_printed(const setting *x, double *out)           /* alpha = sqrt(2 delta / g^T F g) */
{
    double g_F = fisher_norm(x->pi->n, x->F, x->g);
    for (int i = 0; i < x->pi->n; i++) out[i] = sqrt(2 * delta) * (x->x[i] / g_F);
    return g_F > 0 ? 0 : LEFT_OUT;
}

static double quadratic_kl_printed(const setting *x, double *out)
{
    double *v = new_step(x), found = step_printed(x, v);
    *out = half_square(x, v);
    free(v);
    return found;
}

/* ---- the same step in other coordinates: theta = M phi, or, M NULL, theta = sinh(phi) ---- */

enum { REPARAMETRISED_MAX = 128 };      /* numbers in theta: a reverse sweep for each pair (s,a), through M */

/* [n x n] 1 + a random matrix of norm about 1/2 */
static double *coordinates_new(const setting *x)
{
    int n = x->pi->n;
    double *M = allocate((size_t)n * (size_t)n, sizeof *M, "a change of coordinates");
    gsl_rng *rng = random_stream(x->seed, 0, RANDOM_TEST);
    for (int i = 0; i < n * n; i++) M[i] = (i % (n + 1) == 0) + gsl_ran_gaussian(rng, 0.25 / sqrt(n));
    gsl_rng_free(rng);
    return M;
}

/* theta = M phi, solved for phi; or asinh(theta) */
static void phi_of(const double *M, int n, const double *theta, double *phi)
{
    if (!M) {
        for (int i = 0; i < n; i++) phi[i] = asinh(theta[i]);
        return;
    }
    linalg_lu *f = linalg_lu_new(n);
    require(linalg_lu_factor(f, M) == LINALG_OK, "coordinates of no rank");
    linalg_lu_solve(f, false, 1, theta, phi);
    linalg_lu_free(f);
}

static ad theta_node(ad_tape *t, const double *M, ad phi)
{
    int n = ad_nrows(phi);
    return M ? ad_matmul(ad_input(t, M, n, n), phi) : ad_scale(0.5, ad_sub(ad_exp(phi), ad_exp(ad_neg(phi))));
}

/* F [n x n] and g [n] in phi, from the scores and the policy gradient theorem, by a reverse sweep each */
static void fisher_and_gradient_in(const exact *pi, const double *M, const double *phi, double *F, double *g)
{
    size_t n = (size_t)pi->n, nSA = (size_t)pi->nSA;
    double *scores = allocate(2 * nSA * n, sizeof *scores, "scores"), *weighted = scores + nSA * n;
    ad_tape *t = ad_tape_new();
    ad x = ad_input(t, phi, pi->n, 1);
    ad logpi = ad_log_softmax(policy_logits(t, &pi->policy, theta_node(t, M, x)));
    memset(g, 0, n * sizeof *g);
    for (size_t i = 0; i < nSA; i++) {
        ad_mark start = ad_here(t);
        memcpy(scores + i * n, ad_value(ad_grad(ad_view(logpi, (int)i, 1, 1), x)), n * sizeof *scores);
        ad_reset(t, start);
        int s = (int)i / pi->nA;
        double p = pi->d[s] * pi->pi[i], rho_A = exact_rho(pi, s) * pi->pi[i] * pi->A[i];
        for (size_t j = 0; j < n; j++) {
            weighted[i * n + j] = p * scores[i * n + j];
            g[j] += rho_A * scores[i * n + j];
        }
    }
    linalg_matmul(true, false, pi->n, pi->n, pi->nSA, scores, weighted, F);
    ad_tape_free(t);
    free(scores);
}

/* The natural step in phi, w [n]. Its distance bound; -1 where F's rank there is not what it is in theta */
static double natural_step_in(const setting *x, const double *M, const double *phi, double *w)
{
    int n = x->pi->n;
    double *F = allocate((size_t)n * (size_t)n + (size_t)n, sizeof *F, "F in phi"), *g = F + n * n, room = -1;
    fisher_and_gradient_in(x->pi, M, phi, F, g);
    fisher_spectrum *f = fisher_spectrum_new(n, F);
    natural_gradient_lapack(f, F, g, w);
    double w_F = fisher_norm(n, F, w);
    for (int i = 0; i < n; i++) w[i] *= sqrt(2 * delta) / w_F;
    if (f->rank == x->spectrum->rank && !fisher_spectrum_doubtful(f))
        room = fisher_distance_bound(f->cond) + natural_step_rounding(x);
    fisher_spectrum_free(f);
    free(F);
    return room;
}

/* theta = M phi: v = M w, but for a part in F's null space, which changes no policy and is taken away */
static double step_in_linear(const setting *x, double *out)
{
    int n = x->pi->n;
    if (n > REPARAMETRISED_MAX) return LEFT_OUT;
    double *M = coordinates_new(x), *phi = allocate(2 * (size_t)n, sizeof *phi, "phi"), *w = phi + n;
    phi_of(M, n, x->pi->theta, phi);
    double room = natural_step_in(x, M, phi, w);
    linalg_matvec(n, n, M, w, out);
    fisher_project(x->spectrum, out);
    free(phi);
    free(M);
    return room;
}

/* theta = sinh(phi): (sinh(phi + t w) - theta) / t, at t, t/2, ...: 0, or extrapolated to t -> 0 from its
 * values */
static double step_in_sinh(const setting *x, bool limit, double *out)
{
    enum { LEVELS = 7 };
    int n = x->pi->n;
    if (n > REPARAMETRISED_MAX || linalg_max_abs(n, x->pi->theta) > 1e100) return LEFT_OUT; /* cosh^2 overflows */
    double *phi = allocate(2 * (size_t)n, sizeof *phi, "phi"), *w = phi + n, error = 0;
    phi_of(NULL, n, x->pi->theta, phi);
    double room = natural_step_in(x, NULL, phi, w);
    for (int i = 0; i < n; i++) {
        double D[LEVELS], t = 1 / fmax(1, 4 * linalg_max_abs(n, w));
        if (!limit) {
            out[i] = sinh(phi[i] + w[i]) - x->pi->theta[i];
            continue;
        }
        for (int k = 0; k < LEVELS; k++, t /= 2)
            D[k] = (sinh(phi[i] + t * w[i]) - sinh(phi[i] - t * w[i])) / (2 * t);   /* error: even powers of t */
        for (int j = 1, weight = 4; j < LEVELS; j++, weight *= 4)
            for (int k = LEVELS - 1; k >= j; k--) D[k] += (D[k] - D[k - 1]) / (weight - 1);
        out[i] = D[LEVELS - 1];
        error = fmax(error, fabs(D[LEVELS - 1] - D[LEVELS - 2]));
    }
    free(phi);
    if (!isfinite(linalg_max_abs(n, out))) return LEFT_OUT;
    if (limit) fisher_project(x->spectrum, out);
    return room < 0 ? room : room + error;
}

static double step_in_sinh_at_0(const setting *x, double *out)   { return step_in_sinh(x, true, out); }
static double step_in_sinh_finite(const setting *x, double *out) { return step_in_sinh(x, false, out); }

/* The gradient in phi, M^T g, as long as its quadratic KL lets, in theta: M M^T g */
static double gradient_step_in(const setting *x, bool other, double *out)
{
    int n = x->pi->n;
    double *h = allocate((size_t)n, sizeof *h, "a gradient"), norm = linalg_norm2(n, x->g);
    for (int i = 0; i < n; i++) out[i] = x->g[i] / norm;
    if (other) {
        double *M = coordinates_new(x);
        linalg_matmul(true, false, n, 1, n, M, out, h);
        linalg_matvec(n, n, M, h, out);
        free(M);
    }
    double F_norm = fisher_norm(n, x->F, out);
    for (int i = 0; i < n; i++) out[i] *= sqrt(2 * delta) / F_norm;
    free(h);
    return F_norm > 0 ? 0 : LEFT_OUT;
}

static double gradient_step(const setting *x, double *out) { return gradient_step_in(x, false, out); }

/* Of the angle between two steps, lengths in the F-norm */
static double cosine_F(const setting *x, const double *a, const double *b)
{
    int n = x->pi->n;
    double *Fb = allocate((size_t)n, sizeof *Fb, "F b");
    linalg_matvec(n, n, x->F, b, Fb);
    double cosine = linalg_dot(n, a, Fb) / (fisher_norm(n, x->F, a) * fisher_norm(n, x->F, b));
    free(Fb);
    return cosine;
}

static void print_step(const setting *x, const char *name, const double *v, double t, const double *again,
                       FILE *out)
{
    region_step step = step_along(x->pi, v, t);
    double all = visited(x->pi), F_norm = t * fisher_norm(x->pi->n, x->F, v);
    fprintf(out, "%-30s %8.4f %12.3g %12.3g %12.3g", name, t * linalg_norm2(x->pi->n, v), F_norm * F_norm / 2,
            step.kl * all, step.gain * all);
    if (again) fprintf(out, " %10.6f", cosine_F(x, v, again));
    fputc('\n', out);
}

/* The step in parameter space against the natural step */
static void page_of_steps(const setting *x, FILE *out)
{
    size_t n = (size_t)x->pi->n;
    double *v = allocate(2 * n, sizeof *v, "steps"), *again = v + n;
    bool small = x->pi->n <= REPARAMETRISED_MAX;
    fprintf(out, "delta = %g; cos: between a step and the one made in phi, theta = M phi, in the F-norm\n"
            "%-30s %8s %12s %12s %12s %10s\n", delta, "", "|v|", "v^T F v / 2", "KL", "gain", small ? "cos" : "");
    natural_step_of_norm(x, delta, v);
    double length = linalg_norm2(x->pi->n, v);
    print_step(x, "natural step", v, 1, small && step_in_linear(x, again) >= 0 ? again : NULL, out);
    if (gradient_step(x, v) >= 0) {
        if (small) gradient_step_in(x, true, again);
        print_step(x, "gradient, as much KL", v, 1, small ? again : NULL, out);
        print_step(x, "gradient, as long", v, length / linalg_norm2(x->pi->n, v), NULL, out);
        print_step(x, "gradient, |v|^2 = delta", v, sqrt(delta) / linalg_norm2(x->pi->n, v), NULL, out);
    }
    free(v);
}

/* ---- TRPO-31: how far the two constraints let the natural step go, in natural steps ---- */

/* u N |log pi| of a KL of delta */
static double unit_length(const setting *x)
{
    return DBL_EPSILON * fmax(x->pi->nS, 4) * fmax(1, linalg_max_abs(x->pi->nSA, x->pi->logpi)) / delta;
}

static double length_along(const setting *x, bool greatest, double radius, double *out)
{
    double *v = new_step(x);
    natural_step(x, delta, v);
    *out = step_length(x->pi, v, greatest, radius);
    free(v);
    return isinf(*out) ? LEFT_OUT : 0;
}

/* TRPO-31   t such that max_s KL_s = delta, and t such that E_s[KL_s] is */
static double length_max(const setting *x, double *out)  { return length_along(x, true, delta, out); }
static double length_mean(const setting *x, double *out) { return length_along(x, false, delta, out); }

/* KL_s(t) = log E_pi[e^{t w}] - t E_pi[w], w [nA] the change of the logits: linear in theta */
static double cumulant(int nA, const double *pi, const double *w, double t)
{
    double top = 0, E = 0, mean = 0;
    for (int a = 0; a < nA; a++) top = fmax(top, t * w[a]);
    for (int a = 0; a < nA; a++) {
        E += pi[a] * exp(t * w[a] - top);
        mean += pi[a] * w[a];
    }
    return log(E) + top - t * mean;
}

/* The least of the lengths t_s at which KL_s = delta; not of a network */
static double least_length(const setting *x, double *out)
{
    const exact *pi = x->pi;
    if (pi->policy.kind == POLICY_MLP) return LEFT_OUT;
    double *v = new_step(x), *theta = new_step(x), *w = new_table(pi);
    natural_step(x, delta, v);
    for (int i = 0; i < pi->n; i++) theta[i] = pi->theta[i] + v[i];
    policy_logits_at(&pi->policy, theta, w);
    for (int i = 0; i < pi->nSA; i++) w[i] -= pi->logits[i];
    *out = INFINITY;
    for (int s = 0; s < pi->nS; s++) {
        const double *pi_s = pi->pi + s * pi->nA, *w_s = w + s * pi->nA;
        double low = 0, high = 1;
        while (high < 1e6 && cumulant(pi->nA, pi_s, w_s, high) <= delta) high *= 2;
        for (int k = 0; k < 100; k++) {
            double t = (low + high) / 2;
            if (cumulant(pi->nA, pi_s, w_s, t) > delta) high = t;
            else                                        low = t;
        }
        if (!pi->absorbing[s]) *out = fmin(*out, low);
    }
    free(w);
    free(theta);
    free(v);
    return 0;
}

/* max KL <= mean KL / min d: so far both constraints hold */
static double length_within(const setting *x, double *out)
{
    double least_d = 1;
    for (int s = 0; s < x->pi->nS; s++)
        if (!x->pi->absorbing[s]) least_d = fmin(least_d, x->pi->d[s] / visited(x->pi));
    *out = 0;
    return least_d > 0 ? length_along(x, false, least_d * delta, out) : 0;
}

enum { ON_PAGE = 200 };

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_spread(const char *name, double *ratio, FILE *out)
{
    qsort(ratio, ON_PAGE, sizeof *ratio, ascending);
    fprintf(out, "%-60s %6.3f %6.3f %6.3f\n", name, ratio[0], (ratio[ON_PAGE / 2 - 1] + ratio[ON_PAGE / 2]) / 2,
            ratio[ON_PAGE - 1]);
}

/* The two constraints over random problems */
static void page_of_constraints(const setting *x, FILE *out)
{
    (void)x;
    double ratio[4][ON_PAGE];
    double v[RANDOM_PROBLEM_N], p[RANDOM_PROBLEM_N];
    for (int k = 0; k < ON_PAGE; k++) {
        random_problem r = random_problem_new((uint64_t)k + 1);
        natural_step(r.x, delta, v);
        double t_mean = step_length(r.pi, v, false, delta), t_max = step_length(r.pi, v, true, delta);
        region_step mean = step_along(r.pi, v, t_mean), max = step_along(r.pi, v, t_max);
        ratio[0][k] = mean.kl_max / mean.kl;
        ratio[1][k] = t_max / t_mean;
        ratio[2][k] = max.gain / mean.gain;
        ratio[3][k] = trust_region_max(r.pi, delta, p).gain / trust_region_mean(r.pi, delta, p).gain;
        random_problem_free(&r);
    }
    fprintf(out, "%d random problems (10 states, 4 actions, 3 successors), delta = %g\n%-60s %6s %6s %6s\n",
            ON_PAGE, delta, "", "least", "median", "most");
    print_spread("greatest over mean KL of a natural step to mean KL = delta", ratio[0], out);
    print_spread("its length to max KL = delta, over that to mean KL = delta", ratio[1], out);
    print_spread("its gain, the same two", ratio[2], out);
    print_spread("the optimum's gain, the same two", ratio[3], out);
}

#define KL_S "D_{KL}(\\pi(\\cdot|s)\\|\\pi'(\\cdot|s))"
#define ST "\\ \\text{s.t.}\\ "

const derivation natural_step_lines[] = {
    { "NPG-4", "theta' = theta + sqrt(2 delta / g^T F^+ g) F^+ g has quadratic KL delta",
      "quadratic KL at delta = 0.01",
      count_one, unit_quadratic, no_natural_gradient, NULL, {
        { "\\delta", "the radius of the region", radius },
        { "=\\tfrac12v^TFv,\\quad v=\\sqrt{2\\delta/(g^TF^+g)}\\,F^+g", "v^T F v = alpha^2 g^T F^+ F F^+ g",
          quadratic_kl },
        { "=\\tfrac12v^TFv,\\quad v=\\beta x",
          "algorithms/npg.c: x by Cholesky or pseudo-inverse, and its length",
          quadratic_kl_trained },
        { "\\tfrac12v^TFv,\\quad v=\\sqrt{2\\delta/(g^TFg)}\\,F^{-1}g", "001 (l.528) has F for its inverse",
          quadratic_kl_printed, DIFFERS, "ERR-54" } } },
    { "TRPO-23", "the natural step solves the quadratic problem, in whatever coordinates",
      "v at delta = 0.01", count_theta,
      unit_distance, no_natural_gradient, distance, {
        { "v=\\sqrt{\\frac{2\\delta}{g^TH^+g}}\\,H^+g",
          "H = F, the scores' covariance; LAPACK", closed_step },
        { "=\\arg\\max_vg^Tv" ST "\\tfrac12v^THv\\le\\delta",
          "KKT: g = mu H v, v^T H v = 2 delta; mu by bisection",
          step_by_kkt },
        { "=\\sqrt{\\frac{2\\delta}{x^THx}}\\,x,\\ x\\approx H^{-1}g",
          "conjugate gradients; H by differentiating the mean KL twice; algorithms/trpo.c", step_by_cg },
        { "=M\\sqrt{\\frac{2\\delta}{g_\\phi^TF_\\phi^+g_\\phi}}\\,F_\\phi^+g_\\phi,\\quad\\theta=M\\phi",
          "the natural step in phi: F_phi = M^T F M, g_phi = M^T g, so M takes it to v", step_in_linear },
        { "=\\lim_{t\\to0}(\\sinh(\\phi+tw)-\\theta)/t,\\quad\\theta=\\sinh\\phi",
          "w the natural step in phi, theta no linear function of it: to first order the same step",
          step_in_sinh_at_0 },
        { "\\sinh(\\phi+w)-\\theta", "the control: not to second order", step_in_sinh_finite, DIFFERS },
        { "\\sqrt{\\frac{2\\delta}{g^TFg}}\\,g", "the control: a step along the gradient with as much KL",
          gradient_step, DIFFERS },
        { "\\sqrt{\\frac{2\\delta}{g^TFg}}\\,F^+g",
          "001 (l.528) has F for its inverse", step_printed, DIFFERS,
          "ERR-54" } },
      .page = page_of_steps },
    { "TRPO-31", "the greatest KL is the stricter constraint: it ends the same step sooner",
      "length of the step, 1: quadratic KL = delta", count_one, unit_length, no_natural_gradient, NULL, {
        { "\\max t" ST "\\max_s" KL_S "\\le\\delta,\\quad\\theta'=\\theta+t\\,v",
          "v of TRPO-23; bisection", length_max },
        { "=\\min_s(t_s:\\log E_\\pi[e^{tw}]-tE_\\pi[w]=\\delta)",
          "state by state: the KL of a softmax whose logits move by t w", least_length },
        { "\\le\\max t" ST "E_s[" KL_S "]\\le\\delta",
          "004 (l.410): too strict, the mean is used", length_mean,
          AT_LEAST },
        { "\\ge\\max t" ST "E_s[" KL_S "]\\le\\delta\\min_sd(s)",
          "not without bound: max KL <= mean KL / min d", length_within, AT_MOST } },
      .page = page_of_constraints },
    { .id = NULL }
};
