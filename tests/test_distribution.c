/* Distributions against closed forms in long double, 100-digit reference cases, quadrature, and
 * samples.
 *     test_distribution [pattern]     runs the tests whose names match
 *
 * Closed forms. Each function is written a second time as a formula over complex long doubles, and
 * so is its gradient. Im f(x + i h v) / h is the derivative along v without cancellation; with
 * h = 1e-30 and roundings of 2^-64 it is right to a few 1e-19, which never limits a test of
 * doubles: it proves the gradient's formula, and of that formula it gives the Hessian times v.
 *
 * The unit is u N S: u = 2^-52, N = entries of the operands, S = max(1, largest entry of the
 * reference). The limit is 10 units, as for the operators these functions are made of. */
#include <complex.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_integration.h>
#include <gsl/gsl_math.h>
#include <gsl/gsl_randist.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "autodiff/distribution.h"
#include "autodiff/network.h"
#include "autodiff/random.h"
#include "autodiff/require.h"

#ifndef REFERENCE
#define REFERENCE "tests/reference"
#endif

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

enum { MAX = 64 };
static const double LIMIT = 10;

static double units(int n, const double *got, const long double *want, double N)
{
    double S = 1, worst = 0;
    for (int i = 0; i < n; i++) S = fmax(S, (double)fabsl(want[i]));
    for (int i = 0; i < n; i++) {
        double error = (double)fabsl(got[i] - want[i]) / (DBL_EPSILON * N * S);
        if (!(error <= worst)) worst = error;
        if (isnan(worst)) return worst;
    }
    return worst;
}

static double check(const char *name, const char *what, int n, const double *got,
                    const long double *want, double N)
{
    double error = units(n, got, want, N);
    if (!(error <= LIMIT)) fail_msg("%s, %s: %.3g units, limit %g", name, what, error, LIMIT);
    return error;
}

/* ---- closed forms: T = 3 rows of n = 4; x [size] holds the operands one behind the other; the
 * functions are sums over rows, weighted by w ---- */
typedef long double complex number;
enum { T = 3, n = 4, M = T * n };
static const double w[T] = { 0.75, -1.5, 0.4 };
static const int taken[T] = { 2, 0, 2 };

static number log_pi(const number *z, int t, int a)
{
    number sum = 0;
    for (int b = 0; b < n; b++) sum += cexpl(z[t * n + b]);
    return z[t * n + a] - clogl(sum);
}

static number entropy_of(const number *z, int t)
{
    number H = 0;
    for (int a = 0; a < n; a++) H -= cexpl(log_pi(z, t, a)) * log_pi(z, t, a);
    return H;
}

static number kl_of(const number *z, const number *z1, int t)
{
    number kl = 0;
    for (int a = 0; a < n; a++)
        kl += cexpl(log_pi(z, t, a)) * (log_pi(z, t, a) - log_pi(z1, t, a));
    return kl;
}

#define VALUE(f)    static number f##_value(const number *x)
#define GRADIENT(f) static void f##_gradient(const number *x, number *g)
#define BUILD(f)    static ad f##_build(ad x)
#define EACH_TJ     for (int t = 0; t < T; t++) for (int j = 0; j < n; j++)

BUILD(logp) { return categorical_logp(ad_view(x, 0, T, n), taken); }
VALUE(logp)
{
    number sum = 0;
    for (int t = 0; t < T; t++) sum += w[t] * log_pi(x, t, taken[t]);
    return sum;
}
GRADIENT(logp)                              /* the score: 1{a = j} - pi_j */
{
    EACH_TJ g[t * n + j] = w[t] * ((taken[t] == j) - cexpl(log_pi(x, t, j)));
}

BUILD(entropy) { return categorical_entropy(ad_view(x, 0, T, n)); }
VALUE(entropy)
{
    number sum = 0;
    for (int t = 0; t < T; t++) sum += w[t] * entropy_of(x, t);
    return sum;
}
GRADIENT(entropy)                           /* -pi_j (ln pi_j + H) */
{
    EACH_TJ g[t * n + j] = -w[t] * cexpl(log_pi(x, t, j)) * (log_pi(x, t, j) + entropy_of(x, t));
}

BUILD(kl) { return categorical_kl(ad_view(x, 0, T, n), ad_view(x, M, T, n)); }
VALUE(kl)
{
    number sum = 0;
    for (int t = 0; t < T; t++) sum += w[t] * kl_of(x, x + M, t);
    return sum;
}
GRADIENT(kl)                                /* old: pi_j (ln pi_j / pi'_j - KL);  new: pi'_j - pi_j */
{
    EACH_TJ {
        number ratio = log_pi(x, t, j) - log_pi(x + M, t, j), pi = cexpl(log_pi(x, t, j));
        g[t * n + j] = w[t] * pi * (ratio - kl_of(x, x + M, t));
        g[M + t * n + j] = w[t] * (cexpl(log_pi(x + M, t, j)) - pi);
    }
}

/* Gaussians: x = mean [T x n], a [T x n], ln sd [1 x n] or [T x n] (rows = 1 or T) */
static number log_density(number mean, number a, number l)
{
    number y = (a - mean) / cexpl(l);
    return -y * y / 2 - l - logl(2 * acosl(-1)) / 2;
}

static number density_value(const number *x, int rows)
{
    number sum = 0;
    EACH_TJ sum += w[t] * log_density(x[t * n + j], x[M + t * n + j], x[2 * M + t % rows * n + j]);
    return sum;
}

static void density_gradient(const number *x, int rows, number *g)
{
    for (int j = 0; j < rows * n; j++) g[2 * M + j] = 0;
    EACH_TJ {                               /* with y = (a - mean) / sd: y / sd, -y / sd, y^2 - 1 */
        number sd = cexpl(x[2 * M + t % rows * n + j]), y = (x[M + t * n + j] - x[t * n + j]) / sd;
        g[t * n + j] = w[t] * y / sd;
        g[M + t * n + j] = -w[t] * y / sd;
        g[2 * M + t % rows * n + j] += w[t] * (y * y - 1);
    }
}

