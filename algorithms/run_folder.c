/* config.json, progress.csv, timing.csv, checkpoint, the bar and the signals: see run_folder.h. */
#include "algorithms/run_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "algorithms/canvas.h"
#include "algorithms/checkpoint.h"
#include "algorithms/progress.h"
#include "algorithms/schedule.h"
#include "algorithms/whole_file.h"
#include "autodiff/random.h"
#include "autodiff/require.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- the folder ---- */

static void make_folders(const char *path)
{
    char *p = allocate(strlen(path) + 1, 1, "the name of a folder");
    strcpy(p, path);
    for (char *c = p + 1;; c++) {
        char last = *c;
        if (last != '/' && last != 0) continue;
        *c = 0;
        if (mkdir(p, 0777) != 0 && errno != EEXIST) io_failure("%s: cannot be made: %s", p, strerror(errno));
        *c = last;
        if (last == 0) break;
    }
    free(p);
}

/* By a process that was killed before config.json, or holds the lock and has yet to write it */
static bool left_at_start(const char *folder, const char *name)
{
    struct stat s;
    char *path = path_of(folder, "progress.csv");
    bool begun = stat(path, &s) == 0 && s.st_size == 0;
    free(path);
    return strcmp(name, "config.json.tmp") == 0
        || (begun && (strcmp(name, "progress.csv") == 0 || strcmp(name, "schedule") == 0
                      || strcmp(name, "schedule.tmp") == 0));
}

static void require_empty(const char *path)
{
    DIR *d = opendir(path);
    if (!d && errno == ENOENT) return;
    if (!d && errno == ENOMEM) out_of_memory(0, path);
    if (!d) bad_input("%s: expected a folder: %s", path, strerror(errno));
    for (struct dirent *e; (e = readdir(d));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && !left_at_start(path, e->d_name))
            bad_input("%s: expected a new or empty folder, found %s in it (--resume goes on with a run)", path,
                      e->d_name);
    closedir(d);
}

static void close_files(run_folder *f)
{
    if (f->progress >= 0) close(f->progress);
    if (f->timing >= 0) close(f->timing);
    f->progress = f->timing = -1;
}

void run_folder_free(run_folder *f)
{
    if (!f) return;
    close_files(f);
    free(f->row);
    free(f);
}

static int open_log(const run_folder *f, const char *name)
{
    char *path = path_of(f->path, name);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) io_failure("%s: cannot be written: %s", path, strerror(errno));
    free(path);
    return fd;
}

static _Noreturn void failed(const run_folder *f, const char *name, const char *what)
{
    io_failure("%s/%s: cannot be %s: %s", f->path, name, what, strerror(errno));
}

static void append(const run_folder *f, int fd, const char *name, const char *text)
{
    if (lseek(fd, 0, SEEK_END) < 0 || !write_all(fd, text, strlen(text)))
        failed(f, name, "written");
}

/* progress.csv is also the lock: it is the process's, and goes when that ends, however it ends. */
static void take_lock(run_folder *f)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    f->progress = open_log(f, "progress.csv");
    if (fcntl(f->progress, F_SETLK, &lock) != 0 && (errno == EACCES || errno == EAGAIN))
        bad_input("%s: another process is training here", f->path);
}

static void write_config(const run_folder *f)
{
    char *path = path_of(f->path, "config.json");
    whole_file_text(path, f->config);
    free(path);
}

void run_in_folder(run *r, const char *path, const char *config, const char *identity, run_manner manner)
{
    run_folder *f = r->folder = allocate(1, sizeof *f, "a run's folder");
    *f = (run_folder){ .path = path, .config = config, .identity = identity, .manner = manner, .progress = -1,
                       .timing = -1, .beside = -1, .bar = !manner.quiet && isatty(STDERR_FILENO) };
    if (!manner.resumed) {
        require_empty(path);
        make_folders(path);
    }
    take_lock(f);
    if (!manner.resumed) {
        require_empty(path);                    /* another process may have come and gone */
        if (manner.replay) schedule_bring(manner.replay, path);
        write_config(f);
    }
    f->timing = open_log(f, "timing.csv");
    if (lseek(f->timing, 0, SEEK_END) == 0) append(f, f->timing, "timing.csv", "steps,seconds,steps_per_second\n");
}

