/* DQN: its gradient against complex steps through plain loops, and whole training runs against the same updates
 * done by hand in long double.
 *     test_dqn [pattern]       runs the tests whose names match */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <gsl/gsl_randist.h>

#include "algorithms/dqn.h"
#include "autodiff/distribution.h"
#include "autodiff/random.h"
#include "tests/policy_by_hand.h"

static env *make(const char *id, int limit)
{
    char error[512] = "";
    env *e = env_make(id, limit, error, sizeof error);
    if (!e) fail_msg("%s", error);
    return e;
}

/* ---- by hand ---- */

enum { MOST = 200, MOST_B = 16, STEPS = 200 };
struct row { double s[8], a, r, s1[8]; bool terminated; };
struct problem { const network *Q; int T; const struct row *B[MOST_B]; long double y[MOST_B]; };

static int hand_best(int nA, const number *Q)
{
    int best = 0;
    for (int a = 1; a < nA; a++)
        if (creall(Q[a]) > creall(Q[best])) best = a;
    return best;
}

static void hand_y(struct problem *h, const dqn_config *c, const long double *phi, const long double *phi_targ)
{
    number x[MOST], x1[MOST], Q[8], Q1[8];
    int nA = h->Q->size[h->Q->layers];
    for (int i = 0; i < network_n(h->Q); i++) x[i] = phi[i], x1[i] = phi_targ[i];
    for (int t = 0; t < h->T; t++) {
        const struct row *b = h->B[t];
        hand_network(h->Q, x, b->s1, Q);
        hand_network(h->Q, x1, b->s1, Q1);
        long double worth = creall(Q1[hand_best(nA, c->double_Q ? Q : Q1)]);
        h->y[t] = b->r + (b->terminated ? 0 : c->gamma * worth);
    }
}

static number hand_minus_L(const void *context, const number *phi)
{
    const struct problem *h = context;
    number sum = 0, Q[8];
    for (int t = 0; t < h->T; t++) {
        hand_network(h->Q, phi, h->B[t]->s, Q);
        number off = Q[(int)h->B[t]->a] - h->y[t];
        sum -= off * off / h->T;
    }
    return sum;
}

/* ---- the gradient ---- */

static void gradient(void **state)
{
    (void)state;
    const network Q = { 2, { 3, 5, 4 }, AD_TANH };
    int n = network_n(&Q), T = 9, differ = 0;
    gsl_rng *rng = random_stream(1, 0, RANDOM_TEST);
    env *e = make("E5x", 5), shaped = *e;
    shaped.observation.dim = 3;
    minibatch *B = minibatch_new(&shaped, T);
    for (int double_Q = 0; double_Q < 2; double_Q++)
        for (int trial = 0; trial < 5; trial++) {
            dqn_config c = { .gamma = 0.8, .double_Q = double_Q };
            struct problem h = { .Q = &Q, .T = T };
            struct row rows[MOST_B];
            double phi[MOST], phi1[MOST], g[MOST];
            long double at[MOST], at1[MOST], want[MOST];
            number x[MOST];
            for (int i = 0; i < n; i++) at[i] = phi[i] = gsl_ran_gaussian(rng, 0.7), x[i] = phi[i];
            for (int i = 0; i < n; i++) at1[i] = phi1[i] = gsl_ran_gaussian(rng, 0.7);
            for (int t = 0; t < T; t++) {
                struct row *b = &rows[t];
                for (int i = 0; i < 3; i++) B->s[3 * t + i] = b->s[i] = gsl_ran_gaussian(rng, 1);
                for (int i = 0; i < 3; i++) B->s1[3 * t + i] = b->s1[i] = gsl_ran_gaussian(rng, 1);
                b->a = B->index[t] = (int)gsl_rng_uniform_int(rng, 4);
                B->r[t] = b->r = gsl_ran_gaussian(rng, 1);
                B->done[t] = b->terminated = t % 3 == 0;
                h.B[t] = b;
            }
            hand_y(&h, &c, at, at1);
            hand_gradient(n, at, hand_minus_L, &h, want);
            ad_tape *t = ad_tape_new();
            double L = dqn_gradient(t, &c, &Q, phi, phi1, B, g);
            for (int i = 0; i < n; i++)
                if (!(fabsl(g[i] - want[i]) <= 1e-13L * (1 + fabsl(want[i]))))
                    fail_msg("g[%d]: %g, %Lg", i, g[i], want[i]);
            assert_true(fabs(L + (double)creall(hand_minus_L(&h, x))) <= 1e-13 * (1 + L));
            c.double_Q = !double_Q;
            differ += dqn_gradient(t, &c, &Q, phi, phi1, B, g) != L;
            ad_tape_free(t);
        }
    assert_int_equal(differ, 10);
    minibatch_free(B);
    env_free(e);
    gsl_rng_free(rng);
}

