/* TRPO with a vine: its estimators and its problem against plain loops, single rollouts against the environment
 * driven by hand, and whole runs in long double, the rollouts from clones of the streams.
 *     test_trpo_vine [pattern]       runs the tests whose names match */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "algorithms/trpo_vine.h"
#include "autodiff/random.h"
#include "tests/child_process.h"
#include "tests/trust_region_by_hand.h"

/* ---- the equations ---- */

static void equations(void **state)
{
    (void)state;
    static const double pi[6] = { 0.2, 0.5, 0.3, 0.1, 0.1, 0.8 }, Q[6] = { 1, -2, 3, 0.5, 4, -1 };
    static const double ratio[6] = { 0.5, 1.25, 2, 1, 0.25, 3 }, r[3] = { 1, -2, 0.5 };
    static const double far[6] = { -800, -800, -900, 800, 799, -800 };      /* whose ratios are 0, or infinite */
    double all = 0, drawn = 0, shifted[6];
    ad_tape *t = ad_tape_new();
    for (int n = 0; n < 2; n++) {
        double up = 0, down = 0;
        for (int k = 3 * n; k < 3 * n + 3; k++) {
            all += pi[k] * Q[k] / 2;
            up += ratio[k] * Q[k];
            down += ratio[k];
        }
        drawn += up / down / 2;
    }
    for (int k = 0; k < 6; k++) shifted[k] = Q[k] + 100;
    ad x = ad_log(ad_input(t, ratio, 2, 3)), L = vine_L_drawn(x, ad_input(t, Q, 2, 3));
    ad L1 = vine_L_drawn(x, ad_input(t, shifted, 2, 3));
    assert_near(ad_scalar(vine_L_all(ad_input(t, pi, 2, 3), ad_input(t, Q, 2, 3))), all, 8 * DBL_EPSILON);
    assert_near(ad_scalar(L), drawn, 8 * DBL_EPSILON);
    /* TRPO-16   a constant in Q is one in L, and nothing in its gradient */
    assert_near(ad_scalar(L1) - ad_scalar(L), 100, 1e-13);
    const double *g = ad_value(ad_grad(L, x)), *g1 = ad_value(ad_grad(L1, x));
    for (int k = 0; k < 6; k++) assert_near(g1[k], g[k], 1e-13);
    double e = exp(-1), far_L = (Q[0] + Q[1]) / 4 + (Q[3] + e * Q[4]) / (1 + e) / 2;
    assert_near(ad_scalar(vine_L_drawn(ad_input(t, far, 2, 3), ad_input(t, Q, 2, 3))), far_L, 8 * DBL_EPSILON);
    assert_near(vine_Q(3, r, 4, 0.5), 1 - 2 * 0.5 + 0.5 * 0.25 + 4 * 0.125, 4 * DBL_EPSILON);
    assert_near(vine_Q(1, r, 0, 0.9), 1, 0);
    ad_tape_free(t);
}

/* ---- the problem ---- */

struct hand_vine { const policy *p; const vine *v; const long double *old; };

/* L(theta') of a vine, pi by complex long double */
static number hand_vine_L(const void *context, const number *theta)
{
    const struct hand_vine *x = context;
    const vine *v = x->v;
    number sum = 0, old[HAND_N];
    for (int i = 0; i < x->p->n; i++) old[i] = x->old[i];
    for (int n = 0; n < v->N; n++) {
        number up = 0, down = 0;
        for (int i = n * v->K; i < (n + 1) * v->K; i++) {
            number logp = hand_logp(x->p, theta, v->s + n * v->d, v->a + i * v->k);
            number w = v->all ? cexpl(logp) : cexpl(logp - hand_logp(x->p, old, v->s + n * v->d, v->a + i * v->k));
            up += w * v->Q[i];
            down += w;
        }
        sum += v->all ? up : up / down;
    }
    return sum / v->N;
}

