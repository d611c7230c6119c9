/* Off-policy policy gradient: each function against a plain loop, and whole training runs, with every option,
 * against the same updates done by hand in long double.
 *     test_off_policy_pg [pattern]       runs the tests whose names match */
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

#include "algorithms/off_policy_pg.h"
#include "algorithms/run_folder.h"
#include "autodiff/random.h"
#include "tests/child_process.h"
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

enum { MOST = 400 };                            /* numbers of theta, and steps of a batch */

/* ---- the equations ---- */

enum { T = 7 };
static const double r[T] = { 1, -0.5, 2, 0, 3.25, -1, 0.75 };
static const double p[T] = { 0.5, 0.25, 0.9, 0.1, 0.6, 0.75, 0.3 }, q[T] = { 0.4, 0.5, 0.3, 0.8, 0.6, 0.2, 0.9 };

static void products(void **state)
{
    (void)state;
    double logp[T], logq[T], log_rho[T];
    for (int t = 0; t < T; t++) logp[t] = log(p[t]), logq[t] = log(q[t]);
    off_policy_log_products(T, logp, logq, log_rho);
    for (int t = 0; t < T; t++) {
        long double product = 1;
        for (int k = 0; k <= t; k++) product *= (long double)p[k] / q[k];
        assert_near(off_policy_product(log_rho[t], 0), (double)product, 1e-14);
        assert_near(off_policy_product(log_rho[t], 0.8), (double)fminl(product, 0.8L), 1e-14);
    }
    assert_true(off_policy_product(5000, 2.5) == 2.5 && off_policy_product(-5000, 2.5) == 0);
}

/* w_t by their definitions, each product anew */
static void weights(void **state)
{
    (void)state;
    const double gammas[] = { 0, 0.3, 0.9, 1 };
    for (int k = 0; k < 8; k++) {
        double gamma = gammas[k / 2], b = k % 2 ? 0.7 : 0, rho[T], w[T], per_decision[T];
        long double R = 0;
        for (int t = 0; t < T; t++) rho[t] = (t > 0 ? rho[t - 1] : 1) * p[t] / q[t], R += powl(gamma, t) * r[t];
        off_policy_trajectory(T, r, gamma, 1.75, b, w);
        off_policy_per_decision(T, r, gamma, rho, b, per_decision);
        for (int t = 0; t < T; t++) {
            long double sum = 0, product = 1;
            for (int j = 0; j < T; j++) {
                product *= (long double)p[j] / q[j];
                if (j == t) sum -= powl(gamma, t) * product * b;
                if (j >= t) sum += powl(gamma, j) * product * r[j];
            }
            assert_near(w[t], (double)(1.75L * (R - b)), 1e-14);
            assert_near(per_decision[t], (double)sum, 1e-14);
        }
    }
}

/* However large the logs of the products are, differences alone count: gap 700 (reliability MC6) and more */
static void self_normalised(void **state)
{
    (void)state;
    const double L[4] = { -0.5, 0.25, 1.5, -3 }, shift[] = { 0, 700, -5000, 1e6 };
    for (int k = 0; k < 4; k++) {
        double moved[4], rho[4];
        long double sum = 0, squares = 0;
        for (int i = 0; i < 4; i++) {
            moved[i] = L[i] + shift[k];
            sum += expl((long double)moved[i] - shift[k]), squares += expl(2 * ((long double)moved[i] - shift[k]));
        }
        off_policy_self_normalised(4, moved, rho);
        for (int i = 0; i < 4; i++)
            assert_near(rho[i], (double)(4 * expl((long double)moved[i] - shift[k]) / sum), 1e-14);
        assert_near(off_policy_ess(4, moved), (double)(sum * sum / squares), 1e-14);
    }
    assert_true(off_policy_ess(2, (double[]){ 0, -2000 }) == 1 && off_policy_ess(3, (double[]){ 5, 5, 5 }) == 3);
}

/* ---- the gradient, for policies of all kinds, in batches of two segments ---- */