/* ---- rows ---- */

/* The name of the i-th column, NULL past the last */
static const char *column(const run *r, int i)
{
    static const char *const first[] = { "steps", "episodes", "return_mean" };
    return i < 3 ? first[i] : i < 3 + r->folder->columns ? r->shown[i - 3].name : NULL;
}

static char *header(const run *r)
{
    size_t n = 2;
    for (int i = 0; column(r, i); i++) n += strlen(column(r, i)) + 1;
    char *text = allocate(n, 1, "the columns of progress.csv");
    for (int i = 0; column(r, i); i++) strcat(strcat(text, i ? "," : ""), column(r, i));
    return strcat(text, "\n");
}

static void progress_row(run *r)
{
    run_folder *f = r->folder;
    size_t room = 64 + PROGRESS_NUMBER * ((size_t)f->columns + 1);
    char *text = allocate(room, 1, "a row of progress.csv"), number[PROGRESS_NUMBER];
    int n = snprintf(text, room, "%ld,%ld", r->steps, r->episodes);
    for (int i = -1; i < f->columns; i++) {
        double x = i < 0 ? r->return_mean : f->row[i];
        progress_number(number, isnan(x) ? 0 : x);
        n += snprintf(text + n, room - (size_t)n, ",%s", isnan(x) ? "" : number);
    }
    strcpy(text + n, "\n");
    append(f, f->progress, "progress.csv", text);
    f->progress_bytes += n + 1;
    f->row_steps = r->steps;
    free(text);
}

static void timing_row(const run *r)
{
    char text[128];
    const run_folder *f = r->folder;
    double seconds = now() - f->begun;
    snprintf(text, sizeof text, "%ld,%.6f,%.1f\n", r->steps, seconds,
             seconds > 0 ? (double)(r->steps - f->begun_steps) / seconds : 0);
    append(f, f->timing, "timing.csv", text);
}

/* ---- the checkpoint ---- */

static void rng_field(checkpoint *c, const char *name, gsl_rng *rng)
{
    uint64_t position = random_position(rng);
    checkpoint_position(c, name, &position);
    if (!checkpoint_saving(c)) random_seek(rng, position);
}

static void env_fields(checkpoint *c, env *e, gsl_rng *rng)
{
    long t = e->over ? 0 : e->t, under_way = !e->over;
    double *state = allocate((size_t)e->state_n, sizeof *state, "an environment's state");
    if (!e->over) memcpy(state, e->state, (size_t)e->state_n * sizeof *state);
    checkpoint_count(c, "episode under way", &under_way);
    checkpoint_count(c, "t", &t);
    checkpoint_vector(c, "environment's state", state, (size_t)e->state_n);
    if (!checkpoint_saving(c) && under_way) env_restore(e, rng, state, (int)t);
    free(state);
}

/* Everything that survives an update: one list for both ways */
static void fields(checkpoint *c, run *r)
{
    run_folder *f = r->folder;
    char *columns = header(r);
    checkpoint_text(c, "algorithm", r->algorithm);
    checkpoint_text(c, "environment", r->env->id);
    checkpoint_text(c, "configuration", f->identity);
    checkpoint_text(c, "columns", columns);
    checkpoint_count(c, "steps", &r->steps);
    checkpoint_count(c, "episodes", &r->episodes);
    checkpoint_vector(c, "returns", r->returns, RUN_WINDOW);
    checkpoint_count(c, "bytes of progress.csv", &f->progress_bytes);
    checkpoint_count(c, "steps at its last row", &f->row_steps);
    checkpoint_vector(c, "last row", f->row, (size_t)f->columns);
    rng_field(c, "first parameters' stream", r->init_rng);
    rng_field(c, "updates' stream", r->update_rng);
    for (run_worker *w = r->worker; w < r->worker + r->workers; w++) {
        checkpoint_vector(c, "return so far", &w->episode_return, 1);
        rng_field(c, "environment's stream", w->env_rng);
        rng_field(c, "policy's stream", w->policy_rng);
        env_fields(c, w->env, w->env_rng);
    }
    for (const kept *k = r->kept; k->name; k++) {
        if (k->count)    checkpoint_count(c, k->name, k->count);
        else if (k->rng) rng_field(c, k->name, k->rng);
        else             checkpoint_vector(c, k->name, k->x, k->n);
        if (k->env)      env_fields(c, k->env, k->rng);
    }
    free(columns);
}

