/* Returns: sums of discounted rewards along one trajectory. r[t] is the reward for a_t, t = 0 .. T-1. */
#ifndef ASCENT_RETURNS_H
#define ASCENT_RETURNS_H

/* R(tau) = sum_{t=0}^{T-1} gamma^t r_t */
double returns_total(int T, const double *r, double gamma);
/* MDP-4: G[t] = sum_{k=t}^{T-1} gamma^{k-t} r_k, G [T]. Nothing is added behind the last reward. */
void   returns_to_go(int T, const double *r, double gamma, double *G);

#endif
