/*
 * What `pbt generate`, `pbt score` and `pbt chat` have in common: opening a model folder with an adapter, and
 * reading requests.
 */
#ifndef PBT_CLI_INFERENCE_H
#define PBT_CLI_INFERENCE_H

#include "base/file.h"
#include "chat/chat.h"
#include "cli/command.h"
#include "engine/engine.h"

typedef struct pbt_inference_options {
    const char *adapter, *dtype, *bnb_4bit_quant_type, *date_string;
    bool load_in_4bit, load_in_8bit, use_bnb_nested_quant, share_prefixes;
    int64_t max_batch, kv_rows, prefill_rows;
} pbt_inference_options;

typedef struct pbt_sampling_options {
    double temperature, top_p;
    int64_t top_k, max_new_tokens, min_new_tokens, seed;
} pbt_sampling_options;

/* Rows of an option table; `S` is the command's settings, `field` the group of options in it. */
#define PBT_INFERENCE_OPTION(S, field, name_, type_, value, initial_, choices_, help_)                       \
    {                                                                                                        \
        .name = #name_, .type = type_, .offset = offsetof(S, field.name_), .value_name = value,              \
        .initial = initial_, .help = help_, .choices = choices_                                              \
    }
#define PBT_INFERENCE_OPTIONS(S, field)                                                                      \
    PBT_INFERENCE_OPTION(S, field, adapter, PBT_OPTION_STRING, "DIR", NULL, NULL,                            \
                         "a PEFT adapter folder; DIR:NAME where it holds several"),                          \
                                                                                                             \
        PBT_INFERENCE_OPTION(S, field, dtype, PBT_OPTION_STRING, "NAME", "auto",                             \
                             "auto|float32|float16|bfloat16",                                                \
                             "type of the weights in memory; auto: as stored"),                              \
        PBT_INFERENCE_OPTION(S, field, load_in_4bit, PBT_OPTION_FLAG, NULL, NULL, NULL,                      \
                             "quantise the weights to 4 bits"),                                              \
        PBT_INFERENCE_OPTION(S, field, bnb_4bit_quant_type, PBT_OPTION_STRING, "NAME", "nf4", "nf4|fp4",     \
                             "4-bit data type"),                                                             \
        PBT_INFERENCE_OPTION(S, field, load_in_8bit, PBT_OPTION_FLAG, NULL, NULL, NULL,                      \
                             "quantise the weights to int8, one scale per row"),                             \
        PBT_INFERENCE_OPTION(S, field, use_bnb_nested_quant, PBT_OPTION_FLAG, NULL, NULL, NULL,              \
                             "quantise the 4-bit scales too"),                                               \
        PBT_INFERENCE_OPTION(S, field, date_string, PBT_OPTION_STRING, "TEXT", NULL, NULL,                   \
                             "date for chat templates that print one"),                                      \
        PBT_INFERENCE_OPTION(S, field, share_prefixes, PBT_OPTION_FLAG, NULL, "true", NULL,                  \
                             "compute prefixes that texts share only once; changes speed, never results"),   \
        PBT_INFERENCE_OPTION(S, field, max_batch, PBT_OPTION_INTEGER, "N", "0", NULL,                        \
                             "sequences decoded together; 0: 64"),                                           \
        PBT_INFERENCE_OPTION(S, field, kv_rows, PBT_OPTION_INTEGER, "N", "0", NULL,                          \
                             "tokens the key/value cache holds; 0: chosen automatically"),                   \
        PBT_INFERENCE_OPTION(S, field, prefill_rows, PBT_OPTION_INTEGER, "N", "0", NULL,                     \
                             "tokens per prefill pass; 0: 512")
#define PBT_SAMPLING_OPTIONS(S, field)                                                                       \
    PBT_INFERENCE_OPTION(S, field, temperature, PBT_OPTION_NUMBER, "X", "1", NULL, "0: greedy"),             \
        PBT_INFERENCE_OPTION(S, field, top_k, PBT_OPTION_INTEGER, "N", "50", NULL,                           \
                             "sample from the N likeliest tokens; 0: all"),                                  \
        PBT_INFERENCE_OPTION(S, field, top_p, PBT_OPTION_NUMBER, "X", "1", NULL,                             \
                             "sample from the likeliest tokens that together have this probability"),        \
        PBT_INFERENCE_OPTION(S, field, max_new_tokens, PBT_OPTION_INTEGER, "N", "256", NULL,                 \
                             "most new tokens of a completion"),                                             \
        PBT_INFERENCE_OPTION(S, field, min_new_tokens, PBT_OPTION_INTEGER, "N", "0", NULL,                   \
                             "fewest new tokens of a completion: no end token before"),                      \
        PBT_INFERENCE_OPTION(S, field, seed, PBT_OPTION_INTEGER, "N", "42", NULL, "seed of the sampling")

