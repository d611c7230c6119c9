/* The tape against stored cases: value, gradient and Hessian times a direction of the formulas of
 * tests/reference/autodiff/formulas.txt, computed by another program in 100 digits.
 *
 *     test_ad_cases [DIR]          DIR/autodiff holds cases.csv and values.csv; DIR = tests/reference unless given
 *
 * Any folder of the same formats will do: which cases, shapes and numbers there are is read from it. Each
 * comparison prints `autodiff/CASE/QUANTITY error limit PASS|FAIL`; a case whose formula is not known here, or a
 * number that the folder lacks, is a FAIL. Exit status: 0 all held; 1 something failed or nothing ran; 2 bad data.
 *
 * The unit is u N S: u = 2^-52; N = number of entries of the case's tensors, since each result is a sum of few
 * terms for each of them; S = max(1, largest number of the case that goes in or comes out). The limit is 10.
 * Where derivatives are as small as 1e-300 each entry has its own unit: a few roundings of the entry itself, of
 * the terms that cancel in it, and half the least double, 2^-1074, for each operation that can underflow. */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/ad.h"
#include "autodiff/ad_node.h"
#include "autodiff/linalg.h"
#include "autodiff/require.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))
enum { MAX_TENSORS = 16, NAME = 64 };

/* ---- a case ---- */
enum kind { GIVEN, DIRECTION, GRADIENT, HVP, KINDS };
struct tensor { char name[NAME]; bool differentiated; int r, c; double *value[KINDS]; ad node; };
struct stored { char name[NAME]; double out; int tensors; struct tensor t[MAX_TENSORS]; };

static ad tensor(const struct stored *s, const char *name)
{
    for (int i = 0; i < s->tensors; i++)
        if (strcmp(s->t[i].name, name) == 0) return s->t[i].node;
    bad_input("cases.csv: expected a tensor %s of case %s, found none", name, s->name);
}

/* ---- what the formulas share ---- */
#define T(name) tensor(s, #name)
#define DENSE(x, W, b, f) ad_dense(T(x), T(W), T(b), f)

static const double LOG_2PI = 1.8378770664093454836;

/* a spread over the shape of b */
static ad like(ad a, ad b)
{
    int r = ad_nrows(b), c = ad_ncols(b);
    if (ad_nrows(a) == r && ad_ncols(a) == c) return a;
    if (ad_nrows(a) == 1 && ad_ncols(a) == 1) return ad_spread(a, r, c);
    return ad_nrows(a) == 1 ? ad_rows(a, r) : ad_cols(a, c);
}

static ad row_mean(ad a) { return ad_scale(1.0 / ad_nrows(a), ad_sum(a)); }     /* mean_i sum_j a[i,j] */
static ad softmax(ad a)  { return ad_exp(ad_log_softmax(a)); }

/* a[i, y[i]] for labels y [r x 1] */
static ad pick(ad a, ad labels)
{
    int *index = ad_alloc(a->tape, (size_t)ad_nrows(a) * sizeof *index);
    for (int i = 0; i < ad_nrows(a); i++) index[i] = (int)ad_value(labels)[i];
    return ad_gather(a, index);
}

static ad cross_entropy(ad logits, ad labels) { return ad_neg(ad_mean(pick(ad_log_softmax(logits), labels))); }

static ad entropy(ad logits)
{
    ad logp = ad_log_softmax(logits);
    return ad_neg(row_mean(ad_mul(ad_exp(logp), logp)));
}

static ad kl_categorical(ad x, ad y)
{
    ad p = ad_log_softmax(x), q = ad_log_softmax(y);
    return row_mean(ad_mul(ad_exp(p), ad_sub(p, q)));
}

/* log N(x; mu, exp(ls)^2), entry by entry */
static ad log_normal(ad x, ad mu, ad log_sigma)
{
    ad ls = like(log_sigma, x), z = ad_mul(ad_sub(x, mu), ad_exp(ad_neg(ls)));
    return ad_shift(ad_sub(ad_scale(-0.5, ad_square(z)), ls), -LOG_2PI / 2);
}

