/* Networks: where their parameters stand, the forward function, first parameters. See network.h. */
#include "autodiff/network.h"

#include <gsl/gsl_linalg.h>
#include <gsl/gsl_randist.h>
#include <math.h>

#include "autodiff/require.h"

static void check(const network *f)
{
    int L = f->layers;
    require(1 <= L && L <= NETWORK_MAX_LAYERS, "a network of %d layers, expected 1 .. %d", L,
            NETWORK_MAX_LAYERS);
    for (int l = 0; l <= L; l++)
        require(1 <= f->size[l] && f->size[l] <= NETWORK_MAX_SIZE,
                "size[%d] of a network is %d, expected 1 .. %d", l, f->size[l], NETWORK_MAX_SIZE);
}

network_layer network_part(const network *f, int l)
{
    check(f);
    require(1 <= l && l <= f->layers, "layer %d of a network with layers 1 .. %d", l, f->layers);
    network_layer part = { 0 };
    for (int i = 1; i <= l; i++) {
        part.W = part.b + part.n;                   /* 0 where no layer is before it */
        part.k = f->size[i - 1];
        part.n = f->size[i];
        part.b = part.W + part.k * part.n;
    }
    return part;
}

int network_n(const network *f)
{
    network_layer last = network_part(f, f->layers);
    return last.b + last.n;
}

ad network_forward(const network *f, ad theta, ad x)
{
    int n = network_n(f);
    require(ad_nrows(theta) == n && ad_ncols(theta) == 1,
            "network_forward: theta is [%d x %d], expected [%d x 1]", ad_nrows(theta), ad_ncols(theta), n);
    require(ad_ncols(x) == f->size[0], "network_forward: x is [%d x %d], expected %d columns",
            ad_nrows(x), ad_ncols(x), f->size[0]);
    ad h = x;                                                               /* [T x size[0]] */
    for (int l = 1; l <= f->layers; l++) {
        network_layer p = network_part(f, l);
        ad W = ad_view(theta, p.W, p.k, p.n);
        ad b = ad_view(theta, p.b, 1, p.n);
        h = ad_dense(h, W, b, l < f->layers ? f->hidden : AD_LINEAR);       /* [T x size[l]] */
    }
    return h;
}

/* ---- first parameters ---- */
/* W [k x n] = gain Q, or gain Q^T where k < n. A = QR has the tall shape; turning the columns of Q
 * whose R_jj < 0 makes diag R > 0. */
static void orthogonal(gsl_rng *rng, int k, int n, double gain, double *W)
{
    size_t tall = (size_t)(k >= n ? k : n), narrow = (size_t)(k >= n ? n : k);
    gsl_matrix *A = gsl_matrix_alloc(tall, narrow), *R = gsl_matrix_alloc(tall, narrow);
    gsl_matrix *Q = gsl_matrix_alloc(tall, tall);
    gsl_vector *tau = gsl_vector_alloc(narrow);
    for (size_t i = 0; i < tall * narrow; i++) A->data[i] = gsl_ran_ugaussian(rng);
    gsl_linalg_QR_decomp(A, tau);
    gsl_linalg_QR_unpack(A, tau, Q, R);
    for (size_t i = 0; i < tall; i++)
        for (size_t j = 0; j < narrow; j++) {
            double sign = gsl_matrix_get(R, j, j) < 0 ? -1 : 1;
            W[k >= n ? i * narrow + j : j * tall + i] = gain * sign * gsl_matrix_get(Q, i, j);
        }
    gsl_vector_free(tau);
    gsl_matrix_free(R);
    gsl_matrix_free(Q);
    gsl_matrix_free(A);
}

void network_init_orthogonal(const network *f, double hidden_gain, double output_gain, gsl_rng *rng,
                             double *theta)
{
    for (int l = 1; l <= f->layers; l++) {
        network_layer p = network_part(f, l);
        orthogonal(rng, p.k, p.n, l < f->layers ? hidden_gain : output_gain, theta + p.W);
        for (int i = 0; i < p.n; i++) theta[p.b + i] = 0;
    }
}

static void uniform(gsl_rng *rng, int n, double c, double *w)                /* w_i ~ U[-c, c) */
{
    for (int i = 0; i < n; i++) w[i] = c * (2 * gsl_rng_uniform(rng) - 1);
}

void network_init_glorot(const network *f, gsl_rng *rng, double *theta)
{
    for (int l = 1; l <= f->layers; l++) {
        network_layer p = network_part(f, l);
        uniform(rng, p.k * p.n, sqrt(6.0 / (p.k + p.n)), theta + p.W);
        for (int i = 0; i < p.n; i++) theta[p.b + i] = 0;
    }
}

void network_init_fan_in(const network *f, gsl_rng *rng, double *theta)
{
    for (int l = 1; l <= f->layers; l++) {
        network_layer p = network_part(f, l);
        uniform(rng, (p.k + 1) * p.n, 1 / sqrt(p.k), theta + p.W);           /* W_l, and b_l behind it */
    }
}
