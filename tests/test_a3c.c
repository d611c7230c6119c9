/* A3C: each function against a plain loop; whole runs, of threads and of every schedule, with every option,
 * against the same turns done by hand in long double, in the order that was written down; and one worker
 * against A2C, bit for bit.
 *     test_a3c [pattern]       runs the tests whose names match */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gsl/gsl_randist.h>

#include "algorithms/a2c.h"
#include "algorithms/a3c.h"
#include "algorithms/critic.h"
#include "algorithms/workers.h"
#include "autodiff/random.h"
#include "tests/policy_by_hand.h"

static void near(double x, double want, double bound, int line)
{
    if (!(fabs(x - want) <= bound)) fail_msg("line %d: %.17g, expected %.17g within %.2g", line, x, want, bound);
}
#define assert_near(x, want, bound) near(x, want, bound, __LINE__)

static env *make(const char *id, int limit)
{
    char error[512] = "";
    env *e = env_make(id, limit, error, sizeof error);
    if (!e) fail_msg("%s", error);
    return e;
}

enum { MOST = 300, N = 4 };                     /* numbers of theta and phi; workers */

/* ---- the equations ---- */

enum { T = 7 };
static const double r[T] = { 1, -0.5, 2, 0, 3.25, -1, 0.75 }, V[T] = { 0.3, 1, -2, 0.5, 4, 0, 1 };

/* r_t + .. + gamma^{T-1-t} r_{T-1} + gamma^{T-t} V_end - V(s_t), term by term */
static void advantages(void **state)
{
    (void)state;
    const double gammas[] = { 0, 0.7, 0.99, 1 }, V_ends[] = { 0, 1.5, -20 };
    for (int k = 0; k < 12; k++) {
        double gamma = gammas[k % 4], A[T], R[T];
        a3c_advantages(T, r, V, V_ends[k / 4], gamma, A, R);
        for (int t = 0; t < T; t++) {
            long double G = hand_G(T, r, gamma, t) + powl(gamma, T - t) * V_ends[k / 4];
            assert_near(R[t], (double)G, 1e-14 * 30);
            assert_near(A[t], (double)(G - V[t]), 1e-14 * 30);
        }
    }
}

/* A3C-6, -9, -15, -27 and their signs: no gradient passes through A or R. */
static void objectives(void **state)
{
    (void)state;
    const double at[2] = { 0.3, -0.8 }, target[2] = { 1, 2 };
    ad_tape *t = ad_tape_new();
    ad x = ad_input(t, at, 2, 1), A = ad_square(x), R = ad_scale(3, x), H = ad_square(x);
    const double *g = ad_value(ad_grad(a3c_policy_objective(x, A, H, 0.1), x));
    const double *of_L = ad_value(ad_grad(a3c_V_loss(x, R, 0.7), x));
    ad L = a3c_V_loss(x, ad_input(t, target, 2, 1), 0.5);
    for (int i = 0; i < 2; i++) {
        assert_near(g[i], at[i] * at[i] + 0.1 * 2 * at[i], 1e-15);
        assert_near(of_L[i], -2 * 0.7 * (3 * at[i] - at[i]), 1e-14);
    }
    assert_near(ad_scalar(L), 0.5 * (0.49 + 7.84), 1e-14);
    ad_tape_free(t);
}

static number hand_entropy(const policy *p, const number *theta, const double *s)
{
    number f[HAND_WIDEST], sum = 0, H = 0;
    if (!p->nA) {
        for (int j = 0; j < p->k; j++) H += theta[p->n - p->k + j] + (1 + logl(2 * acosl(-1))) / 2;
        return H;
    }
    hand_network(&p->f, theta, s, f);
    for (int a = 0; a < p->nA; a++) sum += cexpl(f[a]);
    for (int a = 0; a < p->nA; a++) H -= cexpl(f[a]) / sum * (f[a] - clogl(sum));
    return H;
}

/* sum_i log pi(a_i|s_i) A_i + beta H(pi(.|s_i)) */
struct objective { const policy *p; const network *f; const rollout *b; const long double *A, *R; double beta; };
static number policy_objective(const void *context, const number *theta)
{
    const struct objective *c = context;
    number sum = hand_objective(&(struct hand_objective){ c->p, c->b, c->A }, theta);
    for (int t = 0; t < c->b->T; t++) sum += c->beta * hand_entropy(c->p, theta, c->b->s + t * c->b->d);
    return sum;
}

