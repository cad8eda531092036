/*
 * pbt score: log-probabilities of given text.
 */
#include "cli/inference.h"

#include "base/memory.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

typedef struct score_options {
    const char *input;
    pbt_inference_options inference;
} score_options;

static pbt_code print_result(const pbt_request *request, const float *logprobs, pbt_error *error) {
    json_t *result = json_object(), *list = json_array();
    double sum = 0;
    for (size_t i = 0; i < request->continuation.count; i++) {
        if (!isfinite(logprobs[i])) {
            json_decref(result);
            json_decref(list);
            return pbt_fail(error, PBT_FAILED,
                            "line %zu: the log-probability of token %zu is not a finite number; the model's "
                            "weights are damaged or its numbers overflow",
                            request->line, i);
        }
        json_array_append_new(list, json_real((double)logprobs[i]));
        sum += (double)logprobs[i];
    }
    json_object_set(result, "id", request->id);
    json_object_set_new(result, "ids",
                        pbt_json_ids(request->continuation.items, request->continuation.count));
    json_object_set_new(result, "logprobs", list);
    json_object_set_new(result, "sum", json_real(sum));
    return pbt_cli_print_json(result, error);
}

static pbt_code score_block(const pbt_cli *cli, const pbt_inference *inference, const pbt_requests *requests,
                            pbt_error *error) {
    size_t n = requests->count, total = 0, at = 0;
    for (size_t i = 0; i < n; i++) total += requests->items[i].continuation.count;
    pbt_scoring *scorings = pbt_alloc(n + 1, sizeof *scorings);
    float *logprobs = pbt_alloc(total + 1, sizeof *logprobs);
    pbt_code code =
        scorings && logprobs ? PBT_OK : pbt_fail_memory(error, total * sizeof *logprobs, "requests");
    for (size_t i = 0; code == PBT_OK && i < n; i++) {
        const pbt_request *r = &requests->items[i];
        scorings[i] = (pbt_scoring){.prompt = r->prompt.items,
                                    .prompt_length = (int32_t)r->prompt.count,
                                    .continuation = r->continuation.items,
                                    .continuation_length = (int32_t)r->continuation.count,
                                    .adapter = inference->adapter,
                                    .logprobs = logprobs + at};
        at += r->continuation.count;
    }
    if (code == PBT_OK)
        code = pbt_requests_error(
            requests, pbt_engine_score(inference->engine, scorings, n, cli->monitor, error), error);
    for (size_t i = 0; code == PBT_OK && i < n; i++)
        code = print_result(&requests->items[i], scorings[i].logprobs, error);
    free(scorings);
    free(logprobs);
    return code;
}

static pbt_code run(const pbt_cli *cli, const void *settings, int n_arguments, char **arguments,
                    pbt_error *error) {
    const score_options *o = settings;
    pbt_inference inference;
    pbt_lines *lines = NULL;
    (void)n_arguments;
    PBT_TRY(pbt_inference_open(cli, arguments[0], &o->inference, &inference, error));
    pbt_code code = pbt_lines_open(o->input, &lines, error);
    for (bool end = false; code == PBT_OK && !end;) {
        pbt_requests requests = {0};
        code = pbt_requests_read(lines, o->input, &inference, true, pbt_requests_block(o->input), &requests,
                                 &end, error);
        if (code == PBT_OK && requests.count > 0) code = score_block(cli, &inference, &requests, error);
        pbt_requests_clear(&requests);
    }
    if (lines) pbt_lines_close(lines);
    pbt_inference_close(&inference);
    return code;
}

static const pbt_option options[] = {
    {.name = "input",
     .type = PBT_OPTION_STRING,
     .offset = offsetof(score_options, input),
     .value_name = "FILE",
     .initial = "-",
     .help = "requests; -: standard input"},
    PBT_INFERENCE_OPTIONS(score_options, inference),
};

const pbt_command pbt_command_score = {
    .name = "score",
    .summary = "Log-probabilities of given text",
    .usage = "MODEL [--adapter DIR] [options] < requests.jsonl",
    .details =
        "Reads one JSON object a line, {\"id\", \"messages\", \"continuation\"}, {\"id\", \"prompt\", "
        "\"continuation\"} (plain text) or {\"id\", \"prompt_ids\", "
        "\"continuation_ids\"}, and writes one a line, in the same order: {\"id\", \"ids\", \"logprobs\", "
        "\"sum\"}, natural logarithms, one for each token of the continuation. \"continuation\" is the "
        "content of the assistant's turn: the template renders it, and its end-of-turn token is scored "
        "too.\n\n"
        "Example:\n  echo '{\"id\": 1, \"prompt_ids\": [1, 15, 27], \"continuation_ids\": [9, 2]}' | pbt "
        "score models/small",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .settings_size = sizeof(score_options),
    .least_arguments = 1,
    .most_arguments = 1,
    .run = run,
};
