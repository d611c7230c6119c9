/* Taylor series in theta along v = theta' - theta: of J, of the surrogate, whose slope at theta is J's, and of the
 * mean KL, whose value and slope vanish there, so that the Fisher matrix is all that is left to second order. 001
 * (l.450, 508), 004 (l.423-455), 000 eq (17).
 * One side of each line differentiates in reverse, as often as is needed; the other knows only values. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"
#include "derivations/fisher.h"

enum { ORDER = 3,               /* coefficients c_0 .. c_3 of f(theta + t v) = sum_k c_k t^k */
       LEVELS = 5,              /* differences at t = h, h/2, ..., h/16 */
       J_MAX = 1 << 20 };       /* entries of the tables behind J's node, nA nS^2 */

static const char *not_comparable(const setting *x)
{
    bool same = x->pi->n == x->pi1->n && x->pi->policy.kind == x->pi1->policy.kind;
    if (!same) return "pi and pi' have no difference: their parameters are not the same";
    double far = fmax(linalg_max_abs(x->pi->n, x->pi->theta), linalg_max_abs(x->pi1->n, x->pi1->theta));
    return far < 1e100 ? NULL : "parameters whose squares overflow";
}

/* theta + t v, as a node and as numbers */
static ad along(ad_tape *tape, const setting *x, ad t)
{
    const exact *pi = x->pi;
    ad theta = ad_input(tape, pi->theta, pi->n, 1), theta1 = ad_input(tape, x->pi1->theta, pi->n, 1);
    return ad_add(theta, ad_mul(ad_spread(t, pi->n, 1), ad_sub(theta1, theta)));
}

/* max(1, the largest change of a logit per unit of t): J_z v at theta, or theta' - theta as a whole. In a network
 * a unit's input moves by 2 max|v| for one-hot states, and tanh's series ends at pi/2: 3 max|v| keeps well within. */
static double logit_step(const setting *x)
{
    const exact *pi = x->pi;
    double greatest = 1;
    for (int j = 0; j < pi->n && pi->policy.kind == POLICY_MLP; j++)
        greatest = fmax(greatest, 3 * fabs(x->pi1->theta[j] - pi->theta[j]));
    for (int i = 0; i < pi->nSA; i++) {
        double slope = 0;
        for (int j = 0; j < pi->n && pi->J_z; j++)
            slope += pi->J_z[(size_t)i * (size_t)pi->n + (size_t)j] * (x->pi1->theta[j] - pi->theta[j]);
        greatest = fmax(greatest, fmax(fabs(slope), fabs(x->pi1->logits[i] - pi->logits[i])));
    }
    return greatest;
}

typedef ad (*objective)(ad_tape *t, const exact *x, ad theta);

static double value_at(objective f, const setting *x, double t)
{
    ad_tape *tape = ad_tape_new();
    double value = ad_scalar(f(tape, x->pi, along(tape, x, ad_constant(tape, t, 1, 1))));
    ad_tape_free(tape);
    return value;
}

/* TRPO-19  f(theta + v) = f(theta) + grad f^T v + 1/2 v^T H v + ...: c_k = f^(k)(0) / k!, each one more reverse
 * sweep over the last */
static void taylor_by_sweeps(objective f, const setting *x, int order, double *c)
{
    ad_tape *tape = ad_tape_new();
    double t_0 = 0, factorial = 1;
    ad t = ad_input(tape, &t_0, 1, 1);
    ad derivative = f(tape, x->pi, along(tape, x, t));
    for (int k = 0; k <= order; k++) {
        if (k > 0) factorial *= k;
        c[k] = ad_scalar(derivative) / factorial;
        if (k < order) derivative = ad_grad(derivative, t);
    }
    ad_tape_free(tape);
}

/* D[i], at t = h/2^i, has an error in even powers of t: Richardson's extrapolation to t = 0. error receives the
 * last correction, which bounds what is left. */
