/* The update that A3C and A2C share, through the code that trains (algorithms/a2c.c): what it accumulates, the
 * signs of its parts, the entropy, and the mean over workers. 004 (l.122-194), 000 (l.250), 002 (l.135-140). */
#include <float.h>
#include <gsl/gsl_math.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/a2c.h"
#include "algorithms/critic.h"
#include "autodiff/distribution.h"
#include "autodiff/require.h"
#include "derivations/agent.h"
#include "derivations/enumerate.h"
#include "derivations/policy_gradient_theorem.h"
#include "derivations/small_problem.h"
#include "envs/env_mdp.h"

/* ---- E5x, two steps, over all trajectories ---- */

#define TWO_STEPS "E5x, two steps, pi from theta(s,a) = cos(s+2a), gamma = .9, a V that is not pi's"
enum { H = 2, NS = 6, NA = 3, N_THETA = NS * NA, N_PHI = NS + 1, MOST = 32 };
static const double gamma_ = 0.9, beta_ = 0.3;

static double phi_of(int i) { return 0.5 * sin(i + 1); }
static double V_of(int s)   { return phi_of(s) + phi_of(NS); }          /* one-hot observations, and a bias */

struct problem {
    own_problem own;
    agent *agent;
    double phi[N_PHI], *score;          /* score [NS NA x N_THETA] */
    a2c_config c;
    bool without_V_end, of_V_end;       /* R begins at 0; G is differentiated, too */
};

static struct problem problem_new(double c_V, double beta)
{
    double theta[N_THETA];
    for (int i = 0; i < N_THETA; i++) theta[i] = cos(i / NA + 2 * (i % NA));
    struct problem b = { .own = own_problem_new(mdp_builtin("E5x"), gamma_, 0, NULL, theta, H) };
    b.agent = agent_new(b.own.f->policy, b.own.f->theta, H);
    b.score = small_scores(b.own.f);
    b.c = (a2c_config){ .workers = 1, .gamma = gamma_, .lambda = 1, .c_V = c_V, .beta = beta,
                        .mean = A2C_MEAN_OVER_WORKERS };
    for (int i = 0; i < N_PHI; i++) b.phi[i] = phi_of(i);
    return b;
}

/* mean [n], and, unless NULL, variance [n], in which a baseline shows */
static double over_all(struct problem b, estimator f, int n, double *mean, double *variance)
{
    enumerate_moments(b.own.M, b.own.f->x->pi, H, f, &b, n, mean, variance);
    agent_free(b.agent);
    free(b.score);
    own_problem_free(&b.own);
    return 0;
}

static double of_problem(const setting *x, estimator f, int n, double *mean)
{
    (void)x;
    return over_all(problem_new(1, 0), f, n, mean, NULL);
}

/* R of step t: gamma^k r_{t+k} summed up, and what V says of the end */
static double R_by_hand(const struct problem *b, const traj *tau, int t)
{
    double R = small_G(b->own.f, tau, t);
    if (!tau->terminated && !b->without_V_end) R += gsl_pow_int(gamma_, tau->T - t) * V_of(tau->s[tau->T]);
    return R;
}

/* A and R of tau, as a training run has them */
static void advantages(struct problem *b, const traj *tau, double *A, double *R)
{
    const network f = critic_V(&b->agent->pi);
    double V[H], V_end;
    agent_sees(b->agent, tau);
    critic_bootstrap(b->agent->t, &f, b->phi, b->agent->tau, V, &V_end);
    a2c_advantages(tau->T, tau->r, V, V_end, gamma_, 1, A, R);
}

/* g: of J in theta [N_THETA], then in phi [N_PHI] */
static void trained(struct problem *b, const traj *tau, double *g)
{
    const network f = critic_V(&b->agent->pi);
    double A[H], R[H], both[N_THETA + NA + N_PHI];
    memset(g, 0, (N_THETA + N_PHI) * sizeof *g);
    if (tau->T == 0) return;
    advantages(b, tau, A, R);
    a2c_gradient(b->agent->t, &b->c, &b->agent->pi, &f, b->agent->theta, b->phi, b->agent->tau, A, R, both);
    memcpy(g, both, N_THETA * sizeof *g);
    memcpy(g + N_THETA, both + b->agent->pi.n, N_PHI * sizeof *g);
}

