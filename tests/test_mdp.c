/* Finite MDPs: the reader of Cassandra's format against reference data and against a table of malformed
 * files, the built-in MDPs, the builder.
 *     test_mdp [pattern]       runs the tests whose names match */
#include <errno.h>
#include <glob.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "autodiff/random.h"
#include "autodiff/require.h"
#include "envs/mdp.h"

#ifndef REFERENCE
#define REFERENCE "tests/reference"
#endif
#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

/* --------------------------------------------------------------------------------- reading, comparing */

static mdp *parse(const char *text)
{
    char error[256] = "";
    mdp *M = mdp_parse("m", text, strlen(text), error, sizeof error);
    if (!M) fail_msg("%s", error);
    return M;
}

static mdp *read_mdp(const char *path)
{
    char error[512] = "";
    mdp *M = mdp_read(path, error, sizeof error);
    if (!M) fail_msg("%s", error);
    return M;
}

/* P(s1|s,a), and r(s,a,s1) in *R; 0 where nothing is stored */
static double P_of(const mdp *M, int s, int a, int s1, double *R)
{
    const int *row = &M->row[s * M->nA + a];
    for (int k = row[0]; k < row[1]; k++)
        if (M->next[k] == s1) {
            if (R) *R = M->R[k];
            return M->P[k];
        }
    if (R) *R = 0;
    return 0;
}

static double R_of(const mdp *M, int s, int a, int s1)
{
    double R;
    assert_true(P_of(M, s, a, s1, &R) > 0);
    return R;
}

static void assert_same_table(const mdp *M, const mdp *N, double tol_P, double tol_R)
{
    assert_int_equal(M->nS, N->nS);
    assert_int_equal(M->nA, N->nA);
    for (int s = 0; s < M->nS; s++) assert_true(fabs(M->mu0[s] - N->mu0[s]) <= tol_P);
    for (int i = 0; i <= M->nS * M->nA; i++) assert_int_equal(M->row[i], N->row[i]);
    for (int k = 0; k < M->row[M->nS * M->nA]; k++) {
        assert_int_equal(M->next[k], N->next[k]);
        assert_true(fabs(M->P[k] - N->P[k]) <= tol_P);
        assert_true(fabs(M->R[k] - N->R[k]) <= tol_R * fmax(1, fabs(N->R[k])));
    }
}

/* What mdp.h promises of every table. */
static void assert_valid(const mdp *M)
{
    double start = 0;
    for (int s = 0; s < M->nS; s++) start += M->mu0[s];
    assert_true(fabs(start - 1) <= 1e-9);
    assert_true(M->gamma >= 0 && M->gamma <= 1);
    for (int i = 0; i < M->nS * M->nA; i++) {
        double sum = 0;
        for (int k = M->row[i]; k < M->row[i + 1]; k++) {
            assert_true(M->P[k] > 0 && M->P[k] <= 1 && isfinite(M->R[k]));
            assert_true(M->next[k] < M->nS && (k == M->row[i] ? 0 : M->next[k - 1] + 1) <= M->next[k]);
            sum += M->P[k];
        }
        assert_true(fabs(sum - 1) <= 1e-9);
    }
}

enum { PATH_SIZE = 512, FILES_MAX = 128 };
static char stem[FILES_MAX][PATH_SIZE];         /* paths without their endings */

static const char *path_of(char path[PATH_SIZE], const char *base, const char *ending)
{
    int n = snprintf(path, PATH_SIZE, "%s.%s", base, ending);
    assert_true(n > 0 && n < PATH_SIZE);
    return path;
}

/* Fills stem with the .mdp files that match; how many there are. */
static int find_files(const char *pattern)
{
    glob_t g;
    assert_int_equal(glob(pattern, 0, NULL, &g), 0);
    int n = (int)g.gl_pathc;
    assert_true(n > 0 && n < FILES_MAX);
    for (int i = 0; i < n; i++) {
        size_t length = strlen(g.gl_pathv[i]) - strlen(".mdp");
        assert_true(length < PATH_SIZE);
        memcpy(stem[i], g.gl_pathv[i], length);
        stem[i][length] = '\0';
    }
    globfree(&g);
    return n;
}

static mdp *read_stem(const char *base)
{
    char path[PATH_SIZE];
    return read_mdp(path_of(path, base, "mdp"));
}

/* --------------------------------------------------------------------------------------- built-in ones */

static void test_lakes(void **state)
{
    (void)state;
    static const char *const pair[][2] = { { "FrozenLake-v1", REFERENCE "/mdp/fl4_slip" },
                                           { "FrozenLake8x8-v1", REFERENCE "/mdp/fl8_slip" } };
    for (int i = 0; i < COUNT(pair); i++) {
        mdp *M = mdp_builtin(pair[i][0]), *N = read_stem(pair[i][1]);
        assert_string_equal(M->name, pair[i][0]);
        assert_true(M->gamma == N->gamma);
        assert_same_table(M, N, 0, 0);
        assert_true(mdp_absorbing(M, M->nS - 1) && !mdp_absorbing(M, 0));
        mdp_free(M);
        mdp_free(N);
    }
}

static void test_E5(void **state)
{
    (void)state;
    mdp *M = mdp_builtin("E5");
    assert_valid(M);
    assert_int_equal(M->nS, 5);
    assert_int_equal(M->nA, 3);
    assert_true(M->gamma == 0.9);
    for (int s = 0; s < 5; s++) {
        assert_true(M->mu0[s] == (s + 1) / 15.0);
        for (int a = 0; a < 3; a++) {
            double w[5], total = 0, r = sin(1 + 2 * s + 3 * a);
            for (int j = 0; j < 5; j++) {
                w[j] = 1 + pow((3 * s + 5 * a + 7 * j + s * a * j) % 6, 2);
                total += w[j];
            }
            for (int j = 0; j < 5; j++) {
                assert_true(P_of(M, s, a, j, NULL) == w[j] / total);
                assert_true(R_of(M, s, a, j) == r);
            }
            assert_true(fabs(mdp_reward(M, s, a) - r) <= 1e-15);
        }
    }
    mdp_free(M);
}

static void test_open(void **state)
{
    (void)state;
    char error[512], list[512], want[600];
    for (int i = 0; mdp_builtin_name(i); i++) {
        mdp *M = mdp_open(mdp_builtin_name(i), error, sizeof error);
        assert_non_null(M);
        assert_string_equal(M->name, mdp_builtin_name(i));
        assert_valid(M);
        mdp_free(M);
    }
    mdp *M = mdp_open(REFERENCE "/mdp/rw5.mdp", error, sizeof error);
    assert_non_null(M);
    assert_string_equal(M->name, REFERENCE "/mdp/rw5.mdp");
    assert_null(M->state_name);
    assert_string_equal(M->action_name[0], "left");
    assert_string_equal(M->action_name[1], "right");
    mdp_free(M);

    assert_null(mdp_open("FrozenLake-v9", error, sizeof error));
    mdp_builtin_list(list, sizeof list);
    snprintf(want, sizeof want, "FrozenLake-v9: expected a .mdp file or one of %s", list);
    assert_string_equal(error, want);
    assert_null(mdp_open("no/such.mdp", error, sizeof error));
    assert_string_equal(error, "no/such.mdp: No such file or directory");
    assert_null(mdp_open("./", error, sizeof error));
    assert_string_equal(error, "./: Is a directory");
    assert_null(mdp_open(REFERENCE "/mdp/index.csv", error, 12));       /* a short buffer cuts */
    assert_int_equal(strlen(error), 11);
    mdp_free(NULL);
}

