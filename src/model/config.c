/* config.json of Hugging Face model folders. Whatever would change the numbers and is not known is refused.
 */
#include "model/config.h"

#include "base/file.h"
#include "model/gguf_config.h"
#include "model/quantization_config.h"
#include "model/rope_settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIG_LIMIT = 1 << 20 };

static pbt_code refuse(const char *file, const char *key, const char *found, const char *expected,
                       pbt_error *error) {
    return pbt_fail_at(error, PBT_BAD_INPUT, file, key, "expected %s, found \"%s\"", expected, found);
}

static pbt_code integer(const json_t *raw, const char *key, int64_t least, int64_t most, int64_t initial,
                        const char *file, int32_t *value, pbt_error *error) {
    int64_t number = initial;
    if (pbt_json_has(raw, key))
        PBT_TRY(pbt_json_integer(raw, key, least, most, file, NULL, &number, error));
    else if (initial < least)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, key, "expected a number, found nothing");
    *value = (int32_t)number;
    return PBT_OK;
}

static pbt_code number(const json_t *raw, const char *key, double initial, const char *file, double *value,
                       pbt_error *error) {
    *value = initial;
    if (pbt_json_has(raw, key)) PBT_TRY(pbt_json_number(raw, key, file, NULL, value, error));
    return PBT_OK;
}

static bool flag(const json_t *raw, const char *key, bool initial) {
    const json_t *value = json_object_get(raw, key);
    return json_is_boolean(value) ? json_is_true(value) : initial;
}

/* What transformers assumes of a missing key. 0: as many as there are heads. */
static const struct {
    int32_t kv_heads, positions;
} initials[] = {[PBT_LLAMA] = {0, 2048},
                [PBT_MISTRAL] = {8, 131072},
                [PBT_QWEN2] = {32, 32768},
                [PBT_QWEN3] = {32, 32768}};

static pbt_code architecture(const json_t *raw, const char *file, pbt_config *config, pbt_error *error) {
    static const struct {
        const char *type, *class;
        pbt_architecture architecture;
    } known[] = {{"llama", "LlamaForCausalLM", PBT_LLAMA},
                 {"mistral", "MistralForCausalLM", PBT_MISTRAL},
                 {"qwen2", "Qwen2ForCausalLM", PBT_QWEN2},
                 {"qwen3", "Qwen3ForCausalLM", PBT_QWEN3}};
    const char *expected = "one of llama, mistral, qwen2, qwen3";
    const char *type = json_string_value(json_object_get(raw, "model_type"));
    const json_t *classes = json_object_get(raw, "architectures");
    const char *class = json_string_value(json_array_get(classes, 0));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        bool type_fits = type && strcmp(type, known[i].type) == 0;
        bool class_fits = class && strcmp(class, known[i].class) == 0;
        if (type ? !type_fits : !class_fits) continue;
        if (class && !class_fits) return refuse(file, "architectures", class, known[i].class, error);
        config->architecture = known[i].architecture;
        return PBT_OK;
    }
    return refuse(file, "model_type", type ? type : class ? class : "nothing", expected, error);
}

static pbt_code end_tokens(const json_t *value, const char *file, pbt_config *config, pbt_error *error) {
    if (!value || json_is_null(value)) return PBT_OK;
    config->n_eos = 0;
    size_t n = json_is_array(value) ? json_array_size(value) : 1;
    if (n > PBT_MAX_EOS)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, "eos_token_id",
                           "expected at most %d tokens, found %zu", PBT_MAX_EOS, n);
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_is_array(value) ? json_array_get(value, i) : value;
        json_int_t id = json_integer_value(item);
        if (!json_is_integer(item) || id < 0 || id >= config->vocab_size)
            return pbt_fail_at(error, PBT_BAD_INPUT, file, "eos_token_id",
                               "expected an id of 0 to %d or a list of such", config->vocab_size - 1);
        config->eos_token_ids[config->n_eos++] = (int32_t)id;
    }
    return PBT_OK;
}

static void special(const json_t *raw, const char *key, const pbt_config *config, int32_t *id) {
    const json_t *value = json_object_get(raw, key);
    json_int_t n = json_integer_value(value);
    *id = json_is_integer(value) && n >= 0 && n < config->vocab_size ? (int32_t)n : -1;
}

