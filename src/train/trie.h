/*
 * The token trie: sequences of a batch merged where their prefixes are equal, so that every shared token is
 * computed once, forward and backward. Loss and gradients equal the pair-by-pair computation.
 */
#ifndef PBT_TRAIN_TRIE_H
#define PBT_TRAIN_TRIE_H

#include "base/declarations.h"
#include "tensor/tensor.h"
#include "train/dataset.h"

PBT_BEGIN_DECLS

/* A batch in the form model/forward.h wants, and the targets of its loss. */
typedef struct pbt_trie {
    int32_t *tokens, *positions; /* [n_rows] */
    uint64_t *row_ids;           /* [n_rows]: hash of the token path, for dropout */
    pbt_layout layout;           /* arrays owned by the trie; kv_row = row */
    /* Targets: log p(target | row) belongs to sequence `sequence[i]`; sorted by row. */
    int32_t n_targets;
    int32_t *target_row, *target, *target_sequence;
    int64_t n_tokens; /* tokens of the sequences before merging */
    int32_t n_sequences;
} pbt_trie;

/* One sequence: ids and which of them are targets (mask[i]: token i carries loss; mask[0] must be 0). */
typedef struct pbt_sequence {
    const int32_t *ids;
    const unsigned char *mask;
    int32_t length;
} pbt_sequence;
/* share = false: no merging (the reference computation of the tests). */
pbt_code pbt_trie_build(const pbt_sequence *sequences, int32_t n, bool share, pbt_trie *trie,
                        pbt_error *error);
void pbt_trie_free(pbt_trie *trie);

PBT_END_DECLS

#endif
