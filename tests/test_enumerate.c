/* The enumerator and the estimators that run in it, against an oracle of its own: dense long double tables, values
 * by backward induction, every trajectory by a recursion that carries the estimate along, the exact gradient from
 * the derivative of J's recursion. It shares no code with what it checks. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gsl/gsl_randist.h>

#include "algorithms/psi.h"
#include "algorithms/returns.h"
#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "derivations/estimate.h"
#include "derivations/score_moments.h"

typedef long double real;
enum { S_MAX = 3, A_MAX = 3, N_MAX = S_MAX * A_MAX, H_MAX = 4, CASES = 24 };
static const char *const names[] = { "total-return", "reward-to-go", "baseline", "Q", "advantage", "td",
                                     "missing-gamma", "extra-return-index" };
enum { UNBIASED = 6, NAMES = 8 };

static void near(real x, real want, real bound, int line)
{
    if (!(fabsl(x - want) <= bound))
        fail_msg("line %d: %.18Lg, expected %.18Lg within %.2Lg", line, x, want, bound);
}
#define assert_near(x, want, bound) near(x, want, bound, __LINE__)

struct oracle {
    int nS, nA, H;
    real gamma, mu0[S_MAX], P[S_MAX][A_MAX][S_MAX], R[S_MAX][A_MAX][S_MAX], pi[S_MAX][A_MAX];
    bool absorbing[S_MAX];
    real V[H_MAX + 1][S_MAX], Q[H_MAX][S_MAX][A_MAX];           /* exact */
    real Vw[H_MAX + 1][S_MAX], Qw[H_MAX][S_MAX][A_MAX];         /* the critic's */
    int n;                                                      /* steps of n-step returns */
    real lambda;
};

struct example { mdp *M; struct oracle o; double theta[N_MAX]; policy_class *policy; finite_horizon *f; };

static void backward_induction(struct oracle *o)
{
    memset(o->V, 0, sizeof o->V);
    for (int t = o->H - 1; t >= 0; t--)
        for (int s = 0; s < o->nS; s++)
            for (int a = 0; a < o->nA; a++) {
                real Q = 0;
                for (int j = 0; j < o->nS; j++) Q += o->P[s][a][j] * (o->R[s][a][j] + o->gamma * o->V[t + 1][j]);
                o->Q[t][s][a] = Q;
                o->V[t][s] += o->pi[s][a] * Q;
            }
}

static void finish_example(struct example *e)
{
    struct oracle *o = &e->o;
    char error[256];
    for (int s = 0; s < o->nS; s++) {
        real sum = 0;
        for (int a = 0; a < o->nA; a++) sum += expl(e->theta[s * o->nA + a]);
        for (int a = 0; a < o->nA; a++) o->pi[s][a] = expl(e->theta[s * o->nA + a]) / sum;
    }
    backward_induction(o);
    memcpy(o->Vw, o->V, sizeof o->V);
    memcpy(o->Qw, o->Q, sizeof o->Q);
    mdp_builder *b = mdp_begin("example", o->nS, o->nA, (double)o->gamma);
    for (int s = 0; s < o->nS; s++) mdp_start(b, s, (double)o->mu0[s]);
    for (int s = 0; s < o->nS; s++)
        for (int a = 0; a < o->nA; a++)
            for (int j = 0; j < o->nS; j++)
                if (o->P[s][a][j] > 0) mdp_transition(b, s, a, j, (double)o->P[s][a][j], (double)o->R[s][a][j]);
    e->M = mdp_finish(b);
    e->policy = policy_tabular(e->M);
    e->f = finite_new(e->M, (double)o->gamma, e->policy, e->theta, o->H, error, sizeof error);
    assert_non_null(e->f);
}

