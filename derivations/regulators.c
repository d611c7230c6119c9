/* Three regulators: see regulators.h. chapters/examples has them as files. */
#include "derivations/regulators.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"

static const struct { const char *name, *system, *gain; } regulator[REGULATORS] = {
    { "scalar", "discount: 0.9\n A: 1\n B: 0.5\n Q: 1\n R: 0.1\n Sigma0: 1\n", "0.4\n" },
    { "cart", "discount: 0.98\n A: 1 0.1\n 0 1\n B: 0.005\n 0.1\n Q: 1 0\n 0 0.1\n R: 0.01\n mean: 1 0\n", "3, 2\n" },
    { "rooms", "discount: 0.95\n A: 0.9 0.1 0\n 0.1 0.8 0.1\n 0 0.1 0.8\n B: 0.5 0\n 0 0.3\n 0 0\n"
      "Q: 1 0 0\n 0 1 0\n 0 0 2\n R: 0.2 0\n 0 0.4\n W: 0.02 0.01 0\n 0.01 0.02 0\n 0 0 0.05\n"
      "Sigma0: 4 0 0\n 0 4 0\n 0 0 4\n", "0.5, 0.1, 0\n 0.2, 0.5, 0.3\n" } };

const char *regulator_name(int i) { return regulator[i].name; }

lqr_system *regulator_system(int i)
{
    char error[256] = "";
    const char *text = regulator[i].system;
    lqr_system *L = lqr_system_parse(regulator[i].name, text, strlen(text), error, sizeof error);
    require(L, "%s", error);
    return L;
}

lqr_exact *regulator_exact(int i, const lqr_system *L, const double *S)
{
    char error[256] = "";
    double K[REGULATOR_MAX * REGULATOR_MAX];
    const char *text = regulator[i].gain;
    bool read = lqr_gain_parse(regulator[i].name, text, strlen(text), L, K, error, sizeof error);
    require(read, "%s", error);
    lqr_exact *x = lqr_exact_new(L, K, S, error, sizeof error);
    require(x, "%s", error);
    return x;
}

void regulator_visits(const lqr_exact *x, regulator_visit f, double *to)
{
    int n = x->n, T = (int)ceil(log(1e-22) / (2 * log(x->radius)));
    double root[REGULATOR_MAX * REGULATOR_MAX], s[REGULATOR_MAX], s1[REGULATOR_MAX];
    lqr_root(n, x->M0, root);
    for (int j = 0; j < n; j++) {
        double weight = 1;
        for (int i = 0; i < n; i++) s[i] = root[i * n + j];
        for (int t = 0; t < T; t++, weight *= x->L->gamma) {
            f(x, s, weight, to);
            linalg_matvec(n, n, x->F, s, s1);
            memcpy(s, s1, sizeof s);
        }
    }
}

/* Gauss and Hermite: nodes -sqrt(3), 0, sqrt(3) with weights 1/6, 2/3, 1/6 for N(0, 1) */
double regulator_mean(int n, const double *C, regulator_function f, const void *of)
{
    double root[REGULATOR_MAX * REGULATOR_MAX], sum = 0;
    int nodes = 1;
    lqr_root(n, C, root);
    for (int i = 0; i < n; i++) nodes *= 3;
    for (int k = 0; k < nodes; k++) {
        double xi[REGULATOR_MAX] = { 0 }, weight = 1;
        for (int j = 0, digits = k; j < n; j++, digits /= 3) {
            double z = sqrt(3) * (digits % 3 - 1);
            weight *= digits % 3 == 1 ? 2.0 / 3 : 1.0 / 6;
            for (int i = 0; i < n; i++) xi[i] += root[i * n + j] * z;
        }
        sum += weight * f(xi, of);
    }
    return sum;
}
