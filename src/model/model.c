/* Opening and making models: files to arrays, every name and shape checked. */
#include "model/model.h"

#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/bitsandbytes.h"
#include "model/quantize_weights.h"
#include "tensor/quantize.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pbt_code check_tensor(const pbt_slot *slot, const pbt_stored_tensor *tensor, const char *file,
                             pbt_error *error) {
    char expected[96], found[192], where[160];
    const int64_t shape[2] = {slot->rows, slot->cols};
    int n = slot->cols ? 2 : 1;
    snprintf(where, sizeof where, "tensor %s", slot->name);
    pbt_shape_text(shape, n, expected, sizeof expected);
    if (!tensor)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, where,
                           "is missing; the configuration asks for shape %s", expected);
    pbt_shape_text(tensor->shape, tensor->n_dimensions, found, sizeof found);
    if (tensor->n_dimensions != n || tensor->shape[0] != shape[0] || (n == 2 && tensor->shape[1] != shape[1]))
        return pbt_fail_at(error, PBT_BAD_INPUT, file, where,
                           "has shape %s, but the configuration asks for %s", found, expected);
    if (!pbt_stored_is_readable(tensor))
        return pbt_fail_at(error, PBT_BAD_INPUT, file, where, "expected F32, F16 or BF16, found %s",
                           tensor->type);
    return PBT_OK;
}

/* `row`: room for one. */
static void to_halves(const pbt_stored_tensor *tensor, pbt_dtype dtype, float *row, uint16_t *to) {
    const int64_t rows = tensor->shape[0], cols = tensor->count / rows;
    for (int64_t r = 0; r < rows; r++) {
        pbt_stored_rows(tensor, r, 1, row);
        for (int64_t i = 0; i < cols; i++)
            *to++ = dtype == PBT_BF16 ? pbt_f32_to_bf16(row[i]) : pbt_f32_to_f16(row[i]);
    }
}

/* The type that "as stored" means: blocks of GGUF files become floats, which hold their values exactly. */
static pbt_dtype stored_dtype(const pbt_stored_tensor *tensor) {
    return tensor->dtype == PBT_DTYPES ? PBT_F32 : tensor->dtype;
}

/* Floats of a quantised matrix, its own from now on. */
static pbt_code unquantise(pbt_model *model, pbt_matrix *matrix, pbt_error *error) {
    float *memory =
        pbt_weights_alloc(model, (size_t)matrix->rows * (size_t)matrix->cols * sizeof *memory, error);
    if (!memory) return PBT_FAILED;
    pbt_matrix_floats(matrix, memory);
    *matrix = (pbt_matrix){.dtype = PBT_F32, .rows = matrix->rows, .cols = matrix->cols, .data = memory};
    return PBT_OK;
}

static pbt_code take_quantised(pbt_model *model, const pbt_slot *slot, const pbt_stored_tensor *tensor,
                               const pbt_model_options *options, const char *file, pbt_error *error) {
    pbt_dtype stored = pbt_bitsandbytes_dtype(model, slot, tensor);
    if (options->dtype < PBT_DTYPES && pbt_dtype_bits(options->dtype) < 16 && options->dtype != stored)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, slot->name,
                           "is stored as %s and cannot be quantised to %s; expected 16- or 32-bit weights",
                           pbt_dtype_name(stored), pbt_dtype_name(options->dtype));
    PBT_TRY(pbt_bitsandbytes_take(model, slot, tensor, file, error));
    return options->writable ? unquantise(model, slot->matrix, error) : PBT_OK;
}

