/* Batch normalisation: see batch_norm.h. */
#include "autodiff/batch_norm.h"

#include "autodiff/require.h"

/*[snip batch-norm later]*/
/* DDPG-21   y = gain (x - mean) / sqrt(var + eps) + bias */
ad batch_norm(ad x, ad mean, ad var, ad gain, ad bias)
{
    /* BEGIN SOLUTION DDPG-21 */
    int T = ad_nrows(x);
    ad scale = ad_div(gain, ad_sqrt(ad_shift(var, BATCH_NORM_EPS)));            /* [1 x n] */
    return ad_add(ad_mul(ad_sub(x, ad_rows(mean, T)), ad_rows(scale, T)), ad_rows(bias, T));
    /* END SOLUTION */
}

/* mean = 1/T sum_t x_t,   var = 1/T sum_t (x_t - mean)^2 */
ad batch_mean(ad x) { return ad_scale(1.0 / ad_nrows(x), ad_col_sum(x)); }
ad batch_var(ad x)  { return batch_mean(ad_square(ad_sub(x, ad_rows(batch_mean(x), ad_nrows(x))))); }
/*[/snip]*/

/* ---- in a network ---- */

/* How many columns are normalised: of its inputs, l = 0, or of the hidden layer l = 1 .. L - 1 */
static int width(const network *f, int inputs, int l)
{
    require(1 <= inputs && inputs <= f->size[0], "%d of %d inputs normalised", inputs, f->size[0]);
    return l == 0 ? inputs : inputs == f->size[0] ? f->size[l] : 0;
}

static int total(const network *f, int inputs)                                  /* w */
{
    int w = 0;
    for (int l = 0; l < f->layers; l++) w += width(f, inputs, l);
    return w;
}

int batch_norm_n(const network *f, int inputs) { return network_n(f) + 4 * total(f, inputs); }

/* x [T x n] by what stands in theta from `gains` on for its columns; w apart: gains, biases, means, variances */
static ad normalise(ad theta, int gains, int w, ad x, enum batch_norm_mode mode)
{
    int n = ad_ncols(x);
    ad gain = ad_view(theta, gains, 1, n), bias = ad_view(theta, gains + w, 1, n);
    if (mode == BATCH_NORM_TRAIN) return batch_norm(x, batch_mean(x), batch_var(x), gain, bias);
    ad mean = ad_detach(ad_view(theta, gains + 2 * w, 1, n)), var = ad_detach(ad_view(theta, gains + 3 * w, 1, n));
    return batch_norm(x, mean, var, gain, bias);
}

static ad activation(enum ad_activation f, ad z) { return f == AD_TANH ? ad_tanh(z) : f == AD_RELU ? ad_relu(z) : z; }

/* x with its first columns normalised, through f; seen[l] = what was normalised there, as it was, or NULL */
static ad forward(const network *f, int inputs, ad theta, ad x, enum batch_norm_mode mode, ad seen[])
{
    int L = f->layers, w = total(f, inputs), gains = network_n(f), rest = ad_ncols(x) - inputs;
    seen[0] = rest ? ad_columns(x, 0, inputs) : x;
    ad h = normalise(theta, gains, w, seen[0], mode);
    if (rest) h = ad_concat(h, ad_columns(x, inputs, rest));
    gains += inputs;
    for (int l = 1; l <= L; l++) {
        network_layer p = network_part(f, l);
        ad z = ad_affine(h, ad_view(theta, p.W, p.k, p.n), ad_view(theta, p.b, 1, p.n));    /* [T x size[l]] */
        if (l == L) return z;
        seen[l] = rest ? NULL : z;
        if (!rest) z = normalise(theta, gains, w, z, mode);
        h = activation(f->hidden, z);
        gains += width(f, inputs, l);
    }
    return h;
}

ad batch_norm_forward(const network *f, int inputs, ad theta, ad x, enum batch_norm_mode mode)
{
    ad seen[NETWORK_MAX_LAYERS];
    int T = ad_nrows(x), n = batch_norm_n(f, inputs);
    require(ad_nrows(theta) == n && ad_ncols(theta) == 1, "theta is [%d x %d], expected [%d x 1]", ad_nrows(theta),
            ad_ncols(theta), n);
    require(ad_ncols(x) == f->size[0], "x is [%d x %d], expected %d columns", T, ad_ncols(x), f->size[0]);
    require(mode == BATCH_NORM_EVALUATE || T >= 2, "a batch of %d has no variance", T);
    return forward(f, inputs, theta, x, mode, seen);
}

void batch_norm_init(const network *f, int inputs, double *theta)
{
    int w = total(f, inputs);
    double *gains = theta + network_n(f);
    for (int i = 0; i < w; i++) gains[i] = gains[3 * w + i] = 1, gains[w + i] = gains[2 * w + i] = 0;
}

/*[snip batch-norm-track later]*/
/* DDPG-21   running <- (1 - m) running + m (mean, T/(T-1) var) */
void batch_norm_track(ad_tape *t, const network *f, int inputs, ad x, double *theta)
{
    /* BEGIN SOLUTION DDPG-21 */
    ad_mark start = ad_here(t);
    ad seen[NETWORK_MAX_LAYERS];
    int w = total(f, inputs), T = ad_nrows(x);
    double m = BATCH_NORM_M, *running = theta + network_n(f) + 2 * w;           /* means [w], variances [w] */
    require(T >= 2, "a batch of %d has no variance", T);
    forward(f, inputs, ad_input(t, theta, batch_norm_n(f, inputs), 1), x, BATCH_NORM_TRAIN, seen);
    for (int l = 0; l < f->layers; running += width(f, inputs, l++)) {
        if (!seen[l]) continue;
        const double *mean = ad_value(batch_mean(seen[l])), *var = ad_value(batch_var(seen[l]));
        for (int i = 0; i < width(f, inputs, l); i++) {
            running[i] = (1 - m) * running[i] + m * mean[i];
            running[w + i] = (1 - m) * running[w + i] + m * var[i] * T / (T - 1);
        }
    }
    ad_reset(t, start);
    /* END SOLUTION */
}
/*[/snip]*/
