/* What asynchronous value learning converges to, exactly: the mean of an update is zero at Q^* for one-step
 * Q-learning, at Q^pi of the behaviour for SARSA, and at neither for n-step Q-learning. Targets come from the code
 * that trains (algorithms/async_q.c, async_sarsa.c, nstep_q.c). 002 (l.30-44), 004 (l.41, l.535-545). */
#include "derivations/asynchronous_q.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/async_q.h"
#include "algorithms/async_sarsa.h"
#include "algorithms/epsilon.h"
#include "algorithms/nstep_q.h"
#include "autodiff/distribution.h"
#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"
#include "derivations/enumerate.h"

enum { MOST_PAIRS = 300, MOST_PATHS = 1000000, NSQ_1_STEPS = 3 };

static double *pairs(const exact *x) { return allocate((size_t)x->nSA, sizeof(double), "values of pairs"); }

static void fill_uniform(const exact *x, double *beta)
{
    for (int i = 0; i < x->nSA; i++) beta[i] = 1.0 / x->nA;
}

static double max_R(const exact *x) { return linalg_max_abs(x->M->row[x->nSA], x->M->R); }

static const char *not_here(const setting *x)
{
    double visits = 0, most = fmax(linalg_max_abs(x->pi->nSA, x->pi->Q), max_R(x->pi));
    for (int s = 0; s < x->pi->nS; s++) visits += exact_rho(x->pi, s);
    if (x->pi->gamma == 1) return "gamma = 1: the mean update does not contract";
    if (x->pi->gamma > 1 - 1e-12) return "almost no discount: rounding hides that the mean update contracts";
    if (x->pi->gamma == 0) return "gamma = 0: nothing follows";
    if (visits == 0) return "nothing is visited";
    if (most > 1e100) return "rewards whose squares overflow";
    if (x->pi->nSA > MOST_PAIRS) return "more than 300 pairs";
    return x->pi->nA == 1 ? "one action only" : NULL;
}

static const char *not_all_tried(const setting *x)
{
    for (int i = 0; i < x->pi->nSA; i++)
        if (!(x->pi->pi[i] > 1e-100 && x->pi1->pi[i] > 1e-100)) return "pi or pi' never does some action";
    return not_here(x);
}

/* u N M / (1 - gamma), M = max(1, |Q|, |R|): LU on I - gamma P */
static double unit_Q(const setting *x)
{
    double *Q = pairs(x->pi);
    optimal_Q(x->pi, Q);
    double M = fmax(fmax(1, max_R(x->pi)), fmax(linalg_max_abs(x->pi->nSA, Q), linalg_max_abs(x->pi->nSA, x->pi->Q)));
    free(Q);
    return DBL_EPSILON * fmax(x->pi->nS, 4) * M / (1 - x->pi->gamma);
}

void optimal_Q(const exact *x, double *Q)
{
    char error[256];
    double *V = allocate((size_t)x->nS, sizeof *V, "optimal values"), unit;
    int *best = allocate((size_t)x->nS, sizeof *best, "optimal actions");
    require(exact_optimal(x->M, x->gamma, V, best, &unit, error, sizeof error), "%s", error);
    for (int i = 0; i < x->nSA; i++) {
        Q[i] = 0;
        for (int k = x->M->row[i]; k < x->M->row[i + 1] && !x->absorbing[i / x->nA]; k++)
            Q[i] += x->M->P[k] * (x->M->R[k] + x->gamma * V[x->M->next[k]]);
    }
    free(best);
    free(V);
}

/* ---- the mean update Q(s,a) <- Q(s,a) + alpha w(s,a) (E[target|s,a] - Q(s,a)) and its zero ---- */

typedef struct { bool sarsa; int n; const double *beta; } learner;     /* beta: where it matters */

/* W(s) <- E_beta[r + gamma W(s')], steps times */
static void follow(const exact *x, const double *beta, int steps, double *W)
{
    double *next = allocate((size_t)x->nS, sizeof *next, "values");
    for (int step = 0; step < steps; step++) {
        memset(next, 0, (size_t)x->nS * sizeof *next);
        for (int i = 0; i < x->nSA; i++)
            for (int k = x->M->row[i]; k < x->M->row[i + 1] && !x->absorbing[i / x->nA]; k++)
                next[i / x->nA] += beta[i] * x->M->P[k] * (x->M->R[k] + x->gamma * W[x->M->next[k]]);
        memcpy(W, next, (size_t)x->nS * sizeof *W);
    }
    free(next);
}

/* theta^-: Q, but what it says of the end, too, which no target may use: more than any value */
static double *Q_targ_of(const exact *x, const double *Q)
{
    double *Q_targ = pairs(x), most = 1 + linalg_max_abs(x->nSA, x->Q);
    for (int i = 0; i < x->nSA; i++) Q_targ[i] = x->absorbing[i / x->nA] ? most : Q[i];
    return Q_targ;
}

