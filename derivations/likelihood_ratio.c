/* The likelihood-ratio trick, grad p = p grad log p: for one action, for any random x, for a whole
 * trajectory, where the MDP's own probabilities drop out. 000 eq (3), 003 (l.30-51), 001 (l.97). */
#include "derivations/likelihood_ratio.h"

#include <float.h>
#include <gsl/gsl_math.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/returns.h"
#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"
#include "derivations/estimate.h"
#include "derivations/small_problem.h"

/* d log pi(a|s) / d z[s,b] = 1{a = b} - pi(b|s), 1 - pi(a|s) as the sum of the others */
static double score_z(const exact *x, int s, int a, int b)
{
    const double *pi = x->pi + s * x->nA;
    if (a != b) return -pi[b];
    double others = 0;
    for (int c = 0; c < x->nA; c++) others += c == a ? 0 : pi[c];
    return others;
}

void likelihood_ratio_scores(const exact *x, double *score)
{
    double *z = allocate((size_t)x->nSA, sizeof *z, "a score in the logits");
    for (int i = 0; i < x->nSA; i++) {
        int s = i / x->nA;
        for (int b = 0; b < x->nA; b++) z[s * x->nA + b] = score_z(x, s, i % x->nA, b);
        exact_chain(x, z, score + (size_t)i * (size_t)x->n);
        memset(z + s * x->nA, 0, (size_t)x->nA * sizeof *z);
    }
    free(z);
}

/* ---- differences ---- */

static const double step_0 = 0x1p-5;

/* D [3] central differences with steps h, h/2, h/4: two steps of Richardson's extrapolation leave O(h^6).
 * *error is raised to the last one's correction. */
static double extrapolate(const double *D, double *error)
{
    double once = (4 * D[1] - D[0]) / 3, again = (4 * D[2] - D[1]) / 3, D_0 = (16 * again - once) / 15;
    *error = linalg_greater(*error, fabs(D_0 - again));
    return D_0;
}

/* What rounding of f, of size `size`, makes of its differences */
static double rounding_of_differences(double size) { return 4 * DBL_EPSILON * size / (step_0 / 4); }

/* ---- PGT-4: one action ---- */

/* Behind the softmax's numbers: a Gaussian density at three points, its derivatives in mu and log sigma */
enum { POINTS = 3, GAUSSIAN = 2 * POINTS };
static const double mu = 0.7, sigma = 1.3, point[POINTS] = { -0.5, 0.9, 3 };

static int n_grad_pi(const setting *x) { return x->pi->nSA * x->pi->nA + GAUSSIAN; }

static const char *too_many_actions(const setting *x)
{
    return (double)x->pi->nSA * x->pi->nA > 1e7 ? "too many derivatives: more than 1e7" : NULL;
}

/* Probabilities below 1, each from nA exponentials */
static double unit_grad_pi(const setting *x) { return DBL_EPSILON * fmax(x->pi->nA, 4); }

static ad gaussian_log_density(ad_tape *t, ad theta, double x)              /* theta = (mu, log sigma) -> scalar */
{
    ad log_sigma = ad_view(theta, 1, 1, 1);
    ad from_mean = ad_sub(ad_constant(t, x, 1, 1), ad_view(theta, 0, 1, 1));
    ad in_sigmas = ad_mul(from_mean, ad_exp(ad_scale(-1, log_sigma)));
    ad constant  = ad_constant(t, log(2 * M_PI) / 2, 1, 1);
    return ad_sub(ad_scale(-0.5, ad_mul(in_sigmas, in_sigmas)), ad_add(log_sigma, constant));
}

/* grad pi(a|s) (or, as_log, pi grad log pi) by reverse mode: rows do not mix, so that one sweep for each
 * action does */
