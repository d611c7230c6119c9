/* What the documents ask of automatic differentiation, on small problems of their own: a policy's update as a
 * one-line loss, a critic differentiated by its action, the kinks of clipping. 000 (l.237), 004 (l.598-600,
 * l.513), 001 (l.615-621). */
#include <float.h>
#include <math.h>
#include <string.h>

#include "autodiff/ad.h"
#include "autodiff/random.h"
#include "derivations/derivation.h"

static void copy_out(ad a, double *out)
{
    memcpy(out, ad_value(a), (size_t)(ad_nrows(a) * ad_ncols(a)) * sizeof *out);
}

/* ---- PGT-26: J = sum_t Psi_t log pi(a_t|s_t), pi softmax of s W + 1 b ---- */
enum { T = 6, nX = 3, nA = 3, N_POLICY = (nX + 1) * nA };
typedef struct { double theta[N_POLICY], s[T * nX], Psi[T]; int a[T]; } sample;

static double uniform(gsl_rng *rng) { return 2 * gsl_rng_uniform(rng) - 1; }         /* on [-1, 1) */

static sample draw_sample(uint64_t seed)
{
    sample x;
    gsl_rng *rng = random_stream(seed, 0, RANDOM_POLICY);
    for (int i = 0; i < N_POLICY; i++) x.theta[i] = uniform(rng);
    for (int i = 0; i < T * nX; i++) x.s[i] = uniform(rng);
    for (int t = 0; t < T; t++) {
        x.Psi[t] = uniform(rng);
        x.a[t] = (int)gsl_rng_uniform_int(rng, nA);
    }
    gsl_rng_free(rng);
    return x;
}

/*[snip one-line-loss]*/
/* PGT-26   the update as a loss: grad_theta sum_t Psi_t log pi_theta(a_t|s_t), by reverse mode */
static double one_line_loss(const setting *x, double *g)
{
    sample d = draw_sample(x->seed);
    ad_tape *t = ad_tape_new();
    ad theta = ad_input(t, d.theta, N_POLICY, 1);
    ad z = ad_affine(ad_input(t, d.s, T, nX), ad_view(theta, 0, nX, nA), ad_view(theta, nX * nA, 1, nA));
    ad J = ad_dot(ad_input(t, d.Psi, T, 1), ad_gather(ad_log_softmax(z), d.a));
    copy_out(ad_grad(J, theta), g);
    ad_tape_free(t);
    return 0;
}
/*[/snip]*/

static void softmax_row(const sample *d, const double *theta, int t, double *pi)
{
    double sum = 0;
    for (int b = 0; b < nA; b++) {
        double z = theta[nX * nA + b];
        for (int k = 0; k < nX; k++) z += d->s[t * nX + k] * theta[k * nA + b];
        sum += pi[b] = exp(z);
    }
    for (int b = 0; b < nA; b++) pi[b] /= sum;
}

static double by_hand(const setting *x, double *g)          /* d log pi(a) / d z_b = 1{a = b} - pi(b) */
{
    sample d = draw_sample(x->seed);
    memset(g, 0, N_POLICY * sizeof *g);
    for (int t = 0; t < T; t++) {
        double pi[nA];
        softmax_row(&d, d.theta, t, pi);
        for (int b = 0; b < nA; b++) {
            double z_bar = d.Psi[t] * ((d.a[t] == b) - pi[b]);
            for (int k = 0; k < nX; k++) g[k * nA + b] += d.s[t * nX + k] * z_bar;
            g[nX * nA + b] += z_bar;
        }
    }
    return 0;
}

static double score_function(const sample *d, const double *theta)
{
    double J = 0, pi[nA];
    for (int t = 0; t < T; t++) {
        softmax_row(d, theta, t, pi);
        J += d->Psi[t] * log(pi[d->a[t]]);
    }
    return J;
}

/* f'(x) by central differences with one extrapolation: error O(h^4), and the rounding of f over h */
enum { H_EXPONENT = -10 };
static double slope(double f_2h, double f_h, double f_minus_h, double f_minus_2h)
{
    return (8 * (f_h - f_minus_h) - (f_2h - f_minus_2h)) / (12 * ldexp(1, H_EXPONENT));
}
/* f and its fifth derivative of order 10, h = 2^-10: 10 h^4 / 30 = 3e-13, 10 * 20 u / 12 h = 4e-12 */
static const double SLOPE_ERROR = 1e-11;

