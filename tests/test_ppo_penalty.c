/* PPO with a penalty on the KL: its objective, gradient and rules for beta against plain loops, and whole training
 * runs, with every option, against the same updates done by hand in long double.
 *     test_ppo_penalty [pattern]       runs the tests whose names match */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "algorithms/ppo_penalty.h"
#include "tests/child_process.h"
#include "tests/ppo_by_hand.h"

/* ---- the equations ---- */

/* Value, and the slope in each argument: r and the KL are functions of theta, A is not */
static void objective(void **state)
{
    (void)state;
    const double r[] = { 0.5, 1, 1.7 }, A[] = { 2, -1, -0.3 }, kl[] = { 0.2, 0, 0.05 };
    ad_tape *t = ad_tape_new();
    for (int k = 0; k < 3; k++) {
        double beta = k * 1.5;
        ad x = ad_input(t, r, 3, 1), y = ad_input(t, kl, 3, 1), g[2];
        ad L = ppo_L_KLPEN(x, ad_input(t, A, 3, 1), y, beta);
        ad_grads(L, 2, ((ad[]){ x, y }), g);
        assert_near(ad_scalar(L), (1 - 1 - 0.51 - beta * 0.25) / 3, 1e-15);
        for (int i = 0; i < 3; i++) {
            assert_near(ad_value(g[0])[i], A[i] / 3, 1e-15);
            assert_near(ad_value(g[1])[i], -beta / 3, 1e-15);
        }
    }
    ad_tape_free(t);
}

/* PPO-22, PPO-23   All three branches from each, edges and all; what leads up leads down again to the same bits. */
static void rules(void **state)
{
    (void)state;
    const double delta = 3.0 / 128, d[] = { 0.5, 2.0 / 3, 1, 1.5, 1.6 };        /* delta/1.5, 1.5 delta: exact */
    for (int i = 0; i < 125; i++) {
        double beta = 0.7, other = 0.7, want = 0.7;
        for (int k = 0, path = i; k < 3; k++, path /= 5) {
            int at = path % 5;
            double now = at == 1 ? 1.0 / 64 : d[at] * delta;
            beta = ppo_beta_of_target(beta, now, delta);
            other = ppo_beta_of_bounds(other, now, 1.0 / 64, 9.0 / 256, 3);
            want *= at == 0 ? 0.5 : at == 4 ? 2 : 1;
            assert_true(beta == want);
            assert_near(other, 0.7 * pow(3, log2(want / 0.7)), 1e-14);
        }
    }
    assert_true(ppo_beta_of_target(1, 0, delta) == 0.5 && ppo_beta_of_target(1, 1e9, delta) == 2);
    assert_true(ppo_beta_of_bounds(1, 0.3, 0.3, 0.3, 7) == 1 && ppo_beta_of_bounds(1, 0.31, 0.3, 0.3, 7) == 7);
}

/* ---- by hand ---- */

static number hand_J_penalty(const void *context, const number *w)      /* w = (theta, phi) */
{
    const struct hand_J *h = context;
    number J = 0, V;
    for (int i = 0; i < h->M; i++) {
        int k = h->which[i];
        const double *s = h->b->s + k * h->b->d;
        number ratio = cexpl(hand_logp(h->p, w, s, h->b->a + k * h->b->k) - h->logp_old[k]);
        number kl = h->kind == PPO_OLD_NEW ? hand_kl(h->p, h->old, w, s) : hand_kl(h->p, w, h->old, s);
        hand_network(h->f, w + h->p->n, s, &V);
        number error = (V - h->R[k]) * (V - h->R[k]);
        J += ratio * h->normed[i] - h->beta * kl - h->c1 * error + h->c2 * hand_entropy(h->p, w, s);
    }
    return J / h->M;
}

/* Cases of all kinds, and the settings that say the same */
static ppo_penalty_config any_penalty(struct any *x, int k, double off)
{
    any_new(x, hand_J_penalty, k, off);
    x->h.kind = k / 2 % 2, x->h.beta = k % 5 ? 0.3 * k : 0;
    return (ppo_penalty_config){ .direction = x->h.kind, .c1 = x->h.c1, .c2 = x->h.c2 };
}

static void gradients(void **state)
{
    (void)state;
    static struct any x;
    for (int k = 0; k < 24; k++) {
        double g[MOST];
        const ppo_penalty_config c = any_penalty(&x, k, 0.1);
        ppo_penalty_gradient(x.t, &c, (double)x.h.beta, &x.p, &x.f, x.w, x.w + x.p.n, x.D, g);
        assert_gradient(&x, g);
        any_free(&x);
    }
}

