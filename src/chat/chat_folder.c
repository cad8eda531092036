/* Where a model folder keeps its chat template. */
#include "chat/chat.h"

#include "base/file.h"
#include "gguf/gguf.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIG_LIMIT = 64 << 20 };
#define ADDITIONAL "additional_chat_templates"

/* The template of a name in tokenizer_config.json: a string ("default"), or a list of {"name", "template"}.
 * NULL where there is none. */
static pbt_code configured(const json_t *config, const char *wanted, const char *path, const char **source,
                           pbt_error *error) {
    const json_t *value = json_object_get(config, "chat_template"), *item;
    const bool usual = strcmp(wanted, "default") == 0;
    const char *other = NULL;
    size_t i;
    *source = usual ? json_string_value(value) : NULL;
    json_array_foreach(value, i, item) {
        const char *name = json_string_value(json_object_get(item, "name"));
        if (name && strcmp(name, wanted) == 0)
            *source = json_string_value(json_object_get(item, "template"));
        else if (name)
            other = name;
    }
    if (usual && !*source && other)
        return pbt_fail_at(error, PBT_BAD_INPUT, path, "chat_template",
                           "expected a template named \"default\" in the list; found \"%.80s\"", other);
    return PBT_OK;
}

static pbt_code read_configured(const char *path, const char *wanted, char **source, size_t *length,
                                pbt_error *error) {
    json_t *config;
    const char *text;
    PBT_TRY(pbt_json_read(path, CONFIG_LIMIT, &config, error));
    pbt_code code = configured(config, wanted, path, &text, error);
    if (code == PBT_OK && text) {
        *source = pbt_string_copy(text);
        *length = strlen(text);
        if (!*source) code = pbt_fail_memory(error, *length, "a chat template");
    }
    json_decref(config);
    return code;
}

/* The first template of the folder additional_chat_templates, malloc'ed, or NULL. */
static char *any_additional(const char *folder) {
    char *path = pbt_path_join(folder, ADDITIONAL), *found = NULL;
    DIR *listing = path ? opendir(path) : NULL;
    for (const struct dirent *entry; listing && !found && (entry = readdir(listing));)
        if (pbt_string_ends(entry->d_name, ".jinja")) found = pbt_string_copy(entry->d_name);
    if (listing) closedir(listing);
    free(path);
    return found;
}

static pbt_code missing(const char *folder, const char *additional, pbt_error *error) {
    if (additional)
        return pbt_fail_at(
            error, PBT_BAD_INPUT, folder, NULL,
            "expected chat_template.jinja, the template for chats without tools, beside " ADDITIONAL
            "/%.80s; found none",
            additional);
    return pbt_fail_at(error, PBT_BAD_INPUT, folder, NULL,
                       "expected chat_template.jinja, or \"chat_template\" in tokenizer_config.json; found "
                       "neither, so this model's chat format is unknown");
}

/* "tokenizer.chat_template" of a GGUF file, or "tokenizer.chat_template.NAME". */
static pbt_code read_gguf(const char *path, const char *name, size_t limit, char **source, size_t *length,
                          pbt_error *error) {
    const bool usual = strcmp(name, "default") == 0;
    char *key = pbt_string_format("tokenizer.chat_template%s%s", usual ? "" : ".", usual ? "" : name);
    pbt_gguf file;
    pbt_gguf_string text;
    *source = NULL;
    if (!key) return pbt_fail_memory(error, strlen(name), "a key");
    pbt_code code = pbt_gguf_open(path, &file, error);
    if (code == PBT_OK && pbt_gguf_text(pbt_gguf_find(&file, key), &text)) {
        *source = text.length <= limit ? pbt_gguf_copy(text) : NULL;
        *length = text.length;
        if (!*source)
            code = pbt_fail_at(error, PBT_BAD_INPUT, path, key, "is broken, or longer than %zu bytes", limit);
    } else if (code == PBT_OK && usual) {
        code = pbt_fail_at(error, PBT_BAD_INPUT, path, key,
                           "expected a chat template, found none, so this model's chat format is unknown");
    }
    if (file.n_parts) pbt_gguf_close(&file);
    free(key);
    return code;
}

pbt_code pbt_chat_find_template(const char *folder, const char *name, size_t limit, char **source,
                                size_t *length, pbt_error *error) {
    if (pbt_gguf_is(folder)) return read_gguf(folder, name, limit, source, length, error);
    const bool usual = strcmp(name, "default") == 0;
    char *own = pbt_path_join(folder, "chat_template.jinja"),
         *config = pbt_path_join(folder, "tokenizer_config.json"), *additional = any_additional(folder),
         *named = pbt_string_format("%s/" ADDITIONAL "/%s.jinja", folder, name);
    const char *file = usual ? own : named;
    pbt_code code = own && config && named ? PBT_OK : pbt_fail_memory(error, 0, "a path");
    *source = NULL;
    if (code == PBT_OK && pbt_file_exists(file))
        code = pbt_file_read(file, limit, source, length, error);
    else if (code == PBT_OK && !additional && !pbt_file_exists(own) && pbt_file_exists(config))
        code = read_configured(config, name, source, length, error);
    if (code == PBT_OK && usual && !*source) code = missing(folder, additional, error);
    free(own);
    free(config);
    free(additional);
    free(named);
    return code;
}