/* Qwen's layers from max_window_layers on, or as layer_types says, see only the window. */
static pbt_code window_layers(const json_t *raw, const char *file, pbt_config *config, pbt_error *error) {
    const json_t *types = json_object_get(raw, "layer_types");
    int32_t first = 28;
    PBT_TRY(integer(raw, "max_window_layers", 0, INT32_MAX, 28, file, &first, error));
    bool listed = json_is_array(types);
    if (listed && json_array_size(types) != (size_t)config->n_layers)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, "layer_types", "expected %d entries, found %zu",
                           config->n_layers, json_array_size(types));
    bool any = false;
    for (int32_t l = 0; l < config->n_layers; l++) {
        const char *type = listed       ? json_string_value(json_array_get(types, (size_t)l))
                           : l >= first ? "sliding_attention"
                                        : "full_attention";
        bool sliding = type && strcmp(type, "sliding_attention") == 0;
        if (!sliding && (!type || strcmp(type, "full_attention") != 0))
            return refuse(file, "layer_types", type ? type : "no text", "full_attention or sliding_attention",
                          error);
        config->full_attention[l] = !sliding;
        any = any || sliding;
    }
    if (!any) {
        config->sliding_window = 0;
    } else if (config->sliding_window == 0) {
        return pbt_fail_at(error, PBT_BAD_INPUT, file, "layer_types",
                           "names sliding_attention, but no sliding_window is in use");
    }
    return PBT_OK;
}

static pbt_code sliding_window(const json_t *raw, const char *file, pbt_config *config, pbt_error *error) {
    bool qwen = config->architecture == PBT_QWEN2 || config->architecture == PBT_QWEN3;
    if (config->architecture == PBT_LLAMA) return PBT_OK;
    /* null means none; where the key is missing, transformers' own default counts. */
    bool none = json_is_null(json_object_get(raw, "sliding_window"));
    if (!none && (!qwen || flag(raw, "use_sliding_window", false)))
        PBT_TRY(integer(raw, "sliding_window", 1, INT32_MAX, 4096, file, &config->sliding_window, error));
    return qwen ? window_layers(raw, file, config, error) : PBT_OK;
}

static pbt_code switches(const json_t *raw, const char *file, pbt_config *config, pbt_error *error) {
    const char *activation = json_string_value(json_object_get(raw, "hidden_act"));
    if (activation && strcmp(activation, "silu") != 0)
        return refuse(file, "hidden_act", activation, "silu", error);
    PBT_TRY(pbt_quantization_config_read(raw, file, config, error));
    bool bias = config->architecture == PBT_QWEN2;
    bool asked = config->architecture != PBT_MISTRAL && flag(raw, "attention_bias", false);
    config->attention_bias = bias || asked;
    config->output_bias = !bias && config->attention_bias;
    config->mlp_bias = config->architecture == PBT_LLAMA && flag(raw, "mlp_bias", false);
    config->qk_norm = config->architecture == PBT_QWEN3;
    config->tie_word_embeddings = flag(raw, "tie_word_embeddings", false);
    const char *dtype = json_string_value(json_object_get(raw, "torch_dtype"));
    if (!dtype) dtype = json_string_value(json_object_get(raw, "dtype"));
    snprintf(config->torch_dtype, sizeof config->torch_dtype, "%s", dtype ? dtype : "float32");
    return PBT_OK;
}

static pbt_code shape(const json_t *raw, const char *file, pbt_config *c, pbt_error *error) {
    PBT_TRY(integer(raw, "hidden_size", 1, 1 << 20, 0, file, &c->hidden_size, error));
    PBT_TRY(integer(raw, "intermediate_size", 1, 1 << 22, 0, file, &c->intermediate_size, error));
    PBT_TRY(integer(raw, "num_hidden_layers", 1, PBT_MAX_LAYERS, 0, file, &c->n_layers, error));
    PBT_TRY(integer(raw, "num_attention_heads", 1, 4096, 0, file, &c->n_heads, error));
    bool absent = !json_object_get(raw, "num_key_value_heads");
    int32_t groups = absent ? initials[c->architecture].kv_heads : 0;
    PBT_TRY(integer(raw, "num_key_value_heads", 1, 4096, groups ? groups : c->n_heads, file, &c->n_kv_heads,
                    error));
    if (c->n_heads % c->n_kv_heads != 0 || c->n_heads / c->n_kv_heads > 64)
        return pbt_fail_at(
            error, PBT_BAD_INPUT, file, "num_key_value_heads",
            "expected a divisor of num_attention_heads %d with a quotient of at most 64, found %d",
            c->n_heads, c->n_kv_heads);
    if (!pbt_json_has(raw, "head_dim") && c->hidden_size % c->n_heads != 0)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, "hidden_size",
                           "expected a multiple of num_attention_heads %d, found %d", c->n_heads,
                           c->hidden_size);
    PBT_TRY(integer(raw, "head_dim", 2, 4096,
                    c->architecture == PBT_QWEN3 ? 128 : c->hidden_size / c->n_heads, file, &c->head_dim,
                    error));
    /* Without the key it follows from hidden_size and num_attention_heads, and may be anything. */
    if (c->head_dim < 2 || c->head_dim > 4096 || c->head_dim % 2 != 0)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, "head_dim",
                           "expected an even number from 2 to 4096, found %d", c->head_dim);
    PBT_TRY(integer(raw, "vocab_size", 1, 1 << 24, 0, file, &c->vocab_size, error));
    PBT_TRY(integer(raw, "max_position_embeddings", 1, INT32_MAX, initials[c->architecture].positions, file,
                    &c->max_position_embeddings, error));
    PBT_TRY(number(raw, "rms_norm_eps", 1e-6, file, &c->rms_norm_eps, error));
    if (!(c->rms_norm_eps >= 0 && c->rms_norm_eps < 1))
        return pbt_fail_at(error, PBT_BAD_INPUT, file, "rms_norm_eps", "expected 0 to 1, found %g",
                           c->rms_norm_eps);
    return PBT_OK;
}

