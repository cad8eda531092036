/* Writing model folders: config.json and weights, in shards of 5 GB. */
#include "base/memory.h"
#include "base/text.h"
#include "model/weights.h"

#include <stdlib.h>
#include <string.h>

static const int64_t SHARD_LIMIT = 5000000000;

static pbt_tensor_out out_of(const pbt_slot *slot) {
    return (pbt_tensor_out){.name = slot->name,
                            .n_dimensions = slot->cols ? 2 : 1,
                            .shape = {slot->rows, slot->cols},
                            .data = slot->matrix ? slot->matrix->data : *slot->vector,
                            .dtype = slot->matrix ? slot->matrix->dtype : PBT_F32};
}

static pbt_code write_file(const char *folder, const char *name, const pbt_tensor_out *out, size_t n,
                           pbt_dtype dtype, pbt_error *error) {
    char *path = pbt_path_join(folder, name);
    pbt_code code =
        path ? pbt_safetensors_write(path, out, n, dtype, error) : pbt_fail_memory(error, 0, "a path");
    free(path);
    return code;
}

static pbt_code write_shards(const char *folder, const pbt_tensor_out *out, size_t n, const size_t *first,
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

static pbt_code write_weights(pbt_model *model, const char *folder, pbt_dtype dtype, pbt_error *error) {
    pbt_slot *slots;
    size_t n, n_shards = 1;
    PBT_TRY(pbt_model_slots(model, &slots, &n, error));
    pbt_tensor_out *out = pbt_alloc(n, sizeof *out);
    size_t *first = pbt_alloc(n, sizeof *first);
    int64_t shard = 0, total = 0;
    pbt_code code = out && first ? PBT_OK : pbt_fail_memory(error, 0, "a list of weights");
    for (size_t i = 0; code == PBT_OK && i < n; i++) {
        int64_t bytes = slots[i].rows * (slots[i].cols ? slots[i].cols : 1) * pbt_dtype_bits(dtype) / 8;
        out[i] = out_of(&slots[i]);
        if (shard > 0 && shard + bytes > SHARD_LIMIT) {
            first[n_shards++] = i;
            shard = 0;
        }
        shard += bytes;
        total += bytes;
    }
    if (code == PBT_OK)
        code = n_shards == 1 ? write_file(folder, "model.safetensors", out, n, dtype, error)
                             : write_shards(folder, out, n, first, n_shards, total, dtype, error);
    free(out);
    free(first);
    free(slots);
    return code;
}

pbt_code pbt_model_save(const pbt_model *model, const char *folder, pbt_dtype dtype, pbt_error *error) {
    PBT_TRY(pbt_folder_make(folder, error));
    PBT_TRY(write_weights((pbt_model *)model, folder, dtype, error));
    json_t *raw = json_deep_copy(model->config.raw);
    char *path = pbt_path_join(folder, "config.json");
    const char *key = raw && json_object_get(raw, "dtype") ? "dtype" : "torch_dtype";
    pbt_code code = PBT_OK;
    if (!raw || !path || json_object_set_new(raw, key, json_string(pbt_dtype_name(dtype))) != 0)
        code = pbt_fail_memory(error, 0, "a configuration");
    if (code == PBT_OK) code = pbt_json_write(path, raw, 2, error);
    free(path);
    json_decref(raw);
    return code;
}
