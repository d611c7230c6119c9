/* The performance difference: how much better pi' is than pi, from pi's advantages and pi's visits only.
 * 001 (l.141, l.160-165), 002 (image TRPO2, TRPO5-6), 004 (l.320-346); Kakade and Langford 2002. */
#include "derivations/performance_difference.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "derivations/coupling.h"
#include "derivations/derivation.h"
#include "derivations/enumerate.h"
#include "derivations/kl_bounds.h"

/* sum_a pi'(a|s) A_pi(s,a): how much one step of pi' gains over pi in s */
static double expected_advantage(const exact *pi, const exact *pi1, int s)
{
    double sum = 0;
    for (int a = 0; a < pi->nA; a++) sum += pi1->pi[s * pi->nA + a] * pi->A[s * pi->nA + a];
    return sum;
}

/* PDI-6   J(pi') - J(pi) = sum_s rho_pi'(s) sum_a pi'(a|s) A_pi(s,a) */
double performance_difference_sum(const exact *pi, const exact *pi1)
{
    double sum = 0;
    for (int s = 0; s < pi->nS; s++) sum += exact_rho(pi1, s) * expected_advantage(pi, pi1, s);
    return sum;
}

double pair_unit(const exact *pi, const exact *pi1)
{
    return fmax(pi->unit_V / pi->k, pi1->unit_V / pi1->k) * fmax(pi->k, pi1->k);
}

double mean_over_time(const exact *pi, const double *f)
{
    double *sum = allocate((size_t)pi->nS, sizeof *sum, "a sum over time");
    exact_sum_over_time(pi, false, f, sum);
    double E = linalg_dot(pi->nS, pi->M->mu0, sum);
    free(sum);
    return E;
}

policy_comparison compare_policies(const exact *pi, const exact *pi1)
{
    policy_comparison c = { .J = pi1->J, .lhs = pi1->J - pi->J, .rhs = performance_difference_sum(pi, pi1),
                            .surrogate = pi->J };
    double visits = 0, eps = linalg_max_abs(pi->nSA, pi->A);
    for (int s = 0; s < pi->nS; s++) {
        if (pi->absorbing[s]) continue;
        int i = s * pi->nA;
        double kl = kl_divergence(pi->nA, pi->logpi + i, pi1->logpi + i);
        c.tv_max = fmax(c.tv_max, total_variation(pi->nA, pi->pi + i, pi1->pi + i));
        c.kl_max = fmax(c.kl_max, kl);
        c.kl_mean += exact_rho(pi, s) * kl;
        visits += exact_rho(pi, s);
        c.surrogate += exact_rho(pi, s) * expected_advantage(pi, pi1, s);
    }
    c.kl_mean = visits > 0 ? c.kl_mean / visits : NAN;
    double C = 4 * eps * pi->gamma / ((1 - pi->gamma) * (1 - pi->gamma));
    c.lower_bound = pi->gamma < 1 ? c.surrogate - C * c.kl_max : NAN;
    return c;
}

/* ---- the lines ---- */

enum { HORIZON = 12, TRAJECTORIES = 64, TRAJECTORY_STEPS = 40 };

/* ---- units; a line that needs more room than the statement says so ---- */
static int n_trajectories(const setting *x) { (void)x; return TRAJECTORIES; }

static double unit_J(const setting *x) { return pair_unit(x->pi, x->pi1); }

/* A sum of V over time is k times as large as V, and so is its rounding. */
static double room_of_sums(const setting *x) { return 10 * unit_J(x) * fmax(x->pi->k, x->pi1->k); }

/* Rows of P that sum to 1 only within 1e-9 lose or gain that much probability a step. */
static double room_of_trajectories(const setting *x)
{
    const mdp *M = x->pi->M;
    double defect = 0;
    for (int i = 0; i < x->pi->nSA; i++) {
        double sum = 0;
        for (int k = M->row[i]; k < M->row[i + 1]; k++) sum += M->P[k];
        defect = fmax(defect, fabs(sum - 1));
    }
    return 2 * HORIZON * defect * linalg_max_abs(M->nS, x->pi->V);
}