static double by_differences(const setting *x, double *g)
{
    sample d = draw_sample(x->seed);
    for (int i = 0; i < N_POLICY; i++) {
        double f[5], kept = d.theta[i];
        for (int k = -2; k <= 2; k++) {
            d.theta[i] = kept + ldexp(k, H_EXPONENT);
            f[k + 2] = score_function(&d, d.theta);
        }
        d.theta[i] = kept;
        g[i] = slope(f[4], f[3], f[1], f[0]);
    }
    return SLOPE_ERROR;
}

/* ---- DDPG-12: q_w(s, a) = tanh((s a) W1 + b1) W2 + b2, differentiated by a ---- */
enum { nObs = 2, nAct = 3, nH = 4, N_CRITIC = (nObs + nAct + 1) * nH + nH + 1 };
typedef struct { double w[N_CRITIC], s[nObs], a[nAct]; } critic;

static critic draw_critic(uint64_t seed)
{
    critic c;
    gsl_rng *rng = random_stream(seed, 1, RANDOM_POLICY);
    for (int i = 0; i < N_CRITIC; i++) c.w[i] = uniform(rng);
    for (int i = 0; i < nObs; i++) c.s[i] = uniform(rng);
    for (int i = 0; i < nAct; i++) c.a[i] = uniform(rng);
    gsl_rng_free(rng);
    return c;
}

/* DDPG-12   grad_a q_w(s, a): the network differentiated by its input, w held */
static double by_input(const setting *x, double *g)
{
    critic c = draw_critic(x->seed);
    ad_tape *t = ad_tape_new();
    ad w = ad_input(t, c.w, N_CRITIC, 1), a = ad_input(t, c.a, 1, nAct);
    ad sa = ad_concat(ad_input(t, c.s, 1, nObs), a);
    int nIn = nObs + nAct, W2 = (nIn + 1) * nH;
    ad h = ad_dense(sa, ad_view(w, 0, nIn, nH), ad_view(w, nIn * nH, 1, nH), AD_TANH);
    ad q = ad_affine(h, ad_view(w, W2, nH, 1), ad_view(w, W2 + nH, 1, 1));
    copy_out(ad_grad(q, a), g);
    ad_tape_free(t);
    return 0;
}

/* q, and the hidden units' slopes 1 - h^2 */
static double critic_value(const critic *c, const double *a, double *h_slope)
{
    int nIn = nObs + nAct;
    const double *W2 = c->w + (nIn + 1) * nH;
    double q = W2[nH];
    for (int j = 0; j < nH; j++) {
        double z = c->w[nIn * nH + j];
        for (int k = 0; k < nIn; k++) z += (k < nObs ? c->s[k] : a[k - nObs]) * c->w[k * nH + j];
        h_slope[j] = 1 - tanh(z) * tanh(z);
        q += tanh(z) * W2[j];
    }
    return q;
}

static double by_chain_rule(const setting *x, double *g)    /* dq/da_k = sum_j W1[k,j] (1 - h_j^2) W2[j] */
{
    critic c = draw_critic(x->seed);
    double h_slope[nH];
    critic_value(&c, c.a, h_slope);
    for (int k = 0; k < nAct; k++) {
        g[k] = 0;
        for (int j = 0; j < nH; j++)
            g[k] += c.w[(nObs + k) * nH + j] * h_slope[j] * c.w[(nObs + nAct + 1) * nH + j];
    }
    return 0;
}

static double by_action_differences(const setting *x, double *g)
{
    critic c = draw_critic(x->seed);
    double unused[nH];
    for (int i = 0; i < nAct; i++) {
        double f[5], a[nAct];
        for (int k = -2; k <= 2; k++) {
            memcpy(a, c.a, sizeof a);
            a[i] += ldexp(k, H_EXPONENT);
            f[k + 2] = critic_value(&c, a, unused);
        }
        g[i] = slope(f[4], f[3], f[1], f[0]);
    }
    return SLOPE_ERROR;
}

