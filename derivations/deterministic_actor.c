/* The actor's gradient through the critic, on random networks: what DDPG and TD3 ascend. 002 (image DDPG3), 004
 * (l.596); Lillicrap et al. (2016), equation 6. That it is the gradient of a mean over the buffer, not of J, is
 * shown in deterministic_pg.c (ERR-68). */
#include <float.h>
#include <math.h>
#include <string.h>

#include "autodiff/ad.h"
#include "autodiff/random.h"
#include "derivations/derivation.h"

enum { nS = 3, nA = 2, nH = 4, N_D = 6, nIn = nS + nA,
       N_THETA = (nS + 1) * nH + (nH + 1) * nA, N_W = (nIn + 1) * nH + nH + 1 };
typedef struct { double theta[N_THETA], w[N_W], s[N_D * nS]; } networks;

static networks draw_networks(const setting *y)
{
    networks d;
    gsl_rng *rng = random_stream(y->seed, 1, RANDOM_POLICY);
    for (int i = 0; i < N_THETA; i++) d.theta[i] = 2 * gsl_rng_uniform(rng) - 1;
    for (int i = 0; i < N_W; i++) d.w[i] = 2 * gsl_rng_uniform(rng) - 1;
    for (int i = 0; i < N_D * nS; i++) d.s[i] = 2 * gsl_rng_uniform(rng) - 1;
    gsl_rng_free(rng);
    return d;
}

static ad two_layers(ad v, ad x, int in, int out)           /* tanh(x W1 + b1) W2 + b2 */
{
    ad h = ad_dense(x, ad_view(v, 0, in, nH), ad_view(v, in * nH, 1, nH), AD_TANH);
    int W2 = (in + 1) * nH;
    return ad_affine(h, ad_view(v, W2, nH, out), ad_view(v, W2 + nH * out, 1, out));
}

/* grad_theta E_D[q_w(s, pi_theta(s))], by reverse mode through both networks */
static double through_both(const setting *y, double *g)
{
    networks d = draw_networks(y);
    ad_tape *t = ad_tape_new();
    ad theta = ad_input(t, d.theta, N_THETA, 1), s = ad_input(t, d.s, N_D, nS);
    ad q = two_layers(ad_input(t, d.w, N_W, 1), ad_concat(s, two_layers(theta, s, nS, nA)), nIn, 1);
    memcpy(g, ad_value(ad_grad(ad_mean(q), theta)), N_THETA * sizeof *g);
    ad_tape_free(t);
    return 0;
}

/* DDPG-11   E_D[(d pi_theta(s)/d theta)^T grad_a q_w(s, a)], a = pi_theta(s): the factors apart, state by state */
static double factors_apart(const setting *y, double *g)
{
    networks d = draw_networks(y);
    memset(g, 0, N_THETA * sizeof *g);
    for (int i = 0; i < N_D; i++) {
        ad_tape *t = ad_tape_new();
        ad theta = ad_input(t, d.theta, N_THETA, 1), s = ad_input(t, d.s + i * nS, 1, nS);
        ad pi = two_layers(theta, s, nS, nA), a = ad_input(t, ad_value(pi), 1, nA);
        ad q = two_layers(ad_input(t, d.w, N_W, 1), ad_concat(s, a), nIn, 1);
        const double *grad_a_q = ad_value(ad_grad(q, a));
        for (int k = 0; k < nA; k++) {
            const double *grad_pi_k = ad_value(ad_grad(ad_columns(pi, k, 1), theta));
            for (int j = 0; j < N_THETA; j++) g[j] += grad_pi_k[j] * grad_a_q[k] / N_D;
        }
        ad_tape_free(t);
    }
    return 0;
}

static void forward(const double *v, const double *x, int in, int out, double *y)
{
    const double *W2 = v + (in + 1) * nH;
    for (int k = 0; k < out; k++) y[k] = W2[nH * out + k];
    for (int j = 0; j < nH; j++) {
        double z = v[in * nH + j];
        for (int i = 0; i < in; i++) z += x[i] * v[i * nH + j];
        for (int k = 0; k < out; k++) y[k] += tanh(z) * W2[j * out + k];
    }
}

