/* Fisher-vector products: see fisher_vector.h. */
#include "algorithms/fisher_vector.h"

#include <string.h>

#include "autodiff/require.h"

/*[snip fisher-vector later]*/
/* M u of logits, per row: (diag(pi) - pi pi^T) u */
static ad times_M_of_logits(ad z, ad u)                                     /* [T x nA] */
{
    ad pi = ad_detach(ad_exp(ad_log_softmax(z)));
    ad E  = ad_row_sum(ad_mul(pi, u));                                      /* E_pi[u] [T x 1] */
    return ad_mul(pi, ad_sub(u, ad_cols(E, ad_ncols(z))));
}

/* M u of means and log_sd, per row: (u_mean / sd^2, 2 u_log_sd) */
static ad times_M_of_gaussian(ad z, ad u)                                   /* [T x 2k] */
{
    int k = ad_ncols(z) / 2;
    ad precision = ad_detach(ad_exp(ad_scale(-2, ad_columns(z, k, k))));
    return ad_concat(ad_mul(precision, ad_columns(u, 0, k)), ad_scale(2, ad_columns(u, k, k)));
}

/* NPG-2, NPG-3   F v = sum_t w_t J_t^T M_t (J_t v) */
fisher_vector fisher_vector_of(ad_tape *t, const policy *p, ad theta, ad s, const double *w, double damping,
                               double *v)
{
    int T = ad_nrows(s);
    memset(v, 0, (size_t)p->n * sizeof *v);
    ad x   = ad_input(t, v, p->n, 1);
    ad z   = policy_parameters(p, theta, s);
    ad Jv  = ad_jvp(z, theta, x);
    ad MJv = p->nA ? times_M_of_logits(z, Jv) : times_M_of_gaussian(z, Jv);
    ad each = w ? ad_input(t, w, T, 1) : ad_constant(t, 1.0 / T, T, 1);         /* w_t [T x 1] */
    ad Fv  = ad_vjp(z, theta, ad_mul(ad_cols(each, ad_ncols(z)), MJv));
    return (fisher_vector){ v, Fv, ad_slice(1, &x, 1, &Fv), damping, 0 };
}
/*[/snip]*/

int fisher_states(const rollout *b, const double *w, int every, double *s, double *w_F)
{
    int T = 0;
    double all = 0, some = 0;
    size_t d = (size_t)b->d;
    for (int k = 0; k < b->T; k++) all += w ? w[k] : 1.0 / b->T;
    for (long k = 0; k < b->T; k += every, T++) {
        memcpy(s + (size_t)T * d, b->s + (size_t)k * d, d * sizeof *s);
        some += w_F[T] = w ? w[k] : 1.0 / b->T;
    }
    require(some > 0, "every %dth of %d states, which all have weight 0", every, b->T);
    for (int k = 0; k < T; k++) w_F[k] *= all / some;
    return T;
}

void fisher_vector_times(void *F, int n, const double *v, double *Fv)
{
    fisher_vector *f = F;
    require(n == ad_nrows(f->Fv), "a vector of %d for a theta of %d", n, ad_nrows(f->Fv));
    memcpy(f->v, v, (size_t)n * sizeof *v);
    ad_run(&f->again);
    const double *product = ad_value(f->Fv);
    for (int i = 0; i < n; i++) Fv[i] = product[i] + f->damping * v[i];
    f->products++;
}