static void by_reverse_mode(const exact *x, bool as_log, double *out)
{
    ad_tape *t = ad_tape_new();
    ad z = ad_input(t, x->logits, x->nS, x->nA), log_pi = ad_log_softmax(z);
    int *index = allocate((size_t)x->nS, sizeof *index, "an action");
    for (int a = 0; a < x->nA; a++) {
        for (int s = 0; s < x->nS; s++) index[s] = a;
        ad f = ad_gather(log_pi, index);                                        /* [nS x 1] log pi(a|.) */
        const double *g = ad_value(ad_grad(ad_sum(as_log ? f : ad_exp(f)), z));
        for (int i = 0; i < x->nSA; i++) {
            int s = i / x->nA, b = i % x->nA;
            out[(s * x->nA + a) * x->nA + b] = g[i] * (as_log ? x->pi[s * x->nA + a] : 1);
        }
    }
    free(index);
    const double at[2] = { mu, log(sigma) };
    ad theta = ad_input(t, at, 2, 1);
    for (int j = 0; j < POINTS; j++) {
        ad log_p = gaussian_log_density(t, theta, point[j]);
        const double *g = ad_value(ad_grad(as_log ? log_p : ad_exp(log_p), theta));
        for (int i = 0; i < 2; i++) out[x->nSA * x->nA + 2 * j + i] = g[i] * (as_log ? exp(ad_scalar(log_p)) : 1);
    }
    ad_tape_free(t);
}

static double grad_pi(const setting *x, double *out)
{
    by_reverse_mode(x->pi, false, out);
    return 0;
}

static double pi_grad_log_pi(const setting *x, double *out)
{
    by_reverse_mode(x->pi, true, out);
    return 0;
}

static double gaussian_density(double x, double m, double log_s)
{
    double z = (x - m) * exp(-log_s);
    return exp(-z * z / 2 - log_s) / sqrt(2 * M_PI);
}

/* PGT-4   grad pi(a|s) = pi(a|s) grad log pi(a|s): for the softmax pi(a|s) (1{a = b} - pi(b|s)), for the Gaussian
 *         p ((x - mu) / sigma^2, (x - mu)^2 / sigma^2 - 1) */
static double closed_form(const setting *x, double *out)
{
    const exact *pi = x->pi;
    for (int i = 0; i < pi->nSA; i++)
        for (int b = 0; b < pi->nA; b++) out[i * pi->nA + b] = pi->pi[i] * score_z(pi, i / pi->nA, i % pi->nA, b);
    for (int j = 0; j < POINTS; j++) {
        double z = (point[j] - mu) / sigma, p = gaussian_density(point[j], mu, log(sigma));
        out[pi->nSA * pi->nA + 2 * j] = p * z / sigma;
        out[pi->nSA * pi->nA + 2 * j + 1] = p * (z * z - 1);
    }
    return 0;
}

/* softmax of one row with h added to z[b], action a */
static double pi_moved(const exact *x, int s, int a, int b, double h)
{
    const double *z = x->logits + s * x->nA;
    double sum = 0, max = -INFINITY;
    for (int c = 0; c < x->nA; c++) max = fmax(max, z[c] + (c == b ? h : 0));
    for (int c = 0; c < x->nA; c++) sum += exp(z[c] + (c == b ? h : 0) - max);
    return exp(z[a] + (a == b ? h : 0) - max) / sum;
}

static double grad_pi_differences(const setting *x, double *out)
{
    const exact *pi = x->pi;
    double error = 0, D[3];
    for (int i = 0; i < pi->nSA * pi->nA; i++) {
        int s = i / pi->nA / pi->nA, a = i / pi->nA % pi->nA, b = i % pi->nA;
        for (int l = 0; l < 3; l++) {
            double h = ldexp(step_0, -l);
            D[l] = (pi_moved(pi, s, a, b, h) - pi_moved(pi, s, a, b, -h)) / (2 * h);
        }
        out[i] = extrapolate(D, &error);
    }
    for (int j = 0; j < GAUSSIAN; j++) {
        for (int l = 0; l < 3; l++) {
            double h = ldexp(step_0, -l), in_mu = j % 2 ? 0 : h, in_sigma = j % 2 ? h : 0, at = point[j / 2];
            D[l] = (gaussian_density(at, mu + in_mu, log(sigma) + in_sigma)
                    - gaussian_density(at, mu - in_mu, log(sigma) - in_sigma)) / (2 * h);
        }
        out[pi->nSA * pi->nA + j] = extrapolate(D, &error);
    }
    return error + rounding_of_differences(1 + linalg_max_abs(pi->nSA, pi->logits));
}