static void test_unreadable_file(void **state)
{
    (void)state;
    if (geteuid() == 0) skip();
    char path[] = "/tmp/test_mdp_XXXXXX", error[256], want[256];
    int fd = mkstemp(path);
    assert_true(fd >= 0 && fchmod(fd, 0) == 0);
    close(fd);
    assert_null(mdp_read(path, error, sizeof error));
    unlink(path);
    snprintf(want, sizeof want, "%s: Permission denied", path);
    assert_string_equal(error, want);
}

static void test_builder(void **state)
{
    (void)state;
    mdp_builder *b = mdp_begin("b", 2, 1, 1);
    mdp_start(b, 1, 1);
    mdp_transition(b, 1, 0, 1, 1, 0);
    mdp_transition(b, 0, 0, 1, 0.25, 4);
    mdp_transition(b, 0, 0, 0, 0.5, 0.1);
    mdp_transition(b, 0, 0, 1, 0, 7);
    mdp_transition(b, 0, 0, 1, 0.125, 1);
    mdp_transition(b, 0, 0, 1, 0.125, 1);
    mdp *M = mdp_finish(b);
    assert_valid(M);
    assert_true(P_of(M, 0, 0, 1, NULL) == 0.5 && R_of(M, 0, 0, 1) == 2.5 && R_of(M, 0, 0, 0) == 0.1);
    assert_true(fabs(mdp_reward(M, 0, 0) - 1.3) <= 1e-15);
    assert_true(mdp_absorbing(M, 1) && !mdp_absorbing(M, 0));
    mdp_free(M);
}

/* -------------------------------------------------------------------------------------- the grammar */

/* One state and one action that differ in what stands between. */
#define ONE "discount: 1\nstates: 1\nactions: 1\nT: 0 : 0 : 0 1\n"
#define TWO "discount: 0.5\nstates: x y\nactions: a b\n"

static void test_numbers(void **state)
{
    (void)state;
    static const struct { const char *text; double x; } number[] = {
        { "0.1", 0.1 }, { "+1", 1 }, { "-.5", -0.5 }, { "5.", 5 }, { "1e3", 1e3 }, { "1.5E-2", 0.015 },
        { "2.2250738585072011e-308", 2.2250738585072011e-308 }, { "4.9e-324", 0x1p-1074 },
        { "9007199254740993", 9007199254740992 },
        { "9007199254740993.00000000000000000000000001", 9007199254740994 },
        { "1.7976931348623157e308", 1.7976931348623157e308 }, { "1e-400", 0 }, { "007", 7 },
        { "0.1000000000000000055511151231257827021181583404541015625", 0.1 },
        { "0.10000000000000000000000000000000000000000000000000000000000000000000000000001", 0.1 } };
    for (int i = 0; i < COUNT(number); i++) {
        char text[256];
        snprintf(text, sizeof text, ONE "R: 0 : 0 : 0 : * %s", number[i].text);
        mdp *M = parse(text);
        assert_true(R_of(M, 0, 0, 0) == number[i].x);
        mdp_free(M);
    }
}

static void test_start_forms(void **state)
{
    (void)state;
    static const struct { const char *text; double p, q; } start[] = {
        { "", 0.5, 0.5 }, { "start: uniform", 0.5, 0.5 }, { "start: y", 0, 1 }, { "start: 0", 1, 0 },
        { "start: 1", 0, 1 }, { "start: 0 1", 0, 1 }, { "start: 0.25\n0.75", 0.25, 0.75 },
        { "start include: y", 0, 1 }, { "start include: 1 x y 0", 0.5, 0.5 },
        { "start exclude : y y 1", 1, 0 },
        { "start:1.0000000005 0", -1, -1 }, { "start: 1 5e-10", 1, 5e-10 } };
    for (int i = 0; i < COUNT(start); i++) {
        char text[256], error[256];
        snprintf(text, sizeof text, TWO "%s\nT: * identity", start[i].text);
        mdp *M = mdp_parse("m", text, strlen(text), error, sizeof error);
        assert_true(start[i].p < 0 ? !M : M && M->mu0[0] == start[i].p && M->mu0[1] == start[i].q);
        mdp_free(M);
    }
    static const char *const lone[] = {
         "start: 0", "start: 1", "start: 1.0", "start: uniform", "start include: 0" };
    for (int i = 0; i < COUNT(lone); i++) {
        char text[256];
        snprintf(text, sizeof text, ONE "%s\n", lone[i]);
        mdp *M = parse(text);
        assert_true(M->mu0[0] == 1);
        mdp_free(M);
    }
}

static void test_T_forms(void **state)
{
    (void)state;
    static const struct { const char *text; double P[2][2][2]; } T[] = {                /* [s][a][s1] */
        { "T: * uniform", { { { .5, .5 }, { .5, .5 } }, { { .5, .5 }, { .5, .5 } } } },
        { "T: * identity", { { { 1, 0 }, { 1, 0 } }, { { 0, 1 }, { 0, 1 } } } },
        { "T: * : * : * 0.5", { { { .5, .5 }, { .5, .5 } }, { { .5, .5 }, { .5, .5 } } } },
        { "T: *\n0 1 1 0", { { { 0, 1 }, { 0, 1 } }, { { 1, 0 }, { 1, 0 } } } },
        { "T:*:* 0.25 0.75", { { { .25, .75 }, { .25, .75 } }, { { .25, .75 }, { .25, .75 } } } },
        { "T: * uniform T: a identity T: 1 : y : x 1 T: b:y:1 0",
          { { { 1, 0 }, { .5, .5 } }, { { 0, 1 }, { 1, 0 } } } },
        { "start: 0.25 0.75 T: * : * reset T: a : x uniform",
          { { { .5, .5 }, { .25, .75 } }, { { .25, .75 }, { .25, .75 } } } },
        { "T: * : * : y 1 T: * identity", { { { 1, 0 }, { 1, 0 } }, { { 0, 1 }, { 0, 1 } } } },
        { "T: * : * : y 1 T: b 1 0 1 0", { { { 0, 1 }, { 1, 0 } }, { { 0, 1 }, { 1, 0 } } } },
        { "T: * : * : y 1 T: * : x : y 0 T: * : x : x 1",
          { { { 1, 0 }, { 1, 0 } }, { { 0, 1 }, { 0, 1 } } } } };
    for (int i = 0; i < COUNT(T); i++) {
        char text[256];
        snprintf(text, sizeof text, TWO "%s", T[i].text);
        mdp *M = parse(text);
        assert_valid(M);
        for (int s = 0; s < 2; s++)
            for (int a = 0; a < 2; a++)
                for (int s1 = 0; s1 < 2; s1++) assert_true(P_of(M, s, a, s1, NULL) == T[i].P[s][a][s1]);
        mdp_free(M);
    }
}

