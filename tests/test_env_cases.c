/* The classic control tasks against the transitions of the real Gymnasium, in any folder of the format of
 * tests/reference:
 *
 *   test_env_cases [DIR]      DIR/env/NAME_transitions.csv, NAME_episodes.csv, NAME_starts.csv; NAME is the id
 *                             with _ for -, and what may follow its version
 *
 * Every row is taken from the state that stands in it. Prints `name error limit PASS|FAIL` for each file: the
 * greatest error of a component of the next state and of the reward, over max(1, size); that of an observation, in
 * units of float32's last place; the number of rows with another flag. */
#include <float.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/random.h"
#include "autodiff/require.h"
#include "envs/env.h"

/* NumPy 2 computes parts of a step in float32, which we do not follow: a row of such a file (_numpy2) may be off
 * by float32's last place of a number of size 1, and so may what is observed of it. */
static const double LIMIT = 1e-12, LIMIT_NUMPY2 = FLT_EPSILON, LIMIT_PLACES = 1;

enum { FIELDS = 40, LINE = 2048, PATH_SIZE = 1024 };
static int passed, failed;

static void report(const char *name, const char *what, double error, double limit)
{
    bool ok = error <= limit;
    printf("env/%s/%s %.3g %g %s\n", name, what, error, limit, ok ? "PASS" : "FAIL");
    ok ? passed++ : failed++;
}

static double greater(double a, double b) { return isnan(a) || b <= a ? a : b; }

static double apart(double a, double b) { return fabs(a - b) / fmax(1, fabs(b)); }

/* In units of float32's last place at b; numbers below 1e-12 are what is left of cancelled ones */
static double places(double a, double b)
{
    float size = (float)fmax(fabs(b), 1e-12);
    return fabs(a - b) / (nextafterf(size, INFINITY) - size);
}

/* ---- a CSV file: comments, a header, rows ---- */

struct csv {
    FILE *f;
    char header[LINE], row[LINE];
    char *name[FIELDS], *field[FIELDS];
    int n;
};

static int split(char *line, char *field[FIELDS])
{
    int n = 0;
    line[strcspn(line, "\r\n")] = '\0';
    for (char *p = line; p && n < FIELDS; n++) {
        field[n] = p;
        if ((p = strchr(p, ','))) *p++ = '\0';
    }
    return n;
}

static bool next_row(struct csv *c)
{
    while (fgets(c->row, LINE, c->f)) {
        if (c->row[0] == '#') continue;
        if (split(c->row, c->field) != c->n) bad_input("a row of other fields than the header: %s", c->row);
        return true;
    }
    return false;
}

static struct csv *csv_open(const char *path)
{
    struct csv *c = allocate(1, sizeof *c, "a file");
    c->f = fopen(path, "r");
    if (!c->f) bad_input("%s: cannot be opened", path);
    while (fgets(c->header, LINE, c->f))
        if (c->header[0] != '#') break;
    c->n = split(c->header, c->name);
    return c;
}

static int column(const struct csv *c, const char *name)
{
    for (int i = 0; i < c->n; i++)
        if (strcmp(c->name[i], name) == 0) return i;
    return -1;
}

static double number(const struct csv *c, int i) { return i < 0 ? NAN : strtod(c->field[i], NULL); }

/* ---- a file of steps ---- */

struct errors { double next, obs, obs_places, reward; int flags, rows; };

static void compare_row(env *e, gsl_rng *rng, const struct csv *c, struct errors *worst)
{
    int action = column(c, "action"), obs = column(c, "obs0"), t = column(c, "t"), cut = column(c, "truncated");
    double state[8], a = number(c, action), reward;
    bool terminated, truncated;
    for (int i = 0; i < e->state_n; i++) state[i] = number(c, action - e->state_n + i);
    env_restore(e, rng, state, t < 0 ? 0 : (int)number(c, t));
    env_step(e, &a, &reward, &terminated, &truncated);
    for (int i = 0; i < e->state_n; i++)
        worst->next = greater(worst->next, apart(e->state[i], number(c, action + 1 + i)));
    for (int i = 0; i < e->observation.dim; i++) {
        worst->obs = greater(worst->obs, apart(e->obs[i], number(c, obs + i)));
        worst->obs_places = greater(worst->obs_places, places(e->obs[i], number(c, obs + i)));
    }
    worst->reward = greater(worst->reward, apart(reward, number(c, column(c, "reward"))));
    worst->flags += terminated != (number(c, column(c, "terminated")) == 1)
                 || (cut >= 0 && truncated != (number(c, cut) == 1));
    worst->rows++;
}

