/* The on-line actor-critics: the mean of each step over all s, a, s', a', through the code that trains
 * (algorithms/q_actor_critic.c, advantage_actor_critic.c, td_actor_critic.c), with critics that are tables. What
 * actor and critic follow, and where the critic comes to rest. 000 eq (6), (7), (9), (12), 002 (l.47-54,
 * l.105-129). Runs that learn: actor_critic_learning.c. */
#include "derivations/actor_critic_mean.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/advantage_actor_critic.h"
#include "algorithms/critic.h"
#include "algorithms/q_actor_critic.h"
#include "algorithms/td_actor_critic.h"
#include "autodiff/distribution.h"
#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/agent.h"
#include "derivations/bellman.h"
#include "derivations/derivation.h"
#include "derivations/enumerate.h"
#include "derivations/policy_gradient_theorem.h"
#include "derivations/residual_gradient.h"
#include "derivations/td_error.h"
#include "derivations/value_table.h"

/* ---- which MDPs, and units ---- */

enum { STEPS_AT_ONCE = 4000, COLUMNS = 60000 };     /* s, a, s', a' looked at for a mean; for a linear system */

static double all_steps(const exact *x) { return (double)x->M->row[x->nSA] * x->nA; }

static const char *no_table(const setting *x)
{
    if (x->pi->policy.kind != POLICY_TABULAR) return "the critic is a table";
    return all_steps(x->pi) > STEPS_AT_ONCE ? "too many steps to look at each" : NULL;
}

static const char *no_system(const setting *x)
{
    const char *reason = no_table(x);
    return !reason && (x->pi->nSA + 1) * all_steps(x->pi) > COLUMNS ? "too many steps to look at each" : reason;
}

/* What means over s' may be off by, and a gradient made of them */
static double room(const exact *x)          { return enumerate_room(x); }
static double room_gradient(const exact *x) { return room(x) * x->k * x->k * x->c; }

/* ---- means through the training code ---- */

/* Means over s' ~ P, a' ~ pi: g_theta [n] over s ~ rho and a ~ pi, too; delta, g_w [nSA] for each s, a; g_v [nS]
 * for each s. NULL where not wanted. */
struct mean { double *g_theta, *delta, *g_w, *g_v; };

static void add(int n, double p, ad g, double *sum)
{
    const double *x = ad_value(g);
    for (int i = 0; i < n && sum; i++) sum[i] += p * x[i];
}

static void look(agent *b, int s, int s1, double *at_s, double *at_s1)
{
    size_t d = (size_t)b->pi.d * sizeof(double);
    memcpy(at_s, agent_observation(b, s), d);
    memcpy(at_s1, agent_observation(b, s1), d);
}

/* A table of a critic as the weights of a linear network on one-hot states, whose biases are 0 */
static double *weights_of(int n, const double *table, int biases)
{
    double *w = allocate((size_t)(n + biases), sizeof *w, "a critic");
    memcpy(w, table, (size_t)n * sizeof *w);
    return w;
}

/* QAC-4, QAC-6, QAC-7   Q_w [nSA]: E[g_theta], E[delta|s,a], E[g_w|s,a]'s entry of (s,a) */
static void q_mean(const exact *x, const double *Q_w, struct mean to)
{
    const mdp *M = x->M;
    agent *b = agent_new(&x->policy, x->theta, 0);
    double *w = weights_of(x->nSA, Q_w, x->nA);
    q_actor_critic_step *u = q_actor_critic_step_new(&b->pi, b->theta, w);
    u->gamma_t = 1;
    for (int i = 0; i < x->nSA; i++)
        for (int k = M->row[i]; k < M->row[i + 1] && !x->absorbing[i / x->nA]; k++) {
            int s1 = M->next[k];
            bool terminated = x->absorbing[s1];
            look(b, i / x->nA, s1, u->s, u->s1);
            u->a = i % x->nA;
            u->r = M->R[k];
            u->gamma = terminated ? 0 : x->gamma;
            for (u->a1 = 0; u->a1 < (terminated ? 1 : x->nA); u->a1++) {
                double p = M->P[k] * (terminated ? 1 : x->pi[s1 * x->nA + u->a1]);
                ad_run(&u->run);
                add(x->n, exact_rho(x, i / x->nA) * x->pi[i] * p, u->g_theta, to.g_theta);
                if (to.delta) to.delta[i] += p * ad_scalar(u->delta);
                if (to.g_w) to.g_w[i] += p * ad_value(u->g_w)[i];
            }
        }
    q_actor_critic_step_free(u);
    free(w);
    agent_free(b);
}

