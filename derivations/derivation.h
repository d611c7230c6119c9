/* A derivation is a chain of lines that are equal. Each line is its LaTeX, the reason for the step from the
 * line above, and a function that computes its value by its own means; so every line of a proof has a
 * number. `ascent derive ID` prints the chain, `ascent verify` demands that all its lines agree. */
#ifndef ASCENT_DERIVATION_H
#define ASCENT_DERIVATION_H

#include <stdint.h>

#include "derivations/exact.h"
#include "derivations/natural_gradient.h"

/* Where a derivation is evaluated: a policy pi on an MDP, and another one, pi', for what compares two. */
typedef struct {
    const exact *pi, *pi1;
    uint64_t seed;              /* of the random streams of lines that look at sampled trajectories */
    /* Of pi, for the derivations about F; NULL when pi has more than FISHER_MAX_N parameters: */
    double *F;                  /* [n x n] by fisher_scores */
    fisher_spectrum *spectrum;
    double *g;                  /* [n] by gradient_theorem */
} setting;

setting *setting_new(const exact *pi, const exact *pi1, uint64_t seed);     /* pi, pi1 stay the caller's */
void     setting_free(setting *x);                                         /* NULL is fine */

/* Writes the line's n numbers. Returns its own error beyond rounding, 0 for exact lines; negative when the
 * line was left out because it would take too long here. */
typedef double (*line_value)(const setting *x, double *out);

typedef struct { const char *latex, *why; line_value value; } derivation_line;

enum { DERIVATION_MAX_LINES = 10 };

typedef struct {
    const char *id;
    const char *says;                               /* one line of plain text */
    const char *of;                                 /* what the numbers are: "[state][action]" ... */
    int (*n)(const setting *x);                     /* how many numbers each line has */
    double (*unit)(const setting *x);               /* one unit of error; lines agree within 10 */
    /* NULL, or the reason why nothing can be said here */
    const char *(*not_applicable)(const setting *x);
    /* NULL: the greatest difference. Else a distance of its own between two lines. */
    double (*distance)(const setting *x, int n, const double *a, const double *b);
    derivation_line line[DERIVATION_MAX_LINES];     /* ends at the first without a value */
} derivation;

/* NULL, or why the rank of F cannot be told from F here; also when F is too large to be formed */
const char *fisher_rank_undecided(const setting *x);

/* All derivations, one file after the other; NULL ends the list. By id: NULL when there is none. */
const derivation *derivation_at(int i);
const derivation *derivation_find(const char *id);
extern const derivation policy_gradient_theorem[], performance_difference[], fisher[], natural_gradient[];

/* PASS: all lines agree within 10 units. WEAK: they do, but 10 units exceed 1e-6 of the quantity, so that
 * says nothing. */
enum verdict { PASS, FAIL, WEAK, NOT_APPLICABLE };
const char *verdict_name(enum verdict v);

typedef struct {
    int lines, n;
    double *value;              /* [lines x n], owned */
    bool computed[DERIVATION_MAX_LINES];    /* false: left out, too slow here */
    double units[DERIVATION_MAX_LINES];     /* error of each line against the first computed one */
    double worst;               /* the greatest of them, in units of the bound's tenth: <= 10 passes */
    double bound;               /* the greatest error allowed, absolute or in the derivation's own distance */
    double size;                /* max |value| of the first line */
    enum verdict verdict;
    const char *reason;         /* of WEAK and NOT_APPLICABLE */
} derivation_result;
derivation_result derivation_run(const derivation *d, const setting *x);
void              derivation_result_free(derivation_result *r);
int               derivation_largest(const derivation_result *r);   /* the index of its largest number in line 0 */

#endif
