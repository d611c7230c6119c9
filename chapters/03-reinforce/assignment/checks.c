/* Assignment 3: the points of each equation, what is asked, what is right, and the mistakes that are known
 * by name. What is right is written here as sums over the page's indices, not taken from the reference. */
#include <float.h>
#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/policy.h"
#include "autodiff/require.h"
#include "chapters/03-reinforce/assignment/questions.h"
#include "chapters/grade.h"
#include "derivations/enumerate.h"

extern const check checks_3[];

static int size_1(const asked *x)  { (void)x; return 1; }
static int size_T(const asked *x)  { return x->q.T; }
static int size_T1(const asked *x) { return x->q.T + 1; }
static int size_n(const asked *x)  { return x->q.n; }

/* ---- questions on numbers ---- */

/* Of size 2 or so; round: a half to three, seven of ten positive */
static double number(gsl_rng *rng, bool round)
{
    if (!round) return gsl_ran_gaussian(rng, 2);
    double x = 0.5 * (double)(1 + gsl_rng_uniform_int(rng, 6));
    return gsl_rng_uniform(rng) < 0.3 ? -x : x;
}

/* An episode. The first three are short and of round numbers, then come one step, gamma = 1, gamma = 0,
 * long ones; of these a third of the rewards is 0, as where only the end pays, and b too in the last but one. */
enum { EPISODES = 8 };
static void ask_episode(gsl_rng *rng, int k, asked *x)
{
    static const int T[] = { 2, 3, 4, 1, 6, 5, 17, QUESTION_T };
    question *q = &x->q;
    const bool round_numbers = k < 3;
    q->T = T[k];
    q->gamma = k == 4 ? 1 : k == 5 ? 0 : 0.05 * (double)(8 + gsl_rng_uniform_int(rng, 11));
    q->b = 0.25 * (double)(1 + gsl_rng_uniform_int(rng, 8));
    q->rate = 0.125 * (double)(1 + gsl_rng_uniform_int(rng, 7));
    q->segments = q->T < 3 ? 1 : 2 + (int)gsl_rng_uniform_int(rng, (unsigned long)(q->T < 5 ? 1 : 3));
    for (int t = 0; t < q->T; t++) {
        q->r[t] = number(rng, round_numbers);
        q->V[t] = number(rng, round_numbers);
        q->w[t] = number(rng, round_numbers);
        q->logp[t] = log(gsl_ran_flat(rng, 0.05, 1));
        if (k > 3 && t % 3 == 1) q->r[t] = 0;
    }
    if (k == EPISODES - 2) q->b = 0;
}

/* An entry is a sum of at most T terms of up to T factors, and two products with b: 2T + 8 roundings of
 * what in all is no greater than S. Four times that, for the two ways of computing it and other orders of
 * summation. */
static double error_numbers(const asked *x)
{
    const question *q = &x->q;
    double S = fabs(q->b);
    for (int t = 0; t < q->T; t++) S += fabs(q->r[t]) + fabs(q->V[t]) + fabs(q->w[t]) * (1 + fabs(q->logp[t]));
    return 4 * DBL_EPSILON * (2 * q->T + 8) * S;
}

/* MDP-4  sum_{k=from}^{T-1} gamma^{k-t} r_k */
static double G(const question *q, int from, int t)
{
    double sum = 0;
    for (int k = from; k < q->T; k++) sum += pow(q->gamma, k - t) * q->r[k];
    return sum;
}

static double undiscounted(const question *q, int from, int to)
{
    double sum = 0;
    for (int k = from; k < to; k++) sum += q->r[k];
    return sum;
}

/* (x_t - mean) / standard deviation */
static double normalised(const question *q, const double *x, int t)
{
    double mean = 0, square = 0;
    for (int k = 0; k < q->T; k++) mean += x[k] / q->T;
    for (int k = 0; k < q->T; k++) square += (x[k] - mean) * (x[k] - mean) / q->T;
    return (x[t] - mean) / (sqrt(square) + 1e-8);
}

/* A function named `name` that writes out[t], or out[0], as an expression in q, t, x->given */
#define EACH(name, expression)                                              \
    static void name(const asked *x, double *out)                           \
    {                                                                       \
        const question *q = &x->q;                                          \
        for (int t = 0; t < q->T; t++) out[t] = (expression);               \
    }
#define ONE(name, expression)                                               \
    static void name(const asked *x, double *out)                           \
    {                                                                       \
        const question *q = &x->q;                                          \
        out[0] = (expression);                                              \
    }