static int    n_starts(const setting *x) { (void)x; return NS; }
enum { N_BOTH = N_THETA + N_PHI };
static int    n_theta(const setting *x)  { (void)x; return 2 * N_THETA + 1; }
static int    n_phi(const setting *x)    { (void)x; return N_PHI; }
static int    n_both(const setting *x)   { (void)x; return 2 * N_BOTH + 1; }
/* u N H^2 W: H weights of W = sum gamma^t max|r| + |V_end| <= 3, each a sum of as many; J(v) has their squares */
static double unit(const setting *x) { (void)x; return DBL_EPSILON * NS * H * H * 3; }
static double unit_squares(const setting *x) { return 3 * unit(x); }
static double unit_moments(const setting *x) { return unit(x) * H * 3; }            /* u N H (H W)^2 */

/* ---- A3C-8: E[J(v); s_0 = s] ---- */

static void squares_by_hand(void *context, const traj *tau, double *J)
{
    memset(J, 0, NS * sizeof *J);
    for (int t = 0; t < tau->T; t++) J[tau->s[0]] += gsl_pow_2(R_by_hand(context, tau, t) - V_of(tau->s[t]));
}

static void squares_trained(void *context, const traj *tau, double *J)
{
    struct problem *b = context;
    double A[H], R[H], V[H];
    memset(J, 0, NS * sizeof *J);
    if (tau->T == 0) return;
    advantages(b, tau, A, R);
    for (int t = 0; t < tau->T; t++) V[t] = V_of(tau->s[t]);
    ad_tape *tape = ad_tape_new();
    J[tau->s[0]] = -ad_scalar(a2c_V_objective(ad_input(tape, V, tau->T, 1), ad_input(tape, R, tau->T, 1)));
    ad_tape_free(tape);
}

/* The control: in each step the target of one step, 004 l.122 */
static void squares_of_one_step(void *context, const traj *tau, double *J)
{
    (void)context;
    memset(J, 0, NS * sizeof *J);
    for (int t = 0; t < tau->T; t++) {
        double next = t + 1 < tau->T || !tau->terminated ? V_of(tau->s[t + 1]) : 0;
        J[tau->s[0]] += gsl_pow_2(tau->r[t] + gamma_ * next - V_of(tau->s[t]));
    }
}

/* A3C-8   J(v') = sum_{k<n} (G_{t+k}^{(n-k)} - v(s_{t+k}))^2 */
static double J_by_hand(const setting *x, double *J) { return of_problem(x, squares_by_hand, NS, J); }
static double J_trained(const setting *x, double *J) { return of_problem(x, squares_trained, NS, J); }
static double J_one_step(const setting *x, double *J) { return of_problem(x, squares_of_one_step, NS, J); }

/* ---- A3C-9: E[dJ/dv] ---- */

/* d += weight grad V(s) */
static void add_grad_V(int s, double weight, double *d)
{
    d[s] += weight;
    d[NS] += weight;
}

static void dV_by_hand(void *context, const traj *tau, double *d)
{
    const struct problem *b = context;
    memset(d, 0, N_PHI * sizeof *d);
    for (int t = 0; t < tau->T; t++) {
        double error = R_by_hand(b, tau, t) - V_of(tau->s[t]);
        add_grad_V(tau->s[t], -2 * error, d);
        if (b->of_V_end && !tau->terminated)
            add_grad_V(tau->s[tau->T], 2 * error * gsl_pow_int(gamma_, tau->T - t), d);
    }
}

static void dV_trained(void *context, const traj *tau, double *d)
{
    double g[N_THETA + N_PHI];
    trained(context, tau, g);
    for (int i = 0; i < N_PHI; i++) d[i] = -g[N_THETA + i];
}

/* A3C-9   -2 sum_k (G - v) grad v,   G held constant */
static double dJ_by_hand(const setting *x, double *d) { return of_problem(x, dV_by_hand, N_PHI, d); }
static double dJ_trained(const setting *x, double *d) { return of_problem(x, dV_trained, N_PHI, d); }
static double dJ_literal(const setting *x, double *d)
{
    (void)x;
    struct problem b = problem_new(1, 0);
    b.of_V_end = true;
    return over_all(b, dV_by_hand, N_PHI, d, NULL);
}

/* ---- A3C-14: mean and variance of dtheta, dtheta_v, and X8 ---- */

