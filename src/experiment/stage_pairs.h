/*
 * Pairs from the trees, and which of them each arm is trained on.
 */
#ifndef PBT_EXPERIMENT_STAGE_PAIRS_H
#define PBT_EXPERIMENT_STAGE_PAIRS_H

#include "experiment/run.h"

/* For one seed; what was finished before is not done again. */
pbt_code pbt_stage_pairs(pbt_run *run, int64_t seed, pbt_error *error);

#endif
