/* Policies of the exact layer as tables, and back: see improvement.h. */
#include "derivations/improvement.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"

exact_table improvement_table(const exact *x)
{
    double *rho = allocate((size_t)x->nS, sizeof *rho, "visits"), least = x->r[0], most = x->r[0];
    for (int s = 0; s < x->nS; s++) rho[s] = exact_rho(x, s);
    for (int i = 0; i < x->nSA; i++) {
        least = fmin(least, x->r[i]);
        most = fmax(most, x->r[i]);
    }
    return (exact_table){ .nS = x->nS, .nA = x->nA, .gamma = x->gamma, .J = x->J, .R = most - least,
                          .rounding = 10 * x->unit_V, .pi = x->pi, .A = x->A, .rho = rho };
}

void improvement_table_free(exact_table *t)
{
    free((double *)t->rho);
    t->rho = NULL;
}

exact *improvement_exact(const exact *x, const double *pi1, char *error, size_t size)
{
    size_t nA = (size_t)x->nA;
    double *z = allocate((size_t)x->nSA, sizeof *z, "logits");
    for (size_t s = 0; s < (size_t)x->nS; s++) {
        bool same = memcmp(pi1 + s * nA, x->pi + s * nA, nA * sizeof *pi1) == 0;
        for (size_t i = s * nA; i < (s + 1) * nA; i++)
            z[i] = same ? x->logits[i] : pi1[i] > 0 ? log(pi1[i]) : -1e4;           /* exp(-1e4) is 0 */
    }
    exact *next = exact_new(x->M, x->gamma, z, error, size);
    free(z);
    return next;
}