static ad gaussian(ad (*logp)(ad, ad, ad), ad x, int rows)
{
    return logp(ad_view(x, 0, T, n), ad_view(x, 2 * M, rows, n), ad_view(x, M, T, n));
}

BUILD(one_sd)    { return gaussian(gaussian_logp, x, 1); }
VALUE(one_sd)    { return density_value(x, 1); }
GRADIENT(one_sd) { density_gradient(x, 1, g); }
BUILD(own_sd)    { return gaussian(gaussian_logp, x, T); }
VALUE(own_sd)    { return density_value(x, T); }
GRADIENT(own_sd) { density_gradient(x, T, g); }

BUILD(squashed) { return gaussian(tanh_gaussian_logp, x, 1); }
VALUE(squashed)                             /* 1 - tanh^2 = 1 / cosh^2 */
{
    number sum = density_value(x, 1);
    EACH_TJ sum += w[t] * 2 * clogl(ccoshl(x[M + t * n + j]));
    return sum;
}
GRADIENT(squashed)
{
    density_gradient(x, 1, g);
    EACH_TJ g[M + t * n + j] += w[t] * 2 * ctanhl(x[M + t * n + j]);
}

BUILD(gauss_entropy) { return gaussian_entropy(ad_view(x, 0, T, n)); }
VALUE(gauss_entropy)
{
    number sum = 0;
    EACH_TJ sum += w[t] * (x[t * n + j] + (1 + logl(2 * acosl(-1))) / 2);
    return sum;
}
GRADIENT(gauss_entropy) { (void)x; EACH_TJ g[t * n + j] = w[t]; }

/* x = mean [T x n], mean' [T x n], ln sd [1 x n], ln sd' [1 x n] */
BUILD(gauss_kl)
{
    return gaussian_kl(ad_view(x, 0, T, n), ad_view(x, 2 * M, 1, n), ad_view(x, M, T, n),
                       ad_view(x, 2 * M + n, 1, n));
}
VALUE(gauss_kl)
{
    number sum = 0;
    EACH_TJ {
        number l = x[2 * M + j], l1 = x[2 * M + n + j], d = x[t * n + j] - x[M + t * n + j];
        sum += w[t] * (l1 - l + (cexpl(2 * l) + d * d) / (2 * cexpl(2 * l1)) - 0.5L);
    }
    return sum;
}
GRADIENT(gauss_kl)
{
    for (int j = 0; j < 2 * n; j++) g[2 * M + j] = 0;
    EACH_TJ {
        number l = x[2 * M + j], l1 = x[2 * M + n + j], d = x[t * n + j] - x[M + t * n + j];
        g[t * n + j] = w[t] * d / cexpl(2 * l1);
        g[M + t * n + j] = -g[t * n + j];
        g[2 * M + j] += w[t] * (cexpl(2 * (l - l1)) - 1);
        g[2 * M + n + j] += w[t] * (1 - (cexpl(2 * l) + d * d) / cexpl(2 * l1));
    }
}

#define FORM(f, size) { #f, size, f##_build, f##_value, f##_gradient }
static const struct form {
    const char *name;
    int size;
    ad     (*build)(ad x);
    number (*value)(const number *x);
    void   (*gradient)(const number *x, number *g);
} forms[] = {
    FORM(logp, M), FORM(entropy, M), FORM(kl, 2 * M), FORM(one_sd, 2 * M + n), FORM(own_sd, 3 * M),
    FORM(squashed, 2 * M + n), FORM(gauss_entropy, M), FORM(gauss_kl, 2 * M + 2 * n),
};

static void draw(gsl_rng *rng, int size, double scale, double *x)
{
    for (int i = 0; i < size; i++) x[i] = scale * (2 * gsl_rng_uniform(rng) - 1);
}

/* The derivative along v of the value (k < 0) or of entry k of the gradient */
static long double along(const struct form *f, const double *x, const double *v, int k)
{
    const long double h = 1e-30L;
    number at[MAX], g[MAX];
    for (int i = 0; i < f->size; i++) at[i] = x[i] + I * h * v[i];
    if (k < 0) return cimagl(f->value(at)) / h;
    f->gradient(at, g);
    return cimagl(g[k]) / h;
}

/* Value, gradient and Hessian times v of each; and the gradient's formula is the value's. */
static void closed_forms(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(51, 0, RANDOM_TEST);
    for (int k = 0; k < COUNT(forms); k++)
        for (int round = 0; round < 20; round++) {
            const struct form *f = &forms[k];
            double x[MAX], v[MAX], worst[3], slope;
            draw(rng, f->size, 1.5, x);
            draw(rng, f->size, 1, v);
            number at[MAX], g[MAX];
            long double want_g[MAX], want_Hv[MAX], sum = 0, want;
            for (int i = 0; i < f->size; i++) at[i] = x[i];
            want = creall(f->value(at));
            f->gradient(at, g);
            for (int i = 0; i < f->size; i++) {
                want_g[i] = creall(g[i]);
                want_Hv[i] = along(f, x, v, i);
                sum += want_g[i] * v[i];
            }
            slope = (double)sum;
            want = along(f, x, v, -1);
            check(f->name, "formula of the gradient", 1, &slope, &want, 1);
            want = creall(f->value(at));

            ad_tape *t = ad_tape_new();
            ad X = ad_input(t, x, f->size, 1);
            ad y = ad_dot(f->build(X), ad_input(t, w, T, 1));
            ad dy = ad_grad(y, X), Hv = ad_grad(ad_dot(dy, ad_input(t, v, f->size, 1)), X);
            worst[0] = check(f->name, "value", 1, ad_value(y), &want, f->size);
            worst[1] = check(f->name, "gradient", f->size, ad_value(dy), want_g, f->size);
            worst[2] = check(f->name, "Hessian x v", f->size, ad_value(Hv), want_Hv, f->size);
            if (round == 0)
                print_message("  %-14s %.2f, %.2f, %.2f units\n", f->name, worst[0], worst[1], worst[2]);
            ad_tape_free(t);
        }
    gsl_rng_free(rng);
}

