/* The tape, reverse mode and replay. A tape is a list of nodes in order of creation, in one arena.
 * Reverse mode (AD): for y = f_n(... f_1(x)), the adjoint of a node is dy/d(node); it is the sum, over
 * the nodes that use it, of their adjoints times the derivative of their operator: the chain rule. */
#include "autodiff/ad_node.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/require.h"

struct ad_tape {
    arena *memory;
    ad first, last;
    unsigned long sweep;                    /* number of calls of ad_grad */
    bool recording;                         /* inside ad_grad: nodes get their values afterwards */
};

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
    t->sweep++;                             /* adjoints of nodes that stay may be void */
    if (t->last) t->last->newer = NULL;
    else         t->first = NULL;
}

int           ad_nrows(ad a) { return a->r; }
int           ad_ncols(ad a) { return a->c; }
const double *ad_value(ad a) { return a->value; }

double ad_scalar(ad a)
{
    require(a->r == 1 && a->c == 1, "ad_scalar: the node is [%d x %d]", a->r, a->c);
    return a->value[0];
}

ad ad_name(ad a, const char *name)
{
    a->name = name;
    return a;
}

void *ad_alloc(ad_tape *t, size_t bytes)
{
    return arena_alloc(t->memory, bytes);
}

/* ---- recording ---- */
static ad new_node(ad_tape *t, const ad_op *op, int r, int c, int inputs, const char *at)
{
    require(r >= 1 && c >= 1 && r <= INT_MAX / c, "%s: ad_%s: [%d x %d]: expected at least one row and column, and "
            "fewer than 2^31 entries", at, op->name, r, c);
    ad y = ad_alloc(t, sizeof *y + (size_t)inputs * sizeof *y->in);
    memset(y, 0, sizeof *y);
    y->op = op;
    y->at = at;
    y->tape = t;
    y->r = r;
    y->c = c;
    y->inputs = inputs;
    y->derivative = t->recording;
    y->older = t->last;
    y->number = t->last ? t->last->number + 1 : 0;
    if (t->last) t->last->newer = y;
    else         t->first = y;
    t->last = y;
    return y;
}

static double *room_for(ad y) { return ad_alloc(y->tape, (size_t)AD_SIZE(y) * sizeof *y->value); }

ad ad_record(const ad_op *op, int r, int c, int n, const ad in[], const char *at)
{
    for (int i = 1; i < n; i++)
        if (in[i]->tape != in[0]->tape) ad_shape_error(at, op->name, in[0], in[i], "nodes of one tape");
    if (r < 1 || c < 1)
        ad_shape_error(at, op->name, in[0], NULL, "a result with at least one row and column");
    ad y = new_node(in[0]->tape, op, r, c, n, at);
    for (int i = 0; i < n; i++) y->in[i] = in[i];
    return y;
}

/* Nodes that lie inside their input take no memory of their own. */
static void give_room(ad y)
{
    if (y->op->is & AD_INSIDE) y->value = y->in[0]->value + y->offset;
    else if (!y->value)        y->value = room_for(y);
}

static bool runs(ad y) { return y->op->forward && !y->joined; }

ad ad_compute(ad y)
{
    if (y->tape->recording) return y;
    give_room(y);
    if (runs(y)) y->op->forward(y);
    return y;
}

/* ---- leaves: no forward rule, and no VJP, so adjoints end here ---- */
static const ad_op op_input = { "input", "", NULL, NULL, 0 };

ad ad_input_(ad_tape *t, const double *p, int r, int c, const char *at)
{
    ad y = new_node(t, &op_input, r, c, 0, at);
    y->value = (double *)p;                 /* no operator writes into its inputs */
    return y;
}

static ad leaf(ad_tape *t, int r, int c, const char *at)
{
    ad y = new_node(t, &op_input, r, c, 0, at);
    y->value = room_for(y);
    return y;
}

ad ad_copy_(ad_tape *t, const double *p, int r, int c, const char *at)
{
    ad y = leaf(t, r, c, at);
    memcpy(y->value, p, (size_t)AD_SIZE(y) * sizeof *p);
    return y;
}

ad ad_constant_(ad_tape *t, double k, int r, int c, const char *at)
{
    ad y = leaf(t, r, c, at);
    for (int i = 0; i < AD_SIZE(y); i++) y->value[i] = k;
    return y;
}

ad ad_eye_(ad_tape *t, int n, const char *at)
{
    ad y = ad_constant_(t, 0, n, n, at);
    for (int i = 0; i < n; i++) y->value[i * n + i] = 1;
    return y;
}

ad ad_reset_but_(ad_tape *t, ad_mark m, ad y, const char *at)
{
    int r = y->r, c = y->c;
    double *value = allocate((size_t)AD_SIZE(y), sizeof *value, "what is kept of a tape");
    memcpy(value, y->value, (size_t)AD_SIZE(y) * sizeof *value);
    ad_reset(t, m);
    y = ad_copy_(t, value, r, c, at);
    free(value);
    return y;
}

