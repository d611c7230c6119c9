/* Generalised advantage estimation: its two ends, and that with V = V^pi no lambda is biased. Through
 * algorithms/gae.c on enumerated trajectories. 002 (images PPO1-PPO6), Schulman et al. (2016, 2017). */
#include "algorithms/gae.h"

#include <gsl/gsl_math.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/nstep.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"
#include "derivations/estimate.h"
#include "derivations/score_moments.h"
#include "derivations/small_problem.h"

/* ---- PPO-16: lambda = 1, with a V that is wrong, and that goes on where a trajectory is cut off ---- */

static double *values(const finite_horizon *f, const traj *tau)                 /* [T+1] */
{
    double *V = allocate((size_t)tau->T + 1, sizeof *V, "values along a trajectory");
    for (int t = 0; t <= tau->T; t++) V[t] = mdp_absorbing(f->M, tau->s[t]) ? 0 : 0.5 + cos(3 * tau->s[t]);
    return V;
}

/* -V(s_t) + r_t + .. + gamma^{T-1-t} r_{T-1} + gamma^{T-t} V(s_T); `more` on the exponent of the last reward */
static void long_sum(const finite_horizon *f, const traj *tau, int more, double *A)
{
    int T = tau->T;
    double *V = values(f, tau);
    for (int t = 0; t < T; t++) {
        A[t] = -V[t] + gsl_pow_int(f->gamma, T - t) * V[T];
        for (int k = t; k < T; k++) A[t] += gsl_pow_int(f->gamma, k - t + (k == T - 1 ? more : 0)) * tau->r[k];
    }
    free(V);
}

static void right_sum(const finite_horizon *f, const traj *tau, double *A)   { long_sum(f, tau, 0, A); }
static void printed_sum(const finite_horizon *f, const traj *tau, double *A) { long_sum(f, tau, 2, A); }

static void nstep_advantages(const finite_horizon *f, const traj *tau, double *A)
{
    double *V = values(f, tau);
    nstep_returns(tau->T, tau->r, V[tau->T], f->gamma, A);
    for (int t = 0; t < tau->T; t++) A[t] -= V[t];
    free(V);
}

static void gae_at_1(const finite_horizon *f, const traj *tau, double *A)
{
    double *V = values(f, tau);
    gae_advantages(tau->T, tau->r, V, V[tau->T], f->gamma, 1, A);
    free(V);
}

/* PPO-16  A_t = -V(s_t) + r_t + gamma r_{t+1} + .. + gamma^{T-1-t} r_{T-1} + gamma^{T-t} V(s_T) */
static double sums(const setting *x, double *out)     { return small_steps(x, right_sum, out); }
static double printed(const setting *x, double *out)  { return small_steps(x, printed_sum, out); }
static double by_nstep(const setting *x, double *out) { return small_steps(x, nstep_advantages, out); }
static double by_gae(const setting *x, double *out)   { return small_steps(x, gae_at_1, out); }

/* ---- PPO-17: [LAMBDAS] times the mean [n] and the trace of the covariance, with V = V^pi ---- */

enum { LAMBDAS = 4 };
static const double lambdas[LAMBDAS] = { 0, 0.5, 0.9, 1 };

static int n_moments(const setting *x) { return LAMBDAS * small_n_and_trace(x); }

static double by_training(const setting *x, double *out)
{
    finite_horizon *f = small_new(x);
    for (int i = 0; i < LAMBDAS; i++)
        small_estimator_with(f, "gae", NULL, 1, lambdas[i], out + i * small_n_and_trace(x));
    finite_free(f);
    return 0;
}

/* grad J for every lambda; the variance by pairs of times, for which no trajectory is made */
static double gradient_and_pairs(const setting *x, double *out)
{
    finite_horizon *f = small_new(x);
    value_table *V = value_table_exact(f);
    double *variance = allocate((size_t)x->pi->n, sizeof *variance, "variances");
    for (int i = 0; i < LAMBDAS; i++) {
        double *g = out + i * small_n_and_trace(x);
        score_weights *w = score_weights_new(f, "gae", V, 1, lambdas[i]);
        score_moments(f, w, g, variance);
        finite_gradient(f, g);
        g[x->pi->n] = 0;
        for (int j = 0; j < x->pi->n; j++) g[x->pi->n] += variance[j];
        score_weights_free(w);
    }
    double room = small_room(f, x->pi->c);
    free(variance);
    value_table_free(V);
    finite_free(f);
    return room;
}

/* PPO-17  A_t = sum_{l=0}^{T-1-t} (gamma lambda)^l delta_{t+l}; `more` on the exponent of the last term */
static void gae_sum(const finite_horizon *f, const traj *tau, double lambda, int more, double *w)
{
    for (int t = 0; t < tau->T; t++) {
        w[t] = 0;
        for (int k = t; k < tau->T; k++) {
            double V = finite_V(f, k, tau->s[k]), V1 = finite_V(f, k + 1, tau->s[k + 1]);
            w[t] += gsl_pow_int(f->gamma * lambda, k - t + (k == tau->T - 1 ? more : 0))
                    * (tau->r[k] + f->gamma * V1 - V);
        }
        w[t] *= gsl_pow_int(f->gamma, t);
    }
}