static pbt_code take_floats(pbt_model *model, pbt_slot *slot, const pbt_stored_tensor *tensor,
                            const pbt_model_options *options, pbt_error *error) {
    pbt_matrix *matrix = slot->matrix;
    bool as_stored = options->dtype == PBT_DTYPES || pbt_dtype_bits(options->dtype) < 16;
    pbt_dtype dtype = options->writable ? PBT_F32 : as_stored ? stored_dtype(tensor) : options->dtype;
    *matrix = (pbt_matrix){.dtype = dtype, .rows = (int32_t)slot->rows, .cols = (int32_t)slot->cols};
    bool aligned = (uintptr_t)tensor->data % 4 == 0;
    if (!options->writable && dtype == tensor->dtype && aligned && pbt_stored_is_plain(tensor)) {
        matrix->data = tensor->data;
        return PBT_OK;
    }
    void *memory = pbt_weights_alloc(model, (size_t)tensor->count * (size_t)pbt_dtype_bits(dtype) / 8, error);
    if (!memory) return PBT_FAILED;
    matrix->data = memory;
    if (dtype == PBT_F32) {
        pbt_stored_rows(tensor, 0, tensor->shape[0], memory);
        return PBT_OK;
    }
    float *row = pbt_alloc((size_t)slot->cols, sizeof *row);
    if (!row) return pbt_fail_memory(error, (size_t)slot->cols * sizeof *row, "a row of weights");
    to_halves(tensor, dtype, row, memory);
    free(row);
    return PBT_OK;
}

static pbt_code take_matrix(pbt_model *model, pbt_slot *slot, const pbt_stored_tensor *tensor,
                            const pbt_model_options *options, const char *file, pbt_error *error) {
    bool wanted;
    PBT_TRY(pbt_quantize_wanted(slot, options, &wanted, error));
    if (!wanted) return take_floats(model, slot, tensor, options, error);
    if (pbt_stored_is_plain(tensor)) {
        PBT_TRY(pbt_quantize_slot(model, slot, tensor->data, tensor->dtype, options, file, error));
    } else {
        float *floats = pbt_alloc((size_t)tensor->count, sizeof *floats);
        if (!floats) return pbt_fail_memory(error, (size_t)tensor->count * sizeof *floats, "weights");
        pbt_stored_rows(tensor, 0, tensor->shape[0], floats);
        pbt_code code = pbt_quantize_slot(model, slot, floats, PBT_F32, options, file, error);
        free(floats);
        if (code != PBT_OK) return code;
    }
    return options->writable ? unquantise(model, slot->matrix, error) : PBT_OK;
}

static pbt_code take(pbt_model *model, pbt_slot *slot, const pbt_model_options *options, pbt_error *error) {
    const char *file = model->path;
    const pbt_stored_tensor *tensor = pbt_weights_find(model->weights, slot->name, &file);
    if (tensor && pbt_bitsandbytes_dtype(model, slot, tensor) != PBT_DTYPES)
        return take_quantised(model, slot, tensor, options, file, error);
    pbt_code code = check_tensor(slot, tensor, file, error);
    if (code != PBT_OK || !tensor) return code;
    if (slot->matrix) return take_matrix(model, slot, tensor, options, file, error);
    float *memory = pbt_weights_alloc(model, (size_t)tensor->count * sizeof *memory, error);
    if (!memory) return PBT_FAILED;
    pbt_stored_rows(tensor, 0, tensor->shape[0], memory);
    *slot->vector = memory;
    return PBT_OK;
}

/* Weights nobody asked for mean that the configuration is not theirs. */
static pbt_code refuse_others(const pbt_model *model, pbt_error *error) {
    for (size_t f = 0; f < model->weights->n_files; f++) {
        const pbt_safetensors *file = &model->weights->files[f];
        for (size_t i = 0; i < file->n_tensors; i++) {
            const char *name = file->tensors[i].name;
            bool tied = model->config.tie_word_embeddings && strcmp(name, "lm_head.weight") == 0;
            if (file->tensors[i].used || tied || pbt_string_ends(name, "rotary_emb.inv_freq")) continue;
            char where[160], shape[192];
            snprintf(where, sizeof where, "tensor %.140s", name);
            pbt_shape_text(file->tensors[i].shape, file->tensors[i].n_dimensions, shape, sizeof shape);
            return pbt_fail_at(error, PBT_BAD_INPUT, file->path, where,
                               "of shape %s has no place in the configuration", shape);
        }
    }
    return PBT_OK;
}