/* Odd ones have an absorbing state, every third a certain start; gamma 0.9, 0, 1, 0.5. */
static struct example example(int number)
{
    static const double gammas[] = { 0.9, 0, 1, 0.5 };
    struct example e = { .o = { .n = 1 } };
    struct oracle *o = &e.o;
    gsl_rng *rng = random_stream(11, (uint32_t)number, RANDOM_TEST);
    o->nS = 2 + (int)gsl_rng_uniform_int(rng, 2);
    o->nA = 2 + (int)gsl_rng_uniform_int(rng, 2);
    o->H = 1 + number % (o->nS * o->nA > 6 ? 3 : H_MAX);
    o->gamma = gammas[number / 2 % 4];
    if (number % 3) o->mu0[0] = 1;
    else for (int s = 0; s < o->nS; s++) o->mu0[s] = 1.0 / o->nS;
    for (int i = 0; i < N_MAX; i++) e.theta[i] = gsl_ran_gaussian(rng, 1);
    for (int s = 0; s < o->nS; s++) {
        o->absorbing[s] = number % 2 && s == o->nS - 1;
        for (int a = 0; a < o->nA; a++) {
            double w[S_MAX], sum = 0;
            for (int j = 0; j < o->nS; j++) sum += w[j] = o->absorbing[s] ? j == s : gsl_rng_uniform(rng);
            for (int j = 0; j < o->nS; j++) {
                o->P[s][a][j] = w[j] / sum;
                o->R[s][a][j] = o->absorbing[s] ? 0 : gsl_ran_gaussian(rng, 1);
            }
        }
    }
    gsl_rng_free(rng);
    finish_example(&e);
    return e;
}

/* X3 of the errata: start 0, gamma .9, horizon 3 */
static struct example x3(void)
{
    struct example e = { .o = { .nS = 2, .nA = 2, .H = 3, .gamma = 0.9, .mu0 = { 1, 0 }, .n = 1 } };
    static const double P[2][2][2] = { { { .8, .2 }, { .3, .7 } }, { { .5, .5 }, { .1, .9 } } };
    static const double R[2][2] = { { 1, .2 }, { -.5, .7 } };
    for (int i = 0; i < 8; i++) {
        e.o.P[i / 4][i / 2 % 2][i % 2] = P[i / 4][i / 2 % 2][i % 2];
        e.o.R[i / 4][i / 2 % 2][i % 2] = R[i / 4][i / 2 % 2];
    }
    e.theta[0] = log(.7), e.theta[1] = log(.3), e.theta[2] = log(.4), e.theta[3] = log(.6);
    finish_example(&e);
    return e;
}

static void example_free(struct example *e)
{
    finite_free(e->f);
    policy_free(e->policy);
    mdp_free(e->M);
}

/* ---- the oracle's own walk ---- */

struct path { int T, s[H_MAX + 1], a[H_MAX]; real r[H_MAX]; };
struct total { long count; real p, g[N_MAX], gg[N_MAX]; };

/* gamma^t (G - V(s_t)) with the rewards of t .. end - 1 and V(s_end) behind them */
static real o_look_ahead(const struct oracle *o, const struct path *w, int t, int end)
{
    real sum = powl(o->gamma, end) * o->Vw[end][w->s[end]] - powl(o->gamma, t) * o->Vw[t][w->s[t]];
    for (int k = t; k < end; k++) sum += powl(o->gamma, k) * w->r[k];
    return sum;
}

/* GAE as what it is the mean of: looking n steps ahead with weight (1 - lambda) lambda^{n-1}, and with what is
 * left of all weights to the end at T */
static real o_gae(const struct oracle *o, const struct path *w, int t, int T)
{
    real sum = powl(o->lambda, T - t - 1) * o_look_ahead(o, w, t, T);
    for (int end = t + 1; end < T; end++)
        sum += (1 - o->lambda) * powl(o->lambda, end - t - 1) * o_look_ahead(o, w, t, end);
    return sum;
}

