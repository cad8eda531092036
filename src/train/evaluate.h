/*
 * Evaluation on a dataset that is not trained on: the same metrics as in training, without dropout and
 * without gradients. As in transformers, a batch's loss counts as often as the batch has examples.
 */
#ifndef PBT_TRAIN_EVALUATE_H
#define PBT_TRAIN_EVALUATE_H

#include "train/training.h"

/* Means over all examples; the loss is TRL's: of batches of per_device_eval_batch_size, weighted by size. */
pbt_code pbt_evaluate(pbt_training *training, const pbt_dataset *dataset, pbt_metrics *mean,
                      pbt_error *error);
/* {"step", "epoch", "eval_loss", ..., "eval_runtime"}; NULL when memory is out. */
json_t *pbt_eval_line(const pbt_metrics *metrics, pbt_objective objective);
/* Whether settings ask for an evaluation after `step` (from 1). */
bool pbt_eval_due(const pbt_train_settings *settings, size_t n_examples, int64_t step, int64_t total_steps);

#endif
