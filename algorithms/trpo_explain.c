/* `ascent explain trpo`: the first update of a training run from that seed, with its numbers. */
#include <math.h>
#include <string.h>

#include "algorithms/explained_batch.h"
#include "algorithms/trpo.h"
#include "autodiff/require.h"

enum { N = 64, TRIALS = 12 };           /* of theta on E5x; shown */

/* x = F^{-1} g at theta, as the update has it */
static void direction(explained_batch *y, const trpo_config *c, ad theta, double *x)
{
    double s[EXPLAINED_MOST * 8], w[EXPLAINED_MOST], Fx[N];
    trpo_step unused;
    require(y->b->d <= 8 && y->p.n <= N, "%d parameters of a policy on E5x", y->p.n);
    int T = fisher_states(y->b, NULL, (int)c->F_every, s, w);
    trpo_direction(y->t, c, &y->p, theta, ad_input(y->t, s, T, y->b->d), w, y->g, x, Fx, &unused);
}

/* L and KL at each step that was tried; theta is left as the update left it. */
static void explain_search(FILE *out, explained_batch *y, const trpo_config *c, const trpo_step *step,
                           const trpo_problem *at, const double *x)
{
    int n = y->p.n, tried = step->beta > 0 ? isnan(step->j) ? (int)c->backtracks : (int)step->j + 1 : 0;
    const char *kl = c->constraint == TRPO_MAX ? "max KL" : "KL";
    double new[N];
    ad_plan again = ad_slice(1, &at->theta, 2, (ad[]){ at->L, at->kl });
    memcpy(new, y->theta, (size_t)n * sizeof *new);
    fprintf(out, "TRPO-24  theta' = theta + alpha^j beta x, alpha = %g, until %s <= delta and L > 0:\n", c->alpha,
            kl);
    for (int j = 0; j < tried && j < TRIALS; j++) {
        for (int i = 0; i < n; i++) y->theta[i] = y->old[i] + pow(c->alpha, j) * step->beta * x[i];
        if (ad_try(&again))
            fprintf(out, "         j = %d: %s = %.6f, L = %.6f\n", j, kl, ad_scalar(at->kl), ad_scalar(at->L));
        else fprintf(out, "         j = %d: %s or L is not finite\n", j, kl);
    }
    if (tried > TRIALS) fprintf(out, "         ... and so on, to j = %d\n", tried - 1);
    memcpy(y->theta, new, (size_t)n * sizeof *new);
}

static void explain_step(FILE *out, explained_batch *y, const trpo_config *c, const trpo_step *step,
                         const trpo_problem *at, const double *x)
{
    static const char *const then[] = { "accepted", "no step was accepted: theta stays", "g = 0: theta stays",
                                        "x^T F x = 0: theta stays" };
    fprintf(out, "TRPO-10  L(theta') = (1/%d) sum_t (ratio_t - 1) A_t; g, its gradient at theta, stands below\n"
                 "NPG-7    F x = g: %g iterations, |g - F x| = %.1e |g|; %g is added to F's diagonal\n"
                 "TRPO-23  beta = sqrt(2 delta / x^T F x) = %.5f, delta = %g\n", y->b->T,
            step->cg_iterations, step->residual, c->damping, step->beta, c->delta);
    explain_search(out, y, c, step, at, x);
    fprintf(out, "         %s\n\n", then[(int)step->outcome]);
}

void trpo_explain(FILE *out, const void *config, uint64_t seed)
{
    trpo_config c = *(const trpo_config *)config;
    c.hidden.layers = 0;
    c.workers = c.workers < EXPLAINED_WORKERS ? c.workers : EXPLAINED_WORKERS;
    c.n_steps = c.n_steps < EXPLAINED_STEPS ? c.n_steps : EXPLAINED_STEPS;
    trpo_check(&c);
    explained_batch y = explained_batch_of("trpo", seed, (int)c.workers, (int)c.n_steps);
    double A[EXPLAINED_MOST], R[EXPLAINED_MOST], x[N];
    trpo_advantages(&c, y.b, y.V, y.V_end, A, R);
    explained_batch_print(out, "TRPO", &y, (int)c.workers, (int)c.n_steps, A, c.gamma, c.lambda, c.normalise);

    trpo_problem at = trpo_problem_of(y.t, c.constraint, &y.p, y.theta, y.b, A, NULL);
    memcpy(y.g, ad_value(ad_grad(at.L, at.theta)), (size_t)y.p.n * sizeof *y.g);
    direction(&y, &c, at.theta, x);
    trpo_step step = trpo_update(y.t, &c, &y.p, y.theta, y.b, A, NULL);
    explain_step(out, &y, &c, &step, &at, x);
    explained_theta(out, &y.p, y.g, y.old, y.theta);
    explained_batch_fit(out, &y, R, c.lr_V, c.V_epochs, c.V_batch, c.normalise);
    explained_batch_free(&y);
}