static void accumulated_by_hand(void *context, const traj *tau, double *d)
{
    const struct problem *b = context;
    dV_by_hand(context, tau, d + N_THETA);
    memset(d, 0, N_THETA * sizeof *d);
    for (int i = tau->T - 1; i >= 0; i--) {
        double A = R_by_hand(b, tau, i) - V_of(tau->s[i]);
        const double *score = b->score + (tau->s[i] * NA + tau->a[i]) * N_THETA;
        for (int k = 0; k < N_THETA; k++) d[k] += score[k] * A;
    }
}

static void accumulated_trained(void *context, const traj *tau, double *d)
{
    trained(context, tau, d);
    for (int i = 0; i < N_PHI; i++) d[N_THETA + i] = -d[N_THETA + i];
}

/* What is left of the error R - V = 1 in a state after 20 steps of size .05; V is a bias: the observation is 0 */
enum { STEPS_OF_V = 20 };
static const double alpha_v = 0.05;

static double error_of_V(double sign)
{
    const a2c_config c = { .workers = 1, .c_V = 1, .mean = A2C_MEAN_OVER_WORKERS };
    const policy p = { .f = { 1, { 1, 2 }, AD_LINEAR }, .nA = 2, .d = 1, .k = 1, .n = 4 };
    const network f = critic_V(&p);
    const double theta[4] = { 0 }, nothing = 0, R = 1;
    double phi[2] = { 0 }, g[6];
    ad_tape *t = ad_tape_new();
    rollout *b = rollout_shaped(1, 1, true);
    rollout_add(b, &nothing, &nothing, R);
    rollout_end(b, &nothing, true, true, false);
    for (int k = 0; k < STEPS_OF_V; k++) {
        a2c_gradient(t, &c, &p, &f, theta, phi, b, &nothing, &R, g);
        for (int i = 0; i < 2; i++) phi[i] += sign * alpha_v * g[4 + i];
    }
    rollout_free(b);
    ad_tape_free(t);
    return fabs(R - phi[1]);
}

static double backward(const setting *x, double *d)
{
    (void)x;
    d[2 * N_BOTH] = gsl_pow_int(1 - 2 * alpha_v, STEPS_OF_V);
    return over_all(problem_new(1, 0), accumulated_by_hand, N_BOTH, d, d + N_BOTH);
}

static double backward_trained(const setting *x, double *d)
{
    (void)x;
    d[2 * N_BOTH] = error_of_V(1);
    return over_all(problem_new(1, 0), accumulated_trained, N_BOTH, d, d + N_BOTH);
}

static double one_rule_for_both(const setting *x, double *d)
{
    backward_trained(x, d);
    d[2 * N_BOTH] = error_of_V(-1);
    return 0;
}

static double without_V_end(const setting *x, double *d)
{
    (void)x;
    struct problem b = problem_new(1, 0);
    b.without_V_end = true;
    d[2 * N_BOTH] = gsl_pow_int(1 - 2 * alpha_v, STEPS_OF_V);
    return over_all(b, accumulated_by_hand, N_BOTH, d, d + N_BOTH);
}

static void page_of_signs(const setting *x, FILE *out)
{
    (void)x;
    fprintf(out, "One state, R = 1, V = 0 at first; after %d steps of size %g the error is\n"
            "  %.4f  when V descends (R - V)^2\n  %.4f  when V goes the way of dtheta, up its gradient\n",
            STEPS_OF_V, alpha_v, error_of_V(1), error_of_V(-1));
}

/* ---- A3C-15: one state, a critic with a hidden layer ---- */

enum { N_CRITIC = 13 };
static const network critic = { 2, { 2, 3, 1 }, AD_TANH };
static const double s_[2] = { 0.4, -0.7 }, R_ = 1.3;

static int    n_critic(const setting *x)    { (void)x; return N_CRITIC; }
static double unit_critic(const setting *x) { (void)x; return DBL_EPSILON * 4 * 3; }
static void   critic_phi(double *phi)       { for (int i = 0; i < N_CRITIC; i++) phi[i] = sin(2 * i + 1); }

/* d = factor (R - V) grad V, grad V by a sweep of its own */
static double times_grad_V(double factor, double *d)
{
    double phi[N_CRITIC];
    ad_tape *t = ad_tape_new();
    critic_phi(phi);
    ad y = ad_input(t, phi, N_CRITIC, 1), V = network_forward(&critic, y, ad_input(t, s_, 1, 2));
    const double *g = ad_value(ad_grad(V, y));
    for (int i = 0; i < N_CRITIC; i++) d[i] = factor * (R_ - ad_scalar(V)) * g[i];
    ad_tape_free(t);
    return 0;
}

