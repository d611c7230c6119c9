/* The table of bias and variance: see estimate_table.h. */
#include "derivations/estimate_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"

enum { MOST_ROWS = 64 };

static int add(estimate_row *row, int rows, const char *name, int n, double lambda, int critic)
{
    row[rows] = (estimate_row){ .e = gradient_estimator_find(name), .n = n, .lambda = lambda, .critic = critic };
    return rows + 1;
}

/* With one critic; Q says whether it has action values */
static int add_critic(estimate_row *row, int rows, int H, int critic, bool Q)
{
    static const int steps[] = { 1, 2, 3, 5, 10, 20 };
    static const double lambda[] = { 0, 0.5, 0.9, 1 };
    rows = add(row, rows, "baseline", 0, -1, critic);
    if (Q) rows = add(row, rows, "q-actor-critic", 0, -1, critic);
    if (Q) rows = add(row, rows, "advantage-actor-critic", 0, -1, critic);
    rows = add(row, rows, "td-actor-critic", 0, -1, critic);
    for (size_t i = 0; i < sizeof steps / sizeof *steps && steps[i] < H; i++)
        rows = add(row, rows, "nstep", steps[i], -1, critic);
    rows = add(row, rows, "nstep", H, -1, critic);
    for (size_t i = 0; i < sizeof steps / sizeof *steps && steps[i] < H; i++)
        if (steps[i] > 1) rows = add(row, rows, "nstep-segments", steps[i], -1, critic);
    for (size_t i = 0; i < sizeof lambda / sizeof *lambda; i++) rows = add(row, rows, "gae", 0, lambda[i], critic);
    return rows;
}

static int rows_of(const finite_horizon *f, const value_table *other, estimate_row *row)
{
    int rows = add(row, 0, "total-return", 0, -1, -1);
    rows = add(row, rows, "reward-to-go", 0, -1, -1);
    rows = add_critic(row, rows, f->H, 0, true);
    return add_critic(row, rows, f->H, 1, other->Q);
}

int estimate_table_runs(const finite_horizon *f, const value_table *other)
{
    estimate_row row[MOST_ROWS];
    return rows_of(f, other, row);
}

static void fill(const finite_horizon *f, const value_table *critic, const double *gradient, estimate_row *r)
{
    int n = f->policy->n;
    double trace = 0;
    gradient_estimator_moments_with(f, r->e->name, critic, r->n, r->lambda, r->mean, r->variance);
    for (int i = 0; i < n; i++) {
        r->bias[i] = r->mean[i] - gradient[i];
        trace += r->variance[i];
    }
    r->off = linalg_norm2(n, r->bias);
    r->sd = sqrt(trace);
    r->rms = hypot(r->off, r->sd);
}

estimate_table *estimate_table_new(const finite_horizon *f, const value_table *other, const char *critic)
{
    estimate_table *t = allocate(1, sizeof *t, "a table of estimators");
    size_t n = (size_t)f->policy->n;
    *t = (estimate_table){ .f = f, .critic = critic };
    t->row = allocate(MOST_ROWS, sizeof *t->row, "a table of estimators");
    t->rows = rows_of(f, other, t->row);
    t->numbers = allocate((3 * (size_t)t->rows + 1) * n, sizeof *t->numbers, "moments of estimators");
    t->exact = t->numbers + 3 * (size_t)t->rows * n;
    finite_gradient(f, t->exact);
    t->size = linalg_norm2((int)n, t->exact);
    for (int i = 0; i < t->rows; i++) {
        estimate_row *r = &t->row[i];
        r->mean = t->numbers + 3 * (size_t)i * n;
        r->bias = r->mean + n;
        r->variance = r->bias + n;
        fill(f, r->critic == 1 ? other : NULL, t->exact, r);
    }
    return t;
}

void estimate_table_free(estimate_table *t)
{
    if (!t) return;
    free(t->row);
    free(t->numbers);
    free(t);
}

void estimate_row_name(const estimate_row *r, char text[64])
{
    int at = snprintf(text, 64, "%s", r->e->name);
    if (r->n > 0)       snprintf(text + at, (size_t)(64 - at), " n=%d", r->n);
    if (r->lambda >= 0) snprintf(text + at, (size_t)(64 - at), " lambda=%g", r->lambda);
}

/* 0 within what rounding makes of a gradient */
static double shown(const estimate_table *t, double off)
{
    return off <= 10 * finite_unit_gradient(t->f, 1) + finite_room(t->f, 1) ? 0 : off;
}

struct text { char at[24]; };

static struct text number(double x)                     /* "-": the squares overflow */
{
    struct text t = { "-" };
    if (isfinite(x)) snprintf(t.at, sizeof t.at, "%.6g", x);
    return t;
}

static const char *critic_of(const estimate_table *t, const estimate_row *r)     /* of a path its last part */
{
    const char *slash = strrchr(t->critic, '/');
    return r->critic < 0 ? "-" : r->critic == 0 ? "exact" : slash ? slash + 1 : t->critic;
}

void estimate_table_text(const estimate_table *t, FILE *out)
{
    fprintf(out, "%-22s %-12s %12s %12s %12s %12s\n", "estimator", "critic", "bias", "bias/|grad|", "std. dev.",
            "rms error");
    for (int i = 0; i < t->rows; i++) {
        const estimate_row *r = &t->row[i];
        char name[64];
        double off = shown(t, r->off);
        estimate_row_name(r, name);
        if (i > 0 && r->critic != r[-1].critic) putc('\n', out);
        fprintf(out, "%-22s %-12.12s %12s %12s %12s %12s\n", name, critic_of(t, r), number(off).at,
                number(t->size > 0 ? off / t->size : 0).at, number(r->sd).at, number(hypot(off, r->sd)).at);
    }
}
