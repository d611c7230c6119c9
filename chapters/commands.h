/* The commands of this room: argv[0] is the command's name. Each returns the program's exit status. */
#ifndef ASCENT_CHAPTERS_COMMANDS_H
#define ASCENT_CHAPTERS_COMMANDS_H

int answer_command(int argc, char **argv);
int assignment_command(int argc, char **argv);
int grade_command(int argc, char **argv);

#endif