static const ad_op op_freeze = { "freeze", "as it was", NULL, NULL, 0 };

ad ad_freeze_(ad a, const char *at)
{
    ad y = ad_copy_(a->tape, a->value, a->r, a->c, at);
    y->op = &op_freeze;
    return y;
}

/* ---- what is not finite ---- */
static bool finite(const double *p, int n)      /* 0 * p is 0, or NaN where p is infinite or NaN */
{
    double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    int i = 0;
    #pragma omp simd reduction(+:s0, s1, s2, s3)
    for (i = 0; i < n / 4; i++) {
        s0 += 0 * p[i];
        s1 += 0 * p[n / 4 + i];
        s2 += 0 * p[n / 4 * 2 + i];
        s3 += 0 * p[n / 4 * 3 + i];
    }
    for (i = n / 4 * 4; i < n; i++) s0 += 0 * p[i];
    return s0 + s1 + s2 + s3 == 0;
}

/* Names the first node behind y whose value is not finite: where it began. */
static _Noreturn void not_finite(ad y)
{
    ad first = y;
    for (ad n = y; n; n = n->older) n->needed = n == y;
    for (ad n = y; n; n = n->older) {
        if (!n->needed) continue;
        for (int i = 0; i < n->inputs; i++) n->in[i]->needed = true;
        if (!finite(n->value, AD_SIZE(n))) first = n;
    }
    int at = 0;
    while (isfinite(first->value[at])) at++;
    numerical_failure("%s: ad_%s%s%s%s, [%d x %d]: entry (%d, %d) is %g%s", first->at, first->op->name,
                      first->name ? " (" : "", first->name ? first->name : "", first->name ? ")" : "", first->r,
                      first->c, at / first->c, at % first->c, first->value[at],
                      first->derivative ? ", in a derivative" : "");
}

static void require_finite(ad a)
{
    if (!finite(a->value, AD_SIZE(a))) not_finite(a);
}

/* ---- reverse mode ---- */
bool ad_wants(ad y, int i) { return y->in[i]->sweep == y->tape->sweep; }

unsigned long ad_sweep(ad a) { return a->tape->sweep; }

struct ad_part { ad view, adjoint; struct ad_part *next; };

/* Adds a share to the adjoint of u. What views of u receive is collected, to be put together once. */
static void add_share(ad u, ad share, const char *at)
{
    u->adjoint = u->adjoint ? ad_add_(u->adjoint, share, at) : share;
}

void ad_collect(ad view, ad adjoint)
{
    ad u = view->in[0];
    for (struct ad_part *p = u->parts; p; p = p->next)
        if (p->view->offset == view->offset && p->view->r == view->r && p->view->c == view->c) {
            p->adjoint = ad_add_(p->adjoint, adjoint, view->at);
            return;
        }
    struct ad_part *p = ad_alloc(u->tape, sizeof *p);
    *p = (struct ad_part){ view, adjoint, u->parts };
    u->parts = p;
}

/* All nodes that use u are newer and done: the adjoints of its views become one node. */
static void settle(ad u)
{
    if (!u->parts) return;
    int n = 0;
    for (struct ad_part *p = u->parts; p; p = p->next) n++;
    ad *part = ad_alloc(u->tape, (size_t)n * sizeof *part);
    int *place = ad_alloc(u->tape, (size_t)n * sizeof *place);
    for (struct ad_part *p = u->parts; p; p = p->next) {
        part[--n] = p->adjoint;
        place[n] = p->view->offset;
    }
    for (struct ad_part *p = u->parts; p; p = p->next) n++;
    u->parts = NULL;
    add_share(u, ad_assemble(u->tape, u->r, u->c, n, part, place, u->at), u->at);
}

/* Marks the nodes from the oldest x to y through which y can depend on an x. */
static void mark_between(ad y, int k, const ad x[])
{
    unsigned long sweep = ++y->tape->sweep;
    ad oldest = y;
    for (int i = 0; i < k; i++) {
        x[i]->sweep = sweep;
        x[i]->adjoint = NULL;
        x[i]->parts = NULL;
        if (x[i]->number < oldest->number) oldest = x[i];
    }
    for (ad n = oldest; n != y->newer; n = n->newer)
        for (int i = 0; i < n->inputs && n->sweep != sweep && n->op->vjp; i++)
            if (ad_wants(n, i)) {
                n->sweep = sweep;
                n->adjoint = NULL;
                n->parts = NULL;
            }
}

static bool leads_on(ad n)                  /* an x itself may have no input between it and another x */
{
    for (int i = 0; i < n->inputs; i++)
        if (ad_wants(n, i)) return true;
    return false;
}