/* ASQ-1, ASS-1, NSQ-1   y(s,a) = E[target | s,a] with theta^- = Q; in absorbing states 0 */
static void mean_target(const exact *x, const learner *l, const double *Q, double *y)
{
    const mdp *M = x->M;
    double *W = allocate((size_t)x->nS, sizeof *W, "values"), *Q_targ = Q_targ_of(x, Q);
    for (int s = 0; s < x->nS && l->n > 1; s++)
        nstep_q_R(1, &(double){ 0 }, x->absorbing[s], x->nA, Q_targ + s * x->nA, 1, &W[s]);
    if (l->n > 1) follow(x, l->beta, l->n - 1, W);
    for (int i = 0; i < x->nSA; i++) {
        y[i] = 0;
        for (int k = M->row[i]; k < M->row[i + 1] && !x->absorbing[i / x->nA]; k++) {
            int s1 = M->next[k];
            const double *Q1 = Q_targ + s1 * x->nA;
            if (l->n > 1) y[i] += M->P[k] * (M->R[k] + x->gamma * W[s1]);
            else if (!l->sarsa) y[i] += M->P[k] * async_q_y(M->R[k], x->absorbing[s1], x->nA, Q1, x->gamma);
            else for (int a = 0; a < x->nA; a++)
                y[i] += M->P[k] * l->beta[s1 * x->nA + a]
                        * async_sarsa_y(M->R[k], x->absorbing[s1], a, Q1, x->gamma);
        }
    }
    free(Q_targ);
    free(W);
}

/* D [nSA x nS]: gamma^n Pr(s_n = s', no end | s,a), beta after the first step */
static void discounted_successors(const exact *x, const learner *l, double *D)
{
    int nS = x->nS;
    double *next = allocate((size_t)nS, sizeof *next, "a row");
    memset(D, 0, (size_t)x->nSA * (size_t)nS * sizeof *D);
    for (int i = 0; i < x->nSA; i++) {
        double *row = D + i * nS;
        if (x->absorbing[i / x->nA]) continue;
        for (int k = x->M->row[i]; k < x->M->row[i + 1]; k++)
            if (!x->absorbing[x->M->next[k]]) row[x->M->next[k]] += x->gamma * x->M->P[k];
        for (int step = 1; step < l->n; step++) {
            memset(next, 0, (size_t)nS * sizeof *next);
            for (int j = 0; j < x->nSA; j++)
                for (int k = x->M->row[j]; k < x->M->row[j + 1] && row[j / x->nA] != 0; k++)
                    if (!x->absorbing[x->M->next[k]])
                        next[x->M->next[k]] += row[j / x->nA] * l->beta[j] * x->gamma * x->M->P[k];
            memcpy(row, next, (size_t)nS * sizeof *row);
        }
    }
    free(next);
}

/* ASQ-4   Q with w (y(Q) - Q) = 0, w > 0 where given, by Newton's method from 0; each equation over its greatest
 * coefficient, as w may be small. Returns the last step. */
static double zero_of_mean_update(const exact *x, const learner *l, const double *w, double *Q)
{
    size_t n = (size_t)x->nSA;
    double *D = allocate(n * (size_t)x->nS, sizeof *D, "successors");
    double *A = allocate(n * n, sizeof *A, "a Jacobian");
    double *y = pairs(x), *step = pairs(x), size = INFINITY, before;
    linalg_lu *lu = linalg_lu_new(x->nSA);
    discounted_successors(x, l, D);
    memset(Q, 0, n * sizeof *Q);
    int k = 0;
    do {
        mean_target(x, l, Q, y);
        for (size_t i = 0; i < n; i++) {
            double *row = A + i * n, weight = w ? w[i] : 1;
            memset(row, 0, n * sizeof *row);
            for (int s = 0; s < x->nS; s++) {
                int best = greedy_action(x->nA, Q + s * x->nA);
                for (int a = 0; a < x->nA; a++)
                    row[s * x->nA + a] = -weight * D[i * (size_t)x->nS + (size_t)s]
                                         * (l->sarsa ? l->beta[s * x->nA + a] : a == best);
            }
            row[i] += weight;
            double most = linalg_max_abs(x->nSA, row);
            for (size_t j = 0; j < n; j++) row[j] /= most;
            y[i] = weight * (y[i] - Q[i]) / most;
        }
        require(linalg_lu_factor(lu, A) == LINALG_OK, "the mean update has no single zero");
        linalg_lu_solve(lu, false, 1, y, step);
        for (size_t i = 0; i < n; i++) Q[i] += step[i];
        before = size;
        size = linalg_max_abs(x->nSA, step);
    } while (size > 0 && ++k < 100 && !(k > 2 && size >= before && size < 1e-6 * linalg_max_abs(x->nSA, Q)));
    linalg_lu_free(lu);
    free(step);
    free(y);
    free(A);
    free(D);
    return size;
}

void nstep_q_fixed_point(const exact *x, int n, const double *beta, double *Q)
{
    zero_of_mean_update(x, &(learner){ false, n, beta }, NULL, Q);
}

/* ---- ASQ-1 ---- */

static double by_policy_iteration(const setting *x, double *out)
{
    optimal_Q(x->pi, out);
    return 0;
}