/* DDPG-9   y made by the same x as Q: Q = x, y = 2x, so that dL/dx = 2 (x - 2x)/2 = -x, where a y that is not held
 * gives 2 (2x - x)/2 = x */
static void y_is_held(void **state)
{
    (void)state;
    double at[2] = { 3, -0.5 };
    ad_tape *t = ad_tape_new();
    ad x = ad_input(t, at, 2, 1);
    const double *g = ad_value(ad_grad(dqn_L(x, ad_scale(2, x)), x));
    for (int i = 0; i < 2; i++) assert_true(g[i] == -at[i]);
    ad_tape_free(t);
}

/* The best of each row, and of equals the first, as in acting */
static void choice(void **state)
{
    (void)state;
    const double Q[] = { 1, 3, 2,  5, 5, 5,  -1, 0, 0,  7, 2, 7 };
    int index[4];
    dqn_choice(4, 3, Q, index);
    assert_int_equal(index[0], 1);
    assert_int_equal(index[1], 0);
    assert_int_equal(index[2], 1);
    assert_int_equal(index[3], 0);
}

/* The policy that is evaluated: the last epsilon, and the network that was asked for */
static void policy_of_config(void **state)
{
    (void)state;
    env *e = make("E5x", 5);
    dqn_config c = dqn_defaults;
    c.epsilon = 0.3, c.hidden = (widths){ 1, { 7 } };
    for (int relu = 0; relu < 2; relu++) {
        c.activation = relu ? AD_RELU : AD_TANH;
        policy p = dqn_policy(e, &c);
        assert_true(p.values && p.epsilon == 0.3);
        assert_int_equal(p.f.hidden, relu ? AD_RELU : AD_TANH);
        assert_int_equal(p.f.size[1], 7);
    }
    env_free(e);
}

/* ---- whole runs ---- */

static const struct { const char *env; int limit; const char *set; } runs[] = {
    { "CartPole-v1", 30, "start_steps=20 batch=6 target_every=31 anneal_steps=100 capacity=70" },
    { "E5x", 7, "start_steps=10 batch=5 target_every=13 double_Q=on update_every=3 epsilon=0.3 clip_norm=0.5"
      " gamma=0.9" },
    { "E5x", 7, "start_steps=0 batch=1 target_every=2 rho=0.8 anneal_steps=0 clip_norm=0" },
    { "CartPole-v1", 30, "start_steps=26 batch=6 target_every=31 anneal_steps=0 epsilon=0 activation=relu" },
    { "CartPole-v1", 30, "start_steps=2 batch=5 target_every=11 anneal_steps=0 epsilon=0 double_Q=on" },
};

static void set_all(const config_field *fields, void *c, const char *set)
{
    char text[200], *at = text;
    strcpy(text, set);
    for (char *one; (one = strtok_r(at, " ", &at));) config_set(fields, c, "test_dqn", one);
}

struct by_hand {
    dqn_config c; policy p; int n;
    long double phi[MOST], phi_targ[MOST];
    struct hand_adam *adam;
    struct row D[STEPS]; long stored;
    struct problem last;                    /* update, and its numbers */
    long double g[MOST], L;
};

static void hand_update(struct by_hand *h, gsl_rng *rng)
{
    struct problem at = { .Q = &h->p.f, .T = (int)h->c.batch };
    long capacity = h->c.capacity, size = h->stored < capacity ? h->stored : capacity;
    long double *g = h->g, norm = 0;
    number x[MOST];
    for (int t = 0; t < at.T; t++) {
        long j = (long)gsl_rng_uniform_int(rng, (unsigned long)size), turns = (h->stored - 1 - j) / capacity;
        at.B[t] = &h->D[j + turns * capacity];
    }
    hand_y(&at, &h->c, h->phi, h->phi_targ);
    for (int i = 0; i < h->n; i++) x[i] = h->phi[i];
    h->L = -creall(hand_minus_L(&at, x));
    h->last = at;
    hand_gradient(h->n, h->phi, hand_minus_L, &at, g);
    for (int i = 0; i < h->n; i++) norm += g[i] * g[i];
    norm = sqrtl(norm);
    for (int i = 0; h->c.clip_norm > 0 && norm > h->c.clip_norm && i < h->n; i++) g[i] *= h->c.clip_norm / norm;
    hand_adam_ascend(h->adam, h->n, h->c.lr_Q, h->phi, g);
}

