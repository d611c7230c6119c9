/* TRPO's single path (002 l.271): trajectories of pi_old, rewards to go for Q. What it has for the surrogate and
 * its gradient, over all trajectories of a small problem (small_problem.h) and through algorithms/trpo.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/gae.h"
#include "algorithms/trpo.h"
#include "autodiff/require.h"
#include "derivations/agent.h"
#include "derivations/small_problem.h"

/* ---- TRPO-14: grad L [n], then L(theta') - L(theta) ---- */

/* theta' of the same class of policies */
static double *moved(const finite_horizon *f)
{
    double *theta = allocate((size_t)f->policy->n, sizeof *theta, "theta");
    for (int i = 0; i < f->policy->n; i++) theta[i] = f->theta[i] + 0.1 * cos(i);
    return theta;
}

/* grad J_H, and sum_t gamma^t sum_s P(s_t = s) sum_a (pi'(a|s) - pi(a|s)) Q_t(s,a), on the unrolled MDP */
static double exact_objective(const setting *x, double *out)
{
    finite_horizon *f = small_new(x);
    int nS = f->M->nS, nA = f->M->nA, n = f->policy->n;
    double *theta = moved(f), *z = allocate((size_t)(nS * nA), sizeof *z, "logits");
    finite_gradient(f, out);
    policy_logits_at(f->policy, theta, z);
    out[n] = 0;
    for (int i = 0; i < f->H * nS; i++) {
        const double *row = z + i % nS * nA;
        double most = row[0], Z = 0;
        for (int a = 1; a < nA; a++) most = fmax(most, row[a]);
        for (int a = 0; a < nA; a++) Z += exp(row[a] - most);
        for (int a = 0; a < nA; a++)
            out[n] += exact_rho(f->x, i) * (exp(row[a] - most) / Z - f->x->pi[i * nA + a]) * f->x->Q[i * nA + a];
    }
    double room = finite_room(f, x->pi->c);
    free(z);
    free(theta);
    finite_free(f);
    return room;
}

struct single_path { const finite_horizon *f; agent *agent; double lambda, *moved; };

/* Of one trajectory: Q_t = sum_l gamma^l r_{t+l} (lambda = 1, no V), w_t = gamma^t */
static void of_one(void *context, const traj *tau, double *out)
{
    const struct single_path *c = context;
    agent *b = c->agent;
    int n = c->f->policy->n;
    double Q[FINITE_HORIZON], V[FINITE_HORIZON] = { 0 };
    size_t size = (size_t)n * sizeof *out;
    memset(out, 0, size + sizeof *out);
    if (tau->T == 0) return;
    agent_sees(b, tau);
    gae_advantages(tau->T, tau->r, V, 0, c->f->gamma, c->lambda, Q);
    for (int t = 0; t < tau->T; t++) b->w[t] = t ? c->f->gamma * b->w[t - 1] : 1;
    ad_mark start = ad_here(b->t);
    trpo_problem at = trpo_problem_of(b->t, TRPO_MEAN, &b->pi, b->theta, b->tau, Q, b->w);
    memcpy(out, ad_value(ad_grad(at.L, at.theta)), size);
    ad_plan again = ad_slice(1, &at.theta, 1, &at.L);
    memcpy(b->theta, c->moved, size);
    ad_run(&again);
    out[n] = ad_scalar(at.L);
    memcpy(b->theta, c->f->theta, size);
    ad_reset(b->t, start);
}

static double enumerated(const setting *x, double lambda, double *out)
{
    finite_horizon *f = small_new(x);
    struct single_path c = { f, agent_new(f->policy, f->theta, f->H), lambda, moved(f) };
    enumerate_moments(f->M, f->x->pi, f->H, of_one, &c, f->policy->n + 1, out, NULL);
    free(c.moved);
    agent_free(c.agent);
    finite_free(f);
    return 0;
}

static double single_path(const setting *x, double *out)  { return enumerated(x, 1, out); }
static double one_reward(const setting *x, double *out)   { return enumerated(x, 0, out); }

const derivation single_path_lines[] = {
    { "TRPO-14", "single path: rewards to go as Q, actions of pi_old: objective and gradient without bias",
      "grad J, then L(theta') - L(theta), over " FINITE_SMALL, small_n_and_trace, small_unit, small_not_applicable,
      NULL, {
        { "\\nabla J,\\quad\\sum_s\\rho(s)\\sum_a(\\pi_{\\theta'}(a|s)-\\pi_\\theta(a|s))Q(s,a)",
          "on the time-expanded MDP", exact_objective },
        { "=E[\\sum_t\\gamma^t(\\frac{\\pi_{\\theta'}(a_t|s_t)}{\\pi_\\theta(a_t|s_t)}-1)"
          "\\hat Q_t],\\quad\\hat Q_t=\\sum_l\\gamma^lr_{t+l}",
          "and its gradient at theta; over all trajectories, through algorithms/trpo.c", single_path },
        { "\\hat Q_t=r_t", "the control: without the rewards that follow", one_reward, DIFFERS } },
      .page = small_page },
    { .id = NULL }
};
