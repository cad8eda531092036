#include "cli/inference.h"

#include "base/hub.h"
#include "base/memory.h"
#include "cli/model_files.h"
#include "model/adapter_folder.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- models ---- */

static pbt_code to_int32(const char *name, int64_t value, int32_t *out, pbt_error *error) {
    if (value < 0 || value > INT32_MAX)
        return pbt_fail(error, PBT_USAGE, "--%s is %" PRId64 "; expected a number from 0 to %d", name, value,
                        INT32_MAX);
    *out = (int32_t)value;
    return PBT_OK;
}

/* A folder without them will do for requests made of ids. */
static void open_text(const char *path, const char *date_string, pbt_inference *inference) {
    if (pbt_tokenizer_open(path, &inference->tokenizer, &inference->no_text) != PBT_OK)
        inference->tokenizer = NULL;
    else if (pbt_chat_template_open(path, inference->tokenizer, date_string, &inference->chat,
                                    &inference->no_text) != PBT_OK)
        inference->chat = NULL;
}

static pbt_code open_adapter(const char *name, pbt_inference *inference, pbt_error *error) {
    char *folder;
    PBT_TRY(pbt_adapter_folder(name, &folder, error));
    pbt_code code = pbt_adapter_open(folder, inference->model, &inference->adapter, error);
    free(folder);
    return code;
}

static pbt_code open_parts(const pbt_cli *cli, const char *path, const pbt_inference_options *o,
                           pbt_inference *inference, pbt_error *error) {
    pbt_engine_options engine = {.share_prefixes = o->share_prefixes};
    pbt_model_options model = {.nested_quantization = o->use_bnb_nested_quant, .prepare = true};
    PBT_TRY(pbt_cli_load_dtype(o->load_in_4bit, o->bnb_4bit_quant_type, o->load_in_8bit, o->dtype,
                               &model.dtype, error));
    PBT_TRY(to_int32("max_batch", o->max_batch, &engine.max_batch, error));
    PBT_TRY(to_int32("kv_rows", o->kv_rows, &engine.kv_rows, error));
    PBT_TRY(to_int32("prefill_rows", o->prefill_rows, &engine.prefill_rows, error));
    PBT_TRY(pbt_model_open(path, &model, cli->device, &inference->model, error));
    if (o->adapter) {
        PBT_TRY(open_adapter(o->adapter, inference, error));
        pbt_cli_warn_base(cli, inference->adapter, inference->model);
    }
    open_text(path, o->date_string, inference);
    return pbt_engine_create(inference->model, &engine, &inference->engine, error);
}

pbt_code pbt_inference_open(const pbt_cli *cli, const char *path, const pbt_inference_options *options,
                            pbt_inference *inference, pbt_error *error) {
    char *folder;
    memset(inference, 0, sizeof *inference);
    PBT_TRY(pbt_hub_folder(path, &folder, error));
    pbt_code code = open_parts(cli, folder, options, inference, error);
    free(folder);
    if (code != PBT_OK) pbt_inference_close(inference);
    return code;
}

void pbt_inference_close(pbt_inference *inference) {
    if (inference->engine) pbt_engine_free(inference->engine);
    if (inference->adapter) pbt_adapter_free(inference->adapter);
    if (inference->model) pbt_model_free(inference->model);
    if (inference->chat) pbt_chat_template_free(inference->chat);
    if (inference->tokenizer) pbt_tokenizer_free(inference->tokenizer);
    memset(inference, 0, sizeof *inference);
}

pbt_code pbt_sampling_make(const pbt_sampling_options *o, pbt_sampling *sampling, pbt_error *error) {
    *sampling = (pbt_sampling){.temperature = o->temperature, .top_p = o->top_p};
    PBT_TRY(to_int32("top_k", o->top_k, &sampling->top_k, error));
    PBT_TRY(to_int32("max_new_tokens", o->max_new_tokens, &sampling->max_new_tokens, error));
    PBT_TRY(to_int32("min_new_tokens", o->min_new_tokens, &sampling->min_new_tokens, error));
    if (!(o->temperature >= 0 && o->temperature <= 1e6))
        return pbt_fail(error, PBT_USAGE, "--temperature is %g; expected 0 (greedy) or more", o->temperature);
    if (!(o->top_p > 0 && o->top_p <= 1))
        return pbt_fail(error, PBT_USAGE, "--top_p is %g; expected 0 < top_p <= 1", o->top_p);
    if (o->seed < 0)
        return pbt_fail(error, PBT_USAGE, "--seed is %" PRId64 "; it must not be negative", o->seed);
    return PBT_OK;
}

/* ---- requests ---- */

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

/* Borrows the strings of `value`. */
static pbt_code read_messages(const json_t *value, const place *at, pbt_message **messages, size_t *n,
                              pbt_error *error) {
    const json_t *array;
    size_t i;
    json_t *item;
    PBT_TRY(pbt_json_array(value, "messages", at->file, at->line, &array, error));
    *n = json_array_size(array);
    *messages = pbt_alloc(*n + 1, sizeof **messages);
    if (!*messages) return pbt_fail_memory(error, *n * sizeof **messages, "messages");
    json_array_foreach((json_t *)(uintptr_t)array, i, item) {
        pbt_message *m = &(*messages)[i];
        if (!json_is_object(item))
            return pbt_fail_at(error, PBT_BAD_INPUT, at->file, at->line,
                               "message %zu is not an object with \"role\" and \"content\"", i);
        PBT_TRY(pbt_json_string(item, "role", at->file, at->line, &m->role, error));
        PBT_TRY(pbt_json_string(item, "content", at->file, at->line, &m->content, error));
    }
    return PBT_OK;
}

