/* A file that is replaced whole or not at all: written aside as PATH.tmp, brought to the disk, then renamed.
 * Where anything fails the old file stands as it was, nothing is left aside, and the program ends with exit 3.
 * What is no regular file (/dev/stdout, a pipe) is written to as it is. */
#ifndef ASCENT_WHOLE_FILE_H
#define ASCENT_WHOLE_FILE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    char *path, *aside;         /* where it is written: aside, or path itself if that is no regular file */
    int fd;
} whole_file;

whole_file whole_file_open(const char *path);
void       whole_file_write(whole_file *f, const void *p, size_t n);
void       whole_file_done(whole_file *f);
void       whole_file_text(const char *path, const char *text);         /* the three in one */
/* What a program that was killed may have left of it */
void       whole_file_clear(const char *path);

/* All n bytes, whatever write() makes of them; false with errno set */
bool write_all(int fd, const void *p, size_t n);
/* "folder/name", to be freed */
char *path_of(const char *folder, const char *name);

#endif