/* Random states, actions and Q; theta' is a step away from theta. */
static void problems(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(5, 0, RANDOM_TEST);
    for (int k = 0; k < 24; k++) {
        env e = { .observation = { .dim = 3 }, .action = { .n = k % 3 ? 4 : 0, .dim = k % 3 ? 1 : 2 } };
        trpo_vine_config c = { .trpo = { .hidden = { k % 2, { 5 } }, .activation = AD_TANH, .constraint = k / 3 % 2 },
                               .states = 1 + k % 5, .estimator = k % 3 == 1 ? VINE_ALL : VINE_DRAWN,
                               .actions = 2 + k % 4 };
        const policy p = trpo_vine_policy(&e, &c);
        vine v = vine_new(&p, &c);
        assert_int_equal(v.K, v.all ? 4 : c.actions);
        assert_true(v.all == (k % 3 == 1) && v.N == c.states);
        double theta[HAND_N], kl = 0;
        long double old[HAND_N], new[HAND_N], g[HAND_N];
        for (int i = 0; i < p.n; i++) old[i] = theta[i] = gsl_ran_gaussian(rng, 0.7);
        for (int i = 0; i < v.N * v.d; i++) v.s[i] = gsl_ran_gaussian(rng, 1);
        for (int i = 0; i < v.N * v.K; i++) {
            v.Q[i] = 3 + gsl_ran_gaussian(rng, 1);
            for (int j = 0; j < v.k; j++)
                v.a[i * v.k + j] = !p.nA ? gsl_ran_gaussian(rng, 1)
                                 : v.all ? i % v.K : (int)gsl_rng_uniform_int(rng, 4);
            if (v.index) v.index[i] = (int)v.a[i];
        }
        struct hand_vine by_hand = { &p, &v, old };
        ad_tape *t = ad_tape_new();
        trpo_problem at = vine_problem_of(t, &c.trpo, &p, theta, &v);
        assert_near(ad_scalar(at.L), 0, 1e-14);
        assert_near(ad_scalar(at.kl), 0, 1e-14);
        hand_gradient(p.n, old, hand_vine_L, &by_hand, g);
        const double *found = ad_value(ad_grad(at.L, at.theta));
        for (int i = 0; i < p.n; i++) assert_near(found[i], (double)g[i], 1e-13);

        number at_old[HAND_N], at_new[HAND_N];
        for (int i = 0; i < p.n; i++) {
            at_old[i] = theta[i];
            at_new[i] = new[i] = theta[i] += gsl_ran_gaussian(rng, 0.2);
        }
        ad_plan again = ad_slice(1, &at.theta, 2, (ad[]){ at.L, at.kl });
        ad_run(&again);
        number change = hand_vine_L(&by_hand, at_new) - hand_vine_L(&by_hand, at_old);
        assert_near(ad_scalar(at.L), (double)creall(change), 1e-13);
        for (int n = 0; n < v.N; n++) {
            double its = (double)hand_kl_at(&p, old, new, v.s + n * v.d);
            kl = c.trpo.constraint == TRPO_MAX ? fmax(kl, its) : kl + its / v.N;
        }
        assert_near(ad_scalar(at.kl), kl, 1e-13);
        ad_tape_free(t);
        vine_free(&v);
    }
    gsl_rng_free(rng);
}

/* ---- single rollouts ---- */

/* From any place of an episode: the first action, then the policy's; the flags are the environment's; the clock of
 * the time limit goes on. */
static void rollouts(void **state)
{
    (void)state;
    env *e = make("CartPole-v1", 12), *own = make("CartPole-v1", 12), *other = make("CartPole-v1", 12);
    const policy p = policy_of(e, 0, NULL, AD_LINEAR);
    double theta[10] = { 0 }, a, r;
    int ended = 0, limited = 0, cut = 0;
    gsl_rng *rng = random_stream(6, 0, RANDOM_TEST), *draws = random_stream(6, 1, RANDOM_TEST);
    actor *pi = actor_new(&p, theta);
    rollout *b = rollout_new(e);
    for (int k = 0; k < 300; k++) {
        bool terminated, truncated;
        if (e->over) env_reset(e, rng);
        double first = k / 7 % 2;
        int length = 1 + k % 6;
        gsl_rng *same = gsl_rng_clone(draws);
        rollout_clear(b);
        vine_rollout(b, own, e->state, e->t, &first, length, rng, pi, draws);
        assert_int_equal(b->segments, 1);
        assert_true(b->T <= length && b->segment[0].T == b->T && !b->segment[0].starts);
        env_restore(other, rng, e->state, e->t);
        for (int t = 0; t < b->T; t++) {
            assert_false(other->over);
            assert_memory_equal(b->s + 4 * t, other->obs, 4 * sizeof(double));
            if (t == 0) a = first;
            else actor_draw(pi, same, other->obs, &a);
            assert_true(b->index[t] == (int)a);
            env_step(other, &a, &r, &terminated, &truncated);
            assert_true(b->r[t] == r);
        }
        assert_memory_equal(b->s_end, other->obs, 4 * sizeof(double));
        assert_true(b->segment[0].terminated == terminated && b->segment[0].truncated == truncated);
        assert_true(other->over || b->T == length);
        ended += terminated, limited += truncated && !terminated, cut += !other->over;
        gsl_rng_free(same);
        a = 1 - a;
        env_step(e, &a, &r, &terminated, &truncated);
    }
    assert_true(ended > 5 && limited > 5 && cut > 100);
    rollout_free(b);
    actor_free(pi);
    gsl_rng_free(rng), gsl_rng_free(draws);
    env_free(e), env_free(own), env_free(other);
}

