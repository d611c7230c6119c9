/* The on-line actor-critics with Q, with Q - V and with the TD error of V: each equation against a plain loop, and
 * whole training runs, with every option and every kind of end, against the same updates done by hand in long
 * double.
 *     test_actor_critic [pattern]       runs the tests whose names match */
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

#include "algorithms/advantage_actor_critic.h"
#include "algorithms/q_actor_critic.h"
#include "algorithms/td_actor_critic.h"
#include "autodiff/random.h"
#include "derivations/actor_critic_mean.h"
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

/* ---- the equations, of five steps at once; the third ended the task ---- */

enum { T = 5 };
static const double r[T] = { 1, -0.5, 2, 0, 3.25 }, gamma_[T] = { 0.9, 0.9, 0, 0.9, 0.9 };
static const double Q[T] = { 0.3, 1, -2, 0.5, 4 }, Q1[T] = { 2, -1, 7, 0.25, 1 }, logp[T] = { -1, -0.5, -2,
    -0.1, -3 };

typedef ad (*of_delta)(ad r, ad gamma, ad Q, ad Q1);
typedef ad (*of_actor)(ad logp, ad Q);

static void check(of_delta delta, of_actor weighted, of_delta critic)
{
    ad_tape *t = ad_tape_new();
    ad R = ad_input(t, r, T, 1), g = ad_input(t, gamma_, T, 1), q = ad_input(t, Q, T, 1), q1 = ad_input(t, Q1,
    T, 1);
    ad lp = ad_input(t, logp, T, 1), d = delta(R, g, q, q1);
    ad J = weighted(lp, q), L = critic(R, g, q, q1), both = weighted(lp, ad_mul(lp, q));
    const double *dJ = ad_value(ad_grad(J, lp)), *dJ_Q = ad_value(ad_grad(J, q)), *dL = ad_value(ad_grad(L, q));
    const double *dL_Q1 = ad_value(ad_grad(L, q1)), *d_both = ad_value(ad_grad(both, lp));
    double sum = 0, squares = 0;
    for (int i = 0; i < T; i++) {
        double want = r[i] + gamma_[i] * Q1[i] - Q[i];
        sum += Q[i] * logp[i];
        squares += want * want;
        assert_near(ad_value(d)[i], want, 1e-15);
        assert_near(dJ[i], Q[i], 0);
        assert_near(dL[i], want, 1e-15);
        assert_near(dJ_Q[i], 0, 0);                             /* nothing flows into the critic, */
        assert_near(dL_Q1[i], 0, 0);                            /* nor into the target, */
        assert_near(d_both[i], logp[i] * Q[i], 1e-15);          /* nor through a weight that knows of theta */
    }
    assert_near(ad_scalar(J), sum, 1e-14);
    assert_near(ad_scalar(L), -squares / 2, 1e-13);
    ad_tape_free(t);
}

static void equations(void **state)
{
    (void)state;
    check(q_actor_critic_delta, q_actor_critic_actor, q_actor_critic_critic);
    check(advantage_actor_critic_delta, advantage_actor_critic_actor, advantage_actor_critic_critic);
    check(td_actor_critic_delta, td_actor_critic_actor, td_actor_critic_critic);
    ad_tape *t = ad_tape_new();
    const double *A = ad_value(advantage_actor_critic_A(ad_input(t, Q, T, 1), ad_input(t, Q1, T, 1)));
    for (int i = 0; i < T; i++) assert_near(A[i], Q[i] - Q1[i], 0);
    ad_tape_free(t);
}

/* ---- whole runs: theta by the box, step by step, in long double ---- */

enum which { WITH_Q, WITH_A, WITH_TD };
struct settings { double gamma, lr, lr_Q, lr_V; int gamma_t, adam; widths hidden; int activation; };
enum { MOST = 400 };
struct hand {
    policy p;
    network fQ, fV;
    long double theta[MOST], w[MOST], v[MOST];
    struct hand_adam of_theta, of_w, of_v;
};

/* f(s)_i at x [n], or its gradient */
struct output { const network *f; const double *s; int i; };
static number output(const void *context, const number *x)
{
    const struct output *o = context;
    number y[HAND_WIDEST];
    hand_network(o->f, x, o->s, y);
    return y[o->i];
}

static long double value(const network *f, const long double *x, const double *s, int i)
{
    number at[MOST];
    for (int k = 0; k < network_n(f); k++) at[k] = x[k];
    return creall(output(&(struct output){ f, s, i }, at));
}

struct logp { const policy *p; const double *s, *a; };
static number log_pi(const void *context, const number *theta)
{
    const struct logp *c = context;
    return hand_logp(c->p, theta, c->s, c->a);
}