static ad ppo_L_clip(ad ratio, ad adv)
{
    return ad_mean(ad_min(ad_mul(ratio, adv), ad_mul(ad_clip(ratio, 0.8, 1.2), adv)));
}

/* ---- one function a formula, named and ordered as in formulas.txt ---- */
#define CASE(name) static ad case_##name(const struct stored *s)

CASE(matmul)         { return ad_dot(T(W), ad_matmul(T(A), T(B))); }
CASE(matmul_tn)      { return ad_dot(T(W), ad_matmul_t(true, false, T(A), T(B))); }
CASE(matmul_nt)      { return ad_dot(T(W), ad_matmul_t(false, true, T(A), T(B))); }
CASE(quadratic_form) { return ad_matmul_t(true, false, T(x), ad_matmul(T(A), T(x))); }
CASE(transpose)      { return ad_dot(T(W), ad_square(ad_transpose(T(A)))); }
CASE(bias_add_row)   { return ad_dot(T(W), ad_square(ad_add(T(X), like(T(b), T(X))))); }
CASE(mul_col)        { return ad_dot(T(W), ad_mul(T(X), like(T(c), T(X)))); }
CASE(mul_scalar)     { return ad_dot(T(W), ad_smul(T(s), ad_square(T(X)))); }
CASE(outer)          { return ad_dot(T(W), ad_matmul(T(u), T(v))); }
CASE(sub_mul)        { return ad_dot(T(W), ad_mul(ad_sub(T(X), T(Y)), T(X))); }
CASE(tanh)           { return ad_dot(T(W), ad_tanh(T(X))); }
CASE(sigmoid)        { return ad_dot(T(W), ad_sigmoid(T(X))); }
CASE(softplus)       { return ad_dot(T(W), ad_softplus(T(X))); }
CASE(exp)            { return ad_dot(T(W), ad_exp(T(X))); }
CASE(log)            { return ad_dot(T(W), ad_log(T(X))); }
CASE(sqrt)           { return ad_dot(T(W), ad_sqrt(T(X))); }
CASE(relu)           { ad y = ad_relu(T(X)); return ad_add(ad_dot(T(W), ad_square(y)), ad_dot(T(V), y)); }
CASE(abs)            { return ad_dot(T(W), ad_mul(ad_abs(T(X)), T(X))); }
CASE(pow_const)      { return ad_dot(T(W), ad_pow(T(X), 3.75)); }
CASE(pow_var)        { return ad_dot(T(W), ad_exp(ad_mul(T(Y), ad_log(T(X))))); }
CASE(div)            { return ad_dot(T(W), ad_div(T(X), T(Y))); }
CASE(row_normalise)  { return ad_dot(T(W), ad_div(T(X), like(ad_row_sum(T(X)), T(X)))); }
CASE(sum_axis0)      { return ad_dot(T(w), ad_square(ad_col_sum(T(X)))); }
CASE(sum_axis1)      { ad y = ad_row_sum(T(X)); return ad_dot(T(w), ad_mul(y, ad_square(y))); }
CASE(mean_axis0)     { return ad_dot(T(w), ad_exp(ad_scale(1.0 / ad_nrows(T(X)), ad_col_sum(T(X))))); }
CASE(mean_all)       { return ad_tanh(ad_mean(ad_square(T(X)))); }
CASE(min_elem)       { return ad_dot(T(W), ad_square(ad_min(T(X), T(Y)))); }
CASE(max_elem)       { return ad_dot(T(W), ad_mul(ad_max(T(X), T(Y)), T(X))); }
CASE(max_rows)       { return ad_dot(T(w), ad_square(ad_row_max(T(X)))); }
CASE(log_softmax)    { return ad_dot(T(W), ad_log_softmax(T(X))); }
CASE(softmax)        { return ad_dot(T(W), softmax(T(X))); }
CASE(logsumexp)      { return ad_dot(T(w), ad_log_sum_exp(T(X))); }
CASE(cross_entropy)  { return cross_entropy(T(X), T(y)); }
CASE(entropy_categorical) { return entropy(T(X)); }
CASE(kl_categorical) { return kl_categorical(T(X), T(Y)); }
CASE(kl_categorical_same) { return kl_categorical(T(C), T(X)); }
CASE(gauss_logprob)  { return row_mean(log_normal(T(x), T(mu), T(ls))); }
CASE(gauss_entropy)  { return ad_sum(ad_square(ad_shift(T(ls), 0.5 + LOG_2PI / 2))); }
CASE(ppo_clip)       { return ppo_L_clip(ad_exp(ad_sub(T(lp), T(old))), T(adv)); }
CASE(is_surrogate)   { return ad_mean(ad_mul(ad_exp(ad_sub(T(lp), T(old))), T(adv))); }
CASE(mse)            { return ad_mean(ad_square(ad_sub(T(X), T(T)))); }
CASE(variance)       { return ad_mean(ad_square(ad_sub(T(X), like(ad_mean(T(X)), T(X))))); }
CASE(mlp2_relu_ce)   { return cross_entropy(ad_affine(DENSE(X, W1, b1, AD_RELU), T(W2), T(b2)), T(y)); }

