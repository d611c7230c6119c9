/* The ground floor: how a program ends (require), memory (arena), random streams (random) and dense
 * linear algebra (linalg), each against its header. Nothing here is sampled anew: every seed is fixed.
 *     test_ground [pattern]       runs the tests whose names match */
#include <float.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gsl/gsl_errno.h>
#include <gsl/gsl_math.h>
#include <gsl/gsl_sf_log.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "autodiff/arena.h"
#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "autodiff/require.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

/* AddressSanitizer: a request that is too large must reach the program as NULL, and a child that ends
 * early holds memory, which is no leak and must not change its exit status. */
static bool in_child;
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "allocator_may_return_null=1"; }
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void) { return in_child; }

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ADDRESS_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define ADDRESS_SANITIZER 1
#endif

/* ---- a child process: how it ended, and what it wrote ---- */
struct ending { int status; char out[2048], err[2048]; };

static void read_all(int fd, char *text, size_t size)
{
    size_t n = 0;
    for (ssize_t k; n < size - 1 && (k = read(fd, text + n, size - 1 - n)) > 0;) n += (size_t)k;
    text[n] = 0;
    close(fd);
}

static struct ending run_child(void (*body)(int), int which)
{
    struct ending end = { 0 };
    int out[2], err[2];
    assert_int_equal(pipe(out), 0);
    assert_int_equal(pipe(err), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        in_child = true;
        dup2(out[1], STDOUT_FILENO);
        dup2(err[1], STDERR_FILENO);
        body(which);
        _exit(99);                              /* the body came back: no ending of require.h is 99 */
    }
    close(out[1]);
    close(err[1]);
    read_all(out[0], end.out, sizeof end.out);
    read_all(err[0], end.err, sizeof end.err);
    assert_true(waitpid(child, &end.status, 0) == child);
    return end;
}

/* Exactly one line on stderr. AddressSanitizer may put its warning about the size in front of it. */
static void assert_one_line(const char *err, const char *start)
{
    const char *line = strstr(err, start);
    assert_non_null(line);
#ifndef ADDRESS_SANITIZER
    assert_ptr_equal(line, err);
#endif
    const char *newline = strchr(line, '\n');
    assert_non_null(newline);
    assert_int_equal(newline[1], 0);
}

/* ---- require ---- */
enum { BAD_INPUT, IO, NUMERICAL, MEMORY, OVERFLOW, TOO_LARGE, REALLOCATE, ARENA_HALF, ARENA_ALL,
       GSL_DOMAIN, GSL_MEMORY, DISK_FULL, DISK_FULL_EARLIER };

static void die(int which)
{
    require_install_gsl_handler();
    switch (which) {
    case BAD_INPUT:  bad_input("%s:%d:%d: expected a number, found %s", "file.mdp", 3, 14, "'x'");
    case IO:         io_failure("%s: no such file", "table.csv");
    case NUMERICAL:  numerical_failure("the %s is NaN", "gradient");
    case MEMORY:     out_of_memory(12345, "a table");
    case OVERFLOW:   allocate(SIZE_MAX / 8 + 2, 8, "a product that wraps to 8"); break;
    case TOO_LARGE:  allocate(SIZE_MAX / 4, 1, "too much"); break;
    case REALLOCATE: reallocate(NULL, SIZE_MAX / 8 + 2, 8, "a growing product"); break;
    case ARENA_HALF: arena_alloc(arena_new(), SIZE_MAX / 2); break;
    case ARENA_ALL:  arena_alloc(arena_new(), SIZE_MAX); break;
    case GSL_DOMAIN: gsl_sf_log(-1); break;
    case GSL_MEMORY: gsl_error("planted", "somewhere.c", 7, GSL_ENOMEM); break;
    case DISK_FULL:             /* printf succeeds: only the flush in finish() can see the loss */
        if (!freopen("/dev/full", "w", stdout) || printf("lost\n") != 5) break;
        finish(EXIT_HELD);
    case DISK_FULL_EARLIER:     /* the loss was seen, and forgotten, before finish() */
        if (!freopen("/dev/full", "w", stdout) || printf("lost\n") != 5 || fflush(stdout) == 0) break;
        finish(EXIT_HELD);
    }
}

/* Each ending: its exit status, one line that says what is wrong, nothing on stdout. */
static void test_endings(void **state)
{
    (void)state;
    static const struct { int which, status; const char *start, *part; } ending[] = {
        { BAD_INPUT,  2, "file.mdp:3:14: ", "expected a number, found 'x'\n" },
        { IO,         3, "ascent: ", "table.csv: no such file\n" },
        { NUMERICAL,  4, "ascent: numerical failure: ", "the gradient is NaN\n" },
        { MEMORY,     5, "ascent: out of memory: ", "12345 bytes for a table\n" },
        { OVERFLOW,   5, "ascent: out of memory: ", "a product that wraps to 8\n" },
        { TOO_LARGE,  5, "ascent: out of memory: ", "too much\n" },
        { REALLOCATE, 5, "ascent: out of memory: ", "a growing product\n" },
        { ARENA_HALF, 5, "ascent: out of memory: ", "bytes for an arena\n" },
        { ARENA_ALL,  5, "ascent: out of memory: ", "bytes for an arena\n" },
        { GSL_DOMAIN, 4, "ascent: numerical failure: GSL: ", "domain error" },
        { GSL_MEMORY, 5, "ascent: out of memory: GSL", "planted" },
        { DISK_FULL,  3, "ascent: stdout: ", "No space left on device\n" },
        { DISK_FULL_EARLIER, 3, "ascent: stdout: ", "\n" },
    };
    for (int i = 0; i < COUNT(ending); i++) {
        struct ending end = run_child(die, ending[i].which);
        if (!WIFEXITED(end.status) || WEXITSTATUS(end.status) != ending[i].status)
            fail_msg("ending %d: wait status %#x, expected exit %d; stderr: %s", ending[i].which,
                     (unsigned)end.status, ending[i].status, end.err);
        assert_one_line(end.err, ending[i].start);
        assert_non_null(strstr(end.err, ending[i].part));
        assert_string_equal(end.out, "");
    }
}

