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
#include <stdint.h>
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

/* A built-in by name. Where an episode can end, the last state is absorbing, pays nothing, and is what every
 * terminated transition enters. gamma is 0.9 unless said. N, eps, ... may follow the name: chain:20.
 *
 *   Gymnasium's tables
 *     FrozenLake-v1, FrozenLake8x8-v1, CliffWalking-v1, CliffWalkingSlippery-v1, Taxi-v4 (gamma 0.99);
 *     Taxi-v3 is the same table, FrozenLakeNotSlippery-v1 and FrozenLake8x8NotSlippery-v1 are the lakes made
 *     with is_slippery=False, for which Gymnasium has no id
 *   Sutton & Barto, 2nd edition (its undiscounted examples: at gamma 1)
 *     gridworld-3.5, gridworld-4.1 (Examples of these numbers), random-walk:N (6.2; N = 5), windy-gridworld
 *     (6.5), short-corridor (13.1; gamma 1); 6.6 is CliffWalking-v1
 *   problems of the errata
 *     E5               5 states, 3 actions, everything dense
 *     E5x              E5 whose episodes end
 *     X3               2 states, 2 actions
 *     aliased-chain    where the update without gamma^t goes the wrong way (gamma 0.5)
 *     ok-bad:eps       a mistake leads to a bad state for ever, with probability eps = 1
 *     two-peak         J has two maxima in the one parameter of an aliased policy (gamma 1)
 *   lines, loops, random ones
 *     chain:N          N = 5 states in a row, a reward at the far end
 *     loops:N          Dearden's two loops of N = 5 steps
 *     garnet:S,A,b,seed    mdp_garnet; S = 10, A = 4, b = 3, seed = 1
 *
 * NULL after one line in error[size] when there is none of that name or what follows it is wrong. */
mdp *mdp_named(const char *name, char *error, size_t size);
mdp *mdp_builtin(const char *name);                     /* the same, without the reason */
bool mdp_is_builtin(const char *name);                  /* the part before the first ':' is a name */
const char *mdp_builtin_name(int i);                    /* the i-th name from 0; NULL past the last */
void mdp_builtin_list(char *text, size_t size);         /* all of them, as "E5, chain:N, ..." */

/* A built-in name, else a file. As mdp_read on failure; an unknown name without a '.' or '/' in it is
 * answered with the list of built-in names, a .lqr file with the command that takes it. */
mdp *mdp_open(const char *name_or_path, char *error, size_t size);

/* A random MDP: from each (s,a) to b distinct states, any set of them equally likely, with the spacings of
 * b - 1 uniform points of [0, 1] as probabilities (rows sum to 1 exactly; two points that coincide, of
 * probability b^2 2^-54, leave fewer states); r(s,a) ~ N(0,1); mu0 uniform; gamma 0.9. Memory O(S A b). */
mdp *mdp_garnet(const char *name, int nS, int nA, int b, uint64_t seed);
enum { MDP_GARNET_MAX = 10000000 };                     /* S A b of one that is made by name */

/* M over H steps: the state s at the time t < H has the number t nS + s, and the last state, H nS, is the
 * absorbing one that everything enters at t = H, and every absorbing zero-reward state of M before. Its
 * V(t, s) are those of the finite horizon; gamma unchanged. State names become "name@t" and "end". */
mdp *mdp_unroll(const mdp *M, int H);

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