/* ---- PGT-6: any random x, here one of four, softmax(theta), and a Gaussian; f does not know theta ---- */

enum { OUTCOMES = 4, NODES = 512 };
static const double outcome_theta[OUTCOMES] = { 0.3, -0.2, 0.5, 0.1 }, outcome_f[OUTCOMES] = { 1, -2, 0.5, 3 };

static int n_log_derivative(const setting *x) { (void)x; return OUTCOMES + 2; }

/* The longest sum is the quadrature's, over NODES terms whose sizes sum to less than 2. */
static double unit_log_derivative(const setting *x) { (void)x; return NODES * DBL_EPSILON; }

static void outcome_p(const double *theta, double *p)
{
    double sum = 0;
    for (int i = 0; i < OUTCOMES; i++) sum += p[i] = exp(theta[i]);
    for (int i = 0; i < OUTCOMES; i++) p[i] /= sum;
}

/* integral of f over the line by the trapezoidal rule in z = (x - mu) / sigma, |z| <= 13: for a Gaussian times an
 * entire function its error falls faster than any power of the step, and is below u here. */
static double integral(double (*f)(double))
{
    double sum = 0, step = 26.0 / NODES;
    for (int i = 0; i <= NODES; i++) sum += f(mu + sigma * (-13 + step * i));
    return sum * step * sigma;
}

static double density(double x) { return gaussian_density(x, mu, log(sigma)); }
static double f_grad_p_mu(double x)    { return sin(x) * density(x) * (x - mu) / (sigma * sigma); }
static double f_grad_p_sigma(double x) { return sin(x) * (pow((x - mu) / sigma, 2) - 1) * density(x); }

/* E[f] = sum p f, and E[sin x] = e^{-sigma^2/2} sin mu: their derivatives */
static double grad_of_mean(const setting *x, double *out)
{
    (void)x;
    ad_tape *t = ad_tape_new();
    ad theta = ad_input(t, outcome_theta, 1, OUTCOMES);
    ad E_f = ad_dot(ad_exp(ad_log_softmax(theta)), ad_input(t, outcome_f, 1, OUTCOMES));
    memcpy(out, ad_value(ad_grad(E_f, theta)), OUTCOMES * sizeof *out);
    ad_tape_free(t);
    out[OUTCOMES] = exp(-sigma * sigma / 2) * cos(mu);
    out[OUTCOMES + 1] = -sigma * sigma * exp(-sigma * sigma / 2) * sin(mu);
    return 0;
}

static double sum_of_f_grad_p(const setting *x, double *out)    /* dp_i / dtheta_j = p_i (1{i = j} - p_j) */
{
    double p[OUTCOMES];
    (void)x;
    outcome_p(outcome_theta, p);
    for (int j = 0; j < OUTCOMES; j++) {
        out[j] = 0;
        for (int i = 0; i < OUTCOMES; i++) out[j] += outcome_f[i] * ((i == j) * p[i] - p[i] * p[j]);
    }
    out[OUTCOMES] = integral(f_grad_p_mu);
    out[OUTCOMES + 1] = integral(f_grad_p_sigma);
    return 0;
}

/* sum_k w_k g(mu + sigma z_k): E[g] by Gauss-Hermite quadrature with 64 nodes, eigenvalues and first components of
 * eigenvectors of the matrix of the recurrence (Golub and Welsch 1969) */
static double gauss_hermite(double (*g)(double))
{
    enum { n = 64 };
    double T[n * n] = { 0 }, z[n], U[n * n], sum = 0;
    for (int i = 1; i < n; i++) T[i * n + i - 1] = T[(i - 1) * n + i] = sqrt(i);
    linalg_eigen_symmetric(n, T, z, U);
    for (int k = 0; k < n; k++) sum += U[k * n] * U[k * n] * g(mu + sigma * z[k]);
    return sum;
}

static double f_score_mu(double x)    { return sin(x) * (x - mu) / (sigma * sigma); }
static double f_score_sigma(double x) { return sin(x) * (pow((x - mu) / sigma, 2) - 1); }

