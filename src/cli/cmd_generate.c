/*
 * pbt generate: answers to many prompts.
 */
#include "cli/inference.h"

#include "base/memory.h"
#include "cli/show_tokens.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

typedef struct generate_options {
    const char *input;
    int64_t skip, num_return_sequences;
    pbt_inference_options inference;
    pbt_sampling_options sampling;
} generate_options;

/* A window of requests in work. */
typedef struct generating {
    const pbt_inference *inference;
    const pbt_sampling *sampling;
    pbt_key key;
    size_t samples; /* of every request */
    pbt_request_source *source;
    const pbt_requests *requests;
    pbt_generation *generations; /* [requests * samples] */
    pbt_request_order order;
} generating;

static pbt_code print_sample(const generating *w, size_t request, size_t sample, pbt_error *error) {
    pbt_text text = {0};
    const pbt_generation *g = &w->generations[request * w->samples + sample];
    const pbt_tokenizer *tokenizer = w->inference->tokenizer;
    if (tokenizer) {
        pbt_code code = pbt_tokenizer_decode(tokenizer, g->ids, (size_t)g->n_ids, true, &text, error);
        if (code != PBT_OK) {
            pbt_text_free(&text);
            return code;
        }
    }
    json_t *result = json_object();
    json_object_set(result, "id", w->requests->items[request].id);
    if (w->samples > 1) json_object_set_new(result, "index", json_integer((json_int_t)sample));
    json_object_set_new(result, "text",
                        tokenizer ? pbt_cli_json_text(pbt_text_string(&text), text.length) : json_null());
    json_object_set_new(result, "ids", pbt_json_ids(g->ids, (size_t)g->n_ids));
    json_object_set_new(result, "finish_reason", json_string(g->finished ? "stop" : "length"));
    pbt_text_free(&text);
    return pbt_cli_print_json(result, error);
}

static pbt_code on_done(void *user, size_t index, pbt_error *error) {
    generating *w = user;
    size_t request;
    pbt_request_order_done(&w->order, index);
    while (pbt_request_order_next(&w->order, &request)) {
        for (size_t i = 0; i < w->samples; i++) {
            PBT_TRY(print_sample(w, request, i, error));
            pbt_generation *g = &w->generations[request * w->samples + i];
            free(g->ids);
            g->ids = NULL;
        }
        w->source->answered++;
    }
    return PBT_OK;
}

/* The draws of a request depend on the seed and its number in the input; those of its first sample do not
 * depend on how many there are. */
static pbt_key key_of(const generating *w, size_t request, size_t sample) {
    pbt_key key = pbt_key_child(w->key, w->source->before + request);
    return sample == 0 ? key : pbt_key_child(pbt_key_named(key, "sample"), sample);
}

static pbt_code generate_window(void *user, pbt_request_source *source, const pbt_requests *requests,
                                size_t n, pbt_error *error) {
    generating *w = user;
    const size_t texts = n * w->samples;
    const pbt_request_watch watch = {on_done, w};
    w->source = source;
    w->requests = requests;
    w->generations = pbt_alloc(texts + 1, sizeof *w->generations);
    if (!w->generations) return pbt_fail_memory(error, texts * sizeof *w->generations, "requests");
    for (size_t i = 0; i < texts; i++) {
        const pbt_request *request = &requests->items[i / w->samples];
        w->generations[i] = (pbt_generation){.prompt = request->prompt.items,
                                             .prompt_length = (int32_t)request->prompt.count,
                                             .adapter = w->inference->adapter,
                                             .sampling = *w->sampling,
                                             .key = key_of(w, i / w->samples, i % w->samples)};
    }
    pbt_code code = pbt_request_order_create(n, w->samples, &w->order, error);
    if (code == PBT_OK)
        code = pbt_engine_generate_each(w->inference->engine, w->generations, texts, &watch,
                                        source->cli->monitor, error);
    for (size_t i = 0; i < texts; i++) free(w->generations[i].ids);
    free(w->generations);
    w->generations = NULL;
    pbt_request_order_free(&w->order);
    return code;
}

