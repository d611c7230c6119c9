/* What ad.c (the tape, reverse mode) and ad_ops.c (the operators) share. Not for other files. */
#ifndef ASCENT_AD_NODE_H
#define ASCENT_AD_NODE_H

#include "autodiff/ad.h"

typedef struct {
    const char *name;                       /* as in ad.h, without ad_ */
    void (*forward)(ad y);                  /* fills y->value from the values of y->in */
    ad (*vjp)(ad y, ad g, int i);           /* adjoint g of y -> its share of the adjoint of y->in[i] */
} ad_op;

struct ad_node {
    const ad_op *op;
    const char *at;                         /* file:line of the call that recorded it */
    ad_tape *tape;
    ad older, newer;                        /* neighbours in the order of creation */
    unsigned long number;                   /* place in that order */
    int r, c;
    double *value;                          /* [r x c] */
    ad in[2];                               /* NULL where the operator takes fewer */
    double k;                               /* scale */
    int offset;                             /* view, unview */
    bool ta, tb;                            /* matmul; solve: ta */
    const int *index;                       /* gather, ungather: [r] */
    ad adjoint;                             /* during ad_grad: dy/d(this), NULL while zero */
    bool reaches;                           /* during ad_grad: depends on x */
};

/* A node of the given shape with zeroed attributes and no value yet; op, in[] are set. */
ad   ad_node_new(ad_tape *t, const ad_op *op, int r, int c, ad a, ad b, const char *at);
/* Memory on the tape. */
void *ad_tape_alloc(ad_tape *t, size_t bytes);

#endif
