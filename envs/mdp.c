/* The table of a finite MDP and its builder: see mdp.h. */
#include "envs/mdp.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "autodiff/require.h"
#include "envs/lqr.h"

static const double SUM_TOLERANCE = 1e-9;

/* ---------------------------------------------------------------------------------------- builder */

struct transition {
    int row, next;          /* s*nA + a, s' */
    int order;              /* how many were given before: the order in which equal ones are added */
    double P, R;
};

struct mdp_builder {
    mdp *M;
    struct transition *t;   /* [n] as given; room for more */
    size_t n, room;
};

mdp_builder *mdp_begin(const char *name, int nS, int nA, double gamma)
{
    require(nS >= 1 && nA >= 1 && nS < INT_MAX / nA, "%d states, %d actions", nS, nA);
    require(gamma >= 0 && gamma <= 1, "discount %g", gamma);
    size_t rows = (size_t)nS * (size_t)nA;
    mdp *M = allocate(1, sizeof *M, "MDP");
    *M = (mdp){ .nS = nS, .nA = nA, .gamma = gamma,
                .name = allocate(strlen(name) + 1, 1, "name of an MDP"),
                .mu0 = allocate((size_t)nS, sizeof *M->mu0, "start distribution"),
                .row = allocate(rows + 1, sizeof *M->row, "rows of an MDP") };
    strcpy(M->name, name);
    mdp_builder *b = allocate(1, sizeof *b, "MDP builder");
    *b = (mdp_builder){ .M = M, .room = rows, .t = allocate(rows, sizeof *b->t, "transitions") };
    return b;
}

void mdp_start(mdp_builder *b, int s, double p)
{
    require(s >= 0 && s < b->M->nS && p >= 0 && p <= 1, "mu0(%d) = %g", s, p);
    b->M->mu0[s] = p;
}

void mdp_transition(mdp_builder *b, int s, int a, int s1, double P, double R)
{
    const mdp *M = b->M;
    require(s >= 0 && s < M->nS && a >= 0 && a < M->nA && s1 >= 0 && s1 < M->nS,
            "transition (%d, %d, %d) of %d states, %d actions", s, a, s1, M->nS, M->nA);
    require(P >= 0 && P <= 1 && isfinite(R), "P(%d|%d,%d) = %g, r = %g", s1, s, a, P, R);
    if (P == 0) return;
    require(b->n < INT_MAX, "more than %d transitions", INT_MAX);
    if (b->n == b->room) b->t = reallocate(b->t, b->room *= 2, sizeof *b->t, "transitions");
    b->t[b->n] = (struct transition){ s * M->nA + a, s1, (int)b->n, P, R };
    b->n++;
}

static int by_row_next_order(const void *x, const void *y)
{
    const struct transition *t = x, *u = y;
    if (t->row != u->row) return t->row < u->row ? -1 : 1;
    if (t->next != u->next) return t->next < u->next ? -1 : 1;
    return t->order < u->order ? -1 : 1;
}

static void require_distributions(const mdp *M)
{
    double start = 0;
    for (int s = 0; s < M->nS; s++) start += M->mu0[s];
    require(fabs(start - 1) <= SUM_TOLERANCE, "start distribution of %s: sum %.17g", M->name, start);
    for (int i = 0; i < M->nS * M->nA; i++) {
        double sum = 0;
        for (int k = M->row[i]; k < M->row[i + 1]; k++) sum += M->P[k];
        require(fabs(sum - 1) <= SUM_TOLERANCE, "P(.|%d,%d) of %s: sum %.17g",
                i / M->nA, i % M->nA, M->name, sum);
    }
}

mdp *mdp_finish(mdp_builder *b)
{
    mdp *M = b->M;
    qsort(b->t, b->n, sizeof *b->t, by_row_next_order);
    M->next = allocate(b->n, sizeof *M->next, "next states");
    M->P = allocate(b->n, sizeof *M->P, "transition probabilities");
    M->R = allocate(b->n, sizeof *M->R, "rewards");

    /* equal (s,a,s'): the sum of P and the P-weighted mean of R, which leaves equal rewards as they are */
    int n = 0;
    for (size_t i = 0, j; i < b->n; i = j, n++) {
        const struct transition *t = &b->t[i];
        double P = 0, PR = 0;
        bool equal = true;
        for (j = i; j < b->n && b->t[j].row == t->row && b->t[j].next == t->next; j++) {
            P += b->t[j].P;
            PR += b->t[j].P * b->t[j].R;
            equal = equal && b->t[j].R == t->R;
        }
        M->next[n] = t->next;
        M->P[n] = fmin(P, 1);           /* as a sum it may round to 1 + 2^-52 */
        M->R[n] = equal ? t->R : PR / P;
        M->row[t->row + 1]++;
    }
    for (int i = 0; i < M->nS * M->nA; i++) M->row[i + 1] += M->row[i];
    require_distributions(M);
    free(b->t);
    free(b);
    return M;
}

static void free_names(char **name, int n)
{
    for (int i = 0; name && i < n; i++) free(name[i]);
    free(name);
}

void mdp_free(mdp *M)
{
    if (!M) return;
    free_names(M->state_name, M->nS);
    free_names(M->action_name, M->nA);
    free(M->name);
    free(M->mu0);
    free(M->row);
    free(M->next);
    free(M->P);
    free(M->R);
    free(M);
}

/* ---------------------------------------------------------------------------------------- queries */

double mdp_reward(const mdp *M, int s, int a)
{
    const int *row = &M->row[s * M->nA + a];
    double r = 0;
    for (int k = row[0]; k < row[1]; k++) r += M->P[k] * M->R[k];
    return r;
}

bool mdp_absorbing(const mdp *M, int s)
{
    for (int a = 0; a < M->nA; a++) {
        const int *row = &M->row[s * M->nA + a];
        if (row[1] != row[0] + 1 || M->next[row[0]] != s || M->R[row[0]] != 0) return false;
    }
    return true;
}

/* ---------------------------------------------------------------------------------------- opening */

mdp *mdp_open(const char *name_or_path, char *error, size_t size)
{
    if (lqr_is_file(name_or_path)) {
        snprintf(error, size, "%s: expected a finite MDP, found a regulator: `ascent lqr %s` takes it",
                 name_or_path, name_or_path);
        return NULL;
    }
    bool path = strpbrk(name_or_path, "./") || access(name_or_path, F_OK) == 0;
    return path && !mdp_is_builtin(name_or_path) ? mdp_read(name_or_path, error, size)
                                                 : mdp_named(name_or_path, error, size);
}