/* At theta_old the penalty has no gradient, whatever beta is; and pi_old's parameters have none anywhere. */
static void at_theta_old(void **state)
{
    (void)state;
    static struct any x;
    for (int k = 0; k < 12; k++) {
        double g[MOST], free_of_charge[MOST], size = 0;
        const ppo_penalty_config c = any_penalty(&x, k, 0);
        int n = x.p.n + network_n(&x.f);
        ppo_penalty_gradient(x.t, &c, 100, &x.p, &x.f, x.w, x.w + x.p.n, x.D, g);
        ppo_penalty_gradient(x.t, &c, 0, &x.p, &x.f, x.w, x.w + x.p.n, x.D, free_of_charge);
        for (int i = 0; i < n; i++) size = fmax(size, fabs(g[i]));
        for (int i = 0; i < n; i++) assert_near(g[i], free_of_charge[i], 1e-12 * fmax(1, size));
        any_free(&x);
    }
}

static void measured(void **state)
{
    (void)state;
    static struct any x;
    for (int k = 0; k < 12; k++) {
        const ppo_penalty_config c = any_penalty(&x, k, 0.1);
        ppo_penalty_measured m = ppo_penalty_measure(x.t, &c, (double)x.h.beta, &x.p, x.w, x.D);
        assert_measured(&x, (double[]){ m.kl_exact, m.kl_k1, m.kl_k2, m.kl_k3, m.entropy, m.L });
        any_free(&x);
    }
}

/* ---- whole runs ---- */

static void train_in(const char *folder, const char *id, int limit, const ppo_penalty_config *c, long steps,
                     bool resumed)
{
    run_in(folder, ppo_penalty, c, id, limit, steps, resumed);
}

/* PPO-22, PPO-23   each by its own words */
static long double hand_beta(const ppo_penalty_config *c, long double beta, long double d)
{
    if (c->adapt == PPO_ADAPT_OFF) return beta;
    bool target = c->adapt == PPO_ADAPT_TARGET;
    long double low = target ? c->delta_kl / 1.5L : c->KL_min, high = target ? c->delta_kl * 1.5L : c->KL_max;
    long double factor = target ? 2 : c->factor;
    return d < low ? beta / factor : d > high ? beta * factor : beta;
}

/* How often beta went down, stayed, went up */
static struct { int down, same, up; } moves;
static void move(const void *config, struct hand_J *J, long double kl)
{
    long double was = J->beta;
    J->beta = hand_beta(config, was, kl);
    moves.down += J->beta < was, moves.same += J->beta == was, moves.up += J->beta > was;
}

static void same_penalty_run(const char *id, int limit, const ppo_penalty_config *c, long steps)
{
    char folder[256];
    long double beta;
    long epochs;
    env *e = make(id, limit);
    const struct hand_run r = { ppo_penalty, c, HAND_SETTINGS(c, 0), ppo_penalty_policy(e, c),
        { .J = hand_J_penalty, .kind = c->direction, .c1 = c->c1, .c2 = c->c2, .beta = c->beta }, false, move };
    same_run(&r, id, limit, steps, folder, &beta, &epochs);
    assert_kept(folder, "beta", 1, &beta);
    remove_folder(folder);
    env_free(e);
}

static ppo_penalty_config option(int k)
{
    const struct hand_settings c = hand_option(k);
    return (ppo_penalty_config){ .workers = c.workers, .n_steps = c.n_steps, .epochs = c.epochs,
                                 .minibatch = c.minibatch, .beta = k % 5 ? k : 0.3,
                                 .adapt = k % 7 == 6 ? PPO_ADAPT_OFF : k % 2, .delta_kl = k % 3 ? 1e-4 : 1e-2,
                                 .KL_min = 1e-4, .KL_max = k % 4 ? 1e-3 : 1e-4, .factor = k % 3 ? 1.5 : 3,
                                 .direction = k / 3 % 2, .gamma = c.gamma, .lambda = c.lambda,
                                 .normalise = c.normalise, .c1 = k % 5 / 4.0, .c2 = k % 2 ? 0.05 : 0, .lr = c.lr,
                                 .lr_V = c.lr_V, .adam_eps = c.adam_eps, .clip_norm = c.clip_norm,
                                 .joint = c.joint, .anneal_steps = c.anneal_steps,
                                 .hidden = { k % 3, { 4, 3 } }, .activation = k % 2 ? AD_TANH : AD_RELU };
}

