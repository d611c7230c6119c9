/* A3C line by line: a worker's turn over all trajectories, through the code that trains (algorithms/a3c.c);
 * whole runs of workers against the same turns by hand, in the same order; and what parallel actors do to the
 * correlation of a batch. 004 (l.10-184), 002 (l.10-30), 000 (l.241-252). What is measured:
 * asynchrony_measured.c. */
#include <float.h>
#include <gsl/gsl_math.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/a3c.h"
#include "algorithms/critic.h"
#include "algorithms/schedule.h"
#include "autodiff/distribution.h"
#include "autodiff/require.h"
#include "derivations/agent.h"
#include "derivations/measured.h"
#include "derivations/small_problem.h"

enum { NS = 6, NA = 3 };                                /* E5x */
static const double gamma_ = 0.9;

/* ---- A3C-2, A3C-5, A3C-6: one turn of H steps, over all trajectories ---- */

#define ONE_TURN "E5x, pi from theta(s,a) = cos(s+2a), gamma = .9"
enum { N_THETA = NS * NA, N_PHI = NS + 1, MOST_H = 3 };

struct problem {
    own_problem own;
    agent *agent;
    double phi[N_PHI], *score;          /* V(s) = phi[s] + phi[NS]; score [NS NA x N_THETA] */
    int H;
    enum { WHOLE_TURN, FIRST_STEP } part;
    enum { RIGHT, WITHOUT_V_END, ONE_STEP_TARGETS } how;
};

static struct problem problem_new(int H)
{
    double theta[N_THETA];
    for (int i = 0; i < N_THETA; i++) theta[i] = cos(i / NA + 2 * (i % NA));
    struct problem b = { .own = own_problem_new(mdp_builtin("E5x"), gamma_, 0, NULL, theta, H), .H = H };
    b.agent = agent_new(b.own.f->policy, b.own.f->theta, H);
    b.score = small_scores(b.own.f);
    for (int i = 0; i < N_PHI; i++) b.phi[i] = 0.5 * sin(i + 1);
    return b;
}

static void problem_free(struct problem *b)
{
    agent_free(b->agent);
    free(b->score);
    own_problem_free(&b->own);
}

static double V_of(const struct problem *b, int s) { return b->phi[s] + b->phi[NS]; }

/* G_t^(n), n = T - t: powers of gamma, and what V says of the end */
static double G_by_hand(const struct problem *b, const traj *tau, int t)
{
    double G = small_G(b->own.f, tau, t);
    if (b->how == ONE_STEP_TARGETS) {
        bool ends = t + 1 == tau->T && tau->terminated;
        return tau->r[t] + (ends ? 0 : gamma_ * V_of(b, tau->s[t + 1]));
    }
    if (!tau->terminated && b->how != WITHOUT_V_END)
        G += gsl_pow_int(gamma_, tau->T - t) * V_of(b, tau->s[tau->T]);
    return G;
}

static void turn_by_hand(void *context, const traj *tau, double *g)
{
    const struct problem *b = context;
    memset(g, 0, N_THETA * sizeof *g);
    for (int t = 0; t < tau->T; t++) {
        double A = G_by_hand(b, tau, t) - V_of(b, tau->s[t]);
        for (int i = 0; i < N_THETA; i++) g[i] += b->score[(tau->s[t] * NA + tau->a[t]) * N_THETA + i] * A;
    }
}

static void turn_trained(void *context, const traj *tau, double *g)
{
    struct problem *b = context;
    const a3c_config c = { .c_V = 1 };
    const network f = critic_V(&b->agent->pi);
    double V[MOST_H], A[MOST_H], R[MOST_H], d_theta[N_THETA + NA], d_phi[N_PHI], V_end;
    memset(g, 0, N_THETA * sizeof *g);
    if (tau->T == 0) return;
    agent_sees(b->agent, tau);
    critic_bootstrap(b->agent->t, &f, b->phi, b->agent->tau, V, &V_end);
    a3c_advantages(tau->T, tau->r, V, V_end, gamma_, A, R);
    for (int t = 1; t < tau->T && b->part == FIRST_STEP; t++) A[t] = 0;
    a3c_gradients(b->agent->t, &c, &b->agent->pi, &f, b->agent->theta, b->phi, b->agent->tau, A, R, d_theta,
                  d_phi);
    memcpy(g, d_theta, N_THETA * sizeof *g);
}

