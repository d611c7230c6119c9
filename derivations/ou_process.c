/* The Ornstein-Uhlenbeck process, whose noise pushes the same way for a while: as it is in continuous time, as
 * programs step it, and as it is not. 002 (l.193-195). */
#include <float.h>
#include <gsl/gsl_randist.h>
#include <math.h>

#include "algorithms/noise.h"
#include "autodiff/random.h"
#include "derivations/derivation.h"

#define THETA 0.15
#define SIGMA 0.2

enum { LAWS = 4, N_LAWS = 2 * LAWS };            /* exact at dt = 1, .1; Euler at dt = 1, .1: variance, correlation */
static const double dt_[LAWS] = { 1, 0.1, 1, 0.1 };
static int    n_laws(const setting *x)    { (void)x; return N_LAWS; }
/* The variance is s^2 / (1 - c^2) with 1 - c^2 >= .0298: a rounding of c counts 34 times */
static double unit_laws(const setting *x) { (void)x; return 34 * 0.2 * DBL_EPSILON; }

static double laws(const setting *x, double *out)
{
    (void)x;
    for (int i = 0; i < LAWS; i++) {
        double dt = dt_[i], c = 1 - THETA * dt;
        out[2 * i]     = i < 2 ? SIGMA * SIGMA / (2 * THETA) : SIGMA * SIGMA * dt / (1 - c * c);
        out[2 * i + 1] = i < 2 ? exp(-THETA * dt) : c;
    }
    return 0;
}

static void moved(int law, gsl_rng *rng, double *at)
{
    if (law < 2) noise_ou_exact(1, THETA, SIGMA, dt_[law], rng, at);
    else         noise_ou_euler(1, THETA, SIGMA, dt_[law], rng, at);
}

/* x' = c x + s n: c from where 0 and 1 go by one and the same n, s from where 0 goes and that n */
static double from_code(const setting *x, double *out)
{
    for (int i = 0; i < LAWS; i++) {
        double from[2] = { 0, 1 }, n;
        for (int k = 0; k < 2; k++) {
            gsl_rng *rng = random_stream(x->seed, 0, RANDOM_TEST);
            moved(i, rng, &from[k]);
            gsl_rng_free(rng);
        }
        gsl_rng *rng = random_stream(x->seed, 0, RANDOM_TEST);
        n = gsl_ran_gaussian_ziggurat(rng, 1);
        gsl_rng_free(rng);
        double c = from[1] - from[0], s = from[0] / n;
        out[2 * i] = s * s / (1 - c * c);
        out[2 * i + 1] = c;
    }
    return 0;
}

/* The white noise of as much variance: nothing of a step is in the next */
static double white(const setting *x, double *out)
{
    laws(x, out);
    for (int i = 0; i < LAWS; i++) out[2 * i + 1] = 0;
    return 0;
}

/* Both laws simulated: the variance and the neighbours' correlation of 100000 steps, in standard errors */
static void page(const setting *x, FILE *out)
{
    enum { N = 100000, BEFORE = 200 };
    double law[N_LAWS];
    laws(x, law);
    fprintf(out, "simulated, %d steps, beside the laws (z: standard errors off, of an autoregression of order 1)\n\n"
            "%18s %5s %10s %6s %13s %6s\n", N, "", "dt", "variance", "z", "correlation", "z");
    for (int i = 0; i < LAWS; i++) {
        gsl_rng *rng = random_stream(x->seed, (uint32_t)i, RANDOM_TEST);
        double at = 0, last = 0, v = 0, c = 0, lag = law[2 * i + 1], var = law[2 * i];
        for (int t = -BEFORE * 10; t < N; t++, last = at) {
            moved(i, rng, &at);
            if (t >= 0) v += at * at / N, c += at * last / N;
        }
        gsl_rng_free(rng);
        c /= v;
        fprintf(out, "%18s %5g %10.5f %6.2f %13.5f %6.2f\n", i < 2 ? "exact" : "Euler", dt_[i], v,
                (v - var) / (var * sqrt(2.0 / N * (1 + lag * lag) / (1 - lag * lag))), c,
                (c - lag) / sqrt((1 - lag * lag) / N));
    }
    fprintf(out, "\nEuler's step with dt = 1 makes another process, with more variance and less memory; with dt ="
            " .1 it is near.\n");
}

const derivation ou_process[] = {
    { "DDPG-14", "noise that comes back to its mean: dx = -theta x dt + sigma dW",
      "variance and correlation of neighbours: exact at dt = 1, .1, Euler at dt = 1, .1", n_laws,
      unit_laws, NULL, NULL, {
        { "\\frac{\\sigma^2}{2\\theta},\\ e^{-\\theta dt};\\quad"
          "\\frac{\\sigma^2dt}{1-(1-\\theta dt)^2},\\ 1-\\theta dt",
          "of the process in continuous time, .1333 and .861; of Euler's steps, .1441 and .850", laws },
        { "=\\frac{s^2}{1-c^2},\\ c,\\quad x'=cx+sn", "c and s of the training code, by one draw n", from_code },
        { "\\varepsilon\\sim\\mathcal N",
          "004 (l.602, l.615) and Spinning Up have noise without memory under the same"
          " name", white, DIFFERS, "ERR-69" } }, "theta = .15, sigma = .2, mean 0", page },
    { .id = NULL }
};
