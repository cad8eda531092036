/* Chat templates over the Jinja subset, and the ids of prompts and completions. */
#include "text/chat.h"

#include "base/file.h"
#include "base/json.h"
#include "text/jinja.h"

#include <stdlib.h>
#include <string.h>

enum { TEMPLATE_LIMIT = 1 << 20, CONFIG_LIMIT = 64 << 20, MAX_MESSAGES = 100000 };

struct pbt_chat_template {
    pbt_arena *arena;
    char *source;
    jinja_node *statements;
    const char *bos_token, *eos_token, *date_string;
};

void pbt_chat_template_free(pbt_chat_template *chat) {
    if (!chat) return;
    pbt_arena_free(chat->arena);
    free(chat);
}

static const char *kept(pbt_arena *arena, const char *text, bool *failed) {
    char *copy = text ? pbt_arena_string(arena, text) : NULL;
    if (text && !copy) *failed = true;
    return copy;
}

pbt_code pbt_chat_template_parse(const char *source, size_t length, const char *bos_token,
                                 const char *eos_token, const char *date_string, pbt_chat_template **chat,
                                 pbt_error *error) {
    *chat = NULL;
    if (length > TEMPLATE_LIMIT)
        return pbt_fail(error, PBT_BAD_INPUT, "chat template: expected at most %d bytes, found %zu",
                        TEMPLATE_LIMIT, length);
    pbt_chat_template *c = pbt_alloc(1, sizeof *c);
    if (!c || !(c->arena = pbt_arena_create())) {
        free(c);
        return pbt_fail_memory(error, sizeof *c, "a chat template");
    }
    bool failed = false;
    c->source = pbt_arena_copy(c->arena, source, length);
    c->bos_token = kept(c->arena, bos_token, &failed);
    c->eos_token = kept(c->arena, eos_token, &failed);
    c->date_string = kept(c->arena, date_string, &failed);
    if (failed || !c->source) {
        pbt_chat_template_free(c);
        return pbt_fail_memory(error, length, "a chat template");
    }
    jinja_parser parser = {.source = c->source, .length = length, .arena = c->arena, .error = error};
    c->statements = jinja_parse(&parser);
    if (parser.failed) {
        pbt_chat_template_free(c);
        return PBT_BAD_INPUT;
    }
    *chat = c;
    return PBT_OK;
}

/* The template in tokenizer_config.json: a string, or a list of {"name", "template"} with one named default.
 */
static const char *configured(const json_t *config) {
    const json_t *value = json_object_get(config, "chat_template"), *item;
    size_t i;
    if (json_is_string(value)) return json_string_value(value);
    json_array_foreach(value, i, item) {
        const char *name = json_string_value(json_object_get(item, "name"));
        if (name && strcmp(name, "default") == 0) return json_string_value(json_object_get(item, "template"));
    }
    return NULL;
}

static pbt_code find_source(const char *folder, char **source, size_t *length, pbt_error *error) {
    char *own = pbt_path_join(folder, "chat_template.jinja"),
         *config = pbt_path_join(folder, "tokenizer_config.json");
    json_t *json = NULL;
    pbt_code code = own && config ? PBT_OK : pbt_fail_memory(error, 0, "a path");
    *source = NULL;
    if (code == PBT_OK && pbt_file_exists(own)) {
        code = pbt_file_read(own, TEMPLATE_LIMIT, source, length, error);
    } else if (code == PBT_OK && pbt_file_exists(config)) {
        code = pbt_json_read(config, CONFIG_LIMIT, &json, error);
        const char *text = code == PBT_OK ? configured(json) : NULL;
        if (text) {
            *source = pbt_string_copy(text);
            *length = strlen(text);
            if (!*source) code = pbt_fail_memory(error, *length, "a chat template");
        }
    }
    if (code == PBT_OK && !*source)
        code =
            pbt_fail_at(error, PBT_BAD_INPUT, folder, NULL,
                        "expected chat_template.jinja, or \"chat_template\" in tokenizer_config.json; found "
                        "neither, so this model's chat format is unknown");
    json_decref(json);
    free(own);
    free(config);
    return code;
}

