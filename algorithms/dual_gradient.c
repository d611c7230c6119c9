/* Dual gradient descent on the KL-constrained surrogate, with exact advantages (001, l.363-400).
 *
 *     max_{pi'} A_bar(pi') = L(pi') - eta   subject to   mean_s KL(pi'||pi) <= epsilon        KL-4
 *     Lagrangian(pi', lambda) = A_bar(pi') - lambda (mean_s KL(pi'||pi) - epsilon)            KL-5
 *     loop
 *         pi' <- argmax of the Lagrangian, or a few steps of gradient ascent      KL-6, step 1
 *         lambda <- max(0, lambda + alpha (mean_s KL(pi'||pi) - epsilon))         KL-6, step 2
 *
 * The maximum over pi' is one state's own: rho(s) sum_a pi'(a) A(a) - lambda d(s) KL, d = rho / sum(rho), has its
 * stationary point at pi'(a) = pi(a) exp(A(a)/beta) / Z, beta = lambda / sum(rho). What is left is convex in lambda,
 * and its derivative epsilon - mean KL: step 2 descends it.
 *
 * Deviations from the source
 *   1. 001's step 2 has no max(0, .): where the constraint does not bind lambda turns negative, and the Lagrangian
 *      rewards distance from pi (ERR-36).
 *   2. 001 has one lambda for a KL of each state, without a mean or maximum (ERR-35): here the mean, where pi goes.
 *   3. The units of lambda and alpha are those of its problem without constraints: see dual_gradient_unit.
 *   4. With exact maxima: where a step of lambda has not brought the mean KL nearer to epsilon by half, alpha is
 *      halved if it leapt over, doubled if it crept; and a step out of the interval that is known to hold the
 *      multiplier ends in its middle. A constant alpha circles where pi hardly ever takes the best action. Should
 *      lambda not settle in `updates` steps all the same, pi stays.
 *
 * Critical
 *   - KL(new||old), as 001 prints it (ERR-34); TRPO's, in trpo_mm.c, is KL(old||new).
 *   - lambda rises where the constraint is violated. */
#include "algorithms/dual_gradient.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_sf_log.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"

const dual_gradient_config dual_gradient_defaults = {
    .delta_kl = 0.01, .lambda = 1, .alpha = 0.5, .lr = 1, .updates = 10000, .settled = 1e-9, .tolerance = 1e-10,
};

#define FIELD(name) #name, .at = offsetof(dual_gradient_config, name)
#define REAL(least, most) .kind = CONFIG_REAL, .low = least, .high = most
const config_field dual_gradient_fields[] = {
    { FIELD(delta_kl), REAL(1e-12, 1e300), .about = "epsilon: what the mean KL may be" },
    { FIELD(lambda), REAL(0, 1e300), .about = "the first one, in units of the quadratic model's" },
    { FIELD(alpha), REAL(1e-300, 1e300), .about = "step size of lambda, in units of that / (2 epsilon)" },
    { FIELD(steps), .kind = CONFIG_WHOLE, .low = 0, .high = 1e6, .about = "along the gradient in theta' for one of"
      " lambda; 0: to the maximum" },
    { FIELD(lr), REAL(0, 1e300), .about = "size of such a step, in units of 1/lambda's" },
    { FIELD(updates), .kind = CONFIG_WHOLE, .low = 1, .high = 1e9, .about = "of lambda, at most" },
    { FIELD(settled), REAL(1e-14, 1), .about = "it ends where the mean KL is so near epsilon, relatively" },
    { FIELD(tolerance), REAL(0, 1e300), .about = "nothing is done for a gain of L of no more" },
    { .name = NULL },
};

/* KL-3   sum_a pi1 log(pi1/pi) = sum_a pi ((1+e) log(1+e) - e),   e = pi1/pi - 1: terms of the order of e^2 */
double dual_gradient_kl(int nA, const double *pi1, const double *pi)
{
    double kl = 0;
    for (int a = 0; a < nA; a++) {
        if (!(pi[a] > 0) && pi1[a] > 0) return INFINITY;
        double ratio = pi[a] > 0 ? pi1[a] / pi[a] : 0, e = pi[a] > 0 ? (pi1[a] - pi[a]) / pi[a] : 0;
        bool near = e > -0.5 && e < 1;
        if (near)            kl += pi[a] * ((1 + e) * gsl_sf_log_1plusx_mx(e) + e * e);
        else if (ratio == 0) kl += pi[a];                       /* 0 log 0 = 0 */
        else                 kl += pi[a] * (ratio * log(ratio) - e);
    }
    return kl;
}

