/* A2C against A3C at equal steps of their environments. 004 (l.188-194): A3C's agents play with older parameters;
 * A2C, which waits for all, is the improved version. A3C here takes its turns in the order in which every gradient
 * is made with parameters that are N - 1 updates old, so that a seed gives the same numbers each time. */
#include <math.h>

#include "algorithms/a2c.h"
#include "algorithms/a3c.h"
#include "algorithms/schedule.h"
#include "derivations/measured.h"

#define LAKE "FrozenLake-v1"
enum { WORKERS = 8, N_STEPS = 5, SEEDS = 20, ALPHAS = 4 };
static const long steps_ = 40000;
static const double gamma_ = 0.99, alphas[ALPHAS] = { 0.01, 0.03, 0.1, 0.3 };
enum { SAME = 2 };                                              /* of the alphas: the control's */

/* J of the last policy of a run: the same gradients, weights and RMSProp; only who waits for whom differs */
static double J_after(bool asynchronous, double alpha, uint64_t seed)
{
    const a2c_config a2c_own = { .workers = WORKERS, .n_steps = N_STEPS, .until = A2C_UNTIL_END, .gamma = gamma_,
                                 .lambda = 1, .c_V = 0.5, .beta = 0.01, .mean = A2C_MEAN_OVER_WORKERS, .lr = alpha,
                                 .lr_V = alpha, .optimiser = A2C_RMSPROP, .alpha = 0.99, .eps = 1e-3 };
    const a3c_config a3c_own = { .workers = WORKERS, .t_max = N_STEPS, .gamma = gamma_, .c_V = 0.5, .beta = 0.01,
                                 .lr = alpha, .lr_V = alpha, .optimiser = A3C_RMSPROP_SHARED, .alpha = 0.99,
                                 .eps = 1e-3, .schedule = SCHEDULE_STALE };
    mdp *M = mdp_builtin(LAKE);
    M->gamma = gamma_;
    env *e = measured_env(LAKE);
    run *r = asynchronous ? measured_run(e, a3c, &a3c_own, seed, steps_, INFINITY)
                          : measured_run(e, a2c, &a2c_own, seed, steps_, INFINITY);
    double J = measured_J(M, r->theta);
    measured_free(r);
    mdp_free(M);
    return J;
}

static double mean_J(bool asynchronous, double alpha, uint64_t seed, double *se)
{
    double sum = 0, squares = 0;
    for (int k = 0; k < SEEDS; k++) {
        double J = J_after(asynchronous, alpha, seed + (uint64_t)k);
        sum += J;
        squares += J * J;
    }
    double mean = sum / SEEDS;
    if (se) *se = sqrt((squares / SEEDS - mean * mean) / (SEEDS - 1));
    return mean;
}

static double best_J(bool asynchronous, uint64_t seed)
{
    double best = 0;
    for (int i = 0; i < ALPHAS; i++) best = fmax(best, mean_J(asynchronous, alphas[i], seed, NULL));
    return best;
}

/* A2C-2   |max_alpha J of A2C - max_alpha J of A3C|, J the mean over seeds */
static double between_the_best(const setting *x, double *out)
{
    *out = fabs(best_J(false, x->seed) - best_J(true, x->seed));
    return 0;
}

static double at_the_same_alpha(const setting *x, double *out)
{
    *out = fabs(mean_J(false, alphas[SAME], x->seed, NULL) - mean_J(true, alphas[SAME], x->seed, NULL));
    return 0;
}

static void page(const setting *x, FILE *out)
{
    fprintf(out, "%d workers, %d steps a turn, %ld steps in all, %d seeds; mean J of the last policy +- standard"
            " error:\nalpha    A2C              A3C, gradients %d updates old\n", WORKERS, N_STEPS, steps_, SEEDS,
            WORKERS - 1);
    for (int i = 0; i < ALPHAS; i++) {
        double se[2], J[2];
        for (int k = 0; k < 2; k++) J[k] = mean_J(k == 1, alphas[i], x->seed, &se[k]);
        fprintf(out, "%-8g %.3f +- %.3f    %.3f +- %.3f\n", alphas[i], J[0], se[0], J[1], se[1]);
    }
    fprintf(out, "A3C makes %d updates where A2C makes one, and so wants a smaller step; with its own, the"
            " difference is below\n.1. One of .14 would be seen with probability .9 (its standard error is about"
            " .03). What A2C gains is that a\nseed gives the same bits.\n", WORKERS);
}

const derivation a2c_against_a3c[] = {
    { "A2C-2", "A2C, the improved version? At equal steps, each with its best step size, neither is",
      "difference of mean J, 20 seeds", count_one, unit_of_one, NULL, NULL, {
        { "0.1", "what would count", .is = { 0.1 } },
        { "\\ge|\\max_\\alpha\\bar J_{\\text{A2C}}-\\max_\\alpha\\bar J_{\\text{A3C}}|",
          "alpha = .01, .03, .1, .3; A3C's gradients are N - 1 updates old", between_the_best, AT_MOST },
        { "\\le|\\bar J_{\\text{A2C}}-\\bar J_{\\text{A3C}}|,\\quad\\alpha=.1",
          "the control: the same step for both, of which A3C takes N where A2C takes one", at_the_same_alpha,
          AT_LEAST } },
      LAKE ", gamma .99, 8 workers, 40000 steps", page, .trains = 10 },
    { .id = NULL }
};
