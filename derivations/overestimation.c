/* The maximum of noisy values is too high in the mean, even where each of them is right; what double Q-learning
 * and the lesser of two critics make of it; and what noise on the target's action does to a Q with a spike. 004
 * (l.649-679).
 *
 * Ten actions, all worth 0, estimated with errors N(0, 1) of their own by A, and by B: with M the greatest of A's
 * and Y one of B's,
 *
 *     DQN       E max_a A(a) = E M
 *     double    E B(argmax A) = 0
 *     twins     E min(A, B)(argmax A) = E min(M, Y);   at a fixed action E min(X, Y) = -1/sqrt(pi) */
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_integration.h>
#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdlib.h>

#include "algorithms/dqn.h"
#include "algorithms/td3.h"
#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"

enum { ACTIONS = 10, N_BIAS = 4 };

static double Phi(double x) { return gsl_cdf_ugaussian_P(x); }
static double phi(double x) { return gsl_ran_ugaussian_pdf(x); }

/* Of a smooth function that has died out at +-12; its own error is that of Kronrod's rule, a part 1e-13 */
static double integral(double f(double, void *), double from, double to)
{
    gsl_integration_workspace *w = gsl_integration_workspace_alloc(200);
    gsl_function F = { f, NULL };
    double value, error;
    if (!w) out_of_memory(0, "an integral");
    gsl_integration_qag(&F, from, to, 1e-14, 1e-13, 200, GSL_INTEG_GAUSS61, w, &value, &error);
    gsl_integration_workspace_free(w);
    return value;
}

/* ---- TD3-2: by densities, by distribution functions, by all cases ---- */

static int    n_bias(const setting *x)    { (void)x; return N_BIAS; }
static double unit_bias(const setting *x) { (void)x; return 1e-13; }      /* of two quadratures, numbers below 2 */

static double density_of_M(double m) { return ACTIONS * pow(Phi(m), ACTIONS - 1) * phi(m); }
static double M_times(double m, void *none)  { (void)none; return m * density_of_M(m); }
/* E[min(m, Y)] = m - E(m - Y)^+,   E(m - Y)^+ = m Phi(m) + phi(m) */
static double least_times(double m, void *none)
{
    (void)none;
    return (m - m * Phi(m) - phi(m)) * density_of_M(m);
}

static double by_densities(const setting *x, double *out)
{
    (void)x;
    out[0] = integral(M_times, -12, 12);
    out[1] = 0;
    out[2] = integral(least_times, -12, 12);
    out[3] = -1 / sqrt(acos(-1));
    return 0;
}

/* E Z = int_0^inf P(Z > t) - P(Z < -t) dt; P(M <= t) = Phi^n, P(min > t) is the product of both P(. > t) */
static double tail_of_M(double t, void *none)
{
    (void)none;
    return 1 - pow(Phi(t), ACTIONS) - pow(Phi(-t), ACTIONS);
}
static double above(double t, int n) { return (1 - pow(Phi(t), n)) * (1 - Phi(t)); }
static double tail_of_least(double t, void *none) { (void)none; return above(t, ACTIONS) - (1 - above(-t, ACTIONS)); }
static double tail_of_fixed(double t, void *none) { (void)none; return above(t, 1) - (1 - above(-t, 1)); }

static double by_tails(const setting *x, double *out)
{
    (void)x;
    out[0] = integral(tail_of_M, 0, 12);
    out[1] = 0;
    out[2] = integral(tail_of_least, 0, 12);
    out[3] = integral(tail_of_fixed, 0, 12);
    return 0;
}

/* ERR-73: DQN as if its two networks were double Q-learning's */
static double dqn_as_double(const setting *x, double *out)
{
    by_densities(x, out);
    out[0] = out[1];
    return 0;
}

/* The same four of the training code, N times drawn: mean and standard error */
static void simulated(uint64_t seed, int N, double mean[N_BIAS], double se[N_BIAS])
{
    gsl_rng *rng = random_stream(seed, 0, RANDOM_TEST);
    ad_tape *t = ad_tape_new();
    double sum[N_BIAS] = { 0 }, squares[N_BIAS] = { 0 };
    for (int k = 0; k < N; k++) {
        double A[ACTIONS], B[ACTIONS];
        int best;
        for (int a = 0; a < ACTIONS; a++) A[a] = gsl_ran_ugaussian(rng), B[a] = gsl_ran_ugaussian(rng);
        dqn_choice(1, ACTIONS, A, &best);
        ad_mark start = ad_here(t);
        ad Q_A = ad_input(t, A, 1, ACTIONS), Q_B = ad_input(t, B, 1, ACTIONS), least = ad_min(Q_A, Q_B);
        double one[N_BIAS] = { ad_scalar(ad_row_max(Q_A)), ad_scalar(ad_gather(Q_B, &best)),
                               ad_scalar(ad_gather(least, &best)), ad_value(least)[0] };
        ad_reset(t, start);
        for (int i = 0; i < N_BIAS; i++) sum[i] += one[i], squares[i] += one[i] * one[i];
    }
    for (int i = 0; i < N_BIAS; i++) {
        mean[i] = sum[i] / N;
        se[i] = sqrt((squares[i] / N - mean[i] * mean[i]) / N);
    }
    ad_tape_free(t);
    gsl_rng_free(rng);
}

