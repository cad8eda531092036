#include "plan/known_models.h"

#include "base/file.h"
#include "base/hub.h"

#include <stdlib.h>
#include <string.h>

#define LLAMA3_ROPE                                                                                          \
    "\"rope_theta\": 500000.0, \"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8.0, "              \
    "\"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0, \"original_max_position_embeddings\": 8192}"
#define LLAMA_8B                                                                                             \
    "{\"model_type\": \"llama\", \"hidden_size\": 4096, \"intermediate_size\": 14336, "                      \
    "\"num_hidden_layers\": 32, \"num_attention_heads\": 32, \"num_key_value_heads\": 8, "                   \
    "\"vocab_size\": 128256, \"max_position_embeddings\": 131072, \"rms_norm_eps\": 1e-05, "                 \
    "\"torch_dtype\": \"bfloat16\", \"eos_token_id\": [128001, 128008, 128009], " LLAMA3_ROPE "}"
#define LLAMA_70B                                                                                            \
    "{\"model_type\": \"llama\", \"hidden_size\": 8192, \"intermediate_size\": 28672, "                      \
    "\"num_hidden_layers\": 80, \"num_attention_heads\": 64, \"num_key_value_heads\": 8, "                   \
    "\"vocab_size\": 128256, \"max_position_embeddings\": 131072, \"rms_norm_eps\": 1e-05, "                 \
    "\"torch_dtype\": \"bfloat16\", \"eos_token_id\": [128001, 128008, 128009], " LLAMA3_ROPE "}"
#define MISTRAL_7B                                                                                           \
    "{\"model_type\": \"mistral\", \"hidden_size\": 4096, \"intermediate_size\": 14336, "                    \
    "\"num_hidden_layers\": 32, \"num_attention_heads\": 32, \"num_key_value_heads\": 8, "                   \
    "\"vocab_size\": 32000, \"max_position_embeddings\": 32768, \"rms_norm_eps\": 1e-05, "                   \
    "\"torch_dtype\": \"bfloat16\", \"eos_token_id\": 2, \"rope_theta\": 1000000.0, "                        \
    "\"sliding_window\": null}"
#define SMOLLM2(hidden, feed_forward, layers, heads, groups)                                                 \
    "{\"model_type\": \"llama\", \"hidden_size\": " #hidden ", \"intermediate_size\": " #feed_forward        \
    ", \"num_hidden_layers\": " #layers ", \"num_attention_heads\": " #heads                                 \
    ", \"num_key_value_heads\": " #groups ", \"vocab_size\": 49152, \"max_position_embeddings\": 8192, "     \
    "\"rms_norm_eps\": 1e-05, \"torch_dtype\": \"bfloat16\", \"eos_token_id\": 2, "                          \
    "\"rope_theta\": 100000, \"tie_word_embeddings\": true}"

static const struct {
    const char *id, *config;
} known_models[] = {
    {"meta-llama/Llama-3.1-8B-Instruct", LLAMA_8B},
    {"meta-llama/Meta-Llama-3.1-8B-Instruct", LLAMA_8B},
    {"meta-llama/Llama-3.1-70B-Instruct", LLAMA_70B},
    {"meta-llama/Meta-Llama-3.1-70B-Instruct", LLAMA_70B},
    {"mistralai/Mistral-7B-Instruct-v0.2", MISTRAL_7B},
    {"HuggingFaceTB/SmolLM2-135M-Instruct", SMOLLM2(576, 1536, 30, 9, 3)},
    {"HuggingFaceTB/SmolLM2-360M-Instruct", SMOLLM2(960, 2560, 32, 15, 5)},
};

static const char *shape_of(const char *model) {
    size_t length = strcspn(model, "@");
    for (size_t i = 0; i < sizeof known_models / sizeof *known_models; i++) {
        const char *id = known_models[i].id;
        if (strlen(id) == length && strncmp(id, model, length) == 0) return known_models[i].config;
    }
    return NULL;
}

pbt_code pbt_known_config(const char *model, pbt_config *config, bool *known, pbt_error *error) {
    char *folder;
    pbt_error missing = {0};
    json_t *raw = NULL;
    *known = false;
    if (pbt_hub_folder(model, &folder, &missing) == PBT_OK) {
        pbt_code code = pbt_config_read(folder, config, error);
        free(folder);
        return code;
    }
    const char *shape = shape_of(model);
    if (!shape) {
        if (error) *error = missing;
        return missing.code;
    }
    *known = true;
    PBT_TRY(pbt_json_parse(shape, strlen(shape), model, NULL, &raw, error));
    pbt_code code = pbt_config_parse(raw, model, config, error);
    json_decref(raw);
    return code;
}
