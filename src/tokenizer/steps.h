/*
 * Steps: the normalizers and pre-tokenizers of tokenizer.json at work on pieces. Unicode normalization stands
 * in normalize.c, the cutting out of added tokens in added.c.
 */
#ifndef PBT_TOKENIZER_STEPS_H
#define PBT_TOKENIZER_STEPS_H

#include "tokenizer/pipeline.h"

/* Runs steps[first..last-1] on `pieces`; `other` is room for the rewritten text (the two are swapped). */
pbt_code pbt_steps_run(const pbt_tokenizer *tokenizer, size_t first, size_t last, pbt_pieces *pieces,
                       pbt_pieces *other, pbt_search *search, pbt_error *error);

#endif
