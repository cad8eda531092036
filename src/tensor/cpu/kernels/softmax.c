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

void KERNEL(logsumexp)(float *result, const float *logits, int32_t T, int32_t V) {
    int threads = pbt_threads_for((double)T * V * 16);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t t = 0; t < T; t++) result[t] = logsumexp_row(logits + t * V, V);
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

void KERNEL(logit_statistics)(float *result, const float *logits, const float *logsumexp, int32_t T,
                              int32_t V) {
    int threads = pbt_threads_for((double)T * V * 16);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t t = 0; t < T; t++) statistics_row(result + 3 * t, logits + t * V, logsumexp[t], V);
}

static void softmax_scaled(float *x, int64_t n, float shift, float factor) {
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vec_store(x + i, vec_exp(vec_load(x + i) - vec_set(shift)) * vec_set(factor));
    if (i < n)
        vec_store_n(x + i, vec_exp(vec_load_n(x + i, (size_t)(n - i), 0) - vec_set(shift)) * vec_set(factor),
                    (size_t)(n - i));
}

void KERNEL(logprob_backward)(float *logits, const float *logsumexp, const int32_t *target_row,
                              const int32_t *target, const float *weight, int32_t n, int32_t T, int32_t V) {
    int threads = pbt_threads_for((double)T * V * 16);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t t = 0; t < T; t++) {
        /* The row's targets, by bisection: they are sorted by row. */
        int32_t low = 0, high = n;
        while (low < high) {
            int32_t middle = low + (high - low) / 2;
            if (target_row[middle] < t)
                low = middle + 1;
            else
                high = middle;
        }
        float total = 0;
        int32_t last = low;
        for (; last < n && target_row[last] == t; last++) total += weight[last];
        softmax_scaled(logits + t * V, V, logsumexp[t], -total);
        for (int32_t i = low; i < last; i++) logits[t * V + target[i]] += weight[i];
    }
}
