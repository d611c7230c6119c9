/* What a critic says of the end of a segment, and the advantages made of it: termination, truncation and the end
 * of the batch, at the first, a middle and the last step of a batch, against sums over the steps that the
 * environment itself wrote down; and V fitted to targets, step by step in long double.
 *     test_critic [pattern]       runs the tests whose names match */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "algorithms/a2c.h"
#include "algorithms/critic.h"
#include "algorithms/gae.h"
#include "autodiff/random.h"
#include "tests/trust_region_by_hand.h"

/* ---- an environment by script, which writes down each step as it happened ---- */

enum { STEPS = 400, D = 2 };
struct seen { double s[D], s1[D], r; bool terminated, truncated; };
struct script { bool terminates[STEPS + 1]; int n; struct seen log[STEPS]; };

static void look(env *e)                                /* no two places look alike, also those before a reset */
{
    e->obs[0] = cos(1.3 * e->state[0]);
    e->obs[1] = sin(0.7 * e->state[0] + e->state[1]);
}

static void begin(env *e)
{
    e->state[1] += 1;
    look(e);
}

static bool move(env *e, const double *action, double *reward)
{
    struct script *c = e->model;
    struct seen *now = &c->log[c->n++];
    (void)action;
    assert_true(c->n <= STEPS);
    memcpy(now->s, e->obs, sizeof now->s);
    e->state[0] += 1;
    look(e);
    memcpy(now->s1, e->obs, sizeof now->s1);
    now->r = *reward = sin(2.1 * c->n) + 0.3;
    now->terminated = c->terminates[c->n];
    now->truncated = e->t + 1 == e->limit;
    return now->terminated;
}

static env *scripted(struct script *c)
{
    static const struct env_kind kind = { .reset = begin, .step = move, .observe = look };
    env *e = env_new("by script", &kind, c, 2, (env_space){ .n = 2, .dim = 1 }, (env_space){ .dim = D });
    return e;
}

/* ---- the slow reference ---- */

static long double V_by_hand(const network *f, const double *phi, const double *s)
{
    number c[100], v;
    for (int i = 0; i < network_n(f); i++) c[i] = phi[i];
    hand_network(f, c, s, &v);
    return creall(v);
}

/* Of step k of those first .. end - 1 of one worker in one batch: sum_l (gamma lambda)^l delta_{k+l} as far as its
 * episode and the batch go, and what R is */
static void reference(const struct script *c, const network *f, const double *phi, int k, int end, double gamma,
                      double lambda, long double *A, long double *R)
{
    long double weight = 1, power = 1, G = 0;
    *A = 0;
    for (int i = k; i < end; i++) {
        const struct seen *x = &c->log[i];
        long double next = x->terminated ? 0 : V_by_hand(f, phi, x->s1);
        bool last = x->terminated || x->truncated || i == end - 1;
        *A += weight * (x->r + gamma * next - V_by_hand(f, phi, x->s));
        G += power * x->r;
        weight *= (long double)gamma * lambda;
        power *= gamma;
        if (last) G += power * next;
        if (last) break;
    }
    *R = lambda < 1 ? *A + V_by_hand(f, phi, c->log[k].s) : G;
}

/* How often each end was met at each place; all of them must be */
enum { NO_END, TERMINATED, TRUNCATED, BOTH, ENDS };
enum { FIRST, MIDDLE, LAST, PLACES };

static void check_batch(const rollout *b, const struct script *script, const int *from, int n, const double *V,
                        const double *V_end, const network *f, const double *phi, int met[ENDS][PLACES])
{
    const double gammas[] = { 0.9, 1, 0 }, lambdas[] = { 1, 0.8, 0 };
    double A[STEPS], R[STEPS], A_batch[STEPS], R_batch[STEPS];
    for (int j = 0; j < 9; j++) {
        double gamma = gammas[j / 3], lambda = lambdas[j % 3];
        for (int i = 0; i < b->segments; i++) {
            int first = b->segment[i].first, T = b->segment[i].T;
            a2c_advantages(T, b->r + first, V + first, V_end[i], gamma, lambda, A + first, R + first);
        }
        gae_batch(b, V, V_end, gamma, lambda, A_batch, R_batch);
        for (int t = 0; t < b->T; t++) {
            int worker = t / n, k = from[worker] + t % n;
            long double want_A, want_R;
            reference(&script[worker], f, phi, k, from[worker] + n, gamma, lambda, &want_A, &want_R);
            assert_near(A[t], (double)want_A, 1e-12);
            assert_near(R[t], (double)want_R, 1e-12);
            assert_near(A_batch[t], (double)want_A, 1e-12);
            assert_near(R_batch[t], (double)want_R, 1e-12);
        }
    }
    for (int t = 0; t < b->T; t++) {
        const struct seen *x = &script[t / n].log[from[t / n] + t % n];
        int place = t % n == n - 1 ? LAST : t % n == 0 ? FIRST : MIDDLE;
        met[x->terminated * TERMINATED + x->truncated * TRUNCATED][place]++;
        assert_near(V[t], (double)V_by_hand(f, phi, x->s), 1e-14);
    }
}