/*[snip mean-of-f-score]*/
/* PGT-6   grad E[f(x)] = E[ f(x) grad log p(x) ] */
static double mean_of_f_score(const setting *x, double *out)
{
    double p[OUTCOMES];
    (void)x;
    outcome_p(outcome_theta, p);
    for (int j = 0; j < OUTCOMES; j++) {
        out[j] = 0;
        for (int i = 0; i < OUTCOMES; i++) out[j] += p[i] * outcome_f[i] * ((i == j) - p[j]);
    }
    out[OUTCOMES] = gauss_hermite(f_score_mu);
    out[OUTCOMES + 1] = gauss_hermite(f_score_sigma);
    return 0;
}
/*[/snip]*/

/* The same f at this theta, but one that moves with it: f_theta = f (1 + theta' - theta) in each direction, whose
 * mean moves by E[f] more. */
static double grad_of_moving_f(const setting *x, double *out)
{
    double p[OUTCOMES], E_f = 0;
    grad_of_mean(x, out);
    outcome_p(outcome_theta, p);
    for (int i = 0; i < OUTCOMES; i++) E_f += p[i] * outcome_f[i];
    for (int i = 0; i < OUTCOMES; i++) out[i] += E_f;
    for (int i = 0; i < 2; i++) out[OUTCOMES + i] += exp(-sigma * sigma / 2) * sin(mu);
    return 0;
}

/* ---- whole trajectories, over the small problem of enumerate.h ---- */

/* ---- MDP-15 ---- */

static int n_ends(const setting *x) { return 1 + x->pi->nS; }

/* H steps, each a sum over states and actions of numbers that sum to 1 */
static double unit_probability(const setting *x)
{
    return DBL_EPSILON * fmax(x->pi->nSA, 4) * (FINITE_HORIZON + 1);
}

static double step_by_step(const setting *x, double *out)       /* 1, and Pr(s_T = s) forward in time */
{
    finite_horizon *f = small_new(x);
    const mdp *M = f->M;
    double *p = out + 1, *next = allocate((size_t)M->nS, sizeof *next, "probabilities");
    memcpy(p, M->mu0, (size_t)M->nS * sizeof *p);
    for (int t = 0; t < f->H; t++) {
        memset(next, 0, (size_t)M->nS * sizeof *next);
        for (int i = 0; i < x->pi->nSA; i++) {
            if (x->pi->absorbing[i / M->nA]) continue;
            for (int k = M->row[i]; k < M->row[i + 1]; k++)
                next[M->next[k]] += p[i / M->nA] * x->pi->pi[i] * M->P[k];
        }
        for (int s = 0; s < M->nS; s++) p[s] = next[s] + (x->pi->absorbing[s] ? p[s] : 0);
    }
    out[0] = 1;
    double room = f->H * enumerate_defect(M);
    finite_free(f);
    free(next);
    return room;
}

static void where_it_ends(void *context, const traj *tau, double *g)
{
    const int *nS = context;
    memset(g, 0, ((size_t)*nS + 1) * sizeof *g);
    g[0] = g[1 + tau->s[tau->T]] = 1;
}

static double sum_of_p(const setting *x, double *out)
{
    finite_horizon *f = small_new(x);
    int nS = f->M->nS;
    enumerate_moments(f->M, f->x->pi, f->H, where_it_ends, &nS, 1 + nS, out, NULL);
    finite_free(f);
    return 0;
}

/* ---- MDP-16: on up to LOOKED_AT trajectories, evenly spread ---- */

enum { LOOKED_AT = 64 };
struct sample { int H, count, stride, seen; int *s, *a; int T[LOOKED_AT]; };    /* s, a [LOOKED_AT][H+1] */

static void take(void *context, const traj *tau, double *g)
{
    struct sample *c = context;
    *g = 0;
    if (c->seen++ % c->stride) return;
    memcpy(c->s + c->count * (c->H + 1), tau->s, ((size_t)tau->T + 1) * sizeof *tau->s);
    memcpy(c->a + c->count * (c->H + 1), tau->a, (size_t)tau->T * sizeof *tau->a);
    c->T[c->count++] = tau->T;
}

