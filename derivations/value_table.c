/* Critics as numbers: see value_table.h. */
#include "derivations/value_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"
#include "derivations/policy_file.h"

static value_table *value_table_new(const finite_horizon *f, bool with_Q)
{
    value_table *c = allocate(1, sizeof *c, "a critic");
    *c = (value_table){ .H = f->H, .nS = f->M->nS, .nA = f->M->nA };
    size_t states = (size_t)c->H * (size_t)c->nS;
    c->V = allocate(states + (size_t)c->nS, sizeof *c->V, "values");
    if (with_Q) c->Q = allocate(states * (size_t)c->nA, sizeof *c->Q, "action values");
    return c;
}

void value_table_free(value_table *c)
{
    if (!c) return;
    free(c->V);
    free(c->Q);
    free(c);
}

value_table *value_table_exact(const finite_horizon *f)
{
    value_table *c = value_table_new(f, true);
    size_t states = (size_t)c->H * (size_t)c->nS;
    memcpy(c->V, f->x->V, states * sizeof *c->V);
    memcpy(c->Q, f->x->Q, states * (size_t)c->nA * sizeof *c->Q);
    return c;
}

value_table *value_table_X29(const finite_horizon *f)
{
    value_table *c = value_table_exact(f);
    for (int i = 0; i < c->H * c->nS; i++) {
        int s = i % c->nS;
        c->V[i] = 0;
        for (int a = 0; a < c->nA && !mdp_absorbing(f->M, s); a++) {
            double *Q = &c->Q[i * c->nA + a];
            *Q = 0.7 * *Q + 0.3 * sin(7 * s + 4 * a);
            c->V[i] += f->x->pi[i * c->nA + a] * *Q;
        }
    }
    return c;
}

double *value_table_X29_Q(const exact *x)
{
    double *Q_w = allocate((size_t)x->nSA, sizeof *Q_w, "a critic");
    for (int i = 0; i < x->nSA; i++)
        Q_w[i] = x->absorbing[i / x->nA] ? 0 : 0.7 * x->Q[i] + 0.3 * sin(7 * (i / x->nA) + 4 * (i % x->nA));
    return Q_w;
}

value_table *value_table_read(const char *path, const finite_horizon *f, char *error, size_t size)
{
    int nS = f->M->nS, nA = f->M->nA, columns;
    double *x = allocate((size_t)(f->H + 1) * (size_t)nS * (size_t)(nA + 1), sizeof *x, "a critic's file");
    int rows = policy_read_values(path, nA, (f->H + 1) * nS, x, &columns, error, size);
    value_table *c = NULL;
    if (rows == nS || rows == f->H * nS || rows == (f->H + 1) * nS) {
        c = value_table_new(f, columns > 1);
        for (int i = 0; i < (f->H + 1) * nS; i++) {
            int row = rows == nS && i < f->H * nS ? i % nS : i;
            if (row >= rows || mdp_absorbing(f->M, i % nS)) continue;
            c->V[i] = x[row * columns];
            for (int a = 0; a < columns - 1 && i < f->H * nS; a++) c->Q[i * nA + a] = x[row * columns + 1 + a];
        }
    } else if (rows >= 0)
        snprintf(error, size, "%s: expected %d rows, one for each state, %d for the %d steps too, or %d with the"
                 " horizon, found %d", path, nS, f->H * nS, f->H, (f->H + 1) * nS, rows);
    free(x);
    return c;
}
