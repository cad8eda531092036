/*
 * One optimizer step's batch through the network: log-probabilities, the loss and its weights per token, and
 * the backward pass. SFT is the mean over all target tokens of the step, DPO the mean over all its pairs, so
 * that cutting the step into passes changes nothing but the order of summation.
 */
#ifndef PBT_TRAIN_OBJECTIVE_H
#define PBT_TRAIN_OBJECTIVE_H

#include "train/training.h"

/* Reference log-probabilities of an example of a dataset with a reference, or of one handed over with its
 * own. */
void pbt_training_reference(const pbt_training *training, const pbt_example *example, double *chosen,
                            double *rejected);
/* Forward and, with `gradients`, backward over all passes of a batch; fills loss, rewards, logps and token
 * counts of `metrics` (tokens of this batch only). `step` keys the dropout. */
pbt_code pbt_batch_run(pbt_training *training, const pbt_batch *batch, int64_t step, bool gradients,
                       pbt_metrics *metrics, pbt_error *error);
/* Sums of the completions' log-probabilities of every example: chosen[i], rejected[i] (may be NULL for SFT).
 */
pbt_code pbt_batch_logps(pbt_training *training, const pbt_batch *batch, double *chosen, double *rejected,
                         pbt_error *error);

#endif
