/* Runs in folders: the same bytes after every interruption. A small algorithm with parameters, an optimiser's
 * state, a stream of its own and episodes that last over updates trains in a child process, in which write,
 * fsync, rename, open, ftruncate and unlink are ours: they can end the process, fail, or do half of the work.
 *     test_run [pattern]       runs the tests whose names match */
#define _GNU_SOURCE         /* syscall */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "algorithms/checkpoint.h"
#include "algorithms/experiment.h"
#include "algorithms/progress.h"
#include "algorithms/run_folder.h"
#include "algorithms/whole_file.h"
#include "autodiff/linalg.h"
#include "autodiff/optimiser.h"
#include "autodiff/random.h"
#include "autodiff/require.h"
#include "tests/child_process.h"

/* A child process is slow under the address sanitizer: every STRIDE-th case then. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
enum { STRIDE = 13 };
#else
enum { STRIDE = 1 };
#endif

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

/* ---------------------------------------------------------------------------------------- a disk with faults */

enum fault { NO_FAULT, KILLED, FAILS, SHORT, INTERRUPTED };
static struct { enum fault kind; long at; bool for_ever; } disk;
static long *calls;                 /* that a child made: shared with the parent */

static bool strikes(void)
{
    if (!in_child || disk.kind == NO_FAULT) return false;
    long k = ++*calls;
    return k == disk.at || (disk.for_ever && k > disk.at);
}

static int struck(int error)            /* what does not write has no short or interrupted form here */
{
    if (disk.kind == KILLED) kill(getpid(), SIGKILL);
    if (disk.kind != FAILS) return 0;
    errno = error;
    return -1;
}

ssize_t write(int fd, const void *p, size_t n)
{
    if (strikes() && n > 0) {
        if (disk.kind == FAILS)       return errno = ENOSPC, -1;
        if (disk.kind == INTERRUPTED) return errno = EINTR, -1;
        n = (n + 1) / 2;
        if (disk.kind == KILLED) {
            syscall(SYS_write, fd, p, n);
            kill(getpid(), SIGKILL);
        }
    }
    return syscall(SYS_write, fd, p, n);
}

int fsync(int fd)              { (void)fd; return strikes() ? struck(EIO) : 0; }       /* no power fails here */
int ftruncate(int fd, off_t n) { return strikes() && struck(EIO) ? -1 : (int)syscall(SYS_ftruncate, fd, n); }
int unlink(const char *p)      { return strikes() && struck(EIO) ? -1 : (int)syscall(SYS_unlink, p); }
int rename(const char *p, const char *q)
{
    return strikes() && struck(EIO) ? -1 : (int)syscall(SYS_renameat, AT_FDCWD, p, AT_FDCWD, q);
}

static const char *overtaken;       /* a folder in which another process writes a config.json just before our lock */
static void overtake(const char *path);

