/* PPO's penalty on the KL: what maximises the penalised surrogate (kl_maximiser.h); that a smaller weight lets it go
 * further; the rule that adapts the weight; and that a bound on the KL and a weight on it are two names of one family
 * of policies. 002 (l.355-358, images PPO3, PPO7), 004 (l.484-502), 001 (l.562-600), 000 (l.272, l.318); PPO's paper,
 * section 4.
 *
 * The surrogate of a table separates: E_s[ sum_a pi(a|s) A(s,a) - beta KL_s ], E_s over the decision states
 * as in kl_over_states.h, is greatest where each state's part is. Advantages are in units of the greatest,
 * max|A|, and so is beta. */
#include <float.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_roots.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/ppo_penalty.h"
#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"
#include "derivations/kl_maximiser.h"
#include "derivations/kl_over_states.h"
#include "derivations/trust_region.h"

static const double LEAST_PI = 1e-9;            /* of pi_old, for ratios and Newton's steps to keep their digits */

static const char *not_applicable(const setting *x)
{
    const exact *pi = x->pi;
    if (!(visited(pi) > 0)) return "no state is visited where there is something to decide";
    if (!(penalty_unit(pi) > 1e3 * pi->unit_V)) return "no action is better than another";
    for (int i = 0; i < pi->nSA; i++)
        if (!pi->absorbing[i / pi->nA] && pi->pi[i] < LEAST_PI) return "pi hardly ever does what pi' may do";
    return NULL;
}

/* ---- PPO-20, PPO-21: the maximiser at two betas ---- */

enum { BETAS = 2 };
static const double betas[BETAS] = { 0.1, 1 };

static int n_maximisers(const setting *x) { return BETAS * x->pi->nSA; }

/* Each probability from nA terms, right to some u of itself; exp(A/beta) with |A/beta| <= 10 */
static double unit_maximiser(const setting *x) { return 4 * x->pi->nA * DBL_EPSILON / betas[0]; }

static double at_betas(const setting *x, enum direction direction, enum account account, double *out)
{
    for (int k = 0; k < BETAS; k++) maximisers(x->pi, betas[k], direction, account, out + k * x->pi->nSA);
    return 0;
}

static double newton_old_new(const setting *x, double *out) { return at_betas(x, OLD_NEW, NEWTON, out); }
static double closed_old_new(const setting *x, double *out) { return at_betas(x, OLD_NEW, CLOSED, out); }
static double newton_new_old(const setting *x, double *out) { return at_betas(x, NEW_OLD, NEWTON, out); }
static double closed_new_old(const setting *x, double *out) { return at_betas(x, NEW_OLD, CLOSED, out); }

/* ---- PPO-25: beta from 1/64 to 64 max|A| ---- */

enum { GRID = 13 };
static double beta_at(int k) { return ldexp(1, k - 6); }

/* PPO-25   E_s[KL(pi_old||pi)] */
static double mean_kl(const exact *x, const double *pi)
{
    double *logp = kl_table(x, pi), kl = kl_mean(x, x->logpi, logp);
    free(logp);
    return kl;
}

static double kl_of_maximiser(const exact *x, double beta)
{
    double *pi = allocate((size_t)x->nSA, sizeof *pi, "a policy");
    maximisers(x, beta, OLD_NEW, CLOSED, pi);
    double kl = mean_kl(x, pi);
    free(pi);
    return kl;
}

static int    n_grid(const setting *x)  { (void)x; return GRID; }
static double unit_kl(const setting *x) { return 4 * x->pi->nA * DBL_EPSILON; }

static double kl_at(const setting *x, double *out)
{
    for (int k = 0; k < GRID; k++) out[k] = kl_of_maximiser(x->pi, beta_at(k));
    return 0;
}

static double kl_at_twice(const setting *x, double *out)
{
    for (int k = 0; k < GRID; k++) out[k] = kl_of_maximiser(x->pi, 2 * beta_at(k));
    return 0;
}

/* E_s[max_a A(s,a)]: at most what the surrogate can gain */
static double gain(const exact *x)
{
    double sum = 0, all = visited(x);
    for (int s = 0; s < x->nS; s++) {
        double best = -INFINITY;
        for (int a = 0; a < x->nA; a++) best = fmax(best, x->A[s * x->nA + a] / penalty_unit(x));
        if (!x->absorbing[s]) sum += x->d[s] / all * best;
    }
    return sum;
}

