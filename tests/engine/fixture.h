/*
 * A model of random numbers and the slow, plain way to generate and score with it: every token is computed
 * from the beginning of its text, alone, without any cache. The engine must give the same bits.
 */
#ifndef PBT_TESTS_ENGINE_FIXTURE_H
#define PBT_TESTS_ENGINE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "assert_ok.h"
#include "device.h"
#include "engine/engine.h"
#include "small_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VOCABULARY = 40, LONGEST = 256 };

static inline pbt_model *fixture_model(uint64_t seed, bool window) {
    char text[1024];
    snprintf(text, sizeof text,
             "{\"model_type\": \"%s\", \"hidden_size\": 16, "
             "\"intermediate_size\": 24, \"num_hidden_layers\": 2, \"num_attention_heads\": 4, "
             "\"num_key_value_heads\": 2, \"vocab_size\": 40, \"max_position_embeddings\": 256, "
             "\"rms_norm_eps\": 1e-5, \"rope_theta\": 10000.0, \"tie_word_embeddings\": true, "
             "\"hidden_act\": \"silu\", \"eos_token_id\": 1%s}",
             window ? "mistral" : "llama", window ? ", \"sliding_window\": 9" : "");
    return small_model(text, seed);
}

/* A LoRA adapter whose B is not zero, so that it does something. */
static inline pbt_adapter *fixture_adapter(const pbt_model *model, uint64_t seed, int32_t r) {
    pbt_adapter_settings settings = {.r = r, .alpha = 2 * r};
    pbt_adapter *adapter = NULL;
    pbt_key key = pbt_key_of_seed(seed);
    uint64_t draw = 0;
    for (int i = 0; i < PBT_LINEARS; i++) settings.targets[i] = true;
    assert_ok(pbt_adapter_create(model, &settings, key, &adapter, error));
    for (int32_t layer = 0; layer < adapter->n_layers; layer++)
        for (int l = 0; l < PBT_LINEARS; l++) {
            size_t n = (size_t)model->layers[layer].linear[l].rows * (size_t)r;
            for (size_t i = 0; i < n; i++)
                adapter->lora[layer][l].B[i] = (float)(0.1 * pbt_random_normal(key, draw++));
        }
    return adapter;
}

/* One pass over ids[0..n-1], nothing shared; `logits` of the last row and, where asked, log-probabilities of
 * ids[from ..]. */
static inline void plain_pass(const pbt_model *model, const pbt_adapter *adapter, const int32_t *ids,
                              int32_t n, float *logits, int32_t from, float *logprobs) {
    pbt_kv kv;
    pbt_activations *activations;
    int32_t positions[LONGEST], rows[LONGEST];
    for (int32_t i = 0; i < n; i++) positions[i] = i;
    pbt_segment segment = {.parent = -1, .length = n};
    pbt_span span = {.length = n};
    assert_ok(pbt_kv_create(model, n, &kv, error));
    assert_ok(
        pbt_activations_create(model, n, adapter ? adapter->settings.r : 0, false, &activations, error));
    pbt_pass pass = {.model = model,
                     .adapters = &adapter,
                     .n_adapters = adapter ? 1 : 0,
                     .tokens = ids,
                     .positions = positions,
                     .layout = {&segment, 1, &span, 1, n}};
    assert_ok(pbt_forward(&pass, &kv, activations, error));
    int32_t last = n - 1;
    if (logits) assert_ok(pbt_logits(model, activations, &last, 1, logits, error));
    for (int32_t i = from; i < n; i++) rows[i - from] = i - 1;
    if (logprobs) assert_ok(pbt_logprobs(model, activations, rows, ids + from, n - from, logprobs, error));
    pbt_activations_free(activations);
    pbt_kv_free(model, &kv);
}

static inline bool stops(const pbt_model *model, const pbt_sampling *s, int32_t id) {
    const int32_t *ids = s->stop_ids ? s->stop_ids : model->config.eos_token_ids;
    int32_t n = s->stop_ids ? s->n_stop_ids : model->config.n_eos;
    for (int32_t i = 0; i < n; i++)
        if (ids[i] == id) return true;
    return false;
}

/* Generates token by token; returns how many came into ids. */
static inline int32_t plain_generate(const pbt_model *model, const pbt_generation *request, int32_t *ids) {
    int32_t text[LONGEST], n = request->prompt_length, new_tokens = 0;
    float logits[VOCABULARY], scratch[VOCABULARY];
    const pbt_sampling *s = &request->sampling;
    memcpy(text, request->prompt, (size_t)n * sizeof *text);
    while (new_tokens < s->max_new_tokens) {
        plain_pass(model, request->adapter, text, n, logits, 0, NULL);
        for (int32_t id = 0; id < VOCABULARY; id++)
            if (new_tokens < s->min_new_tokens && stops(model, s, id)) logits[id] = -INFINITY;
        double u = pbt_random_unit(request->key, (uint64_t)new_tokens);
        int32_t id = pbt_sample(test_device(), logits, VOCABULARY, s, u, scratch);
        ids[new_tokens++] = text[n++] = id;
        if (stops(model, s, id)) break;
    }
    return new_tokens;
}

static inline pbt_engine *fixture_engine(const pbt_model *model, int32_t kv_rows, int32_t batch,
                                         int32_t prefill_rows, bool share) {
    pbt_engine *engine = NULL;
    pbt_engine_options options = {
        .kv_rows = kv_rows, .max_batch = batch, .prefill_rows = prefill_rows, .share_prefixes = share};
    assert_ok(pbt_engine_create(model, &options, &engine, error));
    return engine;
}

/* Prompts as dialogue trees make them: number i begins with the first half of number i / 2 (which has a
 * random tail of its own). Lengths 3 to about 40. */
typedef struct prompts {
    int32_t ids[64][LONGEST];
    int32_t length[64];
    int n;
} prompts;

static inline prompts fixture_prompts(int n) {
    prompts p = {.n = n};
    for (int i = 0; i < n; i++) {
        pbt_key key = pbt_key_child(pbt_key_of_seed(5), (uint64_t)i);
        int32_t from = i > 0 ? p.length[i / 2] - p.length[i / 2] / 4 : 0;
        int32_t own = 3 + (int32_t)pbt_random_below(key, 999, 14);
        if (i > 0) memcpy(p.ids[i], p.ids[i / 2], (size_t)from * sizeof(int32_t));
        for (int32_t k = 0; k < own; k++)
            p.ids[i][from + k] = (int32_t)pbt_random_below(key, (uint64_t)k, VOCABULARY);
        p.length[i] = from + own;
    }
    return p;
}

#endif