static double extrapolate(int levels, double *D, double *error)
{
    for (int j = 1, weight = 4; j < levels; j++, weight *= 4) {
        *error = fabs(D[levels - 1] - D[levels - 2]) / (weight - 1);
        for (int i = levels - 1; i >= j; i--) D[i] += (D[i] - D[i - 1]) / (weight - 1);
    }
    return D[levels - 1];
}

/* The same c_0 .. c_order from values alone. rounding: of one value of f. error [order + 1]: what each c_k may
 * be off. */
static void taylor_by_values(objective f, const setting *x, int order, double rounding, double *c, double *error)
{
    double h = 0.5 / logit_step(x), t = h, odd[LEVELS], D1[LEVELS], D2[LEVELS], D3[LEVELS];
    c[0] = value_at(f, x, 0);
    for (int i = 0; i < LEVELS; i++, t /= 2) {
        double plus = value_at(f, x, t), minus = value_at(f, x, -t);
        odd[i] = D1[i] = (plus - minus) / (2 * t);                      /* c_1 + c_3 t^2 + ... */
        D2[i] = ((plus - c[0]) + (minus - c[0])) / (2 * t * t);         /* c_2 + c_4 t^2 + ... */
        if (i > 0) D3[i - 1] = (odd[i - 1] - odd[i]) / (3 * t * t);     /* c_3 + 5 c_5 t^2 + ... */
    }
    t *= 2;
    error[0] = rounding;
    c[1] = extrapolate(LEVELS, D1, &error[1]);
    c[2] = extrapolate(LEVELS, D2, &error[2]);
    error[1] += 2 * rounding / t;
    error[2] += 4 * rounding / (t * t);
    if (order < 3) return;
    c[3] = extrapolate(LEVELS - 1, D3, &error[3]);
    error[3] += 4 * rounding / (t * t * t);
}

static double greatest_error(int n, const double *error) { return linalg_max_abs(n, error); }

/* ---- J ---- */

static int    n_J(const setting *x)    { (void)x; return ORDER; }       /* c_0, c_1, c_2 */

/* Each derivative along v costs a solve more, a factor k >= 1, and 2 max|dlogit| >= 2 as ||dP_pi||. */
static double unit_J(const setting *x)
{
    double k_v = x->pi->k * 2 * logit_step(x);
    return fmax(x->pi->unit_V, x->pi1->unit_V) * (k_v * k_v);
}

static double J_by_sweeps(const setting *x, double *c)
{
    if ((double)x->pi->nA * x->pi->nS * x->pi->nS > J_MAX) return LEFT_OUT;
    taylor_by_sweeps(exact_J_node, x, ORDER - 1, c);
    return 0;
}

static double J_by_values(const setting *x, double *c)
{
    double error[ORDER];
    if ((double)x->pi->nA * x->pi->nS * x->pi->nS > J_MAX) return LEFT_OUT;
    taylor_by_values(exact_J_node, x, ORDER - 1, fmax(x->pi->unit_V, x->pi1->unit_V), c, error);
    return greatest_error(ORDER, error);
}

/* ---- the mean KL ---- */

static int n_kl(const setting *x) { (void)x; return ORDER + 1; }

/* u N max d for each state's term, times the third power of the step in its logits */
static double unit_kl(const setting *x)
{
    double D = logit_step(x);
    return fmax(DBL_EPSILON * fmax(x->pi->nS, 4) * linalg_max_abs(x->pi->nS, x->pi->d) * D * D * D, DBL_MIN);
}

/* The logarithms lose u max|z| each. */
static double rounding_kl(const setting *x)
{
    const exact *pi = x->pi;
    double sum = 0, z = fmax(linalg_max_abs(pi->nSA, pi->logits), linalg_max_abs(pi->nSA, x->pi1->logits));
    for (int s = 0; s < pi->nS; s++) sum += pi->d[s];
    return 4 * DBL_EPSILON * sum * fmax(1, fmax(z, linalg_max_abs(pi->nSA, pi->logpi)));
}

