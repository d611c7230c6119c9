/* All trajectories, depth first: see enumerate.h. */
#include "derivations/enumerate.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/policy_gradient_theorem.h"

static bool *absorbing_states(const mdp *M)
{
    bool *absorbing = allocate((size_t)M->nS, sizeof *absorbing, "absorbing states");
    for (int s = 0; s < M->nS; s++) absorbing[s] = mdp_absorbing(M, s);
    return absorbing;
}

/* From s with t steps left: 1 at the end, else the sum over what may come next. */
double enumerate_count(const mdp *M, const double *pi, int H)
{
    bool *absorbing = absorbing_states(M);
    double *count = allocate(2 * (size_t)M->nS, sizeof *count, "numbers of trajectories"), *longer = count + M->nS;
    for (int s = 0; s < M->nS; s++) count[s] = 1;
    for (int t = 0; t < H; t++) {
        for (int s = 0; s < M->nS; s++) {
            longer[s] = absorbing[s];
            for (int i = s * M->nA; i < (s + 1) * M->nA && !absorbing[s]; i++)
                for (int k = M->row[i]; k < M->row[i + 1] && pi[i] > 0; k++) longer[s] += count[M->next[k]];
        }
        memcpy(count, longer, (size_t)M->nS * sizeof *count);
    }
    double total = 0;
    for (int s = 0; s < M->nS; s++) total += M->mu0[s] > 0 ? count[s] : 0;
    free(count);
    free(absorbing);
    return total;
}

double enumerate_defect(const mdp *M)
{
    double defect = 0;
    for (int i = 0; i < M->nS * M->nA; i++) {
        double sum = 0;
        for (int k = M->row[i]; k < M->row[i + 1]; k++) sum += M->P[k];
        defect = fmax(defect, fabs(sum - 1));
    }
    return defect;
}

double enumerate_room(const exact *x)
{
    return enumerate_defect(x->M) * linalg_max_abs(x->nS, x->V)
           + DBL_EPSILON * fmax(x->nS, 4) * linalg_max_abs(x->M->row[x->nSA], x->M->R);
}

/* ---- the walk ---- */

/* Neumaier's sum: what rounding takes from the sum is kept beside it. */
struct sum { double value, lost; };

static void sum_add(struct sum *sum, double x)
{
    double value = sum->value + x;
    sum->lost += fabs(sum->value) >= fabs(x) ? (sum->value - value) + x : (x - value) + sum->value;
    sum->value = value;
}

struct walk {
    const mdp *M;
    const double *pi;           /* [nS x nA] */
    const bool *absorbing;      /* [nS] */
    int H, n;
    estimator f;
    void *context;
    const double *mean;         /* NULL in the first pass: sum p g; then sum p (g - mean)^2 */
    double *g;                  /* [n] */
    struct sum *sum;            /* [n] */
    traj tau;
};

static void visit(struct walk *w, double p)
{
    w->f(w->context, &w->tau, w->g);
    for (int i = 0; i < w->n; i++) {
        double d = w->mean ? w->g[i] - w->mean[i] : 0;
        sum_add(&w->sum[i], w->mean ? p * d * d : p * w->g[i]);
    }
}

/* MDP-15  p(tau) = mu0(s_0) prod_{t<T} pi(a_t|s_t) P(s_{t+1}|s_t,a_t): one factor a level */
static void extend(struct walk *w, double p)
{
    const mdp *M = w->M;
    traj *tau = &w->tau;
    int t = tau->T, s = tau->s[t];
    tau->terminated = w->absorbing[s];
    if (tau->terminated || t == w->H) {
        visit(w, p);
        return;
    }
    for (int a = 0; a < M->nA; a++) {
        int i = s * M->nA + a;
        for (int k = M->row[i]; k < M->row[i + 1] && w->pi[i] > 0; k++) {
            tau->a[t] = a;
            tau->r[t] = M->R[k];
            tau->s[t + 1] = M->next[k];
            tau->T = t + 1;
            extend(w, p * w->pi[i] * M->P[k]);
        }
    }
    tau->T = t;
}

