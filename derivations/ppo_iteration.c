/* PPO's iterations: what the epochs climb to, when they stop, how many samples there are; and the whole of it by
 * hand. 000 (l.308-314), 002 (l.309-330, l.350, images PPO11, PPO17). */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/ppo_clip.h"
#include "algorithms/samples.h"
#include "autodiff/distribution.h"
#include "autodiff/linalg.h"
#include "autodiff/optimiser.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/measured.h"

#define EPS 0.2

/* ---- PPO-7: E5 under the uniform policy; a sample for each (s,a), weighted d(s) pi_k(a|s), not drawn ---- */

enum { CLIMB_EPOCHS = 100, MINIBATCHES = 3, OTHERS = 200 };

struct climb { mdp *M; exact *pi_k; policy p; network f; samples *all, *part; ad_tape *t; ppo_clip_config c; };

static struct climb climb_new(void)
{
    char error[256];
    struct climb b = { .M = mdp_builtin("E5"), .t = ad_tape_new(), .c = ppo_clip_defaults };
    int nS = b.M->nS, nA = b.M->nA;
    double *zero = allocate((size_t)(nS * nA), sizeof *zero, "logits");
    b.pi_k = exact_new(b.M, b.M->gamma, zero, error, sizeof error);
    require(b.pi_k, "%s", error);
    b.p = (policy){ .nA = nA, .d = nS, .k = 1, .f = { .layers = 1, .size = { nS, nA }, .hidden = AD_LINEAR } };
    b.p.n = network_n(&b.p.f);
    b.f = (network){ .layers = 1, .size = { nS, 1 }, .hidden = AD_LINEAR };
    b.c.eps = EPS;
    b.c.c1 = b.c.c2 = 0;
    b.all = samples_new(&b.p, nS * nA);
    b.part = samples_new(&b.p, nS * nA);
    b.all->T = nS * nA;
    for (int i = 0; i < nS * nA; i++) {
        b.all->s[i * nS + i / nA] = 1;
        b.all->a[i] = b.all->index[i] = i % nA;
        b.all->logp_old[i] = b.pi_k->logpi[i];
        b.all->A[i] = nS * nA * b.pi_k->d[i / nA] * b.pi_k->pi[i] * b.pi_k->A[i];
    }
    free(zero);
    return b;
}

static void climb_free(struct climb *b)
{
    ad_tape_free(b->t);
    samples_free(b->part);
    samples_free(b->all);
    exact_free(b->pi_k);
    mdp_free(b->M);
}

static double L_at(struct climb *b, const double *theta)
{
    return ppo_measure(b->t, &b->c, &b->p, theta, b->all).L;
}

/* PPO-7   theta_{k+1} = argmax E[L]: epochs of plain steps on minibatches, to where no sample has a slope left */
static double climbed(long epochs)
{
    struct climb b = climb_new();
    int order[64], T = b.all->T, M = T / MINIBATCHES;
    double theta[64] = { 0 }, phi[64] = { 0 }, g[128];
    gsl_rng *rng = random_stream(1, 0, RANDOM_UPDATE);
    require(b.p.n <= 64 && T <= 64, "%d parameters", b.p.n);
    for (long k = 0; k < epochs; k++) {
        samples_shuffle(rng, T, order);
        for (int i = 0; i < T; i += M) {
            samples_gather(b.part, b.all, order + i, M);
            ppo_gradient(b.t, &b.c, &b.p, &b.f, theta, phi, b.part, g);
            sgd_ascend(b.p.n, 2, theta, g);
        }
    }
    double L = L_at(&b, theta);
    gsl_rng_free(rng);
    climb_free(&b);
    return L;
}

/* Each sample at its bound: (1+eps) A or (1-eps) A, and E[A] = 0 */
static double at_the_bounds(const setting *x, double *out)
{
    struct climb b = climb_new();
    (void)x;
    *out = 0;
    for (int i = 0; i < b.all->T; i++) *out += EPS * fabs(b.all->A[i]) / b.all->T;
    climb_free(&b);
    return 0;
}