/* TDA-1, TDA-6, TDA-7   V_v [nS]: E[g_theta], E[delta|s,a], E[g_v|s]'s entry of s */
static void td_mean(const exact *x, const double *V_v, struct mean to)
{
    const mdp *M = x->M;
    agent *b = agent_new(&x->policy, x->theta, 0);
    double *v = weights_of(x->nS, V_v, 1);
    td_actor_critic_step *u = td_actor_critic_step_new(&b->pi, b->theta, v);
    u->gamma_t = 1;
    for (int i = 0; i < x->nSA; i++)
        for (int k = M->row[i]; k < M->row[i + 1] && !x->absorbing[i / x->nA]; k++) {
            look(b, i / x->nA, M->next[k], u->s, u->s1);
            u->index = i % x->nA;
            u->r = M->R[k];
            u->gamma = x->absorbing[M->next[k]] ? 0 : x->gamma;
            ad_run(&u->run);
            add(x->n, exact_rho(x, i / x->nA) * x->pi[i] * M->P[k], u->g_theta, to.g_theta);
            if (to.delta) to.delta[i] += M->P[k] * ad_scalar(u->delta);
            if (to.g_v) to.g_v[i / x->nA] += x->pi[i] * M->P[k] * ad_value(u->g_v)[i / x->nA];
        }
    td_actor_critic_step_free(u);
    free(v);
    agent_free(b);
}

/* BL-9   Q_w [nSA], V_v [nS]: E[g_theta], and unless NULL E|g_theta|^2; nothing in it depends on s' */
static void advantage_mean(const exact *x, const double *Q_w, const double *V_v, double *g_theta, double *square)
{
    agent *b = agent_new(&x->policy, x->theta, 0);
    double *w = weights_of(x->nSA, Q_w, x->nA), *v = weights_of(x->nS, V_v, 1);
    advantage_actor_critic_step *u = advantage_actor_critic_step_new(&b->pi, b->theta, w, v);
    u->gamma_t = 1;
    for (int i = 0; i < x->nSA; i++) {
        if (x->absorbing[i / x->nA]) continue;
        look(b, i / x->nA, i / x->nA, u->s, u->s1);
        u->a = i % x->nA;
        ad_run(&u->run);
        const double p = exact_rho(x, i / x->nA) * x->pi[i], *g = ad_value(u->g_theta);
        add(x->n, p, u->g_theta, g_theta);
        if (square) *square += p * linalg_dot(x->n, g, g);
    }
    advantage_actor_critic_step_free(u);
    free(v);
    free(w);
    agent_free(b);
}

/* ---- by hand ---- */

/* sum_s rho(s) sum_a F(s,a) grad pi(a|s) = E[F grad log pi] */
static double with_scores(const exact *x, const double *F, double *g)
{
    gradient_sum(x, NULL, F, g);
    return room_gradient(x);
}

/* X7's: V + .1 s, 0 at the end */
static double *wrong_V(const exact *x)
{
    double *V_v = allocate((size_t)x->nS, sizeof *V_v, "a critic");
    for (int s = 0; s < x->nS; s++) V_v[s] = x->absorbing[s] ? 0 : x->V[s] + 0.1 * s;
    return V_v;
}

/* V_w(s) = sum_a pi(a|s) Q_w(s,a) */
static double *under_pi(const exact *x, const double *Q_w)
{
    double *V = allocate((size_t)x->nS, sizeof *V, "values");
    for (int i = 0; i < x->nSA; i++) V[i / x->nA] += x->pi[i] * Q_w[i];
    return V;
}

/* E[delta|s,a] = E[r + gamma sum_a' pi(a'|s') Q_w(s',a') | s,a] - Q_w(s,a): Bellman's residual */
static void residual(const exact *x, const double *Q_w, double *out)
{
    double *V = under_pi(x, Q_w);
    td_error_mean(x, V, out);
    for (int i = 0; i < x->nSA; i++) out[i] += x->absorbing[i / x->nA] ? 0 : V[i / x->nA] - Q_w[i];
    free(V);
}

static double Q_exact(const setting *x, double *out)
{
    memcpy(out, x->pi->Q, (size_t)x->pi->nSA * sizeof *out);
    return 0;
}

static double V_exact(const setting *x, double *out)
{
    memcpy(out, x->pi->V, (size_t)x->pi->nS * sizeof *out);
    return 0;
}

/* ---- QAC-2: what (6) is off by ---- */

static double score_times_error(const setting *x, double *g)
{
    double *e = value_table_X29_Q(x->pi);
    for (int i = 0; i < x->pi->nSA; i++) e[i] -= x->pi->Q[i];
    double allowed = with_scores(x->pi, e, g);
    free(e);
    return allowed;
}

static double actor_minus_gradient(const setting *x, double *out)
{
    double *Q_w = value_table_X29_Q(x->pi), *g = allocate((size_t)x->pi->n, sizeof *g, "a gradient");
    memset(out, 0, (size_t)x->pi->n * sizeof *out);
    q_mean(x->pi, Q_w, (struct mean){ .g_theta = out });
    gradient_theorem(x->pi, g);
    for (int i = 0; i < x->pi->n; i++) out[i] -= g[i];
    free(g);
    free(Q_w);
    return room_gradient(x->pi);
}

static double no_error(const setting *x, double *out)
{
    memset(out, 0, (size_t)x->pi->n * sizeof *out);
    return 0;
}

/* ---- QAC-4, QAC-7 ---- */

static double Q_plus_delta(const setting *x, const double *Q_w, double *out)
{
    memset(out, 0, (size_t)x->pi->nSA * sizeof *out);
    q_mean(x->pi, Q_w, (struct mean){ .delta = out });
    for (int i = 0; i < x->pi->nSA; i++) out[i] += x->pi->Q[i];
    return room(x->pi);
}

static double Q_and_its_delta(const setting *x, double *out) { return Q_plus_delta(x, x->pi->Q, out); }

