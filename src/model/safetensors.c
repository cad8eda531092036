#include "model/safetensors.h"

#include "base/memory.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_LIMIT = 100 << 20 }; /* as the format's own library */

static const struct {
    const char *name;
    int bytes;
    pbt_dtype dtype;
} types[] = {{"F32", 4, PBT_F32},     {"F16", 2, PBT_F16},        {"BF16", 2, PBT_BF16},
             {"F64", 8, PBT_DTYPES},  {"I64", 8, PBT_DTYPES},     {"I32", 4, PBT_DTYPES},
             {"I16", 2, PBT_DTYPES},  {"I8", 1, PBT_DTYPES},      {"U8", 1, PBT_DTYPES},
             {"BOOL", 1, PBT_DTYPES}, {"U16", 2, PBT_DTYPES},     {"U32", 4, PBT_DTYPES},
             {"U64", 8, PBT_DTYPES},  {"F8_E4M3", 1, PBT_DTYPES}, {"F8_E5M2", 1, PBT_DTYPES}};

void pbt_shape_text(const int64_t *shape, int n, char *text, size_t size) {
    size_t used = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < n && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%lld", i ? ", " : "", (long long)shape[i]);
    if (used < size) snprintf(text + used, size - used, "]");
}

static pbt_code parse_tensor(const char *name, const json_t *entry, const char *path,
                             const unsigned char *data, size_t length, pbt_stored_tensor *tensor,
                             pbt_error *error) {
    const char *type;
    const json_t *shape, *offsets;
    char where[160];
    snprintf(where, sizeof where, "tensor %s", name);
    PBT_TRY(pbt_json_string(entry, "dtype", path, where, &type, error));
    PBT_TRY(pbt_json_array(entry, "shape", path, where, &shape, error));
    PBT_TRY(pbt_json_array(entry, "data_offsets", path, where, &offsets, error));
    int bytes = 0;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(type, types[i].name) == 0) {
            bytes = types[i].bytes;
            tensor->dtype = types[i].dtype;
        }
    if (!bytes) return pbt_fail_at(error, PBT_BAD_INPUT, path, where, "unknown dtype \"%s\"", type);
    snprintf(tensor->type, sizeof tensor->type, "%s", type);
    tensor->name = name;
    if (json_array_size(shape) > PBT_TENSOR_MAX_DIMENSIONS)
        return pbt_fail_at(error, PBT_BAD_INPUT, path, where, "expected at most %d dimensions, found %zu",
                           PBT_TENSOR_MAX_DIMENSIONS, json_array_size(shape));
    tensor->count = 1;
    tensor->n_dimensions = (int)json_array_size(shape);
    for (int i = 0; i < tensor->n_dimensions; i++) {
        const json_t *item = json_array_get(shape, (size_t)i);
        tensor->shape[i] = json_integer_value(item);
        if (!json_is_integer(item) || tensor->shape[i] < 0 ||
            __builtin_mul_overflow(tensor->count, tensor->shape[i], &tensor->count) ||
            tensor->count > INT64_MAX / 16)
            return pbt_fail_at(error, PBT_BAD_INPUT, path, where, "expected a shape of sizes from 0 on");
    }
    const json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
    json_int_t begin = json_integer_value(first), end = json_integer_value(last);
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(last) || begin < 0 ||
        end < begin || (uint64_t)end > length)
        return pbt_fail_at(
            error, PBT_BAD_INPUT, path, where,
            "data_offsets [%lld, %lld] lie outside the %zu bytes of data; is the file cut short?",
            (long long)begin, (long long)end, length);
    if (end - begin != tensor->count * bytes) {
        char text[128];
        pbt_shape_text(tensor->shape, tensor->n_dimensions, text, sizeof text);
        return pbt_fail_at(error, PBT_BAD_INPUT, path, where, "shape %s of %s needs %lld bytes, found %lld",
                           text, type, (long long)(tensor->count * bytes), (long long)(end - begin));
    }
    tensor->data = data + begin;
    tensor->bytes = (size_t)(end - begin);
    return PBT_OK;
}

