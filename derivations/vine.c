/* The vine's two estimators of TRPO's objective (002, l.271, image TRPO21; Schulman et al. 2015, eq (15), (16)),
 * through algorithms/trpo_vine.c: all actions from a state, each with a rollout, and K actions drawn,
 * self-normalised. */
#include <float.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/trpo_vine.h"
#include "autodiff/random.h"
#include "derivations/measured.h"

/* ---- TRPO-16: one state, three actions, over all tuples of K of them ---- */

enum { nA = 3, KS = 4, K_MOST = 6 };
static const int Ks[KS] = { 2, 3, 4, K_MOST };
static const double pi_old[nA] = { 0.5, 0.3, 0.2 }, pi_new[nA] = { 0.4, 0.25, 0.35 }, Q_of[nA] = { 1, -0.5, 2 };

static double mean_Q(const double *pi) { return pi[0] * Q_of[0] + pi[1] * Q_of[1] + pi[2] * Q_of[2]; }

/* f(the tuple) [n] by its probability, summed over all nA^K tuples of actions */
typedef void (*of_tuple)(int K, const int *a, double shift, double *out);
static void over_tuples(int K, of_tuple f, double shift, int n, double *sum)
{
    int a[K_MOST] = { 0 }, tuples = (int)lround(pow(nA, K));
    double out[nA];
    memset(sum, 0, (size_t)n * sizeof *sum);
    for (int i = 0; i < tuples; i++) {
        double p = 1;
        for (int k = 0, left = i; k < K; k++, left /= nA) p *= pi_old[a[k] = left % nA];
        f(K, a, shift, out);
        for (int j = 0; j < n; j++) sum[j] += p * out[j];
    }
}

/* L_n and, with pi_new, its change: a linear policy that sees 1; theta = W [nA], b [nA], whose gradients are equal */
static void trained(int K, const int *a, double shift, double *g)
{
    env e = { .observation = { .dim = 1 }, .action = { .n = nA, .dim = 1 } };
    const trpo_vine_config c = { .states = 1, .estimator = VINE_DRAWN, .actions = K };
    const policy p = trpo_vine_policy(&e, &c);
    double theta[2 * nA] = { 0 };
    vine v = vine_new(&p, &c);
    ad_tape *t = ad_tape_new();
    v.s[0] = 1;
    for (int k = 0; k < K; k++) {
        v.a[k] = v.index[k] = a[k];
        v.Q[k] = Q_of[a[k]] + shift;
    }
    for (int b = 0; b < nA; b++) theta[nA + b] = log(pi_old[b]);
    trpo_problem at = vine_problem_of(t, &c.trpo, &p, theta, &v);
    memcpy(g, ad_value(ad_grad(at.L, at.theta)), nA * sizeof *g);
    ad_tape_free(t);
    vine_free(&v);
}

static void ratio_of_sums(int K, const int *a, double shift, double *L)
{
    double log_ratio[K_MOST], Q[K_MOST];
    for (int k = 0; k < K; k++) log_ratio[k] = log(pi_new[a[k]] / pi_old[a[k]]), Q[k] = Q_of[a[k]] + shift;
    ad_tape *t = ad_tape_new();
    *L = ad_scalar(vine_L_drawn(ad_input(t, log_ratio, 1, K), ad_input(t, Q, 1, K)));
    ad_tape_free(t);
}

static int n_drawn(const setting *x) { (void)x; return nA * KS; }
/* u N M: up to 3^6 terms, compensated by their probabilities, each of ratios and Q below 4 */
static double unit_drawn(const setting *x) { (void)x; return DBL_EPSILON * K_MOST * 4; }

static double drawn_gradient(double shift, double *g)
{
    for (int i = 0; i < KS; i++) over_tuples(Ks[i], trained, shift, nA, g + nA * i);
    return 0;
}
static double drawn_trained(const setting *x, double *g) { (void)x; return drawn_gradient(0, g); }
static double drawn_shifted(const setting *x, double *g) { (void)x; return drawn_gradient(5, g); }

