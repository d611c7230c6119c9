/* NPG: natural policy gradient (001, l.500-536; 004, l.435-465; Kakade 2002).
 *
 *     initialise theta, phi, and N workers
 *     loop
 *         worker i = 1 .. N: n steps a_t ~ pi_theta(.|s_t), r_t, s_{t+1}
 *         A_t = sum_l (gamma lambda)^l delta_{t+l}                            PPO-17
 *         L(theta')  = mean_t pi_theta'(a_t|s_t) / pi_theta(a_t|s_t) A_t      TRPO-10, PPO-1
 *         KL(theta') = mean_t KL(pi_theta(.|s_t) || pi_theta'(.|s_t))         TRPO-9
 *         g = grad L at theta, the policy gradient;  F = the Hessian of KL    PPO-18, NPG-3
 *         F x = g, by LAPACK, or by conjugate gradients on products F v       NPG-4, NPG-7
 *         beta = sqrt(2 delta / g^T x)                                        NPG-4
 *         theta <- theta + beta x
 *         phi: V_epochs passes over the batch towards R_t = A_t + V_phi(s_t), on (V_phi(s_t) - R_t)^2
 *
 * Deviations from the source
 *   1. 001 prints beta = sqrt(2 delta / g^T F g), which is another number (ERR-54): its step on E5 has a KL of .89
 *      where .01 is wanted.
 *   2. F is F + damping 1, and at damping = 0 F^{-1} is the pseudo-inverse: F is singular (ERR-55).
 *   3. States are not weighted by gamma^t, neither in g nor in F (ERR-3, ERR-38).
 *   4. A, L, V's part and the defaults are those of trpo.c.
 *
 * Critical
 *   - Nothing looks at the true KL: the step may leave the trust region (NPG-10), or lower L. kl and L of
 *     progress.csv say what it did. trpo.c, the same file but for the line search, repairs that.
 *   - LAPACK forms F: n products, n^2 numbers, n^3/3 operations. For some hundred parameters; above 2000, where
 *     an update takes seconds, it is refused: then solver = cg. npg_solve.c has it. */
#include "algorithms/npg.h"

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

enum { LAPACK_MOST = 2000 };            /* parameters of the policy */
static const char *const solvers[] = { "cg", "lapack", NULL };

const npg_config npg_defaults = {
    .workers = 2, .n_steps = 512, .gamma = 0.99, .lambda = 0.95, .normalise = 1,
    .delta = 0.01, .damping = 0.1, .cg_iterations = 15, .cg_tol = 1e-10, .F_every = 1,
    .lr_V = 1e-3, .V_epochs = 20, .V_batch = 128,
    .hidden = { 2, { 64, 64 } }, .activation = AD_TANH,
};

#define FIELD(name) #name, .at = offsetof(npg_config, name)
#define REAL(least, most) .kind = CONFIG_REAL, .low = least, .high = most
#define WHOLE(least, most) .kind = CONFIG_WHOLE, .low = least, .high = most
#define CHOICE(names) .kind = CONFIG_CHOICE, .choices = names
const config_field npg_fields[] = {
    { FIELD(workers), WHOLE(1, 1000), .about = "N: environments; SB3 Zoo: 2" },
    { FIELD(n_steps), WHOLE(1, 1e6), .about = "n: steps of each an update; SB3 Zoo: 512" },
    { FIELD(gamma), REAL(0, 1), .about = "discount gamma" },
    { FIELD(lambda), REAL(0, 1), .about = "of the advantage, 1: rewards to go less V; SB3: .95" },
    { FIELD(normalise), CHOICE(config_switch), .about = "advantages of a batch" },
    { FIELD(delta), REAL(1e-12, 1e6), .about = "KL of a step, to second order" },
    { FIELD(solver), CHOICE(solvers), .about = "of F x = g; lapack forms F: with hidden=32,32 or less" },
    { FIELD(damping), REAL(0, 1e300), .about = "added to F's diagonal; SB3: .1" },
    { FIELD(cg_iterations), WHOLE(1, 1e6), .about = "at most; SB3: 15, paper: 10" },
    { FIELD(cg_tol), REAL(0, 1), .about = "residual at which they stop, as a part of |g|" },
    { FIELD(F_every), WHOLE(1, 1e6), .about = "F from one state in so many; paper: 10" },
    { FIELD(lr_V), REAL(0, 1e300), .about = "step size of V; SB3: 1e-3" },
    { FIELD(V_epochs), WHOLE(0, 1e6), .about = "times V goes through a batch; SB3 Zoo: 20" },
    { FIELD(V_batch), WHOLE(1, 1e6), .about = "steps in a minibatch of V; SB3: 128" },
    { FIELD(hidden), .kind = CONFIG_WIDTHS, .about = "hidden layers of policy and V; SB3: 64,64" },
    { FIELD(activation), CHOICE(config_activations), .about = "in the hidden layers" },
    { .name = NULL },
};

