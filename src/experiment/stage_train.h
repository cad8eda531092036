/*
 * SFT and DPO of every trained arm, with checkpoints chosen on dev.
 */
#ifndef PBT_EXPERIMENT_STAGE_TRAIN_H
#define PBT_EXPERIMENT_STAGE_TRAIN_H

#include "experiment/run.h"

/* For one seed; what was finished before is not done again. */
pbt_code pbt_stage_train(pbt_run *run, int64_t seed, pbt_error *error);

#endif
