/* What the fuzzers check (tests/fuzz), without a fuzzer: every text of their corpora, and files with fields
 * changed at random.
 *     test_fuzz [pattern]      runs the tests whose names match */
#include <glob.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "autodiff/random.h"

#define LLVMFuzzerTestOneInput fuzz_mdp_text
#include "tests/fuzz/fuzz_mdp.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_fields_text
#include "tests/fuzz/fuzz_fields.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_policy_text
#include "tests/fuzz/fuzz_policy.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_lqr_text
#include "tests/fuzz/fuzz_lqr.c"
#undef LLVMFuzzerTestOneInput

enum { TEXT_MAX = 1 << 17, MESSAGE_SIZE = 512 };

static uint8_t *read_text(const char *path, size_t *size)
{
    uint8_t *text = allocate(TEXT_MAX, 1, "text");
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    *size = fread(text, 1, TEXT_MAX, f);
    assert_true(*size < TEXT_MAX);
    fclose(f);
    return reallocate(text, *size, 1, "text");          /* no byte beyond its end */
}

/* How many files match; each text is given to `fuzz` and, with its path, to `compare`. */
static size_t replay(const char *pattern, int (*fuzz)(const uint8_t *data, size_t size),
                     void (*compare)(const char *path, const char *text, size_t size))
{
    glob_t g;
    assert_int_equal(glob(pattern, 0, NULL, &g), 0);
    for (size_t i = 0; i < g.gl_pathc; i++) {
        size_t size;
        uint8_t *text = read_text(g.gl_pathv[i], &size);
        fuzz(text, size);
        if (compare) compare(g.gl_pathv[i], (const char *)text, size);
        free(text);
    }
    size_t n = g.gl_pathc;
    globfree(&g);
    return n;
}

/* From a file as from memory. */
static void compare_mdp(const char *path, const char *text, size_t size)
{
    char error[MESSAGE_SIZE] = "", error2[MESSAGE_SIZE] = "";
    mdp *M = mdp_parse(path, text, size, error, sizeof error);
    mdp *N = mdp_read(path, error2, sizeof error2);
    assert_string_equal(error, error2);
    assert_int_equal(M != NULL, N != NULL);
    if (M) check_same(M, N);
    mdp_free(M);
    mdp_free(N);
}

static void compare_policy(const char *path, const char *text, size_t size)
{
    char error[MESSAGE_SIZE] = "", error2[MESSAGE_SIZE] = "";
    double logits[LOGITS] = { 0 }, logits2[LOGITS] = { 0 };
    mdp *M = policy_table();
    bool ok = policy_parse(path, text, size, M, logits, error, sizeof error);
    assert_int_equal(ok, policy_read(path, M, logits2, error2, sizeof error2));
    assert_string_equal(error, error2);
    if (ok) assert_memory_equal(logits, logits2, sizeof logits);
    mdp_free(M);
}

static void compare_lqr(const char *path, const char *text, size_t size)
{
    char error[MESSAGE_SIZE] = "", error2[MESSAGE_SIZE] = "";
    lqr_system *L = lqr_system_parse(path, text, size, error, sizeof error);
    lqr_system *M = lqr_system_read(path, error2, sizeof error2);
    assert_string_equal(error, error2);
    assert_int_equal(L != NULL, M != NULL);
    lqr_system_free(L);
    lqr_system_free(M);
}

static void test_mdp_corpus(void **state)
{
    (void)state;
    assert_true(replay("tests/fuzz/mdp/*", fuzz_mdp_text, compare_mdp) >= 50);
}

static void test_fields_corpus(void **state)
{
    (void)state;
    assert_true(replay("tests/fuzz/fields/*", fuzz_fields_text, NULL) >= 5);
}

static void test_policy_corpus(void **state)
{
    (void)state;
    assert_true(replay("tests/fuzz/policy/*", fuzz_policy_text, compare_policy) >= 15);
}

static void test_lqr_corpus(void **state)
{
    (void)state;
    assert_true(replay("tests/fuzz/lqr/*", fuzz_lqr_text, compare_lqr) >= 25);
}

/* No file, no text, no end. */
static void test_unreadable(void **state)
{
    (void)state;
    static const struct { const char *path, *policy, *mdp; } file[] = {
        { "tests/no", "tests/no: No such file or directory", "tests/no: No such file or directory" },
        { "tests", "tests: Is a directory", "tests: Is a directory" },
        { "/dev/zero", "/dev/zero: expected at most 64000000 bytes, found more",
          "/dev/zero:1:1: expected UTF-8 text, found '\\x00'" } };
    mdp *M = policy_table();
    for (size_t i = 0; i < sizeof file / sizeof *file; i++) {
        char error[MESSAGE_SIZE] = "";
        double logits[LOGITS];
        assert_false(policy_read(file[i].path, M, logits, error, sizeof error));
        assert_string_equal(error, file[i].policy);
        assert_null(mdp_read(file[i].path, error, sizeof error));
        assert_string_equal(error, file[i].mdp);
    }
    mdp_free(M);
}

/* Up to 6 changes a file: about a sixth are accepted. */
static void test_random_fields(void **state)
{
    (void)state;
    enum { ROUNDS = 20000 };
    int accepted = 0;
    gsl_rng *rng = random_stream(4, 0, RANDOM_TEST);
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t data[19];
        for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)gsl_rng_uniform_int(rng, 256);
        accepted += fuzz_fields(data, 1 + 3 * gsl_rng_uniform_int(rng, 7));
    }
    assert_in_range(accepted, ROUNDS / 10, ROUNDS - ROUNDS / 10);
    gsl_rng_free(rng);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mdp_corpus), cmocka_unit_test(test_fields_corpus),
        cmocka_unit_test(test_policy_corpus), cmocka_unit_test(test_lqr_corpus),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_random_fields) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
