/*
 * The forward pass, written once over the operation table; the same function serves prefill, decode, scoring
 * and training. Shapes: T = layout.n_rows rows of this pass.
 */
#ifndef PBT_MODEL_FORWARD_H
#define PBT_MODEL_FORWARD_H

#include "base/declarations.h"
#include "model/adapter.h"

PBT_BEGIN_DECLS

/* Keys and values of every layer. Row r of layer l: k + (l * capacity + r) * G*E. RoPE is already applied to
 * k. */
typedef struct pbt_kv {
    float *k, *v;
    int32_t capacity; /* rows */
    int32_t width;    /* G*E floats */
} pbt_kv;
/* Bytes that one row takes in all layers. */
int64_t pbt_kv_row_bytes(const pbt_config *config);
pbt_code pbt_kv_create(const pbt_model *model, int32_t capacity, pbt_kv *kv, pbt_error *error);
void pbt_kv_free(const pbt_model *model, pbt_kv *kv);

/* What goes through the network in one pass. */
typedef struct pbt_pass {
    const pbt_model *model;
    const pbt_adapter *const *adapters; /* summed in order; may be NULL */
    int32_t n_adapters;
    const int32_t *tokens;    /* [T] */
    const int32_t *positions; /* [T] */
    pbt_layout layout;
    /* LoRA dropout, training only: p = 0 for none. Applies to the last adapter (the one being trained).
     * row_ids[t] names a row independently of the batch it is in. */
    float dropout;
    pbt_key dropout_key;
    const uint64_t *row_ids; /* [T], needed when dropout > 0 */
    /* For pbt_backward: what it notes of its targets besides their log-probabilities; NULL: nothing. */
    struct pbt_target_statistics *statistics;
} pbt_pass;

/* Buffers of a pass, planned for at most `rows` rows and allocated once. With `keep`, everything the backward
 * pass needs is kept for every layer; without, one layer's buffers are reused. `adapter_rank`: sum of the
 * ranks in use. */
typedef struct pbt_activations pbt_activations;
size_t pbt_activations_bytes(const pbt_config *config, int32_t rows, int32_t adapter_rank, bool keep);
pbt_code pbt_activations_create(const pbt_model *model, int32_t rows, int32_t adapter_rank, bool keep,
                                pbt_activations **activations, pbt_error *error);
void pbt_activations_free(pbt_activations *activations);

/* Runs the pass: writes k and v of the new rows into `kv` at their segments' places and leaves the final
 * normalised hidden states in the activations. Training uses a kv of its own with kv_row = row. */
pbt_code pbt_forward(const pbt_pass *pass, pbt_kv *kv, pbt_activations *activations, pbt_error *error);
/* [T, D], valid until the next pass with these activations. */
const float *pbt_activations_hidden(const pbt_activations *activations);

/* logits[i] = output * hidden[rows[i]] of the last pass with these activations  ([n, V]). */
pbt_code pbt_logits(const pbt_model *model, pbt_activations *activations, const int32_t *rows, int32_t n,
                    float *logits, pbt_error *error);

/* What training logs of targets besides log-probabilities; each [number of targets]. */
typedef struct pbt_target_statistics {
    float *entropy;     /* of the row's distribution, nats */
    float *mean_logit;  /* of the row */
    unsigned char *top; /* 1: no token is likelier than the target */
} pbt_target_statistics;

/* logprob[i] = log p(target[i] | row target_row[i]) of the last pass with these activations, natural log,
 * some hundred rows of logits at a time. target_row ascending. With kept activations the logits stay, as far
 * as 64 MiB hold them, and a pbt_backward of the same targets need not compute them again. */
pbt_code pbt_logprobs(const pbt_model *model, pbt_activations *activations, const int32_t *target_row,
                      const int32_t *target, int32_t n, float *logprob, pbt_error *error);
/* The same, and statistics (NULL: none). */
pbt_code pbt_logprobs_and_statistics(const pbt_model *model, pbt_activations *activations,
                                     const int32_t *target_row, const int32_t *target, int32_t n,
                                     float *logprob, pbt_target_statistics *statistics, pbt_error *error);
/* Fills statistics of targets first .. first + n, whose rows are the rows local[i] of `logits`. */
void pbt_logit_statistics(const pbt_model *model, const float *logits, const float *logsumexp, int32_t n_rows,
                          const int32_t *local, const int32_t *target, int32_t first, int32_t n,
                          pbt_target_statistics *statistics);

PBT_END_DECLS

#endif
