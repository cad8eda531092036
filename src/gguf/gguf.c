#include "gguf/gguf.h"

#include "base/memory.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What hostile files may ask for at most; real ones stay far below. */
enum {
    MAX_VALUES = 1 << 16,
    MAX_TENSORS = 1 << 20,
    MAX_PARTS = 1000,
    MAX_NAME = 1 << 10,
    MAX_ALIGNMENT = 1 << 16
};
/* A value takes at least its key's length, its kind and a byte; a tensor its name's length, its dimensions,
 * type and offset: so counts are held against the bytes that are there. */
enum { LEAST_VALUE = 13, LEAST_TENSOR = 24 };

typedef struct reader {
    const unsigned char *data;
    size_t at, length;
    const char *path;
    bool broken;
} reader;

static uint64_t take(reader *r, int bytes) {
    uint64_t value = 0;
    if (r->broken || r->length - r->at < (size_t)bytes) {
        r->broken = true;
        return 0;
    }
    for (int i = 0; i < bytes; i++) value |= (uint64_t)r->data[r->at + (size_t)i] << (8 * i);
    r->at += (size_t)bytes;
    return value;
}

static const unsigned char *take_bytes(reader *r, uint64_t n) {
    if (r->broken || n > r->length - r->at) {
        r->broken = true;
        return NULL;
    }
    const unsigned char *bytes = r->data + r->at;
    r->at += (size_t)n;
    return bytes;
}

static pbt_gguf_string take_string(reader *r) {
    uint64_t length = take(r, 8);
    const unsigned char *bytes = take_bytes(r, length);
    return (pbt_gguf_string){(const char *)bytes, bytes ? (size_t)length : 0};
}

static pbt_code ends_early(const reader *r, const char *where, pbt_error *error) {
    return pbt_fail_at(error, PBT_BAD_INPUT, r->path, where,
                       "the file ends too early: expected more than its %zu bytes (was it downloaded whole?)",
                       r->length);
}

/* ---- metadata ---- */

static const int sizes[PBT_GGUF_KINDS] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

static void skip_strings(reader *r, uint64_t n) {
    for (uint64_t i = 0; i < n && !r->broken; i++) take_string(r);
}

static pbt_code take_value(reader *r, pbt_gguf_value *value, size_t index, pbt_error *error) {
    char where[64];
    snprintf(where, sizeof where, "metadata entry %zu", index);
    value->key = take_string(r);
    uint64_t kind = take(r, 4);
    value->array = kind == PBT_GGUF_ARRAY;
    value->count = 1;
    if (value->array) {
        kind = take(r, 4);
        value->count = take(r, 8);
    }
    if (r->broken) return ends_early(r, where, error);
    if (kind >= PBT_GGUF_KINDS || kind == PBT_GGUF_ARRAY)
        return pbt_fail_at(error, PBT_BAD_INPUT, r->path, where, "\"%.*s\" is of the unknown kind %" PRIu64,
                           (int)(value->key.length < 80 ? value->key.length : 80), value->key.bytes, kind);
    value->kind = (pbt_gguf_kind)kind;
    value->data = r->data + r->at;
    size_t before = r->at;
    if (kind == PBT_GGUF_STRING)
        skip_strings(r, value->count);
    else if (value->count > (r->length - r->at) / (size_t)sizes[kind])
        r->broken = true;
    else
        take_bytes(r, value->count * (uint64_t)sizes[kind]);
    value->bytes = r->at - before;
    return r->broken ? ends_early(r, where, error) : PBT_OK;
}

static const pbt_gguf_value *find_value(const pbt_gguf_part *part, const char *key) {
    size_t length = strlen(key);
    for (size_t i = 0; i < part->n_values; i++)
        if (part->values[i].key.length == length && memcmp(part->values[i].key.bytes, key, length) == 0)
            return &part->values[i];
    return NULL;
}

/* ---- tensors ---- */

static pbt_code take_shape(reader *r, pbt_gguf_tensor *t, const char *where, uint64_t *elements,
                           pbt_error *error) {
    uint64_t n = take(r, 4), sizes_of[PBT_GGUF_MAX_DIMENSIONS] = {0};
    *elements = 1;
    if (!r->broken && (n < 1 || n > PBT_GGUF_MAX_DIMENSIONS))
        return pbt_fail_at(error, PBT_BAD_INPUT, r->path, where,
                           "has %" PRIu64 " dimensions; expected 1 to %d", n, PBT_GGUF_MAX_DIMENSIONS);
    for (uint64_t i = 0; i < n && !r->broken; i++) {
        sizes_of[i] = take(r, 8);
        if (sizes_of[i] < 1 || sizes_of[i] > INT32_MAX || *elements > ((uint64_t)1 << 40) / sizes_of[i])
            return pbt_fail_at(error, PBT_BAD_INPUT, r->path, where, "its dimension %" PRIu64 " is %" PRIu64,
                               i, sizes_of[i]);
        *elements *= sizes_of[i];
    }
    t->n_dimensions = (int)n;
    for (uint64_t i = 0; i < n; i++) t->shape[i] = (int64_t)sizes_of[n - 1 - i];
    return PBT_OK;
}