CASE(square_cube)
{
    ad square = ad_square(T(X));
    return ad_add(ad_dot(T(W), square), ad_dot(T(V), ad_mul(square, T(X))));
}

CASE(clip)
{
    ad y = ad_clip(T(X), -0.5, 0.75);
    return ad_add(ad_dot(T(W), ad_square(y)), ad_dot(T(V), y));
}

CASE(kl_gauss)
{
    ad l1 = like(T(l1), T(m1)), l2 = like(T(l2), T(m1));
    ad squares = ad_add(ad_exp(ad_scale(2, l1)), ad_square(ad_sub(T(m1), T(m2))));
    ad ratio = ad_scale(0.5, ad_mul(squares, ad_exp(ad_scale(-2, l2))));
    return row_mean(ad_shift(ad_add(ad_sub(l2, l1), ratio), -0.5));
}

CASE(ppo_clip_logits)
{
    ad logp = pick(ad_log_softmax(T(X)), T(y));
    return ppo_L_clip(ad_exp(ad_sub(logp, T(old))), T(adv));
}

CASE(huber)
{
    ad d = ad_sub(T(X), T(T));
    return ad_mean(ad_where(ad_inside(d, -1, 1), ad_scale(0.5, ad_square(d)), ad_shift(ad_abs(d), -0.5)));
}

CASE(standardise)
{
    ad d = ad_sub(T(X), like(ad_mean(T(X)), T(X))), sigma = ad_sqrt(ad_mean(ad_square(d)));
    return ad_dot(T(W), ad_div(d, like(ad_shift(sigma, 1e-8), d)));
}

CASE(gae)                                   /* v, r, w [n x 1], vlast [1 x 1]: from the last step back */
{
    ad v1 = T(vlast), adv = NULL, sum = NULL;
    for (int t = ad_nrows(T(v)) - 1; t >= 0; t--) {
        ad v = ad_view(T(v), t, 1, 1), r = ad_view(T(r), t, 1, 1), w = ad_view(T(w), t, 1, 1);
        ad delta = ad_sub(ad_add(r, ad_scale(0.97, v1)), v);
        adv = adv ? ad_add(delta, ad_scale(0.97 * 0.9, adv)) : delta;
        sum = sum ? ad_add(sum, ad_mul(w, ad_square(adv))) : ad_mul(w, ad_square(adv));
        v1 = v;
    }
    return sum;
}

CASE(mlp2_tanh_mse)
{
    ad y = ad_affine(DENSE(X, W1, b1, AD_TANH), T(W2), T(b2));
    return ad_mean(ad_square(ad_sub(y, T(T))));
}

CASE(a2c_loss)
{
    ad h = DENSE(X, W1, b1, AD_TANH), logits = ad_affine(h, T(Wp), T(bp)), v = ad_affine(h, T(Wv), T(bv));
    ad logp = pick(ad_log_softmax(logits), T(y));
    ad J = ad_sub(ad_mean(ad_mul(logp, T(adv))), ad_scale(0.5, ad_mean(ad_square(ad_sub(v, T(ret))))));
    return ad_neg(ad_add(J, ad_scale(0.01, entropy(logits))));
}

