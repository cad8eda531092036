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
    int64_t skip;
    pbt_inference_options inference;
} score_options;

/* A window of requests in work. */
typedef struct scoring {
    const pbt_inference *inference;
    pbt_request_source *source;
    const pbt_requests *requests;
    pbt_scoring *scorings;
    pbt_request_order order;
} scoring;

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

static pbt_code on_done(void *user, size_t index, pbt_error *error) {
    scoring *w = user;
    size_t request;
    pbt_request_order_done(&w->order, index);
    while (pbt_request_order_next(&w->order, &request)) {
        PBT_TRY(print_result(&w->requests->items[request], w->scorings[request].logprobs, error));
        w->source->answered++;
    }
    return PBT_OK;
}

static pbt_code score_window(void *user, pbt_request_source *source, const pbt_requests *requests, size_t n,
                             pbt_error *error) {
    scoring *w = user;
    size_t total = 0, at = 0;
    const pbt_request_watch watch = {on_done, w};
    for (size_t i = 0; i < n; i++) total += requests->items[i].continuation.count;
    float *logprobs = pbt_alloc(total + 1, sizeof *logprobs);
    w->source = source;
    w->requests = requests;
    w->scorings = pbt_alloc(n + 1, sizeof *w->scorings);
    pbt_code code =
        w->scorings && logprobs ? PBT_OK : pbt_fail_memory(error, total * sizeof *logprobs, "requests");
    if (code == PBT_OK) code = pbt_request_order_create(n, 1, &w->order, error);
    for (size_t i = 0; code == PBT_OK && i < n; i++) {
        const pbt_request *r = &requests->items[i];
        w->scorings[i] = (pbt_scoring){.prompt = r->prompt.items,
                                       .prompt_length = (int32_t)r->prompt.count,
                                       .continuation = r->continuation.items,
                                       .continuation_length = (int32_t)r->continuation.count,
                                       .adapter = w->inference->adapter,
                                       .logprobs = logprobs + at};
        at += r->continuation.count;
    }
    if (code == PBT_OK)
        code =
            pbt_engine_score_each(w->inference->engine, w->scorings, n, &watch, source->cli->monitor, error);
    pbt_request_order_free(&w->order);
    free(w->scorings);
    w->scorings = NULL;
    free(logprobs);
    return code;
}

static pbt_code run(const pbt_cli *cli, const void *settings, int n_arguments, char **arguments,
                    pbt_error *error) {
    const score_options *o = settings;
    pbt_inference inference;
    (void)n_arguments;
    PBT_TRY(pbt_requests_check_skip(o->skip, error));
    PBT_TRY(pbt_inference_open(cli, arguments[0], &o->inference, &inference, error));
    scoring w = {.inference = &inference};
    pbt_request_source source = {.cli = cli,
                                 .name = o->input,
                                 .inference = &inference,
                                 .scored = true,
                                 .skip = o->skip,
                                 .skipped = (size_t)o->skip};
    pbt_code code = pbt_lines_open(o->input, &source.lines, error);
    if (code == PBT_OK) {
        code = pbt_requests_run(&source, pbt_requests_window(&o->inference, 1), 1, score_window, &w, error);
        pbt_lines_close(source.lines);
    }
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
    PBT_SKIP_OPTION(score_options),
    PBT_INFERENCE_OPTIONS(score_options, inference),
};

const pbt_command pbt_command_score = {
    .name = "score",
    .summary = "Log-probabilities of given text",
    .usage = "MODEL [--adapter DIR] [options] < requests.jsonl",
    .details =
        "Reads one JSON object per line, {\"id\", \"messages\", \"continuation\"}, {\"id\", \"prompt\", "
        "\"continuation\"} (plain text) or {\"id\", \"prompt_ids\", "
        "\"continuation_ids\"}, and writes one per line, in the same order: {\"id\", \"ids\", \"logprobs\", "
        "\"sum\"}, natural logarithms, one for each token of the continuation. \"continuation\" is the "
        "content of the assistant's turn: the template renders it, and its end-of-turn token is scored "
        "too. A line is written as soon as it and those before it are done; when interrupted, --skip goes "
        "on.\n\n"
        "Example:\n  echo '{\"id\": 1, \"prompt_ids\": [1, 15, 27], \"continuation_ids\": [9, 2]}' | pbt "
        "score models/small",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .settings_size = sizeof(score_options),
    .least_arguments = 1,
    .most_arguments = 1,
    .run = run,
};