/* A configuration that says "tied" over a file with another output layer: the file is believed, as
 * transformers does. */
static pbt_code untie(pbt_model *model, pbt_error *error) {
    const pbt_stored_tensor *output = pbt_weights_find(model->weights, "lm_head.weight", NULL),
                            *embedding = pbt_weights_find(model->weights, "model.embed_tokens.weight", NULL);
    if (!output || !embedding) return PBT_OK;
    bool same = output->dtype == embedding->dtype && output->bytes == embedding->bytes &&
                memcmp(output->data, embedding->data, output->bytes) == 0;
    if (same) return PBT_OK;
    model->config.tie_word_embeddings = false;
    return json_object_set_new(model->config.raw, "tie_word_embeddings", json_false()) == 0
               ? PBT_OK
               : pbt_fail_memory(error, 0, "a configuration");
}

/* Packs a matrix; the pages of the file it came from are given back. */
static pbt_code prepare_matrix(const pbt_model *model, pbt_matrix *matrix, pbt_error *error) {
    PBT_TRY(model->ops->prepare(matrix, error));
    if (matrix->prepared && pbt_weights_mapped(model->weights, matrix->data))
        pbt_file_forget(matrix->data, (size_t)matrix->rows * (size_t)matrix->cols *
                                          (size_t)pbt_dtype_bits(matrix->dtype) / 8);
    return PBT_OK;
}

/* Packed weights are a copy. Where memory is too short for it, the mapped file is used as it is: the same
 * bits, more slowly. */
static bool packing_fits(const pbt_model *model, bool both) {
    double bytes = (double)model->output.rows * model->output.cols * pbt_dtype_bits(model->output.dtype) / 8,
           available = model->device->memory_available();
    for (int32_t l = 0; l < model->config.n_layers; l++)
        for (int i = 0; i < PBT_LINEARS; i++) {
            const pbt_matrix *m = &model->layers[l].linear[i];
            bytes += (double)m->rows * m->cols * pbt_dtype_bits(m->dtype) / 8;
        }
    return available <= 0 || (both ? 2 : 1) * bytes < 0.9 * available;
}

static pbt_code prepare(pbt_model *model, bool training, pbt_error *error) {
    if (!packing_fits(model, training)) return PBT_OK;
    for (int32_t l = 0; l < model->config.n_layers; l++)
        for (int i = 0; i < PBT_LINEARS; i++)
            PBT_TRY(prepare_matrix(model, &model->layers[l].linear[i], error));
    return prepare_matrix(model, &model->output, error);
}

static pbt_code fill(pbt_model *model, const pbt_model_options *options, pbt_error *error) {
    pbt_slot *slots;
    size_t n;
    PBT_TRY(pbt_weights_open(model->weights, model->path, error));
    if (model->config.tie_word_embeddings) PBT_TRY(untie(model, error));
    PBT_TRY(pbt_model_slots(model, &slots, &n, error));
    pbt_code code = PBT_OK;
    for (size_t i = 0; code == PBT_OK && i < n; i++) code = take(model, &slots[i], options, error);
    if (code == PBT_OK) code = refuse_others(model, error);
    free(slots);
    if (code != PBT_OK) return code;
    if (model->config.tie_word_embeddings) model->output = model->embedding;
    return options->prepare ? prepare(model, options->training, error) : PBT_OK;
}

pbt_code pbt_model_open(const char *path, const pbt_model_options *options, const pbt_device *device,
                        pbt_model **model, pbt_error *error) {
    pbt_config config;
    *model = NULL;
    PBT_TRY(pbt_config_read(path, &config, error));
    PBT_TRY(pbt_model_empty(&config, path, device, model, error));
    (*model)->weights->writable = options->writable;
    pbt_code code = fill(*model, options, error);
    if (code != PBT_OK) {
        pbt_model_free(*model);
        *model = NULL;
    }
    return code;
}

