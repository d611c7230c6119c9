/* PPO by worker processes: their gradient against one process's on all samples, and whole runs against one process
 * that plays all of them.
 *     test_ppo_parallel [pattern]       runs the tests whose names match */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "algorithms/critic.h"
#include "algorithms/gae.h"
#include "algorithms/ppo_parallel.h"
#include "algorithms/run_folder.h"
#include "autodiff/optimiser.h"
#include "autodiff/random.h"
#include "tests/child_process.h"

enum { MOST = 600 };                            /* numbers of theta and phi, and steps of a batch */

static env *make(const char *id, int limit)
{
    char error[512] = "";
    env *e = env_make(id, limit, error, sizeof error);
    if (!e) fail_msg("%s", error);
    return e;
}

/* max |x - y| / max |y| */
static double distance(int n, const double *x, const double *y)
{
    double most = 0, scale = 0;
    for (int i = 0; i < n; i++) {
        if (!isfinite(x[i])) return INFINITY;
        most = fmax(most, fabs(x[i] - y[i]));
        scale = fmax(scale, fabs(y[i]));
    }
    return scale > 0 ? most / scale : most;
}

/* ---- one gradient ---- */

enum { ALL = 24 };

/* The first M of a shuffled set of samples of K M, as process i of K sees them */
static void part(const samples *from, int K, int i, samples *to)
{
    int which[ALL];
    for (int k = 0; k < ALL / K; k++) which[k] = i * (ALL / K) + k;
    samples_gather(to, from, which, ALL / K);
}

static void fill(gsl_rng *rng, const policy *p, samples *b)
{
    b->T = ALL;
    for (int i = 0; i < ALL * b->d; i++) b->s[i] = 2 * gsl_rng_uniform(rng) - 1;
    for (int i = 0; i < ALL; i++) {
        if (b->index) b->index[i] = (int)gsl_rng_uniform_int(rng, (unsigned long)p->nA);
        b->a[i] = b->index ? b->index[i] : 2 * gsl_rng_uniform(rng) - 1;
        b->logp_old[i] = -1 - gsl_rng_uniform(rng);
        b->V_old[i] = gsl_rng_uniform(rng);
        b->A[i] = 3 * gsl_rng_uniform(rng) - 1;
        b->R[i] = gsl_rng_uniform(rng);
    }
}

/* PPO-29   The mean of K processes' gradients is the gradient of one on the joined samples, whatever is normalised.
 * Each sum of T terms is right to T u of its absolute terms; 1e-12 is the goal. */
static void gradients(void **state)
{
    (void)state;
    static const char *const ids[] = { "CartPole-v1", "Pendulum-v1" };
    gsl_rng *rng = random_stream(1, 0, RANDOM_TEST);
    for (int k = 0; k < 2 * 3 * 3; k++) {
        env *e = make(ids[k % 2], 20);
        const policy p = policy_of(e, 1, (int[]){ 7 }, AD_TANH);
        const network f = critic_V(&p);
        int n = p.n, nV = network_n(&f);
        ppo_clip_config c = ppo_clip_defaults;
        c.objective = k / 2 % 3;
        c.normalise = k / 6 % 2 ? PPO_NORMALISE_MINIBATCH : PPO_NORMALISE_OFF;
        c.eps_V = k / 6 == 2 ? 0.1 : 0;
        c.c2 = 0.03;
        double theta[MOST], phi[MOST], want[MOST], g[MOST];
        policy_init(&p, rng, theta);
        network_init_orthogonal(&f, sqrt(2), 1, rng, phi);
        samples *b = samples_new(&p, ALL), *own = samples_new(&p, ALL), *one = samples_new(&p, ALL);
        ad_tape *t = ad_tape_new();
        fill(rng, &p, b);
        part(b, 1, 0, one);
        if (c.normalise) advantages_normalise(ALL, one->A);
        ppo_gradient(t, &c, &p, &f, theta, phi, one, want);
        for (int K = 1; K <= 4; K++) {
            processes *all = processes_new(K);
            part(b, K, all->rank, own);
            ppo_parallel_gradient(all, t, &c, &p, &f, theta, phi, own, g);
            processes_end(all);
            double off = fmax(distance(n, g, want), distance(nV, g + n, want + n));
            if (!(off <= 1e-12)) fail_msg("case %d, K = %d: %.3g", k, K, off);
            if (K == 1) assert_memory_equal(g, want, (size_t)(n + nV) * sizeof *g);
        }
        ad_tape_free(t);
        samples_free(b), samples_free(own), samples_free(one);
        env_free(e);
    }
    gsl_rng_free(rng);
}