/* 2T sums of terms no larger than max|V| */
static double unit_telescope(const setting *x)
{
    return 2 * (TRAJECTORY_STEPS + 1) * DBL_EPSILON * fmax(1, linalg_max_abs(x->pi->nS, x->pi->V));
}

static bool too_many_states(const setting *x) { return x->pi->nS > EXACT_MAX_TIME_SUM; }

/* Might a sum of values over `steps` discounted steps overflow? The other lines sum only their differences. */
static bool values_overflow(const exact *x, double steps)
{
    return linalg_max_abs(x->nS, x->V) > 1e300 / fmax(1, steps);
}

/* What is summed over time below, any of these added: r(s_t,a_t), V(s_t), -V(s_t), gamma V(s_{t+1}) */
enum { R = 1, V = 2, MINUS_V = 4, GAMMA_V1 = 8 };

/* E_{tau ~ pi'}[ sum_t gamma^t (the terms) ], s_{t+1} and a_t by their conditional means */
static double E_sum(const setting *x, int terms)
{
    const exact *pi = x->pi;
    const mdp *M = pi->M;
    double *f = allocate((size_t)pi->nS, sizeof *f, "a function of the state");
    for (int s = 0; s < pi->nS; s++)
        for (int i = s * pi->nA; i < (s + 1) * pi->nA && !pi->absorbing[s]; i++) {
            double sum_a = 0, EV1 = 0;
            for (int k = M->row[i]; k < M->row[i + 1]; k++) EV1 += M->P[k] * pi->V[M->next[k]];
            if (terms & R)        sum_a += pi->r[i];
            if (terms & V)        sum_a += pi->V[s];
            if (terms & MINUS_V)  sum_a -= pi->V[s];
            if (terms & GAMMA_V1) sum_a += pi->gamma * EV1;
            f[s] += x->pi1->pi[i] * sum_a;
        }
    double E = mean_over_time(x->pi1, f);
    free(f);
    return E;
}

/* PDI-2   E_{tau ~ pi'}[V(s_0)] over all trajectories of a few steps: their probability from s_0, summed
 * by recursion over the last step, times V(s_0). s_0 does not depend on the policy. */
static double start_value_over_trajectories(const setting *x)
{
    const mdp *M = x->pi->M;
    double *mass = allocate(2 * (size_t)M->nS, sizeof *mass, "trajectory probabilities");
    double *longer = mass + M->nS;
    for (int s = 0; s < M->nS; s++) mass[s] = 1;
    for (int t = 0; t < HORIZON; t++) {
        memset(longer, 0, (size_t)M->nS * sizeof *longer);
        for (int s = 0; s < M->nS; s++)
            for (int i = s * M->nA; i < (s + 1) * M->nA; i++)
                for (int k = M->row[i]; k < M->row[i + 1]; k++)
                    longer[s] += x->pi1->pi[i] * M->P[k] * mass[M->next[k]];
        memcpy(mass, longer, (size_t)M->nS * sizeof *mass);
    }
    double E = 0;
    for (int s = 0; s < M->nS; s++) E += M->mu0[s] * mass[s] * x->pi->V[s];
    free(mass);
    return E;
}

static double J_by_visits(const exact *pi)                  /* sum_s rho_pi(s) r_pi(s) */
{
    double J = 0;
    for (int s = 0; s < pi->nS; s++) J += exact_rho(pi, s) * pi->r_pi[s];
    return J;
}

static double J_by_start(const exact *pi)                   /* sum_s mu0(s) V_pi(s) */
{
    return linalg_dot(pi->nS, pi->M->mu0, pi->V);
}

static double difference(const setting *x, double *out)
{
    *out = x->pi1->J - x->pi->J;
    return 0;
}

static double minus_start(const setting *x, double *out)
{
    *out = J_by_visits(x->pi1) - J_by_start(x->pi);
    return 0;
}

