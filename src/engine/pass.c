/* One pass through the network: planned row by row, run, and read. */
#include "engine/pass.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* ---- planning ---- */

bool pbt_pass_has(const pbt_engine *engine, int32_t kv_row) {
    return engine->pass_row[kv_row] > 0;
}

pbt_code pbt_pass_add(pbt_engine *engine, const pbt_cursor *cursor, int32_t position, int32_t kv_row,
                      int32_t *row, bool *added, pbt_error *error) {
    *added = engine->pass_row[kv_row] == 0;
    if (*added) {
        if (engine->n_rows == engine->rows)
            return pbt_fail(error, PBT_FAILED, "a pass of more than %d rows was planned", engine->rows);
        pbt_row_run *last = engine->n_runs > 0 ? &engine->runs[engine->n_runs - 1] : NULL;
        if (last && last->node == cursor->node && last->position + last->length == position) {
            last->length++;
        } else {
            PBT_TRY(pbt_grow(engine->runs, &engine->runs_capacity, engine->n_runs + 1, error));
            engine->runs[engine->n_runs++] = (pbt_row_run){cursor->node, position, 1, engine->n_rows};
        }
        engine->tokens[engine->n_rows] = engine->cache.tokens[kv_row];
        engine->positions[engine->n_rows] = position;
        engine->pass_row[kv_row] = ++engine->n_rows;
    }
    *row = engine->pass_row[kv_row] - 1;
    return PBT_OK;
}

/* ---- the layout ---- */

/* The node and its ancestors as segments, parents first. */
static pbt_code add_segments(pbt_engine *engine, pbt_prefix_node *node, pbt_error *error) {
    size_t missing = 0;
    for (pbt_prefix_node *n = node; n->parent && n->pass != engine->pass; n = n->parent) missing++;
    PBT_TRY(pbt_grow(engine->segments, &engine->segments_capacity, engine->n_segments + missing, error));
    engine->n_segments += missing;
    size_t at = engine->n_segments;
    for (pbt_prefix_node *n = node; n->parent && n->pass != engine->pass; n = n->parent) {
        n->pass = engine->pass;
        n->segment = (int32_t)--at;
    }
    for (pbt_prefix_node *n = node; missing > 0; n = n->parent, missing--) {
        bool first = !n->parent->parent;
        engine->segments[n->segment] = (pbt_segment){.parent = first ? -1 : n->parent->segment,
                                                     .parent_rows = first ? 0 : n->parent->length,
                                                     .kv_row = n->kv_row,
                                                     .length = n->length,
                                                     .position = n->position};
    }
    return PBT_OK;
}

/* A run as spans, one for each node it lies in; the deepest node comes last. */
static pbt_code add_spans(pbt_engine *engine, const pbt_row_run *run, pbt_error *error) {
    size_t pieces = 1;
    for (pbt_prefix_node *n = run->node; n->position > run->position; n = n->parent)
        pieces += n->position < run->position + run->length;
    PBT_TRY(pbt_grow(engine->spans, &engine->spans_capacity, engine->n_spans + pieces, error));
    engine->n_spans += pieces;
    pbt_prefix_node *node = run->node;
    size_t at = engine->n_spans;
    for (int32_t end = run->position + run->length; end > run->position;) {
        while (node->position >= end) node = node->parent;
        int32_t first = node->position > run->position ? node->position : run->position;
        PBT_TRY(add_segments(engine, node, error));
        engine->spans[--at] = (pbt_span){.segment = node->segment,
                                         .first = first - node->position,
                                         .row = run->row + first - run->position,
                                         .length = end - first};
        end = first;
    }
    return PBT_OK;
}

static void empty_plan(pbt_engine *engine) {
    for (size_t i = 0; i < engine->n_spans; i++) {
        const pbt_span *span = &engine->spans[i];
        memset(engine->pass_row + engine->segments[span->segment].kv_row + span->first, 0,
               (size_t)span->length * sizeof *engine->pass_row);
    }
    engine->n_rows = 0;
    engine->n_runs = engine->n_spans = engine->n_segments = 0;
}

void pbt_pass_abandon(pbt_engine *engine) {
    memset(engine->pass_row, 0, (size_t)engine->kv.capacity * sizeof *engine->pass_row);
    engine->n_rows = 0;
    engine->n_runs = engine->n_spans = engine->n_segments = engine->n_targets = 0;
    pbt_prefix_cache_forget(&engine->cache, NULL, true);
}

/* ---- running ---- */

/* Adapters are met when they are used: the buffers grow with their rank. */
static pbt_code make_activations(pbt_engine *engine, const pbt_adapter *adapter, pbt_error *error) {
    int32_t rank = pbt_adapter_rank(adapter);
    if (engine->activations && rank <= engine->rank) return PBT_OK;
    pbt_activations_free(engine->activations);
    engine->activations = NULL;
    PBT_TRY(pbt_activations_create(engine->model, engine->rows, rank, false, &engine->activations, error));
    engine->rank = rank;
    return PBT_OK;
}

pbt_code pbt_pass_run(pbt_engine *engine, const pbt_adapter *adapter, pbt_error *error) {
    engine->pass++;
    PBT_TRY(make_activations(engine, adapter, error));
    for (size_t i = 0; i < engine->n_runs; i++) PBT_TRY(add_spans(engine, &engine->runs[i], error));
    pbt_pass pass = {.model = engine->model,
                     .adapters = &adapter,
                     .n_adapters = adapter ? 1 : 0,
                     .tokens = engine->tokens,
                     .positions = engine->positions,
                     .layout = {.segments = engine->segments,
                                .n_segments = (int32_t)engine->n_segments,
                                .spans = engine->spans,
                                .n_spans = (int32_t)engine->n_spans,
                                .n_rows = engine->n_rows}};
    PBT_TRY(pbt_forward(&pass, &engine->kv, engine->activations, error));
    empty_plan(engine);
    return PBT_OK;
}

static int by_row(const void *a, const void *b) {
    int32_t x = ((const pbt_target *)a)->row, y = ((const pbt_target *)b)->row;
    return x < y ? -1 : x > y;
}

pbt_code pbt_pass_logprobs(pbt_engine *engine, pbt_error *error) {
    size_t n = engine->n_targets;
    if (n == 0) return PBT_OK;
    qsort(engine->targets, n, sizeof *engine->targets, by_row);
    int32_t *rows = pbt_alloc(n, 2 * sizeof *rows);
    float *logprobs = pbt_alloc(n, sizeof *logprobs);
    pbt_code code = rows && logprobs && n <= INT32_MAX
                        ? PBT_OK
                        : pbt_fail_memory(error, n * 12, "log-probabilities of a pass");
    for (size_t i = 0; code == PBT_OK && i < n; i++) {
        rows[i] = engine->targets[i].row;
        rows[n + i] = engine->targets[i].token;
    }
    if (code == PBT_OK)
        code = pbt_logprobs(engine->model, engine->activations, rows, rows + n, (int32_t)n, logprobs, error);
    for (size_t i = 0; code == PBT_OK && i < n; i++) *engine->targets[i].logprob = logprobs[i];
    free(rows);
    free(logprobs);
    engine->n_targets = 0;
    return code;
}