/* ---- numbers anyone can check ---- */
static void known_values(void **state)
{
    (void)state;
    ad_tape *t = ad_tape_new();
    ad zeros = ad_constant(t, 0, 1, 8), ones = ad_constant(t, 1, 1, 2);
    const double z[2] = { log(3), 0 };
    ad skew = ad_input(t, z, 1, 2);         /* pi = 3/4, 1/4 */
    const struct { ad y; double want; } known[] = {
        { categorical_entropy(zeros), 3 * M_LN2 },
        { categorical_kl(skew, ad_constant(t, 0, 1, 2)), 0.75 * log(1.5) - 0.25 * M_LN2 },
        { categorical_kl(ad_constant(t, 0, 1, 2), skew), M_LN2 - log(3) / 2 },
        { gaussian_logp(ones, ad_constant(t, 0, 1, 2), ones), -(M_LN2 + M_LNPI) },
        { gaussian_entropy(ad_constant(t, 0, 1, 1)), 1.4189385332046727418 },
    };
    for (int i = 0; i < COUNT(known); i++)
        assert_true(fabs(ad_scalar(known[i].y) - known[i].want) <= 8 * DBL_EPSILON);
    /* a mean moved by .1: KL = .1^2 / (2 sd^2) = .005, .5, 50 at sd = 1, .1, .01 */
    for (int k = 0; k < 3; k++) {
        ad l = ad_constant(t, -k * M_LN10, 1, 1);
        ad kl = gaussian_kl(ad_constant(t, 0, 1, 1), l, ad_constant(t, 0.1, 1, 1), l);
        assert_true(fabs(ad_scalar(kl) - 0.005 * pow(100, k)) <= 20 * DBL_EPSILON * pow(100, k));
    }
    ad_tape_free(t);
}

/* KL(p||p) = 0 exactly, and so are its gradient's entries by the second argument */
static void kl_of_equals(void **state)
{
    (void)state;
    double x[M], l[n];
    gsl_rng *rng = random_stream(52, 0, RANDOM_TEST);
    draw(rng, M, 3, x);
    draw(rng, n, 3, l);
    gsl_rng_free(rng);
    ad_tape *t = ad_tape_new();
    ad z = ad_input(t, x, T, n), ln_sd = ad_input(t, l, 1, n);
    ad kl[2] = { categorical_kl(ad_detach(z), z), gaussian_kl(ad_detach(z), ad_detach(ln_sd), z, ln_sd) };
    for (int k = 0; k < 2; k++) {
        ad g = ad_grad(ad_sum(kl[k]), z);
        for (int i = 0; i < T; i++) assert_true(ad_value(kl[k])[i] == 0);
        for (int i = 0; i < M; i++) assert_true(fabs(ad_value(g)[i]) <= 2 * DBL_EPSILON);
    }
    ad_tape_free(t);
}

/* ---- forbidden actions and gaps ---- */
/* Probability 0, and 0 for every derivative through the forbidden logit, of first and second
 * order; the other actions have the distribution that they have alone (to a few roundings: vector
 * and scalar exp may differ in the last place). */
static void forbidden(void **state)
{
    (void)state;
    const double masked[4] = { 0.3, CATEGORICAL_FORBIDDEN, -1.2, 0.5 }, alone[3] = { 0.3, -1.2, 0.5 };
    const double v[4] = { 1, 2, -1, 0.5 };
    static const int last[1] = { 3 }, last_alone[1] = { 2 };
    ad_tape *t = ad_tape_new();
    ad z = ad_input(t, masked, 1, 4), z3 = ad_input(t, alone, 1, 3);
    ad old = ad_mul(z, ad_constant(t, 1.25, 1, 4)), old3 = ad_mul(z3, ad_constant(t, 1.25, 1, 3));
    assert_true(exp(ad_value(categorical_log_probabilities(z))[1]) == 0);
    ad y[] = { categorical_entropy(z), categorical_kl(old, z), categorical_kl(z, old),
               categorical_logp(z, last) };
    ad y3[] = { categorical_entropy(z3), categorical_kl(old3, z3), categorical_kl(z3, old3),
                categorical_logp(z3, last_alone) };
    for (int k = 0; k < 4; k++) {
        ad g = ad_grad(y[k], z), g3 = ad_grad(y3[k], z3);
        ad Hv = ad_grad(ad_dot(g, ad_input(t, v, 1, 4)), z);
        const double *alone_g = ad_value(g3);
        long double want = ad_scalar(y3[k]), want_g[4] = { alone_g[0], 0, alone_g[1], alone_g[2] };
        check("forbidden", "value", 1, ad_value(y[k]), &want, 4);
        check("forbidden", "gradient", 4, ad_value(g), want_g, 4);
        assert_true(ad_value(g)[1] == 0 && ad_value(Hv)[1] == 0);
    }
    ad_tape_free(t);
}

