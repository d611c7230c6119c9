/* What linalg.c promises about the libraries below it: one thread, and their complaints passed on as ours. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "autodiff/linalg.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ADDRESS_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define ADDRESS_SANITIZER 1
#endif

extern int openblas_get_num_threads(void) __attribute__((weak));    /* another BLAS has none of it */

static void test_one_thread(void **state)
{
    (void)state;
    if (!openblas_get_num_threads) skip();
    assert_int_equal(openblas_get_num_threads(), 1);
}

/* The buffer of OpenBLAS is taken at the start: where no memory is left for one, a large product still ends. In a
 * program of its own, as OpenBLAS takes it at a fork too. */
static int large_product(void)
{
    enum { N = 300 };
    linalg_start();
    double *A = calloc(N * N, sizeof *A), *C = calloc(N * N, sizeof *C);
    struct rlimit none = { 1 << 20, 1 << 20 };              /* less than is in use */
    if (!A || !C || setrlimit(RLIMIT_AS, &none) != 0) return 1;
    void *volatile more = malloc(140 << 20);                /* volatile: a compiler may take it for granted */
    if (more) return 1;
    alarm(20);
    A[0] = 2;
    linalg_matmul(false, false, N, N, N, A, A, C);
    _exit(C[0] == 4 ? 0 : 2);                               /* no wait for what the libraries have started */
}

static const char *program;

static void test_buffer(void **state)
{
    (void)state;
#ifdef ADDRESS_SANITIZER
    skip();                                                 /* it cannot do without more memory itself */
#endif
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        execl(program, program, "--large-product", (char *)NULL);
        _exit(3);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* ---- products, against the sums as they are written: small whole numbers, so that every order of adding gives the
 * same. NaN stands around A and B and, where nothing is added to it, in C; 1/2 around C. ---- */
enum { LARGEST = 11, ROOM = 4 + LARGEST * LARGEST + 4 };

static double *fill(double *room, int n, int seed, double around)
{
    for (int i = 0; i < ROOM; i++) room[i] = around;
    for (int i = 0; i < n; i++) room[4 + i] = (i * 7 + seed) % 13 - 6;
    return room + 4;
}

static void check_product(bool add, bool At, bool Bt, int m, int n, int k)
{
    double room[3][ROOM], before[LARGEST * LARGEST];
    double *A = fill(room[0], m * k, 1, NAN), *B = fill(room[1], k * n, 2, NAN), *C = fill(room[2], m * n, 3, 0.5);
    memcpy(before, C, sizeof before);
    for (int i = 0; i < m * n && !add; i++) C[i] = NAN;
    (add ? linalg_matmul_add : linalg_matmul)(At, Bt, m, n, k, A, B, C);
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            double sum = add ? before[i * n + j] : 0;
            for (int p = 0; p < k; p++) sum += A[At ? p * m + i : i * k + p] * B[Bt ? j * k + p : p * n + j];
            if (!(C[i * n + j] == sum))
                fail_msg("%s, A%s B%s, m %d n %d k %d: C[%d, %d] = %g, expected %g", add ? "+=" : "=",
                         At ? "^T" : "", Bt ? "^T" : "", m, n, k, i, j, C[i * n + j], sum);
        }
    for (int i = 0; i < 4; i++) assert_true(room[2][i] == 0.5);
    for (int i = 4 + m * n; i < ROOM; i++) assert_true(room[2][i] == 0.5);
}

static void test_products(void **state)
{
    (void)state;
    for (int how = 0; how < 8; how++)
        for (int m = 0; m <= LARGEST; m++)
            for (int n = 0; n <= LARGEST; n++)
                for (int k = 0; k <= LARGEST; k++) check_product(how & 1, how & 2, how & 4, m, n, k);
}

/* In place a zero pivot is all that it sees, and the condition stays unknown. */
static void test_lu_in_place(void **state)
{
    (void)state;
    static const double A[2][4] = { { 2, 1, 1, 2 }, { 1, 2, 2, 4 } };
    for (int singular = 0; singular < 2; singular++) {
        linalg_lu *lu = linalg_lu_new(2);
        memcpy(lu->LU, A[singular], sizeof A[singular]);
        assert_int_equal(linalg_lu_in_place(lu), singular ? LINALG_SINGULAR : LINALG_OK);
        assert_true(lu->rcond == -1);
        linalg_lu_free(lu);
    }
}

/* A NaN in the right-hand side, which for dpotrs is argument 7; no matrix is 0 x 0. */
static void make_complain(int which)
{
    double A[4] = { 2, 1, 1, 2 }, b[2] = { 1, NAN }, x[2];
    linalg_lu *lu = linalg_lu_new(2);
    linalg_cholesky *cholesky = linalg_cholesky_new(2);
    linalg_lu_factor(lu, A);
    linalg_cholesky_factor(cholesky, A);
    if (which == 0) linalg_lu_solve(lu, false, 1, b, x);
    if (which == 1) linalg_cholesky_solve(cholesky, b, x);
    if (which == 2) linalg_eigen_symmetric(0, A, x, A);
    if (which == 3) linalg_lu_solve(lu, false, 2, (double[]){ 1, 2, 3, NAN }, A);
}

static void test_complaints(void **state)
{
    (void)state;
    static const char *const complaint[] = { "linalg_lu_solve: an entry ", "dpotrs: argument 7 ",
                                             "linalg_eigen_symmetric: n = 0 ", "linalg_lu_solve: an entry " };
    for (int which = 0; which < 4; which++) {
        int end[2], status;
        char said[1000] = "";
        assert_int_equal(pipe(end), 0);
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
            dup2(end[1], STDOUT_FILENO);
            dup2(end[1], STDERR_FILENO);
            make_complain(which);
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
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_one_thread), cmocka_unit_test(test_buffer),
                                        cmocka_unit_test(test_products), cmocka_unit_test(test_lu_in_place),
                                        cmocka_unit_test(test_complaints) };
    if (argc > 1 && strcmp(argv[1], "--large-product") == 0) return large_product();
    program = argv[0];
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    linalg_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
