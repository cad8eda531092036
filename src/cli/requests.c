/*
 * Requests of `pbt generate` and `pbt score`: reading them, and answering them in their order.
 */
#include "base/memory.h"
#include "chat/row.h"
#include "cli/inference.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void clear_request(pbt_request *request) {
    json_decref(request->value);
    json_decref(request->id);
    free(request->prompt.items);
    free(request->continuation.items);
}

typedef struct place {
    const char *file;
    char line[32];
} place;

static pbt_code read_ids(const json_t *value, const char *key, const place *at, pbt_ids *ids,
                         pbt_error *error) {
    const json_t *array;
    size_t i;
    json_t *item;
    PBT_TRY(pbt_json_array(value, key, at->file, at->line, &array, error));
    json_array_foreach((json_t *)(uintptr_t)array, i, item) {
        json_int_t id = json_integer_value(item);
        if (!json_is_integer(item) || id < 0 || id > INT32_MAX)
            return pbt_fail_at(error, PBT_BAD_INPUT, at->file, at->line,
                               "item %zu of \"%s\" is not a token id", i, key);
        PBT_TRY(pbt_ids_push(ids, (int32_t)id, error));
    }
    return PBT_OK;
}

/* {"messages"} (or a "prompt" of messages), and with `scored` the "continuation". */
static pbt_code encode_chat(const pbt_inference *inference, const pbt_chat_input *input, const char *answer,
                            pbt_request *request, pbt_error *error) {
    if (!answer)
        return pbt_chat_input_prompt_ids(inference->chat, inference->tokenizer, input, &request->prompt,
                                         error);
    return pbt_chat_input_completion_ids(inference->chat, inference->tokenizer, input, answer,
                                         &request->prompt, &request->continuation, error);
}

static pbt_code encode_messages(const pbt_inference *inference, const place *at, const char *key, bool scored,
                                pbt_request *request, pbt_error *error) {
    json_t *messages = NULL, *variables = NULL;
    const char *answer = NULL;
    pbt_chat_flags flags;
    pbt_error inner = {0};
    if (!inference->chat)
        return pbt_fail_at(error, PBT_BAD_INPUT, at->file, at->line, "the row has messages, but %s",
                           inference->no_text.message);
    PBT_TRY(pbt_row_flags(request->value, at->file, at->line, &flags, error));
    if (scored && flags.generation_prompt_given && !flags.add_generation_prompt && !flags.continued)
        return pbt_fail_at(
            error, PBT_BAD_INPUT, at->file, at->line,
            "\"add_generation_prompt\" is false, but a continuation is the assistant's turn behind "
            "its generation prompt");
    if (scored) PBT_TRY(pbt_json_string(request->value, "continuation", at->file, at->line, &answer, error));
    pbt_code code = pbt_row_messages(request->value, key, at->file, at->line, &messages, error);
    if (code == PBT_OK) code = pbt_row_variables(request->value, at->file, at->line, &variables, error);
    pbt_chat_input input = {messages, variables, flags.continued,
                            flags.generation_prompt_given ? flags.add_generation_prompt : !flags.continued};
    if (code == PBT_OK) {
        code = encode_chat(inference, &input, answer, request, &inner);
        if (code != PBT_OK) pbt_error_set_at(error, code, at->file, at->line, "%s", inner.message);
    }
    json_decref(messages);
    json_decref(variables);
    return code;
}

/* The ids of prompt and continuation together, less what both have in common with the prompt alone. */
static pbt_code encode_continuation(const pbt_inference *inference, const char *prompt, const char *text,
                                    pbt_request *request, pbt_error *error) {
    pbt_ids whole = {0};
    size_t n = 0;
    char *all = pbt_string_format("%s%s", prompt, text);
    if (!all) return pbt_fail_memory(error, strlen(prompt), "a text");
    pbt_code code = pbt_tokenizer_encode(inference->tokenizer, all, strlen(all), true, &whole, error);
    while (n < request->prompt.count && n < whole.count && request->prompt.items[n] == whole.items[n]) n++;
    request->prompt.count = n;
    for (; code == PBT_OK && n < whole.count; n++)
        code = pbt_ids_push(&request->continuation, whole.items[n], error);
    free(whole.items);
    free(all);
    return code;
}

