/*
 * The stages of a run in their order: trees, pairs, train, eval, report.
 */
#ifndef PBT_EXPERIMENT_STAGES_H
#define PBT_EXPERIMENT_STAGES_H

#include "experiment/run.h"

/* One stage for all seeds ("trees", "pairs", "train", "eval", "report"), or all stages of every seed. */
pbt_code pbt_run_stage(pbt_run *run, const char *stage, pbt_error *error);
pbt_code pbt_run_all(pbt_run *run, pbt_error *error);

#endif
