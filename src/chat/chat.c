/* Chat templates over the Jinja subset: rendering messages. Ids and spans stand in chat_ids.c. */
#include "chat/chat.h"

#include "base/file.h"
#include "chat/jinja/jinja.h"

#include <stdlib.h>
#include <string.h>

enum { TEMPLATE_LIMIT = 1 << 20, MAX_MESSAGES = 100000, MAX_VALUE_DEPTH = 64 };

/* The named special tokens a template sees, where the tokenizer has them. */
static const char *const token_names[] = {"bos_token", "eos_token", "unk_token", "pad_token",
                                          "sep_token", "cls_token", "mask_token"};
enum { N_TOKENS = sizeof token_names / sizeof *token_names };

struct pbt_chat_template {
    pbt_arena *arena;
    jinja_node *statements;
    const char *tokens[N_TOKENS], *date_string;
    pbt_chat_template *with_tools; /* the one named "tool_use", or NULL */
    pbt_error tools_problem;       /* why it cannot be used: told when it is asked for */
};

void pbt_chat_template_free(pbt_chat_template *chat) {
    if (!chat) return;
    pbt_chat_template_free(chat->with_tools);
    pbt_arena_free(chat->arena);
    free(chat);
}

static const char *kept(pbt_arena *arena, const char *text, bool *failed) {
    char *copy = text ? pbt_arena_string(arena, text) : NULL;
    if (text && !copy) *failed = true;
    return copy;
}

/* The source with all its line ends as \n. */
static char *unix_lines(pbt_arena *arena, const char *source, size_t *length) {
    char *copy = pbt_arena_copy(arena, source, *length);
    size_t n = 0;
    for (size_t i = 0; copy && i < *length; i++) {
        if (source[i] == '\r' && i + 1 < *length && source[i + 1] == '\n') continue;
        copy[n++] = source[i] == '\r' ? '\n' : source[i];
    }
    *length = n;
    return copy;
}

static pbt_code parse(pbt_chat_template *chat, const char *source, size_t length, const char *const *tokens,
                      const char *date_string, pbt_error *error) {
    bool failed = false;
    for (int i = 0; i < N_TOKENS; i++) chat->tokens[i] = kept(chat->arena, tokens[i], &failed);
    chat->date_string = kept(chat->arena, date_string, &failed);
    jinja_parser parser = {.source = unix_lines(chat->arena, source, &length), .length = length};
    if (failed || !parser.source) return pbt_fail_memory(error, length, "a chat template");
    parser.arena = chat->arena;
    parser.error = error;
    chat->statements = jinja_parse(&parser);
    return chat->statements ? PBT_OK : PBT_BAD_INPUT;
}

static pbt_code parse_template(const char *source, size_t length, const char *const *tokens,
                               const char *date_string, pbt_chat_template **chat, pbt_error *error) {
    *chat = NULL;
    if (length > TEMPLATE_LIMIT)
        return pbt_fail(error, PBT_BAD_INPUT, "chat template: expected at most %d bytes, found %zu",
                        TEMPLATE_LIMIT, length);
    if (memchr(source, 0, length) || !pbt_utf8_valid(source, length))
        return pbt_fail(error, PBT_BAD_INPUT, "chat template: expected UTF-8 text without zero bytes");
    pbt_chat_template *made = pbt_alloc(1, sizeof *made);
    if (!made || !(made->arena = pbt_arena_create())) {
        free(made);
        return pbt_fail_memory(error, sizeof *made, "a chat template");
    }
    pbt_code code = parse(made, source, length, tokens, date_string, error);
    if (code == PBT_OK)
        *chat = made;
    else
        pbt_chat_template_free(made);
    return code;
}

pbt_code pbt_chat_template_parse(const char *source, size_t length, const char *bos_token,
                                 const char *eos_token, const char *date_string, pbt_chat_template **chat,
                                 pbt_error *error) {
    const char *tokens[N_TOKENS] = {bos_token, eos_token};
    return parse_template(source, length, tokens, date_string, chat, error);
}