/* ERR-16: r + gamma max_a' Q^pi(s',a'), DQN's target */
static double Q_and_the_delta_of_max(const setting *x, double *out)
{
    const exact *pi = x->pi;
    const mdp *M = pi->M;
    for (int i = 0; i < pi->nSA; i++) {
        out[i] = pi->r[i];
        for (int k = M->row[i]; k < M->row[i + 1]; k++) {
            const double *Q = pi->Q + M->next[k] * pi->nA;
            double best = Q[0];
            for (int a = 1; a < pi->nA; a++) best = fmax(best, Q[a]);
            out[i] += pi->gamma * M->P[k] * best;
        }
    }
    return room(pi);
}

static double Q_and_another_delta(const setting *x, double *out)
{
    double *Q_w = value_table_X29_Q(x->pi), allowed = Q_plus_delta(x, Q_w, out);
    free(Q_w);
    return allowed;
}

static double residual_of_critic(const setting *x, double *out)
{
    double *Q_w = value_table_X29_Q(x->pi);
    residual(x->pi, Q_w, out);
    free(Q_w);
    return room(x->pi);
}

static double critic_step(const setting *x, double *out)
{
    double *Q_w = value_table_X29_Q(x->pi);
    memset(out, 0, (size_t)x->pi->nSA * sizeof *out);
    q_mean(x->pi, Q_w, (struct mean){ .g_w = out });
    free(Q_w);
    return room(x->pi);
}

/* minus the gradient of sum_{s,a} E[delta^2|s,a] / 2, the target differentiated too */
static double full_gradient(const setting *x, double *out)
{
    const exact *pi = x->pi;
    const mdp *M = pi->M;
    double *Q_w = value_table_X29_Q(pi);
    residual(pi, Q_w, out);
    for (int i = 0; i < pi->nSA; i++)
        for (int k = M->row[i]; k < M->row[i + 1] && !pi->absorbing[i / pi->nA]; k++)
            for (int j = M->next[k] * pi->nA; j < (M->next[k] + 1) * pi->nA && !pi->absorbing[M->next[k]]; j++)
                out[j] -= M->P[k] * pi->pi[j] * pi->gamma * (M->R[k] + pi->gamma * Q_w[j] - Q_w[i]);
    free(Q_w);
    return room(pi);
}

/* ---- QAC-6, TDA-3, TDA-6: what the actor follows ---- */

static double actor_with_Q(const setting *x, double *g)
{
    memset(g, 0, (size_t)x->pi->n * sizeof *g);
    q_mean(x->pi, x->pi->Q, (struct mean){ .g_theta = g });
    return room_gradient(x->pi);
}

static double actor_with_A(const setting *x, double *g)
{
    double *V_v = wrong_V(x->pi);
    memset(g, 0, (size_t)x->pi->n * sizeof *g);
    advantage_mean(x->pi, x->pi->Q, V_v, g, NULL);
    free(V_v);
    return room_gradient(x->pi);
}

static double actor_with_td(const setting *x, double *g)
{
    memset(g, 0, (size_t)x->pi->n * sizeof *g);
    td_mean(x->pi, x->pi->V, (struct mean){ .g_theta = g });
    return room_gradient(x->pi);
}

/* The weight is delta of (7), with Q^pi */
static double actor_with_td_of_Q(const setting *x, double *g)
{
    double *delta = allocate((size_t)x->pi->nSA, sizeof *delta, "TD errors");
    q_mean(x->pi, x->pi->Q, (struct mean){ .delta = delta });
    with_scores(x->pi, delta, g);
    free(delta);
    return room_gradient(x->pi);
}

static double actor_with_td_of_critic(const setting *x, double *g)
{
    double *V_v = wrong_V(x->pi);
    memset(g, 0, (size_t)x->pi->n * sizeof *g);
    td_mean(x->pi, V_v, (struct mean){ .g_theta = g });
    free(V_v);
    return room_gradient(x->pi);
}

/* TDA-6: behind the step of theta, what the actor's objective would move v by */
static int n_theta_and_v(const setting *x) { return x->pi->n + x->pi->nS; }

static double td_by_hand(const setting *x, double *out)
{
    double *V_v = wrong_V(x->pi), *delta = allocate((size_t)x->pi->nSA, sizeof *delta, "TD errors");
    td_error_mean(x->pi, V_v, delta);
    memset(out, 0, (size_t)n_theta_and_v(x) * sizeof *out);
    with_scores(x->pi, delta, out);
    free(delta);
    free(V_v);
    return room_gradient(x->pi);
}

/* The actor's objective, as training has it or without its detach, differentiated in v by autodiff */
static void flow_into_v(const exact *x, bool detached, const double *V_v, double *g_v)
{
    const mdp *M = x->M;
    ad_tape *t = ad_tape_new();
    ad_mark start = ad_here(t);
    for (int i = 0; i < x->nSA; i++)
        for (int k = M->row[i]; k < M->row[i + 1] && !x->absorbing[i / x->nA]; k++) {
            ad v = ad_input(t, V_v, x->nS, 1), logp = ad_constant(t, x->logpi[i], 1, 1);
            ad gamma = ad_constant(t, x->absorbing[M->next[k]] ? 0 : x->gamma, 1, 1);
            ad delta = td_actor_critic_delta(ad_constant(t, M->R[k], 1, 1), gamma, ad_view(v, i / x->nA, 1, 1),
                                             ad_view(v, M->next[k], 1, 1));
            ad J = detached ? td_actor_critic_actor(logp, delta) : ad_mul(delta, logp);
            add(x->nS, exact_rho(x, i / x->nA) * x->pi[i] * M->P[k], ad_grad(J, v), g_v);
            ad_reset(t, start);
        }
    ad_tape_free(t);
}