/* mean [N_THETA], and, unless NULL, variance [N_THETA], in which - v(s) shows */
static double over_all(struct problem b, estimator f, double *mean, double *variance)
{
    enumerate_moments(b.own.M, b.own.f->x->pi, b.H, f, &b, N_THETA, mean, variance);
    problem_free(&b);
    return 0;
}

static int    n_theta(const setting *x)   { (void)x; return N_THETA; }
static int    n_moments(const setting *x) { (void)x; return 2 * N_THETA; }
/* u N H^2 W: H weights of W = sum gamma^t max|r| + |V| <= 3, each a sum of as many; variances: u N H (H W)^2 */
static double unit_turn(const setting *x)    { (void)x; return DBL_EPSILON * NS * MOST_H * MOST_H * 3; }
static double unit_moments(const setting *x) { return unit_turn(x) * MOST_H * 3; }

/* A3C-2   grad log pi(a_t|s_t) delta_t: sum_s mu0 sum_a pi sum_s' P score (r + gamma v(s') - v(s)), and of squares */
static double one_step_by_model(const setting *x, double *g)
{
    (void)x;
    struct problem b = problem_new(1);
    const mdp *M = b.own.M;
    memset(g, 0, 2 * N_THETA * sizeof *g);
    for (int i = 0; i < NS * NA; i++)
        for (int k = M->row[i]; k < M->row[i + 1] && !mdp_absorbing(M, i / NA); k++) {
            double v_next = mdp_absorbing(M, M->next[k]) ? 0 : V_of(&b, M->next[k]);
            double delta = M->R[k] + gamma_ * v_next - V_of(&b, i / NA);
            double p = M->mu0[i / NA] * b.own.f->x->pi[i] * M->P[k];
            for (int j = 0; j < N_THETA; j++) {
                g[j] += p * delta * b.score[i * N_THETA + j];
                g[N_THETA + j] += p * gsl_pow_2(delta * b.score[i * N_THETA + j]);
            }
        }
    for (int j = 0; j < N_THETA; j++) g[N_THETA + j] -= g[j] * g[j];
    problem_free(&b);
    return 0;
}

static double of_turn(int H, estimator f, double *g) { return over_all(problem_new(H), f, g, g + N_THETA); }

static double one_step_trained(const setting *x, double *g) { (void)x; return of_turn(1, turn_trained, g); }

static double one_step_without_V(const setting *x, double *g)
{
    (void)x;
    struct problem b = problem_new(1);
    b.how = WITHOUT_V_END;
    return over_all(b, turn_by_hand, g, g + N_THETA);
}

/* A3C-5   v = V_pi: then E[grad log pi(a_0|s_0) delta_0^(n)] = sum_s mu0 sum_a pi A_pi score, for every n */
static exact *infinite(const struct problem *b)
{
    char error[256];
    exact *x = exact_new(b->own.M, gamma_, b->own.f->theta, error, sizeof error);
    require(x, "%s", error);
    return x;
}

static double by_advantage(const setting *x, double *g)
{
    (void)x;
    struct problem b = problem_new(1);
    exact *pi = infinite(&b);
    memset(g, 0, N_THETA * sizeof *g);
    for (int i = 0; i < NS * NA; i++)
        for (int j = 0; j < N_THETA; j++)
            g[j] += b.own.M->mu0[i / NA] * pi->pi[i] * pi->A[i] * b.score[i * N_THETA + j];
    exact_free(pi);
    problem_free(&b);
    return 0;
}

static double first_step(int H, bool V_pi, double *g)
{
    struct problem b = problem_new(H);
    exact *pi = infinite(&b);
    b.part = FIRST_STEP;
    for (int s = 0; s < NS && V_pi; s++) b.phi[s] = pi->V[s] - b.phi[NS];
    exact_free(pi);
    return over_all(b, turn_trained, g, NULL);
}

static double first_of_two(const setting *x, double *g)      { (void)x; return first_step(2, true, g); }
static double first_of_three(const setting *x, double *g)    { (void)x; return first_step(3, true, g); }
static double first_of_another_V(const setting *x, double *g) { (void)x; return first_step(3, false, g); }

