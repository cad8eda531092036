/*
 * A model of random numbers, small enough for tests, and made-up data for it. Sizes: D 16, 2 layers, 4 heads,
 * 2 key/value heads, F 24, V 40.
 */
#ifndef PBT_TESTS_TRAIN_FIXTURE_H
#define PBT_TESTS_TRAIN_FIXTURE_H

#include "base/file.h"
#include "small_model.h"
#include "train/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { VOCABULARY = 40 };

static inline pbt_model *fixture_model(uint64_t seed) {
    static const char text[] =
        "{\"model_type\": \"llama\", \"architectures\": [\"LlamaForCausalLM\"], \"hidden_size\": 16, "
        "\"intermediate_size\": 24, \"num_hidden_layers\": 2, \"num_attention_heads\": 4, "
        "\"num_key_value_heads\": 2, \"vocab_size\": 40, \"max_position_embeddings\": 128, \"rms_norm_eps\": "
        "1e-5, \"rope_theta\": 10000.0, \"tie_word_embeddings\": true, \"hidden_act\": \"silu\"}";
    return small_model(text, seed);
}

/* A LoRA adapter whose B is not zero, so that it does something. */
static inline pbt_adapter *fixture_adapter(const pbt_model *model, uint64_t seed, double dropout) {
    pbt_adapter_settings settings = {.r = 3, .alpha = 6, .dropout = dropout};
    pbt_adapter *adapter = NULL;
    pbt_key key = pbt_key_of_seed(seed);
    uint64_t draw = 0;
    for (int i = 0; i < PBT_LINEARS; i++) settings.targets[i] = true;
    assert_ok(pbt_adapter_create(model, &settings, key, &adapter, error));
    for (int32_t layer = 0; layer < adapter->n_layers; layer++)
        for (int l = 0; l < PBT_LINEARS; l++) {
            size_t n = (size_t)model->layers[layer].linear[l].rows * 3;
            for (size_t i = 0; i < n; i++)
                adapter->lora[layer][l].B[i] = (float)(0.1 * pbt_random_normal(key, draw++));
        }
    return adapter;
}

static inline pbt_ids fixture_ids(pbt_key key, uint64_t tag, size_t n) {
    pbt_ids ids = {0};
    for (size_t i = 0; i < n; i++)
        assert_ok(
            pbt_ids_push(&ids, (int32_t)pbt_random_below(pbt_key_child(key, tag), i, VOCABULARY), error));
    return ids;
}

/* n pairs; every four have a prompt in common, and completions that begin alike now and then. */
static inline pbt_dataset fixture_data(size_t n, bool preference) {
    pbt_dataset dataset = {0};
    pbt_key key = pbt_key_of_seed(99);
    for (size_t i = 0; i < n; i++) {
        pbt_example example = {.prompt = fixture_ids(key, 1000 + i / 4, 5 + i / 4 % 3),
                               .chosen = fixture_ids(key, 2000 + i / 2, 2 + i % 4),
                               .ref_chosen_logp = NAN,
                               .ref_rejected_logp = NAN};
        if (preference) {
            example.rejected = fixture_ids(key, i % 3 == 0 ? 2000 + i / 2 : 3000 + i, 4 + i % 2);
            example.rejected.items[example.rejected.count - 1] = (int32_t)(i % 5);
        }
        assert_ok(pbt_dataset_push(&dataset, &example, error));
    }
    return dataset;
}

static inline char *fixture_folder(void) {
    char name[] = "/tmp/pbt_test_train_XXXXXX";
    assert_non_null(mkdtemp(name));
    return strdup(name);
}

static inline void fixture_remove(char *folder) {
    char *command = pbt_string_format("rm -r '%s'", folder);
    assert_int_equal(system(command), 0);
    free(command);
    free(folder);
}

#endif