static pbt_code encode_messages(const pbt_inference *inference, const place *at, bool scored,
                                pbt_request *request, pbt_error *error) {
    pbt_message *messages = NULL;
    size_t n = 0;
    const char *answer = NULL;
    if (!inference->chat)
        return pbt_fail_at(error, PBT_BAD_INPUT, at->file, at->line, "the row has messages, but %s",
                           inference->no_text.message);
    pbt_code code = read_messages(request->value, at, &messages, &n, error);
    if (code == PBT_OK && scored)
        code = pbt_json_string(request->value, "continuation", at->file, at->line, &answer, error);
    if (code == PBT_OK) {
        pbt_error inner;
        code = scored ? pbt_chat_completion_ids(inference->chat, inference->tokenizer, messages, n, answer,
                                                &request->prompt, &request->continuation, &inner)
                      : pbt_chat_prompt_ids(inference->chat, inference->tokenizer, messages, n,
                                            &request->prompt, &inner);
        if (code != PBT_OK) pbt_error_set_at(error, code, at->file, at->line, "%s", inner.message);
    }
    free(messages);
    return code;
}

static pbt_code read_request(const char *line, size_t length, const pbt_inference *inference, bool scored,
                             const place *at, pbt_request *request, pbt_error *error) {
    PBT_TRY(pbt_json_parse_row(line, length, at->file, at->line, &request->value, error));
    if (!json_is_object(request->value))
        return pbt_fail_at(error, PBT_BAD_INPUT, at->file, at->line, "expected a JSON object");
    json_t *id = json_object_get(request->value, "id");
    request->id = id ? json_incref(id) : json_integer((json_int_t)request->line);
    if (!pbt_json_has(request->value, "prompt_ids") && !pbt_json_has(request->value, "messages"))
        return pbt_fail_at(error, PBT_BAD_INPUT, at->file, at->line,
                           "expected \"messages\" or \"prompt_ids\", found neither");
    if (!pbt_json_has(request->value, "prompt_ids"))
        return encode_messages(inference, at, scored, request, error);
    PBT_TRY(read_ids(request->value, "prompt_ids", at, &request->prompt, error));
    if (request->prompt.count == 0)
        return pbt_fail_at(error, PBT_BAD_INPUT, at->file, at->line, "\"prompt_ids\" is empty");
    return scored ? read_ids(request->value, "continuation_ids", at, &request->continuation, error) : PBT_OK;
}

pbt_code pbt_requests_read(pbt_lines *lines, const char *name, const pbt_inference *inference, bool scored,
                           size_t most, pbt_requests *requests, bool *end, pbt_error *error) {
    *end = false;
    while (requests->count < most) {
        char *line;
        size_t length, number;
        PBT_TRY(pbt_lines_next(lines, &line, &length, &number, error));
        *end = line == NULL;
        if (*end) break;
        if (strspn(line, " \t\r") == length) continue;
        PBT_TRY(pbt_grow((void **)&requests->items, &requests->capacity, requests->count + 1,
                         sizeof *requests->items, error));
        pbt_request *request = &requests->items[requests->count++];
        *request = (pbt_request){.line = number};
        place at = {.file = strcmp(name, "-") == 0 ? "standard input" : name};
        snprintf(at.line, sizeof at.line, "line %zu", number);
        PBT_TRY(read_request(line, length, inference, scored, &at, request, error));
        if (request->prompt.count > INT32_MAX || request->continuation.count > INT32_MAX)
            return pbt_fail_at(error, PBT_BAD_INPUT, at.file, at.line, "a text of too many tokens");
    }
    return PBT_OK;
}

void pbt_requests_clear(pbt_requests *requests) {
    for (size_t i = 0; i < requests->count; i++) {
        pbt_request *r = &requests->items[i];
        json_decref(r->value);
        json_decref(r->id);
        free(r->prompt.items);
        free(r->continuation.items);
    }
    free(requests->items);
    *requests = (pbt_requests){0};
}

pbt_code pbt_requests_error(const pbt_requests *requests, pbt_code code, pbt_error *error) {
    size_t index = 0;
    if (code == PBT_OK || code == PBT_INTERRUPTED || !error || requests->count == 0) return code;
    pbt_error inner = *error;
    int read = 0;
    /* The engine counts requests of a call; the person counts lines. */
    if (sscanf(inner.message, "request %zu: %n", &index, &read) == 1 && read > 0 && index < requests->count)
        pbt_error_set(error, code, "line %zu: %s", requests->items[index].line, inner.message + read);
    else
        pbt_error_set(error, code, "lines %zu to %zu: %s", requests->items[0].line,
                      requests->items[requests->count - 1].line, inner.message);
    return code;
}

json_t *pbt_json_ids(const int32_t *ids, size_t n) {
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(array, json_integer(ids[i]));
    return array;
}

size_t pbt_requests_block(const char *input) {
    return strcmp(input, "-") == 0 && isatty(STDIN_FILENO) ? 1 : 4096;
}
