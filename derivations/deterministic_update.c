/* What DDPG and TD3 do with one minibatch: targets, critic, policy, noise, delay; each line beside the training
 * code's own functions. 002 (l.148-198); 004 (l.523-643, l.645-724).
 *
 * The problem: four transitions of one number each, mu and Q with a hidden layer of two tanh units, differentiated by
 * hand. The third transition ends the task. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/critic.h"
#include "algorithms/ddpg.h"
#include "algorithms/td3.h"
#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"

enum { T = 4, N_MU = 7, N_Q = 9 };              /* (1+1) 2 + (2+1) 1; (2+1) 2 + (2+1) 1 */
static const double s_[T] = { 1, -0.5, 2, 0.3 }, a_[T] = { 0.5, 0.2, -1, -0.4 }, r_[T] = { -1, 0.3, -4, 0.7 };
static const double s1_[T] = { 0.8, -0.4, 0, 1.5 }, done_[T] = { 0, 0, 1, 0 };
#define GAMMA 0.9
static const double low_[1] = { -1.5 }, high_[1] = { 0.5 };            /* a box that is not centred at 0 */

/* In the order of network.h: W_1, b_1, W_2, b_2 */
static const double theta_[N_MU]  = { 0.5, -0.7, 0.1, 0.3, -0.6, 0.4, 0.2 };
static const double theta1_[N_MU] = { 0.4, -0.8, 0.2, 0.2, -0.5, 0.5, 0.1 };
static const double phi_[2 * N_Q]  = { 0.6, -0.3, 0.9, 0.5, 0.1, -0.2, 0.8, -0.7, 0.3,
                                       -0.4, 0.7, 0.2, 1.1, 0.3, 0.1, 0.9, 0.4, -0.5 };
static const double phi1_[2 * N_Q] = { 0.5, -0.4, 0.8, 0.6, 0.2, -0.1, 0.7, -0.8, 0.2,
                                       -0.3, 0.6, 0.3, 1.0, 0.2, 0.2, 0.8, 0.3, -0.2 };

static policy mu_of(int bounded)
{
    policy p = { .f = { 2, { 1, 2, 1 }, AD_TANH }, .d = 1, .k = 1, .n = N_MU, .deterministic = true };
    if (bounded) p.low = low_, p.high = high_;
    return p;
}

static minibatch batch_of(void)
{
    return (minibatch){ .T = T, .d = 1, .k = 1, .s = (double *)s_, .s1 = (double *)s1_, .a = (double *)a_,
                        .r = (double *)r_, .done = (double *)done_ };
}

/* ---- by hand ---- */

/* f(s) = sum_j W2_j tanh(W1_j s + b1_j) + b2, and df/dtheta [N_MU] if asked for */
static double hand_mu(const double *x, double s, double *slope)
{
    double f = x[6], h[2];
    for (int j = 0; j < 2; j++) h[j] = tanh(x[j] * s + x[2 + j]), f += x[4 + j] * h[j];
    for (int j = 0; slope && j < 2; j++) {
        slope[2 + j] = x[4 + j] * (1 - h[j] * h[j]);
        slope[j] = slope[2 + j] * s;
        slope[4 + j] = h[j];
        slope[6] = 1;
    }
    return f;
}

/* Q(s,a) = sum_j W2_j tanh(W1_1j s + W1_2j a + b1_j) + b2, dQ/dphi [N_Q] and dQ/da if asked for */
static double hand_Q(const double *x, double s, double a, double *slope, double *along_a)
{
    double Q = x[8], h[2];
    if (along_a) *along_a = 0;
    for (int j = 0; j < 2; j++) {
        h[j] = tanh(x[j] * s + x[2 + j] * a + x[4 + j]);
        Q += x[6 + j] * h[j];
        double d = x[6 + j] * (1 - h[j] * h[j]);
        if (along_a) *along_a += d * x[2 + j];
        if (!slope) continue;
        slope[j] = d * s, slope[2 + j] = d * a, slope[4 + j] = d, slope[6 + j] = h[j], slope[8] = 1;
    }
    return Q;
}