static void test_R_forms(void **state)
{
    (void)state;
    static const struct { const char *text; double R[2][2][2]; } R[] = {                /* [s][a][s1] */
        { "", { { { 0 } } } },
        { "R: a : x : y : * 3", { { { 0, 3 } } } },
        { "R: a : x : y : 0 3 R: b : 0 : 0 -2", { { { 0, 3 }, { -2, 0 } } } },
        { "values: cost R: a : x : y 3", { { { 0, -3 } } } },
        { "R: a : x : y 3 values: cost", { { { 0, -3 } } } },
        { "R: b : y 1 2", { { { 0 } }, { { 0 }, { 1, 2 } } } },
        { "R: b 1 2\n3 4", { { { 0 }, { 1, 2 } }, { { 0 }, { 3, 4 } } } },
        { "R: * : * : * 1 R: * : * : y 2 R: * : y : * 3 R: b : * : * 4 R: b : y : y 5",
          { { { 1, 2 }, { 4, 4 } }, { { 3, 3 }, { 4, 5 } } } },
        { "R: b : y : y 5 R: b : * : y 4 R: * : y : y 3 R: b : y : * 2 R: a : * : * 1 R: b : y : x 0",
          { { { 1, 1 }, { 0, 4 } }, { { 1, 1 }, { 0, 2 } } } } };
    for (int i = 0; i < COUNT(R); i++) {
        char text[256];
        snprintf(text, sizeof text, TWO "T: * uniform %s", R[i].text);
        mdp *M = parse(text);
        for (int s = 0; s < 2; s++)
            for (int a = 0; a < 2; a++)
                for (int s1 = 0; s1 < 2; s1++) assert_true(R_of(M, s, a, s1) == R[i].R[s][a][s1]);
        mdp_free(M);
    }
}

static void test_layout(void **state)
{
    (void)state;
    mdp *M = parse("\xEF\xBB\xBF#c\r\ndiscount:0.5#c\r\n"
                   "states:\xC3\xA9tat b-2_.\r\n\tactions : go# more\r\n stay\r\n"
                   "T:go:\xC3\xA9tat:b-2_. 1 T:stay:0 uniform\r\nT:*:b-2_.:1 1#\xFF end");
    assert_valid(M);
    assert_string_equal(M->state_name[0], "\xC3\xA9tat");
    assert_string_equal(M->state_name[1], "b-2_.");
    assert_string_equal(M->action_name[1], "stay");
    assert_true(P_of(M, 0, 0, 1, NULL) == 1 && P_of(M, 0, 1, 0, NULL) == 0.5);
    mdp_free(M);
}

/* Few statements about many states stay small and fast. */
static void test_large(void **state)
{
    (void)state;
    mdp *M = parse("discount: 1 states: 600000 actions: 3 T: * identity T: 1 : 7 : 7 0 T: 1 : 7 : 599999 1");
    assert_valid(M);
    assert_true(P_of(M, 7, 1, 599999, NULL) == 1 && P_of(M, 7, 0, 7, NULL) == 1);
    mdp_free(M);
}

/* What random statements mean, by a table of every cell that each of them overwrites in turn. */
enum { S_MAX = 5, A_MAX = 3 };
struct meaning { int nS, nA; double T[S_MAX][A_MAX][S_MAX], R[S_MAX][A_MAX][S_MAX]; };

/* -1 is '*'; x NULL: the identity */
static void assign(double table[S_MAX][A_MAX][S_MAX], const struct meaning *m, int s, int a, int s1,
                   const double *x)
{
    for (int i = 0; i < m->nS; i++)
        for (int b = 0; b < m->nA; b++)
            for (int j = 0; j < m->nS; j++)
                if ((s < 0 || i == s) && (a < 0 || b == a) && (s1 < 0 || j == s1))
                    table[i][b][j] = x ? x[j] : i == j;
}

static int star_or(gsl_rng *rng, int n)
{
    return gsl_rng_uniform_int(rng, 3) == 0 ? -1 : (int)gsl_rng_uniform_int(rng, (unsigned long)n);
}

static void print_index(FILE *f, int i)
{
    if (i < 0) fputs(" *", f);
    else fprintf(f, " %d", i);
}

/* "T" or "R" with one, two or three indices and its numbers, multiples of 1/8. */
static void random_statement(gsl_rng *rng, FILE *f, struct meaning *m, char what, unsigned long indices,
                             bool valid)
{
    double x[S_MAX] = { 0 }, (*table)[A_MAX][S_MAX] = what == 'T' ? m->T : m->R;
    int a = star_or(rng, m->nA), s = indices > 1 ? star_or(rng, m->nS) : -1;
    if (indices == 2 && what == 'R' && s < 0) s = 0;
    fprintf(f, "\n%c:", what);
    print_index(f, a);
    if (indices > 1) fputs(" :", f), print_index(f, s);
    if (what == 'T' && indices < 3 && gsl_rng_uniform_int(rng, 3) == 0) {
        bool identity = indices == 1 && gsl_rng_uniform_int(rng, 2);
        for (int j = 0; j < m->nS; j++) x[j] = 1.0 / m->nS;
        fputs(identity ? " identity" : indices == 2 && gsl_rng_uniform_int(rng, 2) ? " reset" : " uniform", f);
        assign(table, m, s, a, -1, identity ? NULL : x);
        return;
    }
    if (indices == 3) {
        int s1 = star_or(rng, m->nS);
        x[0] = (double)gsl_rng_uniform_int(rng, 9) / 8;
        for (int j = 0; j < m->nS; j++) x[j] = x[0];
        fputs(" :", f), print_index(f, s1);
        fprintf(f, "%s %g", what == 'R' && a < 0 ? " : *" : "", x[0]);
        assign(table, m, s, a, s1, x);
    }
    for (int i = indices == 1 ? 0 : s; indices < 3 && i < (indices == 1 ? m->nS : s + 1); i++) {
        for (int j = 0, left = 8; j < m->nS; j++) {
            int eighths = j == m->nS - 1 && valid ? left : (int)gsl_rng_uniform_int(rng, (unsigned long)left + 1);
            left -= eighths;
            fprintf(f, " %g", x[j] = eighths / 8.0);
        }
        assign(table, m, i, a, -1, x);
    }
}

static double row_sum(const struct meaning *m, int s, int a)
{
    double sum = 0;
    for (int j = 0; j < m->nS; j++) sum += m->T[s][a][j];
    return sum;
}

/* Makes the rows that do not sum to 1 do so, cell by cell or at once. */
static void repair(gsl_rng *rng, FILE *f, struct meaning *m)
{
    for (int s = 0; s < m->nS; s++)
        for (int a = 0; a < m->nA; a++) {
            if (fabs(row_sum(m, s, a) - 1) <= 1e-9) continue;
            bool at_once = gsl_rng_uniform_int(rng, 2);
            int one = (int)gsl_rng_uniform_int(rng, (unsigned long)m->nS);
            if (at_once) fprintf(f, "\nT: %d : %d", a, s);
            for (int j = 0; j < m->nS; j++) {
                if (!at_once) fprintf(f, "\nT: %d : %d : %d", a, s, j);
                fprintf(f, " %d", j == one);
                m->T[s][a][j] = j == one;
            }
        }
}

static void test_statements(void **state)
{
    (void)state;
    enum { ROUNDS = 3000 };
    gsl_rng *rng = random_stream(5, 0, RANDOM_TEST);
    for (int round = 0; round < ROUNDS; round++) {
        struct meaning m = { .nS = 1 + (int)gsl_rng_uniform_int(rng, S_MAX),
                             .nA = 1 + (int)gsl_rng_uniform_int(rng, A_MAX) };
        char *text = NULL;
        size_t length = 0;
        FILE *f = open_memstream(&text, &length);
        bool cost = gsl_rng_uniform_int(rng, 2);
        fprintf(f, "discount: 0.5\nvalues: %s\nstates: %d\nactions: %d", cost ? "cost" : "reward", m.nS, m.nA);
        for (unsigned long n = 1 + gsl_rng_uniform_int(rng, 12); n > 0; n--)
            random_statement(rng, f, &m, gsl_rng_uniform_int(rng, 2) ? 'T' : 'R', 1 + gsl_rng_uniform_int(rng, 3),
                             gsl_rng_uniform_int(rng, 2));
        repair(rng, f, &m);
        fclose(f);
        mdp *M = parse(text);
        assert_valid(M);
        for (int s = 0; s < m.nS; s++)
            for (int a = 0; a < m.nA; a++)
                for (int j = 0; j < m.nS; j++) {
                    double r = cost ? -m.R[s][a][j] : m.R[s][a][j];
                    if (P_of(M, s, a, j, NULL) != m.T[s][a][j]) fail_msg("T(%d,%d,%d) of%s", s, a, j, text);
                    if (m.T[s][a][j] > 0 && R_of(M, s, a, j) != r) fail_msg("R(%d,%d,%d) of%s", s, a, j, text);
                }
        mdp_free(M);
        free(text);
    }
    gsl_rng_free(rng);
}