int open(const char *path, int flags, ...)
{
    if (in_child && overtaken && strstr(path, "progress.csv")) overtake(path);
    va_list args;
    va_start(args, flags);
    int mode = flags & O_CREAT ? va_arg(args, int) : 0;
    va_end(args);
    return strikes() && struck(ENOSPC) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* ---------------------------------------------------------------------------------------- an algorithm */

static const char *const environment = "garnet:5,2,2,1";
enum { LIMIT = 10, STEPS = 105 };                   /* 15 updates */

typedef struct { double lr; long batch; int noise; widths hidden; } walk_config;
static const walk_config walk_defaults = { 0.05, 7, 1, { 0, { 0 } } };
#define FIELD(name) #name, .at = offsetof(walk_config, name)
static const config_field walk_fields[] = {
    { FIELD(lr), .kind = CONFIG_REAL, .low = 0, .high = 1e300, .about = "step size" },
    { FIELD(batch), .kind = CONFIG_WHOLE, .low = 1, .high = 1000, .about = "steps an update" },
    { FIELD(noise), .kind = CONFIG_CHOICE, .choices = config_switch, .about = "whether to try other parameters" },
    { FIELD(hidden), .kind = CONFIG_WIDTHS, .about = "hidden layers" },
    { .name = NULL },
};

static policy walk_policy(const env *e, const void *config)
{
    const walk_config *c = config;
    return policy_of(e, c->hidden.layers, c->hidden.width, AD_TANH);
}

static struct { const char *what; long at; } poison;            /* what becomes NaN or inf, in which update */
static struct { int n; long at; bool twice; } alarm_bell;       /* which signal comes in which update */

static void disturb(long updates, double *theta, double *sd, rollout *b)
{
    if (poison.what && updates == poison.at) {
        if (strcmp(poison.what, "theta") == 0) theta[3] = NAN;
        if (strcmp(poison.what, "first") == 0) theta[0] = NAN;
        if (strcmp(poison.what, "last observation") == 0) b->s_end[0] = NAN;
        if (strcmp(poison.what, "action") == 0) b->a[(b->T - 1) * b->k] = INFINITY;
        if (strcmp(poison.what, "sd") == 0) *sd = INFINITY;
        if (strcmp(poison.what, "reward") == 0) b->r[1] = -INFINITY;
        if (strcmp(poison.what, "observation") == 0) b->s[2] = NAN;
        if (strcmp(poison.what, "operator") == 0) numerical_failure("log of %g", -1.0);
    }
    if (alarm_bell.n && updates == alarm_bell.at) {
        raise(alarm_bell.n);
        if (alarm_bell.twice) {
            raise(alarm_bell.n);
            _exit(55);                      /* not at once */
        }
    }
}

/* Random search: theta moves along what paid. 7 steps an update, so that most episodes, of 10, last over an
 * end. */
static void walk(run *r, const void *config)
{
    const walk_config *c = config;
    const policy p = walk_policy(r->env, c);
    const size_t n = (size_t)p.n;
    double *theta = allocate(n, sizeof *theta, "theta"), *x = allocate(n, sizeof *x, "x"), sd = NAN;
    double *m = allocate(n, sizeof *m, "m"), *v = allocate(n, sizeof *v, "v"), *g = allocate(n, sizeof *g, "g");
    adam step = { .n = p.n, .lr = c->lr, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .m = m, .v = v };
    actor *pi = actor_new(&p, x);
    rollout *b = rollout_new(r->env);
    env *second = env_make(environment, LIMIT, (char[256]){ 0 }, 256);
    gsl_rng *second_rng = random_stream(r->seed, 1, RANDOM_ENV), *third_rng = random_stream(r->seed, 2, RANDOM_ENV);
    policy_init(&p, r->init_rng, theta);
    const kept table[] = { { "theta", theta, n }, { "m", m, n }, { "v", v, n }, { .name = "t", .count = &step.t },
                           { "second", .env = second, .rng = second_rng }, { "third", .rng = third_rng }, { NULL } };
    const shown columns[] = { { "sd", &sd }, { NULL } };
    run_begin(r, table, columns);
    while (run_update(r, b)) {
        rollout_clear(b);
        for (size_t i = 0; i < n; i++) g[i] = c->noise ? gsl_rng_uniform(r->update_rng) - 0.5 : 0;
        for (size_t i = 0; i < n; i++) x[i] = theta[i] + g[i];
        rollout_steps(b, (int)c->batch, r->env, r->env_rng, pi, r->policy_rng);
        double R = 0;
        for (int t = 0; t < b->T; t++) R += b->r[t];
        for (int t = 0; t < 3; t++) {
            double reward, a = (double)gsl_rng_uniform_int(third_rng, 2);
            bool terminated, truncated;
            if (second->over) env_reset(second, second_rng);
            env_step(second, &a, &reward, &terminated, &truncated);
            R += reward;
        }
        for (size_t i = 0; i < n; i++) g[i] *= R;
        sd = linalg_norm2(p.n, g);
        adam_ascend(&step, theta, g);
        disturb(step.t, theta, &sd, b);
    }
    run_end(r);
    gsl_rng_free(second_rng);
    gsl_rng_free(third_rng);
    env_free(second);
    rollout_free(b);
    actor_free(pi);
    free(g);
    free(v);
    free(m);
    free(x);
    free(theta);
}

static const algorithm walk_algorithm = {
    "walk", "random search", sizeof(walk_config), &walk_defaults, walk_fields, walk, walk_policy, NULL
};

/* ---------------------------------------------------------------------------------------- one run */

static struct job { const char *folder; long steps; bool resume; double save_every; } job;

static experiment *asked(void)
{
    experiment *x = experiment_new(&walk_algorithm, environment);
    x->limit = LIMIT;
    x->steps = job.steps;
    x->seed = 3;
    return x;
}

/* What train.c does */
static void train(int unused)
{
    (void)unused;
    experiment *x = asked();
    env *e = experiment_env(x);
    char *config = experiment_text(x, EXPERIMENT_WHOLE), *identity = experiment_text(x, EXPERIMENT_IDENTITY);
    run *r = run_new("walk", e, x->seed, x->steps);
    run_in_folder(r, job.folder, config, identity,
                  (run_manner){ .save_every = job.save_every, .resumed = job.resume, .quiet = true });
    walk(r, x->config);
    run_free(r);
    env_free(e);
    free(config);
    free(identity);
    experiment_free(x);
    _exit(0);
}

static struct ending run_job(const char *folder, long steps, bool resume)
{
    job = (struct job){ folder, steps, resume, 0 };
    *calls = 0;
    return run_child(train, 0);
}

static void assert_ends(struct ending e, int status, const char *says)
{
    if (!WIFEXITED(e.status) || WEXITSTATUS(e.status) != status)
        fail_msg("status 0x%x, not exit %d: %s", (unsigned)e.status, status, e.err);
    if (!strstr(e.err, says)) fail_msg("no \"%s\" in: %s", says, e.err);
}

/* ---------------------------------------------------------------------------------------- files */

static char root[] = "/dev/shm/test_run.XXXXXX";        /* in memory, where there is that */

struct bytes { char *p; size_t n; };

static struct bytes contents(const char *folder, const char *name)
{
    char *path = path_of(folder, name);
    FILE *f = fopen(path, "rb");
    struct bytes b = { NULL, 0 };
    if (f) {
        b.p = allocate(1 << 20, 1, "a file");
        b.n = fread(b.p, 1, 1 << 20, f);
        fclose(f);
    }
    free(path);
    return b;
}

static void put(const char *folder, const char *name, const void *p, size_t n)
{
    char *path = path_of(folder, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(p, 1, n, f) != n || fclose(f) != 0) fail_msg("%s: %s", path, strerror(errno));
    free(path);
}

static void overtake(const char *path)
{
    const char *folder = overtaken;
    overtaken = NULL;
    put(folder, "progress.csv", "", 0);
    put(folder, "config.json", "another's", 9);
    (void)path;
}

static bool same(struct bytes a, struct bytes b) { return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0); }

