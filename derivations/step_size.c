/* Why a step must be neither long nor short: the variance of the ratio, and what a batch of data knows; and
 * what one step of second order costs. 002 (l.289), 004 (l.313-317, 370-395, 474-475), 000 (l.272). */
#include "derivations/step_size.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_randist.h>
#include <gsl/gsl_statistics_double.h>

#include "algorithms/cg.h"
#include "algorithms/trpo.h"
#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/measured.h"
#include "derivations/natural_step.h"

static const char *not_comparable(const setting *x)
{
    if (x->pi->nSA != x->pi1->nSA) return "pi and pi' are not comparable";
    for (int i = 0; i < x->pi->nSA; i++)
        if (!(x->pi->pi[i] > 1e-100 && x->pi1->pi[i] > 1e-100)) return "pi or pi' never does some action";
    return no_natural_gradient(x);
}

/* ---- TRPO-32: why the change must be small ---- */

/* E_s[Var_{a~pi}[pi'/pi]] = E_s[E_pi[(pi'/pi)^2] - 1], three ways; sums of squares of ratios */
static double unit_variance(const setting *x)
{
    const exact *pi = x->pi, *pi1 = x->pi1;
    double sum = 1, log_max = fmax(linalg_max_abs(pi->nSA, pi->logpi), linalg_max_abs(pi->nSA, pi1->logpi));
    for (int i = 0; i < pi->nSA; i++)
        sum += pi->d[i / pi->nA] / visited(pi) * pi1->pi[i] * (pi1->pi[i] / pi->pi[i]);
    return DBL_EPSILON * fmax(pi->nS, 4) * sum * fmax(1, log_max);
}

typedef double (*about_state)(const exact *pi, const exact *pi1, int s);

/* Over the decision states: d / sum d */
static double mean(const setting *x, about_state f, double *out)
{
    *out = 0;
    for (int s = 0; s < x->pi->nS; s++)
        if (x->pi->d[s] > 0) *out += x->pi->d[s] / visited(x->pi) * f(x->pi, x->pi1, s);
    return 0;
}

static double second_moment_less_1(const exact *pi, const exact *pi1, int s)
{
    double E = 0;
    for (int i = s * pi->nA; i < (s + 1) * pi->nA; i++) E += pi->pi[i] * pow(pi1->pi[i] / pi->pi[i], 2);
    return E - 1;
}

static double mean_under_new_less_1(const exact *pi, const exact *pi1, int s)
{
    double E = 0;
    for (int i = s * pi->nA; i < (s + 1) * pi->nA; i++) E += pi1->pi[i] * (pi1->pi[i] / pi->pi[i]);
    return E - 1;
}

static double deviation(const exact *pi, const exact *pi1, int s)
{
    double E = 0;
    for (int i = s * pi->nA; i < (s + 1) * pi->nA; i++) E += pow(pi1->pi[i] - pi->pi[i], 2) / pi->pi[i];
    return E;
}

static double exp_kl_less_1(const exact *pi, const exact *pi1, int s)
{
    return expm1(kl_of_state(pi, s, pi1->logpi, pi->logpi));
}

/* TRPO-32   Var[Z] = E_Q[Z^2] - E_Q[Z]^2 = E_P[Z] - 1,  Z = pi'/pi */
static double variance(const setting *x, double *out)         { return mean(x, second_moment_less_1, out); }
static double variance_under_P(const setting *x, double *out) { return mean(x, mean_under_new_less_1, out); }
static double chi_square(const setting *x, double *out)       { return mean(x, deviation, out); }
static double least_variance(const setting *x, double *out)   { return mean(x, exp_kl_less_1, out); }

static double kl_reversed(const setting *x, double *out)
{
    *out = kl_mean(x->pi, x->pi1->logpi, x->pi->logpi);
    return 0;
}