static int by_place(const void *a, const void *b) {
    const pbt_stored_tensor *x = a, *y = b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Tensors stand one behind the other from the first byte to the last, as the format asks: else the header is
 * not that of this file. */
static pbt_code check_places(pbt_safetensors *file, const unsigned char *data, size_t length,
                             pbt_error *error) {
    size_t end = 0;
    qsort(file->tensors, file->n_tensors, sizeof *file->tensors, by_place);
    for (size_t i = 0; i < file->n_tensors; i++) {
        const pbt_stored_tensor *t = &file->tensors[i];
        size_t first = (size_t)(t->data - data);
        if (first < end)
            return pbt_fail_at(error, PBT_BAD_INPUT, file->path, "header",
                               "tensors %.200s and %.200s overlap", file->tensors[i - 1].name, t->name);
        if (first > end)
            return pbt_fail_at(error, PBT_BAD_INPUT, file->path, "header",
                               "nothing lies in the %zu bytes before tensor %.200s", first - end, t->name);
        end += t->bytes;
    }
    if (end == length) return PBT_OK;
    return pbt_fail_at(error, PBT_BAD_INPUT, file->path, "header",
                       "its tensors end after %zu bytes of data, but the file holds %zu", end, length);
}

static pbt_code parse_header(const unsigned char *data, size_t length, pbt_safetensors *file,
                             pbt_error *error) {
    uint64_t size = 0;
    if (length < 8)
        return pbt_fail_at(error, PBT_BAD_INPUT, file->path, NULL,
                           "expected a safetensors file, found only %zu bytes", length);
    for (int i = 7; i >= 0; i--) size = size << 8 | data[i];
    if (size > HEADER_LIMIT || size > length - 8)
        return pbt_fail_at(error, PBT_BAD_INPUT, file->path, "header",
                           "says it is %llu bytes long, but the file holds %zu (limit %d)",
                           (unsigned long long)size, length - 8, HEADER_LIMIT);
    PBT_TRY(pbt_json_parse((const char *)data + 8, (size_t)size, file->path, "header", &file->header, error));
    if (!json_is_object(file->header))
        return pbt_fail_at(error, PBT_BAD_INPUT, file->path, "header", "expected a JSON object");
    file->tensors = pbt_alloc(json_object_size(file->header), sizeof *file->tensors);
    if (!file->tensors) return pbt_fail_memory(error, 0, "a list of tensors");
    const char *name;
    json_t *entry;
    const unsigned char *bytes = data + 8 + size;
    size_t rest = length - 8 - (size_t)size;
    json_object_foreach(file->header, name, entry) {
        if (strcmp(name, "__metadata__") == 0) continue;
        PBT_TRY(parse_tensor(name, entry, file->path, bytes, rest, &file->tensors[file->n_tensors], error));
        file->n_tensors++;
    }
    return check_places(file, bytes, rest, error);
}

pbt_code pbt_safetensors_parse(const unsigned char *data, size_t length, const char *path,
                               pbt_safetensors *file, pbt_error *error) {
    *file = (pbt_safetensors){.path = pbt_string_copy(path)};
    pbt_code code =
        file->path ? parse_header(data, length, file, error) : pbt_fail_memory(error, 0, "a path");
    if (code != PBT_OK) pbt_safetensors_close(file);
    return code;
}

pbt_code pbt_safetensors_open(const char *path, pbt_safetensors *file, pbt_error *error) {
    pbt_mapping mapping;
    *file = (pbt_safetensors){0};
    PBT_TRY(pbt_file_map(path, &mapping, error));
    pbt_code code = pbt_safetensors_parse(mapping.data, mapping.length, path, file, error);
    if (code == PBT_OK)
        file->mapping = mapping;
    else
        pbt_file_unmap(&mapping);
    return code;
}

void pbt_safetensors_close(pbt_safetensors *file) {
    if (file->mapping.data) pbt_file_unmap(&file->mapping);
    json_decref(file->header);
    free(file->tensors);
    free(file->path);
    *file = (pbt_safetensors){0};
}

const pbt_stored_tensor *pbt_safetensors_find(const pbt_safetensors *file, const char *name) {
    for (size_t i = 0; i < file->n_tensors; i++)
        if (strcmp(file->tensors[i].name, name) == 0) return &file->tensors[i];
    return NULL;
}

void pbt_stored_to_floats(const void *data, pbt_dtype dtype, int64_t count, float *to) {
    if (dtype == PBT_F32) {
        memcpy(to, data, (size_t)count * sizeof *to);
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, (const char *)data + 2 * i, 2);
        to[i] = dtype == PBT_BF16 ? pbt_bf16_to_f32(half) : pbt_f16_to_f32(half);
    }
}

bool pbt_stored_is_readable(const pbt_stored_tensor *tensor) {
    return tensor->dtype != PBT_DTYPES || tensor->blocks != PBT_BLOCK_F32;
}

bool pbt_stored_is_plain(const pbt_stored_tensor *tensor) {
    return tensor->dtype != PBT_DTYPES && !tensor->interleaved_heads;
}

/* Where the row of a head's half stands among rows in turn. */
static int64_t row_in_file(const pbt_stored_tensor *t, int64_t row) {
    if (!t->interleaved_heads) return row;
    int64_t width = t->shape[0] / t->interleaved_heads, in_head = row % width;
    return row - in_head + 2 * (in_head % (width / 2)) + in_head / (width / 2);
}

