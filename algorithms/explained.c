/* What explanations print alike: see explained.h. */
#include "algorithms/explained.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/critic.h"
#include "autodiff/require.h"

static env *short_env(const char *id)
{
    char error[256];
    env *e = env_make(id, 5, error, sizeof error);
    require(e, "%s", error);
    return e;
}

env *explained_env(void) { return short_env("E5x"); }
env *explained_box(void) { return short_env("lqr"); }

int explained_state(const rollout *b, int t)
{
    int s = 0;
    while (b->s[t * b->d + s] != 1) s++;
    return s;
}

void explained_logp(const policy *p, const double *theta, const rollout *b, double *logp)
{
    ad_tape *t = ad_tape_new();
    ad x = ad_input(t, theta, p->n, 1), s = ad_input(t, b->s, b->T, b->d);
    memcpy(logp, ad_value(policy_logp(t, p, x, s, b->a, b->index)), (size_t)b->T * sizeof *logp);
    ad_tape_free(t);
}

static void print_row(FILE *out, const char *before, const double *x, int n)
{
    fputs(before, out);
    for (int a = 0; a < n; a++) fprintf(out, " %8.4f", x[a] + 0.0);          /* no -0 */
}

void explained_table(FILE *out, const char *name, const policy *p, const double *g, const double *before,
                     const double *after)
{
    int width = 9 * p->nA, room = width - (int)strlen(name) - 2;
    fprintf(out, "   s %*s    %s %*s    %s after\n", -width, " g", name, -room, "before", name);
    for (int s = 0; s <= p->d; s++) {
        if (s < p->d) fprintf(out, "%4d ", s);
        else          fprintf(out, "   b ");
        print_row(out, "", g + s * p->nA, p->nA);
        print_row(out, "   ", before + s * p->nA, p->nA);
        print_row(out, "   ", after + s * p->nA, p->nA);
        putc('\n', out);
    }
}

void explained_theta(FILE *out, const policy *p, const double *g, const double *before, const double *after)
{
    explained_table(out, "theta", p, g, before, after);
}

/* What is printed as 0 has no sign */
static double as_printed(double x) { return fabs(x) < 5e-6 ? 0 : x; }

void explained_vector(FILE *out, size_t n, const char *const name[], const double *g, const double *before,
                      const double *after)
{
    fprintf(out, "%21s %9s %9s %9s\n", "", "g", "before", "after");
    for (size_t i = 0; i < n; i++)
        fprintf(out, "%21s %9.5f %9.5f %9.5f\n", name[i], as_printed(g[i]), as_printed(before[i]),
                as_printed(after[i]));
}

void explained_V(FILE *out, const char *name, int n, const double *g, const double *before, const double *after)
{
    fprintf(out, "%13s", "s");
    for (int i = 0; i < n - 1; i++) fprintf(out, " %8d", i);
    fprintf(out, " %8s\n", "b");
    print_row(out, "            g", g, n);
    fprintf(out, "\n%6s before", name);
    print_row(out, "", before, n);
    fprintf(out, "\n%7s after", name);
    print_row(out, "", after, n);
    putc('\n', out);
}

void explained_segments(FILE *out, const rollout *b, const double *V, const double *V_end, const double *A,
                        const double *logp)
{
    fprintf(out, "\nworker   t  s_t  a_t %9s %9s %9s %17s\n", "r_t", "V(s_t)", "A_t", "log pi(a_t|s_t)");
    for (int i = 0; i < b->segments; i++) {
        const segment *g = &b->segment[i];
        for (int t = 0, k = g->first; t < g->T; t++, k++)
            fprintf(out, "%6d %3d %4d %4d %9.5f %9.5f %9.5f %17.5f\n", g->worker, t, explained_state(b, k),
                    b->index[k], b->r[k], V[k], A[k], logp[k]);
        fprintf(out, "%9s: V_end = %.5f, %s\n", "then", V_end[i],
                g->terminated ? "the episode terminated"
                : g->truncated ? "cut by the time limit" : "cut by the batch");
    }
}

void explained_samples(FILE *out, const rollout *b, const samples *D, const double *V_end,
                       const char *normalised)
{
    fprintf(out, "\nactor  t  s_t  a_t %9s %9s %9s %9s %13s\n", "r_t", "V(s_t)", "A_t", "R_t", "ln pi_old");
    for (int i = 0; i < b->segments; i++) {
        const segment *g = &b->segment[i];
        for (int t = 0, k = g->first; t < g->T; t++, k++)
            fprintf(out, "%5d %2d %4d %4d %9.5f %9.5f %9.5f %9.5f %13.5f\n", g->worker, t,
                    explained_state(b, k), b->index[k], b->r[k], D->V_old[k], D->A[k], D->R[k], D->logp_old[k]);
        if (g->terminated) fprintf(out, "%9s: V = 0, the episode terminated\n", "then");
        else fprintf(out, "%9s: V(s) = %.5f, cut by the %s\n", "then", V_end[i],
                     g->truncated ? "time limit" : "batch");
    }
    fprintf(out, "PPO-17   A_t = delta_t + gamma lambda A_t+1, delta_t = r_t + gamma V(s_t+1) - V(s_t);"
            " R_t = A_t + V(s_t)\n");
    if (strcmp(normalised, "off") != 0)
        fprintf(out, "         each %s of A_t with mean 0 and standard deviation 1\n", normalised);
}

double explained_V_error(ad_tape *t, const network *f, const double *phi, const rollout *b, const double *R)
{
    double *V = allocate((size_t)b->T, sizeof *V, "V"), sum = 0;
    critic_values(t, f, phi, b->T, b->s, V);
    for (int k = 0; k < b->T; k++) sum += (V[k] - R[k]) * (V[k] - R[k]);
    free(V);
    return sum / b->T;
}

void explained_rmsprop(FILE *out, double alpha, double eps, bool outside)
{
    fprintf(out, "A3C-28   RMSProp: v <- %g v + %g g^2, 0 before; its step is alpha g / %s%g)\n", alpha, 1 - alpha,
            outside ? "(sqrt(v) + " : "sqrt(v + ", eps);
}
