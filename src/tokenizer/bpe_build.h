/*
 * Merges from a vocabulary alone, as tiktoken and SentencePiece have it: what may be joined is what is a
 * token.
 */
#ifndef PBT_TOKENIZER_BPE_BUILD_H
#define PBT_TOKENIZER_BPE_BUILD_H

#include "tokenizer/pipeline.h"

/* Every pair of tokens whose text together is a token merges into it: ranks are ids, or with `scores` (by id)
 * go by them from high to low, equal scores being equal ranks; -INFINITY: a token that takes no part. */
pbt_code pbt_bpe_merge_all(pbt_tokenizer *tokenizer, const float *scores, pbt_error *error);

#endif