static struct sample sample_new(const finite_horizon *f)
{
    double nothing;
    struct sample c = { .H = f->H };
    c.stride = (int)ceil(enumerate_count(f->M, f->x->pi, f->H) / LOOKED_AT);
    c.s = allocate(LOOKED_AT * ((size_t)f->H + 1), sizeof *c.s, "trajectories");
    c.a = allocate(LOOKED_AT * ((size_t)f->H + 1), sizeof *c.a, "trajectories");
    enumerate_moments(f->M, f->x->pi, f->H, take, &c, 1, &nothing, NULL);
    return c;
}

static void sample_free(struct sample *c)
{
    free(c->s);
    free(c->a);
}

static int n_trajectory_scores(const setting *x) { return LOOKED_AT * x->pi->n; }

/* T scores below 1 in the logits */
static double unit_trajectory_score(const setting *x)
{
    return DBL_EPSILON * fmax(x->pi->nA, 4) * FINITE_HORIZON * x->pi->c;
}

/* log P(s1|s,a) */
static double log_P(const mdp *M, int s, int a, int s1)
{
    int i = s * M->nA + a, k = M->row[i];
    while (k < M->row[i + 1] - 1 && M->next[k] != s1) k++;
    return log(M->P[k]);
}

/* log p(tau) = log mu0(s_0) + sum_t [ log pi(a_t|s_t) + log P(s_{t+1}|s_t,a_t) ] at logits z */
static double log_p(const mdp *M, const double *z, const int *s, const int *a, int T)
{
    double sum = log(M->mu0[s[0]]);
    for (int t = 0; t < T; t++) {
        const double *row = z + s[t] * M->nA;
        double max = row[0], total = 0;
        for (int b = 1; b < M->nA; b++) max = fmax(max, row[b]);
        for (int b = 0; b < M->nA; b++) total += exp(row[b] - max);
        sum += (row[a[t]] - max) - log(total) + log_P(M, s[t], a[t], s[t + 1]);
    }
    return sum;
}

static double differences_of_log_p(const setting *x, double *out)
{
    finite_horizon *f = small_new(x);
    struct sample c = sample_new(f);
    int n = f->policy->n, nSA = x->pi->nSA;
    double *theta = allocate((size_t)n, sizeof *theta, "parameters"), error = 0, size = 0;
    double *z = allocate(6 * (size_t)nSA, sizeof *z, "logits"), D[3];
    memset(out, 0, (size_t)n_trajectory_scores(x) * sizeof *out);
    memcpy(theta, f->theta, (size_t)n * sizeof *theta);
    for (int i = 0; i < n; i++) {
        for (int l = 0; l < 6; l++) {                           /* theta_i + h, - h, + h/2, ... */
            theta[i] = f->theta[i] + ldexp(l % 2 ? -step_0 : step_0, -l / 2);
            policy_logits_at(f->policy, theta, z + l * nSA);
        }
        theta[i] = f->theta[i];
        for (int j = 0; j < c.count; j++) {
            const int *s = c.s + j * (c.H + 1), *a = c.a + j * (c.H + 1);
            for (int l = 0; l < 3; l++) {
                double plus = log_p(f->M, z + 2 * l * nSA, s, a, c.T[j]);
                double minus = log_p(f->M, z + (2 * l + 1) * nSA, s, a, c.T[j]);
                D[l] = (plus - minus) / (2 * ldexp(step_0, -l));
                size = fmax(size, fabs(plus));
            }
            out[j * n + i] = extrapolate(D, &error);
        }
    }
    size += c.H * linalg_max_abs(nSA, x->pi->logits);
    sample_free(&c);
    finite_free(f);
    free(theta);
    free(z);
    return error + rounding_of_differences(size);
}