static int require_line;                        /* written before the fork, so that the parent knows it */

static void break_require(int n)
{
    require(n == 2, "n = %d, expected %d", n, 2); require_line = __LINE__;
}

/* A bug prints file:line, the values and the condition, and aborts; a condition that holds does nothing. */
static void test_require(void **state)
{
    (void)state;
    break_require(2);
    struct ending end = run_child(break_require, 3);
    assert_true(WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGABRT);
    char start[64];
    snprintf(start, sizeof start, "test_ground.c:%d: ", require_line);
    assert_non_null(strstr(end.err, start));
    assert_non_null(strstr(end.err, "n = 3, expected 2"));
    assert_non_null(strstr(end.err, "n == 2"));
    assert_string_equal(end.out, "");
    const char *newline = strchr(end.err, '\n');
    assert_true(newline && newline[1] == 0);
    int evaluated = 0;
    require(++evaluated == 1, "the condition is evaluated once");
    assert_int_equal(evaluated, 1);
}

static void print_and_finish(int status)
{
    printf("kept\n");
    finish(status);
}

/* finish() hands on its status and writes out what stdout still holds. */
static void test_finish(void **state)
{
    (void)state;
    for (int status = EXIT_HELD; status <= EXIT_MEMORY; status++) {
        struct ending end = run_child(print_and_finish, status);
        assert_true(WIFEXITED(end.status));
        assert_int_equal(WEXITSTATUS(end.status), status);
        assert_string_equal(end.out, "kept\n");
        assert_string_equal(end.err, "");
    }
}

/* allocate() gives zeros, n = 0 gives something to free; reallocate() keeps what was there. */
static void test_allocate(void **state)
{
    (void)state;
    free(allocate(0, 8, "nothing"));
    free(allocate(8, 0, "nothing"));
    free(reallocate(NULL, 0, 8, "nothing"));
    for (int round = 0; round < 3; round++) {           /* dirty memory comes back: it must be cleared */
        unsigned char *p = allocate(1000, 3, "zeros");
        for (int i = 0; i < 3000; i++) assert_int_equal(p[i], 0);
        memset(p, 0xa5, 3000);
        p = reallocate(p, 2000, 3, "more");
        for (int i = 0; i < 3000; i++) assert_int_equal(p[i], 0xa5);
        memset(p, 0xa5, 6000);                          /* room for all of it: AddressSanitizer's business */
        free(p);
    }
}

/* ---- arena ---- */
static const size_t sizes[] = { 1, 8, 63, 64, 65, 100, 4096, 65536, 70000, 7, 1000000, 16, 3000000, 64 };

/* 64-byte alignment; no two pieces overlap: each keeps its own pattern while all are written. */
static void test_arena_pieces(void **state)
{
    (void)state;
    arena *m = arena_new();
    unsigned char *p[COUNT(sizes)];
    for (int i = 0; i < COUNT(sizes); i++) {
        p[i] = arena_alloc(m, sizes[i]);
        assert_int_equal((uintptr_t)p[i] % 64, 0);
        memset(p[i], i + 1, sizes[i]);
    }
    for (int i = 0; i < COUNT(sizes); i++)
        for (size_t j = 0; j < sizes[i]; j++)
            if (p[i][j] != i + 1) fail_msg("piece %d (%zu bytes) was overwritten at %zu", i, sizes[i], j);
    void *empty = arena_alloc(m, 0);                    /* zero bytes: still a pointer, still aligned */
    assert_true(empty != NULL && (uintptr_t)empty % 64 == 0);
    arena_free(m);
    arena_free(NULL);
}

/* After a reset the same requests get the same memory, across blocks, a hundred times over: nothing
 * grows. What lies before the mark is left alone. */
static void test_arena_reuse(void **state)
{
    (void)state;
    arena *m = arena_new();
    unsigned char *kept = arena_alloc(m, 1000);
    memset(kept, 0x5a, 1000);
    arena_mark mark = arena_here(m);
    void *first[COUNT(sizes)];
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < COUNT(sizes); i++) {
            void *p = arena_alloc(m, sizes[i]);
            if (round == 0) first[i] = p;
            if (p != first[i]) fail_msg("round %d, piece %d: moved", round, i);
            memset(p, round, sizes[i]);
        }
        arena_reset(m, mark);
    }
    for (int i = 0; i < 1000; i++) assert_int_equal(kept[i], 0x5a);
    arena_free(m);
}

/* Marks nest. After a reset a request larger than the kept blocks still gets room, and pieces that were
 * given out in between stay apart. */
