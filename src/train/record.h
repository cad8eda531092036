/*
 * What a training was asked: everything that its numbers depend on, by name, so that a checkpoint of another
 * training is refused with what differs.
 */
#ifndef PBT_TRAIN_RECORD_H
#define PBT_TRAIN_RECORD_H

#include "train/training.h"

/* Settings, and hashes of data, model and adapter as they are at the start. One line of JSON, malloc'ed; NULL
 * when memory is out. `settings` are the trainer's with what was chosen for it. */
char *pbt_training_record(const pbt_trainer *trainer, const pbt_train_settings *settings, int64_t total_steps,
                          const pbt_hashes *hashes);
/* "beta was 0.1 and is 0.2; ...": what two records that both have a setting say differently. */
void pbt_training_differences(const char *before, const char *now, pbt_text *out);

#endif