/* grad_z sum_a pi_a Q_a = pi_b (Q_b - sum_a pi_a Q_a), times 1 - 1/K: each Q_k less the mean that it is part of */
static double exact_gradient(bool biased, double *g)
{
    for (int i = 0; i < KS; i++)
        for (int b = 0; b < nA; b++)
            g[nA * i + b] = (biased ? 1 - 1.0 / Ks[i] : 1) * pi_old[b] * (Q_of[b] - mean_Q(pi_old));
    return 0;
}
static double drawn_exact(const setting *x, double *g)    { (void)x; return exact_gradient(true, g); }
static double drawn_unbiased(const setting *x, double *g) { (void)x; return exact_gradient(false, g); }

/* Of a ratio of means of K: K times its bias tends to L Var(r) - Cov(r Q, r), as E r = 1 */
static void page_of_bias(const setting *x, FILE *out)
{
    double L = mean_Q(pi_new), r2 = 0, r2Q = 0;
    (void)x;
    for (int a = 0; a < nA; a++) {
        double r = pi_new[a] / pi_old[a];
        r2 += pi_old[a] * r * r;
        r2Q += pi_old[a] * r * r * Q_of[a];
    }
    fprintf(out, "L_n at another policy, exactly %.6f; E[L_n] by enumeration, and K times its bias, which tends to\n"
                 "L Var(r) - Cov(r Q, r) = %.6f:\n", L, L * (r2 - 1) - (r2Q - L));
    for (int K = 2; K <= K_MOST; K++) {
        double E;
        over_tuples(K, ratio_of_sums, 0, 1, &E);
        fprintf(out, "  K = %d  %9.6f  %9.6f\n", K, E, K * (E - L));
    }
}

/* ---- TRPO-15: E5x, all states, all actions ---- */

enum { nS = 5, STATES = nS + 1, N_THETA = STATES * nA, SAMPLES = 3000, LONG = 1000 };
static const double gamma_ = 0.9;
enum ways { COMMON, INDEPENDENT, CUT };         /* CUT: rollouts of two steps, and nothing behind them */

struct problem {
    mdp *M;
    env *e;
    policy p;
    double theta[N_THETA + nA];                 /* pi by theta(s,a) = cos(s + 2a); a row of the end, and a bias, 0 */
    exact *x;
    actor *pi;
    rollout *b;
    gsl_rng *env_rng, *policy_rng;
    ad_tape *t;
    vine v;
};

static void problem_new(struct problem *b, uint64_t seed)
{
    const trpo_vine_config c = { .states = nS };
    *b = (struct problem){ .M = mdp_builtin("E5x"), .t = ad_tape_new() };
    for (int i = 0; i < nS * nA; i++) b->theta[i] = cos(i / nA + 2 * (i % nA));
    b->e = env_mdp_new(b->M);
    b->p = policy_of(b->e, 0, NULL, AD_LINEAR);
    b->x = measured_exact(b->M, b->theta);
    b->pi = actor_new(&b->p, b->theta);
    b->b = rollout_new(b->e);
    b->env_rng = random_stream(seed, 0, RANDOM_ENV);
    b->policy_rng = random_stream(seed, 0, RANDOM_POLICY);
    b->v = vine_new(&b->p, &c);
    for (int s = 0; s < nS; s++) b->v.s[s * STATES + s] = 1;
    for (int i = 0; i < nS * nA; i++) b->v.a[i] = b->v.index[i] = i % nA;
}

static void problem_free(struct problem *b)
{
    vine_free(&b->v);
    gsl_rng_free(b->policy_rng);
    gsl_rng_free(b->env_rng);
    rollout_free(b->b);
    actor_free(b->pi);
    exact_free(b->x);
    env_free(b->e);
    mdp_free(b->M);
    ad_tape_free(b->t);
}

/* Q^(s, a) by one rollout */
static double Q_hat(struct problem *b, int s, int a, int length)
{
    const double state = s, action = a;
    rollout_clear(b->b);
    vine_rollout(b->b, b->e, &state, 0, &action, length, b->env_rng, b->pi, b->policy_rng);
    return vine_Q(b->b->T, b->b->r, 0, gamma_);
}

