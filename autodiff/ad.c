/* The tape and reverse mode. A tape is a list of nodes in order of creation, in one arena.
 * Reverse mode (AD): for y = f_n(... f_1(x)), the adjoint of a node is dy/d(node); it is the sum, over
 * the nodes that use it, of their adjoints times the derivative of their operator: the chain rule. */
#include "autodiff/ad_node.h"

#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"

struct ad_tape { arena *memory; ad last; };

ad_tape *ad_tape_new(void)
{
    ad_tape *t = allocate(1, sizeof *t, "a tape");
    t->memory = arena_new();
    return t;
}

void ad_tape_free(ad_tape *t)
{
    if (!t) return;
    arena_free(t->memory);
    free(t);
}

ad_mark ad_here(const ad_tape *t)
{
    return (ad_mark){ arena_here(t->memory), t->last };
}

void ad_reset(ad_tape *t, ad_mark m)
{
    arena_reset(t->memory, m.memory);
    t->last = m.last;
    if (t->last) t->last->newer = NULL;
}

int           ad_nrows(ad a) { return a->r; }
int           ad_ncols(ad a) { return a->c; }
const double *ad_value(ad a) { return a->value; }

double ad_scalar(ad a)
{
    require(a->r == 1 && a->c == 1, "ad_scalar: the node is [%d x %d]", a->r, a->c);
    return a->value[0];
}

void *ad_tape_alloc(ad_tape *t, size_t bytes)
{
    return arena_alloc(t->memory, bytes);
}

ad ad_node_new(ad_tape *t, const ad_op *op, int r, int c, ad a, ad b, const char *at)
{
    ad y = ad_tape_alloc(t, sizeof *y);
    *y = (struct ad_node){ .op = op, .at = at, .tape = t, .older = t->last, .r = r, .c = c, .in = { a, b } };
    y->number = t->last ? t->last->number + 1 : 0;
    y->value = ad_tape_alloc(t, (size_t)r * (size_t)c * sizeof *y->value);
    if (t->last) t->last->newer = y;
    t->last = y;
    return y;
}

/* Marks the nodes from x to y through which y can depend on x. */
static void mark_reach(ad y, ad x)
{
    for (ad n = x; n != y->newer; n = n->newer) {
        n->adjoint = NULL;
        n->reaches = n == x;
        for (int i = 0; i < 2 && n->in[i]; i++)
            if (n->in[i]->number >= x->number && n->in[i]->reaches && n->op->vjp) n->reaches = true;
    }
}

ad ad_grad_(ad y, ad x, const char *at)
{
    require(y->tape == x->tape, "%s: ad_grad: y and x are on different tapes", at);
    require(y->r == 1 && y->c == 1, "%s: ad_grad: y is [%d x %d], expected [1 x 1]", at, y->r, y->c);
    if (y->number < x->number) return ad_constant_(x->tape, 0, x->r, x->c, at);
    mark_reach(y, x);
    y->adjoint = ad_constant_(y->tape, 1, 1, 1, at);
    for (ad n = y; n != x; n = n->older) {
        if (!n->adjoint) continue;
        for (int i = 0; i < 2 && n->in[i]; i++) {
            ad u = n->in[i];
            if (u->number < x->number || !u->reaches) continue;
            ad share = n->op->vjp(n, n->adjoint, i);
            u->adjoint = u->adjoint ? ad_add_(u->adjoint, share, at) : share;
        }
    }
    return x->adjoint ? x->adjoint : ad_constant_(x->tape, 0, x->r, x->c, at);
}

ad ad_vjp_(ad y, ad x, ad w, const char *at)
{
    return ad_grad_(ad_sum_(ad_mul_(y, w, at), at), x, at);
}