/* A gap of 700 between logits: pi = 1 and e^-700 = 1e-304 */
static void large_gaps(void **state)
{
    (void)state;
    const double gap[2] = { 700, 0 };
    static const int a[2][1] = { { 0 }, { 1 } };
    ad_tape *t = ad_tape_new();
    ad z = ad_input(t, gap, 1, 2), even = ad_constant(t, 0, 1, 2);
    assert_true(ad_scalar(categorical_logp(z, a[0])) == 0 && ad_scalar(categorical_logp(z, a[1])) == -700);
    ad H = categorical_entropy(z), g = ad_grad(H, z);
    double e = exp(-700);                   /* H = 700 e^-700, dH/dz = -+ 700 e^-700 to 1 part in 700 */
    assert_true(fabs(ad_scalar(H) / (700 * e) - 1) <= 1e-12);
    assert_true(fabs(ad_value(g)[1] / (700 * e) - 1) <= 1 / 699.0 && ad_value(g)[0] <= 0);
    assert_true(fabs(ad_scalar(categorical_kl(z, even)) - M_LN2) <= DBL_EPSILON);
    assert_true(fabs(ad_scalar(categorical_kl(even, z)) - (350 - M_LN2)) <= 700 * DBL_EPSILON);
    ad_tape_free(t);
}

/* ln(1 - tanh^2 u) where tanh u = 1 in doubles: 2 (ln 2 - |u|), finite to any u */
static void saturation(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++)
        for (double u = 20; u < 1e5; u *= 7) {
            ad_tape *t = ad_tape_new();
            double x = k ? -u : u;
            ad a = ad_input(t, &x, 1, 1), mean = ad_input(t, &x, 1, 1), l = ad_constant(t, 0, 1, 1);
            double got = ad_scalar(tanh_gaussian_logp(mean, l, a)) - ad_scalar(gaussian_logp(mean, l, a));
            assert_true(fabs(got - 2 * (u - M_LN2)) <= 4 * DBL_EPSILON * u);
            ad_tape_free(t);
        }
}

/* ---- quadrature: the density is exp(gaussian_logp), point by point through the tape. GSL is
 * asked for 1e-12, and where rounding stops it its estimate must be below 1e-11, which is allowed. ---- */
struct law { int size; double mean[2], log_sd[2]; };
struct integral {
    ad_tape *t;
    const struct law *p, *q;                /* density; and the other of a KL */
    double (*f)(const struct integral *x);  /* of the point a */
    int i, j;                               /* which scores */
    double a[2];
    int axis;                               /* the one integrated over */
    gsl_integration_workspace *space[2];
};

static ad nodes(ad_tape *t, const struct law *p, ad leaf[2], const double *a)
{
    leaf[0] = ad_input(t, p->mean, 1, p->size);
    leaf[1] = ad_input(t, p->log_sd, 1, p->size);
    return gaussian_logp(leaf[0], leaf[1], ad_input(t, a, 1, p->size));
}

static double logp_at(const struct integral *x, const struct law *p)
{
    ad leaf[2];
    ad_mark mark = ad_here(x->t);
    double logp = ad_scalar(nodes(x->t, p, leaf, x->a));
    ad_reset(x->t, mark);
    return logp;
}

static double score_at(const struct integral *x, int i)     /* times sd by the mean (0); by ln sd (1) */
{
    ad leaf[2];
    ad_mark mark = ad_here(x->t);
    ad logp = nodes(x->t, x->p, leaf, x->a);
    double score = ad_scalar(ad_grad(logp, leaf[i])) * (i ? 1 : exp(x->p->log_sd[0]));
    ad_reset(x->t, mark);
    return score;
}

static double one(const struct integral *x)           { (void)x; return 1; }
static double surprise(const struct integral *x)      { return -logp_at(x, x->p); }
static double log_ratio(const struct integral *x)     { return logp_at(x, x->p) - logp_at(x, x->q); }
static double score(const struct integral *x)         { return score_at(x, x->i); }
static double score_product(const struct integral *x) { return score_at(x, x->i) * score_at(x, x->j); }

static double integrate(struct integral *x);

/* a = mean + sd (y + .3) 1.5: the peak near 0 and of order 1, but not where the rule would like it */
static double at_point(double y, void *parameters)
{
    struct integral *x = parameters;
    int axis = x->axis;
    double sd = exp(x->p->log_sd[axis]), value;
    x->a[axis] = x->p->mean[axis] + 1.5 * sd * (y + 0.3);
    if (axis + 1 < x->p->size) {
        x->axis++;
        value = integrate(x);
        x->axis--;
    } else {
        double density = exp(logp_at(x, x->p));
        value = density > 0 ? density * x->f(x) : 0;
    }
    return 1.5 * sd * value;
}

static double integrate(struct integral *x)
{
    double value, error;
    gsl_function f = { at_point, x };
    int status = gsl_integration_qagi(&f, 1e-12, 1e-12, 200, x->space[x->axis], &value, &error);
    assert_true(status == GSL_SUCCESS || status == GSL_EROUND);
    assert_true(error <= 1e-11 * fmax(1, fabs(value)));
    return value;
}

static double expectation(const struct law *p, const struct law *q,
                          double (*f)(const struct integral *), int i, int j)
{
    struct integral x = { .t = ad_tape_new(), .p = p, .q = q, .f = f, .i = i, .j = j };
    for (int k = 0; k < 2; k++) x.space[k] = gsl_integration_workspace_alloc(200);
    double value = integrate(&x);
    for (int k = 0; k < 2; k++) gsl_integration_workspace_free(x.space[k]);
    ad_tape_free(x.t);
    return value;
}

static void assert_integral(const char *what, double integral, double want)
{
    if (!(fabs(integral - want) <= 1e-11 * fmax(1, fabs(want))))
        fail_msg("%s: quadrature %.15g, the function %.15g", what, integral, want);
}

static double node_scalar(double (*f)(ad_tape *, const struct law *, const struct law *),
                          const struct law *p, const struct law *q)
{
    ad_tape *t = ad_tape_new();
    double value = f(t, p, q);
    ad_tape_free(t);
    return value;
}

static double entropy_node(ad_tape *t, const struct law *p, const struct law *q)
{
    (void)q;
    return ad_scalar(gaussian_entropy(ad_input(t, p->log_sd, 1, p->size)));
}

