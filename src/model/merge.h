/* Adapters into weights: W + scaling B A in float32, rounded once to what the weights are to be stored as. */
#ifndef PBT_MODEL_MERGE_H
#define PBT_MODEL_MERGE_H

#include "model/adapter.h"

/* Adds the adapter to the model's linear layers and leaves all of them in options->dtype: F32, F16, BF16, or
 * quantised (NF4, FP4, INT8) by options' nested_quantization, load_dtype and skip_modules. Weights that are
 * quantised are taken as the floats they stand for. Matrices are worked on one by one: no second copy of the
 * model is made. The model must be neither prepared nor writable; its hash is forgotten. */
pbt_code pbt_model_merge(pbt_model *model, const pbt_adapter *adapter, const pbt_model_options *options,
                         pbt_error *error);

#endif
