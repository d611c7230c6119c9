/* RMSProp as A3C has it (002, image A3C6; Mnih et al. 2016, section 4): eps inside the root, and one mean square
 * for all threads. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "autodiff/optimiser.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"

/* Two workers, in turn, three steps each; theta and g after each of the six */
enum { N = 3, TURNS = 6, NUMBERS = TURNS * 2 * N };
static const double lr = 0.01, alpha = 0.99, eps = 0.1;
static const double start[N] = { 0.5, -1, 2 };

/* Delta theta, of a loss */
static double gradient(int turn, int i) { return sin(3 * turn + i + 1) * (i + 0.2); }

static int    n_numbers(const setting *x) { (void)x; return NUMBERS; }
static double unit_steps(const setting *x) { (void)x; return 2 * DBL_EPSILON * TURNS; }

/* A3C-28  g <- alpha g + (1 - alpha) Delta theta^2,  theta <- theta - eta Delta theta / sqrt(g + eps) */
static double by_hand(const setting *x, double *out)
{
    (void)x;
    for (int i = 0; i < N; i++) {
        long double theta = start[i], g = 0;
        for (int k = 0; k < TURNS; k++) {
            long double d = gradient(k, i);
            g = alpha * g + (1 - (long double)alpha) * d * d;
            theta -= lr * d / sqrtl(g + eps);
            out[2 * N * k + i] = (double)theta;
            out[2 * N * k + N + i] = (double)g;
        }
    }
    return 0;
}

enum how { ONE, SHARED, OUTSIDE, EACH_ITS_OWN };

static void turns(enum how how, double *out)
{
    double theta[N], v[2][N] = { { 0 } };
    _Atomic double theta_shared[N], v_shared[N] = { 0 };
    memcpy(theta, start, sizeof theta);
    for (int i = 0; i < N; i++) theta_shared[i] = start[i];
    for (int k = 0; k < TURNS; k++) {
        int worker = how == EACH_ITS_OWN ? k % 2 : 0;
        rmsprop own = { .n = N, .lr = lr, .alpha = alpha, .eps = eps, .v = v[worker] };
        rmsprop_shared all = { .n = N, .lr = lr, .alpha = alpha, .eps = eps, .v = v_shared };
        double up[N];                                   /* objectives are ascended: minus the gradient of a loss */
        for (int i = 0; i < N; i++) up[i] = -gradient(k, i);
        if (how == SHARED)       rmsprop_shared_ascend(&all, theta_shared, up);
        else if (how == OUTSIDE) rmsprop_outside_ascend(&own, theta, up);
        else                     rmsprop_ascend(&own, theta, up);
        for (int i = 0; i < N; i++) {
            out[2 * N * k + i] = how == SHARED ? theta_shared[i] : theta[i];
            out[2 * N * k + N + i] = how == SHARED ? v_shared[i] : v[worker][i];
        }
    }
}

static double one_thread(const setting *x, double *out)   { (void)x; turns(ONE, out); return 0; }
static double shared(const setting *x, double *out)       { (void)x; turns(SHARED, out); return 0; }
static double eps_outside(const setting *x, double *out)  { (void)x; turns(OUTSIDE, out); return 0; }
static double each_its_own(const setting *x, double *out) { (void)x; turns(EACH_ITS_OWN, out); return 0; }

const derivation optimiser_steps[] = {
    { "A3C-28", "Shared RMSProp: eps inside the root, one mean square for all threads", "theta, g after each step",
      n_numbers, unit_steps, NULL, NULL, {
        { "g\\leftarrow\\alpha g+(1-\\alpha)\\Delta\\theta^2,\\quad\\theta\\leftarrow\\theta-"
          "\\eta\\frac{\\Delta\\theta}{\\sqrt{g+\\epsilon}}", "step by step, in long double", by_hand },
        { "\\text{one thread}", "rmsprop_ascend along minus the gradient of the loss", one_thread },
        { "\\text{two workers in turn}", "rmsprop_shared_ascend: g holds the squares of both", shared },
        { "\\sqrt g+\\epsilon", "the control: eps outside, another algorithm of the same name", eps_outside,
          DIFFERS },
        { "g_1,g_2", "the control: a mean square for each worker", each_its_own, DIFFERS } },
      "two workers, in turn, three steps each, on three numbers" },
    { .id = NULL }
};