static double one_step_zero(const setting *x, double *out)
{
    return zero_of_mean_update(x->pi, &(learner){ false, 1, NULL }, NULL, out);
}

static double sarsa_zero(const setting *x, double *out)
{
    return zero_of_mean_update(x->pi, &(learner){ true, 1, x->pi->pi }, NULL, out);
}

/* Every pair once, as a batch: one-hot s, a, and Q as a network without hidden layers and biases 0 */
typedef struct { network f; double *theta; rollout *b; } table;

static table table_of(const exact *x, const double *Q)
{
    table all = { .f = { 1, { x->nS, x->nA }, AD_LINEAR }, .b = rollout_shaped(x->nS, 1, true) };
    double *s = allocate((size_t)x->nS, sizeof *s, "an observation");
    all.theta = allocate((size_t)network_n(&all.f), sizeof *all.theta, "theta");
    memcpy(all.theta, Q, (size_t)x->nSA * sizeof *Q);
    for (int i = 0; i < x->nSA; i++) {
        s[i / x->nA] = 1;
        rollout_add(all.b, s, &(double){ i % x->nA }, 0);
        s[i / x->nA] = 0;
    }
    rollout_end(all.b, s, true, true, false);
    free(s);
    return all;
}

static void table_free(table *all)
{
    rollout_free(all->b);
    free(all->theta);
}

/* g [nSA] of sum_{s,a} -(y - Q)^2, by the code that trains */
typedef void (*gradient)(ad_tape *t, const network *f, const double *theta, const rollout *b, const double *y,
                         double *d_theta);

static void table_gradient(const exact *x, gradient of, const double *Q, const double *y, double *g)
{
    table all = table_of(x, Q);
    ad_tape *t = ad_tape_new();
    double *d_theta = allocate((size_t)network_n(&all.f), sizeof *d_theta, "d_theta");
    of(t, &all.f, all.theta, all.b, y, d_theta);
    memcpy(g, d_theta, (size_t)x->nSA * sizeof *g);
    free(d_theta);
    ad_tape_free(t);
    table_free(&all);
}

/* Where theta^- = Q: q + E[d_theta]/2 from another q, every pair once. It is y, and so Q where the mean update
 * is 0. */
static void updated_once(const exact *x, const learner *l, gradient of, const double *Q, double *out)
{
    double *q = pairs(x), *y = pairs(x);
    for (int i = 0; i < x->nSA; i++) q[i] = sin(1 + 3 * i);
    mean_target(x, l, Q, y);
    table_gradient(x, of, q, y, out);
    for (int i = 0; i < x->nSA; i++) out[i] = q[i] + out[i] / 2;
    free(y);
    free(q);
}

static double q_updated_once(const setting *x, double *out)
{
    double *Q = pairs(x->pi);
    optimal_Q(x->pi, Q);
    updated_once(x->pi, &(learner){ false, 1, NULL }, async_q_gradient, Q, out);
    free(Q);
    return 0;
}

/* ---- ASQ-4: three behaviours ---- */

static int n_three(const setting *x) { return 3 * x->pi->nSA; }

static double optimal_thrice(const setting *x, double *out)
{
    for (int i = 0; i < 3; i++) optimal_Q(x->pi, out + i * x->pi->nSA);
    return 0;
}

/* w(s,a) = (d_beta(s) + 1/nS)/2 beta(a|s): it starts anywhere half of the time, and so visits all */
static void visits_of(const exact *x, const double *beta, double *w)
{
    char error[256];
    double *logits = pairs(x), sum = 0;
    for (int i = 0; i < x->nSA; i++) logits[i] = log(beta[i]);
    exact *b = exact_new(x->M, x->gamma, logits, error, sizeof error);
    require(b, "%s", error);
    for (int s = 0; s < x->nS; s++) sum += exact_rho(b, s);
    for (int i = 0; i < x->nSA; i++)
        w[i] = (exact_rho(b, i / x->nA) / sum + 1.0 / x->nS) / 2 * beta[i];
    exact_free(b);
    free(logits);
}

static double under_three(const setting *x, bool sarsa, double *out)
{
    const exact *e = x->pi;
    double *uniform = pairs(e), *w = pairs(e), room = 0;
    fill_uniform(e, uniform);
    const double *beta[] = { e->pi, x->pi1->pi, uniform };
    for (int i = 0; i < 3; i++) {
        visits_of(e, beta[i], w);
        room = fmax(room, zero_of_mean_update(e, &(learner){ sarsa, 1, beta[i] }, w, out + i * e->nSA));
    }
    free(w);
    free(uniform);
    return room;
}

static double q_under_three(const setting *x, double *out)     { return under_three(x, false, out); }
static double sarsa_under_three(const setting *x, double *out) { return under_three(x, true, out); }

/* ---- ASS-1: the fixed point, and how much targets move between two copies ---- */

static int n_twice(const setting *x) { return 2 * x->pi->nSA; }

static double Q_of_behaviour(const setting *x, double *out)
{
    memcpy(out, x->pi->Q, (size_t)x->pi->nSA * sizeof *out);
    memset(out + x->pi->nSA, 0, (size_t)x->pi->nSA * sizeof *out);
    return 0;
}

