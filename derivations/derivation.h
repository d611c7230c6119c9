/* A derivation is a chain of lines that are equal (or ordered, where a bound is proved). Each line is its LaTeX,
 * the reason for the step from the line above, and a function that computes its value by its own means; so
 * every line of a proof has a number. `ascent derive ID` prints the chain, `ascent verify` demands that its lines
 * agree. Where a document prints a wrong line, that line stands beside the right ones, and must differ. */
#ifndef ASCENT_DERIVATION_H
#define ASCENT_DERIVATION_H

#include <stdint.h>
#include <stdio.h>

#include "derivations/exact.h"
#include "derivations/natural_gradient.h"

/* Where a derivation is evaluated: a policy pi on an MDP, and another one, pi', for what compares two. */
typedef struct {
    const exact *pi, *pi1;
    uint64_t seed;              /* of the random streams of lines that look at sampled trajectories */
    /* Of pi, for the derivations about F; NULL when pi has more than FISHER_MAX_N parameters: */
    double *F;                  /* [n x n] by fisher_scores */
    fisher_spectrum *spectrum;
    double *g;                  /* [n] by gradient_theorem */
    double *x;                  /* [n] F^+ g by natural_gradient_lapack */
    double x_F;                 /* its F-norm, sqrt(x^T F x) */
} setting;

setting *setting_new(const exact *pi, const exact *pi1, uint64_t seed);     /* pi, pi1 stay the caller's */
void     setting_free(setting *x);                                         /* NULL is fine */

/* Writes the line's n numbers. Returns what it knows of its own error beyond the derivation's 10 units: 0 for
 * exact lines, a bound for differences and iterations; LEFT_OUT where it is too large here. */
typedef double (*line_value)(const setting *x, double *out);
#define LEFT_OUT (-1.0)

/* How a line must stand to the first one, in each of its numbers; .._ABOVE: to the line above it, the last that was
 * computed, is no DIFFERS, and speaks of all numbers. So the rows of a chain of bounds, x >= y >= z, read as the page
 * does, and each of its links is looked at. */
enum relation {
    EQUAL,
    AT_MOST, AT_LEAST,
    DIFFERS,                    /* a document's wrong line (erratum set), or the control of an experiment: one
                                 * that cannot be told from the first line makes the experiment WEAK */
    ABOVE, EQUAL_ABOVE = EQUAL + ABOVE,
    AT_MOST_ABOVE = AT_MOST + ABOVE, AT_LEAST_ABOVE = AT_LEAST + ABOVE,
    DIFFERS_ABOVE = DIFFERS + ABOVE
};
static inline enum relation relation_kind(enum relation r) { return r % ABOVE; }       /* one of the first four */

typedef struct {
    const char *latex, *why;
    line_value value;           /* NULL: its numbers are `is` */
    enum relation relation;
    const char *erratum;        /* "ERR-1": the line as the document prints it; its why names the place */
    int from;                   /* it says nothing of the numbers before this one, which have no part in anything */
    double is[4];               /* a mark that others are held against, or what a document says; none is 0 */
} derivation_line;

enum { DERIVATION_MAX_LINES = 16 };

typedef struct {
    const char *id;
    const char *says;                               /* one line of plain text */
    const char *of;                                 /* what the numbers are */
    int (*n)(const setting *x);                     /* how many numbers each line has */
    double (*unit)(const setting *x);               /* one unit of error, > 0; lines agree within 10 */
    /* NULL, or the reason why nothing can be said here */
    const char *(*not_applicable)(const setting *x);
    /* NULL: the greatest difference. Else a distance of its own between two lines. */
    double (*distance)(const setting *x, int n, const double *a, const double *b);
    derivation_line line[DERIVATION_MAX_LINES];     /* ends at the first without LaTeX */
    const char *own_problem;                        /* NULL, or what it is about instead of an MDP: shown once */
    /* NULL, or what derive prints below the lines where they apply */
    void (*page)(const setting *x, FILE *out);
    /* Some seconds; 0: not at all. verify leaves it to derive when it is more than a second, or when it is asked
     * about MDPs by name. */
    double trains;
    /* One unit of number i is m[i] times `unit`, m [n]: variances beside means. NULL: 1 for all */
    void (*measure)(const setting *x, int n, double *m);
} derivation;

