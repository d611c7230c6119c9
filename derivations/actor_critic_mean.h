/* What the steps of the on-line actor-critics are in the mean, on E5 from theta(s,a) = cos(s+2a). */
#ifndef ASCENT_ACTOR_CRITIC_MEAN_H
#define ASCENT_ACTOR_CRITIC_MEAN_H

/* X29, ERR-12: E[Q_w grad log pi] beside grad J, Q_w = .7 Q + .3 sin(7s+4a): cosine, |difference| / |grad J| */
void actor_critic_wrong_critic(double *cosine, double *relative);
/* X4, ERR-13: |E[delta grad log pi]| with the TD error of Q^pi, of V^pi, and |grad J| */
void actor_critic_td_errors(double *of_Q, double *of_V, double *grad_J);
/* The trace of the covariance of theta's step over s ~ (1-gamma) rho, a ~ pi, with exact critics and c added to
 * every value: with the weight Q, with Q - V */
void actor_critic_spread(double c, double *with_Q, double *with_A);
/* X75, ERR-14: the gradient [2] in the logits of -sum_i y_i log p_i, p = (.7, .3); y one-hot of action 0, or p */
void actor_critic_cross_entropy(double *one_hot, double *y_is_p);

#endif
