#include "model/gguf_config.h"

#include "base/memory.h"
#include "gguf/gguf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- metadata to config.json ---- */

typedef struct source {
    const pbt_gguf *file;
    const char *path;
    char architecture[32];
    json_t *config;
} source;

static const pbt_gguf_value *own_value(const source *s, const char *name) {
    char key[128];
    snprintf(key, sizeof key, "%s.%s", s->architecture, name);
    return pbt_gguf_find(s->file, key);
}

static pbt_code no_value(const source *s, const char *name, const char *expected, pbt_error *error) {
    return pbt_fail_at(error, PBT_BAD_INPUT, s->path, name, "%s.%s: expected %s", s->architecture, name,
                       expected);
}

/* A number that is the same for every layer; arrays of equal ones count as one. */
static pbt_code own_integer(const source *s, const char *name, int64_t initial, int64_t *out,
                            pbt_error *error) {
    const pbt_gguf_value *value = own_value(s, name);
    *out = initial;
    if (!value) return initial >= 0 ? PBT_OK : no_value(s, name, "a number, found none", error);
    for (uint64_t i = 0; i < value->count; i++) {
        int64_t each;
        if (!pbt_gguf_integer(value, i, &each) || each < 0 || each > INT32_MAX)
            return no_value(s, name, "a whole number", error);
        if (i > 0 && each != *out) return no_value(s, name, "the same number for every layer", error);
        *out = each;
    }
    return value->count ? PBT_OK : no_value(s, name, "a number, found an empty list", error);
}

static pbt_code set(const source *s, const char *key, json_t *value, pbt_error *error) {
    return value && json_object_set_new(s->config, key, value) == 0
               ? PBT_OK
               : pbt_fail_memory(error, 0, "a configuration");
}

static pbt_code copy_integer(const source *s, const char *name, const char *key, int64_t initial,
                             pbt_error *error) {
    int64_t value;
    PBT_TRY(own_integer(s, name, initial, &value, error));
    return set(s, key, json_integer(value), error);
}

static pbt_code copy_number(const source *s, const char *name, const char *key, double initial,
                            pbt_error *error) {
    const pbt_gguf_value *given = own_value(s, name);
    double value = initial;
    if ((given && !pbt_gguf_number(given, 0, &value)) || !(value > 0) || isinf(value))
        return no_value(s, name, "a positive number", error);
    /* A single-precision 1e-05 is meant as 1e-5. */
    char text[32];
    snprintf(text, sizeof text, "%.7g", value);
    return set(s, key, json_real(strtod(text, NULL)), error);
}

static const pbt_gguf_tensor *tensor_named(const pbt_gguf *file, const char *name) {
    for (size_t p = 0; p < file->n_parts; p++)
        for (size_t i = 0; i < file->parts[p].n_tensors; i++)
            if (strcmp(file->parts[p].tensors[i].name, name) == 0) return &file->parts[p].tensors[i];
    return NULL;
}

/* ---- rotary embeddings ---- */

/* The factor by which Llama 3.1's rule stretches the wave of pair i. */
static double llama3_factor(double theta, int64_t head_dim, int64_t i, double factor) {
    double wave = 2 * 3.14159265358979323846 * pow(theta, 2.0 * (double)i / (double)head_dim),
           original = 8192;
    if (wave < original / 4) return 1;
    if (wave > original) return factor;
    double smooth = (original / wave - 1) / (4 - 1);
    return 1 / ((1 - smooth) / factor + smooth);
}

/* rope_freqs.weight holds Llama 3's scaling as numbers: recognised by the factor they end with. */
static pbt_code llama3_scaling(const source *s, const pbt_gguf_tensor *t, pbt_error *error) {
    double theta = json_number_value(json_object_get(s->config, "rope_theta")), factor = 1;
    int64_t head_dim = json_integer_value(json_object_get(s->config, "head_dim"));
    bool same = t->type == PBT_BLOCK_F32 && t->n_dimensions == 1 && 2 * t->shape[0] == head_dim;
    for (int64_t i = 0; same && i < t->shape[0]; i++) {
        float value;
        pbt_block_floats(t->type, t->data + 4 * i, 1, &value);
        if ((double)value > factor) factor = (double)value;
    }
    for (int64_t i = 0; same && i < t->shape[0]; i++) {
        float value;
        pbt_block_floats(t->type, t->data + 4 * i, 1, &value);
        same = fabs((double)value / llama3_factor(theta, head_dim, i, factor) - 1) < 1e-4;
    }
    if (!same)
        return pbt_fail_at(
            error, PBT_BAD_INPUT, s->path, t->name,
            "expected the factors of Llama 3's rotary scaling (low 1, high 4, 8192 positions), found "
            "others");
    return set(s, "rope_scaling",
               json_pack("{s:s, s:f, s:f, s:f, s:i}", "rope_type", "llama3", "factor", factor,
                         "low_freq_factor", 1.0, "high_freq_factor", 4.0, "original_max_position_embeddings",
                         8192),
               error);
}