#define LIKE(f, name) { name, f }
#define END { .name = NULL }
#define POW(k) pow(q->gamma, k)

/* ---- returns ---- */

ONE(total, G(q, 0, 0))
ONE(total_plain, undiscounted(q, 0, q->T))
ONE(total_late, q->gamma * G(q, 0, 0))
static void total_backwards(const asked *x, double *out)
{
    for (int t = 0; t < x->q.T; t++) out[0] += pow(x->q.gamma, x->q.T - 1 - t) * x->q.r[t];
}
static const asked_function ask_total = { ASK_TOTAL, size_1, total };
static const variant wrong_total[] = {
    LIKE(total_plain, "gamma is missing"),
    LIKE(total_late, "gamma^(t+1) r_t: the first reward is discounted already"),
    LIKE(total_backwards, "discounted from the end: gamma^(T-1-t) r_t"), END };

EACH(to_go, G(q, t, t))
EACH(to_go_shifted, (t > 0 ? q->r[t - 1] : 0) + q->gamma * G(q, t, t))
EACH(to_go_previous, (t > 0 ? q->r[t - 1] : 0) + q->gamma * (G(q, t, t) - POW(q->T - 1 - t) * q->r[q->T - 1]))
EACH(to_go_next, G(q, t + 1, t + 1))
EACH(to_go_late, q->gamma * G(q, t, t))
EACH(to_go_whole, G(q, 0, 0))
EACH(to_go_rewards, POW(t) * q->r[t])
EACH(to_go_plain, undiscounted(q, t, q->T))
EACH(to_go_from_start, POW(t) * G(q, t, t))
EACH(to_go_so_far, G(q, 0, 0) - POW(t + 1) * G(q, t + 1, t + 1))
EACH(to_go_backwards, G(q, q->T - 1 - t, q->T - 1 - t))
EACH(to_go_cut, G(q, t, t) - POW(q->T - 1 - t) * q->r[q->T - 1])
EACH(to_go_one, q->r[t])
EACH(to_go_negative, -G(q, t, t))
static void to_go_normalised(const asked *x, double *out)
{
    double g[QUESTION_T];
    to_go(x, g);
    for (int t = 0; t < x->q.T; t++) out[t] = normalised(&x->q, g, t);
}
/* The sum begins anew at zeros, or at what is none */
static void to_go_anew(const asked *x, double *out, bool at_zero)
{
    for (int t = x->q.T - 1; t >= 0; t--) {
        const double r = x->q.r[t], G_next = t + 1 < x->q.T ? out[t + 1] : 0;
        out[t] = (r == 0) == at_zero ? r : r + x->q.gamma * G_next;
    }
}
static void to_go_anew_at_0(const asked *x, double *out) { to_go_anew(x, out, true); }
static void to_go_anew_at_reward(const asked *x, double *out) { to_go_anew(x, out, false); }
static const asked_function ask_to_go = { ASK_TO_GO, size_T, to_go };
static const variant wrong_to_go[] = {
    LIKE(to_go_shifted, "the reward shifted by one: r_{t-1} + gamma G_t (ERR-2, 004 l.241)"),
    LIKE(to_go_previous, "the reward shifted by one: that of the step before (openai/spinningup#50)"),
    LIKE(to_go_next, "G_{t+1}: the sum starts behind r_t"),
    LIKE(to_go_late, "gamma G_t: r_t itself is discounted"),
    LIKE(to_go_whole, "the whole return at every step, not reward-to-go (udacity/deep-reinforcement-learning#42)"),
    LIKE(to_go_rewards, "gamma^t r_t: discounted rewards, not returns (hunkim/ReinforcementZeroToAll#1)"),
    LIKE(to_go_plain, "gamma is missing"),
    LIKE(to_go_from_start, "gamma^t G_t: discounted from the start of the episode, not from t"),
    LIKE(to_go_so_far, "the sum up to t: what has been earned, not what is to come"),
    LIKE(to_go_backwards, "the returns in reverse order"),
    LIKE(to_go_cut, "the last reward is left out"),
    LIKE(to_go_one, "r_t alone"),
    LIKE(to_go_negative, "the sign"), LIKE(to_go_anew_at_0, "the sum starts anew where a reward is 0"),
    LIKE(to_go_anew_at_reward, "the sum starts anew at every reward: right for a game of points alone (Pong)"),
    LIKE(to_go_normalised, "normalised: (G_t - mean) / standard deviation, which biases the estimate"), END };

/* ---- weights: given.x is G [T] ---- */

