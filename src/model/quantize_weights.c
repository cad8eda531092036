#include "model/quantize_weights.h"

#include "base/memory.h"
#include "base/text.h"
#include "model/module_name.h"
#include "tensor/quantize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

pbt_code pbt_quantize_wanted(const pbt_slot *slot, const pbt_model_options *options, bool *wanted,
                             pbt_error *error) {
    char module[128];
    *wanted = options->dtype < PBT_DTYPES && pbt_dtype_bits(options->dtype) < 16 && slot->matrix &&
              pbt_string_starts(slot->name, "model.layers.");
    if (!*wanted) return PBT_OK;
    memcpy(module, slot->name, sizeof module);
    module[strlen(module) - strlen(".weight")] = '\0';
    for (size_t i = 0; i < options->n_skip_modules && *wanted; i++) {
        bool skipped = pbt_string_ends(module, options->skip_modules[i]);
        if (!skipped)
            PBT_TRY(pbt_module_matches(options->skip_modules[i], PBT_PATTERN_BOUNDARY, module, NULL,
                                       "llm_int8_skip_modules", &skipped, error));
        *wanted = !skipped;
    }
    return PBT_OK;
}

/* `count` stored elements as floats, rounded to options->load_dtype first, as transformers converts a model
 * before it is quantised. */
static void read_floats(const unsigned char *data, pbt_dtype dtype, int64_t count, pbt_dtype rounded,
                        float *to) {
    pbt_stored_to_floats(data, dtype, count, to);
    for (int64_t i = 0; rounded == PBT_BF16 && i < count; i++)
        to[i] = pbt_bf16_to_f32(pbt_f32_to_bf16(to[i]));
    for (int64_t i = 0; rounded == PBT_F16 && i < count; i++) to[i] = pbt_f16_to_f32(pbt_f32_to_f16(to[i]));
}

static pbt_code check(const float *values, int64_t count, int64_t first, float limit, const pbt_slot *slot,
                      const char *file, pbt_error *error) {
    for (int64_t i = 0; i < count; i++)
        if (!(fabsf(values[i]) < limit))
            return pbt_fail_at(error, PBT_BAD_INPUT, file, slot->name,
                               "element [%lld, %lld] is %g, which cannot be quantised",
                               (long long)((first + i) / slot->cols), (long long)((first + i) % slot->cols),
                               (double)values[i]);
    return PBT_OK;
}

static pbt_code nest(pbt_model *model, float *absmax, int64_t blocks, pbt_quantization *q, pbt_error *error) {
    size_t outer = (size_t)(blocks + PBT_NESTED_BLOCK - 1) / PBT_NESTED_BLOCK;
    uint8_t *codes = pbt_weights_alloc(model, (size_t)blocks, error);
    float *scales = codes ? pbt_weights_alloc(model, outer * sizeof *scales, error) : NULL;
    float *map = scales ? pbt_weights_alloc(model, 256 * sizeof *map, error) : NULL;
    if (!map) return PBT_FAILED;
    pbt_dynamic_map(map);
    pbt_quantize_nested(absmax, blocks, codes, scales, &q->offset);
    q->nested = codes;
    q->nested_absmax = scales;
    q->nested_map = map;
    q->absmax = NULL;
    return PBT_OK;
}