CASE(gauss_policy_surrogate)
{
    ad mu = ad_affine(DENSE(X, W1, b1, AD_TANH), T(W2), T(b2));
    ad logp = ad_row_sum(log_normal(T(act), mu, T(ls)));
    return ad_mean(ad_mul(ad_exp(ad_sub(logp, T(old))), T(adv)));
}

CASE(tanh_gauss_logprob)                    /* log(1 - tanh(u)^2) = 2 (log 2 - u - softplus(-2u)) */
{
    ad u = ad_add(T(mu), ad_mul(like(ad_exp(T(ls)), T(mu)), T(eps)));
    ad log_slope = ad_scale(-2, ad_shift(ad_add(u, ad_softplus(ad_scale(-2, u))), -log(2)));
    return row_mean(ad_sub(log_normal(u, T(mu), T(ls)), log_slope));
}

/* How the entries of gradient and H v are compared: with the largest number of the case; each with itself; or,
 * for sigmoid, H v with the terms whose difference it is, W v s (1-s) times 1-s and s: the gradient times v. */
enum measure { LARGEST, ENTRY, TERMS };
#define FORMULA(name) { #name, case_##name, LARGEST }
struct formula { const char *name; ad (*build)(const struct stored *s); enum measure measure; };
static const struct formula formulas[] = {
    FORMULA(matmul), FORMULA(matmul_tn), FORMULA(matmul_nt), FORMULA(quadratic_form), FORMULA(transpose),
    FORMULA(bias_add_row), FORMULA(mul_col), FORMULA(mul_scalar), FORMULA(outer), FORMULA(sub_mul), FORMULA(tanh),
    FORMULA(sigmoid), FORMULA(softplus), FORMULA(exp), FORMULA(log), FORMULA(sqrt), FORMULA(relu), FORMULA(abs),
    FORMULA(square_cube), FORMULA(pow_const), FORMULA(pow_var), FORMULA(div), FORMULA(row_normalise),
    FORMULA(sum_axis0), FORMULA(sum_axis1), FORMULA(mean_axis0), FORMULA(mean_all), FORMULA(min_elem),
    FORMULA(max_elem), FORMULA(max_rows), FORMULA(clip), FORMULA(log_softmax),
    { "log_softmax_large", case_log_softmax, LARGEST }, FORMULA(softmax), FORMULA(logsumexp),
    { "softplus_extreme", case_softplus, ENTRY }, { "sigmoid_extreme", case_sigmoid, TERMS },
    FORMULA(cross_entropy), FORMULA(entropy_categorical), FORMULA(kl_categorical), FORMULA(kl_categorical_same),
    FORMULA(gauss_logprob), FORMULA(gauss_entropy), FORMULA(kl_gauss), FORMULA(ppo_clip), FORMULA(ppo_clip_logits),
    FORMULA(is_surrogate), FORMULA(mse), FORMULA(huber), FORMULA(variance), FORMULA(standardise), FORMULA(gae),
    FORMULA(mlp2_tanh_mse), FORMULA(mlp2_relu_ce), FORMULA(a2c_loss), FORMULA(gauss_policy_surrogate),
    FORMULA(tanh_gauss_logprob),
};

/* ---- comparing ---- */
static const double u = DBL_EPSILON, LIMIT = 10;
struct count { int passed, failed; };

static void verdict(struct count *n, const char *name, const char *quantity, double error)
{
    bool held = error <= LIMIT;
    printf("autodiff/%s/%s %.3g %g %s\n", name, quantity, error, LIMIT, held ? "PASS" : "FAIL");
    *(held ? &n->passed : &n->failed) += 1;
}

static int entries(const struct tensor *x) { return x->r * x->c; }

