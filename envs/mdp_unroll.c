/* The time-expanded MDP: see mdp.h. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"
#include "envs/mdp.h"

/* "name@t", in the time-expanded order, then "end"; NULL for no names. */
static char **timed_names(char **name, int n, int H)
{
    if (!name) return NULL;
    char **timed = allocate((size_t)H * (size_t)n + 1, sizeof *timed, "names");
    for (int t = 0; t < H; t++)
        for (int s = 0; s < n; s++) {
            size_t room = strlen(name[s]) + 16;
            char *x = timed[t * n + s] = allocate(room, 1, "names");
            snprintf(x, room, "%s@%d", name[s], t);
        }
    timed[H * n] = allocate(sizeof "end", 1, "names");
    strcpy(timed[H * n], "end");
    return timed;
}

static char **copied_names(char **name, int n)
{
    if (!name) return NULL;
    char **copy = allocate((size_t)n, sizeof *copy, "names");
    for (int i = 0; i < n; i++) {
        copy[i] = allocate(strlen(name[i]) + 1, 1, "names");
        strcpy(copy[i], name[i]);
    }
    return copy;
}

mdp *mdp_unroll(const mdp *M, int H)
{
    int nS = M->nS, nA = M->nA;
    require(H >= 1 && H < INT_MAX / (nS * nA), "horizon %d for %d states, %d actions", H, nS, nA);
    int end = H * nS;
    size_t room = strlen(M->name) + 32;
    char *name = allocate(room, 1, "name of an MDP");
    snprintf(name, room, "%s over %d steps", M->name, H);
    mdp_builder *b = mdp_begin(name, end + 1, nA, M->gamma);
    free(name);

    for (int s = 0; s < nS; s++) mdp_start(b, s, M->mu0[s]);            /* at t = 0 */
    for (int t = 0; t < H; t++)
        for (int i = 0; i < nS * nA; i++)
            for (int k = M->row[i]; k < M->row[i + 1]; k++) {
                int s1 = M->next[k];
                bool over = t == H - 1 || mdp_absorbing(M, s1);
                mdp_transition(b, t * nS + i / nA, i % nA, over ? end : (t + 1) * nS + s1, M->P[k], M->R[k]);
            }
    for (int a = 0; a < nA; a++) mdp_transition(b, end, a, end, 1, 0);
    mdp *U = mdp_finish(b);
    U->state_name = timed_names(M->state_name, nS, H);
    U->action_name = copied_names(M->action_name, nA);
    return U;
}
