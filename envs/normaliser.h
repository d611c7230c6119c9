/* Observations brought to mean 0 and variance 1 by what has been seen so far:
 *
 *     y = clip((x - mean) / sqrt(var + 1e-8), -10, 10)      each component for itself
 *
 * as in Stable-Baselines3's VecNormalize and OpenAI Baselines, from where 1e-8 and 10 come. Theirs starts from a
 * made-up observation of mean 0 and variance 1 that counts 1e-4; here nothing is made up: before the first update
 * y is x, clipped. var divides by the count, not the count less one. While learning, update, then apply; for
 * evaluation set frozen, and the policy sees what it was trained on. */
#ifndef ASCENT_NORMALISER_H
#define ASCENT_NORMALISER_H

#include <stdbool.h>

typedef struct {
    int dim;
    double *state;              /* [1 + 2 dim] count, mean, sum of squared deviations: all there is to save */
    bool frozen;                /* updates are passed over */
} normaliser;

normaliser *normaliser_new(int dim);
void normaliser_free(normaliser *f);                                            /* NULL is fine */

/* Counts the n rows of x [n x dim], by Welford's recursion (1962). */
void normaliser_update(normaliser *f, int n, const double *x);
/* Counts what another has counted (Chan, Golub & LeVeque 1979); of one dimension. */
void normaliser_merge(normaliser *f, const normaliser *other);
/* y [n x dim] from x [n x dim]; y may be x */
void normaliser_apply(const normaliser *f, int n, const double *x, double *y);

double normaliser_mean(const normaliser *f, int i);
double normaliser_var(const normaliser *f, int i);                              /* 1 before the first update */

#endif