/* ------------------------------------------------------------------------------------------- the writer */

/* What mdp_write says; *length without the NUL. */
static char *written(const mdp *M, size_t *length)
{
    char *text = NULL;
    FILE *f = open_memstream(&text, length);
    assert_non_null(f);
    assert_true(mdp_write(M, f));
    assert_int_equal(fclose(f), 0);
    return text;
}

static void assert_same_names(char **x, char **y, int n)
{
    assert_int_equal(x != NULL, y != NULL);
    for (int i = 0; x && i < n; i++) assert_string_equal(x[i], y[i]);
}

static void assert_bitwise(const mdp *M, const mdp *N)
{
    size_t rows = (size_t)M->nS * (size_t)M->nA;
    assert_int_equal(M->nS, N->nS);
    assert_int_equal(M->nA, N->nA);
    assert_memory_equal(M->row, N->row, (rows + 1) * sizeof(int));
    size_t n = (size_t)M->row[rows];
    assert_memory_equal(&M->gamma, &N->gamma, sizeof(double));
    assert_memory_equal(M->mu0, N->mu0, (size_t)M->nS * sizeof(double));
    assert_memory_equal(M->next, N->next, n * sizeof(int));
    assert_memory_equal(M->P, N->P, n * sizeof(double));
    assert_memory_equal(M->R, N->R, n * sizeof(double));
    assert_same_names(M->state_name, N->state_name, M->nS);
    assert_same_names(M->action_name, N->action_name, M->nA);
}

/* Written and read, M is the same; written once more, so is the text. Frees M. */
static void assert_fixed_point(mdp *M)
{
    size_t length, length2;
    char *text = written(M, &length);
    mdp *N = parse(text);
    char *text2 = written(N, &length2);
    assert_bitwise(M, N);
    assert_string_equal(text, text2);
    mdp_free(M);
    mdp_free(N);
    free(text);
    free(text2);
}

static void test_write_files(void **state)
{
    (void)state;
    static const char *const folder[] = { REFERENCE "/mdp/*.mdp", REFERENCE "/mdp_syntax/*.mdp" };
    for (int f = 0; f < COUNT(folder); f++)
        for (int i = 0, files = find_files(folder[f]); i < files; i++) assert_fixed_point(read_stem(stem[i]));
    for (int i = 0; mdp_builtin_name(i); i++) assert_fixed_point(mdp_builtin(mdp_builtin_name(i)));
}

static void test_write_text(void **state)
{
    (void)state;
    static const char text[] =
        "discount: 0.95\nvalues: reward\nstates: x y z\nactions: a b\nstart: y\n"
        "T: a : x : x 0.25\nT: a : x : z 0.75\nR: a : x : z : * -3\n"
        "T: b : x : x 0.00000000005\nT: b : x : y 0.99999999995\nR: b : x : * : * 1000\n"
        "T: a : y : y 1\nR: a : y : * : * 0.001\nT: b : y : y 1\n"
        "T: a : z : z 1\nT: b : z : x 0.5\nT: b : z : y 0.5\nR: b : z : x : * 1\nR: b : z : y : * 2\n";
    mdp *M = parse("actions: a b values: cost states: x\ny z discount: 95e-2 start include: 1\nT: * identity\n"
                   "T: a : x 0.25 0 75e-2 T: b : 0 5e-11 0.99999999995 0 T: b : z : * 0.5 T: b : z : z 0\n"
                   "R: * : y : * 5 R: a : x : z 3 R: a : y : y -1e-3 R: b : y : y 0\n"
                   "R: b : z -1 -2 -7 R: b : x : * -1e3");
    size_t length;
    char *got = written(M, &length);
    assert_string_equal(got, text);
    assert_int_equal(length, sizeof text - 1);
    free(got);
    mdp_free(M);

    FILE *full = fopen("/dev/full", "w");
    if (full) {
        M = mdp_builtin("E5");
        assert_false(mdp_write(M, full));
        fclose(full);
        mdp_free(M);
    }
}

/* One state that pays x[a] for action a. */
static mdp *paying(int n, const double *x)
{
    mdp_builder *b = mdp_begin("m", 1, n, 0.5);
    mdp_start(b, 0, 1);
    for (int a = 0; a < n; a++) mdp_transition(b, 0, a, 0, 1, x[a]);
    return mdp_finish(b);
}

/* No decimal of n digits, n >= 1, is x: of the three nearest to it none is. */
static void assert_no_decimal(double x, int n)
{
    char text[64];
    snprintf(text, sizeof text, "%.*e", n - 1, x);
    long exponent = strtol(strchr(text, 'e') + 1, NULL, 10) - (n - 1);
    memmove(text + 1, text + 2, strlen(text + 2) + 1);              /* without the point */
    long long nearest = strtoll(text, NULL, 10);
    for (int i = -1; i <= 1; i++) {
        snprintf(text, sizeof text, "%llde%ld", nearest + i, exponent);
        assert_true(strtod(text, NULL) != x);
    }
}

/* Of every magnitude, in the fewest digits. */
static void test_write_numbers(void **state)
{
    (void)state;
    enum { POWERS = 2098, N = POWERS + 2000 };
    static double x[N];
    gsl_rng *rng = random_stream(2, 0, RANDOM_TEST);
    for (int i = 0; i < POWERS; i++) x[i] = ldexp(1, i - 1074);
    for (int i = POWERS; i < N; i++)
        do {
            uint64_t bits = (uint64_t)gsl_rng_get(rng) << 40 ^ (uint64_t)gsl_rng_get(rng) << 20;
            bits ^= gsl_rng_get(rng);
            memcpy(&x[i], &bits, sizeof bits);
            if (i % 8 == 0) x[i] = ldexp(x[i], -1080);              /* more denormals */
            if (i % 8 == 1) x[i] = (double)(float)i / 64;
        } while (!isfinite(x[i]) || x[i] == 0);
    size_t length;
    mdp *M = paying(N, x);
    char *text = written(M, &length), *p = text;
    for (int i = 0; i < N; i++) {
        char label[64];
        int n = 0, zeros = 0;
        snprintf(label, sizeof label, "R: %d : 0 : * : * ", i);
        p = strstr(p, label);
        assert_non_null(p);
        p += strlen(label);
        assert_true(strtod(p, NULL) == x[i]);
        for (const char *c = p; *c != '\n'; c++) {
            assert_true((*c >= '0' && *c <= '9') || *c == '.' || (*c == '-' && c == p));
            if (*c >= '1' && *c <= '9') n += zeros + 1, zeros = 0;
            else if (*c == '0' && n > 0) zeros++;
        }
        assert_in_range(n, 1, 17);
        if (n > 1) assert_no_decimal(fabs(x[i]), n - 1);
    }
    free(text);
    gsl_rng_free(rng);
    assert_fixed_point(M);
}

