/* NPG-4   the natural gradient x = F^{-1} g with F as a matrix, by LAPACK; without forming it: cg.h. */
#ifndef ASCENT_NPG_SOLVE_H
#define ASCENT_NPG_SOLVE_H

#include "algorithms/fisher_vector.h"

/* x [n] = F^{-1} g, or F^+ g; F [n x n]. Returns F's rank: how many eigenvalues are above 10 n u max|lambda|. */
int npg_solve(int n, const double *F, const double *g, double *x);
/* The same with F formed by n products; returns |g - F x| / |g|, 0 where g = 0 */
double npg_solve_formed(fisher_vector *F, int n, const double *g, double *x);

#endif
