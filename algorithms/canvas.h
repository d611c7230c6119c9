/* Drawing with characters: dots, 2 x 4 to a character in braille; without braille a character is one mark. */
#ifndef ASCENT_CANVAS_H
#define ASCENT_CANVAS_H

#include <stdbool.h>
#include <stdio.h>

typedef struct {
    int columns, rows;              /* characters */
    int wide, high;                 /* dots: 2 columns, 4 rows */
    bool braille, colour;
    unsigned char *dots, *owner;    /* [rows x columns] bits of a braille character; who drew last, 0: none */
} canvas;

canvas canvas_new(int columns, int rows, bool braille, bool colour);
void   canvas_free(canvas *c);
void   canvas_clear(canvas *c);
/* Dots (x, y) from the upper left corner; what lies outside is left out. owner 1, 2, ...: a colour, or a letter */
void canvas_line(canvas *c, int owner, double x0, double y0, double x1, double y1);
void canvas_disc(canvas *c, int owner, double x, double y, double radius);
void canvas_row(const canvas *c, int row, FILE *out);               /* without blanks at its end, or a newline */
void canvas_mark(const canvas *c, int owner, FILE *out);            /* how an owner is seen: for a legend */

/* The size in characters of the terminal that a descriptor is, 80 x 24 if it is none; whether it shows braille */
void terminal_size(int fd, int *columns, int *rows);
bool terminal_utf8(void);

#endif
