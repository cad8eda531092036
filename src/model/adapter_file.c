/* PEFT's adapter folders: adapter_config.json and adapter_model.safetensors. */
#include "base/memory.h"
#include "base/text.h"
#include "model/adapter.h"
#include "model/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIG_LIMIT = 4 << 20 };

/* Settings that change the arithmetic and are not implemented. */
static pbt_code refuse_variants(const json_t *raw, const char *file, pbt_error *error) {
    static const char *const switches[] = {"use_dora", "use_qalora", "fan_in_fan_out", "lora_bias"};
    static const char *const lists[] = {"modules_to_save", "trainable_token_indices", "layer_replication",
                                        "alora_invocation_tokens", "target_parameters"};
    const char *type = json_string_value(json_object_get(raw, "peft_type"));
    if (!type || strcmp(type, "LORA") != 0)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, "peft_type", "expected \"LORA\", found \"%s\"",
                           type ? type : "nothing");
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
        if (json_is_true(json_object_get(raw, switches[i])))
            return pbt_fail_at(error, PBT_BAD_INPUT, file, switches[i], "is not supported; expected false");
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const json_t *value = json_object_get(raw, lists[i]);
        if (value && !json_is_null(value) && json_array_size(value) + json_object_size(value) > 0)
            return pbt_fail_at(error, PBT_BAD_INPUT, file, lists[i], "is not supported; expected null");
    }
    const char *bias = json_string_value(json_object_get(raw, "bias"));
    if (bias && strcmp(bias, "none") != 0)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, "bias", "expected \"none\", found \"%s\"", bias);
    return PBT_OK;
}

/* rank_pattern / alpha_pattern: {"suffix of a module's name": number}. */
static double patterned(const json_t *raw, const char *key, const char *module, double initial) {
    const char *pattern;
    json_t *value;
    json_object_foreach(json_object_get(raw, key), pattern, value) {
        const char *bare = pattern[0] == '^' ? pattern + 1 : pattern;
        size_t length = strlen(bare), whole = strlen(module);
        if (length > whole || strcmp(module + whole - length, bare) != 0) continue;
        if (length < whole && module[whole - length - 1] != '.') continue;
        if (json_is_number(value)) return json_number_value(value);
    }
    return initial;
}

static pbt_code take(const pbt_stored_tensor *tensor, const char *file, const char *name, int64_t rows,
                     int64_t cols, float *to, pbt_error *error) {
    char expected[64], found[192];
    const int64_t shape[2] = {rows, cols};
    pbt_shape_text(shape, 2, expected, sizeof expected);
    if (!tensor)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, name, "is missing; expected shape %s", expected);
    pbt_shape_text(tensor->shape, tensor->n_dimensions, found, sizeof found);
    if (tensor->n_dimensions != 2 || tensor->shape[0] != rows || tensor->shape[1] != cols ||
        tensor->dtype == PBT_DTYPES)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, name, "expected floats of shape %s, found %s of %s",
                           expected, tensor->type, found);
    pbt_stored_to_floats(tensor->data, tensor->dtype, tensor->count, to);
    return PBT_OK;
}

static pbt_code read_pair(pbt_adapter *adapter, const pbt_model *model, const pbt_safetensors *file,
                          int32_t l, int linear, size_t *used, pbt_error *error) {
    char module[96], a[160], b[160];
    snprintf(module, sizeof module, "model.layers.%d.%s", l, pbt_linear_paths[linear]);
    snprintf(a, sizeof a, "base_model.model.%s.lora_A.weight", module);
    snprintf(b, sizeof b, "base_model.model.%s.lora_B.weight", module);
    const pbt_stored_tensor *A = pbt_safetensors_find(file, a), *B = pbt_safetensors_find(file, b);
    if (!A && !B) return PBT_OK;
    const pbt_matrix *W = &model->layers[l].linear[linear];
    pbt_lora *lora = &adapter->lora[l][linear];
    double r = patterned(adapter->raw, "rank_pattern", module, adapter->settings.r);
    double alpha = patterned(adapter->raw, "alpha_pattern", module, adapter->settings.alpha);
    if (!(r >= 1 && r <= 4096))
        return pbt_fail_at(error, PBT_BAD_INPUT, file->path, a, "rank: expected 1 to 4096, found %g", r);
    PBT_TRY(pbt_lora_pair_create(lora, (int32_t)r,
                                 pbt_lora_scaling(alpha, (int32_t)r, adapter->settings.rslora), W, error));
    PBT_TRY(take(A, file->path, a, lora->r, W->cols, lora->A, error));
    PBT_TRY(take(B, file->path, b, W->rows, lora->r, lora->B, error));
    adapter->settings.targets[linear] = true;
    *used += 2;
    return PBT_OK;
}