static double kl_node(ad_tape *t, const struct law *p, const struct law *q)
{
    ad m = ad_input(t, p->mean, 1, p->size), l = ad_input(t, p->log_sd, 1, p->size);
    ad m1 = ad_input(t, q->mean, 1, q->size), l1 = ad_input(t, q->log_sd, 1, q->size);
    return ad_scalar(gaussian_kl(m, l, m1, l1));
}

static const struct law laws[] = {
    { 1, { 0, 0 }, { 0, 0 } }, { 1, { 1.3, 0 }, { -5, 0 } }, { 1, { -40, 0 }, { 3, 0 } },
    { 1, { 0.4, 0 }, { 0.2, 0 } }, { 2, { 0.5, -2 }, { -1, 0.7 } }, { 2, { 0.1, -1 }, { -0.5, 0.5 } },
};

/* The density integrates to 1, entropy = E[-log p], KL(p||q) = E_p[log p - log q] in both
 * directions: one dimension and two. */
static void quadrature(void **state)
{
    (void)state;
    for (int k = 0; k < COUNT(laws); k++) {
        assert_integral("density", expectation(&laws[k], NULL, one, 0, 0), 1);
        assert_integral("entropy", expectation(&laws[k], NULL, surprise, 0, 0),
                        node_scalar(entropy_node, &laws[k], NULL));
    }
    static const int pair[][2] = { { 0, 3 }, { 3, 0 }, { 4, 5 }, { 5, 4 }, { 2, 0 } };
    for (int k = 0; k < COUNT(pair); k++) {
        const struct law *p = &laws[pair[k][0]], *q = &laws[pair[k][1]];
        assert_integral("KL", expectation(p, q, log_ratio, 0, 0), node_scalar(kl_node, p, q));
    }
}

/* E[score] = 0; E[score score^T] = the Hessian of KL(old||new) by new, at new = old. */
static void scores(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        const struct law *p = &laws[k];
        double sd = exp(p->log_sd[0]);
        ad_tape *t = ad_tape_new();
        ad x[2] = { ad_input(t, p->mean, 1, 1), ad_input(t, p->log_sd, 1, 1) }, g[2];
        ad_grads(gaussian_kl(ad_detach(x[0]), ad_detach(x[1]), x[0], x[1]), 2, x, g);
        for (int i = 0; i < 2; i++) {
            assert_integral("score", expectation(p, NULL, score, i, 0), 0);
            for (int j = 0; j < 2; j++) {
                double F = ad_scalar(ad_grad(g[i], x[j])) * (i ? 1 : sd) * (j ? 1 : sd);
                assert_integral("Fisher", expectation(p, NULL, score_product, i, j), F);
            }
        }
        ad_tape_free(t);
    }
}

/* The squashed density over a = tanh u: in u, da = du / cosh^2 u, which logp must undo. Its law
 * with mean 9 lies where 1 - a < 1e-7. */
static double squashed_at(double u, void *law)
{
    const struct law *p = law;
    ad_tape *t = ad_tape_new();
    ad m = ad_input(t, p->mean, 1, 1), l = ad_input(t, p->log_sd, 1, 1);
    double density = exp(ad_scalar(tanh_gaussian_logp(m, l, ad_input(t, &u, 1, 1))));
    ad_tape_free(t);
    return density / (cosh(u) * cosh(u));
}

static void squashed_integral(void **state)
{
    (void)state;
    static struct law squashed[] = { { 1, { 0.3, 0 }, { -0.5, 0 } }, { 1, { 9, 0 }, { 0.3, 0 } },
                                     { 1, { -3, 0 }, { 1, 0 } } };
    gsl_integration_workspace *space = gsl_integration_workspace_alloc(200);
    for (int k = 0; k < COUNT(squashed); k++) {
        double value, error, mean = squashed[k].mean[0], sd = exp(squashed[k].log_sd[0]);
        gsl_function f = { squashed_at, &squashed[k] };
        gsl_integration_qag(&f, mean - 12 * sd, mean + 12 * sd, 1e-12, 1e-12, 200, GSL_INTEG_GAUSS61,
                            space, &value, &error);
        assert_true(error <= 1e-11);
        assert_integral("squashed density", value, 1);
    }
    gsl_integration_workspace_free(space);
}

/* ---- Categorical sums: sum pi = 1, E[score] = 0, E[score score^T] = Hessian of the KL at
 * equality = diag(pi) - pi pi^T ---- */
static void categorical_sums(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(53, 0, RANDOM_TEST);
    for (int round = 0; round < 10; round++) {
        double z[n], basis[n * n] = { 0 };
        long double pi[n], F[n * n] = { 0 }, mean[n] = { 0 }, sum = 0;
        draw(rng, n, 3, z);
        for (int i = 0; i < n; i++) basis[i * n + i] = 1;
        for (int a = 0; a < n; a++) sum += expl(z[a]);
        for (int a = 0; a < n; a++) pi[a] = expl(z[a]) / sum;
        ad_tape *t = ad_tape_new();
        ad x = ad_input(t, z, 1, n), g = ad_grad(categorical_kl(ad_detach(x), x), x);
        ad probability = ad_exp(categorical_log_probabilities(x));
        check("probabilities", "softmax", n, ad_value(probability), pi, n);
        for (int a = 0; a < n; a++) {
            const double *s = ad_value(ad_grad(categorical_logp(x, &a), x));
            for (int i = 0; i < n; i++) mean[i] += pi[a] * s[i];
            for (int i = 0; i < n * n; i++) F[i] += pi[a] * s[i / n] * s[i % n];
        }
        for (int i = 0; i < n; i++) {
            assert_true(fabsl(mean[i]) <= LIMIT * DBL_EPSILON * n);
            ad row = ad_grad(ad_dot(g, ad_input(t, basis + i * n, 1, n)), x);
            check("Hessian of the KL", "row", n, ad_value(row), F + i * n, n);
            for (int j = 0; j < n; j++) F[i * n + j] = (i == j) * pi[i] - pi[i] * pi[j];
            check("Hessian of the KL", "closed form", n, ad_value(row), F + i * n, n);
        }
        ad_tape_free(t);
    }
    gsl_rng_free(rng);
}