/* A3C-15  -2 (R - V) grad V */
static double minus_two(const setting *x, double *d) { (void)x; return times_grad_V(-2, d); }
static double minus_one(const setting *x, double *d) { (void)x; return times_grad_V(-1, d); }

static double of_objective(const setting *x, double *d)
{
    (void)x;
    double phi[N_CRITIC];
    ad_tape *t = ad_tape_new();
    critic_phi(phi);
    ad y = ad_input(t, phi, N_CRITIC, 1), V = network_forward(&critic, y, ad_input(t, s_, 1, 2));
    const double *g = ad_value(ad_grad(a2c_V_objective(V, ad_input(t, &R_, 1, 1)), y));
    for (int i = 0; i < N_CRITIC; i++) d[i] = -g[i];
    ad_tape_free(t);
    return 0;
}

static double square_at(const double *phi)              /* (R - V)^2, plain loops */
{
    double h[3], V = phi[12];
    for (int j = 0; j < 3; j++) h[j] = tanh(s_[0] * phi[j] + s_[1] * phi[3 + j] + phi[6 + j]);
    for (int j = 0; j < 3; j++) V += h[j] * phi[9 + j];
    return gsl_pow_2(R_ - V);
}

/* Central differences of h and 2h, extrapolated: an error of h^4 times fifth derivatives, below 50 here, and of
 * rounding u / h */
static double by_differences(const setting *x, double *d)
{
    (void)x;
    const double h = 1e-3;
    double phi[N_CRITIC];
    critic_phi(phi);
    for (int i = 0; i < N_CRITIC; i++) {
        double at = phi[i], D[2];
        for (int k = 0; k < 2; k++) {
            phi[i] = at + (k + 1) * h;
            D[k] = square_at(phi);
            phi[i] = at - (k + 1) * h;
            D[k] = (D[k] - square_at(phi)) / (2 * (k + 1) * h);
        }
        d[i] = (4 * D[0] - D[1]) / 3;
        phi[i] = at;
    }
    return 50 * gsl_pow_4(h) + 20 * DBL_EPSILON / h;
}

/* ---- A3C-27: dtheta with entropy, and X80 ---- */

static void with_entropy_by_hand(void *context, const traj *tau, double *d)
{
    const struct problem *b = context;
    double both[N_THETA + N_PHI];
    accumulated_by_hand(context, tau, both);
    memcpy(d, both, N_THETA * sizeof *d);
    for (int i = 0; i < tau->T; i++) {                          /* dH/dz_a = -pi_a (log pi_a + H) */
        const double *pi = b->own.f->x->pi + tau->s[i] * NA;
        double entropy = 0;
        for (int a = 0; a < NA; a++) entropy -= pi[a] * log(pi[a]);
        for (int a = 0; a < NA; a++) d[tau->s[i] * NA + a] -= b->c.beta * pi[a] * (log(pi[a]) + entropy);
    }
}

static void with_entropy_trained(void *context, const traj *tau, double *d)
{
    double both[N_THETA + N_PHI];
    trained(context, tau, both);
    memcpy(d, both, N_THETA * sizeof *d);
}

/* X80: E5, 300 exact steps of size 1 along E[sum_t gamma^t (A_t grad log pi + beta grad H)]: the mean over states
 * of the entropy that the policy then has */
enum { N_E5 = 15, STEPS_OF_PI = 300 };

static exact *at_E5(const mdp *M, const policy_class *states, const double *theta)
{
    char error[256];
    exact *x = exact_new_policy(M, 0.9, states, theta, error, sizeof error);
    require(x, "%s", error);
    return x;
}

static double entropy_of(const exact *x, int s)
{
    double entropy = 0;
    for (int i = s * x->nA; i < (s + 1) * x->nA; i++) entropy -= x->pi[i] * x->logpi[i];
    return entropy;
}

static void step_by_hand(const exact *x, double beta, double *theta)
{
    for (int i = 0; i < x->nSA; i++) {
        int s = i / x->nA;
        theta[i] += x->rho[s] * x->pi[i] * (x->A[i] - beta * (x->logpi[i] + entropy_of(x, s)));
    }
}

