/* Semi-gradient and residual gradient of the squared TD error: see residual_gradient.h. 000 (l.186, l.250), 002
 * (l.129), 004 (l.136); Baird (1995). */
#include "derivations/residual_gradient.h"

#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"

/* One transition (s, s') with its probability d(s) pi(a|s) P(s'|s,a) and reward; s1 = -1: it ends */
struct transition { int s, s1; double p, r; };
typedef void (*each)(void *context, struct transition x);

static void all_transitions(const exact *x, const double *d, each look, void *context)
{
    const mdp *M = x->M;
    for (int i = 0; i < x->nSA; i++) {
        int s = i / x->nA;
        for (int k = M->row[i]; k < M->row[i + 1] && !x->absorbing[s]; k++)
            look(context, (struct transition){ s, x->absorbing[M->next[k]] ? -1 : M->next[k],
                                               d[s] * x->pi[i] * M->P[k], M->R[k] });
    }
}

struct update { double gamma; const double *V; enum td_gradient kind; double *g, loss; };

/*[snip residual-gradient later]*/
/* TDA-7   delta grad V(s); ERR-15: and - gamma grad V(s') */
static void update(void *context, struct transition x)
{
    struct update *u = context;
    double delta = x.r + (x.s1 < 0 ? 0 : u->gamma * u->V[x.s1]) - u->V[x.s];
    u->loss += x.p * delta * delta;
    if (!u->g) return;
    u->g[x.s] += x.p * delta;
    if (u->kind == RESIDUAL_GRADIENT && x.s1 >= 0) u->g[x.s1] -= u->gamma * x.p * delta;
}
/*[/snip]*/

void residual_gradient_mean(const exact *x, const double *d, const double *V, enum td_gradient kind, double *g)
{
    struct update u = { x->gamma, V, kind, g, 0 };
    memset(g, 0, (size_t)x->nS * sizeof *g);
    all_transitions(x, d, update, &u);
}

double residual_gradient_loss(const exact *x, const double *d, const double *V)
{
    struct update u = { x->gamma, V, SEMI_GRADIENT, NULL, 0 };
    all_transitions(x, d, update, &u);
    return u.loss;
}

struct equations { int nS; double gamma; enum td_gradient kind; double *A, *b; };

/* The mean update is b - A V: with u = 1_s, or 1_s - gamma 1_s', A = E[u (1_s - gamma 1_s')^T], b = E[u r] */
static void equation(void *context, struct transition x)
{
    struct equations *e = context;
    for (int row = 0; row < 2; row++) {
        int at = row ? x.s1 : x.s;
        double u = row ? -e->gamma : 1;
        if (at < 0 || (row && e->kind == SEMI_GRADIENT)) continue;
        e->A[at * e->nS + x.s] += u * x.p;
        if (x.s1 >= 0) e->A[at * e->nS + x.s1] -= u * e->gamma * x.p;
        e->b[at] += u * x.p * x.r;
    }
}

bool residual_gradient_fixed_point(const exact *x, const double *d, enum td_gradient kind, double *V)
{
    size_t nS = (size_t)x->nS;
    double *A = allocate(nS * nS + nS, sizeof *A, "a fixed point"), *b = A + nS * nS;
    struct equations e = { x->nS, x->gamma, kind, A, b };
    all_transitions(x, d, equation, &e);
    for (int s = 0; s < x->nS; s++) {                       /* nothing is learnt where nothing is seen */
        if (!x->absorbing[s] && d[s] > 0) continue;
        for (int i = 0; i < x->nS; i++) A[s * x->nS + i] = i == s;
        b[s] = 0;
    }
    linalg_lu *f = linalg_lu_new(x->nS);
    bool regular = linalg_lu_factor(f, A) == LINALG_OK;
    if (regular) linalg_lu_solve(f, false, 1, b, V);
    linalg_lu_free(f);
    free(A);
    return regular;
}
