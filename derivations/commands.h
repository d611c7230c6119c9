/* The commands of this room: argv[0] is the command's name. Each returns the program's exit status. */
#ifndef ASCENT_DERIVATIONS_COMMANDS_H
#define ASCENT_DERIVATIONS_COMMANDS_H

int solve_command(int argc, char **argv);
int verify_command(int argc, char **argv);
int derive_command(int argc, char **argv);
int estimate_command(int argc, char **argv);
int improve_command(int argc, char **argv);
int bounds_command(int argc, char **argv);
int lqr_command(int argc, char **argv);
int list_command(int argc, char **argv);

#endif
