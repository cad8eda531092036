/* Creating and freeing an engine. */
#include "base/memory.h"
#include "engine/pass.h"

#include <stdlib.h>

enum {
    DEFAULT_BATCH = 64,
    DEFAULT_PREFILL = 512,
    DEFAULT_KV_ROWS = 65536,
    LEAST_TEXT = 4096,
    MOST_LOGITS = 16 << 20 /* floats of logits computed at a time */
};

int32_t pbt_engine_batch(const pbt_engine_options *options) {
    return options->max_batch > 0 ? options->max_batch : DEFAULT_BATCH;
}

int32_t pbt_engine_kv_rows(const pbt_config *config, const pbt_engine_options *options) {
    if (options->kv_rows > 0) return options->kv_rows;
    int64_t rows = (int64_t)pbt_engine_batch(options) * config->max_position_embeddings,
            text =
                config->max_position_embeddings < LEAST_TEXT ? config->max_position_embeddings : LEAST_TEXT;
    if (rows > DEFAULT_KV_ROWS) rows = DEFAULT_KV_ROWS;
    double limit = options->device->memory_physical() / 4 / (double)pbt_kv_row_bytes(config);
    if (limit > 0 && (double)rows > limit) rows = (int64_t)limit > text ? (int64_t)limit : text;
    return (int32_t)rows;
}

static size_t logit_rows_of(const pbt_config *config, int32_t max_batch) {
    size_t rows = MOST_LOGITS / (size_t)config->vocab_size;
    if (rows < 16) rows = 16;
    return rows < (size_t)max_batch ? rows : (size_t)max_batch;
}

static int32_t pass_rows(const pbt_engine_options *filled) {
    return filled->prefill_rows > filled->max_batch ? filled->prefill_rows : filled->max_batch;
}

static void replace_zeros(const pbt_config *config, pbt_engine_options *options) {
    options->max_batch = pbt_engine_batch(options);
    if (options->prefill_rows == 0) options->prefill_rows = DEFAULT_PREFILL;
    options->kv_rows = pbt_engine_kv_rows(config, options);
}

pbt_engine_memory pbt_engine_memory_of(const pbt_config *config, const pbt_engine_options *options,
                                       int32_t rank) {
    pbt_engine_options filled = *options;
    replace_zeros(config, &filled);
    const int64_t V = config->vocab_size, rows = filled.kv_rows;
    /* A row of the cache has its token and its place in a pass beside keys and values. */
    return (pbt_engine_memory){
        .kv = rows * (pbt_kv_row_bytes(config) + 2 * (int64_t)sizeof(int32_t)),
        .buffers = (int64_t)pbt_activations_bytes(config, pass_rows(&filled), rank, false) +
                   ((int64_t)logit_rows_of(config, filled.max_batch) + 3) * V * (int64_t)sizeof(float)};
}

static pbt_code fill_options(const pbt_model *model, const pbt_engine_options *given,
                             pbt_engine_options *options, pbt_error *error) {
    *options = *given;
    if (given->kv_rows < 0 || given->max_batch < 0 || given->prefill_rows < 0)
        return pbt_fail(error, PBT_USAGE,
                        "engine options: kv_rows %d, max_batch %d and prefill_rows %d must not be negative",
                        given->kv_rows, given->max_batch, given->prefill_rows);
    if (given->max_batch > 1 << 20 || given->prefill_rows > 1 << 20)
        return pbt_fail(error, PBT_USAGE,
                        "engine options: max_batch %d and prefill_rows %d must be at most %d",
                        given->max_batch, given->prefill_rows, 1 << 20);
    options->device = model->device;
    replace_zeros(&model->config, options);
    return PBT_OK;
}

static pbt_code allocate(pbt_engine *engine, pbt_error *error) {
    const size_t V = (size_t)engine->model->config.vocab_size, rows = (size_t)engine->rows;
    const size_t logit_rows = logit_rows_of(&engine->model->config, engine->options.max_batch);
    engine->logit_rows = (int32_t)logit_rows;
    PBT_TRY(pbt_prefix_cache_create(engine->options.kv_rows, engine->options.share_prefixes, &engine->cache,
                                    error));
    PBT_TRY(pbt_kv_create(engine->model, engine->options.kv_rows, &engine->kv, error));
    engine->pass_row = pbt_alloc((size_t)engine->options.kv_rows, sizeof *engine->pass_row);
    engine->tokens = pbt_alloc(rows, sizeof *engine->tokens);
    engine->positions = pbt_alloc(rows, sizeof *engine->positions);
    engine->ready_row = pbt_alloc(logit_rows, sizeof *engine->ready_row);
    engine->logits = engine->model->ops->alloc(logit_rows * V * sizeof *engine->logits);
    engine->picked = pbt_alloc(V, sizeof *engine->picked);
    engine->masked = pbt_alloc(V, sizeof *engine->masked);
    engine->scratch = pbt_alloc(V, sizeof *engine->scratch);
    if (engine->pass_row && engine->tokens && engine->positions && engine->ready_row && engine->logits &&
        engine->picked && engine->masked && engine->scratch)
        return PBT_OK;
    return pbt_fail_memory(error, logit_rows * V * sizeof(float), "the engine");
}

pbt_code pbt_engine_create(const pbt_model *model, const pbt_engine_options *options, pbt_engine **engine,
                           pbt_error *error) {
    pbt_engine_options filled;
    PBT_TRY(fill_options(model, options, &filled, error));
    *engine = pbt_alloc(1, sizeof **engine);
    if (!*engine) return pbt_fail_memory(error, sizeof **engine, "the engine");
    (*engine)->model = model;
    (*engine)->options = filled;
    (*engine)->rows = pass_rows(&filled);
    pbt_code code = allocate(*engine, error);
    if (code == PBT_OK) return PBT_OK;
    pbt_engine_free(*engine);
    *engine = NULL;
    return code;
}

void pbt_engine_free(pbt_engine *engine) {
    if (!engine) return;
    pbt_prefix_cache_free(&engine->cache);
    pbt_kv_free(engine->model, &engine->kv);
    pbt_activations_free(engine->activations);
    if (engine->logits) engine->model->ops->release(engine->logits);
    free(engine->pass_row);
    free(engine->tokens);
    free(engine->positions);
    free(engine->runs);
    free(engine->segments);
    free(engine->spans);
    free(engine->targets);
    free(engine->ready_row);
    free((void *)engine->ready);
    free(engine->picked);
    free(engine->masked);
    free(engine->scratch);
    free(engine);
}

void pbt_engine_forget(pbt_engine *engine, const pbt_adapter *adapter) {
    pbt_prefix_cache_forget(&engine->cache, adapter, adapter == NULL);
}

pbt_engine_statistics pbt_engine_statistics_get(const pbt_engine *engine) {
    return engine->statistics;
}