/* the weight of the score at time t: each from its definition as a sum */
static real o_weight(const struct oracle *o, const struct path *w, const char *name, int t)
{
    real to_go = 0, all = 0, gamma_t = powl(o->gamma, t), G = 0, G_004 = 0;
    for (int k = 0; k < w->T; k++) {
        all += powl(o->gamma, k) * w->r[k];
        if (k >= t) to_go += powl(o->gamma, k) * w->r[k];
        if (k >= t) G += powl(o->gamma, k - t) * w->r[k];
    }
    for (int i = 0; i <= w->T - t; i++)                         /* 004's r_{t+i}: r_k is the reward of a_{k-1} */
        if (t + i > 0) G_004 += powl(o->gamma, i) * w->r[t + i - 1];
    int fixed = t + o->n < w->T ? t + o->n : w->T, segment = t;
    do segment++; while (segment % o->n && segment < w->T);
    real V = o->Vw[t][w->s[t]], Q = o->Qw[t][w->s[t]][w->a[t]];
    const struct { const char *name; real w; } weight[] = {
        { "total-return", all }, { "reward-to-go", to_go }, { "baseline", to_go - gamma_t * V },
        { "Q", gamma_t * Q }, { "advantage", gamma_t * (Q - V) }, { "td", o_look_ahead(o, w, t, t + 1) },
        { "missing-gamma", G }, { "extra-return-index", gamma_t * G_004 }, { "nstep", o_look_ahead(o, w, t, fixed) },
        { "nstep-segments", o_look_ahead(o, w, t, segment) }, { "gae", o_gae(o, w, t, w->T) }, { "reinforce", G },
        { "reinforce-gamma-t", to_go }, { "vpg-total-return", all }, { "vpg-reward-to-go", G },
        { "vpg-advantage", G - V }, { "vpg-total-return-steps", all / w->T }, { "vpg-reward-to-go-steps", G / w->T },
        { "vpg-advantage-steps", (G - V) / w->T }, { "q-actor-critic", gamma_t * Q },
        { "advantage-actor-critic", gamma_t * (Q - V) }, { "td-actor-critic", o_look_ahead(o, w, t, t + 1) },
        { "a2c", gamma_t > 0 ? o_gae(o, w, t, segment) / gamma_t : NAN } };
    for (size_t i = 0; i < sizeof weight / sizeof *weight; i++)
        if (strcmp(weight[i].name, name) == 0) return weight[i].w;
    fail_msg("no oracle for %s", name);
    return 0;
}

static void o_walk(const struct oracle *o, struct path *w, real p, const char *name, struct total *sum)
{
    int s = w->s[w->T];
    if (w->T < o->H && !o->absorbing[s]) {
        for (int a = 0; a < o->nA; a++)
            for (int j = 0; j < o->nS; j++) {
                if (!(o->P[s][a][j] > 0)) continue;
                int t = w->T++;
                w->a[t] = a, w->s[t + 1] = j, w->r[t] = o->R[s][a][j];
                o_walk(o, w, p * o->pi[s][a] * o->P[s][a][j], name, sum);
                w->T = t;
            }
        return;
    }
    real g[N_MAX] = { 0 };
    for (int t = 0; t < w->T; t++)
        for (int b = 0; b < o->nA; b++)
            g[w->s[t] * o->nA + b] += o_weight(o, w, name, t) * ((b == w->a[t]) - o->pi[w->s[t]][b]);
    sum->count++;
    sum->p += p;
    for (int i = 0; i < o->nS * o->nA; i++) {
        sum->g[i] += p * g[i];
        sum->gg[i] += p * g[i] * g[i];
    }
}

static struct total o_total(const struct oracle *o, const char *name)
{
    struct total sum = { 0 };
    for (int s = 0; s < o->nS; s++) {
        struct path w = { .T = 0, .s = { s } };
        if (o->mu0[s] > 0) o_walk(o, &w, o->mu0[s], name, &sum);
    }
    return sum;
}

/* dJ / dtheta[s,b] by forward probabilities: sum_t Pr(s_t = s) gamma^t pi(b|s) (Q_t(s,b) - V_t(s)) */
static void o_gradient(const struct oracle *o, real *g)
{
    real p[S_MAX], next[S_MAX], gamma_t = 1;
    memcpy(p, o->mu0, sizeof p);
    memset(g, 0, N_MAX * sizeof *g);
    for (int t = 0; t < o->H; t++, gamma_t *= o->gamma) {
        memset(next, 0, sizeof next);
        for (int s = 0; s < o->nS; s++)
            for (int a = 0; a < o->nA; a++) {
                g[s * o->nA + a] += p[s] * gamma_t * o->pi[s][a] * (o->Q[t][s][a] - o->V[t][s]);
                for (int j = 0; j < o->nS; j++) next[j] += p[s] * o->pi[s][a] * o->P[s][a][j];
            }
        memcpy(p, next, sizeof p);
    }
}

/* ---- the checks ---- */

static real largest_value(const struct oracle *o)
{
    real largest = 0;
    for (int t = 0; t < o->H; t++)
        for (int s = 0; s < o->nS; s++)
            for (int a = 0; a < o->nA; a++) largest = fmaxl(largest, fabsl(o->Q[t][s][a]));
    return largest;
}