static void options(void **state)
{
    (void)state;
    const char *id[] = { "E5x", "CartPole-v1", "lqr", "FrozenLake-v1" };
    const int limit[] = { 0, 5, 4, 9 };
    moves.down = moves.same = moves.up = 0;
    for (int k = 0; k < 24; k++) {
        ppo_penalty_config c = option(k);
        same_penalty_run(id[k * 7 / 4 % 4], limit[k * 7 / 4 % 4], &c, 36);
    }
    assert_true(moves.down >= 10 && moves.same >= 10 && moves.up >= 10);
}

/* beta in a run: once an update, by the KL over the whole batch in the row above, whatever the number of minibatches;
 * unchanged by a stop and going on */
static void beta_walks(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        ppo_penalty_config c = ppo_penalty_defaults;
        char folder[256];
        double beta[MOST], kl[MOST];
        int down = 0, same = 0, up = 0;
        c.hidden = (widths){ 1, { 8 } };
        c.workers = 2, c.n_steps = 16, c.minibatch = k % 2 ? 4 : 32, c.epochs = k % 2 ? 4 : 20, c.lr = 1e-2;
        c.adapt = k / 2 ? PPO_ADAPT_BOUNDS : PPO_ADAPT_TARGET;
        c.KL_min = 0.004, c.KL_max = 0.012, c.factor = 1.25;
        train_in(new_folder(folder, "walk"), "CartPole-v1", 50, &c, 20 * 32, false);
        train_in(folder, "CartPole-v1", 50, &c, 100 * 32, true);
        int rows = column(folder, "beta", beta);
        assert_int_equal(rows, 100);
        assert_int_equal(column(folder, "kl_exact", kl), 100);
        assert_true(beta[0] == c.beta);
        for (int i = 1; i < rows; i++) {
            double want = (double)hand_beta(&c, beta[i - 1], kl[i - 1]);
            assert_near(beta[i], want, 1e-15 * want);
            down += beta[i] < beta[i - 1], same += beta[i] == beta[i - 1], up += beta[i] > beta[i - 1];
        }
        assert_true(down >= 5 && same >= 5 && up >= 5);
        remove_folder(folder);
    }
}

/* Halved for ever it would be 0; doubled for ever, no number. */
static void beta_stays_a_number(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        ppo_penalty_config c = ppo_penalty_defaults;
        char folder[256];
        double beta[MOST];
        c.hidden = (widths){ 0 };
        c.workers = 1, c.n_steps = c.minibatch = 8, c.epochs = 1;
        c.beta = k ? 3e9 : 3e-10, c.delta_kl = k ? 1e-300 : 1e9, c.lr = k ? 1e-3 : 0;
        train_in(new_folder(folder, "far"), "E5x", 0, &c, 40, false);
        assert_int_equal(column(folder, "beta", beta), 5);
        assert_true(beta[1] == (k ? 6e9 : 1.5e-10) && beta[3] == (k ? 1e10 : 1e-10) && beta[4] == beta[3]);
        remove_folder(folder);
    }
}

/* A larger beta keeps pi closer; beta = 0 is the surrogate that nothing holds: PPO-1 */
static void penalty_holds(void **state)
{
    (void)state;
    for (int direction = 0; direction < 2; direction++) {
        double kl[3];
        for (int k = 0; k < 3; k++) {
            ppo_penalty_config c = ppo_penalty_defaults;
            char folder[256];
            c.adapt = PPO_ADAPT_OFF, c.direction = direction, c.beta = k == 0 ? 0 : k == 1 ? 3 : 30;
            c.workers = 1, c.n_steps = c.minibatch = 64, c.epochs = 60, c.lr = 3e-3;
            train_in(new_folder(folder, "held"), "CartPole-v1", 0, &c, 64, false);
            assert_int_equal(column(folder, "kl_exact", &kl[k]), 1);
            remove_folder(folder);
        }
        assert_true(kl[0] > 3 * kl[1] && kl[1] > 10 * kl[2] && kl[2] > 0);
    }
}