pbt_code pbt_chat_template_open(const char *folder, const pbt_tokenizer *tokenizer, const char *date_string,
                                pbt_chat_template **chat, pbt_error *error) {
    char *source;
    size_t length = 0;
    const char *tokens[N_TOKENS];
    *chat = NULL;
    PBT_TRY(pbt_chat_find_template(folder, "default", TEMPLATE_LIMIT, &source, &length, error));
    for (int i = 0; i < N_TOKENS; i++) tokens[i] = pbt_tokenizer_special(tokenizer, token_names[i]);
    pbt_code code = parse_template(source, length, tokens, date_string, chat, error);
    free(source);
    source = NULL;
    if (code == PBT_OK)
        code = pbt_chat_find_template(folder, "tool_use", TEMPLATE_LIMIT, &source, &length, error);
    if (code == PBT_OK && source)
        (void)parse_template(source, length, tokens, date_string, &(*chat)->with_tools,
                             &(*chat)->tools_problem);
    free(source);
    if (code == PBT_OK) return PBT_OK;
    pbt_chat_template_free(*chat);
    *chat = NULL;
    return code;
}

static void set_function(jinja_run *run, const char *name) {
    jinja_value *function = jinja_make(run, JINJA_FUNCTION);
    function->text = name;
    jinja_set(run, name, function);
}

static void set_variables(jinja_run *run, const pbt_chat_template *chat, bool add_generation_prompt) {
    static const char *const functions[] = {"raise_exception", "namespace", "range", "strftime_now", "dict"};
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) set_function(run, functions[i]);
    jinja_set(run, "add_generation_prompt", jinja_bool(run, add_generation_prompt));
    jinja_set(run, "tools", jinja_none());
    jinja_set(run, "documents", jinja_none());
    for (int i = 0; i < N_TOKENS; i++)
        if (chat->tokens[i])
            jinja_set(run, token_names[i], jinja_string(run, chat->tokens[i], strlen(chat->tokens[i])));
    if (chat->date_string)
        jinja_set(run, "date_string", jinja_string(run, chat->date_string, strlen(chat->date_string)));
}

static const jinja_value *message_list(jinja_run *run, const pbt_message *messages, size_t n) {
    jinja_value *list = jinja_make(run, JINJA_LIST);
    for (size_t i = 0; i < n && run->code == PBT_OK; i++) {
        const char *role = messages[i].role, *content = messages[i].content;
        jinja_value *message = jinja_make(run, JINJA_MAP);
        jinja_put(run, message, "role", jinja_string(run, role, strlen(role)));
        jinja_put(run, message, "content", jinja_string(run, content, strlen(content)));
        jinja_append(run, list, message);
    }
    return list;
}

static const jinja_value *from_json(jinja_run *run, const json_t *value, int depth) {
    if (depth > MAX_VALUE_DEPTH) return jinja_refuse(run, "a message is nested too deeply");
    if (json_is_string(value)) return jinja_string(run, json_string_value(value), json_string_length(value));
    if (json_is_integer(value)) return jinja_int(run, json_integer_value(value));
    if (json_is_real(value)) return jinja_float(run, json_real_value(value));
    if (json_is_boolean(value)) return jinja_bool(run, json_is_true(value));
    if (json_is_array(value)) {
        jinja_value *list = jinja_make(run, JINJA_LIST);
        for (size_t i = 0; i < json_array_size(value) && run->code == PBT_OK; i++)
            jinja_append(run, list, from_json(run, json_array_get(value, i), depth + 1));
        return list;
    }
    if (!json_is_object(value)) return jinja_none();
    jinja_value *map = jinja_make(run, JINJA_MAP);
    const char *key;
    json_t *item;
    json_object_foreach((json_t *)(uintptr_t)value, key, item)
        jinja_put(run, map, jinja_string(run, key, strlen(key))->text, from_json(run, item, depth + 1));
    return map;
}

/* As transformers hands messages to a template: fields that are null left out; reasoning, which has three
 * names, under the names "thinking" (first, where the message had none) and "reasoning_content". */