void pbt_stored_rows(const pbt_stored_tensor *t, int64_t first, int64_t n, float *to) {
    int64_t cols = t->shape[0] > 0 ? t->count / t->shape[0] : 0;
    int64_t bytes = t->shape[0] > 0 ? (int64_t)t->bytes / t->shape[0] : 0;
    for (int64_t i = 0; i < n; i++) {
        const unsigned char *row = t->data + row_in_file(t, first + i) * bytes;
        if (t->dtype == PBT_DTYPES)
            pbt_block_floats(t->blocks, row, cols, to + i * cols);
        else
            pbt_stored_to_floats(row, t->dtype, cols, to + i * cols);
    }
}

static int64_t count_of(const pbt_tensor_out *tensor) {
    int64_t count = 1;
    for (int i = 0; i < tensor->n_dimensions; i++) count *= tensor->shape[i];
    return count;
}

int64_t pbt_tensor_out_bytes(const pbt_tensor_out *tensor, pbt_dtype dtype) {
    int64_t size = pbt_dtype_bits(dtype) / 8;
    if (tensor->type) size = strcmp(tensor->type, "F32") == 0 ? 4 : 1;
    return count_of(tensor) * size;
}

static void header_of(const pbt_tensor_out *tensors, size_t n, pbt_dtype dtype, pbt_text *text) {
    int64_t offset = 0;
    pbt_text_add(text, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (size_t i = 0; i < n; i++) {
        char shape[64];
        int64_t bytes = pbt_tensor_out_bytes(&tensors[i], dtype);
        pbt_shape_text(tensors[i].shape, tensors[i].n_dimensions, shape, sizeof shape);
        pbt_text_addf(text, ",\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%lld,%lld]}",
                      tensors[i].name, tensors[i].type ? tensors[i].type : types[dtype].name, shape,
                      (long long)offset, (long long)offset + (long long)bytes);
        offset += bytes;
    }
    pbt_text_add(text, "}");
    while (text->length % 8 != 0 && !text->failed) pbt_text_add(text, " ");
}

static pbt_code write_tensor(pbt_file_writer *writer, const pbt_tensor_out *tensor, pbt_dtype dtype,
                             pbt_error *error) {
    enum { PIECE = 4096 };
    int64_t count = count_of(tensor), from = pbt_dtype_bits(tensor->dtype) / 8;
    if (tensor->type)
        return pbt_file_writer_write(writer, tensor->data, (size_t)pbt_tensor_out_bytes(tensor, dtype),
                                     error);
    for (int64_t at = 0; at < count; at += PIECE) {
        float values[PIECE];
        uint16_t halves[PIECE];
        int64_t n = count - at < PIECE ? count - at : PIECE;
        if (tensor->data)
            pbt_stored_to_floats((const char *)tensor->data + at * from, tensor->dtype, n, values);
        else
            tensor->fill(tensor, at, n, values);
        for (int64_t i = 0; dtype != PBT_F32 && i < n; i++)
            halves[i] = dtype == PBT_BF16 ? pbt_f32_to_bf16(values[i]) : pbt_f32_to_f16(values[i]);
        const void *bytes = dtype == PBT_F32 ? (const void *)values : halves;
        PBT_TRY(pbt_file_writer_write(writer, bytes, (size_t)n * (size_t)pbt_dtype_bits(dtype) / 8, error));
    }
    return PBT_OK;
}

pbt_code pbt_safetensors_write(const char *path, const pbt_tensor_out *tensors, size_t n, pbt_dtype dtype,
                               pbt_error *error) {
    if (dtype != PBT_F32 && dtype != PBT_F16 && dtype != PBT_BF16)
        return pbt_fail(error, PBT_USAGE, "%s: weights are written as float32, float16 or bfloat16, not %s",
                        path, pbt_dtype_name(dtype));
    pbt_text header = {0};
    pbt_file_writer *writer = NULL;
    header_of(tensors, n, dtype, &header);
    if (header.failed) {
        pbt_text_free(&header);
        return pbt_fail_memory(error, header.capacity, "a header");
    }
    unsigned char size[8];
    for (int i = 0; i < 8; i++) size[i] = (unsigned char)(header.length >> (8 * i));
    pbt_code code = pbt_file_writer_open(path, &writer, error);
    if (code == PBT_OK) code = pbt_file_writer_write(writer, size, 8, error);
    if (code == PBT_OK) code = pbt_file_writer_write(writer, header.data, header.length, error);
    for (size_t i = 0; code == PBT_OK && i < n; i++) code = write_tensor(writer, &tensors[i], dtype, error);
    if (code == PBT_OK)
        code = pbt_file_writer_commit(writer, error);
    else if (writer)
        pbt_file_writer_abandon(writer);
    pbt_text_free(&header);
    return code;
}
