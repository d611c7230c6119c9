/* DDPG and TD3: each gradient against complex steps through plain loops, whole training runs against the same updates
 * done by hand in long double, and that TD3 without its three changes is DDPG.
 *     test_ddpg [pattern]       runs the tests whose names match */
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

#include "algorithms/critic.h"
#include "algorithms/ddpg.h"
#include "algorithms/noise.h"
#include "algorithms/td3.h"
#include "autodiff/random.h"
#include "tests/batch_norm_by_hand.h"
#include "tests/child_process.h"

/* "rooms": two actions without bounds; "boxed rooms": with bounds, not the same for both, and not around 0 */
static env *make(const char *id, int limit)
{
    static const double low[] = { -0.5, 0.25 }, high[] = { 1.5, 0.75 };
    char error[512] = "";
    bool boxed = strcmp(id, "boxed rooms") == 0;
    env *e = env_make(strstr(id, "rooms") ? "chapters/examples/rooms.lqr" : id, limit, error, sizeof error);
    if (!e) fail_msg("%s", error);
    if (boxed) e->action.low = low, e->action.high = high;
    return e;
}

/* ---- by hand: TD3, of which DDPG is the case twins = off, sigma_targ = 0, delay = 1 ---- */

enum { MOST = 300, MOST_B = 16, STEPS = 100 };
struct row { double s[4], a[2], r, s1[4]; bool terminated; };

/* A minibatch, and what is constant in it */
struct problem {
    const td3_config *c; const policy *p; const network *Q;
    int T; const struct row *B[MOST_B];
    long double y[MOST_B];
    bool running;                           /* Q by running statistics */
    number phi[MOST];                       /* where theta is differentiated */
};

static double half_width(const policy *p, int i) { return p->low ? (p->high[i] - p->low[i]) / 2 : 1; }

static void hand_mu_of(const policy *p, number *f)                      /* f(s) -> mu(s) [k] */
{
    for (int i = 0; p->low && i < p->k; i++)
        f[i] = ((long double)p->low[i] + p->high[i]) / 2 + ((long double)p->high[i] - p->low[i]) / 2 * ctanhl(f[i]);
}

static void hand_mu(const policy *p, const number *theta, const double *s, number *a)
{
    number x[1][HAND_WIDEST];
    for (int i = 0; i < p->d; i++) x[0][i] = s[i];
    if (p->normalised) hand_normalised(&p->f, p->d, false, theta, 1, x, NULL);
    else               hand_network_of(&p->f, theta, x[0], x[0]);
    memcpy(a, x[0], (size_t)p->k * sizeof *a);
    hand_mu_of(p, a);
}

static number hand_Q(const policy *p, const network *Q, const number *phi, const double *s, const number *a)
{
    number x[1][HAND_WIDEST];
    for (int i = 0; i < p->d; i++) x[0][i] = s[i];
    for (int i = 0; i < p->k; i++) x[0][p->d + i] = a[i];
    if (p->normalised) hand_normalised(Q, p->d, false, phi, 1, x, NULL);
    else               hand_network_of(Q, phi, x[0], x[0]);
    return x[0][0];
}

/* With batch normalisation: mu(s) [T x HAND_WIDEST], and Q of it, or of the actions taken; by the batch's
 * statistics, but where Q takes running ones. seen: the batch's */
static void hand_batch_mu(const struct problem *h, const number *theta, number a[][HAND_WIDEST], long double *seen)
{
    for (int t = 0; t < h->T; t++)
        for (int i = 0; i < h->p->d; i++) a[t][i] = h->B[t]->s[i];
    hand_normalised(&h->p->f, h->p->d, true, theta, h->T, a, seen);
    for (int t = 0; t < h->T; t++) hand_mu_of(h->p, a[t]);
}

static void hand_batch_Q(const struct problem *h, const number *phi, number a[][HAND_WIDEST], number *Q,
                         long double *seen)
{
    number x[MOST_B][HAND_WIDEST];
    for (int t = 0; t < h->T; t++) {
        for (int i = 0; i < h->p->d; i++) x[t][i] = h->B[t]->s[i];
        for (int i = 0; i < h->p->k; i++) x[t][h->p->d + i] = a ? a[t][i] : h->B[t]->a[i];
    }
    hand_normalised(h->Q, h->p->d, !h->running, phi, h->T, x, seen);
    for (int t = 0; t < h->T; t++) Q[t] = x[t][0];
}

