#include "engine/draw.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int32_t produced(const pbt_engine_sequence *s) {
    return s->limit - s->prompt_length;
}

static bool is_stop(const pbt_engine *engine, const pbt_sampling *sampling, int32_t id) {
    const pbt_config *c = &engine->model->config;
    const int32_t *ids = sampling->stop_ids ? sampling->stop_ids : c->eos_token_ids;
    int32_t n = sampling->stop_ids ? sampling->n_stop_ids : c->n_eos;
    for (int32_t i = 0; i < n; i++)
        if (ids[i] == id) return true;
    return false;
}

/* The logits with every end token at -infinity. */
static const float *without_stops(pbt_engine *engine, const pbt_sampling *sampling) {
    const pbt_config *c = &engine->model->config;
    const int32_t *ids = sampling->stop_ids ? sampling->stop_ids : c->eos_token_ids;
    int32_t n = sampling->stop_ids ? sampling->n_stop_ids : c->n_eos;
    memcpy(engine->masked, engine->picked, (size_t)c->vocab_size * sizeof *engine->masked);
    for (int32_t i = 0; i < n; i++)
        if (ids[i] >= 0 && ids[i] < c->vocab_size) engine->masked[ids[i]] = -INFINITY;
    return engine->masked;
}

/* Draws the next token from engine->picked. */
static pbt_code draw(pbt_engine *engine, pbt_engine_sequence *s, pbt_error *error) {
    const pbt_sampling *sampling = &s->generation->sampling;
    const int32_t i = produced(s), V = engine->model->config.vocab_size;
    const float *logits = i < sampling->min_new_tokens ? without_stops(engine, sampling) : engine->picked;
    double u = sampling->temperature > 0 ? pbt_random_unit(s->generation->key, (uint64_t)i) : 0;
    int32_t id = pbt_sample(engine->model->device, logits, V, sampling, u, engine->scratch);
    if (!isfinite(logits[id]))
        return pbt_fail_request(error, PBT_FAILED, s->index,
                                "the logits of new token %d are not finite numbers; the model's weights "
                                "are damaged or its numbers overflow",
                                i);
    s->tokens[s->limit++] = id;
    s->need = s->limit - 1;
    s->decoding = true;
    engine->statistics.new_tokens++;
    s->generation->finished = is_stop(engine, sampling, id);
    bool full = s->limit >= pbt_config_positions(&engine->model->config);
    if (s->generation->finished || full || produced(s) == sampling->max_new_tokens)
        return pbt_engine_sequence_finish(s, error);
    return PBT_OK;
}

static int by_last_row(const void *pa, const void *pb) {
    const pbt_engine_sequence *a = *(pbt_engine_sequence *const *)pa, *b = *(pbt_engine_sequence *const *)pb;
    if (a->last_row != b->last_row) return a->last_row < b->last_row ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

/* Draws for ready[0..] as far as one block of logits reaches; *done: how many. Sequences at the same place
 * share a row. */
static pbt_code draw_block(pbt_engine *engine, pbt_engine_sequence **ready, size_t n, size_t *done,
                           pbt_error *error) {
    const int32_t V = engine->model->config.vocab_size;
    int32_t n_rows = 0;
    size_t covered = 0;
    for (; covered < n; covered++) {
        if (n_rows > 0 && engine->ready_row[n_rows - 1] == ready[covered]->last_row) continue;
        if (n_rows == engine->logit_rows) break;
        engine->ready_row[n_rows++] = ready[covered]->last_row;
    }
    PBT_TRY(pbt_logits(engine->model, engine->activations, engine->ready_row, n_rows, engine->logits, error));
    for (size_t i = 0, r = 0, at = SIZE_MAX; i < covered; i++) {
        while (engine->ready_row[r] != ready[i]->last_row) r++;
        if (at != r)
            engine->model->ops->copy_out(engine->picked, engine->logits + r * (size_t)V,
                                         (size_t)V * sizeof *engine->picked);
        at = r;
        PBT_TRY(draw(engine, ready[i], error));
    }
    *done = covered;
    return PBT_OK;
}

pbt_code pbt_generate_step(pbt_engine *engine, pbt_engine_sequence **active, size_t n, pbt_error *error) {
    size_t n_ready = 0, done = 0;
    PBT_TRY(pbt_grow(engine->ready, &engine->ready_capacity, n, error));
    pbt_engine_sequence **ready = engine->ready;
    for (size_t i = 0; i < n; i++) {
        pbt_engine_sequence *s = active[i];
        if (s->generation && s->cursor.depth == s->limit && s->last_row >= 0) ready[n_ready++] = s;
    }
    qsort((void *)ready, n_ready, sizeof *ready, by_last_row);
    pbt_code code = PBT_OK;
    for (size_t i = 0; code == PBT_OK && i < n_ready; i += done)
        code = draw_block(engine, ready + i, n_ready - i, &done, error);
    return code;
}
