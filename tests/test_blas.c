/* What linalg.c promises about the libraries below it: one thread, and their complaints passed on as ours. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "autodiff/linalg.h"

extern int openblas_get_num_threads(void) __attribute__((weak));    /* another BLAS has none of it */

static void test_one_thread(void **state)
{
    (void)state;
    if (!openblas_get_num_threads) skip();
    assert_int_equal(openblas_get_num_threads(), 1);
}

/* A NaN in the right-hand side; for dpotrs that is argument 7. */
static void solve_with_nan(int which)
{
    double A[4] = { 2, 1, 1, 2 }, b[2] = { 1, NAN }, x[2];
    linalg_lu *lu = linalg_lu_new(2);
    linalg_cholesky *cholesky = linalg_cholesky_new(2);
    linalg_lu_factor(lu, A);
    linalg_cholesky_factor(cholesky, A);
    if (which == 0) linalg_lu_solve(lu, false, 1, b, x);
    else            linalg_cholesky_solve(cholesky, b, x);
}

static void test_complaints(void **state)
{
    (void)state;
    static const char *const complaint[] = { "linalg_lu_solve: an entry ", "dpotrs: argument 7 " };
    for (int which = 0; which < 2; which++) {
        int end[2], status;
        char said[1000] = "";
        assert_int_equal(pipe(end), 0);
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
            dup2(end[1], STDOUT_FILENO);
            dup2(end[1], STDERR_FILENO);
            solve_with_nan(which);
            _exit(0);
        }
        close(end[1]);
        size_t n = 0;
        for (ssize_t k; (k = read(end[0], said + n, sizeof said - 1 - n)) > 0;) n += (size_t)k;
        close(end[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (!strstr(said, complaint[which])) fail_msg("it said: %s", said);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        assert_ptr_equal(strchr(said, '\n'), said + n - 1);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_one_thread), cmocka_unit_test(test_complaints) };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    linalg_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
