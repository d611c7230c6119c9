/* Gaussian policies u ~ N(k x + b, sd^2) on the scalar regulator, against the best: gain DIR... prints a row
 * run,k,b,sd,J for each, J exact, the same for k = b = 0 with sd = 1, where they start, and last Riccati's k. */
#include <math.h>
#include <stdio.h>

#include "algorithms/trained.h"
#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "envs/lqr.h"

/* V(x) = -p x^2: u = k x maximises -(Q x^2 + R u^2) - gamma p (A x + B u)^2, and p is what it leaves; iterated */
static double riccati_gain(const lqr *L)
{
    double p = 0, k = 0;
    for (int i = 0; i < 1000; i++) {
        k = -L->gamma * p * L->A * L->B / (L->R + L->gamma * p * L->B * L->B);
        p = L->Q + L->R * k * k + L->gamma * p * pow(L->A + L->B * k, 2);
    }
    return k;
}

/* J = -E sum_t gamma^t (Q x^2 + R u^2), by the first two moments of x, step by step */
static double J(const lqr *L, double k, double b, double sd)
{
    double m = 0, m2 = L->X0, sum = 0, gamma_t = 1;
    for (int t = 0; t < 1000; t++, gamma_t *= L->gamma) {
        double u2 = k * k * m2 + 2 * k * b * m + b * b + sd * sd, xu = k * m2 + b * m;
        sum -= gamma_t * (L->Q * m2 + L->R * u2);
        m2 = L->A * L->A * m2 + 2 * L->A * L->B * xu + L->B * L->B * u2 + L->W;
        m = (L->A + L->B * k) * m + L->B * b;
    }
    return sum;
}

static void row(const char *name, double k, double b, double sd)
{
    printf("%s,%.4f,%.4f,%.4f,%.4f\n", name, k, b, sd, J(&lqr_scalar, k, b, sd));
}

int main(int argc, char **argv)
{
    linalg_start();
    if (argc < 2) bad_input("usage: gain DIR...");
    row("at first", 0, 0, 1);
    for (int i = 1; i < argc; i++) {
        char name[20];
        trained *w = trained_read(argv[i], true);
        require(w->p.n == 3, "%d parameters for k, b, log sd", w->p.n);
        snprintf(name, sizeof name, "run %d", i);
        row(name, w->theta[0], w->theta[1], exp(w->theta[2]));
        trained_free(w);
    }
    row("best (Riccati)", riccati_gain(&lqr_scalar), 0, 0);
    finish(EXIT_HELD);
}
