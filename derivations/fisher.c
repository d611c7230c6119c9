/* The Fisher matrix of a softmax policy: covariance of the score, Hessian of the mean KL, and a
 * block for each state. 001 (l.516), 000 eq (17), 004 (l.443-459). */
#include "derivations/fisher.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/derivation.h"
#include "derivations/natural_gradient.h"

/* NPG-2   F = E_{s~d, a~pi}[ grad log pi(a|s) grad log pi(a|s)^T ] */
void fisher_scores(const exact *x, double *F)
{
    size_t n = (size_t)x->n, nSA = (size_t)x->nSA;
    double *score = allocate(2 * nSA * n, sizeof *score, "scores");             /* [nSA x n] */
    double *weighted = score + nSA * n;                                         /* [nSA x n] */
    ad_tape *t = ad_tape_new();
    ad theta = ad_input(t, x->theta, x->n, 1);
    ad logpi = ad_log_softmax(policy_logits(t, &x->policy, theta));             /* [nS x nA] */
    for (int i = 0; i < x->nSA; i++) {                                          /* i = (s, a) */
        ad_mark mark = ad_here(t);
        ad grad_log_pi = ad_grad(ad_view(logpi, i, 1, 1), theta);               /* [n x 1] */
        memcpy(score + (size_t)i * n, ad_value(grad_log_pi), n * sizeof *score);
        ad_reset(t, mark);
        double p = x->d[i / x->nA] * x->pi[i];
        for (size_t j = 0; j < n; j++) weighted[(size_t)i * n + j] = p * score[(size_t)i * n + j];
    }
    linalg_matmul(true, false, x->n, x->n, x->nSA, score, weighted, F);         /* sum p score score^T */
    ad_tape_free(t);
    free(score);
}

/* NPG-3   F = Hessian in theta, at theta = theta_old, of
 *         KL(theta_old || theta) = sum_s d(s) sum_a pi_old(a|s) (log pi_old(a|s) - log pi(a|s)) */
static ad mean_kl(ad_tape *t, const exact *x, ad theta)
{
    ad logpi = ad_log_softmax(policy_logits(t, &x->policy, theta));             /* [nS x nA] */
    ad old   = ad_detach(logpi);
    ad kl    = ad_row_sum(ad_mul(ad_exp(old), ad_sub(old, logpi)));             /* [nS x 1]  */
    return ad_dot(ad_input(t, x->d, x->nS, 1), kl);
}

struct fisher_product { ad_tape *t; double *v; ad Fv; ad_plan plan; };    /* the graph, replayed for each v */

fisher_product *fisher_product_new(const exact *x)
{
    fisher_product *F = allocate(1, sizeof *F, "a Fisher-vector product");
    F->t = ad_tape_new();
    F->v = allocate((size_t)x->n, sizeof *F->v, "a direction");
    ad theta = ad_input(F->t, x->theta, x->n, 1), v = ad_input(F->t, F->v, x->n, 1);
    F->Fv = ad_grad(ad_dot(ad_grad(mean_kl(F->t, x, theta), theta), v), theta);
    F->plan = ad_slice(1, &v, 1, &F->Fv);
    return F;
}

void fisher_product_free(fisher_product *F)
{
    if (!F) return;
    ad_tape_free(F->t);
    free(F->v);
    free(F);
}

/* NPG-6   F v = grad ( grad KL(theta_old || theta)^T v )  at theta = theta_old */
void fisher_times(void *F_, int n, const double *v, double *Fv)
{
    fisher_product *F = F_;
    memcpy(F->v, v, (size_t)n * sizeof *v);
    ad_run(&F->plan);
    memcpy(Fv, ad_value(F->Fv), (size_t)n * sizeof *Fv);
}

void fisher_kl(const exact *x, double *F)
{
    fisher_product *product = fisher_product_new(x);
    double *e = allocate((size_t)x->n, sizeof *e, "a basis vector");
    for (int i = 0; i < x->n; i++) {
        e[i] = 1;
        fisher_times(product, x->n, e, F + i * x->n);
        e[i] = 0;
    }
    free(e);
    fisher_product_free(product);
}

/* NPG-8   F = (+)_s d(s) (diag pi_s - pi_s pi_s^T): the block of state s, zero between states */
static double fisher_block(const exact *x, int s, int a, int b)
{
    const double *pi = x->pi + s * x->nA;
    return x->d[s] * ((a == b) * pi[a] - pi[a] * pi[b]);
}