/* y_t, from the targets phi1 of one Q, or of the lesser of two; masked: with (1 - d) */
static void hand_y(const double *phi1, bool twins, bool masked, double *y)
{
    for (int t = 0; t < T; t++) {
        double a1 = hand_mu(theta1_, s1_[t], NULL), Q = hand_Q(phi1, s1_[t], a1, NULL, NULL);
        if (twins) Q = fmin(Q, hand_Q(phi1 + N_Q, s1_[t], a1, NULL, NULL));
        y[t] = r_[t] + (masked ? 1 - done_[t] : 1) * GAMMA * Q;
    }
}

/* L, and factor/|B| sum_B (Q - y) dQ/dphi [N_Q] */
static double hand_L(const double *phi, const double *y, double factor, double *g)
{
    double L = 0, slope[N_Q];
    memset(g, 0, N_Q * sizeof *g);
    for (int t = 0; t < T; t++) {
        double off = hand_Q(phi, s_[t], a_[t], slope, NULL) - y[t];
        L += off * off / T;
        for (int i = 0; i < N_Q; i++) g[i] += factor / T * off * slope[i];
    }
    return L;
}

/* J, and mean_B dQ/da dmu/dtheta [N_MU], dQ/da at a = mu(s), or at the action in D */
static double hand_J(const double *phi, bool at_mu, double *g)
{
    double J = 0, slope[N_MU], along_a;
    memset(g, 0, N_MU * sizeof *g);
    for (int t = 0; t < T; t++) {
        double mu = hand_mu(theta_, s_[t], slope);
        J += hand_Q(phi, s_[t], at_mu ? mu : a_[t], NULL, &along_a) / T;
        for (int i = 0; i < N_MU; i++) g[i] += along_a * slope[i] / T;
    }
    return J;
}

/* ---- what training makes of it ---- */

/* L, and grad L [N_Q], of twins [2 N_Q] */
static double trained_L(bool twins, const double *phi, const double *phi1, double *g)
{
    const policy p = mu_of(0);
    const network Q = critic_Q_of_box(&p);
    const minibatch B = batch_of();
    const ddpg_config d = { .gamma = GAMMA };
    const td3_config c = { .gamma = GAMMA, .twins = twins };
    ad_tape *t = ad_tape_new();
    double L = twins ? td3_critic_gradient(t, &c, &p, &Q, phi, theta1_, phi1, NULL, &B, g)
                     : ddpg_critic_gradient(t, &d, &p, &Q, phi, theta1_, phi1, &B, g);
    ad_tape_free(t);
    for (int i = 0; i < (twins ? 2 : 1) * N_Q; i++) g[i] = -g[i];
    return L;
}

static double trained_J(bool twins, double *g)
{
    const policy p = mu_of(0);
    const network Q = critic_Q_of_box(&p);
    const minibatch B = batch_of();
    const ddpg_config d = { .gamma = GAMMA };
    ad_tape *t = ad_tape_new();
    double J = twins ? td3_actor_gradient(t, &p, &Q, theta_, phi_, &B, g)
                     : ddpg_actor_gradient(t, &d, &p, &Q, theta_, phi_, &B, g);
    ad_tape_free(t);
    return J;
}

/* With phi = 0 the critic says 0, and grad L in b_2 of a batch of one is -2 y: the y that training uses */
static double trained_y(bool twins, int t)
{
    const policy p = mu_of(0);
    const network Q = critic_Q_of_box(&p);
    minibatch B = batch_of();
    const ddpg_config d = { .gamma = GAMMA };
    const td3_config c = { .gamma = GAMMA, .twins = twins };
    double zero[2 * N_Q] = { 0 }, g[2 * N_Q];
    ad_tape *tape = ad_tape_new();
    B.T = 1, B.s += t, B.s1 += t, B.a += t, B.r += t, B.done += t;
    if (twins) td3_critic_gradient(tape, &c, &p, &Q, zero, theta1_, phi1_, NULL, &B, g);
    else       ddpg_critic_gradient(tape, &d, &p, &Q, zero, theta1_, phi1_, &B, g);
    ad_tape_free(tape);
    return g[N_Q - 1] / 2;
}

