/*
 * pbt chat: talk to a model in the terminal.
 */
#include "cli/inference.h"
#include "cli/line_editor.h"
#include "cli/terminal.h"

#include "base/memory.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct chat_options {
    const char *system;
    pbt_inference_options inference;
    pbt_sampling_options sampling;
} chat_options;

typedef struct conversation {
    const pbt_cli *cli;
    pbt_inference inference;
    pbt_sampling sampling;
    pbt_key key;
    bool interactive; /* a person types: Ctrl-C stops the answer, and what was said of it stays */
    uint64_t turns;   /* answered since the start, resets included */
    pbt_message *messages;
    size_t count, capacity;
} conversation;

/* ---- messages; roles are literals, contents are owned ---- */

static void forget_from(conversation *c, size_t first) {
    for (size_t i = first; i < c->count; i++) free((char *)(uintptr_t)c->messages[i].content);
    if (first < c->count) c->count = first;
}

static pbt_code say(conversation *c, const char *role, const char *content, pbt_error *error) {
    PBT_TRY(pbt_grow(c->messages, &c->capacity, c->count + 1, error));
    char *copy = pbt_string_copy(content);
    if (!copy) return pbt_fail_memory(error, strlen(content), "a message");
    c->messages[c->count++] = (pbt_message){.role = role, .content = copy};
    return PBT_OK;
}

/* ---- answering ---- */

/* Prints what is new of the text and can no longer change: the last bytes may be a character of which more
 * is to come. */
static void print_new(const conversation *c, const pbt_text *text, size_t *printed, bool end) {
    size_t length = text->length;
    if (!end && length >= 3 && memcmp(text->data + length - 3, "\xEF\xBF\xBD", 3) == 0) length -= 3;
    if (length <= *printed || c->cli->json) return;
    fwrite(text->data + *printed, 1, length - *printed, stdout);
    fflush(stdout);
    *printed = length;
}

/* One token more: the engine still has all of `ids` but the last. */
static pbt_code next_token(conversation *c, pbt_key key, size_t n_prompt, pbt_ids *ids, bool *finished,
                           pbt_error *error) {
    size_t produced = ids->count - n_prompt;
    pbt_generation g = {.prompt = ids->items,
                        .prompt_length = (int32_t)ids->count,
                        .adapter = c->inference.adapter,
                        .sampling = c->sampling,
                        .key = pbt_key_child(key, produced)};
    pbt_monitor watch = *c->cli->monitor;
    watch.progress = NULL;
    g.sampling.max_new_tokens = 1;
    g.sampling.min_new_tokens = produced < (size_t)c->sampling.min_new_tokens;
    PBT_TRY(pbt_engine_generate(c->inference.engine, &g, 1, &watch, error));
    pbt_code code = pbt_ids_push(ids, g.ids[0], error);
    *finished = g.finished;
    free(g.ids);
    return code;
}

static pbt_code stream(conversation *c, pbt_ids *ids, pbt_text *text, pbt_error *error) {
    const size_t n_prompt = ids->count;
    size_t printed = 0;
    pbt_key key = pbt_key_child(c->key, c->turns++);
    for (bool end = false; !end;) {
        bool finished;
        pbt_code code = next_token(c, key, n_prompt, ids, &finished, error);
        if (code == PBT_INTERRUPTED && c->interactive && pbt_terminal_was_interrupted() &&
            ids->count > n_prompt) {
            print_new(c, text, &printed, true);
            pbt_monitor_message(c->cli->monitor, 1, " [stopped]");
            return PBT_OK;
        }
        if (code != PBT_OK) return code;
        end = finished || ids->count - n_prompt >= (size_t)c->sampling.max_new_tokens;
        pbt_text_clear(text);
        PBT_TRY(pbt_tokenizer_decode(c->inference.tokenizer, ids->items + n_prompt, ids->count - n_prompt,
                                     true, text, error));
        print_new(c, text, &printed, end);
    }
    if (!c->cli->json) puts("");
    fflush(stdout);
    return PBT_OK;
}

static pbt_code answer(conversation *c, pbt_error *error) {
    pbt_ids ids = {0};
    pbt_text text = {0};
    pbt_code code =
        pbt_chat_prompt_ids(c->inference.chat, c->inference.tokenizer, c->messages, c->count, &ids, error);
    if (code == PBT_OK) code = stream(c, &ids, &text, error);
    if (code == PBT_OK) code = say(c, "assistant", pbt_text_string(&text), error);
    if (code == PBT_OK && c->cli->json)
        code = pbt_cli_print_json(
            json_pack("{s:s, s:s}", "role", "assistant", "content", pbt_text_string(&text)), error);
    free(ids.items);
    pbt_text_free(&text);
    return code;
}

/* ---- the person's side ---- */

static pbt_code set_system(conversation *c, const char *text, pbt_error *error) {
    forget_from(c, 0);
    if (text[0]) PBT_TRY(say(c, "system", text, error));
    pbt_monitor_message(c->cli->monitor, 1,
                        text[0] ? "new conversation with this system message"
                                : "new conversation without a system message");
    return PBT_OK;
}