static double minus_trajectories(const setting *x, double *out)
{
    *out = J_by_visits(x->pi1) - start_value_over_trajectories(x);
    return room_of_trajectories(x);
}

static double telescope_apart(const setting *x, double *out)
{
    if (too_many_states(x) || values_overflow(x->pi, x->pi1->k)) return LEFT_OUT;
    *out = J_by_visits(x->pi1) - (E_sum(x, V) - E_sum(x, GAMMA_V1));
    return room_of_sums(x);
}

static double telescope(const setting *x, double *out)
{
    if (too_many_states(x)) return LEFT_OUT;
    *out = J_by_visits(x->pi1) + E_sum(x, GAMMA_V1 + MINUS_V);
    return room_of_sums(x);
}

static double two_sums(const setting *x, double *out)
{
    if (too_many_states(x)) return LEFT_OUT;
    *out = E_sum(x, R) + E_sum(x, GAMMA_V1 + MINUS_V);
    return room_of_sums(x);
}

static double one_sum(const setting *x, double *out)
{
    if (too_many_states(x)) return LEFT_OUT;
    *out = E_sum(x, R + GAMMA_V1 + MINUS_V);
    return room_of_sums(x);
}

/* PDI-1   J(pi') = J(pi) + E_{tau ~ pi'}[ sum_t gamma^t A_pi(s_t,a_t) ] */
static double advantage_sum(const setting *x, double *out)
{
    if (too_many_states(x)) return LEFT_OUT;
    double *f = allocate((size_t)x->pi->nS, sizeof *f, "a function of the state");
    for (int s = 0; s < x->pi->nS; s++) f[s] = expected_advantage(x->pi, x->pi1, s);
    *out = mean_over_time(x->pi1, f);
    free(f);
    return 0;
}

static double visits_of_new(const setting *x, double *out)
{
    *out = performance_difference_sum(x->pi, x->pi1);
    return 0;
}

static double J_from_visits(const setting *x, double *out)
{
    *out = J_by_visits(x->pi);
    return 0;
}

static double J_from_start(const setting *x, double *out)
{
    *out = J_by_start(x->pi);
    return 0;
}

static double J_from_trajectories(const setting *x, double *out)
{
    *out = start_value_over_trajectories(x);
    return room_of_trajectories(x);
}

/* The states of TRAJECTORIES trajectories of pi', [TRAJECTORIES][TRAJECTORY_STEPS + 1], always the same */
static int *sample_trajectories(const setting *x)
{
    const mdp *M = x->pi->M;
    int *states = allocate((size_t)TRAJECTORIES * (TRAJECTORY_STEPS + 1), sizeof *states, "trajectories");
    for (int i = 0; i < TRAJECTORIES; i++) {
        gsl_rng *rng = random_stream(x->seed, (uint32_t)i, RANDOM_TRAJECTORY);
        int *s = states + i * (TRAJECTORY_STEPS + 1), a, k;
        double p = gsl_rng_uniform(rng);
        for (s[0] = 0; s[0] < M->nS - 1 && (p -= M->mu0[s[0]]) >= 0;) s[0]++;
        for (int t = 0; t < TRAJECTORY_STEPS; t++) {
            p = gsl_rng_uniform(rng);
            for (a = 0; a < M->nA - 1 && (p -= x->pi1->pi[s[t] * M->nA + a]) >= 0;) a++;
            p = gsl_rng_uniform(rng);
            const int *row = M->row + s[t] * M->nA + a;
            for (k = row[0]; k < row[1] - 1 && (p -= M->P[k]) >= 0;) k++;
            s[t + 1] = M->next[k];
        }
        gsl_rng_free(rng);
    }
    return states;
}

/* PDI-3   V(s_0) = sum_{t=0}^T gamma^t V(s_t) - sum_{t=1}^T gamma^t V(s_t)
 *                = -sum_{t=0}^{T-1} gamma^t (gamma V(s_{t+1}) - V(s_t)) + gamma^T V(s_T), on each trajectory */
