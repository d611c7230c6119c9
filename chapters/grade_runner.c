/* runner USER ROOT run LIBRARY | compile COMMAND... | probe SECRET PORT
 *
 * The first program inside the sandbox (grade_sandbox.h). It makes ROOT the root directory unless that is
 * "/", becomes USER unless that is 0, takes on limits and, for good, gives up what it might do more; only
 * then the student's code comes in. Questions are read from FOREIGN_SOCKET and the student's answers
 * written there. Nothing in this process knows what is right. */
#define _DEFAULT_SOURCE                     /* chroot, setgroups, RLIMIT_NPROC */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "autodiff/linalg.h"
#include "autodiff/require.h"
#include "chapters/grade_question.h"
#include "chapters/grade_sandbox.h"

static void limit(int what, const char *name, rlim_t most)
{
    const struct rlimit r = { most, most };
    if (setrlimit(what, &r) != 0) io_failure("limit %s: %s", name, strerror(errno));
}

static void limits(bool runs)
{
    enum { MB = 1 << 20 };
    limit(RLIMIT_CORE, "core", 0);
    limit(RLIMIT_CPU, "cpu", runs ? 1 : 6);
    limit(RLIMIT_FSIZE, "fsize", runs ? 0 : 16 * MB);
    limit(RLIMIT_NOFILE, "nofile", runs ? 16 : 64);
    if (runs) limit(RLIMIT_NPROC, "nproc", 0);
    limit(RLIMIT_AS, "as", (runs ? 512 : 1024) * (rlim_t)MB);
}

static void become(uid_t user)
{
    if (user != 0 && (setgroups(0, NULL) != 0 || setgid(user) != 0 || setuid(user) != 0))
        io_failure("user %ld: %s", (long)user, strerror(errno));
    prctl(PR_SET_PDEATHSIG, SIGKILL);                   /* it ends with the grader */
}

static bool whole(void *p, size_t n, bool in)           /* all n bytes read, or written */
{
    for (char *at = p; n > 0;) {
        ssize_t k = in ? read(FOREIGN_SOCKET, at, n) : write(FOREIGN_SOCKET, at, n);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return false;
        at += k;
        n -= (size_t)k;
    }
    return true;
}

static int run(const char *path)
{
    void *library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
    void (*ask)(const question *q, answer *a);
    if (!library) bad_input("%s", dlerror());
    *(void **)&ask = dlsym(library, "answer_question");
    if (!ask) bad_input("%s", dlerror());
    question q, sent;
    while (whole(&q, sizeof q, true)) {
        answer a = { .nonce = q.nonce };
        memcpy(&sent, &q, sizeof q);
        ask(&q, &a);
        a.changed = memcmp(&sent, &q, sizeof q) != 0;
        if (!whole(&a, sizeof a, false)) return EXIT_IO;
    }
    return EXIT_HELD;
}

/* What must not be possible: 1 root's rights, 2 reading the secret, 4 a new process, 8 writing; and 16 the
 * network */
static int probe(const char *secret, int port)
{
    int possible = 0, fd;
    if (geteuid() == 0 && setgroups(0, NULL) == 0) possible |= 1;
    if ((fd = open(secret, O_RDONLY)) >= 0) possible |= 2;
    if (fd >= 0) close(fd);
    pid_t child = fork();
    if (child == 0) _exit(0);
    if (child > 0) possible |= 4;
    signal(SIGXFSZ, SIG_IGN);
    fd = open("/tmp/probe", O_WRONLY | O_CREAT, 0600);
    if (fd >= 0 && write(fd, "x", 1) == 1) possible |= 8;
    const struct sockaddr_in host = { .sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (s >= 0 && connect(s, (const struct sockaddr *)&host, sizeof host) == 0) possible |= 16;
    return whole(&possible, sizeof possible, false) ? EXIT_HELD : EXIT_IO;
}

int main(int argc, char **argv)
{
    require(argc >= 5, "runner USER ROOT run|compile|probe ...");
    bool runs = strcmp(argv[3], "compile") != 0;
    if (runs) {
        require_install_gsl_handler();
        linalg_start();
    }
    if (strcmp(argv[2], "/") != 0 && (chroot(argv[2]) != 0 || chdir("/") != 0))
        io_failure("chroot %s: %s", argv[2], strerror(errno));
    become((uid_t)atol(argv[1]));
    limits(runs);
    if (!runs) {
        execvp(argv[4], argv + 4);
        io_failure("%s: %s", argv[4], strerror(errno));
    }
    if (strcmp(argv[3], "run") == 0) return run(argv[4]);
    require(argc == 6, "probe SECRET PORT");
    return probe(argv[4], atoi(argv[5]));
}
