/* DDPG-21, S-46   Batch normalisation (Ioffe, Szegedy 2015, arXiv:1502.03167, Algorithms 1 and 2), of each column of
 * x [T x n]:
 *
 *     y = gain (x - mean) / sqrt(var + eps) + bias
 *
 *     in training      mean, var = 1/T sum_t (x_t - mean)^2     the batch's, differentiated through; T >= 2
 *                      running <- (1 - m) running + m (mean, T/(T-1) var)
 *     in evaluation    the running ones: numbers, so that a row's y is its own, whatever T is
 *
 * The variance is the biased one in y and the unbiased one in what runs, as in the paper and in PyTorch, from where
 * eps = 1e-5 and m = .1 come; the paper gives neither.
 *
 * In a network f: the first `inputs` inputs are normalised and, where that is all of them, every hidden layer, before
 * its activation. Where it is not all, something else comes in with the others, as an action into a critic, and
 * what is behind it is left as it is. The output is never normalised. With w numbers normalised in all, theta is
 *
 *     the network's [network_n] | gains [w] | biases [w] | running means [w] | running variances [w]
 *
 * each in the order of the layers. The gradient of the running ones is 0, so that Adam leaves them alone; an average
 * over thetas averages them, too. A normalised layer's own b_l is taken away with its mean: its gradient is 0. */
#ifndef ASCENT_BATCH_NORM_H
#define ASCENT_BATCH_NORM_H

#include "autodiff/network.h"

#define BATCH_NORM_EPS 1e-5
#define BATCH_NORM_M   0.1

/* y [T x n] of x [T x n] by mean, var, gain, bias [1 x n] */
ad batch_norm(ad x, ad mean, ad var, ad gain, ad bias);
ad batch_mean(ad x);                        /* [T x n] -> [1 x n] */
ad batch_var(ad x);                         /* [T x n] -> [1 x n], divided by T */

enum batch_norm_mode { BATCH_NORM_EVALUATE, BATCH_NORM_TRAIN };
int  batch_norm_n(const network *f, int inputs);                        /* length of theta */
/* theta [n x 1], x [T x size[0]] -> [T x size[L]] */
ad   batch_norm_forward(const network *f, int inputs, ad theta, ad x, enum batch_norm_mode mode);
/* Fills what is behind the network's: gains and variances 1, biases and means 0 */
void batch_norm_init(const network *f, int inputs, double *theta);
/* running <- (1 - m) running + m (those of the batch x [T x size[0]]), in theta [n] */
void batch_norm_track(ad_tape *t, const network *f, int inputs, ad x, double *theta);

#endif
