/* A network's step, Fisher-vector product and action: on the tape, by hand, and its products alone. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/policy.h"
#include "autodiff/ad.h"
#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "autodiff/vector_math.h"
#include "tests/bench/bench.h"

enum { LAYERS = 3 };

typedef struct {
    int size[LAYERS + 1], T, n;             /* widths, batch, parameters */
    enum ad_activation f;
    bool adam;
    double *theta, *g, *m, *v, *x, *target; /* [n] x 4, [T x in], [T x out] */
    double *h[LAYERS], *dz[LAYERS];         /* by hand: activations and their adjoints [T x size[l+1]] */
    double *direction;                      /* [n] */
    int t;                                  /* Adam's count */
    ad_tape *tape;                          /* recorded anew each time */
    ad_tape *kept;                          /* replayed */
    ad_plan plan;
    ad out;
} job;

static job *job_new(int in, int hidden, int out, int T, enum ad_activation f, bool adam)
{
    job *j = allocate(1, sizeof *j, "a job");
    *j = (job){ .size = { in, hidden, hidden, out }, .T = T, .f = f, .adam = adam };
    for (int l = 0; l < LAYERS; l++) j->n += (j->size[l] + 1) * j->size[l + 1];
    size_t n = (size_t)j->n, rows = (size_t)T;
    j->theta = bench_numbers(n, 0.1);
    j->g = bench_numbers(n, 1);
    j->m = allocate(n, sizeof *j->m, "moments");
    j->v = allocate(n, sizeof *j->v, "moments");
    j->direction = bench_numbers(n, 1);
    j->x = bench_numbers(rows * (size_t)in, 1);
    j->target = bench_numbers(rows * (size_t)out, 1);
    for (int l = 0; l < LAYERS; l++) {
        j->h[l] = bench_numbers(rows * (size_t)j->size[l + 1], 0.5);
        j->dz[l] = bench_numbers(rows * (size_t)j->size[l + 1], 0.5);
    }
    j->tape = ad_tape_new();
    j->kept = ad_tape_new();
    return j;
}

static void job_free(job *j)
{
    free(j->theta), free(j->g), free(j->m), free(j->v), free(j->direction), free(j->x), free(j->target);
    for (int l = 0; l < LAYERS; l++) free(j->h[l]), free(j->dz[l]);
    ad_tape_free(j->tape);
    ad_tape_free(j->kept);
    free(j);
}

static void adam(job *j, const double *g)
{
    double b1 = 0.9, b2 = 0.999;
    j->t++;
    double lr = 1e-9 * sqrt(1 - pow(b2, j->t)) / (1 - pow(b1, j->t));       /* so small that theta stays */
    for (int i = 0; i < j->n; i++) {
        j->m[i] = b1 * j->m[i] + (1 - b1) * g[i];
        j->v[i] = b2 * j->v[i] + (1 - b2) * g[i] * g[i];
        j->theta[i] -= lr * j->m[i] / (sqrt(j->v[i]) + 1e-8);
    }
}

/* ---- on the tape ---- */
static ad forward(const job *j, ad theta, ad x)
{
    int offset = 0;
    for (int l = 0; l < LAYERS; l++) {
        int k = j->size[l], n = j->size[l + 1];
        ad W = ad_view(theta, offset, k, n), b = ad_view(theta, offset + k * n, 1, n);
        x = ad_dense(x, W, b, l < LAYERS - 1 ? j->f : AD_LINEAR);
        offset += (k + 1) * n;
    }
    return x;
}

static ad record_step(const job *j, ad_tape *t, ad *theta)
{
    *theta = ad_input(t, j->theta, j->n, 1);
    ad x = ad_input(t, j->x, j->T, j->size[0]), target = ad_input(t, j->target, j->T, j->size[LAYERS]);
    return ad_grad(ad_mean(ad_square(ad_sub(forward(j, *theta, x), target))), *theta);
}

static void recorded(void *p)
{
    job *j = p;
    ad_mark start = ad_here(j->tape);
    ad theta, g = record_step(j, j->tape, &theta);
    if (j->adam) adam(j, ad_value(g));
    ad_reset(j->tape, start);
}

static void replayed(void *p)
{
    job *j = p;
    ad_run(&j->plan);
    if (j->adam) adam(j, ad_value(j->out));
}