/* The largest error of a kind over all inputs, in units; NaN if one is. */
static double worst(const struct stored *s, enum kind kind, ad const got[], enum measure measure, double unit)
{
    double most = 0;
    for (int k = 0; k < s->tensors; k++)
        for (int i = 0; s->t[k].differentiated && i < entries(&s->t[k]); i++) {
            const struct tensor *x = &s->t[k];
            double ref = x->value[kind][i], scale = fabs(ref);
            if (measure == TERMS && kind == HVP)
                scale = fmax(scale, fabs(x->value[GRADIENT][i] * x->value[DIRECTION][i]));
            double own = measure == LARGEST ? unit : u * scale + 0x1p-1074;
            most = linalg_greater(most, fabs(ad_value(got[k])[i] - ref) / own);
        }
    return most;
}

static void compare(const struct formula *f, struct stored *s, struct count *n)
{
    ad_tape *t = ad_tape_new();
    ad input[MAX_TENSORS], gradient[MAX_TENSORS], Hv[MAX_TENSORS], first[MAX_TENSORS], second[MAX_TENSORS];
    double N = 0, S = 1;
    int inputs = 0;
    for (int k = 0; k < s->tensors; k++) {
        struct tensor *x = &s->t[k];
        x->node = ad_input(t, x->value[GIVEN], x->r, x->c);
        if (x->differentiated) input[inputs++] = x->node;
        N += entries(x);
        for (int kind = GIVEN; kind < KINDS; kind++)
            if (x->differentiated || kind == GIVEN)
                S = linalg_greater(S, linalg_max_abs(entries(x), x->value[kind]));
    }
    ad y = f->build(s), slope = ad_constant(t, 0, 1, 1);
    ad_grads(y, inputs, input, gradient);
    for (int k = 0, i = 0; k < s->tensors; k++) {
        struct tensor *x = &s->t[k];
        if (!x->differentiated) continue;
        first[k] = gradient[i++];
        slope = ad_add(slope, ad_dot(first[k], ad_input(t, x->value[DIRECTION], x->r, x->c)));
    }
    ad_grads(slope, inputs, input, Hv);
    for (int k = 0, i = 0; k < s->tensors; k++)
        if (s->t[k].differentiated) second[k] = Hv[i++];
    double unit = u * N * linalg_greater(S, fabs(s->out));
    verdict(n, s->name, "value", fabs(ad_scalar(y) - s->out) / unit);
    verdict(n, s->name, "gradient", worst(s, GRADIENT, first, f->measure, unit));
    verdict(n, s->name, "hvp", worst(s, HVP, second, f->measure, unit));
    ad_tape_free(t);
}

/* ---- the files: `#` lines, one header line, rows of plain fields ---- */
enum { FIELDS = 6 };
struct csv { char path[4096]; FILE *file; int line, fields; char text[1024], *field[FIELDS]; };

static bool next_row(struct csv *f)
{
    while (fgets(f->text, sizeof f->text, f->file)) {
        f->line++;
        f->text[strcspn(f->text, "\r\n")] = 0;
        if (!f->text[0] || f->text[0] == '#') continue;
        int n = 0;
        for (char *p = f->text; p && n < FIELDS; n++) {
            f->field[n] = p;
            if ((p = strchr(p, ','))) *p++ = 0;
            if (p && n == FIELDS - 1) n = FIELDS;
        }
        if (n != f->fields) bad_input("%s:%d: expected %d fields, found %d", f->path, f->line, f->fields, n);
        return true;
    }
    if (ferror(f->file)) bad_input("%s: %s", f->path, strerror(errno));
    fclose(f->file);
    return false;
}

static struct csv open_csv(const char *dir, const char *name, int fields, const char *first, const char *last)
{
    struct csv f = { .fields = fields };
    snprintf(f.path, sizeof f.path, "%s/autodiff/%s", dir, name);
    f.file = fopen(f.path, "r");
    if (!f.file) bad_input("%s: %s", f.path, strerror(errno));
    if (!next_row(&f) || strcmp(f.field[0], first) != 0 || strcmp(f.field[fields - 1], last) != 0)
        bad_input("%s: expected a header %s,..,%s", f.path, first, last);
    return f;
}

static double number(const struct csv *f, int column)
{
    char *end;
    double x = strtod(f->field[column], &end);
    if (end == f->field[column] || *end)
        bad_input("%s:%d: expected a number, found %s", f->path, f->line, f->field[column]);
    return x;
}

