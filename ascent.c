/* The program: dispatches to the rooms' commands, nothing else. */
#include <stdio.h>
#include <string.h>

#include "algorithms/commands.h"
#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "chapters/commands.h"
#include "derivations/commands.h"
#include "envs/commands.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *about;
} command[] = {
    { "solve",  solve_command,  "everything exact about a policy on a finite MDP" },
    { "verify", verify_command, "every equation evaluated on both sides, as a table" },
    { "derive", derive_command, "a proof, each line with its number" },
    { "estimate", estimate_command, "an estimator's exact bias and variance, over all trajectories" },
    { "improve", improve_command, "policy iteration with exact advantages: what it promises, and what it does" },
    { "bounds", bounds_command, "what the lower bounds on J promise, along a line or on random MDPs" },
    { "lqr",    lqr_command,    "everything exact about a linear policy on a linear-quadratic regulator" },
    { "env",    env_command,    "the environments: list, check, take single steps from a file" },
    { "train",  train_command,  "an algorithm acting and learning, in a folder that can be gone on from" },
    { "eval",   eval_command,   "the returns of a trained policy" },
    { "plot",   plot_command,   "learning curves, on the terminal or as a picture" },
    { "watch",  watch_command,  "a trained policy acting, on the terminal or as an animation" },
    { "explain", explain_command, "one update of an algorithm, with its numbers" },
    { "graph",  graph_command,  "an objective as the tape records it, for Graphviz" },
    { "answer", answer_command, "checks the answer to an exercise of the book" },
    { "assignment", assignment_command, "an assignment of the book: the folder for a student" },
    { "grade",  grade_command,  "grades it, equation by equation" },
    { "list",   list_command,   "the equations, and where each stands in the code" },
};
enum { COMMANDS = sizeof command / sizeof *command };

int main(int argc, char **argv)
{
    hold_standard_streams();
    require_install_gsl_handler();
    linalg_start();
    if (argc < 2) bad_input("expected a command; `ascent --help` lists them");
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(argv[1], command[i].name) == 0) finish(command[i].run(argc - 1, argv + 1));
    if (strcmp(argv[1], "--help") != 0 && strcmp(argv[1], "-h") != 0 && strcmp(argv[1], "help") != 0)
        bad_input("no command %s; `ascent --help` lists them", argv[1]);
    printf("usage: ascent COMMAND ...\n\n");
    for (int i = 0; i < COMMANDS; i++) printf("  %-10s %s\n", command[i].name, command[i].about);
    printf("\n`ascent COMMAND --help` explains a command.\n");
    finish(EXIT_HELD);
}
