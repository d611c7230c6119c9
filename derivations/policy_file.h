/* Policies of a finite MDP as tables of logits. */
#ifndef ASCENT_POLICY_FILE_H
#define ASCENT_POLICY_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "derivations/exact.h"
#include "envs/mdp.h"

/* CSV: one row of nA logits, each in [-1e300, 1e300], per state, `#` starts a comment, empty lines are skipped.
 * The rows of absorbing zero-reward states may be left out when these come last: nothing depends on them.
 * logits [nS x nA]. false and one line `path:line:column: expected ..., found ...` in error[size]. */
bool policy_read(const char *path, const mdp *M, double *logits, char *error, size_t size);
/* The same from memory: text need not end in a newline or a NUL; name stands for the path. */
bool policy_parse(const char *name, const char *text, size_t length, const mdp *M, double *logits, char *error,
                  size_t size);

/* What a command's --policy names, a file or "uniform": logits [nS x nA], to be freed; the policy solved. Exit 2
 * where the file is wrong, or exact_new gives NULL. */
double *policy_named(const char *name, const mdp *M);
exact  *policy_solved(const char *name, const mdp *M, double gamma);

/* A critic's numbers written the same way: V a row, or V, Q(.,0), .., Q(.,nA-1): 1 or 1 + nA columns, as the first
 * row has them. x [rows x (1 + nA)] receives them row after row. How many rows there are, at most `rows`; -1 and the
 * line in error[size] as above. */
int  policy_read_values(const char *path, int nA, int rows, double *x, int *columns, char *error, size_t size);

/* Logits ~ N(0, 1) from the stream (seed, worker). */
void policy_random(const mdp *M, uint64_t seed, uint32_t worker, double *logits);

#endif