/* Standard deviation of E[y|s,a] over ten mean updates without a copy: theta moves, from 0 */
static void sd_between_copies(const exact *x, const learner *l, bool frozen, double *sd)
{
    enum { UPDATES = 10 };
    double *Q = pairs(x), *Q_targ = pairs(x), *y = allocate(UPDATES * (size_t)x->nSA, sizeof *y, "targets");
    for (int k = 0; k < UPDATES; k++) {
        double *now = y + k * x->nSA;
        mean_target(x, l, frozen ? Q_targ : Q, now);
        for (int i = 0; i < x->nSA; i++) Q[i] += 0.5 * (now[i] - Q[i]);
    }
    for (int i = 0; i < x->nSA; i++) {
        double mean = 0;
        sd[i] = 0;
        for (int k = 0; k < UPDATES; k++) mean += y[k * x->nSA + i] / UPDATES;
        for (int k = 0; k < UPDATES; k++) sd[i] = hypot(sd[i], (y[k * x->nSA + i] - mean) / sqrt(UPDATES));
    }
    free(y);
    free(Q_targ);
    free(Q);
}

static double sarsa_learns(const setting *x, bool frozen, double *out)
{
    learner l = { true, 1, x->pi->pi };
    double room = zero_of_mean_update(x->pi, &l, NULL, out);
    sd_between_copies(x->pi, &l, frozen, out + x->pi->nSA);
    return room;
}

static double sarsa_with_copy(const setting *x, double *out) { return sarsa_learns(x, true, out); }
static double sarsa_as_002(const setting *x, double *out)    { return sarsa_learns(x, false, out); }

static double sarsa_updated_once(const setting *x, double *out)
{
    size_t n = (size_t)x->pi->nSA;
    updated_once(x->pi, &(learner){ true, 1, x->pi->pi }, async_sarsa_gradient, x->pi->Q, out);
    memset(out + n, 0, n * sizeof *out);
    return 0;
}

static double sarsa_of_other(const setting *x, double *out)
{
    memset(out, 0, 2 * (size_t)x->pi->nSA * sizeof *out);
    return zero_of_mean_update(x->pi, &(learner){ true, 1, x->pi1->pi }, NULL, out);
}

/* ---- NSQ-1 ---- */

static double paths(const exact *x)                     /* of NSQ_1_STEPS steps, from all pairs */
{
    double widest = 0;
    for (int i = 0; i < x->nSA; i++) widest = fmax(widest, x->M->row[i + 1] - x->M->row[i]);
    return x->nSA * widest * pow(widest * x->nA, NSQ_1_STEPS - 1);
}

static const char *no_paths(const setting *x)
{
    if (not_here(x)) return not_here(x);
    if (enumerate_defect(x->pi->M) > 1e-10) return "rows of P do not sum to 1";
    return paths(x->pi) > MOST_PATHS ? "more than a million paths" : NULL;
}

static double nstep_zero(const setting *x, double *out)
{
    return zero_of_mean_update(x->pi, &(learner){ false, NSQ_1_STEPS, x->pi->pi }, NULL, out);
}

static double nstep_zero_of_other(const setting *x, double *out)
{
    return zero_of_mean_update(x->pi, &(learner){ false, NSQ_1_STEPS, x->pi1->pi }, NULL, out);
}

/* E[R_0] of what begins with the pair i after t steps with rewards r, over all ways to go on */
static double over_paths(const exact *x, const double *Q, int i, int t, double *r)
{
    double sum = 0, R[NSQ_1_STEPS];
    for (int k = x->M->row[i]; k < x->M->row[i + 1]; k++) {
        int s1 = x->M->next[k];
        double mean = 0;
        r[t] = x->M->R[k];
        if (t + 1 < NSQ_1_STEPS && !x->absorbing[s1])
            for (int a = 0; a < x->nA; a++)
                mean += x->pi[s1 * x->nA + a] * over_paths(x, Q, s1 * x->nA + a, t + 1, r);
        else {
            nstep_q_R(t + 1, r, x->absorbing[s1], x->nA, Q + s1 * x->nA, x->gamma, R);
            mean = R[0];
        }
        sum += x->M->P[k] * mean;
    }
    return sum;
}

/* NSQ-1   E[R | s,a] over all paths of n steps, where theta^- is the zero of the mean update */
static double mean_over_paths(const setting *x, double *out)
{
    double *Q = pairs(x->pi), r[NSQ_1_STEPS], room = nstep_zero(x, Q), *Q_targ = Q_targ_of(x->pi, Q);
    for (int i = 0; i < x->pi->nSA; i++)
        out[i] = x->pi->absorbing[i / x->pi->nA] ? 0 : over_paths(x->pi, Q_targ, i, 0, r);
    free(Q_targ);
    free(Q);
    return room;
}

static double nstep_updated_once(const setting *x, double *out)
{
    double *Q = pairs(x->pi), room = nstep_zero(x, Q);
    updated_once(x->pi, &(learner){ false, NSQ_1_STEPS, x->pi->pi }, nstep_q_gradient, Q, out);
    free(Q);
    return room;
}