static double td_and_flow(const setting *x, bool detached, double *out)
{
    double *V_v = wrong_V(x->pi);
    memset(out, 0, (size_t)n_theta_and_v(x) * sizeof *out);
    td_mean(x->pi, V_v, (struct mean){ .g_theta = out });
    flow_into_v(x->pi, detached, V_v, out + x->pi->n);
    free(V_v);
    return room_gradient(x->pi);
}

static double td_in_training(const setting *x, double *out)  { return td_and_flow(x, true, out); }
static double td_without_stop(const setting *x, double *out) { return td_and_flow(x, false, out); }

/* ---- QAC-1, TDA-7: where the critic comes to rest ---- */

/* The mean of a critic's steps at a table, an affine function of it: f(y) = f(0) - A y. Its zero by one solve. */
typedef void (*mean_step)(const exact *x, const double *table, double *step);

static bool zero_of(const exact *x, int n, mean_step f, double *y)
{
    size_t size = (size_t)n;
    double scale = fmax(1, linalg_max_abs(x->nSA, x->r));           /* columns of the size of f(0) */
    double *at = allocate(2 * size + size * size, sizeof *at, "a linear system"), *f0 = at + n, *A = f0 + n;
    f(x, at, f0);
    for (int j = 0; j < n; j++) {
        double *column = A + j * n;                                 /* of A^T */
        at[j] = scale;
        f(x, at, column);
        at[j] = 0;
        for (int i = 0; i < n; i++) column[i] = (f0[i] - column[i]) / scale;
        if (x->absorbing[j / (n / x->nS)]) column[j] = 1;
    }
    linalg_lu *lu = linalg_lu_new(n);
    bool regular = linalg_lu_factor(lu, A) == LINALG_OK;
    if (regular) linalg_lu_solve(lu, true, 1, f0, y);
    linalg_lu_free(lu);
    free(at);
    return regular;
}

static void step_of_Q(const exact *x, const double *Q_w, double *step)
{
    memset(step, 0, (size_t)x->nSA * sizeof *step);
    q_mean(x, Q_w, (struct mean){ .g_w = step });
}

static void step_of_V(const exact *x, const double *V_v, double *step)
{
    memset(step, 0, (size_t)x->nS * sizeof *step);
    td_mean(x, V_v, (struct mean){ .g_v = step });
}

/* n numbers, then, of where the critic goes from 0, n rewards: a zero alone does not say whether it attracts */
static int n_pairs_twice(const setting *x)  { return 2 * x->pi->nSA; }
static int n_states_twice(const setting *x) { return 2 * x->pi->nS; }

static double Q_and_r(const setting *x, double *out)
{
    memcpy(out + x->pi->nSA, x->pi->r, (size_t)x->pi->nSA * sizeof *out);
    return Q_exact(x, out);
}

static double V_and_r(const setting *x, double *out)
{
    memcpy(out + x->pi->nS, x->pi->r_pi, (size_t)x->pi->nS * sizeof *out);
    return V_exact(x, out);
}

/* A solution by columns of A, each right to some u: n u k of what it is */
static double at_rest(const exact *x, int n, mean_step f, double *out)
{
    memset(out, 0, (size_t)n * sizeof *out);
    f(x, out, out + n);
    return zero_of(x, n, f, out) ? bellman_Q_room(x) + room(x) * x->k : LEFT_OUT;
}

static double Q_at_rest(const setting *x, double *out) { return at_rest(x->pi, x->pi->nSA, step_of_Q, out); }
static double V_at_rest(const setting *x, double *out) { return at_rest(x->pi, x->pi->nS, step_of_V, out); }

/* QAC-1's control: V for every action */
static double V_for_all(const setting *x, double *out)
{
    Q_and_r(x, out);
    for (int i = 0; i < x->pi->nSA; i++) out[i] = x->pi->V[i / x->pi->nA];
    return 0;
}

/* argmin_v sum_s rho(s) E[delta^2|s] */
static double residual_minimiser(const setting *x, double *out)
{
    double *rho = allocate((size_t)x->pi->nS, sizeof *rho, "visits");
    for (int s = 0; s < x->pi->nS; s++) rho[s] = exact_rho(x->pi, s);
    V_and_r(x, out);
    bool regular = residual_gradient_fixed_point(x->pi, rho, RESIDUAL_GRADIENT, out);
    free(rho);
    return regular ? 0 : LEFT_OUT;
}

static double Q_of_first_action(const setting *x, double *out)
{
    V_and_r(x, out);
    for (int s = 0; s < x->pi->nS; s++) out[s] = x->pi->Q[s * x->pi->nA];
    return 0;
}

/* ---- QAC-8 ---- */

