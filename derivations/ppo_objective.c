/* PPO's objectives: the ratio and its surrogate; clipped, in two notations, by the sign of the advantage, as a bound;
 * and the whole that is ascended, with V and the entropy. 000, eq (18)-(19), l.294-304;
 * 001 (l.611-625); 002 (l.309-346, images PPO5, PPO11-16); 004 (l.505-517); PPO's paper, eq (6), (7), (9). */
#include <float.h>
#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/ppo_clip.h"
#include "autodiff/distribution.h"
#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"
#include "derivations/performance_difference.h"
#include "derivations/policy_gradient_theorem.h"

#define EPS 0.2

/* What training takes the mean of, of one sample, and its derivative in r */
typedef ad (*clipped_mean)(ad ratio, ad A, double eps);
struct point { double L, slope; };
static struct point at(ad_tape *t, clipped_mean L, double r, double A, double eps)
{
    ad_mark start = ad_here(t);
    ad x = ad_input(t, &r, 1, 1), y = L(x, ad_input(t, &A, 1, 1), eps);
    struct point p = { ad_scalar(y), ad_scalar(ad_grad(y, x)) };
    ad_reset(t, start);
    return p;
}

static ad not_clipped(ad ratio, ad A, double eps)       { (void)eps; return ppo_L_CPI(ratio, A); }
static ad clipped_always(ad ratio, ad A, double eps)
{
    return ppo_L_CPI(ad_clip(ratio, 1 - eps, 1 + eps), A);
}
static ad clipped_inside(ad ratio, ad A, double eps)            /* ERR-60: A outside the min */
{
    return ppo_L_CPI(ad_min(ratio, ad_clip(ratio, 1 - eps, 1 + eps)), A);
}

/* ---- PPO-1, on an MDP: a sample for each (s,a), weighted N rho(s) pi_old(a|s) in place of being drawn ---- */

static int    n_and_two(const setting *x)     { return x->pi->n + 2; }
static double unit_gradient(const setting *x) { return fmax(x->pi->unit_gradient, pair_unit(x->pi, x->pi1)); }

static const char *no_ratio(const setting *x)
{
    const exact *pi = x->pi;
    if (!(linalg_max_abs(pi->nSA, pi->A) * pi->k * pi->nSA < 1e290)) return "the values are too large";
    int i = 0;
    while (i < pi->nSA && x->pi1->logpi[i] - pi->logpi[i] < 200) i++;
    return i < pi->nSA ? "pi never does what pi' does: there is no ratio" : NULL;
}

static double of_policy_gradient(const setting *x, double *out)
{
    const exact *pi = x->pi;
    gradient_theorem(pi, out);
    out[pi->n] = out[pi->n + 1] = 0;
    for (int i = 0; i < pi->nSA; i++) out[pi->n + 1] += exact_rho(pi, i / pi->nA) * x->pi1->pi[i] * pi->A[i];
    return 0;
}

/* What the ratio's log pi_old is: a constant; what follows theta; 0, so that the ratio is a probability (ERR-83) */
enum below { HELD, FOLLOWING, DROPPED };

/* PPO-1   L_CPI of theta_old's samples where the logits are z [nS x nA], [1 x 1]; deviation: max |r_t - 1| */
static ad L_CPI(ad_tape *t, const exact *pi, ad z, enum below below, double *deviation)
{
    int N = pi->nSA;
    double *weighted = allocate((size_t)N, sizeof *weighted, "advantages");
    for (int i = 0; i < N; i++)
        weighted[i] = pi->absorbing[i / pi->nA] ? 0 : N * exact_rho(pi, i / pi->nA) * pi->pi[i] * pi->A[i];
    ad logp  = ad_view(categorical_log_probabilities(z), 0, N, 1);
    ad ratio = below == HELD ? ppo_ratio(logp, ad_input(t, pi->logpi, N, 1))
             : below == FOLLOWING ? ad_exp(ad_sub(logp, logp)) : ad_exp(logp);
    ad L     = ppo_L_CPI(ratio, ad_copy(t, weighted, N, 1));
    *deviation = 0;
    for (int i = 0; i < N; i++) *deviation = linalg_greater(*deviation, fabs(ad_value(ratio)[i] - 1));
    free(weighted);
    return L;
}