EACH(w, x->given.x[t] - q->b)
EACH(w_gamma_t, POW(t) * (x->given.x[t] - q->b))
EACH(w_plus, x->given.x[t] + q->b)
EACH(w_bare, x->given.x[t])
EACH(w_negative, q->b - x->given.x[t])
EACH(w_b_discounted, x->given.x[t] - POW(t) * q->b)
EACH(w_whole, G(q, 0, 0) - q->b)
EACH(w_reward, q->r[t] - q->b)
EACH(w_times, x->given.x[t] * q->b)
EACH(w_normalised, normalised(q, x->given.x, t))
EACH(w_gamma_t_b, POW(t) * x->given.x[t] - q->b)
EACH(w_gamma_t_late, POW(t + 1) * (x->given.x[t] - q->b))
EACH(w_gamma_t_twice, POW(2 * t) * (x->given.x[t] - q->b))
EACH(w_gamma_t_end, POW(q->T - 1 - t) * (x->given.x[t] - q->b))
EACH(w_gamma_t_plus, POW(t) * (x->given.x[t] + q->b))
EACH(w_gamma_t_bare, POW(t) * x->given.x[t])
EACH(w_gamma_t_negative, POW(t) * (q->b - x->given.x[t]))
static const variant wrong_w[] = {
    LIKE(w_plus, "b is added"), LIKE(w_bare, "b is left out"), LIKE(w_negative, "the sign"),
    LIKE(w_gamma_t, "gamma^t is in it: that is RF-2, not RF-4"),
    LIKE(w_b_discounted, "G_t - gamma^t b: the baseline discounted"),
    LIKE(w_whole, "the whole return at every step"), LIKE(w_reward, "r_t in place of G_t"),
    LIKE(w_times, "times b"), LIKE(w_normalised, "normalised, which biases the estimate"), END };
static const variant wrong_w_gamma_t[] = {
    LIKE(w, "gamma^t is missing (ERR-3: 000 eq 5, 002 l.94)"),
    LIKE(w_gamma_t_b, "gamma^t G_t - b: the baseline is not discounted"),
    LIKE(w_gamma_t_late, "gamma^(t+1)"), LIKE(w_gamma_t_twice, "gamma^t twice"),
    LIKE(w_gamma_t_end, "gamma^(T-1-t): counted from the end"), LIKE(w_gamma_t_plus, "b is added"),
    LIKE(w_gamma_t_bare, "b is left out"), LIKE(w_gamma_t_negative, "the sign"), END };

static double mean(int T, const double *x)
{
    double sum = 0;
    for (int t = 0; t < T; t++) sum += x[t];
    return sum / T;
}
#define MEAN_G mean(q->T, x->given.x)
ONE(next_b, q->b + q->rate * (MEAN_G - q->b))
ONE(next_b_negative, q->b - q->rate * (MEAN_G - q->b))
ONE(next_b_first, q->b + q->rate * (x->given.x[0] - q->b))
ONE(next_b_sum, q->b + q->rate * (q->T * MEAN_G - q->b))
ONE(next_b_swapped, q->rate * q->b + (1 - q->rate) * MEAN_G)
ONE(next_b_only, MEAN_G)
ONE(next_b_no_b, q->b + q->rate * MEAN_G)
ONE(next_b_reward, q->b + q->rate * (mean(q->T, q->r) - q->b))
static const variant wrong_next_b[] = {
    LIKE(next_b_negative, "the sign: it moves away from the mean"),
    LIKE(next_b_first, "G_0 in place of the mean over t"),
    LIKE(next_b_sum, "the sum over t in place of the mean"),
    LIKE(next_b_swapped, "rate and 1 - rate exchanged"), LIKE(next_b_only, "rate is missing"),
    LIKE(next_b_no_b, "b + rate mean G: b is not taken off"),
    LIKE(next_b_reward, "the mean of r_t in place of G_t"), END };

/* ---- objectives: J, and its slope in each log pi(a_t|s_t) ---- */

/* out[0] = value, out[1 + t] = slope, in q and t */
#define OBJECTIVE(name, value, slope)                                       \
    static void name(const asked *x, double *out)                           \
    {                                                                       \
        const question *q = &x->q;                                          \
        out[0] = (value);                                                   \
        for (int t = 0; t < q->T; t++) out[1 + t] = (slope);                \
    }
