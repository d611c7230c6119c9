/* Networks with batch normalisation in plain loops of complex long double, as policy_by_hand.h has those without. */
#ifndef ASCENT_TESTS_BATCH_NORM_BY_HAND_H
#define ASCENT_TESTS_BATCH_NORM_BY_HAND_H

#include "tests/policy_by_hand.h"

/* Columns 0 .. n-1 of x [T x HAND_WIDEST]: (x - mean) / sqrt(var + 1e-5) times gain plus bias, by their own mean and
 * variance in training, which go to `seen` if it is there, or by running ones; w apart in `at`, as batch_norm.h
 * says. */
static inline void hand_batch_norm(bool training, int T, int n, const number *at, int w, number x[][HAND_WIDEST],
                                   long double *seen)
{
    for (int j = 0; j < n; j++) {
        number mean = 0, var = 0;
        for (int t = 0; t < T; t++) mean += x[t][j] / T;
        for (int t = 0; t < T; t++) var += (x[t][j] - mean) * (x[t][j] - mean) / T;
        if (seen) seen[j] = creall(mean), seen[w + j] = creall(var) * T / (T - 1);
        if (!training) mean = at[2 * w + j], var = at[3 * w + j];
        for (int t = 0; t < T; t++) x[t][j] = at[j] * (x[t][j] - mean) / csqrtl(var + 1e-5) + at[w + j];
    }
}

/* The network with batch normalisation of its first `inputs` inputs, all rows at once: x [T x HAND_WIDEST] -> the
 * output, in x. seen: NULL, or means and unbiased variances [2w] of what came in */
static inline void hand_normalised(const network *f, int inputs, bool training, const number *theta, int T,
                                   number x[][HAND_WIDEST], long double *seen)
{
    int w = inputs, L = f->layers;
    const number *W = theta, *at = theta + network_n(f);
    for (int l = 1; inputs == f->size[0] && l < L; l++) w += f->size[l];
    hand_batch_norm(training, T, inputs, at, w, x, seen);
    at += inputs;
    if (seen) seen += inputs;
    for (int l = 1; l <= L; W += (f->size[l - 1] + 1) * f->size[l], l++) {
        int k = f->size[l - 1], n = f->size[l];
        for (int t = 0; t < T; t++) {
            number z[HAND_WIDEST];
            for (int j = 0; j < n; j++) {
                z[j] = W[k * n + j];
                for (int i = 0; i < k; i++) z[j] += x[t][i] * W[i * n + j];
            }
            memcpy(x[t], z, (size_t)n * sizeof *z);
        }
        if (l == L) return;
        if (inputs == f->size[0]) hand_batch_norm(training, T, n, at, w, x, seen);
        if (inputs == f->size[0]) at += n;
        if (seen && inputs == f->size[0]) seen += n;
        for (int t = 0; t < T; t++)
            for (int j = 0; j < n; j++) {
                if (f->hidden == AD_TANH) x[t][j] = ctanhl(x[t][j]);
                if (f->hidden == AD_RELU && creall(x[t][j]) <= 0) x[t][j] = 0;
            }
    }
}

#endif
