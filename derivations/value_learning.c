/* Asynchronous value learning at work: its counters, its exploration, where it diverges, and beside A3C on one task,
 * as experiments with a control each. 002 (l.24-26, l.38-39), 003 (l.10), 004 (l.42). */
#include <float.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/a3c.h"
#include "algorithms/async_q.h"
#include "algorithms/async_sarsa.h"
#include "algorithms/epsilon.h"
#include "algorithms/nstep_q.h"
#include "algorithms/schedule.h"
#include "autodiff/distribution.h"
#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/asynchronous_q.h"
#include "derivations/measured.h"
#include "derivations/policy_gradient_theorem.h"

static double number(double *out, double value) { *out = value; return 0; }

/* ---- ASQ-2: one worker on E5x, a table; I_AsyncUpdate = 5, I_target = 40 ---- */

enum { ROW = 500, N_THETA = 7 * 3 };            /* a row of progress; theta = W [6 x 3], b [3] */

static async_q_config counted(long I_target)
{
    async_q_config c = async_q_defaults;
    c.gamma = 0.9;
    c.lr = 0.05;
    c.optimiser = ASYNC_Q_SGD;
    c.target_every = I_target;
    c.epsilons = EPSILON_SAME;
    c.epsilon = 0.3;
    c.anneal_steps = 0;
    c.workers = 1;
    c.schedule = SCHEDULE_SERIAL;
    c.hidden = (widths){ 0 };
    return c;
}

/* ASQ-2   t mod I_AsyncUpdate = 0 or terminal: theta <- theta + alpha d_theta
 *         T mod I_target = 0: theta^- <- theta */
static double by_hand(const setting *x, long I_target, double *theta)
{
    mdp *M = mdp_builtin("E5x");
    env *e = env_mdp_new(M);
    run *r = run_new("by hand", e, x->seed, 0);         /* its streams, and nothing else of it */
    policy p = policy_of(e, 0, NULL, AD_TANH);
    double targ[N_THETA], g[N_THETA] = { 0 }, Q[3], Q1[3], reward;
    network_init_orthogonal(&p.f, sqrt(2), 1, r->init_rng, theta);
    memcpy(targ, theta, sizeof targ);
    long T = 0, t = 0;
    for (bool update = true; T < ROW || !update;) {
        bool terminated, truncated, copy = false;
        if (e->over) env_reset(e, r->env_rng);
        for (update = false; !update;) {
            int s = env_state(e);
            for (int a = 0; a < 3; a++) Q[a] = theta[3 * s + a] + theta[18 + a];
            int a = epsilon_greedy_sample(r->policy_rng, 3, Q, 0.3);
            env_step(e, &(double){ a }, &reward, &terminated, &truncated);
            for (int b = 0; b < 3; b++) Q1[b] = targ[3 * env_state(e) + b] + targ[18 + b];
            double y = reward + (terminated ? 0 : 0.9 * fmax(Q1[0], fmax(Q1[1], Q1[2])));
            g[3 * s + a] += 2 * (y - Q[a]);
            g[18 + a] += 2 * (y - Q[a]);
            copy |= ++T % I_target == 0;
            update = ++t % 5 == 0 || terminated;
        }
        for (int i = 0; i < N_THETA; i++) theta[i] += 0.05 * g[i];
        if (copy) memcpy(targ, theta, sizeof targ);
        memset(g, 0, sizeof g);
        t = 0;                                          /* counted from the last update: async_q.c, deviation 2 */
    }
    run_free(r);
    env_free(e);
    mdp_free(M);
    return 0;
}

static double trained_table(const setting *x, double *theta)
{
    mdp *M = mdp_builtin("E5x");
    async_q_config c = counted(40);
    run *r = measured_run(env_mdp_new(M), async_q, &c, x->seed, 1, INFINITY);     /* one row */
    memcpy(theta, r->theta, N_THETA * sizeof *theta);
    measured_free(r);
    mdp_free(M);
    return 0;
}

