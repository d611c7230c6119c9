/* See bounds_table.h. */
#include "derivations/bounds_table.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/coupling.h"
#include "derivations/distribution_shift.h"
#include "derivations/kl_bounds.h"
#include "derivations/random_pairs.h"

/* ---- along a line ---- */

/* Where TRPO-4's bound falls below J(pi), and a third more; 1 where it does so nowhere, or at once */
static double nearby(const exact *pi, const double *d)
{
    double low = 1, high = 1;
    for (int halvings = 0; halvings < 60; halvings++, high = low, low /= 2) {
        improvement_bounds b = improvement_bounds_along(pi, d, low);
        if (!(b.dL > b.trpo)) continue;
        if (low == 1) return 1;
        for (int k = 0; k < 20; k++) {
            double t = (low + high) / 2;
            b = improvement_bounds_along(pi, d, t);
            if (b.dL > b.trpo) low = t;
            else               high = t;
        }
        return fmin(1, low * 4 / 3);
    }
    return 1;
}

bounds_line *bounds_line_new(const exact *pi, const exact *pi1)
{
    bounds_line *l = allocate(1, sizeof *l, "a line of policies");
    double *d = allocate((size_t)pi->nSA, sizeof *d, "a direction");
    for (int i = 0; i < pi->nSA; i++) d[i] = pi1 ? pi1->logits[i] - pi->logits[i] : pi->A[i];
    l->pi = pi;
    snprintf(l->title, sizeof l->title, "%.150s, gamma %.15g: from pi %s", pi->M->name, pi->gamma,
             pi1 ? "to pi'" : "along the natural gradient A");
    l->near = nearby(pi, d);
    for (int far = 0; far < 2; far++)
        for (int i = 0; i < BOUNDS_POINTS; i++) {
            double t = (far ? 1 : l->near) * i / (BOUNDS_POINTS - 1);
            exact *pi_t = improvement_step_along(pi, d, t);
            improvement_bounds b = improvement_bounds_of(pi, pi_t);
            l->point[far][i] = (bounds_point){ t, b, 10 * improvement_unit(pi, pi_t, &b) };
            exact_free(pi_t);
        }
    free(d);
    return l;
}

void bounds_line_free(bounds_line *l) { free(l); }

bool bounds_line_finite(const bounds_line *l)
{
    for (int i = 0; i < 2 * BOUNDS_POINTS; i++) {
        const improvement_bounds *b = &l->point[i / BOUNDS_POINTS][i % BOUNDS_POINTS].b;
        if (!isfinite(b->trpo + b->tv + b->shift + b->linear + fabs(b->J1) + fabs(b->L))) return false;
    }
    return true;
}

bool bounds_line_holds(const bounds_line *l)
{
    for (int i = 0; i < 2 * BOUNDS_POINTS; i++) {
        const improvement_bounds *b = &l->point[i / BOUNDS_POINTS][i % BOUNDS_POINTS].b;
        double gap = fabs(b->dJ - b->dL) - l->point[i / BOUNDS_POINTS][i % BOUNDS_POINTS].rounding;
        if (!(gap <= b->shift && gap <= b->linear && gap <= b->tv && gap <= b->trpo)) return false;
    }
    return true;
}

