/* Conjugate gradients for F x = g with F symmetric and positive semidefinite, known only by its product
 * with a vector: see cg.c. */
#ifndef ASCENT_CG_H
#define ASCENT_CG_H

typedef void (*cg_product)(void *F, int n, const double *v, double *Fv);    /* Fv [n] = F v [n] */

enum cg_outcome {
    CG_CONVERGED,           /* ||g - F x|| <= tol ||g||, with the residual recomputed */
    CG_STAGNATED,           /* the least recomputed residual did not halve for max(5n, 200) steps */
    CG_NO_CURVATURE,        /* p^T F p <= 0: the direction lies in the null space up to rounding */
    CG_STEPS_EXHAUSTED
};
const char *cg_outcome_name(enum cg_outcome outcome);

typedef struct {
    enum cg_outcome outcome;
    int iterations;         /* products with F, recomputed residuals not counted */
    double residual;        /* ||g - F x|| / ||g||, recomputed; 0 when g = 0 */
} cg_result;

/* x [n] from x = 0; the x with the least recomputed residual is returned whatever the outcome, but the last one
 * where max_iterations < 50 were not enough. */
cg_result cg(cg_product product, void *F, int n, const double *g, double tol, int max_iterations, double *x);

#endif