static int    n_theta(const setting *x)                     { (void)x; return N_THETA; }
static double unit_row(const setting *x)                    { (void)x; return DBL_EPSILON * ROW; }
static double copied_at_40(const setting *x, double *theta) { return by_hand(x, 40, theta); }
static double copied_at_5(const setting *x, double *theta)  { return by_hand(x, 5, theta); }
static double never_copied(const setting *x, double *theta) { return by_hand(x, 1000000, theta); }

/* ---- ASQ-3: how often each of three actors takes the greedy action ---- */

enum { ACTORS = 3, DRAWS = 20000 };

/* ASQ-3   max_i |frequency - (1 - epsilon_i + epsilon_i/|A|)| in standard errors */
static double frequencies(uint64_t seed, bool same, double *out)
{
    const double u[ACTORS] = { 0, 0.5, 0.9 }, of_paper[ACTORS] = { 0.1, 0.01, 0.5 };
    mdp *M = mdp_builtin("E5x");
    env *e = env_mdp_new(M);
    async_q_config c = counted(40);
    policy p = async_q_policy(e, &c);
    double *theta = allocate((size_t)p.n, sizeof *theta, "theta"), mean = 0, worst = 0;
    gsl_rng *init = random_stream(seed, 0, RANDOM_INIT);
    network_init_orthogonal(&p.f, sqrt(2), 1, init, theta);
    actor *pi = actor_new(&p, theta);
    for (int i = 0; i < ACTORS; i++) mean += epsilon_last(u[i]) / ACTORS;
    for (int i = 0; i < ACTORS; i++) {
        gsl_rng *rng = random_stream(seed, (uint32_t)i, RANDOM_POLICY);
        double epsilon = epsilon_last(u[i]), expected = 1 - of_paper[i] + of_paper[i] / 3, best, a;
        int count = 0;
        env_reset(e, rng);
        actor_mode(pi, e->obs, &best);
        actor_epsilon(pi, same ? mean : epsilon);
        for (int k = 0; k < DRAWS; k++) {
            actor_draw(pi, rng, e->obs, &a);
            count += a == best;
        }
        double off = fabs((double)count / DRAWS - expected);
        worst = fmax(worst, off / sqrt(expected * (1 - expected) / DRAWS));
        gsl_rng_free(rng);
    }
    actor_free(pi);
    gsl_rng_free(init);
    free(theta);
    env_free(e);
    mdp_free(M);
    return number(out, worst);
}

static double own_epsilons(const setting *x, double *out) { return frequencies(x->seed, false, out); }
static double one_epsilon(const setting *x, double *out)  { return frequencies(x->seed, true, out); }

/* ---- PGT-22: Baird's star (Baird 1995; Sutton & Barto, 11.2) as a task: `solid` leads to state 6 and pays 1,
 * `dashed` to one of the others; the behaviour is `dashed` 6 times in 7. Features of states only ---- */

enum { STAR = 7, FEATURES = 8, SWEEPS = 2000 };

static mdp *star(void)
{
    mdp_builder *b = mdp_begin("Baird's star", STAR, 2, 0.99);
    for (int s = 0; s < STAR; s++) {
        mdp_start(b, s, 1.0 / STAR);
        for (int s1 = 0; s1 < STAR - 1; s1++) mdp_transition(b, s, 0, s1, 1.0 / (STAR - 1), 0);
        mdp_transition(b, s, 1, STAR - 1, 1, 1);
    }
    return mdp_finish(b);
}

static void star_features(double *X)                            /* [STAR x FEATURES] */
{
    memset(X, 0, STAR * FEATURES * sizeof *X);
    for (int s = 0; s < STAR; s++) {
        X[s * FEATURES + s] = s < STAR - 1 ? 2 : 1;
        X[s * FEATURES + FEATURES - 1] = s < STAR - 1 ? 1 : 2;
    }
}