static pbt_code generate_all(const generate_options *o, generating *w, pbt_request_source *source,
                             pbt_error *error) {
    w->key = pbt_key_named(pbt_key_of_seed((uint64_t)o->sampling.seed), "generate");
    pbt_code code = pbt_requests_run(source, pbt_requests_window(&o->inference, w->samples), w->samples,
                                     generate_window, w, error);
    pbt_engine_statistics s = pbt_engine_statistics_get(w->inference->engine);
    pbt_monitor_message(source->cli->monitor, 2,
                        "%lld prompt tokens, %lld of them computed; %lld new tokens; %lld prefill and %lld "
                        "decode passes",
                        (long long)s.prompt_tokens, (long long)s.computed_tokens, (long long)s.new_tokens,
                        (long long)s.prefill_passes, (long long)s.decode_passes);
    return code;
}

static pbt_code check_options(const generate_options *o, pbt_error *error) {
    enum { MOST_SAMPLES = 4096 };
    if (o->num_return_sequences < 1 || o->num_return_sequences > MOST_SAMPLES)
        return pbt_fail(error, PBT_USAGE, "--num_return_sequences is %" PRId64 "; expected 1 to %d",
                        o->num_return_sequences, MOST_SAMPLES);
    return pbt_requests_check_skip(o->skip, error);
}

static pbt_code run(const pbt_cli *cli, const void *settings, int n_arguments, char **arguments,
                    pbt_error *error) {
    const generate_options *o = settings;
    pbt_sampling sampling;
    pbt_inference inference;
    (void)n_arguments;
    PBT_TRY(check_options(o, error));
    PBT_TRY(pbt_sampling_make(&o->sampling, &sampling, error));
    PBT_TRY(pbt_inference_open(cli, arguments[0], &o->inference, &inference, error));
    generating w = {
        .inference = &inference, .sampling = &sampling, .samples = (size_t)o->num_return_sequences};
    pbt_request_source source = {
        .cli = cli, .name = o->input, .inference = &inference, .skip = o->skip, .skipped = (size_t)o->skip};
    pbt_code code = pbt_lines_open(o->input, &source.lines, error);
    if (code == PBT_OK) {
        code = generate_all(o, &w, &source, error);
        pbt_lines_close(source.lines);
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
    PBT_SKIP_OPTION(generate_options),
    {.name = "num_return_sequences",
     .type = PBT_OPTION_INTEGER,
     .offset = offsetof(generate_options, num_return_sequences),
     .value_name = "N",
     .initial = "1",
     .help = "samples per prompt; the prompt is computed once; above 1 the lines have an \"index\""},
    PBT_SAMPLING_OPTIONS(generate_options, sampling),
    PBT_INFERENCE_OPTIONS(generate_options, inference),
};

const pbt_command pbt_command_generate = {
    .name = "generate",
    .summary = "Generate completions for many prompts",
    .usage = "MODEL [--adapter DIR] [options] < requests.jsonl",
    .details =
        "Reads one JSON object per line, {\"id\", \"messages\"}, {\"id\", \"prompt\"} (plain text) or "
        "{\"id\", "
        "\"prompt_ids\"}, and writes one per line, in the same order: {\"id\", \"text\", \"ids\", "
        "\"finish_reason\"}. \"ids\" are the new "
        "tokens, including the end token where there is one (finish_reason \"stop\", else \"length\"). "
        "Option names are transformers'; of the model's generation_config.json only the end tokens are "
        "used.\n\n"
        "A completion depends on the seed and the position of its request in the input, never on the other "
        "requests, the batch, the cache or the threads. It is written as soon as it and those before it are "
        "done; "
        "when interrupted, --skip goes on.\n\n"
        "Example:\n  echo '{\"id\": 1, \"messages\": [{\"role\": \"user\", \"content\": \"Hello!\"}]}' | pbt "
        "generate models/small --temperature 0 --max_new_tokens 40",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .settings_size = sizeof(generate_options),
    .least_arguments = 1,
    .most_arguments = 1,
    .run = run,
};