/* n numbers that sum to 1 within 1e-9, many of them tiny or zero */
static void awkward_distribution(gsl_rng *rng, int n, double *p)
{
    static const double part[] = { 0, 0, 0x1p-1074, 1e-300, 3e-17, 0x1p-53, 0.1, 1.0 / 3, 4e-10 };
    double sum = 0;
    for (int i = 0; i < n; i++) {
        p[i] = part[gsl_rng_uniform_int(rng, COUNT(part))];
        if (sum + p[i] > 1) p[i] = 0;
        sum += p[i];
    }
    p[gsl_rng_uniform_int(rng, (unsigned long)n)] += 1 - sum;
}

static char **random_names(gsl_rng *rng, int n)
{
    static const char *const stem_of[] = {
        "s", "Tt", "\xC3\xA9t", "uniform_", "a-b.c", "_", "\xF0\x9F\x98\x80", "e5" };
    char **name = allocate((size_t)n, sizeof *name, "names");
    for (int i = 0; i < n; i++) {
        name[i] = allocate(32, 1, "names");
        snprintf(name[i], 32, "%s%d", stem_of[gsl_rng_uniform_int(rng, COUNT(stem_of))], i);
    }
    return name;
}

static void test_write_random(void **state)
{
    (void)state;
    enum { ROUNDS = 400, SIZE = 12 };
    static const double gamma[] = { 0, 1, 0.1, 1 - 0x1p-53, 0x1p-1074, 0.999999999999 };
    static const double reward[] = {
        0, 0, -0.0, 1, 1, -1e300, 0x1p-1074, -0x1.fffffffffffffp1023, 0.1 + 0.2, 1e22 };
    gsl_rng *rng = random_stream(3, 0, RANDOM_TEST);
    for (int round = 0; round < ROUNDS; round++) {
        int nS = 1 + (int)gsl_rng_uniform_int(rng, SIZE), nA = 1 + (int)gsl_rng_uniform_int(rng, 4);
        double p[SIZE];
        mdp_builder *b = mdp_begin("m", nS, nA, gamma[gsl_rng_uniform_int(rng, COUNT(gamma))]);
        awkward_distribution(rng, nS, p);
        for (int s = 0; s < nS; s++) mdp_start(b, s, round % 3 ? p[s] : round % 2 ? 1.0 / nS : s == nS / 2);
        for (int i = 0; i < nS * nA; i++) {
            awkward_distribution(rng, nS, p);
            double r = reward[gsl_rng_uniform_int(rng, COUNT(reward))];
            for (int s1 = 0; s1 < nS; s1++)
                mdp_transition(b, i / nA, i % nA, s1, p[s1],
                               round % 2 ? r : reward[gsl_rng_uniform_int(rng, COUNT(reward))]);
        }
        mdp *M = mdp_finish(b);
        if (round % 4 < 2) M->state_name = random_names(rng, nS);
        if (round % 3 < 1) M->action_name = random_names(rng, nA);
        assert_fixed_point(M);
    }
    gsl_rng_free(rng);
}

/* Equal transitions whose probabilities add up to 1 + 2^-52. */
static void test_write_sum(void **state)
{
    (void)state;
    static const double p[] = { 0.7, 0.1, 0.2, 0x1p-53, 0x1p-52 };
    mdp_builder *b = mdp_begin("m", 1, 1, 1);
    mdp_start(b, 0, 1);
    for (int i = 0; i < COUNT(p); i++) mdp_transition(b, 0, 0, 0, p[i], 1);
    mdp *M = mdp_finish(b);
    assert_true(M->P[0] == 1);
    assert_fixed_point(M);
}

/* ------------------------------------------------------------------------------------ malformed files */

