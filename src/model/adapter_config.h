/*
 * adapter_config.json of PEFT: what it says of a LoRA adapter, module by module, and writing it. Whatever
 * would change the arithmetic and is not done here is refused by name.
 */
#ifndef PBT_MODEL_ADAPTER_CONFIG_H
#define PBT_MODEL_ADAPTER_CONFIG_H

#include "model/adapter.h"

/* Takes settings and base_model from adapter->raw. */
pbt_code pbt_adapter_config_read(pbt_adapter *adapter, const char *file, pbt_error *error);

typedef enum pbt_targeted { PBT_TARGET_NO, PBT_TARGET_YES, PBT_TARGET_UNSAID } pbt_targeted;
/* Whether target_modules (a list of names or ends of names, "all-linear", or a regular expression),
 * exclude_modules, layers_to_transform and layers_pattern pick the module ("model.layers.3.mlp.up_proj").
 * UNSAID: the file has no target_modules. */
pbt_code pbt_adapter_config_targets(const json_t *raw, const char *module, int32_t layer, const char *file,
                                    pbt_targeted *targeted, pbt_error *error);
/* The module's rank and alpha: of the first key of rank_pattern and alpha_pattern that is a regular
 * expression for it or its end behind a dot; else r and lora_alpha. */
pbt_code pbt_adapter_config_rank(const pbt_adapter *adapter, const char *module, const char *file, int32_t *r,
                                 double *alpha, pbt_error *error);

/* The object to write, keys sorted as PEFT sorts them; NULL when memory is out. */
json_t *pbt_adapter_config_make(const pbt_adapter *adapter, const char *base_model);

#endif