/* QAC-8   the gradient in theta of sum_{s,a} rho pi Q (-sum_b y_b log p_b), y one-hot of a, or p */
static void cross_entropy(const exact *x, bool y_is_p, double *g)
{
    agent *b = agent_new(&x->policy, x->theta, 0);
    ad_mark start = ad_here(b->t);
    double *y = allocate((size_t)x->nA, sizeof *y, "a label");
    for (int i = 0; i < x->nSA; i++) {
        int s = i / x->nA;
        if (x->absorbing[s]) continue;
        for (int a = 0; a < x->nA; a++) y[a] = y_is_p ? x->pi[s * x->nA + a] : a == i % x->nA;
        ad theta = ad_input(b->t, b->theta, b->pi.n, 1), at = ad_input(b->t, agent_observation(b, s), 1, b->pi.d);
        ad log_p = categorical_log_probabilities(network_forward(&b->pi.f, theta, at));
        ad L = ad_scale(x->Q[i], ad_neg(ad_dot(ad_input(b->t, y, 1, x->nA), log_p)));
        add(x->n, exact_rho(x, s) * x->pi[i], ad_grad(L, theta), g);
        ad_reset(b->t, start);
    }
    free(y);
    agent_free(b);
}

static double minus(double (*line)(const setting *x, double *g), const setting *x, double *g)
{
    double allowed = line(x, g);
    for (int i = 0; i < x->pi->n; i++) g[i] = -g[i];
    return allowed;
}

static double scores_times_Q(const setting *x, double *g) { return with_scores(x->pi, x->pi->Q, g); }
static double minus_by_hand(const setting *x, double *g)  { return minus(scores_times_Q, x, g); }
static double minus_actor(const setting *x, double *g)    { return minus(actor_with_Q, x, g); }

static double cross_entropy_with(const setting *x, bool y_is_p, double *g)
{
    memset(g, 0, (size_t)x->pi->n * sizeof *g);
    cross_entropy(x->pi, y_is_p, g);
    return room_gradient(x->pi);
}

static double label_is_action(const setting *x, double *g) { return cross_entropy_with(x, false, g); }
static double label_is_p(const setting *x, double *g)      { return cross_entropy_with(x, true, g); }

/* ---- QAC-11 ---- */

#define TIMES (-2.5)

static double actor_with(const setting *x, double of_Q, double *g)
{
    double *Q_w = value_table_X29_Q(x->pi);
    for (int i = 0; i < x->pi->nSA; i++) Q_w[i] *= of_Q;
    memset(g, 0, (size_t)x->pi->n * sizeof *g);
    q_mean(x->pi, Q_w, (struct mean){ .g_theta = g });
    free(Q_w);
    return -TIMES * room_gradient(x->pi);
}

static double step_times_c(const setting *x, double *g)
{
    double *Q_w = value_table_X29_Q(x->pi), allowed = with_scores(x->pi, Q_w, g);
    for (int i = 0; i < x->pi->n; i++) g[i] *= TIMES;
    free(Q_w);
    return -TIMES * allowed;
}

static double Q_times_c(const setting *x, double *g)    { return actor_with(x, TIMES, g); }
static double unscaled(const setting *x, double *g)     { return actor_with(x, 1, g); }

/* ---- BL-8, TDA-4: how many numbers are learnt ---- */

/* Layers from nS one-hot inputs: a weight for each and a bias */
static double three_sets(const setting *x, double *out)
{
    out[0] = out[1] = (x->pi->nS + 1) * x->pi->nA;
    out[2] = x->pi->nS + 1;
    return 0;
}

static double two_sets(const setting *x, double *out)
{
    three_sets(x, out);
    out[1] = 0;
    return 0;
}

/* What the steps of an update move */
static double sets_of_advantage(const setting *x, double *out)
{
    agent *b = agent_new(&x->pi->policy, x->pi->theta, 0);
    network fQ = critic_Q(&b->pi), fV = critic_V(&b->pi);
    double *w = allocate((size_t)(network_n(&fQ) + network_n(&fV)), sizeof *w, "w, v");
    advantage_actor_critic_step *u = advantage_actor_critic_step_new(&b->pi, b->theta, w, w + network_n(&fQ));
    out[0] = ad_nrows(u->g_theta);
    out[1] = ad_nrows(u->g_w);
    out[2] = ad_nrows(u->g_v);
    advantage_actor_critic_step_free(u);
    free(w);
    agent_free(b);
    return 0;
}

static double sets_of_td(const setting *x, double *out)
{
    agent *b = agent_new(&x->pi->policy, x->pi->theta, 0);
    network fV = critic_V(&b->pi);
    double *v = allocate((size_t)network_n(&fV), sizeof *v, "v");
    td_actor_critic_step *u = td_actor_critic_step_new(&b->pi, b->theta, v);
    out[0] = ad_nrows(u->g_theta);
    out[1] = 0;
    out[2] = ad_nrows(u->g_v);
    td_actor_critic_step_free(u);
    free(v);
    agent_free(b);
    return 0;
}

/* ---- the errata's numbers, on E5 ---- */

struct on_E5 { mdp *M; policy_class *states; exact *pi; setting x; };