/* Mean and standard deviation over all processes, in long double */
static void normalised(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(2, 0, RANDOM_TEST);
    double A[ALL], own[ALL], out[ALL];
    for (int K = 1; K <= 6; K++) {
        long double mean = 0, squares = 0;
        if (K == 5) continue;
        for (int i = 0; i < ALL; i++) A[i] = 5 + 0.01 * gsl_rng_uniform(rng) + (i > 20);
        for (int i = 0; i < ALL; i++) mean += (long double)A[i] / ALL;
        for (int i = 0; i < ALL; i++) squares += (A[i] - mean) * (A[i] - mean);
        processes *all = processes_new(K);
        int T = ALL / K;
        memcpy(own, A + all->rank * T, (size_t)T * sizeof *own);
        ppo_parallel_normalise(all, T, own);
        for (int i = 0; i < ALL; i++) out[i] = i / T == all->rank ? K * own[i % T] : 0;
        processes_mean(all, ALL, out);
        processes_end(all);
        for (int i = 0; i < ALL; i++) {
            double want = (double)((A[i] - mean) / (sqrtl(squares / (ALL - 1)) + 1e-8));
            if (!(fabs(out[i] - want) <= 1e-12)) fail_msg("K = %d: %.17g, expected %.17g", K, out[i], want);
        }
    }
    gsl_rng_free(rng);
}

/* ---- whole runs ---- */

static const struct { const char *env; int limit; ppo_clip_config c; } runs[] = {
    { "CartPole-v1", 30, { .workers = 2, .n_steps = 16, .epochs = 3, .minibatch = 8,
                           .normalise = PPO_NORMALISE_MINIBATCH, .clip_norm = 0.5, .joint = 1, .c2 = 0.01 } },
    { "CartPole-v1", 30, { .workers = 1, .n_steps = 24, .epochs = 2, .minibatch = 7, .normalise = PPO_NORMALISE_BATCH,
                           .target_kl = 5e-5, .eps_V = 0.2, .anneal_steps = 3000, .anneal_eps = 1 } },
    { "Pendulum-v1", 25, { .workers = 2, .n_steps = 12, .epochs = 4, .minibatch = 24, .objective = PPO_G,
                           .normalise = PPO_NORMALISE_OFF, .clip_norm = 1, .joint = 0, .target_kl = 2e-5 } },
};
enum { RUNS = sizeof runs / sizeof *runs, UPDATES = 6 };

static ppo_clip_config completed(ppo_clip_config c)
{
    c.eps = 0.2, c.gamma = 0.97, c.lambda = 0.9, c.c1 = 0.5, c.lr = 3e-3, c.lr_V = 2e-3, c.adam_eps = 1e-5;
    c.hidden = (widths){ 1, { 6 } };
    c.activation = AD_TANH;
    return c;
}

static run *parallel(env *e, long K, const ppo_clip_config *c)
{
    ppo_parallel_config own = { .processes = K, .ppo = *c };
    run *r = run_new("ppo_parallel", e, 4, UPDATES * K * c->workers * c->n_steps);
    ppo_parallel(r, &own);
    return r;
}

