/* What the surrogate is made of: sums of pi's advantages over pi's visits, for actions of another policy pi~
 * [nS x nA], in expectation, over time and over draws, and their gradients. */
#ifndef ASCENT_SURROGATE_SUMS_H
#define ASCENT_SURROGATE_SUMS_H

#include "derivations/derivation.h"

/* Sums over rho, at most k in all, of advantages that are right to two units of V */
double      surrogate_unit(const setting *x);
/* NULL, or why there is no ratio pi'/pi; no difference theta' - theta, either */
const char *surrogate_no_ratio(const setting *x);
const char *surrogate_not_comparable(const setting *x);

double state_gain(const exact *pi, const double *pi_new, int s);            /* sum_a pi~(a|s) A_pi(s,a) */
/* E_{a ~ beta}[ pi~(a|s)/beta(a|s) A_pi(s,a) ] */
double reweighted(const exact *pi, const double *pi_new, const double *beta, int s);
double visited_gain(const exact *pi, const double *pi_new);     /* sum_s rho_pi(s) sum_a pi~(a|s) A_pi(s,a) */
/* The same by sum_t gamma^t E_{s_t ~ pi}[ E_{a_t ~ pi}[ ratio A ] ]; -1 where there are too many states, else 0 */
double gain_over_time(const exact *pi, const double *pi_new, double *out);

/* A^-(theta~) = sum_s rho_pi(s) sum_a pi_theta~(a|s) A_pi(s,a), its value and its gradient g [n], by reverse
 * mode */
ad     gain_node(ad_tape *t, const exact *pi, ad theta);
double gain_at(const exact *pi, const double *theta);
void   gain_gradient(const exact *pi, const double *theta, double *g);
/* The gradient as sum_s rho_pi(s) sum_a pi(a|s) pi~/pi grad log pi~(a|s) A_pi(s,a), scores of pi~ in closed form */
void   score_form(const exact *pi, const exact *pi_new, double *g);

/* d = (1-gamma) rho summed over time [nS], to be freed: Pr(s_T = s) for T of chance (1-gamma) gamma^T,
 * without what has ended, where A = 0; NULL where there are too many states */
double *distribution(const exact *pi);

/* DRAWS draws of an i of probability p [n] (the rest of 1 is nothing), at equal distances: how often each
 * came up, as a part of all. So a mean of f over the draws is at most sum |f| / DRAWS from its expectation. */
enum { DRAWS = 1000000 };
void drawn(int n, const double *p, double *part);

#endif
