/*
 * What evaluations and plans see of a run: its store, its experiment, and what was read for it. Whoever opens
 * a run fills it in; nothing here is owned.
 */
#ifndef PBT_EVALUATION_CONTEXT_H
#define PBT_EVALUATION_CONTEXT_H

#include "base/monitor.h"
#include "dialogue/prompt.h"
#include "settings/question_set.h"
#include "settings/settings.h"
#include "store/store.h"

typedef struct pbt_evaluation_context {
    const char *folder; /* of the run, for messages */
    pbt_store *store;
    const pbt_experiment *experiment;
    const pbt_prompts *prompts;
    pbt_question_set *questions;
    const pbt_monitor *monitor;
} pbt_evaluation_context;

#endif
