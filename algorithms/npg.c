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
 *   4. A, L and the defaults are those of trpo.c.
 *
 * Critical
 *   - Nothing looks at the true KL: the step may leave the trust region (NPG-10), or lower L. kl and L of
 *     progress.csv say what it did. trpo.c, the same file but for the line search, repairs that.
 *   - LAPACK forms F: n products, n^2 numbers, n^3/3 operations. For some hundred parameters; else solver = cg.
 *   - A Cholesky factor of a singular F need not fail (ERR-55): its condition is looked at. */
#include "algorithms/npg.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/cg.h"
#include "algorithms/critic.h"
#include "algorithms/explained.h"
#include "algorithms/gae.h"
#include "autodiff/linalg.h"
#include "autodiff/optimiser.h"
#include "autodiff/require.h"

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
    { FIELD(solver), CHOICE(solvers), .about = "of F x = g; lapack forms F: for some hundred parameters" },
    { FIELD(damping), REAL(0, 1e300), .about = "added to F's diagonal; SB3: .1" },
    { FIELD(cg_iterations), WHOLE(1, 1e6), .about = "at most; SB3: 15, paper: 10" },
    { FIELD(cg_tol), REAL(0, 1), .about = "residual at which they stop, as a part of |g|" },
    { FIELD(F_every), WHOLE(1, 1e6), .about = "F from every so manyth state; paper: 10" },
    { FIELD(lr_V), REAL(0, 1e300), .about = "step size of V; SB3: 1e-3" },
    { FIELD(V_epochs), WHOLE(0, 1e6), .about = "times V goes through a batch; SB3 Zoo: 20" },
    { FIELD(V_batch), WHOLE(1, 1e6), .about = "steps in a minibatch of V; SB3: 128" },
    { FIELD(hidden), .kind = CONFIG_WIDTHS, .about = "hidden layers of policy and V; SB3: 64,64" },
    { FIELD(activation), CHOICE(config_activations), .about = "in the hidden layers" },
    { .name = NULL },
};

/*[snip npg-surrogate later]*/
/* PPO-1   ratio_t = pi(a_t|s_t) / pi_old(a_t|s_t) */
ad npg_ratio(ad logp, ad logp_old)
{
    /* BEGIN SOLUTION PPO-1 */
    return ad_exp(ad_sub(logp, logp_old));
    /* END SOLUTION */
}

/* TRPO-10   L = sum_t w_t ratio_t A_t */
ad npg_surrogate(ad ratio, ad A, ad w)
{
    /* BEGIN SOLUTION TRPO-10 */
    return ad_dot(w, ad_mul(ratio, A));
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip npg-kl later]*/
/* TRPO-9   sum_t w_t KL(pi_old(.|s_t) || pi(.|s_t)) */
ad npg_mean_kl(ad kl, ad w)
{
    /* BEGIN SOLUTION TRPO-9 */
    return ad_dot(w, kl);
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip npg-step later]*/
/* NPG-4, TRPO-23   beta = sqrt(2 delta / g^T x),  x = F^{-1} g:   1/2 (beta x)^T F (beta x) = delta */
double npg_beta(double delta, int n, const double *g, const double *x)
{
    /* BEGIN SOLUTION NPG-4 */
    return sqrt(2 * delta / linalg_dot(n, g, x));
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip npg-solve later]*/
/* NPG-4   x = F^{-1} g by Cholesky; where F is singular F^+ g, from its eigenvalues that are not rounding */
int npg_solve(int n, const double *F, const double *g, double *x)
{
    /* BEGIN SOLUTION NPG-4 */
    linalg_cholesky *L = linalg_cholesky_new(n);
    bool regular = linalg_cholesky_factor(L, F) == LINALG_OK && L->rcond > 1e3 * n * DBL_EPSILON;
    if (regular) linalg_cholesky_solve(L, g, x);
    linalg_cholesky_free(L);
    if (regular) return n;

    double *lambda = allocate((size_t)n * (size_t)(n + 1), sizeof *lambda, "eigenvectors of F"), *Ut = lambda + n;
    int rank = 0;
    linalg_eigen_symmetric(n, F, lambda, Ut);
    memset(x, 0, (size_t)n * sizeof *x);
    for (int k = 0; k < n; k++) {
        if (!(lambda[k] > 10 * n * DBL_EPSILON * linalg_max_abs(n, lambda))) continue;
        double along = linalg_dot(n, Ut + (size_t)k * (size_t)n, g) / lambda[k];
        for (int i = 0; i < n; i++) x[i] += along * Ut[(size_t)k * (size_t)n + (size_t)i];
        rank++;
    }
    free(lambda);
    return rank;
    /* END SOLUTION */
}
/*[/snip]*/

