/* Writing aside, fsync, rename: see whole_file.h. */
#include "algorithms/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "autodiff/require.h"

char *path_of(const char *folder, const char *name)
{
    size_t n = strlen(folder) + strlen(name) + 2;
    char *path = allocate(n, 1, "the name of a file");
    snprintf(path, n, "%s/%s", folder, name);
    return path;
}

static char *aside_of(const char *path)
{
    size_t n = strlen(path) + sizeof ".tmp";
    char *aside = allocate(n, 1, "the name of a file");
    snprintf(aside, n, "%s.tmp", path);
    return aside;
}

static _Noreturn void failed(const whole_file *f, const char *what)
{
    int error = errno;
    if (f->aside) unlink(f->aside);
    io_failure("%s: %s: %s", f->path, what, strerror(error));
}

whole_file whole_file_open(const char *path)
{
    struct stat s;
    whole_file f = { .path = allocate(strlen(path) + 1, 1, "the name of a file") };
    strcpy(f.path, path);
    bool regular = stat(path, &s) != 0 || S_ISREG(s.st_mode);
    if (regular) f.aside = aside_of(path);
    f.fd = open(regular ? f.aside : path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (f.fd < 0) {
        free(f.aside);
        f.aside = NULL;                         /* not ours */
        failed(&f, "cannot be written");
    }
    return f;
}

bool write_all(int fd, const void *p, size_t n)
{
    for (const char *c = p; n > 0;) {
        ssize_t k = write(fd, c, n);
        if (k < 0 && errno == EINTR) continue;
        if (k < 0) return false;
        c += k;
        n -= (size_t)k;
    }
    return true;
}

void whole_file_write(whole_file *f, const void *p, size_t n)
{
    if (!write_all(f->fd, p, n)) failed(f, "cannot be written");
}

/* The rename itself is on the disk when the folder is. */
static bool sync_folder(const char *path)
{
    char *folder = allocate(strlen(path) + 2, 1, "the name of a folder");
    strcpy(folder, path);
    char *slash = strrchr(folder, '/');
    if (slash) slash[slash == folder] = 0;
    int fd = open(slash ? folder : ".", O_RDONLY | O_CLOEXEC);
    free(folder);
    if (fd < 0) return errno == EACCES;         /* a folder that may be written and not read */
    bool done = fsync(fd) == 0 || errno == EINVAL;
    int error = errno;
    close(fd);
    errno = error;
    return done;
}

void whole_file_done(whole_file *f)
{
    if (f->aside && fsync(f->fd) != 0) failed(f, "cannot be brought to the disk");
    if (close(f->fd) != 0) failed(f, "cannot be written");
    if (f->aside) {
        if (rename(f->aside, f->path) != 0) failed(f, "cannot be replaced");
        if (!sync_folder(f->path))
            io_failure("%s: its folder cannot be brought to the disk: %s", f->path, strerror(errno));
    }
    free(f->aside);
    free(f->path);
}

void whole_file_text(const char *path, const char *text)
{
    whole_file f = whole_file_open(path);
    whole_file_write(&f, text, strlen(text));
    whole_file_done(&f);
}

void whole_file_clear(const char *path)
{
    char *aside = aside_of(path);
    if (unlink(aside) != 0 && errno != ENOENT) io_failure("%s: cannot be removed: %s", aside, strerror(errno));
    free(aside);
}