static double dot(int T, const double *x, const double *y)
{
    double sum = 0;
    for (int t = 0; t < T; t++) sum += x[t] * y[t];
    return sum;
}
static double dot_exp(int T, const double *x, const double *y)
{
    double sum = 0;
    for (int t = 0; t < T; t++) sum += x[t] * exp(y[t]);
    return sum;
}
#define W_LOGP dot(q->T, q->w, q->logp)
OBJECTIVE(objective, W_LOGP, q->w[t])
OBJECTIVE(objective_by_T, W_LOGP / q->T, q->w[t] / q->T)
OBJECTIVE(objective_by_D, W_LOGP / q->segments, q->w[t] / q->segments)
OBJECTIVE(objective_by_T_D, W_LOGP / q->T / q->segments, q->w[t] / q->T / q->segments)
OBJECTIVE(objective_negative, -W_LOGP, -q->w[t])
OBJECTIVE(objective_negative_by_T, -W_LOGP / q->T, -q->w[t] / q->T)
OBJECTIVE(objective_negative_by_D, -W_LOGP / q->segments, -q->w[t] / q->segments)
OBJECTIVE(objective_bare, q->T * mean(q->T, q->logp), 1)
OBJECTIVE(objective_pi, dot_exp(q->T, q->w, q->logp), q->w[t] * exp(q->logp[t]))
OBJECTIVE(objective_means, mean(q->T, q->logp) * q->T * mean(q->T, q->w), mean(q->T, q->w))
OBJECTIVE(objective_stopped, W_LOGP, 0)
OBJECTIVE(in_w, 1, 0)
OBJECTIVE(in_w_flows, 1, q->logp[t])
OBJECTIVE(in_w_flows_by_T, 1, q->logp[t] / q->T)
OBJECTIVE(in_w_flows_negative, 1, -q->logp[t])
OBJECTIVE(in_w_no_logp, 0, 0)
OBJECTIVE(in_w_exchanged, 0, q->logp[t])
static const asked_function ask_objective = { ASK_OBJECTIVE, size_T1, objective };
static const variant wrong_objective[] = {
    LIKE(objective_by_T, "the mean over t in place of the sum"),
    LIKE(objective_negative, "the sign: a loss, to be descended; J is ascended"),
    LIKE(objective_negative_by_T, "a loss, and the mean over t in place of the sum"),
    LIKE(objective_bare, "the weights are left out"), LIKE(objective_pi, "pi in place of log pi"),
    LIKE(objective_means, "mean log pi times the sum of the weights (Farama-Foundation/Gymnasium#1336)"),
    LIKE(objective_stopped, "the gradient is stopped at log pi"), END };
static const variant wrong_in_w[] = {
    LIKE(in_w_flows, "the gradient flows through the weights: they are numbers to this objective"),
    LIKE(in_w_flows_by_T, "the gradient flows through the weights: they are numbers to this objective"),
    LIKE(in_w_flows_negative, "the gradient flows through the weights: they are numbers to this objective"),
    LIKE(in_w_exchanged, "the gradient is stopped at log pi, and flows through the weights"),
    LIKE(in_w_no_logp, "no gradient at all: log pi is stopped too"), END };

static const asked_function ask_by_trajectories = { ASK_VPG_TRAJECTORIES, size_T1, objective_by_D };
static const asked_function ask_by_steps = { ASK_VPG_STEPS, size_T1, objective_by_T };
static const variant wrong_by_trajectories[] = {
    LIKE(objective_by_T, "the mean over steps: VPG-4, biased towards short episodes (ERR-42)"),
    LIKE(objective, "the sum over all trajectories: 1/|D| is missing"),
    LIKE(objective_by_T_D, "divided by the steps and by |D|"),
    LIKE(objective_negative_by_D, "the sign: a loss, to be descended; J is ascended"), END };
static const variant wrong_by_steps[] = {
    LIKE(objective_by_D, "the mean over trajectories: VPG-2"), LIKE(objective, "the sum: 1/N is missing"),
    LIKE(objective_by_T_D, "divided by the steps and by |D|"),
    LIKE(objective_negative_by_T, "the sign: a loss, to be descended; J is ascended"), END };

static double squares(const question *q)
{
    double sum = 0;
    for (int t = 0; t < q->T; t++) sum += (q->V[t] - q->r[t]) * (q->V[t] - q->r[t]);
    return sum;
}
OBJECTIVE(V_objective, -squares(q) / q->T, -2 * (q->V[t] - q->r[t]) / q->T)
OBJECTIVE(V_loss, squares(q) / q->T, 2 * (q->V[t] - q->r[t]) / q->T)
OBJECTIVE(V_half, -squares(q) / q->T / 2, -(q->V[t] - q->r[t]) / q->T)
OBJECTIVE(V_sum, -squares(q), -2 * (q->V[t] - q->r[t]))
static const variant wrong_V[] = {
    LIKE(V_loss, "the sign: ascended, this takes V away from the returns"), LIKE(V_half, "a factor 1/2"),
    LIKE(V_sum, "the sum in place of the mean"), END };
