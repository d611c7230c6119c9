/* What the policies of many runs are worth: seeds NAME DIR... plays 100 episodes with each, actions drawn; prints
 *     NAME,runs,training,mean,low,high,solved,steps
 * runs: how many. training: the mean of their last return_mean. Of the means over 100 episodes: their mean, its
 * 95 % bootstrap interval, and how many are at or above the mean return at which the environment counts as
 * solved. steps: the median of the steps after which return_mean is there for the first time, or - where half of
 * the runs never are.
 * Comment lines before it have each run's mean, and the learning curve with its band. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>

#include "algorithms/plot.h"
#include "algorithms/trained.h"
#include "algorithms/whole_file.h"
#include "autodiff/linalg.h"
#include "autodiff/random.h"
#include "autodiff/require.h"

enum { EPISODES = 100, TIMES = 10000, EVERY = 5, MOST = 100 };

static double mean_return(const char *folder, double *threshold)
{
    double sum = 0;
    trained *w = trained_read(folder, false);
    *threshold = w->e->threshold;
    for (int i = 0; i < EPISODES; i++) {
        gsl_rng *rng = trained_reset(w, 1, i);
        while (!w->e->over) sum += trained_step(w);
        gsl_rng_free(rng);
    }
    trained_free(w);
    return sum / EPISODES;
}

/* The steps after which the curve is at y for the first time */
static double first_at(const curve *c, double y)
{
    for (int i = 0; i < c->n; i++)
        if (c->y[i] >= y) return c->steps[i];
    return INFINITY;
}

static void read_curves(int n, char **folder, curve **seed)
{
    char error[256];
    for (int i = 0; i < n; i++) {
        char *path = path_of(folder[i], "progress.csv");
        seed[i] = curve_read(path, error, sizeof error);
        if (!seed[i]) bad_input("%s", error);
        free(path);
    }
}

static void print_curve(const char *name, int n, curve **seed)
{
    series *s = allocate(1, sizeof *s, "a curve");
    *s = (series){ .n = n, .seed = seed };
    plot_band(s, 1);
    for (int k = 0; k < POINTS; k += EVERY)
        printf("# curve %s,%.0f,%.1f,%.1f,%.1f\n", name, s->at[k], s->mean[k], s->low[k], s->high[k]);
    free(s);
}

static void print_scores(const char *name, int n, const double *y, double threshold, double training, double steps)
{
    int solved = 0;
    double *mean = allocate(TIMES, sizeof *mean, "a bootstrap");
    gsl_rng *rng = random_stream(1, 0, RANDOM_BOOTSTRAP);
    for (int b = 0; b < TIMES; b++)
        for (int i = 0; i < n; i++) mean[b] += y[gsl_rng_uniform_int(rng, (unsigned long)n)] / n;
    gsl_sort(mean, 1, TIMES);
    for (int i = 0; i < n; i++) {
        printf("# score %s,%.2f\n", name, y[i]);
        solved += y[i] >= threshold;
    }
    printf("%s,%d,%.1f,%.1f,%.1f,%.1f,%d,", name, n, training, gsl_stats_mean(y, 1, (size_t)n),
           gsl_stats_quantile_from_sorted_data(mean, 1, TIMES, 0.025),
           gsl_stats_quantile_from_sorted_data(mean, 1, TIMES, 0.975), solved);
    if (isfinite(steps)) printf("%.0f\n", steps);
    else                 printf("-\n");
    gsl_rng_free(rng);
    free(mean);
}

int main(int argc, char **argv)
{
    double y[MOST], first[MOST], threshold = NAN, training = 0;
    curve *seed[MOST];
    int n = argc - 2;
    linalg_start();
    if (n < 1 || n > MOST) bad_input("usage: seeds NAME DIR...");
    read_curves(n, argv + 2, seed);
    print_curve(argv[1], n, seed);
    for (int i = 0; i < n; i++) {
        y[i] = mean_return(argv[2 + i], &threshold);
        first[i] = first_at(seed[i], threshold);
        training += seed[i]->y[seed[i]->n - 1] / n;
        curve_free(seed[i]);
    }
    gsl_sort(first, 1, (size_t)n);
    print_scores(argv[1], n, y, threshold, training, first[n / 2]);
    finish(EXIT_HELD);
}
