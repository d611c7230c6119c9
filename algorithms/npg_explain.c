/* `ascent explain npg`: the first update of a training run from that seed, with its numbers. */
#include <string.h>

#include "algorithms/explained_batch.h"
#include "algorithms/npg.h"

static void explain_step(FILE *out, const npg_config *c, const npg_step *step, int T)
{
    static const char *const then[] = { "theta <- theta + beta x", "g = 0: theta stays", "g^T x = 0: theta stays",
                                        "theta <- theta + beta x, too far to say more" };
    fprintf(out, "TRPO-10  L(theta') = (1/%d) sum_t (ratio_t - 1) A_t; g, its gradient at theta, stands below\n", T);
    if (c->solver == NPG_LAPACK) fprintf(out, "NPG-4    F x = g by LAPACK: ");
    else fprintf(out, "NPG-7    F x = g: %g iterations, ", step->cg_iterations);
    fprintf(out, "|g - F x| = %.1e |g|; %g is added to F's diagonal\n"
                 "NPG-4    beta = sqrt(2 delta / g^T x) = %.5f, delta = %g: %s\n"
                 "TRPO-9   KL = %.6f and L = %.6f there\n\n", step->residual, c->damping, step->beta, c->delta,
            then[(int)step->outcome], step->kl, step->L);
}

void npg_explain(FILE *out, const void *config, uint64_t seed)
{
    npg_config c = *(const npg_config *)config;
    c.hidden.layers = 0;
    c.workers = c.workers < EXPLAINED_WORKERS ? c.workers : EXPLAINED_WORKERS;
    c.n_steps = c.n_steps < EXPLAINED_STEPS ? c.n_steps : EXPLAINED_STEPS;
    npg_check(&c);
    explained_batch y = explained_batch_of("npg", seed, (int)c.workers, (int)c.n_steps);
    double A[EXPLAINED_MOST], R[EXPLAINED_MOST];
    npg_advantages(&c, y.b, y.V, y.V_end, A, R);
    explained_batch_print(out, "NPG", &y, (int)c.workers, (int)c.n_steps, A, c.gamma, c.lambda, c.normalise);

    ad_mark start = ad_here(y.t);
    trpo_problem at = trpo_problem_of(y.t, TRPO_MEAN, &y.p, y.theta, y.b, A, NULL);
    memcpy(y.g, ad_value(ad_grad(at.L, at.theta)), (size_t)y.p.n * sizeof *y.g);
    ad_reset(y.t, start);
    npg_step step = npg_update(y.t, &c, &y.p, y.theta, y.b, A, NULL);
    explain_step(out, &c, &step, y.b->T);
    explained_theta(out, &y.p, y.g, y.old, y.theta);
    explained_batch_fit(out, &y, R, c.lr_V, c.V_epochs, c.V_batch, c.normalise);
    explained_batch_free(&y);
}