static void mixes(void **state)
{
    (void)state;
    enum { WORKERS = 3, TRIALS = 60, BATCHES = 8 };
    static struct script script[WORKERS];
    int met[ENDS][PLACES] = { { 0 } };
    const policy p = { .f = { 2, { D, 3, 2 }, AD_TANH }, .nA = 2, .d = D, .k = 1, .n = 17 };
    const network f = critic_V(&p);
    gsl_rng *rng = random_stream(1, 0, RANDOM_TEST);
    ad_tape *tape = ad_tape_new();
    double theta[17] = { 0 }, phi[100];
    actor *pi = actor_new(&p, theta);
    assert_int_equal(f.size[2], 1);
    for (int trial = 0; trial < TRIALS; trial++) {
        env *e[WORKERS];
        double often = gsl_rng_uniform(rng) * 0.6;
        for (int i = 0; i < network_n(&f); i++) phi[i] = gsl_ran_gaussian(rng, 1);
        for (int i = 0; i < WORKERS; i++) {
            script[i] = (struct script){ .n = 0 };
            for (int k = 0; k <= STEPS; k++) script[i].terminates[k] = gsl_rng_uniform(rng) < often;
            e[i] = scripted(&script[i]);
            e[i]->limit = (int)gsl_rng_uniform_int(rng, 7);             /* 0: none */
        }
        rollout *b = rollout_new(e[0]);
        for (int k = 0; k < BATCHES; k++) {
            int n = 1 + (int)gsl_rng_uniform_int(rng, 9), from[WORKERS];
            double V[STEPS], V_end[STEPS];
            rollout_clear(b);
            for (int i = 0; i < WORKERS; i++) {
                from[i] = script[i].n;
                b->worker = i;
                rollout_steps(b, (i + 1) * n, e[i], rng, pi, rng);
                assert_int_equal(script[i].n, from[i] + n);
            }
            critic_bootstrap(tape, &f, phi, b, V, V_end);
            check_batch(b, script, from, n, V, V_end, &f, phi, met);
        }
        rollout_free(b);
        for (int i = 0; i < WORKERS; i++) env_free(e[i]);
    }
    for (int end = 0; end < ENDS; end++)
        for (int place = 0; place < PLACES; place++)
            if (met[end][place] < 20) fail_msg("end %d at place %d: met %d times", end, place, met[end][place]);
    actor_free(pi);
    ad_tape_free(tape);
    gsl_rng_free(rng);
}

/* rollout_segment: not over the end of an episode, and no further than asked */
static void segments(void **state)
{
    (void)state;
    static struct script script = { .terminates = { [3] = true, [4] = true } };
    const policy p = { .f = { 1, { D, 2 }, AD_TANH }, .nA = 2, .d = D, .k = 1, .n = 6 };
    const double theta[6] = { 0 };
    gsl_rng *rng = random_stream(1, 0, RANDOM_TEST);
    env *e = scripted(&script);
    actor *pi = actor_new(&p, theta);
    rollout *b = rollout_new(e);
    e->limit = 6;
    static const struct { int T, segments, last; bool starts, terminated, truncated; } want[] = {
        { 2, 1, 2, true, false, false },        /* 2 steps of 3 */
        { 3, 2, 1, false, true, false },        /* 5 were asked for */
        { 4, 3, 1, true, true, false },
        { 8, 4, 4, true, false, false },
        { 10, 5, 2, false, false, true } };     /* the limit */
    const int asked[] = { 2, 5, 8, 8, 20 };
    for (int k = 0; k < 5; k++) {
        rollout_segment(b, asked[k], e, rng, pi, rng);
        const segment *g = &b->segment[b->segments - 1];
        assert_int_equal(b->T, want[k].T);
        assert_int_equal(b->segments, want[k].segments);
        assert_int_equal(g->T, want[k].last);
        assert_true(g->starts == want[k].starts && g->terminated == want[k].terminated
                    && g->truncated == want[k].truncated);
    }
    rollout_free(b);
    actor_free(pi);
    env_free(e);
    gsl_rng_free(rng);
}

/* A ring that never ends pays 1 a step, V = 1 / (1 - gamma) everywhere; a time limit of 3 must not show in the
 * targets. Folded the other way, as 0 behind the limit, they would be at most 1 + gamma + gamma^2. */