/* The optimum of the MDP whose step is n steps of x: the action, then n - 1 of the behaviour. Discount gamma^n */
static double macro_optimum(const setting *x, double *out)
{
    const exact *e = x->pi;
    char error[256];
    double gamma_n = pow(e->gamma, NSQ_1_STEPS), unit;
    double *now = allocate(3 * (size_t)e->nS, sizeof *now, "a row"), *next = now + e->nS, *V = next + e->nS;
    double *r_n = pairs(e);
    int *best = allocate((size_t)e->nS, sizeof *best, "optimal actions");
    mdp_builder *b = mdp_begin("n steps", e->nS, e->nA, gamma_n);
    mdp_start(b, 0, 1);
    for (int i = 0; i < e->nSA; i++) {
        double gamma_k = 1;
        memset(now, 0, (size_t)e->nS * sizeof *now);
        for (int k = e->M->row[i]; k < e->M->row[i + 1]; k++) now[e->M->next[k]] += e->M->P[k];
        r_n[i] = e->r[i];
        for (int step = 1; step < NSQ_1_STEPS; step++) {
            gamma_k *= e->gamma;
            memset(next, 0, (size_t)e->nS * sizeof *next);
            for (int j = 0; j < e->nSA; j++) {
                r_n[i] += gamma_k * now[j / e->nA] * e->pi[j] * e->r[j];
                for (int k = e->M->row[j]; k < e->M->row[j + 1]; k++)
                    next[e->M->next[k]] += now[j / e->nA] * e->pi[j] * e->M->P[k];
            }
            memcpy(now, next, (size_t)e->nS * sizeof *now);
        }
        for (int s = 0; s < e->nS; s++)
            if (now[s] > 0) mdp_transition(b, i / e->nA, i % e->nA, s, fmin(1, now[s]), r_n[i]);
    }
    mdp *M = mdp_finish(b);
    require(exact_optimal(M, gamma_n, V, best, &unit, error, sizeof error), "%s", error);
    for (int i = 0; i < e->nSA; i++) {
        out[i] = 0;
        for (int k = M->row[i]; k < M->row[i + 1]; k++) out[i] += M->P[k] * (M->R[k] + gamma_n * V[M->next[k]]);
    }
    mdp_free(M);
    free(best);
    free(r_n);
    free(now);
    return 10 * unit;
}

/* ---- NSQ-2 ---- */

static double of_steps(const setting *x, int n, bool optimally, double *out)
{
    const exact *e = x->pi;
    double *beta = pairs(e);
    fill_uniform(e, beta);
    if (optimally) {
        optimal_Q(e, out);
        for (int s = 0; s < e->nS; s++) epsilon_greedy(e->nA, out + s * e->nA, 0, beta + s * e->nA);
    }
    double room = zero_of_mean_update(e, &(learner){ false, n, beta }, NULL, out);
    free(beta);
    return room;
}

static double one_step_uniform(const setting *x, double *out)   { return of_steps(x, 1, false, out); }
static double five_steps_greedy(const setting *x, double *out)  { return of_steps(x, 5, true, out); }
static double two_steps_uniform(const setting *x, double *out)  { return of_steps(x, 2, false, out); }
static double five_steps_uniform(const setting *x, double *out) { return of_steps(x, 5, false, out); }

static void page_of_steps(const setting *x, FILE *out)
{
    double *Q = pairs(x->pi), *Q_n = pairs(x->pi);
    optimal_Q(x->pi, Q);
    fprintf(out, "uniform behaviour, max |Q^*| = %.3f\nn          ", linalg_max_abs(x->pi->nSA, Q));
    for (int n = 1; n <= 6; n++) fprintf(out, " %8d", n);
    fprintf(out, "\n|Q_n - Q^*|");
    for (int n = 1; n <= 6; n++) {
        double off = 0;
        of_steps(x, n, false, Q_n);
        for (int i = 0; i < x->pi->nSA; i++) off = fmax(off, fabs(Q_n[i] - Q[i]));
        fprintf(out, " %8.3f", off);
    }
    fprintf(out, "\n");
    free(Q_n);
    free(Q);
}

/* ---- A3C-19: the visitation of one actor against that of several, each epsilon-greedy in Q^* ---- */

enum { ACTORS = 3 };
static const double share[ACTORS] = { 0.4, 0.3, 0.3 };

static double unit_bits(const setting *x) { return 10 * DBL_EPSILON * x->pi->nS / (1 - x->pi->gamma); }

/* d [ACTORS x nS]: visitations of decision states, summing to 1; the same epsilon for all, or the paper's */
static void visitations(const exact *x, bool same, double *d)
{
    char error[256];
    const double drawn[ACTORS] = { epsilon_last(0), epsilon_last(0.5), epsilon_last(0.9) };
    double *Q = pairs(x), *logits = pairs(x), mean = 0;
    optimal_Q(x, Q);
    for (int i = 0; i < ACTORS; i++) mean += share[i] * drawn[i];
    for (int i = 0; i < ACTORS; i++) {
        double sum = 0;
        for (int s = 0; s < x->nS; s++)
            epsilon_greedy(x->nA, Q + s * x->nA, same ? mean : drawn[i], logits + s * x->nA);
        for (int j = 0; j < x->nSA; j++) logits[j] = log(logits[j]);
        exact *b = exact_new(x->M, x->gamma, logits, error, sizeof error);
        require(b, "%s", error);
        for (int s = 0; s < x->nS; s++) sum += exact_rho(b, s);
        for (int s = 0; s < x->nS; s++) d[i * x->nS + s] = exact_rho(b, s) / sum;
        exact_free(b);
    }
    free(logits);
    free(Q);
}