static double start_value(const setting *x, double *out)
{
    int *states = sample_trajectories(x);
    for (int i = 0; i < TRAJECTORIES; i++) out[i] = x->pi->V[states[i * (TRAJECTORY_STEPS + 1)]];
    free(states);
    return 0;
}

static double sums_apart(const setting *x, double *out)
{
    if (values_overflow(x->pi, TRAJECTORY_STEPS)) return LEFT_OUT;
    int *states = sample_trajectories(x);
    for (int i = 0; i < TRAJECTORIES; i++) {
        const int *s = states + i * (TRAJECTORY_STEPS + 1);
        double from_0 = 0, from_1 = 0, gamma_t = 1;
        for (int t = 0; t <= TRAJECTORY_STEPS; t++, gamma_t *= x->pi->gamma) {
            from_0 += gamma_t * x->pi->V[s[t]];
            if (t >= 1) from_1 += gamma_t * x->pi->V[s[t]];
        }
        out[i] = from_0 - from_1;
    }
    free(states);
    return 0;
}

static double telescoped(const setting *x, double *out)
{
    int *states = sample_trajectories(x);
    for (int i = 0; i < TRAJECTORIES; i++) {
        const int *s = states + i * (TRAJECTORY_STEPS + 1);
        double sum = 0, gamma_t = 1;
        for (int t = 0; t < TRAJECTORY_STEPS; t++, gamma_t *= x->pi->gamma)
            sum += gamma_t * (x->pi->gamma * x->pi->V[s[t + 1]] - x->pi->V[s[t]]);
        out[i] = -sum + gamma_t * x->pi->V[s[TRAJECTORY_STEPS]];
    }
    free(states);
    return 0;
}

/* PDI-4   sum_s' P(s'|s,a) [r(s,a,s') + gamma V(s')] - V(s) */
static double expected_td_error(const setting *x, double *out)
{
    const exact *pi = x->pi;
    const mdp *M = pi->M;
    for (int i = 0; i < pi->nSA; i++) {
        double E = 0;
        for (int k = M->row[i]; k < M->row[i + 1]; k++)
            E += M->P[k] * (M->R[k] + pi->gamma * pi->V[M->next[k]]);
        out[i] = pi->absorbing[i / pi->nA] ? 0 : E - pi->V[i / pi->nA];
    }
    return enumerate_room(pi);
}

/* ERR-29: the same without the mean over s': A plus the standard deviation over s' of r + gamma V(s') - V(s) */
static double pointwise_td_error(const setting *x, double *out)
{
    const exact *pi = x->pi;
    const mdp *M = pi->M;
    expected_td_error(x, out);
    for (int i = 0; i < pi->nSA; i++) {
        int s = i / pi->nA;
        double A = out[i], largest = 0, square = 0;             /* squares of what is at most 1 */
        for (int k = M->row[i]; k < M->row[i + 1] && !pi->absorbing[s]; k++)
            largest = fmax(largest, fabs(M->R[k] + pi->gamma * pi->V[M->next[k]] - pi->V[s] - A));
        for (int k = M->row[i]; k < M->row[i + 1] && largest > 0; k++) {
            double off = (M->R[k] + pi->gamma * pi->V[M->next[k]] - pi->V[s] - A) / largest;
            square += M->P[k] * off * off;
        }
        out[i] = A + largest * sqrt(square);
    }
    return 0;
}

