/* Saving and loading field by field: see checkpoint.h. */
#include "algorithms/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "algorithms/whole_file.h"
#include "autodiff/require.h"

static const char magic[8] = "ASCENTck";
static const uint32_t order = 0x04030201;
enum { CRC_BYTES = 8, NAME_MAX_BYTES = 255, BUFFER = 1 << 16 };
enum kind { TEXT = 1, COUNT, POSITION, VECTOR };
static const char *const kind_name[] = { "", "text", "a count", "a place in a random stream", "numbers" };

struct checkpoint {
    bool saving;
    char *path;
    whole_file out;
    int in;
    size_t left;                        /* loading: bytes before the checksum that are not read yet */
    uint64_t crc, *table;               /* saving: so far; of the 256 bytes */
    unsigned char *buffer;              /* [BUFFER] */
    size_t filled, at;                  /* bytes in the buffer; loading: which comes next */
};

/* ---- CRC-64 ---- */

static void crc_table(uint64_t table[256])
{
    for (unsigned i = 0; i < 256; i++) {
        table[i] = i;
        for (int k = 0; k < 8; k++) table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xC96C5795D7870F42 : 0);
    }
}

static uint64_t crc_more(const uint64_t table[256], uint64_t crc, const unsigned char *p, size_t n)
{
    crc = ~crc;
    for (size_t i = 0; i < n; i++) crc = table[(crc ^ p[i]) & 0xff] ^ crc >> 8;
    return ~crc;
}

uint64_t checkpoint_crc(uint64_t crc, const void *p, size_t n)
{
    uint64_t table[256];
    crc_table(table);
    return crc_more(table, crc, p, n);
}

/* ---- bytes ---- */

static checkpoint *new(const char *path, bool saving)
{
    checkpoint *c = allocate(1, sizeof *c, "a checkpoint");
    *c = (checkpoint){ .saving = saving, .in = -1, .path = allocate(strlen(path) + 1, 1, "a checkpoint"),
                       .table = allocate(256, sizeof *c->table, "a checkpoint"),
                       .buffer = allocate(BUFFER, 1, "a checkpoint") };
    strcpy(c->path, path);
    crc_table(c->table);
    return c;
}

static void flush(checkpoint *c)
{
    c->crc = crc_more(c->table, c->crc, c->buffer, c->filled);
    whole_file_write(&c->out, c->buffer, c->filled);
    c->filled = 0;
}

static void save(checkpoint *c, const void *p, size_t n)
{
    for (const unsigned char *from = p; n > 0;) {
        size_t k = BUFFER - c->filled < n ? BUFFER - c->filled : n;
        memcpy(c->buffer + c->filled, from, k);
        c->filled += k;
        from += k;
        n -= k;
        if (c->filled == BUFFER) flush(c);
    }
}

/* Refills the buffer; the file may not shrink under our hands. */
static void refill(checkpoint *c, size_t most)
{
    ssize_t k;
    do k = read(c->in, c->buffer, most < BUFFER ? most : BUFFER);
    while (k < 0 && errno == EINTR);
    if (k < 0) bad_input("%s: cannot be read: %s", c->path, strerror(errno));
    if (k == 0) bad_input("%s: expected %zu more bytes, found the end", c->path, most);
    c->filled = (size_t)k;
    c->at = 0;
}

static void load(checkpoint *c, void *p, size_t n)
{
    if (n > c->left) bad_input("%s: expected %zu more bytes, found %zu", c->path, n, c->left);
    c->left -= n;
    for (unsigned char *to = p; n > 0;) {
        if (c->at == c->filled) refill(c, c->left + n);
        size_t k = c->filled - c->at < n ? c->filled - c->at : n;
        memcpy(to, c->buffer + c->at, k);
        c->at += k;
        to += k;
        n -= k;
    }
}

/* ---- the file ---- */

checkpoint *checkpoint_create(const char *path)
{
    const uint32_t head[] = { order, CHECKPOINT_VERSION };
    checkpoint *c = new(path, true);
    c->out = whole_file_open(path);
    save(c, magic, sizeof magic);
    save(c, head, sizeof head);
    return c;
}

/* The checksum of all that is left, against the one that stands behind it */
static void check_sum(checkpoint *c)
{
    uint64_t crc = 0, written;
    const size_t bytes = c->left;
    while (c->left > 0) {
        refill(c, c->left);
        crc = crc_more(c->table, crc, c->buffer, c->filled);
        c->left -= c->filled;
    }
    c->at = c->filled = 0;
    c->left = sizeof written;
    load(c, &written, sizeof written);
    if (crc != written)
        bad_input("%s: expected the checksum %016llx of its contents, found %016llx: it was cut short or changed",
                  c->path, (unsigned long long)crc, (unsigned long long)written);
    if (lseek(c->in, 0, SEEK_SET) != 0) bad_input("%s: cannot be read: %s", c->path, strerror(errno));
    c->at = c->filled = 0;
    c->left = bytes;
}

static void check_head(checkpoint *c)
{
    char found[sizeof magic];
    uint32_t head[2];
    load(c, found, sizeof found);
    load(c, head, sizeof head);
    if (memcmp(found, magic, sizeof magic) != 0)
        bad_input("%s: expected a checkpoint, found another file", c->path);
    if (head[0] != order)
        bad_input("%s: expected this machine's order of bytes (%08x), found %08x", c->path, order, head[0]);
    if (head[1] != CHECKPOINT_VERSION)
        bad_input("%s: expected version %d of the format, found %u", c->path, CHECKPOINT_VERSION, head[1]);
}

