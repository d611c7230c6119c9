/* PGT-8: g = sum_t gamma^t Psi_t grad log pi(a_t|s_t), with six choices of Psi that have one mean (002, images
 * A3C3-A3C5; Schulman et al. 2016, eq 1). Their sums over time have no discount there. With one, a reward of time k
 * counts gamma^k wherever it appears, so each function below writes the weight of a score,
 *
 *     w[t] = gamma^t Psi_t        [T]
 *
 * Values are those along the trajectory: Q[t] = Q(s_t,a_t), A[t] = A(s_t,a_t), b[t] = b(s_t) [T]; V[t] = V(s_t)
 * [T+1], where V[T] is what the rest is worth: 0 where the episode, or a finite horizon, ends. */
#ifndef ASCENT_PSI_H
#define ASCENT_PSI_H

#include "autodiff/ad.h"

void psi_total_return(int T, const double *r, double gamma, double *w);                     /* PGT-9  */
void psi_reward_to_go(int T, const double *r, double gamma, double *w);                     /* PGT-10 */
void psi_baseline(int T, const double *r, const double *b, double gamma, double *w);        /* PGT-11 */
void psi_action_value(int T, const double *Q, double gamma, double *w);                     /* PGT-12 */
void psi_advantage(int T, const double *A, double gamma, double *w);                        /* PGT-13 */
void psi_td_residual(int T, const double *r, const double *V, double gamma, double *w);     /* PGT-14 */

/* PGT-8: sum_t w[t] log pi_theta(a_t|s_t), whose gradient in theta is g: the weights are held constant.
 * logp, w [T x 1] -> scalar */
ad psi_objective(ad logp, ad w);

#endif
