/*
 * BPE: merges the characters of one word in the order of the merges' ranks, leftmost first, in n log n with a
 * heap. Follows tokenizers to the letter where it matters for equal ids: a candidate that has aged is still
 * taken when its pair now merges into the same id, at the candidate's old rank.
 */
#ifndef PBT_TOKENIZER_BPE_H
#define PBT_TOKENIZER_BPE_H

#include "tokenizer/pipeline.h"

/* Leaves the ids of the piece in word->symbols (those of length > 0, in order). */
pbt_code pbt_bpe_word(const pbt_bpe *bpe, const char *piece, size_t length, pbt_word *word, pbt_error *error);

#endif
