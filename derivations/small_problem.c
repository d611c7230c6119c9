/* Sizes, units and page of the small problem: see small_problem.h. */
#include "derivations/small_problem.h"

#include <gsl/gsl_math.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"
#include "derivations/estimate.h"
#include "derivations/likelihood_ratio.h"

finite_horizon *small_new(const setting *x)
{
    const char *reason;
    return finite_small(x->pi, &reason);
}

const char *small_not_applicable(const setting *x) { return finite_small_reason(x->pi); }
int         small_n(const setting *x)              { return x->pi->n; }
int         small_n_and_trace(const setting *x)    { return x->pi->n + 1; }

double small_unit(const setting *x)
{
    finite_horizon *f = small_new(x);
    double unit = finite_unit_gradient(f, x->pi->c);
    finite_free(f);
    return unit;
}

double small_unit_of_V(const setting *x)
{
    finite_horizon *f = small_new(x);
    double unit = finite_unit_gradient(f, 1);
    finite_free(f);
    return unit;
}

void small_measure(const setting *x, int n, double *m)
{
    finite_horizon *f = small_new(x);
    int trace = x->pi->n;
    for (int i = 0; i < n; i++) m[i] = i % (trace + 1) == trace ? f->H * finite_scale(f) * x->pi->c : 1;
    finite_free(f);
}

double small_room(const finite_horizon *f, double c) { return 2 * finite_room(f, c); }

double small_gradient(const setting *x, double *g)
{
    finite_horizon *f = small_new(x);
    finite_gradient(f, g);
    double room = finite_room(f, x->pi->c);
    finite_free(f);
    return room;
}

void small_page(const setting *x, FILE *out)
{
    finite_horizon *f = small_new(x);
    finite_small_describe(f, out);
    finite_free(f);
}

void small_moments(const finite_horizon *f, estimator g, void *context, int n, double *mean_and_trace)
{
    double *variance = allocate((size_t)n, sizeof *variance, "variances");
    enumerate_moments(f->M, f->x->pi, f->H, g, context, n, mean_and_trace, variance);
    mean_and_trace[n] = 0;
    for (int i = 0; i < n; i++) mean_and_trace[n] += variance[i];
    free(variance);
}

void small_estimator(const finite_horizon *f, const char *name, double *mean_and_trace)
{
    small_estimator_with(f, name, NULL, 1, 0, mean_and_trace);
}

void small_estimator_with(const finite_horizon *f, const char *name, const value_table *critic, int n,
                          double lambda, double *mean_and_trace)
{
    gradient_estimate *e = gradient_estimate_with(f, gradient_estimator_find(name), critic, n, lambda);
    small_moments(f, gradient_estimate_run, e, f->policy->n, mean_and_trace);
    gradient_estimate_free(e);
}

double *small_visits(const finite_horizon *f)
{
    const mdp *M = f->M;
    double *P = allocate(((size_t)f->H + 1) * (size_t)M->nS, sizeof *P, "visits");
    memcpy(P, M->mu0, (size_t)M->nS * sizeof *P);
    for (int t = 0; t < f->H; t++) {
        double *now = P + t * M->nS, *next = now + M->nS;
        for (int i = 0; i < M->nS * M->nA; i++)
            for (int k = M->row[i]; k < M->row[i + 1] && !mdp_absorbing(M, i / M->nA); k++)
                next[M->next[k]] += now[i / M->nA] * f->x->pi[i] * M->P[k];
    }
    return P;
}

/* ---- by hand ---- */

double small_G(const finite_horizon *f, const traj *tau, int t)
{
    double G = 0;
    for (int k = t; k < tau->T; k++) G += gsl_pow_int(f->gamma, k - t) * tau->r[k];
    return G;
}

double *small_scores(const finite_horizon *f)
{
    exact first = *f->x;                        /* the states at t = 0 stand for those of every time */
    first.policy = *f->policy;
    first.theta = f->theta;
    first.nS = f->M->nS, first.nSA = f->M->nS * f->M->nA, first.n = f->policy->n;
    double *score = allocate((size_t)first.nSA * (size_t)first.n, sizeof *score, "scores");
    likelihood_ratio_scores(&first, score);
    return score;
}

struct by_hand { const finite_horizon *f; small_weights weights; double *score, *w; };

static void sum_by_hand(void *context, const traj *tau, double *g)
{
    const struct by_hand *h = context;
    int n = h->f->policy->n;
    memset(g, 0, (size_t)n * sizeof *g);
    h->weights(h->f, tau, h->w);
    for (int t = 0; t < tau->T; t++)
        for (int i = 0; i < n; i++) g[i] += h->w[t] * h->score[(tau->s[t] * h->f->M->nA + tau->a[t]) * n + i];
}

void small_by_hand(const finite_horizon *f, small_weights weights, double *mean_and_trace)
{
    struct by_hand h = { f, weights, small_scores(f), allocate((size_t)f->H, sizeof *h.w, "weights") };
    small_moments(f, sum_by_hand, &h, f->policy->n, mean_and_trace);
    free(h.score);
    free(h.w);
}

/* ---- steps of trajectories ---- */

struct every { const finite_horizon *f; small_about_steps about; int stride, seen; double *out; };

static void look(void *context, const traj *tau, double *g)
{
    struct every *e = context;
    *g = 0;
    if (e->seen % e->stride == 0) e->about(e->f, tau, e->out + e->seen / e->stride * FINITE_HORIZON);
    e->seen++;
}

int small_n_steps(const setting *x) { (void)x; return SMALL_LOOKED_AT * FINITE_HORIZON; }

double small_steps(const setting *x, small_about_steps about, double *out)
{
    finite_horizon *f = small_new(x);
    double nothing, count = enumerate_count(f->M, f->x->pi, f->H);
    struct every e = { .f = f, .about = about, .stride = (int)ceil(count / SMALL_LOOKED_AT), .out = out };
    memset(out, 0, (size_t)small_n_steps(x) * sizeof *out);
    enumerate_moments(f->M, f->x->pi, f->H, look, &e, 1, &nothing, NULL);
    finite_free(f);
    return 0;
}

/* ---- problems of their own ---- */

own_problem own_problem_new(mdp *M, double gamma, int d, const double *X, const double *theta, int H)
{
    char error[256];
    own_problem p = { .M = M, .states = X ? policy_linear(M, d, X) : policy_tabular(M) };
    p.f = finite_new(M, gamma, p.states, theta, H, error, sizeof error);
    require(p.f, "%s", error);
    return p;
}

void own_problem_free(own_problem *p)
{
    finite_free(p->f);
    policy_free(p->states);
    mdp_free(p->M);
}

own_problem own_problem_X3(int H)
{
    const double theta[4] = { log(0.7), log(0.3), log(0.4), log(0.6) };
    mdp *M = mdp_builtin("X3");
    return own_problem_new(M, M->gamma, 0, NULL, theta, H);
}

double small_size_of_logs(const setting *x, const exact *under)
{
    double most = 0;
    for (int s = 0; s < x->pi->nS; s++) {
        double mean = 0;
        for (int i = s * x->pi->nA; i < (s + 1) * x->pi->nA; i++)
            if (under->pi[i] > 0) mean += under->pi[i] * (fabs(x->pi->logpi[i]) + fabs(x->pi1->logpi[i]));
        most = fmax(most, mean);
    }
    return 1 + most;
}