static void step_along(bool adam, struct hand_adam *o, int n, double lr, long double *x, long double *g,
                       long double k)
{
    for (int i = 0; i < n; i++) g[i] *= k;
    if (adam) hand_adam_ascend(o, n, lr, x, g);
    for (int i = 0; i < n && !adam; i++) x[i] += lr * g[i];
}

/* s, a, r, s', a': a1 NULL where the task ended */
static void update_by_hand(struct hand *h, enum which which, const struct settings *c, int t, const double *s,
                           const double *a, double reward, const double *s1, bool terminated, const double *a1)
{
    long double g[MOST], weight = 0, delta_Q = 0, delta_V = 0;
    if (which != WITH_TD) {
        weight = value(&h->fQ, h->w, s, (int)a[0]);
        delta_Q = reward - weight + (terminated ? 0 : c->gamma * value(&h->fQ, h->w, s1, (int)a1[0]));
    }
    if (which != WITH_Q) {
        long double V = value(&h->fV, h->v, s, 0);
        delta_V = reward - V + (terminated ? 0 : c->gamma * value(&h->fV, h->v, s1, 0));
        weight = which == WITH_A ? weight - V : delta_V;
    }
    hand_gradient(h->p.n, h->theta, log_pi, &(struct logp){ &h->p, s, a }, g);
    step_along(c->adam, &h->of_theta, h->p.n, c->lr, h->theta, g, weight * (c->gamma_t ? powl(c->gamma, t) : 1));
    if (which != WITH_TD) {
        hand_gradient(network_n(&h->fQ), h->w, output, &(struct output){ &h->fQ, s, (int)a[0] }, g);
        step_along(c->adam, &h->of_w, network_n(&h->fQ), c->lr_Q, h->w, g, delta_Q);
    }
    if (which != WITH_Q) {
        hand_gradient(network_n(&h->fV), h->v, output, &(struct output){ &h->fV, s, 0 }, g);
        step_along(c->adam, &h->of_v, network_n(&h->fV), c->lr_V, h->v, g, delta_V);
    }
}

static void copy(int n, const double *from, long double *to)
{
    for (int i = 0; i < n; i++) to[i] = from[i];
}

static struct hand *hand_new(enum which which, const struct settings *c, const env *e, gsl_rng *init_rng)
{
    struct hand *h = calloc(1, sizeof *h);
    double x[MOST];
    h->p = policy_of(e, c->hidden.layers, c->hidden.width, (enum ad_activation)c->activation);
    h->fQ = h->fV = h->p.f;
    h->fV.size[h->fV.layers] = 1;
    policy_init(&h->p, init_rng, x);
    copy(h->p.n, x, h->theta);
    if (which != WITH_TD) {
        network_init_orthogonal(&h->fQ, sqrt(2), 1, init_rng, x);
        copy(network_n(&h->fQ), x, h->w);
    }
    if (which != WITH_Q) {
        network_init_orthogonal(&h->fV, sqrt(2), 1, init_rng, x);
        copy(network_n(&h->fV), x, h->v);
    }
    return h;
}

struct ends { int terminated, truncated, both; };

static void to_double(int n, const long double *from, double *to)
{
    for (int i = 0; i < n; i++) to[i] = (double)from[i];
}

static struct ends run_by_hand(struct hand *h, enum which which, const struct settings *c, env *e, run *streams,
                               long steps)
{
    struct ends ends = { 0 };
    double theta[MOST] = { 0 }, s[64], a[4], a1[4], reward;
    to_double(h->p.n, h->theta, theta);
    actor *pi = actor_new(&h->p, theta);
    for (long done = 0; done < steps; done++) {
        bool terminated, truncated;
        if (e->over) {
            env_reset(e, streams->env_rng);
            if (which != WITH_TD) actor_draw(pi, streams->policy_rng, e->obs, a);
        }
        int t = e->t;
        memcpy(s, e->obs, (size_t)h->p.d * sizeof *s);
        if (which == WITH_TD) actor_draw(pi, streams->policy_rng, s, a);
        env_step(e, a, &reward, &terminated, &truncated);
        if (which != WITH_TD && !terminated) actor_draw(pi, streams->policy_rng, e->obs, a1);
        update_by_hand(h, which, c, t, s, a, reward, e->obs, terminated, a1);
        to_double(h->p.n, h->theta, theta);
        if (which != WITH_TD) memcpy(a, a1, sizeof a);
        ends.terminated += terminated && !truncated;
        ends.truncated += truncated && !terminated;
        ends.both += terminated && truncated;
    }
    actor_free(pi);
    return ends;
}