/* ---- PPO-3: clip at five points, then its derivative there ---- */
enum { POINTS = 5 };
static const double POINT[POINTS] = { 0.5, 0.75, 1, 1.25, 2 }, LO = 0.75, HI = 1.25;

static double clip_by_cases(const setting *x, double *out)
{
    (void)x;
    for (int i = 0; i < POINTS; i++) {
        bool below = POINT[i] < LO, above = POINT[i] > HI;
        out[i] = below ? LO : above ? HI : POINT[i];
        out[POINTS + i] = below || above ? 0 : 1;           /* at a bound the slope of the inside */
    }
    return 0;
}

static double value_and_slope(ad y, ad x, double *out)
{
    copy_out(y, out);
    copy_out(ad_grad(ad_sum(y), x), out + POINTS);
    return 0;
}

static double clip_by_operator(const setting *x, double *out)
{
    (void)x;
    ad_tape *t = ad_tape_new();
    ad p = ad_input(t, POINT, POINTS, 1);
    value_and_slope(ad_clip(p, LO, HI), p, out);
    ad_tape_free(t);
    return 0;
}

static double clip_by_min_max(const setting *x, double *out)
{
    (void)x;
    ad_tape *t = ad_tape_new();
    ad p = ad_input(t, POINT, POINTS, 1);
    ad lo = ad_constant(t, LO, POINTS, 1), hi = ad_constant(t, HI, POINTS, 1);
    value_and_slope(ad_min(ad_max(p, lo), hi), p, out);
    ad_tape_free(t);
    return 0;
}

/* ---- the derivations: sums of at most 20 terms of order 1 ---- */
static int n_policy(const setting *x)  { (void)x; return N_POLICY; }
static int n_action(const setting *x)  { (void)x; return nAct; }
static int n_clip(const setting *x)    { (void)x; return 2 * POINTS; }
static double unit(const setting *x)   { (void)x; return 20 * DBL_EPSILON; }

const derivation autodiff_uses[] = {
    { "PGT-26", "an update as a one-line loss: the gradient of sum_t Psi_t log pi(a_t|s_t)", "grad_theta J",
      n_policy, unit, NULL, NULL, {
        { "\\nabla_\\theta\\sum_t\\Psi_t\\log\\pi_\\theta(a_t|s_t)", "reverse mode on the loss", one_line_loss },
        { "=\\sum_t\\Psi_t\\,(e_{a_t}-\\pi_\\theta(\\cdot|s_t))\\,\\partial z/\\partial\\theta",
          "the softmax's score, and the chain rule through z = s W + b, by hand", by_hand },
        { "\\approx\\frac{8(J(\\theta+h)-J(\\theta-h))-(J(\\theta+2h)-J(\\theta-2h))}{12h}",
          "the definition of a derivative", by_differences } },
      .own_problem = "a softmax policy with 3 features and 3 actions, 6 random steps" },
    { "DDPG-12", "grad_a q_w: a network differentiated by its input", "dq/da_k", n_action, unit, NULL, NULL, {
        { "\\nabla_aq_w(s,a)", "reverse mode, a an input like any other", by_input },
        { "=W_1^a\\,\\mathrm{diag}(1-h^2)\\,W_2", "the chain rule by hand; W_1^a: the rows of W_1 that a meets",
          by_chain_rule },
        { "\\approx\\frac{8(q(a+h)-q(a-h))-(q(a+2h)-q(a-2h))}{12h}", "the definition of a derivative",
          by_action_differences } },
      .own_problem = "a random critic: 2 observations, 3 actions, 4 hidden tanh units" },
    { "PPO-3", "clip(x, lo, hi) = min(max(x, lo), hi), and its derivative", "clip at 5 points, then its slope",
      n_clip, unit, NULL, NULL, {
        { "x\\mapsto lo\\ (x<lo),\\ hi\\ (x>hi),\\ x\\ \\text{else}", "case by case", clip_by_cases },
        { "=\\mathrm{clip}(x,lo,hi)", "the operator; at a bound it passes the derivative on", clip_by_operator },
        { "=\\min(\\max(x,lo),hi)", "min and max give the derivative to the first of equals", clip_by_min_max } },
      .own_problem = "lo = 0.75, hi = 1.25; x = 0.5, 0.75, 1, 1.25, 2" },
    { NULL }
};