static void save(run *r)
{
    run_folder *f = r->folder;
    char *path = path_of(f->path, "checkpoint");
    double start = now();
    if (fsync(f->progress) != 0) failed(f, "progress.csv", "brought to the disk");
    if (f->beside >= 0 && fsync(f->beside) != 0) failed(f, "schedule", "brought to the disk");
    checkpoint *c = checkpoint_create(path);
    fields(c, r);
    checkpoint_close(c);
    free(path);
    f->saved_steps = r->steps;
    f->saved = now();
    f->saving = f->saved - start;
}

/* What the rows after the checkpoint said is to be said again. */
static void cut_progress(run *r)
{
    run_folder *f = r->folder;
    off_t found = lseek(f->progress, 0, SEEK_END);
    if (found < f->progress_bytes)
        bad_input("%s/progress.csv: expected %ld bytes at least, found %lld", f->path, f->progress_bytes,
                  (long long)found);
    if (ftruncate(f->progress, f->progress_bytes) != 0) failed(f, "progress.csv", "cut");
}

/* A run that was killed before its first checkpoint has none; one with rows has lost it. */
static void require_no_rows(const run *r)
{
    char *names = header(r);
    if (lseek(r->folder->progress, 0, SEEK_END) > (off_t)strlen(names))
        bad_input("%s: expected a checkpoint beside the rows of progress.csv", r->folder->path);
    free(names);
}

static bool load(run *r)
{
    char *path = path_of(r->folder->path, "checkpoint");
    whole_file_clear(path);
    bool there = r->folder->manner.resumed && access(path, F_OK) == 0;
    if (there) {
        checkpoint *c = checkpoint_open(path);
        fields(c, r);
        checkpoint_close(c);
    }
    free(path);
    return there;
}

/* ---- signals ---- */

static volatile sig_atomic_t pending;

static void on_signal(int n)
{
    if (pending) _exit(128 + n);                /* asked twice: at once */
    pending = n;
}

static void watch_signals(void)
{
    static const int watched[] = { SIGINT, SIGTERM, SIGHUP };
    for (int i = 0; i < 3; i++) {
        struct sigaction before, ours = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
        sigemptyset(&ours.sa_mask);
        sigaction(watched[i], NULL, &before);
        if (before.sa_handler != SIG_IGN) sigaction(watched[i], &ours, NULL);       /* nohup stays nohup */
    }
}

static void obey(run *r)
{
    int n = pending;
    if (r->folder->saved_steps != r->steps) save(r);
    fprintf(stderr, "ascent: signal %d after %ld steps: saved; `ascent train --resume --out %s` goes on\n", n,
            r->steps, r->folder->path);
    finish(128 + n);
}

/* ---- what is seen of it ---- */

static void duration(char text[32], double seconds)
{
    long s = seconds < 1e9 ? lround(seconds) : 1000000000;
    if (s < 60)        snprintf(text, 32, "%ld s", s);
    else if (s < 3600) snprintf(text, 32, "%ld:%02ld min", s / 60, s % 60);
    else               snprintf(text, 32, "%ld:%02ld h", s / 3600, s / 60 % 60);
}

