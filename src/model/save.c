/* Writing model folders: config.json and weights, in shards of 5 GB. */
#include "base/memory.h"
#include "base/text.h"
#include "model/bitsandbytes.h"
#include "model/quantization_config.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const int64_t SHARD_LIMIT = 5000000000;

/* All tensors to write. A quantised matrix is several. */
typedef struct list {
    pbt_tensor_out *items;
    size_t n;
    size_t *slot_first; /* [slots + 1] */
    pbt_bitsandbytes_form *forms;
} list;

static void free_list(list *l) {
    free(l->items);
    free(l->slot_first);
    free(l->forms);
}

/* Random weights that are nowhere in memory: the numbers of pbt_model_random. */
typedef struct drawing {
    pbt_key key;
    double std;
} drawing;

static void draw(const pbt_tensor_out *tensor, int64_t first, int64_t n, float *to) {
    const drawing *d = tensor->user;
    pbt_key own = pbt_key_named(d->key, tensor->name);
    float value = pbt_string_ends(tensor->name, ".bias") ? 0.0f : 1.0f;
    for (int64_t i = 0; i < n; i++)
        to[i] = tensor->n_dimensions == 2 ? (float)(d->std * pbt_random_normal(own, (uint64_t)(first + i)))
                                          : value;
}

static pbt_code make_list(const pbt_slot *slots, size_t n, pbt_dtype dtype, const drawing *drawn, list *l,
                          pbt_error *error) {
    size_t quantised = 0;
    for (size_t i = 0; i < n; i++) quantised += slots[i].matrix && slots[i].matrix->quantization;
    *l = (list){.items = pbt_alloc(n + quantised * PBT_BITSANDBYTES_TENSORS, sizeof *l->items),
                .slot_first = pbt_alloc(n + 1, sizeof *l->slot_first),
                .forms = pbt_alloc(quantised + 1, sizeof *l->forms)};
    if (!l->items || !l->slot_first || !l->forms) return pbt_fail_memory(error, 0, "a list of weights");
    pbt_bitsandbytes_form *form = l->forms;
    for (size_t i = 0; i < n; i++) {
        const pbt_slot *slot = &slots[i];
        l->slot_first[i] = l->n;
        if (slot->matrix && slot->matrix->quantization) {
            l->n += pbt_bitsandbytes_tensors(slot, dtype, form++, l->items + l->n);
            continue;
        }
        l->items[l->n++] = (pbt_tensor_out){.name = slot->name,
                                            .fill = draw,
                                            .user = drawn,
                                            .n_dimensions = slot->cols ? 2 : 1,
                                            .shape = {slot->rows, slot->cols},
                                            .data = slot->matrix ? slot->matrix->data : *slot->vector,
                                            .dtype = slot->matrix ? slot->matrix->dtype : PBT_F32};
    }
    l->slot_first[n] = l->n;
    return PBT_OK;
}

static int width(const pbt_tensor_out *tensor, pbt_dtype dtype) {
    if (!tensor->type) return pbt_dtype_bits(dtype) / 8;
    return strcmp(tensor->type, "F32") == 0 ? 4 : 1;
}

/* Wide elements first, so that every array lies on a multiple of its elements' size. */
static void align(pbt_tensor_out *tensors, size_t n, pbt_dtype dtype) {
    for (size_t i = 1; i < n; i++) {
        pbt_tensor_out tensor = tensors[i];
        size_t at = i;
        for (; at > 0 && width(&tensors[at - 1], dtype) < width(&tensor, dtype); at--)
            tensors[at] = tensors[at - 1];
        tensors[at] = tensor;
    }
}

static pbt_code write_file(const char *folder, const char *name, pbt_tensor_out *out, size_t n,
                           pbt_dtype dtype, pbt_error *error) {
    char *path = pbt_path_join(folder, name);
    align(out, n, dtype);
    pbt_code code =
        path ? pbt_safetensors_write(path, out, n, dtype, error) : pbt_fail_memory(error, 0, "a path");
    free(path);
    return code;
}