/* y, from the targets; eps [T x k] */
static void hand_y(struct problem *h, const long double *theta_targ, const long double *phi_targ, const double *eps)
{
    const policy *p = h->p;
    int nQ = critic_n(p, h->Q);
    number theta[MOST], phi[MOST], a[4];
    for (int i = 0; i < p->n; i++) theta[i] = theta_targ[i];
    for (int i = 0; i < (h->c->twins ? 2 : 1) * nQ; i++) phi[i] = phi_targ[i];
    for (int t = 0; t < h->T; t++) {
        const struct row *b = h->B[t];
        hand_mu(p, theta, b->s1, a);
        for (int i = 0; eps && i < p->k; i++) {
            double e = eps[t * p->k + i];
            if (e > h->c->c) e = h->c->c;
            if (e < -h->c->c) e = -h->c->c;
            a[i] += (long double)half_width(p, i) * e;
            if (p->low && creall(a[i]) > p->high[i]) a[i] = p->high[i];
            if (p->low && creall(a[i]) < p->low[i]) a[i] = p->low[i];
        }
        long double Q = creall(hand_Q(p, h->Q, phi, b->s1, a));
        if (h->c->twins) Q = fminl(Q, creall(hand_Q(p, h->Q, phi + nQ, b->s1, a)));
        h->y[t] = b->r + (b->terminated ? 0 : h->c->gamma * Q);
    }
}

static number hand_minus_L(const void *context, const number *phi)
{
    const struct problem *h = context;
    number sum = 0, Q[MOST_B];
    if (h->p->normalised) {
        hand_batch_Q(h, phi, NULL, Q, NULL);
        for (int t = 0; t < h->T; t++) sum -= (Q[t] - h->y[t]) * (Q[t] - h->y[t]) / h->T;
        return sum;
    }
    for (int twin = 0; twin <= h->c->twins; twin++)
        for (int t = 0; t < h->T; t++) {
            number a[2] = { h->B[t]->a[0], h->B[t]->a[1] };
            number off = hand_Q(h->p, h->Q, phi + twin * network_n(h->Q), h->B[t]->s, a) - h->y[t];
            sum -= off * off / h->T;
        }
    return sum;
}

static number hand_J(const void *context, const number *theta)
{
    const struct problem *h = context;
    number sum = 0, a[4], mu[MOST_B][HAND_WIDEST], Q[MOST_B];
    if (h->p->normalised) {
        hand_batch_mu(h, theta, mu, NULL);
        hand_batch_Q(h, h->phi, mu, Q, NULL);
        for (int t = 0; t < h->T; t++) sum += Q[t] / h->T;
        return sum;
    }
    for (int t = 0; t < h->T; t++) {
        hand_mu(h->p, theta, h->B[t]->s, a);
        sum += hand_Q(h->p, h->Q, h->phi, h->B[t]->s, a) / h->T;        /* the first twin's */
    }
    return sum;
}

static long double largest(int n, const long double *x)
{
    long double most = 0;
    for (int i = 0; i < n; i++) most = fmaxl(most, fabsl(x[i]));
    return most;
}

/* Sums of some 30 T products of numbers near 1, of which g is the largest: 1e-13 of it */
static void assert_vector(const char *what, int n, const double *x, const long double *want)
{
    long double scale = 1 + largest(n, want);
    for (int i = 0; i < n; i++)
        if (!(fabsl(x[i] - want[i]) <= 1e-13L * scale)) fail_msg("%s[%d]: %.17g, %.17Lg", what, i, x[i], want[i]);
}

/* ---- gradients ---- */

static const struct {
    const char *env; int layers; enum ad_activation f; int twins; double sigma_targ, c;
} shapes[] = {
    { "Pendulum-v1", 2, AD_TANH, 0, 0, 0 },     { "lqr", 1, AD_TANH, 0, 0, 0 },   { "lqr", 0, AD_TANH, 0, 0, 0 },
    { "Pendulum-v1", 2, AD_TANH, 1, 0.2, 0.1 }, { "Pendulum-v1", 1, AD_RELU, 1, 3, 2.5 },
    { "lqr", 1, AD_TANH, 1, 0.3, 0.5 },         { "MountainCarContinuous-v0", 2, AD_TANH, 0, 0.5, 0.5 },
    { "rooms", 1, AD_TANH, 0, 0, 0 },           { "rooms", 1, AD_TANH, 1, 0.4, 0.5 },
    { "boxed rooms", 2, AD_TANH, 0, 0, 0 },     { "boxed rooms", 1, AD_RELU, 1, 2, 1.5 },
};

static void random_vector(gsl_rng *rng, int n, double sd, double *x, long double *same)
{
    for (int i = 0; i < n; i++) same[i] = x[i] = gsl_ran_gaussian(rng, sd);
}

/* T rows, of which every third ended the task, in h and in B; noise for a', eps [T x k] */
static void random_rows(gsl_rng *rng, struct problem *h, struct row *rows, minibatch *B, double *eps)
{
    const int d = h->p->d, k = h->p->k;
    for (int t = 0; t < h->T; t++) {
        struct row *b = &rows[t];
        for (int i = 0; i < d; i++) B->s[t * d + i] = b->s[i] = gsl_ran_gaussian(rng, 1);
        for (int i = 0; i < d; i++) B->s1[t * d + i] = b->s1[i] = gsl_ran_gaussian(rng, 1);
        for (int i = 0; i < k; i++) B->a[t * k + i] = b->a[i] = gsl_ran_gaussian(rng, 1);
        for (int i = 0; i < k; i++) eps[t * k + i] = gsl_ran_gaussian(rng, h->c->sigma_targ);
        B->r[t] = b->r = gsl_ran_gaussian(rng, 1);
        B->done[t] = b->terminated = t % 3 == 1;
        h->B[t] = b;
    }
}