static pbt_code to_4bit(pbt_model *model, const pbt_slot *slot, const unsigned char *data, pbt_dtype dtype,
                        const pbt_model_options *options, const char *file, pbt_quantization *q,
                        uint8_t *codes, pbt_error *error) {
    enum { PIECE = 1024 * PBT_QUANTIZED_BLOCK };
    int64_t count = slot->rows * slot->cols, blocks = (count + PBT_QUANTIZED_BLOCK - 1) / PBT_QUANTIZED_BLOCK;
    bool nested = options->nested_quantization;
    float *absmax = nested ? pbt_alloc((size_t)blocks, sizeof *absmax)
                           : pbt_weights_alloc(model, (size_t)blocks * sizeof *absmax, error);
    float *values = pbt_alloc(PIECE, sizeof *values);
    pbt_code code = absmax && values ? PBT_OK : pbt_fail_memory(error, PIECE * sizeof *values, "a matrix");
    for (int64_t at = 0; code == PBT_OK && at < count; at += PIECE) {
        int64_t n = count - at < PIECE ? count - at : PIECE;
        read_floats(data + at * pbt_dtype_bits(dtype) / 8, dtype, n, options->load_dtype, values);
        code = check(values, n, at, INFINITY, slot, file, error);
        if (code == PBT_OK)
            pbt_quantize_4bit(options->dtype, values, n, PBT_QUANTIZED_BLOCK, codes + at / 2,
                              absmax + at / PBT_QUANTIZED_BLOCK);
    }
    q->block = PBT_QUANTIZED_BLOCK;
    q->absmax = absmax;
    if (code == PBT_OK && nested) code = nest(model, absmax, blocks, q, error);
    if (nested) free(absmax);
    free(values);
    return code;
}

static pbt_code to_int8(pbt_model *model, const pbt_slot *slot, const unsigned char *data, pbt_dtype dtype,
                        const pbt_model_options *options, const char *file, pbt_quantization *q,
                        int8_t *codes, pbt_error *error) {
    float *absmax = pbt_weights_alloc(model, (size_t)slot->rows * sizeof *absmax, error);
    float *values = pbt_alloc((size_t)slot->cols, sizeof *values);
    pbt_code code = absmax && values ? PBT_OK : pbt_fail_memory(error, 0, "a matrix");
    for (int64_t r = 0; code == PBT_OK && r < slot->rows; r++) {
        read_floats(data + r * slot->cols * pbt_dtype_bits(dtype) / 8, dtype, slot->cols, options->load_dtype,
                    values);
        code = check(values, slot->cols, r * slot->cols, 65520, slot, file, error);
        if (code == PBT_OK) pbt_quantize_int8(values, slot->cols, codes + r * slot->cols, &absmax[r]);
    }
    free(values);
    q->block = (int32_t)slot->cols;
    q->absmax = absmax;
    return code;
}

pbt_code pbt_quantize_slot(pbt_model *model, const pbt_slot *slot, const void *data, pbt_dtype dtype,
                           const pbt_model_options *options, const char *file, pbt_error *error) {
    size_t count = (size_t)slot->rows * (size_t)slot->cols;
    bool eight = options->dtype == PBT_INT8;
    pbt_quantization *q = pbt_weights_alloc(model, sizeof *q, error);
    void *codes = q ? pbt_weights_alloc(model, eight ? count : (count + 1) / 2, error) : NULL;
    if (!codes) return PBT_FAILED;
    *slot->matrix = (pbt_matrix){.dtype = options->dtype,
                                 .rows = (int32_t)slot->rows,
                                 .cols = (int32_t)slot->cols,
                                 .data = codes,
                                 .quantization = q};
    return eight ? to_int8(model, slot, data, dtype, options, file, q, codes, error)
                 : to_4bit(model, slot, data, dtype, options, file, q, codes, error);
}

void pbt_matrix_floats(const pbt_matrix *matrix, float *to) {
    int64_t count = (int64_t)matrix->rows * matrix->cols;
    const pbt_quantization *q = matrix->quantization;
    if (!q) {
        pbt_stored_to_floats(matrix->data, matrix->dtype, count, to);
        return;
    }
    if (matrix->dtype == PBT_INT8) {
        const int8_t *codes = matrix->data;
        for (int64_t i = 0; i < count; i++)
            to[i] = (float)codes[i] * q->absmax[i / matrix->cols] * (1.0f / 127.0f);
        return;
    }
    const uint8_t *bytes = matrix->data;
    const float *codes = matrix->dtype == PBT_NF4 ? pbt_nf4_codes : pbt_fp4_codes;
    for (int64_t first = 0; first < count; first += q->block) {
        float scale = pbt_block_absmax(q, first / q->block);
        int64_t end = count - first < q->block ? count : first + q->block;
        for (int64_t i = first; i < end; i++)
            to[i] = codes[i % 2 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4] * scale;
    }
}
