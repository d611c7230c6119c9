/* Critics: see critic.h. */
#include "algorithms/critic.h"

#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_randist.h>

#include "autodiff/require.h"

network critic_V(const policy *p)
{
    network f = p->f;
    f.size[f.layers] = 1;
    return f;
}

network critic_Q(const policy *p)
{
    require(p->nA > 0, "Q for each action of a box");
    return p->f;
}

network critic_Q_of_box(const policy *p)
{
    require(!p->nA, "Q(s,a) of a box, where actions are numbered");
    network f = p->f;
    f.size[0] = p->d + p->k;
    f.size[f.layers] = 1;
    return f;
}

ad critic_Q_sa(const network *Q, ad phi, ad s, ad a) { return network_forward(Q, phi, ad_concat(s, a)); }

int critic_n(const policy *p, const network *Q) { return p->normalised ? batch_norm_n(Q, p->d) : network_n(Q); }

void critic_init(const policy *p, const network *Q, gsl_rng *rng, double *phi)
{
    network_init_fan_in(Q, rng, phi);
    if (p->normalised) batch_norm_init(Q, p->d, phi);
}

ad critic_Q_in(enum batch_norm_mode mode, const policy *p, const network *Q, ad phi, ad s, ad a)
{
    return p->normalised ? batch_norm_forward(Q, p->d, phi, ad_concat(s, a), mode) : critic_Q_sa(Q, phi, s, a);
}

void critic_track(ad_tape *t, const policy *p, const network *Q, int T, const double *s, const double *a, double *phi)
{
    ad_mark start = ad_here(t);
    batch_norm_track(t, Q, p->d, ad_concat(ad_input(t, s, T, p->d), ad_input(t, a, T, p->k)), phi);
    ad_reset(t, start);
}

void critic_values(ad_tape *t, const network *f, const double *phi, int T, const double *s, double *y)
{
    ad_mark start = ad_here(t);
    ad out = network_forward(f, ad_input(t, phi, network_n(f), 1), ad_input(t, s, T, f->size[0]));
    memcpy(y, ad_value(out), (size_t)T * (size_t)f->size[f->layers] * sizeof *y);
    ad_reset(t, start);
}

/*[snip critic-bootstrap later]*/
/* A3C-13   V_end = 0 where the episode terminated, else V_phi(s_end) */
void critic_bootstrap(ad_tape *t, const network *f, const double *phi, const rollout *b, double *V, double *V_end)
{
    critic_values(t, f, phi, b->T, b->s, V);
    critic_values(t, f, phi, b->segments, b->s_end, V_end);
    for (int i = 0; i < b->segments; i++)
        if (b->segment[i].terminated) V_end[i] = 0;
}
/*[/snip]*/

/* Its value, computed anew by `again` from phi, s and R as they are then */
static ad V_gradient(ad_tape *t, const network *f, const double *phi, int T, const double *s, const double *R,
                     ad_plan *again)
{
    ad x = ad_input(t, phi, network_n(f), 1), s_t = ad_input(t, s, T, f->size[0]), R_t = ad_input(t, R, T, 1);
    ad V = network_forward(f, x, s_t);                                          /* [T x 1] */
    ad g = ad_grad(ad_neg(ad_mean(ad_square(ad_sub(V, R_t)))), x);
    *again = ad_slice(3, (ad[]){ x, s_t, R_t }, 1, &g);
    return g;
}

/*[snip critic-fit later]*/
/* PPO-34   phi <- a step of Adam along the gradient of -mean_t (V_phi(s_t) - R_t)^2, t of a minibatch */
void critic_fit(ad_tape *t, const network *f, double *phi, adam *step, int T, const double *s, const double *R,
                long epochs, int M, gsl_rng *rng)
{
    size_t d = (size_t)f->size[0];
    M = M < T ? M : T;
    double *s_M = allocate((size_t)M * (d + 1), sizeof *s_M, "a minibatch"), *R_M = s_M + (size_t)M * d;
    int *order = allocate((size_t)T, sizeof *order, "an order");
    for (int k = 0; k < T; k++) order[k] = k;
    ad_mark start = ad_here(t);
    ad_plan again;
    ad g = V_gradient(t, f, phi, M, s_M, R_M, &again);
    for (long epoch = 0; epoch < epochs; epoch++) {
        gsl_ran_shuffle(rng, order, (size_t)T, sizeof *order);
        for (int first = 0; first + M <= T; first += M) {
            for (int k = 0; k < M; k++) {
                memcpy(s_M + (size_t)k * d, s + (size_t)order[first + k] * d, d * sizeof *s);
                R_M[k] = R[order[first + k]];
            }
            ad_run(&again);
            adam_ascend(step, phi, ad_value(g));
        }
    }
    ad_reset(t, start);
    free(order);
    free(s_M);
}
/*[/snip]*/
