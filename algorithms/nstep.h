/* n-step returns (004, l.81-102; 002, l.135; Mnih et al. 2016, arXiv:1602.01783, section 4): rewards as they came,
 * then what a value function says of the rest. Along one segment of a trajectory: r, G [T], V [T] = V(s_t), and
 * V_end, the worth of what follows its last step: V(s_T), or 0 where the episode terminated there. */
#ifndef ASCENT_NSTEP_H
#define ASCENT_NSTEP_H

/* A3C-3, A3C-4, A3C-14   G_t = r_t + gamma G_{t+1}, G_T = V_end: each step looks to the end of the segment, the
 * first T steps ahead, the last 1 */
void nstep_returns(int T, const double *r, double V_end, double gamma, double *G);
/* A3C-3, TDA-9   G_t^(n) = r_t + .. + gamma^{n-1} r_{t+n-1} + gamma^n V(s_{t+n}): n >= 1 steps from each, fewer
 * where the segment ends before */
void nstep_fixed(int T, int n, const double *r, const double *V, double V_end, double gamma, double *G);

#endif
