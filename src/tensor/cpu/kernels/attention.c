/*
 * Attention over segments. Scores are chains over the head's width; the softmax's sum runs in sixteen lanes
 * by position modulo 16; the sum of values is a chain over positions. So the bits of a row depend only on
 * what it sees, wherever its keys lie and whatever is computed beside it.
 */
#include "tensor/cpu/kernels/attention_common.h"

#include <stdatomic.h>

/* Softmax numerators in place over keys from .. last; everything else in the touched blocks becomes 0. */
static void softmax(float *scores, int64_t from, int64_t last, float scale, float *maximum, float *sum) {
    int64_t begin = from / 16 * 16, end = last / 16 * 16 + 16;
    float most = -INFINITY;
    for (int64_t j = begin; j < from; j++) scores[j] = -INFINITY;
    for (int64_t j = last + 1; j < end; j++) scores[j] = -INFINITY;
    vec largest = vec_set(-INFINITY), factor = vec_set(scale);
    for (int64_t j = begin; j < end; j += LANES) {
        vec s = vec_load(scores + j) * factor;
        vec_store(scores + j, s);
        largest = vec_max(largest, s);
    }
    for (int i = 0; i < LANES; i++) most = largest[i] > most ? largest[i] : most;
    lanes16 lanes = {0};
    for (int64_t j = begin; j < end; j += 16)
        for (int v = 0; v < VECTORS; v++) {
            vec p = vec_exp(vec_load(scores + j + v * LANES) - vec_set(most));
            vec_store(scores + j + v * LANES, p);
            lanes.v[v] += p;
        }
    *maximum = most;
    *sum = lanes16_sum(&lanes);
}

/* out[r] += sum over keys from .. to-1 of scores[r][key] * v[key], for n rows from `row` on. */
static void add_values(const attention_call *call, const attention_scratch *scratch, int64_t n_runs,
                       int64_t from, int64_t to, int64_t head, int64_t row, int64_t n) {
    const int64_t width = call->G * call->E;
    for (int64_t i = 0; i < n_runs; i++) {
        const key_run *run = &scratch->runs[i];
        int64_t first = from > run->position ? from : run->position;
        int64_t last = to < run->position + run->count ? to : run->position + run->count;
        if (first >= last) continue;
        KERNEL(tile_any)
        (TILE_A_ROWS, n, call->E,
         &(tile_operands){.depth = last - first,
                          .a = scratch->scores + row * call->max_keys + first,
                          .a_step = call->max_keys,
                          .b = call->v + (run->row + first - run->position) * width + head * call->E,
                          .b_panel = PBT_PANEL,
                          .b_step = width,
                          .c = scratch->out + row * call->E,
                          .ldc = call->E});
    }
}

static void attend(const attention_call *call, const attention_scratch *scratch, const row_chunk *chunk,
                   int64_t head, float *out, float *stats) {
    const pbt_span *span = &call->layout->spans[chunk->span];
    const int64_t row = span->row + chunk->first, group = call->group;
    const int64_t position =
        (int64_t)call->layout->segments[span->segment].position + span->first + chunk->first;
    const int64_t last = position + chunk->n - 1, begin = attention_from(call, position);
    const int64_t n_runs = KERNEL(attention_runs)(call, span->segment, last, scratch->runs);
    KERNEL(attention_gather)(call, scratch->q, call->q, row, chunk->n, head);
    KERNEL(attention_dots)
    (call, scratch, scratch->runs, n_runs, begin / 16 * 16, last, head, scratch->q, chunk->n * group, call->k,
     scratch->scores);
    float sums[ATTENTION_ROWS * 64];
    for (int64_t r = 0; r < chunk->n * group; r++) {
        int64_t at = position + r / group;
        float most, sum;
        softmax(scratch->scores + r * call->max_keys, attention_from(call, at), at, call->scale, &most, &sum);
        float *kept = stats ? stats + ((row + r / group) * call->H + head * group + r % group) * 2 : NULL;
        if (kept) kept[0] = most, kept[1] = sum;
        sums[r] = sum;
    }
    memset(scratch->out, 0, (size_t)(chunk->n * group * call->E) * sizeof(float));
    /* Keys that all rows see at once, then each row's own; a window gives every row another beginning. */
    int64_t common = call->window > 0 ? 0 : position + 1;
    if (common > 0) add_values(call, scratch, n_runs, 0, common, head, 0, chunk->n * group);
    for (int64_t i = 0; i < chunk->n; i++) {
        int64_t from = call->window > 0 ? attention_from(call, position + i) : common;
        add_values(call, scratch, n_runs, from, position + i + 1, head, i * group, group);
    }
    for (int64_t r = 0; r < chunk->n * group; r++) {
        float *to = out + ((row + r / group) * call->H + head * group + r % group) * call->E;
        const float sum = sums[r]; /* NOLINT(clang-analyzer-*): set by the loop above */
        for (int64_t e = 0; e < call->E; e++) to[e] = scratch->out[r * call->E + e] / sum;
    }
}

/* One call's results. */
typedef struct forward_call {
    attention_call call;
    float *out, *stats;
    atomic_bool failed; /* memory was out */
} forward_call;

static void attend_tasks(void *user, int64_t first, int64_t last) {
    forward_call *f = user;
    attention_scratch scratch;
    if (!KERNEL(attention_scratch_open)(&f->call, false, &scratch)) {
        atomic_store(&f->failed, true);
        return;
    }
    for (int64_t i = first; i < last; i++)
        attend(&f->call, &scratch, &f->call.chunks[i / f->call.G], i % f->call.G, f->out, f->stats);
}

pbt_code KERNEL(attention)(float *out, float *stats, const float *q, const float *k, const float *v,
                           const pbt_layout *layout, int32_t H, int32_t G, int32_t E, float scale,
                           int32_t window, pbt_error *error) {
    forward_call f = {.call = {.q = q,
                               .k = k,
                               .v = v,
                               .layout = layout,
                               .H = H,
                               .G = G,
                               .E = E,
                               .scale = scale,
                               .window = window},
                      .out = out,
                      .stats = stats};
    PBT_TRY(KERNEL(attention_begin)(&f.call, error));
    pbt_pool_run(pbt_threads_for((double)layout->n_rows * H * E * (double)f.call.max_keys),
                 f.call.n_chunks * G, attend_tasks, &f);
    return f.failed ? pbt_fail_memory(error, (size_t)f.call.max_keys * 4, "attention scores") : PBT_OK;
}
