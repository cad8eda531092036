/*
 * A text in work: a request of generation or scoring on its way through the passes.
 */
#ifndef PBT_ENGINE_SEQUENCE_H
#define PBT_ENGINE_SEQUENCE_H

#include "engine/pass.h"

/* Exactly one of generation and scoring is set. */
typedef struct pbt_engine_sequence {
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
} pbt_engine_sequence;

/* Whether nothing is left to do for it. */
bool pbt_engine_sequence_finished(const pbt_engine_sequence *sequence);

/* Ends a generation: its request gets the new ids. */
pbt_code pbt_engine_sequence_finish(pbt_engine_sequence *sequence, pbt_error *error);
/* Checks ids against the vocabulary; `what` and `index` name the place. */
pbt_code pbt_check_ids(const pbt_engine *engine, const int32_t *ids, int32_t n, const char *what,
                       size_t index, pbt_error *error);
/* PBT_BAD_INPUT where a text of `length` tokens is longer than the model's positions; `what` names it. */
pbt_code pbt_check_positions(const pbt_engine *engine, int64_t length, size_t index, const char *what,
                             pbt_error *error);

#endif