static double kl_by_sweeps(const setting *x, double *c)
{
    taylor_by_sweeps(fisher_mean_kl, x, ORDER, c);
    return 0;
}

static double reversed_by_sweeps(const setting *x, double *c)
{
    taylor_by_sweeps(fisher_mean_kl_reversed, x, ORDER, c);
    return 0;
}

/* TRPO-20  l(theta') = l + grad l^T v + 1/2 v^T grad^2 l v + ... with l = E_s[KL(pi_theta || pi_theta')] */
static double kl_by_values(const setting *x, double *c)
{
    double error[ORDER + 1];
    taylor_by_values(fisher_mean_kl, x, ORDER, rounding_kl(x), c, error);
    return greatest_error(ORDER + 1, error);
}

/* NPG-1   KL(theta, theta + t v) / t^2 -> 1/2 v^T F v as t -> 0, in both directions of KL */
/* |v^T dF v| <= u N sum_s d(s) (sum_j |J_z| |v|)^2, the greatest row of state s */
static double unit_form(const setting *x)
{
    const exact *pi = x->pi;
    double sum = 0;
    for (int s = 0; s < pi->nS; s++) {
        double greatest = 0;
        for (int i = s * pi->nA; i < (s + 1) * pi->nA; i++) {
            double row = pi->J_z ? 0 : fabs(x->pi1->theta[i] - pi->theta[i]);
            for (int j = 0; j < pi->n && pi->J_z; j++)
                row += fabs(pi->J_z[(size_t)i * (size_t)pi->n + (size_t)j] * (x->pi1->theta[j] - pi->theta[j]));
            greatest = fmax(greatest, row);
        }
        sum += pi->d[s] * greatest * greatest;
    }
    return fmax(DBL_EPSILON * fmax(pi->n, 4) * sum, DBL_MIN);
}

static double quadratic_form(const setting *x, double *out)
{
    const exact *pi = x->pi;
    if (!x->F) return LEFT_OUT;
    double *v = allocate(2 * (size_t)pi->n, sizeof *v, "a direction"), *Fv = v + pi->n;
    for (int i = 0; i < pi->n; i++) v[i] = x->pi1->theta[i] - pi->theta[i];
    linalg_matvec(pi->n, pi->n, x->F, v, Fv);
    *out = linalg_dot(pi->n, v, Fv) / 2;
    free(v);
    return 0;
}

static double curvature(objective kl, const setting *x, double *out)
{
    double c[ORDER + 1], error[ORDER + 1];
    taylor_by_values(kl, x, 2, rounding_kl(x), c, error);
    *out = c[2];
    return error[2];
}

static double curvature_kl(const setting *x, double *out)       { return curvature(fisher_mean_kl, x, out); }
static double curvature_reversed(const setting *x, double *out) { return curvature(fisher_mean_kl_reversed, x, out); }

static double kl_itself(const setting *x, double *out)
{
    *out = value_at(fisher_mean_kl, x, 1);
    return 0;
}

/* TRPO-21  l(theta) = 0: the cross entropy of pi_theta' under pi_theta is, at theta' = theta, the entropy. */
static double unit_entropy(const setting *x) { return fmax(rounding_kl(x), DBL_MIN); }

static double entropy(const setting *x, double *out)            /* -E_s[ sum_a pi(a|s) log pi(a|s) ] */
{
    const exact *pi = x->pi;
    *out = 0;
    for (int i = 0; i < pi->nSA; i++)
        if (pi->pi[i] > 0) *out -= pi->d[i / pi->nA] * pi->pi[i] * log(pi->pi[i]);
    return 0;
}