#define PBT_SKIP_OPTION(S)                                                                                   \
    {                                                                                                        \
        .name = "skip", .type = PBT_OPTION_INTEGER, .offset = offsetof(S, skip), .value_name = "N",          \
        .initial = "0",                                                                                      \
        .help = "skip the first N requests, which an interrupted call has answered; the others get the "     \
                "same results as without"                                                                    \
    }

typedef struct pbt_inference {
    pbt_model *model;
    pbt_adapter *adapter;     /* or NULL */
    pbt_tokenizer *tokenizer; /* NULL when the folder has none: requests of ids still work */
    pbt_chat_template *chat;  /* NULL likewise */
    pbt_engine *engine;
    pbt_error no_text; /* why tokenizer or chat is missing */
} pbt_inference;

/* Says on cli->monitor when the adapter was made for another model. */
pbt_code pbt_inference_open(const pbt_cli *cli, const char *path, const pbt_inference_options *options,
                            pbt_inference *inference, pbt_error *error);
void pbt_inference_close(pbt_inference *inference);
pbt_code pbt_sampling_make(const pbt_sampling_options *options, pbt_sampling *sampling, pbt_error *error);

/* ---- requests: lines of JSON ---- */

typedef struct pbt_request {
    json_t *value; /* the line; owned */
    json_t *id;    /* "id", or the number of the line; owned */
    size_t line;
    pbt_ids prompt, continuation; /* owned */
} pbt_request;

typedef struct pbt_requests {
    pbt_request *items;
    size_t count, capacity;
} pbt_requests;

/* Where requests come from, and which of them are left. */
typedef struct pbt_request_source {
    const pbt_cli *cli;
    pbt_lines *lines;
    const char *name;
    const pbt_inference *inference;
    bool scored;
    int64_t skip;    /* of the first requests, still to be passed over */
    size_t skipped;  /* how many that were at first */
    size_t before;   /* requests of the input before the next one: those passed over, too */
    size_t answered; /* requests of this call with their answers on stdout */
    bool ended;
} pbt_request_source;

/* Reads at most `most` requests, {"messages"}, {"prompt"} or {"prompt_ids"} (with `scored` also
 * "continuation" or "continuation_ids"): as many as are there without waiting, but at least one, unless the
 * input ends. After an error `requests` holds what came before. */
pbt_code pbt_requests_read(pbt_request_source *source, size_t most, pbt_requests *requests, pbt_error *error);
void pbt_requests_clear(pbt_requests *requests);
/* Puts the line of a request before the sentence of an error about one of its `each` texts ("request 3:
 * ..."), else the lines of all. *blamed: the request, or SIZE_MAX. */
pbt_code pbt_requests_error(const pbt_requests *requests, size_t each, pbt_code code, size_t *blamed,
                            pbt_error *error);
json_t *pbt_json_ids(const int32_t *ids, size_t n);

/* Answers requests: works at the first `n` of them and prints each answer when it and those before it are
 * done, counting them in source->answered. */
typedef pbt_code (*pbt_answer_requests)(void *user, pbt_request_source *source, const pbt_requests *requests,
                                        size_t n, pbt_error *error);
/* Reads and answers all, at most `most` requests of `each` texts at a time. What was read before a bad line
 * is answered. When interrupted, says how to go on. */
pbt_code pbt_requests_run(pbt_request_source *source, size_t most, size_t each, pbt_answer_requests answer,
                          void *user, pbt_error *error);
pbt_code pbt_requests_check_skip(int64_t skip, pbt_error *error);
/* How many requests are in work together, each of which takes `each` texts. */
size_t pbt_requests_window(const pbt_inference_options *options, size_t each);

/* Which of a window's texts are done, `each` of them a request. */
typedef struct pbt_request_order {
    size_t n, each, next; /* requests, texts a request; the first request that is not out yet */
    int32_t *left;        /* [n] texts of the request that are not done */
} pbt_request_order;
pbt_code pbt_request_order_create(size_t n, size_t each, pbt_request_order *order, pbt_error *error);
void pbt_request_order_free(pbt_request_order *order);
/* A text is done; call pbt_request_order_next until it is false. */
void pbt_request_order_done(pbt_request_order *order, size_t text);
/* Whether one more request can go out; *request: which. */
bool pbt_request_order_next(pbt_request_order *order, size_t *request);

#endif
