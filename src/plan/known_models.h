/*
 * Public shapes of the models that experiments/ names, so that a run can be planned before any file of theirs
 * is on disk. Facts of their config.json on the Hugging Face Hub; nothing else of them is here.
 */
#ifndef PBT_PLAN_KNOWN_MODELS_H
#define PBT_PLAN_KNOWN_MODELS_H

#include "model/config.h"

/* The configuration of a model setting (a folder, an id). Where neither is on disk, the shape of a known id;
 * then *known is true. Free with pbt_config_free. */
pbt_code pbt_known_config(const char *model, pbt_config *config, bool *known, pbt_error *error);

#endif
