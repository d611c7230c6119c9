/* PPO with a penalty on the KL, adapted: see ppo_penalty.c. */
#ifndef ASCENT_PPO_PENALTY_H
#define ASCENT_PPO_PENALTY_H

#include "algorithms/algorithm.h"

/* PPO-20   E_t[ r_t A_t - beta KL_t ]: ratio, A, kl [T x 1] -> scalar. PPO-21 is the same with KL(new||old) as kl. */
ad     ppo_L_KLPEN(ad ratio, ad A, ad kl, double beta);
/* PPO-22   beta after an update that left the mean KL at d: halved below delta_kl / 1.5, doubled above 1.5 delta_kl */
double ppo_beta_of_target(double beta, double d, double delta_kl);
/* PPO-23   beta / factor below KL_min, beta * factor above KL_max */
double ppo_beta_of_bounds(double beta, double d, double KL_min, double KL_max, double factor);

#endif
