/* Worker processes of one run: the plumbing of ppo_parallel. All run the same code with the same parameters, each
 * with environments, random streams and minibatches of its own, and meet where a gradient is averaged:
 *
 *     processes *all = processes_new(K);              one process comes in, K come out: all->rank = 0 .. K-1
 *     processes_begin(all, run, survives, shown);     run_begin; then all know what rank 0 knows
 *     while (processes_update(all, b)) {              run_update, of what all have seen
 *         ...                                         b from run->worker[all->first] and on; g from b
 *         processes_mean(all, n, g);                  PPO-29: the same bits in all
 *         adam_ascend(&step, theta, g);
 *     }
 *     processes_end(all);                             run_end; one process comes out
 *
 * Rank 0 is the process that was there first. It alone has a folder, counts, saves and obeys signals; it alone is
 * talked to, and answers: x goes from rank 1, 2, ... to 0, which adds it up in this order, and back. So nothing
 * depends on who is faster, and a run of K processes is the same bit for bit each time.
 *
 * The others are forked, and hold a socket to rank 0 each. If rank 0 ends, however it ends, they read its end and
 * leave without a word. If one of them ends, rank 0 says what that one had to say (what it writes to stderr is
 * kept for it) and ends with its exit status; with 128 + n if it was signal n that ended it.
 *
 * A program made with `make MPI=1` and started by mpirun -n K forks nobody: its K processes are the ones that MPI
 * started, and talk over MPI. All else is the same, to the bytes of the checkpoint, but for what is said and the exit
 * status when one of them fails: those are MPI's. */
#ifndef ASCENT_PROCESSES_H
#define ASCENT_PROCESSES_H

#include "algorithms/run.h"

enum { PROCESSES_MAX = 256 };

typedef struct processes processes;
struct processes {                      /* to be read by anyone */
    int rank, n;                        /* whose memory this is; how many: K */
    run *run;
    int first, workers;                 /* its own: run->worker[first .. first + workers - 1] */
    gsl_rng *update_rng;                /* its own; rank 0's is run->update_rng */
    /* the plumbing's own: */
    bool mpi;
    struct peer *peer;                  /* [n] the others, as this one reaches them */
    gsl_rng **stream;                   /* [n] everybody's update_rng */
    kept *kept;                         /* what the algorithm keeps, and the streams */
    const kept *same;                   /* what the algorithm keeps: the same bits in all */
    rollout *seen;                      /* by all, in rank order */
    double *buffer;                     /* [room] */
    size_t room;
};

/* K processes; exit 5 where the system has no more. */
processes *processes_new(int n);
void processes_check(long n);           /* exit 2 where mpirun has started another number of them */
/* After run_workers(r, some for each of the K). The tables are run_begin's; `survives` must be the same in all after
 * each update, to the last bit: processes_update requires it (a bug, if not). It is borrowed until processes_end. */
void processes_begin(processes *all, run *r, const kept *survives, const shown *s);
/* b: what this process has seen since the last time, by its own workers. */
bool processes_update(processes *all, const rollout *b);
void processes_end(processes *all);     /* run_end, where there is a run; of all but rank 0 no forked one returns */

/* PPO-29   x [n] <- (1/K) sum_i x^(i),   x^(i) of rank i, added in this order */
void processes_mean(processes *all, size_t n, double *x);

/* ---- processes_mpi.c: what MPI started ---- */

/* Who this is, of how many: 0 of 0 where MPI started nothing, or is not built in. */
void mpi_started(int *rank, int *n);
void mpi_send_bytes(int to, const void *p, size_t bytes);
void mpi_receive_bytes(int from, void *p, size_t bytes);
void mpi_end(void);                     /* before the program ends well; nothing where MPI started nothing */

#endif