static double of_surrogate(const setting *x, enum below below, double *out)
{
    const exact *pi = x->pi;
    double other;
    ad_tape *t = ad_tape_new();
    ad theta = ad_input(t, pi->theta, pi->n, 1);
    ad L = L_CPI(t, pi, policy_logits(t, &pi->policy, theta), below, &out[pi->n]);
    memcpy(out, ad_value(ad_grad(L, theta)), (size_t)pi->n * sizeof *out);
    out[pi->n + 1] = ad_scalar(L_CPI(t, pi, ad_input(t, x->pi1->logits, pi->nS, pi->nA), below, &other));
    ad_tape_free(t);
    return 0;
}

static double of_held(const setting *x, double *out)        { return of_surrogate(x, HELD, out); }
static double of_not_held(const setting *x, double *out)    { return of_surrogate(x, FOLLOWING, out); }
static double of_probability(const setting *x, double *out) { return of_surrogate(x, DROPPED, out); }

/* ERR-65: L_CPI to first order in the logits, sum_s rho sum_a pi A (z' - z) */
static double of_first_order(const setting *x, double *out)
{
    const exact *pi = x->pi;
    of_held(x, out);
    out[pi->n + 1] = 0;
    for (int i = 0; i < pi->nSA; i++)
        out[pi->n + 1] += exact_rho(pi, i / pi->nA) * pi->pi[i] * pi->A[i] * (x->pi1->logits[i] - pi->logits[i]);
    return 0;
}

/* ---- PPO-2, PPO-5, PPO-6, PPO-37: a table over r and A, eps = .2; value and slope ---- */

enum { RATIOS = 10, ADVANTAGES = 6, TABLE = RATIOS * ADVANTAGES };
static const double ratio_[RATIOS] = { 0, 0.1, 0.5, 0.79, 0.81, 1, 1.19, 1.21, 1.5, 4 };
static const double A_[ADVANTAGES] = { 0.3, 1, 5, -0.3, -1, -5 };

static int    n_table(const setting *x)    { (void)x; return 2 * TABLE; }
static int    n_half(const setting *x)     { (void)x; return TABLE; }
static double unit_table(const setting *x) { (void)x; return 5 * DBL_EPSILON; }

/* The table's rows of A from `first` to `last` - 1 */
static double tabulated(clipped_mean L, int first, int last, double *out)
{
    ad_tape *t = ad_tape_new();
    for (int i = first; i < last; i++)
        for (int j = 0; j < RATIOS; j++) {
            struct point p = at(t, L, ratio_[j], A_[i], EPS);
            *out++ = p.L;
            *out++ = p.slope;
        }
    ad_tape_free(t);
    return 0;
}

enum reading { BY_CASES, AT_BEST, ERR_61 };

/* PPO-5, PPO-6   The same by cases, no min and no clip; AT_BEST: the most to be gained, and the steepest */
static double by_cases(enum reading reading, int first, int last, double *out)
{
    for (int i = first; i < last; i++)
        for (int j = 0; j < RATIOS; j++) {
            double A = A_[i], r = ratio_[j], edge = A > 0 ? 1 + EPS : 1 - EPS;
            bool flat = reading == ERR_61 ? r > 1 + EPS : A > 0 ? r > edge : r < edge;
            *out++ = flat || reading == AT_BEST ? edge * A : r * A;
            *out++ = reading == AT_BEST ? fabs(A) : flat ? 0 : A;
        }
    return 0;
}

enum { HALF = ADVANTAGES / 2, ALL = ADVANTAGES };