/* L(pi*) >= L(pi_old) = 0: beta KL <= E_s[sum_a pi*(a|s) A(s,a)] <= gain */
static double kl_at_most(const setting *x, double *out)
{
    for (int k = 0; k < GRID; k++) out[k] = gain(x->pi) / beta_at(k);
    return 0;
}

/* PPO-22 at one pi_old for ever: does beta come to rest? */
static bool rests(const exact *x, double delta)
{
    double beta = 1, last = NAN;
    for (int k = 0; k < 60; k++) {
        last = beta;
        beta = ppo_beta_of_target(beta, kl_of_maximiser(x, beta), delta);
    }
    return beta == last;
}

enum { DELTAS = 24 };
static void page_of_betas(const setting *x, FILE *out)
{
    int at_rest = 0;
    fprintf(out, "beta / max|A|   mean KL(pi_old||pi*)\n");
    for (int k = 0; k < GRID; k++) fprintf(out, "%13g   %.6g\n", beta_at(k), kl_of_maximiser(x->pi, beta_at(k)));
    for (int k = 0; k < DELTAS; k++) at_rest += rests(x->pi, kl_of_maximiser(x->pi, 1) * exp2(k / 12.0 - 1));
    fprintf(out, "For large beta the KL falls as 1/beta^2: twice the beta is a quarter of the KL. The band of PPO-22"
            ",\n[delta/1.5, 1.5 delta], is only 2.25 wide, so the rule may jump over it and back. With this pi_old"
            " for ever\nbeta comes to rest for %d of %d deltas; for the others it goes up and down without end.\n",
            at_rest, DELTAS);
}

/* ---- TRPO-28: a bound on the mean KL, and a weight on it ---- */

/* TRPO-28   max over pi of t E_s[sum_a pi(a|s) A(s,a)] + ln(delta - KL(pi)): to 1/t the surrogate's maximum under a
 * mean KL of at most delta. Arrays [nSA]; what belongs to absorbing states is 0. all: sum d */
#define INTERIOR_T 1e12                         /* the last t */
struct bounded { const exact *x; double all, *A, *pi, *gradient, *curvature, *kl_gradient, *step, *along; };

static struct bounded bounded_new(const exact *x)
{
    size_t n = (size_t)x->nSA;
    struct bounded b = { x, visited(x), .A = allocate(7 * n, sizeof(double), "an interior point") };
    b.pi = b.A + n, b.gradient = b.pi + n, b.curvature = b.gradient + n, b.kl_gradient = b.curvature + n;
    b.step = b.kl_gradient + n, b.along = b.step + n;
    memcpy(b.pi, x->pi, n * sizeof(double));
    for (int s = 0; s < x->nS; s++) if (!x->absorbing[s]) penalty_gaps(x, s, b.A + s * x->nA);
    return b;
}

/* y: diag(curvature) y + nu(s) = w, sum_a y(a|s) = 0, state by state */
static void solve_by_state(const struct bounded *b, const double *w, double *y)
{
    for (int s = 0, nA = b->x->nA; s < b->x->nS; s++) {
        double above = 0, below = 0;
        bool counts = !b->x->absorbing[s] && b->x->d[s] > 0;
        for (int i = s * nA; i < (s + 1) * nA && counts; i++)
            above += w[i] / b->curvature[i], below += 1 / b->curvature[i];
        for (int i = s * nA; i < (s + 1) * nA; i++)
            y[i] = counts ? (w[i] - above / below) / b->curvature[i] : 0;
    }
}

/* Newton's step at a slack of delta - KL(pi); the second derivative is diagonal but for a product of two vectors,
 * which Sherman and Morrison's formula takes out. Returns the decrement. */
