/*
 * What a training refuses before it begins: settings that make no sense, examples without loss or of another
 * vocabulary.
 */
#ifndef PBT_TRAIN_CHECK_TRAINING_H
#define PBT_TRAIN_CHECK_TRAINING_H

#include "train/training.h"

pbt_code pbt_trainer_check(const pbt_trainer *trainer, pbt_error *error);
pbt_code pbt_example_check(const pbt_trainer *trainer, const pbt_example *example, size_t index,
                           pbt_error *error);

#endif
