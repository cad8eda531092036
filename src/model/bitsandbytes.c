#include "model/bitsandbytes.h"

#include "base/text.h"
#include "tensor/quantize.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

static const pbt_stored_tensor *part(pbt_model *model, const pbt_slot *slot, const char *suffix) {
    char name[256];
    snprintf(name, sizeof name, "%s%s", slot->name, suffix);
    return pbt_weights_find(model->weights, name, NULL);
}

/* "X.SCB" of "X.weight". */
static const pbt_stored_tensor *beside(pbt_model *model, const pbt_slot *slot, const char *suffix) {
    char name[256];
    size_t length = strlen(slot->name) - strlen("weight");
    snprintf(name, sizeof name, "%.*s%s", (int)length, slot->name, suffix);
    return pbt_weights_find(model->weights, name, NULL);
}

pbt_dtype pbt_bitsandbytes_dtype(pbt_model *model, const pbt_slot *slot, const pbt_stored_tensor *tensor) {
    if (model->config.quantization == PBT_DTYPES || !slot->matrix) return PBT_DTYPES;
    if (strcmp(tensor->type, "U8") == 0 && model->config.quantization != PBT_INT8)
        return model->config.quantization;
    return strcmp(tensor->type, "I8") == 0 && model->config.quantization == PBT_INT8 ? PBT_INT8 : PBT_DTYPES;
}

/* A tensor that must be there, of a type and a number of elements. */
static pbt_code expect(const pbt_stored_tensor *tensor, const char *type, int64_t count, const char *suffix,
                       const pbt_slot *slot, const char *file, pbt_error *error) {
    char where[256];
    snprintf(where, sizeof where, "tensor %s%s", slot->name, suffix);
    if (!tensor)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, where, "is missing; expected %lld elements of %s",
                           (long long)count, type);
    if (strcmp(tensor->type, type) != 0 || tensor->count != count)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, where,
                           "expected %lld elements of %s, found %lld of %s", (long long)count, type,
                           (long long)tensor->count, tensor->type);
    return PBT_OK;
}

/* Floats where the file has them, or a copy where they do not lie on a multiple of four. */
static pbt_code floats(pbt_model *model, const pbt_stored_tensor *tensor, const float **to,
                       pbt_error *error) {
    if ((uintptr_t)tensor->data % sizeof(float) == 0) {
        *to = (const float *)(const void *)tensor->data;
        return PBT_OK;
    }
    float *copy = pbt_weights_alloc(model, (size_t)tensor->count * sizeof *copy, error);
    if (!copy) return PBT_FAILED;
    memcpy(copy, tensor->data, (size_t)tensor->count * sizeof *copy);
    *to = copy;
    return PBT_OK;
}

static pbt_code check_finite(const float *values, int64_t count, const char *suffix, const pbt_slot *slot,
                             const char *file, pbt_error *error) {
    char where[256];
    snprintf(where, sizeof where, "tensor %s%s", slot->name, suffix);
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            return pbt_fail_at(error, PBT_BAD_INPUT, file, where, "element %lld is not a finite number",
                               (long long)i);
    return PBT_OK;
}

typedef struct state {
    int64_t block, nested_block;
    double offset;
} state;

/* quant_state: {"quant_type", "blocksize", "dtype", "shape", and of nested scales "nested_blocksize",
 * "nested_dtype", "nested_offset"}. */
static pbt_code read_state(const pbt_stored_tensor *tensor, const pbt_slot *slot, pbt_dtype dtype,
                           bool nested, const char *file, state *s, pbt_error *error) {
    char where[160];
    json_t *value = NULL;
    const char *type;
    const json_t *shape;
    snprintf(where, sizeof where, "tensor %.100s.quant_state", slot->name);
    PBT_TRY(pbt_json_parse((const char *)tensor->data, tensor->bytes, file, where, &value, error));
    pbt_code code = pbt_json_string(value, "quant_type", file, where, &type, error);
    if (code == PBT_OK && strcmp(type, pbt_dtype_name(dtype)) != 0)
        code = pbt_fail_at(error, PBT_BAD_INPUT, file, where, "expected quant_type %s, found \"%s\"",
                           pbt_dtype_name(dtype), type);
    if (code == PBT_OK) code = pbt_json_integer(value, "blocksize", 32, 4096, file, where, &s->block, error);
    if (code == PBT_OK && (s->block & (s->block - 1)) != 0)
        code = pbt_fail_at(error, PBT_BAD_INPUT, file, where,
                           "expected a blocksize that is a power of two, found %lld", (long long)s->block);
    if (code == PBT_OK) code = pbt_json_array(value, "shape", file, where, &shape, error);
    if (code == PBT_OK &&
        (json_array_size(shape) != 2 || json_integer_value(json_array_get(shape, 0)) != slot->rows ||
         json_integer_value(json_array_get(shape, 1)) != slot->cols))
        code = pbt_fail_at(error, PBT_BAD_INPUT, file, where,
                           "says another shape than the [%lld, %lld] the configuration asks for",
                           (long long)slot->rows, (long long)slot->cols);
    if (code == PBT_OK && nested) {
        code = pbt_json_integer(value, "nested_blocksize", PBT_NESTED_BLOCK, PBT_NESTED_BLOCK, file, where,
                                &s->nested_block, error);
        if (code == PBT_OK) code = pbt_json_number(value, "nested_offset", file, where, &s->offset, error);
    }
    json_decref(value);
    return code;
}

