/* What the fuzzers of a run's files check (tests/fuzz), without a fuzzer: every file of their corpora, and the same
 * changed at random. The corpus holds a checkpoint of each version of the format there was, for ever.
 *     test_fuzz_runs [pattern]      runs the tests whose names match */
#include <glob.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "autodiff/random.h"

#define LLVMFuzzerTestOneInput fuzz_checkpoint_bytes
#include "tests/fuzz/fuzz_checkpoint.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_config_bytes
#include "tests/fuzz/fuzz_config.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_progress_bytes
#include "tests/fuzz/fuzz_progress.c"
#undef LLVMFuzzerTestOneInput

enum { BYTES_MAX = 1 << 16, CHANGES = 300 };

/* How many files there are */
static int runs_of(const char *pattern, int (*check)(const uint8_t *, size_t))
{
    static uint8_t bytes[BYTES_MAX], changed[BYTES_MAX];
    gsl_rng *rng = random_stream(1, 0, RANDOM_TEST);
    glob_t files;
    assert_int_equal(glob(pattern, 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        FILE *f = fopen(files.gl_pathv[i], "rb");
        assert_non_null(f);
        size_t n = fread(bytes, 1, BYTES_MAX, f);
        fclose(f);
        check(bytes, n);
        for (int k = 0; n > 0 && k < CHANGES; k++) {
            memcpy(changed, bytes, n);
            for (int j = 0; j < 1 + k % 3; j++) changed[gsl_rng_uniform_int(rng, n)] = (uint8_t)gsl_rng_get(rng);
            check(changed, k % 5 ? n : gsl_rng_uniform_int(rng, n));
        }
    }
    int n = (int)files.gl_pathc;
    globfree(&files);
    gsl_rng_free(rng);
    return n;
}

static void test_checkpoints(void **state)
{
    (void)state;
    assert_true(runs_of("tests/fuzz/checkpoint/*", fuzz_checkpoint_bytes) >= 4);
}

static void test_configs(void **state)
{
    (void)state;
    assert_true(runs_of("tests/fuzz/config/*", fuzz_config_bytes) >= 5);
}

static void test_progress(void **state)
{
    (void)state;
    assert_true(runs_of("tests/fuzz/progress/*", fuzz_progress_bytes) >= 4);
}

static void test_version_1(void **state)
{
    (void)state;
    size_t n = 0;
    if (setjmp(back) != 0) fail_msg("refused: %s", refusal);
    double *theta = checkpoint_find("tests/fuzz/checkpoint/whole", "theta", &n);
    assert_true(theta && n == 5);
    for (int i = 0; i < 5; i++) assert_true(theta[i] == i + 1);
    let_go(theta);
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_checkpoints), cmocka_unit_test(test_configs),
                                        cmocka_unit_test(test_progress), cmocka_unit_test(test_version_1) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