/* percent, steps, return, rate and time left: what a narrow terminal cuts off matters least */
static void describe(const run *r, char *text, size_t size)
{
    char left[32], mean[32] = "-";
    const run_folder *f = r->folder;
    double seconds = now() - f->begun, rate = seconds > 0 ? (double)(r->steps - f->begun_steps) / seconds : 0;
    duration(left, rate > 0 ? fmax(0, (double)(r->steps_wanted - r->steps)) / rate : 0);
    if (!isnan(r->return_mean)) snprintf(mean, sizeof mean, "%.4g", r->return_mean);
    snprintf(text, size, "%3.0f %%  %ld of %ld steps  mean return of last %ld: %s  %.0f steps/s  %s left",
             100 * fmin(1, (double)r->steps / (double)r->steps_wanted), r->steps, r->steps_wanted,
             r->episodes < RUN_WINDOW ? r->episodes : (long)RUN_WINDOW, mean, rate, left);
}

/* One line, over the one before: the cursor waits below it, where a message finds a line of its own. */
static void draw_bar(const run *r, bool first)
{
    enum { WIDTH = 10 };
    char says[256], line[512];
    int columns, rows, full = (int)(WIDTH * fmin(1, (double)r->steps / (double)r->steps_wanted));
    terminal_size(STDERR_FILENO, &columns, &rows);
    describe(r, says, sizeof says);
    snprintf(line, sizeof line, "[%.*s%.*s] %s", full, "##########", WIDTH - full,
             "..........", says);
    fprintf(stderr, "%s\r%.*s\033[K\n", first ? "" : "\033[A", columns - 1, line);
}

static void show(run *r)
{
    char line[256];
    run_folder *f = r->folder;
    double t = now();
    long tenths = (long)(10 * ((double)r->steps / (double)r->steps_wanted));
    bool first = f->said == f->begun;
    if (f->manner.quiet) return;
    if (f->bar && !first && t - f->said < 0.1 && r->steps < r->steps_wanted) return;
    if (!f->bar && tenths == f->tenths && t - f->said < 60) return;
    f->said = t;
    f->tenths = tenths;
    if (f->bar) {
        draw_bar(r, first);
        return;
    }
    describe(r, line, sizeof line);
    puts(line);
    fflush(stdout);
}

/* ---- the three calls ---- */

void run_folder_begin(run *r)
{
    run_folder *f = r->folder;
    while (r->shown && r->shown[f->columns].name) f->columns++;
    f->row = allocate((size_t)f->columns, sizeof *f->row, "a row of progress.csv");
    for (int i = 0; i < f->columns; i++) f->row[i] = NAN;
    watch_signals();
    bool loaded = load(r);
    if (!loaded) require_no_rows(r);
    cut_progress(r);
    if (!loaded) {
        char *names = header(r);
        append(f, f->progress, "progress.csv", names);
        f->progress_bytes = (long)strlen(names);
        free(names);
        save(r);
    }
    if (f->manner.resumed) write_config(f);
    f->saved_steps = f->begun_steps = r->steps;
    f->tenths = (long)(10 * ((double)r->steps / (double)r->steps_wanted));
    f->begun = f->saved = f->said = now();
    if (!f->manner.quiet) printf("%s\n%s", f->path, f->manner.note ? f->manner.note : "");
    fflush(stdout);
}

void run_folder_update(run *r)
{
    run_folder *f = r->folder;
    for (int i = 0; i < f->columns; i++) f->row[i] = *r->shown[i].x;
    if (progress_due(r->steps, f->row_steps)) {
        progress_row(r);
        timing_row(r);
    }
    /* At most a twentieth of the time goes into saving, unless every update is asked for. */
    double pause = f->manner.save_every > 0 ? fmax(f->manner.save_every, 20 * f->saving) : 0;
    if (now() - f->saved >= pause) save(r);
    show(r);
    if (pending) obey(r);
}

/* The row at the end is none that is due: the checkpoint stands before it, so that a longer run has the rows of
 * one that never ended here. */
void run_folder_end(run *r)
{
    run_folder *f = r->folder;
    if (f->saved_steps != r->steps) save(r);
    if (f->row_steps != r->steps) {
        progress_row(r);
        timing_row(r);
    }
    if (fsync(f->progress) != 0) failed(f, "progress.csv", "brought to the disk");
    close_files(f);
}