static double entropy(int n, const double *d)
{
    double H = 0;
    for (int s = 0; s < n; s++) H -= d[s] > 0 ? d[s] * log(d[s]) : 0;
    return H;
}

static double *mixture(int nS, const double *d)                     /* sum_i share_i d_i [nS] */
{
    double *mean = allocate((size_t)nS, sizeof *mean, "a mixture");
    for (int j = 0; j < ACTORS * nS; j++) mean[j % nS] += share[j / nS] * d[j];
    return mean;
}

/* A3C-19  H(sum_i w_i d_i) - sum_i w_i H(d_i) */
static double gained(const setting *x, bool same, double *out)
{
    int nS = x->pi->nS;
    double *d = allocate(ACTORS * (size_t)nS, sizeof *d, "visitations");
    visitations(x->pi, same, d);
    double *mean = mixture(nS, d);
    *out = entropy(nS, mean);
    for (int i = 0; i < ACTORS; i++) *out -= share[i] * entropy(nS, d + i * nS);
    free(mean);
    free(d);
    return 0;
}

static double gained_by_three(const setting *x, double *out) { return gained(x, false, out); }
static double gained_by_one(const setting *x, double *out)   { return gained(x, true, out); }

static double mean_divergence(const setting *x, double *out)
{
    int nS = x->pi->nS;
    double *d = allocate(ACTORS * (size_t)nS, sizeof *d, "visitations");
    visitations(x->pi, false, d);
    double *mean = mixture(nS, d);
    *out = 0;
    for (int j = 0; j < ACTORS * nS; j++) *out += d[j] > 0 ? share[j / nS] * d[j] * log(d[j] / mean[j % nS]) : 0;
    free(mean);
    free(d);
    return 0;
}

static void page_of_actors(const setting *x, FILE *out)
{
    int nS = x->pi->nS, rank = 0;
    double *d = allocate(ACTORS * (size_t)nS, sizeof *d, "visitations"), G[ACTORS * ACTORS], w[ACTORS];
    double Ut[ACTORS * ACTORS];
    visitations(x->pi, false, d);
    double *mean = mixture(nS, d);
    linalg_matmul(false, true, ACTORS, ACTORS, nS, d, d, G);
    linalg_eigen_symmetric(ACTORS, G, w, Ut);
    for (int i = 0; i < ACTORS; i++) rank += w[i] > 1e-13 * w[ACTORS - 1];
    fprintf(out, "entropy of the states visited, epsilon-greedy in Q^*: epsilon .1 %.4f, .01 %.4f, .5 %.4f, all"
            " three %.4f;\ntheir visitations span %d dimensions, those of one actor 1\n"
            "More than the mean of the three,"
            " not always more than the one that explores most.\n", entropy(nS, d), entropy(nS, d + nS),
            entropy(nS, d + 2 * nS), entropy(nS, mean), rank);
    free(mean);
    free(d);
}

/* ---- DDPG-6, DDPG-7: DQN's J(w) and its gradient ---- */

static int n_J(const setting *x) { return 1 + x->pi->nSA; }

static double max_q(const setting *x)
{
    return 2 + linalg_max_abs(x->pi->nSA, x->pi->logits) + linalg_max_abs(x->pi->nSA, x->pi1->logits);
}

static const char *no_J(const setting *x)
{
    return max_q(x) > 1e100 ? "logits whose squares overflow" : not_here(x);
}

static double unit_J(const setting *x)
{
    double M = fmax(max_q(x), max_R(x->pi));
    return DBL_EPSILON * fmax(x->pi->nS, 4) * M * M;
}

/* q_w, q_w': tables made of the logits of pi, pi' */
static double *q_of(const exact *x)
{
    double *q = pairs(x);
    for (int i = 0; i < x->nSA; i++) q[i] = x->logits[i] + sin(1 + 3 * i);
    return q;
}

/* J and dJ/dw by hand, pairs drawn evenly; mask: nothing behind the end; residual: through the target, too */
static double J_by_hand(const exact *x, const exact *x1, bool mask, bool residual, double *out)
{
    double *q = q_of(x), *q1 = q_of(x1);
    int N = 0;
    for (int s = 0; s < x->nS; s++) N += x->absorbing[s] ? 0 : x->nA;
    memset(out, 0, (1 + (size_t)x->nSA) * sizeof *out);
    for (int i = 0; i < x->nSA; i++)
        for (int k = x->M->row[i]; k < x->M->row[i + 1] && !x->absorbing[i / x->nA]; k++) {
            int s1 = x->M->next[k], best = s1 * x->nA;
            bool over = mask && x->absorbing[s1];
            for (int j = s1 * x->nA; j < (s1 + 1) * x->nA; j++)
                if (q1[j] > q1[best]) best = j;
            double delta = x->M->R[k] + (over ? 0 : x->gamma * q1[best]) - q[i];
            out[0] += x->M->P[k] * delta * delta / N;
            out[1 + i] -= 2 * x->M->P[k] * delta / N;
            if (residual && !over) out[1 + best] += 2 * x->gamma * x->M->P[k] * delta / N;
        }
    free(q1);
    free(q);
    return 0;
}