/* sum_i (R_i - V(s_i))^2 */
static number V_loss(const void *context, const number *phi)
{
    const struct objective *c = context;
    number sum = 0, v;
    for (int t = 0; t < c->b->T; t++) {
        hand_network(c->f, phi, c->b->s + t * c->b->d, &v);
        sum += (c->R[t] - v) * (c->R[t] - v);
    }
    return sum;
}

static long double V_at(const network *f, const long double *phi, const double *s)
{
    number c[MOST], v;
    for (int i = 0; i < network_n(f); i++) c[i] = phi[i];
    hand_network(f, c, s, &v);
    return creall(v);
}

/* ---- turns by hand ---- */

struct hand {
    int n, nV;
    policy p;
    network f;
    long double x[MOST], g[N][MOST], copy[N][MOST];         /* shared (theta, phi); mean squares; theta', phi' */
    double acts[N][MOST];                                   /* theta' as it acts */
    long steps, terminated, truncated, cut;
};

static void hand_turn(struct hand *h, const a3c_config *c, int i, const rollout *b)
{
    const segment *s = b->segment;
    long double A[64], R[64], d[MOST], norm = 0, left = 1, *x = h->copy[i];
    long double G = s->terminated ? 0 : V_at(&h->f, x + h->n, b->s_end);
    assert_true(b->segments == 1 && b->T < 64 && (s->terminated || s->truncated || b->T == c->t_max));
    for (int t = b->T - 1; t >= 0; t--) {
        R[t] = G = b->r[t] + (long double)c->gamma * G;
        A[t] = R[t] - V_at(&h->f, x + h->n, b->s + t * b->d);
    }
    const struct objective of = { &h->p, &h->f, b, A, R, c->beta };
    hand_gradient(h->n, x, policy_objective, &of, d);
    hand_gradient(h->nV, x + h->n, V_loss, &of, d + h->n);
    for (int k = 0; k < h->n + h->nV; k++) {
        if (k >= h->n) d[k] *= -(long double)c->c_V;                    /* downwards */
        norm += d[k] * d[k];
    }
    norm = sqrtl(norm);
    if (c->anneal_steps) left = fmaxl(0, 1 - (long double)h->steps / c->anneal_steps);
    for (int k = 0; k < h->n + h->nV; k++) {
        long double lr = left * (k < h->n ? c->lr : c->lr_V);
        long double *g = &h->g[c->optimiser == A3C_RMSPROP_OWN ? i : 0][k];
        if (c->clip > 0 && norm > c->clip) d[k] *= c->clip / norm;
        *g = c->alpha * *g + (1 - (long double)c->alpha) * d[k] * d[k];
        h->x[k] += lr * (c->optimiser == A3C_SGD ? d[k] : d[k] / sqrtl(*g + c->eps));
    }
    h->steps += b->T;
    h->terminated += s->terminated;
    h->truncated += s->truncated && !s->terminated;
    h->cut += !s->terminated && !s->truncated;
}

static struct hand *hand_new(const env *e, const a3c_config *c, gsl_rng *init)
{
    struct hand *h = calloc(1, sizeof *h);
    double x[MOST];
    h->p = a3c_policy(e, c);
    h->f = h->p.f;
    h->f.size[h->f.layers] = 1;
    h->n = h->p.n, h->nV = network_n(&h->f);
    assert_true(h->n + h->nV <= MOST && c->workers <= N);
    policy_init(&h->p, init, x);
    network_init_orthogonal(&h->f, sqrt(2), 1, init, x + h->n);
    for (int k = 0; k < h->n + h->nV; k++) h->x[k] = x[k];
    return h;
}

/* The same turns in the same order */
static struct hand *by_hand(env *e, const a3c_config *c, uint64_t seed, const char *order)
{
    run *streams = run_new("by hand", e, seed, 0);
    run_workers(streams, (int)c->workers);
    struct hand *h = hand_new(e, c, streams->init_rng);
    actor *pi[N];
    rollout *b = rollout_new(e);
    for (int i = 0; i < c->workers; i++) pi[i] = actor_new(&h->p, h->acts[i]);
    for (; *order; order++) {
        int i = *order - (*order >= 'a' ? 'a' : 'A');
        if (*order >= 'a')
            for (int k = 0; k < h->n + h->nV; k++) h->acts[i][k] = (double)(h->copy[i][k] = h->x[k]);
        else if (*order >= 'A') {
            run_worker *w = &streams->worker[i];
            rollout_clear(b);
            rollout_segment(b, (int)c->t_max, w->env, w->env_rng, pi[i], w->policy_rng);
            hand_turn(h, c, i, b);
        }
    }
    for (int i = 0; i < c->workers; i++) actor_free(pi[i]);
    rollout_free(b);
    run_free(streams);
    return h;
}

