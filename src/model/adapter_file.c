/* PEFT's adapter folders: adapter_model.safetensors; what adapter_config.json says of it: adapter_config.c.
 */
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/adapter_config.h"
#include "model/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIG_LIMIT = 4 << 20 };

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

static const pbt_stored_tensor *find(pbt_safetensors *file, const char *name) {
    const pbt_stored_tensor *tensor = pbt_safetensors_find(file, name);
    if (tensor) file->tensors[tensor - file->tensors].used = true;
    return tensor;
}

static pbt_code read_pair(pbt_adapter *adapter, const pbt_model *model, pbt_safetensors *file, int32_t l,
                          int linear, const char *config, pbt_error *error) {
    char module[96], a[160], b[160];
    pbt_targeted targeted;
    snprintf(module, sizeof module, "model.layers.%d.%s", l, pbt_linear_paths[linear]);
    snprintf(a, sizeof a, "base_model.model.%s.lora_A.weight", module);
    snprintf(b, sizeof b, "base_model.model.%s.lora_B.weight", module);
    const pbt_stored_tensor *A = find(file, a), *B = find(file, b);
    PBT_TRY(pbt_adapter_config_targets(adapter->raw, module, l, config, &targeted, error));
    if (targeted != PBT_TARGET_YES && !A && !B) return PBT_OK;
    if (targeted == PBT_TARGET_NO)
        return pbt_fail_at(error, PBT_BAD_INPUT, file->path, A ? a : b,
                           "is there, but target_modules of adapter_config.json does not pick %s", module);
    const pbt_matrix *W = &model->layers[l].linear[linear];
    pbt_lora *lora = &adapter->lora[l][linear];
    int32_t r;
    double alpha;
    PBT_TRY(pbt_adapter_config_rank(adapter, module, config, &r, &alpha, error));
    PBT_TRY(pbt_lora_pair_create(lora, r, pbt_lora_scaling(alpha, r, adapter->settings.rslora), W, error));
    PBT_TRY(take(A, file->path, a, r, W->cols, lora->A, error));
    PBT_TRY(take(B, file->path, b, W->rows, r, lora->B, error));
    adapter->settings.targets[linear] = true;
    return PBT_OK;
}

static pbt_code read_pairs(pbt_adapter *adapter, const pbt_model *model, const char *path, const char *config,
                           pbt_error *error) {
    pbt_safetensors file;
    size_t used = 0;
    PBT_TRY(pbt_safetensors_open(path, &file, error));
    pbt_code code = PBT_OK;
    for (int32_t l = 0; l < adapter->n_layers; l++)
        for (int i = 0; code == PBT_OK && i < PBT_LINEARS; i++)
            code = read_pair(adapter, model, &file, l, i, config, error);
    for (size_t i = 0; code == PBT_OK && i < file.n_tensors; i++) {
        used += file.tensors[i].used;
        if (!file.tensors[i].used)
            code = pbt_fail_at(error, PBT_BAD_INPUT, path, file.tensors[i].name,
                               "has no place in this model of %d layers; expected names like "
                               "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight",
                               adapter->n_layers);
    }
    if (code == PBT_OK && used == 0)
        code =
            pbt_fail_at(error, PBT_BAD_INPUT, path, NULL, "expected lora_A and lora_B tensors, found none");
    pbt_safetensors_close(&file);
    return code;
}

/* Older PEFT wrote a pickle; those are not read. */
static pbt_code check_weights(const char *folder, const char *weights, pbt_error *error) {
    char *pickle = pbt_path_join(folder, "adapter_model.bin");
    bool old = pickle && pbt_file_exists(pickle) && !pbt_file_exists(weights);
    free(pickle);
    if (!old) return PBT_OK;
    return pbt_fail_at(error, PBT_BAD_INPUT, folder, NULL,
                       "expected adapter_model.safetensors, found adapter_model.bin; save the adapter with "
                       "safetensors");
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
    if (code == PBT_OK) code = pbt_adapter_config_read(*adapter, config, error);
    if (code == PBT_OK) code = check_weights(folder, weights, error);
    if (code == PBT_OK) code = read_pairs(*adapter, model, weights, config, error);
    if (code != PBT_OK) {
        pbt_adapter_free(*adapter);
        *adapter = NULL;
    }
    free(config);
    free(weights);
    return code;
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
    json_t *raw = pbt_adapter_config_make(adapter, base_model ? base_model : adapter->base_model);
    pbt_code code = config && weights && raw ? PBT_OK : pbt_fail_memory(error, 0, "an adapter");
    if (code == PBT_OK) code = write_pairs(adapter, weights, error);
    if (code == PBT_OK) code = pbt_json_write(config, raw, 2, error);
    json_decref(raw);
    free(config);
    free(weights);
    return code;
}
