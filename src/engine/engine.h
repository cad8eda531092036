/*
 * The engine: batched generation and exact scoring over one model, with shared prefixes. Every distinct
 * prefix of token ids is computed and stored once per adapter, however many requests share it, within a call
 * and between calls. Results never depend on what else is in the batch, on cache hits, or on threads (see
 * tensor/ops.h).
 */
#ifndef PBT_ENGINE_ENGINE_H
#define PBT_ENGINE_ENGINE_H

#include "base/declarations.h"
#include "base/monitor.h"
#include "model/forward.h"

PBT_BEGIN_DECLS

typedef struct pbt_engine pbt_engine;

typedef struct pbt_engine_options {
    int32_t kv_rows;          /* KV cache capacity in tokens; 0: chosen (pbt_engine_kv_rows) */
    int32_t max_batch;        /* sequences decoded together; 0: 64 */
    int32_t prefill_rows;     /* rows of one prefill pass; 0: 512 */
    bool share_prefixes;      /* false only to measure what sharing gains */
    const pbt_device *device; /* whose memory bounds the cache; an engine takes its model's */
} pbt_engine_options;

/* What stands for 0: max_batch, and kv_rows: what max_batch texts of the model's greatest length take, at
 * most 65536 rows and a quarter of the device's memory (but room for a text of 4096). */
int32_t pbt_engine_batch(const pbt_engine_options *options);
int32_t pbt_engine_kv_rows(const pbt_config *config, const pbt_engine_options *options);
/* Bytes an engine takes beside its model: keys and values, and everything else, with adapters of `rank`. */
typedef struct pbt_engine_memory {
    int64_t kv, buffers;
} pbt_engine_memory;
pbt_engine_memory pbt_engine_memory_of(const pbt_config *config, const pbt_engine_options *options,
                                       int32_t rank);

/* Borrows the model. Free with pbt_engine_free. `adapters` of requests must outlive the engine or be
 * forgotten with pbt_engine_forget (after training changed them, or before freeing them). */
pbt_code pbt_engine_create(const pbt_model *model, const pbt_engine_options *options, pbt_engine **engine,
                           pbt_error *error);
void pbt_engine_free(pbt_engine *engine);
/* Drops all cached prefixes (of one adapter, or all with NULL). */
void pbt_engine_forget(pbt_engine *engine, const pbt_adapter *adapter);

typedef struct pbt_sampling {
    double temperature;                     /* 0 = greedy (lowest id wins ties) */
    int32_t top_k;                          /* 0 = off */
    double top_p;                           /* 1 = off */
    int32_t max_new_tokens, min_new_tokens; /* min: end tokens are impossible before */
    const int32_t *stop_ids;                /* end tokens; NULL: the model's eos_token_ids */
    int32_t n_stop_ids;
} pbt_sampling;
/* Temperature 0, no top_k, no top_p, the model's own end tokens. */
pbt_sampling pbt_sampling_greedy(int32_t max_new_tokens);

/* The greatest temperature: beyond it every token is as likely as any other. */
#define PBT_MOST_TEMPERATURE 1e6
/* PBT_USAGE with the setting and the number that makes no sense. */
pbt_code pbt_sampling_check(const pbt_sampling *sampling, pbt_error *error);

typedef struct pbt_generation {
    const int32_t *prompt;
    int32_t prompt_length;      /* >= 1 */
    const pbt_adapter *adapter; /* or NULL */
    pbt_sampling sampling;
    pbt_key key; /* token i is drawn with pbt_random_unit(key, i) */
    /* out */
    int32_t *ids; /* malloc'ed, caller frees; end token included where one came */
    int32_t n_ids;
    bool finished; /* an end token came ("stop"); else the length ran out ("length") */
} pbt_generation;
/* Generates for all requests. A prompt that leaves no position of the model free is PBT_BAD_INPUT; where the
 * positions end before max_new_tokens, so does the text ("length"). On an error nothing is left allocated in
 * the requests. */
pbt_code pbt_engine_generate(pbt_engine *engine, pbt_generation *requests, size_t n,
                             const pbt_monitor *monitor, pbt_error *error);

/* Called when a request is done, in whatever order they end; an error ends the work. */
typedef struct pbt_request_watch {
    pbt_code (*done)(void *user, size_t index, pbt_error *error);
    void *user;
} pbt_request_watch;
/* As pbt_engine_generate; `watch` (or NULL) sees every request as soon as it is done and may take its ids. */
pbt_code pbt_engine_generate_each(pbt_engine *engine, pbt_generation *requests, size_t n,
                                  const pbt_request_watch *watch, const pbt_monitor *monitor,
                                  pbt_error *error);

typedef struct pbt_scoring {
    const int32_t *prompt;
    int32_t prompt_length; /* >= 1 */
    const int32_t *continuation;
    int32_t continuation_length;
    const pbt_adapter *adapter;
    float
        *logprobs; /* out: [continuation_length], caller's memory; log p(token i | all before), natural log */
} pbt_scoring;
pbt_code pbt_engine_score(pbt_engine *engine, pbt_scoring *requests, size_t n, const pbt_monitor *monitor,
                          pbt_error *error);
pbt_code pbt_engine_score_each(pbt_engine *engine, pbt_scoring *requests, size_t n,
                               const pbt_request_watch *watch, const pbt_monitor *monitor, pbt_error *error);

/* log-probabilities of given next tokens after a prompt (choices): requests with continuations of length 1
 * that share the prompt cost one row; use pbt_engine_score. */

typedef struct pbt_engine_statistics {
    int64_t prompt_tokens;   /* tokens of prompts and scored text asked for */
    int64_t computed_tokens; /* rows really computed for them */
    int64_t new_tokens;      /* tokens generated */
    int64_t decode_passes, prefill_passes;
} pbt_engine_statistics;
pbt_engine_statistics pbt_engine_statistics_get(const pbt_engine *engine);

/* Picks a token from logits[0..vocab-1] (sampler.c); `u` uniform in [0,1). Deterministic order: logits
 * descending, id ascending; softmax in double. */
int32_t pbt_sample(const pbt_device *device, const float *logits, int32_t vocab, const pbt_sampling *sampling,
                   double u, float *scratch);

PBT_END_DECLS

#endif
