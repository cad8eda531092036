#include "model/adapter_config.h"

#include "base/text.h"
#include "model/module_name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- what is refused ---- */

static bool empty(const json_t *value) {
    return !value || json_is_null(value) || json_is_false(value) ||
           (json_is_string(value) && *json_string_value(value) == '\0') ||
           ((json_is_array(value) || json_is_object(value)) &&
            json_array_size(value) + json_object_size(value) == 0);
}

/* Ways to begin that change the base's weights: the stored pairs belong to those, not to the base. */
static pbt_code refuse_beginnings(const json_t *raw, const char *file, pbt_error *error) {
    static const char *const names[] = {"pissa", "olora", "corda", "loftq", "lora_ga"};
    const char *way = json_string_value(json_object_get(raw, "init_lora_weights"));
    for (size_t i = 0; way && i < sizeof names / sizeof *names; i++)
        if (strncasecmp(way, names[i], strlen(names[i])) == 0)
            return pbt_fail_at(
                error, PBT_BAD_INPUT, file, "init_lora_weights",
                "\"%s\" changes the base model's weights; expected an adapter converted to plain LoRA", way);
    return PBT_OK;
}

static pbt_code refuse_variants(const json_t *raw, const char *file, pbt_error *error) {
    static const char *const names[] = {"use_dora",          "use_qalora",
                                        "fan_in_fan_out",    "lora_bias",
                                        "use_bdlora",        "modules_to_save",
                                        "layer_replication", "trainable_token_indices",
                                        "target_parameters", "alora_invocation_tokens",
                                        "arrow_config",      "kasa_config",
                                        "velora_config",     "monteclora_config"};
    if (!json_is_object(raw)) return pbt_fail_at(error, PBT_BAD_INPUT, file, NULL, "expected a JSON object");
    const char *type = json_string_value(json_object_get(raw, "peft_type"));
    if (!type || strcmp(type, "LORA") != 0)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, "peft_type", "expected \"LORA\", found \"%s\"",
                           type ? type : "nothing");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const json_t *value = json_object_get(raw, names[i]);
        if (!empty(value))
            return pbt_fail_at(error, PBT_BAD_INPUT, file, names[i], "is not supported; expected %s",
                               json_is_true(value) ? "false" : "null");
    }
    const char *bias = json_string_value(json_object_get(raw, "bias"));
    if (bias && strcmp(bias, "none") != 0)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, "bias", "expected \"none\", found \"%s\"", bias);
    return refuse_beginnings(raw, file, error);
}

/* ---- settings ---- */

static pbt_code check_rank(double r, const char *file, const char *where, pbt_error *error) {
    if (r >= 1 && r <= 4096 && r == (double)(int32_t)r) return PBT_OK;
    return pbt_fail_at(error, PBT_BAD_INPUT, file, where, "expected a whole rank of 1 to 4096, found %g", r);
}

pbt_code pbt_adapter_config_read(pbt_adapter *adapter, const char *file, pbt_error *error) {
    const json_t *raw = adapter->raw;
    int64_t r;
    double alpha, dropout = 0;
    PBT_TRY(refuse_variants(raw, file, error));
    PBT_TRY(pbt_json_integer(raw, "r", 1, 4096, file, NULL, &r, error));
    PBT_TRY(pbt_json_number(raw, "lora_alpha", file, NULL, &alpha, error));
    if (pbt_json_has(raw, "lora_dropout"))
        PBT_TRY(pbt_json_number(raw, "lora_dropout", file, NULL, &dropout, error));
    if (!(dropout >= 0 && dropout < 1))
        return pbt_fail_at(error, PBT_BAD_INPUT, file, "lora_dropout",
                           "expected 0 or more and less than 1, found %g", dropout);
    adapter->settings = (pbt_adapter_settings){.r = (int32_t)r,
                                               .alpha = alpha,
                                               .dropout = dropout,
                                               .rslora = json_is_true(json_object_get(raw, "use_rslora"))};
    const char *base = json_string_value(json_object_get(raw, "base_model_name_or_path"));
    if (base && !(adapter->base_model = pbt_string_copy(base))) return pbt_fail_memory(error, 0, "a name");
    return PBT_OK;
}

/* ---- modules ---- */

/* One of the names, or an end of the module's name behind a dot. */
static bool listed(const json_t *list, const char *module) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        size_t length = name ? strlen(name) : 0, whole = strlen(module);
        if (!name || length > whole || strcmp(module + whole - length, name) != 0) continue;
        if (length == whole || module[whole - length - 1] == '.') return true;
    }
    return false;
}