/* Q [nA] of all actions from s; the steps taken */
static int Q_of_all(struct problem *b, int s, enum ways way, double *Q)
{
    int steps = 0;
    uint64_t env_at = random_position(b->env_rng), policy_at = random_position(b->policy_rng);
    for (int a = 0; a < nA; a++) {
        if (way == COMMON) random_seek(b->env_rng, env_at), random_seek(b->policy_rng, policy_at);
        Q[a] = Q_hat(b, s, a, way == CUT ? 2 : LONG);
        steps += b->b->T;
    }
    if (way == COMMON) {                        /* far beyond what any of them drew */
        random_seek(b->env_rng, env_at + 4 * LONG);
        random_seek(b->policy_rng, policy_at + 4 * LONG);
    }
    return steps;
}

/* g [N_THETA] of all states and actions, and sum_s V^(s), V^ = sum_a pi(a|s) Q^(s, a) */
static double vine_gradient(struct problem *b, enum ways way, double *g)
{
    double V = 0;
    for (int s = 0; s < nS; s++) Q_of_all(b, s, way, b->v.Q + s * nA);
    for (int i = 0; i < nS * nA; i++) V += b->x->pi[i] * b->v.Q[i];
    const trpo_config c = { .constraint = TRPO_MEAN };
    ad_mark start = ad_here(b->t);
    trpo_problem at = vine_problem_of(b->t, &c, &b->p, b->theta, &b->v);
    memcpy(g, ad_value(ad_grad(at.L, at.theta)), N_THETA * sizeof *g);
    ad_reset(b->t, start);
    return V;
}

/* TRPO-14 at as many calls: nA draws a ~ pi from each state, mean of grad log pi(a|s) Q^(s, a) */
static void path_gradient(struct problem *b, double *g)
{
    memset(g, 0, N_THETA * sizeof *g);
    for (int s = 0; s < nS; s++)
        for (int k = 0; k < nA; k++) {
            double a;
            actor_draw(b->pi, b->policy_rng, b->v.s + s * STATES, &a);
            double Q = Q_hat(b, s, (int)a, LONG);
            for (int i = 0; i < nA; i++) g[s * nA + i] += ((i == (int)a) - b->x->pi[s * nA + i]) * Q / (nS * nA);
        }
}

/* Mean, variance of each component; and those of V^, behind. The trace, and what V^'s variance is, with an error from
 * BATCHES parts of the samples. */
enum { BATCHES = 30 };
struct with_error { double value, error; };
struct moments { double mean[N_THETA + 1], variance[N_THETA + 1]; struct with_error trace, of_V; };

/* The variances summed from component `from` to `to` - 1, of n samples with these sums and sums of squares */
static double traced(int n, const double *sum, const double *squares, int from, int to)
{
    double trace = 0;
    for (int i = from; i < to; i++) trace += (squares[i] - sum[i] * sum[i] / n) / (n - 1);
    return trace;
}

/* The mean of the batches' and its standard error */
static struct with_error over_batches(const double *each)
{
    double mean = gsl_stats_mean(each, 1, BATCHES);
    return (struct with_error){ mean, gsl_stats_sd_m(each, 1, BATCHES, mean) / sqrt(BATCHES) };
}

/* a/b with both moved by two standard errors: up, or down */
static double ratio_end(struct with_error a, struct with_error b, int sign)
{
    return (a.value + sign * 2 * a.error) / (b.value - sign * 2 * b.error);
}

