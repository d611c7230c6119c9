/* Generalised advantage estimation, GAE(lambda): Schulman et al. (2016), arXiv:1506.02438, eq (16); 002, images
 * PPO1-PPO6. Along one segment of a trajectory: r, A [T], V [T] = V(s_t), and V_end, the worth of what
 * follows its last step: V(s_T), or 0 where the episode terminated there. */
#ifndef ASCENT_GAE_H
#define ASCENT_GAE_H

#include "algorithms/rollout.h"

/* PPO-17   A_t = sum_l (gamma lambda)^l delta_{t+l},   delta_t = r_t + gamma V(s_{t+1}) - V(s_t)
 * lambda = 0: A_t = delta_t (TDA-6)
 * lambda = 1: A_t = sum_l gamma^l r_{t+l} + gamma^{T-t} V_end - V(s_t) (PPO-16) */
void gae_advantages(int T, const double *r, const double *V, double V_end, double gamma, double lambda, double *A);
/* PPO-17 of a batch, segment by segment: A_t, and R_t = A_t + V_t, which V is fitted to. V, A, R [b->T],
 * V_end [b->segments] (critic.h) */
void gae_batch(const rollout *b, const double *V, const double *V_end, double gamma, double lambda, double *A,
               double *R);
/* A <- (A - mean) / (standard deviation + 1e-8), that of a sample; T >= 2 */
void advantages_normalise(int T, double *A);

#endif