/* A list of names, or a regular expression for the whole name. */
static pbt_code picked(const json_t *value, const char *key, const char *module, const char *file,
                       bool *result, pbt_error *error) {
    const char *text = json_string_value(value);
    if (text && strcasecmp(text, "all-linear") == 0 && strcmp(key, "target_modules") == 0) {
        *result = true;
        return PBT_OK;
    }
    if (text) return pbt_module_matches(text, PBT_PATTERN_WHOLE, module, file, key, result, error);
    if (!json_is_array(value))
        return pbt_fail_at(error, PBT_BAD_INPUT, file, key,
                           "expected a list of names or a regular expression");
    *result = listed(value, module);
    return PBT_OK;
}

/* layers_pattern names what stands before the layer's number; without one, anything may. */
static pbt_code layers_found(const json_t *raw, const char *file, bool *found, pbt_error *error) {
    const json_t *pattern = json_object_get(raw, "layers_pattern");
    size_t n = json_is_array(pattern) ? json_array_size(pattern) : 1;
    *found = empty(pattern);
    for (size_t i = 0; !*found && i < n; i++) {
        const char *text = json_string_value(json_is_array(pattern) ? json_array_get(pattern, i) : pattern);
        if (!text) return pbt_fail_at(error, PBT_BAD_INPUT, file, "layers_pattern", "expected text");
        PBT_TRY(pbt_module_matches(text, PBT_PATTERN_SUFFIX, "model.layers", file, "layers_pattern", found,
                                   error));
    }
    return PBT_OK;
}

static pbt_code layer_picked(const json_t *raw, int32_t layer, const char *file, bool *result,
                             pbt_error *error) {
    const json_t *layers = json_object_get(raw, "layers_to_transform");
    if (!layers || json_is_null(layers) || (json_is_array(layers) && json_array_size(layers) == 0))
        return PBT_OK;
    if (json_is_string(json_object_get(raw, "target_modules")))
        return pbt_fail_at(error, PBT_BAD_INPUT, file, "layers_to_transform",
                           "cannot go with target_modules as text; expected null");
    size_t n = json_is_array(layers) ? json_array_size(layers) : 1;
    bool found = false, named;
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_is_array(layers) ? json_array_get(layers, i) : layers;
        if (!json_is_integer(item))
            return pbt_fail_at(error, PBT_BAD_INPUT, file, "layers_to_transform",
                               "expected numbers of layers");
        found = found || json_integer_value(item) == layer;
    }
    PBT_TRY(layers_found(raw, file, &named, error));
    *result = found && named;
    return PBT_OK;
}

pbt_code pbt_adapter_config_targets(const json_t *raw, const char *module, int32_t layer, const char *file,
                                    pbt_targeted *targeted, pbt_error *error) {
    const json_t *targets = json_object_get(raw, "target_modules"),
                 *excluded = json_object_get(raw, "exclude_modules");
    bool is = false, out = false;
    *targeted = PBT_TARGET_UNSAID;
    if (!targets || json_is_null(targets)) return PBT_OK;
    PBT_TRY(picked(targets, "target_modules", module, file, &is, error));
    if (is) PBT_TRY(layer_picked(raw, layer, file, &is, error));
    if (is && !empty(excluded)) PBT_TRY(picked(excluded, "exclude_modules", module, file, &out, error));
    *targeted = is && !out ? PBT_TARGET_YES : PBT_TARGET_NO;
    return PBT_OK;
}

static pbt_code patterned(const json_t *raw, const char *key, const char *module, const char *file,
                          double *value, pbt_error *error) {
    const json_t *patterns = json_object_get(raw, key);
    const char *pattern;
    json_t *item;
    if (patterns && !json_is_null(patterns) && !json_is_object(patterns))
        return pbt_fail_at(error, PBT_BAD_INPUT, file, key, "expected an object of names and numbers");
    json_object_foreach((json_t *)(uintptr_t)patterns, pattern, item) {
        bool matches;
        PBT_TRY(pbt_module_matches(pattern, PBT_PATTERN_SUFFIX, module, file, key, &matches, error));
        if (!matches) continue;
        if (!json_is_number(item))
            return pbt_fail_at(error, PBT_BAD_INPUT, file, key, "expected a number for \"%s\"", pattern);
        *value = json_number_value(item);
        return PBT_OK;
    }
    return PBT_OK;
}

