/* MDP-3: a trajectory tau = (s_0, a_0, r_0, s_1, ..., s_{T-1}, a_{T-1}, r_{T-1}, s_T) in a finite MDP. r[t] is
 * paid for a[t], and there is no a_T. It holds what an agent sees, and nothing of the MDP. */
#ifndef ASCENT_TRAJ_H
#define ASCENT_TRAJ_H

#include <stdbool.h>

typedef struct {
    int T;                  /* steps, >= 0 */
    int *s;                 /* [T+1] states; s[T] is the last one seen */
    int *a;                 /* [T] actions */
    double *r;              /* [T] rewards */
    bool terminated;        /* s[T] ends the episode; else it was cut off there (truncated) */
} traj;

#endif