static struct on_E5 on_E5(void)
{
    char error[256];
    double theta[15];
    struct on_E5 e = { .M = mdp_builtin("E5") };
    for (int i = 0; i < 15; i++) theta[i] = cos(i / 3 + 2 * (i % 3));
    e.states = policy_tabular(e.M);
    e.pi = exact_new_policy(e.M, e.M->gamma, e.states, theta, error, sizeof error);
    require(e.pi, "%s", error);
    e.x = (setting){ .pi = e.pi };
    return e;
}

static void on_E5_free(struct on_E5 *e)
{
    exact_free(e->pi);
    policy_free(e->states);
    mdp_free(e->M);
}

void actor_critic_wrong_critic(double *cosine, double *relative)
{
    struct on_E5 e = on_E5();
    double g[15], off[15], step[15];
    gradient_theorem(e.pi, g);
    actor_minus_gradient(&e.x, off);
    for (int i = 0; i < 15; i++) step[i] = g[i] + off[i];
    *cosine = linalg_dot(15, step, g) / (linalg_norm2(15, step) * linalg_norm2(15, g));
    *relative = linalg_norm2(15, off) / linalg_norm2(15, g);
    on_E5_free(&e);
}

void actor_critic_td_errors(double *of_Q, double *of_V, double *grad_J)
{
    struct on_E5 e = on_E5();
    double g[15];
    actor_with_td_of_Q(&e.x, g);
    *of_Q = linalg_norm2(15, g);
    actor_with_td(&e.x, g);
    *of_V = linalg_norm2(15, g);
    gradient_theorem(e.pi, g);
    *grad_J = linalg_norm2(15, g);
    on_E5_free(&e);
}

void actor_critic_spread(double c, double *with_Q, double *with_A)
{
    struct on_E5 e = on_E5();
    const exact *x = e.pi;
    double Q[15], V[5], nothing[5] = { 0 }, g[15] = { 0 }, h[15] = { 0 }, scale = 1 - x->gamma;
    for (int i = 0; i < 15; i++) Q[i] = x->Q[i] + c;
    for (int s = 0; s < 5; s++) V[s] = x->V[s] + c;
    *with_Q = *with_A = 0;
    advantage_mean(x, Q, nothing, g, with_Q);
    advantage_mean(x, Q, V, h, with_A);
    *with_Q = scale * *with_Q - scale * scale * linalg_dot(15, g, g);
    *with_A = scale * *with_A - scale * scale * linalg_dot(15, h, h);
    on_E5_free(&e);
}

void actor_critic_cross_entropy(double *one_hot, double *y_is_p)
{
    const double z[2] = { log(0.7), log(0.3) }, y[2] = { 1, 0 }, p[2] = { 0.7, 0.3 };
    ad_tape *t = ad_tape_new();
    ad logits = ad_input(t, z, 1, 2), log_p = categorical_log_probabilities(logits);
    memcpy(one_hot, ad_value(ad_grad(ad_neg(ad_dot(ad_input(t, y, 1, 2), log_p)), logits)), 2 * sizeof *one_hot);
    memcpy(y_is_p, ad_value(ad_grad(ad_neg(ad_dot(ad_input(t, p, 1, 2), log_p)), logits)), 2 * sizeof *y_is_p);
    ad_tape_free(t);
}

static void page_of_critic(const setting *x, FILE *out)
{
    double cosine, relative;
    (void)x;
    actor_critic_wrong_critic(&cosine, &relative);
    fprintf(out, "On E5 from theta(s,a) = cos(s+2a), this critic's step and grad J: cosine %.4f, relative error"
            " %.3f.\n",
            cosine, relative);
}

static void page_of_td_errors(const setting *x, FILE *out)
{
    double of_Q, of_V, grad_J;
    (void)x;
    actor_critic_td_errors(&of_Q, &of_V, &grad_J);
    fprintf(out, "On E5 from theta(s,a) = cos(s+2a): |E[delta_Q grad log pi]| %s 1e-15, |E[delta_V grad log"
            " pi]| = %.4f ="
            " |grad J| = %.4f.\n", of_Q < 1e-15 ? "<" : ">=", of_V, grad_J);
}

static void page_of_labels(const setting *x, FILE *out)
{
    double one_hot[2], y_is_p[2];
    (void)x;
    actor_critic_cross_entropy(one_hot, y_is_p);
    fprintf(out, "p = (.7, .3), action 0: in the logits the gradient is (%.1f, %.1f); with y = p it is (%.1g,"
            " %.1g).\n",
            one_hot[0], one_hot[1], fabs(y_is_p[0]) < 1e-15 ? 0 : y_is_p[0],
            fabs(y_is_p[1]) < 1e-15 ? 0 : y_is_p[1]);
}

#define GRADIENT "dJ/dtheta[i]"

