/*
 * A preference dataset with the reference's log-probabilities as columns, as TRL reads them.
 */
#ifndef PBT_TRAIN_EXPORT_H
#define PBT_TRAIN_EXPORT_H

#include "train/dataset.h"

/* Writes to `output` the rows of the JSONL file `input` that `dataset` was read from, each with
 * "ref_chosen_logps" and "ref_rejected_logps" (chosen[i], rejected[i] for example i). Rows that were left out
 * of the dataset are left out here too. */
pbt_code pbt_dataset_export_reference(const char *input, const pbt_dataset *dataset, const double *chosen,
                                      const double *rejected, const char *output, pbt_error *error);

#endif