static void page_of_variance(const setting *x, FILE *out)
{
    char error[256];
    const exact *pi = x->pi;
    double *v = allocate(2 * (size_t)pi->n, sizeof *v, "a step"), *theta = v + pi->n;
    fprintf(out, "along the natural step, as far as mean KL(old||new) = delta: Z = pi'/pi; effective: 1 / E[Z^2],\n"
                 "the part of a batch that is left\n%8s %12s %12s %12s %16s\n", "delta", "Var[Z]",
            "effective", "max Z", "Var[Z A] / Var[A]");
    for (double radius = 0.001; radius < 20; radius *= 10) {
        natural_step(x, radius, v);
        double t = step_length(pi, v, false, radius), Var = 0, Z_max = 0, VarZA = 0, VarA = 0;
        if (isinf(t)) break;
        for (int i = 0; i < pi->n; i++) theta[i] = pi->theta[i] + t * v[i];
        exact *pi1 = exact_new_policy(pi->M, pi->gamma, &pi->policy, theta, error, sizeof error);
        if (!pi1) break;
        for (int s = 0; s < pi->nS; s++) {
            double E = 0, EA = 0, square = 0;
            for (int i = s * pi->nA; i < (s + 1) * pi->nA && pi->d[s] > 0; i++) {
                double Z = pi1->pi[i] / pi->pi[i];
                Z_max = fmax(Z_max, Z);
                E += pi->pi[i] * Z * Z;
                EA += pi->pi[i] * Z * pi->A[i];
                square += pi->pi[i] * Z * Z * pi->A[i] * pi->A[i];
                VarA += pi->d[s] * pi->pi[i] * pi->A[i] * pi->A[i];
            }
            if (pi->d[s] > 0) Var += pi->d[s] / visited(pi) * (E - 1);
            VarZA += pi->d[s] * (square - EA * EA);
        }
        fprintf(out, "%8g %12.4g %12.4g %12.4g %16.4g\n", radius, Var, 1 / (1 + Var), Z_max, VarZA / VarA);
        exact_free(pi1);
    }
    free(v);
}

/* ---- PPO-35: the largest step that the data allow ---- */

enum { UPDATES = 10, GARNETS = 30, BATCH = 100 };

/* Row i of p [n] at u in [0, 1): the entry that is drawn */
static int draw(int n, const double *p, double u)
{
    int i = 0;
    while (i < n - 1 && u >= p[i]) u -= p[i++];
    return i;
}

void advantages_from_data(const exact *pi, double N, gsl_rng *rng, double *A)
{
    const mdp *M = pi->M;
    if (isinf(N)) {
        memcpy(A, pi->A, (size_t)pi->nSA * sizeof *A);
        return;
    }
    double *tried = allocate((size_t)pi->nSA, sizeof *tried, "counts");
    memset(A, 0, (size_t)pi->nSA * sizeof *A);
    int s = draw(pi->nS, M->mu0, gsl_rng_uniform(rng));
    for (long t = 0; t < (long)N; t++) {
        int i = s * pi->nA + draw(pi->nA, pi->pi + s * pi->nA, gsl_rng_uniform(rng)), first = M->row[i];
        int k = first + draw(M->row[i + 1] - first, M->P + first, gsl_rng_uniform(rng));
        double delta_t = M->R[k] + pi->gamma * pi->V[M->next[k]] - pi->V[s];
        tried[i]++;
        A[i] += (delta_t - A[i]) / tried[i];
        s = M->next[k];
    }
    free(tried);
}

/* One update of a table theta [n] along its natural gradient, these advantages (NPG-9), to a mean KL of radius */
static void update_from_data(const exact *pi, double N, double radius, gsl_rng *rng, double *theta)
{
    double *v = allocate((size_t)pi->n, sizeof *v, "a step");
    advantages_from_data(pi, N, rng, v);
    double t = step_length(pi, v, false, radius);
    for (int i = 0; i < pi->n && !isinf(t); i++) theta[i] += t * v[i];
    free(v);
}

/* gain [GARNETS]: what J gains in UPDATES updates, for each of the random problems. Returns in how many J fell. */
static int gains_from_data(uint64_t seed, double N, double radius, double *gain)
{
    char error[256];
    int fell = 0;
    for (int k = 0; k < GARNETS; k++) {
        random_problem p = random_problem_new((uint64_t)k + 1);
        gsl_rng *rng = random_stream(seed, (uint32_t)k, RANDOM_TEST);
        double theta[RANDOM_PROBLEM_N];
        memcpy(theta, p.pi->theta, sizeof theta);
        exact *pi = exact_new_policy(p.M, p.M->gamma, p.table, theta, error, sizeof error);
        for (int i = 0; i < UPDATES; i++) {
            double J = pi->J;
            update_from_data(pi, N, radius, rng, theta);
            exact_free(pi);
            pi = exact_new_policy(p.M, p.M->gamma, p.table, theta, error, sizeof error);
            fell += pi->J < J - 10 * pi->unit_V;
        }
        gain[k] = pi->J - p.pi->J;
        exact_free(pi);
        gsl_rng_free(rng);
        random_problem_free(&p);
    }
    return fell;
}

/* The mean of more - less over the problems, in standard errors */
static double in_errors(const double *more, const double *less)
{
    double difference[GARNETS];
    for (int k = 0; k < GARNETS; k++) difference[k] = more[k] - less[k];
    return gsl_stats_mean(difference, 1, GARNETS) / (gsl_stats_sd(difference, 1, GARNETS) / sqrt(GARNETS));
}