static pbt_code rope_scaling(const source *s, pbt_error *error) {
    pbt_gguf_string type = {"none", 4};
    double factor = 1;
    int64_t original;
    const pbt_gguf_tensor *factors = tensor_named(s->file, "rope_freqs.weight");
    pbt_gguf_text(own_value(s, "rope.scaling.type"), &type);
    pbt_gguf_number(own_value(s, "rope.scaling.factor"), 0, &factor);
    bool linear = type.length == 6 && memcmp(type.bytes, "linear", 6) == 0,
         yarn = type.length == 4 && memcmp(type.bytes, "yarn", 4) == 0;
    if (factors) return llama3_scaling(s, factors, error);
    if (type.length == 4 && memcmp(type.bytes, "none", 4) == 0) return PBT_OK;
    if (!linear && !yarn)
        return pbt_fail_at(error, PBT_BAD_INPUT, s->path, "rope.scaling.type",
                           "\"%.*s\" is not known (known: none, linear, yarn)",
                           (int)(type.length < 40 ? type.length : 40), type.bytes);
    if (linear)
        return set(s, "rope_scaling", json_pack("{s:s, s:f}", "rope_type", "linear", "factor", factor),
                   error);
    PBT_TRY(own_integer(s, "rope.scaling.original_context_length", -1, &original, error));
    return set(s, "rope_scaling",
               json_pack("{s:s, s:f, s:I}", "rope_type", "yarn", "factor", factor,
                         "original_max_position_embeddings", (json_int_t)original),
               error);
}

/* ---- the whole ---- */

static pbt_code find_architecture(source *s, pbt_error *error) {
    static const char *const known[] = {"llama", "qwen2", "qwen3"};
    pbt_gguf_string name;
    if (!pbt_gguf_text(pbt_gguf_find(s->file, "general.architecture"), &name))
        return pbt_fail_at(error, PBT_BAD_INPUT, s->path, "general.architecture",
                           "expected a name, found none");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (name.length != strlen(known[i]) || memcmp(name.bytes, known[i], name.length) != 0) continue;
        snprintf(s->architecture, sizeof s->architecture, "%s", known[i]);
        return PBT_OK;
    }
    return pbt_fail_at(error, PBT_BAD_INPUT, s->path, "general.architecture",
                       "\"%.*s\" is not known (known: llama, qwen2, qwen3)",
                       (int)(name.length < 60 ? name.length : 60), name.bytes);
}

static pbt_code shape(const source *s, pbt_error *error) {
    int64_t heads, width, key, value, experts;
    PBT_TRY(own_integer(s, "expert_count", 0, &experts, error));
    if (experts > 0)
        return pbt_fail_at(error, PBT_BAD_INPUT, s->path, "expert_count",
                           "mixtures of experts are not known");
    PBT_TRY(copy_integer(s, "embedding_length", "hidden_size", -1, error));
    PBT_TRY(copy_integer(s, "feed_forward_length", "intermediate_size", -1, error));
    PBT_TRY(copy_integer(s, "block_count", "num_hidden_layers", -1, error));
    PBT_TRY(copy_integer(s, "context_length", "max_position_embeddings", -1, error));
    PBT_TRY(own_integer(s, "attention.head_count", -1, &heads, error));
    PBT_TRY(set(s, "num_attention_heads", json_integer(heads), error));
    PBT_TRY(copy_integer(s, "attention.head_count_kv", "num_key_value_heads", heads, error));
    width = json_integer_value(json_object_get(s->config, "hidden_size"));
    PBT_TRY(own_integer(s, "attention.key_length", heads ? width / heads : 0, &key, error));
    PBT_TRY(own_integer(s, "attention.value_length", key, &value, error));
    if (key != value)
        return pbt_fail_at(error, PBT_BAD_INPUT, s->path, "attention.value_length",
                           "is %lld and the key's %lld; expected the same", (long long)value, (long long)key);
    PBT_TRY(set(s, "head_dim", json_integer(key), error));
    PBT_TRY(own_integer(s, "rope.dimension_count", key, &value, error));
    if (key != value)
        return pbt_fail_at(error, PBT_BAD_INPUT, s->path, "rope.dimension_count",
                           "is %lld of %lld; partial rotation is not known", (long long)value,
                           (long long)key);
    return PBT_OK;
}