/* MC1, MC2: mean and variance of every estimator; the unbiased ones have the exact gradient as mean. */
static void means_and_variances(void **state)
{
    (void)state;
    for (int c = 0; c < CASES; c++) {
        struct example e = example(c);
        int n = e.o.nS * e.o.nA;
        double mean[N_MAX], variance[N_MAX], exact_g[N_MAX];
        real g[N_MAX];
        o_gradient(&e.o, g);
        finite_gradient(e.f, exact_g);
        for (int i = 0; i < n; i++) assert_near(exact_g[i], g[i], 1e-13);
        for (int k = 0; k < NAMES; k++) {
            struct total want = o_total(&e.o, names[k]);
            gradient_estimator_moments(e.f, names[k], mean, variance);
            real size = largest_value(&e.o);        /* Q - V, say, is rounded at the size of Q and V */
            for (int i = 0; i < n; i++) size = fmaxl(size, sqrtl(want.gg[i]));
            for (int i = 0; i < n; i++) {
                assert_near(mean[i], want.g[i], 1e-14 * size);
                assert_near(variance[i], want.gg[i] - want.g[i] * want.g[i], 1e-14 * size * sqrtl(want.gg[i]));
                if (k < UNBIASED) assert_near(mean[i], g[i], 1e-13 * size);
            }
        }
        example_free(&e);
    }
}

/* ---- with critics, n and lambda ---- */

enum { EXACT, X29, ONE_FOR_ALL_TIMES, EACH_TIME, HORIZON_TOO, CRITICS };

/* The critic's numbers in the oracle, 0 in absorbing states, and a file of them; as the command reads it */
static value_table *critic_of(struct example *e, int kind, gsl_rng *rng)
{
    struct oracle *o = &e->o;
    char path[] = "/tmp/ascent-critic-XXXXXX", error[256];
    int times = kind == ONE_FOR_ALL_TIMES ? 1 : kind == EACH_TIME ? o->H : o->H + 1;
    if (kind == EXACT) return NULL;
    FILE *out = kind == X29 ? NULL : fdopen(mkstemp(path), "w");
    memset(o->Vw, 0, sizeof o->Vw);
    for (int t = 0; t < (kind == X29 ? o->H : times); t++)
        for (int s = 0; s < o->nS; s++) {
            real V = gsl_ran_gaussian(rng, 1);
            if (out) fprintf(out, "%.17g", (double)V);
            if (!o->absorbing[s] && out) o->Vw[t][s] = V;
            for (int a = 0; a < o->nA; a++) {
                real Q = out ? gsl_ran_gaussian(rng, 1) : 0.7L * o->Q[t][s][a] + 0.3L * sinl(7 * s + 4 * a);
                if (out) fprintf(out, ",%.17g", (double)Q);
                if (t < o->H) o->Qw[t][s][a] = Q;
                if (!out && !o->absorbing[s]) o->Vw[t][s] += o->pi[s][a] * Q;
            }
            if (out) fputc('\n', out);
        }
    for (int t = 1; t < o->H && kind == ONE_FOR_ALL_TIMES; t++) {
        memcpy(o->Vw[t], o->Vw[0], sizeof *o->Vw);
        memcpy(o->Qw[t], o->Qw[0], sizeof *o->Qw);
    }
    if (!out) return value_table_X29(e->f);
    assert_int_equal(fclose(out), 0);
    value_table *c = value_table_read(path, e->f, error, sizeof error);
    if (!c) fail_msg("%s", error);
    remove(path);
    return c;
}

/* Through the code that trains, and by pairs of times, which makes no trajectory: against the oracle */
static void compare(struct example *e, const value_table *critic, const char *name)
{
    double mean[N_MAX], variance[N_MAX];
    int n = e->o.nS * e->o.nA;
    struct total want = o_total(&e->o, name);
    real size = largest_value(&e->o);
    for (int i = 0; i < n; i++) size = fmaxl(size, sqrtl(want.gg[i]));
    value_table *same = critic ? NULL : value_table_exact(e->f);
    score_weights *w = score_weights_new(e->f, name, critic ? critic : same, e->o.n, (double)e->o.lambda);
    for (int account = 0; account < (w ? 2 : 1); account++) {
        if (account == 1) score_moments(e->f, w, mean, variance);
        else gradient_estimator_moments_with(e->f, name, critic, e->o.n, (double)e->o.lambda, mean, variance);
        for (int i = 0; i < n; i++) {
            assert_near(mean[i], want.g[i], 1e-14 * size);
            assert_near(variance[i], want.gg[i] - want.g[i] * want.g[i], 2e-14 * size * size);
        }
    }
    score_weights_free(w);
    value_table_free(same);
}

