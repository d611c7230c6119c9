/* Line search and trust region: what each does on a ridge, where the natural step leaves its region, and what
 * TRPO's backtracking makes of it. Updates are those that train (algorithms/npg.c, trpo.c), on batches
 * without noise (full_batch, exact_batch.h). 001 (l.530-552), 004 (l.265-317, 461-466); Schulman et al. 2015,
 * appendix C. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_math.h>

#include "algorithms/cg.h"
#include "algorithms/npg.h"
#include "algorithms/trpo.h"
#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/exact_batch.h"
#include "derivations/measured.h"
#include "derivations/natural_step.h"

/* ---- updates on a batch without noise ---- */

/* As exact as conjugate gradients can be */
static trpo_config exact_trpo(double delta)
{
    trpo_config c = trpo_defaults;
    c.delta = delta, c.damping = 0, c.cg_iterations = 10000, c.cg_tol = 1e-12;
    return c;
}

/* v: NULL, or [n] the step that was made; of a table the biases belong to each row's logits. */
static trpo_step trpo_on(const exact *pi, const trpo_config *c, double *v)
{
    full_batch B = full_batch_new(pi);
    trpo_step step = trpo_update(B.b->t, c, &B.b->pi, B.b->theta, B.b->tau, B.A, B.w);
    step.L *= B.scale;
    for (int i = 0; i < pi->n && v; i++) {
        double bias = pi->policy.kind == POLICY_TABULAR ? B.b->theta[pi->n + i % pi->nA] : 0;
        v[i] = B.b->theta[i] + bias - pi->theta[i];
    }
    full_batch_free(&B);
    return step;
}

static npg_step npg_on(const exact *pi, double delta)
{
    npg_config c = npg_defaults;
    c.delta = delta, c.damping = 0, c.solver = NPG_LAPACK;
    full_batch B = full_batch_new(pi);
    npg_step step = npg_update(B.b->t, &c, &B.b->pi, B.b->theta, B.b->tau, B.A, B.w);
    step.L *= B.scale;
    full_batch_free(&B);
    return step;
}

static const char *no_update(const setting *x)
{
    const char *none = no_natural_gradient(x);
    if (none) return none;
    if (natural_step_rounding(x) > 1e-6) return "the natural step is known to 1e-6 at best";
    return x->pi->policy.kind == POLICY_LINEAR ? "linear policies that train have biases, these have not" : NULL;
}

static const double delta = 0.01, alpha = 0.8;
enum { BACKTRACKS = 10 };

/* ---- TRPO-30: a narrow ridge, f(v) = v_1 + 10 v_2 - 50 v_2^2 from v = 0, steps of at most 1 ---- */

static const double ridge_H[2] = { 0, 100 };

static double ridge(const double *v)
{
    return v[0] + 10 * v[1] - (ridge_H[0] * v[0] * v[0] + ridge_H[1] * v[1] * v[1]) / 2;
}

static void ridge_gradient(const double *v, double *g)
{
    g[0] = 1 - ridge_H[0] * v[0];
    g[1] = 10 - ridge_H[1] * v[1];
}

/* TRPO-30   the region first: v to max f over ||v' - v|| <= 1. (H + mu 1)(v' - v) = g, of length 1; mu by
 * bisection */
static void region_move(double *v)
{
    double g[2], low = 0, high = 200;
    ridge_gradient(v, g);
    for (int i = 0; i < 200; i++) {
        double mu = (low + high) / 2, v1 = g[0] / (ridge_H[0] + mu), v2 = g[1] / (ridge_H[1] + mu);
        if (v1 * v1 + v2 * v2 > 1) low = mu;
        else                       high = mu;
    }
    for (int i = 0; i < 2; i++) v[i] += g[i] / (ridge_H[i] + high);
}

/* The direction first: v to the best point along g */
static void line_move(double *v)
{
    double g[2];
    ridge_gradient(v, g);
    double t = (g[0] * g[0] + g[1] * g[1]) / (ridge_H[0] * g[0] * g[0] + ridge_H[1] * g[1] * g[1]);
    for (int i = 0; i < 2; i++) v[i] += t * g[i];
}

/* A step of length 1 along g */
static void fixed_move(double *v)
{
    double g[2];
    ridge_gradient(v, g);
    double norm = sqrt(g[0] * g[0] + g[1] * g[1]);
    for (int i = 0; i < 2; i++) v[i] += g[i] / norm;
}

