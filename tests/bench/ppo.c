/* PPO's training loop at CleanRL's hyperparameters, whole, beside its matrix products alone; and how long it trains
 * until CartPole-v1 is solved. peer_ppo.py is the same in PyTorch. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "algorithms/ppo_clip.h"
#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "tests/bench/bench.h"

enum { UPDATES = 8, LAYERS = 3, WIDEST = 64 };

typedef struct {
    ppo_clip_config c;
    env *e;
    double *W, *h, *z, *y;                  /* of any layer: factors, and where products go */
} loop;

static void set(ppo_clip_config *c, const char *const *settings)
{
    for (; *settings; settings++) config_set(ppo_clip_fields, c, "ppo_clip", *settings);
}

static const char *const cleanrl[] = { "workers=4", "n_steps=128", "minibatch=128", "epochs=4", "lr=2.5e-4",
                                       "lr_V=2.5e-4", "anneal_steps=500000", "c1=0.25", "c2=0.01", "eps_V=0.2",
                                       "gamma=0.99", "lambda=0.95", "eps=0.2", NULL };

static long batch(const ppo_clip_config *c) { return c->workers * c->n_steps; }

static void training(void *job)
{
    const loop *l = job;
    run *r = run_new("ppo_clip", l->e, 1, UPDATES * batch(&l->c));
    ppo_clip(r, &l->c);
    run_free(r);
}

/* Of a network 4-64-64-outputs and a batch of T: h W forward; h^T dz and dz W^T back */
static void products_of(const loop *l, int T, int outputs, bool back)
{
    const int size[LAYERS + 1] = { 4, WIDEST, WIDEST, outputs };
    for (int i = 0; i < LAYERS; i++) linalg_matmul(false, false, T, size[i + 1], size[i], l->h, l->W, l->y);
    for (int i = LAYERS - 1; back && i >= 0; i--) {
        linalg_matmul(true, false, size[i], size[i + 1], T, l->h, l->z, l->y);
        if (i > 0) linalg_matmul(false, true, T, size[i], size[i + 1], l->z, l->W, l->y);
    }
}

static void products(void *job)
{
    const loop *l = job;
    const ppo_clip_config *c = &l->c;
    int NT = (int)batch(c), M = (int)c->minibatch;
    for (int u = 0; u < UPDATES; u++) {
        for (int t = 0; t < NT; t++) products_of(l, 1, 2, false);       /* acting */
        products_of(l, NT, 2, false);                                   /* pi_old, */
        products_of(l, NT, 1, false);                                   /* V, */
        products_of(l, NT, 2, false);                                   /* and the KL's pi, of the batch */
        for (long k = 0; k < c->epochs; k++)
            for (int i = 0; i < NT; i += M) {
                products_of(l, M, 2, true);
                products_of(l, M, 1, true);
            }
    }
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Until the mean return of 100 episodes is 475; CartPole-v1 */
static void until_solved(loop *l, const char *name, const char *const *settings)
{
    enum { SEEDS = 10 };
    double seconds[SEEDS];
    l->c = ppo_clip_defaults;
    set(&l->c, settings);
    int solved = 0;
    for (int i = 0; i < SEEDS; i++) {
        struct timespec from, to;
        run *r = run_new("ppo_clip", l->e, (uint64_t)i + 1, 500000);
        r->until = 475;
        clock_gettime(CLOCK_MONOTONIC, &from);
        ppo_clip(r, &l->c);
        clock_gettime(CLOCK_MONOTONIC, &to);
        seconds[i] = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) * 1e-9;
        solved += r->return_mean >= 475;
        run_free(r);
    }
    qsort(seconds, SEEDS, sizeof *seconds, ascending);
    printf("%-42s  median %.2f s, worst %.2f s; %d of %d seeds   goal: median <= 2 s\n", name,
           (seconds[SEEDS / 2 - 1] + seconds[SEEDS / 2]) / 2, seconds[SEEDS - 1], solved, SEEDS);
    fflush(stdout);
}

void bench_ppo(void)
{
    char error[256];
    loop l = { .c = ppo_clip_defaults, .e = env_make("CartPole-v1", ENV_OWN_LIMIT, error, sizeof error) };
    require(l.e, "%s", error);
    set(&l.c, cleanrl);
    size_t most = (size_t)batch(&l.c) * WIDEST;
    l.W = bench_numbers(WIDEST * WIDEST, 0.1);
    l.h = bench_numbers(most, 1);
    l.z = bench_numbers(most, 0.1);
    l.y = bench_numbers(most, 1);
    double us = bench_row("PPO on CartPole-v1, 4096 steps", "14 times CleanRL's steps/s", &l, 2,
                          (bench_contestant[]){ { "training", training }, { "products", products } });
    printf("%-42s  %.0f steps/s\n", "", UPDATES * (double)batch(&l.c) / us * 1e6);
    until_solved(&l, "the same, to a mean return of 475", cleanrl);
    until_solved(&l, "by ppo_clip's defaults", (const char *const[]){ NULL });
    free(l.W), free(l.h), free(l.z), free(l.y);
    env_free(l.e);
}