/* ---- DDPG-16, DDPG-3, TD3-3: targets ---- */

static int    n_y(const setting *x)        { (void)x; return T; }
static int    n_L(const setting *x)        { (void)x; return 1; }
static int    n_L_and_g(const setting *x)  { (void)x; return 1 + N_Q; }
static int    n_J_and_g(const setting *x)  { (void)x; return 1 + N_MU; }
static int    n_both_g(const setting *x)   { (void)x; return 2 * N_Q; }
/* A rounding of each of T transitions, of (y - Q)^2 < 36 */
static double unit_batch(const setting *x) { (void)x; return 36 * T * DBL_EPSILON; }

/* DDPG-16 */
static double y_by_hand(const setting *x, double *out)    { (void)x; hand_y(phi1_, false, true, out); return 0; }
static double y_unmasked(const setting *x, double *out)   { (void)x; hand_y(phi1_, false, false, out); return 0; }
static double y_trained(const setting *x, double *out)
{
    (void)x;
    for (int t = 0; t < T; t++) out[t] = trained_y(false, t);
    return 0;
}

/* TD3-3 */
static double least_by_hand(const setting *x, double *out)  { (void)x; hand_y(phi1_, true, true, out); return 0; }
static double least_unmasked(const setting *x, double *out) { (void)x; hand_y(phi1_, true, false, out); return 0; }
static double first_by_hand(const setting *x, double *out)  { (void)x; hand_y(phi1_, false, true, out); return 0; }
static double least_trained(const setting *x, double *out)
{
    (void)x;
    for (int t = 0; t < T; t++) out[t] = trained_y(true, t);
    return 0;
}

/* DDPG-3 */
static double L_of(bool masked, double *out)
{
    double y[T], g[N_Q];
    hand_y(phi1_, false, masked, y);
    *out = hand_L(phi_, y, 2, g);
    return 0;
}
static double L_by_hand(const setting *x, double *out)  { (void)x; return L_of(true, out); }
static double L_unmasked(const setting *x, double *out) { (void)x; return L_of(false, out); }
static double L_trained(const setting *x, double *out)
{
    (void)x;
    double g[N_Q];
    *out = trained_L(false, phi_, phi1_, g);
    return 0;
}

/* ---- DDPG-17, DDPG-9, TD3-6, TD3-11: the critic ---- */

/* DDPG-17 */
static double critic_of(double factor, double *out)
{
    double y[T];
    hand_y(phi1_, false, true, y);
    out[0] = hand_L(phi_, y, factor, out + 1);
    return 0;
}
static double critic_by_hand(const setting *x, double *out) { (void)x; return critic_of(2, out); }
static double critic_halved(const setting *x, double *out)  { (void)x; return critic_of(1, out); }
static double critic_trained(const setting *x, double *out)
{
    (void)x;
    out[0] = trained_L(false, phi_, phi1_, out + 1);
    return 0;
}

/* DDPG-9   phi_targ = phi. full: y's gradient, too: (Q - y) (dQ(s,a) - gamma (1-d) dQ(s',mu'(s'))) */
static double semi_of(bool full, double *out)
{
    double y[T], slope[N_Q];
    hand_y(phi_, false, true, y);
    out[0] = hand_L(phi_, y, 2, out + 1);
    for (int t = 0; full && t < T; t++) {
        double off = hand_Q(phi_, s_[t], a_[t], NULL, NULL) - y[t];
        hand_Q(phi_, s1_[t], hand_mu(theta1_, s1_[t], NULL), slope, NULL);
        for (int i = 0; i < N_Q; i++) out[1 + i] -= 2.0 / T * off * GAMMA * (1 - done_[t]) * slope[i];
    }
    return 0;
}
static double semi_by_hand(const setting *x, double *out) { (void)x; return semi_of(false, out); }
static double semi_full(const setting *x, double *out)    { (void)x; return semi_of(true, out); }
static double semi_trained(const setting *x, double *out)
{
    (void)x;
    out[0] = trained_L(false, phi_, phi_, out + 1);
    return 0;
}

