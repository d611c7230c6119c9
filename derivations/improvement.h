/* A policy of the exact layer as the tables that cpi, trpo_mm and dual_gradient take, and back. */
#ifndef ASCENT_DERIVATIONS_IMPROVEMENT_H
#define ASCENT_DERIVATIONS_IMPROVEMENT_H

#include "algorithms/improvement.h"
#include "derivations/exact.h"

exact_table improvement_table(const exact *x);              /* its rho is its own; the rest is borrowed from x */
void        improvement_table_free(exact_table *t);
/* The table pi1 [nS x nA] solved, with logits log pi1 (-1e4 for log 0); a row that is bit for bit x's keeps x's
 * logits. NULL as exact_new. */
exact      *improvement_exact(const exact *x, const double *pi1, char *error, size_t size);

#endif