pbt_code pbt_chat_template_open(const char *folder, const pbt_tokenizer *tokenizer, const char *date_string,
                                pbt_chat_template **chat, pbt_error *error) {
    char *source;
    size_t length = 0;
    *chat = NULL;
    PBT_TRY(find_source(folder, &source, &length, error));
    pbt_code code =
        pbt_chat_template_parse(source, length, pbt_tokenizer_special(tokenizer, "bos_token"),
                                pbt_tokenizer_special(tokenizer, "eos_token"), date_string, chat, error);
    free(source);
    return code;
}

static void set_function(jinja_run *run, jinja_value *variables, const char *name) {
    jinja_value *function = jinja_make(run, JINJA_CALLABLE);
    function->text = name;
    jinja_append(run, variables, name, function);
}

static void set_variables(jinja_run *run, const pbt_chat_template *chat, const pbt_message *messages,
                          size_t n, bool add_generation_prompt) {
    jinja_value *variables = &run->scope->variables, *list = jinja_make(run, JINJA_LIST);
    for (size_t i = 0; i < n; i++) {
        jinja_value *message = jinja_make(run, JINJA_MAP);
        jinja_append(run, message, "role", jinja_string(run, messages[i].role, strlen(messages[i].role)));
        jinja_append(run, message, "content",
                     jinja_string(run, messages[i].content, strlen(messages[i].content)));
        jinja_append(run, list, NULL, message);
    }
    jinja_append(run, variables, "messages", list);
    jinja_append(run, variables, "add_generation_prompt", jinja_bool(run, add_generation_prompt));
    jinja_append(run, variables, "tools", jinja_make(run, JINJA_NONE));
    jinja_append(run, variables, "documents", jinja_make(run, JINJA_NONE));
    const char *names[3] = {"bos_token", "eos_token", "date_string"};
    const char *values[3] = {chat->bos_token, chat->eos_token, chat->date_string};
    for (int i = 0; i < 3; i++)
        if (values[i])
            jinja_append(run, variables, names[i], jinja_string(run, values[i], strlen(values[i])));
    set_function(run, variables, "raise_exception");
    set_function(run, variables, "namespace");
    set_function(run, variables, "range");
    set_function(run, variables, "strftime_now");
}

pbt_code pbt_chat_render(const pbt_chat_template *chat, const pbt_message *messages, size_t n,
                         bool add_generation_prompt, pbt_text *text, pbt_error *error) {
    if (n > MAX_MESSAGES)
        return pbt_fail(error, PBT_BAD_INPUT, "a chat of %zu messages; expected at most %d", n, MAX_MESSAGES);
    jinja_scope scope = {.variables = {.kind = JINJA_MAP}};
    jinja_run run = {.arena = pbt_arena_create(),
                     .error = error,
                     .out = text,
                     .scope = &scope,
                     .date_string = chat->date_string};
    if (!run.arena) return pbt_fail_memory(error, 0, "a chat");
    set_variables(&run, chat, messages, n, add_generation_prompt);
    if (run.code == PBT_OK) jinja_render(&run, chat->statements);
    pbt_arena_free(run.arena);
    if (run.code != PBT_OK) return run.code;
    return text->failed ? pbt_fail_memory(error, text->capacity, "a chat") : PBT_OK;
}

/* A prompt begins with the one BOS its tokenizer has; two would be a template that adds what the tokenizer
 * also adds. */