static double error_squares(const asked *x)
{
    const question *q = &x->q;
    double S = 0;
    for (int t = 0; t < q->T; t++) S += pow(fabs(q->V[t]) + fabs(q->r[t]), 2);
    return 4 * DBL_EPSILON * (q->T + 4) * S;
}

/* ---- weights of VPG ---- */

EACH(vpg_total, x->given.x[0])
EACH(vpg_total_to_go, G(q, t, t))
EACH(vpg_total_plain, undiscounted(q, 0, q->T))
static const variant wrong_vpg_total[] = {
    LIKE(vpg_total_to_go, "reward-to-go: PGT-10, not VPG-2"), LIKE(vpg_total_plain, "gamma is missing"), END };
EACH(vpg_to_go, x->given.x[t])
EACH(vpg_to_go_gamma_t, POW(t) * x->given.x[t])
static const variant wrong_vpg_to_go[] = {
    LIKE(vpg_to_go_gamma_t, "gamma^t is in it"), LIKE(to_go_whole, "the whole return at every step"), END };
EACH(advantage, x->given.x[t] - q->V[t])
EACH(advantage_negative, q->V[t] - x->given.x[t])
EACH(advantage_plus, x->given.x[t] + q->V[t])
EACH(advantage_bare, x->given.x[t])
EACH(advantage_first, x->given.x[t] - q->V[0])
EACH(advantage_next, x->given.x[t] - (t + 1 < q->T ? q->V[t + 1] : 0))
EACH(advantage_td, q->r[t] + q->gamma * (t + 1 < q->T ? q->V[t + 1] : 0) - q->V[t])
EACH(advantage_gamma_t, POW(t) * (x->given.x[t] - q->V[t]))
static const variant wrong_advantage[] = {
    LIKE(advantage_negative, "the sign"), LIKE(advantage_plus, "V is added"),
    LIKE(advantage_bare, "V is left out"),
    LIKE(advantage_first, "V(s_0) at every step"), LIKE(advantage_next, "V(s_{t+1}) in place of V(s_t)"),
    LIKE(advantage_td, "the TD error r_t + gamma V(s_{t+1}) - V(s_t)"),
    LIKE(advantage_gamma_t, "gamma^t is in it"), END };

/* ---- gradients: given.x is J and its slopes c_t in log pi(a_t|s_t); g = sum_t c_t grad log pi ---- */

static policy policy_of_question(const question *q)
{
    network f = { .layers = q->hidden ? 2 : 1, .hidden = AD_TANH };
    f.size[0] = q->d;
    f.size[1] = q->hidden ? q->hidden : q->nA;
    f.size[2] = q->nA;
    return (policy){ .f = f, .nA = q->nA, .d = q->d, .k = 1, .n = q->n };
}

/* logp [T], and unless c [T] is NULL g [n] = sum_t c_t grad log pi(a_t|s_t) */
static void scores(const question *q, const double *c, double *logp, double *g)
{
    const policy p = policy_of_question(q);
    ad_tape *t = ad_tape_new();
    ad theta = ad_input(t, q->theta, q->n, 1);
    ad l = policy_logp(t, &p, theta, ad_input(t, q->s, q->T, q->d), NULL, q->a);
    if (logp) memcpy(logp, ad_value(l), (size_t)q->T * sizeof *logp);
    if (c) memcpy(g, ad_value(ad_grad(ad_dot(ad_input(t, c, q->T, 1), l), theta)), (size_t)q->n * sizeof *g);
    ad_tape_free(t);
}

