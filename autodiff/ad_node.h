/* What ad.c (the tape, reverse mode, replay) and the operators share. Not for other files. */
#ifndef ASCENT_AD_NODE_H
#define ASCENT_AD_NODE_H

#include "autodiff/ad.h"

typedef struct {
    const char *name;                       /* as in ad.h, without ad_ */
    const char *formula;                    /* for drawings */
    void (*forward)(ad y);                  /* fills y->value from the values of y->in; NULL: nothing to do */
    /* From the adjoint g of y, of its shape, the shares of the adjoints of its inputs: share[i] for every i
     * that ad_wants(y, i); one that stays NULL is zero. NULL: the operator is constant to derivatives. */
    void (*vjp)(ad y, ad g, ad share[]);
    enum { AD_INSIDE = 1,                   /* its value lies in its input's memory, at y->offset */
           AD_READS_Y = 2,                  /* its VJP reads y's value, which must therefore stay */
           AD_ADDS = 4,                     /* with y->onto set, its forward rule adds to what is there */
           AD_SUM = 8 } is;                 /* add */
} ad_op;

enum { AD_MAX_INPUTS = 3 };                 /* of operators other than assemble */

struct ad_node {
    const ad_op *op;
    const char *at;                         /* file:line of the call that recorded it */
    const char *name;                       /* given by ad_name, or NULL */
    ad_tape *tape;
    ad older, newer;                        /* neighbours in the order of creation */
    unsigned long number;                   /* place in that order */
    int r, c;
    double *value;                          /* [r x c] */
    double k[2];                            /* scale, shift, pow; clip, inside */
    int offset;                             /* view; columns */
    bool ta, tb;                            /* matmul; solve: ta */
    enum ad_activation f;                   /* dense */
    const int *index;                       /* gather, ungather: [r], borrowed */
    const int *place;                       /* assemble: where each part lies */
    bool tiled;                             /* assemble: the parts fill y exactly */
    bool derivative;                        /* made by ad_grad */
    bool onto;                              /* adds its value to that of the node before it in a sum */
    bool joined;                            /* add: the terms summed themselves in its memory */
    int uses;                               /* by nodes of the ad_grad that made it, as an adjoint, by the caller */
    unsigned long sweep;                    /* the last ad_grad in which it lay between x and y */
    ad adjoint;                             /* in that sweep: dy/d(this), NULL while zero */
    struct ad_part *parts;                  /* in that sweep: adjoints of its views */
    bool changes, needed;                   /* in ad_slice */
    int inputs;
    ad in[];                                /* [inputs] */
};

/* y = op(in[0], .., in[n-1]) of shape r x c, its attributes zero; ad_compute gives it its value, at once or, while
 * ad_grad records, later. */
ad    ad_record(const ad_op *op, int r, int c, int n, const ad in[], const char *at);
ad    ad_compute(ad y);
/* Memory on the tape. */
void *ad_alloc(ad_tape *t, size_t bytes);

bool  ad_wants(ad y, int i);                /* in[i] lies between x and y of the running ad_grad */

/* A view's VJP: its input, which must be wanted, will get the adjoints of all its views as one node. */
void  ad_collect(ad view, ad adjoint);
unsigned long ad_sweep(ad a);               /* the number of the tape's last ad_grad */
/* y = the parts at their places in a flat r x c of zeros; parts that overlap are added. */
ad    ad_assemble(ad_tape *t, int r, int c, int n, const ad part[], const int place[], const char *at);

/* Ends the program: operator, shapes, place, and what was expected. */
_Noreturn void ad_shape_error(const char *at, const char *op, ad a, ad b, const char *expected);
_Noreturn void ad_domain_error(ad y, int input, int i, const char *expected);    /* exit 4: in[input]'s entry i */

/* Operators that only VJPs use; in the same table and tests. */
#define ad_dtanh(g, y)          ad_dtanh_(g, y, AD_AT)          /* g (1 - y^2): tanh' at y = tanh a */
#define ad_mul3(k, a, b, c)     ad_mul3_(k, a, b, c, AD_AT)     /* k a b c */
#define ad_keep(a, m, where)    ad_keep_(a, m, where, AD_AT)    /* a where (m != 0) == where, else 0 */
#define ad_at_max(a, b)         ad_at_max_(a, b, AD_AT)         /* [r x 1], [r x c]: a[i] at row i's first maximum */
#define ad_of_max(a, b)         ad_of_max_(a, b, AD_AT)         /* [r x c], [r x c]: a[i, first maximum of b[i,:]] */
#define ad_into_columns(a, j, c) ad_into_columns_(a, j, c, AD_AT)   /* a as columns j.. of [r x c] zeros */
ad ad_dtanh_(ad g, ad tanh, const char *at);
ad ad_mul3_(double k, ad a, ad b, ad c, const char *at);
ad ad_keep_(ad a, ad mask, bool where, const char *at);
ad ad_at_max_(ad a, ad b, const char *at);
ad ad_of_max_(ad a, ad b, const char *at);
ad ad_into_columns_(ad a, int j, int c, const char *at);

#define AD_SIZE(a) ((a)->r * (a)->c)

#endif