static void hand_run(struct by_hand *h, env *e, uint64_t seed, long steps)
{
    gsl_rng *init = random_stream(seed, 0, RANDOM_INIT), *of_env = random_stream(seed, 0, RANDOM_ENV);
    gsl_rng *of_policy = random_stream(seed, 0, RANDOM_POLICY), *of_update = random_stream(seed, 0, RANDOM_UPDATE);
    double phi[MOST];
    const dqn_config *c = &h->c;
    network_init_fan_in(&h->p.f, init, phi);
    for (int i = 0; i < h->n; i++) h->phi[i] = h->phi_targ[i] = phi[i];
    for (long t = 0; t < steps; t++) {
        bool truncated;
        struct row *b = &h->D[h->stored++];
        number x[MOST], Q[8];
        double left = c->anneal_steps ? fmax(0, 1 - (double)t / (double)c->anneal_steps) : 0, q[8];
        double epsilon = t < c->start_steps ? 1 : c->epsilon + (1 - c->epsilon) * left;
        if (e->over) env_reset(e, of_env);
        memcpy(b->s, e->obs, (size_t)h->p.d * sizeof *b->s);
        for (int i = 0; i < h->n; i++) x[i] = h->phi[i];
        hand_network(&h->p.f, x, b->s, Q);
        for (int a = 0; a < h->p.nA; a++) q[a] = (double)creall(Q[a]);
        b->a = epsilon_greedy_sample(of_policy, h->p.nA, q, epsilon);
        env_step(e, &b->a, &b->r, &b->terminated, &truncated);
        memcpy(b->s1, e->obs, (size_t)h->p.d * sizeof *b->s1);
        if (t + 1 > c->start_steps && (t + 1) % c->update_every == 0)
            for (long i = 0; i < c->update_every; i++) hand_update(h, of_update);
        if ((t + 1) % c->target_every == 0)
            for (int i = 0; i < h->n; i++)
                h->phi_targ[i] = c->rho * h->phi_targ[i] + (1 - (long double)c->rho) * h->phi[i];
    }
    gsl_rng_free(init);
    gsl_rng_free(of_env);
    gsl_rng_free(of_policy);
    gsl_rng_free(of_update);
}

/* As in test_ddpg: rounding moves phi by lr u kappa a step, another update by a part of lr */
static void by_hand(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof runs / sizeof *runs; k++) {
        struct by_hand h = { .c = dqn_defaults, .adam = calloc(1, sizeof *h.adam) };
        env *e = make(runs[k].env, runs[k].limit), *again = make(runs[k].env, runs[k].limit);
        set_all(dqn_fields, &h.c, "hidden=5,4 activation=tanh");
        set_all(dqn_fields, &h.c, runs[k].set);
        h.p = dqn_policy(e, &h.c);
        h.n = h.p.n;
        assert_in_range(h.n, 1, MOST);
        hand_run(&h, again, 9, STEPS);
        run *r = run_new("dqn", e, 9, STEPS);
        dqn(r, &h.c);
        assert_int_equal(r->steps, STEPS);
        for (int i = 0; i < h.n; i++)
            if (!(fabsl(r->theta[i] - h.phi[i]) <= 1e-11L))
                fail_msg("run %zu, phi[%d]: %.17g, %.17Lg", k, i, r->theta[i], h.phi[i]);
        run_free(r);
        free(h.adam);
        env_free(e);
        env_free(again);
    }
}

/* What explain prints: the first update of a run that learns after five steps, by hand; five digits behind the point,
 * four of phi and g */
static const char *const explanations[] = { "gamma=0.9", "double_Q=on batch=3 lr_Q=0.02", "clip_norm=0.1 batch=4",
                                            "double_Q=on gamma=0.7" };

static int state_of(const double *s)
{
    for (int i = 0;; i++)
        if (s[i] == 1) return i;
}

