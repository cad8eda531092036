/*
 * Fingerprints of what an experiment reads, so that a run is not continued on other models or questions.
 */
#ifndef PBT_EXPERIMENT_INPUTS_H
#define PBT_EXPERIMENT_INPUTS_H

#include "settings/settings.h"

/* {"agents.a.model": "9f...", ...} for every file and folder the experiment names; new reference. Folders:
 * names, sizes and contents of their files; of files above 64 MiB the size, the first and the last MiB. */
pbt_code pbt_inputs_fingerprint(const pbt_experiment *experiment, json_t **fingerprint, pbt_error *error);

#endif