static double best_of_others(const setting *x, double *out)
{
    struct climb b = climb_new();
    gsl_rng *rng = random_stream(x->seed, 0, RANDOM_TEST);
    *out = -INFINITY;
    for (int k = 0; k < OTHERS; k++) {
        double theta[64];
        for (int i = 0; i < b.p.n; i++) theta[i] = (4 * gsl_rng_uniform(rng) - 2) * (k + 1) / OTHERS;
        *out = fmax(*out, L_at(&b, theta));
    }
    gsl_rng_free(rng);
    climb_free(&b);
    return 0;
}

static double after_epochs(const setting *x, double *out)   { (void)x; *out = climbed(CLIMB_EPOCHS); return 0; }
static double after_one(const setting *x, double *out)      { (void)x; *out = climbed(1); return 0; }
/* u T M: 15 samples, each of (1+eps) |A| N d pi < 4 */
static double unit_climb(const setting *x)                  { (void)x; return 64 * DBL_EPSILON; }

/* ---- PPO-11, PPO-13, PPO-34: training on E5x with a table ---- */

enum { N_THETA = 7 * 3, N_PHI = 7, STATES = 6, K = 8 };
static const double target[] = { 0.002, 0.01, 0.03 };
enum { TARGETS = sizeof target / sizeof *target };

static ppo_clip_config table_config(void)
{
    ppo_clip_config c = ppo_clip_defaults;
    c.workers = 1, c.n_steps = 32, c.epochs = K, c.minibatch = 32, c.gamma = 0.9, c.lambda = 0.8;
    c.normalise = PPO_NORMALISE_BATCH, c.clip_norm = 0, c.lr = c.lr_V = 0.1, c.adam_eps = 0.01;
    c.hidden = (widths){ 0 };
    return c;
}

/* theta [N_THETA], or NULL, after so many steps; those that were done */
static long trained(const ppo_clip_config *c, uint64_t seed, long steps, double *theta)
{
    mdp *M = mdp_builtin("E5x");
    run *r = measured_run(env_mdp_new(M), ppo_clip, c, seed, steps, INFINITY);
    long done = r->steps;
    if (theta) memcpy(theta, r->theta, N_THETA * sizeof *theta);
    measured_free(r);
    mdp_free(M);
    return done;
}

/* A batch, and (theta, phi), by hand */
struct iteration {
    run *r;
    env *e;
    int T, s[32], a[32];
    double reward[32], V_next[32], theta[N_THETA + N_PHI], logpi_old[32][3], V[32], A[32], R[32];
    bool ends[32];                              /* the segment, after this step */
};

static double V_of(const struct iteration *b, int s) { return b->theta[N_THETA + s] + b->theta[N_THETA + STATES]; }

static void logpi_of(const double *theta, int s, double *logpi)
{
    double Z = 0;
    for (int a = 0; a < 3; a++) Z += exp(theta[3 * s + a] + theta[3 * STATES + a]);
    for (int a = 0; a < 3; a++) logpi[a] = theta[3 * s + a] + theta[3 * STATES + a] - log(Z);
}

static void iteration_begin(struct iteration *b, mdp *M, uint64_t seed, int T)
{
    const policy p = { .nA = 3, .d = STATES, .k = 1, .n = N_THETA,
                       .f = { .layers = 1, .size = { STATES, 3 }, .hidden = AD_LINEAR } };
    const network f = { .layers = 1, .size = { STATES, 1 }, .hidden = AD_LINEAR };
    *b = (struct iteration){ .e = env_mdp_new(M), .T = T };
    b->r = run_new("by hand", b->e, seed, 0);                   /* its streams, and nothing else of it */
    policy_init(&p, b->r->init_rng, b->theta);
    network_init_orthogonal(&f, sqrt(2), 1, b->r->init_rng, b->theta + N_THETA);
}