static void assert_printed(const char *what, double printed, long double want, double unit)
{
    if (!(fabsl(printed - want) <= 0.51 * unit)) fail_msg("%s: %.5f, %.7Lf", what, printed, want);
}

static void assert_explained(const char *text, const struct by_hand *h)
{
    const char *row = strstr(text, "  s  a "), *L = strstr(text, "L = mean (Q(s,a) - y)^2 = ");
    int nA = h->p.nA;
    for (int t = 0; t < h->last.T; t++) {
        const struct row *b = h->last.B[t];
        double x[9];
        char *at = strchr(row, '\n') + 1;
        row = at;
        for (int i = 0; i < 9; i++) x[i] = strtod(at, &at);         /* s a r s' d a' Q_targ y Q */
        assert_true(*at == '\n');
        assert_true(x[0] == state_of(b->s) && x[1] == b->a && x[3] == state_of(b->s1) && x[4] == b->terminated);
        assert_printed("r", x[2], b->r, 1e-5);
        assert_printed("y", x[7], h->last.y[t], 1e-5);
    }
    assert_printed("L", strtod(strstr(L, "^2 = ") + 5, NULL), h->L, 1e-5);
    row = strstr(text, "phi after");
    for (int s = 0; s <= h->p.d; s++) {
        char *at = strchr(row, '\n') + 1;
        double x[9];
        row = at;
        at += 5;
        for (int i = 0; i < 9; i++) x[i] = strtod(at, &at);
        for (int a = 0; a < nA; a++) assert_printed("g", x[a], h->g[s * nA + a], 1e-4);
        for (int a = 0; a < nA; a++) assert_printed("phi", x[2 * nA + a], h->phi[s * nA + a], 1e-4);
    }
}

static void explained(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof explanations / sizeof *explanations; k++)
        for (uint64_t seed = 1; seed < 4; seed++) {
            struct by_hand h = { .c = dqn_defaults, .adam = calloc(1, sizeof *h.adam) };
            env *e = make("E5x", 5);
            set_all(dqn_fields, &h.c, "hidden=0 batch=5 start_steps=4 target_every=100");
            set_all(dqn_fields, &h.c, explanations[k]);
            h.p = dqn_policy(e, &h.c);
            h.n = h.p.n;
            hand_run(&h, e, seed, 5);
            char *text = NULL;
            size_t size;
            FILE *out = open_memstream(&text, &size);
            dqn_explain(out, &h.c, seed);
            fclose(out);
            assert_explained(text, &h);
            free(text);
            free(h.adam);
            env_free(e);
        }
}

/* ERR-67   r = 1 and the end: Q = 1. The time limit is no end: reward 1 for ever, cut after each step, Q = 1/(1 -
 * gamma), which is 10. Both from the same numbers, so from d alone */
static void the_end_and_the_limit(void **state)
{
    (void)state;
    const network Q = { 1, { 1, 1 }, AD_TANH };
    for (int terminated = 0; terminated < 2; terminated++) {
        double phi[2] = { 0, 0 }, g[2], s[1] = { 0 };
        env *e = make("E5x", 5), shaped = *e;
        shaped.observation.dim = 1;
        replay *D = replay_new(&shaped, 4);
        minibatch *B = minibatch_new(&shaped, 4);
        gsl_rng *rng = random_stream(2, 0, RANDOM_TEST);
        ad_tape *t = ad_tape_new();
        dqn_config c = { .gamma = 0.9 };
        replay_store(D, s, s, 1, s, terminated);
        for (int k = 0; k < 2000; k++) {                        /* b <- b + .2 (y - b): 0.98^2000 = 3e-18 is left */
            replay_sample(D, rng, B);
            dqn_gradient(t, &c, &Q, phi, phi, B, g);
            for (int i = 0; i < 2; i++) phi[i] += 0.1 * g[i];
        }
        assert_true(fabs(phi[1] - (terminated ? 1 : 10)) <= 1e-12);
        ad_tape_free(t);
        gsl_rng_free(rng);
        minibatch_free(B);
        replay_free(D);
        env_free(e);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(gradient), cmocka_unit_test(y_is_held),
                                        cmocka_unit_test(choice), cmocka_unit_test(policy_of_config),
                                        cmocka_unit_test(by_hand), cmocka_unit_test(explained),
                                        cmocka_unit_test(the_end_and_the_limit) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