void fisher_jacobian(const exact *x, double *F)
{
    size_t n = (size_t)x->n, nSA = (size_t)x->nSA;
    double *J = allocate(2 * nSA * n, sizeof *J, "a Jacobian");                 /* [nSA x n] dz_i / dtheta_j */
    double *MJ = J + nSA * n;                                                   /* [nSA x n] */
    policy_jacobian(&x->policy, x->theta, J);
    for (int s = 0; s < x->nS; s++)
        for (int a = 0; a < x->nA; a++)
            for (int b = 0; b < x->nA; b++) {
                double m = fisher_block(x, s, a, b);
                const double *from = J + (size_t)(s * x->nA + b) * n;
                double *to = MJ + (size_t)(s * x->nA + a) * n;
                for (size_t j = 0; j < n; j++) to[j] += m * from[j];
            }
    linalg_matmul(true, false, x->n, x->n, x->nSA, J, MJ, F);
    free(J);
}

/* ---- the derivations ---- */
static int    n_F(const setting *x)        { return x->pi->n * x->pi->n; }
static int    n_F_rank(const setting *x)   { return n_F(x) + 1; }

/* The accounts share the weights d, so that only their own rounding is left: u N max d in the logits. */
static double unit_F(const setting *x)
{
    double max_d = linalg_max_abs(x->pi->nS, x->pi->d);
    double c = x->pi->c;
    return fmax(DBL_EPSILON * fmax(x->pi->nS, 4) * max_d * c * c, DBL_MIN);     /* all d may be 0 */
}

static const char *too_large(const setting *x)
{
    return x->pi->n > FISHER_MAX_N ? "more than 1500 parameters: no dense F" : NULL;
}

static double by_scores(const setting *x, double *F)
{
    memcpy(F, x->F, (size_t)n_F(x) * sizeof *F);                    /* fisher_scores(x->pi, .) */
    return 0;
}

static double by_kl(const setting *x, double *F)       { fisher_kl(x->pi, F); return 0; }
static double by_jacobian(const setting *x, double *F) { fisher_jacobian(x->pi, F); return 0; }

static double scores_and_rank(const setting *x, double *out)       /* the rank, then F */
{
    out[0] = x->spectrum->rank;
    return by_scores(x, out + 1);
}

static double blocks_and_rank(const setting *x, double *out)
{
    const exact *pi = x->pi;
    double *F = out + 1;
    memset(out, 0, (size_t)n_F_rank(x) * sizeof *out);
    for (int s = 0; s < pi->nS; s++) {
        for (int a = 0; a < pi->nA; a++)
            for (int b = 0; b < pi->nA; b++)
                F[(s * pi->nA + a) * pi->n + s * pi->nA + b] = fisher_block(pi, s, a, b);
        if (pi->d[s] > 0) out[0] += pi->nA - 1;
    }
    return 0;
}

static const char *rank_undecided(const setting *x)
{
    return x->pi->J_z ? "the policy is not tabular" : fisher_rank_undecided(x->pi);
}

const derivation fisher[] = {
    { "NPG-2", "F = E[grad log pi grad log pi^T]", "F[i][j]", n_F, unit_F, too_large, NULL, {
        { "F=E_{s\\sim d,a\\sim\\pi_\\theta}[\\nabla\\log\\pi_\\theta\\nabla\\log\\pi_\\theta^T]",
          "the definition: each score by one reverse sweep", by_scores },
        { "=J_z^T\\,\\mathrm{blockdiag}_s\\,d(s)(\\mathrm{diag}\\,\\pi_s-\\pi_s\\pi_s^T)\\,J_z",
          "the score in the logits z is e_a - pi, and its covariance diag pi - pi pi^T", by_jacobian } } },
    { "NPG-3", "F = Hessian of the mean KL(old||new) at new = old", "F[i][j]", n_F, unit_F, too_large, NULL, {
        { "F=E_{s\\sim d,a\\sim\\pi_\\theta}[\\nabla\\log\\pi_\\theta\\nabla\\log\\pi_\\theta^T]",
          "NPG-2", by_scores },
        { "=\\nabla^2_{\\tilde\\theta}\\bar D_{KL}(\\theta,\\tilde\\theta)|_{\\tilde\\theta=\\theta}",
          "-E[Hessian of log pi] = E[score score^T]; KL differentiated twice, a product for each column",
          by_kl } } },
    { "NPG-8", "tabular softmax: F = (+)_s d(s)(diag pi - pi pi^T); its rank = visited states (|A|-1)",
      "rank F, then F[i][j]", n_F_rank, unit_F, rank_undecided, NULL, {
        { "\\mathrm{rank}\\,F,\\quad F=E_{s\\sim d,a\\sim\\pi_\\theta}[\\nabla\\log\\pi_\\theta\\nabla\\log\\pi_\\theta^T]",
          "NPG-2, and the number of eigenvalues above 10 n u max|lambda| by LAPACK", scores_and_rank },
        { "|S|(|A|-1),\\quad F=\\oplus_sd(s)(\\mathrm{diag}\\,\\pi_s-\\pi_s\\pi_s^T)",
          "a state's score has no part in another's theta; 1 is a null vector of each block; S: the states with"
          " d(s) > 0", blocks_and_rank } } },
    { .id = NULL }
};