/* The objectives of training, each state and action once, with its weight */
static void step_trained(const exact *x, double beta, double *theta)
{
    int index[N_E5];
    double at[N_E5], weight[N_E5], own[N_E5 / NA * N_E5] = { 0 };       /* own: a row of logits for each pair */
    ad_tape *t = ad_tape_new();
    memcpy(at, theta, sizeof at);
    for (int i = 0; i < N_E5; i++) {
        index[i] = i % NA;
        weight[i] = x->rho[i / NA] * x->pi[i] * x->A[i];
        own[i * (N_E5 / NA) + i / NA] = 1;
    }
    ad z = ad_input(t, at, N_E5 / NA, NA), logits = ad_matmul(ad_input(t, own, N_E5, N_E5 / NA), z);
    ad J_pi = a2c_policy_objective(categorical_logp(logits, index), ad_input(t, weight, N_E5, 1));
    ad J_H  = a2c_entropy_bonus(ad_mul(ad_input(t, x->rho, N_E5 / NA, 1), categorical_entropy(z)));
    ad J    = a2c_objective(J_pi, ad_constant(t, 0, 1, 1), J_H, 0, beta, 1);
    const double *g = ad_value(ad_grad(J, z));
    for (int i = 0; i < N_E5; i++) theta[i] += g[i];
    ad_tape_free(t);
}

static double entropy_after(double beta, void (*step)(const exact *x, double beta, double *theta))
{
    mdp *M = mdp_builtin("E5");
    policy_class *states = policy_tabular(M);
    double theta[N_E5], mean = 0;
    for (int i = 0; i < N_E5; i++) theta[i] = cos(i / NA + 2 * (i % NA));
    for (int k = 0; k <= STEPS_OF_PI; k++) {
        exact *x = at_E5(M, states, theta);
        if (k < STEPS_OF_PI) step(x, beta, theta);
        for (int s = 0; s < x->nS && k == STEPS_OF_PI; s++) mean += entropy_of(x, s) / x->nS;
        exact_free(x);
    }
    policy_free(states);
    mdp_free(M);
    return mean;
}

/* A3C-27  dtheta += grad log pi (R - V) + beta grad H */
static double bonus_by_hand(const setting *x, double *d)
{
    (void)x;
    d[2 * N_THETA] = entropy_after(0.1, step_by_hand);
    return over_all(problem_new(0, beta_), with_entropy_by_hand, N_THETA, d, d + N_THETA);
}

static double bonus_trained(const setting *x, double *d)
{
    (void)x;
    d[2 * N_THETA] = entropy_after(0.1, step_trained);
    return over_all(problem_new(0, beta_), with_entropy_trained, N_THETA, d, d + N_THETA);
}

static double cross_entropies(const setting *x, double *d)
{
    (void)x;
    d[2 * N_THETA] = entropy_after(0, step_by_hand);
    return over_all(problem_new(0, 0), with_entropy_by_hand, N_THETA, d, d + N_THETA);
}

static void page_of_entropy(const setting *x, FILE *out)
{
    (void)x;
    fprintf(out, "E5, gamma = .9, %d exact steps of size 1 from theta(s,a) = cos(s+2a); mean entropy of the policy"
            " then:\n  beta = 0   %.4f\n  beta = .1  %.4f   (ln 3 = %.4f)\n", STEPS_OF_PI,
            entropy_after(0, step_trained), entropy_after(0.1, step_trained), log(3));
}

/* ---- A3C-29, A2C-1: workers on E5x ---- */

enum { WORKERS = 3, N = 20, SMALL = 4, N_ALL = N_THETA + NA + N_PHI };

struct workers {
    mdp *M;
    run *streams;
    policy p;
    network f;
    double *w;                          /* [N_ALL] theta, phi */
    actor *pi;
    rollout *b;
    ad_tape *t;
};

static struct workers workers_new(uint64_t seed)
{
    struct workers c = { .M = mdp_builtin("E5x"), .t = ad_tape_new() };
    c.w = allocate(N_ALL, sizeof *c.w, "theta, phi");
    c.streams = run_new("derive", env_mdp_new(c.M), seed, 0);
    run_workers(c.streams, WORKERS);
    c.p = policy_of(c.streams->env, 0, NULL, AD_LINEAR);
    c.f = critic_V(&c.p);
    for (int i = 0; i < N_ALL; i++) c.w[i] = 0.4 * cos(3 * i);
    c.pi = actor_new(&c.p, c.w);
    c.b = rollout_new(c.streams->env);
    return c;
}