static pbt_code take_tensor(reader *r, pbt_gguf_tensor *t, uint64_t *offset, size_t index, pbt_error *error) {
    char where[128];
    uint64_t elements;
    snprintf(where, sizeof where, "tensor %zu", index);
    pbt_gguf_string name = take_string(r);
    if (r->broken) return ends_early(r, where, error);
    t->name = name.length && name.length <= MAX_NAME ? pbt_gguf_copy(name) : NULL;
    if (!t->name)
        return pbt_fail_at(error, PBT_BAD_INPUT, r->path, where, "its name is broken (%zu bytes)",
                           name.length);
    snprintf(where, sizeof where, "tensor %.100s", t->name);
    PBT_TRY(take_shape(r, t, where, &elements, error));
    uint64_t type = take(r, 4);
    *offset = take(r, 8);
    if (r->broken) return ends_early(r, where, error);
    const int number = type < PBT_BLOCK_TYPES ? (int)type : -1;
    if (!pbt_block_is_known(number)) {
        const char *known = pbt_block_name(number);
        return pbt_fail_at(error, PBT_BAD_INPUT, r->path, where,
                           "is of the type %s (%" PRIu64
                           "), which is not read; expected F32, F16, BF16, Q4_0, Q4_1, "
                           "Q5_0, Q5_1, Q8_0, Q2_K to Q6_K, IQ4_NL or IQ4_XS",
                           known ? known : "unknown", type);
    }
    t->type = (pbt_block_type)number;
    if (t->shape[t->n_dimensions - 1] % pbt_block_elements(number) != 0)
        return pbt_fail_at(error, PBT_BAD_INPUT, r->path, where,
                           "has rows of %" PRId64 " elements, which are no whole blocks of %s (%d)",
                           t->shape[t->n_dimensions - 1], pbt_block_name(number), pbt_block_elements(number));
    t->bytes = (size_t)(elements / (uint64_t)pbt_block_elements(number)) * (size_t)pbt_block_bytes(number);
    return PBT_OK;
}

static int by_data(const void *a, const void *b) {
    const pbt_gguf_tensor *x = *(pbt_gguf_tensor *const *)a, *y = *(pbt_gguf_tensor *const *)b;
    return x->data < y->data ? -1 : x->data > y->data;
}

/* No two tensors share bytes. */
static pbt_code check_places(const pbt_gguf_part *part, pbt_error *error) {
    const pbt_gguf_tensor **order = pbt_alloc(part->n_tensors + 1, sizeof *order);
    pbt_code code =
        order ? PBT_OK : pbt_fail_memory(error, part->n_tensors * sizeof *order, "a list of tensors");
    for (size_t i = 0; order && i < part->n_tensors; i++) order[i] = &part->tensors[i];
    if (order) qsort((void *)order, part->n_tensors, sizeof *order, by_data);
    for (size_t i = 1; code == PBT_OK && i < part->n_tensors; i++)
        if (order[i - 1]->data + order[i - 1]->bytes > order[i]->data)
            code = pbt_fail_at(error, PBT_BAD_INPUT, part->path, order[i]->name,
                               "lies over the tensor %.100s", order[i - 1]->name);
    free((void *)order);
    return code;
}

static pbt_code take_tensors(reader *r, pbt_gguf_part *part, uint64_t n, pbt_error *error) {
    uint64_t *offsets = pbt_alloc((size_t)n + 1, sizeof *offsets);
    part->tensors = pbt_alloc((size_t)n + 1, sizeof *part->tensors);
    pbt_code code =
        offsets && part->tensors ? PBT_OK : pbt_fail_memory(error, (size_t)n, "a list of tensors");
    while (code == PBT_OK && part->n_tensors < n) {
        size_t i = part->n_tensors++;
        code = take_tensor(r, &part->tensors[i], &offsets[i], i, error);
    }
    int64_t alignment = 32;
    const pbt_gguf_value *given = find_value(part, "general.alignment");
    if (code == PBT_OK && given &&
        (!pbt_gguf_integer(given, 0, &alignment) || alignment < 8 || alignment > MAX_ALIGNMENT ||
         alignment % 8))
        code = pbt_fail_at(error, PBT_BAD_INPUT, part->path, "general.alignment",
                           "expected a multiple of 8 up to %d", MAX_ALIGNMENT);
    size_t begin =
        code == PBT_OK ? (r->at + (size_t)alignment - 1) / (size_t)alignment * (size_t)alignment : 0;
    for (size_t i = 0; code == PBT_OK && i < part->n_tensors; i++) {
        pbt_gguf_tensor *t = &part->tensors[i];
        size_t rest = begin < r->length ? r->length - begin : 0;
        if (offsets[i] % (uint64_t)alignment != 0)
            code = pbt_fail_at(error, PBT_BAD_INPUT, part->path, t->name,
                               "its offset %" PRIu64 " is not a multiple of %lld", offsets[i],
                               (long long)alignment);
        else if (offsets[i] > rest || t->bytes > rest - offsets[i])
            code = ends_early(r, t->name, error);
        else
            t->data = r->data + begin + offsets[i];
    }
    free(offsets);
    return code == PBT_OK ? check_places(part, error) : code;
}

