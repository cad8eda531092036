/* The safetensors files of a model folder: one file, or shards with their index; which tensor lies where. */
#include "base/memory.h"
#include "gguf/gguf.h"
#include "model/gguf_weights.h"
#include "model/weights.h"

#include <stdlib.h>
#include <string.h>

enum { INDEX_LIMIT = 64 << 20, MAX_SHARDS = 1000 };

/* ---- opening ---- */

static pbt_code open_file(pbt_weights *w, const char *path, pbt_error *error) {
    PBT_TRY(pbt_safetensors_open(path, &w->files[w->n_files], error));
    w->n_files++;
    return PBT_OK;
}

/* The distinct names of the index, each with the first tensor that is said to lie there. */
static pbt_code list_shards(const json_t *map, const char *index_path, json_t *shards, pbt_error *error) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)map, name, value) {
        const char *file = json_string_value(value);
        if (!file || !*file || strlen(file) > 255 || strchr(file, '/') || file[0] == '.')
            return pbt_fail_at(error, PBT_BAD_INPUT, index_path, name,
                               "expected the name of a file beside the index");
        if (json_object_get(shards, file)) continue;
        if (json_object_size(shards) == MAX_SHARDS)
            return pbt_fail_at(error, PBT_BAD_INPUT, index_path, name, "expected at most %d files",
                               MAX_SHARDS);
        if (json_object_set_new(shards, file, json_string(name)) != 0)
            return pbt_fail_memory(error, 0, "an index");
    }
    if (json_object_size(shards) == 0)
        return pbt_fail_at(error, PBT_BAD_INPUT, index_path, "weight_map", "names no file");
    return PBT_OK;
}

static pbt_code open_listed(pbt_weights *w, const char *folder, const char *index_path, const json_t *shards,
                            pbt_error *error) {
    const char *file;
    json_t *tensor;
    w->files = pbt_alloc(json_object_size(shards), sizeof *w->files);
    if (!w->files) return pbt_fail_memory(error, 0, "shards");
    json_object_foreach((json_t *)(uintptr_t)shards, file, tensor) {
        char *path = pbt_path_join(folder, file);
        pbt_code code = PBT_OK;
        if (!path)
            code = pbt_fail_memory(error, 0, "a path");
        else if (!pbt_file_exists(path))
            code = pbt_fail_at(error, PBT_BAD_INPUT, index_path, json_string_value(tensor),
                               "expected in %s, but the folder has no such file", file);
        else
            code = open_file(w, path, error);
        free(path);
        if (code != PBT_OK) return code;
    }
    return PBT_OK;
}

/* ---- which tensor lies where ---- */

static int by_name(const void *a, const void *b) {
    const pbt_place *x = a, *y = b;
    return strcmp(x->tensor->name, y->tensor->name);
}

static pbt_code make_places(pbt_weights *w, pbt_error *error) {
    size_t n = 0;
    for (size_t f = 0; f < w->n_files; f++) n += w->files[f].n_tensors;
    w->places = pbt_alloc(n ? n : 1, sizeof *w->places);
    if (!w->places) return pbt_fail_memory(error, n * sizeof *w->places, "a list of tensors");
    for (size_t f = 0; f < w->n_files; f++)
        for (size_t i = 0; i < w->files[f].n_tensors; i++)
            w->places[w->n_places++] = (pbt_place){&w->files[f].tensors[i], w->files[f].path};
    qsort(w->places, n, sizeof *w->places, by_name);
    for (size_t i = 1; i < n; i++)
        if (by_name(&w->places[i - 1], &w->places[i]) == 0)
            return pbt_fail_at(error, PBT_BAD_INPUT, w->places[i].file, w->places[i].tensor->name,
                               "lies in %s too", w->places[i - 1].file);
    return PBT_OK;
}

static const pbt_place *place_of(const pbt_weights *w, const char *name) {
    pbt_stored_tensor wanted = {.name = name};
    const pbt_place key = {&wanted, NULL};
    return w->n_places ? bsearch(&key, w->places, w->n_places, sizeof key, by_name) : NULL;
}

const pbt_stored_tensor *pbt_weights_find(pbt_weights *weights, const char *name, const char **file) {
    const pbt_place *place = place_of(weights, name);
    if (!place) return NULL;
    place->tensor->used = true;
    if (file) *file = place->file;
    return place->tensor;
}

