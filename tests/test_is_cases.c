/* Importance sampling against numbers of 60 digits, in any folder of the format of tests/reference:
 *
 *   test_is_cases [DIR]      DIR/is/discrete.csv, discrete_exact.csv, gaussian.csv
 *
 * through derivations/importance.h, which the derivations use. Prints `name error limit PASS|FAIL` for each number of
 * each case; infinite ones must be infinite. Errors are absolute; limits, from what each formula adds up. */
#include <float.h>
#include <gsl/gsl_math.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"
#include "derivations/importance.h"

enum { FIELDS = 40, LINE = 2048, PATH_SIZE = 1024, MOST = 1000 };
static int passed, failed;

static void report(const char *name, const char *what, double found, double want, double limit)
{
    bool ok = isinf(want) ? found == want : fabs(found - want) <= limit;
    printf("is/%s/%s %.3g %.3g %s\n", name, what, isinf(want) && ok ? 0 : fabs(found - want),
        isinf(want) ? 0 : limit,
           ok ? "PASS" : "FAIL");
    ok ? passed++ : failed++;
}

/* ---- a CSV file: comments, a header, rows ---- */

struct csv {
    FILE *f;
    const char *path;
    char header[LINE], row[LINE];
    char *name[FIELDS], *field[FIELDS];
    int n;
};

static int split(char *line, char *field[FIELDS])
{
    int n = 0;
    line[strcspn(line, "\r\n")] = '\0';
    for (char *p = line; p && n < FIELDS; n++) {
        field[n] = p;
        if ((p = strchr(p, ','))) *p++ = '\0';
    }
    return n;
}

static bool next_row(struct csv *c)
{
    while (fgets(c->row, LINE, c->f)) {
        if (c->row[0] == '#') continue;
        if (split(c->row, c->field) != c->n) bad_input("%s: a row of other fields than the header", c->path);
        return true;
    }
    return false;
}

static struct csv csv_open(const char *dir, const char *name, char path[PATH_SIZE])
{
    struct csv c = { .path = path };
    snprintf(path, PATH_SIZE, "%s/is/%s.csv", dir, name);
    c.f = fopen(path, "r");
    if (!c.f) bad_input("%s: cannot be opened", path);
    return c;
}

static void csv_header(struct csv *c)
{
    while (fgets(c->header, LINE, c->f))
        if (c->header[0] != '#') break;
    c->n = split(c->header, c->name);
}

static const char *text(const struct csv *c, const char *name)
{
    for (int i = 0; i < c->n; i++)
        if (strcmp(c->name[i], name) == 0) return c->field[i];
    bad_input("%s: no column %s", c->path, name);
}

static double number(const struct csv *c, const char *name)
{
    char *end;
    const char *field = text(c, name);
    double x = strtod(field, &end);
    if (end == field || *end) bad_input("%s: expected a number in column %s, found \"%s\"", c->path, name, field);
    return x;
}

/* ---- discrete ---- */

struct table { int n; double p[MOST], q[MOST], f[MOST]; };

static struct table case_of(const char *dir, const char *name)
{
    char path[PATH_SIZE];
    struct table x = { 0 };
    struct csv c = csv_open(dir, "discrete", path);
    csv_header(&c);
    while (next_row(&c)) {
        if (strcmp(text(&c, "case"), name) != 0) continue;
        if (x.n == MOST) bad_input("%s: more than %d rows of %s", path, MOST, name);
        x.p[x.n] = number(&c, "p"), x.q[x.n] = number(&c, "q"), x.f[x.n++] = number(&c, "f");
    }
    fclose(c.f);
    return x;
}

/* A sum of n numbers is right to n u times the sum of their sizes: here those of f, f^2, (w f)^2, w^2 and so on. A
 * variance is about a mean that is itself off by that much; 4 of these units for the roundings of each number. */