/* A = Q - V by their definitions as returns: a, then pi, summed over time; no linear solve */
static double advantages_over_time(const setting *x, double *out)
{
    if (too_many_states(x)) return LEFT_OUT;
    const exact *pi = x->pi;
    const mdp *M = pi->M;
    double *V_pi = allocate((size_t)pi->nS, sizeof *V_pi, "a sum over time");
    exact_sum_over_time(pi, false, pi->r_pi, V_pi);
    for (int s = 0; s < pi->nS; s++) {
        double mean = 0;                                        /* V(s) = sum_a pi(a|s) Q(s,a) */
        for (int i = s * pi->nA; i < (s + 1) * pi->nA; i++) {
            out[i] = pi->r[i];
            for (int k = M->row[i]; k < M->row[i + 1]; k++) out[i] += pi->gamma * M->P[k] * V_pi[M->next[k]];
            mean += pi->pi[i] * out[i];
        }
        for (int i = s * pi->nA; i < (s + 1) * pi->nA; i++) out[i] -= mean;
    }
    free(V_pi);
    return 0;
}

/* PDI-5   theta' <- argmax_theta' J(theta') - J(theta). A step of policy iteration: pi' greedy in sign A_pi. */
static exact *greedy(const exact *pi, double sign)
{
    char error[256];
    double *logits = allocate((size_t)pi->nSA, sizeof *logits, "logits");
    for (int s = 0; s < pi->nS; s++) {
        int best = s * pi->nA;
        for (int i = s * pi->nA; i < (s + 1) * pi->nA; i++) {
            if (sign * pi->A[i] > sign * pi->A[best]) best = i;
            logits[i] = -1e4;                                   /* exp(-1e4) is 0 */
        }
        logits[best] = 0;
    }
    exact *x = exact_new(pi->M, pi->gamma, logits, error, sizeof error);
    free(logits);
    return x;
}

static double value_greedy(const setting *x, double sign, double *out)
{
    exact *pi1 = greedy(x->pi, sign);
    if (!pi1) return LEFT_OUT;                                        /* gamma = 1, and it never ends */
    memcpy(out, pi1->V, (size_t)pi1->nS * sizeof *out);
    double room = 10 * pi1->unit_V;
    exact_free(pi1);
    return room;
}

static double value(const setting *x, double *out)
{
    memcpy(out, x->pi->V, (size_t)x->pi->nS * sizeof *out);
    return 0;
}

static double value_of_best_step(const setting *x, double *out)  { return value_greedy(x, 1, out); }
static double value_of_worst_step(const setting *x, double *out) { return value_greedy(x, -1, out); }

static double value_of_argmax(const setting *x, double *out)
{
    char error[256];
    const exact *pi = x->pi;
    int *policy = allocate((size_t)pi->nS, sizeof *policy, "a policy");
    double unit;
    bool found = exact_optimal(pi->M, pi->gamma, out, policy, &unit, error, sizeof error);
    free(policy);
    return found && !isnan(linalg_max_abs(pi->nS, out)) ? 10 * unit : LEFT_OUT;
}

/* Other policies than pi may have much larger values: exact_new would end the program. */
static const char *others_diverge(const setting *x)
{
    double r = linalg_max_abs(x->pi->nSA, x->pi->r), gamma = x->pi->gamma;
    if (gamma < 1 && gamma > 1 - 1e-12) return "almost no discount: a greedy policy need not end";
    return r > 1e300 * fmax(1 - gamma, 1e-100) ? "the values of a greedy policy might overflow" : NULL;
}

/* PDI-7   eta(pi') = eta(pi) + sum_s rho_pi'(s) sum_a pi'(a|s) A_pi(s,a), rho_pi' summed over time */
static double known_advantages(const setting *x, double *out)
{
    if (too_many_states(x)) return LEFT_OUT;
    int nS = x->pi->nS;
    double *mu0 = allocate(2 * (size_t)nS, sizeof *mu0, "a visitation"), *rho1 = mu0 + nS;
    for (int s = 0; s < nS; s++) mu0[s] = x->pi->absorbing[s] ? 0 : x->pi->M->mu0[s];
    exact_sum_over_time(x->pi1, true, mu0, rho1);
    *out = x->pi->J;
    for (int s = 0; s < nS; s++) *out += rho1[s] * expected_advantage(x->pi, x->pi1, s);
    free(mu0);
    return room_of_sums(x);
}

static double J_of_new(const setting *x, double *out)
{
    *out = x->pi1->J;
    return 0;
}

