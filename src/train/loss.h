/*
 * The preference losses of TRL's DPOTrainer, one pair at a time, with their derivatives. Letters: c and r are
 * the log-ratios log pi - log ref of the chosen and the rejected completion (sums over their tokens), d = c -
 * r, e is label_smoothing.
 */
#ifndef PBT_TRAIN_LOSS_H
#define PBT_TRAIN_LOSS_H

#include "train/training.h"

pbt_pair_loss pbt_pair_loss_of(const pbt_train_settings *settings, const pbt_pair_logps *pair);
/* The weight of the "sft" terms together. */
double pbt_sft_weight_of(const pbt_train_settings *settings);

#endif