static void workers_free(struct workers *c)
{
    env *e = c->streams->env;
    actor_free(c->pi);
    free(c->w);
    rollout_free(c->b);
    ad_tape_free(c->t);
    run_free(c->streams);
    env_free(e);
    mdp_free(c->M);
}

/* n steps of workers first .. last, one behind the other, the same for the same seed */
static void act(struct workers *c, int first, int last, int n)
{
    rollout_clear(c->b);
    for (int i = first; i <= last; i++) {
        run_worker *w = &c->streams->worker[i];
        rollout_steps(c->b, c->b->T + n, w->env, w->env_rng, c->pi, w->policy_rng);
    }
}

/* g [N_ALL] at w of what b holds, from step t on T steps of it; A and R are those of the whole batch */
static void gradient_of(struct workers *c, const double *w, int t, int T, a2c_config config, double *g)
{
    rollout *b = c->b, *part = rollout_shaped(b->d, b->k, true);
    double V[WORKERS * N], V_end[WORKERS * N], A[WORKERS * N], R[WORKERS * N];
    critic_bootstrap(c->t, &c->f, w + c->p.n, b, V, V_end);
    for (int i = 0; i < b->segments; i++) {
        int at = b->segment[i].first;
        a2c_advantages(b->segment[i].T, b->r + at, V + at, V_end[i], gamma_, 1, A + at, R + at);
    }
    for (int k = t; k < t + T; k++) rollout_add(part, b->s + k * b->d, b->a + k, b->r[k]);
    rollout_end(part, b->s, false, false, false);
    a2c_gradient(c->t, &config, &c->p, &c->f, w, w + c->p.n, part, A + t, R + t, g);
    rollout_free(part);
}

static const a2c_config sums = { .workers = 1, .c_V = 1, .beta = 0.1, .mean = A2C_MEAN_OVER_WORKERS };

static int    n_losses(const setting *x)   { (void)x; return N_ALL + 1; }
static int    n_all(const setting *x)      { (void)x; return N_ALL; }
/* N terms of |R| |score| <= 10 */
static double unit_losses(const setting *x) { (void)x; return DBL_EPSILON * N * 10; }

/* A3C-29  sum_{k=1}^{20} of the losses of single steps */
static double sum_of_gradients(const setting *x, double *g)
{
    double one[N_ALL];
    struct workers c = workers_new(x->seed);
    act(&c, 0, 0, N);
    memset(g, 0, N_ALL * sizeof *g);
    for (int k = 0; k < N; k++) {
        gradient_of(&c, c.w, k, 1, sums, one);
        for (int i = 0; i < N_ALL; i++) g[i] += one[i];
    }
    g[N_ALL] = N;
    workers_free(&c);
    return 0;
}

/* How long a run is that was asked for one step: an update's steps */
static double steps_of_an_update(const struct workers *c, uint64_t seed)
{
    a2c_config config = a2c_defaults;
    config.workers = 1;
    config.n_steps = N;
    run *r = run_new("derive", env_mdp_new(c->M), seed, 1);
    a2c(r, &config);
    long steps = r->steps;
    env *e = r->env;
    run_free(r);
    env_free(e);
    return (double)steps;
}

static double of_batch(const setting *x, a2c_config config, double *g)
{
    struct workers c = workers_new(x->seed);
    act(&c, 0, 0, N);
    gradient_of(&c, c.w, 0, N, config, g);
    g[N_ALL] = steps_of_an_update(&c, x->seed);
    workers_free(&c);
    return 0;
}

static double gradient_of_sum(const setting *x, double *g) { return of_batch(x, sums, g); }

static double gradient_of_mean(const setting *x, double *g)
{
    a2c_config mean = sums;
    mean.mean = A2C_MEAN_OVER_STEPS;
    return of_batch(x, mean, g);
}

/* ---- A2C-1: (theta, phi) after an update by a plain step of size .1 ---- */

static const double alpha_ = 0.1;

static void step(double size, const double *g, double *w)
{
    for (int i = 0; i < N_ALL; i++) w[i] += size * g[i];
}

/* A2C-1   wait for all workers, average their gradients, update once */
static double mean_of_workers(const setting *x, double *w)
{
    double g[N_ALL];
    struct workers c = workers_new(x->seed);
    act(&c, 0, WORKERS - 1, SMALL);
    memcpy(w, c.w, N_ALL * sizeof *w);
    for (int i = 0; i < WORKERS; i++) {
        gradient_of(&c, c.w, i * SMALL, SMALL, sums, g);
        step(alpha_ / WORKERS, g, w);
    }
    workers_free(&c);
    return 0;
}

