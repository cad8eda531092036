/*
 * The BPE model's two tables: strings to ids, and pairs of ids to merges.
 */
#ifndef PBT_TOKENIZER_VOCABULARY_H
#define PBT_TOKENIZER_VOCABULARY_H

#include "tokenizer/pipeline.h"

int32_t pbt_names_find(const pbt_names *names, const char *string, size_t length);
/* Adds or replaces; the string stays the caller's. */
pbt_code pbt_names_put(pbt_names *names, const char *string, size_t length, int32_t id, pbt_error *error);
void pbt_names_free(pbt_names *names);

/* A pair of ids as one number, which keys tables of pairs. */
static inline uint64_t pbt_pair_of(int32_t left, int32_t right) {
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}
/* Room for so many merges. */
pbt_code pbt_bpe_prepare(pbt_bpe *bpe, size_t n_merges, pbt_error *error);
/* A later merge of the same pair replaces the earlier one, as in tokenizers. */
void pbt_bpe_add_merge(pbt_bpe *bpe, int32_t left, int32_t right, uint32_t rank, int32_t id);
/* Fills characters[] and bytes[] from names. */
void pbt_bpe_index(pbt_bpe *bpe);
/* Whether the two merge, and how. */
bool pbt_bpe_merge(const pbt_bpe *bpe, int32_t left, int32_t right, pbt_merge *merge);

#endif