/* PGT-22  ||theta|| after so many mean updates of one-step Q-learning, theta^- = theta; X [STAR x d] */
static double q_norm(int d, const double *X, double alpha)
{
    enum { ROWS = STAR * 7 };
    const network f = { 1, { d, 2 }, AD_LINEAR };
    double theta[(FEATURES + 1) * 2], g[(FEATURES + 1) * 2], y[ROWS], Q[STAR * 2];
    int n = network_n(&f);
    rollout *b = rollout_shaped(d, 1, true);
    ad_tape *t = ad_tape_new();
    for (int i = 0; i < n; i++) theta[i] = i < 2 * d ? 1 : 0;
    for (int i = 0; i < ROWS; i++) rollout_add(b, X + i / 7 * d, &(double){ i % 7 == 6 }, 0);
    rollout_end(b, X, true, false, false);
    for (int k = 0; k < SWEEPS && linalg_norm2(n, theta) < 1e100; k++) {
        for (int i = 0; i < STAR * 2; i++) {
            Q[i] = theta[2 * d + i % 2];
            for (int j = 0; j < d; j++) Q[i] += X[i / 2 * d + j] * theta[2 * j + i % 2];
        }
        double dashed = 0, solid = async_q_y(1, false, 2, Q + 2 * (STAR - 1), 0.99);
        for (int s = 0; s < STAR - 1; s++) dashed += async_q_y(0, false, 2, Q + 2 * s, 0.99) / (STAR - 1);
        for (int i = 0; i < ROWS; i++) y[i] = i % 7 == 6 ? solid : dashed;
        async_q_gradient(t, &f, theta, b, y, g);
        for (int i = 0; i < n; i++) theta[i] += alpha * g[i] / ROWS;
    }
    double norm = linalg_norm2(n, theta);
    ad_tape_free(t);
    rollout_free(b);
    return norm;
}

/* ||theta|| after as many steps along the exact gradient of J of a policy in the same features; J and J^* */
static double policy_norm(double alpha, double *J, double *J_best)
{
    char error[256];
    double X[STAR * FEATURES], theta[2 * FEATURES], g[2 * FEATURES], Q[2 * STAR], norm;
    mdp *M = star();
    star_features(X);
    policy_class *p = policy_linear(M, FEATURES, X);
    for (int i = 0; i < p->n; i++) theta[i] = 1;
    for (int k = 0; k <= SWEEPS; k++) {
        exact *x = exact_new_policy(M, M->gamma, p, theta, error, sizeof error);
        require(x, "%s", error);
        gradient_theorem(x, g);
        *J = x->J;
        for (int i = 0; i < p->n && k < SWEEPS; i++) theta[i] += alpha * g[i];
        if (k == SWEEPS) optimal_Q(x, Q);
        exact_free(x);
    }
    *J_best = Q[1];                     /* `solid` first, wherever it starts */
    norm = linalg_norm2(p->n, theta);
    policy_free(p);
    mdp_free(M);
    return norm;
}

static double q_on_star(const setting *x, double *out)
{
    double X[STAR * FEATURES];
    (void)x;
    star_features(X);
    return number(out, q_norm(FEATURES, X, 0.1));
}

static double q_on_table(const setting *x, double *out)
{
    double X[STAR * STAR] = { 0 };
    (void)x;
    for (int s = 0; s < STAR; s++) X[s * STAR + s] = 1;
    return number(out, q_norm(STAR, X, 0.1));
}

static double policy_on_star(const setting *x, double *out)
{
    double J, J_best;
    (void)x;
    return number(out, policy_norm(0.01, &J, &J_best));
}

static void page_of_star(const setting *x, FILE *out)
{
    double q, table, J, J_best, norm = policy_norm(0.01, &J, &J_best);
    q_on_star(x, &q);
    q_on_table(x, &table);
    fprintf(out, "|theta| after %d mean updates from |theta| = 4\n  Q-learning, Baird's features %12.3g\n"
            "  Q-learning, a table          %12.3g\n"
            "  policy gradient, Baird's features %7.3g, J = %.2f of J^* = %.2f\n",
            SWEEPS, q, table, norm, J, J_best);
}