/* PPO-37   r is clipped where that takes a gain away, (r-1) A > 0, and left alone elsewhere */
static double clipped_where_it_gains(const setting *x, double *out)
{
    (void)x;
    for (int i = 0; i < ALL; i++)
        for (int j = 0; j < RATIOS; j++) {
            double A = A_[i], r = ratio_[j], clipped = fmin(fmax(r, 1 - EPS), 1 + EPS);
            bool gains = (r - 1) * A > 0;
            *out++ = (gains ? clipped : r) * A;
            *out++ = gains && clipped != r ? 0 : A;
        }
    return 0;
}

static double cases_all(const setting *x, double *out)    { (void)x; return by_cases(BY_CASES, 0, ALL, out); }
static double clip_all(const setting *x, double *out)     { (void)x; return tabulated(ppo_L_clip, 0, ALL, out); }
static double inside_all(const setting *x, double *out)   { (void)x; return tabulated(clipped_inside, 0, ALL, out); }
static double always_all(const setting *x, double *out)   { (void)x; return tabulated(clipped_always, 0, ALL, out); }

static double cases_up(const setting *x, double *out)     { (void)x; return by_cases(BY_CASES, 0, HALF, out); }
static double clip_up(const setting *x, double *out)      { (void)x; return tabulated(ppo_L_clip, 0, HALF, out); }
static double best_up(const setting *x, double *out)      { (void)x; return by_cases(AT_BEST, 0, HALF, out); }
static double rising_up(const setting *x, double *out)    { (void)x; return tabulated(not_clipped, 0, HALF, out); }

static double cases_down(const setting *x, double *out)   { (void)x; return by_cases(BY_CASES, HALF, ALL, out); }
static double clip_down(const setting *x, double *out)    { (void)x; return tabulated(ppo_L_clip, HALF, ALL, out); }
static double best_down(const setting *x, double *out)    { (void)x; return by_cases(AT_BEST, HALF, ALL, out); }
static double printed_down(const setting *x, double *out) { (void)x; return by_cases(ERR_61, HALF, ALL, out); }

/* ---- PPO-4, PPO-8: random r, A, eps ---- */

enum { SAMPLES = 100000, SLOPES = 1000 };
struct sample { double r, A, eps; };

static struct sample draw(gsl_rng *rng, int k)
{
    static const double eps[] = { 0.1, 0.2, 0.3 };
    struct sample b = { .eps = eps[gsl_rng_uniform_int(rng, 3)] };
    b.r = exp(gsl_ran_gaussian(rng, 0.4));
    b.A = gsl_ran_gaussian(rng, 1);
    if (k % 100 == 0) b.A = 0;                                  /* and the kinks */
    if (k % 100 == 1) b.r = 1 + b.eps;
    if (k % 100 == 2) b.r = 1 - b.eps;
    return b;
}

static int    n_samples(const setting *x)  { (void)x; return SAMPLES; }
static double unit_no_ulp(const setting *x) { (void)x; return 1e-17; }

static double at_samples(const setting *x, clipped_mean L, double *out)
{
    gsl_rng *rng = random_stream(x->seed, 0, RANDOM_TEST);
    ad_tape *t = ad_tape_new();
    for (int k = 0; k < SAMPLES; k++) {
        struct sample b = draw(rng, k);
        ad_mark start = ad_here(t);
        out[k] = ad_scalar(L(ad_input(t, &b.r, 1, 1), ad_input(t, &b.A, 1, 1), b.eps));
        ad_reset(t, start);
    }
    ad_tape_free(t);
    gsl_rng_free(rng);
    return 0;
}

static ad g_of_minus_eps(ad ratio, ad A, double eps) { return ppo_L_g(ratio, A, -eps); }

static double clip_at_samples(const setting *x, double *out) { return at_samples(x, ppo_L_clip, out); }
static double g_at_samples(const setting *x, double *out)    { return at_samples(x, ppo_L_g, out); }
static double g_with_sides_swapped(const setting *x, double *out) { return at_samples(x, g_of_minus_eps, out); }

