/* Finite MDPs: the reader of Cassandra's format against reference data and against a table of malformed
 * files, the built-in MDPs, the builder.
 *     test_mdp [pattern]       runs the tests whose names match */
#include <errno.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/* The next row of numbers of a CSV file, comments and the header skipped; how many fields. */
static int csv_row(FILE *f, char *name, double *x, int max)
{
    char line[512];
    while (fgets(line, sizeof line, f)) {
        int n = 0;
        char *p = line;
        if (name) {
            size_t length = strcspn(line, ",");
            snprintf(name, 64, "%.*s", (int)length, line);
            p = line + length + (line[length] == ',');
        }
        for (char *end; n < max; p = end + 1) {
            x[n] = strtod(p, &end);
            if (end == p) break;
            n++;
            if (*end != ',') break;
        }
        if (line[0] != '#' && n > 0) return n;
    }
    return 0;
}

enum { PATH_SIZE = 512, FILES_MAX = 128 };
static char stem[FILES_MAX][PATH_SIZE];         /* paths without their endings */

static const char *path_of(char path[PATH_SIZE], const char *base, const char *ending)
{
    int n = snprintf(path, PATH_SIZE, "%s.%s", base, ending);
    assert_true(n > 0 && n < PATH_SIZE);
    return path;
}