static void check_steps(env *e, gsl_rng *rng, struct csv *c, const char *name)
{
    struct errors worst = { 0 };
    bool numpy2 = strstr(name, "_numpy2") != NULL;
    int action = column(c, "action"), obs = column(c, "obs0");
    if (action < e->state_n || obs != action + 1 + e->state_n || obs + e->observation.dim >= c->n) {
        report(name, "columns", NAN, 0);
        return;
    }
    while (next_row(c)) compare_row(e, rng, c, &worst);
    if (worst.rows == 0) worst.next = NAN;
    report(name, "next_state", worst.next, numpy2 ? LIMIT_NUMPY2 : LIMIT);
    report(name, "observation", numpy2 ? worst.obs : worst.obs_places, numpy2 ? LIMIT_NUMPY2 : LIMIT_PLACES);
    report(name, "reward", worst.reward, numpy2 ? LIMIT_NUMPY2 : LIMIT);
    report(name, "flags", worst.flags, 0);
}

/* ---- a file of starts: the observation of a state after reset ---- */

static void check_starts(env *e, gsl_rng *rng, struct csv *c, const char *name)
{
    double worst = NAN, state[8];
    int obs = column(c, "obs0");
    for (int row = 0; obs >= e->state_n && next_row(c); row++) {
        for (int i = 0; i < e->state_n; i++) state[i] = number(c, obs - e->state_n + i);
        env_restore(e, rng, state, 0);
        if (row == 0) worst = 0;
        for (int i = 0; i < e->observation.dim; i++)
            worst = greater(worst, places(e->obs[i], number(c, obs + i)));
    }
    report(name, "observation", worst, LIMIT_PLACES);
}

/* CartPole_v1_transitions -> CartPole-v1 */
static void id_of(const char *name, char *id)
{
    const char *version = strstr(name, "_v");
    int length = version ? (int)(version - name) : 0;
    sprintf(id, "%.*s-v%.*s", length, name, (int)strspn(name + length + 2, "0123456789"), name + length + 2);
}

static void check_file(const char *path)
{
    char name[PATH_SIZE], id[PATH_SIZE], error[2048];
    const char *slash = strrchr(path, '/');
    snprintf(name, sizeof name, "%.*s", (int)(strlen(slash + 1) - strlen(".csv")), slash + 1);
    id_of(name, id);
    env *e = env_make(id, ENV_OWN_LIMIT, error, sizeof error);
    if (!e) fprintf(stderr, "%s\n", error);
    if (!e || e->state_n > 8) {
        report(name, "no such environment", NAN, 0);
        return;
    }
    struct csv *c = csv_open(path);
    gsl_rng *rng = random_stream(0, 0, RANDOM_TEST);
    if (strstr(name, "_starts")) check_starts(e, rng, c, name);
    else                         check_steps(e, rng, c, name);
    gsl_rng_free(rng);
    fclose(c->f);
    free(c);
    env_free(e);
}

int main(int argc, char **argv)
{
    char pattern[PATH_SIZE];
    glob_t g;
    if (argc > 2 || (argc == 2 && argv[1][0] == '-')) bad_input("usage: test_env_cases [DIR]");
    snprintf(pattern, sizeof pattern, "%s/env/*_v[0-9]*_*.csv", argc == 2 ? argv[1] : "tests/reference");
    if (glob(pattern, 0, NULL, &g) != 0) bad_input("%s: no such files", pattern);
    for (size_t k = 0; k < g.gl_pathc; k++) check_file(g.gl_pathv[k]);
    globfree(&g);
    printf("%d passed, %d failed\n", passed, failed);
    finish(failed || !passed ? EXIT_CHECK_FAILED : EXIT_HELD);
}
