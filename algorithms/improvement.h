/* What cpi, trpo_mm and dual_gradient have in common: they take everything exact about a policy, as tables, and give
 * back a better one. Nobody acts and nothing is estimated, so `ascent improve` runs them on a finite MDP. */
#ifndef ASCENT_IMPROVEMENT_H
#define ASCENT_IMPROVEMENT_H

#include <stdio.h>

typedef struct {
    int nS, nA;
    double gamma;
    double J;               /* eta(pi) */
    double R;               /* greatest minus least reward */
    double rounding;        /* a gain of no more than this is an error of the tables */
    const double *pi, *A;   /* [nS x nA] pi(a|s), A_pi(s,a) */
    const double *rho;      /* [nS] sum_t gamma^t Pr(s_t = s | pi); 0 in absorbing zero-reward states, where A is 0 */
} exact_table;

enum improvement_outcome {
    IMPROVED,
    IMPROVEMENT_OPTIMAL,    /* no action is better by more than the tolerance */
    IMPROVEMENT_STALLED,    /* one is, but no step towards it raises what is maximised */
    IMPROVEMENT_UNSETTLED   /* an inner iteration came to its last step; unless IMPROVED the policy is the old one */
};
const char *improvement_outcome_name(enum improvement_outcome o);

typedef struct {
    enum improvement_outcome outcome;
    double L;               /* L_pi(pi_new) */
    double bound;           /* promised: eta(pi_new) is at least this, and this at least eta(pi). NaN: nothing is */
    double kl_limit;        /* promised: mean KL(new||old) is at most this; 0: nothing is */
    double step;            /* alpha, delta or lambda: the algorithm says which */
    int steps;              /* of an inner iteration */
} improvement;

/* PDI-9   L_pi(pi1) - eta(pi) = sum_s rho(s) sum_a pi1(a|s) A_pi(s,a);   pi1 [nS x nA] */
double surrogate_gain(const exact_table *x, const double *pi1);
/* Its maximum over all policies, sum_s rho(s) max_a A(s,a) */
double surrogate_gain_most(const exact_table *x);
/* pi1 <- pi bit for bit, and the outcome that says why */
improvement improvement_none(const exact_table *x, enum improvement_outcome why, double *pi1);

/* The table of the explanations: two states, three actions, gamma = 1/2. It is that of the MDP in which every action
 * leads to either state with probability 1/2, r(s,a) = A(s,a) + 1/2, and an episode begins in 0 with probability
 * 3/4: V = 1, and J(pi') = L(pi') for every pi'. */
extern const exact_table improvement_example;
/* pi, A, pi1 and name's own number of each state; x [nS] or NULL */
void improvement_print(FILE *out, const exact_table *t, const double *pi1, const char *name, const double *x);

#endif