static void assert_same_file(const char *a, const char *b, const char *name)
{
    struct bytes x = contents(a, name), y = contents(b, name);
    if (!x.p || !same(x, y)) fail_msg("%s/%s and %s/%s differ", a, name, b, name);
    free(x.p);
    free(y.p);
}

static void assert_same_run(const char *a, const char *b)
{
    assert_same_file(a, b, "checkpoint");
    assert_same_file(a, b, "progress.csv");
    assert_same_file(a, b, "config.json");
}

static void empty(const char *folder)
{
    DIR *d = opendir(folder);
    if (!d) return;
    for (struct dirent *e; (e = readdir(d));) {
        char *path = path_of(folder, e->d_name);
        if (e->d_name[0] != '.') remove(path);
        free(path);
    }
    closedir(d);
    remove(folder);
}

static bool there(const char *folder, const char *name)
{
    char *path = path_of(folder, name);
    bool found = access(path, F_OK) == 0;
    free(path);
    return found;
}

static char whole_folder[64], cut_folder[64];

/* A run of 15 updates without any trouble, the reference of all others */
static int set_up(void **state)
{
    (void)state;
    calls = mmap(NULL, sizeof *calls, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (calls == MAP_FAILED) return -1;
    if (!mkdtemp(root) && !mkdtemp(strcpy(root, "/tmp/test_run.XXXXXX"))) return -1;
    snprintf(whole_folder, sizeof whole_folder, "%s/whole", root);
    snprintf(cut_folder, sizeof cut_folder, "%s/cut", root);
    assert_ends(run_job(whole_folder, STEPS, false), 0, "");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    empty(whole_folder);
    empty(cut_folder);
    return remove(root);
}

/* ---------------------------------------------------------------------------------------- resuming */

/* Also with a checkpoint after each update, and twice in a row */
static void test_resume(void **state)
{
    (void)state;
    for (long steps = 1; steps < STEPS; steps += 6)
        for (int again = 0; again <= 1; again++) {
            empty(cut_folder);
            assert_ends(run_job(cut_folder, steps, false), 0, "");
            for (int i = 0; i < again; i++) assert_ends(run_job(cut_folder, steps, true), 0, "");
            assert_ends(run_job(cut_folder, STEPS, true), 0, "");
            assert_same_run(whole_folder, cut_folder);
        }
    empty(cut_folder);
    job = (struct job){ cut_folder, STEPS, false, 1e9 };        /* no checkpoint but the first and the last */
    assert_ends(run_child(train, 0), 0, "");
    assert_same_run(whole_folder, cut_folder);
}

/* What the rows say, against a count of our own */
static void test_progress(void **state)
{
    (void)state;
    char error[256];
    struct bytes csv = contents(whole_folder, "progress.csv");
    char *path = path_of(whole_folder, "progress.csv");
    curve *c = curve_read(path, error, sizeof error);
    assert_non_null(c);
    assert_memory_equal(csv.p, "steps,episodes,return_mean,sd\n7,0,,", 35);
    assert_int_equal(c->n, 14);                     /* of 15 rows the first has no return yet */
    for (int i = 0; i < c->n; i++) assert_true(c->steps[i] == 7 * (i + 2));
    assert_true(curve_at(c, 0) == c->y[0] && curve_at(c, 1e9) == c->y[13] && curve_at(c, 28) == c->y[2]);
    assert_true(fabs(curve_at(c, 30) - (c->y[2] + (c->y[3] - c->y[2]) * 2 / 7)) <= 1e-15);
    curve_free(c);
    free(path);
    free(csv.p);
    long rows = 0;
    for (long steps = 1, last = 0; steps <= 1000000; steps++)
        if (progress_due(steps, last)) last = steps, rows++;
    assert_in_range(rows, 1000, 2000);
}

/* The window of returns: batches by hand, whose mean over the last 100 episodes is known */
static void test_window(void **state)
{
    (void)state;
    env *e = env_make(environment, LIMIT, (char[256]){ 0 }, 256);
    run *r = run_new("by hand", e, 1, 1000000);
    rollout *b = rollout_shaped(1, 1, true);
    const kept none[] = { { NULL } };
    const double zero = 0;
    run_begin(r, none, NULL);
    assert_true(run_update(r, b) && isnan(r->return_mean) && r->steps == 0);
    for (int i = 0; i < 250; i++) {                 /* episode i pays i, in two batches: -1, then i + 1 */
        rollout_clear(b);
        rollout_add(b, &zero, &zero, -1);
        rollout_end(b, &zero, true, false, false);
        assert_true(run_update(r, b) && r->episodes == i);
        rollout_clear(b);
        rollout_add(b, &zero, &zero, i + 1);
        rollout_end(b, &zero, false, i % 2, !(i % 2));
        assert_true(run_update(r, b) && r->episodes == i + 1 && r->steps == 2 * (i + 1));
        double last = i < 100 ? i / 2.0 : i - 49.5;
        assert_true(fabs(r->return_mean - last) <= 1e-12);
    }
    rollout_clear(b);                               /* two episodes in one batch: 3, then 5, for 150 and 151 */
    for (int i = 0; i < 2; i++) {
        rollout_add(b, &zero, &zero, 3 + 2 * i);
        rollout_end(b, &zero, true, true, false);
    }
    assert_true(run_update(r, b) && r->episodes == 252);
    assert_true(fabs(r->return_mean - (199.5 + (3 - 150 + 5 - 151) / 100.0)) <= 1e-12);
    r->steps_wanted = r->steps;
    assert_false(run_update(r, b));
    run_end(r);
    rollout_free(b);
    run_free(r);
    env_free(e);
}

/* A run ends when the mean of a whole window has reached the mark. Episode i pays i: the mean is i - 49.5. */
static void test_until(void **state)
{
    (void)state;
    const double mark[] = { 10, 49.5, 60.5, 61 }, zero = 0;
    const int last[] = { 99, 99, 110, 111 };
    env *e = env_make(environment, LIMIT, (char[256]){ 0 }, 256);
    rollout *b = rollout_shaped(1, 1, true);
    const kept none[] = { { NULL } };
    for (int k = 0; k < 4; k++) {
        run *r = run_new("by hand", e, 1, 1000000);
        r->until = mark[k];
        rollout_clear(b);
        run_begin(r, none, NULL);
        int i = 0;
        while (run_update(r, b)) {
            rollout_clear(b);
            rollout_add(b, &zero, &zero, i++);
            rollout_end(b, &zero, true, true, false);
        }
        assert_int_equal(i - 1, last[k]);
        run_end(r);
        run_free(r);
    }
    rollout_free(b);
    env_free(e);
}

/* ---------------------------------------------------------------------------------------- a failing disk */

/* The checkpoint that is there is whole: a run can go on from it, to the same bytes. */
static void assert_recovers(void)
{
    disk.kind = NO_FAULT;
    if (!there(cut_folder, "config.json")) {                    /* it fell before anything began */
        assert_ends(run_job(cut_folder, STEPS, false), 0, "");
    } else assert_ends(run_job(cut_folder, STEPS, true), 0, "");
    assert_same_run(whole_folder, cut_folder);
    assert_false(there(cut_folder, "checkpoint.tmp"));
}

/* kill -9 at every call that changes the disk, with half of what is written there; then at one of the run that
 * goes on; then no more. */
static void test_kill(void **state)
{
    (void)state;
    bool ended = false;
    long k = 1;
    for (; !ended; k += STRIDE) {
        empty(cut_folder);
        disk.kind = KILLED;
        disk.at = k;
        struct ending e = run_job(cut_folder, STEPS, false);
        ended = *calls < k;
        if (!ended) assert_true(WIFSIGNALED(e.status) && WTERMSIG(e.status) == SIGKILL);
        if (!ended && k % 3 == 0 && there(cut_folder, "config.json")) {
            disk.at = 1 + k * 7 % 31;
            run_job(cut_folder, STEPS, true);
        }
        assert_recovers();
    }
    assert_true(k > 15 * 8);            /* a row, fsync, open, two writes, fsync, rename, open, fsync an update */
}

/* Every such call fails, once or from there on: exit 3 and one line, the checkpoint is whole, nothing lies
 * aside. */
static void test_full_disk(void **state)
{
    (void)state;
    for (int ever = 0; ever <= 1; ever++) {
        bool ended = false;
        for (long k = 1; !ended; k += STRIDE) {
            empty(cut_folder);
            disk.kind = FAILS;
            disk.at = k;
            disk.for_ever = ever;
            struct ending e = run_job(cut_folder, STEPS, false);
            ended = *calls < k;
            if (!ended) assert_ends(e, EXIT_IO, cut_folder);
            if (!ended && strchr(e.err, '\n') != e.err + strlen(e.err) - 1) fail_msg("not one line: %s", e.err);
            if (!ended && !ever) assert_false(there(cut_folder, "checkpoint.tmp"));
            assert_recovers();
            disk.for_ever = false;
        }
    }
}

static void test_short_writes(void **state)
{
    (void)state;
    for (enum fault kind = SHORT; kind <= INTERRUPTED; kind++)
        for (long k = 1; k <= 60; k += STRIDE) {
            empty(cut_folder);
            disk.kind = kind;
            disk.at = k;
            assert_ends(run_job(cut_folder, STEPS, false), 0, "");
            assert_same_run(whole_folder, cut_folder);
        }
    disk.kind = NO_FAULT;
}

/* ---------------------------------------------------------------------------------------- damage */

static void opens(int unused)
{
    (void)unused;
    char *path = path_of(cut_folder, "checkpoint");
    size_t n;
    free(checkpoint_find(path, "no such vector", &n));
    free(path);
    _exit(0);
}

static void assert_refused(const char *what, long at)
{
    struct ending e = run_child(opens, 0);
    const char *end = strchr(e.err, '\n');
    bool refused = WIFEXITED(e.status) && WEXITSTATUS(e.status) == EXIT_BAD_INPUT && end && !end[1];
    if (!refused || !strstr(e.err, "/cut/checkpoint: expected "))
        fail_msg("%s %ld: status 0x%x, %s", what, at, (unsigned)e.status, e.err);
}

static void test_damage(void **state)
{
    (void)state;
    struct bytes b = contents(whole_folder, "checkpoint");
    gsl_rng *rng = random_stream(5, 0, RANDOM_TEST);
    mkdir(cut_folder, 0777);
    for (long i = 0; i < 3000; i += STRIDE) {           /* every bit of the first 250 bytes, some of the others */
        long bit = i < 2000 ? i : (long)gsl_rng_uniform_int(rng, 8 * b.n);
        b.p[bit / 8] ^= (char)(1 << bit % 8);
        put(cut_folder, "checkpoint", b.p, b.n);
        assert_refused("bit", bit);
        b.p[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (size_t n = 0; n < b.n; n += STRIDE * (n < 300 ? 1 : 7)) {
        put(cut_folder, "checkpoint", b.p, n);
        assert_refused("cut at byte", (long)n);
    }
    for (size_t n = 1; n <= 64; n += STRIDE) {
        memset(b.p + b.n, n % 2 ? 0 : 0xff, n);
        put(cut_folder, "checkpoint", b.p, b.n + n);
        assert_refused("bytes too many", (long)n);
    }
    put(cut_folder, "checkpoint", b.p, b.n);
    assert_int_equal(run_child(opens, 0).status, 0);
    gsl_rng_free(rng);
    free(b.p);
}

/* Bytes changed and the checksum made right again: a file of another version, machine, run */
static void refit(struct bytes *b)
{
    uint64_t crc = checkpoint_crc(0, b->p, b->n - 8);
    memcpy(b->p + b->n - 8, &crc, 8);
    put(cut_folder, "checkpoint", b->p, b->n);
}

static void test_foreign(void **state)
{
    (void)state;
    static const struct { const char *old, *new, *says; } table[] = {
        { "ASCENTck", "ASCENTcj", "expected a checkpoint, found another file" },
        { "\x01\x02\x03\x04", "\x04\x03\x02\x01", "order of bytes" },
        { "\x03\x04\x01", "\x03\x04\x02", "version 1 of the format, found 2" },
        { "walk", "wall", "expected the algorithm walk, found wall" },
        { "garnet:5", "garnet:6", "expected the environment garnet:5,2,2,1, found garnet:6" },
        { "\"lr\": 0.05", "\"lr\": 0.06", "\"lr\": 0.05" },
        { "return_mean,sd", "return_mean,sf", "expected the columns" },
        { "theta", "thete", "expected theta (numbers), found thete" },
    };
    for (int i = 0; i < COUNT(table); i++) {
        empty(cut_folder);
        assert_ends(run_job(cut_folder, 21, false), 0, "");
        struct bytes b = contents(cut_folder, "checkpoint");
        size_t n = strlen(table[i].old);
        char *at = memmem(b.p, b.n, table[i].old, n);
        assert_non_null(at);
        memcpy(at, table[i].new, n);
        refit(&b);
        free(b.p);
        struct bytes before = contents(cut_folder, "checkpoint"), rows = contents(cut_folder, "progress.csv");
        assert_ends(run_job(cut_folder, STEPS, true), EXIT_BAD_INPUT, table[i].says);
        struct bytes after = contents(cut_folder, "checkpoint"), still = contents(cut_folder, "progress.csv");
        assert_true(same(before, after) && same(rows, still));
        free(before.p), free(after.p), free(rows.p), free(still.p);
    }
}

/* A pipe in its place, which nobody writes into: refused, and not waited for */
static void test_no_regular_file(void **state)
{
    (void)state;
    char path[300];
    empty(cut_folder);
    assert_ends(run_job(cut_folder, 21, false), 0, "");
    snprintf(path, sizeof path, "%s/checkpoint", cut_folder);
    assert_int_equal(remove(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    alarm(60);
    assert_ends(run_job(cut_folder, STEPS, true), EXIT_BAD_INPUT, "found no regular file");
    alarm(0);
    assert_int_equal(remove(path), 0);
}

static void test_lost_rows(void **state)
{
    (void)state;
    empty(cut_folder);
    assert_ends(run_job(cut_folder, 21, false), 0, "");
    struct bytes b = contents(cut_folder, "progress.csv");
    put(cut_folder, "progress.csv", b.p, b.n - 1);
    assert_ends(run_job(cut_folder, STEPS, true), EXIT_BAD_INPUT, "progress.csv: expected ");
    free(b.p);
}

static void test_folder(void **state)
{
    (void)state;
    struct bytes before = contents(whole_folder, "checkpoint");
    assert_ends(run_job(whole_folder, STEPS, false), EXIT_BAD_INPUT, "whole: expected a new or empty folder");
    struct bytes after = contents(whole_folder, "checkpoint");
    assert_true(same(before, after));
    free(before.p), free(after.p);
    empty(cut_folder);
    put(root, "cut", "a file", 6);
    assert_ends(run_job(cut_folder, STEPS, false), EXIT_BAD_INPUT, "cut: expected a folder");
    remove(cut_folder);
}

/* Two that start in one new folder at the same time: the one that comes second changes nothing, whether the first
 * still holds the lock, before or after its config.json, or has come and gone between two of the second's calls. */
static void test_two_starts(void **state)
{
    (void)state;
    for (int written = 0; written <= 1; written++) {
        empty(cut_folder);
        assert_int_equal(mkdir(cut_folder, 0777), 0);
        put(cut_folder, "progress.csv", "", 0);
        char *path = path_of(cut_folder, "progress.csv");
        int fd = open(path, O_RDWR);
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        assert_int_equal(fcntl(fd, F_SETLK, &lock), 0);
        put(cut_folder, "config.json.tmp", "half", 4);
        if (written) put(cut_folder, "config.json", "the first's", 11);
        assert_ends(run_job(cut_folder, STEPS, false), EXIT_BAD_INPUT, written ? "found config.json in it"
                                                                               : "another process is training here");
        struct bytes aside = contents(cut_folder, "config.json.tmp"), c = contents(cut_folder, "config.json");
        assert_true(aside.n == 4 && c.n == (written ? 11u : 0u) && !there(cut_folder, "timing.csv"));
        free(aside.p), free(c.p), free(path);
        close(fd);
    }
    empty(cut_folder);
    assert_int_equal(mkdir(cut_folder, 0777), 0);
    overtaken = cut_folder;
    assert_ends(run_job(cut_folder, STEPS, false), EXIT_BAD_INPUT, "found config.json in it");
    overtaken = NULL;
    struct bytes c = contents(cut_folder, "config.json");
    assert_true(c.n == 9 && memcmp(c.p, "another's", 9) == 0 && !there(cut_folder, "timing.csv"));
    free(c.p);
}

/* A run in an environment of a file is one in these bytes. */
static experiment *in_file;
static void make_env(int unused) { (void)unused; env_free(experiment_env(in_file)); _exit(0); }

static void test_env_file(void **state)
{
    (void)state;
    static const char text[] = "discount: 0.9\nvalues: reward\nstates: 2\nactions: 2\nT: *\nuniform\n"
                               "R: * : * : * : * 1\n";
    const size_t n = strlen(text);
    char crc[32];
    empty(cut_folder);
    assert_int_equal(mkdir(cut_folder, 0777), 0);
    put(cut_folder, "m.mdp", text, n);
    char *path = path_of(cut_folder, "m.mdp");
    experiment *x = experiment_new(algorithm_find("reinforce"), path);
    x->steps = 1;
    experiment_take_file(x);
    snprintf(crc, sizeof crc, "%016llx", (unsigned long long)checkpoint_crc(0, text, n));
    assert_string_equal(x->env_crc, crc);
    char *whole = experiment_text(x, EXPERIMENT_WHOLE), *identity = experiment_text(x, EXPERIMENT_IDENTITY);
    assert_true(strstr(whole, crc) && strstr(identity, crc));
    in_file = experiment_parse("config.json", whole, strlen(whole));
    assert_string_equal(in_file->env_crc, crc);

    assert_ends(run_child(make_env, 0), 0, "");
    put(cut_folder, "m.mdp", text, n - 1);                          /* the same MDP in other bytes */
    assert_ends(run_child(make_env, 0), EXIT_BAD_INPUT, "expected the file that the run was begun with");
    put(cut_folder, "m.mdp", text, n);
    in_file->env_crc[0] = 0;                                        /* config.json has lost it */
    assert_ends(run_child(make_env, 0), EXIT_BAD_INPUT, "CRC-64 unknown");
    strcpy(in_file->env_crc, crc);
    strcpy(in_file->env, "m.mdp");
    assert_ends(run_child(make_env, 0), EXIT_BAD_INPUT, "call from the folder where the run was begun");
    experiment_free(x), experiment_free(in_file);
    free(whole), free(identity), free(path);
}

/* ---------------------------------------------------------------------------------------- signals, numbers */

static void test_signals(void **state)
{
    (void)state;
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
    for (int i = 0; i < COUNT(signals); i++) signal(signals[i], SIG_DFL);      /* nohup, or a shell's & */
    for (int i = 0; i < COUNT(signals); i++)
        for (long at = 1; at <= 13; at += 4) {
            empty(cut_folder);
            alarm_bell.n = signals[i];
            alarm_bell.at = at;
            job = (struct job){ cut_folder, STEPS, false, 1e9 };
            assert_ends(run_child(train, 0), 128 + signals[i], "--resume");
            alarm_bell.n = 0;
            char *path = path_of(cut_folder, "checkpoint");
            size_t n;
            free(checkpoint_find(path, "theta", &n));
            free(path);
            assert_recovers();
        }
    empty(cut_folder);
    alarm_bell.n = SIGINT;
    alarm_bell.twice = true;
    assert_ends(run_job(cut_folder, STEPS, false), 130, "");    /* at once: in this update, not after it */
    alarm_bell.n = 0;
    alarm_bell.twice = false;
    assert_recovers();
}

static void test_not_finite(void **state)
{
    (void)state;
    static const struct { const char *what, *says; } table[] = {
        { "theta", "walk, after 28 steps: theta[3] is nan" },
        { "first", "walk, after 28 steps: theta[0] is nan" },
        { "last observation", "walk, after 28 steps: last observation[0] is nan" },
        { "action", "walk, after 28 steps: action[6] is inf" },                         /* the last one of 7 */
        { "sd", "walk, after 28 steps: sd is inf" },
        { "reward", "walk, after 28 steps: reward[1] is -inf" },
        { "observation", "walk, after 28 steps: observation[2] is nan" },
        { "operator", "walk, after 21 steps: log of -1" },          /* within an update not counted yet */
    };
    for (int i = 0; i < COUNT(table); i++) {
        empty(cut_folder);
        poison.what = table[i].what;
        poison.at = 4;
        assert_ends(run_job(cut_folder, STEPS, false), EXIT_NUMERICAL, table[i].says);
        poison.what = NULL;
        assert_recovers();
    }
}

/* ---------------------------------------------------------------------------------------- config */

static struct { const char *assignment; walk_config c; } setting;
static void set(int unused) { (void)unused; config_set(walk_fields, &setting.c, "--set", setting.assignment); }

static void test_config(void **state)
{
    (void)state;
    static const char *const good[] = { "lr=0", "lr=1e-300", "lr=0.1", "batch=1000", "noise=off", "hidden=0",
                                        "hidden=64,32" };
    for (int i = 0; i < COUNT(good); i++) {
        walk_config c = walk_defaults;
        char text[CONFIG_VALUE];
        config_set(walk_fields, &c, "--set", good[i]);
        const char *value = strchr(good[i], '=') + 1;
        const config_field *f = walk_fields;
        while (strncmp(f->name, good[i], strlen(f->name)) != 0) f++;
        config_value(f, &c, text);
        assert_string_equal(text, value);
    }
    static const char *const bad[] = {
        "lr", "lr=", "=1", "", "LR=1", "l=1", "lr=1x", "lr= 1", "lr=nan", "lr=inf", "lr=0x1", "lr=-1", "lr=1e301",
        "lr=1e999", "batch=0", "batch=1001", "batch=1.5", "batch=1e2", "batch=99999999999999999999", "noise=1",
        "noise=On", "noise=", "hidden=", "hidden=,", "hidden=64,", "hidden=64,,64", "hidden=0,1", "hidden=-1",
        "hidden=1000000", "hidden=64 64", "hidden=1,1,1,1,1,1,1", "other=1" };
    for (int i = 0; i < COUNT(bad); i++) {
        setting.assignment = bad[i];
        struct ending e = run_child(set, 0);
        if (e.status != EXIT_BAD_INPUT << 8 || !strstr(e.err, "--set: expected "))
            fail_msg("%s: 0x%x %s", bad[i], (unsigned)e.status, e.err);
    }
}

/* RMSProp of any algorithm: a root of 0 that a gradient of 0 is divided by, a mean square that never learns */
static struct { const algorithm *of; void *config; const char *assignment; } edge;
static void set_edge(int unused)
{
    (void)unused;
    config_set(edge.of->fields, edge.config, "--set", edge.assignment);
    numerical_failure("%s was taken", edge.assignment);
}

static void test_rmsprop_bounds(void **state)
{
    (void)state;
    static const struct { const char *assignment; int status; } table[] = {
        { "eps=0", EXIT_BAD_INPUT }, { "eps=1e-30", EXIT_NUMERICAL }, { "alpha=1", EXIT_BAD_INPUT },
        { "alpha=0.999999", EXIT_NUMERICAL }, { "alpha=0", EXIT_NUMERICAL } };
    int tried = 0;
    for (edge.of = algorithms; edge.of->name; edge.of++) {
        const config_field *f = edge.of->fields;
        while (f->name && (strcmp(f->name, "alpha") != 0 || !f[1].name || strcmp(f[1].name, "eps") != 0)) f++;
        if (!f->name) continue;
        tried++;
        edge.config = allocate(1, edge.of->config_size, "a config");
        for (int i = 0; i < COUNT(table); i++) {
            edge.assignment = table[i].assignment;
            struct ending e = run_child(set_edge, 0);
            if (e.status != table[i].status << 8) fail_msg("%s %s: %s", edge.of->name, edge.assignment, e.err);
        }
        free(edge.config);
    }
    assert_int_equal(tried, 5);
}

/* Places in random streams */
static void test_positions(void **state)
{
    (void)state;
    for (uint64_t k = 0; k < 23; k++) {
        gsl_rng *a = random_stream(9, 1, RANDOM_TEST), *b = random_stream(9, 1, RANDOM_TEST);
        for (uint64_t i = 0; i < k; i++) gsl_rng_get(a);
        assert_true(random_position(a) == k);
        random_seek(b, random_position(a));
        assert_true(random_position(b) == k);
        for (int i = 0; i < 9; i++) assert_true(gsl_rng_get(a) == gsl_rng_get(b));
        random_seek(a, ((uint64_t)1 << 34) + k);            /* where the counter has carried */
        assert_true(random_position(a) == ((uint64_t)1 << 34) + k);
        gsl_rng_free(a);
        gsl_rng_free(b);
    }
}

static void test_crc(void **state)
{
    (void)state;
    assert_true(checkpoint_crc(0, "123456789", 9) == 0x995DC9BBDF1939FA);       /* the check value of CRC-64/XZ */
    assert_true(checkpoint_crc(checkpoint_crc(0, "1234", 4), "56789", 5) == 0x995DC9BBDF1939FA);
}

int main(int argc, char **argv)
{
    linalg_start();
    require_install_gsl_handler();
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resume), cmocka_unit_test(test_progress), cmocka_unit_test(test_window),
        cmocka_unit_test(test_until), cmocka_unit_test(test_kill), cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_short_writes),
        cmocka_unit_test(test_damage), cmocka_unit_test(test_foreign), cmocka_unit_test(test_no_regular_file),
        cmocka_unit_test(test_lost_rows), cmocka_unit_test(test_folder), cmocka_unit_test(test_two_starts),
        cmocka_unit_test(test_env_file), cmocka_unit_test(test_signals), cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_config), cmocka_unit_test(test_rmsprop_bounds), cmocka_unit_test(test_positions),
        cmocka_unit_test(test_crc),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