static pbt_code randomise(pbt_model *model, pbt_key key, double std, pbt_error *error) {
    pbt_slot *slots;
    size_t n;
    pbt_code code = PBT_OK;
    PBT_TRY(pbt_model_slots(model, &slots, &n, error));
    for (size_t s = 0; s < n; s++) {
        size_t count = (size_t)(slots[s].rows * (slots[s].cols ? slots[s].cols : 1));
        float *memory = pbt_weights_alloc(model, count * sizeof *memory, error);
        if (!memory) {
            code = PBT_FAILED;
            break;
        }
        if (slots[s].matrix) {
            pbt_key own = pbt_key_named(key, slots[s].name);
            for (size_t i = 0; i < count; i++) memory[i] = (float)(std * pbt_random_normal(own, i));
            *slots[s].matrix = (pbt_matrix){.dtype = PBT_F32,
                                            .rows = (int32_t)slots[s].rows,
                                            .cols = (int32_t)slots[s].cols,
                                            .data = memory};
        } else {
            float value = pbt_string_ends(slots[s].name, ".bias") ? 0.0f : 1.0f;
            for (size_t i = 0; i < count; i++) memory[i] = value;
            *slots[s].vector = memory;
        }
    }
    free(slots);
    return code;
}

pbt_code pbt_model_random(const pbt_config *config, pbt_key key, double std, const pbt_device *device,
                          pbt_model **model, pbt_error *error) {
    pbt_config own = *config;
    json_incref(own.raw);
    PBT_TRY(pbt_model_empty(&own, "", device, model, error));
    (*model)->weights->writable = true;
    pbt_code code = randomise(*model, key, std, error);
    if (code == PBT_OK && (*model)->config.tie_word_embeddings) (*model)->output = (*model)->embedding;
    if (code != PBT_OK) {
        pbt_model_free(*model);
        *model = NULL;
    }
    return code;
}

/* The scales of a quantised matrix. */
static uint64_t hash_quantization(const pbt_matrix *matrix, uint64_t h) {
    const pbt_quantization *q = matrix->quantization;
    size_t count = (size_t)matrix->rows * (size_t)matrix->cols;
    size_t blocks = (count + (size_t)q->block - 1) / (size_t)q->block;
    if (!q->nested) return pbt_hash(q->absmax, blocks * sizeof *q->absmax, h);
    h = pbt_hash(q->nested, blocks, h);
    h = pbt_hash(q->nested_map, 256 * sizeof *q->nested_map, h);
    h = pbt_hash(q->nested_absmax,
                 (blocks + PBT_NESTED_BLOCK - 1) / PBT_NESTED_BLOCK * sizeof *q->nested_absmax, h);
    return pbt_hash(&q->offset, sizeof q->offset, h);
}

pbt_code pbt_model_hash(pbt_model *model, uint64_t *hash, pbt_error *error) {
    if (model->hash && !model->weights->writable) {
        *hash = model->hash;
        return PBT_OK;
    }
    pbt_slot *slots;
    size_t n;
    uint64_t h = 0;
    PBT_TRY(pbt_model_slots(model, &slots, &n, error));
    for (size_t i = 0; i < n; i++) {
        const pbt_slot *slot = &slots[i];
        int64_t count = slot->rows * (slot->cols ? slot->cols : 1);
        const pbt_dtype dtype = slot->matrix ? slot->matrix->dtype : PBT_F32;
        const int64_t shape[3] = {slot->rows, slot->cols, (int64_t)dtype};
        h = pbt_hash(slot->name, strlen(slot->name), h);
        h = pbt_hash(shape, sizeof shape, h);
        h = pbt_hash(slot->matrix ? slot->matrix->data : *slot->vector,
                     ((size_t)count * (size_t)pbt_dtype_bits(dtype) + 7) / 8, h);
        if (slot->matrix && slot->matrix->quantization) h = hash_quantization(slot->matrix, h);
    }
    free(slots);
    model->hash = *hash = h ? h : 1;
    return PBT_OK;
}