/* A3C-6   sum_k grad log pi(a_{t+k}|s_{t+k}) (G_{t+k}^(n-k) - v(s_{t+k})) */
static double sum_by_hand(const setting *x, double *g) { (void)x; return of_turn(3, turn_by_hand, g); }
static double sum_trained(const setting *x, double *g) { (void)x; return of_turn(3, turn_trained, g); }
static double sum_of_one_steps(const setting *x, double *g)
{
    (void)x;
    struct problem b = problem_new(3);
    b.how = ONE_STEP_TARGETS;
    return over_all(b, turn_by_hand, g, g + N_THETA);
}

/* ---- whole runs: x = (theta, phi) after some 500 steps of 3 workers, tables, plain steps ---- */

#define WHOLE_RUN "E5x, episodes of at most 7 steps; 3 workers, t_max = 4, plain steps, some 500 steps in all"
enum { N = 3, T_MAX = 4, LIMIT = 7, N_ALL = NS * NA + NA + NS + 1 };
static const a3c_config run_config = {
    .workers = N, .t_max = T_MAX, .gamma = 0.9, .c_V = 1, .beta = 0.1, .lr = 0.1, .lr_V = 0.05,
    .optimiser = A3C_SGD, .schedule = SCHEDULE_RANDOM, .locks = 1 };

/* What a control does otherwise */
enum other { NOTHING = 0, WEIGHT_R = 1, D_NOT_RESET = 2, NEVER_COPIED = 4, R_IS_0 = 8, R_IS_V = 16, ONE_RULE = 32,
             OWN_VECTORS = 64 };

struct hand { int other; double x[N][N_ALL], copy[N][N_ALL], d[N][N_ALL]; long steps; };     /* x[0]: shared */

static double V_in(const double *x, int s) { return x[NS * NA + NA + s] + x[N_ALL - 1]; }

/* d += of one step, in the tables' closed forms */
static void accumulate(const double *x, int s, int a, double R, int other, double *d)
{
    double z[NA], Z = 0, H = 0, A = R - (other & WEIGHT_R ? 0 : V_in(x, s));
    for (int b = 0; b < NA; b++) Z += exp(z[b] = x[s * NA + b] + x[NS * NA + b]);
    for (int b = 0; b < NA; b++) H -= exp(z[b]) / Z * (z[b] - log(Z));
    for (int b = 0; b < NA; b++) {
        double pi = exp(z[b]) / Z, up = ((a == b) - pi) * A - run_config.beta * pi * (z[b] - log(Z) + H);
        d[s * NA + b] += up;
        d[NS * NA + b] += up;
    }
    d[NS * NA + NA + s] += -2 * (R - V_in(x, s));
    d[N_ALL - 1] += -2 * (R - V_in(x, s));
}

static void turn(struct hand *h, int i, run_worker *w)
{
    int s[T_MAX], a[T_MAX], T = 0;
    double r[T_MAX], *x = h->copy[i], *d = h->d[i], *to = h->x[h->other & OWN_VECTORS ? i : 0];
    bool terminated = false, truncated;
    if (w->env->over) env_reset(w->env, w->env_rng);
    for (; T < T_MAX && !w->env->over; T++) {
        double z[NA];
        s[T] = env_state(w->env);
        for (int b = 0; b < NA; b++) z[b] = x[s[T] * NA + b] + x[NS * NA + b];
        a[T] = categorical_sample(w->policy_rng, NA, z);
        env_step(w->env, &(double){ a[T] }, &r[T], &terminated, &truncated);
    }
    bool zero = h->other & R_IS_V ? false : h->other & R_IS_0 ? true : terminated;
    double R = zero ? 0 : V_in(x, env_state(w->env));                           /* A3C-13 */
    if (!(h->other & D_NOT_RESET)) memset(d, 0, N_ALL * sizeof *d);             /* A3C-11 */
    for (int t = T - 1; t >= 0; t--) accumulate(x, s[t], a[t], R = r[t] + gamma_ * R, h->other, d);
    for (int k = 0; k < N_ALL; k++) {                                           /* A3C-16 */
        bool of_V = k >= NS * NA + NA;
        to[k] += !of_V ? run_config.lr * d[k] : (h->other & ONE_RULE ? 1 : -1) * run_config.lr_V * d[k];
    }
    h->steps += T;
}

static env *environment(const mdp *M)
{
    env *e = env_mdp_new(M);
    e->limit = LIMIT;
    return e;
}

