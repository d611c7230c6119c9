/* What algorithms on exact tables have in common: see improvement.h. */
#include "algorithms/improvement.h"

#include <math.h>
#include <string.h>

const char *improvement_outcome_name(enum improvement_outcome o)
{
    static const char *const name[] = { [IMPROVED] = "improved", [IMPROVEMENT_OPTIMAL] = "optimal",
                                        [IMPROVEMENT_STALLED] = "stalled", [IMPROVEMENT_UNSETTLED] = "unsettled" };
    return name[o];
}

/* PDI-9 */
double surrogate_gain(const exact_table *x, const double *pi1)
{
    double gain = 0;
    for (int s = 0; s < x->nS; s++) {
        double E = 0;                                           /* E_{a ~ pi1}[A(s,a)] */
        for (int i = s * x->nA; i < (s + 1) * x->nA; i++) E += pi1[i] * x->A[i];
        gain += x->rho[s] * E;
    }
    return gain;
}

double surrogate_gain_most(const exact_table *x)
{
    double gain = 0;
    for (int s = 0; s < x->nS; s++) {
        double best = x->A[s * x->nA];
        for (int i = s * x->nA; i < (s + 1) * x->nA; i++) best = fmax(best, x->A[i]);
        gain += x->rho[s] * best;
    }
    return gain;
}

improvement improvement_none(const exact_table *x, enum improvement_outcome why, double *pi1)
{
    memcpy(pi1, x->pi, (size_t)(x->nS * x->nA) * sizeof *pi1);
    return (improvement){ .outcome = why, .L = x->J, .bound = x->J };
}

const exact_table improvement_example = {
    .nS = 2, .nA = 3, .gamma = 0.5, .J = 1, .R = 3,
    .pi = (const double[]){ 0.5, 0.25, 0.25, 0.25, 0.25, 0.5 },
    .A = (const double[]){ 1, -1, -1, 2, 0, -1 },
    .rho = (const double[]){ 1.25, 0.75 },
};

static void print_row(FILE *out, const double *x, int n)
{
    for (int a = 0; a < n; a++) fprintf(out, " %8.5f", x[a]);
}

void improvement_print(FILE *out, const exact_table *t, const double *pi1, const char *name, const double *x)
{
    fprintf(out, "   s   rho(s)    pi(.|s) %*s    A(s,.) %*s    pi_new(.|s)", 9 * t->nA - 9, "", 9 * t->nA - 8, "");
    if (x) fprintf(out, " %*s    %s", 9 * t->nA - 13, "", name);
    for (int s = 0; s < t->nS; s++) {
        fprintf(out, "\n%4d %8.5f   ", s, t->rho[s]);
        print_row(out, t->pi + s * t->nA, t->nA);
        fputs("   ", out);
        print_row(out, t->A + s * t->nA, t->nA);
        fputs("   ", out);
        print_row(out, pi1 + s * t->nA, t->nA);
        if (x) fprintf(out, "    %8.5f", x[s]);
    }
    putc('\n', out);
}