static double reverse_mode_of_log_p(const setting *x, double *out)
{
    finite_horizon *f = small_new(x);
    const mdp *M = f->M;
    struct sample c = sample_new(f);
    int n = f->policy->n;
    memset(out, 0, (size_t)n_trajectory_scores(x) * sizeof *out);
    ad_tape *t = ad_tape_new();
    ad theta = ad_input(t, f->theta, n, 1), log_pi = ad_log_softmax(policy_logits(t, f->policy, theta));
    for (int j = 0; j < c.count; j++) {
        ad_mark mark = ad_here(t);
        const int *s = c.s + j * (c.H + 1), *a = c.a + j * (c.H + 1);
        ad sum = ad_constant(t, log(M->mu0[s[0]]), 1, 1);
        for (int step = 0; step < c.T[j]; step++) {
            ad P = ad_constant(t, log_P(M, s[step], a[step], s[step + 1]), 1, 1);
            sum = ad_add(sum, ad_add(ad_view(log_pi, s[step] * M->nA + a[step], 1, 1), P));
        }
        memcpy(out + j * n, ad_value(ad_grad(sum, theta)), (size_t)n * sizeof *out);
        ad_reset(t, mark);
    }
    ad_tape_free(t);
    sample_free(&c);
    finite_free(f);
    return 0;
}

/*[snip sum-of-scores]*/
/* MDP-16  grad log p(tau) = sum_{t<T} grad log pi(a_t|s_t) */
static double sum_of_scores(const setting *x, double *out)
{
    finite_horizon *f = small_new(x);
    const exact *pi = x->pi;
    struct sample c = sample_new(f);
    double *z = allocate((size_t)pi->nSA, sizeof *z, "a score in the logits");
    memset(out, 0, (size_t)n_trajectory_scores(x) * sizeof *out);
    for (int j = 0; j < c.count; j++) {
        const int *s = c.s + j * (c.H + 1), *a = c.a + j * (c.H + 1);
        memset(z, 0, (size_t)pi->nSA * sizeof *z);
        for (int t = 0; t < c.T[j]; t++)
            for (int b = 0; b < pi->nA; b++) z[s[t] * pi->nA + b] += score_z(pi, s[t], a[t], b);
        exact_chain(pi, z, out + j * pi->n);
    }
    free(z);
    sample_free(&c);
    finite_free(f);
    return 0;
}
/*[/snip]*/

/* ---- MDP-17, PGT-7: the gradient of J over H steps ---- */

/* The same starts and rewards r(s,a), but each action goes where the next one does. */
static finite_horizon *wrong_model(const finite_horizon *f, mdp **wrong)
{
    const mdp *M = f->M;
    char error[256];
    mdp_builder *b = mdp_begin("wrong model", M->nS, M->nA, f->gamma);
    for (int s = 0; s < M->nS; s++) mdp_start(b, s, M->mu0[s]);
    for (int i = 0; i < M->nS * M->nA; i++) {
        int s = i / M->nA, other = s * M->nA + (i + 1 - s * M->nA) % M->nA;
        for (int k = M->row[other]; k < M->row[other + 1]; k++)
            mdp_transition(b, s, i % M->nA, M->next[k], M->P[k], mdp_reward(M, s, i % M->nA));
    }
    *wrong = mdp_finish(b);
    return finite_new(*wrong, f->gamma, f->policy, f->theta, f->H, error, sizeof error);
}

static double by_wrong_model(const setting *x, double *g)
{
    mdp *wrong;
    finite_horizon *f = small_new(x), *believed = wrong_model(f, &wrong);
    finite_gradient(believed, g);
    finite_free(believed);
    mdp_free(wrong);
    finite_free(f);
    return 0;
}

/*[snip model-free]*/
/* MDP-17  s, a and r are all that g-hat reads: what the agent believes about P has no part in it. */
static double model_free(const setting *x, double *g)
{
    mdp *wrong;
    finite_horizon *f = small_new(x), *believed = wrong_model(f, &wrong);
    gradient_estimate *e = gradient_estimate_new(believed, gradient_estimator_find("reward-to-go"));
    enumerate_moments(f->M, f->x->pi, f->H, gradient_estimate_run, e, x->pi->n, g, NULL);
    gradient_estimate_free(e);
    finite_free(believed);
    mdp_free(wrong);
    finite_free(f);
    return 0;
}
/*[/snip]*/

struct returns { double gamma; };

static void discounted_return(void *context, const traj *tau, double *g)
{
    *g = returns_total(tau->T, tau->r, ((struct returns *)context)->gamma);
}