static double one_batch(const setting *x, int workers, double *w)
{
    double g[N_ALL];
    a2c_config config = sums;
    config.workers = workers;
    struct workers c = workers_new(x->seed);
    act(&c, 0, WORKERS - 1, SMALL);
    gradient_of(&c, c.w, 0, WORKERS * SMALL, config, g);
    memcpy(w, c.w, N_ALL * sizeof *w);
    step(alpha_, g, w);
    workers_free(&c);
    return 0;
}

static double mean_in_one(const setting *x, double *w) { return one_batch(x, WORKERS, w); }
static double sum_in_one(const setting *x, double *w)  { return one_batch(x, 1, w); }

/* In any order: each worker has streams of its own */
static double in_other_order(const setting *x, double *w)
{
    double g[N_ALL];
    struct workers c = workers_new(x->seed);
    memcpy(w, c.w, N_ALL * sizeof *w);
    for (int i = WORKERS - 1; i >= 0; i--) {
        act(&c, i, i, SMALL);
        gradient_of(&c, c.w, 0, SMALL, sums, g);
        step(alpha_ / WORKERS, g, w);
    }
    workers_free(&c);
    return 0;
}

/* A3C: each worker's gradient by itself, at parameters that the others have moved */
static double one_by_one(const setting *x, double *w)
{
    double g[N_ALL];
    struct workers c = workers_new(x->seed);
    act(&c, 0, WORKERS - 1, SMALL);
    memcpy(w, c.w, N_ALL * sizeof *w);
    for (int i = 0; i < WORKERS; i++) {
        gradient_of(&c, w, i * SMALL, SMALL, sums, g);
        step(alpha_ / WORKERS, g, w);
    }
    workers_free(&c);
    return 0;
}

#define TRAINING "over all trajectories, through algorithms/a2c.c"
#define BY_HAND "over all trajectories, by hand: powers of gamma, scores in closed form"