static void page_of_bias(const setting *x, FILE *out)
{
    static const char *const name[N_BIAS] = { "max A (DQN)", "B at argmax A (double)", "min(A, B) at argmax A",
                                              "min(A, B), one action" };
    double exact_[N_BIAS], mean[N_BIAS], se[N_BIAS];
    by_densities(x, exact_);
    simulated(x->seed, 20000, mean, se);
    fprintf(out, "as training chooses and compares, 20000 times (z: standard errors off)\n\n%24s %9s %9s %6s\n", "",
            "exact", "drawn", "z");
    for (int i = 0; i < N_BIAS; i++)
        fprintf(out, "%24s %9.5f %9.5f %6.2f\n", name[i], exact_[i], mean[i], (mean[i] - exact_[i]) / se[i]);
    fprintf(out, "\nThe lesser of two at one's best action is nearly unbiased here, by chance of n = 10; at an"
            " action that\ndoes not follow the noise, as mu's, it is too low by .56 of the noise.\n");
}

/* ---- TD3-4: the clipped noise ---- */

enum { N_MOMENTS = 4, NODES = 40 };
static const double sigma_[2] = { 0.2, 1 };             /* c = .5: clipped once in 80 draws, and in 62 of 100 */
#define C 0.5
static int n_moments(const setting *x) { (void)x; return N_MOMENTS; }
/* Gauss's rule of 40 nodes, numbers below 1 */
static double unit_moments(const setting *x) { (void)x; return 1e-14; }

/* Var clip(N(0, sigma^2), -c, c), and the greatest |eps|, for both sigma */
static double moments(const setting *x, double *out)
{
    (void)x;
    for (int i = 0; i < 2; i++) {
        double z = C / sigma_[i];
        out[2 * i] = sigma_[i] * sigma_[i] * (2 * Phi(z) - 1 - 2 * z * phi(z)) + 2 * C * C * Phi(-z);
        out[2 * i + 1] = C;
    }
    return 0;
}
static double not_clipped(const setting *x, double *out)
{
    (void)x;
    for (int i = 0; i < 2; i++) out[2 * i] = sigma_[i] * sigma_[i], out[2 * i + 1] = INFINITY;
    for (int i = 0; i < 2; i++) out[2 * i + 1] = 12 * sigma_[i];
    return 0;
}

/* E f(a' - mu) over eps ~ N(0, sigma^2), a' the training code's at mu = .1 in no box: Gauss's rule between the
 * corners -12 sigma, -c, c, 12 sigma */
static double smoothed(double sigma, double c, double f(double), double *greatest)
{
    const policy p = { .k = 1, .deterministic = true };
    const double at[4] = { -12 * sigma, fmax(-c, -12 * sigma), fmin(c, 12 * sigma), 12 * sigma }, mu = 0.1;
    gsl_integration_glfixed_table *rule = gsl_integration_glfixed_table_alloc(NODES);
    if (!rule) out_of_memory(0, "an integral");
    double sum = 0;
    ad_tape *t = ad_tape_new();
    *greatest = 0;
    for (int part = 0; part < 3; part++)
        for (int piece = 0; piece < 8; piece++)
            for (size_t i = 0; i < NODES; i++) {
                double from = at[part] + (at[part + 1] - at[part]) * piece / 8, eps, w;
                double to = at[part] + (at[part + 1] - at[part]) * (piece + 1) / 8;
                gsl_integration_glfixed_point(from, to, i, &eps, &w, rule);
                ad_mark start = ad_here(t);
                double a1 = ad_scalar(td3_a1(t, &p, ad_input(t, &mu, 1, 1), ad_input(t, &eps, 1, 1), c));
                ad_reset(t, start);
                sum += w * gsl_ran_gaussian_pdf(eps, sigma) * f(a1 - mu);
                *greatest = fmax(*greatest, fabs(a1 - mu));
            }
    ad_tape_free(t);
    gsl_integration_glfixed_table_free(rule);
    return sum;
}

static double square(double x) { return x * x; }
static double moments_trained(const setting *x, double *out)
{
    (void)x;
    for (int i = 0; i < 2; i++) out[2 * i] = smoothed(sigma_[i], C, square, &out[2 * i + 1]);
    return 0;
}

