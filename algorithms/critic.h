/* Critics: V_phi(s) or Q_w(s,.) as a network on what an environment shows, of one output or one for each action.
 * What a critic says of the end of a segment is said here once, for everybody (004, l.168; A3C-13):
 *
 *     terminated                      0               nothing can be earned any more
 *     truncated, or cut by the batch  V(s_end)        something can; s_end is what was seen last */
#ifndef ASCENT_CRITIC_H
#define ASCENT_CRITIC_H

#include "algorithms/rollout.h"
#include "autodiff/optimiser.h"

/* V: of p's layers, but one output. Q: one for each of p's actions, which must be discrete. */
network critic_V(const policy *p);
network critic_Q(const policy *p);
/* Q(s,a) of a box: s and a side by side as its input. s [T x d], a [T x k] -> [T x 1] */
network critic_Q_of_box(const policy *p);
ad      critic_Q_sa(const network *Q, ad phi, ad s, ad a);
/* The same beside a policy p that may be batch-normalised. Then s is normalised here, too, but no layer behind it,
 * which a has entered; and phi ends with batch_norm.h's numbers. In order: the length of phi; first parameters;
 * Q(s,a); the running statistics moved by s [T x d], a [T x k] */
int     critic_n(const policy *p, const network *Q);
void    critic_init(const policy *p, const network *Q, gsl_rng *rng, double *phi);
ad      critic_Q_in(enum batch_norm_mode mode, const policy *p, const network *Q, ad phi, ad s, ad a);
void    critic_track(ad_tape *t, const policy *p, const network *Q, int T, const double *s, const double *a,
                     double *phi);

/* y = f(s; phi): s [T x size[0]] -> y [T x outputs] */
void critic_values(ad_tape *t, const network *f, const double *phi, int T, const double *s, double *y);
/* V_t = V_phi(s_t) [T], V_end [segments] as above, for a whole batch */
void critic_bootstrap(ad_tape *t, const network *f, const double *phi, const rollout *b, double *V, double *V_end);
/* PPO-34   phi along the gradient of -mean_t (V_phi(s_t) - R_t)^2: `epochs` times through s [T x d], R [T],
 * each time in another order, a step of Adam for each minibatch of M (of T, if that is less); where M does not
 * divide T the rest is left out. */
void critic_fit(ad_tape *t, const network *f, double *phi, adam *step, int T, const double *s, const double *R,
                long epochs, int M, gsl_rng *rng);

#endif
