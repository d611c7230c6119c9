/* TRPO: trust region policy optimisation, single path (002, l.255-276; 004, l.404-475; 001, l.540-552; 000,
 * l.255-272; Schulman et al. 2015, arXiv:1502.05477).
 *
 *     initialise theta, phi, and N workers
 *     loop
 *         worker i = 1 .. N: n steps a_t ~ pi_theta(.|s_t), r_t, s_{t+1}      TRPO-17, TRPO-14
 *         A_t = sum_l (gamma lambda)^l delta_{t+l}                            PPO-17
 *         L(theta')  = mean_t pi_theta'(a_t|s_t) / pi_theta(a_t|s_t) A_t      TRPO-10, PPO-1
 *         KL(theta') = mean_t KL(pi_theta(.|s_t) || pi_theta'(.|s_t))         TRPO-9; max_t: TRPO-8
 *         g = grad L at theta;  F = the Hessian of KL at theta                TRPO-18, NPG-3
 *         F x = g, by conjugate gradients on products F v                     NPG-7, NPG-6
 *         beta = sqrt(2 delta / x^T F x)                                      TRPO-23
 *         theta' = theta + alpha^j beta x, j = 0, 1, ..                       TRPO-24
 *             until KL(theta') <= delta and L(theta') > 0; else theta stays
 *         phi: V_epochs passes over the batch towards R_t = A_t + V_phi(s_t), on (V_phi(s_t) - R_t)^2
 *
 * Deviations from the source
 *   1. 001 and 004 backtrack on the KL alone: a step within it may lower L (ERR-57). The paper (appendix C)
 *      tests both.
 *   2. L is counted from L(theta): the documents' L(theta) = 0 holds of exact advantages, whose mean is 0 in
 *      each state, and not of estimates.
 *   3. 002's Q_t is the sum of rewards to go (TRPO-14), which would be lambda = 1; V(s_t) is taken off, which
 *      changes the mean of L by a constant (TRPO-13), and its variance much. A is normalised, so that L is in units
 *      of its standard deviation. V is fitted after the step of theta.
 *   4. F is F + damping 1 in CG and in beta, as in the usual implementations: F is singular (ERR-55). With
 *      constraint = max it is still the mean KL's; the line search alone looks at the greatest (TRPO-8).
 *   5. States are not weighted by gamma^t, as in the usual implementations (ERR-3).
 *   6. The paper estimates F from a tenth of the batch: F_every = 10. Here from all of it.
 *   7. Defaults are Stable-Baselines3's (contrib) with its Zoo's 2 x 512 steps, 20 epochs and lr_V for CartPole-v1.
 *      The Zoo's damping = .001 and lambda = .98 reach 500 there, too, but end at -128 on Acrobot-v1 where these
 *      end at -82 (six seeds, 100000 steps). With .1 hardly a step is too long; with .001 every other one is.
 *   8. Where V_batch does not divide the batch, what is left over of each pass is left out (SB3 uses it).
 *
 * Critical
 *   - At theta the KL is 0 and so is its gradient (TRPO-21, TRPO-22): all that it says is in its Hessian.
 *   - A line search that fails must put theta back: what it tried last is the shortest step, and a bad one.
 *   - The natural step may leave the trust region (NPG-10), so KL is looked at as it is, not as x^T F x / 2. */
#include "algorithms/trpo.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/cg.h"
#include "algorithms/critic.h"
#include "algorithms/gae.h"
#include "autodiff/linalg.h"
#include "autodiff/optimiser.h"
#include "autodiff/require.h"

static const char *const constraints[] = { "mean", "max", NULL };

const trpo_config trpo_defaults = {
    .workers = 2, .n_steps = 512, .gamma = 0.99, .lambda = 0.95, .normalise = 1,
    .delta = 0.01, .damping = 0.1, .cg_iterations = 15, .cg_tol = 1e-10, .F_every = 1,
    .alpha = 0.8, .backtracks = 10, .lr_V = 1e-3, .V_epochs = 20, .V_batch = 128,
    .hidden = { 2, { 64, 64 } }, .activation = AD_TANH,
};