/* PPO-8   Values at the samples; then at r = 1, for A of both signs, the slope and minus it: a bound of both is
 * equality */
static int n_and_slopes(const setting *x) { (void)x; return SAMPLES + 2 * SLOPES; }

static double and_slopes(const setting *x, clipped_mean L, double *out)
{
    gsl_rng *rng = random_stream(x->seed, 1, RANDOM_TEST);
    ad_tape *t = ad_tape_new();
    at_samples(x, L, out);
    for (int k = 0; k < SLOPES; k++) {
        double slope = at(t, L, 1, gsl_ran_gaussian(rng, 1), EPS).slope;
        out[SAMPLES + 2 * k] = slope;
        out[SAMPLES + 2 * k + 1] = -slope;
    }
    ad_tape_free(t);
    gsl_rng_free(rng);
    return 0;
}

static double bound_CPI(const setting *x, double *out)      { return and_slopes(x, not_clipped, out); }
static double bound_clip(const setting *x, double *out)     { return and_slopes(x, ppo_L_clip, out); }
static double bound_always(const setting *x, double *out)   { return and_slopes(x, clipped_always, out); }

/* ---- PPO-9: from r = 1 along the slope to where there is none ---- */

enum { ENDS = 8 };
#define FURTHEST 10.0
static double end_eps(int k) { return k % 2 ? 0.1 : 0.2; }
static double end_A(int k)   { return (double[]){ 1, 0.25, -1, -4 }[k / 2]; }

static int n_ends(const setting *x) { (void)x; return ENDS; }

/* PPO-9   Between 1 and the furthest r there is, by halves: the last with a slope */
static double ascended(clipped_mean L, double *out)
{
    ad_tape *t = ad_tape_new();
    for (int k = 0; k < ENDS; k++) {
        double A = end_A(k), eps = end_eps(k), here = 1, there = A > 0 ? FURTHEST : 0;
        for (int i = 0; i < 60; i++) {
            double half = (here + there) / 2;
            if (at(t, L, half, A, eps).slope * A > 0) here = half; else there = half;
        }
        out[k] = here;
    }
    ad_tape_free(t);
    return 0;
}

static double at_edges(const setting *x, double *out)
{
    (void)x;
    for (int k = 0; k < ENDS; k++) out[k] = end_A(k) > 0 ? 1 + end_eps(k) : 1 - end_eps(k);
    return 0;
}

static double ascended_clip(const setting *x, double *out) { (void)x; return ascended(ppo_L_clip, out); }
static double ascended_CPI(const setting *x, double *out)  { (void)x; return ascended(not_clipped, out); }

static void page_of_clip(const setting *x, FILE *out)
{
    ad_tape *t = ad_tape_new();
    (void)x;
    fprintf(out, "            A = 1              A = -1          eps = %g\n   r     L^CLIP  slope      L^CLIP"
            "  slope\n", EPS);
    for (int k = 0; k <= 10; k++) {
        double r = 0.5 + 0.1 * k + (k == 3 || k == 7 ? 1e-9 * (k - 5) : 0);     /* beside the kinks: outside */
        struct point up = at(t, ppo_L_clip, r, 1, EPS), down = at(t, ppo_L_clip, r, -1, EPS);
        fprintf(out, "%5.2f %9.2f %6g %11.2f %6g%s\n", r, up.L, up.slope + 0.0, down.L, down.slope + 0.0,
                k == 5 ? "   the start: r = 1" : "");
    }
    ad_tape_free(t);
}

/* ---- PPO-15: J = L - c1 L_VF + c2 S on six samples, and its derivatives in logits and V ---- */

enum { T15 = 6, K15 = 3, N15 = 1 + T15 * (K15 + 1) };
static const double c1 = 0.5, c2 = 0.01;
static const int a15[T15] = { 0, 1, 2, 0, 1, 2 };

