/*
 * pbt tokens: how a model's tokenizer cuts text, and how its template renders messages.
 */
#include "base/file.h"
#include "base/hub.h"
#include "base/json.h"
#include "base/memory.h"
#include "cli/command.h"
#include "text/chat.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct tokens_options {
    bool add_special_tokens;
    const char *date_string;
} tokens_options;

typedef struct tokens_work {
    const pbt_cli *cli;
    const tokens_options *options;
    const char *model;
    pbt_tokenizer *tokenizer;
    pbt_chat_template *chat; /* opened when messages first come */
} tokens_work;

static json_t *string_json(const char *bytes, size_t length) {
    json_t *value = json_stringn(bytes, length);
    if (value) return value;
    pbt_text clean = {0};
    for (size_t i = 0, size; i < length; i += size) {
        char out[4];
        uint32_t c = pbt_utf8_decode(bytes + i, length - i, &size);
        pbt_text_append(&clean, out, pbt_utf8_encode(c, out));
    }
    value = json_stringn(pbt_text_string(&clean), clean.length);
    pbt_text_free(&clean);
    return value;
}

static void print_pieces(const tokens_work *w, const pbt_ids *ids) {
    for (size_t i = 0; i < ids->count; i++) {
        const char *piece = pbt_tokenizer_piece(w->tokenizer, ids->items[i]);
        bool special = pbt_tokenizer_is_special(w->tokenizer, ids->items[i]);
        const char *color = !w->cli->color ? "" : special ? "\033[33m" : i % 2 ? "\033[36m" : "\033[32m";
        printf("%8d  %s%s%s\n", ids->items[i], color, piece ? piece : "(none)",
               w->cli->color ? "\033[0m" : "");
    }
    printf("%zu tokens\n", ids->count);
}

/* `asked`: a person's TEXT, shown as a list; else one JSON object a line. */
static pbt_code show(const tokens_work *w, const char *text, size_t length, bool special, bool asked,
                     json_t *id, pbt_error *error) {
    pbt_ids ids = {0};
    pbt_code code = pbt_tokenizer_encode(w->tokenizer, text, length, special, &ids, error);
    if (code == PBT_OK && asked && !w->cli->json) {
        print_pieces(w, &ids);
    } else if (code == PBT_OK) {
        json_t *numbers = json_array(), *pieces = json_array();
        for (size_t i = 0; i < ids.count; i++) {
            const char *piece = pbt_tokenizer_piece(w->tokenizer, ids.items[i]);
            json_array_append_new(numbers, json_integer(ids.items[i]));
            json_array_append_new(pieces, piece ? string_json(piece, strlen(piece)) : json_null());
        }
        json_t *value = json_object();
        if (id) json_object_set(value, "id", id);
        json_object_set_new(value, "ids", numbers);
        json_object_set_new(value, "pieces", pieces);
        json_object_set_new(value, "text", string_json(text, length));
        code = pbt_cli_print_json(value, error);
    }
    free(ids.items);
    return code;
}

/* What the row gives the template besides messages: tools, documents, and all of chat_template_kwargs. */
static json_t *template_variables(const json_t *row) {
    static const char *const names[] = {"tools", "documents"};
    json_t *more = json_object(), *extra = json_object_get(row, "chat_template_kwargs");
    for (int i = 0; i < 2; i++)
        if (pbt_json_has(row, names[i])) json_object_set(more, names[i], json_object_get(row, names[i]));
    if (json_is_object(extra)) json_object_update(more, extra);
    return more;
}

static pbt_code show_messages(tokens_work *w, const json_t *row, const char *where, pbt_error *error) {
    const json_t *list;
    pbt_text text = {0};
    PBT_TRY(pbt_json_array(row, "messages", "standard input", where, &list, error));
    if (!w->chat)
        PBT_TRY(pbt_chat_template_open(w->model, w->tokenizer, w->options->date_string, &w->chat, error));
    json_t *more = template_variables(row);
    bool prompt = json_is_true(json_object_get(row, "add_generation_prompt"));
    pbt_code code = pbt_chat_render_json(w->chat, list, more, prompt, &text, error);
    if (code == PBT_OK)
        code = show(w, pbt_text_string(&text), text.length, false, false, json_object_get(row, "id"), error);
    pbt_text_free(&text);
    json_decref(more);
    return code;
}

static pbt_code show_line(tokens_work *w, const char *line, size_t length, size_t number, pbt_error *error) {
    json_t *row;
    char where[48];
    snprintf(where, sizeof where, "line %zu", number);
    PBT_TRY(pbt_json_parse(line, length, "standard input", where, &row, error));
    const json_t *text = json_object_get(row, "text");
    pbt_code code;
    if (json_is_string(text))
        code = show(w, json_string_value(text), json_string_length(text), w->options->add_special_tokens,
                    false, json_object_get(row, "id"), error);
    else if (pbt_json_has(row, "messages"))
        code = show_messages(w, row, where, error);
    else
        code =
            pbt_fail_at(error, PBT_BAD_INPUT, "standard input", where, "expected \"text\" or \"messages\"");
    json_decref(row);
    return code;
}

static pbt_code show_input(tokens_work *w, pbt_error *error) {
    pbt_lines *lines;
    char *line;
    size_t length, number;
    PBT_TRY(pbt_lines_open("-", &lines, error));
    pbt_code code;
    while ((code = pbt_lines_next(lines, &line, &length, &number, error)) == PBT_OK && line) {
        if (length == 0) continue;
        code = show_line(w, line, length, number, error);
        if (code != PBT_OK) break;
    }
    pbt_lines_close(lines);
    return code;
}

static pbt_code run(const pbt_cli *cli, const void *settings, int n_arguments, char **arguments,
                    pbt_error *error) {
    char *folder;
    PBT_TRY(pbt_hub_folder(arguments[0], &folder, error));
    tokens_work w = {.cli = cli, .options = settings, .model = folder};
    pbt_code code = pbt_tokenizer_open(folder, &w.tokenizer, error);
    if (code == PBT_OK)
        code = n_arguments == 2 ? show(&w, arguments[1], strlen(arguments[1]), w.options->add_special_tokens,
                                       true, NULL, error)
                                : show_input(&w, error);
    pbt_chat_template_free(w.chat);
    pbt_tokenizer_free(w.tokenizer);
    free(folder);
    return code;
}

static const pbt_option options[] = {
    {"add_special_tokens", 0, PBT_OPTION_FLAG, offsetof(tokens_options, add_special_tokens), NULL, NULL,
     "add what the tokenizer adds by itself (BOS, EOS)", NULL},
    {"date_string", 0, PBT_OPTION_STRING, offsetof(tokens_options, date_string), "TEXT", NULL,
     "date for chat templates that print one", NULL},
};

const pbt_command pbt_command_tokens = {
    .name = "tokens",
    .summary = "Show how text is cut into tokens, and how messages are rendered",
    .usage = "MODEL [TEXT]",
    .details =
        "Needs only the tokenizer's files of the folder. Without TEXT it reads JSONL from standard input, "
        "{\"text\"} or {\"messages\", \"add_generation_prompt\"}, and writes {\"ids\", \"pieces\", \"text\"} "
        "for each line. Text that spells a special token is parsed as that token, as in transformers.\n\n"
        "Examples:\n  pbt tokens models/small 'Hello world'\n"
        "  echo '{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}' | pbt tokens models/small",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .settings_size = sizeof(tokens_options),
    .least_arguments = 1,
    .most_arguments = 2,
    .run = run,
};