static void gradients(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        env *e = make(shapes[k].env, 50);
        gsl_rng *rng = random_stream(k, 0, RANDOM_TEST);
        td3_config c = td3_defaults;
        c.gamma = 0.9, c.hidden = (widths){ shapes[k].layers, { 5, 4 } }, c.activation = (int)shapes[k].f;
        c.twins = shapes[k].twins, c.sigma_targ = shapes[k].sigma_targ, c.c = shapes[k].c;
        const policy p = td3_policy(e, &c);
        const network Q = critic_Q_of_box(&p);
        int n = p.n, nQ = network_n(&Q), both = (1 + c.twins) * nQ, T = 7;
        double theta[MOST], phi[MOST], theta1[MOST], phi1[MOST], g[MOST], eps[MOST_B * 2];
        long double at_theta[MOST], at_phi[MOST], at_theta1[MOST], at_phi1[MOST], want[MOST];
        assert_in_range(both + n, 1, MOST);
        random_vector(rng, n, 0.5, theta, at_theta);
        random_vector(rng, both, 0.5, phi, at_phi);
        random_vector(rng, n, 0.5, theta1, at_theta1);
        random_vector(rng, both, 0.5, phi1, at_phi1);
        struct problem h = { .c = &c, .p = &p, .Q = &Q, .T = T };
        struct row rows[MOST_B];
        minibatch *B = minibatch_new(e, T);
        random_rows(rng, &h, rows, B, eps);
        for (int i = 0; i < both; i++) h.phi[i] = phi[i];
        ad_tape *t = ad_tape_new();

        const double *smoothing = c.sigma_targ > 0 ? eps : NULL;
        hand_y(&h, at_theta1, at_phi1, smoothing);
        hand_gradient(both, at_phi, hand_minus_L, &h, want);
        double L = td3_critic_gradient(t, &c, &p, &Q, phi, theta1, phi1, smoothing, B, g);
        assert_vector("grad L", both, g, want);
        number at[MOST];
        for (int i = 0; i < both; i++) at[i] = phi[i];
        assert_true(fabs(L + (double)creall(hand_minus_L(&h, at))) <= 1e-13 * (1 + L));
        hand_gradient(n, at_theta, hand_J, &h, want);
        double J = td3_actor_gradient(t, &p, &Q, theta, phi, B, g);
        assert_vector("grad J", n, g, want);
        for (int i = 0; i < n; i++) at[i] = theta[i];
        assert_true(fabs(J - (double)creall(hand_J(&h, at))) <= 1e-13 * (1 + fabs(J)));
        if (!c.twins && !smoothing) {
            ddpg_config d = { .gamma = c.gamma };
            double same[MOST];
            td3_critic_gradient(t, &c, &p, &Q, phi, theta1, phi1, NULL, B, g);
            assert_true(ddpg_critic_gradient(t, &d, &p, &Q, phi, theta1, phi1, B, same) == L);
            assert_memory_equal(same, g, (size_t)nQ * sizeof *g);
            td3_actor_gradient(t, &p, &Q, theta, phi, B, g);
            assert_true(ddpg_actor_gradient(t, &d, &p, &Q, theta, phi, B, same) == J);
            assert_memory_equal(same, g, (size_t)n * sizeof *g);
        }
        ad_tape_free(t);
        minibatch_free(B);
        gsl_rng_free(rng);
        env_free(e);
    }
}

/* DDPG-9   y made by the same x as Q: Q = x, y = 2x, so that dL/dx = 2 (x - 2x)/2 = -x, where a y that is not held
 * gives 2 (2x - x)/2 = x */
static void y_is_held(void **state)
{
    (void)state;
    double at[2] = { 3, -0.5 };
    ad_tape *t = ad_tape_new();
    ad x = ad_input(t, at, 2, 1), L[] = { ddpg_L(x, ad_scale(2, x)), td3_L(x, ad_scale(2, x)) };
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < 2; i++) assert_true(ad_value(ad_grad(L[k], x))[i] == -at[i]);
    ad_tape_free(t);
}

/* ---- first parameters ---- */

/* w [n] ~ U[-c, c): within, and both ends nearly reached, which n >= 200 numbers miss once in (1 - 1/20)^-n > 2e4 */
static void assert_uniform(const char *what, int n, const double *w, double c)
{
    double least = INFINITY, most = -INFINITY;
    for (int i = 0; i < n; i++) least = fmin(least, w[i]), most = fmax(most, w[i]);
    if (!(-c <= least && least < -0.9 * c && 0.9 * c < most && most <= c))
        fail_msg("%s: from %g to %g, expected +-%g", what, least, most, c);
}

/* Lillicrap et al., section 7: weights and biases U(-1/sqrt(f), 1/sqrt(f)), f the layer's inputs, but mu's last layer
 * U(-3e-3, 3e-3), so that its first actions are in the middle of the box; where there is batch normalisation gains
 * and running variances are 1, biases and running means 0 */
