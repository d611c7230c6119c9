/* Processes that mpirun started: see processes.h. With ASCENT_MPI (make MPI=1) only; else there are none. */
#include "algorithms/processes.h"

#include <limits.h>
#include <stdlib.h>

#include "autodiff/require.h"

/* How many mpirun says it has started: Open MPI's by the first name, those of MPICH's kind by the second; 0: there is
 * none, and MPI_Init would wait long for it. */
static int of_mpirun(void)
{
    const char *n = getenv("OMPI_COMM_WORLD_SIZE");
    if (!n) n = getenv("PMI_SIZE");
    return n ? atoi(n) : 0;
}

#ifdef ASCENT_MPI
#include <mpi.h>

void mpi_started(int *rank, int *n)
{
    int begun = 0;
    *rank = *n = 0;
    if (of_mpirun() < 1) return;
    MPI_Initialized(&begun);
    if (!begun) MPI_Init(NULL, NULL);
    MPI_Comm_rank(MPI_COMM_WORLD, rank);
    MPI_Comm_size(MPI_COMM_WORLD, n);
}

/* MPI counts in int. What fails ends the program by MPI's own handler. */
void mpi_send_bytes(int to, const void *p, size_t bytes)
{
    require(bytes <= INT_MAX, "%zu bytes in a message", bytes);
    MPI_Send(p, (int)bytes, MPI_BYTE, to, 0, MPI_COMM_WORLD);
}

void mpi_receive_bytes(int from, void *p, size_t bytes)
{
    require(bytes <= INT_MAX, "%zu bytes in a message", bytes);
    MPI_Recv(p, (int)bytes, MPI_BYTE, from, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

void mpi_end(void)
{
    int begun = 0, ended = 0;
    MPI_Initialized(&begun);
    MPI_Finalized(&ended);
    if (begun && !ended) MPI_Finalize();
}

#else

void mpi_started(int *rank, int *n)
{
    *rank = *n = 0;
    if (of_mpirun() > 1) bad_input("mpirun: expected a program that was built with it (make MPI=1)");
}

void mpi_end(void) {}

void mpi_send_bytes(int to, const void *p, size_t bytes)
{
    require(false, "%zu bytes at %p for rank %d by MPI, which is not built in", bytes, p, to);
}

void mpi_receive_bytes(int from, void *p, size_t bytes)
{
    require(false, "%zu bytes to %p from rank %d by MPI, which is not built in", bytes, p, from);
}
#endif