/* What F is averaged over: every F_every-th state, s [T x d], and w_F [T], with the sum of all w. Returns T */
static int some_states(const npg_config *c, const rollout *b, const double *w, double *s, double *w_F)
{
    int T = 0;
    double all = 0, some = 0;
    for (int k = 0; k < b->T; k++) all += w ? w[k] : 1.0 / b->T;
    for (int k = 0; k < b->T; k += (int)c->F_every, T++) {
        memcpy(s + T * b->d, b->s + k * b->d, (size_t)b->d * sizeof *s);
        some += w_F[T] = w ? w[k] : 1.0 / b->T;
    }
    for (int k = 0; k < T; k++) w_F[k] *= all / some;
    return T;
}

/* x = F^{-1} g, F formed column by column */
static double by_lapack(fisher_vector *F, int n, const double *g, double *x)
{
    size_t N = (size_t)n;
    double *dense = allocate(N * (N + 2), sizeof *dense, "F"), *e = dense + N * N, *r = e + N;
    for (int i = 0; i < n; i++) {
        e[i] = 1;
        fisher_vector_times(F, n, e, dense + (size_t)i * N);
        e[i] = 0;
    }
    npg_solve(n, dense, g, x);
    linalg_matvec(n, n, dense, x, r);
    for (int i = 0; i < n; i++) r[i] = g[i] - r[i];
    double residual = linalg_norm2(n, r), norm_g = linalg_norm2(n, g);
    free(dense);
    return norm_g > 0 ? residual / norm_g : 0;
}

/*[snip npg-direction later]*/
/* NPG-4, NPG-7   x = F^{-1} g, F as it is at theta */
static void direction(ad_tape *t, const npg_config *c, const policy *p, ad theta, const rollout *b,
                      const double *w, const double *g, double *x, npg_step *step)
{
    size_t d = (size_t)b->d, T = (size_t)b->T;
    double *v = allocate((size_t)p->n + T * (d + 1), sizeof *v, "v"), *s = v + p->n, *w_F = s + T * d;
    int T_F = some_states(c, b, w, s, w_F);
    fisher_vector F = fisher_vector_of(t, p, theta, ad_input(t, s, T_F, b->d), w_F, c->damping, v);
    if (c->solver == NPG_LAPACK) step->residual = by_lapack(&F, p->n, g, x);
    else {
        cg_result found = cg(fisher_vector_times, &F, p->n, g, c->cg_tol, (int)c->cg_iterations, x);
        step->cg_iterations = found.iterations;
        step->cg_outcome = found.outcome;
        step->residual = found.residual;
    }
    free(v);
}
/*[/snip]*/

/*[snip npg-problem later]*/
/* TRPO-10   L(theta') - L(theta) and KL(pi_theta || pi_theta'), as functions of theta' */
npg_problem npg_problem_of(ad_tape *t, const policy *p, const double *theta, const rollout *b, const double *A,
                           const double *w)
{
    /* BEGIN SOLUTION TRPO-10,TRPO-9 */
    ad x     = ad_input(t, theta, p->n, 1), s = ad_input(t, b->s, b->T, b->d);
    ad each  = w ? ad_input(t, w, b->T, 1) : ad_constant(t, 1.0 / b->T, b->T, 1);      /* w_t [T x 1] */
    ad z     = policy_parameters(p, x, s);
    ad logp  = policy_logp(t, p, x, s, b->a, b->index);                         /* [T x 1] */
    ad ratio = npg_ratio(logp, ad_freeze(logp));
    ad L     = npg_surrogate(ad_shift(ratio, -1), ad_input(t, A, b->T, 1), each);
    ad kl    = policy_kl(p, ad_freeze(z), z);                                   /* [T x 1] */
    return (npg_problem){ x, L, npg_mean_kl(kl, each) };
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip npg-update later]*/
/* NPG-5, NPG-4   a step along the natural gradient */
npg_step npg_update(ad_tape *t, const npg_config *c, const policy *p, double *theta, const rollout *b,
                    const double *A, const double *w)
{
    int n = p->n;
    double *g = allocate(2 * (size_t)n, sizeof *g, "a step"), *x = g + n;
    npg_step step = { .outcome = NPG_STEPPED };

    ad_mark start = ad_here(t);
    npg_problem at = npg_problem_of(t, p, theta, b, A, w);
    memcpy(g, ad_value(ad_grad(at.L, at.theta)), (size_t)n * sizeof *g);                /* PPO-18 */
    direction(t, c, p, at.theta, b, w, g, x, &step);
    if (!(linalg_max_abs(n, g) > 0)) step.outcome = NPG_NO_GRADIENT;
    else if (!(linalg_dot(n, g, x) >= DBL_MIN)) step.outcome = NPG_NO_CURVATURE;
    else {
        step.beta = npg_beta(c->delta, n, g, x);
        for (int i = 0; i < n; i++) theta[i] += step.beta * x[i];
        ad_plan again = ad_slice(1, &at.theta, 2, (ad[]){ at.L, at.kl });
        ad_run(&again);
        step.kl = ad_scalar(at.kl), step.L = ad_scalar(at.L);
    }
    ad_reset(t, start);
    free(g);
    return step;
}
/*[/snip]*/

