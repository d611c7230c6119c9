/* `ascent eval DIR`: the returns of a trained policy, or of those of several seeds. */
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>

#include "algorithms/commands.h"
#include "algorithms/progress.h"
#include "algorithms/trained.h"
#include "autodiff/json.h"
#include "autodiff/options.h"
#include "autodiff/random.h"
#include "autodiff/require.h"

typedef struct { uint64_t seed; double *R, mean; } evaluated;     /* R [n] of one policy */

static void evaluate(const char *folder, bool greedy, uint64_t seed, int n, evaluated *v)
{
    trained *w = trained_read(folder, greedy);
    *v = (evaluated){ .seed = w->x->seed, .R = allocate((size_t)n, sizeof *v->R, "returns") };
    for (int i = 0; i < n; i++) {
        gsl_rng *env_rng = trained_reset(w, seed, i);
        while (!w->e->over) v->R[i] += trained_step(w);
        gsl_rng_free(env_rng);
    }
    for (int i = 0; i < n; i++) v->mean += v->R[i];
    v->mean /= n;
    trained_free(w);
}

static void print_text(int n, const evaluated *v)
{
    double squares = 0, low = v->R[0], high = v->R[0];
    for (int i = 0; i < n; i++) {
        squares += (v->R[i] - v->mean) * (v->R[i] - v->mean);
        low = fmin(low, v->R[i]);
        high = fmax(high, v->R[i]);
    }
    char text[3][PROGRESS_NUMBER];
    progress_number(text[0], v->mean);
    progress_number(text[1], low);
    progress_number(text[2], high);
    printf("mean return %s over %d episodes", text[0], n);
    if (n > 1) printf(", standard error %.3g", sqrt(squares / (n - 1) / n));
    printf(", least %s, greatest %s\n", text[1], text[2]);
}

/* ---- of several seeds ---- */

typedef struct { double mean, low, high; } spread;

/* Percentile bootstrap over seeds (Efron, Tibshirani 1993, chapter 13); NaN from fewer than 5 */
static spread over_seeds(int m, const evaluated *v, uint64_t seed)
{
    enum { TIMES = 10000, FEWEST = 5 };
    spread s = { .low = NAN, .high = NAN };
    for (int k = 0; k < m; k++) s.mean += v[k].mean / m;
    if (m < FEWEST) return s;
    gsl_rng *rng = random_stream(seed, 0, RANDOM_BOOTSTRAP);
    double *mean = allocate(TIMES, sizeof *mean, "a bootstrap");
    for (int b = 0; b < TIMES; b++)
        for (int k = 0; k < m; k++) mean[b] += v[gsl_rng_uniform_int(rng, (unsigned long)m)].mean / m;
    gsl_sort(mean, 1, TIMES);
    s.low = gsl_stats_quantile_from_sorted_data(mean, 1, TIMES, 0.025);
    s.high = gsl_stats_quantile_from_sorted_data(mean, 1, TIMES, 0.975);
    free(mean);
    gsl_rng_free(rng);
    return s;
}

static void print_seeds_text(int m, int n, const evaluated *v, spread s)
{
    char text[PROGRESS_NUMBER];
    for (int k = 0; k < m; k++) {
        printf("seed %" PRIu64 ": ", v[k].seed);
        print_text(n, &v[k]);
    }
    progress_number(text, s.mean);
    printf("mean over %d seeds %s, ", m, text);
    if (isnan(s.low)) printf("no interval: fewer than 5 seeds\n");
    else              printf("95 %% bootstrap interval %.6g to %.6g\n", s.low, s.high);
}

static json_t *json_of(int n, const evaluated *v)
{
    json_t *object = json_checked(json_object());
    json_set(object, "returns", json_vector(n, v->R));
    json_set(object, "mean", json_number(v->mean));
    return object;
}

static void print_seeds_json(int m, int n, const evaluated *v, spread s)
{
    json_t *object = json_checked(json_object()), *seeds = json_checked(json_array());
    for (int k = 0; k < m; k++) {
        json_t *one = json_of(n, &v[k]);
        json_set(one, "seed", json_checked(json_integer((json_int_t)v[k].seed)));
        json_append(seeds, one);
    }
    json_set(object, "seeds", seeds);
    json_set(object, "mean", json_number(s.mean));
    json_set(object, "interval", isnan(s.low) ? json_null() : json_vector(2, (double[]){ s.low, s.high }));
    json_print(object);
}

static void require_same_kind(char *const *folder, int m)
{
    char *kind = NULL;
    for (int k = 0; k < m; k++) {
        experiment *x = experiment_read(folder[k]);
        char *its = experiment_text(x, EXPERIMENT_KIND);
        if (kind && strcmp(its, kind) != 0)
            bad_input("%s: expected a run of the same settings as %s, but for the seed", folder[k], folder[0]);
        if (kind) free(its);
        else      kind = its;
        experiment_free(x);
    }
    free(kind);
}

int eval_command(int argc, char **argv)
{
    const char *episodes = "100", *seed = "1";
    bool greedy = false, json = false;
    const option table[] = {
        { "--episodes", "N", "how many (100)", &episodes, NULL },
        { "--seed", "K", "of first states, transitions and actions (1)", &seed, NULL },
        { "--greedy", NULL, "the most likely action instead of a drawn one", NULL, &greedy },
        { "--json", NULL, "print {returns, mean}; of seeds {seeds, mean, interval}", NULL, &json },
        { NULL }
    };
    int left = options_parse(argc, argv, "eval DIR [--episodes N] [--seed K] [--greedy] [--json]",
                             "Returns (undiscounted sums of rewards) of the policy in a run's checkpoint. Random\n"
                             "numbers are others than those of training, also with the same seed. Of a folder that\n"
                             "train --seeds has made: of each seed, and their mean's 95 % bootstrap interval.",
                             table);
    if (left != 1) bad_input("eval: expected one run's folder, found %d", left);
    int n = (int)options_whole("--episodes", episodes, 1, 100000000);
    uint64_t k = options_seed("--seed", seed);
    int m;
    char **folder = trained_folders(argv[1], &m);
    evaluated *v = allocate((size_t)m, sizeof *v, "returns");
    require_same_kind(folder, m);
    for (int i = 0; i < m; i++) evaluate(folder[i], greedy, k, n, &v[i]);
    if (m == 1 && json)  json_print(json_of(n, v));
    else if (m == 1)     print_text(n, v);
    else if (json)       print_seeds_json(m, n, v, over_seeds(m, v, k));
    else                 print_seeds_text(m, n, v, over_seeds(m, v, k));
    for (int i = 0; i < m; i++) free(v[i].R), free(folder[i]);
    free(v);
    free(folder);
    return EXIT_HELD;
}