static void gradients(void **state)
{
    (void)state;
    for (int k = 0; k < 6; k++) {
        env e = { .observation = { .dim = 3 }, .action = { .n = k % 2 ? 0 : 4, .dim = k % 2 ? 2 : 1 } };
        policy pi = policy_of(&e, k / 2, (int[]){ 5, 4 }, AD_TANH);
        gsl_rng *rng = random_stream(2, (uint32_t)k, RANDOM_TEST);
        rollout *D = rollout_shaped(pi.d, pi.k, pi.nA > 0);
        double theta[MOST], g[MOST], s[3], a[2];
        long double at[MOST], w[T], want[MOST], size = 0;
        for (int i = 0; i < pi.n; i++) at[i] = theta[i] = gsl_ran_gaussian(rng, 0.6);
        for (int t = 0; t < T; t++) {
            for (int i = 0; i < 3; i++) s[i] = gsl_ran_gaussian(rng, 1);
            for (int i = 0; i < pi.k; i++)
                a[i] = pi.nA ? (double)gsl_rng_uniform_int(rng, 4) : gsl_ran_gaussian(rng, 1);
            rollout_add(D, s, a, r[t]);
            if (t == 3 || t == T - 1) rollout_end(D, s, true, true, false);
            w[t] = (long double)r[t] / 2;                       /* two segments: their mean */
        }
        ad_tape *t = ad_tape_new();
        off_policy_gradient(t, &pi, theta, D, r, g);
        hand_gradient(pi.n, at, hand_objective, &(struct hand_objective){ &pi, D, w }, want);
        for (int i = 0; i < pi.n; i++) size = fmaxl(size, fabsl(want[i]));
        for (int i = 0; i < pi.n; i++) assert_near(g[i], (double)want[i], 1e-13 * (double)size);
        ad_tape_free(t);
        rollout_free(D);
        gsl_rng_free(rng);
    }
}

/* ---- a batch used twice ---- */

/* Two steps, two states, two actions: from state 0 action a leads to state 1 with probability P1[a]. All 8
 * trajectories, as rollouts of one-hot observations, and all 64 batches of two. */
static const double P1[2] = { 0.3, 0.8 }, rewards[2][2] = { { 1, 0.2 }, { -0.5, 2 } };
enum { TAUS = 8 };

static void tau_of(int i, double s[4], double a[2], double reward[2])
{
    int a0 = i & 1, s1 = i >> 1 & 1, a1 = i >> 2;
    memcpy(s, (double[4]){ 1, 0, !s1, s1 }, 4 * sizeof *s);
    a[0] = a0, a[1] = a1;
    reward[0] = rewards[0][a0], reward[1] = rewards[s1][a1];
}

static number P_tau(const policy *pi, const number *theta, int i)
{
    double s[4], a[2], reward[2];
    tau_of(i, s, a, reward);
    double next = s[3] == 1 ? P1[(int)a[0]] : 1 - P1[(int)a[0]];
    return next * cexpl(hand_logp(pi, theta, s, a) + hand_logp(pi, theta, s + 2, a + 1));
}

static number hand_J_of(const void *pi, const number *theta)            /* J, over all trajectories */
{
    number J = 0;
    for (int i = 0; i < TAUS; i++) {
        double s[4], a[2], reward[2];
        tau_of(i, s, a, reward);
        J += P_tau(pi, theta, i) * (reward[0] + reward[1]);
    }
    return J;
}

struct twice { policy pi; ad_tape *t; rollout *D; double theta1[6], P[TAUS]; off_policy_pg_config c; };

/* The training code's g at theta, of the trajectories i and j of pi'; returns (1/2) sum rho R */
static double g_of(const struct twice *x, int i, int j, const double *theta, double *g)
{
    double logp[4], logp1[4], log_rho[4], w[4], J = 0;
    rollout_clear(x->D);
    for (int k = 0; k < 2; k++) {
        double s[4], a[2], reward[2];
        tau_of(k ? j : i, s, a, reward);
        for (int t = 0; t < 2; t++) rollout_add(x->D, s + 2 * t, a + t, reward[t]);
        rollout_end(x->D, s, true, true, false);
    }
    off_policy_logp(x->t, &x->pi, theta, x->D, logp);
    off_policy_logp(x->t, &x->pi, x->theta1, x->D, logp1);
    for (int k = 0; k < 4; k += 2) off_policy_log_products(2, logp + k, logp1 + k, log_rho + k);
    off_policy_weights(&x->c, x->D, log_rho, 0, w);
    off_policy_gradient(x->t, &x->pi, theta, x->D, w, g);
    for (int k = 0; k < 4; k += 2) J += exp(log_rho[k + 1]) * (x->D->r[k] + x->D->r[k + 1]) / 2;
    return J;
}