/* PPO-17   A_t and R_t = A_t + V(s_t) [T], segment by segment; then A is normalised */
static void advantages(const npg_config *c, const rollout *b, const double *V, const double *V_end, double *A,
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

void npg_check(const void *config)
{
    const npg_config *c = config;
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
        advantages(c, b, V, V_end, A, R);
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

/* ---- one update, with its numbers: the first of a training run from that seed ---- */

enum { EXPLAINED_WORKERS = 2, EXPLAINED_STEPS = 4, MOST = EXPLAINED_WORKERS * EXPLAINED_STEPS };

static void explain_step(FILE *out, const npg_config *c, const npg_step *step, int T)
{
    static const char *const then[] = { "theta <- theta + beta x", "g = 0: theta stays", "g^T x = 0: theta stays" };
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
    env *e = explained_env();
    c.hidden.layers = 0;
    c.workers = c.workers < EXPLAINED_WORKERS ? c.workers : EXPLAINED_WORKERS;
    c.n_steps = c.n_steps < EXPLAINED_STEPS ? c.n_steps : EXPLAINED_STEPS;
    npg_check(&c);
    const policy p = npg_policy(e, &c);
    const network f = critic_V(&p);
    run *streams = run_new("npg", e, seed, 0);
    int n = p.n, nV = network_n(&f);
    double *theta = allocate((size_t)(3 * n + 3 * nV), sizeof *theta, "theta, phi"), *old = theta + n, *g = old + n;
    double *phi = g + n, *m = phi + nV;
    double V[MOST], V_end[MOST], A[MOST], R[MOST], logp[MOST];
    adam step_V = adam_of((size_t)nV, c.lr_V, m);
    run_workers(streams, (int)c.workers);
    actor *pi = actor_new(&p, theta);
    rollout *b = rollout_new(e);
    ad_tape *t = ad_tape_new();

    policy_init(&p, streams->init_rng, theta);
    network_init_orthogonal(&f, sqrt(2), 1, streams->init_rng, phi);
    memcpy(old, theta, (size_t)n * sizeof *theta);
    run_act(streams, 0, (int)c.workers, (int)c.n_steps, pi, b);
    critic_bootstrap(t, &f, phi, b, V, V_end);
    advantages(&c, b, V, V_end, A, R);
    explained_logp(&p, theta, b, logp);
    fprintf(out, "NPG, its first update on %s (states 0 .. 4, then the end; 3 actions), seed %llu;\n%ld worker%s,"
            " %ld step%s each, no hidden layers, gamma = %g, lambda = %g%s\n", e->id, (unsigned long long)seed,
            c.workers, c.workers > 1 ? "s" : "", c.n_steps, c.n_steps > 1 ? "s" : "", c.gamma, c.lambda,
            c.normalise ? ", A_t normalised" : "");
    explained_segments(out, b, V, V_end, A, logp);
    fprintf(out, "\nPPO-17   A_t = delta_t + gamma lambda A_t+1, delta_t = r_t + gamma V(s_t+1) - V(s_t)%s\n",
            c.normalise ? "; then less their mean,\n         over (their standard deviation + 1e-8)" : "");
    npg_problem at = npg_problem_of(t, &p, theta, b, A, NULL);
    memcpy(g, ad_value(ad_grad(at.L, at.theta)), (size_t)n * sizeof *g);
    npg_step step = npg_update(t, &c, &p, theta, b, A, NULL);
    explain_step(out, &c, &step, b->T);
    explained_theta(out, &p, g, old, theta);
    double error = explained_V_error(t, &f, phi, b, R);
    critic_fit(t, &f, phi, &step_V, b->T, b->s, R, c.V_epochs, (int)c.V_batch, streams->update_rng);
    fprintf(out, "\nphi: %ld steps of Adam on the mean of (V(s_t) - R_t)^2, R_t = A_t + V(s_t)%s,\n"
                 "     from %.5f to %.5f\n", step_V.t, c.normalise ? " as it was at first" : "", error,
            explained_V_error(t, &f, phi, b, R));

    ad_tape_free(t);
    rollout_free(b);
    actor_free(pi);
    free(theta);
    run_free(streams);
    env_free(e);
}