/* f's greatest term where |v| <= 1 is H_2/2 = 50: a dozen roundings of its size */
static double unit_ridge(const setting *x) { (void)x; return 12 * DBL_EPSILON * ridge_H[1] / 2; }

static double after(void (*move)(double *v), double *out)
{
    double v[2] = { 0, 0 };
    move(v);
    *out = ridge(v);
    return 0;
}

static double ridge_region(const setting *x, double *out) { (void)x; return after(region_move, out); }
static double ridge_line(const setting *x, double *out)   { (void)x; return after(line_move, out); }
static double ridge_fixed(const setting *x, double *out)  { (void)x; return after(fixed_move, out); }

/* Every angle of the circle, ever finer about the best; f grows along the ridge, so the best point is there. */
static double ridge_search(const setting *x, double *out)
{
    (void)x;
    double best = 0, width = M_PI;
    *out = -INFINITY;
    for (int round = 0; round < 12; round++, width /= 50) {
        double about = best;
        for (int i = -500; i <= 500; i++) {
            double angle = about + width * i / 500, f = ridge((double[]){ cos(angle), sin(angle) });
            if (f > *out) { *out = f; best = angle; }
        }
    }
    return 0;
}

static double ridge_start(const setting *x, double *out)
{
    (void)x;
    *out = ridge((double[]){ 0, 0 });
    return 0;
}

/* The picture of 004 (l.265-288) in numbers: where each method goes */
static void page_of_ridge(const setting *x, FILE *out)
{
    (void)x;
    double region[2] = { 0 }, line[2] = { 0 }, fixed[2] = { 0 };
    fprintf(out, "      trust region, radius 1          best point along g             length 1 along g\n"
                 "step  v_1      v_2       f            v_1      v_2       f           v_1      v_2       f\n");
    for (int k = 0; k <= 8; k++) {
        double line_2 = fabs(line[1]) < 1e-9 ? 0 : line[1];                     /* no -0 */
        fprintf(out, "%4d %8.5f %8.5f %9.5f   %8.5f %8.5f %9.5f   %8.5f %8.5f %9.4f\n", k, region[0], region[1],
                ridge(region), line[0], line_2, ridge(line), fixed[0], fixed[1], ridge(fixed));
        region_move(region);
        line_move(line);
        fixed_move(fixed);
    }
    fprintf(out, "The ridge is v_2 = 0.1. The region's step goes up along it; the gradient points across it, so the\n"
                 "line search crosses it to and fro, and a fixed step is thrown off it, below where it began.\n");
}

/* ---- NPG-10: the natural step may leave its region ---- */

enum { GARNETS = 30, RADII = 3 };
static const double radii[RADII] = { 0.001, 0.01, 0.1 };

static int six(const setting *x)   { (void)x; return 2 * RADII; }

/* CG, LAPACK and F^+ g agree to fisher_distance_bound, 10 units, in the F-norm; KL / delta, near 1, to twice
 * that. */
static double unit_kl_ratio(const setting *x)
{
    (void)x;
    double unit = 0;
    for (int k = 1; k <= GARNETS; k++) {
        random_problem p = random_problem_new((uint64_t)k);
        unit = fmax(unit, 2 * fisher_distance_bound(p.x->spectrum->cond) / 10);
        random_problem_free(&p);
    }
    return unit;
}

typedef double (*kl_ratio)(const random_problem *p, double radius);     /* KL(old||new) of an update / radius */

/* out [2 RADII]: the worst of natural steps; and what the worst of those that are cut back leaves of 1 */
static double worst(kl_ratio natural, kl_ratio cut, double *out)
{
    for (int i = 0; i < RADII; i++) out[i] = 0, out[RADII + i] = 1;
    for (int k = 1; k <= GARNETS; k++) {
        random_problem p = random_problem_new((uint64_t)k);
        for (int i = 0; i < RADII; i++) {
            out[i] = fmax(out[i], natural(&p, radii[i]));
            out[RADII + i] = fmin(out[RADII + i], 1 - cut(&p, radii[i]));
        }
        random_problem_free(&p);
    }
    return 0;
}

static double ratio_by_hand(const random_problem *p, double radius)
{
    double v[RANDOM_PROBLEM_N];
    natural_step(p->x, radius, v);
    return step_along(p->pi, v, 1).kl / radius;
}

/* The first alpha^j of the step with a KL within the radius and something to gain */
static double ratio_cut(const random_problem *p, double radius)
{
    double v[RANDOM_PROBLEM_N], t = 1;
    natural_step(p->x, radius, v);
    for (int j = 0; j < BACKTRACKS; j++, t *= alpha) {
        region_step step = step_along(p->pi, v, t);
        if (step.kl <= radius && step.gain > 0) return step.kl / radius;
    }
    return 0;
}