static void check_discrete(const char *dir, const struct csv *c)
{
    struct table x = case_of(dir, text(c, "case"));
    double f = 0, f2 = 0, wf2 = 0, w2 = 0, log_w = 0, unit = 4 * (x.n + 2) * DBL_EPSILON;
    importance found = importance_discrete(x.n, x.p, x.q, x.f);
    for (int i = 0; i < x.n; i++) {
        double w = x.q[i] > 0 ? x.p[i] / x.q[i] : 0;
        f = fmax(f, fabs(x.f[i])), f2 += x.p[i] * x.f[i] * x.f[i];
        wf2 += x.q[i] * w * w * x.f[i] * x.f[i], w2 += x.q[i] * w * w;
        if (w > 0) log_w += (x.p[i] + x.q[i]) * (1 + fabs(log(w)));
    }
    double self = unit * (wf2 + w2 * f * f) / (found.mean_w * found.mean_w);
    const struct { const char *name; double found, limit; } all[] = {
        { "E_p_f", found.mean_f, unit * f }, { "Var_p_f", found.var_f, unit * f2 },
        { "E_q_wf", found.mean_wf, unit * f }, { "Var_q_wf", found.var_wf, unit * wf2 },
        { "E_q_w", found.mean_w, unit }, { "Var_q_w", found.var_w, unit * w2 },
        { "ess_fraction", found.ess, unit * found.ess }, { "kl_p_q", found.kl_pq, unit * log_w },
        { "kl_q_p", found.kl_qp, unit * log_w }, { "tv", found.tv, unit },
        { "max_w", found.max_w, unit * found.max_w },
        { "snis_bias_n1", found.self_bias, unit * f }, { "snis_asym_var", found.self_var, self } };
    if (x.n != (int)number(c, "n")) bad_input("%s: expected %g rows of %s in discrete.csv, found %d", c->path,
                                              number(c, "n"), text(c, "case"), x.n);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        report(text(c, "case"), all[i].name, all[i].found, number(c, all[i].name), all[i].limit);
    report(text(c, "case"), "covered", found.covered, !isinf(number(c, "kl_p_q")), 0);
}

/* ---- Gaussians ---- */

static enum importance_f f_of(const struct csv *c)
{
    static const char *const name[] = { "one", "x", "x2", "exp", "indicator_x_gt" };
    for (int f = 0; f < 5; f++)
        if (strcmp(text(c, "f"), name[f]) == 0) return (enum importance_f)f;
    bad_input("%s: expected f of one, x, x2, exp, indicator_x_gt, found \"%s\"", c->path, text(c, "f"));
}

static void check_gaussian(const struct csv *c)
{
    importance_gaussians g = { number(c, "m1"), number(c, "s1"), number(c, "m2"), number(c, "s2"), f_of(c),
                               number(c, "t") };
    char name[LINE];
    importance found = importance_gaussian(&g);
    double u = 4 * DBL_EPSILON, square = found.var_f + found.mean_f * found.mean_f;
    double of_f = 5 + g.m1 * g.m1 / (g.s1 * g.s1) + fabs(g.t) * (fabs(g.m1) + g.s1 * fabs(g.t))
                + gsl_pow_2(g.t / g.s1) * (g.f == IMPORTANCE_ABOVE);
    double wf2 = found.var_wf + found.mean_f * found.mean_f, condition = importance_gaussian_condition(&g);
    double apart = gsl_pow_2(g.m1 - g.m2) / fmin(g.s1 * g.s1, g.s2 * g.s2)
                 + fmax(gsl_pow_2(g.s1 / g.s2), gsl_pow_2(g.s2 / g.s1));
    const struct { const char *name; double found, limit; } all[] = {
        { "E_p_f", found.mean_f, u * of_f * (fabs(found.mean_f) + fabs(g.m1)) },
        { "Var_p_f", found.var_f, u * of_f * square },
        { "Var_q_wf", found.var_wf, u * (condition * wf2 + of_f * square) },
        { "Var_q_w", found.var_w, u * condition * (1 + found.var_w) },
        { "kl_p_q", found.kl_pq, u * (2 + apart) }, { "kl_q_p", found.kl_qp, u * (2 + apart) } };
    snprintf(name, sizeof name, "%s/%s", text(c, "case"), text(c, "f"));
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        report(name, all[i].name, all[i].found, number(c, all[i].name), all[i].limit);
}

int main(int argc, char **argv)
{
    if (argc > 2 || (argc == 2 && argv[1][0] == '-')) bad_input("usage: test_is_cases [DIR]");
    const char *dir = argc == 2 ? argv[1] : "tests/reference";
    char path[PATH_SIZE];
    struct csv c = csv_open(dir, "discrete_exact", path);
    csv_header(&c);
    while (next_row(&c)) check_discrete(dir, &c);
    fclose(c.f);
    c = csv_open(dir, "gaussian", path);
    csv_header(&c);
    while (next_row(&c)) check_gaussian(&c);
    fclose(c.f);
    printf("%d passed, %d failed\n", passed, failed);
    finish(failed || !passed ? EXIT_CHECK_FAILED : EXIT_HELD);
}