/* The turns of that order */
static struct hand *by_hand(uint64_t seed, const char *order, int other)
{
    mdp *M = mdp_builtin("E5x");
    run *streams = run_new("by hand", environment(M), seed, 0);
    env *e = streams->env;
    policy p = a3c_policy(e, &run_config);
    network f = critic_V(&p);
    struct hand *h = allocate(1, sizeof *h, "workers");
    h->other = other;
    run_workers(streams, N);
    policy_init(&p, streams->init_rng, h->x[0]);
    network_init_orthogonal(&f, sqrt(2), 1, streams->init_rng, h->x[0] + p.n);
    for (int i = 0; i < N; i++) memcpy(h->copy[i], memcpy(h->x[i], h->x[0], sizeof h->x[0]), sizeof h->x[0]);
    for (; *order; order++) {
        int i = *order - (*order >= 'a' ? 'a' : 'A');
        if (*order >= 'a' && !(other & NEVER_COPIED))
            memcpy(h->copy[i], h->x[other & OWN_VECTORS ? i : 0], sizeof h->copy[i]);
        else if ('A' <= *order && *order <= 'Z') turn(h, i, &streams->worker[i]);
        if (fabs(V_in(h->x[0], 0)) > 100) break;        /* only where V diverges, before numbers overflow */
    }
    run_free(streams);
    env_free(e);
    mdp_free(M);
    return h;
}

/* A run, with theta [N_ALL] and the order of its turns */
static run *trained(uint64_t seed, int kind)
{
    mdp *M = mdp_builtin("E5x");
    a3c_config c = run_config;
    c.schedule = kind;
    run *r = run_new("derive", environment(M), seed, 1);
    a3c(r, &c);
    env_free(r->env);
    mdp_free(M);
    return r;
}

enum { N_SHOWN = NS * NA + NA };                        /* theta: what a run leaves */
static int    n_shown(const setting *x) { (void)x; return N_SHOWN; }
static int    n_counts(const setting *x) { (void)x; return 2; }
/* Some 200 turns, each a sum of 4 steps over 6 states; differences grow in 1 + alpha at most a step */
static double unit_run(const setting *x) { (void)x; return DBL_EPSILON * 200 * NS * T_MAX; }
static double run_by_hand_but(const setting *x, int other, double *theta)
{
    run *r = trained(x->seed, SCHEDULE_RANDOM);
    struct hand *h = by_hand(x->seed, r->schedule, other);
    memcpy(theta, h->x[0], N_SHOWN * sizeof *theta);
    free(h);
    run_free(r);
    return 0;
}

static double run_by_hand(const setting *x, double *theta)  { return run_by_hand_but(x, NOTHING, theta); }
static double without_V(const setting *x, double *theta)    { return run_by_hand_but(x, WEIGHT_R, theta); }
static double own_vectors(const setting *x, double *theta)  { return run_by_hand_but(x, OWN_VECTORS, theta); }
static double not_reset(const setting *x, double *theta)    { return run_by_hand_but(x, D_NOT_RESET, theta); }
static double never_copied(const setting *x, double *theta) { return run_by_hand_but(x, NEVER_COPIED, theta); }
static double R_always_0(const setting *x, double *theta)   { return run_by_hand_but(x, R_IS_0, theta); }
static double R_always_V(const setting *x, double *theta)   { return run_by_hand_but(x, R_IS_V, theta); }
static double one_rule(const setting *x, double *theta)     { return run_by_hand_but(x, ONE_RULE, theta); }

static double run_trained(const setting *x, double *theta)
{
    run *r = trained(x->seed, SCHEDULE_RANDOM);
    memcpy(theta, r->theta, N_SHOWN * sizeof *theta);
    run_free(r);
    return 0;
}

/* A3C-12: T, of a run by one thread; and of one by threads, less what their turns were, by hand */
static double T_of_threads(uint64_t seed, bool t_max_each, double *T)
{
    for (int k = 0; k < 2; k++) {
        run *r = trained(seed, k ? SCHEDULE_THREADS : SCHEDULE_RANDOM);
        struct hand *h = by_hand(seed, r->schedule, NOTHING);
        long turns = 0;
        for (const char *c = r->schedule; *c; c++) turns += 'A' <= *c && *c <= 'Z';
        T[k] = (double)(t_max_each && k == 0 ? T_MAX * turns : r->steps) - (k ? (double)h->steps : 0);
        free(h);
        run_free(r);
    }
    return 0;
}

