/*
 * tiktoken's vocabulary files, as Llama 3 has one: lines of a token's bytes in base64 and its rank. Two
 * neighbours merge when their bytes together are a token, the lowest rank first, the leftmost among equals.
 */
#ifndef PBT_TOKENIZER_TIKTOKEN_H
#define PBT_TOKENIZER_TIKTOKEN_H

#include "tokenizer/pipeline.h"

pbt_code pbt_tokenizer_load_tiktoken(pbt_tokenizer *tokenizer, const char *path, const char *data,
                                     size_t length, const json_t *config, pbt_error *error);

#endif