/* TD3-6, TD3-11   grad of both losses. own: each twin with a target of its own */
static double twins_of(bool own, double *out)
{
    double y[T];
    for (int k = 0; k < 2; k++) {
        hand_y(own ? phi1_ + k * N_Q : phi1_, !own, true, y);
        hand_L(phi_ + k * N_Q, y, 2, out + k * N_Q);
    }
    return 0;
}
static double twins_by_hand(const setting *x, double *out) { (void)x; return twins_of(false, out); }
static double twins_own(const setting *x, double *out)     { (void)x; return twins_of(true, out); }
static double twins_trained(const setting *x, double *out)
{
    (void)x;
    trained_L(true, phi_, phi1_, out);
    return 0;
}

/* TD3-11   phi less alpha grad L, alpha = .05; and nearer to where the loss is least: 2000 such steps */
#define ALPHA 0.05
static double descended(int steps, double *out)
{
    double y[T], g[2 * N_Q];
    hand_y(phi1_, true, true, y);
    memcpy(out, phi_, sizeof phi_);
    for (int step = 0; step < steps; step++)
        for (int k = 0; k < 2; k++) {
            hand_L(out + k * N_Q, y, 2, g);
            for (int i = 0; i < N_Q; i++) out[k * N_Q + i] -= ALPHA * g[i];
        }
    return 0;
}
static double one_step(const setting *x, double *out) { (void)x; return descended(1, out); }
static double argmin_(const setting *x, double *out)  { (void)x; return descended(2000, out); }
static double step_trained(const setting *x, double *out)
{
    (void)x;
    double g[2 * N_Q];
    trained_L(true, phi_, phi1_, g);
    for (int i = 0; i < 2 * N_Q; i++) out[i] = phi_[i] - ALPHA * g[i];
    return 0;
}

/* ---- DDPG-10, DDPG-18, TD3-7, TD3-12: the policy ---- */

static double J_by_hand(const setting *x, double *J) { (void)x; *J = hand_J(phi_, true, J + 1); return 0; }
static double J_of_B(const setting *x, double *J)    { (void)x; *J = hand_J(phi_ + N_Q, true, J + 1); return 0; }
static double J_at_D(const setting *x, double *J)    { (void)x; *J = hand_J(phi_, false, J + 1); return 0; }
static double J_trained(const setting *x, double *J) { (void)x; *J = trained_J(false, J + 1); return 0; }
static double J_of_td3(const setting *x, double *J)  { (void)x; *J = trained_J(true, J + 1); return 0; }

/* DDPG-10 */
static double without_gradient(line_value J, const setting *x, double *out)
{
    double J_and_g[1 + N_MU], room = J(x, J_and_g);
    *out = *J_and_g;
    return room;
}

static double J_only(const setting *x, double *out)     { return without_gradient(J_by_hand, x, out); }
static double J_only_D(const setting *x, double *out)   { return without_gradient(J_at_D, x, out); }
static double J_only_ad(const setting *x, double *out)  { return without_gradient(J_trained, x, out); }

/* ---- DDPG-13, TD3-10, DDPG-25: actions ---- */

enum { NOISES = 7 };
static const double eps_[NOISES] = { 0, 0.1, -0.3, 0.9, -2, 3, -0.7 };      /* in half widths of [-1.5, .5], of 1 */
static int    n_noises(const setting *x)  { (void)x; return NOISES; }
static double unit_action(const setting *x) { (void)x; return 2 * 4 * DBL_EPSILON; }       /* tanh, a sum, |a| < 4 */

static double mu_at_1(void) { return -0.5 + tanh(hand_mu(theta_, 1, NULL)); }           /* middle and half width */