static pbt_code write_shards(const char *folder, pbt_tensor_out *out, size_t n, const size_t *first,
                             size_t n_shards, int64_t total, pbt_dtype dtype, pbt_error *error) {
    json_t *map = json_object();
    json_t *index =
        json_pack("{s:{s:I},s:O}", "metadata", "total_size", (json_int_t)total, "weight_map", map);
    pbt_code code = index ? PBT_OK : pbt_fail_memory(error, 0, "an index");
    for (size_t s = 0; code == PBT_OK && s < n_shards; s++) {
        char *name = pbt_string_format("model-%05zu-of-%05zu.safetensors", s + 1, n_shards);
        size_t end = s + 1 < n_shards ? first[s + 1] : n;
        for (size_t i = first[s]; name && i < end; i++)
            json_object_set_new(map, out[i].name, json_string(name));
        code = name ? write_file(folder, name, out + first[s], end - first[s], dtype, error)
                    : pbt_fail_memory(error, 0, "a name");
        free(name);
    }
    char *path = pbt_path_join(folder, "model.safetensors.index.json");
    if (code == PBT_OK)
        code = path ? pbt_json_write(path, index, 2, error) : pbt_fail_memory(error, 0, "a path");
    free(path);
    json_decref(index);
    json_decref(map);
    return code;
}

/* *written: the files that were written. */
static pbt_code write_weights(pbt_model *model, const char *folder, pbt_dtype dtype, const drawing *drawn,
                              int64_t shard_limit, size_t *written, pbt_error *error) {
    pbt_slot *slots;
    size_t n, n_shards = 1;
    list l;
    PBT_TRY(pbt_model_slots(model, &slots, &n, error));
    pbt_code code = make_list(slots, n, dtype, drawn, &l, error);
    size_t *first = pbt_alloc(n, sizeof *first);
    int64_t shard = 0, total = 0;
    if (code == PBT_OK && !first) code = pbt_fail_memory(error, 0, "a list of weights");
    for (size_t i = 0; code == PBT_OK && i < n; i++) {
        int64_t bytes = 0;
        for (size_t t = l.slot_first[i]; t < l.slot_first[i + 1]; t++)
            bytes += pbt_tensor_out_bytes(&l.items[t], dtype);
        if (shard > 0 && shard + bytes > shard_limit) {
            first[n_shards++] = l.slot_first[i];
            shard = 0;
        }
        shard += bytes;
        total += bytes;
    }
    if (code == PBT_OK)
        code = n_shards == 1 ? write_file(folder, "model.safetensors", l.items, l.n, dtype, error)
                             : write_shards(folder, l.items, l.n, first, n_shards, total, dtype, error);
    *written = n_shards;
    free_list(&l);
    free(first);
    free(slots);
    return code;
}

/* How the linear layers are quantised: as the first one that is; PBT_DTYPES when none is. */
static pbt_dtype quantised_as(const pbt_model *model, bool *nested) {
    for (int32_t l = 0; l < model->config.n_layers; l++)
        for (int i = 0; i < PBT_LINEARS; i++) {
            const pbt_matrix *matrix = &model->layers[l].linear[i];
            if (!matrix->quantization) continue;
            *nested = matrix->quantization->nested != NULL;
            return matrix->dtype;
        }
    return PBT_DTYPES;
}

/* Names that llm_int8_skip_modules must hold: linear layers that stayed as they were. */
static pbt_code skipped(const pbt_model *model, json_t *names, pbt_error *error) {
    for (int32_t l = 0; l < model->config.n_layers; l++)
        for (int i = 0; i < PBT_LINEARS; i++) {
            char name[96];
            snprintf(name, sizeof name, "model.layers.%d.%s", l, pbt_linear_paths[i]);
            if (!model->layers[l].linear[i].quantization &&
                json_array_append_new(names, json_string(name)) != 0)
                return pbt_fail_memory(error, 0, "a configuration");
        }
    /* A list replaces transformers' own choice, which is the output layer. */
    if (json_array_size(names) > 0 && json_array_append_new(names, json_string("lm_head")) != 0)
        return pbt_fail_memory(error, 0, "a configuration");
    return PBT_OK;
}