/* ---- by hand ---- */
static void hand_forward(job *j)
{
    const double *x = j->x, *theta = j->theta;
    for (int l = 0; l < LAYERS; l++) {
        int k = j->size[l], n = j->size[l + 1];
        const double *W = theta, *b = theta + k * n;
        linalg_matmul(false, false, j->T, n, k, x, W, j->h[l]);
        for (int i = 0; i < j->T; i++) {
            double *z = j->h[l] + i * n;
            if (l == LAYERS - 1) for (int c = 0; c < n; c++) z[c] += b[c];
            else if (j->f == AD_RELU) for (int c = 0; c < n; c++) z[c] = z[c] + b[c] > 0 ? z[c] + b[c] : 0;
            else {
                VECTOR_LOOP
                for (int c = 0; c < n; c++) z[c] = tanh(z[c] + b[c]);
            }
        }
        x = j->h[l];
        theta += (k + 1) * n;
    }
}

static void hand_backward(job *j)
{
    int outputs = j->T * j->size[LAYERS], offset = j->n;
    for (int i = 0; i < outputs; i++)
        j->dz[LAYERS - 1][i] = 2.0 / outputs * (j->h[LAYERS - 1][i] - j->target[i]);
    for (int l = LAYERS - 1; l >= 0; l--) {
        int k = j->size[l], n = j->size[l + 1];
        offset -= (k + 1) * n;
        double *dz = j->dz[l], *db = j->g + offset + k * n;
        if (l < LAYERS - 1) {
            const double *h = j->h[l];
            if (j->f == AD_TANH) for (int i = 0; i < j->T * n; i++) dz[i] *= (1 - h[i]) * (1 + h[i]);
            else for (int i = 0; i < j->T * n; i++) dz[i] = h[i] > 0 ? dz[i] : 0;
        }
        linalg_matmul(true, false, k, n, j->T, l ? j->h[l - 1] : j->x, dz, j->g + offset);
        memcpy(db, dz, (size_t)n * sizeof *db);
        for (int i = 1; i < j->T; i++)
            for (int c = 0; c < n; c++) db[c] += dz[i * n + c];
        if (l) linalg_matmul(false, true, j->T, k, n, dz, j->theta + offset, j->dz[l - 1]);
    }
}

static void by_hand(void *p)
{
    job *j = p;
    hand_forward(j);
    hand_backward(j);
    if (j->adam) adam(j, j->g);
}

static void products(void *p)
{
    job *j = p;
    int offset = 0;
    for (int l = 0; l < LAYERS; l++) {
        int k = j->size[l], n = j->size[l + 1];
        const double *x = l ? j->h[l - 1] : j->x;
        linalg_matmul(false, false, j->T, n, k, x, j->theta + offset, j->h[l]);
        linalg_matmul(true, false, k, n, j->T, x, j->dz[l], j->g + offset);
        if (l) linalg_matmul(false, true, j->T, k, n, j->dz[l], j->theta + offset, j->dz[l - 1]);
        offset += (k + 1) * n;
    }
}

static void refill(job *j)                              /* products() overwrites activations with large numbers */
{
    for (int l = 0; l < LAYERS; l++)
        for (int i = 0; i < j->T * j->size[l + 1]; i++) j->h[l][i] = j->dz[l][i] = 0.1;
}

static void step_row(const char *name, const char *goal, int in, int hidden, int out, int T, enum ad_activation f,
                     bool with_adam)
{
    static const bench_contestant contestants[] = { { "replay", replayed }, { "recorded", recorded },
                                                    { "by hand", by_hand }, { "products", products } };
    job *j = job_new(in, hidden, out, T, f, with_adam);
    refill(j);
    ad theta;
    j->out = record_step(j, j->kept, &theta);
    j->plan = ad_slice(1, &theta, 1, &j->out);
    by_hand(j);
    for (int i = 0; i < j->n; i++)                      /* the contestants do the same */
        require(fabs(j->g[i] - ad_value(j->out)[i]) <= 1e-12, "gradient %d: %g by hand, %g on the tape", i, j->g[i],
                ad_value(j->out)[i]);
    bench_row(name, goal, j, 4, contestants);
    job_free(j);
}