static double ratio_quadratic(const random_problem *p, double radius)
{
    double v[RANDOM_PROBLEM_N];
    natural_step(p->x, radius, v);
    double norm = fisher_norm(p->pi->n, p->x->F, v);
    return norm * norm / 2 / radius;
}

static double ratio_npg(const random_problem *p, double radius) { return npg_on(p->pi, radius).kl / radius; }

static double ratio_trpo(const random_problem *p, double radius)
{
    trpo_config c = exact_trpo(radius);
    return trpo_on(p->pi, &c, NULL).kl / radius;
}

/* NPG-10   KL(theta, theta + v) > delta, though v^T F v / 2 = delta */
static double worst_by_hand(const setting *x, double *out) { (void)x; return worst(ratio_by_hand, ratio_cut, out); }
static double worst_trained(const setting *x, double *out) { (void)x; return worst(ratio_npg, ratio_trpo, out); }

static double worst_quadratic(const setting *x, double *out)
{
    (void)x;
    return worst(ratio_quadratic, ratio_quadratic, out);
}

static double ones_and_zeros(const setting *x, double *out)
{
    (void)x;
    for (int i = 0; i < RADII; i++) out[i] = 1, out[RADII + i] = 0;
    return 0;
}

static void page_of_violations(const setting *x, FILE *out)
{
    (void)x;
    enum { N = 200 };
    int over[RADII] = { 0 }, lower[RADII] = { 0 }, trpo_over = 0, tried[RADII][BACKTRACKS] = { { 0 } };
    double most[RADII] = { 0 }, least[RADII] = { INFINITY, INFINITY, INFINITY };
    for (int k = 1; k <= N; k++) {
        random_problem p = random_problem_new((uint64_t)k);
        for (int i = 0; i < RADII; i++) {
            npg_step natural = npg_on(p.pi, radii[i]);
            trpo_config c = exact_trpo(radii[i]);
            trpo_step step = trpo_on(p.pi, &c, NULL);
            over[i] += natural.kl > radii[i];
            lower[i] += natural.L <= 0;
            most[i] = fmax(most[i], natural.kl / radii[i]);
            least[i] = fmin(least[i], natural.kl / radii[i]);
            trpo_over += step.kl > radii[i];
            tried[i][(int)step.j]++;
        }
        random_problem_free(&p);
    }
    fprintf(out, "%d random problems\n%8s %10s %10s %10s %10s   TRPO: taken at j = 0, 1, 2, ...\n", N, "delta",
            "KL > delta", "least KL/d", "most KL/d", "L <= 0");
    for (int i = 0; i < RADII; i++) {
        fprintf(out, "%8g %10d %10.3f %10.3f %10d  ", radii[i], over[i], least[i], most[i], lower[i]);
        for (int j = 0; j < 4; j++) fprintf(out, " %d", tried[i][j]);
        fputc('\n', out);
    }
    fprintf(out, "KL > delta after TRPO's update: %d times\n", trpo_over);
}

/* ---- TRPO-24: backtracking, here and on one parameter, p = .5 + .45 sin theta at 1.4, A = (1, 0) - p ---- */

static int four(const setting *x) { (void)x; return 4; }

/* By the linear model: sqrt(2 delta g^T H^+ g), g = scale grad J / sum d and H = F / sum d */
static double greatest_gain(const setting *x)
{
    return sqrt(2 * delta / visited(x->pi)) * x->x_F * x->pi->fisher_scale;
}

/* What a step gains and its KL are as near as x is in the F-norm. */
static double unit_update(const setting *x)
{
    return fisher_distance_bound(x->spectrum->cond) / 10 * fmax(delta, greatest_gain(x));
}

static double wave(double theta) { return 0.5 + 0.45 * sin(theta); }

static double wave_kl(double p, double q) { return p * log(p / q) + (1 - p) * log((1 - p) / (1 - q)); }

/* The natural step: F = p'^2 / (p (1-p)), and up, because p' > 0 */
static const double wave_theta = 1.4;

static double wave_step(void)
{
    double p = wave(wave_theta), slope = 0.45 * cos(wave_theta);
    return sqrt(2 * delta * p * (1 - p)) / slope;
}

/* out: delta - KL and L of theta + alpha^j v, here and of the wave, for the least j that will do; L_too: with
 * L > 0 */
