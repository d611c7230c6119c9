/* Experience replay: see replay.h. */
#include "algorithms/replay.h"

#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"

static size_t width(int d, int k) { return (size_t)(2 * d + k + 2); }

replay *replay_new(const env *e, long capacity)
{
    replay *D = allocate(1, sizeof *D, "a replay buffer");
    *D = (replay){ .d = e->observation.dim, .k = e->action.dim, .capacity = capacity };
    D->n = (size_t)capacity * width(D->d, D->k);
    D->x = allocate(D->n, sizeof *D->x, "a replay buffer");
    return D;
}

void replay_free(replay *D)
{
    if (!D) return;
    free(D->x);
    free(D);
}

long replay_size(const replay *D) { return D->count < D->capacity ? D->count : D->capacity; }

/*[snip replay later]*/
/* DDPG-20   (s, a, r, s', d) to the end of D, over the oldest where it is full */
void replay_store(replay *D, const double *s, const double *a, double r, const double *s1, bool terminated)
{
    /* BEGIN SOLUTION DDPG-20 */
    size_t d = (size_t)D->d, k = (size_t)D->k;
    double *x = D->x + (size_t)(D->count++ % D->capacity) * width(D->d, D->k);
    memcpy(x, s, d * sizeof *x);
    memcpy(x + d, a, k * sizeof *x);
    x[d + k] = r;
    memcpy(x + d + k + 1, s1, d * sizeof *x);
    x[2 * d + k + 1] = terminated;
    /* END SOLUTION */
}

/* DDPG-20   B.T transitions of D, each uniformly */
void replay_sample(const replay *D, gsl_rng *rng, minibatch *B)
{
    /* BEGIN SOLUTION DDPG-20 */
    size_t d = (size_t)D->d, k = (size_t)D->k;
    require(D->count > 0, "a sample of an empty replay buffer");
    for (size_t i = 0; i < (size_t)B->T; i++) {
        const double *x = D->x + gsl_rng_uniform_int(rng, (unsigned long)replay_size(D)) * width(D->d, D->k);
        memcpy(B->s + i * d, x, d * sizeof *x);
        memcpy(B->a + i * k, x + d, k * sizeof *x);
        memcpy(B->s1 + i * d, x + d + k + 1, d * sizeof *x);
        B->r[i] = x[d + k];
        B->done[i] = x[2 * d + k + 1];
        if (B->index) B->index[i] = (int)*(x + d);
    }
    /* END SOLUTION */
}
/*[/snip]*/

minibatch *minibatch_new(const env *e, int T)
{
    size_t n = (size_t)T, d = (size_t)e->observation.dim, k = (size_t)e->action.dim;
    minibatch *B = allocate(1, sizeof *B, "a minibatch");
    *B = (minibatch){ .T = T, .d = (int)d, .k = (int)k,
                        .s = allocate(n * width((int)d, (int)k), sizeof *B->s, "a minibatch") };
    B->s1 = B->s + n * d;
    B->a = B->s1 + n * d;
    B->r = B->a + n * k;
    B->done = B->r + n;
    if (e->action.n) B->index = allocate(n, sizeof *B->index, "a minibatch");
    return B;
}

void minibatch_free(minibatch *B)
{
    if (!B) return;
    free(B->index);
    free(B->s);
    free(B);
}
