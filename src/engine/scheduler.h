/*
 * Which sequences share a pass.
 */
#ifndef PBT_ENGINE_SCHEDULER_H
#define PBT_ENGINE_SCHEDULER_H

#include "engine/sequence.h"

/* Works through all sequences, `most_active` at a time; `task` names the work to the monitor. */
pbt_code pbt_schedule_run(pbt_engine *engine, pbt_engine_sequence *sequences, size_t n, int32_t most_active,
                          const char *task, const pbt_request_watch *watch, const pbt_monitor *monitor,
                          pbt_error *error);

#endif