/* ---- TD3-5: a Q with a spike at mu(s') of width w ---- */

#define WIDTH 0.05
#define SIGMA 0.2
enum { N_SPIKE = 2 };
static int n_spike(const setting *x) { (void)x; return N_SPIKE; }
static double spike(double a) { return exp(-a * a / (2 * WIDTH * WIDTH)); }

/* The mean of Q over a', c = 12 sigma; the variance that target noise adds to what is done */
static double local_average(const setting *x, double *out)
{
    (void)x;
    out[0] = WIDTH / sqrt(WIDTH * WIDTH + SIGMA * SIGMA);
    out[1] = 0;
    return 0;
}
static double at_the_spike(const setting *x, double *out)  { (void)x; out[0] = spike(0), out[1] = 0; return 0; }
static double as_exploration(const setting *x, double *out)
{
    local_average(x, out);
    out[1] = SIGMA * SIGMA;
    return 0;
}

/* Rewards of 100 steps of the scalar regulator, mu left as it is: with noise on the target's action, and without */
static double visited(uint64_t seed, double sigma_targ)
{
    char error[256];
    env *e = env_make("lqr", 20, error, sizeof error);
    require(e, "%s", error);
    td3_config c = td3_defaults;
    c.lr = 0, c.sigma = 0, c.sigma_targ = sigma_targ, c.start_steps = 10, c.batch = 4, c.hidden.layers = 0;
    run *r = run_new("td3", e, seed, 100);
    td3(r, &c);
    double mean = r->return_mean;
    run_free(r);
    env_free(e);
    return mean;
}
/* TD3-5   E Q(s, a') */
static double smoothed_spike(const setting *x, double *out)
{
    double greatest;
    out[0] = smoothed(SIGMA, 12 * SIGMA, spike, &greatest);
    out[1] = fabs(visited(x->seed, SIGMA) - visited(x->seed, 0));
    return 0;
}

const derivation overestimation[] = {
    { "TD3-2", "double Q-learning: one estimator chooses, the other says what it is worth",
      "E max; E double; E min at A's best; E min at one action", n_bias, unit_bias, NULL, NULL, {
        { "\\int m\\,d\\Phi^{10}(m),\\ 0,\\ \\int E[\\min(m,Y)]\\,d\\Phi^{10}(m),\\ -\\tfrac1{\\sqrt\\pi}",
          "by order statistics: 1.53875, 0, -.04768, -.56419", by_densities },
        { "=\\int_0^\\infty P(Z>t)-P(Z<-t)\\,dt", "by their distribution functions, Z = M, min(M, Y), min(X, Y)",
          by_tails },
        { "\\text{DQN}=\\text{double}",
          "004 (l.654): \"in DQN, it maintains two independent networks\". It has one, and a copy: its maximum is"
          " biased", dqn_as_double, DIFFERS, "ERR-73" } },
      "ten actions worth 0, errors N(0, 1)", page_of_bias },
    { "TD3-4", "noise on the target's action, clipped: small, and never large",
      "variance and bound of a' - mu(s'), sigma = .2 and 1", n_moments, unit_moments, NULL, NULL, {
        { "\\sigma^2(2\\Phi(z)-1-2z\\varphi(z))+2c^2\\Phi(-z),\\quad c;\\quad z=\\tfrac c\\sigma",
          "of a clipped normal number, c = .5", moments },
        { "=E[(a'-\\mu(s'))^2],\\quad\\max|a'-\\mu(s')|", "the training code's a', by quadrature over eps",
          moments_trained },
        { "\\sigma^2", "the control: not clipped", not_clipped, DIFFERS } }, "c = .5" },
    { "TD3-5", "noise on a' smooths Q over similar actions; it explores nothing",
      "E Q(s',a'); what target noise changes of what is done", n_spike, unit_moments, NULL, NULL, {
        { "\\frac w{\\sqrt{w^2+\\sigma^2}},\\quad0",
          "the mean of a spike of height 1 and width w under the noise: .243", local_average },
        { "=E_\\epsilon[Q(s',a')],\\quad|\\text{returns with}-\\text{without}|",
          "the training code's a' by quadrature; 100 steps of it with the noise and without it: the same to the bit",
          smoothed_spike },
        { "Q(s',\\mu(s'))=1", "the control: without noise the target takes the spike for granted", at_the_spike,
          DIFFERS },
        { "\\mathrm{Var}[a]=\\sigma^2",
          "004 (l.663-666) presents it as exploration: it never reaches the environment",
          as_exploration, DIFFERS, "ERR-74" } }, "a spike of width .05, sigma = .2" },
    { .id = NULL }
};