/* A line that begins with "/". */
static pbt_code obey(conversation *c, const char *line, bool *quit, pbt_error *error) {
    bool system = c->count > 0 && strcmp(c->messages[0].role, "system") == 0;
    if (strcmp(line, "/quit") == 0 || strcmp(line, "/exit") == 0) {
        *quit = true;
    } else if (strcmp(line, "/reset") == 0) {
        forget_from(c, system ? 1 : 0);
        pbt_monitor_message(c->cli->monitor, 1, "new conversation");
    } else if (strncmp(line, "/system", 7) == 0 && (line[7] == ' ' || line[7] == '\0')) {
        return set_system(c, line + 7 + (line[7] == ' '), error);
    } else {
        pbt_monitor_message(c->cli->monitor, 1,
                            "/system TEXT sets the system message, /reset starts over, /quit ends");
    }
    return PBT_OK;
}

/* What goes wrong with one answer (a text too long, a template that refuses) does not end the talk. */
static pbt_code converse(conversation *c, pbt_line_editor *editor, pbt_error *error) {
    for (bool quit = false; !quit;) {
        char *line;
        size_t before = c->count;
        PBT_TRY(pbt_line_editor_next(editor, &line, error));
        if (!line) break;
        if (line[strspn(line, " \t\r")] == '\0') continue;
        if (line[0] == '/') {
            PBT_TRY(obey(c, line, &quit, error));
            continue;
        }
        PBT_TRY(say(c, "user", line, error));
        pbt_code code = answer(c, error);
        if (code == PBT_OK) continue;
        if (!c->interactive) return code;
        forget_from(c, before);
        if (code == PBT_INTERRUPTED) continue; /* before the first token */
        pbt_monitor_message(c->cli->monitor, 0, "%s", error->message);
    }
    return PBT_OK;
}

static pbt_code open_all(conversation *c, const char *path, const chat_options *o, pbt_error *error) {
    PBT_TRY(pbt_sampling_make(&o->sampling, &c->sampling, error));
    if (c->sampling.max_new_tokens == 0)
        return pbt_fail(error, PBT_USAGE, "--max_new_tokens is 0; expected at least 1");
    PBT_TRY(pbt_inference_open(c->cli, path, &o->inference, &c->inference, error));
    if (c->inference.chat) return PBT_OK;
    return pbt_fail_at(error, PBT_BAD_INPUT, c->inference.no_text.file, c->inference.no_text.where,
                       "a chat needs a tokenizer and a chat template: %s", c->inference.no_text.message);
}

static pbt_code run(const pbt_cli *cli, const void *settings, int n_arguments, char **arguments,
                    pbt_error *error) {
    const chat_options *o = settings;
    pbt_line_editor *editor = NULL;
    conversation c = {.cli = cli, .key = pbt_key_named(pbt_key_of_seed((uint64_t)o->sampling.seed), "chat")};
    (void)n_arguments;
    pbt_code code = open_all(&c, arguments[0], o, error);
    if (code == PBT_OK && o->system) code = say(&c, "system", o->system, error);
    if (code == PBT_OK) code = pbt_line_editor_open("> ", cli->monitor, &editor, error);
    c.interactive = code == PBT_OK && pbt_line_editor_is_interactive(editor);
    if (c.interactive) {
        pbt_terminal_keep_signals();
        pbt_monitor_message(cli->monitor, 1,
                            "/system TEXT, /reset, /quit; Ctrl-C stops a reply, Ctrl-D ends");
    }
    if (code == PBT_OK) code = converse(&c, editor, error);
    pbt_line_editor_close(editor);
    forget_from(&c, 0);
    free(c.messages);
    pbt_inference_close(&c.inference);
    return code;
}

static const pbt_option options[] = {
    {.name = "system",
     .type = PBT_OPTION_STRING,
     .offset = offsetof(chat_options, system),
     .value_name = "TEXT",
     .help = "system message"},
    PBT_SAMPLING_OPTIONS(chat_options, sampling),
    PBT_INFERENCE_OPTIONS(chat_options, inference),
};

const pbt_command pbt_command_chat = {
    .name = "chat",
    .summary = "Talk to a model in the terminal",
    .usage = "MODEL [--adapter DIR] [options]",
    .details =
        "Reads a line, replies, and so on; the whole conversation is the prompt of the next reply, and what "
        "was computed for it is reused.\n\n"
        "/system TEXT sets the system message and starts over, /reset starts over, /quit ends. With --json "
        "every reply is one line {\"role\", \"content\"}. In a terminal, lines are edited with the "
        "usual "
        "keys, the arrows bring back earlier ones, Ctrl-C stops the reply (the part generated so far stays "
        "in the conversation), and Ctrl-D ends.\n\n"
        "Example:\n  pbt chat models/small --adapter runs/dpo --temperature 0.7",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .settings_size = sizeof(chat_options),
    .least_arguments = 1,
    .most_arguments = 1,
    .run = run,
};