/* mean += weight * x, or weight * grad J(theta) */
static void add(double weight, const double *x, long double *mean)
{
    for (int i = 0; i < 6; i++) mean[i] += weight * x[i];
}

static void add_exact(const struct twice *x, double weight, const double *theta, long double *mean)
{
    long double at[6], g[6];
    for (int i = 0; i < 6; i++) at[i] = theta[i];
    hand_gradient(6, at, hand_J_of, &x->pi, g);
    for (int i = 0; i < 6; i++) mean[i] += weight * g[i];
}

/* Means over all batches D of two trajectories, theta = theta' + alpha g(D) after the first use of D. A sum of 64^2
 * terms of size <= 10, each right to some u: 1e-13. */
static void means_of_uses(struct twice *x, double alpha, double *bias, double *told, double *earned)
{
    long double first[6] = { 0 }, exact_first[6] = { 0 }, again[6] = { 0 }, other[6] = { 0 }, exact_again[6] = { 0 };
    long double off = 0, size = 0;
    *told = *earned = 0;
    add_exact(x, 1, x->theta1, exact_first);
    for (int D = 0; D < TAUS * TAUS; D++) {
        double g[6], g2[6], theta[6], P = x->P[D / TAUS] * x->P[D % TAUS];
        number at[6];
        g_of(x, D / TAUS, D % TAUS, x->theta1, g);
        add(P, g, first);
        for (int i = 0; i < 6; i++) at[i] = theta[i] = x->theta1[i] + alpha * g[i];
        add_exact(x, P, theta, exact_again);
        *told += P * g_of(x, D / TAUS, D % TAUS, theta, g2);
        *earned += P * (double)creall(hand_J_of(&x->pi, at));
        add(P, g2, again);
        for (int D2 = 0; D2 < TAUS * TAUS; D2++) {
            g_of(x, D2 / TAUS, D2 % TAUS, theta, g2);
            add(P * x->P[D2 / TAUS] * x->P[D2 % TAUS], g2, other);
        }
    }
    for (int i = 0; i < 6; i++) {
        assert_near((double)first[i], (double)exact_first[i], 1e-13);
        assert_near((double)other[i], (double)exact_again[i], 1e-13);
        off += (again[i] - exact_again[i]) * (again[i] - exact_again[i]), size += exact_again[i] * exact_again[i];
    }
    *bias = (double)sqrtl(off / size);
}

/* Unbiased: the first use of a batch; and another batch at the theta that the first one led to. Its own is not: what
 * off_policy_pg.c says of it, to the digits it gives. */
static void second_use(void **state)
{
    (void)state;
    env e = { .observation = { .dim = 2 }, .action = { .n = 2, .dim = 1 } };
    struct twice x = { .pi = policy_of(&e, 0, NULL, AD_TANH), .t = ad_tape_new(),
                       .theta1 = { 0.2, -0.3, 0.5, 0.1, 0, 0.1 } };
    number theta1[6];
    x.D = rollout_shaped(2, 1, true);
    for (int i = 0; i < 6; i++) theta1[i] = x.theta1[i];
    for (int i = 0; i < TAUS; i++) x.P[i] = (double)creall(P_tau(&x.pi, theta1, i));
    for (int ratio = OFF_POLICY_TRAJECTORY; ratio <= OFF_POLICY_PER_DECISION; ratio++) {
        double bias, told, earned;
        x.c = (off_policy_pg_config){ .gamma = 1, .ratio = ratio };
        means_of_uses(&x, 0.5, &bias, &told, &earned);
        assert_near((double)creall(hand_J_of(&x.pi, theta1)), 1.30, 0.005);
        assert_near(earned, ratio == OFF_POLICY_TRAJECTORY ? 1.51 : 1.52, 0.005);
        assert_near(told, ratio == OFF_POLICY_TRAJECTORY ? 2.84 : 2.67, 0.005);
        assert_near(bias, ratio == OFF_POLICY_TRAJECTORY ? 0.52 : 0.71, 0.005);
    }
    rollout_free(x.D);
    ad_tape_free(x.t);
}

/* ---- whole runs ---- */

