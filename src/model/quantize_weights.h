/* Quantising the weights of a model as they are opened, and the way back to floats. */
#ifndef PBT_MODEL_QUANTIZE_WEIGHTS_H
#define PBT_MODEL_QUANTIZE_WEIGHTS_H

#include "model/weights.h"

/* Whether the options ask for the slot to be quantised: linear layers of the blocks, but those that
 * skip_modules names. */
pbt_code pbt_quantize_wanted(const pbt_slot *slot, const pbt_model_options *options, bool *wanted,
                             pbt_error *error);
/* Makes the slot's matrix from floats stored as F32, F16 or BF16. Values that are not finite (for int8: as
 * float16) are refused by place. `file` names it in errors. */
pbt_code pbt_quantize_slot(pbt_model *model, const pbt_slot *slot, const void *data, pbt_dtype dtype,
                           const pbt_model_options *options, const char *file, pbt_error *error);
/* The elements of a matrix of any type as floats: rows*cols of them. */
void pbt_matrix_floats(const pbt_matrix *matrix, float *to);

#endif