/* How the segments of the runs ended: all ends are to be met. */
struct ends { long terminated, truncated, cut; };

static void same_run(const char *id, int limit, const a3c_config *c, long steps, struct ends *ends)
{
    env *e = make(id, limit), *other = make(id, limit);
    run *trained = run_new("a3c", e, 5, steps);
    a3c(trained, c);
    assert_non_null(trained->schedule);
    struct hand *h = by_hand(other, c, 5, trained->schedule);
    assert_int_equal(h->steps, trained->steps);
    for (int k = 0; k < h->n; k++)
        assert_near(trained->theta[k], (double)h->x[k], 1e-12 * fmax(1, fabs((double)h->x[k])));
    *ends = (struct ends){ ends->terminated + h->terminated, ends->truncated + h->truncated, ends->cut + h->cut };
    free(h);
    run_free(trained);
    env_free(other);
    env_free(e);
}

static a3c_config option(int k)
{
    return (a3c_config){ .workers = 1 + k % N, .t_max = k % 2 ? 5 : 8, .gamma = k % 5 ? 0.95 : 1,
                         .c_V = k % 3 ? 0.5 : 1, .beta = k % 2 ? 0.02 : 0, .lr = 5e-3, .lr_V = 1e-2,
                         .anneal_steps = k % 4 == 1 ? 700 : 0, .clip = k % 3 == 2 ? 0.5 : 0,
                         .optimiser = k % 3, .alpha = 0.9, .eps = 1e-2, .schedule = k / 3 % 4, .locks = 1,
                         .hidden = { k % 3 > 0, { 5 } }, .activation = k % 2 ? AD_TANH : AD_RELU };
}

/* A3C-10 .. A3C-16, A3C-27 .. A3C-30: each schedule, threads among them, with each option */
static void options(void **state)
{
    (void)state;
    struct ends ends = { 0 };
    for (int k = 0; k < 24; k++) {
        a3c_config c = option(k);
        const char *const id[] = { "E5x", "CartPole-v1", "lqr" };
        if (k % 8 == 7 && c.optimiser == A3C_SGD) c.lr = 1e-4;
        if (c.optimiser == A3C_SGD && k % 3 == 2) c.lr_V = 1e-3;
        same_run(id[k / 8], k / 8 == 1 ? 12 : 7, &c, 600, &ends);
    }
    assert_true(ends.terminated > 20 && ends.truncated > 20 && ends.cut > 20);
}

/* A3C-13   R = 0 where the task ended, V(s_t) where t_max or the time limit cut it: one turn each, by hand. */
static void both_ends(void **state)
{
    (void)state;
    a3c_config c = option(1);
    c.workers = 1;
    c.schedule = SCHEDULE_SERIAL;
    for (int limit = 4; limit <= 40; limit += 9) {
        struct ends ends = { 0 };
        same_run("CartPole-v1", limit, &c, 1, &ends);
        assert_true(ends.truncated + ends.terminated > 0 && (limit < 5) == (ends.cut == 0));
    }
}

/* ---- one worker is A2C with one environment, whatever its schedule and its locks ---- */

static void same_bits(const char *id, int limit, int k)
{
    a3c_config c = option(k);
    c.workers = 1;
    c.optimiser = A3C_RMSPROP_SHARED + k % 2;
    c.lr = 7e-4;
    a2c_config d = { .workers = 1, .n_steps = c.t_max, .until = A2C_UNTIL_END, .gamma = c.gamma, .lambda = 1,
                     .c_V = c.c_V, .beta = c.beta, .mean = A2C_MEAN_OVER_WORKERS, .lr = c.lr, .lr_V = c.lr_V,
                     .anneal_steps = c.anneal_steps, .clip = c.clip, .optimiser = A2C_RMSPROP, .alpha = c.alpha,
                     .eps = c.eps, .hidden = c.hidden, .activation = c.activation };
    for (int locks = 0; locks <= 1; locks++)
        for (c.locks = locks, c.schedule = SCHEDULE_THREADS; c.schedule <= SCHEDULE_RANDOM; c.schedule++) {
            env *e = make(id, limit), *other = make(id, limit);
            run *one = run_new("a3c", e, 9, 2000);
            a3c(one, &c);
            run *two = run_new("a2c", other, 9, one->steps);
            a2c(two, &d);
            policy p = a3c_policy(e, &c);
            assert_int_equal(one->steps, two->steps);
            assert_int_equal(one->episodes, two->episodes);
            assert_memory_equal(one->theta, two->theta, (size_t)p.n * sizeof(double));
            run_free(one);
            run_free(two);
            env_free(e);
            env_free(other);
        }
}