static void a_limit_is_no_end(void **state)
{
    (void)state;
    const double gamma = 0.9, V_ring = 1 / (1 - gamma);
    const network f = { 1, { D, 1 }, AD_TANH };
    const double phi[D + 1] = { 0, 0, V_ring }, s[D] = { 1, 0 }, a = 0;
    double V[9], V_end[3], A[9], R[9];
    ad_tape *t = ad_tape_new();
    rollout *b = rollout_shaped(D, 1, true);
    for (int k = 1; k <= 9; k++) {
        rollout_add(b, s, &a, 1);
        if (k % 3 == 0) rollout_end(b, s, true, false, true);
    }
    critic_bootstrap(t, &f, phi, b, V, V_end);
    for (int i = 0; i < 3; i++)
        a2c_advantages(3, b->r + 3 * i, V + 3 * i, V_end[i], gamma, i / 2.0, A + 3 * i, R + 3 * i);
    for (int k = 0; k < 9; k++) {
        assert_near(A[k], 0, 1e-14);
        assert_near(R[k], V_ring, 1e-14);
    }
    rollout_free(b);
    ad_tape_free(t);
}

/* So many passes, each in another order, in minibatches that divide T or do not, or are larger; a second call goes
 * on where the first one was. Rounding, through at most 44 steps of Adam of 1e-2 each, stays below 1e-12. */
static void fits(void **state)
{
    (void)state;
    enum { T = 11 };
    const int batches[] = { 1, 3, 4, 6, 11, 12, 50 };
    const network f = { 2, { D, 3, 1 }, AD_TANH };
    for (int k = 0; k < 14; k++) {
        const int M = batches[k % 7], epochs = k / 7 + 1, n = network_n(&f);
        const struct hand_settings h = { .V_epochs = epochs, .V_batch = M, .lr_V = 1e-2 };
        gsl_rng *values = random_stream(3, (uint32_t)k, RANDOM_TEST), *rng = random_stream(4, 0, RANDOM_TEST);
        gsl_rng *same = gsl_rng_clone(rng);
        double phi[100], m[200] = { 0 }, s[D], a = 0, R[T];
        long double by_hand[HAND_N], R_by_hand[T];
        struct hand_adam moments = { 0 };
        adam step = adam_of((size_t)n, h.lr_V, m);
        rollout *b = rollout_shaped(D, 1, true);
        ad_tape *t = ad_tape_new();
        for (int i = 0; i < n; i++) by_hand[i] = phi[i] = gsl_ran_gaussian(values, 1);
        for (int i = 0; i < T; i++) {
            for (int j = 0; j < D; j++) s[j] = gsl_ran_gaussian(values, 1);
            R_by_hand[i] = R[i] = gsl_ran_gaussian(values, 3);
            rollout_add(b, s, &a, 0);
        }
        for (int call = 0; call < 2; call++) {
            critic_fit(t, &f, phi, &step, T, b->s, R, epochs, M, rng);
            hand_fit_V(&h, &f, b, R_by_hand, same, &moments, by_hand);
            assert_int_equal(step.t, (call + 1) * epochs * (M < T ? T / M : 1));
            assert_true(random_position(rng) == random_position(same));
            for (int i = 0; i < n; i++) assert_near(phi[i], (double)by_hand[i], 1e-12);
        }
        ad_tape_free(t);
        rollout_free(b);
        gsl_rng_free(values), gsl_rng_free(rng), gsl_rng_free(same);
    }
}

/* Outputs of Q, one for each action; V of the same layers has one */
static void outputs(void **state)
{
    (void)state;
    const policy p = { .f = { 2, { D, 3, 2 }, AD_RELU }, .nA = 2, .d = D, .k = 1, .n = 17 };
    const network V = critic_V(&p), Q = critic_Q(&p);
    gsl_rng *rng = random_stream(2, 0, RANDOM_TEST);
    ad_tape *t = ad_tape_new();
    double phi[100], s[5 * D], y[10], v[5];
    for (int i = 0; i < 100; i++) phi[i] = gsl_ran_gaussian(rng, 1);
    for (int i = 0; i < 5 * D; i++) s[i] = gsl_ran_gaussian(rng, 1);
    critic_values(t, &V, phi, 5, s, v);
    critic_values(t, &Q, phi, 5, s, y);
    for (int k = 0; k < 5; k++) {
        number c[100], want[2];
        for (int i = 0; i < 100; i++) c[i] = phi[i];
        hand_network(&V, c, s + k * D, want);
        assert_near(v[k], (double)creall(want[0]), 1e-14);
        hand_network(&Q, c, s + k * D, want);
        for (int a = 0; a < 2; a++) assert_near(y[2 * k + a], (double)creall(want[a]), 1e-14);
    }
    ad_tape_free(t);
    gsl_rng_free(rng);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(mixes), cmocka_unit_test(segments),
                                        cmocka_unit_test(a_limit_is_no_end), cmocka_unit_test(fits),
                                        cmocka_unit_test(outputs) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