static void iteration_end(struct iteration *b)
{
    run_free(b->r);
    env_free(b->e);
}

/* PPO-34   collect D_k with pi_k; A_t, R_t from V_k */
static void collect(struct iteration *b)
{
    double gamma = 0.9, lambda = 0.8, mean = 0, squares = 0;
    for (int t = 0; t < b->T; t++) {
        bool terminated, truncated;
        if (b->e->over) env_reset(b->e, b->r->env_rng);
        b->s[t] = env_state(b->e);
        logpi_of(b->theta, b->s[t], b->logpi_old[t]);
        b->a[t] = categorical_sample(b->r->policy_rng, 3, b->logpi_old[t]);
        env_step(b->e, &(double){ b->a[t] }, &b->reward[t], &terminated, &truncated);
        b->V[t] = V_of(b, b->s[t]);
        b->V_next[t] = terminated ? 0 : V_of(b, env_state(b->e));
        b->ends[t] = terminated || truncated;
    }
    for (int t = b->T - 1; t >= 0; t--) {
        double later = t == b->T - 1 || b->ends[t] ? 0 : b->A[t + 1];
        b->A[t] = b->reward[t] + gamma * b->V_next[t] - b->V[t] + gamma * lambda * later;
        b->R[t] = b->A[t] + b->V[t];
        mean += b->A[t] / b->T;
    }
    for (int t = 0; t < b->T; t++) squares += (b->A[t] - mean) * (b->A[t] - mean);
    for (int t = 0; t < b->T; t++) b->A[t] = (b->A[t] - mean) / (sqrt(squares / (b->T - 1)) + 1e-8);
}

/* g [N_THETA + N_PHI] of L^CLIP - .5 mean (V - R)^2 at theta, phi */
static void gradient_by_hand(const struct iteration *b, double *g)
{
    memset(g, 0, (N_THETA + N_PHI) * sizeof *g);
    for (int t = 0; t < b->T; t++) {
        double logpi[3], A = b->A[t], error = b->R[t] - V_of(b, b->s[t]);
        logpi_of(b->theta, b->s[t], logpi);
        double r = exp(logpi[b->a[t]] - b->logpi_old[t][b->a[t]]);
        bool flat = A > 0 ? r > 1 + EPS : r < 1 - EPS;
        for (int a = 0; a < 3; a++) {
            double up = flat ? 0 : r * A * ((a == b->a[t]) - exp(logpi[a])) / b->T;
            g[3 * b->s[t] + a] += up;
            g[3 * STATES + a] += up;
        }
        g[N_THETA + b->s[t]] += error / b->T;
        g[N_THETA + STATES] += error / b->T;
    }
}

/* PPO-34   theta_{k+1} = argmax L^CLIP, phi_{k+1} = argmin mean (V_phi - R_t)^2: K steps of Adam each */
static double iterated(uint64_t seed, int iterations, double *theta)
{
    mdp *M = mdp_builtin("E5x");
    struct iteration b;
    double g[N_THETA + N_PHI], m[N_THETA + N_PHI] = { 0 }, v[N_THETA + N_PHI] = { 0 };
    iteration_begin(&b, M, seed, 32);
    for (int k = 0, t = 1; k < iterations; k++) {
        collect(&b);
        for (int epoch = 0; epoch < K; epoch++, t++) {
            gradient_by_hand(&b, g);
            for (int i = 0; i < N_THETA + N_PHI; i++) {
                m[i] += 0.1 * (g[i] - m[i]);
                v[i] += 0.001 * (g[i] * g[i] - v[i]);
                b.theta[i] += 0.1 * m[i] / (1 - pow(0.9, t)) / (sqrt(v[i] / (1 - pow(0.999, t))) + 0.01);
            }
        }
    }
    memcpy(theta, b.theta, N_THETA * sizeof *theta);
    iteration_end(&b);
    mdp_free(M);
    return 0;
}