static pbt_code special_ids(const source *s, pbt_error *error) {
    static const char *const ends[] = {"eos", "eot", "eom"};
    json_t *list = json_array();
    pbt_code code = list ? PBT_OK : pbt_fail_memory(error, 0, "a configuration");
    for (size_t i = 0; i < 3 && code == PBT_OK; i++) {
        char key[64];
        int64_t id;
        bool known = false;
        snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", ends[i]);
        if (!pbt_gguf_integer(pbt_gguf_find(s->file, key), 0, &id)) continue;
        for (size_t k = 0; k < json_array_size(list); k++)
            known = known || json_integer_value(json_array_get(list, k)) == id;
        if (!known && json_array_append_new(list, json_integer(id)) != 0)
            code = pbt_fail_memory(error, 0, "a configuration");
    }
    size_t n = json_array_size(list);
    if (code == PBT_OK && n > 0)
        code =
            set(s, "eos_token_id", n == 1 ? json_incref(json_array_get(list, 0)) : json_incref(list), error);
    json_decref(list);
    int64_t id;
    if (code == PBT_OK && pbt_gguf_integer(pbt_gguf_find(s->file, "tokenizer.ggml.bos_token_id"), 0, &id))
        code = set(s, "bos_token_id", json_integer(id), error);
    return code;
}

static pbt_code fill(source *s, pbt_error *error) {
    static const struct {
        const char *architecture, *model_type, *class;
    } names[] = {{"llama", "llama", "LlamaForCausalLM"},
                 {"qwen2", "qwen2", "Qwen2ForCausalLM"},
                 {"qwen3", "qwen3", "Qwen3ForCausalLM"}};
    PBT_TRY(find_architecture(s, error));
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(s->architecture, names[i].architecture) != 0) continue;
        PBT_TRY(set(s, "architectures", json_pack("[s]", names[i].class), error));
        PBT_TRY(set(s, "model_type", json_string(names[i].model_type), error));
    }
    const pbt_gguf_tensor *embedding = tensor_named(s->file, "token_embd.weight");
    if (!embedding || embedding->n_dimensions != 2)
        return pbt_fail_at(error, PBT_BAD_INPUT, s->path, "token_embd.weight",
                           "expected a matrix, found none");
    PBT_TRY(set(s, "vocab_size", json_integer(embedding->shape[0]), error));
    PBT_TRY(set(s, "hidden_act", json_string("silu"), error));
    PBT_TRY(shape(s, error));
    PBT_TRY(copy_number(s, "attention.layer_norm_rms_epsilon", "rms_norm_eps", -1, error));
    PBT_TRY(copy_number(s, "rope.freq_base", "rope_theta", 10000, error));
    PBT_TRY(rope_scaling(s, error));
    PBT_TRY(set(s, "tie_word_embeddings", json_boolean(!tensor_named(s->file, "output.weight")), error));
    if (strcmp(s->architecture, "llama") == 0) {
        PBT_TRY(set(s, "attention_bias", json_boolean(tensor_named(s->file, "blk.0.attn_q.bias")), error));
        PBT_TRY(set(s, "mlp_bias", json_boolean(tensor_named(s->file, "blk.0.ffn_gate.bias")), error));
    }
    PBT_TRY(special_ids(s, error));
    /* Of matrices that are not quantised; blocks become floats. */
    const char *type = embedding->type == PBT_BLOCK_F16    ? "float16"
                       : embedding->type == PBT_BLOCK_BF16 ? "bfloat16"
                                                           : "float32";
    return set(s, "torch_dtype", json_string(type), error);
}

pbt_code pbt_gguf_config_json(const char *path, json_t **config, pbt_error *error) {
    pbt_gguf file;
    *config = NULL;
    PBT_TRY(pbt_gguf_open(path, &file, error));
    source s = {.file = &file, .path = path, .config = json_object()};
    pbt_code code = s.config ? fill(&s, error) : pbt_fail_memory(error, 0, "a configuration");
    pbt_gguf_close(&file);
    if (code == PBT_OK)
        *config = s.config;
    else
        json_decref(s.config);
    return code;
}

pbt_code pbt_gguf_heads_of(const pbt_gguf *file, const char *path, pbt_gguf_heads *heads, pbt_error *error) {
    source s = {.file = file, .path = path};
    PBT_TRY(find_architecture(&s, error));
    heads->interleaved = strcmp(s.architecture, "llama") == 0;
    PBT_TRY(own_integer(&s, "attention.head_count", -1, &heads->query, error));
    return own_integer(&s, "attention.head_count_kv", heads->query, &heads->key, error);
}