static double replay_objective(const networks *d)           /* E_D[q_w(s, pi_theta(s))] */
{
    double sum = 0, sa[nIn], q;
    for (int i = 0; i < N_D; i++) {
        memcpy(sa, d->s + i * nS, nS * sizeof *sa);
        forward(d->theta, sa, nS, nA, sa + nS);
        forward(d->w, sa, nIn, 1, &q);
        sum += q / N_D;
    }
    return sum;
}

/* The function and its fifth derivative are of order 10; h = 2^-10: 10 h^4 / 30 = 3e-13, 10 * 20 u / 12 h = 4e-12 */
static double objective_differences(const setting *y, double *g)
{
    networks d = draw_networks(y);
    const double h = ldexp(1, -10);
    for (int i = 0; i < N_THETA; i++) {
        double f[5], kept = d.theta[i];
        for (int k = -2; k <= 2; k++) {
            d.theta[i] = kept + k * h;
            f[k + 2] = replay_objective(&d);
        }
        d.theta[i] = kept;
        g[i] = (8 * (f[3] - f[1]) - (f[4] - f[0])) / (12 * h);
    }
    return 1e-11;
}

/* The rows and columns of dpi/dtheta taken for each other: what the k-th action changes meets another one's slope */
static double factors_crossed(const setting *y, double *g)
{
    networks d = draw_networks(y);
    memset(g, 0, N_THETA * sizeof *g);
    for (int i = 0; i < N_D; i++) {
        ad_tape *t = ad_tape_new();
        ad theta = ad_input(t, d.theta, N_THETA, 1), s = ad_input(t, d.s + i * nS, 1, nS);
        ad pi = two_layers(theta, s, nS, nA), a = ad_input(t, ad_value(pi), 1, nA);
        ad q = two_layers(ad_input(t, d.w, N_W, 1), ad_concat(s, a), nIn, 1);
        double slope = 0;
        for (int k = 0; k < nA; k++) slope += ad_value(ad_grad(q, a))[k] / N_D;
        const double *grad_pi = ad_value(ad_grad(ad_sum(pi), theta));
        for (int j = 0; j < N_THETA; j++) g[j] += grad_pi[j] * slope;
        ad_tape_free(t);
    }
    return 0;
}

static int n_theta(const setting *y)        { (void)y; return N_THETA; }
/* sums of 20 terms of order 1 */
static double unit_network(const setting *y) { (void)y; return 20 * DBL_EPSILON; }

const derivation deterministic_actor[] = {
    { "DDPG-11", "the actor's gradient is the chain rule through the critic",
      "grad_theta E_D[q_w(s, pi_theta(s))]",
      n_theta, unit_network, NULL, NULL, {
        { "\\nabla_\\theta E_{s\\sim D}[q_w(s,\\pi_\\theta(s))]", "reverse mode through both networks",
          through_both },
        { "=E_{s\\sim D}[\\nabla_\\theta\\pi_\\theta(s)^T\\nabla_aq_w(s,a)|_{a=\\pi_\\theta(s)}]",
          "the two factors apart, for one state and one action after the other", factors_apart },
        { "\\approx\\frac{8(J(\\theta+h)-J(\\theta-h))-(J(\\theta+2h)-J(\\theta-2h))}{12h}",
          "the definition of a derivative", objective_differences },
        { "\\ne E_{s\\sim D}[\\sum_k\\nabla_\\theta\\pi_k\\sum_l\\partial q_w/\\partial a_l]",
          "a product that forgets which action a slope belongs to: right only for one action", factors_crossed,
          .relation = DIFFERS } },
      .own_problem = "random networks of 4 tanh units: 3 observations, 2 actions, 6 states in D" },
    { NULL }
};