static FILE *open_csv(const char *base, const char *ending)
{
    char path[PATH_SIZE];
    FILE *f = fopen(path_of(path, base, ending), "r");
    if (!f) fail_msg("%s: %s", path, strerror(errno));
    return f;
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

/* ------------------------------------------------------------------------------------ reference files */

static void test_syntax_files(void **state)
{
    (void)state;
    int files = find_files(REFERENCE "/mdp_syntax/*.mdp");
    for (int i = 0; i < files; i++) {
        mdp *M = read_stem(stem[i]);
        assert_valid(M);
        double x[8];
        int k = 0, s = 0;
        FILE *f = open_csv(stem[i], "expected.csv");
        for (; csv_row(f, NULL, x, 5) == 5; k++) {
            assert_true(k < M->row[M->nS * M->nA]);
            int row = (int)x[0] * M->nA + (int)x[1];
            assert_true(M->row[row] <= k && k < M->row[row + 1]);
            assert_int_equal(M->next[k], (int)x[2]);
            assert_memory_equal(&M->P[k], &x[3], sizeof(double));
            assert_memory_equal(&M->R[k], &x[4], sizeof(double));
        }
        fclose(f);
        assert_int_equal(k, M->row[M->nS * M->nA]);
        f = open_csv(stem[i], "expected_start.csv");
        for (; csv_row(f, NULL, x, 2) == 2; s++) assert_memory_equal(&M->mu0[s], &x[1], sizeof(double));
        fclose(f);
        assert_int_equal(s, M->nS);
        assert_true(M->gamma == 0.95);
        mdp_free(M);
    }
}

/* A table of the folder mdp as its CSV files give it. */
static mdp *from_csv(const char *path, const char *name, double gamma)
{
    char row_name[64];
    double x[8];
    int nS = 0, nA = 0, episodic = 0;
    FILE *f = open_csv(REFERENCE "/mdp/index", "csv");
    while (csv_row(f, row_name, x, 5))
        if (strcmp(row_name, name) == 0) nS = (int)x[0], nA = (int)x[1], episodic = (int)x[3];
    fclose(f);
    mdp_builder *b = mdp_begin(name, nS + episodic, nA, gamma);
    f = open_csv(path, "transitions.csv");
    while (csv_row(f, NULL, x, 6) == 6)
        mdp_transition(b, (int)x[0], (int)x[1], x[5] != 0 ? nS : (int)x[2], x[3], x[4]);
    fclose(f);
    for (int a = 0; a < nA && episodic; a++) mdp_transition(b, nS, a, nS, 1, 0);
    f = open_csv(REFERENCE "/mdp/starts", "csv");
    while (csv_row(f, row_name, x, 2))
        if (strcmp(row_name, name) == 0) mdp_start(b, (int)x[0], x[1]);
    fclose(f);
    return mdp_finish(b);
}

static void test_mdp_files(void **state)
{
    (void)state;
    int files = find_files(REFERENCE "/mdp/*.mdp");
    for (int i = 0; i < files; i++) {
        mdp *M = read_stem(stem[i]);
        size_t length = strlen(stem[i]);
        bool undiscounted = strcmp(stem[i] + length - 3, "_g1") == 0;
        if (undiscounted) stem[i][length - 3] = '\0';
        const char *name = strrchr(stem[i], '/') + 1;
        double gamma = undiscounted ? 1 : strcmp(name, "taxi") == 0 ? 0.99 : 0.9;
        mdp *N = from_csv(stem[i], name, gamma);
        assert_valid(M);
        assert_true(M->gamma == gamma);
        assert_same_table(M, N, 1e-15, 1e-14);
        for (int s = 0; s < M->nS - 1; s++) assert_false(mdp_absorbing(M, s) && M->mu0[s] > 0);
        mdp_free(M);
        mdp_free(N);
    }
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
    mdp *M = parse("#c\r\ndiscount:0.5#c\r\nstates:\xC3\xA9tat b-2_.\r\n\tactions : go# more\r\n stay\r\n"
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
    mdp *M = parse("discount: 1 states: 900000 actions: 4 T: * identity T: 1 : 7 : 7 0 T: 1 : 7 : 899999 1");
    assert_valid(M);
    assert_true(P_of(M, 7, 1, 899999, NULL) == 1 && P_of(M, 7, 0, 7, NULL) == 1);
    mdp_free(M);
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
      "m:2:1: expected at most 4000000 states times actions, found 1000000000000" },
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
    { BYTES(TWO "start exclude: x\n  y"), "m:4:16: expected a state that is not excluded, found 'x'" },
    { BYTES(TWO "start include: *"), "m:4:16: expected the name or number (0 to 1) of a state, found '*'" },
    { BYTES(TWO "start include x"), "m:4:15: expected ':', found 'x'" },
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
    { BYTES("discount: 1 states: 3000 actions: 1000 T: * identity T: * uniform"),
      "m:1:54: expected at most 4000000 entries of T and of R, found more" },
    { BYTES("discount: 1 states: 1000000 actions: 1\nT: 0 uniform"),
      "m:2:1: expected at most 4000000 entries of T and of R, found more" },
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

static void test_long_number(void **state)
{
    (void)state;
    char text[4096] = ONE "R: 0 : 0 : 0 ", error[256] = "";
    size_t n = strlen(text);
    memset(text + n, '1', 1001);
    assert_null(mdp_parse("m", text, n + 1001, error, sizeof error));
    assert_string_equal(error, "m:5:14: expected a number of at most 1000 characters, "
                               "found '1111111111111111111111111111111111111111...'");
    text[n + 1] = '.';
    mdp *M = mdp_parse("m", text, n + 1000, error, sizeof error);
    assert_non_null(M);
    assert_true(R_of(M, 0, 0, 0) == 1.1111111111111111);
    mdp_free(M);
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
    } else {
        assert_int_equal(sscanf(error, "m:%d:%d: expected %n", &line, &column, &after), 2);
        assert_true(line >= 1 && column >= 1 && after > 0 && strstr(error, ", found "));
        for (const char *p = error; *p; p++) assert_true(*p >= 0x20 && *p < 0x7f);
    }
    mdp_free(M);
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
        cmocka_unit_test(test_syntax_files), cmocka_unit_test(test_mdp_files),
        cmocka_unit_test(test_lakes), cmocka_unit_test(test_E5), cmocka_unit_test(test_open),
        cmocka_unit_test(test_unreadable_file), cmocka_unit_test(test_builder),
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_start_forms), cmocka_unit_test(test_T_forms),
        cmocka_unit_test(test_R_forms), cmocka_unit_test(test_layout), cmocka_unit_test(test_large),
        cmocka_unit_test(test_malformed), cmocka_unit_test(test_long_number),
        cmocka_unit_test(test_truncated), cmocka_unit_test(test_mutated) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