static pbt_code set_config(const pbt_model *model, pbt_dtype dtype, json_t *raw, pbt_error *error) {
    const char *key = json_object_get(raw, "dtype") ? "dtype" : "torch_dtype";
    bool nested = false;
    pbt_dtype quantised = quantised_as(model, &nested);
    json_t *names = json_array();
    if (!names || json_object_set_new(raw, key, json_string(pbt_dtype_name(dtype))) != 0) {
        json_decref(names);
        return pbt_fail_memory(error, 0, "a configuration");
    }
    pbt_code code = quantised == PBT_DTYPES ? PBT_OK : skipped(model, names, error);
    /* What was stored quantised and still is keeps its own words. */
    if (code == PBT_OK && (quantised == PBT_DTYPES || model->config.quantization != quantised))
        code = pbt_quantization_config_set(raw, quantised, nested, names, error);
    json_decref(names);
    return code;
}

static bool is_of(const char *name, size_t n_shards) {
    size_t shard = 0, of = 0;
    int end = 0;
    if (strcmp(name, "model.safetensors") == 0) return n_shards == 1;
    if (strcmp(name, "model.safetensors.index.json") == 0) return n_shards > 1;
    bool is_shard =
        sscanf(name, "model-%5zu-of-%5zu.safetensors%n", &shard, &of, &end) == 2 && end > 0 && !name[end];
    return !is_shard || (n_shards > 1 && of == n_shards);
}

/* Weights that an earlier model left in other files: who opens the folder would take them for these. */
static void remove_others(const char *folder, size_t n_shards) {
    DIR *listing = opendir(folder);
    for (const struct dirent *entry; listing && (entry = readdir(listing));) {
        char *path = is_of(entry->d_name, n_shards) ? NULL : pbt_path_join(folder, entry->d_name);
        if (path) unlink(path);
        free(path);
    }
    if (listing) closedir(listing);
}

static pbt_code save(const pbt_model *model, const char *folder, pbt_dtype dtype, const drawing *drawn,
                     int64_t max_shard_size, pbt_error *error) {
    size_t n_shards;
    PBT_TRY(pbt_folder_make(folder, error));
    PBT_TRY(write_weights((pbt_model *)model, folder, dtype, drawn,
                          max_shard_size > 0 ? max_shard_size : SHARD_LIMIT, &n_shards, error));
    remove_others(folder, n_shards);
    json_t *raw = json_deep_copy(model->config.raw);
    char *path = pbt_path_join(folder, "config.json");
    pbt_code code =
        raw && path ? set_config(model, dtype, raw, error) : pbt_fail_memory(error, 0, "a configuration");
    if (code == PBT_OK) code = pbt_json_write(path, raw, 2, error);
    free(path);
    json_decref(raw);
    return code;
}

pbt_code pbt_model_save(const pbt_model *model, const char *folder, pbt_dtype dtype, pbt_error *error) {
    return save(model, folder, dtype, NULL, 0, error);
}

pbt_code pbt_model_save_sharded(const pbt_model *model, const char *folder, pbt_dtype dtype,
                                int64_t max_shard_size, pbt_error *error) {
    return save(model, folder, dtype, NULL, max_shard_size, error);
}

pbt_code pbt_model_random_save(const pbt_config *config, pbt_key key, double std, const char *folder,
                               pbt_dtype dtype, int64_t max_shard_size, pbt_error *error) {
    pbt_config own = *config;
    pbt_model *model;
    const drawing drawn = {key, std};
    json_incref(own.raw);
    own.quantization = PBT_DTYPES;
    PBT_TRY(pbt_model_empty(&own, "", NULL, &model, error));
    pbt_code code = save(model, folder, dtype, &drawn, max_shard_size, error);
    pbt_model_free(model);
    return code;
}
