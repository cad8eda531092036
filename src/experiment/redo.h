/*
 * Taking back what a changed setting makes invalid, so that the stages make it anew, and nothing else.
 */
#ifndef PBT_EXPERIMENT_REDO_H
#define PBT_EXPERIMENT_REDO_H

#include "settings/products.h"
#include "store/store.h"

/* Deletes the artefacts of the products from the store (inside the caller's transaction) and notes which
 * files go with them. */
pbt_code pbt_redo_clear(pbt_store *store, const pbt_redo *redo, pbt_error *error);
/* Removes the files that were noted, in the run's folder: after the transaction, and again whenever a run is
 * opened in which that was cut short. */
pbt_code pbt_redo_finish(pbt_store *store, const char *folder, pbt_error *error);

#endif
