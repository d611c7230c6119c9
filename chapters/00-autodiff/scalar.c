/* Reverse-mode differentiation of numbers, all of it. f(x1, x2) = x1 exp(x1 x2) + tanh(x2) at (0.5, -1.2). */
#include <math.h>
#include <stdio.h>

/*[snip scalar-tape]*/
enum { MAX_NODES = 100 };

typedef struct {
    double value;
    int input[2];               /* the nodes it was computed from, */
    double partial[2];          /* and d value / d input, as numbers */
    double adjoint;             /* d y / d value, once backward(y) has run */
} node;

typedef struct { node node[MAX_NODES]; int count; } tape;

static int record(tape *t, double value, int a, double da, int b, double db)
{
    t->node[t->count] = (node){ .value = value, .input = { a, b }, .partial = { da, db } };
    return t->count++;
}
/*[/snip]*/

/*[snip scalar-operators]*/
static int leaf(tape *t, double x) { return record(t, x, 0, 0, 0, 0); }

static int add(tape *t, int a, int b)
{
    return record(t, t->node[a].value + t->node[b].value, a, 1, b, 1);
}

static int mul(tape *t, int a, int b)
{
    double x = t->node[a].value, y = t->node[b].value;
    return record(t, x * y, a, y, b, x);                /* d(xy)/dx = y, d(xy)/dy = x */
}

static int exponential(tape *t, int a)
{
    double y = exp(t->node[a].value);
    return record(t, y, a, y, a, 0);
}

static int hyperbolic_tangent(tape *t, int a)
{
    double y = tanh(t->node[a].value);
    return record(t, y, a, 1 - y * y, a, 0);
}
/*[/snip]*/

/*[snip scalar-backward]*/
static void backward(tape *t, int y)
{
    for (int i = 0; i <= y; i++) t->node[i].adjoint = 0;
    t->node[y].adjoint = 1;                             /* dy/dy */
    for (int i = y; i >= 0; i--)
        for (int k = 0; k < 2; k++)
            t->node[t->node[i].input[k]].adjoint += t->node[i].adjoint * t->node[i].partial[k];
}
/*[/snip]*/

/*[snip scalar-main]*/
int main(void)
{
    tape t = { .count = 0 };
    int x1 = leaf(&t, 0.5), x2 = leaf(&t, -1.2);
    int y = add(&t, mul(&t, x1, exponential(&t, mul(&t, x1, x2))), hyperbolic_tangent(&t, x2));
    backward(&t, y);
    printf("node  inputs  value         adjoint\n");
    for (int i = 0; i < t.count; i++)
        printf("%4d   %d %d    %-13.9g %.9g\n", i, t.node[i].input[0], t.node[i].input[1], t.node[i].value,
               t.node[i].adjoint);
    return 0;
}
/*[/snip]*/