#define FIELD(name) #name, .at = offsetof(trpo_config, name)
#define REAL(least, most) .kind = CONFIG_REAL, .low = least, .high = most
#define WHOLE(least, most) .kind = CONFIG_WHOLE, .low = least, .high = most
#define CHOICE(names) .kind = CONFIG_CHOICE, .choices = names
const config_field trpo_fields[] = {
    { FIELD(workers), WHOLE(1, 1000), .about = "N: environments; SB3 Zoo: 2" },
    { FIELD(n_steps), WHOLE(1, 1e6), .about = "n: steps of each an update; SB3 Zoo: 512" },
    { FIELD(gamma), REAL(0, 1), .about = "discount gamma" },
    { FIELD(lambda), REAL(0, 1), .about = "of the advantage, 1: rewards to go less V; SB3: .95" },
    { FIELD(normalise), CHOICE(config_switch), .about = "advantages of a batch" },
    { FIELD(delta), REAL(1e-12, 1e6), .about = "trust radius, greatest KL; paper: .01" },
    { FIELD(constraint), CHOICE(constraints), .about = "of the mean KL over states or the greatest; paper: mean" },
    { FIELD(damping), REAL(0, 1e300), .about = "added to F's diagonal; SB3: .1" },
    { FIELD(cg_iterations), WHOLE(1, 1e6), .about = "at most; SB3: 15, paper: 10" },
    { FIELD(cg_tol), REAL(0, 1), .about = "residual at which they stop, as a part of |g|" },
    { FIELD(F_every), WHOLE(1, 1e6), .about = "F from one state in so many; paper: 10" },
    { FIELD(alpha), REAL(1e-3, 1 - 1e-3), .about = "backtracking's factor; SB3: .8" },
    { FIELD(backtracks), WHOLE(1, 1000), .about = "steps tried at most; SB3: 10" },
    { FIELD(lr_V), REAL(0, 1e300), .about = "step size of V; SB3: 1e-3" },
    { FIELD(V_epochs), WHOLE(0, 1e6), .about = "times V goes through a batch; SB3 Zoo: 20" },
    { FIELD(V_batch), WHOLE(1, 1e6), .about = "steps in a minibatch of V; SB3: 128" },
    { FIELD(hidden), .kind = CONFIG_WIDTHS, .about = "hidden layers of policy and V; SB3: 64,64" },
    { FIELD(activation), CHOICE(config_activations), .about = "in the hidden layers" },
    { .name = NULL },
};

/*[snip trpo-step later]*/
/* TRPO-23   beta = sqrt(2 delta / x^T F x):   1/2 (beta x)^T F (beta x) = delta */
double trpo_beta(double delta, int n, const double *x, const double *Fx)
{
    /* BEGIN SOLUTION TRPO-23 */
    return sqrt(2 * delta / linalg_dot(n, x, Fx));
    /* END SOLUTION */
}

/* TRPO-24   KL <= delta and L > 0 */
bool trpo_accepts(double kl, double L, double delta)
{
    /* BEGIN SOLUTION TRPO-24 */
    return kl <= delta && L > 0;
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip trpo-line-search later]*/
/* TRPO-24, TRPO-25   theta' = theta + alpha^j beta x,   j = 0, 1, ... until accepted; else theta as it was */
int trpo_line_search(const trpo_config *c, int n, double *theta, const double *x, double beta,
                     const trpo_problem *at)
{
    /* BEGIN SOLUTION TRPO-24 */
    double *old = allocate((size_t)n, sizeof *old, "theta");
    ad_plan again = ad_slice(1, &at->theta, 2, (ad[]){ at->L, at->kl });
    int j = 0;
    memcpy(old, theta, (size_t)n * sizeof *theta);
    for (; j < c->backtracks; j++, beta *= c->alpha) {
        for (int i = 0; i < n; i++) theta[i] = old[i] + beta * x[i];
        if (ad_try(&again) && trpo_accepts(ad_scalar(at->kl), ad_scalar(at->L), c->delta)) break;
    }
    if (j == c->backtracks) memcpy(theta, old, (size_t)n * sizeof *theta);
    free(old);
    return j < c->backtracks ? j : -1;
    /* END SOLUTION */
}
/*[/snip]*/

/* What holds after every update */
static void require_improved(const trpo_config *c, const trpo_step *step, int n, const double *old,
                             const double *theta)
{
    if (step->outcome == TRPO_ACCEPTED)
        require(step->kl <= c->delta && step->L > 0, "a step with KL = %g, L = %g", step->kl, step->L);
    else
        require(memcmp(theta, old, (size_t)n * sizeof *theta) == 0, "no step, but another theta");
}

/*[snip trpo-direction later]*/
/* NPG-7, TRPO-26   x = F^{-1} g by conjugate gradients, and F x, F as it is at theta */
void trpo_direction(ad_tape *t, const trpo_config *c, const policy *p, ad theta, ad s, const double *w,
                    const double *g, double *x, double *Fx, trpo_step *step)
{
    double *v = allocate((size_t)p->n, sizeof *v, "v");
    fisher_vector F = fisher_vector_of(t, p, theta, s, w, c->damping, v);
    cg_result found = cg(fisher_vector_times, &F, p->n, g, c->cg_tol, (int)c->cg_iterations, x);
    step->cg_iterations = found.iterations;
    step->cg_outcome = found.outcome;
    step->residual = found.residual;
    fisher_vector_times(&F, p->n, x, Fx);
    step->products = F.products;
    free(v);
}
/*[/snip]*/