pbt_code pbt_adapter_config_rank(const pbt_adapter *adapter, const char *module, const char *file, int32_t *r,
                                 double *alpha, pbt_error *error) {
    double rank = adapter->settings.r;
    *alpha = adapter->settings.alpha;
    PBT_TRY(patterned(adapter->raw, "rank_pattern", module, file, &rank, error));
    PBT_TRY(patterned(adapter->raw, "alpha_pattern", module, file, alpha, error));
    PBT_TRY(check_rank(rank, file, "rank_pattern", error));
    *r = (int32_t)rank;
    return PBT_OK;
}

/* ---- writing ---- */

static json_t *number(double value) {
    return (double)(json_int_t)value == value ? json_integer((json_int_t)value) : json_real(value);
}

/* Linear layers by their kinds where every layer has them, else one by one. */
static json_t *targets_of(const pbt_adapter *adapter) {
    json_t *targets = json_array();
    for (int i = 0; i < PBT_LINEARS; i++) {
        int32_t with = 0;
        for (int32_t l = 0; l < adapter->n_layers; l++) with += adapter->lora[l][i].A != NULL;
        if (with == adapter->n_layers) json_array_append_new(targets, json_string(pbt_linear_names[i]));
        for (int32_t l = 0; with < adapter->n_layers && l < adapter->n_layers; l++)
            if (adapter->lora[l][i].A)
                json_array_append_new(targets, json_sprintf("model.layers.%d.%s", l, pbt_linear_paths[i]));
    }
    return targets;
}

/* Ranks, and alphas, of pairs that have others than the adapter's r. */
static json_t *patterns_of(const pbt_adapter *adapter, bool alphas) {
    json_t *patterns = json_object();
    for (int32_t l = 0; l < adapter->n_layers; l++)
        for (int i = 0; i < PBT_LINEARS; i++) {
            const pbt_lora *lora = &adapter->lora[l][i];
            char name[96];
            if (!lora->A || lora->r == adapter->settings.r) continue;
            snprintf(name, sizeof name, "model.layers.%d.%s", l, pbt_linear_paths[i]);
            json_object_set_new(patterns, name,
                                alphas ? number((double)lora->scaling * lora->r) : json_integer(lora->r));
        }
    return patterns;
}

/* The fields every PEFT knows: an older one stops at keys it does not know. */
static json_t *fresh(const pbt_adapter *adapter) {
    const pbt_adapter_settings *s = &adapter->settings;
    return json_pack(
        "{s:o, s:n, s:n, s:s, s:b, s:b, s:b, s:n, s:n, s:o, s:o, s:n, s:s, s:i, s:o, s:n, s:o, s:s, "
        "s:b, s:b}",
        "alpha_pattern", patterns_of(adapter, true), "auto_mapping", "base_model_name_or_path", "bias",
        "none", "fan_in_fan_out", 0, "inference_mode", 1, "init_lora_weights", 1, "layers_pattern",
        "layers_to_transform", "lora_alpha", number(s->alpha), "lora_dropout", json_real(s->dropout),
        "modules_to_save", "peft_type", "LORA", "r", (int)s->r, "rank_pattern", patterns_of(adapter, false),
        "revision", "target_modules", adapter->pattern ? json_string(adapter->pattern) : targets_of(adapter),
        "task_type", "CAUSAL_LM", "use_dora", 0, "use_rslora", (int)s->rslora);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static json_t *sorted(json_t *object) {
    size_t n = 0;
    const char **keys = calloc(json_object_size(object) + 1, sizeof *keys), *key;
    json_t *result = json_object(), *value;
    if (keys && result) {
        json_object_foreach(object, key, value) keys[n++] = key;
        qsort(keys, n, sizeof *keys, by_name);
    }
    for (size_t i = 0; i < n; i++) json_object_set(result, keys[i], json_object_get(object, keys[i]));
    free(keys);
    json_decref(object);
    return result;
}

json_t *pbt_adapter_config_make(const pbt_adapter *adapter, const char *base_model) {
    /* What was read is written back: its patterns and targets are those of the pairs. */
    json_t *raw = adapter->raw ? json_copy(adapter->raw) : fresh(adapter);
    if (!raw) return NULL;
    json_object_set_new(raw, "base_model_name_or_path", base_model ? json_string(base_model) : json_null());
    json_object_set_new(raw, "inference_mode", json_true());
    json_object_set_new(raw, "task_type", json_string("CAUSAL_LM"));
    return sorted(raw);
}