static void train(run *training, enum which which, const struct settings *c)
{
    q_actor_critic_config q = { c->gamma, c->lr, c->lr_Q, c->gamma_t, c->adam, c->hidden, c->activation };
    advantage_actor_critic_config a = { c->gamma, c->lr, c->lr_Q, c->lr_V, c->gamma_t, c->adam, c->hidden,
                                        c->activation };
    td_actor_critic_config d = { c->gamma, c->lr, c->lr_V, c->gamma_t, c->adam, c->hidden, c->activation };
    if (which == WITH_Q)  q_actor_critic(training, &q);
    if (which == WITH_A)  advantage_actor_critic(training, &a);
    if (which == WITH_TD) td_actor_critic(training, &d);
}

enum { STEPS = 200 };           /* a whole number of rows */

static struct ends same_run(const char *id, int limit, enum which which, const struct settings *c)
{
    env *e = make(id, limit), *again = make(id, limit);
    run *streams = run_new("by hand", e, 5, 0), *trained = run_new("trained", again, 5, STEPS);
    struct hand *h = hand_new(which, c, e, streams->init_rng);
    struct ends ends = run_by_hand(h, which, c, e, streams, STEPS);
    train(trained, which, c);
    assert_int_equal(trained->steps, STEPS);
    assert_int_equal(trained->episodes, ends.terminated + ends.truncated + ends.both);
    for (int i = 0; i < h->p.n; i++) {
        double want = (double)h->theta[i];
        assert_near(trained->theta[i], want, 1e-12 * fmax(1, fabs(want)));
    }
    run_free(trained);
    run_free(streams);
    env_free(again);
    env_free(e);
    free(h);
    return ends;
}

/* Tables, networks of one and two hidden layers; steps and Adam; with and without gamma^t; and episodes that end,
 * are cut, and both at once */
static void options(void **state)
{
    (void)state;
    for (enum which which = WITH_Q; which <= WITH_TD; which++) {
        struct ends all = { 0 };
        for (int k = 0; k < 12; k++) {
            struct settings c = { .gamma = k % 3 ? 0.9 : 1, .lr = 0.05, .lr_Q = 0.07, .lr_V = 0.09,
                                  .gamma_t = k % 2,
                                  .adam = k / 2 % 2, .hidden = { k / 4, { 5, 4 } },
                                  .activation = k == 5 ? AD_RELU : AD_TANH };
            if (c.adam) c.lr = c.lr_Q = c.lr_V = 3e-3;
            struct ends ends = same_run("E5x", 4, which, &c);
            all.terminated += ends.terminated;
            all.truncated += ends.truncated;
            all.both += ends.both;
        }
        assert_true(all.terminated > 100 && all.truncated > 100 && all.both > 10);
    }
}

static void continuous_states(void **state)
{
    (void)state;
    for (enum which which = WITH_Q; which <= WITH_TD; which++) {
        struct settings c = { .gamma = 0.95, .lr = 5e-3, .lr_Q = 1e-2, .lr_V = 2e-2, .hidden = { 1, { 6 } },
                              .activation = AD_TANH };
        struct ends ends = same_run("CartPole-v1", 25, which, &c);
        assert_true(ends.terminated > 0 && ends.truncated > 0);
    }
}

static void endless(void **state)
{
    (void)state;
    for (enum which which = WITH_Q; which <= WITH_TD; which++) {
        struct settings c = { .gamma = 0.99, .lr = 0.05, .lr_Q = 0.1, .lr_V = 0.1, .gamma_t = 1 };
        struct ends ends = same_run("E5", 0, which, &c);
        assert_int_equal(ends.terminated + ends.truncated + ends.both, 0);
    }
}

static void boxes(void **state)
{
    (void)state;
    struct settings c = { .gamma = 0.9, .lr = 2e-3, .lr_V = 5e-3, .hidden = { 1, { 4 } }, .activation = AD_TANH };
    assert_int_equal(same_run("lqr", 5, WITH_TD, &c).truncated, STEPS / 5);
    c.gamma_t = c.adam = 1;
    same_run("lqr", 5, WITH_TD, &c);
}

