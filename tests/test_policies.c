/* derivations/policy_file.h: random policies, and rows that a file may leave out. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "derivations/policy_file.h"

enum { N_MAX = 200 };

/* Every logit is drawn, for each seed and worker another, and the same again for the same. */
static void test_random(void **state)
{
    (void)state;
    static const char *const name[] = { "E5", "FrozenLake-v1" };
    for (int k = 0; k < 2; k++) {
        mdp *M = mdp_builtin(name[k]);
        int n = M->nS * M->nA;
        double logits[4][N_MAX], beyond = 12345;
        assert_true(n < N_MAX);
        for (int i = 0; i < 4; i++) {
            for (int j = 0; j < N_MAX; j++) logits[i][j] = beyond;
            policy_random(M, i == 1 ? 2 : 1, i == 2 ? 1 : 0, logits[i]);
            for (int j = 0; j < n; j++) assert_true(fabs(logits[i][j]) < 6 && logits[i][j] != 0);
            assert_true(logits[i][n] == beyond);
        }
        for (int j = 0; j < n; j++) {
            assert_true(logits[0][j] != logits[1][j] && logits[0][j] != logits[2][j]);
            assert_true(logits[0][j] == logits[3][j]);
        }
        mdp_free(M);
    }
}

/* Reads the text as the policy file of an MDP; the error, or "". */
static const char *read_text(const mdp *M, const char *text, size_t length, double *logits)
{
    static char error[300];
    char path[] = "/tmp/ascent-policy-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, text, length) == (ssize_t)length);
    close(fd);
    *error = '\0';
    if (policy_read(path, M, logits, error, sizeof error)) assert_string_equal(error, "");
    remove(path);
    return strchr(error, ':') ? strchr(error, ':') : error;
}
#define READ(M, text, logits) read_text(M, text, sizeof text - 1, logits)

/* nS states of which the last `ends` are absorbing; 2 actions */
static mdp *chain(int nS, int ends)
{
    mdp_builder *b = mdp_begin("chain", nS, 2, 0.9);
    mdp_start(b, 0, 1);
    for (int s = 0; s < nS; s++)
        for (int a = 0; a < 2; a++) mdp_transition(b, s, a, s < nS - ends ? s + 1 : s, 1, s < nS - ends ? 1 : 0);
    return mdp_finish(b);
}

static void test_rows(void **state)
{
    (void)state;
    mdp *M = chain(4, 2), *none = chain(1, 1);
    double x[8];
    static const double written[] = { 1, 2, 3, 4 };
    for (int i = 0; i < 8; i++) x[i] = NAN;
    assert_string_equal(READ(M, "1,2\n3,4\n", x), "");
    assert_memory_equal(x, written, sizeof written);
    for (int i = 4; i < 8; i++) assert_true(x[i] == 0);     /* left out: uniform */
    assert_string_equal(READ(M, "1,2\n3,4\n5,6", x), "");
    assert_true(x[4] == 5 && x[5] == 6 && x[6] == 0 && x[7] == 0);
    assert_string_equal(READ(M, "1,2\n3,4\n5,6\n7,8\n", x), "");
    assert_true(x[6] == 7 && x[7] == 8);
    assert_string_equal(READ(M, "1,2\n", x),
                        ":2:1: expected 4 rows, one for each state, found the end of the file after 1");
    assert_string_equal(READ(M, "1,2\n3,4\n5,6\n7,8\n9,9", x),
                        ":5:1: expected 4 rows, one for each state, found \"9,9\"");
    assert_string_equal(READ(none, "", x), "");
    assert_true(x[0] == 0 && x[1] == 0);
    mdp_free(M);
    mdp_free(none);
}

/* Empty lines end as any other; nothing may stand behind a NUL or a carriage return. */
static void test_lines(void **state)
{
    (void)state;
    mdp *M = chain(3, 1);
    double x[6];
    assert_string_equal(READ(M, "\n1,2\n\n\r\n  \t\r\n3,4\r\n#\r\n", x), "");
    assert_true(x[0] == 1 && x[3] == 4);
    assert_string_equal(READ(M, "1,2\r3,4\n", x), ":1:4: expected text, found \"?\"");
    assert_string_equal(READ(M, "1,2\n3,4\0\n", x), ":2:4: expected text, found \"?\"");
    assert_string_equal(READ(M, "\0", x), ":1:1: expected text, found \"?\"");
    assert_string_equal(READ(M, "1,2 # \r \0 \n3,4", x), "");
    mdp_free(M);
}

/* Up to 24 bytes of what was found are shown, others than printable ones as `?`. */
static void test_found(void **state)
{
    (void)state;
    mdp *M = chain(2, 1);
    double x[4];
    assert_string_equal(READ(M, "a234567890123456789012345,2\n", x),
                        ":1:1: expected a logit in [-1e300, 1e300] (number 1 of 2), found"
                        " \"a23456789012345678901234\"");
    assert_string_equal(READ(M, "~ !\x7f\x80\t\x1f", x),
                        ":1:1: expected a logit in [-1e300, 1e300] (number 1 of 2), found \"~ !????\"");
    assert_string_equal(READ(M, "1", x), ":1:2: expected a comma and number 2 of 2, found the end of the line");
    assert_string_equal(READ(M, "1 2", x), ":1:3: expected a comma and number 2 of 2, found \"2\"");
    assert_string_equal(READ(M, "1,2,", x), ":1:4: expected the end of the line after 2 numbers, found \",\"");
    assert_string_equal(READ(M, "1,-1e300", x), "");
    assert_string_equal(READ(M, "1,1.0000001e300", x),
                        ":1:3: expected a logit in [-1e300, 1e300] (number 2 of 2), found \"1.0000001e300\"");
    mdp_free(M);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_random), cmocka_unit_test(test_rows),
                                        cmocka_unit_test(test_lines), cmocka_unit_test(test_found) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
