/*
 * Checks of an experiment before compute is spent: models, tokenizers, templates, prompts and data against
 * each other.
 */
#ifndef PBT_EXPERIMENT_CHECK_H
#define PBT_EXPERIMENT_CHECK_H

#include "settings/settings.h"

typedef struct pbt_check {
    char what[160]; /* "agent A: tokenizer" */
    bool passed;
    char detail[1280]; /* what was found, or the sentence of the error */
    pbt_error problem; /* of one that failed */
    pbt_code code;
} pbt_check;

typedef struct pbt_checks {
    pbt_check *items;
    size_t count, capacity;
    size_t failed;
} pbt_checks;

/* Goes on after a failed check; returns an error only where it could not check at all. */
pbt_code pbt_experiment_check(const pbt_experiment *experiment, const pbt_device *device, pbt_checks *checks,
                              pbt_error *error);
/* The same checks; the first that failed is the error. `planned` (--dry-run): what is not on this machine
 * yet, questions and models of known shapes, is not asked for, nor memory for them. */
pbt_code pbt_experiment_require(const pbt_experiment *experiment, const pbt_device *device, bool planned,
                                pbt_error *error);
void pbt_checks_free(pbt_checks *checks);

#endif