/* One process that plays K: all actors, and in each step the K minibatches joined, each by its own stream */
static void by_one_process(env *e, int K, const ppo_clip_config *c, double *x, run **r_at)
{
    run *r = run_new("one", e, 4, 1000000);
    int T = (int)(c->workers * c->n_steps), M = (int)c->minibatch, T_all = K * T;
    const policy p = ppo_clip_policy(e, c);
    const network f = critic_V(&p);
    int n = p.n, nV = network_n(&f), order[4][MOST], which[MOST];
    double *phi = x + n, g[MOST], V_end[MOST], m[2 * MOST] = { 0 };
    gsl_rng *stream[4];
    adam step = adam_of((size_t)n, 0, m), step_V = adam_of((size_t)nV, 0, m + 2 * n);
    step.eps = step_V.eps = c->adam_eps;
    run_workers(r, K * (int)c->workers);
    samples *D = samples_new(&p, T_all), *b = samples_new(&p, T_all);
    actor *pi = actor_new(&p, x);
    rollout *seen = rollout_new(e);
    ad_tape *t = ad_tape_new();
    policy_init(&p, r->init_rng, x);
    network_init_orthogonal(&f, sqrt(2), 1, r->init_rng, phi);
    for (int i = 0; i < K; i++) stream[i] = random_stream(4, (uint32_t)i, RANDOM_UPDATE);
    for (int u = 0; u < UPDATES; u++) {
        double left = c->anneal_steps ? 1 - (double)(u * T_all) / (double)c->anneal_steps : 1;
        ppo_clip_config now = *c;
        if (c->anneal_eps) now.eps *= left, now.eps_V *= left;
        rollout_clear(seen);
        for (int i = 0; i < r->workers; i++) {
            seen->worker = i;
            rollout_steps(seen, seen->T + (int)c->n_steps, r->worker[i].env, r->worker[i].env_rng, pi,
                          r->worker[i].policy_rng);
        }
        samples_old(D, t, &p, x, seen);
        critic_bootstrap(t, &f, phi, seen, D->V_old, V_end);
        for (int i = 0; i < seen->segments; i++) {
            int at = seen->segment[i].first;
            gae_advantages(seen->segment[i].T, seen->r + at, D->V_old + at, V_end[i], c->gamma, c->lambda, D->A + at);
        }
        for (int k = 0; k < T_all; k++) D->R[k] = D->A[k] + D->V_old[k];
        if (c->normalise == PPO_NORMALISE_BATCH) advantages_normalise(T_all, D->A);
        for (long epoch = 0; epoch < c->epochs; epoch++) {
            for (int i = 0; i < K; i++) samples_shuffle(stream[i], T, order[i]);
            for (int at = 0; at < T; at += M) {
                int size = 0;
                for (int i = 0; i < K; i++)
                    for (int k = at; k < at + M && k < T; k++) which[size++] = i * T + order[i][k];
                samples_gather(b, D, which, size);
                if (c->normalise == PPO_NORMALISE_MINIBATCH) advantages_normalise(size, b->A);
                ppo_gradient(t, &now, &p, &f, x, phi, b, g);
                if (c->clip_norm > 0 && c->joint) clip_global_norm(n + nV, g, c->clip_norm);
                if (c->clip_norm > 0 && !c->joint) {
                    clip_global_norm(n, g, c->clip_norm);
                    clip_global_norm(nV, g + n, c->clip_norm);
                }
                step.lr = left * c->lr;
                step_V.lr = left * c->lr_V;
                adam_ascend(&step, x, g);
                adam_ascend(&step_V, phi, g + n);
            }
            if (c->target_kl > 0 && ppo_measure(t, &now, &p, x, D).kl_exact > 1.5 * c->target_kl) break;
        }
    }
    for (int i = 0; i < K; i++) gsl_rng_free(stream[i]);
    ad_tape_free(t);
    actor_free(pi);
    rollout_free(seen);
    samples_free(D), samples_free(b);
    *r_at = r;
}

/* Rounding grows with the steps, up to 60 of them: 1e-12 is 100 u each. A wrong K, order, mean, stream or
 * decision shows in the first digits. */