/* ---- a part ---- */

static pbt_code parse(reader *r, pbt_gguf_part *part, pbt_error *error) {
    if (r->length < 24 || memcmp(r->data, "GGUF", 4) != 0)
        return pbt_fail_at(error, PBT_BAD_INPUT, r->path, NULL, "expected a GGUF file, found something else");
    r->at = 4;
    uint64_t version = take(r, 4), n_tensors = take(r, 8), n_values = take(r, 8);
    if (version != 2 && version != 3)
        return pbt_fail_at(error, PBT_BAD_INPUT, r->path, NULL,
                           "is GGUF of the version %" PRIu64 "%s; expected 2 or 3, little endian", version,
                           version > 0xFFFF ? " (big endian?)" : "");
    if (n_values > MAX_VALUES || n_values > r->length / LEAST_VALUE || n_tensors > MAX_TENSORS ||
        n_tensors > r->length / LEAST_TENSOR)
        return pbt_fail_at(error, PBT_BAD_INPUT, r->path, NULL,
                           "says that it holds %" PRIu64 " tensors and %" PRIu64
                           " metadata entries, more than its %zu "
                           "bytes can",
                           n_tensors, n_values, r->length);
    part->values = pbt_alloc((size_t)n_values + 1, sizeof *part->values);
    if (!part->values) return pbt_fail_memory(error, (size_t)n_values, "metadata");
    for (; part->n_values < n_values; part->n_values++)
        PBT_TRY(take_value(r, &part->values[part->n_values], part->n_values, error));
    return take_tensors(r, part, n_tensors, error);
}

pbt_code pbt_gguf_parse(const unsigned char *data, size_t length, const char *path, pbt_gguf_part *part,
                        pbt_error *error) {
    *part = (pbt_gguf_part){.path = pbt_string_copy(path)};
    reader r = {.data = data, .length = length, .path = path};
    pbt_code code = part->path ? parse(&r, part, error) : pbt_fail_memory(error, strlen(path), "a path");
    if (code != PBT_OK) pbt_gguf_part_close(part);
    return code;
}

void pbt_gguf_part_close(pbt_gguf_part *part) {
    for (size_t i = 0; i < part->n_tensors; i++) free(part->tensors[i].name);
    free(part->tensors);
    free(part->values);
    free(part->path);
    if (part->mapping.data) pbt_file_unmap(&part->mapping);
    *part = (pbt_gguf_part){0};
}

/* ---- files ---- */

bool pbt_gguf_is(const char *path) {
    return pbt_string_ends(path, ".gguf") && !pbt_folder_exists(path);
}

static pbt_code open_part(const char *path, pbt_gguf *file, pbt_error *error) {
    pbt_mapping mapping;
    pbt_gguf_part *part = &file->parts[file->n_parts];
    PBT_TRY(pbt_file_map(path, &mapping, error));
    pbt_code code = pbt_gguf_parse(mapping.data, mapping.length, path, part, error);
    if (code != PBT_OK) {
        pbt_file_unmap(&mapping);
        return code;
    }
    part->mapping = mapping;
    file->n_parts++;
    return PBT_OK;
}

/* "x-00001-of-00003.gguf": the parts, and where the number stands; 1 for a file that is not split. */
static long parts_of(const char *path, size_t *number) {
    size_t length = strlen(path), tail = strlen("-00001-of-00003.gguf");
    unsigned part, parts;
    int end = 0;
    if (length <= tail || sscanf(path + length - tail, "-%5u-of-%5u.gguf%n", &part, &parts, &end) != 2 ||
        (size_t)end != tail)
        return 1;
    *number = length - tail + 1;
    return (long)parts;
}

