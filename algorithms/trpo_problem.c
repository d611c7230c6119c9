/* The problem of TRPO, and of NPG to second order (002, l.255-271; 004, l.404-435; 001, l.500-536): of all policies
 * near the one that drew the batch, which has the greatest surrogate objective?
 *
 *     maximise    L(theta')  = E_t[ pi_theta'(a_t|s_t) / pi_theta(a_t|s_t) A_t ]
 *     subject to  KL(theta') = E_t[ KL(pi_theta(.|s_t) || pi_theta'(.|s_t)) ] <= delta      or max_t KL
 *
 * Critical: KL(old||new), old held constant: frozen, since a line search runs the graph again at theta'. */
#include "algorithms/trpo_problem.h"

/*[snip trpo-surrogate later]*/
/* PPO-1   ratio_t = pi(a_t|s_t) / pi_old(a_t|s_t) */
ad trpo_ratio(ad logp, ad logp_old)
{
    /* BEGIN SOLUTION PPO-1 */
    return ad_exp(ad_sub(logp, logp_old));
    /* END SOLUTION */
}

/* TRPO-10, TRPO-13   L = sum_t w_t ratio_t A_t */
ad trpo_surrogate(ad ratio, ad A, ad w)
{
    /* BEGIN SOLUTION TRPO-10 */
    return ad_dot(w, ad_mul(ratio, A));
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip trpo-kl later]*/
/* TRPO-9   sum_t w_t KL(pi_old(.|s_t) || pi(.|s_t)) */
ad trpo_mean_kl(ad kl, ad w)
{
    /* BEGIN SOLUTION TRPO-9 */
    return ad_dot(w, kl);
    /* END SOLUTION */
}

/* TRPO-8   max_t KL(pi_old(.|s_t) || pi(.|s_t)) */
ad trpo_max_kl(ad kl)
{
    /* BEGIN SOLUTION TRPO-8 */
    return ad_row_max(ad_transpose(kl));
    /* END SOLUTION */
}
/*[/snip]*/

/*[snip trpo-problem later]*/
/* TRPO-10, TRPO-12, TRPO-27   L(theta') - L(theta) and KL(pi_theta || pi_theta'), as functions of theta' */
trpo_problem trpo_problem_of(ad_tape *t, int constraint, const policy *p, const double *theta, const rollout *b,
                             const double *A, const double *w)
{
    /* BEGIN SOLUTION TRPO-10,TRPO-9 */
    ad x     = ad_input(t, theta, p->n, 1), s = ad_input(t, b->s, b->T, b->d);
    ad each  = w ? ad_input(t, w, b->T, 1) : ad_constant(t, 1.0 / b->T, b->T, 1);      /* w_t [T x 1] */
    ad z     = policy_parameters(p, x, s);                                      /* [T x m] */
    ad logp  = policy_logp_of(t, p, z, b->a, b->index);                         /* [T x 1] */
    ad ratio = trpo_ratio(logp, ad_freeze(logp));
    ad L     = trpo_surrogate(ad_shift(ratio, -1), ad_input(t, A, b->T, 1), each);
    ad kl    = policy_kl(p, ad_freeze(z), z);                                   /* [T x 1] */
    return (trpo_problem){ x, L, constraint == TRPO_MAX ? trpo_max_kl(kl) : trpo_mean_kl(kl, each) };
    /* END SOLUTION */
}
/*[/snip]*/