/*[snip npg-step later]*/
/* NPG-4, TRPO-23   beta = sqrt(2 delta / g^T x),  x = F^{-1} g:   1/2 (beta x)^T F (beta x) = delta */
double npg_beta(double delta, int n, const double *g, const double *x)
{
    /* BEGIN SOLUTION NPG-4 */
    return sqrt(2 * delta / linalg_dot(n, g, x));
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip npg-direction later]*/
/* NPG-4, NPG-7   x = F^{-1} g, F as it is at theta */
void npg_direction(ad_tape *t, const npg_config *c, const policy *p, ad theta, ad s, const double *w,
                   const double *g, double *x, npg_step *step)
{
    double *v = allocate((size_t)p->n, sizeof *v, "v");
    fisher_vector F = fisher_vector_of(t, p, theta, s, w, c->damping, v);
    if (c->solver == NPG_LAPACK) step->residual = npg_solve_formed(&F, p->n, g, x);
    else {
        cg_result found = cg(fisher_vector_times, &F, p->n, g, c->cg_tol, (int)c->cg_iterations, x);
        step->cg_iterations = found.iterations;
        step->cg_outcome = found.outcome;
        step->residual = found.residual;
    }
    free(v);
}
/*[/snip]*/

/*[snip npg-maximise later]*/
/* PPO-18, NPG-4   g, x = F^{-1} g, its length, and no line search */
npg_step npg_maximise(ad_tape *t, const npg_config *c, const policy *p, double *theta, const trpo_problem *at,
                      ad s, const double *w)
{
    int n = p->n;
    double *g = allocate(2 * (size_t)n, sizeof *g, "a step"), *x = g + n;
    npg_step step = { .outcome = NPG_STEPPED };

    memcpy(g, ad_value(ad_grad(at->L, at->theta)), (size_t)n * sizeof *g);
    npg_direction(t, c, p, at->theta, s, w, g, x, &step);
    if (!(linalg_max_abs(n, g) > 0)) step.outcome = NPG_NO_GRADIENT;
    else if (!(linalg_dot(n, g, x) >= DBL_MIN)) step.outcome = NPG_NO_CURVATURE;
    else {
        step.beta = npg_beta(c->delta, n, g, x);
        for (int i = 0; i < n; i++) theta[i] += step.beta * x[i];
        ad_plan again = ad_slice(1, &at->theta, 2, (ad[]){ at->L, at->kl });
        if (!ad_try(&again)) step.outcome = NPG_FAR, step.kl = step.L = NAN;
        else                 step.kl = ad_scalar(at->kl), step.L = ad_scalar(at->L);
    }
    free(g);
    return step;
}
/*[/snip]*/