static void hand_logps(const policy *pi, const long double *theta, const rollout *D, long double *logp)
{
    number at[MOST];
    for (int i = 0; i < pi->n; i++) at[i] = theta[i];
    for (int t = 0; t < D->T; t++) logp[t] = creall(hand_logp(pi, at, D->s + t * D->d, D->a + t * D->k));
}

static long double clipped(const off_policy_pg_config *c, long double x)
{
    return c->clip > 0 ? fminl(x, c->clip) : x;
}

/* w [D->T] over |D|; *ess, *ratio_max: of the products of whole trajectories, not clipped */
static void hand_weights(const off_policy_pg_config *c, const rollout *D, const long double *logp,
                         const long double *logp1, long double b, long double *w, long double *ess,
                         long double *ratio_max)
{
    long double rho[MOST], sum = 0, squares = 0, clipped_sum = 0;
    *ratio_max = 0;
    for (int i = 0; i < D->segments; i++) {
        rho[i] = 1;
        for (int j = 0; j < D->segment[i].T; j++)
            rho[i] *= expl(logp[D->segment[i].first + j] - logp1[D->segment[i].first + j]);
        sum += rho[i], squares += rho[i] * rho[i], clipped_sum += clipped(c, rho[i]);
        *ratio_max = fmaxl(*ratio_max, rho[i]);
    }
    *ess = sum * sum / squares;
    for (int i = 0; i < D->segments; i++) {
        int first = D->segment[i].first, steps = D->segment[i].T;
        for (int t = 0; t < steps; t++) {
            long double x = 0, R = hand_G(steps, D->r + first, c->gamma, 0), product = 1;
            for (int j = 0; j < steps && c->ratio == OFF_POLICY_PER_DECISION; j++) {
                product *= expl(logp[first + j] - logp1[first + j]);
                if (j >= t) x += powl(c->gamma, j) * clipped(c, product) * D->r[first + j];
                if (j == t) x -= powl(c->gamma, j) * clipped(c, product) * b;
            }
            if (c->ratio == OFF_POLICY_TRAJECTORY) x = clipped(c, rho[i]) * (R - b);
            if (c->ratio == OFF_POLICY_WEIGHTED) x = D->segments * clipped(c, rho[i]) / clipped_sum * (R - b);
            w[first + t] = x / D->segments;
        }
    }
}

static long double hand_mean(const off_policy_pg_config *c, const rollout *D)
{
    long double sum = 0;
    for (int i = 0; i < D->segments; i++)
        for (int t = 0; t < (c->ratio == OFF_POLICY_PER_DECISION ? D->segment[i].T : 1); t++)
            sum += hand_G(D->segment[i].T, D->r + D->segment[i].first, c->gamma, t);
    return sum / (c->ratio == OFF_POLICY_PER_DECISION ? D->T : D->segments);
}

/* What progress.csv shows last: uses, ess, ratio_max */
static void last_row(const char *folder, double x[3])
{
    char path[320], line[200] = "", last[200];
    sprintf(path, "%s/progress.csv", folder);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    while (fgets(line, sizeof line, in)) strcpy(last, line);
    fclose(in);
    char *at = last;
    for (int comma = 0; comma < 3; comma++) at = strchr(at, ',') + 1;
    assert_int_equal(sscanf(at, "%lf,%lf,%lf", &x[0], &x[1], &x[2]), 3);
}

