/* Conversations in rows of JSON files. */
#include "chat/row.h"

#include <string.h>

enum { MAX_VARIABLES = 256 };

#define fail_row(...) pbt_fail_at(error, PBT_BAD_INPUT, file, where, __VA_ARGS__)

bool pbt_row_has(const json_t *row, const char *key) {
    const json_t *value = json_object_get(row, key);
    if (json_is_array(value)) return json_array_size(value) > 0;
    if (json_is_object(value)) return json_object_size(value) > 0;
    if (json_is_string(value)) return json_string_length(value) > 0;
    return value && !json_is_null(value);
}

pbt_code pbt_row_refuse_media(const json_t *row, const char *file, const char *where, pbt_error *error) {
    static const char *const media[] = {"image", "images", "video", "videos", "audio", "audios"};
    for (size_t i = 0; i < sizeof media / sizeof *media; i++)
        if (pbt_row_has(row, media[i]))
            return fail_row("the row has \"%s\", which cannot be rendered: only text can", media[i]);
    return PBT_OK;
}

/* ---- messages ---- */

/* Text, or a list of parts of text. */
static pbt_code check_content(const json_t *content, size_t index, const char *key, const char *file,
                              const char *where, pbt_error *error) {
    size_t i;
    const json_t *part;
    if (json_is_string(content)) return PBT_OK;
    if (!json_is_array(content))
        return fail_row("message %zu of \"%s\": expected \"content\" to be a string or a list of parts",
                        index + 1, key);
    json_array_foreach((json_t *)(uintptr_t)content, i, part) {
        const char *type = json_string_value(json_object_get(part, "type"));
        if (json_is_string(part)) continue;
        if (!json_is_object(part) || (!type && !json_is_string(json_object_get(part, "text"))))
            return fail_row("message %zu of \"%s\": expected part %zu of \"content\" to be an object with "
                            "\"type\" and \"text\"",
                            index + 1, key, i + 1);
        if (type && strcmp(type, "text") != 0)
            return fail_row("message %zu of \"%s\" has a part of type \"%.40s\", which cannot be rendered: "
                            "only text can",
                            index + 1, key, type);
    }
    return PBT_OK;
}

/* Renames a field, as TRL does with ShareGPT's. */
static int rename_field(json_t *message, const char *from, const char *to) {
    json_t *value = json_object_get(message, from);
    if (!value) return 0;
    int failed = json_object_set(message, to, value);
    return failed ? failed : json_object_del(message, from);
}

static pbt_code check_message(const json_t *message, size_t index, const char *key, const char *file,
                              const char *where, pbt_error *error) {
    const json_t *role = json_object_get(message, "role"), *content = json_object_get(message, "content");
    const bool has_content = content && !json_is_null(content);
    if (!json_is_string(role) ||
        (!has_content && !pbt_row_has(message, "tool_calls") && !pbt_row_has(message, "reasoning_content") &&
         !pbt_row_has(message, "thinking") && !pbt_row_has(message, "reasoning")))
        return fail_row(
            "message %zu of \"%s\" must be an object with the string \"role\" and with \"content\", a "
            "string or a list of parts (or with \"tool_calls\")",
            index + 1, key);
    PBT_TRY(pbt_row_refuse_media(message, file, where, error));
    return has_content ? check_content(content, index, key, file, where, error) : PBT_OK;
}

static pbt_code add_message(const json_t *given, size_t index, const char *key, const char *file,
                            const char *where, json_t *messages, pbt_error *error) {
    json_t *message = json_is_object(given) ? json_copy((json_t *)(uintptr_t)given) : json_object();
    if (!message || rename_field(message, "from", "role") != 0 ||
        rename_field(message, "value", "content") != 0 || json_array_append(messages, message) != 0) {
        json_decref(message);
        return pbt_fail_memory(error, 0, "messages");
    }
    pbt_code code = check_message(message, index, key, file, where, error);
    json_decref(message);
    return code;
}

pbt_code pbt_row_messages(const json_t *row, const char *key, const char *file, const char *where,
                          json_t **messages, pbt_error *error) {
    const json_t *list;
    json_t *made = json_array();
    pbt_code code =
        made ? pbt_json_array(row, key, file, where, &list, error) : pbt_fail_memory(error, 0, "messages");
    for (size_t i = 0; code == PBT_OK && i < json_array_size(list); i++)
        code = add_message(json_array_get(list, i), i, key, file, where, made, error);
    if (code == PBT_OK)
        *messages = made;
    else
        json_decref(made);
    return code;
}

/* ---- variables ---- */