static double bounded_step(struct bounded *b, double t, double slack)
{
    const exact *x = b->x;
    for (int i = 0; i < x->nSA; i++) {
        double d = x->absorbing[i / x->nA] ? 0 : x->d[i / x->nA] / b->all, f = d * x->pi[i] / b->pi[i] / slack;
        b->kl_gradient[i] = -f;                                             /* over the slack */
        b->gradient[i] = -(t * d * b->A[i] + f);
        b->curvature[i] = -f / b->pi[i];
    }
    solve_by_state(b, b->gradient, b->step);
    solve_by_state(b, b->kl_gradient, b->along);
    double c = linalg_dot(x->nSA, b->kl_gradient, b->step) / (1 - linalg_dot(x->nSA, b->kl_gradient, b->along));
    for (int i = 0; i < x->nSA; i++) b->step[i] += c * b->along[i];
    return sqrt(fmax(0, -linalg_dot(x->nSA, b->gradient, b->step)));
}

/* As far along the step as f of it keeps probabilities positive and the KL below delta; what is left of the
 * bound */
static double move(struct bounded *b, double f, double delta)
{
    const exact *x = b->x;
    for (double slack;; f /= 2) {
        bool inside = true;
        for (int i = 0; i < x->nSA; i++) b->along[i] = b->pi[i] + f * b->step[i];
        for (int i = 0; i < x->nSA; i++) inside &= x->absorbing[i / x->nA] || b->along[i] > 0;
        if (!inside || !((slack = delta - mean_kl(x, b->along)) > 0)) continue;
        memcpy(b->pi, b->along, (size_t)x->nSA * sizeof *b->pi);
        return slack;
    }
}

/* beta of A(a) + beta pi_old(a)/pi(a) = mu(s), by the two actions of one state that differ most */
static double multiplier(const struct bounded *b)
{
    double beta = 0, widest = 0;
    for (int s = 0, nA = b->x->nA; s < b->x->nS; s++)
        for (int i = s * nA; i < (s + 1) * nA && b->x->d[s] > 0 && !b->x->absorbing[s]; i++)
            for (int j = s * nA; j < i; j++) {
                double A = b->A[i] - b->A[j], f = b->x->pi[j] / b->pi[j] - b->x->pi[i] / b->pi[i];
                if (fabs(A) > widest) widest = fabs(A), beta = A / f;
            }
    return beta;
}

/* out(s,a) = d(s) pi(a|s) / sum d */
static void weigh(const exact *x, const double *pi, double *out)
{
    double all = visited(x);
    for (int i = 0; i < x->nSA; i++) out[i] = x->absorbing[i / x->nA] ? 0 : x->d[i / x->nA] / all * pi[i];
}

/* out [nSA + 1]: pi(a|s) of the argmax of the surrogate under KL <= delta, times the state's share of the
 * visits, and the multiplier of the bound: where pi_old never goes nothing is asked. */
static void constrained(const exact *x, double delta, double *out)
{
    struct bounded b = bounded_new(x);
    double slack = delta;
    for (double t = 1; t < 2 * INTERIOR_T; t *= 10) {
        double decrement = INFINITY;
        for (int k = 0; k < 100 && decrement > 1e-3; k++) {
            decrement = bounded_step(&b, t, slack);
            slack = move(&b, decrement > 0.25 ? 1 / (1 + decrement) : 1, delta);
        }
    }
    weigh(x, b.pi, out);
    out[x->nSA] = multiplier(&b);
    free(b.A);
}

static void penalised(const exact *x, double beta, double *out)
{
    maximisers(x, beta, OLD_NEW, CLOSED, out);
    weigh(x, out, out);
    out[x->nSA] = beta;
}

struct reached { const exact *x; double delta; };
static double kl_beyond(double log_beta, void *context)
{
    const struct reached *r = context;
    return kl_of_maximiser(r->x, exp(log_beta)) - r->delta;
}

/* beta with KL(pi_old||pi_beta) = delta: at gain/delta the KL is delta at most (PPO-25) */
static double beta_of(const exact *x, double delta)
{
    struct reached r = { x, delta };
    double high = log(gain(x) / delta), low = high - 1;
    while (kl_beyond(low, &r) < 0) low -= 1;
    gsl_root_fsolver *solver = gsl_root_fsolver_alloc(gsl_root_fsolver_brent);
    if (!solver) out_of_memory(0, "a root");
    gsl_function f = { kl_beyond, &r };
    gsl_root_fsolver_set(solver, &f, low, high + 1e-9);
    for (int k = 0, status = GSL_CONTINUE; k < 100 && status == GSL_CONTINUE; k++) {
        gsl_root_fsolver_iterate(solver);
        status = gsl_root_test_interval(gsl_root_fsolver_x_lower(solver), gsl_root_fsolver_x_upper(solver), 1e-14, 0);
    }
    double beta = exp(gsl_root_fsolver_root(solver));
    gsl_root_fsolver_free(solver);
    return beta;
}