/* What the chat template alone could render is refused beside a prompt that it does not render. */
static pbt_code refuse_chat_fields(const json_t *row, const char *key, const place *at, pbt_error *error) {
    static const char *const names[] = {"tools", "documents", "chat_template_kwargs",
                                        "continue_final_message", "add_generation_prompt"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (pbt_row_has(row, names[i]) && !json_is_false(json_object_get(row, names[i])))
            return pbt_fail_at(error, PBT_BAD_INPUT, at->file, at->line,
                               "the row has \"%s\", which only says something of messages, and the prompt is "
                               "\"%s\"",
                               names[i], key);
    return PBT_OK;
}

/* {"prompt": "text"}: tokenised as it is, with what the tokenizer adds by itself. */
static pbt_code encode_text(const pbt_inference *inference, const place *at, bool scored,
                            pbt_request *request, pbt_error *error) {
    const char *text, *continuation = NULL;
    if (!inference->tokenizer)
        return pbt_fail_at(error, PBT_BAD_INPUT, at->file, at->line, "the row has a text, but %s",
                           inference->no_text.message);
    PBT_TRY(pbt_json_string(request->value, "prompt", at->file, at->line, &text, error));
    if (scored)
        PBT_TRY(pbt_json_string(request->value, "continuation", at->file, at->line, &continuation, error));
    PBT_TRY(pbt_tokenizer_encode(inference->tokenizer, text, strlen(text), true, &request->prompt, error));
    if (scored) PBT_TRY(encode_continuation(inference, text, continuation, request, error));
    if (request->prompt.count > 0) return PBT_OK;
    return pbt_fail_at(error, PBT_BAD_INPUT, at->file, at->line,
                       "\"prompt\" has no tokens of its own; a model needs at least one to begin with");
}

/* The one of "messages", "prompt" and "prompt_ids" that the row has. */
static pbt_code prompt_key(const json_t *row, const place *at, const char **key, pbt_error *error) {
    static const char *const keys[] = {"prompt_ids", "messages", "prompt"};
    *key = NULL;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!pbt_json_has(row, keys[i])) continue;
        if (*key)
            return pbt_fail_at(
                error, PBT_BAD_INPUT, at->file, at->line,
                "expected one of \"messages\", \"prompt\" and \"prompt_ids\", found \"%s\" and "
                "\"%s\"",
                *key, keys[i]);
        *key = keys[i];
    }
    if (*key) return PBT_OK;
    return pbt_fail_at(error, PBT_BAD_INPUT, at->file, at->line,
                       "expected \"messages\", \"prompt\" or \"prompt_ids\", found none of them");
}

static pbt_code read_request(const char *line, size_t length, const pbt_inference *inference, bool scored,
                             const place *at, pbt_request *request, pbt_error *error) {
    const char *key;
    PBT_TRY(pbt_json_parse_row(line, length, at->file, at->line, &request->value, error));
    if (!json_is_object(request->value))
        return pbt_fail_at(error, PBT_BAD_INPUT, at->file, at->line, "expected a JSON object");
    json_t *id = json_object_get(request->value, "id");
    request->id = id ? json_incref(id) : json_integer((json_int_t)request->line);
    PBT_TRY(prompt_key(request->value, at, &key, error));
    PBT_TRY(pbt_row_refuse_media(request->value, at->file, at->line, error));
    const bool ids = strcmp(key, "prompt_ids") == 0,
               text = strcmp(key, "prompt") == 0 && json_is_string(json_object_get(request->value, key));
    if (!ids && !text) return encode_messages(inference, at, key, scored, request, error);
    PBT_TRY(refuse_chat_fields(request->value, key, at, error));
    if (text) return encode_text(inference, at, scored, request, error);
    PBT_TRY(read_ids(request->value, "prompt_ids", at, &request->prompt, error));
    if (request->prompt.count == 0)
        return pbt_fail_at(error, PBT_BAD_INPUT, at->file, at->line, "\"prompt_ids\" is empty");
    return scored ? read_ids(request->value, "continuation_ids", at, &request->continuation, error) : PBT_OK;
}

/* Waits for a line; *ready is false where there is none yet and `wait` is false. */
static pbt_code await_line(const pbt_request_source *source, bool wait, bool *ready, pbt_error *error) {
    enum { PATIENCE = 200 }; /* milliseconds until Ctrl-C is looked for */
    for (*ready = false;;) {
        PBT_TRY(pbt_lines_wait(source->lines, wait ? PATIENCE : 0, ready, error));
        if (*ready || !wait) return PBT_OK;
        PBT_TRY(pbt_monitor_check(source->cli->monitor, error));
    }
}

static pbt_code add_request(const pbt_request_source *source, const char *line, size_t length, size_t number,
                            pbt_requests *requests, pbt_error *error) {
    place at = {.file = strcmp(source->name, "-") == 0 ? "standard input" : source->name};
    pbt_request request = {.line = number};
    snprintf(at.line, sizeof at.line, "line %zu", number);
    pbt_code code = read_request(line, length, source->inference, source->scored, &at, &request, error);
    if (code == PBT_OK && (request.prompt.count > INT32_MAX || request.continuation.count > INT32_MAX))
        code = pbt_fail_at(error, PBT_BAD_INPUT, at.file, at.line, "a text of too many tokens");
    if (code == PBT_OK) code = pbt_grow(requests->items, &requests->capacity, requests->count + 1, error);
    if (code == PBT_OK)
        requests->items[requests->count++] = request;
    else
        clear_request(&request);
    return code;
}

