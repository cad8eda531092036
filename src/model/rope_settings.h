/* Rotary position embedding: its settings in config.json, and its angles per position, as transformers reads
 * and computes them. */
#ifndef PBT_MODEL_ROPE_SETTINGS_H
#define PBT_MODEL_ROPE_SETTINGS_H

#include "model/config.h"

/* config->rope from config.json's rope_scaling (keys "type" or "rope_type") or rope_parameters; needs
 * max_position_embeddings. Types other than default, linear, llama3 and yarn are refused by name. */
pbt_code pbt_rope_parse(const json_t *raw, const char *file, pbt_config *config, pbt_error *error);
/* frequency[0 .. head_dim/2 - 1] (rounded to float) and the factor on cosines and sines. */
void pbt_rope_frequencies(const pbt_config *config, double *frequency, float *attention_scaling);

#endif