static pbt_code read_settings(pbt_adapter *adapter, const char *file, pbt_error *error) {
    int64_t r;
    double alpha, dropout = 0;
    PBT_TRY(refuse_variants(adapter->raw, file, error));
    PBT_TRY(pbt_json_integer(adapter->raw, "r", 1, 4096, file, NULL, &r, error));
    PBT_TRY(pbt_json_number(adapter->raw, "lora_alpha", file, NULL, &alpha, error));
    if (pbt_json_has(adapter->raw, "lora_dropout"))
        PBT_TRY(pbt_json_number(adapter->raw, "lora_dropout", file, NULL, &dropout, error));
    adapter->settings.r = (int32_t)r;
    adapter->settings.alpha = alpha;
    adapter->settings.dropout = dropout;
    adapter->settings.rslora = json_is_true(json_object_get(adapter->raw, "use_rslora"));
    const char *base = json_string_value(json_object_get(adapter->raw, "base_model_name_or_path"));
    if (base && !(adapter->base_model = pbt_string_copy(base))) return pbt_fail_memory(error, 0, "a name");
    return PBT_OK;
}

static pbt_code read_pairs(pbt_adapter *adapter, const pbt_model *model, const char *path, pbt_error *error) {
    pbt_safetensors file;
    size_t used = 0;
    PBT_TRY(pbt_safetensors_open(path, &file, error));
    pbt_code code = PBT_OK;
    for (int32_t l = 0; l < adapter->n_layers; l++)
        for (int i = 0; code == PBT_OK && i < PBT_LINEARS; i++)
            code = read_pair(adapter, model, &file, l, i, &used, error);
    for (size_t i = 0; code == PBT_OK && used != file.n_tensors && i < file.n_tensors; i++) {
        const char *name = file.tensors[i].name;
        int32_t l = -1;
        char module[64] = "", kind = 0;
        int n = sscanf(name, "base_model.model.model.layers.%d.%63[a-z_.].lora_%c.weight", &l, module, &kind);
        bool known = n >= 2 && l >= 0 && l < adapter->n_layers &&
                     (strstr(module, "_proj.lora_") || kind == 'A' || kind == 'B');
        if (!known)
            code = pbt_fail_at(error, PBT_BAD_INPUT, path, name, "has no place in this model of %d layers",
                               adapter->n_layers);
    }
    if (code == PBT_OK && used == 0)
        code =
            pbt_fail_at(error, PBT_BAD_INPUT, path, NULL, "expected lora_A and lora_B tensors, found none");
    pbt_safetensors_close(&file);
    return code;
}

pbt_code pbt_adapter_open(const char *folder, const pbt_model *model, pbt_adapter **adapter,
                          pbt_error *error) {
    char *config = pbt_path_join(folder, "adapter_config.json");
    char *weights = pbt_path_join(folder, "adapter_model.safetensors");
    *adapter = pbt_alloc(1, sizeof **adapter);
    pbt_code code = config && weights && *adapter ? PBT_OK : pbt_fail_memory(error, 0, "an adapter");
    if (code == PBT_OK) {
        (*adapter)->n_layers = model->config.n_layers;
        (*adapter)->lora = pbt_alloc((size_t)model->config.n_layers, sizeof *(*adapter)->lora);
        if (!(*adapter)->lora) code = pbt_fail_memory(error, 0, "an adapter");
    }
    if (code == PBT_OK) code = pbt_json_read(config, CONFIG_LIMIT, &(*adapter)->raw, error);
    if (code == PBT_OK) code = read_settings(*adapter, config, error);
    if (code == PBT_OK) code = read_pairs(*adapter, model, weights, error);
    if (code != PBT_OK) {
        pbt_adapter_free(*adapter);
        *adapter = NULL;
    }
    free(config);
    free(weights);
    return code;
}