static double known_visits(const setting *x, double *out)       /* rho_pi for rho_pi' */
{
    *out = compare_policies(x->pi, x->pi1).surrogate;
    return 0;
}

static const double LARGEST_RATIO = 1e200;

/* p1(s') = sum_s p(s) sum_a pi(a|s) P(s'|s,a) */
static void step_forward(const exact *pi, const double *p, double *p1)
{
    const mdp *M = pi->M;
    memset(p1, 0, (size_t)pi->nS * sizeof *p1);
    for (int i = 0; i < pi->nSA; i++)
        for (int k = M->row[i]; k < M->row[i + 1]; k++) p1[M->next[k]] += p[i / pi->nA] * pi->pi[i] * M->P[k];
}

/* E_{a ~ pi}[ pi'(a|s)/pi(a|s) A_pi(s,a) ] */
static double reweighted_advantage(const exact *pi, const exact *pi1, int s)
{
    double E = 0;
    for (int i = s * pi->nA; i < (s + 1) * pi->nA; i++)
        if (pi->pi[i] > 0) E += pi->pi[i] * (pi1->pi[i] / pi->pi[i]) * pi->A[i];
    return E;
}

/* PDI-8   sum_t E_{s_t ~ pi}[ p'(s_t)/p(s_t) E_{a_t ~ pi}[ pi'/pi gamma^t A ] ] for t < T, and for the rest what it
 * is worth, gamma^T E_{s_T ~ pi'}[V_pi'(s_T) - V_pi(s_T)] */
static double both_ratios(const setting *x, double *out)
{
    const exact *pi = x->pi, *pi1 = x->pi1;
    size_t nS = (size_t)pi->nS, bytes = nS * sizeof(double);
    double *p = allocate(4 * nS, sizeof *p, "state distributions"), gamma_t = 1;
    double *p1 = p + nS, *next = p + 2 * nS, *next1 = p + 3 * nS;       /* under pi and pi' */
    bool covered = true;
    memcpy(p, pi->M->mu0, bytes);
    memcpy(p1, pi->M->mu0, bytes);
    *out = 0;
    for (int t = 0; t < HORIZON; t++, gamma_t *= pi->gamma) {
        for (int s = 0; s < pi->nS; s++) {
            covered &= p1[s] <= LARGEST_RATIO * p[s];                   /* not lost to underflow */
            if (p[s] > 0) *out += p[s] * (p1[s] / p[s]) * gamma_t * reweighted_advantage(pi, pi1, s);
        }
        step_forward(pi, p, next);
        step_forward(pi1, p1, next1);
        memcpy(p, next, 2 * bytes);
    }
    for (int s = 0; s < pi->nS; s++) *out += gamma_t * p1[s] * (pi1->V[s] - pi->V[s]);
    free(p);
    return covered ? HORIZON * unit_J(x) : LEFT_OUT;                    /* t steps round a probability t times */
}

static const char *not_covered(const setting *x)
{
    for (int i = 0; i < x->pi->nSA; i++)
        if (!(x->pi1->pi[i] <= LARGEST_RATIO * x->pi->pi[i]))
            return "pi never does what pi' does: there is no ratio";
    return NULL;
}