static void one_is_a2c(void **state)
{
    (void)state;
    for (int k = 0; k < 9; k++) same_bits("CartPole-v1", 20, k);
    for (int k = 0; k < 4; k++) same_bits("E5x", 7, k);
    same_bits("lqr", 9, 5);
}

/* ---- threads ---- */

/* A3C-10   Every step is counted, whoever made it, with locks and without. */
static void steps_are_exact(void **state)
{
    (void)state;
    for (int locks = 0; locks <= 1; locks++) {
        a3c_config c = option(4);
        env *e = make("CartPole-v1", 30);
        c.workers = 4;
        c.locks = locks;
        c.schedule = SCHEDULE_THREADS;
        run *trained = run_new("a3c", e, 1, 20000);
        a3c(trained, &c);
        assert_true(trained->steps >= 20000 && trained->steps < 20000 + WORKERS_ROW + 4 * c.t_max);
        assert_true(!trained->schedule == !locks);                      /* an order is there where there is one */
        assert_true(trained->return_mean > 0 && trained->return_mean <= 30);
        run_free(trained);
        env_free(e);
    }
}

static void replayed(void **state)
{
    (void)state;
    for (int k = 0; k < 3; k++) {
        a3c_config c = option(k);
        env *e = make("CartPole-v1", 30), *other = make("CartPole-v1", 30);
        policy p = a3c_policy(e, &c);
        c.workers = 3;
        c.locks = 1;
        c.schedule = SCHEDULE_THREADS;
        run *first = run_new("a3c", e, 3, 5000), *again = run_new("a3c", other, 3, 5000);
        a3c(first, &c);
        again->schedule = strcpy(malloc(strlen(first->schedule) + 1), first->schedule);
        c.schedule = SCHEDULE_REPLAY;
        a3c(again, &c);
        assert_int_equal(first->steps, again->steps);
        assert_memory_equal(first->theta, again->theta, (size_t)p.n * sizeof(double));
        run_free(again);
        run_free(first);
        env_free(other);
        env_free(e);
    }
}

/* What explain prints is the first turn of a training run from that seed, and fits on a screen. */
static void explain_turn(long t_max)
{
    a3c_config c = a3c_defaults;
    c.hidden = (widths){ 0 };
    c.t_max = t_max;
    c.workers = 1;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    a3c_explain(out, &c, 4);       /* seed 4: an episode of five steps */
    fclose(out);
    int lines = 0;
    for (const char *at = text; *at; at++) lines += *at == '\n';
    assert_true(lines >= 13 + t_max && lines <= 40);
    env *e = make("E5x", 5);
    struct hand *h = by_hand(e, &c, 4, "aA");
    const char *row = strstr(text, "theta after");
    assert_non_null(row);
    for (int i = 0; i < 7; i++) {                               /* s, then g, before, after: 3 numbers each */
        double x[9];
        row = strchr(row, '\n') + 1;
        assert_int_equal(sscanf(row + 5, "%lf %lf %lf %lf %lf %lf %lf %lf %lf", &x[0], &x[1], &x[2], &x[3], &x[4],
                                &x[5], &x[6], &x[7], &x[8]), 9);
        for (int a = 0; a < 3; a++) assert_near(x[6 + a], (double)h->x[3 * i + a], 0.51e-4);
    }
    free(h);
    env_free(e);
    free(text);
}

static void explained(void **state)
{
    (void)state;
    explain_turn(5);
    explain_turn(2);
}

/* A3C-10   With locks, without, and in every order */
static void learns(void **state)
{
    (void)state;
    for (int k = 0; k < 5; k++) {
        a3c_config c = { .workers = 4, .t_max = 5, .gamma = 0.9, .c_V = 0.5, .beta = 0, .lr = 0.02, .lr_V = 0.02,
                         .optimiser = A3C_RMSPROP_SHARED, .alpha = 0.99, .eps = 1e-2, .schedule = k < 4 ? k : 0,
                         .locks = k < 4 };
        env *e = make("chain:5", 0);
        run *trained = run_new("a3c", e, 1, 20000);
        a3c(trained, &c);
        assert_true(trained->return_mean == 1 && trained->episodes > 1000);
        run_free(trained);
        env_free(e);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(advantages), cmocka_unit_test(objectives), cmocka_unit_test(options),
        cmocka_unit_test(both_ends), cmocka_unit_test(one_is_a2c), cmocka_unit_test(steps_are_exact),
        cmocka_unit_test(replayed), cmocka_unit_test(explained), cmocka_unit_test(learns) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
