/* What must hold of every text that mdp_parse and policy_parse are given; what does not aborts. */
#ifndef ASCENT_FUZZ_CHECK_H
#define ASCENT_FUZZ_CHECK_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"
#include "envs/mdp.h"

#ifndef MDP_BOUNDS
#define MDP_BOUNDS 1
#endif

/* One line `name:line:column: expected ..., found ...`, in ASCII. */
static inline void check_message(const char *error)
{
    int line = 0, column = 0, after = 0;
    require(sscanf(error, "m:%d:%d: expected %n", &line, &column, &after) == 2 && after > 0, "%s", error);
    require(line >= 1 && column >= 1 && strstr(error + after, ", found "), "%s", error);
    for (const char *p = error; *p; p++) require(*p >= ' ' && *p <= '~', "byte 0x%02x", (unsigned char)*p);
}

/* What mdp.h promises of every table. */
static inline void check_table(const mdp *M)
{
    double start = 0;
    require(M->nS >= 1 && M->nA >= 1 && M->gamma >= 0 && M->gamma <= 1 && M->row[0] == 0, "sizes or discount");
    for (int s = 0; s < M->nS; s++) {
        require(M->mu0[s] >= 0 && M->mu0[s] <= 1, "mu0(%d) = %g", s, M->mu0[s]);
        start += M->mu0[s];
    }
    require(fabs(start - 1) <= 1e-9, "sum of mu0: %.17g", start);
    for (int i = 0; i < M->nS * M->nA; i++) {
        double sum = 0;
        for (int k = M->row[i], before = -1; k < M->row[i + 1]; before = M->next[k++]) {
            require(before < M->next[k] && M->next[k] < M->nS, "s' = %d after %d", M->next[k], before);
            require(M->P[k] > 0 && M->P[k] <= 1 && isfinite(M->R[k]), "P %g, R %g", M->P[k], M->R[k]);
            sum += M->P[k];
        }
        require(fabs(sum - 1) <= 1e-9, "row %d sums to %.17g", i, sum);
    }
}

static inline void check_names(char **x, char **y, int n)
{
    require((x == NULL) == (y == NULL), "names and no names");
    for (int i = 0; x && i < n; i++) require(strcmp(x[i], y[i]) == 0, "name %d: %s, %s", i, x[i], y[i]);
}

static inline void check_same(const mdp *M, const mdp *N)
{
    require(M->nS == N->nS && M->nA == N->nA && memcmp(&M->gamma, &N->gamma, sizeof(double)) == 0, "sizes");
    size_t nS = (size_t)M->nS, rows = nS * (size_t)M->nA, n = (size_t)M->row[rows];
    require(memcmp(M->mu0, N->mu0, nS * sizeof(double)) == 0, "mu0");
    require(memcmp(M->row, N->row, (rows + 1) * sizeof(int)) == 0, "rows");
    require(memcmp(M->next, N->next, n * sizeof(int)) == 0, "next states");
    require(memcmp(M->P, N->P, n * sizeof(double)) == 0, "probabilities");
    require(memcmp(M->R, N->R, n * sizeof(double)) == 0, "rewards");
    check_names(M->state_name, N->state_name, M->nS);
    check_names(M->action_name, N->action_name, M->nA);
}

/* Whether the text is accepted; then what is written of it reads back bit by bit the same. */
static inline bool check_mdp(const char *text, size_t length)
{
    char error[512] = "", *again = NULL;
    mdp *M = mdp_parse("m", text, length, error, sizeof error);
    if (!M) {
        check_message(error);
        return false;
    }
    check_table(M);
    size_t n = 0;
    FILE *f = open_memstream(&again, &n);
    require(f && mdp_write(M, f) && fclose(f) == 0, "nothing written");
    mdp *N = mdp_parse("m", again, n, error, sizeof error);
    if (N) check_same(M, N);
    else require(M->row[M->nS * M->nA] > 1700000 / MDP_BOUNDS, "%s", error);   /* 9 steps for one of T and R */
    mdp_free(M);
    mdp_free(N);
    free(again);
    return true;
}

#endif
