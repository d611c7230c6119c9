/* `ascent eval DIR`: the returns of a trained policy. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "algorithms/commands.h"
#include "algorithms/progress.h"
#include "algorithms/trained.h"
#include "autodiff/json.h"
#include "autodiff/options.h"
#include "autodiff/require.h"

static void print_text(int n, const double *R)
{
    double sum = 0, squares = 0, low = R[0], high = R[0];
    for (int i = 0; i < n; i++) {
        sum += R[i];
        low = fmin(low, R[i]);
        high = fmax(high, R[i]);
    }
    double mean = sum / n;
    for (int i = 0; i < n; i++) squares += (R[i] - mean) * (R[i] - mean);
    char text[3][PROGRESS_NUMBER];
    progress_number(text[0], mean);
    progress_number(text[1], low);
    progress_number(text[2], high);
    printf("mean return %s over %d episodes", text[0], n);
    if (n > 1) printf(", standard error %.3g", sqrt(squares / (n - 1) / n));
    printf(", least %s, greatest %s\n", text[1], text[2]);
}

static void print_json(int n, const double *R)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += R[i];
    json_t *object = json_checked(json_object());
    json_set(object, "returns", json_vector(n, R));
    json_set(object, "mean", json_number(sum / n));
    json_print(object);
}

int eval_command(int argc, char **argv)
{
    const char *episodes = "100", *seed = "1";
    bool greedy = false, json = false;
    const option table[] = {
        { "--episodes", "N", "how many (100)", &episodes, NULL },
        { "--seed", "K", "of first states, transitions and actions (1)", &seed, NULL },
        { "--greedy", NULL, "the most likely action instead of a drawn one", NULL, &greedy },
        { "--json", NULL, "print {returns, mean}", NULL, &json },
        { NULL }
    };
    int left = options_parse(argc, argv, "eval DIR [--episodes N] [--seed K] [--greedy] [--json]",
                             "Returns (undiscounted sums of rewards) of the policy in a run's checkpoint. Random\n"
                             "numbers are others than those of training, also with the same seed.", table);
    if (left != 1) bad_input("eval: expected one run's folder, found %d", left);
    int n = (int)options_whole("--episodes", episodes, 1, 100000000);
    uint64_t k = options_seed("--seed", seed);
    trained *w = trained_read(argv[1], greedy);
    double *R = allocate((size_t)n, sizeof *R, "returns");
    for (int i = 0; i < n; i++) {
        gsl_rng *env_rng = trained_reset(w, k, i);
        while (!w->e->over) R[i] += trained_step(w);
        gsl_rng_free(env_rng);
    }
    if (json) print_json(n, R);
    else      print_text(n, R);
    free(R);
    trained_free(w);
    return EXIT_HELD;
}