static double T_counted(const setting *x, double *T) { return T_of_threads(x->seed, false, T); }
static double T_all_turns_whole(const setting *x, double *T) { return T_of_threads(x->seed, true, T); }

static double T_by_hand(const setting *x, double *T)
{
    run *r = trained(x->seed, SCHEDULE_RANDOM);
    struct hand *h = by_hand(x->seed, r->schedule, NOTHING);
    T[0] = (double)h->steps;
    T[1] = 0;
    free(h);
    run_free(r);
    return 0;
}

/* A3C-30  as many turns, but all copy, and then all apply */
static double all_together(const setting *x, double *theta)
{
    static const char round[] = "abcABC";
    run *r = trained(x->seed, SCHEDULE_RANDOM);
    for (size_t i = 0; r->schedule[i]; i++) r->schedule[i] = round[i % 6];
    struct hand *h = by_hand(x->seed, r->schedule, NOTHING);
    memcpy(theta, h->x[0], N_SHOWN * sizeof *theta);
    free(h);
    run_free(r);
    return 0;
}

static void page_of_order(const setting *x, FILE *out)
{
    run *r = trained(x->seed, SCHEDULE_RANDOM);
    fprintf(out, "What the workers did, at first. a: worker 0 copies theta; A: it applies its update\n  %.72s\n",
            r->schedule);
    run_free(r);
}

/* ---- A3C-18, QAC-12: how much the samples of a batch have in common ---- */

/* A ring of 4 states: to stay, or one on, or one back. Two actions: .7 and .9 to stay; pi = 1/2 each: .8.
 * Started evenly, which is how it stays. f(s) = cos(2 pi s / 4 + .3) is an eigenvector of P: its
 * autocorrelation is .8^k, as .8 + .2 cos(2 pi / 4) = .8. */
#define RING "a ring of 4 states, .8 to stay, .1 to either side; f(s) = cos(2 pi s / 4 + .3); 4 steps of each stream"
enum { RING_S = 4, STEPS = 4, COUNTS = 3 };
static const int streams_n[COUNTS] = { 1, 4, 16 };

static mdp *ring(void)
{
    mdp_builder *b = mdp_begin("ring", RING_S, 2, 0.9);
    for (int s = 0; s < RING_S; s++) {
        mdp_start(b, s, 1.0 / RING_S);
        for (int a = 0; a < 2; a++) {
            double move = a ? 0.05 : 0.15;
            mdp_transition(b, s, a, s, 1 - 2 * move, 0);
            mdp_transition(b, s, a, (s + 1) % RING_S, move, 1);
            mdp_transition(b, s, a, (s + 3) % RING_S, move, 1);
        }
    }
    return mdp_finish(b);
}

static double f_of(int s) { return cos(M_PI / 2 * s + 0.3); }
enum { VARIANCE_INVERSE = 2 };                          /* Var f = 1/2; its mean is 0 */

static int n_counts_of_streams(const setting *x) { (void)x; return COUNTS; }

/* The mean over all pairs of n samples of one stream, each with itself, too: (n + 2 sum_k (n-k) .8^k) / n^2 */
static double mean_correlation(int n)
{
    double sum = n;
    for (int k = 1; k < n; k++) sum += 2 * (n - k) * pow(0.8, k);
    return sum / (n * n);
}

/* A3C-18  N streams of n steps: pairs of two streams have nothing in common, so that 1/N is left */
static double by_eigenvalue(const setting *x, double *out)
{
    (void)x;
    for (int i = 0; i < COUNTS; i++) out[i] = mean_correlation(STEPS) / streams_n[i];
    return 0;
}

