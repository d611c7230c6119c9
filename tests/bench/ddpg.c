/* DDPG's and TD3's training loops at Spinning Up's settings, whole, beside their matrix products alone: of an update,
 * of [100 x 256][256 x 256] and its transposes DDPG has 10, TD3 9 and, every second time, 5 more. peer_ddpg.py: the
 * same networks and batches in PyTorch, 50 updates after every 50 steps. */
#include <stdio.h>
#include <stdlib.h>

#include "algorithms/ddpg.h"
#include "algorithms/td3.h"
#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "tests/bench/bench.h"

enum { T = 100, STEPS = 300, FIRST = 100,           /* an update at each step after the first 100 */
       WIDTH = 256, LAYERS = 3, D = 3, K = 1,       /* Pendulum-v1: s [3], a [1] */
       MATRIX = WIDTH * WIDTH, MOST = T * WIDTH };

enum { MU, MU_TARG, Q_A, Q_B, Q_A_TARG, Q_B_TARG, NETWORKS };

/* The others, gamma, rho, step sizes, noise, TD3's c and delay, are Spinning Up's by default. */
static const char *const settings[] = { "batch=100", "hidden=256,256", "start_steps=100", NULL };

typedef struct {
    env *e;
    ddpg_config ddpg;
    td3_config td3;
    int twins, delay;                       /* of the products: 1, 1 for DDPG */
    double *W, *g;                          /* [NETWORKS x LAYERS x MATRIX] weights, and where gradients go */
    double *h, *z, *y;                      /* [LAYERS x MOST] inputs, adjoints, and where products go */
} loop;

static void training_ddpg(void *job)
{
    const loop *l = job;
    run *r = run_new("ddpg", l->e, 1, STEPS);
    ddpg(r, &l->ddpg);
    run_free(r);
}

static void training_td3(void *job)
{
    const loop *l = job;
    run *r = run_new("td3", l->e, 1, STEPS);
    td3(r, &l->td3);
    run_free(r);
}

/* Of a network inputs-256-256-1 and n rows: h W. Weights are each network's own, as they come from memory. */
static void forward(const loop *l, int which, int n, int inputs)
{
    const int size[LAYERS + 1] = { inputs, WIDTH, WIDTH, 1 };
    const double *W = l->W + which * LAYERS * MATRIX;
    for (int i = 0; i < LAYERS; i++)
        linalg_matmul(false, false, n, size[i + 1], size[i], l->h + i * MOST, W + i * MATRIX, l->y + i * MOST);
}

/* Its weights' gradient, h^T dz, and the adjoints dz W^T of what each layer takes: of the network's input only where
 * the gradient goes on from there, to mu */
static void backward(const loop *l, int which, int inputs, bool to_weights, bool to_input)
{
    const int size[LAYERS + 1] = { inputs, WIDTH, WIDTH, 1 };
    const double *W = l->W + which * LAYERS * MATRIX;
    double *g = l->g + which * LAYERS * MATRIX;
    for (int i = LAYERS - 1; i >= 0; i--) {
        const double *h = l->h + i * MOST, *z = l->z + i * MOST;
        if (to_weights) linalg_matmul(true, false, size[i], size[i + 1], T, h, z, g + i * MATRIX);
        if (i > 0 || to_input)
            linalg_matmul(false, true, T, size[i], size[i + 1], z, W + i * MATRIX, l->y + i * MOST);
    }
}

static void products(void *job)
{
    const loop *l = job;
    for (int t = 0; t < STEPS; t++) forward(l, MU, 1, D);                   /* acting */
    for (int t = 1; t <= STEPS - FIRST; t++) {
        forward(l, MU_TARG, T, D);                                          /* mu_targ(s') */
        for (int i = 0; i < l->twins; i++) forward(l, Q_A_TARG + i, T, D + K);      /* Q_targ(s', a') */
        for (int i = 0; i < l->twins; i++) {
            forward(l, Q_A + i, T, D + K);                                  /* Q(s, a) */
            backward(l, Q_A + i, D + K, true, false);
        }
        if (t % l->delay) continue;
        forward(l, MU, T, D);                                               /* mu(s) */
        forward(l, Q_A, T, D + K);                                          /* Q(s, mu(s)) */
        backward(l, Q_A, D + K, false, true);                               /* grad_a Q */
        backward(l, MU, D, true, false);
    }
}

static void row(loop *l, const char *name, void (*training)(void *))
{
    double us = bench_row(name, "<= 1.18 products: .85 of their steps/s", l, 2,
                          (bench_contestant[]){ { "training", training }, { "products", products } });
    printf("%-42s  %.0f steps/s\n", "", (STEPS - FIRST) / us * 1e6);
    fflush(stdout);
}

void bench_ddpg(void)
{
    char error[256];
    loop l = { .e = env_make("Pendulum-v1", ENV_OWN_LIMIT, error, sizeof error), ddpg_defaults, td3_defaults, 1, 1 };
    require(l.e, "%s", error);
    for (const char *const *s = settings; *s; s++) {
        config_set(ddpg_fields, &l.ddpg, "ddpg", *s);
        config_set(td3_fields, &l.td3, "td3", *s);
    }
    l.W = bench_numbers(NETWORKS * LAYERS * MATRIX, 0.1), l.g = bench_numbers(NETWORKS * LAYERS * MATRIX, 1);
    l.h = bench_numbers(LAYERS * MOST, 1), l.z = bench_numbers(LAYERS * MOST, 0.1);
    l.y = bench_numbers(LAYERS * MOST, 1);
    row(&l, "DDPG on Pendulum-v1, 256x256, batch 100", training_ddpg);
    l.twins = 2, l.delay = (int)l.td3.delay;
    row(&l, "TD3, the same", training_td3);
    free(l.W), free(l.g), free(l.h), free(l.z), free(l.y);
    env_free(l.e);
}