/* ---- whole runs ---- */

static const struct { const char *env; int limit; trpo_vine_config c; } runs[] = {
    { "E5x", 7, { .trpo = { .workers = 2, .n_steps = 5, .V_epochs = 2, .V_batch = 4 }, .states = 4,
                  .estimator = VINE_ALL, .actions = 2, .length = 4, .common = 1 } },
    { "E5x", 7, { .trpo = { .workers = 1, .n_steps = 9, .V_epochs = 1, .V_batch = 40 }, .states = 6,
                  .estimator = VINE_DRAWN, .actions = 3, .length = 30, .common = 1 } },
    { "CartPole-v1", 12, { .trpo = { .workers = 3, .n_steps = 6, .V_epochs = 1, .V_batch = 5,
                                     .constraint = TRPO_MAX },
                           .states = 18, .estimator = VINE_ALL, .actions = 2, .length = 3, .common = 0 } },
    { "garnet:4,3,2,5", 5, { .trpo = { .workers = 2, .n_steps = 8, .V_epochs = 2, .V_batch = 8 }, .states = 5,
                             .estimator = VINE_DRAWN, .actions = 4, .length = 6, .common = 0 } },
    { "lqr", 9, { .trpo = { .workers = 2, .n_steps = 7, .V_epochs = 1, .V_batch = 7 }, .states = 5,
                  .estimator = VINE_ALL, .actions = 3, .length = 4, .common = 1 } },
};
enum { RUNS = sizeof runs / sizeof *runs, UPDATES = 5, PLACES = 40 };

static trpo_vine_config completed(trpo_vine_config c)
{
    c.trpo.gamma = 0.9, c.trpo.lambda = 0.8, c.trpo.delta = 0.02, c.trpo.damping = 0.1, c.trpo.cg_iterations = 300;
    c.trpo.cg_tol = 1e-14, c.trpo.F_every = 1, c.trpo.alpha = 0.5, c.trpo.backtracks = 10, c.trpo.lr_V = 0.01;
    return c;
}

/* The state of an environment, the clock, and what was seen */
struct place { double state[8], obs[8]; int t; };

/* What a run counts */
struct counted { long steps, episodes; double last_return; };

/* One rollout: Q, by its definition; draws from the two streams */
static long double Q_by_hand(const trpo_vine_config *c, const network *f, const long double *phi, env *e,
                             const struct place *from, const double *a, gsl_rng *env_rng, gsl_rng *policy_rng,
                             actor *pi, struct counted *n)
{
    long double Q = 0, weight = 1;
    bool terminated = false, truncated = false;
    double action[4], r;
    env_restore(e, env_rng, from->state, from->t);
    memcpy(action, a, (size_t)e->action.dim * sizeof *action);
    for (int l = 0; l < c->length && !e->over; l++, weight *= c->trpo.gamma, n->steps++) {
        if (l > 0) actor_draw(pi, policy_rng, e->obs, action);
        env_step(e, action, &r, &terminated, &truncated);
        Q += weight * r;
    }
    return terminated ? Q : Q + weight * hand_V(f, phi, e->obs);
}

