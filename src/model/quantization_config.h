/*
 * quantization_config of a config.json: which of bitsandbytes' forms the weights are stored in.
 */
#ifndef PBT_MODEL_QUANTIZATION_CONFIG_H
#define PBT_MODEL_QUANTIZATION_CONFIG_H

#include "model/config.h"

/* Reads quantization_config of a config.json into config->quantization and ->nested_quantization; other
 * methods and settings that change the numbers are refused by name. */
pbt_code pbt_quantization_config_read(const json_t *raw, const char *file, pbt_config *config,
                                      pbt_error *error);
/* Writes it into a config.json, or takes it out for a type that is not quantised.
 * skip_modules: names that stayed as they were; an empty list leaves the choice to the reader. */
pbt_code pbt_quantization_config_set(json_t *raw, pbt_dtype dtype, bool nested, json_t *skip_modules,
                                     pbt_error *error);

#endif