/* The same by the code that trains */
static double J_in_training(const exact *x, const exact *x1, double *out)
{
    double *q = q_of(x), *q1 = q_of(x1), *y = pairs(x), N = 0;
    ad_tape *t = ad_tape_new();
    out[0] = 0;
    for (int i = 0; i < x->nSA; i++) {
        ad_mark start = ad_here(t);
        double row = 0;
        for (int k = x->M->row[i]; k < x->M->row[i + 1] && !x->absorbing[i / x->nA]; k++) {
            int s1 = x->M->next[k];
            double target = async_q_y(x->M->R[k], x->absorbing[s1], x->nA, q1 + s1 * x->nA, x->gamma);
            ad J = async_q_J(ad_constant(t, q[i], 1, 1), ad_constant(t, target, 1, 1));
            out[0] -= x->M->P[k] * ad_scalar(J);
            y[i] += x->M->P[k] * target;
            row += x->M->P[k];
        }
        ad_reset(t, start);
        y[i] += (1 - row) * q[i];                               /* no pair, or a row that is short of 1 */
        N += !x->absorbing[i / x->nA];
    }
    table_gradient(x, async_q_gradient, q, y, out + 1);
    out[0] /= N;
    for (int i = 0; i < x->nSA; i++) out[1 + i] /= -N;
    ad_tape_free(t);
    free(y);
    free(q1);
    free(q);
    return 0;
}

#define LINE(name, call) static double name(const setting *x, double *out) { return call; }
LINE(hand_6,     J_by_hand(x->pi, x->pi, true, false, out))
LINE(training_6, J_in_training(x->pi, x->pi, out))
LINE(residual_6, J_by_hand(x->pi, x->pi, true, true, out))
LINE(no_mask_6,  J_by_hand(x->pi, x->pi, false, false, out))
LINE(hand_7,     J_by_hand(x->pi, x->pi1, true, false, out))
LINE(training_7, J_in_training(x->pi, x->pi1, out))
LINE(no_mask_7,  J_by_hand(x->pi, x->pi1, false, false, out))

