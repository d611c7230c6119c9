#include "algorithms/ppo_penalty.h"

/* PPO-20   L_KLPEN(theta) = E_t[ r_t A_t - beta KL[pi_old(.|s_t), pi_theta(.|s_t)] ] */
ad ppo_L_KLPEN(ad ratio, ad A, ad kl, double beta)
{
    /* BEGIN SOLUTION PPO-20 */
    return ad_mean(ad_sub(ad_mul(ratio, A), ad_scale(beta, kl)));
    /* END SOLUTION */
}

/* PPO-22   d < delta/1.5: beta <- beta / 2;   d > 1.5 delta: beta <- 2 beta;   else unchanged */
double ppo_beta_of_target(double beta, double d, double delta_kl)
{
    /* BEGIN SOLUTION PPO-22 */
    return ppo_beta_of_bounds(beta, d, delta_kl / 1.5, 1.5 * delta_kl, 2);
    /* END SOLUTION */
}

/* PPO-23   d < KL_min: decrease beta;   d > KL_max: increase beta */
double ppo_beta_of_bounds(double beta, double d, double KL_min, double KL_max, double factor)
{
    /* BEGIN SOLUTION PPO-23 */
    if (d < KL_min) return beta / factor;
    if (d > KL_max) return beta * factor;
    return beta;
    /* END SOLUTION */
}
