/*
 * What a run is made of, kept in its store for the report: program, models, prompts, questions, settings; no
 * times, no places.
 */
#ifndef PBT_EXPERIMENT_RUN_PROVENANCE_H
#define PBT_EXPERIMENT_RUN_PROVENANCE_H

#include "settings/question_set.h"
#include "store/store.h"

/* Puts {"versions", "models", "prompts", "questions", "farm", "settings"} (docs/FORMATS.md, "report.json").
 * `inputs`: the fingerprints of pbt_inputs_fingerprint. This program is added to the versions that are there
 * already. */
pbt_code pbt_provenance_put(pbt_store *store, const pbt_experiment *experiment, const json_t *inputs,
                            pbt_error *error);
/* How many questions each part has. */
pbt_code pbt_provenance_put_questions(pbt_store *store, const pbt_question_set *questions, pbt_error *error);

#endif
