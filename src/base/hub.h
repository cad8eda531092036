/*
 * Names of model and adapter folders: a path, or an id of the Hugging Face Hub ("org/name",
 * "org/name@revision"), looked up in the local cache. Nothing is downloaded.
 */
#ifndef PBT_BASE_HUB_H
#define PBT_BASE_HUB_H

#include "base/status.h"

#include <stdbool.h>

/* The folder that `name` stands for, malloc'ed: `name` itself where such a folder exists, else the snapshot
 * of that id in the cache: models--org--name/snapshots/COMMIT, where refs/REVISION ("main" unless given)
 * holds the commit. The cache is $HF_HUB_CACHE, $HF_HOME/hub, $XDG_CACHE_HOME/huggingface/hub or
 * ~/.cache/huggingface/hub, whichever is set first (huggingface_hub, environment variables).
 * PBT_BAD_INPUT where there is neither. */
pbt_code pbt_hub_folder(const char *name, char **folder, pbt_error *error);
/* Whether `name` has the form of an id: one or two parts of letters, digits, '.', '_' and '-'. */
bool pbt_hub_is_id(const char *name);

#endif