static void ask_policy(gsl_rng *rng, int k, asked *x)
{
    static const struct { int T, d, nA, hidden; } shape[] = { { 2, 2, 2, 0 }, { 3, 3, 2, 0 }, { 1, 2, 3, 0 },
                                                              { 5, 4, 3, 5 }, { 20, 6, 4, 8 } };
    question *q = &x->q;
    ask_episode(rng, EPISODES - 1, x);
    q->T = shape[k].T;
    q->d = shape[k].d;
    q->nA = shape[k].nA;
    q->hidden = shape[k].hidden;
    const policy p = policy_of_question(q);
    q->n = network_n(&p.f);
    require(q->n <= QUESTION_N && q->d <= QUESTION_D, "a policy of %d parameters", q->n);
    for (int i = 0; i < q->n; i++) q->theta[i] = gsl_ran_gaussian(rng, 0.7);
    for (int i = 0; i < q->T * q->d; i++) q->s[i] = gsl_ran_gaussian(rng, 1);
    for (int t = 0; t < q->T; t++) q->a[t] = (int)gsl_rng_uniform_int(rng, (unsigned long)q->nA);
    q->segments = q->T < 3 ? 1 : 2;
    q->first[1] = 1 + q->T / 3;
    scores(q, NULL, q->logp, NULL);
}
enum { POLICIES = 5 };

/* A score's entry is at most (1 + |s|) (1 + |theta|); behind it are two products of matrices and T terms. */
static double error_gradient(const asked *x)
{
    const question *q = &x->q;
    double sum = 0, s = 0, theta = 0;
    for (int t = 0; t < q->T; t++) sum += fabs(x->given.x[1 + t]);
    for (int i = 0; i < q->T * q->d; i++) s = fmax(s, fabs(q->s[i]));
    for (int i = 0; i < q->n; i++) theta = fmax(theta, fabs(q->theta[i]));
    return 4 * DBL_EPSILON * (q->T + 4 * (q->d + q->nA + q->hidden)) * sum * (1 + s) * (1 + theta);
}

/* c_t in place of the slope, in q, t and c = x->given.x + 1 */
#define GRADIENT(name, weight)                                              \
    static void name(const asked *x, double *out)                           \
    {                                                                       \
        const question *q = &x->q;                                          \
        const double *c = x->given.x + 1;                                   \
        double weights[QUESTION_T];                                         \
        for (int t = 0; t < q->T; t++) weights[t] = (weight);               \
        scores(q, weights, NULL, out);                                      \
    }
GRADIENT(gradient, c[t])
GRADIENT(gradient_by_T, c[t] / q->T)
GRADIENT(gradient_times_T, c[t] * q->T)
GRADIENT(gradient_negative, -c[t])
GRADIENT(gradient_bare, 1 + 0 * c[t])
GRADIENT(gradient_no_last, t + 1 < q->T ? c[t] : 0)
GRADIENT(gradient_no_first, t > 0 ? c[t] : 0)
GRADIENT(gradient_reversed, c[q->T - 1 - t])
GRADIENT(gradient_pi, c[t] * exp(q->logp[t]))
GRADIENT(gradient_means, mean(q->T, c))
GRADIENT(gradient_twice, c[t] * c[t])
static const variant wrong_gradient[] = {
    LIKE(gradient_by_T, "the mean over t in place of the sum"),
    LIKE(gradient_times_T, "the sum in place of the mean"),
    LIKE(gradient_negative, "the sign: theta moves along +g"), LIKE(gradient_bare, "the weights are left out"),
    LIKE(gradient_no_last, "the last step is left out"), LIKE(gradient_no_first, "the first step is left out"),
    LIKE(gradient_reversed, "the weights in reverse order"),
    LIKE(gradient_pi, "grad pi in place of grad log pi"),
    LIKE(gradient_means, "mean log pi times the sum of the weights (Farama-Foundation/Gymnasium#1336)"),
    LIKE(gradient_twice, "the weights are squared"), END };

/* ---- RF-2: the mean over all trajectories of a hidden MDP is the gradient ---- */

struct walk { grading *g; asked x; respond *weights; bool failed; };

/* One trajectory's update: the student's, or ours with these weights; an `estimator` */
static void update(void *context, const traj *tau, double *g)
{
    struct walk *k = context;
    question *q = &k->x.q;
    q->T = tau->T;
    memset(q->s, 0, sizeof q->s);
    for (int t = 0; t < tau->T; t++) {
        q->s[t * q->d + tau->s[t]] = 1;
        q->a[t] = tau->a[t];
        q->r[t] = tau->r[t];
    }
    memset(g, 0, (size_t)q->n * sizeof *g);
    if (k->weights) {
        double weights[QUESTION_T];
        to_go(&k->x, k->x.given.x);
        k->weights(&k->x, weights);
        scores(q, weights, NULL, g);
    } else if (!k->failed) k->failed = !grading_ask(k->g, q, q->n, g);
}

