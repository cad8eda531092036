/*
 * load_best_model_at_end: the checkpoint of the best evaluation, as a folder that other programs load.
 */
#ifndef PBT_TRAIN_BEST_H
#define PBT_TRAIN_BEST_H

#include "train/training.h"

/* PBT_USAGE where evaluations give no number named metric_for_best_model. */
pbt_code pbt_best_check(const pbt_trainer *trainer, pbt_error *error);
/* Looks up the metric that decides in a line of an evaluation; where it is better than `best`, FOLDER/
 * checkpoint-STEP becomes the best one and the one before goes. */
pbt_code pbt_best_consider(const pbt_trainer *trainer, const json_t *line, pbt_best *best, pbt_error *error);
/* The trained numbers of FOLDER/checkpoint-STEP of `best`. */
pbt_code pbt_best_load(const pbt_training *training, const pbt_best *best, pbt_error *error);

#endif