void bounds_line_text(const bounds_line *l, FILE *out)
{
    const bounds_point *best = l->point[0];
    fprintf(out, "%s\n\n%10s %10s %10s %12s %12s %12s %12s %12s\n", l->title, "t", "max TV", "max KL", "J(pi')",
            "surrogate L", "DSB-10", "TRPO-3", "TRPO-4");
    for (int i = 0; i < 2 * BOUNDS_POINTS; i++) {
        const bounds_point *p = &l->point[i / BOUNDS_POINTS][i % BOUNDS_POINTS];
        if (i < BOUNDS_POINTS && p->b.dL - p->b.trpo > best->b.dL - best->b.trpo) best = p;
        if (i == BOUNDS_POINTS) fputc('\n', out);                  /* from here on all the way */
        if (i % BOUNDS_POINTS % 10 || i == BOUNDS_POINTS) continue;
        fprintf(out, "%10.4g %10.4g %10.4g %12.6g %12.6g %12.6g %12.6g %12.6g\n", p->t, p->b.alpha, p->b.kl,
                p->b.J1, p->b.L, p->b.L - p->b.shift, p->b.L - p->b.tv, p->b.L - p->b.trpo);
    }
    if (best->t > 0)
        fprintf(out, "\nTRPO-4 promises most at t = %.3g: %.3g more than J(pi), where J(pi') is %.3g more.\n",
                best->t, best->b.dL - best->b.trpo, best->b.dJ);
    else
        fprintf(out, "\nTRPO-4 promises nothing on this line.\n");
}

void bounds_line_csv(const bounds_line *l, FILE *out)
{
    fprintf(out, "t,tv_max,kl_max,J,surrogate,DSB-10,constant_C,TRPO-3,TRPO-4\n");
    for (int i = 0; i < 2 * BOUNDS_POINTS; i++) {
        const bounds_point *p = &l->point[i / BOUNDS_POINTS][i % BOUNDS_POINTS];
        fprintf(out, "%.17g,%.17g,%.17g,%.17g,%.17g,%.17g,%.17g,%.17g,%.17g\n", p->t, p->b.alpha, p->b.kl, p->b.J1,
                p->b.L, p->b.L - p->b.shift, p->b.L - p->b.linear, p->b.L - p->b.tv, p->b.L - p->b.trpo);
    }
}

/* ---- on random MDPs ---- */

const struct bound_name tightness_name[TIGHT_BOUNDS] = {
    [TIGHT_DSB_1] = { "DSB-1", "|| p'(s_t) - p(s_t) ||_1 over 2 (1 - (1-alpha)^t), the greatest of t = 1 .. 20" },
    [TIGHT_DSB_10] = { "DSB-10", "|J(pi') - L| over 2 alpha gamma C / (1-gamma)^2, "
                       "C = max |sum_a pi'(a|s) A(s,a)|" },
    [TIGHT_DSB_14] = { "DSB-14", "D_TV over sqrt(D_KL / 2), the greatest of the states" },
    [TIGHT_DSB_15] = { "DSB-15", "|J(pi') - J(pi)| over 2 alpha max|A| / (1-gamma)" },
    [TIGHT_TRPO_3] = { "TRPO-3", "|J(pi') - L| over 4 eps gamma alpha^2 / (1-gamma)^2" },
    [TIGHT_TRPO_4] = { "TRPO-4", "|J(pi') - L| over 4 eps gamma max KL / (1-gamma)^2" } };

/* What is bounded over its bound, less what rounding may add to it, which is much of what is small */
static double ratio_of(double x, double rounding, double bound) { return fmax(0, x - rounding) / bound; }

/* u N for each D_TV, and log-probabilities that are right to u of the largest, in D_KL */
static double pinsker(const random_pair *r)
{
    double worst = 0;
    for (int s = 0, nA = r->M->nA; s < r->M->nS; s++) {
        double kl = kl_divergence(nA, r->pi->logpi + s * nA, r->pi1->logpi + s * nA);
        double TV = total_variation(nA, r->pi->pi + s * nA, r->pi1->pi + s * nA);
        worst = linalg_greater(worst, ratio_of(TV, nA * DBL_EPSILON, sqrt(kl / 2)));
    }
    return worst;
}

