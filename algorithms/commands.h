/* The commands of this room: argv[0] is the command's name. Each returns the program's exit status. */
#ifndef ASCENT_ALGORITHMS_COMMANDS_H
#define ASCENT_ALGORITHMS_COMMANDS_H

int train_command(int argc, char **argv);
int eval_command(int argc, char **argv);
int plot_command(int argc, char **argv);
int watch_command(int argc, char **argv);
int explain_command(int argc, char **argv);
int graph_command(int argc, char **argv);

#endif
