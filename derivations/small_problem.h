/* What derivations over the small problem of enumerate.h have in common: its sizes, units and page. */
#ifndef ASCENT_SMALL_PROBLEM_H
#define ASCENT_SMALL_PROBLEM_H

#include "derivations/derivation.h"
#include "derivations/enumerate.h"
#include "derivations/value_table.h"

finite_horizon *small_new(const setting *x);                    /* finite_small, where it exists */
const char     *small_not_applicable(const setting *x);
int             small_n(const setting *x);                      /* numbers of a gradient; */
int             small_n_and_trace(const setting *x);            /* and the trace of a covariance behind it */
double          small_unit(const setting *x);                   /* finite_unit_gradient, */
double          small_unit_of_V(const setting *x);              /* with scores of at most 1, */
void            small_measure(const setting *x, int n, double *m);      /* of gradients and traces: H W c of these */
double          small_room(const finite_horizon *f, double c);  /* what a defect of P adds to either, so measured */
double         *small_visits(const finite_horizon *f);  /* [H+1 x nS] Pr(s_t = s), forward in time, to be freed; what
                                                           has ended is in the row where it ended only */
double          small_gradient(const setting *x, double *g);    /* a line: grad J_H by PGT-3, unrolled in time */
void            small_page(const setting *x, FILE *out);

/* Of all trajectories of f: the mean [n] of g and, behind it, the trace of its covariance; of a named estimator */
void            small_moments(const finite_horizon *f, estimator g, void *context, int n, double *mean_and_trace);
void            small_estimator(const finite_horizon *f, const char *name, double *mean_and_trace);
void            small_estimator_with(const finite_horizon *f, const char *name, const value_table *critic, int n,
                                     double lambda, double *mean_and_trace);
/* The same for sum_t w_t grad log pi(a_t|s_t) by hand: scores in closed form, and weights [T] by their definition. */
typedef void (*small_weights)(const finite_horizon *f, const traj *tau, double *w);
void            small_by_hand(const finite_horizon *f, small_weights weights, double *mean_and_trace);
double         *small_scores(const finite_horizon *f);          /* [nS nA x n] grad log pi(a|s), to be freed */
double          small_G(const finite_horizon *f, const traj *tau, int t);   /* sum_{k>=t} gamma^{k-t} r_k */

/* Lines about the steps of trajectories: T numbers each, of up to SMALL_LOOKED_AT of them, evenly spread */
enum { SMALL_LOOKED_AT = 64 };
typedef void (*small_about_steps)(const finite_horizon *f, const traj *tau, double *out);
int             small_n_steps(const setting *x);
double          small_steps(const setting *x, small_about_steps about, double *out);    /* a line: 0 */

/* A problem of a derivation's own: takes over M; a tabular policy, or,
 * with X [nS x d], one linear in these features */
typedef struct { policy_class *states; mdp *M; finite_horizon *f; } own_problem;
own_problem     own_problem_new(mdp *M, double gamma, int d, const double *X, const double *theta, int H);
void            own_problem_free(own_problem *p);
own_problem     own_problem_X3(int H);                          /* pi = (.7, .3; .4, .6), gamma .9 */

/* A ratio e^{log pi - log pi'} is right to u times the sizes of both: the largest mean of these in a state, 1 added,
 * over the actions of `under`, to which the ratios lead: E_{pi'}[pi/pi' ...] = E_pi[...] */
double small_size_of_logs(const setting *x, const exact *under);

#endif