enum { ITERATIONS = 3 };
static int    n_theta(const setting *x)        { (void)x; return N_THETA; }
/* K steps of Adam, each lr/(sqrt v + .01) times a gradient known to u M: a mean of r A, at most 1.2 by 4 */
static double unit_iteration(const setting *x) { (void)x; return K * 0.1 / 0.01 * 5 * DBL_EPSILON; }

static double by_hand(const setting *x, double *out) { return iterated(x->seed, ITERATIONS, out); }

static double in_training(const setting *x, double *out)
{
    ppo_clip_config c = table_config();
    trained(&c, x->seed, ITERATIONS * 32, out);
    return 0;
}

static double not_clipped(const setting *x, double *out)
{
    ppo_clip_config c = table_config();
    c.objective = PPO_CPI;
    trained(&c, x->seed, ITERATIONS * 32, out);
    return 0;
}

/* PPO-11   mean over the first batch's states of KL(pi_old||pi_theta) */
static double kl_by_hand(uint64_t seed, const double *theta)
{
    mdp *M = mdp_builtin("E5x");
    struct iteration b;
    double kl = 0, logpi[3];
    iteration_begin(&b, M, seed, 32);
    collect(&b);
    for (int t = 0; t < b.T; t++) {
        logpi_of(theta, b.s[t], logpi);
        for (int a = 0; a < 3; a++) kl += exp(b.logpi_old[t][a]) * (b.logpi_old[t][a] - logpi[a]) / b.T;
    }
    iteration_end(&b);
    mdp_free(M);
    return kl;
}

/* theta after that many epochs, none stopped; their KL */
static double after_k(uint64_t seed, long k, double *theta)
{
    ppo_clip_config c = table_config();
    c.epochs = k;
    trained(&c, seed, 32, theta);
    return kl_by_hand(seed, theta);
}

static int n_stopped(const setting *x) { (void)x; return TARGETS * N_THETA; }

/* The first k epochs with KL > 1.5 target: what comes of k, and no more */
static double first_over(const setting *x, double *out)
{
    for (int i = 0; i < TARGETS; i++)
        for (long k = 1; k <= K && !(after_k(x->seed, k, out + i * N_THETA) > 1.5 * target[i]); k++) continue;
    return 0;
}

static double stopped_at(const setting *x, double times, double *out)
{
    ppo_clip_config c = table_config();
    for (int i = 0; i < TARGETS; i++) {
        c.target_kl = times * target[i];
        trained(&c, x->seed, 32, out + i * N_THETA);
    }
    return 0;
}

static double stopped(const setting *x, double *out)     { return stopped_at(x, 1, out); }
static double not_stopped(const setting *x, double *out) { return stopped_at(x, 0, out); }

/* 1 - J/J* of 11 runs with 50 epochs an update: stopped early, or target_kl = 0 */
static interval gap_of_epochs(uint64_t seed, double target_kl, long steps)
{
    enum { RUNS = 11 };
    mdp *M = mdp_builtin("E5x");
    double gap[RUNS], theta[N_THETA], best = measured_J_optimal(M);
    ppo_clip_config c = table_config();
    c.epochs = 50;
    c.target_kl = target_kl;
    for (int i = 0; i < RUNS; i++) {
        trained(&c, seed + (uint64_t)i, steps, theta);
        gap[i] = 1 - measured_J(M, theta) / best;
    }
    mdp_free(M);
    return measured_interval(RUNS, gap);
}

static void page_of_stops(const setting *x, FILE *out)
{
    double theta[N_THETA];
    static const long steps[] = { 320, 960, 1920 };
    fprintf(out, "epochs  mean KL(pi_old||pi), one batch of 32 samples in one minibatch\n");
    for (long k = 1; k <= K; k++) fprintf(out, "%6ld  %.5f\n", k, after_k(x->seed, k, theta));
    fprintf(out, "The epoch that carries it over 1.5 target is kept, and no other follows: 1.5 target is passed by"
            "\none step at most.\n\n1 - J/J* with 50 epochs, medians of 11 runs (98.8 %% intervals)\n steps"
            "     target .01             not stopped\n");
    for (int k = 0; k < 3; k++) {
        interval stops = gap_of_epochs(x->seed, 0.01, steps[k]), runs_on = gap_of_epochs(x->seed, 0, steps[k]);
        fprintf(out, "%6ld  %6.3f (%.3f .. %.3f)  %6.3f (%.3f .. %.3f)\n", steps[k], stops.median, stops.low,
                stops.high, runs_on.median, runs_on.low, runs_on.high);
    }
}

