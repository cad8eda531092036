/* Creating and freeing an engine. */
#include "engine/internal.h"

#include "base/memory.h"

#include <stdlib.h>

enum {
    DEFAULT_BATCH = 64,
    DEFAULT_PREFILL = 512,
    DEFAULT_KV_ROWS = 65536,
    MOST_LOGITS = 16 << 20 /* floats of logits computed at a time */
};

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
    if (options->max_batch == 0) options->max_batch = DEFAULT_BATCH;
    if (options->prefill_rows == 0) options->prefill_rows = DEFAULT_PREFILL;
    if (options->kv_rows == 0) {
        int64_t longest = (int64_t)options->max_batch * model->config.max_position_embeddings;
        options->kv_rows = longest < DEFAULT_KV_ROWS ? (int32_t)longest : DEFAULT_KV_ROWS;
    }
    return PBT_OK;
}

static pbt_code allocate(pbt_engine *engine, pbt_error *error) {
    const size_t V = (size_t)engine->model->config.vocab_size, rows = (size_t)engine->rows;
    size_t logit_rows = MOST_LOGITS / V;
    if (logit_rows < 16) logit_rows = 16;
    if (logit_rows > (size_t)engine->options.max_batch) logit_rows = (size_t)engine->options.max_batch;
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
    (*engine)->rows = filled.prefill_rows > filled.max_batch ? filled.prefill_rows : filled.max_batch;
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