static json_t *config_of(const pbt_adapter *adapter, const char *base_model) {
    const pbt_adapter_settings *s = &adapter->settings;
    json_t *targets = json_array();
    for (int i = 0; i < PBT_LINEARS; i++)
        if (s->targets[i]) json_array_append_new(targets, json_string(pbt_linear_names[i]));
    json_t *raw = adapter->raw ? json_copy(adapter->raw) : json_object();
    json_object_set_new(raw, "peft_type", json_string("LORA"));
    json_object_set_new(raw, "task_type", json_string("CAUSAL_LM"));
    json_object_set_new(raw, "base_model_name_or_path", base_model ? json_string(base_model) : json_null());
    json_object_set_new(raw, "r", json_integer(s->r));
    double whole = (double)(int64_t)s->alpha;
    json_object_set_new(raw, "lora_alpha",
                        whole == s->alpha ? json_integer((json_int_t)whole) : json_real(s->alpha));
    json_object_set_new(raw, "lora_dropout", json_real(s->dropout));
    json_object_set_new(raw, "use_rslora", json_boolean(s->rslora));
    json_object_set_new(raw, "target_modules", targets);
    if (adapter->raw) return raw;
    json_object_set_new(raw, "bias", json_string("none"));
    json_object_set_new(raw, "fan_in_fan_out", json_false());
    json_object_set_new(raw, "inference_mode", json_true());
    json_object_set_new(raw, "init_lora_weights", json_true());
    json_object_set_new(raw, "modules_to_save", json_null());
    json_object_set_new(raw, "rank_pattern", json_object());
    json_object_set_new(raw, "alpha_pattern", json_object());
    json_object_set_new(raw, "use_dora", json_false());
    return raw;
}

static pbt_code write_pairs(const pbt_adapter *adapter, const char *path, pbt_error *error) {
    size_t n = 0, most = (size_t)adapter->n_layers * PBT_LINEARS * 2;
    pbt_tensor_out *out = pbt_alloc(most, sizeof *out);
    char(*names)[160] = pbt_alloc(most, sizeof *names);
    pbt_code code = out && names ? PBT_OK : pbt_fail_memory(error, 0, "a list of weights");
    for (int32_t l = 0; code == PBT_OK && l < adapter->n_layers; l++)
        for (int i = 0; i < PBT_LINEARS; i++) {
            const pbt_lora *lora = &adapter->lora[l][i];
            for (int which = 0; lora->A && which < 2; which++, n++) {
                snprintf(names[n], sizeof names[n], "base_model.model.model.layers.%d.%s.lora_%c.weight", l,
                         pbt_linear_paths[i], which ? 'B' : 'A');
                out[n] = (pbt_tensor_out){
                    .name = names[n],
                    .n_dimensions = 2,
                    .shape = {which ? lora->outputs : lora->r, which ? lora->r : lora->inputs},
                    .data = which ? lora->B : lora->A,
                    .dtype = PBT_F32};
            }
        }
    if (code == PBT_OK) code = pbt_safetensors_write(path, out, n, PBT_F32, error);
    free(out);
    free(names);
    return code;
}

pbt_code pbt_adapter_save(const pbt_adapter *adapter, const char *folder, const char *base_model,
                          pbt_error *error) {
    PBT_TRY(pbt_folder_make(folder, error));
    char *config = pbt_path_join(folder, "adapter_config.json");
    char *weights = pbt_path_join(folder, "adapter_model.safetensors");
    json_t *raw = config_of(adapter, base_model ? base_model : adapter->base_model);
    pbt_code code = config && weights && raw ? PBT_OK : pbt_fail_memory(error, 0, "an adapter");
    if (code == PBT_OK) code = write_pairs(adapter, weights, error);
    if (code == PBT_OK) code = pbt_json_write(config, raw, 2, error);
    json_decref(raw);
    free(config);
    free(weights);
    return code;
}