static void pass(struct walk *w, double *out)
{
    memset(w->sum, 0, (size_t)w->n * sizeof *w->sum);
    for (int s = 0; s < w->M->nS; s++) {
        if (!(w->M->mu0[s] > 0)) continue;
        w->tau.T = 0;
        w->tau.s[0] = s;
        extend(w, w->M->mu0[s]);
    }
    for (int i = 0; i < w->n; i++) out[i] = w->sum[i].value + w->sum[i].lost;
}

void enumerate_moments(const mdp *M, const double *pi, int H, estimator f, void *context, int n, double *mean,
                       double *variance)
{
    require(H >= 0, "a horizon of %d", H);
    bool *absorbing = absorbing_states(M);
    struct walk w = { .M = M, .pi = pi, .absorbing = absorbing, .H = H, .n = n, .f = f, .context = context };
    w.g = allocate((size_t)n, sizeof *w.g, "an estimate");
    w.sum = allocate((size_t)n, sizeof *w.sum, "sums");
    w.tau.s = allocate((size_t)H + 1, sizeof *w.tau.s, "a trajectory");
    w.tau.a = allocate((size_t)H + 1, sizeof *w.tau.a, "a trajectory");
    w.tau.r = allocate((size_t)H + 1, sizeof *w.tau.r, "a trajectory");
    pass(&w, mean);
    if (variance) {
        w.mean = mean;
        pass(&w, variance);
    }
    free(w.g);
    free(w.sum);
    free(w.tau.s);
    free(w.tau.a);
    free(w.tau.r);
    free(absorbing);
}

/* ---- the oracle ---- */

finite_horizon *finite_new(const mdp *M, double gamma, const policy_class *policy, const double *theta, int H,
                           char *error, size_t size)
{
    if ((double)H * M->nS + 1 > FINITE_MAX_STATES) {
        snprintf(error, size, "%s: horizon %d: expected at most %d states at all times together, found %.0f",
                 M->name, H, FINITE_MAX_STATES, (double)H * M->nS + 1);
        return NULL;
    }
    int nSA = M->nS * M->nA;
    finite_horizon *f = allocate(1, sizeof *f, "a finite horizon");
    *f = (finite_horizon){ .M = M, .gamma = gamma, .policy = policy, .H = H };
    f->theta = allocate((size_t)policy->n, sizeof *f->theta, "parameters");
    memcpy(f->theta, theta, (size_t)policy->n * sizeof *theta);
    f->unrolled = mdp_unroll(M, H);
    double *z = allocate((size_t)H * (size_t)nSA + (size_t)M->nA, sizeof *z, "logits at all times");
    policy_logits_at(policy, theta, z);
    for (int t = 1; t < H; t++) memcpy(z + t * nSA, z, (size_t)nSA * sizeof *z);
    f->x = exact_new(f->unrolled, gamma, z, error, size);
    free(z);
    if (f->x) return f;
    finite_free(f);
    return NULL;
}

void finite_free(finite_horizon *f)
{
    if (!f) return;
    exact_free(f->x);
    mdp_free(f->unrolled);
    free(f->theta);
    if (f->start) free(f->start->mu0);
    free(f->start);
    free(f);
}

double finite_V(const finite_horizon *f, int t, int s)
{
    return t == f->H ? 0 : f->x->V[t * f->M->nS + s];
}

double finite_Q(const finite_horizon *f, int t, int s, int a)
{
    return f->x->Q[(t * f->M->nS + s) * f->M->nA + a];
}

/* The logits of every time are the same z: its gradient is the sum of theirs, and theta's is J_z^T that. */
void finite_gradient(const finite_horizon *f, double *g)
{
    int nSA = f->M->nS * f->M->nA;
    double *all = allocate((size_t)f->x->nSA + (size_t)nSA, sizeof *all, "a gradient at all times");
    double *g_z = all + f->x->nSA;
    gradient_theorem(f->x, all);
    for (int i = 0; i < f->H * nSA; i++) g_z[i % nSA] += all[i];
    policy_vjp(f->policy, f->theta, g_z, g);
    free(all);
}