static void test_arena_marks(void **state)
{
    (void)state;
    arena *m = arena_new();
    arena_mark outer = arena_here(m);
    unsigned char *a = arena_alloc(m, 100);
    arena_mark inner = arena_here(m);
    void *b = arena_alloc(m, 200000);
    void *c = arena_alloc(m, 100);
    assert_ptr_not_equal(b, c);
    arena_reset(m, inner);
    assert_ptr_equal(arena_alloc(m, 200000), b);
    memset(a, 1, 100);
    arena_reset(m, inner);
    unsigned char *large = arena_alloc(m, 50000000), *small = arena_alloc(m, 100);
    memset(large, 2, 50000000);
    memset(small, 3, 100);
    assert_int_equal(a[99], 1);
    assert_int_equal(large[49999999], 2);
    assert_int_equal(large[0], 2);
    arena_reset(m, outer);
    assert_ptr_equal(arena_alloc(m, 100), a);
    arena_free(m);
}

/* In a checking build what was given out since the mark is NaN after the reset, in every block. */
static void test_arena_poison(void **state)
{
    (void)state;
    arena *m = arena_new();
    double *before = arena_alloc(m, sizeof *before);
    *before = 1;
    arena_mark mark = arena_here(m);
    double *near = arena_alloc(m, sizeof *near), *far = arena_alloc(m, 100000 * sizeof *far);
    *near = far[0] = far[99999] = 2;
    arena_reset(m, mark);
#ifdef ASCENT_CHECKED
    assert_true(isnan(*near) && isnan(far[0]) && isnan(far[99999]));
#else
    assert_true(*near == 2 && far[0] == 2 && far[99999] == 2);      /* no time is spent on clearing */
#endif
    assert_true(*before == 1);
    arena_free(m);
}

/* ---- random ---- */
/* The state behind GSL's interface begins with key, counter, block, next: the words of random.c. */
struct words { uint32_t key[2], counter[4], block[4]; unsigned next; };

static gsl_rng *at_counter(uint64_t seed, const uint32_t counter[4])
{
    gsl_rng *rng = random_stream(seed, counter[2], counter[3]);
    struct words w;
    assert_int_equal(gsl_rng_size(rng), sizeof w);
    memcpy(&w, gsl_rng_state(rng), sizeof w);
    assert_int_equal(w.counter[2], counter[2]);
    assert_int_equal(w.counter[3], counter[3]);
    memcpy(w.counter, counter, sizeof w.counter);
    memcpy(gsl_rng_state(rng), &w, sizeof w);
    return rng;
}

static void assert_block(gsl_rng *rng, const uint32_t want[4])
{
    for (int i = 0; i < 4; i++) {
        unsigned long got = gsl_rng_get(rng);
        if (got != want[i]) fail_msg("word %d: %08lx, expected %08lx", i, got, (unsigned long)want[i]);
    }
}

/* Random123's known answers for philox4x32-10 (kat_vectors). The name of a stream is (seed: key;
 * worker, purpose: counter words 2 and 3); words 0 and 1 count blocks from 0. */
