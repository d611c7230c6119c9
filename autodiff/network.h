/* Fully connected networks. A network is a pure function of (theta, x). theta [n x 1] is one vector;
 * layer l = 1 .. L sees parts of it as weights W_l [size[l-1] x size[l]] and biases b_l [1 x size[l]]:
 *
 *     h_0 = x
 *     h_l = f(h_{l-1} W_l + 1 b_l)          f = hidden for l < L, the identity for l = L; output h_L
 *
 *     const network pi = { 3, { 4, 64, 64, 2 }, AD_TANH };                  4-64-64-2: n = 4610
 *     network_init_orthogonal(&pi, sqrt(2), 0.01, rng, theta);
 *     ad z = network_forward(&pi, ad_input(t, theta, 4610, 1), s);          [T x 4] -> [T x 2]
 *
 * Two vectors make two policies of one network. A vector may hold several networks, or a network and
 * more: each gets its ad_view. A bounded output is ad_tanh of the output. Acting is the case T = 1. */
#ifndef ASCENT_NETWORK_H
#define ASCENT_NETWORK_H

#include <gsl/gsl_rng.h>

#include "autodiff/ad.h"

enum { NETWORK_MAX_LAYERS = 7, NETWORK_MAX_SIZE = 10000 };

typedef struct {
    int layers;                             /* L >= 1 */
    int size[NETWORK_MAX_LAYERS + 1];       /* inputs, widths of hidden layers, outputs: [L + 1] */
    enum ad_activation hidden;              /* f of the layers before the last */
} network;

int network_n(const network *f);            /* n = sum_l (size[l-1] + 1) size[l] */

/* Layer l = 1 .. L: W_l [k x n] is row-major from theta[W] on, b_l [1 x n] from theta[b] on. */
typedef struct { int W, b, k, n; } network_layer;
network_layer network_part(const network *f, int l);

ad network_forward(const network *f, ad theta, ad x);   /* [n x 1], [T x size[0]] -> [T x size[L]] */

/* ---- first parameters: each fills theta [n], from random_stream(seed, worker, RANDOM_INIT) ---- */
/* W_l = gain Q, Q uniformly distributed among the matrices with orthonormal columns, or orthonormal
 * rows where k < n; b = 0. Saxe, McClelland, Ganguli (2014), arXiv:1312.6120. Q is that of A = QR,
 * diag R > 0, A Gaussian: Mezzadri (2007), arXiv:math-ph/0609050. CleanRL's gains for PPO: sqrt 2 in
 * hidden layers; at the output .01 for a policy, 1 for a value. */
void network_init_orthogonal(const network *f, double hidden_gain, double output_gain, gsl_rng *rng,
                             double *theta);
/* W_l ~ U(-c, c), c = sqrt(6 / (k + n)), so that Var W = 2 / (k + n); b = 0. "Xavier uniform":
 * Glorot, Bengio (2010), eq (16). */
void network_init_glorot(const network *f, gsl_rng *rng, double *theta);
/* W_l, b_l ~ U(-c, c), c = 1 / sqrt(k). PyTorch's default for linear layers; Lillicrap et al. (2016),
 * arXiv:1509.02971, section 7, for all layers but the last. */
void network_init_fan_in(const network *f, gsl_rng *rng, double *theta);

#endif
