/*
 * Attention backward. With P the softmax: dP = dout . v, dS = P * (dP - dout . out) * scale, dq = dS k,
 * dk += dS q, dv += P dout. Rows add to keys in ascending order; threads share the key heads, so that the
 * order never depends on them.
 */
#include "tensor/cpu/kernels/attention_common.h"

#include <stdatomic.h>

/* scores -> P and gradients (dP) -> dS for one row; zero outside from .. last, up to key `end`. */
static void row_gradients(float *scores, float *gradients, int64_t from, int64_t last, int64_t end,
                          float scale, const float *stats, float product) {
    const float inverse = 1.0f / stats[1];
    for (int64_t j = 0; j < end; j += LANES) {
        vec s = vec_load(scores + j) * vec_set(scale);
        vec p = vec_exp(s - vec_set(stats[0])) * vec_set(inverse);
        vec_store(gradients + j, p * (vec_load(gradients + j) - vec_set(product)) * vec_set(scale));
        vec_store(scores + j, p);
    }
    for (int64_t j = 0; j < from; j++) scores[j] = gradients[j] = 0;
    for (int64_t j = last + 1; j < end; j++) scores[j] = gradients[j] = 0;
}

/* to[key][head] += sum over rows of weights[row][key] * rows[row]. */
static void add_to_keys(const attention_call *call, const attention_scratch *scratch, int64_t n_runs,
                        int64_t head, const float *weights, const float *rows, int64_t n, float *to) {
    const int64_t width = call->G * call->E;
    for (int64_t i = 0; i < n_runs; i++) {
        const key_run *run = &scratch->runs[i];
        KERNEL(tile_any)
        (TILE_A_COLUMNS, run->count, call->E,
         &(tile_operands){.depth = n,
                          .a = weights + run->position,
                          .a_step = call->max_keys,
                          .b = rows,
                          .b_panel = PBT_PANEL,
                          .b_step = call->E,
                          .c = to + run->row * width + head * call->E,
                          .ldc = width});
    }
}

/* dq rows = sum over keys of dS[row][key] * k[key]. */
static void query_gradients(const attention_call *call, const attention_scratch *scratch, int64_t n_runs,
                            int64_t head, int64_t n) {
    const int64_t width = call->G * call->E;
    memset(scratch->out, 0, (size_t)(n * call->E) * sizeof(float));
    for (int64_t i = 0; i < n_runs; i++) {
        const key_run *run = &scratch->runs[i];
        KERNEL(tile_any)
        (TILE_A_ROWS, n, call->E,
         &(tile_operands){.depth = run->count,
                          .a = scratch->gradients + run->position,
                          .a_step = call->max_keys,
                          .b = call->k + run->row * width + head * call->E,
                          .b_panel = PBT_PANEL,
                          .b_step = width,
                          .c = scratch->out,
                          .ldc = call->E});
    }
}

typedef struct backward_call {
    attention_call forward;
    const float *dout, *out, *stats;
    float *dq, *dk, *dv;
    atomic_bool failed; /* memory was out */
} backward_call;

/* sums[r] = dout . out of the chunk's rows r, as [row][head of the group]; several chains at a time hide the
 * latency. */
static void products(const backward_call *b, int64_t row, int64_t n, int64_t head, float *sums) {
    enum { CHAINS = 8 };
    const int64_t group = b->forward.group, E = b->forward.E;
    for (int64_t first = 0; first < n; first += CHAINS) {
        const float *dout[CHAINS], *out[CHAINS];
        float sum[CHAINS] = {0};
        for (int64_t i = 0; i < CHAINS; i++) {
            int64_t r = first + i < n ? first + i : n - 1;
            int64_t at = ((row + r / group) * b->forward.H + head * group + r % group) * E;
            dout[i] = b->dout + at;
            out[i] = b->out + at;
        }
        for (int64_t e = 0; e < E; e++)
            UNROLL for (int i = 0; i < CHAINS; i++) sum[i] = fmaf(dout[i][e], out[i][e], sum[i]);
        for (int64_t i = 0; i < CHAINS && first + i < n; i++) sums[first + i] = sum[i];
    }
}

