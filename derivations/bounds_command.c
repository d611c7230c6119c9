/* `ascent bounds`: how much of a gain the bounds on J(pi') promise, along a line of policies or on random MDPs. */
#include <stdlib.h>
#include <string.h>

#include "algorithms/whole_file.h"
#include "autodiff/options.h"
#include "autodiff/require.h"
#include "derivations/bounds_table.h"
#include "derivations/commands.h"
#include "derivations/policy_file.h"

static const char about[] =
    "With an MDP: the true J(pi'), the surrogate L_pi(pi') and its lower bounds, for policies pi' on the way\n"
    "from pi to the policy --against, logits + t (logits' - logits), t = 0 .. 1; or, without one, along the\n"
    "natural gradient, logits + t A. First a third further than TRPO-4 promises anything, then all the way.\n"
    "  DSB-10   L - 2 alpha gamma C / (1-gamma)^2       C = max_s |sum_a pi'(a|s) A(s,a)|, alpha = max TV\n"
    "  TRPO-3   L - 4 eps gamma alpha^2 / (1-gamma)^2   eps = max |A|\n"
    "  TRPO-4   L - 4 eps gamma max KL / (1-gamma)^2\n"
    "  constant_C, of --csv: DSB-10 with eps for C\n"
    "With --mdps N: on N random MDPs with two policies each, what is bounded over its bound.\n"
    "Exit 1 if a bound does not hold.";

/* Takes over the picture. */
static void save(const char *path, char *svg)
{
    whole_file_text(path, svg);
    free(svg);
}

static bool on_random_mdps(int n, uint64_t seed, const char *plot, bool csv)
{
    tightness t = tightness_new(n, seed);
    if (plot) save(plot, tightness_svg(&t));
    if (csv) tightness_csv(&t, stdout);
    else     tightness_text(&t, stdout);
    bool holds = tightness_holds(&t);
    tightness_free(&t);
    return holds;
}

static bool along_a_line(const char *name, const char *gamma, const char *policy, const char *against,
                         const char *plot, bool csv)
{
    char error[512];
    mdp *M = mdp_open(name, error, sizeof error);
    if (!M) bad_input("%s", error);
    double G = gamma ? options_number("--gamma", gamma, 0, 1) : M->gamma;
    if (!(G < 1)) bad_input("bounds: expected gamma < 1, found 1: the bounds are infinite");
    exact *pi = policy_solved(policy, M, G), *pi1 = against ? policy_solved(against, M, G) : NULL;
    bounds_line *l = bounds_line_new(pi, pi1);
    if (!bounds_line_finite(l))
        bad_input("%s: bounds: the policies or rewards are so large that a bound overflows", name);
    if (plot) save(plot, bounds_line_svg(l));
    if (csv) bounds_line_csv(l, stdout);
    else     bounds_line_text(l, stdout);
    bool holds = bounds_line_holds(l);
    bounds_line_free(l);
    exact_free(pi);
    exact_free(pi1);
    mdp_free(M);
    return holds;
}

int bounds_command(int argc, char **argv)
{
    const char *gamma = NULL, *policy = NULL, *against = NULL, *mdps = NULL, *seed = NULL, *plot = NULL;
    bool csv = false;
    const option table[] = {
        { "--policy", "FILE", "pi: logits, CSV, one row a state; or uniform (the default)", &policy, NULL },
        { "--against", "FILE", "another policy: where the way leads", &against, NULL },
        { "--gamma", "G", "discount instead of the MDP's own", &gamma, NULL },
        { "--mdps", "N", "so many random MDPs instead of one", &mdps, NULL },
        { "--seed", "K", "of the random MDPs (1)", &seed, NULL },
        { "--plot", "FILE.svg", "the same as a picture", &plot, NULL },
        { "--csv", NULL, "every point, for other programs", NULL, &csv },
        { NULL, NULL, NULL, NULL, NULL } };
    int left = options_parse(argc, argv,
        "bounds MDP [--policy uniform|FILE] [--against FILE] [--gamma G] [--plot FILE.svg] [--csv]\n"
        "       ascent bounds --mdps N [--seed K] [--plot FILE.svg] [--csv]", about, table);
    const char *end = plot ? strrchr(plot, '.') : NULL;
    if (plot && (!end || strcmp(end, ".svg") != 0))
        bad_input("bounds: --plot: expected a name that ends in .svg, found %s", plot);
    bool holds;
    if (mdps) {
        if (left || gamma || policy || against)
            bad_input("bounds: --mdps: expected no MDP, --gamma, --policy or --against beside it");
        holds = on_random_mdps((int)options_whole("--mdps", mdps, 1, TIGHTNESS_MOST),
                               seed ? options_seed("--seed", seed) : 1, plot, csv);
    } else {
        if (left != 1) bad_input("bounds: expected one MDP, or --mdps N, found %d", left);
        if (seed) bad_input("bounds: --seed: expected --mdps beside it");
        holds = along_a_line(argv[1], gamma, policy ? policy : "uniform", against, plot, csv);
    }
    return holds ? EXIT_HELD : EXIT_CHECK_FAILED;
}
