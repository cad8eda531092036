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

void KERNEL(rmsnorm)(float *y, float *inv, const float *x, const float *g, float epsilon, int32_t T,
                     int32_t D) {
    int threads = pbt_threads_for((double)T * D * 4);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t t = 0; t < T; t++) {
        const float *row = x + t * D;
        float *to = y + t * D;
        float factor = 1.0f / sqrtf(sum_of_products(row, row, NULL, D) / (float)D + epsilon);
        if (inv) inv[t] = factor;
        for (int32_t i = 0; i < D; i++) to[i] = row[i] * factor * g[i];
    }
}

void KERNEL(rmsnorm_backward)(float *dx, float *dg, const float *dy, const float *x, const float *inv,
                              const float *g, int32_t T, int32_t D) {
    int threads = pbt_threads_for((double)T * D * 4);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t t = 0; t < T; t++) {
        const float *row = x + t * D, *from = dy + t * D;
        float *to = dx + t * D;
        float factor = inv[t];
        float share = sum_of_products(from, row, g, D) * factor * factor * factor / (float)D;
        for (int32_t i = 0; i < D; i++) to[i] += from[i] * g[i] * factor - row[i] * share;
    }
    if (!dg) return;
    /* Every column is one chain over rows; threads share the columns. */
    enum { WIDTH = 64 };
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int32_t first = 0; first < D; first += WIDTH) {
        int32_t last = D - first < WIDTH ? D : first + WIDTH;
        for (int64_t t = 0; t < T; t++)
            for (int32_t i = first; i < last; i++) dg[i] += dy[t * D + i] * x[t * D + i] * inv[t];
    }
}