/*[snip sweep-back]*/
static void sweep_back(ad y, unsigned long oldest)
{
    for (ad n = y; n && n->number >= oldest; n = n->older) {
        if (n->sweep != n->tape->sweep) continue;
        settle(n);
        if (!n->adjoint || !n->op->vjp || !leads_on(n)) continue;
        ad few[AD_MAX_INPUTS] = { NULL }, *share = few;
        if (n->inputs > AD_MAX_INPUTS)      /* assemble, which fills the share of all that are wanted */
            share = ad_alloc(n->tape, (size_t)n->inputs * sizeof *share);
        n->op->vjp(n, n->adjoint, share);
        for (int i = 0; i < n->inputs; i++)
            if (ad_wants(n, i) && share[i]) add_share(n->in[i], share[i], n->at);
    }
}
/*[/snip]*/

/* The sweep recorded nodes without values. The parts of a vector's gradient are computed where they belong, so
 * that putting them together costs nothing; but for parts whose value something else may want: a replay of that
 * alone would change the gradient. */
static void place_parts(ad y)
{
    if (!y->value) y->value = room_for(y);
    for (int i = 0; i < y->inputs && y->tiled; i++)
        if (y->in[i]->uses == 1 && !y->in[i]->value && !(y->in[i]->op->is & (AD_INSIDE | AD_READS_Y)))
            y->in[i]->value = y->value + y->place[i];
}

/* A sum of two terms that nothing else uses, the newer of which can add to what is there: it does, in the memory
 * of the sum. */
static void join_terms(ad y)
{
    ad p = y->in[0], q = y->in[1];
    if (p->uses > 1 || p->value || p->op->is & (AD_INSIDE | AD_READS_Y)) return;
    if (p->number > q->number || q->uses > 1 || q->value || !(q->op->is & AD_ADDS)) return;
    if (!y->value) y->value = room_for(y);
    p->value = q->value = y->value;
    q->onto = y->joined = true;
}

static const ad_op op_assemble;

/* Gives the nodes recorded since `before` their values; the swept nodes, y back to number oldest, keep their
 * adjoints. */
static void compute_since(ad before, ad y, unsigned long oldest, int k, ad g[])
{
    ad_tape *t = y->tape;
    ad first = before ? before->newer : t->first;
    for (ad n = first; n; n = n->newer)
        for (int i = 0; i < n->inputs; i++) n->in[i]->uses++;
    for (int i = 0; i < k; i++) g[i]->uses += 2;            /* the caller's */
    for (ad n = t->last; n != before; n = n->older)
        if (n->op == &op_assemble) place_parts(n);
    for (ad n = y; n && n->number >= oldest; n = n->older)
        if (n->sweep == t->sweep && n->adjoint) n->adjoint->uses++;     /* for drawings */
    for (ad n = t->last; n != before; n = n->older)
        if (n->op->is & AD_SUM) join_terms(n);
    for (ad n = first; n; n = n->newer) ad_compute(n);
}

/* g[i] = (dy/dx[i])^T w, w as y. Given memory `into`, g[0] is computed there if it was not known before. */
static void pull_back(ad y, ad w, int k, const ad x[], ad g[], double *into, const char *at)
{
    ad_tape *t = y->tape;
    ad before = t->last;
    unsigned long oldest = y->number;
    for (int i = 0; i < k; i++) {
        require(x[i]->tape == t, "%s: ad_grad: y and x are on different tapes", at);
        if (x[i]->number < oldest) oldest = x[i]->number;
    }
    mark_between(y, k, x);
    t->recording = true;
    y->adjoint = w;
    y->parts = NULL;
    sweep_back(y, oldest);
    for (int i = 0; i < k; i++)
        g[i] = x[i]->adjoint && x[i]->number <= y->number ? x[i]->adjoint
                                                          : ad_constant_(t, 0, x[i]->r, x[i]->c, at);
    t->recording = false;
    if (into && !g[0]->value && !(g[0]->op->is & AD_INSIDE)) g[0]->value = into;
    compute_since(before, y, oldest, k, g);
    for (int i = 0; i < k; i++) require_finite(g[i]);
}

static void gradients(ad y, int k, const ad x[], ad g[], double *into, const char *at)
{
    require(y->r == 1 && y->c == 1, "%s: ad_grad: y is [%d x %d], expected [1 x 1]", at, y->r, y->c);
    require_finite(y);
    pull_back(y, ad_constant_(y->tape, 1, 1, 1, at), k, x, g, into, at);
}

void ad_grads_(ad y, int k, const ad x[], ad g[], const char *at) { gradients(y, k, x, g, NULL, at); }

ad ad_grad_(ad y, ad x, const char *at)
{
    ad g;
    gradients(y, 1, &x, &g, NULL, at);
    return g;
}

