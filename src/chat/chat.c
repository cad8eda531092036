/* Chat templates over the Jinja subset: rendering messages. Ids and spans stand in chat_ids.c. */
#include "chat/chat.h"

#include "base/file.h"
#include "chat/jinja/parse_template.h"
#include "chat/jinja/statements.h"
#include "chat/jinja/value.h"
#include "chat/render.h"

#include <stdlib.h>
#include <string.h>

enum { TEMPLATE_LIMIT = 1 << 20, MAX_MESSAGES = 100000 };

/* The named special tokens a template sees, where the tokenizer has them. */
static const char *const token_names[] = {"bos_token", "eos_token", "unk_token", "pad_token",
                                          "sep_token", "cls_token", "mask_token"};
enum { N_TOKENS = sizeof token_names / sizeof *token_names };

struct pbt_chat_template {
    pbt_arena *arena;
    jinja_node *statements;
    const char *tokens[N_TOKENS], *date_string;
    bool marks;                    /* it has {% generation %} */
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
    chat->marks = parser.generation;
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

/* The template for these variables: as in transformers the one named "tool_use" where tools are given. */
static const pbt_chat_template *served_by(const pbt_chat_template *chat, const json_t *variables) {
    return chat->with_tools && pbt_json_has(variables, "tools") ? chat->with_tools : chat;
}

bool pbt_chat_has_marks(const pbt_chat_template *chat, const json_t *variables) {
    return served_by(chat, variables)->marks;
}

static pbt_code check_turns(const pbt_chat_template *chat, const pbt_turns *turns, pbt_error *error) {
    if (turns->n > MAX_MESSAGES)
        return pbt_fail(error, PBT_BAD_INPUT, "a chat of %zu messages; expected at most %d", turns->n,
                        MAX_MESSAGES);
    if (pbt_json_has(turns->variables, "tools") && chat->tools_problem.code != PBT_OK) {
        if (error) *error = chat->tools_problem;
        return chat->tools_problem.code;
    }
    return PBT_OK;
}

static pbt_code copy_marks(const jinja_run *run, pbt_marks *marks, pbt_error *error) {
    for (const jinja_mark *m = run->marks; m; m = m->next) {
        PBT_TRY(pbt_grow(marks->items, &marks->capacity, marks->count + 1, error));
        marks->items[marks->count++] = (pbt_span_of_text){m->from, m->to};
    }
    return PBT_OK;
}

pbt_code pbt_turns_render(const pbt_chat_template *chat, const pbt_turns *turns, bool add_generation_prompt,
                          pbt_text *text, pbt_marks *marks, pbt_error *error) {
    PBT_TRY(check_turns(chat, turns, error));
    chat = served_by(chat, turns->variables);
    pbt_text rendered = {0};
    jinja_run run = {.arena = pbt_arena_create(),
                     .error = error,
                     .out = &rendered,
                     .root = &rendered,
                     .date_string = chat->date_string};
    if (!run.arena) return pbt_fail_memory(error, 0, "a chat");
    jinja_enter(&run, NULL);
    set_variables(&run, chat, add_generation_prompt);
    if (turns->json)
        pbt_turns_set_json(&run, turns);
    else
        jinja_set(&run, "messages", message_list(&run, turns->messages, turns->n));
    jinja_enter(&run, run.scope); /* so that what a template sets does not count as given */
    if (run.code == PBT_OK) jinja_render(&run, chat->statements);
    pbt_code code = run.code;
    if (code == PBT_OK && marks) code = copy_marks(&run, marks, error);
    pbt_arena_free(run.arena);
    if (code == PBT_OK) pbt_text_append(text, pbt_text_string(&rendered), rendered.length);
    pbt_text_free(&rendered);
    if (code != PBT_OK) return code;
    return text->failed ? pbt_fail_memory(error, text->capacity, "a chat") : PBT_OK;
}

pbt_code pbt_chat_render(const pbt_chat_template *chat, const pbt_message *messages, size_t n,
                         bool add_generation_prompt, pbt_text *text, pbt_error *error) {
    pbt_turns turns = {.messages = messages, .n = n};
    return pbt_turns_render(chat, &turns, add_generation_prompt, text, NULL, error);
}