/* ---- samples: n = 1e6, fixed seeds; a right sampler fails a test with probability 1e-6 ---- */
enum { SAMPLES = 1000000 };
static const double ALPHA = 1e-6;
static const double z5[5] = { 0.3, -1.1, -INFINITY, 1.2, -4 };

/* Pearson's chi^2 of draws with logits drawn_from against the probabilities of z5 */
static double chi_squared_p(const double *drawn_from)
{
    double pi[5], sum = 0, chi2 = 0;
    int count[5] = { 0 }, cells = 0;
    gsl_rng *rng = random_stream(54, 0, RANDOM_TEST);
    for (int i = 0; i < SAMPLES; i++) count[categorical_sample(rng, 5, drawn_from)]++;
    gsl_rng_free(rng);
    for (int a = 0; a < 5; a++) sum += exp(z5[a]);
    for (int a = 0; a < 5; a++) {
        pi[a] = exp(z5[a]) / sum;
        if (pi[a] == 0) assert_int_equal(count[a], 0);
        if (pi[a] == 0) continue;
        chi2 += gsl_pow_2(count[a] - SAMPLES * pi[a]) / (SAMPLES * pi[a]);
        cells++;
    }
    return gsl_cdf_chisq_Q(chi2, cells - 1);
}

/* Rejected: one logit of four wrong by .02, which moves probabilities by 1 %; uniform draws */
static void categorical_samples(void **state)
{
    (void)state;
    double shifted[5], shift_all[5];
    for (int a = 0; a < 5; a++) {
        shifted[a] = z5[a] + (a == 0 ? 0.02 : 0);
        shift_all[a] = z5[a] + 1000;                    /* changes nothing, and must not overflow */
    }
    const double even[5] = { 0, 0, -INFINITY, 0, 0 };
    assert_true(chi_squared_p(z5) >= ALPHA);
    assert_true(chi_squared_p(shift_all) >= ALPHA);
    assert_true(chi_squared_p(shifted) < ALPHA);
    assert_true(chi_squared_p(even) < ALPHA);
}

/* A generator that gives the same number for ever: the first and the last that there are */
static double fixed_number;
static void fixed_set(void *s, unsigned long seed) { (void)s; (void)seed; }
static unsigned long fixed_get(void *s)            { (void)s; return 0; }
static double fixed_double(void *s)                { (void)s; return fixed_number; }
static const gsl_rng_type fixed_type = { "fixed", 0xffffffffUL, 0, sizeof(int),
                                         fixed_set, fixed_get, fixed_double };

/* Uniform 0 and 1 - 2^-53: the first and last action with a probability, never one without */
static void edge_draws(void **state)
{
    (void)state;
    static const struct { double z[4]; int first, last; } edge[] = {
        { { -INFINITY, 0, 1, -INFINITY }, 1, 2 },
        { { CATEGORICAL_FORBIDDEN, 3, CATEGORICAL_FORBIDDEN, -INFINITY }, 1, 1 },
        { { 700, 0, 0, 0 }, 0, 0 },
        { { 0, 0, 0, 700 }, 0, 3 },
        { { 0, 0, 0, 800 }, 3, 3 },
        { { 1e300, -1e300, 0, 1e300 }, 0, 3 },
        { { -1e300, -1e300, -1e300, -1e300 }, 0, 3 },
        { { 0.1, 0.2, 0.3, 0.4 }, 0, 3 },
    };
    gsl_rng *rng = gsl_rng_alloc(&fixed_type);
    for (int i = 0; i < COUNT(edge); i++) {
        fixed_number = 0;
        int first = categorical_sample(rng, 4, edge[i].z);
        fixed_number = 1 - 0x1p-53;
        int last = categorical_sample(rng, 4, edge[i].z);
        if (first != edge[i].first || last != edge[i].last) fail_msg("case %d: %d, %d", i, first, last);
    }
    gsl_rng_free(rng);
}

static void sample_wrong(int which)
{
    static const double z[3][2] = { { 0, NAN }, { INFINITY, 0 }, { -INFINITY, -INFINITY } };
    gsl_rng *rng = random_stream(1, 0, RANDOM_TEST);
    if (!freopen("/dev/null", "w", stderr)) _exit(98);
    categorical_sample(rng, 2, z[which]);
    _exit(99);
}