/* DDPG-13 */
static double noisy(double bound, bool clipped, double *out)
{
    for (int i = 0; i < NOISES; i++) {
        double a = mu_at_1() + fmin(fmax(eps_[i], -bound), bound);
        out[i] = !clipped ? a : a < low_[0] ? low_[0] : a > high_[0] ? high_[0] : a;
    }
    return 0;
}
static double action_clipped(const setting *x, double *out)   { (void)x; return noisy(INFINITY, true, out); }
static double action_unclipped(const setting *x, double *out) { (void)x; return noisy(INFINITY, false, out); }
/* TD3-10   c = .5: clip(eps, -c, c), and no bounds for a */
static double noise_clipped(const setting *x, double *out)    { (void)x; return noisy(0.5, false, out); }

static double explored(void explore(const policy *, const double *, const double *, double *), double *out)
{
    const policy p = mu_of(1);
    actor *mu = actor_new(&p, theta_);
    double a;
    for (int i = 0; i < NOISES; i++) {
        actor_mode(mu, (double[]){ 1 }, &a);
        explore(&p, &a, &eps_[i], &out[i]);
    }
    actor_free(mu);
    return 0;
}
static double explored_ddpg(const setting *x, double *out) { (void)x; return explored(ddpg_explore, out); }
static double explored_td3(const setting *x, double *out)  { (void)x; return explored(td3_explore, out); }

/* DDPG-25   columns of mu where actions have 3 numbers */
static double columns(const setting *x, double *out)
{
    (void)x;
    const double unbounded[3] = { -INFINITY, -INFINITY, -INFINITY };
    const env e = { .action = { .dim = 3, .low = unbounded, .high = unbounded }, .observation = { .dim = 2 } };
    const policy p = deterministic_policy_of(&e, 1, (int[]){ 4 }, AD_TANH);
    double *theta = allocate((size_t)p.n, sizeof *theta, "theta"), s[2] = { 1, 2 };
    ad_tape *t = ad_tape_new();
    *out = ad_ncols(policy_action(t, &p, ad_input(t, theta, p.n, 1), ad_input(t, s, 1, 2)));
    ad_tape_free(t);
    free(theta);
    return 0;
}

/* ---- TD3-8: when the policy is due ---- */

enum { DELAYS = 4, UPDATES = 12 };
static int    n_delays(const setting *x)   { (void)x; return DELAYS; }
static double unit_count(const setting *x) { (void)x; return DBL_EPSILON; }

static double divided(const setting *x, double *out)
{
    (void)x;
    for (int d = 1; d <= DELAYS; d++) out[d - 1] = UPDATES / d;
    return 0;
}
static double counted_due(const setting *x, double *out)
{
    (void)x;
    for (int d = 1; d <= DELAYS; d++) out[d - 1] = 0;
    for (int d = 1; d <= DELAYS; d++)
        for (int t = 1; t <= UPDATES; t++) out[d - 1] += td3_due(t, d);
    return 0;
}
static double counted_literally(const setting *x, double *out)
{
    (void)x;
    for (int d = 1; d <= DELAYS; d++) out[d - 1] = 0;
    for (int d = 1; d <= DELAYS; d++)
        for (int t = 1; t <= UPDATES; t++) out[d - 1] += (t % d) != 0;
    return 0;
}

/* ---- TD3-16: what is left without the three changes ---- */

enum { RUN_STEPS = 200 };
static int    n_theta(const setting *x)    { (void)x; return N_MU; }
static double unit_none(const setting *x)  { (void)x; return DBL_TRUE_MIN; }

static env *regulator(void)
{
    char error[256];
    env *e = env_make("lqr", 20, error, sizeof error);
    require(e, "%s", error);
    return e;
}

static double run_ddpg(const setting *x, double *out)
{
    env *e = regulator();
    ddpg_config c = ddpg_defaults;
    c.start_steps = 20, c.batch = 8, c.hidden = (widths){ 1, { 2 } };
    run *r = run_new("ddpg", e, x->seed, RUN_STEPS);
    ddpg(r, &c);
    memcpy(out, r->theta, N_MU * sizeof *out);
    run_free(r);
    env_free(e);
    return 0;
}

