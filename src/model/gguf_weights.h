/* The tensors of a GGUF model file under their Hugging Face names. */
#ifndef PBT_MODEL_GGUF_WEIGHTS_H
#define PBT_MODEL_GGUF_WEIGHTS_H

#include "model/weights.h"

/* Opens the file (all of its parts) as weights; their places are the caller's affair. */
pbt_code pbt_gguf_weights_open(pbt_weights *weights, const char *path, pbt_error *error);

#endif
