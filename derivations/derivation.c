/* Running a derivation: its lines are computed and compared; see derivation.h. */
#include "derivations/derivation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/fisher.h"
#include "derivations/policy_gradient_theorem.h"

setting *setting_new(const exact *pi, const exact *pi1, uint64_t seed)
{
    setting *x = allocate(1, sizeof *x, "a setting");
    size_t n = (size_t)pi->n;
    *x = (setting){ .pi = pi, .pi1 = pi1, .seed = seed };
    if (pi->n > FISHER_MAX_N) return x;
    x->F = allocate(n * n, sizeof *x->F, "a Fisher matrix");
    x->g = allocate(n, sizeof *x->g, "a gradient");
    fisher_scores(pi, x->F);
    gradient_theorem(pi, x->g);
    x->spectrum = fisher_spectrum_new(pi->n, x->F);
    return x;
}

void setting_free(setting *x)
{
    if (!x) return;
    fisher_spectrum_free(x->spectrum);
    free(x->F);
    free(x->g);
    free(x);
}

const derivation *derivation_at(int i)
{
    static const derivation *const file[] = { policy_gradient_theorem, performance_difference, fisher,
                                              natural_gradient };
    for (size_t f = 0; f < sizeof file / sizeof *file; f++)
        for (const derivation *d = file[f]; d->id; d++)
            if (i-- == 0) return d;
    return NULL;
}

const derivation *derivation_find(const char *id)
{
    const derivation *d;
    for (int i = 0; (d = derivation_at(i)); i++)
        if (strcmp(d->id, id) == 0) return d;
    return NULL;
}

const char *verdict_name(enum verdict v)
{
    static const char *const name[] = { "PASS", "FAIL", "WEAK", "n/a" };
    return name[v];
}

static double distance_max(const setting *x, int n, const double *a, const double *b)
{
    (void)x;
    double worst = 0;
    for (int i = 0; i < n && !isnan(worst); i++)
        if (!(fabs(a[i] - b[i]) <= worst)) worst = fabs(a[i] - b[i]);       /* a NaN gets in and stays */
    return worst;
}

/* Each computed line against the first. A line with an error of its own (differences) gets that much more
 * room; its units are what it used of the room, in tenths. */
static void compare(const derivation *d, const setting *x, const double *own, derivation_result *r)
{
    double unit = d->unit(x), least_room = INFINITY;
    int compared = 0;
    for (int l = 1; l < r->lines; l++) {
        if (!r->computed[0] || !r->computed[l]) continue;
        const double *line = r->value + (size_t)l * (size_t)r->n;
        double error = (d->distance ? d->distance : distance_max)(x, r->n, r->value, line);
        double room = 10 * unit + own[0] + own[l];
        r->units[l] = 10 * error / room;
        if (!isnan(r->worst) && !(r->units[l] <= r->worst)) r->worst = r->units[l];
        least_room = fmin(least_room, room);
        compared++;
    }
    r->bound = 10 * unit;
    r->size = linalg_max_abs(r->n, r->value);
    double scale = d->distance ? 1 : r->size;               /* a distance is relative already */
    if (compared == 0) {
        r->verdict = NOT_APPLICABLE;
        r->reason = "too large for a second account";
    } else if (!(r->worst <= 10)) {
        r->verdict = FAIL;
    } else if (!(least_room <= 1e-6 * scale)) {
        r->verdict = WEAK;
        r->reason = r->size == 0 ? "the quantity is zero" : "the bound exceeds 1e-6 of the quantity";
    }
}

derivation_result derivation_run(const derivation *d, const setting *x)
{
    derivation_result r = { .verdict = PASS };
    if (d->not_applicable) r.reason = d->not_applicable(x);
    if (r.reason) {
        r.verdict = NOT_APPLICABLE;
        return r;
    }
    double own[DERIVATION_MAX_LINES] = { 0 };
    r.n = d->n(x);
    while (r.lines < DERIVATION_MAX_LINES && d->line[r.lines].value) r.lines++;
    r.value = allocate((size_t)r.lines * (size_t)r.n, sizeof *r.value, "the lines of a derivation");
    for (int l = 0; l < r.lines; l++) {
        own[l] = d->line[l].value(x, r.value + (size_t)l * (size_t)r.n);
        r.computed[l] = !(own[l] < 0);
    }
    compare(d, x, own, &r);
    return r;
}

void derivation_result_free(derivation_result *r)
{
    free(r->value);
    r->value = NULL;
}

int derivation_largest(const derivation_result *r)
{
    int i = 0;
    for (int j = 1; j < r->n; j++)
        if (fabs(r->value[j]) > fabs(r->value[i])) i = j;
    return i;
}