static void first_parameters(void **state)
{
    (void)state;
    enum { H1 = 200, H2 = 300, K = 2, D = 3 };
    env *e = make("boxed rooms", 30);
    for (int normalised = 0; normalised < 2; normalised++) {
        ddpg_config c = ddpg_defaults;
        c.hidden = (widths){ 2, { H1, H2 } }, c.batch_norm = normalised;
        const policy p = ddpg_policy(e, &c);
        const network Q = critic_Q_of_box(&p);
        int n = network_n(&p.f), w = D + H1 + H2, nQ = network_n(&Q);
        assert_int_equal(p.n, n + (normalised ? 4 * w : 0));
        assert_int_equal(critic_n(&p, &Q), nQ + (normalised ? 4 * D : 0));
        double *theta = calloc((size_t)p.n, sizeof *theta), *phi = calloc((size_t)critic_n(&p, &Q), sizeof *phi);
        gsl_rng *rng = random_stream(9, 0, RANDOM_INIT);
        policy_init(&p, rng, theta);
        critic_init(&p, &Q, rng, phi);
        const double *second = theta + (D + 1) * H1, *last = second + (H1 + 1) * H2;
        assert_uniform("mu, W_1", D * H1, theta, 1 / sqrt(D));
        assert_uniform("mu, b_1", H1, theta + D * H1, 1 / sqrt(D));
        assert_uniform("mu, W_2", H1 * H2, second, 1 / sqrt(H1));
        assert_uniform("mu, b_2", H2, second + H1 * H2, 1 / sqrt(H1));
        assert_uniform("mu, W_3", H2 * K, last, 3e-3);
        for (int i = 0; i < K; i++) assert_true(last[H2 * K + i] != 0 && fabs(last[H2 * K + i]) <= 3e-3);
        assert_uniform("Q, W_1", (D + K) * H1, phi, 1 / sqrt(D + K));
        assert_uniform("Q, W_3", H2, phi + nQ - 1 - H2, 1 / sqrt(H2));
        for (int i = 0; normalised && i < 4 * w; i++) assert_true(theta[n + i] == (i < w || i >= 3 * w));
        for (int i = 0; normalised && i < 4 * D; i++) assert_true(phi[nQ + i] == (i < D || i >= 3 * D));
        gsl_rng_free(rng);
        free(theta);
        free(phi);
    }
    env_free(e);
}

/* ---- whole runs ---- */

static const struct { const char *env; int limit; const char *set; } runs[] = {
    { "Pendulum-v1", 30, "twins=off sigma_targ=0 delay=1 start_steps=10 batch=5" },
    { "Pendulum-v1", 30, "twins=off sigma_targ=0 delay=1 start_steps=20 batch=4 noise=ou sigma=0.5 capacity=23" },
    { "lqr", 15, "twins=off sigma_targ=0 delay=1 start_steps=5 batch=4 sigma=0.4 gamma=0.9 rho=0.7 lr=0.002" },
    { "MountainCarContinuous-v0", 40, "twins=off sigma_targ=0 delay=1 start_steps=0 update_every=3 batch=7" },
    { "rooms", 25, "twins=off sigma_targ=0 delay=1 start_steps=5 batch=4 noise=ou sigma=0.3" },
    { "boxed rooms", 25, "twins=off sigma_targ=0 delay=1 start_steps=20 batch=5 sigma=0.6 activation=relu" },
    { "Pendulum-v1", 30, "start_steps=10 batch=5" },
    { "Pendulum-v1", 30, "start_steps=33 batch=4 delay=3 sigma_targ=1 c=0.7 capacity=40 rho=0.9" },
    { "lqr", 15, "start_steps=5 batch=4 gamma=0.9 delay=1 noise=ou sigma=0.3 lr=0.01 lr_Q=0.003" },
    { "lqr", 15, "start_steps=5 batch=4 gamma=0.9 sigma_targ=0 update_every=4" },
    { "Pendulum-v1", 30, "twins=off start_steps=12 batch=5 delay=2" },
    { "rooms", 25, "start_steps=5 batch=4 noise=ou sigma=0.3" },
    { "boxed rooms", 25, "start_steps=20 batch=5 sigma=0.6 sigma_targ=0.8 c=0.9 activation=relu" },
};
enum { RUNS = sizeof runs / sizeof *runs, PLAIN = 6 };          /* the first ones are DDPG's, too */

static void set_all(const config_field *fields, void *c, const char *set)
{
    char text[200], *at = text;
    strcpy(text, set);
    for (char *one; (one = strtok_r(at, " ", &at));) config_set(fields, c, "test_ddpg", one);
}

static td3_config config_of_run(int k)
{
    td3_config c = td3_defaults;
    set_all(td3_fields, &c, "hidden=5,4 activation=tanh");
    set_all(td3_fields, &c, runs[k].set);
    return c;
}

/* What is learnt, in long double; actions are taken in double, since environments are */
struct by_hand {
    td3_config c; policy p; network Q; int n, nQ; bool running;
    long double theta[MOST], phi[MOST], theta_targ[MOST], phi_targ[MOST];
    struct hand_adam *of_mu, *of_Q;
    struct row D[STEPS]; long stored;
    double eps[2];
    struct problem last;                    /* update, and its numbers */
    long double g_Q[MOST], g_mu[MOST], L, J;
};