enum { FORMS = 4 };                             /* two bounds and their weights, two weights and their bounds */
static const double share[2] = { 0.01, 0.1 }, weight[2] = { 1, 0.25 };    /* delta over the gain; beta */

static const char *not_bounded(const setting *x)
{
    const char *reason = not_applicable(x);
    if (reason) return reason;
    return kl_of_maximiser(x->pi, weight[0]) < 1e-4 ? "there is next to nothing to be gained where pi goes" : NULL;
}

static int    n_forms(const setting *x) { return FORMS * (x->pi->nSA + 1); }

static double delta_of_form(const exact *pi, int k)
{
    return k < 2 ? share[k] * gain(pi) : kl_of_maximiser(pi, weight[k - 2]);
}

static double beta_of_form(const exact *pi, int k)
{
    return k < 2 ? beta_of(pi, share[k] * gain(pi)) : weight[k - 2];
}

/* The interior point stops at a KL of delta - slack, slack = 1/(t beta), and is exact there: beta moves by
 * slack/delta of itself at most where delta is small (beta falls like delta^-1/2), by slack where it is large
 * (like e^-delta). To that comes a KL's rounding, 4 nA u, in place of the slack. */
static double unit_form(const setting *x)
{
    double unit = 0;
    for (int k = 0; k < FORMS; k++) {
        double delta = delta_of_form(x->pi, k), beta = beta_of_form(x->pi, k);
        double slack = 1 / (INTERIOR_T * beta) + 4 * x->pi->nA * DBL_EPSILON;
        unit = fmax(unit, fmax(1, beta) * slack * (1 + 1 / delta) / 10);
    }
    return unit;
}

static double by_bound(const setting *x, double *out)
{
    const exact *pi = x->pi;
    for (int k = 0; k < FORMS; k++)
        constrained(pi, delta_of_form(pi, k), out + k * (pi->nSA + 1));
    return 0;
}

static double by_weights(const setting *x, double times, double *out)
{
    const exact *pi = x->pi;
    for (int k = 0; k < FORMS; k++)
        penalised(pi, times * beta_of_form(pi, k), out + k * (pi->nSA + 1));
    return 0;
}

static double by_weight(const setting *x, double *out)     { return by_weights(x, 1, out); }
static double by_another(const setting *x, double *out)    { return by_weights(x, 1.01, out); }

/* TRPO-10's optimum under the same bounds, trust_region.c: state by state by Newton's method, A as it is */
static double by_region(const setting *x, double *out)
{
    const exact *pi = x->pi;
    double *p = allocate((size_t)pi->nSA, sizeof *p, "a policy");
    for (int k = 0; k < FORMS; k++) {
        region_optimum optimum = trust_region_mean(pi, delta_of_form(pi, k), p);
        weigh(pi, p, out + k * (pi->nSA + 1));
        out[k * (pi->nSA + 1) + pi->nSA] = optimum.eta / penalty_unit(pi);
    }
    free(p);
    return 0;
}

/* ---- PPO-22, PPO-23: one beta through updates that leave these mean KLs, in units of delta = 3/128 ---- */

enum { TURNS = 16 };
static const double delta_ = 3.0 / 128;         /* delta/1.5 and 1.5 delta have no rounding */
static const double left[TURNS] = { 0, 0.5, 0.66, 2.0 / 3, 0.67, 1, 1.49, 1.5, 1.51, 1.9, 2.5, 9, 1.5, 0.6, 0.1, 1 };

static int    n_turns(const setting *x)    { (void)x; return TURNS; }
static double unit_turns(const setting *x) { (void)x; return DBL_EPSILON; }

static double left_at(int k) { return k == 3 ? delta_ / 1.5 : left[k] * delta_; }

