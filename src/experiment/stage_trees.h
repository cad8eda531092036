/*
 * The trees of train, dev and test questions.
 */
#ifndef PBT_EXPERIMENT_STAGE_TREES_H
#define PBT_EXPERIMENT_STAGE_TREES_H

#include "experiment/run.h"

/* For one seed; what was finished before is not done again. */
pbt_code pbt_stage_trees(pbt_run *run, int64_t seed, pbt_error *error);

#endif