static void hand_polyak(int n, double rho, const long double *x, long double *targ)
{
    for (int i = 0; i < n; i++) targ[i] = rho * targ[i] + (1 - (long double)rho) * x[i];
}

static void move(long double *running, long double seen) { *running = 0.9L * *running + 0.1L * seen; }

static void hand_update(struct by_hand *h, gsl_rng *rng)
{
    struct problem at = { .c = &h->c, .p = &h->p, .Q = &h->Q, .T = (int)h->c.batch, .running = h->running };
    long capacity = h->c.capacity, size = h->stored < capacity ? h->stored : capacity;
    double eps[MOST_B * 2];
    for (int t = 0; t < at.T; t++) {                                    /* the j-th place of a ring of `capacity` */
        long j = (long)gsl_rng_uniform_int(rng, (unsigned long)size), turns = (h->stored - 1 - j) / capacity;
        at.B[t] = &h->D[j + turns * capacity];
    }
    for (int i = 0; h->c.sigma_targ > 0 && i < at.T * h->p.k; i++)
        eps[i] = h->c.sigma_targ * gsl_ran_gaussian_ziggurat(rng, 1);
    hand_y(&at, h->theta_targ, h->phi_targ, h->c.sigma_targ > 0 ? eps : NULL);
    if (h->p.normalised) {
        number same[MOST], Q[MOST_B], mu[MOST_B][HAND_WIDEST];
        long double seen[MOST];
        for (int i = 0; i < h->nQ; i++) same[i] = h->phi[i];
        hand_batch_Q(&at, same, NULL, Q, seen);
        for (int i = 0; i < 2 * h->p.d; i++) move(&h->phi[network_n(&h->Q) + 2 * h->p.d + i], seen[i]);
        int w = (h->n - network_n(&h->p.f)) / 4;
        for (int i = 0; i < h->n; i++) same[i] = h->theta[i];
        hand_batch_mu(&at, same, mu, seen);
        for (int i = 0; i < 2 * w; i++) move(&h->theta[h->n - 2 * w + i], seen[i]);
    }
    number x[MOST];
    for (int i = 0; i < h->nQ; i++) x[i] = h->phi[i];
    h->L = -creall(hand_minus_L(&at, x));
    h->last = at;
    hand_gradient(h->nQ, h->phi, hand_minus_L, &at, h->g_Q);
    for (int i = 0; h->p.normalised && i < 2 * h->p.d; i++) h->g_Q[h->nQ - 1 - i] = 0;      /* what runs stays */
    hand_adam_ascend(h->of_Q, h->nQ, h->c.lr_Q, h->phi, h->g_Q);
    if (h->of_Q->t % h->c.delay) return;
    for (int i = 0; i < h->nQ; i++) at.phi[i] = h->phi[i];
    for (int i = 0; i < h->n; i++) x[i] = h->theta[i];
    h->J = creall(hand_J(&at, x));
    hand_gradient(h->n, h->theta, hand_J, &at, h->g_mu);
    hand_adam_ascend(h->of_mu, h->n, h->c.lr, h->theta, h->g_mu);
    hand_polyak(h->nQ, h->c.rho, h->phi, h->phi_targ);
    hand_polyak(h->n, h->c.rho, h->theta, h->theta_targ);
}

static void hand_act(struct by_hand *h, const double *s, long t, gsl_rng *rng, double *a)
{
    number theta[MOST], mu[4];
    for (int i = 0; i < h->n; i++) theta[i] = h->theta[i];
    hand_mu(&h->p, theta, s, mu);
    for (int i = 0; i < h->p.k; i++) {
        double n = gsl_ran_gaussian_ziggurat(rng, 1);
        h->eps[i] = h->c.noise == NOISE_OU ? h->eps[i] - h->c.ou_theta * h->eps[i] + h->c.sigma * n : h->c.sigma * n;
    }
    for (int i = 0; i < h->p.k; i++) {
        a[i] = (double)creall(mu[i]) + half_width(&h->p, i) * h->eps[i];
        if (!h->p.low) continue;
        if (t < h->c.start_steps) a[i] = h->p.low[i] + (h->p.high[i] - h->p.low[i]) * gsl_rng_uniform(rng);
        if (a[i] > h->p.high[i]) a[i] = h->p.high[i];
        if (a[i] < h->p.low[i]) a[i] = h->p.low[i];
    }
}