/* PPO-35   max over delta of J after some updates: inside, neither the least nor the greatest */
static double gain_inside(const setting *x, double *out)
{
    double inside[GARNETS], other[GARNETS];
    gains_from_data(x->seed, BATCH, 0.1, inside);
    gains_from_data(x->seed, BATCH, 0.001, other);
    out[0] = in_errors(inside, other);
    gains_from_data(x->seed, BATCH, 100, other);
    out[1] = in_errors(inside, other);
    gains_from_data(x->seed, INFINITY, 100, inside);
    gains_from_data(x->seed, INFINITY, 0.01, other);
    out[2] = in_errors(inside, other);
    return 0;
}

static void page_of_data(const setting *x, FILE *out)
{
    static const double Ns[] = { 30, BATCH, 1000, INFINITY };
    fprintf(out, "what J gains in %d updates, in the mean over the problems; of %d updates, how many lowered J\n%8s",
            UPDATES, UPDATES * GARNETS, "delta");
    for (int i = 0; i < 4; i++) fprintf(out, isinf(Ns[i]) ? "   exact A     " : "   N = %-4.0f    ", Ns[i]);
    for (double radius = 0.001; radius < 1000; radius *= 10) {
        fprintf(out, "\n%8g", radius);
        for (int i = 0; i < 4; i++) {
            double gain[GARNETS];
            int fell = gains_from_data(x->seed, Ns[i], radius, gain);
            fprintf(out, " %8.3f %4d ", gsl_stats_mean(gain, 1, GARNETS), fell);
        }
    }
    fprintf(out, "\nOnly A comes from the data: V, how often pi is where, and so the KL are exact. One update"
                 " alone gains most\nwhere it is long; but a long one by what a small batch says leaves actions"
                 " that are not tried any more, and\nno data to find out.\n");
}

/* ---- TRPO-26: what it costs ---- */

enum { WIDTH = 64, STATES = 32, CG_STEPS = 15 };

static trpo_config without_damping(void)
{
    trpo_config c = trpo_defaults;
    c.damping = 0;
    return c;
}

/* A network 4-width-width-2 over 32 random states */
typedef struct { policy p; rollout *b; double *theta, *A; } big_problem;

static big_problem big_problem_new(int width)
{
    big_problem B = { .b = rollout_shaped(4, 1, true) };
    B.p = (policy){ .nA = 2, .d = 4, .k = 1, .f = { 3, { 4, width, width, 2 }, AD_TANH } };
    B.p.n = network_n(&B.p.f);
    B.theta = allocate((size_t)B.p.n + STATES, sizeof *B.theta, "theta");
    B.A = B.theta + B.p.n;
    gsl_rng *rng = random_stream(1, 0, RANDOM_TEST);
    for (int i = 0; i < B.p.n; i++) B.theta[i] = gsl_ran_gaussian(rng, 0.2);
    for (int t = 0; t < STATES; t++) {
        double s[4];
        for (int i = 0; i < 4; i++) s[i] = gsl_ran_gaussian(rng, 1);
        rollout_add(B.b, s, &(double){ t % 2 }, 0);
        B.A[t] = gsl_ran_gaussian(rng, 1);
    }
    gsl_rng_free(rng);
    return B;
}

static void big_problem_free(big_problem *B)
{
    rollout_free(B->b);
    free(B->theta);
}

/* Products with F for x of 15 steps, its residual, and F x: those that fisher_vector.c has counted */
static long products_counted(big_problem *B, double *residual)
{
    int n = B->p.n;
    double *v = allocate(4 * (size_t)n, sizeof *v, "vectors"), *g = v + n, *x = g + n, *Fx = x + n;
    trpo_config c = without_damping();
    ad_tape *t = ad_tape_new();
    trpo_problem at = trpo_problem_of(t, c.constraint, &B->p, B->theta, B->b, B->A, NULL);
    memcpy(g, ad_value(ad_grad(at.L, at.theta)), (size_t)n * sizeof *g);
    fisher_vector F = fisher_vector_of(t, &B->p, at.theta, ad_input(t, B->b->s, STATES, 4), NULL, 1e-3, v);
    *residual = cg(fisher_vector_times, &F, n, g, 0, CG_STEPS, x).residual;
    fisher_vector_times(&F, n, x, Fx);
    ad_tape_free(t);
    free(v);
    return F.products;
}

/* TRPO-26   one product for each step of CG, one for its residual, one for x^T F x */
static double products_made(const setting *x, double *out)
{
    (void)x;
    double residual;
    big_problem B = big_problem_new(WIDTH);
    *out = (double)products_counted(&B, &residual);
    big_problem_free(&B);
    return 0;
}