/*[snip npg-update later]*/
/* TRPO-17, NPG-5   means over the batch, and the constrained problem solved to second order */
npg_step npg_update(ad_tape *t, const npg_config *c, const policy *p, double *theta, const rollout *b,
                    const double *A, const double *w)
{
    size_t T = (size_t)b->T, d = (size_t)b->d;
    double *s = allocate(T * (d + 1), sizeof *s, "the states of F"), *w_F = s + T * d;
    ad_mark start = ad_here(t);
    trpo_problem at = trpo_problem_of(t, TRPO_MEAN, p, theta, b, A, w);
    int T_F = fisher_states(b, w, (int)c->F_every, s, w_F);
    npg_step step = npg_maximise(t, c, p, theta, &at, ad_input(t, s, T_F, b->d), w_F);
    ad_reset(t, start);
    free(s);
    return step;
}
/*[/snip]*/

/* PPO-17   A_t and R_t, segment by segment; then A is normalised */
void npg_advantages(const npg_config *c, const rollout *b, const double *V, const double *V_end, double *A,
                    double *R)
{
    gae_batch(b, V, V_end, c->gamma, c->lambda, A, R);
    if (c->normalise) advantages_normalise(b->T, A);
}

policy npg_policy(const env *e, const void *config)
{
    const npg_config *c = config;
    return policy_of(e, c->hidden.layers, c->hidden.width, (enum ad_activation)c->activation);
}

static void check_size(const npg_config *c, int n)
{
    if (c->solver == NPG_LAPACK && n > LAPACK_MOST)
        bad_input("--set: expected solver=cg, or hidden=32,32 or less for solver=lapack: at most %d parameters,"
                  " found %d or more", LAPACK_MOST, n);
}

void npg_check(const void *config)
{
    const npg_config *c = config;
    const env least = { .observation = { .dim = 1 }, .action = { .n = 1, .dim = 1 } };
    check_size(c, npg_policy(&least, c).n);             /* more in any other environment */
    if (c->normalise && c->workers * c->n_steps < 2)
        bad_input("--set: expected normalise=off where a batch is of one step: it has no standard deviation");
}

void npg(run *training, const void *config)
{
    const npg_config *c = config;
    const policy p = npg_policy(training->env, c);
    const network f = critic_V(&p);
    size_t n = (size_t)p.n, nV = (size_t)network_n(&f), T = (size_t)(c->workers * c->n_steps);
    npg_check(c);
    check_size(c, p.n);
    double *theta = allocate(n + 3 * nV, sizeof *theta, "theta, phi"), *phi = theta + n, *m = phi + nV;
    double *V = allocate(4 * T, sizeof *V, "V"), *V_end = V + T, *A = V_end + T, *R = A + T;
    adam step_V = adam_of(nV, c->lr_V, m);
    npg_step step = { .kl = 0 };
    run_workers(training, (int)c->workers);
    actor *pi = actor_new(&p, theta);
    rollout *b = rollout_new(training->env);
    ad_tape *t = ad_tape_new();

    policy_init(&p, training->init_rng, theta);
    network_init_orthogonal(&f, sqrt(2), 1, training->init_rng, phi);
    const kept survives[] = { { "theta", theta, n }, { "phi", phi, nV }, { "m, v", m, 2 * nV },
                              { .name = "t of V", .count = &step_V.t }, { .name = NULL } };
    const shown columns[] = { { "kl", &step.kl }, { "L", &step.L }, { "outcome", &step.outcome },
                              { "cg_iterations", &step.cg_iterations }, { "cg_outcome", &step.cg_outcome },
                              { "residual", &step.residual }, { .name = NULL } };
    run_begin(training, survives, columns);
    /*[snip npg-loop later]*/
    while (run_update(training, b)) {
        run_act(training, 0, (int)c->workers, (int)c->n_steps, pi, b);
        critic_bootstrap(t, &f, phi, b, V, V_end);
        npg_advantages(c, b, V, V_end, A, R);
        step = npg_update(t, c, &p, theta, b, A, NULL);
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
