/* Foreign code in a closed room: see grade_sandbox.h. */
#define _DEFAULT_SOURCE                     /* mkdtemp */
#include "chapters/grade_sandbox.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "autodiff/require.h"

double monotonic_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- one process ---- */

enum { MAX_ARGS = 80 };
typedef struct { int n; const char *arg[MAX_ARGS + 1]; } arguments;     /* NULL after the last */

/* Signals that ask the program to end wait from sandbox_open to sandbox_close, which leaves nothing behind. */
static sigset_t ends(void)
{
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGINT);
    sigaddset(&s, SIGTERM);
    sigaddset(&s, SIGHUP);
    return s;
}

bool sandbox_interrupted(void)
{
    sigset_t s;
    sigpending(&s);
    return sigismember(&s, SIGINT) || sigismember(&s, SIGTERM) || sigismember(&s, SIGHUP);
}

/* Everything up to exec in the child: descriptors 0 to 2 and FOREIGN_SOCKET alone stay open. */
static _Noreturn void become_program(const arguments *a, const char *folder, char *const *environment, int line,
                                     int out)
{
    setsid();
    int null = open("/dev/null", O_RDONLY);
    int line_ = fcntl(line, F_DUPFD, 10), out_ = fcntl(out, F_DUPFD, 10), null_ = fcntl(null, F_DUPFD, 10);
    if (line_ < 0 || out_ < 0 || null_ < 0 || dup2(null_, 0) < 0 || dup2(out_, 1) < 0 || dup2(out_, 2) < 0 ||
        dup2(line_, FOREIGN_SOCKET) < 0)
        _exit(126);
    for (int fd = FOREIGN_SOCKET + 1; fd < 256; fd++) close(fd);
    const sigset_t s = ends();
    sigprocmask(SIG_UNBLOCK, &s, NULL);
    if (!folder || chdir(folder) == 0) execve(a->arg[0], (char *const *)a->arg, environment);
    fprintf(stderr, "%s: %s\n", a->arg[0], strerror(errno));
    _exit(127);
}

static void start(const arguments *a, const char *folder, char *const *environment, double seconds, foreign *f)
{
    int line[2], out[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, line) != 0 || pipe(out) != 0)
        io_failure("pipe: %s", strerror(errno));
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) io_failure("fork: %s", strerror(errno));
    if (pid == 0) become_program(a, folder, environment, line[1], out[1]);
    close(line[1]);
    close(out[1]);
    fcntl(line[0], F_SETFL, O_NONBLOCK);
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    fcntl(line[0], F_SETFD, FD_CLOEXEC);
    fcntl(out[0], F_SETFD, FD_CLOEXEC);
    *f = (foreign){ .pid = pid, .line = line[0], .out = out[0], .until = monotonic_seconds() + seconds };
}

/* Reads some of what was printed: the first bytes are kept, the rest thrown away. */
static void hear(foreign *f)
{
    char part[4096];
    for (int i = 0; i < 16 && f->out >= 0; i++) {
        ssize_t k = read(f->out, part, sizeof part);
        if (k < 0) return;
        size_t room = FOREIGN_PRINTED - f->length, keep = (size_t)k < room ? (size_t)k : room;
        memcpy(f->printed + f->length, part, keep);
        f->length += keep;
        if (k > 0) continue;
        close(f->out);
        f->out = -1;
    }
}

enum foreign_answer foreign_ask(foreign *f, const void *q, size_t nq, void *a, size_t na)
{
    size_t sent = 0, got = 0;
    for (;;) {
        double left = f->until - monotonic_seconds();
        if (!(left > 0) || sandbox_interrupted()) return FOREIGN_TOO_LATE;
        struct pollfd p[2] = { { f->line, sent < nq ? POLLIN | POLLOUT : POLLIN, 0 }, { f->out, POLLIN, 0 } };
        if (poll(p, 2, left < 0.2 ? (int)(1000 * left) + 1 : 200) < 0 && errno != EINTR)
            io_failure("poll: %s", strerror(errno));
        if (p[1].revents) hear(f);
        if (p[0].revents & POLLOUT) {
            ssize_t k = send(f->line, (const char *)q + sent, nq - sent, MSG_NOSIGNAL);
            if (k < 0 && errno != EAGAIN) return FOREIGN_ENDED;
            sent += k > 0 ? (size_t)k : 0;
        }
        if (p[0].revents & (POLLIN | POLLHUP | POLLERR)) {
            char beyond;
            const bool all = got == na;
            ssize_t k = all ? read(f->line, &beyond, 1) : read(f->line, (char *)a + got, na - got);
            if (k == 0 || (k < 0 && errno != EAGAIN)) return FOREIGN_ENDED;
            got += k > 0 && !all ? (size_t)k : 0;
            if (na > 0 && got == na && sent == nq) return FOREIGN_ANSWERED;
        }
    }
}

