/* The commands of this room: argv[0] is the command's name. Each returns the program's exit status. */
#ifndef ASCENT_ENVS_COMMANDS_H
#define ASCENT_ENVS_COMMANDS_H

int env_command(int argc, char **argv);

#endif