static void sample_errors(void **state)
{
    (void)state;
    for (int which = 0; which < 3; which++) {
        fflush(NULL);
        pid_t child = fork();
        int status;
        if (child == 0) sample_wrong(which);
        assert_true(waitpid(child, &status, 0) == child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NUMERICAL);
    }
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Kolmogorov's statistic against N(mean, sd^2), over its limit: P(sqrt n D > x) <= 2 e^{-2 x^2} */
static double kolmogorov(double *sorted, double mean, double sd)
{
    double D = 0;
    for (int i = 0; i < SAMPLES; i++) {
        double F = gsl_cdf_gaussian_P(sorted[i] - mean, sd);
        D = fmax(D, fmax(F - (double)i / SAMPLES, (i + 1.0) / SAMPLES - F));
    }
    return D / sqrt(log(2 / ALPHA) / 2 / SAMPLES);
}

/* Two dimensions, each by Kolmogorov's test, and uncorrelated: |r| <= 4.9 / sqrt n. Rejected: the
 * mean wrong by .01 sd, sd wrong by 2 %, the variance's logarithm for that of sd. */
static void gaussian_samples(void **state)
{
    (void)state;
    const double mean[2] = { 1.5, -3 }, log_sd[2] = { -0.7, 0.9 };
    double *a = allocate(2 * SAMPLES, sizeof *a, "samples"), r = 0;
    gsl_rng *rng = random_stream(55, 0, RANDOM_TEST);
    for (int i = 0; i < SAMPLES; i++) {
        double pair[2];
        gaussian_sample(rng, 2, mean, log_sd, pair);
        for (int j = 0; j < 2; j++) a[j * SAMPLES + i] = pair[j];
        r += (pair[0] - mean[0]) / exp(log_sd[0]) * (pair[1] - mean[1]) / exp(log_sd[1]) / SAMPLES;
    }
    gsl_rng_free(rng);
    assert_true(fabs(r) <= 4.9 / sqrt(SAMPLES));
    for (int j = 0; j < 2; j++) {
        double *x = a + j * SAMPLES, sd = exp(log_sd[j]);
        qsort(x, SAMPLES, sizeof *x, ascending);
        assert_true(kolmogorov(x, mean[j], sd) <= 1);
        assert_true(kolmogorov(x, mean[j] + 0.01 * sd, sd) > 1);
        assert_true(kolmogorov(x, mean[j], 1.02 * sd) > 1);
        assert_true(kolmogorov(x, mean[j], sqrt(sd)) > 1);
    }
    free(a);
}

/* a = mean + sd eps, eps the stream's next normal numbers, in order: what a pathwise gradient relies on. */
static void gaussian_path(void **state)
{
    (void)state;
    const double mean[3] = { 1.5, -3, 0 }, log_sd[3] = { -0.7, 0.9, 0 };
    double a[3];
    gsl_rng *rng = random_stream(56, 0, RANDOM_TEST), *same = gsl_rng_clone(rng);
    gaussian_sample(rng, 3, mean, log_sd, a);
    for (int j = 0; j < 3; j++) {
        long double sd = expl(log_sd[j]), eps = gsl_ran_ugaussian(same);
        assert_true(fabsl(a[j] - (mean[j] + sd * eps)) <= 4 * DBL_EPSILON * (fabs(mean[j]) + sd * fabsl(eps)));
    }
    gsl_rng_free(same);
    gsl_rng_free(rng);
}

/* ---- stored cases of tests/reference/autodiff: value, gradient and H v in 100 digits. All
 * differentiated tensors of a case are one vector, in the order of cases.csv. ---- */
enum { TENSORS = 10, LONGEST = 64 };
struct tensor { char name[8]; bool differentiated; int r, c, offset; double value[LONGEST]; };
struct stored {
    int tensors, size;                      /* size: entries of the vector x */
    struct tensor t[TENSORS];
    double x[LONGEST], dir[LONGEST], out;
    long double grad[LONGEST], hvp[LONGEST];
    int labels[LONGEST];
    ad_tape *tape;
    ad X;
};

static ad part(struct stored *s, int k)     /* tensor k: a view of x, or a constant */
{
    struct tensor *t = &s->t[k];
    if (t->differentiated) return ad_view(s->X, t->offset, t->r, t->c);
    return ad_input(s->tape, t->value, t->r, t->c);
}

static const int *labels(struct stored *s, int k)
{
    for (int i = 0; i < s->t[k].r; i++) s->labels[i] = (int)s->t[k].value[i];
    return s->labels;
}

static ad policy_output(struct stored *s, const network *f, int offset, ad x)
{
    return network_forward(f, ad_view(s->X, offset, network_n(f), 1), x);
}

static ad per_row(ad y) { return ad_scale(1.0 / ad_nrows(y), ad_sum(y)); }

static const network mlp_tanh = { 2, { 3, 4, 2 }, AD_TANH }, mlp_relu = { 2, { 3, 5, 3 }, AD_RELU },
                     policy = { 2, { 3, 3, 2 }, AD_TANH }, trunk = { 1, { 3, 4 }, AD_LINEAR },
                     logits = { 1, { 4, 3 }, AD_LINEAR }, value = { 1, { 4, 1 }, AD_LINEAR };

#define CASE(name) static ad case_##name(struct stored *s)
CASE(log_softmax)         { return ad_dot(part(s, 1), categorical_log_probabilities(part(s, 0))); }
CASE(cross_entropy)       { return ad_neg(ad_mean(categorical_logp(part(s, 0), labels(s, 1)))); }
CASE(entropy_categorical) { return ad_mean(categorical_entropy(part(s, 0))); }
CASE(kl_categorical)      { return ad_mean(categorical_kl(part(s, 0), part(s, 1))); }
CASE(kl_categorical_same) { return ad_mean(categorical_kl(part(s, 1), part(s, 0))); }
CASE(gauss_logprob)       { return per_row(gaussian_logp(part(s, 1), part(s, 2), part(s, 0))); }
CASE(gauss_entropy)       { return ad_sum(ad_square(gaussian_entropy(ad_transpose(part(s, 0))))); }
CASE(kl_gauss)            { return per_row(gaussian_kl(part(s, 0), part(s, 1), part(s, 2), part(s, 3))); }

CASE(mlp2_relu_ce)
{
    return ad_neg(ad_mean(categorical_logp(policy_output(s, &mlp_relu, 0, part(s, 4)), labels(s, 5))));
}

CASE(tanh_gauss_logprob)                    /* u = mu + e^ls eps */
{
    ad mu = part(s, 0), ls = part(s, 1);
    ad u = ad_add(mu, ad_mul(ad_exp(ad_rows(ls, 3)), part(s, 2)));
    return per_row(tanh_gaussian_logp(mu, ls, u));
}

CASE(ppo_clip_logits)
{
    ad ratio = ad_exp(ad_sub(categorical_logp(part(s, 0), labels(s, 1)), part(s, 2))), adv = part(s, 3);
    return ad_mean(ad_min(ad_mul(ratio, adv), ad_mul(ad_clip(ratio, 0.8, 1.2), adv)));
}

CASE(mlp2_tanh_mse)
{
    return ad_mean(ad_square(ad_sub(policy_output(s, &mlp_tanh, 9, part(s, 0)), part(s, 5))));
}

CASE(gauss_policy_surrogate)
{
    ad mean = policy_output(s, &policy, 0, part(s, 5));
    ad ratio = ad_exp(ad_sub(gaussian_logp(mean, part(s, 4), part(s, 6)), part(s, 7)));
    return ad_mean(ad_mul(ratio, part(s, 8)));
}

CASE(a2c_loss)
{
    ad h = ad_tanh(policy_output(s, &trunk, 0, part(s, 6)));
    ad z = policy_output(s, &logits, 16, h), v = policy_output(s, &value, 31, h);
    ad J = ad_mean(ad_mul(categorical_logp(z, labels(s, 7)), part(s, 8)));
    ad L_V = ad_mean(ad_square(ad_sub(v, part(s, 9))));
    return ad_sub(ad_sub(ad_scale(0.5, L_V), J), ad_scale(0.01, ad_mean(categorical_entropy(z))));
}

#define STORED(name) { #name, case_##name }
static const struct { const char *name; ad (*build)(struct stored *s); } cases[] = {
    STORED(log_softmax), { "log_softmax_large", case_log_softmax }, STORED(cross_entropy),
    STORED(entropy_categorical), STORED(kl_categorical), STORED(kl_categorical_same),
    STORED(gauss_logprob), STORED(gauss_entropy), STORED(kl_gauss), STORED(tanh_gauss_logprob),
    STORED(ppo_clip_logits), STORED(mlp2_tanh_mse), STORED(mlp2_relu_ce),
    STORED(gauss_policy_surrogate), STORED(a2c_loss),
};

static FILE *open_reference(const char *file)
{
    char path[1000];
    snprintf(path, sizeof path, "%s/autodiff/%s", REFERENCE, file);
    FILE *f = fopen(path, "r");
    if (!f) fail_msg("%s: %s (run from the root of the project)", path, strerror(errno));
    return f;
}

#define WORDS "%63[^,],%63[^,],%63[^,]"

static void load_shapes(const char *name, struct stored *s)
{
    char line[300], word[3][64];
    int r, c;
    FILE *f = open_reference("cases.csv");
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, WORDS ",%d,%d", word[0], word[1], word[2], &r, &c) != 5) continue;
        if (strcmp(word[0], name)) continue;
        struct tensor *t = &s->t[s->tensors++];
        bool in = strcmp(word[2], "in") == 0;
        *t = (struct tensor){ .differentiated = in, .r = r, .c = c, .offset = s->size };
        snprintf(t->name, sizeof t->name, "%.7s", word[1]);
        if (t->differentiated) s->size += r * c;
        assert_true(s->tensors <= TENSORS && s->size <= LONGEST && r * c <= LONGEST);
    }
    fclose(f);
}

