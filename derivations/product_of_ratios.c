/* What a product of T ratios is like, T steps of two actions, pi' = (.5, .5): its median falls, its mean stays 1, its
 * variance grows, each exponentially. 001 (l.119). Training code: algorithms/off_policy_pg.c. */
#include <float.h>
#include <gsl/gsl_math.h>
#include <gsl/gsl_randist.h>
#include <math.h>

#include "algorithms/off_policy_pg.h"
#include "derivations/derivation.h"

static const double likely[] = { 0.6, 0.9 };                /* pi(a = 0) */
static const int lengths[] = { 20, 100 };
enum { CASES = 4, PER_CASE = 3, LONGEST = 100 };            /* median, mean, second moment */

static int    n_cases(const setting *x) { (void)x; return CASES * PER_CASE; }
/* ln of binomial coefficients and of sums: ln 100! = 364, and 100 logs */
static double unit_cases(const setting *x) { (void)x; return 512 * DBL_EPSILON; }

/* IS-9   -T KL(pi'||pi);  log 1;  log(1 + Var) = T log(1 + chi^2(pi||pi')) */
static double closed_form(const setting *x, double *out)
{
    (void)x;
    for (int k = 0; k < CASES; k++) {
        double p = likely[k / 2], T = lengths[k % 2];
        out[PER_CASE * k] = -T * (0.5 * log(0.5 / p) + 0.5 * log(0.5 / (1 - p)));
        out[PER_CASE * k + 1] = 0;
        out[PER_CASE * k + 2] = T * log(p * p / 0.5 + (1 - p) * (1 - p) / 0.5);
    }
    return 0;
}

/* log of the product when a = 0 was drawn K times of T */
typedef double (*of_draws)(double p, int K, int T);

static double as_powers(double p, int K, int T) { return K * log(p / 0.5) + (T - K) * log((1 - p) / 0.5); }

static double as_trained(double p, int K, int T)            /* the K first; what comes when does not matter */
{
    double logp[LONGEST], logp1[LONGEST], log_rho[LONGEST];
    for (int t = 0; t < T; t++) logp[t] = log(t < K ? p : 1 - p), logp1[t] = log(0.5);
    off_policy_log_products(T, logp, logp1, log_rho);
    return log_rho[T - 1];
}

/* K is binomial, and the product rises with it: its median is that of K. The moments are those of the smallest
 * products, `share` of them at most */
static void by_binomial_law(of_draws log_rho, double share, double *out)
{
    for (int k = 0; k < CASES; k++) {
        double p = likely[k / 2], below = 0, mean = 0, square = 0;
        int T = lengths[k % 2], median = -1;
        for (int K = 0; K <= T; K++) {
            double chance = gsl_ran_binomial_pdf((unsigned)K, 0.5, (unsigned)T), L = log_rho(p, K, T);
            if ((below += chance) > share) break;
            if (median < 0 && below >= 0.5) median = K;
            mean += chance * exp(L), square += chance * exp(2 * L);
        }
        out[PER_CASE * k] = log_rho(p, median, T);
        out[PER_CASE * k + 1] = log(mean);
        out[PER_CASE * k + 2] = log(square);
    }
}

static double binomial_law(const setting *x, double *out)
{
    (void)x;
    by_binomial_law(as_powers, INFINITY, out);
    return 0;
}

static double binomial_law_trained(const setting *x, double *out)
{
    (void)x;
    by_binomial_law(as_trained, INFINITY, out);
    return 0;
}

/* ERR-28: the products that "may become very small", all but the hundredth part that is largest */
static double small_products(const setting *x, double *out)
{
    (void)x;
    by_binomial_law(as_powers, 0.99, out);
    return 0;
}

static void page_of_products(const setting *x, FILE *out)
{
    double all[CASES * PER_CASE], small[CASES * PER_CASE];
    binomial_law_trained(x, all);
    small_products(x, small);
    fprintf(out, "pi from pi' = (.5, .5)     T     median       mean  of it in 99 of 100        Var"
            "   samples of pi' that count for one\n");
    for (int k = 0; k < CASES * PER_CASE; k += PER_CASE)
        fprintf(out, "(%g, %g) %21d %10.3g %10.3g %19.3g %10.3g %20.3g\n", likely[k / PER_CASE / 2],
                1 - likely[k / PER_CASE / 2], lengths[k / PER_CASE % 2], exp(all[k]), exp(all[k + 1]),
                exp(small[k + 1]), expm1(all[k + 2]), exp(all[k + 2]));
    fprintf(out, "The mean stays 1: what almost every product lacks, a few hold, which a batch will hardly"
            " have.\n");
}

const derivation product_of_ratios[] = {
    { "IS-9", "the product of T ratios: median e^(-T KL(pi'||pi)), mean 1, Var (1 + chi^2)^T - 1",
      "log of median, mean, 1 + Var; (.6, .4) and (.9, .1) from (.5, .5), T = 20, 100", n_cases, unit_cases,
      NULL, NULL, {
        { "-T\\,KL(\\pi_{\\theta'}\\|\\pi_\\theta),\\quad\\log1,\\quad"
          " T\\log(1+\\chi^2(\\pi_\\theta\\|\\pi_{\\theta'}))",
          "a sum of T logs, each of mean -KL, and its median where they lie evenly about it; products of"
          " independent means", closed_form },
        { "=\\log\\mathrm{med}\\,\\rho,\\quad\\log E\\rho,\\quad\\log E\\rho^2",
          "the number of times that the likelier action was drawn is binomial", binomial_law },
        { "=\\log\\mathrm{med}\\,\\rho,\\quad\\log E\\rho,\\quad\\log E\\rho^2",
          "the same, products through algorithms/off_policy_pg.c", binomial_law_trained },
        { "\\log\\mathrm{med}\\,\\rho,\\quad"
          "\\log E[\\rho1_{\\rho\\le c}],\\quad\\log E[\\rho^21_{\\rho\\le c}],"
          "\\quad P(\\rho\\le c)\\le.99",
          "001 (l.119): the product may become very small. So is the median; but of the mean, 1, and of the variance"
          " the 99 in 100 smallest products hold this much only, and the few large ones the rest",
          small_products, DIFFERS, "ERR-28" } },
      "T steps of two actions", page_of_products },
    { .id = NULL }
};