#define BYTES(text) text, sizeof text - 1
static const struct { const char *text; size_t length; const char *error; } malformed[] = {
    { BYTES(""), "m:1:1: expected discount, found end of file" },
    { BYTES("# nothing\n"), "m:2:1: expected discount, found end of file" },
    { BYTES("discount: 1\n"), "m:2:1: expected states, found end of file" },
    { BYTES("discount: 1 states: 3"), "m:1:22: expected actions, found end of file" },
    { BYTES("states: 1 actions: 1 T: 0 identity"), "m:1:35: expected discount, found end of file" },
    { BYTES("hello"), "m:1:1: expected discount, values, states, actions, start, T or R, found 'hello'" },
    { BYTES(": 1"), "m:1:1: expected discount, values, states, actions, start, T or R, found ':'" },
    { BYTES("discount 0.9"), "m:1:10: expected ':', found '0.9'" },
    { BYTES("discount: 1.5"), "m:1:11: expected a discount in [0, 1], found '1.5'" },
    { BYTES("discount: -0.1"), "m:1:11: expected a discount in [0, 1], found '-0.1'" },
    { BYTES("discount: nan"), "m:1:11: expected a discount in [0, 1], found 'nan'" },
    { BYTES("discount: 0x1"), "m:1:11: expected a discount in [0, 1], found '0x1'" },
    { BYTES("discount: 1e"), "m:1:11: expected a discount in [0, 1], found '1e'" },
    { BYTES("discount: ."), "m:1:11: expected a discount in [0, 1], found '.'" },
    { BYTES("discount: 0.5,"), "m:1:11: expected a discount in [0, 1], found '0.5,'" },
    { BYTES("discount: 1\ndiscount: 1"), "m:2:1: expected discount only once, found 'discount'" },
    { BYTES("discount: 1 0.9"),
      "m:1:13: expected discount, values, states, actions, start, T or R, found '0.9'" },
    { BYTES("values: profit"), "m:1:9: expected reward or cost, found 'profit'" },
    { BYTES("values: cost\nvalues: cost"), "m:2:1: expected values only once, found 'values'" },
    { BYTES("states: 0"), "m:1:9: expected a number from 1 to 1000000, found '0'" },
    { BYTES("states: 2.5"), "m:1:9: expected a number from 1 to 1000000, found '2.5'" },
    { BYTES("states: 99999999999999999999"),
      "m:1:9: expected a number from 1 to 1000000, found '99999999999999999999'" },
    { BYTES("actions: -2"), "m:1:10: expected a name that begins with no digit, sign or point, found '-2'" },
    { BYTES("states:\n\n  a b\n c a b"), "m:4:4: expected each name only once, found 'a'" },
    { BYTES("states: a 2b"), "m:1:11: expected a name that begins with no digit, sign or point, found '2b'" },
    { BYTES("states: # none\nactions: 2"), "m:2:1: expected a number or a list of names, found 'actions'" },
    { BYTES("states: a * b"),
      "m:1:11: expected discount, values, states, actions, start, T or R, found '*'" },
    { BYTES("states: go start b"), "m:1:18: expected ':', found 'b'" },
    { BYTES("states: 1000000\nactions: 1000000"),
      "m:2:1: expected at most 2000000 states times actions, found 1000000000000" },
    { BYTES("states: 2 observations: 2"),
      "m:1:11: expected an MDP, which has no observations, found 'observations'" },
    { BYTES("T: 0 identity"), "m:1:1: expected states and actions before T and R, found 'T'" },
    { BYTES("states: 2\nR: 0 : 0 : 0 1"), "m:2:1: expected states and actions before T and R, found 'R'" },
    { BYTES("start: uniform"), "m:1:1: expected states before the start, found 'start'" },
    { BYTES(TWO "start: z"), "m:4:8: expected the name or number (0 to 1) of a state, found 'z'" },
    { BYTES(TWO "start: 2"), "m:4:8: expected the name or number (0 to 1) of a state, found '2'" },
    { BYTES(TWO "start: 0.5\nT: * identity"),
      "m:4:8: expected the name or number (0 to 1) of a state, found '0.5'" },
    { BYTES(TWO "start: 0.5 0.4"), "m:4:8: expected start probabilities that sum to 1, found 0.9" },
    { BYTES(TWO "start: 0.5 x"), "m:4:8: expected the name or number (0 to 1) of a state, found '0.5'" },
    { BYTES(TWO "start: 1.5 -0.5"), "m:4:8: expected a probability in [0, 1], found '1.5'" },
    { BYTES(TWO "start: 0.5 0.5 0"),
      "m:4:16: expected discount, values, states, actions, start, T or R, found '0'" },
    { BYTES(TWO "start include:"),
      "m:4:15: expected the name or number (0 to 1) of a state, found end of file" },
    { BYTES(TWO "start exclude: x\n  y"), "m:4:16: expected a state that is not excluded, found none" },
    { BYTES(TWO "start include: *"), "m:4:16: expected the name or number (0 to 1) of a state, found '*'" },
    { BYTES(TWO "start: x\nstart: y"),
      "m:5:1: expected start only once and before any reset, found 'start'" },
    { BYTES(TWO "T: * : * reset\nstart: y"),
      "m:5:1: expected start only once and before any reset, found 'start'" },
    { BYTES(TWO "T: c : x : x 1"),
      "m:4:4: expected the name or number (0 to 1) of an action, or *, found 'c'" },
    { BYTES(TWO "T: 2 : x : x 1"),
      "m:4:4: expected the name or number (0 to 1) of an action, or *, found '2'" },
    { BYTES(TWO "T: a : x : -1 1"),
      "m:4:12: expected the name or number (0 to 1) of a state, or *, found '-1'" },
    { BYTES(ONE "T: 0 : 1 : 0 1"), "m:5:8: expected the number (0 to 0) of a state, or *, found '1'" },
    { BYTES(TWO "T: a : x : x 1.1"), "m:4:14: expected a probability in [0, 1], found '1.1'" },
    { BYTES(TWO "T: a : x : x inf"), "m:4:14: expected a probability in [0, 1], found 'inf'" },
    { BYTES(TWO "T: a : x : x uniform"), "m:4:14: expected a probability in [0, 1], found 'uniform'" },
    { BYTES(TWO "T: a : x identity"), "m:4:10: expected a probability in [0, 1], found 'identity'" },
    { BYTES(TWO "T: a reset"), "m:4:6: expected a probability in [0, 1], found 'reset'" },
    { BYTES(TWO "T: a : x 0.5\nT: b identity"), "m:5:1: expected a probability in [0, 1], found 'T'" },
    { BYTES(TWO "T: a\n0.5 0.5\n1"), "m:6:2: expected a probability in [0, 1], found end of file" },
    { BYTES(TWO "T: a 1 0 0 1 1"),
      "m:4:14: expected discount, values, states, actions, start, T or R, found '1'" },
    { BYTES(TWO "T: a : x : x : * 1"), "m:4:14: expected a probability in [0, 1], found ':'" },
    { BYTES(TWO "T a : x : x 1"), "m:4:3: expected ':', found 'a'" },
    { BYTES(TWO "T: * identity\n  T: b : y : x 0.25"),
      "m:5:3: expected T of action 'b' in state 'y' to sum to 1, found 1.25" },
    { BYTES(TWO "T: * identity\nT: a\n 1 0\n 0.5 0.4\nT: b : y : y 1"),
      "m:7:2: expected T of action 'a' in state 'y' to sum to 1, found 0.9" },
    { BYTES(TWO "T: * identity\nT: b : x 0 0"),
      "m:5:10: expected T of action 'b' in state 'x' to sum to 1, found 0" },
    { BYTES(TWO "T: * identity\nT: b : x 1 2e-9\n"),
      "m:5:10: expected T of action 'b' in state 'x' to sum to 1, found 1.000000002" },
    { BYTES(TWO "T: a identity\nT: b : x : x 1\n"),
      "m:6:1: expected T of action 'b' in state 'y', found end of file" },
    { BYTES("discount: 1 states: 2 actions: 2"),
      "m:1:33: expected T of action 0 in state 0, found end of file" },
    { BYTES(TWO "O: a : x : 0 1"), "m:4:1: expected an MDP, which has no observations, found 'O'" },
    { BYTES(TWO "R: a : x : x : 1 5"), "m:4:16: expected * or 0, for an MDP has no observations, found '1'" },
    { BYTES(TWO "R: a : x : x : * 1e999"), "m:4:18: expected a finite number, found '1e999'" },
    { BYTES(TWO "R: a : x : x : *"), "m:4:17: expected a finite number, found end of file" },
    { BYTES(TWO "R: a : x uniform"), "m:4:10: expected a finite number, found 'uniform'" },
    { BYTES(TWO "R: a : x : x -infinity"), "m:4:14: expected a finite number, found '-infinity'" },
    { BYTES(TWO "R: a : : x 1"), "m:4:8: expected the name or number (0 to 1) of a state, or *, found ':'" },
    { BYTES("discount: 2"), "m:1:11: expected a discount in [0, 1], found '2'" },
    { BYTES("states: T R"), "m:1:9: expected a number or a list of names, found 'T'" },
    { BYTES("states: a uniform"),
      "m:1:11: expected discount, values, states, actions, start, T or R, found 'uniform'" },
    { BYTES("states: 3 a b c"),
      "m:1:11: expected discount, values, states, actions, start, T or R, found 'a'" },
    { BYTES("states: 2 states: 3"), "m:1:11: expected states only once, found 'states'" },
    { BYTES("\xEF\xBB\xBF" "discount: 2"), "m:1:11: expected a discount in [0, 1], found '2'" },
    { BYTES("# c\r\n\tdiscount:\t2"), "m:2:12: expected a discount in [0, 1], found '2'" },
    { BYTES(" \xEF\xBB\xBF" "discount: 1"), "m:1:2: expected discount, values, states, actions, start, T or R, "
                                           "found '\\xEF\\xBB\\xBFdiscount'" },
    { BYTES(TWO "T: a : x : y"), "m:4:13: expected a probability in [0, 1], found end of file" },
    { BYTES(TWO "T: a : x : y : 1"), "m:4:14: expected a probability in [0, 1], found ':'" },
    { BYTES(TWO "T: a : x : y 0.5 0.5"),
      "m:4:18: expected discount, values, states, actions, start, T or R, found '0.5'" },
    { BYTES(TWO "T: a : x 0.5 0.5 0.5"),
      "m:4:18: expected discount, values, states, actions, start, T or R, found '0.5'" },
    { BYTES(TWO "T: a : X 1 0"), "m:4:8: expected the name or number (0 to 1) of a state, or *, found 'X'" },
    { BYTES(TWO "T: a: x : 1.0 1"),
      "m:4:11: expected the name or number (0 to 1) of a state, or *, found '1.0'" },
    { BYTES(TWO "T: x : a : a 1"), "m:4:4: expected the name or number (0 to 1) of an action, or *, found 'x'" },
    { BYTES(TWO "T: * identity\nR: a : x : y : obs 1"),
      "m:5:16: expected * or 0, for an MDP has no observations, found 'obs'" },
    { BYTES(TWO "R: *"), "m:4:5: expected a finite number, found end of file" },
    { BYTES(TWO "T: * identity\nthe end"),
      "m:5:1: expected discount, values, states, actions, start, T or R, found 'the'" },
    { BYTES(TWO "start include x"), "m:4:15: expected ':', found 'x'" },
    { BYTES(TWO "start: x y"),
      "m:4:10: expected discount, values, states, actions, start, T or R, found 'y'" },
    { BYTES("discount: 1\0"), "m:1:12: expected UTF-8 text, found '\\x00'" },
    { BYTES("# \0"), "m:1:3: expected UTF-8 text, found '\\x00'" },
    { BYTES("\xFF\xFE" "d\0i\0"), "m:1:1: expected UTF-8 text, found '\\xFF'" },
    { BYTES("states: a\x01" "b"), "m:1:10: expected UTF-8 text, found '\\x01'" },
    { BYTES("states: \xC0\xAF"), "m:1:9: expected UTF-8 text, found '\\xC0'" },
    { BYTES("states: \xED\xA0\x80"), "m:1:9: expected UTF-8 text, found '\\xED'" },
    { BYTES("states: \xF4\x90\x80\x80"), "m:1:9: expected UTF-8 text, found '\\xF4'" },
    { BYTES("states: \xE2\x82"), "m:1:9: expected UTF-8 text, found '\\xE2'" },
    { BYTES("\xC3\xA9"),
      "m:1:1: expected discount, values, states, actions, start, T or R, found '\\xC3\\xA9'" },
    { BYTES("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"),
      "m:1:1: expected discount, values, states, actions, start, T or R, "
      "found 'abcdefghijklmnopqrstuvwxyzabcdefghijklmn...'" },
    { BYTES("discount: 1 states: 3000 actions: 600 T: * identity T: * uniform"),
      "m:1:53: expected at most 4000000 entries of T and R, found more" },
    { BYTES("discount: 1 states: 1000000 actions: 1\nT: 0 uniform"),
      "m:2:1: expected at most 4000000 entries of T and R, found more" },
};

