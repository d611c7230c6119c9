/* The files of a run: between run.c, which says what happened, and the disk. Mistakes of the user end in exit 2, a
 * full or failing disk in exit 3; then the previous checkpoint stands. */
#ifndef ASCENT_RUN_FOLDER_H
#define ASCENT_RUN_FOLDER_H

#include "algorithms/run.h"

typedef struct {
    double save_every;              /* seconds; 0: a checkpoint after each update */
    bool resumed, quiet;
    const char *replay;             /* NULL, or whose schedule a new run follows: brought before config.json */
    const char *note;               /* NULL, or a line to be printed below the folder's name */
} run_manner;

typedef struct run_folder run_folder;
struct run_folder {
    const char *path;               /* the folder */
    const char *config, *identity;  /* its config.json; what its checkpoint must have been made with, as text */
    run_manner manner;
    int progress, timing;           /* descriptors of progress.csv, timing.csv, */
    int beside;                     /* and of a file that a checkpoint counts on, or -1: on the disk before it is */
    long progress_bytes, row_steps; /* length of progress.csv, steps at its last row */
    int columns;                    /* what `shown` names, */
    double *row;                    /* [columns] as it was after the last update */
    long saved_steps, begun_steps;  /* at the last save, at the start of this process */
    double begun, saved, said;      /* seconds: at the start, after the last save, when the bar last moved */
    double saving;                  /* how long the last save took */
    bool bar;                       /* stderr is a terminal */
    long tenths;                    /* of the run that were said, where there is no bar */
};

/* Binds r to the folder, which no other process can train in from then on; the texts are borrowed. config.json is
 * written at once, into a folder that must be new or empty; of a resumed run not before its checkpoint was found to
 * be of this identity. */
void run_in_folder(run *r, const char *path, const char *config, const char *identity, run_manner manner);

void run_folder_begin(run *r);
void run_folder_update(run *r);     /* after an update was counted */
void run_folder_end(run *r);
void run_folder_free(run_folder *f);

#endif