EACH(update_shifted, POW(t) * ((t > 0 ? q->r[t - 1] : 0) + q->gamma * G(q, t, t) - q->b))
EACH(update_previous,
     POW(t) * ((t > 0 ? q->r[t - 1] : 0) + q->gamma * (G(q, t, t) - POW(q->T - 1 - t) * q->r[q->T - 1]) - q->b))
EACH(update_whole, POW(t) * (G(q, 0, 0) - q->b))
EACH(update_plain, undiscounted(q, t, q->T))
EACH(update_rewards, POW(t) * q->r[t])
EACH(update_by_T, POW(t) * (x->given.x[t] - q->b) / q->T)
static const variant wrong_update[] = {
    LIKE(w, "gamma^t is missing: the gradient of no function (ERR-3, RF-15)"),
    LIKE(update_shifted, "the reward shifted by one: gamma times the gradient (ERR-2)"),
    LIKE(update_previous, "the reward shifted by one: that of the step before (openai/spinningup#50)"),
    LIKE(update_whole, "the whole return, and gamma^t: one of the two is too much"),
    LIKE(w_gamma_t_negative, "the sign"),
    LIKE(update_plain, "gamma is missing: the gradient of the undiscounted J"),
    LIKE(update_rewards, "gamma^t r_t in place of returns"),
    LIKE(update_by_T, "the mean over t in place of the sum"),
    LIKE(w_gamma_t_twice, "gamma^t twice"), END };

static int first_apart(int n, const double *x, const double *y, double most)
{
    for (int i = 0; i < n; i++)
        if (!(fabs(x[i] - y[i]) <= most)) return i;
    return -1;
}

/* ||dz/dtheta||_1 */
static double jacobian_norm(const policy_class *p, const double *theta)
{
    int nZ = p->nS * p->nA;
    double largest = 1, *J = allocate((size_t)nZ * (size_t)p->n, sizeof *J, "a Jacobian");
    policy_jacobian(p, theta, J);
    for (int i = 0; i < p->n; i++) {
        double sum = 0;
        for (int z = 0; z < nZ; z++) sum += fabs(J[z * p->n + i]);
        largest = fmax(largest, sum);
    }
    free(J);
    return largest;
}

static bool judge_mean(grading *g, char *why)
{
    enum { NS = 3, NA = 2, HIDDEN = 2, H = 3 };
    char error[200];
    gsl_rng *rng = grading_rng(g);
    struct walk k = { .g = g };
    question *q = &k.x.q;
    ask_episode(rng, 0, &k.x);                                  /* gamma, b */
    mdp *M = mdp_garnet("hidden", NS, NA, 2, gsl_rng_get(rng));
    policy_class *p = policy_mlp(M, 0, NULL, 1, (const int[]){ HIDDEN });
    q->what = ASK_UPDATE;
    q->d = NS;
    q->nA = NA;
    q->hidden = HIDDEN;
    q->n = p->n;
    for (int i = 0; i < q->n; i++) q->theta[i] = gsl_ran_gaussian(rng, 1);
    finite_horizon *f = finite_new(M, q->gamma, p, q->theta, H, error, sizeof error);
    require(f, "%s", error);

    double got[QUESTION_N], right[QUESTION_N], like[QUESTION_N];
    const double most = 10 * (1 + q->b) * finite_unit_gradient(f, jacobian_norm(p, q->theta));
    finite_gradient(f, right);
    enumerate_moments(M, f->x->pi, H, update, &k, q->n, got, NULL);
    int i = k.failed ? 0 : first_apart(q->n, got, right, most);
    if (i >= 0) {
        int at = grading_say(why, 0, "%d states, %d actions, %d steps, gamma = %.6g, b = %.6g: ", NS, NA, H,
                             q->gamma, q->b);
        if (!k.failed)
            at = grading_say(why, at, "dJ/dtheta[%d] expected %.10g, got %.10g, the mean over all %.0f episodes\n",
                             i, right[i], got[i], enumerate_count(M, f->x->pi, H));
        for (const variant *v = wrong_update; v->name && !k.failed; v++) {
            k.weights = v->answer;
            enumerate_moments(M, f->x->pi, H, update, &k, q->n, like, NULL);
            if (first_apart(q->n, got, like, most) >= 0) continue;
            grading_say(why, at, "matches: %s\n", v->name);
            break;
        }
    }
    finite_free(f);
    policy_free(p);
    mdp_free(M);
    return i < 0;
}

/* ---- the list ---- */