/* Everything of a state's K rollouts begins at clones of the streams; the one that went furthest goes on. */
static void vine_by_hand(const trpo_vine_config *c, const policy *p, const network *f, const long double *phi,
                         run_worker *w, const struct place *from, actor *pi, int K, bool all, double *a,
                         long double *Q, struct counted *n)
{
    for (int i = 0; i < K; i++) {
        if (all) a[i] = i;
        else     actor_draw(pi, w->policy_rng, from->obs, a + i * p->k);
    }
    gsl_rng *env_0 = gsl_rng_clone(w->env_rng), *policy_0 = gsl_rng_clone(w->policy_rng);
    for (int i = 0; i < K; i++) {
        gsl_rng *env_i = gsl_rng_clone(c->common ? env_0 : w->env_rng);
        gsl_rng *policy_i = gsl_rng_clone(c->common ? policy_0 : w->policy_rng);
        Q[i] = Q_by_hand(c, f, phi, w->env, from, a + i * p->k, env_i, policy_i, pi, n);
        if (random_position(env_i) > random_position(w->env_rng)) gsl_rng_memcpy(w->env_rng, env_i);
        if (random_position(policy_i) > random_position(w->policy_rng)) gsl_rng_memcpy(w->policy_rng, policy_i);
        gsl_rng_free(env_i), gsl_rng_free(policy_i);
    }
    gsl_rng_free(env_0), gsl_rng_free(policy_0);
}

/* The trunk of one worker, with its places */
static void trunk_by_hand(const trpo_config *c, run_worker *w, actor *pi, rollout *b, struct place *at,
                          struct counted *n)
{
    env *e = w->env;
    double a[4], r;
    bool starts = false, terminated = false, truncated = false;
    for (int k = 0; k < c->n_steps; k++) {
        if (e->over) env_reset(e, w->env_rng), w->episode_return = 0;
        if (k == 0 || e->t == 0) starts = e->t == 0;
        struct place *x = &at[b->T];
        memcpy(x->state, e->state, (size_t)e->state_n * sizeof *x->state);
        memcpy(x->obs, e->obs, (size_t)b->d * sizeof *x->obs);
        x->t = e->t;
        actor_draw(pi, w->policy_rng, e->obs, a);
        env_step(e, a, &r, &terminated, &truncated);
        w->episode_return += r;
        n->steps++;
        rollout_add(b, x->obs, a, r);
        if (e->over) n->episodes++, n->last_return = w->episode_return;
        if (e->over || k == c->n_steps - 1) rollout_end(b, e->obs, starts, terminated, truncated);
    }
}

static struct counted run_by_hand(const trpo_vine_config *own, const policy *p, env *e, long double *theta)
{
    const trpo_config *c = &own->trpo;
    const struct hand_settings h = { .gamma = c->gamma, .lambda = c->lambda, .delta = c->delta, .damping = c->damping,
        .cg_iterations = (int)c->cg_iterations, .cg_tol = c->cg_tol, .F_every = 1, .alpha = c->alpha, .lr_V = c->lr_V,
        .backtracks = (int)c->backtracks, .V_epochs = (int)c->V_epochs, .V_batch = (int)c->V_batch,
        .max_kl = c->constraint == TRPO_MAX };
    const network f = critic_V(p);
    bool all = p->nA && own->estimator == VINE_ALL;
    int K = all ? p->nA : (int)own->actions, N = (int)own->states, nV = network_n(&f);
    struct hand_adam moments;
    struct counted n = { 0 };
    double w[HAND_N], first[HAND_N];
    long double phi[HAND_N], R[HAND_T], unused[HAND_T], old[HAND_N];
    memset(&moments, 0, sizeof moments);
    run *r = run_new("by hand", e, 7, 0);
    run_workers(r, (int)c->workers + 1);
    policy_init(p, r->init_rng, w);
    network_init_orthogonal(&f, sqrt(2), 1, r->init_rng, first);
    for (int i = 0; i < p->n; i++) theta[i] = w[i];
    for (int i = 0; i < nV; i++) phi[i] = first[i];
    actor *pi = actor_new(p, w);
    rollout *b = rollout_new(e);
    for (int u = 0; u < UPDATES; u++) {
        struct place at[PLACES];
        int order[PLACES], which[PLACES];
        static double s[HAND_T * 8], a[HAND_T * 4];
        struct hand_batch batch = { p, N * K, s, a, { 0 }, { 0 } };
        rollout_clear(b);
        for (int i = 0; i < c->workers; i++) trunk_by_hand(c, &r->worker[i], pi, b, at, &n);
        for (int t = 0; t < b->T; t++) order[t] = t;
        gsl_ran_choose(r->update_rng, which, (size_t)N, order, (size_t)b->T, sizeof *which);
        for (int i = 0; i < N; i++) {
            long double Q[8], mean = 0;
            vine_by_hand(own, p, &f, phi, &r->worker[c->workers], &at[which[i]], pi, K, all, a + i * K * p->k, Q, &n);
            for (int k = 0; k < K; k++) mean += Q[k] / K;
            for (int k = 0, j = i * K; k < K; k++, j++) {
                number now[HAND_N];
                for (int m = 0; m < p->n; m++) now[m] = theta[m];
                memcpy(s + j * p->d, at[which[i]].obs, (size_t)p->d * sizeof *s);
                batch.A[j] = all ? Q[k] : Q[k] - mean;
                batch.w[j] = all ? creall(cexpl(hand_logp(p, now, s + j * p->d, a + j * p->k))) / N : 1.0L / (N * K);
            }
        }
        memcpy(old, theta, sizeof old);
        assert_true(hand_update(&h, true, &batch, theta) >= 0);
        hand_advantages(&h, &f, phi, b, unused, R);
        hand_fit_V(&h, &f, b, R, r->update_rng, &moments, phi);
        for (int i = 0; i < p->n; i++) w[i] = (double)theta[i];
    }
    rollout_free(b);
    actor_free(pi);
    run_free(r);
    return n;
}

