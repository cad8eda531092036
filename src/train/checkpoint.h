/*
 * The rolling checkpoint of a training: one file, FOLDER/checkpoint.pbt, that is either whole or not there.
 * Layout (little-endian): header, what the training was asked (JSON, record.h), then for every trained array
 * its numbers, first and second moments, then the XXH3 of everything before. Order of data and random numbers
 * are functions of (seed, step) and are not stored.
 */
#ifndef PBT_TRAIN_CHECKPOINT_H
#define PBT_TRAIN_CHECKPOINT_H

#include "train/training.h"

pbt_code pbt_checkpoint_write(const char *folder, const pbt_checkpoint_state *state,
                              const pbt_optimizer *optimizer, pbt_error *error);
/* *found = false when there is none. One of another record, or damaged, is PBT_BAD_INPUT. */
pbt_code pbt_checkpoint_read(const char *folder, const char *record, pbt_checkpoint_state *state,
                             pbt_optimizer *optimizer, bool *found, pbt_error *error);

#endif