static const jinja_value *message_from_json(jinja_run *run, const json_t *message) {
    static const char *const fields[] = {"reasoning_content", "thinking", "reasoning"};
    const json_t *reasoning = NULL;
    jinja_value *map = jinja_make(run, JINJA_MAP);
    const char *key;
    json_t *item;
    for (int i = 0; i < 3 && !reasoning; i++)
        if (pbt_json_has(message, fields[i])) reasoning = json_object_get(message, fields[i]);
    if (reasoning) jinja_put(run, map, "thinking", from_json(run, reasoning, 1));
    json_object_foreach((json_t *)(uintptr_t)message, key, item) if (!json_is_null(item))
        jinja_put(run, map, jinja_string(run, key, strlen(key))->text, from_json(run, item, 1));
    if (reasoning) jinja_put(run, map, "reasoning_content", from_json(run, reasoning, 1));
    return map;
}

static void set_json(jinja_run *run, const json_t *messages, const json_t *more) {
    jinja_value *list = jinja_make(run, JINJA_LIST);
    const char *key;
    json_t *item;
    for (size_t i = 0; i < json_array_size(messages) && run->code == PBT_OK; i++) {
        const json_t *message = json_array_get(messages, i);
        if (!json_is_object(message)) {
            jinja_refuse(run, "message %zu: expected an object", i + 1);
            return;
        }
        jinja_append(run, list, message_from_json(run, message));
    }
    json_object_foreach((json_t *)(uintptr_t)more, key, item)
        jinja_set(run, jinja_string(run, key, strlen(key))->text, from_json(run, item, 0));
    jinja_set(run, "messages", list);
}

/* Renders with the messages or, where `json` is given, with that and the variables of `more`. */
static pbt_code render(const pbt_chat_template *chat, const pbt_message *messages, size_t n,
                       const json_t *json, const json_t *more, bool add_generation_prompt, pbt_text *text,
                       pbt_error *error) {
    if (n > MAX_MESSAGES)
        return pbt_fail(error, PBT_BAD_INPUT, "a chat of %zu messages; expected at most %d", n, MAX_MESSAGES);
    pbt_text rendered = {0};
    jinja_run run = {
        .arena = pbt_arena_create(), .error = error, .out = &rendered, .date_string = chat->date_string};
    if (!run.arena) return pbt_fail_memory(error, 0, "a chat");
    jinja_enter(&run, NULL);
    set_variables(&run, chat, add_generation_prompt);
    if (json)
        set_json(&run, json, more);
    else
        jinja_set(&run, "messages", message_list(&run, messages, n));
    jinja_enter(&run, run.scope); /* so that what a template sets does not count as given */
    if (run.code == PBT_OK) jinja_render(&run, chat->statements);
    pbt_arena_free(run.arena);
    if (run.code == PBT_OK) pbt_text_append(text, pbt_text_string(&rendered), rendered.length);
    pbt_text_free(&rendered);
    if (run.code != PBT_OK) return run.code;
    return text->failed ? pbt_fail_memory(error, text->capacity, "a chat") : PBT_OK;
}

pbt_code pbt_chat_render(const pbt_chat_template *chat, const pbt_message *messages, size_t n,
                         bool add_generation_prompt, pbt_text *text, pbt_error *error) {
    return render(chat, messages, n, NULL, NULL, add_generation_prompt, text, error);
}

pbt_code pbt_chat_render_json(const pbt_chat_template *chat, const json_t *messages, const json_t *more,
                              bool add_generation_prompt, pbt_text *text, pbt_error *error) {
    if (!json_is_array(messages) || json_array_size(messages) == 0)
        return pbt_fail(error, PBT_BAD_INPUT, "expected at least one message");
    if (pbt_json_has(more, "tools") && chat->tools_problem.code != PBT_OK) {
        if (error) *error = chat->tools_problem;
        return chat->tools_problem.code;
    }
    if (chat->with_tools && pbt_json_has(more, "tools")) chat = chat->with_tools;
    return render(chat, NULL, json_array_size(messages), messages, more, add_generation_prompt, text, error);
}
