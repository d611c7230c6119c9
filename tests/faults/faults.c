/* Runs the program again and again, each time with another allocation failing.
 *
 *     faults whole|lines ARGUMENT...      ARGUMENT...: what `ascent` would be called with
 *
 * For k = 1, 2, ... the k-th allocation after the start of main fails, once and then from there on for
 * ever, until the program no longer comes to its k-th. Where there are thousands, the same few lines of code ask
 * again and again: past ALL of them, SOME more are taken, evenly. Each run is a child process. It must end with exit
 * status 5, one line on stderr, and on stdout nothing or all of it; with `lines`, for a table that is shown
 * as it grows, whole lines of its beginning. Where a library can do without the memory, every byte and the
 * exit status must be as without a fault. A run without a fault, if it ends with 0 or 1, must have freed
 * all that it took.
 *
 * Linked with -Wl,--wrap=main. The functions below stand before glibc's for every library too (GSL, LAPACKE,
 * Jansson, stdio); main is wrapped because constructors, the Fortran runtime's among them, may not fail.
 * OpenBLAS's own calls are let through, as nothing we could do would save them: it tries for ever to map its
 * buffer (which linalg_start therefore does first, after a trial), and its AVX-512 kernels for small products
 * write to the few kilobytes they ask for without a look. */
#define _GNU_SOURCE         /* dl_iterate_phdr */
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define SYSTEM(name) __interceptor_##name
enum { ALL = 20, SOME = 20 };           /* a run takes twenty times as long */
#else
#define SYSTEM(name) __libc_##name
enum { ALL = 1000, SOME = 100 };
#endif
void *SYSTEM(malloc)(size_t);
void *SYSTEM(calloc)(size_t, size_t);
void *SYSTEM(realloc)(void *, size_t);
void *SYSTEM(memalign)(size_t, size_t);
void  SYSTEM(free)(void *);
int __real_main(int argc, char **argv);
int __wrap_main(int argc, char **argv);

enum { EXIT_MEMORY = 5, SECONDS = 20, LIVE_MAX = 1 << 16, SHOWN = 5 };

/* ---- what the child does ---- */

static _Thread_local bool armed;    /* not in the threads that OpenBLAS starts */
static bool forked;                 /* nor in processes that the program starts: the tally is not theirs */
static long fault_at;               /* which allocation fails; 0: none */
static bool for_ever;
static void *live[LIVE_MAX];        /* taken since main and not freed; kept in runs without a fault */

static struct { long count; int live; } *tally;     /* allocations, and those not freed; shared with the parent */

/* Where OpenBLAS is loaded, and the loader, which keeps a thread's first memory for the next thread */
static struct place { uintptr_t from, to; } blas, loader;

static bool within(const struct place *x, uintptr_t caller) { return caller >= x->from && caller < x->to; }

static int find_places(struct dl_phdr_info *library, size_t size, void *unused)
{
    (void)size, (void)unused;
    struct place *x = strstr(library->dlpi_name, "openblas") ? &blas
                      : strstr(library->dlpi_name, "/ld-")   ? &loader : NULL;
    if (!x) return 0;
    for (int i = 0; i < library->dlpi_phnum; i++) {
        uintptr_t from = library->dlpi_addr + library->dlpi_phdr[i].p_vaddr;
        uintptr_t to = from + library->dlpi_phdr[i].p_memsz;
        if (library->dlpi_phdr[i].p_type != PT_LOAD) continue;
        if (!x->to || from < x->from) x->from = from;
        if (to > x->to) x->to = to;
    }
    return 0;
}

#define CALLER ((uintptr_t)__builtin_return_address(0))
#define REFUSED refused(CALLER)
static bool refused(uintptr_t caller)
{
    if (!armed || within(&blas, caller)) return false;
    long k = ++tally->count;
    if (!fault_at || (for_ever ? k < fault_at : k != fault_at)) return false;
    errno = ENOMEM;
    return true;
}

static atomic_flag listing = ATOMIC_FLAG_INIT;      /* a worker's thread may free what the first one took */

static void *taken(void *p)
{
    if (!armed || fault_at || !p) return p;
    while (atomic_flag_test_and_set(&listing)) continue;
    if (tally->live < LIVE_MAX) live[tally->live++] = p;
    atomic_flag_clear(&listing);
    return p;
}

static void released(const void *p)
{
    if (!tally || fault_at || forked) return;
    while (atomic_flag_test_and_set(&listing)) continue;
    for (int i = tally->live - 1; i >= 0; i--)
        if (live[i] == p) {
            live[i] = live[--tally->live];
            break;
        }
    atomic_flag_clear(&listing);
}

void *malloc(size_t size)
{
    if (within(&loader, CALLER)) return SYSTEM(malloc)(size);
    return REFUSED ? NULL : taken(SYSTEM(malloc)(size));
}
void *calloc(size_t n, size_t size)
{
    if (within(&loader, CALLER)) return SYSTEM(calloc)(n, size);
    return REFUSED ? NULL : taken(SYSTEM(calloc)(n, size));
}
void *aligned_alloc(size_t alignment, size_t size)
{
    return REFUSED ? NULL : taken(SYSTEM(memalign)(alignment, size));
}
int posix_memalign(void **p, size_t alignment, size_t size)
{
    int before = errno;
    void *block = REFUSED ? NULL : taken(SYSTEM(memalign)(alignment, size));
    errno = before;
    if (block) *p = block;
    return block ? 0 : ENOMEM;
}

void *realloc(void *p, size_t size)
{
    if (REFUSED) return NULL;
    if (p) released(p);
    return taken(SYSTEM(realloc)(p, size));
}

void free(void *p)
{
    if (p) released(p);
    SYSTEM(free)(p);
}