static void test_malformed(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT(malformed); i++) {
        char error[512] = "";
        char *text = malloc(malformed[i].length ? malformed[i].length : 1);     /* no byte beyond */
        assert_non_null(text);
        memcpy(text, malformed[i].text, malformed[i].length);
        assert_null(mdp_parse("m", text, malformed[i].length, error, sizeof error));
        assert_string_equal(error, malformed[i].error);
        free(text);
    }
}

/* The exact decimal of the smallest double has 1076 characters. */
static void test_long_words(void **state)
{
    (void)state;
    char text[4096] = ONE "R: 0 : 0 : 0 ", error[256] = "";
    size_t n = strlen(text);
    memset(text + n, '1', 1100);
    assert_null(mdp_parse("m", text, n + 1100, error, sizeof error));
    assert_string_equal(error, "m:5:14: expected a word of less than 1100 bytes, "
                               "found '1111111111111111111111111111111111111111...'");
    assert_null(mdp_parse("m", text, n + 1099, error, sizeof error));
    assert_string_equal(error, "m:5:14: expected a finite number, "
                               "found '1111111111111111111111111111111111111111...'");
    for (size_t i = 0; i < 1100; i++) text[n + i] = "\xE2\x82\xAC"[i % 3];         /* cut within a character */
    assert_null(mdp_parse("m", text, n + 1100, error, sizeof error));
    assert_non_null(strstr(error, "expected a word of less than 1100 bytes"));
    memset(text + n, '1', 1100);
    text[n + 1] = '.';
    mdp *M = mdp_parse("m", text, n + 1099, error, sizeof error);
    assert_non_null(M);
    assert_true(R_of(M, 0, 0, 0) == 1.1111111111111111);
    mdp_free(M);

    snprintf(text + n, sizeof text - n, "%.1074f", 0x1p-1074);
    assert_int_equal(strlen(text + n), 1076);
    M = parse(text);
    assert_true(R_of(M, 0, 0, 0) == 0x1p-1074);
    mdp_free(M);
}

/* --------------------------------------------------------------------------------------- hostile files */

#if defined(__SANITIZE_ADDRESS__)
#define MEASURES_MEMORY false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MEASURES_MEMORY false
#endif
#endif
#ifndef MEASURES_MEMORY
#define MEASURES_MEMORY true
#endif

#define SIZES(states, actions) "discount: 0.9\nstates: " states "\nactions: " actions "\n"

/* `before`, then `unit` so many times: what a child that reads it says on stderr; "" when it is accepted. */
static const struct { const char *before, *unit; int times; const char *error; } hostile[] = {
    { SIZES("1000000", "1000000"), "", 0,
      "3:1: expected at most 2000000 states times actions, found 1000000000000" },
    { SIZES("1000000", "1"), "", 0, "4:1: expected T of action 0 in state 0, found end of file" },
    { SIZES("1000000", "2"), "T: * identity\n", 2, "" },
    { SIZES("1000000", "2"), "T: * : * reset\n", 1,
      "4:1: expected at most 4000000 entries of T and R, found more" },
    { SIZES("300000", "1") "start: 7\n", "T: 0 : 299999 reset\n", 300000,
      "300005:1: expected T of action 0 in state 0, found end of file" },
    { SIZES("1000", "4"), "T: * : * : * 0.125\n", 1,
      "4:1: expected T of action 0 in state 0 to sum to 1, found 125" },
    { SIZES("1000", "4"), "T: * : * : * 0.001\n", 2,
      "5:1: expected at most 4000000 entries of T and R, found more" },
    { SIZES("1000", "2") "T: * : * : * 0.001\n", "R: * : 0 : * : * 1\nR: * : * : 5 : * 2\n", 400000, "" },
    { SIZES("2", "1"), "T: 0 : 0 : 0 1\n", 8000000,
      "3200003:1: expected at most 16000000 numbers, indices and rows, found more" },
    { SIZES("2", "1000000"), "T: * : 0 0 0\n", 1000,
      "19:1: expected at most 16000000 numbers, indices and rows, found more" },
    { SIZES("1000", "1") "T: 0\n", "0 ", 40000000,
      "5:2000001: expected discount, values, states, actions, start, T or R, found '0'" },
    { SIZES("1000", "1") "start include:", " 0", 40000000,
      "4:1: expected at most 16000000 numbers, indices and rows, found more" },
    { "", "a", 50000000, "1:1: expected a word of less than 1100 bytes, "
                         "found 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...'" },
    { "", "# nothing\n", 9000000, "9000001:1: expected discount, found end of file" },
    { "", "    ", 30000000, "1:99942401: expected at most 100000000 bytes, found more" },
    { "discount: 1\nstates:", " \xFF", 10000000, "2:9: expected UTF-8 text, found '\\xFF'" },
    { SIZES("2", "2"), "T: 4294967296 : 0 : 0 1", 1,
      "4:4: expected the number (0 to 1) of an action, or *, found '4294967296'" },
    { SIZES("2", "2"), "T: 0 : 18446744073709551616 : 0 1", 1,
      "4:8: expected the number (0 to 1) of a state, or *, found '18446744073709551616'" } };

/* The reader's answer, in a child that reads `in` and writes to `err`. */
static void answer(int in, int err)
{
    char error[512];
    struct rlimit endless = { 60, 60 };
    setrlimit(RLIMIT_CPU, &endless);
    dup2(in, STDIN_FILENO);
    dup2(err, STDERR_FILENO);
    mdp *M = mdp_read("/dev/stdin", error, sizeof error);
    if (!M) bad_input("%s", error);
    mdp_free(M);
    _exit(0);
}