pbt_code pbt_config_parse(json_t *raw, const char *file, pbt_config *config, pbt_error *error) {
    *config = (pbt_config){0};
    if (!json_is_object(raw)) return pbt_fail_at(error, PBT_BAD_INPUT, file, NULL, "expected a JSON object");
    PBT_TRY(architecture(raw, file, config, error));
    PBT_TRY(shape(raw, file, config, error));
    PBT_TRY(pbt_rope_parse(raw, file, config, error));
    PBT_TRY(switches(raw, file, config, error));
    PBT_TRY(sliding_window(raw, file, config, error));
    special(raw, "bos_token_id", config, &config->bos_token_id);
    special(raw, "pad_token_id", config, &config->pad_token_id);
    PBT_TRY(end_tokens(json_object_get(raw, "eos_token_id"), file, config, error));
    config->raw = json_incref(raw);
    return PBT_OK;
}

/* An adapter given where a model belongs: common enough to say what to do instead. */
static pbt_code not_an_adapter(const char *folder, const char *path, pbt_error *error) {
    char *file = pbt_path_join(folder, "adapter_config.json");
    json_t *raw = NULL;
    pbt_code code = file ? PBT_OK : pbt_fail_memory(error, strlen(folder), "a path");
    if (code == PBT_OK && !pbt_file_exists(path) && pbt_file_exists(file)) {
        const char *base = NULL;
        if (pbt_json_read(file, CONFIG_LIMIT, &raw, NULL) == PBT_OK)
            base = json_string_value(json_object_get(raw, "base_model_name_or_path"));
        code =
            pbt_fail_at(error, PBT_BAD_INPUT, folder, NULL,
                        "this is an adapter, not a model; give the model it was trained on (%.300s) and the "
                        "adapter with --adapter %.300s",
                        base && *base ? base : "its adapter_config.json does not say which", folder);
    }
    json_decref(raw);
    free(file);
    return code;
}

static pbt_code read_gguf(const char *path, pbt_config *config, pbt_error *error) {
    json_t *raw;
    PBT_TRY(pbt_gguf_config_json(path, &raw, error));
    pbt_code code = pbt_config_parse(raw, path, config, error);
    json_decref(raw);
    if (code != PBT_OK) pbt_config_free(config);
    return code;
}

pbt_code pbt_config_read(const char *folder, pbt_config *config, pbt_error *error) {
    *config = (pbt_config){0};
    if (pbt_gguf_is(folder)) return read_gguf(folder, config, error);
    char *path = pbt_path_join(folder, "config.json"),
         *more = pbt_path_join(folder, "generation_config.json");
    json_t *raw = NULL, *generation = NULL;
    pbt_code code = PBT_OK;
    if (!path || !more) code = pbt_fail_memory(error, 0, "a path");
    if (code == PBT_OK && !pbt_folder_exists(folder))
        code = pbt_fail_at(error, PBT_BAD_INPUT, folder, NULL, "expected a model folder, found none");
    if (code == PBT_OK) code = not_an_adapter(folder, path, error);
    if (code == PBT_OK) code = pbt_json_read(path, CONFIG_LIMIT, &raw, error);
    if (code == PBT_OK) code = pbt_config_parse(raw, path, config, error);
    if (code == PBT_OK && pbt_file_exists(more)) {
        code = pbt_json_read(more, CONFIG_LIMIT, &generation, error);
        if (code == PBT_OK)
            code = end_tokens(json_object_get(generation, "eos_token_id"), more, config, error);
    }
    json_decref(raw);
    json_decref(generation);
    free(path);
    free(more);
    if (code != PBT_OK) pbt_config_free(config);
    return code;
}

void pbt_config_free(pbt_config *config) {
    json_decref(config->raw);
    config->raw = NULL;
}

int64_t pbt_config_positions(const pbt_config *config) {
    const pbt_rope *rope = &config->rope;
    int64_t positions = config->max_position_embeddings;
    /* config.json of a stretched model names either length. */
    double from = rope->type == PBT_ROPE_YARN     ? (double)rope->original_max_position_embeddings
                  : rope->type == PBT_ROPE_LINEAR ? (double)positions
                                                  : 0,
           stretched = from * rope->factor;
    return stretched > (double)positions && stretched < 1e15 ? (int64_t)stretched : positions;
}

int32_t pbt_config_window(const pbt_config *config, int32_t layer) {
    return config->full_attention[layer] ? 0 : config->sliding_window;
}