struct six { double z[T15 * K15], logp_old[T15], A[T15], V[T15], R[T15]; };
static struct six six(void)
{
    struct six b;
    for (int i = 0; i < T15 * K15; i++) b.z[i] = sin(3.0 * i);
    for (int t = 0; t < T15; t++) {
        b.logp_old[t] = -0.2 - 0.4 * t;
        b.A[t] = cos(2.0 * t);
        b.V[t] = sin(t + 0.5);
        b.R[t] = b.V[t] + 0.7 * cos(5.0 * t);
    }
    return b;
}

static int    n_six(const setting *x)    { (void)x; return N15; }
static double unit_six(const setting *x) { (void)x; return 4 * T15 * DBL_EPSILON; }

static double six_by_hand(const setting *x, double *out)
{
    const struct six b = six();
    long double J = 0;
    (void)x;
    for (int t = 0; t < T15; t++) {
        long double Z = 0, pi[K15], H = 0, A = b.A[t], e = b.V[t] - b.R[t];
        for (int a = 0; a < K15; a++) Z += expl(b.z[t * K15 + a]);
        for (int a = 0; a < K15; a++) pi[a] = expl(b.z[t * K15 + a]) / Z, H -= pi[a] * logl(pi[a]);
        long double r = pi[a15[t]] / expl(b.logp_old[t]);
        bool flat = A > 0 ? r > 1 + EPS : r < 1 - EPS;
        J += (flat ? (A > 0 ? 1 + EPS : 1 - EPS) * A : r * A) - c1 * e * e + c2 * H;
        for (int a = 0; a < K15; a++)
            out[1 + t * K15 + a] = (double)(((flat ? 0 : r * A * ((a == a15[t]) - pi[a]))
                                             - c2 * pi[a] * (logl(pi[a]) + H)) / T15);
        out[1 + T15 * K15 + t] = (double)(-2 * c1 * e / T15);
    }
    out[0] = (double)(J / T15);
    return 0;
}

static double six_in_training(double sign_V, double *out)
{
    const struct six b = six();
    ad_tape *t = ad_tape_new();
    ad z = ad_input(t, b.z, T15, K15), V = ad_input(t, b.V, T15, 1), g[2];
    ad ratio = ppo_ratio(categorical_logp(z, a15), ad_input(t, b.logp_old, T15, 1));
    ad J = ppo_objective(ppo_L_clip(ratio, ad_input(t, b.A, T15, 1), EPS), ppo_L_VF(V, ad_input(t, b.R, T15, 1)),
                         ad_mean(categorical_entropy(z)), sign_V * c1, c2);
    ad_grads(J, 2, ((ad[]){ z, V }), g);
    out[0] = ad_scalar(J);
    memcpy(out + 1, ad_value(g[0]), sizeof b.z);
    memcpy(out + 1 + T15 * K15, ad_value(g[1]), sizeof b.V);
    ad_tape_free(t);
    return 0;
}

static double six_trained(const setting *x, double *out)   { (void)x; return six_in_training(1, out); }
static double six_wrong_sign(const setting *x, double *out) { (void)x; return six_in_training(-1, out); }

#define GRID_OF_R "A = +-.3, +-1, +-5 with r from 0 to 4, eps = .2"