static void against_one_process(void **state)
{
    (void)state;
    for (int k = 0; k < RUNS; k++)
        for (int K = 1; K <= 4; K++) {
            const ppo_clip_config c = completed(runs[k].c);
            env *e = make(runs[k].env, runs[k].limit), *e1 = make(runs[k].env, runs[k].limit);
            double want[MOST] = { 0 };
            run *one;
            by_one_process(e1, K, &c, want, &one);
            run *r = parallel(e, K, &c);
            double off = distance(ppo_clip_policy(e, &c).n, r->theta, want);
            if (!(off <= 1e-12)) fail_msg("run %d, K = %d: theta off by %.3g", k, K, off);
            assert_int_equal(r->steps, UPDATES * K * c.workers * c.n_steps);
            for (int i = 0; i < r->workers; i++)
                assert_int_equal(random_position(r->worker[i].policy_rng),
                                 random_position(one->worker[i].policy_rng));
            run_free(r), run_free(one);
            env_free(e), env_free(e1);
        }
}

/* One process is ppo_clip, to the bit. */
static void one_process_is_ppo(void **state)
{
    (void)state;
    for (int k = 0; k < RUNS; k++) {
        const ppo_clip_config c = completed(runs[k].c);
        env *e = make(runs[k].env, runs[k].limit), *e1 = make(runs[k].env, runs[k].limit);
        run *r = parallel(e, 1, &c), *r1 = run_new("ppo_clip", e1, 4, UPDATES * c.workers * c.n_steps);
        ppo_clip(r1, &c);
        assert_int_equal(r->steps, r1->steps);
        assert_int_equal(r->episodes, r1->episodes);
        assert_memory_equal(r->theta, r1->theta, (size_t)ppo_clip_policy(e, &c).n * sizeof *r->theta);
        run_free(r), run_free(r1);
        env_free(e), env_free(e1);
    }
}

/* The same bits each time, and K whole batches are one: the worker count changes nothing but rounding. */
static void whole_batches(void **state)
{
    (void)state;
    ppo_clip_config c = completed(runs[0].c);
    env *e = make("CartPole-v1", 30);
    int n = ppo_clip_policy(e, &c).n;
    double theta[3][MOST];
    for (int k = 0; k < 3; k++) {
        static const int K[3] = { 1, 2, 4 };
        env *own = make("CartPole-v1", 30), *again = make("CartPole-v1", 30);
        c.workers = 4 / K[k];
        c.minibatch = c.workers * c.n_steps;
        run *r = parallel(own, K[k], &c), *same = parallel(again, K[k], &c);
        assert_memory_equal(r->theta, same->theta, (size_t)n * sizeof *r->theta);
        memcpy(theta[k], r->theta, (size_t)n * sizeof *r->theta);
        run_free(r), run_free(same);
        env_free(own), env_free(again);
    }
    assert_true(distance(n, theta[1], theta[0]) <= 1e-12);
    assert_true(distance(n, theta[2], theta[0]) <= 1e-12);
    env_free(e);
}

/* The settings of each process are ppo_clip's: rows, bounds, choices, texts, defaults but for two */
static void settings(void **state)
{
    (void)state;
    const size_t ppo = offsetof(ppo_parallel_config, ppo);
    const config_field *f = ppo_parallel_fields, *f1 = ppo_clip_fields;
    assert_string_equal(f++->name, "processes");
    for (; f1->name; f++, f1++) {
        assert_non_null(f->name);
        assert_string_equal(f->name, f1->name);
        assert_string_equal(f->about, f1->about);
        assert_true(f->at == ppo + f1->at && f->kind == f1->kind && f->low == f1->low && f->high == f1->high);
        assert_true(!f->choices == !f1->choices);
        for (int i = 0; f->choices && (i == 0 || f->choices[i - 1]); i++) {
            assert_true(!f->choices[i] == !f1->choices[i]);
            if (f->choices[i]) assert_string_equal(f->choices[i], f1->choices[i]);
        }
    }
    assert_null(f->name);
    ppo_clip_config c = ppo_parallel_defaults.ppo;
    assert_int_equal(ppo_parallel_defaults.processes * c.workers, ppo_clip_defaults.workers);
    assert_int_equal(ppo_parallel_defaults.processes * c.minibatch, ppo_clip_defaults.minibatch);
    c.workers = ppo_clip_defaults.workers, c.minibatch = ppo_clip_defaults.minibatch;
    for (f1 = ppo_clip_fields; f1->name; f1++) {
        const char *x = (const char *)&c + f1->at, *y = (const char *)&ppo_clip_defaults + f1->at;
        if (f1->kind == CONFIG_REAL)       assert_true(*(const double *)x == *(const double *)y);
        else if (f1->kind == CONFIG_WHOLE) assert_true(*(const long *)x == *(const long *)y);
        else if (f1->kind == CONFIG_CHOICE) assert_true(*(const int *)x == *(const int *)y);
        else assert_memory_equal(x, y, sizeof(widths));
    }
}