void ad_grad_into_(ad y, ad x, double *to, const char *at)
{
    ad g;
    gradients(y, 1, &x, &g, to, at);
    if (g->value != to) memcpy(to, g->value, (size_t)AD_SIZE(g) * sizeof *to);
}

ad ad_vjp_(ad y, ad x, ad w, const char *at)
{
    ad g;
    if (y->tape != w->tape || y->r != w->r || y->c != w->c)
        ad_shape_error(at, "vjp", y, w, "equal shapes on one tape");
    pull_back(y, w, 1, &x, &g, NULL, at);
    return g;
}

ad ad_jvp_(ad y, ad x, ad v, const char *at)
{
    if (x->tape != v->tape || x->r != v->r || x->c != v->c)
        ad_shape_error(at, "jvp", x, v, "equal shapes on one tape");
    ad u = ad_constant_(y->tape, 0, y->r, y->c, at);
    return ad_vjp_(ad_vjp_(y, x, u, at), u, v, at);
}

/* ---- assembling: y = parts at their places; the VJP of a part is a view ---- */
static void assemble_forward(ad y)
{
    if (!y->tiled) memset(y->value, 0, (size_t)AD_SIZE(y) * sizeof *y->value);
    for (int p = 0; p < y->inputs; p++) {
        const double *part = y->in[p]->value;
        double *to = y->value + y->place[p];
        if (part == to) continue;
        for (int i = 0; i < AD_SIZE(y->in[p]); i++) to[i] = y->tiled ? part[i] : to[i] + part[i];
    }
}

static void assemble_vjp(ad y, ad g, ad share[])
{
    for (int i = 0; i < y->inputs; i++)
        if (ad_wants(y, i)) share[i] = ad_view_(g, y->place[i], y->in[i]->r, y->in[i]->c, y->at);
}

static const ad_op op_assemble = { "assemble", "parts", assemble_forward, assemble_vjp, 0 };

/* Each part starts where one before it in memory ends, and together they are as large as the whole. */
static bool tile(ad y)
{
    int covered = 0;
    for (bool found = true; found && covered < AD_SIZE(y);) {
        found = false;
        for (int i = 0; i < y->inputs && !found; i++)
            if (y->place[i] == covered) {
                covered += AD_SIZE(y->in[i]);
                found = true;
            }
    }
    int total = 0;
    for (int i = 0; i < y->inputs; i++) total += AD_SIZE(y->in[i]);
    return covered == AD_SIZE(y) && total == covered;
}

ad ad_assemble(ad_tape *t, int r, int c, int n, const ad part[], const int place[], const char *at)
{
    ad y = new_node(t, &op_assemble, r, c, n, at);
    for (int i = 0; i < n; i++) y->in[i] = part[i];
    y->place = place;
    y->tiled = tile(y);
    return ad_compute(y);
}

/* ---- replay ---- */
ad_plan ad_slice(int k, const ad in[], int m, const ad out[])
{
    require(k >= 1 && m >= 1, "ad_slice: %d inputs, %d outputs: expected at least one of each", k, m);
    ad_tape *t = in[0]->tape;
    ad_plan plan = { 0 };
    for (ad n = t->first; n; n = n->newer) {
        n->changes = n->index != NULL;      /* an index is borrowed: it may have changed too */
        n->needed = false;
        for (int i = 0; i < n->inputs; i++) n->changes |= n->in[i]->changes;
        for (int i = 0; i < k; i++) n->changes |= n == in[i];
    }
    for (int i = 0; i < m; i++) out[i]->needed = true;
    for (ad n = t->last; n; n = n->older) {
        n->needed &= n->changes;
        for (int i = 0; i < n->inputs && n->needed; i++) n->in[i]->needed = true;
        for (int i = 0; i < n->inputs && n->joined && n->needed; i++)
            n->in[i]->changes = true;                   /* both terms */
        plan.n += n->needed && runs(n);
    }
    plan.node = ad_alloc(t, (size_t)plan.n * sizeof *plan.node);
    plan.n = 0;
    for (ad n = t->first; n; n = n->newer)
        if (n->needed && runs(n)) plan.node[plan.n++] = n;
    plan.out = ad_alloc(t, (size_t)m * sizeof *plan.out);
    plan.outs = m;
    memcpy(plan.out, out, (size_t)m * sizeof *out);
    return plan;
}

bool ad_try(const ad_plan *plan)
{
    for (int i = 0; i < plan->n; i++) plan->node[i]->op->forward(plan->node[i]);
    for (int i = 0; i < plan->outs; i++)
        if (!finite(plan->out[i]->value, AD_SIZE(plan->out[i]))) return false;
    return true;
}

void ad_run(const ad_plan *plan)
{
    if (ad_try(plan)) return;
    for (int i = 0; i < plan->outs; i++) require_finite(plan->out[i]);
}