/* What explain prints is the first update of a training run from that seed, by hand here, and fits on a screen. */
static void explained(void **state)
{
    (void)state;
    for (enum which which = WITH_Q; which <= WITH_TD; which++) {
        struct settings c = { .gamma = 0.9, .lr = 0.3, .lr_Q = 0.2, .lr_V = 0.1, .gamma_t = 1 };
        q_actor_critic_config q = { c.gamma, c.lr, c.lr_Q, 1, Q_ACTOR_CRITIC_SGD, { 2, { 3, 3 } }, AD_TANH };
        advantage_actor_critic_config a = { c.gamma, c.lr, c.lr_Q, c.lr_V, 1, ADVANTAGE_ACTOR_CRITIC_SGD, { 0 },
        0 };
        td_actor_critic_config d = { c.gamma, c.lr, c.lr_V, 1, TD_ACTOR_CRITIC_SGD, { 0 }, 0 };
        for (uint64_t seed = 1; seed <= 12; seed++) {
            char *text = NULL;
            size_t size;
            FILE *out = open_memstream(&text, &size);
            if (which == WITH_Q)  q_actor_critic_explain(out, &q, seed);
            if (which == WITH_A)  advantage_actor_critic_explain(out, &a, seed);
            if (which == WITH_TD) td_actor_critic_explain(out, &d, seed);
            fclose(out);
            int lines = 0;
            for (const char *at = text; *at; at++) lines += *at == '\n';
            assert_true(lines >= 20 && lines <= 40);
            env *e = make("E5x", 5);
            run *streams = run_new("by hand", e, seed, 0);
            struct hand *h = hand_new(which, &c, e, streams->init_rng);
            run_by_hand(h, which, &c, e, streams, 1);
            const char *row = strstr(text, "theta after");
            assert_non_null(row);
            int s, a_s;
            double log_pi, z[3] = { 0 };
            assert_int_equal(sscanf(strstr(text, "s = "), "s = %d, a = %d", &s, &a_s), 2);
            assert_int_equal(sscanf(strstr(text, "log pi(a|s) = "), "log pi(a|s) = %lf", &log_pi), 1);
            for (int i = 0; i < 7; i++) {                       /* s, then g, before, after: 3 numbers each */
                double x[9];
                row = strchr(row, '\n') + 1;
                assert_int_equal(sscanf(row + 5, "%lf %lf %lf %lf %lf %lf %lf %lf %lf", &x[0], &x[1], &x[2], &x[3],
                                        &x[4], &x[5], &x[6], &x[7], &x[8]), 9);
                for (int b = 0; b < 3; b++) assert_near(x[6 + b], (double)h->theta[3 * i + b], 0.51e-4);
                if (i == s || i == 6) for (int b = 0; b < 3; b++) z[b] += x[3 + b];
            }
            /* the log pi(a|s) that is shown, from the theta that is shown: four rounded numbers of 0.5e-4 each */
            assert_near(log_pi, z[a_s] - log(exp(z[0]) + exp(z[1]) + exp(z[2])), 2.1e-4);
            free(h);
            run_free(streams);
            env_free(e);
            free(text);
        }
    }
}

/* X29, X4, X75: an independent program's numbers */
static void errata(void **state)
{
    (void)state;
    double a, b, c, one_hot[2], y_is_p[2];
    actor_critic_wrong_critic(&a, &b);
    assert_near(a, 0.9064, 0.6e-4);
    assert_near(b, 0.503, 0.6e-3);
    actor_critic_td_errors(&a, &b, &c);
    assert_near(a, 0, 1e-14);
    assert_near(b, 1.1150, 0.6e-4);
    assert_near(b, c, 1e-13);
    actor_critic_spread(0, &a, &b);
    assert_near(a, 0.2047, 0.6e-4);                             /* as BL-4's */
    assert_near(b, 0.2114, 0.6e-4);
    actor_critic_spread(10, &c, &a);
    assert_near(a, b, 1e-13);
    assert_true(c > 100 * b);
    actor_critic_cross_entropy(one_hot, y_is_p);
    for (int i = 0; i < 2; i++) {
        assert_near(one_hot[i], i ? 0.3 : -0.3, 1e-15);
        assert_near(y_is_p[i], 0, 1e-15);
    }
}

static void learns(void **state)
{
    (void)state;
    for (enum which which = WITH_Q; which <= WITH_TD; which++) {
        struct settings c = { .gamma = 0.9, .lr = 0.1, .lr_Q = 0.3, .lr_V = 0.3 };
        env *e = make("chain:5", 50);
        run *trained = run_new("trained", e, 1, 40000);
        train(trained, which, &c);
        assert_true(trained->return_mean == 1 && trained->episodes > 2000);
        run_free(trained);
        env_free(e);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equations), cmocka_unit_test(options), cmocka_unit_test(continuous_states),
        cmocka_unit_test(endless), cmocka_unit_test(boxes), cmocka_unit_test(explained), cmocka_unit_test(errata),
        cmocka_unit_test(learns) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