const derivation asynchronous_q[] = {
    { "ASQ-1", "one-step Q-learning has its mean update zero at Q^*", "Q(s,a)",
      count_pairs, unit_Q, not_here, NULL, {
        { "Q^*(s,a)", "by policy iteration", by_policy_iteration },
        { "=Q:\\ E[y|s,a]=Q(s,a),\\quad y=r+\\gamma\\max_{a'}Q(s',a')",
          "by Newton's method; y through algorithms/async_q.c", one_step_zero },
        { "=q+\\tfrac12E[d\\theta],\\quad d\\theta=-\\partial(y-q(s,a;\\theta))^2/\\partial\\theta",
          "the gradient that training takes, from another q, each pair once: half of it leads to E[y], theta^- = Q^*",
          q_updated_once },
        { "Q:\\ E[r+\\gamma Q(s',a')|s,a]=Q(s,a),\\ a'\\sim\\pi",
          "the control: SARSA's zero is not Q^* but Q^pi", sarsa_zero, DIFFERS } } },
    { "ASQ-4", "one-step Q-learning is off-policy: one fixed point for every behaviour that tries everything",
      "Q(s,a) under pi, under pi', under the uniform policy", n_three, unit_Q, not_all_tried, NULL, {
        { "Q^*", "by policy iteration", optimal_thrice },
        { "=Q:\\ w_\\beta(s,a)(E[y|s,a]-Q(s,a))=0",
          "w = how often beta meets a pair, half of the time started anywhere: where w > 0 it cancels",
          q_under_three },
        { "Q^\\beta", "the control: SARSA's depends on who acts", sarsa_under_three, DIFFERS } } },
    { "ASS-1", "one-step SARSA has its mean update zero at Q^pi of the behaviour",
      "Q(s,a), and the standard deviation of E[y|s,a] between two copies", n_twice, unit_Q, not_here, NULL, {
        { "Q^\\pi,\\quad0", "by the solve; targets stand still while theta^- does", Q_of_behaviour },
        { "=Q:\\ E[r+\\gamma Q(s',a';\\theta^-)|s,a]=Q(s,a),\\quad\\sigma_k(E[y_k|s,a])",
          "y through algorithms/async_sarsa.c; ten mean updates of theta from 0, alpha 1/2", sarsa_with_copy },
        { "=q+\\tfrac12E[d\\theta],\\quad0",
          "the gradient that training takes, from another q, each pair once, theta^- = Q^pi", sarsa_updated_once },
        { "y=r+\\gamma Q(s',a';\\theta')",
          "002 l.43: theta' for theta^-. The fixed point is the same, but targets move with every update",
          sarsa_as_002, DIFFERS, "ERR-24" },
        { "Q^{\\pi'}", "the control: another behaviour", sarsa_of_other, DIFFERS } } },
    { "NSQ-1", "n-step Q-learning has its mean update zero at the optimum of n steps as one", "Q_3(s,a)",
      count_pairs, unit_Q, no_paths, NULL, {
        { "Q_3:\\ E[r_0+\\gamma r_1+\\gamma^2r_2+\\gamma^3\\max_aQ_3(s_3,a)\\,|\\,s,a]=Q_3(s,a)",
          "actions after the first by pi; by Newton's method", nstep_zero },
        { "=E[R\\,|\\,s,a],\\quad R\\leftarrow r_i+\\gamma R",
          "over all paths of three steps, R through algorithms/nstep_q.c", mean_over_paths },
        { "=q+\\tfrac12E[d\\theta]", "the gradient that training takes, from another q, each pair once",
          nstep_updated_once },
        { "=r_3(s,a)+\\gamma^3\\sum_{s'}P_3(s'|s,a)\\max_{a'}Q_3(s',a')",
          "policy iteration on the MDP whose step is an action and two steps of pi", macro_optimum },
        { "\\pi'", "the control: another behaviour", nstep_zero_of_other, DIFFERS } } },
    { "NSQ-2", "n-step Q-learning is off-policy for n = 1 only, or when it acts optimally", "Q_n(s,a)", count_pairs,
      unit_Q, not_here, NULL, {
        { "Q^*", "what learning off-policy would find", by_policy_iteration },
        { "=Q_1", "n = 1, uniform behaviour", one_step_uniform },
        { "=Q_5,\\ \\beta=\\pi^*", "n = 5, but the behaviour is optimal", five_steps_greedy },
        { "=Q_2,\\ \\beta=\\mathrm{uniform}",
          "002 l.33 calls n-step Q-learning off-policy: the second reward is the behaviour's", two_steps_uniform,
          DIFFERS, "ERR-25" },
        { "=Q_5,\\ \\beta=\\mathrm{uniform}", "and four more of five rewards", five_steps_uniform, DIFFERS,
          "ERR-25" } },
      .page = page_of_steps },
    { "A3C-19", "actors with different epsilons together visit more diversely than they do on average",
      "entropy of the mixture minus mean entropy, nats", count_one, unit_bits, not_here, NULL, {
        { "H(\\sum_iw_id_i)-\\sum_iw_iH(d_i)",
          "d_i the visitation of an actor epsilon-greedy in Q^*; epsilon .1, .01, .5 by w = .4, .3, .3",
          gained_by_three },
        { "=\\sum_iw_i\\,\\mathrm{KL}(d_i\\,\\|\\,\\sum_jw_jd_j)", "which is 0 only if all are the same",
          mean_divergence },
        { "\\epsilon_i=.193", "the control: one epsilon for all, their mean", gained_by_one, DIFFERS } },
      .page = page_of_actors },
    { "DDPG-6", "DQN's error without a target network: the target is a number, too, where it is made of w",
      "J(w), dJ/dw[i]", n_J, unit_J, no_J, NULL, {
        { "J(w)=E[(r+\\gamma(1-d)\\max_{a'}q_w(s',a')-q_w(s,a))^2]",
          "in plain loops, pairs drawn evenly; its derivative in the last q_w; 0 behind the end", hand_6 },
        { "E[-J],\\quad y=r+\\gamma(1-d)\\max_{a'}q_w(s',a')", "algorithms/async_q.c with theta^- = theta",
          training_6 },
        { "\\nabla_w\\ \\text{through}\\ \\max_{a'}q_w(s',a')",
          "the control: the residual gradient, of J as printed", residual_6, DIFFERS },
        { "J(w)=E[(r+\\gamma\\max_{a'}q_w(s',a')-q_w(s,a))^2]",
          "004 l.539 has no (1-d): something is worth something behind the end", no_mask_6, DIFFERS, "ERR-67" } } },
    { "DDPG-7", "DQN's error with a target network", "J(w), dJ/dw[i]", n_J, unit_J, no_J, NULL, {
        { "J(w)=E[(r+\\gamma(1-d)\\max_{a'}q_{w'}(s',a')-q_w(s,a))^2]", "in plain loops, pairs drawn evenly",
          hand_7 },
        { "E[-J],\\quad y=r+\\gamma(1-d)\\max_{a'}q_{w'}(s',a')", "algorithms/async_q.c, theta^- = w'", training_7 },
        { "w'=w", "the control: targets that are not frozen", hand_6, DIFFERS },
        { "J(w)=E[(r+\\gamma\\max_{a'}q_{w'}(s',a')-q_w(s,a))^2]",
          "004 l.543 has no (1-d): something is worth something behind the end", no_mask_7, DIFFERS, "ERR-67" } } },
    { .id = NULL }
};