/* ---- small problems for the derivations ---- */

/* mu0 [nS]: the FINITE_STARTS decision states of largest sum_a pi(a|s) |A(s,a)|, or all when there are fewer */
static int choose_starts(const exact *x, double *mu0)
{
    int chosen = 0;
    for (; chosen < FINITE_STARTS; chosen++) {
        int best = -1;
        double largest = -1;
        for (int s = 0; s < x->nS; s++) {
            double spread = 0;
            for (int i = s * x->nA; i < (s + 1) * x->nA; i++) spread += x->pi[i] * fabs(x->A[i]);
            if (x->absorbing[s] || mu0[s] > 0 || !(spread > largest)) continue;
            largest = spread;
            best = s;
        }
        if (best < 0) break;
        mu0[best] = 1;
    }
    for (int s = 0; s < x->nS; s++) mu0[s] /= fmax(chosen, 1);
    return chosen;
}

finite_horizon *finite_small(const exact *x, const char **reason)
{
    char error[256];
    mdp *start = allocate(1, sizeof *start, "an MDP with another start");
    *start = *x->M;
    start->mu0 = allocate((size_t)x->nS, sizeof *start->mu0, "a start distribution");
    int H = choose_starts(x, start->mu0) > 0 ? FINITE_HORIZON : 0;
    *reason = H == 0 ? "nothing to decide" : "too many states or trajectories to run over all";
    if (!(linalg_max_abs(x->M->row[x->nSA], x->M->R) < 1e100)) {
        *reason = "rewards whose squares overflow";
        H = 0;
    }
    while (H > 0 && (enumerate_count(start, x->pi, H) > FINITE_TRAJECTORIES || H * x->nS > FINITE_STATES)) H--;
    finite_horizon *f = H > 0 ? finite_new(start, x->gamma, &x->policy, x->theta, H, error, sizeof error) : NULL;
    if (f) {
        f->start = start;
        *reason = NULL;
        return f;
    }
    free(start->mu0);
    free(start);
    return NULL;
}

const char *finite_small_reason(const exact *x)
{
    const char *reason;
    finite_free(finite_small(x, &reason));
    return reason;
}

void finite_small_describe(const finite_horizon *f, FILE *out)
{
    const mdp *M = f->M;
    fprintf(out, "H = %d, gamma %.15g, %.0f trajectories: the longest horizon up to %d with at most %d of them, and"
            " %d states\nat all times; they start, equally likely, where pi's actions differ most (E|A|), not where"
            " the MDP does:\nstate", f->H, f->gamma, enumerate_count(M, f->x->pi, f->H), FINITE_HORIZON,
            FINITE_TRAJECTORIES, FINITE_STATES);
    for (int s = 0, found = 0; s < M->nS; s++) {
        if (!(M->mu0[s] > 0)) continue;
        fprintf(out, "%s %d", found++ ? "," : "", s);
        if (M->state_name) fprintf(out, " (%s)", M->state_name[s]);
    }
    putc('\n', out);
}

double finite_scale(const finite_horizon *f)
{
    double W = 0, gamma_t = 1;
    for (int t = 0; t < f->H; t++, gamma_t *= f->gamma)
        W += gamma_t * linalg_max_abs(f->M->row[f->M->nS * f->M->nA], f->M->R);
    return fmax(1, W);
}

double finite_unit_gradient(const finite_horizon *f, double c)
{
    return DBL_EPSILON * fmax(f->M->nS, 4) * f->H * f->H * finite_scale(f) * c;
}

double finite_room(const finite_horizon *f, double c)
{
    return enumerate_defect(f->M) * f->H * f->H * finite_scale(f) * c;
}
