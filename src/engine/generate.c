/* Generation: checks of requests, tokens drawn after a pass, results. */
#include "engine/engine_internal.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int32_t produced(const pbt_sequence *s) {
    return s->limit - s->prompt_length;
}

bool pbt_sequence_finished(const pbt_sequence *s) {
    if (s->scoring) return s->continuation_length == 0 || (s->open && s->cursor.depth == s->limit);
    return s->generation->ids != NULL;
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

static pbt_code finish(pbt_sequence *s, pbt_error *error) {
    size_t n = (size_t)produced(s);
    int32_t *ids = pbt_alloc(n + 1, sizeof *ids);
    if (!ids) return pbt_fail_memory(error, n * sizeof *ids, "the ids of a generated text");
    memcpy(ids, s->tokens + s->prompt_length, n * sizeof *ids);
    s->generation->ids = ids;
    s->generation->n_ids = (int32_t)n;
    return PBT_OK;
}

/* Draws the next token from engine->picked. */
static pbt_code draw(pbt_engine *engine, pbt_sequence *s, pbt_error *error) {
    const pbt_sampling *sampling = &s->generation->sampling;
    const int32_t i = produced(s), V = engine->model->config.vocab_size;
    const float *logits = i < sampling->min_new_tokens ? without_stops(engine, sampling) : engine->picked;
    double u = sampling->temperature > 0 ? pbt_random_unit(s->generation->key, (uint64_t)i) : 0;
    int32_t id = pbt_sample(engine->model->device, logits, V, sampling, u, engine->scratch);
    if (!isfinite(logits[id]))
        return pbt_fail(error, PBT_FAILED,
                        "request %zu: the logits of new token %d are not finite numbers; the model's weights "
                        "are damaged or its numbers overflow",
                        s->index, i);
    s->tokens[s->limit++] = id;
    s->need = s->limit - 1;
    s->decoding = true;
    engine->statistics.new_tokens++;
    s->generation->finished = is_stop(engine, sampling, id);
    if (s->generation->finished || produced(s) == sampling->max_new_tokens) return finish(s, error);
    return PBT_OK;
}

/* ---- after a pass ---- */

static int by_last_row(const void *pa, const void *pb) {
    const pbt_sequence *a = *(pbt_sequence *const *)pa, *b = *(pbt_sequence *const *)pb;
    if (a->last_row != b->last_row) return a->last_row < b->last_row ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

/* Draws for ready[0..] as far as one block of logits reaches; *done: how many. Sequences at the same place
 * share a row. */
static pbt_code draw_block(pbt_engine *engine, pbt_sequence **ready, size_t n, size_t *done,
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

pbt_code pbt_generate_step(pbt_engine *engine, pbt_sequence **active, size_t n, pbt_error *error) {
    size_t n_ready = 0, done = 0;
    void *memory = (void *)engine->ready;
    pbt_code code = pbt_grow(&memory, &engine->ready_capacity, n, sizeof *engine->ready, error);
    pbt_sequence **ready = engine->ready = memory;
    if (code != PBT_OK) return code;
    for (size_t i = 0; i < n; i++) {
        pbt_sequence *s = active[i];
        if (s->generation && s->cursor.depth == s->limit && s->last_row >= 0) ready[n_ready++] = s;
    }
    qsort((void *)ready, n_ready, sizeof *ready, by_last_row);
    for (size_t i = 0; code == PBT_OK && i < n_ready; i += done)
        code = draw_block(engine, ready + i, n_ready - i, &done, error);
    return code;
}

/* ---- requests ---- */

pbt_code pbt_check_ids(const pbt_engine *engine, const int32_t *ids, int32_t n, const char *what,
                       size_t index, pbt_error *error) {
    const int32_t V = engine->model->config.vocab_size;
    if (n > 0 && !ids) return pbt_fail(error, PBT_USAGE, "request %zu: its %s is missing", index, what);
    for (int32_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= V)
            return pbt_fail(error, PBT_BAD_INPUT,
                            "request %zu: token %d of its %s is %d; the model's vocabulary is 0 to %d", index,
                            i, what, ids[i], V - 1);
    return PBT_OK;
}

static pbt_code check_sampling(const pbt_sampling *s, size_t index, pbt_error *error) {
    if (!(s->temperature >= 0) || isinf(s->temperature))
        return pbt_fail(error, PBT_USAGE, "request %zu: temperature is %g; expected 0 (greedy) or more",
                        index, s->temperature);
    if (s->temperature > 0 && !(s->top_p > 0 && s->top_p <= 1))
        return pbt_fail(error, PBT_USAGE, "request %zu: top_p is %g; expected 0 < top_p <= 1", index,
                        s->top_p);
    if (s->top_k < 0)
        return pbt_fail(error, PBT_USAGE, "request %zu: top_k is %d; expected 0 (off) or more", index,
                        s->top_k);
    if (s->max_new_tokens < 0 || s->min_new_tokens < 0)
        return pbt_fail(error, PBT_USAGE,
                        "request %zu: max_new_tokens is %d and min_new_tokens %d; expected 0 or more", index,
                        s->max_new_tokens, s->min_new_tokens);
    if (s->n_stop_ids < 0)
        return pbt_fail(error, PBT_USAGE, "request %zu: n_stop_ids is %d", index, s->n_stop_ids);
    return PBT_OK;
}

static pbt_code prepare(const pbt_engine *engine, pbt_generation *request, size_t index, pbt_sequence *s,
                        pbt_error *error) {
    const int32_t after = request->sampling.max_new_tokens;
    PBT_TRY(check_sampling(&request->sampling, index, error));
    if (request->prompt_length < 1)
        return pbt_fail(error, PBT_USAGE, "request %zu: a prompt has at least one token", index);
    PBT_TRY(pbt_check_ids(engine, request->prompt, request->prompt_length, "prompt", index, error));
    /* The last token needs no row. */
    if ((int64_t)request->prompt_length + after - 1 > engine->kv.capacity)
        return pbt_fail(error, PBT_USAGE,
                        "request %zu: a prompt of %d tokens and up to %d new ones do not fit the %d rows of "
                        "the key/value cache; raise kv_rows or lower max_new_tokens",
                        index, request->prompt_length, after, engine->kv.capacity);
    *s = (pbt_sequence){.generation = request,
                        .adapter = request->adapter,
                        .prompt = request->prompt,
                        .prompt_length = request->prompt_length,
                        .index = index,
                        .limit = request->prompt_length,
                        .need = request->prompt_length - 1,
                        .last_row = -1};
    return after == 0 ? finish(s, error) : PBT_OK;
}

pbt_code pbt_engine_generate(pbt_engine *engine, pbt_generation *requests, size_t n,
                             const pbt_monitor *monitor, pbt_error *error) {
    for (size_t i = 0; i < n; i++) {
        requests[i].ids = NULL;
        requests[i].n_ids = 0;
        requests[i].finished = false;
    }
    pbt_sequence *sequences = pbt_alloc(n + 1, sizeof *sequences);
    if (!sequences) return pbt_fail_memory(error, n * sizeof *sequences, "generation requests");
    pbt_code code = PBT_OK;
    for (size_t i = 0; code == PBT_OK && i < n; i++)
        code = prepare(engine, &requests[i], i, &sequences[i], error);
    for (size_t i = 0; code == PBT_OK && i < n; i++)
        engine->statistics.prompt_tokens += requests[i].prompt_length;
    if (code == PBT_OK)
        code =
            pbt_schedule_run(engine, sequences, n, engine->options.max_batch, "generating", monitor, error);
    free(sequences);
    for (size_t i = 0; code != PBT_OK && i < n; i++) {
        free(requests[i].ids);
        requests[i].ids = NULL;
        requests[i].n_ids = 0;
        requests[i].finished = false;
    }
    return code;
}