pbt_code pbt_gguf_open(const char *path, pbt_gguf *file, pbt_error *error) {
    size_t number = 0;
    long n = parts_of(path, &number);
    *file = (pbt_gguf){0};
    if (n < 1 || n > MAX_PARTS)
        return pbt_fail_at(error, PBT_BAD_INPUT, path, NULL, "is a part of %ld; expected 1 to %d parts", n,
                           MAX_PARTS);
    if (number && strncmp(path + number, "00001", 5) != 0)
        return pbt_fail_at(
            error, PBT_BAD_INPUT, path, NULL,
            "is not the first part of a split file; give the one that ends with -00001-of-%05ld.gguf", n);
    file->parts = pbt_alloc((size_t)n, sizeof *file->parts);
    char *name = pbt_string_copy(path);
    pbt_code code = file->parts && name ? PBT_OK : pbt_fail_memory(error, strlen(path), "a file");
    for (long i = 1; i <= n && code == PBT_OK; i++) {
        char digits[8];
        snprintf(digits, sizeof digits, "%05ld", i % 100000);
        if (number) memcpy(name + number, digits, 5);
        code = open_part(name, file, error);
    }
    free(name);
    if (code != PBT_OK) pbt_gguf_close(file);
    return code;
}

void pbt_gguf_close(pbt_gguf *file) {
    for (size_t i = 0; file->parts && i < file->n_parts; i++) pbt_gguf_part_close(&file->parts[i]);
    free(file->parts);
    *file = (pbt_gguf){0};
}

/* ---- values ---- */

const pbt_gguf_value *pbt_gguf_find(const pbt_gguf *file, const char *key) {
    return file->n_parts ? find_value(&file->parts[0], key) : NULL;
}

/* The bytes of element `index` as an unsigned number. */
static bool element(const pbt_gguf_value *value, uint64_t index, uint64_t *out) {
    if (!value || index >= value->count || value->kind == PBT_GGUF_STRING) return false;
    int size = sizes[value->kind];
    *out = 0;
    for (int i = 0; i < size; i++)
        *out |= (uint64_t)value->data[index * (uint64_t)size + (uint64_t)i] << (8 * i);
    return true;
}

bool pbt_gguf_integer(const pbt_gguf_value *value, uint64_t index, int64_t *out) {
    uint64_t bits;
    if (!element(value, index, &bits)) return false;
    switch (value->kind) {
    case PBT_GGUF_U8:
    case PBT_GGUF_BOOL:
    case PBT_GGUF_U16:
    case PBT_GGUF_U32:
        *out = (int64_t)bits;
        return true;
    case PBT_GGUF_I8:
        *out = (int64_t)(bits ^ 0x80) - 0x80;
        return true;
    case PBT_GGUF_I16:
        *out = (int16_t)bits;
        return true;
    case PBT_GGUF_I32:
        *out = (int32_t)bits;
        return true;
    case PBT_GGUF_I64:
    case PBT_GGUF_U64:
        *out = (int64_t)bits;
        return value->kind == PBT_GGUF_I64 || bits <= INT64_MAX;
    default:
        return false;
    }
}

bool pbt_gguf_number(const pbt_gguf_value *value, uint64_t index, double *out) {
    uint64_t bits;
    int64_t integer;
    if (pbt_gguf_integer(value, index, &integer)) {
        *out = (double)integer;
        return true;
    }
    if (!element(value, index, &bits)) return false;
    if (value->kind == PBT_GGUF_F32) {
        uint32_t narrow = (uint32_t)bits;
        float real;
        memcpy(&real, &narrow, sizeof real);
        *out = (double)real;
        return true;
    }
    if (value->kind != PBT_GGUF_F64) return false;
    memcpy(out, &bits, sizeof *out);
    return true;
}

bool pbt_gguf_next_string(const pbt_gguf_value *value, const unsigned char **at, pbt_gguf_string *out) {
    const unsigned char *end = value->data + value->bytes;
    if (value->kind != PBT_GGUF_STRING || *at >= end) return false;
    /* Checked when the file was opened. */
    uint64_t length = 0;
    for (int i = 0; i < 8; i++) length |= (uint64_t)(*at)[i] << (8 * i);
    *out = (pbt_gguf_string){(const char *)*at + 8, (size_t)length};
    *at += 8 + length;
    return true;
}

bool pbt_gguf_text(const pbt_gguf_value *value, pbt_gguf_string *out) {
    if (!value || value->array || value->kind != PBT_GGUF_STRING) return false;
    const unsigned char *at = value->data;
    return pbt_gguf_next_string(value, &at, out);
}

char *pbt_gguf_copy(pbt_gguf_string string) {
    if (string.length && memchr(string.bytes, 0, string.length)) return NULL;
    char *copy = pbt_alloc(string.length + 1, 1);
    if (copy && string.length) memcpy(copy, string.bytes, string.length);
    return copy;
}