static void feed(int out, const char *before, const char *unit, int times)
{
    enum { BLOCK = 1 << 16 };
    static char block[BLOCK];
    size_t size = strlen(unit), units = size > 0 ? BLOCK / size : 0;
    for (size_t i = 0; i < units; i++) memcpy(block + i * size, unit, size);
    bool open = write(out, before, strlen(before)) >= 0;        /* the reader may hang up at any time */
    for (size_t n; open && times > 0 && size > 0; times -= (int)n) {
        n = (size_t)times < units ? (size_t)times : units;
        for (size_t done = 0; open && done < n * size; ) {
            ssize_t sent = write(out, block + done, n * size - done);
            open = sent > 0;
            done += open ? (size_t)sent : 0;
        }
    }
    close(out);
}

/* Every hostile file is answered, by exit 2 and its line or by a table, within 256 MB. */
static void test_hostile(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < COUNT(hostile); i++) {
        int text[2], said[2], status;
        char want[512] = "", got[512] = "";
        assert_true(pipe(text) == 0 && pipe(said) == 0);
        fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(text[1]);
            close(said[0]);
            answer(text[0], said[1]);
        }
        close(text[0]);
        close(said[1]);
        feed(text[1], hostile[i].before, hostile[i].unit, hostile[i].times);
        assert_true(read(said[0], got, sizeof got - 1) >= 0);
        close(said[0]);
        assert_true(waitpid(child, &status, 0) == child);
        if (*hostile[i].error) snprintf(want, sizeof want, "/dev/stdin:%s\n", hostile[i].error);
        assert_string_equal(got, want);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == (*want ? EXIT_BAD_INPUT : EXIT_HELD));
        struct rusage used;
        assert_int_equal(getrusage(RUSAGE_CHILDREN, &used), 0);         /* the most of any child so far */
        if (MEASURES_MEMORY) assert_in_range(used.ru_maxrss, 1, 256 << 10);
    }
}

/* 20000 names, each of up to 200 bytes. */
static void test_many_names(void **state)
{
    (void)state;
    enum { NAMES = 20000, LENGTH = 200 };
    char *text = allocate((NAMES + 1) * (LENGTH + 1) + 256, 1, "text"), *p = text, *names, *end, error[256];
    names = p += sprintf(p, "discount: 1 actions: 1 states:");
    for (int i = 0; i < NAMES; i++) p += sprintf(p, "\ns%0*d", LENGTH - 1, NAMES - i);
    end = p;
    p += sprintf(p, "\nT: 0 identity T: 0 : s%0*d : 0 1 T: 0 : %d : %d 0", LENGTH - 1, 1, NAMES - 1, NAMES - 1);
    mdp *M = mdp_parse("m", text, (size_t)(p - text), error, sizeof error);
    assert_non_null(M);
    assert_int_equal(M->nS, NAMES);
    assert_int_equal(strlen(M->state_name[NAMES - 1]), LENGTH);
    assert_true(P_of(M, NAMES - 1, 0, 0, NULL) == 1);
    assert_fixed_point(M);

    strcpy(end, "\none_more");
    assert_null(mdp_parse("m", text, strlen(text), error, sizeof error));
    assert_string_equal(error, "m:20002:1: expected at most 20000 names, found 'one_more'");
    names[LENGTH + 1] = 's';                    /* the first name is longer by all of the second */
    assert_null(mdp_parse("m", text, strlen(text), error, sizeof error));
    assert_string_equal(error, "m:2:1: expected a name of at most 200 bytes, "
                               "found 's000000000000000000000000000000000000000...'");
    free(text);
}

/* A table as promised, or one line of the promised form. */
static bool assert_outcome(const char *text, size_t length)
{
    char error[512] = "";
    int line = 0, column = 0, after = 0;
    mdp *M = mdp_parse("m", text, length, error, sizeof error);
    bool good = M != NULL;
    if (good) {
        assert_valid(M);
        assert_string_equal(error, "");
        assert_fixed_point(M);
    } else {
        assert_int_equal(sscanf(error, "m:%d:%d: expected %n", &line, &column, &after), 2);
        assert_true(line >= 1 && column >= 1 && after > 0 && strstr(error, ", found "));
        for (const char *p = error; *p; p++) assert_true(*p >= 0x20 && *p < 0x7f);
    }
    return good;
}

/* With room for what test_mutated adds. */
static char *file_text(const char *base, size_t *length)
{
    enum { ROOM = 1 << 16 };
    char path[PATH_SIZE], *text = malloc(ROOM);
    FILE *f = fopen(path_of(path, base, "mdp"), "rb");
    assert_true(f && text);
    *length = fread(text, 1, ROOM, f);
    assert_true(*length < ROOM / 16);
    fclose(f);
    return text;
}

static void test_truncated(void **state)
{
    (void)state;
    int files = find_files(REFERENCE "/mdp_syntax/*.mdp");
    strcpy(stem[files++], REFERENCE "/mdp/sb35");
    for (int i = 0; i < files; i++) {
        size_t length;
        char *text = file_text(stem[i], &length);
        for (size_t n = 0; n <= length; n++) {
            char *prefix = malloc(n ? n : 1);
            assert_non_null(prefix);
            memcpy(prefix, text, n);
            bool good = assert_outcome(prefix, n);
            assert_true(n < length || good);
            free(prefix);
        }
        free(text);
    }
}

/* Bytes changed, taken out, and doubled, in files that are right. */
static void test_mutated(void **state)
{
    (void)state;
    enum { ROUNDS = 6000 };
    static const char alphabet[] = "0123456789.-+eE:*# \n\r\tTRabxystartuniform\xFF";
    gsl_rng *rng = random_stream(1, 0, RANDOM_TEST);
    int files = find_files(REFERENCE "/mdp_syntax/*.mdp"), good = 0;
    for (int round = 0; round < ROUNDS; round++) {
        size_t length;
        char *text = file_text(stem[round % files], &length);
        for (unsigned long edits = 1 + gsl_rng_uniform_int(rng, 4); edits > 0; edits--) {
            size_t at = gsl_rng_uniform_int(rng, length), n = 1 + gsl_rng_uniform_int(rng, length - at);
            switch (gsl_rng_uniform_int(rng, 4)) {
            case 0: text[at] = alphabet[gsl_rng_uniform_int(rng, sizeof alphabet)]; break;
            case 1: text[at] = (char)gsl_rng_uniform_int(rng, 256); break;
            case 2:
                if (n > 9) n = 1;
                memmove(text + at, text + at + n, length - at - n);
                length -= n;
                break;
            default:
                memmove(text + at + n, text + at, length - at);
                length += n;
            }
            if (length == 0) length = 1;
        }
        char *exact = malloc(length);
        assert_non_null(exact);
        memcpy(exact, text, length);
        good += assert_outcome(exact, length);
        free(exact);
        free(text);
    }
    assert_true(good > ROUNDS / 100 && good < ROUNDS);
    gsl_rng_free(rng);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
 
        cmocka_unit_test(test_lakes), cmocka_unit_test(test_E5), cmocka_unit_test(test_open),
        cmocka_unit_test(test_unreadable_file), cmocka_unit_test(test_builder),
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_start_forms), cmocka_unit_test(test_T_forms),
        cmocka_unit_test(test_R_forms), cmocka_unit_test(test_layout), cmocka_unit_test(test_large),
        cmocka_unit_test(test_write_files), cmocka_unit_test(test_write_text),
        cmocka_unit_test(test_statements), cmocka_unit_test(test_write_numbers),
        cmocka_unit_test(test_write_random), cmocka_unit_test(test_write_sum),
        cmocka_unit_test(test_malformed), cmocka_unit_test(test_long_words),
        cmocka_unit_test(test_many_names), cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_truncated), cmocka_unit_test(test_mutated) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
