/* Forking, sockets and what goes over them: see processes.h. */
#include "algorithms/processes.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "algorithms/checkpoint.h"
#include "autodiff/random.h"
#include "autodiff/require.h"

/* Of rank 0: rank i, its end of their socket, and what that one writes to stderr. Of the others: peer[0].socket */
struct peer { pid_t pid; int socket, said; };

/* ---- the others may have ended ---- */

static int status_of(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0)
        require(errno == EINTR, "waiting for process %ld: %s", (long)pid, strerror(errno));
    return status;
}

/* The other end of the socket is closed. */
static _Noreturn void lost(const processes *all, int i)
{
    char text[4096];
    if (all->rank > 0) _exit(EXIT_HELD);                /* rank 0 has said why, if it could */
    const struct peer *other = &all->peer[i];
    int status = status_of(other->pid);
    for (ssize_t k; (k = read(other->said, text, sizeof text)) > 0;) fwrite(text, 1, (size_t)k, stderr);
    require(!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_HELD, "process %d of %d left before the others", i,
            all->n);
    if (WIFEXITED(status)) finish(WEXITSTATUS(status));
    int n = WTERMSIG(status);
    if (n != SIGABRT)                                   /* `require` has said more */
        fprintf(stderr, "ascent: process %d of %d (pid %ld) was ended by signal %d\n", i, all->n, (long)other->pid,
                n);
    finish(128 + n);
}

/* ---- messages ---- */

static void send_bytes(processes *all, int to, const void *p, size_t bytes)
{
    if (all->mpi) {
        mpi_send_bytes(to, p, bytes);
        return;
    }
    for (const char *c = p; bytes > 0;) {
        ssize_t k = send(all->peer[to].socket, c, bytes, MSG_NOSIGNAL);
        if (k < 0 && errno == EINTR) continue;
        if (k < 0) lost(all, to);
        c += k, bytes -= (size_t)k;
    }
}

static void receive_bytes(processes *all, int from, void *p, size_t bytes)
{
    if (all->mpi) {
        mpi_receive_bytes(from, p, bytes);
        return;
    }
    for (char *c = p; bytes > 0;) {
        ssize_t k = recv(all->peer[from].socket, c, bytes, 0);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) lost(all, from);
        c += k, bytes -= (size_t)k;
    }
}

/* What `from` has in p becomes what `to` has there; one of them is rank 0, and nobody else takes part. */
static void pass(processes *all, int from, int to, void *p, size_t bytes)
{
    if (all->rank == from)    send_bytes(all, to, p, bytes);
    else if (all->rank == to) receive_bytes(all, from, p, bytes);
}

static double *buffer(processes *all, size_t n)
{
    if (n > all->room) {
        all->buffer = reallocate(all->buffer, n, sizeof *all->buffer, "a message");
        all->room = n;
    }
    return all->buffer;
}

/*[snip processes-mean later]*/
/* PPO-29   x <- (x^(0) + x^(1) + ... + x^(K-1)) / K,   added by rank 0 in this order */
void processes_mean(processes *all, size_t n, double *x)
{
    /* BEGIN SOLUTION PPO-29 */
    size_t bytes = n * sizeof *x;
    double *other = buffer(all, n);
    if (all->rank > 0) {
        send_bytes(all, 0, x, bytes);
        receive_bytes(all, 0, x, bytes);
        return;
    }
    for (int i = 1; i < all->n; i++) {
        receive_bytes(all, i, other, bytes);
        for (size_t k = 0; k < n; k++) x[k] += other[k];
    }
    for (size_t k = 0; k < n; k++) x[k] /= all->n;
    for (int i = 1; i < all->n; i++) send_bytes(all, i, x, bytes);
    /* END SOLUTION */
}
/*[/snip]*/

/* ---- making and ending them ---- */