/* Arguments of transformers' apply_chat_template that no template sees. */
static pbt_code check_kwarg(const char *key, const char *file, const char *where, pbt_error *error) {
    static const char *const others[] = {"chat_template",
                                         "tokenize",
                                         "padding",
                                         "truncation",
                                         "max_length",
                                         "return_tensors",
                                         "return_dict",
                                         "tokenizer_kwargs",
                                         "return_assistant_tokens_mask",
                                         "conversation",
                                         "conversations",
                                         "messages",
                                         "sanitize_control_tokens"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(key, others[i]) == 0)
            return fail_row(
                "\"chat_template_kwargs\" has \"%s\", which is no variable of the template and is not "
                "supported",
                key);
    return PBT_OK;
}

/* A list of objects; datasets that cannot hold lists of different shapes write it as a string of JSON. */
static pbt_code read_list(const json_t *value, const char *key, const char *file, const char *where,
                          json_t **list, pbt_error *error) {
    if (json_is_string(value)) {
        pbt_error inner = {0};
        if (pbt_json_parse(json_string_value(value), json_string_length(value), NULL, NULL, list, &inner) !=
            PBT_OK)
            return fail_row("\"%s\" is a string that holds no JSON: %s", key, inner.message);
    } else {
        *list = json_incref((json_t *)(uintptr_t)value);
    }
    bool good = json_is_array(*list);
    for (size_t i = 0; i < json_array_size(*list); i++)
        good = good && json_is_object(json_array_get(*list, i));
    if (good) return PBT_OK;
    json_decref(*list);
    return fail_row("\"%s\" must be a list of objects", key);
}

static pbt_code set_list(const json_t *from, const char *key, const char *file, const char *where,
                         json_t *variables, pbt_error *error) {
    json_t *list;
    if (!pbt_row_has(from, key)) return PBT_OK;
    PBT_TRY(read_list(json_object_get(from, key), key, file, where, &list, error));
    bool empty = json_array_size(list) == 0;
    int failed = empty ? 0 : json_object_set(variables, key, list);
    json_decref(list);
    return failed ? pbt_fail_memory(error, 0, "variables of the template") : PBT_OK;
}

static bool is_flag(const char *key) {
    return strcmp(key, "add_generation_prompt") == 0 || strcmp(key, "continue_final_message") == 0;
}

static bool is_list(const char *key) {
    return strcmp(key, "tools") == 0 || strcmp(key, "documents") == 0;
}

static pbt_code read_variables(const json_t *row, const char *file, const char *where, json_t *variables,
                               pbt_error *error) {
    const json_t *more = json_object_get(row, "chat_template_kwargs");
    const char *key;
    json_t *item;
    PBT_TRY(set_list(row, "tools", file, where, variables, error));
    PBT_TRY(set_list(row, "documents", file, where, variables, error));
    if (!pbt_row_has(row, "chat_template_kwargs")) return PBT_OK;
    if (!json_is_object(more) || json_object_size(more) > MAX_VARIABLES)
        return fail_row("\"chat_template_kwargs\" must be an object of at most %d variables", MAX_VARIABLES);
    json_object_foreach((json_t *)(uintptr_t)more, key, item) {
        PBT_TRY(check_kwarg(key, file, where, error));
        if (is_flag(key)) continue;
        if (is_list(key))
            PBT_TRY(set_list(more, key, file, where, variables, error));
        else if (json_object_set(variables, key, item) != 0)
            return pbt_fail_memory(error, 0, "variables of the template");
    }
    return PBT_OK;
}

pbt_code pbt_row_variables(const json_t *row, const char *file, const char *where, json_t **variables,
                           pbt_error *error) {
    json_t *made = json_object();
    pbt_code code = made ? read_variables(row, file, where, made, error)
                         : pbt_fail_memory(error, 0, "variables of the template");
    if (code == PBT_OK)
        *variables = made;
    else
        json_decref(made);
    return code;
}

/* ---- flags ---- */

static const json_t *flag_of(const json_t *row, const char *key) {
    const json_t *more = json_object_get(row, "chat_template_kwargs");
    return pbt_json_has(more, key) ? json_object_get(more, key) : json_object_get(row, key);
}

pbt_code pbt_row_flags(const json_t *row, const char *file, const char *where, pbt_chat_flags *flags,
                       pbt_error *error) {
    const json_t *prompt = flag_of(row, "add_generation_prompt"),
                 *go_on = flag_of(row, "continue_final_message");
    *flags = (pbt_chat_flags){0};
    if (prompt && !json_is_null(prompt)) {
        if (!json_is_boolean(prompt)) return fail_row("\"add_generation_prompt\" must be true or false");
        flags->generation_prompt_given = true;
        flags->add_generation_prompt = json_is_true(prompt);
    }
    if (!go_on || json_is_null(go_on) || json_is_false(go_on)) return PBT_OK;
    if (!json_is_true(go_on) && !json_is_string(go_on))
        return fail_row("\"continue_final_message\" must be true, false or the name of a field");
    flags->continued = json_is_true(go_on) ? "content" : json_string_value(go_on);
    if (!*flags->continued) flags->continued = NULL;
    return PBT_OK;
}
