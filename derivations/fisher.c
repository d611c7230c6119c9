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

static ad log_pi(ad_tape *t, const exact *x, ad theta)                          /* [nS x nA] */
{
    return ad_log_softmax(policy_logits(t, &x->policy, theta));
}

/* NPG-2   F = E_{s~d, a~pi}[ grad log pi(a|s) grad log pi(a|s)^T ] */
void fisher_scores(const exact *x, double *F)
{
    size_t n = (size_t)x->n, nSA = (size_t)x->nSA;
    double *score = allocate(2 * nSA * n, sizeof *score, "scores");             /* [nSA x n] */
    double *weighted = score + nSA * n;                                         /* [nSA x n] */
    ad_tape *t = ad_tape_new();
    ad theta = ad_input(t, x->theta, x->n, 1);
    ad logpi = log_pi(t, x, theta);                                             /* [nS x nA] */
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

/* KL(p || q) in the mean over states, sum_s d(s) sum_a p(a|s) (log p(a|s) - log q(a|s)) */
static ad kl(ad_tape *t, const exact *x, ad logp, ad logq)                      /* [nS x nA] each */
{
    ad kl_s = ad_row_sum(ad_mul(ad_exp(logp), ad_sub(logp, logq)));             /* [nS x 1]  */
    return ad_dot(ad_input(t, x->d, x->nS, 1), kl_s);
}

/* NPG-3   F = Hessian in theta, at theta = theta_old, of
 *         KL(theta_old || theta) = sum_s d(s) sum_a pi_old(a|s) (log pi_old(a|s) - log pi(a|s)) */
ad fisher_mean_kl(ad_tape *t, const exact *x, ad theta)
{
    ad old = ad_input(t, x->logpi, x->nS, x->nA);                               /* a constant */
    return kl(t, x, old, log_pi(t, x, theta));
}

ad fisher_mean_kl_reversed(ad_tape *t, const exact *x, ad theta)
{
    ad old = ad_input(t, x->logpi, x->nS, x->nA);
    return kl(t, x, log_pi(t, x, theta), old);
}

struct fisher_product { ad_tape *t; double *v; ad Fv; ad_plan plan; };    /* the graph, replayed for each v */

/* Of the Hessian at theta1; F is that at theta_old. */
static fisher_product *hessian_product_new(const exact *x, const double *theta1)
{
    fisher_product *F = allocate(1, sizeof *F, "a Fisher-vector product");
    F->t = ad_tape_new();
    F->v = allocate((size_t)x->n, sizeof *F->v, "a direction");
    ad theta = ad_input(F->t, theta1, x->n, 1), v = ad_input(F->t, F->v, x->n, 1);
    F->Fv = ad_grad(ad_dot(ad_grad(fisher_mean_kl(F->t, x, theta), theta), v), theta);
    F->plan = ad_slice(1, &v, 1, &F->Fv);
    return F;
}

fisher_product *fisher_product_new(const exact *x) { return hessian_product_new(x, x->theta); }

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

static void kl_hessian(const exact *x, const double *theta1, double *H)
{
    fisher_product *product = hessian_product_new(x, theta1);
    double *e = allocate((size_t)x->n, sizeof *e, "a basis vector");
    for (int i = 0; i < x->n; i++) {
        e[i] = 1;
        fisher_times(product, x->n, e, H + i * x->n);
        e[i] = 0;
    }
    free(e);
    fisher_product_free(product);
}

void fisher_kl(const exact *x, double *F) { kl_hessian(x, x->theta, F); }

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

/* d (I - P_pi) = 0 and sum d = 1, where what leaves the decision states comes back by mu0 */
bool fisher_stationary_weights(const exact *x, double *d)
{
    size_t nS = (size_t)x->nS;
    if (!x->P_pi) return false;
    double *B = allocate(nS * nS + 2 * nS, sizeof *B, "a Markov chain"), *mu0 = B + nS * nS, *b = mu0 + nS;
    double start = 0, least = 0;
    for (int s = 0; s < x->nS; s++) start += x->absorbing[s] ? 0 : x->M->mu0[s];
    for (int s = 0; s < x->nS; s++) mu0[s] = x->absorbing[s] || start == 0 ? 0 : x->M->mu0[s] / start;
    for (int s = 0; s < x->nS; s++) {
        double stays = 0;
        for (int s1 = 0; s1 < x->nS; s1++) stays += x->P_pi[s * x->nS + s1];
        for (int s1 = 0; s1 < x->nS; s1++)
            B[s1 * x->nS + s] = (s == s1) - x->P_pi[s * x->nS + s1] - fmax(1 - stays, 0) * mu0[s1];
    }
    for (int s = 0; s < x->nS; s++) B[s] = 1;               /* one equation is superfluous: sum d in its place */
    b[0] = 1;
    linalg_lu *lu = linalg_lu_new(x->nS);
    bool unique = linalg_lu_factor(lu, B) == LINALG_OK && start > 0;
    if (unique) linalg_lu_solve(lu, false, 1, b, d);
    for (int s = 0; s < x->nS && unique; s++) least = fmin(least, d[s]);
    for (int s = 0; s < x->nS && unique; s++) d[s] = x->absorbing[s] ? 0 : fmax(d[s], 0);
    linalg_lu_free(lu);
    free(B);
    return unique && least > -1e-9;
}

/* ---- the derivations ---- */
static int    n_F(const setting *x)        { return x->pi->n * x->pi->n; }
static int    n_F_rank(const setting *x)   { return n_F(x) + 1; }

/* The accounts share the weights d, so that only their own rounding is left: u N max d c^2. */
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

/* ERR-38: the scores weighted by how often pi is in a state, without gamma^t */
static double by_stationary_weights(const setting *x, double *F)
{
    double *d = allocate((size_t)x->pi->nS, sizeof *d, "state weights");
    exact without_gamma = *x->pi;
    without_gamma.d = d;
    bool unique = fisher_stationary_weights(x->pi, d);
    if (unique) fisher_scores(&without_gamma, F);
    free(d);
    return unique ? 0 : LEFT_OUT;
}

/* ERR-53: the Hessian of KL(theta_old || theta) at another theta than theta_old */
static double by_kl_elsewhere(const setting *x, double *F)
{
    if (x->pi1->n != x->pi->n) return LEFT_OUT;
    kl_hessian(x->pi, x->pi1->theta, F);
    return 0;
}

/* ERR-55: F^{-1} exists when the rank is full. */
static double full_rank(const setting *x, double *out)
{
    out[0] = x->pi->n;
    return by_scores(x, out + 1);
}

/* NPG-6   F v for v = theta' - theta, three ways */
static const char *not_comparable(const setting *x)
{
    bool same = x->pi->n == x->pi1->n && x->pi->policy.kind == x->pi1->policy.kind;
    return same ? NULL : "pi and pi' have no difference: their parameters are not the same";
}

static double *difference(const setting *x)
{
    double *v = allocate((size_t)x->pi->n, sizeof *v, "a direction");
    for (int i = 0; i < x->pi->n; i++) v[i] = x->pi1->theta[i] - x->pi->theta[i];
    return v;
}

static double unit_product(const setting *x)                        /* |sum_j dF_ij v_j| <= max|dF| ||v||_1 */
{
    double *v = difference(x), sum = 0;
    for (int i = 0; i < x->pi->n; i++) sum += fabs(v[i]);
    free(v);
    return fmax(unit_F(x) * sum, DBL_MIN);
}

static double product_dense(const setting *x, double *Fv)
{
    if (!x->F) return LEFT_OUT;
    double *v = difference(x);
    linalg_matvec(x->pi->n, x->pi->n, x->F, v, Fv);
    free(v);
    return 0;
}

static double product_scores(const setting *x, double *Fv)
{
    const exact *pi = x->pi;
    double *v = difference(x);
    memset(Fv, 0, (size_t)pi->n * sizeof *Fv);
    ad_tape *t = ad_tape_new();
    ad theta = ad_input(t, pi->theta, pi->n, 1), logpi = log_pi(t, pi, theta);
    for (int i = 0; i < pi->nSA; i++) {
        ad_mark mark = ad_here(t);
        const double *score = ad_value(ad_grad(ad_view(logpi, i, 1, 1), theta));            /* [n] */
        double p = pi->d[i / pi->nA] * pi->pi[i], score_v = linalg_dot(pi->n, score, v);
        for (int j = 0; j < pi->n; j++) Fv[j] += p * score[j] * score_v;
        ad_reset(t, mark);
    }
    ad_tape_free(t);
    free(v);
    return 0;
}

static double product_kl(const setting *x, double *Fv)
{
    double *v = difference(x);
    fisher_product *F = fisher_product_new(x->pi);
    fisher_times(F, x->pi->n, v, Fv);
    fisher_product_free(F);
    free(v);
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
          "the score in the logits z is e_a - pi, and its covariance diag pi - pi pi^T", by_jacobian },
        { "F=E_{\\pi_\\theta}[\\nabla\\log\\pi_\\theta\\nabla\\log\\pi_\\theta^T]",
          "001 l.516 prints E_pi and does not say how states count. One reading: as often as pi is in them,"
          " without the objective's gamma^t",
          by_stationary_weights, DIFFERS, "ERR-38" } } },
    { "NPG-3", "F = Hessian of the mean KL(old||new) at new = old",
      "F[i][j]", n_F, unit_F, too_large, NULL, {
        { "F=E_{s\\sim d,a\\sim\\pi_\\theta}[\\nabla\\log\\pi_\\theta\\nabla\\log\\pi_\\theta^T]",
          "NPG-2", by_scores },
        { "=\\nabla^2_{\\tilde\\theta}\\bar D_{KL}(\\theta,\\tilde\\theta)|_{\\tilde\\theta=\\theta}",
          "-E[Hessian of log pi] = E[score score^T]; KL differentiated twice, a product for each column",
          by_kl },
        { "F=\\nabla^2_{\\tilde\\theta}\\bar D_{KL}(\\theta,\\tilde\\theta)",
          "000 eq 17 prints second derivatives in theta without the point theta_old. One reading: at another"
          " theta, here theta'", by_kl_elsewhere, DIFFERS, "ERR-53" } } },
    { "NPG-6", "F v = E[grad log pi (grad log pi^T v)] = grad((grad KL)^T v), F is not formed", "(F v)[i]",
      count_theta, unit_product, not_comparable, NULL, {
        { "F(\\tilde\\theta-\\theta)", "v = theta' - theta, times the matrix of NPG-2", product_dense },
        { "=E_{s\\sim d,a\\sim\\pi_\\theta}[\\nabla\\log\\pi_\\theta\\,(\\nabla\\log\\pi_\\theta^Tv)]",
          "v goes into the expectation; a score at a time, none is kept", product_scores },
        { "=\\nabla_{\\tilde\\theta}((\\nabla_{\\tilde\\theta}\\bar D_{KL}(\\theta,\\tilde\\theta))^Tv)"
          "|_{\\tilde\\theta=\\theta}", "NPG-3: the gradient of the KL, times v, differentiated once more",
          product_kl } } },
    { "NPG-8", "tabular softmax: F = (+)_s d(s)(diag pi - pi pi^T); its rank = visited states (|A|-1)",
      "rank F, then F[i][j]", n_F_rank, unit_F, rank_undecided, NULL, {
        { "\\mathrm{rank}\\,F,\\quad "
          "F=E_{s\\sim d,a\\sim\\pi_\\theta}[\\nabla\\log\\pi_\\theta\\nabla\\log\\pi_\\theta^T]",
          "NPG-2, and the number of eigenvalues above 10 n u max|lambda| by LAPACK", scores_and_rank },
        { "|S|(|A|-1),\\quad F=\\oplus_sd(s)(\\mathrm{diag}\\,\\pi_s-\\pi_s\\pi_s^T)",
          "a state's score has no part in another's theta; 1 is a null vector of each block; S: the states with"
          " d(s) > 0", blocks_and_rank },
        { "\\mathrm{rank}\\,F=n,\\quad F",
          "001 (l.526) and 004 (l.461) write F^{-1}, H^{-1}, which only a matrix of full rank has",
          full_rank, DIFFERS, "ERR-55" } } },
    { .id = NULL }
};
