/* The graph of a node as Graphviz DOT: one box a node with its formula, shape and value, from leaves to y. */
#include "autodiff/ad_node.h"

#include <math.h>

/* A 1 x 1 value as it is, a matrix by its range. */
static void print_value(FILE *out, ad a)
{
    double low = a->value[0], high = low;
    for (int i = 1; i < AD_SIZE(a); i++) {
        low = fmin(low, a->value[i]);
        high = fmax(high, a->value[i]);
    }
    if (AD_SIZE(a) == 1) fprintf(out, "%.6g", low);
    else                 fprintf(out, "%.4g .. %.4g", low, high);
}

static void print_text(FILE *out, const char *text)     /* inside a DOT string */
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') fputc('\\', out);
        fputc(*text, out);
    }
}

static bool stops(ad n) { return n->inputs > 0 && !n->op->vjp; }

static void draw_node(FILE *out, ad n, bool adjoints)
{
    fprintf(out, "  n%lu [label=\"", n->number);
    if (n->name) print_text(out, n->name);
    if (n->name && *n->op->formula) fputs(" = ", out);
    if (*n->op->formula) print_text(out, n->op->formula);
    else if (!n->name)   print_text(out, n->op->name);
    fprintf(out, "\\n%s [%d x %d]\\n", n->op->name, n->r, n->c);
    print_value(out, n);
    if (adjoints && n->sweep == ad_sweep(n) && n->adjoint) {
        fputs("\\nadjoint ", out);
        print_value(out, n->adjoint);
    }
    fprintf(out, "\"%s%s%s];\n", n->inputs == 0 ? ", shape=ellipse" : "", stops(n) ? ", style=dashed" : "",
            n->derivative ? ", color=gray50, fontcolor=gray30" : "");
    for (int i = 0; i < n->inputs; i++)
        fprintf(out, "  n%lu -> n%lu%s;\n", n->in[i]->number, n->number, stops(n) ? " [style=dashed]" : "");
}

void ad_draw(FILE *out, ad y, bool adjoints)
{
    for (ad n = y; n; n = n->older) n->needed = n == y;
    for (ad n = y; n; n = n->older)
        for (int i = 0; i < n->inputs && n->needed; i++) n->in[i]->needed = true;
    ad oldest = y;
    for (ad n = y; n; n = n->older)
        if (n->needed) oldest = n;
    fputs("digraph {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\", fontsize=10];\n", out);
    for (ad n = oldest; n != y->newer; n = n->newer)
        if (n->needed) draw_node(out, n, adjoints);
    fputs("}\n", out);
}
