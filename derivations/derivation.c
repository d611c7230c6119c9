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
    x->x = allocate(n, sizeof *x->x, "a natural gradient");
    fisher_scores(pi, x->F);
    gradient_theorem(pi, x->g);
    x->spectrum = fisher_spectrum_new(pi->n, x->F);
    natural_gradient_lapack(x->spectrum, x->F, x->g, x->x);
    x->x_F = fisher_norm(pi->n, x->F, x->x);
    return x;
}

void setting_free(setting *x)
{
    if (!x) return;
    fisher_spectrum_free(x->spectrum);
    free(x->F);
    free(x->g);
    free(x->x);
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
    for (int i = 0; i < n; i++) worst = linalg_greater(worst, fabs(a[i] - b[i]));
    return worst;
}

/* Each computed line against the first computed one. */
static void compare(const derivation *d, const setting *x, const double *own, derivation_result *r)
{
    double unit = d->unit(x), least_allowed = INFINITY, most_used = -1;
    int compared = 0;
    require(unit > 0, "%s: one unit of error is %g", d->id, unit);
    r->unit = unit;
    while (r->first < r->lines && !r->computed[r->first]) r->first++;
    const double *first = r->value + r->first * r->n;
    for (int l = r->first + 1; l < r->lines; l++) {
        if (!r->computed[l]) continue;
        const double *line = r->value + l * r->n;
        double error = (d->distance ? d->distance : distance_max)(x, r->n, first, line);
        r->units[l] = error / unit;
        r->allowed[l] = 10 + (own[r->first] + own[l]) / unit;
        least_allowed = fmin(least_allowed, r->allowed[l]);
        if (!(r->units[l] <= r->allowed[l])) r->verdict = FAIL;
        if (!isnan(most_used) && !(r->units[l] / r->allowed[l] <= most_used)) {
            most_used = r->units[l] / r->allowed[l];
            r->worst = l;
        }
        compared++;
    }
    if (compared == 0) {
        r->verdict = NOT_APPLICABLE;
        r->reason = "too large for two accounts";
        return;
    }
    double size = d->distance ? 1 : linalg_max_abs(r->n, first);        /* a distance is relative already */
    if (r->verdict != FAIL && !(least_allowed * unit <= 1e-6 * size)) {
        r->verdict = WEAK;
        r->reason = size == 0 ? "the quantity is zero" : "more than 1e-6 of it would be allowed";
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
        own[l] = d->line[l].value(x, r.value + l * r.n);
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

double derivation_number(const derivation_result *r, int line, int i)
{
    return r->value[line * r->n + i];
}

int derivation_shown(const derivation_result *r)
{
    int shown = 0;
    double greatest = -1;
    for (int i = 0; i < r->n; i++) {
        double first = derivation_number(r, r->first, i);
        double x = fabs(r->verdict == FAIL ? first - derivation_number(r, r->worst, i) : first);
        if (!(x <= greatest)) {
            greatest = x;
            shown = i;
        }
    }
    return shown;
}
