/*
 * Inside the engine: rows of the key/value buffers, the tree of cached prefixes over them, and one pass
 * through the network.
 *
 * Everything that was ever computed stands in the tree: a node is a run of rows that continues its parent. A
 * text in work holds a cursor, the place in the tree up to which its tokens are computed (or will be by the
 * pass in planning). So prefill, decode and scoring are the same step: walk over what is there, append what
 * is missing.
 */
#ifndef PBT_ENGINE_ENGINE_INTERNAL_H
#define PBT_ENGINE_ENGINE_INTERNAL_H

#include "engine/engine.h"

/* ---- free rows (rows.c): ranges in ascending order, never touching each other ---- */

typedef struct pbt_row_range {
    int32_t start, length;
} pbt_row_range;

typedef struct pbt_free_rows {
    pbt_row_range *ranges;
    int32_t n;
    int32_t total; /* rows in all ranges */
} pbt_free_rows;

/* All of 0 .. capacity-1 free. */
pbt_code pbt_free_rows_create(int32_t capacity, pbt_free_rows *rows, pbt_error *error);
void pbt_free_rows_free(pbt_free_rows *rows);
int32_t pbt_free_rows_largest(const pbt_free_rows *rows);
/* Takes `want` rows side by side, or as many as the largest range has; returns how many (0: none is free). */
int32_t pbt_free_rows_take(pbt_free_rows *rows, int32_t want, int32_t *start);
/* Takes up to `want` rows beginning exactly at `start`; returns how many. */
int32_t pbt_free_rows_take_at(pbt_free_rows *rows, int32_t start, int32_t want);
void pbt_free_rows_give(pbt_free_rows *rows, int32_t start, int32_t length);

/* ---- the tree of prefixes (prefix.c) ---- */

typedef struct pbt_prefix_node {
    struct pbt_prefix_node *parent;    /* NULL: the root of an adapter, which has no rows */
    struct pbt_prefix_node **children; /* in the order of their first tokens; all continue its last row */
    size_t n_children, capacity;
    struct pbt_prefix_node *older, *newer; /* in the list of what may be dropped */
    bool listed;
    int32_t kv_row, length; /* rows in use */
    int32_t reserved;       /* rows that belong to it, length and more while it grows */
    int32_t position;       /* of its first row */
    int32_t pins;           /* cursors in it */
    int64_t pass;           /* in which `segment` is its index in the layout */
    int32_t segment;
} pbt_prefix_node;

typedef struct pbt_prefix_tree {
    const pbt_adapter *adapter;
    pbt_prefix_node root;
} pbt_prefix_tree;

typedef struct pbt_prefix_cache {
    bool share;
    int32_t *tokens; /* [kv rows] the token of every row in use */
    pbt_free_rows free;
    pbt_prefix_node *oldest, *newest; /* leaves without cursors, by last use */
    pbt_prefix_tree **trees;
    size_t n_trees, capacity;
} pbt_prefix_cache;

/* A place in a tree: after `depth` tokens, in `node` (which it keeps from being dropped) or above it. */
typedef struct pbt_cursor {
    pbt_prefix_node *node;
    int32_t depth;
} pbt_cursor;

pbt_code pbt_prefix_cache_create(int32_t kv_rows, bool share, pbt_prefix_cache *cache, pbt_error *error);
void pbt_prefix_cache_free(pbt_prefix_cache *cache);
/* Drops the tree of an adapter, or all (`all`). No cursor may stand in them. */
void pbt_prefix_cache_forget(pbt_prefix_cache *cache, const pbt_adapter *adapter, bool all);

pbt_code pbt_cursor_open(pbt_prefix_cache *cache, const pbt_adapter *adapter, pbt_cursor *cursor,
                         pbt_error *error);
void pbt_cursor_close(pbt_prefix_cache *cache, pbt_cursor *cursor);
/* Moves over tokens[depth ..], at most to `limit`, as far as one node holds them; returns how many. The rows
 * passed over are then the last ones before pbt_cursor_row. 0: the next token is not there. */
int32_t pbt_cursor_walk(pbt_prefix_cache *cache, pbt_cursor *cursor, const int32_t *tokens, int32_t limit);
/* Adds tokens[depth ..], at most `want` (>= 1), to the tree and moves over them; call it when walk gives 0.
 * Up to `spare` rows more are kept for what will follow. Drops least recently used leaves when rows run out.
 * *got: how many were added; 0: every row is in use. */
pbt_code pbt_cursor_append(pbt_prefix_cache *cache, pbt_cursor *cursor, const int32_t *tokens, int32_t want,
                           int32_t spare, int32_t *got, pbt_error *error);
/* The row of the last token before the cursor (depth >= 1), right after walk or append. */
int32_t pbt_cursor_row(const pbt_cursor *cursor);

/* ---- one pass (pass.c) ---- */

/* Consecutive positions computed as rows row .. of the pass. They lie in `node` or, after it was split, in
 * its ancestors too. */
typedef struct pbt_run {
    pbt_prefix_node *node;
    int32_t position, length, row;
} pbt_run;

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
    pbt_run *runs;
    size_t n_runs, runs_capacity;
    pbt_segment *segments;
    size_t n_segments, segments_capacity;
    pbt_span *spans;
    size_t n_spans, spans_capacity;
    pbt_target *targets; /* scoring: log-probabilities to take from the pass */
    size_t n_targets, targets_capacity;

    int32_t logit_rows;          /* rows of logits computed at a time */
    float *logits;               /* device, [logit_rows, V] */
    float *picked;               /* [V] logits of one row */
    float *masked;               /* [V] with end tokens made impossible */
    float *scratch;              /* [V] of the sampler */
    int32_t *ready_row;          /* [logit_rows] */
    struct pbt_sequence **ready; /* of a step: the texts that get a token */
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

/* ---- texts in work (schedule.c) ---- */

/* Exactly one of generation and scoring is set. */
typedef struct pbt_sequence {
    pbt_generation *generation;
    pbt_scoring *scoring;
    const pbt_adapter *adapter;
    const int32_t *prompt, *continuation;
    int32_t prompt_length, continuation_length;
    size_t index; /* of the request */

    int32_t *tokens;  /* prompt and what follows; from admission on */
    int32_t limit;    /* rows to compute before something comes out */
    int32_t need;     /* first position whose hidden state is needed */
    int32_t last_row; /* generation: row of the pass at position limit - 1, or -1 */
    bool decoding;    /* one more token, one more row */
    bool open;
    pbt_cursor cursor;
} pbt_sequence;

/* Works through all sequences, `most_active` at a time; `task` names the work to the monitor. */
pbt_code pbt_schedule_run(pbt_engine *engine, pbt_sequence *sequences, size_t n, int32_t most_active,
                          const char *task, const pbt_monitor *monitor, pbt_error *error);
/* Draws a token for every sequence that is ready after a pass, and writes the results of those that end
 * (generate.c). */
pbt_code pbt_generate_step(pbt_engine *engine, pbt_sequence **active, size_t n, pbt_error *error);
/* Whether nothing is left to do for it. */
bool pbt_sequence_finished(const pbt_sequence *sequence);
/* Checks ids against the vocabulary; `what` and `index` name the place. */
pbt_code pbt_check_ids(const pbt_engine *engine, const int32_t *ids, int32_t n, const char *what,
                       size_t index, pbt_error *error);

#endif
