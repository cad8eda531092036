/* Which folder an adapter's name stands for. */
#ifndef PBT_MODEL_ADAPTER_FOLDER_H
#define PBT_MODEL_ADAPTER_FOLDER_H

#include "model/adapter.h"

/* DIR, an id in the Hugging Face cache, or either with ":NAME". PEFT writes the adapter "default" into a
 * folder itself and others into sub-folders of their names; where there are several, one must be named.
 * (checkpoint-* are no adapters in this sense.) *folder is malloc'ed. */
pbt_code pbt_adapter_folder(const char *name, char **folder, pbt_error *error);

/* A sentence when the adapter says that it was made for another model than this one; else "". Names and paths
 * are compared by their last part, folders of the cache by the model's name. */
void pbt_adapter_base_warning(const pbt_adapter *adapter, const pbt_model *model, char *text, size_t size);

#endif