/* ---- the Fisher-vector product of a categorical policy ---- */
static void fisher_products(void *p)                    /* of J v and J^T w: four of [T x 64][64 x 64] */
{
    job *j = p;
    int offset = 0;
    for (int l = 0; l < LAYERS; l++) {
        int k = j->size[l], n = j->size[l + 1];
        const double *x = l ? j->h[l - 1] : j->x;
        linalg_matmul(false, false, j->T, n, k, x, j->direction + offset, j->h[l]);
        if (l) linalg_matmul(false, false, j->T, n, k, x, j->theta + offset, j->h[l]);
        if (l) linalg_matmul(false, true, j->T, k, n, j->dz[l], j->theta + offset, j->dz[l - 1]);
        linalg_matmul(true, false, k, n, j->T, x, j->dz[l], j->g + offset);
        offset += (k + 1) * n;
    }
}

static ad fisher_by_kl(const job *j, ad theta, ad x, ad v)
{
    ad logpi = ad_log_softmax(forward(j, theta, x));                        /* [T x nA] */
    ad old = ad_detach(logpi);
    ad KL = ad_scale(1.0 / j->T, ad_dot(ad_exp(old), ad_sub(old, logpi)));
    return ad_grad(ad_dot(ad_grad(KL, theta), v), theta);
}

static ad fisher_by_jacobian(const job *j, ad theta, ad x, ad v)            /* J^T M (J v) */
{
    ad z = forward(j, theta, x), pi = ad_detach(ad_exp(ad_log_softmax(z))); /* [T x nA] */
    ad Jv = ad_jvp(z, theta, v), E = ad_row_sum(ad_mul(pi, Jv));            /* [T x nA], [T x 1] */
    ad MJv = ad_scale(1.0 / j->T, ad_mul(pi, ad_sub(Jv, ad_cols(E, ad_ncols(z)))));
    return ad_vjp(z, theta, MJv);
}

static void fisher_row(const char *name, const char *goal, ad (*build)(const job *, ad, ad, ad))
{
    static const bench_contestant contestants[] = { { "replay", replayed }, { "products", fisher_products } };
    job *j = job_new(4, 64, 2, 1000, AD_TANH, false);
    refill(j);
    ad theta = ad_input(j->kept, j->theta, j->n, 1), x = ad_input(j->kept, j->x, j->T, 4);
    ad v = ad_input(j->kept, j->direction, j->n, 1);
    j->out = build(j, theta, x, v);
    j->plan = ad_slice(1, &v, 1, &j->out);
    bench_row(name, goal, j, 2, contestants);
    job_free(j);
}

/* ---- acting: one observation, one action drawn, as an algorithm does it ---- */
struct acting { actor *pi; gsl_rng *rng; double s[4], a; };

static void act(void *p)
{
    struct acting *j = p;
    actor_draw(j->pi, j->rng, j->s, &j->a);
    j->s[0] = 0.1 + 0.1 * j->a;                         /* the action is used */
}

static void action_row(void)
{
    policy p = { .f = { 3, { 4, 64, 64, 2 }, AD_TANH }, .nA = 2, .d = 4, .k = 1 };
    p.n = network_n(&p.f);
    double *theta = bench_numbers((size_t)p.n, 0.1);
    struct acting j = { actor_new(&p, theta), random_stream(1, 0, RANDOM_TEST), { 0.1, 0.2, 0.3, 0.4 }, 0 };
    bench_row("4-64-64-2, batch 1, action", "<= 0.6", &j, 1, &(bench_contestant){ "replay", act });
    gsl_rng_free(j.rng);
    actor_free(j.pi);
    free(theta);
}

void bench_network(void)
{
    step_row("4-64-64-2, batch 1, gradient", "replay <= 1.5, recorded <= 2", 4, 64, 2, 1, AD_TANH, false);
    step_row("4-64-64-2, batch 64, step with Adam", "<= 1.05 by hand", 4, 64, 2, 64, AD_TANH, true);
    step_row("4-64-64-2, batch 1024, gradient", "<= 1.05 by hand", 4, 64, 2, 1024, AD_TANH, false);
    step_row("3-256-256-1 relu, batch 100, step with Adam", "<= 1.03 by hand", 3, 256, 1, 100, AD_RELU, true);
    fisher_row("Fisher-vector, batch 1000, J^T M (J v)", "<= 750 us, 1.15 products", fisher_by_jacobian);
    fisher_row("Fisher-vector, batch 1000, KL twice", "<= 1100 us", fisher_by_kl);
    action_row();
}
