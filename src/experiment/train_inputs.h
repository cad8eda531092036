/*
 * Small parts of the stage "train".
 */
#ifndef PBT_EXPERIMENT_TRAIN_INPUTS_H
#define PBT_EXPERIMENT_TRAIN_INPUTS_H

#include "experiment/run.h"

/* A fresh adapter as the experiment wants it; every arm of a seed begins with the same numbers. */
pbt_code pbt_lora_create(const pbt_run *run, int64_t seed, const pbt_model *model, pbt_adapter **adapter,
                         pbt_error *error);
/* Copies FOLDER/metrics.jsonl into the store, so that a report needs no other file; *loss: the last
 * one logged, 0 where there is none. */
pbt_code pbt_metrics_keep(pbt_store *store, int64_t seed, const char *arm, const char *name,
                          const char *folder, double *loss, pbt_error *error);

#endif
