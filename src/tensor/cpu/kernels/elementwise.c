/* Operations that touch every element once: plain loops, vectorised by the compiler without changing a bit.
 */
#include "tensor/cpu/kernels/kernel.h"

/* Loops over n elements are shared by threads in blocks. */
enum { BLOCK = 16384 };

/* The operands of such a loop. */
typedef struct elements {
    float *y, *y2;
    const float *a, *b, *c;
    float factor;
    size_t n;
} elements;

/* `cost`: of an element, in multiplications. */
static void for_blocks(const elements *e, int cost, pbt_loop loop) {
    pbt_pool_run(pbt_threads_for((double)e->n * cost), ((int64_t)e->n + BLOCK - 1) / BLOCK, loop,
                 (void *)(uintptr_t)e);
}

/* The elements of blocks first .. last - 1. */
#define FOR_ELEMENTS(i, e)                                                                                   \
    for (size_t i = (size_t)first * BLOCK,                                                                   \
                end_ = (size_t)last * BLOCK < (e)->n ? (size_t)last * BLOCK : (e)->n;                        \
         i < end_; i++)

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

static void swiglu_blocks(void *user, int64_t first, int64_t last) {
    const elements *e = user;
    size_t i = (size_t)first * BLOCK, end = (size_t)last * BLOCK < e->n ? (size_t)last * BLOCK : e->n;
    for (; i + LANES <= end; i += LANES) {
        vec a = vec_load(e->a + i);
        vec_store(e->y + i, a * sigmoid(a) * vec_load(e->b + i));
    }
    if (i < end) {
        vec a = vec_load_n(e->a + i, end - i, 0);
        vec_store_n(e->y + i, a * sigmoid(a) * vec_load_n(e->b + i, end - i, 0), end - i);
    }
}

void KERNEL(swiglu)(float *y, const float *gate, const float *up, size_t n) {
    for_blocks(&(elements){.y = y, .a = gate, .b = up, .n = n}, 16, swiglu_blocks);
}

/* d(a s(a))/da = s (1 + a (1 - s)) */
static void swiglu_backward_blocks(void *user, int64_t first, int64_t last) {
    const elements *e = user;
    size_t i = (size_t)first * BLOCK, end = (size_t)last * BLOCK < e->n ? (size_t)last * BLOCK : e->n;
    for (; i < end; i += LANES) {
        size_t count = end - i < LANES ? end - i : LANES;
        bool whole = count == LANES;
        vec a = whole ? vec_load(e->a + i) : vec_load_n(e->a + i, count, 0);
        vec b = whole ? vec_load(e->b + i) : vec_load_n(e->b + i, count, 0);
        vec d = whole ? vec_load(e->c + i) : vec_load_n(e->c + i, count, 0);
        vec s = sigmoid(a);
        vec to_gate = d * b * (s * (vec_set(1.0f) + a * (vec_set(1.0f) - s))), to_up = d * (a * s);
        if (whole) {
            vec_store(e->y + i, to_gate);
            vec_store(e->y2 + i, to_up);
        } else {
            vec_store_n(e->y + i, to_gate, count);
            vec_store_n(e->y2 + i, to_up, count);
        }
    }
}

void KERNEL(swiglu_backward)(float *dgate, float *dup, const float *dy, const float *gate, const float *up,
                             size_t n) {
    for_blocks(&(elements){.y = dgate, .y2 = dup, .a = gate, .b = up, .c = dy, .n = n}, 20,
               swiglu_backward_blocks);
}

static void add_scaled_blocks(void *user, int64_t first, int64_t last) {
    const elements *e = user;
    float *y = e->y;
    const float *x = e->a, a = e->factor;
    FOR_ELEMENTS(i, e) y[i] += a * x[i];
}

void KERNEL(add_scaled)(float *y, const float *x, float a, size_t n) {
    for_blocks(&(elements){.y = y, .a = x, .factor = a, .n = n}, 2, add_scaled_blocks);
}

static void scale_blocks(void *user, int64_t first, int64_t last) {
    const elements *e = user;
    float *x = e->y;
    const float a = e->factor;
    FOR_ELEMENTS(i, e) x[i] *= a;
}

void KERNEL(scale)(float *x, float a, size_t n) {
    for_blocks(&(elements){.y = x, .factor = a, .n = n}, 2, scale_blocks);
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

typedef struct dropout_call {
    float *y;
    const float *x;
    const uint64_t *row_ids;
    float p;
    pbt_key key;
    int32_t D;
} dropout_call;

static void dropout_rows(void *user, int64_t first, int64_t last) {
    const dropout_call *c = user;
    const int32_t D = c->D;
    const float kept = 1.0f / (1.0f - c->p);
    const double bound = (double)c->p * 4294967296.0;
    const uint32_t threshold = bound >= 4294967295.0 ? 4294967295u : (uint32_t)bound;
    for (int64_t t = first; t < last; t++) {
        const uint64_t seed = pbt_key_child(c->key, c->row_ids[t]).value;
        const uint32_t low = (uint32_t)seed, high = (uint32_t)(seed >> 32);
        float *y = c->y + t * D;
        const float *x = c->x + t * D;
        for (int32_t i = 0; i < D; i++) y[i] = mix((uint32_t)i, low, high) >= threshold ? x[i] * kept : 0.0f;
    }
}

void KERNEL(dropout)(float *y, const float *x, const uint64_t *row_ids, float p, pbt_key key, int32_t T,
                     int32_t D) {
    pbt_pool_run(pbt_threads_for((double)T * D * 8), T, dropout_rows,
                 &(dropout_call){y, x, row_ids, p, key, D});
}

double KERNEL(sum_of_squares)(const float *x, size_t n) {
    double lanes[8] = {0};
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int j = 0; j < 8; j++) lanes[j] += (double)x[i + j] * x[i + j];
    for (int j = 0; i < n; i++, j++) lanes[j] += (double)x[i] * x[i];
    return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

typedef struct adamw_call {
    float *value, *m, *v;
    const float *gradient;
    float grad_scale, correction2, decay, step_size, beta2, rest1, rest2, epsilon;
    size_t n;
} adamw_call;

static void adamw_blocks(void *user, int64_t first, int64_t last) {
    const adamw_call c = *(const adamw_call *)user;
    float *value = c.value, *m = c.m, *v = c.v;
    const float *gradient = c.gradient;
    FOR_ELEMENTS(i, &c) {
        float g = gradient[i] * c.grad_scale;
        m[i] += c.rest1 * (g - m[i]);
        v[i] = v[i] * c.beta2 + c.rest2 * (g * g);
        value[i] = value[i] * c.decay - c.step_size * (m[i] / (sqrtf(v[i]) / c.correction2 + c.epsilon));
    }
}

void KERNEL(adamw)(float *value, float *m, float *v, const float *gradient, size_t n, float grad_scale,
                   const pbt_adamw *s) {
    const double correction1 = 1 - pow(s->beta1, (double)s->step);
    adamw_call c = {.value = value,
                    .m = m,
                    .v = v,
                    .gradient = gradient,
                    .grad_scale = grad_scale,
                    .correction2 = (float)sqrt(1 - pow(s->beta2, (double)s->step)),
                    .decay = 1 - s->learning_rate * s->weight_decay,
                    .step_size = (float)(s->learning_rate / correction1),
                    .beta2 = s->beta2,
                    .rest1 = 1 - s->beta1,
                    .rest2 = 1 - s->beta2,
                    .epsilon = s->epsilon,
                    .n = n};
    pbt_pool_run(pbt_threads_for((double)n * 12), ((int64_t)n + BLOCK - 1) / BLOCK, adamw_blocks, &c);
}
