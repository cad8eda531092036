/*
 * Evaluations of every arm.
 */
#ifndef PBT_EXPERIMENT_STAGE_EVAL_H
#define PBT_EXPERIMENT_STAGE_EVAL_H

#include "experiment/run.h"

/* For one seed; what was finished before is not done again. */
pbt_code pbt_stage_eval(pbt_run *run, int64_t seed, pbt_error *error);

#endif
