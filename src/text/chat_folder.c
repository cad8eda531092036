/* Where a model folder keeps its chat template. */
#include "text/chat.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

enum { CONFIG_LIMIT = 64 << 20 };

/* The template in tokenizer_config.json: a string, or a list of {"name", "template"} of which the one named
 * default is for chats without tools. NULL where there is none. */
static pbt_code configured(const json_t *config, const char *path, const char **source, pbt_error *error) {
    const json_t *value = json_object_get(config, "chat_template"), *item;
    const char *other = NULL;
    size_t i;
    *source = json_string_value(value);
    json_array_foreach(value, i, item) {
        const char *name = json_string_value(json_object_get(item, "name"));
        if (name && strcmp(name, "default") == 0)
            *source = json_string_value(json_object_get(item, "template"));
        else if (name)
            other = name;
    }
    if (!*source && other)
        return pbt_fail_at(error, PBT_BAD_INPUT, path, "chat_template",
                           "expected a template named \"default\" in the list; found \"%.80s\"", other);
    return PBT_OK;
}

static pbt_code read_configured(const char *path, char **source, size_t *length, pbt_error *error) {
    json_t *config;
    const char *text;
    PBT_TRY(pbt_json_read(path, CONFIG_LIMIT, &config, error));
    pbt_code code = configured(config, path, &text, error);
    if (code == PBT_OK && text) {
        *source = pbt_string_copy(text);
        *length = strlen(text);
        if (!*source) code = pbt_fail_memory(error, *length, "a chat template");
    }
    json_decref(config);
    return code;
}

pbt_code pbt_chat_find_template(const char *folder, size_t limit, char **source, size_t *length,
                                pbt_error *error) {
    char *own = pbt_path_join(folder, "chat_template.jinja"),
         *config = pbt_path_join(folder, "tokenizer_config.json");
    pbt_code code = own && config ? PBT_OK : pbt_fail_memory(error, 0, "a path");
    *source = NULL;
    if (code == PBT_OK && pbt_file_exists(own))
        code = pbt_file_read(own, limit, source, length, error);
    else if (code == PBT_OK && pbt_file_exists(config))
        code = read_configured(config, source, length, error);
    if (code == PBT_OK && !*source)
        code =
            pbt_fail_at(error, PBT_BAD_INPUT, folder, NULL,
                        "expected chat_template.jinja, or \"chat_template\" in tokenizer_config.json; found "
                        "neither, so this model's chat format is unknown");
    free(own);
    free(config);
    return code;
}