static void check(int which)
{
    ppo_parallel_config c = ppo_parallel_defaults;
    c.processes = which == 2 ? 2 : 1;
    c.ppo.minibatch = which == 0 ? 129 : 1;
    ppo_parallel_check(&c);
}

static void refused(void **state)
{
    (void)state;
    struct ending end = run_child(check, 0);
    assert_true(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 2);
    assert_non_null(strstr(end.err, "expected minibatch of at most workers * n_steps = 128, found 129"));
    end = run_child(check, 1);
    assert_true(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 2);
    assert_non_null(strstr(end.err, "expected normalise=off where a minibatch is of one sample"));
    end = run_child(check, 2);                          /* two samples in all */
    assert_true(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 99);
}

/* ---- what progress.csv shows ---- */

enum { KL_EXACT, CLIP_FRACTION, EPOCHS, ENTROPY, L_OF_ALL, SHOWN };
static const char *const shown_as[SHOWN] = { "kl_exact", "clip_fraction", "epochs", "entropy", "L" };

/* The last row of so many updates */
static void last_shown(long K, const ppo_clip_config *c, long updates, double x[SHOWN])
{
    char folder[100], path[200], command[200], head[2000], line[2000], row[2000] = "";
    strcpy(folder, "/tmp/test_ppo_parallel.XXXXXX");
    assert_non_null(mkdtemp(folder));
    env *e = make("CartPole-v1", 30);
    ppo_parallel_config own = { .processes = K, .ppo = *c };
    run *r = run_new("ppo_parallel", e, 4, updates * K * c->workers * c->n_steps);
    run_in_folder(r, folder, "{}", "ppo_parallel", (run_manner){ .save_every = 1e9, .quiet = true });
    ppo_parallel(r, &own);
    run_free(r);
    env_free(e);
    sprintf(path, "%s/progress.csv", folder);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(head, sizeof head, f));
    while (fgets(line, sizeof line, f)) strcpy(row, line);
    fclose(f);
    for (int i = 0; i < SHOWN; i++) {
        const char *at = row, *name = head;
        size_t n = strlen(shown_as[i]);
        while (strncmp(name, shown_as[i], n) != 0 || !strchr(",\n", name[n]))
            name = strchr(name, ',') + 1, at = strchr(at, ',') + 1;
        x[i] = strtod(at, NULL);
    }
    sprintf(command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

/* What is shown is of the samples of all processes: of whole batches as many actors in one process show the same. */
static void shows_all_samples(void **state)
{
    (void)state;
    double one[SHOWN], x[SHOWN];
    for (int K = 1; K <= 4; K *= 2) {
        ppo_clip_config c = completed(runs[0].c);
        c.workers = 4 / K, c.minibatch = c.workers * c.n_steps, c.lr = 0.03, c.epochs = 8;
        last_shown(K, &c, 2, K == 1 ? one : x);
        for (int i = 0; i < SHOWN && K > 1; i++)
            if (!(fabs(x[i] - one[i]) <= 1e-9 * fabs(one[i])))
                fail_msg("%s with K = %d: %.17g, expected %.17g", shown_as[i], K, x[i], one[i]);
    }
    for (int i = 0; i < SHOWN; i++) assert_true(one[i] > 0);
}

/* L_CPI trains without a clip range: annealed, eps is 1 - 64/256 of itself in the second update. */
static void shows_the_annealed_range(void **state)
{
    (void)state;
    int narrower = 0;
    for (int k = 0; k < 8; k++) {
        double outside[3], eps = ldexp(1, -k);
        for (int i = 0; i < 3; i++) {                   /* annealed; what it ends with; what it begins with */
            ppo_clip_config c = completed(runs[0].c);
            double x[SHOWN];
            c.objective = PPO_CPI, c.anneal_steps = 256, c.anneal_eps = i == 0, c.eps = i == 1 ? 0.75 * eps : eps;
            last_shown(2, &c, 2, x);
            outside[i] = x[CLIP_FRACTION];
        }
        assert_true(outside[0] == outside[1]);
        narrower += outside[0] > outside[2];
    }
    assert_true(narrower >= 2);
}

/* PPO-11   The KL is that of all samples, whatever the last minibatches were: of k epochs the k-th is the first after
 * which it is beyond 1.5 target_kl. */
static void stops_by_all_samples(void **state)
{
    (void)state;
    int between = 0;
    for (int k = 0; k < 12; k++) {
        ppo_clip_config c = completed(runs[0].c), fixed;
        double x[3][SHOWN] = { { 0 } };
        c.workers = 1, c.minibatch = 4, c.epochs = 12, c.target_kl = 5e-4 * (k + 1);
        for (int i = 0; i < 3; i++) {                   /* stopped; as many epochs; one less */
            fixed = c;
            if (i > 0) fixed.target_kl = 0, fixed.epochs = (long)x[0][EPOCHS] + 1 - i;
            if (fixed.epochs > 0) last_shown(2, &fixed, 1, x[i]);
        }
        assert_true(x[0][KL_EXACT] == x[1][KL_EXACT]);
        assert_true(x[0][EPOCHS] == c.epochs || x[0][KL_EXACT] > 1.5 * c.target_kl);
        assert_true(x[2][KL_EXACT] <= 1.5 * c.target_kl);
        between += x[0][EPOCHS] > 1 && x[0][EPOCHS] < c.epochs;
    }
    assert_true(between >= 6);
}

/* A rest of one sample in one process, and annealed ranges without an annealing */
static void check_others(int which)
{
    ppo_parallel_config c = ppo_parallel_defaults;
    c.processes = which == 1 ? 2 : 1;
    if (which < 2) c.ppo.minibatch = 127;
    else           c.ppo.anneal_eps = 1, c.ppo.anneal_steps = which == 2 ? 0 : 100;
    ppo_parallel_check(&c);
}

static void others_refused(void **state)
{
    (void)state;
    static const char *const says[] = { "one sample", NULL, "anneal_steps", NULL };
    for (int k = 0; k < 4; k++) {
        struct ending end = run_child(check_others, k);
        assert_true(WIFEXITED(end.status) && WEXITSTATUS(end.status) == (says[k] ? 2 : 99));
        if (says[k]) assert_non_null(strstr(end.err, says[k]));
    }
}

/* V's clip range falls, too: where it decides, one process is still ppo_clip, to the bit. */
static void narrow_range_of_V(void **state)
{
    (void)state;
    ppo_clip_config c = completed(runs[1].c);
    c.eps_V = 1e-3, c.target_kl = 0, c.anneal_steps = 200;
    env *e = make("CartPole-v1", 30), *e1 = make("CartPole-v1", 30);
    run *r = parallel(e, 1, &c), *r1 = run_new("ppo_clip", e1, 4, UPDATES * c.workers * c.n_steps);
    ppo_clip(r1, &c);
    assert_memory_equal(r->theta, r1->theta, (size_t)ppo_clip_policy(e, &c).n * sizeof *r->theta);
    run_free(r), run_free(r1);
    env_free(e), env_free(e1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients), cmocka_unit_test(normalised), cmocka_unit_test(against_one_process),
        cmocka_unit_test(one_process_is_ppo), cmocka_unit_test(whole_batches),
        cmocka_unit_test(settings), cmocka_unit_test(refused),
        cmocka_unit_test(shows_all_samples), cmocka_unit_test(shows_the_annealed_range),
        cmocka_unit_test(stops_by_all_samples), cmocka_unit_test(others_refused),
        cmocka_unit_test(narrow_range_of_V),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
