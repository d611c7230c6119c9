/* Any bytes as a regulator's file, and as a gain of a regulator of two states and one action. */
#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "derivations/lqr_exact.h"
#include "tests/fuzz/check.h"

struct matrix { const char *name; int rows, cols; const double *x; };
enum { MATRICES = 7 };

static void matrices_of(const lqr_system *L, struct matrix to[MATRICES])
{
    const struct matrix all[MATRICES] = {
        { "A", L->n, L->n, L->A }, { "B", L->n, L->m, L->B }, { "Q", L->n, L->n, L->Q }, { "R", L->m, L->m, L->R },
        { "W", L->n, L->n, L->W }, { "Sigma0", L->n, L->n, L->Sigma0 }, { "mean", 1, L->n, L->mean } };
    memcpy(to, all, sizeof all);
}

/* What is written of the system reads back bit by bit the same. */
static void check_written(const lqr_system *L)
{
    char *text = NULL, error[512] = "";
    size_t length;
    struct matrix x[MATRICES], y[MATRICES];
    FILE *f = open_memstream(&text, &length);
    require(f != NULL, "memory");
    fprintf(f, "discount: %.17g\n", L->gamma);
    matrices_of(L, x);
    for (int i = 0; i < MATRICES; i++) {
        fprintf(f, "%s:\n", x[i].name);
        for (int k = 0; k < x[i].rows * x[i].cols; k++)
            fprintf(f, "%.17g%s", x[i].x[k], (k + 1) % x[i].cols ? " " : "\n");
    }
    fclose(f);
    lqr_system *again = lqr_system_parse("m", text, length, error, sizeof error);
    require(again && again->n == L->n && again->m == L->m && again->gamma == L->gamma, "%s", error);
    matrices_of(again, y);
    for (int i = 0; i < MATRICES; i++)
        require(memcmp(x[i].x, y[i].x, (size_t)(x[i].rows * x[i].cols) * sizeof(double)) == 0, "%s", x[i].name);
    lqr_system_free(again);
    free(text);
}

/* Whether no product of a few of the numbers overflows or vanishes */
static bool is_tame(const lqr_system *L)
{
    struct matrix x[MATRICES];
    matrices_of(L, x);
    bool tame = L->n <= 8 && L->m <= 8;
    for (int i = 0; i < MATRICES; i++)
        for (int k = 0; tame && k < x[i].rows * x[i].cols; k++) {
            double a = fabs(x[i].x[k]);
            tame = a == 0 || (1e-6 <= a && a <= 1e6);
        }
    return tame;
}

/* The best gain: no slope there, and no less than doing nothing, where that is stable. */
static void check_solved(const lqr_system *L)
{
    char error[512] = "";
    double K[64] = { 0 };
    lqr_exact *idle = lqr_exact_new(L, K, NULL, error, sizeof error), *best = lqr_optimum(L, error, sizeof error);
    require((idle && best) || error[0], "no reason");
    if (idle) require(isfinite(idle->J) && idle->J <= 0, "J = %g", idle->J);
    if (best) {
        double slope = linalg_max_abs(best->m * best->n, best->gradient);
        require(slope <= 10 * best->unit_gradient, "%g, unit %g", slope, best->unit_gradient);
    }
    if (idle && best)
        require(best->J >= idle->J - 10 * (best->unit_J + idle->unit_J), "%.17g < %.17g", best->J, idle->J);
    lqr_exact_free(idle);
    lqr_exact_free(best);
}

/* The environment takes every file that is read; it takes L over. */
static void check_acted(lqr_system *L)
{
    double action[LQR_MAX] = { 0 }, reward;
    bool terminated, truncated;
    gsl_rng *rng = random_stream(1, 0, RANDOM_TEST);
    env *e = lqr_system_env_new("m", L);
    env_reset(e, rng);
    env_step(e, action, &reward, &terminated, &truncated);
    require(!isnan(reward) && reward <= 0x1p1000 && !terminated && !truncated, "reward %g", reward);
    env_free(e);
    gsl_rng_free(rng);
}

static void check_system(lqr_system *L)
{
    struct matrix x[MATRICES];
    matrices_of(L, x);
    require(1 <= L->n && L->n <= LQR_MAX && 1 <= L->m && L->m <= LQR_MAX, "%d, %d", L->n, L->m);
    require(0 <= L->gamma && L->gamma <= 1, "discount %g", L->gamma);
    for (int i = 0; i < MATRICES; i++) {
        int n = x[i].cols;
        bool symmetric = strchr("QRWS", *x[i].name);
        for (int k = 0; k < x[i].rows * n; k++) {
            require(fabs(x[i].x[k]) <= 1e100, "%s: %g", x[i].name, x[i].x[k]);
            if (symmetric) require(x[i].x[k] == x[i].x[k % n * n + k / n], "%s, %d", x[i].name, k);
        }
    }
    for (int i = 0; i < L->m; i++) require(L->R[i * L->m + i] > 0, "R: %g", L->R[i * L->m + i]);
    check_written(L);
    if (is_tame(L)) check_solved(L);
    check_acted(L);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[512] = "";
    double K[2];
    lqr_system *L = lqr_system_parse("m", (const char *)data, size, error, sizeof error);
    if (L) check_system(L);
    else   check_message(error);

    lqr_system *two = lqr_system_new(2, 1);
    error[0] = '\0';
    if (!lqr_gain_parse("m", (const char *)data, size, two, K, error, sizeof error)) check_message(error);
    else require(fabs(K[0]) <= 1e100 && fabs(K[1]) <= 1e100 && !error[0], "%g, %g", K[0], K[1]);
    lqr_system_free(two);
    return 0;
}