/* QAC-2, TDA-9, PPO-17: bias and variance of every estimator with every kind of critic */
static void critics(void **state)
{
    (void)state;
    static const char *const others[] = { "baseline", "Q", "advantage", "td", "vpg-advantage", "vpg-advantage-steps",
                                          "total-return", "reward-to-go", "vpg-total-return-steps", "reinforce",
                                          "vpg-reward-to-go-steps", "vpg-total-return", "reinforce-gamma-t",
                                          "q-actor-critic", "advantage-actor-critic", "td-actor-critic" };
    static const double lambdas[] = { 0, 0.3, 0.9, 1 };
    gsl_rng *rng = random_stream(12, 0, RANDOM_TEST);
    for (int c = 0; c < CASES; c++) {
        struct example e = example(c);
        value_table *critic = critic_of(&e, c % CRITICS, rng);
        e.o.n = 1;
        for (size_t i = 0; i < sizeof others / sizeof *others; i++) compare(&e, critic, others[i]);
        for (e.o.n = 1; e.o.n <= e.o.H + 1; e.o.n++) {
            compare(&e, critic, "nstep");
            compare(&e, critic, "nstep-segments");
        }
        e.o.n = 1;
        for (int i = 0; i < 4; i++) {
            e.o.lambda = lambdas[i];
            compare(&e, critic, "gae");
            for (e.o.n = 1; e.o.n <= e.o.H && e.o.gamma > 0; e.o.n++) compare(&e, critic, "a2c");
            e.o.n = 1;
        }
        value_table_free(critic);
        example_free(&e);
    }
    gsl_rng_free(rng);
}

/* X3's 2 states at H = 3: a critic has 2 rows, 6 or 8; any other number of them, none too, is said and is none. */
static void rows_of_a_critic(void **state)
{
    (void)state;
    struct example e = x3();
    for (int rows = 0; rows <= 8; rows++) {
        char path[] = "/tmp/ascent-critic-XXXXXX", error[256] = "", want[256];
        FILE *out = fdopen(mkstemp(path), "w");
        fputs("# V\n", out);
        for (int i = 0; i < rows; i++) fprintf(out, "%d\n", i);
        assert_int_equal(fclose(out), 0);
        value_table *c = value_table_read(path, e.f, error, sizeof error);
        bool right = rows == 2 || rows == 6 || rows == 8;
        snprintf(want, sizeof want, "%s: expected 2 rows, one for each state, 6 for the 3 steps too, or 8 with the"
                 " horizon, found %d", path, rows);
        assert_true((c != NULL) == right);
        assert_string_equal(error, right ? "" : want);
        value_table_free(c);
        remove(path);
    }
    example_free(&e);
}

/* The errata's table X72, X3, to the digits printed. */
static void the_documents_numbers(void **state)
{
    (void)state;
    static const double trace[NAMES] = { 3.76593, 1.48221, 0.42738, 1.10663, 0.18890, 0.23733, 0, 2.30183 };
    static const double mean_is[4] = { 0.434951, -0.434951, -0.189514, 0.189514 };
    struct example e = x3();
    for (int k = 0; k < NAMES; k++) {
        double mean[N_MAX], variance[N_MAX], sum = 0;
        gradient_estimator_moments(e.f, names[k], mean, variance);
        for (int i = 0; i < 4; i++) sum += variance[i];
        if (trace[k] > 0) assert_near(sum, trace[k], 0.6e-5);
        for (int i = 0; i < 4 && k < UNBIASED; i++) assert_near(mean[i], mean_is[i], 0.6e-6);
        for (int i = 0; i < 4 && k == 7; i++) assert_near(mean[i], 0.9 * mean_is[i], 0.6e-6);
    }
    example_free(&e);
}