/* ---- A3C-25: four methods on CartPole-v1, ten seeds, four workers in an order that is drawn ---- */

enum { METHODS = 4, SEEDS = 10, SCORED_STEPS = 100000, SCORED = 10 };
static const char *const method_names[METHODS] = { "one-step Q", "one-step SARSA", "n-step Q", "A3C" };

/* Training by one of them; epsilon .05 for all workers at last; alpha times its default. Free r->env and r. */
static run *train_method(int m, double alpha, uint64_t seed, long steps, policy *p)
{
    env *e = measured_env("CartPole-v1");
    run *r = run_new(method_names[m], e, seed, steps);
    async_q_config q = async_q_defaults;
    async_sarsa_config sarsa = async_sarsa_defaults;
    nstep_q_config n_step = nstep_q_defaults;
    a3c_config actor_critic = a3c_defaults;
    q.epsilons = sarsa.epsilons = n_step.epsilons = EPSILON_SAME;
    q.workers = sarsa.workers = n_step.workers = actor_critic.workers = 4;
    q.schedule = sarsa.schedule = n_step.schedule = actor_critic.schedule = SCHEDULE_RANDOM;
    q.lr *= alpha, sarsa.lr *= alpha, n_step.lr *= alpha, actor_critic.lr *= alpha;
    if (m == 0) async_q(r, &q);
    if (m == 1) async_sarsa(r, &sarsa);
    if (m == 2) nstep_q(r, &n_step);
    if (m == 3) a3c(r, &actor_critic);
    *p = m == 3 ? a3c_policy(e, &actor_critic) : async_q_policy(e, &q);         /* values: all have the same */
    return r;
}

/* A3C-25  the mean return of what the method holds for best, after so many steps; over seeds and episodes.
 * error: its standard error over seeds */
static double score(const setting *x, int m, double alpha, double *error)
{
    double each[SEEDS], reward, a;
    for (int k = 0; k < SEEDS; k++) {
        policy p;
        run *r = train_method(m, alpha, x->seed + (uint64_t)k, SCORED_STEPS, &p);
        env *e = r->env;
        actor *pi = actor_new(&p, r->theta);
        gsl_rng *rng = random_stream(x->seed + (uint64_t)k, 0, RANDOM_EVALUATION_ENV);
        each[k] = 0;
        for (int i = 0; i < SCORED; i++) {
            bool terminated, truncated;
            for (env_reset(e, rng); !e->over; each[k] += reward / SCORED) {
                actor_mode(pi, e->obs, &a);
                env_step(e, &a, &reward, &terminated, &truncated);
            }
        }
        gsl_rng_free(rng);
        actor_free(pi);
        measured_free(r);
    }
    if (error) *error = gsl_stats_sd(each, 1, SEEDS) / sqrt(SEEDS);
    return gsl_stats_mean(each, 1, SEEDS);
}

static int n_values(const setting *x) { (void)x; return METHODS - 1; }

static double by_values(const setting *x, double *out)
{
    for (int m = 0; m < METHODS - 1; m++) out[m] = score(x, m, 1, NULL);
    return 0;
}

static double by_a3c(const setting *x, double alpha, double *out)
{
    out[0] = score(x, METHODS - 1, alpha, NULL);
    for (int m = 1; m < METHODS - 1; m++) out[m] = out[0];
    return 0;
}

static double a3c_learnt(const setting *x, double *out)   { return by_a3c(x, 1, out); }
static double a3c_untaught(const setting *x, double *out) { return by_a3c(x, 0, out); }

static void page_of_methods(const setting *x, FILE *out)
{
    fprintf(out, "mean greedy return of %d seeds after %d steps, and its standard error\n", SEEDS, SCORED_STEPS);
    for (int m = 0; m < METHODS; m++) {
        double error, mean = score(x, m, 1, &error);
        fprintf(out, "%-15s %6.1f %6.1f\n", method_names[m], mean, error);
    }
    fprintf(out, "Means that are 3.3 standard errors of their difference apart are told apart with probability"
            " .95.\n");
}

