/*
 * From examples to passes: which examples of an optimizer step go through the network together, as which
 * sequences, in which buffers. Examples are taken in the order of their tokens, so that those with a common
 * prompt meet in one trie; an example's chosen and rejected always share a pass.
 */
#ifndef PBT_TRAIN_BATCH_H
#define PBT_TRAIN_BATCH_H

#include "train/training.h"

pbt_code pbt_pass_buffers_create(const pbt_model *model, int32_t rows, int32_t adapter_rank, bool keep,
                                 pbt_pass_buffers *buffers, pbt_error *error);
/* Makes room for a pass of `rows` rows and `targets` targets. */
pbt_code pbt_pass_buffers_reserve(pbt_pass_buffers *buffers, int32_t rows, int32_t targets, pbt_error *error);
void pbt_pass_buffers_free(pbt_pass_buffers *buffers);
pbt_code pbt_batch_plan(const pbt_example *const *examples, size_t n, bool preference, bool share,
                        int32_t max_rows, pbt_batch *batch, pbt_error *error);
void pbt_batch_free(pbt_batch *batch);
/* Rows the example needs alone. */
int64_t pbt_example_rows(const pbt_example *example, bool preference, bool share);
/* Tokens that carry loss in the chosen (or only) sequence. */
int64_t pbt_example_targets(const pbt_example *example);
/* The trie of one pass. Sequence 2j is the chosen and 2j+1 the rejected of the pass's j-th example when
 * `preference`, else sequence j is the j-th example. */
pbt_code pbt_batch_trie(const pbt_batch *batch, size_t pass, bool share, pbt_trie *trie, pbt_error *error);

#endif