/* What many rows have in common. How many numbers: */
int    count_one(const setting *x);
int    count_two(const setting *x);
int    count_three(const setting *x);
int    count_states(const setting *x);          /* nS */
int    count_pairs(const setting *x);           /* nS nA */
int    count_theta(const setting *x);           /* n */
/* One unit of error, of numbers around 1 and of what the exact layer says of pi: */
double unit_of_one(const setting *x);           /* 4 u */
double unit_of_V(const setting *x);
double unit_of_A(const setting *x);             /* of Q - V: twice that */
double unit_of_gradient(const setting *x);
/* Lines, g [n]: gradient_theorem and gradient_autodiff of pi */
double gradient_by_theorem(const setting *x, double *g);
double gradient_by_autodiff(const setting *x, double *g);
/* natural_gradient_none of pi */
const char *no_natural_gradient(const setting *x);

/* All derivations, one file after the other; NULL ends the list. By id: NULL when there is none. */
const derivation *derivation_at(int i);
const derivation *derivation_find(const char *id);
/* The first derivation behind `after` (NULL: of all, errata_lines last) that holds a line of the erratum; line: its
 * number from 0. */
const derivation *derivation_next_erratum(const char *erratum, const derivation *after, int *line);
extern const derivation bellman[], state_visits[], likelihood_ratio[], equivalent_forms[], baseline[], td_error[],
    policy_gradient_theorem[], performance_difference[], taylor[], fisher[], natural_gradient[], conjugate_gradient[],
    autodiff_uses[], stochastic_policy[], reinforce_mean[], missing_gamma[], vpg_mean[], optimiser_steps[],
    learning[], max_entropy[], product_of_ratios[], samples_again[],
    not_clipped_away[], actor_critic_mean[], actor_critic_learning[], a2c_mean[], nstep_return[], gae[],
    compatible[], a2c_against_a3c[], asynchrony[], asynchrony_measured[], asynchronous_q[], value_learning[],
    data_reuse[], kl_penalty[], ppo_objectives[], importance_sampling[], importance_apart[], importance_moved[],
    trajectory_product[], coupling[], distribution_shift[], shifted_expectation[], kl_bounds[], bounded_objective[],
    guaranteed_step[], improvement_bound[], bounds_in_practice[], ppo_iterations[], single_path_lines[],
    trust_region_learning[], surrogate[], surrogate_actions[], surrogate_gradients[], monotone[], kl_constraint[],
    penalty_measured[], parallel_gradient[], vine_estimators[], trust_region[],
    natural_step_lines[], line_search[], ppo_learning[], step_size_lines[], deterministic_update[], slow_targets[],
    ou_process[], replay_drawn[], overestimation[], deterministic_pg[], deterministic_actor[], lqr_mean_updates[],
    batch_norm_learning[], off_policy_learning[], off_policy_grids[], off_policy_bias[];
/* Errata that stand in none of these: each has the id of the row that it is about, which may have one of its own
 * above. They are found by their erratum only. */
extern const derivation errata_lines[];

/* PASS: every line agrees with the one it is held against within 10 units and their own errors. WEAK: they do, but
 * so much error is allowed, more than 1e-6 of the quantity, that this says nothing. An erratum's line has no part
 * in the verdict: on some MDPs it happens to be right (`differs` says so). */
enum verdict { PASS, FAIL, WEAK, NOT_APPLICABLE };
const char *verdict_name(enum verdict v);

typedef struct {
    int lines, n;
    double *value;                          /* [lines x n], owned */
    bool computed[DERIVATION_MAX_LINES];    /* false: left out */
    int first;                              /* the first computed line: the one the others must equal */
    int against[DERIVATION_MAX_LINES];      /* the line that each is held against: the first, or the one above */
    int from[DERIVATION_MAX_LINES];         /* the first number that each speaks of, */
    int common;                             /* and how many numbers, the first ones, all lines speak of */
    double unit;                            /* one unit, absolute or in the derivation's distance */
    double *measure;                        /* [n], behind them: one unit of number i is measure[i] * unit */
    double units[DERIVATION_MAX_LINES];     /* error of each line against that, in units, */
    double allowed[DERIVATION_MAX_LINES];   /* and what it may be: 10, and what the lines know of their own */
    bool differs[DERIVATION_MAX_LINES];     /* a DIFFERS line off beyond rounding and in half the digits: refuted */
    int furthest[DERIVATION_MAX_LINES];     /* the number furthest off; of a line that differs, one that says so */
    int worst;                              /* the line that uses most of what is allowed */
    enum verdict verdict;
    const char *reason;                     /* of WEAK and NOT_APPLICABLE */
} derivation_result;
derivation_result derivation_run(const derivation *d, const setting *x);
void              derivation_result_free(derivation_result *r);
/* Which of a line's n numbers to show: the largest of the first line, on FAIL the one where the worst line is
 * furthest from the one it is held against. */
int               derivation_shown(const derivation_result *r);
double            derivation_number(const derivation_result *r, int line, int i);

#endif