static pbt_code check_bos(const pbt_tokenizer *tokenizer, const int32_t *ids, size_t n, pbt_error *error) {
    int32_t bos = pbt_tokenizer_bos(tokenizer);
    if (bos >= 0 && n >= 2 && ids[0] == bos && ids[1] == bos)
        return pbt_fail(error, PBT_BAD_INPUT, "chat template: the prompt begins with %s twice",
                        pbt_tokenizer_piece(tokenizer, bos));
    return n > 0 ? PBT_OK : pbt_fail(error, PBT_BAD_INPUT, "chat template: the prompt has no tokens");
}

static pbt_code encode_prompt(const pbt_tokenizer *tokenizer, const pbt_text *text, pbt_ids *ids,
                              pbt_error *error) {
    size_t before = ids->count;
    PBT_TRY(pbt_tokenizer_encode(tokenizer, pbt_text_string(text), text->length, false, ids, error));
    return check_bos(tokenizer, ids->items + before, ids->count - before, error);
}

pbt_code pbt_chat_prompt_ids(const pbt_chat_template *chat, const pbt_tokenizer *tokenizer,
                             const pbt_message *messages, size_t n, pbt_ids *ids, pbt_error *error) {
    pbt_text text = {0};
    pbt_code code = pbt_chat_render(chat, messages, n, true, &text, error);
    if (code == PBT_OK) code = encode_prompt(tokenizer, &text, ids, error);
    pbt_text_free(&text);
    return code;
}

/* The rendered answer without what a template adds behind its end-of-turn token (a newline, say). */
static size_t end_of_turn(const pbt_tokenizer *tokenizer, const char *text, size_t length) {
    size_t end = length;
    while (end > 0 && strchr(" \t\r\n", text[end - 1])) end--;
    if (end == 0 || text[end - 1] != '>') return length;
    size_t start = end - 1;
    while (start > 0 && text[start] != '<') start--;
    char piece[64];
    if (end - start >= sizeof piece) return length;
    memcpy(piece, text + start, end - start);
    piece[end - start] = 0;
    int32_t id = pbt_tokenizer_id(tokenizer, piece);
    return id >= 0 && pbt_tokenizer_is_special(tokenizer, id) ? end : length;
}

static pbt_code render_both(const pbt_chat_template *chat, const pbt_message *messages, size_t n,
                            const char *answer, pbt_text *before, pbt_text *whole, pbt_error *error) {
    pbt_message *all = pbt_alloc(n + 1, sizeof *all);
    if (!all) return pbt_fail_memory(error, 0, "a chat");
    for (size_t i = 0; i < n; i++) all[i] = messages[i];
    all[n] = (pbt_message){.role = "assistant", .content = answer};
    pbt_code code = pbt_chat_render(chat, messages, n, true, before, error);
    if (code == PBT_OK) code = pbt_chat_render(chat, all, n + 1, false, whole, error);
    free(all);
    if (code != PBT_OK) return code;
    if (whole->length < before->length ||
        memcmp(pbt_text_string(whole), pbt_text_string(before), before->length) != 0)
        return pbt_fail(
            error, PBT_BAD_INPUT,
            "chat template: the prompt is not the beginning of the chat with its answer, so what the "
            "answer adds is unclear");
    return PBT_OK;
}

pbt_code pbt_chat_completion_ids(const pbt_chat_template *chat, const pbt_tokenizer *tokenizer,
                                 const pbt_message *messages, size_t n, const char *answer, pbt_ids *prompt,
                                 pbt_ids *completion, pbt_error *error) {
    pbt_text before = {0}, whole = {0};
    pbt_code code = render_both(chat, messages, n, answer, &before, &whole, error);
    if (code == PBT_OK) code = encode_prompt(tokenizer, &before, prompt, error);
    if (code == PBT_OK) {
        const char *rest = pbt_text_string(&whole) + before.length;
        size_t length = end_of_turn(tokenizer, rest, whole.length - before.length);
        code = pbt_tokenizer_encode(tokenizer, rest, length, false, completion, error);
    }
    pbt_text_free(&before);
    pbt_text_free(&whole);
    return code;
}