/*[snip dual-gradient-lagrangian later]*/
/* sum_s d(s) KL(pi1(.|s)||pi(.|s)),   d = rho / sum(rho) */
double dual_gradient_mean_kl(const exact_table *x, const double *pi1)
{
    double kl = 0, visits = 0;
    for (int s = 0; s < x->nS; s++) {
        if (!(x->rho[s] > 0)) continue;
        kl += x->rho[s] * dual_gradient_kl(x->nA, pi1 + s * x->nA, x->pi + s * x->nA);
        visits += x->rho[s];
    }
    return visits > 0 ? kl / visits : 0;
}

/* KL-5   A_bar(pi1) - lambda (mean KL - epsilon) */
double dual_gradient_lagrangian(const exact_table *x, double epsilon, double lambda, const double *pi1)
{
    /* BEGIN SOLUTION KL-5 */
    return surrogate_gain(x, pi1) - lambda * (dual_gradient_mean_kl(x, pi1) - epsilon);
    /* END SOLUTION */
}
/*[/snip]*/

static double visits_of(const exact_table *x)                   /* sum(rho) */
{
    double visits = 0;
    for (int s = 0; s < x->nS; s++) visits += x->rho[s];
    return visits;
}

/*[snip dual-gradient-maximise later]*/
/* KL-6   pi1(a) = pi(a) exp(A(a)/beta) / Z,   beta = lambda / sum(rho); in the limit pi on argmax A, where pi acts */
void dual_gradient_maximise(const exact_table *x, double lambda, double *pi1)
{
    /* BEGIN SOLUTION KL-6 */
    require(lambda >= 0, "a Lagrangian with lambda = %g has no maximum", lambda);
    double beta = lambda / visits_of(x);
    for (int s = 0, nA = x->nA; s < x->nS; s++) {
        const double *pi = x->pi + s * nA, *A = x->A + s * nA;
        double top = -INFINITY, Z = 0, moved = 0;
        for (int a = 0; a < nA; a++)
            if (pi[a] > 0) top = fmax(top, A[a]);
        for (int a = 0; a < nA; a++) {
            double w = A[a] == top ? 1 : beta > 0 ? exp((A[a] - top) / beta) : 0;
            Z += pi1[s * nA + a] = pi[a] > 0 ? pi[a] * w : 0;
            moved = fmax(moved, pi[a] > 0 ? 1 - w : 0);
        }
        for (int a = 0; a < nA; a++) pi1[s * nA + a] = moved > 0 ? pi1[s * nA + a] / Z : pi[a];
    }
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip dual-gradient-ascend later]*/
/* d/dz(s,a) = pi1(a) [ rho(s) (A(a) - E_pi1 A) - lambda d(s) (log(pi1/pi)(a) - KL) ],   pi1 = softmax z */
double dual_gradient_ascend(const exact_table *x, double lambda, double lr, double *z, double *pi1)
{
    double visits = visits_of(x), largest = 0;
    for (int s = 0, nA = x->nA; s < x->nS; s++) {
        const double *pi = x->pi + s * nA, *A = x->A + s * nA;
        double *p = pi1 + s * nA, *y = z + s * nA, E_A = 0, kl = 0, top = -INFINITY, Z = 0;
        for (int a = 0; a < nA; a++) {
            E_A += p[a] * A[a];
            if (p[a] > 0) kl += p[a] * log(p[a] / pi[a]);
        }
        for (int a = 0; a < nA; a++) {
            double log_ratio = p[a] > 0 ? log(p[a] / pi[a]) : 0;
            double g = p[a] * x->rho[s] * ((A[a] - E_A) - lambda / visits * (log_ratio - kl));
            largest = fmax(largest, fabs(g));
            y[a] += lr * g;
            top = fmax(top, y[a]);
        }
        for (int a = 0; a < nA; a++) Z += exp(y[a] - top);
        for (int a = 0; a < nA && x->rho[s] > 0; a++) p[a] = exp(y[a] - top) / Z;
    }
    return largest;
}
/*[/snip]*/