static void chunk_backward(const backward_call *b, const attention_scratch *scratch, const row_chunk *chunk,
                           int64_t head) {
    const attention_call *call = &b->forward;
    const pbt_span *span = &call->layout->spans[chunk->span];
    const int64_t row = span->row + chunk->first, group = call->group, n = chunk->n * group, E = call->E;
    const int64_t position =
        (int64_t)call->layout->segments[span->segment].position + span->first + chunk->first;
    const int64_t last = position + chunk->n - 1, end = last / 16 * 16 + 16;
    const int64_t n_runs = KERNEL(attention_runs)(call, span->segment, last, scratch->runs);
    KERNEL(attention_gather)(call, scratch->q, call->q, row, chunk->n, head);
    KERNEL(attention_gather)(call, scratch->dout, b->dout, row, chunk->n, head);
    KERNEL(attention_dots)
    (call, scratch, scratch->runs, n_runs, 0, last, head, scratch->q, n, call->k, scratch->scores);
    KERNEL(attention_dots)
    (call, scratch, scratch->runs, n_runs, 0, last, head, scratch->dout, n, call->v, scratch->gradients);
    float sums[ATTENTION_ROWS * 64];
    products(b, row, n, head, sums);
    for (int64_t r = 0; r < n; r++) {
        int64_t at = (row + r / group) * call->H + head * group + r % group,
                position_r = position + r / group;
        row_gradients(scratch->scores + r * call->max_keys, scratch->gradients + r * call->max_keys,
                      attention_from(call, position_r), position_r, end, call->scale, b->stats + at * 2,
                      sums[r]);
    }
    add_to_keys(call, scratch, n_runs, head, scratch->gradients, scratch->q, n, b->dk);
    add_to_keys(call, scratch, n_runs, head, scratch->scores, scratch->dout, n, b->dv);
    query_gradients(call, scratch, n_runs, head, n);
    for (int64_t r = 0; r < n; r++)
        memcpy(b->dq + ((row + r / group) * call->H + head * group + r % group) * E, scratch->out + r * E,
               (size_t)E * sizeof(float));
}

static void backward_heads(void *user, int64_t first, int64_t last) {
    backward_call *b = user;
    attention_scratch scratch;
    if (!KERNEL(attention_scratch_open)(&b->forward, true, &scratch)) {
        atomic_store(&b->failed, true);
        return;
    }
    for (int64_t head = first; head < last; head++)
        for (int64_t i = 0; i < b->forward.n_chunks; i++)
            chunk_backward(b, &scratch, &b->forward.chunks[i], head);
}

pbt_code KERNEL(attention_backward)(float *dq, float *dk, float *dv, const float *dout, const float *out,
                                    const float *stats, const float *q, const float *k, const float *v,
                                    const pbt_layout *layout, int32_t H, int32_t G, int32_t E, float scale,
                                    int32_t window, pbt_error *error) {
    backward_call b = {.forward = {.q = q,
                                   .k = k,
                                   .v = v,
                                   .layout = layout,
                                   .H = H,
                                   .G = G,
                                   .E = E,
                                   .scale = scale,
                                   .window = window},
                       .dout = dout,
                       .out = out,
                       .stats = stats,
                       .dq = dq,
                       .dk = dk,
                       .dv = dv};
    PBT_TRY(KERNEL(attention_begin)(&b.forward, error));
    pbt_pool_run(pbt_threads_for((double)layout->n_rows * H * E * (double)b.forward.max_keys), G,
                 backward_heads, &b);
    return b.failed ? pbt_fail_memory(error, (size_t)b.forward.max_keys * 8, "attention gradients") : PBT_OK;
}