static const char *signal_name(int n)
{
    switch (n) {
    case SIGSEGV: case SIGBUS:  return "it read or wrote where it has no memory";
    case SIGABRT:               return "it stopped itself";
    case SIGFPE:                return "it divided a whole number by zero";
    case SIGXCPU: case SIGKILL: return "it was stopped: over its time";
    case SIGXFSZ:               return "it was stopped: it wrote to a file";
    default:                    return "it ended by a signal";
    }
}

/* Lets go of what it printed all that could do more than be read on a terminal. */
static void sanitise(foreign *f)
{
    for (size_t i = 0; i < f->length; i++) {
        unsigned char c = (unsigned char)f->printed[i];
        if ((c < ' ' && c != '\n' && c != '\t') || c >= 0x7f) f->printed[i] = '?';
    }
    f->printed[f->length] = '\0';
}

bool foreign_end(foreign *f, char *how, size_t size)
{
    int status = 0;
    pid_t ended = 0;
    close(f->line);                         /* the end of its questions */
    double now = monotonic_seconds(), patience = f->until < now + 0.5 ? f->until : now + 0.5;
    while ((ended = waitpid(f->pid, &status, WNOHANG)) == 0 && monotonic_seconds() < patience) {
        struct pollfd p = { f->out, POLLIN, 0 };
        poll(&p, 1, 2);
        hear(f);
    }
    kill(-f->pid, SIGKILL);                 /* the compiler's processes; bubblewrap takes all inside with it */
    kill(f->pid, SIGKILL);
    if (ended == 0) waitpid(f->pid, &status, 0);
    hear(f);
    if (f->out >= 0) close(f->out);
    f->line = f->out = -1;
    sanitise(f);
    /* bubblewrap passes a signal on as exit status 128 + n */
    int n = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status) > 128 ? WEXITSTATUS(status) - 128 : 0;
    if (ended == 0) snprintf(how, size, "it was stopped: over its time");
    else if (n)     snprintf(how, size, "%s (signal %d)", signal_name(n), n);
    else            snprintf(how, size, "it ended with exit status %d", WEXITSTATUS(status));
    return ended != 0 && !n && WEXITSTATUS(status) == 0;
}

/* ---- the room ---- */

static void add(arguments *a, const char *const *more)      /* up to NULL */
{
    for (; *more; more++) {
        require(a->n < MAX_ARGS, "%d arguments", a->n);
        a->arg[a->n++] = *more;
    }
}
#define ADD(a, ...) add(a, (const char *const[]){ __VA_ARGS__, NULL })

struct path { char at[2 * SANDBOX_PATH + 40]; };

static struct path join(const char *folder, const char *name)
{
    struct path p;
    snprintf(p.at, sizeof p.at, "%s/%s", folder, name);
    return p;
}

/* What the folders are called inside */
struct inside { const char *src, *out, *home; };
static const struct inside in_bwrap = { "/src", "/out", "/assignments" };

static void add_bwrap(arguments *a, const sandbox *s, const char *src, const char *out, bool write)
{
    ADD(a, s->bwrap, "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
        "--die-with-parent", "--new-session", "--dev", "/dev", "--tmpfs", "/tmp");
    if (s->user) ADD(a, "--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID");
    else         ADD(a, "--unshare-user");
    ADD(a, "--ro-bind", "/usr", "/usr", "--dir", "/etc");
    static const char *const system[] = { "/lib", "/lib64", "/bin", "/etc/alternatives", "/etc/ld.so.cache" };
    for (int i = 0; i < 5; i++) ADD(a, "--ro-bind-try", system[i], system[i]);
    ADD(a, "--ro-bind", s->home, in_bwrap.home, "--ro-bind", src, in_bwrap.src,
        write ? "--bind" : "--ro-bind", out, in_bwrap.out, "--chdir", in_bwrap.src);
}

/* Runs `runner USER ROOT what...` in the room */
static void enter(const sandbox *s, bool write, const char *const *what, double seconds, foreign *f)
{
    arguments a = { 0 };
    const struct path src = join(s->work, "src"), out = join(s->work, "out");
    const bool bwrap = *s->bwrap;
    const struct inside in = bwrap ? in_bwrap : (struct inside){ src.at, out.at, s->home };
    const struct path runner = join(in.home, "runner");
    char user[30], v[4][sizeof src.at + 20];
    snprintf(user, sizeof user, "%ld", (long)s->user);
    if (bwrap) add_bwrap(&a, s, src.at, out.at, write);
    ADD(&a, runner.at, user, bwrap || write ? "/" : in.out);
    add(&a, what);
    snprintf(v[0], sizeof v[0], "SRC=%s", in.src);
    snprintf(v[1], sizeof v[1], "OUT=%s", in.out);
    snprintf(v[2], sizeof v[2], "ASSIGNMENTS=%s", in.home);
    snprintf(v[3], sizeof v[3], "TMPDIR=%s", in.out);
    char *const environment[] = { "PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "OPENBLAS_NUM_THREADS=1",
                                  v[0], v[1], v[2], v[3], NULL };
    start(&a, bwrap ? NULL : src.at, environment, seconds, f);
}

static void give(const char *path, uid_t user)
{
    if (lchown(path, user, user) != 0 && errno != ENOENT) io_failure("%s: %s", path, strerror(errno));
}