static pbt_code take_scales(pbt_model *model, const pbt_slot *slot, const char *file, const state *s,
                            bool nested, pbt_quantization *q, pbt_error *error) {
    int64_t blocks = (slot->rows * slot->cols + s->block - 1) / s->block;
    const pbt_stored_tensor *absmax = part(model, slot, ".absmax");
    PBT_TRY(expect(absmax, nested ? "U8" : "F32", blocks, ".absmax", slot, file, error));
    q->block = (int32_t)s->block;
    if (!nested) {
        PBT_TRY(floats(model, absmax, &q->absmax, error));
        return check_finite(q->absmax, blocks, ".absmax", slot, file, error);
    }
    int64_t outer = (blocks + PBT_NESTED_BLOCK - 1) / PBT_NESTED_BLOCK;
    const pbt_stored_tensor *scales = part(model, slot, ".nested_absmax"),
                            *map = part(model, slot, ".nested_quant_map");
    PBT_TRY(expect(scales, "F32", outer, ".nested_absmax", slot, file, error));
    PBT_TRY(expect(map, "F32", 256, ".nested_quant_map", slot, file, error));
    PBT_TRY(floats(model, scales, &q->nested_absmax, error));
    PBT_TRY(floats(model, map, &q->nested_map, error));
    PBT_TRY(check_finite(q->nested_absmax, outer, ".nested_absmax", slot, file, error));
    PBT_TRY(check_finite(q->nested_map, 256, ".nested_quant_map", slot, file, error));
    q->nested = absmax->data;
    q->offset = (float)s->offset;
    return PBT_OK;
}

static pbt_code take_4bit(pbt_model *model, const pbt_slot *slot, const pbt_stored_tensor *tensor,
                          const char *file, pbt_dtype dtype, pbt_quantization *q, pbt_error *error) {
    const float *codes = dtype == PBT_NF4 ? pbt_nf4_codes : pbt_fp4_codes, *map;
    bool nested = part(model, slot, ".nested_absmax") != NULL;
    state s = {0};
    PBT_TRY(expect(tensor, "U8", (slot->rows * slot->cols + 1) / 2, "", slot, file, error));
    char suffix[64];
    snprintf(suffix, sizeof suffix, ".quant_state.bitsandbytes__%s", pbt_dtype_name(dtype));
    const pbt_stored_tensor *said = part(model, slot, suffix), *table = part(model, slot, ".quant_map");
    if (!said) return pbt_fail_at(error, PBT_BAD_INPUT, file, slot->name, "its %s is missing", suffix + 1);
    PBT_TRY(read_state(said, slot, dtype, nested, file, &s, error));
    PBT_TRY(expect(table, "F32", 16, ".quant_map", slot, file, error));
    PBT_TRY(floats(model, table, &map, error));
    for (int i = 0; i < 16; i++)
        if (map[i] != codes[i])
            return pbt_fail_at(error, PBT_BAD_INPUT, file, slot->name,
                               "its quant_map is not that of %s: code %d is %.9g, expected %.9g",
                               pbt_dtype_name(dtype), i, (double)map[i], (double)codes[i]);
    return take_scales(model, slot, file, &s, nested, q, error);
}

static pbt_code take_int8(pbt_model *model, const pbt_slot *slot, const pbt_stored_tensor *tensor,
                          const char *file, pbt_quantization *q, pbt_error *error) {
    const pbt_stored_tensor *scales = beside(model, slot, "SCB"),
                            *format = beside(model, slot, "weight_format");
    PBT_TRY(expect(tensor, "I8", slot->rows * slot->cols, "", slot, file, error));
    PBT_TRY(expect(scales, "F32", slot->rows, " (its SCB)", slot, file, error));
    if (format && (format->bytes != 1 || format->data[0] != 0))
        return pbt_fail_at(error, PBT_BAD_INPUT, file, slot->name, "expected weight_format 0, rows");
    q->block = (int32_t)slot->cols;
    PBT_TRY(floats(model, scales, &q->absmax, error));
    return check_finite(q->absmax, slot->rows, " (its SCB)", slot, file, error);
}