/* L is the mean of gain less price; the next beta is of the rule. */
static void explained(void **state)
{
    (void)state;
    ppo_penalty_config c = ppo_penalty_defaults;
    c.hidden = (widths){ 0 };
    c.workers = 2, c.n_steps = 4, c.minibatch = 3, c.beta = 4, c.lr = 0.05;
    char *text = NULL;
    assert_explained(ppo_penalty_explain, ppo_penalty, &c, &text);
    double sum = 0, L = NAN, beta = NAN;
    const char *row = strchr(strstr(text, "ratio_t = pi/pi_old"), '\n') + 1;
    for (int i = 0; i < 8; i++, row = strchr(row, '\n') + 1) {
        double x[5];
        assert_int_equal(sscanf(row, "%lf %lf %lf %lf %lf", &x[0], &x[1], &x[2], &x[3], &x[4]), 5);
        assert_near(x[2], x[0] * x[1], 2e-5);
        assert_near(x[4], c.beta * x[3], 4e-6);
        sum += (x[2] - x[4]) / 8;
    }
    assert_int_equal(sscanf(row, "PPO-20 ratio_t A_t - beta KL(pi_old||pi); L, its mean: %lf", &L), 1);
    assert_near(L, sum, 2e-5);
    assert_non_null(strstr(text, "PPO-22"));
    assert_int_equal(sscanf(strstr(text, "beta <- "), "beta <- %lf", &beta), 1);
    assert_true(beta == 2 || beta == 4 || beta == 8);
    free(text);
}

/* A sample alone has no standard deviation, and M > N T no samples: refused before anything is made of it */
static const struct { int workers, n_steps, minibatch, normalise, status; const char *says; } refused[] = {
    { 2, 4, 1, PPO_NORMALISE_MINIBATCH, 2, "normalise=off" },
    { 2, 4, 7, PPO_NORMALISE_MINIBATCH, 2, "normalise=off" },
    { 1, 1, 1, PPO_NORMALISE_BATCH, 2, "normalise=off" }, { 2, 4, 9, PPO_NORMALISE_OFF, 2, "at most workers" },
    { 2, 4, 1, PPO_NORMALISE_OFF, 99, "" }, { 2, 4, 7, PPO_NORMALISE_BATCH, 99, "" },
    { 2, 4, 6, PPO_NORMALISE_MINIBATCH, 99, "" }, { 2, 4, 8, PPO_NORMALISE_MINIBATCH, 99, "" },
    { 2, 4, 8, PPO_NORMALISE_OFF, 2, "KL_min of at most KL_max" } };

static void train_refused(int k)
{
    ppo_penalty_config c = ppo_penalty_defaults;
    c.workers = refused[k].workers, c.n_steps = refused[k].n_steps, c.minibatch = refused[k].minibatch;
    c.normalise = refused[k].normalise;
    if (k == 8) c.adapt = PPO_ADAPT_BOUNDS, c.KL_min = 2 * c.KL_max;
    ppo_penalty(run_new("ppo_penalty", make("E5x", 0), 1, 10), &c);
}

static void refusals(void **state)
{
    (void)state;
    for (int k = 0; k < 9; k++) {
        struct ending end = run_child(train_refused, k);
        assert_true(WIFEXITED(end.status));
        assert_int_equal(WEXITSTATUS(end.status), refused[k].status);
        assert_non_null(strstr(end.err, refused[k].says));
    }
}

static void learns(void **state)
{
    (void)state;
    ppo_penalty_config c = ppo_penalty_defaults;
    c.gamma = 0.9;
    c.lr = c.lr_V = 1e-2;
    c.hidden = (widths){ 0 };
    env *e = make("chain:5", 0);
    run *trained = run_new("ppo_penalty", e, 1, 10000);
    ppo_penalty(trained, &c);
    assert_true(trained->return_mean == 1 && trained->episodes > 1000);
    run_free(trained);
    env_free(e);
}

/* A fixed beta stays what it is, 0 too, which is no penalty at all. */
static void fixed_beta(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        ppo_penalty_config c = ppo_penalty_defaults;
        char folder[256];
        double beta[MOST];
        c.hidden = (widths){ 1, { 4 } };
        c.workers = 1, c.n_steps = c.minibatch = 16, c.epochs = 2, c.adapt = PPO_ADAPT_OFF, c.beta = k ? 1e-12 : 0;
        train_in(new_folder(folder, "fixed"), "CartPole-v1", 50, &c, 4 * 16, false);
        int rows = column(folder, "beta", beta);
        assert_int_equal(rows, 4);
        for (int i = 0; i < rows; i++) assert_true(beta[i] == c.beta);
        remove_folder(folder);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objective), cmocka_unit_test(rules), cmocka_unit_test(gradients),
        cmocka_unit_test(at_theta_old), cmocka_unit_test(measured), cmocka_unit_test(options),
        cmocka_unit_test(beta_walks), cmocka_unit_test(beta_stays_a_number), cmocka_unit_test(penalty_holds),
        cmocka_unit_test(explained), cmocka_unit_test(refusals), cmocka_unit_test(learns),
        cmocka_unit_test(fixed_beta) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