/*[snip dual-gradient-lambda later]*/
/* KL-6   lambda <- max(0, lambda + alpha (mean KL - epsilon)) */
double dual_gradient_lambda(double lambda, double alpha, double mean_kl, double epsilon)
{
    /* BEGIN SOLUTION KL-6 */
    return fmax(0, lambda + alpha * (mean_kl - epsilon));
    /* END SOLUTION */
}
/*[/snip]*/

/* lambda = sqrt(g^T F^+ g / (2 epsilon)), where g^T F^+ g = sum(rho) sum_s rho(s) Var_{a ~ pi}[A(s,a)] */
double dual_gradient_unit(const exact_table *x, double epsilon)
{
    double sum = 0, size = linalg_max_abs(x->nS * x->nA, x->A);         /* squares of A/size do not overflow */
    if (size == 0) return 0;
    for (int s = 0; s < x->nS; s++) {
        double mean = 0, var = 0;
        for (int i = s * x->nA; i < (s + 1) * x->nA; i++) mean += x->pi[i] * x->A[i] / size;
        for (int i = s * x->nA; i < (s + 1) * x->nA; i++)
            var += x->pi[i] * (x->A[i] / size - mean) * (x->A[i] / size - mean);
        sum += x->rho[s] * var;
    }
    return size * sqrt(visits_of(x) * sum / (2 * epsilon));
}

/* What an update keeps: z [nS x nA], the logits of pi1, with gradient steps only */
typedef struct { double *z, *pi1, largest; } ascent;

static void maximise(const dual_gradient_config *c, const exact_table *x, double lambda, double unit, ascent *y)
{
    y->largest = 0;
    if (c->steps == 0) dual_gradient_maximise(x, lambda, y->pi1);
    for (long k = 0; k < c->steps; k++) y->largest = dual_gradient_ascend(x, lambda, c->lr / unit, y->z, y->pi1);
}

/* What earlier steps, with exact maxima, say of the multiplier: KL > epsilon at low, KL < epsilon at high */
typedef struct { double low, high, excess, alpha; } search;

/* Deviation 4 */
static void adapt(search *b, double lambda, double excess)
{
    if (fabs(excess) > fabs(b->excess) / 2 && b->excess != 0) b->alpha *= excess * b->excess < 0 ? 0.5 : 2;
    if (excess > 0) b->low = lambda;
    else            b->high = lambda;
    b->excess = excess;
}

/* KL-6   for at most `updates` steps of lambda; out: NULL, or where they are shown */
static improvement descend(const dual_gradient_config *c, const exact_table *x, ascent *y, FILE *out)
{
    double eps = c->delta_kl, unit = dual_gradient_unit(x, eps), lambda = c->lambda * unit;
    search b = { .low = -1, .high = INFINITY, .alpha = c->alpha * unit / (2 * eps) };
    improvement i = { .outcome = IMPROVEMENT_UNSETTLED };
    while (i.outcome != IMPROVED && i.steps < c->updates) {
        maximise(c, x, lambda, unit, y);
        double kl = dual_gradient_mean_kl(x, y->pi1);
        bool binds = fabs(kl - eps) <= c->settled * eps, free = lambda == 0 && kl <= eps;
        if (c->steps == 0) adapt(&b, lambda, kl - eps);
        if (out && (i.steps < 8 || binds || free))
            fprintf(out, "%5d %12.7f %12.9f %12.7f %12.7f %12.5f\n", i.steps, lambda, kl, surrogate_gain(x, y->pi1),
                    dual_gradient_lagrangian(x, eps, lambda, y->pi1), b.alpha);
        i.step = lambda;
        if ((binds || free) && y->largest <= c->settled * unit) i.outcome = IMPROVED;
        lambda = dual_gradient_lambda(lambda, b.alpha, kl, eps);
        if (!(b.low < lambda && lambda < b.high)) lambda = (b.low + b.high) / 2;
        i.steps++;
    }
    return i;
}