static void hand_run(struct by_hand *h, env *e, uint64_t seed, long steps)
{
    gsl_rng *init = random_stream(seed, 0, RANDOM_INIT), *of_env = random_stream(seed, 0, RANDOM_ENV);
    gsl_rng *of_policy = random_stream(seed, 0, RANDOM_POLICY), *of_update = random_stream(seed, 0, RANDOM_UPDATE);
    double theta[MOST], phi[MOST];
    policy_init(&h->p, init, theta);
    for (int twin = 0; twin < h->nQ; twin += critic_n(&h->p, &h->Q)) critic_init(&h->p, &h->Q, init, phi + twin);
    for (int i = 0; i < h->n; i++) h->theta[i] = h->theta_targ[i] = theta[i];
    for (int i = 0; i < h->nQ; i++) h->phi[i] = h->phi_targ[i] = phi[i];
    for (long t = 0; t < steps; t++) {
        bool truncated;
        struct row *b = &h->D[h->stored++];
        if (e->over) {
            env_reset(e, of_env);
            h->eps[0] = h->eps[1] = 0;
        }
        memcpy(b->s, e->obs, (size_t)h->p.d * sizeof *b->s);
        hand_act(h, b->s, t, of_policy, b->a);
        env_step(e, b->a, &b->r, &b->terminated, &truncated);
        memcpy(b->s1, e->obs, (size_t)h->p.d * sizeof *b->s1);
        if (t + 1 > h->c.start_steps && (t + 1) % h->c.update_every == 0)
            for (long i = 0; i < h->c.update_every; i++) hand_update(h, of_update);
    }
    gsl_rng_free(init);
    gsl_rng_free(of_env);
    gsl_rng_free(of_policy);
    gsl_rng_free(of_update);
}

/* theta after STEPS steps. Adam's step hangs on g only by m / sqrt(v), so that rounding of g, u |g|, moves theta by
 * lr u kappa a step; mu, Q and the environment carry it on. 1e-11 is some 1e3 of it for all the steps together; any
 * other update moves theta by a part of lr >= 1e-3. */
static void by_hand(void **state)
{
    (void)state;
    for (int k = 0; k < RUNS; k++) {
        struct by_hand h = { .c = config_of_run(k), .of_mu = calloc(1, sizeof *h.of_mu),
                             .of_Q = calloc(1, sizeof *h.of_Q) };
        env *e = make(runs[k].env, runs[k].limit), *again = make(runs[k].env, runs[k].limit);
        h.p = td3_policy(e, &h.c);
        h.Q = critic_Q_of_box(&h.p);
        h.n = h.p.n, h.nQ = (1 + h.c.twins) * network_n(&h.Q);
        hand_run(&h, again, 11, STEPS);
        run *r = run_new("td3", e, 11, STEPS);
        td3(r, &h.c);
        assert_int_equal(r->steps, STEPS);
        for (int i = 0; i < h.n; i++)
            if (!(fabsl(r->theta[i] - h.theta[i]) <= 1e-11L))
                fail_msg("run %d, theta[%d]: %.17g, %.17Lg", k, i, r->theta[i], h.theta[i]);
        run_free(r);
        free(h.of_mu);
        free(h.of_Q);
        env_free(e);
        env_free(again);
    }
}

/* The configuration that is TD3's with the three changes off */
static ddpg_config as_ddpg(const td3_config *c)
{
    return (ddpg_config){ .gamma = c->gamma, .lr = c->lr, .lr_Q = c->lr_Q, .rho = c->rho, .batch = c->batch,
                          .capacity = c->capacity, .start_steps = c->start_steps, .update_every = c->update_every,
                          .noise = c->noise, .sigma = c->sigma, .ou_theta = c->ou_theta, .hidden = c->hidden,
                          .activation = c->activation };
}

/* DDPG-21   whole runs with batch normalisation. Rounding is larger here, since 1/sd, up to 300, multiplies it in
 * each layer: 1e-9, where another update moves theta by a part of lr >= 1e-3. */
static void with_batch_norm(void **state)
{
    (void)state;
    for (int k = 0; k < 2 * PLAIN; k++) {
        struct by_hand h = { .c = config_of_run(k / 2), .running = k % 2, .of_mu = calloc(1, sizeof *h.of_mu),
                             .of_Q = calloc(1, sizeof *h.of_Q) };
        env *e = make(runs[k / 2].env, runs[k / 2].limit), *again = make(runs[k / 2].env, runs[k / 2].limit);
        ddpg_config c = as_ddpg(&h.c);
        c.batch_norm = k % 2 ? DDPG_NORM_RUNNING : DDPG_NORM_ON;
        h.p = ddpg_policy(e, &c);
        h.Q = critic_Q_of_box(&h.p);
        h.n = h.p.n, h.nQ = critic_n(&h.p, &h.Q);
        hand_run(&h, again, 21, STEPS);
        run *r = run_new("ddpg", e, 21, STEPS);
        ddpg(r, &c);
        for (int i = 0; i < h.n; i++)
            if (!(fabsl(r->theta[i] - h.theta[i]) <= 1e-9L * (1 + fabsl(h.theta[i]))))
                fail_msg("run %d, theta[%d]: %.17g, %.17Lg", k, i, r->theta[i], h.theta[i]);
        run_free(r);
        free(h.of_mu);
        free(h.of_Q);
        env_free(e);
        env_free(again);
    }
}

static void check_batch(int batch)
{
    ddpg_check(&(ddpg_config){ .batch_norm = 1, .batch = batch });
}

