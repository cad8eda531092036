/*
 * pbt tokens: how a model's tokenizer cuts text, and how its template renders messages.
 */
#include "base/file.h"
#include "base/hub.h"
#include "base/json.h"
#include "chat/row.h"
#include "cli/command.h"
#include "cli/show_tokens.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct tokens_options {
    bool add_special_tokens, skip_special_tokens, show_tokens;
    const char *date_string;
} tokens_options;

typedef struct tokens_work {
    const pbt_cli *cli;
    const tokens_options *options;
    const char *model;
    pbt_tokenizer *tokenizer;
    pbt_chat_template *chat; /* opened when messages first come */
} tokens_work;

/* What is shown of one text. */
typedef struct tokens_shown {
    const pbt_ids *ids;
    const unsigned char *mask; /* NULL: none */
    const char *text;
    size_t length;
    json_t *id; /* of the row, or NULL */
} tokens_shown;

/* `asked`: a person's TEXT, shown as a list; else one JSON object a line. */
static pbt_code print(const tokens_work *w, const tokens_shown *shown, bool asked, pbt_error *error) {
    if (!w->cli->json && (asked || w->options->show_tokens)) {
        pbt_cli_print_tokens(w->cli, w->tokenizer, shown->ids->items, shown->ids->count, shown->mask);
        return PBT_OK;
    }
    json_t *value = json_object();
    if (shown->id) json_object_set(value, "id", shown->id);
    pbt_cli_put_tokens(value, w->tokenizer, shown->ids->items, shown->ids->count, shown->mask);
    json_object_set_new(value, "text", pbt_cli_json_text(shown->text, shown->length));
    return pbt_cli_print_json(value, error);
}

static pbt_code show(const tokens_work *w, const char *text, size_t length, bool special, bool asked,
                     const unsigned char *mask, json_t *id, pbt_error *error) {
    pbt_ids ids = {0};
    pbt_code code = pbt_tokenizer_encode(w->tokenizer, text, length, special, &ids, error);
    if (code == PBT_OK) code = print(w, &(tokens_shown){&ids, mask, text, length, id}, asked, error);
    free(ids.items);
    return code;
}

/* A row {"ids"}: decoded. */
static pbt_code show_ids(const tokens_work *w, const json_t *row, const char *where, pbt_error *error) {
    const json_t *list;
    pbt_ids ids = {0};
    pbt_text text = {0};
    PBT_TRY(pbt_json_array(row, "ids", "standard input", where, &list, error));
    pbt_code code = PBT_OK;
    for (size_t i = 0; i < json_array_size(list) && code == PBT_OK; i++) {
        json_int_t id = json_integer_value(json_array_get(list, i));
        if (!json_is_integer(json_array_get(list, i)) || id < 0 || id >= pbt_tokenizer_size(w->tokenizer))
            code = pbt_fail_at(error, PBT_BAD_INPUT, "standard input", where,
                               "entry %zu of \"ids\": expected a token's id from 0 to %d", i + 1,
                               pbt_tokenizer_size(w->tokenizer) - 1);
        else
            code = pbt_ids_push(&ids, (int32_t)id, error);
    }
    if (code == PBT_OK)
        code = pbt_tokenizer_decode(w->tokenizer, ids.items, ids.count, w->options->skip_special_tokens,
                                    &text, error);
    if (code == PBT_OK)
        code = print(
            w, &(tokens_shown){&ids, NULL, pbt_text_string(&text), text.length, json_object_get(row, "id")},
            false, error);
    pbt_text_free(&text);
    free(ids.items);
    return code;
}

static pbt_code show_input_of(const tokens_work *w, const pbt_chat_input *input, json_t *id,
                              pbt_error *error) {
    pbt_text text = {0};
    pbt_ids ids = {0};
    unsigned char *mask = NULL;
    pbt_code code = pbt_chat_render_input(w->chat, input, &text, error);
    /* Which tokens carry loss when a model is trained on its answers. */
    if (code == PBT_OK && w->options->show_tokens && !input->add_generation_prompt && !input->continued)
        code = pbt_chat_mask(w->chat, w->tokenizer, input, &ids, &mask, error);
    if (code == PBT_OK) code = show(w, pbt_text_string(&text), text.length, false, false, mask, id, error);
    free(mask);
    free(ids.items);
    pbt_text_free(&text);
    return code;
}

