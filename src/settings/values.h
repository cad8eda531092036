/*
 * One value of the experiment file: from YAML into its field, and from its field into JSON.
 */
#ifndef PBT_SETTINGS_VALUES_H
#define PBT_SETTINGS_VALUES_H

#include "settings/keys.h"
#include "settings/yaml.h"

/* Where values come from: for errors, and for paths. */
typedef struct value_source {
    const char *file;        /* "--set", a default, or the experiment file */
    const char *folder;      /* relative paths are relative to it; NULL: left as they are */
    const char *data_folder; /* of pbt:PATH; may be NULL */
    bool recorded;           /* a run's own record: its paths were resolved when it was begun */
} value_source;

pbt_code pbt_value_read(const setting_key *key, const pbt_yaml *node, const value_source *source,
                        pbt_experiment *experiment, pbt_error *error);
json_t *pbt_value_record(const setting_key *key, const pbt_experiment *experiment);

#endif