/*[snip dual-gradient-improve later]*/
/* KL-4   argmax A_bar(pi_new) subject to mean KL(pi_new||pi) <= epsilon */
static improvement improve(const dual_gradient_config *c, const exact_table *x, double *pi_new, FILE *out)
{
    size_t n = (size_t)(x->nS * x->nA);
    if (!(surrogate_gain_most(x) > fmax(c->tolerance, x->rounding)))
        return improvement_none(x, IMPROVEMENT_OPTIMAL, pi_new);
    if (dual_gradient_unit(x, c->delta_kl) == 0)                /* A is the same for all that pi ever does */
        return improvement_none(x, IMPROVEMENT_STALLED, pi_new);
    ascent y = { .pi1 = pi_new, .z = allocate(n, sizeof *y.z, "logits") };
    memcpy(pi_new, x->pi, n * sizeof *pi_new);
    for (size_t k = 0; k < n; k++) y.z[k] = x->pi[k] > 0 ? log(x->pi[k]) : -INFINITY;
    improvement i = descend(c, x, &y, out);
    free(y.z);
    if (i.outcome != IMPROVED) {
        i = improvement_none(x, i.outcome, pi_new);
        i.steps = (int)c->updates;
        return i;
    }
    i.L = x->J + surrogate_gain(x, pi_new);
    i.bound = NAN;
    i.kl_limit = c->delta_kl * (1 + c->settled);
    return i;
}
/*[/snip]*/

improvement dual_gradient_improve(const void *config, const exact_table *x, double *pi_new)
{
    return improve(config, x, pi_new, NULL);
}

void dual_gradient_explain(FILE *out, const void *config, uint64_t seed)
{
    (void)seed;
    const dual_gradient_config *c = config;
    const exact_table *x = &improvement_example;
    double pi_new[6], kl[2], unit = dual_gradient_unit(x, c->delta_kl);
    char *rows;
    size_t n;
    FILE *to_rows = print_to_memory(&rows, &n);
    improvement i = improve(c, x, pi_new, to_rows);
    print_done(to_rows, &rows);
    fprintf(out, "Dual gradient descent, an update of two states and three actions; gamma = %g, eta(pi) = %g;"
            " nothing is drawn\n\nKL-4     max A_bar subject to mean KL <= epsilon = %g\n"
            "         unit of lambda: sqrt(sum(rho) sum_s rho(s) Var[A(s,.)] / (2 epsilon)) = %.7f\n"
            "KL-6     lambda <- max(0, lambda + alpha (mean KL - epsilon)), alpha = %g unit / (2 epsilon) = %.5f\n\n"
            "    k       lambda      mean KL        A_bar   Lagrangian        alpha\n", x->gamma, x->J,
            c->delta_kl, unit, c->alpha, c->alpha * unit / (2 * c->delta_kl));
    fputs(rows, out);
    free(rows);
    for (int s = 0; s < 2; s++) kl[s] = dual_gradient_kl(x->nA, pi_new + s * x->nA, x->pi + s * x->nA);
    fprintf(out, "         %s, steps of lambda: %d\n\n", improvement_outcome_name(i.outcome), i.steps);
    improvement_print(out, x, pi_new, "KL(s)", kl);
    if (i.outcome != IMPROVED) return;
    fprintf(out, i.step > 0 ? "\nKL-6     pi_new(a|s) = pi(a|s) exp(A(s,a) sum(rho) / lambda) / Z(s)%s\n"
                            : "\nKL-6     pi_new(.|s) = pi(.|s) / Z(s) on argmax_a A(s,a)%s\n",
            c->steps ? ", where the steps end" : "");
    fprintf(out, "PDI-9    L(pi_new) = eta + A_bar = %.7f\n"
                 "KL-5     lambda (mean KL - epsilon) = %.1e: %s\n", i.L,
            i.step * (dual_gradient_mean_kl(x, pi_new) - c->delta_kl) + 0.0,
            i.step > 0 ? "the constraint binds" : "it does not bind");
}
