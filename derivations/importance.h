/* Importance sampling: E_p[f] from samples x ~ q, each weighted with w(x) = p(x)/q(x) (IS-1). What one sample f w
 * is worth: divide variances by the number of samples. 001 (l.42-74), 004 (l.360-390). */
#ifndef ASCENT_IMPORTANCE_H
#define ASCENT_IMPORTANCE_H

#include <stdbool.h>

typedef struct {
    bool supported;             /* q(x) = 0 => p(x) f(x) = 0: what IS-1 needs */
    bool covered;               /* q(x) = 0 => p(x) = 0: supported whatever f is */
    double mean_f, var_f;       /* E_p[f], Var_p[f] */
    double mean_wf, var_wf;     /* E_q[w f], which is E_p[f] where supported; Var_q[w f] (IS-2) */
    double mean_w, var_w;       /* E_q[w] and Var_q[w]: 1 and chi^2(p||q) where covered */
    double ess;                 /* effective part of a sample, E_q[w]^2 / E_q[w^2] (IS-3) */
    double kl_pq, kl_qp, tv;    /* KL(p||q), INFINITY where not covered; KL(q||p) likewise; total variation */
    double max_w;
    double self_bias;           /* of sum w f / sum w: its bias with one sample, E_q[f] - E_p[f]; */
    double self_var;            /* n times its variance as n grows, E_q[w^2 (f - m)^2] / E_q[w]^2 with
                                 * m = E_q[w f] / E_q[w] */
} importance;

/* p, q, f [n]. Error: u n times the sum of the sizes of what each line adds up */
importance importance_discrete(int n, const double *p, const double *q, const double *f);

/* The variance alone: sum_i q (w f - E)^2; E_q[(w f)^2] - E_q[w f]^2; and E_p[w f^2] - E_p[f]^2, which says the same
 * where supported */
double importance_variance(int n, const double *p, const double *q, const double *f);
double importance_variance_by_moments(int n, const double *p, const double *q, const double *f);
double importance_variance_under_p(int n, const double *p, const double *q, const double *f);
double importance_second_moment(int n, const double *p, const double *q, const double *f);  /* E_p[w f^2] */

/* p = N(m1, s1^2), q = N(m2, s2^2), in closed form. p^2/q is (1 + chi^2) times the density of N(m, s^2), 1/s^2 =
 * 2/s1^2 - 1/s2^2, so that E_q[(w f)^2] = (1 + chi^2) E[f^2] under it. Where s2^2 <= s1^2 / 2 there is no such
 * Gaussian: w f has a mean and no variance (INFINITY). tv, max_w, self_bias and self_var are not filled in. */
enum importance_f { IMPORTANCE_ONE, IMPORTANCE_X, IMPORTANCE_X2, IMPORTANCE_EXP, IMPORTANCE_ABOVE };
typedef struct {
    double m1, s1, m2, s2;
    enum importance_f f;        /* 1, x, x^2, e^{t x}, 1{x > t} */
    double t;
} importance_gaussians;
importance importance_gaussian(const importance_gaussians *g);
/* What its variances may be off by, of their second moments: a condition number of the closed form, times u */
double importance_gaussian_condition(const importance_gaussians *g);

double importance_gaussian_f(const importance_gaussians *g, double x);
double importance_gaussian_p(const importance_gaussians *g, double x);      /* densities */
double importance_gaussian_q(const importance_gaussians *g, double x);
double importance_gaussian_w(const importance_gaussians *g, double x);      /* p/q, without underflow of either */

#endif