static struct moments moments_of(uint64_t seed, int way)         /* way < 0: single path */
{
    struct problem b;
    struct moments m = { { 0 } };
    double sum[N_THETA + 1] = { 0 }, squares[N_THETA + 1] = { 0 }, trace[BATCHES], of_V[BATCHES];
    problem_new(&b, seed);
    for (int k = 0; k < BATCHES; k++) {
        double part[N_THETA + 1] = { 0 }, part_squares[N_THETA + 1] = { 0 }, g[N_THETA + 1];
        for (int j = 0; j < SAMPLES / BATCHES; j++) {
            if (way < 0) path_gradient(&b, g), g[N_THETA] = 0;
            else g[N_THETA] = vine_gradient(&b, (enum ways)way, g);
            for (int i = 0; i <= N_THETA; i++) part[i] += g[i], part_squares[i] += g[i] * g[i];
        }
        trace[k] = traced(SAMPLES / BATCHES, part, part_squares, 0, N_THETA);
        of_V[k] = traced(SAMPLES / BATCHES, part, part_squares, N_THETA, N_THETA + 1);
        for (int i = 0; i <= N_THETA; i++) sum[i] += part[i], squares[i] += part_squares[i];
    }
    for (int i = 0; i <= N_THETA; i++) {
        m.mean[i] = sum[i] / SAMPLES;
        m.variance[i] = traced(SAMPLES, sum, squares, i, i + 1);
    }
    m.trace = over_batches(trace);
    m.of_V = over_batches(of_V);
    problem_free(&b);
    return m;
}

/* The greatest |z| of the gradient's components against (1/nS) pi(b|s) A(s,b), exact */
static double greatest_z(uint64_t seed, const struct moments *m)
{
    struct problem b;
    double z = 0;
    problem_new(&b, seed);
    for (int i = 0; i < nS * nA; i++)
        z = fmax(z, fabs(m->mean[i] - b.x->pi[i] * b.x->A[i] / nS) / sqrt(m->variance[i] / SAMPLES));
    problem_free(&b);
    return z;
}

/* Whole episodes: Var of sum_t grad log pi(a_t|s_t) G_t, or with a vine at each s_t of the same trunk of
 * sum_t sum_a grad pi(a|s_t) Q^(s_t, a); times the steps that one takes. Vine over single path */
static double at_equal_steps(uint64_t seed)
{
    struct problem b;
    double sum[2][N_THETA] = { { 0 } }, squares[2][N_THETA] = { { 0 } }, steps[2] = { 0 }, trace[2] = { 0 };
    problem_new(&b, seed);
    for (int k = 0; k < SAMPLES; k++) {
        int s[LONG], a[LONG], T = 0;
        double r[LONG], Q[nA], g[2][N_THETA] = { { 0 } };
        rollout_clear(b.b);
        rollout_episode(b.b, b.e, b.env_rng, b.pi, b.policy_rng);
        for (T = 0; T < b.b->T && T < LONG; T++) {
            for (s[T] = 0; b.b->s[T * STATES + s[T]] == 0;) s[T]++;
            a[T] = b.b->index[T], r[T] = b.b->r[T];
        }
        steps[0] += T, steps[1] += T;
        for (int t = 0; t < T; t++) {
            const double *pi = b.x->pi + s[t] * nA;
            double G = vine_Q(T - t, r + t, 0, gamma_), V = 0;
            steps[1] += Q_of_all(&b, s[t], COMMON, Q);
            for (int i = 0; i < nA; i++) V += pi[i] * Q[i];
            for (int i = 0; i < nA; i++) {
                g[0][s[t] * nA + i] += ((i == a[t]) - pi[i]) * G;
                g[1][s[t] * nA + i] += pi[i] * (Q[i] - V);
            }
        }
        for (int w = 0; w < 2; w++)
            for (int i = 0; i < N_THETA; i++) sum[w][i] += g[w][i], squares[w][i] += g[w][i] * g[w][i];
    }
    for (int w = 0; w < 2; w++)
        for (int i = 0; i < N_THETA; i++)
            trace[w] += squares[w][i] / SAMPLES - sum[w][i] / SAMPLES * (sum[w][i] / SAMPLES);
    problem_free(&b);
    return trace[1] * steps[1] / (trace[0] * steps[0]);
}

static double as_said(const setting *x, double *out)
{
    struct moments common = moments_of(x->seed, COMMON), independent = moments_of(x->seed, INDEPENDENT);
    struct moments path = moments_of(x->seed, -1);
    out[0] = greatest_z(x->seed, &common);
    out[1] = ratio_end(common.trace, independent.trace, 1);
    out[2] = ratio_end(common.trace, path.trace, 1);
    return 0;
}

