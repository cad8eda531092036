#include "experiment/inputs.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/hub.h"
#include "gguf/gguf.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WHOLE_LIMIT = 64 << 20, EDGE = 1 << 20, MAX_FILES = 4096 };

static pbt_code hash_contents(const char *path, uint64_t *hash, pbt_error *error) {
    pbt_mapping m;
    PBT_TRY(pbt_file_map(path, &m, error));
    uint64_t size = m.length;
    *hash = pbt_hash(&size, sizeof size, *hash);
    if (m.length <= WHOLE_LIMIT) {
        *hash = pbt_hash(m.data, m.length, *hash);
    } else {
        *hash = pbt_hash(m.data, EDGE, *hash);
        *hash = pbt_hash(m.data + m.length - EDGE, EDGE, *hash);
    }
    pbt_file_unmap(&m);
    return PBT_OK;
}

static int visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

/* Files of a folder in the order of their bytes (not of the locale); sub-folders are left out. */
static int by_bytes(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static pbt_code hash_folder(const char *path, uint64_t *hash, pbt_error *error) {
    struct dirent **entries;
    int n = scandir(path, &entries, visible, by_bytes);
    if (n < 0) return pbt_fail_at(error, PBT_BAD_INPUT, path, NULL, "cannot list the folder");
    pbt_code code = n > MAX_FILES
                        ? pbt_fail_at(error, PBT_BAD_INPUT, path, NULL,
                                      "the folder has %d files; that is no model and no prompt set", n)
                        : PBT_OK;
    for (int i = 0; i < n; i++) {
        char *file = pbt_path_join(path, entries[i]->d_name);
        if (code == PBT_OK && !file) code = pbt_fail_memory(error, strlen(path), "a path");
        if (code == PBT_OK && pbt_file_exists(file)) {
            *hash = pbt_hash(entries[i]->d_name, strlen(entries[i]->d_name), *hash);
            code = hash_contents(file, hash, error);
        }
        free(file);
        free(entries[i]);
    }
    free(entries);
    return code;
}

/* All parts of a split file. */
static pbt_code hash_gguf(const char *path, uint64_t *hash, pbt_error *error) {
    pbt_gguf file;
    PBT_TRY(pbt_gguf_open(path, &file, error));
    pbt_code code = PBT_OK;
    for (size_t i = 0; i < file.n_parts && code == PBT_OK; i++)
        code = hash_contents(file.parts[i].path, hash, error);
    pbt_gguf_close(&file);
    return code;
}

static pbt_code add(json_t *object, const char *name, const char *path, pbt_error *error) {
    if (!path) return PBT_OK;
    uint64_t hash = 0;
    PBT_TRY(pbt_folder_exists(path) ? hash_folder(path, &hash, error)
            : pbt_gguf_is(path)     ? hash_gguf(path, &hash, error)
                                    : hash_contents(path, &hash, error));
    char text[20];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)hash);
    return json_object_set_new(object, name, json_string(text)) == 0
               ? PBT_OK
               : pbt_fail_memory(error, 16, "a fingerprint");
}

static pbt_code add_model(json_t *object, const char *name, const char *model, pbt_error *error) {
    char *folder;
    if (!model) return PBT_OK;
    PBT_TRY(pbt_hub_folder(model, &folder, error));
    pbt_code code = add(object, name, folder, error);
    free(folder);
    return code;
}

static const char *path_of(const char *who) {
    bool name = strcmp(who, "a") == 0 || strcmp(who, "b") == 0 || strcmp(who, "none") == 0;
    return name ? NULL : who;
}

static pbt_code add_all(const pbt_experiment *e, json_t *object, pbt_error *error) {
    PBT_TRY(add_model(object, "agents.a.model", e->agents[0].model, error));
    PBT_TRY(add_model(object, "agents.b.model", e->agents[1].model, error));
    PBT_TRY(add_model(object, "agents.extractor", path_of(e->extractor), error));
    PBT_TRY(add_model(object, "agents.filter", path_of(e->filter), error));
    PBT_TRY(add(object, "prompts", e->prompts, error));
    PBT_TRY(add(object, "questions.file", e->questions.file, error));
    PBT_TRY(add(object, "questions.train", e->questions.part_file[0], error));
    PBT_TRY(add(object, "questions.dev", e->questions.part_file[1], error));
    PBT_TRY(add(object, "questions.test", e->questions.part_file[2], error));
    return add(object, "eval.farm.data", e->farm.enabled ? e->farm.data : NULL, error);
}

pbt_code pbt_inputs_fingerprint(const pbt_experiment *experiment, json_t **fingerprint, pbt_error *error) {
    json_t *object = json_object();
    pbt_code code = object ? add_all(experiment, object, error) : pbt_fail_memory(error, 0, "a fingerprint");
    if (code == PBT_OK)
        *fingerprint = object;
    else
        json_decref(object);
    return code;
}
