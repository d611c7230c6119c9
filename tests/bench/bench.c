/* `make bench`: what the goals about speed are decided on. Each row times contestants at one job in one
 * process, turn by turn, and prints the median over the turns, in microseconds:
 *     recorded    the tape reset and the graph recorded anew
 *     replay      the same graph run again on new data
 *     by hand     the same step without a tape, preallocated, on the same kernels
 *     products    its matrix products alone: the floor
 * Figures of different machines, core types or compilers do not compare; ratios in one row do. */
#include "tests/bench/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"

double *bench_numbers(size_t n, double scale)
{
    double *p = allocate(n, sizeof *p, "numbers");
    unsigned long state = 88172645463325252UL + n;
    for (size_t i = 0; i < n; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        p[i] = scale * ((double)(state >> 11) * 0x1p-52 - 1);
    }
    return p;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

enum { TURNS = 15, MAX_CONTESTANTS = 4 };
static const double TURN = 20e3;                        /* microseconds */

double bench_row(const char *name, const char *goal, void *job, int n, const bench_contestant c[])
{
    double time[MAX_CONTESTANTS][TURNS];
    int repeat[MAX_CONTESTANTS];
    for (int k = 0; k < n; k++) {
        repeat[k] = 0;
        for (double start = now(); repeat[k] < 1 || now() - start < TURN; repeat[k]++) c[k].run(job);
    }
    for (int turn = 0; turn < TURNS; turn++)
        for (int k = 0; k < n; k++) {
            double start = now();
            for (int i = 0; i < repeat[k]; i++) c[k].run(job);
            time[k][turn] = (now() - start) / repeat[k];
        }
    printf("%-42s", name);
    for (int k = 0; k < n; k++) {
        qsort(time[k], TURNS, sizeof time[k][0], ascending);
        printf("  %s %.4g", c[k].name, time[k][TURNS / 2]);
        if (k > 0) printf(" (%.2f)", time[0][TURNS / 2] / time[k][TURNS / 2]);
    }
    printf("   goal: %s\n", goal);
    fflush(stdout);
    return time[0][TURNS / 2];
}

int main(void)
{
    linalg_start();
    linalg_print_backend(stdout);
    printf("compiler %s\nmedians of %d turns in us; in brackets how many times as long the first contestant"
           " takes\n\n", __VERSION__, TURNS);
    bench_network();
    bench_exact();
    bench_envs();
    bench_ppo();
    bench_ddpg();
    return 0;
}
