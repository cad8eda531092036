/*
 * bitsandbytes' stored form, as transformers saves it. 4 bits: X.weight (U8, [n/2, 1]), X.weight.absmax,
 * .quant_map, .quant_state.bitsandbytes__nf4 (or __fp4; JSON in bytes), and .nested_absmax, .nested_quant_map
 * where the scales are quantised; int8: X.weight (I8), X.SCB (a scale a row), X.weight_format. config.json
 * says so (model/quantization_config.h).
 */
#ifndef PBT_MODEL_BITSANDBYTES_H
#define PBT_MODEL_BITSANDBYTES_H

#include "model/weights.h"

/* Whether a stored tensor is a quantised weight in this form: PBT_NF4, PBT_FP4, PBT_INT8, or PBT_DTYPES. Only
 * matrices of models whose configuration says so are. */
pbt_dtype pbt_bitsandbytes_dtype(pbt_model *model, const pbt_slot *slot, const pbt_stored_tensor *tensor);
/* Takes it as the slot's matrix, shapes and states checked; large arrays stay where the file is mapped. */
pbt_code pbt_bitsandbytes_take(pbt_model *model, const pbt_slot *slot, const pbt_stored_tensor *tensor,
                               const char *file, pbt_error *error);

/* The tensors to write for a quantised matrix; at most PBT_BITSANDBYTES_TENSORS. Names and the state are kept
 * in `form`, which must live as long as they are used. `dtype`: of the weights before they were quantised. */
enum { PBT_BITSANDBYTES_TENSORS = 6 };
typedef struct pbt_bitsandbytes_form {
    char names[PBT_BITSANDBYTES_TENSORS][192];
    char state[320];
} pbt_bitsandbytes_form;
size_t pbt_bitsandbytes_tensors(const pbt_slot *slot, pbt_dtype dtype, pbt_bitsandbytes_form *form,
                                pbt_tensor_out out[PBT_BITSANDBYTES_TENSORS]);

#endif