/* TD3-16   without smoothing and delay */
static double run_td3(uint64_t seed, int twins, double *out)
{
    env *e = regulator();
    td3_config c = td3_defaults;
    c.start_steps = 20, c.batch = 8, c.hidden = (widths){ 1, { 2 } };
    c.twins = twins, c.sigma_targ = 0, c.delay = 1;
    run *r = run_new("td3", e, seed, RUN_STEPS);
    td3(r, &c);
    memcpy(out, r->theta, N_MU * sizeof *out);
    run_free(r);
    env_free(e);
    return 0;
}
static double run_without(const setting *x, double *out) { return run_td3(x->seed, 0, out); }
static double run_twins(const setting *x, double *out)   { return run_td3(x->seed, 1, out); }

#define FOUR "four transitions, one of them the last; mu and Q with a hidden layer of two units; gamma = .9"

const derivation deterministic_update[] = {
    { "DDPG-16", "the target: y = r where s' is the end", "y of each", n_y, unit_batch, NULL, NULL, {
        { "y=r+\\gamma(1-d)Q_{\\phi_{targ}}(s',\\mu_{\\theta_{targ}}(s'))",
          "by hand; d = 1 in the third", y_by_hand },
        { "=-\\tfrac12\\,\\partial L/\\partial b\\ \\text{at}\\ Q=0",
          "the training code's: a critic that says 0 is"
          " moved by 2 y", y_trained },
        { "y=r+\\gamma Q_{\\phi_{targ}}(s',\\mu_{\\theta_{targ}}(s'))",
          "004 (l.564) leaves (1-d) out, and has it in its box (l.625)", y_unmasked, DIFFERS, "ERR-67" } }, FOUR },
    { "DDPG-3", "the critic's loss, from transitions that any policy made", "L", n_L, unit_batch, NULL, NULL, {
        { "\\frac1{|B|}\\sum_B(r+\\gamma(1-d)q_{w'}(s',\\pi_{\\theta'}(s'))-q_w(s,a))^2", "by hand", L_by_hand },
        { "=L(w)", "the training code's", L_trained },
        { "\\frac1{|B|}\\sum_B(r+\\gamma q_{w'}(s',\\pi_{\\theta'}(s'))-q_w(s,a))^2",
          "004 (l.564): nothing ends", L_unmasked, DIFFERS, "ERR-67" } }, FOUR },
    { "DDPG-17", "the critic's gradient, with its 2", "L; dL/dphi", n_L_and_g, unit_batch, NULL, NULL, {
        { "\\frac2{|B|}\\sum_B(Q_\\phi(s,a)-y)\\nabla_\\phi Q_\\phi(s,a)", "by hand", critic_by_hand },
        { "=\\nabla_\\phi\\frac1{|B|}\\sum_B(Q_\\phi(s,a)-y)^2", "the training code's", critic_trained },
        { "\\frac1{|B|}\\sum_B(Q_\\phi-y)\\nabla_\\phi Q_\\phi", "the control: without the 2", critic_halved,
          DIFFERS } }, FOUR },
    { "DDPG-9", "a semi-gradient: the target is a constant, also where it is made by the same Q", "L; dL/dw",
      n_L_and_g, unit_batch, NULL, NULL, {
        { "\\frac2{|B|}\\sum_B(q_w(s,a)-y)\\nabla_wq_w(s,a),\\quad w'=w", "by hand", semi_by_hand },
        { "=\\nabla_wJ(w)\\ \\text{with}\\ y\\ \\text{held}", "the training code's", semi_trained },
        { "\\frac2{|B|}\\sum_B(q_w(s,a)-y)[\\nabla_wq_w(s,a)-\\gamma(1-d)\\nabla_wq_w(s',\\pi_{\\theta'}(s'))]",
          "the control: y differentiated, too, the residual gradient (ERR-15)", semi_full, DIFFERS } },
      FOUR },
    { "DDPG-10", "the policy's objective: Q of the policy's own action, over the states in D", "J",
      n_L, unit_batch,
      NULL, NULL, {
        { "\\frac1{|B|}\\sum_Bq_w(s,\\pi_\\theta(s))", "by hand", J_only },
        { "=J(\\theta)", "the training code's", J_only_ad },
        { "\\frac1{|B|}\\sum_Bq_w(s,a)", "the control: of the actions in D, no function of theta", J_only_D,
          DIFFERS } }, FOUR },
    { "DDPG-18", "the policy's gradient goes through Q, which stays", "J; dJ/dtheta", n_J_and_g, unit_batch, NULL,
      NULL, {
        { "\\frac1{|B|}\\sum_B\\nabla_aQ_\\phi(s,a)|_{a=\\mu_\\theta(s)}\\nabla_\\theta\\mu_\\theta(s)",
          "by hand, the chain rule", J_by_hand },
        { "=\\nabla_\\theta\\frac1{|B|}\\sum_BQ_\\phi(s,\\mu_\\theta(s))",
          "the training code's: phi is a constant of it,"
          " and no gradient in phi is made", J_trained },
        { "\\nabla_aQ_\\phi(s,a)\\ \\text{at the}\\ a\\ \\text{of}\\ D", "the control: at another action", J_at_D,
          DIFFERS } }, FOUR },
    { "DDPG-13", "an action with noise stays in the box", "a", n_noises, unit_action, NULL, NULL, {
        { "\\mathrm{clip}(\\mu_\\theta(s)+\\varepsilon,a_{Low},a_{High})", "by hand", action_clipped },
        { "=a",
          "the training code's. 004 has e and epsilon from a law it does not name (Spinning Up: Gaussian), 002"
          " and the paper an Ornstein-Uhlenbeck process (ERR-69, DDPG-14)", explored_ddpg },
        { "\\mu_\\theta(s)+\\varepsilon", "004 (l.602), the control: out of the box",
          action_unclipped, DIFFERS } },
      "the box [-1.5, .5]; noises from -2 to 3 half widths" },
    { "DDPG-25", "the policy network has one output for each dimension of the action", "outputs",
      count_one, unit_count,
      NULL, NULL, {
        { "\\mathcal A=[a_{low},a_{high}]^3", "a box of three numbers", .is = { 3 } },
        { "=\\text{columns of}\\ \\mu_\\theta(s)", "the training code's", columns },
        { "1", "004 (l.575): \"only one output\"", NULL, DIFFERS, "ERR-72", .is = { 1 } } },
      "actions of three numbers" },
    { "TD3-3", "the target from the lesser of two critics", "y of each", n_y, unit_batch, NULL, NULL, {
        { "y=r+\\gamma(1-d)\\min\\{Q_{w'_A}(s',a'),Q_{w'_B}(s',a')\\}", "by hand, no smoothing", least_by_hand },
        { "=-\\tfrac12\\,\\partial L/\\partial b\\ \\text{at}\\ Q=0", "the training code's", least_trained },
        { "y=r+\\gamma\\min\\{Q_{w'_A}(s',a'),Q_{w'_B}(s',a')\\}",
          "004 (l.685, l.711): nothing ends", least_unmasked,
          DIFFERS, "ERR-67" },
        { "y=r+\\gamma(1-d)Q_{w'_A}(s',a')",
          "the control: DDPG's. What the minimum does to the mean of noisy values"
          " is TD3-2's", first_by_hand, DIFFERS } }, FOUR },
    { "TD3-6", "both critics are fitted to the same y", "dL/dw_A, dL/dw_B", n_both_g, unit_batch, NULL, NULL, {
        { "\\nabla_{w_k}\\frac1{|B|}\\sum_B(y-Q_{w_k}(s,a))^2,\\quad k=A,B",
          "by hand, y the lesser's", twins_by_hand },
        { "=\\nabla(L_A+L_B)", "the training code's: each is in one of the sums only", twins_trained },
        { "y_k=r+\\gamma(1-d)Q_{w'_k}(s',a')", "the control: each twin with a target of its own", twins_own,
          DIFFERS } }, FOUR },
    { "TD3-11", "a step along the gradient, not the minimum", "w_A, w_B after it", n_both_g,
      unit_batch, NULL, NULL, {
        { "w_k-\\alpha\\frac2N\\sum_i(Q_{w_k}(s_i,a_i)-y_i)\\nabla Q_{w_k}(s_i,a_i)",
          "by hand, alpha = .05", one_step },
        { "=w_k-\\alpha\\nabla_{w_k}L", "the training code's gradient", step_trained },
        { "\\mathrm{argmin}_w\\frac1N\\sum_i(y_i-Q_w(s_i,a_i))^2",
          "004 (l.713), read as it stands: 2000 such steps;"
          " the control", argmin_, DIFFERS } }, FOUR },
    { "TD3-7", "the policy climbs the first critic alone", "J; dJ/dtheta", n_J_and_g, unit_batch, NULL, NULL, {
        { "\\frac1{|B|}\\sum_B\\nabla_aq_{w_A}(s,\\pi_\\theta(s))\\nabla_\\theta\\pi_\\theta(s)",
          "by hand", J_by_hand },
        { "=\\nabla_\\theta J(\\theta)", "DDPG's training code: as DDPG-18", J_trained },
        { "=\\nabla_\\theta J(\\theta)", "TD3's, which holds both critics", J_of_td3 },
        { "\\nabla_aq_{w_B}\\nabla_\\theta\\pi_\\theta", "the control: along the second", J_of_B,
          DIFFERS } }, FOUR },
    { "TD3-12", "the policy's gradient on a minibatch", "J; dJ/dtheta", n_J_and_g, unit_batch, NULL, NULL, {
        { "\\frac1N\\sum_i\\nabla_aq_{w_A}(s_i,\\pi_\\theta(s_i))\\nabla_\\theta\\pi_\\theta(s_i)", "by hand",
          J_by_hand },
        { "=\\nabla_\\theta J(\\theta)", "the training code's", J_of_td3 },
        { "\\nabla_aq_{w_A}(s_i,a_i)\\nabla_\\theta\\pi_\\theta(s_i)", "the control: at the actions in R", J_at_D,
          DIFFERS } }, FOUR },
    { "TD3-10", "the noise that explores is not the target's", "a", n_noises, unit_action, NULL, NULL, {
        { "\\mathrm{clip}(\\pi_\\theta(s)+\\epsilon,a_{low},a_{high})", "by hand", action_clipped },
        { "=a", "the training code's", explored_td3 },
        { "\\pi_\\theta(s)+\\mathrm{clip}(\\epsilon,-c,c)",
          "004 (l.705) clips the noise, as for a', and not the action;"
          " c = .5", noise_clipped, DIFFERS, "ERR-77" } },
      "the box [-1.5, .5]; noises from -2 to 3 half widths" },
    { "TD3-8", "every d-th update of the critics is one of the policy", "updates of the policy in t = 1 .. 12",
      n_delays, unit_count, NULL, NULL, {
        { "\\lfloor T/d\\rfloor", "T = 12", divided },
        { "=\\#\\{t:t\\bmod d=0\\}", "the training code's. The policy's step comes before the targets': the paper's"
          " order, which moves theta' by kappa alpha grad J (ERR-86)", counted_due },
        { "\\#\\{t:t\\bmod d\\}", "004 (l.714) and the paper: \"if t mod d\" is true where it is not 0",
          counted_literally, DIFFERS, "ERR-75" } }, "d = 1, 2, 3, 4" },
    { "TD3-16", "TD3 without its three changes is DDPG, bit for bit", "theta after 200 steps", n_theta, unit_none,
      NULL, NULL, {
        { "\\theta^{DDPG}", "ddpg.c on the scalar regulator, from one seed", run_ddpg },
        { "=\\theta^{TD3}:\\ \\text{one critic},\\ \\sigma=0,\\ d=1",
          "td3.c: not one bit is another", run_without },
        { "\\theta^{TD3}:\\ \\text{twins}", "the control: with the second critic", run_twins, DIFFERS } },
      "200 steps of the scalar regulator" },
    { .id = NULL }
};