const derivation a2c_mean[] = {
    { "A3C-8", "the critic's error: squared, summed over the segment", "E[J(v); s_0 = s]", n_starts, unit_squares,
      NULL, NULL, {
        { "J(v)=\\sum_{k=0}^{n-1}(G_{t+k}^{(n-k)}-v(s_{t+k}))^2", BY_HAND, J_by_hand },
        { "=-J_V", TRAINING ", where minus the error is ascended", J_trained },
        { "\\sum_{k=0}^{n-1}(r_{t+k}+\\gamma v(s_{t+k+1})-v(s_{t+k}))^2",
          "the control: 004 l.122, each step with the target of one step", J_one_step, DIFFERS } },
      TWO_STEPS },
    { "A3C-9", "the critic's gradient, the targets held constant", "E[dJ/dphi], phi: V of each state, and a bias",
      n_phi, unit, NULL, NULL, {
        { "\\nabla_vJ(v)=-2\\sum_{k=0}^{n-1}(G_{t+k}^{(n-k)}-v(s_{t+k}))\\nabla_vv(s_{t+k})", BY_HAND,
          dJ_by_hand },
        { "=-\\nabla_\\phi J_V", TRAINING, dJ_trained },
        { "=\\sum_{k=0}^{n-1}\\nabla_v(G_{t+k}^{(n-k)}-v(s_{t+k}))^2",
          "004 l.136, literally: G holds v(s_t+n), which is differentiated, too", dJ_literal, DIFFERS,
          "ERR-15" } },
      TWO_STEPS },
    { "A3C-14", "the backward loop: R <- r + gamma R; dtheta, dtheta_v accumulated",
      "mean and variance of dtheta, dtheta_v, then V's error after 20 steps", n_both, unit_moments, NULL, NULL, {
        { "\\sum_i\\nabla\\log\\pi(a_i|s_i)(R_i-V(s_i)),\\quad\\sum_i\\nabla(R_i-V(s_i))^2,\\quad"
          "(1-2\\alpha)^{20}", BY_HAND, backward },
        { "=\\nabla_\\theta J_\\pi,\\quad-\\nabla_\\phi J_V,\\quad\\phi\\leftarrow\\phi+\\alpha\\nabla_\\phi J_V",
          TRAINING ", one gradient of each sum; both are ascended", backward_trained },
        { "w\\leftarrow w+\\alpha\\,dw",
          "000 l.250 accumulates dtheta to go up and dw, the gradient of a loss, and has one rule for both: the"
          " error grows", one_rule_for_both, DIFFERS, "ERR-20" },
        { "R=r_{t-1}+\\gamma\\cdot0",
          "000 l.250 does not say what R is before the loop; 004 l.168 has 0 or V(s_t). Here: 0",
          without_V_end, DIFFERS, "ERR-20" } },
      TWO_STEPS, page_of_signs },
    { "A3C-15", "the factor 2 of the squared error", "its gradient, 13 numbers", n_critic, unit_critic, NULL,
      NULL, {
        { "2(R-V(s))\\nabla_w(R-V(s))=-2(R-V(s))\\nabla_wV(s)", "the chain rule, R constant; a sweep for V alone",
          minus_two },
        { "=-\\nabla J_V", "through algorithms/a2c.c, with c_V = 1", of_objective },
        { "=\\nabla_w(R-V(s))^2", "differences of the square, in plain loops", by_differences },
        { "-(R-V(s))\\nabla_wV(s)",
          "the 2 absorbed, as with 1/2 (R-V)^2: half the step of 000 l.250 and 004 l.177 at the same alpha"
          " (c_V = .5 here)", minus_one, DIFFERS, "ERR-85" } },
      "one state, a critic of 3 tanh units" },
    { "A3C-27", "the entropy's gradient is added, times beta",
      "mean and variance of dtheta, then the mean entropy after 300 exact steps", n_theta,
      unit_moments, NULL, NULL, {
        { "E[\\sum_i\\nabla\\log\\pi(a_i|s_i)(R_i-V(s_i))+\\beta\\nabla H(\\pi(\\cdot|s_i))]",
          BY_HAND ", dH/dz_a = -pi_a (log pi_a + H); beta = .3, and .1 in the steps", bonus_by_hand },
        { "=\\nabla_\\theta(J_\\pi+\\beta J_H)", TRAINING, bonus_trained },
        { "E[\\sum_i\\nabla\\log\\pi(a_i|s_i)(R_i-V(s_i))]",
          "002 l.138 has, as entropy loss, 20 cross entropies for exploitation: those are the policy's own"
          " objective, and with them alone the entropy goes", cross_entropies, DIFFERS, "ERR-22" } },
      TWO_STEPS "; and E5", page_of_entropy },
    { "A3C-29", "20 steps: the sum of 20 losses, one update", "the gradient of the sum, then steps an update",
      n_losses, unit_losses, NULL, NULL, {
        { "\\sum_{k=1}^{20}\\nabla l_k", "the gradients of single steps, added up", sum_of_gradients },
        { "=\\nabla\\sum_{k=1}^{20} l_k", "one gradient; a whole run that is asked for one step takes 20",
          gradient_of_sum },
        { "\\frac1{20}\\nabla\\sum_{k=1}^{20} l_k", "the control: their mean", gradient_of_mean, DIFFERS } },
      "E5x, 20 sampled steps" },
    { "A2C-1", "wait for all workers, average their gradients, update once", "theta, phi after it", n_all,
      unit_losses, NULL, NULL, {
        { "w+\\frac\\alpha N\\sum_{i=1}^N\\nabla J_i(w)", "each worker's own gradient, a sum over its steps",
          mean_of_workers },
        { "=w+\\alpha\\nabla\\frac1N\\sum_{i=1}^NJ_i(w)", "one batch of all, through algorithms/a2c.c",
          mean_in_one },
        { "=w+\\frac\\alpha N\\sum_{i=N}^1\\nabla J_i(w)", "whichever worker acts first: the streams are its own",
          in_other_order },
        { "w\\leftarrow w+\\frac\\alpha N\\nabla J_i(w),\\ i=1,\\dots,N",
          "004 l.38 has this update of all gradients at once as A3C's; A3C (l.52) applies each by itself, at"
          " parameters that others moved", one_by_one, DIFFERS, "ERR-81" },
        { "w+\\alpha\\nabla\\sum_{i=1}^NJ_i(w)", "the control: the sum, whose step grows with N", sum_in_one,
          DIFFERS } },
      "E5x, 3 workers, 4 sampled steps each" },
    { .id = NULL }
};
