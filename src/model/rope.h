/* Angles of rotary position embedding per position (config.h's rope), as transformers computes them. */
#ifndef PBT_MODEL_ROPE_H
#define PBT_MODEL_ROPE_H

#include "model/config.h"

/* frequency[0 .. head_dim/2 - 1] (rounded to float) and the factor on cosines and sines. */
void pbt_rope_frequencies(const pbt_config *config, double *frequency, float *attention_scaling);

#endif