pbt_code pbt_bitsandbytes_take(pbt_model *model, const pbt_slot *slot, const pbt_stored_tensor *tensor,
                               const char *file, pbt_error *error) {
    pbt_dtype dtype = pbt_bitsandbytes_dtype(model, slot, tensor);
    pbt_quantization *q = pbt_weights_alloc(model, sizeof *q, error);
    if (!q) return PBT_FAILED;
    PBT_TRY(dtype == PBT_INT8 ? take_int8(model, slot, tensor, file, q, error)
                              : take_4bit(model, slot, tensor, file, dtype, q, error));
    *slot->matrix = (pbt_matrix){.dtype = dtype,
                                 .rows = (int32_t)slot->rows,
                                 .cols = (int32_t)slot->cols,
                                 .data = tensor->data,
                                 .quantization = q};
    return PBT_OK;
}

/* ---- writing ---- */

/* As Python prints a float: the fewest digits that read back. */
static void shortest(double value, char text[40]) {
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, 40, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    if (!strpbrk(text, ".en")) snprintf(text + strlen(text), 40 - strlen(text), ".0");
}

static pbt_tensor_out *add(pbt_bitsandbytes_form *form, pbt_tensor_out *out, size_t *n, const pbt_slot *slot,
                           const char *suffix, const char *type, int64_t count, const void *data) {
    bool is_beside = suffix[0] && suffix[0] != '.';
    int length = (int)(strlen(slot->name) - (is_beside ? strlen("weight") : 0));
    snprintf(form->names[*n], sizeof form->names[*n], "%.*s%s", length, slot->name, suffix);
    out[*n] = (pbt_tensor_out){
        .name = form->names[*n], .n_dimensions = 1, .shape = {count}, .data = data, .type = type};
    return &out[(*n)++];
}

static void write_state(const pbt_slot *slot, pbt_dtype dtype, pbt_bitsandbytes_form *form) {
    const pbt_quantization *q = slot->matrix->quantization;
    int used =
        snprintf(form->state, sizeof form->state,
                 "{\"quant_type\": \"%s\", \"blocksize\": %d, \"dtype\": \"%s\", \"shape\": [%lld, %lld]",
                 pbt_dtype_name(slot->matrix->dtype), q->block, pbt_dtype_name(dtype), (long long)slot->rows,
                 (long long)slot->cols);
    char offset[40];
    if (q->nested) {
        shortest((double)q->offset, offset);
        used += snprintf(form->state + used, sizeof form->state - (size_t)used,
                         ", \"nested_blocksize\": %d, \"nested_dtype\": \"float32\", \"nested_offset\": %s",
                         PBT_NESTED_BLOCK, offset);
    }
    snprintf(form->state + used, sizeof form->state - (size_t)used, "}");
}

size_t pbt_bitsandbytes_tensors(const pbt_slot *slot, pbt_dtype dtype, pbt_bitsandbytes_form *form,
                                pbt_tensor_out out[PBT_BITSANDBYTES_TENSORS]) {
    static const uint8_t rows = 0;
    const pbt_matrix *matrix = slot->matrix;
    const pbt_quantization *q = matrix->quantization;
    int64_t count = slot->rows * slot->cols, blocks = (count + q->block - 1) / q->block;
    size_t n = 0;
    pbt_tensor_out *weight = add(form, out, &n, slot, "", "U8", (count + 1) / 2, matrix->data);
    weight->n_dimensions = 2;
    if (matrix->dtype == PBT_INT8) {
        weight->type = "I8";
        weight->shape[0] = slot->rows;
        weight->shape[1] = slot->cols;
        add(form, out, &n, slot, "SCB", "F32", slot->rows, q->absmax);
        add(form, out, &n, slot, "weight_format", "U8", 1, &rows)->n_dimensions = 0;
        return n;
    }
    weight->shape[1] = 1;
    write_state(slot, dtype, form);
    add(form, out, &n, slot, ".quant_map", "F32", 16,
        matrix->dtype == PBT_NF4 ? pbt_nf4_codes : pbt_fp4_codes);
    if (q->nested) {
        add(form, out, &n, slot, ".absmax", "U8", blocks, q->nested);
        add(form, out, &n, slot, ".nested_absmax", "F32", (blocks + PBT_NESTED_BLOCK - 1) / PBT_NESTED_BLOCK,
            q->nested_absmax);
        add(form, out, &n, slot, ".nested_quant_map", "F32", 256, q->nested_map);
    } else {
        add(form, out, &n, slot, ".absmax", "F32", blocks, q->absmax);
    }
    char suffix[64];
    snprintf(suffix, sizeof suffix, ".quant_state.bitsandbytes__%s", pbt_dtype_name(matrix->dtype));
    add(form, out, &n, slot, suffix, "U8", (int64_t)strlen(form->state), form->state);
    return n;
}