/* By the page: halved, doubled, or neither, as a power of two */
static double rule_by_hand(const setting *x, double *out)
{
    (void)x;
    for (int k = 0, power = 0; k < TURNS; k++) {
        power += (2 * left_at(k) > 3 * delta_) - (3 * left_at(k) < 2 * delta_);
        out[k] = ldexp(1, power);
    }
    return 0;
}

/* beta <- beta decrease where d < low delta, beta increase where d > high delta */
static double rule_with(double low, double high, double decrease, double increase, double *out)
{
    double beta = 1;
    for (int k = 0; k < TURNS; k++) {
        double d = left_at(k);
        out[k] = beta = d < low * delta_ ? beta * decrease : d > high * delta_ ? beta * increase : beta;
    }
    return 0;
}

static double rule_of_target(const setting *x, double *out)
{
    double beta = 1;
    (void)x;
    for (int k = 0; k < TURNS; k++) out[k] = beta = ppo_beta_of_target(beta, left_at(k), delta_);
    return 0;
}

static double rule_of_bounds(const setting *x, double *out)
{
    double beta = 1;
    (void)x;
    for (int k = 0; k < TURNS; k++)
        out[k] = beta = ppo_beta_of_bounds(beta, left_at(k), delta_ / 1.5, 1.5 * delta_, 2);
    return 0;
}

static double rule_of_000(const setting *x, double *out)     { (void)x; return rule_with(1.5, 1.5, 0.5, 2, out); }
static double rule_of_001(const setting *x, double *out)     { (void)x; return rule_with(0.5, 2, 2 / 3.0, 1.5, out); }
static double rule_of_library(const setting *x, double *out) { (void)x; return rule_with(0.5, 2, 0.5, 1.5, out); }

