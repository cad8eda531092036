/* Operations that touch every element once: plain loops, vectorised by the compiler without changing a bit.
 */
#include "tensor/cpu/kernels/kernel.h"

/* Runs the loop body over blocks of `n` elements, shared by threads when there are many. */
enum { BLOCK = 16384 };
#define FOR_BLOCKS(n, cost)                                                                                  \
    const int threads = pbt_threads_for((double)(n) * (cost));                                               \
    const int64_t blocks = ((int64_t)(n) + BLOCK - 1) / BLOCK;                                               \
    _Pragma("omp parallel for num_threads(threads) if (threads > 1)") for (int64_t block = 0;                \
                                                                           block < blocks; block++)
#define FOR_BLOCK(i, n)                                                                                      \
    for (size_t i = (size_t)block * BLOCK, end_ = (n)-i < BLOCK ? (n) : i + BLOCK; i < end_; i++)

void KERNEL(bias)(float *y, const float *b, int32_t T, int32_t N) {
    for (int64_t t = 0; t < T; t++)
        for (int32_t n = 0; n < N; n++) y[t * N + n] += b[n];
}

void KERNEL(bias_backward)(float *db, const float *dy, int32_t T, int32_t N) {
    for (int64_t t = 0; t < T; t++)
        for (int32_t n = 0; n < N; n++) db[n] += dy[t * N + n];
}

void KERNEL(embed)(float *y, const pbt_matrix *table, const int32_t *ids, int32_t T) {
    for (int64_t t = 0; t < T; t++) KERNEL(read)(y + t * table->cols, table, ids[t], 0, table->cols);
}

void KERNEL(embed_backward)(float *dtable, const float *dy, const int32_t *ids, int32_t T, int32_t D) {
    KERNEL(scatter_add_rows)(dtable, dy, ids, T, D);
}

void KERNEL(gather_rows)(float *y, const float *x, const int32_t *rows, int32_t n, int32_t D) {
    for (int64_t r = 0; r < n; r++) memcpy(y + r * D, x + (int64_t)rows[r] * D, (size_t)D * sizeof *y);
}

void KERNEL(scatter_add_rows)(float *dx, const float *dy, const int32_t *rows, int32_t n, int32_t D) {
    for (int64_t r = 0; r < n; r++) {
        float *to = dx + (int64_t)rows[r] * D;
        for (int32_t i = 0; i < D; i++) to[i] += dy[r * D + i];
    }
}

INLINE vec sigmoid(vec a) {
    return vec_set(1.0f) / (vec_set(1.0f) + vec_exp(-a));
}

void KERNEL(swiglu)(float *y, const float *gate, const float *up, size_t n) {
    FOR_BLOCKS(n, 16) {
        size_t i = (size_t)block * BLOCK, end = n - i < BLOCK ? n : i + BLOCK;
        for (; i + LANES <= end; i += LANES) {
            vec a = vec_load(gate + i);
            vec_store(y + i, a * sigmoid(a) * vec_load(up + i));
        }
        if (i < end) {
            vec a = vec_load_n(gate + i, end - i, 0);
            vec_store_n(y + i, a * sigmoid(a) * vec_load_n(up + i, end - i, 0), end - i);
        }
    }
}

/* d(a s(a))/da = s (1 + a (1 - s)) */
void KERNEL(swiglu_backward)(float *dgate, float *dup, const float *dy, const float *gate, const float *up,
                             size_t n) {
    FOR_BLOCKS(n, 20) {
        size_t i = (size_t)block * BLOCK, end = n - i < BLOCK ? n : i + BLOCK;
        for (; i < end; i += LANES) {
            size_t count = end - i < LANES ? end - i : LANES;
            bool whole = count == LANES;
            vec a = whole ? vec_load(gate + i) : vec_load_n(gate + i, count, 0);
            vec b = whole ? vec_load(up + i) : vec_load_n(up + i, count, 0);
            vec d = whole ? vec_load(dy + i) : vec_load_n(dy + i, count, 0);
            vec s = sigmoid(a);
            vec to_gate = d * b * (s * (vec_set(1.0f) + a * (vec_set(1.0f) - s))), to_up = d * (a * s);
            if (whole) {
                vec_store(dgate + i, to_gate);
                vec_store(dup + i, to_up);
            } else {
                vec_store_n(dgate + i, to_gate, count);
                vec_store_n(dup + i, to_up, count);
            }
        }
    }
}

void KERNEL(add_scaled)(float *y, const float *x, float a, size_t n) {
    FOR_BLOCKS(n, 2) FOR_BLOCK(i, n) y[i] += a * x[i];
}

void KERNEL(scale)(float *x, float a, size_t n) {
    FOR_BLOCKS(n, 2) FOR_BLOCK(i, n) x[i] *= a;
}

/* 32 well-mixed bits of (index, low, high): MurmurHash3's finaliser, twice. */
static inline uint32_t mix(uint32_t i, uint32_t low, uint32_t high) {
    uint32_t h = i * 0x9E3779B1u + low;
    for (int round = 0; round < 2; round++) {
        h ^= h >> 16;
        h *= 0x85EBCA6Bu;
        h ^= h >> 13;
        h *= 0xC2B2AE35u;
        h ^= h >> 16;
        h += high;
    }
    return h;
}

void KERNEL(dropout)(float *y, const float *x, const uint64_t *row_ids, float p, pbt_key key, int32_t T,
                     int32_t D) {
    const float kept = 1.0f / (1.0f - p);
    const double bound = (double)p * 4294967296.0;
    const uint32_t threshold = bound >= 4294967295.0 ? 4294967295u : (uint32_t)bound;
    int threads = pbt_threads_for((double)T * D * 8);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t t = 0; t < T; t++) {
        const uint64_t seed = pbt_key_child(key, row_ids[t]).value;
        const uint32_t low = (uint32_t)seed, high = (uint32_t)(seed >> 32);
        for (int32_t i = 0; i < D; i++)
            y[t * D + i] = mix((uint32_t)i, low, high) >= threshold ? x[t * D + i] * kept : 0.0f;
    }
}

double KERNEL(sum_of_squares)(const float *x, size_t n) {
    double lanes[8] = {0};
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int j = 0; j < 8; j++) lanes[j] += (double)x[i + j] * x[i + j];
    for (int j = 0; i < n; i++, j++) lanes[j] += (double)x[i] * x[i];
    return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

void KERNEL(adamw)(float *value, float *m, float *v, const float *gradient, size_t n, float grad_scale,
                   const pbt_adamw *s) {
    const double correction1 = 1 - pow(s->beta1, (double)s->step);
    const float correction2 = (float)sqrt(1 - pow(s->beta2, (double)s->step));
    const float decay = 1 - s->learning_rate * s->weight_decay;
    const float step_size = (float)(s->learning_rate / correction1);
    const float beta2 = s->beta2, rest1 = 1 - s->beta1, rest2 = 1 - s->beta2, epsilon = s->epsilon;
    FOR_BLOCKS(n, 12) FOR_BLOCK(i, n) {
        float g = gradient[i] * grad_scale;
        m[i] += rest1 * (g - m[i]);
        v[i] = v[i] * beta2 + rest2 * (g * g);
        value[i] = value[i] * decay - step_size * (m[i] / (sqrtf(v[i]) / correction2 + epsilon));
    }
}