/* The same by the transition matrix: f^T D P^k f */
static double by_matrix(const setting *x, double *out)
{
    char error[256];
    (void)x;
    mdp *M = ring();
    double logits[2 * RING_S] = { 0 }, sum = 0;
    exact *pi = exact_new(M, M->gamma, logits, error, sizeof error);
    require(pi, "%s", error);
    for (int i = 0; i < STEPS; i++) {
        double now[RING_S], next[RING_S];
        for (int s = 0; s < RING_S; s++) now[s] = f_of(s);
        for (int k = 0; i + k < STEPS; k++) {
            for (int s = 0; s < RING_S; s++)
                sum += (k ? 2 : 1) * VARIANCE_INVERSE * M->mu0[s] * f_of(s) * now[s] / (STEPS * STEPS);
            for (int s = 0; s < RING_S; s++) {
                next[s] = 0;
                for (int s1 = 0; s1 < RING_S; s1++) next[s] += pi->P_pi[s * RING_S + s1] * now[s1];
            }
            memcpy(now, next, sizeof now);
        }
    }
    for (int i = 0; i < COUNTS; i++) out[i] = sum / streams_n[i];
    exact_free(pi);
    mdp_free(M);
    return 0;
}

/* The same over all trajectories: the batch's mean of f has the variance of one stream's over N */
static void stream_mean(void *context, const traj *tau, double *mean)
{
    (void)context;
    *mean = 0;
    for (int t = 0; t < tau->T; t++) *mean += f_of(tau->s[t]) / STEPS;
}

static double by_enumeration(const setting *x, double *out)
{
    (void)x;
    mdp *M = ring();
    double pi[2 * RING_S], mean, variance;
    for (int i = 0; i < 2 * RING_S; i++) pi[i] = 0.5;
    enumerate_moments(M, pi, STEPS, stream_mean, NULL, 1, &mean, &variance);
    for (int i = 0; i < COUNTS; i++) out[i] = variance * VARIANCE_INVERSE / streams_n[i];
    mdp_free(M);
    return 0;
}

static double in_one_stream(const setting *x, double *out)
{
    (void)x;
    for (int i = 0; i < COUNTS; i++) out[i] = mean_correlation(STEPS * streams_n[i]);
    return 0;
}

static double independent(const setting *x, double *out)
{
    (void)x;
    for (int i = 0; i < COUNTS; i++) out[i] = 1.0 / (STEPS * streams_n[i]);
    return 0;
}

static void page_of_batches(const setting *x, FILE *out)
{
    (void)x;
    fprintf(out, "The mean correlation of all pairs in a batch of 64 samples, each with itself, too (1/64 = %.4f"
            " where"
            " they are independent):\n  streams  steps of each  correlation\n", 1.0 / 64);
    for (int n = 1; n <= 64; n *= 4) fprintf(out, "%9d %14d %12.4f\n", n, 64 / n, mean_correlation(64 / n) / n);
    fprintf(out, "More streams, less in common; but what a worker sees in its own turn stays correlated.\n");
}

/* QAC-12  the same, measured: actors in environments of their own. How far off, in standard errors */
enum { BATCHES = 2000 };

static double measured(uint64_t seed, int streams, double *error)
{
    mdp *M = ring();
    run *r = run_new("derive", env_mdp_new(M), seed, 0);
    env *e = r->env;
    e->limit = STEPS;                                   /* every segment starts evenly */
    run_workers(r, streams);
    policy p = policy_of(e, 0, NULL, AD_LINEAR);
    double *theta = allocate((size_t)p.n, sizeof *theta, "theta"), sum = 0, squares = 0;
    actor *pi = actor_new(&p, theta);
    rollout *b = rollout_new(e);
    for (int k = 0; k < BATCHES; k++) {
        double mean = 0;
        rollout_clear(b);
        for (int i = 0; i < streams; i++) {
            run_worker *w = &r->worker[i];
            rollout_segment(b, b->T + STEPS, w->env, w->env_rng, pi, w->policy_rng);
        }
        for (int t = 0; t < b->T; t++)
            for (int s = 0; s < RING_S; s++) mean += b->s[t * RING_S + s] * f_of(s) / b->T;
        double y = VARIANCE_INVERSE * mean * mean;
        sum += y / BATCHES;
        squares += y * y / BATCHES;
    }
    *error = sqrt((squares - sum * sum) / (BATCHES - 1));
    rollout_free(b);
    actor_free(pi);
    free(theta);
    run_free(r);
    env_free(e);
    mdp_free(M);
    return sum;
}

static double errors_from(const setting *x, const double *predicted, double *z)
{
    for (int i = 0; i < COUNTS; i++) {
        double error, found = measured(x->seed, streams_n[i], &error);
        z[i] = fabs(found - predicted[i]) / error;
    }
    return 0;
}