const derivation ppo_objectives[] = {
    { "PPO-1", "L^CPI: the ratio is 1 at theta_old, and the gradient there that of J",
      "the gradient at theta_old; max |r_t - 1|; L^CPI(theta')", n_and_two, unit_gradient, no_ratio, NULL, {
        { "\\nabla_\\theta J(\\theta_{old}),\\quad0,\\quad\\sum_s\\rho_{old}(s)\\sum_a\\pi'(a|s)A_{old}(s,a)",
          "the policy gradient theorem; the surrogate by its definition", of_policy_gradient },
        { "=\\nabla_\\theta\\hat E_t[r_t(\\theta)\\hat A_t],\\quad\\max|r_t(\\theta_{old})-1|,\\quad"
          "\\hat E_t[r_t(\\theta')\\hat A_t],\\quad r_t=\\frac{\\pi_\\theta(a_t|s_t)}{\\pi_{old}(a_t|s_t)}",
          "what training ascends, each (s,a) weighted by rho_old(s) pi_old(a|s)", of_held },
        { "\\pi_\\theta/\\pi_\\theta=1",
          "the control: pi_old follows pi, not held constant, and nothing is left to"
          " ascend", of_not_held, DIFFERS },
        { "r_t=\\pi_\\theta(a_t|s_t)",
          "002 (l.345): r is the probability of the action. It is a ratio of two: at theta_old it is 1, and only so"
          " the gradient is J's", of_probability, DIFFERS, "ERR-83" },
        { "\\sum_s\\rho_{old}(s)\\sum_a\\pi_{old}(a|s)A_{old}(s,a)(z'_{sa}-z_{sa}),\\quad\\pi=\\mathrm{softmax}(z)",
          "002 (l.290-298): PPO goes to first order only. Its method does; its objective is the surrogate itself."
          " It is TRPO that takes the linear one", of_first_order, DIFFERS, "ERR-65" } } },
    { "PPO-2", "the clipped surrogate of a sample, by cases", "L and dL/dr", n_table, unit_table, NULL, NULL, {
        { "A>0:\\ rA\\text{ to }r=1+\\epsilon,\\text{ then flat};\\quad A<0:\\ \\text{flat to }r=1-\\epsilon,"
          "\\text{ then }rA", "by cases, with neither min nor clip", cases_all },
        { "=\\min(r\\hat A,\\mathrm{clip}(r,1-\\epsilon,1+\\epsilon)\\hat A)", "the training code's", clip_all },
        { "\\min(r,\\mathrm{clip}(r,1-\\epsilon,1+\\epsilon))\\hat A",
          "004 (l.517) has the advantage outside: A < 0 makes a max of the min, and pushes r down without"
          " limit", inside_all, DIFFERS, "ERR-60" } },
      GRID_OF_R },
    { "PPO-4", "Spinning Up's notation: min(r A, g(eps, A))", "L at 100000 random r, A, eps",
      n_samples, unit_no_ulp,
      NULL, NULL, {
        { "\\min(r\\hat A,\\mathrm{clip}(r,1-\\epsilon,1+\\epsilon)\\hat A)", "PPO-2, as trained",
          clip_at_samples },
        { "=\\min(r\\hat A,g(\\epsilon,\\hat A)),\\quad g=(1+\\epsilon)A\\text{ for }A\\ge0,\\ "
          "(1-\\epsilon)A\\text{ for }A<0",
          "the same to the last bit", g_at_samples },
        { "g(-\\epsilon,\\hat A)", "the control: the two sides exchanged", g_with_sides_swapped, DIFFERS } },
      "random samples: r log-normal, A normal, eps = .1, .2, .3; A = 0 and r = 1 +- eps among them" },
    { "PPO-5", "A > 0: min(r, 1+eps) A, nothing is gained beyond 1+eps", "L and dL/dr", n_half, unit_table,
      NULL, NULL, {
        { "\\min(r,1+\\epsilon)A,\\quad\\text{slope }A,\\text{ or }0", "by cases", cases_up },
        { "=L^{CLIP}", "the training code's", clip_up },
        { "\\le(1+\\epsilon)A,\\quad\\text{slope}\\le A", "what can be gained", best_up, AT_LEAST },
        { "rA", "the control: not clipped", rising_up, DIFFERS } },
      GRID_OF_R },
    { "PPO-6", "A < 0: max(r, 1-eps) A, nothing is gained below 1-eps; above 1+eps the slope lives", "L and dL/dr",
      n_half, unit_table, NULL, NULL, {
        { "\\max(r,1-\\epsilon)A,\\quad\\text{slope }A,\\text{ or }0", "by cases", cases_down },
        { "=L^{CLIP}", "the training code's", clip_down },
        { "\\le(1-\\epsilon)A,\\quad\\text{slope}\\le|A|", "what can be gained", best_down, AT_LEAST },
        { "\\pi_\\theta>(1+\\epsilon)\\pi_{\\theta_k}:\\ (1-\\epsilon)A",
          "002 (l.324) prints <> (1+eps) for < (1-eps). Read as > (1+eps); as \"not equal\" it would be flat"
          " everywhere", printed_down, DIFFERS, "ERR-61" } },
      GRID_OF_R },
    { "PPO-8", "L^CLIP <= L^CPI for each sample, and equal to first order at theta_old",
      "L at 100000 random r, A, eps; +- dL/dr at r = 1", n_and_slopes, unit_no_ulp, NULL, NULL, {
        { "r\\hat A;\\quad\\pm\\tfrac{d}{dr}r\\hat A", "L^CPI", bound_CPI },
        { "\\ge\\min(r\\hat A,\\mathrm{clip}(r)\\hat A);\\quad\\pm\\tfrac{d}{dr}\\text{ at }r=1",
          "one of two, the lesser; both signs of the slope bounded: equal. A bound of the surrogate, not of J",
          bound_clip, AT_MOST },
        { "\\mathrm{clip}(r)\\hat A", "the control: without the min it is no bound", bound_always, DIFFERS } },
      "random samples: r log-normal, A normal, eps = .1, .2, .3; A = 0 and r = 1 +- eps among them" },
    { "PPO-9", "from r = 1 the slope leads to 1+eps where A > 0, to 1-eps where A < 0", "where the slope ends",
      n_ends, unit_table, NULL, NULL, {
        { "1+\\epsilon\\,\\mathrm{sign}(A)", "the corners of the two pictures", at_edges },
        { "=\\text{the last }r\\text{ with }\\tfrac{d}{dr}L^{CLIP}\\cdot A>0",
          "from the red dot, r = 1, by halves;"
          " 002 (l.346) calls r the probability of the action: it is a ratio of two", ascended_clip },
        { "L^{CPI}", "the control: not clipped, it ends nowhere before r = 10, or 0", ascended_CPI, DIFFERS } },
      "A = 1, 1/4, -1, -4 with eps = .2 and .1", page_of_clip },
    { "PPO-15", "J = L^CLIP - c1 L^VF + c2 S, and its gradient", "J; its derivatives in logits and V",
      n_six, unit_six, NULL, NULL, {
        { "\\hat E_t[L^{CLIP}_t-c_1(V-V^{targ})^2+c_2S]", "by cases, in closed form", six_by_hand },
        { "=L^{CLIP+VF+S}", "the training code's", six_trained },
        { "+c_1(V-V^{targ})^2", "the control: V's error with the sign of what is ascended", six_wrong_sign,
          DIFFERS } },
      "six samples of three actions, c1 = .5, c2 = .01" },
    { "PPO-37", "a ratio outside the range is clipped: where the sample would gain by leaving it", "L and dL/dr",
      n_table, unit_table, NULL, NULL, {
        { "(r-1)A>0:\\ \\mathrm{clip}(r,1-\\epsilon,1+\\epsilon)A;\\quad\\text{else }rA",
          "as it is printed, by the sign of (r-1)A", clipped_where_it_gains },
        { "=L^{CLIP}", "the training code's", clip_all },
        { "\\mathrm{clip}(r,1-\\epsilon,1+\\epsilon)A",
          "the control: clipped on both sides, it does not see a sample that has gone the wrong way; nor is"
          " what it is clipped to a small value", always_all, DIFFERS } },
      GRID_OF_R },
    { .id = NULL }
};