static double backtracked(const setting *x, bool L_too, double *out)
{
    int n = x->pi->n;
    double *v = allocate((size_t)n, sizeof *v, "a step"), t = 1;
    natural_step(x, delta, v);
    out[0] = delta, out[1] = 0;
    for (int j = 0; j < BACKTRACKS; j++, t *= alpha) {
        region_step step = step_along(x->pi, v, t);
        if (step.kl > delta || (L_too && step.gain <= 0)) continue;
        out[0] = delta - step.kl, out[1] = step.gain;
        break;
    }
    free(v);
    out[2] = delta, out[3] = 0, t = wave_step();
    for (int j = 0; j < BACKTRACKS; j++, t *= alpha) {
        double p = wave(wave_theta), q = wave(wave_theta + t);
        if (wave_kl(p, q) > delta || (L_too && q <= p)) continue;
        out[2] = delta - wave_kl(p, q), out[3] = q - p;
        break;
    }
    return 0;
}

static double backtracked_by_hand(const setting *x, double *out) { return backtracked(x, true, out); }
static double backtracked_on_kl(const setting *x, double *out)   { return backtracked(x, false, out); }

/* p(theta) as a node: the tape has no sine, so its series about 1.4 */
static ad wave_node(ad_tape *t, ad theta)
{
    ad h = ad_shift(theta, -wave_theta), power = ad_constant(t, 1, 1, 1), sum = ad_constant(t, 0, 1, 1);
    double factorial = 1;
    for (int k = 0; k < 24; k++, factorial *= k) {
        double derivative[] = { sin(wave_theta), cos(wave_theta), -sin(wave_theta), -cos(wave_theta) };
        sum = ad_add(sum, ad_scale(derivative[k % 4] / factorial, power));
        power = ad_mul(power, h);
    }
    return ad_shift(ad_scale(0.45, sum), 0.5);
}

/* algorithms/trpo.c: the update here, its line search on the wave. g is made from A there and from Q in the
 * setting: its rounding goes into x, and so does what CG leaves of the residual. */
static double backtracked_trained(const setting *x, double *out)
{
    trpo_config c = exact_trpo(delta);
    trpo_step step = trpo_on(x->pi, &c, NULL);
    out[0] = delta - step.kl, out[1] = step.L;
    double theta = wave_theta, up = 1;
    ad_tape *t = ad_tape_new();
    ad at = ad_input(t, &theta, 1, 1), q = wave_node(t, at), p = ad_freeze(q);
    ad kl = ad_add(ad_mul(p, ad_log(ad_div(p, q))),
                   ad_mul(ad_shift(ad_neg(p), 1), ad_log(ad_div(ad_shift(ad_neg(p), 1), ad_shift(ad_neg(q), 1)))));
    trpo_problem problem = { at, ad_sub(q, p), kl };
    trpo_line_search(&c, 1, &theta, &up, wave_step(), &problem);
    out[2] = delta - ad_scalar(kl), out[3] = ad_scalar(problem.L);
    ad_tape_free(t);
    if (step.cg_outcome != CG_CONVERGED && step.cg_outcome != CG_STAGNATED) return LEFT_OUT;
    double off = natural_step_rounding(x) + step.residual * sqrt(x->spectrum->cond);
    return off < 1e-3 ? off * fmax(delta, greatest_gain(x)) : LEFT_OUT;
}

static double zeros(const setting *x, double *out)
{
    (void)x;
    memset(out, 0, 4 * sizeof *out);
    return 0;
}

/* ---- TRPO-25: on random problems ---- */

/* Updates within the region; that gain; and, with one try only, those that leave theta as it was, bit for bit */
static double repaired(const setting *x, double *out)
{
    (void)x;
    out[0] = out[1] = GARNETS, out[2] = 0;
    for (int k = 1; k <= GARNETS; k++) {
        random_problem p = random_problem_new((uint64_t)k);
        out[2] += ratio_by_hand(&p, delta) > 1;
        random_problem_free(&p);
    }
    return 0;
}

static double repaired_trained(const setting *x, double *out)
{
    (void)x;
    out[0] = out[1] = out[2] = 0;
    for (int k = 1; k <= GARNETS; k++) {
        random_problem p = random_problem_new((uint64_t)k);
        trpo_config c = exact_trpo(delta);
        double v[RANDOM_PROBLEM_N];
        trpo_on(p.pi, &c, v);
        region_step step = step_along(p.pi, v, 1);
        out[0] += step.kl <= delta * (1 + 1e-12);
        out[1] += step.gain > 0;
        c.backtracks = 1;
        trpo_on(p.pi, &c, v);
        out[2] += linalg_max_abs(p.pi->n, v) == 0;
        random_problem_free(&p);
    }
    return 0;
}

