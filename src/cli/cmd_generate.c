/*
 * pbt generate: answers to many prompts.
 */
#include "cli/inference.h"

#include "base/memory.h"

#include <stddef.h>
#include <stdlib.h>

typedef struct generate_options {
    const char *input;
    pbt_inference_options inference;
    pbt_sampling_options sampling;
} generate_options;

static json_t *result_json(const pbt_inference *inference, const pbt_request *request,
                           const pbt_generation *g, pbt_error *error) {
    pbt_text text = {0};
    if (inference->tokenizer &&
        pbt_tokenizer_decode(inference->tokenizer, g->ids, (size_t)g->n_ids, true, &text, error) != PBT_OK) {
        pbt_text_free(&text);
        return NULL;
    }
    json_t *result = json_object();
    json_object_set(result, "id", request->id);
    json_object_set_new(result, "text",
                        inference->tokenizer ? json_stringn(pbt_text_string(&text), text.length)
                                             : json_null());
    json_object_set_new(result, "ids", pbt_json_ids(g->ids, (size_t)g->n_ids));
    json_object_set_new(result, "finish_reason", json_string(g->finished ? "stop" : "length"));
    pbt_text_free(&text);
    return result;
}

/* `before`: requests of earlier blocks; a request's draws depend on the seed and its number in the input. */
static pbt_code generate_block(const pbt_cli *cli, const pbt_inference *inference,
                               const pbt_requests *requests, const pbt_sampling *sampling, pbt_key key,
                               size_t before, pbt_error *error) {
    size_t n = requests->count;
    pbt_generation *generations = pbt_alloc(n + 1, sizeof *generations);
    if (!generations) return pbt_fail_memory(error, n * sizeof *generations, "requests");
    for (size_t i = 0; i < n; i++)
        generations[i] = (pbt_generation){.prompt = requests->items[i].prompt.items,
                                          .prompt_length = (int32_t)requests->items[i].prompt.count,
                                          .adapter = inference->adapter,
                                          .sampling = *sampling,
                                          .key = pbt_key_child(key, before + i)};
    pbt_code code = pbt_requests_error(
        requests, pbt_engine_generate(inference->engine, generations, n, cli->monitor, error), error);
    for (size_t i = 0; code == PBT_OK && i < n; i++) {
        json_t *result = result_json(inference, &requests->items[i], &generations[i], error);
        code = result ? pbt_cli_print_json(result, error) : PBT_FAILED;
    }
    for (size_t i = 0; i < n; i++) free(generations[i].ids);
    free(generations);
    return code;
}

static pbt_code generate_all(const pbt_cli *cli, const generate_options *o, const pbt_inference *inference,
                             const pbt_sampling *sampling, pbt_lines *lines, pbt_error *error) {
    pbt_key key = pbt_key_named(pbt_key_of_seed((uint64_t)o->sampling.seed), "generate");
    size_t before = 0, block = pbt_requests_block(o->input);
    pbt_code code = PBT_OK;
    for (bool end = false; code == PBT_OK && !end;) {
        pbt_requests requests = {0};
        code = pbt_requests_read(lines, o->input, inference, false, block, &requests, &end, error);
        if (code == PBT_OK && requests.count > 0)
            code = generate_block(cli, inference, &requests, sampling, key, before, error);
        before += requests.count;
        pbt_requests_clear(&requests);
    }
    pbt_engine_statistics s = pbt_engine_statistics_get(inference->engine);
    pbt_monitor_message(cli->monitor, 2,
                        "%lld prompt tokens, %lld of them computed; %lld new tokens; %lld prefill and %lld "
                        "decode passes",
                        (long long)s.prompt_tokens, (long long)s.computed_tokens, (long long)s.new_tokens,
                        (long long)s.prefill_passes, (long long)s.decode_passes);
    return code;
}

static pbt_code run(const pbt_cli *cli, const void *settings, int n_arguments, char **arguments,
                    pbt_error *error) {
    const generate_options *o = settings;
    pbt_sampling sampling;
    pbt_inference inference;
    pbt_lines *lines;
    (void)n_arguments;
    PBT_TRY(pbt_sampling_make(&o->sampling, &sampling, error));
    PBT_TRY(pbt_inference_open(cli, arguments[0], &o->inference, &inference, error));
    pbt_code code = pbt_lines_open(o->input, &lines, error);
    if (code == PBT_OK) {
        code = generate_all(cli, o, &inference, &sampling, lines, error);
        pbt_lines_close(lines);
    }
    pbt_inference_close(&inference);
    return code;
}

static const pbt_option options[] = {
    {.name = "input",
     .type = PBT_OPTION_STRING,
     .offset = offsetof(generate_options, input),
     .value_name = "FILE",
     .initial = "-",
     .help = "requests; -: standard input"},
    PBT_SAMPLING_OPTIONS(generate_options, sampling),
    PBT_INFERENCE_OPTIONS(generate_options, inference),
};

const pbt_command pbt_command_generate = {
    .name = "generate",
    .summary = "Generate answers to many prompts",
    .usage = "MODEL [--adapter DIR] [options] < requests.jsonl",
    .details =
        "Reads one JSON object a line, {\"id\", \"messages\"}, {\"id\", \"prompt\"} (plain text) or {\"id\", "
        "\"prompt_ids\"}, and writes one a line, in the same order: {\"id\", \"text\", \"ids\", "
        "\"finish_reason\"}. \"ids\" are the new "
        "tokens, the end token included where one came (finish_reason \"stop\", else \"length\"). Options "
        "have transformers' names; the model's generation_config.json gives the end tokens only.\n\n"
        "An answer depends on the seed and the place of its request in the input, never on the other "
        "requests, the batch, the cache or the threads.\n\n"
        "Example:\n  echo '{\"id\": 1, \"messages\": [{\"role\": \"user\", \"content\": \"Hello!\"}]}' | pbt "
        "generate models/small --temperature 0 --max_new_tokens 40",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .settings_size = sizeof(generate_options),
    .least_arguments = 1,
    .most_arguments = 1,
    .run = run,
};
