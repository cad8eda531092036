/* config.json of Hugging Face model folders. Whatever would change the numbers and is not known is refused.
 */
#include "model/config.h"

#include "base/file.h"
#include "model/bitsandbytes.h"

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

static pbt_code rope_type(const json_t *scaling, const char *file, pbt_rope *rope, pbt_error *error) {
    static const char *const names[] = {"default", "linear", "llama3", "yarn"};
    const char *name = json_string_value(json_object_get(scaling, "rope_type"));
    if (!name) name = json_string_value(json_object_get(scaling, "type"));
    if (!name) return PBT_OK;
    for (int i = 0; i < 4; i++)
        if (strcmp(name, names[i]) == 0) {
            rope->type = (pbt_rope_type)i;
            return PBT_OK;
        }
    return refuse(file, "rope_scaling", name, "a rope_type of default, linear, llama3 or yarn", error);
}

static pbt_code rope(const json_t *raw, const char *file, pbt_config *config, pbt_error *error) {
    pbt_rope *r = &config->rope;
    const json_t *scaling = json_object_get(raw, "rope_scaling");
    const json_t *parameters = json_object_get(raw, "rope_parameters");
    if (!json_is_object(scaling)) scaling = json_is_object(parameters) ? parameters : NULL;
    PBT_TRY(number(raw, "rope_theta", 10000, file, &r->theta, error));
    PBT_TRY(number(parameters ? parameters : raw, "rope_theta", r->theta, file, &r->theta, error));
    if (!(r->theta > 0)) return pbt_fail_at(error, PBT_BAD_INPUT, file, "rope_theta", "expected more than 0");
    r->attention_factor = -1;
    r->truncate = true;
    if (!scaling) return PBT_OK;
    PBT_TRY(rope_type(scaling, file, r, error));
    if (r->type == PBT_ROPE_DEFAULT) return PBT_OK;
    PBT_TRY(number(scaling, "factor", 0, file, &r->factor, error));
    if (!(r->factor > 0))
        return pbt_fail_at(error, PBT_BAD_INPUT, file, "rope_scaling", "expected a factor above 0, found %g",
                           r->factor);
    double original = config->max_position_embeddings;
    PBT_TRY(number(scaling, "original_max_position_embeddings", original, file, &original, error));
    if (!(original >= 1 && original < 1e12))
        return pbt_fail_at(error, PBT_BAD_INPUT, file, "rope_scaling",
                           "expected original_max_position_embeddings of 1 or more, found %g", original);
    r->original_max_position_embeddings = (int64_t)original;
    PBT_TRY(number(scaling, "low_freq_factor", 1, file, &r->low_freq_factor, error));
    PBT_TRY(number(scaling, "high_freq_factor", 4, file, &r->high_freq_factor, error));
    PBT_TRY(number(scaling, "attention_factor", -1, file, &r->attention_factor, error));
    PBT_TRY(number(scaling, "beta_fast", 32, file, &r->beta_fast, error));
    PBT_TRY(number(scaling, "beta_slow", 1, file, &r->beta_slow, error));
    PBT_TRY(number(scaling, "mscale", 0, file, &r->mscale, error));
    PBT_TRY(number(scaling, "mscale_all_dim", 0, file, &r->mscale_all_dim, error));
    r->truncate = flag(scaling, "truncate", true);
    if (r->type == PBT_ROPE_LLAMA3 && !(r->low_freq_factor > 0 && r->high_freq_factor > r->low_freq_factor))
        return pbt_fail_at(error, PBT_BAD_INPUT, file, "rope_scaling",
                           "expected 0 < low_freq_factor < high_freq_factor, found %g and %g",
                           r->low_freq_factor, r->high_freq_factor);
    return PBT_OK;
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

static pbt_code sliding_window(const json_t *raw, const char *file, pbt_config *config, pbt_error *error) {
    bool qwen = config->architecture == PBT_QWEN2 || config->architecture == PBT_QWEN3;
    if (config->architecture == PBT_LLAMA || !pbt_json_has(raw, "sliding_window")) return PBT_OK;
    if (qwen && !flag(raw, "use_sliding_window", false)) return PBT_OK;
    if (qwen)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, "use_sliding_window",
                           "a sliding window on some layers only is not supported; expected false");
    return integer(raw, "sliding_window", 1, INT32_MAX, 0, file, &config->sliding_window, error);
}

static pbt_code switches(const json_t *raw, const char *file, pbt_config *config, pbt_error *error) {
    const char *activation = json_string_value(json_object_get(raw, "hidden_act"));
    if (activation && strcmp(activation, "silu") != 0)
        return refuse(file, "hidden_act", activation, "silu", error);
    PBT_TRY(pbt_bitsandbytes_config(raw, file, config, error));
    bool bias = config->architecture == PBT_QWEN2;
    config->attention_bias = bias || flag(raw, "attention_bias", false);
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
    PBT_TRY(integer(raw, "num_key_value_heads", 1, 4096, c->n_heads, file, &c->n_kv_heads, error));
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
    if (c->head_dim < 2 || c->head_dim % 2 != 0)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, "head_dim", "expected an even number, found %d",
                           c->head_dim);
    PBT_TRY(integer(raw, "vocab_size", 1, 1 << 24, 0, file, &c->vocab_size, error));
    PBT_TRY(integer(raw, "max_position_embeddings", 1, INT32_MAX, 2048, file, &c->max_position_embeddings,
                    error));
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
    PBT_TRY(rope(raw, file, config, error));
    PBT_TRY(switches(raw, file, config, error));
    PBT_TRY(sliding_window(raw, file, config, error));
    special(raw, "bos_token_id", config, &config->bos_token_id);
    special(raw, "pad_token_id", config, &config->pad_token_id);
    PBT_TRY(end_tokens(json_object_get(raw, "eos_token_id"), file, config, error));
    config->raw = json_incref(raw);
    return PBT_OK;
}

pbt_code pbt_config_read(const char *folder, pbt_config *config, pbt_error *error) {
    *config = (pbt_config){0};
    char *path = pbt_path_join(folder, "config.json"),
         *more = pbt_path_join(folder, "generation_config.json");
    json_t *raw = NULL, *generation = NULL;
    pbt_code code = PBT_OK;
    if (!path || !more) code = pbt_fail_memory(error, 0, "a path");
    if (code == PBT_OK && !pbt_folder_exists(folder))
        code = pbt_fail_at(error, PBT_BAD_INPUT, folder, NULL, "expected a model folder, found none");
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

int64_t pbt_config_parameters(const pbt_config *c) {
    int64_t D = c->hidden_size, Q = (int64_t)c->n_heads * c->head_dim,
            K = (int64_t)c->n_kv_heads * c->head_dim, F = c->intermediate_size;
    int64_t layer = D * Q * 2 + D * K * 2 + D * F * 3 + 2 * D;
    if (c->attention_bias) layer += Q + 2 * K;
    if (c->output_bias) layer += D;
    if (c->mlp_bias) layer += 2 * F + D;
    if (c->qk_norm) layer += 2 * c->head_dim;
    return layer * c->n_layers + D + D * c->vocab_size * (c->tie_word_embeddings ? 1 : 2);
}