static double not_repaired(const setting *x, double *out)
{
    (void)x;
    out[0] = out[1] = out[2] = 0;
    for (int k = 1; k <= GARNETS; k++) {
        random_problem p = random_problem_new((uint64_t)k);
        npg_step step = npg_on(p.pi, delta);
        out[0] += step.kl <= delta;
        out[1] += step.L > 0;
        out[2] += step.outcome != NPG_STEPPED;
        random_problem_free(&p);
    }
    return 0;
}

#define RANDOM "30 random problems: Garnets of 10 states, 4 actions, 3 successors; random tables"
#define WAVE "p = .5 + .45 sin theta at 1.4"

const derivation line_search[] = {
    { "TRPO-30", "trust region: the region first, then its best point; line search: the direction first",
      "f after the step", count_one, unit_ridge, NULL, NULL, {
        { "\\max_{\\|v\\|\\le1}f(v)",
          "the best point of the region: (H + mu I) v = g, mu by bisection", ridge_region },
        { "=\\max_\\phi f(\\cos\\phi,\\sin\\phi)", "found by looking all round its rim", ridge_search },
        { "\\ge\\max_\\alpha f(\\alpha g)",
          "the direction first, then the best step along it: off the ridge at once",
          ridge_line, AT_MOST },
        { "\\ge f(0)", "the start is in the region: its best point is never worse", ridge_start, AT_MOST },
        { "f(g/\\|g\\|)",
          "a step of the same length along the gradient falls off the ridge", ridge_fixed, DIFFERS } },
      "a narrow ridge, f(v) = v_1 + 10 v_2 - 50 v_2^2, from v = 0 with steps of length 1", page_of_ridge },
    { "NPG-10", "the natural step may leave the trust region: its quadratic KL is delta, its KL is not",
      "the worst KL/delta at delta = .001, .01, .1; 1 less the worst once steps are cut back", six, unit_kl_ratio,
      NULL, NULL, {
        { "\\max D_{KL}(\\theta,\\theta+v)/\\delta,\\quad\\tfrac12v^TFv=\\delta;\\quad"
          "1-\\max D_{KL}(\\theta,\\theta+\\alpha^jv)/\\delta", "by hand: v of TRPO-23; the KL itself; TRPO-24",
          worst_by_hand },
        { "=KL/\\delta;\\quad1-KL/\\delta", "algorithms/npg.c, LAPACK, one update of each; algorithms/trpo.c, CG",
          worst_trained },
        { "\\ge1;\\quad0", "so it leaves the region, at every delta; TRPO's update never does",
          ones_and_zeros, AT_MOST },
        { "\\tfrac12v^TFv/\\delta",
          "the control: if the approximation was exact", worst_quadratic, DIFFERS } },
      RANDOM, page_of_violations },
    { "TRPO-24", "backtracking: the first alpha^j of the natural step with KL <= delta and L > 0",
      "delta - KL and L; the same of " WAVE, four, unit_update, no_update, NULL, {
        { "\\theta'=\\theta+\\alpha^j\\sqrt{\\frac{2\\delta}{x^THx}}\\,x",
          "by hand, x by LAPACK; " WAVE ", in closed form",
          backtracked_by_hand },
        { "=\\theta'", "algorithms/trpo.c: an update on all pairs (s,a), CG; its line search on " WAVE,
          backtracked_trained },
        { "\\ge0", "KL <= delta and L > 0", zeros, AT_MOST },
        { "\\theta'\\ \\text{with}\\ KL\\le\\delta\\ \\text{only}",
          "001 (l.552), 004 (l.466): L is not looked at; " WAVE " falls, with a KL of .06 delta",
          backtracked_on_kl,
          DIFFERS, "ERR-57" } } },
    { "TRPO-25", "TRPO within its region where NPG is not; where nothing will do, theta stays",
      "updates with KL <= delta; with L > 0; that gave up, of one try", count_three, unit_of_one, NULL, NULL, {
        { "N,\\quad N,\\quad\\#\\{KL(\\theta,\\theta+v)>\\delta\\}",
          "all; all; those whose natural step is too long",
          repaired },
        { "=\\text{TRPO}", "algorithms/trpo.c; theta as it was, every bit", repaired_trained },
        { "\\text{NPG}", "the control: algorithms/npg.c", not_repaired, DIFFERS } },
      RANDOM },
    { .id = NULL }
};
