#include "model/adapter_folder.h"

#include "base/file.h"
#include "base/hub.h"
#include "base/memory.h"
#include "base/text.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const CONFIG = "adapter_config.json";

static bool has_adapter(const char *folder, const char *sub) {
    char *path = sub ? pbt_string_format("%s/%s/%s", folder, sub, CONFIG) : pbt_path_join(folder, CONFIG);
    bool is = path && pbt_file_exists(path);
    free(path);
    return is;
}

/* Names of the adapters in sub-folders, sorted, with commas between; `n` of them. */
static pbt_code list_subfolders(const char *folder, char **names, size_t *n, pbt_error *error) {
    enum { MOST = 64 };
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, NULL, alphasort);
    pbt_text text = {0};
    *n = 0;
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        if (name[0] != '.' && !pbt_string_starts(name, "checkpoint-") && has_adapter(folder, name) &&
            (*n)++ < MOST)
            pbt_text_addf(&text, "%s%s", *n > 1 ? ", " : "", name);
        free(entries[i]);
    }
    free(entries);
    pbt_text_add(&text, "");
    *names = pbt_text_take(&text);
    return *names ? PBT_OK : pbt_fail_memory(error, 0, "a list of adapters");
}

/* The one adapter of the folder. */
static pbt_code unnamed(const char *folder, char **result, pbt_error *error) {
    char *names;
    size_t n;
    bool own = has_adapter(folder, NULL);
    PBT_TRY(list_subfolders(folder, &names, &n, error));
    pbt_code code = PBT_OK;
    if (n + own > 1)
        code = pbt_fail_at(error, PBT_BAD_INPUT, folder, NULL,
                           "holds several adapters (%s%s); name one of them, as in %s:%.*s",
                           own ? "default, " : "", names, folder, (int)strcspn(names, ","), names);
    else
        *result = n == 1 ? pbt_path_join(folder, names) : pbt_string_copy(folder);
    free(names);
    if (code == PBT_OK && !*result) return pbt_fail_memory(error, 0, "a path");
    return code;
}

static pbt_code named(const char *folder, const char *name, char **result, pbt_error *error) {
    bool own = strcmp(name, "default") == 0 && has_adapter(folder, NULL);
    bool plain = *name && *name != '.' && !strchr(name, '/');
    if (!own && (!plain || !has_adapter(folder, name))) {
        char *names;
        size_t n;
        PBT_TRY(list_subfolders(folder, &names, &n, error));
        bool root = has_adapter(folder, NULL);
        pbt_code code =
            pbt_fail_at(error, PBT_BAD_INPUT, folder, NULL, "holds no adapter named \"%s\"; it has %s%s%s",
                        name, root ? "default" : "", root && n ? ", " : "",
                        n      ? names
                        : root ? ""
                               : "none");
        free(names);
        return code;
    }
    *result = own ? pbt_string_copy(folder) : pbt_path_join(folder, name);
    return *result ? PBT_OK : pbt_fail_memory(error, 0, "a path");
}

pbt_code pbt_adapter_folder(const char *name, char **folder, pbt_error *error) {
    const char *colon = strrchr(name, ':');
    *folder = NULL;
    if (!colon || pbt_folder_exists(name)) {
        char *whole;
        PBT_TRY(pbt_hub_folder(name, &whole, error));
        pbt_code code = unnamed(whole, folder, error);
        free(whole);
        return code;
    }
    char *front = pbt_string_format("%.*s", (int)(colon - name), name), *whole;
    if (!front) return pbt_fail_memory(error, 0, "a path");
    pbt_code code = pbt_hub_folder(front, &whole, error);
    free(front);
    if (code != PBT_OK) return code;
    code = named(whole, colon + 1, folder, error);
    free(whole);
    return code;
}

/* "Llama-3.1-8B" of "meta-llama/Llama-3.1-8B", "models/Llama-3.1-8B/" and
 * ".../models--meta-llama--Llama-3.1-8B/ snapshots/0123". */
static void last_part(const char *path, char *name, size_t size) {
    const char *cache = strstr(path, "models--");
    size_t length = strlen(path);
    if (cache) {
        length = strcspn(cache, "/");
        const char *begin = cache + strlen("models--");
        for (const char *at = begin; at + 1 < cache + length; at++)
            if (at[0] == '-' && at[1] == '-') begin = at + 2;
        snprintf(name, size, "%.*s", (int)(cache + length - begin), begin);
        return;
    }
    while (length > 0 && path[length - 1] == '/') length--;
    size_t begin = length;
    while (begin > 0 && path[begin - 1] != '/') begin--;
    snprintf(name, size, "%.*s", (int)(length - begin), path + begin);
}

void pbt_adapter_base_warning(const pbt_adapter *adapter, const pbt_model *model, char *text, size_t size) {
    char theirs[256], ours[256];
    *text = '\0';
    if (!adapter->base_model || !*adapter->base_model || !model->path || !*model->path) return;
    last_part(adapter->base_model, theirs, sizeof theirs);
    last_part(model->path, ours, sizeof ours);
    if (strcmp(theirs, ours) != 0)
        snprintf(text, size, "the adapter says it was made for %.300s; this model is %.300s",
                 adapter->base_model, model->path);
}
