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
                             "form of the 4 bits"),                                                          \
        PBT_INFERENCE_OPTION(S, field, load_in_8bit, PBT_OPTION_FLAG, NULL, NULL, NULL,                      \
                             "quantise the weights to int8, a scale a row"),                                 \
        PBT_INFERENCE_OPTION(S, field, use_bnb_nested_quant, PBT_OPTION_FLAG, NULL, NULL, NULL,              \
                             "quantise the 4-bit scales too"),                                               \
        PBT_INFERENCE_OPTION(S, field, date_string, PBT_OPTION_STRING, "TEXT", NULL, NULL,                   \
                             "date for chat templates that print one"),                                      \
        PBT_INFERENCE_OPTION(S, field, share_prefixes, PBT_OPTION_FLAG, NULL, "true", NULL,                  \
                             "compute tokens that texts share once; changes speed, never results"),          \
        PBT_INFERENCE_OPTION(S, field, max_batch, PBT_OPTION_INTEGER, "N", "0", NULL,                        \
                             "texts in work together; 0: 64"),                                               \
        PBT_INFERENCE_OPTION(S, field, kv_rows, PBT_OPTION_INTEGER, "N", "0", NULL,                          \
                             "tokens the cache of keys and values holds; 0: chosen"),                        \
        PBT_INFERENCE_OPTION(S, field, prefill_rows, PBT_OPTION_INTEGER, "N", "0", NULL,                     \
                             "tokens of one pass over prompts; 0: 512")
#define PBT_SAMPLING_OPTIONS(S, field)                                                                       \
    PBT_INFERENCE_OPTION(S, field, temperature, PBT_OPTION_NUMBER, "X", "1", NULL, "0: greedy"),             \
        PBT_INFERENCE_OPTION(S, field, top_k, PBT_OPTION_INTEGER, "N", "50", NULL,                           \
                             "draw among the N likeliest tokens; 0: all"),                                   \
        PBT_INFERENCE_OPTION(S, field, top_p, PBT_OPTION_NUMBER, "X", "1", NULL,                             \
                             "draw among the likeliest tokens that have this share together"),               \
        PBT_INFERENCE_OPTION(S, field, max_new_tokens, PBT_OPTION_INTEGER, "N", "256", NULL,                 \
                             "longest answer"),                                                              \
        PBT_INFERENCE_OPTION(S, field, min_new_tokens, PBT_OPTION_INTEGER, "N", "0", NULL,                   \
                             "shortest answer: end tokens are impossible before"),                           \
        PBT_INFERENCE_OPTION(S, field, seed, PBT_OPTION_INTEGER, "N", "42", NULL, "of the draws")

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

/* Reads at most `most` requests: {"messages"}, {"prompt"} or {"prompt_ids"}; with `scored` also
 * "continuation" or "continuation_ids". *end: nothing is left. */
pbt_code pbt_requests_read(pbt_lines *lines, const char *name, const pbt_inference *inference, bool scored,
                           size_t most, pbt_requests *requests, bool *end, pbt_error *error);
void pbt_requests_clear(pbt_requests *requests);
/* Puts the lines of the requests before the sentence of an error. */
pbt_code pbt_requests_error(const pbt_requests *requests, pbt_code code, pbt_error *error);
json_t *pbt_json_ids(const int32_t *ids, size_t n);
/* How many lines are read before work begins: one where a person types, else many, so that they share. */
size_t pbt_requests_block(const char *input);

#endif
