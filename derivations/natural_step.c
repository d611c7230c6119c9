/* Steps in theta, how far the KL lets them go, and the natural one: see natural_step.h. */
#include "derivations/natural_step.h"

#include <math.h>
#include <stdlib.h>

#include "autodiff/require.h"

/* ---- steps in theta ---- */

static void log_policy_at(const exact *pi, const double *v, double t, double *logp)
{
    double *theta = allocate((size_t)pi->n, sizeof *theta, "theta");
    for (int i = 0; i < pi->n; i++) theta[i] = pi->theta[i] + t * v[i];
    policy_logits_at(&pi->policy, theta, logp);
    for (int s = 0; s < pi->nS; s++) {
        double *z = logp + s * pi->nA, top = -INFINITY, sum = 0;
        for (int a = 0; a < pi->nA; a++) top = fmax(top, z[a]);
        for (int a = 0; a < pi->nA; a++) sum += exp(z[a] - top);
        for (int a = 0; a < pi->nA; a++) z[a] -= top + log(sum);
    }
    free(theta);
}

region_step step_along(const exact *pi, const double *v, double t)
{
    double *logp = allocate((size_t)pi->nSA, sizeof *logp, "a policy"), all = visited(pi);
    log_policy_at(pi, v, t, logp);
    region_step step = { 0, kl_mean(pi, pi->logpi, logp), kl_max(pi, pi->logpi, logp) };
    for (int i = 0; i < pi->nSA; i++) step.gain += pi->d[i / pi->nA] / all * exp(logp[i]) * pi->A[i];
    free(logp);
    return step;
}

double step_length(const exact *pi, const double *v, bool greatest, double delta)
{
    double low = 0, high = 0x1p-20;
    for (;; low = high, high *= 2) {
        region_step step = step_along(pi, v, high);
        if ((greatest ? step.kl_max : step.kl) > delta) break;
        if (high > 0x1p20) return INFINITY;
    }
    for (int k = 0; k < 60; k++) {
        double t = (low + high) / 2;
        region_step step = step_along(pi, v, t);
        if ((greatest ? step.kl_max : step.kl) > delta) high = t;
        else                                            low = t;
    }
    return low;
}

void natural_step_of_norm(const setting *x, double radius, double *v)
{
    for (int i = 0; i < x->pi->n; i++) v[i] = sqrt(2 * radius) * (x->x[i] / x->x_F);       /* x_F^2 = g^T F^+ g */
}

void natural_step(const setting *x, double delta, double *v) { natural_step_of_norm(x, delta * visited(x->pi), v); }

double natural_step_rounding(const setting *x)
{
    const fisher_spectrum *f = x->spectrum;
    return x->pi->unit_gradient * sqrt(f->n * f->cond / f->lambda[f->n - 1]) / x->x_F;
}

/* ---- random problems: Garnets of 10 states, 4 actions and 3 successors, random tables, gamma .9 ---- */

random_problem random_problem_new(uint64_t seed)
{
    char error[256];
    random_problem p = { .M = mdp_garnet("a random one", 10, 4, 3, seed) };
    double *theta = allocate((size_t)(p.M->nS * p.M->nA), sizeof *theta, "theta");
    p.table = policy_tabular(p.M);
    policy_theta_random(p.table, seed, 0, theta);
    p.pi = exact_new_policy(p.M, p.M->gamma, p.table, theta, error, sizeof error);
    require(p.pi, "%s", error);
    p.x = setting_new(p.pi, p.pi, seed);
    free(theta);
    return p;
}

void random_problem_free(random_problem *p)
{
    setting_free(p->x);
    exact_free(p->pi);
    policy_free(p->table);
    mdp_free(p->M);
}
