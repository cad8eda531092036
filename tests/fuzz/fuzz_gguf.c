/* GGUF files come from anywhere: any bytes give values and tensors that lie inside them, or a sentence. */
#include "gguf/gguf.h"

#include <stdint.h>
#include <stdlib.h>

/* What is read must not be optimised away. */
volatile size_t bytes_read;

static void check_tensor(const pbt_gguf_tensor *t, const uint8_t *data, size_t size) {
    float values[4096];
    int64_t n = 4096 / pbt_block_elements((int)t->type) * pbt_block_elements((int)t->type), count = 1;
    if (t->data < data || t->data + t->bytes > data + size) abort();
    for (int i = 0; i < t->n_dimensions; i++) count *= t->shape[i];
    pbt_block_floats(t->type, t->data, count < n ? count : n, values);
}

static void check_value(const pbt_gguf_value *value) {
    const unsigned char *at = value->data;
    pbt_gguf_string text;
    int64_t integer;
    double number;
    while (pbt_gguf_next_string(value, &at, &text))
        for (size_t i = 0; i < text.length; i++) bytes_read += (unsigned char)text.bytes[i];
    for (uint64_t i = 0; i < value->count && i < 64; i++) {
        pbt_gguf_integer(value, i, &integer);
        pbt_gguf_number(value, i, &number);
    }
    if (value->count) pbt_gguf_number(value, value->count - 1, &number);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pbt_error error;
    pbt_gguf_part part;
    if (pbt_gguf_parse(data, size, "fuzz", &part, &error) != PBT_OK) return 0;
    for (size_t i = 0; i < part.n_tensors; i++) check_tensor(&part.tensors[i], data, size);
    for (size_t i = 0; i < part.n_values; i++) check_value(&part.values[i]);
    pbt_gguf_part_close(&part);
    return 0;
}