/* A batch of one has no variance: a mistake of the user's; two have */
static void batch_of_one(void **state)
{
    (void)state;
    struct ending one = run_child(check_batch, 1), two = run_child(check_batch, 2);
    assert_true(WIFEXITED(one.status) && WEXITSTATUS(one.status) == 2);
    assert_non_null(strstr(one.err, "expected batch >= 2"));
    assert_true(WIFEXITED(two.status) && WEXITSTATUS(two.status) == 99);
}

/* TD3-16   the three changes off: theta bit for bit DDPG's, with each option that both have */
static void is_ddpg(void **state)
{
    (void)state;
    for (int k = 0; k < PLAIN; k++)
        for (int steps = 100; steps <= 300; steps += 200) {
            env *e = make(runs[k].env, runs[k].limit), *again = make(runs[k].env, runs[k].limit);
            td3_config c = config_of_run(k);
            ddpg_config d = as_ddpg(&c);
            run *r = run_new("td3", e, 12, steps), *r1 = run_new("ddpg", again, 12, steps);
            td3(r, &c);
            ddpg(r1, &d);
            assert_memory_equal(r->theta, r1->theta, (size_t)td3_policy(e, &c).n * sizeof *r->theta);
            assert_int_equal(r->episodes, r1->episodes);
            run_free(r);
            run_free(r1);
            env_free(e);
            env_free(again);
        }
}

/* ---- what explain prints: the first update of a run that learns after four steps, by hand ---- */

static const struct { const char *set; int batch_norm, numbers, y; } explanations[] = {
    { "twins=off sigma_targ=0 delay=1", DDPG_NORM_OFF, 8, 6 },
    { "twins=off sigma_targ=0 delay=1 noise=ou sigma=0.4 batch=3 gamma=0.8 rho=0.7", DDPG_NORM_OFF, 8, 6 },
    { "twins=off sigma_targ=0 delay=1 sigma=0.3 rho=0.5", DDPG_NORM_ON, 8, 6 },
    { "twins=off sigma_targ=0 delay=1 noise=ou batch=2 lr=0.01", DDPG_NORM_ON, 8, 6 },
    { "twins=off sigma_targ=0 delay=1 sigma=0.3 lr_Q=0.01", DDPG_NORM_RUNNING, 8, 6 },
    { "sigma=0.2", DDPG_NORM_OFF, 12, 9 },
    { "sigma=0.2 delay=4 rho=0.9 sigma_targ=0", DDPG_NORM_OFF, 12, 9 },
    { "delay=1 c=0.1 noise=ou rho=0.5", DDPG_NORM_OFF, 12, 9 },
    { "twins=off delay=1 sigma_targ=0.4", DDPG_NORM_OFF, 12, 9 },
};

/* Of a number with five digits behind the point, four in TD3's batch */
static void assert_printed(const char *what, double printed, long double want, double unit)
{
    if (!(fabsl(printed - want) <= 0.51 * unit)) fail_msg("%s: %.5f, %.7Lf", what, printed, want);
}

/* The rows: s, a, r, s'; y; behind y one Q or, of TD3, two, whose distances from y give L. Each is off by a unit
 * at most, its square by 2 |Q - y| < 10 units, and twice that for two. */
static void assert_batch(const char *text, const struct problem *h, int numbers, int y, long double L)
{
    double squares = 0;
    const char *row = strstr(text, numbers == 8 ? "        s         a " : "       s        a ");
    for (int t = 0; t < h->T; t++) {
        const struct row *b = h->B[t];
        const double want[] = { b->s[0], b->a[0], b->r, b->s1[0] };
        double x[12], unit = numbers == 8 ? 1e-5 : 1e-4;
        char *at = strchr(row, '\n') + 1;
        row = at;
        for (int i = 0; i < numbers; i++) x[i] = strtod(at, &at);
        assert_true(*at == '\n');
        for (int i = 0; i < 4; i++) assert_printed("s, a, r, s'", x[i], want[i], unit);
        assert_printed("y", x[y], h->y[t], unit);
        for (int i = y + 1; i < y + 2 + h->c->twins; i++) squares += (x[i] - x[y]) * (x[i] - x[y]) / h->T;
    }
    assert_printed("L of the rows", squares, L, numbers == 8 ? 1e-4 / 0.51 : 2e-3 / 0.51);
}

/* Behind the line that begins with id: L or J, and g, before, after of n parameters */
static void assert_step(const char *text, const char *id, long double value, int n, const long double *g,
                        const long double *after)
{
    const char *row = strstr(text, id), *is = strstr(row, "(s)) = ");
    if (strcmp(id, "DDPG-18") != 0 && strcmp(id, "TD3-12") != 0) is = strstr(row, "^2 = ");
    for (const char *next; (next = strstr(is + 1, "^2 = ")) && next < strchr(row, '\n');) is = next;
    assert_printed(id, strtod(strchr(is, '=') + 1, NULL), value, 1e-5);
    row = strchr(row, '\n') + 1;
    for (int i = 0; i < n; i++) {
        double x[3];
        row = strchr(row, '\n') + 1;
        assert_int_equal(sscanf(row + 21, "%lf %lf %lf", &x[0], &x[1], &x[2]), 3);
        assert_printed("g", x[0], g[i], 1e-5);
        assert_printed("after", x[2], after[i], 1e-5);
    }
}

