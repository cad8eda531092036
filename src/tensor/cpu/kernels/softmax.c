/* Log-sum-exp over the vocabulary, and the gradient of chosen log-probabilities. Sixteen lanes by index
 * modulo 16, then a fixed tree. */
#include "tensor/cpu/kernels/kernel.h"

static float largest(const float *x, int64_t n) {
    float most = -INFINITY;
    int64_t i = 0;
    vec lanes = vec_set(-INFINITY);
    for (; i + LANES <= n; i += LANES) lanes = vec_max(lanes, vec_load(x + i));
    float all[LANES];
    vec_store(all, lanes);
    for (int j = 0; j < LANES; j++) most = all[j] > most ? all[j] : most;
    for (; i < n; i++) most = x[i] > most ? x[i] : most;
    return most;
}

static float logsumexp_row(const float *x, int64_t n) {
    float most = largest(x, n);
    if (!(most > -INFINITY)) return most;
    lanes16 sum = {0};
    for (int64_t i = 0; i < n; i += 16)
        for (int v = 0; v < VECTORS; v++) {
            int64_t at = i + v * LANES;
            if (at >= n) break;
            if (at + LANES <= n)
                sum.v[v] += vec_exp(vec_load(x + at) - vec_set(most));
            else
                sum.v[v] += vec_exp(vec_load_n(x + at, (size_t)(n - at), -INFINITY) - vec_set(most));
        }
    return most + (float)log((double)lanes16_sum(&sum));
}

/* The operands of these loops over rows. */
typedef struct rows_call {
    float *result, *changed;
    const float *logits, *logsumexp, *weight;
    const int32_t *target_row, *target;
    int32_t n, V;
} rows_call;

/* Each does so much of a row: an exponential for every logit. */
static void for_rows(const rows_call *c, int32_t T, pbt_loop loop) {
    pbt_pool_run(pbt_threads_for((double)T * c->V * 16), T, loop, (void *)(uintptr_t)c);
}

static void logsumexp_rows(void *user, int64_t first, int64_t last) {
    const rows_call *c = user;
    for (int64_t t = first; t < last; t++) c->result[t] = logsumexp_row(c->logits + t * c->V, c->V);
}

void KERNEL(logsumexp)(float *result, const float *logits, int32_t T, int32_t V) {
    for_rows(&(rows_call){.result = result, .logits = logits, .V = V}, T, logsumexp_rows);
}

static void statistics_row(float result[3], const float *x, float shift, int64_t n) {
    lanes16 weighted = {0}, sum = {0};
    for (int64_t i = 0; i < n; i += 16)
        for (int v = 0; v < VECTORS; v++) {
            int64_t at = i + v * LANES;
            if (at >= n) break;
            bool whole = at + LANES <= n;
            vec logit = whole ? vec_load(x + at) : vec_load_n(x + at, (size_t)(n - at), -INFINITY);
            vec value = whole ? logit : vec_load_n(x + at, (size_t)(n - at), 0);
            weighted.v[v] += vec_exp(logit - vec_set(shift)) * value;
            sum.v[v] += value;
        }
    result[0] = shift - lanes16_sum(&weighted);
    result[1] = lanes16_sum(&sum) / (float)n;
    result[2] = largest(x, n);
}

static void statistics_rows(void *user, int64_t first, int64_t last) {
    const rows_call *c = user;
    for (int64_t t = first; t < last; t++)
        statistics_row(c->result + 3 * t, c->logits + t * c->V, c->logsumexp[t], c->V);
}

void KERNEL(logit_statistics)(float *result, const float *logits, const float *logsumexp, int32_t T,
                              int32_t V) {
    for_rows(&(rows_call){.result = result, .logits = logits, .logsumexp = logsumexp, .V = V}, T,
             statistics_rows);
}

static void softmax_scaled(float *x, int64_t n, float shift, float factor) {
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vec_store(x + i, vec_exp(vec_load(x + i) - vec_set(shift)) * vec_set(factor));
    if (i < n)
        vec_store_n(x + i, vec_exp(vec_load_n(x + i, (size_t)(n - i), 0) - vec_set(shift)) * vec_set(factor),
                    (size_t)(n - i));
}

static void logprob_backward_rows(void *user, int64_t first_row, int64_t last_row) {
    const rows_call *c = user;
    for (int64_t t = first_row; t < last_row; t++) {
        float *row = c->changed + t * c->V;
        /* The row's targets, by bisection: they are sorted by row. */
        int32_t low = 0, high = c->n;
        while (low < high) {
            int32_t middle = low + (high - low) / 2;
            if (c->target_row[middle] < t)
                low = middle + 1;
            else
                high = middle;
        }
        float total = 0;
        int32_t last = low;
        for (; last < c->n && c->target_row[last] == t; last++) total += c->weight[last];
        softmax_scaled(row, c->V, c->logsumexp[t], -total);
        for (int32_t i = low; i < last; i++) row[c->target[i]] += c->weight[i];
    }
}

void KERNEL(logprob_backward)(float *logits, const float *logsumexp, const int32_t *target_row,
                              const int32_t *target, const float *weight, int32_t n, int32_t T, int32_t V) {
    for_rows(&(rows_call){.changed = logits,
                          .logsumexp = logsumexp,
                          .target_row = target_row,
                          .target = target,
                          .weight = weight,
                          .n = n,
                          .V = V},
             T, logprob_backward_rows);
}