static void ignore_signals(void)                        /* rank 0 obeys them */
{
    static const int ignored[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    sigemptyset(&ignore.sa_mask);
    for (int k = 0; k < 3; k++) sigaction(ignored[k], &ignore, NULL);
}

/* Its stderr becomes the end of a pipe, which rank 0 reads when this one has ended. It must never wait for that. */
static void become(processes *all, int i, int socket, int says)
{
    ignore_signals();
    for (int k = 1; k <= i; k++) {                      /* else they would not see rank 0's end */
        close(all->peer[k].socket);
        close(all->peer[k].said);
    }
    fcntl(says, F_SETFL, O_NONBLOCK);
    dup2(says, STDERR_FILENO);
    close(says);
    all->rank = i;
    all->peer[0] = (struct peer){ .socket = socket };
}

static void fork_one(processes *all, int i)
{
    int ends[2], says[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0 || pipe(says) != 0) out_of_memory(0, "a socket to a process");
    all->peer[i] = (struct peer){ .socket = ends[0], .said = says[0] };
    pid_t pid = all->peer[i].pid = fork();
    if (pid < 0) out_of_memory(0, "a process");
    if (pid == 0) become(all, i, ends[1], says[1]);
    else {
        close(ends[1]);
        close(says[1]);
    }
}

void processes_check(long n)
{
    int rank, started;
    mpi_started(&rank, &started);
    if (started && started != n) bad_input("mpirun: expected -n %ld, as many as processes, found %d", n, started);
}

processes *processes_new(int n)
{
    int rank, started;
    require(1 <= n && n <= PROCESSES_MAX, "%d processes", n);
    processes_check(n);
    mpi_started(&rank, &started);
    processes *all = allocate(1, sizeof *all, "processes");
    *all = (processes){ .rank = rank, .n = n, .mpi = started > 0,
                        .peer = allocate((size_t)n, sizeof *all->peer, "processes") };
    if (rank > 0) ignore_signals();
    fflush(NULL);                                       /* or it would be printed K times */
    for (int i = 1; i < n && !all->mpi && all->rank == 0; i++) fork_one(all, i);
    return all;
}

static void processes_free(processes *all)
{
    for (int i = 0; all->stream && i < all->n; i++)
        if (i > 0) gsl_rng_free(all->stream[i]);
    free(all->stream);
    rollout_free(all->seen);
    free(all->kept);
    free(all->buffer);
    free(all->peer);
    free(all);
}

void processes_end(processes *all)
{
    if (all->rank > 0 && !all->mpi) _exit(EXIT_HELD);
    for (int i = 1; i < all->n && !all->mpi; i++) {
        int status = status_of(all->peer[i].pid);
        require(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_HELD, "process %d of %d ended with %#x", i, all->n,
                (unsigned)status);
        close(all->peer[i].socket);
        close(all->peer[i].said);
    }
    if (all->run) run_end(all->run);
    processes_free(all);
}

/* ---- what rank 0 must know of the others to save it, and they of what it has loaded ---- */

static void pass_stream(processes *all, int from, int to, gsl_rng *rng)
{
    uint64_t position = random_position(rng);
    pass(all, from, to, &position, sizeof position);
    if (all->rank == to) random_seek(rng, position);
}

static void pass_env(processes *all, int from, int to, run_worker *w)
{
    env *e = w->env;
    struct { int under_way, t; } at = { !e->over, e->over ? 0 : e->t };
    size_t n = (size_t)e->state_n;
    double *state = buffer(all, n);
    memcpy(state, e->state, n * sizeof *state);
    pass(all, from, to, &at, sizeof at);
    pass(all, from, to, state, n * sizeof *state);
    if (all->rank != to) return;
    if (at.under_way) env_restore(e, w->env_rng, state, at.t);
    else if (!e->over) {                                /* between two episodes: as a new one */
        w->env = env_again(all->run->env);
        env_free(e);
    }
}

/* Environments and streams of rank i, whose half of the two this is */
static void pass_workers(processes *all, int i, int from, int to)
{
    for (run_worker *w = all->run->worker + i * all->workers, *end = w + all->workers; w < end; w++) {
        pass_stream(all, from, to, w->env_rng);
        pass_stream(all, from, to, w->policy_rng);
        pass_env(all, from, to, w);
    }
    pass_stream(all, from, to, all->stream[i]);
}

static void pass_same(processes *all, int to)
{
    for (const kept *k = all->same; k->name; k++) {
        if (k->x) pass(all, 0, to, k->x, k->n * sizeof *k->x);
        else      pass(all, 0, to, k->count, sizeof *k->count);
    }
    pass(all, 0, to, &all->run->steps, sizeof all->run->steps);
}

static uint64_t checksum(const kept *k)
{
    uint64_t crc = 0;
    for (; k->name; k++) crc = k->x ? checkpoint_crc(crc, k->x, k->n * sizeof *k->x)
                                    : checkpoint_crc(crc, k->count, sizeof *k->count);
    return crc;
}

/* ---- what they have seen, as numbers one behind the other ---- */

enum { OF_SEGMENT = 5 };

static size_t numbers(const rollout *b, int T, int segments)
{
    return (size_t)T * (size_t)(b->d + b->k + 1) + (size_t)segments * (size_t)(b->d + OF_SEGMENT);
}

static double *write_numbers(double *x, const double *from, size_t n)
{
    if (n > 0) memcpy(x, from, n * sizeof *x);
    return x + n;
}

static void write_batch(const rollout *b, double *x)
{
    size_t T = (size_t)b->T, d = (size_t)b->d;
    x = write_numbers(x, b->s, T * d);
    x = write_numbers(x, b->a, T * (size_t)b->k);
    x = write_numbers(x, b->r, T);
    for (int i = 0; i < b->segments; i++) {
        const segment *g = &b->segment[i];
        const double of[OF_SEGMENT] = { g->T, g->starts, g->terminated, g->truncated, g->worker };
        x = write_numbers(write_numbers(x, of, OF_SEGMENT), b->s_end + (size_t)i * d, d);
    }
}

static void add_batch(rollout *to, int T, int segments, const double *x)
{
    size_t d = (size_t)to->d, k = (size_t)to->k;
    const double *s = x, *a = s + (size_t)T * d, *r = a + (size_t)T * k, *of = r + T;
    for (int i = 0; i < segments; i++, of += OF_SEGMENT + d) {
        for (int t = 0; t < (int)of[0]; t++, s += d, a += k, r++) rollout_add(to, s, a, *r);
        to->worker = (int)of[4];
        rollout_end(to, of + OF_SEGMENT, of[1] != 0, of[2] != 0, of[3] != 0);
    }
}

static void pass_batch(processes *all, int i, const rollout *b)
{
    struct { int T, segments; } size = { b->T, b->segments };
    pass(all, i, 0, &size, sizeof size);
    size_t n = numbers(b, size.T, size.segments);
    double *x = buffer(all, n);
    if (all->rank == i) write_batch(b, x);
    pass(all, i, 0, x, n * sizeof *x);
    if (all->rank == 0) add_batch(all->seen, size.T, size.segments, x);
}

/* ---- the calls of the loop ---- */

static void list_kept(processes *all, const kept *survives)
{
    int n = 0;
    while (survives[n].name) n++;
    kept *k = all->kept = allocate((size_t)(n + all->n), sizeof *k, "what is kept");
    memcpy(k, survives, (size_t)n * sizeof *k);
    for (int i = 1; i < all->n; i++)
        k[n + i - 1] = (kept){ .name = "updates' stream of another process", .rng = all->stream[i] };
    k[n + all->n - 1] = (kept){ .name = NULL };
    for (k = all->kept; k < all->kept + n; k++)
        require(k->x || k->count, "%s is kept by each process for itself", k->name);
}

void processes_begin(processes *all, run *r, const kept *survives, const shown *s)
{
    require(r->workers % all->n == 0, "%d workers of %d processes", r->workers, all->n);
    all->run = r;
    all->same = survives;
    all->workers = r->workers / all->n;
    all->first = all->rank * all->workers;
    all->seen = rollout_new(r->env);
    all->stream = allocate((size_t)all->n, sizeof *all->stream, "streams");
    all->stream[0] = r->update_rng;
    for (int i = 1; i < all->n; i++) all->stream[i] = random_stream(r->seed, (uint32_t)i, RANDOM_UPDATE);
    all->update_rng = all->stream[all->rank];
    list_kept(all, survives);
    if (all->rank > 0) r->folder = NULL;                /* of its copy of the run */
    run_begin(r, all->kept, s);
    for (int i = 1; i < all->n; i++) {
        pass_same(all, i);
        pass_workers(all, i, 0, i);
    }
}

bool processes_update(processes *all, const rollout *b)
{
    run *r = all->run;
    uint64_t own = checksum(all->same), its = own;
    int goes_on = false;
    if (all->rank == 0) {
        rollout_clear(all->seen);
        double *x = buffer(all, numbers(b, b->T, b->segments));
        write_batch(b, x);
        add_batch(all->seen, b->T, b->segments, x);
    }
    for (int i = 1; i < all->n; i++) {
        pass(all, i, 0, &its, sizeof its);
        require(its == own, "%s, after %ld steps: the parameters of process %d are not those of process 0",
                r->algorithm, r->steps, i);
        pass_workers(all, i, i, 0);
        pass_batch(all, i, b);
    }
    if (all->rank == 0) goes_on = run_update(r, all->seen);
    for (int i = 1; i < all->n; i++) {
        pass(all, 0, i, &goes_on, sizeof goes_on);
        pass(all, 0, i, &r->steps, sizeof r->steps);
    }
    return goes_on;
}