static void on_fork(void)
{
    armed = false;
    forked = true;
}

/* ---- what the parent sees ---- */

struct run { int status; long count; int live; char *out, *err; size_t out_length, err_length; };

static FILE *scratch(void)
{
    FILE *f = tmpfile();
    if (!f) { perror("tmpfile"); exit(2); }
    return f;
}

static char *contents(FILE *f, size_t *length)
{
    int fd = fileno(f);
    off_t size = lseek(fd, 0, SEEK_END);
    char *text = malloc((size_t)size + 1);
    if (!text || pread(fd, text, (size_t)size, 0) != size) { perror("pread"); exit(2); }
    text[size] = 0;
    *length = (size_t)size;
    return text;
}

static void empty(FILE *f)
{
    if (ftruncate(fileno(f), 0) != 0 || lseek(fileno(f), 0, SEEK_SET) != 0) { perror("ftruncate"); exit(2); }
}

static struct run run_with_fault(int argc, char **argv, long k, bool ever)
{
    static FILE *out, *err;
    if (!out) out = scratch(), err = scratch();
    empty(out);
    empty(err);
    tally->count = tally->live = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) { perror("fork"); exit(2); }
    if (pid == 0) {
        static char buffer[BUFSIZ];
        if (k == 0) setvbuf(stdout, buffer, _IOFBF, sizeof buffer);    /* stdio's own is never freed */
        dup2(fileno(out), STDOUT_FILENO);
        dup2(fileno(err), STDERR_FILENO);
        alarm(SECONDS);
        fault_at = k;
        for_ever = ever;
        pthread_atfork(NULL, NULL, on_fork);
        armed = true;
        exit(__real_main(argc, argv));
    }
    struct run r = { 0 };
    while (waitpid(pid, &r.status, 0) < 0)
        if (errno != EINTR) { perror("waitpid"); exit(2); }
    r.count = tally->count;
    r.live = tally->live;
    r.out = contents(out, &r.out_length);
    r.err = contents(err, &r.err_length);
    return r;
}

static void run_free(struct run *r)
{
    free(r->out);
    free(r->err);
}

static bool same(const char *a, size_t n, const char *b, size_t m) { return n == m && memcmp(a, b, n) == 0; }

/* NULL, or what is wrong with the run r, where the run without a fault was `whole` */
static const char *wrong(const struct run *r, const struct run *whole, bool lines)
{
    static const char memory[] = "ascent: out of memory: ";
    bool complete = same(r->out, r->out_length, whole->out, whole->out_length);
    if (WIFSIGNALED(r->status)) return WTERMSIG(r->status) == SIGALRM ? "does not end" : "ends with a signal";
    if (r->status == whole->status && complete && same(r->err, r->err_length, whole->err, whole->err_length))
        return NULL;
    if (r->status == whole->status) return "ends as without the fault, but the output differs";
    if (WEXITSTATUS(r->status) != EXIT_MEMORY) return "another exit status than 5";
    if (strncmp(r->err, memory, strlen(memory)) != 0) return "stderr does not begin with `ascent: out of memory: `";
    if (strchr(r->err, '\n') != r->err + r->err_length - 1) return "stderr is not one line";
    if (complete || r->out_length == 0) return NULL;
    if (!lines) return "stdout is neither empty nor complete";
    bool beginning = r->out_length < whole->out_length && memcmp(r->out, whole->out, r->out_length) == 0;
    return beginning && r->out[r->out_length - 1] == '\n' ? NULL : "stdout is not whole lines of the output";
}

static void show(const struct run *r, long k, bool ever, const char *why)
{
    printf("FAIL allocation %ld fails %s: %s (status 0x%x)\n", k, ever ? "for ever" : "once", why,
           (unsigned)r->status);
    printf("    stderr: %.300s\n    stdout: %zu bytes ending in: %.100s\n", r->err, r->out_length,
           r->out + (r->out_length > 100 ? r->out_length - 100 : 0));
}

static long next(long k, long count)
{
    return k < ALL || count < ALL + SOME ? k + 1 : k + (count - ALL) / SOME;
}

int __wrap_main(int argc, char **argv)
{
    bool lines = argc > 1 && strcmp(argv[1], "lines") == 0;
    if (argc < 2 || (!lines && strcmp(argv[1], "whole") != 0)) {
        fprintf(stderr, "usage: faults whole|lines ARGUMENT...\n");
        return 2;
    }
    tally = mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (tally == MAP_FAILED) { perror("mmap"); return 2; }
    dl_iterate_phdr(find_places, NULL);
    argv[1] = argv[0];
    argc--;
    argv++;
    struct run whole = run_with_fault(argc, argv, 0, false);
    int failures = 0, done_without = 0;
    if (!WIFEXITED(whole.status)) {
        printf("FAIL without a fault: status 0x%x\n", (unsigned)whole.status);
        failures++;
    } else if (WEXITSTATUS(whole.status) <= 1 && whole.live > 0) {
        printf("FAIL without a fault: %d blocks are not freed\n", whole.live);
        failures++;
    }
    for (int ever = 0; ever <= 1; ever++)
        for (long k = 1;; k = next(k, whole.count)) {
            struct run r = run_with_fault(argc, argv, k, ever);
            const char *why = wrong(&r, &whole, lines);
            bool fell = r.count >= k;
            if (why && failures++ < SHOWN) show(&r, k, ever, why);
            if (fell && r.status == whole.status) done_without++;
            run_free(&r);
            if (!fell || k > whole.count) break;
        }
    printf("%ld allocations, %d runs with a fault done without the memory, %d failures\n", whole.count,
           done_without, failures);
    run_free(&whole);
    return failures > 0;
}