static double controls(const setting *x, double *out)
{
    struct moments common = moments_of(x->seed, COMMON), independent = moments_of(x->seed, INDEPENDENT);
    struct moments cut = moments_of(x->seed, CUT);
    out[0] = greatest_z(x->seed, &cut);
    out[1] = ratio_end(common.of_V, independent.of_V, -1);
    out[2] = at_equal_steps(x->seed);
    return 0;
}

static void page_of_variance(const setting *x, FILE *out)
{
    struct moments common = moments_of(x->seed, COMMON), independent = moments_of(x->seed, INDEPENDENT);
    struct moments path = moments_of(x->seed, -1);
    fprintf(out, "trace of the gradient's covariance, %d rollouts from each state (%d samples):\n", nA, SAMPLES);
    fprintf(out, "  all actions, common random numbers   %.5f +- %.5f\n"
                 "  all actions, independent             %.5f +- %.5f\n"
                 "  actions drawn (single path)          %.5f +- %.5f\n", common.trace.value, common.trace.error,
            independent.trace.value, independent.trace.error, path.trace.value, path.trace.error);
    fprintf(out, "A single path needs no resets, and gets a Q^ from each of its steps, a vine one from each\n"
                 "rollout: for whole episodes, variance times steps of the vine is %.2f times the single path's.\n",
            at_equal_steps(x->seed));
}

const derivation vine_estimators[] = {
    { "TRPO-15", "vine, all actions: unbiased, and of less variance at as many rollouts, more so with common numbers."
      " A bias of six standard errors is seen with probability .98, a variance lower by a tenth with .98",
      "greatest |z| of the gradient; variance, common over independent; vine over single path",
      count_three, unit_of_one,
      NULL, NULL, {
        { "4,\\quad1,\\quad1", "family-wise 1e-3 of 15 components; no gain", .is = { 4, 1, 1 } },
        { "\\ge\\frac{|\\hat g-g|}{se},\\quad\\frac{\\mathrm{Var}_{common}}{\\mathrm{Var}_{indep.}},\\quad"
          "\\frac{\\mathrm{Var}_{vine}}{\\mathrm{Var}_{path}}",
          "3000 samples through algorithms/trpo_vine.c, against (1/5) pi A of the exact layer; ratios with both"
          " variances two standard errors worse", as_said, AT_MOST },
        { "\\le\\frac{|\\hat g-g|}{se},\\quad\\frac{\\mathrm{Var}_{common}}{\\mathrm{Var}_{indep.}},\\quad"
          "\\frac{\\mathrm{Var}_{vine}\\cdot steps}{\\mathrm{Var}_{path}\\cdot steps}",
          "the controls: rollouts cut after two steps, nothing behind; the variance of sum pi Q^, in which common"
          " numbers add up, two errors lower; for whole episodes, variance times steps of the environment", controls,
          AT_LEAST } },
      "E5x, three rollouts from each state", page_of_variance, .trains = 3 },
    { "TRPO-16", "vine, K actions drawn, self-normalised: bias O(1/K), and none from a constant in Q",
      "E[grad L_n] in the logits, K = 2, 3, 4, 6", n_drawn, unit_drawn, NULL, NULL, {
        { "(1-\\frac1K)\\nabla\\sum_a\\pi_\\theta(a|s)Q(s,a)",
          "the quotient's derivative: each Q less the mean of K",
          drawn_exact },
        { "=E_{a_1..a_K\\sim\\pi}[\\nabla L_n]", "all 3^K tuples, through algorithms/trpo_vine.c", drawn_trained },
        { "=E[\\nabla L_n],\\quad Q+5", "a constant added to Q", drawn_shifted },
        { "\\nabla\\sum_a\\pi_\\theta(a|s)Q(s,a)", "the control: no bias", drawn_unbiased, DIFFERS } },
      "one state, pi = (.5, .3, .2), Q = (1, -.5, 2)", page_of_bias },
    { .id = NULL }
};
