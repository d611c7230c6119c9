/* Where memory ends: the exact sizes of the arena's blocks, what is said of a request that cannot be met, and the
 * bytes that are not printed as they are. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "autodiff/arena.h"
#include "autodiff/require.h"

const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "allocator_may_return_null=1"; }

/* ---- arena ---- */

/* How many pieces of 64 bytes stand without a gap from *p on; *p becomes the first behind the gap. */
static int run_of_pieces(arena *m, char **p)
{
    int n = 1;
    char *next;
    for (; (next = arena_alloc(m, 64)) == *p + 64; n++) *p = next;
    *p = next;
    return n;
}

/* Blocks are filled to the last byte, and each is twice the one before. */
static void test_blocks(void **state)
{
    (void)state;
    arena *m = arena_new();
    char *p = arena_alloc(m, 64);
    assert_int_equal(run_of_pieces(m, &p), 1024);
    for (int times = 2; times <= 16; times *= 2) assert_int_equal(run_of_pieces(m, &p), 1024 * times);
    arena_free(m);
}

/* Sizes are rounded up to 64, and no further. */
static void test_rounding(void **state)
{
    (void)state;
    static const size_t bytes[][2] = { { 0, 0 }, { 1, 64 }, { 63, 64 }, { 64, 64 }, { 65, 128 }, { 128, 128 } };
    arena *m = arena_new();
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) {
        char *p = arena_alloc(m, bytes[i][0]), *next = arena_alloc(m, 64);
        assert_true((size_t)(next - p) == bytes[i][1]);
    }
    arena_free(m);
}

/* A request of any size next to a power of two times the last block gets a block it fits into. */
static void test_large_pieces(void **state)
{
    (void)state;
    for (int eighths = 1; eighths <= 40; eighths++)
        for (int more = -64; more <= 64; more += 64) {
            arena *m = arena_new();
            size_t bytes = (size_t)(eighths * 8192 + more);
            char *p = arena_alloc(m, 64), *large = arena_alloc(m, bytes);
            memset(large, 1, bytes);
            memset(p, 2, 64);
            assert_true(large[0] == 1 && large[bytes - 1] == 1);
            arena_free(m);
        }
}

/* ---- what is said ---- */

static void end_badly(int which)
{
    const size_t half = SIZE_MAX / 2 + 1;
    if (which == 0) bad_input("a\x01\x1f ~\x7f\x80\xc3\n");
    if (which == 1) allocate(half / 4, 4, "a table");                   /* 2^63 bytes */
    if (which == 2) allocate(SIZE_MAX / 8, 8, "a table");               /* the most that does not overflow */
    if (which == 3) allocate(SIZE_MAX / 8 + 1, 8, "a table");
    if (which == 4) reallocate(NULL, half / 4, 4, "a table");
    if (which == 5) reallocate(NULL, SIZE_MAX / 8, 8, "a table");
    if (which == 6) reallocate(NULL, SIZE_MAX / 8 + 1, 8, "a table");
    if (which == 7) out_of_memory(0, "JSON");
    if (which == 8) arena_alloc(arena_new(), SIZE_MAX - 10);            /* rounded up: 0 */
    if (which == 9) arena_alloc(arena_new(), SIZE_MAX / 4 + 1);
}

static void test_messages(void **state)
{
    (void)state;
    static const char *const message[] = { "a?? ~?\x80\xc3?\n",
        "ascent: out of memory: 9223372036854775808 bytes for a table\n",
        "ascent: out of memory: 18446744073709551608 bytes for a table\n",
        "ascent: out of memory: 18446744073709551615 bytes for a table\n",
        "ascent: out of memory: 9223372036854775808 bytes for a table\n",
        "ascent: out of memory: 18446744073709551608 bytes for a table\n",
        "ascent: out of memory: 18446744073709551615 bytes for a table\n",
        "ascent: out of memory: JSON\n",
        "ascent: out of memory: 18446744073709551605 bytes for an arena\n",
        "ascent: out of memory: 4611686018427387904 bytes for an arena\n" };
    if (SIZE_MAX != 18446744073709551615u) skip();
    for (int which = 0; which < (int)(sizeof message / sizeof *message); which++) {
        char said[8000] = "";
        int end[2], status;
        assert_int_equal(pipe(end), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            dup2(end[1], STDERR_FILENO);
            end_badly(which);
            _exit(99);
        }
        close(end[1]);
        size_t n = 0;
        for (ssize_t k; (k = read(end[0], said + n, sizeof said - 1 - n)) > 0;) n += (size_t)k;
        close(end[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == (which == 0 ? EXIT_BAD_INPUT : EXIT_MEMORY));
        size_t length = strlen(message[which]);             /* the sanitizer may say something before it */
        if (n < length || strcmp(said + n - length, message[which]) != 0) fail_msg("case %d: %s", which, said);
    }
}

/* No bytes at all are a block like any other. */
static void test_nothing(void **state)
{
    (void)state;
    void *p = allocate(0, 8, "nothing"), *q = allocate(8, 0, "nothing");
    assert_true(p && q && p != q);
    p = reallocate(p, 0, 8, "nothing");
    q = reallocate(q, 8, 0, "nothing");
    assert_true(p && q && p != q);
    free(p);
    free(q);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks), cmocka_unit_test(test_rounding), cmocka_unit_test(test_large_pieces),
        cmocka_unit_test(test_messages), cmocka_unit_test(test_nothing),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