static pbt_code show_messages(tokens_work *w, const json_t *row, const char *where, pbt_error *error) {
    const json_t *list;
    json_t *variables;
    pbt_chat_flags flags;
    PBT_TRY(pbt_json_array(row, "messages", "standard input", where, &list, error));
    PBT_TRY(pbt_row_flags(row, "standard input", where, &flags, error));
    if (!w->chat)
        PBT_TRY(pbt_chat_template_open(w->model, w->tokenizer, w->options->date_string, &w->chat, error));
    PBT_TRY(pbt_row_variables(row, "standard input", where, &variables, error));
    pbt_chat_input input = {list, variables, flags.continued, flags.add_generation_prompt};
    pbt_error inner = {0};
    pbt_code code = show_input_of(w, &input, json_object_get(row, "id"), &inner);
    if (code != PBT_OK) pbt_error_set_at(error, code, "standard input", where, "%s", inner.message);
    json_decref(variables);
    return code;
}

static pbt_code show_line(tokens_work *w, const char *line, size_t length, size_t number, pbt_error *error) {
    json_t *row;
    char where[48];
    snprintf(where, sizeof where, "line %zu", number);
    PBT_TRY(pbt_json_parse_bytes(line, length, "standard input", where, &row, error));
    const json_t *text = json_object_get(row, "text");
    pbt_code code;
    if (json_is_string(text))
        code = show(w, json_string_value(text), json_string_length(text), w->options->add_special_tokens,
                    false, NULL, json_object_get(row, "id"), error);
    else if (pbt_json_has(row, "messages"))
        code = show_messages(w, row, where, error);
    else if (pbt_json_has(row, "ids"))
        code = show_ids(w, row, where, error);
    else
        code = pbt_fail_at(error, PBT_BAD_INPUT, "standard input", where,
                           "expected \"text\", \"messages\" or \"ids\"");
    json_decref(row);
    return code;
}

static pbt_code show_input(tokens_work *w, pbt_error *error) {
    pbt_lines *lines;
    char *line;
    size_t length, number;
    PBT_TRY(pbt_lines_open("-", &lines, error));
    pbt_lines_watch(lines, w->cli->monitor);
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
                                       true, NULL, NULL, error)
                                : show_input(&w, error);
    pbt_chat_template_free(w.chat);
    pbt_tokenizer_free(w.tokenizer);
    free(folder);
    return code;
}

static const pbt_option options[] = {
    {"add_special_tokens", 0, PBT_OPTION_FLAG, offsetof(tokens_options, add_special_tokens), NULL, NULL,
     "add the tokens that the tokenizer adds by itself (BOS, EOS)", NULL},
    {"skip_special_tokens", 0, PBT_OPTION_FLAG, offsetof(tokens_options, skip_special_tokens), NULL, NULL,
     "leave special tokens out of the text when decoding ids", NULL},
    {"show_tokens", 0, PBT_OPTION_FLAG, offsetof(tokens_options, show_tokens), NULL, NULL,
     "a readable list instead of JSON; for messages, marks the assistant's tokens, which carry loss", NULL},
    {"date_string", 0, PBT_OPTION_STRING, offsetof(tokens_options, date_string), "TEXT", NULL,
     "date for chat templates that print one", NULL},
};

const pbt_command pbt_command_tokens = {
    .name = "tokens",
    .summary = "Show how text is tokenised and how messages are rendered",
    .usage = "MODEL [TEXT]",
    .details =
        "Needs only the tokenizer's files of the folder. Without TEXT it reads JSONL from standard input, "
        "{\"text\"}, {\"messages\", \"add_generation_prompt\", \"tools\", \"chat_template_kwargs\"} or "
        "{\"ids\"}, and writes {\"ids\", \"pieces\", \"text\"} for each line. Text that spells a special "
        "token is parsed as that token, as in transformers.\n\n"
        "Examples:\n  pbt tokens models/small 'Hello world'\n"
        "  echo '{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}' | pbt tokens models/small",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .settings_size = sizeof(tokens_options),
    .least_arguments = 1,
    .most_arguments = 2,
    .run = run,
};