static void explained(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof explanations / sizeof *explanations; k++) {
        struct by_hand h = { .c = td3_defaults, .of_mu = calloc(1, sizeof *h.of_mu),
                             .of_Q = calloc(1, sizeof *h.of_Q) };
        set_all(td3_fields, &h.c, "hidden=0 batch=4 start_steps=3");
        set_all(td3_fields, &h.c, explanations[k].set);
        bool of_ddpg = explanations[k].numbers == 8;
        ddpg_config c = as_ddpg(&h.c);
        c.batch_norm = explanations[k].batch_norm;
        h.running = c.batch_norm == DDPG_NORM_RUNNING;
        env *e = make("lqr", 5);
        h.p = of_ddpg ? ddpg_policy(e, &c) : td3_policy(e, &h.c);
        h.Q = critic_Q_of_box(&h.p);
        h.n = h.p.n, h.nQ = (1 + h.c.twins) * critic_n(&h.p, &h.Q);
        struct by_hand late = h;                            /* as many updates as mu waits for, of the same D */
        late.of_mu = calloc(1, sizeof *h.of_mu), late.of_Q = calloc(1, sizeof *h.of_Q);
        late.c.update_every = h.c.delay;
        hand_run(&h, e, 31, 4);
        env_free(e);
        e = make("lqr", 5);
        hand_run(&late, e, 31, 4);
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        if (of_ddpg) ddpg_explain(out, &c, 31);
        else         td3_explain(out, &h.c, 31);
        fclose(out);
        assert_batch(text, &h.last, explanations[k].numbers, explanations[k].y, h.L);
        assert_step(text, of_ddpg ? "DDPG-17" : "TD3-11", h.L, h.nQ, h.g_Q, h.phi);
        assert_step(text, of_ddpg ? "DDPG-18" : "TD3-12", late.J, late.n, late.g_mu, late.theta);
        const char *targ = strstr(text, "K_targ = "), *waits = strstr(text, "TD3-8 ");
        assert_non_null(targ);
        assert_printed("K_targ", strtod(targ + 9, NULL), late.theta_targ[0], 1e-5);
        assert_true(!waits == (h.c.delay == 1));
        if (waits) assert_printed("the last L", strtod(strstr(waits, "L = ") + 4, NULL), late.L, 1e-5);
        free(late.of_mu);
        free(late.of_Q);
        free(text);
        free(h.of_mu);
        free(h.of_Q);
        env_free(e);
    }
}

/* ERR-74   the noise on a' never reaches the environment: with no step size, so that theta stays, what is done
 * with it and without it is the same, bit for bit */
static void smoothing_does_not_explore(void **state)
{
    (void)state;
    double returns[2];
    for (int k = 0; k < 2; k++) {
        env *e = make("Pendulum-v1", 30);
        td3_config c = td3_defaults;
        c.lr = 0, c.start_steps = 10, c.batch = 8, c.sigma = 0, c.sigma_targ = k ? 0.5 : 0;
        run *r = run_new("td3", e, 5, 300);
        td3(r, &c);
        returns[k] = r->return_mean;
        run_free(r);
        env_free(e);
    }
    assert_true(returns[0] == returns[1]);
}

/* DDPG-13, DDPG-25   a = m + h tanh f(s) in each dimension, whatever theta is: within the box, mid at f = 0 */
static void in_the_box(void **state)
{
    (void)state;
    env *e = make("Pendulum-v1", 30);
    const double low[] = { -3, 1, -1 }, high[] = { 5, 2, -0.5 };
    env three = *e;
    three.action = (env_space){ .dim = 3, .low = low, .high = high };
    const policy p = deterministic_policy_of(&three, 0, NULL, AD_TANH);
    double theta[12] = { 0 }, s[3] = { 0.5, -1, 2 }, a[3];
    actor *mu = actor_new(&p, theta);
    gsl_rng *rng = random_stream(8, 0, RANDOM_TEST);
    actor_mode(mu, s, a);
    for (int i = 0; i < 3; i++) assert_true(fabs(a[i] - (low[i] + high[i]) / 2) <= 1e-15);
    theta[9] = 0.7, theta[10] = -40, theta[11] = 900;
    actor_draw(mu, rng, s, a);
    assert_true(fabs(a[0] - (1 + 4 * tanh(0.7))) <= 1e-14);
    assert_true(a[1] == 1);
    assert_true(a[2] == -0.5);
    gsl_rng_free(rng);
    actor_free(mu);
    env_free(e);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients), cmocka_unit_test(y_is_held), cmocka_unit_test(first_parameters),
        cmocka_unit_test(by_hand), cmocka_unit_test(with_batch_norm), cmocka_unit_test(batch_of_one),
        cmocka_unit_test(is_ddpg), cmocka_unit_test(explained),
        cmocka_unit_test(smoothing_does_not_explore), cmocka_unit_test(in_the_box),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
