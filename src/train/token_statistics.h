/*
 * TRL's entropy, mean_token_accuracy and logits/chosen, logits/rejected.
 */
#ifndef PBT_TRAIN_TOKEN_STATISTICS_H
#define PBT_TRAIN_TOKEN_STATISTICS_H

#include "train/training.h"

/* Adds what `statistics` has of pass `pass` to sums[i] of every example i of the batch. */
void pbt_statistics_add(const pbt_batch *batch, size_t pass, const pbt_trie *trie,
                        const pbt_target_statistics *statistics, pbt_example_sums *sums);
/* Fills entropy, mean_token_accuracy and logits/... as TRL has them: means over the tokens of a micro-batch
 * of `size` examples, averaged over the micro-batches. */
void pbt_statistics_summarise(const pbt_example_sums *sums, size_t n, size_t size, bool preference,
                              pbt_metrics *metrics);

#endif
