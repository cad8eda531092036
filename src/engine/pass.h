/*
 * One pass through the network: planned row by row, run, and read.
 */
#ifndef PBT_ENGINE_PASS_H
#define PBT_ENGINE_PASS_H

#include "engine/prefix.h"

/* Consecutive positions computed as rows row .. of the pass. They lie in `node` or, after it was split, in
 * its ancestors too. */
typedef struct pbt_row_run {
    pbt_prefix_node *node;
    int32_t position, length, row;
} pbt_row_run;

typedef struct pbt_target {
    int32_t row, token;
    float *logprob;
} pbt_target;

struct pbt_engine {
    const pbt_model *model;
    pbt_engine_options options; /* with every 0 replaced */
    int32_t rows;               /* most rows of a pass */
    pbt_kv kv;
    pbt_prefix_cache cache;
    pbt_activations *activations;
    int32_t rank; /* that the activations are made for */
    pbt_engine_statistics statistics;

    int64_t pass;       /* number of the pass in planning */
    int32_t *pass_row;  /* [kv_rows] 1 + the row of the pass that computes this row, or 0 */
    int32_t *tokens;    /* [rows] of the pass */
    int32_t *positions; /* [rows] */
    int32_t n_rows;
    pbt_row_run *runs;
    size_t n_runs, runs_capacity;
    pbt_segment *segments;
    size_t n_segments, segments_capacity;
    pbt_span *spans;
    size_t n_spans, spans_capacity;
    pbt_target *targets; /* scoring: log-probabilities to take from the pass */
    size_t n_targets, targets_capacity;

    int32_t logit_rows;                 /* rows of logits computed at a time */
    float *logits;                      /* device, [logit_rows, V] */
    float *picked;                      /* [V] logits of one row */
    float *masked;                      /* [V] with end tokens made impossible */
    float *scratch;                     /* [V] of the sampler */
    int32_t *ready_row;                 /* [logit_rows] */
    struct pbt_engine_sequence **ready; /* of a step: the texts that get a token */
    size_t ready_capacity;
};

/* Plans position `position` (the last before the cursor) into the pass, unless it is there already.
 * `*row`: its row in the pass. `*added`: whether a row was needed. */
pbt_code pbt_pass_add(pbt_engine *engine, const pbt_cursor *cursor, int32_t position, int32_t kv_row,
                      int32_t *row, bool *added, pbt_error *error);
bool pbt_pass_has(const pbt_engine *engine, int32_t kv_row);
/* Runs the planned rows through the network and empties the plan; hidden states stay in the activations. */
pbt_code pbt_pass_run(pbt_engine *engine, const pbt_adapter *adapter, pbt_error *error);
/* log p of the targets from the pass just run. */
pbt_code pbt_pass_logprobs(pbt_engine *engine, pbt_error *error);
/* Forgets the plan and all prefixes: after an error, rows of the plan were never computed. */
void pbt_pass_abandon(pbt_engine *engine);

#endif