static int whole(const struct csv *f, int column, int low, int high)
{
    double x = number(f, column);
    if (!(x >= low && x <= high && x == floor(x)))
        bad_input("%s:%d: expected a number in %d..%d, found %s", f->path, f->line, low, high, f->field[column]);
    return (int)x;
}

static void copy_name(const struct csv *f, int column, char name[NAME])
{
    size_t length = strlen(f->field[column]);
    if (length >= NAME) bad_input("%s:%d: expected a shorter name than %s", f->path, f->line, f->field[column]);
    memcpy(name, f->field[column], length + 1);
}

static struct stored *find(struct stored *s, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(s[i].name, name) == 0) return &s[i];
    return NULL;
}

/* Names and shapes; every number is NaN until values.csv gives it. */
static struct stored *read_cases(const char *dir, int *n)
{
    struct csv f = open_csv(dir, "cases.csv", 5, "case", "cols");
    struct stored *all = NULL;
    while (next_row(&f)) {
        struct stored *s = find(all, *n, f.field[0]);
        if (!s) {
            all = reallocate(all, (size_t)++*n, sizeof *all, "cases");
            s = &all[*n - 1];
            *s = (struct stored){ .out = NAN };
            copy_name(&f, 0, s->name);
        }
        if (s->tensors == MAX_TENSORS)
            bad_input("%s:%d: expected at most %d tensors", f.path, f.line, MAX_TENSORS);
        struct tensor *x = &s->t[s->tensors++];
        copy_name(&f, 1, x->name);
        x->differentiated = strcmp(f.field[2], "in") == 0;
        x->r = whole(&f, 3, 1, 10000);
        x->c = whole(&f, 4, 1, 10000);
        for (int kind = 0; kind < KINDS; kind++) {
            x->value[kind] = allocate((size_t)entries(x), sizeof(double), "a tensor");
            for (int i = 0; i < entries(x); i++) x->value[kind][i] = NAN;
        }
    }
    return all;
}

static void read_values(const char *dir, struct stored *all, int n)
{
    static const char *const names[] = { "in", "const", "dir", "grad", "hvp" };
    static const enum kind kinds[] = { GIVEN, GIVEN, DIRECTION, GRADIENT, HVP };
    struct csv f = open_csv(dir, "values.csv", 6, "case", "value");
    while (next_row(&f)) {
        struct stored *s = find(all, n, f.field[0]);
        if (!s) continue;
        if (strcmp(f.field[1], "out") == 0) s->out = number(&f, 5);
        for (int k = 0; k < s->tensors; k++) {
            struct tensor *x = &s->t[k];
            if (strcmp(x->name, f.field[2]) != 0) continue;
            int at = whole(&f, 3, 0, x->r - 1) * x->c + whole(&f, 4, 0, x->c - 1);
            for (int i = 0; i < COUNT(names); i++)
                if (strcmp(f.field[1], names[i]) == 0) x->value[kinds[i]][at] = number(&f, 5);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc > 2 || (argc == 2 && argv[1][0] == '-')) bad_input("usage: test_ad_cases [DIR]");
    const char *dir = argc == 2 ? argv[1] : "tests/reference";
    struct count count = { 0 };
    int n = 0;
    linalg_start();
    struct stored *all = read_cases(dir, &n);
    read_values(dir, all, n);
    for (int i = 0; i < n; i++) {
        int f = 0;
        while (f < COUNT(formulas) && strcmp(formulas[f].name, all[i].name) != 0) f++;
        if (f < COUNT(formulas)) {
            compare(&formulas[f], &all[i], &count);
        } else {
            printf("autodiff/%s/unknown formula nan %g FAIL\n", all[i].name, LIMIT);
            count.failed++;
        }
    }
    for (int i = 0; i < n; i++)
        for (int k = 0; k < all[i].tensors; k++)
            for (int kind = 0; kind < KINDS; kind++) free(all[i].t[k].value[kind]);
    free(all);
    printf("%d passed, %d failed\n", count.passed, count.failed);
    finish(count.failed || !count.passed ? EXIT_CHECK_FAILED : EXIT_HELD);
}