/* What the file lacks stays NaN, and fails. */
static void load_values(const char *name, struct stored *s)
{
    char line[300], word[3][64];
    int i, j;
    double entry;
    s->out = NAN;
    for (int k = 0; k < LONGEST; k++) s->x[k] = s->dir[k] = s->grad[k] = s->hvp[k] = NAN;
    FILE *f = open_reference("values.csv");
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, WORDS ",%d,%d,%lf", word[0], word[1], word[2], &i, &j, &entry) != 6) continue;
        if (strcmp(word[0], name)) continue;
        if (!strcmp(word[1], "out")) s->out = entry;
        for (int k = 0; k < s->tensors; k++) {
            struct tensor *t = &s->t[k];
            if (strcmp(word[2], t->name) || i >= t->r || j >= t->c) continue;
            int at = i * t->c + j;
            if (!strcmp(word[1], "const")) t->value[at] = entry;
            if (!strcmp(word[1], "in")) s->x[t->offset + at] = entry;
            if (!strcmp(word[1], "dir")) s->dir[t->offset + at] = entry;
            if (!strcmp(word[1], "grad")) s->grad[t->offset + at] = entry;
            if (!strcmp(word[1], "hvp")) s->hvp[t->offset + at] = entry;
        }
    }
    fclose(f);
}

static void stored_cases(void **state)
{
    (void)state;
    for (int k = 0; k < COUNT(cases); k++) {
        static struct stored s;
        s = (struct stored){ .tape = ad_tape_new() };
        load_shapes(cases[k].name, &s);
        load_values(cases[k].name, &s);
        double N = 1;
        for (int i = 0; i < s.tensors; i++) N += s.t[i].r * s.t[i].c;
        long double out = s.out;
        s.X = ad_input(s.tape, s.x, s.size, 1);
        ad y = cases[k].build(&s), g = ad_grad(y, s.X);
        ad Hv = ad_grad(ad_dot(g, ad_input(s.tape, s.dir, s.size, 1)), s.X);
        double first = check(cases[k].name, "value", 1, ad_value(y), &out, N);
        double second = check(cases[k].name, "gradient", s.size, ad_value(g), s.grad, N);
        double third = check(cases[k].name, "Hessian x v", s.size, ad_value(Hv), s.hvp, N);
        print_message("  %-24s %.2f, %.2f, %.2f units\n", cases[k].name, first, second, third);
        ad_tape_free(s.tape);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed_forms), cmocka_unit_test(known_values),
        cmocka_unit_test(kl_of_equals), cmocka_unit_test(forbidden), cmocka_unit_test(large_gaps),
        cmocka_unit_test(saturation), cmocka_unit_test(quadrature), cmocka_unit_test(scores),
        cmocka_unit_test(squashed_integral), cmocka_unit_test(categorical_sums),
        cmocka_unit_test(categorical_samples), cmocka_unit_test(edge_draws),
        cmocka_unit_test(sample_errors), cmocka_unit_test(gaussian_samples), cmocka_unit_test(gaussian_path),
        cmocka_unit_test(stored_cases),
    };
    gsl_set_error_handler_off();            /* the quadratures look at the status */
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
