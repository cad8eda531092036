/*
 * Added tokens: finds them in text, leftmost first and longest there, and cuts them out as pieces of their
 * own.
 */
#ifndef PBT_TOKENIZER_ADDED_H
#define PBT_TOKENIZER_ADDED_H

#include "tokenizer/pipeline.h"

pbt_code pbt_byte_trie_add(pbt_byte_trie *trie, const char *string, size_t length, int32_t added,
                           pbt_error *error);
pbt_code pbt_step_added(const pbt_tokenizer *tokenizer, const pbt_byte_trie *trie, pbt_pieces *pieces,
                        pbt_error *error);

#endif
