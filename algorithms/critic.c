/* Critics: see critic.h. */
#include "algorithms/critic.h"

#include <string.h>

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
