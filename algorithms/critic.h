/* Critics: V_phi(s) or Q_w(s,.) as a network on what an environment shows, of one output or one for each action.
 * What a critic says of the end of a segment is said here once, for everybody (004, l.168; A3C-13):
 *
 *     terminated                      0               nothing can be earned any more
 *     truncated, or cut by the batch  V(s_end)        something can; s_end is what was seen last */
#ifndef ASCENT_CRITIC_H
#define ASCENT_CRITIC_H

#include "algorithms/rollout.h"

/* V: of p's layers, but one output. Q: one for each of p's actions, which must be discrete. */
network critic_V(const policy *p);
network critic_Q(const policy *p);

/* y = f(s; phi): s [T x size[0]] -> y [T x outputs] */
void critic_values(ad_tape *t, const network *f, const double *phi, int T, const double *s, double *y);
/* V_t = V_phi(s_t) [T], V_end [segments] as above, for a whole batch */
void critic_bootstrap(ad_tape *t, const network *f, const double *phi, const rollout *b, double *V, double *V_end);

#endif
