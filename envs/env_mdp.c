/* A finite MDP as an environment: see env_mdp.h. */
#include "envs/env_mdp.h"

#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"

struct model {
    const mdp *M;
    mdp *own;               /* M again, if it is freed with the environment; else NULL */
    bool *absorbing;        /* [nS] */
    double *F;              /* [as M->P] P(s' <= next[k] | s,a), the distribution function of each row */
    double *F_start;        /* [n_start] of mu0, up to the last state where mu0 > 0 */
    int n_start;
};

/* The first i with u < F[i], at least where P > 0: F rises only there. The last one has P > 0, too, and takes
 * what is left if rounding makes F end below u. */
static int draw(const double *F, int n, double u)
{
    int low = 0, high = n - 1;
    while (low < high) {
        int middle = (low + high) / 2;
        if (u < F[middle]) high = middle;
        else               low = middle + 1;
    }
    return low;
}

static void enter(env *e, int s)
{
    e->obs[(int)e->state[0]] = 0;
    e->obs[s] = 1;
    e->state[0] = s;
}

static void reset(env *e)
{
    const struct model *m = e->model;
    enter(e, draw(m->F_start, m->n_start, gsl_rng_uniform(e->rng)));
}

static bool step(env *e, const double *action, double *reward)
{
    const struct model *m = e->model;
    const mdp *M = m->M;
    const int *row = &M->row[(int)e->state[0] * M->nA + (int)action[0]];
    int n = row[1] - row[0], k = row[0];
    if (n > 1) k += draw(m->F + k, n, gsl_rng_uniform(e->rng));
    *reward = M->R[k];
    enter(e, M->next[k]);
    return m->absorbing[M->next[k]];
}

static void observe(env *e)
{
    double s = e->state[0];
    require(s >= 0 && s < e->observation.n && s == (int)s, "%s: state %g of %d", e->id, s, e->observation.n);
    memset(e->obs, 0, (size_t)e->observation.dim * sizeof *e->obs);
    e->obs[(int)s] = 1;
}

static void free_model(void *model)
{
    struct model *m = model;
    mdp_free(m->own);
    free(m->absorbing);
    free(m->F);
    free(m->F_start);
    free(m);
}

env *env_mdp_new(const mdp *M)
{
    static const char *const state_name[] = { "s" };
    static const struct env_kind kind = { reset, step, observe, free_model, state_name };
    int nS = M->nS, rows = nS * M->nA;
    struct model *m = allocate(1, sizeof *m, "an environment");
    *m = (struct model){ .M = M, .absorbing = allocate((size_t)nS, sizeof *m->absorbing, "an environment"),
                         .F = allocate((size_t)M->row[rows], sizeof *m->F, "an environment"),
                         .F_start = allocate((size_t)nS, sizeof *m->F_start, "an environment") };
    for (int s = 0; s < nS; s++) {
        m->absorbing[s] = mdp_absorbing(M, s);
        m->F_start[s] = (s > 0 ? m->F_start[s - 1] : 0) + M->mu0[s];
        if (M->mu0[s] > 0) m->n_start = s + 1;
    }
    for (int i = 0; i < rows; i++) {
        double sum = 0;
        for (int k = M->row[i]; k < M->row[i + 1]; k++) m->F[k] = sum += M->P[k];
    }
    env_space action = { .n = M->nA, .dim = 1 }, observation = { .n = nS, .dim = nS };
    env *e = env_new(M->name, &kind, m, 1, action, observation);
    e->gamma = M->gamma;
    return e;
}

env *env_mdp_open(const char *name_or_path, char *error, size_t size)
{
    mdp *M = mdp_open(name_or_path, error, size);
    if (!M) return NULL;
    env *e = env_mdp_new(M);
    ((struct model *)e->model)->own = M;
    return e;
}