static void one(void *context, const traj *tau, double *g) { (void)context; (void)tau; g[0] = 1; }

struct seen { const struct oracle *o; long count, terminated, wrong; };

static void look(void *context, const traj *tau, double *g)
{
    struct seen *seen = context;
    seen->count++;
    seen->terminated += tau->terminated;
    seen->wrong += tau->terminated != seen->o->absorbing[tau->s[tau->T]];
    seen->wrong += !tau->terminated && tau->T != seen->o->H;
    for (int t = 0; t < tau->T; t++) seen->wrong += seen->o->absorbing[tau->s[t]];
    g[0] = tau->T;
}

/* Every trajectory once, its end marked rightly, probabilities that sum to 1, the number known beforehand. */
static void trajectories(void **state)
{
    (void)state;
    bool any = false;
    for (int c = 0; c < CASES; c++) {
        struct example e = example(c);
        double p, steps, variance;
        struct seen seen = { .o = &e.o };
        struct total want = o_total(&e.o, names[0]);
        enumerate_moments(e.M, e.f->x->pi, e.o.H, one, NULL, 1, &p, &variance);
        assert_near(p, 1, 1e-15);
        assert_true(fabs(variance) < 1e-25);
        enumerate_moments(e.M, e.f->x->pi, e.o.H, look, &seen, 1, &steps, NULL);
        assert_int_equal(seen.count, want.count);
        assert_int_equal(seen.wrong, 0);
        assert_near(enumerate_count(e.M, e.f->x->pi, e.o.H), (double)want.count, 0);
        any |= seen.terminated > 0;
        example_free(&e);
    }
    assert_true(any);
}

/* Actions of probability 0 are no trajectories; a start in the end has none of length > 0. */
static void impossible(void **state)
{
    (void)state;
    struct example e = x3();
    const double pi[4] = { 1, 0, 0, 1 };
    double p;
    assert_near(enumerate_count(e.M, pi, 3), 8, 0);
    enumerate_moments(e.M, pi, 3, one, NULL, 1, &p, NULL);
    assert_near(p, 1, 1e-15);
    assert_near(enumerate_count(e.M, pi, 0), 1, 0);
    assert_true(enumerate_count(e.M, e.f->x->pi, 60) > 1e30);       /* no overflow of an int */
    example_free(&e);
}

/* A thousand terms, the second half the negatives of the first: the sum is compensated, its error n u^2
 * sum |terms|. */
enum { STATES = 1000 };

static void opposite(void *context, const traj *tau, double *g)
{
    (void)context;
    int s = tau->s[0];
    g[0] = s < STATES / 2 ? 1 + s / 7.0 : -1 - (s - STATES / 2) / 7.0;
}

static void cancellation(void **state)
{
    (void)state;
    mdp_builder *b = mdp_begin("many starts", STATES, 2, 0.5);
    double *pi = malloc(2 * STATES * sizeof *pi), mean;
    for (int s = 0; s < STATES; s++) {
        mdp_start(b, s, 1.0 / STATES);
        for (int a = 0; a < 2; a++) mdp_transition(b, s, a, s, 1, 1);
    }
    for (int i = 0; i < 2 * STATES; i++) pi[i] = 0.5;
    mdp *M = mdp_finish(b);
    enumerate_moments(M, pi, 1, opposite, NULL, 1, &mean, NULL);
    assert_near(mean, 0, STATES * 4.9e-32 * 37);
    free(pi);
    mdp_free(M);
}

/* returns.h and psi.h on one trajectory by hand: T = 3, r = (1, 2, 4), gamma = 1/2 */
static void by_hand(void **state)
{
    (void)state;
    const double r[] = { 1, 2, 4 }, V[] = { 8, 16, 32, 64 }, Q[] = { 3, 5, 7 };
    double G[3], w[3];
    assert_near(returns_total(3, r, 0.5), 3, 0);
    returns_to_go(3, r, 0.5, G);
    assert_true(G[0] == 3 && G[1] == 4 && G[2] == 4);
    psi_total_return(3, r, 0.5, w);
    assert_true(w[0] == 3 && w[1] == 3 && w[2] == 3);
    psi_reward_to_go(3, r, 0.5, w);
    assert_true(w[0] == 3 && w[1] == 2 && w[2] == 1);
    psi_baseline(3, r, V, 0.5, w);
    assert_true(w[0] == 3 - 8 && w[1] == (4 - 16) / 2. && w[2] == (4 - 32) / 4.);
    psi_action_value(3, Q, 0.5, w);
    assert_true(w[0] == 3 && w[1] == 2.5 && w[2] == 1.75);
    psi_advantage(3, Q, 0.5, w);
    assert_true(w[0] == 3 && w[1] == 2.5 && w[2] == 1.75);
    psi_td_residual(3, r, V, 0.5, w);
    assert_true(w[0] == 1 && w[1] == (2 + 16 - 16) / 2. && w[2] == (4 + 32 - 32) / 4.);
}

