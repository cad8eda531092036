#include "model/merge.h"

#include "base/memory.h"
#include "model/quantize_weights.h"

#include <stdio.h>
#include <stdlib.h>

/* W[n][k] += scaling * sum_r B[n][r] A[r][k]: a weight gradient with rows r and dy = B^T. */
pbt_code pbt_lora_add(const pbt_ops *ops, const pbt_lora *lora, float *W, pbt_error *error) {
    float *transposed = pbt_alloc((size_t)lora->r * (size_t)lora->outputs, sizeof *transposed);
    if (!transposed) return pbt_fail_memory(error, 0, "an adapter to merge");
    for (int32_t n = 0; n < lora->outputs; n++)
        for (int32_t r = 0; r < lora->r; r++)
            transposed[(int64_t)r * lora->outputs + n] = lora->B[(int64_t)n * lora->r + r];
    ops->linear_backward_weight(W, transposed, lora->outputs, lora->A, lora->inputs, lora->r, lora->outputs,
                                lora->inputs, lora->scaling);
    free(transposed);
    return PBT_OK;
}

/* The matrix anew from floats, in an unquantised type. */
static pbt_code keep_floats(pbt_model *model, pbt_matrix *matrix, const float *values, pbt_dtype dtype,
                            pbt_error *error) {
    size_t count = (size_t)matrix->rows * (size_t)matrix->cols;
    void *memory = pbt_weights_alloc(model, count * (size_t)pbt_dtype_bits(dtype) / 8, error);
    if (!memory) return PBT_FAILED;
    for (size_t i = 0; i < count; i++) {
        if (dtype == PBT_F32)
            ((float *)memory)[i] = values[i];
        else
            ((uint16_t *)memory)[i] =
                dtype == PBT_BF16 ? pbt_f32_to_bf16(values[i]) : pbt_f32_to_f16(values[i]);
    }
    *matrix = (pbt_matrix){.dtype = dtype, .rows = matrix->rows, .cols = matrix->cols, .data = memory};
    return PBT_OK;
}

static pbt_code merge_one(pbt_model *model, pbt_slot *slot, const pbt_lora *lora,
                          const pbt_model_options *options, float *values, pbt_error *error) {
    bool quantise;
    PBT_TRY(pbt_quantize_wanted(slot, options, &quantise, error));
    pbt_dtype plain = options->dtype;
    /* What is not quantised although the others are keeps its own type. */
    if (pbt_dtype_bits(plain) < 16) plain = slot->matrix->quantization ? PBT_F32 : slot->matrix->dtype;
    pbt_matrix_floats(slot->matrix, values);
    if (lora->A) PBT_TRY(pbt_lora_add(model->ops, lora, values, error));
    if (quantise) return pbt_quantize_slot(model, slot, values, PBT_F32, options, slot->name, error);
    return keep_floats(model, slot->matrix, values, plain, error);
}

pbt_code pbt_model_merge(pbt_model *model, const pbt_adapter *adapter, const pbt_model_options *options,
                         pbt_error *error) {
    if (adapter->n_layers != model->config.n_layers || model->weights->writable ||
        options->dtype == PBT_DTYPES || model->layers[0].linear[0].prepared)
        return pbt_fail(error, PBT_USAGE,
                        "merging needs a model opened as stored and an adapter of its shape");
    pbt_slot *slots;
    size_t n, most = 0;
    PBT_TRY(pbt_model_slots(model, &slots, &n, error));
    for (size_t i = 0; i < n; i++)
        if (slots[i].cols && (size_t)(slots[i].rows * slots[i].cols) > most)
            most = (size_t)(slots[i].rows * slots[i].cols);
    float *values = pbt_alloc(most, sizeof *values);
    pbt_code code = values ? PBT_OK : pbt_fail_memory(error, most * sizeof *values, "a matrix");
    for (size_t i = 0; code == PBT_OK && i < n; i++)
        for (int32_t l = 0; l < model->config.n_layers; l++)
            for (int j = 0; code == PBT_OK && j < PBT_LINEARS; j++)
                if (slots[i].matrix == &model->layers[l].linear[j])
                    code = merge_one(model, &slots[i], &adapter->lora[l][j], options, values, error);
    free(values);
    free(slots);
    model->hash = 0;
    return code;
}
