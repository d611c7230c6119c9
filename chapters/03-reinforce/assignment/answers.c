/* Asks the student's functions: compiled once, linked with the student's objects, run inside the sandbox. */
#include <string.h>

#include "algorithms/reinforce.h"
#include "algorithms/returns.h"
#include "algorithms/vpg.h"
#include "autodiff/require.h"
#include "chapters/03-reinforce/assignment/questions.h"

/* J and its derivative by x [T] */
static void value_and_slope(ad J, ad x, answer *a)
{
    require(ad_nrows(J) == 1 && ad_ncols(J) == 1, "an objective is 1 x 1, this one %d x %d", ad_nrows(J),
            ad_ncols(J));
    a->n = 1 + ad_nrows(x);
    a->x[0] = ad_scalar(J);
    memcpy(a->x + 1, ad_value(ad_grad(J, x)), (size_t)ad_nrows(x) * sizeof *a->x);
}

static void objective(const question *q, answer *a)
{
    ad_tape *t = ad_tape_new();
    ad logp = ad_input(t, q->logp, q->T, 1), w = ad_input(t, q->w, q->T, 1);
    ad V = ad_input(t, q->V, q->T, 1), G = ad_input(t, q->r, q->T, 1);
    bool moves = false;
    switch (q->what) {
    case ASK_VPG_TRAJECTORIES: value_and_slope(vpg_mean_over_trajectories(logp, w, q->segments), logp, a); break;
    case ASK_VPG_STEPS:        value_and_slope(vpg_mean_over_steps(logp, w), logp, a); break;
    case ASK_VPG_V:            value_and_slope(vpg_V_objective(V, G), V, a); break;
    default:                   value_and_slope(reinforce_objective(logp, w), logp, a);
    }
    if (q->what == ASK_OBJECTIVE_IN_W) {
        for (int k = 1; k < a->n; k++) moves |= a->x[k] != 0;
        value_and_slope(reinforce_objective(logp, w), w, a);
        a->x[0] = moves;
    }
    ad_tape_free(t);
}

static policy policy_asked(const question *q)
{
    network f = { .layers = q->hidden ? 2 : 1, .hidden = AD_TANH };
    f.size[0] = q->d;
    f.size[1] = q->hidden ? q->hidden : q->nA;
    f.size[2] = q->nA;
    return (policy){ .f = f, .nA = q->nA, .d = q->d, .k = 1, .n = q->n };
}

static void gradient(const question *q, answer *a)
{
    const policy p = policy_asked(q);
    double w[QUESTION_T];
    rollout *tau = rollout_shaped(q->d, 1, true);
    ad_tape *t = ad_tape_new();
    for (int k = 0, D = 0; k < q->T; k++) {
        rollout_add(tau, q->s + k * q->d, (const double[]){ q->a[k] }, q->r[k]);
        if (k + 1 < q->T && !(D + 1 < q->segments && q->first[D + 1] == k + 1)) continue;
        rollout_end(tau, q->s + k * q->d, true, true, false);
        D++;
    }
    memcpy(w, q->w, sizeof w);
    if (q->what == ASK_UPDATE) reinforce_w_gamma_t(q->T, q->r, q->gamma, q->b, w);
    if (q->what == ASK_GRADIENT || q->what == ASK_UPDATE) reinforce_gradient(t, &p, q->theta, tau, w, a->x);
    else vpg_gradient(t, &p, q->theta, tau, w,
                      q->what == ASK_VPG_GRADIENT_STEPS ? VPG_MEAN_OVER_STEPS : VPG_MEAN_OVER_TRAJECTORIES, a->x);
    a->n = q->n;
    ad_tape_free(t);
    rollout_free(tau);
}

void answer_question(const question *q, answer *a)
{
    for (int i = 0; i < QUESTION_N; i++) a->x[i] = q->beyond;
    a->n = q->T;
    switch (q->what) {
    case ASK_TOTAL:         a->x[0] = returns_total(q->T, q->r, q->gamma); a->n = 1; break;
    case ASK_TO_GO:         returns_to_go(q->T, q->r, q->gamma, a->x); break;
    case ASK_W:             reinforce_w(q->T, q->r, q->gamma, q->b, a->x); break;
    case ASK_W_GAMMA_T:     reinforce_w_gamma_t(q->T, q->r, q->gamma, q->b, a->x); break;
    case ASK_NEXT_B:        a->x[0] = reinforce_next_b(q->b, q->rate, q->T, q->r, q->gamma); a->n = 1; break;
    case ASK_VPG_TOTAL:     vpg_total_return(q->T, q->r, q->gamma, a->x); break;
    case ASK_VPG_TO_GO:     vpg_reward_to_go(q->T, q->r, q->gamma, a->x); break;
    case ASK_VPG_ADVANTAGE: vpg_advantage(q->T, q->r, q->V, q->gamma, a->x); break;
    case ASK_GRADIENT: case ASK_UPDATE:
    case ASK_VPG_GRADIENT: case ASK_VPG_GRADIENT_STEPS: gradient(q, a); break;
    default:            objective(q, a);
    }
}