const derivation actor_critic_mean[] = {
    { "QAC-1", "a critic that is a table comes to rest at Q_w = Q of pi", "Q(s,a), then the mean step of w from 0",
      n_pairs_twice, unit_of_V, no_system, NULL, {
        { "Q^\\pi(s,a);\\quad r(s,a)", "what w is to approximate, and where it goes first", Q_and_r },
        { "=Q_w:\\ E[\\delta\\nabla_wQ_w(s,a)\\,|\\,s,a]=0;\\quad E[\\delta\\nabla_wQ_w(s,a)\\,|\\,s,a],\\ Q_w=0",
          "the only table at which the mean of w's step is 0, from mean steps of algorithms/q_actor_critic.c;"
          " theta is a network of its own and stays",
          Q_at_rest },
        { "=V^\\pi(s)", "the control: a network of s alone cannot be Q", V_for_all, DIFFERS } } },
    { "QAC-2", "what the actor follows is off by the critic's error, seen through the scores",
      "E[Q_w grad log pi] - grad J, Q_w = .7 Q + .3 sin(7s+4a)", count_theta, unit_of_gradient, no_table, NULL, {
        { "\\sum_s\\rho(s)\\sum_a\\pi(a|s)(Q_w-Q^\\pi)(s,a)\\nabla\\log\\pi(a|s)", "the scores in closed form",
          score_times_error },
        { "=E[Q_w\\nabla_\\theta\\log\\pi_\\theta(a|s)]-\\nabla_\\theta J",
          "the mean of theta's step, through algorithms/q_actor_critic.c; grad J by PGT-3", actor_minus_gradient },
        { "=0", "000 eq 6: = with a critic; true of exact and of compatible critics only", no_error, DIFFERS,
          "ERR-12" } },
      .page = page_of_critic },
    { "QAC-4", "delta = r + gamma Q_w(s',a') - Q_w(s,a): its mean is 0 when Q_w is Q of pi",
      "Q(s,a) + E[delta|s,a]",
      count_pairs, unit_of_A, no_table, NULL, {
        { "Q^\\pi(s,a)", "exact", Q_exact },
        { "=Q^\\pi(s,a)+E[r+\\gamma Q^\\pi(s',a')-Q^\\pi(s,a)\\,|\\,s,a]",
          "over s' and a', through algorithms/q_actor_critic.c: Bellman's equation", Q_and_its_delta },
        { "Q_w=0.7\\,Q^\\pi+0.3\\sin(7s+4a)", "the control: another critic is surprised in the mean",
          Q_and_another_delta, DIFFERS },
        { "Q^\\pi(s,a)+E[r+\\gamma\\max_{a'}Q^\\pi(s',a')-Q^\\pi(s,a)\\,|\\,s,a]",
          "000 (l.160): actor-critic = REINFORCE + DQN. DQN's target has a max; (7) has the action taken: SARSA",
          Q_and_the_delta_of_max, DIFFERS, "ERR-16" } } },
    { "QAC-6", "the actor's weight is Q_w(s,a), or the TD error of V", GRADIENT, count_theta, unit_of_gradient,
      no_table, NULL,
      { { "\\nabla_\\theta J", "PGT-3", gradient_by_theorem },
        { "=E[Q^\\pi(s,a)\\nabla\\log\\pi(a|s)]", "the mean of theta's step, through algorithms/q_actor_critic.c",
          actor_with_Q },
        { "=E[(Q^\\pi(s,a)-V_v(s))\\nabla\\log\\pi(a|s)]",
          "BL-1: whatever V_v, here V + 0.1 s; through algorithms/advantage_actor_critic.c", actor_with_A },
        { "=E[\\delta_V\\nabla\\log\\pi(a|s)],\\quad\\delta_V=r+\\gamma V^\\pi(s')-V^\\pi(s)",
          "TDA-2; through algorithms/td_actor_critic.c", actor_with_td },
        { "=E[\\delta\\nabla\\log\\pi(a|s)],\\quad\\delta=r+\\gamma Q^\\pi(s',a')-Q^\\pi(s,a)",
          "000 l.185: cross entropy * TD error, which is (7) there. Its mean given s, a is 0 (QAC-4): the actor"
          " stops"
          " when the critic is right",
          actor_with_td_of_Q, DIFFERS, "ERR-13" } },
      .page = page_of_td_errors },
    { "QAC-7", "the critic's step is delta grad Q_w(s,a): the target is a constant",
      "the entry (s,a) of E[step|s,a], Q_w = .7 Q + .3 sin(7s+4a)", count_pairs, unit_of_A, no_table, NULL, {
        { "E[\\delta\\,|\\,s,a]=r(s,a)+\\gamma\\sum_{s'}P(s'|s,a)\\sum_{a'}\\pi(a'|s')Q_w(s',a')-Q_w(s,a)",
          "grad Q_w(s,a) of a table is 1 at (s,a)", residual_of_critic },
        { "=-E[\\nabla_w\\tfrac12\\delta^2\\,|\\,s,a],\\quad r+\\gamma Q_w(s',a')\\ \\text{held}",
          "autodiff, through algorithms/q_actor_critic.c", critic_step },
        { "=-\\nabla_w\\sum_{s,a}E[\\tfrac12\\delta^2\\,|\\,s,a]",
          "000 l.186: MSE of the TD error, read literally: the target moves, too", full_gradient, DIFFERS,
          "ERR-15" } } },
    { "QAC-8", "Q times the cross entropy with the sampled action as label is minus the actor's objective",
      "the gradient of the loss", count_theta, unit_of_gradient, no_table, NULL, {
        { "-E[Q\\nabla_\\theta\\log\\pi_\\theta(a|s)]", "the scores in closed form, Q = Q^pi", minus_by_hand },
        { "=\\nabla_\\theta E[Q(-\\sum_iy_i\\log p_i)],\\quad y=\\text{one-hot of}\\ a",
          "autodiff through the cross entropy; Q is a number", label_is_action },
        { "=-\\nabla_\\theta E[Q\\log\\pi_\\theta(a|s)]", "autodiff, through algorithms/q_actor_critic.c",
          minus_actor },
        { "y=p", "002 l.51, l.54 do not say what y is: with the policy's own probabilities it is 0 (PGT-7)",
          label_is_p,
          DIFFERS, "ERR-14" } },
      .page = page_of_labels },
    { "QAC-11", "the critic judges direction and size of the actor's step",
      "the mean of theta's step, Q_w times -2.5",
      count_theta, unit_of_gradient, no_table, NULL, {
        { "c\\,E[Q_w\\nabla\\log\\pi],\\quad c=-\\tfrac52",
          "the scores in closed form, with the critic's .7 Q + .3 sin(7s+4a); c times",
          step_times_c },
        { "=E[c\\,Q_w\\nabla\\log\\pi]", "through algorithms/q_actor_critic.c", Q_times_c },
        { "=E[Q_w\\nabla\\log\\pi]", "the control", unscaled, DIFFERS } } },
    { "BL-8", "an advantage actor-critic learns three sets of parameters", "numbers in theta, w and v",
      count_three, unit_of_one, no_table, NULL, {
        { "(|S|+1)|A|,\\ (|S|+1)|A|,\\ |S|+1", "tables as linear layers with biases", three_sets },
        { "|\\theta|,\\ |w|,\\ |v|", "what an update of algorithms/advantage_actor_critic.c moves",
          sets_of_advantage },
        { "|\\theta|,\\ 0,\\ |v|", "the control: algorithms/td_actor_critic.c", sets_of_td, DIFFERS } } },
    { "TDA-3", "grad J = E[delta grad log pi], delta the TD error of V of pi",
      GRADIENT, count_theta, unit_of_gradient, no_table, NULL, {
        { "\\nabla_\\theta J", "PGT-3", gradient_by_theorem },
        { "=E[\\delta^\\pi\\nabla_\\theta\\log\\pi_\\theta(a|s)]",
          "the mean of theta's step over s ~ rho, a and s', through algorithms/td_actor_critic.c", actor_with_td },
        { "=E[\\delta\\nabla_\\theta\\log\\pi_\\theta(a|s)],\\quad\\delta=r+\\gamma V_v(s')-V_v(s)",
          "000 eq 12 prints a bare delta, and l.213 learns v: here V + 0.1 s", actor_with_td_of_critic, DIFFERS,
          "ERR-19" } } },
    { "TDA-4", "a TD actor-critic learns two sets of parameters", "numbers in theta, w and v",
      count_three, unit_of_one, no_table, NULL, {
        { "(|S|+1)|A|,\\ 0,\\ |S|+1", "tables as linear layers with biases", two_sets },
        { "|\\theta|,\\ 0,\\ |v|", "what an update of algorithms/td_actor_critic.c moves", sets_of_td },
        { "|\\theta|,\\ |w|,\\ |v|", "the control: algorithms/advantage_actor_critic.c", sets_of_advantage,
          DIFFERS } } },
    { "TDA-6", "theta's step is grad log pi times the TD error, which is held constant",
      "the mean step of theta, then of v, from the actor's objective; V_v = V + 0.1 s", n_theta_and_v,
      unit_of_gradient,
      no_table, NULL, {
        { "\\sum_s\\rho(s)\\sum_a\\pi(a|s)\\,E[\\delta|s,a]\\,\\nabla\\log\\pi(a|s),\\quad 0",
          "the scores in closed form; the actor has no part in v", td_by_hand },
        { "=E[\\nabla_\\theta(\\delta\\log\\pi_\\theta(a|s))],\\quad"
          " E[\\nabla_v(\\delta\\log\\pi_\\theta(a|s))],\\quad"
          "\\delta\\ \\text{held}",
          "autodiff, through algorithms/td_actor_critic.c", td_in_training },
        { "\\delta\\ \\text{not held}",
          "the control: the actor's objective flows into the critic, as in several published tutorials",
          td_without_stop, DIFFERS } } },
    { "TDA-7", "a critic that is a table comes to rest at V_v = V of pi", "V(s), then the mean step of v from 0",
      n_states_twice, unit_of_V, no_system, NULL, {
        { "V^\\pi(s);\\quad r_\\pi(s)", "exact", V_and_r },
        { "=V_v:\\ E[\\delta\\nabla_vV_v(s)\\,|\\,s]=0;\\quad E[\\delta\\nabla_vV_v(s)\\,|\\,s],\\ V_v=0",
          "the only table at which the mean of v's step is 0, from mean steps of algorithms/td_actor_critic.c",
          V_at_rest },
        { "=\\arg\\min_vE[(r+\\gamma V_v(s')-V_v(s))^2],\\quad s\\sim\\rho",
          "002 l.129: delta^2 for a loss, read literally, with its target differentiated: it rests elsewhere",
          residual_minimiser, DIFFERS, "ERR-15" },
        { "=Q(s,a)", "002 l.128 calls one critic V and Q(s,a); here the Q of the first action", Q_of_first_action,
          DIFFERS, "ERR-47" } } },
    { .id = NULL }
};