/* -E_s[ sum_a pi(a|s) log pi_theta'(a|s) ] at theta' = theta */
static double cross_entropy(const setting *x, double *out)
{
    const exact *pi = x->pi;
    double *weight = allocate((size_t)pi->nSA, sizeof *weight, "weights");
    for (int i = 0; i < pi->nSA; i++) weight[i] = pi->d[i / pi->nA] * pi->pi[i];
    ad_tape *t = ad_tape_new();
    ad logpi = ad_log_softmax(policy_logits(t, &pi->policy, ad_input(t, pi->theta, pi->n, 1)));
    *out = -ad_scalar(ad_dot(ad_input(t, weight, pi->nS, pi->nA), logpi));
    ad_tape_free(t);
    free(weight);
    return 0;
}

static double entropy_and_kl(const setting *x, double *out)
{
    entropy(x, out);
    *out += value_at(fisher_mean_kl, x, 0);
    return 0;
}

static double entropy_and_kl_elsewhere(const setting *x, double *out)
{
    entropy(x, out);
    *out += value_at(fisher_mean_kl, x, 1);
    return 0;
}

/* TRPO-22  grad l(theta) = -E_s[ sum_a grad pi_theta'(a|s) ] = 0 at theta' = theta: the gradients of the chances
 * of all actions cancel, that of the first is minus that of the others. */

static double unit_grad_kl(const setting *x)
{
    double max_d = linalg_max_abs(x->pi->nS, x->pi->d);
    return fmax(DBL_EPSILON * fmax(x->pi->nS, 4) * max_d * x->pi->c, DBL_MIN);
}

/* grad E_s[ sum_a chosen(a) pi(a|s) ], chosen: action 0, or all others */
static void grad_chance(const exact *x, bool others, double *g)
{
    double *weight = allocate((size_t)x->nSA, sizeof *weight, "weights");
    for (int i = 0; i < x->nSA; i++) weight[i] = (i % x->nA != 0) == others ? x->d[i / x->nA] : 0;
    ad_tape *t = ad_tape_new();
    ad theta = ad_input(t, x->theta, x->n, 1);
    ad pi = ad_exp(ad_log_softmax(policy_logits(t, &x->policy, theta)));            /* [nS x nA] */
    ad chance = ad_dot(ad_input(t, weight, x->nS, x->nA), pi);
    memcpy(g, ad_value(ad_grad(chance, theta)), (size_t)x->n * sizeof *g);
    ad_tape_free(t);
    free(weight);
}

static double grad_first(const setting *x, double *g)
{
    grad_chance(x->pi, false, g);
    return 0;
}

static double minus_grad_others(const setting *x, double *g)
{
    grad_chance(x->pi, true, g);
    for (int i = 0; i < x->pi->n; i++) g[i] = -g[i];
    return 0;
}

static double grad_first_and_kl(const setting *x, double *g)
{
    grad_first(x, g);
    ad_tape *t = ad_tape_new();
    ad theta = ad_input(t, x->pi->theta, x->pi->n, 1);
    const double *grad_l = ad_value(ad_grad(fisher_mean_kl(t, x->pi, theta), theta));
    for (int i = 0; i < x->pi->n; i++) g[i] += grad_l[i];
    ad_tape_free(t);
    return 0;
}

/* ---- TRPO-18: the surrogate ---- */

/* L(theta') = sum_s rho(s) sum_a pi_theta'(a|s) A_pi(s,a), all but theta' of pi */
static ad surrogate_node(ad_tape *t, const exact *x, ad theta)
{
    ad pi_theta = ad_exp(ad_log_softmax(policy_logits(t, &x->policy, theta)));                  /* [nS x nA] */
    ad E_A = ad_row_sum(ad_mul(pi_theta, ad_input(t, x->A, x->nS, x->nA)));                     /* [nS x 1] */
    return ad_scale(1 / x->fisher_scale, ad_dot(ad_input(t, x->d, x->nS, 1), E_A));             /* d = scale rho */
}

/* A's unit in each of at most k visits, times the second power of the step in the logits */
static double unit_surrogate(const setting *x)
{
    double D = logit_step(x);
    return 2 * x->pi->unit_V * x->pi->k * D * D;
}

/* L(theta) = sum_s rho E_pi[A] = 0;  g^T v with g = grad J;  1/2 sum_s rho E_pi[A (w - E_pi[w])^2], w = J_z v,
 * where the logits are linear in theta */