#define NUMBERS EPISODES, ask_episode
#define SCORES  "pw", POLICIES, ask_policy
const check checks_3[] = {
    { "VPG-1", "returns_total", "R = sum_t gamma^t r_t", 5, { ASK_TOTAL, size_1, total }, "R", NULL,
      "gr", NUMBERS, error_numbers, wrong_total },
    { "MDP-4", "returns_to_go", "G_t = r_t + gamma G_{t+1}, G_T = 0", 15, { ASK_TO_GO, size_T, to_go }, NULL, "G",
      "gr", NUMBERS, error_numbers, wrong_to_go },
    { "RF-4", "reinforce_w", "w_t = G_t - b", 10, { ASK_W, size_T, w }, NULL, "w",
      "grb", NUMBERS, error_numbers, wrong_w, &ask_to_go },
    { "RF-2, RF-6", "reinforce_w_gamma_t", "w_t = gamma^t (G_t - b)", 10,
      { ASK_W_GAMMA_T, size_T, w_gamma_t }, NULL, "w",
      "grb", NUMBERS, error_numbers, wrong_w_gamma_t, &ask_to_go },
    { "REINFORCE", "reinforce_next_b", "b <- b + rate (mean_t G_t - b)", 5, { ASK_NEXT_B, size_1, next_b },
      "b", NULL, "grba", NUMBERS, error_numbers, wrong_next_b, &ask_to_go },
    { "RF-8", "reinforce_objective", "J = sum_t w_t log pi(a_t|s_t)", 10, { ASK_OBJECTIVE, size_T1, objective },
      "J", "dJ/dlogp", "wl", NUMBERS, error_numbers, wrong_objective },
    { "RF-8", "reinforce_objective", "dJ/dw = 0: the weights are numbers", 5,
      { ASK_OBJECTIVE_IN_W, size_T1, in_w }, "log pi moves J (1: yes)", "dJ/dw", "wl", NUMBERS, error_numbers,
      wrong_in_w },
    { "RF-4", "reinforce_gradient", "g = sum_t w_t grad log pi(a_t|s_t)", 10, { ASK_GRADIENT, size_n, gradient },
      NULL, "g", SCORES, error_gradient, wrong_gradient, &ask_objective },
    { "RF-2", "w and gradient", "E[sum_t w_t grad log pi(a_t|s_t)] = grad J", 10, .judge = judge_mean },
    { "VPG-2", "vpg_total_return", "w_t = R(tau)", 3, { ASK_VPG_TOTAL, size_T, vpg_total }, NULL, "w",
      "gr", NUMBERS, error_numbers, wrong_vpg_total, &ask_total },
    { "PGT-10", "vpg_reward_to_go", "w_t = G_t", 2, { ASK_VPG_TO_GO, size_T, vpg_to_go }, NULL, "w",
      "gr", NUMBERS, error_numbers, wrong_vpg_to_go, &ask_to_go },
    { "VPG-3", "vpg_advantage", "A_t = G_t - V(s_t)", 4, { ASK_VPG_ADVANTAGE, size_T, advantage }, NULL, "A",
      "grV", NUMBERS, error_numbers, wrong_advantage, &ask_to_go },
    { "VPG-2", "vpg_mean_over_trajectories", "(1/|D|) sum_tau sum_t w_t log pi(a_t|s_t)", 3,
      { ASK_VPG_TRAJECTORIES, size_T1, objective_by_D }, "J", "dJ/dlogp", "wlD", NUMBERS, error_numbers,
      wrong_by_trajectories },
    { "VPG-4", "vpg_mean_over_steps", "(1/N) sum_tau sum_t w_t log pi(a_t|s_t)", 3,
      { ASK_VPG_STEPS, size_T1, objective_by_T }, "J", "dJ/dlogp", "wlD", NUMBERS, error_numbers, wrong_by_steps },
    { "VPG", "vpg_V_objective", "-(1/N) sum_tau sum_t (V(s_t) - G_t)^2", 3, { ASK_VPG_V, size_T1, V_objective },
      "J", "dJ/dV", "Vr", NUMBERS, error_squares, wrong_V },
    { "VPG-2", "vpg_gradient", "over trajectories", 1, { ASK_VPG_GRADIENT, size_n, gradient }, NULL, "g",
      SCORES, error_gradient, wrong_gradient, &ask_by_trajectories },
    { "VPG-4", "vpg_gradient", "over steps", 1, { ASK_VPG_GRADIENT_STEPS, size_n, gradient }, NULL, "g",
      SCORES, error_gradient, wrong_gradient, &ask_by_steps },
    { .function = NULL },
};