/* The weights are constants even where they depend on theta, as those of a critic that shares it do. */
static void weights_are_constant(void **state)
{
    (void)state;
    const double x[] = { 2, 3 };
    ad_tape *t = ad_tape_new();
    ad logp = ad_input(t, x, 2, 1);
    ad g = ad_grad(psi_objective(logp, ad_scale(2, logp)), logp);
    assert_near(ad_value(g)[0], 4, 0);
    assert_near(ad_value(g)[1], 6, 0);
    ad_tape_free(t);
}

/* A row of P that sums to 1 + 2^-31, rewards 3 and 1, gamma 1/2, 3 steps: W = 3 (1 + 1/2 + 1/4),
 * N = 4, and what a row of P is off by */
static void units(void **state)
{
    (void)state;
    char error[256];
    const double theta[2] = { 0 }, off = 0x1p-31, W = 5.25;
    mdp_builder *b = mdp_begin("off", 2, 1, 0.5);
    mdp_start(b, 0, 1);
    mdp_transition(b, 0, 0, 0, 0.5, 3);
    mdp_transition(b, 0, 0, 1, 0.5 + off, 3);
    mdp_transition(b, 1, 0, 1, 1, 1);
    mdp *M = mdp_finish(b);
    policy_class *policy = policy_tabular(M);
    finite_horizon *f = finite_new(M, 0.5, policy, theta, 3, error, sizeof error);
    assert_non_null(f);
    assert_near(enumerate_defect(f->M), off, 0);
    assert_near(finite_scale(f), W, 0);
    assert_near(finite_unit_gradient(f, 2), 0x1p-52 * 4 * 9 * W * 2, 1e-28);
    assert_near(finite_room(f, 2), off * 9 * W * 2, 1e-22);
    exact *x = exact_new_policy(M, 0.5, policy, theta, error, sizeof error);
    assert_non_null(x);             /* V(1) = 2, V(0) = 3 (1 + off) + (V(0) / 2 + (1/2 + off) 2) / 2 */
    assert_near(enumerate_room(x), off * (3.5 + 4 * off) / 0.75 + 0x1p-52 * 4 * 3, 1e-23);
    exact_free(x);
    finite_free(f);
    policy_free(policy);
    mdp_free(M);
}

/* A small problem is made of an MDP where a single state decides anything, and of none where no state does. */
static void one_decision(void **state)
{
    (void)state;
    char error[256];
    for (int ends = 0; ends < 2; ends++) {
        mdp_builder *b = mdp_begin("one decision", 2, 2, 0.9);
        mdp_start(b, 0, 1);
        for (int i = 0; i < 4; i++) mdp_transition(b, i / 2, i % 2, ends ? i / 2 : 1, 1, ends ? 0 : i == 0);
        mdp *M = mdp_finish(b);
        exact *x = exact_new(M, 0.9, (double[]){ 1, 0, 0, 0 }, error, sizeof error);
        assert_non_null(x);
        const char *reason = finite_small_reason(x);
        if (ends) assert_string_equal(reason, "nothing to decide");
        else      assert_null(reason);
        exact_free(x);
        mdp_free(M);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(means_and_variances), cmocka_unit_test(critics),
        cmocka_unit_test(rows_of_a_critic), cmocka_unit_test(the_documents_numbers),
        cmocka_unit_test(trajectories), cmocka_unit_test(impossible), cmocka_unit_test(cancellation),
        cmocka_unit_test(by_hand), cmocka_unit_test(units),
        cmocka_unit_test(weights_are_constant), cmocka_unit_test(one_decision) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    linalg_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