static tightness_row row_of(const random_pair *r)
{
    improvement_bounds b = improvement_bounds_of(r->pi, r->pi1);
    double gap = fabs(b.dJ - b.dL), rounding = 10 * improvement_unit(r->pi, r->pi1, &b);
    double ratio = shift_ratio(r->M, r->pi->pi, r->pi1->pi, b.alpha, RANDOM_PAIR_STEPS);
    tightness_row row = { r->M->nS, r->M->nA, r->pi->gamma, b.alpha, { 0 } };
    /* N u a step of p' - p, whose bound grows as 2 alpha t: relative to that u N / alpha at most */
    row.ratio[TIGHT_DSB_1] = ratio_of(ratio, fmax(4, r->M->nS) * DBL_EPSILON / b.alpha, 1);
    row.ratio[TIGHT_DSB_10] = ratio_of(gap, rounding, b.shift);
    row.ratio[TIGHT_DSB_14] = pinsker(r);
    row.ratio[TIGHT_DSB_15] = ratio_of(fabs(b.dJ), rounding, 2 * b.alpha * b.eps / (1 - r->pi->gamma));
    row.ratio[TIGHT_TRPO_3] = ratio_of(gap, rounding, b.tv);
    row.ratio[TIGHT_TRPO_4] = ratio_of(gap, rounding, b.trpo);
    return row;
}

tightness tightness_new(int n, uint64_t seed)
{
    tightness t = { n, seed, allocate((size_t)n, sizeof *t.row, "random MDPs"), NULL };
    t.sorted = allocate((size_t)n, sizeof *t.sorted, "ratios");
    for (int i = 0; i < n; i++) {
        random_pair r = random_pair_new(seed, (uint32_t)i);
        t.row[i] = row_of(&r);
        random_pair_free(&r);
    }
    return t;
}

void tightness_free(tightness *t)
{
    free(t->row);
    free(t->sorted);
}

int tightness_worst(const tightness *t, int bound)
{
    int worst = 0;
    for (int i = 1; i < t->n && !isnan(t->row[worst].ratio[bound]); i++)
        if (!(t->row[i].ratio[bound] <= t->row[worst].ratio[bound])) worst = i;
    return worst;
}

bool tightness_holds(const tightness *t)
{
    for (int bound = 0; bound < TIGHT_BOUNDS; bound++)
        if (!(t->row[tightness_worst(t, bound)].ratio[bound] <= 1)) return false;
    return true;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void tightness_text(const tightness *t, FILE *out)
{
    double *ratio = t->sorted;
    fprintf(out, "%d random MDPs with two policies each: what is bounded over its bound\n\n"
            "%-7s %9s %9s %9s  %s\n", t->n, "", "greatest", "90 %", "median", "of the MDP");
    for (int bound = 0; bound < TIGHT_BOUNDS; bound++) {
        const tightness_row *worst = &t->row[tightness_worst(t, bound)];
        for (int i = 0; i < t->n; i++) ratio[i] = t->row[i].ratio[bound];
        qsort(ratio, (size_t)t->n, sizeof *ratio, by_size);
        fprintf(out, "%-7s %9.4f %9.4f %9.4f  %d states, %d actions, gamma %.3f, max TV %.3g\n",
                tightness_name[bound].id, worst->ratio[bound], ratio[(int)(0.9 * (t->n - 1))], ratio[t->n / 2],
                worst->states, worst->actions, worst->gamma, worst->alpha);
    }
    fputc('\n', out);
    for (int bound = 0; bound < TIGHT_BOUNDS; bound++)
        fprintf(out, "%-7s %s\n", tightness_name[bound].id, tightness_name[bound].of);
}

void tightness_csv(const tightness *t, FILE *out)
{
    fprintf(out, "states,actions,gamma,tv_max");
    for (int bound = 0; bound < TIGHT_BOUNDS; bound++) fprintf(out, ",%s", tightness_name[bound].id);
    fputc('\n', out);
    for (int i = 0; i < t->n; i++) {
        const tightness_row *r = &t->row[i];
        fprintf(out, "%d,%d,%.17g,%.17g", r->states, r->actions, r->gamma, r->alpha);
        for (int bound = 0; bound < TIGHT_BOUNDS; bound++) fprintf(out, ",%.17g", r->ratio[bound]);
        fputc('\n', out);
    }
}
