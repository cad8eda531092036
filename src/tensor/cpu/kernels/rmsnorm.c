/* RMSNorm: sums over a row run in sixteen lanes by index modulo 16, then through a fixed tree. */
#include "tensor/cpu/kernels/kernel.h"

/* sum_i a[i] * b[i] (* c[i]), lanes by i modulo 16. */
static float sum_of_products(const float *a, const float *b, const float *c, int32_t n) {
    lanes16 sum = {0};
    int32_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int v = 0; v < VECTORS; v++) {
            vec left = vec_load(a + i + v * LANES);
            if (c) left = left * vec_load(c + i + v * LANES);
            sum.v[v] = vec_fma(left, vec_load(b + i + v * LANES), sum.v[v]);
        }
    for (int v = 0; v < VECTORS && i + v * LANES < n; v++) {
        size_t rest = (size_t)(n - i - v * LANES);
        vec left = vec_load_n(a + i + v * LANES, rest, 0);
        if (c) left = left * vec_load_n(c + i + v * LANES, rest, 0);
        sum.v[v] = vec_fma(left, vec_load_n(b + i + v * LANES, rest, 0), sum.v[v]);
    }
    return lanes16_sum(&sum);
}

/* The operands of both passes. */
typedef struct norm_call {
    float *y, *inv, *dx, *dg;
    const float *x, *g, *dy, *factor;
    float epsilon;
    int32_t T, D;
} norm_call;

static void norm_rows(void *user, int64_t first, int64_t last) {
    const norm_call *c = user;
    const int32_t D = c->D;
    const float *g = c->g;
    for (int64_t t = first; t < last; t++) {
        const float *row = c->x + t * D;
        float *to = c->y + t * D;
        float factor = 1.0f / sqrtf(sum_of_products(row, row, NULL, D) / (float)D + c->epsilon);
        if (c->inv) c->inv[t] = factor;
        for (int32_t i = 0; i < D; i++) to[i] = row[i] * factor * g[i];
    }
}

void KERNEL(rmsnorm)(float *y, float *inv, const float *x, const float *g, float epsilon, int32_t T,
                     int32_t D) {
    pbt_pool_run(pbt_threads_for((double)T * D * 4), T, norm_rows,
                 &(norm_call){.y = y, .inv = inv, .x = x, .g = g, .epsilon = epsilon, .T = T, .D = D});
}

static void norm_backward_rows(void *user, int64_t first, int64_t last) {
    const norm_call *c = user;
    const int32_t D = c->D;
    const float *g = c->g;
    for (int64_t t = first; t < last; t++) {
        const float *row = c->x + t * D, *from = c->dy + t * D;
        float *to = c->dx + t * D;
        float factor = c->factor[t];
        float share = sum_of_products(from, row, g, D) * factor * factor * factor / (float)D;
        for (int32_t i = 0; i < D; i++) to[i] += from[i] * g[i] * factor - row[i] * share;
    }
}

/* Every column is one chain over rows; threads share the columns. */
enum { WIDTH = 64 };

static void norm_backward_columns(void *user, int64_t first, int64_t last) {
    const norm_call *c = user;
    const int64_t D = c->D, end = last * WIDTH < D ? last * WIDTH : D;
    float *dg = c->dg;
    for (int64_t t = 0; t < c->T; t++)
        for (int64_t i = first * WIDTH; i < end; i++)
            dg[i] += c->dy[t * D + i] * c->x[t * D + i] * c->factor[t];
}

void KERNEL(rmsnorm_backward)(float *dx, float *dg, const float *dy, const float *x, const float *inv,
                              const float *g, int32_t T, int32_t D) {
    int threads = pbt_threads_for((double)T * D * 4);
    norm_call c = {.dx = dx, .dg = dg, .dy = dy, .x = x, .factor = inv, .g = g, .T = T, .D = D};
    pbt_pool_run(threads, T, norm_backward_rows, &c);
    if (dg) pbt_pool_run(threads, (D + WIDTH - 1) / WIDTH, norm_backward_columns, &c);
}