static double from_the_chain(const setting *x, double *z)
{
    double predicted[COUNTS];
    by_eigenvalue(x, predicted);
    return errors_from(x, predicted, z);
}

static double from_independence(const setting *x, double *z)
{
    double predicted[COUNTS];
    independent(x, predicted);
    return errors_from(x, predicted, z);
}

#define TRAINING "over all trajectories, through algorithms/a3c.c"
#define IN_ORDER "by hand, tables in closed form, in the order that the run wrote down"
#define TRAINED "algorithms/a3c.c, schedule = random"

const derivation asynchrony[] = {
    { "A3C-2", "a worker's gradient of one step: its score times its TD error",
      "mean and variance of dtheta, one step", n_moments, unit_moments, NULL, NULL, {
        { "\\sum_s\\rho_0(s)\\sum_a\\pi(a|s)\\nabla\\log\\pi(a|s)\\sum_{s'}P(s'|s,a)(r+\\gamma v(s')-v(s))",
          "through the model; v is no value of pi", one_step_by_model },
        { "=E[\\nabla\\log\\pi_{\\theta'}(a_t|s_t)\\,\\delta_t]", TRAINING ", t_max = 1", one_step_trained },
        { "E[\\nabla\\log\\pi(a_t|s_t)(r_{t+1}-v(s_t))]", "the control: without gamma v(s_t+1)",
          one_step_without_V,
          DIFFERS } },
      ONE_TURN },
    { "A3C-5", "with v = V_pi the n-step gradient has the mean of A_pi times score", "E[dtheta] of the first step",
      n_theta, unit_turn, NULL, NULL, {
        { "\\sum_s\\rho_0(s)\\sum_a\\pi(a|s)A^\\pi(s,a)\\nabla\\log\\pi(a|s)", "A_pi exact", by_advantage },
        { "=E[\\nabla\\log\\pi(a_0|s_0)(G_0^{(2)}-v(s_0))]", TRAINING ", n = 2", first_of_two },
        { "=E[\\nabla\\log\\pi(a_0|s_0)(G_0^{(3)}-v(s_0))]", "n = 3", first_of_three },
        { "v\\ne V^\\pi", "the control: another v, n = 3", first_of_another_V, DIFFERS } },
      ONE_TURN },
    { "A3C-6", "a turn's gradient: each step looks as far as the turn goes",
      "mean and variance of dtheta, three steps", n_moments, unit_moments, NULL, NULL, {
        { "\\sum_{k=0}^{n-1}\\nabla\\log\\pi(a_{t+k}|s_{t+k})(G_{t+k}^{(n-k)}-v(s_{t+k}))",
          "over all trajectories, by hand: powers of gamma, scores in closed form", sum_by_hand },
        { "=\\text{the backward loop}", TRAINING, sum_trained },
        { "\\sum_k\\nabla\\log\\pi(a_{t+k}|s_{t+k})(G_{t+k}^{(1)}-v(s_{t+k}))", "the control: one step each",
          sum_of_one_steps, DIFFERS } },
      ONE_TURN },
    { "A3C-1", "asynchronous actor-learners, advantage actor-critic, one vector, no replay", "theta[i] at the end",
      n_shown, unit_run, NULL, NULL, {
        { "\\theta", IN_ORDER, run_by_hand },
        { "=\\theta", TRAINED, run_trained },
        { "\\text{AC}=\\text{asynchronous}+\\text{actor-critic}",
          "002 l.20, literally: the third A is missing, and with it - V(s)", without_V, DIFFERS, "ERR-48" },
        { "\\theta_0,\\dots,\\theta_{N-1}", "the control: nothing shared; worker 0's", own_vectors, DIFFERS } },
      WHOLE_RUN },
    { "A3C-11", "a turn begins: d <- 0, theta' = theta", "theta[i] at the end", n_shown, unit_run, NULL, NULL, {
        { "d\\theta\\leftarrow0,\\ \\theta'=\\theta", IN_ORDER, run_by_hand },
        { "=\\theta", TRAINED, run_trained },
        { "d\\theta", "the control: not reset", not_reset, DIFFERS },
        { "\\theta'=\\theta_0", "the control: copied once, at the start", never_copied, DIFFERS } },
      WHOLE_RUN },
    { "A3C-12", "act until terminal or t_max; T counts all", "T; T of 3 threads, less their turns' steps",
      n_counts,
      unit_of_one, NULL, NULL, {
        { "\\sum_i(t-t_{start}),\\quad0", IN_ORDER ", its steps added up", T_by_hand },
        { "=T,\\quad T-\\sum_i(t-t_{start})", TRAINED "; and by threads", T_counted },
        { "t_{max}\\cdot\\text{turns}", "the control: a turn that goes on behind the end of an episode",
          T_all_turns_whole, DIFFERS } },
      WHOLE_RUN },
    { "A3C-13", "R = 0 where the episode terminated, else V(s_t; theta_v')", "theta[i] at the end", n_shown,
      unit_run,
      NULL, NULL, {
        { "R=0\\ \\text{or}\\ V(s_t;\\theta'_v)", IN_ORDER, run_by_hand },
        { "=\\theta", TRAINED, run_trained },
        { "R=0", "000 l.250 says nothing; 0 always, behind t_max and the time limit, too", R_always_0, DIFFERS,
          "ERR-20" },
        { "R=V(s_t;\\theta'_v)", "the control: always, behind the end, too", R_always_V, DIFFERS } },
      WHOLE_RUN },
    { "A3C-16", "theta goes up along dtheta, theta_v down along dtheta_v", "theta[i] at the end", n_shown,
      unit_run, NULL,
      NULL, {
        { "\\theta\\leftarrow\\theta+\\alpha\\,d\\theta,\\quad\\theta_v\\leftarrow\\theta_v-\\alpha_v\\,d\\theta_v",
          IN_ORDER, run_by_hand },
        { "=\\theta", TRAINED, run_trained },
        { "\\theta_v\\leftarrow\\theta_v+\\alpha_v\\,d\\theta_v",
          "000 l.252 updates both by d_theta, d_w alike: V goes away from R", one_rule, DIFFERS, "ERR-20" } },
      WHOLE_RUN },
    { "A3C-30", "a worker copies, acts, sends its update; none waits for the others",
      "theta[i] at the end", n_shown,
      unit_run, NULL, NULL, {
        { "\\theta\\ \\text{after}\\ acACaA\\dots", IN_ORDER, run_by_hand },
        { "=\\theta", TRAINED "; of threads: tests/test_a3c.c", run_trained },
        { "\\theta\\ \\text{after}\\ abcABC\\,abcABC\\dots",
          "004 l.38: all copy, and one update uses the gradients of all: that is A2C", all_together, DIFFERS,
          "ERR-81" } },
      WHOLE_RUN, page_of_order },
    { "A3C-18", "N streams: the samples of a batch have 1/N of the correlation of one",
      "mean correlation of all pairs, N = 1, 4, 16", n_counts_of_streams, unit_of_one, NULL, NULL, {
        { "\\frac1{Nn^2}(n+2\\sum_{k<n}(n-k)0.8^k)", "powers of the second eigenvalue",
          by_eigenvalue },
        { "=\\frac1{Nn^2\\,\\mathrm{Var}f}\\sum_{i,j<n}f^TDP^{|i-j|}f", "powers of the transition matrix",
          by_matrix },
        { "=\\mathrm{Var}[\\bar f]/\\mathrm{Var}f", "over all trajectories of a stream; streams are independent",
          by_enumeration },
        { "\\frac1{(Nn)^2}\\sum_{i,j<Nn}0.8^{|i-j|}", "the control: as many samples of one stream", in_one_stream,
          DIFFERS },
        { "\\frac1{Nn}", "the control: independent samples. Parallel actors do not make them so", independent,
          DIFFERS } },
      RING, page_of_batches },
    { "QAC-12", "an actor in step with its own past sees correlated data; in parallel less so",
      "distance from the prediction in standard errors, N = 1, 4, 16", n_counts_of_streams, unit_of_one, NULL,
      NULL, {
        { "5", "standard errors: a false alarm in 6e5, three times; c wrong by a quarter is 8 of them",
          .is = { 5, 5, 5 } },
        { "\\ge|\\hat c-c|/\\mathrm{s.e.}", "2000 batches of N actors, measured; c: A3C-18", from_the_chain,
          AT_MOST },
        { "\\le|\\hat c-\\tfrac1{Nn}|/\\mathrm{s.e.}", "the control: independent samples", from_independence,
          AT_LEAST } },
      RING, .trains = 0.3 },
    { .id = NULL }
};
