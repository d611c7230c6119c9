/* score DIR [--greedy]   The score of a trained policy on a finite MDP: its exact J, at the MDP's own discount, in
 * which there is no chance. --greedy: of its most likely actions, for what learns values. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithms/trained.h"
#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "derivations/exact.h"

/* log pi(a|s) of all s and a; logits [nS x nA] */
static void logits_of(const trained *w, double *logits)
{
    const int nS = w->e->observation.n, nA = w->e->action.n, n = nS * nA;
    double *s = allocate((size_t)n * (size_t)nS, sizeof *s, "observations");         /* [n x nS] one-hot */
    int *a = allocate((size_t)n, sizeof *a, "actions");
    for (int i = 0; i < n; i++) {
        s[i * nS + i / nA] = 1;
        a[i] = i % nA;
    }
    ad_tape *t = ad_tape_new();
    ad logp = policy_logp(t, &w->p, ad_input(t, w->theta, w->p.n, 1), ad_input(t, s, n, nS), NULL, a);
    memcpy(logits, ad_value(logp), (size_t)n * sizeof *logits);
    ad_tape_free(t);
    free(s);
    free(a);
}

/* The most likely action, or that of the greatest value, for certain: e^-800 is 0 */
static void logits_of_greedy(const trained *w, double *logits)
{
    const int nS = w->e->observation.n, nA = w->e->action.n;
    for (int s = 0; s < nS; s++) {
        double *x = allocate((size_t)nS, sizeof *x, "an observation"), best;
        x[s] = 1;
        actor_mode(w->pi, x, &best);
        for (int a = 0; a < nA; a++) logits[s * nA + a] = a == (int)best ? 0 : -800;
        free(x);
    }
}

int main(int argc, char **argv)
{
    char error[2048];
    bool greedy = argc == 3 && strcmp(argv[2], "--greedy") == 0;
    if (argc != 2 + greedy) bad_input("usage: score DIR [--greedy]");
    linalg_start();
    trained *w = trained_read(argv[1], greedy);
    mdp *M = mdp_open(w->e->id, error, sizeof error);
    if (!M) bad_input("%s", error);
    double *logits = allocate((size_t)(M->nS * M->nA), sizeof *logits, "logits");
    if (greedy) logits_of_greedy(w, logits);
    else        logits_of(w, logits);
    exact *x = exact_new(M, M->gamma, logits, error, sizeof error);
    if (!x) bad_input("%s", error);
    printf("%.6g\n", x->J);
    exact_free(x);
    free(logits);
    mdp_free(M);
    trained_free(w);
    finish(EXIT_HELD);
}