/* What the index says of every tensor is held against the files. */
static pbt_code check_index(const pbt_weights *w, const json_t *map, const char *index_path,
                            pbt_error *error) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)map, name, value) {
        const pbt_place *place = place_of(w, name);
        const char *file = json_string_value(value), *slash = place ? strrchr(place->file, '/') : NULL;
        if (place && strcmp(slash ? slash + 1 : place->file, file) == 0) continue;
        return pbt_fail_at(error, PBT_BAD_INPUT, index_path, name, "expected in %s, found %s", file,
                           place ? "in another file" : "in no file");
    }
    return PBT_OK;
}

static pbt_code open_shards(pbt_weights *w, const char *folder, const char *index_path, pbt_error *error) {
    json_t *index = NULL, *shards = json_object();
    const json_t *map;
    pbt_code code = shards ? PBT_OK : pbt_fail_memory(error, 0, "an index");
    if (code == PBT_OK) PBT_GOTO(pbt_json_read(index_path, INDEX_LIMIT, &index, error));
    if (code == PBT_OK) PBT_GOTO(pbt_json_object(index, "weight_map", index_path, NULL, &map, error));
    if (code == PBT_OK) PBT_GOTO(list_shards(map, index_path, shards, error));
    if (code == PBT_OK) PBT_GOTO(open_listed(w, folder, index_path, shards, error));
    if (code == PBT_OK) PBT_GOTO(make_places(w, error));
    if (code == PBT_OK) code = check_index(w, map, index_path, error);
done:
    json_decref(index);
    json_decref(shards);
    return code;
}

static pbt_code open_single(pbt_weights *w, const char *path, pbt_error *error) {
    w->files = pbt_alloc(1, sizeof *w->files);
    if (!w->files) return pbt_fail_memory(error, 0, "a file");
    PBT_TRY(open_file(w, path, error));
    return make_places(w, error);
}

static pbt_code neither(const char *folder, pbt_error *error) {
    char *old = pbt_path_join(folder, "pytorch_model.bin");
    bool pickled = old && pbt_file_exists(old);
    free(old);
    return pbt_fail_at(error, PBT_BAD_INPUT, folder, NULL,
                       "expected model.safetensors or model.safetensors.index.json, found %s",
                       pickled
                           ? "only pytorch_model.bin, a pickled file that pbt does not open; save the model "
                             "as safetensors"
                           : "neither");
}

pbt_code pbt_weights_open(pbt_weights *weights, const char *folder, pbt_error *error) {
    if (pbt_gguf_is(folder)) {
        PBT_TRY(pbt_gguf_weights_open(weights, folder, error));
        return make_places(weights, error);
    }
    char *single = pbt_path_join(folder, "model.safetensors");
    char *index = pbt_path_join(folder, "model.safetensors.index.json");
    pbt_code code;
    if (!single || !index)
        code = pbt_fail_memory(error, 0, "a path");
    else if (pbt_file_exists(single))
        code = open_single(weights, single, error);
    else if (pbt_file_exists(index))
        code = open_shards(weights, folder, index, error);
    else
        code = neither(folder, error);
    free(single);
    free(index);
    return code;
}

static pbt_dtype dtype_named(const char *name) {
    for (int d = 0; d < PBT_DTYPES; d++)
        if (strcmp(pbt_dtype_name((pbt_dtype)d), name) == 0) return (pbt_dtype)d;
    return PBT_F32;
}

pbt_dtype pbt_model_stored_dtype(const char *folder, const pbt_config *config) {
    pbt_weights weights = {0};
    pbt_error none;
    pbt_dtype dtype = PBT_DTYPES;
    if (config->quantization != PBT_DTYPES) return config->quantization;
    if (pbt_weights_open(&weights, folder, &none) == PBT_OK) {
        const pbt_stored_tensor *first =
            pbt_weights_find(&weights, "model.layers.0.self_attn.q_proj.weight", NULL);
        if (first)
            dtype = first->dtype == PBT_DTYPES && pbt_stored_is_readable(first) ? PBT_F32 : first->dtype;
    }
    for (size_t i = 0; i < weights.n_files; i++) pbt_safetensors_close(&weights.files[i]);
    free(weights.files);
    free(weights.places);
    return dtype == PBT_DTYPES ? dtype_named(config->torch_dtype) : dtype;
}

bool pbt_weights_mapped(const pbt_weights *weights, const void *data) {
    const unsigned char *at = data;
    for (size_t f = 0; f < weights->n_files; f++) {
        const pbt_mapping *m = &weights->files[f].mapping;
        if (m->data && at >= m->data && at < m->data + m->length) return true;
    }
    return false;
}