static double products_trained(const setting *x, double *out)
{
    (void)x;
    big_problem B = big_problem_new(WIDTH);
    trpo_config c = without_damping();
    c.damping = 1e-3, c.cg_tol = 0, c.cg_iterations = CG_STEPS;
    ad_tape *t = ad_tape_new();
    *out = (double)trpo_update(t, &c, &B.p, B.theta, B.b, B.A, NULL).products;
    ad_tape_free(t);
    big_problem_free(&B);
    return 0;
}

static double columns_of_F(const setting *x, double *out)
{
    (void)x;
    big_problem B = big_problem_new(WIDTH);
    *out = B.p.n;
    big_problem_free(&B);
    return 0;
}

static double first_order(const setting *x, double *out)
{
    (void)x;
    *out = 0;
    return 0;
}

static void page_of_cost(const setting *x, FILE *out)
{
    (void)x;
    fprintf(out, "policy 4-w-w-2, %d states\n%5s %8s %10s %12s %14s %16s\n", STATES, "w", "n", "products",
            "|g - Fx|/|g|", "columns of F", "n^3/3 to factor");
    for (int w = 4; w <= 256; w *= 4) {
        double residual;
        big_problem B = big_problem_new(w);
        long products = products_counted(&B, &residual);
        fprintf(out, "%5d %8d %10ld %12.2g %14d %16.2g\n", w, B.p.n, products, residual, B.p.n, pow(B.p.n, 3) / 3);
        big_problem_free(&B);
    }
    fprintf(out, "The columns of F grow with n, the products do not; what 15 steps leave of the residual does."
                 " How long\na product takes: `make bench`.\n");
}

#define RANDOM "30 random problems: Garnets of 10 states, 4 actions, 3 successors; random tables"

const derivation step_size_lines[] = {
    { "TRPO-32", "the ratio's variance grows with the KL, at least as exp(KL) - 1", "mean variance of pi'/pi",
      count_one, unit_variance, not_comparable, NULL, {
        { "E_s[E_{a\\sim\\pi}[Z^2]-1],\\quad Z=\\frac{\\pi'(a|s)}{\\pi(a|s)}",
          "E[Z] = 1; 004 (l.384) with f = 1", variance },
        { "=E_s[E_{a\\sim\\pi'}[Z]-1]", "004 (l.384): one ratio into the measure", variance_under_P },
        { "=E_s[\\sum_a\\frac{(\\pi'-\\pi)^2}\\pi]", "chi square: how far apart they are", chi_square },
        { "\\ge E_s[e^{D_{KL}(\\pi'\\|\\pi)}-1]",
          "Jensen: log E_pi'[Z] >= E_pi'[log Z]", least_variance, AT_MOST },
        { "\\ge E_s[D_{KL}(\\pi'\\|\\pi)]", "e^x - 1 >= x", kl_reversed, AT_MOST } },
      .page = page_of_variance },
    { "PPO-35", "the largest step that the data allow: neither small nor as large as can be, unless A is exact",
      "how much more J gains in ten updates: delta = .1 than .001, .1 than 100; with exact A 100 than .01",
      count_three, unit_of_one, NULL, NULL, {
        { "4", "standard errors of a mean of 30 differences", .is = { 4, 4, 4 } },
        { "\\le\\frac{J_{10}(.1)-J_{10}(.001)}{\\mathrm{s.e.}},\\quad"
          "\\frac{J_{10}(.1)-J_{10}(100)}{\\mathrm{s.e.}},\\quad"
          "\\frac{J^A_{10}(100)-J^A_{10}(.01)}{\\mathrm{s.e.}}",
          "means over the problems; A as 100 steps of pi know it, by TD errors. The last is the control: with A"
          " itself no step is too long", gain_inside, AT_LEAST } },
      RANDOM, page_of_data },
    { "TRPO-26", "second order, but neither Hessian nor inverse: some products with F",
      "products with F in an update",
      count_one, unit_of_one, NULL, NULL, {
        { "k+1+1", "k = 15 steps of CG, the residual at the end, x^T F x", .is = { CG_STEPS + 1 + 1 } },
        { "=\\#\\{Fv\\}", "as algorithms/fisher_vector.c has counted them", products_made },
        { "=k+2", "algorithms/trpo.c says how many steps it made", products_trained },
        { "n",
          "004 (l.475): the Hessian alone is n products, one a column, and then comes its inverse",
          columns_of_F,
          DIFFERS, "ERR-58" },
        { "0", "the control: a first-order method", first_order, DIFFERS } },
      "a policy 4-64-64-2 on 32 random states", page_of_cost },
    { .id = NULL }
};