void sandbox_compile(const sandbox *s, const char *script, double seconds, foreign *f)
{
    if (s->user) give(join(s->work, "out").at, s->user);
    enter(s, true, (const char *const[]){ "compile", "/bin/sh", "-c", script, NULL }, seconds, f);
    foreign_ask(f, NULL, 0, NULL, 0);
}

void sandbox_run(const sandbox *s, double seconds, foreign *f)
{
    if (s->user) {
        give(join(s->work, "out").at, 0);
        give(join(s->work, "out/student.so").at, 0);
    }
    const char *library = *s->bwrap ? "/out/student.so" : "/student.so";
    enter(s, false, (const char *const[]){ "run", library, NULL }, seconds, f);
}

/* ---- does it work here? ---- */

static bool find_bwrap(char *path)                          /* [SANDBOX_PATH] */
{
    const char *at = getenv("PATH");
    while (at && *at) {
        int n = (int)strcspn(at, ":");
        if (snprintf(path, SANDBOX_PATH, "%.*s/bwrap", n, at) < SANDBOX_PATH && access(path, X_OK) == 0)
            return true;
        at += n + (at[n] == ':');
    }
    *path = '\0';
    return false;
}

static int listen_here(int *port)                           /* a server on this machine, or -1 */
{
    struct sockaddr_in host = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof host;
    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (s >= 0 && bind(s, (struct sockaddr *)&host, sizeof host) == 0 && listen(s, 1) == 0 &&
        getsockname(s, (struct sockaddr *)&host, &size) == 0)
        *port = ntohs(host.sin_port);
    return s;
}

/* What the runner found possible inside (grade_runner.c), or -1: it did not get so far */
static int probe(const sandbox *s, const char *secret)
{
    char port_text[20], how[100];
    int port = 0, server = listen_here(&port), possible = -1;
    foreign f;
    snprintf(port_text, sizeof port_text, "%d", port);
    enter(s, false, (const char *const[]){ "probe", secret, port_text, NULL }, 5, &f);
    if (foreign_ask(&f, NULL, 0, &possible, sizeof possible) != FOREIGN_ANSWERED) possible = -1;
    if (!foreign_end(&f, how, sizeof how)) possible = -1;
    if (server >= 0) close(server);
    return possible;
}

/* What compiles can read the headers, and write where it should. */
static bool compiles(const sandbox *s)
{
    char how[100];
    foreign f;
    sandbox_compile(s, "test -r $ASSIGNMENTS/include/autodiff/ad.h && test -r $SRC && test -w $OUT", 5, &f);
    return foreign_end(&f, how, sizeof how);
}

static void make_folder(const char *path)
{
    if (mkdir(path, 0755) != 0) io_failure("%s: %s", path, strerror(errno));
}

bool sandbox_open(sandbox *s, const char *home, const char *secret, char *error, size_t size)
{
    enum { NETWORK = 16, FIRST_USER = 64000, USERS = 1000, NOBODY = 65534 };
    const bool root = geteuid() == 0;
    const char *tmp = getenv("TMPDIR");
    *s = (sandbox){ .user = root ? NOBODY : 0 };
    if (strlen(home) >= SANDBOX_PATH) bad_input("%s: too long a path", home);
    strcpy(s->home, home);
    snprintf(s->work, sizeof s->work, "%.400s/ascent-grade-XXXXXX", tmp && *tmp == '/' ? tmp : "/tmp");
    const sigset_t wait = ends();
    sigprocmask(SIG_BLOCK, &wait, NULL);            /* before there is a folder to leave behind */
    if (!mkdtemp(s->work)) io_failure("%s: %s", s->work, strerror(errno));
    make_folder(join(s->work, "src").at);
    make_folder(join(s->work, "out").at);
    if (root) chmod(s->work, 0755);

    s->about = "bubblewrap: no network, no other files or processes";
    if (find_bwrap(s->bwrap) && probe(s, secret) == 0 && compiles(s)) return true;
    *s->bwrap = '\0';
    s->about = "another user in an empty root directory; no bubblewrap: the network is not closed to it";
    s->user = FIRST_USER + (uid_t)(getpid() % USERS);
    int possible = root && !getpwuid(s->user) ? probe(s, secret) : -1;
    if (possible >= 0 && (possible & ~NETWORK) == 0 && compiles(s)) return true;
    snprintf(error, size, "no sandbox works here: expected bubblewrap (Debian: bubblewrap) and user namespaces, or"
             " to be root with the right to become another user; foreign code is not run without");
    sandbox_close(s);
    return false;
}

static void remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    while (folder && (entry = readdir(folder)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            remove(join(path, entry->d_name).at);
    if (folder) closedir(folder);
    remove(path);
}

void sandbox_close(const sandbox *s)
{
    remove_folder(join(s->work, "src").at);
    remove_folder(join(s->work, "out").at);
    remove_folder(s->work);
    const sigset_t wait = ends();
    sigprocmask(SIG_UNBLOCK, &wait, NULL);
}