static double *trained_theta(const char *id, int limit, const off_policy_pg_config *c, long steps, double row[3])
{
    static int folders;
    char folder[256], command[300];
    sprintf(folder, "/tmp/test_off_policy_pg.%d.XXXXXX", folders++);
    assert_non_null(mkdtemp(folder));
    env *e = make(id, limit);
    policy pi = off_policy_pg_policy(e, c);
    run *in_folder = run_new("off_policy_pg", e, 5, steps), *in_memory = run_new("off_policy_pg", e, 5, steps);
    run_in_folder(in_folder, folder, "{}", "off_policy_pg", (run_manner){ .save_every = 1e9, .quiet = true });
    off_policy_pg(in_folder, c);
    last_row(folder, row);
    off_policy_pg(in_memory, c);
    double *theta = malloc((size_t)pi.n * sizeof *theta);
    memcpy(theta, in_memory->theta, (size_t)pi.n * sizeof *theta);
    run_free(in_folder);
    run_free(in_memory);
    env_free(e);
    sprintf(command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    return theta;
}

static void same_run(const char *id, int limit, const off_policy_pg_config *c, long steps, int early[2])
{
    env *e = make(id, limit);
    policy pi = off_policy_pg_policy(e, c);
    assert_true(pi.n <= MOST);
    double acting[MOST], row[3];
    long double theta[MOST], theta1[MOST], logp[MOST], logp1[MOST], w[MOST], g[MOST], b = 0, ess = 0, most = 0;
    static struct hand_adam h;
    h = (struct hand_adam){ .t = 0 };
    run *streams = run_new("by hand", e, 5, 0);
    policy_init(&pi, streams->init_rng, acting);
    for (int i = 0; i < pi.n; i++) theta[i] = acting[i];
    actor *behaviour = actor_new(&pi, acting);
    rollout *D = rollout_new(e);
    long done = 0, batches = 0;
    int use = 0;
    for (; done < steps; done += D->T, batches++) {
        if (batches % c->refresh == 0)
            for (int i = 0; i < pi.n; i++) theta1[i] = theta[i], acting[i] = (double)theta[i];
        rollout_clear(D);
        while (D->segments < c->trajectories)
            rollout_episode(D, e, streams->env_rng, behaviour, streams->policy_rng);
        assert_true(D->T <= MOST);
        hand_logps(&pi, theta1, D, logp1);
        for (use = 0; use < c->uses; use++) {
            hand_logps(&pi, theta, D, logp);
            hand_weights(c, D, logp, logp1, b, w, &ess, &most);
            if (ess < (long double)c->ess_least * D->segments) break;
            hand_gradient(pi.n, theta, hand_objective, &(struct hand_objective){ &pi, D, w }, g);
            hand_adam_ascend(&h, pi.n, c->lr, theta, g);
        }
        early[use < c->uses]++;
        b += (long double)c->b_rate * (hand_mean(c, D) - b);
    }
    assert_true(batches >= 4);
    double *found = trained_theta(id, limit, c, steps, row);
    for (int i = 0; i < pi.n; i++) assert_near(found[i], (double)theta[i], 1e-12 * fmax(1, fabs(found[i])));
    assert_true(row[0] == use);
    assert_near(row[1], (double)ess, 1e-11 * (double)ess);
    assert_near(row[2], (double)most, 1e-11 * (double)most);
    free(found);
    rollout_free(D);
    actor_free(behaviour);
    run_free(streams);
    env_free(e);
}

/* Every value of every option, each beside others; batches that are left early and such that are not */
static void options(void **state)
{
    (void)state;
    const char *id[] = { "E5x", "CartPole-v1", "lqr" };
    const int limit[] = { 7, 15, 4 };
    int early[2] = { 0 };
    for (int k = 0; k < 27; k++) {
        off_policy_pg_config c = { .gamma = k % 4 ? 0.9 : 1, .lr = 2e-2, .trajectories = 1 + k % 5 + (k % 10 == 5),
                                   .uses = 1 + k % 4, .ess_least = k % 2 ? 0.9 : 0, .refresh = 1 + k / 2 % 3,
                                   .ratio = k / 3 % 3, .clip = k % 7 < 4 ? 0 : 1.05, .b_rate = k % 3 ? 0.3 : 0,
                                   .hidden = { k / 9, { 4, 3 } }, .activation = k % 2 ? AD_TANH : AD_RELU };
        same_run(id[k % 3], limit[k % 3], &c, 260, early);
    }
    assert_true(early[0] > 20 && early[1] > 5);
}

/* What explain prints are the first two updates of a training run from that seed, and fits on a screen. */
static void explained(void **state)
{
    (void)state;
    for (int ratio = 0; ratio < 3; ratio++) {
        off_policy_pg_config c = off_policy_pg_defaults;
        c.hidden = (widths){ 0 };
        c.trajectories = c.uses = 2;
        c.ess_least = 0;
        c.ratio = ratio;
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        off_policy_pg_explain(out, &c, 7);
        fclose(out);
        int lines = 0;
        for (const char *at = text; *at; at++) lines += *at == '\n';
        assert_true(lines >= 20 && lines <= 45);
        env *e = make("E5x", 5);
        run *first = run_new("off_policy_pg", e, 7, 1);
        off_policy_pg(first, &c);
        const char *row = strstr(text, "theta after");
        assert_non_null(row);
        for (int i = 0; i < 7; i++) {                           /* s, then g, before, after: 3 numbers each */
            double x[9];
            row = strchr(row, '\n') + 1;
            assert_int_equal(sscanf(row + 5, "%lf %lf %lf %lf %lf %lf %lf %lf %lf", &x[0], &x[1], &x[2], &x[3],
                &x[4],
                                    &x[5], &x[6], &x[7], &x[8]), 9);
            for (int a = 0; a < 3; a++) assert_near(x[6 + a], first->theta[3 * i + a], 0.51e-4);
        }
        run_free(first);
        env_free(e);
        free(text);
    }
}

static void learns(void **state)
{
    (void)state;
    for (int ratio = 0; ratio < 3; ratio++) {
        off_policy_pg_config c = off_policy_pg_defaults;
        c.gamma = 0.9;
        c.lr = 0.05;
        c.hidden = (widths){ 0 };
        c.ratio = ratio;
        env *e = make("chain:5", 0);
        run *trained = run_new("off_policy_pg", e, 1, 10000);
        off_policy_pg(trained, &c);
        assert_true(trained->return_mean == 1 && trained->episodes > 1000);
        run_free(trained);
        env_free(e);
    }
}

/* Options that would say nothing together, or something else */
static const struct { int ratio, trajectories, status; double clip; const char *says; } asked[] = {
    { OFF_POLICY_WEIGHTED, 1, 2, 0, "trajectories of at least 2" }, { OFF_POLICY_WEIGHTED, 2, 99, 0, "" },
    { OFF_POLICY_TRAJECTORY, 1, 99, 0, "" }, { OFF_POLICY_TRAJECTORY, 5, 2, 0.5, "clip of 0 or at least 1" },
    { OFF_POLICY_PER_DECISION, 5, 99, 1, "" } };

static void train_asked(int k)
{
    off_policy_pg_config c = off_policy_pg_defaults;
    c.ratio = asked[k].ratio, c.trajectories = asked[k].trajectories, c.clip = asked[k].clip;
    off_policy_pg(run_new("off_policy_pg", make("E5x", 5), 1, 10), &c);
}

static void refusals(void **state)
{
    (void)state;
    for (int k = 0; k < 5; k++) {
        struct ending end = run_child(train_asked, k);
        assert_true(WIFEXITED(end.status));
        assert_int_equal(WEXITSTATUS(end.status), asked[k].status);
        assert_non_null(strstr(end.err, asked[k].says));
    }
}

/* A bound on the products below 1 bounds those of whole trajectories as it does those up to a step. */
static void bounds_below_one(void **state)
{
    (void)state;
    const double clip = 0.25, b = 0.5, log_rho[] = { log(0.5), log(0.125), log(2), log(0.75) };
    rollout *D = rollout_shaped(1, 1, true);
    for (int t = 0; t < 4; t++) {
        rollout_add(D, (double[]){ 1 }, (double[]){ 0 }, r[t]);
        if (t % 2) rollout_end(D, (double[]){ 1 }, true, true, false);
    }
    for (int ratio = 0; ratio < 3; ratio++) {
        const off_policy_pg_config c = { .gamma = 1, .ratio = ratio, .clip = clip };
        double w[4], rho[] = { 0.25, 0.125, 0.25, 0.25 };       /* at most clip */
        off_policy_weights(&c, D, log_rho, b, w);
        for (int i = 0; i < 2; i++) {
            double R = r[2 * i] + r[2 * i + 1], whole = rho[2 * i + 1];
            if (ratio == OFF_POLICY_WEIGHTED) whole *= 2 / (rho[1] + rho[3]);
            double last = rho[2 * i + 1] * (r[2 * i + 1] - b), first = rho[2 * i] * (r[2 * i] - b);
            bool each = ratio == OFF_POLICY_PER_DECISION;
            assert_near(w[2 * i + 1], each ? last : whole * (R - b), 1e-15);
            assert_near(w[2 * i], each ? first + rho[2 * i + 1] * r[2 * i + 1] : whole * (R - b), 1e-15);
        }
    }
    rollout_free(D);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products), cmocka_unit_test(weights), cmocka_unit_test(self_normalised),
        cmocka_unit_test(gradients), cmocka_unit_test(second_use), cmocka_unit_test(options),
        cmocka_unit_test(explained), cmocka_unit_test(refusals),
        cmocka_unit_test(learns), cmocka_unit_test(bounds_below_one) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
