/* `ascent lqr FILE [--gain FILE]`: J, P and dJ/dK of a linear policy on a linear-quadratic regulator, and the best
 * one, alone without a gain; as text or as the JSON object of the contract. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "autodiff/json.h"
#include "autodiff/linalg.h"
#include "autodiff/options.h"
#include "autodiff/require.h"
#include "derivations/commands.h"
#include "derivations/lqr_exact.h"

static void print_json(const lqr_exact *x, const lqr_exact *best)
{
    json_t *o = json_checked(json_object());
    json_set(o, "J", json_number(x->J));
    json_set(o, "P", json_matrix(x->n, x->n, x->P));
    json_set(o, "constant", json_number(x->v0));
    json_set(o, "spectral_radius", json_number(x->radius));
    json_set(o, "gradient", json_matrix(x->m, x->n, x->gradient));
    json_set(o, "optimal_gain", best ? json_matrix(x->m, x->n, best->K) : json_checked(json_null()));
    json_set(o, "optimal_J", best ? json_number(best->J) : json_checked(json_null()));
    json_print(o);
}

static void print_matrix(const char *title, int r, int c, const double *X)
{
    printf("\n%s\n", title);
    for (int i = 0; i < r; i++)
        for (int j = 0; j < c; j++) printf(" %14.8g%s", X[i * c + j], j == c - 1 ? "\n" : "");
}

/* residual: of Riccati's equation at the best gain; why_not: there is none */
static void print_text(const char *path, const lqr_exact *x, const lqr_exact *best, double residual,
                       const char *why_not)
{
    char title[80];
    printf("%s: %d state%s, %d action%s, gamma %.15g\n", path, x->n, x->n == 1 ? "" : "s", x->m,
           x->m == 1 ? "" : "s", x->L->gamma);
    printf("J = %.17g, right to %.1e; spectral radius of sqrt(gamma) (A - B K): %.6g\n", x->J, 10 * x->unit_J,
           x->radius);
    snprintf(title, sizeof title, "P, V(x) = -(x^T P x + %.8g)", x->v0);
    print_matrix(title, x->n, x->n, x->P);
    print_matrix("dJ/dK", x->m, x->n, x->gradient);
    if (!best) {
        printf("\nno optimum: %s\n", why_not);
        return;
    }
    print_matrix("optimal gain", x->m, x->n, best->K);
    printf("\noptimal J = %.17g, right to %.1e\n", best->J, 10 * best->unit_J);
    double gradient = linalg_max_abs(x->m * x->n, best->gradient);
    printf("there max |dJ/dK| is %.2g units, the residual of Riccati's equation %.1e\n",
           gradient > 0 ? gradient / best->unit_gradient : 0, residual);
}

int lqr_command(int argc, char **argv)
{
    const char *gain = NULL;
    bool json = false;
    const option table[] = {
        { "--gain", "FILE", "K of the policy u = -K x: CSV, one row for each action (the best one)", &gain, NULL },
        { "--json", NULL, "one JSON object: J, P, constant, spectral_radius, gradient, optimal_gain, optimal_J",
          NULL, &json },
        { NULL, NULL, NULL, NULL, NULL } };
    int left = options_parse(argc, argv, "lqr FILE [--gain FILE] [--json]",
        "A linear policy u = -K x on a linear-quadratic regulator, exactly: J, P of V(x) = -(x^T P x + constant),\n"
        "the gradient dJ/dK, the spectral radius of sqrt(gamma) (A - B K), and the best gain. The system,\n"
        "x' = A x + B u + w with rewards -(x^T Q x + u^T R u), is a text of named blocks, one row of a matrix\n"
        "per line, # for comments:\n\n"
        "    discount: 0.95\n"
        "    A: 1 0.1          n x n: where x goes by itself\n"
        "       0 1\n"
        "    B: 0              n x m: what the actions do\n"
        "       0.1\n"
        "    Q: 1 0            n x n, positive semidefinite: the cost of x\n"
        "       0 0.1\n"
        "    R: 0.01           m x m, positive definite: the cost of u\n"
        "    W: 0 0            n x n: the covariance of the noise w; 0 where it is missing\n"
        "       0 0.001\n"
        "    mean: 1 0         the start: its mean, and\n"
        "    Sigma0: 0.1 0     n x n: its covariance; one of the two must be there, the other is 0 where missing\n"
        "            0 0.1\n\n"
        "The file's name ends in .lqr: then `train --env FILE --limit T` acts in it, too. chapters/examples has"
        " some.\nWhere no optimum exists it is null.", table);
    if (left != 1) bad_input("lqr: expected one file of a regulator, found %d", left);

    char error[512], why_not[512];
    lqr_system *L = lqr_system_read(argv[1], error, sizeof error);
    if (!L) bad_input("%s", error);
    double *K = allocate((size_t)(L->m * L->n), sizeof *K, "a gain");
    if (gain && !lqr_gain_read(gain, L, K, error, sizeof error)) bad_input("%s", error);
    lqr_exact *x = gain ? lqr_exact_new(L, K, NULL, error, sizeof error) : NULL;
    if (gain && !x) bad_input("%s: %s; without --gain it is the best one, if there is one", gain, error);
    lqr_exact *best = lqr_optimum(L, why_not, sizeof why_not);
    if (!gain && !best)
        bad_input("%s: expected --gain FILE, stable, as no stable gain is the best: %s", argv[1], why_not);
    double residual = best ? lqr_riccati_residual(best) : 0;       /* before anything is printed */
    if (json) print_json(gain ? x : best, best);
    else      print_text(argv[1], gain ? x : best, best, residual, why_not);

    lqr_exact_free(x);
    lqr_exact_free(best);
    lqr_system_free(L);
    free(K);
    return EXIT_HELD;
}