static double surrogate_closed(const setting *x, double *c)
{
    const exact *pi = x->pi;
    if (!x->g || pi->policy.kind == POLICY_MLP) return LEFT_OUT;
    c[0] = c[1] = c[2] = 0;
    for (int i = 0; i < pi->n; i++) c[1] += x->g[i] * (x->pi1->theta[i] - pi->theta[i]);
    for (int s = 0; s < pi->nS; s++) {
        const double *z = pi->logits + s * pi->nA, *z1 = x->pi1->logits + s * pi->nA;
        const double *p = pi->pi + s * pi->nA, *A = pi->A + s * pi->nA;
        double E = 0, square = 0;
        for (int a = 0; a < pi->nA; a++) E += p[a] * (z1[a] - z[a]);
        for (int a = 0; a < pi->nA; a++) square += p[a] * A[a] * (z1[a] - z[a] - E) * (z1[a] - z[a] - E);
        c[2] += exact_rho(pi, s) * square / 2;
    }
    return 0;
}

static double surrogate_by_sweeps(const setting *x, double *c)
{
    taylor_by_sweeps(surrogate_node, x, ORDER - 1, c);
    return 0;
}

/* TRPO-18   L(theta') = L(theta) + g^T v + O(|v|^2). A's own error is the same in every value. */
static double surrogate_by_values(const setting *x, double *c)
{
    const exact *pi = x->pi;
    double error[ORDER], rounding = rounding_kl(x) / pi->fisher_scale * linalg_max_abs(pi->nSA, pi->A);
    taylor_by_values(surrogate_node, x, ORDER - 1, rounding, c, error);
    return greatest_error(ORDER, error);
}

/* What is left at t = 1: L(theta') for L(theta) */
static double surrogate_there(const setting *x, double *c)
{
    taylor_by_sweeps(surrogate_node, x, ORDER - 1, c);
    c[0] = value_at(surrogate_node, x, 1);
    return 0;
}

#define L "E_{s\\sim d}[D_{KL}(\\pi_\\theta\\|\\pi_{\\tilde\\theta})]"

