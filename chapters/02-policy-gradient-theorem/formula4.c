/* two-states.mdp: for each gamma 1 - gamma times the derivative of (1), sum_s d(s) V(s), in p = pi(leave|G), at p = .5:
 * that of the mean reward; and what formula (4) gives; as CSV. */
#include <math.h>
#include <stdio.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/exact.h"
#include "derivations/visitation.h"

enum { G, B, LEAVE = 0, STAY = 1, nS = 2, nA = 2 };

static exact *at(const mdp *M, double gamma, double p)
{
    char error[256];
    const double logits[nS * nA] = { log(p), log(1 - p), 0, 0 };
    exact *x = exact_new(M, gamma, logits, error, sizeof error);
    if (!x) bad_input("%s", error);
    return x;
}

/*[snip formula4]*/
/* sum_s d(s) V(s), d stationary: 000 eq (1) */
static double objective_1(const mdp *M, double gamma, double p)
{
    double d[nS];
    exact *x = at(M, gamma, p);
    visitation_stationary(x, d, NULL);
    double J = d[G] * x->V[G] + d[B] * x->V[B];
    exact_free(x);
    return J;
}

/* sum_s d(s) sum_a Q(s,a) dpi(a|s)/dp: 000 eq (4) */
static double formula_4(const mdp *M, double gamma, double p)
{
    double d[nS];
    exact *x = at(M, gamma, p);
    visitation_stationary(x, d, NULL);
    double sum = d[G] * (x->Q[G * nA + LEAVE] - x->Q[G * nA + STAY]);
    exact_free(x);
    return sum;
}
/*[/snip]*/

int main(void)
{
    const double p = 0.5, h = 0x1p-10;
    char error[256];
    linalg_start();
    mdp *M = mdp_open("chapters/02-policy-gradient-theorem/two-states.mdp", error, sizeof error);
    if (!M) bad_input("%s", error);
    printf("gamma,(1 - gamma) d(1)/dp,formula (4)\n");
    for (int i = 0; i < 50; i++) {
        double gamma = 0.02 * i, slope = (objective_1(M, gamma, p + h) - objective_1(M, gamma, p - h)) / (2 * h);
        printf("%.2f,%.6f,%.6f\n", gamma, (1 - gamma) * slope, formula_4(M, gamma, p));
    }
    mdp_free(M);
    finish(EXIT_HELD);
}
