/*
 * The check before DPO's first step: policy and reference are the same, so the margin is 0 and the loss is
 * what the formula gives for that (ln 2 for sigmoid).
 */
#ifndef PBT_TRAIN_START_H
#define PBT_TRAIN_START_H

#include "train/training.h"

/* The settings with no weight on the "sft" terms. */
pbt_train_settings pbt_settings_without_sft(const pbt_train_settings *settings);
/* Says what `metrics`, of the first batch without the "sft" terms, must be before the first step, and fails
 * where it is not so and the reference was not given with the data. */
pbt_code pbt_start_report(const pbt_training *training, const pbt_metrics *metrics, const pbt_hashes *hashes,
                          bool given, pbt_error *error);

#endif
