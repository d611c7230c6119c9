/* Running a derivation: its lines are computed and compared; see derivation.h. */
#include "derivations/derivation.h"

#include <float.h>
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

int    count_one(const setting *x)          { (void)x; return 1; }
int    count_two(const setting *x)          { (void)x; return 2; }
int    count_three(const setting *x)        { (void)x; return 3; }
int    count_states(const setting *x)       { return x->pi->nS; }
int    count_pairs(const setting *x)        { return x->pi->nSA; }
int    count_theta(const setting *x)        { return x->pi->n; }
double unit_of_one(const setting *x)        { (void)x; return 4 * DBL_EPSILON; }
double unit_of_V(const setting *x)          { return x->pi->unit_V; }
double unit_of_A(const setting *x)          { return 2 * x->pi->unit_V; }
double unit_of_gradient(const setting *x)   { return x->pi->unit_gradient; }
double gradient_by_autodiff(const setting *x, double *g) { return gradient_autodiff(x->pi, g) ? 0 : LEFT_OUT; }
double gradient_by_theorem(const setting *x, double *g)
{
    gradient_theorem(x->pi, g);
    return 0;
}

const char *no_natural_gradient(const setting *x)
{
    return natural_gradient_none(x->pi, x->spectrum, x->g, x->x_F);
}