/* PPO-13   N T samples an update */
static double samples_of(long N, double *out)
{
    ppo_clip_config c = table_config();
    c.workers = N, c.n_steps = 50, c.epochs = 1, c.minibatch = N * 50;
    *out = (double)trained(&c, 1, 1, NULL);
    return 0;
}

static double of_hundred(const setting *x, double *out)   { (void)x; return samples_of(100, out); }
static double of_one(const setting *x, double *out)       { (void)x; return samples_of(1, out); }

const derivation ppo_iterations[] = {
    { "PPO-7", "theta_k+1 = argmax E[L]: epochs of minibatches go there; one step does not", "E[L]",
      count_one, unit_climb, NULL, NULL, {
        { "\\max_\\theta E_{s,a\\sim\\pi_{\\theta_k}}[L]=\\epsilon\\,E|A|",
          "every sample at its bound, (1+eps) A or (1-eps) A, and E[A] = 0", at_the_bounds },
        { "=E[L](\\theta_{k+1})",
          "after 100 epochs of three minibatches, plain steps along the training code's gradient: no sample has a"
          " slope left", after_epochs },
        { "\\ge E[L](\\theta)", "the best of 200 random policies", best_of_others, AT_MOST },
        { "\\text{one epoch}", "the control", after_one, DIFFERS } },
      "E5 under the uniform policy, each (s,a) weighted d(s) pi_k(a|s)" },
    { "PPO-11", "the epochs end when the mean KL(pi_old||pi) is over 1.5 target",
      "theta after an update, three targets",
      n_stopped, unit_iteration, NULL, NULL, {
        { "\\text{epochs}=\\min\\{k:KL(\\pi_{old}\\|\\pi_{\\theta^{(k)}})>1.5\\,\\text{target}\\}",
          "runs of 1, 2, .. epochs, the KL of each in closed form", first_over },
        { "=\\theta\\text{ of a run with the target}", "the training code stops there, by itself", stopped },
        { "\\theta\\text{ after all epochs}", "the control: not stopped", not_stopped, DIFFERS } },
      "E5x, one batch of 32 samples, 8 epochs; targets .002, .01, .03", page_of_stops },
    { "PPO-13", "N = 100 actors of T = 50 steps: 5000 samples an update", "samples", count_one, unit_of_one,
      NULL, NULL, {
        { "N\\,T=100\\cdot50", "each actor runs pi_old for T steps: T rows of N", .is = { 100 * 50 } },
        { "=5000", "the steps that a run counts after its first update", of_hundred },
        { "N=1", "the control: one actor", of_one, DIFFERS } },
      "E5x, one update" },
    { "PPO-34", "an iteration: collect, A_t and R_t, Adam on L^CLIP and on (V - R_t)^2",
      "theta after three iterations", n_theta, unit_iteration, NULL, NULL, {
        { "\\theta_{k+1}=\\arg\\max L^{CLIP},\\quad\\phi_{k+1}=\\arg\\min\\tfrac1{|D_k|T}\\sum(V_\\phi-\\hat R_t)^2",
          "step by step in plain loops: scores in closed form, eight steps of Adam each", by_hand },
        { "=\\theta\\text{ in training}", "ppo_clip from the same seed", in_training },
        { "L^{CPI}", "the control: not clipped", not_clipped, DIFFERS } },
      "E5x, a table, one actor, 32 samples an iteration" },
    { .id = NULL }
};
