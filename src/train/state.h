/*
 * transformers' trainer_state.json: where a training stands and what it logged.
 */
#ifndef PBT_TRAIN_STATE_H
#define PBT_TRAIN_STATE_H

#include "train/training.h"

/* Writes FOLDER/trainer_state.json, as transformers' TrainerState reads it, from metrics.jsonl. `best` may be
 * NULL. */
pbt_code pbt_trainer_state_write(const char *folder, const pbt_train_settings *settings, int64_t step,
                                 int64_t max_steps, double epoch, const pbt_best *best, pbt_error *error);

#endif