/* sum_tau p_theta(tau) R(tau) at logits z */
static double J_of_logits(const finite_horizon *f, const double *z, double *pi)
{
    struct returns r = { f->gamma };
    double J;
    for (int s = 0; s < f->M->nS; s++) {
        double max = -INFINITY, sum = 0;
        for (int i = s * f->M->nA; i < (s + 1) * f->M->nA; i++) max = fmax(max, z[i]);
        for (int i = s * f->M->nA; i < (s + 1) * f->M->nA; i++) sum += pi[i] = exp(z[i] - max);
        for (int i = s * f->M->nA; i < (s + 1) * f->M->nA; i++) pi[i] /= sum;
    }
    enumerate_moments(f->M, pi, f->H, discounted_return, &r, 1, &J, NULL);
    return J;
}

static double differences_of_the_sum(const setting *x, double *g)
{
    finite_horizon *f = small_new(x);
    int n = f->policy->n;
    bool short_enough = n * enumerate_count(f->M, f->x->pi, f->H) <= 1e5;
    double *theta = allocate((size_t)n, sizeof *theta, "parameters"), error = 0, D[3];
    double *z = allocate(2 * (size_t)x->pi->nSA, sizeof *z, "logits"), *pi = z + x->pi->nSA;
    memcpy(theta, f->theta, (size_t)n * sizeof *theta);
    for (int i = 0; i < n && short_enough; i++) {
        for (int l = 0; l < 3; l++) {
            double h = ldexp(step_0, -l), J[2];
            for (int side = 0; side < 2; side++) {
                theta[i] = f->theta[i] + (side ? h : -h);
                policy_logits_at(f->policy, theta, z);
                J[side] = J_of_logits(f, z, pi);
            }
            D[l] = (J[1] - J[0]) / (2 * h);
        }
        theta[i] = f->theta[i];
        g[i] = extrapolate(D, &error);
    }
    error += rounding_of_differences(f->H * finite_scale(f) * (1 + linalg_max_abs(x->pi->nSA, x->pi->logits)));
    finite_free(f);
    free(theta);
    free(z);
    return short_enough ? error : LEFT_OUT;
}

/* PGT-7   grad J = E_tau[ R(tau) sum_{t<T} grad log pi(a_t|s_t) ] */
static double return_times_score(const setting *x, double *g)
{
    finite_horizon *f = small_new(x);
    gradient_estimator_moments(f, "total-return", g, NULL);
    finite_free(f);
    return 0;
}

