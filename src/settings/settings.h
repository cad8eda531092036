/*
 * The experiment file: one table of keys with type, default and help drives reading (YAML), overrides
 * (--set key=value), the record kept in the store, and the documentation. Unknown keys are errors.
 */
#ifndef PBT_SETTINGS_SETTINGS_H
#define PBT_SETTINGS_SETTINGS_H

#include "base/json.h"
#include "base/text.h"
#include "settings/experiment.h"

/* One key, for help and documentation. */
typedef struct pbt_setting_help {
    const char *key, *type, *initial, *choices, *help;
    const char *redone;  /* the first product that is made anew when it changes; "nothing" */
    bool required, free; /* free: may change while a run goes on, results do not depend on it */
} pbt_setting_help;
size_t pbt_settings_count(void);
pbt_setting_help pbt_settings_describe(size_t i);

/* Reads a YAML file and then the overrides ("key=value"). Relative paths are relative to the file; pbt:PATH
 * is relative to `data_folder` (may be NULL). Errors name file and line. Free with pbt_experiment_free. */
pbt_code pbt_experiment_read(const char *path, const char *data_folder, const char *const *overrides,
                             size_t n_overrides, pbt_experiment *experiment, pbt_error *error);
void pbt_experiment_free(pbt_experiment *experiment);

/* {"dotted.key": value, ...} in the order of the table, and back. */
json_t *pbt_experiment_record(const pbt_experiment *experiment);
pbt_code pbt_experiment_from_record(const json_t *record, const char *file, pbt_experiment *experiment,
                                    pbt_error *error);
/* The record without places and without what results do not depend on: files and models by their names alone,
 * free keys left out (but those of the report). The same experiment has the same wherever it lies. */
json_t *pbt_experiment_public_record(const pbt_experiment *experiment);
/* Adds the defaults of keys that the record does not have and whose names begin with `section` ("": all): it
 * was made before they existed, and what they default to is what was done. */
pbt_code pbt_experiment_complete(json_t *record, const char *section, pbt_error *error);
/* Appends every key that differs ("dpo.beta is 0.1 in the run, 0.2 now") and decides what the run was asked,
 * and sets the bits of the products (products.h) it affects. Free keys, paths (whose contents are compared
 * elsewhere), seeds and arms that are added, and settings of evaluations that were off do not count. */
void pbt_experiment_differences(const json_t *before, const json_t *now, pbt_text *out, unsigned *affected);
/* The products that a key is the first to affect; none for a key that is unknown. */
unsigned pbt_setting_affects(const char *key);

/* The folder of "a", "b", or the folder given; the model an extractor or filter names. */
const char *pbt_experiment_model_of(const pbt_experiment *experiment, const char *who);
/* 0 for agent a, 1 for b. */
int pbt_experiment_trained(const pbt_experiment *experiment);

#endif
