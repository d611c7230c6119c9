/* Who comes next, and who came: see schedule.h. */
#include "algorithms/schedule.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "algorithms/run_folder.h"
#include "algorithms/whole_file.h"
#include "autodiff/require.h"

const char *const schedules[] = { "threads", "serial", "stale", "random", "replay", NULL };

schedule *schedule_new(int kind, int workers, bool written)
{
    require(1 <= workers && workers <= SCHEDULE_MAX_WORKERS, "%d workers", workers);
    schedule *s = allocate(1, sizeof *s, "a schedule");
    *s = (schedule){ .kind = kind, .workers = workers, .fd = -1, .written = written };
    return s;
}

void schedule_free(schedule *s)
{
    if (!s) return;
    if (s->fd >= 0) close(s->fd);
    free(s->path);
    free(s->text);
    free(s);
}

static char lower(int worker) { return (char)('a' + worker); }
static char upper(int worker) { return (char)('A' + worker); }

/* ---- the file ---- */

static void grow(schedule *s, size_t n)
{
    if (n <= s->room) return;
    s->room = 2 * n + 256;
    s->text = reallocate(s->text, s->room, 1, "a schedule");
}

static off_t open_file(schedule *s, const run *r)
{
    bool replay = s->kind == SCHEDULE_REPLAY;
    s->path = path_of(r->folder->path, "schedule");
    s->fd = open(s->path, replay ? O_RDONLY | O_CLOEXEC : O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (s->fd < 0 && replay)
        bad_input("%s: expected the schedule to be replayed (train --replay DIR brings it): %s", s->path,
                  strerror(errno));
    off_t found = s->fd < 0 ? -1 : lseek(s->fd, 0, SEEK_END);
    if (found < 0) io_failure("%s: cannot be written: %s", s->path, strerror(errno));
    if (found < s->events)
        bad_input("%s: expected %ld bytes at least, found %lld", s->path, s->events, (long long)found);
    return found;
}

static void read_whole(schedule *s, size_t n)
{
    grow(s, n + 1);
    lseek(s->fd, 0, SEEK_SET);
    while (s->n < n) {
        ssize_t k = read(s->fd, s->text + s->n, n - s->n);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) bad_input("%s: cannot be read: %s", s->path, k < 0 ? strerror(errno) : "it was cut");
        s->n += (size_t)k;
    }
}

/* Each turn begins before it ends, and a row stands at the end. */
static void require_order(const schedule *s)
{
    const char *where = s->path ? s->path : "schedule";
    bool begun[SCHEDULE_MAX_WORKERS] = { 0 };
    long line = 1, column = 1;
    for (size_t i = 0; i < s->n; i++, column++) {
        char c = s->text[i];
        bool copies = 'a' <= c && c < lower(s->workers), applies = 'A' <= c && c < upper(s->workers);
        int worker = copies ? c - 'a' : c - 'A';
        if (c != '\n' && ((!copies && !applies) || begun[worker] == copies))
            bad_input("%s:%ld:%ld: expected turns of %d workers, a..A, b..B, .. and newlines, found byte %d",
                      where, line, column, s->workers, c);
        if (c == '\n') line++, column = 0;
        else begun[worker] = copies;
    }
    if (s->n > 0 && s->text[s->n - 1] != '\n')
        bad_input("%s:%ld:%ld: expected a newline at the end", where, line, column);
}

void schedule_begin(schedule *s, run *r)
{
    if (!s->written && s->kind != SCHEDULE_REPLAY) return;
    off_t found = r->folder ? open_file(s, r) : 0;
    if (s->kind == SCHEDULE_REPLAY) {
        if (!r->folder && !r->schedule) bad_input("schedule = replay: expected a schedule");
        if (r->folder) read_whole(s, (size_t)found);
        else {
            s->n = strlen(r->schedule);
            grow(s, s->n + 1);
            memcpy(s->text, r->schedule, s->n);
        }
        require_order(s);
    } else if (r->folder) {
        if (ftruncate(s->fd, s->events) != 0) io_failure("%s: cannot be cut: %s", s->path, strerror(errno));
        r->folder->beside = s->fd;
    }
}

void schedule_end(schedule *s, run *r)
{
    if (r->folder) r->folder->beside = -1;
    else if (s->written && s->kind != SCHEDULE_REPLAY) {
        free(r->schedule);
        grow(s, s->n + 1);
        s->text[s->n] = 0;
        r->schedule = s->text;
        s->text = NULL;
    }
}

/* Before anything is made of it: a whole order of some workers' turns. How many there are is seen in
 * schedule_begin. */
static void require_whole(int fd, char *path)
{
    schedule s = { .kind = SCHEDULE_REPLAY, .workers = SCHEDULE_MAX_WORKERS, .path = path, .fd = fd };
    off_t found = lseek(fd, 0, SEEK_END);
    if (found <= 0) bad_input("%s: expected the order of the workers' turns, found nothing", path);
    read_whole(&s, (size_t)found);
    require_order(&s);
    free(s.text);
    lseek(fd, 0, SEEK_SET);
}

void schedule_bring(const char *from, const char *to)
{
    char *path = path_of(from, "schedule"), *own = to ? path_of(to, "schedule") : NULL, some[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        bad_input("%s: expected the order of the workers' turns (a run of threads has one with locks=on): %s",
                  path, strerror(errno));
    require_whole(fd, path);
    if (own) {
        whole_file out = whole_file_open(own);
        for (ssize_t n; (n = read(fd, some, sizeof some)) != 0;) {
            if (n < 0 && errno != EINTR) bad_input("%s: cannot be read: %s", path, strerror(errno));
            if (n > 0) whole_file_write(&out, some, (size_t)n);
        }
        whole_file_done(&out);
    }
    close(fd);
    free(own);
    free(path);
}

/* ---- events ---- */

char schedule_next(schedule *s, const run *r, const bool *has_copied)
{
    if (s->kind == SCHEDULE_REPLAY) return (size_t)s->events < s->n ? s->text[s->events] : 0;
    int one = (int)s->next % s->workers;
    if (s->kind == SCHEDULE_SERIAL || s->kind == SCHEDULE_THREADS) {
        if (!has_copied[one]) return lower(one);
    } else {
        for (int i = 0; i < s->workers; i++)
            if (!has_copied[i]) return lower(i);
        if (s->kind == SCHEDULE_RANDOM) one = (int)gsl_rng_uniform_int(r->update_rng, (unsigned long)s->workers);
    }
    s->next = (one + 1) % s->workers;
    return upper(one);
}

void schedule_event(schedule *s, char event)
{
    s->events++;
    if (!s->written || s->kind == SCHEDULE_REPLAY) return;
    grow(s, s->n + 1);
    s->text[s->n++] = event;
}

void schedule_row(schedule *s)
{
    schedule_event(s, '\n');
    if (s->fd < 0 || s->kind == SCHEDULE_REPLAY) return;
    if (lseek(s->fd, 0, SEEK_END) < 0 || !write_all(s->fd, s->text, s->n))
        io_failure("%s: cannot be written: %s", s->path, strerror(errno));
    s->n = 0;
}

void schedule_lags(const char *text, int most, long *lag)
{
    long updates = 0, copied[SCHEDULE_MAX_WORKERS] = { 0 };
    for (int k = 0; k <= most; k++) lag[k] = 0;
    for (const char *c = text; *c; c++) {
        if (*c >= 'a') copied[*c - 'a'] = updates;
        else if (*c >= 'A') {
            long k = updates++ - copied[*c - 'A'];
            lag[k < most ? k : most]++;
        }
    }
}