/*[snip trpo-maximise later]*/
/* TRPO-18, TRPO-23, TRPO-24   g, x = F^{-1} g, its length, and the line search */
trpo_step trpo_maximise(ad_tape *t, const trpo_config *c, const policy *p, double *theta, const trpo_problem *at,
                        ad s, const double *w)
{
    int n = p->n;
    double *g = allocate(4 * (size_t)n, sizeof *g, "a step"), *x = g + n, *Fx = x + n, *old = Fx + n;
    trpo_step step = { .outcome = TRPO_ACCEPTED, .j = NAN };

    memcpy(old, theta, (size_t)n * sizeof *theta);
    memcpy(g, ad_value(ad_grad(at->L, at->theta)), (size_t)n * sizeof *g);
    trpo_direction(t, c, p, at->theta, s, w, g, x, Fx, &step);
    if (!(linalg_max_abs(n, g) > 0)) step.outcome = TRPO_NO_GRADIENT;
    else if (!(linalg_dot(n, x, Fx) >= DBL_MIN)) step.outcome = TRPO_NO_CURVATURE;
    else {
        step.beta = trpo_beta(c->delta, n, x, Fx);
        int j = trpo_line_search(c, n, theta, x, step.beta, at);
        if (j < 0) step.outcome = TRPO_GAVE_UP;
        else       step.j = j, step.kl = ad_scalar(at->kl), step.L = ad_scalar(at->L);
    }
    require_improved(c, &step, n, old, theta);
    free(g);
    return step;
}
/*[/snip]*/

/*[snip trpo-update later]*/
/* TRPO-17, TRPO-29   objective and constraint as means over the batch, and the constrained problem solved */
trpo_step trpo_update(ad_tape *t, const trpo_config *c, const policy *p, double *theta, const rollout *b,
                      const double *A, const double *w)
{
    size_t T = (size_t)b->T, d = (size_t)b->d;
    double *s = allocate(T * (d + 1), sizeof *s, "the states of F"), *w_F = s + T * d;
    ad_mark start = ad_here(t);
    trpo_problem at = trpo_problem_of(t, c->constraint, p, theta, b, A, w);
    int T_F = fisher_states(b, w, (int)c->F_every, s, w_F);
    trpo_step step = trpo_maximise(t, c, p, theta, &at, ad_input(t, s, T_F, b->d), w_F);
    ad_reset(t, start);
    free(s);
    return step;
}
/*[/snip]*/

/* TRPO-14, PPO-17   A_t and R_t, segment by segment; then A is normalised */
void trpo_advantages(const trpo_config *c, const rollout *b, const double *V, const double *V_end, double *A,
                     double *R)
{
    gae_batch(b, V, V_end, c->gamma, c->lambda, A, R);
    if (c->normalise) advantages_normalise(b->T, A);
}

policy trpo_policy(const env *e, const void *config)
{
    const trpo_config *c = config;
    return policy_of(e, c->hidden.layers, c->hidden.width, (enum ad_activation)c->activation);
}

void trpo_check(const void *config)
{
    const trpo_config *c = config;
    if (c->normalise && c->workers * c->n_steps < 2)
        bad_input("--set: expected normalise=off where a batch is of one step: it has no standard deviation");
}

void trpo(run *training, const void *config)
{
    const trpo_config *c = config;
    const policy p = trpo_policy(training->env, c);
    const network f = critic_V(&p);
    size_t n = (size_t)p.n, nV = (size_t)network_n(&f), T = (size_t)(c->workers * c->n_steps);
    trpo_check(c);
    double *theta = allocate(n + 3 * nV, sizeof *theta, "theta, phi"), *phi = theta + n, *m = phi + nV;
    double *V = allocate(4 * T, sizeof *V, "V"), *V_end = V + T, *A = V_end + T, *R = A + T;
    adam step_V = adam_of(nV, c->lr_V, m);
    trpo_step step = { .j = NAN };
    run_workers(training, (int)c->workers);
    actor *pi = actor_new(&p, theta);
    rollout *b = rollout_new(training->env);
    ad_tape *t = ad_tape_new();

    policy_init(&p, training->init_rng, theta);
    network_init_orthogonal(&f, sqrt(2), 1, training->init_rng, phi);
    const kept survives[] = { { "theta", theta, n }, { "phi", phi, nV }, { "m, v", m, 2 * nV },
                              { .name = "t of V", .count = &step_V.t }, { .name = NULL } };
    const shown columns[] = { { "kl", &step.kl }, { "L", &step.L }, { "j", &step.j }, { "outcome", &step.outcome },
                              { "cg_iterations", &step.cg_iterations }, { "cg_outcome", &step.cg_outcome },
                              { "residual", &step.residual }, { .name = NULL } };
    run_begin(training, survives, columns);
    /*[snip trpo-loop later]*/
    while (run_update(training, b)) {
        run_act(training, 0, (int)c->workers, (int)c->n_steps, pi, b);
        critic_bootstrap(t, &f, phi, b, V, V_end);
        trpo_advantages(c, b, V, V_end, A, R);
        step = trpo_update(t, c, &p, theta, b, A, NULL);
        critic_fit(t, &f, phi, &step_V, b->T, b->s, R, c->V_epochs, (int)c->V_batch, training->update_rng);
    }
    /*[/snip]*/
    run_end(training);

    ad_tape_free(t);
    rollout_free(b);
    actor_free(pi);
    free(V);
    free(theta);
}