const derivation performance_difference[] = {
    { "PDI-1", "J(pi') = J(pi) + E_pi'[sum_t gamma^t A_pi(s_t,a_t)]", "J(pi') - J(pi)",
      count_one, unit_J, NULL, NULL, {
        { "J(\\theta')-J(\\theta)", "what is wanted: two policies, two linear solves", difference },
        { "=J(\\theta')-E_{s_0\\sim p(s_0)}[V^{\\pi_\\theta}(s_0)]",
          "the definition of J(theta)", minus_start },
        { "=J(\\theta')-E_{\\tau\\sim p_{\\theta'}}[V^{\\pi_\\theta}(s_0)]",
          "PDI-2: s_0 does not depend on the policy, so any policy may make the trajectory",
          minus_trajectories },
        { "=J(\\theta')-E_{\\tau\\sim p_{\\theta'}}[\\sum_{t=0}^\\infty\\gamma^tV^{\\pi_\\theta}(s_t)"
          "-\\sum_{t=1}^\\infty\\gamma^tV^{\\pi_\\theta}(s_t)]",
          "PDI-3: the two sums differ by their first term", telescope_apart },
        { "=J(\\theta')+E_{\\tau\\sim p_{\\theta'}}[\\sum_{t=0}^\\infty\\gamma^t(\\gamma V^{\\pi_\\theta}(s_{t+1})"
          "-V^{\\pi_\\theta}(s_t))]", "PDI-3: shift t in the second sum and join them", telescope },
        { "=E_{\\tau\\sim p_{\\theta'}}[\\sum_{t=0}^\\infty\\gamma^tr(s_t,a_t)]+E_{\\tau\\sim p_{\\theta'}}"
          "[\\sum_{t=0}^\\infty\\gamma^t(\\gamma V^{\\pi_\\theta}(s_{t+1})-V^{\\pi_\\theta}(s_t))]",
          "the definition of J(theta')", two_sums },
        { "=E_{\\tau\\sim p_{\\theta'}}[\\sum_{t=0}^\\infty\\gamma^t(r(s_t,a_t)+\\gamma V^{\\pi_\\theta}(s_{t+1})"
          "-V^{\\pi_\\theta}(s_t))]", "expectation and sum are linear", one_sum },
        { "=E_{\\tau\\sim p_{\\theta'}}[\\sum_{t=0}^\\infty\\gamma^tA^{\\pi_\\theta}(s_t,a_t)]",
          "PDI-4: the conditional mean of the bracket is the advantage", advantage_sum } } },
    { "PDI-2", "J(pi) = E_{s_0}[V(s_0)] = E_{tau ~ pi'}[V(s_0)]", "J(pi)", count_one, unit_J, NULL, NULL, {
        { "J(\\theta)=\\sum_s\\rho_\\pi(s)\\,r_\\pi(s)", "the rewards, where pi goes", J_from_visits },
        { "=E_{s_0\\sim p(s_0)}[V^{\\pi_\\theta}(s_0)]",
          "the same, by the values of the start states", J_from_start },
        { "=E_{\\tau\\sim p_{\\theta'}}[V^{\\pi_\\theta}(s_0)]",
          "all trajectories of 12 steps of pi': their probabilities from s_0 sum to 1",
          J_from_trajectories } } },
    { "PDI-3", "V(s_0) = -sum_t gamma^t (gamma V(s_t+1) - V(s_t)) + gamma^T V(s_T)",
      "V(s_0) on 64 trajectories of 40 steps", n_trajectories, unit_telescope, NULL, NULL, {
        { "V(s_0)", "on each trajectory, not in the mean", start_value },
        { "=\\sum_{t=0}^{T}\\gamma^tV(s_t)-\\sum_{t=1}^{T}\\gamma^tV(s_t)",
          "the two sums differ by their first term", sums_apart },
        { "=-\\sum_{t=0}^{T-1}\\gamma^t(\\gamma V(s_{t+1})-V(s_t))+\\gamma^TV(s_T)",
          "shift t and join; what is left at the end goes to 0 with T", telescoped } } },
    { "PDI-4", "E_{s'}[r + gamma V(s') - V(s) | s,a] = A(s,a)", "A(s,a)", count_pairs, unit_of_A, NULL, NULL, {
        { "E_{s_{t+1}}[r(s_t,a_t)+\\gamma V_\\pi(s_{t+1})-V_\\pi(s_t)\\,|\\,s_t,a_t]",
          "the TD error, in the mean over the next state only (004 writes it pointwise)", expected_td_error },
        { "=A_\\pi(s_t,a_t)", "Q is the return of a, then pi, and V its mean over a; A = Q - V",
          advantages_over_time },
        { "r(s_t,a_t)+\\gamma V_\\pi(s_{t+1})-V_\\pi(s_t)",
          "004 (l.324) without the mean over the next state: one standard deviation over s_{t+1} above A",
          pointwise_td_error, DIFFERS, "ERR-29" } } },
    { "PDI-5", "argmax J(theta') - J(theta): a step of policy iteration never lowers a value", "V(s)",
      count_states, unit_of_V, others_diverge, NULL, {
        { "V^{\\pi_\\theta}(s)", "where we stand, in every state", value },
        { "V^{\\pi_\\theta}(s)\\ge V^{\\pi'}(s),\\quad\\pi'(s)=\\arg\\min_aA^{\\pi_\\theta}(s,a)",
          "a step against the advantage: PDI-6 from s with min_a A <= 0 wherever pi' goes", value_of_worst_step,
          AT_MOST },
        { "V^{\\pi_\\theta}(s)\\le V^{\\pi'}(s),\\quad\\pi'(s)=\\arg\\max_aA^{\\pi_\\theta}(s,a)",
          "one greedy step: PDI-6 from s with max_a A >= 0 wherever pi' goes", value_of_best_step, AT_LEAST },
        { "V^{\\pi_\\theta}(s)\\le\\max_{\\theta'}V^{\\pi_{\\theta'}}(s)",
          "the argmax over all policies, by policy iteration", value_of_argmax, AT_LEAST } } },
    { "PDI-6", "J(pi') - J(pi) = sum_s rho_pi'(s) sum_a pi'(a|s) A_pi(s,a)", "J(pi') - J(pi)",
      count_one, unit_J, NULL, NULL, {
        { "\\eta(\\tilde\\pi)-\\eta(\\pi)", "two policies, two linear solves", difference },
        { "=\\sum_s\\rho_{\\tilde\\pi}(s)\\sum_a\\tilde\\pi(a|s)A_\\pi(s,a)",
          "PDI-1 with sum_t gamma^t Pr(s_t = s | pi') = rho_pi'(s)", visits_of_new } } },
    { "PDI-7", "the performance of another policy: known advantages and its own visits", "J(pi')",
      count_one, unit_J, NULL, NULL, {
        { "\\eta(\\tilde\\pi)", "solved for pi' itself", J_of_new },
        { "=\\eta(\\pi)+\\sum_s\\rho_{\\tilde\\pi}(s)\\sum_a\\tilde\\pi(a|s)A_\\pi(s,a)",
          "PDI-6: nothing of pi' but where it goes, its visits summed over time", known_advantages },
        { "=\\eta(\\pi)+\\sum_s\\rho_\\pi(s)\\sum_a\\tilde\\pi(a|s)A_\\pi(s,a)",
          "002 l.238: pi~'s probabilities, pi's advantages, so that another policy can be had from a known one."
          " One reading: from what is known of pi alone, rho_pi too",
          known_visits, DIFFERS, "ERR-30" } } },
    { "PDI-8", "J(pi') - J(pi) from pi's trajectories: a ratio for the state, another for the action",
      "J(pi') - J(pi)", count_one, unit_J, not_covered, NULL, {
        { "J(\\theta')-J(\\theta)", "two policies, two linear solves", difference },
        { "=\\sum_{t<T}E_{s_t\\sim p_\\theta}[\\frac{p_{\\theta'}(s_t)}{p_\\theta(s_t)}E_{a_t\\sim\\pi_\\theta}"
          "[\\frac{\\pi_{\\theta'}(a_t|s_t)}{\\pi_\\theta(a_t|s_t)}\\gamma^tA^{\\pi_\\theta}(s_t,a_t)]]+\\gamma^T"
          "E_{s_T\\sim p_{\\theta'}}[V^{\\pi_{\\theta'}}(s_T)-V^{\\pi_\\theta}(s_T)]",
          "PDI-1 by importance sampling on two levels; what is left after T = 12 steps goes to 0 with T",
          both_ratios } } },
    { .id = NULL }
};