const derivation taylor[] = {
    { "TRPO-19", "f(c + v) = f(c) + grad f^T v + 1/2 v^T H v + O(|v|^3), for f = J",
      "J, its slope, half its curvature",
      n_J, unit_J, not_comparable, NULL, {
        { "f(c),\\quad\\nabla f(c)^Tv,\\quad\\tfrac12v^THv",
          "f = J along v = theta' - theta, by one and two reverse sweeps",
          J_by_sweeps },
        { "f(c+tv)=f(c)+t\\nabla f(c)^Tv+\\tfrac12t^2v^THv+O(t^3)",
          "the same three from values of J at small t, differences extrapolated to t = 0", J_by_values } } },
    { "TRPO-18", "the surrogate is linear to first order: L(theta) = 0, its slope is J's",
      "L, slope, half the curvature",
      n_J, unit_surrogate, not_comparable, NULL, {
        { "0,\\quad g^Tv,\\quad\\tfrac12\\sum_s\\rho E_\\pi[A(w-E_\\pi w)^2]",
          "E_pi[A] = 0; g = grad J by the policy gradient theorem; w = J_z v, linear logits", surrogate_closed },
        { "=L(\\theta),\\quad\\nabla_{\\tilde\\theta}L|_\\theta^Tv,\\quad\\tfrac12v^T\\nabla^2L\\,v",
          "v = theta' - theta; by one and two reverse sweeps", surrogate_by_sweeps },
        { "L(\\theta+tv)=L(\\theta)+tg^Tv+O(t^2)",
          "from values of L at small t: the slide (004 l.433) drops L(theta), which is 0", surrogate_by_values },
        { "L(\\theta')", "the control: elsewhere L is not 0", surrogate_there, DIFFERS } } },
    { "TRPO-20", "the mean KL's series: l + grad l^T v + 1/2 v^T H v + O(|v|^3), the first two are 0",
      "l, slope, half the curvature, and the coefficient of t^3", n_kl, unit_kl, not_comparable, NULL, {
        { "l(\\theta),\\quad\\nabla l^Tv,\\quad\\tfrac12v^T\\nabla^2l\\,v,\\quad\\tfrac16l'''",
          "l = " L " along v = theta' - theta, by one, two and three reverse sweeps", kl_by_sweeps },
        { "l(\\theta+tv)=l+t\\nabla l^Tv+\\tfrac12t^2v^T\\nabla^2l\\,v+\\tfrac16t^3l'''+\\dots",
          "the same from values of l at small t, differences extrapolated to t = 0", kl_by_values },
        { "D_{KL}(\\pi_{\\tilde\\theta}\\|\\pi_\\theta)",
          "001 (l.339, 371, 396, 562, 587) exchanges the two: the same up to second order, not in the third",
          reversed_by_sweeps, DIFFERS, "ERR-34" } } },
    { "NPG-1", "KL(theta, theta + v) = 1/2 v^T F v to second order, in both directions of KL",
      "the coefficient of t^2",
      count_one, unit_form, not_comparable, NULL, {
        { "\\tfrac12(\\theta'-\\theta)^TF(\\theta'-\\theta)", "F from the scores, NPG-2", quadratic_form },
        { "=\\lim_{t\\to0}\\bar D_{KL}(\\theta,\\theta+t(\\theta'-\\theta))/t^2",
          "values of the KL old||new, extrapolated",
          curvature_kl },
        { "=\\lim_{t\\to0}\\bar D_{KL}(\\theta+t(\\theta'-\\theta),\\theta)/t^2",
          "new||old, which 001 writes: the same to this order", curvature_reversed },
        { "\\approx\\bar D_{KL}(\\theta,\\theta')",
          "the KL itself, at t = 1: only near", kl_itself, DIFFERS } } },
    { "TRPO-21", "l(theta) = 0: a policy has no KL from itself",
      "entropy + l", count_one, unit_entropy, not_comparable, NULL, {
        { "-E_s[\\sum_a\\pi_\\theta\\log\\pi_\\theta]",
          "the entropy, for something that is not 0", entropy },
        { "=-E_s[\\sum_a\\pi_\\theta\\log\\pi_{\\tilde\\theta}]_{\\tilde\\theta=\\theta}",
          "the cross entropy is entropy + l, and at theta the entropy", cross_entropy },
        { "=-E_s[\\sum_a\\pi_\\theta\\log\\pi_\\theta]+l(\\theta)",
          "l(theta) adds nothing", entropy_and_kl },
        { "\\le-E_s[\\sum_a\\pi_\\theta\\log\\pi_\\theta]+l(\\theta')=-E_s[\\sum_a\\pi_\\theta\\log\\pi_{\\theta'}]",
          "elsewhere it is positive: the cross entropy is least at theta", entropy_and_kl_elsewhere,
          AT_LEAST } } },
    { "TRPO-22", "grad l(theta) = -E_s[sum_a grad pi(a|s)] = 0",
      "grad E_s[pi(first action|s)], in theta[i]",
      count_theta, unit_grad_kl, NULL, NULL, {
        { "E_s[\\nabla\\pi_\\theta(a_0|s)]",
          "the gradient of one action's chance, for something that is not 0",
          grad_first },
        { "=-E_s[\\sum_{a\\ne a_0}\\nabla\\pi_\\theta(a|s)]",
          "sum_a pi(a|s) = 1 has no gradient", minus_grad_others },
        { "=E_s[\\nabla\\pi_\\theta(a_0|s)]+\\nabla_{\\tilde\\theta}l(\\theta)",
          "grad l = -E_s[sum_a pi/pi' grad pi'] at theta' = theta adds nothing; the slide loses E_s",
          grad_first_and_kl } } },
    { .id = NULL }
};