static void whole_runs(void **state)
{
    (void)state;
    for (int k = 0; k < RUNS; k++) {
        const trpo_vine_config c = completed(runs[k].c);
        env *e = make(runs[k].env, runs[k].limit), *own = make(runs[k].env, runs[k].limit);
        const policy p = trpo_vine_policy(e, &c);
        assert_true(p.n <= HAND_N && p.d <= 8 && e->state_n <= 8);
        long double theta[HAND_N];
        struct counted n = run_by_hand(&c, &p, own, theta);
        run *r = run_new("trpo_vine", e, 7, n.steps);
        trpo_vine(r, &c);
        assert_int_equal(r->steps, n.steps);
        assert_int_equal(r->episodes, n.episodes);
        assert_true(n.episodes > 3);
        assert_near(r->returns[(r->episodes - 1) % RUN_WINDOW], n.last_return, 1e-12);
        for (int i = 0; i < p.n; i++) assert_near(r->theta[i], (double)theta[i], 1e-10);
        run_free(r);
        env_free(e), env_free(own);
    }
}

/* What the vine has of trpo.c's settings is alike: bounds, and defaults but for its A, which is none */
static void settings_of_trpo(void **state)
{
    (void)state;
    int shared = 0;
    for (const config_field *v = trpo_vine_fields; v->name; v++)
        for (const config_field *f = trpo_fields; f->name; f++) {
            if (strcmp(v->name, f->name) != 0) continue;
            assert_true(v->kind == f->kind && v->low == f->low && v->high == f->high);
            size_t size = f->kind == CONFIG_REAL ? sizeof(double) : f->kind == CONFIG_WHOLE ? sizeof(long)
                        : f->kind == CONFIG_CHOICE ? sizeof(int) : sizeof(widths);
            assert_memory_equal((const char *)&trpo_vine_defaults + v->at, (const char *)&trpo_defaults + f->at,
                                size);
            shared++;
        }
    assert_int_equal(shared, 16);
}

static void check(int which)
{
    trpo_vine_config c = trpo_vine_defaults;
    c.states = c.trpo.workers * c.trpo.n_steps + which;
    trpo_vine_check(&c);
}

static void refused(void **state)
{
    (void)state;
    struct ending end = run_child(check, 1);
    assert_true(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 2);
    assert_non_null(strstr(end.err, "expected states of at most workers * n_steps"));
    end = run_child(check, 0);
    assert_true(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 99);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equations), cmocka_unit_test(problems), cmocka_unit_test(rollouts),
        cmocka_unit_test(whole_runs), cmocka_unit_test(settings_of_trpo), cmocka_unit_test(refused),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