const derivation *derivation_at(int i)
{
    static const derivation *const file[] = {
        bellman, state_visits, likelihood_ratio, equivalent_forms, baseline, td_error, policy_gradient_theorem,
        performance_difference, taylor, fisher, natural_gradient, conjugate_gradient, autodiff_uses,
        stochastic_policy, reinforce_mean, missing_gamma, vpg_mean, optimiser_steps, learning, max_entropy,
        product_of_ratios, samples_again, not_clipped_away,
        actor_critic_mean, actor_critic_learning, a2c_mean, nstep_return, gae, compatible, a2c_against_a3c,
        asynchrony, asynchrony_measured, asynchronous_q, value_learning,
        data_reuse, kl_penalty, ppo_objectives, importance_sampling, importance_apart, importance_moved,
        trajectory_product, coupling, distribution_shift, shifted_expectation, kl_bounds, bounded_objective,
        guaranteed_step, improvement_bound, bounds_in_practice, ppo_iterations, single_path_lines,
        trust_region_learning, surrogate, surrogate_actions, surrogate_gradients, monotone,
        kl_constraint, penalty_measured, parallel_gradient, vine_estimators, trust_region, natural_step_lines,
        line_search, ppo_learning, step_size_lines, deterministic_update, slow_targets, ou_process, replay_drawn,
        overestimation, deterministic_pg, deterministic_actor, lqr_mean_updates, batch_norm_learning,
        off_policy_learning, off_policy_grids, off_policy_bias };
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

const derivation *derivation_next_erratum(const char *erratum, const derivation *after, int *line)
{
    const derivation *d, *more = errata_lines;
    for (int i = 0; (d = derivation_at(i)) || (d = more++)->id; i++) {
        if (after) {
            if (d == after) after = NULL;
            continue;
        }
        for (int l = 0; l < DERIVATION_MAX_LINES && d->line[l].latex; l++) {
            *line = l;
            if (d->line[l].erratum && strcmp(d->line[l].erratum, erratum) == 0) return d;
        }
    }
    return NULL;
}

const char *verdict_name(enum verdict v)
{
    static const char *const name[] = { "PASS", "FAIL", "WEAK", "n/a" };
    return name[v];
}

/* max_{i >= from} |a_i - b_i|, each in its measure, counting only what is against the relation of a to b; NaN where
 * anything is */
static double distance_max(const derivation_result *r, enum relation relation, int from, const double *a,
                           const double *b)
{
    double worst = 0;
    for (int i = from; i < r->n; i++) {
        double over = relation == AT_MOST ? a[i] - b[i] : relation == AT_LEAST ? b[i] - a[i] : fabs(a[i] - b[i]);
        worst = linalg_greater(worst, over / r->measure[i]);
    }
    return worst;
}

/* The number of line l that is furthest off, in its measure, of those off by at least so many units and such a part
 * of themselves; -1: none is */
static int furthest(const derivation_result *r, int l, double units, double part)
{
    int at = -1;
    double most = -1;
    for (int i = r->from[l]; i < r->n && !isnan(most); i++) {
        double a = derivation_number(r, r->against[l], i), b = derivation_number(r, l, i), off = fabs(a - b);
        if (off < units * r->unit * r->measure[i] || off < part * fmax(fabs(a), fabs(b))) continue;
        if (!(off / r->measure[i] <= most)) at = i, most = off / r->measure[i];
    }
    return at;
}

/* What a DIFFERS line says: a number is off by more than rounding can be, and in half of a double's digits. A control
 * that is not says nothing. */
static void compare_wrong(const derivation *d, int l, derivation_result *r)
{
    const double half = 1e-8;
    int apart = d->distance ? r->furthest[l] : furthest(r, l, r->allowed[l], half);
    r->differs[l] = r->units[l] > r->allowed[l] && (d->distance ? r->units[l] * r->unit > half : apart >= 0);
    if (r->differs[l]) r->furthest[l] = apart;
    if (d->line[l].erratum || r->differs[l] || r->verdict == FAIL) return;
    r->verdict = WEAK;
    r->reason = "the control cannot be told from it";
}

static void too_large(derivation_result *r)
{
    r->verdict = NOT_APPLICABLE;
    r->reason = "too large for two accounts";
}

/* In units: how far line l is from the one it is held against, and how far it may be */
static void compare_line(const derivation *d, const setting *x, const double *own, int above, int l,
                         derivation_result *r)
{
    enum relation relation = d->line[l].relation;
    int against = r->against[l] = relation < ABOVE ? r->first : above;
    const double *line = r->value + l * r->n, *other = r->value + against * r->n;
    double error = d->distance ? d->distance(x, r->n, other, line)
                               : distance_max(r, relation_kind(relation), r->from[l], line, other);
    r->units[l] = error / r->unit;
    r->allowed[l] = 10 + (own[against] + own[l]) / r->unit;
    r->furthest[l] = furthest(r, l, -1, -1);
}

/* Each computed line against the first computed one, or against the one above. */
static void compare(const derivation *d, const setting *x, const double *own, derivation_result *r)
{
    double least_allowed[2] = { INFINITY, INFINITY };       /* of equations; of bounds, where there are none */
    double most_used = -1;
    r->unit = d->unit(x);
    require(r->unit > 0, "%s: one unit of error is %g", d->id, r->unit);
    while (r->first < r->lines && !r->computed[r->first]) r->first++;
    if (r->first == r->lines) {
        r->first = 0;
        too_large(r);
        return;
    }
    double size = d->distance ? 1 : 0;                                  /* a distance is relative already */
    for (int i = 0; i < r->common && !d->distance; i++)
        size = linalg_greater(size, fabs(derivation_number(r, r->first, i)) / r->measure[i]);
    for (int l = r->first + 1, above = r->first; l < r->lines; l++) {
        if (!r->computed[l]) continue;
        enum relation relation = d->line[l].relation;
        compare_line(d, x, own, above, l, r);
        if (relation_kind(relation) == DIFFERS) {
            compare_wrong(d, l, r);
            continue;
        }
        if (!r->from[l]) above = l;
        double *least = &least_allowed[relation != EQUAL];
        *least = fmin(*least, r->allowed[l]);
        if (!(r->units[l] <= r->allowed[l])) r->verdict = FAIL;
        if (!isnan(most_used) && !(r->units[l] / r->allowed[l] <= most_used)) {
            most_used = r->units[l] / r->allowed[l];
            r->worst = l;
        }
    }
    if (most_used == -1) too_large(r);
    else if (r->verdict != FAIL && !(least_allowed[isinf(least_allowed[0])] * r->unit <= 1e-6 * size)) {
        r->verdict = WEAK;
        r->reason = size == 0 ? "the quantity is zero" : "more than 1e-6 of it would be allowed";
    }
}

static double line_numbers(const derivation_line *line, const setting *x, int n, double *out)
{
    if (line->value) return line->value(x, out);
    require((size_t)n <= sizeof line->is / sizeof *line->is && line->is[n - 1] != 0,
            "%s: nothing gives its %d numbers", line->latex, n);
    memcpy(out, line->is, (size_t)n * sizeof *out);
    return 0;
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
    r.n = r.common = d->n(x);
    for (; r.lines < DERIVATION_MAX_LINES && d->line[r.lines].latex; r.lines++) {
        int from = r.from[r.lines] = d->line[r.lines].from;
        require(from >= 0 && from < r.n && !(from && d->distance),
                "%s: line %d from number %d", d->id, r.lines, from);
        if (from && from < r.common) r.common = from;
    }
    r.value = allocate((size_t)(r.lines + 1) * (size_t)r.n, sizeof *r.value, "the lines of a derivation");
    r.measure = r.value + r.lines * r.n;
    for (int i = 0; i < r.n; i++) r.measure[i] = 1;
    if (d->measure) d->measure(x, r.n, r.measure);
    for (int l = 0; l < r.lines; l++) {
        own[l] = line_numbers(&d->line[l], x, r.n, r.value + l * r.n);
        r.computed[l] = !(own[l] < 0);
    }
    compare(d, x, own, &r);
    return r;
}

void derivation_result_free(derivation_result *r)
{
    free(r->value);
    r->value = r->measure = NULL;
}

double derivation_number(const derivation_result *r, int line, int i)
{
    return r->value[line * r->n + i];
}

int derivation_shown(const derivation_result *r)
{
    if (r->verdict == FAIL) return r->furthest[r->worst];
    int at = 0;
    for (int i = 1; i < r->common; i++)
        if (!(fabs(derivation_number(r, r->first, i)) <= fabs(derivation_number(r, r->first, at)))) at = i;
    return at;
}