const derivation value_learning[] = {
    { "ASQ-2", "two counters: T for the copies of theta^-, t for the updates of theta",
      "theta[i] after a row of steps", n_theta, unit_row, NULL, NULL, {
        { "\\theta^-\\leftarrow\\theta\\ \\text{at}\\ T=kI_{target},\\quad"
          "\\theta\\leftarrow\\theta+\\alpha\\,d\\theta\\ "
          "\\text{at}\\ t=kI_{AsyncUpdate}\\ \\text{or terminal}", "in plain loops, step by step",
          copied_at_40 },
        { "\\theta", "algorithms/async_q.c, a training run on the same random numbers", trained_table },
        { "T=5", "002 l.38 gives the counter the value of a period, and of the other one: I_AsyncUpdate = 5",
          copied_at_5, DIFFERS, "ERR-49" },
        { "\\theta^-=\\theta_0", "the control: no copies", never_copied, DIFFERS } },
      "E5x, one worker, I_AsyncUpdate = 5, I_target = 40, plain steps of .05" },
    { "ASQ-3", "each actor is epsilon-greedy with an epsilon of its own",
      "greatest error of a frequency, in standard errors", count_one, unit_of_one, NULL, NULL, {
        { "5", "20000 draws of each of three actors: a false alarm in 6e5; an epsilon off by .05 is 10 of them",
          .is = { 5 } },
        { "\\ge\\max_i|\\hat p_i-(1-\\epsilon_i+\\epsilon_i/|A|)|/\\sigma_i,\\quad\\epsilon_i=.1,\\ .01,\\ .5",
          "how often the greedy action is taken, by algorithms/policy.c", own_epsilons, AT_MOST },
        { "\\epsilon_i=.203", "the control: one epsilon for all, their mean", one_epsilon, AT_LEAST } },
      "a state of E5x, three actions" },
    { "PGT-22", "Q-learning with features may diverge where policy gradients do not",
      "|theta| after 2000 mean updates", count_one, unit_of_one, NULL, NULL, {
        { "1000", "from |theta| = 4; Q^* = 100 needs |theta| = 375 as a table", .is = { 1000 } },
        { "\\le|\\theta|,\\quad\\theta\\leftarrow\\theta+\\alpha E_\\beta[(y-Q_\\theta)\\nabla Q_\\theta]",
          "Baird's features, off-policy, bootstrapping: the deadly triad; through algorithms/async_q.c", q_on_star,
          AT_LEAST },
        { "\\ge|\\theta|,\\ \\text{a table}", "the control: the same task and behaviour without approximation",
          q_on_table, AT_MOST },
        { "\\ge|\\theta|,\\quad\\theta\\leftarrow\\theta+\\alpha\\nabla J(\\theta)",
          "a softmax policy in Baird's features, exact gradient", policy_on_star, AT_MOST } },
      "Baird's star, `solid` pays 1, gamma .99, `dashed` 6 times in 7", page_of_star },
    { "A3C-25", "asynchrony extends to SARSA and Q-learning, but works best with A3C",
      "mean return after 100000 steps, ten seeds: one-step Q, one-step SARSA, n-step Q", n_values, unit_of_one,
      NULL, NULL, {
        { "\\bar R\\ \\text{of values}", "what is learned acts greedily", by_values },
        { "\\le\\bar R\\ \\text{of A3C}", "its most likely action", a3c_learnt, AT_LEAST },
        { "\\ge\\bar R\\ \\text{of A3C},\\ \\alpha=0",
          "the control: a policy that learns nothing is worse than all", a3c_untaught, AT_MOST } },
      "CartPole-v1, four workers, the order of their turns drawn; each method with its defaults", page_of_methods,
      .trains = 100 },
    { .id = NULL }
};
