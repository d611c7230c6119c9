/* Lines and discs in characters: see canvas.h. */
#include "algorithms/canvas.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "autodiff/require.h"

canvas canvas_new(int columns, int rows, bool braille, bool colour)
{
    size_t n = (size_t)columns * (size_t)rows;
    return (canvas){ .columns = columns, .rows = rows, .wide = 2 * columns, .high = 4 * rows, .braille = braille,
                     .colour = colour, .dots = allocate(n, 1, "a drawing"), .owner = allocate(n, 1, "a drawing") };
}

void canvas_free(canvas *c)
{
    free(c->dots);
    free(c->owner);
}

void canvas_clear(canvas *c)
{
    memset(c->dots, 0, (size_t)c->columns * (size_t)c->rows);
    memset(c->owner, 0, (size_t)c->columns * (size_t)c->rows);
}

static void dot(canvas *c, int owner, long x, long y)
{
    static const unsigned char bit[4][2] = { { 0x01, 0x08 }, { 0x02, 0x10 }, { 0x04, 0x20 }, { 0x40, 0x80 } };
    if (x < 0 || y < 0 || x >= c->wide || y >= c->high) return;
    long i = y / 4 * c->columns + x / 2;
    c->dots[i] |= bit[y % 4][x % 2];
    c->owner[i] = (unsigned char)owner;
}

void canvas_line(canvas *c, int owner, double x0, double y0, double x1, double y1)
{
    double length = fmax(fabs(x1 - x0), fabs(y1 - y0));
    if (!(length < 1e4)) return;                        /* far outside */
    int steps = (int)ceil(length);
    for (int t = 0; t <= steps; t++) {
        double part = steps ? (double)t / steps : 0;
        dot(c, owner, lround(x0 + (x1 - x0) * part), lround(y0 + (y1 - y0) * part));
    }
}

void canvas_disc(canvas *c, int owner, double x, double y, double radius)
{
    if (!(fabs(x) < 1e4 && fabs(y) < 1e4)) return;
    for (long j = (long)floor(-radius); j <= radius; j++)
        for (long i = (long)floor(-radius); i <= radius; i++)
            if ((double)(i * i + j * j) <= radius * radius) dot(c, owner, lround(x) + i, lround(y) + j);
}

static const char *colour_of(int owner)
{
    static const char *const colours[] = { "\033[34m", "\033[35m", "\033[36m", "\033[31m", "\033[32m",
                                           "\033[33m" };
    return colours[(owner - 1) % 6];
}

void canvas_row(const canvas *c, int row, FILE *out)
{
    int last = c->columns;
    const unsigned char *owner = c->owner + row * c->columns, *dots = c->dots + row * c->columns;
    while (last > 0 && !owner[last - 1]) last--;
    for (int i = 0; i < last; i++) {
        int pattern = 0x2800 + dots[i];
        if (c->colour && owner[i] && (i == 0 || owner[i] != owner[i - 1])) fputs(colour_of(owner[i]), out);
        if (!owner[i])       fputc(' ', out);
        else if (c->braille) fprintf(out, "\xe2%c%c", 0x80 | (pattern >> 6 & 0x3f), 0x80 | (pattern & 0x3f));
        else                 fputc('a' + (owner[i] - 1) % 26, out);
        if (c->colour && owner[i] && (i + 1 == last || owner[i] != owner[i + 1])) fputs("\033[m", out);
    }
}

void canvas_mark(const canvas *c, int owner, FILE *out)
{
    if (c->colour) fprintf(out, "%s--\033[m ", colour_of(owner));
    else if (!c->braille) fprintf(out, "%c: ", 'a' + (owner - 1) % 26);
}

void terminal_size(int fd, int *columns, int *rows)
{
    struct winsize w = { 0 };
    bool known = isatty(fd) && ioctl(fd, TIOCGWINSZ, &w) == 0;
    *columns = known && w.ws_col >= 40 ? w.ws_col : 80;
    *rows = known && w.ws_row >= 16 ? w.ws_row : 24;
}

bool terminal_utf8(void)
{
    static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
    for (int i = 0; i < 3; i++) {
        const char *value = getenv(names[i]);
        if (value && *value) return strstr(value, "UTF-8") || strstr(value, "utf8");
    }
    return false;
}
