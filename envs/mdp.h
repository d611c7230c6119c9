/* A finite Markov decision process M = <S, A, P, r, mu0, gamma> as a table (MDP-1). It comes from a
 * file in Cassandra's plain-text format, or from a built-in name.
 *
 *   T entries of (s, a) are stored as a sparse row: the transitions k in
 *       M->row[s*nA + a] <= k < M->row[s*nA + a + 1]
 *   go to state next[k], in ascending order and each at most once, with probability P[k] > 0 and
 *   reward R[k]. Rows sum to 1 within 1e-9 and are taken as they stand, never renormalised.
 *
 * States and actions count from 0. Rewards are R(s, a, s'); `values: cost` negates them on reading. */
#ifndef ASCENT_MDP_H
#define ASCENT_MDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct {
    char *name;             /* the file's path or the built-in name */
    int nS, nA;             /* |S|, |A| */
    double gamma;           /* discount in [0, 1] */
    double *mu0;            /* [nS] start distribution */
    int *row;               /* [nS*nA + 1] */
    int *next;              /* [row[nS*nA]] s' */
    double *P;              /* [row[nS*nA]] P(s'|s,a) */
    double *R;              /* [row[nS*nA]] r(s,a,s') */
    char **state_name;      /* [nS], or NULL: numbers only */
    char **action_name;     /* [nA], or NULL */
} mdp;

/* Reads a .mdp file: the grammar is in mdp_read.c. Returns NULL after writing one line
 * `path:line:column: expected ..., found ...` to error[size]; a file that cannot be opened or read
 * has no line and column. Nothing is printed. */
mdp *mdp_read(const char *path, char *error, size_t size);
/* The same from memory: text need not end in a newline or a NUL; name stands for the path. */
mdp *mdp_parse(const char *name, const char *text, size_t length, char *error, size_t size);

/* Writes M in the same format. Within that reader's bounds what is written reads back as the same table,
 * bit by bit, names included (these must be words of the grammar, as those of a file are). false when
 * something could not be written; errno says why. */
bool mdp_write(const mdp *M, FILE *out);

/* A built-in by name, or NULL when there is none of that name:
 *   FrozenLake-v1, FrozenLake8x8-v1    Gymnasium's tables, slippery (gamma 0.9; the last state is the
 *                                      absorbing one that every terminated transition enters)
 *   E5                                 the test problem of the errata: 5 states, 3 actions, gamma 0.9 */
mdp *mdp_builtin(const char *name);
extern const char *const mdp_builtin_names[];           /* ends in NULL */

/* A built-in name, else a file. As mdp_read on failure; an unknown name without a '.' or '/' in it is
 * answered with the list of built-in names. */
mdp *mdp_open(const char *name_or_path, char *error, size_t size);

void mdp_free(mdp *M);                                  /* NULL is fine */

/* r(s,a) = sum_s' P(s'|s,a) r(s,a,s') */
double mdp_reward(const mdp *M, int s, int a);
/* P(s|s,a) is the whole row and r(s,a) = 0, for every a: no decision state (DESIGN's convention). */
bool mdp_absorbing(const mdp *M, int s);

/* Building a table in code: transitions in any order, equal (s,a,s') added with the probability-weighted
 * mean of their rewards; mdp_finish sorts them and requires rows that sum to 1 within 1e-9. */
typedef struct mdp_builder mdp_builder;
mdp_builder *mdp_begin(const char *name, int nS, int nA, double gamma);
void         mdp_start(mdp_builder *b, int s, double p);
void         mdp_transition(mdp_builder *b, int s, int a, int s1, double P, double R);
mdp         *mdp_finish(mdp_builder *b);                /* frees b */

#endif
