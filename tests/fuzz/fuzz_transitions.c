/* Any bytes as a file of transitions, for boxes (Pendulum-v1) and for numbered states and actions (FrozenLake-v1). */
#include "autodiff/random.h"
#include "envs/transitions.h"
#include "tests/fuzz/check.h"

/* A step can be taken from every row, and what is written of the rows reads back bit by bit the same. */
static void check_rows(env *e, const transitions *x)
{
    gsl_rng *rng = random_stream(1, 0, RANDOM_TEST);
    char *text = NULL, error[512];
    size_t size;
    FILE *f = open_memstream(&text, &size);
    require(f != NULL, "memory");
    for (int i = 0; i < e->state_n; i++) fprintf(f, "%s,", e->kind->state_name[i]);
    fprintf(f, "t,action\n");
    for (int i = 0; i < x->n; i++) {
        double reward;
        bool terminated, truncated;
        env_restore(e, rng, x->state + i * e->state_n, x->t[i]);
        env_step(e, &x->action[i], &reward, &terminated, &truncated);
        for (int k = 0; k < e->state_n; k++) fprintf(f, "%.17g,", x->state[i * e->state_n + k]);
        fprintf(f, "%d,%.17g\n", x->t[i], x->action[i]);
        require(x->line[i] > 1 && (i == 0 || x->line[i] > x->line[i - 1]), "line %d", x->line[i]);
    }
    fclose(f);
    transitions *y = transitions_parse("m", text, size, e, error, sizeof error);
    require(y != NULL && y->n == x->n, "%s", y ? "other rows" : error);
    for (int i = 0; i < x->n * e->state_n; i++) require(x->state[i] == y->state[i], "another state");
    for (int i = 0; i < x->n; i++) require(x->action[i] == y->action[i] && x->t[i] == y->t[i], "another action or t");
    transitions_free(y);
    free(text);
    gsl_rng_free(rng);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const id[] = { "Pendulum-v1", "FrozenLake-v1" };
    for (int i = 0; i < 2; i++) {
        char error[512] = "";
        env *e = env_make(id[i], ENV_OWN_LIMIT, error, sizeof error);
        transitions *x = transitions_parse("m", (const char *)data, size, e, error, sizeof error);
        if (x) check_rows(e, x);
        else   check_message(error);
        transitions_free(x);
        env_free(e);
    }
    return 0;
}