checkpoint *checkpoint_open(const char *path)
{
    struct stat s;
    checkpoint *c = new(path, false);
    c->in = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);          /* a pipe is no reason to wait */
    if (c->in < 0 || fstat(c->in, &s) != 0) bad_input("%s: cannot be read: %s", path, strerror(errno));
    if (!S_ISREG(s.st_mode)) bad_input("%s: expected a checkpoint, found no regular file", path);
    const size_t least = sizeof magic + 2 * sizeof(uint32_t) + CRC_BYTES;
    if ((size_t)s.st_size < least)
        bad_input("%s: expected a checkpoint, of %zu bytes at least, found %lld", path, least,
                  (long long)s.st_size);
    c->left = (size_t)s.st_size - CRC_BYTES;
    check_head(c);                              /* first, for what it says of a file that is none of ours */
    if (lseek(c->in, 0, SEEK_SET) != 0) bad_input("%s: cannot be read: %s", path, strerror(errno));
    c->at = c->filled = 0;
    c->left = (size_t)s.st_size - CRC_BYTES;
    check_sum(c);
    check_head(c);
    return c;
}

bool checkpoint_saving(const checkpoint *c) { return c->saving; }

void checkpoint_free(checkpoint *c)
{
    if (c->in >= 0) close(c->in);
    free(c->path);
    free(c->table);
    free(c->buffer);
    free(c);
}

void checkpoint_close(checkpoint *c)
{
    if (c->saving) {
        flush(c);
        whole_file_write(&c->out, &c->crc, sizeof c->crc);
        whole_file_done(&c->out);
    } else if (c->left > 0) bad_input("%s: expected its end, found %zu more bytes", c->path, c->left);
    checkpoint_free(c);
}

/* ---- fields ---- */

struct field { uint32_t length, kind; uint64_t n; char name[NAME_MAX_BYTES + 1]; };

static struct field load_field(checkpoint *c)
{
    struct field f = { 0 };
    load(c, &f.length, sizeof f.length);
    load(c, &f.kind, sizeof f.kind);
    load(c, &f.n, sizeof f.n);
    if (f.length > NAME_MAX_BYTES) bad_input("%s: expected a name, found %u bytes", c->path, f.length);
    if (f.kind < TEXT || f.kind > VECTOR) bad_input("%s: expected a kind of field, found %u", c->path, f.kind);
    load(c, f.name, f.length);
    if (f.n > c->left / (f.kind == TEXT ? 1 : 8))
        bad_input("%s: expected room for %llu elements of %s, found %zu bytes", c->path, (unsigned long long)f.n,
                  f.name, c->left);
    return f;
}

/* The head of a field: written, or read and compared. Its n, which may differ for a text only. */
static uint64_t field(checkpoint *c, const char *name, enum kind kind, uint64_t n)
{
    const uint32_t head[] = { (uint32_t)strlen(name), kind };
    require(head[0] <= NAME_MAX_BYTES, "%s: a name of %u bytes", name, head[0]);
    if (c->saving) {
        save(c, head, sizeof head);
        save(c, &n, sizeof n);
        save(c, name, head[0]);
        return n;
    }
    struct field f = load_field(c);
    if (strcmp(f.name, name) != 0 || f.kind != kind)
        bad_input("%s: expected %s (%s), found %s (%s)", c->path, name, kind_name[kind], f.name,
                  kind_name[f.kind]);
    if (kind != TEXT && f.n != n)
        bad_input("%s: expected %llu numbers of %s, found %llu", c->path, (unsigned long long)n, name,
                  (unsigned long long)f.n);
    return f.n;
}

void checkpoint_text(checkpoint *c, const char *name, const char *text)
{
    uint64_t n = field(c, name, TEXT, strlen(text));
    if (c->saving) {
        save(c, text, n);
        return;
    }
    char *found = allocate(n + 1, 1, "a checkpoint");
    load(c, found, n);
    if (strlen(found) != n || strcmp(found, text) != 0)
        bad_input("%s: expected the %s %s, found %s", c->path, name, text, found);
    free(found);
}

void checkpoint_count(checkpoint *c, const char *name, long *count)
{
    int64_t x = *count;
    field(c, name, COUNT, 1);
    if (c->saving) {
        save(c, &x, sizeof x);
        return;
    }
    load(c, &x, sizeof x);
    *count = (long)x;
    if (x < 0 || *count != x) bad_input("%s: expected a count as %s, found %lld", c->path, name, (long long)x);
}

void checkpoint_position(checkpoint *c, const char *name, uint64_t *position)
{
    field(c, name, POSITION, 1);
    if (c->saving) save(c, position, sizeof *position);
    else           load(c, position, sizeof *position);
}

void checkpoint_vector(checkpoint *c, const char *name, double *x, size_t n)
{
    field(c, name, VECTOR, n);
    if (c->saving) save(c, x, n * sizeof *x);
    else           load(c, x, n * sizeof *x);
}

static void pass_over(checkpoint *c, const struct field *f)
{
    char unused[512];
    for (size_t n = (size_t)f->n * (f->kind == TEXT ? 1 : 8); n > 0;) {
        size_t k = n < sizeof unused ? n : sizeof unused;
        load(c, unused, k);
        n -= k;
    }
}

double *checkpoint_find(const char *path, const char *name, size_t *n)
{
    double *x = NULL;
    checkpoint *c = checkpoint_open(path);
    while (c->left > 0 && !x) {
        struct field f = load_field(c);
        if (f.kind != VECTOR || strcmp(f.name, name) != 0) pass_over(c, &f);
        else {
            *n = f.n;
            x = allocate(*n, sizeof *x, "a vector of a checkpoint");
            load(c, x, *n * sizeof *x);
        }
    }
    checkpoint_free(c);
    return x;
}