static void test_random_known_answers(void **state)
{
    (void)state;
    static const struct { uint64_t seed; uint32_t counter[4], answer[4]; } known[] = {
        { 0, { 0, 0, 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
        { UINT64_MAX, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff },
          { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
        { 0x299f31d0a4093822, { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 },
          { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
    };
    for (int i = 0; i < COUNT(known); i++) {
        gsl_rng *rng = at_counter(known[i].seed, known[i].counter);
        assert_block(rng, known[i].answer);
        gsl_rng_free(rng);
    }
    gsl_rng *rng = random_stream(0, 0, 0);      /* the first answer again, without touching the state */
    assert_block(rng, known[0].answer);
    gsl_rng_set(rng, 0);
    assert_block(rng, known[0].answer);
    gsl_rng *high = random_stream(ULONG_MAX - 5, 0, 0);     /* gsl_rng_set: all bits of the seed count */
    gsl_rng_set(rng, ULONG_MAX - 5);
    for (int k = 0; k < 8; k++) assert_int_equal(gsl_rng_get(rng), gsl_rng_get(high));
    gsl_rng_free(high);
    gsl_rng_free(rng);
}

/* After block 2^32 - 1 comes block 2^32: a lost carry would repeat the stream after 16 GB. After the
 * last of 2^64 blocks the count wraps and leaves worker and purpose alone. */
static void test_random_carry(void **state)
{
    (void)state;
    static const uint32_t from[2][4] = { { 0xffffffff, 6, 11, 12 }, { 0xffffffff, 0xffffffff, 11, 12 } };
    static const uint32_t to[2][4] = { { 0, 7, 11, 12 }, { 0, 0, 11, 12 } };
    for (int i = 0; i < 2; i++) {
        gsl_rng *a = at_counter(5, from[i]), *b = at_counter(5, to[i]);
        for (int k = 0; k < 4; k++) gsl_rng_get(a);
        for (int k = 0; k < 8; k++) assert_int_equal(gsl_rng_get(a), gsl_rng_get(b));
        gsl_rng_free(a);
        gsl_rng_free(b);
    }
}

/* The same name gives the same numbers; names that differ in seed (either half), worker or purpose
 * give different blocks: 5 x 4 x 4 streams, all pairs. */
static void test_random_names(void **state)
{
    (void)state;
    static const uint64_t seeds[] = { 0, 1, 2, UINT64_C(1) << 32, UINT64_MAX };
    enum { STREAMS = 5 * 4 * 4 };
    uint32_t block[STREAMS][4];
    for (int i = 0; i < STREAMS; i++) {
        uint32_t worker = (uint32_t)(i / 4 % 4), purpose = (uint32_t)(i % 4 + RANDOM_POLICY);
        gsl_rng *rng = random_stream(seeds[i / 16], worker, purpose);
        gsl_rng *again = random_stream(seeds[i / 16], worker, purpose);
        for (int k = 0; k < 4; k++) block[i][k] = (uint32_t)gsl_rng_get(rng);
        assert_block(again, block[i]);
        gsl_rng_free(rng);
        gsl_rng_free(again);
        for (int j = 0; j < i; j++)
            if (memcmp(block[i], block[j], sizeof block[i]) == 0) fail_msg("streams %d, %d: equal", j, i);
    }
}

/* gsl_rng_uniform: 53 bits in [0, 1): 0 from zero bits, 1 - 2^-53 (never 1) from ones, and the 2nd
 * word's upper bits in the last places. gsl_rng_get covers 32 bits and says so. */
static void test_random_uniform(void **state)
{
    (void)state;
    static const struct { uint32_t word[2]; double value; } extreme[] = {
        { { 0, 0 }, 0 }, { { 0xffffffff, 0xffffffff }, 1 - 0x1p-53 }, { { 0x80000000, 0 }, 0.5 },
        { { 0, 0x80000000 }, 0x1p-28 }, { { 0, 0x40 }, 0x1p-53 }, { { 0x20, 0 }, 0x1p-27 },
    };
    gsl_rng *rng = random_stream(1, 0, RANDOM_TEST);
    assert_true(gsl_rng_min(rng) == 0 && gsl_rng_max(rng) == 0xffffffff);
    for (int i = 0; i < COUNT(extreme); i++) {
        struct words w;
        memcpy(&w, gsl_rng_state(rng), sizeof w);
        memcpy(w.block, extreme[i].word, sizeof extreme[i].word);
        w.next = 0;
        memcpy(gsl_rng_state(rng), &w, sizeof w);
        double x = gsl_rng_uniform(rng);
        if (!(x == extreme[i].value)) fail_msg("extreme %d: %a, expected %a", i, x, extreme[i].value);
    }
    for (int i = 0; i < 1000000; i++) {
        double x = gsl_rng_uniform(rng);
        assert_true(x >= 0 && x < 1);
    }
    gsl_rng_free(rng);
}

/* Worst |z| of: mean, variance, correlation of neighbours, correlation with a second stream, for n draws
 * x^power. With u uniform on [0,1], d = u - 1/2: E d = 0, Var d = 1/12; E d^2 = 1/12, Var d^2 = 1/180;
 * d d' of independent ones: mean 0, variance 1/144. */
static double worst_z(gsl_rng *a, gsl_rng *b, int n, double power)
{
    double sum[4] = { 0 }, last = 0, worst = 0;
    const double variance[4] = { 1.0 / 12, 1.0 / 180, 1.0 / 144, 1.0 / 144 };
    for (int i = 0; i < n; i++) {
        double d = pow(gsl_rng_uniform(a), power) - 0.5, e = gsl_rng_uniform(b) - 0.5;
        sum[0] += d;
        sum[1] += d * d - 1.0 / 12;
        sum[2] += i ? d * last : 0;
        sum[3] += d * e;
        last = d;
    }
    for (int k = 0; k < 4; k++) worst = fmax(worst, fabs(sum[k]) / sqrt(n * variance[k]));
    return worst;
}

/* |z| <= 6 for each of 64 statistics (16 pairs of neighbouring streams x 4) and 32 bit counts: a right
 * generator with a fresh seed would fail with probability below 96 x 2e-9 = 2e-7. Power: at n = 2^18
 * the mean is seen from a shift of 5e-3 on (6 + 3 standard deviations of 5.6e-4); u^1.03, whose mean is
 * off by 7.4e-3 = 13 standard deviations, must be rejected, and so must a stream beside its equal. */
static void test_random_moments(void **state)
{
    (void)state;
    enum { N = 1 << 18 };
    const double limit = 6;
    for (uint32_t k = 0; k < 16; k++) {
        gsl_rng *a = random_stream(7, k / 4, k % 4 + 1), *b = random_stream(7, k / 4 + k % 2, k % 4 + 2);
        gsl_rng *twin = random_stream(7, k / 4, k % 4 + 1);
        double z = worst_z(a, b, N, 1);
        if (!(z <= limit)) fail_msg("stream %u: |z| = %.2f", (unsigned)k, z);
        assert_true(worst_z(a, b, N, 1.03) > limit);
        gsl_rng *same = random_stream(7, k / 4, k % 4 + 1);
        assert_true(worst_z(twin, same, N, 1) > limit);
        gsl_rng_free(a);
        gsl_rng_free(b);
        gsl_rng_free(twin);
        gsl_rng_free(same);
    }
    gsl_rng *rng = random_stream(8, 0, RANDOM_TEST);
    int ones[32] = { 0 };
    for (int i = 0; i < N; i++) {
        unsigned long word = gsl_rng_get(rng);
        for (int bit = 0; bit < 32; bit++) ones[bit] += (int)(word >> bit & 1);
    }
    for (int bit = 0; bit < 32; bit++) assert_true(fabs(ones[bit] - N / 2.0) / sqrt(N / 4.0) <= limit);
    gsl_rng_free(rng);
}

/* ---- linalg: ratios to n eps in LAPACK's manner; its own limits are 30 to 60, ours is 10 ---- */
enum { MAX_N = 50 };
static const double RATIO = 10;
static const int orders[] = { 1, 2, 3, 5, 10, 50 };

static void fill(gsl_rng *rng, int n, double scale, double *A)
{
    for (int i = 0; i < n; i++) A[i] = scale * (2 * gsl_rng_uniform(rng) - 1);
}

static double norm_inf(int r, int c, const double *A)
{
    double norm = 0;
    for (int i = 0; i < r; i++) {
        double sum = 0;
        for (int j = 0; j < c; j++) sum += fabs(A[i * c + j]);
        if (!(sum <= norm)) norm = sum;
    }
    return norm;
}

/* op(A)[i, j] of A whose op(A) is [r x c] */
static double entry(const double *A, bool transposed, int r, int c, int i, int j)
{
    return transposed ? A[j * r + i] : A[i * c + j];
}

/* Each entry is a sum of k products below 1 in any order: at most (k + 1) roundings of partial sums
 * <= k: k (k + 1) eps. The shapes tell rows from columns; k = 0 gives zeros. */
static void test_matmul(void **state)
{
    (void)state;
    static const int shape[][3] = { { 1, 1, 1 }, { 2, 3, 4 }, { 4, 2, 3 }, { 1, 5, 7 }, { 7, 1, 5 },
                                    { 5, 7, 1 }, { 17, 13, 11 }, { 2, 3, 0 }, { 40, 50, 30 } };
    gsl_rng *rng = random_stream(1, 0, RANDOM_TEST);
    double A[MAX_N * MAX_N], B[MAX_N * MAX_N], C[MAX_N * MAX_N];
    for (int s = 0; s < COUNT(shape); s++)
        for (int flags = 0; flags < 4; flags++) {
            int m = shape[s][0], n = shape[s][1], k = shape[s][2];
            bool At = flags & 1, Bt = flags & 2;
            fill(rng, MAX_N * MAX_N, 1, A);
            fill(rng, MAX_N * MAX_N, 1, B);
            for (int i = 0; i < m * n + 1; i++) C[i] = NAN;         /* an old value must not be added */
            linalg_matmul(At, Bt, m, n, k, A, B, C);
            for (int i = 0; i < m; i++)
                for (int j = 0; j < n; j++) {
                    long double sum = 0;
                    for (int l = 0; l < k; l++)
                        sum += (long double)entry(A, At, m, k, i, l) * entry(B, Bt, k, n, l, j);
                    if (!(fabsl(C[i * n + j] - sum) <= k * (k + 1) * DBL_EPSILON))
                        fail_msg("%d x %d x %d, flags %d: C[%d,%d] = %g, expected %Lg", m, n, k, flags, i, j,
                                 C[i * n + j], sum);
                }
            assert_true(isnan(C[m * n]));                           /* nothing behind the end */
        }
    gsl_rng_free(rng);
}

static void test_vectors(void **state)
{
    (void)state;
    static const int shape[][2] = { { 1, 1 }, { 3, 4 }, { 4, 3 }, { 1, 7 }, { 7, 1 }, { 50, 40 }, { 3, 0 } };
    gsl_rng *rng = random_stream(2, 0, RANDOM_TEST);
    double A[MAX_N * MAX_N], x[MAX_N], y[MAX_N];
    for (int s = 0; s < COUNT(shape); s++) {
        int m = shape[s][0], n = shape[s][1];
        fill(rng, MAX_N * MAX_N, 1, A);
        fill(rng, MAX_N, 1, x);
        for (int i = 0; i < m; i++) y[i] = NAN;
        linalg_matvec(m, n, A, x, y);
        for (int i = 0; i < m; i++) {
            long double sum = 0;
            for (int j = 0; j < n; j++) sum += (long double)A[i * n + j] * x[j];
            if (!(fabsl(y[i] - sum) <= n * (n + 1) * DBL_EPSILON))
                fail_msg("matvec %d x %d: y[%d] = %g, expected %Lg", m, n, i, y[i], sum);
            assert_true(fabsl(linalg_dot(n, A + i * n, x) - sum) <= n * (n + 1) * DBL_EPSILON);
        }
    }
    /* 3, 4, 5 where a sum of squares over- or underflows; two roundings and a square root */
    for (int k = -300; k <= 300; k += 50) {
        double scale = pow(10, k), v[4] = { 3 * scale, 0, -4 * scale, 0 };
        assert_true(fabs(linalg_norm2(4, v) / (5 * scale) - 1) <= 8 * DBL_EPSILON);
    }
    assert_true(linalg_norm2(0, x) == 0 && linalg_dot(0, x, x) == 0);
    gsl_rng_free(rng);
}

/* NaN at any place comes through, whatever stands before or behind it; the sign does not matter. */
static void test_max_abs(void **state)
{
    (void)state;
    double x[5] = { 1, -7, 3, 0, 5 };
    assert_true(linalg_max_abs(5, x) == 7);
    assert_true(linalg_max_abs(1, x) == 1);
    assert_true(linalg_max_abs(0, x) == 0);
    x[4] = INFINITY;
    assert_true(linalg_max_abs(5, x) == INFINITY);
    x[4] = -8;
    assert_true(linalg_max_abs(5, x) == 8);
    for (int i = 0; i < 5; i++) {
        double kept = x[i];
        x[i] = NAN;
        assert_true(isnan(linalg_max_abs(5, x)));
        x[i] = kept;
    }
}

/* ||B - op(A) X|| / (n eps ||A|| ||X||), the residual in long double so that it is not the test's own */
static double residual_ratio(bool transposed, int n, int m, const double *A, const double *B, const double *X)
{
    double worst = 0, largest = 0, norm = 0, column_norm = 0;
    for (int i = 0; i < n; i++) {
        double row = 0;
        for (int j = 0; j < n; j++) row += fabs(entry(A, transposed, n, n, i, j));
        norm = fmax(norm, row);
    }
    for (int j = 0; j < m; j++) {
        double error = 0;
        column_norm = 0;
        for (int i = 0; i < n; i++) {
            long double r = B[i * m + j];
            for (int k = 0; k < n; k++) r -= (long double)entry(A, transposed, n, n, i, k) * X[k * m + j];
            if (!(fabsl(r) <= error)) error = (double)fabsl(r);
            column_norm = fmax(column_norm, fabs(X[i * m + j]));
        }
        largest = column_norm > 0 ? error / (n * DBL_EPSILON * norm * column_norm) : error;
        if (!(largest <= worst)) worst = largest;
    }
    return worst;
}

/* Partial pivoting is backward stable but for its growth factor, which is small on all of these. The
 * matrices: random; rows scaled over 12 decades; near under- and overflow. */
static void test_lu(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(3, 0, RANDOM_TEST);
    static double A[MAX_N * MAX_N], kept[MAX_N * MAX_N], B[MAX_N * 7], X[MAX_N * 7];
    static const double scales[] = { 1, 1e-250, 1e250 };
    for (int o = 0; o < COUNT(orders); o++)
        for (int kind = 0; kind < 6; kind++)
            for (int m = 1; m <= 7; m += 3) {
                int n = orders[o];
                fill(rng, n * n, scales[kind % 3], A);
                for (int i = 0; i < n * n && kind >= 3; i++) A[i] *= pow(10, -12.0 * (i / n) / n);
                memcpy(kept, A, sizeof A);
                fill(rng, n * m, 1, B);
                linalg_lu *f = linalg_lu_new(n);
                assert_int_equal(linalg_lu_factor(f, A), LINALG_OK);
                for (int transposed = 0; transposed < 2; transposed++) {
                    linalg_lu_solve(f, transposed, m, B, X);
                    double ratio = residual_ratio(transposed, n, m, A, B, X);
                    if (!(ratio <= RATIO)) fail_msg("n %d kind %d m %d: ratio %g", n, kind, m, ratio);
                }
                assert_memory_equal(A, kept, sizeof A);             /* inputs are const */
                X[0] *= 1 + 1e-9;                                   /* the ratio can tell a wrong solution */
                if (kind < 3) assert_true(residual_ratio(true, n, m, A, B, X) > RATIO);
                linalg_lu_free(f);
            }
    linalg_lu_free(NULL);
    gsl_rng_free(rng);
}

static void hilbert(int n, double *A)
{
    for (int i = 0; i < n * n; i++) A[i] = 1.0 / (i / n + i % n + 1);
}

/* Known condition numbers in the 1-norm. Hilbert matrices of order 2 .. 5: 27, 748, 28375, 943656 (all
 * published; A's own rounding moves them by cond eps relative, at most 1e-10). The last matrix has
 * ||A||_1 = ||A^-1||_1 = 2, but 3 and 3 in the infinity norm, which must not be taken for it. LAPACK's
 * estimate may exceed the true rcond, on these it is exact. */
static void test_rcond(void **state)
{
    (void)state;
    static const double hilbert_condition[] = { 1, 27, 748, 28375, 943656 };
    double A[25] = { 0 };
    for (int n = 1; n <= 5; n++) {
        linalg_lu *f = linalg_lu_new(n);
        linalg_cholesky *g = linalg_cholesky_new(n);
        hilbert(n, A);
        assert_int_equal(linalg_lu_factor(f, A), LINALG_OK);
        assert_int_equal(linalg_cholesky_factor(g, A), LINALG_OK);
        assert_true(fabs(f->rcond * hilbert_condition[n - 1] - 1) <= 1e-9);
        assert_true(fabs(g->rcond * hilbert_condition[n - 1] - 1) <= 1e-9);
        linalg_lu_free(f);
        linalg_cholesky_free(g);
    }
    linalg_lu *f = linalg_lu_new(3);
    const double upper[9] = { 1, 1, 1, 0, 1, 0, 0, 0, 1 };
    assert_int_equal(linalg_lu_factor(f, upper), LINALG_OK);
    if (!(fabs(f->rcond - 1.0 / 4) <= 1e-15)) fail_msg("rcond %g, expected 1/4 in the 1-norm", f->rcond);
    linalg_lu_free(f);
}

/* diag(1, rcond): the line is drawn at 2^-52, from below singular, from there on regular. */
static void test_nearly_singular(void **state)
{
    (void)state;
    linalg_lu *f = linalg_lu_new(2);
    linalg_cholesky *g = linalg_cholesky_new(2);
    for (int e = -60; e <= -40; e++) {
        double A[4] = { 1, 0, 0, ldexp(1, e) };
        enum linalg_outcome want = e < -52 ? LINALG_SINGULAR : LINALG_OK;
        assert_int_equal(linalg_lu_factor(f, A), want);
        assert_int_equal(linalg_cholesky_factor(g, A), want);
        assert_true(f->rcond == ldexp(1, e));
        assert_true(fabs(g->rcond - ldexp(1, e)) <= ldexp(4 * DBL_EPSILON, e));    /* sqrt, squared */
    }
    linalg_lu_free(f);
    linalg_cholesky_free(g);
}

/* Singular ones: zero, equal rows, rank 1, and two for which LU meets no zero pivot (LAPACK says
 * `info == 0`): the Hilbert matrix of order 12 (cond 4e16), and [[.1,.2,.3],[.4,.5,.6],[.7,.8,.9]]. */
static void test_singular(void **state)
{
    (void)state;
    static double A[MAX_N * MAX_N];
    for (int o = 0; o < COUNT(orders); o++) {
        int n = orders[o];
        linalg_lu *f = linalg_lu_new(n);
        linalg_cholesky *g = linalg_cholesky_new(n);
        memset(A, 0, sizeof A);
        assert_int_equal(linalg_lu_factor(f, A), LINALG_SINGULAR);
        assert_int_equal(linalg_cholesky_factor(g, A), LINALG_SINGULAR);
        assert_true(f->rcond == 0 && g->rcond == 0);
        for (int i = 0; i < n * n; i++) A[i] = (i / n + 1) * (i % n + 1.0);          /* rank 1 */
        if (n > 1) assert_int_equal(linalg_lu_factor(f, A), LINALG_SINGULAR);
        if (n > 1) assert_int_equal(linalg_cholesky_factor(g, A), LINALG_SINGULAR);
        for (int i = 0; i < n * n; i++) A[i] = 1 + i % n + (i / n == i % n && i > n);   /* rows 0, 1 equal */
        if (n > 1) A[n + 1] = A[1];
        if (n > 1) assert_int_equal(linalg_lu_factor(f, A), LINALG_SINGULAR);
        linalg_lu_free(f);
        linalg_cholesky_free(g);
    }
    linalg_lu *f = linalg_lu_new(12);
    hilbert(12, A);
    assert_int_equal(linalg_lu_factor(f, A), LINALG_SINGULAR);
    linalg_lu_free(f);
    f = linalg_lu_new(3);
    for (int i = 0; i < 9; i++) A[i] = (i + 1) / 10.0;
    assert_int_equal(linalg_lu_factor(f, A), LINALG_SINGULAR);
    linalg_lu_free(f);
}

/* A = B B^T + n I is well conditioned, so the ratio is far below its limit; only the upper triangle of
 * A is read, rcond included: garbage below changes nothing. */
static void test_cholesky(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(4, 0, RANDOM_TEST);
    static double A[MAX_N * MAX_N], B[MAX_N * MAX_N], b[MAX_N], x[MAX_N], again[MAX_N];
    for (int o = 0; o < COUNT(orders); o++) {
        int n = orders[o];
        fill(rng, n * n, 1, B);
        fill(rng, n, 1, b);
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++) {
                A[i * n + j] = i == j ? n : 0;
                for (int k = 0; k < n; k++) A[i * n + j] += B[i * n + k] * B[j * n + k];
            }
        linalg_cholesky *f = linalg_cholesky_new(n);
        assert_int_equal(linalg_cholesky_factor(f, A), LINALG_OK);
        linalg_cholesky_solve(f, b, x);
        double ratio = residual_ratio(false, n, 1, A, b, x), rcond = f->rcond;
        if (!(ratio <= RATIO)) fail_msg("n %d: ratio %g", n, ratio);
        for (int i = 0; i < n; i++)
            for (int j = 0; j < i; j++) A[i * n + j] = 1e6;
        assert_int_equal(linalg_cholesky_factor(f, A), LINALG_OK);
        linalg_cholesky_solve(f, b, again);
        assert_memory_equal(x, again, (size_t)n * sizeof *x);
        if (!(f->rcond == rcond))
            fail_msg("n %d: the lower triangle moved rcond from %g to %g", n, rcond, f->rcond);
        linalg_cholesky_free(f);
    }
    linalg_cholesky *f = linalg_cholesky_new(2);
    static const double not_definite[][4] = { { 1, 2, 2, 1 }, { -1, 0, 0, 1 }, { 1, 0, 0, -1 },
        { 1, 1, 1, 1 }, { 4, 2, 2, 1 }, { 0, 0, 0, 1 }, { 1, 0, 0, 0 } };
    for (int i = 0; i < COUNT(not_definite); i++)
        assert_int_equal(linalg_cholesky_factor(f, not_definite[i]), LINALG_SINGULAR);
    linalg_cholesky_free(f);
    linalg_cholesky_free(NULL);
    gsl_rng_free(rng);
}

/* Semidefinite by construction, in floating point: diag(pi) - pi pi^T of a softmax pi, the Fisher matrix
 * of one state. Its null vector is (1, .., 1); Cholesky often meets no negative pivot. All of 2000 must be
 * reported singular, by both factorisations, with min pi >= 1e-3 so that nothing else is small. */
static void test_semidefinite(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(5, 0, RANDOM_TEST);
    enum { N = 6 };
    linalg_lu *f = linalg_lu_new(N);
    linalg_cholesky *g = linalg_cholesky_new(N);
    int missed_lu = 0, missed_cholesky = 0;
    for (int round = 0; round < 2000; round++) {
        double pi[N], sum = 0, F[N * N];
        for (int i = 0; i < N; i++) sum += pi[i] = exp(4 * gsl_rng_uniform(rng) - 2);
        for (int i = 0; i < N; i++) pi[i] /= sum;
        for (int i = 0; i < N * N; i++) F[i] = (i / N == i % N ? pi[i / N] : 0) - pi[i / N] * pi[i % N];
        missed_lu += linalg_lu_factor(f, F) != LINALG_SINGULAR;
        missed_cholesky += linalg_cholesky_factor(g, F) != LINALG_SINGULAR;
    }
    if (missed_lu || missed_cholesky)
        fail_msg("taken for regular: %d by LU, %d by Cholesky, of 2000", missed_lu, missed_cholesky);
    linalg_lu_free(f);
    linalg_cholesky_free(g);
    gsl_rng_free(rng);
}

/* Worst of ||A - U diag(w) U^T|| / (n eps ||A||), ||U^T U - I|| / (n eps); w ascending. */
static double eigen_ratio(int n, const double *A, const double *w, const double *Ut)
{
    static double R[MAX_N * MAX_N], Q[MAX_N * MAX_N];
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            long double r = A[i * n + j], q = i == j;
            for (int k = 0; k < n; k++) {
                r -= (long double)w[k] * Ut[k * n + i] * Ut[k * n + j];
                q -= (long double)Ut[i * n + k] * Ut[j * n + k];
            }
            R[i * n + j] = (double)r;
            Q[i * n + j] = (double)q;
        }
    for (int i = 1; i < n; i++)
        if (!(w[i - 1] <= w[i])) return INFINITY;
    double norm = norm_inf(n, n, A), residual = norm_inf(n, n, R);
    return fmax(norm > 0 ? residual / (n * DBL_EPSILON * norm) : residual / DBL_MIN,
                norm_inf(n, n, Q) / (n * DBL_EPSILON));
}

/* Random symmetric matrices; 0; I (all eigenvalues equal); rank 1; and the second difference matrix, whose
 * eigenvalues are 2 - 2 cos(pi k / (n + 1)): absolute error n eps max|w|, as linalg.h promises. */
static void test_eigen(void **state)
{
    (void)state;
    gsl_rng *rng = random_stream(6, 0, RANDOM_TEST);
    static double A[MAX_N * MAX_N], Ut[MAX_N * MAX_N];
    double w[MAX_N];
    for (int o = 0; o < COUNT(orders); o++)
        for (int kind = 0; kind < 7; kind++) {
            int n = orders[o];
            fill(rng, n * n, kind == 5 ? 1e-200 : kind == 6 ? 1e200 : 1, A);
            for (int i = 0; i < n; i++)
                for (int j = 0; j <= i; j++) {
                    double special[] = { A[i * n + j], 0, i == j, (i + 1) * (j + 1.0),
                                         i == j ? 2 : i == j + 1 ? -1 : 0, A[i * n + j], A[i * n + j] };
                    A[i * n + j] = A[j * n + i] = special[kind];
                }
            linalg_eigen_symmetric(n, A, w, Ut);
            double ratio = eigen_ratio(n, A, w, Ut);
            if (!(ratio <= RATIO)) fail_msg("n %d kind %d: ratio %g", n, kind, ratio);
            for (int k = 0; k < n && kind == 4; k++)
                assert_true(fabs(w[k] - (2 - 2 * cos(M_PI * (k + 1) / (n + 1)))) <= RATIO * n * DBL_EPSILON);
            if (n > 2 && kind == 0) {                       /* a wrong entry: the ratio can tell */
                double swapped = Ut[1];
                Ut[1] = Ut[n];
                Ut[n] = swapped;
                assert_true(eigen_ratio(n, A, w, Ut) > RATIO);
            }
        }
    gsl_rng_free(rng);
}

static void break_linalg(int which)
{
    double A[4] = { 1, NAN, 0, 1 }, w[2], Ut[4];
    if (which == 0) linalg_lu_factor(linalg_lu_new(2), A);
    if (which == 1) linalg_cholesky_factor(linalg_cholesky_new(2), A);
    if (which == 2) linalg_eigen_symmetric(2, A, w, Ut);
    if (which == 3) linalg_lu_new(0);
    if (which == 4) linalg_cholesky_new(0);
    A[1] = INFINITY;
    if (which == 5) linalg_lu_factor(linalg_lu_new(2), A);
    if (which == 6) linalg_cholesky_factor(linalg_cholesky_new(2), A);
}

/* A NaN stops the program where it enters, with the routine's name; so do sizes below 1. Nothing of
 * LAPACKE's own complaints reaches stdout. */
static void test_linalg_bugs(void **state)
{
    (void)state;
    static const char *const name[] = { "linalg_lu_factor", "linalg_cholesky_factor", "linalg_eigen_symmetric",
        "linalg_lu_new", "linalg_cholesky_new", "linalg_lu_factor", "linalg_cholesky_factor" };
    for (int i = 0; i < COUNT(name); i++) {
        struct ending end = run_child(break_linalg, i);
        assert_true(WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGABRT);
        assert_non_null(strstr(end.err, name[i]));
        if (strcmp(end.out, "") != 0) fail_msg("case %d wrote to stdout: %s", i, end.out);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_endings), cmocka_unit_test(test_require),
        cmocka_unit_test(test_finish), cmocka_unit_test(test_allocate),
        cmocka_unit_test(test_arena_pieces), cmocka_unit_test(test_arena_reuse),
        cmocka_unit_test(test_arena_marks), cmocka_unit_test(test_arena_poison),
        cmocka_unit_test(test_random_known_answers), cmocka_unit_test(test_random_carry),
        cmocka_unit_test(test_random_names), cmocka_unit_test(test_random_uniform),
        cmocka_unit_test(test_random_moments),
        cmocka_unit_test(test_matmul), cmocka_unit_test(test_vectors), cmocka_unit_test(test_max_abs),
        cmocka_unit_test(test_lu), cmocka_unit_test(test_rcond), cmocka_unit_test(test_nearly_singular),
        cmocka_unit_test(test_singular), cmocka_unit_test(test_cholesky), cmocka_unit_test(test_semidefinite),
        cmocka_unit_test(test_eigen), cmocka_unit_test(test_linalg_bugs),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    linalg_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
