/* Moments of an estimator by pairs of times: see score_moments.h. */
#include "derivations/score_moments.h"

#include <gsl/gsl_math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"
#include "derivations/small_problem.h"

/* ---- f and kappa of each estimator ---- */

enum of { REWARDS, ERRORS, ERRORS_OF_RETURNS, ACTION_VALUES, ADVANTAGES };
enum when { ALL, TO_GO, NOW, STEPS, SEGMENTS, DECAYING };
static const struct form { const char *name; enum of of; enum when when; } forms[] = {
    { "total-return", REWARDS, ALL },   { "reward-to-go", REWARDS, TO_GO },
    { "baseline", ERRORS_OF_RETURNS, TO_GO },
    { "Q", ACTION_VALUES, NOW },        { "advantage", ADVANTAGES, NOW },   { "td", ERRORS, NOW },
    { "q-actor-critic", ACTION_VALUES, NOW }, { "advantage-actor-critic", ADVANTAGES, NOW },
    { "td-actor-critic", ERRORS, NOW },
    { "nstep", ERRORS, STEPS },         { "nstep-segments", ERRORS, SEGMENTS }, { "gae", ERRORS, DECAYING } };

/* f at time t for the transition k of the pair i. Returns end with the horizon, whatever V says of it. */
static double feature(const finite_horizon *f, enum of of, const value_table *c, int t, int i, int k)
{
    const mdp *M = f->M;
    double V = c->V[t * M->nS + i / M->nA], V1 = c->V[(t + 1) * M->nS + M->next[k]];
    double Q = c->Q ? c->Q[t * M->nS * M->nA + i] : 0;
    switch (of) {
        case REWARDS:       return M->R[k];
        case ERRORS:        return M->R[k] + f->gamma * V1 - V;
        case ACTION_VALUES: return Q;
        case ADVANTAGES:    return Q - V;
        default:            return M->R[k] + (t + 1 < f->H ? f->gamma * V1 : 0) - V;
    }
}

static double kernel(enum when when, double gamma, int n, double lambda, int t, int k)
{
    double to_go = k < t ? 0 : gsl_pow_int(gamma, k);               /* gamma^t gamma^{k-t} */
    switch (when) {
        case ALL:      return gsl_pow_int(gamma, k);
        case NOW:      return k == t ? to_go : 0;
        case STEPS:    return k - t < n ? to_go : 0;
        case SEGMENTS: return k / n == t / n ? to_go : 0;
        case DECAYING: return k < t ? 0 : to_go * gsl_pow_int(lambda, k - t);
        default:       return to_go;
    }
}

score_weights *score_weights_new(const finite_horizon *f, const char *name, const value_table *critic, int n,
                                 double lambda)
{
    size_t form = 0, forms_n = sizeof forms / sizeof *forms;
    while (form < forms_n && strcmp(forms[form].name, name) != 0) form++;
    if (form == forms_n) return NULL;
    score_weights *w = allocate(1, sizeof *w, "weights of scores");
    const mdp *M = f->M;
    *w = (score_weights){ .H = f->H, .K = M->row[M->nS * M->nA] };
    w->f = allocate((size_t)w->H * (size_t)w->K, sizeof *w->f, "what weights are sums of");
    w->kappa = allocate((size_t)w->H * (size_t)w->H, sizeof *w->kappa, "a kernel");
    for (int t = 0; t < w->H; t++) {
        for (int i = 0; i < M->nS * M->nA; i++)
            for (int k = M->row[i]; k < M->row[i + 1]; k++)
                w->f[t * w->K + k] = feature(f, forms[form].of, critic, t, i, k);
        for (int k = 0; k < w->H; k++) w->kappa[t * w->H + k] = kernel(forms[form].when, f->gamma, n, lambda, t, k);
    }
    return w;
}

void score_weights_free(score_weights *w)
{
    if (!w) return;
    free(w->f);
    free(w->kappa);
    free(w);
}

/* ---- the moments ---- */

/* In state s so far: E[u], E[u A], E[u B], E[u A B], u the scores met, A and B the sums of two times */
struct carried { double u, A, B, AB; };

struct pass {
    const finite_horizon *f;
    const score_weights *w;
    const bool *absorbing;      /* [nS] */
    const double *score;        /* [nS nA x n] */
    struct carried *now, *next; /* [nS] */
};

static void carry(struct carried *to, double p, double x, double y, const struct carried *m)
{
    to->u  += p * m->u;
    to->A  += p * (m->A + x * m->u);
    to->B  += p * (m->B + y * m->u);
    to->AB += p * (m->AB + x * m->B + y * m->A + x * y * m->u);
}

/* The step at time k: scores of component j are met at t and, unless t1 < 0, at t1 */
static void step(struct pass *p, int k, int t, int t1, int j)
{
    const mdp *M = p->f->M;
    int n = p->f->policy->n, H = p->w->H;
    double kappa = p->w->kappa[t * H + k], kappa1 = p->w->kappa[(t1 < 0 ? t : t1) * H + k];
    memset(p->next, 0, (size_t)M->nS * sizeof *p->next);
    for (int i = 0; i < M->nS * M->nA; i++) {
        if (p->absorbing[i / M->nA]) continue;
        double c = p->score[(size_t)i * (size_t)n + (size_t)j], P = p->f->x->pi[i];
        if (k == t) P *= c;
        if (k == t1) P *= c;
        for (int e = M->row[i]; e < M->row[i + 1]; e++) {
            double f = p->w->f[k * p->w->K + e];
            carry(&p->next[M->next[e]], P * M->P[e], kappa * f, kappa1 * f, &p->now[i / M->nA]);
        }
    }
    /* what has ended stays; its scores, were they still to come, are 0 */
    for (int s = 0; s < M->nS; s++)
        if (p->absorbing[s] && k != t && k != t1) carry(&p->next[s], 1, 0, 0, &p->now[s]);
    struct carried *swap = p->now;
    p->now = p->next;
    p->next = swap;
}

/* E[c_t A_t c_t1 A_t1], or, where t1 < 0, E[c_t A_t] */
static double moment(struct pass *p, int t, int t1, int j)
{
    double E = 0;
    int nS = p->f->M->nS;
    for (int s = 0; s < nS; s++) p->now[s] = (struct carried){ .u = p->f->M->mu0[s] };
    for (int k = 0; k < p->w->H; k++) step(p, k, t, t1, j);
    for (int s = 0; s < nS; s++) E += t1 < 0 ? p->now[s].A : p->now[s].AB;
    return E;
}

void score_moments(const finite_horizon *f, const score_weights *w, double *mean, double *variance)
{
    int nS = f->M->nS;
    bool *absorbing = allocate((size_t)nS, sizeof *absorbing, "absorbing states");
    double *score = small_scores(f);
    struct carried *room = allocate(2 * (size_t)nS, sizeof *room, "moments");
    struct pass p = { f, w, absorbing, score, room, room + nS };
    for (int s = 0; s < nS; s++) absorbing[s] = mdp_absorbing(f->M, s);
    for (int j = 0; j < f->policy->n; j++) {
        mean[j] = 0;
        for (int t = 0; t < f->H; t++) mean[j] += moment(&p, t, -1, j);
        if (!variance) continue;
        variance[j] = -mean[j] * mean[j];
        for (int t = 0; t < f->H; t++)
            for (int t1 = t; t1 < f->H; t1++) variance[j] += (t1 == t ? 1 : 2) * moment(&p, t, t1, j);
    }
    free(room);
    free(score);
    free(absorbing);
}