static void sum_0(const finite_horizon *f, const traj *tau, double *w)     { gae_sum(f, tau, lambdas[0], 0, w); }
static void sum_1(const finite_horizon *f, const traj *tau, double *w)     { gae_sum(f, tau, lambdas[1], 0, w); }
static void sum_2(const finite_horizon *f, const traj *tau, double *w)     { gae_sum(f, tau, lambdas[2], 0, w); }
static void sum_3(const finite_horizon *f, const traj *tau, double *w)     { gae_sum(f, tau, lambdas[3], 0, w); }
static void printed_0(const finite_horizon *f, const traj *tau, double *w) { gae_sum(f, tau, lambdas[0], 2, w); }
static void printed_1(const finite_horizon *f, const traj *tau, double *w) { gae_sum(f, tau, lambdas[1], 2, w); }
static void printed_2(const finite_horizon *f, const traj *tau, double *w) { gae_sum(f, tau, lambdas[2], 2, w); }
static void printed_3(const finite_horizon *f, const traj *tau, double *w) { gae_sum(f, tau, lambdas[3], 2, w); }

static double by_hand(const setting *x, const small_weights *weights, double *out)
{
    finite_horizon *f = small_new(x);
    for (int i = 0; i < LAMBDAS; i++) small_by_hand(f, weights[i], out + i * small_n_and_trace(x));
    finite_free(f);
    return 0;
}

static double by_sums(const setting *x, double *out)
{
    return by_hand(x, (const small_weights[]){ sum_0, sum_1, sum_2, sum_3 }, out);
}

static double by_printed_sums(const setting *x, double *out)
{
    return by_hand(x, (const small_weights[]){ printed_0, printed_1, printed_2, printed_3 }, out);
}

static void page(const setting *x, FILE *out)
{
    finite_horizon *f = small_new(x);
    double *moments = allocate((size_t)n_moments(x), sizeof *moments, "moments");
    finite_small_describe(f, out);
    by_training(x, moments);
    fprintf(out, "\nlambda   trace of the covariance\n");
    for (int i = 0; i < LAMBDAS; i++)
        fprintf(out, "%6g %25.10g\n", lambdas[i], moments[i * small_n_and_trace(x) + x->pi->n]);
    fprintf(out, "With another V, bias and variance of each: `ascent estimate MDP --horizon H --all`.\n");
    free(moments);
    finite_free(f);
}

const derivation gae[] = {
    { "PPO-16", "the estimate of fixed length is the n-step advantage that looks to the end: GAE at lambda = 1",
      "A_t on up to 64 trajectories of " FINITE_SMALL, small_n_steps, small_unit_of_V, small_not_applicable, NULL, {
        { "-V(s_t)+r_t+\\gamma r_{t+1}+\\dots+\\gamma^{T-1-t}r_{T-1}+\\gamma^{T-t}V(s_T)",
          "any V, here .5 + cos 3s; V(s_T) = 0 only where the episode terminated", sums },
        { "=G_t^{(T-t)}-V(s_t)", "A3C-6's weights, by algorithms/nstep.c", by_nstep },
        { "=\\sum_{l=0}^{T-1-t}\\gamma^l\\delta_{t+l}",
          "values between telescope away; algorithms/gae.c", by_gae },
        { "-V(s_t)+r_t+\\gamma r_{t+1}+\\dots+\\gamma^{T-t+1}r_{T-1}+\\gamma^{T-t}V(s_T)",
          "002's image, eq 10 of the paper: two powers too many on the last reward", printed,
          DIFFERS, "ERR-63" } },
      .page = small_page },
    { "PPO-17", "GAE with V = V^pi has no bias, whatever lambda is",
      "for lambda = 0, .5, .9, 1: dJ/dtheta[i], then the trace of the covariance; over " FINITE_SMALL, n_moments,
      small_unit, small_not_applicable, NULL, {
        { "\\nabla_\\theta J,\\quad E|\\hat g|^2-|\\nabla J|^2",
          "PGT-3; the variance from E[c_t A_t c_t' A_t'] for each pair of times, no trajectory",
          gradient_and_pairs },
        { "=E[\\hat g],\\ E|\\hat g-E[\\hat g]|^2,\\quad"
          "\\hat g=\\sum_t\\gamma^t\\nabla\\log\\pi(a_t|s_t)\\sum_{l=0}^{T-1-t}(\\gamma\\lambda)^l\\delta_{t+l}",
          "delta_{t+l}, l > 0, has mean 0 given a_t: it may be left out or kept. Scores in closed form", by_sums },
        { "\\hat A_t=\\delta_t+\\gamma\\lambda\\hat A_{t+1}", "backward, algorithms/gae.c; reverse mode",
          by_training },
        { "\\hat A_t=\\delta_t+\\dots+(\\gamma\\lambda)^{T-t+1}\\delta_{T-1}",
          "002's image, eq 11 of the paper: two powers too many on the last term; (gamma lambda)^2 for 1 at T-1",
          by_printed_sums, DIFFERS, "ERR-63" } },
      .measure = small_measure, .page = page },
    { .id = NULL }
};