pbt_code pbt_requests_read(pbt_request_source *source, size_t most, pbt_requests *requests,
                           pbt_error *error) {
    while (requests->count < most) {
        char *line;
        size_t length, number;
        bool ready;
        PBT_TRY(await_line(source, requests->count == 0, &ready, error));
        if (!ready) return PBT_OK;
        PBT_TRY(pbt_lines_next(source->lines, &line, &length, &number, error));
        source->ended = line == NULL;
        if (source->ended) return PBT_OK;
        if (strspn(line, " \t\r") == length) continue;
        if (source->skip > 0) {
            source->skip--;
            source->before++;
            continue;
        }
        PBT_TRY(add_request(source, line, length, number, requests, error));
    }
    return PBT_OK;
}

void pbt_requests_clear(pbt_requests *requests) {
    for (size_t i = 0; i < requests->count; i++) clear_request(&requests->items[i]);
    free(requests->items);
    *requests = (pbt_requests){0};
}

pbt_code pbt_requests_error(const pbt_requests *requests, size_t each, pbt_code code, size_t *blamed,
                            pbt_error *error) {
    *blamed = SIZE_MAX;
    if (code == PBT_OK || code == PBT_INTERRUPTED || !error || requests->count == 0) return code;
    pbt_error inner = *error;
    /* The engine counts requests of a call; the person counts lines. */
    if (inner.reason == PBT_BAD_REQUEST && (size_t)inner.item / each < requests->count) {
        *blamed = (size_t)inner.item / each;
        pbt_error_set(error, code, "line %zu: %s", requests->items[*blamed].line,
                      inner.message + inner.sentence);
    } else {
        pbt_error_set(error, code, "lines %zu to %zu: %s", requests->items[0].line,
                      requests->items[requests->count - 1].line, inner.message);
    }
    return code;
}

json_t *pbt_json_ids(const int32_t *ids, size_t n) {
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(array, json_integer(ids[i]));
    return array;
}

/* ---- answering ---- */

pbt_code pbt_requests_check_skip(int64_t skip, pbt_error *error) {
    if (skip >= 0) return PBT_OK;
    return pbt_fail(error, PBT_USAGE, "--skip is %" PRId64 "; it must not be negative", skip);
}

size_t pbt_requests_window(const pbt_inference_options *options, size_t each) {
    enum { BATCHES = 4, MOST = 1 << 16 }; /* texts that wait keep the batch full */
    const int64_t batch = options->max_batch > 0 ? options->max_batch : 64;
    const size_t texts = batch < MOST / BATCHES ? (size_t)batch * BATCHES : MOST;
    return texts > each ? texts / each : 1;
}

/* The window's requests; where one of them is bad those before it are answered all the same. */
static pbt_code answer_window(pbt_request_source *source, const pbt_requests *requests, size_t each,
                              pbt_answer_requests answer, void *user, pbt_error *error) {
    size_t blamed, again;
    const size_t before = source->answered;
    pbt_code code = pbt_requests_error(requests, each, answer(user, source, requests, requests->count, error),
                                       &blamed, error);
    if (code == PBT_OK || !error || blamed == 0 || blamed == SIZE_MAX || source->answered > before)
        return code;
    pbt_error first = *error;
    pbt_code second =
        pbt_requests_error(requests, each, answer(user, source, requests, blamed, error), &again, error);
    if (second != PBT_OK) return second;
    *error = first;
    return code;
}

pbt_code pbt_requests_run(pbt_request_source *source, size_t most, size_t each, pbt_answer_requests answer,
                          void *user, pbt_error *error) {
    pbt_code code = PBT_OK;
    while (code == PBT_OK && !source->ended) {
        pbt_requests requests = {0};
        pbt_error unread = {0}, *kept = error ? error : &unread;
        code = pbt_requests_read(source, most, &requests, kept);
        if (requests.count > 0 && code != PBT_INTERRUPTED) {
            pbt_error bad = *kept;
            pbt_code answered = answer_window(source, &requests, each, answer, user, kept);
            if (answered == PBT_OK && code != PBT_OK) *kept = bad;
            if (answered != PBT_OK) code = answered;
        }
        source->before += requests.count;
        pbt_requests_clear(&requests);
    }
    if (code == PBT_INTERRUPTED)
        pbt_monitor_message(source->cli->monitor, 0,
                            "interrupted; %zu requests are answered: the same command on the same input with "
                            "--skip %zu gives the rest",
                            source->answered, source->skipped + source->answered);
    return code;
}

pbt_code pbt_request_order_create(size_t n, size_t each, pbt_request_order *order, pbt_error *error) {
    *order = (pbt_request_order){.n = n, .each = each, .left = pbt_alloc(n + 1, sizeof *order->left)};
    if (!order->left) return pbt_fail_memory(error, n * sizeof *order->left, "requests");
    for (size_t i = 0; i < n; i++) order->left[i] = (int32_t)each;
    return PBT_OK;
}

void pbt_request_order_free(pbt_request_order *order) {
    free(order->left);
    *order = (pbt_request_order){0};
}

void pbt_request_order_done(pbt_request_order *order, size_t text) {
    order->left[text / order->each]--;
}

bool pbt_request_order_next(pbt_request_order *order, size_t *request) {
    if (order->next >= order->n || order->left[order->next] > 0) return false;
    *request = order->next++;
    return true;
}
