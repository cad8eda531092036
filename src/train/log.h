/*
 * Where a training's numbers go: metrics.jsonl and TensorBoard's event file, both of which an interrupted and
 * continued run leaves without gaps or doubles.
 */
#ifndef PBT_TRAIN_LOG_H
#define PBT_TRAIN_LOG_H

#include "train/training.h"

/* Opens FOLDER/metrics.jsonl and, with `events`, the event file for appending after dropping every line of a
 * step beyond `last_step`. */
pbt_code pbt_training_log_open(pbt_training_log *log, const char *folder, int64_t last_step, bool events,
                               pbt_error *error);
pbt_code pbt_training_log_append(pbt_training_log *log, const json_t *line, pbt_error *error);
pbt_code pbt_training_log_sync(pbt_training_log *log, pbt_error *error);
void pbt_training_log_close(pbt_training_log *log);

#endif