const derivation likelihood_ratio[] = {
    { "MDP-15", "p(tau) = rho_0(s_0) prod_t pi(a_t|s_t) P(s_t+1|s_t,a_t) sums to 1",
      "sum_tau p(tau), then Pr(s_T = s); over " FINITE_SMALL, n_ends, unit_probability,
      small_not_applicable, NULL, {
        { "1,\\quad P_\\pi(s_T=s)",
          "what the states at the end must add up to: one step after the other", step_by_step },
        { "=\\sum_\\tau p_\\theta(\\tau),\\quad\\sum_\\tau p_\\theta(\\tau)1\\{s_T=s\\},\\quad "
          "p_\\theta(\\tau)=\\rho_0(s_0)\\prod_{t=0}^{T-1}\\pi_\\theta(a_t|s_t)P(s_{t+1}|s_t,a_t)",
          "every trajectory, with its probability", sum_of_p } },
      .page = small_page },
    { "MDP-16", "grad log p(tau) = sum_t grad log pi(a_t|s_t), on every trajectory",
      "d log p(tau)/dtheta[i], on up to 64 trajectories of " FINITE_SMALL,
      n_trajectory_scores, unit_trajectory_score, small_not_applicable, NULL, {
        { "\\nabla_\\theta\\log p_\\theta(\\tau)",
          "the definition of a derivative; central differences, extrapolated", differences_of_log_p },
        { "=\\nabla_\\theta(\\log\\rho_0(s_0)+\\sum_{t=0}^{T-1}(\\log\\pi_\\theta(a_t|s_t)"
          "+\\log P(s_{t+1}|s_t,a_t)))",
          "the logarithm of the product, MDP-15; reverse mode", reverse_mode_of_log_p },
        { "=\\sum_{t=0}^{T-1}\\nabla_\\theta\\log\\pi_\\theta(a_t|s_t)",
          "rho_0 and P do not know theta; the softmax's score", sum_of_scores } },
      .page = small_page },
    { "MDP-17", "policy gradients are model-free: P has no part in the estimate",
      "dJ/dtheta[i] over " FINITE_SMALL, small_n, small_unit, small_not_applicable, NULL, {
        { "\\nabla_\\theta J(\\theta)", "with the model: PGT-3 on the time-expanded MDP", small_gradient },
        { "=E_{\\tau\\sim\\pi_\\theta}[\\sum_t\\gamma^tG_t\\nabla_\\theta\\log\\pi_\\theta(a_t|s_t)]",
          "without: the estimate reads s, a, r; run over all trajectories by an agent that believes in a wrong P",
          model_free },
        { "\\nabla_\\theta J(\\theta)\\ \\text{with}\\ P(\\cdot|s,a+1)\\ \\text{for}\\ P(\\cdot|s,a)",
          "the control: the first line with that wrong P", by_wrong_model, DIFFERS } },
      .page = small_page },
    { "PGT-4", "grad pi(a|s) = pi(a|s) grad log pi(a|s), softmax and Gaussian",
      "dpi(a|s)/dz[s,b], then dp(x)/d(mu, log sigma) at 3 points", n_grad_pi, unit_grad_pi,
      too_many_actions, NULL, {
        { "\\nabla_\\theta\\pi_\\theta(a|s)", "reverse mode through pi", grad_pi },
        { "=\\lim_{h\\to0}\\frac{\\pi_{\\theta+he}-\\pi_{\\theta-he}}{2h}", "central differences, extrapolated",
          grad_pi_differences },
        { "=\\pi_\\theta(a|s)\\nabla_\\theta\\log\\pi_\\theta(a|s)",
          "the derivative of the logarithm is grad pi / pi, where pi > 0; reverse mode through log pi",
          pi_grad_log_pi },
        { "=\\pi_\\theta(a|s)(1\\{a=b\\}-\\pi_\\theta(b|s))",
          "the score of the softmax; of the Gaussian (x-mu)/sigma^2 and (x-mu)^2/sigma^2 - 1", closed_form } } },
    { "PGT-6", "grad E[f(x)] = E[f(x) grad log p(x)]", "dE[f]/dtheta for the four, then d/dmu, d/dlog sigma",
      n_log_derivative, unit_log_derivative, NULL, NULL, {
        { "\\nabla_\\theta E_{x\\sim p_\\theta}[f(x)]", "E[f] in closed form, then differentiated", grad_of_mean },
        { "=\\int f(x)\\nabla_\\theta p_\\theta(x)dx", "gradient and integral change places; trapezoidal rule",
          sum_of_f_grad_p },
        { "=E_{x\\sim p_\\theta}[f(x)\\nabla_\\theta\\log p_\\theta(x)]",
          "grad p = p grad log p; Gauss-Hermite quadrature", mean_of_f_score },
        { "\\nabla_\\theta E_{x\\sim p_\\theta}[f_\\theta(x)]",
          "the control: an f with the same values here that moves with theta. Its grad E[f] has E[grad f] too",
          grad_of_moving_f, DIFFERS } },
      "x one of four with probabilities softmax(theta), f = (1, -2, .5, 3); and x ~ N(.7, 1.3^2), f = sin" },
    { "PGT-7", "grad J = E[R(tau) sum_{t<T} grad log pi(a_t|s_t)]", "dJ/dtheta[i] over " FINITE_SMALL, small_n,
      small_unit, small_not_applicable, NULL, {
        { "\\nabla_\\theta J(\\pi_\\theta)", "PGT-3 on the time-expanded MDP", small_gradient },
        { "=\\nabla_\\theta\\sum_\\tau p_\\theta(\\tau)R(\\tau)",
          "the definition of J; central differences of the sum over all trajectories", differences_of_the_sum },
        { "=E_{\\tau\\sim\\pi_\\theta}[R(\\tau)\\sum_{t=0}^{T-1}\\nabla_\\theta\\log\\pi_\\theta(a_t|s_t)]",
          "PGT-6 with x = tau, f = R, and MDP-16; the sum ends at T-1 (ERR-40, beside PGT-9)",
          return_times_score } },
      .page = small_page },
    { .id = NULL }
};