const derivation kl_penalty[] = {
    { "PPO-20", "the penalised surrogate's maximiser: pi_old(a) beta / (mu - A(a))",
      "pi*(a|s), beta = .1 and 1 max|A|", n_maximisers, unit_maximiser, not_applicable, NULL, {
        { "\\arg\\max_\\pi\\hat E_t[r_t\\hat A_t-\\beta KL[\\pi_{old}(\\cdot|s_t),\\pi(\\cdot|s_t)]]",
          "Newton's method on what training maximises, all probabilities free but for their sum", newton_old_new },
        { "=\\pi_{old}(a|s)\\frac{\\beta}{\\mu(s)-A(s,a)},\\quad\\sum_a\\pi(a|s)=1",
          "A(a) + beta pi_old(a)/pi(a) = mu(s) for all a: the derivative is the same in each; mu by a root. 004 drops"
          " the Lagrangian's beta delta, which no pi moves", closed_old_new },
        { "\\pi_{old}(a|s)\\,e^{A(s,a)/\\beta}/Z(s)", "the control: the maximiser with the KL the other way round",
          closed_new_old, DIFFERS } } },
    { "PPO-21", "with KL(new||old) for the penalty the maximiser is pi_old exp(A/beta) / Z",
      "pi*(a|s), beta = .1 and 1 max|A|", n_maximisers, unit_maximiser, not_applicable, NULL, {
        { "\\arg\\max_{\\theta'}E_{\\pi_\\theta}[\\tfrac{\\pi_{\\theta'}}{\\pi_\\theta}A^{\\pi_\\theta}]-"
          "\\beta D_{KL}(\\pi_{\\theta'}\\|\\pi_\\theta)", "Newton's method on what training maximises",
          newton_new_old },
        { "=\\pi_\\theta(a|s)\\,e^{A(s,a)/\\beta}/Z(s)", "A(a) - beta (ln pi(a)/pi_old(a) + 1) = mu(s) for all a",
          closed_new_old },
        { "\\arg\\max_{\\theta'}E_{\\pi_\\theta}[\\tfrac{\\pi_{\\theta'}}{\\pi_\\theta}A^{\\pi_\\theta}]-"
          "\\beta D_{KL}(\\pi_\\theta\\|\\pi_{\\theta'})",
          "001 penalises new||old (l.562, l.587) and measures old||new where it adapts beta (l.600), as if these were"
          " one",
          closed_old_new, DIFFERS, "ERR-34" } } },
    { "PPO-22", "beta: halved below delta/1.5, doubled above 1.5 delta", "beta after each of 16 updates",
      n_turns, unit_turns, NULL, NULL, {
        { "d<\\delta/1.5:\\ \\beta\\leftarrow\\beta/2;\\quad d>1.5\\,\\delta:\\ \\beta\\leftarrow2\\beta;\\quad"
          "\\text{else }\\beta", "by hand, as powers of two", rule_by_hand },
        { "=\\beta(\\delta)", "the training code's rule", rule_of_target },
        { "d\\le1.5\\,\\delta:\\ \\beta\\leftarrow\\beta/2",
          "000 (l.318) has 1.5 delta alone: doubled above, lowered"
          " where the KL is small. One reading: below it; 004 (l.502) leaves out that beta may stay",
          rule_of_000, DIFFERS, "ERR-64" },
        { "d<\\delta/2:\\ \\beta\\leftarrow\\beta/2;\\quad d>2\\,\\delta:\\ \\beta\\leftarrow1.5\\beta",
          "the control: a library's rule under the paper's name (ray-project/ray#15698)", rule_of_library,
          DIFFERS } },
      "one beta, from 1; delta = 3/128; mean KLs from 0 to 9 delta, the edges of the band among them" },
    { "PPO-23", "KLmax = 1.5 delta, KLmin = delta/1.5 and a factor of 2 are the paper's rule",
      "beta after each of 16 updates", n_turns, unit_turns, NULL, NULL, {
        { "d<\\delta/1.5:\\ \\beta/2;\\quad d>1.5\\,\\delta:\\ 2\\beta", "PPO-22", rule_of_target },
        { "=\\ D_{KL}(\\pi_{\\theta^k}\\|\\pi_\\theta)>KL_{max}:\\text{ increase }\\beta;\\quad<KL_{min}:"
          "\\text{ decrease }\\beta", "with these bounds and this factor", rule_of_bounds },
        { "KL_{min}=\\delta/2,\\ KL_{max}=2\\delta,\\ \\text{factor }1.5",
          "001 (l.600) says neither bounds nor factor: these obey its words, too", rule_of_001,
          DIFFERS, "ERR-64" } },
      "one beta, from 1; delta = 3/128; mean KLs from 0 to 9 delta, the edges of the band among them" },
    { "PPO-25", "the larger beta, the closer to pi_old the maximiser",
      "mean KL(pi_old||pi*), beta from 1/64 to 64 max|A|", n_grid, unit_kl, not_applicable, NULL, {
        { "KL(\\beta)=E_s[KL(\\pi_{old}\\|\\pi^*_\\beta)]", "PPO-20's maximiser", kl_at },
        { "\\ge KL(2\\beta)", "beta up, KL down", kl_at_twice, AT_MOST },
        { "\\le\\frac1\\beta E_s[\\max_aA(s,a)]", "as L(pi*) is at least L(pi_old) = 0", kl_at_most,
          AT_LEAST } },
      .page = page_of_betas },
    { "TRPO-28", "a bound delta on the KL and a weight beta on it: the same optima",
      "d(s) pi*(a|s)/sum d and beta/max|A|, for two deltas and two betas", n_forms, unit_form, not_bounded, NULL, {
        { "\\arg\\max_\\pi L(\\pi)\\text{ s.t. }\\overline{KL}(\\pi_{old}\\|\\pi)\\le\\delta,\\quad"
          "\\text{multiplier}",
          "by an interior point: L + (1/t) ln(delta - KL), t to 1e12", by_bound },
        { "=\\arg\\max_\\pi L(\\pi)-\\beta\\overline{KL}(\\pi_{old}\\|\\pi),\\quad\\beta",
          "PPO-20 at the beta where KL = delta, by a root; and, the other way, at beta = max|A| and max|A|/4, with"
          " delta = KL there", by_weight },
        { "=\\pi_{old}\\frac{\\eta}{\\nu-A},\\quad\\eta/\\max|A|",
          "TRPO-10's optimum and its multiplier, eta by bisection of the KL", by_region },
        { "1.01\\,\\beta", "the control: another beta, another optimum", by_another, DIFFERS } } },
    { .id = NULL }
};
